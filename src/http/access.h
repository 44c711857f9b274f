/* Who may do what: API keys, browser sessions, tickets, Host and Origin. The same for fnr-api and fnr-events. */
#ifndef FNR_HTTP_ACCESS_H
#define FNR_HTTP_ACCESS_H

#include "base/conf.h"
#include "store/store.h"

/* Of the request; each may be NULL when the header is missing. */
struct access_headers {
	const char *method, *host, *origin, *fetch_site, *authorization;
	const char *cookie;           /* as it was sent, with the cookies of others */
	const char *marker;           /* X-Function-Runner: no page of another origin can add it */
	const char *path, *ticket;    /* where a ticket may be used: the path, decoded, and ?ticket= */
};

struct access {
	char key[68];                 /* id of the key; "" when keys are off */
	uint8_t key_hash[32];         /* zeros when keys are off */
	bool session;                 /* let in by a cookie */
	uint8_t session_hash[32];
	int64_t expires_at;           /* of the session; 0 = it has none */
	uint32_t key_number;
	uint32_t per_minute;          /* most requests; 0: the key says nothing */
	uint64_t max_waiting;         /* most jobs that wait; 0: the key says nothing */
	unsigned scopes;              /* enum fnr_scope bits, with those that a scope contains */
	bool all_projects;
	char projects[32][68];        /* else these */
	uint32_t project_numbers[32]; /* 0 if the project has no number yet */
	size_t project_count;
};

/* Checks Host (one of conf->api_hosts, any port), Origin (absent, or http(s):// + the same host:port as Host),
 * Sec-Fetch-Site (absent, same-origin, none), and who asks: by a key ("Bearer KEY"), else a ticket, else the cookie of a
 * session. The key, or the one behind ticket and session, must exist, not be revoked and have the scope.
 * The browser adds a cookie to whatever request a page makes, so with one either the marker must be there, or it is GET or
 * HEAD and Sec-Fetch-Site says that no other site asks: neither can be forged by a page.
 * Scope FNR_SCOPE_NONE needs no key (but fills *access when a valid one is there). FNR_E_UNAUTHORIZED, FNR_E_FORBIDDEN. */
int access_check(struct store_txn *txn, const struct fnr_conf *conf, const struct access_headers *headers,
                 unsigned scope, struct access *access, struct fnr_error *err);

/* Looks again at one who was let in, some time later: a ticket's end does not matter then. */
int access_renew(struct store_txn *txn, const struct fnr_conf *conf, const struct access_headers *headers, unsigned scope,
                 const struct access *before, struct access *access, struct fnr_error *err);

/* Who signs in with the session of that hash. FNR_E_UNAUTHORIZED. */
int access_of_session(struct store_txn *txn, const uint8_t hash[32], struct access *access, struct fnr_error *err);

/* May it see this project (number; 0 = the job has none: only keys for all projects)? */
bool access_project(const struct access *access, uint32_t project);
bool access_project_name(const struct access *access, const char *project);

/* A new key's text "fnr_<id 8>_<32 bytes base62/hex>" and its hash. */
void access_key_make(char text[96], char id[16], uint8_t hash[32]);
void access_key_hash(const char *text, uint8_t hash[32]);

/* The same for a session's cookie and a one-time link. */
#define ACCESS_TOKEN_SIZE 80
void access_token_make(char text[ACCESS_TOKEN_SIZE], uint8_t hash[32]);

#endif
