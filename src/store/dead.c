/* Dead letters: jobs that failed for good and that nobody has run again or put aside since.
 *
 *   key    finished_at u64, job id
 *   value  (nothing)
 */
#include "store/internal.h"

static struct key dead_key(const struct job_head *head)
{
	struct key key = KEY_INIT;

	key_u64(&key, (uint64_t)head->finished_at);
	key_id(&key, &head->id);
	return key;
}

int dead_delete(struct store_txn *txn, const struct job_head *head, struct fnr_error *err)
{
	struct key key = dead_key(head);
	int code = env_delete(&txn->t, DB_DEAD, &key, err);

	return code == FNR_E_NOT_FOUND ? FNR_OK : code;
}

int dead_move(struct store_txn *txn, const struct job_head *from, const struct job_head *to, struct fnr_error *err)
{
	struct key key = dead_key(to);
	int code = from->state == FNR_STATE_FAILED ? dead_delete(txn, from, err) : FNR_OK;

	return code == FNR_OK && to->state == FNR_STATE_FAILED ? env_put(&txn->t, DB_DEAD, &key, "", 0, err) : code;
}

bool store_dead_has(struct store_txn *txn, const struct job_head *head)
{
	struct key key = dead_key(head);

	return head->state == FNR_STATE_FAILED && env_has(&txn->t, DB_DEAD, &key);
}

int store_dead_discard(struct store_txn *txn, const struct fnr_id *id, struct fnr_error *err)
{
	struct job_head head;
	int code = store_job_get(txn, id, &head);

	return code == FNR_OK && head.state == FNR_STATE_FAILED ? dead_delete(txn, &head, err) : FNR_OK;
}

size_t store_dead_count(struct store_txn *txn)
{
	return env_entries(&txn->t, DB_DEAD);
}

size_t store_dead(struct store_txn *txn, const struct job_head *before, size_t limit, store_job_row *row, void *context)
{
	struct key key = before ? dead_key(before) : (struct key)KEY_INIT;
	struct walk walk;
	size_t count = 0;

	for (bool on = walk_before(&walk, &txn->t, DB_DEAD, before ? &key : NULL); on && count < limit; on = walk_previous(&walk)) {
		struct fnr_id id = walk_id(&walk, 8);
		struct job_head head;

		count++;
		if (store_job_get(txn, &id, &head) == FNR_OK && !row(&head, context))
			break;
	}
	walk_end(&walk);
	return count;
}

size_t store_dead_trim(struct store_txn *txn, size_t most, size_t limit, struct fnr_error *err)
{
	size_t removed = 0;

	while (removed < limit && env_entries(&txn->t, DB_DEAD) > most) {
		struct key key = KEY_INIT;
		struct walk walk;

		if (walk_from(&walk, &txn->t, DB_DEAD, NULL))
			key_bytes(&key, walk.key.mv_data, walk.key.mv_size);
		walk_end(&walk);
		if (!key.len || env_delete(&txn->t, DB_DEAD, &key, err) != FNR_OK)
			break;
		removed++;
	}
	if (removed)
		store_meta_put(txn, STORE_META_DEAD_DROPPED, store_meta_get(txn, STORE_META_DEAD_DROPPED) + removed, err);
	return removed;
}
