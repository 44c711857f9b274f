#include "base/pack.h"

#include <string.h>

#include "base/err.h"

static void put(struct fnr_buf *buf, uint64_t value, size_t size)
{
	uint8_t bytes[8];
	size_t i;

	for (i = size; i > 0; i--, value >>= 8)
		bytes[i - 1] = (uint8_t)value;
	fnr_buf_add(buf, bytes, size);
}

void fnr_put_u8(struct fnr_buf *buf, uint8_t value)
{
	put(buf, value, 1);
}

void fnr_put_u16(struct fnr_buf *buf, uint16_t value)
{
	put(buf, value, 2);
}

void fnr_put_u32(struct fnr_buf *buf, uint32_t value)
{
	put(buf, value, 4);
}

void fnr_put_u64(struct fnr_buf *buf, uint64_t value)
{
	put(buf, value, 8);
}

void fnr_put_id(struct fnr_buf *buf, const struct fnr_id *id)
{
	fnr_buf_add(buf, id->bytes, sizeof id->bytes);
}

void fnr_put_bytes(struct fnr_buf *buf, const void *data, size_t len)
{
	FNR_MUST(len <= UINT32_MAX);
	fnr_put_u32(buf, (uint32_t)len);
	fnr_buf_add(buf, data, len);
}

void fnr_put_text(struct fnr_buf *buf, const char *text)
{
	fnr_put_bytes(buf, text, text ? strlen(text) : 0);
}

/* The next size bytes, or NULL and failed. A failed reader stays failed. */
static const uint8_t *get(struct fnr_reader *reader, size_t size)
{
	const uint8_t *at;

	if (reader->failed || reader->len - reader->at < size) {
		reader->failed = true;
		return NULL;
	}
	at = reader->data ? reader->data + reader->at : (const uint8_t *)"";
	reader->at += size;
	return at;
}

static uint64_t get_number(struct fnr_reader *reader, size_t size)
{
	const uint8_t *at = get(reader, size);
	uint64_t value = 0;
	size_t i;

	for (i = 0; at && i < size; i++)
		value = value << 8 | at[i];
	return value;
}

uint8_t fnr_get_u8(struct fnr_reader *reader)
{
	return (uint8_t)get_number(reader, 1);
}

uint16_t fnr_get_u16(struct fnr_reader *reader)
{
	return (uint16_t)get_number(reader, 2);
}

uint32_t fnr_get_u32(struct fnr_reader *reader)
{
	return (uint32_t)get_number(reader, 4);
}

uint64_t fnr_get_u64(struct fnr_reader *reader)
{
	return get_number(reader, 8);
}

struct fnr_id fnr_get_id(struct fnr_reader *reader)
{
	struct fnr_id id = FNR_ID_NONE;
	const uint8_t *at = get(reader, sizeof id.bytes);

	if (at)
		memcpy(id.bytes, at, sizeof id.bytes);
	return id;
}

const void *fnr_get_bytes(struct fnr_reader *reader, size_t *len_r)
{
	size_t len = fnr_get_u32(reader);
	const uint8_t *at = get(reader, len);

	*len_r = at ? len : 0;
	return at ? (const void *)at : "";
}

bool fnr_get_text(struct fnr_reader *reader, char *out, size_t size)
{
	const char *data;
	size_t len;

	data = fnr_get_bytes(reader, &len);
	if (reader->failed || len >= size || memchr(data, 0, len)) {
		reader->failed = true;
		if (size)
			out[0] = 0;
		return false;
	}
	memcpy(out, data, len);
	out[len] = 0;
	return true;
}
