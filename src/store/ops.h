/* Operations: what handlers ask the committer to write. A handler encodes one, posts it (api/slots.h) and waits for
 * the reply; the committer applies all that are posted in one write transaction, each in a child transaction.
 *
 * The bytes are packed (base/pack.h): u8 operation, then its fields. They never leave the machine or outlive a start.
 */
#ifndef FNR_STORE_OPS_H
#define FNR_STORE_OPS_H

#include "store/store.h"

enum op_kind {
	OP_SUBMIT = 1, OP_BATCH, OP_COMMAND, OP_UPLOAD, OP_TEMPLATES, OP_PRESET_PUT, OP_KEY_PUT,
	OP_KEY_DELETE, OP_META_ADD, OP_SESSION_PUT, OP_SESSION_OPEN, OP_SESSION_DELETE, OP_SECRET, OP_JOB_DELETE, OP_QUEUE, OP_DEAD_DISCARD, OP_PROJECT, OP_QUEUE_LIMIT,
	OP_BACKEND_PUT, OP_BACKEND_DRAIN, OP_BACKEND_DELETE, OP_TAKE_CHOOSE, OP_TAKE_DELETE,
	OP_PRESET_DELETE
};

/* A job that another depends on: the one with this id, or with `local`, which counts from 1, one before it in its batch. */
struct op_parent { struct fnr_id id; uint32_t local; const char *ref; };

/* One job to accept. Texts are borrowed until encoded. */
struct op_job {
	const char *summary, *payload;     /* see store_job_body; payload NULL when it is in a file */
	struct fnr_id payload_file;        /* file blobs/payload/<id>, written and flushed before posting; or none */
	const char *project, *shot, *template_, *queue, *key;  /* names; "" = none (project, shot, key); key is the key's id */
	struct fnr_id retry_of;
	const struct store_upload *brought;   /* files that came with the job: uploads that are stored before it is */
	size_t brought_count;
	const struct fnr_id *uploads;      /* must exist when applied: FNR_E_INVALID otherwise */
	size_t upload_count;
	const uint8_t *dedupe;             /* OP_SUBMIT: hash of what it asks for; if a job that asked for the same lives or was completed, it is the answer */
	const struct op_parent *parents;   /* jobs that it depends on */
	size_t parent_count;
	const struct take_place *takes;    /* that its inputs name, each once; must exist when applied: FNR_E_INVALID otherwise */
	size_t take_count;
	bool skip;                         /* see struct store_parents */
	uint64_t class_, key_waiting_most; /* the key's own cap on jobs that wait; 0: as struct op_limits has it */
	int64_t not_before, expires_at;    /* ms, 0 = none; not_before in the future: accepted as scheduled */
	uint32_t timeout_s;
	uint16_t max_attempts;
	uint8_t quality, priority, flags;
};

struct op_submit {
	bool idempotent;                   /* with the two hashes below */
	uint8_t idempotency[32], body[32];
	bool is_batch;                     /* OP_BATCH: jobs become a batch, accepted whole or not at all */
	bool stop_on_error;
	size_t count;                      /* 1 for OP_SUBMIT */
};

/* One change among templates. A refused one refuses the whole operation. Each that changes something is told to the manager,
 * which makes an event of it. Texts are borrowed until encoded. */
enum op_template_what {
	OP_TEMPLATE_PUT = 1,       /* a version; what was broken at its source is not any more */
	OP_TEMPLATE_DELETE,
	OP_TEMPLATE_BROKEN,        /* what lies at the source is not sound: report */
	OP_TEMPLATE_MENDED,        /* it is, or it is gone */
	OP_TEMPLATE_DEPRECATE      /* report: JSON text; NULL ends it */
};
enum op_template_expect {
	OP_EXPECT_ANY,
	OP_EXPECT_NONE,            /* FNR_E_EXISTS if there is such a version */
	OP_EXPECT_TEXT             /* FNR_E_PRECONDITION unless its text has the SHA-256 `expected` */
};
struct op_template {
	enum op_template_what what;
	const char *id;            /* not of BROKEN and MENDED */
	struct store_version version;
	/* Of the API and of files each change only their own: FNR_E_CONFLICT for the API; what comes from files is then passed over. */
	const char *source;
	const uint8_t *digest;     /* PUT */
	struct json_object *definition;
	const char *text, *report;
	bool yaml;                 /* the text is */
	enum op_template_expect expect;
	uint8_t expected[32];
};

/* Encoding: begin, then op_job_add exactly count times. */
void op_submit_begin(struct fnr_buf *out, const struct op_submit *submit);
void op_job_add(struct fnr_buf *out, const struct op_job *job);
void op_command(struct fnr_buf *out, const char *json);      /* store_command_add */
/* FNR_E_EXISTS if another upload has the same content, unless it is to be stored anyway: then its file should be a link. */
void op_upload(struct fnr_buf *out, const struct store_upload *upload, bool anyway);
void op_templates_begin(struct fnr_buf *out, size_t count);             /* then op_template_add exactly so many times */
void op_template_add(struct fnr_buf *out, const struct op_template *change);
/* A preset as it is now has version `expected`, or none with this id is there (0); else EXISTS, NOT_FOUND or PRECONDITION.
 * The new version is the one above the last there ever was, and stands in its JSON. Both have the manager tell. */
#define OP_PRESET_ANY UINT32_MAX
void op_preset_put(struct fnr_buf *out, const struct store_preset *preset, uint32_t expected);
void op_preset_add(struct fnr_buf *out, const struct store_preset *preset, uint32_t expected);   /* another one, put with it or not at all */
void op_preset_delete(struct fnr_buf *out, const char *id, const char *owner, uint32_t expected);
void op_key_put(struct fnr_buf *out, const uint8_t hash[32], const char *json);
void op_key_delete(struct fnr_buf *out, const char *id);
/* A session, or with `link` a one-time link, of the API key with that hash: FNR_E_UNAUTHORIZED if it is gone by then. */
void op_session_put(struct fnr_buf *out, const uint8_t hash[32], const uint8_t key[32], bool link, int64_t expires_at);
/* A session from a link, which is used up: FNR_E_UNAUTHORIZED if there is none, or it has expired. */
void op_session_open(struct fnr_buf *out, const uint8_t link[32], const uint8_t hash[32], int64_t expires_at);
void op_session_delete(struct fnr_buf *out, const uint8_t hash[32]);
void op_secret(struct fnr_buf *out, const uint8_t secret[32]);          /* store_secret_make */
void op_job_delete(struct fnr_buf *out, const struct fnr_id *id);       /* store_job_delete and store_removal_add */
/* By the names of project and shot; take 0: the newest. FNR_E_NOT_FOUND if there is no such take. */
void op_take_choose(struct fnr_buf *out, const char *project, const char *shot, uint32_t take);
void op_take_delete(struct fnr_buf *out, const char *project, const char *shot, uint32_t take);   /* store_take_delete, and a command */
void op_dead_discard(struct fnr_buf *out, const struct fnr_id *id);     /* store_dead_discard */
void op_project(struct fnr_buf *out, const char *name, const struct store_project *project);  /* store_project_put, and a command as below */
/* store_queue_put of the one or the other part, and a command that has the manager look. */
void op_queue(struct fnr_buf *out, const char *name, bool paused, int64_t until);
void op_queue_limit(struct fnr_buf *out, const char *name, struct store_limit limit);
/* revision: the one that is to be changed, FNR_E_PRECONDITION if it is another by then; 0: it is new, FNR_E_EXISTS if it is
 * not. A changed URL clears the credentials unless new ones come with it. FNR_E_LIMIT if there are too many. */
enum op_secret_change { OP_SECRET_KEEP, OP_SECRET_CLEAR, OP_SECRET_SET };
void op_backend_put(struct fnr_buf *out, const char *id, uint64_t revision, const char *json, enum op_secret_change change, const char *secret);
void op_backend_drain(struct fnr_buf *out, const char *id, bool drained);      /* FNR_E_NOT_FOUND */
void op_backend_delete(struct fnr_buf *out, const char *id, uint64_t revision);  /* FNR_E_CONFLICT while attempts run there */
void op_meta_add(struct fnr_buf *out, const char *name, uint64_t add);  /* adds to a meta counter */

/* Plain memory: it lies in shared slots and in the record of the last round. */
struct op_reply {
	int32_t code;                      /* FNR_OK or an enum fnr_code */
	uint8_t is_batch, replayed;        /* replayed: nothing new was accepted, id is what was before */
	struct fnr_id id;                  /* of the job or batch */
	int32_t retry_after_s;
	char message[160];
};

/* What acceptance looks at beside the store; refreshed by the committer about once a second. */
struct op_limits {
	bool full;                         /* OP_SUBMIT, OP_BATCH and OP_UPLOAD get FNR_E_FULL with the reason */
	char reason[128];
	/* OP_SUBMIT and OP_BATCH that would make more jobs wait get FNR_E_LIMIT: in all, of a project for which nothing else was
	 * decided, of a key. 0: no limit */
	uint64_t waiting_most, project_most, key_most;
};

/* Applies one operation in `txn` (a child transaction: on a code other than FNR_OK the caller aborts it). New job ids
 * are made here, rising over the last one stored. Returns true if the manager should be rung (new jobs or commands). */
bool op_apply(struct store_txn *txn, const void *data, size_t len, int64_t now, const struct op_limits *limits,
              struct op_reply *reply);

const char *op_name(uint8_t kind);      /* for logs: "submit"; "unknown" */

/* The record of the last committed round: which requests it held and what they were answered. Written in the round's
 * own transaction, so that a committer that takes over from a killed one applies nothing twice. */
struct op_round_entry { uint8_t request[16]; struct op_reply reply; };
int op_round_put(struct store_txn *txn, const struct op_round_entry *entries, size_t count, struct fnr_error *err);
bool op_round_find(struct store_txn *txn, const uint8_t request[16], struct op_reply *reply_r);

#endif
