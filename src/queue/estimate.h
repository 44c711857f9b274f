/* How long a job will take and what it will use, from past runs of the same function, preset and backend. Robust: one run that
 * was ten times as long as all others changes nothing, and after a change of the function half a dozen runs are enough.
 * Logic without I/O. */
#ifndef FNR_QUEUE_ESTIMATE_H
#define FNR_QUEUE_ESTIMATE_H

#include "base/json.h"
#include "store/store.h"

/* ms: median of the latest runs; spread_ms: how far they usually are from it; cpu: cores in use on average; memory_mb: the most
 * that any used, 0 = not known. count 0: nothing is known. */
struct estimate { uint32_t count; double ms, spread_ms, cpu, memory_mb; };

/* One more completed attempt, from its start to its finished result. */
void estimate_add(struct store_estimate *past, struct store_run run);
struct estimate estimate_of(const struct store_estimate *past);

/* Parts of runs and what they took, {PART: ms}: past ones (may be NULL) with those of one more run, which count for ESTIMATE_PARTS_NEW
 * of the mean. At most ESTIMATE_PARTS, and what is no time is left out. A new object. */
#define ESTIMATE_PARTS 64
#define ESTIMATE_PARTS_NEW 0.3
struct json_object *estimate_parts(struct json_object *past, struct json_object *run);

/* 0..1: how far one may rely on it; runs that were alike, and many of them, make it high. */
double estimate_confidence(const struct estimate *past);

/* What runs at one preset say about another that takes `factor` times as long: a guess, with a spread to match. */
struct estimate estimate_scaled(const struct estimate *past, double factor);

/* Milliseconds left of an attempt, or -1: nobody can tell. elapsed_ms: since its start. pace_ms: what the pace of this
 * attempt says is left, with its own confidence; -1 if it says nothing. *confidence_r is set unless -1 is returned. */
double estimate_left(const struct estimate *past, double elapsed_ms, double pace_ms, double pace_confidence, double *confidence_r);

#endif
