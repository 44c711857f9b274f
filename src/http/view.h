/* How jobs, batches and takes look to a client: the JSON of api.md, made from the records. Used by fnr-api for answers,
 * by fnr-events for snapshots and by fnr-manager for events, so that one thing looks the same everywhere. */
#ifndef FNR_HTTP_VIEW_H
#define FNR_HTTP_VIEW_H

#include "store/journal.h"
#include "store/store.h"

/* The whole job object; with `brief` without inputs, parameters and metadata (lists). journal may be NULL (progress is
 * then what the state alone tells). An object to put, or NULL with *err set. */
struct json_object *view_job(struct store_txn *txn, struct journal_txn *journal, const struct job_head *head, bool brief,
                             struct fnr_error *err);

/* The progress object of a job: the last one of the journal if it is of this attempt and state, else made from the head.
 * txn may be NULL: then a waiting job's place in its queue is not looked up. */
struct json_object *view_progress(struct store_txn *txn, struct journal_txn *journal, const struct job_head *head);

/* The live entry (journal.h) that says that a limit of a queue, project, template or tier is reached; `kind` counts these from 0. */
#define VIEW_LIMITS "limit/"
void view_limit_name(unsigned kind, uint32_t number, char name[64]);

/* The live entry of a queue: what happened there during the last minute. To put; NULL if nothing did since the start. */
void view_queue_name(uint32_t number, char name[64]);
struct json_object *view_queue(struct journal_txn *journal, uint32_t number);

/* The live entry that says that no backend can do jobs of a class (queue/lanes.h), and why: "reason", a word of the API. */
#define VIEW_HELD "held/"
#define VIEW_HELD_ALL "held/all"       /* nothing is started at all: the disk is full */
void view_held_name(uint64_t class_, char name[64]);

/* The live entry of a backend, to put; NULL while no manager has said anything. */
#define VIEW_BACKENDS "backend/"
#define VIEW_FOUND "found/"            /* what it said when it was asked (backends/backend.h), with numbers of models */
#define VIEW_MODELS "models/"          /* … and their names, by category */
#define VIEW_NODES "nodes/"            /* … and the set of its node classes (registry/nodes.h), as a text */
struct json_object *view_backend(struct journal_txn *journal, const char *id);
struct json_object *view_found(struct journal_txn *journal, const char *id);
struct json_object *view_models(struct journal_txn *journal, const char *id);
/* Calls seen with that set as it lies in the journal; nothing if nobody knows it. */
typedef void view_set(const char *text, size_t len, void *context);
void view_nodes(struct journal_txn *journal, const char *id, view_set *seen, void *context);

/* Why a job that is waiting in its queue is not started at the moment: a word of the API (`waiting_for`). */
struct view_waiter { uint32_t queue, project, template_, tier; uint64_t class_; };
const char *view_held_up(struct store_txn *txn, struct journal_txn *journal, const struct view_waiter *waiter);

/* Outputs as clients see them, from a manifest's outputs: url, path below the workspace, media type, size, checksum, and what
 * was found out about them since. */
struct json_object *view_outputs(struct store_txn *txn, const char *job, const char *project, const char *shot, uint32_t take,
                                 struct json_object *outputs);
/* Adds to a file (an object with sha256) what was found out about it, and the address of its thumbnail below `url`. */
void view_file_found(struct store_txn *txn, struct json_object *file, const char *url);

/* {"id","total","state","counts":{state:n…},"percent","created_at","project","jobs":[ids, at most 100],"urls"}. state:
 * running while any is waiting or running, then failed if any failed, cancelled if any was, else completed. */
struct json_object *view_batch(struct store_txn *txn, struct journal_txn *journal, const struct batch *batch);

#endif
