/* Attempts that go on where nobody of us watches them any more: the manager was stopped or failed, or their worker did. Where
 * the kind of backend can, another worker joins them; the attempt is the same one. */
#include "config.h"

#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "files/take.h"
#include "manager/manager.h"

#define JOINS_MOST 3       /* in one life of ours: an attempt that ends every worker that joins it is lost */
#define TIME_LEAST_MS 1000

bool attach_possible(struct manager *manager, const struct task *task, const struct job_head *head)
{
	struct backend *backend = backends_find(manager, task->backend);

	return task->begun && task->function && task->function->attachable && backend && backend->endpoint && strcmp(backend->kind, task->function->kind) == 0 &&
	       task->joins < JOINS_MOST && (head->state == FNR_STATE_RUNNING || head->state == FNR_STATE_CANCELLING);
}

void attach_begin(struct manager *manager, struct task *task, const struct job_head *head)
{
	task->head = *head;
	task->attach_due = true;
	task->joins++;
	task->deadline = task->cancel_by = 0;
	task->killed_for = KILLED_NOT;
	if (!task->place) {
		task->place = backends_find(manager, task->backend);
		task->place->running++;
	}
}

size_t attach_waiting(const struct manager *manager)
{
	size_t count = 0;

	for (const struct task *task = manager->tasks; task; task = task->next)
		count += task->attach_due;
	return count;
}

/* The time that it had already counts. */
static int64_t time_left(const struct manager *manager, const struct task *task)
{
	int64_t all = dispatch_timeout(manager, task, &task->head), spent = manager->turn.now - task->started_at;

	return all - spent > TIME_LEAST_MS ? all - spent : TIME_LEAST_MS;
}

static void note_worker(struct manager *manager, const struct task *task)
{
	struct job_active active = { .attempt = task->attempt, .started_at = task->started_at };
	struct fnr_error err = FNR_ERROR_INIT;

	fnr_text_copy(active.worker, sizeof active.worker, task->worker_name);
	fnr_text_copy(active.backend, sizeof active.backend, task->backend);
	fnr_text_copy(active.placement, sizeof active.placement, task->placement);
	turn_check(manager, store_active_put(manager->turn.txn, &task->job, &active, &err), &err, "a running job cannot be written");
}

static void cannot_be_read(struct manager *manager, struct task *task)
{
	struct json_object *error = error_make(FNR_CLASS_PERMANENT, "record_lost", "Submit it again.", "retry", "Its inputs cannot be read any more.");
	struct job_head head = task->head;

	task_discard(manager, task);
	if (head.state == FNR_STATE_CANCELLING)
		move_stopped(manager, &head, task);
	else
		move_fail(manager, &head, task, error);
	json_object_put(error);
}

static void join(struct manager *manager, struct task *task, struct worker *worker)
{
	int64_t timeout_ms = time_left(manager, task);

	task->worker = worker;
	task->attach_due = false;
	if (!dispatch_tell_run(manager, task, &task->head, task->place, timeout_ms, true)) {
		task->worker = NULL;
		cannot_be_read(manager, task);
		return;
	}
	task->deadline = manager->turn.mono + timeout_ms + OVERTIME_MS;
	if (task->head.state == FNR_STATE_CANCELLING) {
		task->cancel_by = manager->turn.mono + CANCEL_MS;
		worker_tell(worker, "cancel", task->id, task->attempt);
	}
	worker->task = task;
	fnr_text_copy(worker->backend, sizeof worker->backend, task->backend);
	fnr_text_copy(task->worker_name, sizeof task->worker_name, worker->name);
	worker_state_set(&manager->pool, worker, WORKER_BUSY, manager->turn.now, manager->turn.mono);
	note_worker(manager, task);
	turn_log(manager, false, task->id, "job.joined attempt=%d worker=%s backend=%s", task->attempt, worker->name, task->backend);
}

void attach_assign(struct manager *manager)
{
	struct task *task, *next;
	struct worker *worker;

	if (manager->stopping)
		return;
	for (task = manager->tasks; task; task = next) {
		next = task->next;
		if (!task->attach_due)
			continue;
		worker = pool_idle_for(&manager->pool, task->backend);
		if (!worker)
			return;
		turn_write(manager);
		join(manager, task, worker);
	}
}

void attach_leave(struct manager *manager)
{
	struct task *task, *next;

	for (task = manager->tasks; task; task = next) {
		next = task->next;
		/* Whoever has not told so until the end may have begun all the same. */
		if (manager->turn.mono >= manager->stop_by && !(task->head.flags & JOB_FLAG_ON_LOST_FAIL))
			task->begun = true;
		if (task->head.state != FNR_STATE_RUNNING || !attach_possible(manager, task, &task->head))
			continue;
		fnr_info(NULL, "job=%s event=job.left attempt=%d backend=%s: it goes on there", task->id, task->attempt, task->backend);
		if (task->worker)
			worker_kill(&manager->pool, task->worker);
		task_free(manager, task);
	}
}

void attach_recall(struct manager *manager, struct task *task)
{
	struct journal_txn *txn = journal_read(manager->journal, NULL);
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *past;

	if (!txn)
		return;
	if (journal_progress_get(txn, &task->job, &text) == FNR_OK) {
		past = fnr_json_parse_own(text.data, text.len, NULL);
		if (fnr_json_get_int(past, "attempt", 0) == task->attempt)
			progress_go_on(&task->progress, task->head.stage, fnr_json_get_real(past, "percent", 0), manager->turn.now);
		json_object_put(past);
	}
	journal_end(txn);
	fnr_buf_free(&text);
}

bool attach_keeps(const struct manager *manager, const char *work)
{
	char path[TAKE_PATH];

	for (const struct task *task = manager->tasks; task; task = task->next) {
		if (!task->attach_due)
			continue;
		take_work_dir(path, &task->job, task->attempt);
		if (strcmp(path, work) == 0)
			return true;
	}
	return false;
}
