/* Texts by their first eight bytes. json-c's own memory begins at multiples of eight, and eight bytes from such a place never
 * lie on two pages: all of them can be read at once, as libc does, whatever stands behind the end of the text; that is masked. A
 * byte at a time, comparing a name costs more than the check of its value. */
#ifndef FNR_SCHEMA_WORD_H
#define FNR_SCHEMA_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WORD sizeof(uint64_t)

static inline bool word_is_whole(const char *text)
{
	return (uintptr_t)text % WORD == 0;
}

/* Of a text where word_is_whole(). The compiler is not to think about what lies behind its end. */
static inline __attribute__((no_sanitize("address"))) uint64_t word_read(const char *text)
{
	__asm__("" : "+r"(text));
	return *(const uint64_t __attribute__((may_alias)) *)text;
}

/* The bits of the first `len` bytes, of all if there are more. */
static inline uint64_t word_mask(size_t len)
{
	static const unsigned char bytes[2 * WORD] = { 255, 255, 255, 255, 255, 255, 255, 255 };
	uint64_t mask;

	memcpy(&mask, bytes + WORD - (len < WORD ? len : WORD), WORD);
	return mask;
}

static __attribute__((noinline, cold, unused)) uint64_t text_head_slow(const char *text, size_t len)
{
	uint64_t head = 0;

	memcpy(&head, text, len < WORD ? len : WORD);
	return head;
}

/* The first bytes of a text; 0 for those behind its end. */
static inline uint64_t text_head(const char *text, size_t len)
{
	return word_is_whole(text) ? word_read(text) & word_mask(len) : text_head_slow(text, len);
}

/* As strcmp() == 0; names are short, and a call costs more. */
static inline bool same_name(const char *a, const char *b)
{
	for (size_t i = 0; a[i] == b[i]; i++)
		if (!a[i])
			return true;
	return false;
}

/* A name that others are compared with. The mask is that of its bytes and of the NUL behind them. */
struct word { const char *text; size_t len; uint64_t head, mask; };

static inline struct word word_of(const char *text)
{
	size_t len = strlen(text);

	return (struct word){ text, len, text_head(text, len), word_mask(len + 1) };
}

/* No name is this one. */
static inline struct word word_none(void)
{
	return (struct word){ .head = 1 };
}

/* false may also mean that it is not seen so. */
static inline bool word_is_seen(const struct word *word, const char *text)
{
	return word_is_whole(text) && (word_read(text) & word->mask) == word->head && (word->len < WORD || same_name(word->text + WORD, text + WORD));
}

static inline bool word_is(const struct word *word, const char *text)
{
	return word_is_seen(word, text) || (!word_is_whole(text) && same_name(word->text, text));
}

#endif
