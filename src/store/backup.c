/* What backup and restore need of the store: the files that it names, and moving its numbers on. */
#include "base/json_pack.h"
#include "store/internal.h"

#define TAKE_MOST 900000000u      /* a take number has at most nine digits */

size_t store_uploads(struct store_txn *txn, store_upload_row *row, void *context)
{
	struct store_upload upload;
	struct walk walk;
	size_t visited = 0;

	for (bool on = walk_from(&walk, &txn->t, DB_UPLOAD, NULL); on; on = walk_next(&walk)) {
		if (upload_read(&walk.value, &upload) != FNR_OK)
			continue;
		visited++;
		upload.id = walk_id(&walk, 0);
		if (!row(&upload, context))
			break;
	}
	walk_end(&walk);
	return visited;
}

size_t store_definitions(struct store_txn *txn, store_definition_row *row, void *context)
{
	struct json_object *definition;
	struct walk walk;
	size_t visited = 0;

	for (bool on = walk_from(&walk, &txn->t, DB_DEFINITION, NULL); on; on = walk_next(&walk)) {
		if (walk.key.mv_size != 32)
			continue;
		visited++;
		definition = fnr_json_unpack(walk.value.mv_data, walk.value.mv_size, NULL);
		on = row(walk.key.mv_data, definition, context);
		json_object_put(definition);
		if (!on)
			break;
	}
	walk_end(&walk);
	return visited;
}

static uint32_t highest_take(struct store_txn *txn)
{
	uint32_t highest = (uint32_t)store_meta_get(txn, STORE_META_TAKES), counter, chosen;
	struct walk walk;

	for (bool on = walk_from(&walk, &txn->t, DB_SHOT, NULL); on; on = walk_next(&walk))
		if (shot_read(&walk.value, &counter, &chosen) && counter > highest)
			highest = counter;
	walk_end(&walk);
	return highest;
}

/* Numbers of takes are moved on for all shots at once, as there may have been shots that this store knows nothing of. */
int store_move_on(struct store_txn *txn, uint64_t events, uint32_t takes, struct fnr_error *err)
{
	uint32_t highest = highest_take(txn);
	struct hot hot;

	if (hot_get(txn, &hot) != FNR_OK)
		return fnr_fail(err, FNR_E_CORRUPT, "the store's counters cannot be read");
	if (hot.event >= EVENT_MOST - 1 || highest > TAKE_MOST || takes > TAKE_MOST - highest)
		return fnr_fail(err, FNR_E_INVALID, "there are no numbers left to move on to; give a smaller --takes");
	if (events > (EVENT_MOST - hot.event) / 2)
		events = (EVENT_MOST - hot.event) / 2;
	hot.event += events;
	if (hot_put(txn, &hot, err) != FNR_OK)
		return FNR_E_IO;
	return store_meta_put(txn, STORE_META_TAKES, highest + takes, err);
}
