/* Thumbnails of results, by what the results hold: the same bytes have one.
 *
 *   due         key SHA-256 (32)   value  u8 version 1, u8 tries, text path, text media type
 *   thumbnail   key SHA-256 (32)   value  JSON text
 */
#include <string.h>

#include "base/pack.h"
#include "store/internal.h"

#define DUE_VERSION 1

static struct key content_key(const uint8_t sha256[32])
{
	struct key key = KEY_INIT;

	key_bytes(&key, sha256, 32);
	return key;
}

static int put_due(struct store_txn *txn, const struct store_thumbnail *due, struct fnr_error *err)
{
	struct key key = content_key(due->sha256);
	struct fnr_buf *value = env_scratch(&txn->t);

	fnr_put_u8(value, DUE_VERSION);
	fnr_put_u8(value, due->tries);
	fnr_put_text(value, due->path);
	fnr_put_text(value, due->media_type);
	return env_put(&txn->t, DB_THUMBNAIL_DUE, &key, value->data, value->len, err);
}

static int delete_due(struct store_txn *txn, const uint8_t sha256[32], struct fnr_error *err)
{
	struct key key = content_key(sha256);
	int code = env_delete(&txn->t, DB_THUMBNAIL_DUE, &key, err);

	return code == FNR_E_NOT_FOUND ? FNR_OK : code;
}

/* False if there is no such record, or if it cannot be read. */
static bool get_due(const MDB_val *value, struct store_thumbnail *due_r)
{
	struct fnr_reader reader = FNR_READER(value->mv_data, value->mv_size);
	uint8_t version = fnr_get_u8(&reader);

	due_r->tries = fnr_get_u8(&reader);
	fnr_get_text(&reader, due_r->path, sizeof due_r->path);
	fnr_get_text(&reader, due_r->media_type, sizeof due_r->media_type);
	return !reader.failed && version == DUE_VERSION;
}

int store_thumbnail_want(struct store_txn *txn, const struct store_thumbnail *wanted, struct fnr_error *err)
{
	struct store_thumbnail due = *wanted;
	struct key key = content_key(due.sha256);
	MDB_val value;

	due.tries = 0;
	if (env_get(&txn->t, DB_THUMBNAIL, &key, &value) == FNR_OK)
		return FNR_OK;
	return put_due(txn, &due, err);
}

bool store_thumbnail_due(struct store_txn *txn, struct store_thumbnail *due_r)
{
	struct walk walk;
	bool found = walk_from(&walk, &txn->t, DB_THUMBNAIL_DUE, NULL);

	memset(due_r, 0, sizeof *due_r);
	if (found) {
		memcpy(due_r->sha256, walk.key.mv_data, sizeof due_r->sha256);
		if (!get_due(&walk.value, due_r))
			due_r->path[0] = 0;      /* it will fail, and go */
	}
	walk_end(&walk);
	return found;
}

int store_thumbnail_failed(struct store_txn *txn, const uint8_t sha256[32], bool *again_r, struct fnr_error *err)
{
	struct store_thumbnail due = { .tries = STORE_THUMBNAIL_TRIES };
	struct key key = content_key(sha256);
	MDB_val value;

	if (env_get(&txn->t, DB_THUMBNAIL_DUE, &key, &value) == FNR_OK)
		get_due(&value, &due);
	memcpy(due.sha256, sha256, sizeof due.sha256);
	*again_r = ++due.tries < STORE_THUMBNAIL_TRIES;
	return *again_r ? put_due(txn, &due, err) : store_thumbnail_put(txn, sha256, "{}", err);
}

int store_thumbnail_put(struct store_txn *txn, const uint8_t sha256[32], const char *json, struct fnr_error *err)
{
	struct key key = content_key(sha256);
	int code = env_put(&txn->t, DB_THUMBNAIL, &key, json, strlen(json), err);

	return code == FNR_OK ? delete_due(txn, sha256, err) : code;
}

int store_thumbnail_get(struct store_txn *txn, const uint8_t sha256[32], struct fnr_buf *json_r)
{
	struct key key = content_key(sha256);
	MDB_val value;
	int code = env_get(&txn->t, DB_THUMBNAIL, &key, &value);

	fnr_buf_reset(json_r);
	if (code == FNR_OK)
		fnr_buf_add(json_r, value.mv_data, value.mv_size);
	return code;
}
