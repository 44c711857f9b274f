/* /uploads: the check before nginx takes the body. The filing itself is src/api/upload.c, in a pool of its own. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "handlers/common.h"
#include "handlers/handlers.h"

/* Key and scope were checked on the way here. */
int uploads_check(struct request *req)
{
	const char *text = request_header(req, "Content-Length");
	int64_t bytes = text ? strtoll(text, NULL, 10) : -1;

	if (bytes < 0)
		return fnr_fail(&req->err, FNR_E_MALFORMED, "say how large the upload is: the header Content-Length is missing");
	if (bytes == 0)
		return fnr_fail(&req->err, FNR_E_MALFORMED, "the body is empty; send the file as the body, or as multipart/form-data");
	if (bytes > req->conf->upload_max)
		return fnr_fail(&req->err, FNR_E_TOO_LARGE, "the upload has %" PRId64 " bytes; the limit (upload.max) is %" PRId64, bytes,
		                req->conf->upload_max);
	if (fnr_disk_free("uploads") < (uint64_t)bytes + (uint64_t)req->conf->disk_min_free) {
		req->err.retry_after_s = 60;
		return fnr_fail(&req->err, FNR_E_FULL, "there is no room for an upload of %" PRId64 " bytes: disk.min_free would "
		                "be touched", bytes);
	}
	return reply_empty(req, 204);
}

/* nginx sends uploads to the pool that files them; whoever comes here came past it. */
int uploads_elsewhere(struct request *req)
{
	return fnr_fail(&req->err, FNR_E_UNAVAILABLE, "uploads are filed by processes of their own: the web server in front is not set up for them "
	                "(see nginx.conf of this installation)");
}
