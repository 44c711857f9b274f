/* JSON values as JSON Schema compares them: by content, numbers by value, members in any order. */
#ifndef FNR_SCHEMA_VALUE_H
#define FNR_SCHEMA_VALUE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "schema/number.h"

/* What a value is; a whole number is KIND_INTEGER however it is written. */
enum value_kind {
	KIND_NULL = 1, KIND_BOOLEAN = 2, KIND_INTEGER = 4, KIND_NUMBER = 8, KIND_STRING = 16, KIND_ARRAY = 32, KIND_OBJECT = 64,
	KIND_ANY = 127,
};
static inline enum value_kind value_kind(struct json_object *value)
{
	static const unsigned char kinds[] = {
		[json_type_null] = KIND_NULL, [json_type_boolean] = KIND_BOOLEAN, [json_type_int] = KIND_INTEGER, [json_type_double] = 0,
		[json_type_string] = KIND_STRING, [json_type_array] = KIND_ARRAY, [json_type_object] = KIND_OBJECT,
	};
	unsigned char kind = kinds[json_object_get_type(value)];

	return (enum value_kind)(kind ? kind : number_whole(value) ? KIND_INTEGER : KIND_NUMBER);
}

/* As many of a text's bytes as tell it apart from others of the same length in most cases, in all if it has 8 or fewer. */
static inline uint64_t text_head(const char *text, size_t len)
{
	uint64_t whole = 0;
	uint32_t first, last;

	if (len >= 8) {
		memcpy(&whole, text, 8);
		return whole;
	}
	if (len >= 4) {
		memcpy(&first, text, 4);
		memcpy(&last, text + len - 4, 4);
		return first | (uint64_t)last << 32;
	}
	return len ? (unsigned char)text[0] | (unsigned)(unsigned char)text[len / 2] << 8 | (unsigned)(unsigned char)text[len - 1] << 16 : 0;
}

/* Both take from *steps what they cost; when nothing is left, the answer means nothing. */
bool value_equal(struct json_object *a, struct json_object *b, int64_t *steps);
uint64_t value_hash(struct json_object *value, int64_t *steps);    /* the same for equal values */

#endif
