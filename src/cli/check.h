/* The recount of a data directory, for those that need its verdict. */
#ifndef FNR_CLI_CHECK_H
#define FNR_CLI_CHECK_H

#include <stdbool.h>

/* In a process of its own, as a damaged store may end it: true if all is well. Otherwise standard error says why. */
bool check_apart(const char *data);

#endif
