/* Files of results, fetched: beside their place first, then renamed to it. */
#ifndef FNR_CLI_DOWNLOAD_H
#define FNR_CLI_DOWNLOAD_H

#include <stdbool.h>

#include "base/json.h"

struct download_options { const char *target; bool force; };
#define DOWNLOAD_OPTIONS(options) \
	TEXT("--output", 'o', &(options).target, "FILE", "get: write it there; a folder, or - for standard output (default: here, by its name)"), \
	FLAG("--force", 'f', &(options).force, "get: replace a file that is there")

/* items: objects with "url", and a "name" or "file" that `name` (NULL: every one) is compared with. what names them in
 * messages. Returns an exit status. */
int download_files(struct json_object *items, const char *name, const struct download_options *options, const char *what);

#endif
