/* Jobs of one request that depend on each other by local names: "ref" of the one, "#name" in depends_on of the other. */
#ifndef FNR_HANDLERS_CHAIN_H
#define FNR_HANDLERS_CHAIN_H

#include "api/request.h"

struct chain;

/* Reads refs and dependencies of a batch's jobs. Problems (a name twice, one that nobody has, a circle) go to req->err
 * with pointers below /jobs. Lives in the request's arena. */
struct chain *chain_read(struct request *req, struct json_object *jobs, struct json_object *defaults);

void chain_free(struct chain *chain);         /* what is not in the arena; NULL is allowed */

/* Which job comes n-th, so that each comes behind those that it depends on; otherwise as they were given. */
size_t chain_order(const struct chain *chain, size_t n);

/* One was added to what is posted as number `local`, counted from 1. outputs: of its template (held here); may be NULL. */
void chain_added(struct chain *chain, size_t job, uint32_t local, struct json_object *outputs);

/* The number and outputs (borrowed) of the job that is called so, without '#'; 0 if it was not added, as it has problems itself. */
uint32_t chain_find(const struct chain *chain, const char *ref, struct json_object **outputs_r);

#endif
