/* What a job of a template will take at a preset. What is known decides, in this order: runs of the template at this preset; runs
 * at another, by the presets' factors; else what jobs of its category take as a rule, which is little more than nothing and says
 * so (its confidence is 0.1). */
#ifndef FNR_QUEUE_FORECAST_H
#define FNR_QUEUE_FORECAST_H

#include "queue/estimate.h"
#include "registry/preset.h"

enum forecast_basis { FORECAST_RUNS, FORECAST_TIERS, FORECAST_CATEGORY };
const char *forecast_basis_name(enum forecast_basis basis);

struct forecast { enum forecast_basis basis; struct estimate estimate; double confidence; };

/* Of runs; backend NULL: of the one that ran most of them. False if there were none, at any tier. */
bool forecast_runs(struct store_txn *txn, const uint8_t digest[32], const struct preset *preset, const char *backend, struct forecast *forecast_r);

struct forecast forecast_of(struct store_txn *txn, const struct template_ *template_, const struct preset *preset);

#endif
