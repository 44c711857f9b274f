/* Manual pages from the tables of commands, options and settings. */
#ifndef FNR_CLI_MANUAL_H
#define FNR_CLI_MANUAL_H

/* Prints the page of "fnr", "fnr-job" or "job", "fnr-config.yaml". fragment: a file with further sections (EXAMPLES, …), in
 * the macros of man(7), or NULL. Returns an exit status. */
int manual_print(const char *page, const char *fragment);

#endif
