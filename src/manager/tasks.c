#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "files/take.h"
#include "manager/manager.h"
#include "manager/render.h"

struct task *task_add(struct manager *manager, const struct job_head *head, struct json_object *summary)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct task *task = fnr_alloc(sizeof *task);

	task->job = head->id;
	fnr_id_format(&head->id, task->id);
	task->attempt = head->attempt;
	task->head = *head;
	task->summary = json_object_get(summary);
	task->function = function_hold(manager->functions, manager->turn.txn, fnr_json_get_text(summary, "digest", NULL), &err);
	fnr_error_clear(&err);
	task->next = manager->tasks;
	manager->tasks = task;
	manager->task_count++;
	if (task->function)
		limits_set(manager->limits, GATE_TEMPLATE, head->template_, task->function->limit, manager->turn.mono);
	limits_started(manager->limits, GATE_QUEUE, head->queue, manager->turn.mono);
	limits_started(manager->limits, GATE_PROJECT, head->project, manager->turn.mono);
	limits_started(manager->limits, GATE_TEMPLATE, head->template_, manager->turn.mono);
	limits_started(manager->limits, GATE_TIER, head->quality, manager->turn.mono);
	return task;
}

void task_free(struct manager *manager, struct task *task)
{
	struct task **at = &manager->tasks;

	while (*at != task)
		at = &(*at)->next;
	*at = task->next;
	manager->task_count--;
	backends_ended(manager, task, BACKEND_UNPROVED, NULL);
	limits_ended(manager->limits, GATE_QUEUE, task->head.queue, manager->turn.mono);
	limits_ended(manager->limits, GATE_PROJECT, task->head.project, manager->turn.mono);
	limits_ended(manager->limits, GATE_TEMPLATE, task->head.template_, manager->turn.mono);
	limits_ended(manager->limits, GATE_TIER, task->head.quality, manager->turn.mono);
	if (task->worker)
		task->worker->task = NULL;
	json_object_put(task->summary);
	json_object_put(task->manifest);
	function_drop(task->function);
	free(task->take);
	free(task);
}

struct task *task_find(struct manager *manager, const struct fnr_id *job)
{
	for (struct task *task = manager->tasks; task; task = task->next)
		if (fnr_id_compare(&task->job, job) == 0)
			return task;
	return NULL;
}

uint64_t task_tell_progress(struct manager *manager, struct task *task, const struct job_head *head)
{
	uint64_t number;
	struct fnr_buf *out = event_begin(manager, FNR_EVENT_JOB_PROGRESS, head, task->summary, &number);

	if (!out)
		return 0; /* told in the next turn, which gets new numbers */
	member_text(out, "stage", fnr_stage_name(task->progress.stage));
	fnr_buf_puts(out, ",\"progress\":");
	progress_render(out, &task->progress, head->state);
	event_end(manager);
	note_progress(manager, task, head->state);
	task->untold = task->measured = false;
	task->told_at = manager->turn.mono;
	task->tell_next = (task->tell_next > task->told_at ? task->tell_next : task->told_at) + PROGRESS_EVERY_MS;
	return number;
}
