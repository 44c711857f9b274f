/* A backup on the disk: a folder that lies like a data directory, and a manifest that names every file of it.
 *
 * The manifest has one JSON object a line: first what it is ({"format":1,"made_at",…}), then each file
 * ({"path","bytes","sha256","mode"}), last {"end":true,"files","bytes","sha256"} with the digest of all lines above, so that
 * one that was cut or changed is noticed. Paths are relative and hold no "..".
 */
#ifndef FNR_CLI_SNAPSHOT_H
#define FNR_CLI_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"

#define SNAPSHOT_FORMAT 1
#define SNAPSHOT_MANIFEST "manifest"

struct snapshot_file { const char *path; uint64_t bytes; uint8_t sha256[FNR_SHA256_SIZE]; mode_t mode; };
struct snapshot_sum { uint64_t files, bytes; };

/* SIGINT and SIGTERM end what is being done, in good order: every call below then fails with FNR_E_TIMEOUT. */
void snapshot_catch_signals(void);
bool snapshot_interrupted(void);

/* Copies one regular file, making the folders above it below to_dir; what it wrote is in *file_r (path aside). A copy of
 * that name is replaced. Follows no symlink. FNR_E_NOT_FOUND, FNR_E_INVALID (no regular file), FNR_E_FULL, FNR_E_IO. */
int snapshot_copy_file(int from_dir, int to_dir, const char *path, struct snapshot_file *file_r, struct fnr_error *err);

/* Copies every regular file below from_dir/path, but those whose path `skip` (may be NULL) wants left out; what goes away
 * while it is copied is left out too, as are symlinks, which are named on standard error. Absent is fine. */
typedef bool snapshot_skip(const char *path, const char *name);
int snapshot_copy_tree(int from_dir, int to_dir, const char *path, snapshot_skip *skip, struct fnr_error *err);

/* Writes the manifest of everything in the folder, flushed. head is its first line, without "format", and is put. */
int snapshot_manifest_write(int dir, struct json_object *head, struct snapshot_sum *sum_r, struct fnr_error *err);

/* Reads the manifest in dir to its end and hands each file to row, which returns FNR_OK to go on. *head_r is put by the
 * caller; it may be set on failure too. */
typedef int snapshot_row(const struct snapshot_file *file, void *context, struct fnr_error *err);
int snapshot_manifest_read(int dir, snapshot_row *row, void *context, struct json_object **head_r, struct snapshot_sum *sum_r,
                           struct fnr_error *err);

/* Size and digest of the file below dir, compared with what is expected. FNR_E_CORRUPT names it. */
int snapshot_verify_file(int dir, const struct snapshot_file *expected, struct fnr_error *err);

#endif
