/* The data directory, for commands that work on it themselves. */
#ifndef FNR_CLI_DATA_H
#define FNR_CLI_DATA_H

#include <limits.h>

#include "base/conf.h"

/* Makes the directory and its folders where they are missing and enters it. Ends the program, with the reason and the
 * remedy, where that cannot be or where it belongs to another user. */
void data_enter(const char *path, char absolute[PATH_MAX]);

/* Its configuration; every problem is printed before the program ends. Sets the level of the log as well. */
void data_conf(const char *absolute, const char *program, struct fnr_conf *conf);

#endif
