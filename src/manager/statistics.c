/* Figures of how it goes: of each queue for the last minute, of templates and errors by the hour. What a turn adds is put
 * together and stored once, with the turn's transaction. */
#include "config.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "manager/manager.h"
#include "manager/render.h"

static struct figures *figures_of(struct manager *manager, uint16_t queue)
{
	struct statistics *statistics = &manager->statistics;

	if (queue >= statistics->queue_count) {
		statistics->queues = fnr_realloc(statistics->queues, (queue + 1u) * sizeof *statistics->queues);
		while (statistics->queue_count <= queue)
			statistics->queues[statistics->queue_count++] = NULL;
	}
	if (!statistics->queues[queue])
		statistics->queues[queue] = fnr_alloc(sizeof **statistics->queues);
	return statistics->queues[queue];
}

void statistics_store(struct manager *manager)
{
	struct statistics *statistics = &manager->statistics;
	struct fnr_error err = FNR_ERROR_INIT;

	for (size_t i = 0; i < statistics->count; i++)
		turn_check(manager, store_runs_add(manager->turn.txn, manager->turn.now, &statistics->runs[i], &err), &err, "a figure cannot be written");
	statistics->count = 0;
}

static struct store_runs *runs_of(struct manager *manager, const struct job_head *head, const char *backend, const char *variant)
{
	struct statistics *statistics = &manager->statistics;
	struct store_runs *runs;

	for (size_t i = 0; i < statistics->count; i++) {
		runs = &statistics->runs[i];
		if (runs->template_ == head->template_ && runs->quality == head->quality && strcmp(runs->backend, backend) == 0 &&
		    strcmp(runs->variant, variant) == 0)
			return runs;
	}
	if (statistics->count == STATISTICS_RUNS)
		statistics_store(manager);
	runs = &statistics->runs[statistics->count++];
	*runs = (struct store_runs){ .template_ = head->template_, .quality = head->quality };
	fnr_text_copy(runs->backend, sizeof runs->backend, backend);
	fnr_text_copy(runs->variant, sizeof runs->variant, variant);
	return runs;
}

void statistics_started(struct manager *manager, const struct job_head *head)
{
	figures_started(figures_of(manager, head->queue), manager->turn.mono, head->started_at - head->queued_at);
}

void statistics_ended(struct manager *manager, const struct job_head *head, const char *backend, const char *variant)
{
	struct store_runs *runs = runs_of(manager, head, backend, variant);

	runs->completed += head->state == FNR_STATE_COMPLETED;
	runs->failed += head->state == FNR_STATE_FAILED;
	runs->cancelled += head->state == FNR_STATE_CANCELLED;
	runs->expired += head->state == FNR_STATE_EXPIRED;
	if (head->started_at > head->queued_at)
		runs->wait_ms += (uint64_t)(head->started_at - head->queued_at);
	if (head->state != FNR_STATE_COMPLETED)
		return;
	if (head->finished_at > head->started_at)
		runs->run_ms += (uint64_t)(head->finished_at - head->started_at);
	figures_completed(figures_of(manager, head->queue), manager->turn.mono);
}

void statistics_failed(struct manager *manager, const struct job_head *head, const char *backend, const char *variant, struct json_object *error, bool again)
{
	int class_ = fnr_class_parse(fnr_json_get_text(error, "class", "unknown"));
	struct store_errors errors = { .template_ = head->template_, .class_ = class_ < 0 ? FNR_CLASS_UNKNOWN : (unsigned)class_, .count = 1,
	                               .last_job = head->id, .last_at = manager->turn.now };
	struct fnr_error err = FNR_ERROR_INIT;

	if (again)
		runs_of(manager, head, backend, variant)->retried++;
	figures_failed(figures_of(manager, head->queue), manager->turn.mono);
	fnr_text_copy(errors.backend, sizeof errors.backend, backend);
	fnr_text_copy(errors.code, sizeof errors.code, fnr_json_get_text(error, "code", "unknown"));
	turn_check(manager, store_errors_add(manager->turn.txn, &errors, &err), &err, "a figure cannot be written");
}

bool statistics_live(const struct manager *manager, uint32_t queue, struct fnr_buf *text)
{
	struct figures_sum sum;

	if (!manager->statistics.queues[queue])
		return false;
	sum = figures_minute(manager->statistics.queues[queue], manager->turn.mono);
	fnr_buf_puts(text, "{\"started\":");
	render_int(text, (int64_t)sum.started);
	member_int(text, "completed", (int64_t)sum.completed);
	member_int(text, "failed", (int64_t)sum.failed);
	member_int(text, "waited_ms", sum.started ? (int64_t)(sum.waited_ms / sum.started) : 0);
	member_int(text, "waited_most_ms", (int64_t)sum.waited_most_ms);
	fnr_buf_puts(text, "}");
	return true;
}
