/* A schema that leads to itself for the same value would never end. Dynamic references are left to the run, which ends
 * at SCHEMA_DEPTH. */
#include <stdlib.h>

#include "schema/program.h"

enum { UNSEEN, OPEN, DONE };

struct node *op_same(const struct op *op, size_t at)
{
	switch (op->rule) {
	case RULE_REF: case RULE_NOT:
		return at == 0 ? op->node : NULL;
	case RULE_ALL_OF: case RULE_ANY_OF: case RULE_ONE_OF:
		return at < op->count ? op->nodes[at] : NULL;
	case RULE_DEPENDENT_SCHEMAS:
		return at < op->count ? op->dependencies[at].node : NULL;
	case RULE_IF: {
		struct node *parts[] = { op->branches->condition, op->branches->then, op->branches->otherwise };
		size_t i = 0;

		for (; i < 3; i++)
			if (parts[i] && at-- == 0)
				return parts[i];
		return NULL;
	}
	default:
		return NULL;
	}
}

struct frame { struct node *node; size_t op, at; };

static struct node *next_child(struct frame *frame)
{
	for (; frame->op < frame->node->op_count; frame->op++, frame->at = 0) {
		struct node *found = op_same(&frame->node->ops[frame->op], frame->at);

		if (found) {
			frame->at++;
			return found;
		}
	}
	return NULL;
}

/* Depth first, with a stack of its own. */
static bool search(struct compiler *c, struct node *start, struct frame *stack)
{
	size_t depth = 0;

	stack[depth++] = (struct frame){ start, 0, 0 };
	start->mark = OPEN;
	while (depth) {
		struct node *node = next_child(&stack[depth - 1]);

		if (!node) {
			stack[--depth].node->mark = DONE;
		} else if (node->mark == OPEN) {
			compiler_fault(c, stack[depth - 1].node, "loop", "let it refer to itself only for members or items",
			               "this schema leads back to itself without going deeper into the value, which would never end");
			return false;
		} else if (node->mark == UNSEEN) {
			node->mark = OPEN;
			stack[depth++] = (struct frame){ node, 0, 0 };
		}
	}
	return true;
}

bool loop_check(struct compiler *c)
{
	struct frame *stack = fnr_alloc((c->schema->node_count + 1) * sizeof *stack);
	bool good = true;

	for (size_t i = 0; good && i < c->work_count; i++)
		good = c->work[i]->mark != UNSEEN || search(c, c->work[i], stack);
	free(stack);
	return good;
}
