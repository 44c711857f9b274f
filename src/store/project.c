/* Projects: what operators decided about them.
 *
 *   key    number of its name u32
 *   value  u8 version 1 or 2, u32 weight in thousandths; in version 2: u32 concurrency, u32 starts a minute, u64 most waiting
 */
#include "base/pack.h"
#include "store/internal.h"

#define PROJECT_VERSION 2
#define PARTS 1000.0

static const struct store_project undecided = { .weight = 1.0 };

static struct key project_key(uint32_t number)
{
	struct key key = KEY_INIT;

	key_u32(&key, number);
	return key;
}

static struct store_project parse(const MDB_val *value)
{
	struct fnr_reader reader = FNR_READER(value->mv_data, value->mv_size);
	uint8_t version = fnr_get_u8(&reader);
	struct store_project project = { .weight = fnr_get_u32(&reader) / PARTS };

	if (version == PROJECT_VERSION) {
		project.limit.concurrency = fnr_get_u32(&reader);
		project.limit.per_minute = fnr_get_u32(&reader);
		project.max_waiting = fnr_get_u64(&reader);
	}
	return reader.failed || version > PROJECT_VERSION || project.weight <= 0 ? undecided : project;
}

struct store_project store_project_get(struct store_txn *txn, uint32_t number)
{
	struct key key = project_key(number);
	MDB_val value;

	return env_get(&txn->t, DB_PROJECT, &key, &value) == FNR_OK ? parse(&value) : undecided;
}

int store_project_put(struct store_txn *txn, uint32_t number, const struct store_project *project, struct fnr_error *err)
{
	struct key key = project_key(number);
	struct fnr_buf *value = env_scratch(&txn->t);

	fnr_put_u8(value, PROJECT_VERSION);
	fnr_put_u32(value, (uint32_t)(project->weight * PARTS + 0.5));
	fnr_put_u32(value, project->limit.concurrency);
	fnr_put_u32(value, project->limit.per_minute);
	fnr_put_u64(value, project->max_waiting);
	return env_put(&txn->t, DB_PROJECT, &key, value->data, value->len, err);
}

void store_projects(struct store_txn *txn, store_project_row *row, void *context)
{
	struct walk walk;

	for (bool on = walk_from(&walk, &txn->t, DB_PROJECT, NULL); on; on = walk_next(&walk)) {
		struct store_project project = parse(&walk.value);

		if (!row((uint32_t)walk_key(&walk, 0, 4), &project, context))
			break;
	}
	walk_end(&walk);
}
