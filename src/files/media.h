/* What kind of file an upload or a fetched file is, and what it is called. */
#ifndef FNR_FILES_MEDIA_H
#define FNR_FILES_MEDIA_H

#include <stddef.h>

/* By the first bytes of the file, which win over everything; then what the client said, unless that says nothing; then
 * the file's name. declared may be NULL; out gets "type/subtype" in lower case, without parameters. */
#define MEDIA_HEAD 512
void media_type_of(const void *head, size_t len, const char *declared, const char *name, char out[64]);

/* The usual suffix of a file of that type, with its dot; "" if we know none. */
const char *media_suffix(const char *media_type);

/* The last part of a path, without control characters, cut to fit; "" stays "". */
void media_clean_name(const char *name, char out[132]);

#endif
