#include "config.h"

#include "queue/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LATEST 9              /* runs that count: functions change, and so do machines */
#define NORMAL 1.4826         /* from the median of deviations to a standard deviation */
#define GUESS_SPREAD 0.5      /* of what another preset's runs say */

void estimate_add(struct store_estimate *past, struct store_run run)
{
	uint32_t keep = past->kept < STORE_RUNS_KEPT ? past->kept : STORE_RUNS_KEPT - 1;

	memmove(past->runs + 1, past->runs, keep * sizeof *past->runs);
	past->runs[0] = run;
	past->kept = keep + 1;
	past->count += past->count < UINT32_MAX;
}

static int by_size(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof *values, by_size);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

struct estimate estimate_of(const struct store_estimate *past)
{
	size_t count = past->kept < LATEST ? past->kept : LATEST;
	struct estimate estimate = { .count = past->count };
	double ms[LATEST], off[LATEST], cpu[LATEST];

	if (!count)
		return (struct estimate){ 0 };
	for (size_t i = 0; i < count; i++) {
		const struct store_run *run = &past->runs[i];

		ms[i] = run->ms;
		cpu[i] = run->ms ? (double)run->cpu_ms / run->ms : 0;
		if (run->memory_mb > estimate.memory_mb)
			estimate.memory_mb = run->memory_mb;
	}
	estimate.ms = median(ms, count);
	for (size_t i = 0; i < count; i++)
		off[i] = fabs(ms[i] - estimate.ms);
	estimate.spread_ms = count > 1 ? NORMAL * median(off, count) : 0;
	estimate.cpu = median(cpu, count);
	return estimate;
}

#define PART_MOST 64              /* bytes of a name */
#define PART_MS_MOST 1e9

static double part_ms(struct json_object *parts, const char *name)
{
	double ms = fnr_json_get_real(parts, name, -1);

	return ms >= 0 && ms <= PART_MS_MOST && strlen(name) <= PART_MOST ? ms : -1;
}

static void parts_add(struct json_object *to, const char *name, double ms)
{
	if (ms >= 0 && (fnr_json_get(to, name) || json_object_object_length(to) < ESTIMATE_PARTS))
		fnr_json_set_real(to, name, round(ms));
}

struct json_object *estimate_parts(struct json_object *past, struct json_object *run)
{
	struct json_object *parts = json_object_new_object();

	if (json_object_is_type(run, json_type_object)) {
		json_object_object_foreach(run, name, value) {
			double before = part_ms(past, name), now = part_ms(run, name);

			(void)value;
			parts_add(parts, name, now < 0 || before < 0 ? now : before + (now - before) * ESTIMATE_PARTS_NEW);
		}
	}
	if (json_object_is_type(past, json_type_object)) {
		json_object_object_foreach(past, name, value) {
			(void)value;
			if (!fnr_json_get(parts, name))
				parts_add(parts, name, part_ms(past, name));
		}
	}
	return parts;
}

double estimate_confidence(const struct estimate *past)
{
	double spread;

	if (past->count == 0 || past->ms <= 0)
		return 0;
	spread = past->spread_ms / past->ms;
	return (1.0 - (spread > 1.0 ? 1.0 : spread)) * (1.0 - 0.5 / past->count);
}

struct estimate estimate_scaled(const struct estimate *past, double factor)
{
	struct estimate scaled = { .count = past->count, .ms = past->ms * factor };

	scaled.spread_ms = past->spread_ms * factor > scaled.ms * GUESS_SPREAD ? past->spread_ms * factor : scaled.ms * GUESS_SPREAD;
	return scaled;
}

double estimate_left(const struct estimate *past, double elapsed_ms, double pace_ms, double pace_confidence, double *confidence_r)
{
	double trust = estimate_confidence(past), left = past->ms - elapsed_ms;

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
