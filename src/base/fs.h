/* Files of our own making: whole-file reads and durable writes. Foreign names go through files/path.h first. */
#ifndef FNR_BASE_FS_H
#define FNR_BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

int fnr_file_read(const char *path, size_t limit, struct fnr_buf *out, struct fnr_error *err); /* FNR_E_NOT_FOUND, FNR_E_TOO_LARGE, FNR_E_IO */

/* Writes a temporary file beside path, whose name begins with FNR_FILE_UNFINISHED, flushes it, renames it, flushes the folder: the file
 * is there whole or not at all. */
#define FNR_FILE_UNFINISHED ".fnr-"
int fnr_file_write(const char *path, const void *data, size_t len, mode_t mode, struct fnr_error *err);

int fnr_dir_make(const char *path, mode_t mode, struct fnr_error *err);   /* with parents; existing is fine */
int fnr_dir_flush(const char *path, struct fnr_error *err);               /* fsync of a folder */
/* fsync of up to FNR_FLUSH_MOST open files and folders at the same time: the disk makes the waits for one, or few, of them.
 * False, with errno of one of them, if any could not be flushed. */
#define FNR_FLUSH_MOST 16
bool fnr_flush_all(const int *fds, size_t count);
int fnr_tree_remove(const char *path, struct fnr_error *err);             /* follows no symlink; absent is fine */

bool fnr_write_all(int fd, const void *data, size_t len);                 /* retries short writes and EINTR */
void fnr_fd_nonblock(int fd);
void fnr_fd_close(int *fd);                                               /* closes and sets to -1 */

/* Bytes that are free on the disk where path lies; 0 if hardly a file can be made there, however many bytes there are. UINT64_MAX:
 * nobody knows. */
uint64_t fnr_disk_free(const char *path);

const char *fnr_share_dir(void);   /* where the installation's own files are; FNR_SHARE says so when it runs from elsewhere */

#endif
