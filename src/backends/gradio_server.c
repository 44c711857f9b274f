#include "config.h"

#include "backends/gradio_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backends/gradio_job.h"
#include "backends/kinds.h"
#include "base/mem.h"
#include "base/text.h"
#include "files/fetch.h"
#include "files/media.h"

#define CONFIG_MOST (64u << 20)
#define DOWNLOADS 3               /* tries */

static const char *const headers[] = { "x-gradio-user: api", NULL };

/* ---- login ---- */

static char *login_form(struct json_object *credentials)
{
	struct fnr_buf one = FNR_BUF_INIT, other = FNR_BUF_INIT;
	char *form = fnr_asprintf("username=%s&password=%s", http_encode(&one, fnr_json_get_text(credentials, "username", "")),
	                          http_encode(&other, fnr_json_get_text(credentials, "password", "")));
	fnr_buf_free(&one);
	fnr_buf_free(&other);
	return form;
}

/* The cookies that it gives are kept by the client. */
static bool log_in(struct gradio_server *server)
{
	if (fnr_json_get_text(server->endpoint->credentials, "username", NULL) == NULL)
		return false;
	char *form = login_form(server->endpoint->credentials);
	struct http_answer answer = HTTP_ANSWER_INIT;
	bool good = http_ask(server->http, server->run, &(struct http_request){ .path = "/login", .form = form, .headers = headers }, &answer) == HTTP_DONE;
	http_answer_clear(&answer);
	free(form);
	return good;
}

static bool wants_login(const struct http_answer *answer)
{
	return answer->result == HTTP_STATUS && answer->status == 401;
}

enum http_result gradio_ask(struct gradio_server *server, const struct http_request *request, struct http_answer *answer)
{
	struct http_request ours = *request;
	ours.headers = headers;
	http_ask(server->http, server->run, &ours, answer);
	if (wants_login(answer) && log_in(server)) {
		http_answer_clear(answer);
		http_ask(server->http, server->run, &ours, answer);
	}
	return answer->result;
}

/* ---- what it is ---- */

/* What the last app said, which is long and the same for every job. */
static struct { char *key; struct gradio_app app; } known;

static void forget(void)
{
	gradio_app_free(&known.app);
	free(known.key);
	known.key = NULL;
}

/* An app that was started anew has another id, and may be another one altogether. */
static bool is_the_same(struct gradio_server *server, struct http_answer *answer)
{
	char path[GRADIO_PATH];
	if (gradio_ask(server, &(struct http_request){ .path = gradio_path(server, "/app_id", path) }, answer) != HTTP_DONE)
		return false;
	const char *id = fnr_json_text(fnr_json_get(answer->json, "app_id"), NULL);
	return strcmp(id, server->app->id) == 0;
}

static enum run_result no_config(struct http_answer *answer, struct run_error *error)
{
	struct gradio_app none;
	bool old = answer->body.len > 0 && strstr(answer->body.data, "window.gradio_config") != NULL;
	bool other = answer->result == HTTP_DONE || (answer->result == HTTP_STATUS && (answer->status == 404 || answer->status == 405));
	if (!other && !old)
		return gradio_failed(answer, error);
	struct json_object *config = json_object_new_object();
	if (old) {
		fnr_json_set_text(config, "version", "3 or older");
		fnr_json_set(config, "dependencies", json_object_new_array());
		fnr_json_set(config, "components", json_object_new_array());
	}
	gradio_app_read(&none, config, error);
	gradio_app_free(&none);
	return RUN_FAILED;
}

/* /info names parameters; an app works without it. */
static void ask_info(struct gradio_server *server)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	char path[GRADIO_PATH];
	struct http_request request = { .path = gradio_path(server, "/info", path), .limit = CONFIG_MOST };
	if (gradio_ask(server, &request, &answer) == HTTP_DONE)
		gradio_app_info(&known.app, json_object_get(answer.json));
	http_answer_clear(&answer);
}

static enum run_result ask_config(struct gradio_server *server, struct run_error *error)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	struct http_request request = { .path = "/config", .limit = CONFIG_MOST };
	enum run_result result = RUN_DONE;
	if (gradio_ask(server, &request, &answer) != HTTP_DONE || answer.json == NULL)
		result = no_config(&answer, error);
	else if (!gradio_app_read(&known.app, json_object_get(answer.json), error))
		result = RUN_FAILED;
	http_answer_clear(&answer);
	if (result == RUN_DONE)
		ask_info(server);
	return result;
}

enum run_result gradio_server_open(struct gradio_server *server, const struct endpoint *endpoint, struct run *run, struct run_error *error)
{
	char *key = fnr_asprintf("%s %s", endpoint->url, fnr_json_text(endpoint->credentials, NULL));
	struct http_answer answer = HTTP_ANSWER_INIT;
	*server = (struct gradio_server){ .endpoint = endpoint, .run = run, .http = http_to(endpoint, 0), .app = &known.app };
	FNR_MUST(server->http != NULL);
	bool same = known.key != NULL && strcmp(known.key, key) == 0 && is_the_same(server, &answer);
	enum run_result result = answer.result == HTTP_STOPPED ? RUN_CANCELLED : RUN_DONE;
	http_answer_clear(&answer);
	if (!same && result == RUN_DONE) {
		forget();
		result = ask_config(server, error);
		if (result == RUN_DONE)
			known.key = fnr_strdup(key);
		else
			forget();
	}
	free(key);
	return result;
}

char *gradio_path(const struct gradio_server *server, const char *path, char out[GRADIO_PATH])
{
	snprintf(out, GRADIO_PATH, "%s%s", server->app->prefix, path);
	return out;
}

/* ---- what went wrong ---- */

enum run_result gradio_failed(const struct http_answer *answer, struct run_error *error)
{
	char text[384], detail[sizeof error->detail];
	enum run_result result = http_failed(answer, error);
	if (answer->result != HTTP_STATUS)
		return result;
	gradio_detail(answer->json, NULL, text, sizeof text);
	if (text[0] != '\0')
		snprintf(detail, sizeof detail, "%s: status %ld: %s", answer->asked, answer->status, text);
	else
		fnr_text_copy(detail, sizeof detail, answer->detail);
	if (answer->status == 422) {
		run_fail(error, FNR_CLASS_VALIDATION, "backend_input_refused", "Change the input that the app names.", "change_inputs", detail,
		         "The app does not take the inputs%s%s", text[0] != '\0' ? ": " : ".", text);
	} else if (answer->status == 400) {
		run_fail(error, FNR_CLASS_PERMANENT, "backend_refused", "Look at the inputs, and at the app's own log.", NULL, detail,
		         "The app did not accept the request%s%s", text[0] != '\0' ? ": " : ".", text);
	} else {
		fnr_text_copy(error->detail, sizeof error->detail, detail);
		fnr_text_clean(error->detail);
	}
	return RUN_FAILED;
}

/* ---- files for the app ---- */

static enum run_result too_large(struct run_error *error, const char *name, int64_t most)
{
	return run_fail(error, FNR_CLASS_VALIDATION, "backend_input_too_large", "Use a smaller file.", NULL, name,
	                "A file is larger than the %lld bytes that the app takes.", (long long)most);
}

static struct json_object *file_data(const char *path, const char *name, struct json_object *file, int64_t size)
{
	struct json_object *data = json_object_new_object(), *meta = json_object_new_object();
	fnr_json_set_text(meta, "_type", "gradio.FileData");
	fnr_json_set_text(data, "path", path);
	fnr_json_set_text(data, "orig_name", name);
	fnr_json_set_int(data, "size", size);
	fnr_json_set_text(data, "mime_type", fnr_json_get_text(file, "media_type", NULL));
	fnr_json_set(data, "meta", meta);
	return data;
}

/* Many functions look at the suffix, so there is one. */
static void name_of(struct json_object *file, char out[160])
{
	const char *name = fnr_json_get_text(file, "name", "");
	bool bare = strchr(name, '.') == NULL;
	snprintf(out, 160, "%.140s%s", name[0] != '\0' ? name : "input", bare ? media_suffix(fnr_json_get_text(file, "media_type", "")) : "");
}

enum run_result gradio_upload(struct gradio_server *server, struct json_object *file, struct json_object **file_r, struct run_error *error)
{
	const char *path = fnr_json_get_text(file, "path", "");
	char name[160];
	struct http_answer answer = HTTP_ANSWER_INIT;
	struct http_part part = { .name = "files", .path = path, .file_name = name, .media_type = fnr_json_get_text(file, "media_type", NULL) };
	name_of(file, name);
	char to[GRADIO_PATH];
	struct stat st = { .st_size = 0 };
	int64_t most = server->app->max_file_size;
	if (stat(path, &st) == 0 && most > 0 && st.st_size > most)
		return too_large(error, name, most);
	struct http_request request = { .path = gradio_path(server, "/upload", to), .parts = &part, .part_count = 1, .timeout_ms = -1 };
	enum run_result result = RUN_DONE;
	bool sent = gradio_ask(server, &request, &answer) == HTTP_DONE;
	bool listed = sent && json_object_is_type(answer.json, json_type_array) && json_object_array_length(answer.json) > 0;
	struct json_object *first = listed ? json_object_array_get_idx(answer.json, 0) : NULL;
	if (json_object_is_type(first, json_type_string))
		*file_r = file_data(json_object_get_string(first), name, file, (int64_t)st.st_size);
	else if (sent)
		result = run_fail(error, FNR_CLASS_UNKNOWN, "backend_protocol", "Look at the app's own log.", "retry", answer.body.data,
		                  "The app did not say where it put a file that it was sent.");
	else
		result = gradio_failed(&answer, error);
	http_answer_clear(&answer);
	return result;
}

/* ---- files that the app made ---- */

bool gradio_is_file(struct json_object *value)
{
	const char *type = fnr_json_get_text(fnr_json_get(value, "meta"), "_type", "");
	if (fnr_json_get_text(value, "path", NULL) == NULL)
		return false;
	/* Before 4.28 there was no mark, but always all of the members. */
	return strcmp(type, "gradio.FileData") == 0 || (json_object_object_get_ex(value, "orig_name", NULL) && json_object_object_get_ex(value, "url", NULL));
}

bool gradio_files(struct json_object *value, gradio_file_row *row, void *context)
{
	if (gradio_is_file(value))
		return row(value, context);
	if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++)
			if (!gradio_files(json_object_array_get_idx(value, i), row, context))
				return false;
	} else if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach(value, name, member) {
			(void)name;
			if (!gradio_files(member, row, context))
				return false;
		}
	}
	return true;
}

/* The last part of a path, of this system's or of Windows. */
static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/'), *other = strrchr(path, '\\');
	if (other != NULL && (slash == NULL || other > slash))
		slash = other;
	return slash != NULL ? slash + 1 : path;
}

const char *gradio_file_name(struct json_object *file)
{
	const char *name = fnr_json_get_text(file, "orig_name", "");
	return last_part(name[0] != '\0' ? name : fnr_json_get_text(file, "path", ""));
}

static bool is_address(const char *text)
{
	return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
}

/* Slashes stay, everything else that means something in an address is escaped. */
static void add_encoded(struct fnr_buf *out, const char *path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
	for (; *path != '\0'; path++) {
		if (strchr(plain, *path) != NULL)
			fnr_buf_add(out, path, 1);
		else
			fnr_buf_printf(out, "%%%02X", (unsigned char)*path);
	}
}

/* Where it is got: by its path, as addresses that apps give are wrong behind proxies; what is streamed, by the part of its
 * address that is the app's own, whole rather than as a list of pieces. To free. */
static char *address_of(const struct gradio_server *server, struct json_object *file)
{
	const char *path = fnr_json_get_text(file, "path", ""), *url = fnr_json_get_text(file, "url", NULL);
	const char *stream = fnr_json_get_bool(file, "is_stream", false) && url != NULL ? strstr(url, "/stream/") : NULL;
	const char *list = stream != NULL ? strstr(stream, "/playlist.m3u8") : NULL;
	if (list != NULL)
		return fnr_asprintf("%s%.*s/playlist-file", server->app->prefix, (int)(list - stream), stream);
	if (is_address(path))
		return fnr_strdup(path);
	struct fnr_buf out = FNR_BUF_INIT;
	fnr_buf_printf(&out, "%s/file=", server->app->prefix);
	add_encoded(&out, path);
	return fnr_buf_take(&out);
}

static bool stopped(void *context)
{
	return context != NULL && run_stop(context);
}

/* What lies elsewhere is everybody's: it is fetched as inputs are, without the app's credentials. */
static enum run_result fetch(struct gradio_server *server, const char *address, int dir, const char *name, uint64_t limit, struct run_error *error)
{
	struct fnr_conf conf;
	backend_conf(&conf);
	struct fetch fetch = {
		.url = address, .dir = dir, .name = name, .limit = limit, .timeout_ms = conf.fetch_timeout * 1000,
		.allow_private = conf.fetch_private, .stop = stopped, .context = server->run,
	};
	enum fetch_result result = fetch_url(&fetch);
	if (result == FETCH_DONE)
		return RUN_DONE;
	if (result == FETCH_STOPPED)
		return RUN_CANCELLED;
	return run_fail(error, FNR_CLASS_TRANSIENT, "backend_output_elsewhere", "Look whether the address can be opened.", "retry", fetch.detail,
	                "A file that the app made lies on another server, which does not give it.");
}

static enum run_result not_given(const struct http_answer *answer, struct run_error *error)
{
	enum run_result result = gradio_failed(answer, error);
	if (answer->result == HTTP_STATUS && (answer->status == 403 || answer->status == 404)) {
		char detail[sizeof error->detail];
		fnr_text_copy(detail, sizeof detail, error->detail);
		run_fail(error, FNR_CLASS_UNKNOWN, "backend_output_gone", "Try again; if it stays so, the app must allow its folder to be served.", "retry",
		         detail, "The app does not give out a file that it made.");
	}
	return result;
}

static bool worth_another_try(enum http_result result)
{
	return result == HTTP_BROKEN || result == HTTP_TIMEOUT || result == HTTP_UNREACHABLE;
}

enum run_result gradio_download(struct gradio_server *server, struct json_object *file, int dir, const char *name, struct run_error *error)
{
	char *address = address_of(server, file);
	struct fnr_conf conf;
	backend_conf(&conf);
	struct http_request request = { .path = address, .headers = headers, .limit = (size_t)conf.script_file, .timeout_ms = -1 };
	struct http_answer answer = HTTP_ANSWER_INIT;
	enum run_result result = RUN_DONE;
	for (int i = 0; i < DOWNLOADS && (i == 0 || worth_another_try(answer.result)); i++) {
		http_answer_clear(&answer);
		http_download(server->http, server->run, &request, dir, name, &answer);
		if (wants_login(&answer) && log_in(server)) {
			http_answer_clear(&answer);
			http_download(server->http, server->run, &request, dir, name, &answer);
		}
	}
	if (answer.result == HTTP_FOREIGN)
		result = fetch(server, address, dir, name, request.limit, error);
	else if (answer.result != HTTP_DONE)
		result = not_given(&answer, error);
	http_answer_clear(&answer);
	free(address);
	return result;
}

bool gradio_read(struct gradio_server *server, struct json_object *file, size_t limit, struct fnr_buf *out)
{
	char *address = address_of(server, file);
	struct http_answer answer = HTTP_ANSWER_INIT;
	bool good = gradio_ask(server, &(struct http_request){ .path = address, .limit = limit }, &answer) == HTTP_DONE;
	if (good)
		fnr_buf_add(out, answer.body.data, answer.body.len);
	http_answer_clear(&answer);
	free(address);
	return good;
}
