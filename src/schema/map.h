/* A hash table from bytes to pointers, for what a compilation has to find again: schemas by their JSON value, resources by
 * their address. Keys are borrowed. The hash is seeded once a process, so nobody can prepare keys that fall together. */
#ifndef FNR_SCHEMA_MAP_H
#define FNR_SCHEMA_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map {
	struct map_slot *slots;
	size_t size, count;
};
#define MAP_INIT { NULL, 0, 0 }

void *map_get(const struct map *map, const void *key, size_t len);               /* NULL if it is not there */
void map_put(struct map *map, const void *key, size_t len, void *value);         /* replaces; value is not NULL */
void map_free(struct map *map);

uint64_t map_hash(const void *key, size_t len);
uint64_t map_mix(uint64_t a, uint64_t b);   /* of two hashes, in this order */

#endif
