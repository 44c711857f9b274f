/* What is ready, the turn, and when the next one is. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/proc.h"
#include "base/sock.h"
#include "manager/manager.h"

#define EVENTS 256
#define POLL_MS 1000
#define ROOM_MS 200

/* What a descriptor is, beside workers: the address tells. */
static char source_bell, source_signals, source_spawner;

static void watch(struct manager *manager, int fd, void *source)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };

	if (epoll_ctl(manager->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		fnr_die("epoll: %s", strerror(errno));
}

void loop_open(struct manager *manager, int channel, pid_t spawner)
{
	struct fnr_error err = FNR_ERROR_INIT;

	manager->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (manager->epoll < 0)
		fnr_die("epoll: %s", strerror(errno));
	manager->bell = fnr_bell_open(FNR_BELL_MANAGER, &err);
	if (manager->bell < 0)
		fnr_die("%s", err.message);
	pool_open(&manager->pool, manager->epoll, channel, spawner);
	watch(manager, manager->bell, &source_bell);
	watch(manager, manager->signals, &source_signals);
	watch(manager, channel, &source_spawner);
}

/* ---- what is ready ---- */

void loop_log_level(struct manager *manager)
{
	int level = fnr_log_level_parse(manager->conf.log_level);

	fnr_log_init("manager", level < 0 ? FNR_LOG_INFO : (enum fnr_log_level)level);
	manager->verbose = level == FNR_LOG_DEBUG;
}

static void reload(struct manager *manager)
{
	struct fnr_error err = FNR_ERROR_INIT;

	if (fnr_conf_load(&manager->conf, manager->conf_path, &err) != FNR_OK) {
		fnr_err(NULL, "event=manager.reload: the configuration stays as it was: %s", err.message);
	} else {
		workers_configured(manager);
		fnr_info(NULL, "event=manager.reload: the configuration was read");
	}
	fnr_error_clear(&err);
	loop_log_level(manager);
}

static void spawner_died(struct manager *manager) __attribute__((noreturn));
static void spawner_died(struct manager *manager)
{
	manager_fail(manager, "the spawner ended unexpectedly, and the workers with it", NULL);
}

static void take_signals(struct manager *manager)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(manager->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
			stop_begin(manager, info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
			manager->work = true;
		} else if (info.ssi_signo == SIGHUP) {
			reload(manager);
		}
	}
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == manager->pool.spawner)
			spawner_died(manager);
}

/* The dead were read to their end when their death was told; their last reports count. */
static void take_news(struct manager *manager)
{
	if (!pool_news(&manager->pool, manager->turn.mono))
		spawner_died(manager);
	for (size_t i = 0; i < manager->pool.count; i++) {
		struct worker *worker = manager->pool.workers[i];

		if (!worker->dead)
			continue;
		report_take(manager, worker);
		if (!worker->task)
			continue;
		worker->task->begun = worker->task->begun || begun_noted(worker->name, worker->task->id, worker->task->attempt);
		manager->work = true;
	}
}

static void take_ready(struct manager *manager, const struct epoll_event *events, int count)
{
	bool news = false;

	for (int i = 0; i < count; i++) {
		void *source = events[i].data.ptr;

		if (source == &source_bell) {
			fnr_bell_clear(manager->bell);
			manager->look = true;
		} else if (source == &source_signals) {
			take_signals(manager);
		} else if (source == &source_spawner) {
			news = true;
		} else {
			worker_read(&manager->pool, source);
			report_take(manager, source);
		}
	}
	if (news)
		take_news(manager);
}

/* ---- the turn ---- */

static int64_t soonest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* CLOCK_BOOTTIME of the next thing that time alone brings. */
static int64_t next_time(const struct manager *manager)
{
	int64_t mono = manager->turn.mono, next = soonest(manager->tick_at, mono + POLL_MS);

	for (const struct task *task = manager->tasks; task; task = task->next)
		next = soonest(next, task_told_next(task));
	if (manager->stages_due)
		next = soonest(next, manager->stages_due);
	if (manager->next_due)
		next = soonest(next, mono + (manager->next_due > manager->turn.now ? manager->next_due - manager->turn.now : 0));
	if (manager->queues_due)
		next = soonest(next, mono + (manager->queues_due > manager->turn.now ? manager->queues_due - manager->turn.now : 0));
	if (limits_next(manager->limits) != INT64_MAX)
		next = soonest(next, limits_next(manager->limits));
	next = soonest(next, soonest(backends_next(manager), probes_next(manager)));
	if (manager->stopping)
		next = soonest(next, manager->stop_by > mono ? manager->stop_by : mono + 20);
	next = soonest(next, soonest(batches_next(manager), overdue_next(manager)));
	return soonest(next, finish_next(manager));
}

static int wait_ms(const struct manager *manager)
{
	int64_t left;

	if (manager->more)
		return 0;
	left = next_time(manager) - fnr_mono_ms();
	return left < 0 ? 0 : (int)soonest(left, POLL_MS);
}

/* Were we away (a suspended machine, a stalled disk), then workers are given time to be heard. */
static void forgive_silence(struct manager *manager)
{
	bool away = manager->turned_at && manager->turn.mono - manager->turned_at > OWN_STALL_MS;

	for (size_t i = 0; away && i < manager->pool.count; i++)
		manager->pool.workers[i]->heard_at = manager->turn.mono;
	manager->turned_at = manager->turn.mono;
}

static bool has_work(struct manager *manager)
{
	return manager->work || manager->more || manager->numbers_wanted ||
	       (manager->next_due && manager->next_due <= manager->turn.now) ||
	       (manager->stages_due && manager->stages_due <= manager->turn.mono) ||
	       (manager->queues_due && manager->queues_due <= manager->turn.now) || batches_next(manager) <= manager->turn.mono ||
	       (manager->stopping && manager->task_count && manager->turn.mono >= manager->stop_by);
}

static void turn(struct manager *manager)
{
	if (manager->look || manager->turn.mono >= manager->tick_at)
		dispatch_look(manager);
	if (has_work(manager)) {
		manager->work = manager->more = false;
		finish_look(manager);
		turn_write(manager);
	}
	reports_apply(manager);
	deaths_apply(manager);
	overdue_apply(manager);
	if (manager->turn.txn) {
		stop_apply(manager);
		clock_apply(manager);
		backends_read(manager);
		commands_apply(manager);
		queues_resume_due(manager);
		dispatch_take_due(manager);
		dispatch_take_new(manager);
	}
	finish_assign(manager);
	attach_assign(manager);
	limits_tick(manager->limits, manager->turn.mono);
	backends_tick(manager);
	if (dispatch_possible(manager)) {
		turn_write(manager);
		backends_read(manager);        /* the transaction may have begun just now: nothing is started where it may not be any more */
	}
	dispatch_jobs(manager);
	if (manager->turn.txn)
		batches_apply(manager);
	turn_end(manager);
	probes_give(manager);
	thumbnails_give(manager);
	dispatch_grow(manager);
	house_tick(manager);
}

/* Nothing can be written down, so nothing is done: who reports waits as well. */
static void wait_for_room(struct manager *manager)
{
	poll(NULL, 0, ROOM_MS);
	turn_begin(manager);
	take_signals(manager);
	fnr_notify_alive(manager->turn.mono);
}

int loop_run(struct manager *manager)
{
	struct epoll_event events[EVENTS];

	while (!stop_reached(manager)) {
		int count;

		if (!turn_room(manager)) {
			wait_for_room(manager);
			continue;
		}
		count = epoll_wait(manager->epoll, events, EVENTS, wait_ms(manager));
		turn_begin(manager);
		forgive_silence(manager);
		if (count > 0)
			take_ready(manager, events, count);
		turn(manager);
		fnr_notify_alive(manager->turn.mono);
	}
	turn_begin(manager);
	turn_end(manager);
	stop_end(manager);
	return 0;
}
