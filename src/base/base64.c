#include "base/base64.h"

#include <stdint.h>

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static size_t padding(const char *text, size_t len)
{
	return len == 0 || text[len - 1] != '=' ? 0 : text[len - 2] == '=' ? 2 : 1;
}

size_t fnr_base64_size(const char *text, size_t len)
{
	size_t pad = len % 4 == 0 ? padding(text, len) : 0;

	if (len % 4 != 0)
		return SIZE_MAX;
	for (size_t i = 0; i < len - pad; i++)
		if (value_of(text[i]) < 0)
			return SIZE_MAX;
	return len / 4 * 3 - pad;
}

void fnr_base64_decode(const char *text, size_t len, void *out)
{
	uint8_t *at = out;
	size_t left = len / 4 * 3 - padding(text, len);

	for (size_t i = 0; i < len; i += 4) {
		uint32_t bits = 0;

		for (size_t k = 0; k < 4; k++)
			bits = bits << 6 | (uint32_t)(text[i + k] == '=' ? 0 : value_of(text[i + k]));
		for (size_t k = 0; k < 3 && left > 0; k++, left--)
			*at++ = (uint8_t)(bits >> (16 - 8 * k));
	}
}
