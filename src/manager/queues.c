/* What operators decided about queues, projects and tiers: pauses, limits and weights. It is read when it changed; pauses end when
 * their time is up. */
#include "config.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "manager/manager.h"
#include "manager/render.h"
#include "registry/preset.h"

static bool read_row(uint32_t number, const struct store_queue *queue, void *context)
{
	struct manager *manager = context;

	(queue->paused ? lanes_close : lanes_open)(manager->lanes, GATE_QUEUE, number, REASON_PAUSED);
	limits_set(manager->limits, GATE_QUEUE, number, queue->limit, manager->turn.mono);
	if (queue->paused && queue->until && (!manager->queues_due || queue->until < manager->queues_due))
		manager->queues_due = queue->until;
	return true;
}

void queues_read(struct manager *manager)
{
	manager->queues_due = 0;
	store_queues(manager->turn.txn, read_row, manager);
}

static bool project_row(uint32_t number, const struct store_project *project, void *context)
{
	struct manager *manager = context;

	lanes_weigh(manager->lanes, number, project->weight);
	limits_set(manager->limits, GATE_PROJECT, number, project->limit, manager->turn.mono);
	return true;
}

void queues_read_projects(struct manager *manager)
{
	store_projects(manager->turn.txn, project_row, manager);
}

void queues_read_tiers(struct manager *manager)
{
	const struct preset *preset;

	for (int tier = 0; tier < FNR_QUALITY_COUNT; tier++) {
		struct store_limit limit = { 0 };

		if (preset_of_tier(manager->turn.txn, (enum fnr_quality)tier, &preset, NULL) == FNR_OK)
			limit.concurrency = (uint32_t)fnr_json_get_int(fnr_json_get(preset->record, "pipeline"), "concurrency", 0);
		limits_set(manager->limits, GATE_TIER, (uint32_t)tier, limit, manager->turn.mono);
	}
}

/* ---- starts of an earlier life, for limits on their number ---- */

#define PAST_ROWS 5000
#define PAST_MS 60000
#define PAST_TEMPLATES 64

struct past { struct manager *manager; struct job_head jobs[PAST_TEMPLATES]; size_t count; };

static bool known(const struct past *past, uint32_t template_)
{
	for (size_t i = 0; i < past->count; i++)
		if (past->jobs[i].template_ == template_)
			return true;
	return false;
}

static bool past_row(const struct job_head *head, void *context)
{
	struct past *past = context;
	struct manager *manager = past->manager;
	int64_t ago = manager->turn.now - head->started_at, then = manager->turn.mono - ago;

	if (!head->started_at || ago < 0 || ago > PAST_MS)
		return true;
	limits_past_start(manager->limits, GATE_QUEUE, head->queue, then, manager->turn.mono);
	limits_past_start(manager->limits, GATE_PROJECT, head->project, then, manager->turn.mono);
	limits_past_start(manager->limits, GATE_TEMPLATE, head->template_, then, manager->turn.mono);
	if (past->count < PAST_TEMPLATES && !known(past, head->template_))
		past->jobs[past->count++] = *head;
	return true;
}

void queues_recall(struct manager *manager)
{
	struct past *past = fnr_alloc(sizeof *past);

	past->manager = manager;
	store_jobs_newest(manager->turn.txn, NULL, PAST_ROWS, past_row, past);
	for (size_t i = 0; i < past->count; i++) {
		struct json_object *summary = job_summary(manager, &past->jobs[i].id);
		struct function *function = function_hold(manager->functions, manager->turn.txn, fnr_json_get_text(summary, "digest", NULL), NULL);

		if (function)
			limits_set(manager->limits, GATE_TEMPLATE, past->jobs[i].template_, function->limit, manager->turn.mono);
		function_drop(function);
		json_object_put(summary);
	}
	free(past);
}

/* ---- what is told ---- */

/* 0 stands for no limit. */
static void member_count(struct fnr_buf *out, const char *name, uint32_t value)
{
	if (value)
		member_int(out, name, value);
	else
		member_json(out, name, NULL);
}

void queues_tell(struct manager *manager, const char *name)
{
	uint32_t number = store_name_find(manager->turn.txn, STORE_QUEUE, name);
	struct store_queue queue = store_queue_get(manager->turn.txn, number);
	struct fnr_buf *out = event_begin_named(manager, FNR_EVENT_QUEUE_CHANGED, "queue", name);

	if (!out)
		return;
	fnr_buf_puts(out, queue.paused ? ",\"paused\":true" : ",\"paused\":false");
	member_time(out, "paused_until", queue.until);
	member_count(out, "concurrency", queue.limit.concurrency);
	member_count(out, "per_minute", queue.limit.per_minute);
	event_end(manager);
	fnr_info(NULL, "event=queue.changed queue=%s paused=%d concurrency=%u per_minute=%u", name, queue.paused, queue.limit.concurrency,
	         queue.limit.per_minute);
}

struct due { uint32_t numbers[16]; size_t count; int64_t now; };

static bool due_row(uint32_t number, const struct store_queue *queue, void *context)
{
	struct due *due = context;

	if (queue->paused && queue->until && queue->until <= due->now && due->count < sizeof due->numbers / sizeof due->numbers[0])
		due->numbers[due->count++] = number;
	return true;
}

void queues_resume_due(struct manager *manager)
{
	struct due due = { .now = manager->turn.now };
	struct fnr_error err = FNR_ERROR_INIT;
	char name[68];

	if (!manager->queues_due || manager->queues_due > manager->turn.now)
		return;
	store_queues(manager->turn.txn, due_row, &due);
	for (size_t i = 0; i < due.count; i++) {
		struct store_queue runs = { .limit = store_queue_get(manager->turn.txn, due.numbers[i]).limit };

		turn_check(manager, store_queue_put(manager->turn.txn, due.numbers[i], &runs, &err), &err, "a queue cannot be written");
		if (store_name_text(manager->turn.txn, STORE_QUEUE, due.numbers[i], name))
			queues_tell(manager, name);
	}
	queues_read(manager);
}
