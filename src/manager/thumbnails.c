/* Thumbnails of results, made when there is nothing else to do: one at a time, by a worker that is idle, never while a job
 * waits. Which are wanted is in the store since their jobs completed, so none is forgotten; a job that comes meanwhile
 * and finds no worker has this one's ended. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "files/take.h"
#include "files/thumbnail.h"
#include "manager/manager.h"
#include "manager/render.h"

void thumbnails_want(struct manager *manager, const struct task *task)
{
	struct json_object *outputs = fnr_json_get(task->manifest, "outputs");
	const char *project = fnr_json_get_text(task->summary, "project", ""), *shot = fnr_json_get_text(task->summary, "shot", "");
	struct fnr_error err = FNR_ERROR_INIT;
	char folder[TAKE_PATH];

	take_final_dir(folder, project, shot, task->head.take, &task->job);
	for (size_t i = 0; outputs && i < json_object_array_length(outputs); i++) {
		struct json_object *output = json_object_array_get_idx(outputs, i);
		struct store_thumbnail wanted = { .tries = 0 };

		fnr_text_copy(wanted.media_type, sizeof wanted.media_type, fnr_json_get_text(output, "media_type", ""));
		if (!thumbnail_possible(wanted.media_type) || !fnr_unhex(fnr_json_get_text(output, "sha256", ""), wanted.sha256, sizeof wanted.sha256))
			continue;
		snprintf(wanted.path, sizeof wanted.path, "%s/%s", folder, fnr_json_get_text(output, "file", ""));
		turn_check(manager, store_thumbnail_want(manager->turn.txn, &wanted, &err), &err, "a thumbnail cannot be noted");
		manager->thumbnails = true;
	}
}

void thumbnails_read(struct manager *manager)
{
	struct store_thumbnail due;

	manager->thumbnails = store_thumbnail_due(manager->turn.txn, &due);
}

static struct worker *free_worker(struct manager *manager)
{
	if (!manager->thumbnails || manager->thumbnail_worker || manager->stopping || dispatch_ready(manager) || machine_disk_low(manager))
		return NULL;
	return pool_idle(&manager->pool);
}

bool thumbnails_wait(const struct manager *manager)
{
	return manager->thumbnails && !manager->thumbnail_worker && !dispatch_ready(manager);
}

void thumbnails_give(struct manager *manager)
{
	struct worker *worker = free_worker(manager);
	struct store_txn *txn = worker ? store_read(manager->store, NULL) : NULL;
	struct fnr_buf text = FNR_BUF_INIT;
	struct fnr_id work = fnr_id_random();
	struct store_thumbnail due;
	char hex[FNR_SHA256_TEXT], folder[TAKE_PATH];

	if (!txn)
		return;
	manager->thumbnails = store_thumbnail_due(txn, &due);
	store_read_end(txn);
	if (!manager->thumbnails)
		return;
	fnr_buf_puts(&text, "{\"type\":\"thumbnail\"");
	member_text(&text, "sha256", fnr_hex(due.sha256, sizeof due.sha256, hex));
	member_text(&text, "path", due.path);
	member_text(&text, "media_type", due.media_type);
	take_work_dir(folder, &work, 1);
	member_text(&text, "work", folder);
	fnr_buf_puts(&text, "}");
	worker_tell_text(worker, text.data, text.len);
	fnr_buf_free(&text);
	worker_state_set(&manager->pool, worker, WORKER_BUSY, manager->turn.now, manager->turn.mono);
	manager->thumbnail_worker = worker;
	manager->thumbnail_ended = false;
	memcpy(manager->thumbnail, due.sha256, sizeof manager->thumbnail);
	fnr_text_copy(manager->thumbnail_work, sizeof manager->thumbnail_work, folder);
	pool_flush(&manager->pool);
}

static void failed(struct manager *manager, const char *why)
{
	struct fnr_error err = FNR_ERROR_INIT;
	char hex[FNR_SHA256_TEXT];
	bool again = false;

	turn_write(manager);
	turn_check(manager, store_thumbnail_failed(manager->turn.txn, manager->thumbnail, &again, &err), &err, "a thumbnail cannot be noted");
	if (!again)
		fnr_warn(NULL, "event=thumbnail.failed sha256=%s: %s", fnr_hex(manager->thumbnail, sizeof manager->thumbnail, hex), why);
}

void thumbnails_report(struct manager *manager, struct worker *worker, struct json_object *message)
{
	struct json_object *found = fnr_json_get(message, "found");
	struct fnr_error err = FNR_ERROR_INIT;

	if (worker != manager->thumbnail_worker)
		return;
	manager->thumbnail_worker = NULL;
	if (json_object_is_type(found, json_type_object))
		turn_check(manager, store_thumbnail_put(manager->turn.txn, manager->thumbnail, fnr_json_text(found, NULL), &err), &err,
		           "a thumbnail cannot be noted");
	else
		failed(manager, fnr_json_get_text(message, "message", "no reason was given"));
}

void thumbnails_worker_lost(struct manager *manager, const struct worker *worker)
{
	if (worker != manager->thumbnail_worker)
		return;
	manager->thumbnail_worker = NULL;
	discard_add(manager, manager->thumbnail_work);
	if (!manager->thumbnail_ended)
		failed(manager, "the worker that made it ended");
}

void thumbnails_make_way(struct manager *manager)
{
	if (!manager->thumbnail_worker || manager->thumbnail_ended)
		return;
	worker_kill(&manager->pool, manager->thumbnail_worker);
	manager->thumbnail_ended = manager->thumbnail_worker->killed;
}
