/* The body of a request: how much of it, of which kind, parsed. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/serving.h"
#include "base/yaml.h"

#define READ_AT_ONCE 16384

enum kind { KIND_JSON, KIND_YAML, KIND_OTHER };

static bool is_type(const char *type, size_t len, const char *name)
{
	return strlen(name) == len && strncasecmp(type, name, len) == 0;
}

/* Parameters must be none but charset=utf-8. */
static bool parameters_fit(const char *at)
{
	static const char charset[] = "charset=";

	at += strspn(at, "; \t");
	if (!*at)
		return true;
	if (strncasecmp(at, charset, strlen(charset)) != 0)
		return false;
	at += strlen(charset);
	at += *at == '"';
	if (strncasecmp(at, "utf-8", 5) != 0)
		return false;
	at += 5;
	at += *at == '"';
	return at[strspn(at, "; \t")] == 0;
}

static enum kind kind_of(const char *type)
{
	size_t len = strcspn(type, "; \t");

	if (!parameters_fit(type + len))
		return KIND_OTHER;
	if (is_type(type, len, "application/json"))
		return KIND_JSON;
	if (is_type(type, len, "application/yaml") || is_type(type, len, "application/x-yaml") || is_type(type, len, "text/yaml"))
		return KIND_YAML;
	return KIND_OTHER;
}

bool request_is_yaml(struct request *req)
{
	const char *type = request_header(req, "Content-Type");

	return type && kind_of(type) == KIND_YAML;
}

static int check_type(struct serving *s, const struct route *route, enum kind *kind_r)
{
	const char *type = request_header(&s->req, "Content-Type");
	const char *wanted = route->flags & ROUTE_YAML ? "application/json or application/yaml" : "application/json";

	*kind_r = type ? kind_of(type) : KIND_OTHER;
	if (*kind_r == KIND_JSON || (*kind_r == KIND_YAML && (route->flags & ROUTE_YAML)))
		return FNR_OK;
	return fnr_fail(&s->req.err, FNR_E_MEDIA_TYPE, "the body's Content-Type is %s%.64s%s; send %s", type ? "'" : "",
	                type ? type : "missing", type ? "'" : "", wanted);
}

static int too_large(struct serving *s, long long size)
{
	long long limit = s->req.conf->api_max_body;

	if (size > limit)
		return fnr_fail(&s->req.err, FNR_E_TOO_LARGE, "the body has %lld bytes; the limit is %lld "
		                "(send large data as an upload)", size, limit);
	return fnr_fail(&s->req.err, FNR_E_TOO_LARGE, "the body has more than %lld bytes, which is the limit "
	                "(send large data as an upload)", limit);
}

/* -1: it was not said. */
static long long declared_length(struct serving *s)
{
	const char *text = request_header(&s->req, "Content-Length");

	return text ? strtoll(text, NULL, 10) : -1;
}

/* Reads all of it into the arena. */
static int read_all(struct serving *s, long long declared)
{
	size_t limit = (size_t)s->req.conf->api_max_body, got;
	struct fnr_buf body = FNR_BUF_INIT;
	int code = FNR_OK;

	if (declared > (long long)limit)
		return too_large(s, declared);
	fnr_buf_room(&body, declared > 0 ? (size_t)declared + 1 : READ_AT_ONCE);
	while ((got = s->read(s->read_context, fnr_buf_room(&body, READ_AT_ONCE), READ_AT_ONCE)) > 0) {
		body.len += got;
		if (body.len > limit) {
			code = too_large(s, -1);
			break;
		}
	}
	if (code == FNR_OK && declared >= 0 && (size_t)declared != body.len)
		code = fnr_fail(&s->req.err, FNR_E_MALFORMED, "the body was cut off: %zu of %lld bytes came", body.len, declared);
	if (code == FNR_OK) {
		s->req.body_text = fnr_arena_memdup0(s->req.arena, body.data ? body.data : "", body.len);
		s->req.body_len = body.len;
	}
	fnr_buf_free(&body);
	return code;
}

static int parse(struct serving *s, enum kind kind)
{
	struct request *req = &s->req;
	struct fnr_error *err = &req->err;

	if (kind == KIND_YAML)
		req->body = fnr_yaml_parse(req->body_text, req->body_len, "the body", err);
	else
		req->body = fnr_json_parse(req->body_text, req->body_len, err);
	if (err->code != FNR_OK)
		return err->code;
	if (json_object_is_type(req->body, json_type_object))
		return FNR_OK;
	fnr_error_add(err, "", "type", "send an object: {…}", "the body must be an object, not a value of another type");
	return fnr_fail(err, FNR_E_INVALID, "the body must be an object, not a value of another type");
}

int body_read(struct serving *s, const struct route *route)
{
	long long declared = declared_length(s);
	enum kind kind;
	int code;

	/* A form that another site's page posts has one of the form types: it goes no further, whether it is read or not. */
	if (!(route->flags & ROUTE_BODY))
		return declared > 0 && strcmp(s->req.method, "POST") == 0 && !s->upstream ? check_type(s, route, &kind) : FNR_OK;
	if (declared == 0 && (route->flags & ROUTE_BODY_OPTIONAL))
		code = FNR_OK;
	else
		code = check_type(s, route, &kind);
	if (code == FNR_OK)
		code = read_all(s, declared);
	if (code != FNR_OK)
		return code;
	if (s->req.body_len == 0 && (route->flags & ROUTE_BODY_OPTIONAL)) {
		s->req.body = json_object_new_object();
		return FNR_OK;
	}
	if (s->req.body_len == 0)
		return fnr_fail(&s->req.err, FNR_E_MALFORMED, "the body is empty; send a JSON object");
	return parse(s, kind);
}
