/* Problems in words: where, which rule, what was found, how to mend it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "schema/run.h"

#define VALUES_NAMED 20       /* of an enum, in one report */
#define NAMES_COMPARED 256    /* for "did you mean" */
#define UNIQUE_STEPS 1000000  /* for the question which two are the same */
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

/* ---- one entry ---- */

struct words { const struct schema_report *report; const struct problem *problem; const char *pointer; struct fnr_error *err; };

void message_place(const struct schema_report *report, const struct problem *problem, const char *pointer, char out[POINTER_MOST])
{
	char index[24];

	fnr_text_copy(out, POINTER_MOST, pointer);
	for (size_t i = 0; i < problem->depth; i++) {
		const struct step *step = &report->steps[problem->way + i];

		snprintf(index, sizeof index, "%zu", step->index);
		fnr_json_pointer_add(out, POINTER_MOST, step->name ? step->name : index);
	}
}

/* `name` is a member of the value, or NULL for the value itself. */
static void say(const struct words *w, const char *keyword, const char *name, const char *fix, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

static void say(const struct words *w, const char *keyword, const char *name, const char *fix, const char *format, ...)
{
	char pointer[POINTER_MOST], message[512];
	struct json_object *errors;
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	message_place(w->report, w->problem, w->pointer, pointer);
	if (name)
		fnr_json_pointer_add(pointer, sizeof pointer, name);
	fnr_error_add(w->err, pointer, keyword, fix, "%s", message);
	errors = w->err->errors;
	node_pointer(w->report->schema, w->problem->node, pointer);
	if (w->problem->node->kinds)
		fnr_json_pointer_add(pointer, sizeof pointer, keyword);
	fnr_json_set_text(json_object_array_get_idx(errors, json_object_array_length(errors) - 1), "schema", pointer);
}

/* ---- one function a rule ---- */

static void names_of(struct json_object *list, const char **names, size_t *count)
{
	for (size_t i = 0; i < json_object_array_length(list) && *count < NAMES_COMPARED; i++)
		if (json_object_is_type(json_object_array_get_idx(list, i), json_type_string))
			names[(*count)++] = json_object_get_string(json_object_array_get_idx(list, i));
}

/* One of the values that there are: lists and objects by what is in them. */
static const char *listed(struct json_object *value, char out[TEXT_MOST + 4])
{
	if (!(value_kind(value) & (KIND_ARRAY | KIND_OBJECT)))
		return shown(value, out);
	fnr_text_copy(out, TEXT_MOST, fnr_json_text(value, NULL));
	return out;
}

static void say_enum(const struct words *w, const struct problem *p)
{
	struct json_object *list = p->op->enumeration->values;
	const char *names[NAMES_COMPARED], *nearest = NULL;
	struct fnr_buf fix = FNR_BUF_INIT;
	char text[TEXT_MOST + 4];
	size_t count = 0, length = p->op->enumeration->count;

	names_of(list, names, &count);
	fnr_buf_puts(&fix, length ? "use one of " : "nothing fits here");
	for (size_t i = 0; i < length && i < VALUES_NAMED; i++)
		fnr_buf_printf(&fix, "%s%s", i ? ", " : "", listed(json_object_array_get_idx(list, i), text));
	if (length > VALUES_NAMED)
		fnr_buf_puts(&fix, ", …");
	if (json_object_is_type(p->value, json_type_string) && json_object_get_string_len(p->value) < TEXT_MOST)
		nearest = fnr_text_nearest(json_object_get_string(p->value), names, count);
	if (nearest)
		fnr_buf_printf(&fix, "; did you mean '%.64s'?", nearest);
	say(w, "enum", NULL, fix.data, "%s is not one of the values", shown(p->value, text));
	fnr_buf_free(&fix);
}

static void say_const(const struct words *w, const struct problem *p)
{
	char text[TEXT_MOST + 4], fix[FIX_MOST];

	snprintf(fix, sizeof fix, "use %s", shown(json_object_array_get_idx(p->op->enumeration->values, 0), text));
	say(w, "const", NULL, fix, "%s is not the value that is needed", shown(p->value, text));
}

static void say_range(const struct words *w, const struct problem *p, uint64_t count, const char *const keyword[2], const char *one, const char *many)
{
	bool few = count < p->op->range.least;
	uint64_t bound = few ? p->op->range.least : p->op->range.most;
	char fix[FIX_MOST];

	snprintf(fix, sizeof fix, "give at %s %llu %s", few ? "least" : "most", (unsigned long long)bound, plural(bound, one, many));
	say(w, keyword[!few], NULL, fix, "%llu %s: too %s", (unsigned long long)count, plural(count, one, many), few ? "few" : "many");
}

static void say_length(const struct words *w, const struct problem *p)
{
	static const char *const keyword[] = { "minLength", "maxLength" };
	const char *text = json_object_get_string(p->value);
	uint64_t count = 0;

	for (int i = 0; i < json_object_get_string_len(p->value); i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	say_range(w, p, count, keyword, "character", "characters");
}

static void say_item_count(const struct words *w, const struct problem *p)
{
	static const char *const keyword[] = { "minItems", "maxItems" };

	say_range(w, p, json_object_array_length(p->value), keyword, "item", "items");
}

static void say_member_count(const struct words *w, const struct problem *p)
{
	static const char *const keyword[] = { "minProperties", "maxProperties" };

	say_range(w, p, (uint64_t)json_object_object_length(p->value), keyword, "member", "members");
}

static void say_bound(const struct words *w, const struct problem *p)
{
	static const struct { enum rule rule; const char *fix, *found; } words[] = {
		{ RULE_MINIMUM, "use at least %s", "small" }, { RULE_MAXIMUM, "use at most %s", "large" },
		{ RULE_EXCLUSIVE_MINIMUM, "use more than %s", "small" }, { RULE_EXCLUSIVE_MAXIMUM, "use less than %s", "large" },
	};
	char text[TEXT_MOST + 4], fix[FIX_MOST];
	size_t i = 0;

	while (words[i].rule != p->op->rule)
		i++;
	snprintf(fix, sizeof fix, words[i].fix, shown(p->op->bound.value, text));
	say(w, keywords[p->op->rule], NULL, fix, "%s is too %s", shown(p->value, text), words[i].found);
}

static void say_multiple(const struct words *w, const struct problem *p)
{
	char text[TEXT_MOST + 4], step[TEXT_MOST + 4], fix[FIX_MOST];

	shown(fnr_json_get(p->node->source, "multipleOf"), step);
	snprintf(fix, sizeof fix, "use a multiple of %s", step);
	say(w, "multipleOf", NULL, fix, "%s is not a multiple of %s", shown(p->value, text), step);
}

static void say_format(const struct words *w, const struct problem *p)
{
	char text[TEXT_MOST + 4], fix[FIX_MOST];

	snprintf(fix, sizeof fix, "write it like %s", p->op->format->like);
	say(w, "format", NULL, fix, "%s is not in the format '%s'", shown(p->value, text), p->op->format->name);
}

static void say_pattern(const struct words *w, const struct problem *p)
{
	char text[TEXT_MOST + 4];

	say(w, "pattern", NULL, "give text that matches it", "%s does not match the pattern %.300s", shown(p->value, text),
	    fnr_json_get_text(p->node->source, "pattern", ""));
}

/* Which two are the same is looked for again: only here it matters. */
static void say_unique(const struct words *w, const struct problem *p)
{
	size_t count = json_object_array_length(p->value);
	int64_t steps = UNIQUE_STEPS;

	for (size_t i = 0; i < count; i++)
		for (size_t j = i + 1; j < count && steps > 0; j++)
			if (value_equal(json_object_array_get_idx(p->value, i), json_object_array_get_idx(p->value, j), &steps)) {
				say(w, "uniqueItems", NULL, "leave one of them out", "the items %zu and %zu are the same", i, j);
				return;
			}
	say(w, "uniqueItems", NULL, "leave one of them out", "two items are the same");
}

static void say_not(const struct words *w, const struct problem *p)
{
	char text[TEXT_MOST + 4], pointer[POINTER_MOST], fix[FIX_MOST];

	snprintf(fix, sizeof fix, "change it so that it does not fit %.200s", node_pointer(w->report->schema, p->op->node, pointer));
	say(w, "not", NULL, fix, "%s is what it must not be", shown(p->value, text));
}

static void say_rule(const struct words *w, const struct problem *p)
{
	static void (*const rules[RULE_COUNT])(const struct words *w, const struct problem *p) = {
		[RULE_ENUM] = say_enum, [RULE_CONST] = say_const, [RULE_LENGTH] = say_length, [RULE_MINIMUM] = say_bound, [RULE_MAXIMUM] = say_bound,
		[RULE_EXCLUSIVE_MINIMUM] = say_bound, [RULE_EXCLUSIVE_MAXIMUM] = say_bound, [RULE_MULTIPLE_OF] = say_multiple,
		[RULE_ITEM_COUNT] = say_item_count, [RULE_MEMBER_COUNT] = say_member_count, [RULE_FORMAT] = say_format, [RULE_PATTERN] = say_pattern,
		[RULE_UNIQUE_ITEMS] = say_unique, [RULE_NOT] = say_not,
	};

	rules[p->op->rule](w, p);
}

/* ---- kinds, and what must not be there ---- */

static void say_unknown(const struct words *w, const struct problem *p)
{
	const char *names[NAMES_COMPARED], *name = p->depth ? w->report->steps[p->way + p->depth - 1].name : NULL, *nearest = NULL;
	struct json_object *properties = p->node->parent ? fnr_json_get(p->node->parent->source, "properties") : NULL;
	const char *keyword = p->node->keyword && !strchr(p->node->keyword, '/') ? p->node->keyword : "false";
	char fix[FIX_MOST] = "remove it", text[TEXT_MOST];
	size_t count = 0;

	if (!name) {
		say(w, keyword, NULL, "remove it", "nothing is allowed here");
		return;
	}
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
	say(w, keyword, NULL, fix, "there must be no '%s' here", text);
}

static void say_kind(const struct words *w, const struct problem *p)
{
	char needed[FIX_MOST], fix[FIX_MOST + 16], text[TEXT_MOST + 4];

	if (!p->node->kinds) {
		say_unknown(w, p);
		return;
	}
	snprintf(fix, sizeof fix, "give %s", kinds_needed(p->node->kinds, needed));
	if (value_kind(p->value) & (NUMERIC | KIND_STRING))
		say(w, "type", NULL, fix, "%s was given, which is not %s", shown(p->value, text), needed);
	else
		say(w, "type", NULL, fix, "%s was given where %s is needed", kind_found(p->value), needed);
}

static void say_missing(const struct words *w, const struct problem *p)
{
	char text[TEXT_MOST];

	fnr_text_copy(text, sizeof text, p->name);
	say(w, "required", p->name, "give it a value", "'%s' is missing", text);
}

static void say_dependent(const struct words *w, const struct problem *p)
{
	char text[TEXT_MOST], other[TEXT_MOST], fix[FIX_MOST];

	fnr_text_copy(text, sizeof text, p->name);
	fnr_text_copy(other, sizeof other, p->other);
	snprintf(fix, sizeof fix, "give it a value, or leave '%s' out", other);
	say(w, "dependentRequired", p->name, fix, "'%s' is missing, which is needed where '%s' is given", text, other);
}

/* ---- schemas within schemas ---- */

static void say_contains(const struct words *w, const struct problem *p)
{
	const struct contains *contains = p->op->contains;
	bool few = p->first < contains->least;
	const char *keyword = !few ? "maxContains" : contains->least == 1 ? "contains" : "minContains";
	uint64_t bound = few ? contains->least : contains->most;
	char pointer[POINTER_MOST], fix[FIX_MOST];

	node_pointer(w->report->schema, contains->node, pointer);
	snprintf(fix, sizeof fix, "give at %s %llu that %s %.150s", few ? "least" : "most", (unsigned long long)bound, bound == 1 ? "fits" : "fit", pointer);
	say(w, keyword, NULL, fix, "%llu %s what is looked for: too %s", (unsigned long long)p->first, p->first == 1 ? "item is" : "items are",
	    few ? "few" : "many");
}

static void say_both(const struct words *w, const struct problem *p)
{
	say(w, "oneOf", NULL, "change it so that only one fits", "it fits more than one of the alternatives: %llu and %llu", (unsigned long long)p->first,
	    (unsigned long long)p->second);
}

static void say_none(const struct words *w, const struct problem *p)
{
	char text[TEXT_MOST + 4], fix[FIX_MOST], pointer[POINTER_MOST];

	if (p->op->count)
		snprintf(fix, sizeof fix, "make it fit one of them; the nearest is %.150s", node_pointer(w->report->schema, p->op->nodes[p->first], pointer));
	else
		snprintf(fix, sizeof fix, "correct the schema: nothing fits here");
	say(w, keywords[p->op->rule], NULL, fix, "%s fits none of the %u alternatives", shown(p->value, text), p->op->count);
}

static void say_limit(const struct words *w, const struct problem *p)
{
	say(w, "limit", NULL, "make it smaller or simpler", "this cannot be checked: %s", p->other);
}

void message_add(const struct schema_report *report, const struct problem *problem, const char *pointer, struct fnr_error *err)
{
	static void (*const words_of[])(const struct words *w, const struct problem *p) = {
		[PROBLEM_RULE] = say_rule, [PROBLEM_KIND] = say_kind, [PROBLEM_MISSING] = say_missing, [PROBLEM_DEPENDENT] = say_dependent,
		[PROBLEM_CONTAINS] = say_contains, [PROBLEM_BOTH] = say_both, [PROBLEM_NONE] = say_none, [PROBLEM_LIMIT] = say_limit,
	};

	words_of[problem->kind](&(struct words){ report, problem, pointer, err }, problem);
}
