/* /batches: many jobs, accepted whole or not at all. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "handlers/submission.h"

/* A job of a batch: the defaults, with the job's own members over them; `inputs` and `metadata` are merged one level. */
static struct json_object *with_defaults(struct json_object *defaults, struct json_object *job)
{
	struct json_object *merged = fnr_json_copy(defaults);

	if (!merged)
		return json_object_get(job);
	json_object_object_foreach(job, name, value) {
		struct json_object *below = fnr_json_get(merged, name);
		bool merges = strcmp(name, "inputs") == 0 || strcmp(name, "metadata") == 0;

		if (!merges || !json_object_is_type(value, json_type_object) || !json_object_is_type(below, json_type_object)) {
			fnr_json_set(merged, name, json_object_get(value));
			continue;
		}
		json_object_object_foreach(value, input, given)
			fnr_json_set(below, input, json_object_get(given));
	}
	return merged;
}

static int check_body(struct request *req, struct json_object **jobs_r, struct json_object **defaults_r)
{
	static const char *const members[] = { "defaults", "jobs", "stop_on_error" };
	struct json_object *jobs = fnr_json_get(req->body, "jobs"), *defaults = fnr_json_get(req->body, "defaults");
	struct json_object *stop = fnr_json_get(req->body, "stop_on_error");

	json_object_object_foreach(req->body, name, value) {
		(void)value;
		if (strcmp(name, "defaults") != 0 && strcmp(name, "jobs") != 0 && strcmp(name, "stop_on_error") != 0) {
			const char *nearest = fnr_text_nearest(name, members, 3);
			char place[256] = "";

			fnr_json_pointer_add(place, sizeof place, name);
			fnr_error_add(&req->err, place, "unknown_member", nearest ? fnr_arena_printf(req->arena, "did you mean '%s'?", nearest) : "remove it",
			              "a batch has no member '%s'", name);
		}
	}
	if (!json_object_is_type(jobs, json_type_array) || json_object_array_length(jobs) == 0)
		fnr_error_add(&req->err, "/jobs", "required", "give a list of jobs", "'jobs' must be a list of at least one job");
	else if (json_object_array_length(jobs) > (size_t)req->conf->batch_max_jobs)
		fnr_fail(&req->err, FNR_E_TOO_LARGE, "the batch has %zu jobs; the limit is %lld", json_object_array_length(jobs),
		         (long long)req->conf->batch_max_jobs);
	if (defaults && !json_object_is_type(defaults, json_type_object))
		fnr_error_add(&req->err, "/defaults", "type", "give an object", "'defaults' must be an object");
	if (stop && !json_object_is_type(stop, json_type_boolean))
		fnr_error_add(&req->err, "/stop_on_error", "type", "give true or false", "'stop_on_error' must be true or false");
	*jobs_r = jobs;
	*defaults_r = defaults;
	return req->err.code;
}

/* All problems of all jobs at once, but no more than a client can use. */
#define PROBLEMS_MOST 50

static int add_jobs(struct request *req, struct json_object *jobs, struct json_object *defaults, struct submissions *list)
{
	list->chain = chain_read(req, jobs, defaults);
	if (req->err.code != FNR_OK)
		return req->err.code;
	for (size_t n = 0; n < json_object_array_length(jobs); n++) {
		size_t i = chain_order(list->chain, n);
		struct json_object *entry = json_object_array_get_idx(jobs, i), *job;
		char prefix[32];

		snprintf(prefix, sizeof prefix, "/jobs/%zu", i);
		job = json_object_is_type(entry, json_type_object) ? with_defaults(defaults, entry) : json_object_get(entry);
		list->job = i;
		submission_add(req, job, prefix, list);
		json_object_put(job);
		if (req->err.code != FNR_OK && req->err.code != FNR_E_INVALID)
			break;
		if (req->err.errors && json_object_array_length(req->err.errors) >= PROBLEMS_MOST)
			break;
	}
	return req->err.code;
}

int batches_submit(struct request *req)
{
	struct op_submit submit = { .is_batch = true, .stop_on_error = fnr_json_get_bool(req->body, "stop_on_error", false) };
	struct submissions list = SUBMISSIONS_INIT;
	struct json_object *jobs, *defaults;
	struct store_idempotency known;
	bool is_known;
	int code = submission_idempotency(req, &submit, &known, &is_known);

	if (code != FNR_OK)
		return code;
	if (is_known)
		return submission_reply(req, &known.id, known.is_batch, true);
	code = check_body(req, &jobs, &defaults);
	if (code != FNR_OK)
		return code;
	code = add_jobs(req, jobs, defaults, &list);
	if (code == FNR_OK)
		code = submission_finish(req, &submit, &list);
	submissions_free(&list);
	return code;
}

int batches_show(struct request *req)
{
	struct batch batch;
	int code = common_batch(req, 0, &batch);

	return code == FNR_OK ? common_reply_batch(req, 200, &batch.id) : code;
}

int batches_cancel(struct request *req)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;
	struct batch batch;
	char id[FNR_ID_TEXT];
	bool live = false;
	int code = common_batch(req, 0, &batch);

	if (code != FNR_OK)
		return code;
	for (int state = 0; state < FNR_STATE_COUNT; state++)
		live |= batch.state[state] > 0 && !fnr_state_terminal(state);
	if (!live)
		return fnr_fail(&req->err, FNR_E_CONFLICT, "batch %s cannot be cancelled: all its jobs have finished", req->args[0]);
	op_command(&operation, fnr_arena_printf(req->arena, "{\"command\":\"cancel_batch\",\"batch\":\"%s\"}", fnr_id_format(&batch.id, id)));
	code = request_post(req, &operation, &reply);
	fnr_buf_free(&operation);
	return code == FNR_OK ? common_reply_batch(req, 202, &batch.id) : code;
}
