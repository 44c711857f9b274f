/* Safe paths: the one place where names from outside become files. Everything is opened below a directory handle with
 * openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS), so no name, however it looks, leads outside. */
#ifndef FNR_FILES_PATH_H
#define FNR_FILES_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/json.h"

/* The name of a file of a result: like fnr_name_valid, up to 128 characters. */
bool path_file_name_valid(const char *text);

/* Opens below dirfd; flags as for openat. Returns a close-on-exec descriptor or -1 with errno. Works without openat2
 * (ENOSYS) by walking with O_NOFOLLOW. */
int path_open(int dirfd, const char *path, int flags, mode_t mode);
int path_open_walk(int dirfd, const char *path, int flags, mode_t mode);   /* the way without openat2, for its test */

/* Our own table of media types by file name ("image/png"); "application/octet-stream" if unknown. */
const char *path_media_type(const char *file_name);
/* May a browser show it in place? Raster images, video, audio; everything else is sent as an attachment. */
bool path_media_inline(const char *media_type);
/* Does media_type fit one of the patterns ("audio/wav", or a type with a star behind the slash)? */
bool path_media_matches(const char *media_type, const char *pattern);

/* Opens the regular file `path` below dirfd for reading; *size_r may be NULL. Never blocks. Returns a descriptor, or -1
 * with *err: FNR_E_NOT_FOUND, FNR_E_INVALID for what is no plain file of the folder itself (a symlink anywhere on the
 * way, a folder, FIFO, socket or device, a file with a second hard link, a path that leads outside), FNR_E_IO. */
int path_open_file(int dirfd, const char *path, uint64_t *size_r, struct fnr_error *err);

/* Copies the regular file `from` below from_dir to a new file `to` below to_dir while computing its SHA-256, and
 * flushes it. Fails as path_open_file, with FNR_E_TOO_LARGE beyond `limit` bytes, FNR_E_EXISTS, FNR_E_FULL, FNR_E_IO;
 * a file that was begun is removed again. */
int path_copy_in(int from_dir, const char *from, int to_dir, const char *to, uint64_t limit, uint64_t *bytes_r,
                 uint8_t sha256_r[32], struct fnr_error *err);

/* The same for files that may be large: `stop` is called at least once a 4 MiB; when it returns true the copy ends
 * with FNR_E_TIMEOUT. It is not flushed, which is for the caller to do: *fd_r is open for that, and for reading. */
typedef bool path_stop(void *context);
int path_copy_in_watched(int from_dir, const char *from, int to_dir, const char *to, uint64_t limit, path_stop *stop,
                         void *context, int *fd_r, uint64_t *bytes_r, uint8_t sha256_r[32], struct fnr_error *err);

/* The same for a file that this process has made and nobody else knows: it is moved, where that is possible. Where both are the same
 * it stays. */
int path_move_in_watched(int from_dir, const char *from, int to_dir, const char *to, uint64_t limit, path_stop *stop,
                         void *context, int *fd_r, uint64_t *bytes_r, uint8_t sha256_r[32], struct fnr_error *err);

/* Width and height of PNG, JPEG, GIF, WebP by their headers. False if unknown. */
bool path_picture_size(int fd, int *width_r, int *height_r);
bool path_picture_size_of(const void *data, size_t len, int *width_r, int *height_r);

#endif
