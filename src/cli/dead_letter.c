/* fnr dead-letter: jobs that failed for good, until somebody runs them again or puts them aside. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/ask.h"
#include "cli/cli.h"

static struct {
	const char *project, *template_, *class_, *quality, *queue;
	long limit;
	bool all;
} options = { .limit = 20 };

static void print_row(struct json_object *job)
{
	printf("%s  %-24s %-20s %s\n", fnr_json_get_text(job, "id", ""), fnr_json_get_text(job, "template", ""),
	       fnr_json_get_text(fnr_json_get(job, "error"), "code", ""), fnr_json_get_text(fnr_json_get(job, "error"), "message", ""));
}

static int list(int count, char **operands)
{
	struct fnr_buf path = FNR_BUF_INIT;

	(void)count, (void)operands;
	fnr_buf_puts(&path, "/api/v1/dead-letters");
	ask_filter(&path, "project", options.project);
	ask_filter(&path, "template", options.template_);
	ask_filter(&path, "class", options.class_);
	return ask_list(fnr_buf_take(&path), options.limit, NULL, print_row, "no dead letters");
}

static void print_made(struct json_object *made)
{
	struct json_object *skipped = fnr_json_get(made, "skipped");

	printf("%s %s\n", fnr_json_get(made, "jobs") ? "Batch" : "Job", fnr_json_get_text(made, "id", ""));
	for (size_t i = 0; skipped && i < json_object_array_length(skipped); i++) {
		struct json_object *problem = json_object_array_get_idx(skipped, i), *error = json_object_array_get_idx(fnr_json_get(problem, "errors"), 0);
		const char *message = fnr_json_get_text(problem, "message", "");

		printf("%s is skipped: %s\n", fnr_json_get_text(problem, "job", ""), *message ? message : fnr_json_get_text(error, "message", ""));
	}
}

static struct json_object *changes(void)
{
	struct json_object *body = json_object_new_object();

	if (options.quality)
		fnr_json_set_text(body, "quality", options.quality);
	if (options.queue)
		fnr_json_set_text(body, "queue", options.queue);
	return body;
}

static int replay_all(void)
{
	struct json_object *body = changes();

	if (options.project)
		fnr_json_set_text(body, "project", options.project);
	if (options.template_)
		fnr_json_set_text(body, "template", options.template_);
	if (options.class_)
		fnr_json_set_text(body, "class", options.class_);
	return ask_do("POST", ASK_PATH("dead-letters/replay", NULL), body, print_made);
}

static int replay(int count, char **operands)
{
	if (count == 0 && options.all)
		return replay_all();
	if (count == 0 || options.all)
		return usage_error(&command_dead_letter, "replay takes an ID, or --all with what they have in common");
	return ask_do("POST", ASK_PATH("dead-letters/{}/replay", operands[0]), changes(), print_made);
}

static int discard(int count, char **operands)
{
	int status = EXIT_DONE;

	for (int i = 0; i < count && status == EXIT_DONE; i++)
		status = ask_do("DELETE", ASK_PATH("dead-letters/{}", operands[i]), NULL, NULL);
	return status;
}

static const struct action actions[] = {
	{ "list", "", 0, 0, "jobs that failed for good, the last one first", list },
	{ "replay", "[ID]", 0, 1, "run one again, or with --all all that the options name", replay },
	{ "discard", "ID...", 1, -1, "they are no dead letters any more; the jobs stay", discard },
	ACTIONS_END,
};

static const struct option_row rows[] = {
	TEXT("--project", 0, &options.project, "NAME", "only of this project"),
	TEXT("--template", 0, &options.template_, "NAME", "only of this template"),
	WORD("--class", 0, &options.class_, "CLASS", "transient resource validation permanent unknown", "only with errors of this class"),
	FLAG("--all", 0, &options.all, "replay: all of them, at most 1000, as a batch"),
	WORD("--quality", 'q', &options.quality, "QUALITY", "draft standard high ultra", "replay: at another quality"),
	TEXT("--queue", 0, &options.queue, "QUEUE", "replay: in another queue"),
	NUMBER("--limit", 0, &options.limit, 1, 1000000, "N", "list: so many (default 20)"),
	OPTIONS_END,
};

const struct command command_dead_letter = { "dead-letter", "Look at jobs that failed for good, run them again", 1, USES_SERVER | USES_JSON, actions, rows };
