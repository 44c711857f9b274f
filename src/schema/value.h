/* JSON values as JSON Schema compares them: by content, numbers by value, members in any order. */
#ifndef FNR_SCHEMA_VALUE_H
#define FNR_SCHEMA_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "schema/number.h"

/* What a value is; a whole number is KIND_INTEGER however it is written. */
enum value_kind {
	KIND_NULL = 1, KIND_BOOLEAN = 2, KIND_INTEGER = 4, KIND_NUMBER = 8, KIND_STRING = 16, KIND_ARRAY = 32, KIND_OBJECT = 64,
	KIND_ANY = 127,
};
#define NUMERIC (KIND_INTEGER | KIND_NUMBER)

/* What a value of this type may be: a real may be whole. */
static inline unsigned kinds_of_type(enum json_type type)
{
	static const unsigned char kinds[] = {
		[json_type_null] = KIND_NULL, [json_type_boolean] = KIND_BOOLEAN, [json_type_int] = KIND_INTEGER, [json_type_double] = NUMERIC,
		[json_type_string] = KIND_STRING, [json_type_array] = KIND_ARRAY, [json_type_object] = KIND_OBJECT,
	};

	return kinds[type];
}

static inline enum value_kind value_kind(struct json_object *value)
{
	unsigned kinds = kinds_of_type(json_object_get_type(value));

	return (enum value_kind)(kinds != NUMERIC ? kinds : number_whole(value) ? KIND_INTEGER : KIND_NUMBER);
}

/* Both take from *steps what they cost; when nothing is left, the answer means nothing. */
bool value_equal(struct json_object *a, struct json_object *b, int64_t *steps);
uint64_t value_hash(struct json_object *value, int64_t *steps);    /* the same for equal values */

#endif
