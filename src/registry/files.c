/* The files of a template: found beside it or in scripts/, named by their SHA-256, kept by the template's digest. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "files/path.h"
#include "registry/internal.h"

#define KEPT "blobs/templates"
#define NAME_MOST 200

/* Relative, of plain names: never absolute, never with "..", a hidden part, or a character that a shell or a page minds. */
static bool name_safe(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-/";
	size_t len = strlen(name);

	return len > 0 && len <= NAME_MOST && strspn(name, allowed) == len && name[0] != '/' && name[0] != '.' && name[0] != '-' &&
	       name[len - 1] != '/' && !strstr(name, "//") && !strstr(name, "/.");
}

/* Opens a plain file; follows no symlink. -1 with errno; ENOENT also for what is no plain file. */
static int open_in(const char *folder, const char *name)
{
	int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1, saved;
	struct stat info;

	if (dir < 0)
		return -1;
	fd = path_open(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	saved = errno;
	close(dir);
	if (fd >= 0 && (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))) {
		close(fd);
		fd = -1;
		saved = ENOENT;
	}
	errno = saved;
	return fd;
}

/* In which of the folders the file is; -1 if in none, with the errno that says most. */
static int open_file(const char *name, const struct template_folders *folders, size_t *folder_r)
{
	int worst = ENOENT;

	for (size_t i = 0; i < REGISTRY_PLACES; i++) {
		int fd;

		if (!folders->folders[i])
			continue;
		fd = open_in(folders->folders[i], name);
		if (fd >= 0) {
			*folder_r = i;
			return fd;
		}
		if (errno != ENOENT && errno != ENOTDIR)
			worst = errno;
	}
	errno = worst;
	return -1;
}

/* Reads all of fd and closes it. */
static int read_file(int fd, const char *name, struct fnr_buf *out, struct fnr_error *err)
{
	ssize_t n;

	while ((n = read(fd, fnr_buf_room(out, 65536), 65536)) > 0 || (n < 0 && errno == EINTR)) {
		out->len += n > 0 ? (size_t)n : 0;
		if (out->len > REGISTRY_FILE_MOST)
			break;
	}
	if (n < 0)
		fnr_fail_errno(err, errno, "'%s' cannot be read", name);
	close(fd);
	if (n > 0)
		return fnr_fail(err, FNR_E_TOO_LARGE, "'%s' is larger than %u bytes", name, REGISTRY_FILE_MOST);
	return n < 0 ? FNR_E_IO : FNR_OK;
}

/* Adds what was opened; its bytes go to `text`. */
static bool add_text(int fd, const char *name, const char *pointer, struct json_object *files, struct fnr_buf *text, struct fnr_error *err)
{
	struct fnr_error why = FNR_ERROR_INIT;
	char hex[FNR_SHA256_TEXT];
	uint8_t sha[32];
	bool good = read_file(fd, name, text, &why) == FNR_OK;

	if (!good) {
		fnr_error_add(err, pointer, "file", "make it readable, and smaller than 16 MiB", "%s", why.message);
	} else {
		fnr_sha256_of(text->data ? text->data : "", text->len, sha);
		fnr_json_set_text(files, name, fnr_hex(sha, 32, hex));
	}
	fnr_error_clear(&why);
	return good;
}

static void add_opened(int fd, const char *name, const char *pointer, struct json_object *files, struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;

	add_text(fd, name, pointer, files, &text, err);
	fnr_buf_free(&text);
}

/* -1, with the problem added, if there is no such file. */
static int open_named(const char *name, const char *pointer, const struct template_folders *folders, size_t *folder_r, struct fnr_error *err)
{
	int fd;

	if (!name_safe(name)) {
		fnr_error_add(err, pointer, "file", "name a file beside the template or in scripts/, like tool.sh: letters, digits, '_', '-', '.', "
		              "no leading '/' and no '..'", "'%.64s' cannot be the name of a file of the template", name);
		return -1;
	}
	fd = open_file(name, folders, folder_r);
	if (fd >= 0)
		return fd;
	if (errno == ELOOP)
		fnr_error_add(err, pointer, "file", "copy the file itself there", "'%s' is a symbolic link or lies behind one", name);
	else if (errno == ENOENT)
		fnr_error_add(err, pointer, "file", folders->by_api ? "put it in scripts/ of the data directory: a template of the API has no folder of its own"
		                                                    : "put it beside the template, or in scripts/ of the data directory", "there is no file '%s'", name);
	else
		fnr_error_add(err, pointer, "file", "make it readable for the owner of the data directory", "'%s' cannot be opened: %s", name, strerror(errno));
	return -1;
}

/* Returns in which folder it was found, or -1. */
static int add_file(const char *name, const char *pointer, const struct template_folders *folders, struct json_object *files,
                    struct fnr_error *err)
{
	size_t folder = 0;
	int fd = open_named(name, pointer, folders, &folder, err);

	if (fd < 0)
		return -1;
	add_opened(fd, name, pointer, files, err);
	return (int)folder;
}

bool template_file_add(const char *name, const char *pointer, const struct template_folders *folders, struct json_object *files,
                       struct fnr_buf *text, struct fnr_error *err)
{
	size_t folder;
	int fd = open_named(name, pointer, folders, &folder, err);

	return fd >= 0 && add_text(fd, name, pointer, files, text, err);
}

bool template_file_text(const char *name, const struct template_folders *folders, struct fnr_buf *text)
{
	size_t folder;
	int fd = open_file(name, folders, &folder);

	return fd >= 0 && read_file(fd, name, text, NULL) == FNR_OK;
}

/* Modules beside a Python file can be imported by it, so they belong to the template. */
static void add_modules(const char *name, const char *folder, struct json_object *files, struct fnr_error *err)
{
	const char *slash = strrchr(name, '/');
	int len = slash ? (int)(slash - name) + 1 : 0, count;
	char path[REGISTRY_PATH], module[REGISTRY_PATH];
	struct dirent **entries;

	snprintf(path, sizeof path, "%s/%.*s", folder, len, name);
	count = scandir(path, &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		const char *dot = strrchr(entries[i]->d_name, '.');
		int fd;

		snprintf(module, sizeof module, "%.*s%s", len, name, entries[i]->d_name);
		if (dot && strcmp(dot, ".py") == 0 && name_safe(module) && !fnr_json_get(files, module) && (fd = open_in(folder, module)) >= 0)
			add_opened(fd, module, "/backend/python", files, err);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

/* Of a command the first word is a file; others are if a file of that name is there. */
static void add_command(struct json_object *command, const struct template_folders *folders, struct json_object *files, struct fnr_error *err)
{
	for (size_t i = 0; i < json_object_array_length(command); i++) {
		const char *word = json_object_get_string(json_object_array_get_idx(command, i));
		size_t folder;
		int fd;

		if (i == 0)
			add_file(word, "/backend/command/0", folders, files, err);
		else if (name_safe(word) && (fd = open_file(word, folders, &folder)) >= 0)
			add_opened(fd, word, "/backend/command", files, err);
	}
}

void template_files_add(struct json_object *backend, const struct template_folders *folders, struct json_object *files, struct fnr_error *err)
{
	struct json_object *command = fnr_json_get(backend, "command"), *more = fnr_json_get(backend, "files");
	const char *python = fnr_json_get_text(backend, "python", NULL);
	int folder;

	if (command)
		add_command(command, folders, files, err);
	if (python && (folder = add_file(python, "/backend/python", folders, files, err)) >= 0)
		add_modules(python, folders->folders[folder], files, err);
	for (size_t i = 0; more && i < json_object_array_length(more); i++) {
		char at[40];

		snprintf(at, sizeof at, "/backend/files/%zu", i);
		add_file(json_object_get_string(json_object_array_get_idx(more, i)), at, folders, files, err);
	}
	if (json_object_object_length(files) > REGISTRY_FILES_MOST)
		fnr_error_add(err, "/backend", "max_items", "give the template a folder of its own",
		              "the template has %d files; the most are %d", json_object_object_length(files), REGISTRY_FILES_MOST);
}

/* ---- kept ---- */

/* What is kept has to be what the digest says, whatever happened to the file since it was read. */
static int keep_file(const char *target, const char *name, const char *sha, bool program, const struct template_folders *folders,
                     struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	char to[REGISTRY_PATH], parent[REGISTRY_PATH], hex[FNR_SHA256_TEXT];
	uint8_t now[32];
	size_t folder;
	int code, fd = open_file(name, folders, &folder);

	if (fd < 0)
		return fnr_fail_errno(err, errno, "'%s' cannot be opened", name);
	code = read_file(fd, name, &text, err);
	if (code == FNR_OK) {
		fnr_sha256_of(text.data ? text.data : "", text.len, now);
		if (strcmp(fnr_hex(now, 32, hex), sha) != 0)
			code = fnr_fail(err, FNR_E_CONFLICT, "'%s' changed while the template was loaded; load it again", name);
	}
	snprintf(to, sizeof to, "%s/%s", target, name);
	snprintf(parent, sizeof parent, "%s", to);
	*strrchr(parent, '/') = 0;
	if (code == FNR_OK)
		code = fnr_dir_make(parent, 0700, err);
	if (code == FNR_OK)
		code = fnr_file_write(to, text.data ? text.data : "", text.len, program ? 0700 : 0600, err);
	/* the folders on the way, up to that of the template */
	while (code == FNR_OK && strlen(parent) > strlen(target)) {
		*strrchr(parent, '/') = 0;
		code = fnr_dir_flush(parent, err);
	}
	fnr_buf_free(&text);
	return code;
}

static int keep_all(const struct template_version *template_, const char *target, const struct template_folders *folders, struct fnr_error *err)
{
	struct json_object *command = fnr_json_get(fnr_json_get(template_->definition, "backend"), "command");
	const char *program = command ? json_object_get_string(json_object_array_get_idx(command, 0)) : "";
	int code = fnr_dir_make(target, 0700, err);

	json_object_object_foreach(fnr_json_get(template_->definition, "files"), name, sha) {
		if (code == FNR_OK)
			code = keep_file(target, name, json_object_get_string(sha), strcmp(name, program) == 0, folders, err);
	}
	return code == FNR_OK ? fnr_dir_flush(target, err) : code;
}

int template_store_files(const struct template_version *template_, const char *folder, const char *scripts, struct fnr_error *err)
{
	const struct template_folders folders = TEMPLATE_FOLDERS(folder, scripts);

	return template_store_files_of(template_, &folders, err);
}

int template_store_files_of(const struct template_version *template_, const struct template_folders *folders, struct fnr_error *err)
{
	char final[128], temporary[128], hex[FNR_SHA256_TEXT];
	struct stat info;
	int code;

	if (json_object_object_length(fnr_json_get(template_->definition, "files")) == 0)
		return FNR_OK;
	fnr_hex(template_->digest, 32, hex);
	snprintf(final, sizeof final, KEPT "/%s", hex);
	if (stat(final, &info) == 0 && S_ISDIR(info.st_mode))
		return FNR_OK;
	snprintf(temporary, sizeof temporary, KEPT "/.tmp-%d-%.16s", (int)getpid(), hex);
	code = fnr_tree_remove(temporary, err);
	if (code == FNR_OK)
		code = keep_all(template_, temporary, folders, err);
	/* Somebody else may have been first: what lies there is the same. */
	if (code == FNR_OK && rename(temporary, final) != 0 && errno != EEXIST && errno != ENOTEMPTY)
		code = fnr_fail_errno(err, errno, "%s cannot be put in its place", final);
	if (code == FNR_OK)
		code = fnr_dir_flush(KEPT, err);
	fnr_tree_remove(temporary, NULL);
	return code;
}

void template_files_sweep(void)
{
	DIR *dir = opendir(KEPT);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char path[sizeof KEPT + sizeof entry->d_name + 1];
		int pid;

		if (sscanf(entry->d_name, ".tmp-%d-", &pid) != 1 || pid <= 0 || kill(pid, 0) == 0 || errno != ESRCH)
			continue;
		snprintf(path, sizeof path, KEPT "/%s", entry->d_name);
		fnr_tree_remove(path, NULL);
	}
	if (dir)
		closedir(dir);
}
