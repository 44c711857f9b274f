/* Templates that describe their inputs by a whole JSON Schema: whether it is sound, what of it the short form can say (for pages,
 * presets and files), and values against it. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "registry/internal.h"
#include "schema/schema.h"

static void not_sound(struct fnr_error *found, struct fnr_error *err)
{
	char at[REGISTRY_PATH];

	for (size_t i = 0; found->errors && i < json_object_array_length(found->errors); i++) {
		struct json_object *entry = json_object_array_get_idx(found->errors, i);

		snprintf(at, sizeof at, "/input_schema%s", fnr_json_get_text(entry, "pointer", ""));
		fnr_error_add(err, at, "input_schema", fnr_json_get_text(entry, "fix", NULL), "%s", fnr_json_get_text(entry, "message", ""));
	}
	if (!found->errors)
		fnr_error_add(err, "/input_schema", "input_schema", "correct it", "it is no sound JSON Schema: %s", found->message);
	fnr_error_clear(found);
}

static bool is_required(struct json_object *schema, const char *name)
{
	struct json_object *list = fnr_json_get(schema, "required");

	for (size_t i = 0; json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
		if (strcmp(json_object_get_string(json_object_array_get_idx(list, i)), name) == 0)
			return true;
	return false;
}

static void derive(struct json_object *schema, struct json_object *inputs, struct fnr_error *err)
{
	struct json_object *properties = fnr_json_get(schema, "properties");
	char at[REGISTRY_PATH];

	if (!json_object_is_type(properties, json_type_object))
		return;
	if (json_object_object_length(properties) > INPUTS_MOST)
		fnr_error_add(err, "/input_schema/properties", "max_items", "use one input of type object", "there are more than %d inputs", INPUTS_MOST);
	json_object_object_foreach(properties, name, property) {
		struct json_object *input = input_from_schema(property);

		if (!fnr_name_valid(name))
			fnr_error_add(err, rules_below(at, "/input_schema/properties", name), "name", "use " FNR_NAME_RULE, "'%.64s' is not a valid name of an input", name);
		if (is_required(schema, name))
			fnr_json_set_bool(input, "required", true);
		fnr_json_set(inputs, name, input);
	}
}

bool input_schema_check(struct json_object *schema, struct json_object *inputs, struct fnr_error *err)
{
	struct fnr_error found = FNR_ERROR_INIT;
	struct schema *compiled;
	bool sound;

	if (!json_object_is_type(schema, json_type_object) || strcmp(fnr_json_get_text(schema, "type", ""), "object") != 0) {
		fnr_error_add(err, "/input_schema/type", "input_schema", "write {type: object, properties: {…}}", "the inputs are an object: its schema needs type: object");
		return false;
	}
	compiled = schema_compile(schema, NULL, &found);
	sound = compiled != NULL;
	if (sound)
		derive(schema, inputs, err);
	else
		not_sound(&found, err);
	schema_free(compiled);
	return sound;
}

/* {"$defs": {"inputs": the schema}, "properties": {"a": {"$ref": "#/$defs/inputs/properties/a"}, …}}: its own references stay within it
 * if it has an address. */
struct schema *input_schema_for_some(struct json_object *schema, struct json_object *inputs)
{
	struct json_object *whole = json_object_new_object(), *defs = json_object_new_object(), *properties = json_object_new_object(),
	                   *copy = fnr_json_copy(schema);
	struct schema *compiled;

	if (!fnr_json_get(copy, "$id"))
		fnr_json_set_text(copy, "$id", "urn:inputs");
	json_object_object_foreach(inputs, name, input) {
		struct json_object *one = json_object_new_object();
		char reference[REGISTRY_PATH] = "#/$defs/inputs/properties";

		(void)input;
		fnr_json_pointer_add(reference, sizeof reference, name);
		fnr_json_set_text(one, "$ref", reference);
		fnr_json_set(properties, name, one);
	}
	fnr_json_set(defs, "inputs", copy);
	fnr_json_set(whole, "$defs", defs);
	fnr_json_set(whole, "properties", properties);
	compiled = schema_compile(whole, NULL, NULL);
	json_object_put(whole);
	return compiled;
}

struct json_object *input_schema_for_examples(struct json_object *schema, struct json_object *inputs)
{
	struct json_object *copy = fnr_json_copy(schema), *required = fnr_json_get(schema, "required"), *kept = json_object_new_array();

	for (size_t i = 0; json_object_is_type(required, json_type_array) && i < json_object_array_length(required); i++) {
		struct json_object *name = json_object_array_get_idx(required, i), *one = json_object_new_object();

		fnr_json_set(one, "x", json_object_get(fnr_json_get(inputs, json_object_get_string(name))));
		if (!inputs_have_files(one))
			json_object_array_add(kept, json_object_get(name));
		json_object_put(one);
	}
	fnr_json_set(copy, "required", kept);
	return copy;
}

/* null counts as not given, as in the short form. */
static struct json_object *given(struct json_object *values)
{
	struct json_object *copy = json_object_new_object();

	if (values) {
		json_object_object_foreach(values, name, value) {
			if (value)
				fnr_json_set(copy, name, json_object_get(value));
		}
	}
	return copy;
}

void input_schema_check_values(const struct schema *schema, struct json_object *values, const char *pointer, struct fnr_error *err)
{
	struct fnr_error found = FNR_ERROR_INIT;
	struct json_object *copy;

	if (values && !json_object_is_type(values, json_type_object)) {
		fnr_error_add(err, pointer, "type", "give an object: {…}", "the inputs must be an object");
		return;
	}
	copy = given(values);
	schema_check(schema, copy, pointer, &found);
	for (size_t i = 0; found.errors && i < json_object_array_length(found.errors); i++)
		json_object_object_del(json_object_array_get_idx(found.errors, i), "schema");      /* problems are alike, whatever the form */
	fnr_error_move(err, &found);
	json_object_put(copy);
}
