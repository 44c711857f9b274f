/* TLS towards servers of https:// (and WebSockets there): whose certificates are believed, and what is wrong with one that is not.
 * Without a file of its own an endpoint's server is believed as this machine believes; with one, the authorities in it are believed
 * and no others. There is no way to go on without.
 */
#ifndef FNR_BACKENDS_TRUST_H
#define FNR_BACKENDS_TRUST_H

#include "backends/http.h"

/* Tells a new handle of libcurl (CURL *) whom to believe; ca_file may be NULL. */
void trust_set(void *curl, const char *ca_file);

/* Was it TLS that ended a transfer of this handle with this CURLcode? Then answer->distrust is set. */
bool trust_broken(void *curl, int code, struct http_answer *answer);

/* Says in run_error what answer->distrust means. */
enum run_result trust_failed(const struct http_answer *answer, struct run_error *error);

/* Another text after each change of the file; "" without one. */
void trust_version(const char *ca_file, char out[48]);

#endif
