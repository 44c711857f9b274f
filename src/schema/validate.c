/* Runs a compiled schema over a value: what leads to the parts of it, and to other schemas for the same value. */
#include <stdlib.h>
#include <string.h>

#include "schema/effort.h"
#include "schema/frame.h"
#include "schema/map.h"
#include "schema/shape.h"

/* What the function of a rule gets. */
#define GIVEN struct run *run, const struct op *op, const struct subject *subject, struct marks *marks

static bool eval_deep(struct run *run, const struct node *node, const struct subject *subject, struct marks *marks);

static bool members_by_name(GIVEN);

/* Do names alone tell whether there are other members that matter? */
static inline bool is_closed(const struct members *members)
{
	return !members->pattern_count && (!members->additional || !members->additional->kinds);
}

/* Are the members of the object known, and do names alone tell which matter? */
static inline bool is_framed(const struct op *op, const struct subject *subject)
{
	return frame_for(op->home, subject) && is_closed(op->members);
}

static inline bool has_names(const struct members *members, const struct frame *frame)
{
	return !(members->must & ~frame->present);
}

/* Does the value fit this schema? What it evaluates is marked, where somebody wants to know that. */
static inline bool eval(struct run *run, const struct node *node, const struct subject *subject, struct marks *marks)
{
	if (!node_takes(node, subject->value, subject->kind))
		return report_kind(run, node, subject);
	if (node->leaf)
		return leaf_run(run, node, subject);
	if (node->look == LOOK_MEMBERS && !(node->needs & ~NEEDS_FRAME) && subject->frame && !run->report && is_framed(node->ops, subject))
		return has_names(node->ops->members, subject->frame) && spend(run, node, subject->frame->count) && members_by_name(run, node->ops, subject, marks);
	return eval_deep(run, node, subject, marks);
}

bool run_eval(struct run *run, const struct node *node, const struct subject *subject)
{
	return eval(run, node, subject, NULL);
}

/* ---- marks ---- */

static size_t parts_of(const struct subject *subject)
{
	if (subject->kind == KIND_OBJECT)
		return (size_t)subject->object->count;
	return subject->kind == KIND_ARRAY ? json_object_array_length(subject->value) : 0;
}

static inline void marks_init(struct marks *marks, const struct subject *subject)
{
	marks->words = (parts_of(subject) + 63) / 64;
	marks->names = 0;
	memset(marks->small, 0, sizeof marks->small);
	marks->bits = marks->words > MARKS_SMALL ? fnr_alloc(marks->words * sizeof *marks->bits) : marks->small;
}

static inline void marks_deinit(struct marks *marks)
{
	if (marks->bits != marks->small)
		free(marks->bits);
}

static inline void mark(struct marks *marks, size_t at)
{
	if (marks)
		marks->bits[at / 64] |= UINT64_C(1) << at % 64;
}

static inline bool is_marked(const struct marks *marks, size_t at)
{
	return marks->bits[at / 64] >> at % 64 & 1;
}

static inline void mark_names(struct marks *marks, uint64_t names)
{
	if (marks)
		marks->names |= names;
}

/* Both are of the same frame. */
static inline void marks_add(struct marks *to, const struct marks *from)
{
	if (!to)
		return;
	to->names |= from->names;
	for (size_t i = 0; i < from->words; i++)
		to->bits[i] |= from->bits[i];
}

/* The names of a frame that nobody knows any more become places. */
static void marks_unname(struct marks *marks, const struct frame *frame)
{
	for (; marks->names; marks->names &= marks->names - 1)
		mark(marks, frame->places[__builtin_ctzll(marks->names)]);
}

/* ---- going on ---- */

bool run_give_up(struct run *run, const struct node *node, const char *why)
{
	run->steps = 0;
	if (run->stopped)
		return false;
	run->stopped = why;
	return report_limit(run, node);
}

/* Into another schema; run->depth has to be taken back. */
static inline bool go_deeper(struct run *run, const struct node *node, size_t steps)
{
	if (!spend(run, node, steps))
		return false;
	if (run->depth == SCHEMA_DEPTH)
		return run_give_up(run, node, "the schema leads too deep here, or round and round");
	run->depth++;
	return true;
}

/* With its place in the value, for a report. */
static bool eval_spot(struct run *run, const struct node *node, const struct subject *subject, const char *name, size_t index)
{
	struct spot spot = { run->spot, name, index, run->spot ? run->spot->depth + 1 : 1 };
	bool good;

	run->spot = &spot;
	good = eval(run, node, subject, NULL);
	run->spot = spot.parent;
	return good;
}

static bool eval_members(struct run *run, const struct node *node, struct json_object *value, struct lh_table *object);
static bool eval_object(struct run *run, const struct node *node, struct json_object *value, struct lh_table *object);

static __attribute__((noinline)) bool eval_any_part(struct run *run, const struct node *node, struct json_object *value, const char *name, size_t index)
{
	struct subject subject = subject_of(value, subject_kind(value));

	return run->report ? eval_spot(run, node, &subject, name, index) : eval(run, node, &subject, NULL);
}

/* A member or item that one look was not enough for; name is NULL for an item. Mostly it is an object. */
static __attribute__((noinline)) bool eval_part(struct run *run, const struct node *node, struct json_object *value, const char *name, size_t index)
{
	struct lh_table *object = run->report || !node->objects ? NULL : json_object_get_object(value);

	if (!object)
		return eval_any_part(run, node, value, name, index);
	return node->look == LOOK_MEMBERS && !node->needs ? eval_members(run, node, value, object) : eval_object(run, node, value, object);
}

/* The same where one look was enough: what it looks at is the kind, or the first operation. */
static __attribute__((noinline)) bool report_seen(struct run *run, const struct node *node, struct json_object *value, const char *name, size_t index)
{
	struct spot spot = { run->spot, name, index, run->spot ? run->spot->depth + 1 : 1 };
	struct subject subject = { .value = value, .kind = subject_kind(value) };

	run->spot = &spot;
	if (node->kinds & subject.kind)
		report_rule(run, node->ops->home, node->ops, &subject);
	else
		report_kind(run, node, &subject);
	run->spot = spot.parent;
	return false;
}

/* A member or item; name is NULL for an item. Most of all time goes by here, so it stands where it is used. */
static inline __attribute__((always_inline)) bool eval_value(struct run *run, const struct node *node, struct json_object *value, const char *name,
                                                             size_t index)
{
	enum seen seen = look(node, value);

	if (seen == SEEN_FAILS && run->report)
		return report_seen(run, node, value, name, index);
	return seen == SEEN_OPEN ? eval_part(run, node, value, name, index) : seen == SEEN_FITS;
}

/* What a guard knows; only names that it looks at are evaluated if it is all of the schema. */
static inline enum seen try_guard(const struct node *node, const struct subject *subject, struct marks *marks)
{
	struct frame *frame = node->guard ? frame_for(node, subject) : NULL;
	enum seen result = frame ? guard_try(node->guard, frame) : SEEN_OPEN;

	if (result == SEEN_FITS)
		mark_names(marks, frame->present & UINT64_C(1) << node->guard->id);
	return result;
}

/* Applies a schema to the value itself, where it is no misfit if that does not fit. What it evaluates counts only if it does. */
static __attribute__((noinline)) bool probe_all(struct run *run, const struct node *node, const struct subject *subject, struct marks *marks)
{
	struct schema_report *report = run->report;
	struct marks own;
	bool good;

	run->report = NULL;
	if (!marks) {
		good = eval(run, node, subject, NULL);
	} else {
		marks_init(&own, subject);
		good = spend(run, node, own.words) && eval(run, node, subject, &own);
		if (good)
			marks_add(marks, &own);
		marks_deinit(&own);
	}
	run->report = report;
	return good;
}

static inline bool probe(struct run *run, const struct node *node, const struct subject *subject, struct marks *marks)
{
	enum seen guessed = try_guard(node, subject, marks);

	if (guessed != SEEN_OPEN)
		return guessed == SEEN_FITS;
	return run->report || marks ? probe_all(run, node, subject, marks) : eval(run, node, subject, NULL);
}

/* ---- arrays ---- */

static bool rows_fit(struct run *run, const struct node *node, const struct array_list *list);

/* All by one schema, where there is nothing to report or to mark. */
static bool items_fit(struct run *run, const struct node *node, const struct array_list *list)
{
	if (node && node->look == LOOK_MEMBERS && !node->needs && node->ops->members->flat && run->depth < SCHEMA_DEPTH)
		return rows_fit(run, node, list);
	for (size_t i = 0; node && i < list->length; i++)
		if (!eval_value(run, node, list->array[i], NULL, i))
			return false;
	return true;
}

static bool run_items(GIVEN)
{
	const struct items *items = op->items;
	const struct array_list *list = json_object_get_array(subject->value);
	size_t count = list->length;
	bool good = true;

	if (!items->rest && count > items->count)
		count = items->count;
	if (!spend(run, op->home, count))
		return false;
	if (!run->report && !marks && !items->count)
		return items_fit(run, items->rest, list);
	for (size_t i = 0; i < count; i++) {
		const struct node *part = i < items->count ? items->prefix[i] : items->rest;

		mark(marks, i);
		if (!eval_value(run, part, list->array[i], NULL, i)) {
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
	const struct array_list *list = json_object_get_array(subject->value);
	uint64_t found = 0;

	if (!spend(run, op->home, list->length))
		return false;
	for (size_t i = 0; i < list->length && !run->stopped; i++) {
		struct subject item = subject_of(list->array[i], subject_kind(list->array[i]));

		if (!probe(run, contains->node, &item, NULL))
			continue;
		mark(marks, i);
		found++;
		if (!marks && found >= contains->least && contains->most == UINT64_MAX)
			return true;
	}
	return (found >= contains->least && found <= contains->most) || report_contains(run, op->home, op, found);
}

static bool run_unevaluated_items(GIVEN)
{
	const struct array_list *list = json_object_get_array(subject->value);
	bool good = true;

	if (!spend(run, op->home, list->length))
		return false;
	for (size_t i = 0; i < list->length && (good || goes_on(run)); i++) {
		if (!is_marked(marks, i) && !eval_value(run, op->node, list->array[i], NULL, i))
			good = false;
		mark(marks, i);
	}
	return good;
}

/* ---- objects ---- */

#define FEW_PROPERTIES 8

static const struct property *property_by_hash(const struct members *members, const char *name)
{
	size_t len = strlen(name);

	for (size_t at = map_hash(name, len) & (members->size - 1); members->slots[at]; at = (at + 1) & (members->size - 1)) {
		const struct property *property = &members->properties[members->slots[at] - 1];

		if (property->name.len == len && memcmp(property->name.text, name, len) == 0)
			return property;
	}
	return NULL;
}

/* Of few, looking at each is quicker than a hash. */
static const struct property *property_by_name(const struct members *members, const char *name)
{
	if (members->count > FEW_PROPERTIES)
		return property_by_hash(members, name);
	for (uint32_t i = 0; i < members->count; i++)
		if (word_is(&members->properties[i].name, name))
			return &members->properties[i];
	return NULL;
}

/* Members mostly come in the order of the properties, so the one behind the last is looked at first; and most that are no
 * properties begin with a letter that none of these begins with. */
static inline const struct property *property_of(const struct members *members, const char *name, const struct property **expected)
{
	const struct property *property = *expected;

	if (word_is_seen(&property->name, name)) {
		++*expected;
		return property;
	}
	if (!(members->initials >> (*name & 63) & 1))
		return NULL;
	property = property_by_name(members, name);
	if (property)
		*expected = property + 1;
	return property;
}

/* Whether the schemas that stand for this member fit, if it has no property. *any_r: there are some. */
static bool eval_other(struct run *run, const struct op *op, bool any, const char *name, struct json_object *value, bool *any_r)
{
	const struct members *members = op->members;
	bool good = true;

	for (size_t i = 0; i < members->pattern_count && !run->stopped; i++) {
		if (!leaf_matches(run, op->home, members->patterns[i].pattern, name, strlen(name)))
			continue;
		any = true;
		if (!eval_value(run, members->patterns[i].node, value, name, 0))
			good = false;
	}
	*any_r = any || members->additional;
	return any || !members->additional ? good : eval_value(run, members->additional, value, name, 0);
}

static inline bool eval_member(struct run *run, const struct op *op, const struct property *property, const char *name,
                               struct json_object *value, bool *any_r)
{
	const struct members *members = op->members;
	bool good = true, others;

	*any_r = property && property->node;
	if (*any_r)
		good = eval_value(run, property->node, value, name, 0);
	if (!members->pattern_count && (*any_r || !members->additional))
		return good;
	others = eval_other(run, op, *any_r, name, value, any_r);
	return good && others;
}

static bool report_all_missing(struct run *run, const struct op *op, struct json_object *value)
{
	const struct members *members = op->members;

	for (size_t i = 0; run->report && i < members->count && goes_on(run); i++)
		if (members->properties[i].required && !json_object_object_get_ex(value, members->properties[i].name.text, NULL))
			report_missing(run, op->home, members->properties[i].name.text);
	return false;
}

/* The schema for a member that is not the expected one; NULL if there is none. */
static __attribute__((noinline)) const struct node *other_node(const struct members *members, const char *name, const struct property **expected,
                                                               uint32_t *required)
{
	const struct property *property = property_of(members, name, expected);

	if (!property)
		return members->additional;
	*required += property->required;
	return property->node ? property->node : members->additional;
}

/* The schema for the next member; NULL if there is none. They mostly come in the order of the properties. */
static inline const struct node *member_node(const struct members *members, const char *name, const struct property **expected, uint32_t *required)
{
	const struct property *property = *expected;

	if (!word_is_seen(&property->name, name))
		return other_node(members, name, expected, required);
	*expected = property + 1;
	*required += property->required;
	return property->node ? property->node : members->additional;
}

/* Do the members fit, where no patterns look at their names and nobody wants to know which were evaluated? */
static bool members_fit(struct run *run, const struct op *op, struct json_object *value, const struct lh_table *object)
{
	const struct members *members = op->members;
	const struct property *expected = members->properties;
	uint32_t required = 0;
	bool good = true;

	for (struct lh_entry *entry = lh_table_head(object); entry; entry = lh_entry_next(entry)) {
		const struct node *node = member_node(members, lh_entry_k(entry), &expected, &required);

		if (!node || eval_value(run, node, lh_entry_v(entry), lh_entry_k(entry), 0))
			continue;
		good = false;
		if (!goes_on(run))
			return false;
	}
	return (required == members->required || report_all_missing(run, op, value)) && good;
}

/* The same as far as looks tell. */
static inline enum seen members_look(const struct members *members, const struct lh_table *object)
{
	const struct property *expected = members->properties;
	uint32_t required = 0;

	for (struct lh_entry *entry = lh_table_head(object); entry; entry = lh_entry_next(entry)) {
		const struct node *node = member_node(members, lh_entry_k(entry), &expected, &required);
		enum seen seen = node ? look(node, lh_entry_v(entry)) : SEEN_FITS;

		if (seen != SEEN_FITS)
			return seen;
	}
	return seen_if(required == members->required);
}

/* An object that only its members matter of; nothing is to be reported. */
static bool eval_members(struct run *run, const struct node *node, struct json_object *value, struct lh_table *object)
{
	bool good;

	if ((uint32_t)object->count > node->ops->members->plenty)
		return eval(run, node, &(struct subject){ .value = value, .object = object, .kind = KIND_OBJECT }, NULL);
	if (!go_deeper(run, node, (size_t)object->count + 1))
		return false;
	good = members_fit(run, node->ops, value, object);
	run->depth--;
	return good;
}

/* An item that may be an object; NULL if there is none, or it is another. Its members are wanted soon. */
static inline const struct lh_table *row_ahead(const struct array_list *list, size_t at)
{
	const struct lh_table *object = at < list->length ? json_object_get_object(list->array[at]) : NULL;

	if (object)
		__builtin_prefetch(lh_table_head(object));
	return object;
}

static inline enum seen row_look(const struct members *members, const struct lh_table *object)
{
	return object && (uint32_t)object->count <= members->plenty ? members_look(members, object) : SEEN_OPEN;
}

/* Objects mostly, all by one schema that only their members matter of; nothing is to be reported. */
static bool rows_fit(struct run *run, const struct node *node, const struct array_list *list)
{
	const struct lh_table *object = row_ahead(list, 0), *next;

	for (size_t i = 0; i < list->length; i++, object = next) {
		enum seen seen;

		next = row_ahead(list, i + 1);
		seen = row_look(node->ops->members, object);
		if (seen == SEEN_FITS ? !spend(run, node, (size_t)object->count + 1) : seen == SEEN_FAILS || !eval_value(run, node, list->array[i], NULL, i))
			return false;
	}
	return true;
}

/* The number of a member's property, for one seen through a shape. */
static inline const struct property *property_by_id(const struct members *members, uint8_t id)
{
	return id != NO_ID && (members->own >> id & 1) ? &members->properties[members->place_of[id]] : NULL;
}

/* Nothing is to be reported, and no pattern looks at names: from name to name. */
static bool members_by_name(GIVEN)
{
	const struct members *members = op->members;
	struct frame *frame = subject->frame;
	uint64_t own = members->own & frame->present;

	if (members->additional && (frame->strangers || own != frame->present))
		return false;
	for (; own; own &= own - 1) {
		uint8_t id = (uint8_t)__builtin_ctzll(own);
		const struct property *property = &members->properties[members->place_of[id]];

		enum seen seen = frame_look(frame, property->node, id);

		if (seen == SEEN_FAILS || (seen == SEEN_OPEN && !eval_value(run, property->node, frame->values[id], NULL, 0)))
			return false;
	}
	mark_names(marks, members->own & frame->present);
	return true;
}

static bool members_framed(GIVEN)
{
	const struct members *members = op->members;
	const struct frame *frame = subject->frame;
	const struct lh_entry *entry = lh_table_head(subject->object);
	bool complete = !(members->must & ~frame->present), good = true, any;

	if (!complete && !run->report)
		return false;
	for (size_t at = 0; at < frame->count; at++, entry = lh_entry_next(entry)) {
		if (!eval_member(run, op, property_by_id(members, frame->ids[at]), lh_entry_k(entry), lh_entry_v(entry), &any)) {
			good = false;
			if (!goes_on(run))
				return false;
		}
		if (any)
			mark(marks, at);
	}
	return (complete || report_all_missing(run, op, subject->value)) && good;
}

/* The general case. */
static bool members_one_by_one(GIVEN)
{
	const struct members *members = op->members;
	const struct property *expected = members->properties;
	size_t met = 0, required = 0, at = 0;
	bool good = true, any;

	for (struct lh_entry *entry = lh_table_head(subject->object); entry && met < members->enough; entry = lh_entry_next(entry), at++) {
		const char *name = lh_entry_k(entry);
		const struct property *property = property_of(members, name, &expected);

		met += property != NULL;
		required += property && property->required;
		if (!eval_member(run, op, property, name, lh_entry_v(entry), &any)) {
			good = false;
			if (!goes_on(run))
				return false;
		}
		if (any)
			mark(marks, at);
	}
	return (required == members->required || report_all_missing(run, op, subject->value)) && good;
}

static inline bool run_members(GIVEN)
{
	if (!run->report && subject->frame && is_framed(op, subject))
		return has_names(op->members, subject->frame) && spend(run, op->home, subject->frame->count) && members_by_name(run, op, subject, marks);
	if (!spend(run, op->home, (size_t)subject->object->count))
		return false;
	if (frame_for(op->home, subject))
		return members_framed(run, op, subject, marks);
	if (!marks && !op->members->pattern_count && (uint32_t)subject->object->count <= op->members->plenty)
		return members_fit(run, op, subject->value, subject->object);
	return members_one_by_one(run, op, subject, marks);
}

static bool run_property_names(GIVEN)
{
	bool good = true;

	if (!spend(run, op->home, (size_t)subject->object->count))
		return false;
	for (struct lh_entry *entry = lh_table_head(subject->object); entry; entry = lh_entry_next(entry)) {
		const char *name = lh_entry_k(entry);
		struct subject text = { .text = name, .len = strlen(name), .kind = KIND_STRING };

		if ((op->node->kinds & KIND_STRING) && look_at_text(op->node, text.text, text.len) == SEEN_FITS)
			continue;
		if (!(run->report ? eval_spot(run, op->node, &text, name, 0) : eval(run, op->node, &text, NULL)))
			good = false;
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

		if (!spend(run, op->home, 1))
			return false;
		if (!json_object_object_get_ex(subject->value, dependency->name, NULL))
			continue;
		if (!spend(run, op->home, dependency->count))
			return false;
		for (size_t j = 0; j < dependency->count && (good || goes_on(run)); j++)
			if (!json_object_object_get_ex(subject->value, dependency->names[j], NULL))
				good = report_dependent(run, op->home, dependency->name, dependency->names[j]);
	}
	return good;
}

/* Was the whole of it evaluated by name? That is how it mostly is. */
static inline bool all_named(const struct marks *marks, const struct frame *frame)
{
	return frame && !frame->strangers && marks->names == frame->present;
}

static bool run_unevaluated_properties(GIVEN)
{
	size_t at = 0;
	bool good = true;

	if (all_named(marks, subject->frame))
		return true;
	if (!spend(run, op->home, (size_t)subject->object->count))
		return false;
	if (subject->frame)
		marks_unname(marks, subject->frame);
	for (struct lh_entry *entry = lh_table_head(subject->object); entry; entry = lh_entry_next(entry), at++) {
		if (!is_marked(marks, at) && !eval_value(run, op->node, lh_entry_v(entry), lh_entry_k(entry), 0))
			good = false;
		mark(marks, at);
		if (!good && !goes_on(run))
			return false;
	}
	return good;
}

/* ---- schemas for the same value ---- */

static bool run_dependent_schemas(GIVEN)
{
	bool good = true;

	for (size_t i = 0; i < op->count && (good || goes_on(run)); i++)
		if (json_object_object_get_ex(subject->value, op->dependencies[i].name, NULL) && !eval(run, op->dependencies[i].node, subject, marks))
			good = false;
	return good;
}

static bool run_ref(GIVEN)
{
	return eval(run, op->node, subject, marks);
}

/* The outermost resource on the way here that has such an anchor. */
static bool run_dynamic_ref(GIVEN)
{
	const struct node *target = op->dynamic.node, *found;

	for (const struct scope *scope = run->scope; scope; scope = scope->parent) {
		found = resource_anchor(scope->resource, op->dynamic.anchor);
		target = found ? found : target;
	}
	return eval(run, target, subject, marks);
}

static bool run_all_of(GIVEN)
{
	bool good = true;

	for (size_t i = 0; i < op->count && (good || goes_on(run)); i++)
		if (!eval(run, op->nodes[i], subject, marks))
			good = false;
	return good;
}

static bool run_any_of(GIVEN)
{
	bool good = false;

	for (size_t i = 0; i < op->count && (!good || marks) && !run->stopped; i++)
		if (probe(run, op->nodes[i], subject, marks))
			good = true;
	return good || report_none(run, op->home, op, subject);
}

static bool run_one_of(GIVEN)
{
	size_t first = op->count;

	for (size_t i = 0; i < op->count && !run->stopped; i++) {
		if (!probe(run, op->nodes[i], subject, marks))
			continue;
		if (first < op->count)
			return report_both(run, op->home, first, i);
		first = i;
	}
	return first < op->count || report_none(run, op->home, op, subject);
}

static bool run_not(GIVEN)
{
	return !probe(run, op->node, subject, NULL);
}

/* As probe(), for a condition; most are no more than their guards. */
static inline bool holds(struct run *run, const struct node *node, const struct subject *subject, struct marks *marks, struct frame *frame)
{
	const struct guard *guard = node->guard;
	enum seen seen = frame && guard ? guard_try(guard, frame) : SEEN_OPEN;

	if (seen == SEEN_FITS)
		mark_names(marks, frame->present & UINT64_C(1) << guard->id);
	return seen == SEEN_OPEN ? probe_all(run, node, subject, marks) : seen == SEEN_FITS;
}

/* All in a row: they mostly ask for the same member. */
static bool run_ifs(GIVEN)
{
	struct frame *frame = frame_for(op->home, subject);
	const struct op *end = op + op->count;
	bool good = true;

	for (; op < end && (good || goes_on(run)); op++) {
		const struct branches *branches = op->branches;
		const struct node *branch = holds(run, branches->condition, subject, marks, frame) ? branches->then : branches->otherwise;

		if (branch && !eval(run, branch, subject, marks))
			good = false;
	}
	return good;
}

/* ---- one schema ---- */

typedef bool run_rule(GIVEN);

/* From MEMBERS on. says: it reports its misfits itself; same: it applies schemas to the same value */
static const struct { run_rule *run; bool says, same; } rules[RULE_COUNT] = {
	[RULE_MEMBERS] = { run_members, true, false }, [RULE_PROPERTY_NAMES] = { run_property_names, true, false },
	[RULE_DEPENDENT_REQUIRED] = { run_dependent_required, true, false }, [RULE_ITEMS] = { run_items, true, false },
	[RULE_CONTAINS] = { run_contains, true, false }, [RULE_REF] = { run_ref, true, true },
	[RULE_DYNAMIC_REF] = { run_dynamic_ref, true, true }, [RULE_ALL_OF] = { run_all_of, true, true }, [RULE_ANY_OF] = { run_any_of, true, true },
	[RULE_ONE_OF] = { run_one_of, true, true }, [RULE_NOT] = { run_not, false, false }, [RULE_IF] = { run_ifs, true, true },
	[RULE_DEPENDENT_SCHEMAS] = { run_dependent_schemas, true, true }, [RULE_UNEVALUATED_ITEMS] = { run_unevaluated_items, true, false },
	[RULE_UNEVALUATED_PROPERTIES] = { run_unevaluated_properties, true, false },
};

/* What a schema for the same value did not evaluate because it does not fit is no further problem. */
static bool is_unevaluated(const struct op *op)
{
	return op->rule == RULE_UNEVALUATED_ITEMS || op->rule == RULE_UNEVALUATED_PROPERTIES;
}

/* How many operations fit, 0 if this one does not; the commonest are called directly. */
static inline uint32_t run_op(GIVEN)
{
	if (op->rule < RULE_MEMBERS)
		return leaf_ops(run, op, subject);
	switch (op->rule) {
	case RULE_MEMBERS: return run_members(run, op, subject, marks);
	case RULE_ITEMS: return run_items(run, op, subject, marks);
	case RULE_IF: return run_ifs(run, op, subject, marks) ? op->count : 0;
	default: return rules[op->rule].run(run, op, subject, marks);
	}
}

/* Nothing is to be reported. */
static bool ops_fit(struct run *run, const struct node *node, const struct subject *subject, struct marks *marks)
{
	uint32_t passed;

	for (const struct op *op = node->quick, *end = op + node->op_count; op < end; op += passed) {
		passed = op->applies & subject->kind ? run_op(run, op, subject, marks) : 1;
		if (!passed)
			return false;
	}
	return true;
}

/* An object, a part of the value; nothing is to be reported, and no dynamic reference asks for the way. */
static bool eval_object(struct run *run, const struct node *node, struct json_object *value, struct lh_table *object)
{
	struct subject subject = { .value = value, .object = object, .kind = KIND_OBJECT };
	struct frame frame;
	struct marks marks;
	bool good;

	if (!go_deeper(run, node, (size_t)object->count / 64 + 1))
		return false;
	if ((node->needs & NEEDS_FRAME) && frame_fill(&frame, node->shape, object))
		subject.frame = &frame;
	if (node->needs & NEEDS_MARKS) {
		marks_init(&marks, &subject);
		good = ops_fit(run, node, &subject, &marks);
		marks_deinit(&marks);
	} else {
		good = ops_fit(run, node, &subject, NULL);
	}
	run->depth--;
	return good;
}

static bool eval_ops(struct run *run, const struct node *node, const struct subject *subject, struct marks *marks)
{
	bool good = true, applied = true;
	uint32_t passed;

	if (!run->report)
		return ops_fit(run, node, subject, marks);

	for (const struct op *op = node->ops, *end = op + node->op_count; op < end; op += passed) {
		passed = 1;
		if (!(op->applies & subject->kind) || (!applied && is_unevaluated(op)))
			continue;
		passed = run_op(run, op, subject, marks);
		if (passed)
			continue;
		passed = op->rule == RULE_IF ? op->count : 1;
		good = false;
		if (!spend(run, node, 0))   /* without steps, no answer means anything */
			return false;
		applied = applied && !rules[op->rule].same && op->home == node;
		if (!rules[op->rule].says && !run->stopped)
			report_rule(run, op->home, op, subject);
		if (!goes_on(run))
			return false;
	}
	return good;
}

static bool eval_tracking(struct run *run, const struct node *node, const struct subject *subject, struct marks *outer)
{
	struct marks own;
	bool good;

	marks_init(&own, subject);
	good = spend(run, node, own.words) && eval_ops(run, node, subject, &own);
	if (good)
		marks_add(outer, &own);
	marks_deinit(&own);
	return good;
}

static bool eval_marked(struct run *run, const struct node *node, const struct subject *subject, struct marks *marks)
{
	return node->tracks ? eval_tracking(run, node, subject, marks) : eval_ops(run, node, subject, marks);
}

static __attribute__((noinline)) bool eval_framed(struct run *run, const struct node *node, const struct subject *subject, struct marks *marks)
{
	struct subject framed = *subject;
	uint64_t names = marks ? marks->names : 0;
	struct frame frame;
	bool good;

	framed.frame = frame_fill(&frame, node->shape, subject->object) ? &frame : NULL;
	if (!marks)
		return eval_marked(run, node, &framed, NULL);
	marks->names = 0;
	good = eval_marked(run, node, &framed, marks);
	marks_unname(marks, &frame);
	marks->names = names;
	return good;
}

static bool eval_scoped(struct run *run, const struct node *node, const struct subject *subject, struct marks *marks, uint8_t needs)
{
	struct scope scope = { node->resource, run->scope };
	bool enters = (needs & NEEDS_SCOPE) && (!run->scope || run->scope->resource != node->resource), good;

	if (enters)
		run->scope = &scope;
	good = needs & NEEDS_FRAME ? eval_framed(run, node, subject, marks) : eval_marked(run, node, subject, marks);
	if (enters)
		run->scope = scope.parent;
	return good;
}

static inline bool eval_prepared(struct run *run, const struct node *node, const struct subject *subject, struct marks *marks, uint8_t needs)
{
	if ((needs & NEEDS_FRAME) && (subject->kind != KIND_OBJECT || frame_for(node, subject)))
		needs &= (uint8_t)~NEEDS_FRAME;
	if (needs & NEEDS_SCOPE)
		return eval_scoped(run, node, subject, marks, needs);
	if (needs & NEEDS_FRAME)
		return eval_framed(run, node, subject, marks);
	return eval_marked(run, node, subject, marks);
}

static bool eval_deep(struct run *run, const struct node *node, const struct subject *subject, struct marks *marks)
{
	uint8_t needs = node->needs;
	bool good;

	if (!go_deeper(run, node, 1))
		return false;
	good = needs ? eval_prepared(run, node, subject, marks, needs) : eval_ops(run, node, subject, marks);
	run->depth--;
	return good;
}

bool run_schema(const struct schema *schema, struct json_object *value, struct schema_report *report)
{
	int64_t lent = effort_lend();
	struct run state = { .schema = schema, .report = report, .steps = lent };
	struct subject subject = subject_of(value, subject_kind(value));
	bool good = eval(&state, schema->root, &subject, NULL);

	spend(&state, schema->root, 0);
	if (state.stopped && !state.said)
		report_limit(&state, schema->root);
	effort_return(lent, state.steps);
	return good && !state.stopped;
}

bool schema_fits(const struct schema *schema, struct json_object *value)
{
	int64_t lent = effort_lend();
	struct run state = { .schema = schema, .steps = lent };
	bool good = eval_part(&state, schema->root, value, NULL, 0) && state.steps > 0;

	effort_return(lent, state.steps);
	return good;
}
