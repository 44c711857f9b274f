/* Long random sequences of operations on the store and on a model of it: both must give the same answers all along.
 * FNR_MODEL_SEED and FNR_MODEL_STEPS choose another sequence and its length. */
#include "store_model.h"

TestSuite(model, .init = fixture_setup, .fini = fixture_teardown, .timeout = 600);

static uint64_t setting(const char *name, uint64_t usual)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : usual;
}

static void walk(uint64_t seed, uint64_t steps)
{
	static struct model model;

	memset(&model, 0, sizeof model);
	model.random = seed;
	cr_log_info("FNR_MODEL_SEED=%llu", (unsigned long long)seed);
	for (uint64_t i = 0; i < steps && model.count < MODEL_JOBS; i++) {
		model_step(&model);
		if (i % 16 == 0)
			model_compare(&model);
		if (i % 200 == 199) {       /* what is remembered is on disk */
			store_close(fixture_store);
			fixture_open();
		}
	}
	model_compare(&model);
	cr_assert_gt(model.removed, steps / 50, "the walk was too short to see much");
}

Test(model, one_random_walk)
{
	walk(setting("FNR_MODEL_SEED", 1969), setting("FNR_MODEL_STEPS", 600));
}

Test(model, another_one_that_differs_each_day)
{
	walk(setting("FNR_MODEL_SEED", (uint64_t)(fnr_now_ms() / 86400000)), setting("FNR_MODEL_STEPS", 600));
}
