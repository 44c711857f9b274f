#include "base/marks_json.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

struct scanner {
	const char *at, *end;
	size_t line, column;
	struct fnr_marks *marks;
	char pointer[MARKS_POINTER];
	int depth;
};

static bool scan_value(struct scanner *s, size_t line, size_t column);

/* A column is a character, not a byte. */
static void advance(struct scanner *s)
{
	if (*s->at == '\n') {
		s->line++;
		s->column = 1;
	} else if (((unsigned char)*s->at & 0xc0) != 0x80) {
		s->column++;
	}
	s->at++;
}

static void skip_any_of(struct scanner *s, const char *these)
{
	while (s->at < s->end && *s->at && strchr(these, *s->at))
		advance(s);
}

static void skip_space(struct scanner *s)
{
	skip_any_of(s, " \t\r\n");
}

static bool accept(struct scanner *s, char c)
{
	if (s->at == s->end || *s->at != c)
		return false;
	advance(s);
	return true;
}

static bool scan_string(struct scanner *s)
{
	if (!accept(s, '"'))
		return false;
	while (s->at < s->end && *s->at != '"') {
		if (*s->at == '\\')
			advance(s);
		if (s->at < s->end)
			advance(s);
	}
	return accept(s, '"');
}

/* A member's name becomes a step of the pointer. */
static bool scan_name(struct scanner *s)
{
	const char *start = s->at;
	struct json_object *name;

	if (!scan_string(s))
		return false;
	name = fnr_json_parse(start, (size_t)(s->at - start), NULL);
	if (!name)
		return false;
	marks_step(s->pointer, json_object_get_string(name));
	json_object_put(name);
	return true;
}

static bool scan_member(struct scanner *s)
{
	size_t line = s->line, column = s->column;

	if (!scan_name(s))
		return false;
	skip_space(s);
	if (!accept(s, ':'))
		return false;
	skip_space(s);
	return scan_value(s, line, column);
}

static bool scan_item(struct scanner *s, size_t index)
{
	char name[24];

	snprintf(name, sizeof name, "%zu", index);
	marks_step(s->pointer, name);
	return scan_value(s, s->line, s->column);
}

/* Behind the opening bracket. */
static bool scan_parts(struct scanner *s, bool array)
{
	size_t len = strlen(s->pointer), index = 0;
	char close = array ? ']' : '}';

	for (skip_space(s); !accept(s, close); skip_space(s)) {
		if (index && !accept(s, ','))
			return false;
		skip_space(s);
		if (!(array ? scan_item(s, index) : scan_member(s)))
			return false;
		index++;
		s->pointer[len] = 0;
	}
	return true;
}

static bool scan_value(struct scanner *s, size_t line, size_t column)
{
	const char *start = s->at;
	bool array, good;

	if (!marks_add(s->marks, s->pointer, line, column))
		return false;
	if (s->at < s->end && *s->at == '"')
		return scan_string(s);
	array = accept(s, '[');
	if (array || accept(s, '{')) {
		if (s->depth == MARKS_DEPTH)
			return false;
		s->depth++;
		good = scan_parts(s, array);
		s->depth--;
		return good;
	}
	skip_any_of(s, "+-.0123456789abcdefghijklmnopqrstuvwxyzE");
	return s->at > start;
}

bool marks_read_json(struct fnr_marks *marks, const char *text, size_t len)
{
	struct scanner s = { .at = text, .end = text + len, .line = 1, .column = 1, .marks = marks };

	skip_space(&s);
	if (s.at == s.end || (*s.at != '{' && *s.at != '[') || !scan_value(&s, s.line, s.column))
		return false;
	skip_space(&s);
	return s.at == s.end;
}
