/* Backends: servers that operators added.
 *
 *   backend   id -> u64 revision, JSON text as in store.h
 *   secret    id -> JSON text of its credentials, apart from what is shown
 *   suspect   id -> u64 time since when, u8 hook
 *
 * Revisions come from one counter, which every change moves on: a backend that was removed and added again has another one,
 * and who has seen the counter knows whether anything changed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/pack.h"
#include "store/internal.h"

static struct key backend_key(const char *id)
{
	struct key key = KEY_INIT;

	key_text(&key, id);
	return key;
}

uint64_t store_backends_revision(struct store_txn *txn)
{
	return store_meta_get(txn, "backends");
}

size_t store_backends_count(struct store_txn *txn)
{
	return env_entries(&txn->t, DB_BACKEND);
}

static bool parse(const MDB_val *value, struct store_backend *backend_r)
{
	if (value->mv_size < 8)
		return false;
	backend_r->revision = key_read(value->mv_data, 8);
	backend_r->json = (const char *)value->mv_data + 8;
	backend_r->len = value->mv_size - 8;
	return true;
}

int store_backend_get(struct store_txn *txn, const char *id, struct store_backend *backend_r)
{
	struct key key;
	MDB_val value;

	if (!key_fits(id))
		return FNR_E_NOT_FOUND;
	key = backend_key(id);
	if (env_get(&txn->t, DB_BACKEND, &key, &value) != FNR_OK)
		return FNR_E_NOT_FOUND;
	return parse(&value, backend_r) ? FNR_OK : FNR_E_CORRUPT;
}

int store_backend_secret(struct store_txn *txn, const char *id, struct fnr_buf *json_r)
{
	struct key key;

	fnr_buf_reset(json_r);
	if (!key_fits(id))
		return FNR_E_NOT_FOUND;
	key = backend_key(id);
	return env_get_text(&txn->t, DB_SECRET, &key, json_r);
}

static int next_revision(struct store_txn *txn, uint64_t *revision_r, struct fnr_error *err)
{
	*revision_r = store_backends_revision(txn) + 1;
	return store_meta_put(txn, "backends", *revision_r, err);
}

int store_backend_put(struct store_txn *txn, const char *id, const char *json, struct fnr_error *err)
{
	struct key key = backend_key(id);
	struct fnr_buf *value;
	uint64_t revision;
	int code = next_revision(txn, &revision, err);

	if (code != FNR_OK)
		return code;
	value = env_scratch(&txn->t);
	for (int shift = 56; shift >= 0; shift -= 8)
		fnr_buf_add(value, &(char){ (char)(revision >> shift) }, 1);
	fnr_buf_puts(value, json);
	return env_put(&txn->t, DB_BACKEND, &key, value->data, value->len, err);
}

int store_backend_secret_put(struct store_txn *txn, const char *id, const char *json, struct fnr_error *err)
{
	struct key key = backend_key(id);
	int code;

	if (json)
		return env_put_text(&txn->t, DB_SECRET, &key, json, err);
	code = env_delete(&txn->t, DB_SECRET, &key, err);
	return code == FNR_E_NOT_FOUND ? FNR_OK : code;
}

int store_suspect_get(struct store_txn *txn, const char *id, struct store_suspect *suspect_r)
{
	struct key key;
	MDB_val value;

	if (!key_fits(id))
		return FNR_E_NOT_FOUND;
	key = backend_key(id);
	if (env_get(&txn->t, DB_SUSPECT, &key, &value) != FNR_OK || value.mv_size < 9)
		return FNR_E_NOT_FOUND;
	*suspect_r = (struct store_suspect){ (int64_t)key_read(value.mv_data, 8), ((const uint8_t *)value.mv_data)[8] };
	return FNR_OK;
}

int store_suspect_put(struct store_txn *txn, const char *id, const struct store_suspect *suspect, struct fnr_error *err)
{
	struct key key = backend_key(id);
	struct fnr_buf *value = env_scratch(&txn->t);

	fnr_put_u64(value, (uint64_t)suspect->since);
	fnr_put_u8(value, suspect->hook);
	return env_put(&txn->t, DB_SUSPECT, &key, value->data, value->len, err);
}

int store_suspect_delete(struct store_txn *txn, const char *id, struct fnr_error *err)
{
	struct key key = backend_key(id);
	int code = env_delete(&txn->t, DB_SUSPECT, &key, err);

	return code == FNR_E_NOT_FOUND ? FNR_OK : code;
}

int store_backend_delete(struct store_txn *txn, const char *id, struct fnr_error *err)
{
	struct key key = backend_key(id);
	uint64_t revision;
	int code = store_backend_secret_put(txn, id, NULL, err);

	if (code == FNR_OK)
		code = store_suspect_delete(txn, id, err);
	if (code == FNR_OK)
		code = env_delete(&txn->t, DB_BACKEND, &key, err);
	return code == FNR_OK ? next_revision(txn, &revision, err) : code;
}

size_t store_backends(struct store_txn *txn, store_backend_row *row, void *context)
{
	struct walk walk;
	size_t count = 0;

	for (bool on = walk_from(&walk, &txn->t, DB_BACKEND, NULL); on; on = walk_next(&walk)) {
		struct store_backend backend;
		char id[68] = "";

		count++;
		if (walk.key.mv_size >= sizeof id || !parse(&walk.value, &backend))
			continue;
		memcpy(id, walk.key.mv_data, walk.key.mv_size);
		if (!row(id, &backend, context))
			break;
	}
	walk_end(&walk);
	return count;
}

struct jobs_there { struct store_txn *txn; const char *id; size_t count; };

static bool job_row(const struct job_head *head, void *context)
{
	struct jobs_there *there = context;
	struct job_active active;

	if (store_active_get(there->txn, &head->id, &active) != FNR_OK)
		return true;
	there->count += strcmp(active.backend, there->id) == 0 && !active.manifest;
	free(active.manifest);
	return true;
}

size_t store_backend_jobs(struct store_txn *txn, const char *id)
{
	struct jobs_there there = { .txn = txn, .id = id };

	store_jobs_active(txn, NULL, SIZE_MAX, job_row, &there);
	return there.count;
}
