#include "config.h"

#include "files/models.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/text.h"
#include "files/path.h"

#define MANIFEST "model.json"
#define MANIFEST_MOST 65536

struct walk { models_row *row; void *context; size_t count; bool ended; };

static struct json_object *read_manifest(int dir)
{
	char text[MANIFEST_MOST];
	uint64_t size;
	int fd = path_open_file(dir, MANIFEST, &size, NULL);
	struct json_object *manifest = NULL;
	ssize_t got = fd >= 0 && size < sizeof text ? read(fd, text, sizeof text) : -1;

	if (fd >= 0)
		close(fd);
	if (got > 0)
		manifest = fnr_json_parse(text, (size_t)got, NULL);
	if (json_object_is_type(manifest, json_type_object))
		return manifest;
	json_object_put(manifest);
	return NULL;
}

/* A file may be a link to where the large files are. */
static bool has_file(int dir, struct json_object *manifest)
{
	const char *file = fnr_json_get_text(manifest, "file", NULL);
	struct stat status;

	return !file || (path_file_name_valid(file) && fstatat(dir, file, &status, 0) == 0);
}

static void look_at_model(struct walk *walk, int category_dir, const char *category, const char *folder)
{
	int dir = path_open(category_dir, folder, O_RDONLY | O_DIRECTORY, 0);
	struct json_object *manifest = dir >= 0 ? read_manifest(dir) : NULL;

	if (manifest && has_file(dir, manifest)) {
		if (!*fnr_json_get_text(manifest, "name", ""))
			fnr_json_set_text(manifest, "name", folder);
		walk->ended = ++walk->count > MODELS_MOST || !walk->row(category, manifest, walk->context);
	}
	json_object_put(manifest);
	if (dir >= 0)
		close(dir);
}

typedef void look(struct walk *walk, int dir, const char *parent, const char *name);

/* Each folder below `dir`, which is closed. */
static void each_folder(struct walk *walk, int dir, const char *parent, look *call)
{
	DIR *list = dir >= 0 ? fdopendir(dir) : NULL;
	struct dirent *entry;

	if (!list && dir >= 0)
		close(dir);
	while (list && !walk->ended && (entry = readdir(list)))
		if (path_file_name_valid(entry->d_name))
			call(walk, dirfd(list), parent, entry->d_name);
	if (list)
		closedir(list);
}

static void look_at_category(struct walk *walk, int library, const char *parent, const char *category)
{
	(void)parent;
	each_folder(walk, path_open(library, category, O_RDONLY | O_DIRECTORY, 0), category, look_at_model);
}

void models_walk(models_row *row, void *context)
{
	struct walk walk = { .row = row, .context = context };

	each_folder(&walk, path_open(AT_FDCWD, MODELS_LIBRARY, O_RDONLY | O_DIRECTORY, 0), "", look_at_category);
}

struct wanted { const char *model; bool there; };

static bool wanted_row(const char *category, struct json_object *manifest, void *context)
{
	struct wanted *wanted = context;
	size_t len = strlen(category);

	wanted->there = strncmp(wanted->model, category, len) == 0 && wanted->model[len] == '/' &&
	                strcmp(wanted->model + len + 1, fnr_json_get_text(manifest, "name", "")) == 0;
	return !wanted->there;
}

bool models_has(const char *model)
{
	struct wanted wanted = { model, false };

	models_walk(wanted_row, &wanted);
	return wanted.there;
}
