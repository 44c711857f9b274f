/* The kinds that work on servers which operators add (needs_endpoint), by name: for programs that only have to know that. */
#ifndef FNR_BACKENDS_NAMES_H
#define FNR_BACKENDS_NAMES_H

#include <stdbool.h>

extern const char *const backend_servers[];        /* ends with NULL */
bool backend_of_servers(const char *name);

#endif
