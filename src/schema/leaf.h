/* Looks at values alone that are short enough to stand where they are needed; the rest of that is leaf.c. */
#ifndef FNR_SCHEMA_LEAF_H
#define FNR_SCHEMA_LEAF_H

#include <string.h>

#include "schema/plain.h"
#include "schema/run.h"

bool text_same_rest(const struct text *a, const struct text *b);   /* behind the first 8 bytes */

static inline bool same_text(const struct text *a, const struct text *b)
{
	return a->head == b->head && a->len == b->len && (a->len <= 8 || text_same_rest(a, b));
}

static inline bool text_in_list(const struct enumeration *list, const struct text *text)
{
	const struct text *one = list->texts, *end = one + list->text_count;

	while (one < end && !same_text(one, text))
		one++;
	return one < end;
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

/* A text, or the name of a member, of a node that takes texts. */
static inline enum seen look_at_text(const struct node *node, const char *text, size_t len)
{
	const struct op *op = node->ops;

	switch (node->look) {
	case LOOK_LENGTH: return length_is_clear(op, len) ? SEEN_FITS : len < op->range.least ? SEEN_FAILS : SEEN_OPEN;
	case LOOK_TEXT: return seen_if(text_in_list(op->enumeration, &(struct text){ text, len, text_head(text, len) }));
	case LOOK_PATTERN: return len > LOOK_LONG ? SEEN_OPEN : seen_if(plain_fits(op->plain, text, len));
	default: return SEEN_OPEN;
	}
}

enum seen look_at_number(const struct node *node, struct json_object *value, unsigned kind);

static inline enum seen look(const struct node *node, struct json_object *value, unsigned kind)
{
	unsigned taken = node->kinds & kind;

	if (taken != kind)
		return taken ? SEEN_OPEN : SEEN_FAILS;
	if (node->look == LOOK_KIND)
		return SEEN_FITS;
	if (kind == KIND_STRING && node->look != LOOK_NOT)
		return look_at_text(node, json_object_get_string(value), (size_t)json_object_get_string_len(value));
	if (!(kind & NUMERIC) || node->look != LOOK_NUMBER)
		return SEEN_OPEN;
	return look_at_number(node, value, kind);
}

#endif
