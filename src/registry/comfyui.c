/* The backend of a template that runs on ComfyUI:
 *
 *   backend:
 *     type: comfyui
 *     workflow: workflow.json            # a file beside the template, or the workflow itself, or {from: name of an input}
 *     bindings: {/6/inputs/text: prompt, …}        # bindings.h; targets are JSON Pointers into the workflow
 *     outputs: {image: "9"}              # which node makes what: "9", or {node: "9", kind: images, index: 0}
 *     previews: true                     # of what is being made
 *     node_errors: fail                  # or warn: go on when the server leaves out parts of the workflow
 *     words: {KSampler: Painting…, "9": Filing the picture…}       # what people read, by node id or class
 *
 * An output that is not in `outputs` takes what fits its type of what was not taken by others.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "registry/internal.h"
#include "registry/workflow.h"

#define WORDS_MOST 500

static void check_output(struct json_object *workflow, struct json_object *output, const char *pointer, struct fnr_error *err)
{
	static const char *const members[] = { "node", "kind", "index" };
	static const struct rules_number index = { "index", 0, 9999, true };
	bool text = json_object_is_type(output, json_type_string);
	const char *node = text ? json_object_get_string(output) : fnr_json_get_text(output, "node", "");
	if (!text && !json_object_is_type(output, json_type_object)) {
		fnr_error_add(err, pointer, "type", "write the id of a node, like \"9\"", "an output is the id of a node, or an object");
		return;
	}
	if (!text) {
		rules_only(output, pointer, members, sizeof members / sizeof members[0], err);
		rules_text(output, pointer, "kind", RULES_OPTIONAL, 64, NULL, 0, "write it like images", err);
		rules_number(output, pointer, &index, err);
	}
	if (workflow != NULL && fnr_json_get(workflow, node) == NULL)
		fnr_error_add(err, pointer, "binding", "name a node of the workflow that saves something", "there is no node '%.64s'", node);
}

static void check_outputs(struct json_object *source, struct json_object *backend, struct json_object *workflow, struct fnr_error *err)
{
	struct json_object *outputs = rules_want(backend, "/backend", "outputs", json_type_object, "write it like {image: \"9\"}", err);
	char at[REGISTRY_PATH];
	if (outputs == NULL)
		return;
	json_object_object_foreach(outputs, name, output) {
		rules_below(at, "/backend/outputs", name);
		if (fnr_json_get(fnr_json_get(source, "outputs"), name) == NULL)
			fnr_error_add(err, at, "unknown_output", "declare it in outputs", "the template has no output '%.64s'", name);
		check_output(workflow, output, at, err);
	}
}

static void check_words(struct json_object *backend, struct fnr_error *err)
{
	struct json_object *words = rules_want(backend, "/backend", "words", json_type_object, "write it like {KSampler: Painting…}", err);
	char at[REGISTRY_PATH];
	if (words == NULL)
		return;
	if (json_object_object_length(words) > WORDS_MOST)
		fnr_error_add(err, "/backend/words", "max_items", "leave some out", "there are more than %d", WORDS_MOST);
	json_object_object_foreach(words, name, text) {
		if (!json_object_is_type(text, json_type_string) || json_object_get_string_len(text) > 200)
			fnr_error_add(err, rules_below(at, "/backend/words", name), "type", "write a short text", "what people read must be a text of at most 200 bytes");
	}
}

static void check_switches(struct json_object *backend, struct fnr_error *err)
{
	static const char *const ways[] = { "fail", "warn" };
	rules_want(backend, "/backend", "previews", json_type_boolean, "write true or false", err);
	rules_text(backend, "/backend", "node_errors", RULES_OPTIONAL, 16, ways, 2, "use fail or warn", err);
}

/* The name of the input that brings the workflow, or NULL. */
const char *template_comfyui_brought(struct json_object *backend)
{
	struct json_object *workflow = fnr_json_get(backend, "workflow");
	bool from = json_object_is_type(workflow, json_type_object) && json_object_object_length(workflow) == 1;
	return from ? fnr_json_get_text(workflow, "from", NULL) : NULL;
}

static void check_brought(struct json_object *source, const char *name, struct fnr_error *err)
{
	struct json_object *input = fnr_json_get(fnr_json_get(source, "inputs"), name);
	if (strcmp(fnr_json_get_text(input, "type", ""), "object") != 0)
		fnr_error_add(err, "/backend/workflow/from", "unknown_parameter", "name an input of type object", "'%.64s' is no input of type object", name);
	if (fnr_json_get(fnr_json_get(source, "backend"), "bindings") != NULL)
		fnr_error_add(err, "/backend/bindings", "binding", "remove them", "a workflow that an input brings cannot have bindings: its nodes are not known");
}

/* The workflow of a file or of the template itself: to put, or NULL. */
static struct json_object *workflow_read(struct json_object *backend, const struct template_folders *folders, struct json_object *files,
                                         struct fnr_error *err)
{
	struct json_object *workflow = fnr_json_get(backend, "workflow");
	const char *name = fnr_json_get_text(backend, "workflow", NULL);
	struct fnr_error why = FNR_ERROR_INIT;
	struct fnr_buf text = FNR_BUF_INIT;
	if (json_object_is_type(workflow, json_type_object))
		return json_object_get(workflow);
	if (name == NULL) {
		fnr_error_add(err, "/backend/workflow", workflow != NULL ? "type" : "required", "name a file beside the template, like workflow.json",
		              "a template of ComfyUI needs a workflow in API format");
		return NULL;
	}
	if (!template_file_add(name, "/backend/workflow", folders, files, &text, err))
		return NULL;
	workflow = fnr_json_parse_foreign(text.data != NULL ? text.data : "", text.len, &why);
	if (workflow == NULL)
		fnr_error_add(err, "/backend/workflow", "json", "export the workflow with \"Export (API)\"", "'%s' is not JSON: %s", name, why.message);
	fnr_error_clear(&why);
	fnr_buf_free(&text);
	return workflow;
}

void template_comfyui_check(struct json_object *source, const struct template_folders *folders, struct json_object *files, struct json_object **nodes_r,
                            struct fnr_error *err)
{
	static const char *const members[] = { "type", "workflow", "bindings", "outputs", "previews", "node_errors", "words", TEMPLATE_PLACE_MEMBERS };
	struct json_object *backend = fnr_json_get(source, "backend"), *workflow = NULL;
	struct binding_scope scope = { .inputs = fnr_json_get(source, "inputs"), .parameters = fnr_json_get(source, "parameters") };
	const char *brought = template_comfyui_brought(backend);
	rules_only(backend, "/backend", members, sizeof members / sizeof members[0], err);
	template_place_check(backend, err);
	check_switches(backend, err);
	check_words(backend, err);
	if (brought != NULL)
		check_brought(source, brought, err);
	else if ((workflow = workflow_read(backend, folders, files, err)) != NULL && workflow_check(workflow, "/backend/workflow", err))
		workflow_check_bindings(workflow, fnr_json_get(backend, "bindings"), &scope, "/backend/bindings", err);
	check_outputs(source, backend, workflow, err);
	*nodes_r = err->code == FNR_OK ? workflow_classes(workflow) : NULL;
	json_object_put(workflow);
}

struct json_object *template_workflow(const struct template_ *template_, struct json_object *parameters)
{
	struct json_object *backend = fnr_json_get(template_definition(template_), "backend"), *workflow = fnr_json_get(backend, "workflow");
	const char *brought = template_comfyui_brought(backend);
	if (strcmp(fnr_json_get_text(backend, "type", ""), "comfyui") != 0)
		return NULL;
	if (brought != NULL)
		workflow = fnr_json_get(parameters, brought);
	return json_object_is_type(workflow, json_type_object) ? workflow : NULL;
}

struct json_object *template_nodes(const struct template_ *template_, struct json_object *parameters, bool *brought_r)
{
	struct json_object *definition = template_definition(template_), *backend = fnr_json_get(definition, "backend");
	*brought_r = strcmp(fnr_json_get_text(backend, "type", ""), "comfyui") == 0 && template_comfyui_brought(backend) != NULL;
	return *brought_r ? workflow_classes(template_workflow(template_, parameters)) : json_object_get(fnr_json_get(definition, "nodes"));
}
