/* Bindings: how a backend's request is made from a job's parameters. A backend of a template has `bindings`, an object of
 * target → binding; what a target is says the kind of backend (for ComfyUI a JSON Pointer into the workflow, for Gradio the name
 * of one of the app's inputs). A binding is one of
 *
 *   name                                          the value of an input or parameter of the template
 *   {from: name}                                  the same
 *   {from: name, lookup: {fast: 4, good: 20}, default: 20}     what the table has for the value
 *   {upload: name}                                the file of an input: uploaded, and named as the backend names it
 *   {upload: name, index: 0}                      of an input that is a list of files, one
 *   {compute: "round_to(width * 1.5, 8)"}         an expression (expression.h)
 *   {value: 5}                                    always this
 *
 * and the objects may have `when: "expression"`: only if it is true, else what `else` (another binding) says, and without that
 * the target stays as it is, as it does where an input was not given. Beside the template's own names there are `seed` (the
 * job's) and `quality` (the name of the tier).
 */
#ifndef FNR_REGISTRY_BINDINGS_H
#define FNR_REGISTRY_BINDINGS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"

#define BINDINGS_MOST 500           /* of one template */

/* What a binding gives, as far as it is known beforehand. FILE: what the upload of a file gives. */
enum binding_gives { BINDING_TEXT, BINDING_NUMBER, BINDING_TRUTH, BINDING_LIST, BINDING_OBJECT, BINDING_FILE, BINDING_FILES, BINDING_ANY };
const char *binding_gives_name(enum binding_gives gives);      /* "a number" */
enum binding_gives binding_gives_of(struct json_object *value);

/* The template that has it: inputs in short form, parameters with their values. Borrowed; either may be NULL. no_seed: what is asked
 * about is settled for jobs of any seed, so there is no such name. */
struct binding_scope { struct json_object *inputs, *parameters; bool no_seed; };

/* Is it sound? Problems go to err with JSON Pointers below `pointer`. True if nothing was added. */
bool binding_check(struct json_object *binding, const struct binding_scope *scope, const char *pointer, enum binding_gives *gives_r,
                   struct fnr_error *err);

/* The whole object; target is asked about each sound binding and adds what is wrong with it. */
typedef void bindings_target(const char *target, struct json_object *binding, enum binding_gives gives, const char *pointer, void *context,
                             struct fnr_error *err);
void bindings_check(struct json_object *bindings, const struct binding_scope *scope, const char *pointer, bindings_target *target,
                    void *context, struct fnr_error *err);

/* The same for a `when` alone, of anything that has one or has none. */
void condition_check(struct json_object *object, const struct binding_scope *scope, const char *pointer, struct fnr_error *err);

/* ---- for bindings and conditions that were found sound ---- */

/* The values that bindings see: an object to put. */
struct json_object *bindings_values(struct json_object *parameters, int64_t seed, const char *quality);

bool condition_holds(struct json_object *object, const struct binding_scope *scope, struct json_object *values);   /* true without a `when` */

/* Makes one file available to the backend and says what it is called there: a value to put; NULL: it failed. */
typedef struct json_object *binding_upload(const char *name, struct json_object *reference, void *context);

enum binding_result { BINDING_SET, BINDING_LEFT, BINDING_FAILED };      /* LEFT: the target stays as it is */
enum binding_result binding_value(struct json_object *binding, const struct binding_scope *scope, struct json_object *values,
                                  binding_upload *upload, void *context, struct json_object **value_r);

/* The name of the one input or parameter whose value it gives unchanged, or NULL. Borrowed. */
const char *binding_direct(struct json_object *binding);

#endif
