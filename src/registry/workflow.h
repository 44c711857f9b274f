/* ComfyUI's workflows in API format: an object of node id → {"class_type", "inputs", "_meta"}. An input is a value or a link,
 * ["node id", output index]. What ComfyUI's page saves without "API" is another format, which servers do not take.
 */
#ifndef FNR_REGISTRY_WORKFLOW_H
#define FNR_REGISTRY_WORKFLOW_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "registry/bindings.h"

#define WORKFLOW_NODES 5000

/* Is it one? Problems go to err with JSON Pointers below `pointer`. True if nothing was added. */
bool workflow_check(struct json_object *workflow, const char *pointer, struct fnr_error *err);

bool workflow_is_link(struct json_object *value);
struct json_object *workflow_inputs(struct json_object *workflow, const char *node);      /* borrowed; NULL if there is none */
const char *workflow_class(struct json_object *workflow, const char *node);               /* "" if there is none */
/* The classes of all its nodes, each once, in order of their names: an array to put; NULL if they take more than WORKFLOW_CLASSES bytes, or
 * there are none. */
#define WORKFLOW_CLASSES 8192
struct json_object *workflow_classes(struct json_object *workflow);
const char *workflow_with_class(struct json_object *workflow, const char *class_);        /* the first node that has it; NULL if none has */
const char *workflow_title(struct json_object *workflow, const char *node);               /* of _meta, else the class */

/* Reads "/6/inputs/text" into node and input; false if it is not of that form. */
bool workflow_target(const char *pointer, char node_r[128], char input_r[128]);

/* The bindings of a template's backend against its workflow: every target exists, and takes what it is given. For outputs
 * (name → "9" or {node, kind, index}): every node exists. */
void workflow_check_bindings(struct json_object *workflow, struct json_object *bindings, const struct binding_scope *scope,
                             const char *pointer, struct fnr_error *err);

/* Sets what a binding gave; a whole number stays whole where the workflow has one. Takes the value. */
void workflow_set(struct json_object *workflow, const char *pointer, struct json_object *value);

#endif
