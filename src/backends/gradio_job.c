#include "config.h"

#include "backends/gradio_job.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/text.h"

#define TELL 160                /* bytes of a foreign text in a message */
#define STOPPED "Server stopped unexpectedly."

/* ---- where it stands ---- */

static double number_of(struct json_object *object, const char *name)
{
	return fnr_json_get_real(object, name, NAN);
}

static void add_seconds(char *text, size_t size, double seconds)
{
	size_t len = strlen(text);
	if (seconds >= 1 && seconds < 1e6)
		snprintf(text + len, size - len, " (about %.0f s)", seconds);
}

static void on_estimation(struct gradio_job *job, struct json_object *message)
{
	double rank = number_of(message, "rank");
	char text[TELL] = "Waiting for the app";
	if (rank >= 1 && rank < 1e9)
		snprintf(text, sizeof text, "Waiting for the app: %.0f other%s first", rank, rank < 2 ? "" : "s");
	else if (rank >= 0)
		snprintf(text, sizeof text, "Waiting for the app: next in its queue");
	add_seconds(text, sizeof text, number_of(message, "rank_eta"));
	job->waits = true;
	if (!job->started)
		run_progress(job->run, FNR_STAGE_PREPARATION, 1, text);
}

static void on_starts(struct gradio_job *job, struct json_object *message)
{
	job->started = true;
	run_progress(job->run, FNR_STAGE_EXECUTION, 0, NULL);
}

/* Bars within bars: each step of an outer one is as far as the inner ones are. */
static double fraction_of(struct json_object *bars)
{
	double within = NAN;
	for (size_t i = json_object_array_length(bars); i-- > 0;) {
		struct json_object *bar = json_object_array_get_idx(bars, i);
		double index = number_of(bar, "index"), length = number_of(bar, "length"), progress = number_of(bar, "progress");
		if (isfinite(progress))
			within = progress;
		else if (isfinite(index) && length > 0)
			within = (index + (isfinite(within) && index < length ? within : 0)) / length;
	}
	return within;
}

/* "Kneading (3 of 10 folds)", of the innermost bar that says anything. */
static void describe(struct json_object *bars, char text[TELL])
{
	text[0] = '\0';
	for (size_t i = json_object_array_length(bars); i-- > 0 && text[0] == '\0';) {
		struct json_object *bar = json_object_array_get_idx(bars, i);
		double index = number_of(bar, "index"), length = number_of(bar, "length");
		const char *what = fnr_json_get_text(bar, "desc", ""), *unit = fnr_json_get_text(bar, "unit", "steps");
		fnr_text_copy(text, TELL / 2, what);
		size_t len = strlen(text);
		if (index >= 0 && length >= 1 && length < 1e9)
			snprintf(text + len, TELL - len, "%s%.0f of %.0f %.32s%s", len > 0 ? " (" : "", index, length, unit, len > 0 ? ")" : "");
	}
}

static void on_progress(struct gradio_job *job, struct json_object *message)
{
	struct json_object *bars = fnr_json_get(message, "progress_data");
	char text[TELL];
	if (!json_object_is_type(bars, json_type_array))
		return;
	double fraction = fraction_of(bars);
	if (isfinite(fraction))
		job->fraction = fraction;
	describe(bars, text);
	run_progress(job->run, FNR_STAGE_EXECUTION, job->fraction, text[0] != '\0' ? text : NULL);
}

static void on_log(struct gradio_job *job, struct json_object *message)
{
	const char *level = fnr_json_get_text(message, "level", "info"), *title = fnr_json_get_text(message, "title", "");
	char text[4096];
	bool titled = title[0] != '\0' && strcasecmp(title, level) != 0;
	snprintf(text, sizeof text, "%.200s%s%.3500s", titled ? title : "", titled ? ": " : "", fnr_json_get_text(message, "log", ""));
	run_log(job->run, strcmp(level, "warning") == 0 ? "warn" : strcmp(level, "success") == 0 ? "info" : level, text);
}

/* ---- what it makes ---- */

struct json_object *gradio_plain(struct json_object *value)
{
	bool update = strcmp(fnr_json_get_text(value, "__type__", ""), "update") == 0;
	return update ? fnr_json_get(value, "value") : value;
}

/* Of a text that grows the last words are told. */
static void tell_text(struct gradio_job *job)
{
	for (size_t i = 0; i < json_object_array_length(job->partial.values); i++) {
		struct json_object *value = gradio_plain(json_object_array_get_idx(job->partial.values, i));
		if (!json_object_is_type(value, json_type_string))
			continue;
		const char *text = json_object_get_string(value);
		size_t len = strlen(text);
		const char *at = len > TELL ? text + len - TELL : text;
		while ((*at & 0xc0) == 0x80)
			at++;
		if (len > 0 && strncmp(text, "data:", 5) != 0)
			run_progress(job->run, FNR_STAGE_EXECUTION, job->fraction, at);
		return;
	}
}

static void on_generating(struct gradio_job *job, struct json_object *message)
{
	bool diffs = job->app->protocol == GRADIO_SSE_2 && strcmp(fnr_json_get_text(message, "msg", ""), "process_generating") == 0;
	bool from_back = !gradio_app_since(job->app, 5, 29, 1);
	job->started = true;
	if (!gradio_partial_take(&job->partial, fnr_json_get(fnr_json_get(message, "output"), "data"), diffs, from_back))
		return;
	job->changed = true;
	tell_text(job);
}

/* ---- how it ends ---- */

static void end_with(struct gradio_job *job, enum gradio_end end, const char *text)
{
	job->end = end;
	fnr_text_copy(job->text, sizeof job->text, text != NULL ? text : "");
}

/* Before 5.0 texts of errors came as Python shows them, in quotes. */
static void take_error(struct gradio_job *job, const char *text)
{
	size_t len = strlen(text);
	bool quoted = len > 1 && (text[0] == '\'' || text[0] == '"') && text[len - 1] == text[0];
	end_with(job, GRADIO_FAILED, quoted && !gradio_app_since(job->app, 5, 0, 0) ? text + 1 : text);
	len = strlen(job->text);
	if (quoted && !gradio_app_since(job->app, 5, 0, 0) && len > 0)
		job->text[len - 1] = '\0';
}

static void on_completed(struct gradio_job *job, struct json_object *message)
{
	struct json_object *output = fnr_json_get(message, "output"), *data = fnr_json_get(output, "data");
	if (!fnr_json_get_bool(message, "success", true)) {
		take_error(job, fnr_json_get_text(output, "error", ""));
		fnr_text_copy(job->title, sizeof job->title, fnr_json_get_text(output, "title", fnr_json_get_text(message, "title", "")));
	} else if (data == NULL && json_object_is_type(output, json_type_object) && json_object_object_length(output) == 0) {
		end_with(job, GRADIO_CANCELLED, NULL);
	} else {
		end_with(job, GRADIO_COMPLETED, NULL);
		job->data = json_object_get(data);
	}
}

static void on_error(struct gradio_job *job, struct json_object *message)
{
	end_with(job, GRADIO_LOST, fnr_json_get_text(message, "message", ""));
	job->no_session = fnr_json_get_bool(message, "session_not_found", false) || strstr(job->text, "ot found") != NULL || strstr(job->text, "ot Found") != NULL;
}

static void on_stopped(struct gradio_job *job, struct json_object *message)
{
	end_with(job, GRADIO_LOST, STOPPED);
}

static void on_full(struct gradio_job *job, struct json_object *message)
{
	end_with(job, GRADIO_FULL, NULL);
}

static void on_send_data(struct gradio_job *job, struct json_object *message)
{
	fnr_text_copy(job->event_id, sizeof job->event_id, fnr_json_get_text(message, "event_id", ""));
	job->send_data = true;
}

static void on_close(struct gradio_job *job, struct json_object *message)
{
	job->closing = true;
}

static const struct { const char *msg; void (*take)(struct gradio_job *job, struct json_object *message); } messages[] = {
	{ "estimation", on_estimation }, { "process_starts", on_starts }, { "progress", on_progress }, { "log", on_log },
	{ "process_generating", on_generating }, { "process_streaming", on_generating }, { "process_completed", on_completed },
	{ "unexpected_error", on_error }, { "server_stopped", on_stopped }, { STOPPED, on_stopped }, { "queue_full", on_full },
	{ "send_data", on_send_data }, { "close_stream", on_close },
};

void gradio_job_message(struct gradio_job *job, struct json_object *message)
{
	const char *msg = fnr_json_get_text(message, "msg", ""), *event_id = fnr_json_get_text(message, "event_id", NULL);
	bool others = event_id != NULL && job->event_id[0] != '\0' && strcmp(event_id, job->event_id) != 0;
	for (size_t i = 0; i < sizeof messages / sizeof messages[0] && !others; i++)
		if (strcmp(messages[i].msg, msg) == 0 && (job->end == GRADIO_GOES_ON || messages[i].take == on_close))
			messages[i].take(job, message);
}

/* ---- the simple interface ---- */

static void event_complete(struct gradio_job *job, struct json_object *value)
{
	end_with(job, value != NULL ? GRADIO_COMPLETED : GRADIO_CANCELLED, NULL);
	job->data = json_object_get(value);
}

/* Of a function null or an object; of the stream itself a text. */
static void event_error(struct gradio_job *job, struct json_object *value)
{
	if (json_object_is_type(value, json_type_string))
		end_with(job, GRADIO_LOST, json_object_get_string(value));
	else
		take_error(job, fnr_json_get_text(value, "error", ""));
	fnr_text_copy(job->title, sizeof job->title, fnr_json_get_text(value, "title", ""));
}

static void event_generating(struct gradio_job *job, struct json_object *value)
{
	job->started = true;
	if (!gradio_partial_take(&job->partial, value, false, false))
		return;
	job->changed = true;
	tell_text(job);
}

void gradio_job_event(struct gradio_job *job, const char *name, struct json_object *value)
{
	static const struct { const char *name; void (*take)(struct gradio_job *job, struct json_object *value); } events[] = {
		{ "generating", event_generating }, { "complete", event_complete }, { "error", event_error },
	};
	for (size_t i = 0; i < sizeof events / sizeof events[0] && job->end == GRADIO_GOES_ON; i++)
		if (strcmp(events[i].name, name) == 0)
			events[i].take(job, value);
}

void gradio_job_refused(struct gradio_job *job, struct json_object *body)
{
	event_error(job, json_object_is_type(body, json_type_object) ? body : NULL);
}

void gradio_job_free(struct gradio_job *job)
{
	json_object_put(job->data);
	gradio_partial_free(&job->partial);
	job->data = NULL;
}

/* ---- what went wrong, in words ---- */

enum run_result gradio_job_failed(const struct gradio_job *job, struct run_error *error)
{
	bool told = job->text[0] != '\0', titled = job->title[0] != '\0' && strcasecmp(job->title, "error") != 0;
	if (!told)
		return run_fail(error, FNR_CLASS_UNKNOWN, "app_error",
		                "Look at the app's own log; an app that is launched with show_error=True tells what went wrong.", "retry", NULL,
		                "The app reported an error without saying which.");
	return run_fail(error, FNR_CLASS_UNKNOWN, "app_error", "Look at the inputs, and at the app's own log.", "retry", job->text,
	                "%s%s%s", titled ? job->title : "", titled ? ": " : "", job->text);
}

static void add_text(struct fnr_buf *out, const char *text)
{
	if (out->len > 0 && text[0] != '\0')
		fnr_buf_puts(out, "; ");
	fnr_buf_puts(out, text);
}

/* One entry of a list: of a validator, or of a check of types, with its place. */
static void add_entry(struct fnr_buf *out, struct json_object *entry)
{
	const char *text = fnr_json_get_text(entry, "message", fnr_json_get_text(entry, "msg", NULL));
	struct json_object *place = fnr_json_get(entry, "loc");
	if (json_object_is_type(entry, json_type_string))
		text = json_object_get_string(entry);
	if (fnr_json_get_bool(entry, "is_valid", false))
		return;
	add_text(out, text != NULL ? text : fnr_json_text(entry, NULL));
	if (place != NULL)
		fnr_buf_printf(out, " at %s", fnr_json_text(place, NULL));
}

void gradio_detail(struct json_object *json, const char *body, char *out, size_t size)
{
	struct json_object *detail = fnr_json_get(json, "detail");
	struct fnr_buf text = FNR_BUF_INIT;
	fnr_buf_puts(&text, "");
	if (detail == NULL)
		detail = fnr_json_get(json, "error");
	if (json_object_is_type(detail, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(detail); i++)
			add_entry(&text, json_object_array_get_idx(detail, i));
	} else if (json_object_is_type(detail, json_type_object)) {
		add_text(&text, fnr_json_get_text(detail, "error", ""));
		add_text(&text, fnr_json_get_text(detail, "message", ""));
		add_text(&text, fnr_json_get_text(detail, "auth_message", ""));
		if (text.len == 0)
			add_text(&text, fnr_json_text(detail, NULL));
	} else if (json_object_is_type(detail, json_type_string)) {
		add_text(&text, json_object_get_string(detail));
	} else if (json == NULL && body != NULL) {
		add_text(&text, body);
	}
	fnr_text_copy(out, size, text.data);
	fnr_text_clean(out);
	fnr_buf_free(&text);
}
