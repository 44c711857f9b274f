/* fnr template validate: files, by the code that loads them; again and again while they are edited. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/ask.h"
#include "cli/template.h"
#include "registry/registry.h"

#define TEMPLATE_MOST (1u << 20)
#define STANDARD_INPUT "standard input"
#define SETTLE_MS 100

bool template_is_yaml(const char *file)
{
	const char *dot = strrchr(file, '.');

	return !dot || strcasecmp(dot, ".json") != 0;
}

bool template_is_file(const char *name)
{
	const char *dot = strrchr(name, '.');

	return strchr(name, '/') || (dot && (strcasecmp(dot, ".yaml") == 0 || strcasecmp(dot, ".yml") == 0 || strcasecmp(dot, ".json") == 0));
}

/* In YAML an object may be in braces, too. */
static bool text_is_yaml(const struct fnr_buf *text)
{
	struct json_object *json = NULL, *yaml = NULL;
	bool is = text->data[strspn(text->data, " \t\r\n")] != '{';

	if (!is && !(json = template_parse(text->data, text->len, false, STANDARD_INPUT, NULL)))
		is = (yaml = template_parse(text->data, text->len, true, STANDARD_INPUT, NULL)) != NULL;
	json_object_put(json);
	json_object_put(yaml);
	return is;
}

int template_read_given(const char *operand, struct template_given *given_r, struct fnr_error *err)
{
	bool input = strcmp(operand, "-") == 0;
	int code;

	*given_r = (struct template_given){ input ? STANDARD_INPUT : operand, !input && template_is_yaml(operand), FNR_BUF_INIT };
	code = fnr_file_read(input ? "/dev/stdin" : operand, TEMPLATE_MOST, &given_r->text, err);
	fnr_buf_puts(&given_r->text, "");
	if (input && code == FNR_OK)
		given_r->yaml = text_is_yaml(&given_r->text);
	return code;
}

static char *folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash ? fnr_memdup0(file, slash > file ? (size_t)(slash - file) : 1) : fnr_strdup(".");
}

/* ---- one file ---- */

/* Where parents and scripts are looked for: beside it, in the data directory, in what is installed. */
struct around { char *folders[3], *scripts, *rules; struct template_files files; struct template_places places; };

static void look_around(struct around *around, const char *file, int count, char **operands)
{
	const char *data = data_dir(shared.client.data);

	around->folders[0] = folder_of(file);
	around->folders[1] = fnr_asprintf("%s/templates", data);
	around->folders[2] = fnr_asprintf("%s/templates", fnr_share_dir());
	around->scripts = fnr_asprintf("%s/scripts", data);
	around->rules = fnr_asprintf("%s/rules", data);
	around->files = (struct template_files){ (const char *const *)operands, (size_t)count, (const char *const *)around->folders, 3 };
	around->places = (struct template_places){ around->folders[2], access(around->scripts, F_OK) == 0 ? around->scripts : NULL, around->rules, template_parent_files, &around->files };
}

static void around_free(struct around *around)
{
	for (size_t i = 0; i < 3; i++)
		free(around->folders[i]);
	free(around->scripts);
	free(around->rules);
}

static struct json_object *report_text(const char *file, bool yaml, const struct fnr_buf *text, int count, char **operands)
{
	struct template_draft *draft;
	struct json_object *report;
	struct around around;

	look_around(&around, file, count, operands);
	draft = template_draft_read(&(struct template_text){ file, around.folders[0], yaml, text->data ? text->data : "", text->len }, &around.places);
	report = template_report(draft);
	template_draft_free(draft);
	around_free(&around);
	return report;
}

static struct json_object *report_on(const char *operand, int count, char **operands)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct template_given given;
	struct json_object *report;

	if (template_read_given(operand, &given, &err) != FNR_OK)
		report = template_report_unreadable(given.name, err.message);
	else
		report = report_text(given.name, given.yaml, &given.text, count, operands);
	fnr_buf_free(&given.text);
	fnr_error_clear(&err);
	return report;
}

/* ---- all of them ---- */

static void show_text(struct json_object *report)
{
	struct fnr_buf text = FNR_BUF_INIT;

	template_report_text(report, &text);
	fputs(text.data ? text.data : "", fnr_json_get_bool(report, "valid", false) ? stdout : stderr);
	fnr_buf_free(&text);
}

bool template_check_text(const char *file, const struct fnr_buf *text)
{
	struct json_object *report = report_text(file, template_is_yaml(file), text, 0, NULL);
	bool valid = fnr_json_get_bool(report, "valid", false);

	if (!valid)
		show_text(report);
	json_object_put(report);
	return valid;
}

static void show(struct json_object **reports, int count)
{
	struct fnr_buf page = FNR_BUF_INIT;

	if (template_options.html) {
		template_report_html(reports, (size_t)count, &page);
		fputs(page.data, stdout);
		fnr_buf_free(&page);
		return;
	}
	for (int i = 0; i < count; i++) {
		if (shared.json)
			printf("%s\n", fnr_json_text(reports[i], NULL));
		else
			show_text(reports[i]);
	}
}

static int validate_all(int count, char **operands)
{
	struct json_object **reports = fnr_alloc((size_t)count * sizeof(struct json_object *));
	int status = EXIT_DONE;

	for (int i = 0; i < count; i++) {
		reports[i] = report_on(operands[i], count, operands);
		if (!fnr_json_get_bool(reports[i], "valid", false))
			status = EXIT_FAILED;
	}
	show(reports, count);
	for (int i = 0; i < count; i++)
		json_object_put(reports[i]);
	free(reports);
	fflush(stdout);
	return status;
}

/* ---- while they are edited ---- */

static bool wait_for_change(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char events[4096] __attribute__((aligned(8)));

	if (poll(&poll_fd, 1, -1) < 0)
		return errno == EINTR;
	do {
		if (read(fd, events, sizeof events) < 0 && errno != EAGAIN)
			return false;
	} while (poll(&poll_fd, 1, SETTLE_MS) > 0);
	return true;
}

static int watch(int count, char **operands)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	for (int i = 0; i < count; i++) {
		char *folder;

		if (strcmp(operands[i], "-") == 0) {
			fprintf(stderr, "fnr: " STANDARD_INPUT " comes once: name files to watch\n");
			return EXIT_FAILED;
		}
		folder = folder_of(operands[i]);

		if (fd < 0 || inotify_add_watch(fd, folder, IN_CREATE | IN_DELETE | IN_MOVE | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB) < 0) {
			fprintf(stderr, "fnr: %s cannot be watched: %s\n", folder, strerror(errno));
			free(folder);
			return EXIT_FAILED;
		}
		free(folder);
	}
	do
		validate_all(count, operands);
	while (wait_for_change(fd));
	close(fd);
	return EXIT_FAILED;
}

int template_validate(int count, char **operands)
{
	return template_options.watch ? watch(count, operands) : validate_all(count, operands);
}
