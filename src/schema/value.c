#include "schema/value.h"

#include <string.h>

#include "schema/map.h"

#define BYTES_A_STEP 64
#define DIGITS_A_STEP 8

static bool spend(int64_t *steps, size_t count)
{
	*steps -= (int64_t)count + 1;
	return *steps > 0;
}

static bool equal_strings(struct json_object *a, struct json_object *b, int64_t *steps)
{
	size_t len = (size_t)json_object_get_string_len(a);

	return len == (size_t)json_object_get_string_len(b) && spend(steps, len / BYTES_A_STEP) &&
	       memcmp(json_object_get_string(a), json_object_get_string(b), len) == 0;
}

static bool equal_arrays(struct json_object *a, struct json_object *b, int64_t *steps)
{
	size_t count = json_object_array_length(a);

	if (count != json_object_array_length(b))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!value_equal(json_object_array_get_idx(a, i), json_object_array_get_idx(b, i), steps))
			return false;
	return true;
}

static bool equal_objects(struct json_object *a, struct json_object *b, int64_t *steps)
{
	if (json_object_object_length(a) != json_object_object_length(b))
		return false;
	json_object_object_foreach(a, name, value) {
		struct json_object *other;

		if (!json_object_object_get_ex(b, name, &other) || !value_equal(value, other, steps))
			return false;
	}
	return true;
}

static bool is_number(enum json_type type)
{
	return type == json_type_int || type == json_type_double;
}

bool value_equal(struct json_object *a, struct json_object *b, int64_t *steps)
{
	enum json_type type = json_object_get_type(a), other = json_object_get_type(b);

	if (!spend(steps, 0))
		return false;
	if (is_number(type) && is_number(other))
		return spend(steps, (number_length(a) + number_length(b)) / DIGITS_A_STEP) && number_compare(a, b) == 0;
	if (type != other)
		return false;
	switch (type) {
	case json_type_boolean: return json_object_get_boolean(a) == json_object_get_boolean(b);
	case json_type_string: return equal_strings(a, b, steps);
	case json_type_array: return equal_arrays(a, b, steps);
	case json_type_object: return equal_objects(a, b, steps);
	default: return true;
	}
}

static uint64_t hash_number(struct json_object *value)
{
	double real = json_object_get_double(value) + 0.0;   /* -0 becomes 0 */

	return map_hash(&real, sizeof real);
}

uint64_t value_hash(struct json_object *value, int64_t *steps)
{
	enum json_type type = json_object_get_type(value);
	uint64_t hash = (uint64_t)type;
	size_t len;

	if (!spend(steps, 0))
		return 0;
	switch (type) {
	case json_type_int:
	case json_type_double:
		return hash_number(value);
	case json_type_boolean:
		return map_mix(hash, (uint64_t)json_object_get_boolean(value));
	case json_type_string:
		len = (size_t)json_object_get_string_len(value);
		return spend(steps, len / BYTES_A_STEP) ? map_hash(json_object_get_string(value), len) : 0;
	case json_type_array:
		for (size_t i = 0; i < json_object_array_length(value); i++)
			hash = map_mix(hash, value_hash(json_object_array_get_idx(value, i), steps));
		return hash;
	case json_type_object: {
		json_object_object_foreach(value, name, member)
			hash += map_mix(map_hash(name, strlen(name)), value_hash(member, steps));
		return map_mix(hash, 1);
	}
	default:
		return hash;
	}
}
