/* fnr template: the functions there are, and a check of template files without a server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/import.h"
#include "registry/registry.h"

static struct { const char *q, *category; } options;

/* ---- of the server ---- */

static void print_row(struct json_object *template_)
{
	printf("%-28s %-8s %-8s %s\n", fnr_json_get_text(template_, "id", ""), fnr_json_get_text(template_, "version", ""),
	       fnr_json_get_text(template_, "category", ""), fnr_json_get_text(template_, "name", ""));
}

static int list(int count, char **operands)
{
	struct fnr_buf path = FNR_BUF_INIT;

	(void)count, (void)operands;
	fnr_buf_puts(&path, "/api/v1/templates");
	ask_filter(&path, "q", options.q);
	ask_filter(&path, "category", options.category);
	return ask_list(fnr_buf_take(&path), 0, NULL, print_row, "no templates");
}

static void print_input(const char *name, struct json_object *input)
{
	struct json_object *usual = fnr_json_get(input, "default"), *words = fnr_json_get(input, "enum");

	printf("  -i %s=%s%s", name, fnr_json_get_text(input, "type", ""), fnr_json_get_bool(input, "required", false) ? " (required)" : "");
	if (words)
		printf(", one of %s", fnr_json_text(words, NULL));
	if (usual)
		printf(", default %s", fnr_json_text(usual, NULL));
	if (fnr_json_get_text(input, "description", NULL))
		printf(": %s", fnr_json_get_text(input, "description", ""));
	printf("\n");
}

static void print_members(struct json_object *object, const char *title, void (*print)(const char *, struct json_object *))
{
	if (!json_object_is_type(object, json_type_object) || json_object_object_length(object) == 0)
		return;
	printf("%s\n", title);
	json_object_object_foreach(object, name, value)
		print(name, value);
}

static void print_output(const char *name, struct json_object *output)
{
	printf("  %s: %s %s\n", name, fnr_json_get_text(output, "type", ""), fnr_json_get_text(output, "description", ""));
}

static void print_template(struct json_object *template_)
{
	static const char *const lines[] = { "id", "version", "name", "description", "category", "author", "queue", "timeout_s" };

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		ask_line(template_, lines[i], lines[i]);
	print_members(fnr_json_get(template_, "inputs"), "inputs", print_input);
	print_members(fnr_json_get(template_, "outputs"), "outputs", print_output);
}

static int show(int count, char **operands)
{
	(void)count;
	return ask_show(ASK_PATH("templates/{}", operands[0]), print_template);
}

/* ---- a file, by the code that loads it ---- */

static char *folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash ? fnr_memdup0(file, slash > file ? (size_t)(slash - file) : 1) : fnr_strdup(".");
}

static void print_problems(const char *file, const struct fnr_error *err)
{
	size_t count = err->errors ? json_object_array_length(err->errors) : 0;

	if (!count)
		fprintf(stderr, "fnr: %s: %s\n", file, err->message);
	for (size_t i = 0; i < count; i++) {
		struct json_object *entry = json_object_array_get_idx(err->errors, i);
		const char *fix = fnr_json_get_text(entry, "fix", NULL);

		fprintf(stderr, "fnr: %s: %s: %s\n", file, fnr_json_get_text(entry, "pointer", ""), fnr_json_get_text(entry, "message", ""));
		if (fix)
			fprintf(stderr, "     %s\n", fix);
	}
}

static struct json_object *report(const char *file, const struct template_version *template_, const struct fnr_error *err)
{
	struct json_object *value = json_object_new_object();

	fnr_json_set_text(value, "file", file);
	fnr_json_set_bool(value, "valid", err->code == FNR_OK);
	fnr_json_set_text(value, "id", template_->definition ? template_->id : NULL);
	fnr_json_set_text(value, "version", fnr_json_get_text(template_->definition, "version", NULL));
	fnr_json_set_text(value, "message", err->code == FNR_OK ? NULL : err->message);
	fnr_json_set(value, "errors", err->errors ? json_object_get(err->errors) : json_object_new_array());
	return value;
}

static bool validate_file(const char *file, const char *scripts)
{
	struct template_version template_ = { .definition = NULL };
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *source = template_parse_file(file, &err), *value;
	char *folder = folder_of(file);
	bool valid;

	if (source)
		template_read(source, folder, scripts, &template_, &err);
	valid = err.code == FNR_OK;
	value = report(file, &template_, &err);
	if (shared.json)
		printf("%s\n", fnr_json_text(value, NULL));
	else if (valid)
		printf("%s: %s %s is valid\n", file, template_.id, fnr_json_get_text(template_.definition, "version", ""));
	else
		print_problems(file, &err);
	json_object_put(value);
	json_object_put(template_.definition);
	json_object_put(source);
	fnr_error_clear(&err);
	free(folder);
	return valid;
}

static int validate(int count, char **operands)
{
	char *scripts = fnr_asprintf("%s/scripts", data_dir(shared.client.data));
	int status = EXIT_DONE;

	for (int i = 0; i < count; i++)
		if (!validate_file(operands[i], access(scripts, F_OK) == 0 ? scripts : NULL))
			status = EXIT_FAILED;
	free(scripts);
	return status;
}

static const struct action actions[] = {
	{ "list", "", 0, 0, "the functions there are", list },
	{ "show", "TEMPLATE", 1, 1, "what a function takes and makes", show },
	{ "validate", "FILE...", 1, -1, "check template files as the server would; needs no server", validate },
	{ "import-gradio", "URL", 1, 1, "print a template for a function of the Gradio app at URL; needs no server", import_gradio },
	ACTIONS_END,
};

static const struct option_row rows[] = {
	TEXT("--search", 0, &options.q, "WORD", "list: only those with this word in id, name or description"),
	WORD("--category", 0, &options.category, "NAME", "image video audio text generic", "list: only those of this category"),
	TEXT("--api", 0, &import_gradio_options.api, "NAME", "import-gradio: which function, like /predict; not needed if the app has but one"),
	TEXT("--username", 0, &import_gradio_options.username, "NAME",
	     "import-gradio: log in as; the password is FNR_BACKEND_PASSWORD, a token FNR_BACKEND_TOKEN of the environment"),
	OPTIONS_END,
};

const struct command command_template = { "template", "Look at templates, and check template files", 1, USES_SERVER | USES_JSON, actions, rows };
