#include "config.h"

#include "files/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"

#define FILE_NAME_MAX 128
#define COPY_BLOCK (1u << 20)
#define COPY_TURN (4u << 20)     /* how often a copy looks up from its work */

bool path_file_name_valid(const char *text)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

	size_t len = strlen(text);
	return len > 0 && len <= FILE_NAME_MAX && strspn(text, allowed) == len && strchr("_.-", text[0]) == NULL;
}

/* ---- opening ---- */

/* "..", absolute and empty paths are refused before the kernel sees them, so that both ways of opening agree. */
static bool path_is_plain(const char *path)
{
	if (path[0] == '\0') {
		errno = ENOENT;
		return false;
	}
	for (const char *part = path; part != NULL; part = strchr(part, '/')) {
		part += part != path ? strspn(part, "/") : 0;
		if (part[0] == '/' || (part[0] == '.' && part[1] == '.' && (part[2] == '/' || part[2] == '\0'))) {
			errno = EXDEV;
			return false;
		}
	}
	return true;
}

/* O_PATH with O_NOFOLLOW would hand out a symlink itself; without it the rules below make it an error. */
static int path_flags(int flags)
{
	return (flags & ~O_NOFOLLOW) | O_CLOEXEC;
}

static int path_open_last(int dirfd, const char *name, int flags, mode_t mode)
{
	int fd = openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
	struct stat st;
	if (fd >= 0 && (flags & O_PATH) && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode)) {
		close(fd);
		errno = ELOOP;
		return -1;
	}
	return fd;
}

int path_open_walk(int dirfd, const char *path, int flags, mode_t mode)
{
	if (!path_is_plain(path))
		return -1;
	char *copy = fnr_strdup(path), *rest = copy, *slash;
	int dir = dirfd, fd = -1;
	while ((slash = strchr(rest, '/')) != NULL && slash[strspn(slash, "/")] != '\0') {
		*slash = '\0';
		int next = path_open_last(dir, rest, O_PATH | O_DIRECTORY, 0);
		int saved = errno;
		/* With O_DIRECTORY a symlink says ENOTDIR; openat2 says ELOOP. */
		struct stat st;
		if (next < 0 && saved == ENOTDIR && fstatat(dir, rest, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
			saved = ELOOP;
		if (dir != dirfd)
			close(dir);
		dir = next;
		errno = saved;
		if (dir < 0)
			break;
		rest = slash + 1;
		rest += strspn(rest, "/");
	}
	if (dir >= 0 || dir == AT_FDCWD)
		fd = path_open_last(dir, rest, path_flags(flags), mode);
	int saved = errno;
	if (dir != dirfd && dir >= 0)
		close(dir);
	free(copy);
	errno = saved;
	return fd;
}

int path_open(int dirfd, const char *path, int flags, mode_t mode)
{
	static bool absent;     /* the kernel, or what filters its calls, does not know openat2 */

	if (!path_is_plain(path))
		return -1;
	struct open_how how = {
		.flags = (uint64_t)(unsigned)path_flags(flags),
		.mode = (flags & (O_CREAT | O_TMPFILE)) ? mode & 07777 : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	if (!absent) {
		long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof how);
		if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
			return (int)fd;
		absent = errno == ENOSYS;
	}
	return path_open_walk(dirfd, path, flags, mode);
}

/* ---- media types ---- */

static const struct media { const char *ending, *type; } media_table[] = {
	{ "png", "image/png" }, { "jpg", "image/jpeg" }, { "jpeg", "image/jpeg" }, { "gif", "image/gif" },
	{ "webp", "image/webp" }, { "avif", "image/avif" }, { "bmp", "image/bmp" }, { "tif", "image/tiff" },
	{ "tiff", "image/tiff" }, { "exr", "image/x-exr" }, { "svg", "image/svg+xml" },
	{ "mp4", "video/mp4" }, { "m4v", "video/mp4" }, { "webm", "video/webm" }, { "mov", "video/quicktime" },
	{ "mkv", "video/x-matroska" }, { "avi", "video/x-msvideo" }, { "ogv", "video/ogg" },
	{ "wav", "audio/wav" }, { "mp3", "audio/mpeg" }, { "flac", "audio/flac" }, { "ogg", "audio/ogg" },
	{ "oga", "audio/ogg" }, { "opus", "audio/ogg" }, { "m4a", "audio/mp4" }, { "aac", "audio/aac" },
	{ "mid", "audio/midi" },
	{ "txt", "text/plain" }, { "log", "text/plain" }, { "md", "text/markdown" }, { "csv", "text/csv" },
	{ "html", "text/html" }, { "htm", "text/html" }, { "css", "text/css" }, { "js", "text/javascript" },
	{ "srt", "application/x-subrip" }, { "vtt", "text/vtt" },
	{ "json", "application/json" }, { "yaml", "application/yaml" }, { "yml", "application/yaml" },
	{ "xml", "application/xml" }, { "pdf", "application/pdf" }, { "zip", "application/zip" },
	{ "tar", "application/x-tar" }, { "gz", "application/gzip" }, { "xz", "application/x-xz" },
	{ "zst", "application/zstd" }, { "npy", "application/x-npy" }, { "safetensors", "application/x-safetensors" },
	{ "glb", "model/gltf-binary" }, { "gltf", "model/gltf+json" }, { "obj", "model/obj" }, { "stl", "model/stl" },
};

const char *path_media_type(const char *file_name)
{
	const char *dot = strrchr(file_name, '.');
	for (size_t i = 0; dot != NULL && i < sizeof media_table / sizeof media_table[0]; i++)
		if (strcasecmp(dot + 1, media_table[i].ending) == 0)
			return media_table[i].type;
	return "application/octet-stream";
}

bool path_media_inline(const char *media_type)
{
	static const char *const images[] = { "image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp" };

	for (size_t i = 0; i < sizeof images / sizeof images[0]; i++)
		if (strcasecmp(media_type, images[i]) == 0)
			return true;
	return strncasecmp(media_type, "video/", 6) == 0 || strncasecmp(media_type, "audio/", 6) == 0;
}

bool path_media_matches(const char *media_type, const char *pattern)
{
	/* "image/png; charset=x" is an image/png. */
	size_t len = strcspn(media_type, "; "), pattern_len = strcspn(pattern, "; ");
	if (pattern_len >= 2 && strncmp(pattern + pattern_len - 2, "/*", 2) == 0)
		return pattern_len == 3 && pattern[0] == '*' ? true
		       : len >= pattern_len && strncasecmp(media_type, pattern, pattern_len - 1) == 0;
	return len == pattern_len && strncasecmp(media_type, pattern, len) == 0;
}

/* ---- copying in ---- */

static int path_open_failed(struct fnr_error *err, int saved, const char *path)
{
	switch (saved) {
	case ENOENT:
		return fnr_fail(err, FNR_E_NOT_FOUND, "there is no file \"%s\"", path);
	case ELOOP:
		return fnr_fail(err, FNR_E_INVALID, "\"%s\" is a symbolic link or lies behind one; only plain files are taken", path);
	case EXDEV:
		return fnr_fail(err, FNR_E_INVALID, "\"%s\" leads out of its folder; give a path relative to the folder", path);
	case ENXIO: /* a socket, or a device without its driver */
		return fnr_fail(err, FNR_E_INVALID, "\"%s\" is not a plain file", path);
	case ENOTDIR:
	case ENAMETOOLONG:
		return fnr_fail(err, FNR_E_INVALID, "\"%s\" does not name a file in its folder", path);
	default:
		return fnr_fail_errno(err, saved, "cannot open \"%s\"", path);
	}
}

int path_open_file(int dirfd, const char *path, uint64_t *size_r, struct fnr_error *err)
{
	int fd = path_open(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0) {
		path_open_failed(err, errno, path);
		return -1;
	}
	struct stat st;
	const char *wrong = NULL;
	if (fstat(fd, &st) != 0)
		wrong = "cannot be examined";
	else if (S_ISDIR(st.st_mode))
		wrong = "is a folder, not a file";
	else if (!S_ISREG(st.st_mode))
		wrong = "is not a plain file but a pipe, socket or device";
	else if (st.st_nlink > 1) /* the other name may lie outside, and what is outside is not ours to hand out */
		wrong = "is a hard link to a file that has another name too; write a file of its own";
	if (wrong != NULL) {
		close(fd);
		fnr_fail(err, FNR_E_INVALID, "\"%s\" %s", path, wrong);
		return -1;
	}
	if (size_r != NULL)
		*size_r = (uint64_t)st.st_size;
	return fd;
}

struct copy {
	int in, out;                    /* out -1: it is only read */
	const char *from, *to;
	uint64_t limit, bytes;
	struct fnr_sha256 *sha;
	path_stop *stop;
	void *context;
};

/* Copies to the end of the file. Writing back begins behind each turn, so that the last flush is short, however large
 * the file is, and the caller gets to say that it is alive. */
static int copy_run(struct copy *copy, char *block, struct fnr_error *err)
{
	uint64_t turn = COPY_TURN;
	int written = copy->out < 0 ? copy->in : copy->out;
	for (;;) {
		ssize_t got = read(copy->in, block, COPY_BLOCK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fnr_fail_errno(err, errno, "cannot read \"%s\"", copy->from);
		if (got == 0)
			break;
		copy->bytes += (uint64_t)got;
		if (copy->bytes > copy->limit)
			return fnr_fail(err, FNR_E_TOO_LARGE, "\"%s\" is larger than %llu bytes", copy->from,
			                (unsigned long long)copy->limit);
		fnr_sha256_add(copy->sha, block, (size_t)got);
		if (copy->out >= 0 && !fnr_write_all(copy->out, block, (size_t)got))
			return fnr_fail_errno(err, errno, "cannot write \"%s\"", copy->to);
		if (copy->bytes < turn)
			continue;
		turn = copy->bytes + COPY_TURN;
		sync_file_range(written, 0, 0, SYNC_FILE_RANGE_WRITE);
		if (copy->stop != NULL && copy->stop(copy->context))
			return fnr_fail(err, FNR_E_TIMEOUT, "the copy of \"%s\" was stopped", copy->from);
	}
	sync_file_range(written, 0, 0, SYNC_FILE_RANGE_WRITE);
	return FNR_OK;
}

static int copy_hashed(struct copy *copy, uint8_t sha256_r[32], struct fnr_error *err)
{
	char *block = fnr_alloc(COPY_BLOCK);
	uint8_t sha256[32];
	copy->sha = fnr_sha256_create();
	int code = copy_run(copy, block, err);
	fnr_sha256_end(copy->sha, sha256);
	free(block);
	if (code == FNR_OK && sha256_r != NULL)
		memcpy(sha256_r, sha256, sizeof sha256);
	return code;
}

static int source_open(struct copy *copy, int dir, struct fnr_error *err)
{
	struct fnr_error why = FNR_ERROR_INIT;
	copy->in = path_open_file(dir, copy->from, NULL, &why);
	int code = copy->in < 0 ? fnr_fail(err, why.code, "%s", why.message) : FNR_OK;
	fnr_error_clear(&why);
	return code;
}

static int target_failed(struct fnr_error *err, int saved, const char *to)
{
	if (saved == EEXIST)
		return fnr_fail(err, FNR_E_EXISTS, "\"%s\" exists already", to);
	return fnr_fail_errno(err, saved, "cannot create \"%s\"", to);
}

int path_copy_in_watched(int from_dir, const char *from, int to_dir, const char *to, uint64_t limit, path_stop *stop,
                         void *context, int *fd_r, uint64_t *bytes_r, uint8_t sha256_r[32], struct fnr_error *err)
{
	struct copy copy = { .in = -1, .out = -1, .from = from, .to = to, .limit = limit, .stop = stop, .context = context };
	int code = source_open(&copy, from_dir, err);
	if (code == FNR_OK && (copy.out = path_open(to_dir, to, O_RDWR | O_CREAT | O_EXCL, 0644)) < 0)
		code = target_failed(err, errno, to);
	else if (code == FNR_OK && (code = copy_hashed(&copy, sha256_r, err)) != FNR_OK)
		unlinkat(to_dir, to, 0); /* just made by us, O_EXCL */
	close(copy.in);
	if (code != FNR_OK) {
		fnr_fd_close(&copy.out);
		return code;
	}
	*fd_r = copy.out;
	if (bytes_r != NULL)
		*bytes_r = copy.bytes;
	return FNR_OK;
}

int path_copy_in(int from_dir, const char *from, int to_dir, const char *to, uint64_t limit, uint64_t *bytes_r,
                 uint8_t sha256_r[32], struct fnr_error *err)
{
	int fd = -1, code = path_copy_in_watched(from_dir, from, to_dir, to, limit, NULL, NULL, &fd, bytes_r, sha256_r, err);
	if (code != FNR_OK)
		return code;
	if (fnr_fault("file.flush") || fsync(fd) != 0) {
		code = fnr_fail_errno(err, errno, "cannot flush \"%s\"", to);
		unlinkat(to_dir, to, 0);
	}
	close(fd);
	return code;
}

int path_move_in_watched(int from_dir, const char *from, int to_dir, const char *to, uint64_t limit, path_stop *stop,
                         void *context, int *fd_r, uint64_t *bytes_r, uint8_t sha256_r[32], struct fnr_error *err)
{
	struct copy copy = { .in = -1, .out = -1, .from = from, .to = to, .limit = limit, .stop = stop, .context = context };
	int code = source_open(&copy, from_dir, err);
	if (code != FNR_OK)
		return code;
	code = copy_hashed(&copy, sha256_r, err);
	bool stays = from_dir == to_dir && strcmp(from, to) == 0;
	if (code == FNR_OK && !stays && syscall(SYS_renameat2, from_dir, from, to_dir, to, RENAME_NOREPLACE) != 0) {
		int saved = errno;
		close(copy.in);
		if (saved == EXDEV || saved == EINVAL || saved == ENOSYS)
			return path_copy_in_watched(from_dir, from, to_dir, to, limit, stop, context, fd_r, bytes_r, sha256_r, err);
		return target_failed(err, saved, to);
	}
	if (code != FNR_OK) {
		close(copy.in);
		return code;
	}
	*fd_r = copy.in;
	if (bytes_r != NULL)
		*bytes_r = copy.bytes;
	return FNR_OK;
}
