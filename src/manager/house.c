/* Each second: the live table, and in bounded portions what ages. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "files/take.h"
#include "http/view.h"
#include "manager/manager.h"
#include "manager/render.h"

#define TRIM_ROWS 5000
#define EXPIRE_ROWS 200
#define ESTIMATE_ROWS 20
#define STATISTICS_KEEP_MS (90 * 86400000ll)
#define REMOVALS_A_TICK 200
#define READERS_EVERY_MS 10000
#define READER_MS 60000
#define READER_BEHIND 1000   /* transactions: fewer make nothing grow */
#define TICK_MS 1000
#define TRIM_AGAIN_MS 50     /* while there is more to trim: 100 000 rows a second */

static void put_live(struct journal_txn *txn, const char *name, const struct fnr_buf *text, struct fnr_error *err)
{
	if (err->code == FNR_OK)
		journal_live_put(txn, name, text ? text->data : NULL, err);
}

static void live_worker(const struct manager *manager, const struct worker *worker, struct journal_txn *txn, struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	char name[48];

	snprintf(name, sizeof name, "worker/%s", worker->name);
	fnr_buf_puts(&text, "{\"name\":");
	render_text(&text, worker->name);
	member_int(&text, "pid", worker->pid);
	member_text(&text, "state", workers_state(worker));
	member_text(&text, "job", worker->task ? worker->task->id : NULL);
	member_int(&text, "cpu_ms", worker->cpu_ms);
	member_int(&text, "rss", (int64_t)worker->rss);
	member_time(&text, "since", worker->since);
	member_int(&text, "done", (int64_t)worker->done);
	member_text(&text, "backend", *worker->backend ? worker->backend : NULL);
	member_time(&text, "heard_at", manager->turn.now - (manager->turn.mono - worker->heard_at));
	fnr_buf_puts(&text, "}");
	put_live(txn, name, &text, err);
	fnr_buf_free(&text);
}

struct stale { struct manager *manager; const char *prefix; bool (*there)(struct manager *manager, const char *name); char name[96]; };

static bool stale_row(const char *id, const char *json, size_t len, void *context)
{
	struct stale *stale = context;

	(void)json, (void)len;
	if (stale->there(stale->manager, id + strlen(stale->prefix)))
		return true;
	snprintf(stale->name, sizeof stale->name, "%s", id);
	return false;
}

static bool worker_there(struct manager *manager, const char *name)
{
	return pool_find(&manager->pool, name) != NULL;
}

static bool backend_there(struct manager *manager, const char *name)
{
	return backends_find(manager, name) != NULL;
}

/* What ended or was removed leaves the table. */
static void live_clean(struct manager *manager, struct journal_txn *txn, struct fnr_error *err)
{
	struct stale kinds[] = { { manager, "worker/", worker_there, "" }, { manager, VIEW_BACKENDS, backend_there, "" },
	                         { manager, VIEW_FOUND, backend_there, "" }, { manager, VIEW_MODELS, backend_there, "" }, { manager, VIEW_NODES, backend_there, "" } };

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		do {
			kinds[i].name[0] = 0;
			journal_live(txn, kinds[i].prefix, stale_row, &kinds[i]);
			if (kinds[i].name[0])
				put_live(txn, kinds[i].name, NULL, err);
		} while (kinds[i].name[0] && err->code == FNR_OK);
	}
}

static void live_manager(struct manager *manager, struct journal_txn *txn, const struct store_counters *counters,
                         struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	uint64_t waiting = 0;

	for (int state = 0; state < FNR_STATE_COUNT; state++)
		waiting += fnr_state_waiting(state) ? counters->state[state] : 0;
	fnr_buf_puts(&text, "{\"pid\":");
	render_int(&text, getpid());
	member_time(&text, "time", manager->turn.now);
	member_int(&text, "running", (int64_t)manager->task_count);
	member_int(&text, "waiting", (int64_t)waiting);
	member_int(&text, "workers", (int64_t)manager->pool.count);
	member_int(&text, "workers_min", manager->conf.workers_min);
	member_int(&text, "workers_max", manager->conf.workers_max);
	fnr_buf_puts(&text, "}");
	put_live(txn, "manager", &text, err);
	fnr_buf_free(&text);
}

static void live_queues(const struct manager *manager, struct journal_txn *txn, struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	char name[64];

	for (uint32_t queue = 1; queue < manager->statistics.queue_count; queue++) {
		if (!statistics_live(manager, queue, &text))
			continue;
		view_queue_name(queue, name);
		put_live(txn, name, &text, err);
		fnr_buf_reset(&text);
	}
	fnr_buf_free(&text);
}

static void put_value(struct journal_txn *txn, const char *prefix, const char *id, struct json_object *value, struct fnr_error *err)
{
	char name[96];

	snprintf(name, sizeof name, "%s%s", prefix, id);
	if (err->code == FNR_OK)
		journal_live_put(txn, name, value ? fnr_json_text(value, NULL) : NULL, err);
}

/* What a server said, when it said something: the names of its models may be many and stand apart. */
static void live_found(struct backend *backend, struct journal_txn *txn, struct fnr_error *err)
{
	struct json_object *models = fnr_json_get(backend->found, "models"), *counts = json_object_new_object(), *found = json_object_new_object();

	if (json_object_is_type(models, json_type_object)) {
		json_object_object_foreach(models, category, list)
			fnr_json_set_int(counts, category, json_object_is_type(list, json_type_array) ? (int64_t)json_object_array_length(list) : 0);
	}
	if (backend->found) {
		json_object_object_foreach(backend->found, name, value)
			fnr_json_set(found, name, strcmp(name, "models") == 0 ? json_object_get(counts) : json_object_get(value));
	}
	put_value(txn, VIEW_FOUND, backend->id, backend->found ? found : NULL, err);
	put_value(txn, VIEW_MODELS, backend->id, models, err);
	json_object_put(counts);
	json_object_put(found);
	backend->found_news = err->code != FNR_OK;
}

static void live_nodes(struct backend *backend, struct journal_txn *txn, struct fnr_error *err)
{
	struct json_object *text = backend->nodes.set ? json_object_new_string(backend->nodes.set) : NULL;

	put_value(txn, VIEW_NODES, backend->id, text, err);
	json_object_put(text);
	backend->nodes.news = err->code != FNR_OK;
}

static void live_backend(struct manager *manager, struct backend *backend, struct journal_txn *txn, struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	char name[96];

	snprintf(name, sizeof name, VIEW_BACKENDS "%s", backend->id);
	backends_live(manager, backend, &text);
	put_live(txn, name, &text, err);
	fnr_buf_free(&text);
	if (backend->found_news)
		live_found(backend, txn, err);
	if (backend->nodes.news)
		live_nodes(backend, txn, err);
}

static void live_backends(struct manager *manager, struct journal_txn *txn, struct fnr_error *err)
{
	live_backend(manager, &manager->local, txn, err);
	for (struct backend *backend = manager->servers; backend; backend = backend->next)
		if (!backend->gone)
			live_backend(manager, backend, txn, err);
}

/* ---- limits that are reached: why jobs wait ---- */

struct limit_names { struct journal_txn *txn; struct fnr_error *err; char name[64]; };

static bool first_name(const char *id, const char *json, size_t len, void *context)
{
	struct limit_names *names = context;

	(void)json, (void)len;
	snprintf(names->name, sizeof names->name, "%s", id);
	return false;
}

static void put_limit(enum lanes_gate kind, uint32_t number, enum lanes_reason reason, void *context)
{
	const struct limit_names *names = context;
	struct fnr_buf text = FNR_BUF_INIT;
	char name[64];

	view_limit_name(kind, number, name);
	fnr_buf_puts(&text, reason == REASON_RATE ? "{\"reason\":\"rate\"}" : "{\"reason\":\"concurrency\"}");
	put_live(names->txn, name, &text, names->err);
	fnr_buf_free(&text);
}

static void live_limits(struct manager *manager, struct journal_txn *txn, struct fnr_error *err)
{
	struct limit_names names = { txn, err, "" };

	while (err->code == FNR_OK && journal_live(txn, VIEW_LIMITS, first_name, &names))
		put_live(txn, names.name, NULL, err);
	limits_reached(manager->limits, put_limit, &names);
}

static void put_held(uint64_t class_, const char *reason, void *context)
{
	const struct limit_names *names = context;
	struct fnr_buf text = FNR_BUF_INIT;
	char name[64];

	view_held_name(class_, name);
	fnr_buf_puts(&text, "{\"reason\":");
	render_text(&text, reason);
	fnr_buf_puts(&text, "}");
	put_live(names->txn, name, &text, names->err);
	fnr_buf_free(&text);
}

static void live_held(struct manager *manager, struct journal_txn *txn, struct fnr_error *err)
{
	struct limit_names names = { txn, err, "" };

	while (err->code == FNR_OK && journal_live(txn, VIEW_HELD, first_name, &names))
		put_live(txn, names.name, NULL, err);
	places_held(manager, put_held, &names);
	if (manager->disk_low && err->code == FNR_OK)
		journal_live_put(txn, VIEW_HELD_ALL, "{\"reason\":\"disk\"}", err);
}

/* The live table and the journal's limits, in a transaction of their own. */
static void tend_journal(struct manager *manager, const struct store_counters *counters)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct journal_txn *txn = journal_write(manager->journal, &err);

	if (txn) {
		live_manager(manager, txn, counters, &err);
		for (size_t i = 0; i < manager->pool.count; i++)
			live_worker(manager, manager->pool.workers[i], txn, &err);
		live_clean(manager, txn, &err);
		live_limits(manager, txn, &err);
		live_held(manager, txn, &err);
		live_backends(manager, txn, &err);
		live_queues(manager, txn, &err);
		if (err.code == FNR_OK && journal_trim(txn, clock_trusted(manager) ? manager->turn.now - manager->conf.journal_max_age * 1000 : 0,
		                                       (uint64_t)manager->conf.journal_max_bytes, TRIM_ROWS, &err) >= TRIM_ROWS)
			manager->tick_at = manager->turn.mono + TRIM_AGAIN_MS;
	}
	if (txn && err.code == FNR_OK)
		journal_commit(txn, &err);
	else
		journal_end(txn);
	if (err.code != FNR_OK && !manager->journal_gap)
		fnr_warn(NULL, "event=journal.failed: %s", err.message);
	manager->journal_gap |= err.code != FNR_OK;
	fnr_error_clear(&err);
}

/* Uploads that nobody uses, idempotency entries past their time, and what was known of templates that are gone. A commit that changed nothing touches no disk. */
static void expire(struct manager *manager)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn = store_write(manager->store, &err);
	struct fnr_id ids[EXPIRE_ROWS];
	size_t count;

	if (!txn)
		manager_fail(manager, "the store cannot be written", &err);
	count = store_uploads_expire(txn, manager->turn.now - manager->conf.upload_keep * 1000, &manager->upload_cursor, ids, EXPIRE_ROWS);
	store_statistics_expire(txn, manager->turn.now - STATISTICS_KEEP_MS, EXPIRE_ROWS);
	store_idempotency_expire(txn, manager->turn.now - manager->conf.idempotency_keep * 1000, manager->idempotency_cursor, EXPIRE_ROWS);
	store_estimates_expire(txn, manager->estimate_cursor, ESTIMATE_ROWS);
	turn_check(manager, store_commit(txn, &err), &err, "the store cannot be written");
	for (size_t i = 0; i < count; i++) {
		char text[FNR_ID_TEXT], path[64];

		snprintf(path, sizeof path, "uploads/%s", fnr_id_format(&ids[i], text));
		unlink(path);
	}
}

/* True when nothing of the job lies where it lay. */
static bool clear_away(struct manager *manager, const struct store_removal *removal)
{
	struct fnr_error err = FNR_ERROR_INIT;
	char path[TAKE_PATH];
	int code = FNR_OK;

	if (removal->payload[0] && unlink(removal->payload) < 0 && errno != ENOENT)
		code = fnr_fail_errno(&err, errno, "cannot remove %s", removal->payload);
	if (code == FNR_OK)
		code = take_set_aside(&removal->job, path, &err);
	if (code == FNR_OK)
		discard_add(manager, path);
	else if (code != FNR_E_NOT_FOUND)
		fnr_warn(NULL, "event=removal.failed: what a deleted job left cannot be removed: %s", err.message);
	fnr_error_clear(&err);
	return code == FNR_OK || code == FNR_E_NOT_FOUND;
}

static void forget(struct manager *manager, const struct store_removal *removals, size_t count)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct journal_txn *txn = journal_write(manager->journal, &err);

	for (size_t i = 0; txn && i < count; i++)
		journal_forget(txn, &removals[i].job);
	if (txn)
		journal_commit(txn, &err);
	if (err.code != FNR_OK)
		fnr_warn(NULL, "event=journal.failed: %s", err.message);
	fnr_error_clear(&err);
}

/* Deleted jobs: first their files and what the journal has, then the record that says so; a kill between costs a repetition. */
static void remove_deleted(struct manager *manager)
{
	struct store_removal removals[REMOVALS_A_TICK];
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn = store_read(manager->store, &err);
	size_t found = txn ? store_removals(txn, removals, REMOVALS_A_TICK) : 0, count = 0;

	store_read_end(txn);
	for (size_t i = 0; i < found; i++)
		if (clear_away(manager, &removals[i]))
			removals[count++] = removals[i];
	if (!count || fnr_dir_flush("blobs/payload", &err) != FNR_OK) {
		fnr_error_clear(&err);
		return;
	}
	forget(manager, removals, count);
	txn = store_write(manager->store, &err);
	if (!txn)
		manager_fail(manager, "the store cannot be written", &err);
	for (size_t i = 0; i < count; i++)
		turn_check(manager, store_removal_done(txn, &removals[i].job, &err), &err, "the store cannot be written");
	turn_check(manager, store_commit(txn, &err), &err, "the store cannot be written");
	if (found == REMOVALS_A_TICK)
		manager->tick_at = manager->turn.mono + TRIM_AGAIN_MS;
}

/* Those that were idle for long, and as many as there are too many. */
static void end_idle(struct manager *manager)
{
	struct pool *pool = &manager->pool;
	size_t there = pool->count - pool_in_state(pool, WORKER_STOPPING);

	for (size_t i = 0; i < pool->count && there > (size_t)manager->conf.workers_min; i++) {
		struct worker *worker = pool->workers[i];
		bool rested = manager->turn.now - worker->since >= manager->conf.workers_idle * 1000;

		if (worker->state != WORKER_IDLE || (!rested && there <= dispatch_workers(manager)))
			continue;
		worker_stop(pool, worker, manager->turn.now, manager->turn.mono);
		there--;
	}
}

/* A backup whose target hangs, a check that was stopped with Ctrl-Z: the store grows until that ends. Said once. */
static void look_at_readers(struct manager *manager)
{
	uint64_t txn, behind;
	pid_t pid;

	if (!store_oldest_reader(manager->store, &pid, &txn, &behind) || txn != manager->reader_txn) {
		manager->reader_txn = pid ? txn : 0;
		manager->reader_since = manager->turn.mono;
		return;
	}
	if (behind < READER_BEHIND || manager->turn.mono - manager->reader_since < READER_MS || manager->reader_since == INT64_MAX)
		return;
	fnr_warn(NULL, "event=store.held pid=%d: it has read the same state of the store for more than %d s, so the store's file grows; end it if it hangs",
	         (int)pid, READER_MS / 1000);
	manager->reader_since = INT64_MAX;
}

void house_tick(struct manager *manager)
{
	struct store_counters counters = { 0 };
	struct store_txn *txn;

	if (manager->turn.mono < manager->tick_at)
		return;
	manager->tick_at = manager->turn.mono + TICK_MS;
	txn = store_read(manager->store, NULL);
	if (txn)
		store_counters_get(txn, &counters);
	store_read_end(txn);
	end_idle(manager);
	graphics_look(manager);
	machine_look(manager);
	pool_flush(&manager->pool);
	tend_journal(manager, &counters);
	if (clock_trusted(manager))
		expire(manager);
	if (retention_apply(manager))
		manager->tick_at = manager->turn.mono + TRIM_AGAIN_MS;
	remove_deleted(manager);
	if (clock_trusted(manager) && payloads_sweep(manager))
		manager->tick_at = manager->turn.mono + TRIM_AGAIN_MS;
	if (manager->child_died || manager->turn.mono >= manager->readers_at) {
		store_clear_readers(manager->store);
		look_at_readers(manager);
		manager->readers_at = manager->turn.mono + READERS_EVERY_MS;
		manager->child_died = false;
	}
}
