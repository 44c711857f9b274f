/* Runs a compiled schema over a value. */
#include <stdlib.h>
#include <string.h>

#include "schema/program.h"

#define BYTES_A_STEP 64

/* Which members or items of one value were evaluated, for unevaluated*. */
#define MARKS_SMALL 4
struct marks { uint64_t *bits, small[MARKS_SMALL]; size_t words; };

/* What the function of a rule gets. */
#define GIVEN struct run *run, const struct node *node, const struct op *op, struct json_object *value, enum value_kind kind, struct marks *marks

static bool eval_ops(struct run *run, const struct node *node, struct json_object *value, enum value_kind kind, struct marks *marks);
static bool eval_deep(struct run *run, const struct node *node, struct json_object *value, enum value_kind kind, struct marks *marks);

/* Does the value fit this schema? What it evaluates is marked, where somebody wants to know that. */
static inline bool eval(struct run *run, const struct node *node, struct json_object *value, struct marks *marks)
{
	enum value_kind kind = value_kind(value);

	if (!(node->kinds & kind))
		return report_kind(run, node, value);
	return node->leaf ? eval_ops(run, node, value, kind, marks) : eval_deep(run, node, value, kind, marks);
}

/* ---- marks ---- */

static size_t parts_of(struct json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_array: return json_object_array_length(value);
	case json_type_object: return (size_t)json_object_object_length(value);
	default: return 0;
	}
}

static void marks_init(struct marks *marks, struct json_object *value)
{
	marks->words = (parts_of(value) + 63) / 64;
	memset(marks->small, 0, sizeof marks->small);
	marks->bits = marks->words > MARKS_SMALL ? fnr_alloc(marks->words * sizeof *marks->bits) : marks->small;
}

static void marks_deinit(struct marks *marks)
{
	if (marks->bits != marks->small)
		free(marks->bits);
}

static void mark(struct marks *marks, size_t at)
{
	if (marks)
		marks->bits[at / 64] |= UINT64_C(1) << at % 64;
}

static bool is_marked(const struct marks *marks, size_t at)
{
	return marks->bits[at / 64] >> at % 64 & 1;
}

static void marks_add(struct marks *to, const struct marks *from)
{
	for (size_t i = 0; to && i < from->words; i++)
		to->bits[i] |= from->bits[i];
}

/* ---- going on ---- */

/* No more than so many steps; false: it is stopped. */
static inline bool spend(struct run *run, const struct node *node, size_t count)
{
	if (run->stopped)
		return false;
	run->steps -= (int64_t)count;
	if (run->steps > 0)
		return true;
	run->stopped = "it takes too many steps";
	return report_limit(run, node);
}

/* May more problems be looked for? */
static inline bool goes_on(const struct run *run)
{
	return run->report && !run->stopped && !report_full(run);
}

/* A member or item; name is NULL for an item. */
static inline bool eval_part(struct run *run, const struct node *node, struct json_object *value, const char *name, size_t index)
{
	struct spot spot = { run->spot, name, index };
	bool good;

	if (!run->report)
		return eval(run, node, value, NULL);
	run->spot = &spot;
	good = eval(run, node, value, NULL);
	run->spot = spot.parent;
	return good;
}

/* Applies a schema to the value itself, where it is no misfit if that does not fit. What it evaluates counts only if it does. */
static bool probe(struct run *run, const struct node *node, struct json_object *value, struct marks *marks)
{
	struct schema_report *report = run->report;
	struct marks own;
	bool good;

	run->report = NULL;
	if (!marks) {
		good = eval(run, node, value, NULL);
	} else {
		marks_init(&own, value);
		good = spend(run, node, own.words) && eval(run, node, value, &own);
		if (good)
			marks_add(marks, &own);
		marks_deinit(&own);
	}
	run->report = report;
	return good;
}

bool run_eval(struct run *run, const struct node *node, struct json_object *value)
{
	return eval(run, node, value, NULL);
}

/* ---- values ---- */

static bool in_list(const struct enumeration *list, size_t at, struct json_object *value, int64_t *steps)
{
	return value_equal(json_object_array_get_idx(list->values, at), value, steps);
}

static bool in_hashed(const struct enumeration *list, struct json_object *value, int64_t *steps)
{
	uint64_t hash = value_hash(value, steps);
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->hashes[middle] < hash)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < list->count && list->hashes[low] == hash; low++)
		if (in_list(list, list->order[low], value, steps))
			return true;
	return false;
}

static bool in_texts(const struct enumeration *list, struct json_object *value)
{
	size_t len = (size_t)json_object_get_string_len(value);
	const char *text = json_object_get_string(value);

	for (size_t i = 0; i < list->text_count; i++)
		if (list->texts[i].len == len && memcmp(list->texts[i].data, text, len) == 0)
			return true;
	return false;
}

static bool run_enum(GIVEN)
{
	const struct enumeration *list = op->enumeration;

	if (list->hashes)
		return in_hashed(list, value, &run->steps);
	if (kind == KIND_STRING)
		return in_texts(list, value);
	for (size_t i = 0; i < list->count; i++)
		if (in_list(list, i, value, &run->steps))
			return true;
	return false;
}

static bool in_range(const struct op *op, uint64_t count)
{
	return count >= op->range.least && count <= op->range.most;
}

/* In code points. What has as many bytes as the range allows at least and most needs no counting. */
static bool run_length(GIVEN)
{
	size_t len = (size_t)json_object_get_string_len(value), count = 0;
	const char *text;

	if (len < op->range.least)
		return false;
	if (len <= op->range.most && (op->range.least <= 1 || len / 4 >= op->range.least))
		return true;
	if (!spend(run, node, len / BYTES_A_STEP))
		return false;
	text = json_object_get_string(value);
	for (size_t i = 0; i < len; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return in_range(op, count);
}

static bool run_minimum(GIVEN)
{
	return bound_compare(value, kind == KIND_INTEGER, &op->bound) >= 0;
}

static bool run_maximum(GIVEN)
{
	return bound_compare(value, kind == KIND_INTEGER, &op->bound) <= 0;
}

static bool run_exclusive_minimum(GIVEN)
{
	return bound_compare(value, kind == KIND_INTEGER, &op->bound) > 0;
}

static bool run_exclusive_maximum(GIVEN)
{
	return bound_compare(value, kind == KIND_INTEGER, &op->bound) < 0;
}

static bool run_multiple_of(GIVEN)
{
	return number_divides(&op->divisor, value);
}

static bool run_count(GIVEN)
{
	return in_range(op, parts_of(value));
}

static bool run_format(GIVEN)
{
	return !json_object_is_type(value, json_type_string) ||
	       op->format->fits(json_object_get_string(value), (size_t)json_object_get_string_len(value));
}

/* PATTERN_TOO_HARD stops the run. */
static bool matches(struct run *run, const struct node *node, struct pattern *pattern, const char *text, size_t len)
{
	enum pattern_result result = pattern_run(pattern, text, len, &run->clock);

	if (result == PATTERN_TOO_HARD && !run->stopped) {
		run->stopped = "its text is too hard to match with the pattern";
		report_limit(run, node);
	}
	return result == PATTERN_FITS;
}

static bool run_pattern(GIVEN)
{
	return matches(run, node, op->pattern, json_object_get_string(value), (size_t)json_object_get_string_len(value));
}

/* ---- arrays ---- */

static int by_hash(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

struct hashed { uint64_t hash; size_t index; };

static bool unique_sorted(struct run *run, struct json_object *value, const struct hashed *sorted, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = i + 1; j < count && sorted[j].hash == sorted[i].hash && run->steps > 0; j++)
			if (value_equal(json_object_array_get_idx(value, sorted[i].index), json_object_array_get_idx(value, sorted[j].index), &run->steps))
				return false;
	return true;
}

static bool run_unique_items(GIVEN)
{
	size_t count = json_object_array_length(value);
	struct hashed *sorted;
	bool unique;

	if (count < 2)
		return true;
	sorted = fnr_alloc(count * sizeof *sorted);
	for (size_t i = 0; i < count; i++)
		sorted[i] = (struct hashed){ value_hash(json_object_array_get_idx(value, i), &run->steps), i };
	qsort(sorted, count, sizeof *sorted, by_hash);
	unique = unique_sorted(run, value, sorted, count);
	free(sorted);
	return unique;
}

static bool run_items(GIVEN)
{
	const struct items *items = op->items;
	size_t count = json_object_array_length(value);
	bool good = true;

	if (!items->rest && count > items->count)
		count = items->count;
	if (!spend(run, node, count))
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct node *part = i < items->count ? items->prefix[i] : items->rest;

		mark(marks, i);
		if (!eval_part(run, part, json_object_array_get_idx(value, i), NULL, i)) {
			good = false;
			if (!goes_on(run))
				break;
		}
	}
	return good;
}

static bool run_contains(GIVEN)
{
	const struct contains *contains = op->contains;
	size_t count = json_object_array_length(value);
	uint64_t found = 0;

	if (!spend(run, node, count))
		return false;
	for (size_t i = 0; i < count && !run->stopped; i++) {
		if (!probe(run, contains->node, json_object_array_get_idx(value, i), NULL))
			continue;
		mark(marks, i);
		found++;
		if (!marks && found >= contains->least && contains->most == UINT64_MAX)
			return true;
	}
	return (found >= contains->least && found <= contains->most) || report_contains(run, node, op, found);
}

/* ---- objects ---- */

static const struct property *property_by_hash(const struct members *members, const char *name)
{
	size_t len = strlen(name);

	for (size_t at = map_hash(name, len) & (members->size - 1); members->slots[at]; at = (at + 1) & (members->size - 1)) {
		const struct property *property = &members->properties[members->slots[at] - 1];

		if (property->len == len && memcmp(property->name, name, len) == 0)
			return property;
	}
	return NULL;
}

/* As strcmp() == 0; names are short, and a call costs more. */
static inline bool same_name(const char *a, const char *b)
{
	while (*a == *b && *a) {
		a++;
		b++;
	}
	return *a == *b;
}

/* Members mostly come in the order of the properties, so the one behind the last is looked at first; and most that are no
 * properties begin with a letter that none of these begins with. */
static inline const struct property *property_of(const struct members *members, const char *name, const struct property **expected)
{
	const struct property *property = *expected, *end = members->properties + members->count;

	if (property < end && same_name(property->name, name)) {
		++*expected;
		return property;
	}
	if (!(members->initials >> (*name & 63) & 1))
		return NULL;
	property = property_by_hash(members, name);
	if (property)
		*expected = property + 1;
	return property;
}

/* Whether the schemas that stand for this member fit; *any_r: there are some. */
static inline bool eval_member(struct run *run, const struct node *node, const struct members *members, const struct property *property, const char *name,
                        struct json_object *value, bool *any_r)
{
	bool good = true;

	*any_r = property && property->node;
	if (*any_r && !eval_part(run, property->node, value, name, 0))
		good = false;
	for (size_t i = 0; i < members->pattern_count && !run->stopped; i++) {
		if (!matches(run, node, members->patterns[i].pattern, name, strlen(name)))
			continue;
		*any_r = true;
		if (!eval_part(run, members->patterns[i].node, value, name, 0))
			good = false;
	}
	if (*any_r || !members->additional)
		return good;
	*any_r = true;
	return eval_part(run, members->additional, value, name, 0);
}

static bool report_all_missing(struct run *run, const struct node *node, const struct members *members, struct json_object *value)
{
	for (size_t i = 0; run->report && i < members->count && goes_on(run); i++)
		if (members->properties[i].required && !json_object_object_get_ex(value, members->properties[i].name, NULL))
			report_missing(run, node, members->properties[i].name);
	return false;
}

static bool run_members(GIVEN)
{
	const struct members *members = op->members;
	const struct lh_table *object = json_object_get_object(value);
	const struct property *expected = members->properties;
	size_t met = 0, required = 0, at = 0;
	bool good = true, any;

	if (!spend(run, node, (size_t)object->count))
		return false;
	for (struct lh_entry *entry = lh_table_head(object); entry && met < members->enough; entry = lh_entry_next(entry), at++) {
		const char *name = lh_entry_k(entry);
		const struct property *property = property_of(members, name, &expected);

		met += property != NULL;
		required += property && property->required;
		if (!eval_member(run, node, members, property, name, lh_entry_v(entry), &any)) {
			good = false;
			if (!goes_on(run))
				return false;
		}
		if (any)
			mark(marks, at);
	}
	return (required == members->required || report_all_missing(run, node, members, value)) && good;
}

/* A name as a value; for a report it has to stay. To put. */
static struct json_object *name_value(struct run *run, const char *name)
{
	struct json_object *value = json_object_new_string(name);

	FNR_MUST(value);
	return run->report ? report_keep(run, json_object_get(value)) : value;
}

static bool run_property_names(GIVEN)
{
	bool good = true;

	if (!spend(run, node, (size_t)json_object_object_length(value)))
		return false;
	json_object_object_foreach(value, name, member) {
		struct json_object *text = name_value(run, name);

		(void)member;
		if (!eval_part(run, op->node, text, name, 0))
			good = false;
		json_object_put(text);
		if (!good && !goes_on(run))
			return false;
	}
	return good;
}

static bool run_dependent_required(GIVEN)
{
	bool good = true;

	for (size_t i = 0; i < op->count; i++) {
		const struct dependency *dependency = &op->dependencies[i];

		if (!spend(run, node, 1))
			return false;
		if (!json_object_object_get_ex(value, dependency->name, NULL))
			continue;
		if (!spend(run, node, dependency->count))
			return false;
		for (size_t j = 0; j < dependency->count && (good || goes_on(run)); j++)
			if (!json_object_object_get_ex(value, dependency->names[j], NULL))
				good = report_dependent(run, node, dependency->name, dependency->names[j]);
	}
	return good;
}

/* ---- schemas for the same value ---- */

static bool run_dependent_schemas(GIVEN)
{
	bool good = true;

	for (size_t i = 0; i < op->count && (good || goes_on(run)); i++)
		if (json_object_object_get_ex(value, op->dependencies[i].name, NULL) && !eval(run, op->dependencies[i].node, value, marks))
			good = false;
	return good;
}

static bool run_ref(GIVEN)
{
	return eval(run, op->node, value, marks);
}

/* The outermost resource on the way here that has such an anchor. */
static bool run_dynamic_ref(GIVEN)
{
	const struct node *target = op->dynamic.node, *found;

	for (const struct scope *scope = run->scope; scope; scope = scope->parent) {
		found = resource_anchor(scope->resource, op->dynamic.anchor);
		target = found ? found : target;
	}
	return eval(run, target, value, marks);
}

static bool run_all_of(GIVEN)
{
	bool good = true;

	for (size_t i = 0; i < op->count && (good || goes_on(run)); i++)
		if (!eval(run, op->nodes[i], value, marks))
			good = false;
	return good;
}

static bool run_any_of(GIVEN)
{
	bool good = false;

	for (size_t i = 0; i < op->count && (!good || marks) && !run->stopped; i++)
		if (probe(run, op->nodes[i], value, marks))
			good = true;
	return good || report_none(run, node, op, value);
}

static bool run_one_of(GIVEN)
{
	size_t first = op->count;

	for (size_t i = 0; i < op->count && !run->stopped; i++) {
		if (!probe(run, op->nodes[i], value, marks))
			continue;
		if (first < op->count)
			return report_both(run, node, first, i);
		first = i;
	}
	return first < op->count || report_none(run, node, op, value);
}

static bool run_not(GIVEN)
{
	return !probe(run, op->node, value, NULL);
}

static bool run_if(GIVEN)
{
	const struct branches *branches = op->branches;
	const struct node *branch = probe(run, branches->condition, value, marks) ? branches->then : branches->otherwise;

	return !branch || eval(run, branch, value, marks);
}

static bool run_unevaluated_items(GIVEN)
{
	size_t count = json_object_array_length(value);
	bool good = true;

	if (!spend(run, node, count))
		return false;
	for (size_t i = 0; i < count && (good || goes_on(run)); i++) {
		if (!is_marked(marks, i) && !eval_part(run, op->node, json_object_array_get_idx(value, i), NULL, i))
			good = false;
		mark(marks, i);
	}
	return good;
}

static bool run_unevaluated_properties(GIVEN)
{
	size_t at = 0;
	bool good = true;

	if (!spend(run, node, (size_t)json_object_object_length(value)))
		return false;
	json_object_object_foreach(value, name, member) {
		if (!is_marked(marks, at) && !eval_part(run, op->node, member, name, 0))
			good = false;
		mark(marks, at++);
		if (!good && !goes_on(run))
			return false;
	}
	return good;
}

/* ---- one schema ---- */

typedef bool run_rule(GIVEN);

/* says: it reports its misfits itself; same: it applies schemas to the same value */
static const struct { run_rule *run; bool says, same; } rules[RULE_COUNT] = {
	[RULE_ENUM] = { run_enum, false, false }, [RULE_CONST] = { run_enum, false, false }, [RULE_LENGTH] = { run_length, false, false },
	[RULE_MINIMUM] = { run_minimum, false, false }, [RULE_MAXIMUM] = { run_maximum, false, false },
	[RULE_EXCLUSIVE_MINIMUM] = { run_exclusive_minimum, false, false }, [RULE_EXCLUSIVE_MAXIMUM] = { run_exclusive_maximum, false, false },
	[RULE_MULTIPLE_OF] = { run_multiple_of, false, false }, [RULE_ITEM_COUNT] = { run_count, false, false },
	[RULE_MEMBER_COUNT] = { run_count, false, false }, [RULE_FORMAT] = { run_format, false, false }, [RULE_PATTERN] = { run_pattern, false, false },
	[RULE_UNIQUE_ITEMS] = { run_unique_items, false, false }, [RULE_MEMBERS] = { run_members, true, false },
	[RULE_PROPERTY_NAMES] = { run_property_names, true, false }, [RULE_DEPENDENT_REQUIRED] = { run_dependent_required, true, false },
	[RULE_ITEMS] = { run_items, true, false }, [RULE_CONTAINS] = { run_contains, true, false }, [RULE_REF] = { run_ref, true, true },
	[RULE_DYNAMIC_REF] = { run_dynamic_ref, true, true }, [RULE_ALL_OF] = { run_all_of, true, true }, [RULE_ANY_OF] = { run_any_of, true, true },
	[RULE_ONE_OF] = { run_one_of, true, true }, [RULE_NOT] = { run_not, false, false }, [RULE_IF] = { run_if, true, true },
	[RULE_DEPENDENT_SCHEMAS] = { run_dependent_schemas, true, true }, [RULE_UNEVALUATED_ITEMS] = { run_unevaluated_items, true, false },
	[RULE_UNEVALUATED_PROPERTIES] = { run_unevaluated_properties, true, false },
};

/* What a schema for the same value did not evaluate because it does not fit is no further problem. */
static bool is_unevaluated(const struct op *op)
{
	return op->rule == RULE_UNEVALUATED_ITEMS || op->rule == RULE_UNEVALUATED_PROPERTIES;
}

/* Applies one operation; the commonest are called directly. */
static inline bool run_op(GIVEN)
{
	switch (op->rule) {
	case RULE_MEMBERS: return run_members(run, node, op, value, kind, marks);
	case RULE_LENGTH: return run_length(run, node, op, value, kind, marks);
	case RULE_MINIMUM: return run_minimum(run, node, op, value, kind, marks);
	case RULE_MAXIMUM: return run_maximum(run, node, op, value, kind, marks);
	case RULE_ENUM: return run_enum(run, node, op, value, kind, marks);
	default: return rules[op->rule].run(run, node, op, value, kind, marks);
	}
}

static bool eval_ops(struct run *run, const struct node *node, struct json_object *value, enum value_kind kind, struct marks *marks)
{
	bool good = true, applied = true;

	for (const struct op *op = node->ops, *end = op + node->op_count; op < end; op++) {
		if (!(op->applies & kind) || (!applied && is_unevaluated(op)) || run_op(run, node, op, value, kind, marks))
			continue;
		if (!run->report || !spend(run, node, 0))   /* without steps, no answer means anything */
			return false;
		good = false;
		applied = applied && !rules[op->rule].same;
		if (!rules[op->rule].says && !run->stopped)
			report_rule(run, node, op, value);
		if (!goes_on(run))
			return false;
	}
	return good;
}

static bool eval_tracking(struct run *run, const struct node *node, struct json_object *value, enum value_kind kind, struct marks *outer)
{
	struct marks own;
	bool good;

	marks_init(&own, value);
	good = spend(run, node, own.words) && eval_ops(run, node, value, kind, &own);
	if (good)
		marks_add(outer, &own);
	marks_deinit(&own);
	return good;
}

static bool eval_scoped(struct run *run, const struct node *node, struct json_object *value, enum value_kind kind, struct marks *marks)
{
	struct scope scope = { node->resource, run->scope };
	bool enters = run->schema->dynamic && (!run->scope || run->scope->resource != node->resource), good;

	if (enters)
		run->scope = &scope;
	good = node->tracks ? eval_tracking(run, node, value, kind, marks) : eval_ops(run, node, value, kind, marks);
	if (enters)
		run->scope = scope.parent;
	return good;
}

static bool eval_deep(struct run *run, const struct node *node, struct json_object *value, enum value_kind kind, struct marks *marks)
{
	bool good;

	if (!spend(run, node, 1))
		return false;
	if (run->depth == SCHEMA_DEPTH) {
		run->stopped = "the schema leads too deep here, or round and round";
		return report_limit(run, node);
	}
	run->depth++;
	good = eval_scoped(run, node, value, kind, marks);
	run->depth--;
	return good;
}

bool run_schema(const struct schema *schema, struct json_object *value, struct schema_report *report)
{
	struct run state = { .schema = schema, .report = report, .steps = SCHEMA_STEPS };
	bool good = eval(&state, schema->root, value, NULL);

	spend(&state, schema->root, 0);
	if (state.stopped && !state.said)
		report_limit(&state, schema->root);
	return good && !state.stopped;
}

bool schema_fits(const struct schema *schema, struct json_object *value)
{
	return run_schema(schema, value, NULL);
}
