/* Who may do what: API keys, Host and Origin. The same for fnr-api and fnr-events. */
#ifndef FNR_HTTP_ACCESS_H
#define FNR_HTTP_ACCESS_H

#include "base/conf.h"
#include "store/store.h"

/* Of the request; each may be NULL when the header is missing. */
struct access_headers { const char *method, *host, *origin, *fetch_site, *authorization; };

struct access {
	char key[68];                 /* id of the key; "" when keys are off */
	uint32_t key_number;
	unsigned scopes;              /* enum fnr_scope bits, with those that a scope contains */
	bool all_projects;
	char projects[32][68];        /* else these */
	uint32_t project_numbers[32]; /* 0 if the project has no number yet */
	size_t project_count;
};

/* Checks Host (one of conf->api_hosts, any port), Origin (absent, or http(s):// + the same host:port as Host),
 * Sec-Fetch-Site (absent, same-origin, none) and the key ("Bearer KEY"), which must exist, not be revoked and have the scope.
 * Scope FNR_SCOPE_NONE needs no key (but fills *access when a valid one is there). FNR_E_UNAUTHORIZED, FNR_E_FORBIDDEN. */
int access_check(struct store_txn *txn, const struct fnr_conf *conf, const struct access_headers *headers,
                 unsigned scope, struct access *access, struct fnr_error *err);

/* May it see this project (number; 0 = the job has none: only keys for all projects)? */
bool access_project(const struct access *access, uint32_t project);
bool access_project_name(const struct access *access, const char *project);

/* A new key's text "fnr_<id 8>_<32 bytes base62/hex>" and its hash. */
void access_key_make(char text[96], char id[16], uint8_t hash[32]);
void access_key_hash(const char *text, uint8_t hash[32]);

#endif
