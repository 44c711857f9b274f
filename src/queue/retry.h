/* Whether a failed attempt is tried again, and after how long. Logic without I/O: chance comes from the caller.
 *
 * The delay has full jitter: anything between 0 and delay × 2^(failures-1), then at most the cap. Many jobs that failed
 * together for one reason do not come back together. Who asked to be left alone for a while (Retry-After) is.
 */
#ifndef FNR_QUEUE_RETRY_H
#define FNR_QUEUE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/vocab.h"

/* For the errors of one class. max_attempts: 0 for as many as the job may have; total_ms: from the first attempt on. */
struct retry_policy { int64_t delay_ms, max_delay_ms, total_ms; unsigned max_attempts; };

/* What holds where a template says nothing. What was short (memory, disk) needs longer to come back than a network. */
extern const struct retry_policy retry_usual[FNR_CLASS_COUNT];

/* attempts: how many have ended by themselves, this one included (at least 1); those that were lost to us do not count.
 * spent_ms: since the first began. retry_after_ms: asked for by the other side, or 0. random: 32 random bits. */
struct retry_failure {
	enum fnr_class class_;
	unsigned attempts, max_attempts;
	int64_t spent_ms, retry_after_ms;
	uint32_t random;
};

/* Transient, resource and unknown errors are tried again, validation and permanent ones never. False also when there were
 * enough attempts, or when the next one would begin after the total time. delay_r: ms until the next attempt. */
bool retry_wanted(const struct retry_policy policies[FNR_CLASS_COUNT], const struct retry_failure *failure, int64_t *delay_r);

/* The delay after an attempt was lost to a crash or restart of ours: the first time none, as it was hardly the job's
 * fault; then as after transient errors, in case it was. lost: how many were, this one included. */
int64_t retry_lost_delay(unsigned lost, uint32_t random);

#endif
