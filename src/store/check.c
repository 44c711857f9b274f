/* The store's own auditor. Every job says which index entries must exist; each of these is looked up. When a database
 * has as many entries as were found, there can be no others; only else it is walked to name them. What is sorted by job
 * id (body, active, attempt) is walked beside the jobs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "store/internal.h"

#define LINES_MOST 100

struct id_list { struct fnr_id *ids; size_t count, size; };

struct check {
	struct store_txn *txn;
	struct fnr_buf *report;
	size_t problems;
	struct hot hot;
	size_t jobs, state[FNR_STATE_COUNT];
	size_t found[DB_COUNT];               /* entries that a job asked for and that were there */
	uint32_t names[STORE_KEY + 1];        /* highest number of each kind */
	struct id_list uploads;               /* one for each use by a job */
	struct batch batch;                   /* of the jobs walked at the moment; its id is none outside of one */
	size_t batches;
	uint64_t *waiting[STORE_KEY + 1];     /* by the number of the name */
	struct walk body, active, attempt;
	bool definition_seen;
	uint8_t definition[32];               /* digest of the one that was looked at last, and is there */
};

static void problem(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void problem(struct check *check, const char *format, ...)
{
	va_list args;

	if (check->problems++ >= LINES_MOST)
		return;
	va_start(args, format);
	fnr_buf_vprintf(check->report, format, args);
	va_end(args);
	fnr_buf_puts(check->report, "\n");
}

/* The text of an id, good until the fourth next call. */
static const char *show(const struct fnr_id *id)
{
	static char texts[4][FNR_ID_TEXT];
	static unsigned next;

	return fnr_id_format(id, texts[next++ % 4]);
}

static void job_problem(struct check *check, const struct job_head *head, const char *what)
{
	problem(check, "job %s (%s): %s", show(&head->id), fnr_state_name(head->state), what);
}

static const char *const database_names[] = {
#define X(name, text) text,
	STORE_DATABASES(X)
#undef X
};

/* ---- names ---- */

static void check_name(struct check *check, enum store_name kind, const struct walk *walk)
{
	char name[68], back[68];
	size_t len = walk->key.mv_size - 1;
	uint32_t number;

	if (len == 0 || len >= sizeof name || walk->value.mv_size != 4) {
		problem(check, "name: a record of kind %d cannot be read", kind);
		return;
	}
	memcpy(name, (const char *)walk->key.mv_data + 1, len);
	name[len] = 0;
	number = (uint32_t)key_read(walk->value.mv_data, 4);
	if (number > check->names[kind])
		check->names[kind] = number;
	if (!store_name_text(check->txn, kind, number, back) || strcmp(name, back) != 0)
		problem(check, "name '%s' of kind %d: number %u does not lead back to it", name, kind, number);
}

static void check_names(struct check *check)
{
	for (int kind = STORE_PROJECT; kind <= STORE_KEY; kind++) {
		struct key prefix = KEY_INIT;
		struct walk walk;
		size_t count = 0;

		key_u8(&prefix, (uint8_t)kind);
		for (bool on = walk_from(&walk, &check->txn->t, DB_NAME, &prefix); on && walk_in(&walk, &prefix);
		     on = walk_next(&walk)) {
			check_name(check, kind, &walk);
			count++;
		}
		walk_end(&walk);
		if (count != check->names[kind])
			problem(check, "name: kind %d has %zu names, the highest number is %u", kind, count, check->names[kind]);
	}
}

/* ---- one job ---- */

static void check_figures(struct check *check, const struct job_head *head)
{
	if (head->seq == 0 || head->seq > check->hot.seq || head->lane_seq < head->seq || head->lane_seq > check->hot.seq)
		job_problem(check, head, "its seq or lane_seq was never given");
	if (fnr_id_compare(&head->id, &check->hot.last_job) > 0)
		job_problem(check, head, "its id is above the last one given");
	if (head->project > check->names[STORE_PROJECT] || head->shot > check->names[STORE_SHOT]
	    || head->key > check->names[STORE_KEY] || head->template_ > check->names[STORE_TEMPLATE] || !head->template_
	    || head->queue > check->names[STORE_QUEUE] || !head->queue)
		job_problem(check, head, "it names a project, shot, template, queue or key that has no name");
	if (head->event > check->hot.event)
		job_problem(check, head, "its event number was never reserved");
}

/* An index entry that must be there, with the job's id as its value (where it has one). */
static void expect(struct check *check, enum store_db db, const struct key *key, bool with_id,
                   const struct job_head *head)
{
	char what[80];
	MDB_val value;

	if (env_get(&check->txn->t, db, key, &value) == FNR_OK
	    && (!with_id || (value.mv_size == sizeof head->id && memcmp(value.mv_data, &head->id, sizeof head->id) == 0))) {
		check->found[db]++;
		return;
	}
	snprintf(what, sizeof what, "its entry in '%s' is missing", database_names[db]);
	job_problem(check, head, what);
}

static void check_indexes(struct check *check, const struct job_head *head)
{
	int64_t queue_at = due_queue_time(head), expire_at = due_expire_time(head);
	struct key key;

	if (head->state == FNR_STATE_QUEUED) {
		key = lane_key_of(head);
		expect(check, DB_LANE, &key, true, head);
	}
	if (head->project) {
		key = project_job_key(head->project, head->seq);
		expect(check, DB_PROJECT_JOB, &key, true, head);
	}
	if (queue_at) {
		key = due_key(queue_at, STORE_DUE_QUEUE, &head->id);
		expect(check, DB_DUE, &key, false, head);
	}
	if (expire_at) {
		key = due_key(expire_at, STORE_DUE_EXPIRE, &head->id);
		expect(check, DB_DUE, &key, false, head);
	}
}

/* Moves a walk that is sorted by job id up to the job; records passed belong to no job. True if it stands at the job. */
static bool catch_up(struct check *check, struct walk *walk, enum store_db db, const struct fnr_id *id)
{
	int order = -1;

	while (walk->on) {
		struct fnr_id here = walk_id(walk, 0);

		order = walk->key.mv_size < sizeof here ? -1 : fnr_id_compare(&here, id);
		if (order >= 0)
			break;
		problem(check, "%s %s: there is no such job", database_names[db], show(&here));
		walk_next(walk);
	}
	return walk->on && order == 0;
}

/* A file that is missing may belong to a job that was deleted since this check began: a newer look decides. */
static bool still_exists(struct check *check, const struct fnr_id *id)
{
	struct env_txn newer = { .env = check->txn->t.env };
	struct key key = id_key(id);
	bool found;

	if (mdb_txn_begin(newer.env->mdb, NULL, MDB_RDONLY, &newer.mdb) != MDB_SUCCESS)
		return true;
	found = env_has(&newer, DB_JOB, &key);
	mdb_txn_abort(newer.mdb);
	return found;
}

static void add_uploads(struct id_list *list, const struct body_view *view)
{
	if (list->count + view->upload_count > list->size) {
		list->size = 2 * list->size + view->upload_count + 64;
		list->ids = fnr_realloc(list->ids, list->size * sizeof *list->ids);
	}
	if (view->upload_count)
		memcpy(list->ids + list->count, view->uploads, view->upload_count * sizeof *list->ids);
	list->count += view->upload_count;
}

/* Of jobs that stand side by side most were accepted with the same template: that is looked at once. */
static bool definition_there(struct check *check, const uint8_t digest[32])
{
	struct json_object *definition;

	if (check->definition_seen && memcmp(check->definition, digest, sizeof check->definition) == 0)
		return true;
	if (store_definition_get(check->txn, digest, &definition, NULL) != FNR_OK)
		return false;
	json_object_put(definition);
	memcpy(check->definition, digest, sizeof check->definition);
	check->definition_seen = true;
	return true;
}

/* What a job needs that has not finished: its inputs, and the template that it was accepted with. */
static void check_needs(struct check *check, const struct job_head *head, const struct body_view *view)
{
	struct json_object *summary = fnr_json_parse_own(view->summary, view->summary_len, NULL);
	struct json_object *payload = view->payload ? fnr_json_parse_own(view->payload, view->payload_len, NULL) : NULL;
	const char *hex = fnr_json_get_text(summary, "digest", NULL);
	uint8_t digest[32];

	if (!summary || (view->payload && !payload))
		job_problem(check, head, "its inputs cannot be read");
	else if (hex && (!fnr_unhex(hex, digest, sizeof digest) || !definition_there(check, digest)))
		job_problem(check, head, "the template that it was accepted with is gone, or cannot be read");
	json_object_put(summary);
	json_object_put(payload);
}

static void check_body(struct check *check, const struct job_head *head)
{
	bool in_file = head->flags & JOB_FLAG_PAYLOAD_FILE, uploads = head->flags & JOB_FLAG_UPLOADS;
	struct body_view view;
	char path[64];

	if (!catch_up(check, &check->body, DB_BODY, &head->id)) {
		job_problem(check, head, "its body is missing");
		return;
	}
	if (body_parse(&check->body.value, &view) != FNR_OK) {
		job_problem(check, head, "its body cannot be read");
	} else {
		if (in_file != !view.payload || uploads != (view.upload_count > 0))
			job_problem(check, head, "its flags and its body differ");
		if (!view.payload) {
			store_payload_path(&view.payload_file, path);
			if (access(path, R_OK) < 0 && still_exists(check, &head->id))
				problem(check, "job %s: its payload %s is missing", show(&head->id), path);
		}
		add_uploads(&check->uploads, &view);
		if (!fnr_state_terminal(head->state))
			check_needs(check, head, &view);
	}
	walk_next(&check->body);
}

static void check_active(struct check *check, const struct job_head *head)
{
	bool there = catch_up(check, &check->active, DB_ACTIVE, &head->id), running = fnr_state_running(head->state);
	struct job_active active;

	if (there != running)
		job_problem(check, head, running ? "its active record is missing" : "it has an active record");
	if (!there)
		return;
	if (active_read(&check->active.value, &active) != FNR_OK)
		job_problem(check, head, "its active record cannot be read");
	else if (running && active.attempt != head->attempt)
		job_problem(check, head, "its active record is of another attempt");
	free(active.manifest);
	walk_next(&check->active);
}

/* Each attempt that has ended left its record; number 0 is the error of a job that never began one. */
static void check_attempts(struct check *check, const struct job_head *head)
{
	size_t there = 0, ended = head->attempt - (fnr_state_running(head->state) && head->attempt ? 1u : 0u);

	while (catch_up(check, &check->attempt, DB_ATTEMPT, &head->id)) {
		uint64_t attempt = walk_key(&check->attempt, sizeof head->id, 2);

		if (attempt > head->attempt)
			job_problem(check, head, "it has the record of an attempt that never began");
		else if (attempt > 0)
			there++;
		walk_next(&check->attempt);
	}
	if (there < ended)
		job_problem(check, head, "the record of an attempt is missing");
}

/* A take stays when its job goes; without it the job says so. */
static void check_take_of(struct check *check, const struct job_head *head)
{
	struct fnr_buf take = FNR_BUF_INIT;

	if (head->state == FNR_STATE_COMPLETED && head->take != 0 && !(head->flags & JOB_FLAG_TAKE_DELETED)
	    && store_take_get(check->txn, head->project, head->shot, head->take, &take) != FNR_OK)
		job_problem(check, head, "the record of its take is missing");
	fnr_buf_free(&take);
}

/* ---- batches: their jobs follow each other ---- */

static void end_batch(struct check *check)
{
	struct batch stored;
	const struct batch *counted = &check->batch;

	if (fnr_id_is_none(&counted->id))
		return;
	check->batches++;
	if (store_batch_get(check->txn, &counted->id, &stored) != FNR_OK)
		problem(check, "batch %s: its record is missing or cannot be read", show(&counted->id));
	else if (memcmp(stored.state, counted->state, sizeof stored.state) != 0)
		problem(check, "batch %s: its counts are not those of its jobs", show(&counted->id));
	else if (fnr_id_compare(&stored.first, &counted->first) > 0 || fnr_id_compare(&stored.last, &counted->last) < 0
	         || counted->total > stored.total)
		problem(check, "batch %s: it has jobs that it does not know", show(&counted->id));
	memset(&check->batch, 0, sizeof check->batch);
}

static void check_batch(struct check *check, const struct job_head *head)
{
	struct batch *batch = &check->batch;

	if (fnr_id_compare(&head->batch, &batch->id) != 0) {
		end_batch(check);
		batch->id = head->batch;
		batch->first = head->id;
	}
	if (fnr_id_is_none(&head->batch))
		return;
	batch->last = head->id;
	batch->total++;
	batch->state[head->state]++;
}

/* ---- all jobs ---- */

static void check_parents(struct check *check, const struct job_head *head)
{
	struct store_parents parents;

	if (!(head->flags & JOB_FLAG_PARENTS))
		return;
	if (store_parents_get(check->txn, &head->id, &parents) != FNR_OK) {
		job_problem(check, head, "its record of the jobs that it depends on is missing");
		return;
	}
	check->found[DB_PARENT]++;
	for (size_t i = 0; i < parents.count && !fnr_state_terminal(head->state); i++) {
		struct key key = child_key(&parents.items[i].id, &head->id), job = id_key(&parents.items[i].id);

		expect(check, DB_CHILD, &key, false, head);
		if (!env_has(&check->txn->t, DB_JOB, &job))
			job_problem(check, head, "a job that it depends on is gone");
	}
	store_parents_free(&parents);
}

static void check_take_uses(struct check *check, const struct job_head *head)
{
	struct key list = id_key(&head->id);
	MDB_val value;

	if (!(head->flags & JOB_FLAG_TAKES) || fnr_state_terminal(head->state))
		return;
	if (env_get(&check->txn->t, DB_JOB_TAKES, &list, &value) != FNR_OK) {
		job_problem(check, head, "its record of the takes that it needs is missing");
		return;
	}
	check->found[DB_JOB_TAKES]++;
	for (size_t at = 0; at + TAKE_PLACE_SIZE <= value.mv_size; at += TAKE_PLACE_SIZE) {
		struct take_place place = take_place_read((const uint8_t *)value.mv_data + at);
		struct key use = take_use_key(&place, &head->id), take = take_key(place.project, place.shot, place.take);

		expect(check, DB_TAKE_USE, &use, false, head);
		if (!env_has(&check->txn->t, DB_TAKE, &take))
			job_problem(check, head, "a take that it needs is gone");
	}
}

static void count_waiting(struct check *check, const struct job_head *head)
{
	if (!fnr_state_waiting(head->state) || head->queue > check->names[STORE_QUEUE] || head->project > check->names[STORE_PROJECT] ||
	    head->key > check->names[STORE_KEY])
		return;
	check->waiting[STORE_QUEUE][head->queue]++;
	check->waiting[STORE_PROJECT][head->project]++;
	check->waiting[STORE_KEY][head->key]++;
}

static void check_job(struct check *check, const struct walk *walk)
{
	struct fnr_id id = walk_id(walk, 0);
	struct job_head head;

	check->jobs++;
	if (job_head_read(&walk->value, &head) != FNR_OK || walk->key.mv_size != sizeof id
	    || fnr_id_compare(&head.id, &id) != 0) {
		problem(check, "job %s: its record cannot be read", show(&id));
		return;
	}
	check->state[head.state]++;
	count_waiting(check, &head);
	check_figures(check, &head);
	check_indexes(check, &head);
	check_body(check, &head);
	check_active(check, &head);
	check_attempts(check, &head);
	check_take_of(check, &head);
	check_batch(check, &head);
	check_parents(check, &head);
	check_take_uses(check, &head);
}

static void end_walk(struct check *check, struct walk *walk, enum store_db db)
{
	static const struct fnr_id beyond = { { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	                                       255 } };

	catch_up(check, walk, db, &beyond);
	if (walk->code != FNR_OK)
		problem(check, "%s: it cannot be read to its end", database_names[db]);
	walk_end(walk);
}

static void check_jobs(struct check *check)
{
	struct env_txn *t = &check->txn->t;
	struct walk walk;

	walk_from(&check->body, t, DB_BODY, NULL);
	walk_from(&check->active, t, DB_ACTIVE, NULL);
	walk_from(&check->attempt, t, DB_ATTEMPT, NULL);
	for (bool on = walk_from(&walk, t, DB_JOB, NULL); on; on = walk_next(&walk))
		check_job(check, &walk);
	end_batch(check);
	end_walk(check, &walk, DB_JOB);
	end_walk(check, &check->body, DB_BODY);
	end_walk(check, &check->active, DB_ACTIVE);
	end_walk(check, &check->attempt, DB_ATTEMPT);
}

/* ---- entries that no job asked for ---- */

static bool wanted(struct check *check, enum store_db db, const struct walk *walk, const struct fnr_id *id)
{
	struct job_head head;
	struct key key;

	if (store_job_get(check->txn, id, &head) != FNR_OK)
		return false;
	if (db == DB_LANE && head.state == FNR_STATE_QUEUED)
		key = lane_key_of(&head);
	else if (db == DB_PROJECT_JOB && head.project)
		key = project_job_key(head.project, head.seq);
	else if (db == DB_DUE && walk_key(walk, 8, 1) == STORE_DUE_QUEUE && due_queue_time(&head))
		key = due_key(due_queue_time(&head), STORE_DUE_QUEUE, id);
	else if (db == DB_DUE && walk_key(walk, 8, 1) == STORE_DUE_EXPIRE && due_expire_time(&head))
		key = due_key(due_expire_time(&head), STORE_DUE_EXPIRE, id);
	else
		return false;
	return walk->key.mv_size == key.len && walk_in(walk, &key);
}

static void check_surplus(struct check *check, enum store_db db)
{
	struct walk walk;

	if (env_entries(&check->txn->t, db) == check->found[db])
		return;
	for (bool on = walk_from(&walk, &check->txn->t, db, NULL); on; on = walk_next(&walk)) {
		struct fnr_id id = db == DB_DUE ? walk_id(&walk, 9) : FNR_ID_NONE;

		if (db != DB_DUE && walk.value.mv_size == sizeof id)
			memcpy(&id, walk.value.mv_data, sizeof id);
		if (!wanted(check, db, &walk, &id))
			problem(check, "%s: an entry of job %s does not belong there", database_names[db], show(&id));
	}
	walk_end(&walk);
}

static void check_family(struct check *check, enum store_db db)
{
	size_t there = env_entries(&check->txn->t, db);

	if (there != check->found[db])
		problem(check, "%s: it has %zu entries, %zu belong there", database_names[db], there, check->found[db]);
}

static void check_batch_records(struct check *check)
{
	struct job_head head;
	struct batch batch;
	struct walk walk;

	if (env_entries(&check->txn->t, DB_BATCH) == check->batches)
		return;
	for (bool on = walk_from(&walk, &check->txn->t, DB_BATCH, NULL); on; on = walk_next(&walk)) {
		struct fnr_id id = walk_id(&walk, 0);

		if (batch_read(&walk.value, &batch) != FNR_OK)
			problem(check, "batch %s: its record cannot be read", show(&id));
		else if (store_job_get(check->txn, &batch.last, &head) != FNR_OK || fnr_id_compare(&head.batch, &id) != 0)
			problem(check, "batch %s: its last job is gone or of another batch, and batches and jobs do not add up",
			        show(&id));
	}
	walk_end(&walk);
}

/* ---- counters ---- */

static void check_counters(struct check *check)
{
	uint64_t sum = 0;

	for (int state = 0; state < FNR_STATE_COUNT; state++) {
		sum += check->state[state];
		if (check->hot.state[state] != check->state[state])
			problem(check, "counters: %llu jobs are said to be %s, there are %zu",
			        (unsigned long long)check->hot.state[state],
			        fnr_state_name(state), check->state[state]);
	}
	if (check->hot.accepted != check->hot.removed + sum)
		problem(check, "conservation: %llu accepted, %llu removed, but %llu are there",
		        (unsigned long long)check->hot.accepted,
		        (unsigned long long)check->hot.removed, (unsigned long long)sum);
}

static void check_waiting(struct check *check)
{
	static const enum store_name kinds[] = { STORE_QUEUE, STORE_PROJECT, STORE_KEY };

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		uint64_t *counted = check->waiting[kinds[i]];

		for (uint32_t number = 1; number <= check->names[kinds[i]]; number++)
			if (store_waiting(check->txn, kinds[i], number) != counted[number])
				problem(check, "waiting: number %u of kind %d is said to have %llu jobs, there are %llu", number, kinds[i],
				        (unsigned long long)store_waiting(check->txn, kinds[i], number), (unsigned long long)counted[number]);
		free(counted);
	}
}

/* ---- uploads, takes, templates, small records ---- */

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct fnr_id));
}

/* Uses of ids below the upload at hand are of uploads that are gone. Returns the uses of this one. */
static size_t count_uses(struct check *check, size_t *at, const struct fnr_id *upload)
{
	const struct id_list *list = &check->uploads;
	size_t uses = 0;

	for (; *at < list->count; ++*at) {
		int order = upload ? fnr_id_compare(&list->ids[*at], upload) : -1;

		if (order > 0)
			break;
		if (order == 0)
			uses++;
		else
			problem(check, "upload %s: a job names it, but it is gone", show(&list->ids[*at]));
	}
	return uses;
}

static void check_uploads(struct check *check)
{
	struct store_upload upload;
	struct walk walk;
	size_t at = 0;

	if (check->uploads.count)
		qsort(check->uploads.ids, check->uploads.count, sizeof *check->uploads.ids, compare_ids);
	for (bool on = walk_from(&walk, &check->txn->t, DB_UPLOAD, NULL); on; on = walk_next(&walk)) {
		struct fnr_id id = walk_id(&walk, 0);
		size_t uses = count_uses(check, &at, &id);

		if (upload_read(&walk.value, &upload) != FNR_OK)
			problem(check, "upload %s: its record cannot be read", show(&id));
		else if (upload.jobs != uses)
			problem(check, "upload %s: it counts %u jobs, %zu name it", show(&id), upload.jobs, uses);
	}
	count_uses(check, &at, NULL);
	walk_end(&walk);
	free(check->uploads.ids);
	for (bool on = walk_from(&walk, &check->txn->t, DB_CONTENT, NULL); on; on = walk_next(&walk)) {
		struct fnr_id id = walk_id(&walk, 32);

		if (store_upload_get(check->txn, &id, &upload) != FNR_OK || memcmp(upload.sha256, walk.key.mv_data, sizeof upload.sha256) != 0)
			problem(check, "upload %s: it is listed for contents that it does not hold", show(&id));
	}
	walk_end(&walk);
}

static void check_takes(struct check *check)
{
	struct walk walk;

	for (bool on = walk_from(&walk, &check->txn->t, DB_TAKE, NULL); on; on = walk_next(&walk)) {
		uint32_t project = (uint32_t)walk_key(&walk, 0, 4), shot = (uint32_t)walk_key(&walk, 4, 4);
		uint32_t take = (uint32_t)walk_key(&walk, 8, 4);

		if (take == 0 || take > store_shot_counter(check->txn, project, shot))
			problem(check, "take %u of shot %u in project %u: its number was never given", take, shot, project);
		if (project == 0 || project > check->names[STORE_PROJECT] || shot > check->names[STORE_SHOT])
			problem(check, "take %u of shot %u in project %u: the project or the shot has no name", take, shot,
			        project);
	}
	walk_end(&walk);
}

static bool check_template(const char *id, struct store_version version, const uint8_t digest[32], const char *source,
                           void *context)
{
	struct check *check = context;
	struct json_object *definition;
	int code = store_definition_get(check->txn, digest, &definition, NULL);

	if (code != FNR_OK)
		problem(check, "template %s@%u.%u.%u: its definition %s", id, version.major, version.minor, version.patch,
		        code == FNR_E_CORRUPT ? "cannot be read" : "is missing");
	json_object_put(definition);
	return true;
}

static void check_small(struct check *check)
{
	struct store_idempotency entry;
	struct walk walk;

	if (store_templates(check->txn, NULL, check_template, check) != env_entries(&check->txn->t, DB_TEMPLATE))
		problem(check, "template: some records cannot be read");
	for (bool on = walk_from(&walk, &check->txn->t, DB_IDEMPOTENCY, NULL); on; on = walk_next(&walk))
		if (walk.key.mv_size != 32 || idempotency_read(&walk.value, &entry) != FNR_OK)
			problem(check, "idempotency: a record cannot be read");
	walk_end(&walk);
	for (bool on = walk_from(&walk, &check->txn->t, DB_DEDUPE, NULL); on; on = walk_next(&walk)) {
		struct key job = KEY_INIT;

		key_bytes(&job, walk.value.mv_data, walk.value.mv_size == sizeof(struct fnr_id) ? sizeof(struct fnr_id) : 0);
		if (!job.len || !env_has(&check->txn->t, DB_JOB, &job))
			problem(check, "dedupe: an entry names a job that is gone");
	}
	walk_end(&walk);
	for (bool on = walk_from(&walk, &check->txn->t, DB_COMMAND, NULL); on; on = walk_next(&walk))
		if (walk.key.mv_size != 8 || walk_key(&walk, 0, 8) > check->hot.command)
			problem(check, "command: a record has a number that was never given");
	walk_end(&walk);
}

static bool check_backend(const char *id, const struct store_backend *backend, void *context)
{
	struct check *check = context;
	struct json_object *record = fnr_json_parse_own(backend->json, backend->len, NULL);

	if (!json_object_is_type(record, json_type_object) || backend->revision > store_backends_revision(check->txn))
		problem(check, "backend %s: its record cannot be read, or has a revision that was never given", id);
	json_object_put(record);
	return true;
}

static void check_backends(struct check *check)
{
	struct walk walk;

	store_backends(check->txn, check_backend, check);
	for (bool on = walk_from(&walk, &check->txn->t, DB_SECRET, NULL); on; on = walk_next(&walk)) {
		struct key key = KEY_INIT;

		key_bytes(&key, walk.key.mv_data, walk.key.mv_size < sizeof key.data ? walk.key.mv_size : 0);
		if (!key.len || !env_has(&check->txn->t, DB_BACKEND, &key))
			problem(check, "secret: there are credentials of a backend that is gone");
	}
	walk_end(&walk);
}

/* Not every failed job is one, but every one is a failed job. */
static void check_dead(struct check *check)
{
	struct walk walk;

	for (bool on = walk_from(&walk, &check->txn->t, DB_DEAD, NULL); on; on = walk_next(&walk)) {
		struct fnr_id id = walk_id(&walk, 8);
		struct job_head head;

		if (walk.key.mv_size != 24 || store_job_get(check->txn, &id, &head) != FNR_OK || head.state != FNR_STATE_FAILED ||
		    walk_key(&walk, 0, 8) != (uint64_t)head.finished_at)
			problem(check, "dead: an entry of job %s does not belong there", show(&id));
	}
	walk_end(&walk);
}

static void misshapen(enum store_db db, size_t count, void *context)
{
	struct check *check = context;

	problem(check, "%s: %zu records cannot be read", database_names[db], count);
}

/* ---- all of it ---- */

static void summarise(struct check *check, struct fnr_buf *summary)
{
	struct env_txn *t = &check->txn->t;

	fnr_buf_printf(summary, "jobs=%zu accepted=%llu removed=%llu", check->jobs, (unsigned long long)check->hot.accepted,
	               (unsigned long long)check->hot.removed);
	for (int state = 0; state < FNR_STATE_COUNT; state++)
		fnr_buf_printf(summary, " %s=%zu", fnr_state_name(state), check->state[state]);
	fnr_buf_printf(summary, " batches=%zu uploads=%zu takes=%zu templates=%zu commands=%zu problems=%zu",
	               env_entries(t, DB_BATCH), env_entries(t, DB_UPLOAD), env_entries(t, DB_TAKE),
	               env_entries(t, DB_TEMPLATE), env_entries(t, DB_COMMAND), check->problems);
}

size_t store_check(struct store_txn *txn, struct fnr_buf *report, struct fnr_buf *summary)
{
	struct fnr_buf unused = FNR_BUF_INIT;
	struct check check = { .txn = txn, .report = report ? report : &unused };

	if (hot_get(txn, &check.hot) != FNR_OK)
		problem(&check, "meta: the counters cannot be read");
	check_names(&check);
	for (int kind = STORE_PROJECT; kind <= STORE_KEY; kind++)
		check.waiting[kind] = kind == STORE_QUEUE || kind == STORE_PROJECT || kind == STORE_KEY
			? fnr_alloc((check.names[kind] + (size_t)1) * sizeof(uint64_t)) : NULL;
	check_jobs(&check);
	check_surplus(&check, DB_LANE);
	check_surplus(&check, DB_PROJECT_JOB);
	check_surplus(&check, DB_DUE);
	check_family(&check, DB_PARENT);
	check_family(&check, DB_CHILD);
	check_family(&check, DB_JOB_TAKES);
	check_family(&check, DB_TAKE_USE);
	check_batch_records(&check);
	check_counters(&check);
	check_waiting(&check);
	check_uploads(&check);
	check_takes(&check);
	check_dead(&check);
	check_backends(&check);
	check_small(&check);
	check_shapes(txn, misshapen, &check);
	if (summary)
		summarise(&check, summary);
	fnr_buf_free(&unused);
	return check.problems;
}
