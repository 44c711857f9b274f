#include <criterion/criterion.h>

#include "queue/limits.h"

#define NOW 1000000

static struct lanes *lanes;
static struct limits *limits;

static void setup(void)
{
	struct lane_head head = { .key = { 1, 5, 1, 1 }, .seq = 1 };

	lanes = lanes_create();
	limits = limits_create(lanes);
	lanes_put(lanes, &head, 1, 0, NOW);
}

static void teardown(void)
{
	limits_free(limits);
	lanes_free(lanes);
}

TestSuite(limits, .init = setup, .fini = teardown);

static bool runs(void)
{
	struct lane_head head;

	return lanes_next(lanes, NOW, &head);
}

Test(limits, concurrency)
{
	limits_started(limits, GATE_PROJECT, 1, NOW);
	limits_set(limits, GATE_PROJECT, 1, (struct store_limit){ .concurrency = 2 }, NOW);
	cr_assert(runs(), "one that ran before counts, and leaves room for another");
	limits_started(limits, GATE_PROJECT, 1, NOW);
	cr_assert_not(runs());
	limits_started(limits, GATE_PROJECT, 2, NOW);
	limits_ended(limits, GATE_PROJECT, 2, NOW);
	cr_assert_not(runs(), "another project's end is not this one's");
	limits_ended(limits, GATE_PROJECT, 1, NOW);
	cr_assert(runs());
	limits_set(limits, GATE_PROJECT, 1, (struct store_limit){ .concurrency = 1 }, NOW);
	cr_assert_not(runs());
	limits_set(limits, GATE_PROJECT, 1, (struct store_limit){ 0 }, NOW);
	cr_assert(runs());
	cr_assert_eq(limits_next(limits), INT64_MAX);
}

/* Sixty a minute: one a second, whatever stands still in between. */
Test(limits, rate)
{
	int64_t now = NOW;

	limits_set(limits, GATE_TEMPLATE, 1, (struct store_limit){ .per_minute = 60 }, now);
	for (int i = 0; i < 100; i++) {
		cr_assert(runs(), "%d", i);
		limits_started(limits, GATE_TEMPLATE, 1, now);
		limits_ended(limits, GATE_TEMPLATE, 1, now);
		cr_assert_not(runs(), "%d", i);
		limits_tick(limits, limits_next(limits) - 10);
		cr_assert_not(runs(), "%d", i);
		now = limits_next(limits);
		limits_tick(limits, now);
	}
	cr_assert(now > NOW + 99500 && now < NOW + 100500, "%lld ms for 100 starts", (long long)(now - NOW));
	limits_tick(limits, now + 3600000);
	limits_started(limits, GATE_TEMPLATE, 1, now + 3600000);
	cr_assert_not(runs(), "a quiet hour saves up nothing");
}

Test(limits, starts_of_an_earlier_life)
{
	limits_past_start(limits, GATE_QUEUE, 1, NOW - 1500, NOW);
	limits_past_start(limits, GATE_QUEUE, 1, NOW - 4000, NOW);
	limits_set(limits, GATE_QUEUE, 1, (struct store_limit){ .per_minute = 20 }, NOW);
	cr_assert_not(runs());
	limits_tick(limits, NOW + 1300);
	cr_assert_not(runs());
	limits_tick(limits, NOW + 1500);
	cr_assert(runs());
}

struct reached { size_t count; enum lanes_reason reason; uint32_t number; };

static void reached_row(enum lanes_gate kind, uint32_t number, enum lanes_reason reason, void *context)
{
	struct reached *reached = context;

	cr_assert_eq(kind, GATE_QUEUE);
	reached->count++;
	reached->reason = reason;
	reached->number = number;
}

Test(limits, what_is_reached)
{
	struct reached reached = { 0 };

	limits_set(limits, GATE_QUEUE, 1, (struct store_limit){ .concurrency = 1 }, NOW);
	limits_reached(limits, reached_row, &reached);
	cr_assert_eq(reached.count, 0);
	limits_started(limits, GATE_QUEUE, 1, NOW);
	limits_reached(limits, reached_row, &reached);
	cr_assert(reached.count == 1 && reached.reason == REASON_CONCURRENCY && reached.number == 1);
}
