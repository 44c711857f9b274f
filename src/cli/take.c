/* fnr take: the results that were filed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/download.h"

static struct { struct download_options download; long limit; } options;

static void print_take(struct json_object *take)
{
	struct json_object *files = fnr_json_get(take, "files");

	printf("%c %4lld  %-24s %-8s %s ", fnr_json_get_bool(take, "active", false) ? '*' : ' ', (long long)fnr_json_get_int(take, "take", 0),
	       fnr_json_get_text(take, "template", ""), fnr_json_get_text(take, "quality", ""), fnr_json_get_text(take, "created_at", ""));
	for (size_t i = 0; i < ask_count(files); i++)
		printf(" %s", fnr_json_get_text(json_object_array_get_idx(files, i), "file", ""));
	printf("\n");
}

static void print_project(struct json_object *item)
{
	struct json_object *shots = fnr_json_get(item, "shots");

	for (size_t i = 0; i < ask_count(shots); i++) {
		struct json_object *shot = json_object_array_get_idx(shots, i);

		printf("%s/%s  %lld take%s", fnr_json_get_text(item, "name", ""), fnr_json_get_text(shot, "name", ""),
		       (long long)fnr_json_get_int(shot, "last_take", 0), fnr_json_get_int(shot, "last_take", 0) == 1 ? "" : "s");
		if (fnr_json_get(shot, "active_take"))
			printf(", active %lld", (long long)fnr_json_get_int(shot, "active_take", 0));
		printf("\n");
	}
}

/* The server lists all projects; ones of other names are passed over. */
static const char *wanted;
static bool found;

static bool is_wanted(struct json_object *item)
{
	bool is = strcmp(fnr_json_get_text(item, "name", ""), wanted) == 0;

	found |= is;
	return is;
}

static int list_shots(const char *name)
{
	int status;

	if (!name)
		return ask_list(ASK_PATH("projects", NULL), 0, NULL, print_project, "no projects");
	wanted = name;
	status = ask_list(ASK_PATH("projects", NULL), 0, is_wanted, print_project, "fnr: there is no such project; fnr take list shows all");
	return status == EXIT_DONE && !found ? EXIT_FAILED : status;
}

static int list(int count, char **operands)
{
	if (count < 2)
		return list_shots(count ? operands[0] : NULL);
	return ask_list(ASK_PATH("projects/{}/shots/{}/takes", operands[0], operands[1]), options.limit, NULL, print_take, "no takes");
}

static void print_all(struct json_object *take)
{
	struct json_object *files = fnr_json_get(take, "files");

	json_object_object_foreach(take, name, value) {
		(void)value;
		if (strcmp(name, "files") != 0)
			ask_line(take, name, name);
	}
	for (size_t i = 0; i < ask_count(files); i++) {
		struct json_object *file = json_object_array_get_idx(files, i);

		printf("%-10s %s (%s, %lld bytes)\n", "file", fnr_json_get_text(file, "file", ""), fnr_json_get_text(file, "media_type", ""),
		       (long long)fnr_json_get_int(file, "bytes", 0));
	}
}

static int show(int count, char **operands)
{
	(void)count;
	return ask_show(ASK_PATH("projects/{}/shots/{}/takes/{}", operands[0], operands[1], operands[2]), print_all);
}

static int get(int count, char **operands)
{
	char *path = ASK_PATH("projects/{}/shots/{}/takes/{}", operands[0], operands[1], operands[2]);
	struct answer answer = client_request(ask_client(), "GET", path, NULL, NULL);
	char *what = fnr_asprintf("take %s of %s/%s", operands[2], operands[0], operands[1]);
	int status;

	free(path);
	if (answer.status == 200) {
		status = download_files(fnr_json_get(answer.json, "files"), count > 3 ? operands[3] : NULL, &options.download, what);
		answer_free(&answer);
	} else {
		status = ask_failed(&answer);
	}
	free(what);
	return status;
}

static int activate(int count, char **operands)
{
	bool newest = strcmp(operands[2], "newest") == 0;
	struct json_object *body;
	char *end;
	long take = strtol(operands[2], &end, 10);

	(void)count;
	if (!newest && (end == operands[2] || *end || take < 1))
		return usage_error(&command_take, "'%s' is no number of a take; for the newest one, whichever that is, say newest", operands[2]);
	body = json_object_new_object();
	fnr_json_set(body, "take", newest ? NULL : json_object_new_int64(take));
	return ask_do("PUT", ASK_PATH("projects/{}/shots/{}/active-take", operands[0], operands[1]), body, NULL);
}

static int delete(int count, char **operands)
{
	int status = EXIT_DONE;

	for (int i = 2; i < count && status == EXIT_DONE; i++)
		status = ask_do("DELETE", ASK_PATH("projects/{}/shots/{}/takes/{}", operands[0], operands[1], operands[i]), NULL, NULL);
	return status;
}

static int export(int count, char **operands)
{
	struct json_object *items = json_object_new_array(), *item = json_object_new_object();
	char *name = fnr_asprintf("%s-%s-take_%03ld.tar", operands[0], operands[1], strtol(operands[2], NULL, 10));
	char *path = ASK_PATH("projects/{}/shots/{}/takes/{}/export", operands[0], operands[1], operands[2]);
	int status;

	(void)count;
	fnr_json_set_text(item, "file", name);
	fnr_json_set_text(item, "url", path);
	json_object_array_add(items, item);
	status = download_files(items, NULL, &options.download, name);
	json_object_put(items);
	free(name);
	free(path);
	return status;
}

static const struct action actions[] = {
	{ "list", "[PROJECT [SHOT]]", 0, 2, "projects and shots, or the takes of a shot; * marks the active one", list },
	{ "show", "PROJECT SHOT TAKE", 3, 3, "what a take is and what made it", show },
	{ "get", "PROJECT SHOT TAKE [FILE]", 3, 4, "fetch the files of a take, or one of them", get },
	{ "activate", "PROJECT SHOT TAKE", 3, 3, "make a take the active one; newest: the last one, whichever that is", activate },
	{ "export", "PROJECT SHOT TAKE", 3, 3, "fetch a take as a tar archive, with its take.json", export },
	{ "delete", "PROJECT SHOT TAKE...", 3, -1, "delete takes with their files; their numbers are not given again", delete },
	ACTIONS_END,
};

static const struct option_row rows[] = {
	NUMBER("--limit", 0, &options.limit, 1, 1000000, "N", "list: so many (default: all)"),
	DOWNLOAD_OPTIONS(options.download),
	OPTIONS_END,
};

const struct command command_take = { "take", "Look at takes, fetch, choose and delete them", 1, USES_SERVER | USES_JSON, actions, rows };
