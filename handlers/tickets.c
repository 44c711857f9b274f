/* /tickets: an address that opens one stream or file without key or cookie, for a short time. Nothing is stored. */
#include <string.h>

#include "api/route.h"
#include "base/clock.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "http/ticket.h"

#define PATH_MOST 2048

static bool takes_tickets(struct request *req, const char *path)
{
	struct fnr_error ignored = FNR_ERROR_INIT;
	struct route_match match;
	int code = route_find(req->arena, routes, "GET", path, false, &match, &ignored);

	fnr_error_clear(&ignored);
	return code == FNR_OK && (match.route->flags & ROUTE_TICKET);
}

static int check_body(struct request *req)
{
	static const char *const members[] = { "path", NULL };
	const char *path = fnr_json_get_text(req->body, "path", NULL);

	common_members_only(req, "a ticket", members);
	if (!path)
		fnr_error_add(&req->err, "/path", "required", "give a path like /api/v1/jobs/ID/outputs/NAME", "'path' must be text");
	else if (strlen(path) > PATH_MOST)
		fnr_error_add(&req->err, "/path", "max_length", NULL, "'path' may have at most %d bytes", PATH_MOST);
	else if (strpbrk(path, "?#"))
		fnr_error_add(&req->err, "/path", "pattern", "add the query to the url of the answer", "'path' must be without a query");
	else if (!takes_tickets(req, path))
		fnr_error_add(&req->err, "/path", "enum", "tickets are for events, outputs, files of takes, previews, results and logs",
		              "there are no tickets for this path");
	return req->err.code;
}

int tickets_create(struct request *req)
{
	const char *path = fnr_json_get_text(req->body, "path", ""), *decoded;
	int64_t expires_at = (fnr_now_ms() / 1000 + TICKET_KEEP_MS / 1000) * 1000;
	struct json_object *object;
	char ticket[TICKET_SIZE];
	int code = check_body(req);

	if (code != FNR_OK)
		return code;
	decoded = route_decode(req->arena, path, strlen(path), false);
	if (!decoded || !ticket_make(req->txn, req->access.key, req->access.key_hash, decoded, expires_at, ticket))
		return fnr_fail(&req->err, FNR_E_UNAVAILABLE, "the secret of this data directory is being made; try again in a moment");
	object = json_object_new_object();
	fnr_json_set_text(object, "ticket", ticket);
	fnr_json_set_text(object, "url", fnr_arena_printf(req->arena, "%s?ticket=%s", path, ticket));
	fnr_json_set_time(object, "expires_at", expires_at);
	return reply_json(req, 201, object);
}
