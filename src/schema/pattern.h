/* Regular expressions of schemas, in the dialect of JSON Schema: ECMA-262 with the u flag (ecma.c), run by PCRE2. \d and \w are
 * ASCII, $ is the very end, nothing is anchored by itself; what only other dialects have is refused, so that a pattern means
 * the same here and in a browser.
 *
 * Matching is bounded in steps, memory and processor time: no text makes it run long. A pattern that is used often is
 * compiled to machine code where the system allows that. For one thread only.
 */
#ifndef FNR_SCHEMA_PATTERN_H
#define FNR_SCHEMA_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERN_LENGTH 4000   /* longest pattern, in bytes */
#define PATTERN_TIME_MS 1000  /* of the processor, for all the matches that share a clock */

enum pattern_result { PATTERN_FITS, PATTERN_DIFFERS, PATTERN_TOO_HARD };

/* What several matches may cost together. Begin with zeros. */
struct pattern_clock { unsigned matches; int64_t end; };

/* A pattern to keep. NULL if it cannot be used; message says why and where. */
struct pattern *pattern_create(const char *text, size_t len, char *message, size_t size);
void pattern_free(struct pattern *pattern);
/* What a plain pattern is read along the text with (plain.h); NULL: it is another. */
const struct plain *pattern_plain(const struct pattern *pattern);
enum pattern_result pattern_run(struct pattern *pattern, const char *text, size_t len, struct pattern_clock *clock);

/* Can the pattern be used? If not, message says why and where. */
bool pattern_sound(const char *pattern, char *message, size_t size);

/* The same for a pattern that is known by its text: it is kept, so that it costs its compilation once a process. One that
 * is not sound fits nothing. */
enum pattern_result pattern_match(const char *pattern, const char *text, size_t len);

#endif
