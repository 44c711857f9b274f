/* How many jobs of a queue, project and API key wait: counted with every move of a job, so that nobody has to walk the lanes.
 *
 *   key    kind of name u8, number u32     (what there are none of has no entry)
 *   value  u64
 */
#include "base/pack.h"
#include "store/internal.h"

struct key waiting_key(enum store_name kind, uint32_t number)
{
	struct key key = KEY_INIT;

	key_u8(&key, (uint8_t)kind);
	key_u32(&key, number);
	return key;
}

uint64_t waiting_read(const MDB_val *value)
{
	return value->mv_size == 8 ? key_read(value->mv_data, 8) : 0;
}

uint64_t store_waiting(struct store_txn *txn, enum store_name kind, uint32_t number)
{
	struct key key = waiting_key(kind, number);
	MDB_val value;

	return env_get(&txn->t, DB_WAITING, &key, &value) == FNR_OK ? waiting_read(&value) : 0;
}

static int add(struct store_txn *txn, enum store_name kind, uint32_t number, int change, struct fnr_error *err)
{
	struct key key = waiting_key(kind, number), value = KEY_INIT;
	uint64_t count = number ? store_waiting(txn, kind, number) + (uint64_t)(int64_t)change : 0;

	if (!number)
		return FNR_OK;
	if (count == 0)
		return env_delete(&txn->t, DB_WAITING, &key, err);
	key_u64(&value, count);
	return env_put(&txn->t, DB_WAITING, &key, value.data, value.len, err);
}

int waiting_move(struct store_txn *txn, const struct job_head *from, const struct job_head *to, struct fnr_error *err)
{
	int change = fnr_state_waiting(to->state) - (from && fnr_state_waiting(from->state));
	int code = FNR_OK;

	if (change == 0)
		return FNR_OK;
	code = add(txn, STORE_QUEUE, to->queue, change, err);
	if (code == FNR_OK)
		code = add(txn, STORE_PROJECT, to->project, change, err);
	return code == FNR_OK ? add(txn, STORE_KEY, to->key, change, err) : code;
}
