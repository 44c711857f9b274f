#include "schema/effort.h"

struct effort *effort_now;

void effort_begin(struct effort *effort)
{
	if (effort_now)
		return;
	*effort = (struct effort){ .steps = EFFORT_STEPS };
	effort_now = effort;
}

void effort_end(struct effort *effort)
{
	if (effort_now == effort)
		effort_now = NULL;
}

bool effort_spent(void)
{
	return effort_now && effort_now->steps <= 0;
}

bool effort_take(size_t steps)
{
	if (!effort_now)
		return true;
	effort_now->steps -= (int64_t)steps;
	return effort_now->steps > 0;
}
