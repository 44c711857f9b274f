#include "base/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/yaml_problem.h"

#define MOST_NODES 100000
#define MOST_BYTES (16u << 20) /* of texts and names, where aliases bring some */
#define MOST_ANCHORS 1000 /* they are looked up one by one */
#define INT_MOST INT64_C(9007199254740991) /* 2^53-1, as in JSON */
#define CORE "tag:yaml.org,2002:"
#define UNTAG "take the tag away, and put a text that begins with ! in quotes"

/* What an anchor names, once it is complete. */
struct anchor {
	char *name;
	struct json_object *value;
	bool complete;
	int height;   /* levels of nesting in it */
	size_t nodes, bytes;
	struct anchor *next;
};

struct reader {
	yaml_parser_t parser;
	const char *name, *text;
	size_t len;
	struct fnr_error *err;
	struct anchor *anchors; /* the newest first: a name may be used again */
	size_t nodes, bytes, anchor_count; /* as they are written out: an alias counts as what it names */
	int depth;
};

static bool read_node(struct reader *r, const yaml_event_t *event, struct json_object **value_r, int *height_r);

static bool refuse(struct reader *r, const yaml_mark_t *mark, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool refuse(struct reader *r, const yaml_mark_t *mark, const char *format, ...)
{
	char what[256];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	fnr_fail(r->err, FNR_E_MALFORMED, "%s:%zu:%zu: %s", r->name, mark->line + 1, mark->column + 1, what);
	return false;
}

/* What to do about it, where the message does not say that; false. */
static bool advise(struct reader *r, const char *fix)
{
	if (r->err)
		fnr_text_copy(r->err->suggestion, sizeof r->err->suggestion, fix);
	return false;
}

static struct json_object *must(struct json_object *value)
{
	FNR_MUST(value);
	return value;
}

/* The next event, which the caller deletes. */
static bool next(struct reader *r, yaml_event_t *event)
{
	struct yaml_problem problem;

	if (yaml_parser_parse(&r->parser, event))
		return true;
	FNR_MUST(r->parser.error != YAML_MEMORY_ERROR);
	yaml_problem_explain(&r->parser, r->text, r->len, &problem);
	return refuse(r, &problem.mark, "%s", problem.what) || advise(r, problem.fix);
}

static const char *sign_skipped(const char *text)
{
	return text + (*text == '-' || *text == '+');
}

static bool all_digits(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_real(const char *text)
{
	size_t whole, part = 0;

	text = sign_skipped(text);
	whole = strspn(text, "0123456789");
	text += whole;
	if (*text == '.') {
		part = strspn(++text, "0123456789");
		text += part;
	}
	if (!whole && !part)
		return false;
	return !*text || ((*text == 'e' || *text == 'E') && all_digits(sign_skipped(text + 1)));
}

/* [-+]? [0-9]+, 0o[0-7]+ or 0x[0-9a-fA-F]+; base_r is what it is written in, 0 if it is no integer. */
static int integer_base(const char *text)
{
	if (text[0] == '0' && text[1] == 'o')
		return text[2] && !text[2 + strspn(text + 2, "01234567")] ? 8 : 0;
	if (text[0] == '0' && text[1] == 'x')
		return text[2] && !text[2 + strspn(text + 2, "0123456789abcdefABCDEF")] ? 16 : 0;
	return all_digits(sign_skipped(text)) ? 10 : 0;
}

static bool one_of(const char *text, const char *a, const char *b, const char *c)
{
	return strcmp(text, a) == 0 || strcmp(text, b) == 0 || strcmp(text, c) == 0;
}

static bool is_null(const char *text)
{
	return !*text || strcmp(text, "~") == 0 || one_of(text, "null", "Null", "NULL");
}

static bool is_not_finite(const char *text)
{
	return one_of(text, ".nan", ".NaN", ".NAN") || one_of(sign_skipped(text), ".inf", ".Inf", ".INF");
}

static bool make_integer(struct reader *r, const yaml_event_t *event, int base, struct json_object **value_r)
{
	const char *text = (const char *)event->data.scalar.value;
	unsigned long long value;

	value = strtoull(base == 10 ? sign_skipped(text) : text + 2, NULL, base);
	if (value > (unsigned long long)INT_MOST)
		return refuse(r, &event->start_mark, "an integer beyond 2^53-1") || advise(r, "put it in quotes to make it a text");
	*value_r = must(json_object_new_int64(*text == '-' ? -(int64_t)value : (int64_t)value));
	return true;
}

static bool make_real(struct reader *r, const yaml_event_t *event, struct json_object **value_r)
{
	*value_r = fnr_json_real(fnr_text_real((const char *)event->data.scalar.value));
	return *value_r || refuse(r, &event->start_mark, "a number too large to keep") || advise(r, "put it in quotes to make it a text");
}

static bool make_text(struct reader *r, const yaml_event_t *event, struct json_object **value_r)
{
	size_t len = event->data.scalar.length;

	FNR_MUST(len <= INT32_MAX);
	if (memchr(event->data.scalar.value, 0, len))
		return refuse(r, &event->start_mark, "U+0000 is not allowed in a text") || advise(r, "take it out");
	r->bytes += len;
	*value_r = must(json_object_new_string_len((const char *)event->data.scalar.value, (int)len));
	return true;
}

/* The part of the event's tag behind the core prefix, "" without tag, NULL for any other tag. "!" says that a scalar
 * is text. */
static const char *core_tag(const yaml_char_t *tag, const char *plain)
{
	const char *text = (const char *)tag;

	if (!text)
		return "";
	if (strcmp(text, "!") == 0)
		return plain;
	return strncmp(text, CORE, strlen(CORE)) == 0 ? text + strlen(CORE) : NULL;
}

/* Makes the value if text has the form that `kind` asks for ("" for any); none_r tells that it has not. */
static bool make_plain(struct reader *r, const yaml_event_t *event, const char *kind, struct json_object **value_r,
                       bool *none_r)
{
	const char *text = (const char *)event->data.scalar.value;
	int base = integer_base(text);

	*none_r = false;
	if (is_null(text) && (!*kind || strcmp(kind, "null") == 0))
		return true;
	if (!*kind || strcmp(kind, "bool") == 0) {
		if (one_of(text, "true", "True", "TRUE") || one_of(text, "false", "False", "FALSE")) {
			*value_r = must(json_object_new_boolean(*text == 't' || *text == 'T'));
			return true;
		}
	}
	if (base && (!*kind || strcmp(kind, "int") == 0))
		return make_integer(r, event, base, value_r);
	if (is_real(text) && (!*kind || strcmp(kind, "float") == 0))
		return make_real(r, event, value_r);
	if (is_not_finite(text) && (!*kind || strcmp(kind, "float") == 0))
		return refuse(r, &event->start_mark, "%s is no number here", text) || advise(r, "put it in quotes to make it a text");
	*none_r = true;
	return true;
}

static bool read_scalar(struct reader *r, const yaml_event_t *event, struct json_object **value_r)
{
	const char *kind = core_tag(event->data.scalar.tag, "str");
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE, none = true;

	if (!kind || !(one_of(kind, "", "str", "null") || one_of(kind, "bool", "int", "float")))
		return refuse(r, &event->start_mark, "the tag %.80s is not taken", (const char *)event->data.scalar.tag) || advise(r, UNTAG);
	if (strcmp(kind, "str") == 0 || (!*kind && !plain))
		return make_text(r, event, value_r);
	if (!memchr(event->data.scalar.value, 0, event->data.scalar.length) &&
	    !make_plain(r, event, kind, value_r, &none))
		return false;
	if (none && *kind)
		return refuse(r, &event->start_mark, "this is no !!%s", kind) || advise(r, "take the tag away, or write a value that it fits");
	return !none || make_text(r, event, value_r);
}

static struct anchor *anchor_find(struct reader *r, const yaml_char_t *name)
{
	struct anchor *anchor;

	for (anchor = r->anchors; anchor; anchor = anchor->next)
		if (strcmp(anchor->name, (const char *)name) == 0)
			return anchor;
	return NULL;
}

/* The name is taken from the node's begin on, so that a node which contains itself is seen. */
static struct anchor *anchor_begin(struct reader *r, const yaml_char_t *name)
{
	struct anchor *anchor;

	if (!name)
		return NULL;
	r->anchor_count++;
	anchor = fnr_alloc(sizeof *anchor);
	anchor->name = fnr_strdup((const char *)name);
	anchor->next = r->anchors;
	anchor->nodes = r->nodes;
	anchor->bytes = r->bytes;
	r->anchors = anchor;
	return anchor;
}

static void anchor_end(struct reader *r, struct anchor *anchor, struct json_object *value, int height)
{
	if (!anchor)
		return;
	anchor->value = json_object_get(value);
	anchor->height = height;
	anchor->nodes = r->nodes - anchor->nodes + 1;
	anchor->bytes = r->bytes - anchor->bytes;
	anchor->complete = true;
}

static void anchors_free(struct reader *r)
{
	struct anchor *anchor;

	while ((anchor = r->anchors)) {
		r->anchors = anchor->next;
		json_object_put(anchor->value);
		free(anchor->name);
		free(anchor);
	}
}

static bool count_nodes(struct reader *r, const yaml_mark_t *mark, size_t nodes)
{
	r->nodes += nodes;
	return r->nodes <= MOST_NODES || refuse(r, mark, "more than %d values", MOST_NODES) || advise(r, "make it smaller; aliases (*name) count as what they name");
}

static bool count_bytes(struct reader *r, const yaml_mark_t *mark, size_t bytes)
{
	r->bytes += bytes;
	return r->bytes <= MOST_BYTES || refuse(r, mark, "aliases make more than %u MiB of text", MOST_BYTES >> 20) ||
	       advise(r, "make it smaller; aliases (*name) count as what they name");
}

static bool read_alias(struct reader *r, const yaml_event_t *event, struct json_object **value_r, int *height_r)
{
	struct anchor *anchor = anchor_find(r, event->data.alias.anchor);

	if (!anchor)
		return refuse(r, &event->start_mark, "no anchor &%.80s before this alias", (const char *)event->data.alias.anchor) ||
		       advise(r, "put a text that begins with * in quotes, or name a part before it with &");
	if (!anchor->complete)
		return refuse(r, &event->start_mark, "the alias *%.80s lies within what it names", (const char *)event->data.alias.anchor) ||
		       advise(r, "write out what shall be there");
	if (r->depth + anchor->height > FNR_JSON_DEPTH)
		return refuse(r, &event->start_mark, "nested deeper than %d", FNR_JSON_DEPTH) || advise(r, "nest it less deep");
	if (!count_nodes(r, &event->start_mark, anchor->nodes) || !count_bytes(r, &event->start_mark, anchor->bytes))
		return false;
	*value_r = fnr_json_copy(anchor->value);
	*height_r = anchor->height;
	return true;
}

static bool read_items(struct reader *r, struct json_object *array, int *height_r)
{
	struct json_object *item;
	yaml_event_t event;
	int height;
	bool good;

	for (;;) {
		if (!next(r, &event))
			return false;
		if (event.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&event);
			return true;
		}
		good = read_node(r, &event, &item, &height);
		yaml_event_delete(&event);
		if (!good)
			return false;
		FNR_MUST(json_object_array_add(array, item) == 0);
		if (height > *height_r)
			*height_r = height;
	}
}

/* Checks a member's name, which is text as written. */
static bool check_name(struct reader *r, const yaml_event_t *event, struct json_object *object)
{
	const char *name = (const char *)event->data.scalar.value;

	if (event->type == YAML_ALIAS_EVENT)
		return refuse(r, &event->start_mark, "a name cannot be an alias") || advise(r, "write the name out");
	if (event->type != YAML_SCALAR_EVENT)
		return refuse(r, &event->start_mark, "a name must be a plain word or a text") ||
		       advise(r, "put a text that begins with { or [ in quotes");
	if (event->data.scalar.anchor)
		return refuse(r, &event->start_mark, "a name cannot have an anchor") || advise(r, "give the anchor to the value, like name: &x value");
	if (memchr(name, 0, event->data.scalar.length))
		return refuse(r, &event->start_mark, "U+0000 is not allowed in a name") || advise(r, "take it out");
	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(name, "<<") == 0)
		return refuse(r, &event->start_mark, "merging with << is not supported") || advise(r, "write the members out");
	if (json_object_object_get_ex(object, name, NULL))
		return refuse(r, &event->start_mark, "\"%.80s\" is there twice", name) || advise(r, "remove one of them");
	return true;
}

static bool read_member(struct reader *r, const yaml_event_t *name, struct json_object *object, int *height_r)
{
	struct json_object *value;
	yaml_event_t event;
	int height;
	bool good;

	if (!check_name(r, name, object) || !next(r, &event))
		return false;
	r->bytes += name->data.scalar.length;
	good = read_node(r, &event, &value, &height);
	yaml_event_delete(&event);
	if (!good)
		return false;
	fnr_json_set(object, (const char *)name->data.scalar.value, value);
	if (height > *height_r)
		*height_r = height;
	return true;
}

static bool read_members(struct reader *r, struct json_object *object, int *height_r)
{
	yaml_event_t event;
	bool good, end;

	for (;;) {
		if (!next(r, &event))
			return false;
		end = event.type == YAML_MAPPING_END_EVENT;
		good = end || read_member(r, &event, object, height_r);
		yaml_event_delete(&event);
		if (end || !good)
			return good;
	}
}

static bool read_collection(struct reader *r, const yaml_event_t *event, struct json_object **value_r, int *height_r)
{
	bool array = event->type == YAML_SEQUENCE_START_EVENT, good;
	const yaml_char_t *tag = array ? event->data.sequence_start.tag : event->data.mapping_start.tag;
	const char *kind = core_tag(tag, "");

	if (!kind || (*kind && strcmp(kind, array ? "seq" : "map") != 0))
		return refuse(r, &event->start_mark, "the tag %.80s is not taken", (const char *)tag) || advise(r, UNTAG);
	if (r->depth == FNR_JSON_DEPTH)
		return refuse(r, &event->start_mark, "nested deeper than %d", FNR_JSON_DEPTH) || advise(r, "nest it less deep");
	r->depth++;
	*value_r = must(array ? json_object_new_array() : json_object_new_object());
	good = array ? read_items(r, *value_r, height_r) : read_members(r, *value_r, height_r);
	r->depth--;
	(*height_r)++;
	return good;
}

static const yaml_char_t *anchor_name(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return event->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.anchor;
	default:
		return NULL;
	}
}

/* libyaml takes the byte order mark for a column of the first line. */
size_t fnr_yaml_mark(const char *data, size_t len)
{
	return len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/* Reads the node that begins with event. On failure nothing is left to put. */
static bool read_node(struct reader *r, const yaml_event_t *event, struct json_object **value_r, int *height_r)
{
	struct anchor *anchor;
	bool good;

	*value_r = NULL;
	*height_r = 0;
	if (event->type == YAML_ALIAS_EVENT)
		return read_alias(r, event, value_r, height_r);
	if (!count_nodes(r, &event->start_mark, 1))
		return false;
	if (r->anchor_count == MOST_ANCHORS && anchor_name(event))
		return refuse(r, &event->start_mark, "more than %d anchors", MOST_ANCHORS) || advise(r, "leave out those that no alias names");
	anchor = anchor_begin(r, anchor_name(event));
	if (event->type == YAML_SCALAR_EVENT)
		good = read_scalar(r, event, value_r);
	else
		good = read_collection(r, event, value_r, height_r);
	if (good) {
		anchor_end(r, anchor, *value_r, *height_r);
	} else {
		json_object_put(*value_r);
		*value_r = NULL;
	}
	return good;
}

/* Takes one event that must be of this type. */
static bool expect(struct reader *r, yaml_event_type_t type, const char *otherwise, const char *fix)
{
	yaml_event_t event;
	bool good;

	if (!next(r, &event))
		return false;
	good = event.type == type || refuse(r, &event.start_mark, "%s", otherwise) || advise(r, fix);
	yaml_event_delete(&event);
	return good;
}

static bool read_document(struct reader *r, struct json_object **value_r)
{
	yaml_event_t event;
	int height;
	bool good;

	if (!expect(r, YAML_STREAM_START_EVENT, "no YAML", "") || !expect(r, YAML_DOCUMENT_START_EVENT, "the document is empty", "") ||
	    !next(r, &event))
		return false;
	good = read_node(r, &event, value_r, &height);
	if (good && !*value_r)
		good = refuse(r, &event.start_mark, "the document is empty");
	yaml_event_delete(&event);
	return good && expect(r, YAML_DOCUMENT_END_EVENT, "no YAML", "") &&
	       expect(r, YAML_STREAM_END_EVENT, "a second document; only one is allowed", "give it a file of its own, without ---");
}

struct json_object *fnr_yaml_parse(const char *data, size_t len, const char *name, struct fnr_error *err)
{
	size_t mark = fnr_yaml_mark(data, len);
	struct reader r = { .name = name, .text = len ? data + mark : "", .len = len - mark, .err = err };
	struct json_object *value = NULL;

	FNR_MUST(yaml_parser_initialize(&r.parser));
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)r.text, r.len);
	if (!read_document(&r, &value)) {
		json_object_put(value);
		value = NULL;
	}
	anchors_free(&r);
	yaml_parser_delete(&r.parser);
	return value;
}
