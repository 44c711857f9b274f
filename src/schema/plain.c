#include "schema/plain.h"

#include <string.h>

struct reader { const char *at, *end; };

static bool is_between(char c, char least, char most)
{
	return c >= least && c <= most;
}

static bool is_word(char c)
{
	return is_between(c, 'a', 'z') || is_between(c, 'A', 'Z') || is_between(c, '0', '9') || c == '_';
}

static bool accept(struct reader *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

/* Characters that stand for themselves behind a backslash. */
static bool is_sign(char c)
{
	return c && strchr("^$\\.*+?()[]{}|/-", c);
}

static void add_range(struct plain *plain, int first, int last)
{
	for (int c = first; c <= last; c++)
		plain->sets[c] |= (uint8_t)(1 << plain->count);
}

/* What stands behind a backslash; *single_r: the one character it is, or 0. */
static bool read_escape(struct plain *plain, struct reader *r, char *single_r)
{
	char c = r->at < r->end ? *r->at++ : 0;

	*single_r = 0;
	if (c == 'd') {
		add_range(plain, '0', '9');
	} else if (c == 'w') {
		for (int word = 0; word < 128; word++)
			if (is_word((char)word))
				add_range(plain, word, word);
	} else {
		*single_r = is_sign(c) ? c : 0;
		return *single_r;
	}
	return true;
}

/* A character of a set in brackets, or what stands for several. */
static bool read_member(struct plain *plain, struct reader *r, char *single_r)
{
	if (accept(r, '\\'))
		return read_escape(plain, r, single_r);
	*single_r = r->at < r->end ? *r->at++ : 0;
	return *single_r > ' ' - 1 && *single_r < 0x7f && *single_r != '[';
}

static bool read_brackets(struct plain *plain, struct reader *r)
{
	char first, last;

	if (accept(r, '^') || accept(r, ']'))
		return false;
	while (!accept(r, ']')) {
		if (!read_member(plain, r, &first))
			return false;
		last = first;
		if (r->end - r->at > 1 && r->at[0] == '-' && r->at[1] != ']') {
			r->at++;
			if (!first || !read_member(plain, r, &last) || last < first)
				return false;
		}
		if (first)
			add_range(plain, first, last);
	}
	return true;
}

static bool read_set(struct plain *plain, struct reader *r)
{
	char single;

	if (r->at == r->end || plain->count == PLAIN_SETS)
		return false;
	if (accept(r, '['))
		return read_brackets(plain, r);
	if (accept(r, '\\')) {
		if (!read_escape(plain, r, &single))
			return false;
	} else {
		single = *r->at++;
		if (is_between(single, '(', '+') || !is_between(single, ' ', '~') || strchr("^$.?[]{}|", single))
			return false;
	}
	if (single)
		add_range(plain, single, single);
	return true;
}

static bool read_number(struct reader *r, size_t *value_r)
{
	const char *start = r->at;

	for (*value_r = 0; r->at < r->end && is_between(*r->at, '0', '9') && *value_r < 100000; r->at++)
		*value_r = *value_r * 10 + (size_t)(*r->at - '0');
	return r->at > start;
}

static bool read_times(struct plain *plain, struct reader *r)
{
	size_t least = 1, most = 1;

	if (accept(r, '?')) {
		least = 0;
	} else if (accept(r, '*')) {
		least = 0;
		most = SIZE_MAX;
	} else if (accept(r, '+')) {
		most = SIZE_MAX;
	} else if (accept(r, '{')) {
		if (!read_number(r, &least))
			return false;
		most = least;
		if (accept(r, ',') && !read_number(r, &most))
			most = SIZE_MAX;
		if (!accept(r, '}'))
			return false;
	}
	plain->times[plain->count].least = least;
	plain->times[plain->count++].most = most;
	return least <= most && (r->at == r->end || *r->at != '?');
}

static bool share(const struct plain *plain, size_t a, size_t b)
{
	uint8_t both = (uint8_t)(1 << a | 1 << b);

	for (int c = 0; c < 256; c++)
		if ((plain->sets[c] & both) == both)
			return true;
	return false;
}

/* Where a set may come more or less often, does the next character tell whether it is at an end? */
static bool leaves_no_choice(const struct plain *plain)
{
	for (size_t i = 0; i < plain->count; i++) {
		bool open = plain->times[i].least < plain->times[i].most;

		for (size_t next = i + 1; open && next < plain->count; next++) {
			if (share(plain, i, next))
				return false;
			open = plain->times[next].least == 0;
		}
	}
	return true;
}

bool plain_read(struct plain *plain, const char *pattern, size_t len)
{
	struct reader r = { pattern, pattern + len };

	memset(plain, 0, sizeof *plain);
	if (!accept(&r, '^'))
		return false;
	while (!accept(&r, '$'))
		if (!read_set(plain, &r) || !read_times(plain, &r))
			return false;
	return r.at == r.end && leaves_no_choice(plain);
}

/* Where the characters that belong to a set end; four at a time, as most do. */
static inline const unsigned char *behind_set(const uint8_t sets[256], uint8_t bit, const unsigned char *at, const unsigned char *last)
{
	while (last - at >= 4 && (sets[at[0]] & sets[at[1]] & sets[at[2]] & sets[at[3]] & bit))
		at += 4;
	while (at < last && (sets[*at] & bit))
		at++;
	return at;
}

bool plain_fits(const struct plain *plain, const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + len;

	for (size_t i = 0; i < plain->count; i++) {
		size_t left = (size_t)(end - at), least = plain->times[i].least, most = plain->times[i].most;
		const unsigned char *behind = behind_set(plain->sets, (uint8_t)(1 << i), at, at + (most < left ? most : left));

		if ((size_t)(behind - at) < least)
			return false;
		at = behind;
	}
	return at == end;
}
