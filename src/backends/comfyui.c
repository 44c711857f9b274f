/* The ComfyUI backend: gives a workflow to a server, watches it, and fetches what it made. comfyui.h tells its parts. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/comfyui.h"
#include "backends/kinds.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/text.h"

#define TURN_MS 250
#define SILENCE_MS 15000            /* a socket that says nothing of our prompt for so long is not believed: the server is asked */
#define PENDING_MS 2000             /* how often the place in the server's queue is looked up */
#define END_MS 1000                 /* between the last message of a prompt and what says that its history is there */
#define HISTORY_MS 5000             /* until the history of a prompt that has ended is taken to be lost */
#define BACK_OFF_MS 1000
#define BACK_OFF_MOST_MS 15000
#define PATIENCE_S 20               /* a server that cannot be asked for so long has lost the prompt; options: patience_s */

/* Where the watching is. */
struct watch {
	int64_t ask_at;                 /* when the server is asked next */
	int64_t back_off;
	int64_t connect_at, connect_back_off;
	int64_t unasked_since;          /* 0: it answered last time */
	int unknown;                    /* how often in a row it did not know the prompt */
	bool reconnected;               /* what was missed is never sent again: it is asked on */
	bool ended;                     /* the messages said so when it was looked last */
};

/* Between the half and the whole of it, so that those who wait for one server do not come all at once. */
static int64_t jitter(int64_t ms)
{
	uint32_t number;
	fnr_random(&number, sizeof number);
	return ms / 2 + (int64_t)(number % (uint32_t)(ms / 2 + 1));
}

static int64_t longer(int64_t ms)
{
	return ms == 0 ? BACK_OFF_MS : ms * 2 < BACK_OFF_MOST_MS ? ms * 2 : BACK_OFF_MOST_MS;
}

/* ---- the end ---- */

static enum run_result succeeded(struct comfyui *comfyui, struct json_object *outputs)
{
	if (!comfyui->joined)
		comfyui_tell_took(comfyui);
	return comfyui_collect(comfyui, outputs);
}

static void free_memory(struct comfyui *comfyui)
{
	struct json_object *body = json_object_new_object();
	struct http_answer answer = HTTP_ANSWER_INIT;
	fnr_json_set_bool(body, "unload_models", true);
	fnr_json_set_bool(body, "free_memory", true);
	struct http_request request = { .path = "/free", .json = body, .timeout_ms = 5000 };
	http_ask(comfyui->http, comfyui->run, &request, &answer);
	http_answer_clear(&answer);
	json_object_put(body);
}

static enum run_result failed(struct comfyui *comfyui, struct json_object *failure)
{
	if (comfyui_out_of_memory(failure))
		free_memory(comfyui);
	return comfyui_execution_failed(comfyui, failure);
}

static enum run_result finished(struct comfyui *comfyui, struct json_object *entry)
{
	struct json_object *failure = NULL;
	comfyui_goodbye(comfyui);
	switch (comfyui_end_of(entry, &failure)) {
	case COMFYUI_SUCCEEDED:
		return succeeded(comfyui, fnr_json_get(entry, "outputs"));
	case COMFYUI_INTERRUPTED:
		return run_fail(comfyui->error, FNR_CLASS_TRANSIENT, "comfyui_interrupted", "It is tried again.", "retry", NULL,
		                "Somebody stopped it on the server.");
	default:
		return failed(comfyui, failure != NULL ? failure : comfyui->failure);
	}
}

static enum run_result lost(struct comfyui *comfyui)
{
	run_fail(comfyui->error, FNR_CLASS_TRANSIENT, "backend_lost_job", "It is tried again.", "retry", comfyui->prompt,
	         "The server does not know this job any more; most likely it was started anew, or somebody took the job out of its queue.");
	return RUN_LOST;
}

/* The server is away and does not come back: whether it goes on with the prompt nobody knows. */
static enum run_result away(struct comfyui *comfyui, const struct http_answer *answer)
{
	http_failed(answer, comfyui->error);
	comfyui->error->backend_down = true;
	return RUN_LOST;
}

static enum run_result too_long(struct comfyui *comfyui)
{
	bool heard = comfyui_cancel(comfyui);
	run_fail(comfyui->error, FNR_CLASS_PERMANENT, "timeout", "Choose a lower quality, or raise timeout_s.", "reduce_quality", NULL,
	         "It took longer than %lld seconds and was stopped.", (long long)(comfyui->run->timeout_ms + 999) / 1000);
	comfyui->error->backend_down = comfyui->error->ignores_cancel = !heard;
	return RUN_FAILED;
}

/* ---- asking ---- */

static void tell_place(struct comfyui *comfyui, size_t before)
{
	char text[96];
	snprintf(text, sizeof text, before == 1 ? "Waiting for the server: one job before this one" : "Waiting for the server: %zu jobs before this one", before);
	run_progress(comfyui->run, FNR_STAGE_PREPARATION, 0.9, before > 0 ? text : "Waiting for the server");
}

static int64_t patience_ms(struct comfyui *comfyui)
{
	int64_t seconds = fnr_json_get_int(comfyui->run->endpoint->options, "patience_s", PATIENCE_S);
	return (seconds < 1 ? 1 : seconds > 3600 ? 3600 : seconds) * 1000;
}

/* What has ended by its messages is asked for soon again; where they are missing, less and less often. */
static void ask_later(struct comfyui *comfyui, struct watch *watch, enum comfyui_state state)
{
	int64_t wait = state == COMFYUI_PENDING ? PENDING_MS : SILENCE_MS;
	if (watch->ended)
		wait = watch->back_off = watch->back_off == 0 ? 20 : watch->back_off * 2 < BACK_OFF_MS ? watch->back_off * 2 : BACK_OFF_MS;
	else if (comfyui->socket == NULL || watch->reconnected || state == COMFYUI_UNASKED || state == COMFYUI_UNKNOWN)
		wait = watch->back_off = jitter(longer(watch->back_off));
	watch->ask_at = fnr_mono_ms() + wait;
}

/* The server does not know it: lost, unless its messages told how it ended, and what it made. */
static enum run_result unknown(struct comfyui *comfyui)
{
	switch (comfyui->end) {
	case COMFYUI_SUCCEEDED: return succeeded(comfyui, comfyui->executed);
	case COMFYUI_FAILED: return failed(comfyui, comfyui->failure);
	default: return lost(comfyui);
	}
}

/* True if it is decided; *result_r says how. */
static bool ask(struct comfyui *comfyui, struct watch *watch, enum run_result *result_r)
{
	struct comfyui_report report;
	struct http_answer answer = HTTP_ANSWER_INIT;
	bool decided = true;
	comfyui_ask(comfyui, false, &report, &answer);
	int64_t now = fnr_mono_ms();
	watch->unknown = report.state == COMFYUI_UNKNOWN ? watch->unknown + 1 : 0;
	watch->unasked_since = report.state != COMFYUI_UNASKED ? 0 : watch->unasked_since > 0 ? watch->unasked_since : now;
	if (report.state == COMFYUI_ENDED)
		*result_r = finished(comfyui, report.entry);
	else if (watch->unknown > 1 && (!watch->ended || now - comfyui->end_at > HISTORY_MS))
		*result_r = unknown(comfyui);
	else if (watch->unasked_since > 0 && now - watch->unasked_since > patience_ms(comfyui))
		*result_r = away(comfyui, &answer);
	else
		decided = false;
	comfyui->runs = report.state == COMFYUI_RUNNING;
	if (report.state == COMFYUI_PENDING && comfyui->fraction == 0)
		tell_place(comfyui, report.before);
	ask_later(comfyui, watch, report.state);
	json_object_put(report.entry);
	http_answer_clear(&answer);
	return decided;
}

/* ---- watching ---- */

static void reconnect(struct comfyui *comfyui, struct watch *watch)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	if (!comfyui_connect(comfyui, &answer)) {
		watch->connect_back_off = longer(watch->connect_back_off);
		watch->connect_at = fnr_mono_ms() + jitter(watch->connect_back_off);
	}
	http_answer_clear(&answer);
}

/* When the server is to be asked, by what has been heard. */
static bool time_to_ask(struct comfyui *comfyui, struct watch *watch)
{
	int64_t now = fnr_mono_ms();
	bool ended = comfyui->over || (comfyui->end != COMFYUI_GOING && now - comfyui->end_at > END_MS);
	if (ended && !watch->ended) {
		watch->ended = true;
		watch->back_off = 0;
		return true;
	}
	return now >= watch->ask_at && (comfyui->socket == NULL || watch->reconnected || watch->back_off > 0 || now - comfyui->heard_at >= PENDING_MS);
}

static void lose_socket(struct watch *watch)
{
	int64_t now = fnr_mono_ms();
	watch->reconnected = true;
	watch->back_off = 0;
	watch->ask_at = now;
	watch->connect_at = now + jitter(BACK_OFF_MS);
	watch->connect_back_off = BACK_OFF_MS;
}

static int wait_ms(struct comfyui *comfyui, const struct watch *watch)
{
	int64_t left = watch->ask_at - fnr_mono_ms();
	if (comfyui->socket != NULL && websocket_busy(comfyui->socket))
		return 0;
	return left > 0 && left < TURN_MS ? (int)left : TURN_MS;
}

static enum run_result stopped(struct comfyui *comfyui)
{
	if (comfyui_cancel(comfyui))
		return RUN_CANCELLED;
	run_fail(comfyui->error, FNR_CLASS_TRANSIENT, "cancel_ignored", "Look at the server; most likely it has to be started anew.", NULL, comfyui->prompt,
	         "The server goes on with a job that it was told to stop.");
	comfyui->error->backend_down = comfyui->error->ignores_cancel = true;
	return RUN_FAILED;
}

/* Until the prompt has ended, one way or the other. */
static enum run_result watch_prompt(struct comfyui *comfyui, bool joined)
{
	struct watch watch = { .ask_at = fnr_mono_ms() + (joined ? 0 : PENDING_MS), .reconnected = joined };
	enum run_result result = RUN_FAILED;
	bool connected = comfyui->socket != NULL;
	for (;;) {
		comfyui_listen(comfyui);
		if (connected && comfyui->socket == NULL)
			lose_socket(&watch);
		connected = comfyui->socket != NULL;
		if (time_to_ask(comfyui, &watch) && ask(comfyui, &watch, &result))
			return result;
		if (run_stop(comfyui->run))
			return stopped(comfyui);
		if (fnr_mono_ms() >= comfyui->deadline)
			return too_long(comfyui);
		if (comfyui->socket == NULL && fnr_mono_ms() >= watch.connect_at) {
			reconnect(comfyui, &watch);
			connected = comfyui->socket != NULL;
		}
		comfyui_memory(comfyui);
		if (watch.ended || !comfyui->over)
			http_wait(comfyui->http, comfyui->run, wait_ms(comfyui, &watch));
	}
}

/* ---- beginning ---- */

static bool begin(struct comfyui *comfyui)
{
	struct run *run = comfyui->run;
	int64_t now = fnr_mono_ms();
	run_progress(run, FNR_STAGE_PREPARATION, 0, NULL);
	backend_conf(&comfyui->conf);
	comfyui->backend = fnr_json_get(run->definition, "backend");
	comfyui->deadline = run->timeout_ms > 0 ? now + run->timeout_ms : INT64_MAX;
	comfyui->heard_at = now;
	comfyui->executed = json_object_new_object();
	comfyui->received = json_object_new_array();
	comfyui->early = json_object_new_array();
	comfyui->http = http_to(run->endpoint, COMFYUI_HTTP);
	FNR_MUST(comfyui->http != NULL);
	comfyui_ids(comfyui);
	if (!comfyui_workflow_load(comfyui))
		return false;
	comfyui_nodes_make(comfyui);
	return true;
}

static void end(struct comfyui *comfyui)
{
	comfyui_memory_end(comfyui);
	comfyui_hang_up(comfyui);
	json_object_put(comfyui->workflow);
	json_object_put(comfyui->failure);
	json_object_put(comfyui->executed);
	json_object_put(comfyui->received);
	json_object_put(comfyui->early);
	free(comfyui->nodes);
}

static enum run_result connect_first(struct comfyui *comfyui)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	enum run_result result = RUN_DONE;
	if (!comfyui_connect(comfyui, &answer)) {
		result = http_failed(&answer, comfyui->error);
		comfyui->error->backend_down = true; /* whatever it is, no prompt can be watched there */
	}
	http_answer_clear(&answer);
	return result;
}

/* Of this attempt, by a worker whose manager could not note it any more. Where that cannot be asked, whoever watches asks again. */
static bool is_there(struct comfyui *comfyui)
{
	struct comfyui_report report;
	struct http_answer answer = HTTP_ANSWER_INIT;
	comfyui_ask(comfyui, false, &report, &answer);
	json_object_put(report.entry);
	http_answer_clear(&answer);
	return report.state != COMFYUI_UNKNOWN;
}

static enum run_result give(struct comfyui *comfyui)
{
	run_begun(comfyui->run);
	comfyui->joined = comfyui->run->look && is_there(comfyui);
	enum run_result result = comfyui->joined ? RUN_DONE : comfyui_submit(comfyui);
	if (result == RUN_DONE && !run_folder(comfyui->run, comfyui->error)) {
		comfyui_cancel(comfyui);
		result = RUN_FAILED;
	}
	return result;
}

static enum run_result comfyui_execute(struct run *run, struct run_error *error)
{
	struct comfyui comfyui = { .run = run, .error = error };
	enum run_result result = begin(&comfyui) ? RUN_DONE : RUN_FAILED;
	if (result == RUN_DONE)
		result = comfyui_workflow_fill(&comfyui);
	if (result == RUN_DONE)
		result = connect_first(&comfyui);
	if (result == RUN_DONE)
		result = give(&comfyui);
	if (result == RUN_DONE)
		result = watch_prompt(&comfyui, comfyui.joined);
	end(&comfyui);
	return result;
}

/* Whoever watched before is gone; the server has the prompt, or had it, or never got it. */
static enum run_result comfyui_attach(struct run *run, struct run_error *error)
{
	struct comfyui comfyui = { .run = run, .error = error, .joined = true };
	struct http_answer answer = HTTP_ANSWER_INIT;
	enum run_result result = RUN_FAILED;
	run_begun(run);
	bool ready = begin(&comfyui);
	if (ready && !run_folder(run, error)) {
		comfyui_cancel(&comfyui);
		ready = false;
	}
	if (ready) {
		comfyui_recall_client(&comfyui);
		comfyui_connect(&comfyui, &answer); /* it can be watched without, too */
		result = answer.result == HTTP_STOPPED ? stopped(&comfyui) : watch_prompt(&comfyui, true);
	}
	http_answer_clear(&answer);
	end(&comfyui);
	return result;
}

const struct backend_kind backend_comfyui = {
	.name = "comfyui", .needs_endpoint = true, .attachable = true, .tells_begin = true, .begins_early = true, .execute = comfyui_execute, .attach = comfyui_attach,
	.probe_endpoint = comfyui_probe, .probe_nodes = comfyui_probe_nodes, .idle = comfyui_idle, .release = comfyui_release,
};
