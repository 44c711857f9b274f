/* How fast the store is on this disk: accepting jobs in rounds, reading them, moving them, auditing them.
 *
 *   bench_store [SECONDS]      (2 for each figure; works in a temporary folder below the current one)
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "store/ops.h"
#include "store/store.h"

#define SUMMARY "{\"template\":\"create_title_card\",\"version\":\"1.2.0\",\"quality\":\"high\",\"project\":\"demo\",\"shot\":\"s010\",\"queue\":\"cpu\"}"
#define PAYLOAD_BYTES 480

static int64_t span_ns = 2000000000;
static char payload[PAYLOAD_BYTES + 1];

static void must(int code, const struct fnr_error *err)
{
	if (code != FNR_OK)
		fnr_die("%s", err->message);
}

static void encode(struct fnr_buf *out, uint64_t n, bool idempotent)
{
	struct op_submit submit = { .idempotent = idempotent, .count = 1 };
	struct op_job job = { .summary = SUMMARY, .payload = payload, .template_ = "create_title_card", .queue = "cpu",
	                     .project = "demo",
	                      .shot = "s010", .key = "k1", .class_ = 7, .quality = FNR_QUALITY_HIGH, .priority = 5, .max_attempts = 4 };

	n *= UINT64_C(0x9e3779b97f4a7c15);      /* hashes come in no order */
	memcpy(submit.idempotency, &n, sizeof n);
	fnr_buf_reset(out);
	op_submit_begin(out, &submit);
	op_job_add(out, &job);
}

/* One round as the committer makes it: a child for each request, the record of the round, one commit. */
static void submit_round(struct store *store, size_t count, bool idempotent, uint64_t *n)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn = store_write(store, &err);
	struct op_round_entry entries[64];
	struct fnr_buf operation = FNR_BUF_INIT;

	memset(entries, 0, sizeof entries);
	for (size_t i = 0; i < count; i++) {
		struct store_txn *child = store_child(txn, &err);

		encode(&operation, ++*n, idempotent);
		memcpy(entries[i].request, n, sizeof *n);
		op_apply(child, operation.data, operation.len, fnr_now_ms(), NULL, &entries[i].reply);
		if (entries[i].reply.code != FNR_OK)
			fnr_die("%s", entries[i].reply.message);
		must(store_commit(child, &err), &err);
	}
	must(op_round_put(txn, entries, count, &err), &err);
	must(store_commit(txn, &err), &err);
	fnr_buf_free(&operation);
}

static void bench_submit(struct store *store, size_t count, bool idempotent)
{
	static uint64_t n;
	uint64_t before = n;
	int64_t start = fnr_mono_ns();

	while (fnr_mono_ns() - start < span_ns)
		submit_round(store, count, idempotent, &n);
	printf("submit, rounds of %2zu:       %9.0f jobs/s%s\n", count,
	       (double)(n - before) * 1e9 / (double)(fnr_mono_ns() - start),
	       idempotent ? ", each with an Idempotency-Key" : "");
}

struct ids { struct fnr_id *ids; size_t count, size; };

static bool gather(const struct job_head *head, void *context)
{
	struct ids *ids = context;

	ids->ids[ids->count++] = head->id;
	return ids->count < ids->size;
}

static void bench_read(struct store *store, const struct ids *ids)
{
	struct fnr_buf summary = FNR_BUF_INIT, body = FNR_BUF_INIT;
	struct fnr_error err = FNR_ERROR_INIT;
	int64_t start = fnr_mono_ns();
	size_t n = 0;

	while (fnr_mono_ns() - start < span_ns) {
		struct store_txn *txn = store_read(store, &err);
		const struct fnr_id *id = &ids->ids[n++ * 7919 % ids->count];
		struct job_head head;

		must(store_job_get(txn, id, &head), &err);
		must(store_job_body(txn, id, &summary, &body, &err), &err);
		store_read_end(txn);
	}
	printf("read of head and body:      %9.0f jobs/s, each in a transaction of its own\n",
	       (double)n * 1e9 / (double)(fnr_mono_ns() - start));
	fnr_buf_free(&summary);
	fnr_buf_free(&body);
}

/* queued, running, finishing, completed, and queued again: what no job does, but every index moves. */
static void bench_move(struct store *store, const struct ids *ids, size_t count)
{
	static const uint8_t path[] = { FNR_STATE_RUNNING, FNR_STATE_FINISHING, FNR_STATE_COMPLETED, FNR_STATE_QUEUED };
	struct fnr_error err = FNR_ERROR_INIT;
	int64_t start = fnr_mono_ns();
	size_t n = 0;

	while (fnr_mono_ns() - start < span_ns) {
		struct store_txn *txn = store_write(store, &err);

		for (size_t i = 0; i < count; i++, n++) {
			struct job_head head;

			must(store_job_get(txn, &ids->ids[n / 4 % ids->count], &head), &err);
			head.state = path[n % 4];
			must(store_job_put(txn, &head, &err), &err);
		}
		must(store_commit(txn, &err), &err);
	}
	printf("moves, %4zu a commit:       %9.0f moves/s\n", count, (double)n * 1e9 / (double)(fnr_mono_ns() - start));
}

static void bench_check(struct store *store)
{
	struct fnr_buf report = FNR_BUF_INIT, summary = FNR_BUF_INIT;
	struct store_txn *txn = store_read(store, NULL);
	int64_t start = fnr_mono_ns();
	size_t problems = store_check(txn, &report, &summary);
	double seconds = (double)(fnr_mono_ns() - start) / 1e9;
	struct store_counters counters;

	store_counters_get(txn, &counters);
	store_read_end(txn);
	printf("check:                      %9.0f jobs/s, %zu problems\n", (double)counters.accepted / seconds, problems);
	if (problems)
		printf("%s", report.data);
	fnr_buf_free(&report);
	fnr_buf_free(&summary);
}

int main(int argc, char **argv)
{
	char folder[] = "bench-store-XXXXXX";
	struct fnr_error err = FNR_ERROR_INIT;
	struct ids ids = { .size = 20000 };
	struct store_txn *txn;
	struct store *store;

	if (argc > 1)
		span_ns = (int64_t)(atof(argv[1]) * 1e9);
	memset(payload, 'x', PAYLOAD_BYTES);
	if (!mkdtemp(folder) || chdir(folder) < 0)
		fnr_die("cannot make a folder here");
	must(store_open(&store, true, &err), &err);
	bench_submit(store, 32, false);
	bench_submit(store, 64, false);
	bench_submit(store, 32, true);
	bench_submit(store, 64, true);
	ids.ids = calloc(ids.size, sizeof *ids.ids);
	txn = store_read(store, &err);
	store_jobs_after(txn, NULL, ids.size, gather, &ids);
	store_read_end(txn);
	bench_read(store, &ids);
	bench_move(store, &ids, 1);
	bench_move(store, &ids, 64);
	bench_move(store, &ids, 1000);
	bench_check(store);
	printf("bytes in use:               %9.0f MiB\n", (double)store_bytes_used(store) / 1048576);
	store_close(store);
	free(ids.ids);
	if (chdir("..") == 0)
		fnr_tree_remove(folder, NULL);
	return 0;
}
