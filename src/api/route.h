/* Finding the route of a request, and decoding what an address carries. */
#ifndef FNR_API_ROUTE_H
#define FNR_API_ROUTE_H

#include "api/request.h"

struct route_match {
	const struct route *route;           /* NULL if there is none */
	const char *args[REQUEST_ARGS];      /* in the arena */
	char allow[64];                      /* the path exists with other methods: "GET, HEAD, POST" */
};

/* path: as it was sent, without the query; with `decoded` it was decoded already (nginx's $uri). Of two patterns that
 * fit, the one with fewer {…} wins. HEAD is served by GET. Rows with ROUTE_INTERNAL are found only with `internal`,
 * and no others then. FNR_OK, FNR_E_NOT_FOUND, FNR_E_METHOD (match->allow says which), FNR_E_MALFORMED for a path that
 * cannot be decoded. */
int route_find(struct fnr_arena *arena, const struct route *table, const char *method, const char *path, bool internal,
               struct route_match *match, struct fnr_error *err);

/* Decodes %XX in len bytes of text ("+" too with `plus`); NULL if it is not well-formed: a broken %XX, a control
 * character, invalid UTF-8. */
char *route_decode(struct fnr_arena *arena, const char *text, size_t len, bool plus);

/* The rows that clients can reach, as "METHOD PATTERN" lines. */
void route_list(const struct route *table, struct fnr_buf *out);

#endif
