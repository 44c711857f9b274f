#define PCRE2_CODE_UNIT_WIDTH 8
#include "schema/pattern.h"

#include <pcre2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

#define KEPT 64
#define STEPS_MOST 100000     /* a few milliseconds */
#define HEAP_MOST 4096        /* KiB */

#define OPTIONS (PCRE2_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX | \
                 PCRE2_MATCH_UNSET_BACKREF | PCRE2_ALLOW_EMPTY_CLASS)

static struct kept { char *pattern; pcre2_code *code; } kept[KEPT];

static pcre2_code *compile(const char *pattern, int *error, size_t *offset)
{
	return pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, OPTIONS, error, offset, NULL);
}

bool pattern_sound(const char *pattern, char *message, size_t size)
{
	PCRE2_UCHAR why[128];
	pcre2_code *code;
	size_t offset;
	int error;

	if (strlen(pattern) > PATTERN_LENGTH) {
		snprintf(message, size, "it is longer than %d bytes", PATTERN_LENGTH);
		return false;
	}
	code = compile(pattern, &error, &offset);
	if (!code) {
		pcre2_get_error_message(error, why, sizeof why);
		snprintf(message, size, "%s, at byte %zu", (const char *)why, offset);
		return false;
	}
	pcre2_code_free(code);
	return true;
}

/* FNV-1a; a pattern that falls on the place of another one replaces it. */
static struct kept *place_of(const char *pattern)
{
	uint32_t hash = 2166136261u;

	for (; *pattern; pattern++)
		hash = (hash ^ (unsigned char)*pattern) * 16777619u;
	return &kept[hash % KEPT];
}

static const pcre2_code *code_of(const char *pattern)
{
	struct kept *place = place_of(pattern);
	size_t offset;
	int error;

	if (place->pattern && strcmp(place->pattern, pattern) == 0)
		return place->code;
	free(place->pattern);
	pcre2_code_free(place->code);
	place->pattern = fnr_strdup(pattern);
	place->code = strlen(pattern) > PATTERN_LENGTH ? NULL : compile(pattern, &error, &offset);
	return place->code;
}

enum pattern_result pattern_match(const char *pattern, const char *text, size_t len)
{
	static pcre2_match_context *context;
	static pcre2_match_data *data;
	const pcre2_code *code = code_of(pattern);
	int result;

	if (!code)
		return PATTERN_DIFFERS;
	if (!context) {
		context = pcre2_match_context_create(NULL);
		data = pcre2_match_data_create(1, NULL);
		FNR_MUST(context && data);
		pcre2_set_match_limit(context, STEPS_MOST);
		pcre2_set_heap_limit(context, HEAP_MOST);
	}
	result = pcre2_match(code, (PCRE2_SPTR)text, len, 0, 0, data, context);
	return result >= 0 ? PATTERN_FITS : result == PCRE2_ERROR_NOMATCH ? PATTERN_DIFFERS : PATTERN_TOO_HARD;
}
