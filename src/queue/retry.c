#include "config.h"

#include "queue/retry.h"

#define DAY_MS 86400000

const struct retry_policy retry_usual[FNR_CLASS_COUNT] = {
	[FNR_CLASS_TRANSIENT] = { .delay_ms = 1000, .max_delay_ms = 60000, .total_ms = DAY_MS },
	[FNR_CLASS_RESOURCE] = { .delay_ms = 2000, .max_delay_ms = 120000, .total_ms = DAY_MS },
	[FNR_CLASS_UNKNOWN] = { .delay_ms = 1000, .max_delay_ms = 60000, .total_ms = DAY_MS },
	[FNR_CLASS_VALIDATION] = { .max_attempts = 1 },
	[FNR_CLASS_PERMANENT] = { .max_attempts = 1 },
};

static int64_t delay_of(const struct retry_policy *policy, unsigned failures, uint32_t random)
{
	double most = (double)policy->delay_ms, delay;

	for (unsigned i = 1; i < failures && i < 40; i++)   /* 2^39 ms are 17 years */
		most *= 2;
	delay = most * random / UINT32_MAX;
	return delay < (double)policy->max_delay_ms ? (int64_t)delay : policy->max_delay_ms;
}

bool retry_wanted(const struct retry_policy policies[FNR_CLASS_COUNT], const struct retry_failure *failure, int64_t *delay_r)
{
	const struct retry_policy *policy = &policies[failure->class_];
	unsigned most = failure->max_attempts;

	if (failure->class_ == FNR_CLASS_VALIDATION || failure->class_ == FNR_CLASS_PERMANENT)
		return false;
	if (policy->max_attempts && policy->max_attempts < most)
		most = policy->max_attempts;
	*delay_r = delay_of(policy, failure->attempts, failure->random);
	if (failure->retry_after_ms > 0)   /* not before, and not all at that very moment */
		*delay_r = failure->retry_after_ms + delay_of(policy, 1, failure->random);
	return failure->attempts < most && failure->spent_ms + *delay_r <= policy->total_ms;
}

int64_t retry_lost_delay(unsigned lost, uint32_t random)
{
	return lost <= 1 ? 0 : delay_of(&retry_usual[FNR_CLASS_TRANSIENT], lost - 1, random);
}
