#include "schema/frame.h"

#include "schema/shape.h"

static __attribute__((noinline)) uint8_t find_name(const struct shape *shape, const char *name)
{
	for (uint8_t at = shape->first[shape_slot(name)]; at; at = shape->next[at - 1])
		if (word_is(&shape->names[at - 1], name))
			return (uint8_t)(at - 1);
	return NO_ID;
}

/* Members mostly come in the order of the names, so the one behind the last is looked at first. */
bool frame_fill(struct frame *frame, const struct shape *shape, const struct lh_table *object)
{
	const struct word *expected = shape->names;
	uint64_t present = 0;
	unsigned id = 0, at = 0, strangers = 0;

	if (object->count > SHAPE_NAMES)
		return false;
	for (struct lh_entry *entry = lh_table_head(object); entry; entry = lh_entry_next(entry), at++) {
		if (!word_is_seen(expected, lh_entry_k(entry))) {
			uint8_t other = find_name(shape, lh_entry_k(entry));

			if (other == NO_ID) {
				frame->ids[at] = NO_ID;
				strangers++;
				continue;
			}
			id = other;
			expected = &shape->names[id];
		}
		frame->ids[at] = (uint8_t)id;
		frame->places[id] = (uint8_t)at;
		frame->values[id] = lh_entry_v(entry);
		present |= UINT64_C(1) << id;
		id++;
		expected++;
	}
	frame->shape = shape;
	frame->present = present;
	frame->count = at;
	frame->strangers = strangers;
	frame->text_id = NO_ID;
	return true;
}

void frame_fetch(struct frame *frame, uint8_t id)
{
	struct json_object *value = frame->values[id];

	frame->text_id = id;
	frame->text = json_object_is_type(value, json_type_string) ? text_of(value) : (struct text){ NULL, 0, 0 };
}
