#include "config.h"

#include "queue/estimate.h"

#include <math.h>

/* The weight of the latest run is at least this: functions change, and so do machines. */
#define LATEST 0.25

void estimate_add(struct store_estimate *past, double ms)
{
	double weight = 1.0 / (past->count + 1.0), off = fabs(ms - past->mean_ms);

	if (weight < LATEST)
		weight = LATEST;
	if (past->count > 0)
		past->deviation_ms += weight * (off - past->deviation_ms);
	past->mean_ms += weight * (ms - past->mean_ms);
	past->count += past->count < UINT32_MAX;
}

double estimate_confidence(const struct store_estimate *past)
{
	double spread;

	if (past->count == 0 || past->mean_ms <= 0)
		return 0;
	spread = past->deviation_ms / past->mean_ms;
	return (1.0 - (spread > 1.0 ? 1.0 : spread)) * (1.0 - 0.5 / past->count);
}

double estimate_left(const struct store_estimate *past, double elapsed_ms, double pace_ms, double pace_confidence, double *confidence_r)
{
	double trust = estimate_confidence(past), left = past->mean_ms - elapsed_ms;

	/* It takes longer than it used to: then the past says nothing about this one any more. */
	if (left < 0)
		trust = 0;
	if (pace_ms < 0)
		pace_confidence = 0;
	if (trust <= 0 && pace_confidence <= 0)
		return -1;
	*confidence_r = trust > pace_confidence ? trust : pace_confidence;
	return ((trust > 0 ? trust * left : 0) + (pace_confidence > 0 ? pace_confidence * pace_ms : 0)) / (trust + pace_confidence);
}
