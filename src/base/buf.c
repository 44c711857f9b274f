#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/* Makes room for `room` more bytes and the final 0. */
static void grow(struct fnr_buf *buf, size_t room)
{
	size_t need, size = buf->size ? buf->size : 64;

	FNR_MUST(room < SIZE_MAX / 4 && buf->len < SIZE_MAX / 4);
	need = buf->len + room + 1;
	if (need <= buf->size)
		return;
	while (size < need)
		size *= 2;
	buf->data = fnr_realloc(buf->data, size);
	buf->size = size;
}

void fnr_buf_add(struct fnr_buf *buf, const void *data, size_t len)
{
	grow(buf, len);
	if (len)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = 0;
}

void fnr_buf_puts(struct fnr_buf *buf, const char *text)
{
	fnr_buf_add(buf, text, strlen(text));
}

void fnr_buf_printf(struct fnr_buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fnr_buf_vprintf(buf, format, args);
	va_end(args);
}

void fnr_buf_vprintf(struct fnr_buf *buf, const char *format, va_list args)
{
	va_list again;
	int len;

	va_copy(again, args);
	grow(buf, 64);
	len = vsnprintf(buf->data + buf->len, buf->size - buf->len, format, args);
	FNR_MUST(len >= 0);
	if ((size_t)len >= buf->size - buf->len) {
		grow(buf, (size_t)len);
		vsnprintf(buf->data + buf->len, buf->size - buf->len, format, again);
	}
	va_end(again);
	buf->len += (size_t)len;
}

char *fnr_buf_room(struct fnr_buf *buf, size_t room)
{
	grow(buf, room);
	memset(buf->data + buf->len, 0, room + 1); /* the final 0 holds however much the caller fills */
	return buf->data + buf->len;
}

void fnr_buf_drop(struct fnr_buf *buf, size_t len)
{
	FNR_MUST(len <= buf->len);
	if (!len)
		return;
	buf->len -= len;
	memmove(buf->data, buf->data + len, buf->len + 1);
}

void fnr_buf_reset(struct fnr_buf *buf)
{
	buf->len = 0;
	if (buf->data)
		buf->data[0] = 0;
}

void fnr_buf_free(struct fnr_buf *buf)
{
	free(buf->data);
	*buf = (struct fnr_buf)FNR_BUF_INIT;
}

char *fnr_buf_take(struct fnr_buf *buf)
{
	char *data = buf->data ? buf->data : fnr_strdup("");

	*buf = (struct fnr_buf)FNR_BUF_INIT;
	return data;
}
