/* Which waiting job is next. A lane is a line of waiting jobs that are alike to the scheduler (design.md, "Lanes");
 * only the head of each is held in memory, whatever waits behind it. The order:
 *
 *   1. lanes of the queue that goes first (lanes_first_queue), then all others;
 *   2. the highest effective priority: priority plus one for each LANES_AGE_MS that the head has waited, at most 10;
 *   3. the project whose turn it is: start-time fair queueing inside each effective priority, by weights;
 *   4. of its lanes the one with the oldest head.
 *
 * A lane goes through the gates of its queue, project, template and tier. Lanes that meet a closed one stand aside until it
 * opens and cost nothing meanwhile; the others are found in a time that grows with the logarithm of their number.
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

struct lanes;

struct lanes *lanes_create(void);
void lanes_free(struct lanes *lanes);                    /* NULL is allowed */
void lanes_clear(struct lanes *lanes);                   /* forgets the lanes, keeps turns and gates */
void lanes_first_queue(struct lanes *lanes, uint16_t queue);   /* number of the queue that goes first; 0: none. Before it has lanes. */

/* So many turns has a project for each one of a project of weight 1, which all have where nothing is said. */
void lanes_weigh(struct lanes *lanes, uint32_t project, double weight);

/* Gates are open until they are closed, and closed for as long as anything closes them: each reason is a bit of its own.
 * GATE_OTHER is not on a lane's way by itself: the caller finds it there and says lanes_park. */
enum lanes_gate { GATE_QUEUE, GATE_PROJECT, GATE_TEMPLATE, GATE_TIER, GATE_OTHER };
enum lanes_reason { REASON_PAUSED = 1, REASON_CONCURRENCY = 2, REASON_RATE = 4, REASON_BACKEND = 8, REASON_RESOURCES = 16,
                    REASON_MODEL = 32 };
void lanes_close(struct lanes *lanes, enum lanes_gate gate, uint32_t number, enum lanes_reason reason);
void lanes_open(struct lanes *lanes, enum lanes_gate gate, uint32_t number, enum lanes_reason reason);
void lanes_park(struct lanes *lanes, const struct lane_key *key, uint32_t number);   /* at GATE_OTHER, which is closed */

/* This job waits in the lane since `since` (ms, wall clock). It becomes the head if the lane is not known, or if its
 * seq is below the head's; otherwise it is somewhere behind and nothing changes. All of a lane have the same template and tier. */
void lanes_put(struct lanes *lanes, const struct lane_head *job, uint32_t template_, unsigned tier, int64_t since);

/* The head that is next at `now`; false if none may run. It stays where it is. */
bool lanes_next(struct lanes *lanes, int64_t now, struct lane_head *head_r);

/* Where the lane stands among the others: lanes_next gives those of the highest level first. -1: it stands aside. */
int lanes_level(const struct lanes *lanes, const struct lane_key *key);

/* The head of this lane was given to a worker: counts as its project's turn. */
void lanes_took(struct lanes *lanes, const struct lane_key *key, int64_t now);

void lanes_advance(struct lanes *lanes, const struct lane_head *head, int64_t since);   /* the lane's new head */
void lanes_drop(struct lanes *lanes, const struct lane_key *key);                       /* the lane is empty */

size_t lanes_count(const struct lanes *lanes);

#endif
