#include "api/meter.h"

#include <stddef.h>

#define MINUTE_MS 60000
#define PROBES 16

/* A count lies below its minute, so that one of another minute shows. */
#define COUNT_BITS 32

static uint64_t hash_of(enum meter_kind kind, const char *name)
{
	uint64_t hash = (0xcbf29ce484222325u ^ (uint64_t)kind) * 0x100000001b3u;       /* FNV-1a */

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
	hash = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15u;
	return hash ? hash : 1;
}

static uint32_t add(_Atomic uint64_t *count, uint64_t minute)
{
	uint64_t old = atomic_load(count), new;

	do
		new = old >> COUNT_BITS == minute ? old + 1 : (minute << COUNT_BITS) + 1;
	while (!atomic_compare_exchange_weak(count, &old, new));
	return (uint32_t)new;
}

/* An entry of an earlier minute is free. Two that come at the same moment may each take one: then the one that is found first counts
 * from then on. */
uint32_t meter_add(struct meter *meter, enum meter_kind kind, const char *name, int64_t now)
{
	uint64_t key = hash_of(kind, name), minute = (uint64_t)(now / MINUTE_MS);
	long vacant = -1;

	for (size_t i = 0; i < PROBES; i++) {
		size_t at = (key + i) % METER_ENTRIES;
		uint64_t there = atomic_load(&meter->entries[at].key);

		if (there == key)
			return add(&meter->entries[at].count, minute);
		if (vacant < 0 && (!there || atomic_load(&meter->entries[at].count) >> COUNT_BITS != minute))
			vacant = (long)at;
	}
	if (vacant < 0)
		return 0;
	atomic_store(&meter->entries[vacant].count, 0);
	atomic_store(&meter->entries[vacant].key, key);
	return add(&meter->entries[vacant].count, minute);
}

uint32_t meter_read(struct meter *meter, enum meter_kind kind, const char *name, int64_t now)
{
	uint64_t key = hash_of(kind, name), minute = (uint64_t)(now / MINUTE_MS);

	for (size_t i = 0; i < PROBES; i++) {
		size_t at = (key + i) % METER_ENTRIES;
		uint64_t count = atomic_load(&meter->entries[at].count);

		if (atomic_load(&meter->entries[at].key) == key)
			return count >> COUNT_BITS == minute ? (uint32_t)count : 0;
	}
	return 0;
}

int meter_left_s(int64_t now)
{
	return (int)((MINUTE_MS - now % MINUTE_MS + 999) / 1000);
}
