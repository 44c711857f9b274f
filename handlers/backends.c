/* /backends: the places where jobs run, and their circuit breakers. */
#include <string.h>

#include "handlers/common.h"
#include "handlers/handlers.h"
#include "http/view.h"

#define LOCAL "local"

/* Before the manager has said anything nothing is known of its breaker: null. */
static struct json_object *make_local(struct request *req)
{
	struct json_object *object = json_object_new_object(), *live = view_backend(request_journal(req), LOCAL), *breaker = NULL;

	if (live) {
		static const char *const names[] = { "failures", "open_until", "reason" };

		breaker = json_object_new_object();
		fnr_json_set_text(breaker, "state", fnr_json_get_text(live, "breaker", "closed"));
		for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
			fnr_json_set(breaker, names[i], json_object_get(fnr_json_get(live, names[i])));
	}
	fnr_json_set_text(object, "id", LOCAL);
	fnr_json_set_text(object, "type", "script");
	fnr_json_set_text(object, "url", NULL);
	fnr_json_set_int(object, "concurrency", fnr_json_get_int(live, "concurrency", req->conf->workers_max));
	fnr_json_set_int(object, "running", fnr_json_get_int(live, "running", 0));
	fnr_json_set(object, "breaker", breaker);
	json_object_put(live);
	return object;
}

static int known(struct request *req)
{
	return strcmp(req->args[0], LOCAL) == 0 ? FNR_OK : fnr_fail(&req->err, FNR_E_NOT_FOUND, "there is no backend '%.64s'", req->args[0]);
}

int backends_list(struct request *req)
{
	struct json_object *items = json_object_new_array();

	json_object_array_add(items, make_local(req));
	return common_reply_list(req, items, NULL);
}

int backends_show(struct request *req)
{
	return known(req) == FNR_OK ? reply_json(req, 200, make_local(req)) : req->err.code;
}

int backends_reset_breaker(struct request *req)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;
	int code = known(req);

	if (code != FNR_OK)
		return code;
	op_command(&operation, "{\"command\":\"reset_breaker\",\"backend\":\"" LOCAL "\"}");
	code = request_post(req, &operation, &reply);
	fnr_buf_free(&operation);
	return code == FNR_OK ? reply_empty(req, 202) : code;
}
