#include "config.h"

#include <stdio.h>
#include <string.h>

#include "backends/comfyui.h"
#include "base/clock.h"

#define ALL_MS 8000                 /* until nobody is taken to listen; the manager ends a worker that takes longer than 10 s */
#define AGAIN_MS 2000               /* an interrupt in the gap between queue and start is forgotten: it is repeated */
#define LOOK_MS 100
#define ASK_MS 3000

/* The newer way: whatever state it is in, and no other prompt can be hit. False: the server has no such route. */
static bool cancel_job(struct comfyui *comfyui)
{
	char path[96];
	struct http_answer answer = HTTP_ANSWER_INIT;
	snprintf(path, sizeof path, "/api/jobs/%s/cancel", comfyui->prompt);
	struct http_request request = { .path = path, .method = "POST", .timeout_ms = ASK_MS, .regardless = true };
	if (comfyui->jobs == COMFYUI_NO_JOBS)
		return false;
	enum http_result result = http_ask(comfyui->http, comfyui->run, &request, &answer);
	bool there = result == HTTP_DONE || (result == HTTP_STATUS && answer.status == 404 && fnr_json_get_text(answer.json, "error", NULL) != NULL);
	if (!there && result == HTTP_STATUS)
		comfyui->jobs = COMFYUI_NO_JOBS;
	http_answer_clear(&answer);
	return there || result != HTTP_STATUS;
}

static void post(struct comfyui *comfyui, const char *path, struct json_object *body)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	struct http_request request = { .path = path, .json = body, .timeout_ms = ASK_MS, .regardless = true };
	http_ask(comfyui->http, comfyui->run, &request, &answer);
	http_answer_clear(&answer);
	json_object_put(body);
}

/* The older way. Servers before 0.3.57 interrupt whatever runs, so it is asked for only when ours is what runs. */
static void cancel_in_state(struct comfyui *comfyui, enum comfyui_state state)
{
	struct json_object *body = json_object_new_object(), *list = json_object_new_array();
	if (state == COMFYUI_PENDING) {
		json_object_array_add(list, json_object_new_string(comfyui->prompt));
		fnr_json_set(body, "delete", json_object_get(list));
		post(comfyui, "/queue", json_object_get(body));
	} else if (state == COMFYUI_RUNNING) {
		fnr_json_set_text(body, "prompt_id", comfyui->prompt);
		post(comfyui, "/interrupt", json_object_get(body));
	}
	json_object_put(list);
	json_object_put(body);
}

static enum comfyui_state state_now(struct comfyui *comfyui)
{
	struct comfyui_report report;
	struct http_answer answer = HTTP_ANSWER_INIT;
	comfyui_ask(comfyui, true, &report, &answer);
	json_object_put(report.entry);
	http_answer_clear(&answer);
	return report.state;
}

/* One more try; the state before it, so that what was cancelled is seen to be gone by the next look. */
static enum comfyui_state try_once(struct comfyui *comfyui, bool ask)
{
	enum comfyui_state state = state_now(comfyui);
	bool there = state == COMFYUI_PENDING || state == COMFYUI_RUNNING;
	if (ask && there && !cancel_job(comfyui))
		cancel_in_state(comfyui, state);
	return state;
}

bool comfyui_cancel(struct comfyui *comfyui)
{
	int64_t begin = fnr_mono_ms(), asked = 0;
	run_progress(comfyui->run, FNR_STAGE_EXECUTION, comfyui->fraction, "Stopping…");
	while (fnr_mono_ms() - begin < ALL_MS) {
		int64_t now = fnr_mono_ms();
		bool ask = asked == 0 || now - asked >= AGAIN_MS;
		enum comfyui_state state = try_once(comfyui, ask);
		if (state == COMFYUI_ENDED || state == COMFYUI_UNKNOWN)
			return true;
		asked = ask ? now : asked;
		http_wait(comfyui->http, comfyui->run, LOOK_MS);
		comfyui_listen(comfyui);
	}
	run_log(comfyui->run, "error", "the server goes on with a job that it was told to stop");
	return false;
}
