/* Node classes of servers that run workflows: which ones a job needs, and which a server has.
 *
 * A server has thousands of them, and nobody asks for more than whether it has a certain one. So all that is kept is a set: for each class
 * a digest of its name, 64 bits as 16 hex digits, in order, one behind the other as one text. That is what a probe finds, what the manager
 * keeps and what handlers read. If two names have the same digest, a server is taken to have what it may lack: it has the last word anyway.
 */
#ifndef FNR_REGISTRY_NODES_H
#define FNR_REGISTRY_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

#define NODES_MOST 20000      /* classes of a server; one that has more is not known */
#define NODES_DIGITS 16

/* A set that is being made. */
struct nodes { uint64_t *items; size_t count, size; };
#define NODES_INIT { NULL, 0, 0 }
void nodes_add(struct nodes *nodes, const char *name, size_t len);   /* often the same does no harm */
char *nodes_text(struct nodes *nodes);                               /* to free; the set is empty afterwards */
void nodes_free(struct nodes *nodes);

size_t nodes_count(size_t len);                                      /* of a set whose text is so long */
bool nodes_has(const char *text, size_t len, const char *name);
bool nodes_has_all(const char *text, size_t len, struct json_object *names);   /* an array of texts; NULL: none */

#endif
