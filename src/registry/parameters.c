/* What a preset makes of a template: parameters, resources, and whether the two go together. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/text.h"
#include "registry/bindings.h"
#include "registry/internal.h"
#include "registry/preset.h"
#include "schema/inputs.h"

#define SIDE_MOST 1e6     /* of width and height, in pixels */

/* What one resolution has at hand. */
struct merge {
	const struct template_ *template_;
	struct json_object *definition, *inputs, *own;     /* the template's inputs and other parameters */
	const struct preset *preset;
	struct json_object *parameters, *origins;
	int64_t multiple;                                  /* of width and height */
	double width, height;                              /* the template's own; 0 where there is none */
};

static void put(struct merge *merge, const char *name, struct json_object *value, const char *origin)
{
	fnr_json_set(merge->parameters, name, value);
	if (merge->origins)
		fnr_json_set_text(merge->origins, name, origin);
}

static bool is_number(struct json_object *value)
{
	return json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);
}

/* ---- values of presets ---- */

/* A number that the input does not allow becomes the nearest one that it does, and what then still does not fit is left
 * out. Returns a value to put, or NULL. */
static struct json_object *fitted(struct json_object *input, struct json_object *value)
{
	struct json_object *bound = NULL, *least = fnr_json_get(input, "min"), *most = fnr_json_get(input, "max");

	if (input_fits(input, value))
		return json_object_get(value);
	if (is_number(value) && least && json_object_get_double(value) < json_object_get_double(least))
		bound = least;
	else if (is_number(value) && most && json_object_get_double(value) > json_object_get_double(most))
		bound = most;
	return bound && input_fits(input, bound) ? json_object_get(bound) : NULL;
}

/* Parameters of which nothing is known but their default take what is of the same kind. */
static bool same_kind(struct json_object *usual, struct json_object *value)
{
	enum json_type left = json_object_get_type(usual), right = json_object_get_type(value);

	return !usual || (left == json_type_double ? json_type_int : left) == (right == json_type_double ? json_type_int : right);
}

/* The value as the template takes it, to put; NULL if it does not. */
static struct json_object *accepted(const struct merge *merge, const char *name, struct json_object *value)
{
	struct json_object *input = fnr_json_get(merge->inputs, name), *usual;

	if (input)
		return fitted(input, value);
	if (json_object_object_get_ex(merge->own, name, &usual) && same_kind(usual, value))
		return json_object_get(value);
	return NULL;
}

/* ---- width and height ---- */

static bool is_side(const char *name)
{
	return strcmp(name, "width") == 0 || strcmp(name, "height") == 0;
}

static void bounds_of(const struct merge *merge, const char *name, double *least_r, double *most_r)
{
	struct json_object *input = fnr_json_get(merge->inputs, name);
	double multiple = (double)merge->multiple;

	*least_r = ceil(fnr_json_get_real(input, "min", 1) / multiple) * multiple;
	*most_r = floor(fmin(fnr_json_get_real(input, "max", SIDE_MOST), SIDE_MOST) / multiple) * multiple;
	if (*least_r < multiple)
		*least_r = multiple;
}

/* The nearest multiple within what the input allows. */
static int64_t side(const struct merge *merge, const char *name, double value)
{
	double least, most, multiple = (double)merge->multiple, rounded = round(value / multiple) * multiple;

	bounds_of(merge, name, &least, &most);
	return (int64_t)(rounded > most ? most : rounded < least ? least : rounded);
}

/* So that neither side is beyond its bounds, as far as that can be. */
static double bounded(const struct merge *merge, double scale)
{
	double least[2], most[2], own[2] = { merge->width, merge->height };

	bounds_of(merge, "width", &least[0], &most[0]);
	bounds_of(merge, "height", &least[1], &most[1]);
	for (int i = 0; i < 2; i++)
		if (own[i] * scale < least[i])
			scale = least[i] / own[i];
	for (int i = 0; i < 2; i++)
		if (own[i] * scale > most[i])
			scale = most[i] / own[i];
	return scale;
}

static void put_size(struct merge *merge, double scale)
{
	struct json_object *width, *height;

	scale = bounded(merge, scale);
	width = json_object_new_int64(side(merge, "width", merge->width * scale));
	height = json_object_new_int64(side(merge, "height", merge->height * scale));
	if ((fnr_json_get(merge->inputs, "width") && !input_fits(fnr_json_get(merge->inputs, "width"), width)) ||
	    (fnr_json_get(merge->inputs, "height") && !input_fits(fnr_json_get(merge->inputs, "height"), height))) {
		json_object_put(width);
		json_object_put(height);
		return;
	}
	put(merge, "width", width, "preset");
	put(merge, "height", height, "preset");
}

/* Both sides of a part, and the template has both: a size in the template's own shape. */
static bool size_of(const struct merge *merge, struct json_object *values, double *scale_r)
{
	double width = fnr_json_get_real(values, "width", 0), height = fnr_json_get_real(values, "height", 0);

	if (merge->width <= 0 || merge->height <= 0 || width <= 0 || height <= 0)
		return false;
	*scale_r = sqrt(width * height / (merge->width * merge->height));
	return true;
}

/* ---- layers ---- */

static void lay_value(struct merge *merge, const char *name, struct json_object *value)
{
	struct json_object *fits = accepted(merge, name, value), *side_ = NULL;

	if (fits && is_side(name) && is_number(fits) && merge->multiple > 1) {
		side_ = json_object_new_int64(side(merge, name, json_object_get_double(fits)));
		json_object_put(fits);
		fits = side_;
	}
	if (fits)
		put(merge, name, fnr_json_copy(fits), "preset");
	json_object_put(fits);
}

/* shape: width and height are what they are, and no mere size. */
static void lay_part(struct merge *merge, struct json_object *values, bool shape)
{
	double scale;
	bool sized = !shape && size_of(merge, values, &scale);

	if (!json_object_is_type(values, json_type_object))
		return;
	json_object_object_foreach(values, name, value) {
		if (value && !(sized && is_side(name)))
			lay_value(merge, name, value);
	}
	if (sized)
		put_size(merge, scale);
}

/* null in a part of a derived preset: what its base said counts no more, and the template's default is back. */
static void take_away(struct merge *merge, struct json_object *values)
{
	struct json_object *usual;

	if (!json_object_is_type(values, json_type_object))
		return;
	json_object_object_foreach(values, name, value) {
		if (value || !json_object_object_get_ex(merge->parameters, name, NULL))
			continue;
		usual = fnr_json_get(fnr_json_get(merge->inputs, name), "default");
		if (!usual)
			usual = fnr_json_get(merge->own, name);
		if (usual)
			put(merge, name, fnr_json_copy(usual), "default");
		else
			json_object_object_del(merge->parameters, name);
	}
}

/* The parts of a layer that are for this template, from the widest to its own; NULL where there is none. */
static void parts_of(const struct merge *merge, struct json_object *layer, struct json_object *parts[3])
{
	const char *category = fnr_json_get_text(merge->definition, "category", "generic"), *id = template_id(merge->template_);

	parts[0] = fnr_json_get(layer, "generic");
	parts[1] = strcmp(category, "generic") == 0 ? NULL : fnr_json_get(layer, category);
	parts[2] = rules_among(id, registry_categories, REGISTRY_CATEGORIES) ? NULL : fnr_json_get(layer, id);
}

static void lay_layer(struct merge *merge, enum preset_layer which)
{
	struct json_object *parts[3];

	parts_of(merge, merge->preset->layers[which], parts);
	for (int i = 0; i < 3; i++) {
		if (which != PRESET_OF_TIER)
			take_away(merge, parts[i]);
		lay_part(merge, parts[i], which != PRESET_OF_TIER || i == 2);
	}
}

/* What is given as it is: defaults, the template's own part, inputs. */
static void lay_over(struct merge *merge, struct json_object *values, const char *origin)
{
	if (!json_object_is_type(values, json_type_object))
		return;
	json_object_object_foreach(values, name, value) {
		if (value)
			put(merge, name, fnr_json_copy(value), origin);
	}
}

static void lay_defaults(struct merge *merge)
{
	lay_over(merge, merge->own, "default");
	if (!merge->inputs)
		return;
	json_object_object_foreach(merge->inputs, name, input) {
		if (fnr_json_get(input, "default"))
			put(merge, name, fnr_json_copy(fnr_json_get(input, "default")), "default");
	}
	merge->width = fnr_json_get_real(merge->parameters, "width", 0);
	merge->height = fnr_json_get_real(merge->parameters, "height", 0);
}

static struct merge merge_of(const struct template_ *template_, const struct preset *preset)
{
	struct merge merge = { .template_ = template_, .definition = template_definition(template_), .preset = preset };

	merge.inputs = fnr_json_get(merge.definition, "inputs");
	merge.own = fnr_json_get(merge.definition, "parameters");
	merge.multiple = fnr_json_get_int(fnr_json_get(merge.definition, "resolution"), "multiple_of", 1);
	return merge;
}

struct json_object *parameters_resolve(const struct template_ *template_, const struct preset *preset, struct json_object *inputs,
                                       struct json_object *origins)
{
	struct merge merge = merge_of(template_, preset);
	double scale = fnr_json_get_real(fnr_json_get(preset->record, "scaling"), "resolution", 0);

	merge.parameters = json_object_new_object();
	merge.origins = origins;
	lay_defaults(&merge);
	lay_layer(&merge, PRESET_OF_TIER);
	if (scale > 0 && merge.width > 0 && merge.height > 0)
		put_size(&merge, scale);
	lay_over(&merge, fnr_json_get(fnr_json_get(merge.definition, "presets"), fnr_quality_name(preset->tier)), "template");
	lay_layer(&merge, PRESET_INHERITED);
	lay_layer(&merge, PRESET_OWN);
	lay_over(&merge, inputs, "input");
	return merge.parameters;
}

/* ---- resources ---- */

static void set_scaled(struct json_object *to, struct json_object *from, const char *name, double factor)
{
	if (fnr_json_get(from, name))
		fnr_json_set_int(to, name, (int64_t)ceil(fnr_json_get_real(from, name, 0) * factor - 1e-9));
}

/* What the template says of the tier itself stands as it is. */
static void lay_tier(struct json_object *resources, const struct preset *preset)
{
	struct json_object *tier = preset ? fnr_json_get(fnr_json_get(resources, "tiers"), fnr_quality_name(preset->tier)) : NULL;

	if (json_object_is_type(tier, json_type_object)) {
		json_object_object_foreach(tier, name, value) {
			if (value)
				fnr_json_set(resources, name, fnr_json_copy(value));
		}
	}
	json_object_object_del(resources, "tiers");
}

struct json_object *preset_resources(struct json_object *definition, const struct preset *preset)
{
	struct json_object *from = fnr_json_get(definition, "resources"), *scaling = preset ? fnr_json_get(preset->record, "scaling") : NULL;
	struct json_object *resources = from ? fnr_json_copy(from) : json_object_new_object();
	double cpu = ceil(fnr_json_get_real(from, "cpu", 1) * fnr_json_get_real(scaling, "cpu", 1) * 100 - 1e-9) / 100;

	if (fnr_json_get(from, "cpu"))
		fnr_json_set(resources, "cpu", floor(cpu) == cpu ? json_object_new_int64((int64_t)cpu) : fnr_json_real(cpu));
	set_scaled(resources, from, "memory_mb", fnr_json_get_real(scaling, "memory", 1));
	set_scaled(resources, from, "vram_mb", fnr_json_get_real(scaling, "vram", 1));
	lay_tier(resources, preset);
	return resources;
}

static bool in_list(struct json_object *list, const char *text)
{
	for (size_t i = 0; json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
		if (strcmp(json_object_get_string(json_object_array_get_idx(list, i)), text) == 0)
			return true;
	return false;
}

struct json_object *preset_pipeline(struct json_object *definition, const struct preset *preset)
{
	struct json_object *said = fnr_json_get(preset->record, "pipeline"), *pipeline = said ? fnr_json_copy(said) : json_object_new_object();
	struct json_object *all = fnr_json_get(said, "optimizations"), *known = json_object_new_array();

	for (size_t i = 0; json_object_is_type(all, json_type_array) && i < json_object_array_length(all); i++) {
		struct json_object *name = json_object_array_get_idx(all, i);

		if (in_list(fnr_json_get(definition, "optimizations"), json_object_get_string(name)))
			json_object_array_add(known, json_object_get(name));
	}
	fnr_json_set(pipeline, "optimizations", known);
	return pipeline;
}

/* ---- compatibility ---- */

static void add_reason(struct json_object *reasons, const char *code, const char *parameter, bool blocking, const char *message)
{
	struct json_object *reason = json_object_new_object();

	fnr_json_set_text(reason, "code", code);
	fnr_json_set_text(reason, "message", message);
	fnr_json_set_text(reason, "parameter", parameter);
	fnr_json_set_bool(reason, "blocking", blocking);
	json_object_array_add(reasons, reason);
}

/* One value of a part: named for this very template it must fit; of a wider part it is adapted or left out, which is told. */
static void judge_value(const struct merge *merge, struct json_object *reasons, const char *name, struct json_object *value, bool exact)
{
	struct json_object *input = fnr_json_get(merge->inputs, name), *fits;
	char message[256];

	if (!input && !json_object_object_get_ex(merge->own, name, NULL)) {
		snprintf(message, sizeof message, "%.64s has no parameter '%.64s'", template_id(merge->template_), name);
		if (exact)
			add_reason(reasons, "unknown_parameter", name, true, message);
		return;
	}
	fits = accepted(merge, name, value);
	if (!fits) {
		snprintf(message, sizeof message, "'%.64s' does not take the preset's value%s", name, exact ? "" : ": it is left as it is");
		add_reason(reasons, "value_refused", name, exact, message);
	} else if (!json_object_equal(fits, value)) {
		snprintf(message, sizeof message, "'%.64s' becomes %.64s, the nearest that the template takes", name, fnr_json_text(fits, NULL));
		add_reason(reasons, "value_adapted", name, false, message);
	}
	json_object_put(fits);
}

static size_t judge_part(const struct merge *merge, struct json_object *reasons, struct json_object *values, bool exact)
{
	size_t applied = 0;

	if (!json_object_is_type(values, json_type_object))
		return 0;
	json_object_object_foreach(values, name, value) {
		if (!value)
			continue;
		judge_value(merge, reasons, name, value, exact);
		applied += fnr_json_get(merge->inputs, name) != NULL || json_object_object_get_ex(merge->own, name, NULL);
	}
	return applied;
}

static void judge_vram(const struct merge *merge, struct json_object *reasons)
{
	struct json_object *resources = preset_resources(merge->definition, merge->preset);
	int64_t needed = fnr_json_get_int(resources, "vram_mb", 0);
	int64_t target = fnr_json_get_int(fnr_json_get(merge->preset->record, "pipeline"), "vram_mb", 0);
	char message[256];

	snprintf(message, sizeof message, "it needs %lld MB of VRAM, more than the %lld MB that the preset aims at", (long long)needed, (long long)target);
	if (target > 0 && needed > target)
		add_reason(reasons, "vram_target", NULL, false, message);
	json_object_put(resources);
}

struct json_object *preset_compatibility(const struct template_ *template_, const struct preset *preset)
{
	struct merge merge = merge_of(template_, preset);
	struct json_object *object = json_object_new_object(), *reasons = json_object_new_array(), *parts[3];
	size_t applied = fnr_json_get(fnr_json_get(merge.definition, "presets"), fnr_quality_name(preset->tier)) ? 1 : 0;
	bool compatible = true;

	for (int layer = 0; layer < PRESET_LAYERS; layer++) {
		parts_of(&merge, preset->layers[layer], parts);
		for (int i = 0; i < 3; i++)
			applied += judge_part(&merge, reasons, parts[i], i == 2);
	}
	judge_vram(&merge, reasons);
	if (!applied)
		add_reason(reasons, "no_effect", NULL, false, "no parameter of the template depends on the quality");
	for (size_t i = 0; i < json_object_array_length(reasons); i++)
		compatible &= !fnr_json_get_bool(json_object_array_get_idx(reasons, i), "blocking", false);
	fnr_json_set_bool(object, "compatible", compatible);
	fnr_json_set(object, "reasons", reasons);
	return object;
}

/* ---- the scheduler's view ---- */

static bool has_text(struct json_object *list, const char *text)
{
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (strcmp(json_object_get_string(json_object_array_get_idx(list, i)), text) == 0)
			return true;
	return false;
}

static bool is_loaded(struct json_object *definition, struct json_object *model, const struct preset *preset, struct json_object *parameters)
{
	const struct binding_scope scope = { .inputs = fnr_json_get(definition, "inputs"), .parameters = fnr_json_get(definition, "parameters"), .no_seed = true };
	struct json_object *values;
	bool holds;

	if (!fnr_json_get(model, "when"))
		return true;
	values = bindings_values(parameters, 0, fnr_quality_name(preset->tier));
	holds = condition_holds(model, &scope, values);
	json_object_put(values);
	return holds;
}

struct json_object *template_models(const struct template_ *template_, const struct preset *preset, struct json_object *parameters)
{
	struct json_object *definition = template_definition(template_), *models = fnr_json_get(definition, "models"), *list = json_object_new_array();
	size_t count = json_object_is_type(models, json_type_array) ? json_object_array_length(models) : 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *model = json_object_array_get_idx(models, i);
		const char *parameter = fnr_json_get_text(model, "parameter", NULL);
		const char *name = parameter ? fnr_json_get_text(parameters, parameter, "") : fnr_json_get_text(model, "name", "");
		char text[320];

		snprintf(text, sizeof text, "%.64s/%.250s", fnr_json_get_text(model, "category", ""), name);
		if (*name && !has_text(list, text) && is_loaded(definition, model, preset, parameters))
			json_object_array_add(list, json_object_new_string(text));
	}
	if (json_object_array_length(list) > 0)
		return list;
	json_object_put(list);
	return NULL;
}

uint64_t scheduling_class(const struct template_ *template_, const struct preset *preset, struct json_object *fallback, struct json_object *models,
                          struct json_object *nodes)
{
	struct fnr_sha256 *sha = fnr_sha256_create();
	char label[PRESET_LABEL];
	const char *parts[] = { template_id(template_), template_version(template_), label, template_digest(template_),
	                        fallback ? fnr_json_text(fallback, NULL) : "", models ? fnr_json_text(models, NULL) : nodes ? "" : NULL, nodes ? fnr_json_text(nodes, NULL) : NULL };
	uint8_t digest[32];
	uint64_t class_ = 0;

	preset_label(preset, label);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0] && parts[i]; i++)
		fnr_sha256_add(sha, parts[i], strlen(parts[i]) + 1);
	fnr_sha256_end(sha, digest);
	for (int i = 0; i < 8; i++)
		class_ = class_ << 8 | digest[i];
	return class_;
}
