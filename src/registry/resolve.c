/* Inputs of a job: checked, and merged with defaults and preset into its parameters. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/text.h"
#include "registry/registry.h"
#include "schema/inputs.h"

int inputs_check(const struct template_ *template_, struct json_object *inputs, const char *prefix, struct fnr_error *err)
{
	struct fnr_error own = FNR_ERROR_INIT;
	int code;

	inputs_check_values(fnr_json_get(template_definition(template_), "inputs"), inputs, prefix, &own);
	code = own.code;
	for (size_t i = 0; own.errors && i < json_object_array_length(own.errors); i++) {
		struct json_object *entry = json_object_array_get_idx(own.errors, i);

		fnr_error_add(err, fnr_json_get_text(entry, "pointer", ""), fnr_json_get_text(entry, "rule", ""), fnr_json_get_text(entry, "fix", NULL),
		              "%s", fnr_json_get_text(entry, "message", ""));
	}
	fnr_error_clear(&own);
	return code;
}

/* ---- files among the inputs ---- */

struct uploads { struct fnr_id *ids; size_t limit, count; };

static void collect(struct json_object *input, struct json_object *value, struct uploads *uploads)
{
	const char *type = fnr_json_get_text(input, "type", "");
	struct fnr_id id;

	if (strcmp(type, "array") == 0 && json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++)
			collect(fnr_json_get(input, "items"), json_object_array_get_idx(value, i), uploads);
		return;
	}
	if (strcmp(type, "file") != 0 || !json_object_is_type(value, json_type_string))
		return;
	if (strncmp(json_object_get_string(value), "upload:", 7) != 0 || !fnr_id_parse(json_object_get_string(value) + 7, &id))
		return;
	if (uploads->count < uploads->limit)
		uploads->ids[uploads->count] = id;
	uploads->count++;
}

size_t inputs_uploads(const struct template_ *template_, struct json_object *inputs, struct fnr_id *ids, size_t limit)
{
	struct uploads uploads = { ids, limit, 0 };

	if (!inputs)
		return 0;
	json_object_object_foreach(fnr_json_get(template_definition(template_), "inputs"), name, input)
		collect(input, fnr_json_get(inputs, name), &uploads);
	return uploads.count;
}

/* ---- parameters ---- */

static void lay_over(struct json_object *parameters, struct json_object *values, struct json_object *definition, bool only_known)
{
	if (!json_object_is_type(values, json_type_object))
		return;
	json_object_object_foreach(values, name, value) {
		bool known = json_object_object_get_ex(fnr_json_get(definition, "inputs"), name, NULL) ||
		             json_object_object_get_ex(fnr_json_get(definition, "parameters"), name, NULL);

		if (value && (known || !only_known))
			fnr_json_set(parameters, name, fnr_json_copy(value));
	}
}

static struct json_object *read_preset(struct store_txn *txn, const char *id, struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *preset = NULL;

	if (store_preset_get(txn, id, &text) != FNR_OK)
		fnr_fail(err, FNR_E_UNAVAILABLE, "the preset '%s' is not loaded", id);
	else
		preset = fnr_json_parse(text.data, text.len, err);
	fnr_buf_free(&text);
	return preset;
}

struct json_object *parameters_resolve(struct store_txn *txn, const struct template_ *template_, enum fnr_quality quality,
                                       struct json_object *inputs, char preset_r[80], struct fnr_error *err)
{
	struct json_object *definition = template_definition(template_), *parameters;
	struct json_object *preset = read_preset(txn, fnr_quality_name(quality), err), *parts;

	if (!preset)
		return NULL;
	snprintf(preset_r, 80, "%s@%lld", fnr_quality_name(quality), (long long)fnr_json_get_int(preset, "version", 1));
	parameters = json_object_new_object();
	lay_over(parameters, fnr_json_get(definition, "parameters"), definition, false);
	json_object_object_foreach(fnr_json_get(definition, "inputs"), name, input) {
		if (fnr_json_get(input, "default"))
			fnr_json_set(parameters, name, fnr_json_copy(fnr_json_get(input, "default")));
	}
	parts = fnr_json_get(preset, "parameters");
	lay_over(parameters, fnr_json_get(parts, "generic"), definition, true);
	lay_over(parameters, fnr_json_get(parts, fnr_json_get_text(definition, "category", "generic")), definition, true);
	lay_over(parameters, fnr_json_get(fnr_json_get(definition, "presets"), fnr_quality_name(quality)), definition, false);
	lay_over(parameters, inputs, definition, false);
	json_object_put(preset);
	return parameters;
}

uint64_t scheduling_class(const struct template_ *template_, enum fnr_quality quality, struct json_object *fallback)
{
	struct fnr_sha256 *sha = fnr_sha256_create();
	const char *parts[] = { template_id(template_), template_version(template_), fnr_quality_name(quality), template_digest(template_),
	                        fallback ? fnr_json_text(fallback, NULL) : "" };
	uint8_t digest[32];
	uint64_t class_ = 0;

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		fnr_sha256_add(sha, parts[i], strlen(parts[i]) + 1);
	fnr_sha256_end(sha, digest);
	for (int i = 0; i < 8; i++)
		class_ = class_ << 8 | digest[i];
	return class_;
}
