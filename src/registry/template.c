/* Reading of one template: checked completely, every default filled in, and named by its digest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/queues.h"
#include "base/text.h"
#include "registry/bindings.h"
#include "registry/errors.h"
#include "registry/internal.h"
#include "schema/inputs.h"
#include "schema/schema.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define WORDS_MOST 31      /* arguments of a command, with the program */
#define EXAMPLES_MOST 100
#define PLACES_MOST 64     /* servers or labels that a backend names */
#define MODELS_MOST 64
#define VARIANTS_MOST 16

static const char *const members[] = {
	"id", "version", "extends", "name", "description", "category", "author", "icon", "tags", "capabilities", "inputs", "input_schema", "outputs", "parameters", "presets",
	"variants", "resources", "queue", "limits", "timeout_s", "silence_s", "errors", "retry", "on_lost", "stages", "models", "examples", "backend",
	"resolution", "optimizations",
};

/* One template on its way: what is checked, and what is found. */
struct reading {
	struct json_object *source;
	struct json_object *inputs;   /* those of the source, with type any for what is not sound: safe to check values with */
	bool unknown;                 /* what they are: their schema is not sound */
	struct schema *some;          /* of a schema of the inputs: each by itself; else NULL */
	struct json_object *files;
	struct json_object *nodes;    /* classes that its workflow needs; NULL: none, or they are not known */
	struct template_folders folders;
	struct fnr_error *err;
};

/* A list of texts. */
static void check_words(struct reading *r, const char *name, size_t most)
{
	struct json_object *list = rules_want(r->source, "", name, json_type_array, "write a list of texts, like [red, blue]", r->err);
	char at[REGISTRY_PATH], index[24], item[REGISTRY_PATH], found[FNR_JSON_FOUND];

	if (list && json_object_array_length(list) > most)
		fnr_error_add(r->err, rules_below(at, "", name), "max_items", "leave some out", "'%s' has more than %zu items", name, most);
	for (size_t i = 0; list && i < json_object_array_length(list) && i < most; i++) {
		if (json_object_is_type(json_object_array_get_idx(list, i), json_type_string))
			continue;
		snprintf(index, sizeof index, "%zu", i);
		fnr_error_add(r->err, rules_below(item, rules_below(at, "", name), index), "type", "write text, in quotes if need be",
		              "here text is needed, not %s", fnr_json_found(json_object_array_get_idx(list, i), found));
	}
}

/* ---- inputs, outputs ---- */

static void check_inputs(struct reading *r)
{
	struct json_object *inputs = rules_want(r->source, "", "inputs", json_type_object, "write {} if there are none", r->err);
	struct json_object *schema = fnr_json_get(r->source, "input_schema");
	char at[REGISTRY_PATH];

	if (schema && inputs)
		fnr_error_add(r->err, "/inputs", "duplicate", "use the one or the other", "the inputs are described twice, here and in 'input_schema'");
	if (schema) {
		r->unknown = !input_schema_check(schema, r->inputs, r->err);
		r->some = r->unknown ? NULL : input_schema_for_some(schema, r->inputs);
	}
	if (!inputs || schema)
		return;
	if (json_object_object_length(inputs) > INPUTS_MOST)
		fnr_error_add(r->err, "/inputs", "max_items", "use one input of type object", "there are more than %d inputs", INPUTS_MOST);
	json_object_object_foreach(inputs, name, input) {
		rules_below(at, "/inputs", name);
		if (!fnr_name_valid(name))
			fnr_error_add(r->err, at, "name", "use " FNR_NAME_RULE, "'%.64s' is not a valid name of an input", name);
		if (input_check_form(input, at, r->err)) {
			fnr_json_set(r->inputs, name, json_object_get(input));
		} else {
			struct json_object *any = json_object_new_object();

			fnr_json_set_text(any, "type", "any");
			fnr_json_set(r->inputs, name, any);
		}
	}
}

static void check_media_type(struct reading *r, struct json_object *output, const char *pointer)
{
	const char *type = fnr_json_get_text(output, "media_type", "");
	char at[REGISTRY_PATH];

	rules_text(output, pointer, "media_type", RULES_OPTIONAL, 100, NULL, 0, "write it like image/png", r->err);
	if (*type && !strchr(type, '/'))
		fnr_error_add(r->err, rules_below(at, pointer, "media_type"), "media", "write it like image/png", "'%.64s' is not a media type", type);
}

static void check_outputs(struct reading *r)
{
	static const char *const names[] = { "type", "media_type", "description", "label", "many", "optional" };
	static const char *const types[] = { "image", "video", "audio", "text", "json", "file" };
	struct json_object *outputs = rules_want(r->source, "", "outputs", json_type_object, "write {} if there are none", r->err);
	char at[REGISTRY_PATH], found[FNR_JSON_FOUND];

	if (!outputs)
		return;
	json_object_object_foreach(outputs, name, output) {
		rules_below(at, "/outputs", name);
		if (!fnr_name_valid(name))
			fnr_error_add(r->err, at, "name", "use " FNR_NAME_RULE, "'%.64s' is not a valid name of an output", name);
		if (!json_object_is_type(output, json_type_object)) {
			fnr_error_add(r->err, at, "type", "write it like {type: image}", "an output must be an object, not %s", fnr_json_found(output, found));
			continue;
		}
		rules_only(output, at, names, COUNT(names), r->err);
		rules_text(output, at, "type", RULES_REQUIRED, 64, types, COUNT(types), "use image, video, audio, text, json or file", r->err);
		check_media_type(r, output, at);
		rules_text(output, at, "description", RULES_OPTIONAL, 10000, NULL, 0, "write text", r->err);
		rules_text(output, at, "label", RULES_OPTIONAL, 200, NULL, 0, "write text", r->err);
		rules_want(output, at, "many", json_type_boolean, "write true or false", r->err);
		rules_want(output, at, "optional", json_type_boolean, "write true or false", r->err);
	}
}

/* ---- parameters, presets ---- */

static void check_parameters(struct reading *r)
{
	struct json_object *parameters = rules_want(r->source, "", "parameters", json_type_object, "write it like {height: 1080}", r->err);
	char at[REGISTRY_PATH];

	if (!parameters)
		return;
	json_object_object_foreach(parameters, name, value) {
		(void)value;
		rules_below(at, "/parameters", name);
		if (!fnr_name_valid(name))
			fnr_error_add(r->err, at, "name", "use " FNR_NAME_RULE, "'%.64s' is not a valid name of a parameter", name);
		if (json_object_object_get_ex(r->inputs, name, NULL))
			fnr_error_add(r->err, at, "duplicate", "give the input a default instead", "'%.64s' is an input already", name);
	}
}

static bool same_kind(struct json_object *a, struct json_object *b)
{
	enum json_type left = json_object_get_type(a), right = json_object_get_type(b);

	return !a || !b || (left == json_type_double ? json_type_int : left) == (right == json_type_double ? json_type_int : right);
}

#define NAMES_COMPARED 256

static size_t add_names(struct json_object *object, const char *names[NAMES_COMPARED], size_t count)
{
	if (!json_object_is_type(object, json_type_object))
		return count;
	json_object_object_foreach(object, name, value) {
		(void)value;
		if (count < NAMES_COMPARED)
			names[count++] = name;
	}
	return count;
}

static void unknown_parameter(struct reading *r, struct json_object *parameters, const char *at, const char *name)
{
	const char *names[NAMES_COMPARED], *nearest = fnr_text_nearest(name, names, add_names(parameters, names, add_names(r->inputs, names, 0)));
	char fix[160] = "declare it in inputs or parameters";

	if (nearest)
		snprintf(fix, sizeof fix, "did you mean '%.64s'? Else declare it in inputs or parameters", nearest);
	fnr_error_add(r->err, at, "unknown_parameter", fix, "the template has no parameter '%.64s'", name);
}

static void check_preset_input(struct reading *r, const char *name, struct json_object *input, struct json_object *value, const char *pointer)
{
	struct json_object *one;
	char at[REGISTRY_PATH];

	if (!r->some) {
		input_check_value(input, value, rules_below(at, pointer, name), r->err);
		return;
	}
	one = json_object_new_object();
	fnr_json_set(one, name, json_object_get(value));
	input_schema_check_values(r->some, one, pointer, r->err);
	json_object_put(one);
}

/* Inputs by their rules, other parameters by the kind of their default. */
static void check_preset_values(struct reading *r, struct json_object *values, const char *pointer)
{
	struct json_object *parameters = fnr_json_get(r->source, "parameters");
	char at[REGISTRY_PATH], found[2][FNR_JSON_FOUND];

	if (r->unknown)
		return;
	json_object_object_foreach(values, name, value) {
		struct json_object *usual = NULL, *input = fnr_json_get(r->inputs, name);

		rules_below(at, pointer, name);
		if (input)
			check_preset_input(r, name, input, value, pointer);
		else if (!json_object_is_type(parameters, json_type_object) || !json_object_object_get_ex(parameters, name, &usual))
			unknown_parameter(r, parameters, at, name);
		else if (!same_kind(usual, value))
			fnr_error_add(r->err, at, "type", "give a value of the same type as there", "'%.64s' is %s here, but %s in parameters", name,
			              fnr_json_found(value, found[0]), fnr_json_found(usual, found[1]));
	}
}

static void check_presets(struct reading *r)
{
	struct json_object *presets = rules_want(r->source, "", "presets", json_type_object, "write it like {draft: {height: 360}}", r->err);
	char at[REGISTRY_PATH], found[FNR_JSON_FOUND];

	if (!presets)
		return;
	rules_only(presets, "/presets", registry_tiers, REGISTRY_TIERS, r->err);
	json_object_object_foreach(presets, tier, values) {
		rules_below(at, "/presets", tier);
		if (json_object_is_type(values, json_type_object))
			check_preset_values(r, values, at);
		else
			fnr_error_add(r->err, at, "type", "write it like {height: 720}", "a preset must be an object, not %s", fnr_json_found(values, found));
	}
}

/* {multiple_of: n}: of width and height, wherever a preset says them */
static void check_resolution(struct reading *r)
{
	static const struct rules_number multiple = { "multiple_of", 1, 4096, true };
	struct json_object *resolution = rules_want(r->source, "", "resolution", json_type_object, "write it like {multiple_of: 8}", r->err);

	if (resolution)
		rules_numbers(resolution, "/resolution", &multiple, 1, r->err);
}

static void check_variant(struct reading *r, struct json_object *variant, const char *pointer)
{
	static const char *const names[] = { "weight", "description", "parameters" };
	static const struct rules_number weight = { "weight", 0, 1000, false };
	struct json_object *parameters;
	char at[REGISTRY_PATH];

	rules_only(variant, pointer, names, COUNT(names), r->err);
	rules_number(variant, pointer, &weight, r->err);
	rules_text(variant, pointer, "description", RULES_OPTIONAL, 10000, NULL, 0, "write text", r->err);
	parameters = rules_want(variant, pointer, "parameters", json_type_object, "write it like {height: 720}", r->err);
	if (parameters)
		check_preset_values(r, parameters, rules_below(at, pointer, "parameters"));
}

static void check_variants(struct reading *r)
{
	struct json_object *variants = rules_want(r->source, "", "variants", json_type_object, "write it like {plain: {weight: 1}, bold: {weight: 1}}", r->err);
	double sum = 0;
	char at[REGISTRY_PATH], found[FNR_JSON_FOUND];

	if (!variants)
		return;
	if (json_object_object_length(variants) > VARIANTS_MOST)
		fnr_error_add(r->err, "/variants", "max_items", "leave some out", "there are more than %d variants", VARIANTS_MOST);
	json_object_object_foreach(variants, name, variant) {
		rules_below(at, "/variants", name);
		if (!fnr_name_valid(name))
			fnr_error_add(r->err, at, "name", "use " FNR_NAME_RULE, "'%.64s' is not a valid name of a variant", name);
		if (json_object_is_type(variant, json_type_object))
			check_variant(r, variant, at);
		else
			fnr_error_add(r->err, at, "type", "write it like {weight: 1, parameters: {…}}", "a variant must be an object, not %s", fnr_json_found(variant, found));
		sum += fnr_json_get_real(variant, "weight", 1);
	}
	if (sum <= 0)
		fnr_error_add(r->err, "/variants", "range", "give one of them a weight above 0", "no variant has any weight");
}

/* ---- how it is run ---- */

static void check_stages(struct reading *r)
{
	static const char *const stages_[] = { "preparation", "execution", "finalization" }, *const names[] = { "weight", "message" };
	static const struct rules_number weight = { "weight", 0, 1000, false };
	struct json_object *stages = rules_want(r->source, "", "stages", json_type_object, "write it like {execution: {message: Working…}}", r->err);
	char at[REGISTRY_PATH], found[FNR_JSON_FOUND];

	if (!stages)
		return;
	rules_only(stages, "/stages", stages_, COUNT(stages_), r->err);
	json_object_object_foreach(stages, name, stage) {
		rules_below(at, "/stages", name);
		if (!json_object_is_type(stage, json_type_object)) {
			fnr_error_add(r->err, at, "type", "write it like {weight: 0.8, message: Working…}", "a stage must be an object, not %s", fnr_json_found(stage, found));
			continue;
		}
		rules_only(stage, at, names, COUNT(names), r->err);
		rules_number(stage, at, &weight, r->err);
		rules_text(stage, at, "message", RULES_OPTIONAL, 200, NULL, 0, "write what people read while it runs", r->err);
	}
}

static void check_retry_part(struct reading *r, struct json_object *part, const char *pointer, const char *const *names, size_t count)
{
	static const struct rules_number numbers[] = {
		{ "max_attempts", 1, 100, true }, { "delay_s", 0, 86400, false }, { "max_delay_s", 0, 2592000, false }, { "total_s", 0, 31536000, false },
	};
	char at[REGISTRY_PATH];

	rules_only(part, pointer, names, count, r->err);
	for (size_t i = 0; i < COUNT(numbers); i++)
		rules_number(part, pointer, &numbers[i], r->err);
	if (fnr_json_get(part, "max_delay_s") && fnr_json_get_real(part, "delay_s", 0) > fnr_json_get_real(part, "max_delay_s", 0))
		fnr_error_add(r->err, rules_below(at, pointer, "delay_s"), "range", "exchange or correct the two", "'delay_s' is larger than 'max_delay_s'");
}

/* For all errors, and apart for those classes that are tried again at all. */
static void check_retry(struct reading *r, struct json_object *retry)
{
	static const char *const names[] = { "max_attempts", "delay_s", "max_delay_s", "total_s", "transient", "resource", "unknown" };
	struct json_object *part;
	char at[REGISTRY_PATH];

	check_retry_part(r, retry, "/retry", names, COUNT(names));
	for (size_t i = 4; i < COUNT(names); i++)
		if ((part = rules_want(retry, "/retry", names[i], json_type_object, "write it like {max_attempts: 2}", r->err)))
			check_retry_part(r, part, rules_below(at, "/retry", names[i]), names, 4);
}

static void check_queue(struct reading *r)
{
	const char *queue = fnr_json_get_text(r->source, "queue", NULL);
	char fix[256];

	snprintf(fix, sizeof fix, "use one of %s", fnr_queue_list());
	rules_text(r->source, "", "queue", RULES_OPTIONAL, 64, NULL, 0, fix, r->err);
	if (queue && !fnr_queue_find(queue))
		fnr_error_add(r->err, "/queue", "enum", fix, "'queue' cannot be '%.64s'", queue);
}

/* The amounts, and under tiers those of single qualities. */
static void check_resources(struct reading *r, struct json_object *part, const struct rules_number *amounts, size_t count)
{
	struct json_object *tiers = rules_want(part, "/resources", "tiers", json_type_object, "write it like {draft: {memory_mb: 256}}", r->err);
	struct json_object *rest = fnr_json_copy(part);
	char at[REGISTRY_PATH], found[FNR_JSON_FOUND];

	json_object_object_del(rest, "tiers");
	rules_numbers(rest, "/resources", amounts, count, r->err);
	json_object_put(rest);
	if (!tiers)
		return;
	rules_only(tiers, "/resources/tiers", registry_tiers, REGISTRY_TIERS, r->err);
	json_object_object_foreach(tiers, tier, values) {
		rules_below(at, "/resources/tiers", tier);
		if (json_object_is_type(values, json_type_object))
			rules_numbers(values, at, amounts, count, r->err);
		else
			fnr_error_add(r->err, at, "type", "write it like {memory_mb: 256}", "the resources of a tier must be an object, not %s", fnr_json_found(values, found));
	}
}

static void check_running(struct reading *r)
{
	static const char *const lost[] = { "retry", "fail" };
	static const struct rules_number resources[] = {
		{ "cpu", 0, 1024, false }, { "memory_mb", 0, 16777216, true }, { "gpu", 0, 64, true }, { "vram_mb", 0, 16777216, true },
		{ "disk_mb", 0, 1073741824, true }, { "compute_capability", 0, 100, false },
	},
	   limits[] = { { "concurrency", 1, STORE_LIMIT_MOST, true }, { "per_minute", 1, STORE_LIMIT_MOST, true } },
	   timeout = { "timeout_s", 1, 2592000, true }, silence = { "silence_s", 1, 86400, true };
	struct json_object *part;

	if ((part = rules_want(r->source, "", "resources", json_type_object, "write it like {cpu: 1, memory_mb: 512}", r->err)))
		check_resources(r, part, resources, COUNT(resources));
	if ((part = rules_want(r->source, "", "limits", json_type_object, "write it like {concurrency: 2, per_minute: 30}", r->err)))
		rules_numbers(part, "/limits", limits, COUNT(limits), r->err);
	if ((part = rules_want(r->source, "", "retry", json_type_object, "write it like {max_attempts: 4}", r->err)))
		check_retry(r, part);
	if (fnr_json_get(r->source, "errors"))
		error_rules_check(fnr_json_get(r->source, "errors"), "/errors", r->err);
	check_queue(r);
	rules_text(r->source, "", "on_lost", RULES_OPTIONAL, 64, lost, COUNT(lost), "use retry or fail", r->err);
	rules_number(r->source, "", &timeout, r->err);
	rules_number(r->source, "", &silence, r->err);
}

/* ---- examples ---- */

static void check_example_inputs(const struct schema *schema, struct json_object *expected, struct json_object *inputs, const char *pointer, struct fnr_error *err)
{
	if (schema)
		input_schema_check_values(schema, inputs, pointer, err);
	else
		inputs_check_values(expected, inputs, pointer, err);
}

static void check_example(struct reading *r, struct json_object *example, struct json_object *expected, const struct schema *schema, const char *pointer)
{
	static const char *const names[] = { "name", "description", "inputs", "quality" };
	const char *quality = fnr_json_get_text(example, "quality", "");
	struct json_object *inputs;
	char at[REGISTRY_PATH];

	rules_only(example, pointer, names, COUNT(names), r->err);
	rules_text(example, pointer, "name", RULES_OPTIONAL, 200, NULL, 0, "write text", r->err);
	rules_text(example, pointer, "description", RULES_OPTIONAL, 10000, NULL, 0, "write text", r->err);
	if (fnr_json_get(example, "quality") && fnr_quality_parse(quality) < 0)
		fnr_error_add(r->err, rules_below(at, pointer, "quality"), "enum", "use draft, standard, high or ultra", "there is no quality '%.64s'", quality);
	inputs = rules_want(example, pointer, "inputs", json_type_object, "write it like {text: Hello}", r->err);
	if (!r->unknown && (inputs || !fnr_json_get(example, "inputs")))
		check_example_inputs(schema, expected, inputs, rules_below(at, pointer, "inputs"), r->err);
}

/* NULL if the inputs are in short form. */
static struct schema *schema_of_examples(struct reading *r)
{
	struct json_object *given = fnr_json_get(r->source, "input_schema"), *without_files;
	struct schema *schema;

	if (!json_object_is_type(given, json_type_object))
		return NULL;
	without_files = input_schema_for_examples(given, r->inputs);
	schema = schema_compile(without_files, NULL, NULL);
	json_object_put(without_files);
	return schema;
}

static void check_examples(struct reading *r)
{
	struct json_object *examples = rules_want(r->source, "", "examples", json_type_array, "write a list", r->err);
	struct json_object *expected = inputs_for_examples(r->inputs);
	struct schema *schema = schema_of_examples(r);
	char index[24], at[REGISTRY_PATH], found[FNR_JSON_FOUND];

	if (examples && json_object_array_length(examples) > EXAMPLES_MOST)
		fnr_error_add(r->err, "/examples", "max_items", "leave some out", "there are more than %d examples", EXAMPLES_MOST);
	for (size_t i = 0; examples && i < json_object_array_length(examples) && i < EXAMPLES_MOST; i++) {
		struct json_object *example = json_object_array_get_idx(examples, i);

		snprintf(index, sizeof index, "%zu", i);
		rules_below(at, "/examples", index);
		if (json_object_is_type(example, json_type_object))
			check_example(r, example, expected, schema, at);
		else
			fnr_error_add(r->err, at, "type", "write it like {name: …, inputs: {…}}", "an example must be an object, not %s", fnr_json_found(example, found));
	}
	json_object_put(expected);
	schema_free(schema);
}

/* ---- backend ---- */

static bool list_of_texts(struct json_object *list, size_t least, size_t most)
{
	if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) < least || json_object_array_length(list) > most)
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (!json_object_is_type(json_object_array_get_idx(list, i), json_type_string))
			return false;
	return true;
}

/* Members that all kinds have that work on servers of their own: where the job may run. */
void template_place_check(struct json_object *backend, struct fnr_error *err)
{
	static const char *const names[] = { "backends", "labels" };

	for (size_t i = 0; i < COUNT(names); i++) {
		struct json_object *list = fnr_json_get(backend, names[i]);
		char at[64];

		snprintf(at, sizeof at, "/backend/%s", names[i]);
		if (list && !list_of_texts(list, 1, PLACES_MOST)) {
			fnr_error_add(err, at, "type", "write it like [first, second], or leave it out", "'%s' must be a list of 1 to %d names", names[i], PLACES_MOST);
			continue;
		}
		for (size_t k = 0; list && k < json_object_array_length(list); k++)
			if (!fnr_name_valid(json_object_get_string(json_object_array_get_idx(list, k))))
				fnr_error_add(err, at, "name", "use " FNR_NAME_RULE, "'%.64s' is not a valid name",
				              json_object_get_string(json_object_array_get_idx(list, k)));
	}
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len > end_len && strcmp(text + len - end_len, end) == 0;
}

/* A name as Python has it, in ASCII. */
static bool class_name_valid(const char *text)
{
	static const char letters[] = "_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	return *text && strlen(text) <= 200 && strspn(text, letters) == strlen(text) && (*text < '0' || *text > '9');
}

static void check_python(struct json_object *backend, struct fnr_error *err)
{
	struct json_object *class_ = fnr_json_get(backend, "class");
	char found[FNR_JSON_FOUND];

	if (!ends_with(fnr_json_get_text(backend, "python", ""), ".py"))
		fnr_error_add(err, "/backend/python", "file", "name a file that ends with .py", "'python' cannot be %s", fnr_json_found(fnr_json_get(backend, "python"), found));
	if (!class_name_valid(fnr_json_get_text(backend, "class", "")))
		fnr_error_add(err, "/backend/class", class_ ? "name" : "required", "name the class in the file, like class: TitleCard",
		              class_ ? "'class' cannot be %s" : "'class' is missing%.0s", fnr_json_found(class_, found));
}

static void check_script(struct reading *r, struct json_object *backend, struct fnr_error *err)
{
	static const char *const names[] = { "type", "python", "class", "command", "files" };
	struct json_object *python = fnr_json_get(backend, "python"), *command = fnr_json_get(backend, "command");
	char found[FNR_JSON_FOUND];

	rules_only(backend, "/backend", names, COUNT(names), err);
	if ((python != NULL) == (command != NULL))
		fnr_error_add(err, "/backend", "required", "name either python and class, or command", "a script backend runs a Python class or a command");
	else if (python)
		check_python(backend, err);
	else if (!list_of_texts(command, 1, WORDS_MOST))
		fnr_error_add(err, "/backend/command", "type", "write it like [program, \"argument\"], each in quotes if need be",
		              "'command' must be a list of 1 to %d texts, not %s", WORDS_MOST, fnr_json_found(command, found));
	if (command && fnr_json_get(backend, "class"))
		fnr_error_add(err, "/backend/class", "unknown_member", "remove it", "'class' goes with python, not with command");
	if (fnr_json_get(backend, "files") && !list_of_texts(fnr_json_get(backend, "files"), 0, REGISTRY_FILES_MOST))
		fnr_error_add(err, "/backend/files", "type", "write it like [font.ttf, data.json]", "'files' must be a list of at most %d texts",
		              REGISTRY_FILES_MOST);
	if (err->code == FNR_OK)
		template_files_add(backend, &r->folders, r->files, err);
}

static void check_noop(struct reading *r, struct json_object *backend, struct fnr_error *err)
{
	(void)r;
	rules_only(backend, "/backend", (const char *const[]){ "type" }, 1, err);
}

static void check_comfyui(struct reading *r, struct json_object *backend, struct fnr_error *err)
{
	(void)backend;
	template_comfyui_check(r->source, &r->folders, r->files, &r->nodes, err);
}

static void check_gradio(struct reading *r, struct json_object *backend, struct fnr_error *err)
{
	(void)backend;
	template_gradio_check(r->source, err);
}

/* err holds nothing yet, so what a check finds wrong it can see. */
static const struct {
	const char *type;
	void (*check)(struct reading *r, struct json_object *backend, struct fnr_error *err);
} kinds[] = { { "script", check_script }, { "comfyui", check_comfyui }, { "gradio", check_gradio }, { "noop", check_noop } };

static void check_backend(struct reading *r)
{
	struct json_object *backend = fnr_json_get(r->source, "backend");
	const char *type = fnr_json_get_text(backend, "type", ""), *types[COUNT(kinds)];
	struct fnr_error own = FNR_ERROR_INIT;
	size_t i = 0;
	char found[FNR_JSON_FOUND];

	while (i < COUNT(kinds) && strcmp(kinds[i].type, type) != 0)
		i++;
	for (size_t k = 0; k < COUNT(kinds); k++)
		types[k] = kinds[k].type;
	if (!json_object_is_type(backend, json_type_object))
		fnr_error_add(&own, "/backend", backend ? "type" : "required", "write it like {type: script, python: file.py, class: Name}",
		              backend ? "'backend' must be an object, not %s" : "'backend' is missing%.0s", fnr_json_found(backend, found));
	else if (i < COUNT(kinds))
		kinds[i].check(r, backend, &own);
	else
		rules_text(backend, "/backend", "type", RULES_REQUIRED, 64, types, COUNT(types), "use script, comfyui, gradio or noop", &own);
	fnr_error_move(r->err, &own);
}

/* ---- models ---- */

static void check_model(struct reading *r, struct json_object *model, const char *at)
{
	static const char *const names[] = { "category", "name", "parameter", "when" };
	const struct binding_scope scope = { .inputs = fnr_json_get(r->source, "inputs"), .parameters = fnr_json_get(r->source, "parameters"), .no_seed = true };
	bool name = fnr_json_get(model, "name") != NULL, parameter = fnr_json_get(model, "parameter") != NULL;
	char found[FNR_JSON_FOUND];

	if (!json_object_is_type(model, json_type_object)) {
		fnr_error_add(r->err, at, "type", "write it like {category: checkpoints, name: model.safetensors}", "a model must be an object, not %s", fnr_json_found(model, found));
		return;
	}
	rules_only(model, at, names, COUNT(names), r->err);
	rules_text(model, at, "category", RULES_REQUIRED, 64, NULL, 0, "name its folder, like checkpoints or loras", r->err);
	rules_text(model, at, "name", RULES_OPTIONAL, 200, NULL, 0, "give the name of its file", r->err);
	rules_text(model, at, "parameter", RULES_OPTIONAL, 64, NULL, 0, "name the input or parameter that has the name of its file", r->err);
	condition_check(model, &scope, at, r->err);
	if (name == parameter)
		fnr_error_add(r->err, at, "required", "give one of name and parameter", "a model has either a name, or a parameter that has it");
	else if (parameter && !fnr_json_get(fnr_json_get(r->source, "inputs"), fnr_json_get_text(model, "parameter", "")) &&
	         !fnr_json_get(fnr_json_get(r->source, "parameters"), fnr_json_get_text(model, "parameter", "")))
		fnr_error_add(r->err, at, "unknown_parameter", "name an input or a parameter of this template", "there is no input or parameter '%.64s'",
		              fnr_json_get_text(model, "parameter", ""));
}

static void check_models(struct reading *r)
{
	struct json_object *models = rules_want(r->source, "", "models", json_type_array, "write a list", r->err);
	size_t count = models ? json_object_array_length(models) : 0;

	if (count > MODELS_MOST)
		fnr_error_add(r->err, "/models", "max_items", "name only the large ones", "a template may name at most %d models", MODELS_MOST);
	for (size_t i = 0; i < count && count <= MODELS_MOST; i++) {
		char at[64];

		snprintf(at, sizeof at, "/models/%zu", i);
		check_model(r, json_object_array_get_idx(models, i), at);
	}
}

/* ---- the whole ---- */

static void check(struct reading *r, struct template_version *out)
{
	rules_only(r->source, "", members, COUNT(members), r->err);
	identity_check(r->source, out, r->err);
	check_words(r, "tags", 100);
	check_models(r);
	check_words(r, "capabilities", 100);
	check_inputs(r);
	check_outputs(r);
	check_parameters(r);
	check_presets(r);
	check_variants(r);
	check_resolution(r);
	check_words(r, "optimizations", 32);
	check_running(r);
	check_stages(r);
	check_examples(r);
	check_backend(r);
}

static void fill(struct json_object *definition, const char *name, struct json_object *value)
{
	if (fnr_json_get(definition, name))
		json_object_put(value);
	else
		fnr_json_set(definition, name, value);
}

static void normalise(struct json_object *definition, struct json_object *files)
{
	static const char *const texts[] = { "description", "author", "icon" }, *const lists[] = { "tags", "capabilities", "models", "examples" };
	static const char *const objects[] = { "inputs", "outputs", "parameters", "presets", "resources", "retry", "stages" };
	struct json_object *resources;
	bool gradio;

	for (size_t i = 0; i < COUNT(texts); i++)
		fill(definition, texts[i], json_object_new_string(""));
	for (size_t i = 0; i < COUNT(lists); i++)
		fill(definition, lists[i], json_object_new_array());
	for (size_t i = 0; i < COUNT(objects); i++)
		fill(definition, objects[i], json_object_new_object());
	resources = fnr_json_get(definition, "resources");
	fill(resources, "cpu", json_object_new_int64(1));
	fill(resources, "gpu", json_object_new_int64(0));
	fill(definition, "queue", json_object_new_string(fnr_json_get_real(resources, "gpu", 0) > 0 ? "gpu" : "cpu"));
	/* Nobody can ask a Gradio app what became of a job. */
	gradio = strcmp(fnr_json_get_text(fnr_json_get(definition, "backend"), "type", ""), "gradio") == 0;
	fill(definition, "on_lost", json_object_new_string(gradio ? "fail" : "retry"));
	fnr_json_set(definition, "files", json_object_get(files));
}

/* ---- digest ---- */

static int by_name(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;

	return strcmp(*left, *right);
}

/* The same value always gives the same bytes: members in order of their names. */
static void add_canonical(struct fnr_buf *out, struct json_object *value)
{
	if (json_object_is_type(value, json_type_array)) {
		fnr_buf_puts(out, "[");
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			add_canonical(out, json_object_array_get_idx(value, i));
			fnr_buf_puts(out, ",");
		}
		fnr_buf_puts(out, "]");
	} else if (json_object_is_type(value, json_type_object)) {
		size_t count = (size_t)json_object_object_length(value), at = 0;
		const char **names = fnr_alloc((count + 1) * sizeof *names);

		json_object_object_foreach(value, name, member) {
			(void)member;
			names[at++] = name;
		}
		qsort(names, count, sizeof *names, by_name);
		fnr_buf_puts(out, "{");
		for (size_t i = 0; i < count; i++) {
			struct json_object *text = json_object_new_string(names[i]);

			fnr_buf_printf(out, "%s:", fnr_json_text(text, NULL));
			json_object_put(text);
			add_canonical(out, fnr_json_get(value, names[i]));
			fnr_buf_puts(out, ",");
		}
		fnr_buf_puts(out, "}");
		free(names);
	} else {
		fnr_buf_puts(out, fnr_json_text(value, NULL));
	}
}

/* Nobody sees the order of most members, so it does not count; that of inputs and outputs is the order on the page. */
static void digest_of(struct json_object *definition, uint8_t digest[32])
{
	static const char *const ordered[] = { "inputs", "outputs" };
	struct fnr_buf canonical = FNR_BUF_INIT;

	add_canonical(&canonical, definition);
	for (size_t i = 0; i < COUNT(ordered); i++) {
		json_object_object_foreach(fnr_json_get(definition, ordered[i]), name, value) {
			(void)value;
			fnr_buf_printf(&canonical, "%s/%s\n", ordered[i], name);
		}
	}
	fnr_sha256_of(canonical.data, canonical.len, digest);
	fnr_buf_free(&canonical);
}

int template_read(struct json_object *source, const char *folder, const char *scripts, struct template_version *out, struct fnr_error *err)
{
	const struct template_folders folders = TEMPLATE_FOLDERS(folder, scripts);

	return template_read_in(source, &folders, out, err);
}

int template_read_in(struct json_object *source, const struct template_folders *folders, struct template_version *out, struct fnr_error *err)
{
	struct fnr_error own = FNR_ERROR_INIT;
	struct reading r = { .source = source, .folders = *folders, .err = &own };
	char hex[FNR_SHA256_TEXT], found[FNR_JSON_FOUND];

	memset(out, 0, sizeof *out);
	if (!json_object_is_type(source, json_type_object)) {
		fnr_error_add(err, "", "type", "begin it with id: and version:", "a template must be an object, not %s", fnr_json_found(source, found));
		return FNR_E_INVALID;
	}
	r.inputs = json_object_new_object();
	r.files = json_object_new_object();
	check(&r, out);
	if (own.code == FNR_OK)
		template_shape_check(source, &own);
	if (own.code == FNR_OK) {
		out->definition = fnr_json_copy(source);
		if (fnr_json_get(source, "input_schema")) {
			fnr_json_set_text(out->definition, "input_form", "schema");
			fnr_json_set(out->definition, "inputs", json_object_get(r.inputs));
		}
		normalise(out->definition, r.files);
		if (r.nodes)
			fnr_json_set(out->definition, "nodes", json_object_get(r.nodes));
		digest_of(out->definition, out->digest);
		fnr_json_set_text(out->definition, "digest", fnr_hex(out->digest, 32, hex));
	}
	json_object_put(r.inputs);
	json_object_put(r.files);
	json_object_put(r.nodes);
	schema_free(r.some);
	return fnr_error_move(err, &own);
}
