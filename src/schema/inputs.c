/* Values of inputs in short form: whether they fit, and which files they name. The forms are not compiled to JSON Schema for
 * that: they know files and what is not given, and their rules have their own names; but numbers, values and patterns are
 * compared by the same code. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/text.h"
#include "schema/effort.h"
#include "schema/internal.h"
#include "schema/number.h"
#include "schema/pattern.h"
#include "schema/schema.h"
#include "schema/value.h"

#define INTEGER_MOST 9007199254740991.0   /* 2^53-1, as everywhere */
#define VALUES_NAMED 20                   /* of an enum, in one report */

bool input_errors_full(const struct fnr_error *err)
{
	return err && err->errors && json_object_array_length(err->errors) >= INPUTS_ERRORS;
}

/* Foreign text for a message, cut between characters. */
static const char *shown(char out[64], const char *text)
{
	fnr_text_copy(out, 64, text);
	return out;
}

/* ---- types ---- */

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

/* Of those that a job can be given: JSON Schema has larger ones too. */
static bool is_whole(struct json_object *value)
{
	return value_kind(value) == KIND_INTEGER && fabs(json_object_get_double(value)) <= INTEGER_MOST;
}

static bool type_fits(enum input_type type, struct json_object *value)
{
	switch (type) {
	case T_STRING: case T_FILE: return json_object_is_type(value, json_type_string);
	case T_INTEGER: return is_whole(value);
	case T_NUMBER: return value_kind(value) & (KIND_INTEGER | KIND_NUMBER);
	case T_BOOLEAN: return json_object_is_type(value, json_type_boolean);
	case T_ARRAY: return json_object_is_type(value, json_type_array);
	case T_OBJECT: return json_object_is_type(value, json_type_object);
	case T_ANY: case T_COUNT: return true;
	}
	return true;
}

/* ---- numbers ---- */

static void check_number(struct json_object *input, struct json_object *value, const char *pointer, struct fnr_error *err)
{
	static const struct { const char *name, *fix, *found; int sign; bool exclusive; } bounds[] = {
		{ "min", "use at least %s", "%s is too small", -1, false }, { "max", "use at most %s", "%s is too large", 1, false },
		{ "exclusive_min", "use more than %s", "%s is too small", -1, true }, { "exclusive_max", "use less than %s", "%s is too large", 1, true },
	};
	for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
		struct json_object *bound = fnr_json_get(input, bounds[i].name);
		int beyond = bound ? number_compare(value, bound) * bounds[i].sign : -1;
		char fix[96];

		if (beyond < 0 || (beyond == 0 && !bounds[i].exclusive))
			continue;
		snprintf(fix, sizeof fix, bounds[i].fix, fnr_json_text(bound, NULL));
		fnr_error_add(err, pointer, bounds[i].name, fix, bounds[i].found, fnr_json_text(value, NULL));
	}
}

/* ---- texts and lists ---- */

static void check_count(struct json_object *input, const char *least_name, const char *most_name, size_t count, const char *one,
                        const char *many, const char *pointer, struct fnr_error *err)
{
	int64_t least = fnr_json_get_int(input, least_name, 0), most = fnr_json_get_int(input, most_name, INT64_MAX);
	char fix[96];

	if ((int64_t)count < least) {
		snprintf(fix, sizeof fix, "give at least %lld %s", (long long)least, least == 1 ? one : many);
		fnr_error_add(err, pointer, least_name, fix, "%zu %s: too few", count, count == 1 ? one : many);
	} else if ((int64_t)count > most) {
		snprintf(fix, sizeof fix, "give at most %lld %s", (long long)most, most == 1 ? one : many);
		fnr_error_add(err, pointer, most_name, fix, "%zu %s: too many", count, count == 1 ? one : many);
	}
}

static bool color_valid(const char *text)
{
	size_t len = strlen(text);

	return text[0] == '#' && (len == 4 || len == 7 || len == 9) && strspn(text + 1, "0123456789abcdefABCDEF") == len - 1;
}

static void check_pattern(const char *pattern, const char *text, size_t len, const char *pointer, struct fnr_error *err)
{
	char cut[64];

	switch (pattern_match(pattern, text, len)) {
	case PATTERN_FITS:
		break;
	case PATTERN_DIFFERS:
		fnr_error_add(err, pointer, "pattern", "give text that matches it", "'%s' does not match the pattern %.300s", shown(cut, text), pattern);
		break;
	case PATTERN_TOO_HARD:
		fnr_error_add(err, pointer, "pattern", "use shorter text", "the text is too hard to match with the pattern %.300s", pattern);
		break;
	}
}

static void check_string(struct json_object *input, struct json_object *value, const char *pointer, struct fnr_error *err)
{
	const char *text = json_object_get_string(value), *format = fnr_json_get_text(input, "format", NULL);
	const char *pattern = fnr_json_get_text(input, "pattern", NULL);
	char cut[64];

	if (fnr_json_get(input, "min_length") || fnr_json_get(input, "max_length"))
		check_count(input, "min_length", "max_length", fnr_utf8_length(text), "character", "characters", pointer, err);
	if (format && !color_valid(text))
		fnr_error_add(err, pointer, "format", "write it like #1a2b3c", "'%s' is not a colour", shown(cut, text));
	if (pattern)
		check_pattern(pattern, text, (size_t)json_object_get_string_len(value), pointer, err);
}

/* Nothing can be said of it any more; that is said once. */
static void too_much(const char *pointer, struct fnr_error *err)
{
	size_t count = err && err->errors ? json_object_array_length(err->errors) : 0;

	if (count == 0 || strcmp(fnr_json_get_text(json_object_array_get_idx(err->errors, count - 1), "rule", ""), "limit") != 0)
		fnr_error_add(err, pointer, "limit", "make it smaller or simpler", "this cannot be checked: it takes too many steps");
}

/* True as well if it cannot be known, which was said then. */
static bool is_in(struct json_object *list, struct json_object *value, const char *pointer, struct fnr_error *err)
{
	size_t length = json_object_array_length(list), at = 0;
	int64_t lent = effort_lend(), steps = lent;

	while (at < length && steps > 0 && !value_equal(json_object_array_get_idx(list, at), value, &steps))
		at++;
	effort_return(lent, steps);
	if (steps <= 0)
		too_much(pointer, err);
	return at < length;
}

static void check_enum(struct json_object *list, struct json_object *value, const char *pointer, struct fnr_error *err)
{
	const char *names[INPUTS_MOST], *nearest = NULL;
	struct fnr_buf fix = FNR_BUF_INIT;
	size_t count = 0, length = json_object_array_length(list);
	char cut[64];

	if (is_in(list, value, pointer, err))
		return;
	for (size_t i = 0; i < length; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);

		if (count < INPUTS_MOST && json_object_is_type(item, json_type_string))
			names[count++] = json_object_get_string(item);
		if (i < VALUES_NAMED)
			fnr_buf_printf(&fix, "%s%s", i ? ", " : "use one of ", shown(cut, fnr_json_text(item, NULL)));
	}
	if (length > VALUES_NAMED)
		fnr_buf_puts(&fix, ", …");
	if (json_object_is_type(value, json_type_string))
		nearest = fnr_text_nearest(json_object_get_string(value), names, count);
	if (nearest)
		fnr_buf_printf(&fix, "; did you mean '%s'?", nearest);
	fnr_error_add(err, pointer, "enum", fix.data, "%s is not one of the values", shown(cut, fnr_json_text(value, NULL)));
	fnr_buf_free(&fix);
}

static void check_array(struct json_object *input, struct json_object *value, const char *pointer, struct fnr_error *err)
{
	struct json_object *items = fnr_json_get(input, "items");
	char place[INPUT_POINTER];

	check_count(input, "min_items", "max_items", json_object_array_length(value), "item", "items", pointer, err);
	for (size_t i = 0; items && i < json_object_array_length(value) && !input_errors_full(err); i++)
		input_check_value(items, json_object_array_get_idx(value, i), input_below_index(place, pointer, i), err);
}

/* ---- references to files ---- */

/* The next part of a path, up to the slash, which is skipped. False if it does not fit or no slash follows. */
static bool part(const char **at, char *out, size_t size)
{
	size_t len = strcspn(*at, "/");

	if (len >= size || (*at)[len] != '/')
		return false;
	memcpy(out, *at, len);
	out[len] = 0;
	*at += len + 1;
	return true;
}

/* As path_file_name_valid of files/path.h, which is above this layer. */
static bool file_name_valid(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= 128 && !strchr("_.-", text[0]) &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == len;
}

static bool parse_take(const char *at, struct file_reference *reference_r)
{
	char number[12];

	if (!part(&at, reference_r->project, sizeof reference_r->project) || !part(&at, reference_r->shot, sizeof reference_r->shot) ||
	    !part(&at, number, sizeof number))
		return false;
	if (!fnr_name_valid(reference_r->project) || !fnr_name_valid(reference_r->shot) || !file_name_valid(at))
		return false;
	if (!*number || strlen(number) > 9 || strspn(number, "0123456789") != strlen(number))
		return false;
	reference_r->take = (uint32_t)strtoul(number, NULL, 10);
	fnr_text_copy(reference_r->file, sizeof reference_r->file, at);
	return reference_r->take > 0;
}

static bool parse_upload(const char *at, struct file_reference *reference_r)
{
	return fnr_id_parse(at, &reference_r->upload);
}

static bool parse_job(const char *at, struct file_reference *reference_r)
{
	char job[sizeof reference_r->local];

	fnr_text_copy(reference_r->output, sizeof reference_r->output, strchr(at, '/') ? strchr(at, '/') + 1 : "");
	if (!part(&at, job, sizeof job) || !fnr_name_valid(at))
		return false;
	if (job[0] != '#')
		return fnr_id_parse(job, &reference_r->job);
	fnr_text_copy(reference_r->local, sizeof reference_r->local, job);
	return fnr_name_valid(job + 1);
}

/* RFC 2397, of which only whole files of a known type are of use: "image/png;base64,…" */
static bool parse_data(const char *at, struct file_reference *reference_r)
{
	static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&^_.+-";
	const char *comma = strchr(at, ','), *slash = strchr(at, '/');
	size_t type = strspn(at, token), len = strcspn(at, ";,");

	if (!comma || comma - at < 8 || strncmp(comma - 7, ";base64", 7) != 0 || !slash || slash != at + type || type == 0)
		return false;
	if (len >= sizeof reference_r->media_type || len == type + 1 || type + 1 + strspn(slash + 1, token) != len)
		return false;
	memcpy(reference_r->media_type, at, len);
	reference_r->data = comma + 1;
	reference_r->data_len = strlen(comma + 1);
	reference_r->data_size = fnr_base64_size(reference_r->data, reference_r->data_len);
	return reference_r->data_size > 0 && reference_r->data_size != SIZE_MAX;
}

/* Only the form; it is fetched when the job is run. A name with a password belongs into nobody's records. */
static bool parse_url(const char *at, struct file_reference *reference_r)
{
	size_t authority = strcspn(at, "/?#"), len = strlen(reference_r->text);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)reference_r->text[i] <= ' ' || (unsigned char)reference_r->text[i] >= 0x7f ||
		    strchr("\"<>\\^`{|}", reference_r->text[i]))
			return false;
	return len <= FILE_URL_MOST && authority > 0 && at[0] != ':' && !memchr(at, '@', authority);
}

bool file_reference_parse(const char *text, struct file_reference *reference_r)
{
	static const struct { const char *before; int kind; bool (*parse)(const char *at, struct file_reference *reference_r); } forms[] = {
		{ "upload:", FILE_UPLOAD, parse_upload }, { "take:", FILE_TAKE, parse_take }, { "job:", FILE_JOB, parse_job },
		{ "data:", FILE_DATA, parse_data }, { "https://", FILE_URL, parse_url }, { "http://", FILE_URL, parse_url },
	};

	memset(reference_r, 0, sizeof *reference_r);
	reference_r->text = text;
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		reference_r->kind = forms[i].kind;
		if (strncmp(text, forms[i].before, strlen(forms[i].before)) == 0)
			return forms[i].parse(text + strlen(forms[i].before), reference_r);
	}
	return false;
}

static void check_file(struct json_object *value, const char *pointer, struct fnr_error *err)
{
	struct file_reference reference;
	char cut[64];

	if (!file_reference_parse(json_object_get_string(value), &reference))
		fnr_error_add(err, pointer, "file", "upload it first and give \"upload:<id>\", or name a take's file: \"take:<project>/<shot>/<n>/<file>\", an output: "
		              "\"job:<id>/<output>\", an address: \"https://…\", or the bytes: \"data:<media type>;base64,…\"",
		              "'%s' is not a reference to a file", shown(cut, json_object_get_string(value)));
}

/* One of row and map. */
struct file_walk { inputs_file_row *row; inputs_file_map *map; void *context; };

/* False: the walk ends. What takes the value's place, if anything does, is in *new_r. */
static bool walk_file(struct json_object *input, struct json_object *value, const char *pointer, const struct file_walk *walk,
                      struct json_object **new_r)
{
	struct file_reference reference;

	if (!json_object_is_type(value, json_type_string) || !file_reference_parse(json_object_get_string(value), &reference))
		return true;
	if (walk->row)
		return walk->row(input, pointer, &reference, walk->context);
	*new_r = walk->map(input, pointer, &reference, walk->context);
	return true;
}

static bool walk_value(struct json_object *input, struct json_object *value, const char *pointer, const struct file_walk *walk,
                       struct json_object **new_r)
{
	enum input_type type = input_type_of(input);
	char place[INPUT_POINTER];

	if (type == T_FILE)
		return walk_file(input, value, pointer, walk, new_r);
	if (type != T_ARRAY || !fnr_json_get(input, "items") || !json_object_is_type(value, json_type_array))
		return true;
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		struct json_object *new = NULL;

		if (!walk_value(fnr_json_get(input, "items"), json_object_array_get_idx(value, i), input_below_index(place, pointer, i), walk, &new))
			return false;
		if (new)
			json_object_array_put_idx(value, i, new);
	}
	return true;
}

static void walk_inputs(struct json_object *inputs, struct json_object *values, const char *pointer, const struct file_walk *walk)
{
	char place[INPUT_POINTER];

	if (!json_object_is_type(inputs, json_type_object))
		return;
	json_object_object_foreach(inputs, name, input) {
		struct json_object *new = NULL;

		if (!walk_value(input, fnr_json_get(values, name), input_below(place, pointer, name), walk, &new))
			return;
		if (new)
			fnr_json_set(values, name, new);
	}
}

void inputs_files(struct json_object *inputs, struct json_object *values, const char *pointer, inputs_file_row *row, void *context)
{
	walk_inputs(inputs, values, pointer, &(struct file_walk){ .row = row, .context = context });
}

void inputs_map_files(struct json_object *inputs, struct json_object *values, const char *pointer, inputs_file_map *map, void *context)
{
	walk_inputs(inputs, values, pointer, &(struct file_walk){ .map = map, .context = context });
}

/* ---- shots ---- */

static bool parse_shot(struct json_object *value, char project[68], char shot[68])
{
	const char *at = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";

	if (strncmp(at, "takes:", 6) != 0)
		return false;
	at += 6;
	if (!part(&at, project, 68) || !fnr_name_valid(project) || !fnr_name_valid(at))
		return false;
	fnr_text_copy(shot, 68, at);
	return true;
}

/* A list to put, or NULL if it has no shot. */
static struct json_object *expanded(struct json_object *value, const char *pointer, inputs_shot *add, void *context)
{
	struct json_object *list = json_object_new_array();
	char place[INPUT_POINTER], project[68], shot[68];
	bool any = false;

	for (size_t i = 0; i < json_object_array_length(value); i++) {
		struct json_object *item = json_object_array_get_idx(value, i);

		if (parse_shot(item, project, shot) && add(list, input_below_index(place, pointer, i), project, shot, context))
			any = true;
		else
			json_object_array_add(list, json_object_get(item));
	}
	if (any)
		return list;
	json_object_put(list);
	return NULL;
}

static bool is_list_of_files(struct json_object *input)
{
	return input_type_of(input) == T_ARRAY && fnr_json_get(input, "items") && input_type_of(fnr_json_get(input, "items")) == T_FILE;
}

void inputs_expand_shots(struct json_object *inputs, struct json_object *values, const char *pointer, inputs_shot *shot, void *context)
{
	char place[INPUT_POINTER];

	if (!json_object_is_type(inputs, json_type_object))
		return;
	json_object_object_foreach(inputs, name, input) {
		struct json_object *value = fnr_json_get(values, name), *list = NULL;

		if (is_list_of_files(input) && json_object_is_type(value, json_type_array))
			list = expanded(value, input_below(place, pointer, name), shot, context);
		if (list)
			fnr_json_set(values, name, list);
	}
}

static bool has_files(struct json_object *input)
{
	enum input_type type = input_type_of(input);

	return type == T_FILE || (type == T_ARRAY && fnr_json_get(input, "items") && has_files(fnr_json_get(input, "items")));
}

bool inputs_have_files(struct json_object *inputs)
{
	if (!json_object_is_type(inputs, json_type_object))
		return false;
	json_object_object_foreach(inputs, name, input) {
		(void)name;
		if (has_files(input))
			return true;
	}
	return false;
}

struct json_object *inputs_for_examples(struct json_object *inputs)
{
	struct json_object *copy = fnr_json_copy(inputs);

	json_object_object_foreach(copy, name, input) {
		(void)name;
		if (has_files(input))
			json_object_object_del(input, "required");
	}
	return copy;
}

/* ---- one value, all values ---- */

void input_check_value(struct json_object *input, struct json_object *value, const char *pointer, struct fnr_error *err)
{
	enum input_type type = input_type_of(input);
	char fix[64];

	if (!effort_take(1)) {
		too_much(pointer, err);
		return;
	}
	if (!type_fits(type, value)) {
		snprintf(fix, sizeof fix, "give a value of type %s", input_type_name(type));
		fnr_error_add(err, pointer, "type", fix, "%s was given where %s is needed", type_found(value), input_type_name(type));
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

bool input_fits(struct json_object *input, struct json_object *value)
{
	struct fnr_error err = FNR_ERROR_INIT;
	bool fits;

	input_check_value(input, value, "", &err);
	fits = err.code == FNR_OK;
	fnr_error_clear(&err);
	return fits;
}

static void check_known(struct json_object *inputs, struct json_object *values, const char *pointer, struct fnr_error *err)
{
	char place[INPUT_POINTER];

	json_object_object_foreach(inputs, name, input) {
		struct json_object *value = fnr_json_get(values, name);

		if (input_errors_full(err))
			return;
		if (value)
			input_check_value(input, value, input_below(place, pointer, name), err);
		else if (fnr_json_get_bool(input, "required", false))
			fnr_error_add(err, input_below(place, pointer, name), "required", "give it a value", "the input '%s' is missing", name);
	}
}

static void check_unknown(struct json_object *inputs, struct json_object *values, const char *pointer, struct fnr_error *err)
{
	const char *names[INPUTS_MOST];
	char place[INPUT_POINTER], fix[96], cut[64];
	size_t count = 0;

	if (json_object_is_type(inputs, json_type_object)) {
		json_object_object_foreach(inputs, name, input) {
			(void)input;
			if (count < INPUTS_MOST)
				names[count++] = name;
		}
	}
	json_object_object_foreach(values, given, unused) {
		const char *nearest;

		(void)unused;
		if (input_errors_full(err))
			return;
		if (count && json_object_object_get_ex(inputs, given, NULL))
			continue;
		nearest = fnr_text_nearest(given, names, count);
		snprintf(fix, sizeof fix, nearest ? "did you mean '%.64s'?" : count ? "remove it%.0s" : "remove it: there are no inputs%.0s",
		         nearest ? nearest : "");
		fnr_error_add(err, input_below(place, pointer, given), "unknown_input", fix, "there is no input '%s'", shown(cut, given));
	}
}

void inputs_check_values(struct json_object *inputs, struct json_object *values, const char *pointer, struct fnr_error *err)
{
	if (values && !json_object_is_type(values, json_type_object)) {
		fnr_error_add(err, pointer, "type", "give an object: {…}", "%s was given where an object is needed", type_found(values));
		return;
	}
	if (json_object_is_type(inputs, json_type_object))
		check_known(inputs, values, pointer, err);
	if (values)
		check_unknown(inputs, values, pointer, err);
	if (err && err->errors && json_object_array_length(err->errors) == INPUTS_ERRORS)
		fnr_error_add(err, pointer, "more", "correct these first", "there may be more problems, which were not looked for");
}
