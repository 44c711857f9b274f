/* Where the values of a YAML or JSON text stand, by their JSON Pointers: for reports about a text that was parsed already.
 * Reading it again only when there is something to report keeps parsing cheap. */
#ifndef FNR_BASE_MARKS_H
#define FNR_BASE_MARKS_H

#include <stddef.h>

struct fnr_marks;

/* NULL if the text is neither, or has more than 100 000 values. Borrows text. */
struct fnr_marks *fnr_marks_read(const char *text, size_t len);
void fnr_marks_free(struct fnr_marks *marks);   /* NULL is allowed */

/* Where the value stands, or the nearest one around it, both from 1: a member at its name. Returns how many bytes of the pointer
 * were found: all of them if the value itself is there. */
size_t fnr_marks_find(const struct fnr_marks *marks, const char *pointer, size_t *line_r, size_t *column_r);

/* The line, without what cannot be seen; of a line that does not fit in `size` bytes, the part at the column, with "…" where
 * something is left out. Returns the column, from 1, that the place has in it. "" if there is no such line. */
size_t fnr_marks_excerpt(const char *text, size_t len, size_t line, size_t column, char *out, size_t size);

#endif
