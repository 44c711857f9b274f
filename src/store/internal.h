/* What the files of the store share beside env.h: its sub-databases, its transactions, its one hot record. */
#ifndef FNR_STORE_INTERNAL_H
#define FNR_STORE_INTERNAL_H

#include "store/env.h"
#include "store/store.h"

/* X(NAME, "name"); what is in each is told at the top of store.h */
#define STORE_DATABASES(X) \
	X(META, "meta") X(JOB, "job") X(BODY, "body") X(LANE, "lane") X(PROJECT_JOB, "project_job") X(DUE, "due") \
	X(ACTIVE, "active") X(ATTEMPT, "attempt") X(IDEMPOTENCY, "idempotency") X(COMMAND, "command") X(BATCH, "batch") \
	X(NAME, "name") X(SHOT, "shot") X(TAKE, "take") X(UPLOAD, "upload") X(TEMPLATE, "template") \
	X(DEFINITION, "definition") X(PRESET, "preset") X(KEY, "key") X(SESSION, "session") X(ESTIMATE, "estimate") X(REMOVAL, "removal") \
	X(CONTENT, "content") X(QUEUE, "queue") X(DEAD, "dead") X(PROJECT, "project") X(THUMBNAIL, "thumbnail") X(THUMBNAIL_DUE, "thumbnail_due") \
	X(WAITING, "waiting") X(PARENT, "parent") X(CHILD, "child") X(DEDUPE, "dedupe") X(STATISTIC, "statistic") \
	X(DISCARD, "discard") X(BACKEND, "backend") X(SECRET, "secret") \
	X(PRESET_VERSION, "preset_version") X(PRESET_OWNER, "preset_owner") \
	X(TEMPLATE_TEXT, "template_text") X(DEPRECATION, "deprecation") X(BROKEN, "broken") \
	X(TAKE_USE, "take_use") X(JOB_TAKES, "job_takes") X(TOOK, "took") X(SUSPECT, "suspect")
enum store_db {
#define X(name, text) DB_##name,
	STORE_DATABASES(X)
#undef X
	DB_COUNT
};

struct store_txn { struct env_txn t; struct store *store; };
struct store {
	struct env env;
	struct store_txn read;
	bool writer;
};

/* The record that every acceptance and every move rewrites: meta ".state", as it lies in memory. It is read and
 * written in the transaction at hand, never kept: a child transaction may be undone. */
struct hot {
	uint32_t version;              /* 1 */
	uint32_t reserved;
	uint64_t seq;                  /* last one given */
	uint64_t event;                /* next event number to reserve, less 1 */
	uint64_t command;              /* last seq of a command */
	uint64_t accepted, removed;
	struct fnr_id last_job;        /* last job or batch id given; a job's whenever a transaction ends */
	uint64_t state[16];            /* FNR_STATE_COUNT of them are in use */
};
_Static_assert(FNR_STATE_COUNT <= 16, "struct hot has no room for more states");

#define EVENT_MOST ((uint64_t)1 << 53)     /* event numbers stay below: JSON's integers end there */

int hot_get(struct store_txn *txn, struct hot *hot_r);     /* OK (zeros if there is none yet), CORRUPT, … */
int hot_put(struct store_txn *txn, const struct hot *hot, struct fnr_error *err);

/* meta keys that are not plain numbers; the leading dot keeps them apart from store_meta_put's */
#define META_HOT ".state"
#define META_ROUND ".round"
#define META_SCHEMA "schema"
#define META_SECRET ".secret"
struct key meta_key(const char *name);

/* ---- schema versions (upgrade.c): steps[n] makes version n + 1 of version n ---- */

typedef int store_step(struct store_txn *txn, struct fnr_error *err);
extern store_step *const store_steps[];

/* Brings the store to version `newest`, a writer by the steps; refuses newer ones, and older ones to readers. *fresh_r: it
 * had no version before. */
int store_settle_schema(struct store *store, store_step *const *steps, uint64_t newest, bool *fresh_r, struct fnr_error *err);

/* ---- records: one function makes a key, used by all who need it ---- */

struct key waiting_key(enum store_name kind, uint32_t number);
uint64_t waiting_read(const MDB_val *value);
int waiting_move(struct store_txn *txn, const struct job_head *from, const struct job_head *to, struct fnr_error *err);   /* from NULL: it is new */
int dedupe_put(struct store_txn *txn, const uint8_t hash[32], const struct fnr_id *job, struct fnr_error *err);
int dedupe_delete(struct store_txn *txn, const uint8_t hash[32], const struct fnr_id *job, struct fnr_error *err);
struct key child_key(const struct fnr_id *parent, const struct fnr_id *child);
int parents_parse(const MDB_val *value, struct store_parents *parents_r);
/* May a job depend on these, and does it wait for any of them? INVALID with the reason. */
int parents_check(struct store_txn *txn, const struct store_parents *parents, bool *wait_r, struct fnr_error *err);
int parents_put(struct store_txn *txn, const struct fnr_id *child, const struct store_parents *parents, struct fnr_error *err);
int parents_release(struct store_txn *txn, const struct fnr_id *child, struct fnr_error *err);
int parents_delete(struct store_txn *txn, const struct fnr_id *child, struct fnr_error *err);
/* Takes that inputs of a job name, one after the other as keys have them; each must be there: else INVALID. */
#define TAKE_PLACE_SIZE 12
struct take_place take_place_read(const uint8_t *data);
void take_place_put(struct fnr_buf *out, const struct take_place *place);
struct key take_use_key(const struct take_place *place, const struct fnr_id *job);
int take_uses_put(struct store_txn *txn, const struct fnr_id *job, const uint8_t *places, size_t count, struct fnr_error *err);
int take_uses_release(struct store_txn *txn, const struct fnr_id *job, struct fnr_error *err);
int take_uses_from_2(struct store_txn *txn, struct fnr_error *err);   /* those of jobs that were accepted before they were noted */
bool take_used(struct store_txn *txn, const struct take_place *place, struct fnr_id *job_r);
int dead_move(struct store_txn *txn, const struct job_head *from, const struct job_head *to, struct fnr_error *err);
int dead_delete(struct store_txn *txn, const struct job_head *head, struct fnr_error *err);   /* not there: OK */

struct key hash_key(const uint8_t hash[32]);
struct key lane_key_of(const struct job_head *head);
struct key lane_prefix(const struct lane_key *lane);       /* all of a lane key but the seq */
bool lane_parse(const MDB_val *data, struct lane_key *lane_r, uint64_t *seq_r);
#define LANE_PREFIX 15
#define LANE_KEY 23
struct key project_job_key(uint32_t project, uint64_t seq);
struct key due_key(int64_t time, enum store_due kind, const struct fnr_id *id);
int64_t due_queue_time(const struct job_head *head);       /* 0 = has no such entry */
int64_t due_expire_time(const struct job_head *head);
struct key attempt_key(const struct fnr_id *id, uint16_t attempt);
struct key shot_key(uint32_t project, uint32_t shot);
struct key take_key(uint32_t project, uint32_t shot, uint32_t take);
struct key name_key(enum store_name kind, const char *name);
struct key name_number_key(enum store_name kind, uint32_t number);

int job_head_read(const MDB_val *value, struct job_head *head_r);    /* OK, CORRUPT */

/* The immutable part of a job, read in place. Texts are not terminated. */
struct body_view {
	const char *summary, *payload;     /* payload NULL when it is in a file */
	size_t summary_len, payload_len;
	struct fnr_id payload_file;
	const uint8_t *uploads;            /* ids, one after the other, each once */
	size_t upload_count;
	const uint8_t *dedupe;             /* hash, or NULL */
};
int body_parse(const MDB_val *value, struct body_view *view_r);      /* OK, CORRUPT */

/* Accepting: writes a new job with all that belongs to it. hot and batch (NULL if in none) are kept by the caller,
 * who writes them after the last job. head comes without id, seq, lane_seq, state, created_at. */
struct job_new {
	struct job_head head;
	const char *summary, *payload;
	size_t summary_len, payload_len;
	const uint8_t *uploads;            /* ids, may repeat */
	size_t upload_count;
	struct fnr_id payload_file;
	const uint8_t *dedupe;             /* hash, or NULL */
	struct store_parents parents;
	const uint8_t *takes;
	size_t take_count;
};
int job_accept(struct store_txn *txn, struct job_new *job, int64_t now, struct hot *hot, struct batch *batch,
               struct fnr_error *err);

/* Says of each sub-database how many of its records are damaged, by what they look like (check_shape.c). */
typedef void check_shapes_row(enum store_db db, size_t count, void *context);
void check_shapes(struct store_txn *txn, check_shapes_row *row, void *context);

int batch_read(const MDB_val *value, struct batch *batch_r);         /* OK, CORRUPT */
int batch_write(struct store_txn *txn, const struct batch *batch, struct fnr_error *err);   /* counts as given */
/* One job of a batch went from a state to another; -1: it was accepted, or is gone. */
int batch_move(struct store_txn *txn, const struct fnr_id *id, int from, int to, struct fnr_error *err);

int upload_read(const MDB_val *value, struct store_upload *upload_r);
int upload_count_add(struct store_txn *txn, const struct fnr_id *id, int add, struct fnr_error *err);   /* NOT_FOUND */

/* Writes a session (or link) of a key that must exist, takes expired ones away, and the key's oldest where it has too many. */
int session_put(struct store_txn *txn, const uint8_t hash[32], const struct store_session *session, int64_t now, struct fnr_error *err);
void session_delete_of_key(struct store_txn *txn, const uint8_t key[32]);

int templates_from_2(struct store_txn *txn, struct fnr_error *err);      /* a step of upgrade.c */

/* OP_TEMPLATES, behind its first byte (ops_template.c). *ring_r: the manager should look. */
struct fnr_reader;
int op_templates_apply(struct store_txn *txn, struct fnr_reader *in, bool *ring_r, struct fnr_error *err);

int idempotency_read(const MDB_val *value, struct store_idempotency *entry_r);
int active_read(const MDB_val *value, struct job_active *active_r);
bool shot_read(const MDB_val *value, uint32_t *counter_r, uint32_t *active_r);

#endif
