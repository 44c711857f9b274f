#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define ROWS_MOST 32

int usage_error(const struct command *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "fnr: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nusage: %s\n", command->usage);
	return EXIT_USAGE;
}

static void print_help(const struct command *command, const struct option_row *rows)
{
	printf("%s\n\nusage: %s\n\n", command->summary, command->usage);
	for (; rows->name; rows++) {
		char left[64], letter[8] = "    ";

		if (rows->letter)
			snprintf(letter, sizeof letter, "-%c, ", rows->letter);
		snprintf(left, sizeof left, "  %s%s %s", letter, rows->name, rows->argument ? rows->argument : "");
		printf("%-34s %s\n", left, rows->help);
	}
}

static const struct option_row *find(const struct option_row *rows, const char *text, size_t len)
{
	for (; rows->name; rows++)
		if ((strlen(rows->name) == len && strncmp(rows->name, text, len) == 0) || (len == 2 && text[0] == '-' && rows->letter == text[1]))
			return rows;
	return NULL;
}

static int unknown(const struct command *command, const struct option_row *rows, const char *text)
{
	const char *names[ROWS_MOST], *nearest;
	size_t count = 0;

	for (; rows->name && count < ROWS_MOST; rows++)
		names[count++] = rows->name;
	nearest = fnr_text_nearest(text, names, count);
	if (nearest)
		return usage_error(command, "there is no option %s; did you mean %s?", text, nearest);
	return usage_error(command, "there is no option %s; fnr %s --help lists them", text, command->name);
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

int options_take(const struct command *command, const struct option_row *rows, int argc, char **argv, int *operands_r)
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
			print_help(command, rows);
			return EXIT_DONE;
		}
		row = find(rows, text, is_long && equals ? (size_t)(equals - text) : strlen(text));
		if (!row)
			return unknown(command, rows, text);
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
