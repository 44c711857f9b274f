/* Folders of attempts that came to nothing. A worker removes them, one worker at a time: they can wait, but not for ever.
 * Those in shots are noted in the store until they are gone, as nothing else would find them after a kill; what lies in
 * workspace/.work is found by looking (recover.c). */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "files/take.h"
#include "manager/manager.h"
#include "manager/render.h"

#define DISCARDS_A_TASK 64

void discard_add(struct manager *manager, const char *path)
{
	if (manager->discard_count == manager->discard_size) {
		manager->discard_size = manager->discard_size ? manager->discard_size * 2 : 16;
		manager->discards = fnr_realloc(manager->discards, manager->discard_size * sizeof(char *));
	}
	manager->discards[manager->discard_count++] = fnr_strdup(path);
}

void task_discard(struct manager *manager, const struct task *task)
{
	struct fnr_error err = FNR_ERROR_INIT;
	char path[TAKE_PATH];

	if (task->function && task->function->no_files)
		return;
	take_work_dir(path, &task->job, task->attempt);
	discard_add(manager, path);
	take_attempt_dir(path, fnr_json_get_text(task->summary, "project", ""), fnr_json_get_text(task->summary, "shot", ""),
	                 &task->job, task->attempt);
	turn_check(manager, store_discard_add(manager->turn.txn, path, &err), &err, "a folder to discard cannot be noted");
	discard_add(manager, path);
}

/* Only of a job that has ended: another attempt would file its own outputs there. */
void task_discard_filed(struct manager *manager, const struct task *task)
{
	struct fnr_error err = FNR_ERROR_INIT;
	char path[TAKE_PATH];

	if (task->head.project || (task->function && task->function->no_files))
		return;
	take_final_dir(path, NULL, NULL, 0, &task->job);
	turn_check(manager, store_discard_add(manager->turn.txn, path, &err), &err, "a folder to discard cannot be noted");
	discard_add(manager, path);
}

void discards_tell(struct manager *manager)
{
	struct worker *worker = manager->discard_count && !manager->discard_worker ? pool_idle(&manager->pool) : NULL;
	struct fnr_buf text = FNR_BUF_INIT;

	if (!worker)
		return;
	manager->discard_worker = worker;
	manager->discard_told = manager->discard_count < DISCARDS_A_TASK ? manager->discard_count : DISCARDS_A_TASK;
	fnr_buf_puts(&text, "{\"type\":\"discard\",\"paths\":[");
	for (size_t i = 0; i < manager->discard_told; i++) {
		if (i)
			fnr_buf_puts(&text, ",");
		render_text(&text, manager->discards[i]);
	}
	fnr_buf_puts(&text, "]}");
	worker_tell_text(worker, text.data, text.len);
	worker_state_set(&manager->pool, worker, WORKER_BUSY, manager->turn.now, manager->turn.mono);
	fnr_buf_free(&text);
}

static bool is_among(struct json_object *paths, const char *path)
{
	size_t count = json_object_is_type(paths, json_type_array) ? json_object_array_length(paths) : 0;

	for (size_t i = 0; i < count; i++) {
		const char *one = json_object_get_string(json_object_array_get_idx(paths, i));

		if (one && strcmp(one, path) == 0)
			return true;
	}
	return false;
}

void discards_done(struct manager *manager, const struct worker *worker, struct json_object *left)
{
	struct fnr_error err = FNR_ERROR_INIT;

	if (worker != manager->discard_worker)
		return;
	for (size_t i = 0; i < manager->discard_told; i++) {
		if (!is_among(left, manager->discards[i]))
			turn_check(manager, store_discard_done(manager->turn.txn, manager->discards[i], &err), &err, "the store cannot be written");
		free(manager->discards[i]);
	}
	manager->discard_count -= manager->discard_told;
	memmove(manager->discards, manager->discards + manager->discard_told, manager->discard_count * sizeof(char *));
	manager->discard_told = 0;
	manager->discard_worker = NULL;
}

void discards_worker_lost(struct manager *manager, const struct worker *worker)
{
	if (worker != manager->discard_worker)
		return;
	manager->discard_told = 0;      /* another one is told of them */
	manager->discard_worker = NULL;
}

static void add(const char *path, void *context)
{
	discard_add(context, path);
}

void discards_read(struct manager *manager)
{
	store_discards(manager->turn.txn, add, manager);
}
