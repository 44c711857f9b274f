/* Ids: UUID version 7 (RFC 9562), 16 bytes, whose byte order is the order of making. */
#ifndef FNR_BASE_ID_H
#define FNR_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fnr_id { uint8_t bytes[16]; };
#define FNR_ID_TEXT 37 /* 36 characters and the 0 */
static const struct fnr_id FNR_ID_NONE __attribute__((unused)) = { { 0 } };

/* A new id that is larger than *last; *last becomes it. The time in it is the wall clock, or last's when that is
 * later (a clock that went back); then the 12+62 bits behind it count on. Method 1/3 of RFC 9562 section 6.2. */
struct fnr_id fnr_id_next(struct fnr_id *last);
struct fnr_id fnr_id_random(void);                 /* a version 7 id with no order promised */
bool fnr_id_is_none(const struct fnr_id *id);
int fnr_id_compare(const struct fnr_id *a, const struct fnr_id *b); /* as memcmp */
char *fnr_id_format(const struct fnr_id *id, char out[FNR_ID_TEXT]);  /* lower case, hyphens; returns out */
bool fnr_id_parse(const char *text, struct fnr_id *id); /* exactly the form that format writes; either case */

void fnr_random(void *out, size_t size);           /* from getrandom(2) */

#endif
