/* A schema that only refers to another is left out of the way to it. Not where dynamic references ask which way it was. */
#include "schema/program.h"

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

void link_all(struct compiler *c)
{
	if (c->schema->dynamic)
		return;
	for (size_t i = 0; i < c->work_count; i++)
		for (uint32_t j = 0; j < c->work[i]->op_count; j++)
			link_op(&c->work[i]->ops[j]);
	direct(&c->schema->root);
}
