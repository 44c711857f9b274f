/* Quality presets with their versions and owners.
 *
 *   preset          key  id                      value  JSON text
 *   preset_version  key  id, 0, version u32      value  JSON text; empty for the last version of a preset that was deleted
 *   preset_owner    key  owner or "@", 0, id     value  (nothing)
 *
 * A version's number is never given to another content, not even to a preset of the same id that is made later: jobs say which
 * one they ran with.
 */
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

#define ID_MOST 67
#define BUILT_IN "@"      /* stands for the owner; no key has such an id */

static bool id_fits(const char *id)
{
	return id && id[0] && strlen(id) <= ID_MOST;
}

static struct key preset_key(const char *id)
{
	struct key key = KEY_INIT;

	key_text(&key, id);
	return key;
}

static struct key version_key(const char *id, uint32_t version)
{
	struct key key = preset_key(id);

	key_u8(&key, 0);
	key_u32(&key, version);
	return key;
}

static struct key versions_of(const char *id)
{
	struct key key = preset_key(id);

	key_u8(&key, 0);
	return key;
}

static struct key owner_key(const char *owner, const char *id)
{
	struct key key = preset_key(owner ? owner : BUILT_IN);

	key_u8(&key, 0);
	key_text(&key, id);
	return key;
}

/* Takes away the versions of `id` up to `last`. */
static int drop_versions(struct store_txn *txn, const char *id, uint32_t last, struct fnr_error *err)
{
	struct key prefix = versions_of(id), key;
	struct walk walk;
	uint32_t version;
	int code = FNR_OK;

	while (code == FNR_OK) {
		bool on = walk_from(&walk, &txn->t, DB_PRESET_VERSION, &prefix) && walk_in(&walk, &prefix);

		version = on ? (uint32_t)walk_key(&walk, prefix.len, 4) : 0;
		walk_end(&walk);
		if (!on || version > last)
			break;
		key = version_key(id, version);
		code = env_delete(&txn->t, DB_PRESET_VERSION, &key, err);
	}
	return code;
}

int store_preset_put(struct store_txn *txn, const struct store_preset *preset, struct fnr_error *err)
{
	struct key key, version, owner;
	int code;

	if (!id_fits(preset->id) || (preset->owner && strlen(preset->owner) > ID_MOST))
		return fnr_fail(err, FNR_E_INVALID, "a preset's id must have 1 to %d bytes", ID_MOST);
	key = preset_key(preset->id);
	version = version_key(preset->id, preset->version);
	code = env_put_text(&txn->t, DB_PRESET, &key, preset->json, err);
	if (code == FNR_OK)
		code = env_put_text(&txn->t, DB_PRESET_VERSION, &version, preset->json, err);
	if (code == FNR_OK && preset->version > STORE_PRESET_VERSIONS)
		code = drop_versions(txn, preset->id, preset->version - STORE_PRESET_VERSIONS, err);
	if (code != FNR_OK)
		return code;
	owner = owner_key(preset->owner, preset->id);
	return env_put(&txn->t, DB_PRESET_OWNER, &owner, "", 0, err);
}

int store_preset_delete(struct store_txn *txn, const char *id, const char *owner, struct fnr_error *err)
{
	struct key key, last, owned;
	uint32_t version;
	int code;

	if (!id_fits(id))
		return FNR_E_NOT_FOUND;
	key = preset_key(id);
	version = store_preset_last(txn, id);
	last = version_key(id, version);
	code = env_delete(&txn->t, DB_PRESET, &key, err);
	if (code == FNR_OK && version > 1)
		code = drop_versions(txn, id, version - 1, err);
	if (code == FNR_OK)
		code = env_put(&txn->t, DB_PRESET_VERSION, &last, "", 0, err);
	if (code != FNR_OK || (owner && strlen(owner) > ID_MOST))
		return code;
	owned = owner_key(owner, id);
	code = env_delete(&txn->t, DB_PRESET_OWNER, &owned, err);
	return code == FNR_E_NOT_FOUND ? FNR_OK : code;
}

int store_preset_get(struct store_txn *txn, const char *id, struct fnr_buf *json_r)
{
	struct key key;

	fnr_buf_reset(json_r);
	if (!id_fits(id))
		return FNR_E_NOT_FOUND;
	key = preset_key(id);
	return env_get_text(&txn->t, DB_PRESET, &key, json_r);
}

int store_preset_get_version(struct store_txn *txn, const char *id, uint32_t version, struct fnr_buf *json_r)
{
	struct key key;
	int code;

	fnr_buf_reset(json_r);
	if (!id_fits(id))
		return FNR_E_NOT_FOUND;
	key = version_key(id, version);
	code = env_get_text(&txn->t, DB_PRESET_VERSION, &key, json_r);
	return code == FNR_OK && json_r->len == 0 ? FNR_E_NOT_FOUND : code;
}

/* A cursor on the newest version of id. */
static bool newest(struct walk *walk, struct store_txn *txn, const struct key *prefix)
{
	struct key end = *prefix;

	end.data[end.len - 1] = 1;      /* behind all versions */
	return walk_before(walk, &txn->t, DB_PRESET_VERSION, &end) && walk_in(walk, prefix);
}

uint32_t store_preset_last(struct store_txn *txn, const char *id)
{
	struct key prefix;
	struct walk walk;
	uint32_t version;

	if (!id_fits(id))
		return 0;
	prefix = versions_of(id);
	version = newest(&walk, txn, &prefix) ? (uint32_t)walk_key(&walk, prefix.len, 4) : 0;
	walk_end(&walk);
	return version;
}

size_t store_presets_owned(struct store_txn *txn, const char *owner, store_id_row *row, void *context)
{
	struct key prefix = versions_of(owner ? owner : BUILT_IN);      /* the same form: a text and a 0 */
	char id[ID_MOST + 1];
	struct walk walk;
	size_t count = 0;

	for (bool on = walk_from(&walk, &txn->t, DB_PRESET_OWNER, &prefix); on && walk_in(&walk, &prefix); on = walk_next(&walk)) {
		size_t len = walk.key.mv_size - prefix.len;

		count++;
		if (!row || len > ID_MOST)
			continue;
		memcpy(id, (const char *)walk.key.mv_data + prefix.len, len);
		id[len] = 0;
		if (!row(id, context))
			break;
	}
	walk_end(&walk);
	return count;
}

size_t store_presets(struct store_txn *txn, const char *after, store_text_row *row, void *context)
{
	struct key from = KEY_INIT;
	char id[ID_MOST + 1];
	struct walk walk;
	size_t visited = 0;
	bool on;

	if (after && strlen(after) <= ID_MOST) {
		key_text(&from, after);
		key_u8(&from, 0);           /* the first behind it */
	}
	for (on = walk_from(&walk, &txn->t, DB_PRESET, from.len ? &from : NULL); on; on = walk_next(&walk)) {
		visited++;
		if (walk.key.mv_size > ID_MOST)
			continue;
		memcpy(id, walk.key.mv_data, walk.key.mv_size);
		id[walk.key.mv_size] = 0;
		if (!row(id, walk.value.mv_data, walk.value.mv_size, context))
			break;
	}
	walk_end(&walk);
	return visited;
}

size_t store_preset_versions(struct store_txn *txn, const char *id, store_preset_row *row, void *context)
{
	struct key prefix;
	struct walk walk;
	size_t visited = 0;

	if (!id_fits(id))
		return 0;
	prefix = versions_of(id);
	for (bool on = newest(&walk, txn, &prefix); on && walk_in(&walk, &prefix); on = walk_previous(&walk)) {
		visited++;
		if (walk.value.mv_size > 0 && !row((uint32_t)walk_key(&walk, prefix.len, 4), walk.value.mv_data, walk.value.mv_size, context))
			break;
	}
	walk_end(&walk);
	return visited;
}
