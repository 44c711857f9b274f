/* /queues: where jobs wait, and whether they are let go. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/queues.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "http/view.h"

#define LANES_MOST 10000     /* looked at for the job that waits longest */

struct running { uint32_t queue; size_t count; };

static bool running_row(const struct job_head *head, void *context)
{
	struct running *running = context;

	running->count += head->queue == running->queue;
	return true;
}

/* Of the last minute, as the manager said a second ago at most. */
static void add_figures(struct request *req, struct json_object *object, uint32_t queue)
{
	struct json_object *live = queue ? view_queue(request_journal(req), queue) : NULL;
	int64_t started = fnr_json_get_int(live, "started", 0), completed = fnr_json_get_int(live, "completed", 0), failed = fnr_json_get_int(live, "failed", 0);

	fnr_json_set_int(object, "started_per_minute", started);
	fnr_json_set_int(object, "completed_per_minute", completed);
	fnr_json_set_int(object, "failed_per_minute", failed);
	if (completed + failed)
		fnr_json_set_real(object, "error_rate", (double)failed / (double)(completed + failed));
	else
		fnr_json_set(object, "error_rate", NULL);
	fnr_json_set(object, "wait_ms", started ? json_object_new_int64(fnr_json_get_int(live, "waited_ms", 0)) : NULL);
	fnr_json_set(object, "wait_ms_most", started ? json_object_new_int64(fnr_json_get_int(live, "waited_most_ms", 0)) : NULL);
	json_object_put(live);
}

static struct json_object *make_queue(struct request *req, const char *name)
{
	struct running running = { .queue = store_name_find(req->txn, STORE_QUEUE, name) };
	struct json_object *object = json_object_new_object();
	struct store_queue queue = { 0 };
	struct fnr_id oldest = FNR_ID_NONE;
	struct job_head head;
	uint64_t waiting = 0;

	if (running.queue) {     /* it has a number since its first job, or since somebody decided about it */
		queue = store_queue_get(req->txn, running.queue);
		waiting = store_waiting(req->txn, STORE_QUEUE, running.queue);
		oldest = store_queue_oldest(req->txn, running.queue, LANES_MOST);
		store_jobs_active(req->txn, NULL, SIZE_MAX, running_row, &running);
	}
	fnr_json_set_text(object, "name", name);
	fnr_json_set_bool(object, "paused", queue.paused);
	fnr_json_set_time(object, "paused_until", queue.until);
	common_set_limit(object, queue.limit);
	fnr_json_set_int(object, "waiting", (int64_t)waiting);
	fnr_json_set_int(object, "running", (int64_t)running.count);
	add_figures(req, object, running.queue);
	fnr_json_set_time(object, "oldest_at", !fnr_id_is_none(&oldest) && store_job_get(req->txn, &oldest, &head) == FNR_OK ? head.queued_at : 0);
	return object;
}

struct left { struct request *req; struct json_object *items; };

/* Not configured any more, but jobs wait in it. */
static bool left_row(uint32_t number, const char *name, void *context)
{
	struct left *left = context;

	if (!fnr_queue_find(name) && store_waiting(left->req->txn, STORE_QUEUE, number))
		json_object_array_add(left->items, make_queue(left->req, name));
	return true;
}

int queues_list(struct request *req)
{
	struct json_object *items = json_object_new_array();
	struct left left = { req, items };

	for (size_t i = 0; i < fnr_queue_count(); i++)
		json_object_array_add(items, make_queue(req, fnr_queue_name(i)));
	store_names(req->txn, STORE_QUEUE, NULL, SIZE_MAX, left_row, &left);
	return common_reply_list(req, items, NULL);
}

int queues_show(struct request *req)
{
	const char *name = common_queue(req);

	return name ? reply_json(req, 200, make_queue(req, name)) : req->err.code;
}

static int post(struct request *req, const char *name, struct fnr_buf *operation)
{
	struct op_reply reply;
	int code = request_post(req, operation, &reply);

	fnr_buf_free(operation);
	return code == FNR_OK ? reply_json(req, 200, make_queue(req, name)) : code;
}

static int decide(struct request *req, bool paused, int64_t until)
{
	const char *name = common_queue(req);
	struct fnr_buf operation = FNR_BUF_INIT;

	if (!name)
		return req->err.code;
	op_queue(&operation, name, paused, until);
	return post(req, name, &operation);
}

/* PUT: how many of its jobs may run at the same time, and start in a minute. */
int queues_change(struct request *req)
{
	static const char *const members[] = { "concurrency", "per_minute", NULL };
	const char *name = common_queue(req);
	struct fnr_buf operation = FNR_BUF_INIT;
	struct store_limit limit;

	if (!name)
		return req->err.code;
	common_members_only(req, "a queue", members);
	limit = common_limit(req);
	if (req->err.code != FNR_OK)
		return req->err.code;
	op_queue_limit(&operation, name, limit);
	return post(req, name, &operation);
}

int queues_pause(struct request *req)
{
	static const char *const members[] = { "until", NULL };
	struct json_object *value = fnr_json_get(req->body, "until");
	int64_t until = 0;

	common_members_only(req, "a pause", members);
	if (value && (!json_object_is_type(value, json_type_string) || !fnr_time_parse(json_object_get_string(value), &until)))
		fnr_error_add(&req->err, "/until", "format", "write it like 2026-01-31T12:00:00Z", "'until' is not a time");
	else if (value && until <= fnr_now_ms())
		fnr_error_add(&req->err, "/until", "minimum", "give a time in the future, or leave it out", "'until' has passed");
	return req->err.code == FNR_OK ? decide(req, true, until) : req->err.code;
}

int queues_resume(struct request *req)
{
	return decide(req, false, 0);
}
