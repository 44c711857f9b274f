/* What it takes to make a preview smaller, in its process of its own: median and 99th of a hundred for each kind of picture. */
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>
#include <webp/encode.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "worker/preview.h"

#define SIDE 1024
#define SHOWN 512
#define TURNS 100

/* Shades with some noise in them, as pictures that are in the making have. */
static uint8_t *pixels_make(void)
{
	uint8_t *pixels = fnr_alloc((size_t)SIDE * SIDE * 3);
	unsigned random = 1;

	for (int at = 0; at < SIDE * SIDE * 3; at++) {
		random = random * 1103515245 + 12345;
		pixels[at] = (uint8_t)((at / 3 % SIDE + at / 3 / SIDE) / 12 + (random >> 16) % 4);
	}
	return pixels;
}

static void as_jpeg(const uint8_t *pixels, struct fnr_buf *out)
{
	tjhandle encoder = tjInitCompress();
	unsigned char *jpeg = NULL;
	unsigned long len = 0;

	FNR_MUST(tjCompress2(encoder, pixels, SIDE, 0, SIDE, TJPF_RGB, &jpeg, &len, TJSAMP_420, 95, 0) == 0);
	fnr_buf_add(out, jpeg, len);
	tjFree(jpeg);
	tjDestroy(encoder);
}

static void as_png(const uint8_t *pixels, struct fnr_buf *out)
{
	png_image image = { .version = PNG_IMAGE_VERSION, .width = SIDE, .height = SIDE, .format = PNG_FORMAT_RGB };
	png_alloc_size_t len = 0;

	FNR_MUST(png_image_write_to_memory(&image, NULL, &len, 0, pixels, 0, NULL));
	FNR_MUST(png_image_write_to_memory(&image, fnr_buf_room(out, len), &len, 0, pixels, 0, NULL));
	out->len = len;
}

static void as_webp(const uint8_t *pixels, struct fnr_buf *out)
{
	uint8_t *webp = NULL;
	size_t len = WebPEncodeRGB(pixels, SIDE, SIDE, SIDE * 3, 80, &webp);

	fnr_buf_add(out, webp, len);
	WebPFree(webp);
}

static const struct { const char *media_type; void (*make)(const uint8_t *pixels, struct fnr_buf *out); } kinds[] = {
	{ "image/jpeg", as_jpeg }, { "image/png", as_png }, { "image/webp", as_webp },
};

static int by_size(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

static void measure(size_t kind, const uint8_t *pixels)
{
	struct fnr_buf made = FNR_BUF_INIT, picture = FNR_BUF_INIT;
	int64_t took[TURNS];

	kinds[kind].make(pixels, &made);
	for (int i = 0; i < TURNS; i++) {
		char media_type[64];
		int64_t begin;

		snprintf(media_type, sizeof media_type, "%s", kinds[kind].media_type);
		fnr_buf_reset(&picture);
		fnr_buf_add(&picture, made.data, made.len);
		begin = fnr_mono_ns();
		FNR_MUST(preview_fit(&picture, media_type, SHOWN) && strcmp(media_type, "image/jpeg") == 0);
		took[i] = fnr_mono_ns() - begin;
	}
	qsort(took, TURNS, sizeof took[0], by_size);
	printf("%s\"%s\":{\"bytes\":%zu,\"p50_ms\":%.1f,\"p99_ms\":%.1f}", kind ? "," : "{", kinds[kind].media_type + 6, made.len, (double)took[TURNS / 2] / 1e6,
	       (double)took[TURNS * 99 / 100] / 1e6);
	fnr_buf_free(&made);
	fnr_buf_free(&picture);
}

int main(void)
{
	uint8_t *pixels = pixels_make();

	for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++)
		measure(kind, pixels);
	printf("}\n");
	free(pixels);
	return 0;
}
