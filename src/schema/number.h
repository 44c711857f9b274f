/* Numbers as they are written, not as a double has them: 0.3 is a multiple of 0.1, and 9007199254740993.0 is not the same as
 * 9007199254740992. Reals that the project's parser made carry their text; others count as their shortest text. */
#ifndef FNR_SCHEMA_NUMBER_H
#define FNR_SCHEMA_NUMBER_H

#include <stdbool.h>

#include "base/json.h"

/* Both are numbers. */
int number_compare(struct json_object *a, struct json_object *b);   /* < 0, 0, > 0 */
/* A number that many are compared with. */
struct bound { struct json_object *value; int64_t integer; double real; bool is_integer; };
struct bound bound_of(struct json_object *value);
#define NUMBER_EXACT INT64_C(9007199254740992)   /* below it a double is what is written, if that is whole */
static inline int number_compare_bound(struct json_object *value, const struct bound *bound)
{
	double real = json_object_get_double(value);

	return real < bound->real ? -1 : real > bound->real ? 1 : number_compare(value, bound->value);
}

/* The same for an int, which is known already. */
static inline int bound_compare_whole(int64_t integer, struct json_object *value, const struct bound *bound)
{
	if (bound->is_integer && integer < NUMBER_EXACT && integer > -NUMBER_EXACT)
		return (integer > bound->integer) - (integer < bound->integer);
	return number_compare_bound(value, bound);
}

/* Bytes of the text that comparing it may have to read; 0 for an int. */
size_t number_length(struct json_object *value);

int number_sign(struct json_object *value);
bool number_whole(struct json_object *value);

/* What values are divided by: digits * 10^exponent, where digits do not end in 0. */
struct divisor { uint64_t digits; int64_t exponent; };
#define DIVISOR_DIGITS 18
bool divisor_read(struct json_object *value, struct divisor *divisor_r); /* false: it has more significant digits */
bool number_divides(const struct divisor *divisor, struct json_object *value);
/* Division of short numbers is several times as fast. */
static inline bool number_divides_whole(uint64_t divisor, int64_t value)
{
	uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;

	return (size | divisor) >> 32 ? size % divisor == 0 : (uint32_t)size % (uint32_t)divisor == 0;
}

#endif
