/* Inputs of a template in their short form: what they may be, as JSON Schema, and whether values fit.
 *
 * An input in short form is an object. Its members, by type:
 *
 *   all       type (one of string, integer, number, boolean, file, array, object, any), required, label, description,
 *             group, unit, order (a number; lower ones come first), control (how it is entered); and, but for files, default and enum
 *   string    min_length, max_length (characters), pattern (regular expression, not anchored), format: color
 *             ("#rgb", "#rrggbb" or "#rrggbbaa"), choices (what backends have of this is offered: a category of models, like
 *             checkpoints, or an input of one of ComfyUI's classes, like KSampler.sampler_name; any other text is taken as well)
 *   integer,  min, max, exclusive_min, exclusive_max; 3.0 is an integer
 *   number
 *   file      media: list of patterns ("audio/wav", or a star behind the slash). A value is a reference: "upload:<id>",
 *             "take:<project>/<shot>/<n>/<file>", "job:<id>/<output>" or "job:#<ref>/<output>", "data:<media type>;base64,…" or an http or https
 *             address. Whether the file is there and of such a type is not looked at here. A list of files may also have
 *             "takes:<project>/<shot>", which inputs_expand_shots replaces.
 *   array     items (a short form, without required and default), min_items, max_items
 *
 * Every problem is reported in one pass, each with its JSON Pointer, rule, what was found and the remedy; behind
 * INPUTS_ERRORS of them one more says that there are more, and the rest is not looked at: a client cannot make a small
 * request a huge answer. inputs_schema gives the same as JSON Schema, draft 2020-12; for inputs that are declared as JSON
 * Schema see schema.h.
 */
#ifndef FNR_SCHEMA_INPUTS_H
#define FNR_SCHEMA_INPUTS_H

#include <stdbool.h>

#include "base/id.h"
#include "base/json.h"

#define INPUTS_ERRORS 100   /* problems reported of one object of values */
#define INPUTS_MOST 256     /* inputs of one template */

/* Is `input` a sound short form, with a default and enum that fit it? Problems go to err with pointers below `pointer`.
 * Only a sound one may be given to the functions below. */
bool input_check_form(struct json_object *input, const char *pointer, struct fnr_error *err);

/* How it is entered: what `control` says, or what suits the type. */
const char *input_control(struct json_object *input);

/* What the short form can say of a property of a JSON Schema; type any for what it cannot. Sound; to put. */
struct json_object *input_from_schema(struct json_object *property);

/* The JSON Schema of an object that has these inputs; an object to put. */
struct json_object *inputs_schema(struct json_object *inputs);

/* Does value fit? Problems go to err with pointers below `pointer`. */
void input_check_value(struct json_object *input, struct json_object *value, const char *pointer, struct fnr_error *err);
bool input_fits(struct json_object *input, struct json_object *value);

/* All of an object's values: required ones, each value, unknown ones (with the nearest known name). null counts as not
 * given. `inputs` and `values` may be NULL: an empty object. */
void inputs_check_values(struct json_object *inputs, struct json_object *values, const char *pointer, struct fnr_error *err);

/* ---- references to files ---- */

struct file_reference {
	enum { FILE_UPLOAD, FILE_TAKE, FILE_JOB, FILE_DATA, FILE_URL } kind;
	const char *text;                         /* the whole reference, borrowed */
	struct fnr_id upload;                     /* FILE_UPLOAD */
	char project[68], shot[68], file[132];    /* FILE_TAKE */
	uint32_t take;
	struct fnr_id job;                        /* FILE_JOB */
	char local[68];                           /* FILE_JOB: "#name" of a job of the same batch instead of an id, or "" */
	char output[68];
	char media_type[64];                      /* FILE_DATA */
	const char *data;                         /* Base64, borrowed */
	size_t data_len, data_size;               /* of the text; of the bytes */
};
bool file_reference_parse(const char *text, struct file_reference *reference_r);
#define FILE_URL_MOST 2048

/* Calls `row` for each value in `values` that stands where `inputs` have type file and that is a reference, whatever it
 * refers to, until it returns false. */
typedef bool inputs_file_row(struct json_object *input, const char *pointer, const struct file_reference *reference, void *context);
/* The same for values that may become others: what `map` returns, unless that is NULL, takes the value's place. */
typedef struct json_object *inputs_file_map(struct json_object *input, const char *pointer, const struct file_reference *reference, void *context);
void inputs_map_files(struct json_object *inputs, struct json_object *values, const char *pointer, inputs_file_map *map, void *context);

/* Replaces each "takes:<project>/<shot>" in lists of files by what `shot` adds to the list; where it returns false the text
 * stays, and is no reference to a file. */
typedef bool inputs_shot(struct json_object *list, const char *pointer, const char *project, const char *shot, void *context);
void inputs_expand_shots(struct json_object *inputs, struct json_object *values, const char *pointer, inputs_shot *shot, void *context);

/* Has any of the inputs files, alone or in a list? */
bool inputs_have_files(struct json_object *inputs);

/* What the examples of a template are checked against: the same inputs, but no file is required, as an example cannot
 * bring one. An object to put. */
struct json_object *inputs_for_examples(struct json_object *inputs);

void inputs_files(struct json_object *inputs, struct json_object *values, const char *pointer, inputs_file_row *row, void *context);

#endif
