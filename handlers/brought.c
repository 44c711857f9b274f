#include "handlers/brought.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/content.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "files/media.h"
#include "files/take.h"

static struct json_object *reference_to(const struct store_upload *upload)
{
	char id[FNR_ID_TEXT], text[FNR_ID_TEXT + 8];

	snprintf(text, sizeof text, "upload:%s", fnr_id_format(&upload->id, id));
	return json_object_new_string(text);
}

/* What was brought by another input of the same job is one upload. */
static struct store_upload *find(struct brought *brought, const uint8_t sha256[32])
{
	for (size_t i = 0; i < brought->count; i++)
		if (memcmp(brought->uploads[i].sha256, sha256, 32) == 0)
			return &brought->uploads[i];
	return NULL;
}

/* A new upload whose file is to be made at path; NULL, with the problem added, when there are too many. */
static struct store_upload *new_upload(struct brought *brought, const char *pointer, uint64_t bytes, const uint8_t sha256[32], char path[64])
{
	struct store_upload *upload;

	if (brought->count == BROUGHT_MOST) {
		fnr_error_add(&brought->req->err, pointer, "max_items", "use fewer files", "a job may bring at most %d files", BROUGHT_MOST);
		return NULL;
	}
	if (!brought->uploads)
		brought->uploads = fnr_arena_alloc(brought->req->arena, BROUGHT_MOST * sizeof *brought->uploads);
	upload = &brought->uploads[brought->count];
	*upload = (struct store_upload){ .id = fnr_id_random(), .bytes = bytes, .created_at = fnr_now_ms(), .key = brought->req->access.key_number };
	memcpy(upload->sha256, sha256, 32);
	content_path(&upload->id, path);
	fnr_buf_add(brought->files, &upload->id, sizeof upload->id);
	return upload;
}

/* ---- data: ---- */

static struct json_object *file_data(struct brought *brought, struct json_object *input, const char *pointer,
                                     const struct file_reference *reference, const void *data)
{
	struct fnr_error *err = &brought->req->err;
	struct store_upload *upload;
	uint8_t sha256[32];
	char path[64], media_type[64];

	fnr_sha256_of(data, reference->data_size, sha256);
	media_type_of(data, reference->data_size < MEDIA_HEAD ? reference->data_size : MEDIA_HEAD, reference->media_type, "", media_type);
	if (!inputs_check_media(input, media_type, pointer, err))
		return NULL;
	if ((upload = find(brought, sha256)) != NULL)
		return reference_to(upload);
	upload = new_upload(brought, pointer, reference->data_size, sha256, path);
	if (!upload)
		return NULL;
	memcpy(upload->media_type, media_type, sizeof media_type);
	if (!content_join(brought->req->txn, sha256, upload->bytes, path) && fnr_file_write(path, data, reference->data_size, 0600, err) != FNR_OK)
		return NULL;
	brought->count++;
	return reference_to(upload);
}

static struct json_object *take_data(struct brought *brought, struct json_object *input, const char *pointer,
                                     const struct file_reference *reference)
{
	struct json_object *value;
	void *data;

	if (reference->data_size > (size_t)brought->req->conf->upload_max) {
		fnr_error_add(&brought->req->err, pointer, "max_length", "use a smaller file", "the file has %zu bytes; the limit (upload.max) is %" PRId64,
		              reference->data_size, brought->req->conf->upload_max);
		return NULL;
	}
	data = fnr_alloc(reference->data_size);
	fnr_base64_decode(reference->data, reference->data_len, data);
	value = file_data(brought, input, pointer, reference, data);
	free(data);
	return value;
}

/* ---- job: ---- */

static struct json_object *link_output(struct brought *brought, const char *pointer, const struct file_reference *reference,
                                       const struct job_output *output)
{
	struct store_upload *upload = find(brought, output->sha256);
	char path[64], folder[TAKE_PATH], from[TAKE_PATH + 140];

	if (upload)
		return reference_to(upload);
	upload = new_upload(brought, pointer, output->bytes, output->sha256, path);
	if (!upload)
		return NULL;
	snprintf(upload->media_type, sizeof upload->media_type, "%s", output->media_type);
	snprintf(upload->name, sizeof upload->name, "%s", output->file);
	take_final_dir(folder, "", "", 0, &reference->job);
	snprintf(from, sizeof from, "%s/%s", folder, output->file);
	if (!content_join(brought->req->txn, upload->sha256, upload->bytes, path)) {
		if (content_link(from, path) < 0) {
			if (errno == ENOENT)     /* its job is being deleted */
				fnr_error_add(&brought->req->err, pointer, "unknown_output", "choose another file", "the output '%s' is gone", reference->output);
			else
				fnr_fail_errno(&brought->req->err, errno, "the output '%s' cannot be used as an input", reference->output);
			return NULL;
		}
		if (fnr_dir_flush("uploads", &brought->req->err) != FNR_OK)
			return NULL;
	}
	brought->count++;
	return reference_to(upload);
}

static struct json_object *take_output(struct brought *brought, const char *pointer, const struct file_reference *reference)
{
	struct job_output output;
	char text[320], media_type[64];

	if (brought->later(reference, pointer, media_type, brought->context, &brought->req->err))
		return NULL;
	if (!inputs_job_output(brought->req->txn, reference, pointer, brought->may, brought->context, &output, &brought->req->err))
		return NULL;
	if (!output.project[0])
		return link_output(brought, pointer, reference, &output);
	snprintf(text, sizeof text, "take:%s/%s/%u/%s", output.project, output.shot, output.take, output.file);
	return json_object_new_string(text);
}

/* ---- all ---- */

static struct json_object *take_one(struct json_object *input, const char *pointer, const struct file_reference *reference, void *context)
{
	struct brought *brought = context;

	if (brought->req->err.code != FNR_OK)
		return NULL;
	if (reference->kind == FILE_DATA)
		return take_data(brought, input, pointer, reference);
	if (reference->kind == FILE_JOB)
		return take_output(brought, pointer, reference);
	if (reference->kind == FILE_URL && ++brought->urls > BROUGHT_URLS)
		fnr_error_add(&brought->req->err, pointer, "max_items", "upload some of the files", "a job may name at most %d addresses", BROUGHT_URLS);
	return NULL;
}

void brought_take(struct brought *brought, const struct template_ *template_, struct json_object *inputs, const char *pointer)
{
	inputs_map_files(fnr_json_get(template_definition(template_), "inputs"), inputs, pointer, take_one, brought);
}
