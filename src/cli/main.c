#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/proc.h"
#include "cli/cli.h"

static const struct { const char *name; int (*run)(int argc, char **argv); } commands[] = {
	{ "serve", command_serve },
	{ "check", command_check },
};

int main(int argc, char **argv)
{
	fnr_proc_title_init(argc, argv);
	for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fnr_die("usage: fnr serve|check [--data DIR]");
}
