#include "cli/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"

#define PAGE_MOST 500

static struct client *client;

struct client *ask_client(void)
{
	if (!client)
		client = client_open(&shared.client);
	return client;
}

void ask_close(void)
{
	if (client)
		client_close(client);
	client = NULL;
}

/* ---- paths ---- */

char *ask_path(const char *pattern, const char *const *texts)
{
	struct fnr_buf path = FNR_BUF_INIT;
	const char *mark;

	fnr_buf_puts(&path, "/api/v1/");
	for (; (mark = strstr(pattern, "{}")); pattern = mark + 2) {
		char *escaped = client_escape(*texts++);

		fnr_buf_add(&path, pattern, (size_t)(mark - pattern));
		fnr_buf_puts(&path, escaped);
		free(escaped);
	}
	fnr_buf_puts(&path, pattern);
	return fnr_buf_take(&path);
}

void ask_filter(struct fnr_buf *path, const char *name, const char *value)
{
	char *escaped = value ? client_escape(value) : NULL;

	if (escaped)
		fnr_buf_printf(path, "%c%s=%s", strchr(path->data, '?') ? '&' : '?', name, escaped);
	free(escaped);
}

/* ---- asking ---- */

size_t ask_count(struct json_object *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

int ask_failed(struct answer *answer)
{
	if (!client_interrupted())
		client_complain(ask_client(), answer);
	answer_free(answer);
	return client_interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
}

static bool worked(const struct answer *answer)
{
	return answer->status >= 200 && answer->status < 300;
}

static void say(struct json_object *value, ask_shown *show)
{
	if (shared.json && value)
		printf("%s\n", fnr_json_text(value, NULL));
	else if (!shared.json && show)
		show(value);
}

int ask_do(const char *method, char *path, struct json_object *body, ask_shown *show)
{
	struct answer answer = client_request(ask_client(), method, path, body, NULL);

	free(path);
	json_object_put(body);
	if (!worked(&answer) || (show && !json_object_is_type(answer.json, json_type_object)))
		return ask_failed(&answer);
	say(answer.json, show);
	answer_free(&answer);
	return EXIT_DONE;
}

int ask_show(char *path, ask_shown *show)
{
	return ask_do("GET", path, NULL, show);
}

static char *page_path(const char *path, long limit, const char *cursor)
{
	struct fnr_buf page = FNR_BUF_INIT;
	char number[24];

	fnr_buf_puts(&page, path);
	if (limit) {
		snprintf(number, sizeof number, "%ld", limit);
		ask_filter(&page, "limit", number);
	}
	ask_filter(&page, "cursor", cursor);
	return fnr_buf_take(&page);
}

int ask_list(char *path, long limit, ask_kept *keep, ask_shown *row, const char *none)
{
	long shown = 0;
	char *cursor = NULL;

	do {
		long left = limit > 0 ? limit - shown : limit < 0 ? 0 : PAGE_MOST;
		char *page = page_path(path, left > PAGE_MOST ? PAGE_MOST : left, cursor);
		struct answer answer = client_request(ask_client(), "GET", page, NULL, NULL);
		struct json_object *items = fnr_json_get(answer.json, "items");

		free(page);
		free(cursor);
		if (answer.status != 200) {
			free(path);
			return ask_failed(&answer);
		}
		for (size_t i = 0; i < ask_count(items); i++) {
			struct json_object *item = json_object_array_get_idx(items, i);

			if (!json_object_is_type(item, json_type_object) || (keep && !keep(item)))
				continue;
			shown++;
			say(item, row);
		}
		cursor = fnr_json_get_text(answer.json, "next_cursor", NULL) ? fnr_strdup(fnr_json_get_text(answer.json, "next_cursor", "")) : NULL;
		answer_free(&answer);
	} while (cursor && (limit <= 0 || shown < limit));
	free(cursor);
	free(path);
	if (shown == 0 && !shared.json)
		fprintf(stderr, "%s\n", none);
	return EXIT_DONE;
}

/* ---- showing ---- */

void ask_line(struct json_object *value, const char *label, const char *member)
{
	struct json_object *text = fnr_json_get(value, member);

	if (text)
		printf("%-11s %s\n", label, json_object_is_type(text, json_type_string) ? json_object_get_string(text) : fnr_json_text(text, NULL));
}

static void print_devices(struct json_object *found)
{
	struct json_object *devices = fnr_json_get(found, "devices");

	for (size_t i = 0; i < ask_count(devices); i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);

		printf("%-11s %s, %.1f GB of %.1f GB free", "device", fnr_json_get_text(device, "name", "?"), fnr_json_get_real(device, "vram_free", 0) / 1e9,
		       fnr_json_get_real(device, "vram_total", 0) / 1e9);
		if (fnr_json_get(device, "compute_capability"))
			printf(", compute capability %.1f", fnr_json_get_real(device, "compute_capability", 0));
		printf("\n");
	}
}

void ask_room(struct json_object *found, const char *label, const char *total, const char *left)
{
	if (fnr_json_get_int(found, total, 0) > 0)
		printf("%-11s %.1f GB of %.1f GB free\n", label, fnr_json_get_real(found, left, 0) / 1e9, fnr_json_get_real(found, total, 0) / 1e9);
}

void ask_memory(struct json_object *found)
{
	print_devices(found);
	ask_room(found, "memory", "ram_total", "ram_free");
}

bool ask_colored(void)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(none && *none) && term && *term && strcmp(term, "dumb") != 0;
}

const char *ask_state_color(const char *state)
{
	static const char *const colors[][2] = {
		{ "completed", "\x1b[32m" }, { "failed", "\x1b[31m" }, { "expired", "\x1b[31m" }, { "cancelled", "\x1b[33m" },
		{ "running", "\x1b[36m" }, { "finishing", "\x1b[36m" }, { "retry_wait", "\x1b[33m" },
		{ "ok", "\x1b[32m" }, { "warn", "\x1b[33m" }, { "fail", "\x1b[31m" },
	};

	for (size_t i = 0; ask_colored() && i < sizeof colors / sizeof colors[0]; i++)
		if (strcmp(colors[i][0], state) == 0)
			return colors[i][1];
	return "";
}

const char *ask_no_color(void)
{
	return ask_colored() ? "\x1b[0m" : "";
}
