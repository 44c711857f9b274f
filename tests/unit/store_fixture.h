/* What the tests of the store share: a data directory of their own, and short ways to accept, move and audit jobs. */
#ifndef FNR_TESTS_STORE_FIXTURE_H
#define FNR_TESTS_STORE_FIXTURE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "store/ops.h"
#include "store/store.h"

#define NOW INT64_C(1700000000000)

static char fixture_path[64];
static struct store *fixture_store;

static inline void fixture_folder(void)
{
	snprintf(fixture_path, sizeof fixture_path, "/tmp/fnr-store-XXXXXX");
	cr_assert_not_null(mkdtemp(fixture_path));
	cr_assert_eq(chdir(fixture_path), 0);
}

static inline void fixture_open(void)
{
	struct fnr_error err = FNR_ERROR_INIT;

	cr_assert_eq(store_open(&fixture_store, true, &err), FNR_OK, "%s", err.message);
}

static inline void fixture_setup(void)
{
	fixture_folder();
	fixture_open();
}

static inline void fixture_teardown(void)
{
	store_close(fixture_store);
	cr_assert_eq(chdir("/"), 0);
	fnr_tree_remove(fixture_path, NULL);
}

static inline struct store_txn *fixture_write(void)
{
	struct store_txn *txn = store_write(fixture_store, NULL);

	cr_assert_not_null(txn);
	return txn;
}

static inline void fixture_commit(struct store_txn *txn)
{
	struct fnr_error err = FNR_ERROR_INIT;

	cr_assert_eq(store_commit(txn, &err), FNR_OK, "%s", err.message);
}

static inline struct store_txn *fixture_read(void)
{
	struct store_txn *txn = store_read(fixture_store, NULL);

	cr_assert_not_null(txn);
	return txn;
}

/* The auditor finds as many problems as expected; its report is shown otherwise. */
static inline void fixture_audit(struct store_txn *txn, size_t expected)
{
	struct fnr_buf report = FNR_BUF_INIT, summary = FNR_BUF_INIT;
	size_t problems = store_check(txn, &report, &summary);

	cr_assert_eq(problems, expected, "%zu problems, %zu expected: %s (%s)", problems, expected, report.data,
	             summary.data);
	fnr_buf_free(&report);
	fnr_buf_free(&summary);
}

static inline void fixture_check(void)
{
	struct store_txn *txn = fixture_read();

	fixture_audit(txn, 0);
	store_read_end(txn);
}

#define FIXTURE_JOB { \
	.summary = "{\"template\":\"t\"}", .payload = "{\"inputs\":{}}", .template_ = "t", .queue = "cpu", .project = "demo", \
	.shot = "s010", .key = "k1", .class_ = 7, .quality = FNR_QUALITY_STANDARD, .priority = 5, .max_attempts = 4 }

/* Applies in a child, as the committer does. */
static inline struct op_reply fixture_apply(struct store_txn *txn, const struct fnr_buf *operation, bool *ring_r)
{
	struct store_txn *child = store_child(txn, NULL);
	struct op_reply reply;
	bool ring;

	cr_assert_not_null(child);
	ring = op_apply(child, operation->data, operation->len, NOW, NULL, &reply);
	if (reply.code == FNR_OK)
		fixture_commit(child);
	else
		store_abort(child);
	if (ring_r)
		*ring_r = ring;
	return reply;
}

static inline struct op_reply fixture_submit_to(struct store_txn *txn, const struct op_job *job)
{
	struct op_submit submit = { .count = 1 };
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;

	op_submit_begin(&operation, &submit);
	op_job_add(&operation, job);
	reply = fixture_apply(txn, &operation, NULL);
	fnr_buf_free(&operation);
	return reply;
}

static inline struct fnr_id fixture_submit(const struct op_job *job)
{
	struct store_txn *txn = fixture_write();
	struct op_reply reply = fixture_submit_to(txn, job);

	cr_assert_eq(reply.code, FNR_OK, "%s", reply.message);
	fixture_commit(txn);
	return reply.id;
}

static inline struct job_head fixture_head(const struct fnr_id *id)
{
	struct store_txn *txn = fixture_read();
	struct job_head head;

	cr_assert_eq(store_job_get(txn, id, &head), FNR_OK);
	store_read_end(txn);
	return head;
}

/* Moves a job to a state in a transaction of its own, as the manager does: an attempt that ends leaves its record. Audits. */
static inline struct job_head fixture_move(const struct fnr_id *id, enum fnr_state state, int64_t due_at)
{
	struct store_txn *txn = fixture_write();
	struct fnr_error err = FNR_ERROR_INIT;
	struct job_head head;

	cr_assert_eq(store_job_get(txn, id, &head), FNR_OK);
	if (state == FNR_STATE_RUNNING && !fnr_state_running(head.state))
		head.attempt++;
	if (head.attempt > 0 && fnr_state_running(head.state) && !fnr_state_running(state))
		cr_assert_eq(store_attempt_put(txn, id, head.attempt, "{}", &err), FNR_OK, "%s", err.message);
	head.state = (uint8_t)state;
	head.due_at = due_at;
	cr_assert_eq(store_job_put(txn, &head, &err), FNR_OK, "%s", err.message);
	fixture_audit(txn, 0);
	fixture_commit(txn);
	fixture_check();
	return head;
}

#endif
