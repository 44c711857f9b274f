#include <criterion/criterion.h>
#include <string.h>

#include "queue/lanes.h"

#define NOW 1000000000

struct waiting { uint16_t queue; uint8_t priority; uint32_t project; uint64_t class_, seq; int64_t waited_ms; unsigned tier; };

static void put(struct lanes *lanes, struct waiting job)
{
	struct lane_head head = { .key = { job.queue, job.priority, job.project, job.class_ }, .seq = job.seq };

	head.job.bytes[15] = (uint8_t)job.seq;
	lanes_put(lanes, &head, job.project, job.tier, NOW - job.waited_ms);
}

/* Takes what is next, with an empty lane behind it; its seq, or 0. */
static uint64_t take(struct lanes *lanes)
{
	struct lane_head head;

	if (!lanes_next(lanes, NOW, &head))
		return 0;
	lanes_took(lanes, &head.key, NOW);
	lanes_drop(lanes, &head.key);
	return head.seq;
}

/* Takes one and has the lane go on without end. */
static uint32_t take_and_refill(struct lanes *lanes)
{
	struct lane_head head;

	cr_assert(lanes_next(lanes, NOW, &head));
	lanes_took(lanes, &head.key, NOW);
	head.seq += 1000;
	lanes_advance(lanes, &head, NOW);
	return head.key.project;
}

Test(lanes, empty)
{
	struct lanes *lanes = lanes_create();
	struct lane_key key = { 0 };
	struct lane_head head;

	cr_assert_not(lanes_next(lanes, NOW, &head));
	lanes_drop(lanes, &key);
	cr_assert_eq(lanes_count(lanes), 0);
	lanes_free(lanes);
	lanes_free(NULL);
}

Test(lanes, higher_priority_first)
{
	struct lanes *lanes = lanes_create();

	put(lanes, (struct waiting){ 1, 5, 1, 1, 1, 0, 0 });
	put(lanes, (struct waiting){ 1, 8, 1, 1, 2, 0, 0 });
	put(lanes, (struct waiting){ 1, 1, 1, 1, 3, 0, 0 });
	cr_assert_eq(take(lanes), 2);
	cr_assert_eq(take(lanes), 1);
	cr_assert_eq(take(lanes), 3);
	cr_assert_eq(take(lanes), 0);
	lanes_free(lanes);
}

Test(lanes, waiting_raises_by_steps_and_is_capped)
{
	struct lanes *lanes = lanes_create();

	put(lanes, (struct waiting){ 1, 5, 1, 1, 9, 0, 0 });
	put(lanes, (struct waiting){ 1, 3, 1, 1, 10, 2 * LANES_AGE_MS - 1, 0 });
	cr_assert_eq(take(lanes), 9, "not two steps yet");
	put(lanes, (struct waiting){ 1, 5, 1, 1, 11, 0, 0 });
	lanes_clear(lanes);
	put(lanes, (struct waiting){ 1, 5, 2, 1, 11, 0, 0 });
	put(lanes, (struct waiting){ 1, 3, 2, 1, 10, 3 * LANES_AGE_MS, 0 });
	cr_assert_eq(take(lanes), 10);
	lanes_clear(lanes);
	put(lanes, (struct waiting){ 1, 10, 3, 1, 5, 0, 0 });
	put(lanes, (struct waiting){ 1, 9, 3, 1, 6, 100 * LANES_AGE_MS, 0 });
	cr_assert_eq(take(lanes), 5, "ten is the most: then the older head");
	lanes_free(lanes);
}

Test(lanes, oldest_head_within_a_project)
{
	struct lanes *lanes = lanes_create();

	put(lanes, (struct waiting){ 1, 5, 1, 7, 20, 0, 0 });
	put(lanes, (struct waiting){ 1, 5, 1, 3, 10, 0, 0 });
	put(lanes, (struct waiting){ 2, 5, 1, 9, 15, 0, 0 });
	cr_assert_eq(take(lanes), 10);
	cr_assert_eq(take(lanes), 15);
	cr_assert_eq(take(lanes), 20);
	lanes_free(lanes);
}

Test(lanes, projects_take_turns)
{
	struct lanes *lanes = lanes_create();
	unsigned had[4] = { 0 };

	put(lanes, (struct waiting){ 1, 5, 1, 1, 1, 0, 0 });
	put(lanes, (struct waiting){ 1, 5, 2, 1, 2, 0, 0 });
	put(lanes, (struct waiting){ 1, 5, 3, 1, 3, 0, 0 });
	for (int i = 0; i < 300; i++)
		had[take_and_refill(lanes)]++;
	cr_assert(had[1] == 100 && had[2] == 100 && had[3] == 100);
	lanes_free(lanes);
}

Test(lanes, a_newcomer_is_next_but_saves_no_turns)
{
	struct lanes *lanes = lanes_create();
	unsigned had[3] = { 0 };

	put(lanes, (struct waiting){ 1, 5, 1, 1, 1, 0, 0 });
	for (int i = 0; i < 1000; i++)
		take_and_refill(lanes);
	put(lanes, (struct waiting){ 1, 5, 2, 1, 2000000, 0, 0 });
	cr_assert_eq(take_and_refill(lanes), 2, "one project's thousand jobs do not hold up another's first");
	for (int i = 0; i < 20; i++)
		had[take_and_refill(lanes)]++;
	cr_assert(had[1] == 10 && had[2] == 10);
	lanes_free(lanes);
}

Test(lanes, turns_are_counted_at_each_priority)
{
	struct lanes *lanes = lanes_create();

	put(lanes, (struct waiting){ 1, 9, 1, 1, 1, 0, 0 });
	for (int i = 0; i < 10; i++)
		take_and_refill(lanes);
	lanes_clear(lanes);
	put(lanes, (struct waiting){ 1, 5, 1, 1, 50, 0, 0 });
	put(lanes, (struct waiting){ 1, 5, 2, 1, 60, 0, 0 });
	cr_assert_eq(take(lanes), 50);
	lanes_free(lanes);
}

Test(lanes, the_first_queue_is_first)
{
	struct lanes *lanes = lanes_create();

	lanes_first_queue(lanes, 4);
	put(lanes, (struct waiting){ 1, 10, 1, 1, 1, 0, 0 });
	put(lanes, (struct waiting){ 4, 1, 1, 1, 2, 0, 0 });
	cr_assert_eq(take(lanes), 2);
	cr_assert_eq(take(lanes), 1);
	lanes_free(lanes);
}

Test(lanes, put_keeps_the_smaller_head)
{
	struct lanes *lanes = lanes_create();
	struct lane_head head;

	put(lanes, (struct waiting){ 1, 5, 1, 1, 10, 0, 0 });
	put(lanes, (struct waiting){ 1, 5, 1, 1, 20, 0, 0 });
	put(lanes, (struct waiting){ 1, 5, 1, 1, 5, 0, 0 });
	cr_assert_eq(lanes_count(lanes), 1);
	cr_assert(lanes_next(lanes, NOW, &head) && head.seq == 5 && head.job.bytes[15] == 5);
	lanes_free(lanes);
}

Test(lanes, gates_of_queues_projects_and_templates)
{
	static const enum lanes_gate kinds[] = { GATE_QUEUE, GATE_PROJECT, GATE_TEMPLATE, GATE_TIER };

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct lanes *lanes = lanes_create();

		lanes_close(lanes, kinds[i], 7, REASON_CONCURRENCY);
		put(lanes, (struct waiting){ 7, 9, 7, 1, 1, 0, 7 });
		put(lanes, (struct waiting){ 8, 5, 8, 1, 2, 0, 8 });
		cr_assert_eq(take(lanes), 2);
		cr_assert_eq(take(lanes), 0);
		put(lanes, (struct waiting){ 7, 5, 7, 1, 3, 0, 7 });
		put(lanes, (struct waiting){ 8, 1, 8, 1, 4, 0, 8 });
		cr_assert_eq(take(lanes), 4, "lanes that come find it closed as well");
		lanes_close(lanes, kinds[i], 7, REASON_PAUSED);
		lanes_open(lanes, kinds[i], 7, REASON_CONCURRENCY);
		cr_assert_eq(take(lanes), 0, "it is closed for another reason");
		lanes_open(lanes, kinds[i], 7, REASON_PAUSED);
		cr_assert_eq(take(lanes), 1);
		cr_assert_eq(take(lanes), 3);
		lanes_free(lanes);
	}
}

Test(lanes, parked_by_the_caller)
{
	struct lanes *lanes = lanes_create();
	struct lane_key first = { 1, 5, 1, 1 };

	put(lanes, (struct waiting){ 1, 5, 1, 1, 1, 0, 0 });
	put(lanes, (struct waiting){ 1, 5, 1, 2, 2, 0, 0 });
	lanes_park(lanes, &first, 3);
	cr_assert_eq(take(lanes), 1, "that gate is open");
	put(lanes, (struct waiting){ 1, 5, 1, 1, 1, 0, 0 });
	lanes_close(lanes, GATE_OTHER, 3, REASON_BACKEND);
	lanes_park(lanes, &first, 3);
	cr_assert_eq(take(lanes), 2);
	cr_assert_eq(take(lanes), 0);
	put(lanes, (struct waiting){ 1, 5, 1, 2, 9, 0, 0 });
	lanes_open(lanes, GATE_OTHER, 3, REASON_BACKEND);
	cr_assert_eq(take(lanes), 1);
	cr_assert_eq(take(lanes), 9);
	lanes_free(lanes);
}

Test(lanes, parked_lanes_change_and_go)
{
	struct lanes *lanes = lanes_create();
	struct lane_head head = { .key = { 1, 5, 1, 1 }, .seq = 30 };

	lanes_close(lanes, GATE_QUEUE, 1, REASON_PAUSED);
	put(lanes, (struct waiting){ 1, 5, 1, 1, 10, 0, 0 });
	put(lanes, (struct waiting){ 1, 5, 1, 2, 20, 0, 0 });
	cr_assert_eq(take(lanes), 0);
	put(lanes, (struct waiting){ 1, 5, 1, 2, 15, 0, 0 });
	lanes_advance(lanes, &head, NOW);
	lanes_open(lanes, GATE_QUEUE, 1, REASON_PAUSED);
	cr_assert_eq(take(lanes), 15);
	lanes_close(lanes, GATE_QUEUE, 1, REASON_PAUSED);
	cr_assert_eq(take(lanes), 0);
	lanes_drop(lanes, &head.key);
	cr_assert_eq(lanes_count(lanes), 0);
	lanes_open(lanes, GATE_QUEUE, 1, REASON_PAUSED);
	cr_assert_eq(take(lanes), 0);
	lanes_free(lanes);
}

/* What rises while it is parked has risen when it comes back; what rises among the others passes them. */
Test(lanes, time_passes)
{
	struct lanes *lanes = lanes_create();
	struct lane_head head;

	put(lanes, (struct waiting){ 1, 5, 1, 1, 10, 0, 0 });
	put(lanes, (struct waiting){ 2, 3, 2, 1, 5, 0, 0 });
	cr_assert(lanes_next(lanes, NOW, &head) && head.seq == 10);
	lanes_close(lanes, GATE_QUEUE, 2, REASON_PAUSED);
	cr_assert(lanes_next(lanes, NOW + LANES_AGE_MS, &head) && head.seq == 10);
	lanes_took(lanes, &head.key, NOW + LANES_AGE_MS);
	head.seq = 40;
	lanes_advance(lanes, &head, NOW + 3 * LANES_AGE_MS);
	lanes_open(lanes, GATE_QUEUE, 2, REASON_PAUSED);
	cr_assert(lanes_next(lanes, NOW + 3 * LANES_AGE_MS, &head) && head.seq == 5, "six by now, before the five that has just come");
	lanes_free(lanes);
}

Test(lanes, many_lanes_and_projects)
{
	struct lanes *lanes = lanes_create();
	uint64_t last = 0;

	for (uint32_t i = 5000; i > 0; i--)
		put(lanes, (struct waiting){ (uint16_t)(1 + i % 3), 5, i, i % 7, i, 0, 0 });
	cr_assert_eq(lanes_count(lanes), 5000);
	for (uint32_t i = 0; i < 5000; i++) {
		uint64_t seq = take(lanes);

		cr_assert_eq(seq, last + 1, "oldest head first among equals");
		last = seq;
	}
	cr_assert_eq(lanes_count(lanes), 0);
	lanes_free(lanes);
}

/* Shares within 5 % over 1 000 turns, whatever the weights; one that was away saves up nothing. */
Test(lanes, weights)
{
	static const double weights[] = { 1, 3, 0.5, 10 };
	struct lanes *lanes = lanes_create();
	unsigned turns[5] = { 0 };

	for (uint32_t project = 1; project <= 4; project++) {
		lanes_weigh(lanes, project, weights[project - 1]);
		put(lanes, (struct waiting){ 1, 5, project, 1, project, 0, 0 });
	}
	for (int i = 0; i < 1000; i++)
		turns[take_and_refill(lanes)]++;
	for (uint32_t project = 1; project <= 4; project++) {
		double wanted = 1000 * weights[project - 1] / 14.5;

		cr_expect(turns[project] > wanted * 0.95 - 1 && turns[project] < wanted * 1.05 + 1, "project %u: %u turns, %.0f wanted", project, turns[project], wanted);
	}
	lanes_weigh(lanes, 4, 1);
	memset(turns, 0, sizeof turns);
	for (int i = 0; i < 1100; i++)
		turns[take_and_refill(lanes)]++;
	cr_expect(turns[4] > 180 && turns[4] < 220, "%u turns after a change", turns[4]);
	lanes_free(lanes);
}
