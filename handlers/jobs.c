/* /jobs: submit, list, show. What concerns one job's work is in handlers/job.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "handlers/submission.h"
#include "http/view.h"

#define SCAN_MOST 5000    /* rows looked at for one page; a page may be short and still have a cursor */

int jobs_submit(struct request *req)
{
	struct op_submit submit = { 0 };
	struct submissions list = SUBMISSIONS_INIT;
	struct store_idempotency known;
	bool is_known;
	int code = submission_idempotency(req, &submit, &known, &is_known);

	if (code != FNR_OK)
		return code;
	if (is_known)
		return submission_reply(req, &known.id, known.is_batch, true);
	code = submission_add(req, req->body, "", &list);
	if (code == FNR_OK)
		code = submission_finish(req, &submit, &list);
	submissions_free(&list);
	return code;
}

/* ---- list ---- */

struct job_filter {
	struct request *req;
	int state;                     /* -1 = any */
	bool impossible;               /* a name that nothing has */
	uint32_t project, template_, shot;
	uint16_t queue;
	const char *node_id;
	bool in_batch;
	struct batch batch;
	int64_t since, until;
	struct job_head *rows;         /* up to limit + 1 */
	size_t count, limit, visited;
	struct job_head last;          /* last row looked at */
};

static bool node_matches(struct job_filter *filter, const struct job_head *head)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *summary;
	bool matches;

	if (store_job_body(filter->req->txn, &head->id, &text, NULL, NULL) != FNR_OK)
		return false;
	summary = common_parse(&text);
	matches = strcmp(fnr_json_get_text(summary, "node_id", ""), filter->node_id) == 0;
	json_object_put(summary);
	fnr_buf_free(&text);
	return matches;
}

static bool filter_matches(struct job_filter *filter, const struct job_head *head)
{
	return (filter->state < 0 || head->state == filter->state) &&
	       (!filter->project || head->project == filter->project) &&
	       (!filter->template_ || head->template_ == filter->template_) &&
	       (!filter->shot || head->shot == filter->shot) &&
	       (!filter->queue || head->queue == filter->queue) &&
	       (!filter->in_batch || fnr_id_compare(&head->batch, &filter->batch.id) == 0) &&
	       (!filter->since || head->created_at >= filter->since) &&
	       (!filter->until || head->created_at < filter->until) &&
	       access_project(&filter->req->access, head->project) &&
	       (!filter->node_id || node_matches(filter, head));
}

static bool filter_row(const struct job_head *head, void *context)
{
	struct job_filter *filter = context;

	if (filter->in_batch && fnr_id_compare(&head->id, &filter->batch.first) < 0)
		return false;
	filter->last = *head;
	filter->visited++;
	if (filter_matches(filter, head))
		filter->rows[filter->count++] = *head;
	return filter->count < filter->limit;
}

static int time_query(struct request *req, const char *name, int64_t *ms)
{
	const char *text = request_query(req, name);

	if (!text || fnr_time_parse(text, ms))
		return FNR_OK;
	return fnr_fail(&req->err, FNR_E_INVALID, "'%s' must be a time like 2026-01-31T18:00:00Z", name);
}

/* A name that nothing has yet matches nothing. */
static uint32_t name_query(struct job_filter *filter, enum store_name kind, const char *name)
{
	const char *text = request_query(filter->req, name);
	uint32_t number;

	if (!text)
		return 0;
	number = store_name_find(filter->req->txn, kind, text);
	filter->impossible |= number == 0;
	return number;
}

static int batch_query(struct job_filter *filter)
{
	const char *text = request_query(filter->req, "batch");
	struct fnr_id id;

	filter->in_batch = text != NULL;
	if (text && (!fnr_id_parse(text, &id) || store_batch_get(filter->req->txn, &id, &filter->batch) != FNR_OK))
		filter->impossible = true;
	return FNR_OK;
}

static int read_filter(struct job_filter *filter)
{
	static const char *const names[] = { "state", "template", "project", "shot", "batch", "queue", "node_id", "since", "until", "limit", "cursor", NULL };
	struct request *req = filter->req;
	const char *state;
	int code = request_query_only(req, names);

	if (code == FNR_OK)
		code = request_limit(req, &filter->limit);
	if (code == FNR_OK)
		code = time_query(req, "since", &filter->since);
	if (code == FNR_OK)
		code = time_query(req, "until", &filter->until);
	if (code != FNR_OK)
		return code;
	state = request_query(req, "state");
	filter->state = state ? fnr_state_parse(state) : -1;
	if (state && filter->state < 0)
		return fnr_fail(&req->err, FNR_E_INVALID, "there is no state '%s'; use scheduled, queued, running, finishing, cancelling, "
		                "retry_wait, completed, failed, cancelled or expired", state);
	filter->project = name_query(filter, STORE_PROJECT, "project");
	filter->template_ = name_query(filter, STORE_TEMPLATE, "template");
	filter->shot = name_query(filter, STORE_SHOT, "shot");
	filter->queue = (uint16_t)name_query(filter, STORE_QUEUE, "queue");
	filter->node_id = request_query(req, "node_id");
	return batch_query(filter);
}

/* Cursors: "i" and a job id, or "s" and a seq in its project. */
static int walk(struct job_filter *filter)
{
	struct request *req = filter->req;
	const char *cursor = request_query(req, "cursor");
	struct fnr_id before = FNR_ID_NONE;
	uint64_t seq = UINT64_MAX;
	char *end = NULL;

	if (cursor && cursor[0] == 's' && filter->project)
		seq = strtoull(cursor + 1, &end, 16);
	if (cursor && !(end && end > cursor + 1 && !*end) && !(cursor[0] == 'i' && !filter->project && fnr_id_parse(cursor + 1, &before)))
		return fnr_fail(&req->err, FNR_E_MALFORMED, "the cursor is not one of this list; begin again without it");
	if (filter->impossible)
		return FNR_OK;
	if (filter->project) {
		store_jobs_of_project(req->txn, filter->project, seq, SCAN_MOST, filter_row, filter);
		return FNR_OK;
	}
	if (!cursor && filter->in_batch)
		before = common_id_behind(filter->batch.last);
	store_jobs_newest(req->txn, fnr_id_is_none(&before) ? NULL : &before, SCAN_MOST, filter_row, filter);
	return FNR_OK;
}

/* NULL when the walk came to the end of the list. */
static const char *next_cursor(struct job_filter *filter)
{
	char text[FNR_ID_TEXT];

	if (filter->count < filter->limit && filter->visited < SCAN_MOST)
		return NULL;
	if (filter->project)
		return fnr_arena_printf(filter->req->arena, "s%llx", (unsigned long long)filter->last.seq);
	return fnr_arena_printf(filter->req->arena, "i%s", fnr_id_format(&filter->last.id, text));
}

int jobs_list(struct request *req)
{
	struct job_filter filter = { .req = req };
	struct json_object *items;
	int code = read_filter(&filter);

	if (code != FNR_OK)
		return code;
	filter.rows = fnr_arena_alloc(req->arena, (filter.limit + 1) * sizeof *filter.rows);
	code = walk(&filter);
	if (code != FNR_OK)
		return code;
	items = json_object_new_array();
	for (size_t i = 0; i < filter.count; i++) {
		struct json_object *job = view_job(req->txn, request_journal(req), &filter.rows[i], true, NULL);

		if (job)
			json_object_array_add(items, job);
	}
	return common_reply_list(req, items, next_cursor(&filter));
}

int jobs_show(struct request *req)
{
	struct job_head head;
	int code = common_job(req, 0, &head);

	return code == FNR_OK ? common_reply_job(req, 200, &head.id) : code;
}

/* /internal/view/{id}: where fnr-events sends a request back that asked to wait. */
int jobs_view(struct request *req)
{
	const char *replayed = request_query(req, "replayed");
	const char *seconds = request_query(req, "seconds");
	struct job_head head;
	int code = common_job(req, 0, &head);

	if (code != FNR_OK)
		return code;
	if (replayed && strcmp(replayed, "1") == 0)
		reply_header(req, "Idempotency-Replayed", "true");
	if (seconds && strspn(seconds, "0123456789") == strlen(seconds) && strlen(seconds) < 6)
		reply_header(req, "Preference-Applied", fnr_arena_printf(req->arena, "wait=%s", seconds));
	common_location(req, "jobs", &head.id);
	return common_reply_job(req, fnr_state_terminal(head.state) ? 200 : 202, &head.id);
}
