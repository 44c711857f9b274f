/* fnr run: one job from the shell, from its inputs to its result. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/follow.h"

struct run_options {
	struct client_options client;
	struct list inputs;
	const char *quality, *project, *shot, *key;
	long priority, seed;
	bool json, no_wait;
};

/* ---- inputs ---- */

/* Uploads the file; "upload:<id>", or NULL after saying why not. The caller frees it. */
static char *upload(struct client *client, const char *file)
{
	struct answer answer;
	struct stat info;
	char *reference = NULL;

	if (access(file, R_OK) != 0 || stat(file, &info) != 0) {
		fprintf(stderr, "fnr: cannot read the file %s: %s\n", file, strerror(errno));
		return NULL;
	}
	if (!S_ISREG(info.st_mode)) {
		fprintf(stderr, "fnr: %s is %s; only a regular file can be uploaded\n", file, S_ISDIR(info.st_mode) ? "a folder" : "no regular file");
		return NULL;
	}
	answer = client_upload(client, file, follow_upload, (void *)file);
	if (answer.status == 201)
		reference = fnr_asprintf("upload:%s", fnr_json_get_text(answer.json, "id", ""));
	else if (!client_interrupted())
		client_complain(client, &answer);
	answer_free(&answer);
	return reference;
}

static struct json_object *value_of_file(struct client *client, const char *file)
{
	char *reference = upload(client, file);
	struct json_object *value = reference ? json_object_new_string(reference) : NULL;

	free(reference);
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

static bool add_input(struct client *client, struct json_object *inputs, struct json_object *properties, const char *given)
{
	const char *equals = strchr(given, '=');
	char *name = fnr_memdup0(given, (size_t)(equals - given));
	struct json_object *schema = fnr_json_get(properties, name), *old = fnr_json_get(inputs, name);
	bool failed = false;

	if (strcmp(fnr_json_get_text(schema, "type", ""), "array") == 0)
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

static struct json_object *make_body(const struct run_options *options, const char *template_, struct json_object *inputs)
{
	struct json_object *body = json_object_new_object();

	fnr_json_set_text(body, "template", template_);
	fnr_json_set(body, "inputs", inputs);
	if (options->quality)
		fnr_json_set_text(body, "quality", options->quality);
	if (options->project)
		fnr_json_set_text(body, "project", options->project);
	if (options->shot)
		fnr_json_set_text(body, "shot", options->shot);
	if (options->priority)
		fnr_json_set_int(body, "priority", options->priority);
	if (options->seed >= 0)
		fnr_json_set_int(body, "seed", options->seed);
	return body;
}

static int interrupted(struct client *client, const char *id)
{
	char *path = fnr_asprintf("/api/v1/jobs/%s/cancel", id);
	struct answer answer;

	client_set_interrupted(false);
	answer = client_request(client, "POST", path, NULL, NULL);
	if (answer.status == 202)
		fprintf(stderr, "fnr: interrupted; job %s is being cancelled\n", id);
	else
		fprintf(stderr, "fnr: interrupted; job %s could not be cancelled any more: fnr job show %s\n", id, id);
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
static char *submit(struct client *client, const struct run_options *options, struct json_object *body)
{
	struct fnr_id random = fnr_id_random();
	char text[FNR_ID_TEXT], *header, *id = NULL;
	const char *headers[2] = { NULL, NULL };
	struct answer answer;

	header = fnr_asprintf("Idempotency-Key: %s", options->key ? options->key : fnr_id_format(&random, text));
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

static int run(struct client *client, const struct run_options *options, const char *template_)
{
	struct json_object *inputs = make_inputs(client, template_, &options->inputs), *body;
	char *id;
	int status;

	if (client_interrupted() || !inputs) {
		json_object_put(inputs);
		return client_interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
	}
	body = make_body(options, template_, inputs);
	id = submit(client, options, body);
	json_object_put(body);
	if (!id)
		return client_interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
	if (!options->json)
		printf("Job %s\n", id);
	fflush(stdout);
	if (options->no_wait) {
		if (options->json)
			printf("{\"id\":\"%s\"}\n", id);
		status = EXIT_DONE;
	} else {
		status = follow_job(client, id, options->json);
		if (status == EXIT_INTERRUPTED)
			status = interrupted(client, id);
	}
	free(id);
	return status;
}

static int run_run(const struct command *command, int argc, char **argv)
{
	struct run_options options = { .seed = -1 };
	const struct option_row rows[] = {
		{ "--input", 'i', OPTION_LIST, &options.inputs, 0, 0, "NAME=VALUE", "an input; NAME=@FILE uploads the file" },
		{ "--quality", 'q', OPTION_TEXT, &options.quality, 0, 0, "QUALITY", "draft, standard (default), high or ultra" },
		{ "--project", 0, OPTION_TEXT, &options.project, 0, 0, "NAME", "file the result in this project" },
		{ "--shot", 0, OPTION_TEXT, &options.shot, 0, 0, "NAME", "and this shot" },
		{ "--priority", 0, OPTION_INT, &options.priority, 1, 10, "N", "1 to 10, 10 first (default 5)" },
		{ "--seed", 0, OPTION_INT, &options.seed, 0, 9007199254740991L, "N", "the same seed gives the same result" },
		{ "--idempotency-key", 0, OPTION_TEXT, &options.key, 0, 0, "KEY", "a repetition with the same key is the same job" },
		{ "--no-wait", 0, OPTION_FLAG, &options.no_wait, 0, 0, NULL, "do not follow the job" },
		{ "--json", 0, OPTION_FLAG, &options.json, 0, 0, NULL, "print every event as a line of JSON; the last line is the job" },
		{ "--data", 0, OPTION_TEXT, &options.client.data, 0, 0, "DIR", "data directory of the server (for its address and key)" },
		{ "--url", 0, OPTION_TEXT, &options.client.url, 0, 0, "URL", "address of the server" },
		{ "--key", 0, OPTION_TEXT, &options.client.key, 0, 0, "KEY", "API key" },
		{ 0 },
	};
	int operands, status = options_take(command, rows, argc, argv, &operands);
	struct client *client;

	if (status < 0 && operands != 1)
		status = usage_error(command, operands ? "fnr run takes one template" : "name the template to run");
	for (size_t i = 0; i < options.inputs.count && status < 0; i++)
		if (!strchr(options.inputs.items[i], '='))
			status = usage_error(command, "an input is NAME=VALUE, not '%s'", options.inputs.items[i]);
	if (status < 0) {
		client = client_open(&options.client);
		status = run(client, &options, argv[1]);
		client_close(client);
	}
	free(options.inputs.items);
	return status;
}

const struct command command_run = { "run", "fnr run TEMPLATE [-i NAME=VALUE]... [-q QUALITY] [--project P --shot S] [options]",
                                     "Run a function and follow it to its result", run_run };
