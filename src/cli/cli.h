/* The commands of `fnr`, and what they share: reading options, and exit statuses.
 *
 * Exit statuses: 0 done, 1 it could not be done, 2 wrong use, 130 interrupted.
 */
#ifndef FNR_CLI_CLI_H
#define FNR_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_INT, OPTION_LIST };

struct list { const char **items; size_t count; };   /* of an option that may be given several times */

/* A table of these ends with name NULL. Values are borrowed from argv. */
struct option_row {
	const char *name;              /* "--quality" */
	char letter;                   /* 'q', or 0 */
	enum option_kind kind;
	void *value;                   /* bool, const char *, long or struct list */
	long least, most;              /* of OPTION_INT */
	const char *argument, *help;   /* "QUALITY", "draft, standard, high or ultra" */
};

struct command {
	const char *name;
	const char *usage;             /* "fnr run TEMPLATE [options]" */
	const char *summary;           /* one line */
	int (*run)(const struct command *command, int argc, char **argv);   /* argv[0] is the command's name */
};

/* Takes options out of argv; what remains are the operands, their number in *operands_r. --help prints the table and
 * returns EXIT_DONE; a wrong use says so and returns EXIT_USAGE; -1: go on. */
int options_take(const struct command *command, const struct option_row *rows, int argc, char **argv, int *operands_r);

/* Says what is wrong with the use of a command; returns EXIT_USAGE. */
int usage_error(const struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

extern const struct command command_serve, command_run, command_job, command_link, command_check, command_config, command_nginx_conf;
extern const struct command *const commands[];      /* ends with NULL */

/* The data directory that a command means: the option, FNR_DATA_DIR, or "var". */
const char *data_dir(const char *option);

#endif
