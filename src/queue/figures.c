#include "config.h"

#include "queue/figures.h"

#include <stddef.h>

static struct figures_sum *sum_of(struct figures *figures, int64_t now)
{
	int64_t second = now / 1000;
	size_t at = (size_t)(second % FIGURES_SECONDS);

	if (figures->second[at] != second) {
		figures->second[at] = second;
		figures->sums[at] = (struct figures_sum){ 0 };
	}
	return &figures->sums[at];
}

void figures_started(struct figures *figures, int64_t now, int64_t waited_ms)
{
	struct figures_sum *sum = sum_of(figures, now);
	uint64_t waited = waited_ms > 0 ? (uint64_t)waited_ms : 0;

	sum->started++;
	sum->waited_ms += waited;
	if (waited > sum->waited_most_ms)
		sum->waited_most_ms = waited;
}

void figures_completed(struct figures *figures, int64_t now)
{
	sum_of(figures, now)->completed++;
}

void figures_failed(struct figures *figures, int64_t now)
{
	sum_of(figures, now)->failed++;
}

struct figures_sum figures_minute(const struct figures *figures, int64_t now)
{
	struct figures_sum all = { 0 };

	for (size_t i = 0; i < FIGURES_SECONDS; i++) {
		const struct figures_sum *sum = &figures->sums[i];

		if (figures->second[i] <= now / 1000 - FIGURES_SECONDS || figures->second[i] > now / 1000)
			continue;
		all.started += sum->started;
		all.completed += sum->completed;
		all.failed += sum->failed;
		all.waited_ms += sum->waited_ms;
		if (sum->waited_most_ms > all.waited_most_ms)
			all.waited_most_ms = sum->waited_most_ms;
	}
	return all;
}
