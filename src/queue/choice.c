#include "config.h"

#include "queue/choice.h"

#define STEP 0.2          /* of health */
#define LEVELS 10.0       /* less than a tenth of health decides nothing */

static int compare_load(const struct candidate *a, const struct candidate *b)
{
	uint64_t one = (uint64_t)a->running * b->concurrency, other = (uint64_t)b->running * a->concurrency;

	return one < other ? -1 : one > other;
}

static bool better(const struct candidate *a, const struct candidate *b)
{
	int load = compare_load(a, b), health = (int)(a->score * LEVELS) - (int)(b->score * LEVELS);

	if (a->failed != b->failed)
		return b->failed;
	if (a->warm != b->warm)
		return a->warm;
	if (load)
		return load < 0;
	if (health)
		return health > 0;
	if (a->empty != b->empty)
		return a->empty;
	return a->used_at < b->used_at;
}

size_t choice_best(const struct candidate *candidates, size_t count)
{
	size_t best = 0;

	for (size_t i = 1; i < count; i++)
		if (better(&candidates[i], &candidates[best]))
			best = i;
	return best;
}

double choice_score(double score, bool worked)
{
	return score + ((worked ? 1.0 : 0.0) - score) * STEP;
}

bool choice_waits(int64_t passed_ms, int64_t busy_ms, int64_t patience_ms)
{
	return passed_ms < patience_ms && busy_ms < patience_ms - passed_ms;
}
