/* How long a job will take, from past runs of the same function, quality and backend. Logic without I/O. */
#ifndef FNR_QUEUE_ESTIMATE_H
#define FNR_QUEUE_ESTIMATE_H

#include "store/store.h"

/* One more completed attempt, from its start to its finished result. Later ones weigh more. */
void estimate_add(struct store_estimate *past, double ms);

/* 0..1: how far one may rely on the mean; runs that were alike, and many of them, make it high. */
double estimate_confidence(const struct store_estimate *past);

/* Milliseconds left of an attempt, or -1: nobody can tell. elapsed_ms: since its start. pace_ms: what the pace of this
 * attempt says is left, with its own confidence; -1 if it says nothing. *confidence_r is set unless -1 is returned. */
double estimate_left(const struct store_estimate *past, double elapsed_ms, double pace_ms, double pace_confidence, double *confidence_r);

#endif
