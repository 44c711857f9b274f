#include "config.h"

#include "backends/sse.h"

#include <string.h>

#include "base/text.h"

#define KEEP (1u << 20)

/* What a large event needed is given back. */
static void empty(struct fnr_buf *buf)
{
	(buf->size > KEEP ? fnr_buf_free : fnr_buf_reset)(buf);
}

static enum sse_result dispatch(struct sse *sse)
{
	bool go_on = true;
	if (sse->has_data)
		go_on = sse->event(sse->name, sse->data.data != NULL ? sse->data.data : "", sse->data.len, sse->context);
	sse->name[0] = '\0';
	sse->has_data = false;
	empty(&sse->data);
	return go_on ? SSE_MORE : SSE_STOPPED;
}

/* A line without its end; data[len] is 0. */
static enum sse_result take_line(struct sse *sse, const char *line, size_t len, size_t most)
{
	static const char mark[] = "\xef\xbb\xbf";
	if (!sse->begun && len >= 3 && memcmp(line, mark, 3) == 0) {
		line += 3;
		len -= 3;
	}
	sse->begun = true;
	if (len == 0)
		return dispatch(sse);
	const char *colon = memchr(line, ':', len);
	size_t name_len = colon != NULL ? (size_t)(colon - line) : len;
	const char *value = colon != NULL ? colon + 1 : line + len;
	if (*value == ' ')
		value++;
	if (name_len == 5 && memcmp(line, "event", 5) == 0)
		fnr_text_copy(sse->name, sizeof sse->name, value);
	if (name_len != 4 || memcmp(line, "data", 4) != 0)
		return SSE_MORE;
	if (sse->has_data)
		fnr_buf_add(&sse->data, "\n", 1);
	sse->has_data = true;
	size_t value_len = len - (size_t)(value - line);
	if (sse->data.len + value_len > most)
		return SSE_TOO_LARGE;
	fnr_buf_add(&sse->data, value, value_len);
	return SSE_MORE;
}

static size_t end_of_line(const char *bytes, size_t len)
{
	size_t at = 0;
	while (at < len && bytes[at] != '\n' && bytes[at] != '\r')
		at++;
	return at;
}

enum sse_result sse_feed(struct sse *sse, const char *bytes, size_t len)
{
	size_t most = sse->most > 0 ? sse->most : SSE_MOST;
	while (len > 0) {
		if (sse->after_cr && *bytes == '\n') { /* the second half of CRLF */
			sse->after_cr = false;
			bytes++;
			len--;
			continue;
		}
		sse->after_cr = false;
		size_t part = end_of_line(bytes, len);
		if (sse->line.len + part > most)
			return SSE_TOO_LARGE;
		fnr_buf_add(&sse->line, bytes, part);
		if (part == len)
			return SSE_MORE;
		sse->after_cr = bytes[part] == '\r';
		bytes += part + 1;
		len -= part + 1;
		enum sse_result result = take_line(sse, sse->line.data, sse->line.len, most);
		empty(&sse->line);
		if (result != SSE_MORE)
			return result;
	}
	return SSE_MORE;
}

void sse_free(struct sse *sse)
{
	fnr_buf_free(&sse->line);
	fnr_buf_free(&sse->data);
}
