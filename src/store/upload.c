/* Uploads.
 *
 *   key    upload id
 *   value  u8 version 1, u64 bytes, SHA-256 (32), text media type, text name, u64 created_at, u32 key, u32 jobs
 *
 * Contents: each upload by what it holds.
 *
 *   key    SHA-256 (32), upload id
 */
#include <string.h>

#include "base/pack.h"
#include "store/internal.h"

#define UPLOAD_VERSION 1
#define EXPIRE_LOOKS 1000     /* rows looked at in one go */

int upload_read(const MDB_val *value, struct store_upload *upload_r)
{
	struct fnr_reader reader = FNR_READER(value->mv_data, value->mv_size);
	uint8_t version = fnr_get_u8(&reader);
	const void *sha256;
	size_t len;

	memset(upload_r, 0, sizeof *upload_r);
	upload_r->bytes = fnr_get_u64(&reader);
	sha256 = fnr_get_bytes(&reader, &len);
	if (sha256 && len == sizeof upload_r->sha256)
		memcpy(upload_r->sha256, sha256, len);
	else
		reader.failed = true;
	fnr_get_text(&reader, upload_r->media_type, sizeof upload_r->media_type);
	fnr_get_text(&reader, upload_r->name, sizeof upload_r->name);
	upload_r->created_at = (int64_t)fnr_get_u64(&reader);
	upload_r->key = fnr_get_u32(&reader);
	upload_r->jobs = fnr_get_u32(&reader);
	return reader.failed || version != UPLOAD_VERSION || reader.at != reader.len ? FNR_E_CORRUPT : FNR_OK;
}

static int upload_write(struct store_txn *txn, const struct store_upload *upload, struct fnr_error *err)
{
	struct key key = id_key(&upload->id);
	struct fnr_buf *value = env_scratch(&txn->t);

	fnr_put_u8(value, UPLOAD_VERSION);
	fnr_put_u64(value, upload->bytes);
	fnr_put_bytes(value, upload->sha256, sizeof upload->sha256);
	fnr_put_text(value, upload->media_type);
	fnr_put_text(value, upload->name);
	fnr_put_u64(value, (uint64_t)upload->created_at);
	fnr_put_u32(value, upload->key);
	fnr_put_u32(value, upload->jobs);
	return env_put(&txn->t, DB_UPLOAD, &key, value->data, value->len, err);
}

int store_upload_get(struct store_txn *txn, const struct fnr_id *id, struct store_upload *upload_r)
{
	struct key key = id_key(id);
	MDB_val value;
	int code = env_get(&txn->t, DB_UPLOAD, &key, &value);

	if (code == FNR_OK)
		code = upload_read(&value, upload_r);
	if (code != FNR_OK)
		memset(upload_r, 0, sizeof *upload_r);
	upload_r->id = *id;
	return code;
}

static struct key content_key(const struct store_upload *upload)
{
	struct key key = hash_key(upload->sha256);

	key_id(&key, &upload->id);
	return key;
}

static int content_put(struct store_txn *txn, const struct store_upload *upload, struct fnr_error *err)
{
	struct key key = content_key(upload);

	return env_put(&txn->t, DB_CONTENT, &key, NULL, 0, err);
}

int store_content_find(struct store_txn *txn, const uint8_t sha256[32], uint64_t bytes, struct fnr_id *id_r)
{
	struct key prefix = hash_key(sha256);
	struct store_upload upload;
	struct walk walk;
	bool found = false;

	for (bool on = walk_from(&walk, &txn->t, DB_CONTENT, &prefix); on && walk_in(&walk, &prefix) && !found; on = walk_next(&walk)) {
		*id_r = walk_id(&walk, 32);
		found = store_upload_get(txn, id_r, &upload) == FNR_OK && upload.bytes == bytes;
	}
	walk_end(&walk);
	return found ? FNR_OK : FNR_E_NOT_FOUND;
}

int store_upload_put(struct store_txn *txn, const struct store_upload *upload, struct fnr_error *err)
{
	struct store_upload stored, merged = *upload;
	int code = store_upload_get(txn, &upload->id, &stored);

	if (code != FNR_OK && code != FNR_E_NOT_FOUND)
		return fnr_fail(err, code, "the record of an upload cannot be read; run 'fnr check'");
	merged.jobs = stored.jobs;     /* counted where jobs come and go */
	code = upload_write(txn, &merged, err);
	return code == FNR_OK ? content_put(txn, &merged, err) : code;
}

int upload_count_add(struct store_txn *txn, const struct fnr_id *id, int add, struct fnr_error *err)
{
	struct store_upload upload;
	int code = store_upload_get(txn, id, &upload);

	if (code != FNR_OK)
		return fnr_fail(err, code, "the record of an upload cannot be read");
	if (add < 0 && upload.jobs == 0)
		return FNR_OK;
	upload.jobs += (uint32_t)add;
	return upload_write(txn, &upload, err);
}

size_t store_uploads_expire(struct store_txn *txn, int64_t before, struct fnr_id *cursor, struct fnr_id *ids_r,
                            size_t limit)
{
	struct key key = id_key(cursor);
	struct store_upload upload;
	struct walk walk;
	size_t looked = 0, found = 0, removed = 0;
	bool on = walk_from(&walk, &txn->t, DB_UPLOAD, &key);

	for (; on && found < limit && looked < EXPIRE_LOOKS; on = walk_next(&walk)) {
		looked++;
		if (upload_read(&walk.value, &upload) == FNR_OK && upload.jobs == 0 && upload.created_at < before)
			ids_r[found++] = walk_id(&walk, 0);
	}
	*cursor = on ? walk_id(&walk, 0) : FNR_ID_NONE;
	walk_end(&walk);
	for (size_t i = 0; i < found; i++) {
		if (store_upload_get(txn, &ids_r[i], &upload) == FNR_OK) {
			key = content_key(&upload);
			env_delete(&txn->t, DB_CONTENT, &key, NULL);
		}
		key = id_key(&ids_r[i]);
		if (env_delete(&txn->t, DB_UPLOAD, &key, NULL) == FNR_OK)
			ids_r[removed++] = ids_r[i];
	}
	return removed;
}
