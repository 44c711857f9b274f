#include "config.h"

#include "backends/gradio_partial.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"

#define EDITS_MOST 2000            /* in one answer; of real apps there are a few */
#define TEXT_MOST (4u << 20)       /* that is appended to: of a text that grows the end is shown */

/* Where an edit goes: the value itself, or a member of an object, or a place in a list. */
struct place {
	struct json_object *parent;
	const char *key;               /* of an object; NULL: a list */
	size_t index;
};

/* An index of a list with `count` items; negative ones count from the end. */
static bool index_of(struct json_object *element, size_t count, size_t *index_r)
{
	if (!json_object_is_type(element, json_type_int))
		return false;
	int64_t index = json_object_get_int64(element);
	if (index < 0)
		index += (int64_t)count;
	*index_r = (size_t)index;
	return index >= 0 && (size_t)index <= count;
}

static bool place_of(struct json_object *parent, struct json_object *element, struct place *place)
{
	place->parent = parent;
	place->key = NULL;
	if (json_object_is_type(parent, json_type_object) && json_object_is_type(element, json_type_string))
		return (place->key = json_object_get_string(element)) != NULL;
	return json_object_is_type(parent, json_type_array) && index_of(element, json_object_array_length(parent), &place->index);
}

/* True if there is something at the place; it may be null. */
static bool place_read(const struct place *place, struct json_object **value_r)
{
	if (place->key != NULL)
		return json_object_object_get_ex(place->parent, place->key, value_r);
	*value_r = json_object_array_get_idx(place->parent, place->index);
	return place->index < json_object_array_length(place->parent);
}

static bool place_write(const struct place *place, struct json_object *value)
{
	if (place->key != NULL)
		fnr_json_set(place->parent, place->key, value);
	else
		FNR_MUST(json_object_array_put_idx(place->parent, place->index, value) == 0);
	return true;
}

/* Follows all of the path but its last element. */
static bool walk(struct json_object *value, struct json_object *path, struct place *place)
{
	size_t count = json_object_array_length(path);
	for (size_t i = 0; i + 1 < count; i++)
		if (!place_of(value, json_object_array_get_idx(path, i), place) || !place_read(place, &value))
			return false;
	return place_of(value, json_object_array_get_idx(path, count - 1), place);
}

/* NULL if they are not both texts, or too long. */
static struct json_object *joined(struct json_object *left, struct json_object *right)
{
	if (!json_object_is_type(left, json_type_string) || !json_object_is_type(right, json_type_string) ||
	    (size_t)json_object_get_string_len(left) + (size_t)json_object_get_string_len(right) > TEXT_MOST)
		return NULL;
	struct fnr_buf text = FNR_BUF_INIT;
	fnr_buf_add(&text, json_object_get_string(left), (size_t)json_object_get_string_len(left));
	fnr_buf_add(&text, json_object_get_string(right), (size_t)json_object_get_string_len(right));
	struct json_object *value = json_object_new_string_len(text.data, (int)text.len);
	fnr_buf_free(&text);
	return value;
}

static bool edit_replace(const struct place *place, struct json_object *value)
{
	struct json_object *old;
	return place_read(place, &old) && place_write(place, json_object_get(value));
}

static bool edit_append(const struct place *place, struct json_object *value)
{
	struct json_object *old = NULL, *text = place_read(place, &old) ? joined(old, value) : NULL;
	return text != NULL && place_write(place, text);
}

static bool edit_add(const struct place *place, struct json_object *value)
{
	if (place->key != NULL)
		return place_write(place, json_object_get(value));
	size_t at = json_object_array_length(place->parent);
	FNR_MUST(json_object_array_add(place->parent, NULL) == 0);
	for (; at > place->index; at--)
		json_object_array_put_idx(place->parent, at, json_object_get(json_object_array_get_idx(place->parent, at - 1)));
	return place_write(place, json_object_get(value));
}

static bool edit_delete(const struct place *place, struct json_object *value)
{
	struct json_object *old;
	if (!place_read(place, &old))
		return false;
	if (place->key != NULL)
		json_object_object_del(place->parent, place->key);
	else
		json_object_array_del_idx(place->parent, place->index, 1);
	return true;
}

static const struct { const char *name; bool (*apply)(const struct place *place, struct json_object *value); } actions[] = {
	{ "replace", edit_replace }, { "append", edit_append }, { "add", edit_add }, { "delete", edit_delete },
};

/* An edit of the value itself. */
static bool edit_whole(struct json_object **value, const char *action, struct json_object *new_value)
{
	bool append = strcmp(action, "append") == 0;
	struct json_object *made = append ? joined(*value, new_value) : json_object_get(new_value);
	if (append ? made == NULL : strcmp(action, "replace") != 0) {
		json_object_put(made);
		return false;
	}
	json_object_put(*value);
	*value = made;
	return true;
}

static struct json_object *path_of(struct json_object *edit)
{
	struct json_object *path = json_object_is_type(edit, json_type_array) ? json_object_array_get_idx(edit, 1) : NULL;
	return json_object_is_type(path, json_type_array) ? path : NULL;
}

static const char *action_of(struct json_object *edit)
{
	struct json_object *action = json_object_array_get_idx(edit, 0);
	return json_object_is_type(action, json_type_string) ? json_object_get_string(action) : "";
}

static bool edit_apply(struct json_object **value, struct json_object *edit)
{
	struct json_object *path = path_of(edit), *new_value;
	struct place place;
	if (path == NULL)
		return false;
	new_value = json_object_array_get_idx(edit, 2);
	if (json_object_array_length(path) == 0)
		return edit_whole(value, action_of(edit), new_value);
	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
		if (strcmp(actions[i].name, action_of(edit)) == 0)
			return walk(*value, path, &place) && actions[i].apply(&place, new_value);
	return false;
}

/* Does the edit remove from the same list as the one before it? */
static bool same_list(struct json_object *edit, struct json_object *before)
{
	struct json_object *path = path_of(edit), *other = path_of(before);
	if (path == NULL || other == NULL || strcmp(action_of(edit), "delete") != 0 || strcmp(action_of(before), "delete") != 0)
		return false;
	size_t count = json_object_array_length(path);
	if (count == 0 || count != json_object_array_length(other))
		return false;
	for (size_t i = 0; i + 1 < count; i++)
		if (!json_object_equal(json_object_array_get_idx(path, i), json_object_array_get_idx(other, i)))
			return false;
	return json_object_is_type(json_object_array_get_idx(path, count - 1), json_type_int);
}

bool gradio_edits_apply(struct json_object **value, struct json_object *edits, bool from_back)
{
	size_t count = json_object_is_type(edits, json_type_array) ? json_object_array_length(edits) : 0, end;
	for (size_t i = 0; i < count; i = end) {
		end = i + 1;
		while (from_back && end < count && same_list(json_object_array_get_idx(edits, end), json_object_array_get_idx(edits, end - 1)))
			end++;
		for (size_t at = end; at-- > i;)
			if (!edit_apply(value, json_object_array_get_idx(edits, at)))
				return false;
	}
	return json_object_is_type(edits, json_type_array);
}

static bool too_many(const struct gradio_partial *partial, struct json_object *data)
{
	size_t edits = 0;
	for (size_t i = 0; i < json_object_array_length(data); i++) {
		struct json_object *list = json_object_array_get_idx(data, i);
		edits += json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	}
	return edits > EDITS_MOST || partial->told > GRADIO_PARTIAL_MOST;
}

static bool take_edits(struct gradio_partial *partial, struct json_object *data, bool from_back)
{
	if (too_many(partial, data))
		return false;
	for (size_t i = 0; i < json_object_array_length(data); i++) {
		struct json_object *value = NULL;
		if (i < json_object_array_length(partial->values))
			value = json_object_get(json_object_array_get_idx(partial->values, i));
		bool fits = gradio_edits_apply(&value, json_object_array_get_idx(data, i), from_back);
		FNR_MUST(json_object_array_put_idx(partial->values, i, value) == 0);
		if (!fits)
			return false;
	}
	return true;
}

bool gradio_partial_take(struct gradio_partial *partial, struct json_object *data, bool diffs, bool from_back)
{
	if (!json_object_is_type(data, json_type_array) || partial->spoilt)
		return false;
	if (partial->values != NULL && diffs) {
		partial->spoilt = !take_edits(partial, data, from_back);
		if (partial->spoilt)
			gradio_partial_free(partial);
		return !partial->spoilt;
	}
	json_object_put(partial->values);
	partial->values = json_object_get(data);
	partial->told = 0;
	return true;
}

void gradio_partial_free(struct gradio_partial *partial)
{
	json_object_put(partial->values);
	partial->values = NULL;
}
