/* Checks and small operations on text. */
#ifndef FNR_BASE_TEXT_H
#define FNR_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

bool fnr_utf8_valid(const char *data, size_t len);       /* RFC 3629: no overlong forms, no surrogates */
size_t fnr_utf8_step(const char *data, size_t len);      /* bytes of the first character, 0 if it is broken or len is 0 */
size_t fnr_utf8_length(const char *text);                /* code points of valid text */
void fnr_text_clean(char *text);                         /* control characters and broken UTF-8 become '?' in place;
                                                            tabs and line ends become spaces */
void fnr_text_clean_directions(char *text);              /* marks that turn the direction of all that follows become U+FFFD in
                                                            place: with them nobody would see what stands where */
void fnr_text_copy(char *out, size_t size, const char *text); /* cuts at a character boundary, always ends with 0 */

/* Is part somewhere in text, capitals or not, in any script? Both are valid UTF-8. */
bool fnr_text_has(const char *text, const char *part);

double fnr_text_real(const char *text); /* strtod() with the decimal point, whatever the process's locale */

/* Names that become paths or parts of addresses (projects, shots, templates, outputs, queues, backends): 1 to 64
 * characters of A-Z a-z 0-9 _ . -, the first a letter or digit. So never "..", hidden, or with a slash. */
bool fnr_name_valid(const char *text);
#define FNR_NAME_RULE "1 to 64 letters, digits, '_', '-' or '.', beginning with a letter or digit"

/* The nearest of the count words to text by edit distance (at most 3 edits, and about half of it; capitals count as small
 * letters), else the only one that begins with text, or NULL: for "did you mean". */
const char *fnr_text_nearest(const char *text, const char *const *words, size_t count);

#endif
