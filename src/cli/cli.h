/* The commands of `fnr`: one table of commands, each with its actions and options. Parsing, --help, the manual pages and
 * shell completion all come from these tables.
 *
 * Exit statuses: 0 done, 1 it could not be done, 2 wrong use, 130 interrupted.
 */
#ifndef FNR_CLI_CLI_H
#define FNR_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/client.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_INT, OPTION_LIST };

struct list { const char **items; size_t count; };   /* of an option that may be given several times */

/* Values are static: a process runs one command. Texts are borrowed from argv. */
struct option_row {
	const char *name;              /* "--quality" */
	char letter;                   /* 'q', or 0 */
	enum option_kind kind;
	void *value;                   /* bool, const char *, long or struct list */
	long least, most;              /* of OPTION_INT */
	const char *argument, *help;   /* "QUALITY", "how well it is made"; FILE and DIR are completed as such */
	const char *words;             /* what completion offers, separated by spaces, or NULL */
};
#define FLAG(name, letter, value, help) { name, letter, OPTION_FLAG, value, 0, 0, NULL, help, NULL }
#define TEXT(name, letter, value, argument, help) { name, letter, OPTION_TEXT, value, 0, 0, argument, help, NULL }
#define WORD(name, letter, value, argument, words, help) { name, letter, OPTION_TEXT, value, 0, 0, argument, help, words }
#define NUMBER(name, letter, value, least, most, argument, help) { name, letter, OPTION_INT, value, least, most, argument, help, NULL }
#define LIST(name, letter, value, argument, help) { name, letter, OPTION_LIST, value, 0, 0, argument, help, NULL }
#define OPTIONS_END { NULL, 0, OPTION_FLAG, NULL, 0, 0, NULL, NULL, NULL }

/* What a command does. One that does only one thing has a single action with the name "". */
struct action {
	const char *name, *operands;   /* "get", "ID [OUTPUT]" */
	int least, most;               /* operands */
	const char *summary;
	int (*run)(int count, char **operands);
};
#define ACTIONS_END { NULL, NULL, 0, 0, NULL, NULL }

enum { USES_DATA = 1, USES_SERVER = 2, USES_JSON = 4 };  /* --data; --data, --url, --key; --json */

struct command {
	const char *name, *summary;
	int section;                   /* of the manual: 1 for everybody, 8 for who keeps the system */
	unsigned uses;
	const struct action *actions;  /* ends with ACTIONS_END */
	const struct option_row *options;   /* its own, ends with OPTIONS_END, or NULL */
};

extern const struct command *const commands[];      /* ends with NULL */
extern const struct command command_serve, command_run, command_job, command_link, command_batch, command_take, command_upload, command_template,
	command_preset, command_queue, command_worker, command_backend, command_dead_letter, command_key, command_check, command_backup, command_restore, command_doctor, command_config, command_schema,
	command_nginx_conf, command_completion;

const struct command *command_find(const char *name);
const struct action *action_find(const struct command *command, const char *name);
bool command_is_plain(const struct command *command);   /* has but the one action "" */

/* The options of a command, then those it shares with others; NULL behind the last. */
const struct option_row *command_option(const struct command *command, size_t at);

/* What the shared options said. */
struct shared_options { struct client_options client; bool json; };
extern struct shared_options shared;

/* Takes options out of argv; what remains are the operands (argv[1] …), their number in *operands_r. --help prints the
 * tables and returns EXIT_DONE; a wrong use says so and returns EXIT_USAGE; -1: go on. */
int options_take(const struct command *command, int argc, char **argv, int *operands_r);

/* Says what is wrong with the use of a command; returns EXIT_USAGE. */
int usage_error(const struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "'; did you mean 'x'?" or the alternative, for messages; valid until the next call. */
const char *did_you_mean(const char *given, const char *const *words, size_t count, const char *otherwise);

/* The data directory that a command means: the option, FNR_DATA_DIR, or "var". */
const char *data_dir(const char *option);

#endif
