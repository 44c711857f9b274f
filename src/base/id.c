#include "base/id.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"

/* An id without its version and variant bits: 48 bits of time, then 12 and 62 bits that count. */
struct parts {
	uint64_t ms;
	uint64_t high; /* 12 bits */
	uint64_t low;  /* 62 bits */
};

#define MS_MASK ((UINT64_C(1) << 48) - 1)
#define HIGH_MASK ((UINT64_C(1) << 12) - 1)
#define LOW_MASK ((UINT64_C(1) << 62) - 1)

void fnr_random(void *out, size_t size)
{
	unsigned char *at = out;
	ssize_t n;

	while (size) {
		n = getrandom(at, size, 0);
		if (n < 0 && errno == EINTR)
			continue;
		FNR_MUST(n > 0);
		at += n;
		size -= (size_t)n;
	}
}

static uint64_t load(const uint8_t *bytes)
{
	uint64_t value = 0;
	int i;

	for (i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return value;
}

static void save(uint8_t *bytes, uint64_t value)
{
	int i;

	for (i = 7; i >= 0; i--, value >>= 8)
		bytes[i] = (uint8_t)value;
}

static struct parts split(const struct fnr_id *id)
{
	uint64_t first = load(id->bytes);

	return (struct parts){ .ms = first >> 16, .high = first & HIGH_MASK, .low = load(id->bytes + 8) & LOW_MASK };
}

static struct fnr_id join(const struct parts *parts)
{
	struct fnr_id id;

	save(id.bytes, parts->ms << 16 | UINT64_C(7) << 12 | parts->high);
	save(id.bytes + 8, UINT64_C(2) << 62 | parts->low);
	return id;
}

/* The highest counting bit begins as 0, so that a millisecond has room to count. */
static struct parts fresh(uint64_t ms)
{
	uint64_t bits[2];

	fnr_random(bits, sizeof bits);
	return (struct parts){ .ms = ms & MS_MASK, .high = bits[0] & HIGH_MASK >> 1, .low = bits[1] & LOW_MASK };
}

struct fnr_id fnr_id_next(struct fnr_id *last)
{
	uint64_t now = (uint64_t)fnr_now_ms() & MS_MASK;
	struct parts parts = split(last);
	uint32_t stride;

	if (now > parts.ms) {
		parts = fresh(now);
	} else {
		/* A random stride: two processes that go on from the same id shall not make the same next one. */
		fnr_random(&stride, sizeof stride);
		parts.low += (uint64_t)stride + 1;
		if (parts.low > LOW_MASK) {
			parts.low &= LOW_MASK;
			parts.high++;
		}
		if (parts.high > HIGH_MASK)
			parts = fresh(parts.ms + 1);
	}
	*last = join(&parts);
	return *last;
}

struct fnr_id fnr_id_random(void)
{
	struct fnr_id last = FNR_ID_NONE;

	return fnr_id_next(&last);
}

bool fnr_id_is_none(const struct fnr_id *id)
{
	return fnr_id_compare(id, &FNR_ID_NONE) == 0;
}

int fnr_id_compare(const struct fnr_id *a, const struct fnr_id *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

static bool hyphen_after(size_t byte)
{
	return byte == 3 || byte == 5 || byte == 7 || byte == 9;
}

char *fnr_id_format(const struct fnr_id *id, char out[FNR_ID_TEXT])
{
	char *at = out;
	size_t i;

	for (i = 0; i < sizeof id->bytes; i++) {
		fnr_hex(id->bytes + i, 1, at);
		at += 2;
		if (hyphen_after(i))
			*at++ = '-';
	}
	*at = 0;
	return out;
}

bool fnr_id_parse(const char *text, struct fnr_id *id)
{
	char digits[33];
	size_t i, at = 0;

	if (!text || strnlen(text, FNR_ID_TEXT) != FNR_ID_TEXT - 1)
		return false;
	for (i = 0; i < FNR_ID_TEXT - 1; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i] != '-')
				return false;
		} else {
			digits[at++] = text[i];
		}
	}
	digits[at] = 0;
	return fnr_unhex(digits, id->bytes, sizeof id->bytes);
}
