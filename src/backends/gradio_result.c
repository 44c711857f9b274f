#include "config.h"

#include "backends/gradio_result.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/gradio_job.h"
#include "base/base64.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "files/media.h"
#include "files/path.h"
#include "schema/inputs.h"

#define PREVIEW_MOST (8u << 20)
#define TEXT_MOST 16384             /* bytes of a value in the job's result; its file has all of it */
#define NAME 132

struct results {
	struct gradio_server *server;
	const struct gradio_endpoint *endpoint;
	struct json_object *data, *values;      /* values: of the job's result, by output */
	struct run_error *error;
	int dir;                                /* the run's work folder */
};

/* ---- which value an output is ---- */

/* Number `at` of the values that are not hidden. */
static struct json_object *value_of(struct results *results, size_t at, struct gradio_value *about)
{
	for (size_t i = 0; i < gradio_output_count(results->endpoint); i++) {
		gradio_output_at(results->endpoint, i, about);
		if (about->hidden || at-- > 0)
			continue;
		bool there = json_object_is_type(results->data, json_type_array) && i < json_object_array_length(results->data);
		return there ? gradio_plain(json_object_array_get_idx(results->data, i)) : NULL;
	}
	return NULL;
}

/* Number `*left` of the files in a value. */
struct search { struct json_object *found; int64_t left; };

static bool find_file(struct json_object *file, void *context)
{
	struct search *search = context;
	if (search->left-- == 0)
		search->found = file;
	return search->found == NULL;
}

/* ---- files ---- */

/* The file's own name if it can be one of ours, else that of the output with the file's suffix. */
static void choose_name(const char *own, const char *output, char out[NAME])
{
	const char *dot = strrchr(own, '.');
	if (path_file_name_valid(own) && strlen(own) < NAME)
		snprintf(out, NAME, "%s", own);
	else
		snprintf(out, NAME, "%.64s%.16s", output, dot != NULL && dot[1] != '\0' && path_file_name_valid(dot + 1) ? dot : "");
}

/* Each output has a folder of its own, so that files may be called alike. */
static int folder_make(struct results *results, const char *output)
{
	if (mkdirat(results->dir, output, 0755) != 0)
		return -1;
	return path_open(results->dir, output, O_RDONLY | O_DIRECTORY, 0);
}

static enum run_result no_room(struct results *results)
{
	return run_fail(results->error, FNR_CLASS_RESOURCE, "io", "Look at the disk, then try again.", "retry", strerror(errno),
	                "There is no room for the result.");
}

/* The first bytes say what it is, if its name does not. */
static void add_suffix(int folder, char name[NAME])
{
	char head[MEDIA_HEAD], media_type[64], longer[NAME];
	if (strcmp(path_media_type(name), "application/octet-stream") != 0)
		return;
	int fd = path_open(folder, name, O_RDONLY, 0);
	ssize_t got = fd >= 0 ? read(fd, head, sizeof head) : -1;
	if (fd >= 0)
		close(fd);
	media_type_of(head, got > 0 ? (size_t)got : 0, NULL, name, media_type);
	snprintf(longer, sizeof longer, "%.64s%s", name, media_suffix(media_type));
	if (strcmp(longer, name) != 0 && renameat(folder, name, folder, longer) == 0)
		snprintf(name, NAME, "%s", longer);
}

/* Hands over what lies in the output's folder. */
static enum run_result hand_over(struct results *results, const char *output, const char *name)
{
	char path[2 * NAME];
	snprintf(path, sizeof path, "%s/%s", output, name);
	return run_output_own(results->server->run, output, path, results->error) ? RUN_DONE : RUN_FAILED;
}

static enum run_result take_file(struct results *results, const char *output, struct json_object *file)
{
	char name[NAME];
	int folder = folder_make(results, output);
	if (folder < 0)
		return no_room(results);
	choose_name(gradio_file_name(file), output, name);
	enum run_result result = gradio_download(results->server, file, folder, name, results->error);
	if (result == RUN_DONE)
		add_suffix(folder, name);
	close(folder);
	return result == RUN_DONE ? hand_over(results, output, name) : result;
}

static enum run_result take_bytes(struct results *results, const char *output, const char *suffix, const void *data, size_t len)
{
	char name[NAME];
	int folder = folder_make(results, output);
	snprintf(name, sizeof name, "%.64s%s", output, suffix);
	int fd = folder >= 0 ? path_open(folder, name, O_WRONLY | O_CREAT | O_EXCL, 0644) : -1;
	bool good = fd >= 0 && fnr_write_all(fd, data, len);
	enum run_result result = good ? RUN_DONE : no_room(results);
	if (fd >= 0)
		close(fd);
	if (folder >= 0)
		close(folder);
	return good ? hand_over(results, output, name) : result;
}

/* "data:image/png;base64,…", which some apps give instead of a file; a plot has it as a member. */
static bool inline_data(struct json_object *value, struct file_reference *reference)
{
	const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : fnr_json_get_text(value, "plot", "");
	return file_reference_parse(text, reference) && reference->kind == FILE_DATA;
}

static enum run_result take_inline(struct results *results, const char *output, const struct file_reference *reference)
{
	char *bytes = fnr_alloc(reference->data_size + 1);
	fnr_base64_decode(reference->data, reference->data_len, bytes);
	enum run_result result = take_bytes(results, output, media_suffix(reference->media_type), bytes, reference->data_size);
	free(bytes);
	return result;
}

/* ---- values ---- */

/* Whole numbers beyond 2^53 are no JSON of ours: they are kept as text. */
static struct json_object *exact(struct json_object *value)
{
	struct json_object *made = NULL;
	if (json_object_is_type(value, json_type_array)) {
		made = json_object_new_array();
		for (size_t i = 0; i < json_object_array_length(value); i++)
			json_object_array_add(made, exact(json_object_array_get_idx(value, i)));
	} else if (json_object_is_type(value, json_type_object)) {
		made = json_object_new_object();
		json_object_object_foreach(value, name, member)
			fnr_json_set(made, name, exact(member));
	} else if (json_object_is_type(value, json_type_double) && strpbrk(fnr_json_text(value, NULL), ".eE") == NULL) {
		made = json_object_new_string(fnr_json_text(value, NULL));
	} else {
		made = fnr_json_copy(value);
	}
	return made;
}

static void keep_value(struct results *results, const char *output, struct json_object *value)
{
	size_t len;
	fnr_json_text(value, &len);
	if (len <= TEXT_MOST)
		fnr_json_set(results->values, output, exact(value));
}

static enum run_result take_value(struct results *results, const char *output, const char *type, struct json_object *value)
{
	struct file_reference reference;
	size_t len;
	if (inline_data(value, &reference))
		return take_inline(results, output, &reference);
	keep_value(results, output, value);
	if (strcmp(type, "json") == 0) {
		const char *text = fnr_json_text(value, &len);
		return take_bytes(results, output, ".json", text, len);
	}
	if (strcmp(type, "text") != 0 && (strcmp(type, "file") != 0 || value == NULL))
		return RUN_DONE; /* it is missed where all outputs are counted */
	bool text = json_object_is_type(value, json_type_string);
	const char *bytes = text ? json_object_get_string(value) : value == NULL ? "" : fnr_json_text(value, NULL);
	return take_bytes(results, output, ".txt", bytes, text ? (size_t)json_object_get_string_len(value) : strlen(bytes));
}

/* Number `at` of the files in the value; NULL: it has not so many. */
static struct json_object *file_at(struct json_object *value, int64_t at)
{
	struct search search = { .left = at };
	gradio_files(value, find_file, &search);
	return search.found;
}

/* An output that may be many gets all files from there on, called name_2, name_3, … */
static enum run_result take_more(struct results *results, const char *output, struct json_object *value, int64_t at)
{
	enum run_result result = RUN_DONE;
	struct json_object *file;
	for (int i = 2; result == RUN_DONE && (file = file_at(value, ++at)) != NULL; i++) {
		char name[NAME];
		snprintf(name, sizeof name, "%.64s_%d", output, i);
		result = take_file(results, name, file);
	}
	return result;
}

static enum run_result take_output(struct results *results, const char *output, size_t position, struct json_object *declared)
{
	struct json_object *where = fnr_json_get(fnr_json_get(fnr_json_get(results->server->run->definition, "backend"), "outputs"), output);
	struct gradio_value about = { .type = "" };
	const char *type = fnr_json_get_text(declared, "type", "file");
	int64_t at = json_object_is_type(where, json_type_int) ? json_object_get_int64(where) : fnr_json_get_int(where, "value", (int64_t)position);
	int64_t item = fnr_json_get_int(where, "item", 0);
	struct json_object *value = value_of(results, (size_t)at, &about);
	struct json_object *file = strcmp(type, "json") != 0 ? file_at(value, item) : NULL;
	if (file == NULL)
		return take_value(results, output, type, value);
	enum run_result result = take_file(results, output, file);
	if (result == RUN_DONE && fnr_json_get_bool(declared, "many", false))
		result = take_more(results, output, value, item);
	return result;
}

static void tell_values(struct results *results)
{
	struct json_object *result = json_object_new_object();
	fnr_json_set(result, "values", json_object_get(results->values));
	run_result(results->server->run, result);
	json_object_put(result);
}

enum run_result gradio_result(struct gradio_server *server, const struct gradio_endpoint *endpoint, struct json_object *data, struct run_error *error)
{
	struct json_object *declared = fnr_json_get(server->run->definition, "outputs");
	struct results results = {
		.server = server, .endpoint = endpoint, .data = data, .values = json_object_new_object(), .error = error,
		.dir = open(server->run->work_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	};
	enum run_result result = results.dir >= 0 ? RUN_DONE : no_room(&results);
	size_t position = 0, count = json_object_is_type(declared, json_type_object) ? (size_t)json_object_object_length(declared) : 0;
	run_progress(server->run, FNR_STAGE_FINALIZATION, 0, NULL);
	if (count > 0) {
		json_object_object_foreach(declared, name, spec) {
			if (result != RUN_DONE)
				break;
			result = take_output(&results, name, position++, spec);
			run_progress(server->run, FNR_STAGE_FINALIZATION, (double)position / (double)count, NULL);
		}
	}
	if (result == RUN_DONE && json_object_object_length(results.values) > 0)
		tell_values(&results);
	json_object_put(results.values);
	if (results.dir >= 0)
		close(results.dir);
	return result;
}

/* ---- previews ---- */

static bool find_picture(struct json_object *file, void *context)
{
	struct json_object **found = context;
	if (strncmp(path_media_type(gradio_file_name(file)), "image/", 6) == 0)
		*found = file;
	return *found == NULL;
}

void gradio_preview(struct gradio_server *server, struct json_object *values)
{
	struct json_object *picture = NULL;
	struct fnr_buf bytes = FNR_BUF_INIT;
	char media_type[64];
	for (size_t i = 0; i < json_object_array_length(values) && picture == NULL; i++)
		gradio_files(gradio_plain(json_object_array_get_idx(values, i)), find_picture, &picture);
	if (picture != NULL && gradio_read(server, picture, PREVIEW_MOST, &bytes)) {
		media_type_of(bytes.data, bytes.len, NULL, gradio_file_name(picture), media_type);
		run_preview(server->run, media_type, bytes.data, bytes.len);
	}
	fnr_buf_free(&bytes);
}
