/* Variants of a template: the same function with other parameters, for A/B runs. Which one a job gets follows from its seed, so
 * the same seed gives the same parameters always. */
#include <string.h>

#include "registry/internal.h"

static double weight_of(struct json_object *variant)
{
	double weight = fnr_json_get_real(variant, "weight", 1);

	return weight > 0 ? weight : 0;
}

/* SplitMix64: seeds that follow one another fall anywhere. */
static double spread(int64_t seed)
{
	uint64_t x = (uint64_t)seed + UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	x ^= x >> 31;
	return (double)(x >> 11) / 9007199254740992.0;
}

const char *variant_pick(const struct template_ *template_, int64_t seed)
{
	struct json_object *variants = fnr_json_get(template_definition(template_), "variants");
	double sum = 0, place;
	const char *last = NULL;

	if (!json_object_is_type(variants, json_type_object))
		return NULL;
	json_object_object_foreach(variants, name, variant) {
		(void)name;
		sum += weight_of(variant);
	}
	place = spread(seed) * sum;
	json_object_object_foreach(variants, each, one) {
		if (weight_of(one) <= 0)
			continue;
		last = each;
		place -= weight_of(one);
		if (place < 0)
			break;
	}
	return last;
}

bool variant_there(const struct template_ *template_, const char *name)
{
	return fnr_json_get(fnr_json_get(template_definition(template_), "variants"), name) != NULL;
}

void variant_lay_over(const struct template_ *template_, const char *name, struct json_object *inputs, struct json_object *parameters)
{
	struct json_object *variant = fnr_json_get(fnr_json_get(template_definition(template_), "variants"), name), *own = fnr_json_get(variant, "parameters");

	if (!json_object_is_type(own, json_type_object))
		return;
	json_object_object_foreach(own, parameter, value) {
		if (value && !fnr_json_get(inputs, parameter))
			fnr_json_set(parameters, parameter, fnr_json_copy(value));
	}
}
