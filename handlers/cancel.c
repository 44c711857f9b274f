/* POST /jobs/cancel: all jobs that a filter finds. They are counted here; the manager cancels them, in portions, by a command
 * whose cut-off is the newest job of this moment. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "queue/state.h"

#define COUNT_MS 1500        /* a read lasts no longer; then the number found is that of those seen until then */
#define ROWS_A_LOOK 1024     /* at the clock */

struct filter {
	struct request *req;
	struct json_object *command;
	bool mine, impossible;             /* impossible: it names something that no job has */
	uint32_t project, template_, queue;  /* 0 = any */
	bool waiting_only;
	int state;                         /* -1 = any */
	bool in_batch;
	struct batch batch;
	uint64_t live, rows;               /* live: jobs that have not finished, not yet seen */
	int64_t found, end;                /* end: CLOCK_BOOTTIME */
};

static const char *const members[] = { "project", "template", "queue", "batch", "mine", "state" };
#define MEMBERS (sizeof members / sizeof members[0])

#define problem(filter, pointer, rule, fix, ...) fnr_error_add(&(filter)->req->err, pointer, rule, fix, __VA_ARGS__)

static void check_members(struct request *req)
{
	size_t given = 0;

	json_object_object_foreach(req->body, name, value) {
		const char *nearest;
		char place[256] = "";
		size_t i = 0;

		while (i < MEMBERS && strcmp(members[i], name) != 0)
			i++;
		given += i < MEMBERS && value;
		if (i < MEMBERS)
			continue;
		nearest = fnr_text_nearest(name, members, MEMBERS);
		fnr_json_pointer_add(place, sizeof place, name);
		fnr_error_add(&req->err, place, "unknown_member", nearest ? fnr_arena_printf(req->arena, "did you mean '%s'?", nearest) : "remove it",
		              "the filter has no member '%s'", name);
	}
	if (given == 0)
		fnr_error_add(&req->err, "", "required", "give at least one of project, template, queue, batch, mine, state",
		              "the filter is empty; that would be every job there is");
}

static const char *text_member(struct filter *filter, const char *name)
{
	struct json_object *value = fnr_json_get(filter->req->body, name);

	if (!value || json_object_is_type(value, json_type_string))
		return value ? json_object_get_string(value) : NULL;
	problem(filter, fnr_arena_printf(filter->req->arena, "/%s", name), "type", "give text in double quotes", "'%s' must be text", name);
	return NULL;
}

/* The number of a name, which goes into the command as it is. */
static uint32_t name_member(struct filter *filter, const char *name, enum store_name kind)
{
	const char *text = text_member(filter, name);
	uint32_t number;

	if (!text)
		return 0;
	if (!fnr_name_valid(text)) {
		problem(filter, fnr_arena_printf(filter->req->arena, "/%s", name), "name", "use " FNR_NAME_RULE, "'%s' is not a valid name", name);
		return 0;
	}
	number = store_name_find(filter->req->txn, kind, text);
	filter->impossible |= number == 0;
	fnr_json_set_text(filter->command, name, text);
	return number;
}

static void read_batch(struct filter *filter)
{
	const char *text = text_member(filter, "batch");
	struct fnr_id id;

	if (!text)
		return;
	if (!fnr_id_parse(text, &id)) {
		problem(filter, "/batch", "format", "give the id of a batch", "'batch' is not an id");
		return;
	}
	filter->in_batch = true;
	filter->impossible |= store_batch_get(filter->req->txn, &id, &filter->batch) != FNR_OK;
	fnr_json_set_text(filter->command, "batch", text);
}

static void read_state(struct filter *filter)
{
	const char *text = text_member(filter, "state");

	filter->state = text ? fnr_state_parse(text) : -1;
	if (text && (filter->state < 0 || state_next(filter->state, TRIGGER_CANCEL) == STATE_NONE)) {
		problem(filter, "/state", "enum", "use scheduled, queued, running or retry_wait", "jobs in state '%.64s' cannot be cancelled", text);
		filter->state = -1;
	}
	if (text)
		fnr_json_set_text(filter->command, "state", text);
}

static void read_mine(struct filter *filter)
{
	struct json_object *value = fnr_json_get(filter->req->body, "mine");

	if (value && (!json_object_is_type(value, json_type_boolean) || !json_object_get_boolean(value)))
		problem(filter, "/mine", "enum", "give true, or leave it out", "'mine' can only be true");
	filter->mine = value != NULL;
	if (value)
		fnr_json_set_text(filter->command, "key", filter->req->access.key);
}

/* A key for certain projects reaches no further than these. */
static int read_rights(struct filter *filter)
{
	const struct access *access = &filter->req->access;
	const char *project = fnr_json_get_text(filter->command, "project", NULL);
	struct json_object *list;

	if (access->all_projects)
		return FNR_OK;
	if (project && !access_project_name(access, project))
		return fnr_fail(&filter->req->err, FNR_E_FORBIDDEN, "this key may not use the project '%s'", project);
	list = json_object_new_array();
	for (size_t i = 0; i < access->project_count; i++)
		json_object_array_add(list, json_object_new_string(access->projects[i]));
	fnr_json_set(filter->command, "projects", list);
	return FNR_OK;
}

static int read_filter(struct filter *filter)
{
	check_members(filter->req);
	filter->project = name_member(filter, "project", STORE_PROJECT);
	filter->template_ = name_member(filter, "template", STORE_TEMPLATE);
	filter->queue = name_member(filter, "queue", STORE_QUEUE);
	read_batch(filter);
	read_mine(filter);
	read_state(filter);
	return filter->req->err.code == FNR_OK ? read_rights(filter) : filter->req->err.code;
}

/* ---- how many there are ---- */

static bool is_meant(const struct filter *filter, const struct job_head *head)
{
	return state_next(head->state, TRIGGER_CANCEL) != STATE_NONE && (filter->state < 0 || head->state == filter->state) &&
	       (!filter->queue || head->queue == filter->queue) && (!filter->waiting_only || fnr_state_waiting(head->state)) &&
	       (!filter->project || head->project == filter->project) && (!filter->template_ || head->template_ == filter->template_) &&
	       (!filter->in_batch || fnr_id_compare(&head->batch, &filter->batch.id) == 0) &&
	       (!filter->mine || head->key == filter->req->access.key_number) && access_project(&filter->req->access, head->project);
}

/* What has not finished is mostly new: the walk ends when all of it was seen. */
static bool count_row(const struct job_head *head, void *context)
{
	struct filter *filter = context;

	if (filter->in_batch && fnr_id_compare(&head->id, &filter->batch.first) < 0)
		return false;
	if (fnr_state_terminal(head->state))
		return ++filter->rows % ROWS_A_LOOK != 0 || fnr_mono_ms() < filter->end;
	filter->found += is_meant(filter, head);
	return --filter->live > 0;
}

static void count(struct filter *filter)
{
	struct store_counters counters;
	struct fnr_id before = filter->in_batch ? common_id_behind(filter->batch.last) : FNR_ID_NONE;

	store_counters_get(filter->req->txn, &counters);
	for (int state = 0; state < FNR_STATE_COUNT; state++)
		filter->live += fnr_state_terminal(state) ? 0 : counters.state[state];
	filter->end = fnr_mono_ms() + COUNT_MS;
	if (filter->live > 0 && !filter->impossible)
		store_jobs_newest(filter->req->txn, filter->in_batch ? &before : NULL, SIZE_MAX, count_row, filter);
}

static int post(struct filter *filter)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct fnr_id last = store_last_job(filter->req->txn);
	struct op_reply reply;
	char text[FNR_ID_TEXT];
	int code;

	fnr_json_set_text(filter->command, "command", "cancel_all");
	fnr_json_set_text(filter->command, "until", fnr_id_format(&last, text));
	op_command(&operation, fnr_json_text(filter->command, NULL));
	code = request_post(filter->req, &operation, &reply);
	fnr_buf_free(&operation);
	return code;
}

/* Puts the filter's command. */
static int cancel_found(struct filter *filter)
{
	struct json_object *answer;
	int code = FNR_OK;

	count(filter);
	if (!filter->impossible)
		code = post(filter);
	json_object_put(filter->command);
	if (code != FNR_OK)
		return code;
	answer = json_object_new_object();
	fnr_json_set_int(answer, "found", filter->found);
	return reply_json(filter->req, 202, answer);
}

int jobs_cancel(struct request *req)
{
	struct filter filter = { .req = req, .command = json_object_new_object() };
	int code = read_filter(&filter);

	if (code == FNR_OK)
		return cancel_found(&filter);
	json_object_put(filter.command);
	return code;
}

/* POST /queues/{queue}/purge: what waits in it; what runs goes on. */
int queues_purge(struct request *req)
{
	struct filter filter = { .req = req, .state = -1, .waiting_only = true };

	if (!common_queue(req))
		return req->err.code;
	filter.command = json_object_new_object();
	fnr_json_set_text(filter.command, "queue", req->args[0]);
	fnr_json_set_bool(filter.command, "waiting", true);
	filter.queue = store_name_find(req->txn, STORE_QUEUE, req->args[0]);
	filter.impossible = filter.queue == 0;
	return cancel_found(&filter);
}
