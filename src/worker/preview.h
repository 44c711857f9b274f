/* Previews no larger than they are shown: what a server sends is made smaller before it goes to everybody who watches. */
#ifndef FNR_WORKER_PREVIEW_H
#define FNR_WORKER_PREVIEW_H

#include <stdbool.h>

#include "base/buf.h"

/* If the longer side of the picture is more than `side` pixels, it becomes a JPEG of that size, in place. It is decoded in a process
 * of its own that can compute and write its result, nothing else, and for PREVIEW_MS at most: whatever the bytes do to a decoder,
 * the worker goes on. What cannot be made smaller stays as it is if it has no more than PREVIEW_PLAIN bytes; else false, and it is not to be shown. */
bool preview_fit(struct fnr_buf *picture, char media_type[64], int side);

#define PREVIEW_MS 2000
#define PREVIEW_PLAIN (256u << 10)

#endif
