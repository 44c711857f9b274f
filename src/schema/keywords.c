/* From keywords to operations: one row a keyword. */
#include <stdlib.h>
#include <string.h>

#include "schema/leaf.h"

#define NUMBER_MOST 1000      /* bytes of a bound: it is read again for each value that is about as large */
#define ENUMERATION_SHORT 8   /* values that are compared one by one */

static bool ill_typed(struct compiler *c, const struct node *node, const char *keyword, const char *needed)
{
	compiler_fault(c, node, keyword, "correct it", "'%s' must be %s", keyword, needed);
	return false;
}

/* ---- operations ---- */

static void *room(struct compiler *c, size_t size)
{
	return fnr_arena_alloc(c->schema->arena, size);
}

/* The node's operation for this rule: several keywords may share one. NULL if it has none. */
static struct op *op_of(struct compiler *c, enum rule rule)
{
	for (size_t i = c->op_count; i--;)
		if (c->ops[i].rule == rule)
			return &c->ops[i];
	return NULL;
}

static struct op *add_op(struct compiler *c, enum rule rule)
{
	static const uint8_t applies[] = {
#define X(name, keyword, kinds) kinds,
		RULES(X)
#undef X
	};

	if (c->op_count == c->op_size) {
		c->op_size = c->op_size ? c->op_size * 2 : 32;
		c->ops = fnr_realloc(c->ops, c->op_size * sizeof *c->ops);
	}
	c->ops[c->op_count] = (struct op){ .rule = (uint8_t)rule, .applies = applies[rule] };
	return &c->ops[c->op_count++];
}

/* The schema that stands there; it is compiled too. NULL, with a fault, if there is none. */
static struct node *child(struct compiler *c, struct node *node, const char *keyword, struct json_object *value)
{
	struct node *found = value ? resource_node(c, value) : NULL;

	if (!found)
		ill_typed(c, node, keyword, "a schema: an object, true or false");
	else
		compiler_want(c, found);
	return found;
}

static struct node **children(struct compiler *c, struct node *node, const char *keyword, struct json_object *list, size_t *count_r)
{
	struct node **nodes;

	if (!json_object_is_type(list, json_type_array)) {
		ill_typed(c, node, keyword, "a list of schemas");
		return NULL;
	}
	*count_r = json_object_array_length(list);
	nodes = room(c, *count_r * sizeof *nodes);
	for (size_t i = 0; i < *count_r; i++)
		nodes[i] = child(c, node, keyword, json_object_array_get_idx(list, i));
	return nodes;
}

static bool read_count(struct compiler *c, struct node *node, const char *keyword, struct json_object *value, uint64_t *count_r)
{
	if ((!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double)) || !number_whole(value) ||
	    number_sign(value) < 0)
		return ill_typed(c, node, keyword, "a whole number, at least 0");
	*count_r = json_object_get_double(value) > 1e18 ? UINT64_MAX : json_object_is_type(value, json_type_int) ?
	           (uint64_t)json_object_get_int64(value) : (uint64_t)json_object_get_double(value);
	return true;
}

/* ---- one function a kind of keyword ---- */

struct row;
typedef void compile_keyword(struct compiler *c, struct node *node, const struct row *row, struct json_object *value);
struct row { const char *keyword; unsigned vocabulary; enum rule rule; compile_keyword *compile; };

static uint8_t kind_named(const char *name)
{
	static const struct { const char *name; uint8_t kinds; } names[] = {
		{ "string", KIND_STRING }, { "object", KIND_OBJECT }, { "array", KIND_ARRAY }, { "integer", KIND_INTEGER },
		{ "number", NUMERIC }, { "boolean", KIND_BOOLEAN }, { "null", KIND_NULL },
	};

	for (size_t i = 0; name && i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].kinds;
	return 0;
}

static void compile_type(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	uint8_t kinds = 0;

	if (json_object_is_type(value, json_type_string))
		kinds = kind_named(json_object_get_string(value));
	else if (json_object_is_type(value, json_type_array))
		for (size_t i = 0; i < json_object_array_length(value); i++)
			kinds |= kind_named(json_object_get_string(json_object_array_get_idx(value, i)));
	if (kinds)
		node->kinds = kinds;
	else
		ill_typed(c, node, row->keyword, "one or more of string, integer, number, boolean, array, object, null");
}

struct hashed { uint64_t hash; uint32_t number; };

static int by_hash(const void *a, const void *b)
{
	uint64_t x = ((const struct hashed *)a)->hash, y = ((const struct hashed *)b)->hash;

	return (x > y) - (x < y);
}

static void hash_values(struct compiler *c, struct enumeration *list)
{
	struct hashed *sorted = fnr_alloc(list->count * sizeof *sorted);
	int64_t steps = INT64_MAX;

	for (size_t i = 0; i < list->count; i++)
		sorted[i] = (struct hashed){ value_hash(json_object_array_get_idx(list->values, i), &steps), (uint32_t)i };
	qsort(sorted, list->count, sizeof *sorted, by_hash);
	list->hashes = room(c, list->count * sizeof *list->hashes);
	list->order = room(c, list->count * sizeof *list->order);
	for (size_t i = 0; i < list->count; i++) {
		list->hashes[i] = sorted[i].hash;
		list->order[i] = sorted[i].number;
	}
	free(sorted);
}

static void add_enumeration(struct compiler *c, enum rule rule, struct json_object *values)
{
	struct enumeration *list = room(c, sizeof *list);

	*list = (struct enumeration){ .values = values, .count = json_object_array_length(values) };
	list->texts = room(c, list->count * sizeof *list->texts);
	for (size_t i = 0; i < list->count; i++) {
		struct json_object *value = json_object_array_get_idx(values, i);

		if (json_object_is_type(value, json_type_string))
			list->texts[list->text_count++] = text_of(value);
	}
	if (list->count > ENUMERATION_SHORT)
		hash_values(c, list);
	add_op(c, rule)->enumeration = list;
}

static void compile_enum(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	if (json_object_is_type(value, json_type_array))
		add_enumeration(c, row->rule, value);
	else
		ill_typed(c, node, row->keyword, "a list of values");
}

/* A list of one, which lives as long as the schema. */
static void compile_const(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	struct json_object *values = json_object_new_array_ext(1);

	(void)node;
	json_object_array_add(values, json_object_get(value));
	json_object_array_add(c->schema->constants, values);
	add_enumeration(c, row->rule, values);
}

static struct op *range_op(struct compiler *c, enum rule rule)
{
	struct op *op = op_of(c, rule);

	if (!op) {
		op = add_op(c, rule);
		op->range.most = UINT64_MAX;
	}
	return op;
}

static void compile_least(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	uint64_t count;

	if (read_count(c, node, row->keyword, value, &count))
		range_op(c, row->rule)->range.least = count;
}

static void compile_most(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	uint64_t count;

	if (read_count(c, node, row->keyword, value, &count))
		range_op(c, row->rule)->range.most = count;
}

static void compile_bound(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	if (number_length(value) > NUMBER_MOST)
		compiler_fault(c, node, row->keyword, "round it", "'%s' has more than %d digits", row->keyword, NUMBER_MOST);
	else if (value_kind(value) & NUMERIC)
		add_op(c, row->rule)->bound = bound_of(value);
	else
		ill_typed(c, node, row->keyword, "a number");
}

static void compile_multiple(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	struct divisor divisor;

	if (!(value_kind(value) & NUMERIC) || number_sign(value) <= 0)
		ill_typed(c, node, row->keyword, "a number above 0");
	else if (!divisor_read(value, &divisor))
		compiler_fault(c, node, row->keyword, "round it", "'multipleOf' has more than %d digits", DIVISOR_DIGITS);
	else
		*add_op(c, row->rule) = (struct op){ .rule = (uint8_t)row->rule, .applies = NUMERIC, .divisor = divisor };
}

static struct pattern *make_pattern(struct compiler *c, struct node *node, const char *keyword, const char *text, size_t len)
{
	char why[192];
	struct pattern *pattern = pattern_create(text, len, why, sizeof why);

	if (!pattern) {
		compiler_fault(c, node, keyword, "correct the regular expression", "the pattern '%.100s' cannot be used: %s", text, why);
		return NULL;
	}
	c->schema->patterns = fnr_realloc(c->schema->patterns, (c->schema->pattern_count + 1) * sizeof pattern);
	c->schema->patterns[c->schema->pattern_count++] = pattern;
	return pattern;
}

static void compile_pattern(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	struct pattern *pattern;
	struct op *op;

	if (!json_object_is_type(value, json_type_string)) {
		ill_typed(c, node, row->keyword, "text");
		return;
	}
	pattern = make_pattern(c, node, row->keyword, json_object_get_string(value), (size_t)json_object_get_string_len(value));
	if (!pattern)
		return;
	op = add_op(c, row->rule);
	op->pattern = pattern;
	op->plain = pattern_plain(pattern);
}

/* Formats that nobody knows are annotations always. */
static void compile_format(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	bool asserted = (c->options && c->options->formats) || (node->resource->vocabularies & V_FORMAT_ASSERTION);
	const struct format *format = asserted && json_object_is_type(value, json_type_string) ? format_find(json_object_get_string(value)) : NULL;

	if (format)
		add_op(c, row->rule)->format = format;
}

static void compile_unique(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	(void)node;
	if (json_object_get_boolean(value))
		add_op(c, row->rule);
}

/* ---- members of objects ---- */

static struct members *members_of(struct compiler *c, enum rule rule)
{
	struct op *op = op_of(c, rule);

	if (!op) {
		op = add_op(c, rule);
		op->members = room(c, sizeof *op->members);
	}
	return op->members;
}

/* Room for more, and for what stands behind the last; they are told apart when all are there. */
static struct property *more_properties(struct compiler *c, struct members *members, size_t count)
{
	struct property *grown = room(c, (members->count + count + 1) * sizeof *grown);

	if (members->count)
		memcpy(grown, members->properties, members->count * sizeof *grown);
	members->properties = grown;
	return grown;
}

static void compile_properties(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	struct members *members = members_of(c, row->rule);
	struct property *properties;

	if (!json_object_is_type(value, json_type_object)) {
		ill_typed(c, node, row->keyword, "an object");
		return;
	}
	properties = more_properties(c, members, (size_t)json_object_object_length(value));
	json_object_object_foreach(value, name, schema)
		properties[members->count++] = (struct property){ .name = word_of(name), .node = child(c, node, row->keyword, schema) };
}

static void compile_pattern_properties(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	struct members *members = members_of(c, row->rule);

	if (!json_object_is_type(value, json_type_object)) {
		ill_typed(c, node, row->keyword, "an object");
		return;
	}
	members->patterns = room(c, (size_t)json_object_object_length(value) * sizeof *members->patterns);
	json_object_object_foreach(value, text, schema) {
		struct pattern *pattern = make_pattern(c, node, row->keyword, text, strlen(text));
		struct node *found = child(c, node, row->keyword, schema);

		if (pattern && found)
			members->patterns[members->pattern_count++] = (struct pattern_property){ pattern, found };
	}
}

static void compile_additional(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	members_of(c, row->rule)->additional = child(c, node, row->keyword, value);
}

static void compile_required(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	struct members *members = members_of(c, row->rule);
	struct map known = MAP_INIT;
	struct property *properties;
	size_t count;

	if (!json_object_is_type(value, json_type_array)) {
		ill_typed(c, node, row->keyword, "a list of names");
		return;
	}
	count = json_object_array_length(value);
	properties = more_properties(c, members, count);
	for (size_t i = 0; i < members->count; i++)
		map_put(&known, properties[i].name.text, properties[i].name.len, &properties[i]);
	for (size_t i = 0; i < count; i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(value, i));
		struct property *property = name ? map_get(&known, name, strlen(name)) : NULL;

		if (name && !property) {
			property = &properties[members->count++];
			*property = (struct property){ .name = word_of(name) };
			map_put(&known, name, property->name.len, property);
		}
		members->required += property && !property->required;
		if (property)
			property->required = true;
	}
	map_free(&known);
}

static void compile_dependencies(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	struct dependency *list, *at;
	struct op *op;

	if (!json_object_is_type(value, json_type_object)) {
		ill_typed(c, node, row->keyword, "an object");
		return;
	}
	at = list = room(c, (size_t)json_object_object_length(value) * sizeof *list);
	json_object_object_foreach(value, name, needed) {
		*at = (struct dependency){ .name = name };
		if (row->rule == RULE_DEPENDENT_SCHEMAS) {
			at->node = child(c, node, row->keyword, needed);
		} else if (json_object_is_type(needed, json_type_array)) {
			at->names = room(c, json_object_array_length(needed) * sizeof *at->names);
			for (size_t i = 0; i < json_object_array_length(needed); i++)
				if (json_object_get_string(json_object_array_get_idx(needed, i)))
					at->names[at->count++] = json_object_get_string(json_object_array_get_idx(needed, i));
		}
		at++;
	}
	op = add_op(c, row->rule);
	op->dependencies = list;
	op->count = (uint32_t)(at - list);
}

/* ---- items of arrays ---- */

static struct items *items_of(struct compiler *c, enum rule rule)
{
	struct op *op = op_of(c, rule);

	if (!op) {
		op = add_op(c, rule);
		op->items = room(c, sizeof *op->items);
	}
	return op->items;
}

static void compile_prefix(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	struct items *items = items_of(c, row->rule);

	items->prefix = children(c, node, row->keyword, value, &items->count);
}

static void compile_items(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	items_of(c, row->rule)->rest = child(c, node, row->keyword, value);
}

static void compile_contains(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	struct contains *contains = room(c, sizeof *contains);

	*contains = (struct contains){ child(c, node, row->keyword, value), 1, UINT64_MAX };
	add_op(c, row->rule)->contains = contains;
}

static void compile_contains_range(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	struct op *op = op_of(c, row->rule);
	uint64_t count;

	if (read_count(c, node, row->keyword, value, &count) && op)
		*(strcmp(row->keyword, "minContains") == 0 ? &op->contains->least : &op->contains->most) = count;
}

/* ---- schemas for the same value ---- */

static void compile_one(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	struct node *found = child(c, node, row->keyword, value);

	add_op(c, row->rule)->node = found;
	node->tracks = node->tracks || row->rule == RULE_UNEVALUATED_ITEMS || row->rule == RULE_UNEVALUATED_PROPERTIES;
}

static void compile_list(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	size_t count = 0;
	struct node **nodes = children(c, node, row->keyword, value, &count);
	struct op *op = add_op(c, row->rule);

	op->nodes = nodes;
	op->count = (uint32_t)count;
}

static void compile_if(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	struct branches *branches = room(c, sizeof *branches);

	branches->condition = child(c, node, row->keyword, value);
	add_op(c, row->rule)->branches = branches;
}

static void compile_branch(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	struct op *op = op_of(c, row->rule);
	struct node *found = child(c, node, row->keyword, value);

	if (op)
		*(strcmp(row->keyword, "then") == 0 ? &op->branches->then : &op->branches->otherwise) = found;
}

static struct node *referred(struct compiler *c, struct node *node, const struct row *row, struct json_object *value, const char **anchor_r)
{
	struct node *target;

	if (!json_object_is_type(value, json_type_string)) {
		ill_typed(c, node, row->keyword, "an address");
		return NULL;
	}
	target = resource_resolve(c, node, row->keyword, json_object_get_string(value), anchor_r);
	if (target)
		compiler_want(c, target);
	return target;
}

static void compile_ref(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	const char *anchor;
	struct node *target = referred(c, node, row, value, &anchor);

	if (target)
		add_op(c, row->rule)->node = target;
}

/* It is dynamic only if what it refers to at first is a $dynamicAnchor. Whatever it may lead to has to be there. */
static void compile_dynamic_ref(struct compiler *c, struct node *node, const struct row *row, struct json_object *value)
{
	const char *anchor;
	struct node *target = referred(c, node, row, value, &anchor);
	struct op *op;

	if (!target)
		return;
	if (!anchor || resource_anchor(target->resource, anchor) != target) {
		add_op(c, RULE_REF)->node = target;
		return;
	}
	op = add_op(c, row->rule);
	op->dynamic.node = target;
	op->dynamic.anchor = anchor;
	c->schema->dynamic = true;
}

/* In the order of their operations; what one keyword says about another stands behind it. */
static const struct row rows[] = {
	{ "type", V_VALIDATION, RULE_COUNT, compile_type },
	{ "enum", V_VALIDATION, RULE_ENUM, compile_enum },
	{ "const", V_VALIDATION, RULE_CONST, compile_const },
	{ "minLength", V_VALIDATION, RULE_LENGTH, compile_least },
	{ "maxLength", V_VALIDATION, RULE_LENGTH, compile_most },
	{ "minimum", V_VALIDATION, RULE_MINIMUM, compile_bound },
	{ "maximum", V_VALIDATION, RULE_MAXIMUM, compile_bound },
	{ "exclusiveMinimum", V_VALIDATION, RULE_EXCLUSIVE_MINIMUM, compile_bound },
	{ "exclusiveMaximum", V_VALIDATION, RULE_EXCLUSIVE_MAXIMUM, compile_bound },
	{ "multipleOf", V_VALIDATION, RULE_MULTIPLE_OF, compile_multiple },
	{ "minItems", V_VALIDATION, RULE_ITEM_COUNT, compile_least },
	{ "maxItems", V_VALIDATION, RULE_ITEM_COUNT, compile_most },
	{ "minProperties", V_VALIDATION, RULE_MEMBER_COUNT, compile_least },
	{ "maxProperties", V_VALIDATION, RULE_MEMBER_COUNT, compile_most },
	{ "format", V_FORMAT | V_FORMAT_ASSERTION, RULE_FORMAT, compile_format },
	{ "pattern", V_VALIDATION, RULE_PATTERN, compile_pattern },
	{ "uniqueItems", V_VALIDATION, RULE_UNIQUE_ITEMS, compile_unique },
	{ "properties", V_APPLICATOR, RULE_MEMBERS, compile_properties },
	{ "patternProperties", V_APPLICATOR, RULE_MEMBERS, compile_pattern_properties },
	{ "additionalProperties", V_APPLICATOR, RULE_MEMBERS, compile_additional },
	{ "required", V_VALIDATION, RULE_MEMBERS, compile_required },
	{ "propertyNames", V_APPLICATOR, RULE_PROPERTY_NAMES, compile_one },
	{ "dependentRequired", V_VALIDATION, RULE_DEPENDENT_REQUIRED, compile_dependencies },
	{ "prefixItems", V_APPLICATOR, RULE_ITEMS, compile_prefix },
	{ "items", V_APPLICATOR, RULE_ITEMS, compile_items },
	{ "contains", V_APPLICATOR, RULE_CONTAINS, compile_contains },
	{ "minContains", V_VALIDATION, RULE_CONTAINS, compile_contains_range },
	{ "maxContains", V_VALIDATION, RULE_CONTAINS, compile_contains_range },
	{ "$ref", V_CORE, RULE_REF, compile_ref },
	{ "$dynamicRef", V_CORE, RULE_DYNAMIC_REF, compile_dynamic_ref },
	{ "allOf", V_APPLICATOR, RULE_ALL_OF, compile_list },
	{ "anyOf", V_APPLICATOR, RULE_ANY_OF, compile_list },
	{ "oneOf", V_APPLICATOR, RULE_ONE_OF, compile_list },
	{ "not", V_APPLICATOR, RULE_NOT, compile_one },
	{ "if", V_APPLICATOR, RULE_IF, compile_if },
	{ "then", V_APPLICATOR, RULE_IF, compile_branch },
	{ "else", V_APPLICATOR, RULE_IF, compile_branch },
	{ "dependentSchemas", V_APPLICATOR, RULE_DEPENDENT_SCHEMAS, compile_dependencies },
	{ "unevaluatedItems", V_UNEVALUATED, RULE_UNEVALUATED_ITEMS, compile_one },
	{ "unevaluatedProperties", V_UNEVALUATED, RULE_UNEVALUATED_PROPERTIES, compile_one },
};

/* ---- a node ---- */

/* So that a property is found by its name. */
static void hash_members(struct compiler *c, struct members *members)
{
	for (uint32_t i = 0; i < members->count; i++)
		members->initials |= UINT64_C(1) << (*members->properties[i].name.text & 63);
	members->enough = members->pattern_count || members->additional ? UINT32_MAX : members->count;
	members->plenty = members->enough == UINT32_MAX ? UINT32_MAX : members->count * 2 + 8;
	if (!members->properties)
		more_properties(c, members, 0);
	members->properties[members->count].name = word_none();
	for (members->size = 4; members->size < members->count * 2;)
		members->size *= 2;
	members->slots = room(c, members->size * sizeof *members->slots);
	for (uint32_t i = 0; i < members->count; i++) {
		uint64_t at = map_hash(members->properties[i].name.text, members->properties[i].name.len) & (members->size - 1);

		while (members->slots[at])
			at = (at + 1) & (members->size - 1);
		members->slots[at] = i + 1;
	}
}

void keywords_compile(struct compiler *c, struct node *node, unsigned vocabularies)
{
	struct op *members;

	c->op_count = 0;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct json_object *value;

		if ((rows[i].vocabulary & vocabularies) && json_object_object_get_ex(node->source, rows[i].keyword, &value))
			rows[i].compile(c, node, &rows[i], value);
	}
	members = op_of(c, RULE_MEMBERS);
	if (members)
		hash_members(c, members->members);
	for (size_t i = 0; i < c->op_count; i++)
		c->ops[i].home = node;
	node->op_count = (uint32_t)c->op_count;
	node->ops = room(c, c->op_count * sizeof *node->ops);
	if (c->op_count)
		memcpy(node->ops, c->ops, c->op_count * sizeof *node->ops);
}
