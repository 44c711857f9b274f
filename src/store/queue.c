/* Queues: what operators decided about them, and how long their lines are.
 *
 *   key    number of its name u32
 *   value  u8 version 1 or 2, u8 1 if it is paused, u64 until when (ms), 0 = until it is resumed;
 *          in version 2: u32 concurrency, u32 starts a minute
 */
#include <string.h>

#include "base/pack.h"
#include "store/internal.h"

#define QUEUE_VERSION 2

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
	if (version == QUEUE_VERSION) {
		queue.limit.concurrency = fnr_get_u32(&reader);
		queue.limit.per_minute = fnr_get_u32(&reader);
	}
	return reader.failed || version > QUEUE_VERSION ? (struct store_queue){ 0 } : queue;
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
	fnr_put_u32(value, queue->limit.concurrency);
	fnr_put_u32(value, queue->limit.per_minute);
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

struct fnr_id store_queue_oldest(struct store_txn *txn, uint32_t number, size_t most)
{
	struct lane_key place = { .queue = (uint16_t)number, .priority = 10 };
	struct lane_head head;
	struct fnr_id oldest = FNR_ID_NONE;
	uint64_t lowest = UINT64_MAX;
	int code = store_lane_from(txn, &place, &head);

	for (size_t lanes = 0; lanes < most && code == FNR_OK && head.key.queue == number; lanes++) {
		if (head.seq < lowest) {
			lowest = head.seq;
			oldest = head.job;
		}
		place = head.key;
		code = store_lane_next(txn, &place, &head);
	}
	return oldest;
}
