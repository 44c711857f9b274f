/* JSON in a small form, for records that are read often: it is about a third as long as the text, and several times as quick to read.
 *
 *   whole   u8 1, value
 *   value   u8: 0 null, 1 false, 2 true; 3 and an integer (zigzag varint); 4 and a real (varint length, its text);
 *               5 and text (varint length, bytes); 6 and a list (varint count, values); 7 and an object (varint count, and so
 *               many names with their values); 8 and a word (u8 number); 64 to 127: the integers 0 to 63; 128 to 255: text of
 *               0 to 127 bytes, which follow
 *   name    u8: 128 to 255: word 0 to 127; 0 to 126: the name's length, 127: a varint of it follows; then the name, 0
 *
 * Words are those that templates are full of. They are part of the form: the list only grows. */
#ifndef FNR_BASE_JSON_PACK_H
#define FNR_BASE_JSON_PACK_H

#include "base/buf.h"
#include "base/json.h"

/* Adds the value (NULL is null) to out. */
void fnr_json_pack(struct fnr_buf *out, struct json_object *value);

/* A value to put; NULL, also for null, if it cannot be read. What is no object and no list may be shared with other values: it
 * is replaced, never changed in place. memory_r, if not NULL: about how many bytes it takes. */
struct json_object *fnr_json_unpack(const void *data, size_t len, size_t *memory_r);

#endif
