/* /dead-letters: jobs that failed for good, until somebody runs them again or puts them aside. */
#include <stdio.h>
#include <string.h>

#include "handlers/common.h"
#include "handlers/handlers.h"
#include "handlers/retry.h"
#include "handlers/submission.h"
#include "http/problem.h"
#include "http/view.h"

#define SCAN_MOST 20000
#define REPLAY_MOST 1000

struct filter {
	struct request *req;
	uint32_t project, template_;      /* 0 = any */
	int class_;                       /* -1 = any */
	bool impossible;
	struct job_head *rows, last;
	size_t count, limit, visited;
};

static bool row(const struct job_head *head, void *context)
{
	struct filter *filter = context;

	filter->last = *head;
	filter->visited++;
	if (access_project(&filter->req->access, head->project) && (!filter->project || head->project == filter->project) &&
	    (!filter->template_ || head->template_ == filter->template_) && (filter->class_ < 0 || head->class_of_error == filter->class_))
		filter->rows[filter->count++] = *head;
	return filter->count < filter->limit;
}

/* Each may be NULL. */
static int read_filter(struct filter *filter, const char *project, const char *template_, const char *class_)
{
	struct request *req = filter->req;

	filter->project = project ? store_name_find(req->txn, STORE_PROJECT, project) : 0;
	filter->template_ = template_ ? store_name_find(req->txn, STORE_TEMPLATE, template_) : 0;
	filter->impossible = (project && !filter->project) || (template_ && !filter->template_);
	filter->class_ = class_ ? fnr_class_parse(class_) : -1;
	if (class_ && filter->class_ < 0)
		return fnr_fail(&req->err, FNR_E_INVALID, "there is no class '%.64s'; use transient, resource, validation, permanent or unknown", class_);
	return FNR_OK;
}

static int find(struct filter *filter, const char *cursor)
{
	struct job_head before;
	struct fnr_id id;

	filter->rows = fnr_arena_alloc(filter->req->arena, (filter->limit + 1) * sizeof *filter->rows);
	if (cursor && (!fnr_id_parse(cursor, &id) || store_job_get(filter->req->txn, &id, &before) != FNR_OK))
		return fnr_fail(&filter->req->err, FNR_E_MALFORMED, "the cursor is not one of this list; begin again without it");
	if (!filter->impossible)
		store_dead(filter->req->txn, cursor ? &before : NULL, SCAN_MOST, row, filter);
	return FNR_OK;
}

int dead_letters_list(struct request *req)
{
	static const char *const names[] = { "project", "template", "class", "limit", "cursor", NULL };
	struct filter filter = { .req = req };
	struct json_object *list, *items;
	char text[FNR_ID_TEXT];
	int code = request_query_only(req, names);

	if (code == FNR_OK)
		code = request_limit(req, &filter.limit);
	if (code == FNR_OK)
		code = read_filter(&filter, request_query(req, "project"), request_query(req, "template"), request_query(req, "class"));
	if (code == FNR_OK)
		code = find(&filter, request_query(req, "cursor"));
	if (code != FNR_OK)
		return code;
	list = json_object_new_object();
	items = json_object_new_array();
	for (size_t i = 0; i < filter.count; i++) {
		struct json_object *job = view_job(req->txn, request_journal(req), &filter.rows[i], true, NULL);

		if (job)
			json_object_array_add(items, job);
	}
	fnr_json_set(list, "items", items);
	fnr_json_set_text(list, "next_cursor", filter.count < filter.limit && filter.visited < SCAN_MOST ? NULL : fnr_id_format(&filter.last.id, text));
	fnr_json_set_int(list, "total", (int64_t)store_dead_count(req->txn));
	fnr_json_set_int(list, "dropped", (int64_t)store_meta_get(req->txn, STORE_META_DEAD_DROPPED));
	return reply_json(req, 200, list);
}

static int find_one(struct request *req, struct job_head *head_r)
{
	int code = common_job(req, 0, head_r);

	if (code == FNR_OK && !store_dead_has(req->txn, head_r))
		code = fnr_fail(&req->err, FNR_E_NOT_FOUND, "job %s is not among the dead letters", req->args[0]);
	return code;
}

int dead_letters_replay(struct request *req)
{
	struct job_head head;
	int code = find_one(req, &head);

	return code == FNR_OK ? job_retry(req) : code;
}

int dead_letters_discard(struct request *req)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;
	struct job_head head;
	int code = find_one(req, &head);

	if (code != FNR_OK)
		return code;
	op_dead_discard(&operation, &head.id);
	code = request_post(req, &operation, &reply);
	fnr_buf_free(&operation);
	return code == FNR_OK ? reply_empty(req, 204) : code;
}

/* Text members of the filter; what may be changed in the jobs goes on to retry.c. */
static int read_body(struct filter *filter)
{
	static const char *const members[] = { "project", "template", "class", "inputs", "quality", "queue", "seed", NULL };
	struct request *req = filter->req;

	common_members_only(req, "a replay", members);
	for (size_t i = 0; i < 3; i++) {
		struct json_object *value = fnr_json_get(req->body, members[i]);

		if (value && !json_object_is_type(value, json_type_string))
			fnr_error_add(&req->err, fnr_arena_printf(req->arena, "/%s", members[i]), "type", "give text in double quotes", "'%s' must be text", members[i]);
	}
	if (req->err.code != FNR_OK)
		return req->err.code;
	return read_filter(filter, fnr_json_get_text(req->body, "project", NULL), fnr_json_get_text(req->body, "template", NULL),
	                   fnr_json_get_text(req->body, "class", NULL));
}

/* Is this what is wrong with one job, and none of the others' business? */
static bool concerns_one(int code)
{
	return fnr_code_status(code) < 500 || code == FNR_E_CORRUPT || code == FNR_E_IO;
}

static void add_skipped(struct request *req, const struct job_head *head, struct json_object *skipped)
{
	struct json_object *problem = problem_make(&req->err, NULL, NULL);
	char id[FNR_ID_TEXT];

	fnr_json_set_text(problem, "job", fnr_id_format(&head->id, id));
	json_object_array_add(skipped, problem);
}

/* One that cannot be run again does not hold up the others: it is skipped, and stays a dead letter. If none can, the first says
 * why. */
static int add_all(struct filter *filter, struct submissions *list, struct json_object *skipped)
{
	struct request *req = filter->req;
	struct fnr_error first = FNR_ERROR_INIT;
	int code = FNR_OK;

	for (size_t i = filter->count; i-- > 0 && (code == FNR_OK || concerns_one(code));) {     /* the oldest first */
		struct submissions_mark mark = submissions_mark(list);

		fnr_error_clear(&req->err);
		code = retry_add(req, &filter->rows[i], list);
		if (code == FNR_OK)
			continue;
		submissions_back(list, mark);
		add_skipped(req, &filter->rows[i], skipped);
		if (first.code == FNR_OK)
			fnr_error_move(&first, &req->err);
	}
	if (code != FNR_OK && !concerns_one(code)) {
		fnr_error_clear(&first);
		return code;
	}
	fnr_error_clear(&req->err);
	if (list->count == 0)
		return fnr_error_move(&req->err, &first);
	fnr_error_clear(&first);
	return FNR_OK;
}

static int reply_replayed(struct request *req, const struct op_reply *reply, struct json_object *skipped)
{
	struct json_object *object;
	struct batch batch;

	if (reply->replayed)
		return submission_reply(req, &reply->id, reply->is_batch, true);
	if (store_batch_get(req->txn, &reply->id, &batch) != FNR_OK)
		return fnr_fail(&req->err, FNR_E_NOT_FOUND, "the batch is gone");
	common_location(req, "batches", &reply->id);
	object = view_batch(req->txn, request_journal(req), &batch);
	fnr_json_set(object, "skipped", json_object_get(skipped));
	return reply_json(req, 202, object);
}

/* All that the filter finds, as one batch. */
int dead_letters_replay_all(struct request *req)
{
	size_t most = (size_t)req->conf->batch_max_jobs;
	struct filter filter = { .req = req, .limit = most < REPLAY_MOST ? most : REPLAY_MOST };
	struct submissions list = SUBMISSIONS_INIT;
	struct json_object *skipped = json_object_new_array();
	struct op_submit submit = { .is_batch = true };
	struct store_idempotency known;
	struct op_reply reply;
	bool is_known = false;
	int code = read_body(&filter);

	if (code == FNR_OK)
		code = submission_idempotency(req, &submit, &known, &is_known);
	if (code == FNR_OK && !is_known)
		code = find(&filter, NULL);
	if (code == FNR_OK && !is_known && filter.count == 0)
		code = fnr_fail(&req->err, FNR_E_NOT_FOUND, "there are no such dead letters");
	if (code == FNR_OK && !is_known)
		code = add_all(&filter, &list, skipped);
	if (code == FNR_OK && !is_known)
		code = submission_post(req, &submit, &list, &reply);
	if (code == FNR_OK)
		code = is_known ? submission_reply(req, &known.id, known.is_batch, true) : reply_replayed(req, &reply, skipped);
	submissions_free(&list);
	json_object_put(skipped);
	return code;
}
