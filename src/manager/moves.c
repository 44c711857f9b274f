/* Every change of a job's state. Each function asks the table (queue/state.h), writes what an ended attempt leaves behind,
 * makes the event, and puts the record; all in the turn's transaction. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "files/take.h"
#include "http/view.h"
#include "manager/manager.h"
#include "manager/render.h"
#include "queue/estimate.h"
#include "queue/retry.h"

#define ELSEWHERE_MOST 12       /* attempts until nobody is taken to have what a backend lacked */
#define ESTIMATE_FROM_MS 50     /* what takes less is over before anybody has read how long it takes */

struct json_object *error_make(enum fnr_class class_, const char *code, const char *suggestion, const char *action,
                               const char *format, ...)
{
	struct json_object *error = json_object_new_object();
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	fnr_text_clean(message);
	fnr_json_set_text(error, "class", fnr_class_name(class_));
	fnr_json_set_text(error, "code", code);
	fnr_json_set_text(error, "message", message);
	fnr_json_set_text(error, "suggestion", suggestion);
	fnr_json_set_text(error, "action", action);
	fnr_json_set_text(error, "detail", NULL);
	return error;
}

struct json_object *job_summary(struct manager *manager, const struct fnr_id *job)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *summary = NULL;

	if (store_job_body(manager->turn.txn, job, &text, NULL, &err) == FNR_OK)
		summary = fnr_json_parse(text.data, text.len, &err);
	fnr_buf_free(&text);
	fnr_error_clear(&err);
	return summary ? summary : json_object_new_object();
}

bool move_allowed(const struct job_head *head, enum trigger trigger)
{
	return state_next(head->state, trigger) != STATE_NONE;
}

static bool move(struct job_head *head, enum trigger trigger)
{
	int next = state_next(head->state, trigger);

	if (next == STATE_NONE)
		return false;
	head->state = (uint8_t)next;
	return true;
}

static void put(struct manager *manager, struct job_head *head)
{
	struct fnr_error err = FNR_ERROR_INIT;

	turn_check(manager, store_job_put(manager->turn.txn, head, &err), &err, "a job cannot be written");
	if (!fnr_id_is_none(&head->batch))
		batch_changed(manager, &head->batch);
}

static void enter_lane(struct manager *manager, const struct job_head *head)
{
	struct lane_head lane = { .key = { .queue = head->queue, .priority = head->priority, .project = head->project,
	                                   .class_ = head->class_ }, .seq = head->lane_seq, .job = head->id };

	lanes_put(manager->lanes, &lane, head->template_, head->quality, head->queued_at);
}

/* ---- attempts ---- */

/* The record of an attempt that has ended; it is what a client sees of it, and of the job's error and outputs. */
static void put_attempt(struct manager *manager, const struct job_head *head, const struct task *task, const char *state,
                        struct json_object *error)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *outputs = fnr_json_get(task->manifest, "outputs"), *result = fnr_json_get(task->manifest, "result");
	bool completed = head->state == FNR_STATE_COMPLETED;

	fnr_buf_puts(&text, "{\"attempt\":");
	render_int(&text, head->attempt);
	member_text(&text, "state", state);
	member_text(&text, "worker", task->worker_name);
	member_text(&text, "backend", task->backend);
	member_text(&text, "placement", task->placement);
	member_time(&text, "started_at", task->started_at);
	member_time(&text, "finished_at", fnr_json_get_int(task->manifest, "finished_at", manager->turn.now));
	member_json(&text, "error", error ? fnr_json_text(error, NULL) : NULL);
	member_json(&text, "outputs", completed && outputs ? fnr_json_text(outputs, NULL) : "[]");
	member_json(&text, "result", completed && result ? fnr_json_text(result, NULL) : NULL);
	member_int(&text, "cpu_ms", task->cpu_ms);
	member_int(&text, "rss_max", (int64_t)task->rss_max);
	fnr_buf_puts(&text, "}");
	turn_check(manager, store_attempt_put(manager->turn.txn, &head->id, head->attempt, text.data, &err), &err,
	           "the record of an attempt cannot be written");
	fnr_buf_free(&text);
}

/* An error of a job that no attempt has made. What an attempt left on record is not overwritten. */
static void put_error(struct manager *manager, const struct job_head *head, struct json_object *error)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_buf text = FNR_BUF_INIT;

	if (!error || head->attempt > 0)
		return;
	fnr_buf_printf(&text, "{\"attempt\":0,\"state\":\"%s\",\"worker\":null,\"backend\":null,\"placement\":null,\"started_at\":null",
	               fnr_state_name(head->state));
	member_time(&text, "finished_at", manager->turn.now);
	member_json(&text, "error", fnr_json_text(error, NULL));
	fnr_buf_puts(&text, ",\"outputs\":[],\"result\":null,\"cpu_ms\":0,\"rss_max\":0}");
	turn_check(manager, store_attempt_put(manager->turn.txn, &head->id, 0, text.data, &err), &err,
	           "the record of an attempt cannot be written");
	fnr_buf_free(&text);
}

/* ---- the end ---- */

static enum fnr_event event_of_end(enum fnr_state state)
{
	switch (state) {
	case FNR_STATE_COMPLETED: return FNR_EVENT_JOB_COMPLETED;
	case FNR_STATE_CANCELLED: return FNR_EVENT_JOB_CANCELLED;
	case FNR_STATE_EXPIRED: return FNR_EVENT_JOB_EXPIRED;
	default: return FNR_EVENT_JOB_FAILED;
	}
}

static void add_outputs(struct manager *manager, struct fnr_buf *out, const struct job_head *head, struct json_object *summary, const struct task *task)
{
	struct json_object *outputs = fnr_json_get(task->manifest, "outputs");

	fnr_buf_puts(out, ",\"take\":");
	if (head->take)
		render_int(out, head->take);
	else
		fnr_buf_puts(out, "null");
	if (!outputs) {
		fnr_buf_puts(out, ",\"outputs\":[]");
		return;
	}
	outputs = view_outputs(manager->turn.txn, task->id, fnr_json_get_text(summary, "project", NULL), fnr_json_get_text(summary, "shot", NULL),
	                       head->take, outputs);
	member_json(out, "outputs", fnr_json_text(outputs, NULL));
	json_object_put(outputs);
}

static void log_end(struct manager *manager, const struct job_head *head, struct json_object *error)
{
	char id[FNR_ID_TEXT];

	turn_log(manager, false, fnr_id_format(&head->id, id), "job.%s attempt=%d ms=%lld%s%s", fnr_state_name(head->state), head->attempt,
	         (long long)(head->started_at ? head->finished_at - head->started_at : 0), error ? " code=" : "",
	         error ? fnr_json_get_text(error, "code", "unknown") : "");
}

/* When one fails, the rest of a batch that asked for it is stopped: a record, as it may be many. */
static void stop_batch(struct manager *manager, const struct job_head *head)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct batch batch;
	char id[FNR_ID_TEXT], command[128];

	if (fnr_id_is_none(&head->batch) || store_batch_get(manager->turn.txn, &head->batch, &batch) != FNR_OK || !batch.stop_on_error)
		return;
	snprintf(command, sizeof command, "{\"command\":\"stop_batch\",\"batch\":\"%s\"}", fnr_id_format(&batch.id, id));
	turn_check(manager, store_command_add(manager->turn.txn, command, &err), &err, "a command cannot be written");
	manager->more = true;
}

/* The job is over, in the state that head has now. task: of its last attempt if that has just ended, and freed here. */
static void end(struct manager *manager, struct job_head *head, struct json_object *summary, struct task *task,
                struct json_object *error)
{
	enum fnr_state state = head->state;
	struct progress progress;
	struct fnr_buf *out;

	head->finished_at = manager->turn.now;
	if (error)
		head->class_of_error = (uint8_t)fnr_class_parse(fnr_json_get_text(error, "class", "unknown"));
	if (task) {
		progress_end(&task->progress, state, manager->turn.now);
		head->stage = (uint8_t)task->progress.stage;
		progress = task->progress;
	} else {
		progress_of_head(&progress, head);
		progress_end(&progress, state, manager->turn.now);
	}
	out = event_begin(manager, event_of_end(state), head, summary, &head->event);
	if (state == FNR_STATE_COMPLETED)
		add_outputs(manager, out, head, summary, task);
	else
		member_json(out, "error", error ? fnr_json_text(error, NULL) : NULL);
	fnr_buf_puts(out, ",\"progress\":");
	progress_render(out, &progress, state);
	member_time(out, "finished_at", head->finished_at);
	event_end(manager);
	if (task && task->reported)
		note_progress(manager, task, state);
	put(manager, head);
	statistics_ended(manager, head, task ? task->backend : "", fnr_json_get_text(summary, "variant", ""));
	log_end(manager, head, error);
	if (state == FNR_STATE_FAILED)
		stop_batch(manager, head);
	parents_ended(manager, head);
	if (task)
		task_free(manager, task);
}

/* What was reported and not told yet goes out before a change of state. */
static void tell_untold(struct manager *manager, struct task *task, const struct job_head *head)
{
	if (task->untold || task->measured)
		task_tell_progress(manager, task, head);
}

/* ---- while it waits ---- */

static void log_step(struct manager *manager, const struct job_head *head, const char *what)
{
	char id[FNR_ID_TEXT];

	turn_log(manager, true, fnr_id_format(&head->id, id), "job.%s state=%s attempt=%d", what, fnr_state_name(head->state),
	         head->attempt);
}

static void tell_queued(struct manager *manager, struct job_head *head)
{
	struct json_object *summary = job_summary(manager, &head->id);
	struct fnr_buf *out = event_begin(manager, FNR_EVENT_JOB_QUEUED, head, summary, &head->event);

	member_text(out, "template", fnr_json_get_text(summary, "template", NULL));
	member_text(out, "queue", fnr_json_get_text(summary, "queue", NULL));
	member_int(out, "priority", head->priority);
	event_end(manager);
	json_object_put(summary);
	log_step(manager, head, "queued");
}

/* It takes its place in the line of its new priority by the time that it waits already. */
bool move_priority(struct manager *manager, struct job_head *head, uint8_t priority)
{
	if (!fnr_state_waiting(head->state) || priority < 1 || priority > 10 || priority == head->priority)
		return false;
	head->priority = priority;
	tell_queued(manager, head);
	put(manager, head);
	if (head->state == FNR_STATE_QUEUED)
		enter_lane(manager, head);
	return true;
}

bool move_appeared(struct manager *manager, struct job_head *head)
{
	if (!fnr_state_waiting(head->state))
		return false;
	tell_queued(manager, head);
	put(manager, head);
	if (head->state == FNR_STATE_QUEUED)
		enter_lane(manager, head);
	return true;
}

bool move_due(struct manager *manager, struct job_head *head)
{
	if (!move(head, TRIGGER_DUE))
		return false;
	head->queued_at = manager->turn.now;
	head->stage = FNR_STAGE_QUEUE;
	tell_queued(manager, head);
	put(manager, head);
	enter_lane(manager, head);
	return true;
}

void move_ready(struct manager *manager, struct job_head *head)
{
	head->flags &= (uint8_t)~JOB_FLAG_WAITS;
	head->due_at = head->not_before;
	if (head->not_before <= manager->turn.now)
		move_due(manager, head);
	else
		put(manager, head);
}

bool move_expire(struct manager *manager, struct job_head *head)
{
	struct json_object *summary, *error;

	if (!move(head, TRIGGER_EXPIRE))
		return false;
	summary = job_summary(manager, &head->id);
	error = error_make(FNR_CLASS_PERMANENT, "expired", "Submit it again with a later expires_at, or without one.", "retry",
	                   "It could not be started before the time it was to expire.");
	put_error(manager, head, error);
	end(manager, head, summary, NULL, error);
	json_object_put(error);
	json_object_put(summary);
	return true;
}

bool move_refuse(struct manager *manager, struct job_head *head, struct json_object *summary, struct json_object *error)
{
	if (!move(head, TRIGGER_FAIL))
		return false;
	put_error(manager, head, error);
	end(manager, head, summary, NULL, error);
	return true;
}

static void cancel_waiting(struct manager *manager, struct job_head *head, struct json_object *error)
{
	struct json_object *summary = job_summary(manager, &head->id);

	put_error(manager, head, error);
	end(manager, head, summary, NULL, error);
	json_object_put(summary);
}

/* It was left to go on without us, as we are stopping: the next life joins it and stops it. */
static void cancel_left(struct manager *manager, struct job_head *head)
{
	struct json_object *summary = job_summary(manager, &head->id);
	struct fnr_buf *out = event_begin(manager, FNR_EVENT_JOB_PROGRESS, head, summary, &head->event);
	struct progress progress;

	progress_of_head(&progress, head);
	member_text(out, "stage", fnr_stage_name(progress.stage));
	fnr_buf_puts(out, ",\"progress\":");
	progress_render(out, &progress, head->state);
	event_end(manager);
	head->flags |= JOB_FLAG_CANCEL_ASKED;
	put(manager, head);
	json_object_put(summary);
	log_step(manager, head, "cancelling");
}

bool move_cancel(struct manager *manager, struct job_head *head, struct json_object *error)
{
	struct task *task;
	struct job_head before = *head;

	if (!move(head, TRIGGER_CANCEL))
		return false;
	if (fnr_state_terminal(head->state)) {
		cancel_waiting(manager, head, error);
		return true;
	}
	task = task_find(manager, &head->id);
	FNR_MUST(task != NULL || manager->stopping); /* what runs has one: recover.c makes those of an earlier life */
	if (!task) {
		cancel_left(manager, head);
		return true;
	}
	tell_untold(manager, task, &before);
	head->flags |= JOB_FLAG_CANCEL_ASKED;
	head->stage = (uint8_t)task->progress.stage;
	fnr_text_copy(task->progress.message, sizeof task->progress.message, "Stopping");
	head->event = task_tell_progress(manager, task, head);
	put(manager, head);
	task->head = *head;
	task->cancel_by = manager->turn.mono + CANCEL_MS;
	if (task->worker)
		worker_tell(task->worker, "cancel", task->id, task->attempt);
	log_step(manager, head, "cancelling");
	return true;
}

/* ---- while it runs ---- */

bool move_dispatch(struct manager *manager, struct job_head *head, struct json_object *summary, struct task *task)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct job_active active = { .attempt = task->attempt, .started_at = task->started_at };
	struct fnr_buf *out;

	if (!move(head, TRIGGER_DISPATCH))
		return false;
	head->attempt = task->attempt;
	head->started_at = task->started_at;
	head->stage = FNR_STAGE_PREPARATION;
	head->due_at = 0;
	out = event_begin(manager, FNR_EVENT_JOB_STARTED, head, summary, &head->event);
	member_text(out, "worker", task->worker_name);
	member_text(out, "backend", task->backend);
	member_text(out, "placement", task->placement);
	member_time(out, "started_at", head->started_at);
	if (task->progress.eta_s >= 0) {
		fnr_buf_puts(out, ",\"progress\":");
		progress_render(out, &task->progress, head->state);
	}
	event_end(manager);
	if (task->progress.eta_s >= 0)
		note_progress(manager, task, head->state);
	fnr_text_copy(active.worker, sizeof active.worker, task->worker_name);
	fnr_text_copy(active.backend, sizeof active.backend, task->backend);
	fnr_text_copy(active.placement, sizeof active.placement, task->placement);
	turn_check(manager, store_active_put(manager->turn.txn, &head->id, &active, &err), &err, "a running job cannot be written");
	put(manager, head);
	statistics_started(manager, head);
	task->head = *head;
	log_step(manager, head, "started");
	return true;
}

bool move_stage(struct manager *manager, struct job_head *head, struct task *task)
{
	if (head->state != FNR_STATE_RUNNING || head->stage == task->progress.stage)
		return false;
	head->stage = (uint8_t)task->progress.stage;
	put(manager, head);
	task->head = *head;
	return true;
}

bool move_manifest(struct manager *manager, struct job_head *head, struct task *task)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct job_head before = *head;
	struct job_active active;

	if (!move(head, TRIGGER_MANIFEST))
		return false;
	tell_untold(manager, task, &before);
	progress_report(&task->progress, task->function, FNR_STAGE_FINALIZATION, 0.0, NULL, manager->turn.now);
	head->stage = FNR_STAGE_FINALIZATION;
	head->event = task_tell_progress(manager, task, head);
	finish_number(manager, head, task);
	put(manager, head);
	task->head = *head;
	turn_check(manager, store_active_get(manager->turn.txn, &head->id, &active), NULL, "a running job has no record of it");
	free(active.manifest);
	active.manifest = fnr_strdup(fnr_json_text(task->manifest, NULL));
	turn_check(manager, store_active_put(manager->turn.txn, &head->id, &active, &err), &err, "a running job cannot be written");
	free(active.manifest);
	task->finish_due = true;
	task->finish_after = 0;
	task->deadline = 0;
	log_step(manager, head, "filing");
	return true;
}

static void remember_parts(struct manager *manager, const struct task *task, const char *preset)
{
	struct json_object *took = fnr_json_get(task->manifest, "took"), *past, *parts;
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_buf text = FNR_BUF_INIT;

	if (!took)
		return;
	store_took_get(manager->turn.txn, task->function->digest, preset, task->backend, &text);
	past = text.len ? fnr_json_parse_own(text.data, text.len, NULL) : NULL;
	parts = estimate_parts(past, took);
	turn_check(manager, store_took_put(manager->turn.txn, task->function->digest, preset, task->backend, fnr_json_text(parts, NULL), &err), &err,
	           "an estimate cannot be written");
	json_object_put(past);
	json_object_put(parts);
	fnr_buf_free(&text);
}

/* The next ones will be told how long this one took. */
static void remember_time(struct manager *manager, const struct job_head *head, const struct task *task)
{
	struct store_txn *txn = manager->turn.txn;
	int64_t ms = manager->turn.now - task->started_at;
	struct fnr_error err = FNR_ERROR_INIT;
	const char *preset = fnr_json_get_text(task->summary, "quality", fnr_quality_name((enum fnr_quality)head->quality));
	struct store_estimate past;
	int code;

	if (!task->function || task->function->no_files || ms < ESTIMATE_FROM_MS || ms > UINT32_MAX || !clock_trusted(manager))
		return;
	code = store_estimate_get(txn, task->function->digest, preset, task->backend, &past);
	if (code != FNR_OK && code != FNR_E_NOT_FOUND)
		past = (struct store_estimate){ 0 };
	estimate_add(&past, (struct store_run){ (uint32_t)ms, (uint32_t)task->cpu_ms, (uint32_t)(task->rss_max >> 20) });
	turn_check(manager, store_estimate_put(txn, task->function->digest, preset, task->backend, &past, &err), &err,
	           "an estimate cannot be written");
	remember_parts(manager, task, preset);
}

bool move_done(struct manager *manager, struct job_head *head, struct task *task)
{
	struct job_head before = *head;

	if (!move(head, TRIGGER_DONE))
		return false;
	tell_untold(manager, task, &before);
	remember_time(manager, head, task);
	put_attempt(manager, head, task, "completed", NULL);
	end(manager, head, task->summary, task, NULL);
	return true;
}

bool move_fail(struct manager *manager, struct job_head *head, struct task *task, struct json_object *error)
{
	struct job_head before = *head;

	if (!move(head, TRIGGER_FAIL))
		return false;
	tell_untold(manager, task, &before);
	put_attempt(manager, head, task, "failed", error);
	statistics_failed(manager, head, task->backend, fnr_json_get_text(task->summary, "variant", ""), error, false);
	end(manager, head, task->summary, task, error);
	return true;
}

static uint32_t random_bits(void)
{
	uint32_t bits;

	fnr_random(&bits, sizeof bits);
	return bits;
}

/* It waits for another try. */
static void wait_again(struct manager *manager, struct job_head *head, struct task *task, struct json_object *error, int64_t delay)
{
	struct fnr_buf *out;

	head->due_at = manager->turn.now + delay;
	head->stage = FNR_STAGE_QUEUE;
	head->class_of_error = (uint8_t)fnr_class_parse(fnr_json_get_text(error, "class", "unknown"));
	out = event_begin(manager, FNR_EVENT_JOB_RETRYING, head, task->summary, &head->event);
	member_json(out, "error", fnr_json_text(error, NULL));
	member_time(out, "due_at", head->due_at);
	event_end(manager);
	put(manager, head);
	turn_log(manager, false, task->id, "job.retrying attempt=%d code=%s delay_ms=%lld", head->attempt,
	         fnr_json_get_text(error, "code", "unknown"), (long long)delay);
	task_free(manager, task);
}

/* What the attempts before this one were: when the first began, and how many are not held against the job: they were lost to
 * us, given back, or failed because their backend was down. */
static void look_back(struct manager *manager, const struct job_head *head, const struct task *task, int64_t *began_r, unsigned *excused_r)
{
	struct fnr_buf json = FNR_BUF_INIT;

	*began_r = task->started_at;
	*excused_r = 0;
	for (uint16_t attempt = 1; attempt < head->attempt; attempt++) {
		struct json_object *record;
		int64_t began;

		if (store_attempt_get(manager->turn.txn, &head->id, attempt, &json) != FNR_OK)
			continue;
		record = fnr_json_parse_own(json.data, json.len, NULL);
		if (fnr_time_parse(fnr_json_get_text(record, "started_at", ""), &began) && began < *began_r)
			*began_r = began;
		*excused_r += strcmp(fnr_json_get_text(record, "state", ""), "lost") == 0 ||
		              fnr_json_get_bool(fnr_json_get(record, "error"), "backend_down", false);
		json_object_put(record);
	}
	fnr_buf_free(&json);
}

bool move_failed(struct manager *manager, struct job_head *head, struct task *task, struct json_object *error)
{
	const struct retry_policy *policies = task->function ? task->function->retry : retry_usual;
	int class_ = fnr_class_parse(fnr_json_get_text(error, "class", "unknown"));
	struct retry_failure failure = { .class_ = class_ < 0 ? FNR_CLASS_UNKNOWN : (enum fnr_class)class_, .max_attempts = head->max_attempts,
	                                 .retry_after_ms = (int64_t)(fnr_json_get_real(error, "retry_after_s", 0) * 1000.0), .random = random_bits() };
	struct job_head before = *head;
	unsigned excused;
	int64_t began, delay;

	look_back(manager, head, task, &began, &excused);
	excused += fnr_json_get_bool(error, "backend_down", false);
	failure.attempts = head->attempt > excused ? head->attempt - excused : 1;
	failure.spent_ms = manager->turn.now > began && clock_trusted(manager) ? manager->turn.now - began : 0;
	delay = task->elsewhere && head->max_attempts > 1 && head->attempt < ELSEWHERE_MOST ? places_elsewhere(manager, task) : -1;
	if (delay < 0 && !retry_wanted(policies, &failure, &delay))
		return move_fail(manager, head, task, error);
	if (!move(head, TRIGGER_RETRY))
		return false;
	tell_untold(manager, task, &before);
	put_attempt(manager, head, task, "failed", error);
	statistics_failed(manager, head, task->backend, fnr_json_get_text(task->summary, "variant", ""), error, true);
	wait_again(manager, head, task, error, delay);
	return true;
}

bool move_lost(struct manager *manager, struct job_head *head, struct task *task, struct json_object *error)
{
	struct job_head before = *head;
	bool may_repeat = !(head->flags & JOB_FLAG_ON_LOST_FAIL) || !task->begun;
	bool again = may_repeat && (task->excused || head->lost < manager->conf.job_max_lost);

	if (!move(head, head->state == FNR_STATE_CANCELLING || again ? TRIGGER_LOST : TRIGGER_FAIL))
		return false;
	tell_untold(manager, task, &before);
	head->lost += !task->excused;
	if (head->state == FNR_STATE_CANCELLED)
		put_attempt(manager, head, task, "cancelled", NULL);
	else
		put_attempt(manager, head, task, "lost", error);
	if (head->state != FNR_STATE_CANCELLED)
		statistics_failed(manager, head, task->backend, fnr_json_get_text(task->summary, "variant", ""), error, head->state == FNR_STATE_RETRY_WAIT);
	task_discard(manager, task);
	if (head->state == FNR_STATE_RETRY_WAIT) {
		wait_again(manager, head, task, error, retry_lost_delay(head->lost, random_bits()));
		return true;
	}
	task_discard_filed(manager, task);      /* its worker may have been lost after that, and before it told of it */
	end(manager, head, task->summary, task, head->state == FNR_STATE_FAILED ? error : NULL);
	return true;
}

bool move_stopped(struct manager *manager, struct job_head *head, struct task *task)
{
	struct job_head before = *head;

	if (!move(head, TRIGGER_STOPPED))
		return false;
	tell_untold(manager, task, &before);
	put_attempt(manager, head, task, "cancelled", NULL);
	end(manager, head, task->summary, task, NULL);
	return true;
}

bool move_give_back(struct manager *manager, struct job_head *head, struct task *task)
{
	struct json_object *error;
	struct job_head before = *head;

	if (!move(head, TRIGGER_GIVE_BACK))
		return false;
	tell_untold(manager, task, &before);
	error = error_make(FNR_CLASS_TRANSIENT, "stopped", NULL, NULL, "The server was stopped; the job starts again with it.");
	put_attempt(manager, head, task, "lost", error);
	json_object_put(error);
	head->queued_at = manager->turn.now;
	head->stage = FNR_STAGE_QUEUE;
	tell_queued(manager, head);
	put(manager, head);
	turn_log(manager, false, task->id, "job.queued attempt=%d given_back=true", head->attempt);
	task_discard(manager, task);
	task_free(manager, task);
	return true;
}
