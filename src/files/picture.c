/* Width and height of pictures, read from their headers; no decoder is run on foreign bytes. */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "files/path.h"

#define HEAD_SIZE 32
#define JPEG_SEGMENTS 1000     /* more than any real file has before its frame header */

/* A file, or bytes in memory. */
struct source { int fd; const uint8_t *data; size_t len; };

static bool read_at(const struct source *source, uint8_t *out, size_t size, off_t at)
{
	if (source->data == NULL)
		return pread(source->fd, out, size, at) == (ssize_t)size;
	if ((uint64_t)at + size > source->len)
		return false;
	memcpy(out, source->data + at, size);
	return true;
}

static int be16(const uint8_t *at) { return at[0] << 8 | at[1]; }
static int le16(const uint8_t *at) { return at[1] << 8 | at[0]; }
static int le24(const uint8_t *at) { return at[2] << 16 | at[1] << 8 | at[0]; }

static int64_t be32(const uint8_t *at)
{
	return (int64_t)at[0] << 24 | (int64_t)at[1] << 16 | (int64_t)at[2] << 8 | at[3];
}

static bool png_size(const uint8_t *head, int *width_r, int *height_r)
{
	if (memcmp(head, "\x89PNG\r\n\x1a\n", 8) != 0 || memcmp(head + 12, "IHDR", 4) != 0)
		return false;
	int64_t width = be32(head + 16), height = be32(head + 20);
	if (width > INT32_MAX || height > INT32_MAX)
		return false;
	*width_r = (int)width;
	*height_r = (int)height;
	return true;
}

static bool gif_size(const uint8_t *head, int *width_r, int *height_r)
{
	if (memcmp(head, "GIF87a", 6) != 0 && memcmp(head, "GIF89a", 6) != 0)
		return false;
	*width_r = le16(head + 6);
	*height_r = le16(head + 8);
	return true;
}

static bool webp_size(const uint8_t *head, int *width_r, int *height_r)
{
	if (memcmp(head, "RIFF", 4) != 0 || memcmp(head + 8, "WEBP", 4) != 0)
		return false;
	if (memcmp(head + 12, "VP8X", 4) == 0) {
		*width_r = le24(head + 24) + 1;
		*height_r = le24(head + 27) + 1;
	} else if (memcmp(head + 12, "VP8L", 4) == 0 && head[20] == 0x2f) {
		uint32_t bits = (uint32_t)le16(head + 21) | (uint32_t)le16(head + 23) << 16;
		*width_r = (int)(bits & 0x3fff) + 1;
		*height_r = (int)(bits >> 14 & 0x3fff) + 1;
	} else if (memcmp(head + 12, "VP8 ", 4) == 0 && memcmp(head + 23, "\x9d\x01\x2a", 3) == 0) {
		*width_r = le16(head + 26) & 0x3fff;
		*height_r = le16(head + 28) & 0x3fff;
	} else {
		return false;
	}
	return true;
}

/* SOF0..SOF15 but DHT, JPG and DAC, which lie between them */
static bool jpeg_is_frame(int marker)
{
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

static bool jpeg_size(const struct source *source, const uint8_t *head, int *width_r, int *height_r)
{
	if (head[0] != 0xff || head[1] != 0xd8)
		return false;
	off_t at = 2;
	for (int i = 0; i < JPEG_SEGMENTS; i++) {
		uint8_t part[9];
		if (!read_at(source, part, sizeof part, at) || part[0] != 0xff)
			return false;
		if (part[1] == 0xff) { /* fill byte */
			at++;
			continue;
		}
		if (jpeg_is_frame(part[1])) {
			*height_r = be16(part + 5);
			*width_r = be16(part + 7);
			return true;
		}
		bool bare = part[1] == 0x01 || (part[1] >= 0xd0 && part[1] <= 0xd7);
		at += bare ? 2 : 2 + be16(part + 2);
	}
	return false;
}

static bool size_of(const struct source *source, const uint8_t head[HEAD_SIZE], int *width_r, int *height_r)
{
	int width = 0, height = 0;
	bool known = png_size(head, &width, &height) || gif_size(head, &width, &height) ||
	             webp_size(head, &width, &height) || jpeg_size(source, head, &width, &height);
	if (!known || width <= 0 || height <= 0)
		return false;
	*width_r = width;
	*height_r = height;
	return true;
}

bool path_picture_size(int fd, int *width_r, int *height_r)
{
	struct source source = { .fd = fd };
	uint8_t head[HEAD_SIZE] = { 0 };
	return pread(fd, head, sizeof head, 0) >= 4 && size_of(&source, head, width_r, height_r);
}

bool path_picture_size_of(const void *data, size_t len, int *width_r, int *height_r)
{
	struct source source = { .fd = -1, .data = data, .len = len };
	uint8_t head[HEAD_SIZE] = { 0 };
	memcpy(head, data, len < sizeof head ? len : sizeof head);
	return len >= 4 && size_of(&source, head, width_r, height_r);
}
