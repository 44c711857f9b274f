#define PCRE2_CODE_UNIT_WIDTH 8
#include "schema/pattern.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/mem.h"
#include "schema/ecma.h"
#include "schema/effort.h"
#include "schema/plain.h"

#define KEPT 64
#define STEPS_MOST 100000     /* from one place of the text; a few milliseconds */
#define HEAP_MOST 4096        /* KiB */
#define JIT_STACK_MOST (1024 * 1024)
#define JIT_USES 16           /* matches after which machine code pays */
#define SHORT_TEXT 256        /* bytes; longer ones are looked at in windows, with an eye on the clock */
#define MATCHES_A_LOOK 16     /* at the clock; of short texts */
#define WINDOW_FIRST 64       /* places where a match may begin */
#define WINDOW_NS 1000000
#define STEP_NS 100           /* what a step of an effort is worth */

#define OPTIONS (PCRE2_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF | \
                 PCRE2_ALLOW_EMPTY_CLASS | PCRE2_USE_OFFSET_LIMIT)

struct pattern { pcre2_code *code; unsigned uses; bool anchored, machine; struct plain *plain; };

static struct kept { char *text; struct pattern *pattern; } kept[KEPT];

/* What all matches share. */
static pcre2_match_context *context;
static pcre2_match_data *data;

static void prepare(void)
{
	pcre2_jit_stack *stack;

	if (context)
		return;
	context = pcre2_match_context_create(NULL);
	data = pcre2_match_data_create(1, NULL);
	FNR_MUST(context && data);
	pcre2_set_match_limit(context, STEPS_MOST);
	pcre2_set_heap_limit(context, HEAP_MOST);
	stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK_MOST, NULL);
	if (stack)
		pcre2_jit_stack_assign(context, NULL, stack);
}

static pcre2_code *compile(const char *text, size_t len, char *message, size_t size)
{
	struct fnr_buf translated = FNR_BUF_INIT;
	PCRE2_UCHAR why[128];
	pcre2_code *code = NULL;
	size_t offset;
	int error;

	if (len > PATTERN_LENGTH) {
		snprintf(message, size, "it is longer than %d bytes", PATTERN_LENGTH);
		return NULL;
	}
	if (ecma_translate(text, len, &translated, message, size)) {
		code = pcre2_compile((PCRE2_SPTR)(translated.data ? translated.data : ""), translated.len, OPTIONS, &error, &offset, NULL);
		if (!code) {
			pcre2_get_error_message(error, why, sizeof why);
			snprintf(message, size, "%s", (const char *)why);
		}
	}
	fnr_buf_free(&translated);
	return code;
}

/* NULL if it is none. */
static struct plain *plain_of(const char *text, size_t len)
{
	struct plain plain, *kept_plain;

	if (!plain_read(&plain, text, len))
		return NULL;
	kept_plain = fnr_alloc(sizeof plain);
	*kept_plain = plain;
	return kept_plain;
}

struct pattern *pattern_create(const char *text, size_t len, char *message, size_t size)
{
	pcre2_code *code = compile(text, len, message, size);
	struct pattern *pattern;
	uint32_t options;

	if (!code)
		return NULL;
	pattern = fnr_alloc(sizeof *pattern);
	pattern->code = code;
	pattern->plain = plain_of(text, len);
	pattern->anchored = pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &options) == 0 && (options & PCRE2_ANCHORED);
	return pattern;
}

void pattern_free(struct pattern *pattern)
{
	if (!pattern)
		return;
	pcre2_code_free(pattern->code);
	free(pattern->plain);
	free(pattern);
}

const struct plain *pattern_plain(const struct pattern *pattern)
{
	return pattern->plain;
}

bool pattern_sound(const char *text, char *message, size_t size)
{
	struct pattern *pattern = pattern_create(text, strlen(text), message, size);

	pattern_free(pattern);
	return pattern;
}

/* ---- matching ---- */

static int64_t processor_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool time_is_up(struct pattern_clock *clock)
{
	int64_t now = processor_ns();

	if (!clock->end)
		clock->end = now + PATTERN_TIME_MS * INT64_C(1000000);
	return now > clock->end;
}

static bool is_ascii(const char *text, size_t len)
{
	unsigned char all = 0;

	for (size_t i = 0; i < len; i++)
		all |= (unsigned char)text[i];
	return all < 0x80;
}

/* A match may begin from `from` up to `last`. That the text is UTF-8 is checked by the first call. */
static int match(const struct pattern *pattern, const char *text, size_t len, size_t from, size_t last)
{
	uint32_t options = from ? PCRE2_NO_UTF_CHECK : 0;
	int result;

	pcre2_set_offset_limit(context, last);
	if (pattern->machine && !from && len <= SHORT_TEXT && is_ascii(text, len))
		result = pcre2_jit_match(pattern->code, (PCRE2_SPTR)text, len, 0, 0, data, context);   /* it does not check for UTF-8 */
	else
		result = pcre2_match(pattern->code, (PCRE2_SPTR)text, len, from, options, data, context);
	if (result == PCRE2_ERROR_JIT_STACKLIMIT)
		result = pcre2_match(pattern->code, (PCRE2_SPTR)text, len, from, options | PCRE2_NO_JIT, data, context);
	return result;
}

static size_t next_character(const char *text, size_t len, size_t at)
{
	while (at < len && ((unsigned char)text[at] & 0xc0) == 0x80)
		at++;
	return at;
}

/* PCRE2's limit on steps holds for one place where a match may begin. So a long text is searched some places at a time: few
 * if that takes long, more and more if not. */
static int search(const struct pattern *pattern, const char *text, size_t len, struct pattern_clock *clock)
{
	size_t from = 0, window = WINDOW_FIRST;

	for (;;) {
		size_t last = len - from > window ? next_character(text, len, from + window) : len;
		int64_t before = processor_ns();
		int result = match(pattern, text, len, from, last);

		if (result != PCRE2_ERROR_NOMATCH || last == len || pattern->anchored)
			return result;
		if (time_is_up(clock))
			return PCRE2_ERROR_MATCHLIMIT;
		window = processor_ns() - before < WINDOW_NS ? window * 2 : window / 2 + 1;
		from = next_character(text, len, last + 1);
	}
}

static int run(struct pattern *pattern, const char *text, size_t len, struct pattern_clock *clock)
{
	prepare();
	if (pattern->uses < JIT_USES && ++pattern->uses == JIT_USES)
		pattern->machine = pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE) == 0;   /* else it is interpreted as before */
	if (len > SHORT_TEXT)
		return time_is_up(clock) ? PCRE2_ERROR_MATCHLIMIT : search(pattern, text, len, clock);
	if (++clock->matches % MATCHES_A_LOOK == 0 && time_is_up(clock))
		return PCRE2_ERROR_MATCHLIMIT;
	return match(pattern, text, len, 0, len);
}

enum pattern_result pattern_run(struct pattern *pattern, const char *text, size_t len, struct pattern_clock *clock)
{
	int64_t begin;
	int result;

	if (pattern->plain)
		return plain_fits(pattern->plain, text, len) ? PATTERN_FITS : PATTERN_DIFFERS;
	if (effort_spent())
		return PATTERN_TOO_HARD;
	begin = effort_now ? processor_ns() : 0;
	result = run(pattern, text, len, clock);
	if (effort_now)
		effort_take((size_t)(processor_ns() - begin) / STEP_NS);
	return result >= 0 ? PATTERN_FITS : result == PCRE2_ERROR_NOMATCH ? PATTERN_DIFFERS : PATTERN_TOO_HARD;
}

/* ---- patterns that are known by their text ---- */

/* FNV-1a; a pattern that falls on the place of another one replaces it. */
static struct kept *place_of(const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	return &kept[hash % KEPT];
}

static struct pattern *pattern_of(const char *text)
{
	struct kept *place = place_of(text);
	char why[256];

	if (place->text && strcmp(place->text, text) == 0)
		return place->pattern;
	free(place->text);
	pattern_free(place->pattern);
	effort_take(strlen(text));
	place->text = fnr_strdup(text);
	place->pattern = pattern_create(text, strlen(text), why, sizeof why);
	return place->pattern;
}

enum pattern_result pattern_match(const char *text, const char *subject, size_t len)
{
	struct pattern *pattern = pattern_of(text);
	struct pattern_clock clock = { 0, 0 };

	return pattern ? pattern_run(pattern, subject, len, &clock) : PATTERN_DIFFERS;
}
