/* What records look like, by their sub-database: enough to tell that one was damaged. What they say, and whether it fits the rest,
 * is looked at in check.c, as are those that are not here. */
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "store/internal.h"

enum value { EMPTY, JSON, JSON_OR_EMPTY, AFTER_8, AFTER_TEXT, SIZED, TIMES, VERSIONED, TEXT, BYTE_TEXT };

/* Lengths of the key (most 0: whatever LMDB takes), what the value is, and of what size: the very size, a multiple of it, or at least
 * so much that begins with a version of at most `version`. AFTER_…: JSON behind 8 bytes, or behind a text and its 0. BYTE_TEXT: a text
 * that ends with 0, behind a byte. */
struct shape { enum store_db db; size_t key_least, key_most; enum value value; size_t size; uint8_t version; };

static const struct shape shapes[] = {
	{ DB_DUE, 25, 25, EMPTY, 0, 0 },
	{ DB_ATTEMPT, 18, 18, JSON, 0, 0 },
	{ DB_COMMAND, 8, 8, JSON, 0, 0 },
	{ DB_SHOT, 8, 8, SIZED, 8, 0 },
	{ DB_TAKE, 12, 12, JSON, 0, 0 },
	{ DB_TEMPLATE, 14, 0, VERSIONED, 34, 255 },
	{ DB_TEMPLATE_TEXT, 14, 0, BYTE_TEXT, 0, 1 },
	{ DB_DEPRECATION, 14, 0, JSON, 0, 0 },
	{ DB_BROKEN, 1, 0, AFTER_TEXT, 0, 0 },
	{ DB_PRESET, 1, 0, JSON, 0, 0 },
	{ DB_PRESET_VERSION, 6, 0, JSON_OR_EMPTY, 0, 0 },
	{ DB_PRESET_OWNER, 3, 0, EMPTY, 0, 0 },
	{ DB_KEY, 32, 32, JSON, 0, 0 },
	{ DB_ESTIMATE, 34, 0, VERSIONED, 18, 2 },
	{ DB_TOOK, 34, 0, JSON, 0, 0 },
	{ DB_SESSION, 32, 32, VERSIONED, 50, 1 },
	{ DB_REMOVAL, 16, 16, TEXT, 0, 0 },
	{ DB_DEAD, 24, 24, EMPTY, 0, 0 },
	{ DB_PROJECT, 4, 4, VERSIONED, 5, 2 },
	{ DB_QUEUE, 4, 4, VERSIONED, 10, 2 },
	{ DB_CHILD, 32, 32, EMPTY, 0, 0 },
	{ DB_STATISTIC, 10, 0, VERSIONED, 33, 1 },
	{ DB_DISCARD, 1, 0, EMPTY, 0, 0 },
	{ DB_THUMBNAIL, 32, 32, JSON, 0, 0 },
	{ DB_THUMBNAIL_DUE, 32, 32, VERSIONED, 4, 1 },
	{ DB_BACKEND, 1, 0, AFTER_8, 0, 0 },
	{ DB_SECRET, 1, 0, JSON, 0, 0 },
	{ DB_SUSPECT, 1, 0, SIZED, 9, 0 },
	{ DB_CONTENT, 48, 48, EMPTY, 0, 0 },
	{ DB_TAKE_USE, 28, 28, EMPTY, 0, 0 },
	{ DB_JOB_TAKES, 16, 16, TIMES, TAKE_PLACE_SIZE, 0 },
};

static bool is_json(const char *text, size_t len)
{
	struct json_object *object = fnr_json_parse_own(text, len, NULL);

	json_object_put(object);
	return object != NULL;
}

static bool is_json_after_text(const char *data, size_t len)
{
	const char *end = memchr(data, 0, len);

	return end && end + 1 < data + len && data[len - 1] == 0 && is_json(end + 1, (size_t)(data + len - end) - 2);
}

static bool is_text(const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)data[i] < ' ')
			return false;
	return fnr_utf8_valid(data, len);
}

static bool value_fits(const struct shape *shape, const char *data, size_t len)
{
	switch (shape->value) {
	case EMPTY: return len == 0;
	case JSON: return is_json(data, len);
	case JSON_OR_EMPTY: return len == 0 || is_json(data, len);
	case AFTER_8: return len > 8 && is_json(data + 8, len - 8);
	case AFTER_TEXT: return is_json_after_text(data, len);
	case SIZED: return len == shape->size;
	case TIMES: return len > 0 && len % shape->size == 0;
	case VERSIONED: return len >= shape->size && (uint8_t)data[0] <= shape->version;
	case TEXT: return is_text(data, len);
	case BYTE_TEXT: return len > 1 && (uint8_t)data[0] <= shape->version && data[len - 1] == 0;
	}
	return false;
}

static bool key_fits_shape(const struct shape *shape, size_t len)
{
	return len >= shape->key_least && (!shape->key_most || len <= shape->key_most);
}

static size_t count_misshapen(struct store_txn *txn, const struct shape *shape)
{
	struct walk walk;
	size_t count = 0;

	for (bool on = walk_from(&walk, &txn->t, shape->db, NULL); on; on = walk_next(&walk))
		count += !key_fits_shape(shape, walk.key.mv_size) || !value_fits(shape, walk.value.mv_data, walk.value.mv_size);
	if (walk.code != FNR_OK)
		count++;
	walk_end(&walk);
	return count;
}

/* Plain numbers, and the few others. Without the round nobody can say which requests were carried out. */
static size_t count_misshapen_meta(struct store_txn *txn)
{
	static const struct { const char *name; size_t least, most; } others[] = {
		{ META_HOT, sizeof(struct hot), sizeof(struct hot) }, { META_SECRET, 32, 32 }, { META_ROUND, 1, SIZE_MAX },
	};
	struct walk walk;
	size_t count = 0;

	for (bool on = walk_from(&walk, &txn->t, DB_META, NULL); on; on = walk_next(&walk)) {
		size_t least = 8, most = 8;

		for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
			if (walk.key.mv_size != strlen(others[i].name) || memcmp(walk.key.mv_data, others[i].name, walk.key.mv_size) != 0)
				continue;
			least = others[i].least;
			most = others[i].most;
		}
		count += walk.value.mv_size < least || walk.value.mv_size > most;
	}
	walk_end(&walk);
	return count;
}

void check_shapes(struct store_txn *txn, check_shapes_row *row, void *context)
{
	size_t count = count_misshapen_meta(txn);

	if (count)
		row(DB_META, count, context);
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
		count = count_misshapen(txn, &shapes[i]);
		if (count)
			row(shapes[i].db, count, context);
	}
}
