/* Templates with their definitions, API keys.
 *
 *   template    key  id, 0, major u32, minor u32, patch u32   value  digest (32), source text, 0, card
 *   definition  key  digest (32)                              value  packed JSON (base/json_pack.h)
 *   template_text  key  as template                           value  u8 1 if YAML, else 0, text, 0
 *   deprecation key  as template                              value  JSON text
 *   broken      key  source; a long one is cut, and its SHA-256 put in place of the rest
 *                                                             value  source, 0, JSON text, 0
 *   key         key  SHA-256 of the API key (32)              value  JSON text
 *
 *   a card      texts category, backend, name, description; lists tags, capabilities: texts, then an empty one. Each ends with 0.
 *
 * A card is what lists and searches look at, so that they need not read ten times as much. Definitions stay when their template
 * goes: a job or take may name the digest for as long as it lives.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json_pack.h"
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

static void add_text(struct fnr_buf *card, const char *text)
{
	fnr_buf_add(card, text, strlen(text) + 1);
}

static void add_list(struct fnr_buf *card, struct json_object *list)
{
	size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *text = json_object_array_get_idx(list, i);

		if (json_object_is_type(text, json_type_string) && json_object_get_string_len(text))
			add_text(card, json_object_get_string(text));
	}
	add_text(card, "");
}

static int put_template(struct store_txn *txn, const struct key *key, const uint8_t digest[32], const char *source, struct json_object *definition,
                        struct fnr_error *err)
{
	struct fnr_buf *value = env_scratch(&txn->t);

	fnr_buf_add(value, digest, DIGEST_SIZE);
	add_text(value, source);
	add_text(value, fnr_json_get_text(definition, "category", ""));
	add_text(value, fnr_json_get_text(fnr_json_get(definition, "backend"), "type", ""));
	add_text(value, fnr_json_get_text(definition, "name", ""));
	add_text(value, fnr_json_get_text(definition, "description", ""));
	add_list(value, fnr_json_get(definition, "tags"));
	add_list(value, fnr_json_get(definition, "capabilities"));
	return env_put(&txn->t, DB_TEMPLATE, key, value->data, value->len, err);
}

static int put_definition(struct store_txn *txn, const uint8_t digest[32], struct json_object *definition, struct fnr_error *err)
{
	struct fnr_buf *value = env_scratch(&txn->t);
	struct key key = hash_key(digest);

	fnr_json_pack(value, definition);
	return env_put(&txn->t, DB_DEFINITION, &key, value->data, value->len, err);
}

int store_template_put(struct store_txn *txn, const char *id, struct store_version version, const uint8_t digest[32],
                       const char *source, struct json_object *definition, struct fnr_error *err)
{
	struct key key;
	int code;

	if (!id || !id[0] || strlen(id) > ID_MOST)
		return fnr_fail(err, FNR_E_INVALID, "a template's id must have 1 to %d bytes", ID_MOST);
	key = template_key(id, version);
	code = put_template(txn, &key, digest, source, definition, err);
	return code == FNR_OK ? put_definition(txn, digest, definition, err) : code;
}

int store_template_delete(struct store_txn *txn, const char *id, struct store_version version)
{
	struct key key;

	if (!id || !id[0] || strlen(id) > ID_MOST)
		return FNR_E_NOT_FOUND;
	key = template_key(id, version);
	env_delete(&txn->t, DB_TEMPLATE_TEXT, &key, NULL);
	env_delete(&txn->t, DB_DEPRECATION, &key, NULL);
	return env_delete(&txn->t, DB_TEMPLATE, &key, NULL);
}

int store_template_get(struct store_txn *txn, const char *id, struct store_version version, uint8_t digest_r[32], struct fnr_buf *source_r)
{
	struct key key;
	MDB_val value;
	int code;

	fnr_buf_reset(source_r);
	if (!id || !id[0] || strlen(id) > ID_MOST)
		return FNR_E_NOT_FOUND;
	key = template_key(id, version);
	code = env_get(&txn->t, DB_TEMPLATE, &key, &value);
	if (code != FNR_OK || value.mv_size <= DIGEST_SIZE)
		return FNR_E_NOT_FOUND;
	memcpy(digest_r, value.mv_data, DIGEST_SIZE);
	fnr_buf_add(source_r, (const char *)value.mv_data + DIGEST_SIZE, strnlen((const char *)value.mv_data + DIGEST_SIZE, value.mv_size - DIGEST_SIZE));
	return FNR_OK;
}

/* The record that a walk stands on. source and what follows it lie in the store. */
struct stored { const char *id, *source; struct store_version version; uint8_t digest[DIGEST_SIZE]; };

static bool read_template(const struct walk *walk, struct stored *stored)
{
	const char *source = (const char *)walk->value.mv_data + DIGEST_SIZE;
	size_t len = strnlen(walk->key.mv_data, walk->key.mv_size);

	if (walk->key.mv_size != len + 1 + VERSION_SIZE || walk->value.mv_size <= DIGEST_SIZE
	    || !memchr(source, 0, walk->value.mv_size - DIGEST_SIZE))
		return false;
	*stored = (struct stored){ .id = walk->key.mv_data, .source = source };
	stored->version.major = (uint32_t)walk_key(walk, len + 1, 4);
	stored->version.minor = (uint32_t)walk_key(walk, len + 5, 4);
	stored->version.patch = (uint32_t)walk_key(walk, len + 9, 4);
	memcpy(stored->digest, walk->value.mv_data, DIGEST_SIZE);
	return true;
}

/* Calls row for the record; a record that cannot be read is passed over. */
static bool show_template(const struct walk *walk, store_template_row *row, void *context)
{
	struct stored stored;

	return !read_template(walk, &stored) || row(stored.id, stored.version, stored.digest, stored.source, context);
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

/* ---- cards ---- */

/* The next text; "" where the record ends. */
static const char *next_text(const char **at, const char *end)
{
	const char *text = *at, *zero = *at < end ? memchr(*at, 0, (size_t)(end - *at)) : NULL;

	*at = zero ? zero + 1 : end;
	return zero ? text : "";
}

static const char *next_list(const char **at, const char *end)
{
	const char *list = *at;

	for (;;) {
		if (*at >= end || !memchr(*at, 0, (size_t)(end - *at)))
			return "";
		if (!*next_text(at, end))
			return list;
	}
}

static bool show_card(const struct walk *walk, store_card_row *row, void *context)
{
	const char *end = (const char *)walk->value.mv_data + walk->value.mv_size, *at;
	struct store_card card;
	struct stored stored;

	if (!read_template(walk, &stored))
		return true;
	at = stored.source + strlen(stored.source) + 1;
	card.category = next_text(&at, end);
	card.backend = next_text(&at, end);
	card.name = next_text(&at, end);
	card.description = next_text(&at, end);
	card.tags = next_list(&at, end);
	card.capabilities = next_list(&at, end);
	return row(stored.id, stored.version, stored.digest, &card, context);
}

void store_cards(struct store_txn *txn, const char *after, store_card_row *row, void *context)
{
	struct key key = KEY_INIT;
	struct walk walk;

	if (after && *after) {
		key_bytes(&key, after, strnlen(after, ID_MOST));
		key_u8(&key, 1);                /* behind all versions */
	}
	for (bool on = walk_from(&walk, &txn->t, DB_TEMPLATE, &key); on; on = walk_next(&walk))
		if (!show_card(&walk, row, context))
			break;
	walk_end(&walk);
}

/* ---- definitions ---- */

int store_definition_get(struct store_txn *txn, const uint8_t digest[32], struct json_object **definition_r, size_t *memory_r)
{
	struct key key = hash_key(digest);
	MDB_val value;
	int code = env_get(&txn->t, DB_DEFINITION, &key, &value);

	*definition_r = code == FNR_OK ? fnr_json_unpack(value.mv_data, value.mv_size, memory_r) : NULL;
	if (code != FNR_OK || json_object_is_type(*definition_r, json_type_object))
		return code;
	json_object_put(*definition_r);
	*definition_r = NULL;
	return FNR_E_CORRUPT;
}

/* ---- from schema version 2 ---- */

static struct key *all_keys(struct store_txn *txn, unsigned db, size_t *count_r)
{
	struct key *keys = fnr_alloc((env_entries(&txn->t, db) + 1) * sizeof *keys);
	struct walk walk;

	*count_r = 0;
	for (bool on = walk_from(&walk, &txn->t, db, NULL); on; on = walk_next(&walk)) {
		keys[*count_r] = (struct key)KEY_INIT;
		key_bytes(&keys[(*count_r)++], walk.key.mv_data, walk.key.mv_size);
	}
	walk_end(&walk);
	return keys;
}

/* Definitions were JSON text, with the schema of the inputs where these make it. One that cannot be read stays as it is. */
static int pack_definition(struct store_txn *txn, const struct key *key, struct fnr_error *err)
{
	struct json_object *definition;
	MDB_val value;
	int code = FNR_OK;

	if (key->len != DIGEST_SIZE || env_get(&txn->t, DB_DEFINITION, key, &value) != FNR_OK)
		return FNR_OK;
	definition = fnr_json_parse_own(value.mv_data, value.mv_size, NULL);
	if (json_object_is_type(definition, json_type_object)) {
		if (!fnr_json_get(definition, "input_form"))
			json_object_object_del(definition, "input_schema");
		code = put_definition(txn, key->data, definition, err);
	}
	json_object_put(definition);
	return code;
}

static int add_card(struct store_txn *txn, const struct key *key, struct fnr_error *err)
{
	struct json_object *definition;
	uint8_t digest[DIGEST_SIZE];
	char *source;
	MDB_val value;
	int code;

	if (env_get(&txn->t, DB_TEMPLATE, key, &value) != FNR_OK || value.mv_size <= DIGEST_SIZE)
		return FNR_OK;
	memcpy(digest, value.mv_data, DIGEST_SIZE);
	source = fnr_memdup0((const char *)value.mv_data + DIGEST_SIZE, value.mv_size - DIGEST_SIZE);
	store_definition_get(txn, digest, &definition, NULL);
	code = put_template(txn, key, digest, source, definition, err);
	json_object_put(definition);
	free(source);
	return code;
}

int templates_from_2(struct store_txn *txn, struct fnr_error *err)
{
	static const struct { unsigned db; int (*step)(struct store_txn *txn, const struct key *key, struct fnr_error *err); } steps[] = {
		{ DB_DEFINITION, pack_definition }, { DB_TEMPLATE, add_card } };
	int code = FNR_OK;

	for (size_t i = 0; i < 2 && code == FNR_OK; i++) {
		size_t count;
		struct key *keys = all_keys(txn, steps[i].db, &count);

		for (size_t k = 0; k < count && code == FNR_OK; k++)
			code = steps[i].step(txn, &keys[k], err);
		free(keys);
	}
	return code;
}

/* ---- what belongs to a version beside it ---- */

int store_template_text_put(struct store_txn *txn, const char *id, struct store_version version, bool yaml, const char *text, struct fnr_error *err)
{
	struct key key = template_key(id, version);
	struct fnr_buf *value = env_scratch(&txn->t);

	fnr_buf_add(value, yaml ? "\1" : "\0", 1);
	fnr_buf_add(value, text, strlen(text) + 1);
	return env_put(&txn->t, DB_TEMPLATE_TEXT, &key, value->data, value->len, err);
}

int store_template_text_get(struct store_txn *txn, const char *id, struct store_version version, bool *yaml_r, struct fnr_buf *text_r)
{
	struct key key;
	MDB_val value;

	fnr_buf_reset(text_r);
	if (!id || !id[0] || strlen(id) > ID_MOST)
		return FNR_E_NOT_FOUND;
	key = template_key(id, version);
	if (env_get(&txn->t, DB_TEMPLATE_TEXT, &key, &value) != FNR_OK || value.mv_size < 2)
		return FNR_E_NOT_FOUND;
	*yaml_r = *(const char *)value.mv_data == 1;
	fnr_buf_add(text_r, (const char *)value.mv_data + 1, value.mv_size - 2);
	return FNR_OK;
}

int store_deprecation_put(struct store_txn *txn, const char *id, struct store_version version, const char *json, struct fnr_error *err)
{
	struct key key = template_key(id, version);
	int code = json ? env_put_text(&txn->t, DB_DEPRECATION, &key, json, err) : env_delete(&txn->t, DB_DEPRECATION, &key, err);

	return !json && code == FNR_E_NOT_FOUND ? FNR_OK : code;
}

int store_deprecation_get(struct store_txn *txn, const char *id, struct store_version version, struct fnr_buf *json_r)
{
	struct key key;

	if (json_r)
		fnr_buf_reset(json_r);
	if (!id || !id[0] || strlen(id) > ID_MOST)
		return FNR_E_NOT_FOUND;
	key = template_key(id, version);
	if (!json_r)
		return env_has(&txn->t, DB_DEPRECATION, &key) ? FNR_OK : FNR_E_NOT_FOUND;
	return env_get_text(&txn->t, DB_DEPRECATION, &key, json_r);
}

/* ---- broken sources ---- */

#define SOURCE_KEY 200

static struct key source_key(const char *source)
{
	struct key key = KEY_INIT;
	size_t len = strlen(source);
	uint8_t sha[DIGEST_SIZE];

	key_bytes(&key, source, len < SOURCE_KEY ? len : SOURCE_KEY);
	if (len > SOURCE_KEY) {
		fnr_sha256_of(source, len, sha);
		key_bytes(&key, sha, sizeof sha);
	}
	return key;
}

int store_broken_put(struct store_txn *txn, const char *source, const char *json, struct fnr_error *err)
{
	struct key key;
	struct fnr_buf *value;
	int code;

	if (!source || !source[0])
		return fnr_fail(err, FNR_E_INVALID, "what is broken needs a source");
	key = source_key(source);
	if (!json) {
		code = env_delete(&txn->t, DB_BROKEN, &key, err);
		return code == FNR_E_NOT_FOUND ? FNR_OK : code;
	}
	value = env_scratch(&txn->t);
	fnr_buf_add(value, source, strlen(source) + 1);
	fnr_buf_add(value, json, strlen(json) + 1);
	return env_put(&txn->t, DB_BROKEN, &key, value->data, value->len, err);
}

/* The JSON text behind the source; NULL if the record cannot be read. */
static const char *broken_json(const MDB_val *value, size_t *len_r)
{
	const char *data = value->mv_data, *end = memchr(data, 0, value->mv_size);

	if (!end || data + value->mv_size - end < 2)
		return NULL;
	*len_r = (size_t)(data + value->mv_size - end) - 2;
	return end + 1;
}

int store_broken_get(struct store_txn *txn, const char *source, struct fnr_buf *json_r)
{
	struct key key;
	const char *json;
	MDB_val value;
	size_t len;

	fnr_buf_reset(json_r);
	if (!source || !source[0])
		return FNR_E_NOT_FOUND;
	key = source_key(source);
	if (env_get(&txn->t, DB_BROKEN, &key, &value) != FNR_OK || !(json = broken_json(&value, &len)))
		return FNR_E_NOT_FOUND;
	fnr_buf_add(json_r, json, len);
	return FNR_OK;
}

size_t store_broken(struct store_txn *txn, const char *after, store_broken_row *row, void *context)
{
	struct key key = KEY_INIT;
	struct walk walk;
	size_t visited = 0, len;

	if (after && *after) {
		key = source_key(after);
		key_u8(&key, 0);
	}
	for (bool on = walk_from(&walk, &txn->t, DB_BROKEN, &key); on; on = walk_next(&walk)) {
		const char *json = broken_json(&walk.value, &len);

		visited++;
		if (json && !row(walk.value.mv_data, json, len, context))
			break;
	}
	walk_end(&walk);
	return visited;
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
