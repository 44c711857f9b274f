/* The parts of the script backend (script.c): what a script is given, and what its lines mean. The protocol is described
 * for those who write functions in doc/script-functions.md.
 */
#ifndef FNR_BACKENDS_SCRIPT_H
#define FNR_BACKENDS_SCRIPT_H

#include <stdbool.h>

#include "backends/backend.h"
#include "base/buf.h"

#define SCRIPT_ARGS 32
#define SCRIPT_PATH 4096

/* ---- script_request.c: what it is given ---- */

/* The program with its arguments, and every path in the data directory that it must be able to read. */
struct script_command {
	char program[SCRIPT_PATH];
	char *argv[SCRIPT_ARGS + 1];
	char *envp[16];
	char **readable;            /* ends with NULL */
	size_t readable_count;
};

/* From the template's backend. False with *error set: no such program, too many arguments. */
bool script_command_make(struct run *run, struct script_command *command, struct run_error *error);
void script_command_free(struct script_command *command);
bool script_program_path(const char *name, char out[SCRIPT_PATH]);    /* where a program that ships lies; false if it is not there */

/* The object for standard input; file inputs become absolute paths, which are added to command->readable. NULL with
 * *error set if a file that an input names is not there. The caller puts it. */
struct json_object *script_request_make(struct run *run, struct script_command *command, struct run_error *error);

/* ---- script_lines.c: what it says ---- */

#define SCRIPT_LINE_MAX (1u << 20)
#define SCRIPT_TAIL 1600            /* of standard error, kept for the error's detail */

struct script_lines {
	struct run *run;
	struct run_error *error;        /* set, with `failed`, by the first line that breaks the protocol */
	struct fnr_buf out, err;        /* lines that are not whole yet */
	struct fnr_buf tail;            /* last of standard error */
	uint64_t printed, most;         /* bytes on standard output; how many are allowed */
	bool failed;                    /* end the script now */
	bool refused;                   /* it told an error itself: */
	struct run_error refusal;
};

void script_lines_out(struct script_lines *lines, const char *data, size_t len);   /* bytes of standard output */
void script_lines_err(struct script_lines *lines, const char *data, size_t len);   /* bytes of standard error */
/* Nothing more will come. whole: the script ended by itself, so a last line without its end counts. */
void script_lines_end(struct script_lines *lines, bool whole);
void script_lines_free(struct script_lines *lines);

#endif
