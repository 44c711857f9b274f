/* Inputs of a job: checked, and merged with defaults and preset into its parameters. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/text.h"
#include "files/path.h"
#include "registry/internal.h"
#include "schema/inputs.h"

static struct json_object *inputs_of(const struct template_ *template_)
{
	return fnr_json_get(template_definition(template_), "inputs");
}

/* However many jobs one request has, its answer stays an answer. */
static bool full(const struct fnr_error *err)
{
	return err && err->errors && json_object_array_length(err->errors) > INPUTS_ERRORS;
}

int inputs_check(const struct template_ *template_, struct json_object *inputs, const char *prefix, struct fnr_error *err)
{
	struct fnr_error own = FNR_ERROR_INIT;
	int code;

	inputs_check_values(inputs_of(template_), inputs, prefix, &own);
	if (!full(err))
		return fnr_error_move(err, &own);
	code = own.code;
	fnr_error_clear(&own);
	return code;
}

/* ---- files among the inputs ---- */

struct uploads { struct fnr_id *ids; size_t limit, count; };

static bool upload_row(struct json_object *input, const char *pointer, const struct file_reference *reference, void *context)
{
	struct uploads *uploads = context;

	(void)input, (void)pointer;
	if (reference->kind != FILE_UPLOAD)
		return true;
	for (size_t i = 0; i < uploads->count && i < uploads->limit; i++)
		if (fnr_id_compare(&uploads->ids[i], &reference->upload) == 0)
			return true;
	if (uploads->count < uploads->limit)
		uploads->ids[uploads->count] = reference->upload;
	uploads->count++;
	return true;
}

size_t inputs_uploads(const struct template_ *template_, struct json_object *inputs, struct fnr_id *ids, size_t limit)
{
	struct uploads uploads = { ids, limit, 0 };

	inputs_files(inputs_of(template_), inputs, "", upload_row, &uploads);
	return uploads.count;
}

struct files { struct store_txn *txn; inputs_may *may; void *context; struct fnr_error *err; };

static void check_media(struct json_object *input, const char *media_type, const char *pointer, struct fnr_error *err)
{
	struct json_object *list = fnr_json_get(input, "media");
	char fix[200];

	if (!list)
		return;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (path_media_matches(media_type, json_object_get_string(json_object_array_get_idx(list, i))))
			return;
	snprintf(fix, sizeof fix, "choose a file of type %.150s", fnr_json_text(list, NULL));
	fnr_error_add(err, pointer, "media", fix, "a file of type %s does not fit here", media_type);
}

static bool take_there(struct store_txn *txn, const struct file_reference *reference)
{
	uint32_t project = store_name_find(txn, STORE_PROJECT, reference->project);
	uint32_t shot = project ? store_name_find(txn, STORE_SHOT, reference->shot) : 0;
	struct fnr_buf json = FNR_BUF_INIT;
	bool there = shot && store_take_get(txn, project, shot, reference->take, &json) == FNR_OK;

	fnr_buf_free(&json);
	return there;
}

static bool file_row(struct json_object *input, const char *pointer, const struct file_reference *reference, void *context)
{
	const struct files *files = context;
	struct store_upload upload;
	char text[FNR_ID_TEXT];

	if (full(files->err))
		return false;
	if (reference->kind == FILE_TAKE) {
		/* A project that the caller may not see is one that there is not. */
		if ((files->may && !files->may(reference->project, files->context)) || !take_there(files->txn, reference))
			fnr_error_add(files->err, pointer, "unknown_take", "choose a take that there is: GET /api/v1/projects/{p}/shots/{s}/takes",
			              "there is no take %u of %s/%s", reference->take, reference->project, reference->shot);
		else
			check_media(input, path_media_type(reference->file), pointer, files->err);
	} else if (store_upload_get(files->txn, &reference->upload, &upload) != FNR_OK) {
		fnr_error_add(files->err, pointer, "unknown_upload", "upload the file again: POST /api/v1/uploads",
		              "there is no upload %s (unused ones are removed after a time)", fnr_id_format(&reference->upload, text));
	} else {
		check_media(input, upload.media_type, pointer, files->err);
	}
	return true;
}

int inputs_check_files(struct store_txn *txn, const struct template_ *template_, struct json_object *inputs, const char *prefix,
                       inputs_may *may, void *context, struct fnr_error *err)
{
	struct fnr_error own = FNR_ERROR_INIT;
	struct files files = { txn, may, context, &own };

	inputs_files(inputs_of(template_), inputs, prefix, file_row, &files);
	return fnr_error_move(err, &own);
}

/* ---- parameters ---- */

/* A preset knows nothing of this template: a number that the input does not allow becomes the nearest one that it does,
 * and what then still does not fit is left out. Returns a value to put, or NULL. */
static struct json_object *fitted(struct json_object *input, struct json_object *value)
{
	bool number = json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);
	struct json_object *bound = NULL, *least = fnr_json_get(input, "min"), *most = fnr_json_get(input, "max");

	if (input_fits(input, value))
		return json_object_get(value);
	if (number && least && json_object_get_double(value) < json_object_get_double(least))
		bound = least;
	else if (number && most && json_object_get_double(value) > json_object_get_double(most))
		bound = most;
	return bound && input_fits(input, bound) ? json_object_get(bound) : NULL;
}

/* Parameters of which nothing is known but their default take what is of the same kind. */
static bool same_kind(struct json_object *usual, struct json_object *value)
{
	enum json_type left = json_object_get_type(usual), right = json_object_get_type(value);

	return !usual || (left == json_type_double ? json_type_int : left) == (right == json_type_double ? json_type_int : right);
}

static void lay_preset_over(struct json_object *parameters, struct json_object *values, struct json_object *definition)
{
	struct json_object *inputs = fnr_json_get(definition, "inputs"), *own = fnr_json_get(definition, "parameters");

	if (!json_object_is_type(values, json_type_object))
		return;
	json_object_object_foreach(values, name, value) {
		struct json_object *input = fnr_json_get(inputs, name), *usual = NULL, *fits = NULL;

		if (!value)
			continue;
		if (input)
			fits = fitted(input, value);
		else if (json_object_object_get_ex(own, name, &usual) && same_kind(usual, value))
			fits = json_object_get(value);
		if (fits)
			fnr_json_set(parameters, name, fnr_json_copy(fits));
		json_object_put(fits);
	}
}

static void lay_over(struct json_object *parameters, struct json_object *values)
{
	if (!json_object_is_type(values, json_type_object))
		return;
	json_object_object_foreach(values, name, value) {
		if (value)
			fnr_json_set(parameters, name, fnr_json_copy(value));
	}
}

static void lay_defaults_over(struct json_object *parameters, struct json_object *inputs)
{
	json_object_object_foreach(inputs, name, input) {
		if (fnr_json_get(input, "default"))
			fnr_json_set(parameters, name, fnr_json_copy(fnr_json_get(input, "default")));
	}
}

struct json_object *parameters_resolve(struct store_txn *txn, const struct template_ *template_, enum fnr_quality quality,
                                       struct json_object *inputs, char preset_r[80], struct fnr_error *err)
{
	struct json_object *definition = template_definition(template_), *parameters, *parts;
	struct json_object *preset = preset_of_tier(txn, quality, err);

	if (!preset)
		return NULL;
	snprintf(preset_r, 80, "%s@%lld", fnr_quality_name(quality), (long long)fnr_json_get_int(preset, "version", 1));
	parts = fnr_json_get(preset, "parameters");
	parameters = json_object_new_object();
	lay_over(parameters, fnr_json_get(definition, "parameters"));
	lay_defaults_over(parameters, fnr_json_get(definition, "inputs"));
	lay_preset_over(parameters, fnr_json_get(parts, "generic"), definition);
	lay_preset_over(parameters, fnr_json_get(parts, fnr_json_get_text(definition, "category", "generic")), definition);
	if (!rules_among(template_id(template_), registry_categories, REGISTRY_CATEGORIES))
		lay_preset_over(parameters, fnr_json_get(parts, template_id(template_)), definition);
	lay_over(parameters, fnr_json_get(fnr_json_get(definition, "presets"), fnr_quality_name(quality)));
	lay_over(parameters, inputs);
	return parameters;
}

uint64_t scheduling_class(const struct template_ *template_, enum fnr_quality quality, struct json_object *fallback)
{
	struct fnr_sha256 *sha = fnr_sha256_create();
	const char *parts[] = { template_id(template_), template_version(template_), fnr_quality_name(quality), template_digest(template_),
	                        fallback ? fnr_json_text(fallback, NULL) : "" };
	uint8_t digest[32];
	uint64_t class_ = 0;

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		fnr_sha256_add(sha, parts[i], strlen(parts[i]) + 1);
	fnr_sha256_end(sha, digest);
	for (int i = 0; i < 8; i++)
		class_ = class_ << 8 | digest[i];
	return class_;
}
