/* Base64 (RFC 4648 section 4): the plain alphabet, with its padding, nothing between. */
#ifndef FNR_BASE_BASE64_H
#define FNR_BASE_BASE64_H

#include <stddef.h>

/* How many bytes the text stands for; SIZE_MAX if it is not Base64. */
size_t fnr_base64_size(const char *text, size_t len);

/* Writes them. The text must be sound, and out have room for them. */
void fnr_base64_decode(const char *text, size_t len, void *out);

#endif
