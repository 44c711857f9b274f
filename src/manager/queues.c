/* Paused queues and weights of projects: what is stored about them is heard when it changed, and ends when its time is up. */
#include "config.h"

#include "base/log.h"
#include "manager/manager.h"
#include "manager/render.h"

static bool read_row(uint32_t number, const struct store_queue *queue, void *context)
{
	struct manager *manager = context;

	lanes_pause(manager->lanes, (uint16_t)number, queue->paused);
	if (queue->paused && queue->until && (!manager->queues_due || queue->until < manager->queues_due))
		manager->queues_due = queue->until;
	return true;
}

void queues_read(struct manager *manager)
{
	manager->queues_due = 0;
	store_queues(manager->turn.txn, read_row, manager);
}

static bool weigh_row(uint32_t number, double weight, void *context)
{
	struct manager *manager = context;

	lanes_weigh(manager->lanes, number, weight);
	return true;
}

void queues_read_weights(struct manager *manager)
{
	store_projects(manager->turn.txn, weigh_row, manager);
}

void queues_tell(struct manager *manager, const char *name)
{
	uint32_t number = store_name_find(manager->turn.txn, STORE_QUEUE, name);
	struct store_queue queue = store_queue_get(manager->turn.txn, number);
	struct fnr_buf *out = event_begin_queue(manager, name);

	if (!out)
		return;
	fnr_buf_puts(out, queue.paused ? ",\"paused\":true" : ",\"paused\":false");
	member_time(out, "paused_until", queue.until);
	event_end(manager);
	if (queue.paused)
		fnr_info(NULL, "event=queue.paused queue=%s", name);
	else
		fnr_info(NULL, "event=queue.resumed queue=%s", name);
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
	const struct store_queue runs = { 0 };
	struct fnr_error err = FNR_ERROR_INIT;
	char name[68];

	if (!manager->queues_due || manager->queues_due > manager->turn.now)
		return;
	store_queues(manager->turn.txn, due_row, &due);
	for (size_t i = 0; i < due.count; i++) {
		turn_check(manager, store_queue_put(manager->turn.txn, due.numbers[i], &runs, &err), &err, "a queue cannot be written");
		if (store_name_text(manager->turn.txn, STORE_QUEUE, due.numbers[i], name))
			queues_tell(manager, name);
	}
	queues_read(manager);
}
