/* fnr link: an address that signs a browser in, once and within ten minutes. */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/cli.h"

#define CONFLICT 409

/* Behind '#' the token stays in the browser: it is in no log and no Referer. token NULL: keys are switched off, and the page
 * opens for everybody. */
static void print_address(const char *token)
{
	struct json_object *value = json_object_new_object();
	struct fnr_buf address = FNR_BUF_INIT;

	fnr_buf_printf(&address, "%s/%s%s", client_url(ask_client()), token ? "#link=" : "", token ? token : "");
	fnr_json_set_text(value, "link", address.data);
	printf("%s\n", shared.json ? fnr_json_text(value, NULL) : address.data);
	json_object_put(value);
	fnr_buf_free(&address);
}

static int run(int count, char **operands)
{
	struct json_object *body = json_object_new_object();
	struct answer answer;
	const char *token;

	(void)count, (void)operands;
	fnr_json_set_bool(body, "one_time", true);
	answer = client_request(ask_client(), "POST", "/api/v1/sessions", body, NULL);
	json_object_put(body);
	token = answer.status == 201 ? fnr_json_get_text(answer.json, "link", NULL) : NULL;
	if (!token && answer.status != CONFLICT)
		return ask_failed(&answer);
	print_address(token);
	answer_free(&answer);
	return EXIT_DONE;
}

static const struct action actions[] = { { "", "", 0, 0, "print the address; it works once, within 10 minutes", run }, ACTIONS_END };

const struct command command_link = { "link", "Print an address that signs a browser in", 1, USES_SERVER | USES_JSON, actions, NULL };
