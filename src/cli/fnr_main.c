/* fnr: the command line. */
#include <stdio.h>
#include <string.h>

#include "base/proc.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/manual.h"
#include "config.h"

const struct command *const commands[] = {
	&command_run, &command_job, &command_batch, &command_take, &command_upload, &command_template, &command_schema, &command_preset, &command_queue, &command_dead_letter, &command_key, &command_link,
	&command_serve, &command_worker, &command_backend, &command_check, &command_backup, &command_restore, &command_doctor,
	&command_config, &command_nginx_conf, &command_completion, NULL,
};
#define NAMES_MOST 32

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static void print_commands(FILE *out)
{
	fprintf(out, "fnr: Function Runner on the command line\n\n");
	for (size_t i = 0; commands[i]; i++)
		fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(out, "\nfnr COMMAND --help tells more. The server and its key are found by the data directory (--data DIR,\n"
	             "FNR_DATA_DIR, else ./var), or named by --url and --key (FNR_URL, FNR_KEY).\n");
}

static int unknown(const char *name)
{
	const char *names[NAMES_MOST];
	size_t count = 0;

	for (; commands[count] && count < NAMES_MOST; count++)
		names[count] = commands[count]->name;
	fprintf(stderr, "fnr: there is no command '%s'; %s\n", name, did_you_mean(name, names, count, "fnr --help lists them"));
	return EXIT_USAGE;
}

static int unknown_action(const struct command *command, const char *name)
{
	const char *names[NAMES_MOST];
	size_t count = 0;

	for (; command->actions[count].name && count < NAMES_MOST; count++)
		names[count] = command->actions[count].name;
	if (!name)
		return usage_error(command, "say what to do");
	return usage_error(command, "fnr %s has no '%s'; %s", command->name, name, did_you_mean(name, names, count, "it has these:"));
}

static int run(const struct command *command, int argc, char **argv)
{
	bool plain = command_is_plain(command);
	const struct action *action = command->actions;
	int operands, status = options_take(command, argc, argv, &operands);

	if (status >= 0)
		return status;
	if (!plain) {
		action = operands ? action_find(command, argv[1]) : NULL;
		if (!action)
			return unknown_action(command, operands ? argv[1] : NULL);
		operands--;
		argv++;
	}
	if (operands < action->least)
		return usage_error(command, "fnr %s%s%s needs %s", command->name, plain ? "" : " ", action->name, action->operands);
	if (action->most >= 0 && operands > action->most)
		return usage_error(command, "fnr %s%s%s takes %s; '%s' is too much", command->name, plain ? "" : " ", action->name,
		                   action->most ? action->operands : "no operand", argv[action->most + 1]);
	status = action->run(operands, argv + 1);
	ask_close();
	if (fflush(stdout) != 0 && status == EXIT_DONE) {
		fprintf(stderr, "fnr: the output could not be written\n");
		status = EXIT_FAILED;
	}
	return status;
}

static int help(int argc, char **argv)
{
	static char ask[] = "--help";
	const struct command *command = argc > 2 ? command_find(argv[2]) : NULL;
	char *arguments[] = { argv[0], ask, NULL };

	if (argc > 2 && strcmp(argv[2], "--man") == 0)
		return manual_print(argc > 3 ? argv[3] : "fnr", argc > 4 ? argv[4] : NULL);
	if (argc > 2)
		return command ? run(command, 2, arguments) : unknown(argv[2]);
	print_commands(stdout);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	const struct command *command;

	fnr_proc_title_init(argc, argv);
	if (argc < 2) {
		print_commands(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help(argc, argv);
	if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
		printf("fnr %s\n", PACKAGE_VERSION);
		return EXIT_DONE;
	}
	command = command_find(argv[1]);
	return command ? run(command, argc - 1, argv + 1) : unknown(argv[1]);
}
