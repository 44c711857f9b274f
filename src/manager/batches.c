/* Progress of batches: told when jobs of theirs changed, at most every BATCH_EVERY_MS, and at their end at once. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "manager/manager.h"
#include "manager/render.h"

void batch_changed(struct manager *manager, const struct fnr_id *batch)
{
	for (size_t i = 0; i < manager->batch_count; i++) {
		if (fnr_id_compare(&manager->batches[i].id, batch) == 0) {
			manager->batches[i].changed = true;
			return;
		}
	}
	if (manager->batch_count == manager->batch_size) {
		manager->batch_size = manager->batch_size ? manager->batch_size * 2 : 16;
		manager->batches = fnr_realloc(manager->batches, manager->batch_size * sizeof *manager->batches);
	}
	manager->batches[manager->batch_count++] = (struct batch_watch){ .id = *batch, .changed = true };
}

static bool ended(const struct batch *batch)
{
	for (int state = 0; state < FNR_STATE_COUNT; state++)
		if (batch->state[state] && !fnr_state_terminal(state))
			return false;
	return true;
}

static const char *state_of(const struct batch *batch)
{
	if (!ended(batch))
		return "running";
	if (batch->state[FNR_STATE_FAILED] || batch->state[FNR_STATE_EXPIRED])
		return "failed";
	return batch->state[FNR_STATE_CANCELLED] ? "cancelled" : "completed";
}

static void tell(struct manager *manager, struct batch *batch)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_buf *out = event_begin_batch(manager, batch, &batch->event);
	uint32_t finished = 0, known = 0;
	char project[68];

	member_text(out, "project", store_name_text(manager->turn.txn, STORE_PROJECT, batch->project, project) ? project : NULL);
	member_int(out, "total", batch->total);
	fnr_buf_puts(out, ",\"counts\":{");
	for (int state = 0; state < FNR_STATE_COUNT; state++) {
		if (state)
			fnr_buf_puts(out, ",");
		render_text(out, fnr_state_name(state));
		fnr_buf_puts(out, ":");
		render_int(out, batch->state[state]);
		known += batch->state[state];
		finished += fnr_state_terminal(state) ? batch->state[state] : 0;
	}
	fnr_buf_puts(out, "}");
	member_real(out, "percent", batch->total ? 100.0 * (finished + (batch->total - known)) / batch->total : 100.0);
	member_text(out, "state", state_of(batch));
	event_end(manager);
	turn_check(manager, store_batch_put(manager->turn.txn, batch, &err), &err, "a batch cannot be written");
}

/* True: it can be forgotten. */
static bool apply(struct manager *manager, struct batch_watch *watch)
{
	struct batch batch;
	bool over;

	if (!watch->changed)
		return manager->turn.mono - watch->told_at >= BATCH_EVERY_MS;
	if (store_batch_get(manager->turn.txn, &watch->id, &batch) != FNR_OK)
		return true;
	over = ended(&batch);
	if (!over && manager->turn.mono - watch->told_at < BATCH_EVERY_MS)
		return false;
	tell(manager, &batch);
	watch->changed = false;
	watch->told_at = manager->turn.mono;
	return over;
}

void batches_apply(struct manager *manager)
{
	for (size_t i = 0; i < manager->batch_count;) {
		if (apply(manager, &manager->batches[i]))
			manager->batches[i] = manager->batches[--manager->batch_count];
		else
			i++;
	}
}

int64_t batches_next(const struct manager *manager)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < manager->batch_count; i++)
		if (manager->batches[i].changed && manager->batches[i].told_at + BATCH_EVERY_MS < next)
			next = manager->batches[i].told_at + BATCH_EVERY_MS;
	return next;
}
