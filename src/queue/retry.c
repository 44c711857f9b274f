#include "config.h"

#include "queue/retry.h"

bool retry_wanted(enum fnr_class class_, unsigned attempts, unsigned max_attempts)
{
	switch (class_) {
	case FNR_CLASS_TRANSIENT:
	case FNR_CLASS_RESOURCE:
	case FNR_CLASS_UNKNOWN:
		return attempts < max_attempts;
	case FNR_CLASS_VALIDATION:
	case FNR_CLASS_PERMANENT:
	case FNR_CLASS_COUNT:
		break;
	}
	return false;
}

int64_t retry_delay(const struct retry_policy *policy, unsigned failures, uint32_t random)
{
	int64_t most = policy->delay_ms;

	for (unsigned i = 1; i < failures && most < policy->max_delay_ms; i++)
		most *= 2;
	if (most > policy->max_delay_ms)
		most = policy->max_delay_ms;
	return most > 0 ? (int64_t)((double)most * random / UINT32_MAX) : 0;
}

int64_t retry_lost_delay(unsigned lost, uint32_t random)
{
	static const struct retry_policy policy = RETRY_POLICY_INIT;

	return lost <= 1 ? 0 : retry_delay(&policy, lost - 1, random);
}
