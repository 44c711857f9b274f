/* Checks of parsed files, and how their problems are put. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "registry/internal.h"

const char *const registry_categories[REGISTRY_CATEGORIES] = { "image", "video", "audio", "text", "generic" };
const char *const registry_tiers[REGISTRY_TIERS] = { "draft", "standard", "high", "ultra" };

const char *rules_below(char out[REGISTRY_PATH], const char *pointer, const char *name)
{
	fnr_text_copy(out, REGISTRY_PATH, pointer);
	fnr_json_pointer_add(out, REGISTRY_PATH, name);
	return out;
}

bool rules_among(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; text && i < count; i++)
		if (strcmp(list[i], text) == 0)
			return true;
	return false;
}

#define FIX 256
#define WORDS_BESIDE 8      /* so many are named beside the nearest */

/* "red, blue and green", as many as there is room for. */
static void add_words(struct fnr_buf *out, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (out->len + strlen(list[i]) + 8 > FIX) {
			fnr_buf_puts(out, ", …");
			return;
		}
		fnr_buf_printf(out, "%s%s", i == 0 ? "" : i + 1 == count ? " and " : ", ", list[i]);
	}
}

/* What an unknown name may have been meant to be, and which there are. */
static void fix_name(const char *name, const char *const *list, size_t count, char fix[FIX])
{
	const char *nearest = fnr_text_nearest(name, list, count);
	struct fnr_buf out = FNR_BUF_INIT;

	if (nearest)
		fnr_buf_printf(&out, "did you mean '%s'?", nearest);
	if (!nearest || count <= WORDS_BESIDE) {
		fnr_buf_puts(&out, nearest ? " There are " : "remove it; there are ");
		add_words(&out, list, count);
	}
	fnr_text_copy(fix, FIX, out.data);
	fnr_buf_free(&out);
}

void rules_only(struct json_object *object, const char *pointer, const char *const *list, size_t count, struct fnr_error *err)
{
	char at[REGISTRY_PATH], fix[FIX];

	json_object_object_foreach(object, name, value) {
		if (rules_among(name, list, count))
			continue;
		if (!value && strchr(name, ' '))
			fnr_text_copy(fix, sizeof fix, FNR_JSON_COMMA);
		else
			fix_name(name, list, count, fix);
		fnr_error_add(err, rules_below(at, pointer, name), "unknown_member", fix, "there is no member '%.64s' here", name);
	}
}

static const char *needed(enum json_type type)
{
	switch (type) {
	case json_type_object: return "an object";
	case json_type_array: return "a list";
	case json_type_boolean: return "true or false";
	case json_type_string: return "text";
	default: return "a number";
	}
}

struct json_object *rules_want(struct json_object *object, const char *pointer, const char *name, enum json_type type,
                               const char *fix, struct fnr_error *err)
{
	struct json_object *value = fnr_json_get(object, name);
	char at[REGISTRY_PATH], found[FNR_JSON_FOUND];

	if (!value || json_object_is_type(value, type))
		return value;
	fnr_error_add(err, rules_below(at, pointer, name), "type", fix, "'%s' must be %s, not %s", name, needed(type), fnr_json_found(value, found));
	return NULL;
}

void rules_text(struct json_object *object, const char *pointer, const char *name, enum rules_need need, size_t most,
                const char *const *list, size_t count, const char *fix, struct fnr_error *err)
{
	struct json_object *value = fnr_json_get(object, name);
	const char *text = fnr_json_get_text(object, name, NULL), *nearest;
	char at[REGISTRY_PATH], found[FNR_JSON_FOUND], own[FIX];

	rules_below(at, pointer, name);
	if (!value && need == RULES_OPTIONAL)
		return;
	if (value && !text) {
		fnr_error_add(err, at, "type", fix, "'%s' must be text, not %s", name, fnr_json_found(value, found));
	} else if (!text || (!*text && need == RULES_REQUIRED)) {
		fnr_error_add(err, at, "required", fix, text ? "'%s' is empty" : "'%s' is missing", name);
	} else if (fnr_utf8_length(text) > most) {
		fnr_error_add(err, at, "max_length", "shorten it", "'%s' has %zu characters; the most are %zu", name, fnr_utf8_length(text), most);
	} else if (list && !rules_among(text, list, count)) {
		nearest = fnr_text_nearest(text, list, count);
		snprintf(own, sizeof own, nearest ? "did you mean '%s'? Else %s" : "%.0s%s", nearest ? nearest : "", fix);
		fnr_error_add(err, at, "enum", own, "'%s' cannot be '%.64s'", name, text);
	}
}

void rules_number(struct json_object *object, const char *pointer, const struct rules_number *rule, struct fnr_error *err)
{
	struct json_object *value = fnr_json_get(object, rule->name);
	double number = json_object_get_double(value);
	char at[REGISTRY_PATH], fix[96], found[FNR_JSON_FOUND];

	if (!value)
		return;
	rules_below(at, pointer, rule->name);
	snprintf(fix, sizeof fix, "give a %snumber from %.15g to %.15g", rule->whole ? "whole " : "", rule->least, rule->most);
	if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double))
		fnr_error_add(err, at, "type", fix, "'%s' must be a number, not %s", rule->name, fnr_json_found(value, found));
	else if (number < rule->least || number > rule->most)
		fnr_error_add(err, at, "range", fix, "'%s' cannot be %.15g", rule->name, number);
	else if (rule->whole && floor(number) != number)
		fnr_error_add(err, at, "type", fix, "'%s' must be a whole number, not %.15g", rule->name, number);
}

void rules_numbers(struct json_object *object, const char *pointer, const struct rules_number *rules, size_t count, struct fnr_error *err)
{
	const char *names[16] = { NULL };

	for (size_t i = 0; i < count; i++)
		names[i] = rules[i].name;
	rules_only(object, pointer, names, count, err);
	for (size_t i = 0; i < count; i++)
		rules_number(object, pointer, &rules[i], err);
}
