/* Plain patterns: "^", up to eight sets of ASCII characters with how often each may come, "$", where what has been read
 * leaves no choice, as in ^[a-z][a-z0-9_]*$. Names and the like are mostly described so, and reading such a pattern along the
 * text is several times as fast as the machine for all of them. */
#ifndef FNR_SCHEMA_PLAIN_H
#define FNR_SCHEMA_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAIN_SETS 8

struct plain {
	uint8_t sets[256];           /* of each character: bit i is set where it belongs to the set i */
	struct { size_t least, most; } times[PLAIN_SETS];
	size_t count;
};

/* false: the pattern is another, or no sound one. */
bool plain_read(struct plain *plain, const char *pattern, size_t len);
bool plain_fits(const struct plain *plain, const char *text, size_t len);

#endif
