/* Names of members, told apart by their first bytes. */
#ifndef FNR_SCHEMA_SHAPE_H
#define FNR_SCHEMA_SHAPE_H

#include "schema/program.h"

static inline unsigned shape_slot(const char *name)
{
	unsigned first = (unsigned char)name[0], second = first ? (unsigned char)name[1] : 0;

	return (first * 29 + second * 7) % SHAPE_SLOTS;
}

#endif
