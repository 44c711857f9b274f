#include <criterion/criterion.h>

#include "queue/retry.h"

Test(retry, by_class)
{
	cr_assert(retry_wanted(FNR_CLASS_TRANSIENT, 1, 4));
	cr_assert(retry_wanted(FNR_CLASS_RESOURCE, 1, 4));
	cr_assert(retry_wanted(FNR_CLASS_UNKNOWN, 1, 4));
	cr_assert_not(retry_wanted(FNR_CLASS_VALIDATION, 1, 4));
	cr_assert_not(retry_wanted(FNR_CLASS_PERMANENT, 1, 4));
}

Test(retry, up_to_max_attempts)
{
	cr_assert(retry_wanted(FNR_CLASS_TRANSIENT, 3, 4));
	cr_assert_not(retry_wanted(FNR_CLASS_TRANSIENT, 4, 4));
	cr_assert_not(retry_wanted(FNR_CLASS_TRANSIENT, 1, 1));
}

Test(retry, grows_and_is_capped)
{
	static const int64_t most[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
	struct retry_policy policy = RETRY_POLICY_INIT;

	for (unsigned i = 0; i < sizeof most / sizeof most[0]; i++) {
		cr_assert_eq(retry_delay(&policy, i + 1, UINT32_MAX), most[i], "failure %u", i + 1);
		cr_assert_eq(retry_delay(&policy, i + 1, 0), 0);
	}
	cr_assert_eq(retry_delay(&policy, 60000, UINT32_MAX), 60000);
}

Test(retry, jitter_is_full)
{
	struct retry_policy policy = { .delay_ms = 10000, .max_delay_ms = 60000 };

	cr_assert_eq(retry_delay(&policy, 1, UINT32_MAX / 2), 4999);
	cr_assert_eq(retry_delay(&policy, 1, UINT32_MAX / 4), 2499);
}

Test(retry, delay_above_cap_or_none)
{
	struct retry_policy policy = { .delay_ms = 90000, .max_delay_ms = 5000 };

	cr_assert_eq(retry_delay(&policy, 1, UINT32_MAX), 5000);
	policy = (struct retry_policy){ 0, 0 };
	cr_assert_eq(retry_delay(&policy, 5, UINT32_MAX), 0);
}

Test(retry, lost_first_at_once)
{
	cr_assert_eq(retry_lost_delay(1, UINT32_MAX), 0);
	cr_assert_eq(retry_lost_delay(2, UINT32_MAX), 1000);
	cr_assert_eq(retry_lost_delay(3, UINT32_MAX), 2000);
	cr_assert_eq(retry_lost_delay(20, UINT32_MAX), 60000);
}
