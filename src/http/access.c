#include "http/access.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "http/ticket.h"

#define KEY_PREFIX "fnr_"
#define KEY_MOST 95

/* "localhost:8080" -> length of "localhost"; an IPv6 literal keeps its brackets. */
static size_t host_name_length(const char *host)
{
	const char *end = host[0] == '[' ? strchr(host, ']') : NULL;

	if (end)
		return (size_t)(end + 1 - host);
	return strcspn(host, ":");
}

static bool host_known(const struct fnr_conf *conf, const char *host)
{
	size_t len = host_name_length(host);
	const char *at = conf->api_hosts;

	while (*at) {
		size_t word = strcspn(at, " ");

		if (word == len && word > 0 && strncasecmp(at, host, len) == 0)
			return true;
		at += word;
		at += strspn(at, " ");
	}
	return false;
}

/* An origin is scheme://host[:port]; it must name the host (and port) that the request itself was sent to. */
static bool origin_same(const char *origin, const char *host)
{
	const char *rest = NULL;

	if (strncasecmp(origin, "http://", 7) == 0)
		rest = origin + 7;
	else if (strncasecmp(origin, "https://", 8) == 0)
		rest = origin + 8;
	return rest && strcasecmp(rest, host) == 0;
}

static int check_browser(const struct fnr_conf *conf, const struct access_headers *headers, struct fnr_error *err)
{
	if (!headers->host || !host_known(conf, headers->host))
		return fnr_fail(err, FNR_E_FORBIDDEN, "the Host '%s' is not one this server answers for; add it to api.hosts",
		                headers->host ? headers->host : "");
	if (headers->origin && !origin_same(headers->origin, headers->host))
		return fnr_fail(err, FNR_E_FORBIDDEN, "requests from pages of another origin ('%s') are refused", headers->origin);
	if (headers->fetch_site && strcmp(headers->fetch_site, "same-origin") != 0 && strcmp(headers->fetch_site, "none") != 0)
		return fnr_fail(err, FNR_E_FORBIDDEN, "cross-site requests are refused (Sec-Fetch-Site: %s)", headers->fetch_site);
	return FNR_OK;
}

static unsigned scopes_of(struct json_object *key)
{
	struct json_object *list = fnr_json_get(key, "scopes");
	unsigned scopes = FNR_SCOPE_NONE;

	if (!json_object_is_type(list, json_type_array))
		return scopes;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		const char *word = json_object_get_string(json_object_array_get_idx(list, i));

		if (word && strcmp(word, "admin") == 0)
			scopes |= FNR_SCOPE_ADMIN | FNR_SCOPE_SUBMIT | FNR_SCOPE_READ;
		else if (word && strcmp(word, "submit") == 0)
			scopes |= FNR_SCOPE_SUBMIT | FNR_SCOPE_READ;
		else if (word && strcmp(word, "read") == 0)
			scopes |= FNR_SCOPE_READ;
	}
	return scopes;
}

static void take_projects(struct store_txn *txn, struct json_object *key, struct access *access)
{
	struct json_object *list = fnr_json_get(key, "projects");

	access->all_projects = !json_object_is_type(list, json_type_array);
	if (access->all_projects)
		return;
	for (size_t i = 0; i < json_object_array_length(list) && access->project_count < 32; i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(list, i));
		size_t at = access->project_count++;

		snprintf(access->projects[at], sizeof access->projects[at], "%s", name ? name : "");
		access->project_numbers[at] = store_name_find(txn, STORE_PROJECT, access->projects[at]);
	}
}

/* Every way in ends here: at the key with that hash. */
static int load_key(struct store_txn *txn, const uint8_t hash[32], struct access *access, struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *key = NULL;

	if (store_key_get(txn, hash, &text) == FNR_OK)
		key = fnr_json_parse(text.data, text.len, NULL);
	fnr_buf_free(&text);
	if (!key || fnr_json_get_bool(key, "revoked", false)) {
		json_object_put(key);
		return fnr_fail(err, FNR_E_UNAUTHORIZED, "this API key is not known here, or was revoked");
	}
	snprintf(access->key, sizeof access->key, "%s", fnr_json_get_text(key, "id", ""));
	memcpy(access->key_hash, hash, sizeof access->key_hash);
	access->key_number = store_name_find(txn, STORE_KEY, access->key);
	access->scopes = scopes_of(key);
	access->per_minute = (uint32_t)fnr_json_get_int(key, "per_minute", 0);
	access->max_waiting = (uint64_t)fnr_json_get_int(key, "max_waiting", 0);
	take_projects(txn, key, access);
	json_object_put(key);
	return FNR_OK;
}

static int by_key(struct store_txn *txn, const char *authorization, struct access *access, struct fnr_error *err)
{
	uint8_t hash[32];
	const char *secret;

	if (strncasecmp(authorization, "Bearer ", 7) != 0)
		return fnr_fail(err, FNR_E_UNAUTHORIZED, "the Authorization header must be 'Bearer KEY'");
	secret = authorization + 7 + strspn(authorization + 7, " ");
	if (strlen(secret) > KEY_MOST || strncmp(secret, KEY_PREFIX, strlen(KEY_PREFIX)) != 0)
		return fnr_fail(err, FNR_E_UNAUTHORIZED, "this is not an API key of this server; they begin with '" KEY_PREFIX "'");
	access_key_hash(secret, hash);
	return load_key(txn, hash, access, err);
}

static int load_session(struct store_txn *txn, const uint8_t hash[32], struct access *access, struct fnr_error *err)
{
	struct store_session session;

	if (store_session_get(txn, hash, &session) != FNR_OK || session.link || session.expires_at <= fnr_now_ms())
		return fnr_fail(err, FNR_E_UNAUTHORIZED, "you are not signed in any more; sign in again with a key, or with a link of 'fnr link'");
	access->session = true;
	access->expires_at = session.expires_at;
	memcpy(access->session_hash, hash, sizeof access->session_hash);
	return load_key(txn, session.key, access, err);
}

/* The value of our cookie among "a=1; b=2"; false if it is not there. */
static bool find_cookie(struct store_txn *txn, const char *cookies, char out[ACCESS_TOKEN_SIZE])
{
	char name[COOKIE_NAME_SIZE];
	size_t len;

	if (!cookies || !ticket_cookie_name(txn, name))
		return false;
	len = strlen(name);
	for (const char *at = cookies + strspn(cookies, "; "); *at; at += strspn(at, "; ")) {
		size_t pair = strcspn(at, ";");

		if (pair > len && strncmp(at, name, len) == 0 && at[len] == '=') {
			snprintf(out, ACCESS_TOKEN_SIZE, "%.*s", (int)(pair - len - 1), at + len + 1);
			return true;
		}
		at += pair;
	}
	return false;
}

static bool own_page_asks(const struct access_headers *headers)
{
	if (headers->marker)
		return true;
	return headers->fetch_site && (strcmp(headers->method, "GET") == 0 || strcmp(headers->method, "HEAD") == 0);
}

static int by_session(struct store_txn *txn, const char *token, const struct access_headers *headers, struct access *access,
                      struct fnr_error *err)
{
	uint8_t hash[32];
	int code;

	access_key_hash(token, hash);
	code = load_session(txn, hash, access, err);
	if (code == FNR_OK && !own_page_asks(headers))
		code = fnr_fail(err, FNR_E_FORBIDDEN, "a request with the cookie of a session needs the header 'X-Function-Runner: 1', so that "
		                "no other page can make it; for pictures and streams there are tickets");
	return code;
}

/* FNR_OK with *access filled, FNR_E_UNAUTHORIZED, or FNR_E_FORBIDDEN. */
static int identify(struct store_txn *txn, const struct access_headers *headers, struct access *access, struct fnr_error *err)
{
	char token[ACCESS_TOKEN_SIZE];
	bool has_cookie;
	uint8_t hash[32];
	int code;

	if (headers->authorization)
		return by_key(txn, headers->authorization, access, err);
	has_cookie = find_cookie(txn, headers->cookie, token);
	if (headers->ticket) {
		code = ticket_check(txn, headers->ticket, headers->path, fnr_now_ms(), hash, err);
		if (code == FNR_OK)
			return load_key(txn, hash, access, err);
		if (!has_cookie)
			return code;
		fnr_error_clear(err);
	}
	if (has_cookie)
		return by_session(txn, token, headers, access, err);
	return fnr_fail(err, FNR_E_UNAUTHORIZED, "no API key was sent; send the header 'Authorization: Bearer KEY' "
	                "(the first key is in admin.key of the data directory)");
}

static const char *scope_word(unsigned scope)
{
	if (scope & FNR_SCOPE_ADMIN)
		return "admin";
	return scope & FNR_SCOPE_SUBMIT ? "submit" : "read";
}

int access_of_session(struct store_txn *txn, const uint8_t hash[32], struct access *access, struct fnr_error *err)
{
	memset(access, 0, sizeof *access);
	return load_session(txn, hash, access, err);
}

static void let_all_in(struct access *access)
{
	access->scopes = FNR_SCOPE_ADMIN | FNR_SCOPE_SUBMIT | FNR_SCOPE_READ;
	access->all_projects = true;
}

static int check_scope(const struct access *access, unsigned scope, struct fnr_error *err)
{
	if (access->scopes & scope)
		return FNR_OK;
	return fnr_fail(err, FNR_E_FORBIDDEN, "this needs a key with the scope '%s'", scope_word(scope));
}

int access_check(struct store_txn *txn, const struct fnr_conf *conf, const struct access_headers *headers,
                 unsigned scope, struct access *access, struct fnr_error *err)
{
	int code;

	memset(access, 0, sizeof *access);
	code = check_browser(conf, headers, err);
	if (code != FNR_OK)
		return code;
	if (!conf->api_keys) {
		let_all_in(access);
		return FNR_OK;
	}
	if (scope == FNR_SCOPE_NONE) {
		if (txn && identify(txn, headers, access, NULL) != FNR_OK)
			memset(access, 0, sizeof *access);
		return FNR_OK;
	}
	code = identify(txn, headers, access, err);
	return code == FNR_OK ? check_scope(access, scope, err) : code;
}

int access_renew(struct store_txn *txn, const struct fnr_conf *conf, const struct access_headers *headers, unsigned scope,
                 const struct access *before, struct access *access, struct fnr_error *err)
{
	int code;

	memset(access, 0, sizeof *access);
	code = check_browser(conf, headers, err);
	if (code != FNR_OK)
		return code;
	if (!conf->api_keys) {
		let_all_in(access);
		return FNR_OK;
	}
	if (before->session)
		code = load_session(txn, before->session_hash, access, err);
	else
		code = load_key(txn, before->key_hash, access, err);
	return code == FNR_OK ? check_scope(access, scope, err) : code;
}

bool access_project(const struct access *access, uint32_t project)
{
	if (access->all_projects)
		return true;
	for (size_t i = 0; project && i < access->project_count; i++)
		if (access->project_numbers[i] == project)
			return true;
	return false;
}

bool access_project_name(const struct access *access, const char *project)
{
	if (access->all_projects)
		return true;
	for (size_t i = 0; project && *project && i < access->project_count; i++)
		if (strcmp(access->projects[i], project) == 0)
			return true;
	return false;
}

void access_key_make(char text[96], char id[16], uint8_t hash[32])
{
	uint8_t random[36];
	char digits[2 * sizeof random + 1];

	fnr_random(random, sizeof random);
	fnr_hex(random, sizeof random, digits);
	snprintf(id, 16, "%.8s", digits);
	snprintf(text, 96, KEY_PREFIX "%.8s_%.64s", digits, digits + 8);
	access_key_hash(text, hash);
}

void access_key_hash(const char *text, uint8_t hash[32])
{
	fnr_sha256_of(text, strlen(text), hash);
}

void access_token_make(char text[ACCESS_TOKEN_SIZE], uint8_t hash[32])
{
	uint8_t random[32];

	fnr_random(random, sizeof random);
	fnr_hex(random, sizeof random, text);
	access_key_hash(text, hash);
}
