/* Which schemas apply to the same value, what names they ask for, and what can be seen without running them. */
#include "schema/shape.h"

#include <string.h>

/* ---- schemas for the same value ---- */

static struct node *stands_for(struct node *node)
{
	while (node->joined) {
		if (node->joined->joined)
			node->joined = node->joined->joined;
		node = node->joined;
	}
	return node;
}

static void join_inner(struct node *outer, struct node *inner)
{
	struct node *a = stands_for(outer), *b = stands_for(inner);

	inner->inner = true;
	a->shares = b->shares = true;
	if (a != b)
		b->joined = a;
}

static void join_node(struct node *node)
{
	for (uint32_t i = 0; i < node->op_count; i++) {
		struct node *other;

		if (node->ops[i].home != node)
			join_inner(node, node->ops[i].home);
		for (size_t at = 0; (other = op_same(&node->ops[i], at)); at++)
			join_inner(node, other);
	}
}

/* ---- names ---- */

/* The id of a name, which is new or not; SHAPE_NAMES if there is no more room. */
static uint8_t shape_add(struct shape *shape, const struct word *name)
{
	uint8_t *link = &shape->first[shape_slot(name->text)];

	for (; *link; link = &shape->next[*link - 1])
		if (word_is(&shape->names[*link - 1], name->text))
			return (uint8_t)(*link - 1);
	if (shape->count == SHAPE_NAMES)
		return SHAPE_NAMES;
	shape->names[shape->count] = *name;
	shape->names[shape->count + 1] = word_none();
	*link = (uint8_t)(shape->count + 1);
	return (uint8_t)shape->count++;
}

static void add_members(struct compiler *c, struct shape *shape, struct members *members)
{
	uint8_t *place_of;

	if (members->place_of)
		return;
	members->place_of = place_of = fnr_arena_alloc(c->schema->arena, SHAPE_NAMES);
	shape->users++;
	for (uint32_t i = 0; i < members->count && !shape->full; i++) {
		uint8_t id = shape_add(shape, &members->properties[i].name);

		if (id == SHAPE_NAMES) {
			shape->full = true;
			return;
		}
		members->own |= (uint64_t)(members->properties[i].node != NULL) << id;
		members->must |= (uint64_t)members->properties[i].required << id;
		place_of[id] = (uint8_t)i;
	}
}

static struct shape *new_shape(struct compiler *c)
{
	struct shape *shape = fnr_arena_alloc(c->schema->arena, sizeof *shape);

	shape->names[0] = word_none();
	return shape;
}

static void add_names(struct compiler *c, struct node *node)
{
	struct node *first = stands_for(node);

	for (uint32_t i = 0; i < node->op_count && first->shares; i++) {
		if (node->ops[i].rule != RULE_MEMBERS)
			continue;
		if (!first->shape)
			first->shape = new_shape(c);
		add_members(c, first->shape, node->ops[i].members);
	}
}

/* A single one that asks for names needs no shape. */
static void take_shape(struct node *node)
{
	struct shape *shape = stands_for(node)->shape;

	node->shape = shape && shape->users > 1 && !shape->full ? shape : NULL;
}

/* ---- guards ---- */

static const struct op *only_list(const struct node *node)
{
	const struct op *op = node ? node->ops : NULL;

	return op && node->op_count == 1 && (op->rule == RULE_ENUM || op->rule == RULE_CONST) ? op : NULL;
}

/* A text out of a list, for one of the members. */
static void guard_list(struct guard *guard, const struct members *members)
{
	for (uint8_t id = 0; id < SHAPE_NAMES && !guard->list; id++) {
		const struct property *property = members->own >> id & 1 ? &members->properties[members->place_of[id]] : NULL;
		const struct op *op = property ? only_list(property->node) : NULL;

		if (!op || op->enumeration->hashes || !(property->node->kinds & KIND_STRING))
			continue;
		guard->list = op->enumeration;
		guard->id = id;
	}
}

static bool only_one_property(const struct members *members)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < members->count; i++)
		count += members->properties[i].node != NULL;
	return count == 1 && !members->pattern_count && !members->additional;
}

static void make_guard(struct compiler *c, struct node *node)
{
	struct guard *guard;

	for (uint32_t i = 0; i < node->op_count && node->shape && !node->guard; i++) {
		if (node->ops[i].rule != RULE_MEMBERS)
			continue;
		node->guard = guard = fnr_arena_alloc(c->schema->arena, sizeof *guard);
		guard->must = node->ops[i].members->must;
		guard_list(guard, node->ops[i].members);
		guard->whole = guard->list && node->op_count == 1 && (node->kinds & KIND_OBJECT) && only_one_property(node->ops[i].members);
	}
}

static void set_needs(const struct compiler *c, struct node *node)
{
	node->needs = (c->schema->dynamic ? NEEDS_SCOPE : 0) | (node->tracks ? NEEDS_MARKS : 0) | (node->shape ? NEEDS_FRAME : 0);
	node->objects = (node->kinds & KIND_OBJECT) && !(node->needs & NEEDS_SCOPE);
}

static bool is_guarded(const struct op *op)
{
	return op->rule == RULE_IF && op->branches->condition->guard && op->branches->condition->guard->whole;
}

/* Conditions that are seen at once, and what follows from them, in front of the members; those in a row stay so. */
static void set_quick(struct compiler *c, struct node *node)
{
	uint32_t members = 0, first = 0, ifs;
	struct op *quick;

	node->quick = node->ops;
	while (members < node->op_count && node->ops[members].rule < RULE_MEMBERS)
		members++;
	while (first < node->op_count && node->ops[first].rule != RULE_IF)
		first++;
	if (first == node->op_count || first == members || !is_guarded(&node->ops[first]))
		return;
	ifs = node->ops[first].count;
	node->quick = quick = fnr_arena_alloc(c->schema->arena, node->op_count * sizeof *quick);
	memcpy(quick, node->ops, node->op_count * sizeof *quick);
	memcpy(quick + members, node->ops + first, ifs * sizeof *quick);
	memcpy(quick + members + ifs, node->ops + members, (first - members) * sizeof *quick);
}

/* The names of a schema come before those of what it leads to. */
void shape_all(struct compiler *c)
{
	for (size_t i = 0; i < c->work_count; i++)
		join_node(c->work[i]);
	for (size_t i = 0; i < c->work_count; i++)
		if (!c->work[i]->inner)
			add_names(c, c->work[i]);
	for (size_t i = 0; i < c->work_count; i++)
		add_names(c, c->work[i]);
	for (size_t i = 0; i < c->work_count; i++)
		if (c->work[i]->joined)
			take_shape(c->work[i]);
	for (size_t i = 0; i < c->work_count; i++)
		if (!c->work[i]->joined)
			take_shape(c->work[i]);
	for (size_t i = 0; i < c->work_count; i++) {
		make_guard(c, c->work[i]);
		set_needs(c, c->work[i]);
	}
	for (size_t i = 0; i < c->work_count; i++)
		set_quick(c, c->work[i]);
}
