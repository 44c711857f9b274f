/* Projects: what operators decided about them.
 *
 *   key    number of its name u32
 *   value  u8 version 1, u32 weight in thousandths
 */
#include "base/pack.h"
#include "store/internal.h"

#define PROJECT_VERSION 1
#define PARTS 1000.0

static struct key project_key(uint32_t number)
{
	struct key key = KEY_INIT;

	key_u32(&key, number);
	return key;
}

static double parse(const MDB_val *value)
{
	struct fnr_reader reader = FNR_READER(value->mv_data, value->mv_size);
	uint8_t version = fnr_get_u8(&reader);
	uint32_t parts = fnr_get_u32(&reader);

	return reader.failed || version != PROJECT_VERSION || parts == 0 ? 1.0 : parts / PARTS;
}

double store_project_weight(struct store_txn *txn, uint32_t number)
{
	struct key key = project_key(number);
	MDB_val value;

	return env_get(&txn->t, DB_PROJECT, &key, &value) == FNR_OK ? parse(&value) : 1.0;
}

int store_project_put(struct store_txn *txn, uint32_t number, double weight, struct fnr_error *err)
{
	struct key key = project_key(number);
	struct fnr_buf *value = env_scratch(&txn->t);

	fnr_put_u8(value, PROJECT_VERSION);
	fnr_put_u32(value, (uint32_t)(weight * PARTS + 0.5));
	return env_put(&txn->t, DB_PROJECT, &key, value->data, value->len, err);
}

void store_projects(struct store_txn *txn, store_project_row *row, void *context)
{
	struct walk walk;

	for (bool on = walk_from(&walk, &txn->t, DB_PROJECT, NULL); on; on = walk_next(&walk))
		if (!row((uint32_t)walk_key(&walk, 0, 4), parse(&walk.value), context))
			break;
	walk_end(&walk);
}
