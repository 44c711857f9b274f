#include "http/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"

#define API "/api/v1"
#define POSITION_ROWS 2000     /* of lanes; a job that stands behind more has no position yet */

/* The members of a summary that a job shows as they are. */
static const char *const summary_members[] = { "template", "version", "quality", "preset", "variant", "seed", "queue", "project", "shot", "node_id", "ref" };

static struct json_object *parse(struct fnr_buf *text)
{
	struct json_object *value = text->len ? fnr_json_parse_own(text->data, text->len, NULL) : NULL;

	fnr_buf_free(text);
	return value;
}

static void move_member(struct json_object *to, struct json_object *from, const char *name)
{
	struct json_object *value = fnr_json_get(from, name);

	fnr_json_set(to, name, json_object_get(value));
}

/* ---- progress ---- */

struct stage_times { int64_t start, end; };

static void add_stage(struct json_object *list, enum fnr_stage stage, const char *state, double fraction, struct stage_times times)
{
	struct json_object *item = json_object_new_object();

	fnr_json_set_text(item, "name", fnr_stage_name(stage));
	fnr_json_set_text(item, "state", state);
	fnr_json_set_real(item, "fraction", fraction);
	fnr_json_set_time(item, "started_at", times.start);
	fnr_json_set_time(item, "finished_at", times.end);
	json_object_array_add(list, item);
}

/* What the head alone tells: which stage it is in, and whether it went through all of them. */
static struct json_object *stages_of(const struct job_head *head)
{
	struct json_object *list = json_object_new_array();
	bool completed = head->state == FNR_STATE_COMPLETED, terminal = fnr_state_terminal(head->state);
	int current = fnr_state_waiting(head->state) ? FNR_STAGE_QUEUE : head->stage;

	for (int stage = 0; stage < FNR_STAGE_COUNT; stage++) {
		struct stage_times times = { 0, 0 };

		if (stage == FNR_STAGE_QUEUE) {
			times.start = head->queued_at;
			times.end = current > stage || completed ? head->started_at : 0;
		}
		if (completed || stage < current)
			add_stage(list, stage, "completed", 1.0, times);
		else if (stage == current)
			add_stage(list, stage, terminal ? fnr_state_name(head->state) : "running", 0.0, times);
		else
			add_stage(list, stage, terminal ? "skipped" : "pending", 0.0, times);
	}
	return list;
}

static const char *state_message(enum fnr_state state)
{
	switch (state) {
	case FNR_STATE_SCHEDULED: return "Waiting for its time";
	case FNR_STATE_QUEUED: return "Waiting in the queue";
	case FNR_STATE_RUNNING: return "Working";
	case FNR_STATE_FINISHING: return "Filing the result";
	case FNR_STATE_CANCELLING: return "Stopping";
	case FNR_STATE_RETRY_WAIT: return "Waiting before another try";
	case FNR_STATE_COMPLETED: return "Done";
	case FNR_STATE_FAILED: return "Failed";
	case FNR_STATE_CANCELLED: return "Cancelled";
	case FNR_STATE_EXPIRED: return "Expired before it could start";
	case FNR_STATE_COUNT: break;
	}
	return "";
}

/* The journal's progress counts only for the attempt and kind of state it was written in. */
static struct json_object *progress_of_journal(struct journal_txn *journal, const struct job_head *head)
{
	struct fnr_buf text = FNR_BUF_INIT;

	if (!journal || journal_progress_get(journal, &head->id, &text) != FNR_OK) {
		fnr_buf_free(&text);
		return NULL;
	}
	return parse(&text);
}

struct json_object *view_progress(struct store_txn *txn, struct journal_txn *journal, const struct job_head *head)
{
	struct json_object *progress = NULL;
	bool completed = head->state == FNR_STATE_COMPLETED;
	int64_t position = -1;

	if (!fnr_state_waiting(head->state))
		progress = progress_of_journal(journal, head);
	if (progress && fnr_json_get_int(progress, "attempt", head->attempt) == head->attempt &&
	    (!fnr_state_terminal(head->state) || strcmp(fnr_json_get_text(progress, "state", ""), fnr_state_name(head->state)) == 0)) {
		json_object_object_del(progress, "attempt");
		json_object_object_del(progress, "state");
		return progress;
	}
	json_object_put(progress);
	if (txn && head->state == FNR_STATE_QUEUED)
		position = store_lane_position(txn, head, POSITION_ROWS);
	progress = json_object_new_object();
	fnr_json_set_real(progress, "percent", completed ? 100.0 : 0.0);
	fnr_json_set_text(progress, "message", head->flags & JOB_FLAG_WAITS ? "Waiting for another job" : state_message(head->state));
	fnr_json_set_text(progress, "stage", fnr_stage_name(fnr_state_waiting(head->state) ? FNR_STAGE_QUEUE : head->stage));
	fnr_json_set(progress, "stages", stages_of(head));
	if (position >= 0)
		fnr_json_set_int(progress, "position", position);
	else
		fnr_json_set(progress, "position", NULL);
	fnr_json_set(progress, "resources", NULL);
	fnr_json_set(progress, "eta_seconds", NULL);
	fnr_json_set(progress, "eta_confidence", NULL);
	return progress;
}

/* ---- outputs ---- */

static void output_path(char *out, size_t size, const char *job, const char *project, const char *shot, uint32_t take, const char *file)
{
	if (project && *project)
		snprintf(out, size, "%s/%s/take_%03u/%s", project, shot, take, file);
	else
		snprintf(out, size, ".jobs/%s/%s", job, file);
}

void view_file_found(struct store_txn *txn, struct json_object *file, const char *url)
{
	static const char *const names[] = { "width", "height", "duration", "sharpness", "bit_rate", "frame_rate", "sample_rate", "channels", "loudness" };
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *found = NULL;
	uint8_t sha256[32];

	fnr_json_set(file, "thumbnail", NULL);
	if (txn && fnr_unhex(fnr_json_get_text(file, "sha256", ""), sha256, sizeof sha256) && store_thumbnail_get(txn, sha256, &text) == FNR_OK)
		found = parse(&text);
	for (size_t i = 0; found && i < sizeof names / sizeof names[0]; i++)
		if (fnr_json_get(found, names[i]) && !fnr_json_get(file, names[i]))
			move_member(file, found, names[i]);
	if (found && fnr_json_get_bool(found, "made", false)) {
		char address[640];

		snprintf(address, sizeof address, "%s/thumbnail", url);
		fnr_json_set_text(file, "thumbnail", address);
	}
	fnr_buf_free(&text);
	json_object_put(found);
}

struct json_object *view_outputs(struct store_txn *txn, const char *job, const char *project, const char *shot, uint32_t take,
                                 struct json_object *outputs)
{
	static const char *const copied[] = { "media_type", "bytes", "sha256", "width", "height", "duration" };
	struct json_object *list = json_object_new_array();
	size_t count = json_object_is_type(outputs, json_type_array) ? json_object_array_length(outputs) : 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *from = json_object_array_get_idx(outputs, i), *item = json_object_new_object();
		const char *name = fnr_json_get_text(from, "name", "");
		char text[512], url[512];

		fnr_json_set_text(item, "name", name);
		snprintf(url, sizeof url, API "/jobs/%s/outputs/%s", job, name);
		fnr_json_set_text(item, "url", url);
		output_path(text, sizeof text, job, project, shot, take, fnr_json_get_text(from, "file", ""));
		fnr_json_set_text(item, "path", text);
		for (size_t k = 0; k < sizeof copied / sizeof copied[0]; k++)
			if (fnr_json_get(from, copied[k]))
				move_member(item, from, copied[k]);
		view_file_found(txn, item, url);
		json_object_array_add(list, item);
	}
	return list;
}

/* ---- the job ---- */

static void set_id(struct json_object *to, const char *name, const struct fnr_id *id)
{
	char text[FNR_ID_TEXT];

	fnr_json_set_text(to, name, fnr_id_is_none(id) ? NULL : fnr_id_format(id, text));
}

static void set_urls(struct json_object *job, const char *id)
{
	static const char *const names[] = { "self", "events", "cancel", "result" };
	struct json_object *urls = json_object_new_object();

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char text[128];

		snprintf(text, sizeof text, API "/jobs/%s%s%s", id, i ? "/" : "", i ? names[i] : "");
		fnr_json_set_text(urls, names[i], text);
	}
	fnr_json_set(job, "urls", urls);
}

void view_limit_name(unsigned kind, uint32_t number, char name[64])
{
	snprintf(name, 64, VIEW_LIMITS "%u/%u/", kind, number);
}

static bool any_row(const char *id, const char *json, size_t len, void *context)
{
	(void)id, (void)json, (void)len, (void)context;
	return false;
}

static bool limit_reached(struct journal_txn *journal, const struct view_waiter *waiter)
{
	const uint32_t numbers[] = { waiter->queue, waiter->project, waiter->template_, waiter->tier };
	char name[64];

	for (unsigned kind = 0; journal && kind < sizeof numbers / sizeof numbers[0]; kind++) {
		view_limit_name(kind, numbers[kind], name);
		if (journal_live(journal, name, any_row, NULL))
			return true;
	}
	return false;
}

struct text_found { const char *name; struct fnr_buf text; };

static bool keep_text(const char *id, const char *json, size_t len, void *context)
{
	struct text_found *found = context;

	if (strcmp(id, found->name) != 0)
		return true;
	fnr_buf_add(&found->text, json, len);
	return false;
}

static struct json_object *live_entry(struct journal_txn *journal, const char *name)
{
	struct text_found found = { .name = name, .text = FNR_BUF_INIT };

	if (journal)
		journal_live(journal, name, keep_text, &found);
	return parse(&found.text);
}

static struct json_object *entry_of(struct journal_txn *journal, const char *prefix, const char *id)
{
	char name[96];

	snprintf(name, sizeof name, "%s%.64s", prefix, id);
	return live_entry(journal, name);
}

struct json_object *view_backend(struct journal_txn *journal, const char *id)
{
	return entry_of(journal, VIEW_BACKENDS, id);
}

struct json_object *view_found(struct journal_txn *journal, const char *id)
{
	return entry_of(journal, VIEW_FOUND, id);
}

struct json_object *view_models(struct journal_txn *journal, const char *id)
{
	return entry_of(journal, VIEW_MODELS, id);
}

struct set_found { const char *name; view_set *seen; void *context; };

/* Digits within quotes. */
static bool see_set(const char *id, const char *json, size_t len, void *context)
{
	struct set_found *found = context;

	if (strcmp(id, found->name) == 0 && len >= 2)
		found->seen(json + 1, len - 2, found->context);
	return false;
}

void view_nodes(struct journal_txn *journal, const char *id, view_set *seen, void *context)
{
	char name[96];
	struct set_found found = { name, seen, context };

	snprintf(name, sizeof name, VIEW_NODES "%.64s", id);
	if (journal)
		journal_live(journal, name, see_set, &found);
}

void view_queue_name(uint32_t number, char name[64])
{
	snprintf(name, 64, "queue/%u", number);
}

struct json_object *view_queue(struct journal_txn *journal, uint32_t number)
{
	char name[64];

	view_queue_name(number, name);
	return live_entry(journal, name);
}

void view_held_name(uint64_t class_, char name[64])
{
	snprintf(name, 64, VIEW_HELD "%016llx", (unsigned long long)class_);
}

/* NULL: some backend can do jobs of this class, for all we know. */
static const char *backends_lacking(struct journal_txn *journal, uint64_t class_)
{
	struct json_object *held;
	bool small;
	char name[64];

	view_held_name(class_, name);
	held = live_entry(journal, name);
	if (!held)
		return NULL;
	small = strcmp(fnr_json_get_text(held, "reason", ""), "resources") == 0;
	json_object_put(held);
	return small ? "resources" : "no_backend";
}

static bool all_held(struct journal_txn *journal)
{
	struct json_object *held = live_entry(journal, VIEW_HELD_ALL);

	json_object_put(held);
	return held != NULL;
}

const char *view_held_up(struct store_txn *txn, struct journal_txn *journal, const struct view_waiter *waiter)
{
	const char *lacking;

	if (txn && store_queue_get(txn, waiter->queue).paused)
		return "paused";
	if (all_held(journal))
		return "disk";
	lacking = backends_lacking(journal, waiter->class_);
	if (lacking)
		return lacking;
	return limit_reached(journal, waiter) ? "limit" : "position";
}

static const char *waiting_for(struct store_txn *txn, struct journal_txn *journal, const struct job_head *head)
{
	if (head->flags & JOB_FLAG_WAITS)
		return "dependency";
	if (head->state == FNR_STATE_SCHEDULED || head->state == FNR_STATE_RETRY_WAIT)
		return "not_before";
	if (head->state != FNR_STATE_QUEUED)
		return NULL;
	return view_held_up(txn, journal, &(struct view_waiter){ head->queue, head->project, head->template_, head->quality, head->class_ });
}

/* Backend, worker and placement: of the attempt that runs, else of the last one that ended. */
static void set_where(struct json_object *job, struct store_txn *txn, const struct job_head *head, struct json_object *attempt)
{
	struct job_active active;

	if (fnr_state_running(head->state) && store_active_get(txn, &head->id, &active) == FNR_OK) {
		fnr_json_set_text(job, "backend", active.backend);
		fnr_json_set_text(job, "placement", active.placement);
		fnr_json_set_text(job, "worker", active.worker);
		free(active.manifest);
		return;
	}
	fnr_json_set_text(job, "backend", fnr_json_get_text(attempt, "backend", NULL));
	fnr_json_set_text(job, "placement", fnr_json_get_text(attempt, "placement", NULL));
	fnr_json_set_text(job, "worker", fnr_json_get_text(attempt, "worker", NULL));
}

static void set_parents(struct store_txn *txn, struct json_object *job, const struct job_head *head)
{
	struct json_object *list = json_object_new_array();
	struct store_parents parents = { 0 };
	char id[FNR_ID_TEXT];

	if (head->flags & JOB_FLAG_PARENTS)
		store_parents_get(txn, &head->id, &parents);
	for (size_t i = 0; i < parents.count; i++)
		json_object_array_add(list, json_object_new_string(fnr_id_format(&parents.items[i].id, id)));
	fnr_json_set(job, "depends_on", list);
	fnr_json_set_text(job, "on_parent_failure", parents.skip ? "skip" : "fail");
	store_parents_free(&parents);
}

static void set_times(struct json_object *job, const struct job_head *head)
{
	fnr_json_set_time(job, "created_at", head->created_at);
	fnr_json_set_time(job, "queued_at", head->queued_at);
	fnr_json_set_time(job, "started_at", head->started_at);
	fnr_json_set_time(job, "finished_at", head->finished_at);
	fnr_json_set_time(job, "not_before", head->not_before);
	fnr_json_set_time(job, "expires_at", head->expires_at);
}

static struct json_object *last_attempt(struct store_txn *txn, const struct job_head *head)
{
	struct fnr_buf text = FNR_BUF_INIT;

	if (fnr_state_running(head->state) || store_attempt_get(txn, &head->id, head->attempt, &text) != FNR_OK) {
		fnr_buf_free(&text);
		return NULL;
	}
	return parse(&text);
}

static void set_result(struct store_txn *txn, struct json_object *job, const struct job_head *head, const char *id, struct json_object *summary,
                       struct json_object *attempt)
{
	bool completed = head->state == FNR_STATE_COMPLETED, there = completed && !(head->flags & JOB_FLAG_TAKE_DELETED);

	fnr_json_set(job, "take", head->take && there ? json_object_new_int64(head->take) : NULL);
	fnr_json_set(job, "outputs", view_outputs(txn, id, fnr_json_get_text(summary, "project", NULL), fnr_json_get_text(summary, "shot", NULL),
	                                          head->take, there ? fnr_json_get(attempt, "outputs") : NULL));
	fnr_json_set(job, "error", completed ? NULL : json_object_get(fnr_json_get(attempt, "error")));
}

struct json_object *view_job(struct store_txn *txn, struct journal_txn *journal, const struct job_head *head, bool brief,
                             struct fnr_error *err)
{
	struct fnr_buf summary_text = FNR_BUF_INIT, payload_text = FNR_BUF_INIT;
	struct json_object *job, *summary, *payload, *attempt, *progress;
	char id[FNR_ID_TEXT];

	if (store_job_body(txn, &head->id, &summary_text, brief ? NULL : &payload_text, err) != FNR_OK) {
		fnr_buf_free(&summary_text);
		fnr_buf_free(&payload_text);
		return NULL;
	}
	summary = parse(&summary_text);
	payload = parse(&payload_text);
	attempt = last_attempt(txn, head);
	progress = view_progress(brief ? NULL : txn, journal, head);
	job = json_object_new_object();
	fnr_json_set_text(job, "id", fnr_id_format(&head->id, id));
	fnr_json_set_text(job, "state", fnr_state_name(head->state));
	fnr_json_set_text(job, "stage", fnr_json_get_text(progress, "stage", NULL));
	for (size_t i = 0; i < sizeof summary_members / sizeof summary_members[0]; i++)
		move_member(job, summary, summary_members[i]);
	fnr_json_set_text(job, "tier", fnr_quality_name(head->quality));
	if (!brief) {
		move_member(job, payload, "inputs");
		move_member(job, payload, "parameters");
		move_member(job, payload, "metadata");
	}
	fnr_json_set_int(job, "priority", head->priority);
	set_id(job, "batch", &head->batch);
	set_id(job, "retry_of", &head->retry_of);
	fnr_json_set_int(job, "attempt", head->attempt);
	fnr_json_set_int(job, "max_attempts", head->max_attempts);
	set_parents(txn, job, head);
	set_where(job, txn, head, attempt);
	set_result(txn, job, head, id, summary, attempt);
	fnr_json_set(job, "progress", progress);
	fnr_json_set_text(job, "waiting_for", waiting_for(txn, journal, head));
	set_times(job, head);
	set_urls(job, id);
	json_object_put(summary);
	json_object_put(payload);
	json_object_put(attempt);
	return job;
}

/* ---- the batch ---- */

#define BATCH_JOBS_SHOWN 100

struct batch_rows { const struct batch *batch; struct json_object *ids; };

static bool batch_row(const struct job_head *head, void *context)
{
	struct batch_rows *rows = context;
	char id[FNR_ID_TEXT];

	if (fnr_id_compare(&head->id, &rows->batch->last) > 0)
		return false;
	if (fnr_id_compare(&head->batch, &rows->batch->id) == 0)
		json_object_array_add(rows->ids, json_object_new_string(fnr_id_format(&head->id, id)));
	return true;
}

static struct json_object *batch_jobs(struct store_txn *txn, const struct batch *batch)
{
	struct batch_rows rows = { batch, json_object_new_array() };
	struct job_head head;

	if (store_job_get(txn, &batch->first, &head) == FNR_OK)
		batch_row(&head, &rows);
	store_jobs_after(txn, &batch->first, BATCH_JOBS_SHOWN - 1, batch_row, &rows);
	return rows.ids;
}

static const char *batch_state(const struct batch *batch)
{
	for (int state = 0; state < FNR_STATE_COUNT; state++)
		if (batch->state[state] && !fnr_state_terminal(state))
			return "running";
	if (batch->state[FNR_STATE_FAILED] || batch->state[FNR_STATE_EXPIRED])
		return "failed";
	return batch->state[FNR_STATE_CANCELLED] ? "cancelled" : "completed";
}

struct json_object *view_batch(struct store_txn *txn, struct journal_txn *journal, const struct batch *batch)
{
	struct json_object *object = json_object_new_object(), *counts = json_object_new_object(), *urls = json_object_new_object();
	char id[FNR_ID_TEXT], text[128], project[68];
	uint32_t finished = 0, known = 0;

	(void)journal;
	fnr_id_format(&batch->id, id);
	for (int state = 0; state < FNR_STATE_COUNT; state++) {
		fnr_json_set_int(counts, fnr_state_name(state), batch->state[state]);
		known += batch->state[state];
		finished += fnr_state_terminal(state) ? batch->state[state] : 0;
	}
	fnr_json_set_text(object, "id", id);
	fnr_json_set_text(object, "state", batch_state(batch));
	fnr_json_set_int(object, "total", batch->total);
	fnr_json_set(object, "counts", counts);
	fnr_json_set_real(object, "percent", batch->total ? 100.0 * (finished + (batch->total - known)) / batch->total : 100.0);
	fnr_json_set_bool(object, "stop_on_error", batch->stop_on_error);
	fnr_json_set_text(object, "project", store_name_text(txn, STORE_PROJECT, batch->project, project) ? project : NULL);
	fnr_json_set_time(object, "created_at", batch->created_at);
	fnr_json_set(object, "jobs", batch_jobs(txn, batch));
	snprintf(text, sizeof text, API "/batches/%s", id);
	fnr_json_set_text(urls, "self", text);
	snprintf(text, sizeof text, API "/batches/%s/events", id);
	fnr_json_set_text(urls, "events", text);
	snprintf(text, sizeof text, API "/batches/%s/cancel", id);
	fnr_json_set_text(urls, "cancel", text);
	snprintf(text, sizeof text, API "/jobs?batch=%s", id);
	fnr_json_set_text(urls, "jobs", text);
	fnr_json_set(object, "urls", urls);
	return object;
}
