/* The stream of a Gradio server: bytes in any pieces, events, messages, edits. Whatever it sends, the job has at most one end, and what
 * was made so far is always a list. */
#include <string.h>

#include "backends/gradio_job.h"
#include "backends/sse.h"
#include "fuzz/fuzz.h"
#include "unit/run_fake.h"

static bool take(const char *name, const char *data, size_t len, void *context)
{
	struct gradio_job *job = context;
	enum gradio_end before = job->end;
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value = fnr_json_parse_foreign(data, len, &err);

	FNR_MUST(strlen(data) == len || memchr(data, 0, len));
	if (*name)
		gradio_job_event(job, name, value);
	else
		gradio_job_message(job, value);
	FNR_MUST(before == GRADIO_GOES_ON || job->end == before);
	FNR_MUST(!job->partial.values || json_object_is_type(job->partial.values, json_type_array));
	json_object_put(value);
	fnr_error_clear(&err);
	return true;
}

/* The first byte: how large the pieces are, and which release it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct gradio_app app = { .release = { len && data[0] & 0x80 ? 4 : 6, 0, 0 }, .protocol = GRADIO_SSE_2 };
	struct gradio_job job = { .app = &app, .event_id = "e" };
	struct sse sse = { .event = take, .context = &job, .most = 4096 };
	size_t piece = len ? 1 + (data[0] & 0x7f) : 1;

	for (size_t at = 1; at < len; at += piece)
		if (sse_feed(&sse, (const char *)data + at, len - at < piece ? len - at : piece) != SSE_MORE)
			break;
	sse_free(&sse);
	gradio_job_free(&job);
	return 0;
}
