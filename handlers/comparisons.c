/* /comparisons: the same inputs at several presets, side by side. A comparison is a batch of jobs that differ in nothing but their
 * quality, and has its id; so it is followed, cancelled and kept like any batch. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "handlers/presets.h"
#include "handlers/submission.h"
#include "http/view.h"

#define PRESETS_MOST 16

/* ---- looking at them ---- */

struct rows { struct request *req; const struct batch *batch; struct json_object *jobs; };

static bool job_row(const struct job_head *head, void *context)
{
	struct rows *rows = context;
	struct json_object *job;

	if (fnr_id_compare(&head->id, &rows->batch->last) > 0)
		return false;
	if (fnr_id_compare(&head->batch, &rows->batch->id) == 0 && (job = view_job(rows->req->txn, request_journal(rows->req), head, false, NULL)))
		json_object_array_add(rows->jobs, job);
	return true;
}

static struct json_object *jobs_of(struct request *req, const struct batch *batch)
{
	struct rows rows = { req, batch, json_object_new_array() };
	struct job_head head;

	if (batch->total > PRESETS_MOST)
		return rows.jobs;
	if (store_job_get(req->txn, &batch->first, &head) == FNR_OK)
		job_row(&head, &rows);
	store_jobs_after(req->txn, &batch->first, PRESETS_MOST, job_row, &rows);
	return rows.jobs;
}

/* Any batch whose jobs differ in their quality alone can be looked at in this way. */
static bool comparable(struct json_object *jobs)
{
	static const char *const same[] = { "template", "version", "inputs", "seed" };
	struct json_object *first = json_object_array_get_idx(jobs, 0);

	for (size_t i = 1; i < json_object_array_length(jobs); i++)
		for (size_t k = 0; k < sizeof same / sizeof same[0]; k++)
			if (!json_object_equal(fnr_json_get(first, same[k]), fnr_json_get(json_object_array_get_idx(jobs, i), same[k])))
				return false;
	return json_object_array_length(jobs) > 1;
}

static struct json_object *item_of(struct json_object *job)
{
	static const char *const kept[] = { "quality", "tier", "preset", "state", "parameters", "progress", "outputs", "error", "backend" };
	struct json_object *item = json_object_new_object();
	int64_t started = 0, finished = 0;

	fnr_json_set(item, "job", json_object_get(fnr_json_get(job, "id")));
	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
		fnr_json_set(item, kept[i], json_object_get(fnr_json_get(job, kept[i])));
	fnr_time_parse(fnr_json_get_text(job, "started_at", ""), &started);
	fnr_time_parse(fnr_json_get_text(job, "finished_at", ""), &finished);
	fnr_json_set(item, "seconds", started && finished ? fnr_json_real((double)(finished - started) / 1000.0) : NULL);
	return item;
}

static struct json_object *make_comparison(struct request *req, const struct batch *batch, struct json_object *jobs)
{
	static const char *const kept[] = { "template", "version", "inputs", "seed", "project", "shot" };
	struct json_object *view = view_batch(req->txn, request_journal(req), batch), *first = json_object_array_get_idx(jobs, 0);
	struct json_object *object = json_object_new_object(), *items = json_object_new_array();

	fnr_json_set(object, "id", json_object_get(fnr_json_get(view, "id")));
	fnr_json_set(object, "state", json_object_get(fnr_json_get(view, "state")));
	fnr_json_set(object, "percent", json_object_get(fnr_json_get(view, "percent")));
	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
		fnr_json_set(object, kept[i], json_object_get(fnr_json_get(first, kept[i])));
	for (size_t i = 0; i < json_object_array_length(jobs); i++)
		json_object_array_add(items, item_of(json_object_array_get_idx(jobs, i)));
	fnr_json_set(object, "differs", presets_differences(items));
	fnr_json_set(object, "items", items);
	fnr_json_set(object, "created_at", json_object_get(fnr_json_get(view, "created_at")));
	fnr_json_set(object, "urls", json_object_get(fnr_json_get(view, "urls")));
	json_object_put(view);
	return object;
}

static int reply_comparison(struct request *req, int status, const struct batch *batch)
{
	struct json_object *jobs = jobs_of(req, batch);
	int code;

	if (comparable(jobs))
		code = reply_json(req, status, make_comparison(req, batch, jobs));
	else
		code = fnr_fail(&req->err, FNR_E_NOT_FOUND, "this is no comparison: the jobs of the batch differ in more than their quality, or are gone");
	json_object_put(jobs);
	return code;
}

int comparisons_show(struct request *req)
{
	struct batch batch;
	int code = common_batch(req, 0, &batch);

	return code == FNR_OK ? reply_comparison(req, 200, &batch) : code;
}

/* ---- running them ---- */

/* What is said of the jobs, without their quality. */
static struct json_object *common_job_of(struct request *req)
{
	static const char *const kept[] = { "template", "inputs", "seed", "project", "shot", "priority", "queue", "timeout_s", "metadata", "node_id" };
	struct json_object *job = json_object_new_object();
	uint32_t seed;

	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
		if (fnr_json_get(req->body, kept[i]))
			fnr_json_set(job, kept[i], json_object_get(fnr_json_get(req->body, kept[i])));
	fnr_random(&seed, sizeof seed);
	if (!fnr_json_get(job, "seed"))
		fnr_json_set_int(job, "seed", seed);
	return job;
}

static void add_preset(struct request *req, struct json_object *list, size_t at, const char *id)
{
	const struct preset_viewer viewer = common_viewer(req);
	const char *pointer = fnr_arena_printf(req->arena, "/presets/%zu", at);
	const struct preset *preset;
	struct fnr_error err = FNR_ERROR_INIT;

	if (!id)
		fnr_error_add(&req->err, pointer, "type", "give the id of a preset", "this is not text");
	else if (preset_find(req->txn, id, &viewer, &preset, &err) != FNR_OK)
		fnr_error_add(&req->err, pointer, "unknown_preset", err.suggestion[0] ? err.suggestion : "GET " API "/presets lists them", "%s", err.message);
	else
		json_object_array_add(list, json_object_new_string(id));
	fnr_error_clear(&err);
}

/* Those that are named, at least two; else the tiers. To put. */
static struct json_object *presets_of(struct request *req)
{
	struct json_object *given = fnr_json_get(req->body, "presets"), *list = json_object_new_array();
	size_t count = json_object_is_type(given, json_type_array) ? json_object_array_length(given) : 0;

	if (given && (count < 2 || count > PRESETS_MOST))
		fnr_error_add(&req->err, "/presets", "range", "name the presets to compare: [\"draft\", \"high\"]", "'presets' must be a list of 2 to %d presets", PRESETS_MOST);
	for (int tier = 0; !given && tier < FNR_QUALITY_COUNT; tier++)
		json_object_array_add(list, json_object_new_string(fnr_quality_name((enum fnr_quality)tier)));
	for (size_t i = 0; i < count && count <= PRESETS_MOST; i++) {
		struct json_object *item = json_object_array_get_idx(given, i);

		add_preset(req, list, i, json_object_is_type(item, json_type_string) ? json_object_get_string(item) : NULL);
	}
	return list;
}

/* What is wrong with one is wrong with all: the first that cannot be accepted says it. */
static int add_jobs(struct request *req, struct json_object *job, struct json_object *presets, struct submissions *list)
{
	for (size_t i = 0; i < json_object_array_length(presets) && req->err.code == FNR_OK; i++) {
		fnr_json_set(job, "quality", json_object_get(json_object_array_get_idx(presets, i)));
		submission_add(req, job, "", list);
	}
	return req->err.code;
}

static int reply_accepted(struct request *req, const struct fnr_id *id, bool replayed)
{
	struct batch batch;

	if (store_batch_get(req->txn, id, &batch) != FNR_OK)
		return fnr_fail(&req->err, FNR_E_NOT_FOUND, "the comparison is gone");
	if (replayed)
		reply_header(req, "Idempotency-Replayed", "true");
	common_location(req, "comparisons", id);
	return reply_comparison(req, 202, &batch);
}

int comparisons_submit(struct request *req)
{
	static const char *const members[] = {
		"template", "inputs", "presets", "seed", "project", "shot", "priority", "queue", "timeout_s", "metadata", "node_id", NULL,
	};
	struct op_submit submit = { .is_batch = true };
	struct submissions list = SUBMISSIONS_INIT;
	struct json_object *presets, *job;
	struct store_idempotency known;
	struct op_reply reply;
	bool is_known;
	int code = submission_idempotency(req, &submit, &known, &is_known);

	if (code != FNR_OK)
		return code;
	if (is_known)
		return reply_accepted(req, &known.id, true);
	common_members_only(req, "a comparison", members);
	presets = presets_of(req);
	job = common_job_of(req);
	list.alike = true;
	code = add_jobs(req, job, presets, &list);
	if (code == FNR_OK)
		code = submission_post(req, &submit, &list, &reply);
	if (code == FNR_OK)
		code = reply_accepted(req, &reply.id, reply.replayed);
	submissions_free(&list);
	json_object_put(presets);
	json_object_put(job);
	return code;
}
