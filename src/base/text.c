#include "base/text.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wctype.h>

#include "base/err.h"

#define MOST_EDITS 3
#define LONGEST_WORD 127
#define BEGIN_LEAST 3   /* characters that may stand for the word that begins so */

size_t fnr_utf8_step(const char *data, size_t len)
{
	const unsigned char *c = (const unsigned char *)data;
	unsigned char least = 0x80, most = 0xbf; /* of the second byte */
	size_t step, i;

	if (!len)
		return 0;
	if (c[0] < 0x80)
		return 1;
	if (c[0] < 0xc2 || c[0] > 0xf4)
		return 0;
	step = c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
	if (c[0] == 0xe0)
		least = 0xa0; /* overlong */
	else if (c[0] == 0xed)
		most = 0x9f; /* surrogates */
	else if (c[0] == 0xf0)
		least = 0x90; /* overlong */
	else if (c[0] == 0xf4)
		most = 0x8f; /* above U+10FFFF */
	if (len < step || c[1] < least || c[1] > most)
		return 0;
	for (i = 2; i < step; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	return step;
}

bool fnr_utf8_valid(const char *data, size_t len)
{
	size_t step;

	for (; len; data += step, len -= step) {
		step = fnr_utf8_step(data, len);
		if (!step)
			return false;
	}
	return true;
}

size_t fnr_utf8_length(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

void fnr_text_clean(char *text)
{
	size_t len = strlen(text), step;
	char *out = text;
	unsigned char c;

	for (; len; text += step, len -= step) {
		c = (unsigned char)*text;
		step = fnr_utf8_step(text, len);
		if (c == '\t' || c == '\n' || c == '\r') {
			*out++ = ' ';
		} else if (!step || c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)text[1] < 0xa0)) {
			*out++ = '?';
			step = step ? step : 1;
		} else {
			memmove(out, text, step);
			out += step;
		}
	}
	*out = 0;
}

void fnr_text_copy(char *out, size_t size, const char *text)
{
	size_t len = strnlen(text, size), back = 0;

	if (!size)
		return;
	if (len == size) {
		/* Cut; a character has at most three bytes behind its first. Broken text is cut anywhere. */
		len--;
		while (back < 3 && back < len && ((unsigned char)text[len - back] & 0xc0) == 0x80)
			back++;
		if (((unsigned char)text[len - back] & 0xc0) != 0x80)
			len -= back;
	}
	memmove(out, text, len);
	out[len] = 0;
}

void fnr_text_clean_directions(char *text)
{
	static const struct { const char *begin; unsigned char least, most; } marks[] = { { "\xe2\x80", 0xaa, 0xae }, { "\xe2\x81", 0xa6, 0xa9 } };

	for (; *text; text++)
		for (size_t i = 0; i < 2; i++)
			if (strncmp(text, marks[i].begin, 2) == 0 && (unsigned char)text[2] >= marks[i].least && (unsigned char)text[2] <= marks[i].most)
				memcpy(text, "\xef\xbf\xbd", 3);
}

double fnr_text_real(const char *text)
{
	static locale_t plain;

	if (!plain)
		plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	FNR_MUST(plain);
	return strtod_l(text, NULL, plain);
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool fnr_name_valid(const char *text)
{
	size_t i;

	if (!text || !is_alnum(text[0]))
		return false;
	for (i = 1; text[i]; i++)
		if (i >= 64 || (!is_alnum(text[i]) && text[i] != '_' && text[i] != '.' && text[i] != '-'))
			return false;
	return true;
}

/* ---- search ---- */

/* The character at *text, small, and *text behind it. */
static wint_t next_small(const char **text, locale_t locale)
{
	static const unsigned char first[] = { 0x7f, 0x7f, 0x1f, 0x0f, 0x07 };
	size_t step = fnr_utf8_step(*text, strlen(*text));
	wint_t c = (unsigned char)**text & first[step];

	for (size_t i = 1; i < step; i++)
		c = c << 6 | ((unsigned char)(*text)[i] & 0x3f);
	*text += step ? step : 1;
	return towlower_l(c, locale);
}

static bool begins_with(const char *text, const char *part, locale_t locale)
{
	while (*part)
		if (!*text || next_small(&text, locale) != next_small(&part, locale))
			return false;
	return true;
}

static bool is_plain(const char *text)
{
	while (*text && (unsigned char)*text < 0x80)
		text++;
	return !*text;
}

bool fnr_text_has(const char *text, const char *part)
{
	static locale_t locale;

	if (is_plain(part))
		return strcasestr(text, part) != NULL;
	if (!locale)
		locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (!locale)
		return strstr(text, part) != NULL;
	for (; *text; next_small(&text, locale))
		if (begins_with(text, part, locale))
			return true;
	return false;
}

/* ---- the nearest word ---- */

static size_t least_of(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Levenshtein's distance; only one row of the table is kept. Capitals are no difference. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[LONGEST_WORD + 1], i, j, corner, above;

	for (j = 0; j <= b_len; j++)
		row[j] = j;
	for (i = 1; i <= a_len; i++) {
		corner = row[0];
		row[0] = i;
		for (j = 1; j <= b_len; j++) {
			above = row[j];
			row[j] = least_of(above + 1, row[j - 1] + 1, corner + (lower(a[i - 1]) != lower(b[j - 1])));
			corner = above;
		}
	}
	return row[b_len];
}

/* The only word that begins so, for who left out the rest ("str", "desc"). */
static const char *only_one_with(const char *begin, const char *const *words, size_t count)
{
	const char *found = NULL;
	size_t len = strlen(begin);

	for (size_t i = 0; i < count; i++) {
		if (strncasecmp(words[i], begin, len) != 0)
			continue;
		if (found)
			return NULL;
		found = words[i];
	}
	return len >= BEGIN_LEAST ? found : NULL;
}

const char *fnr_text_nearest(const char *text, const char *const *words, size_t count)
{
	size_t len = strlen(text), word_len, edits, least = MOST_EDITS + 1, i;
	const char *nearest = NULL;

	for (i = 0; i < count; i++) {
		word_len = strlen(words[i]);
		if (len > LONGEST_WORD || word_len > LONGEST_WORD)
			continue;
		edits = distance(text, len, words[i], word_len);
		/* A word of which little is left is no suggestion. */
		if (edits < least && edits < len && edits < word_len && edits * 2 <= (len > word_len ? len : word_len) + 1) {
			least = edits;
			nearest = words[i];
		}
	}
	return nearest ? nearest : only_one_with(text, words, count);
}
