/* Which waiting job is next. A lane is a line of waiting jobs that are alike to the scheduler (design.md, "Lanes");
 * only the head of each is held in memory, whatever waits behind it. The order:
 *
 *   1. lanes of the queue that goes first (lanes_first_queue), then all others;
 *   2. the highest effective priority: priority plus one for each LANES_AGE_MS that the head has waited, at most 10;
 *   3. the project whose turn it is: start-time fair queueing inside each effective priority, by weights;
 *   4. of its lanes the one with the oldest head.
 *
 * Logic without I/O. The caller reads heads from the store: after it took one with lanes_took, it looks for the
 * lane's next with store_lane_first(seq + 1) and says lanes_advance or lanes_drop.
 */
#ifndef FNR_QUEUE_LANES_H
#define FNR_QUEUE_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

#define LANES_AGE_MS 60000
#define LANES_LEVELS 11      /* effective priorities 0 to 10 */

/* Why a lane stands still. What ends the reason wakes all lanes that are parked on it. */
enum lane_reason { LANE_RUNS = 0, LANE_LIMIT, LANE_RESOURCES };

struct lanes;

struct lanes *lanes_create(void);
void lanes_free(struct lanes *lanes);                    /* NULL is allowed */
void lanes_clear(struct lanes *lanes);                   /* forgets the lanes, keeps the projects' turns */
void lanes_first_queue(struct lanes *lanes, uint16_t queue);   /* number of the queue that goes first; 0: none */

/* Lanes of a paused queue do not run, now or when they come. At most LANES_PAUSED queues. */
#define LANES_PAUSED 16
void lanes_pause(struct lanes *lanes, uint16_t queue, bool paused);

/* So many turns has a project for each one of a project of weight 1, which all have where nothing is said. */
void lanes_weigh(struct lanes *lanes, uint32_t project, double weight);

/* This job waits in the lane since `since` (ms, wall clock). It becomes the head if the lane is not known, or if its
 * seq is below the head's; otherwise it is somewhere behind and nothing changes. */
void lanes_put(struct lanes *lanes, const struct lane_head *job, int64_t since);

/* The head that is next at `now`. False if no lane can run. Changes nothing. */
bool lanes_next(const struct lanes *lanes, int64_t now, struct lane_head *head_r);

/* Its head was given to a worker: counts as its project's turn. */
void lanes_took(struct lanes *lanes, const struct lane_key *key, int64_t now);

void lanes_advance(struct lanes *lanes, const struct lane_head *head, int64_t since);   /* the lane's new head */
void lanes_drop(struct lanes *lanes, const struct lane_key *key);                       /* the lane is empty */

void lanes_park(struct lanes *lanes, const struct lane_key *key, enum lane_reason reason);
void lanes_wake(struct lanes *lanes, enum lane_reason reason);

bool lanes_ready(const struct lanes *lanes);            /* can any lane run? */
size_t lanes_count(const struct lanes *lanes);

#endif
