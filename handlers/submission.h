/* Reading of one job as a client describes it (the body of POST /jobs, one entry of a batch) into what is stored. */
#ifndef FNR_HANDLERS_SUBMISSION_H
#define FNR_HANDLERS_SUBMISSION_H

#include "api/request.h"
#include "handlers/chain.h"

#define SUBMISSION_UPLOADS 256

/* The jobs of one request: packed (op_job_add), the ids of the files that hold payloads too large for a record, and those
 * of uploads that the jobs bring along. chain: of a batch whose jobs may depend on each other, with the one that is read.
 * alike: they have the same inputs, and what the first brings along is there for all. */
struct submissions {
	struct fnr_buf jobs, files, uploads;
	size_t count;
	struct chain *chain;
	size_t job;
	bool alike;
	bool told;                         /* that a template is deprecated, in the headers of the answer: of the first one */
	struct store_upload *brought;      /* by those that are alike so far; in the request's arena */
	size_t brought_count;
};
#define SUBMISSIONS_INIT { .jobs = FNR_BUF_INIT, .files = FNR_BUF_INIT, .uploads = FNR_BUF_INIT }

/* Checks `job` completely, resolves its parameters, and adds it to the list; with `count` as many variations of it, whose
 * seeds follow one another. All problems at once in req->err, their pointers below `prefix` ("", "/jobs/3"). */
int submission_add(struct request *req, struct json_object *job, const char *prefix, struct submissions *list);
/* The same for a job that is run again: `job` is described in the same way, but it is of the definition with this digest
 * (hex), whatever its template has become. FNR_E_CONFLICT if that is gone. kept: its preset is gone and its inputs are the same,
 * so it gets the parameters that were resolved then, as the records of the first job (borrowed) have them; NULL: they are
 * resolved anew. */
struct submission_kept { struct json_object *summary, *payload; uint64_t class_; enum fnr_quality tier; };
struct submission_again { const char *digest; struct fnr_id of; const struct submission_kept *kept; };
int submission_add_again(struct request *req, struct json_object *job, const struct submission_again *again, struct submissions *list);
/* Takes back what was added since the mark: a job that turned out not to be acceptable. */
struct submissions_mark { size_t jobs, files, uploads, count; };
struct submissions_mark submissions_mark(const struct submissions *list);
void submissions_back(struct submissions *list, struct submissions_mark mark);
/* Removes the files too, unless submission_finish has handed them over. */
void submissions_free(struct submissions *list);

/* Idempotency-Key of the request: fills submit's hashes. If the key is known already, *known_r is set, and the answer
 * is that job or batch (or FNR_E_KEY_REUSED for another body). */
int submission_idempotency(struct request *req, struct op_submit *submit, struct store_idempotency *entry_r, bool *known_r);

/* Posts; what is to be answered about is in the reply. */
int submission_post(struct request *req, struct op_submit *submit, struct submissions *list, struct op_reply *reply_r);
/* Posts, then answers 202 with the job or batch (several jobs are one), or hands over to fnr-events for Prefer: wait. */
int submission_finish(struct request *req, struct op_submit *submit, struct submissions *list);
int submission_reply(struct request *req, const struct fnr_id *id, bool is_batch, bool replayed);

#endif
