#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/json.h"
#include "store/internal.h"
#include "store_fixture.h"

TestSuite(store, .init = fixture_setup, .fini = fixture_teardown, .timeout = 600);

/* ---- opening ---- */

Test(store, is_private_and_opens_again)
{
	struct stat stat_;

	cr_assert_eq(stat("store", &stat_), 0);
	cr_assert_eq(stat_.st_mode & 0777, 0700);
	cr_assert_eq(stat("store/data.mdb", &stat_), 0);
	cr_assert_eq(stat_.st_mode & 0777, 0600);
	fixture_check();
	store_close(fixture_store);
	fixture_open();
	fixture_check();
}

Test(store, refuses_a_newer_schema)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn = fixture_write();
	char newer[40];

	snprintf(newer, sizeof newer, "version %d", STORE_SCHEMA + 1);
	cr_assert_eq(store_meta_put(txn, "schema", STORE_SCHEMA + 1, NULL), FNR_OK);
	fixture_commit(txn);
	store_close(fixture_store);
	cr_assert_eq(store_open(&fixture_store, true, &err), FNR_E_CORRUPT);
	cr_assert_null(fixture_store);
	cr_assert_not_null(strstr(err.message, newer), "%s", err.message);
}

Test(store, refuses_what_is_not_a_store)
{
	struct fnr_error err = FNR_ERROR_INIT;
	char page[4096];

	store_close(fixture_store);
	memset(page, '!', sizeof page);
	cr_assert_eq(fnr_file_write("store/data.mdb", page, sizeof page, 0600, NULL), FNR_OK);
	cr_assert_eq(store_open(&fixture_store, true, &err), FNR_E_CORRUPT, "%d %s", err.code, err.message);
}

Test(store, reader_cannot_write)
{
	struct fnr_error err = FNR_ERROR_INIT;

	store_close(fixture_store);
	cr_assert_eq(store_open(&fixture_store, false, NULL), FNR_OK);
	cr_assert_null(store_write(fixture_store, &err));
	cr_assert_eq(err.code, FNR_E_INTERNAL);
}

Test(store, reads_are_fresh_and_steady)
{
	struct store_txn *txn = fixture_read(), *writer;

	cr_assert_eq(store_meta_get(txn, "n"), 0);
	writer = fixture_write();
	cr_assert_eq(store_meta_put(writer, "n", 5, NULL), FNR_OK);
	fixture_commit(writer);
	cr_assert_eq(store_meta_get(txn, "n"), 0, "a read sees its own moment");
	store_read_end(txn);
	txn = fixture_read();
	cr_assert_eq(store_meta_get(txn, "n"), 5, "the next read sees the commit");
	store_read_end(txn);
}

Test(store, child_that_is_aborted_leaves_nothing)
{
	struct op_job job = FIXTURE_JOB;
	struct store_txn *txn = fixture_write(), *child = store_child(txn, NULL);
	struct store_counters counters;

	cr_assert_neq(store_name_make(child, STORE_PROJECT, "gone", NULL), 0);
	store_abort(child);
	cr_assert_eq(fixture_submit_to(txn, &job).code, FNR_OK);
	cr_assert_eq(store_name_find(txn, STORE_PROJECT, "gone"), 0);
	fixture_commit(txn);
	txn = fixture_read();
	store_counters_get(txn, &counters);
	cr_assert_eq(counters.accepted, 1);
	store_read_end(txn);
	fixture_check();
}

/* A writer that is killed in the middle of a transaction holds nobody up and changes nothing. */
Test(store, killed_writer)
{
	struct store_txn *txn;
	int status;
	pid_t pid;

	store_close(fixture_store);
	pid = fork();
	if (pid == 0) {
		if (store_open(&fixture_store, true, NULL) != FNR_OK || !(txn = store_write(fixture_store, NULL))
		    || store_meta_put(txn, "n", 1, NULL) != FNR_OK)
			_exit(2);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	fixture_open();
	txn = fixture_write();
	cr_assert_eq(store_meta_get(txn, "n"), 0);
	fixture_commit(txn);
}

Test(store, dead_readers_are_cleared)
{
	int status, ready[2];
	pid_t pid;
	char byte;

	cr_assert_eq(pipe(ready), 0);
	store_close(fixture_store);
	pid = fork();
	if (pid == 0) {
		if (store_open(&fixture_store, false, NULL) != FNR_OK || !store_read(fixture_store, NULL))
			_exit(2);
		(void)!write(ready[1], "x", 1);
		pause();
		_exit(0);
	}
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	fixture_open();
	cr_assert_eq(store_clear_readers(fixture_store), 0, "it is alive");
	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(store_clear_readers(fixture_store), 1);
}

Test(store, copy_and_figures)
{
	struct op_job job = FIXTURE_JOB;
	uint64_t used = store_bytes_used(fixture_store);
	struct store_counters counters;
	struct store_txn *txn = fixture_write();
	struct fnr_error err = FNR_ERROR_INIT;

	for (int i = 0; i < 200; i++)
		cr_assert_eq(fixture_submit_to(txn, &job).code, FNR_OK);
	fixture_commit(txn);
	cr_assert_gt(store_bytes_used(fixture_store), used);
	txn = fixture_read();
	cr_assert_gt(store_bytes_used(fixture_store), used, "also while this process reads");
	cr_assert_eq(store_copy(fixture_store, "copy/store", &err), FNR_OK, "%s", err.message);
	store_read_end(txn);
	cr_assert_neq(store_copy(fixture_store, "copy/store", &err), FNR_OK, "a copy is never overwritten");
	store_close(fixture_store);
	cr_assert_eq(chdir("copy"), 0);
	fixture_open();
	fixture_check();
	txn = fixture_read();
	store_counters_get(txn, &counters);
	cr_assert_eq(counters.accepted, 200);
	store_read_end(txn);
}

/* ---- jobs ---- */

Test(store, head_and_body_round_trip)
{
	struct fnr_buf summary = FNR_BUF_INIT, payload = FNR_BUF_INIT;
	struct op_job job = FIXTURE_JOB;
	struct store_txn *txn;
	struct job_head head;
	struct fnr_id id;
	char path[64];

	job.retry_of = fnr_id_random();
	job.timeout_s = 77;
	job.flags = JOB_FLAG_ON_LOST_FAIL;
	id = fixture_submit(&job);
	head = fixture_head(&id);
	cr_assert_eq(head.state, FNR_STATE_QUEUED);
	cr_assert_eq(head.seq, 1);
	cr_assert_eq(head.lane_seq, 1);
	cr_assert_eq(head.created_at, NOW);
	cr_assert_eq(head.queued_at, NOW);
	cr_assert_eq(head.timeout_s, 77);
	cr_assert_eq(head.max_attempts, 4);
	cr_assert_eq(head.class_, 7);
	cr_assert_eq(head.flags, JOB_FLAG_ON_LOST_FAIL);
	cr_assert_eq(fnr_id_compare(&head.retry_of, &job.retry_of), 0);
	txn = fixture_read();
	fnr_buf_puts(&summary, "left over");
	cr_assert_eq(store_job_body(txn, &id, &summary, &payload, NULL), FNR_OK);
	cr_assert_str_eq(summary.data, job.summary);
	cr_assert_str_eq(payload.data, job.payload);
	cr_assert_eq(store_job_payload_path(txn, &id, path), FNR_OK);
	cr_assert_str_eq(path, "");
	id = fnr_id_random();
	cr_assert_eq(store_job_get(txn, &id, &head), FNR_E_NOT_FOUND);
	cr_assert_eq(store_job_body(txn, &id, &summary, NULL, NULL), FNR_E_NOT_FOUND);
	store_read_end(txn);
	fnr_buf_free(&summary);
	fnr_buf_free(&payload);
}

Test(store, payload_in_a_file)
{
	struct fnr_buf payload = FNR_BUF_INIT;
	struct op_job job = FIXTURE_JOB;
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn;
	struct fnr_id id;
	char path[64];

	job.payload = NULL;
	job.payload_file = fnr_id_random();
	store_payload_path(&job.payload_file, path);
	cr_assert_eq(fnr_dir_make("blobs/payload", 0700, NULL), FNR_OK);
	cr_assert_eq(fnr_file_write(path, "{\"large\":1}", 11, 0600, NULL), FNR_OK);
	id = fixture_submit(&job);
	fixture_check();
	txn = fixture_read();
	cr_assert_eq(store_job_body(txn, &id, NULL, &payload, NULL), FNR_OK);
	cr_assert_str_eq(payload.data, "{\"large\":1}");
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(store_job_body(txn, &id, NULL, &payload, &err), FNR_E_IO);
	fixture_audit(txn, 1);
	store_read_end(txn);
	fnr_buf_free(&payload);
}

Test(store, payload_file_is_named_at_deletion)
{
	struct op_job job = FIXTURE_JOB;
	struct store_txn *txn;
	struct fnr_id id;
	char path[64], deleted[64];

	job.payload = NULL;
	job.payload_file = fnr_id_random();
	store_payload_path(&job.payload_file, path);
	cr_assert_eq(fnr_dir_make("blobs/payload", 0700, NULL), FNR_OK);
	cr_assert_eq(fnr_file_write(path, "{}", 2, 0600, NULL), FNR_OK);
	id = fixture_submit(&job);
	fixture_move(&id, FNR_STATE_CANCELLED, 0);
	txn = fixture_write();
	cr_assert_eq(store_job_delete(txn, &id, deleted, NULL), FNR_OK);
	cr_assert_str_eq(deleted, path);
	fixture_commit(txn);
	fixture_check();
}

/* Every path through the states, audited after each step (fixture_move does). */
Test(store, every_index_follows_every_move)
{
	static const enum fnr_state path[] = {
		FNR_STATE_RUNNING, FNR_STATE_RETRY_WAIT, FNR_STATE_QUEUED, FNR_STATE_RUNNING, FNR_STATE_QUEUED, FNR_STATE_RUNNING,
		FNR_STATE_CANCELLING, FNR_STATE_RETRY_WAIT, FNR_STATE_EXPIRED, FNR_STATE_SCHEDULED, FNR_STATE_QUEUED, FNR_STATE_EXPIRED,
		FNR_STATE_QUEUED, FNR_STATE_CANCELLED, FNR_STATE_RUNNING, FNR_STATE_FINISHING, FNR_STATE_FAILED, FNR_STATE_RUNNING,
		FNR_STATE_FINISHING, FNR_STATE_COMPLETED,
	};
	struct op_job job = FIXTURE_JOB;
	struct job_head head;
	struct fnr_id id;
	uint64_t lane_seq;

	job.expires_at = NOW + 9000;
	job.not_before = NOW + 1000;
	id = fixture_submit(&job);
	head = fixture_head(&id);
	cr_assert_eq(head.state, FNR_STATE_SCHEDULED);
	cr_assert_eq(head.due_at, NOW + 1000);
	cr_assert_eq(head.queued_at, 0);
	lane_seq = head.lane_seq;
	fixture_check();
	for (size_t i = 0; i < sizeof path / sizeof *path; i++) {
		head = fixture_move(&id, path[i], NOW + 500);
		cr_assert(path[i] == FNR_STATE_QUEUED ? head.lane_seq > lane_seq : head.lane_seq == lane_seq, "step %zu", i);
		lane_seq = head.lane_seq;
		cr_assert_eq(fixture_head(&id).lane_seq, lane_seq);
	}
}

Test(store, all_pairs_of_states)
{
	struct op_job job = FIXTURE_JOB;
	struct fnr_id id;

	job.expires_at = NOW + 9000;
	id = fixture_submit(&job);
	for (int from = 0; from < FNR_STATE_COUNT; from++)
		for (int to = 0; to < FNR_STATE_COUNT; to++) {
			fixture_move(&id, from, NOW);
			fixture_move(&id, to, NOW + to);
		}
}

Test(store, change_of_priority_keeps_the_place_in_line)
{
	struct op_job job = FIXTURE_JOB;
	struct fnr_id id = fixture_submit(&job);
	struct store_txn *txn = fixture_write();
	struct lane_head lane;
	struct job_head head;

	cr_assert_eq(store_job_get(txn, &id, &head), FNR_OK);
	head.priority = 9;
	cr_assert_eq(store_job_put(txn, &head, NULL), FNR_OK);
	fixture_audit(txn, 0);
	cr_assert_eq(store_lane_next(txn, NULL, &lane), FNR_OK);
	cr_assert_eq(lane.key.priority, 9);
	cr_assert_eq(lane.seq, 1);
	cr_assert_eq(store_lane_next(txn, &lane.key, &lane), FNR_E_NOT_FOUND);
	fixture_commit(txn);
}

Test(store, expiry_entry_can_change_and_go)
{
	struct op_job job = FIXTURE_JOB;
	struct store_txn *txn;
	struct job_head head;
	struct fnr_id id;

	job.expires_at = NOW + 10;
	id = fixture_submit(&job);
	txn = fixture_write();
	cr_assert_eq(store_next_due(txn), NOW + 10);
	cr_assert_eq(store_job_get(txn, &id, &head), FNR_OK);
	head.expires_at = NOW + 20;
	cr_assert_eq(store_job_put(txn, &head, NULL), FNR_OK);
	cr_assert_eq(store_next_due(txn), NOW + 20);
	head.expires_at = 0;
	cr_assert_eq(store_job_put(txn, &head, NULL), FNR_OK);
	cr_assert_eq(store_next_due(txn), 0);
	fixture_audit(txn, 0);
	fixture_commit(txn);
}

Test(store, active_records)
{
	struct job_active active = { .attempt = 1, .started_at = NOW, .worker = "w3", .backend = "local",
	                            .placement = "warm model",
	                             .manifest = (char *)"{\"outputs\":[]}" }, read;
	struct op_job job = FIXTURE_JOB;
	struct fnr_id id = fixture_submit(&job);
	struct store_txn *txn;

	fixture_move(&id, FNR_STATE_RUNNING, 0);
	txn = fixture_write();
	cr_assert_eq(store_active_get(txn, &id, &read), FNR_OK);
	cr_assert_eq(read.attempt, 1);
	cr_assert_null(read.manifest);
	cr_assert_eq(store_active_put(txn, &id, &active, NULL), FNR_OK);
	cr_assert_eq(store_active_get(txn, &id, &read), FNR_OK);
	cr_assert_str_eq(read.worker, "w3");
	cr_assert_str_eq(read.backend, "local");
	cr_assert_str_eq(read.placement, "warm model");
	cr_assert_str_eq(read.manifest, "{\"outputs\":[]}");
	cr_assert_eq(read.started_at, NOW);
	free(read.manifest);
	fixture_audit(txn, 0);
	fixture_commit(txn);
	fixture_move(&id, FNR_STATE_FINISHING, 0);
	txn = fixture_read();
	cr_assert_eq(store_active_get(txn, &id, &read), FNR_OK);
	free(read.manifest);
	store_read_end(txn);
	fixture_move(&id, FNR_STATE_COMPLETED, 0);
	txn = fixture_read();
	cr_assert_eq(store_active_get(txn, &id, &read), FNR_E_NOT_FOUND);
	store_read_end(txn);
}

Test(store, delete_takes_everything_of_a_finished_job)
{
	struct op_job job = FIXTURE_JOB;
	struct fnr_id id = fixture_submit(&job), other = fixture_submit(&job);
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_buf text = FNR_BUF_INIT;
	struct store_counters counters;
	struct store_txn *txn;
	struct job_head head;
	char path[64];

	txn = fixture_write();
	cr_assert_eq(store_job_delete(txn, &id, path, &err), FNR_E_CONFLICT);
	fixture_commit(txn);
	for (int i = 1; i <= 3; i++) {
		fixture_move(&id, FNR_STATE_RUNNING, 0);
		fixture_move(&id, i < 3 ? FNR_STATE_RETRY_WAIT : FNR_STATE_FAILED, NOW);
	}
	txn = fixture_write();
	cr_assert_eq(store_attempt_get(txn, &id, 2, &text), FNR_OK);
	cr_assert_str_eq(text.data, "{}");
	cr_assert_eq(store_job_delete(txn, &id, path, &err), FNR_OK, "%s", err.message);
	cr_assert_str_eq(path, "");
	cr_assert_eq(store_job_get(txn, &id, &head), FNR_E_NOT_FOUND);
	cr_assert_eq(store_attempt_get(txn, &id, 2, &text), FNR_E_NOT_FOUND);
	cr_assert_eq(store_job_delete(txn, &id, path, &err), FNR_E_NOT_FOUND);
	fixture_commit(txn);
	fixture_check();
	txn = fixture_read();
	store_counters_get(txn, &counters);
	cr_assert_eq(counters.accepted, 2);
	cr_assert_eq(counters.removed, 1);
	cr_assert_eq(counters.state[FNR_STATE_QUEUED], 1);
	other = store_last_job(txn);
	cr_assert_eq(store_job_get(txn, &other, &head), FNR_OK);
	store_read_end(txn);
	fnr_buf_free(&text);
}

/* ---- walks ---- */

struct seen { uint64_t seq[64]; size_t count, stop; };

static bool see(const struct job_head *head, void *context)
{
	struct seen *seen = context;

	seen->seq[seen->count++] = head->seq;
	return seen->count != seen->stop;
}

Test(store, walks)
{
	struct op_job job = FIXTURE_JOB;
	struct seen seen = { .count = 0 };
	struct fnr_id ids[6], none = FNR_ID_NONE;
	struct store_txn *txn;
	uint32_t demo;

	for (int i = 0; i < 6; i++) {
		job.project = i % 2 ? "odd" : "even";
		ids[i] = fixture_submit(&job);
		cr_assert(i == 0 || fnr_id_compare(&ids[i], &ids[i - 1]) > 0);
	}
	fixture_move(&ids[1], FNR_STATE_RUNNING, 0);
	fixture_move(&ids[4], FNR_STATE_RUNNING, 0);
	txn = fixture_read();
	cr_assert_eq(store_jobs_newest(txn, NULL, 4, see, &seen), 4);
	cr_assert(seen.seq[0] == 6 && seen.seq[3] == 3);
	seen = (struct seen){ .count = 0 };
	cr_assert_eq(store_jobs_newest(txn, &ids[2], 9, see, &seen), 2);
	cr_assert(seen.seq[0] == 2 && seen.seq[1] == 1);
	seen = (struct seen){ .stop = 2 };
	cr_assert_eq(store_jobs_after(txn, &ids[2], 9, see, &seen), 2);
	cr_assert(seen.seq[0] == 4 && seen.seq[1] == 5);
	seen = (struct seen){ .count = 0 };
	cr_assert_eq(store_jobs_after(txn, NULL, 9, see, &seen), 6);
	seen = (struct seen){ .count = 0 };
	cr_assert_eq(store_jobs_after(txn, &none, 1, see, &seen), 1);
	cr_assert_eq(store_jobs_after(txn, &ids[5], 1, see, &seen), 0);
	cr_assert_eq(store_jobs_newest(txn, &ids[0], 1, see, &seen), 0);
	demo = store_name_find(txn, STORE_PROJECT, "odd");
	seen = (struct seen){ .count = 0 };
	cr_assert_eq(store_jobs_of_project(txn, demo, UINT64_MAX, 9, see, &seen), 3);
	cr_assert(seen.seq[0] == 6 && seen.seq[1] == 4 && seen.seq[2] == 2);
	seen = (struct seen){ .count = 0 };
	cr_assert_eq(store_jobs_of_project(txn, demo, 4, 9, see, &seen), 1);
	cr_assert_eq(seen.seq[0], 2);
	cr_assert_eq(store_jobs_of_project(txn, demo + 7, UINT64_MAX, 9, see, &seen), 0);
	seen = (struct seen){ .count = 0 };
	cr_assert_eq(store_jobs_active(txn, NULL, 9, see, &seen), 2);
	cr_assert(seen.seq[0] == 2 && seen.seq[1] == 5);
	seen = (struct seen){ .count = 0 };
	cr_assert_eq(store_jobs_active(txn, &ids[1], 9, see, &seen), 1);
	cr_assert_eq(seen.seq[0], 5);
	store_read_end(txn);
}

struct dues { int64_t time[8]; enum store_due kind[8]; size_t count; };

static bool see_due(const struct fnr_id *id, enum store_due kind, int64_t time, void *context)
{
	struct dues *dues = context;

	dues->time[dues->count] = time;
	dues->kind[dues->count++] = kind;
	return !fnr_id_is_none(id);
}

Test(store, due_order)
{
	struct op_job job = FIXTURE_JOB;
	struct dues dues = { .count = 0 };
	struct store_txn *txn;

	job.not_before = NOW + 30;
	fixture_submit(&job);
	job.not_before = NOW + 10;
	job.expires_at = NOW + 20;
	fixture_submit(&job);
	job.not_before = 0;
	job.expires_at = NOW + 5;
	fixture_submit(&job);
	fixture_check();
	txn = fixture_read();
	cr_assert_eq(store_next_due(txn), NOW + 5);
	cr_assert_eq(store_jobs_due(txn, NOW, 9, see_due, &dues), 0);
	cr_assert_eq(store_jobs_due(txn, NOW + 29, 9, see_due, &dues), 3);
	cr_assert(dues.time[0] == NOW + 5 && dues.kind[0] == STORE_DUE_EXPIRE);
	cr_assert(dues.time[1] == NOW + 10 && dues.kind[1] == STORE_DUE_QUEUE);
	cr_assert(dues.time[2] == NOW + 20 && dues.kind[2] == STORE_DUE_EXPIRE);
	cr_assert_eq(store_jobs_due(txn, NOW + 30, 2, see_due, &dues), 2);
	store_read_end(txn);
}

/* Lanes come by queue, falling priority, project, class; heads by seq; the walk skips from one to the next. */
Test(store, lanes)
{
	static const struct { const char *queue, *project; uint8_t priority; uint64_t class_; } lanes[] = {
		{ "cpu", "a", 10, 1 }, { "cpu", "a", 5, 1 }, { "cpu", "a", 5, UINT64_MAX }, { "cpu", "b", 5, 0 }, { "cpu", "", 0, 3 },
		{ "gpu", "a", 9, 1 },
	};
	static const size_t order[] = { 0, 1, 2, 3, 4, 5 };
	struct store_txn *txn = fixture_write();
	struct op_job job = FIXTURE_JOB;
	struct lane_head head;
	struct job_head waiting;

	store_name_make(txn, STORE_QUEUE, "cpu", NULL);
	store_name_make(txn, STORE_PROJECT, "a", NULL);
	for (int round = 0; round < 50; round++)
		for (size_t i = sizeof lanes / sizeof *lanes; i-- > 0;) {
			job.queue = lanes[i].queue;
			job.project = lanes[i].project;
			job.priority = lanes[i].priority;
			job.class_ = lanes[i].class_;
			cr_assert_eq(fixture_submit_to(txn, &job).code, FNR_OK);
		}
	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		struct lane_key before = head.key;
		struct lane_head second;

		cr_assert_eq(store_lane_next(txn, i ? &before : NULL, &head), FNR_OK);
		cr_assert_eq(head.key.priority, lanes[order[i]].priority, "lane %zu", i);
		cr_assert_eq(head.key.class_, lanes[order[i]].class_, "lane %zu", i);
		cr_assert_eq(head.seq, sizeof lanes / sizeof *lanes - i, "lane %zu", i);
		cr_assert_eq(store_lane_first(txn, &head.key, 0, &second), FNR_OK);
		cr_assert_eq(fnr_id_compare(&second.job, &head.job), 0);
		cr_assert_eq(store_lane_first(txn, &head.key, head.seq + 1, &second), FNR_OK);
		cr_assert_eq(second.seq, head.seq + 6);
		cr_assert_eq(store_lane_first(txn, &head.key, 300, &second), i == 0 ? FNR_OK : FNR_E_NOT_FOUND);
	}
	cr_assert_eq(store_lane_next(txn, &head.key, &head), FNR_E_NOT_FOUND);
	/* The tenth of cpu, priority 5, class 1 of a: before it all 50 of priority 10, and of the others those that are older. */
	cr_assert_eq(store_lane_next(txn, NULL, &head), FNR_OK);
	cr_assert_eq(store_lane_next(txn, &head.key, &head), FNR_OK);
	cr_assert_eq(store_lane_first(txn, &head.key, head.seq + 9 * 6, &head), FNR_OK);
	cr_assert_eq(store_job_get(txn, &head.job, &waiting), FNR_OK);
	cr_assert_eq(store_lane_position(txn, &waiting, 1000), 50 + 9 + 10 + 10);
	cr_assert_eq(store_lane_position(txn, &waiting, 20), -1);
	fixture_audit(txn, 0);
	fixture_commit(txn);
}

Test(store, estimates)
{
	const struct store_estimate written = { .count = 30, .kept = 2, .runs = { { 1234, 1000, 55 }, { 1300, 1100, 56 } } };
	const struct store_estimate more = { .count = 31, .kept = 1, .runs = { { 7, 8, 9 } } };
	const uint8_t digest[32] = { 1 };
	struct store_txn *txn = fixture_write();
	struct store_estimate read;
	struct fnr_buf text = FNR_BUF_INIT;

	cr_assert_eq(store_estimate_get(txn, digest, "high", "local", &read), FNR_E_NOT_FOUND);
	cr_assert_eq(read.count, 0);
	cr_assert_eq(store_estimate_put(txn, digest, "high", "local", &written, NULL), FNR_OK);
	cr_assert_eq(store_estimate_put(txn, digest, "highest", "other", &more, NULL), FNR_OK);
	cr_assert_eq(store_estimate_get(txn, digest, "high", "local", &read), FNR_OK);
	cr_assert(read.count == 30 && read.kept == 2 && read.runs[1].ms == 1300 && read.runs[0].cpu_ms == 1000 && read.runs[1].memory_mb == 56);
	cr_assert_eq(store_estimate_get(txn, digest, "draft", "local", &read), FNR_E_NOT_FOUND);
	cr_assert_eq(store_estimate_get(txn, digest, "high", "other", &read), FNR_E_NOT_FOUND);
	cr_assert_eq(store_estimate_get(txn, digest, "highest", "other", &read), FNR_OK);
	cr_assert_eq(store_estimate_best(txn, digest, "high", &read), FNR_OK);
	cr_assert_eq(read.count, 30);
	cr_assert_eq(store_estimate_put(txn, digest, "high", "other", &more, NULL), FNR_OK);
	cr_assert_eq(store_estimate_best(txn, digest, "high", &read), FNR_OK);
	cr_assert_eq(read.runs[0].ms, 7, "of the backend that ran most");
	cr_assert_eq(store_estimate_best(txn, digest, "highes", &read), FNR_E_NOT_FOUND);
	cr_assert_eq(store_took_get(txn, digest, "high", "local", &text), FNR_E_NOT_FOUND);
	cr_assert_eq(store_took_put(txn, digest, "high", "local", "{\"a\":1}", NULL), FNR_OK);
	cr_assert_eq(store_took_put(txn, digest, "high", "other", "{\"a\":2}", NULL), FNR_OK);
	cr_assert_eq(store_took_get(txn, digest, "high", "local", &text), FNR_OK);
	cr_assert_str_eq(text.data, "{\"a\":1}");
	fnr_buf_free(&text);
	fixture_commit(txn);
}

/* digest[0] = mark: of version 1.mark.0, whose template is t. */
static void estimated(struct store_txn *txn, uint8_t mark, const char *backend)
{
	const struct store_estimate estimate = { .count = 1, .kept = 1, .runs = { { 1, 2, 3 } } };
	const uint8_t digest[32] = { mark };

	cr_assert_eq(store_estimate_put(txn, digest, "high", backend, &estimate, NULL), FNR_OK);
	cr_assert_eq(store_took_put(txn, digest, "high", backend, "{\"a\":1}", NULL), FNR_OK);
}

static void template_with(struct store_txn *txn, uint8_t mark, const struct store_version version)
{
	struct json_object *definition = json_object_new_object();
	const uint8_t digest[32] = { mark };
	char text[40];

	snprintf(text, sizeof text, "%u.%u.%u", version.major, version.minor, version.patch);
	fnr_json_set_text(definition, "id", "t");
	fnr_json_set_text(definition, "version", text);
	cr_assert_eq(store_template_put(txn, "t", version, digest, "api", definition, NULL), FNR_OK);
	json_object_put(definition);
}

static bool is_estimated(struct store_txn *txn, uint8_t mark)
{
	const uint8_t digest[32] = { mark };
	struct store_estimate read;
	struct fnr_buf text = FNR_BUF_INIT;
	bool there = store_estimate_get(txn, digest, "high", "a", &read) == FNR_OK, took = store_took_get(txn, digest, "high", "a", &text) == FNR_OK;

	fnr_buf_free(&text);
	cr_expect_eq(there, took, "%u", mark);
	return there;
}

Test(store, estimates_go_with_their_version)
{
	struct store_txn *txn = fixture_write();
	uint8_t cursor[32] = { 0 };

	template_with(txn, 1, (struct store_version){ 1, 1, 0 });
	template_with(txn, 2, (struct store_version){ 1, 2, 0 });
	template_with(txn, 4, (struct store_version){ 1, 4, 0 });
	template_with(txn, 255, (struct store_version){ 1, 4, 0 });   /* in place of that */
	for (unsigned mark = 1; mark <= 5; mark++)
		estimated(txn, (uint8_t)mark, "a");                       /* of 3 and 5, nobody knows anything */
	estimated(txn, 4, "b");
	estimated(txn, 4, "c");
	estimated(txn, 255, "a");
	cr_expect_eq(store_estimates_expire(txn, cursor, 100), 5, "3, 4 on three backends, 5");
	cr_expect(is_estimated(txn, 1) && is_estimated(txn, 2) && !is_estimated(txn, 3) && !is_estimated(txn, 4) && !is_estimated(txn, 5) && is_estimated(txn, 255));
	store_template_delete(txn, "t", (struct store_version){ 1, 1, 0 });
	store_template_delete(txn, "t", (struct store_version){ 1, 4, 0 });
	estimated(txn, 1, "b");
	estimated(txn, 1, "c");
	cr_expect_eq(store_estimates_expire(txn, cursor, 2), 2, "never more than asked for");
	cr_expect_eq(store_estimates_expire(txn, cursor, 2), 1, "from where it was, two digests at a time");
	cr_expect(!is_estimated(txn, 1) && is_estimated(txn, 2) && is_estimated(txn, 255));
	cr_expect_eq(store_estimates_expire(txn, cursor, 2), 1);
	cr_expect_eq(store_estimates_expire(txn, cursor, 2), 0, "from the beginning");
	cr_expect(is_estimated(txn, 2) && !is_estimated(txn, 255));
	fixture_commit(txn);
}

/* ---- numbers and names ---- */

Test(store, event_numbers_never_repeat)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn = fixture_write();

	cr_assert_eq(store_events_reserve(txn, 10, NULL), 1);
	cr_assert_eq(store_events_reserve(txn, 5, NULL), 11);
	fixture_commit(txn);
	txn = fixture_write();
	cr_assert_eq(store_events_reserve(txn, 1, NULL), 16);
	cr_assert_eq(store_events_reserve(txn, UINT64_C(1) << 53, &err), 0);
	cr_assert_eq(err.code, FNR_E_INTERNAL);
	cr_assert_eq(store_events_reserve(txn, UINT64_MAX, NULL), 0);
	fixture_commit(txn);
}

static bool see_name(uint32_t number, const char *name, void *context)
{
	snprintf(context, 200, "%s %u=%s", strcpy((char[200]){ 0 }, context), number, name);
	return true;
}

Test(store, names)
{
	struct store_txn *txn = fixture_write();
	char text[200] = "", out[68], long_name[70];

	cr_assert_eq(store_name_find(txn, STORE_PROJECT, "b"), 0);
	cr_assert_eq(store_name_make(txn, STORE_PROJECT, "b", NULL), 1);
	cr_assert_eq(store_name_make(txn, STORE_PROJECT, "a", NULL), 2);
	cr_assert_eq(store_name_make(txn, STORE_PROJECT, "ab", NULL), 3);
	cr_assert_eq(store_name_make(txn, STORE_QUEUE, "a", NULL), 1);
	cr_assert_eq(store_name_make(txn, STORE_PROJECT, "b", NULL), 1);
	cr_assert(store_name_text(txn, STORE_PROJECT, 3, out));
	cr_assert_str_eq(out, "ab");
	cr_assert_not(store_name_text(txn, STORE_PROJECT, 4, out));
	cr_assert_not(store_name_text(txn, STORE_PROJECT, 0, out));
	cr_assert_eq(store_names(txn, STORE_PROJECT, NULL, 9, see_name, text), 3);
	cr_assert_str_eq(text, " 2=a 3=ab 1=b");
	text[0] = 0;
	cr_assert_eq(store_names(txn, STORE_PROJECT, "a", 1, see_name, text), 1);
	cr_assert_str_eq(text, " 3=ab");
	memset(long_name, 'x', sizeof long_name);
	long_name[68] = 0;
	cr_assert_eq(store_name_make(txn, STORE_PROJECT, long_name, NULL), 0);
	cr_assert_eq(store_name_make(txn, STORE_PROJECT, "", NULL), 0);
	long_name[67] = 0;
	cr_assert_eq(store_name_make(txn, STORE_PROJECT, long_name, NULL), 4);
	cr_assert(store_name_text(txn, STORE_PROJECT, 4, out));
	cr_assert_str_eq(out, long_name);
	fixture_audit(txn, 0);
	fixture_commit(txn);
}

Test(store, commands)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct store_txn *txn = fixture_write();
	uint64_t seq = 0, first;

	cr_assert_eq(store_command_next(txn, 0, &seq, &text), FNR_E_NOT_FOUND);
	cr_assert_eq(store_command_add(txn, "{\"command\":\"a\"}", NULL), FNR_OK);
	cr_assert_eq(store_command_add(txn, "{\"command\":\"b\"}", NULL), FNR_OK);
	cr_assert_eq(store_command_next(txn, 0, &first, &text), FNR_OK);
	cr_assert_str_eq(text.data, "{\"command\":\"a\"}");
	cr_assert_eq(store_command_next(txn, first, &seq, &text), FNR_OK);
	cr_assert_str_eq(text.data, "{\"command\":\"b\"}");
	cr_assert_eq(store_command_next(txn, seq, &seq, &text), FNR_E_NOT_FOUND);
	store_command_delete(txn, first);
	store_command_delete(txn, seq);
	cr_assert_eq(store_command_next(txn, 0, &first, &text), FNR_E_NOT_FOUND);
	cr_assert_eq(store_command_add(txn, "{}", NULL), FNR_OK);
	cr_assert_eq(store_command_next(txn, 0, &first, &text), FNR_OK);
	cr_assert_gt(first, seq, "numbers never repeat");
	fixture_commit(txn);
	fixture_check();
	fnr_buf_free(&text);
}

/* ---- takes, uploads, templates, presets, keys ---- */

static bool count_take(uint32_t take, const char *json, size_t len, void *context)
{
	*(uint32_t *)context = *(uint32_t *)context * 10 + take;
	return len == 2 && memcmp(json, "{}", 2) == 0;
}

static bool see_shot(uint32_t shot, uint32_t counter, uint32_t active, void *context)
{
	*(uint32_t *)context += shot * 100 + counter * 10 + active;
	return true;
}

Test(store, takes)
{
	struct store_txn *txn = fixture_write();
	struct fnr_buf text = FNR_BUF_INIT;
	uint32_t seen = 0;

	store_name_make(txn, STORE_PROJECT, "p", NULL);
	store_name_make(txn, STORE_SHOT, "s", NULL);
	cr_assert_eq(store_shot_counter(txn, 1, 1), 0);
	cr_assert_eq(store_shot_active(txn, 1, 1), 0);
	cr_assert_eq(store_shot_raise(txn, 1, 1, 4, NULL), FNR_OK);
	cr_assert_eq(store_shot_raise(txn, 1, 1, 2, NULL), FNR_OK);
	cr_assert_eq(store_shot_counter(txn, 1, 1), 4);
	cr_assert_eq(store_take_put(txn, 1, 1, 1, "{}", NULL), FNR_OK);
	cr_assert_eq(store_take_put(txn, 1, 1, 3, "{}", NULL), FNR_OK);
	cr_assert_eq(store_shot_active(txn, 1, 1), 3, "the newest, unless one was chosen");
	cr_assert_eq(store_take_get(txn, 1, 1, 2, &text), FNR_E_NOT_FOUND);
	cr_assert_eq(store_take_get(txn, 1, 1, 3, &text), FNR_OK);
	cr_assert_eq(store_takes(txn, 1, 1, 0, 9, count_take, &seen), 2);
	cr_assert_eq(seen, 13);
	cr_assert_eq(store_takes(txn, 1, 1, 1, 9, count_take, &seen), 1);
	cr_assert_eq(store_takes(txn, 1, 1, 2, 9, count_take, &seen), 1);
	seen = 0;
	cr_assert_eq(store_shots(txn, 1, 9, see_shot, &seen), 1);
	cr_assert_eq(seen, 143);
	cr_assert_eq(store_shots(txn, 2, 9, see_shot, &seen), 0);
	fixture_audit(txn, 0);
	fixture_commit(txn);
	fnr_buf_free(&text);
}

static struct store_upload make_upload(int64_t created_at)
{
	struct store_upload upload = { .id = fnr_id_random(), .bytes = 12, .media_type = "image/png", .name = "a.png",
	                              .created_at = created_at, .key = 3 };

	memset(upload.sha256, 9, sizeof upload.sha256);
	return upload;
}

Test(store, uploads_live_as_long_as_a_job_names_them)
{
	struct store_upload kept = make_upload(NOW), old = make_upload(NOW), young = make_upload(NOW + 100), read;
	struct op_job job = FIXTURE_JOB;
	struct fnr_id uses[3] = { kept.id, kept.id, kept.id }, cursor = FNR_ID_NONE, ids[8], id;
	struct store_txn *txn = fixture_write();
	char path[64];

	cr_assert_eq(store_upload_put(txn, &kept, NULL), FNR_OK);
	cr_assert_eq(store_upload_put(txn, &old, NULL), FNR_OK);
	cr_assert_eq(store_upload_put(txn, &young, NULL), FNR_OK);
	fixture_commit(txn);
	job.uploads = uses;
	job.upload_count = 3;
	id = fixture_submit(&job);
	fixture_check();
	txn = fixture_write();
	cr_assert_eq(store_upload_get(txn, &kept.id, &read), FNR_OK);
	cr_assert_eq(read.jobs, 1, "a job counts once");
	cr_assert_eq(read.bytes, 12);
	cr_assert_eq(read.key, 3);
	cr_assert_str_eq(read.name, "a.png");
	cr_assert_str_eq(read.media_type, "image/png");
	cr_assert_eq(memcmp(read.sha256, kept.sha256, 32), 0);
	cr_assert_eq(store_upload_put(txn, &kept, NULL), FNR_OK);
	cr_assert_eq(store_uploads_expire(txn, NOW + 50, &cursor, ids, 8), 1);
	cr_assert_eq(fnr_id_compare(&ids[0], &old.id), 0);
	cr_assert(fnr_id_is_none(&cursor));
	fixture_commit(txn);
	fixture_check();
	fixture_move(&id, FNR_STATE_COMPLETED, 0);
	txn = fixture_write();
	cr_assert_eq(store_job_delete(txn, &id, path, NULL), FNR_OK);
	cr_assert_eq(store_uploads_expire(txn, NOW + 50, &cursor, ids, 8), 1);
	cr_assert_eq(fnr_id_compare(&ids[0], &kept.id), 0);
	fixture_commit(txn);
	fixture_check();
}

Test(store, expiry_of_uploads_goes_on_where_it_was)
{
	struct store_txn *txn = fixture_write();
	struct fnr_id cursor = FNR_ID_NONE, ids[2];
	size_t rounds = 0, found = 0;

	for (int i = 0; i < 7; i++) {
		struct store_upload upload = make_upload(NOW);

		cr_assert_eq(store_upload_put(txn, &upload, NULL), FNR_OK);
	}
	do {
		found += store_uploads_expire(txn, NOW + 1, &cursor, ids, 2);
		rounds++;
	} while (!fnr_id_is_none(&cursor));
	cr_assert_eq(found, 7);
	cr_assert_eq(rounds, 4);
	fixture_commit(txn);
}

static bool see_template(const char *id, struct store_version version, const uint8_t digest[32], const char *source,
                         void *context)
{
	char *text = context;

	snprintf(text + strlen(text), 200 - strlen(text), " %s@%u.%u.%u:%u:%s", id, version.major, version.minor,
	         version.patch, digest[0], source);
	return true;
}

static int put_template(struct store_txn *txn, const char *id, struct store_version version, const uint8_t digest[32], const char *source, const char *text)
{
	struct json_object *definition = fnr_json_parse(text, strlen(text), NULL);
	int code = store_template_put(txn, id, version, digest, source, definition, NULL);

	json_object_put(definition);
	return code;
}

Test(store, templates)
{
	struct store_txn *txn = fixture_write();
	struct json_object *definition;
	uint8_t one[32] = { 1 }, two[32] = { 2 };
	char text[200] = "";
	size_t memory = 0;

	cr_assert_eq(put_template(txn, "b", (struct store_version){ 1, 10, 0 }, one, "f1", "{\"n\":1}"), FNR_OK);
	cr_assert_eq(put_template(txn, "b", (struct store_version){ 1, 9, 300 }, two, "f2", "{\"n\":2}"), FNR_OK);
	cr_assert_eq(put_template(txn, "ba", (struct store_version){ 2, 0, 0 }, two, "f3", "{\"n\":2}"), FNR_OK);
	cr_assert_eq(put_template(txn, "a", (struct store_version){ 0, 0, 1 }, two, "", "{\"n\":2}"), FNR_OK);
	cr_assert_eq(put_template(txn, "", (struct store_version){ 0, 0, 1 }, two, "", "{}"), FNR_E_INVALID);
	cr_assert_eq(store_templates(txn, "b", see_template, text), 2);
	cr_assert_str_eq(text, " b@1.10.0:1:f1 b@1.9.300:2:f2", "newest first");
	text[0] = 0;
	cr_assert_eq(store_templates(txn, NULL, see_template, text), 4);
	cr_assert_str_eq(text, " a@0.0.1:2: b@1.9.300:2:f2 b@1.10.0:1:f1 ba@2.0.0:2:f3");
	cr_assert_eq(store_templates(txn, "c", see_template, text), 0);
	cr_assert_eq(store_definition_get(txn, one, &definition, &memory), FNR_OK);
	cr_assert_str_eq(fnr_json_text(definition, NULL), "{\"n\":1}");
	cr_assert_gt(memory, 0);
	json_object_put(definition);
	cr_assert_eq(store_template_delete(txn, "b", (struct store_version){ 1, 10, 0 }), FNR_OK);
	cr_assert_eq(store_template_delete(txn, "b", (struct store_version){ 1, 10, 0 }), FNR_E_NOT_FOUND);
	cr_assert_eq(store_definition_get(txn, one, &definition, NULL), FNR_OK, "jobs may still name it");
	json_object_put(definition);
	two[0] = 3;
	cr_assert_eq(store_definition_get(txn, two, &definition, NULL), FNR_E_NOT_FOUND);
	cr_assert_null(definition);
	fixture_audit(txn, 0);
	fixture_commit(txn);
}

Test(store, definitions_that_cannot_be_read)
{
	struct store_txn *txn = fixture_write();
	struct fnr_buf report = FNR_BUF_INIT, summary = FNR_BUF_INIT;
	struct json_object *definition;
	uint8_t one[32] = { 1 };
	struct key key = hash_key(one);

	cr_assert_eq(put_template(txn, "a", (struct store_version){ 1, 0, 0 }, one, "f", "{\"n\":1}"), FNR_OK);
	cr_assert_eq(store_check(txn, &report, &summary), 0, "%s", report.data);
	cr_assert_eq(env_put(&txn->t, DB_DEFINITION, &key, "\1\7\1", 3, NULL), FNR_OK);
	cr_expect_eq(store_definition_get(txn, one, &definition, NULL), FNR_E_CORRUPT);
	cr_expect_null(definition);
	cr_expect_eq(store_check(txn, &report, &summary), 1);
	cr_expect(strstr(report.data, "a@1.0.0: its definition cannot be read"), "%s", report.data);
	cr_assert_eq(env_delete(&txn->t, DB_DEFINITION, &key, NULL), FNR_OK);
	fnr_buf_reset(&report);
	cr_expect_eq(store_check(txn, &report, &summary), 1);
	cr_expect(strstr(report.data, "a@1.0.0: its definition is missing"), "%s", report.data);
	store_abort(txn);
	fnr_buf_free(&report);
	fnr_buf_free(&summary);
}

static bool see_card(const char *id, struct store_version version, const uint8_t digest[32], const struct store_card *card, void *context)
{
	char *text = context;

	snprintf(text + strlen(text), 400 - strlen(text), " %s@%u:%u(%s,%s,%s,%s", id, version.major, digest[0], card->category, card->backend, card->name, card->description);
	for (const char *tag = card->tags; *tag; tag += strlen(tag) + 1)
		snprintf(text + strlen(text), 400 - strlen(text), " #%s", tag);
	for (const char *word = card->capabilities; *word; word += strlen(word) + 1)
		snprintf(text + strlen(text), 400 - strlen(text), " +%s", word);
	strcat(text, ")");
	return strcmp(id, "stop") != 0;
}

/* What lists look at, also of records that end too early or hold nonsense. */
Test(store, cards)
{
	static const char full[] = "{\"name\":\"N\",\"description\":\"D\",\"category\":\"image\",\"backend\":{\"type\":\"noop\"},\"tags\":[\"x\",\"\",5,\"y\"],\"capabilities\":[\"z\"]}";
	static const char early[] = "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0src\0image\0noop\0N\0D\0tag\0no end";
	struct store_txn *txn = fixture_write();
	struct key key = KEY_INIT;
	uint8_t one[32] = { 1 };
	char text[400] = "";

	cr_assert_eq(put_template(txn, "a", (struct store_version){ 1, 0, 0 }, one, "f", full), FNR_OK);
	cr_assert_eq(put_template(txn, "a", (struct store_version){ 2, 0, 0 }, one, "f", "{}"), FNR_OK);
	key_text(&key, "e");
	key_bytes(&key, "\0\0\0\0\1\0\0\0\0\0\0\0\0", 13);
	cr_assert_eq(env_put(&txn->t, DB_TEMPLATE, &key, early, sizeof early - 1, NULL), FNR_OK);
	cr_assert_eq(put_template(txn, "stop", (struct store_version){ 1, 0, 0 }, one, "f", "{}"), FNR_OK);
	cr_assert_eq(put_template(txn, "unseen", (struct store_version){ 1, 0, 0 }, one, "f", "{}"), FNR_OK);
	store_cards(txn, NULL, see_card, text);
	cr_expect_str_eq(text, " a@1:1(image,noop,N,D #x #y +z) a@2:1(,,,) e@1:1(image,noop,N,D) stop@1:1(,,,)");
	text[0] = 0;
	store_cards(txn, "a", see_card, text);
	cr_expect_str_eq(text, " e@1:1(image,noop,N,D) stop@1:1(,,,)", "behind all versions");
	text[0] = 0;
	store_cards(txn, "zz", see_card, text);
	cr_expect_str_eq(text, "");
	fixture_commit(txn);
}

static bool see_text(const char *id, const char *json, size_t len, void *context)
{
	char *text = context;

	snprintf(text + strlen(text), 200 - strlen(text), " %s=%.*s", id, (int)len, json);
	return true;
}

static bool count_version(uint32_t version, const char *json, size_t len, void *context)
{
	(void)json, (void)len;
	*(uint32_t *)context = *(uint32_t *)context * 100 + version;
	return true;
}

Test(store, versions_of_presets)
{
	struct store_txn *txn = fixture_write();
	struct fnr_buf json = FNR_BUF_INIT;
	uint32_t seen = 0;

	cr_assert_eq(store_preset_last(txn, "mine"), 0);
	for (uint32_t version = 1; version <= 3; version++)
		cr_assert_eq(store_preset_put(txn, &(struct store_preset){ "mine", "k1", version == 2 ? "{\"two\":2}" : "{}", version }, NULL), FNR_OK);
	cr_assert_eq(store_preset_put(txn, &(struct store_preset){ "mine2", "k1", "{}", 1 }, NULL), FNR_OK);
	cr_assert_eq(store_preset_put(txn, &(struct store_preset){ "draft", NULL, "{}", 1 }, NULL), FNR_OK);
	cr_assert_eq(store_preset_versions(txn, "mine", count_version, &seen), 3);
	cr_assert_eq(seen, 30201, "newest first");
	cr_assert_eq(store_preset_get_version(txn, "mine", 2, &json), FNR_OK);
	cr_assert_str_eq(json.data, "{\"two\":2}");
	cr_assert_eq(store_presets_owned(txn, "k1", NULL, NULL), 2);
	cr_assert_eq(store_presets_owned(txn, "k", NULL, NULL), 0);
	cr_assert_eq(store_presets_owned(txn, NULL, NULL, NULL), 1, "those that ship");
	cr_assert_eq(store_preset_delete(txn, "mine", "k1", NULL), FNR_OK);
	cr_assert_eq(store_preset_delete(txn, "mine", "k1", NULL), FNR_E_NOT_FOUND);
	cr_assert_eq(store_preset_get_version(txn, "mine", 3, &json), FNR_E_NOT_FOUND);
	cr_assert_eq(store_preset_last(txn, "mine"), 3, "its numbers are not given again");
	cr_assert_eq(store_presets_owned(txn, "k1", NULL, NULL), 1);
	for (uint32_t version = 1; version <= STORE_PRESET_VERSIONS + 5; version++)
		cr_assert_eq(store_preset_put(txn, &(struct store_preset){ "draft", NULL, "{}", version }, NULL), FNR_OK);
	seen = 0;
	cr_assert_eq(store_preset_versions(txn, "draft", count_version, &seen), STORE_PRESET_VERSIONS);
	fnr_buf_free(&json);
	fixture_commit(txn);
}

Test(store, presets_and_keys)
{
	struct store_txn *txn = fixture_write();
	struct fnr_buf json = FNR_BUF_INIT;
	uint8_t one[32] = { 1 }, two[32] = { 2 };
	char text[200] = "";

	cr_assert_eq(store_preset_put(txn, &(struct store_preset){ "high", NULL, "{}", 1 }, NULL), FNR_OK);
	cr_assert_eq(store_preset_put(txn, &(struct store_preset){ "draft", NULL, "{\"a\":1}", 1 }, NULL), FNR_OK);
	cr_assert_eq(store_preset_get(txn, "draft", &json), FNR_OK);
	cr_assert_str_eq(json.data, "{\"a\":1}");
	cr_assert_eq(store_preset_get(txn, "none", &json), FNR_E_NOT_FOUND);
	cr_assert_eq(store_presets(txn, NULL, see_text, text), 2);
	cr_assert_str_eq(text, " draft={\"a\":1} high={}");
	text[0] = 0;
	cr_assert_eq(store_key_put(txn, one, "{\"id\":\"k1\"}", NULL), FNR_OK);
	cr_assert_eq(store_key_put(txn, two, "{\"id\":\"k2\"}", NULL), FNR_OK);
	cr_assert_eq(store_keys(txn, see_text, text), 2);
	cr_assert_str_eq(text, " k1={\"id\":\"k1\"} k2={\"id\":\"k2\"}");
	cr_assert_eq(store_key_delete(txn, "k1"), FNR_OK);
	cr_assert_eq(store_key_delete(txn, "k1"), FNR_E_NOT_FOUND);
	cr_assert_eq(store_key_get(txn, one, &json), FNR_E_NOT_FOUND);
	cr_assert_eq(store_key_get(txn, two, &json), FNR_OK);
	fixture_commit(txn);
	fnr_buf_free(&json);
}

/* ---- the auditor finds what it should ---- */

Test(store, check_finds_an_active_record_without_its_job)
{
	struct job_active active = { .attempt = 1 };
	struct fnr_id id = fnr_id_random();
	struct store_txn *txn = fixture_write();

	cr_assert_eq(store_active_put(txn, &id, &active, NULL), FNR_OK);
	fixture_audit(txn, 1);
	store_abort(txn);
}

Test(store, check_finds_records_that_do_not_fit)
{
	struct op_job job = FIXTURE_JOB;
	struct fnr_id id = fixture_submit(&job);
	struct job_active active = { .attempt = 1 };
	struct store_txn *txn = fixture_write();

	cr_assert_eq(store_active_put(txn, &id, &active, NULL), FNR_OK);
	fixture_audit(txn, 1);
	cr_assert_eq(store_attempt_put(txn, &id, 1, "{}", NULL), FNR_OK);
	fixture_audit(txn, 2);
	cr_assert_eq(store_take_put(txn, 5, 5, 1, "{}", NULL), FNR_OK);
	fixture_audit(txn, 3);
	store_abort(txn);
}

Test(store, who_reads_for_longest)
{
	struct op_job job = FIXTURE_JOB;
	uint64_t txn = 0, behind = 0;
	int ready[2], status;
	pid_t pid, found = 0;
	char byte;

	cr_assert(!store_oldest_reader(fixture_store, &found, &txn, &behind));
	cr_assert_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct store *store;

		if (store_open(&store, false, NULL) != FNR_OK || !store_read(store, NULL) || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	for (int i = 0; i < 5; i++)
		fixture_submit(&job);
	cr_assert(store_oldest_reader(fixture_store, &found, &txn, &behind));
	cr_expect(found == pid && txn > 0 && behind >= 5, "%d %llu %llu", (int)found, (unsigned long long)txn, (unsigned long long)behind);
	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	store_clear_readers(fixture_store);
	cr_expect(!store_oldest_reader(fixture_store, &found, &txn, &behind));
}

static int64_t cpu_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

Test(store, check_of_many_jobs_is_quick)
{
	struct op_job job = FIXTURE_JOB;
	struct store_txn *txn = fixture_write();
	int64_t start;

	for (int i = 0; i < 20000; i++)
		cr_assert_eq(fixture_submit_to(txn, &job).code, FNR_OK);
	fixture_commit(txn);
	start = cpu_ms();
	fixture_check();
	cr_assert_lt(cpu_ms() - start, 60000, "not with the square of their number");
}

/* Accepts, moves and deletes jobs with payload files until it is killed. */
static void busy_child(void)
{
	struct op_job job = FIXTURE_JOB;
	char path[64];

	if (store_open(&fixture_store, true, NULL) != FNR_OK)
		_exit(2);
	for (;;) {
		struct store_txn *txn;
		struct job_head head;
		struct op_reply reply;

		job.payload = NULL;
		job.payload_file = fnr_id_random();
		store_payload_path(&job.payload_file, path);
		if (fnr_file_write(path, "{}", 2, 0600, NULL) != FNR_OK || !(txn = store_write(fixture_store, NULL)))
			_exit(3);
		reply = fixture_submit_to(txn, &job);
		job.payload = "{}";
		fixture_submit_to(txn, &job);
		if (store_commit(txn, NULL) != FNR_OK || !(txn = store_write(fixture_store, NULL)))
			_exit(4);
		if (store_job_get(txn, &reply.id, &head) != FNR_OK)
			_exit(5);
		head.state = FNR_STATE_COMPLETED;
		if (store_job_put(txn, &head, NULL) != FNR_OK || store_job_delete(txn, &reply.id, path, NULL) != FNR_OK)
			_exit(6);
		if (store_commit(txn, NULL) != FNR_OK)
			_exit(7);
		unlink(path);
	}
}

Test(store, is_sound_while_another_writes_and_after_it_was_killed)
{
	cr_assert_eq(fnr_dir_make("blobs/payload", 0700, NULL), FNR_OK);
	for (int round = 0; round < 5; round++) {
		int64_t end = fnr_mono_ms() + 200;
		int status;
		pid_t pid;

		store_close(fixture_store);
		fixture_store = NULL;
		pid = fork();
		if (pid == 0)
			busy_child();
		fixture_open();
		do
			fixture_check();
		while (fnr_mono_ms() < end);
		cr_assert_eq(waitpid(pid, &status, WNOHANG), 0, "it ended by itself: %d", WEXITSTATUS(status));
		kill(pid, SIGKILL);
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		fixture_check();
		store_clear_readers(fixture_store);
		fixture_commit(fixture_write());
	}
}

Test(store, contents_are_found_while_an_upload_has_them)
{
	struct store_txn *txn = fixture_write();
	struct fnr_id cursor = FNR_ID_NONE, ids[4], found;
	struct store_upload one = make_upload(NOW), two = make_upload(NOW + 10), other = make_upload(NOW);

	memcpy(two.sha256, one.sha256, 32);
	other.sha256[0] ^= 1;
	cr_assert_eq(store_upload_put(txn, &one, NULL), FNR_OK);
	cr_assert_eq(store_upload_put(txn, &two, NULL), FNR_OK);
	cr_assert_eq(store_upload_put(txn, &two, NULL), FNR_OK, "again");
	cr_assert_eq(store_content_find(txn, one.sha256, one.bytes, &found), FNR_OK);
	cr_assert_eq(store_content_find(txn, one.sha256, one.bytes + 1, &found), FNR_E_NOT_FOUND, "other bytes");
	cr_assert_eq(store_content_find(txn, other.sha256, other.bytes, &found), FNR_E_NOT_FOUND);
	cr_assert_eq(store_uploads_expire(txn, NOW + 5, &cursor, ids, 4), 1);
	cr_assert_eq(store_content_find(txn, one.sha256, one.bytes, &found), FNR_OK);
	cr_assert_eq(fnr_id_compare(&found, &two.id), 0);
	fixture_commit(txn);
	fixture_check();
	txn = fixture_write();
	cr_assert_eq(store_uploads_expire(txn, NOW + 50, &cursor, ids, 4), 1);
	cr_assert_eq(store_content_find(txn, one.sha256, one.bytes, &found), FNR_E_NOT_FOUND);
	fixture_commit(txn);
	fixture_check();
}
