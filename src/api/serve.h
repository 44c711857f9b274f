/* The skeleton of a process that answers HTTP over FastCGI: finds the route, checks access, reads the body, opens the
 * read transaction, calls the handler, renders its reply or problem, logs one line. Handlers see src/api/request.h.
 *
 * A process serves one request at a time. The store is opened at the first request that needs it.
 */
#ifndef FNR_API_SERVE_H
#define FNR_API_SERVE_H

#include <sys/types.h>

#include "api/request.h"
#include "api/slots.h"

struct server {
	const struct route *routes;
	struct slots *slots;
	size_t slot;                       /* where this process posts */
	struct fnr_conf conf;              /* as the master published it last */
	uint32_t conf_generation;
	struct store *store;               /* NULL until it was needed */
	struct journal *journal;
	struct fnr_arena *arena;
};

void serve_open(struct server *server, const struct route *table, struct slots *slots, size_t slot);
void serve_close(struct server *server);

/* Reads more of the request's body; 0 at its end. */
typedef size_t serve_read(void *context, void *out, size_t size);

/* One request, given by its CGI variables ("NAME=value", ends with NULL); the whole answer is appended to out. */
void serve_request(struct server *server, char **envp, serve_read *read, void *context, struct fnr_buf *out);

/* Accepts on the shared listening socket until SIGTERM. Returns the process's exit status. */
int serve_loop(struct server *server, int listener);

/* The process's own server; for health checks. NULL outside of one. */
struct server *serve_here(void);

#endif
