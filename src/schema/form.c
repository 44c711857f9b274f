/* The short form itself: whether it is sound, and what it is as JSON Schema. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "schema/internal.h"
#include "schema/pattern.h"

static const char *const type_names[T_COUNT] = { "string", "integer", "number", "boolean", "file", "array", "object", "any" };

/* The members of a short form: for which types, of what kind, and what they are called in JSON Schema (NULL: they are
 * written by hand below). */
#define FOR(type) (1u << (type))
#define ALL (FOR(T_COUNT) - 1)
#define NUMBERS (FOR(T_INTEGER) | FOR(T_NUMBER))
enum member_kind { M_TEXT, M_FLAG, M_LENGTH, M_NUMBER, M_LIST, M_OBJECT, M_ANY };
static const struct member { const char *name; unsigned types; enum member_kind kind; const char *keyword; } members[] = {
	{ "type", ALL, M_TEXT, NULL },
	{ "required", ALL, M_FLAG, NULL },
	{ "default", ALL & ~FOR(T_FILE), M_ANY, "default" },
	{ "enum", ALL & ~FOR(T_FILE), M_LIST, "enum" },
	{ "label", ALL, M_TEXT, "title" },
	{ "description", ALL, M_TEXT, "description" },
	{ "group", ALL, M_TEXT, "x-group" },
	{ "unit", ALL, M_TEXT, "x-unit" },
	{ "order", ALL, M_NUMBER, "x-order" },
	{ "control", ALL, M_TEXT, "x-control" },
	{ "min", NUMBERS, M_NUMBER, "minimum" },
	{ "max", NUMBERS, M_NUMBER, "maximum" },
	{ "exclusive_min", NUMBERS, M_NUMBER, "exclusiveMinimum" },
	{ "exclusive_max", NUMBERS, M_NUMBER, "exclusiveMaximum" },
	{ "min_length", FOR(T_STRING), M_LENGTH, "minLength" },
	{ "max_length", FOR(T_STRING), M_LENGTH, "maxLength" },
	{ "pattern", FOR(T_STRING), M_TEXT, "pattern" },
	{ "format", FOR(T_STRING), M_TEXT, "format" },
	{ "choices", FOR(T_STRING), M_TEXT, "x-choices" },
	{ "media", FOR(T_FILE), M_LIST, "x-media" },
	{ "items", FOR(T_ARRAY), M_OBJECT, NULL },
	{ "min_items", FOR(T_ARRAY), M_LENGTH, "minItems" },
	{ "max_items", FOR(T_ARRAY), M_LENGTH, "maxItems" },
};
#define MEMBERS (sizeof members / sizeof members[0])

static const char *const kind_names[] = {
	[M_TEXT] = "text", [M_FLAG] = "true or false", [M_LENGTH] = "a whole number, at least 0", [M_NUMBER] = "a number",
	[M_LIST] = "a list with at least one value", [M_OBJECT] = "an object", [M_ANY] = "a value",
};

static const char *const kind_fixes[] = {
	[M_TEXT] = "write text, in quotes if need be", [M_FLAG] = "write true or false, without quotes", [M_LENGTH] = "write a whole number, like 100",
	[M_NUMBER] = "write a number, without quotes and unit", [M_LIST] = "write a list in brackets, like [first, second]",
	[M_OBJECT] = "write it like {type: string}", [M_ANY] = "give it a value",
};

enum input_type input_type_of(struct json_object *input)
{
	const char *text = fnr_json_get_text(input, "type", "");
	int i = 0;

	while (i < T_COUNT && strcmp(type_names[i], text) != 0)
		i++;
	return (enum input_type)i;
}

const char *input_type_name(enum input_type type)
{
	return type < T_COUNT ? type_names[type] : "unknown";
}

const char *input_below(char out[INPUT_POINTER], const char *pointer, const char *name)
{
	fnr_text_copy(out, INPUT_POINTER, pointer);
	fnr_json_pointer_add(out, INPUT_POINTER, name);
	return out;
}

const char *input_below_index(char out[INPUT_POINTER], const char *pointer, size_t index)
{
	char text[24];

	snprintf(text, sizeof text, "%zu", index);
	return input_below(out, pointer, text);
}

/* ---- is it sound? ---- */

static bool kind_fits(struct json_object *value, enum member_kind kind)
{
	switch (kind) {
	case M_TEXT: return json_object_is_type(value, json_type_string);
	case M_FLAG: return json_object_is_type(value, json_type_boolean);
	case M_LENGTH: return json_object_is_type(value, json_type_int) && json_object_get_int64(value) >= 0;
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

static void unknown_member(const char *name, struct json_object *value, const char *place, struct fnr_error *err)
{
	const char *names[MEMBERS], *nearest;
	char fix[96] = "remove it";

	for (size_t i = 0; i < MEMBERS; i++)
		names[i] = members[i].name;
	nearest = fnr_text_nearest(name, names, MEMBERS);
	for (size_t i = 0; i < MEMBERS; i++)
		if (members[i].keyword && strcmp(members[i].keyword, name) == 0)
			nearest = members[i].name;
	if (!value && strchr(name, ' '))
		fnr_text_copy(fix, sizeof fix, FNR_JSON_COMMA);
	else if (nearest)
		snprintf(fix, sizeof fix, "did you mean '%s'?", nearest);
	fnr_error_add(err, place, "unknown_member", fix, "an input has no member '%.64s'", name);
}

/* "max" of a text: what has its meaning for that type. NULL: nothing has. */
static const char *for_type(const char *name, enum input_type type)
{
	static const char *const same[][3] = { { "min", "min_length", "min_items" }, { "max", "max_length", "max_items" } };

	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < 3; j++)
			for (size_t k = 0; strcmp(same[i][j], name) == 0 && k < 3; k++)
				if (find_member(same[i][k])->types & FOR(type))
					return same[i][k];
	return NULL;
}

static void wrong_for_type(const char *name, enum input_type type, const char *place, struct fnr_error *err)
{
	const char *other = for_type(name, type);
	char fix[96] = "remove it";

	if (other)
		snprintf(fix, sizeof fix, "for this type it is '%s'", other);
	fnr_error_add(err, place, "unknown_member", fix, "'%s' does not apply to type %s", name, type_names[type]);
}

static void check_member(const char *name, struct json_object *value, enum input_type type, const char *pointer, struct fnr_error *err)
{
	const struct member *member = find_member(name);
	char place[INPUT_POINTER], found[FNR_JSON_FOUND];

	input_below(place, pointer, name);
	if (!member) {
		unknown_member(name, value, place, err);
	} else if (!(member->types & FOR(type))) {
		wrong_for_type(name, type, place, err);
	} else if (!kind_fits(value, member->kind)) {
		fnr_error_add(err, place, "type", kind_fixes[member->kind], "'%s' must be %s, not %s", name, kind_names[member->kind], fnr_json_found(value, found));
	}
}

static void check_bounds(struct json_object *input, const char *least, const char *most, const char *pointer, struct fnr_error *err)
{
	char place[INPUT_POINTER];

	if (fnr_json_get(input, least) && fnr_json_get(input, most) && fnr_json_get_real(input, least, 0) > fnr_json_get_real(input, most, 0))
		fnr_error_add(err, input_below(place, pointer, least), "range", "exchange or correct the two", "'%s' is larger than '%s'", least, most);
}

#define LONG_TEXT 120      /* from so many characters on a text has a larger field, as on the page (web/fields.js) */
#define CONTROLS "text, textarea, number, slider, toggle, select, color, file, list or json"
static const char *const controls[] = { "text", "textarea", "number", "slider", "toggle", "select", "color", "file", "list", "json" };

static void check_control(struct json_object *input, const char *pointer, struct fnr_error *err)
{
	const char *control = fnr_json_get_text(input, "control", NULL);
	char place[INPUT_POINTER];

	for (size_t i = 0; control && i < sizeof controls / sizeof controls[0]; i++)
		if (strcmp(controls[i], control) == 0)
			return;
	if (control)
		fnr_error_add(err, input_below(place, pointer, "control"), "enum", "use " CONTROLS, "there is no control '%.64s'", control);
}

static const char *text_control(struct json_object *input)
{
	if (fnr_json_get(input, "format"))
		return "color";
	return fnr_json_get_int(input, "max_length", INT64_MAX) > LONG_TEXT ? "textarea" : "text";
}

const char *input_control(struct json_object *input)
{
	const char *control = fnr_json_get_text(input, "control", NULL);

	if (control)
		return control;
	if (fnr_json_get(input, "enum"))
		return "select";
	switch (input_type_of(input)) {
	case T_STRING: return text_control(input);
	case T_INTEGER:
	case T_NUMBER: return fnr_json_get(input, "min") && fnr_json_get(input, "max") ? "slider" : "number";
	case T_BOOLEAN: return "toggle";
	case T_FILE: return "file";
	case T_ARRAY: return "list";
	default: return "json";
	}
}

static void check_texts(struct json_object *input, const char *pointer, struct fnr_error *err)
{
	const char *pattern = fnr_json_get_text(input, "pattern", NULL), *format = fnr_json_get_text(input, "format", NULL);
	char place[INPUT_POINTER], why[192];

	if (format && strcmp(format, "color") != 0)
		fnr_error_add(err, input_below(place, pointer, "format"), "enum", "use color, or leave it out", "there is no format '%.64s'", format);
	if (pattern && !pattern_sound(pattern, why, sizeof why))
		fnr_error_add(err, input_below(place, pointer, "pattern"), "pattern", "correct the regular expression",
		              "the pattern cannot be used: %s", why);
}

/* "type/subtype", where the subtype may be a star */
static bool media_sound(struct json_object *value)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789.+-";
	const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
	size_t type = strspn(text, allowed), rest;

	if (type == 0 || text[type] != '/')
		return false;
	rest = strlen(text + type + 1);
	return strcmp(text + type + 1, "*") == 0 || (rest > 0 && strspn(text + type + 1, allowed) == rest);
}

static void check_media(struct json_object *list, const char *pointer, struct fnr_error *err)
{
	char place[INPUT_POINTER], item[INPUT_POINTER];

	input_below(place, pointer, "media");
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (!media_sound(json_object_array_get_idx(list, i)))
			fnr_error_add(err, input_below_index(item, place, i), "media", "write it like image/png or image/*, in lower case",
			              "%.80s is not a media type", fnr_json_text(json_object_array_get_idx(list, i), NULL));
}

static void check_items(struct json_object *items, const char *pointer, struct fnr_error *err)
{
	static const char *const of_the_whole[] = { "required", "default" };
	char place[INPUT_POINTER], member[INPUT_POINTER];

	input_check_form(items, input_below(place, pointer, "items"), err);
	for (size_t i = 0; i < 2; i++)
		if (json_object_object_get_ex(items, of_the_whole[i], NULL))
			fnr_error_add(err, input_below(member, place, of_the_whole[i]), "unknown_member", "remove it, or give it to the array itself",
			              "'%s' does not apply to the items of an array", of_the_whole[i]);
}

/* The default and the values of an enum have to fit what the rest says. */
static void check_own_values(struct json_object *input, const char *pointer, struct fnr_error *err)
{
	struct json_object *list = fnr_json_get(input, "enum"), *value = fnr_json_get(input, "default"), *bare;
	char place[INPUT_POINTER], item[INPUT_POINTER];

	if (value)
		input_check_value(input, value, input_below(place, pointer, "default"), err);
	if (!list)
		return;
	bare = fnr_json_copy(input);
	json_object_object_del(bare, "enum");
	input_below(place, pointer, "enum");
	for (size_t i = 0; i < json_object_array_length(list) && !input_errors_full(err); i++)
		input_check_value(bare, json_object_array_get_idx(list, i), input_below_index(item, place, i), err);
	json_object_put(bare);
}

/* What the type is called here: that of JSON Schema, of programs. */
static const char *type_meant(const char *text)
{
	static const char *const others[][2] = {
		{ "int", "integer" }, { "long", "integer" }, { "float", "number" }, { "double", "number" }, { "real", "number" }, { "text", "string" },
		{ "list", "array" }, { "dict", "object" }, { "map", "object" }, { "image", "file" }, { "video", "file" }, { "audio", "file" }, { "enum", "string" },
		{ "date", "string" }, { "time", "string" }, { "datetime", "string" }, { "color", "string' with format: 'color" }, { "colour", "string' with format: 'color" },
	};

	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (strcasecmp(others[i][0], text) == 0)
			return others[i][1];
	return fnr_text_nearest(text, type_names, T_COUNT);
}

static void unknown_type(struct json_object *type, const char *place, struct fnr_error *err)
{
	const char *text = json_object_is_type(type, json_type_string) ? json_object_get_string(type) : NULL, *meant = text ? type_meant(text) : NULL;
	char fix[160] = "use " INPUT_TYPES, found[FNR_JSON_FOUND];

	if (meant)
		snprintf(fix, sizeof fix, "did you mean '%s'? Else use " INPUT_TYPES, meant);
	if (!type)
		fnr_error_add(err, place, "required", fix, "the type is missing");
	else
		fnr_error_add(err, place, "enum", fix, "the type cannot be %s", fnr_json_found(type, found));
}

static void check_form(struct json_object *input, const char *pointer, struct fnr_error *err)
{
	enum input_type type = input_type_of(input);
	char place[INPUT_POINTER], found[FNR_JSON_FOUND];

	if (!json_object_is_type(input, json_type_object)) {
		fnr_error_add(err, pointer, "type", "write it like {type: string}", "an input must be an object, not %s", fnr_json_found(input, found));
		return;
	}
	if (type == T_COUNT) {
		unknown_type(fnr_json_get(input, "type"), input_below(place, pointer, "type"), err);
		return;
	}
	json_object_object_foreach(input, name, value)
		check_member(name, value, type, pointer, err);
	check_bounds(input, "min", "max", pointer, err);
	check_bounds(input, "exclusive_min", "exclusive_max", pointer, err);
	check_bounds(input, "min_length", "max_length", pointer, err);
	check_bounds(input, "min_items", "max_items", pointer, err);
	check_texts(input, pointer, err);
	check_control(input, pointer, err);
	if (type == T_FILE && json_object_is_type(fnr_json_get(input, "media"), json_type_array))
		check_media(fnr_json_get(input, "media"), pointer, err);
	if (type == T_ARRAY && json_object_is_type(fnr_json_get(input, "items"), json_type_object))
		check_items(fnr_json_get(input, "items"), pointer, err);
	if (err->code == FNR_OK)
		check_own_values(input, pointer, err);
}

bool input_check_form(struct json_object *input, const char *pointer, struct fnr_error *err)
{
	struct fnr_error own = FNR_ERROR_INIT;

	check_form(input, pointer, &own);
	return fnr_error_move(err, &own) == FNR_OK;
}

/* ---- as JSON Schema ---- */

#define COLOR_PATTERN "^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$"

/* A pattern that comes with the type; the input's own one stands beside it. */
static void add_pattern(struct json_object *schema, const char *pattern)
{
	struct json_object *all, *one;

	if (!fnr_json_get(schema, "pattern")) {
		fnr_json_set_text(schema, "pattern", pattern);
		return;
	}
	all = json_object_new_array();
	one = json_object_new_object();
	fnr_json_set_text(one, "pattern", pattern);
	json_object_array_add(all, one);
	fnr_json_set(schema, "allOf", all);
}

static struct json_object *schema_of(struct json_object *input, bool in_list)
{
	struct json_object *schema = json_object_new_object(), *items = fnr_json_get(input, "items");
	enum input_type type = input_type_of(input);

	if (type != T_ANY)
		fnr_json_set_text(schema, "type", type == T_FILE ? "string" : type_names[type]);
	for (size_t i = 0; i < MEMBERS; i++) {
		struct json_object *value = fnr_json_get(input, members[i].name);

		if (value && members[i].keyword)
			fnr_json_set(schema, members[i].keyword, fnr_json_copy(value));
	}
	if (type == T_FILE) {
		fnr_json_set_text(schema, "format", "file");
		add_pattern(schema, in_list ? "^(upload|takes?|job|data|https?):" : "^(upload|take|job|data|https?):");
	} else if (fnr_json_get(input, "format")) {
		add_pattern(schema, COLOR_PATTERN);
	}
	if (items)
		fnr_json_set(schema, "items", schema_of(items, true));
	return schema;
}

struct json_object *inputs_schema(struct json_object *inputs)
{
	struct json_object *schema = json_object_new_object(), *properties = json_object_new_object(), *required = json_object_new_array();

	if (json_object_is_type(inputs, json_type_object)) {
		json_object_object_foreach(inputs, name, input) {
			fnr_json_set(properties, name, schema_of(input, false));
			if (fnr_json_get_bool(input, "required", false))
				json_object_array_add(required, json_object_new_string(name));
		}
	}
	fnr_json_set_text(schema, "$schema", "https://json-schema.org/draft/2020-12/schema");
	fnr_json_set_text(schema, "type", "object");
	fnr_json_set(schema, "properties", properties);
	fnr_json_set(schema, "required", required);
	fnr_json_set_bool(schema, "additionalProperties", false);
	return schema;
}

/* ---- from JSON Schema ---- */

/* The one type, null aside, or NULL. */
static const char *type_in(struct json_object *property)
{
	struct json_object *type = fnr_json_get(property, "type");
	const char *found = NULL;

	if (json_object_is_type(type, json_type_string))
		return json_object_get_string(type);
	for (size_t i = 0; json_object_is_type(type, json_type_array) && i < json_object_array_length(type); i++) {
		const char *one = json_object_get_string(json_object_array_get_idx(type, i));

		if (strcmp(one, "null") == 0)
			continue;
		if (found)
			return NULL;
		found = one;
	}
	return found;
}

static bool is_file(struct json_object *property)
{
	return fnr_json_get(property, "x-media") || strcmp(fnr_json_get_text(property, "format", ""), "file") == 0;
}

static struct json_object *bare_input(struct json_object *property, const char *type)
{
	static const char *const texts[][2] = { { "title", "label" }, { "description", "description" }, { "x-group", "group" }, { "x-unit", "unit" } };
	struct json_object *input = json_object_new_object();

	fnr_json_set_text(input, "type", type);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (json_object_is_type(fnr_json_get(property, texts[i][0]), json_type_string))
			fnr_json_set(input, texts[i][1], json_object_get(fnr_json_get(property, texts[i][0])));
	return input;
}

struct json_object *input_from_schema(struct json_object *property)
{
	const char *type = is_file(property) ? "file" : type_in(property);
	struct json_object *input = bare_input(property, type ? type : "any"), *items = fnr_json_get(property, "items"), *of_items;
	enum input_type known = input_type_of(input);

	for (size_t i = 0; i < MEMBERS && known < T_COUNT; i++) {
		struct json_object *value = members[i].keyword ? fnr_json_get(property, members[i].keyword) : NULL;

		if (value && (members[i].types & FOR(known)) && strcmp(members[i].name, "format") != 0)
			fnr_json_set(input, members[i].name, json_object_get(value));
	}
	if (known == T_ARRAY && json_object_is_type(items, json_type_object)) {
		of_items = input_from_schema(items);
		json_object_object_del(of_items, "default");
		fnr_json_set(input, "items", of_items);
	}
	if (input_check_form(input, "", NULL))
		return input;
	json_object_put(input);
	return bare_input(property, "any");
}
