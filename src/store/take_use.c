/* Takes whose files are inputs of jobs that have not finished: they cannot be deleted.
 *
 *   take_use   project u32, shot u32, take u32, job id -> (nothing)
 *   job_takes  job id -> of each: project u32, shot u32, take u32
 */
#include "store/internal.h"

struct key take_use_key(const struct take_place *place, const struct fnr_id *job)
{
	struct key key = take_key(place->project, place->shot, place->take);

	key_id(&key, job);
	return key;
}

struct take_place take_place_read(const uint8_t *data)
{
	return (struct take_place){ (uint32_t)key_read(data, 4), (uint32_t)key_read(data + 4, 4), (uint32_t)key_read(data + 8, 4) };
}

void take_place_put(struct fnr_buf *out, const struct take_place *place)
{
	struct key key = take_key(place->project, place->shot, place->take);

	fnr_buf_add(out, key.data, key.len);
}

int take_uses_put(struct store_txn *txn, const struct fnr_id *job, const uint8_t *places, size_t count, struct fnr_error *err)
{
	struct key key = id_key(job);
	int code = env_put(&txn->t, DB_JOB_TAKES, &key, places, count * TAKE_PLACE_SIZE, err);

	for (size_t i = 0; i < count && code == FNR_OK; i++) {
		struct take_place place = take_place_read(places + i * TAKE_PLACE_SIZE);
		struct key take = take_key(place.project, place.shot, place.take);

		if (!env_has(&txn->t, DB_TAKE, &take))
			return fnr_fail(err, FNR_E_INVALID, "take %u, whose file is an input, was deleted meanwhile", place.take);
		key = take_use_key(&place, job);
		code = env_put(&txn->t, DB_TAKE_USE, &key, NULL, 0, err);
	}
	return code;
}

/* The job has finished. */
int take_uses_release(struct store_txn *txn, const struct fnr_id *job, struct fnr_error *err)
{
	struct key list = id_key(job), key;
	struct fnr_buf places = FNR_BUF_INIT;
	MDB_val value;
	int code = env_get(&txn->t, DB_JOB_TAKES, &list, &value);

	if (code == FNR_OK)
		fnr_buf_add(&places, value.mv_data, value.mv_size);
	for (size_t at = 0; at + TAKE_PLACE_SIZE <= places.len && code == FNR_OK; at += TAKE_PLACE_SIZE) {
		struct take_place place = take_place_read((const uint8_t *)places.data + at);

		key = take_use_key(&place, job);
		code = env_delete(&txn->t, DB_TAKE_USE, &key, err);
		if (code == FNR_E_NOT_FOUND)
			code = FNR_OK;
	}
	if (code == FNR_OK)
		code = env_delete(&txn->t, DB_JOB_TAKES, &list, err);
	fnr_buf_free(&places);
	return code == FNR_E_NOT_FOUND ? FNR_OK : code;
}

bool take_used(struct store_txn *txn, const struct take_place *place, struct fnr_id *job_r)
{
	struct key prefix = take_key(place->project, place->shot, place->take);
	struct walk walk;
	bool used = walk_from(&walk, &txn->t, DB_TAKE_USE, &prefix) && walk_in(&walk, &prefix);

	if (used)
		*job_r = walk_id(&walk, TAKE_PLACE_SIZE);
	walk_end(&walk);
	return used;
}
