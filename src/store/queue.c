/* Queues: what operators decided about them, and how long their lines are.
 *
 *   key    number of its name u32
 *   value  u8 version 1, u8 1 if it is paused, u64 until when (ms), 0 = until it is resumed
 */
#include <string.h>

#include "base/pack.h"
#include "store/internal.h"

#define QUEUE_VERSION 1

static struct key queue_key(uint32_t number)
{
	struct key key = KEY_INIT;

	key_u32(&key, number);
	return key;
}

/* What cannot be read is not paused: jobs that run by mistake do less harm than jobs that never run. */
static struct store_queue parse(const MDB_val *value)
{
	struct fnr_reader reader = FNR_READER(value->mv_data, value->mv_size);
	struct store_queue queue = { 0 };
	uint8_t version = fnr_get_u8(&reader);

	queue.paused = fnr_get_u8(&reader) != 0;
	queue.until = (int64_t)fnr_get_u64(&reader);
	return reader.failed || version != QUEUE_VERSION ? (struct store_queue){ 0 } : queue;
}

struct store_queue store_queue_get(struct store_txn *txn, uint32_t number)
{
	struct key key = queue_key(number);
	MDB_val value;

	return env_get(&txn->t, DB_QUEUE, &key, &value) == FNR_OK ? parse(&value) : (struct store_queue){ 0 };
}

int store_queue_put(struct store_txn *txn, uint32_t number, const struct store_queue *queue, struct fnr_error *err)
{
	struct key key = queue_key(number);
	struct fnr_buf *value = env_scratch(&txn->t);

	fnr_put_u8(value, QUEUE_VERSION);
	fnr_put_u8(value, queue->paused);
	fnr_put_u64(value, (uint64_t)queue->until);
	return env_put(&txn->t, DB_QUEUE, &key, value->data, value->len, err);
}

void store_queues(struct store_txn *txn, store_queue_row *row, void *context)
{
	struct walk walk;

	for (bool on = walk_from(&walk, &txn->t, DB_QUEUE, NULL); on; on = walk_next(&walk)) {
		struct store_queue queue = parse(&walk.value);

		if (!row((uint32_t)walk_key(&walk, 0, 4), &queue, context))
			break;
	}
	walk_end(&walk);
}

size_t store_queue_waiting(struct store_txn *txn, uint32_t number, size_t most, struct fnr_id *oldest_r)
{
	struct key prefix = KEY_INIT;
	uint64_t lowest = UINT64_MAX, seq;
	struct lane_key lane;
	struct walk walk;
	size_t count = 0;

	*oldest_r = FNR_ID_NONE;
	key_u16(&prefix, (uint16_t)number);
	for (bool on = walk_from(&walk, &txn->t, DB_LANE, &prefix); on && count < most && walk_in(&walk, &prefix); on = walk_next(&walk)) {
		count++;
		if (!lane_parse(&walk.key, &lane, &seq) || seq >= lowest || walk.value.mv_size != sizeof *oldest_r)
			continue;
		lowest = seq;
		memcpy(oldest_r, walk.value.mv_data, sizeof *oldest_r);
	}
	walk_end(&walk);
	return count;
}
