/* The store: everything that must not be lost, in one LMDB environment `store/` below the data directory.
 *
 * This module and journal.h are the only users of LMDB; their shared plumbing (lmdb.h is included there alone) is
 * src/store/env.c. Callers see jobs, batches, uploads, templates: never keys or values. Every record, key and layout
 * is defined here or at the top of the .c file of its kind.
 *
 * Two processes write: the committer of fnr-api (what was asked for; through ops.h) and fnr-manager (what happened).
 * Everything a change depends on is read again in the write transaction that makes it. All programs run with the data
 * directory as working directory.
 *
 * Sub-databases (integers big-endian, so that byte order is scan order; schema version 3, in `meta`):
 *
 *   meta        text                          -> schema version, seq, event number block, counters, last job id,
 *                                                last round of the committer, generation of the journal, the secret of the
 *                                                installation, flags
 *   job         job id (16)                   -> struct job_head, as it lies in memory (little-endian hosts only)
 *   body        job id (16)                   -> u8 version, u8 flags, text summary, payload inline or id of its file,
 *                                                ids of uploads
 *   lane        queue u16, 10-priority u8, project u32, class u64, seq u64 -> job id    (state queued only)
 *   project_job project u32, seq u64          -> job id
 *   due         time ms u64, kind u8, job id  -> (nothing)   scheduled and retry_wait by due_at; waiting by expires_at
 *   active      job id                        -> struct job_active, packed             (running, finishing, cancelling)
 *   attempt     job id, attempt u16           -> JSON text, written once when the attempt has ended; number 0: the error of
 *                                                a job that ended before its first attempt
 *   idempotency SHA-256 of key id, method, path and Idempotency-Key (32) -> struct store_idempotency, packed
 *   command     seq u64                       -> JSON text
 *   batch       batch id                      -> struct batch, packed
 *   name        kind u8, name | kind+128 u8, number u32 -> number | name      (projects, queues, templates, shots)
 *   shot        project u32, shot u32         -> highest take number given, active take
 *   take        project u32, shot u32, n u32  -> JSON text, as in take.json
 *   upload      upload id                     -> struct store_upload, packed
 *   content     SHA-256 (32), upload id       -> (nothing)
 *   template    id, 0, major u32, minor u32, patch u32 -> digest (32), source text, 0, what lists and searches look at
 *   definition  digest (32)                   -> the normalised template, packed JSON
 *   template_text  as template                -> u8 1 if YAML, else 0; the text as it was given
 *   deprecation    as template                -> JSON text {"at","sunset","successor"}; none: it is not deprecated
 *   broken      source                        -> JSON text: why what is there is not in force
 *   preset      id                            -> JSON text
 *   preset_version id, 0, version u32         -> JSON text of that version; nothing: the last one of a preset that is gone
 *   preset_owner owner as text, 0, id         -> (nothing)   owner "@": built in
 *   key         SHA-256 of the API key (32)   -> JSON text
 *   estimate    digest (32), preset, backend as text -> struct store_estimate, packed (estimate.c)
 *   took        the same                      -> JSON text {PART: ms}: how long parts of such runs took
 *   session     SHA-256 of its secret (32)    -> struct store_session, packed
 *   removal     job id                        -> path of its payload's file, or nothing; a deleted job whose files may
 *                                                still be there
 *   dead        finished_at u64, job id       -> (nothing)   failed jobs that nobody ran again or put aside
 *   project     number of its name u32        -> struct store_project, packed; none: nobody decided
 *   queue       number of its name u32        -> struct store_queue, packed; none: nobody decided
 *   waiting     kind of name u8, number u32  -> u64: how many jobs of that queue, project or key wait
 *   parent      child's job id                -> jobs that it depends on, packed (parents.c)
 *   child       parent's job id, child's      -> (nothing)   the child has not finished
 *   dedupe      SHA-256 of what a job asks for (32) -> id of the last job that asked for it and wanted to be the only one
 *   statistic   hour u32, what it is about    -> counts of runs and errors, packed (statistics.c)
 *   discard     path of a folder              -> (nothing)   of an attempt that came to nothing; it may still be there
 *   thumbnail   SHA-256 of a result (32)      -> JSON text: what was found out about it; {} if no thumbnail can be made
 *   backend     id                            -> revision u64, JSON text: a server that an operator added
 *   secret      id of a backend               -> JSON text of its credentials
 *   suspect     the same                      -> time u64, hook u8: it went on with what it was told to stop (backend.c)
 *   take_use    project u32, shot u32, n u32, job id -> (nothing)   the job has not finished and has a file of it as input
 *   job_takes   job id                        -> those takes (take_use.c)
 *   thumbnail_due SHA-256 of a result (32)    -> struct store_thumbnail, packed; it is still to be looked at
 *
 * Out buffers (struct fnr_buf *) are emptied before they are filled. Counts of jobs in batches and uploads are kept by
 * acceptance, store_job_put and store_job_delete alone: the put functions of these records leave them as they are.
 *
 * Rules of the store: rising keys, no DUPSORT, default flags (every commit is flushed), a sparse map of 1 TiB, read
 * transactions of at most 2 s or a bounded number of rows.
 */
#ifndef FNR_STORE_STORE_H
#define FNR_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/vocab.h"

#define STORE_SCHEMA 3

struct store;
struct store_txn;

/* Opens store/ (made if absent, mode 0700). A process opens it once, after its last fork that uses it. Fails with
 * FNR_E_CORRUPT and a message that names versions if the schema is newer than this program's. An older one is upgraded for
 * a writer (upgrade.c) and FNR_E_UNAVAILABLE for a reader. Clears dead readers. */
int store_open(struct store **store_r, bool writer, struct fnr_error *err);
void store_close(struct store *store);              /* NULL is allowed */

/* Read transactions: cheap, one at a time per process; what is borrowed from it is valid until its end. */
struct store_txn *store_read(struct store *store, struct fnr_error *err);
void store_read_end(struct store_txn *txn);         /* NULL is allowed */

/* Write transactions: one at a time in the whole system; do no network, log or file I/O inside. Commit and abort both
 * end it. Commit returns only after the data is on disk; a failed commit has changed nothing. */
struct store_txn *store_write(struct store *store, struct fnr_error *err);
int store_commit(struct store_txn *txn, struct fnr_error *err);
void store_abort(struct store_txn *txn);            /* NULL is allowed */

/* A child of a write transaction, so that one bad request does not spoil the round. Ends with commit or abort. */
struct store_txn *store_child(struct store_txn *parent, struct fnr_error *err);

/* Maintenance and figures */
int store_clear_readers(struct store *store);       /* slots of dead processes; returns how many */
/* Who has been reading for longest: what was changed since cannot be written over, so the file grows while it reads. txn_r: what it
 * reads, behind_r: transactions since. False if nobody reads. */
bool store_oldest_reader(struct store *store, pid_t *pid_r, uint64_t *txn_r, uint64_t *behind_r);
uint64_t store_bytes_used(struct store *store);     /* pages in use, without free ones; walks the free list */
int store_copy(struct store *store, const char *path, struct fnr_error *err); /* online, compacted */

/* A full disk must not keep us from writing down what happened. So both writers keep this much of it taken for the store, ahead of
 * what is written, and ask before they write how much of that is there at the moment: new work is refused when it is not all
 * (what makes room may be asked for a little longer), and the manager waits when there is hardly any. */
#define STORE_RESERVE (UINT64_C(32) << 20)
#define STORE_RESERVE_ASKED (STORE_RESERVE / 2)     /* with less, nothing that is asked for is written any more */
#define STORE_RESERVE_LEAST (STORE_RESERVE / 4)     /* with less, nothing is */
uint64_t store_room(struct store *store);           /* for a writer; at most STORE_RESERVE; cheap */

/* ---- jobs ---- */

enum job_flag { JOB_FLAG_PAYLOAD_FILE = 1, JOB_FLAG_UPLOADS = 2, JOB_FLAG_CANCEL_ASKED = 4, JOB_FLAG_ON_LOST_FAIL = 8,
                JOB_FLAG_PARENTS = 16, JOB_FLAG_WAITS = 32,       /* it depends on others; at least one of them is not completed yet */
                JOB_FLAG_TAKE_DELETED = 64,                        /* the take that it made, and its outputs with it */
                JOB_FLAG_TAKES = 128 };                            /* files of takes are inputs */

struct take_place { uint32_t project, shot, take; };
#define STORE_JOB_TAKES 1024       /* most takes that inputs of one job may name */

/* Small and fixed; rewritten at each change. Times are wall-clock ms, 0 = not (yet). */
struct job_head {
	struct fnr_id id;
	struct fnr_id batch;          /* FNR_ID_NONE if in none */
	struct fnr_id retry_of;       /* FNR_ID_NONE if it is none */
	uint64_t seq;                 /* order of acceptance, over all jobs */
	uint64_t lane_seq;            /* seq in its lane: its own at first, a new one when it comes back to the tail */
	uint64_t class_;              /* digest of all that the scheduler looks at */
	uint64_t event;               /* number of the last event that told of a change of state; 0 before the first */
	int64_t created_at, queued_at, started_at, finished_at;
	int64_t not_before, expires_at;
	int64_t due_at;               /* scheduled, retry_wait: when it is queued */
	uint32_t project, shot, template_, key;   /* numbers of names; 0 = none */
	uint32_t take;                /* given at finishing; 0 = none */
	uint32_t timeout_s;           /* longest attempt; 0 = as configured */
	uint16_t queue;
	uint16_t attempt;             /* number of the last attempt started; 0 before the first */
	uint16_t lost;                /* how many of them were lost in crashes; what a graceful stop gave back is none */
	uint16_t max_attempts;
	uint8_t version;              /* of this record: 1 */
	uint8_t state, stage, quality, priority, class_of_error, flags, reserved;
};

/* What exists only while an attempt runs. */
struct job_active {
	uint16_t attempt;
	int64_t started_at;
	char worker[32];              /* "w3" */
	char backend[68];
	char placement[64];           /* why it runs where it does, in a few words */
	char *manifest;               /* finishing: JSON text of the outputs, else NULL; malloc'd */
};

int store_job_get(struct store_txn *txn, const struct fnr_id *id, struct job_head *head_r);  /* OK, NOT_FOUND, CORRUPT */

/* summary: JSON text of {"template","version","digest","quality","preset","seed","project","shot","queue","node_id",
 * "fallback","models":["checkpoints/x"],"nodes":["KSampler"],"vram_mb","key","uploads":[…]} (members that are null are left out). payload: JSON text of {"inputs","parameters",
 * "metadata"}. Either out buffer may be NULL. A payload in a file is read from it (FNR_E_IO, FNR_E_UNAVAILABLE). */
int store_job_body(struct store_txn *txn, const struct fnr_id *id, struct fnr_buf *summary, struct fnr_buf *payload,
                   struct fnr_error *err);
/* Where the payload's file is ("blobs/payload/<id>"), or an empty string when it is inline. */
int store_job_payload_path(struct store_txn *txn, const struct fnr_id *id, char path[64]);
void store_payload_path(const struct fnr_id *file, char path[64]);   /* the same for a file id not yet stored */

/* Moves a job: writes head and keeps every index (lane, due, active, counters, the batch's counters) in step with
 * head->state. The stored head is read here; `head` must be of the same id and a later look at it. Entering `queued`
 * other than at acceptance gives it a new lane_seq (in *head too). Leaving the running states drops its active record;
 * entering them makes an empty one if there is none.
 * It does not judge whether the move is allowed: that is queue/state.h, and the caller has asked it. */
int store_job_put(struct store_txn *txn, struct job_head *head, struct fnr_error *err);

/* Removes a finished job with body, attempts and (project, seq); a payload file is returned in `path` for the caller
 * to unlink after the commit (empty if none). Its takes stay, its batch goes with the last job of it. FNR_E_CONFLICT if
 * it is not finished, or a job that depends on it is not. */
int store_job_delete(struct store_txn *txn, const struct fnr_id *id, char path[64], struct fnr_error *err);

/* Files of payloads of the `limit` jobs behind *place, which is moved on; FNR_ID_NONE is before the first. *all_r: there are no more jobs.
 * FNR_E_CORRUPT: of a job nobody can tell. */
typedef void store_payload_row(const struct fnr_id *file, void *context);
int store_payloads(struct store_txn *txn, struct fnr_id *place, size_t limit, bool *all_r, store_payload_row *row, void *context, struct fnr_error *err);

/* ---- jobs that depend on others ---- */

#define STORE_PARENTS_MOST 256
struct store_parent { struct fnr_id id; char ref[68]; };   /* ref: what its batch calls it, or "" */
struct store_parents { bool skip; size_t count; struct store_parent *items; };   /* skip: a child whose parent fails is cancelled, else it fails */
int store_parents_get(struct store_txn *txn, const struct fnr_id *child, struct store_parents *parents_r);   /* OK, NOT_FOUND, CORRUPT; store_parents_free */
void store_parents_free(struct store_parents *parents);
/* Jobs behind `after` (NULL: from the first) that depend on this one and have not finished; how many there are of at most `limit`. */
size_t store_children(struct store_txn *txn, const struct fnr_id *parent, const struct fnr_id *after, struct fnr_id *children_r, size_t limit);

/* Files of deleted jobs. They go after the record's end is on disk, and this says that they have to until they are gone:
 * the transaction that deletes a job adds one, the manager removes the files, and then this. */
struct store_removal { struct fnr_id job; char payload[64]; };   /* payload "" if it was in no file */
int store_removal_add(struct store_txn *txn, const struct store_removal *removal, struct fnr_error *err);
size_t store_removals(struct store_txn *txn, struct store_removal *removals_r, size_t limit);   /* the first ones */
int store_removal_done(struct store_txn *txn, const struct fnr_id *job, struct fnr_error *err);
/* So many jobs of a project (0: of none) were deleted: a command for the manager to tell it. one: the job, if it is one alone, else NULL. */
int store_removal_tell(struct store_txn *txn, uint32_t project, size_t count, const struct job_head *one, struct fnr_error *err);

/* Folders of attempts that came to nothing: the transaction that ends the attempt adds one, and it stays until the folder is gone. */
#define STORE_DISCARD_PATH 300
int store_discard_add(struct store_txn *txn, const char *path, struct fnr_error *err);    /* path below the data directory */
int store_discard_done(struct store_txn *txn, const char *path, struct fnr_error *err);   /* nothing if there is none */
typedef void store_discard_row(const char *path, void *context);
size_t store_discards(struct store_txn *txn, store_discard_row *row, void *context);      /* all of them */

/* Thumbnails of results, by what the results hold: the same bytes have one. The transaction that completes a job says which
 * are wanted, so none is forgotten; the manager has them made, later. */
#define STORE_THUMBNAIL_TRIES 2
struct store_thumbnail { uint8_t sha256[32]; uint8_t tries; char path[512], media_type[64]; };   /* path of the result, in the data directory */
int store_thumbnail_want(struct store_txn *txn, const struct store_thumbnail *wanted, struct fnr_error *err);   /* nothing if there is one */
bool store_thumbnail_due(struct store_txn *txn, struct store_thumbnail *due_r);     /* one that is wanted; false if none is */
int store_thumbnail_failed(struct store_txn *txn, const uint8_t sha256[32], bool *again_r, struct fnr_error *err);   /* after STORE_THUMBNAIL_TRIES: there is none */
int store_thumbnail_put(struct store_txn *txn, const uint8_t sha256[32], const char *json, struct fnr_error *err);   /* it is wanted no more */
int store_thumbnail_get(struct store_txn *txn, const uint8_t sha256[32], struct fnr_buf *json_r);   /* OK, NOT_FOUND */

int store_active_get(struct store_txn *txn, const struct fnr_id *id, struct job_active *active_r); /* free manifest */
int store_active_put(struct store_txn *txn, const struct fnr_id *id, const struct job_active *active, struct fnr_error *err);

int store_attempt_put(struct store_txn *txn, const struct fnr_id *id, uint16_t attempt, const char *json, struct fnr_error *err);
int store_attempt_get(struct store_txn *txn, const struct fnr_id *id, uint16_t attempt, struct fnr_buf *json_r); /* OK, NOT_FOUND */

/* Walks. Each calls `row` until it returns false or `limit` rows were visited, and returns how many were visited.
 * Only reading functions of this header may be called from `row`. */
typedef bool store_job_row(const struct job_head *head, void *context);
size_t store_jobs_newest(struct store_txn *txn, const struct fnr_id *before, size_t limit, store_job_row *row, void *context); /* before NULL: from the newest */
size_t store_jobs_after(struct store_txn *txn, const struct fnr_id *after, size_t limit, store_job_row *row, void *context);   /* oldest first; after NULL: from the first */
size_t store_jobs_of_project(struct store_txn *txn, uint32_t project, uint64_t before_seq, size_t limit, store_job_row *row, void *context); /* newest first; UINT64_MAX: all */
size_t store_jobs_active(struct store_txn *txn, const struct fnr_id *after, size_t limit, store_job_row *row, void *context);
/* Jobs whose due or expiry time is at or before now, earliest first. */
enum store_due { STORE_DUE_QUEUE = 0, STORE_DUE_EXPIRE = 1 };
typedef bool store_due_row(const struct fnr_id *id, enum store_due kind, int64_t time, void *context);
size_t store_jobs_due(struct store_txn *txn, int64_t now, size_t limit, store_due_row *row, void *context);
/* An entry that is not as its job has it, or whose job cannot be read: nothing comes of it, now or later. OK, NOT_FOUND. */
int store_due_drop(struct store_txn *txn, const struct fnr_id *id, enum store_due kind, int64_t time, struct fnr_error *err);
int64_t store_next_due(struct store_txn *txn);      /* earliest entry, 0 if none */
struct fnr_id store_last_job(struct store_txn *txn); /* id of the newest job ever accepted; FNR_ID_NONE if none */

/* ---- lanes ---- */

struct lane_key { uint16_t queue; uint8_t priority; uint32_t project; uint64_t class_; };
struct lane_head { struct lane_key key; uint64_t seq; struct fnr_id job; };
/* The first waiting job of the lane with lane_seq >= from. OK or NOT_FOUND. */
int store_lane_first(struct store_txn *txn, const struct lane_key *key, uint64_t from, struct lane_head *head_r);
int store_lane_from(struct store_txn *txn, const struct lane_key *from, struct lane_head *head_r);   /* of the first lane at or behind it */
/* The head of the lane behind `after` in key order (NULL: of the first lane): skips from prefix to prefix. OK or NOT_FOUND. */
int store_lane_next(struct store_txn *txn, const struct lane_key *after, struct lane_head *head_r);

/* How many jobs of its queue stand before a waiting one: those of higher priority, and older ones of its own. At most
 * `most` rows are looked at; -1 when that was not enough. (Fair shares among projects may let it start earlier.) */
int64_t store_lane_position(struct store_txn *txn, const struct job_head *head, size_t most);

/* ---- estimates ---- */

/* What completed runs of the same template, preset and backend took; count 0: nothing is known. The newest come first. */
#define STORE_RUNS_KEPT 16
struct store_run { uint32_t ms, cpu_ms, memory_mb; };
struct store_estimate { uint32_t count, kept; struct store_run runs[STORE_RUNS_KEPT]; };
int store_estimate_get(struct store_txn *txn, const uint8_t digest[32], const char *preset, const char *backend,
                       struct store_estimate *estimate_r);   /* OK, NOT_FOUND (it is all zero then), CORRUPT */
int store_estimate_put(struct store_txn *txn, const uint8_t digest[32], const char *preset, const char *backend,
                       const struct store_estimate *estimate, struct fnr_error *err);
/* How long parts of them took, as JSON text {PART: ms}, where their kind of backend tells parts apart. Get empties json_r first. */
int store_took_get(struct store_txn *txn, const uint8_t digest[32], const char *preset, const char *backend, struct fnr_buf *json_r);   /* OK, NOT_FOUND */
int store_took_put(struct store_txn *txn, const uint8_t digest[32], const char *preset, const char *backend, const char *json, struct fnr_error *err);
/* Forgets both of digests that no version of a template has any more: looks at so many digests, and removes at most as many
 * records, from *cursor on, which it moves behind the last (zero: the first). Returns how many it removed. */
size_t store_estimates_expire(struct store_txn *txn, uint8_t cursor[32], size_t limit);
/* Of the backend that ran most of them. */
int store_estimate_best(struct store_txn *txn, const uint8_t digest[32], const char *preset, struct store_estimate *estimate_r);

/* ---- counters, numbers ---- */

struct store_counters { uint64_t accepted, removed, state[FNR_STATE_COUNT]; };
void store_counters_get(struct store_txn *txn, struct store_counters *counters_r);

/* Reserves `count` event numbers; returns the first. Numbers start at 1, never repeat and stay below 2^53. */
uint64_t store_events_reserve(struct store_txn *txn, uint64_t count, struct fnr_error *err);

uint64_t store_meta_get(struct store_txn *txn, const char *name);           /* 0 if absent */
int store_meta_put(struct store_txn *txn, const char *name, uint64_t value, struct fnr_error *err);
#define STORE_META_JOURNAL "journal"       /* generation of the journal in use; 0 before the first start of the manager */
#define STORE_META_TEMPLATE_CHANGES "template_changes"   /* counts what changed among templates */
#define STORE_META_TEMPLATES "templates"   /* how often the loader has finished; readiness wants it above 0 */

#define STORE_META_WORKERS_MIN "workers_min"   /* what operators want instead of what is configured, plus 1; 0: nothing */
#define STORE_META_WORKERS_MAX "workers_max"
#define STORE_META_STOPPED "stopped"       /* 1: the manager was told to stop, and has not begun again since */
#define STORE_META_TAKES "takes"           /* takes of all shots have numbers above this since the store was restored */

/* ---- queues ---- */

/* How many jobs may run at the same time, and how many may start a minute; 0: as many as there are. */
struct store_limit { uint32_t concurrency, per_minute; };
#define STORE_LIMIT_MOST 1000000
struct store_queue { bool paused; int64_t until; struct store_limit limit; };   /* until: ms, 0 = until it is resumed */
struct store_queue store_queue_get(struct store_txn *txn, uint32_t number);
int store_queue_put(struct store_txn *txn, uint32_t number, const struct store_queue *queue, struct fnr_error *err);
typedef bool store_queue_row(uint32_t number, const struct store_queue *queue, void *context);
void store_queues(struct store_txn *txn, store_queue_row *row, void *context);   /* those that somebody decided about */
/* Which job in its lanes waits longest (FNR_ID_NONE: none); looks at `most` lanes. */
struct fnr_id store_queue_oldest(struct store_txn *txn, uint32_t number, size_t most);

/* ---- projects ---- */

#define STORE_WEIGHT_LEAST 0.01
#define STORE_WEIGHT_MOST 1000.0
struct store_project {
	double weight;                /* its share of the turns beside others; 1 if nobody decided */
	struct store_limit limit;
	uint64_t max_waiting;         /* more of its jobs are not accepted; 0: as the configuration has it */
};
struct store_project store_project_get(struct store_txn *txn, uint32_t number);
int store_project_put(struct store_txn *txn, uint32_t number, const struct store_project *project, struct fnr_error *err);
typedef bool store_project_row(uint32_t number, const struct store_project *project, void *context);
void store_projects(struct store_txn *txn, store_project_row *row, void *context);   /* those that somebody decided about */

/* ---- dead letters: a job is one from its failing on, until it is run again, discarded, deleted, or dropped for newer ones ---- */

#define STORE_META_DEAD_DROPPED "dead_dropped"     /* how many were */
bool store_dead_has(struct store_txn *txn, const struct job_head *head);
int store_dead_discard(struct store_txn *txn, const struct fnr_id *id, struct fnr_error *err);   /* OK also if it is none */
size_t store_dead_count(struct store_txn *txn);
size_t store_dead(struct store_txn *txn, const struct job_head *before, size_t limit, store_job_row *row, void *context);   /* last failed first */
size_t store_dead_trim(struct store_txn *txn, size_t most, size_t limit, struct fnr_error *err);   /* drops the oldest; how many */

/* ---- names ---- */

enum store_name { STORE_PROJECT = 1, STORE_QUEUE = 2, STORE_TEMPLATE = 3, STORE_SHOT = 4, STORE_KEY = 5 };
uint32_t store_name_find(struct store_txn *txn, enum store_name kind, const char *name);        /* 0 if unknown */
uint32_t store_name_make(struct store_txn *txn, enum store_name kind, const char *name, struct fnr_error *err); /* 0: error */
bool store_name_text(struct store_txn *txn, enum store_name kind, uint32_t number, char out[68]);
typedef bool store_name_row(uint32_t number, const char *name, void *context);
size_t store_names(struct store_txn *txn, enum store_name kind, const char *after, size_t limit, store_name_row *row, void *context);

/* Jobs in a waiting state of one queue, project or key. */
uint64_t store_waiting(struct store_txn *txn, enum store_name kind, uint32_t number);

/* ---- statistics, by the hour ---- */

/* Jobs of a template and quality that ended, on the backend of their last attempt ("" if they had none); attempts that failed
 * and were tried again; time of completed runs, and time in the queue of all that were started. */
struct store_runs {
	uint32_t template_;
	unsigned quality;
	char backend[68], variant[68];   /* variant "" if the template has none */
	uint64_t completed, failed, cancelled, expired, retried, run_ms, wait_ms;
};
int store_runs_add(struct store_txn *txn, int64_t time, const struct store_runs *add, struct fnr_error *err);

/* Attempts that failed with this code. Adding: last_at says which hour it counts for. */
struct store_errors {
	uint32_t template_;
	unsigned class_;
	char backend[68], code[68];
	uint64_t count;
	struct fnr_id last_job;
	int64_t last_at;
};
int store_errors_add(struct store_txn *txn, const struct store_errors *add, struct fnr_error *err);

/* Rows of hours that touch [since, until), in order of the hours, until the row function returns false. */
typedef bool store_runs_row(int64_t hour, const struct store_runs *runs, void *context);
typedef bool store_errors_row(const struct store_errors *errors, void *context);
size_t store_runs(struct store_txn *txn, int64_t since, int64_t until, store_runs_row *row, void *context);
size_t store_errors(struct store_txn *txn, int64_t since, int64_t until, store_errors_row *row, void *context);
size_t store_statistics_expire(struct store_txn *txn, int64_t before, size_t limit);   /* at most `limit` rows of hours that ended before */

/* ---- commands ---- */

/* JSON text of {"command":"cancel","job":id} and the like; applied and deleted by the manager in one transaction. */
int store_command_add(struct store_txn *txn, const char *json, struct fnr_error *err);
/* The next one behind `after` (0: from the first). OK or NOT_FOUND. */
int store_command_next(struct store_txn *txn, uint64_t after, uint64_t *seq_r, struct fnr_buf *json_r);
void store_command_delete(struct store_txn *txn, uint64_t seq);

/* ---- batches ---- */

/* The jobs of a batch are the jobs with ids from first to last: they were accepted in one transaction. */
struct batch {
	struct fnr_id id, first, last;
	int64_t created_at;
	uint32_t project, key, total;
	uint32_t state[FNR_STATE_COUNT];   /* of those that still exist */
	bool stop_on_error;
	uint64_t event;                    /* last event that told of it */
};
int store_batch_get(struct store_txn *txn, const struct fnr_id *id, struct batch *batch_r);
int store_batch_put(struct store_txn *txn, const struct batch *batch, struct fnr_error *err);

/* ---- takes ---- */

uint32_t store_shot_counter(struct store_txn *txn, uint32_t project, uint32_t shot);   /* the next take's number is above this */
int store_shot_raise(struct store_txn *txn, uint32_t project, uint32_t shot, uint32_t counter, struct fnr_error *err); /* never falls */
/* Which take is to be the active one; 0: the newest, whichever that is. NOT_FOUND if there is no such take. */
int store_shot_choose(struct store_txn *txn, uint32_t project, uint32_t shot, uint32_t take, struct fnr_error *err);
uint32_t store_shot_active(struct store_txn *txn, uint32_t project, uint32_t shot);    /* the chosen take, else the newest; 0 if none */
int store_take_put(struct store_txn *txn, uint32_t project, uint32_t shot, uint32_t take, const char *json, struct fnr_error *err);
int store_take_get(struct store_txn *txn, uint32_t project, uint32_t shot, uint32_t take, struct fnr_buf *json_r);
/* NOT_FOUND; CONFLICT while a job that has not finished has a file of it as input, or depends on the job that made it. That
 * job has no outputs any more. The folder, whose path is given, is noted to be discarded. */
int store_take_delete(struct store_txn *txn, struct take_place place, const char *path, struct fnr_error *err);
typedef bool store_take_row(uint32_t take, const char *json, size_t len, void *context);
size_t store_takes(struct store_txn *txn, uint32_t project, uint32_t shot, uint32_t after, size_t limit, store_take_row *row, void *context);
typedef bool store_shot_row(uint32_t shot, uint32_t counter, uint32_t active, void *context);
size_t store_shots(struct store_txn *txn, uint32_t project, size_t limit, store_shot_row *row, void *context);

/* ---- uploads: the bytes are the file uploads/<id> ---- */

struct store_upload {
	struct fnr_id id;
	uint64_t bytes;
	uint8_t sha256[32];
	char media_type[64];
	char name[132];               /* as the client called it, cleaned; for people only */
	int64_t created_at;
	uint32_t key, jobs;           /* jobs that name it: it is kept while there are any */
};
int store_upload_get(struct store_txn *txn, const struct fnr_id *id, struct store_upload *upload_r);
int store_upload_put(struct store_txn *txn, const struct store_upload *upload, struct fnr_error *err);
/* An upload that holds these very bytes: its file can be linked to instead of being stored again. OK, NOT_FOUND. */
int store_content_find(struct store_txn *txn, const uint8_t sha256[32], uint64_t bytes, struct fnr_id *id_r);
/* Deletes the records of up to `limit` uploads that no job names and that are older than `before`; their ids for the
 * caller to unlink after the commit. Looks at a bounded number of rows behind *cursor, which it moves round. */
size_t store_uploads_expire(struct store_txn *txn, int64_t before, struct fnr_id *cursor, struct fnr_id *ids_r, size_t limit);

/* ---- templates, presets, keys ---- */

struct json_object;
struct store_version { uint32_t major, minor, patch; };
int store_template_put(struct store_txn *txn, const char *id, struct store_version version, const uint8_t digest[32],
                       const char *source, struct json_object *definition, struct fnr_error *err);
int store_template_delete(struct store_txn *txn, const char *id, struct store_version version);   /* with its text and deprecation */
int store_template_get(struct store_txn *txn, const char *id, struct store_version version, uint8_t digest_r[32], struct fnr_buf *source_r);   /* OK, NOT_FOUND */
typedef bool store_template_row(const char *id, struct store_version version, const uint8_t digest[32], const char *source, void *context);
/* Versions of one template, newest first (id given), or every version of every template, ids rising (id NULL). */
size_t store_templates(struct store_txn *txn, const char *id, store_template_row *row, void *context);
/* What lists and searches look at of every version, ids and versions rising, behind all of the id `after` (NULL: from the first).
 * Texts are borrowed until the transaction ends; lists are texts, each ended by 0, the last one empty. */
struct store_card { const char *category, *backend, *name, *description, *tags, *capabilities; };
typedef bool store_card_row(const char *id, struct store_version version, const uint8_t digest[32], const struct store_card *card, void *context);
void store_cards(struct store_txn *txn, const char *after, store_card_row *row, void *context);
/* OK, with an object to put, whose texts and numbers may be shared (base/json_pack.h), and about how many bytes it takes (may be
 * NULL); NOT_FOUND, CORRUPT. */
int store_definition_get(struct store_txn *txn, const uint8_t digest[32], struct json_object **definition_r, size_t *memory_r);

/* The source of a version that was made by the API; else it is the path of its file (registry/registry.h). */
#define STORE_SOURCE_API "api"

/* A version's text as it was given. */
int store_template_text_put(struct store_txn *txn, const char *id, struct store_version version, bool yaml, const char *text, struct fnr_error *err);
int store_template_text_get(struct store_txn *txn, const char *id, struct store_version version, bool *yaml_r, struct fnr_buf *text_r);   /* OK, NOT_FOUND */

int store_deprecation_put(struct store_txn *txn, const char *id, struct store_version version, const char *json, struct fnr_error *err);   /* NULL: it is not any more */
int store_deprecation_get(struct store_txn *txn, const char *id, struct store_version version, struct fnr_buf *json_r);   /* OK, NOT_FOUND; json_r may be NULL */

/* Files and the like that could not be loaded, by their source. */
int store_broken_put(struct store_txn *txn, const char *source, const char *json, struct fnr_error *err);   /* NULL: it is not broken any more */
int store_broken_get(struct store_txn *txn, const char *source, struct fnr_buf *json_r);   /* OK, NOT_FOUND */
typedef bool store_broken_row(const char *source, const char *json, size_t len, void *context);
size_t store_broken(struct store_txn *txn, const char *after, store_broken_row *row, void *context);   /* sources rising; after NULL: from the first */


/* The version that comes next for this id is one above the last that there ever was. Both keep the preset's versions, of which
 * the last STORE_PRESET_VERSIONS stay, and the list of its owner (NULL: it came with the program). */
#define STORE_PRESET_VERSIONS 50
#define STORE_PRESETS_MOST 5000      /* of one owner */
struct store_preset { const char *id, *owner, *json; uint32_t version; };
int store_preset_put(struct store_txn *txn, const struct store_preset *preset, struct fnr_error *err);
int store_preset_delete(struct store_txn *txn, const char *id, const char *owner, struct fnr_error *err);   /* OK, NOT_FOUND */
int store_preset_get(struct store_txn *txn, const char *id, struct fnr_buf *json_r);                       /* OK, NOT_FOUND */
int store_preset_get_version(struct store_txn *txn, const char *id, uint32_t version, struct fnr_buf *json_r);
uint32_t store_preset_last(struct store_txn *txn, const char *id);   /* last version, also of one that is gone; 0: never */
typedef bool store_id_row(const char *id, void *context);
size_t store_presets_owned(struct store_txn *txn, const char *owner, store_id_row *row, void *context);   /* row NULL: only counts */
typedef bool store_text_row(const char *id, const char *json, size_t len, void *context);
size_t store_presets(struct store_txn *txn, const char *after, store_text_row *row, void *context);   /* ids rising; after NULL: from the first */
typedef bool store_preset_row(uint32_t version, const char *json, size_t len, void *context);
size_t store_preset_versions(struct store_txn *txn, const char *id, store_preset_row *row, void *context);   /* newest first */

/* {"id","name","scopes":["read","submit","admin"],"projects":["demo"] or null,"created_at","revoked":false} */
int store_key_put(struct store_txn *txn, const uint8_t hash[32], const char *json, struct fnr_error *err);
int store_key_get(struct store_txn *txn, const uint8_t hash[32], struct fnr_buf *json_r);
int store_key_find(struct store_txn *txn, const char *id, uint8_t hash_r[32]);   /* by its id; OK, NOT_FOUND */
int store_key_delete(struct store_txn *txn, const char *id);   /* the same, with its sessions and links; NOT_FOUND */
size_t store_keys(struct store_txn *txn, store_text_row *row, void *context);

/* ---- backends: servers that operators added ---- */

#define STORE_BACKENDS_MOST 256
/* json: {"type","url","concurrency","labels":[…],"options":{…},"drained","created_at","updated_at"}, borrowed, not terminated.
 * Every change gives it another revision. */
struct store_backend { uint64_t revision; const char *json; size_t len; };
int store_backend_get(struct store_txn *txn, const char *id, struct store_backend *backend_r);   /* OK, NOT_FOUND, CORRUPT */
int store_backend_put(struct store_txn *txn, const char *id, const char *json, struct fnr_error *err);
int store_backend_delete(struct store_txn *txn, const char *id, struct fnr_error *err);          /* with its credentials; NOT_FOUND */
typedef bool store_backend_row(const char *id, const struct store_backend *backend, void *context);
size_t store_backends(struct store_txn *txn, store_backend_row *row, void *context);             /* ids rising */
size_t store_backends_count(struct store_txn *txn);
uint64_t store_backends_revision(struct store_txn *txn);    /* another one after each change of any backend */
size_t store_backend_jobs(struct store_txn *txn, const char *id);   /* attempts that run there */
/* Credentials, {"headers":{NAME:VALUE},"username","password","token"}: for workers and nobody else. */
int store_backend_secret(struct store_txn *txn, const char *id, struct fnr_buf *json_r);         /* OK, NOT_FOUND */
/* One that went on with what it was told to stop, since when, and what became of restarting it (a number of the manager's). It is
 * forgotten with the backend, and when that gets another address. */
struct store_suspect { int64_t since; uint8_t hook; };
int store_suspect_get(struct store_txn *txn, const char *id, struct store_suspect *suspect_r);   /* OK, NOT_FOUND */
int store_suspect_put(struct store_txn *txn, const char *id, const struct store_suspect *suspect, struct fnr_error *err);
int store_suspect_delete(struct store_txn *txn, const char *id, struct fnr_error *err);          /* OK, also if it is none */
int store_backend_secret_put(struct store_txn *txn, const char *id, const char *json, struct fnr_error *err);   /* NULL: there are none */

/* ---- browser sessions, one-time links, the installation's secret ---- */

#define STORE_SESSIONS_MOST 100   /* of one key; as many links */

/* Both stand for an API key, and go with it. */
struct store_session {
	uint8_t key[32];              /* hash of the API key */
	bool link;                    /* good for making one session, and for nothing else */
	int64_t created_at, expires_at;
};
int store_session_get(struct store_txn *txn, const uint8_t hash[32], struct store_session *session_r);   /* OK, NOT_FOUND, CORRUPT */
int store_session_delete(struct store_txn *txn, const uint8_t hash[32]);                                 /* OK, NOT_FOUND */

/* 32 bytes that nobody outside knows, made once. Making keeps the ones that are there. */
int store_secret_get(struct store_txn *txn, uint8_t secret_r[32]);   /* OK, NOT_FOUND before the first start */
int store_secret_make(struct store_txn *txn, const uint8_t secret[32], struct fnr_error *err);

/* ---- idempotency ---- */

struct store_idempotency { uint8_t body[32]; struct fnr_id id; bool is_batch; int64_t created_at; };
int store_idempotency_get(struct store_txn *txn, const uint8_t hash[32], struct store_idempotency *entry_r);
int store_idempotency_put(struct store_txn *txn, const uint8_t hash[32], const struct store_idempotency *entry, struct fnr_error *err);
/* Removes entries older than `before` whose job is gone; visits at most `limit` behind *cursor, which it moves round. */
size_t store_idempotency_expire(struct store_txn *txn, int64_t before, uint8_t cursor[32], size_t limit);

/* The job that asked for the same and lives, or was completed. OK, NOT_FOUND, CORRUPT. */
int store_dedupe_find(struct store_txn *txn, const uint8_t hash[32], struct fnr_id *job_r);

/* ---- backup and restore (backup.c); see also store_copy ---- */

typedef bool store_upload_row(const struct store_upload *upload, void *context);
size_t store_uploads(struct store_txn *txn, store_upload_row *row, void *context);                    /* all of them */
typedef bool store_definition_row(const uint8_t digest[32], struct json_object *definition, void *context);
size_t store_definitions(struct store_txn *txn, store_definition_row *row, void *context);            /* all of them */

/* For a store that was restored: events get numbers at least so many (or half of what is left) higher than any it knows,
 * takes of every shot, known or not, numbers more than `takes` above the highest of any shot. */
int store_move_on(struct store_txn *txn, uint64_t events, uint32_t takes, struct fnr_error *err);

/* ---- check ---- */

/* Recounts everything in one read transaction and compares: counters, conservation (accepted = removed + waiting +
 * running + finished), every job in exactly the indexes of its state and no index entry without its job, bodies,
 * payload files, batches, active and attempt records, take numbers at most their shot's counter, backends. Adds one line per
 * problem to `report` (at most 100) and returns how many there are. `summary` gets one line of figures. */
size_t store_check(struct store_txn *txn, struct fnr_buf *report, struct fnr_buf *summary);

#endif
