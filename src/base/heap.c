#include "config.h"

#include "base/heap.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"

void heap_init(struct heap *heap, size_t offset, heap_before *before)
{
	*heap = (struct heap){ .offset = offset, .before = before };
}

void heap_free(struct heap *heap)
{
	free(heap->items);
	heap->items = NULL;
	heap->count = heap->size = 0;
}

static size_t *place_of(const struct heap *heap, void *item)
{
	return (size_t *)(void *)((uint8_t *)item + heap->offset);
}

static void put(struct heap *heap, size_t place, void *item)
{
	heap->items[place] = item;
	*place_of(heap, item) = place;
}

static void rise(struct heap *heap, size_t place, void *item)
{
	while (place > 0 && heap->before(item, heap->items[(place - 1) / 2])) {
		put(heap, place, heap->items[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	put(heap, place, item);
}

static void sink(struct heap *heap, size_t place, void *item)
{
	size_t child;

	while ((child = 2 * place + 1) < heap->count) {
		if (child + 1 < heap->count && heap->before(heap->items[child + 1], heap->items[child]))
			child++;
		if (!heap->before(heap->items[child], item))
			break;
		put(heap, place, heap->items[child]);
		place = child;
	}
	rise(heap, place, item);
}

void heap_add(struct heap *heap, void *item)
{
	if (heap->count == heap->size) {
		heap->size = heap->size ? heap->size * 2 : 16;
		heap->items = fnr_realloc(heap->items, heap->size * sizeof *heap->items);
	}
	rise(heap, heap->count++, item);
}

void heap_remove(struct heap *heap, void *item)
{
	size_t place = *place_of(heap, item);
	void *last = heap->items[--heap->count];

	if (last != item)
		sink(heap, place, last);
}

void heap_moved(struct heap *heap, void *item)
{
	sink(heap, *place_of(heap, item), item);
}

void *heap_first(const struct heap *heap)
{
	return heap->count ? heap->items[0] : NULL;
}
