/* Lanes: waiting jobs that are alike to the scheduler lie side by side in order of lane_seq.
 *
 *   key    queue u16, 10-priority u8, project u32, class u64, lane_seq u64
 *   value  job id
 *   e.g.   queue 1, priority 5, project 7, class 2, seq 9:  0001 05 00000007 0000000000000002 0000000000000009
 */
#include "store/internal.h"

#define HIGHEST_PRIORITY 10

struct key lane_prefix(const struct lane_key *lane)
{
	struct key key = KEY_INIT;

	key_u16(&key, lane->queue);
	key_u8(&key, (uint8_t)(HIGHEST_PRIORITY - lane->priority));
	key_u32(&key, lane->project);
	key_u64(&key, lane->class_);
	return key;
}

struct key lane_key_of(const struct job_head *head)
{
	struct lane_key lane = { .queue = head->queue, .priority = head->priority, .project = head->project,
	                        .class_ = head->class_ };
	struct key key = lane_prefix(&lane);

	key_u64(&key, head->lane_seq);
	return key;
}

bool lane_parse(const MDB_val *data, struct lane_key *lane_r, uint64_t *seq_r)
{
	const uint8_t *bytes = data->mv_data;

	if (data->mv_size != LANE_KEY)
		return false;
	lane_r->queue = (uint16_t)key_read(bytes, 2);
	lane_r->priority = (uint8_t)(HIGHEST_PRIORITY - bytes[2]);
	lane_r->project = (uint32_t)key_read(bytes + 3, 4);
	lane_r->class_ = key_read(bytes + 7, 8);
	*seq_r = key_read(bytes + LANE_PREFIX, 8);
	return true;
}

static int read_here(const struct walk *walk, struct lane_head *head_r)
{
	if (!walk->on)
		return walk->code == FNR_OK ? FNR_E_NOT_FOUND : walk->code;
	if (walk->value.mv_size != sizeof head_r->job || !lane_parse(&walk->key, &head_r->key, &head_r->seq))
		return FNR_E_CORRUPT;
	memcpy(&head_r->job, walk->value.mv_data, sizeof head_r->job);
	return FNR_OK;
}

int store_lane_first(struct store_txn *txn, const struct lane_key *lane, uint64_t from, struct lane_head *head_r)
{
	struct key prefix = lane_prefix(lane), key = prefix;
	struct walk walk;
	int code;

	key_u64(&key, from);
	if (walk_from(&walk, &txn->t, DB_LANE, &key) && !walk_in(&walk, &prefix))
		walk.on = false;
	code = read_here(&walk, head_r);
	walk_end(&walk);
	return code;
}

int store_lane_from(struct store_txn *txn, const struct lane_key *from, struct lane_head *head_r)
{
	struct key key = lane_prefix(from);
	struct walk walk;
	int code;

	walk_from(&walk, &txn->t, DB_LANE, &key);
	code = read_here(&walk, head_r);
	walk_end(&walk);
	return code;
}

int store_lane_next(struct store_txn *txn, const struct lane_key *after, struct lane_head *head_r)
{
	struct key key = KEY_INIT;
	struct walk walk;
	int code;

	if (after) {
		key = lane_prefix(after);
		key_u64(&key, UINT64_MAX);      /* never given to a job */
	}
	walk_from(&walk, &txn->t, DB_LANE, after ? &key : NULL);
	code = read_here(&walk, head_r);
	walk_end(&walk);
	return code;
}

int64_t store_lane_position(struct store_txn *txn, const struct job_head *head, size_t most)
{
	struct key prefix = KEY_INIT;
	struct lane_key lane;
	int64_t before = 0;
	uint64_t seq;
	struct walk walk;
	size_t rows = 0;

	key_u16(&prefix, head->queue);
	for (bool on = walk_from(&walk, &txn->t, DB_LANE, &prefix); on && walk_in(&walk, &prefix); on = walk_next(&walk)) {
		if (!lane_parse(&walk.key, &lane, &seq) || lane.priority < head->priority)
			break;
		if (rows++ == most) {
			before = -1;
			break;
		}
		before += lane.priority > head->priority || seq < head->lane_seq;
	}
	walk_end(&walk);
	return before;
}
