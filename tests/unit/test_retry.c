#include <criterion/criterion.h>

#include "queue/retry.h"

#define HOUR 3600000

static bool wanted(enum fnr_class class_, unsigned attempts, unsigned max_attempts)
{
	struct retry_failure failure = { .class_ = class_, .attempts = attempts, .max_attempts = max_attempts };
	int64_t delay;

	return retry_wanted(retry_usual, &failure, &delay);
}

static int64_t delay_of(const struct retry_policy *policy, unsigned attempts, uint32_t random)
{
	struct retry_policy policies[FNR_CLASS_COUNT] = { [FNR_CLASS_TRANSIENT] = *policy };
	struct retry_failure failure = { .class_ = FNR_CLASS_TRANSIENT, .attempts = attempts, .max_attempts = UINT32_MAX, .random = random };
	int64_t delay = -1;

	policies[FNR_CLASS_TRANSIENT].total_ms = INT64_MAX;
	cr_assert(retry_wanted(policies, &failure, &delay));
	return delay;
}

Test(retry, by_class)
{
	cr_assert(wanted(FNR_CLASS_TRANSIENT, 1, 4));
	cr_assert(wanted(FNR_CLASS_RESOURCE, 1, 4));
	cr_assert(wanted(FNR_CLASS_UNKNOWN, 1, 4));
	cr_assert_not(wanted(FNR_CLASS_VALIDATION, 1, 4));
	cr_assert_not(wanted(FNR_CLASS_PERMANENT, 1, 4));
}

Test(retry, up_to_max_attempts)
{
	cr_assert(wanted(FNR_CLASS_TRANSIENT, 3, 4));
	cr_assert_not(wanted(FNR_CLASS_TRANSIENT, 4, 4));
	cr_assert_not(wanted(FNR_CLASS_TRANSIENT, 1, 1));
}

Test(retry, a_class_may_have_fewer)
{
	struct retry_policy policies[FNR_CLASS_COUNT] = { [FNR_CLASS_RESOURCE] = { 0, 0, HOUR, 2 }, [FNR_CLASS_UNKNOWN] = { 0, 0, HOUR, 9 } };
	struct retry_failure failure = { .class_ = FNR_CLASS_RESOURCE, .attempts = 1, .max_attempts = 4 };
	int64_t delay;

	cr_assert(retry_wanted(policies, &failure, &delay));
	failure.attempts = 2;
	cr_assert_not(retry_wanted(policies, &failure, &delay));
	failure = (struct retry_failure){ .class_ = FNR_CLASS_UNKNOWN, .attempts = 4, .max_attempts = 4 };
	cr_assert_not(retry_wanted(policies, &failure, &delay), "the job's own limit holds for all");
}

Test(retry, grows_and_is_capped)
{
	static const int64_t most[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };

	for (unsigned i = 0; i < sizeof most / sizeof most[0]; i++) {
		cr_assert_eq(delay_of(&retry_usual[FNR_CLASS_TRANSIENT], i + 1, UINT32_MAX), most[i], "failure %u", i + 1);
		cr_assert_eq(delay_of(&retry_usual[FNR_CLASS_TRANSIENT], i + 1, 0), 0);
	}
	cr_assert_eq(delay_of(&retry_usual[FNR_CLASS_TRANSIENT], 60000, UINT32_MAX), 60000);
}

Test(retry, jitter_is_full_and_the_cap_comes_after_it)
{
	struct retry_policy policy = { .delay_ms = 10000, .max_delay_ms = 60000 };

	cr_assert_eq(delay_of(&policy, 1, UINT32_MAX / 2), 4999);
	cr_assert_eq(delay_of(&policy, 1, UINT32_MAX / 4), 2499);
	cr_assert_eq(delay_of(&policy, 4, UINT32_MAX / 2), 39999, "half of 80 s, not of the cap");
	cr_assert_eq(delay_of(&policy, 5, UINT32_MAX / 2), 60000);
}

Test(retry, delay_above_cap_or_none)
{
	cr_assert_eq(delay_of(&(struct retry_policy){ .delay_ms = 90000, .max_delay_ms = 5000 }, 1, UINT32_MAX), 5000);
	cr_assert_eq(delay_of(&(struct retry_policy){ 0 }, 5, UINT32_MAX), 0);
}

Test(retry, not_beyond_the_total_time)
{
	struct retry_policy policies[FNR_CLASS_COUNT] = { [FNR_CLASS_TRANSIENT] = { 1000, 60000, HOUR, 0 } };
	struct retry_failure failure = { .class_ = FNR_CLASS_TRANSIENT, .attempts = 1, .max_attempts = 4, .spent_ms = HOUR - 1000, .random = UINT32_MAX };
	int64_t delay;

	cr_assert(retry_wanted(policies, &failure, &delay));
	failure.spent_ms++;
	cr_assert_not(retry_wanted(policies, &failure, &delay));
}

Test(retry, who_asks_to_wait_is_left_alone)
{
	struct retry_failure failure = { .class_ = FNR_CLASS_TRANSIENT, .attempts = 3, .max_attempts = 4, .retry_after_ms = 90000 };
	int64_t delay;

	cr_assert(retry_wanted(retry_usual, &failure, &delay));
	cr_assert_eq(delay, 90000);
	failure.random = UINT32_MAX;
	cr_assert(retry_wanted(retry_usual, &failure, &delay));
	cr_assert_eq(delay, 91000, "spread a little");
	failure.retry_after_ms = 2 * 86400000ll;
	cr_assert_not(retry_wanted(retry_usual, &failure, &delay));
}

Test(retry, lost_first_at_once)
{
	cr_assert_eq(retry_lost_delay(1, UINT32_MAX), 0);
	cr_assert_eq(retry_lost_delay(2, UINT32_MAX), 1000);
	cr_assert_eq(retry_lost_delay(3, UINT32_MAX), 2000);
	cr_assert_eq(retry_lost_delay(20, UINT32_MAX), 60000);
}
