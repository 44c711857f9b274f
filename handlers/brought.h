/* Files that a submission brings along: what stands in it as "data:…" becomes an upload, and so does an output of a job
 * without project, which would go with its job. An output that is part of a take is named as that: takes stay. */
#ifndef FNR_HANDLERS_BROUGHT_H
#define FNR_HANDLERS_BROUGHT_H

#include "api/request.h"
#include "registry/registry.h"

#define BROUGHT_MOST 256     /* files that one job may bring along */
#define BROUGHT_URLS 64      /* addresses that one job may name */

struct brought {
	struct request *req;
	inputs_may *may;
	inputs_later *later;
	void *context;                     /* of both */
	struct store_upload *uploads;      /* to be recorded with the job; in the request's arena */
	size_t count, urls;
	struct fnr_buf *files;             /* ids of uploads whose files were made: the caller's to remove, or not */
};

/* Replaces such references in `inputs` (which were checked), and makes the files, durably. What a job that this one
 * depends on will make stays as it is. Problems go to req->err. */
void brought_take(struct brought *brought, const struct template_ *template_, struct json_object *inputs, const char *pointer);

#endif
