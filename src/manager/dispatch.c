/* New jobs, jobs that are due, and the next job for each idle worker. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "files/take.h"
#include "manager/manager.h"
#include "manager/render.h"
#include "queue/forecast.h"

#define QUEUE_FIRST "priority"       /* the queue whose jobs go before all others */

/* ---- looking ---- */

void dispatch_look(struct manager *manager)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn = store_read(manager->store, &err);
	struct fnr_buf text = FNR_BUF_INIT;
	struct fnr_id last;
	uint64_t seq;

	if (!txn)
		manager_fail(manager, "the store cannot be read", &err);
	last = store_last_job(txn);
	manager->next_due = store_next_due(txn);
	if (fnr_id_compare(&last, &manager->seen) > 0 || store_backends_revision(txn) != manager->servers_revision ||
	    store_command_next(txn, 0, &seq, &text) == FNR_OK)
		manager->work = true;
	store_read_end(txn);
	fnr_buf_free(&text);
	manager->look = false;
}

/* ---- lanes ---- */

/* A job that was not taken up yet is no head: its first event comes first. It enters its lane when it is. */
static bool is_seen(const struct manager *manager, const struct fnr_id *job)
{
	return fnr_id_compare(job, &manager->seen) <= 0;
}

/* Who stands behind a job that vanishes before it is taken up would be forgotten with it. */
static void leave_lane(struct manager *manager, const struct lane_key *key)
{
	if (manager->left_count == manager->left_size) {
		manager->left_size = manager->left_size ? 2 * manager->left_size : 16;
		manager->left = fnr_realloc(manager->left, manager->left_size * sizeof *manager->left);
	}
	manager->left[manager->left_count++] = *key;
}

static int64_t waits_since(struct manager *manager, const struct fnr_id *job, struct job_head *head_r)
{
	if (store_job_get(manager->turn.txn, job, head_r) == FNR_OK)
		return head_r->queued_at;
	*head_r = (struct job_head){ 0 };
	return manager->turn.now;
}

static void look_at_left(struct manager *manager)
{
	struct lane_head head;
	struct job_head job;

	for (size_t i = 0; i < manager->left_count; i++) {
		if (store_lane_first(manager->turn.txn, &manager->left[i], 0, &head) != FNR_OK)
			continue;
		int64_t since = waits_since(manager, &head.job, &job);

		lanes_put(manager->lanes, &head, job.template_, job.quality, since);
	}
	manager->left_count = 0;
}

/* ---- jobs that come ---- */

struct heads { struct job_head *items; size_t count; };

static bool keep_head(const struct job_head *head, void *context)
{
	struct heads *heads = context;

	heads->items[heads->count++] = *head;
	return true;
}

static void find_first_queue(struct manager *manager)
{
	lanes_first_queue(manager->lanes, (uint16_t)store_name_find(manager->turn.txn, STORE_QUEUE, QUEUE_FIRST));
}

void dispatch_take_new(struct manager *manager)
{
	static struct job_head room[NEW_A_TURN];
	struct heads heads = { .items = room };
	const struct fnr_id *after = fnr_id_is_none(&manager->seen) ? NULL : &manager->seen;

	store_jobs_after(manager->turn.txn, after, NEW_A_TURN, keep_head, &heads);
	if (heads.count > 0)
		find_first_queue(manager); /* it gets its number with its first job */
	for (size_t i = 0; i < heads.count; i++) {
		manager->seen = heads.items[i].id;
		move_appeared(manager, &heads.items[i]);
	}
	if (heads.count == NEW_A_TURN)
		manager->more = true;
	else
		look_at_left(manager);
}

struct due { struct { struct fnr_id id; enum store_due kind; int64_t time; } items[MASS_A_TURN]; size_t count; };

static bool keep_due(const struct fnr_id *id, enum store_due kind, int64_t time, void *context)
{
	struct due *due = context;

	due->items[due->count].id = *id;
	due->items[due->count].time = time;
	due->items[due->count++].kind = kind;
	return true;
}

/* Left where it is, it would stand before those that are due after it, again and again. One that a move before it took away is
 * not there any more. */
static void drop_due(struct manager *manager, const struct fnr_id *id, enum store_due kind, int64_t time)
{
	struct fnr_error err = FNR_ERROR_INIT;
	int code = store_due_drop(manager->turn.txn, id, kind, time, &err);
	char text[FNR_ID_TEXT];

	if (code == FNR_E_NOT_FOUND)
		return;
	turn_check(manager, code, &err, "what was due cannot be removed");
	fnr_err(NULL, "job=%s event=store.due_stuck: what was due cannot be done, as its record is damaged; fnr check tells more", fnr_id_format(id, text));
}

void dispatch_take_due(struct manager *manager)
{
	static struct due due;
	size_t limit = MASS_A_TURN - (manager->turn.moves < MASS_A_TURN ? manager->turn.moves : MASS_A_TURN);

	due.count = 0;
	if (limit)
		store_jobs_due(manager->turn.txn, manager->turn.now, limit, keep_due, &due);
	for (size_t i = 0; i < due.count; i++) {
		struct job_head head;
		bool moved = false;

		if (store_job_get(manager->turn.txn, &due.items[i].id, &head) == FNR_OK)
			moved = due.items[i].kind == STORE_DUE_EXPIRE ? move_expire(manager, &head) : move_due(manager, &head);
		if (!moved)
			drop_due(manager, &due.items[i].id, due.items[i].kind, due.items[i].time);
	}
	manager->turn.moves += due.count;
	if (due.count == limit)
		manager->more = true;
}

/* ---- the next in its lane ---- */

static void lane_next(struct manager *manager, const struct lane_head *taken)
{
	struct lane_head head;
	struct job_head job;
	bool more = store_lane_first(manager->turn.txn, &taken->key, taken->seq + 1, &head) == FNR_OK;

	if (more && is_seen(manager, &head.job)) {
		lanes_advance(manager->lanes, &head, waits_since(manager, &head.job, &job));
		return;
	}
	lanes_drop(manager->lanes, &taken->key);
	if (more)
		leave_lane(manager, &taken->key);
}

void dispatch_lanes(struct manager *manager)
{
	struct lane_head head;
	struct lane_key key;
	const struct lane_key *after = NULL;
	struct job_head job;
	int64_t since;

	find_first_queue(manager);
	queues_read(manager);
	queues_read_projects(manager);
	queues_read_tiers(manager);
	queues_recall(manager);
	while (store_lane_next(manager->turn.txn, after, &head) == FNR_OK) {
		since = waits_since(manager, &head.job, &job);
		if (is_seen(manager, &head.job))
			lanes_put(manager->lanes, &head, job.template_, job.quality, since);
		else
			leave_lane(manager, &head.key);
		key = head.key;
		after = &key;
	}
}

bool dispatch_ready(const struct manager *manager)
{
	struct lane_head head;

	return lanes_next(manager->lanes, manager->turn.now, &head);
}

bool dispatch_possible(struct manager *manager)
{
	return !manager->stopping && pool_idle(&manager->pool) && dispatch_ready(manager) && !machine_disk_low(manager);
}

/* ---- starting ---- */

static void add_uploads(struct manager *manager, struct fnr_buf *text, const struct job_head *head, struct json_object *summary)
{
	struct json_object *uploads = fnr_json_get(summary, "uploads");
	size_t count = json_object_is_type(uploads, json_type_array) ? json_object_array_length(uploads) : 0;
	bool first = true;

	fnr_buf_puts(text, ",\"uploads\":[");
	for (size_t i = 0; i < count; i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(uploads, i));
		struct store_upload upload;
		struct fnr_id id;

		if (!name || !fnr_id_parse(name, &id) || store_upload_get(manager->turn.txn, &id, &upload) != FNR_OK)
			continue; /* the worker finds it missing and says so */
		fnr_buf_puts(text, first ? "{\"id\":" : ",{\"id\":");
		render_text(text, name);
		member_text(text, "media_type", upload.media_type);
		member_text(text, "name", upload.name);
		fnr_buf_puts(text, "}");
		first = false;
	}
	parents_add_outputs(manager, text, head, &first);
	fnr_buf_puts(text, "]");
}

/* Inputs, parameters and metadata pass through as they are stored; what lies in a file the worker reads there. */
static bool add_payload(struct manager *manager, struct fnr_buf *text, const struct task *task)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_buf payload = FNR_BUF_INIT;
	char path[64];
	int code = store_job_payload_path(manager->turn.txn, &task->job, path);

	if (code == FNR_OK && path[0]) {
		member_text(text, "payload_file", path);
		return true;
	}
	if (code == FNR_OK)
		code = store_job_body(manager->turn.txn, &task->job, NULL, &payload, &err);
	if (code == FNR_OK)
		member_json(text, "payload", payload.data);
	fnr_buf_free(&payload);
	fnr_error_clear(&err);
	return code == FNR_OK;
}

/* What parts of such jobs took there, where that is known. */
static void add_took(struct manager *manager, struct fnr_buf *text, const struct job_head *head, const struct task *task)
{
	const char *preset = fnr_json_get_text(task->summary, "quality", fnr_quality_name((enum fnr_quality)head->quality));
	struct fnr_buf took = FNR_BUF_INIT;

	if (store_took_get(manager->turn.txn, task->function->digest, preset, task->backend, &took) == FNR_OK)
		member_json(text, "took", took.data);
	fnr_buf_free(&took);
}

bool dispatch_tell_run(struct manager *manager, const struct task *task, const struct job_head *head, const struct backend *backend,
                       int64_t timeout_ms, bool attach)
{
	const char *project = fnr_json_get_text(task->summary, "project", NULL), *shot = fnr_json_get_text(task->summary, "shot", NULL);
	struct fnr_buf text = FNR_BUF_INIT;
	char path[TAKE_PATH];
	bool good;

	fnr_buf_puts(&text, "{\"type\":\"run\"");
	member_text(&text, "job", task->id);
	member_int(&text, "attempt", task->attempt);
	member_text(&text, "backend", task->backend);
	member_text(&text, "kind", task->function->kind);
	member_json(&text, "definition", task->function->definition);
	member_text(&text, "quality", fnr_quality_name(head->quality));
	member_text(&text, "preset", fnr_json_get_text(task->summary, "preset", NULL));
	member_int(&text, "seed", fnr_json_get_int(task->summary, "seed", 0));
	member_text(&text, "project", project);
	member_text(&text, "shot", shot);
	member_int(&text, "timeout_ms", timeout_ms);
	add_uploads(manager, &text, head, task->summary);
	take_work_dir(path, &task->job, task->attempt);
	member_text(&text, "work", path);
	take_attempt_dir(path, project, shot, &task->job, task->attempt);
	member_text(&text, "attempt_dir", path);
	if (!project) {
		take_final_dir(path, NULL, NULL, 0, &task->job);
		member_text(&text, "final_dir", path);
	}
	if (backend->endpoint) {
		member_json(&text, "endpoint", backend->endpoint);
		add_took(manager, &text, head, task);
	}
	if (attach)
		fnr_buf_puts(&text, ",\"attach\":true");
	else if (task->function->begins_early)
		fnr_buf_puts(&text, fnr_id_compare(&task->job, &manager->doubt) > 0 ? ",\"early\":true" : ",\"early\":true,\"look\":true");
	good = add_payload(manager, &text, task);
	fnr_buf_puts(&text, "}");
	if (good)
		worker_tell_text(task->worker, text.data, text.len);
	fnr_buf_free(&text);
	return good;
}

int64_t dispatch_timeout(const struct manager *manager, const struct task *task, const struct job_head *head)
{
	int64_t tier = fnr_json_get_int(task->summary, "timeout_s", 0);

	if (head->timeout_s || tier > 0)
		return (head->timeout_s ? (int64_t)head->timeout_s : tier) * 1000;
	return (task->function->timeout_s > 0 ? task->function->timeout_s : manager->conf.job_timeout) * 1000;
}

/* A job that cannot run at all, whoever tries. */
static void refuse(struct manager *manager, struct job_head *head, struct task *task)
{
	struct json_object *error = error_make(FNR_CLASS_PERMANENT, "record_lost", "Submit it again.", "retry",
	                                       task->function ? "Its inputs cannot be read any more." :
	                                                        "The version of the template that it was accepted with is gone.");

	move_refuse(manager, head, task->summary, error);
	json_object_put(error);
	task_free(manager, task);
}

/* From its very preset version, as long as that is kept; else from the one of its tier. */
static const struct preset *preset_of(struct manager *manager, const struct job_head *head, const struct task *task)
{
	const struct preset *preset;

	if (preset_find(manager->turn.txn, fnr_json_get_text(task->summary, "preset", ""), NULL, &preset, NULL) == FNR_OK ||
	    preset_of_tier(manager->turn.txn, (enum fnr_quality)head->quality, &preset, NULL) == FNR_OK)
		return preset;
	return NULL;
}

static void estimate_look_up(struct manager *manager, const struct job_head *head, struct task *task)
{
	const struct preset *preset = task->function->no_files ? NULL : preset_of(manager, head, task);
	struct forecast forecast;

	if (preset && forecast_runs(manager->turn.txn, task->function->digest, preset, task->backend, &forecast))
		progress_expect(&task->progress, &forecast.estimate, manager->turn.now);
}

/* Told before the commit. The next life finds such an attempt by its worker's note, if the job waits in the store already, and
 * the note takes no place that another attempt needs until its end is stored. What must not be made twice is not risked: after a
 * loss of power there are no notes. */
static bool may_begin_early(const struct job_head *head, const struct task *task, const struct worker *worker)
{
	return task->function->begins_early && !(head->flags & JOB_FLAG_ON_LOST_FAIL) && head->lane_seq == head->seq && !worker->note_needed;
}

static void start(struct manager *manager, struct job_head *head, struct worker *worker, const struct place *place)
{
	struct json_object *summary = job_summary(manager, &head->id);
	struct task *task = task_add(manager, head, summary);
	int64_t timeout_ms;

	json_object_put(summary);
	task->attempt = (uint16_t)(head->attempt + 1);
	task->worker = worker;
	fnr_text_copy(task->backend, sizeof task->backend, place->backend->id);
	fnr_text_copy(task->placement, sizeof task->placement, place->why);
	if (!task->function || !dispatch_tell_run(manager, task, head, place->backend, dispatch_timeout(manager, task, head), false)) {
		task->worker = NULL;
		refuse(manager, head, task);
		return;
	}
	if (may_begin_early(head, task, worker)) {
		pool_flush_worker(&manager->pool, worker);
		(void)fnr_fault("dispatch.told");
	}
	timeout_ms = dispatch_timeout(manager, task, head);
	task->started_at = manager->turn.now;
	task->deadline = manager->turn.mono + timeout_ms + OVERTIME_MS;
	fnr_text_copy(task->worker_name, sizeof task->worker_name, worker->name);
	progress_begin(&task->progress, task->function, head->queued_at, task->started_at);
	estimate_look_up(manager, head, task);
	worker->task = task;
	fnr_text_copy(worker->backend, sizeof worker->backend, task->backend);
	worker_state_set(&manager->pool, worker, WORKER_BUSY, manager->turn.now, manager->turn.mono);
	move_dispatch(manager, head, task->summary, task);
	backends_started(manager, task, place->backend);
}

static bool still_waits(struct manager *manager, const struct lane_head *next, struct job_head *head)
{
	return store_job_get(manager->turn.txn, &next->job, head) == FNR_OK && move_allowed(head, TRIGGER_DISPATCH) && head->lane_seq == next->seq &&
	       head->priority == next->key.priority;
}

/* Those that let others of their level go first are not overtaken by the levels below. */
static bool is_turn(const struct manager *manager, const struct lane_head *next)
{
	return !manager->passed || lanes_level(manager->lanes, &next->key) == manager->passed_level;
}

static void start_next(struct manager *manager, const struct lane_head *next)
{
	struct place place;
	struct job_head head;

	if (still_waits(manager, next, &head)) {
		if (!places_find(manager, &next->key, &head, &place))
			return;
		lanes_took(manager->lanes, &next->key, manager->turn.now);
		start(manager, &head, pool_idle_for(&manager->pool, place.backend->id), &place);
	}
	lane_next(manager, next);
}

void dispatch_jobs(struct manager *manager)
{
	struct lane_head next;

	if (!manager->stopping)
		discards_tell(manager);
	if (machine_disk_low(manager))
		return;
	manager->settling = false;
	do
		while (manager->turn.txn && !manager->stopping && pool_idle(&manager->pool) &&
		       lanes_next(manager->lanes, manager->turn.now, &next) && is_turn(manager, &next))
			start_next(manager, &next);
	while (places_settle(manager));
}

/* ---- workers ---- */

static size_t filings_waiting(const struct manager *manager)
{
	size_t count = 0;

	for (const struct task *task = manager->tasks; task; task = task->next)
		count += task->finish_due && !task->worker;
	return count;
}

size_t dispatch_workers(const struct manager *manager)
{
	return backends_concurrency(manager, &manager->local) + backends_workers(manager);
}

static size_t jobs_for_workers(const struct manager *manager)
{
	size_t slots = dispatch_ready(manager) ? backends_slots(manager) : 0;

	return slots < manager->queued ? slots : (size_t)manager->queued;
}

void dispatch_grow(struct manager *manager)
{
	struct pool *pool = &manager->pool;
	size_t starting = pool_in_state(pool, WORKER_STARTING), stopping = pool_in_state(pool, WORKER_STOPPING);
	size_t there = pool->count - stopping, least = (size_t)manager->conf.workers_min, most = dispatch_workers(manager), wanted = 0;

	if (manager->stopping)
		return;
	if (!pool_idle(pool)) {
		wanted = filings_waiting(manager) + attach_waiting(manager) + (manager->discard_count > 0) + thumbnails_wait(manager) + jobs_for_workers(manager) + probes_due(manager);
		wanted = wanted > starting ? wanted - starting : 0;
	}
	if (there < least && wanted < least - there)
		wanted = least - there;
	if (wanted > 0 && there >= most)
		thumbnails_make_way(manager);
	for (; wanted > 0 && there < most; wanted--, there++)
		if (!pool_start(pool, manager->turn.now, manager->turn.mono))
			return;
}
