#include "config.h"

#include "cli/manual.h"

#include <stdio.h>
#include <string.h>

#include "base/conf.h"
#include "base/fs.h"
#include "cli/cli.h"

/* Text as roff takes it: a backslash, a hyphen that is typed, and a point at the beginning of a line mean something else. */
static void roff(const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", stdout);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else
			putchar(*text);
	}
}

static void bold(const char *text)
{
	fputs("\\fB", stdout);
	roff(text);
	fputs("\\fR", stdout);
}

static void italic(const char *text)
{
	fputs("\\fI", stdout);
	roff(text);
	fputs("\\fR", stdout);
}

static void sentence(const char *text)
{
	roff(text);
	printf("\n");
}

static void head(const char *title, int section, const char *summary)
{
	printf(".\\\" Made by fnr help --man of the tables that fnr itself reads.\n");
	printf(".TH ");
	for (const char *at = title; *at; at++)
		putchar(*at >= 'a' && *at <= 'z' ? *at - 32 : *at);
	printf(" %d \"\" \"Function Runner %s\" \"Function Runner\"\n.SH NAME\n", section, PACKAGE_VERSION);
	roff(title);
	printf(" \\- ");
	sentence(summary);
}

static int insert(const char *fragment)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct fnr_error err = FNR_ERROR_INIT;

	if (!fragment)
		return EXIT_DONE;
	if (fnr_file_read(fragment, 1 << 20, &text, &err) != FNR_OK) {
		fprintf(stderr, "fnr: %s\n", err.message);
		return EXIT_FAILED;
	}
	fputs(text.data ? text.data : "", stdout);
	fnr_buf_free(&text);
	return EXIT_DONE;
}

/* ---- one command ---- */

static void synopsis(const struct command *command)
{
	printf(".SH SYNOPSIS\n");
	for (const struct action *action = command->actions; action->name; action++) {
		if (action != command->actions)
			printf(".br\n");
		fputs("\\fBfnr ", stdout);
		roff(command->name);
		printf("%s%s\\fR", *action->name ? " " : "", action->name);
		if (*action->operands) {
			putchar(' ');
			italic(action->operands);
		}
		printf("%s\n", command_option(command, 0) ? " [options]" : "");
	}
}

static void describe(const struct command *command)
{
	printf(".SH DESCRIPTION\n");
	if (command_is_plain(command)) {
		sentence(command->actions[0].summary);
		return;
	}
	for (const struct action *action = command->actions; action->name; action++) {
		printf(".TP\n");
		bold(action->name);
		if (*action->operands) {
			putchar(' ');
			italic(action->operands);
		}
		printf("\n");
		sentence(action->summary);
	}
}

static void option(const struct option_row *row)
{
	char letter[3] = { '-', row->letter, 0 };

	printf(".TP\n");
	if (row->letter) {
		bold(letter);
		fputs(", ", stdout);
	}
	bold(row->name);
	if (row->argument) {
		putchar(' ');
		italic(row->argument);
	}
	printf("\n");
	roff(row->help);
	if (row->words) {
		fputs(".\nOne of ", stdout);
		roff(row->words);
	}
	printf("%s\n", row->kind == OPTION_LIST ? ".\nIt can be given several times" : "");
}

static void environment(const struct command *command)
{
	if (!(command->uses & (USES_DATA | USES_SERVER)))
		return;
	printf(".SH ENVIRONMENT\n.TP\n.B FNR_DATA_DIR\nthe data directory, where \\-\\-data does not name it\n");
	if (command->uses & USES_SERVER)
		printf(".TP\n.B FNR_URL\naddress of the server\n.TP\n.B FNR_KEY\nAPI key\n.TP\n.B NO_COLOR\nif set, no colours; "
		       "without it they are used on terminals only\n");
}

static int of_command(const struct command *command, const char *fragment)
{
	const struct option_row *row;
	char title[64];
	int status;

	snprintf(title, sizeof title, "fnr-%s", command->name);
	head(title, command->section, command->summary);
	synopsis(command);
	describe(command);
	printf(".SH OPTIONS\n");
	for (size_t i = 0; (row = command_option(command, i)); i++)
		option(row);
	printf(".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nprint a short help\n");
	printf(".SH \"EXIT STATUS\"\n0 done, 1 it could not be done, 2 wrong use, 130 interrupted.\n");
	environment(command);
	status = insert(fragment);
	printf(".SH \"SEE ALSO\"\n.BR fnr (1),\n.BR function\\-runner (7)\n");
	return status;
}

/* ---- all of it ---- */

static int of_fnr(const char *fragment)
{
	int status;

	head("fnr", 1, "Function Runner on the command line");
	printf(".SH SYNOPSIS\n\\fBfnr\\fR \\fICOMMAND\\fR [options]\n.br\n\\fBfnr help\\fR [\\fICOMMAND\\fR]\n.br\n\\fBfnr version\\fR\n");
	printf(".SH COMMANDS\n");
	for (size_t i = 0; commands[i]; i++) {
		printf(".TP\n.BR fnr\\-");
		roff(commands[i]->name);
		printf(" (%d)\n", commands[i]->section);
		sentence(commands[i]->summary);
	}
	status = insert(fragment);
	printf(".SH \"SEE ALSO\"\n.BR function\\-runner (7),\n.BR fnr\\-config.yaml (5)\n");
	return status;
}

static void setting(const char *key, const char *usual, long long least, long long most, const char *unit, const char *help)
{
	printf(".TP\n");
	bold(key);
	printf(" (default ");
	roff(usual);
	printf("%s%s)\n", *unit ? " " : "", unit);
	roff(help);
	if (least != most)
		printf("; from %lld to %lld", least, most);
	printf(".\n");
}

static int of_config(const char *fragment)
{
	char number[32];
	int status;

	head("fnr-config.yaml", 5, "settings of Function Runner");
	printf(".SH SYNOPSIS\n\\fIDATA\\fR/config.yaml\n");
	printf(".SH DESCRIPTION\nA YAML file in the data directory with what differs from the defaults. Keys are written with points, or\n"
	       "nested. An environment variable goes before the file: FNR_WORKERS_MAX stands for workers.max.\n"
	       "A file with a mistake is reported whole and never replaces settings that are in force.\n.SH SETTINGS\n");
#define TEXT_OF_INT(value) (snprintf(number, sizeof number, "%lld", (long long)(value)), number)
#define TEXT_OF_BOOL(value) ((value) ? "true" : "false")
#define TEXT_OF_TEXT(value) (value)
#define X(member, type, key, def, least, most, unit, help) setting(key, TEXT_OF_##type(def), least, most, unit, help);
	FNR_CONF_KEYS(X)
#undef X
	status = insert(fragment);
	printf(".SH \"SEE ALSO\"\n.BR fnr\\-config (8),\n.BR fnr\\-serve (8)\n");
	return status;
}

int manual_print(const char *page, const char *fragment)
{
	const struct command *command;

	if (strcmp(page, "fnr") == 0)
		return of_fnr(fragment);
	if (strcmp(page, "fnr-config.yaml") == 0)
		return of_config(fragment);
	command = command_find(strncmp(page, "fnr-", 4) == 0 ? page + 4 : page);
	if (command)
		return of_command(command, fragment);
	fprintf(stderr, "fnr: there is no page '%s': name a command, fnr, or fnr-config.yaml\n", page);
	return EXIT_USAGE;
}
