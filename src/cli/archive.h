/* Backups in one file: packed and unpacked by the program tar. */
#ifndef FNR_CLI_ARCHIVE_H
#define FNR_CLI_ARCHIVE_H

#include <stdbool.h>

#include "base/err.h"

bool archive_is_name(const char *path);     /* ends in .tar, .tar.gz, .tgz, .tar.xz or .tar.zst: packed by that */
int archive_pack(const char *folder, const char *file, struct fnr_error *err);      /* what is in the folder; the file is flushed */
int archive_unpack(const char *file, const char *folder, struct fnr_error *err);

#endif
