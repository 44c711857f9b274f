#include "base/marks.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/buf.h"
#include "base/marks_json.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/yaml.h"

#define MOST 100000

struct mark { char *pointer; size_t line, column; };
struct fnr_marks { struct mark *items; size_t count, size; };

struct reader {
	yaml_parser_t parser;
	struct fnr_marks *marks;
	char pointer[MARKS_POINTER];
	int depth;
};

bool marks_add(struct fnr_marks *marks, const char *pointer, size_t line, size_t column)
{
	if (marks->count == MOST)
		return false;
	if (marks->count == marks->size) {
		marks->size = marks->size ? marks->size * 2 : 64;
		marks->items = fnr_realloc(marks->items, marks->size * sizeof *marks->items);
	}
	marks->items[marks->count++] = (struct mark){ fnr_strdup(pointer), line, column };
	return true;
}

void marks_step(char pointer[MARKS_POINTER], const char *name)
{
	size_t len = strlen(pointer);

	if (len + 1 < MARKS_POINTER)
		pointer[len++] = '/';
	for (; *name && len + 2 < MARKS_POINTER; name++) {
		if (*name == '~' || *name == '/')
			pointer[len++] = '~';
		pointer[len++] = *name == '~' ? '0' : *name == '/' ? '1' : *name;
	}
	pointer[len] = 0;
}

static bool read_node(struct reader *r, const yaml_event_t *event, const yaml_mark_t *at);

static bool read_items(struct reader *r)
{
	size_t len = strlen(r->pointer), index = 0;
	yaml_event_t event;
	char name[24];
	bool good = true, end = false;

	while (good && !end) {
		if (!yaml_parser_parse(&r->parser, &event))
			return false;
		end = event.type == YAML_SEQUENCE_END_EVENT;
		if (!end) {
			snprintf(name, sizeof name, "%zu", index++);
			marks_step(r->pointer, name);
			good = read_node(r, &event, &event.start_mark);
			r->pointer[len] = 0;
		}
		yaml_event_delete(&event);
	}
	return good;
}

static bool read_member(struct reader *r, const yaml_event_t *name)
{
	yaml_event_t event;
	bool good;

	if (name->type != YAML_SCALAR_EVENT || !yaml_parser_parse(&r->parser, &event))
		return false;
	marks_step(r->pointer, (const char *)name->data.scalar.value);
	good = read_node(r, &event, &name->start_mark);
	yaml_event_delete(&event);
	return good;
}

static bool read_members(struct reader *r)
{
	size_t len = strlen(r->pointer);
	yaml_event_t event;
	bool good = true, end = false;

	while (good && !end) {
		if (!yaml_parser_parse(&r->parser, &event))
			return false;
		end = event.type == YAML_MAPPING_END_EVENT;
		good = end || read_member(r, &event);
		r->pointer[len] = 0;
		yaml_event_delete(&event);
	}
	return good;
}

/* What an alias stands for is found at the alias. */
static bool read_node(struct reader *r, const yaml_event_t *event, const yaml_mark_t *at)
{
	bool good;

	if (!marks_add(r->marks, r->pointer, at->line + 1, at->column + 1))
		return false;
	if (event->type != YAML_SEQUENCE_START_EVENT && event->type != YAML_MAPPING_START_EVENT)
		return event->type == YAML_SCALAR_EVENT || event->type == YAML_ALIAS_EVENT;
	if (r->depth == MARKS_DEPTH)
		return false;
	r->depth++;
	good = event->type == YAML_SEQUENCE_START_EVENT ? read_items(r) : read_members(r);
	r->depth--;
	return good;
}

static bool read_text(struct reader *r)
{
	yaml_event_t event;
	bool good = true, found = false;

	while (good && !found) {
		if (!yaml_parser_parse(&r->parser, &event))
			return false;
		found = event.type != YAML_STREAM_START_EVENT && event.type != YAML_DOCUMENT_START_EVENT;
		good = !found || read_node(r, &event, &event.start_mark);
		yaml_event_delete(&event);
	}
	return good;
}

static void forget(struct fnr_marks *marks)
{
	while (marks->count)
		free(marks->items[--marks->count].pointer);
}

static bool read_yaml(struct fnr_marks *marks, const char *text, size_t len)
{
	struct reader r = { .marks = marks };
	bool good;

	if (!yaml_parser_initialize(&r.parser))
		return false;
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
	good = read_text(&r);
	yaml_parser_delete(&r.parser);
	return good;
}

struct fnr_marks *fnr_marks_read(const char *text, size_t len)
{
	struct fnr_marks *marks = fnr_alloc(sizeof *marks);
	size_t mark = fnr_yaml_mark(text, len);

	text = len ? text + mark : "";
	if (marks_read_json(marks, text, len - mark))
		return marks;
	forget(marks);
	if (read_yaml(marks, text, len - mark))
		return marks;
	fnr_marks_free(marks);
	return NULL;
}

void fnr_marks_free(struct fnr_marks *marks)
{
	if (!marks)
		return;
	forget(marks);
	free(marks->items);
	free(marks);
}

/* Is it the pointer, or one to something around it? */
static bool leads_to(const char *pointer, const char *whole)
{
	size_t len = strlen(pointer);

	return strncmp(pointer, whole, len) == 0 && (!whole[len] || whole[len] == '/');
}

size_t fnr_marks_find(const struct fnr_marks *marks, const char *pointer, size_t *line_r, size_t *column_r)
{
	const struct mark *best = NULL;

	for (size_t i = 0; i < marks->count; i++)
		if (leads_to(marks->items[i].pointer, pointer) && (!best || strlen(marks->items[i].pointer) > strlen(best->pointer)))
			best = &marks->items[i];
	*line_r = best ? best->line : 1;
	*column_r = best ? best->column : 1;
	return best ? strlen(best->pointer) : 0;
}

/* ---- excerpts ---- */

/* The line, without its end and what follows it; *len_r bytes. */
static const char *find_line(const char *text, const char *end, size_t line, size_t *len_r)
{
	const char *stop;

	*len_r = 0;
	for (; line > 1 && text < end; line--) {
		text = memchr(text, '\n', (size_t)(end - text));
		if (!text)
			return end;
		text++;
	}
	if (text >= end)
		return end;
	stop = memchr(text, '\n', (size_t)(end - text));
	for (stop = stop ? stop : end; stop > text && strchr(" \t\r", stop[-1]); stop--)
		;
	*len_r = (size_t)(stop - text);
	return text;
}

/* Where the character of this number, from 0, begins; the end if there are fewer. */
static const char *nth(const char *text, const char *end, size_t n)
{
	for (; text < end && n > 0; n--)
		for (text++; text < end && ((unsigned char)*text & 0xc0) == 0x80;)
			text++;
	return text;
}

size_t fnr_marks_excerpt(const char *text, size_t len, size_t line, size_t column, char *out, size_t size)
{
	size_t mark = fnr_yaml_mark(text, len), line_len, skipped = 0, before = size / 8;
	const char *begin = find_line(text + mark, text + len, line, &line_len), *end = begin + line_len;
	bool long_ = line_len >= size;
	char *part, *at;

	if (long_ && column > before)
		skipped = column - before;
	begin = nth(begin, end, skipped);
	part = fnr_memdup0(begin, (size_t)(end - begin) < size ? (size_t)(end - begin) : size);
	fnr_text_clean(part);
	fnr_text_clean_directions(part);
	snprintf(out, size, "%s", skipped ? "…" : "");
	at = out + strlen(out);
	fnr_text_copy(at, size - (size_t)(at - out) - (long_ ? strlen("…") : 0), part);
	if (strlen(at) < strlen(part))      /* then it is long: there is room */
		strcat(at, "…");
	free(part);
	return column - skipped + (skipped ? 1 : 0);
}
