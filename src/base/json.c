/* The parser is our own and builds json-c values: json-c's tokener, even when strict, takes single quotes, NaN and
 * U+0000, clamps large integers, and keeps the last of two members of one name. */
#include "base/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#define INT_MOST INT64_C(9007199254740991) /* 2^53-1 */

/* What json-c needs for values, about: a few bytes of text become many of memory. */
#define MEMORY_VALUE 64
#define MEMORY_ARRAY 192
#define MEMORY_OBJECT 960
#define ARRAY_SLOTS 4          /* that a new array has room for */

struct parser {
	const char *data, *end, *at;
	struct fnr_error *err;
	struct fnr_buf text; /* the string read last */
	int depth, depth_most;
	size_t memory, memory_most;
	bool foreign;        /* what other programs write is mended where it can be */
	bool exact;          /* numbers of any size, U+0000 in strings */
};

static bool parse_value(struct parser *p, struct json_object **value_r);

static struct json_object *must(struct json_object *value)
{
	FNR_MUST(value);
	return value;
}

/* What to do about some of what is refused, by a part of the message. */
static const struct { const char *what, *fix; } advice[] = {
	{ "a member's name", "write \"name\": value; JSON has no comments, and no ',' before '}'" },
	{ "a value is missing", "put texts in double quotes; JSON has no comments, and no ',' before ']'" },
	{ "',' or", "put ',' between values, and texts in double quotes" },
	{ "is there twice", "remove one of them" },
	{ "has no end", "end it with a double quote" },
	{ "unknown escape", "write \\\\ for a backslash" },
	{ "not valid UTF-8", "save the text as UTF-8" },
	{ "byte order mark", "save the text as UTF-8 without a byte order mark" },
	{ "nested deeper", "nest it less deep" },
};

static void advise(struct fnr_error *err, const char *what)
{
	for (size_t i = 0; err && i < sizeof advice / sizeof advice[0]; i++)
		if (strstr(what, advice[i].what)) {
			fnr_text_copy(err->suggestion, sizeof err->suggestion, advice[i].fix);
			return;
		}
}

static bool refuse(struct parser *p, const char *at, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool refuse(struct parser *p, const char *at, const char *format, ...)
{
	unsigned long line = 1, column = 1;
	const char *c;
	char what[256];
	va_list args;

	for (c = p->data; c < at; c++) {
		if (*c == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)*c & 0xc0) != 0x80) {
			column++;
		}
	}
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	fnr_fail(p->err, FNR_E_MALFORMED, "JSON, line %lu, column %lu: %s", line, column, what);
	advise(p->err, what);
	return false;
}

static void skip_space(struct parser *p)
{
	while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
		p->at++;
}

/* The next byte, or -1 at the end. */
static int peek(const struct parser *p)
{
	return p->at < p->end ? (unsigned char)*p->at : -1;
}

static bool accept(struct parser *p, char c)
{
	if (peek(p) != c)
		return false;
	p->at++;
	return true;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool hex4(struct parser *p, unsigned *unit_r)
{
	unsigned unit = 0;
	int i, c;

	for (i = 0; i < 4; i++, p->at++) {
		c = peek(p);
		if (is_digit(c))
			unit = unit << 4 | (unsigned)(c - '0');
		else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
			unit = unit << 4 | (unsigned)((c | 0x20) - 'a' + 10);
		else
			return refuse(p, p->at, "\\u needs four hexadecimal digits");
	}
	*unit_r = unit;
	return true;
}

static void add_utf8(struct fnr_buf *buf, unsigned code)
{
	char out[4];
	size_t len = 0;

	if (code < 0x80) {
		out[len++] = (char)code;
	} else if (code < 0x800) {
		out[len++] = (char)(0xc0 | code >> 6);
	} else if (code < 0x10000) {
		out[len++] = (char)(0xe0 | code >> 12);
		out[len++] = (char)(0x80 | (code >> 6 & 0x3f));
	} else {
		out[len++] = (char)(0xf0 | code >> 18);
		out[len++] = (char)(0x80 | (code >> 12 & 0x3f));
		out[len++] = (char)(0x80 | (code >> 6 & 0x3f));
	}
	if (code >= 0x80)
		out[len++] = (char)(0x80 | (code & 0x3f));
	fnr_buf_add(buf, out, len);
}

#define REPLACEMENT 0xfffd

/* A character that cannot be: refused, or in its place the one that stands for such. */
static bool no_character(struct parser *p, const char *start, const char *what)
{
	if (!p->foreign)
		return refuse(p, start, "%s", what);
	add_utf8(&p->text, REPLACEMENT);
	return true;
}

/* Behind "\u". */
static bool parse_unicode(struct parser *p)
{
	const char *start = p->at - 2, *behind;
	unsigned unit, low;

	if (!hex4(p, &unit))
		return false;
	if (!unit && !p->exact)
		return no_character(p, start, "U+0000 is not allowed in a string");
	if (unit >= 0xd800 && unit < 0xdc00) {
		if (p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
			return no_character(p, start, "half of a surrogate pair");
		behind = p->at;
		p->at += 2;
		if (!hex4(p, &low))
			return false;
		if (low < 0xdc00 || low > 0xdfff) {
			p->at = behind;
			return no_character(p, start, "half of a surrogate pair");
		}
		unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
	} else if (unit >= 0xdc00 && unit < 0xe000) {
		return no_character(p, start, "half of a surrogate pair");
	}
	add_utf8(&p->text, unit);
	return true;
}

/* Behind a backslash. */
static bool parse_escape(struct parser *p)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	int c = peek(p);

	if (c == 'u') {
		p->at++;
		return parse_unicode(p);
	}
	found = c > 0 ? strchr(from, c) : NULL;
	if (!found)
		return refuse(p, p->at - 1, "unknown escape in a string");
	fnr_buf_add(&p->text, to + (found - from), 1);
	p->at++;
	return true;
}

/* Copies what needs no decoding, checking it. */
static bool parse_run(struct parser *p)
{
	const char *start = p->at;
	size_t step;

	while (p->at < p->end && *p->at != '"' && *p->at != '\\') {
		if ((unsigned char)*p->at < 0x20)
			return refuse(p, p->at, "a control character (U+%04X) in a string; write it as an escape",
			              (unsigned)(unsigned char)*p->at);
		step = fnr_utf8_step(p->at, (size_t)(p->end - p->at));
		if (!step)
			return refuse(p, p->at, "not valid UTF-8");
		p->at += step;
	}
	fnr_buf_add(&p->text, start, (size_t)(p->at - start));
	return true;
}

/* Behind the opening quote; leaves the string in p->text. */
static bool parse_string(struct parser *p)
{
	const char *start = p->at - 1;

	fnr_buf_reset(&p->text);
	for (;;) {
		if (!parse_run(p))
			return false;
		if (accept(p, '"'))
			return true;
		if (!accept(p, '\\'))
			return refuse(p, start, "this string has no end");
		if (!parse_escape(p))
			return false;
	}
}

static struct json_object *new_string(const struct fnr_buf *text)
{
	FNR_MUST(text->len <= INT32_MAX);
	return must(json_object_new_string_len(text->data, (int)text->len));
}

/* The value keeps its text, so that it is written as it was read. */
static bool make_real(struct parser *p, const char *start, struct json_object **value_r)
{
	char *text = fnr_memdup0(start, (size_t)(p->at - start));
	double value = fnr_text_real(text);

	if (isfinite(value) || p->exact)
		*value_r = must(json_object_new_double_s(value, text));
	free(text);
	return *value_r || p->foreign || refuse(p, start, "a number too large to keep");
}

static bool make_integer(struct parser *p, const char *start, struct json_object **value_r)
{
	bool negative = *start == '-';
	const char *c;
	int64_t value = 0;

	for (c = start + negative; c < p->at; c++) {
		value = value * 10 + (*c - '0');
		if (value > INT_MOST)
			return p->foreign || p->exact ? make_real(p, start, value_r) : refuse(p, start, "an integer beyond 2^53-1; write it as a string");
	}
	*value_r = must(json_object_new_int64(negative ? -value : value));
	return true;
}

static bool parse_word(struct parser *p, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0)
		return refuse(p, p->at, "a value is missing or is no JSON");
	p->at += len;
	return true;
}

static bool skip_digits(struct parser *p)
{
	if (!is_digit(peek(p)))
		return refuse(p, p->at, "a digit is missing in a number");
	while (is_digit(peek(p)))
		p->at++;
	return true;
}

static bool parse_number(struct parser *p, struct json_object **value_r)
{
	const char *start = p->at;
	bool integer = true;

	accept(p, '-');
	if (p->foreign && peek(p) == 'I')
		return parse_word(p, "Infinity");
	if (accept(p, '0')) {
		if (is_digit(peek(p)))
			return refuse(p, start, "a number may not begin with 0");
	} else if (!skip_digits(p)) {
		return false;
	}
	if (accept(p, '.')) {
		integer = false;
		if (!skip_digits(p))
			return false;
	}
	if (accept(p, 'e') || accept(p, 'E')) {
		integer = false;
		if (!accept(p, '+'))
			accept(p, '-');
		if (!skip_digits(p))
			return false;
	}
	return integer ? make_integer(p, start, value_r) : make_real(p, start, value_r);
}

static bool parse_array(struct parser *p, struct json_object *array)
{
	struct json_object *item;

	skip_space(p);
	if (accept(p, ']'))
		return true;
	for (;;) {
		if (!parse_value(p, &item))
			return false;
		FNR_MUST(json_object_array_add(array, item) == 0);
		skip_space(p);
		if (accept(p, ']'))
			return true;
		if (!accept(p, ','))
			return refuse(p, p->at, "',' or ']' is missing in an array");
	}
}

static bool parse_member(struct parser *p, struct json_object *object)
{
	struct json_object *value;
	const char *start;
	char *name;
	bool good;

	skip_space(p);
	start = p->at;
	if (!accept(p, '"'))
		return refuse(p, p->at, "a member's name in double quotes is missing");
	if (!parse_string(p))
		return false;
	if (memchr(p->text.data, 0, p->text.len))
		return refuse(p, start, "U+0000 is not allowed in a member's name");
	if (!p->foreign && json_object_object_get_ex(object, p->text.data, NULL))
		return refuse(p, start, "the member \"%.80s\" is there twice", p->text.data);
	name = fnr_strdup(p->text.data);
	skip_space(p);
	good = accept(p, ':') || refuse(p, p->at, "':' is missing behind a member's name");
	good = good && parse_value(p, &value);
	if (good)
		FNR_MUST(json_object_object_add(object, name, value) == 0);
	free(name);
	return good;
}

static bool parse_object(struct parser *p, struct json_object *object)
{
	skip_space(p);
	if (accept(p, '}'))
		return true;
	for (;;) {
		if (!parse_member(p, object))
			return false;
		skip_space(p);
		if (accept(p, '}'))
			return true;
		if (!accept(p, ','))
			return refuse(p, p->at, "',' or '}' is missing in an object");
	}
}

static bool have_memory(struct parser *p, size_t bytes)
{
	p->memory += bytes;
	return p->memory <= p->memory_most || refuse(p, p->at, "more values than fit into %zu MiB of memory", p->memory_most >> 20);
}

static bool parse_container(struct parser *p, struct json_object **value_r)
{
	bool array = *p->at == '[', good;
	struct json_object *value;

	if (p->depth == p->depth_most)
		return refuse(p, p->at, "nested deeper than %d", p->depth_most);
	if (!have_memory(p, array ? MEMORY_ARRAY : MEMORY_OBJECT))
		return false;
	p->depth++;
	p->at++;
	value = must(array ? json_object_new_array_ext(ARRAY_SLOTS) : json_object_new_object());
	good = array ? parse_array(p, value) : parse_object(p, value);
	p->depth--;
	if (good)
		*value_r = value;
	else
		json_object_put(value);
	return good;
}

static bool parse_value(struct parser *p, struct json_object **value_r)
{
	*value_r = NULL;
	if (!have_memory(p, MEMORY_VALUE))
		return false;
	skip_space(p);
	switch (peek(p)) {
	case '{':
	case '[':
		return parse_container(p, value_r);
	case '"':
		p->at++;
		if (!parse_string(p))
			return false;
		*value_r = new_string(&p->text);
		return true;
	case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
		return parse_number(p, value_r);
	case 't':
		*value_r = parse_word(p, "true") ? must(json_object_new_boolean(1)) : NULL;
		return *value_r;
	case 'f':
		*value_r = parse_word(p, "false") ? must(json_object_new_boolean(0)) : NULL;
		return *value_r;
	case 'n':
		return parse_word(p, "null");
	case 'N': case 'I': /* not finite, as Python writes it */
		return p->foreign ? parse_word(p, *p->at == 'N' ? "NaN" : "Infinity") : refuse(p, p->at, "a value is missing or is no JSON");
	case -1:
		return refuse(p, p->at, "the text ends where a value is missing");
	default:
		return refuse(p, p->at, "a value is missing or is no JSON");
	}
}

enum manner { STRICT, OWN, FOREIGN, EXACT };

static struct json_object *parse_whole(const char *data, size_t len, int depth_most, enum manner manner, struct fnr_error *err)
{
	struct parser p = { .data = len ? data : "", .err = err, .text = FNR_BUF_INIT, .depth_most = depth_most, .foreign = manner == FOREIGN,
	                    .exact = manner == EXACT, .memory_most = manner == OWN ? SIZE_MAX : manner == FOREIGN ? FNR_JSON_MEMORY_FOREIGN : FNR_JSON_MEMORY };
	struct json_object *value;
	bool good;

	p.at = p.data;
	p.end = p.data + len;
	if (err)
		err->code = FNR_OK;
	if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
		refuse(&p, p.at, "a byte order mark is not allowed");
		return NULL;
	}
	good = parse_value(&p, &value);
	skip_space(&p);
	if (good && p.at < p.end)
		good = refuse(&p, p.at, "something follows behind the value");
	fnr_buf_free(&p.text);
	if (good)
		return value;
	json_object_put(value);
	return NULL;
}

struct json_object *fnr_json_parse(const char *data, size_t len, struct fnr_error *err)
{
	return parse_whole(data, len, FNR_JSON_DEPTH, STRICT, err);
}

struct json_object *fnr_json_parse_own(const char *data, size_t len, struct fnr_error *err)
{
	return parse_whole(data, len, FNR_JSON_DEPTH_OWN, OWN, err);
}

struct json_object *fnr_json_parse_foreign(const char *data, size_t len, struct fnr_error *err)
{
	return parse_whole(data, len, FNR_JSON_DEPTH, FOREIGN, err);
}

struct json_object *fnr_json_parse_exact(const char *data, size_t len, struct fnr_error *err)
{
	return parse_whole(data, len, FNR_JSON_DEPTH_OWN, EXACT, err);
}

const char *fnr_json_text(struct json_object *value, size_t *len_r)
{
	size_t len;
	const char *text;

	text = json_object_to_json_string_length(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	FNR_MUST(text);
	if (len_r)
		*len_r = value ? len : strlen(text);
	return text;
}

void fnr_json_set(struct json_object *object, const char *name, struct json_object *value)
{
	FNR_MUST(json_object_object_add(object, name, value) == 0);
}

void fnr_json_set_text(struct json_object *object, const char *name, const char *text)
{
	fnr_json_set(object, name, text ? must(json_object_new_string(text)) : NULL);
}

void fnr_json_set_int(struct json_object *object, const char *name, int64_t value)
{
	fnr_json_set(object, name, must(json_object_new_int64(value)));
}

void fnr_json_set_bool(struct json_object *object, const char *name, bool value)
{
	fnr_json_set(object, name, must(json_object_new_boolean(value)));
}

struct json_object *fnr_json_real(double value)
{
	char text[40], *comma;
	int digits;

	if (!isfinite(value))
		return NULL;
	for (digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, value);
		comma = strchr(text, ',');
		if (comma)
			*comma = '.';
		if (fnr_text_real(text) == value)
			break;
	}
	if (!strpbrk(text, ".e"))
		strcat(text, ".0");
	return must(json_object_new_double_s(value, text));
}

void fnr_json_set_real(struct json_object *object, const char *name, double value)
{
	fnr_json_set(object, name, fnr_json_real(value));
}

void fnr_json_set_time(struct json_object *object, const char *name, int64_t ms)
{
	char text[FNR_TIME_SIZE];

	fnr_json_set_text(object, name, ms ? fnr_time_format(ms, text) : NULL);
}

struct json_object *fnr_json_get(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, name, &value);
	return value;
}

const char *fnr_json_get_text(struct json_object *object, const char *name, const char *fallback)
{
	struct json_object *value = fnr_json_get(object, name);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : fallback;
}

int64_t fnr_json_get_int(struct json_object *object, const char *name, int64_t fallback)
{
	struct json_object *value = fnr_json_get(object, name);
	double real;

	if (json_object_is_type(value, json_type_int))
		return json_object_get_int64(value);
	if (!json_object_is_type(value, json_type_double))
		return fallback;
	/* 3.0 and 3e2 are integers too, as JSON Schema has it */
	real = json_object_get_double(value);
	return fabs(real) <= (double)INT_MOST && real == floor(real) ? (int64_t)real : fallback;
}

bool fnr_json_get_bool(struct json_object *object, const char *name, bool fallback)
{
	struct json_object *value = fnr_json_get(object, name);

	return json_object_is_type(value, json_type_boolean) ? json_object_get_boolean(value) : fallback;
}

double fnr_json_get_real(struct json_object *object, const char *name, double fallback)
{
	struct json_object *value = fnr_json_get(object, name);

	if (json_object_is_type(value, json_type_double) || json_object_is_type(value, json_type_int))
		return json_object_get_double(value);
	return fallback;
}

struct json_object *fnr_json_copy(struct json_object *value)
{
	struct json_object *copy = NULL;

	if (value)
		FNR_MUST(json_object_deep_copy(value, &copy, NULL) == 0);
	return copy;
}

void fnr_json_pointer_add(char *pointer, size_t size, const char *name)
{
	size_t at = strlen(pointer), left = strlen(name), step, len;
	const char *piece = "/";

	/* A piece is an escape or a character; one that does not fit ends the pointer. */
	for (len = 1; at + len < size; left -= step, name += step) {
		memcpy(pointer + at, piece, len);
		at += len;
		pointer[at] = 0;
		if (!left)
			return;
		step = fnr_utf8_step(name, left);
		step = step ? step : 1;
		piece = *name == '~' ? "~0" : *name == '/' ? "~1" : name;
		len = *name == '~' || *name == '/' ? 2 : step;
	}
}

const char *fnr_json_found(struct json_object *value, char out[FNR_JSON_FOUND])
{
	char text[48];

	switch (json_object_get_type(value)) {
	case json_type_null: return "nothing";
	case json_type_array: return "a list";
	case json_type_object: return "an object";
	case json_type_string:
		fnr_text_copy(text, sizeof text, json_object_get_string(value));
		snprintf(out, FNR_JSON_FOUND, "the text \"%s%s\"", text, strlen(text) < strlen(json_object_get_string(value)) ? "…" : "");
		return out;
	default:
		fnr_text_copy(out, FNR_JSON_FOUND, fnr_json_text(value, NULL));
		return out;
	}
}
