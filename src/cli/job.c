/* fnr job: looking at jobs, and cancelling them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/follow.h"

struct job_options {
	struct client_options client;
	const char *state, *project, *template_;
	long limit;
	bool json;
};

typedef int action(struct client *client, const struct job_options *options, const char *id);

static char *job_path(const char *id, const char *rest)
{
	char *escaped = client_escape(id), *path = fnr_asprintf("/api/v1/jobs/%s%s", escaped, rest);

	free(escaped);
	return path;
}

static int fail(struct client *client, struct answer *answer)
{
	if (!client_interrupted())
		client_complain(client, answer);
	answer_free(answer);
	return client_interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
}

/* ---- list ---- */

static void add_filter(struct fnr_buf *path, const char *name, const char *value)
{
	char *escaped = value ? client_escape(value) : NULL;

	if (escaped)
		fnr_buf_printf(path, "&%s=%s", name, escaped);
	free(escaped);
}

static void print_row(struct json_object *job, bool json)
{
	const char *project = fnr_json_get_text(job, "project", "");

	if (json) {
		printf("%s\n", fnr_json_text(job, NULL));
		return;
	}
	printf("%s  %-10s %3.0f%%  %-24s %-8s %s%s%s\n", fnr_json_get_text(job, "id", ""), fnr_json_get_text(job, "state", ""),
	       fnr_json_get_real(fnr_json_get(job, "progress"), "percent", 0), fnr_json_get_text(job, "template", ""),
	       fnr_json_get_text(job, "quality", ""), project, *project ? "/" : "", *project ? fnr_json_get_text(job, "shot", "") : "");
}

static int list(struct client *client, const struct job_options *options, const char *id)
{
	struct fnr_buf path = FNR_BUF_INIT;
	struct answer answer;
	struct json_object *items;

	(void)id;
	fnr_buf_printf(&path, "/api/v1/jobs?limit=%ld", options->limit);
	add_filter(&path, "state", options->state);
	add_filter(&path, "project", options->project);
	add_filter(&path, "template", options->template_);
	answer = client_request(client, "GET", path.data, NULL, NULL);
	fnr_buf_free(&path);
	if (answer.status != 200)
		return fail(client, &answer);
	items = fnr_json_get(answer.json, "items");
	for (size_t i = 0; i < json_object_array_length(items); i++)
		print_row(json_object_array_get_idx(items, i), options->json);
	if (json_object_array_length(items) == 0 && !options->json)
		fprintf(stderr, "no jobs\n");
	answer_free(&answer);
	return EXIT_DONE;
}

/* ---- one ---- */

static void print_line(struct json_object *job, const char *label, const char *name)
{
	struct json_object *value = fnr_json_get(job, name);

	if (value)
		printf("%-10s %s\n", label, json_object_is_type(value, json_type_string) ? json_object_get_string(value) : fnr_json_text(value, NULL));
}

static void print_job(struct client *client, struct json_object *job)
{
	static const char *const lines[][2] = {
		{ "job", "id" }, { "state", "state" }, { "template", "template" }, { "version", "version" }, { "quality", "quality" },
		{ "project", "project" }, { "shot", "shot" }, { "take", "take" }, { "priority", "priority" }, { "queue", "queue" }, { "seed", "seed" },
		{ "attempt", "attempt" }, { "worker", "worker" }, { "inputs", "inputs" }, { "parameters", "parameters" }, { "created", "created_at" },
		{ "started", "started_at" }, { "finished", "finished_at" }, { "waits for", "waiting_for" },
	};
	struct json_object *outputs = fnr_json_get(job, "outputs"), *error = fnr_json_get(job, "error"), *progress = fnr_json_get(job, "progress");

	(void)client;
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		print_line(job, lines[i][0], lines[i][1]);
	printf("%-10s %.0f%% %s\n", "progress", fnr_json_get_real(progress, "percent", 0), fnr_json_get_text(progress, "message", ""));
	for (size_t i = 0; i < json_object_array_length(outputs); i++)
		printf("%-10s %s\n", "output", fnr_json_get_text(json_object_array_get_idx(outputs, i), "path", ""));
	print_line(error, "error", "message");
	print_line(error, "code", "code");
	print_line(error, "suggestion", "suggestion");
}

static int show(struct client *client, const struct job_options *options, const char *id)
{
	char *path = job_path(id, "");
	struct answer answer = client_request(client, "GET", path, NULL, NULL);

	free(path);
	if (answer.status != 200)
		return fail(client, &answer);
	if (options->json)
		printf("%s\n", fnr_json_text(answer.json, NULL));
	else
		print_job(client, answer.json);
	answer_free(&answer);
	return EXIT_DONE;
}

static int watch(struct client *client, const struct job_options *options, const char *id)
{
	return follow_job(client, id, options->json);
}

static int cancel(struct client *client, const struct job_options *options, const char *id)
{
	char *path = job_path(id, "/cancel");
	struct answer answer = client_request(client, "POST", path, NULL, NULL);

	free(path);
	if (answer.status != 202)
		return fail(client, &answer);
	if (options->json)
		printf("%s\n", fnr_json_text(answer.json, NULL));
	else
		printf("job %s is being cancelled\n", id);
	answer_free(&answer);
	return EXIT_DONE;
}

static void print_log(struct json_object *line, bool json)
{
	if (json)
		printf("%s\n", fnr_json_text(line, NULL));
	else
		printf("%s %-5s %s\n", fnr_json_get_text(line, "time", ""), fnr_json_get_text(line, "level", ""), fnr_json_get_text(line, "text", ""));
}

static int show_log(struct client *client, const struct job_options *options, const char *id)
{
	int64_t after = 0;

	for (;;) {
		char *rest = fnr_asprintf("/log?limit=500&after=%lld", (long long)after), *path = job_path(id, rest);
		struct answer answer = client_request(client, "GET", path, NULL, NULL);
		struct json_object *items = fnr_json_get(answer.json, "items");
		size_t count = 0;

		free(rest);
		free(path);
		if (answer.status != 200)
			return fail(client, &answer);
		for (count = 0; count < json_object_array_length(items); count++) {
			struct json_object *line = json_object_array_get_idx(items, count);

			after = fnr_json_get_int(line, "n", after + 1);
			print_log(line, options->json);
		}
		answer_free(&answer);
		if (count < 500)
			return EXIT_DONE;
	}
}

static const struct { const char *name; action *run; bool of_one; } actions[] = {
	{ "list", list, false }, { "show", show, true }, { "watch", watch, true }, { "cancel", cancel, true }, { "log", show_log, true },
};
#define ACTIONS (sizeof actions / sizeof actions[0])

static int unknown_action(const struct command *command, const char *name)
{
	const char *names[ACTIONS], *nearest;

	for (size_t i = 0; i < ACTIONS; i++)
		names[i] = actions[i].name;
	nearest = fnr_text_nearest(name, names, ACTIONS);
	return usage_error(command, "fnr job has no '%s'%s%s%s", name, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static int run_job(const struct command *command, int argc, char **argv)
{
	struct job_options options = { .limit = 20 };
	const struct option_row rows[] = {
		{ "--state", 0, OPTION_TEXT, &options.state, 0, 0, "STATE", "list: only jobs in this state" },
		{ "--project", 0, OPTION_TEXT, &options.project, 0, 0, "NAME", "list: only jobs of this project" },
		{ "--template", 0, OPTION_TEXT, &options.template_, 0, 0, "NAME", "list: only jobs of this template" },
		{ "--limit", 0, OPTION_INT, &options.limit, 1, 500, "N", "list: so many, the newest first (default 20)" },
		{ "--json", 0, OPTION_FLAG, &options.json, 0, 0, NULL, "print JSON, one object a line" },
		{ "--data", 0, OPTION_TEXT, &options.client.data, 0, 0, "DIR", "data directory of the server (for its address and key)" },
		{ "--url", 0, OPTION_TEXT, &options.client.url, 0, 0, "URL", "address of the server" },
		{ "--key", 0, OPTION_TEXT, &options.client.key, 0, 0, "KEY", "API key" },
		{ 0 },
	};
	int operands, status = options_take(command, rows, argc, argv, &operands);
	struct client *client;
	size_t at = 0;

	if (status >= 0)
		return status;
	if (operands < 1)
		return usage_error(command, "say what to do: list, show, watch, cancel or log");
	while (at < ACTIONS && strcmp(actions[at].name, argv[1]) != 0)
		at++;
	if (at == ACTIONS)
		return unknown_action(command, argv[1]);
	if (operands != (actions[at].of_one ? 2 : 1))
		return usage_error(command, actions[at].of_one ? "fnr job %s needs the id of one job" : "fnr job %s takes no operand", argv[1]);
	client = client_open(&options.client);
	status = actions[at].run(client, &options, actions[at].of_one ? argv[2] : NULL);
	client_close(client);
	return status;
}

const struct command command_job = { "job", "fnr job list|show|watch|cancel|log [ID] [options]", "List, show, watch and cancel jobs, read their logs",
                                     run_job };
