#include "handlers/forecast.h"

#include <math.h>

#include "queue/forecast.h"

#define HOUR_S 3600.0
#define RATE_PARTS 1000.0     /* rates are in thousandths */
#define LIKELY 1.3            /* spreads to either side that hold four of five runs */
#define GB_MB 1024.0

/* Of so many seconds with these cores, GPUs and memory. */
static double cost_of(const struct fnr_conf *conf, double seconds, double cpu, double gpu, double memory_mb)
{
	double rate = cpu * (double)conf->cost_cpu + gpu * (double)conf->cost_gpu + memory_mb / GB_MB * (double)conf->cost_memory;

	return seconds / HOUR_S * rate / RATE_PARTS;
}

static double digits(double value, double parts)
{
	return round(value * parts) / parts;
}

/* From what runs used; where there were none, from what standard would cost, by the preset's factor. */
static double cost(struct request *req, struct json_object *definition, const struct preset *preset, const struct forecast *forecast)
{
	struct json_object *asked = fnr_json_get(definition, "resources"), *factors = fnr_json_get(preset->record, "factors");
	double gpu = fnr_json_get_real(asked, "gpu", 0), cpu = fnr_json_get_real(asked, "cpu", 1), memory = fnr_json_get_real(asked, "memory_mb", 0);
	double seconds = forecast->estimate.ms / 1000.0, time = fnr_json_get_real(factors, "time", 1);

	if (forecast->basis == FORECAST_RUNS)
		return cost_of(req->conf, seconds, forecast->estimate.cpu > 0 ? forecast->estimate.cpu : cpu, gpu,
		               forecast->estimate.memory_mb > 0 ? forecast->estimate.memory_mb : memory);
	return cost_of(req->conf, time > 0 ? seconds / time : seconds, cpu, gpu, memory) * fnr_json_get_real(factors, "cost", 1);
}

/* How fine it is, in relation to ultra: by the preset's place among the tiers. */
static double quality(const struct preset *preset)
{
	double level = fnr_json_get_real(preset->record, "level", preset->tier + 1) / FNR_QUALITY_COUNT;

	return level > 1 ? 1 : level;
}

struct json_object *forecast_show(struct request *req, const struct template_ *template_, const struct preset *preset)
{
	const struct preset held = *preset;        /* its record stays: only its place in the cache may be given away */
	struct json_object *record = json_object_get(held.record), *object = json_object_new_object();
	struct forecast forecast = forecast_of(req->txn, template_, preset);
	double seconds = forecast.estimate.ms / 1000.0, off = forecast.estimate.spread_ms / 1000.0 * LIKELY;

	fnr_json_set_real(object, "seconds", digits(seconds, 1000));
	fnr_json_set_real(object, "seconds_low", digits(seconds > off ? seconds - off : 0, 1000));
	fnr_json_set_real(object, "seconds_high", digits(seconds + off, 1000));
	fnr_json_set_real(object, "cost", digits(cost(req, template_definition(template_), &held, &forecast), 1e6));
	fnr_json_set_real(object, "quality", digits(quality(&held), 100));
	fnr_json_set_real(object, "confidence", digits(forecast.confidence, 1000));
	fnr_json_set_int(object, "runs", forecast.basis == FORECAST_RUNS ? forecast.estimate.count : 0);
	fnr_json_set_text(object, "basis", forecast_basis_name(forecast.basis));
	if (forecast.basis == FORECAST_RUNS && forecast.estimate.cpu > 0)
		fnr_json_set_real(object, "cpu", digits(forecast.estimate.cpu, 100));
	if (forecast.basis == FORECAST_RUNS && forecast.estimate.memory_mb > 0)
		fnr_json_set_int(object, "memory_mb", (int64_t)forecast.estimate.memory_mb);
	json_object_put(record);
	return object;
}
