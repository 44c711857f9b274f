/* A circuit breaker: a backend that cannot do anything gets no jobs, so that they wait instead of failing one after the
 * other. After BREAKER_FAILURES failures in a row it opens; after a while one job at a time tries whether it works again
 * (half-open), and closes it or opens it for twice as long. Logic without I/O; times are CLOCK_BOOTTIME in ms.
 */
#ifndef FNR_QUEUE_BREAKER_H
#define FNR_QUEUE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_FAILURES 3
#define BREAKER_FIRST_MS 5000
#define BREAKER_MOST_MS 300000

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker {
	enum breaker_state state;
	unsigned failures;      /* in a row */
	unsigned openings;      /* since it was closed */
	int64_t open_until;     /* 0: not open */
	bool probing;           /* half-open, and a job is on its way */
};

const char *breaker_state_name(enum breaker_state state);

/* Its time is up: half-open. True if that changed anything. */
bool breaker_tick(struct breaker *breaker, int64_t now);
bool breaker_allows(const struct breaker *breaker);      /* may a job be started? */
void breaker_started(struct breaker *breaker);

/* How an attempt ended: by the backend's fault; in any way that shows that the backend works; without an answer to that.
 * The first two return true if the state changed. Attempts that began before it opened prove nothing. */
bool breaker_failed(struct breaker *breaker, int64_t now);
bool breaker_succeeded(struct breaker *breaker);
void breaker_unproved(struct breaker *breaker);

bool breaker_reset(struct breaker *breaker);             /* closed, by decision of an operator */

#endif
