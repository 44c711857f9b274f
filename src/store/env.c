#include "config.h"

#include "store/env.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"

#define RESERVE_STEP (UINT64_C(4) << 20)
#define RESERVE_AGAIN_MS 500
#define LOCK_BYTES (128 << 10)     /* LMDB's for ENV_READERS, and more */
#define FULL_BYTES 65536           /* with less a disk is full, whatever LMDB calls it */

/* ---- errors ---- */

int env_code(int rc)
{
	switch (rc) {
	case MDB_SUCCESS:
		return FNR_OK;
	case MDB_NOTFOUND:
		return FNR_E_NOT_FOUND;
	case MDB_MAP_FULL: case ENOSPC: case EDQUOT:
		return FNR_E_FULL;
	case MDB_CORRUPTED: case MDB_PAGE_NOTFOUND: case MDB_PANIC: case MDB_INVALID: case MDB_VERSION_MISMATCH:
		return FNR_E_CORRUPT;
	case MDB_TXN_FULL:
		return FNR_E_TOO_LARGE;
	default:
		return FNR_E_IO;
	}
}

int env_fail(const struct env *env, struct fnr_error *err, int rc, const char *doing)
{
	return fnr_fail(err, env_code(rc), "%s: %s: %s", env->what, doing, mdb_strerror(rc));
}

/* ---- opening ---- */

/* A transaction that only opens handles must be committed: an abort would close them again. */
static int open_databases(struct env *env, const struct env_spec *spec, bool make)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(env->mdb, NULL, make ? 0 : MDB_RDONLY, &txn);

	if (rc != MDB_SUCCESS)
		return rc;
	for (size_t i = 0; i < spec->count && rc == MDB_SUCCESS; i++)
		rc = mdb_dbi_open(txn, spec->names[i], make ? MDB_CREATE : 0, &env->dbi[i]);
	if (rc == MDB_SUCCESS)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

/* LMDB's file of locks is memory, and has holes where nobody wrote yet: on a full disk the first reader who needs one of them would
 * be killed. Before LMDB opens the file: closing it later would take the process's locks of it away. */
static void fill_lock_file(const struct env_spec *spec)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "%s/lock.mdb", spec->path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)!fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, LOCK_BYTES);    /* where that is not possible it stays as it is */
	fnr_fd_close(&fd);
}

static int set_up(struct env *env, const struct env_spec *spec)
{
	int dead, rc = mdb_env_create(&env->mdb);

	if (!(spec->flags & MDB_RDONLY))
		fill_lock_file(spec);

	if (rc != MDB_SUCCESS)
		return rc;
	if ((rc = mdb_env_set_mapsize(env->mdb, spec->map)) != MDB_SUCCESS
	    || (rc = mdb_env_set_maxreaders(env->mdb, ENV_READERS)) != MDB_SUCCESS
	    || (rc = mdb_env_set_maxdbs(env->mdb, ENV_DATABASES)) != MDB_SUCCESS
	    || (rc = mdb_env_open(env->mdb, spec->path, spec->flags | MDB_NOTLS, 0600)) != MDB_SUCCESS)
		return rc;
	mdb_reader_check(env->mdb, &dead);
	rc = open_databases(env, spec, false);
	return rc == MDB_NOTFOUND && !(spec->flags & MDB_RDONLY) ? open_databases(env, spec, true) : rc;
}

int env_open(struct env *env, const struct env_spec *spec, struct fnr_error *err)
{
	int rc;

	memset(env, 0, sizeof *env);
	FNR_MUST(spec->count <= ENV_DATABASES);
	env->what = spec->what;
	env->count = spec->count;
	env->reserve = spec->reserve;
	rc = set_up(env, spec);
	if (rc == MDB_SUCCESS)
		return FNR_OK;
	env_close(env);
	if (rc == ENOENT)
		return fnr_fail(err, FNR_E_NOT_FOUND, "%s: there is no environment in %s/", spec->what, spec->path);
	return fnr_fail(err, env_code(rc), "%s cannot be opened (%s/): %s", spec->what, spec->path, mdb_strerror(rc));
}

void env_close(struct env *env)
{
	if (env->reader)
		mdb_txn_abort(env->reader);
	if (env->mdb)
		mdb_env_close(env->mdb);
	fnr_buf_free(&env->scratch);
	memset(env, 0, sizeof *env);
}

int env_clear_readers(struct env *env)
{
	int dead = 0;

	mdb_reader_check(env->mdb, &dead);
	return dead;
}

struct oldest { int pid; unsigned long long txn; };

/* A line of LMDB's list: process, thread, and the transaction that it reads, or "-". */
static int look_at_reader(const char *line, void *context)
{
	struct oldest *oldest = context;
	unsigned long long txn;
	size_t thread;
	int pid;

	if (sscanf(line, "%d %zx %llu", &pid, &thread, &txn) == 3 && txn < oldest->txn)
		*oldest = (struct oldest){ pid, txn };
	return 0;
}

bool env_oldest_reader(struct env *env, pid_t *pid_r, uint64_t *txn_r, uint64_t *behind_r)
{
	struct oldest oldest = { 0, ULLONG_MAX };
	MDB_envinfo info;

	mdb_reader_list(env->mdb, look_at_reader, &oldest);
	mdb_env_info(env->mdb, &info);
	*pid_r = oldest.pid;
	*txn_r = oldest.txn;
	*behind_r = info.me_last_txnid > oldest.txn ? info.me_last_txnid - oldest.txn : 0;
	return oldest.pid != 0;
}

/* Pages up to the last one used, without those in the free list. Each record of it begins with its number of pages. */
uint64_t env_bytes_used(struct env *env)
{
	MDB_envinfo info;
	MDB_stat stat;
	MDB_txn *txn;
	MDB_cursor *cursor;
	MDB_val key, value;
	uint64_t free_pages = 0, pages;

	if (mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &txn) != MDB_SUCCESS)
		return 0;
	mdb_env_info(env->mdb, &info);
	mdb_env_stat(env->mdb, &stat);
	if (mdb_cursor_open(txn, 0, &cursor) == MDB_SUCCESS) {
		while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS) {
			size_t count = 0;

			if (value.mv_size >= sizeof count)
				memcpy(&count, value.mv_data, sizeof count);
			free_pages += count;
		}
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	pages = info.me_last_pgno + 1;
	return (pages > free_pages ? pages - free_pages : 0) * stat.ms_psize;
}

/* ---- room on the disk ---- */

static uint64_t disk_free(int fd)
{
	struct statvfs disk;

	return fstatvfs(fd, &disk) == 0 ? (uint64_t)disk.f_bavail * disk.f_frsize : 0;
}

static bool take(int fd, uint64_t from, uint64_t to)
{
	return fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from)) == 0;
}

/* Gives the file its place on the disk up to `end`, beyond its length: all at once, or on a disk that is nearly full as many steps as
 * succeed. A filesystem that cannot do that holds nothing for anybody; there what is free counts. */
static void reserve(struct env *env, int fd, uint64_t used, uint64_t end)
{
	uint64_t at = env->reserved > used ? env->reserved : used;

	end += RESERVE_STEP - end % RESERVE_STEP;
	if (take(fd, at, end))
		at = end;
	while (at < end && take(fd, at, at + RESERVE_STEP - at % RESERVE_STEP))
		at += RESERVE_STEP - at % RESERVE_STEP;
	env->unheld = at < end && errno != ENOSPC && errno != EDQUOT;
	env->reserved = env->unheld ? used + disk_free(fd) : at;
}

uint64_t env_room(struct env *env)
{
	MDB_envinfo info;
	MDB_stat stat;
	uint64_t used;
	int fd;

	mdb_env_info(env->mdb, &info);
	mdb_env_stat(env->mdb, &stat);
	used = (info.me_last_pgno + 1) * (uint64_t)stat.ms_psize;
	if ((env->unheld || env->reserved < used + env->reserve) && fnr_mono_ms() >= env->reserve_at && mdb_env_get_fd(env->mdb, &fd) == MDB_SUCCESS) {
		reserve(env, fd, used, used + env->reserve);
		env->reserve_at = env->reserved < used + env->reserve ? fnr_mono_ms() + RESERVE_AGAIN_MS : 0;
	}
	if (env->reserved <= used)
		return 0;
	return env->reserved - used < env->reserve ? env->reserved - used : env->reserve;
}

/* ---- transactions ---- */

/* All reader slots taken: those of dead processes are cleared, then once more. */
static int begin(struct env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn_r)
{
	int rc = mdb_txn_begin(env->mdb, parent, flags, txn_r);

	if (rc == MDB_READERS_FULL && env_clear_readers(env) > 0)
		rc = mdb_txn_begin(env->mdb, parent, flags, txn_r);
	return rc;
}

int env_read(struct env *env, struct env_txn *txn, struct fnr_error *err)
{
	int rc;

	FNR_MUST(!env->reading);
	rc = env->reader ? mdb_txn_renew(env->reader) : begin(env, NULL, MDB_RDONLY, &env->reader);
	if (rc != MDB_SUCCESS) {
		if (env->reader)
			mdb_txn_abort(env->reader);
		env->reader = NULL;
		return env_fail(env, err, rc, "cannot be read");
	}
	env->reading = true;
	*txn = (struct env_txn){ .env = env, .mdb = env->reader };
	return FNR_OK;
}

int env_write(struct env *env, struct env_txn *parent, struct env_txn *txn, struct fnr_error *err)
{
	int rc;

	*txn = (struct env_txn){ .env = env, .write = true, .inner = parent != NULL };
	rc = begin(env, parent ? parent->mdb : NULL, 0, &txn->mdb);
	return rc == MDB_SUCCESS ? FNR_OK : env_fail(env, err, rc, "cannot begin to write");
}

/* LMDB says of a write of which a part found room that it failed, and not why. */
static bool is_full(struct env *env)
{
	int fd;

	return mdb_env_get_fd(env->mdb, &fd) == MDB_SUCCESS && disk_free(fd) < FULL_BYTES;
}

int env_commit(struct env_txn *txn, struct fnr_error *err)
{
	int rc;

	FNR_MUST(txn->write);
	rc = txn->inner ? 0 : fnr_fault("commit");
	if (rc)
		mdb_txn_abort(txn->mdb);
	else
		rc = mdb_txn_commit(txn->mdb);
	txn->mdb = NULL;
	if (rc == EIO && is_full(txn->env))
		rc = ENOSPC;
	return rc == MDB_SUCCESS ? FNR_OK : env_fail(txn->env, err, rc, "cannot be written");
}

void env_end(struct env_txn *txn)
{
	if (txn->write) {
		mdb_txn_abort(txn->mdb);
	} else {
		mdb_txn_reset(txn->mdb);
		txn->env->reading = false;
	}
	txn->mdb = NULL;
}

/* ---- records ---- */

bool key_fits(const char *text)
{
	return text && text[0] && strlen(text) <= KEY_TEXT;
}

static MDB_val val(const struct key *key)
{
	return (MDB_val){ .mv_size = key->len, .mv_data = (void *)key->data };
}

int env_get(struct env_txn *txn, unsigned db, const struct key *key, MDB_val *value_r)
{
	MDB_val k = val(key);

	return env_code(mdb_get(txn->mdb, txn->env->dbi[db], &k, value_r));
}

bool env_has(struct env_txn *txn, unsigned db, const struct key *key)
{
	MDB_val value;

	return env_get(txn, db, key, &value) == FNR_OK;
}

static int put(struct env_txn *txn, unsigned db, const struct key *key, const void *data, size_t len, unsigned flags)
{
	MDB_val k = val(key), value = { .mv_size = len, .mv_data = (void *)(len ? data : "") };

	return mdb_put(txn->mdb, txn->env->dbi[db], &k, &value, flags);
}

int env_put(struct env_txn *txn, unsigned db, const struct key *key, const void *data, size_t len,
            struct fnr_error *err)
{
	int rc = put(txn, db, key, data, len, 0);

	return rc == MDB_SUCCESS ? FNR_OK : env_fail(txn->env, err, rc, "cannot be written");
}

int env_append(struct env_txn *txn, unsigned db, const struct key *key, const void *data, size_t len,
               struct fnr_error *err)
{
	int rc = put(txn, db, key, data, len, MDB_APPEND);

	if (rc == MDB_KEYEXIST)
		rc = put(txn, db, key, data, len, 0);
	return rc == MDB_SUCCESS ? FNR_OK : env_fail(txn->env, err, rc, "cannot be written");
}

int env_delete(struct env_txn *txn, unsigned db, const struct key *key, struct fnr_error *err)
{
	MDB_val k = val(key);
	int rc = mdb_del(txn->mdb, txn->env->dbi[db], &k, NULL);

	if (rc == MDB_SUCCESS || rc == MDB_NOTFOUND)
		return env_code(rc);
	return env_fail(txn->env, err, rc, "cannot be written");
}

int env_get_text(struct env_txn *txn, unsigned db, const struct key *key, struct fnr_buf *out)
{
	MDB_val value;
	int code = env_get(txn, db, key, &value);

	fnr_buf_reset(out);
	if (code == FNR_OK)
		fnr_buf_add(out, value.mv_data, value.mv_size);
	return code;
}

int env_put_text(struct env_txn *txn, unsigned db, const struct key *key, const char *text, struct fnr_error *err)
{
	return env_put(txn, db, key, text, strlen(text), err);
}

size_t env_entries(struct env_txn *txn, unsigned db)
{
	MDB_stat stat;

	return mdb_stat(txn->mdb, txn->env->dbi[db], &stat) == MDB_SUCCESS ? stat.ms_entries : 0;
}

struct fnr_buf *env_scratch(struct env_txn *txn)
{
	fnr_buf_reset(&txn->env->scratch);
	return &txn->env->scratch;
}

/* ---- walks ---- */

static bool step(struct walk *walk, MDB_cursor_op operation)
{
	int rc;

	if (!walk->cursor)
		return false;
	rc = mdb_cursor_get(walk->cursor, &walk->key, &walk->value, operation);
	walk->on = rc == MDB_SUCCESS;
	if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
		walk->code = env_code(rc);
	return walk->on;
}

static bool open_walk(struct walk *walk, struct env_txn *txn, unsigned db)
{
	memset(walk, 0, sizeof *walk);
	walk->code = env_code(mdb_cursor_open(txn->mdb, txn->env->dbi[db], &walk->cursor));
	if (walk->code != FNR_OK)
		walk->cursor = NULL;
	return walk->code == FNR_OK;
}

bool walk_from(struct walk *walk, struct env_txn *txn, unsigned db, const struct key *key)
{
	if (!open_walk(walk, txn, db))
		return false;
	return key && key->len ? walk_seek(walk, key) : step(walk, MDB_FIRST);      /* LMDB knows no empty key */
}

bool walk_before(struct walk *walk, struct env_txn *txn, unsigned db, const struct key *key)
{
	if (!open_walk(walk, txn, db))
		return false;
	return key && walk_seek(walk, key) ? step(walk, MDB_PREV) : step(walk, MDB_LAST);
}

bool walk_seek(struct walk *walk, const struct key *key)
{
	walk->key = val(key);
	return step(walk, MDB_SET_RANGE);
}

bool walk_next(struct walk *walk)
{
	return step(walk, MDB_NEXT);
}

bool walk_previous(struct walk *walk)
{
	return step(walk, MDB_PREV);
}

void walk_end(struct walk *walk)
{
	if (walk->cursor)
		mdb_cursor_close(walk->cursor);
	walk->cursor = NULL;
	walk->on = false;
}
