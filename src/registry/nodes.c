#include "registry/nodes.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* FNV-1a */
static uint64_t digest_of(const char *name, size_t len)
{
	uint64_t digest = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < len; i++)
		digest = (digest ^ (uint8_t)name[i]) * UINT64_C(0x100000001b3);
	return digest;
}

static void write_digits(uint64_t digest, char out[NODES_DIGITS])
{
	for (int i = NODES_DIGITS - 1; i >= 0; i--, digest >>= 4)
		out[i] = "0123456789abcdef"[digest & 15];
}

void nodes_add(struct nodes *nodes, const char *name, size_t len)
{
	if (nodes->count == nodes->size) {
		nodes->size = nodes->size > 0 ? nodes->size * 2 : 256;
		nodes->items = fnr_realloc(nodes->items, nodes->size * sizeof *nodes->items);
	}
	nodes->items[nodes->count++] = digest_of(name, len);
}

static int by_digest(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return (left > right) - (left < right);
}

char *nodes_text(struct nodes *nodes)
{
	char *text = fnr_alloc(nodes->count * NODES_DIGITS + 1);
	size_t len = 0;
	if (nodes->count > 0)
		qsort(nodes->items, nodes->count, sizeof *nodes->items, by_digest);
	for (size_t i = 0; i < nodes->count; i++) {
		if (i > 0 && nodes->items[i] == nodes->items[i - 1])
			continue;
		write_digits(nodes->items[i], text + len);
		len += NODES_DIGITS;
	}
	nodes_free(nodes);
	return text;
}

void nodes_free(struct nodes *nodes)
{
	free(nodes->items);
	*nodes = (struct nodes)NODES_INIT;
}

size_t nodes_count(size_t len)
{
	return len / NODES_DIGITS;
}

bool nodes_has(const char *text, size_t len, const char *name)
{
	size_t low = 0, high = nodes_count(len);
	char wanted[NODES_DIGITS];
	write_digits(digest_of(name, strlen(name)), wanted);
	while (low < high) {
		size_t middle = (low + high) / 2;
		int way = memcmp(wanted, text + middle * NODES_DIGITS, NODES_DIGITS);
		if (way == 0)
			return true;
		if (way < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

bool nodes_has_all(const char *text, size_t len, struct json_object *names)
{
	size_t count = json_object_is_type(names, json_type_array) ? json_object_array_length(names) : 0;
	for (size_t i = 0; i < count; i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(names, i));
		if (name != NULL && !nodes_has(text, len, name))
			return false;
	}
	return true;
}
