/* Pictures made smaller: all kinds, and bytes that are no pictures. */
#include "config.h"

#include <criterion/criterion.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>
#include <webp/encode.h>

#include "files/path.h"
#include "files/shrink.h"

#define SIDE 512

/* Left half red, right half green. */
static uint8_t *pixels_make(int width, int height)
{
	uint8_t *pixels = calloc((size_t)width * (size_t)height, 3);

	for (int at = 0; at < width * height; at++)
		pixels[at * 3 + (at % width < width / 2 ? 0 : 1)] = 200;
	return pixels;
}

static void as_png(const uint8_t *pixels, int width, int height, struct fnr_buf *out)
{
	png_image image = { .version = PNG_IMAGE_VERSION, .width = (png_uint_32)width, .height = (png_uint_32)height, .format = PNG_FORMAT_RGB };
	png_alloc_size_t len = 0;

	cr_assert(png_image_write_to_memory(&image, NULL, &len, 0, pixels, 0, NULL));
	cr_assert(png_image_write_to_memory(&image, fnr_buf_room(out, len), &len, 0, pixels, 0, NULL));
	out->len = len;
}

static void as_jpeg(const uint8_t *pixels, int width, int height, struct fnr_buf *out)
{
	tjhandle encoder = tjInitCompress();
	unsigned char *jpeg = NULL;
	unsigned long len = 0;

	cr_assert_eq(tjCompress2(encoder, pixels, width, 0, height, TJPF_RGB, &jpeg, &len, TJSAMP_444, 90, 0), 0);
	fnr_buf_add(out, jpeg, len);
	tjFree(jpeg);
	tjDestroy(encoder);
}

static void as_webp(const uint8_t *pixels, int width, int height, struct fnr_buf *out)
{
	uint8_t *webp = NULL;
	size_t len = WebPEncodeRGB(pixels, width, height, width * 3, 90, &webp);

	cr_assert(len > 0);
	fnr_buf_add(out, webp, len);
	WebPFree(webp);
}

static void (*const kinds[])(const uint8_t *pixels, int width, int height, struct fnr_buf *out) = { as_png, as_jpeg, as_webp };

static void make(size_t kind, int width, int height, struct fnr_buf *out)
{
	uint8_t *pixels = pixels_make(width, height);

	fnr_buf_reset(out);
	kinds[kind](pixels, width, height, out);
	free(pixels);
}

/* Is it a JPEG of that size, red on the left and green on the right? */
static void check(const struct fnr_buf *jpeg, int width, int height)
{
	tjhandle decoder = tjInitDecompress();
	int got_width = 0, got_height = 0, sampling, space;
	uint8_t *pixels, *left, *right;

	cr_assert_eq(tjDecompressHeader3(decoder, (const uint8_t *)jpeg->data, jpeg->len, &got_width, &got_height, &sampling, &space), 0);
	cr_assert_eq(got_width, width);
	cr_assert_eq(got_height, height);
	pixels = malloc((size_t)width * (size_t)height * 3);
	cr_assert_eq(tjDecompress2(decoder, (const uint8_t *)jpeg->data, jpeg->len, pixels, width, 0, height, TJPF_RGB, 0), 0);
	left = pixels + ((size_t)(height / 2) * (size_t)width + (size_t)(width / 4)) * 3;
	right = pixels + ((size_t)(height / 2) * (size_t)width + (size_t)(width * 3 / 4)) * 3;
	cr_assert(left[0] > 170 && left[0] < 230 && left[1] < 40, "left is %d %d %d", left[0], left[1], left[2]);
	cr_assert(right[1] > 170 && right[1] < 230 && right[0] < 40, "right is %d %d %d", right[0], right[1], right[2]);
	free(pixels);
	tjDestroy(decoder);
}

Test(shrink, all_kinds_become_a_jpeg_that_fits)
{
	static const int sizes[][4] = { { 1024, 512, 512, 256 }, { 900, 300, 512, 171 }, { 700, 1401, 256, 512 }, { 513, 8, 512, 8 }, { 4100, 2050, 512, 256 }, { 3000, 2, 512, 1 } };
	struct fnr_buf picture = FNR_BUF_INIT, small = FNR_BUF_INIT;

	for (size_t kind = 0; kind < 3; kind++)
		for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
			make(kind, sizes[i][0], sizes[i][1], &picture);
			fnr_buf_reset(&small);
			cr_assert(shrink(picture.data, picture.len, SIDE, &small), "kind %zu, size %zu", kind, i);
			check(&small, sizes[i][2], sizes[i][3]);
		}
	fnr_buf_free(&picture);
	fnr_buf_free(&small);
}

Test(shrink, what_can_be_seen_through_lies_on_white)
{
	png_image image = { .version = PNG_IMAGE_VERSION, .width = 600, .height = 600, .format = PNG_FORMAT_RGBA };
	uint8_t *pixels = calloc(600 * 600, 4), *decoded = malloc(512 * 512 * 3);
	struct fnr_buf picture = FNR_BUF_INIT, small = FNR_BUF_INIT;
	png_alloc_size_t len = 0;
	tjhandle decoder = tjInitDecompress();

	cr_assert(png_image_write_to_memory(&image, NULL, &len, 0, pixels, 0, NULL));
	cr_assert(png_image_write_to_memory(&image, fnr_buf_room(&picture, len), &len, 0, pixels, 0, NULL));
	cr_assert(shrink(picture.data, len, SIDE, &small));
	cr_assert_eq(tjDecompress2(decoder, (const uint8_t *)small.data, small.len, decoded, 512, 0, 512, TJPF_RGB, 0), 0);
	cr_assert(decoded[0] > 250 && decoded[1] > 250 && decoded[2] > 250);
	tjDestroy(decoder);
	free(pixels);
	free(decoded);
	fnr_buf_free(&picture);
	fnr_buf_free(&small);
}

/* Cut anywhere, or changed anywhere: a picture or none, and nothing is added for none. */
Test(shrink, broken_pictures)
{
	struct fnr_buf picture = FNR_BUF_INIT, small = FNR_BUF_INIT;

	for (size_t kind = 0; kind < 3; kind++) {
		make(kind, 600, 300, &picture);
		for (size_t len = 0; len < picture.len; len += len < 64 ? 1 : 37) {
			char *part = malloc(len + 1);       /* so that reading too far is noticed */

			memcpy(part, picture.data, len);
			part = realloc(part, len ? len : 1);
			fnr_buf_reset(&small);
			if (!shrink(part, len, SIDE, &small))
				cr_assert_eq(small.len, 0);
			free(part);
		}
		for (size_t at = 0; at < picture.len; at += at < 256 ? 1 : 61) {
			picture.data[at] ^= 0x5a;
			fnr_buf_reset(&small);
			if (!shrink(picture.data, picture.len, SIDE, &small))
				cr_assert_eq(small.len, 0);
			picture.data[at] ^= 0x5a;
		}
	}
	fnr_buf_free(&picture);
	fnr_buf_free(&small);
}

Test(shrink, too_many_pixels_are_not_even_begun)
{
	struct fnr_buf picture = FNR_BUF_INIT, small = FNR_BUF_INIT;

	make(0, 600, 300, &picture);
	memcpy(picture.data + 16, "\0\0\x40\0\0\0\x40\0", 8);      /* says that it is 16384 pixels wide and high */
	cr_assert_not(shrink(picture.data, picture.len, SIDE, &small));
	cr_assert_not(shrink("GIF89a\x10\x04\x10\x04 no picture at all", 28, SIDE, &small));
	cr_assert_not(shrink("", 0, SIDE, &small));
	cr_assert_eq(small.len, 0);
	fnr_buf_free(&picture);
	fnr_buf_free(&small);
}
