#include "config.h"

#include "manager/pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pack.h"
#include "manager/render.h"
#include "manager/spawner.h"

#define READ_PORTION (256u << 10)
#define YOUNG_MS 1000            /* a worker that dies within this of its start … */
#define YOUNG_PAUSE_MS 500       /* … holds up the next start */

void pool_open(struct pool *pool, int epoll, int channel, pid_t spawner)
{
	*pool = (struct pool){ .epoll = epoll, .channel = channel, .spawner = spawner, .next_name = 1 };
}

static void add(struct pool *pool, struct worker *worker)
{
	if (pool->count == pool->size) {
		pool->size = pool->size ? pool->size * 2 : 16;
		pool->workers = fnr_realloc(pool->workers, pool->size * sizeof(struct worker *));
	}
	pool->workers[pool->count++] = worker;
}

static void take_out(struct pool *pool, struct worker *worker)
{
	for (size_t i = 0; i < pool->count; i++) {
		if (pool->workers[i] != worker)
			continue;
		memmove(&pool->workers[i], &pool->workers[i + 1], (pool->count - i - 1) * sizeof(struct worker *));
		pool->count--;
		return;
	}
}

struct worker *pool_start(struct pool *pool, int64_t now, int64_t mono)
{
	struct worker *worker;
	int ends[2];

	if (mono < pool->start_after || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return NULL;
	worker = fnr_alloc(sizeof *worker);
	snprintf(worker->name, sizeof worker->name, "w%u", pool->next_name);
	worker->fd = ends[0];
	fnr_fd_nonblock(worker->fd);
	worker->since = now;
	worker->heard_at = mono;
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = worker };
	if (!spawner_order(pool->channel, SPAWN_START, worker->name, ends[1]) ||
	    epoll_ctl(pool->epoll, EPOLL_CTL_ADD, worker->fd, &event) < 0) {
		close(ends[0]);
		close(ends[1]);
		free(worker);
		return NULL;
	}
	close(ends[1]);
	pool->next_name++;
	add(pool, worker);
	return worker;
}

static bool is_idle(const struct worker *worker)
{
	return worker->state == WORKER_IDLE && !worker->killed && worker->fd >= 0;
}

struct worker *pool_idle(const struct pool *pool)
{
	for (size_t i = pool->count; i-- > 0;)
		if (is_idle(pool->workers[i]))
			return pool->workers[i];
	return NULL;
}

struct worker *pool_idle_for(const struct pool *pool, const char *backend)
{
	struct worker *oldest = NULL;

	for (size_t i = pool->count; i-- > 0;) {
		if (!is_idle(pool->workers[i]))
			continue;
		oldest = pool->workers[i];
		if (strcmp(oldest->backend, backend) == 0)
			return oldest;
	}
	return oldest;
}

size_t pool_in_state(const struct pool *pool, enum worker_state state)
{
	size_t count = 0;

	for (size_t i = 0; i < pool->count; i++)
		count += pool->workers[i]->state == state;
	return count;
}

struct worker *pool_find(const struct pool *pool, const char *name)
{
	for (size_t i = 0; i < pool->count; i++)
		if (strcmp(pool->workers[i]->name, name) == 0)
			return pool->workers[i];
	return NULL;
}

void worker_state_set(struct pool *pool, struct worker *worker, enum worker_state state, int64_t now, int64_t mono)
{
	if (state == WORKER_IDLE && worker->state == WORKER_BUSY) {
		take_out(pool, worker);
		add(pool, worker);
	}
	worker->state = state;
	worker->since = now;
	worker->heard_at = mono;
}

/* ---- telling ---- */

void worker_tell_text(struct worker *worker, const char *json, size_t len)
{
	fnr_put_u32(&worker->out, (uint32_t)len);
	fnr_buf_add(&worker->out, json, len);
}

void worker_tell(struct worker *worker, const char *type, const char *job, int attempt)
{
	struct fnr_buf text = FNR_BUF_INIT;

	fnr_buf_puts(&text, "{\"type\":");
	render_text(&text, type);
	if (job) {
		member_text(&text, "job", job);
		member_int(&text, "attempt", attempt);
	}
	fnr_buf_puts(&text, "}");
	worker_tell_text(worker, text.data, text.len);
	fnr_buf_free(&text);
}

void worker_stop(struct pool *pool, struct worker *worker, int64_t now, int64_t mono)
{
	worker_tell(worker, "stop", NULL, 0);
	worker_state_set(pool, worker, WORKER_STOPPING, now, mono);
}

void worker_kill(struct pool *pool, struct worker *worker)
{
	if (worker->killed || worker->dead)
		return;
	worker->killed = spawner_order(pool->channel, SPAWN_KILL, worker->name, -1);
}

static void watch(struct pool *pool, struct worker *worker, bool out)
{
	struct epoll_event event = { .events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = worker };

	if (worker->out_waits == out)
		return;
	worker->out_waits = out;
	epoll_ctl(pool->epoll, EPOLL_CTL_MOD, worker->fd, &event);
}

void pool_flush_worker(struct pool *pool, struct worker *worker)
{
	size_t at = 0;

	while (worker->fd >= 0 && at < worker->out.len) {
		ssize_t sent = send(worker->fd, worker->out.data + at, worker->out.len - at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent > 0)
			at += (size_t)sent;
		else if (sent < 0 && errno == EINTR)
			continue;
		else
			break; /* full: epoll wakes us; broken: its end is read, and the spawner tells of its death */
	}
	fnr_buf_drop(&worker->out, at);
	if (worker->fd >= 0)
		watch(pool, worker, worker->out.len > 0);
}

void pool_flush(struct pool *pool)
{
	for (size_t i = 0; i < pool->count; i++)
		if (pool->workers[i]->out.len > 0)
			pool_flush_worker(pool, pool->workers[i]);
}

/* ---- hearing ---- */

static void close_socket(struct pool *pool, struct worker *worker)
{
	epoll_ctl(pool->epoll, EPOLL_CTL_DEL, worker->fd, NULL);
	fnr_fd_close(&worker->fd);
}

void worker_read(struct pool *pool, struct worker *worker)
{
	size_t total = 0;

	/* A dead one is read to its end: its last reports count, however many they are. */
	while (worker->fd >= 0 && (total < READ_PORTION || worker->dead)) {
		char *room = fnr_buf_room(&worker->in, 16384);
		ssize_t got = recv(worker->fd, room, 16384, MSG_DONTWAIT);

		if (got > 0) {
			worker->in.len += (size_t)got;
			worker->in.data[worker->in.len] = 0;
			total += (size_t)got;
			if (got < 16384 && !worker->dead)
				return;
		} else if (got < 0 && errno == EINTR) {
			continue;
		} else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			return;
		} else {
			close_socket(pool, worker);
			worker_kill(pool, worker);
		}
	}
}

static void obituary(const struct worker *worker)
{
	if (WIFSIGNALED(worker->status) && worker->killed)
		fnr_info(NULL, "worker=%s pid=%d event=worker.killed", worker->name, (int)worker->pid);
	else if (WIFSIGNALED(worker->status))
		fnr_warn(NULL, "worker=%s pid=%d event=worker.died signal=%d", worker->name, (int)worker->pid, WTERMSIG(worker->status));
	else if (worker->state != WORKER_STOPPING || WEXITSTATUS(worker->status) != 0)
		fnr_warn(NULL, "worker=%s pid=%d event=worker.died status=%d", worker->name, (int)worker->pid, WEXITSTATUS(worker->status));
	else
		fnr_info(NULL, "worker=%s pid=%d event=worker.ended", worker->name, (int)worker->pid);
}

static void died(struct pool *pool, struct worker *worker, int status, int64_t mono)
{
	worker->dead = true;
	worker->status = status;
	worker_read(pool, worker);
	if (worker->fd >= 0)
		close_socket(pool, worker);
	if (worker->state == WORKER_STARTING && mono - worker->heard_at < YOUNG_MS)
		pool->start_after = mono + YOUNG_PAUSE_MS;
	obituary(worker);
}

bool pool_news(struct pool *pool, int64_t mono)
{
	struct spawn_news news;
	int got;

	while ((got = spawner_news(pool->channel, &news)) == 1) {
		struct worker *worker = pool_find(pool, news.name);

		if (!worker)
			continue;
		switch (news.kind) {
		case SPAWN_STARTED:
			worker->pid = news.pid;
			fnr_info(NULL, "worker=%s pid=%d event=worker.started", worker->name, (int)news.pid);
			break;
		case SPAWN_FAILED:
			fnr_err(NULL, "worker=%s event=worker.failed: no process can be started: %s", worker->name, strerror(news.status));
			pool->start_after = mono + YOUNG_PAUSE_MS;
			died(pool, worker, 0, mono);
			break;
		case SPAWN_DIED:
			died(pool, worker, news.status, mono);
			break;
		}
	}
	return got == 0;
}

void pool_bury(struct pool *pool, struct worker *worker)
{
	take_out(pool, worker);
	if (worker->fd >= 0)
		close_socket(pool, worker);
	fnr_buf_free(&worker->in);
	fnr_buf_free(&worker->out);
	free(worker);
}
