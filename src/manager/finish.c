/* Filing a result, in three steps: (1) manifest and take number are committed, with state finishing; (2) a worker
 * flushes and renames the folder; (3) completed is committed, with the take's record. Start-up repeats 2 and 3, so each
 * step may be done again: the folder carries the job's mark, and the record is made of nothing but what is stored. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "files/take.h"
#include "manager/manager.h"
#include "manager/render.h"

#define TRIES 5
#define FULL_MS 2000
static const int64_t pauses_ms[TRIES] = { 0, 1000, 2000, 5000, 10000 };

/* ---- step 1: the number ---- */

/* Reading folders is no work for a transaction; the counter, which is read in it, has the last word. */
void finish_look(struct manager *manager)
{
	for (size_t i = 0; i < manager->report_count; i++) {
		struct json_object *message = manager->reports[i].message;
		const char *type = fnr_json_get_text(message, "type", "");
		struct task *task = manager->reports[i].worker->task;
		const char *project = task ? fnr_json_get_text(task->summary, "project", NULL) : NULL;

		if (!project || (strcmp(type, "finish_failed") != 0 &&
		                 (strcmp(type, "manifest") != 0 || json_object_array_length(fnr_json_get(message, "outputs")) == 0)))
			continue;
		task->highest = take_highest(project, fnr_json_get_text(task->summary, "shot", "main"));
	}
}

void finish_number(struct manager *manager, struct job_head *head, struct task *task)
{
	struct fnr_error err = FNR_ERROR_INIT;
	uint32_t counter;

	head->take = 0;
	if (!head->project)
		return;
	counter = store_shot_counter(manager->turn.txn, head->project, head->shot);
	head->take = (counter > task->highest ? counter : task->highest) + 1;
	turn_check(manager, store_shot_raise(manager->turn.txn, head->project, head->shot, head->take, &err), &err,
	           "a take number cannot be written");
}

/* ---- step 2: the folder ---- */

/* take.json: what made this result, so that it can be understood, and made again, without us. */
static char *take_text(struct manager *manager, struct store_txn *txn, const struct task *task)
{
	static const char *const of_summary[] = { "template", "version", "digest", "quality", "preset" };
	static const char *const of_payload[] = { "inputs", "parameters", "metadata" };
	struct json_object *payload, *take = json_object_new_object();
	struct fnr_buf text = FNR_BUF_INIT;
	struct fnr_error err = FNR_ERROR_INIT;
	char *out;

	if (store_job_body(txn, &task->job, NULL, &text, &err) != FNR_OK)
		fnr_warn(NULL, "job=%s event=take.incomplete: its inputs cannot be read: %s", task->id, err.message);
	payload = text.len ? fnr_json_parse_own(text.data, text.len, NULL) : NULL;
	fnr_buf_free(&text);
	fnr_error_clear(&err);
	fnr_json_set_text(take, "project", fnr_json_get_text(task->summary, "project", NULL));
	fnr_json_set_text(take, "shot", fnr_json_get_text(task->summary, "shot", NULL));
	fnr_json_set_int(take, "take", task->head.take);
	fnr_json_set_text(take, "job", task->id);
	fnr_json_set_int(take, "attempt", task->attempt);
	for (size_t i = 0; i < sizeof of_summary / sizeof of_summary[0]; i++)
		fnr_json_set_text(take, of_summary[i], fnr_json_get_text(task->summary, of_summary[i], NULL));
	fnr_json_set(take, "inputs", json_object_get(fnr_json_get(payload, of_payload[0])));
	fnr_json_set(take, "parameters", json_object_get(fnr_json_get(payload, of_payload[1])));
	fnr_json_set_int(take, "seed", fnr_json_get_int(task->summary, "seed", 0));
	fnr_json_set_text(take, "backend", task->backend);
	fnr_json_set_text(take, "worker", task->worker_name);
	fnr_json_set_time(take, "created_at", task->head.created_at);
	fnr_json_set_time(take, "started_at", task->started_at);
	fnr_json_set_time(take, "finished_at", fnr_json_get_int(task->manifest, "finished_at", 0));
	fnr_json_set(take, "files", json_object_get(fnr_json_get(task->manifest, "outputs")));
	fnr_json_set(take, "metadata", json_object_get(fnr_json_get(payload, of_payload[2])));
	out = fnr_strdup(fnr_json_text(take, NULL));
	json_object_put(take);
	json_object_put(payload);
	return out;
}

static void tell(struct manager *manager, struct task *task)
{
	const char *project = fnr_json_get_text(task->summary, "project", ""), *shot = fnr_json_get_text(task->summary, "shot", "");
	struct fnr_buf text = FNR_BUF_INIT;
	char path[TAKE_PATH];

	fnr_buf_puts(&text, "{\"type\":\"finish\"");
	member_text(&text, "job", task->id);
	member_int(&text, "attempt", task->attempt);
	take_attempt_dir(path, project, shot, &task->job, task->attempt);
	member_text(&text, "attempt_dir", path);
	take_final_dir(path, project, shot, task->head.take, &task->job);
	member_text(&text, "final_dir", path);
	member_json(&text, "take", task->take);
	fnr_buf_puts(&text, "}");
	worker_tell_text(task->worker, text.data, text.len);
	fnr_buf_free(&text);
	task->finish_due = false;
}

void finish_assign(struct manager *manager)
{
	for (struct task *task = manager->tasks; task; task = task->next) {
		struct worker *worker;

		if (!task->finish_due || task->worker || task->finish_after > manager->turn.mono)
			continue;
		worker = pool_idle(&manager->pool);
		if (!worker)
			return;
		task->worker = worker;
		worker->task = task;
		worker_state_set(&manager->pool, worker, WORKER_BUSY, manager->turn.now, manager->turn.mono);
	}
}

void finish_tell(struct manager *manager)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn = NULL;

	for (struct task *task = manager->tasks; task; task = task->next) {
		if (!task->finish_due || !task->worker)
			continue;
		if (!task->take && task->head.take) {
			if (!txn)
				txn = store_read(manager->store, &err);
			if (!txn)
				manager_fail(manager, "the store cannot be read", &err);
			task->take = take_text(manager, txn, task);
		}
		tell(manager, task);
	}
	store_read_end(txn);
}

int64_t finish_next(const struct manager *manager)
{
	int64_t next = INT64_MAX;

	for (const struct task *task = manager->tasks; task; task = task->next)
		if (task->finish_due && !task->worker && task->finish_after > manager->turn.mono && task->finish_after < next)
			next = task->finish_after;
	return next;
}

/* ---- step 3, and what can go wrong ---- */

static bool load(struct manager *manager, const struct task *task, struct job_head *head)
{
	return store_job_get(manager->turn.txn, &task->job, head) == FNR_OK && head->attempt == task->attempt &&
	       head->state == FNR_STATE_FINISHING;
}

void finish_finished(struct manager *manager, struct task *task)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct job_head head;

	if (!load(manager, task, &head))
		return;
	if (head.take)
		turn_check(manager, store_take_put(manager->turn.txn, head.project, head.shot, head.take, task->take, &err), &err,
		           "a take cannot be written");
	thumbnails_want(manager, task);
	move_done(manager, &head, task);
}

static void give_up(struct manager *manager, struct job_head *head, struct task *task, struct json_object *error)
{
	task_discard(manager, task);
	move_fail(manager, head, task, error);
	json_object_put(error);
}

/* Somebody else made a folder of that name: the next number. */
static void number_again(struct manager *manager, struct job_head *head, struct task *task)
{
	struct fnr_error err = FNR_ERROR_INIT;

	finish_number(manager, head, task);
	turn_check(manager, store_job_put(manager->turn.txn, head, &err), &err, "a job cannot be written");
	task->head = *head;
	free(task->take);
	task->take = NULL;
	task->finish_due = true;
	task->finish_after = 0;
}

static void file_after(struct manager *manager, struct task *task, int64_t pause_ms)
{
	task->finish_due = true;
	task->finish_after = manager->turn.mono + pause_ms;
}

/* Work that was done is not thrown away for want of room: it is filed when there is some, however long that takes. */
static void wait_for_room(struct manager *manager, struct task *task, const char *message)
{
	fnr_warn(NULL, "job=%s event=job.filing_waits: %s", task->id, message);
	file_after(manager, task, FULL_MS);
}

static void try_again(struct manager *manager, struct job_head *head, struct task *task, const char *message)
{
	if (++task->finish_tries >= TRIES) {
		struct json_object *error = error_make(FNR_CLASS_RESOURCE, "filing_failed", "Look at the disk, then run the job again.",
		                                       "retry", "The result could not be filed: %s.", message);

		give_up(manager, head, task, error);
		return;
	}
	fnr_warn(NULL, "job=%s event=job.filing_failed tries=%u: %s", task->id, task->finish_tries, message);
	file_after(manager, task, pauses_ms[task->finish_tries]);
}

void finish_failed(struct manager *manager, struct task *task, const char *reason, const char *message)
{
	struct job_head head;

	if (!load(manager, task, &head))
		return;
	if (strcmp(reason, "exists") == 0 && head.take)
		number_again(manager, &head, task);
	else if (strcmp(reason, "missing") == 0)
		give_up(manager, &head, task, error_make(FNR_CLASS_PERMANENT, "result_lost", "Run the job again.", "retry",
		                                         "The files of the result were removed before they could be filed."));
	else if (strcmp(reason, "full") == 0)
		wait_for_room(manager, task, message);
	else
		try_again(manager, &head, task, message);
}

void finish_worker_lost(struct manager *manager, struct task *task)
{
	struct job_head head;

	if (load(manager, task, &head))
		try_again(manager, &head, task, "the worker that filed it ended");
}
