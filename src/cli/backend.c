/* fnr backend: the servers that jobs run on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "cli/ask.h"
#include "cli/cli.h"

#define CREDENTIALS_MOST 65536
#define PROBE_TURN_MS 200
#define PROBE_TURNS 100             /* servers have some seconds for an answer */

static struct {
	const char *url, *ca_file, *credentials;
	long concurrency;
	struct list labels;
	bool no_ca_file, no_credentials, no_labels;
} options;

/* ---- showing ---- */

static void print_row(struct json_object *backend)
{
	const char *url = fnr_json_get_text(backend, "url", NULL), *reason = fnr_json_get_text(fnr_json_get(backend, "breaker"), "reason", NULL);

	printf("%-16s %-8s %-8s %lld of %lld%s%s%s%s\n", fnr_json_get_text(backend, "id", ""), fnr_json_get_text(backend, "type", ""),
	       fnr_json_get_text(backend, "state", ""), (long long)fnr_json_get_int(backend, "running", 0),
	       (long long)fnr_json_get_int(backend, "concurrency", 0), url ? "  " : "", url ? url : "", reason ? "  " : "", reason ? reason : "");
}

static void print_whole(struct json_object *backend)
{
	struct json_object *breaker = fnr_json_get(backend, "breaker"), *health = fnr_json_get(backend, "health"), *found = fnr_json_get(backend, "found");

	ask_line(backend, "id", "id");
	ask_line(backend, "type", "type");
	ask_line(backend, "url", "url");
	ask_line(backend, "ca file", "ca_file");
	ask_line(backend, "state", "state");
	ask_line(backend, "since", "since");
	printf("%-11s %lld of %lld\n", "running", (long long)fnr_json_get_int(backend, "running", 0), (long long)fnr_json_get_int(backend, "concurrency", 0));
	if (ask_count(fnr_json_get(backend, "labels")))
		ask_line(backend, "labels", "labels");
	if (fnr_json_get_bool(backend, "has_credentials", false))
		printf("%-11s set\n", "credentials");
	ask_line(breaker, "breaker", "state");
	ask_line(breaker, "open until", "open_until");
	ask_line(breaker, "reason", "reason");
	ask_line(health, "health", "score");
	ask_line(health, "checked", "checked_at");
	ask_line(found, "version", "version");
	ask_memory(found);
	ask_room(found, "disk", "disk_total", "disk_free");
	if (ask_count(fnr_json_get(backend, "loaded")))
		ask_line(backend, "loaded", "loaded");
}

static int list(int count, char **operands)
{
	(void)count, (void)operands;
	return ask_list(ASK_PATH("backends", NULL), -1, NULL, print_row, "no backends");
}

static int show(int count, char **operands)
{
	(void)count;
	return ask_show(ASK_PATH("backends/{}", operands[0]), print_whole);
}

/* ---- adding and changing ---- */

/* Secrets come from a file or standard input: a command line can be seen by everybody on the machine. False if it says nothing. */
static bool set_credentials(struct json_object *body)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *credentials = NULL;
	const char *file = options.credentials && strcmp(options.credentials, "-") == 0 ? "/dev/stdin" : options.credentials;

	if (options.no_credentials)
		fnr_json_set(body, "credentials", NULL);
	if (!file)
		return true;
	if (fnr_file_read(file, CREDENTIALS_MOST, &text, &err) == FNR_OK)
		credentials = fnr_json_parse(text.data, text.len, &err);
	if (credentials)
		fnr_json_set(body, "credentials", credentials);
	else
		fprintf(stderr, "fnr: %s: %s\n", options.credentials, err.message[0] ? err.message : "there must be an object like {\"token\":\"…\"}");
	fnr_buf_free(&text);
	fnr_error_clear(&err);
	return credentials != NULL;
}

/* Of the machine where the command runs, if it is there: most often that is the same. */
static void set_ca_file(struct json_object *body)
{
	char *path = realpath(options.ca_file, NULL);

	fnr_json_set_text(body, "ca_file", path ? path : options.ca_file);
	free(path);
}

static void set_labels(struct json_object *body)
{
	struct json_object *labels = json_object_new_array();

	for (size_t i = 0; i < options.labels.count; i++)
		json_object_array_add(labels, json_object_new_string(options.labels.items[i]));
	fnr_json_set(body, "labels", labels);
}

static int add(int count, char **operands)
{
	struct json_object *body = json_object_new_object();

	(void)count;
	fnr_json_set_text(body, "id", operands[0]);
	fnr_json_set_text(body, "type", operands[1]);
	fnr_json_set_text(body, "url", operands[2]);
	if (options.concurrency > 0)
		fnr_json_set_int(body, "concurrency", options.concurrency);
	if (options.ca_file)
		set_ca_file(body);
	set_labels(body);
	if (set_credentials(body))
		return ask_do("POST", ASK_PATH("backends", NULL), body, print_row);
	json_object_put(body);
	return EXIT_FAILED;
}

/* What it is now, and what is to be another. */
static struct json_object *changed(struct json_object *backend)
{
	static const char *const kept[] = { "url", "ca_file", "concurrency", "labels", "options" };
	struct json_object *body = json_object_new_object();

	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
		fnr_json_set(body, kept[i], json_object_get(fnr_json_get(backend, kept[i])));
	if (options.url)
		fnr_json_set_text(body, "url", options.url);
	if (options.no_ca_file)
		fnr_json_set(body, "ca_file", NULL);
	if (options.ca_file)
		set_ca_file(body);
	if (options.concurrency > 0)
		fnr_json_set_int(body, "concurrency", options.concurrency);
	if (options.labels.count || options.no_labels)
		set_labels(body);
	if (set_credentials(body))
		return body;
	json_object_put(body);
	return NULL;
}

static int put(const char *id, int64_t revision, struct json_object *body)
{
	char match[48], *path = ASK_PATH("backends/{}", id);
	struct answer answer;

	snprintf(match, sizeof match, "If-Match: \"%lld\"", (long long)revision);
	answer = client_request(ask_client(), body ? "PUT" : "DELETE", path, body, (const char *const[]){ match, NULL });
	free(path);
	json_object_put(body);
	if (answer.status != 200 && answer.status != 204)
		return ask_failed(&answer);
	if (shared.json && answer.json)
		printf("%s\n", fnr_json_text(answer.json, NULL));
	else if (!shared.json && answer.status == 200)
		print_row(answer.json);
	answer_free(&answer);
	return EXIT_DONE;
}

static int set(int count, char **operands)
{
	char *path = ASK_PATH("backends/{}", operands[0]);
	struct answer answer = client_request(ask_client(), "GET", path, NULL, NULL);
	struct json_object *body;
	int64_t revision;

	(void)count;
	free(path);
	if (answer.status != 200)
		return ask_failed(&answer);
	body = changed(answer.json);
	revision = fnr_json_get_int(answer.json, "revision", 0);
	answer_free(&answer);
	return body ? put(operands[0], revision, body) : EXIT_FAILED;
}

static int remove_one(int count, char **operands)
{
	char *path = ASK_PATH("backends/{}", operands[0]);
	struct answer answer = client_request(ask_client(), "GET", path, NULL, NULL);
	int64_t revision = fnr_json_get_int(answer.json, "revision", 0);

	(void)count;
	free(path);
	if (answer.status != 200)
		return ask_failed(&answer);
	answer_free(&answer);
	return put(operands[0], revision, NULL);
}

/* ---- the rest ---- */

static int post(const char *pattern, const char *id, ask_shown *shown)
{
	return ask_do("POST", ASK_PATH(pattern, id), NULL, shown);
}

static struct answer look(const char *id)
{
	char *path = ASK_PATH("backends/{}", id);
	struct answer answer = client_request(ask_client(), "GET", path, NULL, NULL);

	free(path);
	return answer;
}

/* Until it has been asked after the time that `seen` tells, or nothing has come for long: how it is then is said. */
static int await_probe(const char *id, struct json_object *seen)
{
	const char *before = fnr_json_get_text(fnr_json_get(seen, "health"), "checked_at", "");

	for (int turn = 0;; turn++) {
		struct answer answer = look(id);
		bool asked = strcmp(fnr_json_get_text(fnr_json_get(answer.json, "health"), "checked_at", ""), before) != 0;

		if (answer.status != 200)
			return ask_failed(&answer);
		if (asked || turn == PROBE_TURNS || client_interrupted()) {
			if (shared.json)
				printf("%s\n", fnr_json_text(answer.json, NULL));
			else
				print_row(answer.json);
			answer_free(&answer);
			return client_interrupted() ? EXIT_INTERRUPTED : EXIT_DONE;
		}
		answer_free(&answer);
		usleep(PROBE_TURN_MS * 1000);
	}
}

static int probe(int count, char **operands)
{
	struct answer before = look(operands[0]);
	int status;

	(void)count;
	if (before.status != 200)
		return ask_failed(&before);
	status = post("backends/{}/probe", operands[0], NULL);
	if (status == EXIT_DONE)
		status = await_probe(operands[0], before.json);
	answer_free(&before);
	return status;
}

static int drain(int count, char **operands)
{
	(void)count;
	return post("backends/{}/drain", operands[0], print_row);
}

static int resume(int count, char **operands)
{
	(void)count;
	return post("backends/{}/resume", operands[0], print_row);
}

static int reset(int count, char **operands)
{
	(void)count;
	return post("backends/{}/reset-breaker", operands[0], NULL);
}

static void print_model(struct json_object *model)
{
	struct json_object *backends = fnr_json_get(model, "backends");

	printf("%-20s %-40s", fnr_json_get_text(model, "category", ""), fnr_json_get_text(model, "name", ""));
	for (size_t i = 0; i < ask_count(backends); i++)
		printf(" %s", json_object_get_string(json_object_array_get_idx(backends, i)));
	printf("%s\n", fnr_json_get(model, "library") ? " (library)" : "");
}

static int models(int count, char **operands)
{
	struct fnr_buf path = FNR_BUF_INIT;

	fnr_buf_puts(&path, "/api/v1/models");
	ask_filter(&path, "backend", count > 0 ? operands[0] : NULL);
	return ask_list(fnr_buf_take(&path), 0, NULL, print_model, "no models");
}

static const struct action actions[] = {
	{ "list", "", 0, 0, "this machine and all servers: how they are, and how many jobs run there", list },
	{ "show", "ID", 1, 1, "one of them", show },
	{ "add", "ID TYPE URL", 3, 3, "add a server; TYPE is comfyui or gradio", add },
	{ "set", "ID", 1, 1, "change what the options name; the rest stays", set },
	{ "probe", "ID", 1, 1, "ask it how it is, now", probe },
	{ "drain", "ID", 1, 1, "give it no more jobs; what runs there goes on", drain },
	{ "resume", "ID", 1, 1, "give it jobs again", resume },
	{ "reset", "ID", 1, 1, "close its circuit breaker, if you know that it works again", reset },
	{ "remove", "ID", 1, 1, "remove it; drain it first if jobs run there", remove_one },
	{ "models", "[ID]", 0, 1, "the model library and what backends have, or what one has", models },
	ACTIONS_END,
};

static const struct option_row rows[] = {
	TEXT("--url", 0, &options.url, "URL", "set: its address; credentials are cleared unless new ones are given"),
	TEXT("--ca-file", 0, &options.ca_file, "FILE", "add, set: an https server is believed if an authority whose certificate is in it (PEM) vouches for it"),
	FLAG("--no-ca-file", 0, &options.no_ca_file, "set: it is believed if an authority that this machine knows vouches for it"),
	NUMBER("--concurrency", 0, &options.concurrency, 1, 64, "N", "add, set: so many jobs at a time (default 1)"),
	LIST("--label", 0, &options.labels, "LABEL", "add, set: what templates can ask for; several are allowed"),
	FLAG("--no-labels", 0, &options.no_labels, "set: it has none any more"),
	TEXT("--credentials", 0, &options.credentials, "FILE", "add, set: an object with token, username and password, or headers; - is standard input"),
	FLAG("--no-credentials", 0, &options.no_credentials, "set: it needs none any more"),
	OPTIONS_END,
};

const struct command command_backend = { "backend", "Add, look at, drain and remove servers that jobs run on", 8, USES_SERVER | USES_JSON, actions, rows };
