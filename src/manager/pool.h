/* The workers, as the manager sees them: processes at the other end of a socket pair. This module knows how to start,
 * hear, tell and end them; what they are told is decided elsewhere. */
#ifndef FNR_MANAGER_POOL_H
#define FNR_MANAGER_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/json.h"

struct task;

enum worker_state { WORKER_STARTING, WORKER_IDLE, WORKER_BUSY, WORKER_STOPPING };

enum worker_leaves { WORKER_STAYS, WORKER_DRAINS, WORKER_RESTARTS };

struct worker {
	char name[32];
	pid_t pid;                     /* 0 until the spawner tells it */
	int fd;                        /* -1 when it is closed */
	enum worker_state state;
	enum worker_leaves leaves;     /* after its present task; RESTARTS: another one comes for it */
	struct task *task;             /* while busy with an attempt or with filing one; NULL while it discards, makes a thumbnail, asks a server or has it restarted */
	char backend[68];              /* that it worked for last: it may still be connected to it */
	bool note_needed;              /* what it noted (worker/begun.h) is of an attempt whose end is not on disk yet */
	struct fnr_buf in, out;        /* out is sent by pool_flush, after the commit */
	bool out_waits;                /* epoll looks for room to write */
	bool killed;                   /* was asked of the spawner */
	bool dead;                     /* the spawner told it; reports that it had sent are read first */
	int status;                    /* as of waitpid(2) */
	int64_t since;                 /* wall clock: in this state */
	int64_t heard_at;              /* CLOCK_BOOTTIME: last message, or since when one is awaited */
	uint64_t done;                 /* tasks */
	int64_t cpu_ms;
	uint64_t rss;
};

struct pool {
	int epoll, channel;
	pid_t spawner;
	struct worker **workers;       /* in order of last use: the most recently used is last */
	size_t count, size;
	unsigned next_name;
	int64_t start_after;           /* CLOCK_BOOTTIME: workers that die young are not replaced at full speed */
};

void pool_open(struct pool *pool, int epoll, int channel, pid_t spawner);

/* Orders a new worker; it says hello when it is ready. NULL if that is not possible now. */
struct worker *pool_start(struct pool *pool, int64_t now, int64_t mono);
struct worker *pool_idle(const struct pool *pool);             /* the one that worked last; NULL if none is idle */
/* … one that keeps connections to this backend, or else the one that has been idle for the longest time. */
struct worker *pool_idle_for(const struct pool *pool, const char *backend);
size_t pool_in_state(const struct pool *pool, enum worker_state state);
struct worker *pool_find(const struct pool *pool, const char *name);

void worker_state_set(struct pool *pool, struct worker *worker, enum worker_state state, int64_t now, int64_t mono);

/* Adds a frame (worker/wire.h) to what will be sent. */
void worker_tell_text(struct worker *worker, const char *json, size_t len);
void worker_tell(struct worker *worker, const char *type, const char *job, int attempt);   /* of only these members */
void worker_stop(struct pool *pool, struct worker *worker, int64_t now, int64_t mono);     /* after its present task */
void worker_kill(struct pool *pool, struct worker *worker);    /* it is dead when the spawner says so */

/* Reads what is there, in a bounded portion. Its end closes the socket and has the process killed. */
void worker_read(struct pool *pool, struct worker *worker);
void pool_flush_worker(struct pool *pool, struct worker *worker); /* sends what was told, as far as there is room */
void pool_flush(struct pool *pool);                            /* … to all */

/* Takes the spawner's news. False: it is gone. */
bool pool_news(struct pool *pool, int64_t mono);
void pool_bury(struct pool *pool, struct worker *worker);      /* frees a dead worker */

#endif
