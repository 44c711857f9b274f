/* The files that a run's inputs refer to: "upload:<id>", "take:<project>/<shot>/<n>/<file>", "job:<id>/<output>" and addresses,
 * which were fetched before.
 */
#ifndef FNR_BACKENDS_INPUT_FILE_H
#define FNR_BACKENDS_INPUT_FILE_H

#include "backends/backend.h"

enum input_file_result { INPUT_FILE_NONE, INPUT_FILE_FOUND, INPUT_FILE_GONE };

/* What a value refers to that stands where an input has type file. FOUND: *file_r is an object {"path","media_type","name"} to
 * put, path absolute. NONE: the value is no reference (null, an empty text). GONE: *error says which file is not there. */
enum input_file_result input_file(struct run *run, struct json_object *value, struct json_object **file_r, struct run_error *error);

#endif
