/* Estimates: robust, sure of themselves when they may be, and quick to follow a change. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "queue/estimate.h"

static void add(struct store_estimate *past, uint32_t ms, int times)
{
	for (int i = 0; i < times; i++)
		estimate_add(past, (struct store_run){ ms, ms * 2, 100 });
}

Test(estimate, runs_that_were_alike_are_relied_on)
{
	struct store_estimate past = { 0 };
	struct estimate estimate = estimate_of(&past);
	double confidence, first;

	cr_assert_eq(estimate_confidence(&estimate), 0);
	cr_assert_lt(estimate_left(&estimate, 0, -1, 0, &confidence), 0);
	add(&past, 1000, 1);
	estimate = estimate_of(&past);
	first = estimate_confidence(&estimate);
	for (int i = 0; i < 20; i++)
		add(&past, i % 2 ? 1020 : 980, 1);
	estimate = estimate_of(&past);
	cr_assert_eq(past.count, 21);
	cr_assert_gt(estimate_confidence(&estimate), first);
	cr_assert_gt(estimate_confidence(&estimate), 0.9);
	cr_assert_float_eq(estimate_left(&estimate, 400, -1, 0, &confidence), 600, 25);
	cr_assert_gt(confidence, 0.9);
	cr_assert_float_eq(estimate.cpu, 2, 0.001);
	cr_assert_float_eq(estimate.memory_mb, 100, 0.001);
}

Test(estimate, one_that_hung_changes_nothing)
{
	struct store_estimate past = { 0 };
	struct estimate estimate;

	add(&past, 1000, 8);
	add(&past, 60000, 1);
	estimate = estimate_of(&past);
	cr_assert_float_eq(estimate.ms, 1000, 0.001);
	cr_assert_gt(estimate_confidence(&estimate), 0.9);
}

Test(estimate, runs_that_differ_are_not_relied_on)
{
	struct store_estimate past = { 0 };
	struct estimate estimate;

	for (uint32_t i = 0; i < 9; i++)
		add(&past, 100 + 400 * i, 1);
	estimate = estimate_of(&past);
	cr_assert_lt(estimate_confidence(&estimate), 0.35);
}

Test(estimate, follows_a_change)
{
	struct store_estimate past = { 0 };

	add(&past, 1000, 100);
	add(&past, 4000, 5);
	cr_assert_float_eq(estimate_of(&past).ms, 4000, 0.001);
}

Test(estimate, the_pace_corrects_the_past)
{
	struct store_estimate past = { 0 };
	struct estimate estimate;
	double confidence = 0, left;

	add(&past, 1000, 1);
	add(&past, 3000, 1);
	estimate = estimate_of(&past);
	left = estimate_left(&estimate, 500, 4000, 0.9, &confidence);
	cr_assert(left > 3000 && left < 4000, "%f", left);
	cr_assert_float_eq(estimate_left(&estimate, 9000, 500, 0.5, &confidence), 500, 0.001, "longer than ever before");
	cr_assert_lt(estimate_left(&estimate, 9000, -1, 0, &confidence), 0);
}

Test(estimate, of_another_preset_is_a_guess)
{
	struct store_estimate past = { 0 };
	struct estimate estimate, guess;

	add(&past, 1000, 20);
	estimate = estimate_of(&past);
	guess = estimate_scaled(&estimate, 2.5);
	cr_assert_float_eq(guess.ms, 2500, 0.001);
	cr_assert(estimate_confidence(&guess) > 0.3 && estimate_confidence(&guess) <= 0.5);
}

static struct json_object *parse(const char *text)
{
	return fnr_json_parse(text, strlen(text), NULL);
}

Test(estimate, parts_move_towards_what_they_took_last)
{
	struct json_object *first = parse("{\"load\":1000,\"draw\":100,\"bad\":-1,\"worse\":1e300,\"words\":\"x\"}"), *second = parse("{\"draw\":200,\"save\":7.4}");
	struct json_object *past = estimate_parts(NULL, first), *parts = estimate_parts(past, second);

	cr_assert_eq(json_object_object_length(past), 2);
	cr_assert_eq(json_object_object_length(parts), 3);
	cr_assert_float_eq(fnr_json_get_real(parts, "load", 0), 1000, 0.001, "it did not run this time");
	cr_assert_float_eq(fnr_json_get_real(parts, "draw", 0), 130, 0.001);
	cr_assert_float_eq(fnr_json_get_real(parts, "save", 0), 7, 0.001);
	json_object_put(first);
	json_object_put(second);
	json_object_put(past);
	json_object_put(parts);
}

Test(estimate, parts_are_few_and_those_that_ran_last_stay)
{
	struct json_object *past = json_object_new_object(), *run = json_object_new_object(), *parts;
	char name[80];

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "part %d", i);
		fnr_json_set_real(i < 100 ? past : run, name, i);
	}
	memset(name, 'x', 70);
	name[70] = 0;
	fnr_json_set_real(run, name, 1);
	parts = estimate_parts(past, run);
	cr_assert_eq(json_object_object_length(parts), ESTIMATE_PARTS);
	cr_assert_not_null(fnr_json_get(parts, "part 100"));
	cr_assert_null(fnr_json_get(parts, "part 1"));
	cr_assert_null(fnr_json_get(parts, name));
	json_object_put(past);
	json_object_put(run);
	json_object_put(parts);
	parts = estimate_parts(NULL, NULL);
	cr_assert_eq(json_object_object_length(parts), 0);
	json_object_put(parts);
}
