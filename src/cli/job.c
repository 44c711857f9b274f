/* fnr job: looking at jobs, fetching what they made, cancelling, repeating and deleting them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/download.h"
#include "cli/follow.h"

static struct {
	const char *state, *project, *shot, *template_, *batch, *quality, *queue;
	long limit, seed, priority;
	bool mine, new_seed;
	struct download_options download;
} options = { .limit = 20, .seed = -1 };

/* ---- list ---- */

static void print_row(struct json_object *job)
{
	const char *project = fnr_json_get_text(job, "project", ""), *state = fnr_json_get_text(job, "state", "");

	printf("%s  %s%-10s%s %3.0f%%  %-24s %-8s %s%s%s\n", fnr_json_get_text(job, "id", ""), ask_state_color(state), state, ask_no_color(),
	       fnr_json_get_real(fnr_json_get(job, "progress"), "percent", 0), fnr_json_get_text(job, "template", ""),
	       fnr_json_get_text(job, "quality", ""), project, *project ? "/" : "", *project ? fnr_json_get_text(job, "shot", "") : "");
}

static int list(int count, char **operands)
{
	struct fnr_buf path = FNR_BUF_INIT;

	(void)count, (void)operands;
	fnr_buf_puts(&path, "/api/v1/jobs");
	ask_filter(&path, "state", options.state);
	ask_filter(&path, "project", options.project);
	ask_filter(&path, "shot", options.shot);
	ask_filter(&path, "template", options.template_);
	ask_filter(&path, "batch", options.batch);
	return ask_list(fnr_buf_take(&path), options.limit, NULL, print_row, "no jobs");
}

/* ---- one ---- */

static void print_outputs(struct json_object *job)
{
	struct json_object *outputs = fnr_json_get(job, "outputs");

	for (size_t i = 0; i < ask_count(outputs); i++)
		printf("%-10s %s\n", "output", fnr_json_get_text(json_object_array_get_idx(outputs, i), "path", ""));
}

static void print_lines(struct json_object *job)
{
	static const char *const lines[][2] = {
		{ "job", "id" }, { "state", "state" }, { "template", "template" }, { "version", "version" }, { "quality", "quality" },
		{ "project", "project" }, { "shot", "shot" }, { "take", "take" }, { "priority", "priority" }, { "queue", "queue" }, { "seed", "seed" },
		{ "attempt", "attempt" }, { "worker", "worker" }, { "inputs", "inputs" }, { "parameters", "parameters" }, { "result", "result" },
		{ "again of", "retry_of" }, { "created", "created_at" }, { "started", "started_at" }, { "finished", "finished_at" },
		{ "waits for", "waiting_for" },
	};

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		ask_line(job, lines[i][0], lines[i][1]);
}

static void print_error(struct json_object *job)
{
	struct json_object *error = fnr_json_get(job, "error");

	ask_line(error, "error", "message");
	ask_line(error, "code", "code");
	ask_line(error, "suggestion", "suggestion");
}

static void print_job(struct json_object *job)
{
	struct json_object *progress = fnr_json_get(job, "progress");

	print_lines(job);
	printf("%-10s %.0f%% %s\n", "progress", fnr_json_get_real(progress, "percent", 0), fnr_json_get_text(progress, "message", ""));
	ask_memory(fnr_json_get(fnr_json_get(progress, "resources"), "server"));
	print_outputs(job);
	print_error(job);
}

static void print_result(struct json_object *result)
{
	print_lines(result);
	print_outputs(result);
	print_error(result);
}

static int show(int count, char **operands)
{
	(void)count;
	return ask_show(ASK_PATH("jobs/{}", operands[0]), print_job);
}

static int result(int count, char **operands)
{
	(void)count;
	return ask_show(ASK_PATH("jobs/{}/result", operands[0]), print_result);
}

static int watch(int count, char **operands)
{
	(void)count;
	return follow_job(ask_client(), operands[0], shared.json);
}

static int get(int count, char **operands)
{
	char *path = ASK_PATH("jobs/{}/result", operands[0]), *what = fnr_asprintf("job %s", operands[0]);
	struct answer answer = client_request(ask_client(), "GET", path, NULL, NULL);
	int status;

	free(path);
	if (answer.status == 200) {
		status = download_files(fnr_json_get(answer.json, "outputs"), count > 1 ? operands[1] : NULL, &options.download, what);
		answer_free(&answer);
	} else {
		status = ask_failed(&answer);
	}
	free(what);
	return status;
}

/* ---- changes ---- */

static void print_cancelled(struct json_object *job)
{
	printf("job %s is being cancelled\n", fnr_json_get_text(job, "id", ""));
}

static void print_found(struct json_object *found)
{
	long long count = (long long)fnr_json_get_int(found, "found", 0);

	printf("%lld job%s being cancelled\n", count, count == 1 ? " is" : "s are");
}

/* All that fit what was said of them. */
static int cancel_found(void)
{
	struct json_object *body = json_object_new_object();
	const char *const words[][2] = { { "state", options.state }, { "project", options.project }, { "template", options.template_ }, { "batch", options.batch } };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (words[i][1])
			fnr_json_set_text(body, words[i][0], words[i][1]);
	if (options.mine)
		fnr_json_set_bool(body, "mine", true);
	if (json_object_object_length(body) == 0) {
		json_object_put(body);
		return usage_error(&command_job, "cancel takes an ID, or says which jobs: --mine, --project, --template, --batch, --state");
	}
	return ask_do("POST", fnr_strdup("/api/v1/jobs/cancel"), body, print_found);
}

static int cancel(int count, char **operands)
{
	if (count == 0)
		return cancel_found();
	return ask_do("POST", ASK_PATH("jobs/{}/cancel", operands[0]), NULL, print_cancelled);
}

static void print_priority(struct json_object *job)
{
	printf("job %s gets another priority\n", fnr_json_get_text(job, "id", ""));
}

static int change(int count, char **operands)
{
	struct json_object *body;

	(void)count;
	if (!options.priority)
		return usage_error(&command_job, "say the new priority: --priority N, from 1 to 10");
	body = json_object_new_object();
	fnr_json_set_int(body, "priority", options.priority);
	return ask_do("PATCH", ASK_PATH("jobs/{}", operands[0]), body, print_priority);
}

static void print_again(struct json_object *job)
{
	printf("Job %s\n", fnr_json_get_text(job, "id", ""));
}

static int retry(int count, char **operands)
{
	struct json_object *body = json_object_new_object();

	(void)count;
	if (options.quality)
		fnr_json_set_text(body, "quality", options.quality);
	if (options.queue)
		fnr_json_set_text(body, "queue", options.queue);
	if (options.seed >= 0)
		fnr_json_set_int(body, "seed", options.seed);
	else if (options.new_seed)
		fnr_json_set(body, "seed", NULL);
	return ask_do("POST", ASK_PATH("jobs/{}/retry", operands[0]), body, print_again);
}

static int delete(int count, char **operands)
{
	int status = EXIT_DONE;

	for (int i = 0; i < count && status == EXIT_DONE; i++) {
		status = ask_do("DELETE", ASK_PATH("jobs/{}", operands[i]), NULL, NULL);
		if (status == EXIT_DONE && !shared.json)
			printf("job %s is deleted; its takes stay\n", operands[i]);
	}
	return status;
}

/* ---- log ---- */

static void print_log(struct json_object *line)
{
	if (shared.json)
		printf("%s\n", fnr_json_text(line, NULL));
	else
		printf("%s %-5s %s\n", fnr_json_get_text(line, "time", ""), fnr_json_get_text(line, "level", ""), fnr_json_get_text(line, "text", ""));
}

#define LOG_PAGE 500

static int show_log(int operand_count, char **operands)
{
	int64_t after = 0;

	(void)operand_count;
	for (;;) {
		char *base = ASK_PATH("jobs/{}/log", operands[0]), *path = fnr_asprintf("%s?limit=%d&after=%lld", base, LOG_PAGE, (long long)after);
		struct answer answer = client_request(ask_client(), "GET", path, NULL, NULL);
		struct json_object *items = fnr_json_get(answer.json, "items");
		size_t count = 0;

		free(base);
		free(path);
		if (answer.status != 200)
			return ask_failed(&answer);
		for (count = 0; count < ask_count(items); count++) {
			struct json_object *line = json_object_array_get_idx(items, count);

			after = fnr_json_get_int(line, "n", after + 1);
			print_log(line);
		}
		answer_free(&answer);
		if (count < LOG_PAGE)
			return EXIT_DONE;
	}
}

/* ---- the command ---- */

static const struct action actions[] = {
	{ "list", "", 0, 0, "jobs, the newest first", list },
	{ "show", "ID", 1, 1, "everything about a job", show },
	{ "watch", "ID", 1, 1, "follow a job to its result; leaving does not stop it", watch },
	{ "cancel", "[ID]", 0, 1, "stop a job, or take it out of the queue; without ID all that the options name", cancel },
	{ "change", "ID", 1, 1, "give a job that waits another priority", change },
	{ "log", "ID", 1, 1, "what its script said", show_log },
	{ "result", "ID", 1, 1, "what a finished job made, with its parameters", result },
	{ "get", "ID [OUTPUT]", 1, 2, "fetch the files it made, or one of them", get },
	{ "retry", "ID", 1, 1, "do a finished job again, as a new job", retry },
	{ "delete", "ID...", 1, -1, "forget finished jobs; their takes stay", delete },
	ACTIONS_END,
};

static const struct option_row rows[] = {
	WORD("--state", 0, &options.state, "STATE", "scheduled queued running retry_wait cancelling finishing completed failed cancelled expired",
	     "list, cancel: only jobs in this state"),
	TEXT("--project", 0, &options.project, "NAME", "list, cancel: only jobs of this project"),
	TEXT("--shot", 0, &options.shot, "NAME", "list: only jobs of this shot"),
	TEXT("--template", 0, &options.template_, "NAME", "list, cancel: only jobs of this template"),
	TEXT("--batch", 0, &options.batch, "ID", "list, cancel: only jobs of this batch"),
	FLAG("--mine", 0, &options.mine, "cancel: only jobs that were submitted with this key"),
	NUMBER("--priority", 0, &options.priority, 1, 10, "N", "change: 1 to 10, 10 goes first"),
	NUMBER("--limit", 0, &options.limit, 1, 1000000, "N", "list: so many (default 20)"),
	WORD("--quality", 'q', &options.quality, "QUALITY", "draft standard high ultra", "retry: at another quality"),
	TEXT("--queue", 0, &options.queue, "QUEUE", "retry: in another queue"),
	NUMBER("--seed", 0, &options.seed, 0, 9007199254740991L, "N", "retry: with this seed (default the same)"),
	FLAG("--new-seed", 0, &options.new_seed, "retry: with a new seed"),
	DOWNLOAD_OPTIONS(options.download),
	OPTIONS_END,
};

const struct command command_job = { "job", "Look at jobs, follow, cancel and repeat them, fetch their files", 1, USES_SERVER | USES_JSON, actions, rows };
