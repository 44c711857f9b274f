/* Errors as RFC 9457 problem details. */
#ifndef FNR_HTTP_PROBLEM_H
#define FNR_HTTP_PROBLEM_H

#include "base/err.h"

/* {"type":"https://function-runner.invalid/problems/not_found" (a stable name, not an address to open),"title","status",
 *  "detail","instance":path,"request_id","code","errors":[…],"message","suggestion","action"}; an object to put.
 * path and request_id may be NULL. detail and message are err->message. */
struct json_object *problem_make(const struct fnr_error *err, const char *path, const char *request_id);

#endif
