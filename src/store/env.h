/* What the store and the journal share: opening an LMDB environment, transactions, keys, walks, errors. Internal to
 * src/store; the only place that includes lmdb.h. */
#ifndef FNR_STORE_ENV_H
#define FNR_STORE_ENV_H

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"

#define ENV_DATABASES 48
#define ENV_READERS 1024

struct env_spec {
	const char *path, *what;       /* "store", "the store" */
	unsigned flags;                /* of LMDB, beside MDB_NOTLS */
	size_t map;
	uint64_t reserve;              /* bytes of the disk that are held for what a writer writes next (env_room); 0: none */
	const char *const *names;      /* of the sub-databases, in the order of their numbers */
	size_t count;
};

struct env {
	MDB_env *mdb;
	MDB_dbi dbi[ENV_DATABASES];
	size_t count;
	const char *what;
	MDB_txn *reader;               /* kept between reads, reset */
	bool reading;
	struct fnr_buf scratch;        /* for values that are packed before they are put */
	uint64_t reserve, reserved;    /* see env_room; reserved: the file has its place on the disk up to here */
	int64_t reserve_at;            /* CLOCK_BOOTTIME: not tried again before */
	bool unheld;                   /* this filesystem holds nothing for anybody: what is free is looked at each time */
};

struct env_txn {
	struct env *env;
	MDB_txn *mdb;
	bool write, inner;             /* inner: of another one, which goes to disk */
};

/* Opens the environment and all its sub-databases; missing ones are made unless flags has MDB_RDONLY. */
int env_open(struct env *env, const struct env_spec *spec, struct fnr_error *err);
void env_close(struct env *env);
int env_clear_readers(struct env *env);
bool env_oldest_reader(struct env *env, pid_t *pid_r, uint64_t *txn_r, uint64_t *behind_r);   /* see store_oldest_reader */
uint64_t env_bytes_used(struct env *env);

/* So many bytes are surely there for what is written next, whatever else fills the disk: at most the reserve, which this tries to
 * make whole again first. Cheap. For writers of an environment with a reserve. */
uint64_t env_room(struct env *env);

int env_read(struct env *env, struct env_txn *txn, struct fnr_error *err);
int env_write(struct env *env, struct env_txn *parent, struct env_txn *txn, struct fnr_error *err);   /* parent or NULL */
int env_commit(struct env_txn *txn, struct fnr_error *err);
void env_end(struct env_txn *txn);   /* ends a read, aborts a write */

/* LMDB's codes (and errno's) as ours; the one converter. */
int env_code(int rc);
int env_fail(const struct env *env, struct fnr_error *err, int rc, const char *doing);

/* ---- keys ---- */

struct key {
	size_t len;
	uint8_t data[320];
};
#define KEY_INIT { .len = 0 }

static inline void key_bytes(struct key *key, const void *data, size_t len)
{
	FNR_MUST(len <= sizeof key->data - key->len);
	if (len)
		memcpy(key->data + key->len, data, len);
	key->len += len;
}

static inline void key_uint(struct key *key, uint64_t value, size_t size)
{
	FNR_MUST(size <= sizeof key->data - key->len);
	for (size_t i = size; i-- > 0; value >>= 8)
		key->data[key->len + i] = (uint8_t)value;
	key->len += size;
}

static inline void key_u8(struct key *key, uint8_t value) { key_uint(key, value, 1); }
static inline void key_u16(struct key *key, uint16_t value) { key_uint(key, value, 2); }
static inline void key_u32(struct key *key, uint32_t value) { key_uint(key, value, 4); }
static inline void key_u64(struct key *key, uint64_t value) { key_uint(key, value, 8); }
static inline void key_id(struct key *key, const struct fnr_id *id) { key_bytes(key, id, sizeof *id); }
static inline void key_text(struct key *key, const char *text) { key_bytes(key, text, strlen(text)); }

static inline struct key id_key(const struct fnr_id *id)
{
	struct key key = KEY_INIT;

	key_id(&key, id);
	return key;
}

static inline struct key number_key(uint64_t number)
{
	struct key key = KEY_INIT;

	key_u64(&key, number);
	return key;
}

static inline uint64_t key_read(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* Texts that become (part of) a key: not empty, not too long for one. */
bool key_fits(const char *text);
#define KEY_TEXT 256

/* ---- one record ---- */

int env_get(struct env_txn *txn, unsigned db, const struct key *key, MDB_val *value_r);   /* borrowed; OK, NOT_FOUND */
bool env_has(struct env_txn *txn, unsigned db, const struct key *key);
int env_put(struct env_txn *txn, unsigned db, const struct key *key, const void *data, size_t len,
            struct fnr_error *err);
/* For keys that only rise: the new one goes behind the last and fills pages; one that does not rise is put as usual. */
int env_append(struct env_txn *txn, unsigned db, const struct key *key, const void *data, size_t len,
               struct fnr_error *err);
int env_delete(struct env_txn *txn, unsigned db, const struct key *key, struct fnr_error *err);   /* OK, NOT_FOUND */
int env_get_text(struct env_txn *txn, unsigned db, const struct key *key, struct fnr_buf *out);   /* empties out first */
int env_put_text(struct env_txn *txn, unsigned db, const struct key *key, const char *text, struct fnr_error *err);
size_t env_entries(struct env_txn *txn, unsigned db);
struct fnr_buf *env_scratch(struct env_txn *txn);   /* emptied; valid until the next call */

/* ---- walks ---- */

/* A cursor that says whether it stands on a record. Nothing may be written to the database while one is open. */
struct walk {
	MDB_cursor *cursor;
	MDB_val key, value;
	bool on;
	int code;              /* FNR_OK, or why the walk broke off */
};

/* Open a cursor on the first record >= key (NULL: the first), or on the last < key (NULL: the last). */
bool walk_from(struct walk *walk, struct env_txn *txn, unsigned db, const struct key *key);
bool walk_before(struct walk *walk, struct env_txn *txn, unsigned db, const struct key *key);
bool walk_seek(struct walk *walk, const struct key *key);    /* first record >= key, with an open cursor */
bool walk_next(struct walk *walk);
bool walk_previous(struct walk *walk);
void walk_end(struct walk *walk);

static inline bool walk_in(const struct walk *walk, const struct key *prefix)
{
	return walk->on && walk->key.mv_size >= prefix->len && memcmp(walk->key.mv_data, prefix->data, prefix->len) == 0;
}

/* An integer of the key; 0 if the key is too short. */
static inline uint64_t walk_key(const struct walk *walk, size_t at, size_t size)
{
	return at + size <= walk->key.mv_size ? key_read((const uint8_t *)walk->key.mv_data + at, size) : 0;
}

static inline struct fnr_id walk_id(const struct walk *walk, size_t at)
{
	struct fnr_id id = FNR_ID_NONE;

	if (at + sizeof id <= walk->key.mv_size)
		memcpy(&id, (const uint8_t *)walk->key.mv_data + at, sizeof id);
	return id;
}

#endif
