/* Counts by the minute, in memory that processes share: of requests by API key, of failed sign-ins by address. A table of fixed size:
 * when too many are counted at the same time, some are not. */
#ifndef FNR_API_METER_H
#define FNR_API_METER_H

#include <stdatomic.h>
#include <stdint.h>

#define METER_ENTRIES 4096

/* All zeros: nothing was counted. */
struct meter { struct { _Atomic uint64_t key, count; } entries[METER_ENTRIES]; };

enum meter_kind { METER_KEY = 1, METER_ADDRESS };

/* One more of `name` in this minute (now: CLOCK_BOOTTIME in ms). How many it were, with this one; 0 if the table is full. */
uint32_t meter_add(struct meter *meter, enum meter_kind kind, const char *name, int64_t now);
uint32_t meter_read(struct meter *meter, enum meter_kind kind, const char *name, int64_t now);     /* the same, without one more */
int meter_left_s(int64_t now);        /* of this minute, at least 1 */

#endif
