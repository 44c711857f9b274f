/* Archives in the tar format (POSIX), but for the bytes of the files: what stands before and behind these. */
#ifndef FNR_FILES_TAR_H
#define FNR_FILES_TAR_H

#include <stdint.h>

#include "base/buf.h"

/* The head of a file; its bytes follow, then what tar_fill adds. Names of any length, files of any size. */
void tar_head(struct fnr_buf *out, const char *name, uint64_t bytes, int64_t modified_s);
void tar_fill(struct fnr_buf *out, uint64_t bytes);
void tar_end(struct fnr_buf *out);

#endif
