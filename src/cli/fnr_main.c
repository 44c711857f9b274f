/* fnr: the command line. */
#include <stdio.h>
#include <string.h>

#include "base/proc.h"
#include "base/text.h"
#include "cli/cli.h"
#include "config.h"

const struct command *const commands[] = { &command_serve, &command_run, &command_job, &command_link, &command_check, &command_config,
                                          &command_nginx_conf, NULL };

static const struct command *find(const char *name)
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
	const char *names[16], *nearest;
	size_t count = 0;

	while (commands[count]) {
		names[count] = commands[count]->name;
		count++;
	}
	nearest = fnr_text_nearest(name, names, count);
	if (nearest)
		fprintf(stderr, "fnr: there is no command '%s'; did you mean '%s'?\n", name, nearest);
	else
		fprintf(stderr, "fnr: there is no command '%s'; fnr --help lists them\n", name);
	return EXIT_USAGE;
}

static int help(int argc, char **argv)
{
	static char ask[] = "--help";
	const struct command *command = argc > 2 ? find(argv[2]) : NULL;
	char *arguments[] = { argv[0], ask, NULL };

	if (argc > 2 && !command)
		return unknown(argv[2]);
	if (command)
		return command->run(command, 2, arguments);
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
	command = find(argv[1]);
	return command ? command->run(command, argc - 1, argv + 1) : unknown(argv[1]);
}
