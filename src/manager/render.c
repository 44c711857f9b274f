#include "config.h"

#include "manager/render.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* Control characters, quote and backslash: everything else goes as it is, as our texts are valid UTF-8. */
static bool plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\';
}

void render_text(struct fnr_buf *out, const char *text)
{
	if (!text) {
		fnr_buf_add(out, "null", 4);
		return;
	}
	fnr_buf_add(out, "\"", 1);
	while (*text) {
		size_t len = 0;

		while (text[len] && plain((unsigned char)text[len]))
			len++;
		fnr_buf_add(out, text, len);
		text += len;
		if (!*text)
			break;
		if (*text == '"' || *text == '\\')
			fnr_buf_printf(out, "\\%c", *text);
		else
			fnr_buf_printf(out, "\\u%04x", (unsigned char)*text);
		text++;
	}
	fnr_buf_add(out, "\"", 1);
}

void render_int(struct fnr_buf *out, int64_t value)
{
	char text[24], *at = text + sizeof text;
	uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	do {
		*--at = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	if (value < 0)
		*--at = '-';
	fnr_buf_add(out, at, (size_t)(text + sizeof text - at));
}

void render_real(struct fnr_buf *out, double value)
{
	int64_t thousandths;
	char fraction[4];

	if (!isfinite(value) || fabs(value) > 1e12) {
		fnr_buf_add(out, "null", 4);
		return;
	}
	thousandths = llround(value * 1000.0);
	if (thousandths < 0)
		fnr_buf_add(out, "-", 1);
	thousandths = thousandths < 0 ? -thousandths : thousandths;
	render_int(out, thousandths / 1000);
	snprintf(fraction, sizeof fraction, "%03d", (int)(thousandths % 1000));
	for (int len = 3; len > 1 && fraction[len - 1] == '0'; len--)
		fraction[len - 1] = 0;
	fnr_buf_add(out, ".", 1);
	fnr_buf_puts(out, fraction);
}

void render_time(struct fnr_buf *out, int64_t ms)
{
	char text[FNR_TIME_SIZE];

	if (!ms) {
		fnr_buf_add(out, "null", 4);
		return;
	}
	fnr_buf_add(out, "\"", 1);
	fnr_buf_puts(out, fnr_time_format(ms, text));
	fnr_buf_add(out, "\"", 1);
}

static void member(struct fnr_buf *out, const char *name)
{
	fnr_buf_add(out, ",\"", 2);
	fnr_buf_puts(out, name);
	fnr_buf_add(out, "\":", 2);
}

void member_text(struct fnr_buf *out, const char *name, const char *text)
{
	member(out, name);
	render_text(out, text);
}

void member_int(struct fnr_buf *out, const char *name, int64_t value)
{
	member(out, name);
	render_int(out, value);
}

void member_real(struct fnr_buf *out, const char *name, double value)
{
	member(out, name);
	render_real(out, value);
}

void member_time(struct fnr_buf *out, const char *name, int64_t ms)
{
	member(out, name);
	render_time(out, ms);
}

void member_id(struct fnr_buf *out, const char *name, const struct fnr_id *id)
{
	char text[FNR_ID_TEXT];

	member_text(out, name, fnr_id_is_none(id) ? NULL : fnr_id_format(id, text));
}

void member_json(struct fnr_buf *out, const char *name, const char *json)
{
	member(out, name);
	fnr_buf_puts(out, json ? json : "null");
}
