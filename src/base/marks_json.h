/* Where the values of a JSON text stand: for marks.c only. libyaml, which reads most of JSON, knows no surrogate pairs. */
#ifndef FNR_BASE_MARKS_JSON_H
#define FNR_BASE_MARKS_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/marks.h"

#define MARKS_POINTER 1024    /* room for a JSON Pointer; a longer one is cut */
#define MARKS_DEPTH 128

/* Adds a value; false: there are too many. */
bool marks_add(struct fnr_marks *marks, const char *pointer, size_t line, size_t column);

/* Appends "/" + name to a pointer. */
void marks_step(char pointer[MARKS_POINTER], const char *name);

/* All values of a text that is sound JSON, an object or a list. false if it is not, or has too many; some are added then. */
bool marks_read_json(struct fnr_marks *marks, const char *text, size_t len);

#endif
