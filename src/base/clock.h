/* Clocks. Wall time is milliseconds since 1970 UTC; durations use CLOCK_BOOTTIME, which never goes back and counts
 * suspended time. Times cross the API as RFC 3339 UTC with milliseconds: 2026-11-23T12:00:00.123Z. */
#ifndef FNR_BASE_CLOCK_H
#define FNR_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define FNR_TIME_SIZE 32

int64_t fnr_now_ms(void);        /* wall clock */
int64_t fnr_mono_ms(void);       /* CLOCK_BOOTTIME */
int64_t fnr_mono_ns(void);

/* Writes the RFC 3339 form; returns out. */
char *fnr_time_format(int64_t ms, char out[FNR_TIME_SIZE]);

/* Reads RFC 3339 with any offset, optional fraction; years 1970 to 9999. False if it is not one. */
bool fnr_time_parse(const char *text, int64_t *ms);

/* Do two clocks say that about the same time has passed since the same moment? Parted by `most` or more they do not. */
bool fnr_clocks_agree(int64_t one_ms, int64_t other_ms, int64_t most_ms);

#endif
