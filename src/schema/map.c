#include "schema/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"

#define FIRST_SIZE 64

struct map_slot { const void *key; size_t len; uint64_t hash; void *value; };

static uint64_t seed(void)
{
	static uint64_t value;

	while (!value)
		if (getrandom(&value, sizeof value, 0) != sizeof value)
			value = 0;
	return value;
}

uint64_t map_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xd6e8feb86659fd93u);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t map_hash(const void *key, size_t len)
{
	const unsigned char *at = key;
	uint64_t hash = seed() ^ len, word;

	for (; len >= 8; at += 8, len -= 8) {
		memcpy(&word, at, 8);
		hash = map_mix(hash, word);
	}
	word = 0;
	memcpy(&word, at, len);
	return map_mix(hash, word);
}

static struct map_slot *place_of(struct map_slot *slots, size_t size, const void *key, size_t len, uint64_t hash)
{
	size_t at = hash & (size - 1);

	while (slots[at].value && (slots[at].hash != hash || slots[at].len != len || memcmp(slots[at].key, key, len) != 0))
		at = (at + 1) & (size - 1);
	return &slots[at];
}

void *map_get(const struct map *map, const void *key, size_t len)
{
	return map->size ? place_of(map->slots, map->size, key, len, map_hash(key, len))->value : NULL;
}

static void grow(struct map *map)
{
	size_t size = map->size ? map->size * 2 : FIRST_SIZE;
	struct map_slot *slots = fnr_alloc(size * sizeof *slots);

	for (size_t i = 0; i < map->size; i++)
		if (map->slots[i].value)
			*place_of(slots, size, map->slots[i].key, map->slots[i].len, map->slots[i].hash) = map->slots[i];
	free(map->slots);
	map->slots = slots;
	map->size = size;
}

void map_put(struct map *map, const void *key, size_t len, void *value)
{
	uint64_t hash = map_hash(key, len);
	struct map_slot *slot;

	if (map->count * 2 >= map->size)
		grow(map);
	slot = place_of(map->slots, map->size, key, len, hash);
	map->count += !slot->value;
	*slot = (struct map_slot){ key, len, hash, value };
}

void map_free(struct map *map)
{
	free(map->slots);
	*map = (struct map)MAP_INIT;
}
