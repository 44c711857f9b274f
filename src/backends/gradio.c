/* The Gradio backend: calls a function of an app made with Gradio 4 or later. The app's queue is used, with one session a job;
 * functions that the app does not queue are called directly. The stream on which the app tells of the job stays open until the
 * end: an app forgets a job whose stream is closed, and keeps nothing that could be asked for later. So a stream that is lost
 * means that nobody knows what became of the job, and it is reported as that.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/gradio_job.h"
#include "backends/gradio_request.h"
#include "backends/gradio_result.h"
#include "backends/gradio_server.h"
#include "backends/kinds.h"
#include "backends/sse.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/text.h"

#define WAIT_MS 250
#define STALL_S 60                  /* heartbeats come every 15 s */
#define CANCEL_MS 5000              /* for the app to say that it has stopped */
#define RESET_MS 250
#define CLOSE_MS 1000
#define JOIN_MS 20000
#define FULL_TRIES 4                /* for a place in a full queue, 1, 2 and 4 s apart */
#define FULL_LATER_S 5
#define PROBE_MS 5000
#define FUNCTIONS_MOST 5000         /* that are told of */

#define NO_STOP "the app has let go of the job, but a function like this one cannot be stopped: it may go on computing"

struct call {
	struct run *run;
	struct run_error *error;
	struct gradio_server server;
	struct gradio_endpoint endpoint;
	struct json_object *data;
	struct gradio_job job;
	struct sse sse;
	struct http_stream *stream;
	struct http_answer answer;      /* of the stream */
	char session[32], path[GRADIO_PATH];
	bool simple;                    /* the stream is one of /call */
	bool direct;                    /* there is no stream: the app does not queue the function */
	bool unsure;                    /* the join was not answered: only the stream can tell whether there is a job */
	bool too_large;
	int64_t deadline, next_preview, preview_interval;
};

/* ---- requests ---- */

/* Whoever knows it can read the job's stream. */
static void session_make(char out[32])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	unsigned char random[24];
	fnr_random(random, sizeof random);
	for (size_t i = 0; i < sizeof random; i++)
		out[i] = letters[random[i] % 36];
	out[sizeof random] = '\0';
}

/* What names the job; with its data where that is to be sent. */
static struct json_object *body_make(struct call *call, bool data)
{
	struct json_object *body = json_object_new_object();
	if (data)
		fnr_json_set(body, "data", json_object_get(call->data));
	fnr_json_set_int(body, "fn_index", call->endpoint.fn_index);
	fnr_json_set_text(body, "session_hash", call->session);
	return body;
}

/* What is asked for is known for certain before the run stops: whoever wants it to stop must be able to say what. */
static enum http_result post(struct call *call, const char *path, struct json_object *body, int64_t timeout_ms, struct http_answer *answer)
{
	char at[GRADIO_PATH];
	struct http_request request = {
		.path = gradio_path(&call->server, path, at), .json = body, .once = true, .regardless = true, .timeout_ms = timeout_ms,
	};
	gradio_ask(&call->server, &request, answer);
	json_object_put(body);
	return answer->result;
}

/* A request that stands for itself: its answer does not matter. */
static void post_quietly(struct call *call, const char *path, struct json_object *body)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	post(call, path, body, CANCEL_MS, &answer);
	http_answer_clear(&answer);
}

/* ---- the stream ---- */

static bool take_event(const char *name, const char *data, size_t len, void *context)
{
	struct call *call = context;
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value = fnr_json_parse_foreign(data, len, &err);
	call->job.partial.told += len;
	if (err.code != FNR_OK)
		fnr_error_clear(&err); /* no message of this protocol */
	else if (call->simple)
		gradio_job_event(&call->job, name, value);
	else
		gradio_job_message(&call->job, value);
	json_object_put(value);
	return true;
}

static bool take_bytes(const char *data, size_t len, void *context)
{
	struct call *call = context;
	call->too_large = sse_feed(&call->sse, data, len) == SSE_TOO_LARGE;
	return !call->too_large;
}

/* Heartbeats show that the other side lives, but in the first releases there was only one. */
static int64_t stall_ms(const struct call *call)
{
	int64_t usual = gradio_app_since(call->server.app, 4, 1, 0) ? STALL_S : 0;
	int64_t stall_s = fnr_json_get_int(call->run->endpoint->options, "stall_s", usual);
	return stall_s > 0 ? stall_s * 1000 : -1;
}

static void stream_open(struct call *call, const char *path)
{
	static const char *const headers[] = { "x-gradio-user: api", "Accept: text/event-stream", NULL };
	struct http_request request = { .path = path, .headers = headers, .once = true, .timeout_ms = -1, .stall_ms = stall_ms(call) };
	call->sse = (struct sse){ .event = take_event, .context = call };
	call->stream = http_stream_open(call->server.http, &request, take_bytes, call, &call->answer);
}

/* The app ends it by itself, and then the connection can be used again. */
static void stream_end(struct call *call)
{
	int64_t deadline = fnr_mono_ms() + CLOSE_MS;
	while (call->stream != NULL && !http_stream_over(call->stream) && fnr_mono_ms() < deadline)
		http_wait(call->server.http, call->run, WAIT_MS);
	http_stream_close(call->stream);
	call->stream = NULL;
	sse_free(&call->sse);
}

static void send_data(struct call *call)
{
	struct json_object *body = body_make(call, true);
	struct http_answer answer = HTTP_ANSWER_INIT;
	call->job.send_data = false;
	fnr_json_set_text(body, "event_id", call->job.event_id);
	if (post(call, "/queue/data", body, JOIN_MS, &answer) != HTTP_DONE) {
		call->job.end = GRADIO_LOST;
		fnr_text_copy(call->job.text, sizeof call->job.text, answer.detail);
	}
	http_answer_clear(&answer);
}

static void show_preview(struct call *call)
{
	int64_t now = fnr_mono_ms();
	if (!call->job.changed || call->job.partial.values == NULL || now < call->next_preview || call->job.end != GRADIO_GOES_ON)
		return;
	call->job.changed = false;
	struct json_object *values = json_object_get(call->job.partial.values); /* messages come meanwhile */
	gradio_preview(&call->server, values);
	json_object_put(values);
	call->next_preview = fnr_mono_ms() + call->preview_interval;
}

static void post_cancel(struct call *call)
{
	struct json_object *body = body_make(call, false);
	fnr_json_set_text(body, "event_id", call->job.event_id);
	if (call->simple)
		fnr_json_set_text(body, "session_hash", call->job.event_id);
	post_quietly(call, "/cancel", body);
}

/* Releases before 4.31 stop by it, but a generator only once it has yielded; later ones take it and do nothing. False: it did not help. */
static bool post_reset(struct call *call, int64_t timeout_ms)
{
	struct json_object *body = json_object_new_object();
	struct http_answer answer = HTTP_ANSWER_INIT;
	fnr_json_set_text(body, "event_id", call->job.event_id);
	post(call, "/reset", body, timeout_ms, &answer);
	bool done = answer.result != HTTP_DONE || fnr_json_get_bool(answer.json, "success", true);
	http_answer_clear(&answer);
	return done;
}

/* Until the app says that the job is over, or time is up. */
static void wait_for_end(struct call *call, bool resets, int64_t deadline)
{
	int64_t now, next = 0;
	while (call->stream != NULL && call->job.end == GRADIO_GOES_ON && !http_stream_over(call->stream) && (now = fnr_mono_ms()) < deadline) {
		if (resets && now >= next) {
			resets = !post_reset(call, deadline - now);
			next = now + RESET_MS;
		}
		http_wait(call->server.http, call->run, WAIT_MS);
	}
}

/* Tells the app to stop, and waits a little until it has. A function that neither yields nor waits cannot be stopped by anybody.
 * Until 6.14 a job that waits is said to be cancelled and done all the same; what takes it out of the queue is that its stream is
 * closed, which our caller does; so does a generator, when it yields, of a release that knows no /cancel. False: the app goes on
 * with a function that it was told to stop, as far as one can see, or it can only be restarted. */
static bool cancel(struct call *call)
{
	int64_t deadline = fnr_mono_ms() + CANCEL_MS;
	bool cancels = gradio_app_since(call->server.app, 4, 31, 0), restarts = fnr_json_get_bool(call->run->endpoint->options, "restart_to_stop", false);
	if (call->direct) {
		run_log(call->run, "warn", NO_STOP);
		return !restarts;
	}
	if (call->job.event_id[0] == '\0' || (!call->simple && !call->job.started && !gradio_app_since(call->server.app, 6, 14, 0)))
		return true;
	if (cancels)
		post_cancel(call);
	wait_for_end(call, !gradio_app_since(call->server.app, 5, 0, 0), deadline);
	bool heard = call->job.end != GRADIO_GOES_ON || call->stream == NULL || http_stream_over(call->stream);
	bool plain = call->job.started && !call->endpoint.generator && call->job.end != GRADIO_COMPLETED && call->job.end != GRADIO_FAILED;
	if (!heard)
		run_log(call->run, "warn", "the app did not say that it has stopped: it may go on computing");
	else if (plain)
		run_log(call->run, "warn", NO_STOP);
	if (plain && restarts)
		return false;
	return heard || !call->job.started || (call->endpoint.generator && !cancels);
}

/* ---- how it ended ---- */

/* What the app is now, in words for whoever has to find out what became of the job. */
enum presence { APP_ABSENT, APP_ANEW, APP_RUNS };
static const char *const presences[] = { "the app's server does not answer", "the app was started anew", "the app runs on" };

static enum presence presence_of(struct call *call)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	char path[GRADIO_PATH];
	struct http_request request = { .path = gradio_path(&call->server, "/app_id", path), .timeout_ms = PROBE_MS };
	bool there = gradio_ask(&call->server, &request, &answer) == HTTP_DONE || answer.result == HTTP_STATUS;
	const char *id = fnr_json_text(fnr_json_get(answer.json, "app_id"), NULL);
	bool anew = answer.result == HTTP_DONE && strcmp(id, call->server.app->id) != 0;
	http_answer_clear(&answer);
	return there && anew ? APP_ANEW : there ? APP_RUNS : APP_ABSENT;
}

static enum run_result lost(struct call *call)
{
	char detail[1024];
	const char *why = call->job.end == GRADIO_LOST && call->job.text[0] != '\0' ? call->job.text : call->answer.detail;
	enum presence now = presence_of(call);
	snprintf(detail, sizeof detail, "%s; %s", why[0] != '\0' ? why : "the stream ended before the job did", presences[now]);
	run_fail(call->error, FNR_CLASS_UNKNOWN, "result_unknown", "Look at the app; if it did not finish, run the job again.", "retry", detail,
	         call->job.waits && !call->job.started ? "The connection to the app was lost while the job waited there: whether it was begun is not known." :
	                        "The connection to the app was lost while it worked: whether it has finished is not known.");
	call->error->backend_down = now == APP_ABSENT;
	return RUN_LOST;
}

/* The app has done the job, and is gone before it gave its files: they are not to be had from the one that comes after it. */
static enum run_result results(struct call *call, struct json_object *data)
{
	enum run_result result = gradio_result(&call->server, &call->endpoint, data, call->error);
	if (result != RUN_FAILED || (call->error->class_ != FNR_CLASS_TRANSIENT && call->error->class_ != FNR_CLASS_UNKNOWN))
		return result;
	enum presence now = presence_of(call);
	if (now == APP_RUNS)
		return result;
	char detail[1024];
	snprintf(detail, sizeof detail, "%.900s; %s", call->error->detail, presences[now]);
	run_fail(call->error, FNR_CLASS_UNKNOWN, "result_lost", "Run the job again.", "retry", detail,
	         "The app had finished the job, but ended before its files could be fetched.");
	call->error->backend_down = now == APP_ABSENT;
	return RUN_LOST;
}

/* The stream is over, and the job had no end. */
static enum run_result broken_off(struct call *call)
{
	bool html = call->answer.result == HTTP_DONE && strcmp(call->answer.media_type, "text/event-stream") != 0;
	if (call->too_large)
		return run_fail(call->error, FNR_CLASS_RESOURCE, "backend_answer_too_large", "Choose a lower quality.", "reduce_quality", call->answer.detail,
		                "What the app sent is larger than allowed.");
	if (call->answer.result == HTTP_STOPPED)
		return RUN_CANCELLED;
	if (call->answer.result == HTTP_STATUS && call->server.app->protocol == GRADIO_SSE && !call->job.started)
		return gradio_failed(&call->answer, call->error);
	if (html)
		fnr_text_copy(call->job.text, sizeof call->job.text, "the app's server sent a page instead of a stream");
	if (html)
		call->job.end = GRADIO_LOST;
	return lost(call);
}

static enum run_result full(struct call *call)
{
	run_fail(call->error, FNR_CLASS_TRANSIENT, "backend_queue_full", "It is tried again after a while.", "retry", call->answer.detail,
	         "The app's queue is full.");
	call->error->retry_after_s = FULL_LATER_S;
	return RUN_FAILED;
}

static enum run_result verdict(struct call *call)
{
	switch (call->job.end) {
	case GRADIO_COMPLETED:
		return results(call, call->job.data);
	case GRADIO_FAILED:
		return gradio_job_failed(&call->job, call->error);
	case GRADIO_CANCELLED:
		return run_fail(call->error, FNR_CLASS_TRANSIENT, "app_cancelled", "It is tried again.", "retry", NULL, "Somebody cancelled the job at the app.");
	case GRADIO_FULL:
		return full(call);
	case GRADIO_LOST: /* error says how the join failed, if it did: then there is no job, and it may be tried again */
		return call->unsure && call->job.no_session ? RUN_FAILED : lost(call);
	case GRADIO_GOES_ON:
		break;
	}
	return broken_off(call);
}

static enum run_result timed_out(struct call *call)
{
	bool heard = cancel(call);
	run_fail(call->error, FNR_CLASS_PERMANENT, "timeout", "Ask for less, choose a lower quality, or raise timeout_s.", "reduce_quality", NULL,
	         "It took longer than %lld seconds and was stopped.", (long long)call->run->timeout_ms / 1000);
	call->error->backend_down = call->error->ignores_cancel = !heard;
	return RUN_FAILED;
}

static enum run_result stopped(struct call *call)
{
	if (cancel(call))
		return RUN_CANCELLED;
	run_fail(call->error, FNR_CLASS_TRANSIENT, "cancel_ignored", "Look at the app; most likely it has to be started anew.", NULL, call->job.event_id,
	         "The app goes on with a job that it was told to stop.");
	call->error->backend_down = call->error->ignores_cancel = true;
	return RUN_FAILED;
}

/* Reads the stream to the job's end. */
static enum run_result follow(struct call *call)
{
	while (call->job.end == GRADIO_GOES_ON && !call->job.closing && !http_stream_over(call->stream)) {
		if (!http_wait(call->server.http, call->run, WAIT_MS))
			return stopped(call);
		if (fnr_mono_ms() > call->deadline)
			return timed_out(call);
		if (call->job.send_data)
			send_data(call);
		show_preview(call);
	}
	stream_end(call);
	return verdict(call);
}

/* ---- ways to call ---- */

/* Apps and proxies have other reasons for a 503 too. */
static bool queue_is_full(const struct http_answer *answer)
{
	char text[128];
	gradio_detail(answer->json, NULL, text, sizeof text);
	return answer->result == HTTP_STATUS && answer->status == 503 && strstr(text, "Queue is full") != NULL;
}

/* No answer came: whether the server has taken it up is not known. */
static bool is_open(const struct http_answer *answer)
{
	return answer->result == HTTP_BROKEN || answer->result == HTTP_TIMEOUT;
}

/* False: the run shall stop. */
static bool pause_for(struct call *call, int64_t ms)
{
	int64_t end = fnr_mono_ms() + ms;
	run_progress(call->run, FNR_STAGE_PREPARATION, 1, "The app's queue is full; trying again");
	while (fnr_mono_ms() < end)
		if (!http_wait(call->server.http, call->run, WAIT_MS))
			return false;
	return true;
}

/* Puts the job into the app's queue: its event_id, from an answer to `path`. */
static enum run_result join(struct call *call, const char *path, bool named, struct http_answer *answer)
{
	for (int i = 0;; i++) {
		struct json_object *body = named ? json_object_new_object() : body_make(call, true);
		if (named)
			fnr_json_set(body, "data", json_object_get(call->data));
		http_answer_clear(answer);
		post(call, path, body, JOIN_MS, answer);
		if (!queue_is_full(answer) || i + 1 == FULL_TRIES)
			break;
		if (!pause_for(call, 1000 << i))
			return RUN_CANCELLED;
	}
	const char *event_id = fnr_json_get_text(answer->json, "event_id", "");
	fnr_text_copy(call->job.event_id, sizeof call->job.event_id, event_id);
	if (answer->result == HTTP_DONE && event_id[0] != '\0')
		return RUN_DONE;
	if (answer->result == HTTP_DONE)
		return run_fail(call->error, FNR_CLASS_UNKNOWN, "backend_protocol", "Look whether the backend's address and type are right.", NULL,
		                answer->body.data, "The app's server answered something unexpected.");
	gradio_failed(answer, call->error);
	if (queue_is_full(answer)) {
		fnr_text_copy(call->answer.detail, sizeof call->answer.detail, call->error->detail);
		full(call);
	}
	return RUN_FAILED;
}

/* The simple interface, where a proxy lets nothing else through: without progress. */
static enum run_result call_simply(struct call *call)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	char path[GRADIO_PATH];
	struct fnr_buf name = FNR_BUF_INIT;
	snprintf(path, sizeof path, "/call/%s", http_encode(&name, call->endpoint.name));
	fnr_buf_free(&name);
	call->simple = true;
	enum run_result result = join(call, path, true, &answer);
	if (is_open(&answer)) { /* and without its event_id nothing can be read */
		fnr_text_copy(call->answer.detail, sizeof call->answer.detail, answer.detail);
		result = lost(call);
	}
	http_answer_clear(&answer);
	if (result != RUN_DONE)
		return result;
	run_progress(call->run, FNR_STAGE_EXECUTION, 0, NULL);
	snprintf(call->path, sizeof call->path, "%s%.400s/%s", call->server.app->prefix, path, call->job.event_id);
	stream_open(call, call->path);
	return follow(call);
}

static enum run_result call_queued(struct call *call)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	enum run_result result = join(call, "/queue/join", false, &answer);
	bool unknown = answer.result == HTTP_STATUS && (answer.status == 404 || answer.status == 405);
	call->unsure = is_open(&answer); /* the session's stream, which is ours alone, tells */
	http_answer_clear(&answer);
	if (unknown && gradio_app_since(call->server.app, 4, 20, 0))
		return call_simply(call);
	if (result != RUN_DONE && !call->unsure)
		return result;
	snprintf(call->path, sizeof call->path, "%s/queue/data?session_hash=%s", call->server.app->prefix, call->session);
	stream_open(call, call->path);
	return follow(call);
}

/* The first protocol: the stream itself joins the queue. */
static enum run_result call_by_stream(struct call *call)
{
	snprintf(call->path, sizeof call->path, "%s/queue/join?fn_index=%lld&session_hash=%s", call->server.app->prefix,
	         (long long)call->endpoint.fn_index, call->session);
	stream_open(call, call->path);
	return follow(call);
}

static enum run_result answered_directly(struct call *call, const struct http_answer *answer)
{
	if (answer->result == HTTP_DONE && json_object_object_get_ex(answer->json, "data", NULL))
		return results(call, fnr_json_get(answer->json, "data"));
	if (answer->result == HTTP_STATUS && json_object_object_get_ex(answer->json, "error", NULL)) {
		gradio_job_refused(&call->job, answer->json);
		return gradio_job_failed(&call->job, call->error);
	}
	if (answer->result == HTTP_BROKEN) {
		fnr_text_copy(call->answer.detail, sizeof call->answer.detail, answer->detail);
		return lost(call);
	}
	if (answer->result == HTTP_TIMEOUT && call->run->timeout_ms > 0)
		return timed_out(call);
	if (answer->result == HTTP_STOPPED)
		return stopped(call);
	return gradio_failed(answer, call->error);
}

/* What the app does not queue: one request, answered when it is done. */
static enum run_result call_directly(struct call *call)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	struct fnr_buf name = FNR_BUF_INIT;
	char path[GRADIO_PATH], at[GRADIO_PATH];
	struct json_object *body = body_make(call, true);
	snprintf(path, sizeof path, "/run/%s", http_encode(&name, call->endpoint.name));
	struct http_request request = {
		.path = gradio_path(&call->server, path, at), .json = body, .once = true, .limit = SSE_MOST, .stall_ms = -1,
		.timeout_ms = call->run->timeout_ms > 0 ? call->run->timeout_ms : -1,
	};
	call->direct = true;
	run_progress(call->run, FNR_STAGE_EXECUTION, 0, NULL);
	gradio_ask(&call->server, &request, &answer);
	enum run_result result = answered_directly(call, &answer);
	json_object_put(body);
	fnr_buf_free(&name);
	http_answer_clear(&answer);
	return result;
}

static enum run_result call_endpoint(struct call *call)
{
	struct fnr_conf conf;
	backend_conf(&conf);
	call->preview_interval = conf.preview_interval;
	call->job = (struct gradio_job){ .run = call->run, .app = call->server.app };
	session_make(call->session);
	run_begun(call->run);        /* until here the app has only got files */
	if (!call->endpoint.queued && !call->endpoint.generator)
		return call_directly(call);
	return call->server.app->protocol == GRADIO_SSE ? call_by_stream(call) : call_queued(call);
}

static enum run_result gradio_execute(struct run *run, struct run_error *error)
{
	struct call call = { .run = run, .error = error, .deadline = INT64_MAX };
	const char *name = fnr_json_get_text(fnr_json_get(run->definition, "backend"), "api_name", "");
	if (run->timeout_ms > 0)
		call.deadline = fnr_mono_ms() + run->timeout_ms;
	run_progress(run, FNR_STAGE_PREPARATION, 0, NULL);
	enum run_result result = gradio_server_open(&call.server, run->endpoint, run, error);
	if (result == RUN_DONE && !gradio_endpoint_find(call.server.app, name, &call.endpoint, error))
		result = RUN_FAILED;
	if (result == RUN_DONE)
		result = gradio_request(&call.server, &call.endpoint, &call.data, error);
	if (result == RUN_DONE)
		result = call_endpoint(&call);
	http_stream_close(call.stream);
	sse_free(&call.sse);
	http_answer_clear(&call.answer);
	gradio_job_free(&call.job);
	json_object_put(call.data);
	return result;
}

/* ---- health ---- */

/* How many wait at the app; older releases do not say it without a session. */
static void ask_queue(struct gradio_server *server, struct json_object *found)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	char path[GRADIO_PATH];
	struct http_request request = { .path = gradio_path(server, "/queue/status", path), .timeout_ms = PROBE_MS };
	if (gradio_ask(server, &request, &answer) == HTTP_DONE) {
		struct json_object *queue = json_object_new_object();
		fnr_json_set_int(queue, "pending", fnr_json_get_int(answer.json, "queue_size", 0));
		fnr_json_set(found, "queue", queue);
	}
	http_answer_clear(&answer);
}

/* Functions are to an app what models are to other servers: what a template needs there must be. */
static void tell_functions(struct gradio_server *server, struct json_object *found)
{
	struct json_object *models = json_object_new_object(), *names = json_object_new_array();
	struct gradio_endpoint endpoint;
	size_t at = 0;
	while (json_object_array_length(names) < FUNCTIONS_MOST && gradio_endpoint_next(server->app, &at, &endpoint))
		json_object_array_add(names, json_object_new_string(endpoint.name));
	fnr_json_set(models, "functions", names);
	fnr_json_set(found, "models", models);
}

static bool gradio_probe(const struct endpoint *endpoint, struct json_object *found, struct run_error *error)
{
	struct gradio_server server;
	if (gradio_server_open(&server, endpoint, NULL, error) != RUN_DONE)
		return false;
	fnr_json_set_text(found, "version", server.app->version);
	tell_functions(&server, found);
	ask_queue(&server, found);
	return true;
}

const struct backend_kind backend_gradio = {
	.name = "gradio", .needs_endpoint = true, .tells_begin = true, .execute = gradio_execute, .probe_endpoint = gradio_probe,
};
