/* Reading of one job as a client describes it (the body of POST /jobs, one entry of a batch) into what is stored. */
#ifndef FNR_HANDLERS_SUBMISSION_H
#define FNR_HANDLERS_SUBMISSION_H

#include "api/request.h"

#define SUBMISSION_UPLOADS 256

/* Checks `job` completely, resolves its parameters, and adds it to `operation` (op_job_add). All problems at once in
 * req->err, their pointers below `prefix` ("", "/jobs/3"). A payload too large for a record is written to a file and
 * its id appended to *files, which the caller gives to submission_discard if the operation is not accepted. */
int submission_add(struct request *req, struct json_object *job, const char *prefix, struct fnr_buf *operation,
                   struct fnr_buf *files);
void submission_discard(struct fnr_buf *files);

/* Idempotency-Key of the request: fills submit's hashes. If the key is known already, *known_r is set, and the answer
 * is that job or batch (or FNR_E_KEY_REUSED for another body). */
int submission_idempotency(struct request *req, struct op_submit *submit, struct store_idempotency *entry_r, bool *known_r);

/* Posts, then answers 202 with the job or batch, or hands over to fnr-events for Prefer: wait. */
int submission_finish(struct request *req, const struct fnr_buf *operation, struct fnr_buf *files);
int submission_reply(struct request *req, const struct fnr_id *id, bool is_batch, bool replayed);

#endif
