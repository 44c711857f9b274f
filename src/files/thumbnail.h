/* Small pictures of results: thumbnails of pictures, posters of films, waveforms of sound. WebP (RFC 9649) whose longer side
 * is at most 512 pixels, named by the SHA-256 of the result: thumbnails/ab/abcd….webp in the data directory. */
#ifndef FNR_FILES_THUMBNAIL_H
#define FNR_FILES_THUMBNAIL_H

#include <stdbool.h>

#include "base/err.h"

#define THUMBNAIL_PATH 96
#define THUMBNAIL_MEDIA_TYPE "image/webp"

/* Of what can there be one, by its media type? */
bool thumbnail_possible(const char *media_type);

/* Where it is; sha256 in 64 hexadecimal digits. */
void thumbnail_path(char out[THUMBNAIL_PATH], const char *sha256);

/* Puts the file `from` below from_dir in its place, whole or not at all; one that is there is replaced. Relative to the working
 * directory, which is the data directory. Errors as of path_copy_in. */
int thumbnail_put(int from_dir, const char *from, const char *sha256, struct fnr_error *err);

#endif
