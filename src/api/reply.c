/* What a handler answers, and how it is sent. */
#include <stdio.h>
#include <string.h>

#include "api/serving.h"
#include "http/problem.h"

static const struct { int status; const char *reason; } reasons[] = {
	{ 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" }, { 206, "Partial Content" },
	{ 304, "Not Modified" }, { 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
	{ 405, "Method Not Allowed" }, { 406, "Not Acceptable" }, { 409, "Conflict" }, { 412, "Precondition Failed" },
	{ 413, "Content Too Large" }, { 415, "Unsupported Media Type" }, { 422, "Unprocessable Content" },
	{ 428, "Precondition Required" }, { 429, "Too Many Requests" }, { 500, "Internal Server Error" },
	{ 503, "Service Unavailable" },
};

static const char *reason_of(int status)
{
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Other";
}

static bool is_header_text(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

void reply_header(struct request *req, const char *name, const char *value)
{
	struct reply *reply = req->reply;

	if (!is_header_text(name) || !is_header_text(value))
		FNR_BUG("a control character in a header of an answer");
	FNR_MUST(reply->header_count < REPLY_HEADERS);
	reply->headers[reply->header_count].name = fnr_arena_strdup(req->arena, name);
	reply->headers[reply->header_count++].value = fnr_arena_strdup(req->arena, value);
}

void reply_clear(struct reply *reply)
{
	json_object_put(reply->object);
	memset(reply, 0, sizeof *reply);
}

static struct reply *begin(struct request *req, int status)
{
	FNR_MUST(req->reply->status == 0);
	req->reply->status = status;
	return req->reply;
}

int reply_json(struct request *req, int status, struct json_object *object)
{
	struct reply *reply = begin(req, status);

	reply->media_type = "application/json";
	reply->object = object;
	reply->text = fnr_json_text(object, &reply->len);
	return FNR_OK;
}

int reply_text(struct request *req, int status, const char *media_type, const char *text, size_t len)
{
	struct reply *reply = begin(req, status);

	FNR_MUST(is_header_text(media_type));
	reply->media_type = fnr_arena_strdup(req->arena, media_type);
	reply->text = fnr_arena_memdup0(req->arena, text, len);
	reply->len = len;
	return FNR_OK;
}

int reply_empty(struct request *req, int status)
{
	begin(req, status);
	return FNR_OK;
}

int reply_accel(struct request *req, const char *uri)
{
	begin(req, 200);
	reply_header(req, "X-Accel-Redirect", uri);
	return FNR_OK;
}

/* ---- problems ---- */

static void add_problem_headers(struct serving *s, int status, const char *allow)
{
	struct request *req = &s->req;
	int seconds = req->err.retry_after_s;

	if (status == 401)
		reply_header(req, "WWW-Authenticate", "Bearer");
	if (status == 405 && allow)
		reply_header(req, "Allow", allow);
	if (seconds > 0 || status == 503 || status == 429)
		reply_header(req, "Retry-After", fnr_arena_printf(req->arena, "%d", seconds > 0 ? seconds : 1));
}

void reply_problem(struct serving *s, const char *allow)
{
	struct request *req = &s->req;
	struct json_object *problem = problem_make(&req->err, s->client_path, req->id);
	int status = fnr_code_status(req->err.code);

	reply_clear(req->reply);
	add_problem_headers(s, status, allow);
	reply_json(req, status, problem);
	req->reply->media_type = "application/problem+json";
	if (s->upstream)                          /* nginx cannot pass on the body of a check's answer, but a header */
		reply_header(req, "X-Problem", req->reply->text);
}

/* ---- sending ---- */

static void add_line(struct fnr_buf *out, const char *name, const char *value)
{
	fnr_buf_puts(out, name);
	fnr_buf_add(out, ": ", 2);
	fnr_buf_puts(out, value);
	fnr_buf_add(out, "\r\n", 2);
}

static bool has_header(const struct reply *reply, const char *name)
{
	for (size_t i = 0; i < reply->header_count; i++)
		if (strcmp(reply->headers[i].name, name) == 0)
			return true;
	return false;
}

void reply_render(struct serving *s, struct fnr_buf *out)
{
	const struct reply *reply = &s->reply;
	bool accel = has_header(reply, "X-Accel-Redirect");

	fnr_buf_printf(out, "Status: %d %s\r\n", reply->status, reason_of(reply->status));
	if (reply->media_type)
		add_line(out, "Content-Type", reply->media_type);
	for (size_t i = 0; i < reply->header_count; i++)
		add_line(out, reply->headers[i].name, reply->headers[i].value);
	if (s->quota.most)
		fnr_buf_printf(out, "RateLimit-Limit: %u\r\nRateLimit-Remaining: %u\r\nRateLimit-Reset: %d\r\n", s->quota.most, s->quota.left, s->quota.reset_s);
	add_line(out, "X-Request-Id", s->req.id);
	add_line(out, "X-Content-Type-Options", "nosniff");
	if (!has_header(reply, "Content-Security-Policy"))
		add_line(out, "Content-Security-Policy", "default-src 'none'; sandbox");
	if (!has_header(reply, "Cache-Control"))
		add_line(out, "Cache-Control", "no-store");
	if (!accel && reply->status != 204 && reply->status != 304)
		fnr_buf_printf(out, "Content-Length: %zu\r\n", reply->len);
	fnr_buf_puts(out, "\r\n");
	if (!s->head && reply->len)
		fnr_buf_add(out, reply->text, reply->len);
}
