#include "config.h"

#include "queue/forecast.h"

#include <string.h>

#include "base/hash.h"

#define RULE_CONFIDENCE 0.1
#define RULE_SPREAD 0.9

/* What a job takes as a rule at standard, in seconds. */
static const struct { const char *category; double seconds; } rules[] = {
	{ "image", 15 }, { "video", 60 }, { "audio", 15 }, { "text", 10 }, { "generic", 10 },
};

const char *forecast_basis_name(enum forecast_basis basis)
{
	static const char *const names[] = { "runs", "tiers", "category" };

	return names[basis];
}

static double time_factor(const struct preset *preset)
{
	double factor = fnr_json_get_real(fnr_json_get(preset->record, "factors"), "time", 1);

	return factor > 0 ? factor : 0.01;
}

/* The tier with most runs says it for this preset. */
static bool of_tiers(struct store_txn *txn, const uint8_t digest[32], double factor, struct estimate *estimate_r)
{
	struct store_estimate past;
	const struct preset *tier;

	*estimate_r = (struct estimate){ 0 };
	for (int quality = 0; quality < FNR_QUALITY_COUNT; quality++) {
		struct estimate found;

		if (store_estimate_best(txn, digest, fnr_quality_name((enum fnr_quality)quality), &past) != FNR_OK || past.count <= estimate_r->count ||
		    preset_of_tier(txn, (enum fnr_quality)quality, &tier, NULL) != FNR_OK)
			continue;
		found = estimate_of(&past);
		*estimate_r = estimate_scaled(&found, factor / time_factor(tier));
	}
	return estimate_r->count > 0;
}

bool forecast_runs(struct store_txn *txn, const uint8_t digest[32], const struct preset *preset, const char *backend, struct forecast *forecast_r)
{
	double factor = time_factor(preset);
	char id[sizeof preset->id];
	struct store_estimate past;

	memcpy(id, preset->id, sizeof id);      /* looking for tiers may let go of it */
	*forecast_r = (struct forecast){ .basis = FORECAST_RUNS };
	if ((backend && store_estimate_get(txn, digest, id, backend, &past) == FNR_OK) || store_estimate_best(txn, digest, id, &past) == FNR_OK)
		forecast_r->estimate = estimate_of(&past);
	else if (of_tiers(txn, digest, factor, &forecast_r->estimate))
		forecast_r->basis = FORECAST_TIERS;
	forecast_r->confidence = estimate_confidence(&forecast_r->estimate);
	return forecast_r->estimate.count > 0;
}

static double rule_of(const char *category)
{
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		if (strcmp(rules[i].category, category) == 0)
			return rules[i].seconds;
	return rules[sizeof rules / sizeof rules[0] - 1].seconds;
}

struct forecast forecast_of(struct store_txn *txn, const struct template_ *template_, const struct preset *preset)
{
	double seconds = rule_of(fnr_json_get_text(template_definition(template_), "category", "generic")) * time_factor(preset);
	struct forecast forecast;
	uint8_t digest[32];

	if (fnr_unhex(template_digest(template_), digest, sizeof digest) && forecast_runs(txn, digest, preset, NULL, &forecast))
		return forecast;
	forecast = (struct forecast){ .basis = FORECAST_CATEGORY, .confidence = RULE_CONFIDENCE };
	forecast.estimate.ms = seconds * 1000;
	forecast.estimate.spread_ms = forecast.estimate.ms * RULE_SPREAD;
	return forecast;
}
