/* What the parts of this folder share. */
#ifndef FNR_SCHEMA_INTERNAL_H
#define FNR_SCHEMA_INTERNAL_H

#include "schema/inputs.h"

#define INPUT_POINTER 512     /* room for a JSON Pointer; a longer one is cut */

/* The types of the short form; T_COUNT also stands for a type that there is not. */
enum input_type { T_STRING, T_INTEGER, T_NUMBER, T_BOOLEAN, T_FILE, T_ARRAY, T_OBJECT, T_ANY, T_COUNT };
#define INPUT_TYPES "string, integer, number, boolean, file, array, object or any"

enum input_type input_type_of(struct json_object *input);
const char *input_type_name(enum input_type type);

/* pointer + "/" + name, in out; returns out */
const char *input_below(char out[INPUT_POINTER], const char *pointer, const char *name);
const char *input_below_index(char out[INPUT_POINTER], const char *pointer, size_t index);

/* Are there as many problems as are worth reporting? Then what remains is not looked at. */
bool input_errors_full(const struct fnr_error *err);

#endif
