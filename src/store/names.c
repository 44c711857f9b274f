/* Names and their numbers: projects, queues, templates, shots, keys. A number is never taken back.
 *
 *   key    kind u8, name               value  number u32 (of a queue at most 65535)
 *   key    kind+128 u8, number u32     value  name
 */
#include <string.h>

#include "store/internal.h"

#define NAME_MOST 67
#define REVERSE 128

struct key name_key(enum store_name kind, const char *name)
{
	struct key key = KEY_INIT;

	key_u8(&key, (uint8_t)kind);
	key_text(&key, name);
	return key;
}

struct key name_number_key(enum store_name kind, uint32_t number)
{
	struct key key = KEY_INIT;

	key_u8(&key, (uint8_t)(kind + REVERSE));
	key_u32(&key, number);
	return key;
}

static bool fits(const char *name)
{
	return name && name[0] && strlen(name) <= NAME_MOST;
}

uint32_t store_name_find(struct store_txn *txn, enum store_name kind, const char *name)
{
	struct key key;
	MDB_val value;

	if (!fits(name))
		return 0;
	key = name_key(kind, name);
	if (env_get(&txn->t, DB_NAME, &key, &value) != FNR_OK || value.mv_size != 4)
		return 0;
	return (uint32_t)key_read(value.mv_data, 4);
}

static uint32_t last_number(struct store_txn *txn, enum store_name kind)
{
	struct key end = KEY_INIT;
	struct walk walk;
	uint32_t number = 0;

	key_u8(&end, (uint8_t)(kind + REVERSE + 1));
	if (walk_before(&walk, &txn->t, DB_NAME, &end) && walk_key(&walk, 0, 1) == (uint64_t)kind + REVERSE)
		number = (uint32_t)walk_key(&walk, 1, 4);
	walk_end(&walk);
	return number;
}

uint32_t store_name_make(struct store_txn *txn, enum store_name kind, const char *name, struct fnr_error *err)
{
	uint32_t number = store_name_find(txn, kind, name);
	struct key key, back, value = KEY_INIT;

	if (number)
		return number;
	if (!fits(name)) {
		fnr_fail(err, FNR_E_INVALID, "a name must have 1 to %d bytes", NAME_MOST);
		return 0;
	}
	number = last_number(txn, kind) + 1;
	if (number == 0 || (kind == STORE_QUEUE && number > UINT16_MAX)) {
		fnr_fail(err, FNR_E_LIMIT, "there are too many names of this kind");
		return 0;
	}
	key = name_key(kind, name);
	back = name_number_key(kind, number);
	key_u32(&value, number);
	if (env_put(&txn->t, DB_NAME, &key, value.data, value.len, err) != FNR_OK
	    || env_put(&txn->t, DB_NAME, &back, name, strlen(name), err) != FNR_OK)
		return 0;
	return number;
}

bool store_name_text(struct store_txn *txn, enum store_name kind, uint32_t number, char out[68])
{
	struct key key = name_number_key(kind, number);
	MDB_val value;

	out[0] = 0;
	if (!number || env_get(&txn->t, DB_NAME, &key, &value) != FNR_OK || value.mv_size > NAME_MOST)
		return false;
	memcpy(out, value.mv_data, value.mv_size);
	out[value.mv_size] = 0;
	return true;
}

size_t store_names(struct store_txn *txn, enum store_name kind, const char *after, size_t limit, store_name_row *row,
                   void *context)
{
	struct key prefix = KEY_INIT, key;
	char name[NAME_MOST + 1];
	struct walk walk;
	size_t visited = 0;
	bool on;

	key_u8(&prefix, (uint8_t)kind);
	key = prefix;
	if (after) {
		key_bytes(&key, after, strnlen(after, NAME_MOST));
		key_u8(&key, 0);      /* no name goes on with a 0 byte */
	}
	for (on = walk_from(&walk, &txn->t, DB_NAME, &key); on && walk_in(&walk, &prefix) && visited < limit;
	     on = walk_next(&walk)) {
		size_t len = walk.key.mv_size - 1;

		visited++;
		if (len > NAME_MOST || walk.value.mv_size != 4)
			continue;
		memcpy(name, (const char *)walk.key.mv_data + 1, len);
		name[len] = 0;
		if (!row((uint32_t)key_read(walk.value.mv_data, 4), name, context))
			break;
	}
	walk_end(&walk);
	return visited;
}
