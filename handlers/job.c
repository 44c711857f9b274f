/* /jobs/{id}, /jobs/{id}/…: cancel, delete, result, files, log, attempts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "http/view.h"

int job_cancel(struct request *req)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;
	struct job_head head;
	char id[FNR_ID_TEXT];
	int code = common_job(req, 0, &head);

	if (code != FNR_OK)
		return code;
	if (fnr_state_terminal(head.state) || head.state == FNR_STATE_FINISHING)
		return fnr_fail(&req->err, FNR_E_CONFLICT, "job %s cannot be cancelled: it is %s", req->args[0], fnr_state_name(head.state));
	op_command(&operation, fnr_arena_printf(req->arena, "{\"command\":\"cancel\",\"job\":\"%s\"}", fnr_id_format(&head.id, id)));
	code = request_post(req, &operation, &reply);
	fnr_buf_free(&operation);
	return code == FNR_OK ? common_reply_job(req, 202, &head.id) : code;
}

/* PATCH: the priority of a job that waits; the manager moves it. */
int job_change(struct request *req)
{
	static const char *const names[] = { "priority", NULL };
	struct json_object *value = fnr_json_get(req->body, "priority");
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;
	struct job_head head;
	char id[FNR_ID_TEXT];
	int code = common_job(req, 0, &head);

	if (code != FNR_OK)
		return code;
	common_members_only(req, "a change", names);
	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 1 || json_object_get_int64(value) > 10)
		fnr_error_add(&req->err, "/priority", "range", "give a whole number from 1 to 10, 10 goes first", "the priority is missing or not from 1 to 10");
	if (req->err.code != FNR_OK)
		return req->err.code;
	if (!fnr_state_waiting(head.state))
		return fnr_fail(&req->err, FNR_E_CONFLICT, "the priority of job %s cannot be changed: it is %s", req->args[0], fnr_state_name(head.state));
	op_command(&operation, fnr_arena_printf(req->arena, "{\"command\":\"priority\",\"job\":\"%s\",\"priority\":%d}",
	                                        fnr_id_format(&head.id, id), (int)json_object_get_int64(value)));
	code = request_post(req, &operation, &reply);
	fnr_buf_free(&operation);
	return code == FNR_OK ? common_reply_job(req, 202, &head.id) : code;
}

/* Only what has finished goes; its takes stay, and still know it. */
int job_delete(struct request *req)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;
	struct job_head head;
	int code = common_job(req, 0, &head);

	if (code != FNR_OK)
		return code;
	op_job_delete(&operation, &head.id);
	code = request_post(req, &operation, &reply);
	fnr_buf_free(&operation);
	return code == FNR_OK ? reply_empty(req, 204) : code;
}

/* The record of the attempt that made the job what it is; a value to put, or NULL. */
static struct json_object *last_attempt(struct request *req, const struct job_head *head)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *attempt = NULL;

	if (store_attempt_get(req->txn, &head->id, head->attempt, &text) == FNR_OK)
		attempt = common_parse(&text);
	fnr_buf_free(&text);
	return attempt;
}

int job_result(struct request *req)
{
	static const char *const members[] = {
		"id", "state", "template", "version", "quality", "preset", "seed", "project", "shot", "take", "parameters", "outputs",
		"error", "attempt", "backend", "placement", "created_at", "started_at", "finished_at",
	};
	struct json_object *job, *attempt, *result;
	struct job_head head;
	int code = common_job(req, 0, &head);

	if (code != FNR_OK)
		return code;
	if (!fnr_state_terminal(head.state))
		return fnr_fail(&req->err, FNR_E_CONFLICT, "job %s has no result yet: it is %s", req->args[0], fnr_state_name(head.state));
	job = view_job(req->txn, NULL, &head, false, &req->err);
	if (!job)
		return req->err.code;
	attempt = last_attempt(req, &head);
	result = json_object_new_object();
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
		fnr_json_set(result, members[i], json_object_get(fnr_json_get(job, members[i])));
	fnr_json_set(result, "result", json_object_get(fnr_json_get(attempt, "result")));
	json_object_put(attempt);
	json_object_put(job);
	return reply_json(req, 200, result);
}

static struct json_object *find_output(struct json_object *job, const char *name)
{
	struct json_object *outputs = fnr_json_get(job, "outputs");

	for (size_t i = 0; i < json_object_array_length(outputs); i++) {
		struct json_object *output = json_object_array_get_idx(outputs, i);

		if (strcmp(fnr_json_get_text(output, "name", ""), name) == 0)
			return output;
	}
	return NULL;
}

/* An output of a job that completed: job_r is to put, output_r is a part of it. */
static int look_up_output(struct request *req, struct json_object **job_r, struct json_object **output_r)
{
	struct json_object *job;
	struct job_head head;
	int code = common_job(req, 0, &head);

	if (code != FNR_OK)
		return code;
	if (head.state != FNR_STATE_COMPLETED)
		return fnr_fail(&req->err, fnr_state_terminal(head.state) ? FNR_E_NOT_FOUND : FNR_E_CONFLICT,
		                "job %s has no outputs: it is %s", req->args[0], fnr_state_name(head.state));
	job = view_job(req->txn, NULL, &head, true, &req->err);
	if (!job)
		return req->err.code;
	*output_r = find_output(job, req->args[1]);
	if (!*output_r) {
		json_object_put(job);
		return fnr_fail(&req->err, FNR_E_NOT_FOUND, "job %s has no output '%s'", req->args[0], req->args[1]);
	}
	*job_r = job;
	return FNR_OK;
}

int job_thumbnail(struct request *req)
{
	struct json_object *job, *output;
	int code = look_up_output(req, &job, &output);

	if (code != FNR_OK)
		return code;
	code = common_reply_thumbnail(req, output);
	json_object_put(job);
	return code;
}

int job_output(struct request *req)
{
	struct json_object *job, *output;
	const char *path, *file;
	int code = look_up_output(req, &job, &output);

	if (code != FNR_OK)
		return code;
	path = fnr_arena_strdup(req->arena, fnr_json_get_text(output, "path", ""));
	file = strrchr(path, '/');
	code = common_reply_file(req, path, fnr_arena_strdup(req->arena, fnr_json_get_text(output, "media_type", "application/octet-stream")),
	                         file ? file + 1 : path);
	json_object_put(job);
	return code;
}

int job_preview(struct request *req)
{
	struct journal_txn *journal = request_journal(req);
	struct fnr_buf picture = FNR_BUF_INIT;
	struct job_head head;
	char media_type[64];
	int code = common_job(req, 0, &head);

	if (code != FNR_OK)
		return code;
	if (!journal || journal_preview_get(journal, &head.id, media_type, &picture) != FNR_OK)
		code = fnr_fail(&req->err, FNR_E_NOT_FOUND, "there is no preview of job %s", req->args[0]);
	else
		code = reply_text(req, 200, media_type, picture.data, picture.len);
	fnr_buf_free(&picture);
	return code;
}

struct log_page { struct json_object *items; uint64_t last; };

static bool log_row(uint64_t n, const char *json, size_t len, void *context)
{
	struct log_page *page = context;
	struct json_object *line = fnr_json_parse_own(json, len, NULL);

	page->last = n;
	if (line)
		json_object_array_add(page->items, line);
	return true;
}

int job_log(struct request *req)
{
	static const char *const names[] = { "after", "limit", "cursor", NULL };
	struct log_page page = { NULL, 0 };
	struct journal_txn *journal;
	struct job_head head;
	const char *after;
	uint64_t from = 0;
	size_t limit, visited = 0;
	int code = common_job(req, 0, &head);

	if (code == FNR_OK)
		code = request_query_only(req, names);
	if (code == FNR_OK)
		code = request_limit(req, &limit);
	if (code != FNR_OK)
		return code;
	after = request_query(req, "after") ? request_query(req, "after") : request_query(req, "cursor");
	if (after && (strspn(after, "0123456789") != strlen(after) || strlen(after) > 18 || !*after))
		return fnr_fail(&req->err, FNR_E_MALFORMED, "'after' must be the number n of a log line");
	if (after)
		from = strtoull(after, NULL, 10);
	page.items = json_object_new_array();
	journal = request_journal(req);
	if (journal)
		visited = journal_log(journal, &head.id, from, limit, log_row, &page);
	return common_reply_list(req, page.items, visited == limit ? fnr_arena_printf(req->arena, "%llu", (unsigned long long)page.last) : NULL);
}

static void add_running_attempt(struct request *req, const struct job_head *head, struct json_object *items)
{
	struct job_active active;
	struct json_object *item;

	if (!fnr_state_running(head->state) || store_active_get(req->txn, &head->id, &active) != FNR_OK)
		return;
	item = json_object_new_object();
	fnr_json_set_int(item, "attempt", active.attempt);
	fnr_json_set_text(item, "state", fnr_state_name(head->state));
	fnr_json_set_text(item, "worker", active.worker);
	fnr_json_set_text(item, "backend", active.backend);
	fnr_json_set_text(item, "placement", active.placement);
	fnr_json_set_time(item, "started_at", active.started_at);
	fnr_json_set_time(item, "finished_at", 0);
	fnr_json_set(item, "error", NULL);
	json_object_array_add(items, item);
	free(active.manifest);
}

int job_attempts(struct request *req)
{
	struct json_object *items;
	struct job_head head;
	int code = common_job(req, 0, &head);

	if (code != FNR_OK)
		return code;
	items = json_object_new_array();
	for (unsigned n = 0; n <= head.attempt; n++) {
		struct fnr_buf text = FNR_BUF_INIT;
		struct json_object *item;

		if (store_attempt_get(req->txn, &head.id, (uint16_t)n, &text) == FNR_OK && (item = common_parse(&text)))
			json_object_array_add(items, item);
		fnr_buf_free(&text);
	}
	add_running_attempt(req, &head, items);
	return common_reply_list(req, items, NULL);
}
