#include "config.h"

#include "registry/workflow.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "registry/internal.h"

#define ERRORS_MOST 100     /* problems, after which no further node is looked at */

bool workflow_is_link(struct json_object *value)
{
	return json_object_is_type(value, json_type_array) && json_object_array_length(value) == 2 &&
	       json_object_is_type(json_object_array_get_idx(value, 0), json_type_string) &&
	       json_object_is_type(json_object_array_get_idx(value, 1), json_type_int);
}

struct json_object *workflow_inputs(struct json_object *workflow, const char *node)
{
	struct json_object *inputs = fnr_json_get(fnr_json_get(workflow, node), "inputs");
	return json_object_is_type(inputs, json_type_object) ? inputs : NULL;
}

const char *workflow_class(struct json_object *workflow, const char *node)
{
	return fnr_json_get_text(fnr_json_get(workflow, node), "class_type", "");
}

const char *workflow_title(struct json_object *workflow, const char *node)
{
	const char *title = fnr_json_get_text(fnr_json_get(fnr_json_get(workflow, node), "_meta"), "title", "");
	return title[0] != '\0' ? title : workflow_class(workflow, node);
}

/* ---- classes ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct json_object *list_of(const char **names, size_t count)
{
	struct json_object *list = json_object_new_array();
	size_t bytes = 0;
	qsort(names, count, sizeof *names, by_name);
	for (size_t i = 0; i < count && bytes <= WORKFLOW_CLASSES; i++) {
		if (i > 0 && strcmp(names[i], names[i - 1]) == 0)
			continue;
		json_object_array_add(list, json_object_new_string(names[i]));
		bytes += strlen(names[i]) + 3;
	}
	if (count > 0 && bytes <= WORKFLOW_CLASSES)
		return list;
	json_object_put(list);
	return NULL;
}

struct json_object *workflow_classes(struct json_object *workflow)
{
	if (!json_object_is_type(workflow, json_type_object) || json_object_object_length(workflow) == 0)
		return NULL;
	const char **names = fnr_alloc((size_t)json_object_object_length(workflow) * sizeof *names);
	size_t count = 0;
	json_object_object_foreach(workflow, id, node) {
		const char *name = fnr_json_get_text(node, "class_type", NULL);
		(void)id;
		if (name != NULL)
			names[count++] = name;
	}
	struct json_object *list = list_of(names, count);
	free(names);
	return list;
}

const char *workflow_with_class(struct json_object *workflow, const char *class_)
{
	if (!json_object_is_type(workflow, json_type_object))
		return NULL;
	json_object_object_foreach(workflow, id, node) {
		if (strcmp(fnr_json_get_text(node, "class_type", ""), class_) == 0)
			return id;
	}
	return NULL;
}

/* ---- shape ---- */

static void check_link(struct json_object *workflow, struct json_object *link, const char *pointer, struct fnr_error *err)
{
	const char *node = json_object_get_string(json_object_array_get_idx(link, 0));
	if (fnr_json_get(workflow, node) == NULL)
		fnr_error_add(err, pointer, "link", "link it to a node of this workflow", "there is no node '%.64s'", node);
	else if (json_object_get_int64(json_object_array_get_idx(link, 1)) < 0)
		fnr_error_add(err, pointer, "link", "count outputs from 0", "a node has no output with a negative number");
}

static void check_node(struct json_object *workflow, struct json_object *node, const char *pointer, struct fnr_error *err)
{
	struct json_object *inputs = fnr_json_get(node, "inputs");
	char at[REGISTRY_PATH], below[REGISTRY_PATH];
	if (!json_object_is_type(node, json_type_object) || fnr_json_get_text(node, "class_type", NULL) == NULL) {
		fnr_error_add(err, pointer, "workflow", "export the workflow with \"Export (API)\"", "a node must be an object with a class_type");
		return;
	}
	rules_below(at, pointer, "inputs");
	if (!json_object_is_type(inputs, json_type_object)) {
		fnr_error_add(err, at, "workflow", "write {} if there are none", "'inputs' of a node must be an object");
		return;
	}
	json_object_object_foreach(inputs, name, value) {
		if (!json_object_is_type(value, json_type_array))
			continue;
		rules_below(below, at, name);
		if (workflow_is_link(value))
			check_link(workflow, value, below, err);
		else
			fnr_error_add(err, below, "link", "write a list that is a value as {\"__value__\": […]}",
			              "a list must be a link, [\"node id\", output index]");
	}
}

/* {"prompt": {workflow}, …}, as it is sent to a server? */
static bool is_request(struct json_object *workflow)
{
	struct json_object *prompt = fnr_json_get(workflow, "prompt");
	if (!json_object_is_type(prompt, json_type_object) || fnr_json_get(prompt, "class_type") != NULL)
		return false;
	json_object_object_foreach(prompt, name, node) {
		(void)name;
		if (fnr_json_get_text(node, "class_type", NULL) != NULL)
			return true;
	}
	return false;
}

bool workflow_check(struct json_object *workflow, const char *pointer, struct fnr_error *err)
{
	struct fnr_error own = FNR_ERROR_INIT;
	char at[REGISTRY_PATH];
	int count = json_object_is_type(workflow, json_type_object) ? json_object_object_length(workflow) : 0;
	if (count > 0 && json_object_is_type(fnr_json_get(workflow, "nodes"), json_type_array))
		fnr_error_add(&own, pointer, "workflow_format", "in ComfyUI, export it with \"Export (API)\"",
		              "this is a workflow as ComfyUI's page saves it, not in API format");
	else if (count > 0 && is_request(workflow))
		fnr_error_add(&own, pointer, "workflow_format", "give only what is in its member 'prompt'", "this is a request to ComfyUI, with a workflow in it");
	else if (count == 0 || count > WORKFLOW_NODES)
		fnr_error_add(&own, pointer, "workflow", "export the workflow with \"Export (API)\"", "a workflow is an object of 1 to %d nodes", WORKFLOW_NODES);
	if (own.code == FNR_OK) {
		json_object_object_foreach(workflow, name, node) {
			if (own.errors == NULL || json_object_array_length(own.errors) < ERRORS_MOST)
				check_node(workflow, node, rules_below(at, pointer, name), &own);
		}
	}
	bool good = own.code == FNR_OK;
	fnr_error_move(err, &own);
	return good;
}

/* ---- targets ---- */

/* One part of a pointer without its escapes; where it ends, or NULL if it does not fit. */
static const char *part_read(const char *at, char out[128])
{
	size_t len = 0;
	if (*at++ != '/')
		return NULL;
	for (; *at != '\0' && *at != '/'; at++) {
		if (len == 127 || (*at == '~' && at[1] != '0' && at[1] != '1'))
			return NULL;
		out[len++] = *at != '~' ? *at : *++at == '0' ? '~' : '/';
	}
	out[len] = '\0';
	return at;
}

bool workflow_target(const char *pointer, char node_r[128], char input_r[128])
{
	char middle[128];
	const char *at = part_read(pointer, node_r);
	at = at != NULL ? part_read(at, middle) : NULL;
	at = at != NULL && strcmp(middle, "inputs") == 0 ? part_read(at, input_r) : NULL;
	return at != NULL && *at == '\0';
}

/* The nearest member, for "did you mean". */
static const char *nearest_member(struct json_object *object, const char *name)
{
	const char *names[256];
	size_t count = 0;
	json_object_object_foreach(object, known, value) {
		(void)value;
		if (count < 256)
			names[count++] = known;
	}
	return fnr_text_nearest(name, names, count);
}

static void no_target(struct fnr_error *err, const char *pointer, const char *what, const char *name, struct json_object *object)
{
	const char *nearest = nearest_member(object, name);
	char fix[192];
	snprintf(fix, sizeof fix, nearest != NULL ? "did you mean '%.64s'?" : "look at the workflow%.0s", nearest != NULL ? nearest : "");
	fnr_error_add(err, pointer, "binding", fix, "there is no %s '%.64s'", what, name);
}

/* {"__value__": […]}: a list that is no link. */
static bool is_list(struct json_object *value)
{
	return fnr_json_get(value, "__value__") != NULL;
}

/* Does it give the value of an input or parameter as it is? */
static bool is_direct(struct json_object *binding)
{
	return json_object_is_type(binding, json_type_string) || (fnr_json_get(binding, "from") != NULL && fnr_json_get(binding, "lookup") == NULL);
}

/* Does a target that has this value now take what a binding gives? A link, or null, may become anything. */
static bool takes(struct json_object *now, enum binding_gives gives, struct json_object *binding)
{
	if (gives == BINDING_LIST)
		return is_list(now) || !is_direct(binding); /* constant ones are links: check_constant */
	if (now == NULL || workflow_is_link(now) || gives == BINDING_ANY || json_object_is_type(now, json_type_object))
		return gives != BINDING_FILES;
	switch (json_object_get_type(now)) {
	case json_type_string: return gives == BINDING_TEXT || gives == BINDING_FILE;
	case json_type_int:
	case json_type_double: return gives == BINDING_NUMBER;
	case json_type_boolean: return gives == BINDING_TRUTH;
	default: return false;
	}
}

/* Something constant that a binding may give, whatever else it may. */
static void check_constant(struct json_object *workflow, struct json_object *now, struct json_object *value, const char *pointer, struct fnr_error *err)
{
	if (workflow_is_link(value))
		check_link(workflow, value, pointer, err);
	else if (json_object_is_type(value, json_type_array) && !is_list(now))
		fnr_error_add(err, pointer, "link", "write it like [\"4\", 0]", "a list must be a link, [\"node id\", output index]");
	else if (!takes(now, binding_gives_of(value), NULL))
		fnr_error_add(err, pointer, "binding_type", "give a value of the type that the workflow has there", "%.64s does not fit where the workflow has %.64s",
		              fnr_json_text(value, NULL), fnr_json_text(now, NULL));
}

/* Values, tables and their defaults, also behind else. */
static void check_constants(struct json_object *workflow, struct json_object *now, struct json_object *binding, const char *pointer, struct fnr_error *err)
{
	struct json_object *value, *lookup = fnr_json_get(binding, "lookup"), *otherwise = fnr_json_get(binding, "else");
	char at[REGISTRY_PATH], below[REGISTRY_PATH];
	if (!json_object_is_type(binding, json_type_object))
		return;
	if (json_object_object_get_ex(binding, "value", &value))
		check_constant(workflow, now, value, rules_below(at, pointer, "value"), err);
	if (json_object_object_get_ex(binding, "default", &value))
		check_constant(workflow, now, value, rules_below(at, pointer, "default"), err);
	if (json_object_is_type(lookup, json_type_object)) {
		rules_below(at, pointer, "lookup");
		json_object_object_foreach(lookup, name, entry) {
			check_constant(workflow, now, entry, rules_below(below, at, name), err);
		}
	}
	if (otherwise != NULL)
		check_constants(workflow, now, otherwise, rules_below(at, pointer, "else"), err);
}

static void check_target(const char *target, struct json_object *binding, enum binding_gives gives, const char *pointer, void *context,
                         struct fnr_error *err)
{
	struct json_object *workflow = context, *inputs, *now = NULL;
	char node[128], input[128];
	if (!workflow_target(target, node, input)) {
		fnr_error_add(err, pointer, "binding", "write it like /6/inputs/text", "'%.64s' is not a JSON Pointer to an input of a node", target);
		return;
	}
	inputs = workflow_inputs(workflow, node);
	if (inputs == NULL)
		no_target(err, pointer, "node", node, workflow);
	else if (!json_object_object_get_ex(inputs, input, &now))
		no_target(err, pointer, "input", input, inputs);
	else if (gives == BINDING_FILES)
		fnr_error_add(err, pointer, "binding_type", "say which one with index", "a node takes one file, not a list");
	else if (!takes(now, gives, binding))
		fnr_error_add(err, pointer, "binding_type", "bind a value of the type that the workflow has there", "%s does not fit where the workflow has %.64s",
		              binding_gives_name(gives), fnr_json_text(now, NULL));
	else
		check_constants(workflow, now, binding, pointer, err);
}

void workflow_check_bindings(struct json_object *workflow, struct json_object *bindings, const struct binding_scope *scope,
                             const char *pointer, struct fnr_error *err)
{
	bindings_check(bindings, scope, pointer, check_target, workflow, err);
}

void workflow_set(struct json_object *workflow, const char *pointer, struct json_object *value)
{
	char node[128], input[128];
	struct json_object *inputs = workflow_target(pointer, node, input) ? workflow_inputs(workflow, node) : NULL;
	if (inputs == NULL) {
		json_object_put(value);
		return;
	}
	if (json_object_is_type(value, json_type_array) && !workflow_is_link(value) && is_list(fnr_json_get(inputs, input))) {
		struct json_object *list = json_object_new_object();
		fnr_json_set(list, "__value__", value);
		value = list;
	}
	double number = json_object_get_double(value);
	if (json_object_is_type(value, json_type_double) && json_object_is_type(fnr_json_get(inputs, input), json_type_int) &&
	    fabs(number) < 9007199254740992.0) {
		json_object_put(value);
		value = json_object_new_int64((int64_t)round(number));
	}
	fnr_json_set(inputs, input, value);
}
