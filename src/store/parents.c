/* Jobs that depend on others. The entry at the parent says that it is needed, and goes when the child has finished.
 *
 *   parent   child's id -> u8 version 1, u8 1 if the child is skipped when a parent fails, u16 count; of each: id, text ref
 *   child    parent's id, child's id -> (nothing)
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pack.h"
#include "store/internal.h"

#define PARENTS_VERSION 1

struct key child_key(const struct fnr_id *parent, const struct fnr_id *child)
{
	struct key key = id_key(parent);

	key_id(&key, child);
	return key;
}

int parents_parse(const MDB_val *value, struct store_parents *parents_r)
{
	struct fnr_reader reader = FNR_READER(value->mv_data, value->mv_size);
	uint8_t version = fnr_get_u8(&reader);

	*parents_r = (struct store_parents){ .skip = fnr_get_u8(&reader) != 0 };
	parents_r->count = fnr_get_u16(&reader);
	if (reader.failed || version != PARENTS_VERSION || parents_r->count > STORE_PARENTS_MOST)
		return FNR_E_CORRUPT;
	parents_r->items = fnr_alloc(parents_r->count * sizeof *parents_r->items + 1);
	for (size_t i = 0; i < parents_r->count; i++) {
		parents_r->items[i].id = fnr_get_id(&reader);
		fnr_get_text(&reader, parents_r->items[i].ref, sizeof parents_r->items[i].ref);
	}
	if (!reader.failed && reader.at == reader.len)
		return FNR_OK;
	store_parents_free(parents_r);
	return FNR_E_CORRUPT;
}

int store_parents_get(struct store_txn *txn, const struct fnr_id *child, struct store_parents *parents_r)
{
	struct key key = id_key(child);
	MDB_val value;
	int code = env_get(&txn->t, DB_PARENT, &key, &value);

	memset(parents_r, 0, sizeof *parents_r);
	return code == FNR_OK ? parents_parse(&value, parents_r) : code;
}

void store_parents_free(struct store_parents *parents)
{
	free(parents->items);
	memset(parents, 0, sizeof *parents);
}

int parents_put(struct store_txn *txn, const struct fnr_id *child, const struct store_parents *parents, struct fnr_error *err)
{
	struct key key = id_key(child);
	struct fnr_buf *value = env_scratch(&txn->t);
	int code;

	fnr_put_u8(value, PARENTS_VERSION);
	fnr_put_u8(value, parents->skip);
	fnr_put_u16(value, (uint16_t)parents->count);
	for (size_t i = 0; i < parents->count; i++) {
		fnr_put_id(value, &parents->items[i].id);
		fnr_put_text(value, parents->items[i].ref);
	}
	code = env_put(&txn->t, DB_PARENT, &key, value->data, value->len, err);
	for (size_t i = 0; i < parents->count && code == FNR_OK; i++) {
		key = child_key(&parents->items[i].id, child);
		code = env_put(&txn->t, DB_CHILD, &key, NULL, 0, err);
	}
	return code;
}

int parents_check(struct store_txn *txn, const struct store_parents *parents, bool *wait_r, struct fnr_error *err)
{
	char text[FNR_ID_TEXT];

	*wait_r = false;
	for (size_t i = 0; i < parents->count; i++) {
		struct job_head head;
		int code = store_job_get(txn, &parents->items[i].id, &head);

		if (code != FNR_OK)
			return fnr_fail(err, FNR_E_INVALID, "there is no job %s to depend on; it may have been deleted", fnr_id_format(&parents->items[i].id, text));
		if (fnr_state_terminal(head.state) && head.state != FNR_STATE_COMPLETED)
			return fnr_fail(err, FNR_E_INVALID, "job %s, on which it would depend, is %s; run that one again first",
			                fnr_id_format(&head.id, text), fnr_state_name(head.state));
		if (head.flags & JOB_FLAG_TAKE_DELETED)
			return fnr_fail(err, FNR_E_INVALID, "what job %s, on which it would depend, made was deleted; run that one again first",
			                fnr_id_format(&head.id, text));
		*wait_r |= head.state != FNR_STATE_COMPLETED;
	}
	return FNR_OK;
}

/* The child has finished: nobody needs its parents any more on its account. */
/* A damaged record does not say whose child it is: every parent is asked. */
static int release_unknown(struct store_txn *txn, const struct fnr_id *child, struct fnr_error *err)
{
	struct key key = KEY_INIT;
	struct walk walk;
	int code = FNR_OK;
	bool found;

	do {
		found = false;
		for (bool on = walk_from(&walk, &txn->t, DB_CHILD, &key); on && !found; on = found || walk_next(&walk)) {
			struct fnr_id one = walk_id(&walk, sizeof one);

			key.len = 0;
			key_bytes(&key, walk.key.mv_data, walk.key.mv_size);
			found = fnr_id_compare(&one, child) == 0;
		}
		walk_end(&walk);
		if (found)
			code = env_delete(&txn->t, DB_CHILD, &key, err);
	} while (found && code == FNR_OK);
	return code;
}

int parents_release(struct store_txn *txn, const struct fnr_id *child, struct fnr_error *err)
{
	struct store_parents parents;
	int code = store_parents_get(txn, child, &parents);

	for (size_t i = 0; i < parents.count && code == FNR_OK; i++) {
		struct key key = child_key(&parents.items[i].id, child);

		code = env_delete(&txn->t, DB_CHILD, &key, err);
		if (code == FNR_E_NOT_FOUND)
			code = FNR_OK;
	}
	store_parents_free(&parents);
	if (code == FNR_E_CORRUPT)
		return release_unknown(txn, child, err);
	return code == FNR_E_NOT_FOUND ? FNR_OK : code;
}

int parents_delete(struct store_txn *txn, const struct fnr_id *child, struct fnr_error *err)
{
	struct key key = id_key(child);
	int code = env_delete(&txn->t, DB_PARENT, &key, err);

	return code == FNR_E_NOT_FOUND ? FNR_OK : code;
}

size_t store_children(struct store_txn *txn, const struct fnr_id *parent, const struct fnr_id *after, struct fnr_id *children_r, size_t limit)
{
	struct key prefix = id_key(parent), from = child_key(parent, after ? after : &FNR_ID_NONE);
	struct walk walk;
	size_t count = 0;

	for (bool on = walk_from(&walk, &txn->t, DB_CHILD, &from); on && count < limit && walk_in(&walk, &prefix); on = walk_next(&walk)) {
		struct fnr_id child = walk_id(&walk, sizeof child);

		if (!after || fnr_id_compare(&child, after) > 0)
			children_r[count++] = child;
	}
	walk_end(&walk);
	return count;
}
