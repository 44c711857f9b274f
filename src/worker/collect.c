/* Outputs of an attempt: copied or moved into its folder, measured, flushed. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/hash.h"
#include "files/path.h"
#include "files/take.h"
#include "worker/worker.h"

static bool collect_stop(void *context)
{
	return run_stop(context);
}

static void collect_failed(struct run_error *error, const struct fnr_error *err, const char *name)
{
	switch (err->code) {
	case FNR_E_NOT_FOUND:
		run_fail(error, FNR_CLASS_PERMANENT, "output_missing", "Let the function keep its files until it ends.", NULL,
		         err->message, "The function did not deliver \"%s\".", name);
		break;
	case FNR_E_INVALID:
		run_fail(error, FNR_CLASS_PERMANENT, "output_not_a_file",
		         "Let the function write each output as a plain file into the folder that it is given.", NULL, err->message,
		         "What the function delivered as \"%s\" is not a plain file of its own folder.", name);
		break;
	case FNR_E_TOO_LARGE:
		run_fail(error, FNR_CLASS_PERMANENT, "file_too_large", "Raise script.file, or choose a lower quality.", "reduce_quality",
		         err->message, "The result \"%s\" is too large.", name);
		break;
	case FNR_E_FULL:
		run_fail(error, FNR_CLASS_RESOURCE, "disk_full", "Free some disk space and try again.", "free_disk_space", err->message,
		         "The disk is full: the result cannot be kept.");
		break;
	default:
		run_fail(error, FNR_CLASS_TRANSIENT, "io", "Try again; if it stays so, look at the disk.", "retry", err->message,
		         "The result \"%s\" cannot be kept.", name);
	}
}

/* Every output of the template must have been delivered, but for optional ones. */
static bool collect_complete(struct attempt *attempt, struct run_error *error)
{
	struct json_object *declared = fnr_json_get(attempt->run.definition, "outputs");
	if (!json_object_is_type(declared, json_type_object))
		return true;
	json_object_object_foreach(declared, name, spec) {
		bool found = spec == NULL || fnr_json_get_bool(spec, "optional", false);
		for (size_t i = 0; i < json_object_array_length(attempt->outputs) && !found; i++)
			found = strcmp(fnr_json_get_text(json_object_array_get_idx(attempt->outputs, i), "name", ""), name) == 0;
		if (found)
			continue;
		run_fail(error, FNR_CLASS_PERMANENT, "output_missing", "Tell the author of the function.", NULL,
		         "it ended without an error, but did not name every output of its template",
		         "The function did not deliver \"%s\".", name);
		return false;
	}
	return true;
}

/* What is being collected. Files are flushed many at a time, and stay open until then. */
struct collecting {
	struct attempt *attempt;
	int fds[FNR_FLUSH_MOST];
	size_t count;
};

static int flush(struct collecting *collecting, struct fnr_error *err)
{
	bool good = !fnr_fault("file.flush") && fnr_flush_all(collecting->fds, collecting->count);
	int saved = errno;
	while (collecting->count > 0)
		close(collecting->fds[--collecting->count]);
	return good ? FNR_OK : fnr_fail_errno(err, saved, "cannot flush %s", collecting->attempt->attempt_dir);
}

/* fd is closed when it is flushed. */
static int to_flush(struct collecting *collecting, int fd, struct fnr_error *err)
{
	collecting->fds[collecting->count++] = fd;
	return collecting->count < FNR_FLUSH_MOST ? FNR_OK : flush(collecting, err);
}

static int take_in(struct collecting *collecting, struct json_object *output, int *fd_r, uint64_t *bytes_r, uint8_t sha256_r[32],
                   struct fnr_error *err)
{
	struct attempt *attempt = collecting->attempt;
	return (fnr_json_get_bool(output, "own", false) ? path_move_in_watched : path_copy_in_watched)(
		attempt->adopts ? attempt->attempt_fd : attempt->work_fd, fnr_json_get_text(output, "path", ""), attempt->attempt_fd, fnr_json_get_text(output, "file", ""),
		(uint64_t)attempt->worker->conf.script_file, collect_stop, &attempt->run, fd_r, bytes_r, sha256_r, err);
}

static int collect_one(struct collecting *collecting, struct json_object *output, struct json_object *list, struct fnr_error *err)
{
	const char *file = fnr_json_get_text(output, "file", ""), *media_type = path_media_type(file);
	uint64_t bytes;
	uint8_t sha256[32];
	char hex[FNR_SHA256_TEXT];
	int fd, width, height, code = take_in(collecting, output, &fd, &bytes, sha256, err);
	if (code != FNR_OK)
		return code;
	struct json_object *entry = json_object_new_object();
	fnr_json_set_text(entry, "name", fnr_json_get_text(output, "name", ""));
	fnr_json_set_text(entry, "file", file);
	fnr_json_set_text(entry, "media_type", media_type);
	fnr_json_set_int(entry, "bytes", (int64_t)bytes);
	fnr_json_set_text(entry, "sha256", fnr_hex(sha256, sizeof sha256, hex));
	if (strncmp(media_type, "image/", 6) == 0 && path_picture_size(fd, &width, &height)) {
		fnr_json_set_int(entry, "width", width);
		fnr_json_set_int(entry, "height", height);
	}
	json_object_array_add(list, entry);
	return to_flush(collecting, fd, err);
}

/* ---- the folder ---- */

static int mark(struct attempt *attempt, int dir, struct fnr_error *err)
{
	return attempt->mark_fd >= 0 ? FNR_OK : take_mark(dir, attempt->run.job, attempt->run.attempt, &attempt->mark_fd, err);
}

/* Where the backend made all of them itself, and none has to be renamed, the folder that it worked in becomes that of the results. */
static bool can_adopt(const struct attempt *attempt)
{
	for (size_t i = 0; i < json_object_array_length(attempt->outputs); i++) {
		struct json_object *output = json_object_array_get_idx(attempt->outputs, i);
		if (!fnr_json_get_bool(output, "own", false) || strcmp(fnr_json_get_text(output, "path", ""), fnr_json_get_text(output, "file", "")) != 0)
			return false;
	}
	return true;
}

static bool is_result(const struct attempt *attempt, const char *name)
{
	for (size_t i = 0; i < json_object_array_length(attempt->outputs); i++)
		if (strcmp(fnr_json_get_text(json_object_array_get_idx(attempt->outputs, i), "file", ""), name) == 0)
			return true;
	return strcmp(name, TAKE_MARK) == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Inputs that were fetched, and results that were not wanted. */
static bool remove_rest(struct attempt *attempt)
{
	int fd = openat(attempt->work_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	bool good = dir != NULL;
	if (!good) {
		fnr_fd_close(&fd);
		return false;
	}
	for (struct dirent *entry; good && (entry = readdir(dir)) != NULL;) {
		char path[TAKE_PATH + 256];
		snprintf(path, sizeof path, "%s/%s", attempt->work, entry->d_name);
		good = is_result(attempt, entry->d_name) || fnr_tree_remove(path, NULL) == FNR_OK;
	}
	closedir(dir);
	return good;
}

/* False: it cannot be, as where another disk is mounted in the workspace. */
static bool adopt(struct attempt *attempt)
{
	return can_adopt(attempt) && remove_rest(attempt) && take_adopt(attempt->work, attempt->attempt_dir, NULL) == FNR_OK;
}

/* Adopted or made, open, and marked. */
static int folder_make(struct attempt *attempt, struct fnr_error *err)
{
	int code = FNR_OK;
	attempt->adopts = adopt(attempt);
	if (!attempt->adopts) {
		fnr_fd_close(&attempt->mark_fd);        /* it is in the other one */
		code = take_dir_make(attempt->attempt_dir, err);
	}
	if (code == FNR_OK && (attempt->attempt_fd = path_open(AT_FDCWD, attempt->attempt_dir, O_RDONLY | O_DIRECTORY, 0)) < 0)
		code = fnr_fail_errno(err, errno, "cannot open %s", attempt->attempt_dir);
	return code == FNR_OK ? mark(attempt, attempt->attempt_fd, err) : code;
}

void attempt_collect_begin(struct attempt *attempt)
{
	mark(attempt, attempt->work_fd, NULL); /* what hinders it is found again when there is something to mark */
}

void attempt_collect_end(struct attempt *attempt)
{
	fnr_fd_close(&attempt->attempt_fd);
	fnr_fd_close(&attempt->mark_fd);
}

/* The outputs get their name at once where nothing has to be written down before. What hinders that is seen again, and dealt
 * with, when the manager has them filed. */
static void settle(struct collecting *collecting, int parent)
{
	struct attempt *attempt = collecting->attempt;
	if (attempt->final_dir != NULL && !attempt->cancelled)
		attempt->filed = take_settle(parent, attempt->attempt_dir, attempt->final_dir, attempt->run.job, attempt->run.attempt, NULL) == FNR_OK;
}

/* The folder's mark, the folder, and its own entry, which must not get lost either: the manager promises these files to
 * nobody before they are safe. */
static int collect_end(struct collecting *collecting, struct fnr_error *err)
{
	struct attempt *attempt = collecting->attempt;
	char path[TAKE_PATH];
	int parent, code = to_flush(collecting, attempt->mark_fd, err);
	attempt->mark_fd = -1;
	snprintf(path, sizeof path, "%.*s", (int)(strrchr(attempt->attempt_dir, '/') - attempt->attempt_dir), attempt->attempt_dir);
	if (code == FNR_OK && (parent = path_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0)) < 0)
		code = fnr_fail_errno(err, errno, "cannot open %s", path);
	if (code != FNR_OK)
		return code;
	settle(collecting, parent);
	code = to_flush(collecting, parent, err);
	if (code != FNR_OK)
		return code;
	code = to_flush(collecting, attempt->attempt_fd, err);
	attempt->attempt_fd = -1;
	return code == FNR_OK ? flush(collecting, err) : code;
}

struct json_object *attempt_collect(struct attempt *attempt, struct run_error *error)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *list = json_object_new_array();
	size_t count = json_object_array_length(attempt->outputs);
	if (!collect_complete(attempt, error)) {
		json_object_put(list);
		return NULL;
	}
	if (count == 0)
		return list;
	run_progress(&attempt->run, FNR_STAGE_FINALIZATION, 0, NULL);
	const char *name = "";
	struct collecting collecting = { .attempt = attempt };
	int code = folder_make(attempt, &err);
	for (size_t i = 0; code == FNR_OK && i < count; i++) {
		struct json_object *output = json_object_array_get_idx(attempt->outputs, i);
		name = fnr_json_get_text(output, "name", "");
		code = collect_one(&collecting, output, list, &err);
	}
	if (code == FNR_OK)
		code = collect_end(&collecting, &err);
	while (collecting.count > 0)
		close(collecting.fds[--collecting.count]);
	if (code != FNR_OK) {
		if (!attempt->cancelled)
			collect_failed(error, &err, name);
		json_object_put(list);
		list = NULL;
	}
	fnr_error_clear(&err);
	return list;
}
