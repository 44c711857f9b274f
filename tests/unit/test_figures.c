#include <criterion/criterion.h>

#include "queue/figures.h"

Test(figures, the_last_minute)
{
	struct figures figures = { 0 };
	struct figures_sum sum;

	for (int64_t now = 5000; now < 200000; now += 500) {
		figures_started(&figures, now, now < 150000 ? 10 : 30);
		figures_completed(&figures, now);
		if (now % 1000 == 0)
			figures_failed(&figures, now);
	}
	sum = figures_minute(&figures, 199999);
	cr_assert_eq(sum.started, 120);
	cr_assert_eq(sum.completed, 120);
	cr_assert_eq(sum.failed, 60);
	cr_assert_eq(sum.waited_ms, 100 * 30 + 20 * 10);
	cr_assert_eq(sum.waited_most_ms, 30);
	cr_assert_eq(figures_minute(&figures, 199999 + 30000).started, 60);
	cr_assert_eq(figures_minute(&figures, 199999 + 61000).started, 0);
}

Test(figures, a_clock_that_jumps_back_counts_as_little)
{
	struct figures figures = { 0 };

	figures_started(&figures, 100000, -5);
	cr_assert_eq(figures_minute(&figures, 50000).started, 0);
	cr_assert_eq(figures_minute(&figures, 100000).waited_ms, 0);
}
