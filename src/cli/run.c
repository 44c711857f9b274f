/* fnr run: one job from the shell, from its inputs to its result. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/id.h"
#include "base/mem.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/follow.h"
#include "cli/upload.h"

#define JSON_MOST (64u << 20)     /* of a file; what a job may have the server says */

static struct {
	struct list inputs;
	const char *quality, *project, *shot, *key;
	long priority, seed, count;
	bool no_wait;
} options = { .seed = -1 };

/* ---- inputs ---- */

static struct json_object *value_of_file(struct client *client, const char *file)
{
	struct json_object *upload = upload_file(client, file), *value = NULL;
	char *reference;

	if (upload) {
		reference = fnr_asprintf("upload:%s", fnr_json_get_text(upload, "id", ""));
		value = json_object_new_string(reference);
		free(reference);
	}
	json_object_put(upload);
	return value;
}

/* What the text means for a value of this schema. What does not fit is sent as text: the server says what is wrong. */
static struct json_object *value_of(struct client *client, struct json_object *schema, const char *text, bool *failed)
{
	const char *type = fnr_json_get_text(schema, "type", "");
	struct json_object *value = NULL;

	if (strcmp(fnr_json_get_text(schema, "format", ""), "file") == 0 && text[0] == '@') {
		value = value_of_file(client, text + 1);
		*failed = !value;
		return value;
	}
	if (strcmp(type, "string") != 0 && *text)
		value = fnr_json_parse(text, strlen(text), NULL);
	return value ? value : json_object_new_string(text);
}

/* A list is given as JSON, or item by item with several -i of the same name. */
static struct json_object *add_item(struct client *client, struct json_object *list, struct json_object *schema, const char *text, bool *failed)
{
	struct json_object *item;

	if (!list && text[0] == '[')
		return value_of(client, schema, text, failed);
	if (!json_object_is_type(list, json_type_array))
		list = json_object_new_array();
	item = value_of(client, fnr_json_get(schema, "items"), text, failed);
	json_object_array_add(list, item);
	return list;
}

/* NAME:=JSON is that JSON, whatever the schema says of it; NAME:=@FILE what is in the file. */
static bool add_json(struct json_object *inputs, const char *name, const char *text)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_buf content = FNR_BUF_INIT;
	struct json_object *value;

	if (text[0] != '@') {
		fnr_buf_puts(&content, text);
	} else if (fnr_file_read(text + 1, JSON_MOST, &content, &err) != FNR_OK) {
		fprintf(stderr, "fnr: the input %s: %s\n", name, err.message);
		return false;
	}
	value = fnr_json_parse(content.data ? content.data : "", content.len, &err);
	fnr_buf_free(&content);
	if (!value && err.code != FNR_OK) {
		fprintf(stderr, "fnr: the input %s is not valid JSON: %s\n", name, err.message);
		return false;
	}
	fnr_json_set(inputs, name, value);
	return true;
}

static bool add_input(struct client *client, struct json_object *inputs, struct json_object *properties, const char *given)
{
	const char *equals = strchr(given, '=');
	bool is_json = equals > given && equals[-1] == ':';
	char *name = fnr_memdup0(given, (size_t)(equals - given - is_json));
	struct json_object *schema = fnr_json_get(properties, name), *old = fnr_json_get(inputs, name);
	bool failed = false;

	if (is_json || (strcmp(fnr_json_get_text(schema, "type", ""), "object") == 0 && equals[1] == '@'))
		failed = !add_json(inputs, name, equals + 1);
	else if (strcmp(fnr_json_get_text(schema, "type", ""), "array") == 0)
		fnr_json_set(inputs, name, add_item(client, json_object_get(old), schema, equals + 1, &failed));
	else
		fnr_json_set(inputs, name, value_of(client, schema, equals + 1, &failed));
	free(name);
	return !failed;
}

/* The inputs as an object to put, or NULL after saying what is wrong. */
static struct json_object *make_inputs(struct client *client, const char *template_, const struct list *given)
{
	char *escaped = client_escape(template_), *path = fnr_asprintf("/api/v1/templates/%s/schema", escaped);
	struct answer answer = client_request(client, "GET", path, NULL, NULL);
	struct json_object *inputs = NULL;

	if (answer.status == 200) {
		inputs = json_object_new_object();
		for (size_t i = 0; i < given->count && inputs; i++)
			if (!add_input(client, inputs, fnr_json_get(answer.json, "properties"), given->items[i])) {
				json_object_put(inputs);
				inputs = NULL;
			}
	} else if (!client_interrupted()) {
		client_complain(client, &answer);
	}
	answer_free(&answer);
	free(escaped);
	free(path);
	return inputs;
}

/* ---- the job ---- */

static struct json_object *make_body(const char *template_, struct json_object *inputs)
{
	struct json_object *body = json_object_new_object();

	fnr_json_set_text(body, "template", template_);
	fnr_json_set(body, "inputs", inputs);
	if (options.quality)
		fnr_json_set_text(body, "quality", options.quality);
	if (options.project)
		fnr_json_set_text(body, "project", options.project);
	if (options.shot)
		fnr_json_set_text(body, "shot", options.shot);
	if (options.priority)
		fnr_json_set_int(body, "priority", options.priority);
	if (options.seed >= 0)
		fnr_json_set_int(body, "seed", options.seed);
	if (options.count)
		fnr_json_set_int(body, "count", options.count);
	return body;
}

/* What was submitted: one job, or a batch of variations. */
static const char *kind(void)
{
	return options.count > 1 ? "batch" : "job";
}

static int interrupted(struct client *client, const char *id)
{
	char *path = fnr_asprintf("/api/v1/%s/%s/cancel", options.count > 1 ? "batches" : "jobs", id);
	struct answer answer;

	client_set_interrupted(false);
	answer = client_request(client, "POST", path, NULL, NULL);
	if (answer.status == 202)
		fprintf(stderr, "fnr: interrupted; %s %s is being cancelled\n", kind(), id);
	else
		fprintf(stderr, "fnr: interrupted; %s %s could not be cancelled any more: fnr %s show %s\n", kind(), id, kind(), id);
	answer_free(&answer);
	free(path);
	return EXIT_INTERRUPTED;
}

/* Interrupted while the job was being submitted: nobody knows whether it was accepted. The same request again, which
 * gives the same job, tells its id, and so it can be cancelled. */
static void withdraw(struct client *client, struct json_object *body, const char *const *headers)
{
	struct answer answer;

	client_set_interrupted(false);
	answer = client_request(client, "POST", "/api/v1/jobs", body, headers);
	if (answer.status == 202 || answer.status == 200)
		interrupted(client, fnr_json_get_text(answer.json, "id", ""));
	answer_free(&answer);
	client_set_interrupted(true);
}

/* With a key of its own, so that a repetition after a lost connection cannot submit twice. */
static char *submit(struct client *client, struct json_object *body)
{
	struct fnr_id random = fnr_id_random();
	char text[FNR_ID_TEXT], *header, *id = NULL;
	const char *headers[2] = { NULL, NULL };
	struct answer answer;

	header = fnr_asprintf("Idempotency-Key: %s", options.key ? options.key : fnr_id_format(&random, text));
	headers[0] = header;
	answer = client_persist(client, "POST", "/api/v1/jobs", body, headers);
	if (client_interrupted() && answer.status == 0)
		withdraw(client, body, headers);
	else if (answer.status == 202 || answer.status == 200)
		id = fnr_strdup(fnr_json_get_text(answer.json, "id", ""));
	else if (!client_interrupted())
		client_complain(client, &answer);
	answer_free(&answer);
	free(header);
	return id;
}

/* What keeps it from running until somebody does something: better said now than found out by waiting. */
static void tell_obstacle(struct client *client, const char *template_)
{
	static const struct { const char *waiting_for, *text; } obstacles[] = {
		{ "no_backend", "nothing that could run it is there or in order: see fnr backend list; fnr backend add makes one known" },
		{ "disk", "the server's disk is full: see fnr doctor" },
		{ "paused", "its queue is paused: see fnr queue list; fnr queue resume lets it go on" },
		{ "resources", "it needs more than any backend has: see fnr backend list" },
	};
	struct json_object *body = json_object_new_object();
	struct answer answer;

	fnr_json_set_text(body, "template", template_);
	if (options.quality)
		fnr_json_set_text(body, "quality", options.quality);
	if (options.project)
		fnr_json_set_text(body, "project", options.project);
	answer = client_request(client, "POST", "/api/v1/route", body, NULL);
	for (size_t i = 0; answer.status == 200 && i < sizeof obstacles / sizeof obstacles[0]; i++)
		if (strcmp(fnr_json_get_text(answer.json, "waiting_for", ""), obstacles[i].waiting_for) == 0)
			fprintf(stderr, "fnr: it waits, as %s\n", obstacles[i].text);
	answer_free(&answer);
	json_object_put(body);
}

static int run(struct client *client, const char *template_)
{
	struct json_object *inputs = make_inputs(client, template_, &options.inputs), *body;
	char *id;
	int status;

	if (client_interrupted() || !inputs) {
		json_object_put(inputs);
		return client_interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
	}
	body = make_body(template_, inputs);
	id = submit(client, body);
	json_object_put(body);
	if (!id)
		return client_interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
	if (!shared.json)
		printf("%s %s\n", options.count > 1 ? "Batch" : "Job", id);
	fflush(stdout);
	if (!shared.json && !client_interrupted())
		tell_obstacle(client, template_);
	if (options.no_wait) {
		if (shared.json)
			printf("{\"id\":\"%s\"}\n", id);
		status = EXIT_DONE;
	} else {
		status = options.count > 1 ? follow_batch(client, id, shared.json, batch_print_counts) : follow_job(client, id, shared.json);
		if (status == EXIT_INTERRUPTED)
			status = interrupted(client, id);
	}
	free(id);
	return status;
}

static int run_run(int count, char **operands)
{
	(void)count;
	for (size_t i = 0; i < options.inputs.count; i++)
		if (!strchr(options.inputs.items[i], '='))
			return usage_error(&command_run, "an input is NAME=VALUE, not '%s'", options.inputs.items[i]);
	return run(ask_client(), operands[0]);
}

static const struct action actions[] = { { "", "TEMPLATE", 1, 1, "submit a job and follow it", run_run }, ACTIONS_END };

static const struct option_row rows[] = {
	LIST("--input", 'i', &options.inputs, "NAME=VALUE", "an input; NAME=@FILE uploads the file, NAME:=JSON and NAME:=@FILE are taken as JSON"),
	WORD("--quality", 'q', &options.quality, "QUALITY", "draft standard high ultra", "draft, standard (default), high or ultra"),
	TEXT("--project", 0, &options.project, "NAME", "file the result in this project"),
	TEXT("--shot", 0, &options.shot, "NAME", "and this shot"),
	NUMBER("--priority", 0, &options.priority, 1, 10, "N", "1 to 10, 10 first (default 5)"),
	NUMBER("--seed", 0, &options.seed, 0, 9007199254740991L, "N", "the same seed gives the same result"),
	NUMBER("--count", 0, &options.count, 1, 1000, "N", "so many variations, each with another seed, as a batch"),
	TEXT("--idempotency-key", 0, &options.key, "KEY", "a repetition with the same key is the same job"),
	FLAG("--no-wait", 0, &options.no_wait, "do not follow the job"),
	OPTIONS_END,
};

const struct command command_run = { "run", "Run a function and follow it to its result", 1, USES_SERVER | USES_JSON, actions, rows };
