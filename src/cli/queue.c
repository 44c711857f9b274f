/* fnr queue: where jobs wait, and whether they are let go. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/ask.h"
#include "cli/cli.h"

static struct { const char *until; long concurrency, per_minute; } options;

static void print_row(struct json_object *queue)
{
	const char *until = fnr_json_get_text(queue, "paused_until", NULL);

	printf("%-10s %-7lld waiting, %lld running%s%s%s", fnr_json_get_text(queue, "name", ""), (long long)fnr_json_get_int(queue, "waiting", 0),
	       (long long)fnr_json_get_int(queue, "running", 0), fnr_json_get_bool(queue, "paused", false) ? ", paused" : "",
	       until ? " until " : "", until ? until : "");
	if (fnr_json_get(queue, "concurrency"))
		printf(", at most %lld at a time", (long long)fnr_json_get_int(queue, "concurrency", 0));
	if (fnr_json_get(queue, "per_minute"))
		printf(", at most %lld a minute", (long long)fnr_json_get_int(queue, "per_minute", 0));
	printf("\n");
}

static int list(int count, char **operands)
{
	(void)count, (void)operands;
	return ask_list(ASK_PATH("queues", NULL), -1, NULL, print_row, "no queues");
}

static int show(int count, char **operands)
{
	(void)count;
	return ask_show(ASK_PATH("queues/{}", operands[0]), print_row);
}

static int pause_queue(int count, char **operands)
{
	struct json_object *body = json_object_new_object();

	(void)count;
	if (options.until)
		fnr_json_set_text(body, "until", options.until);
	return ask_do("POST", ASK_PATH("queues/{}/pause", operands[0]), body, print_row);
}

static int resume(int count, char **operands)
{
	(void)count;
	return ask_do("POST", ASK_PATH("queues/{}/resume", operands[0]), NULL, print_row);
}

static int limit(int count, char **operands)
{
	struct json_object *body = json_object_new_object();

	(void)count;
	if (options.concurrency > 0)
		fnr_json_set_int(body, "concurrency", options.concurrency);
	if (options.per_minute > 0)
		fnr_json_set_int(body, "per_minute", options.per_minute);
	return ask_do("PUT", ASK_PATH("queues/{}", operands[0]), body, print_row);
}

static void print_found(struct json_object *found)
{
	printf("%lld waiting jobs are being cancelled\n", (long long)fnr_json_get_int(found, "found", 0));
}

static int purge(int count, char **operands)
{
	(void)count;
	return ask_do("POST", ASK_PATH("queues/{}/purge", operands[0]), NULL, print_found);
}

static const struct action actions[] = {
	{ "list", "", 0, 0, "all queues, how many jobs wait and run", list },
	{ "show", "QUEUE", 1, 1, "one of them", show },
	{ "pause", "QUEUE", 1, 1, "start no more jobs of it; what runs goes on, and jobs are accepted as before", pause_queue },
	{ "resume", "QUEUE", 1, 1, "start jobs of it again", resume },
	{ "limit", "QUEUE", 1, 1, "so many of its jobs may run at a time, and start in a minute; without options as many as there are", limit },
	{ "purge", "QUEUE", 1, 1, "cancel all jobs that wait in it", purge },
	ACTIONS_END,
};

static const struct option_row rows[] = {
	TEXT("--until", 0, &options.until, "TIME", "pause: until then, like 2026-01-31T12:00:00Z (default until it is resumed)"),
	NUMBER("--concurrency", 0, &options.concurrency, 1, 1000000, "N", "limit: so many jobs at a time"),
	NUMBER("--per-minute", 0, &options.per_minute, 1, 1000000, "N", "limit: so many starts a minute"),
	OPTIONS_END,
};

const struct command command_queue = { "queue", "Look at queues, pause, resume and empty them", 1, USES_SERVER | USES_JSON, actions, rows };
