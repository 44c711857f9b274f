/* The backend of a template that calls a function of a Gradio app:
 *
 *   backend:
 *     type: gradio
 *     api_name: /generate                # the function
 *     bindings: {seed: seed, …}          # bindings.h; targets are the names of its inputs. An input without one gets the
 *                                        # template's input or parameter of its name, or else the app's default
 *     outputs: {image: 0, other: {value: 0, item: 1}}      # which of the values that it gives is what, and which file in it
 *
 * An output that is not in `outputs` takes the value at its own place in the template's outputs.
 */
#include <stdio.h>
#include <string.h>

#include "registry/bindings.h"
#include "registry/internal.h"

#define NUMBER_MOST 1000
#define NAME_MOST 64

static bool is_number(struct json_object *value)
{
	return json_object_is_type(value, json_type_int) && json_object_get_int64(value) >= 0 && json_object_get_int64(value) <= NUMBER_MOST;
}

static void check_output(struct json_object *source, const char *name, struct json_object *where, struct fnr_error *err)
{
	static const char *const names[] = { "value", "item" };
	char at[REGISTRY_PATH];

	rules_below(at, "/backend/outputs", name);
	if (!fnr_json_get(fnr_json_get(source, "outputs"), name))
		fnr_error_add(err, at, "unknown_output", "name an output of this template", "the template has no output '%.64s'", name);
	if (json_object_is_type(where, json_type_object)) {
		rules_only(where, at, names, 2, err);
		for (size_t i = 0; i < 2; i++)
			if (fnr_json_get(where, names[i]) && !is_number(fnr_json_get(where, names[i])))
				fnr_error_add(err, at, "range", "write it like {value: 0, item: 1}", "'%s' must be a whole number, from 0", names[i]);
	} else if (!is_number(where)) {
		fnr_error_add(err, at, "type", "write the number of the value that the function gives, like 0", "%.64s is no number of a value",
		              fnr_json_text(where, NULL));
	}
}

/* What an input is like the app says when a job runs; here there is nothing to compare with. */
static void check_target(const char *target, struct json_object *binding, enum binding_gives gives, const char *pointer, void *context,
                         struct fnr_error *err)
{
	(void)binding, (void)gives, (void)context;
	if (!*target || strlen(target) > NAME_MOST)
		fnr_error_add(err, pointer, "binding", "name an input of the app's function", "the name of an input has 1 to %d characters", NAME_MOST);
}

void template_gradio_check(struct json_object *source, struct fnr_error *err)
{
	static const char *const names[] = { "type", "api_name", "bindings", "outputs", TEMPLATE_PLACE_MEMBERS };
	struct json_object *backend = fnr_json_get(source, "backend");
	struct json_object *outputs = rules_want(backend, "/backend", "outputs", json_type_object, "write it like {image: 0}", err);
	struct binding_scope scope = { .inputs = fnr_json_get(source, "inputs"), .parameters = fnr_json_get(source, "parameters") };

	rules_only(backend, "/backend", names, sizeof names / sizeof names[0], err);
	rules_text(backend, "/backend", "api_name", RULES_REQUIRED, 127, NULL, 0, "name the app's function, like /predict", err);
	template_place_check(backend, err);
	bindings_check(fnr_json_get(backend, "bindings"), &scope, "/backend/bindings", check_target, NULL, err);
	if (!outputs)
		return;
	json_object_object_foreach(outputs, name, where)
		check_output(source, name, where, err);
}
