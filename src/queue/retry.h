/* Whether a failed attempt is tried again, and after how long. Logic without I/O: chance comes from the caller.
 *
 * The delay has full jitter: anything between 0 and delay × 2^(failures-1), which is capped. Many jobs that failed
 * together for one reason do not come back together.
 */
#ifndef FNR_QUEUE_RETRY_H
#define FNR_QUEUE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/vocab.h"

struct retry_policy { int64_t delay_ms, max_delay_ms; };
#define RETRY_POLICY_INIT { .delay_ms = 1000, .max_delay_ms = 60000 }

/* Transient, resource and unknown errors are tried again, validation and permanent ones never. `attempts`: how many
 * have ended by themselves, this one included; those that were lost to us do not count. */
bool retry_wanted(enum fnr_class class_, unsigned attempts, unsigned max_attempts);

/* ms until the next attempt after `failures` (at least 1) of them; random: 32 random bits. */
int64_t retry_delay(const struct retry_policy *policy, unsigned failures, uint32_t random);

/* The same after an attempt was lost to a crash or restart of ours: the first time at once, as it was hardly the job's
 * fault; then with delays, in case it was. lost: how many were, this one included. */
int64_t retry_lost_delay(unsigned lost, uint32_t random);

#endif
