/* What checks of values may cost together: all those of a request, or of one template.
 *
 *	struct effort effort;
 *
 *	effort_begin(&effort);
 *	…                        // runs of schemas, checks of inputs in short form
 *	effort_end(&effort);
 *
 * Each run of a schema is bounded (SCHEMA_STEPS), but a template has a hundred examples and a request a thousand templates. What is
 * checked when the effort is spent has the problem "limit". An effort within another is that one. Without any, each run is on its own.
 */
#ifndef FNR_SCHEMA_EFFORT_H
#define FNR_SCHEMA_EFFORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/schema.h"

#define EFFORT_STEPS (5 * (int64_t)SCHEMA_STEPS)

struct effort { int64_t steps; };   /* left */
extern struct effort *effort_now;   /* NULL: none has begun */

void effort_begin(struct effort *effort);
void effort_end(struct effort *effort);
bool effort_spent(void);

/* Takes so many steps; false: there are none left. */
bool effort_take(size_t steps);

/* What one run may take, and what of that it did not need. */
static inline int64_t effort_lend(void)
{
	return effort_now && effort_now->steps < SCHEMA_STEPS ? effort_now->steps : SCHEMA_STEPS;
}

static inline void effort_return(int64_t lent, int64_t left)
{
	if (effort_now)
		effort_now->steps -= lent - left;
}

#endif
