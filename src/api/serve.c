#include "api/serve.h"

#include <errno.h>
#include <fcgiapp.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api/serving.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/queues.h"
#include "base/text.h"
#include "schema/effort.h"

#define LINGER_MS 100              /* on a kept connection, when the process is to end */
#define LINGER_REQUESTS 32         /* served on it at most */
#define LARGE (128u << 10)         /* memory of such a request is given back to the system: parsed it is 20 times as much */

static struct server *here;

struct server *serve_here(void)
{
	return here;
}

void serve_open(struct server *server, const struct route *table, struct slots *slots, size_t slot)
{
	memset(server, 0, sizeof *server);
	server->routes = table;
	server->slots = slots;
	server->slot = slot;
	server->arena = fnr_arena_create();
	slots_conf_read(slots, &server->conf_generation, &server->conf);
	here = server;
}

void serve_close(struct server *server)
{
	journal_close(server->journal);
	store_close(server->store);
	fnr_arena_free(server->arena);
	memset(server, 0, sizeof *server);
	here = NULL;
}

static void refresh_conf(struct server *server)
{
	int level;

	if (!slots_conf_read(server->slots, &server->conf_generation, &server->conf))
		return;
	fnr_queues_set(server->conf.queue_names);
	level = fnr_log_level_parse(server->conf.log_level);
	fnr_log_init("api", level < 0 ? FNR_LOG_INFO : (enum fnr_log_level)level);
}

/* ---- what a request is ---- */

/* nginx gives each request an id; whoever else speaks FastCGI with us may give what he likes. */
static void take_id(struct serving *s)
{
	static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-";
	const char *id = request_param(&s->req, "REQUEST_ID");
	struct fnr_id made;

	if (id && *id && strlen(id) < sizeof s->req.id && id[strspn(id, plain)] == 0) {
		strcpy(s->req.id, id);
		return;
	}
	made = fnr_id_random();
	fnr_id_format(&made, s->req.id);
}

/* The path without query, and without "http://host" of a request to a proxy. */
static const char *path_of(struct serving *s)
{
	const char *uri = request_param(&s->req, "REQUEST_URI");

	if (!uri)
		return "/";
	if (strncasecmp(uri, "http://", 7) == 0 || strncasecmp(uri, "https://", 8) == 0) {
		uri = strstr(uri, "//") + 2;
		uri += strcspn(uri, "/?");
	}
	return fnr_arena_memdup0(s->req.arena, uri, strcspn(uri, "?#"));
}

static void take_request(struct serving *s)
{
	struct request *req = &s->req;
	const char *method = request_param(req, "REQUEST_METHOD"), *internal = request_param(req, "FNR_PATH");

	take_id(s);
	req->method = method && *method ? method : "GET";
	s->head = strcmp(req->method, "HEAD") == 0;
	s->upstream = internal && *internal;
	s->client_path = path_of(s);
	req->path = s->upstream ? internal : s->client_path;
}

/* ---- Accept ---- */

/* Quality of "…;q=0.5" in thousandths; 1000 if it is not there. */
static int quality_of(const char *range, size_t len)
{
	for (size_t at = 0; at < len; at++) {
		if (range[at] != ';')
			continue;
		at += 1 + strspn(range + at + 1, " \t");
		if (at + 1 < len && (range[at] == 'q' || range[at] == 'Q') && range[at + 1] == '=')
			return (int)(fnr_text_real(range + at + 2) * 1000);
	}
	return 1000;
}

/* Only who says that JSON will not do is refused: q=0 in the most exact range that fits it. */
static bool json_excluded(const char *accept)
{
	static const char *const ranges[] = { "*/*", "application/*", "application/json" };
	int exactest = -1, quality = 1000;

	for (accept += strspn(accept, ", \t"); *accept; accept += strspn(accept, ", \t")) {
		size_t len = strcspn(accept, ","), name = strcspn(accept, ";, \t");

		for (int i = 0; i < 3; i++)
			if (strlen(ranges[i]) == name && strncasecmp(accept, ranges[i], name) == 0 && i > exactest) {
				exactest = i;
				quality = quality_of(accept, len);
			}
		accept += len;
	}
	return exactest >= 0 && quality == 0;
}

/* ---- one request ---- */

static int begin_reading(struct serving *s)
{
	struct server *server = s->server;
	struct fnr_error err = FNR_ERROR_INIT;

	if (!server->store && store_open(&server->store, false, &err) != FNR_OK)
		server->store = NULL;
	s->req.store = server->store;
	if (server->store)
		s->req.txn = store_read(server->store, &err);
	if (!s->req.txn) {
		fnr_err(NULL, "the store cannot be read: %s", err.message);
		fnr_fail(&s->req.err, FNR_E_UNAVAILABLE, "the store cannot be read at the moment: %s", err.message);
	}
	fnr_error_clear(&err);
	return s->req.err.code;
}

/* nginx makes the requests of its own with GET, on behalf of ones that are not. */
static int check_access(struct serving *s, unsigned scope)
{
	struct request *req = &s->req;
	struct access_headers headers = {
		.method = s->upstream ? "POST" : req->method,
		.host = request_header(req, "Host"),
		.origin = request_header(req, "Origin"),
		.fetch_site = request_header(req, "Sec-Fetch-Site"),
		.authorization = request_header(req, "Authorization"),
		.cookie = request_header(req, "Cookie"),
		.marker = request_header(req, "X-Function-Runner"),
		.ticket = s->ticket,
	};

	if (s->ticket && !(headers.path = route_decode(req->arena, req->path, strlen(req->path), false)))
		headers.ticket = NULL;
	return access_check(req->txn, req->conf, &headers, scope, &req->access, &req->err);
}

/* Counts the request to the quota of its key, unless it goes on with one that was counted. Which minute it is the clock says that all processes have. */
static int check_quota(struct serving *s, const struct route *route)
{
	const struct access *access = &s->req.access;
	int64_t now = fnr_mono_ms();
	bool counted = !(route->flags & ROUTE_UNCOUNTED);
	uint32_t count;

	s->quota.most = access->per_minute ? access->per_minute : (uint32_t)s->req.conf->api_per_minute;
	if (!access->key[0])
		s->quota.most = 0;
	if (!s->quota.most)
		return FNR_OK;
	count = (counted ? meter_add : meter_read)(slots_meter(s->server->slots), METER_KEY, access->key, now);
	s->quota.left = count < s->quota.most ? s->quota.most - count : 0;
	s->quota.reset_s = meter_left_s(now);
	if (count <= s->quota.most || !counted)
		return FNR_OK;
	s->req.err.retry_after_s = s->quota.reset_s;
	return fnr_fail(&s->req.err, FNR_E_LIMIT, "this key may make %u requests a minute; come again in %d s", s->quota.most, s->quota.reset_s);
}

/* Whoever tries keys is put off. A key that is valid is let in all the same: others may have the same address. */
static void put_off(struct serving *s, const struct route *route)
{
	const char *address = request_param(&s->req, "REMOTE_ADDR");
	uint32_t most = (uint32_t)s->req.conf->api_max_failures, count;
	int64_t now = fnr_mono_ms();

	if (!most || !address || !(request_header(&s->req, "Authorization") || s->ticket || route->scope == FNR_SCOPE_NONE))
		return;
	count = meter_add(slots_meter(s->server->slots), METER_ADDRESS, address, now);
	if (count == most + 1)
		fnr_warn(NULL, "event=access.failures client=%s count=%u: more with a wrong key are put off until the next minute", address, count);
	if (count <= most)
		return;
	fnr_error_clear(&s->req.err);
	s->req.err.retry_after_s = meter_left_s(now);
	fnr_fail(&s->req.err, FNR_E_LIMIT, "too many requests with a wrong key came from this address; come again in %d s", s->req.err.retry_after_s);
}

static int prepare(struct serving *s, const struct route *route)
{
	const char *accept = request_header(&s->req, "Accept");
	int code = FNR_OK;

	if (route->flags & ROUTE_TICKET)
		s->ticket = request_find_ticket(s);
	if (!(route->flags & ROUTE_NO_STORE)) {
		code = begin_reading(s);
		if (code == FNR_OK)
			code = check_access(s, route->scope);
		if (code == FNR_OK)
			code = check_quota(s, route);
	}
	if (code == FNR_OK)
		code = request_read_query(s);
	if (code == FNR_OK && accept && json_excluded(accept))
		code = fnr_fail(&s->req.err, FNR_E_NOT_ACCEPTABLE, "answers are application/json, which the Accept header excludes");
	return code == FNR_OK ? body_read(s, route) : code;
}

static int call(struct serving *s, const struct route *route)
{
	int code = prepare(s, route);
	struct effort effort;

	if (code != FNR_OK)
		return code;
	effort_begin(&effort);
	code = route->call(&s->req);
	effort_end(&effort);
	if (code == FNR_OK)
		FNR_MUST(s->reply.status != 0);
	else if (s->req.err.code == FNR_OK)        /* a handler that returned a code without a word */
		fnr_fail(&s->req.err, code, "%s", fnr_code_title(code));
	return code;
}

/* Without a route: a foreign Host or Origin gets no better answer here than elsewhere. */
static void refuse_route(struct serving *s)
{
	struct fnr_error found = s->req.err;

	s->req.err = (struct fnr_error)FNR_ERROR_INIT;
	if (check_access(s, FNR_SCOPE_NONE) == FNR_OK)
		s->req.err = found;
	else
		fnr_error_clear(&found);
}

static void log_request(const struct serving *s, int64_t began)
{
	long long us = (fnr_mono_ns() - began) / 1000;
	const struct request *req = &s->req;
	char id[64];

	snprintf(id, sizeof id, "request=%s", req->id);
	if (s->reply.status >= 500 && req->err.code != FNR_OK)     /* "not ready" is an answer, not a failure */
		fnr_warn(id, "method=%.16s path=%.256s status=%d us=%lld error=%s: %s", req->method, req->path, s->reply.status, us,
		         fnr_code_type(req->err.code), req->err.message);
	else
		fnr_debug(id, "method=%.16s path=%.256s status=%d us=%lld", req->method, req->path, s->reply.status, us);
}

static void finish(struct serving *s)
{
	bool large = s->req.body_len > LARGE || s->reply.len > LARGE || s->posted > LARGE;

	request_end_reading(s);
	reply_clear(&s->reply);
	json_object_put(s->req.body);
	fnr_error_clear(&s->req.err);
	fnr_arena_reset(s->server->arena);
	if (large)
		malloc_trim(0);
}

void serve_request(struct server *server, char **envp, serve_read *read, void *context, struct fnr_buf *out)
{
	struct serving s = { .server = server, .envp = envp, .read = read, .read_context = context };
	struct route_match match;
	int64_t began = fnr_mono_ns();
	int code;

	refresh_conf(server);
	s.req.arena = server->arena;
	s.req.conf = &server->conf;
	s.req.reply = &s.reply;
	take_request(&s);
	code = route_find(server->arena, server->routes, s.req.method, s.req.path, s.upstream, &match, &s.req.err);
	if (code != FNR_OK) {
		refuse_route(&s);
	} else {
		memcpy(s.req.args, match.args, sizeof s.req.args);
		code = call(&s, match.route);
		if (code == FNR_E_UNAUTHORIZED)
			put_off(&s, match.route);
	}
	if (code != FNR_OK)
		reply_problem(&s, match.allow[0] ? match.allow : NULL);
	reply_render(&s, out);
	log_request(&s, began);
	finish(&s);
}

/* ---- the FastCGI loop ---- */

static volatile sig_atomic_t stopping;

static void on_term(int number)
{
	(void)number;
	stopping = 1;
	FCGX_ShutdownPending();
}

/* SIGTERM comes through only while the process waits for a request: one that is being served is finished. Without
 * SA_RESTART, so that accept() returns. SIGINT and SIGHUP of a terminal are the master's business. */
static void set_signals(sigset_t *term)
{
	struct sigaction action = { .sa_handler = on_term }, ignore = { .sa_handler = SIG_IGN };

	stopping = 0;
	sigemptyset(term);
	sigaddset(term, SIGTERM);
	sigprocmask(SIG_BLOCK, term, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGINT, &ignore, NULL);
	sigaction(SIGHUP, &ignore, NULL);
}

static size_t read_body(void *context, void *out, size_t size)
{
	int got = FCGX_GetStr(out, (int)size, context);

	return got > 0 ? (size_t)got : 0;
}

/* What was not read would be taken for the next request of a kept connection. */
static void drain(FCGX_Stream *in)
{
	char waste[4096];

	while (FCGX_GetStr(waste, sizeof waste, in) > 0)
		;
}

static void pause_ms(long ms)
{
	struct timespec time = { .tv_nsec = ms * 1000000 };

	nanosleep(&time, NULL);
}

static void serve_one(struct server *server, FCGX_Request *request, struct fnr_buf *out, bool last)
{
	serve_request(server, request->envp, read_body, request->in, out);
	FCGX_PutStr(out->data, (int)out->len, request->out);
	drain(request->in);
	if (last)
		request->keepConnection = 0;
	FCGX_Finish_r(request);
	if (out->size > LARGE)
		fnr_buf_free(out);
	else
		fnr_buf_reset(out);
}

/* Waits for the next request on a connection that nginx keeps, for ever or, when we are to end, for a moment. Closing it
 * at once would lose a request under load: nginx uses it again before it notices. It gives a connection up itself after
 * some requests. False: it is closed. */
static bool kept_has_request(FCGX_Request *request, const sigset_t *none)
{
	struct pollfd fd = { .fd = request->ipcFd, .events = POLLIN };
	const struct timespec moment = { .tv_nsec = LINGER_MS * 1000000 };
	char byte;
	int n;

	do
		n = ppoll(&fd, 1, stopping ? &moment : NULL, none);
	while (n < 0 && errno == EINTR);
	if (n == 1 && recv(request->ipcFd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
		return true;
	FCGX_Free(request, 1);
	return false;
}

/* A new connection; SIGTERM ends the wait. */
static int accept_new(FCGX_Request *request, const sigset_t *term)
{
	int accepted;

	sigprocmask(SIG_UNBLOCK, term, NULL);
	accepted = stopping ? -1 : FCGX_Accept_r(request);
	sigprocmask(SIG_BLOCK, term, NULL);
	if (accepted < 0 && !stopping) {
		fnr_err(NULL, "no connection can be taken: %s", strerror(errno));
		pause_ms(100);
	}
	return accepted;
}

int serve_loop(struct server *server, int listener)
{
	struct fnr_buf out = FNR_BUF_INIT;
	FCGX_Request request;
	sigset_t term, none;
	int accepted, left = LINGER_REQUESTS;

	mallopt(M_MMAP_THRESHOLD, LARGE);  /* and it stays so: what is large goes back as soon as it is freed */
	set_signals(&term);
	sigemptyset(&none);
	if (FCGX_Init() != 0 || FCGX_InitRequest(&request, listener, 0) != 0)
		fnr_die("FastCGI cannot be set up");
	while (!stopping || request.ipcFd >= 0) {
		if (request.ipcFd < 0)
			accepted = accept_new(&request, &term);
		else
			accepted = kept_has_request(&request, &none) ? FCGX_Accept_r(&request) : -1;
		if (accepted < 0)
			continue;
		left -= stopping;
		serve_one(server, &request, &out, left <= 0);
	}
	FCGX_Free(&request, 1);
	fnr_buf_free(&out);
	return 0;
}
