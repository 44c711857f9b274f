#include "config.h"

#include "backends/input_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "files/path.h"

#define PATH_SIZE 4096

static enum input_file_result gone(struct run_error *error, const char *text, const char *why)
{
	run_fail(error, FNR_CLASS_VALIDATION, "input_missing", "Choose the file again.", NULL, why,
	         "The input \"%s\" is not there any more.", text);
	return INPUT_FILE_GONE;
}

static bool is_file(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static struct json_object *file_object(const char *path, const char *media_type, const char *name)
{
	struct json_object *file = json_object_new_object();
	fnr_json_set_text(file, "path", path);
	fnr_json_set_text(file, "media_type", media_type);
	fnr_json_set_text(file, "name", name);
	return file;
}

/* Of the uploads the one whose `member` is `text`, in any case of its letters if it is an id. */
static enum input_file_result upload_file(struct run *run, const char *member, const char *text, const char *value,
                                          struct json_object **file_r, struct run_error *error)
{
	int (*compare)(const char *, const char *) = strcmp(member, "id") == 0 ? strcasecmp : strcmp;
	for (size_t i = 0; run->uploads != NULL && i < json_object_array_length(run->uploads); i++) {
		struct json_object *upload = json_object_array_get_idx(run->uploads, i);
		const char *path = fnr_json_get_text(upload, "path", "");
		if (compare(fnr_json_get_text(upload, member, ""), text) != 0)
			continue;
		if (!is_file(path))
			return gone(error, value, path);
		*file_r = file_object(path, fnr_json_get_text(upload, "media_type", NULL), fnr_json_get_text(upload, "name", NULL));
		return INPUT_FILE_FOUND;
	}
	return gone(error, value, strcmp(member, "id") == 0 ? "the job does not name this upload" :
	            "it was not fetched, and no job that this one depends on has made it");
}

/* "take:<project>/<shot>/<n>/<file>" */
static enum input_file_result take_file(struct run *run, const char *text, struct json_object **file_r, struct run_error *error)
{
	char copy[512], *rest = copy, below[640], path[PATH_SIZE];
	fnr_text_copy(copy, sizeof copy, text + strlen("take:"));
	const char *project = strsep(&rest, "/"), *shot = strsep(&rest, "/"), *number = strsep(&rest, "/"), *name = rest;
	if (name == NULL || !fnr_name_valid(project) || !fnr_name_valid(shot) || !path_file_name_valid(name) ||
	    strspn(number, "0123456789") != strlen(number) || strlen(number) == 0 || strlen(number) > 9)
		return gone(error, text, "a take's file is written take:<project>/<shot>/<n>/<file>");
	snprintf(below, sizeof below, "workspace/%s/%s/take_%03lu/%s", project, shot, strtoul(number, NULL, 10), name);
	int dir = open(run->data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct fnr_error err = FNR_ERROR_INIT;
	int fd = path_open_file(dir, below, NULL, &err);
	close(dir);
	if (fd < 0) {
		gone(error, text, err.message);
		fnr_error_clear(&err);
		return INPUT_FILE_GONE;
	}
	close(fd);
	snprintf(path, sizeof path, "%s/%s", run->data_dir, below);
	*file_r = file_object(path, path_media_type(name), name);
	return INPUT_FILE_FOUND;
}

enum input_file_result input_file(struct run *run, struct json_object *value, struct json_object **file_r, struct run_error *error)
{
	const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
	if (strncmp(text, "upload:", 7) == 0)
		return upload_file(run, "id", text + 7, text, file_r, error);
	if (strncmp(text, "take:", 5) == 0)
		return take_file(run, text, file_r, error);
	if (strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0 || strncmp(text, "job:", 4) == 0)
		return upload_file(run, "reference", text, text, file_r, error);
	return INPUT_FILE_NONE;
}
