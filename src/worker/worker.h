/* What the files of the worker share: the worker itself and the attempt that it works on. */
#ifndef FNR_WORKER_WORKER_H
#define FNR_WORKER_WORKER_H

#include "backends/backend.h"
#include "base/buf.h"
#include "base/conf.h"

struct worker {
	int fd;
	const char *name;
	char data_dir[4096];
	struct fnr_conf conf;
	struct fnr_buf in;                 /* bytes from the manager that are no whole frame yet */
	int begun;                         /* begun.h; -1: nothing can be noted */
	struct fnr_buf out;                /* frames for the manager that go out together */
	struct json_object *later;         /* array: tasks that came while another one ran */
	bool stopping;
};

/* One attempt, from its "run" message to its last report. */
struct attempt {
	struct run run;                    /* first: what backends hold is the attempt */
	struct endpoint endpoint;
	struct worker *worker;
	struct json_object *message;       /* the "run" message, which most members of run point into */
	struct json_object *payload;       /* owned when it came from a file */
	struct json_object *outputs;       /* array of {"name","path","file","own"}, accepted, not copied yet */
	struct json_object *result, *took; /* took: NULL if nothing was told */
	const char *attempt_dir;           /* relative to the data directory; checked */
	const char *work;                  /* the same */
	const char *final_dir;             /* NULL, or where the worker itself files the outputs (take_settle) */
	bool filed;                        /* they lie there */
	char work_dir[4352], definition_dir[4352];
	int work_fd;                       /* -1 for backends that make no files */
	bool adopts;                       /* work has become attempt_dir */
	int attempt_fd;                    /* of attempt_dir; -1 before */
	int mark_fd;                       /* of its mark, which is to be flushed; -1 before and after */
	bool early;                        /* the manager may not have written it down yet */
	bool cancelled;
	bool stuck;                        /* it said nothing for longer than its template allows */
	int64_t silence_ms, said_at;       /* 0: silence is allowed; CLOCK_MONOTONIC of the last word, 0 while nobody listens */
	bool quiet;                        /* nobody is told of it: it is no job's */

	bool progress_waits;               /* squeezed: one that was not sent yet … */
	int64_t progress_since;            /* … since then */
	enum fnr_stage stage;              /* where it is; it begins where the manager knows it is */
	double fraction;
	char text[384];
	int64_t progress_next;             /* when the next one is sent if all come evenly */
	int64_t preview_sent, heartbeat_due;
	struct fnr_buf preview;            /* squeezed as well */
	char preview_type[64];

	uint64_t log_lines, log_bytes, dropped_lines, dropped_bytes;
	uint64_t memory_most;
	int64_t cpu_before;
};

/* ---- worker.c ---- */

void worker_say(struct worker *worker, struct json_object *message);    /* puts it; goes out with the next worker_flush */
void worker_flush(struct worker *worker);                               /* leaves if the manager is gone */
void worker_send(struct worker *worker, struct json_object *message);   /* both */
void worker_release(const struct endpoint *next);                       /* lets go of connections to others (backends/backend.h) */

bool attempt_folder(struct attempt *attempt, struct run_error *error);  /* makes the one that it works in, if there is none yet */
struct json_object *worker_error(const struct run_error *error);        /* as messages have it */

/* ---- endpoint.c ---- */

/* Reads the "endpoint" of a message into *endpoint_r, borrowed from it. False if there is none. */
bool endpoint_read(struct json_object *message, struct endpoint *endpoint_r);
void task_probe(struct worker *worker, struct json_object *message);    /* the message "probe" */

/* ---- hook.c ---- */

void task_restart(struct worker *worker, struct json_object *message);  /* the message "restart" */

/* ---- run.c: the run handle, as backends see it (backends/backend.h) ---- */

void attempt_say(struct attempt *attempt, const char *type, struct json_object *message); /* adds type, job, attempt; puts; worker_flush sends it */
void attempt_say_rest(struct attempt *attempt);  /* what was squeezed, and how much of the log was dropped */

/* The manager is gone: ends whatever was started and this process, at once. */
void worker_leave(void) __attribute__((noreturn));

/* ---- inputs.c ---- */

/* Fetches the inputs that are addresses into the work folder and adds them to run.uploads. What it takes counts for the
 * attempt's time. False with *error (RUN_FAILED), or with attempt->cancelled. */
bool attempt_fetch(struct attempt *attempt, struct run_error *error);

/* ---- thumbnail.c ---- */

/* The message "thumbnail". */
void task_thumbnail(struct worker *worker, struct json_object *message);

/* ---- collect.c ---- */

/* Copies or moves the outputs into the attempt's folder, or makes the one that it worked in that folder; marks it, and flushes it all. Returns the manifest's "outputs", or NULL with *error
 * (RUN_FAILED), or NULL with attempt->cancelled. Makes no folder if there are none. */
struct json_object *attempt_collect(struct attempt *attempt, struct run_error *error);
void attempt_collect_begin(struct attempt *attempt);     /* may be called before, when there is time, by those that are likely to adopt */
void attempt_collect_end(struct attempt *attempt);       /* closes what is still open */

#endif
