/* Memory: allocations that succeed or end the process, and arenas for what lives as long as one request. */
#ifndef FNR_BASE_MEM_H
#define FNR_BASE_MEM_H

#include <stddef.h>

void *fnr_alloc(size_t size);                    /* zeroed; never NULL; free() it */
void *fnr_realloc(void *old, size_t size);       /* as realloc(); never NULL */
char *fnr_strdup(const char *text);              /* never NULL */
char *fnr_memdup0(const void *data, size_t size); /* copies and adds a final 0 byte */
char *fnr_asprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct fnr_arena;
struct fnr_arena *fnr_arena_create(void);
struct fnr_arena *fnr_arena_create_small(void);  /* of small blocks, for one that is kept beside many others */
void fnr_arena_reset(struct fnr_arena *arena);   /* frees everything, keeps the first block */
void fnr_arena_free(struct fnr_arena *arena);    /* NULL is allowed */
void *fnr_arena_alloc(struct fnr_arena *arena, size_t size); /* zeroed, aligned for any type */
char *fnr_arena_strdup(struct fnr_arena *arena, const char *text);
char *fnr_arena_memdup0(struct fnr_arena *arena, const void *data, size_t size);
char *fnr_arena_printf(struct fnr_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
