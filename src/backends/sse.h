/* A reader of Server-Sent Events, fed with bytes as they come: lines and characters may be cut anywhere. Lines end with LF,
 * CRLF or CR; lines of `data` are joined; comments, ids and unknown fields are passed over; an event without data is none.
 */
#ifndef FNR_BACKENDS_SSE_H
#define FNR_BACKENDS_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* One event. name is "" where the stream gave none. data ends with a 0 byte that len does not count; borrowed. Returns
 * false to read no further. */
typedef bool sse_event(const char *name, const char *data, size_t len, void *context);

struct sse {
	sse_event *event;
	void *context;
	size_t most;                   /* bytes of a line and of an event's data; 0: SSE_MOST */

	struct fnr_buf line, data;     /* private from here */
	char name[64];
	bool begun, has_data, after_cr;
};
#define SSE_MOST (256u << 20)

enum sse_result { SSE_MORE, SSE_STOPPED, SSE_TOO_LARGE };

/* After anything but SSE_MORE nothing may be fed any more. What is not followed by a blank line at the end of the stream
 * was no whole event and is dropped, as the standard has it. */
enum sse_result sse_feed(struct sse *sse, const char *bytes, size_t len);
void sse_free(struct sse *sse);

#endif
