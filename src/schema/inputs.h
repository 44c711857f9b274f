/* Inputs of a template in their short form: what they may be, as JSON Schema, and whether values fit.
 *
 * A short form is {"type","required","default","enum","min","max","min_length","max_length","pattern","format","items",
 * "min_items","max_items","media","label","description"}; types are string, integer, number, boolean, file, array,
 * object, any. Everything is reported at once, each problem with its JSON Pointer, rule and remedy.
 */
#ifndef FNR_SCHEMA_INPUTS_H
#define FNR_SCHEMA_INPUTS_H

#include <stdbool.h>

#include "base/json.h"

/* Is `input` a sound short form? Problems go to err with pointers below `pointer`. */
void input_check_form(struct json_object *input, const char *pointer, struct fnr_error *err);

/* The JSON Schema (2020-12) of an object that has these inputs; an object to put. */
struct json_object *inputs_schema(struct json_object *inputs);

/* Does value fit? Problems go to err with pointers below `pointer`. */
void input_check_value(struct json_object *input, struct json_object *value, const char *pointer, struct fnr_error *err);

/* All of an object's values: required ones, unknown ones (with the nearest known name), each value. null counts as not
 * given. `values` may be NULL: an empty object. */
void inputs_check_values(struct json_object *inputs, struct json_object *values, const char *pointer, struct fnr_error *err);

#endif
