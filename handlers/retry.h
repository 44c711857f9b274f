/* Running finished jobs again. */
#ifndef FNR_HANDLERS_RETRY_H
#define FNR_HANDLERS_RETRY_H

#include "handlers/submission.h"

/* Adds the job again, with what the request's body changes (inputs, quality, queue, seed). Problems go to req->err. */
int retry_add(struct request *req, const struct job_head *head, struct submissions *list);

#endif
