/* fnr template: the functions there are, and a check of template files without a server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/import.h"
#include "cli/template.h"
#include "registry/registry.h"

#define TEMPLATE_MOST (1u << 20)

struct template_options template_options;

/* ---- of the server ---- */

static void print_row(struct json_object *template_)
{
	printf("%-28s %-8s %-8s %s%s\n", fnr_json_get_text(template_, "id", ""), fnr_json_get_text(template_, "version", ""),
	       fnr_json_get_text(template_, "category", ""), fnr_json_get_text(template_, "name", ""), fnr_json_get(template_, "deprecated") ? " (deprecated)" : "");
}

static void print_broken(struct json_object *report)
{
	struct fnr_buf text = FNR_BUF_INIT;

	template_report_text(report, &text);
	fputs(text.data ? text.data : "", stdout);
	fnr_buf_free(&text);
}

static int list(int count, char **operands)
{
	struct fnr_buf path = FNR_BUF_INIT;

	(void)count, (void)operands;
	fnr_buf_puts(&path, "/api/v1/templates");
	if (template_options.broken) {
		ask_filter(&path, "state", "broken");
		return ask_list(fnr_buf_take(&path), 0, NULL, print_broken, "nothing is broken");
	}
	ask_filter(&path, "q", template_options.q);
	ask_filter(&path, "category", template_options.category);
	ask_filter(&path, "backend", template_options.backend);
	ask_filter(&path, "capability", template_options.capability);
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

static void print_deprecation(struct json_object *deprecated)
{
	const char *sunset = fnr_json_get_text(deprecated, "sunset", NULL), *successor = fnr_json_get_text(deprecated, "successor", NULL);

	if (deprecated)
		printf("%-11s since %.10s%s%.10s%s%s\n", "deprecated", fnr_json_get_text(deprecated, "at", ""), sunset ? ", goes on " : "", sunset ? sunset : "",
		       successor ? ", use " : "", successor ? successor : "");
}

static void print_template(struct json_object *template_)
{
	static const char *const lines[] = { "id", "version", "name", "description", "category", "author", "queue", "timeout_s" };

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		if (strcmp(fnr_json_get_text(template_, lines[i], "."), "") != 0)
			ask_line(template_, lines[i], lines[i]);
	print_deprecation(fnr_json_get(template_, "deprecated"));
	print_members(fnr_json_get(template_, "inputs"), "inputs", print_input);
	print_members(fnr_json_get(template_, "outputs"), "outputs", print_output);
}

static int show(int count, char **operands)
{
	(void)count;
	return ask_show(ASK_PATH("templates/{}", operands[0]), print_template);
}

/* ---- changing what is there ---- */

char *template_resolve(const char *reference, char **id_r, int *status_r)
{
	char *path = ASK_PATH("templates/{}", reference);
	struct answer answer = client_request(ask_client(), "GET", path, NULL, NULL);
	char *version;

	free(path);
	*id_r = NULL;
	if (answer.status != 200) {
		*status_r = ask_failed(&answer);
		return NULL;
	}
	*status_r = EXIT_DONE;
	*id_r = fnr_strdup(fnr_json_get_text(answer.json, "id", ""));
	version = fnr_strdup(fnr_json_get_text(answer.json, "version", ""));
	answer_free(&answer);
	return version;
}

static void print_registered(struct json_object *template_)
{
	struct json_object *warnings = fnr_json_get(template_, "warnings");

	for (size_t i = 0; warnings && i < json_object_array_length(warnings); i++) {
		struct json_object *warning = json_object_array_get_idx(warnings, i);

		fprintf(stderr, "fnr: warning: %s: %s; %s\n", fnr_json_get_text(warning, "pointer", ""), fnr_json_get_text(warning, "message", ""),
		        fnr_json_get_text(warning, "fix", ""));
	}
	printf("%s %s is in force\n", fnr_json_get_text(template_, "id", ""), fnr_json_get_text(template_, "version", ""));
}

/* The text goes as it is, so that it can be exported as it is. */
static struct answer send_text(const char *method, char *path, const struct template_given *given, const char *const *headers)
{
	struct answer answer = client_send(ask_client(), method, path, given->yaml ? "application/yaml" : "application/json", given->text.data, given->text.len,
	                                   headers, NULL);

	free(path);
	return answer;
}

static int say_registered(struct answer answer)
{
	bool exists = strcmp(fnr_json_get_text(answer.json, "code", ""), "exists") == 0;

	if (answer.status < 200 || answer.status >= 300) {
		int status = ask_failed(&answer);

		if (exists)
			fprintf(stderr, "     raise its version, or put it in that one's place with --replace\n");
		return status;
	}
	if (shared.json)
		printf("%s\n", fnr_json_text(answer.json, NULL));
	else
		print_registered(answer.json);
	answer_free(&answer);
	return EXIT_DONE;
}

/* In place of the version if there is one. */
static struct answer replace(struct json_object *value, const struct template_given *given)
{
	static const char *const any[] = { "If-Match: *", NULL };
	struct answer answer = send_text("PUT", ASK_PATH("templates/{}/versions/{}", fnr_json_get_text(value, "id", "-"), fnr_json_get_text(value, "version", "-")),
	                                 given, any);

	if (answer.status != 412)
		return answer;
	answer_free(&answer);
	return send_text("POST", ASK_PATH("templates", NULL), given, NULL);
}

static int register_file(int count, char **operands)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value = NULL;
	struct template_given given;
	int status = EXIT_FAILED;

	(void)count;
	if (template_read_given(operands[0], &given, &err) == FNR_OK)
		value = template_parse(given.text.data, given.text.len, given.yaml, given.name, &err);
	if (err.code != FNR_OK)
		fprintf(stderr, "fnr: %s\n", err.message);
	else
		status = say_registered(template_options.replace ? replace(value, &given) : send_text("POST", ASK_PATH("templates", NULL), &given, NULL));
	json_object_put(value);
	fnr_buf_free(&given.text);
	fnr_error_clear(&err);
	return status;
}

static int export(int count, char **operands)
{
	static const char *const yaml[] = { "Accept: application/yaml", NULL };
	struct fnr_buf text = FNR_BUF_INIT;
	struct answer answer;
	int status;
	char *id, *version = template_resolve(operands[0], &id, &status), *path;

	(void)count;
	if (!version)
		return status;
	path = ASK_PATH("templates/{}/versions/{}", id, version);
	answer = client_send(ask_client(), "GET", path, NULL, "", 0, shared.json ? NULL : yaml, &text);
	if (answer.status == 200)
		fwrite(text.data, 1, text.len, stdout);
	if (answer.status == 200 && text.len && text.data[text.len - 1] != '\n')
		printf("\n");
	status = answer.status == 200 ? EXIT_DONE : ask_failed(&answer);
	if (status == EXIT_DONE)
		answer_free(&answer);
	fnr_buf_free(&text);
	free(path);
	free(id);
	free(version);
	return status;
}

static void print_deprecated(struct json_object *template_)
{
	printf("%s %s is %s\n", fnr_json_get_text(template_, "id", ""), fnr_json_get_text(template_, "version", ""),
	       fnr_json_get(template_, "deprecated") ? "deprecated" : "not deprecated");
}

static int deprecate(int count, char **operands)
{
	struct json_object *body = json_object_new_object();
	int status;
	char *id, *version = template_resolve(operands[0], &id, &status);

	(void)count;
	if (template_options.sunset)
		fnr_json_set_text(body, "sunset", template_options.sunset);
	if (template_options.successor)
		fnr_json_set_text(body, "successor", template_options.successor);
	if (template_options.undo)
		fnr_json_set_bool(body, "deprecated", false);
	if (version)
		status = ask_do("POST", ASK_PATH("templates/{}/versions/{}/deprecate", id, version), json_object_get(body), print_deprecated);
	json_object_put(body);
	free(id);
	free(version);
	return status;
}

/* Only of a whole version: what is gone is gone. */
static int delete(int count, char **operands)
{
	static const char *const any[] = { "If-Match: *", NULL };
	const char *at = strchr(operands[0], '@');
	struct store_version version;
	struct answer answer;
	char *id, *path;

	(void)count;
	if (!at || template_version_parse(at + 1, &version) != 3) {
		fprintf(stderr, "fnr: name the version that is to go, like %.*s@1.0.0\n", (int)strcspn(operands[0], "@"), operands[0]);
		return EXIT_FAILED;
	}
	id = fnr_memdup0(operands[0], (size_t)(at - operands[0]));
	path = ASK_PATH("templates/{}/versions/{}", id, at + 1);
	answer = client_request(ask_client(), "DELETE", path, NULL, any);
	free(id);
	free(path);
	if (answer.status != 204)
		return ask_failed(&answer);
	printf("%s is gone\n", operands[0]);
	answer_free(&answer);
	return EXIT_DONE;
}

static const struct action actions[] = {
	{ "list", "", 0, 0, "the functions there are", list },
	{ "show", "TEMPLATE", 1, 1, "what a function takes and makes", show },
	{ "new", "[ID]", 0, 1, "write a template file to begin with; asks for what no option says; needs no server", template_new },
	{ "validate", "FILE...", 1, -1, "check template files as the server would; - is standard input; needs no server", template_validate },
	{ "register", "FILE", 1, 1, "put a template in force over the API; - is standard input", register_file },
	{ "export", "TEMPLATE", 1, 1, "print the text of a version as it was given", export },
	{ "diff", "[TEMPLATE|FILE] TEMPLATE|FILE", 1, 2, "what changes from the one to the other; of one: from what is in force; ends with 1 if they differ, 2 if that cannot be told", template_diff },
	{ "deprecate", "TEMPLATE", 1, 1, "say that a version should not be used any more", deprecate },
	{ "delete", "TEMPLATE@VERSION", 1, 1, "delete a version that was made over the API", delete },
	{ "import-comfyui", "FILE", 1, 1, "print a template for the workflow in FILE, exported from ComfyUI in API format; needs no server", import_comfyui },
	{ "import-gradio", "URL", 1, 1, "print a template for a function of the Gradio app at URL; needs no server", import_gradio },
	ACTIONS_END,
};

static const struct option_row rows[] = {
	TEXT("--search", 0, &template_options.q, "WORD", "list: only those with this in id, name, description, tags or capabilities"),
	WORD("--category", 0, &template_options.category, "NAME", "image video audio text generic", "list: only those of this category; new: its category"),
	WORD("--backend", 0, &template_options.backend, "TYPE", "script comfyui gradio noop", "list: only those for this type of backend; new: script or noop"),
	TEXT("--capability", 0, &template_options.capability, "WORD", "list: only those with this capability"),
	FLAG("--broken", 0, &template_options.broken, "list: what could not be loaded, and why"),
	TEXT("--name", 0, &template_options.name, "NAME", "new: what people call it"),
	TEXT("--description", 0, &template_options.description, "TEXT", "new: what it makes"),
	LIST("--input", 'i', &template_options.inputs, "NAME:TYPE", "new: an input; may be given several times"),
	LIST("--output", 'o', &template_options.outputs, "NAME:TYPE", "new: an output; may be given several times"),
	TEXT("--file", 0, &template_options.file, "FILE", "new: where it is written (default ID.yaml)"),
	FLAG("--watch", 0, &template_options.watch, "validate: again whenever something beside the files changes"),
	FLAG("--html", 0, &template_options.html, "validate: print a page"),
	FLAG("--replace", 0, &template_options.replace, "register: in place of the same version"),
	TEXT("--sunset", 0, &template_options.sunset, "TIME", "deprecate: when it will go, like 2027-01-31T00:00:00Z"),
	TEXT("--successor", 0, &template_options.successor, "TEMPLATE", "deprecate: what to use instead"),
	FLAG("--undo", 0, &template_options.undo, "deprecate: it is not deprecated any more"),
	TEXT("--api", 0, &import_gradio_options.api, "NAME", "import-gradio: which function, like /predict; not needed if the app has but one"),
	TEXT("--ca-file", 0, &import_gradio_options.ca_file, "FILE", "import-gradio: certificates (PEM) of the authorities that vouch for an https app"),
	TEXT("--username", 0, &import_gradio_options.username, "NAME",
	     "import-gradio: log in as; the password is FNR_BACKEND_PASSWORD, a token FNR_BACKEND_TOKEN of the environment"),
	OPTIONS_END,
};

const struct command command_template = { "template", "Look at templates, make, check and change them", 1, USES_SERVER | USES_JSON, actions, rows };
