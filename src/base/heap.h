/* A binary heap of pointers to items that know their place in it, so that any of them can be moved or taken out. The
 * items belong to the caller; each has a size_t for its place, at the offset that heap_init was told. */
#ifndef FNR_BASE_HEAP_H
#define FNR_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

typedef bool heap_before(const void *a, const void *b);
struct heap { void **items; size_t count, size, offset; heap_before *before; };

void heap_init(struct heap *heap, size_t offset, heap_before *before);
void heap_free(struct heap *heap);                       /* the items stay as they are */
void heap_add(struct heap *heap, void *item);            /* in no heap by the same place */
void heap_remove(struct heap *heap, void *item);         /* is in this heap */
void heap_moved(struct heap *heap, void *item);          /* what it is compared by has changed */
void *heap_first(const struct heap *heap);               /* NULL if it is empty */

#endif
