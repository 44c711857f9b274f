#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"

#define CHUNK 65536
#define FILES_LEAST 1024

const char *fnr_share_dir(void)
{
	const char *given = getenv("FNR_SHARE");

	return given && given[0] == '/' ? given : FNR_PKGDATADIR;
}

bool fnr_write_all(int fd, const void *data, size_t len)
{
	const char *at = data;
	ssize_t n;

	while (len) {
		n = write(fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

void fnr_fd_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	FNR_MUST(flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
}

void fnr_fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

/* Closes and removes what is not finished; errno stays. */
static void drop(int *fd, const char *path)
{
	int saved = errno;

	fnr_fd_close(fd);
	unlink(path);
	errno = saved;
}

static int read_rest(int fd, const char *path, size_t limit, struct fnr_buf *out, struct fnr_error *err)
{
	size_t begin = out->len;
	ssize_t n;

	for (;;) {
		n = read(fd, fnr_buf_room(out, CHUNK), CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fnr_fail_errno(err, errno, "%s cannot be read", path);
		if (n == 0)
			return FNR_OK;
		out->len += (size_t)n;
		if (out->len - begin > limit)
			return fnr_fail(err, FNR_E_TOO_LARGE, "%s is larger than %zu bytes", path, limit);
	}
}

int fnr_file_read(const char *path, size_t limit, struct fnr_buf *out, struct fnr_error *err)
{
	size_t begin = out->len;
	int fd, code;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return fnr_fail(err, FNR_E_NOT_FOUND, "%s does not exist", path);
	if (fd < 0)
		return fnr_fail_errno(err, errno, "%s cannot be opened", path);
	code = read_rest(fd, path, limit, out, err);
	fnr_fd_close(&fd);
	if (code != FNR_OK) {
		out->len = begin;
		if (out->data)
			out->data[begin] = 0;
	}
	return code;
}

/* The folder that path is in; the caller frees it. */
static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return fnr_strdup(".");
	return fnr_memdup0(path, slash == path ? 1 : (size_t)(slash - path));
}

int fnr_dir_flush(const char *path, struct fnr_error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), code = FNR_OK;

	if (fd < 0)
		return fnr_fail_errno(err, errno, "the folder %s cannot be opened", path);
	if (fsync(fd) < 0)
		code = fnr_fail_errno(err, errno, "the folder %s cannot be flushed", path);
	fnr_fd_close(&fd);
	return code;
}

struct flush { int fd, error; bool beside; pthread_t thread; };

static void *flush_one(void *context)
{
	struct flush *flush = context;

	flush->error = fsync(flush->fd) < 0 ? errno : 0;
	return NULL;
}

bool fnr_flush_all(const int *fds, size_t count)
{
	struct flush flushes[FNR_FLUSH_MOST];
	int error = 0;

	FNR_MUST(count <= FNR_FLUSH_MOST);
	for (size_t i = 0; i < count; i++) {
		flushes[i] = (struct flush){ .fd = fds[i] };
		/* The last one is ours; so are those for which there can be no thread. */
		flushes[i].beside = i + 1 < count && pthread_create(&flushes[i].thread, NULL, flush_one, &flushes[i]) == 0;
		if (!flushes[i].beside)
			flush_one(&flushes[i]);
	}
	for (size_t i = 0; i < count; i++) {
		if (flushes[i].beside)
			pthread_join(flushes[i].thread, NULL);
		if (flushes[i].error)
			error = flushes[i].error;
	}
	if (error)
		errno = error;
	return !error;
}

static int write_beside(const char *folder, const char *path, const void *data, size_t len, mode_t mode,
                        struct fnr_error *err)
{
	char *temporary = fnr_asprintf("%s/" FNR_FILE_UNFINISHED "XXXXXX", folder);
	int fd, code = FNR_OK;

	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		code = fnr_fail_errno(err, errno, "%s cannot be written", path);
	} else if (!fnr_write_all(fd, data, len) || fchmod(fd, mode) < 0 || fsync(fd) < 0 ||
	           rename(temporary, path) < 0) {
		drop(&fd, temporary);
		code = fnr_fail_errno(err, errno, "%s cannot be written", path);
	}
	fnr_fd_close(&fd);
	free(temporary);
	return code;
}

int fnr_file_write(const char *path, const void *data, size_t len, mode_t mode, struct fnr_error *err)
{
	char *folder = parent_of(path);
	int code = write_beside(folder, path, data, len, mode, err);

	if (code == FNR_OK)
		code = fnr_dir_flush(folder, err);
	free(folder);
	return code;
}

int fnr_dir_make(const char *path, mode_t mode, struct fnr_error *err)
{
	char *copy = fnr_strdup(path), *slash = copy;
	int code = FNR_OK;
	struct stat st;

	/* What is in the way, or missing rights, shows at the last folder. */
	while ((slash = strchr(slash + 1, '/'))) {
		*slash = 0;
		mkdir(copy, mode);
		*slash = '/';
	}
	if (mkdir(copy, mode) < 0) {
		if (errno != EEXIST)
			code = fnr_fail_errno(err, errno, "the folder %s cannot be made", path);
		else if (stat(copy, &st) < 0 || !S_ISDIR(st.st_mode))
			code = fnr_fail(err, FNR_E_IO, "%s is in the way: it is not a folder", path);
	}
	free(copy);
	return code;
}

/* A tree is removed without recursion, so that neither depth nor open files limit it: a folder that is not empty gives
 * its folders to the top of the tree and is then removed. */
struct removal {
	int top;
	unsigned long serial; /* of names given to folders at the top */
};

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* Opens a folder without following a symlink, giving ourselves the rights to empty it. */
static int open_folder(int at, const char *name)
{
	int fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), real;
	char self[64];
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && (st.st_mode & S_IRWXU) != S_IRWXU) {
		snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
		chmod(self, S_IRWXU);
	}
	real = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fnr_fd_close(&fd);
	return real;
}

static bool move_to_top(struct removal *removal, int folder, const char *name)
{
	char fresh[32];
	int fd;

	fd = open_folder(folder, name); /* moving a folder needs the right to write to it */
	fnr_fd_close(&fd);
	do {
		snprintf(fresh, sizeof fresh, ".fnr-gone-%lu", removal->serial++);
		if (renameat(folder, name, removal->top, fresh) == 0 || errno == ENOENT)
			return true;
	} while (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR);
	return false;
}

/* Empties `folder`, which is closed; its own folders are empty or at the top afterwards. */
static bool empty(struct removal *removal, int folder)
{
	DIR *dir = fdopendir(folder);
	struct dirent *entry;
	bool good = true;
	int saved;

	if (!dir) {
		fnr_fd_close(&folder);
		return false;
	}
	while (good && (errno = 0, entry = readdir(dir))) {
		if (is_dots(entry->d_name) || unlinkat(folder, entry->d_name, 0) == 0 || errno == ENOENT)
			continue;
		good = errno == EISDIR || errno == EPERM;
		if (good && unlinkat(folder, entry->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			good = (errno == ENOTEMPTY || errno == EEXIST) && move_to_top(removal, folder, entry->d_name);
	}
	good = good && errno == 0;
	saved = errno;
	closedir(dir);
	errno = saved;
	return good;
}

/* Empties each folder that lies at the top and removes it. Returns whether it could, and in left_r whether any was. */
static bool pass(struct removal *removal, bool *left_r)
{
	int fd = openat(removal->top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), saved, child;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool good = dir;

	*left_r = false;
	while (good && (errno = 0, entry = readdir(dir))) {
		if (is_dots(entry->d_name))
			continue;
		*left_r = true;
		if (unlinkat(removal->top, entry->d_name, 0) == 0 || errno == ENOENT)
			continue;
		child = open_folder(removal->top, entry->d_name);
		good = child >= 0 && empty(removal, child) &&
		       (unlinkat(removal->top, entry->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENOTEMPTY);
	}
	good = good && errno == 0;
	saved = errno;
	if (dir)
		closedir(dir);
	else
		fnr_fd_close(&fd);
	errno = saved;
	return good;
}

int fnr_tree_remove(const char *path, struct fnr_error *err)
{
	struct removal removal = { .top = -1 };
	bool good = true, left = true;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? FNR_OK : fnr_fail_errno(err, errno, "%s cannot be removed", path);
	if (!S_ISDIR(st.st_mode)) {
		if (unlink(path) < 0 && errno != ENOENT)
			return fnr_fail_errno(err, errno, "%s cannot be removed", path);
		return FNR_OK;
	}
	removal.top = open_folder(AT_FDCWD, path);
	good = removal.top >= 0;
	while (good && left)
		good = pass(&removal, &left);
	fnr_fd_close(&removal.top);
	if (!good || (rmdir(path) < 0 && errno != ENOENT))
		return fnr_fail_errno(err, errno, "%s cannot be removed", path);
	return FNR_OK;
}

uint64_t fnr_disk_free(const char *path)
{
	struct statvfs disk;

	if (statvfs(path, &disk) != 0)
		return UINT64_MAX;
	if (disk.f_files > 0 && disk.f_favail < FILES_LEAST)     /* some filesystems do not count them */
		return 0;
	return (uint64_t)disk.f_bavail * disk.f_frsize;
}
