/* Which of several backends that could all start a job does: logic without I/O.
 *
 * In this order: one that has not failed the job before; one that has its models loaded; the least loaded; the healthier;
 * one that would not have to unload anything; the one that has waited longest.
 */
#ifndef FNR_QUEUE_CHOICE_H
#define FNR_QUEUE_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct candidate {
	bool failed;              /* this job, the last time */
	bool warm, empty;         /* its models are loaded there; nothing is, for all we know */
	unsigned running, concurrency;
	double score;             /* health, 0 to 1 */
	int64_t used_at;          /* when a job was started there last */
};

size_t choice_best(const struct candidate *candidates, size_t count);   /* its index; count is at least 1 */

/* Health moves a fifth of the way to what was seen last: 1 it worked, 0 it did not. */
double choice_score(double score, bool worked);

/* Is it worth waiting for a backend that has the models loaded, while others could begin at once? Only for so long as loading
 * them elsewhere takes: passed_ms is how long others went first already, busy_ms how long the warm one is still busy (-1:
 * nobody knows), patience_ms how long loading takes. */
bool choice_waits(int64_t passed_ms, int64_t busy_ms, int64_t patience_ms);

#endif
