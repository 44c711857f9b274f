/* Idempotency entries: which request was accepted as which job or batch.
 *
 *   key    SHA-256 of key id, method, path and Idempotency-Key (32)
 *   value  u8 version 1, u8 is_batch, id, u64 created_at, SHA-256 of the body (32)
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pack.h"
#include "store/internal.h"

#define ENTRY_VERSION 1
#define HASH_SIZE 32

int idempotency_read(const MDB_val *value, struct store_idempotency *entry_r)
{
	struct fnr_reader reader = FNR_READER(value->mv_data, value->mv_size);
	uint8_t version = fnr_get_u8(&reader);

	memset(entry_r, 0, sizeof *entry_r);
	entry_r->is_batch = fnr_get_u8(&reader) != 0;
	entry_r->id = fnr_get_id(&reader);
	entry_r->created_at = (int64_t)fnr_get_u64(&reader);
	if (reader.failed || version != ENTRY_VERSION || reader.len - reader.at != HASH_SIZE)
		return FNR_E_CORRUPT;
	memcpy(entry_r->body, reader.data + reader.at, HASH_SIZE);
	return FNR_OK;
}

int store_idempotency_get(struct store_txn *txn, const uint8_t hash[32], struct store_idempotency *entry_r)
{
	struct key key = hash_key(hash);
	MDB_val value;
	int code = env_get(&txn->t, DB_IDEMPOTENCY, &key, &value);

	return code == FNR_OK ? idempotency_read(&value, entry_r) : code;
}

int store_idempotency_put(struct store_txn *txn, const uint8_t hash[32], const struct store_idempotency *entry,
                          struct fnr_error *err)
{
	struct key key = hash_key(hash);
	struct fnr_buf *value = env_scratch(&txn->t);

	fnr_put_u8(value, ENTRY_VERSION);
	fnr_put_u8(value, entry->is_batch);
	fnr_put_id(value, &entry->id);
	fnr_put_u64(value, (uint64_t)entry->created_at);
	fnr_buf_add(value, entry->body, HASH_SIZE);
	return env_put(&txn->t, DB_IDEMPOTENCY, &key, value->data, value->len, err);
}

static bool is_gone(struct store_txn *txn, const struct store_idempotency *entry)
{
	struct key key = id_key(&entry->id);

	return !env_has(&txn->t, entry->is_batch ? DB_BATCH : DB_JOB, &key);
}

size_t store_idempotency_expire(struct store_txn *txn, int64_t before, uint8_t cursor[32], size_t limit)
{
	struct key key = hash_key(cursor);
	uint8_t (*dead)[HASH_SIZE] = fnr_alloc((limit ? limit : 1) * sizeof *dead);
	struct store_idempotency entry;
	struct walk walk;
	size_t looked = 0, found = 0, removed = 0;
	bool on = walk_from(&walk, &txn->t, DB_IDEMPOTENCY, &key);

	for (; on && looked < limit; on = walk_next(&walk)) {
		looked++;
		if (walk.key.mv_size != HASH_SIZE || idempotency_read(&walk.value, &entry) != FNR_OK)
			continue;
		if (entry.created_at < before && is_gone(txn, &entry))
			memcpy(dead[found++], walk.key.mv_data, HASH_SIZE);
	}
	memset(cursor, 0, HASH_SIZE);
	if (on && walk.key.mv_size == HASH_SIZE)
		memcpy(cursor, walk.key.mv_data, HASH_SIZE);
	walk_end(&walk);
	for (size_t i = 0; i < found; i++) {
		key = hash_key(dead[i]);
		removed += env_delete(&txn->t, DB_IDEMPOTENCY, &key, NULL) == FNR_OK;
	}
	free(dead);
	return removed;
}
