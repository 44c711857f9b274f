#include "files/shrink.h"

#include <png.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>
#include <webp/decode.h>

#include "base/mem.h"
#include "files/path.h"

#define QUALITY 80

/* Three bytes a pixel, rows without a gap. */
struct picture { int width, height; uint8_t *pixels; };

static void picture_make(struct picture *picture, int width, int height)
{
	*picture = (struct picture){ width, height, fnr_alloc((size_t)width * (size_t)height * 3) };
}

/* Its size when its longer side is `side`. */
static void fit(int width, int height, int side, int *width_r, int *height_r)
{
	int longer = width > height ? width : height;

	*width_r = (int)(((int64_t)width * side + longer / 2) / longer);
	*height_r = (int)(((int64_t)height * side + longer / 2) / longer);
	*width_r += *width_r == 0;
	*height_r += *height_r == 0;
}

/* ---- decoders ---- */

/* The least of the sizes that the decoder offers (eighths) that is not too small. */
static tjscalingfactor factor_for(int longer, int side)
{
	tjscalingfactor factor = { 1, 1 };

	for (int eighths = 8; eighths > 0; eighths--)
		if (TJSCALED(longer, ((tjscalingfactor){ eighths, 8 })) >= side)
			factor = (tjscalingfactor){ eighths, 8 };
	return factor;
}

static bool from_jpeg(const uint8_t *data, size_t len, int side, struct picture *picture)
{
	tjhandle decoder = tjInitDecompress();
	int width, height, sampling, space;
	bool good = decoder && tjDecompressHeader3(decoder, data, (unsigned long)len, &width, &height, &sampling, &space) == 0;

	if (good) {
		tjscalingfactor factor = factor_for(width > height ? width : height, side);

		picture_make(picture, TJSCALED(width, factor), TJSCALED(height, factor));
		good = tjDecompress2(decoder, data, (unsigned long)len, picture->pixels, picture->width, 0, picture->height, TJPF_RGB,
		                     TJFLAG_FASTDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) == 0;
	}
	if (decoder)
		tjDestroy(decoder);
	return good;
}

/* What can be seen through lies on white. */
static bool from_png(const uint8_t *data, size_t len, int side, struct picture *picture)
{
	png_image image = { .version = PNG_IMAGE_VERSION };
	png_color white = { 255, 255, 255 };
	bool good = png_image_begin_read_from_memory(&image, data, len) != 0;

	(void)side;
	if (good) {
		image.format = PNG_FORMAT_RGB;
		picture_make(picture, (int)image.width, (int)image.height);
		good = png_image_finish_read(&image, &white, picture->pixels, 0, NULL) != 0;
	}
	png_image_free(&image);
	return good;
}

static bool from_webp(const uint8_t *data, size_t len, int side, struct picture *picture)
{
	WebPDecoderConfig config;
	int width, height;

	if (!WebPInitDecoderConfig(&config) || WebPGetFeatures(data, len, &config.input) != VP8_STATUS_OK || config.input.has_animation)
		return false;
	fit(config.input.width, config.input.height, side, &width, &height);
	picture_make(picture, width, height);
	config.options.use_scaling = 1;
	config.options.scaled_width = width;
	config.options.scaled_height = height;
	config.output.colorspace = MODE_RGB;
	config.output.is_external_memory = 1;
	config.output.u.RGBA.rgba = picture->pixels;
	config.output.u.RGBA.stride = width * 3;
	config.output.u.RGBA.size = (size_t)width * (size_t)height * 3;
	return WebPDecode(data, len, &config) == VP8_STATUS_OK;
}

/* ---- smaller ---- */

/* One pixel for those from x and y to before x_end and y_end. */
static void average(const struct picture *from, int x, int y, int x_end, int y_end, uint8_t *to)
{
	unsigned sums[3] = { 0, 0, 0 }, count = (unsigned)(x_end - x) * (unsigned)(y_end - y);

	for (int row = y; row < y_end; row++) {
		const uint8_t *at = from->pixels + ((size_t)row * (size_t)from->width + (size_t)x) * 3, *end = at + (size_t)(x_end - x) * 3;

		for (; at < end; at += 3) {
			sums[0] += at[0];
			sums[1] += at[1];
			sums[2] += at[2];
		}
	}
	for (int i = 0; i < 3; i++)
		to[i] = (uint8_t)((sums[i] + count / 2) / count);
}

/* Where the pixels begin that the `at`-th of `parts` stands for. */
static int edge(int at, int parts, int whole)
{
	return (int)((int64_t)at * whole / parts);
}

static void reduce(struct picture *picture, int width, int height)
{
	int *edges = fnr_alloc(((size_t)width + 1) * sizeof *edges);
	struct picture small;
	uint8_t *to;

	picture_make(&small, width, height);
	to = small.pixels;
	for (int x = 0; x <= width; x++)
		edges[x] = edge(x, width, picture->width);
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++, to += 3)
			average(picture, edges[x], edge(y, height, picture->height), edges[x + 1], edge(y + 1, height, picture->height), to);
	free(edges);
	free(picture->pixels);
	*picture = small;
}

static bool encode(const struct picture *picture, struct fnr_buf *out)
{
	tjhandle encoder = tjInitCompress();
	unsigned char *jpeg = NULL;
	unsigned long len = 0;
	bool good = encoder && tjCompress2(encoder, picture->pixels, picture->width, 0, picture->height, TJPF_RGB, &jpeg, &len, TJSAMP_420, QUALITY, 0) == 0;

	if (good)
		fnr_buf_add(out, jpeg, len);
	tjFree(jpeg);
	if (encoder)
		tjDestroy(encoder);
	return good;
}

/* ---- all of it ---- */

static const struct { const char *begin; size_t len; bool (*decode)(const uint8_t *data, size_t len, int side, struct picture *picture); } kinds[] = {
	{ "\xff\xd8", 2, from_jpeg }, { "\x89PNG\r\n\x1a\n", 8, from_png }, { "RIFF", 4, from_webp },
};

static bool decode(const uint8_t *data, size_t len, int side, struct picture *picture)
{
	int width, height;

	if (!path_picture_size_of(data, len, &width, &height) || (int64_t)width * height > SHRINK_PIXELS)
		return false;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (len > kinds[i].len && memcmp(data, kinds[i].begin, kinds[i].len) == 0)
			return kinds[i].decode(data, len, side, picture);
	return false;
}

bool shrink(const void *data, size_t len, int side, struct fnr_buf *out)
{
	struct picture picture = { .pixels = NULL };
	bool good = decode(data, len, side, &picture);

	if (good && (picture.width > side || picture.height > side)) {
		int width, height;

		fit(picture.width, picture.height, side, &width, &height);
		reduce(&picture, width, height);
	}
	good = good && encode(&picture, out);
	free(picture.pixels);
	return good;
}
