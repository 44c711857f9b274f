/* Operations, packed:
 *
 *   SUBMIT, BATCH     u8 flags (1 idempotent, 2 stop_on_error), idempotency hash (32), body hash (32), u32 count, jobs
 *   a job             u8 1 and SHA-256 of what it asks for, or u8 0; u32 count, and as many uploads; texts project, shot, template, queue, key; id retry_of; u64 class; u64 not_before, expires_at;
 *                     u32 timeout_s; u16 max_attempts; u8 quality, priority, flags; bytes upload ids;
 *                     u8 skip, u16 count, and as many parents: u32 local, id, text ref; text summary;
 *                     u8 1 and text payload, or u8 0 and id of the payload's file
 *   COMMAND           text json
 *   DEAD_DISCARD      id
 *   PROJECT           text name; u32 weight in thousandths; u32 concurrency, per_minute; u64 max_waiting
 *   QUEUE             text name; u8 paused; u64 until
 *   QUEUE_LIMIT       text name; u32 concurrency, per_minute
 *   BACKEND_PUT       text id; u64 revision; text json; u8 change; text secret
 *   BACKEND_DRAIN     text id; u8 drained
 *   BACKEND_DELETE    text id; u64 revision
 *   UPLOAD            u8 anyway; an upload
 *   an upload         id; u64 bytes; bytes SHA-256; texts media type, name; u64 created_at; u32 key
 *   TEMPLATES         u32 count, and as many changes (ops_template.c)
 *   PRESET_PUT        presets: text id; u8 owned, text owner; u32 version, expected; text json
 *   PRESET_DELETE     text id; u8 owned, text owner; u32 expected
 *   KEY_PUT           bytes hash; text json
 *   KEY_DELETE        text id
 *   META_ADD          text name; u64 add
 *   SESSION_PUT       bytes hash, hash of the key; u8 link; u64 expires_at
 *   SESSION_OPEN      bytes hash of the link, hash; u64 expires_at
 *   SESSION_DELETE    bytes hash
 *   SECRET            bytes secret
 *   JOB_DELETE        id
 *
 * The last round, meta ".round": u32 count, and for each request id (16), u32 code, u8 is_batch, u8 replayed, id,
 * u32 retry_after_s, text message.
 */
#include "store/ops.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/pack.h"
#include "base/text.h"
#include "base/json.h"
#include "store/internal.h"

#define SUBMIT_IDEMPOTENT 1
#define SUBMIT_STOP 2
#define NAME_SIZE 68
#define HASH_SIZE 32
#define PRIORITY_MOST 10
#define FULL_RETRY_S 60
#define LIMIT_RETRY_S 5
#define WEIGHT_PARTS 1000.0

/* ---- encoding ---- */

void op_submit_begin(struct fnr_buf *out, const struct op_submit *submit)
{
	fnr_put_u8(out, submit->is_batch ? OP_BATCH : OP_SUBMIT);
	fnr_put_u8(out, (submit->idempotent ? SUBMIT_IDEMPOTENT : 0) | (submit->stop_on_error ? SUBMIT_STOP : 0));
	fnr_buf_add(out, submit->idempotency, HASH_SIZE);
	fnr_buf_add(out, submit->body, HASH_SIZE);
	fnr_put_u32(out, (uint32_t)submit->count);
}

static void put_upload(struct fnr_buf *out, const struct store_upload *upload)
{
	fnr_put_id(out, &upload->id);
	fnr_put_u64(out, upload->bytes);
	fnr_put_bytes(out, upload->sha256, sizeof upload->sha256);
	fnr_put_text(out, upload->media_type);
	fnr_put_text(out, upload->name);
	fnr_put_u64(out, (uint64_t)upload->created_at);
	fnr_put_u32(out, upload->key);
}

void op_job_add(struct fnr_buf *out, const struct op_job *job)
{
	fnr_put_u8(out, job->dedupe != NULL);
	if (job->dedupe)
		fnr_buf_add(out, job->dedupe, HASH_SIZE);
	fnr_put_u32(out, (uint32_t)job->brought_count);
	for (size_t i = 0; i < job->brought_count; i++)
		put_upload(out, &job->brought[i]);
	fnr_put_text(out, job->project);
	fnr_put_text(out, job->shot);
	fnr_put_text(out, job->template_);
	fnr_put_text(out, job->queue);
	fnr_put_text(out, job->key);
	fnr_put_id(out, &job->retry_of);
	fnr_put_u64(out, job->class_);
	fnr_put_u64(out, job->key_waiting_most);
	fnr_put_u64(out, (uint64_t)job->not_before);
	fnr_put_u64(out, (uint64_t)job->expires_at);
	fnr_put_u32(out, job->timeout_s);
	fnr_put_u16(out, job->max_attempts);
	fnr_put_u8(out, job->quality);
	fnr_put_u8(out, job->priority);
	fnr_put_u8(out, job->flags);
	fnr_put_bytes(out, job->uploads, job->upload_count * sizeof *job->uploads);
	fnr_put_u32(out, (uint32_t)(job->take_count * TAKE_PLACE_SIZE));
	for (size_t i = 0; i < job->take_count; i++)
		take_place_put(out, &job->takes[i]);
	fnr_put_u8(out, job->skip);
	fnr_put_u16(out, (uint16_t)job->parent_count);
	for (size_t i = 0; i < job->parent_count; i++) {
		fnr_put_u32(out, job->parents[i].local);
		fnr_put_id(out, &job->parents[i].id);
		fnr_put_text(out, job->parents[i].ref);
	}
	fnr_put_text(out, job->summary);
	fnr_put_u8(out, job->payload != NULL);
	if (job->payload)
		fnr_put_text(out, job->payload);
	else
		fnr_put_id(out, &job->payload_file);
}

void op_command(struct fnr_buf *out, const char *json)
{
	fnr_put_u8(out, OP_COMMAND);
	fnr_put_text(out, json);
}

void op_upload(struct fnr_buf *out, const struct store_upload *upload, bool anyway)
{
	fnr_put_u8(out, OP_UPLOAD);
	fnr_put_u8(out, anyway);
	put_upload(out, upload);
}

void op_preset_put(struct fnr_buf *out, const struct store_preset *preset, uint32_t expected)
{
	fnr_put_u8(out, OP_PRESET_PUT);
	op_preset_add(out, preset, expected);
}

void op_preset_add(struct fnr_buf *out, const struct store_preset *preset, uint32_t expected)
{
	fnr_put_text(out, preset->id);
	fnr_put_u8(out, preset->owner != NULL);
	fnr_put_text(out, preset->owner);
	fnr_put_u32(out, preset->version);
	fnr_put_u32(out, expected);
	fnr_put_text(out, preset->json);
}

void op_preset_delete(struct fnr_buf *out, const char *id, const char *owner, uint32_t expected)
{
	fnr_put_u8(out, OP_PRESET_DELETE);
	fnr_put_text(out, id);
	fnr_put_u8(out, owner != NULL);
	fnr_put_text(out, owner);
	fnr_put_u32(out, expected);
}

void op_key_put(struct fnr_buf *out, const uint8_t hash[32], const char *json)
{
	fnr_put_u8(out, OP_KEY_PUT);
	fnr_put_bytes(out, hash, HASH_SIZE);
	fnr_put_text(out, json);
}

void op_key_delete(struct fnr_buf *out, const char *id)
{
	fnr_put_u8(out, OP_KEY_DELETE);
	fnr_put_text(out, id);
}

void op_session_put(struct fnr_buf *out, const uint8_t hash[32], const uint8_t key[32], bool link, int64_t expires_at)
{
	fnr_put_u8(out, OP_SESSION_PUT);
	fnr_put_bytes(out, hash, HASH_SIZE);
	fnr_put_bytes(out, key, HASH_SIZE);
	fnr_put_u8(out, link);
	fnr_put_u64(out, (uint64_t)expires_at);
}

void op_session_open(struct fnr_buf *out, const uint8_t link[32], const uint8_t hash[32], int64_t expires_at)
{
	fnr_put_u8(out, OP_SESSION_OPEN);
	fnr_put_bytes(out, link, HASH_SIZE);
	fnr_put_bytes(out, hash, HASH_SIZE);
	fnr_put_u64(out, (uint64_t)expires_at);
}

void op_session_delete(struct fnr_buf *out, const uint8_t hash[32])
{
	fnr_put_u8(out, OP_SESSION_DELETE);
	fnr_put_bytes(out, hash, HASH_SIZE);
}

void op_secret(struct fnr_buf *out, const uint8_t secret[32])
{
	fnr_put_u8(out, OP_SECRET);
	fnr_put_bytes(out, secret, HASH_SIZE);
}

void op_meta_add(struct fnr_buf *out, const char *name, uint64_t add)
{
	fnr_put_u8(out, OP_META_ADD);
	fnr_put_text(out, name);
	fnr_put_u64(out, add);
}

void op_job_delete(struct fnr_buf *out, const struct fnr_id *id)
{
	fnr_put_u8(out, OP_JOB_DELETE);
	fnr_put_id(out, id);
}

static void put_take(struct fnr_buf *out, enum op_kind kind, const char *project, const char *shot, uint32_t take)
{
	fnr_put_u8(out, (uint8_t)kind);
	fnr_put_text(out, project);
	fnr_put_text(out, shot);
	fnr_put_u32(out, take);
}

void op_take_choose(struct fnr_buf *out, const char *project, const char *shot, uint32_t take)
{
	put_take(out, OP_TAKE_CHOOSE, project, shot, take);
}

void op_take_delete(struct fnr_buf *out, const char *project, const char *shot, uint32_t take)
{
	put_take(out, OP_TAKE_DELETE, project, shot, take);
}

void op_dead_discard(struct fnr_buf *out, const struct fnr_id *id)
{
	fnr_put_u8(out, OP_DEAD_DISCARD);
	fnr_put_id(out, id);
}

static void put_limit(struct fnr_buf *out, struct store_limit limit)
{
	fnr_put_u32(out, limit.concurrency);
	fnr_put_u32(out, limit.per_minute);
}

void op_project(struct fnr_buf *out, const char *name, const struct store_project *project)
{
	fnr_put_u8(out, OP_PROJECT);
	fnr_put_text(out, name);
	fnr_put_u32(out, (uint32_t)(project->weight * WEIGHT_PARTS + 0.5));
	put_limit(out, project->limit);
	fnr_put_u64(out, project->max_waiting);
}

void op_queue(struct fnr_buf *out, const char *name, bool paused, int64_t until)
{
	fnr_put_u8(out, OP_QUEUE);
	fnr_put_text(out, name);
	fnr_put_u8(out, paused);
	fnr_put_u64(out, (uint64_t)until);
}

void op_queue_limit(struct fnr_buf *out, const char *name, struct store_limit limit)
{
	fnr_put_u8(out, OP_QUEUE_LIMIT);
	fnr_put_text(out, name);
	put_limit(out, limit);
}

void op_backend_put(struct fnr_buf *out, const char *id, uint64_t revision, const char *json, enum op_secret_change change, const char *secret)
{
	fnr_put_u8(out, OP_BACKEND_PUT);
	fnr_put_text(out, id);
	fnr_put_u64(out, revision);
	fnr_put_text(out, json);
	fnr_put_u8(out, (uint8_t)change);
	fnr_put_text(out, secret ? secret : "");
}

void op_backend_drain(struct fnr_buf *out, const char *id, bool drained)
{
	fnr_put_u8(out, OP_BACKEND_DRAIN);
	fnr_put_text(out, id);
	fnr_put_u8(out, drained);
}

void op_backend_delete(struct fnr_buf *out, const char *id, uint64_t revision)
{
	fnr_put_u8(out, OP_BACKEND_DELETE);
	fnr_put_text(out, id);
	fnr_put_u64(out, revision);
}

/* ---- decoding ---- */

/* What one application needs at hand. */
struct apply {
	struct store_txn *txn;
	struct fnr_reader in;
	int64_t now;
	struct op_reply *reply;
	struct fnr_error err;
	bool ring;
	const struct op_limits *limits;
	struct fnr_id *accepted;           /* of the batch at hand, in order */
	size_t accepted_count;
};

static int malformed(struct apply *a)
{
	return fnr_fail(&a->err, FNR_E_MALFORMED, "the operation cannot be read");
}

static void get_raw(struct fnr_reader *in, void *out, size_t len)
{
	memset(out, 0, len);
	if (in->failed || len > in->len - in->at) {
		in->failed = true;
		return;
	}
	memcpy(out, in->data + in->at, len);
	in->at += len;
}

static void get_hash(struct fnr_reader *in, uint8_t out[32])
{
	size_t len;
	const void *data = fnr_get_bytes(in, &len);

	memset(out, 0, HASH_SIZE);
	if (!in->failed && len == HASH_SIZE)
		memcpy(out, data, HASH_SIZE);
	else
		in->failed = true;
}

/* A text of any length; the caller frees it. Never NULL; a 0 byte inside fails the reader. */
static char *get_long(struct fnr_reader *in)
{
	size_t len;
	const void *data = fnr_get_bytes(in, &len);

	if (in->failed)
		return fnr_strdup("");
	if (len && memchr(data, 0, len))
		in->failed = true;
	return fnr_memdup0(data, len);
}

static bool ended(const struct fnr_reader *in)
{
	return !in->failed && in->at == in->len;
}

/* ---- acceptance ---- */

struct names { char project[NAME_SIZE], shot[NAME_SIZE], template_[NAME_SIZE], queue[NAME_SIZE], key[NAME_SIZE]; uint64_t key_most; };

static void read_names(struct fnr_reader *in, struct names *names)
{
	fnr_get_text(in, names->project, sizeof names->project);
	fnr_get_text(in, names->shot, sizeof names->shot);
	fnr_get_text(in, names->template_, sizeof names->template_);
	fnr_get_text(in, names->queue, sizeof names->queue);
	fnr_get_text(in, names->key, sizeof names->key);
}

/* Parents of the same batch were accepted before. */
static bool read_parents(struct apply *a, struct store_parents *parents)
{
	parents->skip = fnr_get_u8(&a->in) != 0;
	parents->count = fnr_get_u16(&a->in);
	if (a->in.failed || parents->count > STORE_PARENTS_MOST)
		return false;
	parents->items = parents->count ? fnr_alloc(parents->count * sizeof *parents->items) : NULL;
	for (size_t i = 0; i < parents->count; i++) {
		uint32_t local = fnr_get_u32(&a->in);

		parents->items[i].id = fnr_get_id(&a->in);
		fnr_get_text(&a->in, parents->items[i].ref, sizeof parents->items[i].ref);
		if (local > a->accepted_count)
			return false;
		if (local)
			parents->items[i].id = a->accepted[local - 1];
	}
	return true;
}

/* False if it cannot be read. Texts stay in the operation's bytes; the parents are the caller's to free. */
static bool read_job(struct apply *a, const uint8_t *dedupe, struct names *names, struct job_new *job)
{
	struct fnr_reader *in = &a->in;
	struct job_head *head = &job->head;
	size_t bytes, take_bytes;

	memset(job, 0, sizeof *job);
	job->dedupe = dedupe;
	read_names(in, names);
	head->retry_of = fnr_get_id(in);
	head->class_ = fnr_get_u64(in);
	names->key_most = fnr_get_u64(in);
	head->not_before = (int64_t)fnr_get_u64(in);
	head->expires_at = (int64_t)fnr_get_u64(in);
	head->timeout_s = fnr_get_u32(in);
	head->max_attempts = fnr_get_u16(in);
	head->quality = fnr_get_u8(in);
	head->priority = fnr_get_u8(in);
	head->flags = fnr_get_u8(in) & JOB_FLAG_ON_LOST_FAIL;
	job->uploads = fnr_get_bytes(in, &bytes);
	job->upload_count = bytes / sizeof(struct fnr_id);
	job->takes = fnr_get_bytes(in, &take_bytes);
	job->take_count = take_bytes / TAKE_PLACE_SIZE;
	if (!read_parents(a, &job->parents))
		return false;
	job->summary = fnr_get_bytes(in, &job->summary_len);
	if (fnr_get_u8(in))
		job->payload = fnr_get_bytes(in, &job->payload_len);
	else
		job->payload_file = fnr_get_id(in);
	head->flags |= (job->payload ? 0 : JOB_FLAG_PAYLOAD_FILE) | (job->upload_count ? JOB_FLAG_UPLOADS : 0);
	return !in->failed && bytes % sizeof(struct fnr_id) == 0 && take_bytes % TAKE_PLACE_SIZE == 0 && job->take_count <= STORE_JOB_TAKES && head->not_before >= 0 && head->expires_at >= 0
	       && head->quality < FNR_QUALITY_COUNT && head->priority <= PRIORITY_MOST
	       && names->template_[0] && names->queue[0]
	       && (job->payload || !fnr_id_is_none(&job->payload_file));
}

static int number_names(struct apply *a, const struct names *names, struct job_head *head)
{
	if ((names->project[0] && !(head->project = store_name_make(a->txn, STORE_PROJECT, names->project, &a->err)))
	    || (names->shot[0] && !(head->shot = store_name_make(a->txn, STORE_SHOT, names->shot, &a->err)))
	    || !(head->template_ = store_name_make(a->txn, STORE_TEMPLATE, names->template_, &a->err))
	    || !(head->queue = (uint16_t)store_name_make(a->txn, STORE_QUEUE, names->queue, &a->err))
	    || (names->key[0] && !(head->key = store_name_make(a->txn, STORE_KEY, names->key, &a->err))))
		return a->err.code ? a->err.code : FNR_E_IO;
	return FNR_OK;
}

static struct store_upload get_upload(struct fnr_reader *in)
{
	struct store_upload upload = { .id = fnr_get_id(in) };

	upload.bytes = fnr_get_u64(in);
	get_hash(in, upload.sha256);
	fnr_get_text(in, upload.media_type, sizeof upload.media_type);
	fnr_get_text(in, upload.name, sizeof upload.name);
	upload.created_at = (int64_t)fnr_get_u64(in);
	upload.key = fnr_get_u32(in);
	return upload;
}

static int accept_brought(struct apply *a)
{
	int code = FNR_OK;

	for (uint32_t left = fnr_get_u32(&a->in); left > 0 && code == FNR_OK; left--) {
		struct store_upload upload = get_upload(&a->in);

		code = a->in.failed ? malformed(a) : store_upload_put(a->txn, &upload, &a->err);
	}
	return code;
}

static int too_many(struct apply *a, const char *what, const char *name, uint64_t most)
{
	a->err.retry_after_s = LIMIT_RETRY_S;
	return fnr_fail(&a->err, FNR_E_LIMIT, "%s '%s' would have more than %llu jobs waiting, its limit; try again when some have run", what, name,
	                (unsigned long long)most);
}

/* The job is stored already: if it is one too many, it goes with its transaction. */
static int check_caps(struct apply *a, const struct names *names, const struct job_head *head)
{
	uint64_t project_most = store_project_get(a->txn, head->project).max_waiting, key_most = names->key_most ? names->key_most : a->limits->key_most;

	if (!project_most)
		project_most = a->limits->project_most;
	if (project_most && head->project && store_waiting(a->txn, STORE_PROJECT, head->project) > project_most)
		return too_many(a, "project", names->project, project_most);
	if (key_most && head->key && store_waiting(a->txn, STORE_KEY, head->key) > key_most)
		return too_many(a, "key", names->key, key_most);
	return FNR_OK;
}

/* One that lay there for long without a job may be gone (manager/payloads.c). */
static int check_payload(struct apply *a, const struct job_new *job)
{
	char path[64];

	if (job->payload)
		return FNR_OK;
	store_payload_path(&job->payload_file, path);
	if (access(path, F_OK) == 0)
		return FNR_OK;
	a->err.retry_after_s = 1;
	return fnr_fail(&a->err, FNR_E_UNAVAILABLE, "the inputs were put down, but are not there any more; send them again");
}

static int accept_read(struct apply *a, struct hot *hot, struct batch *batch, const struct names *names, struct job_new *job)
{
	int code = check_payload(a, job);

	if (code == FNR_OK)
		code = number_names(a, names, &job->head);
	if (code != FNR_OK)
		return code;
	if (batch)
		job->head.batch = batch->id;
	code = job_accept(a->txn, job, a->now, hot, batch, &a->err);
	if (code == FNR_OK)
		code = check_caps(a, names, &job->head);
	if (code == FNR_OK && !fnr_id_is_none(&job->head.retry_of))
		code = store_dead_discard(a->txn, &job->head.retry_of, &a->err);    /* it lives again */
	return code;
}

static int accept_one(struct apply *a, struct hot *hot, struct batch *batch)
{
	uint8_t hash[HASH_SIZE];
	struct names names;
	struct job_new job;
	bool dedupe = fnr_get_u8(&a->in) != 0;
	int code;

	if (dedupe)
		get_raw(&a->in, hash, sizeof hash);
	if (dedupe && !batch && !a->in.failed && store_dedupe_find(a->txn, hash, &a->reply->id) == FNR_OK) {
		a->reply->replayed = 1;
		return FNR_OK;
	}
	code = accept_brought(a);
	if (code != FNR_OK)
		return code;
	code = read_job(a, dedupe ? hash : NULL, &names, &job) ? accept_read(a, hot, batch, &names, &job) : malformed(a);
	store_parents_free(&job.parents);
	if (code != FNR_OK || !batch)
		return code;
	a->accepted[a->accepted_count++] = job.head.id;
	if (batch->total == 1) {
		batch->first = job.head.id;
		batch->project = job.head.project;
		batch->key = job.head.key;
	}
	if (batch->project != job.head.project)
		batch->project = 0;            /* jobs of several projects: it is nobody's in particular */
	return FNR_OK;
}

static int accept_single(struct apply *a, struct hot *hot)
{
	int code = accept_one(a, hot, NULL);

	if (!a->reply->replayed)
		a->reply->id = hot->last_job;
	return code;
}

/* The batch's id comes before those of its jobs; nothing is between these. */
static int accept_batch(struct apply *a, struct hot *hot, uint32_t count, bool stop_on_error)
{
	struct batch batch = { .id = fnr_id_next(&hot->last_job), .created_at = a->now, .stop_on_error = stop_on_error };
	int code = FNR_OK;

	if (count > a->in.len)
		return malformed(a);
	a->accepted = fnr_alloc(count * sizeof *a->accepted);
	for (uint32_t i = 0; i < count && code == FNR_OK; i++)
		code = accept_one(a, hot, &batch);
	free(a->accepted);
	a->reply->id = batch.id;
	return code == FNR_OK ? batch_write(a->txn, &batch, &a->err) : code;
}

/* True if the request was accepted before, or its key belongs to another: *code_r and the reply say which. */
static bool known(struct apply *a, const uint8_t hash[32], const uint8_t body[32], int *code_r)
{
	struct store_idempotency entry;

	*code_r = store_idempotency_get(a->txn, hash, &entry);
	if (*code_r == FNR_E_NOT_FOUND)
		return false;
	if (*code_r != FNR_OK) {
		fnr_fail(&a->err, *code_r, "the record of an Idempotency-Key cannot be read");
	} else if (memcmp(entry.body, body, HASH_SIZE) != 0) {
		*code_r = fnr_fail(&a->err, FNR_E_KEY_REUSED,
		                   "this Idempotency-Key was used for a request with another body; use a new key");
	} else {
		a->reply->id = entry.id;
		a->reply->is_batch = entry.is_batch;
		a->reply->replayed = 1;
	}
	return true;
}

static uint64_t waiting(const struct hot *hot)
{
	uint64_t count = 0;

	for (int state = 0; state < FNR_STATE_COUNT; state++)
		count += fnr_state_waiting(state) ? hot->state[state] : 0;
	return count;
}

static int apply_submit(struct apply *a, bool is_batch)
{
	uint8_t flags = fnr_get_u8(&a->in), hash[HASH_SIZE];
	struct store_idempotency entry = { .is_batch = is_batch, .created_at = a->now };
	struct hot hot;
	uint32_t count;
	int code;

	get_raw(&a->in, hash, sizeof hash);
	get_raw(&a->in, entry.body, sizeof entry.body);
	count = fnr_get_u32(&a->in);
	if (a->in.failed || count == 0 || (!is_batch && count != 1))
		return malformed(a);
	if ((flags & SUBMIT_IDEMPOTENT) && known(a, hash, entry.body, &code))
		return code;
	code = hot_get(a->txn, &hot);
	if (code != FNR_OK)
		return fnr_fail(&a->err, code, "the store's counters cannot be read; run 'fnr check'");
	if (a->limits->waiting_most && waiting(&hot) + count > a->limits->waiting_most) {
		a->err.retry_after_s = LIMIT_RETRY_S;
		return fnr_fail(&a->err, FNR_E_LIMIT, "%llu jobs wait already, and job.max_waiting is %llu; try again when some have run",
		                (unsigned long long)waiting(&hot), (unsigned long long)a->limits->waiting_most);
	}
	a->reply->is_batch = is_batch;
	code = is_batch ? accept_batch(a, &hot, count, flags & SUBMIT_STOP) : accept_single(a, &hot);
	if (code == FNR_OK && !a->reply->replayed && !ended(&a->in))
		return malformed(a);
	entry.id = a->reply->id;
	if (code == FNR_OK && (flags & SUBMIT_IDEMPOTENT))
		code = store_idempotency_put(a->txn, hash, &entry, &a->err);
	a->ring = code == FNR_OK;
	return code == FNR_OK ? hot_put(a->txn, &hot, &a->err) : code;
}

/* ---- the others ---- */

static int apply_command(struct apply *a)
{
	char *json = get_long(&a->in);
	int code = ended(&a->in) ? store_command_add(a->txn, json, &a->err) : malformed(a);

	free(json);
	a->ring = code == FNR_OK;
	return code;
}

static int apply_upload(struct apply *a)
{
	bool anyway = fnr_get_u8(&a->in) != 0;
	struct store_upload upload = get_upload(&a->in);
	struct fnr_id other;

	if (!ended(&a->in))
		return malformed(a);
	a->reply->id = upload.id;
	if (!anyway && store_content_find(a->txn, upload.sha256, upload.bytes, &other) == FNR_OK)
		return fnr_fail(&a->err, FNR_E_EXISTS, "another upload has the same content");
	return store_upload_put(a->txn, &upload, &a->err);
}

/* Is the preset still what the caller knows of it? */
static int check_preset(struct apply *a, const char *id, uint32_t expected, uint32_t last)
{
	struct fnr_buf json = FNR_BUF_INIT;
	bool there = store_preset_get(a->txn, id, &json) == FNR_OK;

	fnr_buf_free(&json);
	if (expected == OP_PRESET_ANY)
		return FNR_OK;
	if (there && expected == 0)
		return fnr_fail(&a->err, FNR_E_EXISTS, "there is a preset '%s' already", id);
	if (!there && expected != 0)
		return fnr_fail(&a->err, FNR_E_NOT_FOUND, "there is no preset '%s'", id);
	if (there && expected != last)
		return fnr_fail(&a->err, FNR_E_PRECONDITION, "the preset '%s' was changed in the meantime: it has version %u now; fetch it again", id, last);
	return FNR_OK;
}

/* Has the manager tell of it; the command is put here. */
static int tell(struct apply *a, struct json_object *command)
{
	int code = store_command_add(a->txn, fnr_json_text(command, NULL), &a->err);

	json_object_put(command);
	a->ring = true;
	return code;
}

/* May everybody see it as it is now? */
static bool is_public(struct apply *a, const char *id)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *record = store_preset_get(a->txn, id, &text) == FNR_OK ? fnr_json_parse_own(text.data, text.len, NULL) : NULL;
	bool is = record && (fnr_json_get_bool(record, "shared", false) || !fnr_json_get(record, "owner"));

	json_object_put(record);
	fnr_buf_free(&text);
	return is;
}

/* The event goes to those who may see it, or could before. */
static int tell_preset(struct apply *a, const char *id, const char *owner, bool public)
{
	struct json_object *command = json_object_new_object();

	fnr_json_set_text(command, "command", "preset");
	fnr_json_set_text(command, "preset", id);
	fnr_json_set_text(command, "owner", owner);
	fnr_json_set_bool(command, "shared", public);
	return tell(a, command);
}

static int put_preset(struct apply *a, const struct store_preset *preset, uint32_t expected)
{
	uint32_t last = store_preset_last(a->txn, preset->id);
	int code = check_preset(a, preset->id, expected, last);
	bool public = is_public(a, preset->id);

	if (code == FNR_OK && expected != OP_PRESET_ANY && preset->version != last + 1)
		code = fnr_fail(&a->err, FNR_E_PRECONDITION, "the preset '%s' was changed in the meantime; try again", preset->id);
	if (code == FNR_OK && expected == 0 && preset->owner && store_presets_owned(a->txn, preset->owner, NULL, NULL) >= STORE_PRESETS_MOST)
		code = fnr_fail(&a->err, FNR_E_CONFLICT, "this key has %d presets, more than which it may not have; delete some", STORE_PRESETS_MOST);
	if (code == FNR_OK)
		code = store_preset_put(a->txn, preset, &a->err);
	return code == FNR_OK ? tell_preset(a, preset->id, preset->owner, public || is_public(a, preset->id)) : code;
}

static int apply_preset(struct apply *a)
{
	char id[NAME_SIZE], owner[NAME_SIZE], *json;
	struct store_preset preset = { .id = id };
	uint32_t expected;
	int code;

	fnr_get_text(&a->in, id, sizeof id);
	preset.owner = fnr_get_u8(&a->in) ? owner : NULL;
	fnr_get_text(&a->in, owner, sizeof owner);
	preset.version = fnr_get_u32(&a->in);
	expected = fnr_get_u32(&a->in);
	preset.json = json = get_long(&a->in);
	code = a->in.failed ? malformed(a) : put_preset(a, &preset, expected);
	free(json);
	return code;
}

static int apply_preset_put(struct apply *a)
{
	int code;

	do
		code = apply_preset(a);
	while (code == FNR_OK && !ended(&a->in));
	return code;
}

static int apply_preset_delete(struct apply *a)
{
	char id[NAME_SIZE], owner[NAME_SIZE];
	uint32_t expected;
	bool owned, public;
	int code;

	fnr_get_text(&a->in, id, sizeof id);
	owned = fnr_get_u8(&a->in) != 0;
	fnr_get_text(&a->in, owner, sizeof owner);
	expected = fnr_get_u32(&a->in);
	if (!ended(&a->in))
		return malformed(a);
	public = is_public(a, id);
	code = check_preset(a, id, expected, store_preset_last(a->txn, id));
	if (code == FNR_OK)
		code = store_preset_delete(a->txn, id, owned ? owner : NULL, &a->err);
	if (code == FNR_E_NOT_FOUND && a->err.code == FNR_OK)
		fnr_fail(&a->err, code, "there is no preset '%s'", id);
	return code == FNR_OK ? tell_preset(a, id, owned ? owner : NULL, public) : code;
}

static int tell_key(struct apply *a, enum fnr_event event, const char *id)
{
	struct json_object *command = json_object_new_object();

	fnr_json_set_text(command, "command", "key");
	fnr_json_set_text(command, "event", fnr_event_name(event));
	fnr_json_set_text(command, "key", id);
	return tell(a, command);
}

static int put_key(struct apply *a, const uint8_t hash[32], const char *json)
{
	struct json_object *key = fnr_json_parse_own(json, strlen(json), NULL);
	struct fnr_buf before = FNR_BUF_INIT;
	bool new = store_key_get(a->txn, hash, &before) == FNR_E_NOT_FOUND;
	int code = store_key_put(a->txn, hash, json, &a->err);

	if (code == FNR_OK && new)
		code = tell_key(a, FNR_EVENT_KEY_CREATED, fnr_json_get_text(key, "id", ""));
	fnr_buf_free(&before);
	json_object_put(key);
	return code;
}

static int apply_key_put(struct apply *a)
{
	uint8_t hash[HASH_SIZE];
	char *json;
	int code;

	get_hash(&a->in, hash);
	json = get_long(&a->in);
	code = ended(&a->in) ? put_key(a, hash, json) : malformed(a);
	free(json);
	return code;
}

static int apply_key_delete(struct apply *a)
{
	char *id = get_long(&a->in);
	int code = ended(&a->in) ? store_key_delete(a->txn, id) : malformed(a);

	if (code != FNR_OK && a->err.code == FNR_OK)
		fnr_fail(&a->err, code, "there is no key '%s'", id);
	if (code == FNR_OK)
		code = tell_key(a, FNR_EVENT_KEY_REVOKED, id);
	free(id);
	return code;
}

static int apply_meta_add(struct apply *a)
{
	char name[64];
	uint64_t add;

	fnr_get_text(&a->in, name, sizeof name);
	add = fnr_get_u64(&a->in);
	if (!ended(&a->in) || !name[0] || name[0] == '.' || strcmp(name, META_SCHEMA) == 0)
		return malformed(a);
	return store_meta_put(a->txn, name, store_meta_get(a->txn, name) + add, &a->err);
}

static int apply_session_put(struct apply *a)
{
	struct store_session session = { .created_at = a->now };
	uint8_t hash[HASH_SIZE];

	get_hash(&a->in, hash);
	get_hash(&a->in, session.key);
	session.link = fnr_get_u8(&a->in);
	session.expires_at = (int64_t)fnr_get_u64(&a->in);
	return ended(&a->in) ? session_put(a->txn, hash, &session, a->now, &a->err) : malformed(a);
}

/* Of two that come with the same link, the second finds it gone. */
static int apply_session_open(struct apply *a)
{
	uint8_t link[HASH_SIZE], hash[HASH_SIZE];
	struct store_session session;
	int64_t expires_at;

	get_hash(&a->in, link);
	get_hash(&a->in, hash);
	expires_at = (int64_t)fnr_get_u64(&a->in);
	if (!ended(&a->in))
		return malformed(a);
	if (store_session_get(a->txn, link, &session) != FNR_OK || !session.link || session.expires_at <= a->now)
		return fnr_fail(&a->err, FNR_E_UNAUTHORIZED, "this one-time link was used already, or has expired; 'fnr link' makes another");
	store_session_delete(a->txn, link);
	session.link = false;
	session.created_at = a->now;
	session.expires_at = expires_at;
	return session_put(a->txn, hash, &session, a->now, &a->err);
}

static int apply_session_delete(struct apply *a)
{
	uint8_t hash[HASH_SIZE];

	get_hash(&a->in, hash);
	return ended(&a->in) ? store_session_delete(a->txn, hash) : malformed(a);
}

static int apply_secret(struct apply *a)
{
	uint8_t secret[HASH_SIZE];

	get_hash(&a->in, secret);
	return ended(&a->in) ? store_secret_make(a->txn, secret, &a->err) : malformed(a);
}

/* A finished job is nobody's work any more: it need not go by way of the manager, which only clears its files away. */
static int apply_job_delete(struct apply *a)
{
	struct store_removal removal = { .job = fnr_get_id(&a->in) };
	struct job_head head;
	bool there = store_job_get(a->txn, &removal.job, &head) == FNR_OK;
	int code = ended(&a->in) ? store_job_delete(a->txn, &removal.job, removal.payload, &a->err) : malformed(a);

	if (code == FNR_OK)
		code = store_removal_add(a->txn, &removal, &a->err);
	if (code == FNR_OK && there)
		code = store_removal_tell(a->txn, head.project, 1, &head, &a->err);
	a->ring = code == FNR_OK;
	return code;
}

static int apply_dead_discard(struct apply *a)
{
	struct fnr_id id = fnr_get_id(&a->in);

	return ended(&a->in) ? store_dead_discard(a->txn, &id, &a->err) : malformed(a);
}

static struct store_limit get_limit(struct fnr_reader *in)
{
	struct store_limit limit = { .concurrency = fnr_get_u32(in) };

	limit.per_minute = fnr_get_u32(in);
	return limit;
}

static int tell_take(struct apply *a, enum fnr_event event, const char *project, const char *shot, uint32_t take)
{
	struct json_object *command = json_object_new_object();

	fnr_json_set_text(command, "command", "take");
	fnr_json_set_text(command, "event", fnr_event_name(event));
	fnr_json_set_text(command, "project", project);
	fnr_json_set_text(command, "shot", shot);
	fnr_json_set_int(command, "take", take);
	return tell(a, command);
}

static int choose_take(struct apply *a, const char *project, const char *shot, struct take_place place)
{
	int code = store_shot_choose(a->txn, place.project, place.shot, place.take, &a->err);

	return code == FNR_OK ? tell_take(a, FNR_EVENT_TAKE_CHOSEN, project, shot, place.take) : code;
}

static int delete_take(struct apply *a, const char *project, const char *shot, struct take_place place)
{
	char path[STORE_DISCARD_PATH], command[STORE_DISCARD_PATH + 64];
	int code;

	snprintf(path, sizeof path, "workspace/%s/%s/take_%03u", project, shot, place.take);
	code = store_take_delete(a->txn, place, path, &a->err);
	if (code != FNR_OK)
		return code;
	snprintf(command, sizeof command, "{\"command\":\"discard\",\"path\":\"%s\"}", path);     /* names have nothing to escape */
	code = store_command_add(a->txn, command, &a->err);
	return code == FNR_OK ? tell_take(a, FNR_EVENT_TAKE_DELETED, project, shot, place.take) : code;
}

static int apply_take(struct apply *a, bool remove)
{
	struct take_place place = { 0 };
	char project[NAME_SIZE], shot[NAME_SIZE];

	fnr_get_text(&a->in, project, sizeof project);
	fnr_get_text(&a->in, shot, sizeof shot);
	place.take = fnr_get_u32(&a->in);
	if (!ended(&a->in) || !fnr_name_valid(project) || !fnr_name_valid(shot))
		return malformed(a);
	place.project = store_name_find(a->txn, STORE_PROJECT, project);
	place.shot = store_name_find(a->txn, STORE_SHOT, shot);
	return (remove ? delete_take : choose_take)(a, project, shot, place);
}

static int apply_project(struct apply *a)
{
	struct store_project project;
	char name[68];
	uint32_t number;

	fnr_get_text(&a->in, name, sizeof name);
	project.weight = fnr_get_u32(&a->in) / WEIGHT_PARTS;
	project.limit = get_limit(&a->in);
	project.max_waiting = fnr_get_u64(&a->in);
	if (!ended(&a->in))
		return malformed(a);
	number = store_name_make(a->txn, STORE_PROJECT, name, &a->err);
	if (!number || store_project_put(a->txn, number, &project, &a->err) != FNR_OK)
		return a->err.code;
	a->ring = true;
	return store_command_add(a->txn, "{\"command\":\"projects\"}", &a->err);
}

static int apply_queue(struct apply *a, bool limit)
{
	struct store_queue given = { 0 }, queue;
	char name[68], command[128];
	uint32_t number;

	fnr_get_text(&a->in, name, sizeof name);
	if (limit) {
		given.limit = get_limit(&a->in);
	} else {
		given.paused = fnr_get_u8(&a->in) != 0;
		given.until = (int64_t)fnr_get_u64(&a->in);
	}
	if (!ended(&a->in))
		return malformed(a);
	number = store_name_make(a->txn, STORE_QUEUE, name, &a->err);
	if (!number)
		return a->err.code;
	queue = store_queue_get(a->txn, number);
	if (limit) {
		queue.limit = given.limit;
	} else {
		queue.paused = given.paused;
		queue.until = given.until;
	}
	if (store_queue_put(a->txn, number, &queue, &a->err) != FNR_OK)
		return a->err.code;
	snprintf(command, sizeof command, "{\"command\":\"queue\",\"queue\":\"%s\"}", name);
	a->ring = true;
	return store_command_add(a->txn, command, &a->err);
}

/* What the caller has seen must be what there is. */
static int find_backend(struct apply *a, const char *id, uint64_t revision, struct store_backend *backend_r)
{
	int code = store_backend_get(a->txn, id, backend_r);

	if (code != FNR_OK)
		return fnr_fail(&a->err, code, "there is no backend '%s'", id);
	if (backend_r->revision != revision)
		return fnr_fail(&a->err, FNR_E_PRECONDITION, "backend '%s' was changed meanwhile; read it again, with its ETag", id);
	return FNR_OK;
}

static bool same_url(const struct store_backend *backend, const char *json)
{
	struct json_object *before = fnr_json_parse_own(backend->json, backend->len, NULL), *after = fnr_json_parse_own(json, strlen(json), NULL);
	bool same = strcmp(fnr_json_get_text(before, "url", ""), fnr_json_get_text(after, "url", "")) == 0;

	json_object_put(before);
	json_object_put(after);
	return same;
}

static int put_backend(struct apply *a, const char *id, uint64_t revision, const char *json, enum op_secret_change change, const char *secret)
{
	struct store_backend before;
	bool elsewhere;
	int code = FNR_OK;

	if (revision)
		code = find_backend(a, id, revision, &before);
	else if (store_backend_get(a->txn, id, &before) != FNR_E_NOT_FOUND)
		code = fnr_fail(&a->err, FNR_E_EXISTS, "there is a backend '%s' already; PUT changes it", id);
	else if (store_backends_count(a->txn) >= STORE_BACKENDS_MOST)
		code = fnr_fail(&a->err, FNR_E_LIMIT, "there are %d backends, and no more can be added", STORE_BACKENDS_MOST);
	if (code != FNR_OK)
		return code;
	elsewhere = revision && !same_url(&before, json);
	if (elsewhere && change == OP_SECRET_KEEP)
		change = OP_SECRET_CLEAR;
	if (elsewhere)
		code = store_suspect_delete(a->txn, id, &a->err);
	if (code == FNR_OK)
		code = store_backend_put(a->txn, id, json, &a->err);
	if (code == FNR_OK && change != OP_SECRET_KEEP)
		code = store_backend_secret_put(a->txn, id, change == OP_SECRET_SET ? secret : NULL, &a->err);
	return code;
}

static int apply_backend_put(struct apply *a)
{
	char id[68], *json, *secret;
	uint64_t revision;
	uint8_t change;
	int code;

	fnr_get_text(&a->in, id, sizeof id);
	revision = fnr_get_u64(&a->in);
	json = get_long(&a->in);
	change = fnr_get_u8(&a->in);
	secret = get_long(&a->in);
	code = ended(&a->in) && change <= OP_SECRET_SET ? put_backend(a, id, revision, json, change, secret) : malformed(a);
	free(json);
	free(secret);
	a->ring = true;
	return code;
}

static int apply_backend_drain(struct apply *a)
{
	struct store_backend backend;
	struct json_object *record;
	char id[68], command[128];
	bool drained;
	int code;

	fnr_get_text(&a->in, id, sizeof id);
	drained = fnr_get_u8(&a->in) != 0;
	if (!ended(&a->in))
		return malformed(a);
	code = store_backend_get(a->txn, id, &backend);
	if (code != FNR_OK)
		return fnr_fail(&a->err, code, "there is no backend '%s'", id);
	record = fnr_json_parse_own(backend.json, backend.len, &a->err);
	if (!record)
		return a->err.code;
	fnr_json_set_bool(record, "drained", drained);
	code = store_backend_put(a->txn, id, fnr_json_text(record, NULL), &a->err);
	json_object_put(record);
	a->ring = true;
	snprintf(command, sizeof command, "{\"command\":\"trust\",\"backend\":\"%s\"}", id);
	if (code == FNR_OK && !drained)
		code = store_command_add(a->txn, command, &a->err);
	return code;
}

static int apply_backend_delete(struct apply *a)
{
	struct store_backend backend;
	uint64_t revision;
	char id[68];
	size_t jobs;
	int code;

	fnr_get_text(&a->in, id, sizeof id);
	revision = fnr_get_u64(&a->in);
	code = ended(&a->in) ? find_backend(a, id, revision, &backend) : malformed(a);
	if (code != FNR_OK)
		return code;
	jobs = store_backend_jobs(a->txn, id);
	if (jobs)
		return fnr_fail(&a->err, FNR_E_CONFLICT, "jobs run on backend '%s' (%zu); drain it, and remove it when they have ended", id, jobs);
	a->ring = true;
	return store_backend_delete(a->txn, id, &a->err);
}

static int dispatch(struct apply *a, uint8_t operation)
{
	switch (operation) {
	case OP_SUBMIT: return apply_submit(a, false);
	case OP_BATCH: return apply_submit(a, true);
	case OP_COMMAND: return apply_command(a);
	case OP_UPLOAD: return apply_upload(a);
	case OP_TEMPLATES: return op_templates_apply(a->txn, &a->in, &a->ring, &a->err);
	case OP_PRESET_PUT: return apply_preset_put(a);
	case OP_PRESET_DELETE: return apply_preset_delete(a);
	case OP_KEY_PUT: return apply_key_put(a);
	case OP_KEY_DELETE: return apply_key_delete(a);
	case OP_META_ADD: return apply_meta_add(a);
	case OP_SESSION_PUT: return apply_session_put(a);
	case OP_SESSION_OPEN: return apply_session_open(a);
	case OP_SESSION_DELETE: return apply_session_delete(a);
	case OP_SECRET: return apply_secret(a);
	case OP_JOB_DELETE: return apply_job_delete(a);
	case OP_QUEUE: return apply_queue(a, false);
	case OP_QUEUE_LIMIT: return apply_queue(a, true);
	case OP_PROJECT: return apply_project(a);
	case OP_DEAD_DISCARD: return apply_dead_discard(a);
	case OP_BACKEND_PUT: return apply_backend_put(a);
	case OP_BACKEND_DRAIN: return apply_backend_drain(a);
	case OP_BACKEND_DELETE: return apply_backend_delete(a);
	case OP_TAKE_CHOOSE: return apply_take(a, false);
	case OP_TAKE_DELETE: return apply_take(a, true);
	}
	return malformed(a);
}

const char *op_name(uint8_t kind)
{
	static const char *const names[] = {
		[OP_SUBMIT] = "submit", [OP_BATCH] = "batch", [OP_COMMAND] = "command", [OP_UPLOAD] = "upload", [OP_TEMPLATES] = "templates",
		[OP_PRESET_PUT] = "preset_put", [OP_PRESET_DELETE] = "preset_delete", [OP_KEY_PUT] = "key_put", [OP_KEY_DELETE] = "key_delete",
		[OP_META_ADD] = "meta_add", [OP_SESSION_PUT] = "session_put", [OP_SESSION_OPEN] = "session_open", [OP_SESSION_DELETE] = "session_delete",
		[OP_SECRET] = "secret", [OP_JOB_DELETE] = "job_delete", [OP_QUEUE] = "queue", [OP_QUEUE_LIMIT] = "queue_limit", [OP_PROJECT] = "project",
		[OP_DEAD_DISCARD] = "dead_discard", [OP_BACKEND_PUT] = "backend_put", [OP_BACKEND_DRAIN] = "backend_drain",
		[OP_BACKEND_DELETE] = "backend_delete", [OP_TAKE_CHOOSE] = "take_choose", [OP_TAKE_DELETE] = "take_delete",
	};

	return kind < sizeof names / sizeof names[0] && names[kind] ? names[kind] : "unknown";
}

bool op_apply(struct store_txn *txn, const void *data, size_t len, int64_t now, const struct op_limits *limits,
              struct op_reply *reply)
{
	static const struct op_limits none;
	struct apply a = { .txn = txn, .in = FNR_READER(data, len), .now = now, .reply = reply, .err = FNR_ERROR_INIT };
	uint8_t operation = fnr_get_u8(&a.in);

	a.limits = limits ? limits : &none;
	memset(reply, 0, sizeof *reply);
	if (limits && limits->full && (operation == OP_SUBMIT || operation == OP_BATCH || operation == OP_UPLOAD)) {
		reply->code = fnr_fail(&a.err, FNR_E_FULL, "%s", limits->reason);
		a.err.retry_after_s = FULL_RETRY_S;
	} else {
		reply->code = dispatch(&a, operation);
	}
	if (reply->code != FNR_OK) {
		memset(&reply->id, 0, sizeof reply->id);
		reply->is_batch = reply->replayed = 0;
		reply->retry_after_s = a.err.retry_after_s;
		fnr_text_copy(reply->message, sizeof reply->message, a.err.message);
	}
	fnr_error_clear(&a.err);
	return reply->code == FNR_OK && a.ring;
}

/* ---- the last round ---- */

int op_round_put(struct store_txn *txn, const struct op_round_entry *entries, size_t count, struct fnr_error *err)
{
	struct key key = meta_key(META_ROUND);
	struct fnr_buf *value = env_scratch(&txn->t);

	fnr_put_u32(value, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		const struct op_reply *reply = &entries[i].reply;

		fnr_buf_add(value, entries[i].request, sizeof entries[i].request);
		fnr_put_u32(value, (uint32_t)reply->code);
		fnr_put_u8(value, reply->is_batch);
		fnr_put_u8(value, reply->replayed);
		fnr_put_id(value, &reply->id);
		fnr_put_u32(value, (uint32_t)reply->retry_after_s);
		fnr_put_text(value, reply->message);
	}
	return env_put(&txn->t, DB_META, &key, value->data, value->len, err);
}

bool op_round_find(struct store_txn *txn, const uint8_t request[16], struct op_reply *reply_r)
{
	struct key key = meta_key(META_ROUND);
	struct fnr_reader in;
	uint8_t entry[16];
	MDB_val value;

	if (env_get(&txn->t, DB_META, &key, &value) != FNR_OK)
		return false;
	in = (struct fnr_reader)FNR_READER(value.mv_data, value.mv_size);
	for (uint32_t left = fnr_get_u32(&in); left > 0 && !in.failed; left--) {
		get_raw(&in, entry, sizeof entry);
		memset(reply_r, 0, sizeof *reply_r);
		reply_r->code = (int32_t)fnr_get_u32(&in);
		reply_r->is_batch = fnr_get_u8(&in);
		reply_r->replayed = fnr_get_u8(&in);
		reply_r->id = fnr_get_id(&in);
		reply_r->retry_after_s = (int32_t)fnr_get_u32(&in);
		fnr_get_text(&in, reply_r->message, sizeof reply_r->message);
		if (!in.failed && memcmp(entry, request, sizeof entry) == 0)
			return true;
	}
	memset(reply_r, 0, sizeof *reply_r);
	return false;
}
