/* fnr key: API keys with the rights that a program or a person needs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/cli.h"

static struct { struct list scopes, projects; long per_minute, max_waiting; } options;

static void print_words(struct json_object *list, const char *otherwise)
{
	size_t count = ask_count(list);

	for (size_t i = 0; i < count; i++)
		printf("%s%s", i ? "," : "", json_object_get_string(json_object_array_get_idx(list, i)));
	if (!count)
		printf("%s", otherwise);
}

static void print_row(struct json_object *key)
{
	printf("%-10s ", fnr_json_get_text(key, "id", ""));
	print_words(fnr_json_get(key, "scopes"), "none");
	printf("  ");
	print_words(fnr_json_get(key, "projects"), "all projects");
	printf("  %s  %s\n", fnr_json_get_text(key, "created_at", ""), fnr_json_get_text(key, "name", ""));
}

static int list(int count, char **operands)
{
	(void)count, (void)operands;
	return ask_list(ASK_PATH("keys", NULL), -1, NULL, print_row, "no keys");
}

/* The key alone on standard output, so that it can go into a file or a variable. */
static void print_made(struct json_object *key)
{
	fprintf(stderr, "key %s; it is shown this once. Give it as FNR_KEY, or as Authorization: Bearer\n", fnr_json_get_text(key, "id", ""));
	printf("%s\n", fnr_json_get_text(key, "key", ""));
}

/* --scope read,submit and --scope read --scope submit are the same. */
static struct json_object *words(const struct list *list)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < list->count; i++)
		for (const char *at = list->items[i]; *at;) {
			size_t len = strcspn(at, ",");

			if (len)
				json_object_array_add(array, json_object_new_string_len(at, (int)len));
			at += len + (at[len] == ',');
		}
	return array;
}

static int create(int count, char **operands)
{
	struct json_object *body = json_object_new_object();

	(void)count;
	if (!options.scopes.count) {
		json_object_put(body);
		return usage_error(&command_key, "say what the key may do: --scope read, submit or admin; it can be given several times");
	}
	fnr_json_set_text(body, "name", operands[0]);
	fnr_json_set(body, "scopes", words(&options.scopes));
	if (options.projects.count)
		fnr_json_set(body, "projects", words(&options.projects));
	if (options.per_minute)
		fnr_json_set_int(body, "per_minute", options.per_minute);
	if (options.max_waiting)
		fnr_json_set_int(body, "max_waiting", options.max_waiting);
	return ask_do("POST", ASK_PATH("keys", NULL), body, print_made);
}

static int delete(int count, char **operands)
{
	int status = EXIT_DONE;

	for (int i = 0; i < count && status == EXIT_DONE; i++) {
		status = ask_do("DELETE", ASK_PATH("keys/{}", operands[i]), NULL, NULL);
		if (status == EXIT_DONE && !shared.json)
			printf("key %s is valid no longer\n", operands[i]);
	}
	return status;
}

static const struct action actions[] = {
	{ "list", "", 0, 0, "the keys there are, without their secrets", list },
	{ "create", "NAME", 1, 1, "make one; it is printed this once", create },
	{ "delete", "ID...", 1, -1, "make keys invalid at once", delete },
	ACTIONS_END,
};

static const struct option_row rows[] = {
	LIST("--scope", 0, &options.scopes, "SCOPE", "create: read, submit or admin; several times, or with commas"),
	LIST("--project", 0, &options.projects, "NAME", "create: for this project only; several times, or with commas (default: all)"),
	NUMBER("--per-minute", 0, &options.per_minute, 1, 1000000, "N", "create: so many requests may be made with it in a minute"),
	NUMBER("--max-waiting", 0, &options.max_waiting, 1, 1000000000, "N", "create: so many of its jobs may wait at the same time"),
	OPTIONS_END,
};

const struct command command_key = { "key", "Make, list and delete API keys", 1, USES_SERVER | USES_JSON, actions, rows };
