/* /workers: the processes that run jobs, as the manager said a second ago at most, and what is wanted of them. */
#include <stdio.h>
#include <string.h>

#include "handlers/common.h"
#include "handlers/handlers.h"
#include "http/view.h"

#define LIVE "worker/"
#define WORKERS_MOST 1024

struct live { struct request *req; struct json_object *items; };

/* The job of a project that this key may not see is not named. */
static struct json_object *job_of(struct request *req, const char *text)
{
	struct job_head head;
	struct fnr_id id;

	if (!text || !fnr_id_parse(text, &id) || store_job_get(req->txn, &id, &head) != FNR_OK || !access_project(&req->access, head.project))
		return NULL;
	return json_object_new_string(text);
}

static struct json_object *make_worker(struct request *req, struct json_object *live)
{
	struct json_object *object = json_object_new_object();
	const char *job = fnr_json_get_text(live, "job", NULL);

	fnr_json_set_text(object, "id", fnr_json_get_text(live, "name", ""));
	fnr_json_set_text(object, "state", fnr_json_get_text(live, "state", ""));
	fnr_json_set_int(object, "pid", fnr_json_get_int(live, "pid", 0));
	fnr_json_set(object, "job", job_of(req, job));
	fnr_json_set(object, "cpu_ms", job ? json_object_new_int64(fnr_json_get_int(live, "cpu_ms", 0)) : NULL);
	fnr_json_set(object, "memory_bytes", job ? json_object_new_int64(fnr_json_get_int(live, "rss", 0)) : NULL);
	fnr_json_set_text(object, "since", fnr_json_get_text(live, "since", NULL));
	fnr_json_set_text(object, "heard_at", fnr_json_get_text(live, "heard_at", NULL));
	fnr_json_set_text(object, "backend", fnr_json_get_text(live, "backend", NULL));
	fnr_json_set_int(object, "done", fnr_json_get_int(live, "done", 0));
	return object;
}

static bool live_row(const char *id, const char *json, size_t len, void *context)
{
	struct live *live = context;
	struct json_object *entry = fnr_json_parse(json, len, NULL);

	(void)id;
	if (entry)
		json_object_array_add(live->items, make_worker(live->req, entry));
	json_object_put(entry);
	return true;
}

static int64_t number_of(const char *id)
{
	return id[0] ? strtoll(id + 1, NULL, 10) : 0;
}

/* w2 before w10. */
static int in_order(const void *a, const void *b)
{
	int64_t one = number_of(fnr_json_get_text(*(struct json_object *const *)a, "id", ""));
	int64_t other = number_of(fnr_json_get_text(*(struct json_object *const *)b, "id", ""));

	return one < other ? -1 : one > other;
}

int workers_list(struct request *req)
{
	struct live live = { req, json_object_new_array() };

	if (request_journal(req))
		journal_live(request_journal(req), LIVE, live_row, &live);
	json_object_array_sort(live.items, in_order);
	return common_reply_list(req, live.items, NULL);
}

/* The one that args[0] names, to put. */
static int find(struct request *req, struct json_object **worker_r)
{
	struct live live = { req, json_object_new_array() };
	const char *name = fnr_arena_printf(req->arena, LIVE "%.64s", req->args[0]);

	*worker_r = NULL;
	if (request_journal(req))
		journal_live(request_journal(req), name, live_row, &live);
	for (size_t i = 0; i < json_object_array_length(live.items) && !*worker_r; i++) {
		struct json_object *item = json_object_array_get_idx(live.items, i);

		if (strcmp(fnr_json_get_text(item, "id", ""), req->args[0]) == 0)
			*worker_r = json_object_get(item);
	}
	json_object_put(live.items);
	return *worker_r ? FNR_OK : fnr_fail(&req->err, FNR_E_NOT_FOUND, "there is no worker '%.64s'; GET " API "/workers lists them", req->args[0]);
}

int workers_show(struct request *req)
{
	struct json_object *worker;
	int code = find(req, &worker);

	return code == FNR_OK ? reply_json(req, 200, worker) : code;
}

static int command(struct request *req, struct json_object *text)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;
	int code;

	op_command(&operation, fnr_json_text(text, NULL));
	code = request_post(req, &operation, &reply);
	fnr_buf_free(&operation);
	return code;
}

static int ask(struct request *req, const char *what)
{
	struct json_object *worker, *text;
	int code = find(req, &worker);

	if (code != FNR_OK)
		return code;
	text = json_object_new_object();
	fnr_json_set_text(text, "command", "worker");
	fnr_json_set_text(text, "worker", req->args[0]);
	fnr_json_set_text(text, "do", what);
	code = command(req, text);
	json_object_put(text);
	if (code == FNR_OK)
		return reply_json(req, 202, worker);
	json_object_put(worker);
	return code;
}

int workers_drain(struct request *req)
{
	return ask(req, "drain");
}

int workers_restart(struct request *req)
{
	return ask(req, "restart");
}

int workers_stop(struct request *req)
{
	return ask(req, "stop");
}

/* A number of workers, or null for the configured one. */
static int64_t read_number(struct request *req, const char *name, int64_t least, int64_t otherwise)
{
	struct json_object *value = fnr_json_get(req->body, name);
	int64_t number = value ? json_object_get_int64(value) : otherwise;

	if (value && (!json_object_is_type(value, json_type_int) || number < least || number > WORKERS_MOST))
		fnr_error_add(&req->err, fnr_arena_printf(req->arena, "/%s", name), "range",
		              fnr_arena_printf(req->arena, "give a whole number from %d to %d, or null for the configured one", (int)least, WORKERS_MOST),
		              "'%s' is not a whole number from %d to %d", name, (int)least, WORKERS_MOST);
	return number;
}

/* POST: what is left out is as configured again. */
int workers_scale(struct request *req)
{
	static const char *const names[] = { "min", "max", NULL };
	int64_t least = read_number(req, "min", 0, req->conf->workers_min), most = read_number(req, "max", 1, req->conf->workers_max);
	struct json_object *text, *object;
	int code;

	common_members_only(req, "a scale", names);
	if (req->err.code == FNR_OK && least > most)
		fnr_error_add(&req->err, "/min", "range", "lower min, or raise max", "min (%d) is more than max (%d)", (int)least, (int)most);
	if (req->err.code != FNR_OK)
		return req->err.code;
	text = json_object_new_object();
	fnr_json_set_text(text, "command", "scale");
	fnr_json_set(text, "min", json_object_get(fnr_json_get(req->body, "min")));
	fnr_json_set(text, "max", json_object_get(fnr_json_get(req->body, "max")));
	code = command(req, text);
	json_object_put(text);
	if (code != FNR_OK)
		return code;
	object = json_object_new_object();
	fnr_json_set_int(object, "min", least);
	fnr_json_set_int(object, "max", most);
	return reply_json(req, 202, object);
}
