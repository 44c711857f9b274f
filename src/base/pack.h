/* Packing of values into bytes for records and messages between processes: big-endian integers, length-prefixed
 * bytes. Reading is checked: past the end, or a length that does not fit, marks the reader as failed and gives zeros,
 * so that the caller checks `failed` once at the end. */
#ifndef FNR_BASE_PACK_H
#define FNR_BASE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"

void fnr_put_u8(struct fnr_buf *buf, uint8_t value);
void fnr_put_u16(struct fnr_buf *buf, uint16_t value);
void fnr_put_u32(struct fnr_buf *buf, uint32_t value);
void fnr_put_u64(struct fnr_buf *buf, uint64_t value);
void fnr_put_id(struct fnr_buf *buf, const struct fnr_id *id);
void fnr_put_bytes(struct fnr_buf *buf, const void *data, size_t len); /* u32 length, then the bytes */
void fnr_put_text(struct fnr_buf *buf, const char *text);              /* the same; NULL becomes empty */

struct fnr_reader {
	const uint8_t *data;
	size_t len, at;
	bool failed;
};
#define FNR_READER(data_, len_) { .data = (const uint8_t *)(data_), .len = (len_) }

uint8_t fnr_get_u8(struct fnr_reader *reader);
uint16_t fnr_get_u16(struct fnr_reader *reader);
uint32_t fnr_get_u32(struct fnr_reader *reader);
uint64_t fnr_get_u64(struct fnr_reader *reader);
struct fnr_id fnr_get_id(struct fnr_reader *reader);
const void *fnr_get_bytes(struct fnr_reader *reader, size_t *len_r);   /* borrowed from data */
bool fnr_get_text(struct fnr_reader *reader, char *out, size_t size);  /* false and failed if it does not fit */

#endif
