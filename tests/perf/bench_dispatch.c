/* How long the scheduler takes to decide which waiting job is next, on the store of a data directory whose system is stopped.
 *
 *   bench_dispatch DATA [DECISIONS]
 *
 * Builds the lanes as the manager does at its start, then decides as it does in a turn: the next lane, its head's record, the
 * project's turn counted, the lane's next job looked up. Nothing is changed on disk. Prints what the start and the decisions
 * took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "queue/lanes.h"

static size_t build(struct store_txn *txn, struct lanes *lanes)
{
	struct lane_head head;
	struct lane_key key;
	size_t count = 0;

	for (const struct lane_key *after = NULL; store_lane_next(txn, after, &head) == FNR_OK; after = &key, count++) {
		struct job_head job;

		key = head.key;
		if (store_job_get(txn, &head.job, &job) == FNR_OK)
			lanes_put(lanes, &head, job.template_, job.quality, job.queued_at);
	}
	return count;
}

static bool decide(struct store_txn *txn, struct lanes *lanes, int64_t now)
{
	struct lane_head head, next;
	struct job_head job;

	if (!lanes_next(lanes, now, &head) || store_job_get(txn, &head.job, &job) != FNR_OK)
		return false;
	lanes_took(lanes, &head.key, now);
	if (store_lane_first(txn, &head.key, head.seq + 1, &next) == FNR_OK && store_job_get(txn, &next.job, &job) == FNR_OK)
		lanes_advance(lanes, &next, job.queued_at);
	else
		lanes_drop(lanes, &head.key);
	return true;
}

static int by_size(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return left < right ? -1 : left > right;
}

int main(int argc, char **argv)
{
	size_t wanted = argc > 2 ? strtoul(argv[2], NULL, 10) : 200000, count = 0, lanes_there;
	int64_t *times = fnr_alloc((wanted + 1) * sizeof *times), begin, built;
	struct lanes *lanes = lanes_create();
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_counters counters;
	struct store *store;
	struct store_txn *txn;

	if (argc < 2 || chdir(argv[1]) != 0)
		fnr_die("usage: bench_dispatch DATA [DECISIONS]");
	if (store_open(&store, false, &err) != FNR_OK || !(txn = store_read(store, &err)))
		fnr_die("%s", err.message);
	store_counters_get(txn, &counters);
	begin = fnr_mono_ns();
	lanes_there = build(txn, lanes);
	built = fnr_mono_ns() - begin;
	for (; count < wanted; count++) {
		begin = fnr_mono_ns();
		if (!decide(txn, lanes, fnr_now_ms()))
			break;
		times[count] = fnr_mono_ns() - begin;
	}
	qsort(times, count, sizeof *times, by_size);
	if (count == 0)
		fnr_die("no job waits there");
	printf("%llu waiting in %zu lanes: lanes built in %.1f ms; %zu decisions, p50 %.1f us, p99 %.1f us, max %.1f us\n",
	       (unsigned long long)counters.state[FNR_STATE_QUEUED], lanes_there, (double)built / 1e6, count, (double)times[count / 2] / 1e3,
	       (double)times[count * 99 / 100] / 1e3, (double)times[count - 1] / 1e3);
	store_read_end(txn);
	store_close(store);
	lanes_free(lanes);
	free(times);
	return 0;
}
