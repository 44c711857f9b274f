/* Names of members, told apart by their first bytes. */
#ifndef FNR_SCHEMA_SHAPE_H
#define FNR_SCHEMA_SHAPE_H

#include <string.h>

#include "schema/program.h"

static inline unsigned shape_slot(const char *name)
{
	unsigned first = (unsigned char)name[0], second = first ? (unsigned char)name[1] : 0;

	return (first * 29 + second * 7) % SHAPE_SLOTS;
}

/* As strcmp() == 0; names are short, and a call costs more. */
static inline bool same_name(const char *a, const char *b)
{
	for (size_t i = 0; a[i] == b[i]; i++)
		if (!a[i])
			return true;
	return false;
}

#endif
