#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/sse.h"
#include "base/mem.h"

struct seen { struct fnr_buf text; size_t largest; size_t stop_after, count; };

/* "name=data|" of each event */
static bool take(const char *name, const char *data, size_t len, void *context)
{
	struct seen *seen = context;

	cr_assert_eq(strlen(data), len);
	if (len > seen->largest)
		seen->largest = len;
	if (len < 1000)
		fnr_buf_printf(&seen->text, "%s=%s|", name, data);
	return ++seen->count != seen->stop_after;
}

static void reads(const char *stream, size_t piece, const char *expected)
{
	struct seen seen = { .text = FNR_BUF_INIT };
	struct sse sse = { .event = take, .context = &seen };
	size_t len = strlen(stream);

	fnr_buf_puts(&seen.text, "");
	for (size_t at = 0; at < len; at += piece)
		cr_assert_eq(sse_feed(&sse, stream + at, len - at < piece ? len - at : piece), SSE_MORE);
	cr_expect_str_eq(seen.text.data, expected, "pieces of %zu of: %s", piece, stream);
	sse_free(&sse);
	fnr_buf_free(&seen.text);
}

Test(sse, reads_events_cut_anywhere)
{
	static const char *const cases[][2] = {
		{ "data: {\"msg\":\"a\"}\n\n", "={\"msg\":\"a\"}|" },
		{ "data: a\r\n\r\ndata: b\r\n\r\n", "=a|=b|" },
		{ "data: a\r\rdata: b\r\r", "=a|=b|" },
		{ "data: a\n\r\ndata: b\r\n\n", "=a|=b|" },
		{ "event: complete\ndata: [1]\n\nevent: heartbeat\ndata: null\n\n", "complete=[1]|heartbeat=null|" },
		{ ": comment\n\n:\ndata: a\n: within\ndata:b\ndata\ndata:  c\n\n", "=a\nb\n\n c|" },
		{ "id: 7\nretry: 5\nunknown: x\ndata: a\n\n", "=a|" },
		{ "event: lost\n\ndata: a\n\n", "=a|" },
		{ "\xef\xbb\xbf" "data: gr\xc3\xbc\xc3\x9f\n\n", "=gr\xc3\xbc\xc3\x9f|" },
		{ "data: \xf0\x9f\x98\x80\n\ndata: not whole", "=\xf0\x9f\x98\x80|" },
		{ "data:\n\n", "=|" },
		{ "data: a: b\n\ndatax: no\n\n", "=a: b|" },
		{ "\n\n\r\n\r\r\n", "" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (size_t piece = 1; piece <= 7; piece++)
			reads(cases[i][0], piece, cases[i][1]);
}

Test(sse, an_event_of_50_mebibytes)
{
	enum { SIZE = 50 << 20, PIECE = 16384 };
	struct seen seen = { .text = FNR_BUF_INIT };
	struct sse sse = { .event = take, .context = &seen };
	char *piece = fnr_alloc(PIECE);

	memset(piece, 'x', PIECE);
	cr_assert_eq(sse_feed(&sse, "data: ", 6), SSE_MORE);
	for (size_t at = 0; at < SIZE; at += PIECE)
		cr_assert_eq(sse_feed(&sse, piece, PIECE), SSE_MORE);
	cr_assert_eq(sse_feed(&sse, "\n\ndata: end\n\n", 13), SSE_MORE);
	cr_expect_eq(seen.largest, SIZE);
	cr_expect_str_eq(seen.text.data, "=end|");
	cr_expect_lt(sse.line.size + sse.data.size, 1 << 20, "the memory of a large event is kept");
	sse_free(&sse);
	fnr_buf_free(&seen.text);
	free(piece);
}

Test(sse, refuses_what_is_too_large_and_stops_when_told)
{
	struct seen seen = { .text = FNR_BUF_INIT, .stop_after = 2 };
	struct sse sse = { .event = take, .context = &seen, .most = 10 }, lines = sse, other = sse;

	cr_expect_eq(sse_feed(&sse, "data: 0123456789", 16), SSE_TOO_LARGE);
	cr_expect_eq(sse_feed(&lines, "data:1234\ndata:5678\n", 20), SSE_MORE);
	cr_expect_eq(sse_feed(&lines, "data:9012\n", 10), SSE_TOO_LARGE);
	cr_expect_eq(sse_feed(&other, "data:1\n\ndata:2\n\ndata:3\n\n", 24), SSE_STOPPED);
	cr_expect_str_eq(seen.text.data, "=1|=2|");
	sse_free(&sse);
	sse_free(&lines);
	sse_free(&other);
	fnr_buf_free(&seen.text);
}
