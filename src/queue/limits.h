/* Limits on how many jobs of a queue, project, template or tier run at the same time, and on how many start a minute. What has
 * reached one has its gate closed (lanes.h). Logic without I/O: the counts come from those who start and end jobs.
 *
 * Starts are spread evenly over the minute; at most LIMITS_BURST_MS worth of them come at once. Times are CLOCK_BOOTTIME in ms.
 */
#ifndef FNR_QUEUE_LIMITS_H
#define FNR_QUEUE_LIMITS_H

#include "queue/lanes.h"

#define LIMITS_BURST_MS 100

struct limits;

struct limits *limits_create(struct lanes *lanes);       /* lanes: borrowed for its life */
void limits_free(struct limits *limits);                 /* NULL is allowed */

void limits_set(struct limits *limits, enum lanes_gate kind, uint32_t number, struct store_limit limit, int64_t now);
void limits_started(struct limits *limits, enum lanes_gate kind, uint32_t number, int64_t now);
void limits_ended(struct limits *limits, enum lanes_gate kind, uint32_t number, int64_t now);
/* One was started then, by an earlier life: the next start keeps its distance from it. */
void limits_past_start(struct limits *limits, enum lanes_gate kind, uint32_t number, int64_t then, int64_t now);

int64_t limits_next(const struct limits *limits);        /* when limits_tick has something to do; INT64_MAX: never */
void limits_tick(struct limits *limits, int64_t now);

/* Those that are reached now. */
typedef void limits_row(enum lanes_gate kind, uint32_t number, enum lanes_reason reason, void *context);
void limits_reached(const struct limits *limits, limits_row *row, void *context);

#endif
