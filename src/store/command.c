/* Commands: what the manager is asked to do, in order.
 *
 *   key    seq u64      value  JSON text
 */
#include <string.h>

#include "store/internal.h"

int store_command_add(struct store_txn *txn, const char *json, struct fnr_error *err)
{
	struct hot hot;
	struct key key;
	int code = hot_get(txn, &hot);

	if (code != FNR_OK)
		return fnr_fail(err, code, "the store's counters cannot be read; run 'fnr check'");
	key = number_key(++hot.command);
	code = env_put_text(&txn->t, DB_COMMAND, &key, json, err);
	return code == FNR_OK ? hot_put(txn, &hot, err) : code;
}

int store_command_next(struct store_txn *txn, uint64_t after, uint64_t *seq_r, struct fnr_buf *json_r)
{
	struct key key = number_key(after + 1);
	struct walk walk;
	int code;

	fnr_buf_reset(json_r);
	if (walk_from(&walk, &txn->t, DB_COMMAND, &key)) {
		*seq_r = walk_key(&walk, 0, 8);
		fnr_buf_add(json_r, walk.value.mv_data, walk.value.mv_size);
	}
	code = walk.on ? FNR_OK : walk.code == FNR_OK ? FNR_E_NOT_FOUND : walk.code;
	walk_end(&walk);
	return code;
}

void store_command_delete(struct store_txn *txn, uint64_t seq)
{
	struct key key = number_key(seq);

	env_delete(&txn->t, DB_COMMAND, &key, NULL);
}
