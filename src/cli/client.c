#include "cli/client_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/cli.h"

#define TRIES 12
#define TRIES_SILENT 3
#define PAUSE_FIRST_MS 100
#define PAUSE_MOST_MS 10000

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

bool client_interrupted(void)
{
	return interrupted;
}

void client_set_interrupted(bool now)
{
	interrupted = now;
}

/* ---- where the server is ---- */

static char *read_word(const char *folder, const char *name)
{
	struct fnr_buf text = FNR_BUF_INIT;
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path || fnr_file_read(path, 4096, &text, NULL) != FNR_OK) {
		fnr_buf_free(&text);
		return NULL;
	}
	text.data[strcspn(text.data, "\r\n ")] = 0;
	return fnr_buf_take(&text);
}

static char *choose(const char *option, const char *variable, const char *folder, const char *file, const char *usual)
{
	const char *from_environment = getenv(variable);
	char *word = NULL;

	if (option)
		return fnr_strdup(option);
	if (from_environment && *from_environment)
		return fnr_strdup(from_environment);
	if (*folder)
		word = read_word(folder, file);
	return word ? word : fnr_strdup(usual);
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

struct client *client_open(const struct client_options *options)
{
	struct client *client = fnr_alloc(sizeof *client);
	size_t len;

	if (!realpath(data_dir(options->data), client->data))
		client->data[0] = 0;
	client->url = choose(options->url, "FNR_URL", client->data, "run/url", "http://127.0.0.1:8080");
	client->key = choose(options->key, "FNR_KEY", client->data, "admin.key", "");
	for (len = strlen(client->url); len > 0 && client->url[len - 1] == '/'; len--)
		client->url[len - 1] = 0;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	client->curl = curl_easy_init();
	client->multi = curl_multi_init();
	if (!client->curl || !client->multi)
		fnr_die("libcurl cannot be used");
	catch_signals();
	return client;
}

void client_close(struct client *client)
{
	curl_multi_cleanup(client->multi);
	curl_easy_cleanup(client->curl);
	curl_global_cleanup();
	free(client->url);
	free(client->key);
	free(client);
}

const char *client_data(const struct client *client) { return client->data; }
const char *client_url(const struct client *client) { return client->url; }

/* ---- one transfer ---- */

struct curl_slist *client_headers(const struct client *client, const char *const *headers, const char *media_type)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	char *line;

	if (*client->key) {
		line = fnr_asprintf("Authorization: Bearer %s", client->key);
		list = curl_slist_append(list, line);
		free(line);
	}
	if (media_type) {
		line = fnr_asprintf("Content-Type: %s", media_type);
		list = curl_slist_append(list, line);
		free(line);
	}
	for (; headers && *headers; headers++)
		list = curl_slist_append(list, *headers);
	return list;
}

/* A proxy of the environment is meant for other machines, also where nobody thought of no_proxy. */
static bool is_here(const char *url)
{
	static const char *const hosts[] = { "://127.0.0.1", "://localhost", "://[::1]" };
	const char *at = strstr(url, "://");

	for (size_t i = 0; at && i < sizeof hosts / sizeof hosts[0]; i++) {
		size_t len = strlen(hosts[i]);

		if (strncmp(at, hosts[i], len) == 0 && strchr(":/", at[len]))
			return true;
	}
	return false;
}

void client_prepare(struct client *client, const char *path, struct curl_slist *headers)
{
	char *url = fnr_asprintf("%s%s", client->url, path);

	curl_easy_reset(client->curl);
	curl_easy_setopt(client->curl, CURLOPT_URL, url);
	curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT, 10L);
	curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(client->curl, CURLOPT_USERAGENT, "fnr");
	if (is_here(client->url))
		curl_easy_setopt(client->curl, CURLOPT_NOPROXY, "*");
	free(url);
}

/* Runs it to its end, or until we are interrupted or *stop becomes true. */
CURLcode client_perform(struct client *client, const bool *stop)
{
	CURLcode result = CURLE_ABORTED_BY_CALLBACK;
	CURLMsg *message;
	int running = 1, left;

	curl_multi_add_handle(client->multi, client->curl);
	while (running && !interrupted && !(stop && *stop)) {
		if (curl_multi_perform(client->multi, &running) != CURLM_OK)
			break;
		if (running)
			curl_multi_poll(client->multi, NULL, 0, 200, NULL);
	}
	while ((message = curl_multi_info_read(client->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			result = message->data.result;
	curl_multi_remove_handle(client->multi, client->curl);
	return result;
}

size_t client_collect(char *data, size_t size, size_t count, void *context)
{
	struct fnr_buf *text = context;

	if (text->len + size * count > ANSWER_MOST)
		return 0;
	fnr_buf_add(text, data, size * count);
	return size * count;
}

struct answer client_finish(struct client *client, CURLcode result, struct fnr_buf *text)
{
	struct answer answer = { 0, NULL };

	if (result == CURLE_OK) {
		curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &answer.status);
		if (text->len)
			answer.json = fnr_json_parse(text->data, text->len, NULL);
	}
	fnr_buf_free(text);
	return answer;
}

/* What the headers of an answer say of the thing that was asked for (RFC 9745, RFC 8594). */
struct deprecation { bool is; char sunset[64], link[200]; };

static size_t note_header(char *data, size_t size, size_t count, void *context)
{
	struct deprecation *deprecation = context;
	size_t len = size * count;
	char line[300];

	fnr_text_copy(line, len + 1 < sizeof line ? len + 1 : sizeof line, data);
	line[strcspn(line, "\r\n")] = 0;
	if (strncasecmp(line, "Deprecation: ", 13) == 0)
		deprecation->is = true;
	else if (strncasecmp(line, "Sunset: ", 8) == 0)
		fnr_text_copy(deprecation->sunset, sizeof deprecation->sunset, line + 8);
	else if (strncasecmp(line, "Link: <", 7) == 0 && strstr(line, "successor-version"))
		fnr_text_copy(deprecation->link, sizeof deprecation->link, line + 7);
	return len;
}

/* "/api/v1/templates/x/versions/1.0.0" -> "x@1.0.0" */
static void name_template(char *path)
{
	static const char begin[] = "/api/v1/templates/", middle[] = "/versions/";
	char *version;

	path[strcspn(path, ">")] = 0;
	if (strncmp(path, begin, sizeof begin - 1) != 0)
		return;
	memmove(path, path + sizeof begin - 1, strlen(path + sizeof begin - 1) + 1);
	version = strstr(path, middle);
	if (version) {
		*version = '@';
		memmove(version + 1, version + sizeof middle - 1, strlen(version + sizeof middle - 1) + 1);
	}
}

static void say_deprecation(struct deprecation *deprecation)
{
	static bool said;
	time_t sunset = curl_getdate(deprecation->sunset, NULL);

	if (!deprecation->is || said)
		return;
	said = true;
	name_template(deprecation->link);
	fprintf(stderr, "fnr: this version of the template is deprecated%s%s%s%s\n",
	        !*deprecation->sunset ? "" : sunset >= 0 && sunset < time(NULL) ? "; it was to go on " : "; it goes on ", deprecation->sunset,
	        *deprecation->link ? "; use " : "", deprecation->link);
}

struct answer client_request(struct client *client, const char *method, const char *path, struct json_object *body, const char *const *headers)
{
	size_t len = 0;
	const char *data = body ? fnr_json_text(body, &len) : "";

	return client_send(client, method, path, body ? "application/json" : NULL, data, len, headers, NULL);
}

struct answer client_send(struct client *client, const char *method, const char *path, const char *media_type, const char *data, size_t len,
                          const char *const *headers, struct fnr_buf *text_r)
{
	struct curl_slist *list = client_headers(client, headers, media_type);
	struct deprecation deprecation = { .is = false };
	struct fnr_buf text = FNR_BUF_INIT;
	struct answer answer;
	CURLcode result;

	client_prepare(client, path, list);
	if (strcmp(method, "GET") != 0) {
		curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, data);
		curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
		curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, method);
	}
	curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, client_collect);
	curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &text);
	curl_easy_setopt(client->curl, CURLOPT_HEADERFUNCTION, note_header);
	curl_easy_setopt(client->curl, CURLOPT_HEADERDATA, &deprecation);
	curl_easy_setopt(client->curl, CURLOPT_TIMEOUT, 120L);
	result = client_perform(client, NULL);
	if (text_r) {
		fnr_buf_reset(text_r);
		fnr_buf_add(text_r, text.data ? text.data : "", text.len);
	}
	answer = client_finish(client, result, &text);
	say_deprecation(&deprecation);
	curl_slist_free_all(list);
	return answer;
}

struct answer client_persist(struct client *client, const char *method, const char *path, struct json_object *body, const char *const *headers)
{
	struct answer answer = { 0, NULL };
	long pause_ms = PAUSE_FIRST_MS;

	for (int i = 0; i < TRIES && !interrupted; i++) {
		answer = client_request(client, method, path, body, headers);
		if (answer.status != 0 && answer.status != 502 && answer.status != 503 && answer.status != 504)
			return answer;
		if (i == TRIES - 1)
			break;
		if (i == TRIES_SILENT)
			fprintf(stderr, "fnr: %s does not answer now; trying again for a minute\n", client->url);
		answer_free(&answer);
		usleep((useconds_t)pause_ms * 1000);
		pause_ms = pause_ms * 2 > PAUSE_MOST_MS ? PAUSE_MOST_MS : pause_ms * 2;
	}
	return answer;
}

void answer_free(struct answer *answer)
{
	json_object_put(answer->json);
	*answer = (struct answer){ 0, NULL };
}

char *client_escape(const char *text)
{
	struct fnr_buf out = FNR_BUF_INIT;

	for (; *text; text++) {
		if ((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') || (*text >= '0' && *text <= '9') || strchr("-._~@", *text))
			fnr_buf_add(&out, text, 1);
		else
			fnr_buf_printf(&out, "%%%02X", (unsigned char)*text);
	}
	return fnr_buf_take(&out);
}

/* ---- for people ---- */

void client_complain(const struct client *client, const struct answer *answer)
{
	struct json_object *errors = fnr_json_get(answer->json, "errors");
	const char *message = fnr_json_get_text(answer->json, "message", NULL), *suggestion = fnr_json_get_text(answer->json, "suggestion", NULL);
	size_t count = json_object_is_type(errors, json_type_array) ? json_object_array_length(errors) : 0;

	if (answer->status == 0) {
		fprintf(stderr, "fnr: nothing answers at %s; start it with: fnr serve (or ./run), or name another with --url\n", client->url);
		return;
	}
	if (count == 0)
		fprintf(stderr, "fnr: %s\n", message ? message : "the server answered in a way that fnr does not understand");
	if (count == 0 && !message)
		fprintf(stderr, "     (HTTP status %ld from %s)\n", answer->status, client->url);
	for (size_t i = 0; i < count; i++) {
		struct json_object *entry = json_object_array_get_idx(errors, i);
		const char *fix = fnr_json_get_text(entry, "fix", NULL), *pointer = fnr_json_get_text(entry, "pointer", "");

		fprintf(stderr, "fnr: %s%s%s\n", pointer + (*pointer == '/'), *pointer ? ": " : "", fnr_json_get_text(entry, "message", ""));
		if (fix)
			fprintf(stderr, "     %s\n", fix);
	}
	if (suggestion)
		fprintf(stderr, "     %s\n", suggestion);
}
