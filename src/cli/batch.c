/* fnr batch: many jobs, accepted whole or not at all. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/follow.h"

#define FILE_MOST (64u << 20)

static struct { const char *key; bool wait; } options;

/* ---- the file ---- */

static bool read_all(const char *name, struct fnr_buf *text)
{
	struct fnr_error err = FNR_ERROR_INIT;
	size_t got;

	if (strcmp(name, "-") != 0) {
		if (fnr_file_read(name, FILE_MOST, text, &err) == FNR_OK)
			return true;
		fprintf(stderr, "fnr: %s\n", err.message);
		return false;
	}
	do {
		got = fread(fnr_buf_room(text, 65536), 1, 65536, stdin);
		text->len += got;
	} while (got && text->len <= FILE_MOST);
	*fnr_buf_room(text, 1) = 0;
	if (text->len <= FILE_MOST && !ferror(stdin))
		return true;
	fprintf(stderr, "fnr: standard input cannot be read%s\n", ferror(stdin) ? "" : ": it is longer than 64 MiB");
	return false;
}

/* JSON begins with a brace or a bracket; a list stands for {"jobs": list}. */
static struct json_object *read_batch(const char *name)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *body = NULL, *jobs;

	if (read_all(name, &text)) {
		const char *data = text.data ? text.data : "", *first = data + strspn(data, " \t\r\n");

		body = *first == '{' || *first == '[' ? fnr_json_parse(data, text.len, &err) : fnr_yaml_parse(data, text.len, name, &err);
		if (!body)
			fprintf(stderr, "fnr: %s cannot be read: %s\n", strcmp(name, "-") == 0 ? "standard input" : name,
			        err.message[0] ? err.message : "it holds nothing; a batch has jobs:, a list");
	}
	fnr_buf_free(&text);
	if (json_object_is_type(body, json_type_array)) {
		jobs = body;
		body = json_object_new_object();
		fnr_json_set(body, "jobs", jobs);
	}
	return body;
}

/* ---- actions ---- */

void batch_print_counts(struct json_object *batch)
{
	struct json_object *counts = fnr_json_get(batch, "counts");
	bool first = true;

	printf("%3.0f%%  ", fnr_json_get_real(batch, "percent", 0));
	if (json_object_is_type(counts, json_type_object)) {
		json_object_object_foreach(counts, state, number) {
			if (json_object_get_int64(number) == 0)
				continue;
			printf("%s%s%s%s %lld", first ? "" : ", ", ask_state_color(state), state, ask_no_color(), (long long)json_object_get_int64(number));
			first = false;
		}
	}
	printf("\n");
}

static void print_batch(struct json_object *batch)
{
	static const char *const lines[][2] = {
		{ "batch", "id" }, { "state", "state" }, { "jobs", "total" }, { "project", "project" }, { "created", "created_at" },
	};

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		ask_line(batch, lines[i][0], lines[i][1]);
	printf("%-10s ", "progress");
	batch_print_counts(batch);
	printf("%-10s fnr job list --batch %s\n", "its jobs", fnr_json_get_text(batch, "id", ""));
}

static int show(int count, char **operands)
{
	(void)count;
	return ask_show(ASK_PATH("batches/{}", operands[0]), print_batch);
}

static void print_cancelled(struct json_object *batch)
{
	printf("batch %s is being cancelled\n", fnr_json_get_text(batch, "id", ""));
}

static int cancel(int count, char **operands)
{
	(void)count;
	return ask_do("POST", ASK_PATH("batches/{}/cancel", operands[0]), NULL, print_cancelled);
}

static int watch_batch(const char *id)
{
	return follow_batch(ask_client(), id, shared.json, batch_print_counts);
}

static int watch(int count, char **operands)
{
	(void)count;
	return watch_batch(operands[0]);
}

static int submit(int count, char **operands)
{
	struct json_object *body = read_batch(operands[0]);
	struct fnr_id random = fnr_id_random();
	char text[FNR_ID_TEXT], *header, *id;
	const char *headers[2] = { NULL, NULL };
	struct answer answer;
	int status = EXIT_DONE;

	(void)count;
	if (!body)
		return EXIT_FAILED;
	header = fnr_asprintf("Idempotency-Key: %s", options.key ? options.key : fnr_id_format(&random, text));
	headers[0] = header;
	answer = client_persist(ask_client(), "POST", "/api/v1/batches", body, headers);
	free(header);
	json_object_put(body);
	if (answer.status != 202 && answer.status != 200)
		return ask_failed(&answer);
	id = fnr_strdup(fnr_json_get_text(answer.json, "id", ""));
	if (!shared.json)
		printf("Batch %s, %lld jobs\n", id, (long long)fnr_json_get_int(answer.json, "total", 0));
	else if (!options.wait)
		printf("%s\n", fnr_json_text(answer.json, NULL));
	fflush(stdout);
	answer_free(&answer);
	if (options.wait)
		status = watch_batch(id);
	free(id);
	return status;
}

static const struct action actions[] = {
	{ "submit", "FILE", 1, 1, "jobs from a JSON or YAML file, or - for standard input", submit },
	{ "show", "ID", 1, 1, "how far a batch is", show },
	{ "watch", "ID", 1, 1, "follow a batch to its end; leaving does not stop it", watch },
	{ "cancel", "ID", 1, 1, "cancel all jobs of it that have not finished", cancel },
	ACTIONS_END,
};

static const struct option_row rows[] = {
	FLAG("--wait", 'w', &options.wait, "submit: follow it to its end; the exit status tells whether all went well"),
	TEXT("--idempotency-key", 0, &options.key, "KEY", "submit: a repetition with the same key is the same batch"),
	OPTIONS_END,
};

const struct command command_batch = { "batch", "Submit many jobs at once, and follow them", 1, USES_SERVER | USES_JSON, actions, rows };
