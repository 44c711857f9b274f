/* What happened in a queue during the last minute. Logic without I/O; times are CLOCK_BOOTTIME in ms. */
#ifndef FNR_QUEUE_FIGURES_H
#define FNR_QUEUE_FIGURES_H

#include <stdint.h>

#define FIGURES_SECONDS 60

struct figures_sum { uint64_t started, completed, failed, waited_ms, waited_most_ms; };
struct figures { int64_t second[FIGURES_SECONDS]; struct figures_sum sums[FIGURES_SECONDS]; };   /* zeros: nothing yet */

void figures_started(struct figures *figures, int64_t now, int64_t waited_ms);
void figures_completed(struct figures *figures, int64_t now);
void figures_failed(struct figures *figures, int64_t now);      /* an attempt, whether or not it is tried again */
struct figures_sum figures_minute(const struct figures *figures, int64_t now);

#endif
