#include "config.h"

#include <stdio.h>
#include <string.h>

#include "backends/comfyui.h"
#include "base/text.h"

#define LOOK_BACK 100               /* entries of the history that are looked through for a prompt whose id is not known */
#define HISTORY_MOST (256u << 20)

/* ---- the newer way ---- */

/* As the history has it. */
static struct json_object *entry_of_job(struct json_object *job)
{
	struct json_object *entry = json_object_new_object();
	fnr_json_set(entry, "outputs", json_object_get(fnr_json_get(job, "outputs")));
	fnr_json_set(entry, "status", json_object_get(fnr_json_get(job, "execution_status")));
	fnr_json_set(entry, "job_status", json_object_get(fnr_json_get(job, "status")));
	fnr_json_set(entry, "job_error", json_object_get(fnr_json_get(job, "execution_error")));
	return entry;
}

static void report_job(struct comfyui_report *report, struct json_object *job)
{
	const char *status = fnr_json_get_text(job, "status", "");
	if (strcmp(status, "pending") == 0) {
		report->state = COMFYUI_PENDING;
	} else if (strcmp(status, "in_progress") == 0) {
		report->state = COMFYUI_RUNNING;
	} else {
		report->state = COMFYUI_ENDED;
		report->entry = entry_of_job(job);
	}
}

/* False: the server has no such route. */
static bool ask_jobs(struct comfyui *comfyui, bool regardless, struct comfyui_report *report, struct http_answer *answer)
{
	char path[80];
	if (comfyui->jobs == COMFYUI_NO_JOBS || !comfyui->known)
		return false;
	snprintf(path, sizeof path, "/api/jobs/%s", comfyui->prompt);
	struct http_request request = { .path = path, .limit = HISTORY_MOST, .regardless = regardless };
	enum http_result result = http_ask(comfyui->http, comfyui->run, &request, answer);
	bool job = result == HTTP_DONE && fnr_json_get_text(answer->json, "status", NULL) != NULL;
	bool absent = result == HTTP_STATUS && answer->status == 404 && fnr_json_get_text(answer->json, "error", NULL) != NULL;
	if (job)
		report_job(report, answer->json);
	else if (absent)
		report->state = COMFYUI_UNKNOWN;
	else if (result == HTTP_DONE || (result == HTTP_STATUS && (answer->status == 404 || answer->status == 405)))
		comfyui->jobs = COMFYUI_NO_JOBS;
	if (comfyui->jobs == COMFYUI_NO_JOBS) {
		http_answer_clear(answer);
		return false;
	}
	if (job || absent)
		comfyui->jobs = COMFYUI_JOBS;
	return true;
}

/* ---- the older way ---- */

/* An item of the queue is [number, prompt_id, prompt, extra_data, outputs]. */
static bool item_is_ours(struct comfyui *comfyui, struct json_object *item)
{
	if (!json_object_is_type(item, json_type_array) || json_object_array_length(item) < 4)
		return false;
	const char *prompt = json_object_get_string(json_object_array_get_idx(item, 1));
	const char *client = fnr_json_get_text(json_object_array_get_idx(item, 3), "client_id", "");
	if (prompt != NULL && strcmp(prompt, comfyui->prompt) == 0)
		return true;
	return !comfyui->known && !comfyui->shared && prompt != NULL && strcmp(client, comfyui->client) == 0 && comfyui_id_adopt(comfyui, prompt);
}

static struct json_object *find_ours(struct comfyui *comfyui, struct json_object *items)
{
	for (size_t i = 0; json_object_is_type(items, json_type_array) && i < json_object_array_length(items); i++)
		if (item_is_ours(comfyui, json_object_array_get_idx(items, i)))
			return json_object_array_get_idx(items, i);
	return NULL;
}

static double number_of(struct json_object *item)
{
	return json_object_get_double(json_object_array_get_idx(item, 0));
}

/* The pending ones are a heap: what comes sooner is told by their numbers, not by their places. */
static size_t count_before(struct json_object *ours, struct json_object *pending, struct json_object *running)
{
	size_t before = json_object_is_type(running, json_type_array) ? json_object_array_length(running) : 0;
	for (size_t i = 0; i < json_object_array_length(pending); i++) {
		struct json_object *item = json_object_array_get_idx(pending, i);
		before += json_object_is_type(item, json_type_array) && item != ours && number_of(item) < number_of(ours);
	}
	return before;
}

/* True if it is there. */
static bool ask_queue(struct comfyui *comfyui, bool regardless, struct comfyui_report *report, struct http_answer *answer)
{
	struct http_request request = { .path = "/queue", .limit = HISTORY_MOST, .regardless = regardless };
	if (http_ask(comfyui->http, comfyui->run, &request, answer) != HTTP_DONE || answer->json == NULL) {
		report->state = COMFYUI_UNASKED;
		return false;
	}
	struct json_object *running = fnr_json_get(answer->json, "queue_running"), *pending = fnr_json_get(answer->json, "queue_pending");
	struct json_object *ours = find_ours(comfyui, pending);
	report->state = COMFYUI_UNKNOWN;
	if (find_ours(comfyui, running) != NULL) {
		report->state = COMFYUI_RUNNING;
	} else if (ours != NULL) {
		report->state = COMFYUI_PENDING;
		report->before = count_before(ours, pending, running);
	}
	http_answer_clear(answer);
	return report->state != COMFYUI_UNKNOWN;
}

void comfyui_recall_client(struct comfyui *comfyui)
{
	struct http_request request = { .path = "/queue", .limit = HISTORY_MOST };
	struct http_answer answer = HTTP_ANSWER_INIT;
	http_ask(comfyui->http, comfyui->run, &request, &answer);
	struct json_object *ours = find_ours(comfyui, fnr_json_get(answer.json, "queue_running"));
	if (ours == NULL)
		ours = find_ours(comfyui, fnr_json_get(answer.json, "queue_pending"));
	const char *client = fnr_json_get_text(ours != NULL ? json_object_array_get_idx(ours, 3) : NULL, "client_id", "");
	if (client[0] != '\0' && strcmp(client, comfyui->client) != 0 && strlen(client) < sizeof comfyui->client) {
		fnr_text_copy(comfyui->client, sizeof comfyui->client, client);
		comfyui->shared = true;
	}
	http_answer_clear(&answer);
}

/* Our entry in what /history answers; borrowed. */
static struct json_object *entry_in(struct comfyui *comfyui, struct json_object *history)
{
	struct json_object *found = fnr_json_get(history, comfyui->prompt);
	if (found != NULL || comfyui->known || !json_object_is_type(history, json_type_object))
		return found;
	json_object_object_foreach(history, id, entry) {
		(void)id;
		if (item_is_ours(comfyui, fnr_json_get(entry, "prompt")))
			return entry;
	}
	return NULL;
}

static void ask_history(struct comfyui *comfyui, const char *path, bool regardless, struct comfyui_report *report, struct http_answer *answer)
{
	struct http_request request = { .path = path, .limit = HISTORY_MOST, .regardless = regardless };
	report->state = COMFYUI_UNASKED;
	if (http_ask(comfyui->http, comfyui->run, &request, answer) != HTTP_DONE || answer->json == NULL)
		return;
	report->entry = json_object_get(entry_in(comfyui, answer->json));
	report->state = report->entry != NULL ? COMFYUI_ENDED : COMFYUI_UNKNOWN;
	http_answer_clear(answer);
}

void comfyui_ask(struct comfyui *comfyui, bool regardless, struct comfyui_report *report, struct http_answer *answer)
{
	char path[96];
	*report = (struct comfyui_report){ .state = COMFYUI_UNASKED };
	if (ask_jobs(comfyui, regardless, report, answer) && report->state != COMFYUI_PENDING) /* its place the queue knows */
		return;
	http_answer_clear(answer);
	if (ask_queue(comfyui, regardless, report, answer) || report->state == COMFYUI_UNASKED)
		return;
	snprintf(path, sizeof path, "/history/%s", comfyui->prompt);
	ask_history(comfyui, path, regardless, report, answer);
	if (report->state != COMFYUI_UNKNOWN || comfyui->known)
		return;
	snprintf(path, sizeof path, "/history?max_items=%d", LOOK_BACK);
	ask_history(comfyui, path, regardless, report, answer);
}

/* ---- how it ended ---- */

static const struct { const char *word; enum comfyui_end end; } ends[] = {
	{ "execution_success", COMFYUI_SUCCEEDED }, { "execution_error", COMFYUI_FAILED }, { "execution_interrupted", COMFYUI_INTERRUPTED },
	{ "completed", COMFYUI_SUCCEEDED }, { "failed", COMFYUI_FAILED }, { "cancelled", COMFYUI_INTERRUPTED },
	{ "success", COMFYUI_SUCCEEDED }, { "error", COMFYUI_FAILED },
};

static enum comfyui_end end_of_word(const char *word)
{
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		if (strcmp(ends[i].word, word) == 0)
			return ends[i].end;
	return COMFYUI_GOING;
}

enum comfyui_end comfyui_end_of(struct json_object *entry, struct json_object **failure_r)
{
	struct json_object *status = fnr_json_get(entry, "status"), *messages = fnr_json_get(status, "messages");
	enum comfyui_end end = COMFYUI_GOING;
	*failure_r = fnr_json_get(entry, "job_error");
	for (size_t i = json_object_is_type(messages, json_type_array) ? json_object_array_length(messages) : 0; i > 0 && end == COMFYUI_GOING; i--) {
		struct json_object *message = json_object_array_get_idx(messages, i - 1);
		const char *type = json_object_is_type(message, json_type_array) ? json_object_get_string(json_object_array_get_idx(message, 0)) : NULL;
		end = type != NULL ? end_of_word(type) : COMFYUI_GOING;
		if (end == COMFYUI_FAILED)
			*failure_r = json_object_array_get_idx(message, 1);
	}
	if (end == COMFYUI_GOING)
		end = end_of_word(fnr_json_get_text(entry, "job_status", ""));
	if (end == COMFYUI_GOING)
		end = end_of_word(fnr_json_get_text(status, "status_str", ""));
	return end != COMFYUI_GOING ? end : COMFYUI_SUCCEEDED; /* old servers kept only what went well, without a status */
}
