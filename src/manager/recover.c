/* The start: what an earlier life left behind. Its workers and scripts were ended before this runs. */
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "files/take.h"
#include "manager/manager.h"

#define ACTIVE_A_WALK 256

/* The task of a job that was running, as its records tell. */
static struct task *task_again(struct manager *manager, const struct job_head *head)
{
	struct json_object *summary = job_summary(manager, &head->id);
	struct task *task = task_add(manager, head, summary);
	struct job_active active;

	json_object_put(summary);
	task->started_at = head->started_at;
	task->begun = !(head->flags & JOB_FLAG_ON_LOST_FAIL) || begun_has(manager->begun, task->id, head->attempt);
	progress_begin(&task->progress, task->function, head->queued_at, head->started_at);
	if (store_active_get(manager->turn.txn, &head->id, &active) != FNR_OK)
		return task;
	task->started_at = active.started_at;
	fnr_text_copy(task->worker_name, sizeof task->worker_name, active.worker);
	fnr_text_copy(task->backend, sizeof task->backend, active.backend);
	fnr_text_copy(task->placement, sizeof task->placement, active.placement);
	if (active.manifest)
		task->manifest = fnr_json_parse_own(active.manifest, strlen(active.manifest), NULL);
	free(active.manifest);
	return task;
}

static void file_again(struct manager *manager, struct task *task)
{
	progress_report(&task->progress, task->function, FNR_STAGE_FINALIZATION, 0.0, NULL, manager->turn.now);
	task->cpu_ms = fnr_json_get_int(task->manifest, "cpu_ms", 0);
	task->rss_max = (uint64_t)fnr_json_get_int(task->manifest, "rss_max", 0);
	task->finish_due = true;
}

static void go_on(struct manager *manager, struct job_head *head, struct task *task)
{
	struct json_object *error;

	if (attach_possible(manager, task, head)) {
		attach_begin(manager, task, head);
		return;
	}
	error = error_make(FNR_CLASS_UNKNOWN, "lost", "Try again.", "retry", "The server was stopped or failed while it ran.");
	move_lost(manager, head, task, error);
	json_object_put(error);
}

static void bring_back(struct manager *manager, struct job_head *head, bool was_stopped)
{
	struct task *task = task_again(manager, head);

	task->excused = was_stopped;
	fnr_info(NULL, "job=%s event=job.brought_back state=%s attempt=%d", task->id, fnr_state_name(head->state), head->attempt);
	if (head->state == FNR_STATE_FINISHING) {
		file_again(manager, task);
		return;
	}
	attach_recall(manager, task);
	go_on(manager, head, task);
}

struct heads { struct job_head items[ACTIVE_A_WALK]; size_t count; };

static bool keep(const struct job_head *head, void *context)
{
	struct heads *heads = context;

	heads->items[heads->count++] = *head;
	return true;
}

/* Was the life before this one ended in good order? Said once. */
static bool was_stopped(struct manager *manager)
{
	struct fnr_error err = FNR_ERROR_INIT;

	if (!store_meta_get(manager->turn.txn, STORE_META_STOPPED))
		return false;
	turn_check(manager, store_meta_put(manager->turn.txn, STORE_META_STOPPED, 0, &err), &err, "the start cannot be noted");
	return true;
}

void recover_jobs(struct manager *manager)
{
	struct heads *heads = fnr_alloc(sizeof *heads);
	struct fnr_id after = FNR_ID_NONE;
	bool stopped = was_stopped(manager);

	do {
		heads->count = 0;
		store_jobs_active(manager->turn.txn, fnr_id_is_none(&after) ? NULL : &after, ACTIVE_A_WALK, keep, heads);
		for (size_t i = 0; i < heads->count; i++) {
			after = heads->items[i].id;
			bring_back(manager, &heads->items[i], stopped);
		}
	} while (heads->count == ACTIVE_A_WALK);
	free(heads);
}

/* ---- attempts that were told of before they were written down (worker/wire.h, "early") ---- */

/* It has begun over there: what the kill kept from being written down is written down now. */
static void take_over(struct manager *manager, const struct begun_note *note)
{
	struct json_object *summary;
	struct job_head head;
	struct fnr_id id;
	struct task *task;

	if (!fnr_id_parse(note->job, &id) || store_job_get(manager->turn.txn, &id, &head) != FNR_OK || head.attempt + 1 != note->attempt ||
	    !move_allowed(&head, TRIGGER_DISPATCH))
		return;
	if (fnr_id_compare(&id, &manager->seen) > 0)
		move_appeared(manager, &head);
	summary = job_summary(manager, &id);
	task = task_add(manager, &head, summary);
	task->attempt = (uint16_t)note->attempt;
	task->begun = true;
	task->started_at = manager->turn.now;
	fnr_text_copy(task->worker_name, sizeof task->worker_name, note->worker);
	fnr_text_copy(task->backend, sizeof task->backend, note->backend);
	fnr_text_copy(task->placement, sizeof task->placement, "begun there before a restart");
	progress_begin(&task->progress, task->function, head.queued_at, task->started_at);
	fnr_info(NULL, "job=%s event=job.taken_over attempt=%d backend=%s", task->id, note->attempt, task->backend);
	move_dispatch(manager, &head, summary, task);
	json_object_put(summary);
	go_on(manager, &head, task);
}

void recover_begun(struct manager *manager)
{
	size_t count;
	const struct begun_note *notes = begun_notes(manager->begun, &count);

	for (size_t i = 0; i < count; i++)
		take_over(manager, &notes[i]);
	manager->doubt = begun_complete(manager->begun) ? begun_doubt(manager->begun) : store_last_job(manager->turn.txn);
}

/* "<job>-<attempt>": one that got ready, and did not begin? */
static bool was_early(struct manager *manager, const char *name)
{
	char text[FNR_ID_TEXT];
	struct job_head head;
	struct fnr_id id;

	fnr_text_copy(text, sizeof text, name);
	return fnr_id_parse(text, &id) && store_job_get(manager->turn.txn, &id, &head) == FNR_OK && atoi(name + FNR_ID_TEXT) > head.attempt;
}

void recover_folders(struct manager *manager)
{
	DIR *dir = opendir("workspace/.work");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char path[TAKE_PATH + 32];

		snprintf(path, sizeof path, "workspace/.work/%s", entry->d_name);
		if (!take_work_valid(path) || attach_keeps(manager, path))
			continue;
		/* At once, as the next attempt will have its number, and so its folder. */
		if (!was_early(manager, entry->d_name) || take_dir_remove(path, NULL) != FNR_OK)
			discard_add(manager, path);
	}
	if (dir)
		closedir(dir);
}
