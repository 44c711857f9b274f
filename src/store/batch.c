/* Batches.
 *
 *   key    batch id
 *   value  u8 version 1, ids first and last, u64 created_at, u32 project, u32 key, u32 total, u8 stop_on_error,
 *          u64 event, u8 number of states, u32 for each
 *
 * The counts are kept by acceptance, store_job_put and store_job_delete; the record goes with its last job.
 */
#include <string.h>

#include "base/pack.h"
#include "store/internal.h"

#define BATCH_VERSION 1

int batch_read(const MDB_val *value, struct batch *batch_r)
{
	struct fnr_reader reader = FNR_READER(value->mv_data, value->mv_size);
	uint8_t version = fnr_get_u8(&reader), states;

	memset(batch_r, 0, sizeof *batch_r);
	batch_r->first = fnr_get_id(&reader);
	batch_r->last = fnr_get_id(&reader);
	batch_r->created_at = (int64_t)fnr_get_u64(&reader);
	batch_r->project = fnr_get_u32(&reader);
	batch_r->key = fnr_get_u32(&reader);
	batch_r->total = fnr_get_u32(&reader);
	batch_r->stop_on_error = fnr_get_u8(&reader) != 0;
	batch_r->event = fnr_get_u64(&reader);
	states = fnr_get_u8(&reader);
	for (int i = 0; i < states && i < FNR_STATE_COUNT; i++)
		batch_r->state[i] = fnr_get_u32(&reader);
	return reader.failed || version != BATCH_VERSION || states > FNR_STATE_COUNT ? FNR_E_CORRUPT : FNR_OK;
}

int batch_write(struct store_txn *txn, const struct batch *batch, struct fnr_error *err)
{
	struct key key = id_key(&batch->id);
	struct fnr_buf *value = env_scratch(&txn->t);

	fnr_put_u8(value, BATCH_VERSION);
	fnr_put_id(value, &batch->first);
	fnr_put_id(value, &batch->last);
	fnr_put_u64(value, (uint64_t)batch->created_at);
	fnr_put_u32(value, batch->project);
	fnr_put_u32(value, batch->key);
	fnr_put_u32(value, batch->total);
	fnr_put_u8(value, batch->stop_on_error);
	fnr_put_u64(value, batch->event);
	fnr_put_u8(value, FNR_STATE_COUNT);
	for (int i = 0; i < FNR_STATE_COUNT; i++)
		fnr_put_u32(value, batch->state[i]);
	return env_put(&txn->t, DB_BATCH, &key, value->data, value->len, err);
}

int store_batch_get(struct store_txn *txn, const struct fnr_id *id, struct batch *batch_r)
{
	struct key key = id_key(id);
	MDB_val value;
	int code = env_get(&txn->t, DB_BATCH, &key, &value);

	if (code == FNR_OK)
		code = batch_read(&value, batch_r);
	if (code != FNR_OK)
		memset(batch_r, 0, sizeof *batch_r);
	batch_r->id = *id;
	return code;
}

int store_batch_put(struct store_txn *txn, const struct batch *batch, struct fnr_error *err)
{
	struct batch stored, merged = *batch;
	int code = store_batch_get(txn, &batch->id, &stored);

	if (code == FNR_OK)
		memcpy(merged.state, stored.state, sizeof merged.state);
	else if (code != FNR_E_NOT_FOUND)
		return fnr_fail(err, code, "the record of a batch cannot be read");
	return batch_write(txn, &merged, err);
}

int batch_move(struct store_txn *txn, const struct fnr_id *id, int from, int to, struct fnr_error *err)
{
	struct key key = id_key(id);
	struct batch batch;
	uint32_t left = 0;
	int code = store_batch_get(txn, id, &batch);

	if (code == FNR_E_CORRUPT || code == FNR_E_NOT_FOUND)
		return FNR_OK;         /* fnr check tells of it; its jobs go on */
	if (code != FNR_OK)
		return fnr_fail(err, code, "the record of a job's batch cannot be read");
	if (from >= 0)
		batch.state[from]--;
	if (to >= 0)
		batch.state[to]++;
	for (int i = 0; i < FNR_STATE_COUNT; i++)
		left += batch.state[i];
	return left ? batch_write(txn, &batch, err) : env_delete(&txn->t, DB_BATCH, &key, err);
}
