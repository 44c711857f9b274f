/* Inputs of a job: checked, and the files that they name. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/text.h"
#include "files/path.h"
#include "registry/internal.h"
#include "registry/workflow.h"
#include "schema/inputs.h"

#define TAKES_MOST 1000     /* of one shot, in a list of files */

static struct json_object *inputs_of(const struct template_ *template_)
{
	return fnr_json_get(template_definition(template_), "inputs");
}

/* However many jobs one request has, its answer stays an answer. */
static bool full(const struct fnr_error *err)
{
	return err && err->errors && json_object_array_length(err->errors) > INPUTS_ERRORS;
}

/* By the template's own JSON Schema; files also by what a reference has to look like. */
static void check_by_program(const struct template_ *template_, const struct schema *program, struct json_object *inputs, const char *prefix, struct fnr_error *err)
{
	char at[REGISTRY_PATH];

	input_schema_check_values(program, inputs, prefix, err);
	if (!json_object_is_type(inputs, json_type_object) || err->code != FNR_OK)
		return;
	json_object_object_foreach(inputs, name, value) {
		struct json_object *one = json_object_new_object(), *input = fnr_json_get(inputs_of(template_), name);

		fnr_json_set(one, "x", json_object_get(input));
		if (value && input && inputs_have_files(one))
			input_check_value(input, value, rules_below(at, prefix, name), err);
		json_object_put(one);
	}
}

/* A workflow that an input brings is looked at before the job is taken, not when a server is free for it. */
static void check_workflow(const struct template_ *template_, struct json_object *inputs, const char *prefix, struct fnr_error *err)
{
	struct json_object *backend = fnr_json_get(template_definition(template_), "backend");
	const char *name = strcmp(fnr_json_get_text(backend, "type", ""), "comfyui") == 0 ? template_comfyui_brought(backend) : NULL;
	struct json_object *workflow = name ? fnr_json_get(inputs, name) : NULL;
	char at[REGISTRY_PATH];

	if (json_object_is_type(workflow, json_type_object))
		workflow_check(workflow, rules_below(at, prefix, name), err);
}

int inputs_check(const struct template_ *template_, struct json_object *inputs, const char *prefix, struct fnr_error *err)
{
	const struct schema *program = template_input_program(template_);
	struct fnr_error own = FNR_ERROR_INIT;
	int code;

	if (program)
		check_by_program(template_, program, inputs, prefix, &own);
	else
		inputs_check_values(inputs_of(template_), inputs, prefix, &own);
	if (own.code == FNR_OK)
		check_workflow(template_, inputs, prefix, &own);
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

struct takes { struct store_txn *txn; struct take_place *places; size_t limit, count; };

static bool take_place_row(struct json_object *input, const char *pointer, const struct file_reference *reference, void *context)
{
	struct takes *takes = context;
	struct take_place place = { .take = reference->take };

	(void)input, (void)pointer;
	if (reference->kind != FILE_TAKE)
		return true;
	place.project = store_name_find(takes->txn, STORE_PROJECT, reference->project);
	place.shot = store_name_find(takes->txn, STORE_SHOT, reference->shot);
	for (size_t i = 0; i < takes->count && i < takes->limit; i++)
		if (memcmp(&takes->places[i], &place, sizeof place) == 0)
			return true;
	if (takes->count < takes->limit)
		takes->places[takes->count] = place;
	takes->count++;
	return true;
}

size_t inputs_takes(struct store_txn *txn, const struct template_ *template_, struct json_object *inputs, struct take_place *places, size_t limit)
{
	struct takes takes = { txn, places, limit, 0 };

	inputs_files(inputs_of(template_), inputs, "", take_place_row, &takes);
	return takes.count;
}

struct files { struct store_txn *txn; inputs_may *may; inputs_later *later; void *context; struct fnr_error *err; };

bool inputs_check_media(struct json_object *input, const char *media_type, const char *pointer, struct fnr_error *err)
{
	struct json_object *list = fnr_json_get(input, "media");
	char fix[200];

	if (!list)
		return true;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (path_media_matches(media_type, json_object_get_string(json_object_array_get_idx(list, i))))
			return true;
	snprintf(fix, sizeof fix, "choose a file of type %.150s", fnr_json_text(list, NULL));
	fnr_error_add(err, pointer, "media", fix, "a file of type %s does not fit here", media_type);
	return false;
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

/* ---- outputs of jobs ---- */

static bool may_see(struct store_txn *txn, const struct job_head *head, inputs_may *may, void *context, char project[68])
{
	project[0] = 0;
	if (head->project && !store_name_text(txn, STORE_PROJECT, head->project, project))
		return false;
	return !may || may(project[0] ? project : NULL, context);
}

static bool fill_output(struct json_object *entry, struct job_output *output_r)
{
	fnr_text_copy(output_r->file, sizeof output_r->file, fnr_json_get_text(entry, "file", ""));
	fnr_text_copy(output_r->media_type, sizeof output_r->media_type, fnr_json_get_text(entry, "media_type", ""));
	output_r->bytes = (uint64_t)fnr_json_get_int(entry, "bytes", 0);
	return path_file_name_valid(output_r->file) && fnr_unhex(fnr_json_get_text(entry, "sha256", ""), output_r->sha256, 32);
}

/* Looks for the output in the record of the attempt that made it; names_r gets those that there are. */
static bool find_output(struct store_txn *txn, const struct job_head *head, const char *name, struct job_output *output_r,
                        struct fnr_buf *names_r)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *attempt = NULL, *outputs;
	bool found = false;

	if (store_attempt_get(txn, &head->id, head->attempt, &text) == FNR_OK)
		attempt = fnr_json_parse_own(text.data, text.len, NULL);
	outputs = fnr_json_get(attempt, "outputs");
	for (size_t i = 0; json_object_is_type(outputs, json_type_array) && i < json_object_array_length(outputs); i++) {
		struct json_object *entry = json_object_array_get_idx(outputs, i);

		fnr_buf_printf(names_r, "%s%s", names_r->len ? ", " : "", fnr_json_get_text(entry, "name", ""));
		if (!found && strcmp(fnr_json_get_text(entry, "name", ""), name) == 0)
			found = fill_output(entry, output_r);
	}
	json_object_put(attempt);
	fnr_buf_free(&text);
	return found;
}

bool inputs_job_output(struct store_txn *txn, const struct file_reference *reference, const char *pointer, inputs_may *may,
                       void *context, struct job_output *output_r, struct fnr_error *err)
{
	struct fnr_buf names = FNR_BUF_INIT;
	char id[FNR_ID_TEXT], fix[200];
	struct job_head head;
	bool found;

	memset(output_r, 0, sizeof *output_r);
	if (reference->local[0]) {
		fnr_error_add(err, pointer, "unknown_ref", "name the job in depends_on as well", "the job does not depend on one that its batch calls '%s'", reference->local);
		return false;
	}
	fnr_id_format(&reference->job, id);
	if (store_job_get(txn, &reference->job, &head) != FNR_OK || !may_see(txn, &head, may, context, output_r->project)) {
		fnr_error_add(err, pointer, "unknown_job", "choose a job that there is: GET /api/v1/jobs", "there is no job %s", id);
		return false;
	}
	if (head.state != FNR_STATE_COMPLETED) {
		fnr_error_add(err, pointer, "job_state", fnr_state_terminal(head.state) ? "choose a job that was completed" : "wait until it is completed, or name it in depends_on",
		              "job %s has no outputs: it is %s", id, fnr_state_name(head.state));
		return false;
	}
	if (head.flags & JOB_FLAG_TAKE_DELETED) {
		fnr_error_add(err, pointer, "unknown_output", "choose a job whose take there is", "what job %s made was deleted", id);
		return false;
	}
	output_r->take = head.take;
	if (head.shot)
		store_name_text(txn, STORE_SHOT, head.shot, output_r->shot);
	found = find_output(txn, &head, reference->output, output_r, &names);
	snprintf(fix, sizeof fix, names.len ? "use one of %.180s" : "choose another job: this one made no files%.0s", names.len ? names.data : "");
	if (!found)
		fnr_error_add(err, pointer, "unknown_output", fix, "job %s has no output '%s'", id, reference->output);
	fnr_buf_free(&names);
	return found;
}

/* ---- files of whole shots ---- */

struct expansion { struct store_txn *txn; inputs_may *may; void *context; struct fnr_error *err; };
struct shot_files { struct json_object *list; const char *project, *shot; size_t takes; };

static const char *first_of(struct json_object *files, const char *media)
{
	for (size_t i = 0; json_object_is_type(files, json_type_array) && i < json_object_array_length(files); i++) {
		const char *file = fnr_json_get_text(json_object_array_get_idx(files, i), "file", "");

		if (path_media_matches(path_media_type(file), media))
			return file;
	}
	return NULL;
}

static bool take_row(uint32_t number, const char *json, size_t len, void *context)
{
	struct shot_files *shot = context;
	struct json_object *take = fnr_json_parse_own(json, len, NULL), *files = fnr_json_get(take, "files");
	const char *file = first_of(files, "image/*");
	char text[320];

	shot->takes++;
	file = file ? file : first_of(files, "video/*");
	if (file) {
		snprintf(text, sizeof text, "take:%s/%s/%u/%s", shot->project, shot->shot, number, file);
		json_object_array_add(shot->list, json_object_new_string(text));
	}
	json_object_put(take);
	return true;
}

static bool add_shot(struct json_object *list, const char *pointer, const char *project, const char *shot, void *context)
{
	const struct expansion *expansion = context;
	struct shot_files files = { list, project, shot, 0 };
	bool visible = !expansion->may || expansion->may(project, expansion->context);
	uint32_t project_number = visible ? store_name_find(expansion->txn, STORE_PROJECT, project) : 0;
	uint32_t shot_number = project_number ? store_name_find(expansion->txn, STORE_SHOT, shot) : 0;
	size_t before = json_object_array_length(list);

	if (shot_number)
		store_takes(expansion->txn, project_number, shot_number, 0, TAKES_MOST, take_row, &files);
	if (json_object_array_length(list) == before)
		fnr_error_add(expansion->err, pointer, "unknown_take", "choose a shot that has some: GET /api/v1/projects/{p}/shots/{s}/takes",
		              "there are no takes with pictures of %s/%s", project, shot);
	return true;
}

struct json_object *inputs_expand(struct store_txn *txn, const struct template_ *template_, struct json_object *inputs,
                                  const char *prefix, inputs_may *may, void *context, struct fnr_error *err)
{
	struct expansion expansion = { txn, may, context, err };
	struct json_object *copy;

	if (!inputs_have_files(inputs_of(template_)))
		return json_object_get(inputs);
	copy = fnr_json_copy(inputs);
	inputs_expand_shots(inputs_of(template_), copy, prefix, add_shot, &expansion);
	return copy;
}

/* ---- all of them ---- */

static void check_take(struct json_object *input, const char *pointer, const struct file_reference *reference, const struct files *files)
{
	/* A project that the caller may not see is one that there is not. */
	if ((files->may && !files->may(reference->project, files->context)) || !take_there(files->txn, reference))
		fnr_error_add(files->err, pointer, "unknown_take", "choose a take that there is: GET /api/v1/projects/{p}/shots/{s}/takes",
		              "there is no take %u of %s/%s", reference->take, reference->project, reference->shot);
	else
		inputs_check_media(input, path_media_type(reference->file), pointer, files->err);
}

static void check_upload(struct json_object *input, const char *pointer, const struct file_reference *reference, const struct files *files)
{
	struct store_upload upload;
	char text[FNR_ID_TEXT];

	if (store_upload_get(files->txn, &reference->upload, &upload) != FNR_OK)
		fnr_error_add(files->err, pointer, "unknown_upload", "upload the file again: POST /api/v1/uploads",
		              "there is no upload %s (unused ones are removed after a time)", fnr_id_format(&reference->upload, text));
	else
		inputs_check_media(input, upload.media_type, pointer, files->err);
}

static bool file_row(struct json_object *input, const char *pointer, const struct file_reference *reference, void *context)
{
	const struct files *files = context;
	struct job_output output;
	char media_type[64];

	if (full(files->err))
		return false;
	switch (reference->kind) {
	case FILE_UPLOAD:
		check_upload(input, pointer, reference, files);
		break;
	case FILE_TAKE:
		check_take(input, pointer, reference, files);
		break;
	case FILE_JOB:
		if (files->later && files->later(reference, pointer, media_type, files->context, files->err)) {
			if (media_type[0])
				inputs_check_media(input, media_type, pointer, files->err);
			break;
		}
		if (inputs_job_output(files->txn, reference, pointer, files->may, files->context, &output, files->err))
			inputs_check_media(input, output.media_type, pointer, files->err);
		break;
	case FILE_DATA:
		inputs_check_media(input, reference->media_type, pointer, files->err);
		break;
	case FILE_URL:
		break;
	}
	return true;
}

int inputs_check_files(struct store_txn *txn, const struct template_ *template_, struct json_object *inputs, const char *prefix,
                       inputs_may *may, inputs_later *later, void *context, struct fnr_error *err)
{
	struct fnr_error own = FNR_ERROR_INIT;
	struct files files = { txn, may, later, context, &own };

	inputs_files(inputs_of(template_), inputs, prefix, file_row, &files);
	return fnr_error_move(err, &own);
}
