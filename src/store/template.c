/* Templates with their definitions, API keys.
 *
 *   template    key  id, 0, major u32, minor u32, patch u32   value  digest (32), source text, 0
 *   definition  key  digest (32)                              value  JSON text
 *   key         key  SHA-256 of the API key (32)              value  JSON text
 *
 * Definitions stay when their template goes: a job or take may name the digest for as long as it lives.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "store/internal.h"

#define VERSION_SIZE 12
#define DIGEST_SIZE 32
#define ID_MOST 67

/* ---- templates ---- */

static struct key template_prefix(const char *id)
{
	struct key key = KEY_INIT;

	key_text(&key, id);
	key_u8(&key, 0);
	return key;
}

static struct key template_key(const char *id, struct store_version version)
{
	struct key key = template_prefix(id);

	key_u32(&key, version.major);
	key_u32(&key, version.minor);
	key_u32(&key, version.patch);
	return key;
}

int store_template_put(struct store_txn *txn, const char *id, struct store_version version, const uint8_t digest[32],
                       const char *source, const char *definition, struct fnr_error *err)
{
	struct key key, by_digest = hash_key(digest);
	struct fnr_buf *value = env_scratch(&txn->t);
	int code;

	if (!id || !id[0] || strlen(id) > ID_MOST)
		return fnr_fail(err, FNR_E_INVALID, "a template's id must have 1 to %d bytes", ID_MOST);
	key = template_key(id, version);
	fnr_buf_add(value, digest, DIGEST_SIZE);
	fnr_buf_add(value, source, strlen(source) + 1);
	code = env_put(&txn->t, DB_TEMPLATE, &key, value->data, value->len, err);
	return code == FNR_OK ? env_put_text(&txn->t, DB_DEFINITION, &by_digest, definition, err) : code;
}

int store_template_delete(struct store_txn *txn, const char *id, struct store_version version)
{
	struct key key;

	if (!id || !id[0] || strlen(id) > ID_MOST)
		return FNR_E_NOT_FOUND;
	key = template_key(id, version);
	return env_delete(&txn->t, DB_TEMPLATE, &key, NULL);
}

/* Calls row for the record; a record that cannot be read is passed over. */
static bool show_template(const struct walk *walk, store_template_row *row, void *context)
{
	const char *name = walk->key.mv_data, *source = (const char *)walk->value.mv_data + DIGEST_SIZE;
	size_t len = strnlen(name, walk->key.mv_size);
	struct store_version version;
	uint8_t digest[DIGEST_SIZE];

	if (walk->key.mv_size != len + 1 + VERSION_SIZE || walk->value.mv_size <= DIGEST_SIZE
	    || !memchr(source, 0, walk->value.mv_size - DIGEST_SIZE))
		return true;
	version.major = (uint32_t)walk_key(walk, len + 1, 4);
	version.minor = (uint32_t)walk_key(walk, len + 5, 4);
	version.patch = (uint32_t)walk_key(walk, len + 9, 4);
	memcpy(digest, walk->value.mv_data, sizeof digest);
	return row(name, version, digest, source, context);
}

size_t store_templates(struct store_txn *txn, const char *id, store_template_row *row, void *context)
{
	struct key prefix = KEY_INIT, end = KEY_INIT;
	struct walk walk;
	size_t visited = 0;
	bool on;

	if (id && (!id[0] || strlen(id) > ID_MOST))
		return 0;
	if (id) {
		prefix = end = template_prefix(id);
		end.data[end.len - 1] = 1;      /* behind all versions */
	}
	on = id ? walk_before(&walk, &txn->t, DB_TEMPLATE, &end) : walk_from(&walk, &txn->t, DB_TEMPLATE, NULL);
	for (; on && walk_in(&walk, &prefix); on = id ? walk_previous(&walk) : walk_next(&walk)) {
		visited++;
		if (!show_template(&walk, row, context))
			break;
	}
	walk_end(&walk);
	return visited;
}

int store_definition_get(struct store_txn *txn, const uint8_t digest[32], struct fnr_buf *json_r)
{
	struct key key = hash_key(digest);

	return env_get_text(&txn->t, DB_DEFINITION, &key, json_r);
}

/* ---- keys ---- */

int store_key_put(struct store_txn *txn, const uint8_t hash[32], const char *json, struct fnr_error *err)
{
	struct key key = hash_key(hash);

	return env_put_text(&txn->t, DB_KEY, &key, json, err);
}

int store_key_get(struct store_txn *txn, const uint8_t hash[32], struct fnr_buf *json_r)
{
	struct key key = hash_key(hash);

	return env_get_text(&txn->t, DB_KEY, &key, json_r);
}

/* The id is inside the text; keys are few. */
static void key_id_of(const struct walk *walk, char out[68])
{
	struct json_object *object = fnr_json_parse(walk->value.mv_data, walk->value.mv_size, NULL);
	const char *id = fnr_json_get_text(object, "id", "");

	out[0] = 0;
	if (strlen(id) <= ID_MOST)
		strcpy(out, id);
	json_object_put(object);
}

int store_key_find(struct store_txn *txn, const char *id, uint8_t hash_r[32])
{
	char found[ID_MOST + 1];
	struct walk walk;
	int code = FNR_E_NOT_FOUND;

	if (!id || !id[0])
		return code;
	for (bool on = walk_from(&walk, &txn->t, DB_KEY, NULL); on && code != FNR_OK; on = walk_next(&walk)) {
		key_id_of(&walk, found);
		if (strcmp(found, id) != 0 || walk.key.mv_size != DIGEST_SIZE)
			continue;
		memcpy(hash_r, walk.key.mv_data, DIGEST_SIZE);
		code = FNR_OK;
	}
	walk_end(&walk);
	return code;
}

int store_key_delete(struct store_txn *txn, const char *id)
{
	uint8_t hash[DIGEST_SIZE];
	int code = store_key_find(txn, id, hash);
	struct key key;

	if (code != FNR_OK)
		return code;
	key = hash_key(hash);
	session_delete_of_key(txn, hash);
	return env_delete(&txn->t, DB_KEY, &key, NULL);
}

size_t store_keys(struct store_txn *txn, store_text_row *row, void *context)
{
	char id[ID_MOST + 1];
	struct walk walk;
	size_t visited = 0;

	for (bool on = walk_from(&walk, &txn->t, DB_KEY, NULL); on; on = walk_next(&walk)) {
		visited++;
		key_id_of(&walk, id);
		if (!row(id, walk.value.mv_data, walk.value.mv_size, context))
			break;
	}
	walk_end(&walk);
	return visited;
}
