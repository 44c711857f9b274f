/* Options: the tables read, and what --help prints of them. */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define ROWS_MOST 48

struct shared_options shared;

static const struct { unsigned uses; struct option_row row; } shared_rows[] = {
	{ USES_DATA | USES_SERVER, TEXT("--data", 0, &shared.client.data, "DIR", "the data directory; there are also the server's address and "
	                                "key (default FNR_DATA_DIR, else ./var)") },
	{ USES_SERVER, TEXT("--url", 0, &shared.client.url, "URL", "address of the server (default FNR_URL, else by the data directory)") },
	{ USES_SERVER, TEXT("--key", 0, &shared.client.key, "KEY", "API key (default FNR_KEY, which no other user can see in a list of "
	                    "processes, else by the data directory)") },
	{ USES_JSON, FLAG("--json", 0, &shared.json, "print JSON, one value a line") },
};

const struct option_row *command_option(const struct command *command, size_t at)
{
	size_t own = 0;

	while (command->options && command->options[own].name) {
		if (own == at)
			return &command->options[own];
		own++;
	}
	for (size_t i = 0; i < sizeof shared_rows / sizeof shared_rows[0]; i++)
		if ((command->uses & shared_rows[i].uses) && at == own++)
			return &shared_rows[i].row;
	return NULL;
}

const struct action *action_find(const struct command *command, const char *name)
{
	for (const struct action *action = command->actions; action->name; action++)
		if (strcmp(action->name, name) == 0)
			return action;
	return NULL;
}

bool command_is_plain(const struct command *command)
{
	return !*command->actions[0].name;
}

/* ---- what is said ---- */

static void print_usage(FILE *out, const struct command *command)
{
	for (const struct action *action = command->actions; action->name; action++)
		fprintf(out, "%s fnr %s%s%s%s%s%s\n", action == command->actions ? "usage:" : "      ", command->name, *action->name ? " " : "", action->name,
		        *action->operands ? " " : "", action->operands, command_option(command, 0) ? " [options]" : "");
}

int usage_error(const struct command *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "fnr: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	print_usage(stderr, command);
	return EXIT_USAGE;
}

const char *did_you_mean(const char *given, const char *const *words, size_t count, const char *otherwise)
{
	static char text[128];
	const char *nearest = fnr_text_nearest(given, words, count);

	if (!nearest)
		return otherwise;
	snprintf(text, sizeof text, "did you mean '%s'?", nearest);
	return text;
}

static void print_help(const struct command *command)
{
	const struct option_row *row;

	printf("%s\n\n", command->summary);
	print_usage(stdout, command);
	if (!command_is_plain(command)) {
		printf("\n");
		for (const struct action *action = command->actions; action->name; action++)
			printf("  %-10s %s\n", action->name, action->summary);
	}
	printf("\n");
	for (size_t i = 0; (row = command_option(command, i)); i++) {
		char left[64], letter[8] = "    ";

		if (row->letter)
			snprintf(letter, sizeof letter, "-%c, ", row->letter);
		snprintf(left, sizeof left, "  %s%s %s", letter, row->name, row->argument ? row->argument : "");
		printf("%-34s %s\n", left, row->help);
	}
	printf("\nmore: man fnr-%s\n", command->name);
}

/* ---- reading ---- */

static const struct option_row *find(const struct command *command, const char *text, size_t len)
{
	const struct option_row *row;

	for (size_t i = 0; (row = command_option(command, i)); i++)
		if ((strlen(row->name) == len && strncmp(row->name, text, len) == 0) || (len == 2 && text[0] == '-' && row->letter == text[1]))
			return row;
	return NULL;
}

static int unknown(const struct command *command, const char *text)
{
	const char *names[ROWS_MOST];
	const struct option_row *row;
	size_t count = 0;

	while (count < ROWS_MOST && (row = command_option(command, count)))
		names[count++] = row->name;
	return usage_error(command, "there is no option '%s'; %s", text, did_you_mean(text, names, count, "--help lists them"));
}

static int set(const struct command *command, const struct option_row *row, const char *value)
{
	struct list *list = row->value;
	char *end;
	long number;

	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)row->value = true;
		return -1;
	case OPTION_TEXT:
		*(const char **)row->value = value;
		return -1;
	case OPTION_LIST:
		list->items = fnr_realloc(list->items, (list->count + 1) * sizeof *list->items);
		list->items[list->count++] = value;
		return -1;
	case OPTION_INT:
		errno = 0;
		number = strtol(value, &end, 10);
		if (*end || end == value || errno || number < row->least || number > row->most)
			return usage_error(command, "%s must be a whole number from %ld to %ld, not '%s'", row->name + 2, row->least, row->most, value);
		*(long *)row->value = number;
		return -1;
	}
	return -1;
}

int options_take(const struct command *command, int argc, char **argv, int *operands_r)
{
	int operands = 1;
	bool plain = false;

	for (int i = 1; i < argc; i++) {
		char *text = argv[i], *equals = strchr(text, '=');
		bool is_long = strncmp(text, "--", 2) == 0;
		const struct option_row *row;
		const char *value = NULL;
		int status;

		if (plain || text[0] != '-' || !text[1]) {
			argv[operands++] = text;
			continue;
		}
		if (strcmp(text, "--") == 0) {
			plain = true;
			continue;
		}
		if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0) {
			print_help(command);
			return EXIT_DONE;
		}
		row = find(command, text, is_long && equals ? (size_t)(equals - text) : strlen(text));
		if (!row)
			return unknown(command, text);
		if (row->kind == OPTION_FLAG && is_long && equals)
			return usage_error(command, "%s takes no value", row->name);
		if (row->kind != OPTION_FLAG) {
			value = is_long && equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
			if (!value)
				return usage_error(command, "%s needs a value: %s", row->name, row->argument);
		}
		status = set(command, row, value);
		if (status >= 0)
			return status;
	}
	*operands_r = operands - 1;
	return -1;
}

const char *data_dir(const char *option)
{
	const char *from_environment = getenv("FNR_DATA_DIR");

	if (option)
		return option;
	return from_environment && *from_environment ? from_environment : "var";
}
