#include "api/route.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define SEGMENTS 16

struct path { const char *segment[SEGMENTS]; size_t count; };

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* C0, DEL, and C1 in its UTF-8 form. */
static bool has_controls(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i], next = i + 1 < len ? (unsigned char)text[i + 1] : 0;

		if (c < 0x20 || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0))
			return true;
	}
	return false;
}

char *route_decode(struct fnr_arena *arena, const char *text, size_t len, bool plus)
{
	char *out = fnr_arena_alloc(arena, len + 1);
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '%') {
			if (i + 2 >= len || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
				return NULL;
			out[at++] = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
			i += 2;
		} else {
			out[at++] = plus && text[i] == '+' ? ' ' : text[i];
		}
	}
	out[at] = 0;
	return has_controls(out, at) || !fnr_utf8_valid(out, at) ? NULL : out;
}

/* "/a/b" -> "a", "b". Empty segments stay, and fit nothing, nor do "." and "..". FNR_E_NOT_FOUND if there are more than any pattern has. */
static int split(struct fnr_arena *arena, const char *text, bool decoded, struct path *path, struct fnr_error *err)
{
	path->count = 0;
	while (*text == '/') {
		size_t len = strcspn(++text, "/");
		char *segment;

		if (path->count == SEGMENTS)
			return FNR_E_NOT_FOUND;
		if (decoded)
			segment = has_controls(text, len) || !fnr_utf8_valid(text, len) ? NULL : fnr_arena_memdup0(arena, text, len);
		else
			segment = route_decode(arena, text, len, false);
		if (segment && (strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0))
			return FNR_E_NOT_FOUND;        /* nginx has resolved these for itself, and chose by the result */
		if (!segment)
			return fnr_fail(err, FNR_E_MALFORMED, "the path is not well-formed: each part must be valid UTF-8 without control "
			                "characters, percent-encoded");
		path->segment[path->count++] = segment;
		text += len;
	}
	return *text ? FNR_E_NOT_FOUND : FNR_OK;
}

/* How many {…} the pattern has, with what stands for them in args; -1 if it does not fit. */
static int fit(const char *pattern, const struct path *path, const char *args[REQUEST_ARGS])
{
	size_t at = 0, count = 0;

	for (; *pattern == '/'; at++) {
		size_t len = strcspn(++pattern, "/");

		if (at >= path->count)
			return -1;
		if (pattern[0] == '{') {
			if (!*path->segment[at] || count == REQUEST_ARGS)
				return -1;
			args[count++] = path->segment[at];
		} else if (strlen(path->segment[at]) != len || memcmp(path->segment[at], pattern, len) != 0) {
			return -1;
		}
		pattern += len;
	}
	return at == path->count ? (int)count : -1;
}

static void add_allowed(char allow[64], const char *method)
{
	const char *more = strcmp(method, "GET") == 0 ? "GET, HEAD" : method;
	size_t len = strlen(allow);

	if (!strstr(allow, more))
		snprintf(allow + len, 64 - len, "%s%s", len ? ", " : "", more);
}

int route_find(struct fnr_arena *arena, const struct route *table, const char *method, const char *path, bool internal,
               struct route_match *match, struct fnr_error *err)
{
	const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
	struct path parts;
	int best = REQUEST_ARGS + 1, code = split(arena, path, internal, &parts, err);

	memset(match, 0, sizeof *match);
	for (const struct route *row = table; code == FNR_OK && row->method; row++) {
		const char *args[REQUEST_ARGS] = { NULL };
		int count = internal == !!(row->flags & ROUTE_INTERNAL) ? fit(row->pattern, &parts, args) : -1;

		if (count < 0)
			continue;
		add_allowed(match->allow, row->method);
		if (strcmp(row->method, wanted) != 0 || count >= best)
			continue;
		best = count;
		match->route = row;
		memcpy(match->args, args, sizeof args);
	}
	if (match->route || code == FNR_E_MALFORMED)
		return code;
	if (match->allow[0])
		return fnr_fail(err, FNR_E_METHOD, "%.40s is not possible here; this address takes %s", method, match->allow);
	return fnr_fail(err, FNR_E_NOT_FOUND, "there is nothing at this address; GET /api/v1/openapi.json lists what there is");
}

void route_list(const struct route *table, struct fnr_buf *out)
{
	for (; table->method; table++)
		if (!(table->flags & ROUTE_INTERNAL))
			fnr_buf_printf(out, "%s %s\n", table->method, table->pattern);
}
