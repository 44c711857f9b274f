/* Shortens the way. A schema that only refers to another is left out of the way to it; the operations of schemas that must fit
 * anyway ($ref, allOf) are done by the node itself. Not where dynamic references ask which way it was. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schema/program.h"

#define TAKEN_MOST 64         /* operations of a node that takes over those of others */

static void direct(struct node **node)
{
	while (*node && (*node)->op_count == 1 && (*node)->ops[0].rule == RULE_REF && (*node)->kinds == KIND_ANY)
		*node = (*node)->ops[0].node;
}

static void direct_all(struct node **nodes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		direct(&nodes[i]);
}

static void link_members(struct members *members)
{
	for (uint32_t i = 0; i < members->count; i++)
		direct(&members->properties[i].node);
	for (uint32_t i = 0; i < members->pattern_count; i++)
		direct(&members->patterns[i].node);
	direct(&members->additional);
}

static void link_op(struct op *op)
{
	switch (op->rule) {
	case RULE_REF: case RULE_NOT: case RULE_PROPERTY_NAMES: case RULE_UNEVALUATED_ITEMS: case RULE_UNEVALUATED_PROPERTIES:
		direct(&op->node);
		break;
	case RULE_ALL_OF: case RULE_ANY_OF: case RULE_ONE_OF:
		direct_all(op->nodes, op->count);
		break;
	case RULE_MEMBERS:
		link_members(op->members);
		break;
	case RULE_ITEMS:
		direct_all(op->items->prefix, op->items->count);
		direct(&op->items->rest);
		break;
	case RULE_CONTAINS:
		direct(&op->contains->node);
		break;
	case RULE_IF:
		direct(&op->branches->condition);
		direct(&op->branches->then);
		direct(&op->branches->otherwise);
		break;
	case RULE_DEPENDENT_SCHEMAS:
		for (uint32_t i = 0; i < op->count; i++)
			direct(&op->dependencies[i].node);
		break;
	}
}

/* ---- taking over ---- */

/* Is being this schema no more than doing its operations? */
static bool is_open(const struct node *node, const struct node *other)
{
	return other && !other->tracks && !(node->kinds & ~other->kinds);
}

static bool is_taken(const struct node *node, const struct op *op)
{
	if (op->rule != RULE_REF && op->rule != RULE_ALL_OF)
		return false;
	if (op->rule == RULE_REF)
		return is_open(node, op->node);
	for (uint32_t i = 0; i < op->count; i++)
		if (!is_open(node, op->nodes[i]))
			return false;
	return true;
}

static uint32_t count_taken(const struct op *op)
{
	uint32_t count = 0;

	if (op->rule == RULE_REF)
		return op->node->op_count;
	for (uint32_t i = 0; i < op->count && count <= TAKEN_MOST; i++)
		count += op->nodes[i]->op_count;
	return count;
}

static uint32_t take_ops(struct op *to, const struct node *from)
{
	if (from->op_count)
		memcpy(to, from->ops, from->op_count * sizeof *to);
	return from->op_count;
}

/* Into the order of the rules; those of one rule stay as they are. */
static void order_ops(struct op *ops, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		struct op op = ops[i];
		uint32_t at = i;

		for (; at && ops[at - 1].rule > op.rule; at--)
			ops[at] = ops[at - 1];
		ops[at] = op;
	}
}

static void take_over(struct compiler *c, struct node *node)
{
	uint32_t most = node->op_count, count = 0;
	struct op *ops;

	for (uint32_t i = 0; i < node->op_count && most <= TAKEN_MOST; i++)
		most += is_taken(node, &node->ops[i]) ? count_taken(&node->ops[i]) : 0;
	if (most == node->op_count || most > TAKEN_MOST)
		return;
	ops = fnr_arena_alloc(c->schema->arena, most * sizeof *ops);
	for (uint32_t i = 0; i < node->op_count; i++) {
		const struct op *op = &node->ops[i];

		if (!is_taken(node, op))
			ops[count++] = *op;
		else if (op->rule == RULE_REF)
			count += take_ops(ops + count, op->node);
		else
			for (uint32_t j = 0; j < op->count; j++)
				count += take_ops(ops + count, op->nodes[j]);
	}
	order_ops(ops, count);
	node->ops = ops;
	node->op_count = count;
}

/* ---- bounds ---- */

static bool is_bound(const struct op *op)
{
	return op->rule >= RULE_MINIMUM && op->rule <= RULE_EXCLUSIVE_MAXIMUM;
}

/* The least whole number that surely fits, and the greatest: what is written may be a little beside what a double has. */
static int64_t least_of(const struct op *op)
{
	if (op->bound.is_integer && op->bound.integer < NUMBER_EXACT && op->bound.integer > -NUMBER_EXACT)
		return op->bound.integer + (op->rule == RULE_EXCLUSIVE_MINIMUM);
	return fabs(op->bound.real) < NUMBER_EXACT ? (int64_t)floor(op->bound.real) + 1 : INT64_MAX;
}

static int64_t most_of(const struct op *op)
{
	if (op->bound.is_integer && op->bound.integer < NUMBER_EXACT && op->bound.integer > -NUMBER_EXACT)
		return op->bound.integer - (op->rule == RULE_EXCLUSIVE_MAXIMUM);
	return fabs(op->bound.real) < NUMBER_EXACT ? (int64_t)ceil(op->bound.real) - 1 : INT64_MIN;
}

static void narrow(struct interval *interval, const struct op *op)
{
	interval->count++;
	if (op->rule == RULE_MINIMUM || op->rule == RULE_EXCLUSIVE_MINIMUM) {
		interval->least = least_of(op) > interval->least ? least_of(op) : interval->least;
		interval->above = fmax(interval->above, op->bound.real);
	} else {
		interval->most = most_of(op) < interval->most ? most_of(op) : interval->most;
		interval->below = fmin(interval->below, op->bound.real);
	}
}

/* Those of a node stand together. */
static void join_bounds(struct compiler *c, struct node *node)
{
	struct interval *interval = NULL;

	for (uint32_t i = 0; i < node->op_count; i++) {
		if (!is_bound(&node->ops[i]))
			continue;
		if (!interval) {
			interval = fnr_arena_alloc(c->schema->arena, sizeof *interval);
			*interval = (struct interval){ -NUMBER_EXACT, NUMBER_EXACT, -INFINITY, INFINITY, 0 };
			node->ops[i].interval = interval;
		}
		narrow(interval, &node->ops[i]);
	}
}

/* ---- all ---- */

/* Bounds are one look, and what they are a multiple of. */
static enum look look_of_bounds(const struct node *node)
{
	uint32_t bounds = node->ops->interval->count;

	if (node->op_count == bounds)
		return LOOK_RANGE;
	return node->op_count == bounds + 1 && node->ops[bounds].rule == RULE_MULTIPLE_OF ? LOOK_DIVISIBLE : LOOK_NOT;
}

static enum look look_of_text(const struct op *op)
{
	switch (op->rule) {
	case RULE_LENGTH: return LOOK_LENGTH;
	case RULE_PATTERN: return op->plain ? LOOK_PATTERN : LOOK_NOT;
	case RULE_ENUM: case RULE_CONST: return op->enumeration->hashes ? LOOK_NOT : LOOK_LIST;
	default: return LOOK_NOT;
	}
}

static enum look look_of(const struct node *node)
{
	const struct op *op = node->ops;

	if (!node->op_count)
		return LOOK_KIND;
	if (is_bound(op))
		return look_of_bounds(node);
	if (node->op_count > 1)
		return LOOK_NOT;
	if (op->rule == RULE_MEMBERS)
		return (node->kinds & KIND_OBJECT) && !op->members->pattern_count ? LOOK_MEMBERS : LOOK_NOT;
	return node->kinds & KIND_STRING ? look_of_text(op) : LOOK_NOT;
}

/* Those of a node stand together: each knows how many there are from it on. */
static void count_ifs(struct node *node)
{
	for (uint32_t i = node->op_count; i--;)
		if (node->ops[i].rule == RULE_IF)
			node->ops[i].count = 1 + (i + 1 < node->op_count && node->ops[i + 1].rule == RULE_IF ? node->ops[i + 1].count : 0);
}

/* Whole numbers that are written as reals are told apart later. */
static uint32_t types_of(const struct node *node)
{
	unsigned kinds = node->kinds & (node->look == LOOK_RANGE ? NUMERIC : KIND_ANY), types = 0;

	for (enum json_type type = json_type_null; type <= json_type_string; type++)
		if (!(kinds_of_type(type) & ~kinds))
			types |= 1U << type;
	return types;
}

static void finish(struct compiler *c, struct node *node)
{
	join_bounds(c, node);
	count_ifs(node);
	node->look = look_of(node);
	node->types = types_of(node);
	node->leaf = !node->op_count || node->ops[node->op_count - 1].rule < RULE_MEMBERS;
}

static bool is_flat(const struct node *node)
{
	return !node || (node->look != LOOK_NOT && node->look != LOOK_MEMBERS);
}

static void finish_members(const struct node *node)
{
	struct members *members;

	for (uint32_t i = 0; i < node->op_count; i++) {
		if (node->ops[i].rule != RULE_MEMBERS)
			continue;
		members = node->ops[i].members;
		members->flat = is_flat(members->additional);
		for (uint32_t at = 0; at < members->count && members->flat; at++)
			members->flat = is_flat(members->properties[at].node);
	}
}

/* What a node leads to was mostly found before it, and has taken over already what it can. */
void link_all(struct compiler *c)
{
	bool shortens = !c->schema->dynamic;

	for (size_t i = 0; shortens && i < c->work_count; i++)
		for (uint32_t j = 0; j < c->work[i]->op_count; j++)
			link_op(&c->work[i]->ops[j]);
	if (shortens)
		direct(&c->schema->root);
	for (size_t i = 0; shortens && i < c->work_count; i++)
		take_over(c, c->work[i]);
	for (size_t i = 0; i < c->work_count; i++)
		finish(c, c->work[i]);
	for (size_t i = 0; i < c->work_count; i++)
		finish_members(c->work[i]);
}
