/* fnr link: an address that signs a browser in, once and within ten minutes. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/client.h"

#define CONFLICT 409

/* Behind '#' the token stays in the browser: it is in no log and no Referer. */
static int print_link(struct client *client)
{
	struct json_object *body = json_object_new_object();
	struct answer answer;
	const char *link;
	int status = EXIT_DONE;

	fnr_json_set_bool(body, "one_time", true);
	answer = client_request(client, "POST", "/api/v1/sessions", body, NULL);
	json_object_put(body);
	link = answer.status == 201 ? fnr_json_get_text(answer.json, "link", NULL) : NULL;
	if (link) {
		printf("%s/#link=%s\n", client_url(client), link);
	} else if (answer.status == CONFLICT) {    /* keys are switched off: the page opens for everybody */
		printf("%s/\n", client_url(client));
	} else {
		client_complain(client, &answer);
		status = EXIT_FAILED;
	}
	answer_free(&answer);
	return status;
}

static int run_link(const struct command *command, int argc, char **argv)
{
	struct client_options options = { 0 };
	const struct option_row rows[] = {
		{ "--data", 0, OPTION_TEXT, &options.data, 0, 0, "DIR", "data directory of the server (for its address and key)" },
		{ "--url", 0, OPTION_TEXT, &options.url, 0, 0, "URL", "address of the server" },
		{ "--key", 0, OPTION_TEXT, &options.key, 0, 0, "KEY", "API key" },
		{ 0 },
	};
	struct client *client;
	int operands, status = options_take(command, rows, argc, argv, &operands);

	if (status >= 0)
		return status;
	if (operands)
		return usage_error(command, "fnr link takes no operand '%s'", argv[1]);
	client = client_open(&options);
	status = print_link(client);
	client_close(client);
	return status;
}

const struct command command_link = { "link", "fnr link [--data DIR] [--url URL] [--key KEY]",
                                      "Print an address that signs a browser in, once and within 10 minutes", run_link };
