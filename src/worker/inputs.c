/* Inputs that are addresses: fetched into the attempt's folder before its function is started. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "files/fetch.h"
#include "files/media.h"
#include "files/path.h"
#include "schema/inputs.h"
#include "worker/worker.h"

#define FOLDER ".inputs"
#define LEAST_MS 1000          /* what is left of the attempt's time, whatever the fetching took */

struct fetching {
	struct attempt *attempt;
	struct run_error *error;
	size_t count;
	int dir;
	bool failed;
};

static bool stopped(void *context)
{
	return run_stop(context);
}

/* The last part of the address, if it can be the name of a file. */
static void name_of(const char *url, char out[132])
{
	size_t len = strcspn(url, "?#");
	char path[FILE_URL_MOST + 1];
	const char *slash;

	snprintf(path, sizeof path, "%.*s", (int)len, url);
	slash = strrchr(path + strcspn(path, ":") + 3, '/');
	fnr_text_copy(out, 132, slash && path_file_name_valid(slash + 1) ? slash + 1 : "input");
}

/* Whose fault is it, and may another try help? */
static void tell_status(struct fetching *fetching, const struct fetch *fetch)
{
	bool again = fetch->status >= 500 || fetch->status == 408 || fetch->status == 425 || fetch->status == 429;

	if (again)
		run_fail(fetching->error, FNR_CLASS_TRANSIENT, "url_failed", "Try again later.", "retry", fetch->url,
		         "The server with the input file has a problem at the moment (status %ld).", fetch->status);
	else if (fetch->status == 401 || fetch->status == 403)
		run_fail(fetching->error, FNR_CLASS_VALIDATION, "url_forbidden", "Download the file yourself and upload it.", NULL, fetch->url,
		         "The server does not give the input file to everybody (status %ld).", fetch->status);
	else
		run_fail(fetching->error, FNR_CLASS_VALIDATION, "url_not_found", "Check the address.", NULL, fetch->url,
		         "There is no input file at the address (status %ld).", fetch->status);
}

static void tell_failure(struct fetching *fetching, const struct fetch *fetch, enum fetch_result result)
{
	struct run_error *error = fetching->error;
	char detail[FILE_URL_MOST + 300];

	snprintf(detail, sizeof detail, "%s: %s", fetch->url, fetch->detail);
	switch (result) {
	case FETCH_REFUSED:
		run_fail(error, FNR_CLASS_VALIDATION, "url_refused", "Use a public address, or upload the file.", NULL, detail,
		         "The address of the input file may not be fetched: it leads into a private network.");
		break;
	case FETCH_REDIRECTED:
		run_fail(error, FNR_CLASS_VALIDATION, "url_redirects", "Open the address in a browser and use the one that you end up at.", NULL,
		         detail, "The address of the input file leads to another one; redirects are not followed.");
		break;
	case FETCH_STATUS:
		tell_status(fetching, fetch);
		break;
	case FETCH_TOO_LARGE:
		run_fail(error, FNR_CLASS_VALIDATION, "url_too_large", "Use a smaller file, or raise upload.max.", NULL, detail,
		         "The input file is larger than %llu bytes.", (unsigned long long)fetch->limit);
		break;
	case FETCH_EMPTY:
		run_fail(error, FNR_CLASS_VALIDATION, "url_empty", "Check the address.", NULL, detail, "The input file at the address is empty.");
		break;
	case FETCH_TIMEOUT:
		run_fail(error, FNR_CLASS_TRANSIENT, "url_timeout", "Try again later, or upload the file.", "retry", detail,
		         "The input file did not come within %lld second%s.", (long long)(fetch->timeout_ms + 999) / 1000,
		         fetch->timeout_ms <= 1000 ? "" : "s");
		break;
	case FETCH_DISK:
		run_fail(error, FNR_CLASS_RESOURCE, "disk_full", "Free some disk space and try again.", "free_disk_space", detail,
		         "There is no room for the input file.");
		break;
	default:
		run_fail(error, FNR_CLASS_TRANSIENT, "url_unreachable", "Check the address, and try again later.", "retry", detail,
		         "The server with the input file cannot be reached.");
	}
}

/* What came is looked at itself: the input says which types it takes. */
static bool check_type(struct fetching *fetching, struct json_object *input, const struct fetch *fetch, const char *name, char media_type[64])
{
	struct json_object *list = fnr_json_get(input, "media");
	char head[MEDIA_HEAD];
	int fd = path_open(fetching->dir, fetch->name, O_RDONLY, 0);
	ssize_t n = fd >= 0 ? read(fd, head, sizeof head) : 0;

	if (fd >= 0)
		close(fd);
	media_type_of(head, n > 0 ? (size_t)n : 0, fetch->media_type, name, media_type);
	for (size_t i = 0; json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
		if (path_media_matches(media_type, json_object_get_string(json_object_array_get_idx(list, i))))
			return true;
	if (!list)
		return true;
	run_fail(fetching->error, FNR_CLASS_VALIDATION, "url_media", "Use another file.", NULL, fetch->url,
	         "The file at the address is of type %s, which does not fit this input.", media_type);
	return false;
}

static bool known(const struct fetching *fetching, const char *url)
{
	struct json_object *uploads = fetching->attempt->run.uploads;
	for (size_t i = 0; uploads && i < json_object_array_length(uploads); i++)
		if (strcmp(fnr_json_get_text(json_object_array_get_idx(uploads, i), "reference", ""), url) == 0)
			return true;
	return false;
}

static void add_file(struct fetching *fetching, const char *url, const char *file_name, const char *name, const char *media_type)
{
	struct attempt *attempt = fetching->attempt;
	struct json_object *file = json_object_new_object();
	char path[sizeof attempt->work_dir + 256];

	snprintf(path, sizeof path, "%s/" FOLDER "/%s", attempt->work_dir, file_name);
	fnr_json_set_text(file, "reference", url);
	fnr_json_set_text(file, "media_type", media_type);
	fnr_json_set_text(file, "name", name);
	fnr_json_set_text(file, "path", path);
	if (!attempt->run.uploads) {
		attempt->run.uploads = json_object_new_array();
		fnr_json_set(attempt->message, "uploads", attempt->run.uploads);
	}
	json_object_array_add(attempt->run.uploads, file);
}

static bool make_folder(struct fetching *fetching)
{
	if (fetching->dir >= 0)
		return true;
	if (!attempt_folder(fetching->attempt, fetching->error))
		return false;
	if (mkdirat(fetching->attempt->work_fd, FOLDER, 0755) == 0)
		fetching->dir = path_open(fetching->attempt->work_fd, FOLDER, O_RDONLY | O_DIRECTORY, 0);
	if (fetching->dir >= 0)
		return true;
	run_fail(fetching->error, FNR_CLASS_RESOURCE, "io", "Look at the disk, then try again.", "retry", strerror(errno),
	         "There is no room for the input files.");
	return false;
}

static bool fetch_row(struct json_object *input, const char *pointer, const struct file_reference *reference, void *context)
{
	struct fetching *fetching = context;
	const struct fnr_conf *conf = &fetching->attempt->worker->conf;
	struct run *run = &fetching->attempt->run;
	int64_t began = fnr_mono_ms();
	char name[132], file_name[160], media_type[64];
	struct fetch fetch = {
		.url = reference->text, .name = file_name, .limit = (uint64_t)conf->upload_max,
		.timeout_ms = run->timeout_ms < conf->fetch_timeout * 1000 ? run->timeout_ms : conf->fetch_timeout * 1000,
		.allow_private = conf->fetch_private, .stop = stopped, .context = run,
	};
	enum fetch_result result;

	if (reference->kind != FILE_URL || known(fetching, reference->text))
		return true;
	run_progress(run, FNR_STAGE_PREPARATION, 0, "Fetching an input file");
	fetching->failed = !make_folder(fetching);
	if (fetching->failed)
		return false;
	fetch.dir = fetching->dir;
	name_of(reference->text, name);
	snprintf(file_name, sizeof file_name, "%zu-%s", ++fetching->count, name);
	result = fetch_url(&fetch);
	run->timeout_ms -= fnr_mono_ms() - began;
	if (run->timeout_ms < LEAST_MS)
		run->timeout_ms = LEAST_MS;
	fetching->failed = result != FETCH_DONE || !check_type(fetching, input, &fetch, name, media_type);
	if (result != FETCH_DONE && result != FETCH_STOPPED)
		tell_failure(fetching, &fetch, result);
	if (!fetching->failed)
		add_file(fetching, reference->text, file_name, name, media_type);
	return !fetching->failed;
}

bool attempt_fetch(struct attempt *attempt, struct run_error *error)
{
	struct fetching fetching = { .attempt = attempt, .error = error, .dir = -1 };

	inputs_files(fnr_json_get(attempt->run.definition, "inputs"), attempt->run.parameters, "", fetch_row, &fetching);
	if (fetching.dir >= 0)
		close(fetching.dir);
	return !fetching.failed;
}
