/* /sessions: a browser signs in with a key or a one-time link and gets a cookie. What the cookie may do is checked with
 * every request, by src/http/access.c. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "http/ticket.h"

#define SESSION_KEEP_S (30 * 86400)
#define LINK_KEEP_S 600

/* ---- what is answered ---- */

static struct json_object *scopes_make(unsigned scopes)
{
	static const struct { unsigned scope; const char *word; } words[] = {
		{ FNR_SCOPE_READ, "read" }, { FNR_SCOPE_SUBMIT, "submit" }, { FNR_SCOPE_ADMIN, "admin" },
	};
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (scopes & words[i].scope)
			json_object_array_add(list, json_object_new_string(words[i].word));
	return list;
}

static struct json_object *projects_make(const struct access *access)
{
	struct json_object *list;

	if (access->all_projects)
		return NULL;
	list = json_object_new_array();
	for (size_t i = 0; i < access->project_count; i++)
		json_object_array_add(list, json_object_new_string(access->projects[i]));
	return list;
}

static int reply_who(struct request *req, int status, const struct access *access)
{
	struct json_object *who = json_object_new_object();

	fnr_json_set_text(who, "key", access->key);
	fnr_json_set(who, "scopes", scopes_make(access->scopes));
	fnr_json_set(who, "projects", projects_make(access));
	fnr_json_set_time(who, "expires_at", access->expires_at);
	return reply_json(req, status, who);
}

/* A page says in Origin (which was found to be ours) how it came here, also when TLS ends before our nginx. */
static bool came_by_https(struct request *req)
{
	const char *scheme = request_param(req, "REQUEST_SCHEME"), *origin = request_header(req, "Origin");

	return (scheme && strcmp(scheme, "https") == 0) || (origin && strncasecmp(origin, "https://", 8) == 0);
}

/* value "": the browser forgets it. */
static void set_cookie(struct request *req, const char *name, const char *value)
{
	reply_header(req, "Set-Cookie", fnr_arena_printf(req->arena, "%s=%s; HttpOnly; SameSite=Strict; Path=/; Max-Age=%d%s", name, value,
	                                                 *value ? SESSION_KEEP_S : 0, came_by_https(req) ? "; Secure" : ""));
}

static int find_cookie_name(struct request *req, char name[COOKIE_NAME_SIZE])
{
	if (ticket_cookie_name(req->txn, name))
		return FNR_OK;
	return fnr_fail(&req->err, FNR_E_UNAVAILABLE, "the secret of this data directory is being made; try again in a moment");
}

/* ---- making ---- */

static int post(struct request *req, struct fnr_buf *operation)
{
	struct op_reply reply;
	int code = request_post(req, operation, &reply);

	fnr_buf_free(operation);
	return code;
}

/* From the link if there is one, else from the key that was sent. */
static int make_session(struct request *req, const char *link)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	char name[COOKIE_NAME_SIZE], token[ACCESS_TOKEN_SIZE];
	int64_t expires_at = fnr_now_ms() + SESSION_KEEP_S * INT64_C(1000);
	uint8_t hash[32], link_hash[32];
	struct access access;
	int code = find_cookie_name(req, name);

	if (code != FNR_OK)
		return code;
	access_token_make(token, hash);
	if (link) {
		access_key_hash(link, link_hash);
		op_session_open(&operation, link_hash, hash, expires_at);
	} else {
		op_session_put(&operation, hash, req->access.key_hash, false, expires_at);
	}
	code = post(req, &operation);
	if (code == FNR_OK)
		code = access_of_session(req->txn, hash, &access, &req->err);
	if (code != FNR_OK)
		return code;
	set_cookie(req, name, token);
	return reply_who(req, 201, &access);
}

static int make_link(struct request *req)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	int64_t expires_at = fnr_now_ms() + LINK_KEEP_S * INT64_C(1000);
	struct json_object *object;
	char token[ACCESS_TOKEN_SIZE];
	uint8_t hash[32];
	int code;

	access_token_make(token, hash);
	op_session_put(&operation, hash, req->access.key_hash, true, expires_at);
	code = post(req, &operation);
	if (code != FNR_OK)
		return code;
	object = json_object_new_object();
	fnr_json_set_text(object, "link", token);
	fnr_json_set_time(object, "expires_at", expires_at);
	return reply_json(req, 201, object);
}

static int check_body(struct request *req)
{
	static const char *const members[] = { "link", "one_time", NULL };
	struct json_object *link = fnr_json_get(req->body, "link"), *one_time = fnr_json_get(req->body, "one_time");

	common_members_only(req, "a session", members);
	if (link && (!json_object_is_type(link, json_type_string) || json_object_get_string_len(link) >= ACCESS_TOKEN_SIZE))
		fnr_error_add(&req->err, "/link", "type", "give what stands behind #link= in the address", "'link' must be the text of a one-time link");
	if (one_time && !json_object_is_type(one_time, json_type_boolean))
		fnr_error_add(&req->err, "/one_time", "type", "use true or false", "'one_time' must be true or false");
	if (link && fnr_json_get_bool(req->body, "one_time", false))
		fnr_error_add(&req->err, "/one_time", "conflict", "send one of the two", "a link makes a session, not another link");
	return req->err.code;
}

int sessions_create(struct request *req)
{
	const char *link;
	int code = check_body(req);

	if (code != FNR_OK)
		return code;
	if (!req->conf->api_keys)
		return fnr_fail(&req->err, FNR_E_CONFLICT, "keys are switched off (api.keys): everybody is let in, and nobody needs to sign in");
	link = fnr_json_get_text(req->body, "link", NULL);
	if (link)
		return make_session(req, link);
	/* A cookie is no key: who has found one shall not make it last, nor hand it on. */
	if (!req->access.key[0] || req->access.session)
		return fnr_fail(&req->err, FNR_E_UNAUTHORIZED, "sign in with a valid key in the header 'Authorization: Bearer KEY' (the first key is in "
		                "admin.key of the data directory), or with a link of 'fnr link'");
	return fnr_json_get_bool(req->body, "one_time", false) ? make_link(req) : make_session(req, NULL);
}

/* ---- looking, leaving ---- */

int sessions_show(struct request *req)
{
	return reply_who(req, 200, &req->access);
}

int sessions_delete(struct request *req)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	char name[COOKIE_NAME_SIZE];
	int code = find_cookie_name(req, name);

	if (code == FNR_OK && req->access.session) {
		op_session_delete(&operation, req->access.session_hash);
		code = post(req, &operation);
	}
	if (code != FNR_OK && code != FNR_E_NOT_FOUND)     /* somebody else was faster */
		return code;
	set_cookie(req, name, "");
	return reply_empty(req, 204);
}
