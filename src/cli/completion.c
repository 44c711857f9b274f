/* fnr completion: what a shell needs to complete the commands, their actions and options; made of their tables. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* A text within single quotes. Others of these characters are marked with a backslash. */
static void quoted(const char *text, const char *marked, const char *quote)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs(quote, stdout);
		else if (strchr(marked, *text))
			printf("\\%c", *text);
		else
			putchar(*text);
	}
}

static bool completes(const struct option_row *row, const char *argument)
{
	return row->argument && strcmp(row->argument, argument) == 0;
}

/* ---- bash ---- */

static void bash_names(const struct command *command)
{
	const struct option_row *row;

	for (size_t i = 0; (row = command_option(command, i)); i++) {
		printf("%s ", row->name);
		if (row->letter)
			printf("-%c ", row->letter);
	}
	printf("--help");
}

/* "job --state"|"job -s") what comes behind it ;; */
static void bash_value(const struct command *command, const struct option_row *row)
{
	printf("\t'%s %s'", command->name, row->name);
	if (row->letter)
		printf("|'%s -%c'", command->name, row->letter);
	if (row->words)
		printf(") COMPREPLY=($(compgen -W '%s' -- \"$word\")); return ;;\n", row->words);
	else if (completes(row, "FILE") || completes(row, "DIR"))
		printf(") COMPREPLY=($(compgen -%c -- \"$word\")); return ;;\n", completes(row, "DIR") ? 'd' : 'f');
	else
		printf(") return ;;\n");
}

static void bash_valued(void)
{
	const struct option_row *row;

	printf("\tlocal valued=' ");
	for (size_t i = 0; commands[i]; i++)
		for (size_t n = 0; (row = command_option(commands[i], n)); n++) {
			if (row->kind == OPTION_FLAG)
				continue;
			printf("%s:%s ", commands[i]->name, row->name);
			if (row->letter)
				printf("%s:-%c ", commands[i]->name, row->letter);
		}
	printf("'\n");
}

static int bash(int count, char **operands)
{
	const struct option_row *row;

	(void)count, (void)operands;
	printf("# Completion of fnr in bash, made by: fnr completion bash\n_fnr()\n{\n\tlocal word=$2 before=$3 command= action= i\n");
	bash_valued();
	printf("\tCOMPREPLY=()\n\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tcase ${COMP_WORDS[i]} in\n"
	       "\t\t-*) [[ $valued == *\" $command:${COMP_WORDS[i]} \"* ]] && ((i++)) ;;\n"
	       "\t\t*) if [[ -z $command ]]; then command=${COMP_WORDS[i]}; elif [[ -z $action ]]; then action=${COMP_WORDS[i]}; fi ;;\n\t\tesac\n\tdone\n");
	printf("\tcase \"$command $before\" in\n");
	for (size_t i = 0; commands[i]; i++)
		for (size_t n = 0; (row = command_option(commands[i], n)); n++)
			if (row->kind != OPTION_FLAG)
				bash_value(commands[i], row);
	printf("\tesac\n\tif [[ -z $command || $command == help && -z $action ]]; then\n\t\tCOMPREPLY=($(compgen -W '");
	for (size_t i = 0; commands[i]; i++)
		printf("%s ", commands[i]->name);
	printf("help version' -- \"$word\"))\n\t\treturn\n\tfi\n\tcase $command in\n");
	for (size_t i = 0; commands[i]; i++) {
		printf("\t%s)\n\t\tif [[ $word == -* ]]; then COMPREPLY=($(compgen -W '", commands[i]->name);
		bash_names(commands[i]);
		printf("' -- \"$word\"))\n");
		if (!command_is_plain(commands[i])) {
			printf("\t\telif [[ -z $action ]]; then COMPREPLY=($(compgen -W '");
			for (const struct action *action = commands[i]->actions; action->name; action++)
				printf("%s%s", action == commands[i]->actions ? "" : " ", action->name);
			printf("' -- \"$word\"))\n");
		}
		printf("\t\tfi ;;\n");
	}
	printf("\tesac\n}\ncomplete -o bashdefault -o default -F _fnr fnr\n");
	return EXIT_DONE;
}

/* ---- zsh ---- */

static void zsh_option(const struct option_row *row, const char *name)
{
	printf("\t\t\t'%s%s[", name, row->kind != OPTION_FLAG && name[1] == '-' ? "=" : "");
	quoted(row->help, "[]:", "'\\''");
	printf("]");
	if (row->words)
		printf(":%s:(%s)", row->argument, row->words);
	else if (completes(row, "FILE"))
		printf(":FILE:_files");
	else if (completes(row, "DIR"))
		printf(":DIR:_files -/");
	else if (row->argument)
		printf(":%s: ", row->argument);
	printf("' \\\n");
}

static void zsh_command(const struct command *command)
{
	const struct option_row *row;
	char letter[3] = "-";

	printf("\t%s)\n", command->name);
	if (!command_is_plain(command)) {
		printf("\t\tif (( CURRENT == 3 )) && [[ $words[3] != -* ]]; then\n\t\t\tchoices=(");
		for (const struct action *action = command->actions; action->name; action++) {
			printf("'%s:", action->name);
			quoted(action->summary, ":", "'\\''");
			printf("' ");
		}
		printf(")\n\t\t\t_describe action choices\n\t\t\treturn\n\t\tfi\n");
	}
	printf("\t\t_arguments \\\n");
	for (size_t i = 0; (row = command_option(command, i)); i++) {
		zsh_option(row, row->name);
		letter[1] = row->letter;
		if (row->letter)
			zsh_option(row, letter);
	}
	printf("\t\t\t'--help[print a short help]' '*:file:_files' ;;\n");
}

static int zsh(int count, char **operands)
{
	(void)count, (void)operands;
	printf("#compdef fnr\n# Completion of fnr in zsh, made by: fnr completion zsh\n_fnr()\n{\n\tlocal -a choices\n\tif (( CURRENT == 2 )); then\n\t\tchoices=(");
	for (size_t i = 0; commands[i]; i++) {
		printf("'%s:", commands[i]->name);
		quoted(commands[i]->summary, ":", "'\\''");
		printf("' ");
	}
	printf(")\n\t\t_describe command choices\n\t\treturn\n\tfi\n\tcase $words[2] in\n");
	for (size_t i = 0; commands[i]; i++)
		zsh_command(commands[i]);
	printf("\tesac\n}\n_fnr \"$@\"\n");
	return EXIT_DONE;
}

/* ---- fish ---- */

static void fish_option(const struct command *command, const struct option_row *row)
{
	printf("complete -c fnr -n '__fish_seen_subcommand_from %s' -l %s", command->name, row->name + 2);
	if (row->letter)
		printf(" -s %c", row->letter);
	if (row->words)
		printf(" -x -a '%s'", row->words);
	else if (completes(row, "FILE") || completes(row, "DIR"))
		printf(" -r -F");
	else if (row->kind != OPTION_FLAG)
		printf(" -x");
	printf(" -d '");
	quoted(row->help, "\\", "\\'");
	printf("'\n");
}

static void fish_action(const struct command *command, const struct action *action)
{
	printf("complete -c fnr -f -n '__fish_seen_subcommand_from %s; and not __fish_seen_subcommand_from", command->name);
	for (const struct action *other = command->actions; other->name; other++)
		printf(" %s", other->name);
	printf("' -a %s -d '", action->name);
	quoted(action->summary, "\\", "\\'");
	printf("'\n");
}

static int fish(int count, char **operands)
{
	const struct option_row *row;

	(void)count, (void)operands;
	printf("# Completion of fnr in fish, made by: fnr completion fish\n");
	for (size_t i = 0; commands[i]; i++) {
		printf("complete -c fnr -f -n __fish_use_subcommand -a %s -d '", commands[i]->name);
		quoted(commands[i]->summary, "\\", "\\'");
		printf("'\n");
		for (const struct action *action = commands[i]->actions; action->name && !command_is_plain(commands[i]); action++)
			fish_action(commands[i], action);
		for (size_t n = 0; (row = command_option(commands[i], n)); n++)
			fish_option(commands[i], row);
	}
	return EXIT_DONE;
}

static const struct action actions[] = {
	{ "bash", "", 0, 0, "for bash: source <(fnr completion bash)", bash },
	{ "zsh", "", 0, 0, "for zsh: a file _fnr in a folder of fpath", zsh },
	{ "fish", "", 0, 0, "for fish: fnr completion fish | source", fish },
	ACTIONS_END,
};

const struct command command_completion = { "completion", "Print what a shell needs to complete commands and options", 1, 0, actions, NULL };
