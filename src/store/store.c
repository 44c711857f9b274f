/* Opening, transactions, the meta records. */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

#define STORE_PATH "store"
#define STORE_MAP ((size_t)1 << 40)

static const char *const database_names[] = {
#define X(name, text) text,
	STORE_DATABASES(X)
#undef X
};

/* ---- opening ---- */

/* A new store's folders must last as well. */
static int check_schema(struct store *store, struct fnr_error *err)
{
	bool fresh;
	int code = store_settle_schema(store, store_steps, STORE_SCHEMA, &fresh, err);

	if (code != FNR_OK || !fresh)
		return code;
	code = fnr_dir_flush(STORE_PATH, err);
	return code == FNR_OK ? fnr_dir_flush(".", err) : code;
}

/* A writer that was killed inside a commit may have written it with the readers' view still before it; taking the write
 * lock moves the view on. */
static int finish_cut_commit(struct store *store, struct fnr_error *err)
{
	struct env_txn txn;
	int code = env_write(&store->env, NULL, &txn, err);

	if (code == FNR_OK)
		env_end(&txn);
	return code;
}

int store_open(struct store **store_r, bool writer, struct fnr_error *err)
{
	const struct env_spec spec = { .path = STORE_PATH, .what = "the store", .map = STORE_MAP, .reserve = STORE_RESERVE,
	                               .names = database_names, .count = DB_COUNT };
	struct store *store;
	int code;

	*store_r = NULL;
	if (mkdir(STORE_PATH, 0700) < 0 && errno != EEXIST)
		return fnr_fail_errno(err, errno, "cannot make the folder %s/", STORE_PATH);
	store = fnr_alloc(sizeof *store);
	store->writer = writer;
	code = env_open(&store->env, &spec, err);
	if (code == FNR_OK && ((writer && (code = finish_cut_commit(store, err)) != FNR_OK) || (code = check_schema(store, err)) != FNR_OK))
		env_close(&store->env);
	if (code != FNR_OK) {
		free(store);
		return code;
	}
	*store_r = store;
	return FNR_OK;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	env_close(&store->env);
	free(store);
}

/* ---- transactions ---- */

struct store_txn *store_read(struct store *store, struct fnr_error *err)
{
	if (env_read(&store->env, &store->read.t, err) != FNR_OK)
		return NULL;
	store->read.store = store;
	return &store->read;
}

void store_read_end(struct store_txn *txn)
{
	if (txn)
		env_end(&txn->t);
}

static struct store_txn *begin(struct store *store, struct store_txn *parent, struct fnr_error *err)
{
	struct store_txn *txn = fnr_alloc(sizeof *txn);

	txn->store = store;
	if (env_write(&store->env, parent ? &parent->t : NULL, &txn->t, err) == FNR_OK)
		return txn;
	free(txn);
	return NULL;
}

/* A newer program may have upgraded it since we opened it: what we would write is of the version before. */
static bool is_ours(struct store_txn *txn, struct fnr_error *err)
{
	uint64_t schema = store_meta_get(txn, META_SCHEMA);

	if (schema == 0)
		fnr_fail(err, FNR_E_CORRUPT, "the number of the store's schema cannot be read; run 'fnr check', and restore a backup");
	else if (schema != STORE_SCHEMA)
		fnr_fail(err, FNR_E_CORRUPT, "the store was changed to schema version %llu by another version of this program; restart all services",
		         (unsigned long long)schema);
	return schema == STORE_SCHEMA;
}

struct store_txn *store_write(struct store *store, struct fnr_error *err)
{
	struct store_txn *txn;

	if (!store->writer) {
		fnr_fail(err, FNR_E_INTERNAL, "the store was opened for reading only");
		return NULL;
	}
	txn = begin(store, NULL, err);
	if (!txn || is_ours(txn, err))
		return txn;
	store_abort(txn);
	return NULL;
}

struct store_txn *store_child(struct store_txn *parent, struct fnr_error *err)
{
	return begin(parent->store, parent, err);
}

int store_commit(struct store_txn *txn, struct fnr_error *err)
{
	int code = env_commit(&txn->t, err);

	free(txn);
	return code;
}

void store_abort(struct store_txn *txn)
{
	if (!txn)
		return;
	FNR_MUST(txn->t.write);
	env_end(&txn->t);
	free(txn);
}

/* ---- maintenance ---- */

int store_clear_readers(struct store *store)
{
	return env_clear_readers(&store->env);
}

bool store_oldest_reader(struct store *store, pid_t *pid_r, uint64_t *txn_r, uint64_t *behind_r)
{
	return env_oldest_reader(&store->env, pid_r, txn_r, behind_r);
}

uint64_t store_bytes_used(struct store *store)
{
	return env_bytes_used(&store->env);
}

uint64_t store_room(struct store *store)
{
	FNR_MUST(store->writer);
	return env_room(&store->env);
}

/* Compacting is refused for an environment that has lost pages; then it is copied as it is. */
static int copy_pages(struct store *store, const char *path, const char *file)
{
	int rc = mdb_env_copy2(store->env.mdb, path, MDB_CP_COMPACT);

	if (rc == MDB_SUCCESS || rc == EEXIST || rc == ENOSPC)
		return rc;
	if (unlink(file) < 0 && errno != ENOENT)
		return rc;
	return mdb_env_copy2(store->env.mdb, path, 0);
}

int store_copy(struct store *store, const char *path, struct fnr_error *err)
{
	char *file;
	int rc, fd, code = fnr_dir_make(path, 0700, err);

	if (code != FNR_OK)
		return code;
	file = fnr_asprintf("%s/data.mdb", path);
	rc = copy_pages(store, path, file);
	fd = rc == MDB_SUCCESS ? open(file, O_RDONLY | O_CLOEXEC) : -1;
	if (rc == MDB_SUCCESS && (fd < 0 || fsync(fd) < 0))
		rc = errno;
	fnr_fd_close(&fd);
	free(file);
	if (rc != MDB_SUCCESS)
		return fnr_fail(err, env_code(rc), "the store cannot be copied to %s/: %s", path, mdb_strerror(rc));
	return fnr_dir_flush(path, err);
}

/* ---- the hot record ---- */

struct key meta_key(const char *name)
{
	struct key key = KEY_INIT;

	FNR_MUST(key_fits(name));
	key_text(&key, name);
	return key;
}

int hot_get(struct store_txn *txn, struct hot *hot_r)
{
	struct key key = meta_key(META_HOT);
	MDB_val value;
	int code = env_get(&txn->t, DB_META, &key, &value);

	memset(hot_r, 0, sizeof *hot_r);
	hot_r->version = 1;
	if (code != FNR_OK)
		return code == FNR_E_NOT_FOUND ? FNR_OK : code;
	if (value.mv_size != sizeof *hot_r)
		return FNR_E_CORRUPT;
	memcpy(hot_r, value.mv_data, sizeof *hot_r);
	return hot_r->version == 1 ? FNR_OK : FNR_E_CORRUPT;
}

int hot_put(struct store_txn *txn, const struct hot *hot, struct fnr_error *err)
{
	struct key key = meta_key(META_HOT);

	return env_put(&txn->t, DB_META, &key, hot, sizeof *hot, err);
}

void store_counters_get(struct store_txn *txn, struct store_counters *counters_r)
{
	struct hot hot;

	memset(counters_r, 0, sizeof *counters_r);
	if (hot_get(txn, &hot) != FNR_OK)
		return;
	counters_r->accepted = hot.accepted;
	counters_r->removed = hot.removed;
	memcpy(counters_r->state, hot.state, sizeof counters_r->state);
}

struct fnr_id store_last_job(struct store_txn *txn)
{
	struct hot hot;

	return hot_get(txn, &hot) == FNR_OK ? hot.last_job : FNR_ID_NONE;
}

uint64_t store_events_reserve(struct store_txn *txn, uint64_t count, struct fnr_error *err)
{
	struct hot hot;
	uint64_t first;

	if (hot_get(txn, &hot) != FNR_OK) {
		fnr_fail(err, FNR_E_CORRUPT, "the store's counters cannot be read; run 'fnr check'");
		return 0;
	}
	if (count > EVENT_MOST || hot.event + count >= EVENT_MOST) {
		fnr_fail(err, FNR_E_INTERNAL, "there are no event numbers left below 2^53");
		return 0;
	}
	first = hot.event + 1;
	hot.event += count;
	return hot_put(txn, &hot, err) == FNR_OK ? first : 0;
}

/* ---- plain numbers ---- */

uint64_t store_meta_get(struct store_txn *txn, const char *name)
{
	struct key key = meta_key(name);
	MDB_val value;

	if (env_get(&txn->t, DB_META, &key, &value) != FNR_OK || value.mv_size != 8)
		return 0;
	return key_read(value.mv_data, 8);
}

int store_meta_put(struct store_txn *txn, const char *name, uint64_t number, struct fnr_error *err)
{
	struct key key = meta_key(name), value = number_key(number);

	FNR_MUST(name[0] != '.');
	return env_put(&txn->t, DB_META, &key, value.data, value.len, err);
}
