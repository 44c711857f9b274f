/* Rules that say what an error is: its class, and the words that people read. They are data: the template's own
 * ("errors"), those of this data directory (DATA/errors.yaml), and the ones that ship (share/errors.yaml), asked in
 * this order; the first rule that fits decides, and no other is asked.
 *
 *   errors:
 *     - when: {backend: script, class: unknown, code: function_error, text: 'CUDA out of memory'}
 *       then: {class: resource, code: gpu_memory, message: …, suggestion: …, action: reduce_quality, retry_after_s: 30,
 *              backend_down: true}
 *
 * Every member of `when` that is given must fit: kind of backend, class and code as the backend reported them, and a
 * regular expression (schema/pattern.h) found in the message or the detail. Members of `then` replace those of the error.
 * backend_down: the error is the backend's, not the job's; its circuit breaker counts it (queue/breaker.h).
 */
#ifndef FNR_REGISTRY_ERRORS_H
#define FNR_REGISTRY_ERRORS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"

#define ERROR_RULES_MOST 200
#define ERROR_RETRY_AFTER_MOST 86400   /* seconds */

/* Problems of a list of rules go to err, with pointers below `pointer`. */
void error_rules_check(struct json_object *rules, const char *pointer, struct fnr_error *err);

/* The checked rules of a file, to put. NULL with *err set: FNR_E_NOT_FOUND if there is none. */
struct json_object *error_rules_read(const char *path, struct fnr_error *err);

/* Changes the error object by the first rule that fits; false if none does. rules may be NULL. */
bool error_rules_apply(struct json_object *rules, const char *backend, struct json_object *error);

#endif
