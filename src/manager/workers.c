/* What operators want of the workers: how many there may be, beside what the configuration says, and which of them shall go. */
#include "config.h"

#include <string.h>

#include "base/log.h"
#include "manager/manager.h"
#include "manager/render.h"

/* In the store, one more than the number: 0 is as configured. */
static void apply(struct manager *manager)
{
	struct scale *scale = &manager->scale;

	manager->conf.workers_max = scale->most ? (int64_t)scale->most - 1 : scale->configured_most;
	manager->conf.workers_min = scale->least ? (int64_t)scale->least - 1 : scale->configured_least;
	if (manager->conf.workers_min > manager->conf.workers_max)
		manager->conf.workers_min = manager->conf.workers_max;
	places_freed(manager, &manager->local);
}

void workers_configured(struct manager *manager)
{
	manager->scale.configured_least = manager->conf.workers_min;
	manager->scale.configured_most = manager->conf.workers_max;
	apply(manager);
}

void workers_read(struct manager *manager)
{
	manager->scale.least = store_meta_get(manager->turn.txn, STORE_META_WORKERS_MIN);
	manager->scale.most = store_meta_get(manager->turn.txn, STORE_META_WORKERS_MAX);
	workers_configured(manager);
}

static uint64_t wanted(struct json_object *command, const char *name)
{
	return fnr_json_get(command, name) ? (uint64_t)fnr_json_get_int(command, name, 0) + 1 : 0;
}

void workers_scale(struct manager *manager, struct json_object *command)
{
	struct fnr_error err = FNR_ERROR_INIT;

	manager->scale.least = wanted(command, "min");
	manager->scale.most = wanted(command, "max");
	turn_check(manager, store_meta_put(manager->turn.txn, STORE_META_WORKERS_MIN, manager->scale.least, &err), &err, "a number of workers cannot be written");
	turn_check(manager, store_meta_put(manager->turn.txn, STORE_META_WORKERS_MAX, manager->scale.most, &err), &err, "a number of workers cannot be written");
	apply(manager);
	fnr_info(NULL, "event=workers.scaled min=%lld max=%lld", (long long)manager->conf.workers_min, (long long)manager->conf.workers_max);
}

const char *workers_state(const struct worker *worker)
{
	static const char *const names[] = { "starting", "idle", "busy", "stopping" };

	return worker->leaves && worker->state == WORKER_BUSY ? "draining" : names[worker->state];
}

void workers_tell(struct manager *manager, const struct worker *worker, const char *state)
{
	struct fnr_buf *out = event_begin_named(manager, FNR_EVENT_WORKER_CHANGED, "worker", worker->name);

	if (!out)
		return;
	member_text(out, "state", state);
	event_end(manager);
}

/* Between two tasks: one that shall go does. */
void workers_free(struct manager *manager, struct worker *worker)
{
	if (worker->leaves && worker->state == WORKER_IDLE)
		worker_stop(&manager->pool, worker, manager->turn.now, manager->turn.mono);
}

void workers_ended(struct manager *manager, const struct worker *worker)
{
	workers_tell(manager, worker, "ended");
	if (worker->leaves == WORKER_RESTARTS && !manager->stopping)
		pool_start(&manager->pool, manager->turn.now, manager->turn.mono);
}

/* It may have ended meanwhile. */
void workers_command(struct manager *manager, struct json_object *command)
{
	struct worker *worker = pool_find(&manager->pool, fnr_json_get_text(command, "worker", ""));
	const char *what = fnr_json_get_text(command, "do", "");

	if (!worker || worker->dead)
		return;
	fnr_info(NULL, "worker=%s event=worker.asked to=%s", worker->name, what);
	if (strcmp(what, "stop") == 0) {
		worker_kill(&manager->pool, worker);
		return;
	}
	worker->leaves = strcmp(what, "restart") == 0 ? WORKER_RESTARTS : WORKER_DRAINS;
	workers_free(manager, worker);
	workers_tell(manager, worker, workers_state(worker));
}
