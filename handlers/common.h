/* What several handlers need: finding what a path names, with the caller's right to see it, and pages of lists. */
#ifndef FNR_HANDLERS_COMMON_H
#define FNR_HANDLERS_COMMON_H

#include "api/request.h"
#include "registry/preset.h"

#define API "/api/v1"

/* The job or batch that args[index] names. One that does not exist and one that this key may not see are the same
 * FNR_E_NOT_FOUND. */
int common_job(struct request *req, size_t index, struct job_head *head_r);
int common_batch(struct request *req, size_t index, struct batch *batch_r);

/* What args[0] names; NULL with the problem. A queue that is not configured any more is one until its jobs are gone. */
const char *common_queue(struct request *req);

struct preset_viewer common_viewer(struct request *req);   /* who asks for presets */

/* Replies with the job (or batch), whole, as it is stored now. */
int common_reply_job(struct request *req, int status, const struct fnr_id *id);
int common_reply_batch(struct request *req, int status, const struct fnr_id *id);

/* The smallest id above: where a walk from the newest begins that includes `id`. */
struct fnr_id common_id_behind(struct fnr_id id);

/* If-Match of a request that changes something whose ETag is now `etag`, with its quotes: FNR_E_PRECONDITION_REQUIRED without
 * the header, FNR_E_PRECONDITION when it names others. What it asks for has to be checked again where it is written. */
int common_if_match(struct request *req, const char *etag);

/* {"items":[…],"next_cursor":…}; items is put by the call. cursor NULL: the list ended. */
int common_reply_list(struct request *req, struct json_object *items, const char *cursor);

/* Sets Location to API + path. */
void common_location(struct request *req, const char *kind, const struct fnr_id *id);

/* The file of an output or take, through nginx, shown in place only if its media type is harmless. path is below the
 * workspace; file_name is what a browser saves it as. */
int common_reply_file(struct request *req, const char *path, const char *media_type, const char *file_name);
/* The thumbnail of a file of a result: an object with name, media_type and sha256. */
int common_reply_thumbnail(struct request *req, struct json_object *file);

/* Adds an error for each member of the body that is not in the list (ends with NULL). what: "a key". */
void common_members_only(struct request *req, const char *what, const char *const *members);

/* A number of the body from 1 to `most`; 0 if it is left out or null, and when there is a problem with it. */
int64_t common_count(struct request *req, const char *name, int64_t most);
/* Members "concurrency" and "per_minute": of the body, and of an answer; null there where there is no limit. */
struct store_limit common_limit(struct request *req);
void common_set_limit(struct json_object *to, struct store_limit limit);
void common_set_count(struct json_object *to, const char *name, int64_t count);

/* JSON text of the store as a value to put; NULL if it cannot be read. */
struct json_object *common_parse(const struct fnr_buf *text);
struct json_object *common_parse_yaml(const struct fnr_buf *text);

#endif
