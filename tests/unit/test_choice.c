/* Which backend does a job. */
#include "config.h"

#include <criterion/criterion.h>

#include "queue/choice.h"

#define BACKEND(...) (struct candidate){ .concurrency = 2, .score = 1.0, __VA_ARGS__ }

Test(choice, what_counts_more)
{
	static const struct { const char *name; struct candidate better, worse; } cases[] = {
		{ "it has not failed", { .concurrency = 1, .running = 0, .score = 0.3, .used_at = 9 }, { .concurrency = 9, .failed = true, .warm = true, .score = 1 } },
		{ "its model is loaded", { .concurrency = 2, .running = 1, .warm = true, .score = 0.5 }, { .concurrency = 2, .score = 1 } },
		{ "it has less to do", { .concurrency = 4, .running = 1, .score = 0.4 }, { .concurrency = 2, .running = 1, .score = 1 } },
		{ "it works better", { .concurrency = 1, .score = 0.9 }, { .concurrency = 1, .score = 0.4, .empty = true } },
		{ "it need not unload anything", { .concurrency = 1, .score = 0.91, .empty = true, .used_at = 9 }, { .concurrency = 1, .score = 0.94, .used_at = 1 } },
		{ "it has waited longer", { .concurrency = 1, .score = 1, .used_at = 1 }, { .concurrency = 1, .score = 1, .used_at = 2 } },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct candidate one[] = { cases[i].better, cases[i].worse }, other[] = { cases[i].worse, cases[i].better };

		cr_expect_eq(choice_best(one, 2), 0, "%s", cases[i].name);
		cr_expect_eq(choice_best(other, 2), 1, "%s", cases[i].name);
	}
}

Test(choice, the_first_of_equals)
{
	const struct candidate same[] = { BACKEND(.used_at = 5), BACKEND(.used_at = 5), BACKEND(.used_at = 5) };

	cr_assert_eq(choice_best(same, 3), 0);
	cr_assert_eq(choice_best(same, 1), 0);
}

Test(choice, a_score_moves_towards_what_is_seen)
{
	double score = 1.0;

	for (int i = 0; i < 3; i++)
		score = choice_score(score, false);
	cr_assert_lt(score, 0.6);
	cr_assert_gt(score, 0.4);
	for (int i = 0; i < 100; i++)
		score = choice_score(score, true);
	cr_assert_gt(score, 0.99);
	cr_assert_leq(score, 1.0);
}

Test(choice, waiting_is_worth_less_than_loading)
{
	static const struct { int64_t passed, busy, patience; bool waits; } cases[] = {
		{ 0, -1, 20000, true }, { 0, 5000, 20000, true }, { 0, 20000, 20000, false }, { 0, 60000, 20000, false },
		{ 16000, 5000, 20000, false }, { 16000, 3000, 20000, true }, { 20000, -1, 20000, false }, { 0, -1, 0, false }, { 0, 0, 0, false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_expect_eq(choice_waits(cases[i].passed, cases[i].busy, cases[i].patience), cases[i].waits, "%zu", i);
}
