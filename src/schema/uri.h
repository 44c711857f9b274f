/* Addresses of schemas: relative ones are resolved as RFC 3986, section 5.2 has it. */
#ifndef FNR_SCHEMA_URI_H
#define FNR_SCHEMA_URI_H

#include "base/mem.h"

/* `reference` seen from `base`, with its fragment. In the arena. */
char *uri_resolve(struct fnr_arena *arena, const char *base, const char *reference);

/* Decodes %XX of a fragment; NULL if it is not well written or holds a 0 byte. In the arena. */
char *uri_decode(struct fnr_arena *arena, const char *text);

#endif
