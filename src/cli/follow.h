/* Following a job to its end, and showing it: a bar on a terminal, plain lines when piped, JSON lines when asked for. */
#ifndef FNR_CLI_FOLLOW_H
#define FNR_CLI_FOLLOW_H

#include "cli/client.h"

/* Follows until the job has finished, over lost connections and restarts of the server, then says where the result is or
 * why there is none. Returns an exit status; EXIT_INTERRUPTED when a signal came (the job goes on). */
int follow_job(struct client *client, const char *id, bool json);

/* The same for a batch; show prints one line of how far it is. EXIT_FAILED unless all its jobs were completed. */
int follow_batch(struct client *client, const char *id, bool json, void (*show)(struct json_object *batch));

/* One line: how many of its jobs are in which state (batch.c). */
void batch_print_counts(struct json_object *batch);

/* Shows a finished job in the same way, without following. */
int follow_result(struct client *client, struct json_object *job, bool json);

/* Progress of an upload, on a terminal only. */
void follow_upload(double fraction, void *file);

#endif
