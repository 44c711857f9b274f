/* Regular expressions of schemas, over PCRE2, in the dialect of JSON Schema (ECMA-262 with the u flag) as far as the two
 * agree: \d and \w are ASCII, $ is the very end, \uHHHH is understood. Nothing is anchored by itself.
 *
 * Compiled patterns are kept, so that a pattern costs its compilation once a process. Matching is bounded in steps and
 * memory: no text makes it run long. For one thread only.
 */
#ifndef FNR_SCHEMA_PATTERN_H
#define FNR_SCHEMA_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#define PATTERN_LENGTH 1000   /* longest pattern, in bytes */

enum pattern_result { PATTERN_FITS, PATTERN_DIFFERS, PATTERN_TOO_HARD };

/* Can the pattern be used? If not, message says why and where. */
bool pattern_sound(const char *pattern, char *message, size_t size);

/* A pattern that is not sound fits nothing. */
enum pattern_result pattern_match(const char *pattern, const char *text, size_t len);

#endif
