/* Looks at values alone that are short enough to stand where they are needed; the rest of that is leaf.c. */
#ifndef FNR_SCHEMA_LEAF_H
#define FNR_SCHEMA_LEAF_H

#include <string.h>

#include "schema/plain.h"
#include "schema/run.h"

/* The same for a text that is longer than its head. */
bool text_in_rest(const struct text *texts, size_t count, const char *text, size_t len, uint64_t head);

static inline bool text_in_list(const struct enumeration *list, const char *text, size_t len, uint64_t head)
{
	const struct text *one = list->texts;

	for (size_t left = list->text_count; left; left--, one++)
		if (one->head == head && one->len == len)
			return len <= WORD || text_in_rest(one, left, text, len, head);
	return false;
}

static inline struct text text_of(struct json_object *value)
{
	const char *data = json_object_get_string(value);
	size_t len = (size_t)json_object_get_string_len(value);

	return (struct text){ data, len, text_head(data, len) };
}

static inline bool in_range(const struct op *op, uint64_t count)
{
	return count >= op->range.least && count <= op->range.most;
}

/* In code points. What has as many bytes as the range allows at least and most needs no counting. */
static inline bool length_is_clear(const struct op *op, size_t len)
{
	return len >= op->range.least && len <= op->range.most && (op->range.least <= 1 || len / 4 >= op->range.least);
}

/* What a look tells; OPEN: the schema has to be run to know. */
enum seen { SEEN_FAILS, SEEN_OPEN, SEEN_FITS };

static inline enum seen seen_if(bool fits)
{
	return fits ? SEEN_FITS : SEEN_FAILS;
}

#define LOOK_LONG 1024   /* bytes; reading longer texts counts as steps */

static inline enum seen look_at_length(const struct op *op, size_t len)
{
	return length_is_clear(op, len) ? SEEN_FITS : len < op->range.least ? SEEN_FAILS : SEEN_OPEN;
}

static inline enum seen look_at_list(const struct op *op, const char *text, size_t len)
{
	return seen_if(text_in_list(op->enumeration, text, len, text_head(text, len)));
}

static inline enum seen look_at_pattern(const struct op *op, const char *text, size_t len)
{
	return len > LOOK_LONG ? SEEN_OPEN : seen_if(plain_fits(op->plain, text, len));
}

/* A text, or the name of a member, of a node that takes texts. */
static inline enum seen look_at_text(const struct node *node, const char *text, size_t len)
{
	switch (node->look) {
	case LOOK_LENGTH: return look_at_length(node->ops, len);
	case LOOK_LIST: return look_at_list(node->ops, text, len);
	case LOOK_PATTERN: return look_at_pattern(node->ops, text, len);
	default: return SEEN_OPEN;
	}
}

/* Is the number so well within the bounds that they need not be compared one by one? */
static inline bool whole_within(const struct interval *interval, int64_t integer)
{
	return integer >= interval->least && integer <= interval->most;
}

static inline bool real_within(const struct interval *interval, double real)
{
	return real > interval->above && real < interval->below;
}

/* By its kind first, which is asked for; what the quicker looks cannot tell. */
enum seen look_at_kind(const struct node *node, struct json_object *value);

static inline enum seen look_at_range(const struct node *node, struct json_object *value)
{
	enum json_type type = json_object_get_type(value);

	if (!(node->types >> type & 1))
		return look_at_kind(node, value);
	if (type == json_type_int ? whole_within(node->ops->interval, json_object_get_int64(value)) :
	                            real_within(node->ops->interval, json_object_get_double(value)))
		return SEEN_FITS;
	return SEEN_OPEN;
}

/* Of a node that takes texts. json-c has a length for texts alone, which saves asking for the kind. */
#define IF_TEXT(value, len, look) (((len) = (size_t)json_object_get_string_len(value)) ? (look) : look_at_kind(node, value))
static inline __attribute__((always_inline)) enum seen look(const struct node *node, struct json_object *value)
{
	size_t len;

	switch ((enum look)node->look) {
	case LOOK_KIND:
		return node->types >> json_object_get_type(value) & 1 ? SEEN_FITS : look_at_kind(node, value);
	case LOOK_RANGE:
		return look_at_range(node, value);
	case LOOK_LENGTH:
		return IF_TEXT(value, len, look_at_length(node->ops, len));
	case LOOK_LIST:
		return IF_TEXT(value, len, look_at_list(node->ops, json_object_get_string(value), len));
	case LOOK_PATTERN:
		return IF_TEXT(value, len, look_at_pattern(node->ops, json_object_get_string(value), len));
	case LOOK_NOT: case LOOK_DIVISIBLE: case LOOK_MEMBERS:
		return look_at_kind(node, value);
	}
	__builtin_unreachable();
}

#endif
