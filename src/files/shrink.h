/* Pictures made smaller while they are shown in passing (previews): JPEG, PNG and WebP become a JPEG. Each is decoded by the
 * library that is made for it, JPEG and WebP straight at about the size that is wanted. Pictures of more than SHRINK_PIXELS
 * pixels are left alone; animated ones too. */
#ifndef FNR_FILES_SHRINK_H
#define FNR_FILES_SHRINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define SHRINK_PIXELS (32l << 20)
#define SHRINK_MEDIA_TYPE "image/jpeg"

/* Adds a JPEG whose longer side is `side` pixels to out. False, and nothing is added, if it cannot be made. */
bool shrink(const void *data, size_t len, int side, struct fnr_buf *out);

#endif
