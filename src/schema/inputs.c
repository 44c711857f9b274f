#define PCRE2_CODE_UNIT_WIDTH 8
#include "schema/inputs.h"

#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

#define POINTER 512
#define NAMES_MOST 256
#define MATCH_LIMIT 100000

enum type { T_STRING, T_INTEGER, T_NUMBER, T_BOOLEAN, T_FILE, T_ARRAY, T_OBJECT, T_ANY, T_COUNT };
static const char *const type_names[T_COUNT] = { "string", "integer", "number", "boolean", "file", "array", "object", "any" };

/* Which members a short form may have: for which types, and of what JSON type. */
#define FOR(type) (1u << (type))
#define ALL (~0u)
enum member_kind { M_TEXT, M_FLAG, M_COUNT_, M_NUMBER, M_LIST, M_OBJECT, M_ANY };
static const struct member { const char *name; unsigned types; enum member_kind kind; } members[] = {
	{ "type", ALL, M_TEXT }, { "required", ALL, M_FLAG }, { "default", ALL, M_ANY }, { "enum", ALL, M_LIST },
	{ "label", ALL, M_TEXT }, { "description", ALL, M_TEXT }, { "group", ALL, M_TEXT }, { "unit", ALL, M_TEXT },
	{ "min", FOR(T_INTEGER) | FOR(T_NUMBER), M_NUMBER }, { "max", FOR(T_INTEGER) | FOR(T_NUMBER), M_NUMBER },
	{ "min_length", FOR(T_STRING), M_COUNT_ }, { "max_length", FOR(T_STRING), M_COUNT_ },
	{ "pattern", FOR(T_STRING), M_TEXT }, { "format", FOR(T_STRING), M_TEXT }, { "media", FOR(T_FILE), M_LIST },
	{ "items", FOR(T_ARRAY), M_OBJECT }, { "min_items", FOR(T_ARRAY), M_COUNT_ }, { "max_items", FOR(T_ARRAY), M_COUNT_ },
};
#define MEMBERS (sizeof members / sizeof members[0])

static int type_of(struct json_object *input)
{
	const char *text = fnr_json_get_text(input, "type", "");

	for (int i = 0; i < T_COUNT; i++)
		if (strcmp(type_names[i], text) == 0)
			return i;
	return -1;
}

static const char *below(char out[POINTER], const char *pointer, const char *name)
{
	fnr_text_copy(out, POINTER, pointer);
	fnr_json_pointer_add(out, POINTER, name);
	return out;
}

/* ---- is the short form sound? ---- */

static bool kind_fits(struct json_object *value, enum member_kind kind)
{
	switch (kind) {
	case M_TEXT: return json_object_is_type(value, json_type_string);
	case M_FLAG: return json_object_is_type(value, json_type_boolean);
	case M_COUNT_: return json_object_is_type(value, json_type_int) && json_object_get_int64(value) >= 0;
	case M_NUMBER: return json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);
	case M_LIST: return json_object_is_type(value, json_type_array) && json_object_array_length(value) > 0;
	case M_OBJECT: return json_object_is_type(value, json_type_object);
	case M_ANY: return true;
	}
	return false;
}

static const struct member *find_member(const char *name)
{
	for (size_t i = 0; i < MEMBERS; i++)
		if (strcmp(members[i].name, name) == 0)
			return &members[i];
	return NULL;
}

static const char *nearest_member(const char *name)
{
	const char *names[MEMBERS];

	for (size_t i = 0; i < MEMBERS; i++)
		names[i] = members[i].name;
	return fnr_text_nearest(name, names, MEMBERS);
}

static void check_member(const char *name, struct json_object *value, int type, const char *pointer, struct fnr_error *err)
{
	const struct member *member = find_member(name);
	char place[POINTER];

	below(place, pointer, name);
	if (!member)
		fnr_error_add(err, place, "unknown_member", nearest_member(name), "an input has no member '%s'", name);
	else if (!(member->types & FOR(type)))
		fnr_error_add(err, place, "unknown_member", "remove it", "'%s' does not apply to type %s", name, type_names[type]);
	else if (!kind_fits(value, member->kind))
		fnr_error_add(err, place, "type", NULL, "'%s' has a value of the wrong type", name);
}

static void check_bounds(struct json_object *input, const char *least, const char *most, const char *pointer, struct fnr_error *err)
{
	char place[POINTER];

	if (fnr_json_get(input, least) && fnr_json_get(input, most) && fnr_json_get_real(input, least, 0) > fnr_json_get_real(input, most, 0))
		fnr_error_add(err, below(place, pointer, least), "range", NULL, "'%s' is larger than '%s'", least, most);
}

static pcre2_code *compile(const char *pattern, char *message, size_t size)
{
	int code;
	size_t offset;
	pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &code, &offset, NULL);

	if (!compiled)
		pcre2_get_error_message(code, (PCRE2_UCHAR *)message, size);
	return compiled;
}

static void check_pattern(struct json_object *input, const char *pointer, struct fnr_error *err)
{
	const char *pattern = fnr_json_get_text(input, "pattern", NULL), *format = fnr_json_get_text(input, "format", NULL);
	char place[POINTER], message[128];
	pcre2_code *compiled;

	if (format && strcmp(format, "color") != 0)
		fnr_error_add(err, below(place, pointer, "format"), "enum", "use color, or leave it out", "there is no format '%s'", format);
	if (!pattern)
		return;
	compiled = compile(pattern, message, sizeof message);
	if (!compiled)
		fnr_error_add(err, below(place, pointer, "pattern"), "pattern", NULL, "the pattern cannot be read: %s", message);
	pcre2_code_free(compiled);
}

static void check_examples_of_form(struct json_object *input, const char *pointer, struct fnr_error *err)
{
	struct json_object *list = fnr_json_get(input, "enum"), *value = fnr_json_get(input, "default"), *bare;
	char place[POINTER];

	if (value)
		input_check_value(input, value, below(place, pointer, "default"), err);
	if (!list)
		return;
	bare = fnr_json_copy(input);
	json_object_object_del(bare, "enum");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		char index[24], item[POINTER];

		snprintf(index, sizeof index, "%zu", i);
		below(place, pointer, "enum");
		input_check_value(bare, json_object_array_get_idx(list, i), below(item, place, index), err);
	}
	json_object_put(bare);
}

void input_check_form(struct json_object *input, const char *pointer, struct fnr_error *err)
{
	struct fnr_error own = FNR_ERROR_INIT;
	const char *text;
	char place[POINTER];
	int type;

	if (!json_object_is_type(input, json_type_object)) {
		fnr_error_add(err, pointer, "type", "write it like {type: string}", "an input must be an object");
		return;
	}
	type = type_of(input);
	text = fnr_json_get_text(input, "type", NULL);
	if (type < 0) {
		fnr_error_add(err, below(place, pointer, "type"), text ? "enum" : "required",
		              "use string, integer, number, boolean, file, array, object or any", text ? "there is no type '%s'" : "the type is missing%s",
		              text ? text : "");
		return;
	}
	json_object_object_foreach(input, name, value)
		check_member(name, value, type, pointer, &own);
	check_bounds(input, "min", "max", pointer, &own);
	check_bounds(input, "min_length", "max_length", pointer, &own);
	check_bounds(input, "min_items", "max_items", pointer, &own);
	check_pattern(input, pointer, &own);
	if (type == T_ARRAY && fnr_json_get(input, "items"))
		input_check_form(fnr_json_get(input, "items"), below(place, pointer, "items"), &own);
	if (own.code == FNR_OK)
		check_examples_of_form(input, pointer, &own);
	for (size_t i = 0; own.errors && i < json_object_array_length(own.errors); i++) {
		struct json_object *entry = json_object_array_get_idx(own.errors, i);

		fnr_error_add(err, fnr_json_get_text(entry, "pointer", ""), fnr_json_get_text(entry, "rule", ""), fnr_json_get_text(entry, "fix", NULL),
		              "%s", fnr_json_get_text(entry, "message", ""));
	}
	fnr_error_clear(&own);
}

/* ---- as JSON Schema ---- */

static void copy_as(struct json_object *to, const char *to_name, struct json_object *from, const char *name)
{
	struct json_object *value = fnr_json_get(from, name);

	if (value)
		fnr_json_set(to, to_name, fnr_json_copy(value));
}

static struct json_object *schema_of(struct json_object *input)
{
	static const char *const pairs[][2] = {
		{ "default", "default" }, { "enum", "enum" }, { "min", "minimum" }, { "max", "maximum" }, { "min_length", "minLength" },
		{ "max_length", "maxLength" }, { "pattern", "pattern" }, { "min_items", "minItems" }, { "max_items", "maxItems" },
		{ "label", "title" }, { "description", "description" },
	};
	struct json_object *schema = json_object_new_object(), *items = fnr_json_get(input, "items");
	int type = type_of(input);

	if (type == T_FILE) {
		fnr_json_set_text(schema, "type", "string");
		fnr_json_set_text(schema, "format", "file");
		copy_as(schema, "x-media", input, "media");
	} else if (type != T_ANY) {
		fnr_json_set_text(schema, "type", type_names[type]);
	}
	if (fnr_json_get(input, "format")) {
		copy_as(schema, "format", input, "format");
		fnr_json_set_text(schema, "pattern", "^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$");
	}
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
		copy_as(schema, pairs[i][1], input, pairs[i][0]);
	if (items)
		fnr_json_set(schema, "items", schema_of(items));
	return schema;
}

struct json_object *inputs_schema(struct json_object *inputs)
{
	struct json_object *schema = json_object_new_object(), *properties = json_object_new_object(), *required = json_object_new_array();

	json_object_object_foreach(inputs, name, input) {
		fnr_json_set(properties, name, schema_of(input));
		if (fnr_json_get_bool(input, "required", false))
			json_object_array_add(required, json_object_new_string(name));
	}
	fnr_json_set_text(schema, "$schema", "https://json-schema.org/draft/2020-12/schema");
	fnr_json_set_text(schema, "type", "object");
	fnr_json_set(schema, "properties", properties);
	fnr_json_set(schema, "required", required);
	fnr_json_set_bool(schema, "additionalProperties", false);
	return schema;
}

/* ---- does a value fit? ---- */

static const char *type_found(struct json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_null: return "null";
	case json_type_boolean: return "true or false";
	case json_type_int: return "a whole number";
	case json_type_double: return "a number";
	case json_type_string: return "text";
	case json_type_array: return "a list";
	case json_type_object: return "an object";
	}
	return "something else";
}

static bool is_whole(struct json_object *value)
{
	double number = json_object_get_double(value);

	return json_object_is_type(value, json_type_int) ||
	       (json_object_is_type(value, json_type_double) && number == (double)(int64_t)number);
}

static bool type_fits(int type, struct json_object *value)
{
	switch (type) {
	case T_STRING: case T_FILE: return json_object_is_type(value, json_type_string);
	case T_INTEGER: return is_whole(value);
	case T_NUMBER: return json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);
	case T_BOOLEAN: return json_object_is_type(value, json_type_boolean);
	case T_ARRAY: return json_object_is_type(value, json_type_array);
	case T_OBJECT: return json_object_is_type(value, json_type_object);
	default: return true;
	}
}

static void check_number(struct json_object *input, struct json_object *value, const char *pointer, struct fnr_error *err)
{
	double number = json_object_get_double(value), least = fnr_json_get_real(input, "min", number), most = fnr_json_get_real(input, "max", number);
	char fix[96];

	if (number < least) {
		snprintf(fix, sizeof fix, "use at least %.15g", least);
		fnr_error_add(err, pointer, "min", fix, "%.15g is too small", number);
	} else if (number > most) {
		snprintf(fix, sizeof fix, "use at most %.15g", most);
		fnr_error_add(err, pointer, "max", fix, "%.15g is too large", number);
	}
}

static bool color_valid(const char *text)
{
	size_t len = strlen(text);

	return text[0] == '#' && (len == 4 || len == 7 || len == 9) && strspn(text + 1, "0123456789abcdefABCDEF") == len - 1;
}

static void check_match(const char *pattern, const char *text, const char *pointer, struct fnr_error *err)
{
	pcre2_code *compiled = compile(pattern, (char[128]){ 0 }, 128);
	pcre2_match_context *context;
	pcre2_match_data *data;
	int result;

	if (!compiled)
		return;
	context = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(context, MATCH_LIMIT);
	data = pcre2_match_data_create_from_pattern(compiled, NULL);
	result = pcre2_match(compiled, (PCRE2_SPTR)text, strlen(text), 0, 0, data, context);
	if (result == PCRE2_ERROR_NOMATCH)
		fnr_error_add(err, pointer, "pattern", "give text that matches it", "the text does not match the pattern %s", pattern);
	else if (result < 0)
		fnr_error_add(err, pointer, "pattern", "use shorter text", "the text is too hard to match with the pattern %s", pattern);
	pcre2_match_data_free(data);
	pcre2_match_context_free(context);
	pcre2_code_free(compiled);
}

static void check_count(struct json_object *input, const char *least_name, const char *most_name, size_t count, const char *unit,
                        const char *pointer, struct fnr_error *err)
{
	int64_t least = fnr_json_get_int(input, least_name, 0), most = fnr_json_get_int(input, most_name, INT64_MAX);
	char fix[96];

	if ((int64_t)count < least) {
		snprintf(fix, sizeof fix, "give at least %lld %s", (long long)least, unit);
		fnr_error_add(err, pointer, least_name, fix, "%zu %s are too few", count, unit);
	} else if ((int64_t)count > most) {
		snprintf(fix, sizeof fix, "give at most %lld %s", (long long)most, unit);
		fnr_error_add(err, pointer, most_name, fix, "%zu %s are too many", count, unit);
	}
}

static void check_string(struct json_object *input, struct json_object *value, const char *pointer, struct fnr_error *err)
{
	const char *text = json_object_get_string(value), *format = fnr_json_get_text(input, "format", NULL);
	const char *pattern = fnr_json_get_text(input, "pattern", NULL);

	check_count(input, "min_length", "max_length", fnr_utf8_length(text), "characters", pointer, err);
	if (format && !color_valid(text))
		fnr_error_add(err, pointer, "format", "write it like #1a2b3c", "'%.40s' is not a colour", text);
	if (pattern)
		check_match(pattern, text, pointer, err);
}

static void check_file(struct json_object *value, const char *pointer, struct fnr_error *err)
{
	const char *text = json_object_get_string(value);

	if (strncmp(text, "upload:", 7) != 0 && strncmp(text, "take:", 5) != 0)
		fnr_error_add(err, pointer, "file", "upload it first and give \"upload:<id>\", or name a take's file: \"take:<project>/<shot>/<n>/<file>\"",
		              "'%.60s' is not a reference to a file", text);
}

static void check_enum(struct json_object *list, struct json_object *value, const char *pointer, struct fnr_error *err)
{
	const char *names[NAMES_MOST];
	struct fnr_buf fix = FNR_BUF_INIT;
	size_t count = 0;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);

		if (json_object_equal(item, value)) {
			fnr_buf_free(&fix);
			return;
		}
		if (count < NAMES_MOST && json_object_is_type(item, json_type_string))
			names[count++] = json_object_get_string(item);
		fnr_buf_printf(&fix, "%s%s", i ? ", " : "use one of ", fnr_json_text(item, NULL));
	}
	if (json_object_is_type(value, json_type_string) && fnr_text_nearest(json_object_get_string(value), names, count))
		fnr_buf_printf(&fix, "; did you mean '%s'?", fnr_text_nearest(json_object_get_string(value), names, count));
	fnr_error_add(err, pointer, "enum", fix.data, "%.80s is not one of the values", fnr_json_text(value, NULL));
	fnr_buf_free(&fix);
}

static void check_array(struct json_object *input, struct json_object *value, const char *pointer, struct fnr_error *err)
{
	struct json_object *items = fnr_json_get(input, "items");
	char place[POINTER], index[24];

	check_count(input, "min_items", "max_items", json_object_array_length(value), "items", pointer, err);
	for (size_t i = 0; items && i < json_object_array_length(value); i++) {
		snprintf(index, sizeof index, "%zu", i);
		input_check_value(items, json_object_array_get_idx(value, i), below(place, pointer, index), err);
	}
}

void input_check_value(struct json_object *input, struct json_object *value, const char *pointer, struct fnr_error *err)
{
	int type = type_of(input);
	char fix[64];

	if (!type_fits(type, value)) {
		snprintf(fix, sizeof fix, "give a value of type %s", type_names[type]);
		fnr_error_add(err, pointer, "type", fix, "%s was given where %s is needed", type_found(value), type_names[type]);
		return;
	}
	if (fnr_json_get(input, "enum"))
		check_enum(fnr_json_get(input, "enum"), value, pointer, err);
	if (type == T_INTEGER || type == T_NUMBER)
		check_number(input, value, pointer, err);
	else if (type == T_STRING)
		check_string(input, value, pointer, err);
	else if (type == T_FILE)
		check_file(value, pointer, err);
	else if (type == T_ARRAY)
		check_array(input, value, pointer, err);
}

void inputs_check_values(struct json_object *inputs, struct json_object *values, const char *pointer, struct fnr_error *err)
{
	const char *names[NAMES_MOST];
	char place[POINTER], fix[96];
	size_t count = 0;

	json_object_object_foreach(inputs, name, input) {
		struct json_object *value = fnr_json_get(values, name);

		if (count < NAMES_MOST)
			names[count++] = name;
		if (value)
			input_check_value(input, value, below(place, pointer, name), err);
		else if (fnr_json_get_bool(input, "required", false))
			fnr_error_add(err, below(place, pointer, name), "required", "give it a value", "the input '%s' is missing", name);
	}
	if (!values)
		return;
	json_object_object_foreach(values, given, unused) {
		const char *nearest;

		(void)unused;
		if (json_object_object_get_ex(inputs, given, NULL))
			continue;
		nearest = fnr_text_nearest(given, names, count);
		snprintf(fix, sizeof fix, nearest ? "did you mean '%.64s'?" : "remove it%.0s", nearest ? nearest : "");
		fnr_error_add(err, below(place, pointer, given), "unknown_input", fix, "there is no input '%.64s'", given);
	}
}
