#include "base/hash.h"
#include "base/json.h"
#include "store_fixture.h"

TestSuite(ops, .init = fixture_setup, .fini = fixture_teardown, .timeout = 600);

static struct fnr_buf encode_submit(const struct op_job *jobs, size_t count, const char *key, const char *body,
                                    bool is_batch)
{
	struct op_submit submit = { .idempotent = key != NULL, .is_batch = is_batch, .count = count };
	struct fnr_buf operation = FNR_BUF_INIT;

	snprintf((char *)submit.idempotency, sizeof submit.idempotency, "%s", key ? key : "");
	snprintf((char *)submit.body, sizeof submit.body, "%s", body);
	op_submit_begin(&operation, &submit);
	for (size_t i = 0; i < count; i++)
		op_job_add(&operation, &jobs[i]);
	return operation;
}

static struct op_reply apply_in_round(const struct fnr_buf *operation, bool *ring_r)
{
	struct store_txn *txn = fixture_write();
	struct op_reply reply = fixture_apply(txn, operation, ring_r);

	fixture_commit(txn);
	fixture_check();
	return reply;
}

static struct store_counters counters_now(void)
{
	struct store_txn *txn = fixture_read();
	struct store_counters counters;

	store_counters_get(txn, &counters);
	store_read_end(txn);
	return counters;
}

static int preset_code(const char *id, uint32_t version, uint32_t expected)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;

	op_preset_put(&operation, &(struct store_preset){ id, "k1", "{}", version }, expected);
	reply = apply_in_round(&operation, NULL);
	fnr_buf_free(&operation);
	return reply.code;
}

Test(ops, a_preset_is_changed_in_the_state_that_was_seen)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct store_txn *txn;

	cr_assert_eq(preset_code("mine", 1, 0), FNR_OK);
	cr_assert_eq(preset_code("mine", 2, 0), FNR_E_EXISTS);
	cr_assert_eq(preset_code("mine", 2, 1), FNR_OK);
	cr_assert_eq(preset_code("mine", 3, 1), FNR_E_PRECONDITION);
	cr_assert_eq(preset_code("mine", 9, 2), FNR_E_PRECONDITION);
	cr_assert_eq(preset_code("other", 1, 1), FNR_E_NOT_FOUND);
	op_preset_put(&operation, &(struct store_preset){ "new", "k1", "{}", 1 }, 0);
	op_preset_add(&operation, &(struct store_preset){ "mine", "k1", "{}", 3 }, 0);
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_E_EXISTS);
	txn = fixture_read();
	cr_assert_eq(store_preset_last(txn, "new"), 0, "all of them or none");
	store_read_end(txn);
	fnr_buf_reset(&operation);
	op_preset_delete(&operation, "mine", "k1", 1);
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_E_PRECONDITION);
	fnr_buf_reset(&operation);
	op_preset_delete(&operation, "mine", "k1", 2);
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_OK);
	cr_assert_eq(preset_code("mine", 1, 0), FNR_E_PRECONDITION, "the version after the last there ever was");
	cr_assert_eq(preset_code("mine", 3, 0), FNR_OK);
	fnr_buf_free(&operation);
}

Test(ops, ids_rise_with_seq)
{
	struct op_job job = FIXTURE_JOB;
	struct fnr_id last = FNR_ID_NONE, id;

	for (uint64_t seq = 1; seq <= 20; seq++) {
		if (seq == 10) {
			store_close(fixture_store);
			fixture_open();
		}
		id = fixture_submit(&job);
		cr_assert_gt(fnr_id_compare(&id, &last), 0);
		cr_assert_eq(fixture_head(&id).seq, seq);
		last = id;
	}
}

Test(ops, idempotency)
{
	struct op_job job = FIXTURE_JOB;
	struct fnr_buf first = encode_submit(&job, 1, "key", "body", false);
	struct fnr_buf other = encode_submit(&job, 1, "key", "other body", false);
	struct op_reply reply, again;
	bool ring;

	reply = apply_in_round(&first, &ring);
	cr_assert_eq(reply.code, FNR_OK);
	cr_assert(ring);
	cr_assert_eq(reply.replayed, 0);
	again = apply_in_round(&first, &ring);
	cr_assert_eq(again.code, FNR_OK);
	cr_assert_eq(again.replayed, 1);
	cr_assert_eq(again.is_batch, 0);
	cr_assert_not(ring);
	cr_assert_eq(fnr_id_compare(&again.id, &reply.id), 0);
	again = apply_in_round(&other, &ring);
	cr_assert_eq(again.code, FNR_E_KEY_REUSED);
	cr_assert_not(ring);
	cr_assert(again.message[0]);
	cr_assert_eq(counters_now().accepted, 1);
	fnr_buf_free(&first);
	fnr_buf_free(&other);
}

Test(ops, a_refused_job_does_not_keep_the_key)
{
	struct op_job job = FIXTURE_JOB;
	struct fnr_id missing = fnr_id_random();
	struct fnr_buf bad, good = encode_submit(&job, 1, "key", "b", false);

	job.uploads = &missing;
	job.upload_count = 1;
	bad = encode_submit(&job, 1, "key", "a", false);
	cr_assert_eq(apply_in_round(&bad, NULL).code, FNR_E_INVALID);
	cr_assert_eq(apply_in_round(&good, NULL).code, FNR_OK);
	fnr_buf_free(&bad);
	fnr_buf_free(&good);
}

Test(ops, idempotency_entries_expire_behind_their_job)
{
	struct op_job job = FIXTURE_JOB;
	struct fnr_buf operation = encode_submit(&job, 1, "key", "body", false);
	struct op_reply reply = apply_in_round(&operation, NULL);
	struct store_txn *txn = fixture_write();
	uint8_t cursor[32] = { 0 };
	char path[64];

	cr_assert_eq(store_idempotency_expire(txn, NOW + 1, cursor, 100), 0, "its job is there");
	fixture_commit(txn);
	fixture_move(&reply.id, FNR_STATE_COMPLETED, 0);
	txn = fixture_write();
	cr_assert_eq(store_job_delete(txn, &reply.id, path, NULL), FNR_OK);
	cr_assert_eq(store_idempotency_expire(txn, NOW, cursor, 100), 0, "it is young");
	cr_assert_eq(store_idempotency_expire(txn, NOW + 1, cursor, 100), 1);
	fixture_commit(txn);
	cr_assert_eq(apply_in_round(&operation, NULL).replayed, 0);
	fnr_buf_free(&operation);
}

Test(ops, batch_is_accepted_whole)
{
	struct op_job jobs[4] = { FIXTURE_JOB, FIXTURE_JOB, FIXTURE_JOB, FIXTURE_JOB };
	struct fnr_buf operation;
	struct store_txn *txn;
	struct op_reply reply;
	struct job_head head;
	struct batch batch;
	struct fnr_id id;

	jobs[2].not_before = NOW + 50;
	operation = encode_submit(jobs, 4, "k", "b", true);
	reply = apply_in_round(&operation, NULL);
	cr_assert_eq(reply.code, FNR_OK, "%s", reply.message);
	cr_assert_eq(reply.is_batch, 1);
	txn = fixture_read();
	cr_assert_eq(store_batch_get(txn, &reply.id, &batch), FNR_OK);
	cr_assert_eq(batch.total, 4);
	cr_assert_eq(batch.state[FNR_STATE_QUEUED], 3);
	cr_assert_eq(batch.state[FNR_STATE_SCHEDULED], 1);
	cr_assert_eq(batch.created_at, NOW);
	cr_assert_eq(batch.project, store_name_find(txn, STORE_PROJECT, "demo"));
	cr_assert_eq(batch.key, store_name_find(txn, STORE_KEY, "k1"));
	id = store_last_job(txn);
	cr_assert_eq(fnr_id_compare(&id, &batch.last), 0);
	cr_assert_eq(store_job_get(txn, &batch.first, &head), FNR_OK);
	cr_assert_eq(head.seq, 1);
	cr_assert_eq(fnr_id_compare(&head.batch, &reply.id), 0);
	store_read_end(txn);
	fixture_move(&batch.first, FNR_STATE_COMPLETED, 0);
	txn = fixture_read();
	cr_assert_eq(store_batch_get(txn, &reply.id, &batch), FNR_OK);
	cr_assert_eq(batch.state[FNR_STATE_QUEUED], 2);
	cr_assert_eq(batch.state[FNR_STATE_COMPLETED], 1);
	store_read_end(txn);
	reply = apply_in_round(&operation, NULL);
	cr_assert(reply.replayed && reply.is_batch && fnr_id_compare(&reply.id, &batch.id) == 0);
	fnr_buf_free(&operation);
}

Test(ops, batch_is_refused_whole)
{
	struct op_job jobs[3] = { FIXTURE_JOB, FIXTURE_JOB, FIXTURE_JOB };
	struct fnr_id missing = fnr_id_random();
	struct fnr_buf operation;

	jobs[2].uploads = &missing;
	jobs[2].upload_count = 1;
	operation = encode_submit(jobs, 3, "k", "b", true);
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_E_INVALID);
	cr_assert_eq(counters_now().accepted, 0);
	fnr_buf_free(&operation);
}

Test(ops, batch_goes_with_its_last_job)
{
	struct op_job jobs[2] = { FIXTURE_JOB, FIXTURE_JOB };
	struct fnr_buf operation = encode_submit(jobs, 2, NULL, "", true);
	struct op_reply reply = apply_in_round(&operation, NULL);
	struct store_txn *txn;
	struct batch batch, stale;
	char path[64];

	txn = fixture_read();
	cr_assert_eq(store_batch_get(txn, &reply.id, &batch), FNR_OK);
	store_read_end(txn);
	stale = batch;
	fixture_move(&batch.first, FNR_STATE_COMPLETED, 0);
	fixture_move(&batch.last, FNR_STATE_FAILED, 0);
	txn = fixture_write();
	stale.event = 3;
	cr_assert_eq(store_batch_put(txn, &stale, NULL), FNR_OK);
	cr_assert_eq(store_batch_get(txn, &reply.id, &batch), FNR_OK);
	cr_assert_eq(batch.event, 3);
	fixture_audit(txn, 0);
	cr_assert_eq(store_job_delete(txn, &batch.first, path, NULL), FNR_OK);
	fixture_audit(txn, 0);
	cr_assert_eq(store_job_delete(txn, &batch.last, path, NULL), FNR_OK);
	cr_assert_eq(store_batch_get(txn, &reply.id, &batch), FNR_E_NOT_FOUND);
	fixture_commit(txn);
	fixture_check();
	fnr_buf_free(&operation);
}

Test(ops, batch_over_projects_is_of_none)
{
	struct op_job jobs[3] = { FIXTURE_JOB, FIXTURE_JOB, FIXTURE_JOB };
	struct fnr_buf operation;
	struct op_reply reply;
	struct store_txn *txn;
	struct batch batch;

	jobs[1].project = "other";
	operation = encode_submit(jobs, 3, NULL, "", true);
	reply = apply_in_round(&operation, NULL);
	txn = fixture_read();
	cr_assert_eq(store_batch_get(txn, &reply.id, &batch), FNR_OK);
	cr_assert_eq(batch.project, 0);
	store_read_end(txn);
	fnr_buf_free(&operation);
}

Test(ops, large_batch)
{
	enum { COUNT = 5000 };
	struct op_job *jobs = calloc(COUNT, sizeof *jobs);
	struct fnr_buf operation;
	struct op_reply reply;

	for (size_t i = 0; i < COUNT; i++)
		jobs[i] = (struct op_job)FIXTURE_JOB;
	operation = encode_submit(jobs, COUNT, NULL, "", true);
	reply = apply_in_round(&operation, NULL);
	cr_assert_eq(reply.code, FNR_OK, "%s", reply.message);
	cr_assert_eq(counters_now().state[FNR_STATE_QUEUED], COUNT);
	fnr_buf_free(&operation);
	free(jobs);
}

/* A committer that died behind its commit, before anyone was told: its successor finds the answers. */
Test(ops, commit_but_no_answer)
{
	struct op_job job = FIXTURE_JOB;
	struct op_round_entry entries[2] = { { .request = "request-one-----" }, { .request = "request-two-----" } };
	struct op_reply reply;
	struct store_txn *txn = fixture_write();

	entries[0].reply = fixture_submit_to(txn, &job);
	entries[1].reply = (struct op_reply){ .code = FNR_E_INVALID, .retry_after_s = 7, .message = "no such upload" };
	cr_assert_eq(op_round_put(txn, entries, 2, NULL), FNR_OK);
	fixture_commit(txn);
	store_close(fixture_store);
	fixture_open();
	txn = fixture_write();
	cr_assert(op_round_find(txn, (const uint8_t *)"request-one-----", &reply));
	cr_assert_eq(memcmp(&reply, &entries[0].reply, sizeof reply), 0);
	cr_assert(op_round_find(txn, (const uint8_t *)"request-two-----", &reply));
	cr_assert_eq(reply.code, FNR_E_INVALID);
	cr_assert_eq(reply.retry_after_s, 7);
	cr_assert_str_eq(reply.message, "no such upload");
	cr_assert_not(op_round_find(txn, (const uint8_t *)"request-three---", &reply));
	cr_assert_eq(op_round_put(txn, entries, 1, NULL), FNR_OK);
	cr_assert_not(op_round_find(txn, (const uint8_t *)"request-two-----", &reply), "only the last round is kept");
	fixture_commit(txn);
	cr_assert_eq(counters_now().accepted, 1);
}

Test(ops, full)
{
	struct op_limits limits = { .full = true, .reason = "the disk has 10 MB left; 1 GB is kept free" };
	struct op_job job = FIXTURE_JOB;
	struct fnr_buf operation = encode_submit(&job, 1, NULL, "", false);
	struct store_txn *txn = fixture_write();
	struct op_reply reply;

	cr_assert_not(op_apply(txn, operation.data, operation.len, NOW, &limits, &reply));
	cr_assert_eq(reply.code, FNR_E_FULL);
	cr_assert_str_eq(reply.message, limits.reason);
	cr_assert_gt(reply.retry_after_s, 0);
	fnr_buf_reset(&operation);
	op_command(&operation, "{\"command\":\"cancel\"}");
	cr_assert(op_apply(txn, operation.data, operation.len, NOW, &limits, &reply), "commands make room");
	cr_assert_eq(reply.code, FNR_OK);
	store_abort(txn);
	fnr_buf_free(&operation);
}

Test(ops, too_many_wait)
{
	struct op_limits limits = { .waiting_most = 3 };
	struct op_job jobs[3] = { FIXTURE_JOB, FIXTURE_JOB, FIXTURE_JOB };
	struct fnr_buf one = encode_submit(jobs, 1, NULL, "", false), three = encode_submit(jobs, 3, NULL, "", true);
	struct store_txn *txn = fixture_write();
	struct op_reply reply;

	cr_assert(op_apply(txn, one.data, one.len, NOW, &limits, &reply), "one waits");
	cr_assert_not(op_apply(txn, three.data, three.len, NOW, &limits, &reply));
	cr_assert_eq(reply.code, FNR_E_LIMIT);
	cr_assert_gt(reply.retry_after_s, 0);
	limits.waiting_most = 4;
	cr_assert(op_apply(txn, three.data, three.len, NOW, &limits, &reply), "as many as there is room for");
	limits.waiting_most = 0;
	cr_assert(op_apply(txn, one.data, one.len, NOW, &limits, &reply), "no limit");
	store_abort(txn);
	fnr_buf_free(&one);
	fnr_buf_free(&three);
}

Test(ops, the_others)
{
	struct store_upload upload = { .id = fnr_id_random(), .bytes = 5, .media_type = "text/plain", .name = "ä.txt",
	                              .created_at = NOW, .key = 1 }, read;
	struct fnr_buf operation = FNR_BUF_INIT, text = FNR_BUF_INIT;
	uint8_t digest[32] = { 4 };
	struct store_txn *txn;
	uint64_t seq;
	bool ring;

	op_command(&operation, "{\"command\":\"pause\"}");
	cr_assert_eq(apply_in_round(&operation, &ring).code, FNR_OK);
	cr_assert(ring);
	fnr_buf_reset(&operation);
	op_upload(&operation, &upload, false);
	cr_assert_eq(apply_in_round(&operation, &ring).code, FNR_OK);
	cr_assert_not(ring);
	fnr_buf_reset(&operation);
	op_preset_put(&operation, &(struct store_preset){ .id = "high", .json = "{\"id\":\"high\"}", .version = 1 }, 0);
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_OK);
	fnr_buf_reset(&operation);
	op_key_put(&operation, digest, "{\"id\":\"k9\"}");
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_OK);
	for (int i = 0; i < 2; i++) {
		fnr_buf_reset(&operation);
		op_meta_add(&operation, STORE_META_TEMPLATES, 3);
		cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_OK);
	}
	txn = fixture_read();
	cr_assert_eq(store_command_next(txn, 0, &seq, &text), FNR_OK);
	cr_assert_str_eq(text.data, "{\"command\":\"pause\"}");
	cr_assert_eq(store_upload_get(txn, &upload.id, &read), FNR_OK);
	cr_assert_str_eq(read.name, upload.name);
	cr_assert_eq(store_preset_get(txn, "high", &text), FNR_OK);
	cr_assert_eq(store_key_get(txn, digest, &text), FNR_OK);
	cr_assert_eq(store_meta_get(txn, STORE_META_TEMPLATES), 6);
	store_read_end(txn);
	fnr_buf_reset(&operation);
	op_key_delete(&operation, "k9");
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_OK);
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_E_NOT_FOUND);
	fnr_buf_free(&operation);
	fnr_buf_free(&text);
}

/* ---- templates ---- */

static int change_template(struct op_template change)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;

	change.id = change.id ? change.id : "t";
	change.version = (struct store_version){ 1, 2, 3 };
	op_templates_begin(&operation, 1);
	op_template_add(&operation, &change);
	reply = apply_in_round(&operation, NULL);
	fnr_buf_free(&operation);
	return reply.code;
}

static size_t told(const char *what)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct store_txn *txn = fixture_read();
	char member[40];
	uint64_t seq = 0;
	size_t count = 0;

	snprintf(member, sizeof member, "\"change\":\"%s\"", what);
	while (store_command_next(txn, seq, &seq, &text) == FNR_OK)
		for (const char *at = text.data; (at = strstr(at, member)); at++)
			count++;
	store_read_end(txn);
	fnr_buf_free(&text);
	return count;
}

Test(ops, templates_of_the_api_and_of_files)
{
	static const uint8_t one[32] = { 1 }, two[32] = { 2 };
	struct json_object *definition = json_object_new_object();
	struct op_template api = { .what = OP_TEMPLATE_PUT, .source = STORE_SOURCE_API, .digest = one, .definition = definition, .text = "n: 1", .yaml = true,
	                           .expect = OP_EXPECT_NONE };
	struct op_template file = { .what = OP_TEMPLATE_PUT, .source = "data/t.yaml", .digest = two, .definition = definition, .text = "{}" };
	struct op_template change = api, gone = { .what = OP_TEMPLATE_DELETE, .source = STORE_SOURCE_API }, absent = file;
	struct fnr_buf text = FNR_BUF_INIT;
	struct store_txn *txn;
	uint8_t digest[32];
	bool yaml;

	cr_expect_eq(change_template(api), FNR_OK);
	cr_expect_eq(change_template(api), FNR_E_EXISTS);
	cr_expect_eq(change_template(file), FNR_OK, "passed over");
	change.expect = OP_EXPECT_TEXT;
	change.digest = two;
	cr_expect_eq(change_template(change), FNR_E_PRECONDITION, "of another text");
	fnr_sha256_of("n: 1", 4, change.expected);
	cr_expect_eq(change_template(change), FNR_OK);
	txn = fixture_read();
	cr_assert_eq(store_template_get(txn, "t", (struct store_version){ 1, 2, 3 }, digest, &text), FNR_OK);
	cr_expect_str_eq(text.data, STORE_SOURCE_API);
	cr_expect_arr_eq(digest, two, 32);
	cr_assert_eq(store_template_text_get(txn, "t", (struct store_version){ 1, 2, 3 }, &yaml, &text), FNR_OK);
	cr_expect(yaml && strcmp(text.data, "n: 1") == 0);
	store_read_end(txn);
	absent.what = OP_TEMPLATE_DELETE;
	cr_expect_eq(change_template(absent), FNR_OK, "passed over");
	cr_expect_eq(change_template(gone), FNR_OK);
	cr_expect_eq(change_template(gone), FNR_E_NOT_FOUND);
	cr_expect_eq(change_template(file), FNR_OK);
	cr_expect_eq(change_template(file), FNR_OK, "again, to no effect");
	cr_expect_eq(change_template(api), FNR_E_CONFLICT);
	cr_expect_eq(change_template(gone), FNR_E_CONFLICT);
	absent.source = "data/other.yaml";
	cr_expect_eq(change_template(absent), FNR_OK, "it is not of that file any more");
	cr_expect_eq(told("removed"), 1);
	cr_expect_eq(told("added"), 2);
	cr_expect_eq(told("changed"), 1);
	json_object_put(definition);
	fnr_buf_free(&text);
}

Test(ops, templates_are_deprecated_and_break)
{
	static const uint8_t one[32] = { 1 };
	struct json_object *definition = json_object_new_object();
	struct op_template put = { .what = OP_TEMPLATE_PUT, .source = "data/t.yaml", .digest = one, .definition = definition, .text = "{}" };
	struct op_template deprecate = { .what = OP_TEMPLATE_DEPRECATE, .report = "{\"at\":1}" }, restore = { .what = OP_TEMPLATE_DEPRECATE };
	struct op_template broken = { .what = OP_TEMPLATE_BROKEN, .source = "data/t.yaml", .report = "{\"message\":\"bad\"}" };
	struct op_template elsewhere = broken, mended = { .what = OP_TEMPLATE_MENDED, .source = "data/u.yaml" };
	struct fnr_buf text = FNR_BUF_INIT;
	struct store_txn *txn;

	cr_expect_eq(change_template(deprecate), FNR_E_NOT_FOUND);
	cr_expect_eq(change_template(put), FNR_OK);
	cr_expect_eq(change_template(deprecate), FNR_OK);
	cr_expect_eq(change_template(broken), FNR_OK);
	cr_expect_eq(change_template(broken), FNR_OK);
	cr_expect_eq(told("broken"), 1, "the same is told once");
	elsewhere.source = mended.source;
	cr_expect_eq(change_template(elsewhere), FNR_OK);
	txn = fixture_read();
	cr_expect_eq(store_deprecation_get(txn, "t", (struct store_version){ 1, 2, 3 }, &text), FNR_OK);
	cr_expect_str_eq(text.data, "{\"at\":1}");
	cr_expect_eq(store_broken_get(txn, "data/t.yaml", &text), FNR_OK);
	store_read_end(txn);
	cr_expect_eq(change_template(put), FNR_OK);
	cr_expect_eq(change_template(mended), FNR_OK);
	cr_expect_eq(change_template(mended), FNR_OK);
	cr_expect_eq(told("mended"), 1);
	txn = fixture_read();
	cr_expect_eq(store_broken_get(txn, "data/t.yaml", &text), FNR_E_NOT_FOUND, "what is put is sound");
	cr_expect_eq(store_deprecation_get(txn, "t", (struct store_version){ 1, 2, 3 }, NULL), FNR_OK, "a new text changes nothing about that");
	store_read_end(txn);
	cr_expect_eq(change_template(restore), FNR_OK);
	txn = fixture_read();
	cr_expect_eq(store_deprecation_get(txn, "t", (struct store_version){ 1, 2, 3 }, NULL), FNR_E_NOT_FOUND);
	store_read_end(txn);
	json_object_put(definition);
	fnr_buf_free(&text);
}

/* ---- sessions ---- */

static struct op_reply apply_at(struct fnr_buf *operation, int64_t now)
{
	struct op_limits limits = { 0 };
	struct op_reply reply;
	struct store_txn *txn = fixture_write();

	op_apply(txn, operation->data, operation->len, now, &limits, &reply);
	if (reply.code == FNR_OK)
		fixture_commit(txn);
	else
		store_abort(txn);
	fnr_buf_reset(operation);
	return reply;
}

static int session_code(const uint8_t hash[32])
{
	struct store_session session;
	struct store_txn *txn = fixture_read();
	int code = store_session_get(txn, hash, &session);

	store_read_end(txn);
	return code;
}

static void put_key(const uint8_t hash[32], const char *id)
{
	struct fnr_buf operation = FNR_BUF_INIT, json = FNR_BUF_INIT;

	fnr_buf_printf(&json, "{\"id\":\"%s\"}", id);
	op_key_put(&operation, hash, json.data);
	cr_assert_eq(apply_at(&operation, 1).code, FNR_OK);
	fnr_buf_free(&operation);
	fnr_buf_free(&json);
}

Test(ops, a_link_makes_one_session_in_time)
{
	static const struct { const char *what; int64_t now; int first, second; } cases[] = {
		{ "in time", 5999, FNR_OK, FNR_E_UNAUTHORIZED },
		{ "at its end", 6000, FNR_E_UNAUTHORIZED, FNR_E_UNAUTHORIZED },
		{ "later", 7000, FNR_E_UNAUTHORIZED, FNR_E_UNAUTHORIZED },
	};
	struct fnr_buf operation = FNR_BUF_INIT;
	uint8_t key[32] = { 1 }, link[32] = { 2 }, made[32] = { 3 };

	put_key(key, "k1");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		link[1] = made[1] = (uint8_t)i;
		op_session_put(&operation, link, key, true, 6000);
		cr_assert_eq(apply_at(&operation, 5000).code, FNR_OK);
		op_session_open(&operation, link, made, 9000);
		cr_expect_eq(apply_at(&operation, cases[i].now).code, cases[i].first, "%s", cases[i].what);
		op_session_open(&operation, link, made, 9000);
		cr_expect_eq(apply_at(&operation, cases[i].now).code, cases[i].second, "%s", cases[i].what);
		cr_expect_eq(session_code(made), cases[i].first == FNR_OK ? FNR_OK : FNR_E_NOT_FOUND, "%s", cases[i].what);
	}
	made[1] = 0;
	op_session_open(&operation, made, link, 9000);
	cr_expect_eq(apply_at(&operation, 5000).code, FNR_E_UNAUTHORIZED, "a session is no link");
	fnr_buf_free(&operation);
}

Test(ops, sessions_go_with_their_key_and_with_time)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	uint8_t one[32] = { 1 }, two[32] = { 2 }, of_one[32] = { 3 }, link_of_one[32] = { 4 }, of_two[32] = { 5 }, late[32] = { 6 };

	put_key(one, "k1");
	put_key(two, "k2");
	op_session_put(&operation, of_one, one, false, 9000);
	cr_assert_eq(apply_at(&operation, 5000).code, FNR_OK);
	op_session_put(&operation, link_of_one, one, true, 9000);
	cr_assert_eq(apply_at(&operation, 5000).code, FNR_OK);
	op_session_put(&operation, of_two, two, false, 6000);
	cr_assert_eq(apply_at(&operation, 5000).code, FNR_OK);
	op_key_delete(&operation, "k1");
	cr_assert_eq(apply_at(&operation, 5000).code, FNR_OK);
	cr_expect_eq(session_code(of_one), FNR_E_NOT_FOUND);
	cr_expect_eq(session_code(link_of_one), FNR_E_NOT_FOUND);
	cr_expect_eq(session_code(of_two), FNR_OK);
	op_session_put(&operation, of_one, one, false, 9000);
	cr_expect_eq(apply_at(&operation, 5000).code, FNR_E_UNAUTHORIZED, "the key is gone");
	op_session_put(&operation, late, two, false, 9000);
	cr_assert_eq(apply_at(&operation, 6000).code, FNR_OK);
	cr_expect_eq(session_code(of_two), FNR_E_NOT_FOUND, "an expired one goes when another is made");
	op_session_delete(&operation, late);
	cr_assert_eq(apply_at(&operation, 6000).code, FNR_OK);
	op_session_delete(&operation, late);
	cr_expect_eq(apply_at(&operation, 6000).code, FNR_E_NOT_FOUND);
	fnr_buf_free(&operation);
}

Test(ops, the_oldest_session_of_a_key_goes)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	uint8_t one[32] = { 1 }, two[32] = { 2 }, other[32] = { 3 }, link[32] = { 4 }, hash[32] = { 5 };

	put_key(one, "k1");
	put_key(two, "k2");
	op_session_put(&operation, other, two, false, 9000);
	cr_assert_eq(apply_at(&operation, 1).code, FNR_OK);
	op_session_put(&operation, link, one, true, 9000);
	cr_assert_eq(apply_at(&operation, 1).code, FNR_OK);
	for (int i = 0; i <= STORE_SESSIONS_MOST; i++) {
		hash[1] = (uint8_t)(255 - i);      /* not in the order of their age */
		op_session_put(&operation, hash, one, false, 9000);
		cr_assert_eq(apply_at(&operation, 100 + i).code, FNR_OK);
	}
	cr_expect_eq(session_code(hash), FNR_OK);
	hash[1] = 255;
	cr_expect_eq(session_code(hash), FNR_E_NOT_FOUND);
	hash[1] = 254;
	cr_expect_eq(session_code(hash), FNR_OK);
	cr_expect_eq(session_code(other), FNR_OK);
	cr_expect_eq(session_code(link), FNR_OK);
	fnr_buf_free(&operation);
}

Test(ops, the_secret_is_made_once)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	uint8_t one[32] = { 1 }, two[32] = { 2 }, secret[32];
	struct store_txn *txn = fixture_read();

	cr_assert_eq(store_secret_get(txn, secret), FNR_E_NOT_FOUND);
	store_read_end(txn);
	op_secret(&operation, one);
	cr_assert_eq(apply_at(&operation, 1).code, FNR_OK);
	op_secret(&operation, two);
	cr_assert_eq(apply_at(&operation, 1).code, FNR_OK);
	txn = fixture_read();
	cr_assert_eq(store_secret_get(txn, secret), FNR_OK);
	cr_assert_arr_eq(secret, one, sizeof one);
	store_read_end(txn);
	fnr_buf_free(&operation);
}

Test(ops, sessions_cut_anywhere_are_malformed)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct store_txn *txn;
	uint8_t hash[32] = { 1 };

	put_key(hash, "k1");
	txn = fixture_write();
	for (int kind = 0; kind < 4; kind++) {
		fnr_buf_reset(&operation);
		if (kind == 0)
			op_session_put(&operation, hash, hash, false, 9000);
		else if (kind == 1)
			op_session_open(&operation, hash, hash, 9000);
		else if (kind == 2)
			op_session_delete(&operation, hash);
		else
			op_secret(&operation, hash);
		for (size_t len = 0; len < operation.len; len++) {
			struct fnr_buf cut = { .data = operation.data, .len = len };

			cr_assert_eq(fixture_apply(txn, &cut, NULL).code, FNR_E_MALFORMED, "%d cut at %zu", kind, len);
		}
		fnr_buf_puts(&operation, "x");
		cr_assert_eq(fixture_apply(txn, &operation, NULL).code, FNR_E_MALFORMED, "%d: one byte too many", kind);
	}
	store_abort(txn);
	fnr_buf_free(&operation);
}

/* ---- garbage ---- */

static void apply_garbage(const struct fnr_buf *operation, size_t len)
{
	char *exact = malloc(len ? len : 1);      /* so that a read past the end is seen */
	struct fnr_buf cut = { .data = exact, .len = len };
	struct store_txn *txn = fixture_write();

	if (len)
		memcpy(exact, operation->data, len);
	fixture_apply(txn, &cut, NULL);
	store_abort(txn);
	free(exact);
}

Test(ops, cut_anywhere_it_is_malformed)
{
	struct op_job jobs[2] = { FIXTURE_JOB, FIXTURE_JOB };
	struct fnr_buf operation = encode_submit(jobs, 2, "k", "b", true);
	struct store_txn *txn = fixture_write();

	for (size_t len = 0; len < operation.len; len++) {
		struct fnr_buf cut = { .data = operation.data, .len = len };

		cr_assert_eq(fixture_apply(txn, &cut, NULL).code, FNR_E_MALFORMED, "cut at %zu", len);
	}
	fnr_buf_puts(&operation, "x");
	cr_assert_eq(fixture_apply(txn, &operation, NULL).code, FNR_E_MALFORMED, "one byte too many");
	fixture_audit(txn, 0);
	fixture_commit(txn);
	fnr_buf_free(&operation);
}

Test(ops, random_bytes)
{
	struct op_job jobs[2] = { FIXTURE_JOB, FIXTURE_JOB };
	struct fnr_buf good = encode_submit(jobs, 2, "k", "b", true), bytes = FNR_BUF_INIT;
	unsigned seed = 42;

	for (int i = 0; i < 3000; i++) {
		size_t len = (size_t)rand_r(&seed) % 300;

		fnr_buf_reset(&bytes);
		if (i % 2) {
			fnr_buf_add(&bytes, good.data, good.len);
			len = good.len;
			for (int flips = rand_r(&seed) % 4; flips >= 0; flips--)
				bytes.data[(size_t)rand_r(&seed) % len] = (char)rand_r(&seed);
		} else {
			for (size_t at = 0; at < len; at++)
				fnr_buf_add(&bytes, &(char){ (char)rand_r(&seed) }, 1);
			if (len)
				bytes.data[0] = (char)(rand_r(&seed) % 16);
		}
		apply_garbage(&bytes, len);
	}
	fixture_check();
	fnr_buf_free(&good);
	fnr_buf_free(&bytes);
}

Test(ops, values_out_of_range)
{
	struct op_job job = FIXTURE_JOB;
	struct store_txn *txn = fixture_write();

	job.priority = 11;
	cr_assert_eq(fixture_submit_to(txn, &job).code, FNR_E_MALFORMED);
	job.priority = 10;
	job.quality = FNR_QUALITY_COUNT;
	cr_assert_eq(fixture_submit_to(txn, &job).code, FNR_E_MALFORMED);
	job.quality = 0;
	job.queue = "";
	cr_assert_eq(fixture_submit_to(txn, &job).code, FNR_E_MALFORMED);
	job.queue = "cpu";
	job.expires_at = -1;
	cr_assert_eq(fixture_submit_to(txn, &job).code, FNR_E_MALFORMED);
	job.expires_at = 0;
	job.payload = NULL;
	cr_assert_eq(fixture_submit_to(txn, &job).code, FNR_E_MALFORMED, "neither payload nor file");
	store_abort(txn);
}

Test(ops, files_come_with_a_job)
{
	struct store_upload brought = { .id = fnr_id_random(), .bytes = 5, .media_type = "image/png", .created_at = NOW };
	struct op_job job = FIXTURE_JOB;
	struct fnr_buf operation;
	struct store_upload read;
	struct store_txn *txn;

	job.brought = &brought;
	job.brought_count = 1;
	job.uploads = &brought.id;
	job.upload_count = 1;
	operation = encode_submit(&job, 1, NULL, "b", false);
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_OK);
	txn = fixture_read();
	cr_assert_eq(store_upload_get(txn, &brought.id, &read), FNR_OK);
	cr_assert_eq(read.jobs, 1);
	store_read_end(txn);
	operation.len -= 3;
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_E_MALFORMED);
	fnr_buf_free(&operation);
}

Test(ops, a_second_copy_is_refused_unless_it_is_a_link)
{
	struct store_upload one = { .id = fnr_id_random(), .bytes = 5, .media_type = "text/plain", .created_at = NOW }, two = one;
	struct fnr_buf operation = FNR_BUF_INIT;

	two.id = fnr_id_random();
	op_upload(&operation, &one, false);
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_OK);
	fnr_buf_reset(&operation);
	op_upload(&operation, &two, false);
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_E_EXISTS);
	fnr_buf_reset(&operation);
	op_upload(&operation, &two, true);
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_OK);
	fnr_buf_free(&operation);
}

Test(ops, a_deleted_job_leaves_a_note_of_its_files)
{
	struct op_job job = FIXTURE_JOB;
	struct fnr_buf operation = FNR_BUF_INIT;
	struct store_removal removals[4];
	struct store_txn *txn;
	struct fnr_id id, file = fnr_id_random();
	char path[64];

	job.payload = NULL;
	job.payload_file = file;
	store_payload_path(&file, path);
	cr_assert_eq(fnr_dir_make("blobs/payload", 0700, NULL), FNR_OK);
	cr_assert_eq(fnr_file_write(path, "{}", 2, 0600, NULL), FNR_OK);
	id = fixture_submit(&job);
	op_job_delete(&operation, &id);
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_E_CONFLICT);
	fixture_move(&id, FNR_STATE_CANCELLED, 0);
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_OK);
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_E_NOT_FOUND);
	txn = fixture_write();
	cr_assert_eq(store_removals(txn, removals, 4), 1);
	cr_assert_eq(fnr_id_compare(&removals[0].job, &id), 0);
	cr_assert_str_eq(removals[0].payload, path);
	cr_assert_eq(store_removal_done(txn, &id, NULL), FNR_OK);
	cr_assert_eq(store_removal_done(txn, &id, NULL), FNR_OK, "again, after a kill");
	cr_assert_eq(store_removals(txn, removals, 4), 0);
	fixture_commit(txn);
	fnr_buf_free(&operation);
}

/* ---- backends ---- */

static int32_t put_backend(const char *id, uint64_t revision, const char *url, enum op_secret_change change, const char *secret)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;
	char json[256];

	snprintf(json, sizeof json, "{\"type\":\"comfyui\",\"url\":\"%s\",\"concurrency\":1,\"labels\":[],\"options\":{},\"drained\":false}", url);
	op_backend_put(&operation, id, revision, json, change, secret);
	reply = apply_in_round(&operation, NULL);
	fnr_buf_free(&operation);
	return reply.code;
}

static uint64_t revision_of(const char *id)
{
	struct store_txn *txn = fixture_read();
	struct store_backend backend = { 0 };

	store_backend_get(txn, id, &backend);
	store_read_end(txn);
	return backend.revision;
}

static bool has_secret(const char *id, const char *expected)
{
	struct store_txn *txn = fixture_read();
	struct fnr_buf text = FNR_BUF_INIT;
	bool there = store_backend_secret(txn, id, &text) == FNR_OK;

	cr_expect(!there || strcmp(text.data, expected) == 0);
	store_read_end(txn);
	fnr_buf_free(&text);
	return there;
}

Test(ops, a_backend_is_changed_by_who_has_seen_it)
{
	uint64_t first, second;

	cr_assert_eq(put_backend("a", 0, "http://one", OP_SECRET_KEEP, NULL), FNR_OK);
	first = revision_of("a");
	cr_assert_gt(first, 0);
	cr_assert_eq(put_backend("a", 0, "http://one", OP_SECRET_KEEP, NULL), FNR_E_EXISTS);
	cr_assert_eq(put_backend("b", 7, "http://one", OP_SECRET_KEEP, NULL), FNR_E_NOT_FOUND);
	cr_assert_eq(put_backend("a", first, "http://one", OP_SECRET_KEEP, NULL), FNR_OK);
	second = revision_of("a");
	cr_assert_gt(second, first);
	cr_assert_eq(put_backend("a", first, "http://two", OP_SECRET_KEEP, NULL), FNR_E_PRECONDITION);
	cr_assert_eq(revision_of("a"), second);
}

Test(ops, credentials_stay_with_the_url_that_they_are_for)
{
	struct fnr_buf operation = FNR_BUF_INIT;

	cr_assert_eq(put_backend("a", 0, "http://one", OP_SECRET_SET, "{\"token\":\"t\"}"), FNR_OK);
	cr_assert_eq(put_backend("a", revision_of("a"), "http://one", OP_SECRET_KEEP, NULL), FNR_OK);
	cr_assert(has_secret("a", "{\"token\":\"t\"}"), "the same address");
	cr_assert_eq(put_backend("a", revision_of("a"), "http://evil", OP_SECRET_KEEP, NULL), FNR_OK);
	cr_assert_not(has_secret("a", ""), "another address must not get them");
	cr_assert_eq(put_backend("a", revision_of("a"), "http://two", OP_SECRET_SET, "{\"token\":\"u\"}"), FNR_OK);
	cr_assert(has_secret("a", "{\"token\":\"u\"}"));
	op_backend_delete(&operation, "a", revision_of("a"));
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_OK);
	cr_assert_not(has_secret("a", ""), "they go with the backend");
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_E_NOT_FOUND);
	fnr_buf_free(&operation);
}

Test(ops, a_backend_at_work_cannot_be_removed)
{
	struct op_job job = FIXTURE_JOB;
	struct fnr_id id = fixture_submit(&job);
	struct fnr_buf operation = FNR_BUF_INIT;
	struct job_active active = { .attempt = 1, .started_at = 1, .backend = "a" };
	struct job_head head = fixture_head(&id);
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn;

	cr_assert_eq(put_backend("a", 0, "http://one", OP_SECRET_KEEP, NULL), FNR_OK);
	txn = fixture_write();
	head.state = FNR_STATE_RUNNING;
	head.attempt = 1;
	cr_assert_eq(store_active_put(txn, &id, &active, &err), FNR_OK);
	cr_assert_eq(store_job_put(txn, &head, &err), FNR_OK);
	fixture_commit(txn);
	op_backend_delete(&operation, "a", revision_of("a"));
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_E_CONFLICT);
	fnr_buf_reset(&operation);
	op_backend_drain(&operation, "a", true);
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_OK);
	txn = fixture_write();
	head.state = FNR_STATE_COMPLETED;
	cr_assert_eq(store_attempt_put(txn, &id, 1, "{}", &err), FNR_OK);
	cr_assert_eq(store_job_put(txn, &head, &err), FNR_OK);
	fixture_commit(txn);
	fnr_buf_reset(&operation);
	op_backend_delete(&operation, "a", revision_of("a"));
	cr_assert_eq(apply_in_round(&operation, NULL).code, FNR_OK);
	fnr_buf_free(&operation);
}

/* ---- takes ---- */

static struct fnr_id make_take(uint32_t number)
{
	struct op_job job = FIXTURE_JOB;
	struct fnr_id id = fixture_submit(&job);
	struct store_txn *txn;
	struct job_head head;
	char text[FNR_ID_TEXT], json[100];

	fixture_move(&id, FNR_STATE_RUNNING, 0);
	txn = fixture_write();
	cr_assert_eq(store_job_get(txn, &id, &head), FNR_OK);
	snprintf(json, sizeof json, "{\"job\":\"%s\"}", fnr_id_format(&id, text));
	cr_assert_eq(store_take_put(txn, head.project, head.shot, number, json, NULL), FNR_OK);
	cr_assert_eq(store_attempt_put(txn, &id, head.attempt, "{}", NULL), FNR_OK);
	head.state = FNR_STATE_COMPLETED;
	head.take = number;
	cr_assert_eq(store_job_put(txn, &head, NULL), FNR_OK);
	fixture_commit(txn);
	fixture_check();
	return id;
}

static int change_take(bool remove, uint32_t number)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	int code;

	(remove ? op_take_delete : op_take_choose)(&operation, "demo", "s010", number);
	code = apply_in_round(&operation, NULL).code;
	fnr_buf_free(&operation);
	return code;
}

static uint32_t active_take(const struct job_head *head)
{
	struct store_txn *txn = fixture_read();
	uint32_t take = store_shot_active(txn, head->project, head->shot);

	store_read_end(txn);
	return take;
}

Test(ops, a_take_is_chosen_and_deleted)
{
	struct fnr_id first = make_take(1);
	struct job_head head;

	make_take(2);
	head = fixture_head(&first);
	cr_expect_eq(active_take(&head), 2);
	cr_expect_eq(change_take(false, 1), FNR_OK);
	cr_expect_eq(active_take(&head), 1);
	cr_expect_eq(change_take(false, 3), FNR_E_NOT_FOUND);
	cr_expect_eq(change_take(true, 3), FNR_E_NOT_FOUND);
	cr_expect_eq(change_take(true, 1), FNR_OK);
	cr_expect_eq(change_take(true, 1), FNR_E_NOT_FOUND);
	cr_expect_eq(active_take(&head), 2);
	head = fixture_head(&first);
	cr_expect(head.flags & JOB_FLAG_TAKE_DELETED);
	cr_expect_eq(change_take(false, 0), FNR_OK);
}

static size_t count_discards;

static void count_row(const char *path, void *context)
{
	(void)context;
	cr_expect_str_eq(path, "workspace/demo/s010/take_001");
	count_discards++;
}

/* Until it has finished; whichever way. Its folder is noted in the same transaction. */
Test(ops, a_take_that_a_job_needs_stays)
{
	static const enum fnr_state ends[] = { FNR_STATE_CANCELLED, FNR_STATE_FAILED, FNR_STATE_COMPLETED };
	struct fnr_id maker = make_take(1);
	struct job_head head = fixture_head(&maker);
	struct take_place place = { head.project, head.shot, 1 };
	struct op_job job = FIXTURE_JOB;
	struct store_txn *txn;

	job.takes = &place;
	job.take_count = 1;
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		struct fnr_id id = fixture_submit(&job);

		fixture_check();
		cr_expect_eq(change_take(true, 1), FNR_E_CONFLICT);
		fixture_move(&id, FNR_STATE_RUNNING, 0);
		cr_expect_eq(change_take(true, 1), FNR_E_CONFLICT);
		fixture_move(&id, ends[i], 0);
	}
	cr_expect_eq(change_take(true, 1), FNR_OK);
	txn = fixture_write();
	cr_expect_eq(fixture_submit_to(txn, &job).code, FNR_E_INVALID, "it is gone");
	store_discards(txn, count_row, NULL);
	fixture_commit(txn);
	fixture_check();
	cr_expect_eq(count_discards, 1);
}

Test(ops, credentials_of_nobody_are_found)
{
	struct fnr_buf report = FNR_BUF_INIT, summary = FNR_BUF_INIT;
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn = fixture_write();

	cr_assert_eq(store_backend_secret_put(txn, "ghost", "{}", &err), FNR_OK);
	fixture_commit(txn);
	txn = fixture_read();
	cr_assert_eq(store_check(txn, &report, &summary), 1);
	cr_assert_not_null(strstr(report.data, "credentials of a backend that is gone"), "%s", report.data);
	store_read_end(txn);
	txn = fixture_write();
	cr_assert_eq(store_backend_secret_put(txn, "ghost", NULL, &err), FNR_OK);
	fixture_commit(txn);
	fnr_buf_free(&report);
	fnr_buf_free(&summary);
}
