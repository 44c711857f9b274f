/* One interface for all kinds of backends: a const struct of functions in a file of its own. Code runs inside a worker
 * process, blocking, one job at a time, without access to the store. Nothing outside src/backends knows which kinds there are.
 */
#ifndef FNR_BACKENDS_BACKEND_H
#define FNR_BACKENDS_BACKEND_H

#include <stdbool.h>

#include "base/json.h"
#include "base/vocab.h"

/* The server that does the work. All borrowed. */
struct endpoint {
	const char *id;                      /* of the backend record: "comfy-a" */
	const char *url;                     /* "http://host:8188/base", without a slash at its end */
	struct json_object *credentials;     /* {"headers":{NAME:VALUE},"username","password","token"}: what is not given is absent; never logged */
	struct json_object *options;         /* of the kind; an object, maybe empty */
	const char *ca_file;                 /* whom to believe on https:// (trust.h); NULL: as this machine does */
};

/* The handle of a running attempt: what the backend reads and how it reports. Made by the worker. Borrowed members. */
struct run {
	const char *job;                     /* id */
	int attempt;
	const struct endpoint *endpoint;     /* NULL for kinds that need none */
	struct json_object *definition;      /* the normalised template */
	struct json_object *inputs, *parameters, *metadata;
	struct json_object *pipeline;        /* {"vram_mb","optimizations","memory_mb"}: how the preset wants it run; memory_mb: it may use
	                                      * so much, more than the template says. May be NULL */
	enum fnr_quality quality;            /* the tier */
	const char *preset;                  /* "studio@3" */
	int64_t seed;
	bool look;                           /* it may have been begun before, by a life that could not tell: where it is found it is joined */
	int64_t timeout_ms;                  /* longest attempt */
	struct json_object *took;            /* {PART: ms}: what parts of earlier runs of its kind took there, as run_took told them. May be NULL */
	const char *data_dir;                /* absolute */
	const char *work_dir;                /* absolute; exists (but see run_folder), empty, the only place that the backend may write */
	const char *definition_dir;          /* absolute; the template's files, read only */
	/* Array of {"id","media_type","name","path"}; path absolute. What was fetched has "reference", its address, instead of "id". */
	struct json_object *uploads;
	void *worker;                        /* private to the worker */
};

/* What went wrong, in the words of the API's error object. Texts are copied. */
struct run_error {
	enum fnr_class class_;
	char code[64], message[512], suggestion[256], action[32], detail[2048];
	double retry_after_s;                /* the other side asked for it; 0 = it did not */
	bool backend_down;                   /* the backend cannot do anything at the moment, whatever the job */
	bool ignores_cancel;                 /* … as it goes on with what it was told to stop */
	bool elsewhere;                      /* another server may have what this one lacks: where there is one, it is tried there */
};

/* RUN_LOST: the other side does not know this attempt, or has forgotten it (it was started anew): what was done is lost, and
 * the template's on_lost decides whether it is done again. error says it in words. */
enum run_result { RUN_DONE, RUN_FAILED, RUN_CANCELLED, RUN_LOST };

/* Fills error; message is printf style. Foreign text in it is cleaned. For use as `return run_fail(…)`: gives RUN_FAILED.
 * suggestion, action and detail may be NULL; what follows them in the struct is 0 then. */
enum run_result run_fail(struct run_error *error, enum fnr_class class_, const char *code, const char *suggestion,
                         const char *action, const char *detail, const char *format, ...) __attribute__((format(printf, 7, 8)));

/* Reports, sent by run_stop at the latest; foreign text is cleaned, floods are squeezed (a progress every 100 ms on the average, but the last always goes out). */
void run_progress(struct run *run, enum fnr_stage stage, double fraction, const char *message); /* message NULL: the template's */
void run_log(struct run *run, const char *level, const char *text);
void run_preview(struct run *run, const char *media_type, const void *data, size_t len);
/* From here on others may notice the attempt: an attempt that is lost before that can always be repeated. */
void run_begun(struct run *run);
/* Makes work_dir, which kinds that begin early are given without: when it is needed, or there is time for it. At once from the
 * second call on. False with *error set. */
bool run_folder(struct run *run, struct run_error *error);
/* The part of `path` within work_dir: what runs may also give it with the folder in front, as it was told to them. */
const char *run_path_within(const struct run *run, const char *path);
/* A file of the result. path is relative to work_dir (or below it): a regular file, no symlink, opened beneath
 * work_dir; it is copied in when the run is done. False with *error set if it is not acceptable. */
bool run_output(struct run *run, const char *name, const char *path, struct run_error *error);
/* The same for a file that the backend itself has made and nobody else knows: it may be moved instead of copied. */
bool run_output_own(struct run *run, const char *name, const char *path, struct run_error *error);
void run_result(struct run *run, struct json_object *result);   /* free data for the job's result; takes a copy */
void run_memory(struct run *run, uint64_t bytes);   /* memory seen in use by what the backend started; the most is reported */
/* How full the server's memory is, as the server says: {"devices":[{"name","vram_total","vram_free"}],"ram_total","ram_free"}, bytes.
 * NULL: it does not say so any more. Takes a copy. No word of the run: who only says this is silent. */
void run_server_memory(struct run *run, struct json_object *found);

/* How long a part of the run took, by a name that the next run will know it by; kept if the run comes to a good end. */
void run_took(struct run *run, const char *part, double ms);

/* Call at least every 500 ms while waiting: sends the heartbeat and reads the manager's messages. fd is what to poll
 * for reading beside one's own descriptors. True: stop now (cancelled, or the manager is gone). */
bool run_stop(struct run *run);
int run_fd(struct run *run);
/* So long, in ms, but at most most_ms, may be waited before run_stop is called again: what was squeezed goes out in time. */
int run_wait_ms(struct run *run, int most_ms);

struct backend_kind {
	const char *name;                                    /* as in a template's backend.type */
	bool no_files;                                       /* makes none: it gets no work_dir and touches no disk */
	bool needs_endpoint;                                 /* works on a server that an operator added: run->endpoint */
	bool attachable;                                     /* a running attempt can be joined again after a restart */
	bool tells_begin;                                    /* execute calls run_begun by itself; else that is said before execute */
	bool begins_early;                                   /* execute may run before the attempt is written down: attachable, heeds run->look, calls run_folder */
	enum run_result (*execute)(struct run *run, struct run_error *error);
	/* Joins the attempt where it is now, after whoever watched it is gone: work_dir is empty again. NULL if not attachable. */
	enum run_result (*attach)(struct run *run, struct run_error *error);
	/* Is the backend there and usable? For health and doctor; NULL = always. False with *error set. */
	bool (*probe)(struct run_error *error);
	/* Asks the server what it is and has; in a worker, blocking, at most some seconds. found: an object that the callee fills:
	 * {"version","devices":[{"name","vram_total","vram_free"}],"ram_total","ram_free","queue":{"running","pending"},
	 *  "models":{"checkpoints":["…"]}}, whatever is known; bytes. NULL: nothing can be asked. False with *error set. */
	bool (*probe_endpoint)(const struct endpoint *endpoint, struct json_object *found, struct run_error *error);
	/* Asks it for what takes long to tell and changes seldom, after probe_endpoint and only now and then: adds "nodes", the set of its node
	 * classes (registry/nodes.h). Nothing if they cannot be found out for certain. NULL: there are none. */
	void (*probe_nodes)(const struct endpoint *endpoint, struct json_object *found);
	/* For kinds that keep a connection between jobs, or NULL. idle: the worker has nothing to do; sees to the connection until
	 * there is something to read from fd, or none is kept any more. release: lets go of it, unless it is with the server that
	 * the next job is for (NULL: there is none). */
	void (*idle)(int fd);
	void (*release)(const struct endpoint *next);
};

const struct backend_kind *backend_find(const char *name);   /* NULL if there is no such kind */
const struct backend_kind *const *backend_kinds(void);       /* ends with NULL */

#endif
