/* The skeleton of a request: routes, decoding, bodies, headers, problems; uploads' multipart bodies and names. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/committer.h"
#include "files/media.h"
#include "api/multipart.h"
#include "api/route.h"
#include "api/serve.h"
#include "api/upload.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/proc.h"

/* ---- a table ---- */

static int say(struct request *req)
{
	struct json_object *object = json_object_new_object();
	char path[REQUEST_ARGS * 64] = "";

	for (size_t i = 0; i < REQUEST_ARGS && req->args[i]; i++)
		snprintf(path + strlen(path), sizeof path - strlen(path), "%s|", req->args[i]);
	fnr_json_set_text(object, "args", path);
	fnr_json_set_text(object, "q", request_query(req, "q"));
	fnr_json_set_text(object, "key", request_header(req, "Idempotency-Key"));
	if (req->body)
		fnr_json_set(object, "body", json_object_get(req->body));
	reply_header(req, "X-Said", "yes");
	return reply_json(req, 200, object);
}

static int only(struct request *req)
{
	static const char *const names[] = { "state", "limit", NULL };
	size_t limit;
	int code = request_query_only(req, names);

	if (code == FNR_OK)
		code = request_limit(req, &limit);
	return code == FNR_OK ? reply_text(req, 200, "text/plain", "ok", 2) : code;
}

static int accelerated(struct request *req)
{
	reply_header(req, "Content-Type", "image/png");
	return reply_accel(req, "/internal/files/x");
}

static int nothing(struct request *req)
{
	return reply_empty(req, 204);
}

static int silent_failure(struct request *req)
{
	return FNR_E_CORRUPT;
}

static int id_wanted(struct request *req)
{
	struct fnr_id id;
	int code = request_id_arg(req, 0, "job", &id);

	return code == FNR_OK ? reply_empty(req, 204) : code;
}

static int posts(struct request *req)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;
	int code;

	if (req->args[0][0] == 'b')
		fnr_buf_puts(&operation, "\xffgarbage");
	else
		op_meta_add(&operation, "posted", 1);
	code = request_post(req, &operation, &reply);
	fnr_buf_free(&operation);
	cr_assert_eq(code, reply.code);
	return code == FNR_OK ? reply_text(req, 200, "text/plain", store_meta_get(req->txn, "posted") == 1 ? "seen" : "not seen", 4) : code;
}

#define R FNR_SCOPE_READ
static const struct route table[] = {
	{ "GET", "/a", R, 0, say },
	{ "POST", "/a", R, ROUTE_BODY, say },
	{ "GET", "/a/{id}", R, 0, say },
	{ "PATCH", "/a/{id}", R, ROUTE_BODY | ROUTE_BODY_OPTIONAL, say },
	{ "POST", "/a/cancel", R, 0, say },
	{ "GET", "/a/special", R, 0, nothing },
	{ "PUT", "/yaml", R, ROUTE_BODY | ROUTE_YAML, say },
	{ "GET", "/p/{p}/s/{s}/t/{t}/f/{f}", R, 0, say },
	{ "GET", "/only", R, 0, only },
	{ "GET", "/accel", R, 0, accelerated },
	{ "GET", "/silent", R, 0, silent_failure },
	{ "GET", "/job/{id}", R, 0, id_wanted },
	{ "POST", "/post/{how}", R, 0, posts },
	{ "GET", "/health", FNR_SCOPE_NONE, ROUTE_NO_STORE, nothing },
	{ "GET", "/internal/check/{id}", FNR_SCOPE_SUBMIT, ROUTE_INTERNAL, say },
	{ 0 },
};

/* ---- routes ---- */

struct route_case { const char *method, *path; bool internal; int code; const char *pattern, *args[4], *allow; };

Test(route, finding)
{
	static const struct route_case cases[] = {
		{ "GET", "/a", false, FNR_OK, "/a", { 0 }, 0 },
		{ "HEAD", "/a", false, FNR_OK, "/a", { 0 }, 0 },
		{ "POST", "/a", false, FNR_OK, "/a", { 0 }, 0 },
		{ "GET", "/a/", false, FNR_E_NOT_FOUND, 0, { 0 }, 0 },
		{ "GET", "//a", false, FNR_E_NOT_FOUND, 0, { 0 }, 0 },
		{ "GET", "", false, FNR_E_NOT_FOUND, 0, { 0 }, 0 },
		{ "GET", "a", false, FNR_E_NOT_FOUND, 0, { 0 }, 0 },
		{ "GET", "/a/x", false, FNR_OK, "/a/{id}", { "x" }, 0 },
		{ "GET", "/a/special", false, FNR_OK, "/a/special", { 0 }, 0 },
		{ "GET", "/a/cancel", false, FNR_OK, "/a/{id}", { "cancel" }, 0 },
		{ "POST", "/a/cancel", false, FNR_OK, "/a/cancel", { 0 }, 0 },
		{ "DELETE", "/a", false, FNR_E_METHOD, 0, { 0 }, "GET, HEAD, POST" },
		{ "DELETE", "/a/x", false, FNR_E_METHOD, 0, { 0 }, "GET, HEAD, PATCH" },
		{ "OPTIONS", "/health", false, FNR_E_METHOD, 0, { 0 }, "GET, HEAD" },
		{ "GET", "/a/x/y", false, FNR_E_NOT_FOUND, 0, { 0 }, 0 },
		{ "GET", "/p/1/s/2/t/3/f/4", false, FNR_OK, "/p/{p}/s/{s}/t/{t}/f/{f}", { "1", "2", "3", "4" }, 0 },
		{ "GET", "/p/1/s//t/3/f/4", false, FNR_E_NOT_FOUND, 0, { 0 }, 0 },
		{ "GET", "/a/x%2Fy%20%C3%A4", false, FNR_OK, "/a/{id}", { "x/y \xc3\xa4" }, 0 },
		{ "GET", "/%61", false, FNR_OK, "/a", { 0 }, 0 },
		{ "GET", "/a/%", false, FNR_E_MALFORMED, 0, { 0 }, 0 },
		{ "GET", "/a/%4", false, FNR_E_MALFORMED, 0, { 0 }, 0 },
		{ "GET", "/a/%zz", false, FNR_E_MALFORMED, 0, { 0 }, 0 },
		{ "GET", "/a/%00", false, FNR_E_MALFORMED, 0, { 0 }, 0 },
		{ "GET", "/a/%0a", false, FNR_E_MALFORMED, 0, { 0 }, 0 },
		{ "GET", "/a/%7F", false, FNR_E_MALFORMED, 0, { 0 }, 0 },
		{ "GET", "/a/%C2%85", false, FNR_E_MALFORMED, 0, { 0 }, 0 },
		{ "GET", "/a/%C0%AF", false, FNR_E_MALFORMED, 0, { 0 }, 0 },
		{ "GET", "/a/%ED%A0%80", false, FNR_E_MALFORMED, 0, { 0 }, 0 },
		{ "GET", "/a/x+y", false, FNR_OK, "/a/{id}", { "x+y" }, 0 },
		{ "GET", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18", false, FNR_E_NOT_FOUND, 0, { 0 }, 0 },
		{ "GET", "/internal/check/x", false, FNR_E_NOT_FOUND, 0, { 0 }, 0 },
		{ "GET", "/internal/check/x", true, FNR_OK, "/internal/check/{id}", { "x" }, 0 },
		{ "GET", "/internal/check/%41", true, FNR_OK, "/internal/check/{id}", { "%41" }, 0 },
		{ "GET", "/a", true, FNR_E_NOT_FOUND, 0, { 0 }, 0 },
	};
	struct fnr_arena *arena = fnr_arena_create();

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct route_case *c = &cases[i];
		struct fnr_error err = FNR_ERROR_INIT;
		struct route_match match;
		int code = route_find(arena, table, c->method, c->path, c->internal, &match, &err);

		cr_assert_eq(code, c->code, "%s %s: %d", c->method, c->path, code);
		cr_assert_eq(err.code, c->code, "%s %s", c->method, c->path);
		if (c->pattern)
			cr_assert_str_eq(match.route->pattern, c->pattern, "%s %s", c->method, c->path);
		for (size_t a = 0; c->pattern && a < 4 && c->args[a]; a++)
			cr_assert_str_eq(match.args[a], c->args[a]);
		if (c->allow)
			cr_assert_str_eq(match.allow, c->allow);
	}
	fnr_arena_free(arena);
}

Test(route, listing_leaves_out_what_clients_cannot_reach)
{
	struct fnr_buf text = FNR_BUF_INIT;

	route_list(table, &text);
	cr_assert(strstr(text.data, "GET /a\nPOST /a\nGET /a/{id}\n") && !strstr(text.data, "internal"));
	fnr_buf_free(&text);
}

/* ---- whole requests ---- */

static char folder[] = "/tmp/fnr-request-XXXXXX";
static struct fnr_conf conf;
static struct slots *slots;
static struct server server;
static struct fnr_buf out;

static void enter(void)
{
	struct fnr_error err = FNR_ERROR_INIT;

	cr_assert(mkdtemp(folder) && chdir(folder) == 0 && mkdir("uploads", 0700) == 0 && mkdir("run", 0700) == 0);
	cr_assert_eq(fnr_conf_load(&conf, "config.yaml", &err), FNR_OK, "%s", err.message);
	conf.api_keys = false;
	conf.api_max_body = 1000;
	conf.disk_min_free = 0;
	slots = slots_create(&conf, 300);
	slots_use(slots, 1);
	serve_open(&server, table, slots, 0);
	fnr_log_init("test", FNR_LOG_ERROR + 1);
}

static void leave(void)
{
	serve_close(&server);
	slots_free(slots);
	fnr_buf_free(&out);
	cr_assert(chdir("/") == 0);
	fnr_tree_remove(folder, NULL);
}

TestSuite(request, .init = enter, .fini = leave, .timeout = 600);

/* A child that does not outlive the test, however that ends. */
static pid_t fork_tied(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0)
		fnr_proc_tie(parent, SIGKILL);
	return pid;
}

struct source { const char *data; size_t left; };

static size_t read_source(void *context, void *to, size_t size)
{
	struct source *source = context;
	size_t n = source->left < size ? source->left : size;

	n = n > 7 ? 7 : n;             /* in small pieces */
	memcpy(to, source->data, n);
	source->data += n;
	source->left -= n;
	return n;
}

/* variables: more CGI variables, each "NAME=value", ends with NULL. Returns the status; the answer is in `out`. */
static int ask(const char *method, const char *uri, const char *body, const char *const *variables)
{
	struct source source = { body ? body : "", body ? strlen(body) : 0 };
	const char *query = strchr(uri, '?');
	char text[6][512], *envp[24];
	size_t count = 0;

	snprintf(text[0], 512, "REQUEST_METHOD=%s", method);
	snprintf(text[1], 512, "REQUEST_URI=%s", uri);
	snprintf(text[2], 512, "QUERY_STRING=%s", query ? query + 1 : "");
	snprintf(text[3], 512, "HTTP_HOST=localhost:1");
	snprintf(text[4], 512, "CONTENT_LENGTH=%s", "");
	if (body)
		snprintf(text[4], 512, "CONTENT_LENGTH=%zu", strlen(body));
	for (; variables && variables[count]; count++)
		envp[count] = (char *)(uintptr_t)variables[count];   /* the first of a name wins */
	for (size_t i = 0; i < 5; i++)
		envp[count++] = text[i];
	envp[count] = NULL;
	fnr_buf_reset(&out);
	serve_request(&server, envp, read_source, &source, &out);
	cr_assert(strncmp(out.data, "Status: ", 8) == 0, "%s", out.data);
	return atoi(out.data + 8);
}

#define JSON "CONTENT_TYPE=application/json"
#define V(...) (const char *const[]){ __VA_ARGS__, NULL }

static bool has_line(const char *line)
{
	char *end = strstr(out.data, "\r\n\r\n"), *at = strstr(out.data, line);

	return at && at < end && strncmp(at + strlen(line), "\r\n", 2) == 0;
}

static const char *body_of_answer(void)
{
	return strstr(out.data, "\r\n\r\n") + 4;
}

Test(request, a_plain_answer)
{
	cr_assert_eq(ask("GET", "/a/x?q=1+%2B&r", NULL, V("REQUEST_ID=abc123", "HTTP_IDEMPOTENCY_KEY=k")), 200);
	cr_assert(has_line("X-Request-Id: abc123") && has_line("X-Content-Type-Options: nosniff") && has_line("Cache-Control: no-store"));
	cr_assert(has_line("Content-Security-Policy: default-src 'none'; sandbox") && has_line("Content-Type: application/json"));
	cr_assert(has_line("X-Said: yes") && has_line("Content-Length: 33"), "%s", out.data);
	cr_assert_str_eq(body_of_answer(), "{\"args\":\"x|\",\"q\":\"1 +\",\"key\":\"k\"}");
}

Test(request, head_has_no_body_but_its_length)
{
	cr_assert_eq(ask("HEAD", "/a/x", NULL, NULL), 200);
	cr_assert(strstr(out.data, "Content-Length: ") && !has_line("Content-Length: 0"));
	cr_assert_str_eq(body_of_answer(), "");
}

Test(request, ids_are_made_where_none_or_a_strange_one_came)
{
	ask("GET", "/a", NULL, V("REQUEST_ID=with space"));
	cr_assert(!strstr(out.data, "with space") && strstr(out.data, "X-Request-Id: 0"));
	ask("GET", "/a", NULL, V("REQUEST_ID=1234567890123456789012345678901234567890"));
	cr_assert(!strstr(out.data, "Id: 1234567890123456789012345678901234567890"));
}

Test(request, other_forms_of_the_address)
{
	cr_assert_eq(ask("GET", "http://localhost:1/a/x?q=2", NULL, NULL), 200);
	cr_assert(strstr(out.data, "\"q\":\"2\""));
	cr_assert_eq(ask("GET", "/health", NULL, NULL), 204);
	cr_assert(!strstr(out.data, "Content-Length") && !strstr(out.data, "Content-Type:"));
	cr_assert_eq(ask("GET", "/accel", NULL, NULL), 200);
	cr_assert(has_line("X-Accel-Redirect: /internal/files/x") && has_line("Content-Type: image/png") && !strstr(out.data, "Content-Length"));
}

Test(request, problems)
{
	struct json_object *problem;

	cr_assert_eq(ask("GET", "/nowhere?x", NULL, V("REQUEST_ID=r1")), 404);
	cr_assert(has_line("Content-Type: application/problem+json"));
	problem = fnr_json_parse(body_of_answer(), strlen(body_of_answer()), NULL);
	cr_assert_str_eq(fnr_json_get_text(problem, "code", ""), "not_found");
	cr_assert_str_eq(fnr_json_get_text(problem, "instance", ""), "/nowhere");
	cr_assert_str_eq(fnr_json_get_text(problem, "request_id", ""), "r1");
	cr_assert_eq(fnr_json_get_int(problem, "status", 0), 404);
	json_object_put(problem);
	cr_assert_eq(ask("DELETE", "/a", NULL, NULL), 405);
	cr_assert(has_line("Allow: GET, HEAD, POST"));
	cr_assert_eq(ask("GET", "/silent", NULL, NULL), 500);
	cr_assert_eq(ask("GET", "/job/123", NULL, NULL), 404);
	cr_assert(strstr(out.data, "there is no job '123'"));
	cr_assert_eq(ask("GET", "/job/0198a2b4-1234-7abc-8def-0123456789ab", NULL, NULL), 204);
}

Test(request, queries)
{
	cr_assert_eq(ask("GET", "/only?state=x&limit=500", NULL, NULL), 200);
	cr_assert_eq(ask("GET", "/only?stat=x", NULL, NULL), 422);
	cr_assert(strstr(out.data, "did you mean 'state'"));
	for (size_t i = 0; i < 6; i++) {
		static const char *const limits[] = { "0", "501", "-1", "1x", "", "99999999999999999999" };
		char uri[64];

		snprintf(uri, sizeof uri, "/only?limit=%s", limits[i]);
		cr_assert_eq(ask("GET", uri, NULL, NULL), 422, "%s", uri);
	}
	cr_assert_eq(ask("GET", "/only?state=%", NULL, NULL), 400);
	cr_assert_eq(ask("GET", "/only?state=%00", NULL, NULL), 400);
	cr_assert_eq(ask("GET", "/only?%ff=1", NULL, NULL), 400);
	cr_assert_eq(ask("GET", "/a?q=first&q=second&&", NULL, NULL), 200);
	cr_assert(strstr(out.data, "\"q\":\"first\""));
}

struct body_case { const char *uri, *method, *body, *type; int status; };

Test(request, bodies)
{
	static char large[1100];
	const struct body_case cases[] = {
		{ "/a", "POST", "{\"x\":1}", JSON, 200 },
		{ "/a", "POST", "{}", "CONTENT_TYPE=Application/JSON; charset=UTF-8", 200 },
		{ "/a", "POST", "{}", "CONTENT_TYPE=application/json;charset=\"utf-8\"", 200 },
		{ "/a", "POST", "{}", "CONTENT_TYPE=application/json; charset=latin1", 415 },
		{ "/a", "POST", "{}", "CONTENT_TYPE=application/jsonx", 415 },
		{ "/a", "POST", "{}", "CONTENT_TYPE=text/plain", 415 },
		{ "/a", "POST", "{}", "CONTENT_TYPE=", 415 },
		{ "/a", "POST", "a: 1", "CONTENT_TYPE=application/yaml", 415 },
		{ "/yaml", "PUT", "a: 1", "CONTENT_TYPE=application/yaml", 200 },
		{ "/yaml", "PUT", "a: [", "CONTENT_TYPE=application/yaml", 400 },
		{ "/a", "POST", "", JSON, 400 },
		{ "/a", "POST", "{", JSON, 400 },
		{ "/a", "POST", "{}x", JSON, 400 },
		{ "/a", "POST", "{'a':1}", JSON, 400 },
		{ "/a", "POST", "{\"a\":NaN}", JSON, 400 },
		{ "/a", "POST", "[]", JSON, 422 },
		{ "/a", "POST", "null", JSON, 422 },
		{ "/a", "POST", large, JSON, 413 },
		{ "/a/x", "PATCH", "", "CONTENT_TYPE=", 200 },
		{ "/a/x", "PATCH", "{}", JSON, 200 },
		{ "/a/x", "PATCH", "{}", "CONTENT_TYPE=text/plain", 415 },
		{ "/a/cancel", "POST", "", "CONTENT_TYPE=application/x-www-form-urlencoded", 200 },
		{ "/a/cancel", "POST", "a=b", "CONTENT_TYPE=application/x-www-form-urlencoded", 415 },
		{ "/a/cancel", "POST", "{}", JSON, 200 },
	};

	memset(large, ' ', sizeof large - 1);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_assert_eq(ask(cases[i].method, cases[i].uri, cases[i].body, V(cases[i].type)), cases[i].status, "case %zu: %s", i, out.data);
	cr_assert_eq(ask("POST", "/a", large, V(JSON)), 413);
	cr_assert(strstr(out.data, "the body has 1099 bytes; the limit is 1000"), "%s", out.data);
	cr_assert_eq(ask("POST", "/a", large, V(JSON, "CONTENT_LENGTH=")), 413, "a length that was not said is found out");
	cr_assert_eq(ask("POST", "/a", "{}", V(JSON, "CONTENT_LENGTH=10")), 400, "cut off");
	cr_assert_eq(ask("POST", "/a", "{}", V(JSON, "CONTENT_LENGTH=")), 200);
}

Test(request, accept)
{
	static const struct { const char *accept; int status; } cases[] = {
		{ "HTTP_ACCEPT=*/*", 200 }, { "HTTP_ACCEPT=text/html", 200 }, { "HTTP_ACCEPT=", 200 },
		{ "HTTP_ACCEPT=application/json;q=0", 406 }, { "HTTP_ACCEPT=text/html, application/json; q=0.0", 406 },
		{ "HTTP_ACCEPT=*/*;q=0", 406 }, { "HTTP_ACCEPT=*/*;q=0, application/json", 200 }, { "HTTP_ACCEPT=application/json;v=1;q=0.5", 200 },
		{ "HTTP_ACCEPT=application/*;q=0, */*", 406 }, { "HTTP_ACCEPT=;q=0", 200 }, { "HTTP_ACCEPT=application/json;", 200 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_assert_eq(ask("GET", "/a", NULL, V(cases[i].accept)), cases[i].status, "%s", cases[i].accept);
}

Test(request, hosts_and_origins)
{
	cr_assert_eq(ask("GET", "/a", NULL, V("HTTP_HOST=evil.example")), 403);
	cr_assert_eq(ask("GET", "/nowhere", NULL, V("HTTP_HOST=evil.example")), 403);
	cr_assert_eq(ask("DELETE", "/a", NULL, V("HTTP_ORIGIN=http://evil.example")), 403);
	cr_assert_eq(ask("GET", "/a", NULL, V("HTTP_SEC_FETCH_SITE=cross-site")), 403);
	cr_assert_eq(ask("GET", "/health", NULL, V("HTTP_HOST=10.0.0.1")), 204);
}

Test(request, internal_routes)
{
	cr_assert_eq(ask("GET", "/internal/check/x", NULL, V("FNR_PATH=")), 404);
	cr_assert_eq(ask("GET", "/a", NULL, V("HTTP_FNR_PATH=/internal/check/x")), 200);
	cr_assert(strstr(out.data, "\"args\":\"\""), "a header of that name is no parameter");
	cr_assert_eq(ask("GET", "/whatever?q=9", NULL, V("FNR_PATH=/internal/check/x y")), 200);
	cr_assert(strstr(out.data, "\"args\":\"x y|\"") && !strstr(out.data, "X-Problem"));
	cr_assert_eq(ask("GET", "/asked", NULL, V("FNR_PATH=/internal/check/x", "HTTP_HOST=evil")), 403);
	cr_assert(strstr(out.data, "X-Problem: {\"type\":") && strstr(out.data, "\"instance\":\"/asked\""));
}

Test(request, keys)
{
	conf.api_keys = true;
	slots_conf_publish(slots, &conf);
	cr_assert_eq(ask("GET", "/a", NULL, NULL), 401);
	cr_assert(has_line("WWW-Authenticate: Bearer"));
	cr_assert_eq(ask("GET", "/a", NULL, V("HTTP_AUTHORIZATION=Bearer fnr_x")), 401);
	cr_assert_eq(ask("GET", "/health", NULL, NULL), 204);
	cr_assert_eq(ask("GET", "/nowhere", NULL, NULL), 404);
}

Test(request, posting)
{
	pid_t committer;
	int status;

	cr_assert_eq(ask("POST", "/post/good", NULL, NULL), 503);      /* nobody takes it */
	cr_assert(has_line("Retry-After: 1"));
	committer = fork_tied();
	if (committer == 0)
		_exit(committer_run(slots));
	cr_assert_eq(ask("POST", "/post/good", NULL, NULL), 200);
	cr_assert_str_eq(body_of_answer(), "seen", "the handler sees what was written");
	cr_assert_eq(ask("POST", "/post/bad", NULL, NULL), 400);
	slots_stop(slots, true);
	cr_assert(waitpid(committer, &status, 0) == committer && status == 0);
}

Test(request, a_store_that_cannot_be_opened)
{
	cr_assert_eq(symlink("/dev/null", "store"), 0);
	cr_assert_eq(ask("GET", "/a", NULL, NULL), 503);
	cr_assert_eq(ask("GET", "/health", NULL, NULL), 204);
	cr_assert_eq(unlink("store"), 0);
	cr_assert_eq(ask("GET", "/a", NULL, NULL), 200, "it is tried again");
}

/* ---- uploads ---- */

#define INCOMING "uploads/incoming"
#define BODY_FILE "FNR_BODY_FILE=/somewhere/" INCOMING "/0000000001"

static pid_t committer_of_upload;

static void enter_upload(void)
{
	enter();
	cr_assert(mkdir(INCOMING, 0700) == 0);
	server.routes = upload_routes;
	committer_of_upload = fork_tied();
	if (committer_of_upload == 0)
		_exit(committer_run(slots));
}

static void leave_upload(void)
{
	slots_stop(slots, true);
	waitpid(committer_of_upload, NULL, 0);
	leave();
}

TestSuite(upload, .init = enter_upload, .fini = leave_upload, .timeout = 600);

#define BODY "uploads/incoming/0000000001"

static struct json_object *upload(int status, const char *content, size_t len, const char *const *variables)
{
	cr_assert_eq(fnr_dir_make("uploads/incoming", 0700, NULL), FNR_OK);
	cr_assert_eq(fnr_file_write(BODY, content, len, 0600, NULL), FNR_OK);
	cr_assert_eq(ask("POST", "/api/v1/uploads", NULL, variables), status, "%s", out.data);
	if (status == 201 && !strstr(variables[1], "multipart"))
		cr_assert(access(BODY, F_OK) < 0, "the file has one name only");
	unlink(BODY);                  /* nginx does this */
	return fnr_json_parse(body_of_answer(), strlen(body_of_answer()), NULL);
}

static void check_filed(struct json_object *answer, const char *content, size_t len)
{
	struct fnr_buf file = FNR_BUF_INIT;
	uint8_t hash[32];
	char path[128], hex[65];

	snprintf(path, sizeof path, "uploads/%s", fnr_json_get_text(answer, "id", ""));
	cr_assert_eq(fnr_file_read(path, 1u << 30, &file, NULL), FNR_OK);
	cr_assert(file.len == len && memcmp(file.data, content, len) == 0);
	fnr_sha256_of(content, len, hash);
	cr_assert_str_eq(fnr_json_get_text(answer, "sha256", ""), fnr_hex(hash, 32, hex));
	cr_assert_eq(fnr_json_get_int(answer, "bytes", 0), (int64_t)len);
	fnr_buf_free(&file);
}

static size_t files_in_uploads(void)
{
	FILE *pipe = popen("find uploads -type f | wc -l", "r");
	unsigned count = 99;

	cr_assert(pipe && fscanf(pipe, "%u", &count) == 1);
	pclose(pipe);
	return count;
}

Test(upload, the_body_is_the_file)
{
	struct json_object *answer = upload(201, "hello", 5, V("FNR_BODY_FILE=/data/" BODY, "CONTENT_TYPE=text/plain; charset=x", "HTTP_X_FILENAME=a%20b.txt"));
	struct store_upload stored;
	struct store_txn *txn;
	struct fnr_id id;

	check_filed(answer, "hello", 5);
	cr_assert_str_eq(fnr_json_get_text(answer, "media_type", ""), "text/plain");
	cr_assert_str_eq(fnr_json_get_text(answer, "name", ""), "a b.txt");
	cr_assert(fnr_id_parse(fnr_json_get_text(answer, "id", ""), &id) && strstr(out.data, "Location: /api/v1/uploads/"));
	txn = store_read(server.store, NULL);
	cr_assert(store_upload_get(txn, &id, &stored) == FNR_OK && stored.bytes == 5 && stored.created_at > 0);
	store_read_end(txn);
	json_object_put(answer);
}

Test(upload, a_form)
{
	static const char form[] = "--B\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nnot this\r\n--B\r\n"
		"content-disposition: form-data; name=\"f\"; filename=\"C:\\\\x\\\\pic.PNG\"\r\nContent-Type: image/png\r\n\r\n"
		"\r\n--b data\r\n--\r\n--B\r\n\r\n\r\n--B--\r\n";
	struct json_object *answer = upload(201, form, sizeof form - 1, V("FNR_BODY_FILE=/data/" BODY, "CONTENT_TYPE=multipart/form-data; boundary=B"));

	check_filed(answer, "\r\n--b data\r\n--", 14);
	cr_assert_str_eq(fnr_json_get_text(answer, "name", ""), "pic.PNG");
	cr_assert_str_eq(fnr_json_get_text(answer, "media_type", ""), "image/png");
	json_object_put(answer);
}

Test(upload, refusals_leave_nothing)
{
	static const char cut[] = "--B\r\nContent-Disposition: form-data; name=f; filename=a\r\n\r\nhalf of i";
	static const char empty[] = "--B\r\nContent-Disposition: form-data; name=f; filename=a\r\n\r\n\r\n--B--";
	static const char large[1025];
	const char *const form[] = { "FNR_BODY_FILE=/data/" BODY, "CONTENT_TYPE=multipart/form-data; boundary=B", NULL };

	json_object_put(upload(400, cut, sizeof cut - 1, form));
	json_object_put(upload(422, empty, sizeof empty - 1, form));
	json_object_put(upload(400, "x", 1, V("FNR_BODY_FILE=")));
	json_object_put(upload(422, "", 0, V("FNR_BODY_FILE=/data/" BODY)));
	json_object_put(upload(500, "x", 1, V("FNR_BODY_FILE=/data/uploads/incoming/0000000002")));
	cr_assert_eq(fnr_file_write("admin.key", "secret", 6, 0600, NULL), FNR_OK);
	json_object_put(upload(500, "x", 1, V("FNR_BODY_FILE=admin.key")));
	json_object_put(upload(500, "x", 1, V("FNR_BODY_FILE=uploads/incoming/../../admin.key")));
	cr_assert(access("admin.key", F_OK) == 0, "only what nginx has put there is taken");
	json_object_put(upload(500, "x", 1, V("FNR_BODY_FILE=/etc/passwd")));
	json_object_put(upload(500, "x", 1, V("FNR_BODY_FILE=" INCOMING "/../0000000001x")));
	conf.upload_max = 1024;
	slots_conf_publish(slots, &conf);
	json_object_put(upload(413, large, sizeof large, V("FNR_BODY_FILE=/data/" BODY)));
	cr_assert_eq(files_in_uploads(), 0);
}

/* ---- multipart ---- */

static int collect(const void *data, size_t len, void *context, struct fnr_error *err)
{
	fnr_buf_add(context, data, len);
	return FNR_OK;
}

static int parse(const void *form, size_t len, const char *type, struct multipart_part *part, struct fnr_buf *content, struct fnr_error *err)
{
	int fd = memfd_create("form", 0), code;

	fnr_buf_reset(content);
	cr_assert(fd >= 0 && fnr_write_all(fd, form, len) && lseek(fd, 0, SEEK_SET) == 0);
	code = multipart_first_file(fd, type, part, collect, content, err);
	close(fd);
	return code;
}

#define FORM "multipart/form-data; boundary=B"
#define PART "\r\nContent-Disposition: form-data; name=f; filename=a\r\n\r\n"

Test(multipart, small_bodies)
{
	static const struct { const char *form, *type; int code; const char *content; } cases[] = {
		{ "--B" PART "abc\r\n--B--", FORM, FNR_OK, "abc" },
		{ "preamble\r\n--B" PART "abc\r\n--B--\r\nepilogue", FORM, FNR_OK, "abc" },
		{ "--B  " PART "abc\r\n--B\r\n", FORM, FNR_OK, "abc" },
		{ "--B" PART "\r\n--B--", FORM, FNR_OK, "" },
		{ "--B\r\nContent-Disposition: form-data; name=f; filename=a\r\n\r\n--B--", FORM, FNR_OK, "" },
		{ "--B\r\n\r\nno headers\r\n--B" PART "x\r\n--B--", FORM, FNR_OK, "x" },
		{ "--B" PART "abc", FORM, FNR_E_MALFORMED, 0 },
		{ "--B" PART "abc\r\n--", FORM, FNR_E_MALFORMED, 0 },
		{ "--B\r\nContent-Disposition: form-data; name=f; filen", FORM, FNR_E_MALFORMED, 0 },
		{ "", FORM, FNR_E_MALFORMED, 0 },
		{ "--C" PART "abc\r\n--C--", FORM, FNR_E_MALFORMED, 0 },
		{ "--B--", FORM, FNR_E_INVALID, 0 },
		{ "--B\r\nContent-Disposition: form-data; name=f\r\n\r\nabc\r\n--B--", FORM, FNR_E_INVALID, 0 },
		{ "--B" PART "abc\r\n--B--", "multipart/form-data", FNR_E_MALFORMED, 0 },
		{ "--B" PART "abc\r\n--B--", "multipart/form-data; boundary=\"B\"", FNR_OK, "abc" },
		{ "--B" PART "abc\r\n--B--", "multipart/form-data; boundary=", FNR_E_MALFORMED, 0 },
		{ "--B" PART "abc\r\n--B--", FORM "123456789012345678901234567890123456789012345678901234567890123456789012345", FNR_E_MALFORMED, 0 },
	};
	struct fnr_buf content = FNR_BUF_INIT;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;
		struct multipart_part part;
		int code = parse(cases[i].form, strlen(cases[i].form), cases[i].type, &part, &content, &err);

		cr_assert_eq(code, cases[i].code, "case %zu: %d %s", i, code, err.message);
		if (cases[i].content)
			cr_assert(content.len == strlen(cases[i].content) && memcmp(content.data ? content.data : "", cases[i].content, content.len) == 0, "case %zu", i);
	}
	fnr_buf_free(&content);
}

/* The delimiter, and things that look like its beginning, at every place around the end of the window. */
Test(multipart, delimiters_across_windows, .timeout = 600)
{
	struct fnr_buf form = FNR_BUF_INIT, content = FNR_BUF_INIT;
	struct multipart_part part;

	for (size_t size = (128u << 10) - 100; size < (128u << 10) + 20; size += 3) {
		struct fnr_error err = FNR_ERROR_INIT;
		size_t begin;

		fnr_buf_reset(&form);
		fnr_buf_puts(&form, "--B" PART);
		begin = form.len;
		for (int repeat = 0; repeat < 3; repeat++) {
			for (size_t i = 0; i < size; i++)
				fnr_buf_add(&form, &"\r\n--A"[i % 5], 1);
			fnr_buf_puts(&form, "\r\n--\r\n-");
		}
		size_t len = form.len - begin;
		fnr_buf_puts(&form, "\r\n--B--\r\n");
		cr_assert_eq(parse(form.data, form.len, FORM, &part, &content, &err), FNR_OK, "%s", err.message);
		cr_assert(content.len == len && memcmp(content.data, form.data + begin, len) == 0, "size %zu", size);
	}
	fnr_buf_free(&form);
	fnr_buf_free(&content);
}

Test(multipart, parameters)
{
	static const struct { const char *header, *name, *value; } cases[] = {
		{ "form-data; name=\"a\"; filename=\"b.png\"", "filename", "b.png" },
		{ "form-data; FileName=b.png ; x=y", "filename", "b.png" },
		{ "form-data; name=\"filename=\\\"x\\\"; y\"; filename=\"b\"", "filename", "b" },
		{ "form-data; filename=\"a%22b\\\"c\"", "filename", "a\"b\"c" },
		{ "form-data; filename=\"\"", "filename", "" },
		{ "form-data; filename", "filename", NULL },
		{ "form-data; filename=\"open", "filename", "open" },
		{ "form-data;;; filename*=UTF-8''x", "filename*", "UTF-8''x" },
		{ "form-data", "filename", NULL },
	};
	char value[64];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		bool found = multipart_parameter(cases[i].header, cases[i].name, value, sizeof value);

		cr_assert_eq(found, cases[i].value != NULL, "%s", cases[i].header);
		if (found)
			cr_assert_str_eq(value, cases[i].value, "%s", cases[i].header);
	}
	cr_assert(multipart_parameter("x; a=\"0123456789\"", "a", value, 5));
	cr_assert_str_eq(value, "0123");
}

/* ---- names and kinds ---- */

Test(media, kinds)
{
	static const struct { const char *head; size_t len; const char *declared, *name, *type; } cases[] = {
		{ "\x89PNG\r\n\x1a\n", 8, "text/html", "x.jpg", "image/png" },
		{ "RIFF....WAVE", 12, NULL, "", "audio/wav" },
		{ "RIFF....WEBP", 12, NULL, "", "image/webp" },
		{ "....ftypisom", 12, NULL, "", "video/mp4" },
		{ "\x1a\x45\xdf\xa3 webm", 9, NULL, "", "video/webm" },
		{ "\x1a\x45\xdf\xa3 matroska", 13, NULL, "", "video/x-matroska" },
		{ "words", 5, "Text/Plain; charset=utf-8", "x.png", "text/plain" },
		{ "words", 5, "application/octet-stream", "x.png", "image/png" },
		{ "words", 5, "application/x-www-form-urlencoded", "x", "application/octet-stream" },
		{ "words", 5, "nonsense", "x", "application/octet-stream" },
		{ "words", 5, "a/b/c", "x", "application/octet-stream" },
		{ "words", 5, "a/\"b", "x", "application/octet-stream" },
		{ "", 0, NULL, "", "application/octet-stream" },
	};
	char type[64];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		media_type_of(cases[i].head, cases[i].len, cases[i].declared, cases[i].name, type);
		cr_assert_str_eq(type, cases[i].type, "case %zu: %s", i, type);
	}
}

Test(media, names)
{
	char name[132];

	media_clean_name("../../etc/passwd", name);
	cr_assert_str_eq(name, "passwd");
	media_clean_name("C:\\x\\y.png", name);
	cr_assert_str_eq(name, "y.png");
	media_clean_name("a\x01""b\xff", name);
	cr_assert_str_eq(name, "a?b?");
	media_clean_name("", name);
	cr_assert_str_eq(name, "");
}
