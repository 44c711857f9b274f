/* The parts of a request that handlers ask for. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/serving.h"
#include "base/log.h"
#include "base/text.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MOST 500

/* ---- variables and headers ---- */

const char *request_param(struct request *req, const char *name)
{
	size_t len = strlen(name);

	for (char **at = serving_of(req)->envp; at && *at; at++)
		if (strncmp(*at, name, len) == 0 && (*at)[len] == '=')
			return *at + len + 1;
	return NULL;
}

const char *request_header(struct request *req, const char *name)
{
	char variable[128];
	const char *value;
	size_t at = 5;

	if (strcasecmp(name, "Content-Type") == 0 || strcasecmp(name, "Content-Length") == 0) {
		value = request_param(req, tolower((unsigned char)name[8]) == 't' ? "CONTENT_TYPE" : "CONTENT_LENGTH");
		return value && *value ? value : NULL;     /* nginx sends these always, empty if there are none */
	}
	memcpy(variable, "HTTP_", 5);
	for (; *name && at < sizeof variable - 1; name++)
		variable[at++] = *name == '-' ? '_' : (char)toupper((unsigned char)*name);
	variable[at] = 0;
	return request_param(req, variable);
}

/* ---- query ---- */

static int add_query(struct serving *s, const char *text, size_t len)
{
	const char *equals = memchr(text, '=', len);
	size_t name_len = equals ? (size_t)(equals - text) : len;
	const char *name = route_decode(s->req.arena, text, name_len, true);
	const char *value = equals ? route_decode(s->req.arena, equals + 1, len - name_len - 1, true) : "";

	if (!name || !value)
		return fnr_fail(&s->req.err, FNR_E_MALFORMED, "the query is not well-formed: names and values must be valid UTF-8 without "
		                "control characters, percent-encoded");
	if (s->ticket && strcmp(name, "ticket") == 0)
		return FNR_OK;
	if (s->query_count == QUERY_MOST)
		return fnr_fail(&s->req.err, FNR_E_MALFORMED, "the query has more than %d parameters", QUERY_MOST);
	s->query[s->query_count].name = name;
	s->query[s->query_count++].value = value;
	return FNR_OK;
}

const char *request_find_ticket(struct serving *s)
{
	const char *at = request_param(&s->req, "QUERY_STRING");

	for (; at && *at; at += *at == '&') {
		size_t len = strcspn(at, "&");

		if (strncmp(at, "ticket=", 7) == 0)
			return fnr_arena_memdup0(s->req.arena, at + 7, len - 7);
		at += len;
	}
	return NULL;
}

int request_read_query(struct serving *s)
{
	const char *at = request_param(&s->req, "QUERY_STRING");
	int code = FNR_OK;

	while (at && *at && code == FNR_OK) {
		size_t len = strcspn(at, "&");

		if (len)
			code = add_query(s, at, len);
		at += len + (at[len] == '&');
	}
	return code;
}

const char *request_query(struct request *req, const char *name)
{
	struct serving *s = serving_of(req);

	for (size_t i = 0; i < s->query_count; i++)
		if (strcmp(s->query[i].name, name) == 0)
			return s->query[i].value;
	return NULL;
}

static bool among(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

int request_query_only(struct request *req, const char *const *names)
{
	struct serving *s = serving_of(req);
	size_t count = 0;

	while (names[count])
		count++;
	for (size_t i = 0; i < s->query_count; i++) {
		const char *name = s->query[i].name, *nearest;

		if (among(name, names))
			continue;
		nearest = fnr_text_nearest(name, names, count);
		fnr_error_add(&req->err, "", "unknown_parameter", nearest ? fnr_arena_printf(req->arena, "use '%s'", nearest) : "leave it out",
		              "the query parameter '%.64s' is not known here", name);
		return fnr_fail(&req->err, FNR_E_INVALID, "the query parameter '%.64s' is not known here%s%s%s", name,
		                nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
	}
	return FNR_OK;
}

int request_limit(struct request *req, size_t *limit_r)
{
	const char *text = request_query(req, "limit");
	char *end;
	long limit;

	*limit_r = LIMIT_DEFAULT;
	if (!text)
		return FNR_OK;
	limit = isdigit((unsigned char)*text) && strlen(text) < 6 ? strtol(text, &end, 10) : 0;
	if (limit < 1 || limit > LIMIT_MOST || *end)
		return fnr_fail(&req->err, FNR_E_INVALID, "'limit' must be a whole number from 1 to %d", LIMIT_MOST);
	*limit_r = (size_t)limit;
	return FNR_OK;
}

int request_id_arg(struct request *req, size_t index, const char *what, struct fnr_id *id_r)
{
	FNR_MUST(index < REQUEST_ARGS && req->args[index]);
	if (fnr_id_parse(req->args[index], id_r))
		return FNR_OK;
	return fnr_fail(&req->err, FNR_E_NOT_FOUND, "there is no %s '%.64s'", what, req->args[index]);
}

/* ---- store and journal ---- */

void request_end_reading(struct serving *s)
{
	journal_end(s->journal);
	s->journal = NULL;
	store_read_end(s->req.txn);
	s->req.txn = NULL;
}

/* The journal in use may have been replaced by one of a new generation since the last request. */
static struct journal *journal_in_use(struct serving *s)
{
	struct server *server = s->server;
	uint64_t generation = store_meta_get(s->req.txn, STORE_META_JOURNAL);
	struct fnr_error err = FNR_ERROR_INIT;

	if (server->journal && journal_generation(server->journal) == generation)
		return server->journal;
	journal_close(server->journal);
	server->journal = NULL;
	if (generation && journal_open_reader(&server->journal, generation, &err) != FNR_OK) {
		server->journal = NULL;
		if (err.code != FNR_E_NOT_FOUND)
			fnr_warn(NULL, "the journal cannot be opened: %s", err.message);
	}
	fnr_error_clear(&err);
	return server->journal;
}

struct journal_txn *request_journal(struct request *req)
{
	struct serving *s = serving_of(req);
	struct journal *journal;

	if (s->journal || !req->txn)
		return s->journal;
	journal = journal_in_use(s);
	s->journal = journal ? journal_read(journal, NULL) : NULL;
	return s->journal;
}

bool request_recall(struct request *req, const uint8_t key[32], struct fnr_buf *out)
{
	return memo_get(slots_memo(serving_of(req)->server->slots), key, out);
}

void request_remember(struct request *req, const uint8_t key[32], const void *data, size_t len)
{
	memo_put(slots_memo(serving_of(req)->server->slots), key, data, len);
}

int request_post(struct request *req, const struct fnr_buf *operation, struct op_reply *reply_r)
{
	struct serving *s = serving_of(req);
	struct fnr_error err = FNR_ERROR_INIT;
	int code;

	if (operation->len > s->posted)
		s->posted = operation->len;
	request_end_reading(s);
	code = slots_post(s->server->slots, s->server->slot, operation->data, operation->len, reply_r, &req->err);
	if (code == FNR_OK && reply_r->code != FNR_OK) {
		code = fnr_fail(&req->err, reply_r->code, "%s", reply_r->message);
		req->err.retry_after_s = reply_r->retry_after_s;
	}
	req->txn = store_read(s->server->store, &err);
	if (!req->txn && code == FNR_OK)
		code = fnr_fail(&req->err, FNR_E_UNAVAILABLE, "it was stored, but cannot be shown at the moment: %s", err.message);
	fnr_error_clear(&err);
	reply_r->code = code;
	return code;
}
