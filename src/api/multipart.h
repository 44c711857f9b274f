/* The first file of a multipart/form-data body (RFC 7578) that lies in a file, read in pieces. */
#ifndef FNR_API_MULTIPART_H
#define FNR_API_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct multipart_part {
	char name[256];               /* as the client called the file; not cleaned; cut to fit */
	char media_type[128];         /* "" if the part says none */
};

/* Takes the content of the part, piece by piece; a code other than FNR_OK ends the reading. */
typedef int multipart_sink(const void *data, size_t len, void *context, struct fnr_error *err);

bool multipart_is(const char *content_type);   /* multipart/form-data; content_type may be NULL */

/* Reads the body from fd. FNR_E_MALFORMED if it is broken or cut off, FNR_E_INVALID if no part is a file. */
int multipart_first_file(int fd, const char *content_type, struct multipart_part *part_r, multipart_sink *sink, void *context,
                         struct fnr_error *err);

/* The parameter `name` of a header like `form-data; name="a"; filename="b.png"`: quotes taken off, \" and the %22 of
 * browsers undone. False if it is not there. */
bool multipart_parameter(const char *header, const char *name, char *out, size_t size);

#endif
