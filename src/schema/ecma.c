#include "schema/ecma.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What \s is, and what \S is, within a class. */
#define SPACES "\\t\\n\\x{b}\\f\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}"
#define NO_SPACES "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}" \
	"\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}"
#define PROPERTY_MOST 64

struct translation {
	const char *text, *end, *at;
	struct fnr_buf *out;
	char *message;
	size_t size;
	bool repeatable;     /* is there something in front that a quantifier may follow? */
};

static bool refuse(struct translation *t, const char *at, const char *what)
{
	snprintf(t->message, t->size, "%s, at byte %zu", what, (size_t)(at - t->text));
	return false;
}

static int peek(const struct translation *t, size_t ahead)
{
	return (size_t)(t->end - t->at) > ahead ? (unsigned char)t->at[ahead] : -1;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void add_code(struct translation *t, unsigned code)
{
	fnr_buf_printf(t->out, "\\x{%x}", code);
}

/* ---- escapes ---- */

static int hex(int c)
{
	return is_digit(c) ? c - '0' : (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ? (c | 32) - 'a' + 10 : -1;
}

/* `count` digits from t->at on, which is moved behind them; -1 if there are not so many */
static long hex_digits(struct translation *t, int count)
{
	long code = 0;

	for (int i = 0; i < count; i++) {
		if (hex(peek(t, (size_t)i)) < 0)
			return -1;
		code = code << 4 | hex(peek(t, (size_t)i));
	}
	t->at += count;
	return code;
}

/* Behind "\u{" */
static long braced(struct translation *t)
{
	long code = 0;
	int digits = 0;

	for (; hex(peek(t, 0)) >= 0 && code <= 0x10ffff; t->at++, digits++)
		code = code << 4 | hex(peek(t, 0));
	if (!digits || code > 0x10ffff || peek(t, 0) != '}')
		return -1;
	t->at++;
	return code;
}

/* Behind "\u"; two halves of a surrogate pair are one character. */
static bool add_unicode(struct translation *t, const char *start)
{
	long code, low;

	if (peek(t, 0) == '{') {
		t->at++;
		code = braced(t);
	} else {
		code = hex_digits(t, 4);
	}
	if (code >= 0xd800 && code < 0xdc00 && peek(t, 0) == '\\' && peek(t, 1) == 'u') {
		t->at += 2;
		low = hex_digits(t, 4);
		code = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : -1;
	}
	if (code < 0 || (code >= 0xd800 && code < 0xe000))
		return refuse(t, start, "\\u needs a character's four hexadecimal digits, or more in braces");
	add_code(t, (unsigned)code);
	return true;
}

/* General categories by their long names; PCRE2 has the short ones. */
static const char *category(const char *name)
{
	static const struct { const char *name, *is; } names[] = {
		{ "LC", "L&" }, { "Cased_Letter", "L&" }, { "Letter", "L" }, { "Lowercase_Letter", "Ll" }, { "Uppercase_Letter", "Lu" },
		{ "Titlecase_Letter", "Lt" }, { "Modifier_Letter", "Lm" }, { "Other_Letter", "Lo" }, { "Mark", "M" }, { "Combining_Mark", "M" },
		{ "Nonspacing_Mark", "Mn" }, { "Spacing_Mark", "Mc" }, { "Enclosing_Mark", "Me" }, { "Number", "N" }, { "Decimal_Number", "Nd" },
		{ "digit", "Nd" }, { "Letter_Number", "Nl" }, { "Other_Number", "No" }, { "Punctuation", "P" }, { "punct", "P" },
		{ "Connector_Punctuation", "Pc" }, { "Dash_Punctuation", "Pd" }, { "Open_Punctuation", "Ps" }, { "Close_Punctuation", "Pe" },
		{ "Initial_Punctuation", "Pi" }, { "Final_Punctuation", "Pf" }, { "Other_Punctuation", "Po" }, { "Symbol", "S" }, { "Math_Symbol", "Sm" },
		{ "Currency_Symbol", "Sc" }, { "Modifier_Symbol", "Sk" }, { "Other_Symbol", "So" }, { "Separator", "Z" }, { "Space_Separator", "Zs" },
		{ "Line_Separator", "Zl" }, { "Paragraph_Separator", "Zp" }, { "Other", "C" }, { "Control", "Cc" }, { "cntrl", "Cc" }, { "Format", "Cf" },
		{ "Surrogate", "Cs" }, { "Private_Use", "Co" }, { "Unassigned", "Cn" },
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].is;
	return name;
}

/* Behind "\p" or "\P": {Letter}, {gc=L}, {Script=Greek}, {scx=Greek}, {Alphabetic} */
static bool add_property(struct translation *t, const char *start, char letter)
{
	static const struct { const char *before, *is; } kinds[] = {
		{ "General_Category=", "" }, { "gc=", "" }, { "Script=", "sc:" }, { "sc=", "sc:" }, { "Script_Extensions=", "scx:" }, { "scx=", "scx:" },
	};
	const char *close = peek(t, 0) == '{' ? memchr(t->at, '}', (size_t)(t->end - t->at)) : NULL, *kind = "";
	char name[PROPERTY_MOST], *at = name;
	size_t len = close ? (size_t)(close - t->at) - 1 : 0;

	if (!len || len >= sizeof name)
		return refuse(t, start, "\\p needs a property in braces");
	memcpy(name, t->at + 1, len);
	name[len] = 0;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strncmp(name, kinds[i].before, strlen(kinds[i].before)) != 0)
			continue;
		at = name + strlen(kinds[i].before);
		kind = kinds[i].is;
	}
	if (!*at || strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != strlen(at))
		return refuse(t, start, "there is no such property");
	fnr_buf_printf(t->out, "\\%c{%s%s}", letter, kind, *kind ? at : category(at));
	t->at = close + 1;
	return true;
}

static bool add_control(struct translation *t, const char *start)
{
	if (!is_letter(peek(t, 0)))
		return refuse(t, start, "\\c needs a letter");
	add_code(t, (unsigned)*t->at++ & 31);
	return true;
}

/* "\1" to "\999" */
static bool add_back_reference(struct translation *t)
{
	char *end;
	char digits[8] = "";
	size_t len = 0;

	while (is_digit(peek(t, 0)) && len < sizeof digits - 1)
		digits[len++] = *t->at++;
	fnr_buf_printf(t->out, "\\g{%lu}", strtoul(digits, &end, 10));
	return true;
}

static bool add_named_reference(struct translation *t, const char *start)
{
	const char *close = peek(t, 0) == '<' ? memchr(t->at, '>', (size_t)(t->end - t->at)) : NULL;

	if (!close)
		return refuse(t, start, "\\k needs the name of a group: \\k<name>");
	fnr_buf_puts(t->out, "\\k");
	fnr_buf_add(t->out, t->at, (size_t)(close + 1 - t->at));
	t->at = close + 1;
	return true;
}

static const char *simple_escape(int c, bool in_class)
{
	switch (c) {
	case 't': return "\\t";
	case 'n': return "\\n";
	case 'v': return "\\x{b}";
	case 'f': return "\\f";
	case 'r': return "\\r";
	case 'd': return "\\d";
	case 'D': return "\\D";
	case 'w': return "\\w";
	case 'W': return "\\W";
	case 's': return in_class ? SPACES : "[" SPACES "]";
	case 'S': return in_class ? NO_SPACES : "[" NO_SPACES "]";
	case 'b': return in_class ? "\\x{8}" : "\\b";
	case 'B': return in_class ? NULL : "\\B";
	default: return NULL;
	}
}

/* Behind a backslash. */
static bool add_escape(struct translation *t, bool in_class)
{
	const char *start = t->at - 1, *simple;
	int c = peek(t, 0);
	long code;

	if (c < 0)
		return refuse(t, start, "nothing follows the backslash");
	simple = simple_escape(c, in_class);
	if (simple || (c == '0' && !is_digit(peek(t, 1)))) {
		t->repeatable = c != 'b' && c != 'B';
		t->at++;
		fnr_buf_puts(t->out, simple ? simple : "\\x{0}");
		return true;
	}
	if (is_digit(c))
		return in_class || c == '0' ? refuse(t, start, "octal numbers are not allowed") : add_back_reference(t);
	t->at++;
	switch (c) {
	case 'u': return add_unicode(t, start);
	case 'p': case 'P': return add_property(t, start, (char)c);
	case 'c': return add_control(t, start);
	case 'x':
		code = hex_digits(t, 2);
		add_code(t, (unsigned)code);
		return code >= 0 || refuse(t, start, "\\x needs two hexadecimal digits");
	case 'k':
		return in_class ? refuse(t, start, "\\k is not allowed in a class") : add_named_reference(t, start);
	}
	if (is_letter(c) || c == '_' || c >= 0x80)
		return refuse(t, start, "there is no such escape");
	add_code(t, (unsigned)c);
	return true;
}

/* ---- the rest ---- */

/* Behind '['. PCRE2 sees names of classes within ("[:alpha:]") unless the brackets are escaped. */
static bool add_class(struct translation *t)
{
	const char *start = t->at - 1;

	fnr_buf_puts(t->out, "[");
	if (peek(t, 0) == '^') {
		fnr_buf_puts(t->out, "^");
		t->at++;
	}
	while (t->at < t->end && *t->at != ']') {
		char c = *t->at++;

		if (c == '\\') {
			if (!add_escape(t, true))
				return false;
		} else if (c == '[') {
			fnr_buf_puts(t->out, "\\[");
		} else {
			fnr_buf_add(t->out, &c, 1);
		}
	}
	if (t->at == t->end)
		return refuse(t, start, "this class has no end");
	fnr_buf_puts(t->out, "]");
	t->at++;
	t->repeatable = true;
	return true;
}

/* Behind '('. */
static bool add_group(struct translation *t)
{
	static const char *const kinds[] = { "?:", "?=", "?!", "?<=", "?<!", "?i:", "?-i:" };
	const char *start = t->at - 1;
	size_t left = (size_t)(t->end - t->at);

	fnr_buf_puts(t->out, "(");
	t->repeatable = false;
	if (peek(t, 0) != '?')
		return true;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		size_t len = strlen(kinds[i]);

		if (left < len || memcmp(t->at, kinds[i], len) != 0)
			continue;
		fnr_buf_puts(t->out, kinds[i]);
		t->at += len;
		return true;
	}
	if (peek(t, 1) != '<' || !(is_letter(peek(t, 2)) || peek(t, 2) == '_'))
		return refuse(t, start, "there is no such kind of group");
	fnr_buf_puts(t->out, "?<");
	for (t->at += 2; t->at < t->end && *t->at != '>'; t->at++) {
		if (!is_letter(peek(t, 0)) && !is_digit(peek(t, 0)) && *t->at != '_')
			return refuse(t, start, "a group's name has letters, digits and '_'");
		fnr_buf_add(t->out, t->at, 1);
	}
	return true;
}

/* The length of a count like {2}, {2,} or {2,5} that begins here, or 0. */
static size_t count_length(const struct translation *t)
{
	size_t at = 1;

	while (is_digit(peek(t, at)))
		at++;
	if (at == 1)
		return 0;
	if (peek(t, at) == ',')
		at++;
	while (is_digit(peek(t, at)))
		at++;
	return peek(t, at) == '}' ? at + 1 : 0;
}

/* A quantifier of so many bytes; there are no possessive ones. */
static bool add_quantifier(struct translation *t, size_t len)
{
	if (!t->repeatable)
		return refuse(t, t->at, "there is nothing to repeat");
	fnr_buf_add(t->out, t->at, len);
	t->at += len;
	if (peek(t, 0) == '?') {
		fnr_buf_puts(t->out, "?");
		t->at++;
	}
	t->repeatable = false;
	return true;
}

static bool add_next(struct translation *t)
{
	char c = *t->at;
	size_t count = c == '*' || c == '+' || c == '?' ? 1 : c == '{' ? count_length(t) : 0;

	if (count)
		return add_quantifier(t, count);
	t->at++;
	t->repeatable = true;
	switch (c) {
	case '\\': return add_escape(t, false);
	case '[': return add_class(t);
	case '(': return add_group(t);
	case '.': fnr_buf_puts(t->out, "[^\\n\\r\\x{2028}\\x{2029}]"); return true;
	case '{': case '}': case ']': add_code(t, (unsigned char)c); return true;
	case '^': case '$': case '|': t->repeatable = false; break;
	}
	fnr_buf_add(t->out, &c, 1);
	return true;
}

bool ecma_translate(const char *text, size_t len, struct fnr_buf *out, char *message, size_t size)
{
	struct translation t = { .text = text, .end = text + len, .at = text, .out = out, .message = message, .size = size };

	while (t.at < t.end)
		if (!add_next(&t))
			return false;
	return true;
}
