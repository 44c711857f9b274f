/* Deduplication by content: what a job asks for, hashed, and the last job that asked for it.
 *
 *   key    SHA-256 (32)
 *   value  job id
 */
#include <string.h>

#include "store/internal.h"

int store_dedupe_find(struct store_txn *txn, const uint8_t hash[32], struct fnr_id *job_r)
{
	struct key key = hash_key(hash);
	struct job_head head;
	MDB_val value;
	int code = env_get(&txn->t, DB_DEDUPE, &key, &value);

	if (code != FNR_OK)
		return code;
	if (value.mv_size != sizeof *job_r)
		return FNR_E_CORRUPT;
	memcpy(job_r, value.mv_data, sizeof *job_r);
	if (store_job_get(txn, job_r, &head) != FNR_OK || head.flags & JOB_FLAG_TAKE_DELETED || (fnr_state_terminal(head.state) && head.state != FNR_STATE_COMPLETED))
		return FNR_E_NOT_FOUND;
	return FNR_OK;
}

int dedupe_put(struct store_txn *txn, const uint8_t hash[32], const struct fnr_id *job, struct fnr_error *err)
{
	struct key key = hash_key(hash);

	return env_put(&txn->t, DB_DEDUPE, &key, job, sizeof *job, err);
}

/* The job is deleted; a later one may have taken its place. */
int dedupe_delete(struct store_txn *txn, const uint8_t hash[32], const struct fnr_id *job, struct fnr_error *err)
{
	struct key key = hash_key(hash);
	MDB_val value;

	if (env_get(&txn->t, DB_DEDUPE, &key, &value) != FNR_OK || value.mv_size != sizeof *job || memcmp(value.mv_data, job, sizeof *job) != 0)
		return FNR_OK;
	return env_delete(&txn->t, DB_DEDUPE, &key, err);
}
