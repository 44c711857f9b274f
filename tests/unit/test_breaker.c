#include <criterion/criterion.h>

#include "queue/breaker.h"

static void fail(struct breaker *breaker, int times, int64_t now)
{
	while (times-- > 0)
		breaker_failed(breaker, now);
}

Test(breaker, opens_after_failures_in_a_row)
{
	struct breaker breaker = { 0 };

	fail(&breaker, BREAKER_FAILURES - 1, 0);
	cr_assert(breaker_allows(&breaker));
	cr_assert_not(breaker_succeeded(&breaker), "closed already");
	fail(&breaker, BREAKER_FAILURES - 1, 0);
	cr_assert(breaker_allows(&breaker), "one between them worked");
	cr_assert(breaker_failed(&breaker, 100));
	cr_assert_not(breaker_allows(&breaker));
	cr_assert_eq(breaker.open_until, 100 + BREAKER_FIRST_MS);
}

Test(breaker, one_at_a_time_tries)
{
	struct breaker breaker = { 0 };

	fail(&breaker, BREAKER_FAILURES, 0);
	cr_assert_not(breaker_tick(&breaker, BREAKER_FIRST_MS - 1));
	cr_assert(breaker_tick(&breaker, BREAKER_FIRST_MS));
	cr_assert_not(breaker_tick(&breaker, BREAKER_FIRST_MS + 1));
	cr_assert(breaker_allows(&breaker));
	breaker_started(&breaker);
	cr_assert_not(breaker_allows(&breaker));
	breaker_unproved(&breaker);
	cr_assert(breaker_allows(&breaker), "the first was cancelled: the next one tries");
	breaker_started(&breaker);
	cr_assert(breaker_succeeded(&breaker));
	cr_assert(breaker_allows(&breaker));
	cr_assert_eq(breaker.failures, 0);
}

Test(breaker, open_for_longer_each_time)
{
	struct breaker breaker = { 0 };
	int64_t now = 0, expected = BREAKER_FIRST_MS;

	fail(&breaker, BREAKER_FAILURES, now);
	for (int i = 0; i < 12; i++) {
		cr_assert_eq(breaker.open_until - now, expected, "opening %d", i);
		now = breaker.open_until;
		cr_assert(breaker_tick(&breaker, now));
		breaker_started(&breaker);
		cr_assert(breaker_failed(&breaker, now));
		expected = expected * 2 < BREAKER_MOST_MS ? expected * 2 : BREAKER_MOST_MS;
	}
	cr_assert(breaker_reset(&breaker));
	cr_assert_not(breaker_reset(&breaker));
	fail(&breaker, BREAKER_FAILURES, now);
	cr_assert_eq(breaker.open_until - now, BREAKER_FIRST_MS, "a reset forgets");
}

Test(breaker, those_that_began_before_prove_nothing)
{
	struct breaker breaker = { 0 };

	fail(&breaker, BREAKER_FAILURES, 0);
	cr_assert_not(breaker_failed(&breaker, 10));
	cr_assert_eq(breaker.open_until, BREAKER_FIRST_MS);
	cr_assert_not(breaker_succeeded(&breaker));
	cr_assert_not(breaker_allows(&breaker));
}
