/* Jobs: head, body and the indexes that follow the head's state.
 *
 *   body value   u8 version 1, u8 flags (1: payload in a file, 2: uploads, 4: is the only one of its kind), text summary,
 *                payload: text, or id of the file blobs/payload/<id>;
 *                with uploads: u32 count, ids; if the only one of its kind: SHA-256 of what it asks for
 *   active value u8 version 1, u16 attempt, u64 started_at, texts worker, backend, placement,
 *                u8 1 and text manifest, or u8 0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/pack.h"
#include "store/internal.h"

#define BODY_VERSION 1
#define BODY_FILE 1
#define BODY_UPLOADS 2
#define BODY_DEDUPE 4
#define HASH_SIZE 32
#define ACTIVE_VERSION 1
#define HEAD_VERSION 1
#define PAYLOAD_LIMIT ((size_t)1 << 28)

/* Padding would go to disk as it was in memory. */
_Static_assert(sizeof(struct job_head) == 3 * 16 + 4 * 8 + 4 * 8 + 3 * 8 + 6 * 4 + 4 * 2 + 8,
               "struct job_head has holes");

/* ---- keys ---- */

struct key hash_key(const uint8_t hash[32])
{
	struct key key = KEY_INIT;

	key_bytes(&key, hash, 32);
	return key;
}

struct key project_job_key(uint32_t project, uint64_t seq)
{
	struct key key = KEY_INIT;

	key_u32(&key, project);
	key_u64(&key, seq);
	return key;
}

struct key due_key(int64_t time, enum store_due kind, const struct fnr_id *id)
{
	struct key key = KEY_INIT;

	key_u64(&key, (uint64_t)time);
	key_u8(&key, (uint8_t)kind);
	key_id(&key, id);
	return key;
}

struct key attempt_key(const struct fnr_id *id, uint16_t attempt)
{
	struct key key = KEY_INIT;

	key_id(&key, id);
	key_u16(&key, attempt);
	return key;
}

/* ---- records ---- */

int job_head_read(const MDB_val *value, struct job_head *head_r)
{
	if (value->mv_size != sizeof *head_r)
		return FNR_E_CORRUPT;
	memcpy(head_r, value->mv_data, sizeof *head_r);
	return head_r->version == HEAD_VERSION && head_r->state < FNR_STATE_COUNT ? FNR_OK : FNR_E_CORRUPT;
}

static int head_put(struct store_txn *txn, const struct job_head *head, bool new, struct fnr_error *err)
{
	struct key key = id_key(&head->id);

	return (new ? env_append : env_put)(&txn->t, DB_JOB, &key, head, sizeof *head, err);
}

int store_job_get(struct store_txn *txn, const struct fnr_id *id, struct job_head *head_r)
{
	struct key key = id_key(id);
	MDB_val value;
	int code = env_get(&txn->t, DB_JOB, &key, &value);

	if (code == FNR_OK)
		code = job_head_read(&value, head_r);
	if (code != FNR_OK)
		memset(head_r, 0, sizeof *head_r);
	return code;
}

int body_parse(const MDB_val *value, struct body_view *view_r)
{
	struct fnr_reader reader = FNR_READER(value->mv_data, value->mv_size);
	uint8_t version = fnr_get_u8(&reader), flags = fnr_get_u8(&reader);

	memset(view_r, 0, sizeof *view_r);
	view_r->summary = fnr_get_bytes(&reader, &view_r->summary_len);
	if (flags & BODY_FILE)
		view_r->payload_file = fnr_get_id(&reader);
	else
		view_r->payload = fnr_get_bytes(&reader, &view_r->payload_len);
	if (flags & BODY_UPLOADS) {
		view_r->upload_count = fnr_get_u32(&reader);
		if (reader.failed || view_r->upload_count > (reader.len - reader.at) / sizeof(struct fnr_id))
			return FNR_E_CORRUPT;
		view_r->uploads = reader.data + reader.at;
		reader.at += view_r->upload_count * sizeof(struct fnr_id);
	}
	if (flags & BODY_DEDUPE && !reader.failed && reader.len - reader.at == HASH_SIZE) {
		view_r->dedupe = reader.data + reader.at;
		reader.at = reader.len;
	}
	return reader.failed || version != BODY_VERSION || reader.at != reader.len ? FNR_E_CORRUPT : FNR_OK;
}

static int body_find(struct store_txn *txn, const struct fnr_id *id, struct body_view *view_r)
{
	struct key key = id_key(id);
	MDB_val value;
	int code = env_get(&txn->t, DB_BODY, &key, &value);

	return code == FNR_OK ? body_parse(&value, view_r) : code;
}

void store_payload_path(const struct fnr_id *file, char path[64])
{
	char text[FNR_ID_TEXT];

	snprintf(path, 64, "blobs/payload/%s", fnr_id_format(file, text));
}

int store_job_body(struct store_txn *txn, const struct fnr_id *id, struct fnr_buf *summary, struct fnr_buf *payload,
                   struct fnr_error *err)
{
	char path[64], text[FNR_ID_TEXT];
	struct body_view view;
	int code = body_find(txn, id, &view);

	if (summary)
		fnr_buf_reset(summary);
	if (payload)
		fnr_buf_reset(payload);
	if (code != FNR_OK)
		return fnr_fail(err, code, "the body of job %s cannot be read", fnr_id_format(id, text));
	if (summary)
		fnr_buf_add(summary, view.summary, view.summary_len);
	if (!payload)
		return FNR_OK;
	if (view.payload) {
		fnr_buf_add(payload, view.payload, view.payload_len);
		return FNR_OK;
	}
	store_payload_path(&view.payload_file, path);
	code = fnr_file_read(path, PAYLOAD_LIMIT, payload, err);
	if (code == FNR_OK || code == FNR_E_IO || code == FNR_E_UNAVAILABLE)
		return code;
	return fnr_fail(err, FNR_E_IO, "the payload of job %s cannot be read: %s is missing or too large",
	                fnr_id_format(id, text), path);
}

int store_job_payload_path(struct store_txn *txn, const struct fnr_id *id, char path[64])
{
	struct body_view view;
	int code = body_find(txn, id, &view);

	path[0] = 0;
	if (code == FNR_OK && !view.payload)
		store_payload_path(&view.payload_file, path);
	return code;
}

/* ---- indexes that follow the state ---- */

int64_t due_queue_time(const struct job_head *head)
{
	if ((head->state != FNR_STATE_SCHEDULED && head->state != FNR_STATE_RETRY_WAIT) || head->flags & JOB_FLAG_WAITS)
		return 0;
	return head->due_at > 0 ? head->due_at : 1;
}

int64_t due_expire_time(const struct job_head *head)
{
	return fnr_state_waiting(head->state) && head->expires_at > 0 ? head->expires_at : 0;
}

static int due_move(struct store_txn *txn, const struct fnr_id *id, enum store_due kind, int64_t from, int64_t to,
                    struct fnr_error *err)
{
	struct key old = due_key(from, kind, id), new = due_key(to, kind, id);
	int code = FNR_OK;

	if (from == to)
		return FNR_OK;
	if (from)
		code = env_delete(&txn->t, DB_DUE, &old, err);
	if (to && (code == FNR_OK || code == FNR_E_NOT_FOUND))
		code = env_put(&txn->t, DB_DUE, &new, NULL, 0, err);
	return code == FNR_E_NOT_FOUND ? FNR_OK : code;
}

static int lane_move(struct store_txn *txn, const struct job_head *from, const struct job_head *to,
                     struct fnr_error *err)
{
	struct key old = KEY_INIT, new = KEY_INIT;
	int code = FNR_OK;

	if (from && from->state == FNR_STATE_QUEUED)
		old = lane_key_of(from);
	if (to && to->state == FNR_STATE_QUEUED)
		new = lane_key_of(to);
	if (old.len == new.len && memcmp(old.data, new.data, old.len) == 0)
		return FNR_OK;
	if (old.len)
		code = env_delete(&txn->t, DB_LANE, &old, err);
	if (new.len && (code == FNR_OK || code == FNR_E_NOT_FOUND))
		code = env_put(&txn->t, DB_LANE, &new, &to->id, sizeof to->id, err);
	return code == FNR_E_NOT_FOUND ? FNR_OK : code;
}

/* A running job has an active record, if only an empty one until store_active_put; no other job has. */
static int active_move(struct store_txn *txn, const struct job_head *from, const struct job_head *to,
                       struct fnr_error *err)
{
	bool was = fnr_state_running(from->state), is = fnr_state_running(to->state);
	struct key key = id_key(&to->id);
	int code = FNR_OK;

	if (was && !is)
		code = env_delete(&txn->t, DB_ACTIVE, &key, err);
	else if (is && !was && !env_has(&txn->t, DB_ACTIVE, &key)) {
		struct job_active blank = { .attempt = to->attempt, .started_at = to->started_at };

		return store_active_put(txn, &to->id, &blank, err);
	}
	return code == FNR_E_NOT_FOUND ? FNR_OK : code;
}

static int count_move(struct store_txn *txn, struct hot *hot, const struct job_head *from, const struct job_head *to,
                      struct fnr_error *err)
{
	if (from->state == to->state)
		return FNR_OK;
	hot->state[from->state]--;
	hot->state[to->state]++;
	return fnr_id_is_none(&to->batch) ? FNR_OK : batch_move(txn, &to->batch, from->state, to->state, err);
}

int store_job_put(struct store_txn *txn, struct job_head *head, struct fnr_error *err)
{
	char text[FNR_ID_TEXT];
	struct job_head old;
	struct hot hot;
	int code = store_job_get(txn, &head->id, &old);
	bool moved;

	if (code == FNR_OK)
		code = hot_get(txn, &hot);
	if (code != FNR_OK)
		return fnr_fail(err, code, "job %s cannot be moved: its record or the counters cannot be read",
		                fnr_id_format(&head->id, text));
	FNR_MUST(head->state < FNR_STATE_COUNT && head->version == old.version);
	FNR_MUST(head->seq == old.seq && head->project == old.project && fnr_id_compare(&head->batch, &old.batch) == 0);
	moved = head->state != old.state;
	head->lane_seq = old.lane_seq;
	if (moved && head->state == FNR_STATE_QUEUED)
		head->lane_seq = ++hot.seq;
	code = lane_move(txn, &old, head, err);
	if (code == FNR_OK)
		code = due_move(txn, &head->id, STORE_DUE_QUEUE, due_queue_time(&old), due_queue_time(head), err);
	if (code == FNR_OK)
		code = due_move(txn, &head->id, STORE_DUE_EXPIRE, due_expire_time(&old), due_expire_time(head), err);
	if (code == FNR_OK)
		code = active_move(txn, &old, head, err);
	if (code == FNR_OK)
		code = count_move(txn, &hot, &old, head, err);
	if (code == FNR_OK && moved)
		code = dead_move(txn, &old, head, err);
	if (code == FNR_OK && moved)
		code = waiting_move(txn, &old, head, err);
	if (code == FNR_OK && moved && head->flags & JOB_FLAG_PARENTS && fnr_state_terminal(head->state))
		code = parents_release(txn, &head->id, err);
	if (code == FNR_OK && moved && head->flags & JOB_FLAG_TAKES && fnr_state_terminal(head->state))
		code = take_uses_release(txn, &head->id, err);
	if (code == FNR_OK)
		code = head_put(txn, head, false, err);
	return code == FNR_OK && moved ? hot_put(txn, &hot, err) : code;
}

/* ---- acceptance ---- */

static int body_put(struct store_txn *txn, struct job_new *job, struct fnr_error *err)
{
	struct key key = id_key(&job->head.id);
	struct fnr_buf *value = env_scratch(&txn->t);
	uint8_t flags = (job->payload ? 0 : BODY_FILE) | (job->upload_count ? BODY_UPLOADS : 0) | (job->dedupe ? BODY_DEDUPE : 0);

	fnr_put_u8(value, BODY_VERSION);
	fnr_put_u8(value, flags);
	fnr_put_bytes(value, job->summary, job->summary_len);
	if (job->payload)
		fnr_put_bytes(value, job->payload, job->payload_len);
	else
		fnr_put_id(value, &job->payload_file);
	if (job->upload_count) {
		fnr_put_u32(value, (uint32_t)job->upload_count);
		fnr_buf_add(value, job->uploads, job->upload_count * sizeof(struct fnr_id));
	}
	if (job->dedupe)
		fnr_buf_add(value, job->dedupe, HASH_SIZE);
	return env_append(&txn->t, DB_BODY, &key, value->data, value->len, err);
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct fnr_id));
}

/* Sorts the ids, keeps each once, counts this job at each upload. ids_r stays the caller's to free. */
static int take_uploads(struct store_txn *txn, struct job_new *job, struct fnr_id **ids_r, struct fnr_error *err)
{
	struct fnr_id *ids = (void *)fnr_memdup0(job->uploads, job->upload_count * sizeof *ids);
	char text[FNR_ID_TEXT];
	size_t kept = 0;

	*ids_r = ids;
	qsort(ids, job->upload_count, sizeof *ids, compare_ids);
	for (size_t i = 0; i < job->upload_count; i++) {
		int code;

		if (kept && fnr_id_compare(&ids[i], &ids[kept - 1]) == 0)
			continue;
		code = upload_count_add(txn, &ids[i], 1, err);
		if (code == FNR_E_NOT_FOUND)
			return fnr_fail(err, FNR_E_INVALID, "there is no upload %s; it may have expired: upload the file again",
			                fnr_id_format(&ids[i], text));
		if (code != FNR_OK)
			return code;
		ids[kept++] = ids[i];
	}
	job->uploads = ids[0].bytes;
	job->upload_count = kept;
	return FNR_OK;
}

/* What the head gets from the moment of acceptance. */
static void begin_life(struct job_head *head, int64_t now, struct hot *hot)
{
	bool later = head->not_before > now || head->flags & JOB_FLAG_WAITS;

	head->version = HEAD_VERSION;
	head->id = fnr_id_next(&hot->last_job);
	head->seq = head->lane_seq = ++hot->seq;
	head->created_at = now;
	head->state = later ? FNR_STATE_SCHEDULED : FNR_STATE_QUEUED;
	head->stage = FNR_STAGE_QUEUE;
	head->due_at = later && !(head->flags & JOB_FLAG_WAITS) ? head->not_before : 0;
	head->queued_at = later ? 0 : now;
}

static int accept_indexes(struct store_txn *txn, const struct job_head *head, struct fnr_error *err)
{
	struct key key = project_job_key(head->project, head->seq);
	int code = lane_move(txn, NULL, head, err);

	if (code == FNR_OK)
		code = due_move(txn, &head->id, STORE_DUE_QUEUE, 0, due_queue_time(head), err);
	if (code == FNR_OK)
		code = due_move(txn, &head->id, STORE_DUE_EXPIRE, 0, due_expire_time(head), err);
	if (code == FNR_OK && head->project)
		code = env_put(&txn->t, DB_PROJECT_JOB, &key, &head->id, sizeof head->id, err);
	return code;
}

int job_accept(struct store_txn *txn, struct job_new *job, int64_t now, struct hot *hot, struct batch *batch,
               struct fnr_error *err)
{
	struct job_head *head = &job->head;
	struct fnr_id *ids = NULL;
	bool wait = false;
	int code = parents_check(txn, &job->parents, &wait, err);

	if (code != FNR_OK)
		return code;
	head->flags |= (job->parents.count ? JOB_FLAG_PARENTS : 0) | (wait ? JOB_FLAG_WAITS : 0) | (job->take_count ? JOB_FLAG_TAKES : 0);
	begin_life(head, now, hot);
	if (job->upload_count)
		code = take_uploads(txn, job, &ids, err);
	if (code == FNR_OK)
		code = head_put(txn, head, true, err);
	if (code == FNR_OK)
		code = body_put(txn, job, err);
	if (code == FNR_OK)
		code = accept_indexes(txn, head, err);
	if (code == FNR_OK)
		code = waiting_move(txn, NULL, head, err);
	if (code == FNR_OK && job->dedupe)
		code = dedupe_put(txn, job->dedupe, &head->id, err);
	if (code == FNR_OK && job->parents.count)
		code = parents_put(txn, &head->id, &job->parents, err);
	if (code == FNR_OK && job->take_count)
		code = take_uses_put(txn, &head->id, job->takes, job->take_count, err);
	free(ids);
	hot->accepted++;
	hot->state[head->state]++;
	if (batch) {
		batch->total++;
		batch->state[head->state]++;
		batch->last = head->id;
	}
	return code;
}

/* ---- the end ---- */

/* Attempts of a job are few (max_attempts and lost ones), but their number is not bounded by the record's format. */
static int delete_attempts(struct store_txn *txn, const struct fnr_id *id, struct fnr_error *err)
{
	struct key prefix = id_key(id), key = KEY_INIT;
	struct walk walk;
	int code = FNR_OK;

	while (code == FNR_OK) {
		bool found = walk_from(&walk, &txn->t, DB_ATTEMPT, &prefix) && walk_in(&walk, &prefix)
		             && walk.key.mv_size <= sizeof key.data;

		key.len = 0;
		if (found)
			key_bytes(&key, walk.key.mv_data, walk.key.mv_size);
		code = walk.code;
		walk_end(&walk);
		if (!found)
			break;
		code = env_delete(&txn->t, DB_ATTEMPT, &key, err);
	}
	return code;
}

static int delete_body(struct store_txn *txn, const struct fnr_id *id, char path[64], struct fnr_error *err)
{
	struct key key = id_key(id);
	struct fnr_buf uploads = FNR_BUF_INIT;
	struct body_view view;
	uint8_t hash[HASH_SIZE];
	bool dedupe;
	int code = body_find(txn, id, &view);

	if (code != FNR_OK)
		return code == FNR_E_NOT_FOUND ? FNR_OK : code;
	if (!view.payload)
		store_payload_path(&view.payload_file, path);
	fnr_buf_add(&uploads, view.uploads, view.upload_count * sizeof(struct fnr_id));
	dedupe = view.dedupe != NULL;
	if (dedupe)
		memcpy(hash, view.dedupe, sizeof hash);
	code = env_delete(&txn->t, DB_BODY, &key, err);
	if (code == FNR_OK && dedupe)
		code = dedupe_delete(txn, hash, id, err);
	for (size_t at = 0; at < uploads.len && code == FNR_OK; at += sizeof(struct fnr_id)) {
		struct fnr_id upload;

		memcpy(&upload, uploads.data + at, sizeof upload);
		code = upload_count_add(txn, &upload, -1, err);
		if (code == FNR_E_NOT_FOUND)
			code = FNR_OK;
	}
	fnr_buf_free(&uploads);
	return code;
}

static int delete_records(struct store_txn *txn, const struct job_head *head, char path[64], struct fnr_error *err)
{
	struct key job = id_key(&head->id), project = project_job_key(head->project, head->seq);
	int code = delete_body(txn, &head->id, path, err);

	if (code == FNR_OK)
		code = delete_attempts(txn, &head->id, err);
	if (code == FNR_OK && head->project)
		code = env_delete(&txn->t, DB_PROJECT_JOB, &project, err);
	if (code == FNR_OK || code == FNR_E_NOT_FOUND)
		code = env_delete(&txn->t, DB_JOB, &job, err);
	if (code == FNR_OK && head->state == FNR_STATE_FAILED)
		code = dead_delete(txn, head, err);
	if (code == FNR_OK && head->flags & JOB_FLAG_PARENTS)
		code = parents_delete(txn, &head->id, err);
	if (code == FNR_OK && !fnr_id_is_none(&head->batch))
		code = batch_move(txn, &head->batch, head->state, -1, err);
	return code;
}

int store_job_delete(struct store_txn *txn, const struct fnr_id *id, char path[64], struct fnr_error *err)
{
	char text[FNR_ID_TEXT], other[FNR_ID_TEXT];
	struct job_head head;
	struct fnr_id child;
	struct hot hot;
	int code = store_job_get(txn, id, &head);

	path[0] = 0;
	if (code == FNR_OK)
		code = hot_get(txn, &hot);
	if (code != FNR_OK)
		return fnr_fail(err, code, "job %s cannot be deleted: %s", fnr_id_format(id, text),
		                code == FNR_E_NOT_FOUND ? "there is no such job" : "its record cannot be read");
	if (!fnr_state_terminal(head.state))
		return fnr_fail(err, FNR_E_CONFLICT, "job %s is %s; only a finished job can be deleted: cancel it first",
		                fnr_id_format(id, text), fnr_state_name(head.state));
	if (store_children(txn, id, NULL, &child, 1))
		return fnr_fail(err, FNR_E_CONFLICT, "job %s cannot be deleted yet: job %s depends on it", fnr_id_format(id, text), fnr_id_format(&child, other));
	code = delete_records(txn, &head, path, err);
	if (code != FNR_OK)
		return fnr_fail(err, code, "job %s cannot be deleted: its records cannot be read or written",
		                fnr_id_format(id, text));
	hot.state[head.state]--;
	hot.removed++;
	return hot_put(txn, &hot, err);
}

/* ---- what exists while an attempt runs, and what stays of it ---- */

int active_read(const MDB_val *value, struct job_active *active_r)
{
	struct fnr_reader reader = FNR_READER(value->mv_data, value->mv_size);
	uint8_t version = fnr_get_u8(&reader);
	const void *manifest = NULL;
	size_t len = 0;

	memset(active_r, 0, sizeof *active_r);
	active_r->attempt = fnr_get_u16(&reader);
	active_r->started_at = (int64_t)fnr_get_u64(&reader);
	fnr_get_text(&reader, active_r->worker, sizeof active_r->worker);
	fnr_get_text(&reader, active_r->backend, sizeof active_r->backend);
	fnr_get_text(&reader, active_r->placement, sizeof active_r->placement);
	if (fnr_get_u8(&reader))
		manifest = fnr_get_bytes(&reader, &len);
	if (reader.failed || version != ACTIVE_VERSION || reader.at != reader.len)
		return FNR_E_CORRUPT;
	if (manifest)
		active_r->manifest = fnr_memdup0(manifest, len);
	return FNR_OK;
}

int store_active_get(struct store_txn *txn, const struct fnr_id *id, struct job_active *active_r)
{
	struct key key = id_key(id);
	MDB_val value;
	int code = env_get(&txn->t, DB_ACTIVE, &key, &value);

	memset(active_r, 0, sizeof *active_r);
	return code == FNR_OK ? active_read(&value, active_r) : code;
}

int store_active_put(struct store_txn *txn, const struct fnr_id *id, const struct job_active *active,
                     struct fnr_error *err)
{
	struct key key = id_key(id);
	struct fnr_buf *value = env_scratch(&txn->t);

	fnr_put_u8(value, ACTIVE_VERSION);
	fnr_put_u16(value, active->attempt);
	fnr_put_u64(value, (uint64_t)active->started_at);
	fnr_put_text(value, active->worker);
	fnr_put_text(value, active->backend);
	fnr_put_text(value, active->placement);
	fnr_put_u8(value, active->manifest != NULL);
	if (active->manifest)
		fnr_put_text(value, active->manifest);
	return env_put(&txn->t, DB_ACTIVE, &key, value->data, value->len, err);
}

int store_attempt_put(struct store_txn *txn, const struct fnr_id *id, uint16_t attempt, const char *json,
                      struct fnr_error *err)
{
	struct key key = attempt_key(id, attempt);

	return env_put_text(&txn->t, DB_ATTEMPT, &key, json, err);
}

int store_attempt_get(struct store_txn *txn, const struct fnr_id *id, uint16_t attempt, struct fnr_buf *json_r)
{
	struct key key = attempt_key(id, attempt);

	return env_get_text(&txn->t, DB_ATTEMPT, &key, json_r);
}

/* ---- walks ---- */

size_t store_jobs_newest(struct store_txn *txn, const struct fnr_id *before, size_t limit, store_job_row *row,
                         void *context)
{
	struct key key = id_key(before ? before : &FNR_ID_NONE);
	struct job_head head;
	struct walk walk;
	size_t visited = 0;

	for (bool on = walk_before(&walk, &txn->t, DB_JOB, before ? &key : NULL); on && visited < limit;
	     on = walk_previous(&walk)) {
		visited++;
		if (job_head_read(&walk.value, &head) == FNR_OK && !row(&head, context))
			break;
	}
	walk_end(&walk);
	return visited;
}

static bool stands_at(const struct walk *walk, const struct fnr_id *id)
{
	return walk->key.mv_size == sizeof *id && memcmp(walk->key.mv_data, id, sizeof *id) == 0;
}

size_t store_jobs_after(struct store_txn *txn, const struct fnr_id *after, size_t limit, store_job_row *row,
                        void *context)
{
	struct key key = id_key(after ? after : &FNR_ID_NONE);
	struct job_head head;
	struct walk walk;
	size_t visited = 0;
	bool on = walk_from(&walk, &txn->t, DB_JOB, &key);

	if (on && after && stands_at(&walk, after))
		on = walk_next(&walk);
	for (; on && visited < limit; on = walk_next(&walk)) {
		visited++;
		if (job_head_read(&walk.value, &head) == FNR_OK && !row(&head, context))
			break;
	}
	walk_end(&walk);
	return visited;
}

size_t store_jobs_of_project(struct store_txn *txn, uint32_t project, uint64_t before_seq, size_t limit,
                             store_job_row *row, void *context)
{
	struct key key = project_job_key(project, before_seq), prefix = KEY_INIT;
	struct job_head head;
	struct fnr_id id;
	struct walk walk;
	size_t visited = 0;
	bool on = walk_before(&walk, &txn->t, DB_PROJECT_JOB, &key);

	key_u32(&prefix, project);
	for (; on && walk_in(&walk, &prefix) && visited < limit; on = walk_previous(&walk)) {
		visited++;
		if (walk.value.mv_size != sizeof id)
			continue;
		memcpy(&id, walk.value.mv_data, sizeof id);
		if (store_job_get(txn, &id, &head) == FNR_OK && !row(&head, context))
			break;
	}
	walk_end(&walk);
	return visited;
}

size_t store_jobs_active(struct store_txn *txn, const struct fnr_id *after, size_t limit, store_job_row *row,
                         void *context)
{
	struct key key = id_key(after ? after : &FNR_ID_NONE);
	struct job_head head;
	struct fnr_id id;
	struct walk walk;
	size_t visited = 0;
	bool on = walk_from(&walk, &txn->t, DB_ACTIVE, &key);

	if (on && after && stands_at(&walk, after))
		on = walk_next(&walk);
	for (; on && visited < limit; on = walk_next(&walk)) {
		visited++;
		id = walk_id(&walk, 0);
		if (store_job_get(txn, &id, &head) == FNR_OK && !row(&head, context))
			break;
	}
	walk_end(&walk);
	return visited;
}

size_t store_jobs_due(struct store_txn *txn, int64_t now, size_t limit, store_due_row *row, void *context)
{
	struct walk walk;
	size_t visited = 0;

	for (bool on = walk_from(&walk, &txn->t, DB_DUE, NULL); on && visited < limit; on = walk_next(&walk)) {
		int64_t time = (int64_t)walk_key(&walk, 0, 8);
		struct fnr_id id = walk_id(&walk, 9);

		if (time > now)
			break;
		visited++;
		if (!row(&id, (enum store_due)walk_key(&walk, 8, 1), time, context))
			break;
	}
	walk_end(&walk);
	return visited;
}

int store_due_drop(struct store_txn *txn, const struct fnr_id *id, enum store_due kind, int64_t time, struct fnr_error *err)
{
	struct key key = due_key(time, kind, id);

	return env_delete(&txn->t, DB_DUE, &key, err);
}

int64_t store_next_due(struct store_txn *txn)
{
	struct walk walk;
	int64_t time = walk_from(&walk, &txn->t, DB_DUE, NULL) ? (int64_t)walk_key(&walk, 0, 8) : 0;

	walk_end(&walk);
	return time;
}
