/* ECMA-262 regular expressions, with the u flag, put into the dialect of PCRE2. */
#ifndef FNR_SCHEMA_ECMA_H
#define FNR_SCHEMA_ECMA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Adds the pattern to out. False if it is none: message says why and where. What only PCRE2 would refuse (a bracket without
 * its other half, a group that is not there) is left to it. More lenient than ECMA-262 in this: a punctuation character may
 * have a backslash before it though it needs none, and a brace that begins no count stands for itself. */
bool ecma_translate(const char *text, size_t len, struct fnr_buf *out, char *message, size_t size);

#endif
