/* Sending a file to the server, for inputs that are files. */
#ifndef FNR_CLI_UPLOAD_H
#define FNR_CLI_UPLOAD_H

#include "cli/client.h"

/* What the server answers about the upload; to be put. NULL after saying why not. */
struct json_object *upload_file(struct client *client, const char *file);

#endif
