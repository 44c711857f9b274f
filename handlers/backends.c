/* /backends: the places where jobs run, how they are, and their circuit breakers. Changing them is in backend_change.c. */
#include <string.h>

#include "handlers/common.h"
#include "handlers/handlers.h"
#include "handlers/servers.h"
#include "http/view.h"

#define LOCAL "local"

static void move_members(struct json_object *to, struct json_object *from, const char *const *names)
{
	for (; *names; names++)
		fnr_json_set(to, *names, json_object_get(fnr_json_get(from, *names)));
}

/* Before the manager has said anything nothing is known of it: null. */
static struct json_object *breaker_of(struct json_object *live)
{
	struct json_object *breaker;

	if (!live)
		return NULL;
	breaker = json_object_new_object();
	fnr_json_set_text(breaker, "state", fnr_json_get_text(live, "breaker", "closed"));
	move_members(breaker, live, (const char *const[]){ "failures", "open_until", "reason", NULL });
	return breaker;
}

static struct json_object *health_of(struct json_object *live)
{
	struct json_object *health;

	if (!live)
		return NULL;
	health = json_object_new_object();
	move_members(health, live, (const char *const[]){ "score", "checked_at", "next_check_at", "check_ms", NULL });
	return health;
}

/* The manager tells how it is a moment later than the record says that it is drained, or not any more. */
static const char *state_of(struct json_object *live, bool drained)
{
	const char *state = fnr_json_get_text(live, "state", "unknown");
	bool told = strncmp(state, "drain", 5) == 0;

	if (drained)
		return told ? state : fnr_json_get_int(live, "running", 0) > 0 ? "draining" : "drained";
	if (!told)
		return state;
	if (!fnr_json_get(live, "checked_at"))
		return "unknown";
	return strcmp(fnr_json_get_text(live, "breaker", "closed"), "closed") == 0 ? "ready" : "down";
}

static void set_live(struct request *req, struct json_object *object, const char *id, struct json_object *record)
{
	int64_t concurrency = record ? fnr_json_get_int(record, "concurrency", 1) : req->conf->workers_max;
	struct json_object *live = servers_live(req, id, record), *loaded = fnr_json_get(live, "loaded");

	fnr_json_set_text(object, "state", state_of(live, fnr_json_get_bool(record, "drained", false)));
	fnr_json_set_text(object, "since", fnr_json_get_text(live, "since", NULL));
	fnr_json_set_int(object, "concurrency", fnr_json_get_int(live, "concurrency", concurrency));
	fnr_json_set_int(object, "running", fnr_json_get_int(live, "running", 0));
	fnr_json_set(object, "breaker", breaker_of(live));
	fnr_json_set(object, "health", health_of(live));
	fnr_json_set(object, "loaded", loaded ? json_object_get(loaded) : json_object_new_array());
	fnr_json_set(object, "found", live ? view_found(request_journal(req), id) : NULL);
	json_object_put(live);
}

static struct json_object *make_local(struct request *req)
{
	struct json_object *object = json_object_new_object();

	fnr_json_set_text(object, "id", LOCAL);
	fnr_json_set_text(object, "type", "script");
	fnr_json_set_text(object, "url", NULL);
	fnr_json_set_text(object, "ca_file", NULL);
	set_live(req, object, LOCAL, NULL);
	fnr_json_set(object, "labels", json_object_new_array());
	fnr_json_set(object, "options", json_object_new_object());
	fnr_json_set_bool(object, "has_credentials", false);
	fnr_json_set_bool(object, "drained", false);
	fnr_json_set(object, "revision", NULL);
	fnr_json_set(object, "created_at", NULL);
	fnr_json_set(object, "updated_at", NULL);
	return object;
}

static struct json_object *make_server(struct request *req, const char *id, const struct store_backend *backend)
{
	struct json_object *object = json_object_new_object(), *record = servers_record(backend);
	struct fnr_buf secret = FNR_BUF_INIT;

	fnr_json_set_text(object, "id", id);
	move_members(object, record, (const char *const[]){ "type", "url", "ca_file", NULL });
	set_live(req, object, id, record);
	fnr_json_set_int(object, "concurrency", fnr_json_get_int(record, "concurrency", 1));
	fnr_json_set_bool(object, "has_credentials", store_backend_secret(req->txn, id, &secret) == FNR_OK);
	move_members(object, record, (const char *const[]){ "labels", "options", "drained", "created_at", "updated_at", NULL });
	fnr_json_set_int(object, "revision", (int64_t)backend->revision);
	fnr_buf_free(&secret);
	json_object_put(record);
	return object;
}

struct backend_list { struct request *req; struct json_object *items; };

static bool list_row(const char *id, const struct store_backend *backend, void *context)
{
	struct backend_list *list = context;

	json_object_array_add(list->items, make_server(list->req, id, backend));
	return true;
}

int backends_list(struct request *req)
{
	struct backend_list list = { req, json_object_new_array() };

	json_object_array_add(list.items, make_local(req));
	store_backends(req->txn, list_row, &list);
	return common_reply_list(req, list.items, NULL);
}

int servers_reply(struct request *req, int status, const char *id)
{
	struct store_backend backend;
	int code = store_backend_get(req->txn, id, &backend);

	if (code != FNR_OK)
		return fnr_fail(&req->err, code, "there is no backend '%.64s'", id);
	reply_header(req, "ETag", fnr_arena_printf(req->arena, "\"%llu\"", (unsigned long long)backend.revision));
	return reply_json(req, status, make_server(req, id, &backend));
}

int backends_show(struct request *req)
{
	return strcmp(req->args[0], LOCAL) == 0 ? reply_json(req, 200, make_local(req)) : servers_reply(req, 200, req->args[0]);
}

/* ---- what the manager is told ---- */

static int known(struct request *req)
{
	struct store_backend backend;

	if (strcmp(req->args[0], LOCAL) == 0 || store_backend_get(req->txn, req->args[0], &backend) == FNR_OK)
		return FNR_OK;
	return fnr_fail(&req->err, FNR_E_NOT_FOUND, "there is no backend '%.64s'", req->args[0]);
}

static int command(struct request *req, const char *name)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;
	int code = known(req);

	if (code != FNR_OK)
		return code;
	op_command(&operation, fnr_arena_printf(req->arena, "{\"command\":\"%s\",\"backend\":\"%s\"}", name, req->args[0]));
	code = request_post(req, &operation, &reply);
	fnr_buf_free(&operation);
	return code == FNR_OK ? reply_empty(req, 202) : code;
}

int backends_reset_breaker(struct request *req)
{
	return command(req, "reset_breaker");
}

int backends_probe(struct request *req)
{
	return command(req, "probe");
}
