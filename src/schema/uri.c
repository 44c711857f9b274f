#include "schema/uri.h"

#include <stdbool.h>
#include <string.h>

/* A part that is not there has no text; an empty one has. */
struct part { const char *text; size_t len; };
struct parts { struct part scheme, authority, path, query, fragment; };

static struct part part_of(const char *text, size_t len)
{
	return (struct part){ text, len };
}

static bool is_scheme(const char *text, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", others[] = "0123456789+-.";

	if (!len || !strchr(letters, text[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!strchr(letters, text[i]) && !strchr(others, text[i]))
			return false;
	return true;
}

static struct parts split(const char *text)
{
	struct parts parts = { .scheme.text = NULL };
	size_t len = strcspn(text, ":/?#");

	if (text[len] == ':' && is_scheme(text, len)) {
		parts.scheme = part_of(text, len);
		text += len + 1;
	}
	if (strncmp(text, "//", 2) == 0) {
		parts.authority = part_of(text + 2, strcspn(text + 2, "/?#"));
		text += 2 + parts.authority.len;
	}
	parts.path = part_of(text, strcspn(text, "?#"));
	text += parts.path.len;
	if (*text == '?') {
		parts.query = part_of(text + 1, strcspn(text + 1, "#"));
		text += 1 + parts.query.len;
	}
	if (*text == '#')
		parts.fragment = part_of(text + 1, strlen(text + 1));
	return parts;
}

/* Section 5.2.4, in place: "." and ".." go. */
static size_t remove_dots(char *path, size_t len)
{
	size_t out = 0, at = 0, segment;
	bool rooted = len && path[0] == '/';

	while (at < len) {
		for (segment = path[at] == '/'; at + segment < len && path[at + segment] != '/'; segment++)
			;
		if ((segment == 2 && memcmp(path + at, "/.", 2) == 0) || (segment == 1 && path[at] == '.')) {
			if (at + segment == len)
				path[out++] = '/';
		} else if ((segment == 3 && memcmp(path + at, "/..", 3) == 0) || (segment == 2 && memcmp(path + at, "..", 2) == 0)) {
			while (out && path[--out] != '/')
				;
			if (at + segment == len)
				path[out++] = '/';
		} else {
			memmove(path + out, path + at, segment);
			out += segment;
		}
		at += segment;
	}
	if (!rooted && out && path[0] == '/') {
		memmove(path, path + 1, --out);
	}
	return out;
}

/* Section 5.2.3 */
static struct part merged(struct fnr_arena *arena, const struct parts *base, struct part path)
{
	size_t keep = base->path.len;
	char *text = fnr_arena_alloc(arena, base->path.len + path.len + 2);

	while (keep && base->path.text[keep - 1] != '/')
		keep--;
	if (base->authority.text && !base->path.len) {
		text[0] = '/';
		keep = 1;
	} else {
		memcpy(text, base->path.text, keep);
	}
	memcpy(text + keep, path.text, path.len);
	return part_of(text, remove_dots(text, keep + path.len));
}

static struct part cleaned(struct fnr_arena *arena, struct part path)
{
	char *text = fnr_arena_memdup0(arena, path.text, path.len);

	return part_of(text, remove_dots(text, path.len));
}

static char *add(char *out, const char *before, struct part part, const char *after)
{
	if (!part.text)
		return out;
	out = stpcpy(out, before);
	memcpy(out, part.text, part.len);
	return stpcpy(out + part.len, after);
}

static char *joined(struct fnr_arena *arena, const struct parts *parts)
{
	size_t len = parts->scheme.len + parts->authority.len + parts->path.len + parts->query.len + parts->fragment.len;
	char *text = fnr_arena_alloc(arena, len + 8), *out = text;

	*out = 0;
	out = add(out, "", parts->scheme, ":");
	out = add(out, "//", parts->authority, "");
	out = add(out, "", parts->path, "");
	out = add(out, "?", parts->query, "");
	*add(out, "#", parts->fragment, "") = 0;
	return text;
}

char *uri_resolve(struct fnr_arena *arena, const char *base_text, const char *reference)
{
	struct parts base = split(base_text), parts = split(reference);

	if (parts.scheme.text) {
		if (parts.authority.text || (parts.path.len && parts.path.text[0] == '/'))
			parts.path = cleaned(arena, parts.path);
		return joined(arena, &parts);
	}
	parts.scheme = base.scheme;
	if (parts.authority.text) {
		parts.path = cleaned(arena, parts.path);
		return joined(arena, &parts);
	}
	parts.authority = base.authority;
	if (!parts.path.len) {
		parts.path = base.path;
		parts.query = parts.query.text ? parts.query : base.query;
	} else {
		parts.path = parts.path.text[0] == '/' ? cleaned(arena, parts.path) : merged(arena, &base, parts.path);
	}
	return joined(arena, &parts);
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *uri_decode(struct fnr_arena *arena, const char *text)
{
	char *decoded = fnr_arena_alloc(arena, strlen(text) + 1), *out = decoded;

	for (; *text; text++) {
		int high, low;

		if (*text != '%') {
			*out++ = *text;
			continue;
		}
		high = hex(text[1]);
		low = high < 0 ? -1 : hex(text[2]);
		if (low < 0 || !(high | low))
			return NULL;
		*out++ = (char)(high << 4 | low);
		text += 2;
	}
	*out = 0;
	return decoded;
}
