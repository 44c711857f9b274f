#include "cli/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "files/path.h"

#define CHUNK (1u << 20)
#define DEPTH_MOST 64

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

void snapshot_catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool snapshot_interrupted(void)
{
	return interrupted;
}

static int stop(struct fnr_error *err)
{
	return fnr_fail(err, FNR_E_TIMEOUT, "interrupted");
}

/* ---- one file ---- */

static int open_regular(int dir, const char *path, struct stat *info, int *fd_r, struct fnr_error *err)
{
	int fd = path_open(dir, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return fnr_fail(err, FNR_E_NOT_FOUND, "%s is not there", path);
	if (fd < 0 && (errno == ELOOP || errno == EXDEV))
		return fnr_fail(err, FNR_E_INVALID, "%s is, or lies behind, a symbolic link", path);
	if (fd < 0)
		return fnr_fail_errno(err, errno, "%s cannot be read", path);
	if (fstat(fd, info) != 0 || !S_ISREG(info->st_mode)) {
		close(fd);
		return fnr_fail(err, FNR_E_INVALID, "%s is no regular file", path);
	}
	*fd_r = fd;
	return FNR_OK;
}

/* Reads to the end; writes it to `to` unless that is negative. */
static int pass(int from, int to, const char *path, struct snapshot_file *file_r, struct fnr_error *err)
{
	struct fnr_sha256 *sha = fnr_sha256_create();
	char *chunk = fnr_alloc(CHUNK);
	int code = FNR_OK;
	ssize_t got = 1;

	file_r->bytes = 0;
	while (code == FNR_OK && got != 0) {
		if (interrupted) {
			code = stop(err);
			break;
		}
		got = read(from, chunk, CHUNK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			code = fnr_fail_errno(err, errno, "%s cannot be read", path);
		else if (got > 0 && to >= 0 && !fnr_write_all(to, chunk, (size_t)got))
			code = fnr_fail_errno(err, errno, "%s cannot be written", path);
		else
			fnr_sha256_add(sha, chunk, (size_t)got);
		file_r->bytes += got > 0 ? (uint64_t)got : 0;
	}
	fnr_sha256_end(sha, file_r->sha256);
	free(chunk);
	return code;
}

/* The folders above path, below dir. */
static int make_parents(int dir, const char *path, struct fnr_error *err)
{
	char part[PATH_MAX];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
		if (mkdirat(dir, part, 0700) != 0 && errno != EEXIST)
			return fnr_fail_errno(err, errno, "the folder %s cannot be made", part);
	}
	return FNR_OK;
}

int snapshot_copy_file(int from_dir, int to_dir, const char *path, struct snapshot_file *file_r, struct fnr_error *err)
{
	struct stat info;
	int from = -1, to = -1, code = open_regular(from_dir, path, &info, &from, err);

	memset(file_r, 0, sizeof *file_r);
	if (code == FNR_OK)
		code = make_parents(to_dir, path, err);
	if (code == FNR_OK && unlinkat(to_dir, path, 0) != 0 && errno != ENOENT)
		code = fnr_fail_errno(err, errno, "%s cannot be replaced", path);
	if (code == FNR_OK) {
		to = path_open(to_dir, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (to < 0)
			code = fnr_fail_errno(err, errno, "%s cannot be written", path);
	}
	if (code == FNR_OK)
		code = pass(from, to, path, file_r, err);
	if (code == FNR_OK)
		file_r->mode = info.st_mode & 0777;
	if (code == FNR_OK && (fchmod(to, file_r->mode) != 0 || fsync(to) != 0))
		code = fnr_fail_errno(err, errno, "%s cannot be written", path);
	fnr_fd_close(&from);
	fnr_fd_close(&to);
	return code;
}

int snapshot_verify_file(int dir, const struct snapshot_file *expected, struct fnr_error *err)
{
	struct snapshot_file found;
	struct stat info;
	int fd = -1, code = open_regular(dir, expected->path, &info, &fd, err);

	if (code != FNR_OK)
		return code;
	code = pass(fd, -1, expected->path, &found, err);
	close(fd);
	if (code == FNR_OK && (found.bytes != expected->bytes || memcmp(found.sha256, expected->sha256, sizeof found.sha256) != 0))
		code = fnr_fail(err, FNR_E_CORRUPT, "%s is not what it was when the backup was made (%llu bytes, were %llu)", expected->path,
		                (unsigned long long)found.bytes, (unsigned long long)expected->bytes);
	return code;
}

/* ---- trees ---- */

typedef int visit(const char *path, void *context, struct fnr_error *err);

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t names_of(int fd, char ***names_r)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	char **names = NULL;
	size_t count = 0, size = 0;

	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (count == size) {
			size = size * 2 + 16;
			names = fnr_realloc(names, size * sizeof *names);
		}
		names[count++] = fnr_strdup(entry->d_name);
	}
	if (dir)
		closedir(dir);
	if (count)
		qsort(names, count, sizeof *names, by_name);
	*names_r = names;
	return count;
}

static int walk(int dir, const char *path, int depth, snapshot_skip *skip, visit *file, void *context, struct fnr_error *err);

static int walk_entry(int dir, const char *path, int depth, snapshot_skip *skip, visit *file, void *context, struct fnr_error *err)
{
	struct stat info;

	if (!fnr_utf8_valid(path, strlen(path))) {
		fprintf(stderr, "fnr: a file in %.*s is left out: its name is no valid UTF-8\n", (int)(strrchr(path, '/') ? strrchr(path, '/') - path : 0), path);
		return FNR_OK;
	}
	if (fstatat(dir, path, &info, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? FNR_OK : fnr_fail_errno(err, errno, "%s cannot be read", path);
	if (S_ISDIR(info.st_mode))
		return walk(dir, path, depth + 1, skip, file, context, err);
	if (S_ISREG(info.st_mode))
		return file(path, context, err);
	fprintf(stderr, "fnr: %s is left out: it is no regular file\n", path);
	return FNR_OK;
}

/* Every file below path, in the order of names. What goes away meanwhile is passed over. */
static int walk(int dir, const char *path, int depth, snapshot_skip *skip, visit *file, void *context, struct fnr_error *err)
{
	int fd = path_open(dir, *path ? path : ".", O_RDONLY | O_DIRECTORY, 0), code = FNR_OK;
	char **names = NULL;
	size_t count;

	if (fd < 0)
		return errno == ENOENT ? FNR_OK : fnr_fail_errno(err, errno, "the folder %s cannot be read", path);
	if (depth > DEPTH_MOST) {
		close(fd);
		return fnr_fail(err, FNR_E_INVALID, "%s lies too deep", path);
	}
	count = names_of(fd, &names);
	for (size_t i = 0; i < count; i++) {
		char *below = *path ? fnr_asprintf("%s/%s", path, names[i]) : fnr_strdup(names[i]);

		if (interrupted)
			code = stop(err);
		if (code == FNR_OK && !(skip && skip(below, names[i])))
			code = strlen(below) < PATH_MAX ? walk_entry(dir, below, depth, skip, file, context, err)
			                                : fnr_fail(err, FNR_E_INVALID, "the path %.80s… is too long", below);
		free(below);
		free(names[i]);
	}
	free(names);
	return code;
}

struct copying { int from, to; };

static int copy_visited(const char *path, void *context, struct fnr_error *err)
{
	struct copying *copying = context;
	struct snapshot_file file;
	int code = snapshot_copy_file(copying->from, copying->to, path, &file, err);

	if (code != FNR_E_NOT_FOUND)
		return code;
	fnr_error_clear(err);
	return FNR_OK;
}

int snapshot_copy_tree(int from_dir, int to_dir, const char *path, snapshot_skip *skip, struct fnr_error *err)
{
	struct copying copying = { from_dir, to_dir };

	return walk(from_dir, path, 0, skip, copy_visited, &copying, err);
}

/* ---- the manifest ---- */

struct writing { int dir; struct fnr_buf text; struct snapshot_sum sum; };

static void add_line(struct fnr_buf *text, struct json_object *line)
{
	fnr_buf_puts(text, fnr_json_text(line, NULL));
	fnr_buf_puts(text, "\n");
	json_object_put(line);
}

static int list_visited(const char *path, void *context, struct fnr_error *err)
{
	struct writing *writing = context;
	struct snapshot_file file;
	struct json_object *line;
	struct stat info;
	char hex[FNR_SHA256_TEXT];
	int fd = -1, code = open_regular(writing->dir, path, &info, &fd, err);

	if (code == FNR_OK)
		code = pass(fd, -1, path, &file, err);
	fnr_fd_close(&fd);
	if (code != FNR_OK)
		return code;
	line = json_object_new_object();
	fnr_json_set_text(line, "path", path);
	fnr_json_set_int(line, "bytes", (int64_t)file.bytes);
	fnr_json_set_text(line, "sha256", fnr_hex(file.sha256, sizeof file.sha256, hex));
	fnr_json_set_int(line, "mode", info.st_mode & 0777);
	add_line(&writing->text, line);
	writing->sum.files++;
	writing->sum.bytes += file.bytes;
	return FNR_OK;
}

int snapshot_manifest_write(int dir, struct json_object *head, struct snapshot_sum *sum_r, struct fnr_error *err)
{
	struct writing writing = { .dir = dir };
	struct json_object *end;
	uint8_t sha[FNR_SHA256_SIZE];
	char hex[FNR_SHA256_TEXT];
	int fd, code;

	fnr_json_set_int(head, "format", SNAPSHOT_FORMAT);
	add_line(&writing.text, head);
	code = walk(dir, "", 0, NULL, list_visited, &writing, err);
	fnr_sha256_of(writing.text.data, writing.text.len, sha);
	end = json_object_new_object();
	fnr_json_set_bool(end, "end", true);
	fnr_json_set_int(end, "files", (int64_t)writing.sum.files);
	fnr_json_set_int(end, "bytes", (int64_t)writing.sum.bytes);
	fnr_json_set_text(end, "sha256", fnr_hex(sha, sizeof sha, hex));
	add_line(&writing.text, end);
	fd = code == FNR_OK ? openat(dir, SNAPSHOT_MANIFEST, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
	if (code == FNR_OK && (fd < 0 || !fnr_write_all(fd, writing.text.data, writing.text.len) || fsync(fd) != 0))
		code = fnr_fail_errno(err, errno, "the manifest cannot be written");
	fnr_fd_close(&fd);
	fnr_buf_free(&writing.text);
	*sum_r = writing.sum;
	return code;
}
