#include "api/multipart.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/mem.h"

#define BOUNDARY_MOST 70          /* RFC 2046 */
#define HEADERS_MOST 16384        /* of one part */
#define PARTS_MOST 1000
#define ROOM (256u << 10)

/* A window over the body. Before its first byte stands a line end, so that the first delimiter is like all others. */
struct window {
	int fd;
	char *data;
	size_t from, to;               /* what is not used up yet */
	bool ended;
	char delimiter[BOUNDARY_MOST + 5];
	size_t delimiter_len;
	struct fnr_error *err;
};

bool multipart_is(const char *content_type)
{
	static const char type[] = "multipart/form-data";
	size_t len = strlen(type);

	return content_type && strncasecmp(content_type, type, len) == 0 && (!content_type[len] || strchr("; \t", content_type[len]));
}

/* ---- headers ---- */

static const char *skip_value(const char *at)
{
	if (*at != '"')
		return at + strcspn(at, ";");
	for (at++; *at && *at != '"'; at++)
		if (*at == '\\' && at[1])
			at++;
	return *at ? at + 1 : at;
}

static void copy_value(const char *at, const char *end, char *out, size_t size)
{
	bool quoted = *at == '"';
	size_t len = 0;

	for (at += quoted; at < end && len + 1 < size && !(quoted && *at == '"'); at++) {
		if (quoted && *at == '\\' && at + 1 < end && (at[1] == '"' || at[1] == '\\'))
			at++;
		if (end - at > 2 && strncmp(at, "%22", 3) == 0) {
			out[len++] = '"';
			at += 2;
		} else {
			out[len++] = *at;
		}
	}
	while (!quoted && len && strchr(" \t\r\n", out[len - 1]))
		len--;
	out[len] = 0;
}

bool multipart_parameter(const char *header, const char *name, char *out, size_t size)
{
	size_t name_len = strlen(name);
	const char *at = header + strcspn(header, ";");

	while (*at == ';') {
		const char *value, *end;

		at += 1 + strspn(at + 1, " \t");
		value = at + strcspn(at, "=;");
		if (*value != '=') {
			at = value;
			continue;
		}
		end = skip_value(value + 1);
		if ((size_t)(value - at) == name_len && strncasecmp(at, name, name_len) == 0) {
			copy_value(value + 1, end, out, size);
			return true;
		}
		at = end + strcspn(end, ";");
	}
	return false;
}

/* The value of a header line in text, which ends with a 0; NULL if it is not there. */
static char *header_value(const char *headers, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = headers; line && *line;) {
		const char *end = strstr(line, "\r\n");

		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			line += len + 1;
			line += strspn(line, " \t");
			return fnr_memdup0(line, end ? (size_t)(end - line) : strlen(line));
		}
		line = end ? end + 2 : NULL;
	}
	return NULL;
}

/* ---- the window ---- */

static int malformed(struct window *window, const char *what)
{
	return fnr_fail(window->err, FNR_E_MALFORMED, "the multipart body is broken: %s", what);
}

/* Reads until `need` bytes are there or the body has ended. */
static int fill(struct window *window, size_t need)
{
	while (!window->ended && window->to - window->from < need) {
		ssize_t n;

		if (window->from) {
			memmove(window->data, window->data + window->from, window->to - window->from);
			window->to -= window->from;
			window->from = 0;
		}
		n = read(window->fd, window->data + window->to, ROOM - window->to);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fnr_fail_errno(window->err, errno, "the uploaded body cannot be read");
		window->ended = n == 0;
		window->to += (size_t)n;
	}
	return FNR_OK;
}

/* Gives everything up to the next delimiter to sink (NULL: away with it) and stands behind the delimiter then. */
static int pass_to_delimiter(struct window *window, multipart_sink *sink, void *context)
{
	for (;;) {
		int code = fill(window, ROOM / 2);
		size_t len = window->to - window->from, give;
		char *begin = window->data + window->from, *found;

		if (code != FNR_OK)
			return code;
		found = memmem(begin, len, window->delimiter, window->delimiter_len);
		if (!found && window->ended)
			return malformed(window, "it was cut off, the closing boundary is missing");
		give = found ? (size_t)(found - begin) : len - (window->delimiter_len - 1);
		if (give && sink && (code = sink(begin, give, context, window->err)) != FNR_OK)
			return code;
		window->from += give + (found ? window->delimiter_len : 0);
		if (found)
			return FNR_OK;
	}
}

/* Behind a delimiter: "--" closes the body; else the part's headers, up to and with the empty line. */
static int read_headers(struct window *window, bool *closed_r, char **headers_r)
{
	int code = fill(window, HEADERS_MOST + 4);
	size_t len = window->to - window->from;
	char *begin = window->data + window->from, *end;

	*headers_r = NULL;
	*closed_r = len >= 2 && memcmp(begin, "--", 2) == 0;
	if (code != FNR_OK || *closed_r)
		return code;
	end = memmem(begin, len > HEADERS_MOST ? HEADERS_MOST : len, "\r\n\r\n", 4);
	if (!end)
		return malformed(window, len > HEADERS_MOST ? "the headers of a part are longer than 16 KiB"
		                                            : "it was cut off in the headers of a part");
	if (memchr(begin, 0, (size_t)(end - begin)))
		return malformed(window, "a part's headers have a 0 byte");
	window->from += (size_t)(end - begin) + 2;    /* the second line end may begin the next delimiter */
	begin = memmem(begin, (size_t)(end - begin) + 2, "\r\n", 2);
	*headers_r = begin < end ? fnr_memdup0(begin + 2, (size_t)(end - begin) - 2) : fnr_strdup("");
	return FNR_OK;
}

/* True if the part is a file. */
static bool read_part(const char *headers, struct multipart_part *part)
{
	char *disposition = header_value(headers, "Content-Disposition"), *type = header_value(headers, "Content-Type");
	bool is_file = disposition && multipart_parameter(disposition, "filename", part->name, sizeof part->name);

	snprintf(part->media_type, sizeof part->media_type, "%s", type ? type : "");
	free(disposition);
	free(type);
	return is_file;
}

/* The content begins behind the second line end of the headers, unless that belongs to the delimiter of an empty part. */
static int pass_content(struct window *window, multipart_sink *sink, void *context)
{
	int code = fill(window, window->delimiter_len);

	if (code != FNR_OK)
		return code;
	if (window->to - window->from < window->delimiter_len ||
	    memcmp(window->data + window->from, window->delimiter, window->delimiter_len) != 0)
		window->from += 2;
	return pass_to_delimiter(window, sink, context);
}

static int find_file(struct window *window, struct multipart_part *part, multipart_sink *sink, void *context)
{
	int code = pass_to_delimiter(window, NULL, NULL);

	for (int parts = 0; code == FNR_OK; parts++) {
		bool closed, is_file;
		char *headers;

		code = read_headers(window, &closed, &headers);
		if (code != FNR_OK)
			return code;
		if (closed || parts == PARTS_MOST)
			return fnr_fail(window->err, FNR_E_INVALID, "the multipart body has no file: send it as a part with a filename, "
			                "or as the body itself");
		is_file = read_part(headers, part);
		free(headers);
		code = pass_content(window, is_file ? sink : NULL, context);
		if (is_file)
			return code;
	}
	return code;
}

int multipart_first_file(int fd, const char *content_type, struct multipart_part *part_r, multipart_sink *sink, void *context,
                         struct fnr_error *err)
{
	struct window window = { .fd = fd, .err = err };
	char boundary[BOUNDARY_MOST + 2];
	int code;

	memset(part_r, 0, sizeof *part_r);
	if (!multipart_parameter(content_type, "boundary", boundary, sizeof boundary) || !*boundary || strlen(boundary) > BOUNDARY_MOST)
		return fnr_fail(err, FNR_E_MALFORMED, "the Content-Type multipart/form-data needs a boundary of 1 to %d characters", BOUNDARY_MOST);
	window.delimiter_len = (size_t)snprintf(window.delimiter, sizeof window.delimiter, "\r\n--%s", boundary);
	window.data = fnr_alloc(ROOM);
	memcpy(window.data, "\r\n", 2);
	window.to = 2;
	code = find_file(&window, part_r, sink, context);
	free(window.data);
	return code;
}
