/* fnr template import-gradio: asks an app what it has, and prints a template for one of its functions. */
#include "cli/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/gradio_draft.h"
#include "backends/gradio_server.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "cli/cli.h"
#include "registry/registry.h"

#define LOG_IN "log in with --username NAME and FNR_BACKEND_PASSWORD, or with FNR_BACKEND_TOKEN, of the environment"

struct import_gradio import_gradio_options;

static int failed(const struct run_error *error)
{
	fprintf(stderr, "fnr: %s\n", error->message);
	if (error->detail[0])
		fprintf(stderr, "     %s\n", error->detail);
	if (strcmp(error->code, "backend_credentials") == 0)
		fprintf(stderr, "     " LOG_IN "\n");
	else if (error->suggestion[0])
		fprintf(stderr, "     %s\n", error->suggestion);
	return EXIT_FAILED;
}

/* The one that was named, or the only one; else says what there is. */
static bool choose(const struct gradio_app *app, struct gradio_endpoint *endpoint)
{
	struct run_error error = { .code = "" };
	struct gradio_endpoint other;

	if (import_gradio_options.api) {
		if (gradio_endpoint_find(app, import_gradio_options.api, endpoint, &error))
			return true;
		failed(&error);
		return false;
	}
	if (gradio_endpoint_at(app, 0, endpoint) && !gradio_endpoint_at(app, 1, &other))
		return true;
	fprintf(stderr, gradio_endpoint_at(app, 0, &other) ? "fnr: the app has several functions; name one of them:\n" : "fnr: the app has no function with a name\n");
	for (size_t i = 0; gradio_endpoint_at(app, i, &other); i++)
		fprintf(stderr, "     --api /%s\n", other.name);
	return false;
}

/* The draft is checked as the server will check it: nothing that is printed is refused. */
static bool check(struct json_object *draft, struct run_error *error)
{
	struct template_version template_ = { .definition = NULL };
	struct fnr_error err = FNR_ERROR_INIT;
	bool good = template_read(draft, NULL, NULL, &template_, &err) == FNR_OK;

	if (!good)
		run_fail(error, FNR_CLASS_UNKNOWN, "internal", "Report this, with what the app's /config says.", NULL,
		         fnr_json_text(err.errors, NULL), "The draft would not be taken: %s", err.message);
	json_object_put(template_.definition);
	fnr_error_clear(&err);
	return good;
}

static void print(const struct gradio_endpoint *endpoint, const char *url, struct json_object *draft, struct json_object *notes)
{
	struct fnr_buf text = FNR_BUF_INIT;

	fnr_yaml_text(draft, &text);
	printf("# /%s of %s (Gradio %s). The app itself has to be a backend of the type gradio.\n", endpoint->name, url, endpoint->app->version);
	printf("# Its jobs go to any app that has a function of this name: if others have one too, name the right backends in backend.backends.\n");
	for (size_t i = 0; i < json_object_array_length(notes); i++)
		printf("# To decide: %s\n", json_object_get_string(json_object_array_get_idx(notes, i)));
	printf("%s", text.data);
	fnr_buf_free(&text);
}

static int draft(const struct endpoint *at)
{
	struct gradio_server server;
	struct gradio_endpoint endpoint;
	struct run_error error = { .code = "" };
	struct json_object *notes, *made;
	int status = EXIT_DONE;

	if (gradio_server_open(&server, at, NULL, &error) != RUN_DONE)
		return failed(&error);
	if (!choose(server.app, &endpoint))
		return EXIT_FAILED;
	notes = json_object_new_array();
	made = gradio_draft(&endpoint, notes);
	if (check(made, &error))
		print(&endpoint, at->url, made, notes);
	else
		status = failed(&error);
	json_object_put(made);
	json_object_put(notes);
	return status;
}

/* Secrets come by the environment: other people see the arguments of a command. */
static struct json_object *credentials(void)
{
	struct json_object *object = json_object_new_object();
	const char *token = getenv("FNR_BACKEND_TOKEN"), *password = getenv("FNR_BACKEND_PASSWORD");

	if (token)
		fnr_json_set_text(object, "token", token);
	if (import_gradio_options.username)
		fnr_json_set_text(object, "username", import_gradio_options.username);
	if (import_gradio_options.username && password)
		fnr_json_set_text(object, "password", password);
	return object;
}

int import_gradio(int count, char **operands)
{
	char *url = fnr_strdup(operands[0]);
	struct endpoint at = { .id = "import", .url = url, .ca_file = import_gradio_options.ca_file };
	size_t len = strlen(url);
	int status;

	(void)count;
	while (len > 0 && url[len - 1] == '/')
		url[--len] = 0;
	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
		free(url);
		return usage_error(&command_template, "'%s' is no address; write it like http://127.0.0.1:7860", operands[0]);
	}
	if (strpbrk(url, "@?#")) {        /* it would stand in the template, too */
		free(url);
		return usage_error(&command_template, "an address has no user, query and fragment; " LOG_IN);
	}
	at.credentials = credentials();
	at.options = json_object_new_object();
	status = draft(&at);
	json_object_put(at.credentials);
	json_object_put(at.options);
	free(url);
	return status;
}
