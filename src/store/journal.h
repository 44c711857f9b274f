/* The journal: events, progress, logs and live tables, in a second LMDB environment that never waits for the disk.
 * It survives any process, not a power cut, and may be thrown away at any time: nothing in it is needed to finish a job.
 *
 * Only fnr-manager writes. Each start on another boot of the kernel (/proc/sys/kernel/random/boot_id), or with a
 * journal that cannot be read from end to end (tried in a child process, as a broken file may kill who opens it),
 * begins a new generation in journal/<generation>/; older ones are removed. The generation in use is in the store
 * (STORE_META_JOURNAL), so readers know what to open and when to change over.
 *
 *   meta       text                      -> u64 (last number written, last job seen, …)
 *   event      number u64                -> u8 type, job id, batch id, project u32, time u64, text data
 *   job_event  job id, number u64        -> (nothing)       events of one job, without scanning all
 *   batch_event batch id, number u64     -> (nothing)
 *   progress   job id                    -> JSON text, the last progress object
 *   log        job id, n u64             -> JSON text {"n","time","level","text"}
 *   preview    job id                    -> the latest picture: media type as text, bytes
 *   live       text ("worker/w3")        -> JSON text; cleared at each start of the manager
 */
#ifndef FNR_STORE_JOURNAL_H
#define FNR_STORE_JOURNAL_H

#include "store/store.h"

struct journal;
struct journal_txn;

/* For the manager. `generation` is what the store names; *generation_r what is in use from now on (the caller stores
 * it when it differs). */
int journal_open_writer(struct journal **journal_r, uint64_t generation, uint64_t *generation_r, struct fnr_error *err);
/* For readers: FNR_E_NOT_FOUND for generation 0 or a folder that is gone (try again with the store's newer number). */
int journal_open_reader(struct journal **journal_r, uint64_t generation, struct fnr_error *err);
uint64_t journal_generation(const struct journal *journal);
void journal_close(struct journal *journal);                       /* NULL is allowed */

struct journal_txn *journal_read(struct journal *journal, struct fnr_error *err);
struct journal_txn *journal_write(struct journal *journal, struct fnr_error *err);
int journal_commit(struct journal_txn *txn, struct fnr_error *err);  /* ends a write transaction */
void journal_end(struct journal_txn *txn);                           /* ends a read, aborts a write; NULL is allowed */

struct journal_event {
	uint64_t number;
	enum fnr_event type;
	struct fnr_id job, batch;      /* FNR_ID_NONE if none */
	uint32_t project;              /* number of the name; 0 if none: seen by keys without a list of projects, and by the job's own stream */
	int64_t time;
	const char *data;              /* the whole SSE data object as JSON text, one line */
	size_t data_len;
};

int journal_event_add(struct journal_txn *txn, const struct journal_event *event, struct fnr_error *err);
uint64_t journal_last_number(struct journal_txn *txn);   /* highest number written; 0 if none */
uint64_t journal_first_number(struct journal_txn *txn);  /* lowest still kept; 0 if none */
uint64_t journal_last_break(struct journal_txn *txn);    /* number of the latest FNR_EVENT_BREAK; 0 if none */

typedef bool journal_row(const struct journal_event *event, void *context);   /* event borrowed; false stops */
/* Events with a number above `after`, in order: all of them, of one job, or of one batch (with its jobs' events).
 * Returns how many rows were visited (at most `limit`). */
size_t journal_events(struct journal_txn *txn, uint64_t after, size_t limit, journal_row *row, void *context);
size_t journal_events_of_job(struct journal_txn *txn, const struct fnr_id *job, uint64_t after, size_t limit, journal_row *row, void *context);
size_t journal_events_of_batch(struct journal_txn *txn, const struct fnr_id *batch, uint64_t after, size_t limit, journal_row *row, void *context);

int journal_progress_put(struct journal_txn *txn, const struct fnr_id *job, const char *json, struct fnr_error *err);
int journal_progress_get(struct journal_txn *txn, const struct fnr_id *job, struct fnr_buf *json_r);  /* OK, NOT_FOUND */

/* n counts from 1 within the job, given here. */
int journal_log_add(struct journal_txn *txn, const struct fnr_id *job, int64_t time, const char *level, const char *text, uint64_t *n_r, struct fnr_error *err);
typedef bool journal_log_row(uint64_t n, const char *json, size_t len, void *context);
size_t journal_log(struct journal_txn *txn, const struct fnr_id *job, uint64_t after, size_t limit, journal_log_row *row, void *context);

int journal_preview_put(struct journal_txn *txn, const struct fnr_id *job, const char *media_type, const void *data, size_t len, struct fnr_error *err);
int journal_preview_get(struct journal_txn *txn, const struct fnr_id *job, char media_type[64], struct fnr_buf *data_r);

int journal_live_put(struct journal_txn *txn, const char *name, const char *json, struct fnr_error *err);  /* json NULL deletes */
size_t journal_live(struct journal_txn *txn, const char *prefix, store_text_row *row, void *context);

uint64_t journal_meta_get(struct journal_txn *txn, const char *name);
int journal_meta_put(struct journal_txn *txn, const char *name, uint64_t value, struct fnr_error *err);

/* Removes at most `limit` rows that are older than `before` (ms), or the oldest while the environment uses more than
 * max_bytes: progress events go first, and the last progress of a job stays. Returns how many were removed. */
size_t journal_trim(struct journal_txn *txn, int64_t before, uint64_t max_bytes, size_t limit, struct fnr_error *err);

/* Everything of a deleted job. */
void journal_forget(struct journal_txn *txn, const struct fnr_id *job);

#endif
