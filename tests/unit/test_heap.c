#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/heap.h"

struct item { int value; bool in; size_t place; };

static bool smaller(const void *a, const void *b)
{
	return ((const struct item *)a)->value < ((const struct item *)b)->value;
}

static const struct item *smallest(const struct item *items, size_t count)
{
	const struct item *found = NULL;

	for (size_t i = 0; i < count; i++)
		if (items[i].in && (!found || items[i].value < found->value))
			found = &items[i];
	return found;
}

/* Whatever comes, goes and changes, the first is one of the smallest. */
Test(heap, against_a_scan)
{
	struct item items[50] = { 0 };
	struct heap heap;
	unsigned seed = 7;

	heap_init(&heap, offsetof(struct item, place), smaller);
	for (int i = 0; i < 20000; i++) {
		struct item *item = &items[rand_r(&seed) % 50];
		const struct item *first = smallest(items, 50);

		cr_assert(first ? ((struct item *)heap_first(&heap))->value == first->value : !heap_first(&heap));
		if (!item->in) {
			item->value = rand_r(&seed) % 30;
			heap_add(&heap, item);
			item->in = true;
		} else if (rand_r(&seed) % 2) {
			item->value = rand_r(&seed) % 30;
			heap_moved(&heap, item);
		} else {
			heap_remove(&heap, item);
			item->in = false;
		}
	}
	heap_free(&heap);
}
