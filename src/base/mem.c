#include "base/mem.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define BLOCK_SIZE 16384
#define SMALL_SIZE 2048

struct block {
	struct block *next;
	size_t size, used;
	alignas(max_align_t) unsigned char data[];
};

struct fnr_arena {
	struct block *first;   /* lives as long as the arena */
	struct block *current; /* the newest of ordinary size; its next are the older ones, down to first */
	struct block *large;
	size_t block_size;
};

static void *must(void *memory, size_t size)
{
	if (!memory)
		fnr_die("out of memory (%zu bytes)", size);
	return memory;
}

void *fnr_alloc(size_t size)
{
	return must(calloc(1, size ? size : 1), size);
}

void *fnr_realloc(void *old, size_t size)
{
	return must(realloc(old, size ? size : 1), size);
}

char *fnr_strdup(const char *text)
{
	return must(strdup(text), strlen(text));
}

char *fnr_memdup0(const void *data, size_t size)
{
	char *copy;

	FNR_MUST(size < SIZE_MAX);
	copy = must(malloc(size + 1), size);
	if (size)
		memcpy(copy, data, size);
	copy[size] = 0;
	return copy;
}

char *fnr_asprintf(const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	return must(len < 0 ? NULL : text, 0);
}

static struct block *block_create(size_t size, struct block *next)
{
	struct block *block;

	FNR_MUST(size < SIZE_MAX - sizeof *block);
	block = must(malloc(sizeof *block + size), size);
	block->next = next;
	block->size = size;
	block->used = 0;
	return block;
}

/* Frees block and those behind it, up to but without `end`. */
static void blocks_free(struct block *block, const struct block *end)
{
	struct block *next;

	for (; block != end; block = next) {
		next = block->next;
		free(block);
	}
}

static struct fnr_arena *create(size_t block_size)
{
	struct fnr_arena *arena = fnr_alloc(sizeof *arena);

	arena->first = arena->current = block_create(block_size, NULL);
	arena->block_size = block_size;
	return arena;
}

struct fnr_arena *fnr_arena_create(void)
{
	return create(BLOCK_SIZE);
}

struct fnr_arena *fnr_arena_create_small(void)
{
	return create(SMALL_SIZE);
}

void fnr_arena_reset(struct fnr_arena *arena)
{
	blocks_free(arena->large, NULL);
	blocks_free(arena->current, arena->first);
	arena->large = NULL;
	arena->current = arena->first;
	arena->first->used = 0;
}

void fnr_arena_free(struct fnr_arena *arena)
{
	if (!arena)
		return;
	fnr_arena_reset(arena);
	free(arena->first);
	free(arena);
}

static void *take(struct fnr_arena *arena, size_t size)
{
	size_t align = alignof(max_align_t);
	struct block *block;
	void *memory;

	if (size >= arena->block_size / 4) { /* it has a block of its own */
		arena->large = block_create(size, arena->large);
		return arena->large->data;
	}
	size = size ? (size + align - 1) / align * align : align;
	if (arena->current->size - arena->current->used < size)
		arena->current = block_create(arena->block_size, arena->current);
	block = arena->current;
	memory = block->data + block->used;
	block->used += size;
	return memory;
}

void *fnr_arena_alloc(struct fnr_arena *arena, size_t size)
{
	return memset(take(arena, size), 0, size);
}

char *fnr_arena_strdup(struct fnr_arena *arena, const char *text)
{
	return fnr_arena_memdup0(arena, text, strlen(text));
}

char *fnr_arena_memdup0(struct fnr_arena *arena, const void *data, size_t size)
{
	char *copy;

	FNR_MUST(size < SIZE_MAX);
	copy = take(arena, size + 1);
	if (size)
		memcpy(copy, data, size);
	copy[size] = 0;
	return copy;
}

char *fnr_arena_printf(struct fnr_arena *arena, const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	FNR_MUST(len >= 0);
	text = take(arena, (size_t)len + 1);
	va_start(args, format);
	vsnprintf(text, (size_t)len + 1, format, args);
	va_end(args);
	return text;
}
