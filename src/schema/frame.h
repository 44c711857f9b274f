/* Objects seen through a shape: each member's name is found once, whatever number of schemas ask for it. */
#ifndef FNR_SCHEMA_FRAME_H
#define FNR_SCHEMA_FRAME_H

#include "schema/leaf.h"

/* false if it has too many members. `frame` is as good as uninitialised before. */
bool frame_fill(struct frame *frame, const struct shape *shape, const struct lh_table *object);

static inline struct frame *frame_for(const struct node *node, const struct subject *subject)
{
	return subject->frame && subject->frame->shape == node->shape ? subject->frame : NULL;
}

/* The text of a member, which may be asked for by several guards; false if it is no text. */
void frame_fetch(struct frame *frame, uint8_t id);
static inline bool frame_text(struct frame *frame, uint8_t id)
{
	if (frame->text_id != id)
		frame_fetch(frame, id);
	return frame->text.data;
}

/* Stands where it is used: that is what makes it worth while. */
static inline __attribute__((always_inline)) enum seen guard_try(const struct guard *guard, struct frame *frame)
{
	if (guard->must & ~frame->present)
		return SEEN_FAILS;
	if (!guard->list)
		return SEEN_OPEN;
	if (frame->present >> guard->id & 1) {
		if (!frame_text(frame, guard->id))
			return SEEN_OPEN;
		if (!text_in_list(guard->list, frame->text.data, frame->text.len, frame->text.head))
			return SEEN_FAILS;
	}
	return guard->whole ? SEEN_FITS : SEEN_OPEN;
}

/* As look() for a member, whose text guards may ask for again. */
static inline enum seen frame_look(struct frame *frame, const struct node *node, uint8_t id)
{
	if (node->look == LOOK_LIST && frame_text(frame, id))
		return seen_if(text_in_list(node->ops->enumeration, frame->text.data, frame->text.len, frame->text.head));
	return look(node, frame->values[id]);
}

#endif
