#include "cli/download.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "files/path.h"

static bool is_folder(const char *path)
{
	struct stat info;

	return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* The server names the file; only its last part counts, and only if it is a plain name. */
static const char *own_name(struct json_object *item)
{
	const char *path = fnr_json_get_text(item, "path", fnr_json_get_text(item, "file", "")), *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	return path_file_name_valid(name) ? name : "output";
}

static bool place(char out[PATH_MAX], struct json_object *item, const struct download_options *options)
{
	const char *target = options->target;
	int len;

	if (!target || is_folder(target))
		len = snprintf(out, PATH_MAX, "%s%s%s", target ? target : "", target ? "/" : "", own_name(item));
	else
		len = snprintf(out, PATH_MAX, "%s", target);
	if (len >= PATH_MAX - 16) {
		fprintf(stderr, "fnr: the path %.80s… is too long\n", out);
		return false;
	}
	if (!options->force && access(out, F_OK) == 0) {
		fprintf(stderr, "fnr: %s is there already; give another name with --output, or --force to replace it\n", out);
		return false;
	}
	return true;
}

static int fetch(struct json_object *item, FILE *file)
{
	struct answer answer = client_download(ask_client(), fnr_json_get_text(item, "url", ""), file);

	if (answer.status != 200)
		return ask_failed(&answer);
	answer_free(&answer);
	return EXIT_DONE;
}

static int to_file(struct json_object *item, const char *path)
{
	char *beside = fnr_asprintf("%s.part-XXXXXX", path);
	int fd = mkstemp(beside), status;
	FILE *file = fd >= 0 ? fdopen(fd, "wb") : NULL;
	mode_t mask = umask(0);
	bool good;

	umask(mask);
	if (!file) {
		fprintf(stderr, "fnr: %s cannot be written: %s\n", path, strerror(errno));
		free(beside);
		return EXIT_FAILED;
	}
	status = fetch(item, file);
	good = fflush(file) == 0 && fsync(fd) == 0 && fchmod(fd, 0666 & ~mask) == 0;
	good = fclose(file) == 0 && good;
	if (status == EXIT_DONE && (!good || rename(beside, path) != 0)) {
		fprintf(stderr, "fnr: %s cannot be written: %s\n", path, strerror(errno));
		status = EXIT_FAILED;
	}
	if (status != EXIT_DONE)
		unlink(beside);
	free(beside);
	return status;
}

static int get_one(struct json_object *item, const struct download_options *options)
{
	char path[PATH_MAX];
	int status;

	if (options->target && strcmp(options->target, "-") == 0)
		return fetch(item, stdout);
	if (!place(path, item, options))
		return EXIT_FAILED;
	status = to_file(item, path);
	if (status == EXIT_DONE && shared.json) {
		fnr_json_set_text(item, "written", path);
		printf("%s\n", fnr_json_text(item, NULL));
	} else if (status == EXIT_DONE) {
		printf("%s\n", path);
	}
	return status;
}

static const char *name_of(struct json_object *item)
{
	return fnr_json_get_text(item, "name", fnr_json_get_text(item, "file", ""));
}

static bool is_named(struct json_object *item, const char *name)
{
	return !name || strcmp(name_of(item), name) == 0 || strcmp(own_name(item), name) == 0;
}

static int none_of_them(struct json_object *items, const char *name, const char *what)
{
	size_t count = ask_count(items);

	if (!count) {
		fprintf(stderr, "fnr: %s has no files\n", what);
		return EXIT_FAILED;
	}
	fprintf(stderr, "fnr: %s has no file '%s'; it has", what, name);
	for (size_t i = 0; i < count; i++)
		fprintf(stderr, "%s %s", i ? "," : "", name_of(json_object_array_get_idx(items, i)));
	fprintf(stderr, "\n");
	return EXIT_FAILED;
}

int download_files(struct json_object *items, const char *name, const struct download_options *options, const char *what)
{
	size_t count = ask_count(items), found = 0;
	int status = EXIT_DONE;

	for (size_t i = 0; i < count; i++)
		found += is_named(json_object_array_get_idx(items, i), name);
	if (!found)
		return none_of_them(items, name, what);
	if (found > 1 && options->target && !is_folder(options->target)) {
		fprintf(stderr, "fnr: %s has %zu files; name one of them, or a folder with --output\n", what, found);
		return EXIT_FAILED;
	}
	for (size_t i = 0; i < count && status == EXIT_DONE; i++)
		if (is_named(json_object_array_get_idx(items, i), name))
			status = get_one(json_object_array_get_idx(items, i), options);
	return status;
}
