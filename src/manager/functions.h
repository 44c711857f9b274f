/* What the manager needs of a template at run time, compiled once for each digest: a small cache, as most jobs are of
 * few functions. A task holds its function, so that a definition stays while one runs by it. */
#ifndef FNR_MANAGER_FUNCTIONS_H
#define FNR_MANAGER_FUNCTIONS_H

#include "queue/retry.h"
#include "registry/registry.h"

struct function {
	uint8_t digest[32];
	unsigned holds;                             /* of tasks, and one of the cache */
	uint64_t used;                              /* order of the last use */
	char *definition;                           /* JSON text, as it goes to workers */
	char kind[68];                              /* of backend */
	bool no_files;                              /* its backend makes none */
	bool needs_endpoint, attachable, begins_early;      /* as its kind of backend is */
	struct json_object *backends, *labels;      /* servers that it may run on, and what they must be labelled with; NULL: any; owned */
	struct json_object *nodes;                  /* node classes that they must have, where these are the same for all jobs; NULL: any; owned */
	int64_t timeout_s;                          /* 0: the template says nothing */
	struct store_limit limit;                   /* of all jobs of the template */
	struct retry_policy retry[FNR_CLASS_COUNT];
	double weight[FNR_STAGE_COUNT];
	char message[FNR_STAGE_COUNT][192];
};

struct functions;
struct functions *functions_create(void);
void functions_free(struct functions *functions);   /* NULL is allowed */

/* The function of a digest (64 hex digits), held once for the caller. NULL with *err set: FNR_E_NOT_FOUND when the
 * definition is gone, FNR_E_CORRUPT when it cannot be used. */
struct function *function_hold(struct functions *functions, struct store_txn *txn, const char *digest, struct fnr_error *err);
void function_drop(struct function *function);      /* NULL is allowed */

#endif
