/* What is said of a value that does not fit: where, which rule, what was found, how to mend it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "schema/program.h"

#define VALUES_NAMED 20       /* of an enum, in one report */
#define NAMES_COMPARED 256    /* for "did you mean" */
#define SPOTS_MOST 512        /* of a chain */
#define FIX_MOST 256

static const char *const keywords[RULE_COUNT] = {
#define X(name, keyword, kinds) keyword,
	RULES(X)
#undef X
};

/* ---- words ---- */

static const struct { enum value_kind kinds; const char *needed, *found; } kinds[] = {
	{ KIND_INTEGER | KIND_NUMBER, "a number", "a number" }, { KIND_INTEGER, "a whole number", "a whole number" },
	{ KIND_NUMBER, "a number that is not whole", "a number" }, { KIND_STRING, "text", "text" }, { KIND_BOOLEAN, "true or false", "true or false" },
	{ KIND_ARRAY, "a list", "a list" }, { KIND_OBJECT, "an object", "an object" }, { KIND_NULL, "null", "null" },
};

static const char *kind_found(struct json_object *value)
{
	enum value_kind kind = value_kind(value);

	for (size_t i = 1; i < sizeof kinds / sizeof kinds[0]; i++)
		if (kinds[i].kinds == kind)
			return kinds[i].found;
	return "something else";
}

/* "text, a list or null" */
static const char *kinds_needed(unsigned needed, char out[FIX_MOST])
{
	const char *names[8];
	size_t count = 0;

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if ((needed & kinds[i].kinds) != kinds[i].kinds)
			continue;
		names[count++] = kinds[i].needed;
		needed &= ~(unsigned)kinds[i].kinds;
	}
	out[0] = 0;
	for (size_t i = 0; i < count; i++) {
		strcat(out, i == 0 ? "" : i + 1 == count ? " or " : ", ");
		strcat(out, names[i]);
	}
	return out;
}

/* A value for a message: short ones as they are. */
static const char *shown(struct json_object *value, char out[TEXT_MOST + 4])
{
	const char *text;
	size_t len;

	if (json_object_is_type(value, json_type_array) || json_object_is_type(value, json_type_object)) {
		fnr_text_copy(out, TEXT_MOST, kind_found(value));
		return out;
	}
	if (json_object_is_type(value, json_type_string)) {
		text = json_object_get_string(value);
		out[0] = '\'';
		fnr_text_copy(out + 1, TEXT_MOST - 2, text);
		strcat(out, strlen(out + 1) < (size_t)json_object_get_string_len(value) ? "…'" : "'");
		return out;
	}
	text = fnr_json_text(value, &len);
	fnr_text_copy(out, TEXT_MOST, text);
	return out;
}

static const char *plural(uint64_t count, const char *one, const char *many)
{
	return count == 1 ? one : many;
}

/* ---- where ---- */

static void place(const struct run *run, const char *name, char out[POINTER_MOST])
{
	const struct spot *way[SPOTS_MOST];
	size_t count = 0;
	char index[24];

	for (const struct spot *spot = run->spot; spot && count < SPOTS_MOST; spot = spot->parent)
		way[count++] = spot;
	fnr_text_copy(out, POINTER_MOST, run->pointer);
	while (count--) {
		snprintf(index, sizeof index, "%zu", way[count]->index);
		fnr_json_pointer_add(out, POINTER_MOST, way[count]->name ? way[count]->name : index);
	}
	if (name)
		fnr_json_pointer_add(out, POINTER_MOST, name);
}

bool report_full(const struct run *run)
{
	return run->report->errors && json_object_array_length(run->report->errors) >= SCHEMA_ERRORS;
}

/* The problem of a keyword of this node; `name` is a member of the value, or NULL for the value itself. */
static bool say(struct run *run, const struct node *node, const char *keyword, const char *name, const char *fix, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

static bool say(struct run *run, const struct node *node, const char *keyword, const char *name, const char *fix, const char *format, ...)
{
	char pointer[POINTER_MOST], message[512];
	struct json_object *errors;
	va_list args;

	if (!run->report || report_full(run))
		return false;
	place(run, name, pointer);
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	fnr_error_add(run->report, pointer, keyword, fix, "%s", message);
	errors = run->report->errors;
	node_pointer(run->schema, node, pointer);
	if (node->kinds)
		fnr_json_pointer_add(pointer, sizeof pointer, keyword);
	fnr_json_set_text(json_object_array_get_idx(errors, json_object_array_length(errors) - 1), "schema", pointer);
	if (report_full(run)) {
		place(run, NULL, pointer);
		fnr_error_add(run->report, pointer, "more", "correct these first", "there may be more problems, which were not looked for");
	}
	return false;
}

/* ---- one function a rule ---- */

static void names_of(struct json_object *list, const char **names, size_t *count)
{
	for (size_t i = 0; i < json_object_array_length(list) && *count < NAMES_COMPARED; i++)
		if (json_object_is_type(json_object_array_get_idx(list, i), json_type_string))
			names[(*count)++] = json_object_get_string(json_object_array_get_idx(list, i));
}

static bool say_enum(struct run *run, const struct node *node, const struct op *op, struct json_object *value)
{
	struct json_object *list = op->enumeration->values;
	const char *names[NAMES_COMPARED], *nearest = NULL;
	struct fnr_buf fix = FNR_BUF_INIT;
	char text[TEXT_MOST + 4];
	size_t count = 0, length = op->enumeration->count;

	names_of(list, names, &count);
	fnr_buf_puts(&fix, length ? "use one of " : "nothing fits here");
	for (size_t i = 0; i < length && i < VALUES_NAMED; i++)
		fnr_buf_printf(&fix, "%s%s", i ? ", " : "", shown(json_object_array_get_idx(list, i), text));
	if (length > VALUES_NAMED)
		fnr_buf_puts(&fix, ", …");
	if (json_object_is_type(value, json_type_string) && json_object_get_string_len(value) < TEXT_MOST)
		nearest = fnr_text_nearest(json_object_get_string(value), names, count);
	if (nearest)
		fnr_buf_printf(&fix, "; did you mean '%.64s'?", nearest);
	say(run, node, "enum", NULL, fix.data, "%s is not one of the values", shown(value, text));
	fnr_buf_free(&fix);
	return false;
}

static bool say_const(struct run *run, const struct node *node, const struct op *op, struct json_object *value)
{
	char text[TEXT_MOST + 4], fix[FIX_MOST];

	snprintf(fix, sizeof fix, "use %s", shown(op->value, text));
	return say(run, node, "const", NULL, fix, "%s is not the value that is needed", shown(value, text));
}

static bool say_range(struct run *run, const struct node *node, const struct op *op, uint64_t count, const char *const keyword[2], const char *one,
                      const char *many)
{
	bool few = count < op->range.least;
	uint64_t bound = few ? op->range.least : op->range.most;
	char fix[FIX_MOST];

	snprintf(fix, sizeof fix, "give at %s %llu %s", few ? "least" : "most", (unsigned long long)bound, plural(bound, one, many));
	return say(run, node, keyword[!few], NULL, fix, "%llu %s: too %s", (unsigned long long)count, plural(count, one, many), few ? "few" : "many");
}

static bool say_length(struct run *run, const struct node *node, const struct op *op, struct json_object *value)
{
	static const char *const keyword[] = { "minLength", "maxLength" };
	const char *text = json_object_get_string(value);
	uint64_t count = 0;

	for (int i = 0; i < json_object_get_string_len(value); i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return say_range(run, node, op, count, keyword, "character", "characters");
}

static bool say_item_count(struct run *run, const struct node *node, const struct op *op, struct json_object *value)
{
	static const char *const keyword[] = { "minItems", "maxItems" };

	return say_range(run, node, op, json_object_array_length(value), keyword, "item", "items");
}

static bool say_member_count(struct run *run, const struct node *node, const struct op *op, struct json_object *value)
{
	static const char *const keyword[] = { "minProperties", "maxProperties" };

	return say_range(run, node, op, (uint64_t)json_object_object_length(value), keyword, "member", "members");
}

static bool say_bound(struct run *run, const struct node *node, const struct op *op, struct json_object *value)
{
	static const struct { enum rule rule; const char *fix, *found; } words[] = {
		{ RULE_MINIMUM, "use at least %s", "small" }, { RULE_MAXIMUM, "use at most %s", "large" },
		{ RULE_EXCLUSIVE_MINIMUM, "use more than %s", "small" }, { RULE_EXCLUSIVE_MAXIMUM, "use less than %s", "large" },
	};
	char text[TEXT_MOST + 4], fix[FIX_MOST];
	size_t i = 0;

	while (words[i].rule != op->rule)
		i++;
	snprintf(fix, sizeof fix, words[i].fix, shown(op->value, text));
	return say(run, node, keywords[op->rule], NULL, fix, "%s is too %s", shown(value, text), words[i].found);
}

static bool say_multiple(struct run *run, const struct node *node, const struct op *op, struct json_object *value)
{
	char text[TEXT_MOST + 4], step[TEXT_MOST + 4], fix[FIX_MOST];

	shown(fnr_json_get(node->source, "multipleOf"), step);
	snprintf(fix, sizeof fix, "use a multiple of %s", step);
	return say(run, node, "multipleOf", NULL, fix, "%s is not a multiple of %s", shown(value, text), step);
}

static bool say_format(struct run *run, const struct node *node, const struct op *op, struct json_object *value)
{
	char text[TEXT_MOST + 4], fix[FIX_MOST];

	snprintf(fix, sizeof fix, "write it like %s", op->format->like);
	return say(run, node, "format", NULL, fix, "%s is not in the format '%s'", shown(value, text), op->format->name);
}

static bool say_pattern(struct run *run, const struct node *node, const struct op *op, struct json_object *value)
{
	char text[TEXT_MOST + 4];

	return say(run, node, "pattern", NULL, "give text that matches it", "%s does not match the pattern %.300s", shown(value, text),
	           fnr_json_get_text(node->source, "pattern", ""));
}

/* Which two are the same is looked for again: only here it matters. */
static bool say_unique(struct run *run, const struct node *node, const struct op *op, struct json_object *value)
{
	size_t count = json_object_array_length(value);

	for (size_t i = 0; i < count; i++)
		for (size_t j = i + 1; j < count && run->steps > 0; j++)
			if (value_equal(json_object_array_get_idx(value, i), json_object_array_get_idx(value, j), &run->steps))
				return say(run, node, "uniqueItems", NULL, "leave one of them out", "the items %zu and %zu are the same", i, j);
	return say(run, node, "uniqueItems", NULL, "leave one of them out", "two items are the same");
}

static bool say_not(struct run *run, const struct node *node, const struct op *op, struct json_object *value)
{
	char text[TEXT_MOST + 4], pointer[POINTER_MOST], fix[FIX_MOST];

	snprintf(fix, sizeof fix, "change it so that it does not fit %.200s", node_pointer(run->schema, op->node, pointer));
	return say(run, node, "not", NULL, fix, "%s is what it must not be", shown(value, text));
}

bool report_rule(struct run *run, const struct node *node, const struct op *op, struct json_object *value)
{
	static bool (*const table[RULE_COUNT])(struct run *run, const struct node *node, const struct op *op, struct json_object *value) = {
		[RULE_ENUM] = say_enum, [RULE_CONST] = say_const, [RULE_LENGTH] = say_length, [RULE_MINIMUM] = say_bound, [RULE_MAXIMUM] = say_bound,
		[RULE_EXCLUSIVE_MINIMUM] = say_bound, [RULE_EXCLUSIVE_MAXIMUM] = say_bound, [RULE_MULTIPLE_OF] = say_multiple,
		[RULE_ITEM_COUNT] = say_item_count, [RULE_MEMBER_COUNT] = say_member_count, [RULE_FORMAT] = say_format, [RULE_PATTERN] = say_pattern,
		[RULE_UNIQUE_ITEMS] = say_unique, [RULE_NOT] = say_not,
	};

	return run->report ? table[op->rule](run, node, op, value) : false;
}

/* ---- kinds, and what must not be there ---- */

static bool say_unknown(struct run *run, const struct node *node)
{
	const char *names[NAMES_COMPARED], *name = run->spot ? run->spot->name : NULL, *nearest = NULL;
	struct json_object *properties = node->parent ? fnr_json_get(node->parent->source, "properties") : NULL;
	const char *keyword = node->keyword && !strchr(node->keyword, '/') ? node->keyword : "false";
	char fix[FIX_MOST] = "remove it", text[TEXT_MOST];
	size_t count = 0;

	if (!name)
		return say(run, node, keyword, NULL, "remove it", "nothing is allowed here");
	if (json_object_is_type(properties, json_type_object)) {
		json_object_object_foreach(properties, known, unused) {
			(void)unused;
			if (count < NAMES_COMPARED && strcmp(known, name) != 0)
				names[count++] = known;
		}
	}
	if (strlen(name) < TEXT_MOST)
		nearest = fnr_text_nearest(name, names, count);
	if (nearest)
		snprintf(fix, sizeof fix, "did you mean '%.64s'?", nearest);
	fnr_text_copy(text, sizeof text, name);
	return say(run, node, keyword, NULL, fix, "there must be no '%s' here", text);
}

bool report_kind(struct run *run, const struct node *node, struct json_object *value)
{
	char needed[FIX_MOST], fix[FIX_MOST + 16], text[TEXT_MOST + 4];

	if (!run->report)
		return false;
	if (!node->kinds)
		return say_unknown(run, node);
	snprintf(fix, sizeof fix, "give %s", kinds_needed(node->kinds, needed));
	if (value_kind(value) & (NUMERIC | KIND_STRING))
		return say(run, node, "type", NULL, fix, "%s was given, which is not %s", shown(value, text), needed);
	return say(run, node, "type", NULL, fix, "%s was given where %s is needed", kind_found(value), needed);
}

bool report_missing(struct run *run, const struct node *node, const char *name)
{
	char text[TEXT_MOST];

	fnr_text_copy(text, sizeof text, name);
	return say(run, node, "required", name, "give it a value", "'%s' is missing", text);
}

bool report_dependent(struct run *run, const struct node *node, const struct dependency *dependency, const char *missing)
{
	char text[TEXT_MOST], other[TEXT_MOST], fix[FIX_MOST];

	fnr_text_copy(text, sizeof text, missing);
	fnr_text_copy(other, sizeof other, dependency->name);
	snprintf(fix, sizeof fix, "give it a value, or leave '%s' out", other);
	return say(run, node, "dependentRequired", missing, fix, "'%s' is missing, which is needed where '%s' is given", text, other);
}

bool report_contains(struct run *run, const struct node *node, const struct contains *contains, uint64_t found)
{
	bool few = found < contains->least;
	const char *keyword = !few ? "maxContains" : contains->least == 1 ? "contains" : "minContains";
	uint64_t bound = few ? contains->least : contains->most;
	char pointer[POINTER_MOST], fix[FIX_MOST];

	if (!run->report)
		return false;
	node_pointer(run->schema, contains->node, pointer);
	snprintf(fix, sizeof fix, "give at %s %llu that %s %.150s", few ? "least" : "most", (unsigned long long)bound, bound == 1 ? "fits" : "fit", pointer);
	return say(run, node, keyword, NULL, fix, "%llu %s what is looked for: too %s", (unsigned long long)found,
	           found == 1 ? "item is" : "items are", few ? "few" : "many");
}

/* ---- alternatives ---- */

bool report_both(struct run *run, const struct node *node, size_t first, size_t second)
{
	return say(run, node, "oneOf", NULL, "change it so that only one fits", "it fits more than one of the alternatives: %zu and %zu", first, second);
}

/* How far it is from an alternative: another kind of value is farther than anything else, a wrong fixed value, which often
 * tells alternatives apart, farther than the rest. */
static size_t distance(const struct run *run, const struct fnr_error *found)
{
	size_t count = found->errors ? json_object_array_length(found->errors) : 0, far = count;
	char here[POINTER_MOST];

	place(run, NULL, here);
	for (size_t i = 0; i < count; i++) {
		struct json_object *entry = json_object_array_get_idx(found->errors, i);
		const char *rule = fnr_json_get_text(entry, "rule", "");

		if (strcmp(rule, "type") == 0 && strcmp(fnr_json_get_text(entry, "pointer", ""), here) == 0)
			far += 1000000;
		else if (strcmp(rule, "const") == 0 || strcmp(rule, "enum") == 0)
			far += 1000;
	}
	return far;
}

/* Says what is wrong with the nearest alternative, after one line on all of them. */
bool report_none(struct run *run, const struct node *node, const struct op *op, struct json_object *value)
{
	struct fnr_error *nearest, *own;
	size_t best = SIZE_MAX, at = 0;
	char text[TEXT_MOST + 4], fix[FIX_MOST], pointer[POINTER_MOST];

	if (!run->report || run->stopped)
		return false;
	nearest = fnr_alloc(sizeof *nearest);
	own = fnr_alloc(sizeof *own);
	for (size_t i = 0; i < op->count && !run->stopped; i++) {
		size_t far;

		run_reporting(run, op->nodes[i], value, own);
		far = distance(run, own);
		if (far < best) {
			fnr_error_clear(nearest);
			*nearest = *own;
			*own = (struct fnr_error)FNR_ERROR_INIT;
			best = far;
			at = i;
		}
		fnr_error_clear(own);
	}
	snprintf(fix, sizeof fix, op->count ? "make it fit one of them; the nearest is %.150s" : "nothing fits here%.0s",
	         op->count ? node_pointer(run->schema, op->nodes[at], pointer) : "");
	say(run, node, keywords[op->rule], NULL, fix, "%s fits none of the %u alternatives", shown(value, text), op->count);
	for (size_t i = 0; nearest->errors && i < json_object_array_length(nearest->errors) && !report_full(run); i++)
		json_object_array_add(run->report->errors, json_object_get(json_object_array_get_idx(nearest->errors, i)));
	fnr_error_clear(nearest);
	free(nearest);
	free(own);
	return false;
}

bool report_limit(struct run *run, const struct node *node)
{
	if (!run->report)
		return false;
	run->said = true;
	return say(run, node, "limit", NULL, "make it smaller or simpler", "this cannot be checked: %s", run->stopped);
}
