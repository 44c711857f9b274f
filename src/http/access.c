#include "http/access.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "base/json.h"

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

/* FNR_OK with *access filled, or FNR_E_UNAUTHORIZED. */
static int identify(struct store_txn *txn, const char *authorization, struct access *access, struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *key;
	uint8_t hash[32];
	const char *secret;

	if (!authorization)
		return fnr_fail(err, FNR_E_UNAUTHORIZED, "no API key was sent; send the header 'Authorization: Bearer KEY' "
		                "(the first key is in admin.key of the data directory)");
	if (strncasecmp(authorization, "Bearer ", 7) != 0)
		return fnr_fail(err, FNR_E_UNAUTHORIZED, "the Authorization header must be 'Bearer KEY'");
	secret = authorization + 7 + strspn(authorization + 7, " ");
	if (strlen(secret) > KEY_MOST || strncmp(secret, KEY_PREFIX, strlen(KEY_PREFIX)) != 0)
		return fnr_fail(err, FNR_E_UNAUTHORIZED, "this is not an API key of this server; they begin with '" KEY_PREFIX "'");
	access_key_hash(secret, hash);
	if (store_key_get(txn, hash, &text) != FNR_OK) {
		fnr_buf_free(&text);
		return fnr_fail(err, FNR_E_UNAUTHORIZED, "this API key is not known here, or was revoked");
	}
	key = fnr_json_parse(text.data, text.len, NULL);
	fnr_buf_free(&text);
	if (!key || fnr_json_get_bool(key, "revoked", false)) {
		json_object_put(key);
		return fnr_fail(err, FNR_E_UNAUTHORIZED, "this API key is not known here, or was revoked");
	}
	snprintf(access->key, sizeof access->key, "%s", fnr_json_get_text(key, "id", ""));
	access->key_number = store_name_find(txn, STORE_KEY, access->key);
	access->scopes = scopes_of(key);
	take_projects(txn, key, access);
	json_object_put(key);
	return FNR_OK;
}

static const char *scope_word(unsigned scope)
{
	if (scope & FNR_SCOPE_ADMIN)
		return "admin";
	return scope & FNR_SCOPE_SUBMIT ? "submit" : "read";
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
		access->scopes = FNR_SCOPE_ADMIN | FNR_SCOPE_SUBMIT | FNR_SCOPE_READ;
		access->all_projects = true;
		return FNR_OK;
	}
	if (scope == FNR_SCOPE_NONE) {
		if (txn && headers->authorization && identify(txn, headers->authorization, access, NULL) != FNR_OK)
			memset(access, 0, sizeof *access);
		return FNR_OK;
	}
	code = identify(txn, headers->authorization, access, err);
	if (code != FNR_OK)
		return code;
	if (!(access->scopes & scope))
		return fnr_fail(err, FNR_E_FORBIDDEN, "this needs a key with the scope '%s'", scope_word(scope));
	return FNR_OK;
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
