#include "config.h"

#include "queue/limits.h"

#include <stdlib.h>
#include <uthash.h>

#include "base/mem.h"

#define MINUTE_MS 60000.0

struct count {
	struct { uint32_t kind, number; } id;
	struct store_limit limit;
	uint32_t running;
	int64_t last_start;
	double next_start;              /* where an even spread has the next one */
	bool full, early;               /* its gate is closed for concurrency, for rate */
	UT_hash_handle hh;
};

struct limits { struct lanes *lanes; struct count *counts; };

struct limits *limits_create(struct lanes *lanes)
{
	struct limits *limits = fnr_alloc(sizeof *limits);

	limits->lanes = lanes;
	return limits;
}

void limits_free(struct limits *limits)
{
	struct count *count, *next;

	if (!limits)
		return;
	HASH_ITER(hh, limits->counts, count, next) {
		HASH_DEL(limits->counts, count);
		free(count);
	}
	free(limits);
}

static struct count *count_of(struct limits *limits, enum lanes_gate kind, uint32_t number)
{
	struct count *count, wanted = { .id = { kind, number } };

	HASH_FIND(hh, limits->counts, &wanted.id, sizeof wanted.id, count);
	if (count)
		return count;
	count = fnr_alloc(sizeof *count);
	count->id = wanted.id;
	HASH_ADD(hh, limits->counts, id, sizeof count->id, count);
	return count;
}

static bool is_limited(const struct count *count)
{
	return count->limit.concurrency || count->limit.per_minute;
}

static double opens_at(const struct count *count)
{
	return count->next_start - LIMITS_BURST_MS;
}

static void set_gate(struct limits *limits, const struct count *count, enum lanes_reason reason, bool closed)
{
	(closed ? lanes_close : lanes_open)(limits->lanes, (enum lanes_gate)count->id.kind, count->id.number, reason);
}

static void settle(struct limits *limits, struct count *count, int64_t now)
{
	bool full = count->limit.concurrency && count->running >= count->limit.concurrency;
	bool early = count->limit.per_minute && (double)now < opens_at(count);

	if (full != count->full)
		set_gate(limits, count, REASON_CONCURRENCY, full);
	if (early != count->early)
		set_gate(limits, count, REASON_RATE, early);
	count->full = full;
	count->early = early;
}

/* From the last start that is known of. */
static void keep_distance(struct count *count)
{
	double next = count->limit.per_minute && count->last_start ? (double)count->last_start + MINUTE_MS / count->limit.per_minute : 0;

	if (next > count->next_start)
		count->next_start = next;
}

void limits_set(struct limits *limits, enum lanes_gate kind, uint32_t number, struct store_limit limit, int64_t now)
{
	struct count *count = count_of(limits, kind, number);

	if (count->limit.concurrency == limit.concurrency && count->limit.per_minute == limit.per_minute)
		return;
	count->limit = limit;
	keep_distance(count);
	settle(limits, count, now);
}

static void spread(struct count *count, double start)
{
	if (count->limit.per_minute)
		count->next_start = (start > count->next_start ? start : count->next_start) + MINUTE_MS / count->limit.per_minute;
}

void limits_started(struct limits *limits, enum lanes_gate kind, uint32_t number, int64_t now)
{
	struct count *count = count_of(limits, kind, number);

	count->running++;
	count->last_start = now;
	spread(count, (double)now);
	settle(limits, count, now);
}

void limits_ended(struct limits *limits, enum lanes_gate kind, uint32_t number, int64_t now)
{
	struct count *count = count_of(limits, kind, number);

	FNR_MUST(count->running > 0);
	count->running--;
	settle(limits, count, now);
	if (count->running || is_limited(count))
		return;
	HASH_DEL(limits->counts, count);
	free(count);
}

void limits_past_start(struct limits *limits, enum lanes_gate kind, uint32_t number, int64_t then, int64_t now)
{
	struct count *count = count_of(limits, kind, number);

	if (then > count->last_start)
		count->last_start = then;
	keep_distance(count);
	settle(limits, count, now);
}

int64_t limits_next(const struct limits *limits)
{
	int64_t next = INT64_MAX;

	for (const struct count *count = limits->counts; count; count = count->hh.next)
		if (count->early && (int64_t)opens_at(count) + 1 < next)
			next = (int64_t)opens_at(count) + 1;
	return next;
}

void limits_tick(struct limits *limits, int64_t now)
{
	for (struct count *count = limits->counts; count; count = count->hh.next)
		settle(limits, count, now);
}

void limits_reached(const struct limits *limits, limits_row *row, void *context)
{
	for (const struct count *count = limits->counts; count; count = count->hh.next)
		if (count->full || count->early)
			row((enum lanes_gate)count->id.kind, count->id.number, count->full ? REASON_CONCURRENCY : REASON_RATE, context);
}
