/* What makes two submissions the same work. */
#ifndef FNR_HANDLERS_DEDUPE_H
#define FNR_HANDLERS_DEDUPE_H

#include "api/request.h"

struct dedupe { const char *digest, *preset, *project, *shot; int64_t seed; struct json_object *inputs; };   /* seed -1: any */

/* The same for the same API key, project, shot, template, preset and seed, and for inputs that are equal whatever the order
 * of their members; uploads are equal when their bytes are. */
void dedupe_hash(struct request *req, const struct dedupe *dedupe, uint8_t hash_r[32]);

#endif
