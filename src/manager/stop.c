/* The end, in stages: nothing is started any more; what goes on without us is left to that; what else runs may finish within the grace; what does not goes back to
 * the queue and is ended; then the workers go, and the spawner. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "manager/manager.h"

#define FILING_MS 5000       /* beyond the grace, for results that are being filed */
#define LEAVE_MS 1000        /* for idle workers to leave by themselves */

void stop_begin(struct manager *manager, const char *why)
{
	if (manager->stopping) {
		fnr_info(NULL, "event=manager.hurry: asked again, what runs goes back to the queue");
		manager->stop_by = manager->turn.mono;
		return;
	}
	manager->stopping = true;
	thumbnails_make_way(manager);
	manager->stop_by = manager->turn.mono + manager->conf.stop_grace * 1000;
	fnr_info(NULL, "event=manager.stopping reason=%s running=%zu", why, manager->task_count);
}

/* Its worker is killed in stop_end, after this is on disk; so the job may be started again when the next life begins. */
static void give_back(struct manager *manager, struct task *task)
{
	struct job_head head;

	if (store_job_get(manager->turn.txn, &task->job, &head) != FNR_OK || head.attempt != task->attempt)
		return;
	if (task->worker)
		worker_kill(&manager->pool, task->worker);
	if (head.state == FNR_STATE_CANCELLING) {
		task_discard(manager, task);    /* its worker has no time left for that */
		move_stopped(manager, &head, task);
	} else {
		move_give_back(manager, &head, task);
	}
}

/* Whatever we do not come to any more, the next life knows that it was no crash. */
static void note_stop(struct manager *manager)
{
	struct fnr_error err = FNR_ERROR_INIT;

	if (!manager->task_count || store_meta_get(manager->turn.txn, STORE_META_STOPPED))
		return;
	turn_check(manager, store_meta_put(manager->turn.txn, STORE_META_STOPPED, 1, &err), &err, "the stop cannot be noted");
}

void stop_apply(struct manager *manager)
{
	struct task *task, *next;

	if (!manager->stopping)
		return;
	note_stop(manager);
	attach_leave(manager);
	if (manager->turn.mono < manager->stop_by)
		return;
	for (task = manager->tasks; task; task = next) {
		next = task->next;
		if (task->head.state != FNR_STATE_FINISHING)
			give_back(manager, task);
	}
}

/* Filing goes on at the next start where it stood, so it is not waited for without end. */
bool stop_reached(const struct manager *manager)
{
	return manager->stopping && (!manager->task_count || fnr_mono_ms() >= manager->stop_by + FILING_MS);
}

static void wait_for_workers(struct manager *manager)
{
	int64_t until = fnr_mono_ms() + LEAVE_MS;

	while (manager->pool.count && fnr_mono_ms() < until) {
		struct pollfd fd = { .fd = manager->pool.channel, .events = POLLIN };

		poll(&fd, 1, 20);
		if (!pool_news(&manager->pool, fnr_mono_ms()))
			return;
		for (size_t i = 0; i < manager->pool.count;) {
			if (manager->pool.workers[i]->dead)
				pool_bury(&manager->pool, manager->pool.workers[i]);
			else
				i++;
		}
	}
}

void stop_end(struct manager *manager)
{
	int64_t until;
	int status;

	for (size_t i = 0; i < manager->pool.count; i++)
		if (manager->pool.workers[i]->state != WORKER_STOPPING)
			worker_stop(&manager->pool, manager->pool.workers[i], fnr_now_ms(), fnr_mono_ms());
	pool_flush(&manager->pool);
	wait_for_workers(manager);
	for (size_t i = 0; i < manager->pool.count; i++)
		worker_kill(&manager->pool, manager->pool.workers[i]);
	wait_for_workers(manager);
	fnr_fd_close(&manager->pool.channel);
	until = fnr_mono_ms() + LEAVE_MS;
	while (waitpid(manager->pool.spawner, &status, WNOHANG) == 0 && fnr_mono_ms() < until)
		poll(NULL, 0, 5);
	fnr_proc_kill_strays(NULL, 0);
	fnr_info(NULL, "event=manager.stopped");
}
