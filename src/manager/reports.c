/* What workers say, and what their death says. Reports are gossip: one that does not fit the attempt its worker was
 * given, or the state of the job, is ignored. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "manager/manager.h"
#include "manager/render.h"
#include "worker/wire.h"

/* The task that a report is about: the one its sender was given. NULL: it is stale. */
static struct task *task_of(const struct worker *worker, struct json_object *message)
{
	struct task *task = worker->task;

	if (!task || strcmp(fnr_json_get_text(message, "job", ""), task->id) != 0 ||
	    fnr_json_get_int(message, "attempt", -1) != task->attempt)
		return NULL;
	return task;
}

/* The job of the task as the store has it now. False: the store knows of another attempt. */
static bool load(struct manager *manager, const struct task *task, struct job_head *head)
{
	return store_job_get(manager->turn.txn, &task->job, head) == FNR_OK && head->attempt == task->attempt &&
	       fnr_state_running(head->state);
}

static void set_free(struct manager *manager, struct worker *worker)
{
	if (worker->task) {
		worker->note_needed = worker->task->head.flags & JOB_FLAG_ON_LOST_FAIL;
		worker->task->worker = NULL;
	}
	worker->task = NULL;
	worker->done++;
	if (worker->state == WORKER_BUSY)
		worker_state_set(&manager->pool, worker, WORKER_IDLE, manager->turn.now, manager->turn.mono);
	workers_free(manager, worker);
}

/* ---- gossip ---- */

static void on_hello(struct manager *manager, struct worker *worker, struct json_object *message)
{
	if (worker->state != WORKER_STARTING)
		return;
	worker_state_set(&manager->pool, worker, WORKER_IDLE, manager->turn.now, manager->turn.mono);
	workers_tell(manager, worker, "started");
	workers_free(manager, worker);
}

static void on_heartbeat(struct manager *manager, struct worker *worker, struct json_object *message)
{
	worker->cpu_ms = fnr_json_get_int(message, "cpu_ms", 0);
	worker->rss = (uint64_t)fnr_json_get_int(message, "rss", 0);
	if (!worker->task)
		return;
	worker->task->cpu_ms = worker->cpu_ms;
	if (worker->rss > worker->task->rss_max)
		worker->task->rss_max = worker->rss;
	if (worker->task->head.state != FNR_STATE_RUNNING)
		return;
	progress_measure(&worker->task->progress, worker->task->function, worker->cpu_ms, worker->rss, manager->turn.now);
	worker->task->measured = true;
}

static void on_server_memory(struct manager *manager, struct worker *worker, struct json_object *message)
{
	struct task *task = task_of(worker, message);

	if (!task || task->head.state != FNR_STATE_RUNNING)
		return;
	progress_serve(&task->progress, fnr_json_get(message, "found"));
	task->measured = true;
}

static void on_progress(struct manager *manager, struct worker *worker, struct json_object *message)
{
	struct task *task = task_of(worker, message);
	int stage = fnr_stage_parse(fnr_json_get_text(message, "stage", ""));

	if (!task || stage < 0)
		return;
	if (task->head.state == FNR_STATE_CANCELLING && stage > (int)task->progress.stage)
		task->progress.stage = (enum fnr_stage)stage;  /* its server had it, should it go on there */
	if (task->head.state != FNR_STATE_RUNNING)
		return;
	if (stage > FNR_STAGE_PREPARATION)
		task->excused = false;         /* it lives */
	progress_report(&task->progress, task->function, (enum fnr_stage)stage, fnr_json_get_real(message, "fraction", 0.0),
	                fnr_json_get_text(message, "message", NULL), manager->turn.now);
	task->reported = task->untold = true;
	if (task->progress.stage != task->head.stage && !manager->stages_due)
		manager->stages_due = manager->turn.mono + STAGE_MS;
}

static void on_begun(struct manager *manager, struct worker *worker, struct json_object *message)
{
	struct task *task = task_of(worker, message);

	if (!task)
		return;
	task->begun = true;
	manager->work = manager->work || manager->stopping;     /* it may be left to go on over there */
}

static void on_log(struct manager *manager, struct worker *worker, struct json_object *message)
{
	struct task *task = task_of(worker, message);
	const char *level = fnr_json_get_text(message, "level", "info");

	if (!task || !event_begin(manager, FNR_EVENT_JOB_LOG, &task->head, task->summary, NULL))
		return;
	event_end_log(manager, fnr_log_level_parse(level) >= 0 ? level : "info", fnr_json_get_text(message, "text", ""));
}

static void on_preview(struct manager *manager, struct worker *worker, struct json_object *message)
{
	struct task *task = task_of(worker, message);
	const char *media_type = fnr_json_get_text(message, "media_type", ""), *text = fnr_json_get_text(message, "data", NULL);
	struct fnr_buf *out;
	char url[96];
	size_t len = text ? fnr_base64_size(text, strlen(text)) : SIZE_MAX;
	uint8_t *data;

	if (!task || len == SIZE_MAX || !*media_type || strlen(media_type) >= 64)
		return;
	data = fnr_alloc(len + 1);
	fnr_base64_decode(text, strlen(text), data);
	note_preview(manager, &task->job, media_type, data, len);
	out = event_begin(manager, FNR_EVENT_JOB_PREVIEW, &task->head, task->summary, NULL);
	if (!out)
		return;
	snprintf(url, sizeof url, "/api/v1/jobs/%s/preview", task->id);
	member_text(out, "url", url);
	member_text(out, "media_type", media_type);
	event_end(manager);
}

static void on_discarded(struct manager *manager, struct worker *worker, struct json_object *message)
{
	if (worker->task)
		return;
	set_free(manager, worker);
	discards_done(manager, worker, fnr_json_get(message, "left"));
}

static void on_thumbnail(struct manager *manager, struct worker *worker, struct json_object *message)
{
	if (worker->task)
		return;
	set_free(manager, worker);
	thumbnails_report(manager, worker, message);
}

static void on_probed(struct manager *manager, struct worker *worker, struct json_object *message)
{
	if (worker->task)
		return;
	set_free(manager, worker);
	probes_report(manager, worker, message);
}

static void on_restarted(struct manager *manager, struct worker *worker, struct json_object *message)
{
	if (worker->task)
		return;
	set_free(manager, worker);
	probes_restarted(manager, worker, message);
}

/* ---- ends ---- */

/* What is kept of a manifest while the result is filed, so that it is whole after a restart. */
static struct json_object *manifest_make(struct manager *manager, struct json_object *message)
{
	static const char *const kept[] = { "outputs", "result", "took", "cpu_ms", "rss_max" };
	struct json_object *manifest = json_object_new_object();

	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
		fnr_json_set(manifest, kept[i], json_object_get(fnr_json_get(message, kept[i])));
	fnr_json_set_int(manifest, "finished_at", manager->turn.now);
	return manifest;
}

static void on_manifest(struct manager *manager, struct worker *worker, struct json_object *message)
{
	struct task *task = task_of(worker, message);
	struct json_object *outputs = fnr_json_get(message, "outputs");
	bool files = json_object_is_type(outputs, json_type_array) && json_object_array_length(outputs) > 0;
	bool filed = fnr_json_get_bool(message, "filed", false);
	struct job_head head;

	if (!task)
		return;
	if (!load(manager, task, &head)) {
		set_free(manager, worker);
		return;
	}
	task->manifest = manifest_make(manager, message);
	task->cpu_ms = fnr_json_get_int(message, "cpu_ms", task->cpu_ms);
	task->rss_max = (uint64_t)fnr_json_get_int(message, "rss_max", (int64_t)task->rss_max);
	if (files && move_allowed(&head, TRIGGER_MANIFEST)) {
		backends_ended(manager, task, BACKEND_WORKS, NULL);
		move_manifest(manager, &head, task);    /* the same worker files it */
		worker->heard_at = manager->turn.mono;
		if (filed && !head.project) {           /* … or has done so already */
			set_free(manager, worker);
			finish_finished(manager, task);
		}
		return;
	}
	backends_ended(manager, task, BACKEND_WORKS, NULL);
	set_free(manager, worker);
	if (head.state == FNR_STATE_CANCELLING) {
		task_discard(manager, task);
		if (filed)
			task_discard_filed(manager, task);
		move_stopped(manager, &head, task);
	} else {
		move_done(manager, &head, task);
	}
}

static void set_member(struct json_object *to, struct json_object *from, const char *name)
{
	fnr_json_set_text(to, name, fnr_json_get_text(from, name, NULL));
}

static struct json_object *error_of(struct json_object *message)
{
	struct json_object *from = fnr_json_get(message, "error"), *error = json_object_new_object();
	int class_ = fnr_class_parse(fnr_json_get_text(from, "class", "unknown"));

	fnr_json_set_text(error, "class", fnr_class_name(class_ < 0 ? FNR_CLASS_UNKNOWN : (enum fnr_class)class_));
	fnr_json_set_text(error, "code", fnr_json_get_text(from, "code", "unknown"));
	fnr_json_set_text(error, "message", fnr_json_get_text(from, "message", "It failed without saying why."));
	set_member(error, from, "suggestion");
	set_member(error, from, "action");
	set_member(error, from, "detail");
	if (fnr_json_get_real(from, "retry_after_s", 0) > 0)
		fnr_json_set_real(error, "retry_after_s", fnr_json_get_real(from, "retry_after_s", 0));
	if (fnr_json_get_bool(from, "backend_down", false))
		fnr_json_set_bool(error, "backend_down", true);
	return error;
}

static void on_failed(struct manager *manager, struct worker *worker, struct json_object *message)
{
	struct task *task = task_of(worker, message);
	struct json_object *error;
	struct job_head head;

	if (!task)
		return;
	error = error_of(message);
	set_free(manager, worker);
	if (task->place && fnr_json_get_bool(fnr_json_get(message, "error"), "ignores_cancel", false))
		backends_suspect(manager, task->place);
	task->elsewhere = fnr_json_get_bool(fnr_json_get(message, "error"), "elsewhere", false);
	if (task->elsewhere && task->place)
		nodes_doubt(manager, task->place);
	backends_ended(manager, task, fnr_json_get_bool(error, "backend_down", false) ? BACKEND_DOWN : BACKEND_WORKS, error);
	if (load(manager, task, &head)) {
		if (head.state == FNR_STATE_CANCELLING)
			move_stopped(manager, &head, task);
		else
			move_failed(manager, &head, task, error);
	}
	json_object_put(error);
}

/* Whoever did the work does not know of it any more. */
static void on_lost(struct manager *manager, struct worker *worker, struct json_object *message)
{
	struct task *task = task_of(worker, message);
	struct json_object *error;
	struct job_head head;

	if (!task)
		return;
	error = error_of(message);
	set_free(manager, worker);
	backends_ended(manager, task, BACKEND_UNPROVED, NULL);
	if (load(manager, task, &head))
		move_lost(manager, &head, task, error);
	json_object_put(error);
}

/* A worker also ends an attempt by itself, when it loses touch; without a cancel that is a lost attempt. */
static void on_cancelled(struct manager *manager, struct worker *worker, struct json_object *message)
{
	struct task *task = task_of(worker, message);
	struct job_head head;

	if (!task)
		return;
	set_free(manager, worker);
	backends_ended(manager, task, BACKEND_UNPROVED, NULL);
	if (!load(manager, task, &head))
		return;
	if (head.state != FNR_STATE_CANCELLING) {
		struct json_object *error = error_make(FNR_CLASS_UNKNOWN, "lost", "Try again.", "retry",
		                                       "The worker stopped it without being asked.");

		move_lost(manager, &head, task, error);
		json_object_put(error);
		return;
	}
	move_stopped(manager, &head, task);
}

static void on_finished(struct manager *manager, struct worker *worker, struct json_object *message)
{
	struct task *task = task_of(worker, message);

	if (!task || task->head.state != FNR_STATE_FINISHING)
		return;
	set_free(manager, worker);
	finish_finished(manager, task);
}

static void on_finish_failed(struct manager *manager, struct worker *worker, struct json_object *message)
{
	struct task *task = task_of(worker, message);

	if (!task || task->head.state != FNR_STATE_FINISHING)
		return;
	set_free(manager, worker);
	finish_failed(manager, task, fnr_json_get_text(message, "reason", "io"), fnr_json_get_text(message, "message", ""));
}

/* ---- all of them ---- */

typedef void report_call(struct manager *manager, struct worker *worker, struct json_object *message);
static const struct report_kind { const char *type; bool durable; report_call *call; } kinds[] = {
	{ "begun", false, on_begun },
	{ "progress", false, on_progress },
	{ "manifest", true, on_manifest },
	{ "heartbeat", false, on_heartbeat },
	{ "server_memory", false, on_server_memory },
	{ "log", false, on_log },
	{ "preview", false, on_preview },
	{ "finished", true, on_finished },
	{ "failed", true, on_failed },
	{ "lost", true, on_lost },
	{ "cancelled", true, on_cancelled },
	{ "finish_failed", true, on_finish_failed },
	{ "thumbnail", true, on_thumbnail },
	{ "discarded", true, on_discarded },
	{ "probed", false, on_probed },
	{ "restarted", false, on_restarted },
	{ "hello", false, on_hello },
};

static const struct report_kind *kind_of(struct json_object *message)
{
	const char *type = fnr_json_get_text(message, "type", "");

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(kinds[i].type, type) == 0)
			return &kinds[i];
	return NULL;
}

static void push(struct manager *manager, struct worker *worker, struct json_object *message)
{
	const struct report_kind *kind = kind_of(message);

	if (!kind) {
		fnr_warn(NULL, "worker=%s event=worker.unknown_report", worker->name);
		json_object_put(message);
		return;
	}
	if (kind->durable)
		manager->work = true;
	if (manager->report_count == manager->report_size) {
		manager->report_size = manager->report_size ? manager->report_size * 2 : 64;
		manager->reports = fnr_realloc(manager->reports, manager->report_size * sizeof *manager->reports);
	}
	manager->reports[manager->report_count++] = (struct report){ worker, message };
}

void report_take(struct manager *manager, struct worker *worker)
{
	struct json_object *message;
	int got;

	while ((got = wire_take(&worker->in, &message)) == 1)
		push(manager, worker, message);
	if (got < 0) {
		fnr_err(NULL, "worker=%s event=worker.broken: what it sends is not a report", worker->name);
		fnr_buf_reset(&worker->in);
		worker_kill(&manager->pool, worker);
	}
}

/* What a job uses is told with its progress. Where there is none it goes by itself, but seldom: it must not make the next
 * progress wait. */
int64_t task_told_next(const struct task *task)
{
	if (task->untold)
		return task->tell_next - PROGRESS_AHEAD * PROGRESS_EVERY_MS;
	return task->measured ? task->told_at + MEASURES_EVERY_MS : INT64_MAX;
}

/* Progress that waited for its time goes out behind the reports. */
static void tell_progress(struct manager *manager)
{
	for (struct task *task = manager->tasks; task; task = task->next)
		if (task_told_next(task) <= manager->turn.mono)
			task_tell_progress(manager, task, &task->head);
}

/* A stage that was entered is written to the job with what else there is to write, or soon by itself: a crash may leave the
 * stage before, which tells nobody anything wrong, and no attempt waits for the disk because of it. */
static void write_stages(struct manager *manager)
{
	struct job_head head;

	if (!manager->turn.txn || !manager->stages_due)
		return;
	manager->stages_due = 0;
	for (struct task *task = manager->tasks; task; task = task->next)
		if (task->progress.stage != task->head.stage && load(manager, task, &head))
			move_stage(manager, &head, task);
}

void reports_apply(struct manager *manager)
{
	for (size_t i = 0; i < manager->report_count; i++) {
		struct report *report = &manager->reports[i];

		report->worker->heard_at = manager->turn.mono;
		kind_of(report->message)->call(manager, report->worker, report->message);
		json_object_put(report->message);
	}
	manager->report_count = 0;
	tell_progress(manager);
	write_stages(manager);
}

/* ---- deaths ---- */

static struct json_object *error_of_death(const struct task *task, const struct worker *worker)
{
	if (task->killed_for == KILLED_TIMEOUT)
		return error_make(FNR_CLASS_PERMANENT, "timeout", "Choose a lower quality, or raise timeout_s.", "reduce_quality",
		                  "It took longer than allowed, did not stop when told to, and was ended.");
	if (task->killed_for == KILLED_HANG)
		return error_make(FNR_CLASS_UNKNOWN, "lost", "Try again.", "retry", "The worker that ran it stopped answering and was ended.");
	if (WIFSIGNALED(worker->status))
		return error_make(FNR_CLASS_UNKNOWN, "lost", "Try again.", "retry", "The worker that ran it was ended by signal %d.",
		                  WTERMSIG(worker->status));
	return error_make(FNR_CLASS_UNKNOWN, "lost", "Try again.", "retry", "The worker that ran it ended unexpectedly.");
}

static void task_orphaned(struct manager *manager, struct worker *worker)
{
	struct task *task = worker->task;
	struct json_object *error;
	struct job_head head;

	task->worker = NULL;
	worker->task = NULL;
	if (!load(manager, task, &head)) {
		task_free(manager, task);
		return;
	}
	if ((task->killed_for == KILLED_NOT || task->killed_for == KILLED_HANG) && attach_possible(manager, task, &head)) {
		attach_begin(manager, task, &head);
		return;
	}
	/* It showed signs of life, so its server was not to be moved. */
	if (task->place && task->killed_for == KILLED_CANCEL && task->progress.stage == FNR_STAGE_EXECUTION)
		backends_suspect(manager, task->place);
	backends_ended(manager, task, BACKEND_UNPROVED, NULL);
	if (head.state == FNR_STATE_FINISHING) {
		finish_worker_lost(manager, task);
		return;
	}
	error = error_of_death(task, worker);
	if (task->killed_for == KILLED_TIMEOUT && head.state == FNR_STATE_RUNNING) {
		task_discard(manager, task);
		move_failed(manager, &head, task, error);
	} else {
		move_lost(manager, &head, task, error);
	}
	json_object_put(error);
}

void deaths_apply(struct manager *manager)
{
	for (size_t i = 0; i < manager->pool.count;) {
		struct worker *worker = manager->pool.workers[i];

		if (!worker->dead) {
			i++;
			continue;
		}
		if (worker->task)
			task_orphaned(manager, worker);
		thumbnails_worker_lost(manager, worker);
		discards_worker_lost(manager, worker);
		probes_worker_lost(manager, worker);
		manager->child_died = true;
		workers_ended(manager, worker);
		fnr_buf_add(&manager->turn.ended, worker->name, strlen(worker->name) + 1);
		pool_bury(&manager->pool, worker);
	}
}

/* How long it may be silent; what it does beside running attempts (filing, discarding, starting, ending) sends nothing. */
static int64_t silence_allowed(const struct worker *worker)
{
	if (worker->state == WORKER_IDLE)
		return INT64_MAX;
	return worker->task && worker->task->head.state != FNR_STATE_FINISHING ? HANG_MS : FILING_HANG_MS;
}

static enum killed_for overdue(const struct manager *manager, const struct worker *worker)
{
	const struct task *task = worker->task;
	int64_t mono = manager->turn.mono;

	if (task && task->cancel_by && mono >= task->cancel_by)
		return KILLED_CANCEL;
	if (task && task->deadline && mono >= task->deadline)
		return KILLED_TIMEOUT;
	return mono - worker->heard_at > silence_allowed(worker) ? KILLED_HANG : KILLED_NOT;
}

int64_t overdue_next(const struct manager *manager)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < manager->pool.count; i++) {
		const struct worker *worker = manager->pool.workers[i];

		if (worker->state == WORKER_IDLE || worker->killed || worker->dead)
			continue;
		if (worker->heard_at + silence_allowed(worker) + 1 < next)
			next = worker->heard_at + silence_allowed(worker) + 1;
	}
	return next;
}

void overdue_apply(struct manager *manager)
{
	for (size_t i = 0; i < manager->pool.count; i++) {
		struct worker *worker = manager->pool.workers[i];
		enum killed_for why = overdue(manager, worker);

		if (worker->dead || worker->killed)
			continue;
		if (worker->fd < 0) /* it hung up; the order to end it could not be given before */
			worker_kill(&manager->pool, worker);
		if (why == KILLED_NOT)
			continue;
		fnr_warn(NULL, "worker=%s event=worker.overdue reason=%s", worker->name,
		         why == KILLED_CANCEL ? "cancel" : why == KILLED_TIMEOUT ? "timeout" : "hang");
		if (worker->task)
			worker->task->killed_for = why;
		worker_kill(&manager->pool, worker);
	}
}
