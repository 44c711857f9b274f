/* Who may do what, and how errors and jobs look to a client. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "http/access.h"
#include "http/problem.h"
#include "http/ticket.h"
#include "http/view.h"
#include "store/ops.h"

static struct store *store;
static struct fnr_conf conf;
static char folder[] = "/tmp/fnr-test-http-XXXXXX";
static char key_text[96];

static void apply(const struct fnr_buf *operation, struct op_reply *reply)
{
	struct op_limits limits = { 0 };
	struct store_txn *txn = store_write(store, NULL);

	op_apply(txn, operation->data, operation->len, 1700000000000, &limits, reply);
	cr_assert_eq(reply->code, FNR_OK, "%s", reply->message);
	cr_assert_eq(store_commit(txn, NULL), FNR_OK);
}

static void put_key(const char *scopes, const char *projects)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;
	char id[16], json[512];
	uint8_t hash[32];

	access_key_make(key_text, id, hash);
	snprintf(json, sizeof json, "{\"id\":\"%s\",\"name\":\"t\",\"scopes\":%s,\"projects\":%s,\"revoked\":false}", id, scopes, projects);
	op_key_put(&operation, hash, json);
	apply(&operation, &reply);
	fnr_buf_free(&operation);
}

static void setup(void)
{
	struct fnr_error err = FNR_ERROR_INIT;

	cr_assert(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
	cr_assert_eq(fnr_conf_load(&conf, "absent.yaml", &err), FNR_OK, "%s", err.message);
	cr_assert_eq(store_open(&store, true, &err), FNR_OK, "%s", err.message);
}

static void teardown(void)
{
	store_close(store);
	cr_assert_eq(chdir("/"), 0);
	fnr_tree_remove(folder, NULL);
}

TestSuite(http, .init = setup, .fini = teardown);

static int check(const struct access_headers *headers, unsigned scope, struct access *access)
{
	struct store_txn *txn = store_read(store, NULL);
	int code = access_check(txn, &conf, headers, scope, access, NULL);

	store_read_end(txn);
	return code;
}

Test(http, hosts_and_origins)
{
	static const struct { const char *host, *origin, *fetch_site; int code; } cases[] = {
		{ "127.0.0.1:8080", NULL, NULL, FNR_OK },
		{ "LOCALHOST", NULL, NULL, FNR_OK },
		{ "[::1]:80", NULL, "same-origin", FNR_OK },
		{ "localhost:8080", "http://localhost:8080", "none", FNR_OK },
		{ NULL, NULL, NULL, FNR_E_FORBIDDEN },
		{ "", NULL, NULL, FNR_E_FORBIDDEN },
		{ "evil.example", NULL, NULL, FNR_E_FORBIDDEN },
		{ "localhost.evil.example", NULL, NULL, FNR_E_FORBIDDEN },
		{ "localhos", NULL, NULL, FNR_E_FORBIDDEN },
		{ "localhost:8080", "http://localhost:9090", NULL, FNR_E_FORBIDDEN },
		{ "localhost:8080", "null", NULL, FNR_E_FORBIDDEN },
		{ "localhost:8080", "http://evil.example", NULL, FNR_E_FORBIDDEN },
		{ "localhost:8080", NULL, "cross-site", FNR_E_FORBIDDEN },
		{ "localhost:8080", NULL, "same-site", FNR_E_FORBIDDEN },
	};
	struct access access;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct access_headers headers = { .method = "GET", .host = cases[i].host, .origin = cases[i].origin, .fetch_site = cases[i].fetch_site };

		cr_expect_eq(check(&headers, FNR_SCOPE_NONE, &access), cases[i].code, "%s %s %s", cases[i].host ? cases[i].host : "-",
		             cases[i].origin ? cases[i].origin : "-", cases[i].fetch_site ? cases[i].fetch_site : "-");
	}
}

Test(http, keys)
{
	struct access_headers headers = { .method = "GET", .host = "localhost" };
	struct access access;
	char bearer[128];

	cr_expect_eq(check(&headers, FNR_SCOPE_READ, &access), FNR_E_UNAUTHORIZED, "without a key");
	put_key("[\"read\"]", "null");
	headers.authorization = key_text;
	cr_expect_eq(check(&headers, FNR_SCOPE_READ, &access), FNR_E_UNAUTHORIZED, "not a Bearer");
	snprintf(bearer, sizeof bearer, "Bearer %s", key_text);
	headers.authorization = bearer;
	cr_expect_eq(check(&headers, FNR_SCOPE_READ, &access), FNR_OK);
	cr_expect(access.all_projects);
	cr_expect_eq(check(&headers, FNR_SCOPE_SUBMIT, &access), FNR_E_FORBIDDEN, "its scope is read");
	bearer[strlen(bearer) - 1] ^= 1;
	cr_expect_eq(check(&headers, FNR_SCOPE_READ, &access), FNR_E_UNAUTHORIZED, "another key");
	cr_expect_eq(check(&headers, FNR_SCOPE_NONE, &access), FNR_OK, "nothing is asked for");
	cr_expect_eq(access.scopes, FNR_SCOPE_NONE);
	conf.api_keys = false;
	headers.authorization = NULL;
	cr_expect_eq(check(&headers, FNR_SCOPE_ADMIN, &access), FNR_OK, "keys are off");
}

Test(http, scopes_contain_lower_ones)
{
	struct access_headers headers = { .method = "GET", .host = "localhost" };
	struct access access;
	char bearer[128];

	put_key("[\"admin\"]", "[\"demo\"]");
	snprintf(bearer, sizeof bearer, "bearer %s", key_text);
	headers.authorization = bearer;
	cr_expect_eq(check(&headers, FNR_SCOPE_READ, &access), FNR_OK);
	cr_expect_eq(check(&headers, FNR_SCOPE_SUBMIT, &access), FNR_OK);
	cr_expect_eq(check(&headers, FNR_SCOPE_ADMIN, &access), FNR_OK);
	cr_expect(access_project_name(&access, "demo"));
	cr_expect_not(access_project_name(&access, "other"));
	cr_expect_not(access_project_name(&access, NULL), "a job without project is for keys of all projects");
	cr_expect_not(access_project(&access, 0));
	put_key("[\"submit\"]", "null");
	snprintf(bearer, sizeof bearer, "Bearer %s", key_text);
	cr_expect_eq(check(&headers, FNR_SCOPE_READ, &access), FNR_OK, "who submits may see what comes of it");
	cr_expect_eq(check(&headers, FNR_SCOPE_SUBMIT, &access), FNR_OK);
	cr_expect_eq(check(&headers, FNR_SCOPE_ADMIN, &access), FNR_E_FORBIDDEN);
}

/* A session of the last key made; its cookie as a browser sends it. */
static void put_session(bool link, int64_t expires_at, char cookie[160])
{
	struct fnr_buf operation = FNR_BUF_INIT;
	char token[ACCESS_TOKEN_SIZE], name[COOKIE_NAME_SIZE];
	uint8_t key[32], hash[32], secret[32] = { 9 };
	struct op_reply reply;
	struct store_txn *txn;

	op_secret(&operation, secret);
	apply(&operation, &reply);
	fnr_buf_reset(&operation);
	access_key_hash(key_text, key);
	access_token_make(token, hash);
	op_session_put(&operation, hash, key, link, expires_at);
	apply(&operation, &reply);
	fnr_buf_free(&operation);
	txn = store_read(store, NULL);
	cr_assert(ticket_cookie_name(txn, name));
	store_read_end(txn);
	snprintf(cookie, 160, "a=b; %s=%s; c", name, token);
}

Test(http, sessions)
{
	struct access_headers headers = { .method = "GET", .host = "localhost", .marker = "1" };
	struct access access;
	char cookie[160];

	put_key("[\"submit\"]", "[\"demo\"]");
	headers.cookie = cookie;
	put_session(true, fnr_now_ms() + 60000, cookie);
	cr_expect_eq(check(&headers, FNR_SCOPE_READ, &access), FNR_E_UNAUTHORIZED, "a link is no session");
	put_session(false, fnr_now_ms() - 1, cookie);
	cr_expect_eq(check(&headers, FNR_SCOPE_READ, &access), FNR_E_UNAUTHORIZED, "it has expired");
	put_session(false, fnr_now_ms() + 60000, cookie);
	cr_expect_eq(check(&headers, FNR_SCOPE_SUBMIT, &access), FNR_OK);
	cr_expect(access.session && access.expires_at > fnr_now_ms());
	cr_expect(access_project_name(&access, "demo"));
	cr_expect_not(access_project_name(&access, "other"));
	cr_expect_eq(check(&headers, FNR_SCOPE_ADMIN, &access), FNR_E_FORBIDDEN);
}

Test(http, a_cookie_alone_is_not_enough)
{
	static const struct { const char *method, *marker, *fetch_site; int code; } cases[] = {
		{ "GET", NULL, NULL, FNR_E_FORBIDDEN },
		{ "GET", "", NULL, FNR_OK },
		{ "GET", NULL, "same-origin", FNR_OK },
		{ "HEAD", NULL, "none", FNR_OK },
		{ "GET", NULL, "same-site", FNR_E_FORBIDDEN },
		{ "GET", "1", "cross-site", FNR_E_FORBIDDEN },
		{ "POST", NULL, "same-origin", FNR_E_FORBIDDEN },
		{ "DELETE", NULL, "none", FNR_E_FORBIDDEN },
		{ "POST", "1", NULL, FNR_OK },
		{ "POST", "1", "same-origin", FNR_OK },
		{ "get", NULL, "same-origin", FNR_E_FORBIDDEN },
	};
	struct access access;
	char cookie[160];

	put_key("[\"admin\"]", "null");
	put_session(false, fnr_now_ms() + 60000, cookie);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct access_headers headers = { .method = cases[i].method, .host = "localhost", .cookie = cookie, .marker = cases[i].marker,
		                                  .fetch_site = cases[i].fetch_site };

		cr_expect_eq(check(&headers, FNR_SCOPE_READ, &access), cases[i].code, "case %zu", i);
	}
}

Test(http, tickets)
{
	struct access_headers headers = { .method = "GET", .host = "localhost", .path = "/api/v1/events" };
	char cookie[160], ticket[TICKET_SIZE], old[TICKET_SIZE];
	int64_t now = fnr_now_ms();
	struct access access;
	struct store_txn *txn;
	char id[9];
	uint8_t key[32];

	put_key("[\"read\"]", "null");
	put_session(false, now + 60000, cookie);       /* makes the secret */
	snprintf(id, sizeof id, "%.8s", key_text + 4);
	access_key_hash(key_text, key);
	txn = store_read(store, NULL);
	cr_assert(ticket_make(txn, id, key, "/api/v1/events", now + 60000, ticket));
	cr_assert(ticket_make(txn, id, key, "/api/v1/events", now - 1000, old));
	store_read_end(txn);
	headers.ticket = ticket;
	cr_expect_eq(check(&headers, FNR_SCOPE_READ, &access), FNR_OK);
	cr_expect_str_eq(access.key, id);
	cr_expect_eq(check(&headers, FNR_SCOPE_SUBMIT, &access), FNR_E_FORBIDDEN);
	headers.path = "/api/v1/event";
	cr_expect_eq(check(&headers, FNR_SCOPE_READ, &access), FNR_E_UNAUTHORIZED, "another path");
	headers.path = "/api/v1/events";
	headers.ticket = old;
	cr_expect_eq(check(&headers, FNR_SCOPE_READ, &access), FNR_E_UNAUTHORIZED, "it has expired");
	headers.ticket = ticket;
	for (size_t i = 0; ticket[i]; i++) {
		ticket[i] ^= 1;
		cr_expect_eq(check(&headers, FNR_SCOPE_READ, &access), FNR_E_UNAUTHORIZED, "another character %zu", i);
		ticket[i] ^= 1;
	}
	put_key("[\"read\"]", "null");
	cr_expect_eq(check(&headers, FNR_SCOPE_READ, &access), FNR_OK, "other keys do not matter");
	txn = store_write(store, NULL);
	cr_assert_eq(store_key_delete(txn, id), FNR_OK);
	cr_assert_eq(store_key_put(txn, (uint8_t[32]){ 7 }, "{\"id\":\"later\",\"scopes\":[\"read\"]}", NULL), FNR_OK);
	cr_assert_eq(store_commit(txn, NULL), FNR_OK);
	cr_expect_eq(check(&headers, FNR_SCOPE_READ, &access), FNR_E_UNAUTHORIZED, "its key is gone");
}

/* The key of a data directory is always called "admin": a new one does not take over the tickets of the one before. */
Test(http, tickets_are_for_the_key_not_for_its_id)
{
	struct access_headers headers = { .method = "GET", .host = "localhost", .path = "/p" };
	uint8_t one[32] = { 1 }, two[32] = { 2 }, secret[32] = { 3 };
	static const char json[] = "{\"id\":\"admin\",\"scopes\":[\"admin\"]}";
	struct store_txn *txn = store_write(store, NULL);
	char ticket[TICKET_SIZE];
	struct access access;

	cr_expect_not(ticket_make(txn, "admin", one, "/p", fnr_now_ms() + 60000, ticket), "no secret yet");
	cr_assert_eq(store_secret_make(txn, secret, NULL), FNR_OK);
	cr_assert_eq(store_key_put(txn, one, json, NULL), FNR_OK);
	cr_assert(ticket_make(txn, "admin", one, "/p", fnr_now_ms() + 60000, ticket));
	cr_assert_eq(store_commit(txn, NULL), FNR_OK);
	headers.ticket = ticket;
	cr_expect_eq(check(&headers, FNR_SCOPE_READ, &access), FNR_OK);
	txn = store_write(store, NULL);
	cr_assert_eq(store_key_delete(txn, "admin"), FNR_OK);
	cr_assert_eq(store_key_put(txn, two, json, NULL), FNR_OK);
	cr_assert_eq(store_commit(txn, NULL), FNR_OK);
	cr_expect_eq(check(&headers, FNR_SCOPE_READ, &access), FNR_E_UNAUTHORIZED);
}

Test(http, problem_has_every_member)
{
	static const char *const members[] = { "type", "title", "status", "detail", "instance", "code", "request_id", "message",
	                                       "suggestion", "action", "errors" };
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *problem;

	fnr_error_add(&err, "/inputs/text", "required", "add it", "'text' is missing");
	problem = problem_make(&err, "/api/v1/jobs", "r1");
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
		cr_expect(json_object_object_get_ex(problem, members[i], NULL), "%s", members[i]);
	cr_expect_eq(fnr_json_get_int(problem, "status", 0), 422);
	cr_expect_str_eq(fnr_json_get_text(json_object_array_get_idx(fnr_json_get(problem, "errors"), 0), "pointer", ""), "/inputs/text");
	json_object_put(problem);
	fnr_error_clear(&err);
}

Test(http, job_before_its_first_attempt)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_submit submit = { .count = 1 };
	struct op_job job = { .summary = "{\"template\":\"noop\",\"version\":\"1.0.0\",\"seed\":7,\"queue\":\"cpu\"}",
	                      .payload = "{\"inputs\":{\"a\":1},\"parameters\":{},\"metadata\":{}}", .project = "demo", .shot = "s1",
	                      .template_ = "noop", .queue = "cpu", .key = "", .priority = 5, .max_attempts = 4 };
	struct json_object *view;
	struct op_reply reply;
	struct store_txn *txn;
	struct job_head head;

	op_submit_begin(&operation, &submit);
	op_job_add(&operation, &job);
	apply(&operation, &reply);
	txn = store_read(store, NULL);
	cr_assert_eq(store_job_get(txn, &reply.id, &head), FNR_OK);
	view = view_job(txn, NULL, &head, false, NULL);
	cr_assert(view);
	cr_expect_str_eq(fnr_json_get_text(view, "state", ""), "queued");
	cr_expect_str_eq(fnr_json_get_text(view, "stage", ""), "queue");
	cr_expect_str_eq(fnr_json_get_text(view, "waiting_for", ""), "position");
	cr_expect_eq(fnr_json_get_int(view, "seed", 0), 7);
	cr_expect_eq(fnr_json_get_int(fnr_json_get(view, "inputs"), "a", 0), 1);
	cr_expect_eq(json_object_array_length(fnr_json_get(fnr_json_get(view, "progress"), "stages")), FNR_STAGE_COUNT);
	cr_expect_null(fnr_json_get(view, "error"));
	json_object_put(view);
	view = view_job(txn, NULL, &head, true, NULL);
	cr_expect_not(json_object_object_get_ex(view, "inputs", NULL), "lists leave out the inputs");
	json_object_put(view);
	store_read_end(txn);
	fnr_buf_free(&operation);
}
