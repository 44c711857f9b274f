/* fnr worker: the processes that run jobs. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/ask.h"
#include "cli/cli.h"

static struct { long least, most; } options = { -1, -1 };

static void print_row(struct json_object *worker)
{
	printf("%-6s %-9s pid %-8lld %4lld done, since %s", fnr_json_get_text(worker, "id", ""), fnr_json_get_text(worker, "state", ""),
	       (long long)fnr_json_get_int(worker, "pid", 0), (long long)fnr_json_get_int(worker, "done", 0), fnr_json_get_text(worker, "since", ""));
	if (fnr_json_get(worker, "cpu_ms"))
		printf(", %.1f s of CPU, %.0f MB", fnr_json_get_real(worker, "cpu_ms", 0) / 1e3, fnr_json_get_real(worker, "memory_bytes", 0) / 1e6);
	if (fnr_json_get(worker, "backend"))
		printf(", backend %s", fnr_json_get_text(worker, "backend", ""));
	if (fnr_json_get(worker, "job"))
		printf(", job %s, heard %s", fnr_json_get_text(worker, "job", ""), fnr_json_get_text(worker, "heard_at", ""));
	printf("\n");
}

static int list(int count, char **operands)
{
	(void)count, (void)operands;
	return ask_list(ASK_PATH("workers", NULL), -1, NULL, print_row, "no workers");
}

static int show(int count, char **operands)
{
	(void)count;
	return ask_show(ASK_PATH("workers/{}", operands[0]), print_row);
}

static int drain(int count, char **operands)
{
	(void)count;
	return ask_do("POST", ASK_PATH("workers/{}/drain", operands[0]), NULL, NULL);
}

static int restart(int count, char **operands)
{
	(void)count;
	return ask_do("POST", ASK_PATH("workers/{}/restart", operands[0]), NULL, NULL);
}

static int stop(int count, char **operands)
{
	(void)count;
	return ask_do("DELETE", ASK_PATH("workers/{}", operands[0]), NULL, NULL);
}

static void print_scale(struct json_object *scale)
{
	printf("from %lld to %lld workers\n", (long long)fnr_json_get_int(scale, "min", 0), (long long)fnr_json_get_int(scale, "max", 0));
}

static int scale(int count, char **operands)
{
	struct json_object *body = json_object_new_object();

	(void)count, (void)operands;
	if (options.least >= 0)
		fnr_json_set_int(body, "min", options.least);
	if (options.most >= 0)
		fnr_json_set_int(body, "max", options.most);
	return ask_do("POST", ASK_PATH("workers/scale", NULL), body, print_scale);
}

static const struct action actions[] = {
	{ "list", "", 0, 0, "what each does, for how long, and what it takes", list },
	{ "show", "ID", 1, 1, "one of them", show },
	{ "drain", "ID", 1, 1, "it ends after its present job", drain },
	{ "restart", "ID", 1, 1, "the same, and another one comes for it", restart },
	{ "stop", "ID", 1, 1, "it ends at once; its job is run again where the template allows", stop },
	{ "scale", "", 0, 0, "how many there may be; what is left out is as configured again", scale },
	ACTIONS_END,
};

static const struct option_row rows[] = {
	NUMBER("--min", 0, &options.least, 0, 1024, "N", "scale: so many are kept ready"),
	NUMBER("--max", 0, &options.most, 1, 1024, "N", "scale: there are never more"),
	OPTIONS_END,
};

const struct command command_worker = { "worker", "Look at workers, end them, have more or fewer", 8, USES_SERVER | USES_JSON, actions, rows };
