/* How long a job will take. */
#include <criterion/criterion.h>

#include "queue/estimate.h"

Test(estimate, runs_that_were_alike_are_relied_on)
{
	struct store_estimate past = { 0 };
	double confidence = 0, first;

	cr_assert_eq(estimate_confidence(&past), 0);
	cr_assert_lt(estimate_left(&past, 0, -1, 0, &confidence), 0);
	estimate_add(&past, 1000);
	first = estimate_confidence(&past);
	for (int i = 0; i < 10; i++)
		estimate_add(&past, i % 2 ? 1020 : 980);
	cr_assert_float_eq(past.mean_ms, 1000, 15);
	cr_assert_gt(estimate_confidence(&past), first);
	cr_assert_gt(estimate_confidence(&past), 0.9);
	cr_assert_float_eq(estimate_left(&past, 400, -1, 0, &confidence), 600, 15);
	cr_assert_gt(confidence, 0.9);
}

Test(estimate, follows_a_change)
{
	struct store_estimate past = { 0 };

	for (int i = 0; i < 100; i++)
		estimate_add(&past, 1000);
	for (int i = 0; i < 12; i++)
		estimate_add(&past, 4000);
	cr_assert_float_eq(past.mean_ms, 4000, 150);
}

Test(estimate, the_pace_corrects_the_past)
{
	struct store_estimate past = { 0 };
	double confidence = 0, left;

	estimate_add(&past, 1000);
	estimate_add(&past, 3000);
	left = estimate_left(&past, 500, 4000, 0.9, &confidence);
	cr_assert(left > 3000 && left < 4000, "%f", left);
	cr_assert_float_eq(estimate_left(&past, 9000, 500, 0.5, &confidence), 500, 0.001, "longer than ever before");
	cr_assert_lt(estimate_left(&past, 9000, -1, 0, &confidence), 0);
}
