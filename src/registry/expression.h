/* Computed values: a small form of expressions over a job's parameters (doc/backends.md describes it for authors). It is total
 * and bounded: what parses gives a value for any parameters, always of the same type, in time that its length bounds. There are
 * no loops, no names but those of parameters and of the functions below, and no number that is not finite.
 *
 *   or  and  not        < <= > >= == !=        + -        * /        - (in front)        ( )
 *   min(a, b, …)  max(a, b, …)  clamp(a, least, most)  abs(a)  round(a)  floor(a)  ceil(a)
 *   round_to(a, m)  floor_to(a, m)  ceil_to(a, m)      to a multiple of m
 *   if(condition, a, b)      given(name)               true  false  12.5  'text'
 *
 * Numbers, truth values and texts do not mix: texts can only be compared, chosen, and given as a result. A parameter that has no
 * value counts as 0, false or ''. What is divided by 0 gives 0, to a multiple of 0 is as it was; a sum or product too large for
 * a number gives the largest one.
 */
#ifndef FNR_REGISTRY_EXPRESSION_H
#define FNR_REGISTRY_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

#define EXPRESSION_MOST 1000        /* bytes of one */
#define EXPRESSION_NODES 256
#define EXPRESSION_DEPTH 32

enum expression_type { EXPRESSION_NUMBER, EXPRESSION_TRUTH, EXPRESSION_TEXT };

/* The type of a parameter; false: there is none of this name that an expression could use. */
typedef bool expression_names(const char *name, enum expression_type *type_r, void *context);

struct expression;

/* NULL with the mistake and its place in words. expression_free takes NULL. */
struct expression *expression_parse(const char *text, expression_names *names, void *context, char error_r[256]);
void expression_free(struct expression *expression);
enum expression_type expression_type(const struct expression *expression);

/* values: parameters by name. A value of another type than the parameter's counts as none. To put; never NULL. */
struct json_object *expression_evaluate(const struct expression *expression, struct json_object *values);
bool expression_true(const struct expression *expression, struct json_object *values);   /* of one that is a truth value */

#endif
