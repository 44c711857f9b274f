/* Folders of attempts that came to nothing, until they are gone.
 *
 *   key    path of the folder, below the data directory
 *   value  nothing
 */
#include <string.h>

#include "store/internal.h"

_Static_assert(STORE_DISCARD_PATH <= sizeof((struct key *)NULL)->data, "a path does not fit a key");

static bool path_key(const char *path, struct key *key_r)
{
	*key_r = (struct key)KEY_INIT;
	if (!path[0] || strlen(path) >= STORE_DISCARD_PATH)
		return false;
	key_text(key_r, path);
	return true;
}

int store_discard_add(struct store_txn *txn, const char *path, struct fnr_error *err)
{
	struct key key;

	if (!path_key(path, &key))
		return fnr_fail(err, FNR_E_INVALID, "'%s' cannot be a folder to discard", path);
	return env_put(&txn->t, DB_DISCARD, &key, "", 0, err);
}

int store_discard_done(struct store_txn *txn, const char *path, struct fnr_error *err)
{
	struct key key;
	int code = path_key(path, &key) ? env_delete(&txn->t, DB_DISCARD, &key, err) : FNR_E_NOT_FOUND;

	return code == FNR_E_NOT_FOUND ? FNR_OK : code;
}

size_t store_discards(struct store_txn *txn, store_discard_row *row, void *context)
{
	struct walk walk;
	size_t count = 0;

	for (bool on = walk_from(&walk, &txn->t, DB_DISCARD, NULL); on; on = walk_next(&walk)) {
		char path[STORE_DISCARD_PATH];

		if (walk.key.mv_size >= sizeof path)
			continue;
		memcpy(path, walk.key.mv_data, walk.key.mv_size);
		path[walk.key.mv_size] = 0;
		count++;
		row(path, context);
	}
	walk_end(&walk);
	return count;
}
