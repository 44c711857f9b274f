#include "schema/host.h"

#include <idn2.h>
#include <string.h>
#include <strings.h>

#define LABEL_MOST 63
#define NAME_MOST 253
#define BYTES_MOST (NAME_MOST * 4)    /* bytes; each character stands for one of the ASCII form at least */

static bool is_letter_or_digit(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

static bool is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] >= 0x80)
			return false;
	return true;
}

/* ---- labels; each says how long it is in ASCII, 0: it is none ---- */

/* A label of ASCII that stands for another: back and forth, and in between it must be a sound one. */
static bool is_encoded(const char *text, size_t len)
{
	char encoded[LABEL_MOST + 1], *label = NULL;
	bool sound;

	for (size_t i = 0; i < len; i++)
		encoded[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 32 : text[i]);
	encoded[len] = 0;
	sound = idn2_to_unicode_8z8z(encoded, &label, 0) == IDN2_OK && !is_ascii(label, strlen(label)) && label[0] != '-' &&
	        label[strlen(label) - 1] != '-' &&
	        idn2_register_u8((const uint8_t *)label, (const uint8_t *)encoded, NULL, 0) == IDN2_OK;
	idn2_free(label);
	return sound;
}

static size_t ascii_label(const char *text, size_t len)
{
	if (len < 1 || len > LABEL_MOST || !is_letter_or_digit(text[0]) || !is_letter_or_digit(text[len - 1]))
		return 0;
	for (size_t i = 0; i < len; i++)
		if (!is_letter_or_digit(text[i]) && text[i] != '-')
			return 0;
	return len < 4 || strncasecmp(text, "xn--", 4) != 0 || is_encoded(text, len) ? len : 0;
}

static size_t idn_label(const char *text, size_t len)
{
	char label[BYTES_MOST + 1];
	uint8_t *encoded = NULL;
	size_t size = 0;

	if (is_ascii(text, len))
		return ascii_label(text, len);
	if (text[0] == '-' || text[len - 1] == '-')
		return 0;
	memcpy(label, text, len);
	label[len] = 0;
	if (idn2_register_u8((const uint8_t *)label, NULL, &encoded, 0) == IDN2_OK)
		size = strlen((const char *)encoded);
	idn2_free(encoded);
	return size;
}

/* ---- names ---- */

/* How many bytes of a full stop are there? */
static size_t ascii_stop(const char *text, size_t len)
{
	return len && *text == '.';
}

static size_t any_stop(const char *text, size_t len)
{
	static const char *const wide[] = { "\u3002", "\uff0e", "\uff61" };

	for (size_t i = 0; len >= 3 && i < 3; i++)
		if (memcmp(text, wide[i], 3) == 0)
			return 3;
	return ascii_stop(text, len);
}

static bool is_name(const char *text, size_t len, size_t (*label)(const char *text, size_t len), size_t (*stop)(const char *text, size_t len))
{
	size_t size = 0, from = 0, at, ascii;

	if (len > BYTES_MOST || memchr(text, 0, len))
		return false;
	for (;; from = at + stop(text + at, len - at)) {
		at = from;
		while (at < len && !stop(text + at, len - at))
			at++;
		ascii = label(text + from, at - from);
		if (!ascii)
			return false;
		size += ascii + (from > 0);
		if (at == len)
			return size <= NAME_MOST;
	}
}

bool host_is_ascii(const char *text, size_t len)
{
	return is_name(text, len, ascii_label, ascii_stop);
}

bool host_is_idn(const char *text, size_t len)
{
	return is_name(text, len, idn_label, any_stop);
}
