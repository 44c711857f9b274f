/* What is behind a struct request: shared by the files of the skeleton (serve.c, request.c, reply.c, body.c), never
 * included by handlers. */
#ifndef FNR_API_SERVING_H
#define FNR_API_SERVING_H

#include "api/route.h"
#include "api/serve.h"

#define REPLY_HEADERS 24
#define QUERY_MOST 64

struct reply {
	int status;                        /* 0 until a reply_* was called */
	const char *media_type;            /* NULL: none */
	struct json_object *object;        /* owned; `text` is its text then */
	const char *text;                  /* in the arena, or of object */
	size_t len;
	struct { const char *name, *value; } headers[REPLY_HEADERS];
	size_t header_count;
};

struct serving {
	struct request req;                /* first: a request is a serving */
	struct reply reply;
	struct server *server;
	char **envp;
	const char *client_path;           /* what the client asked for, also while nginx asks for something internal */
	serve_read *read;
	void *read_context;
	struct { const char *name, *value; } query[QUERY_MOST];
	size_t query_count;
	struct journal_txn *journal;
	const char *ticket;                /* ?ticket= of a route that takes one; handlers do not see it */
	bool head;                         /* HEAD: the body is left out */
	size_t posted;                     /* bytes of the largest operation that it posted */
	struct { uint32_t most, left; int reset_s; } quota;    /* of the key; most 0: it has none */
	bool upstream;                     /* a ROUTE_INTERNAL request: problems go into a header too */
};

static inline struct serving *serving_of(struct request *req)
{
	return (struct serving *)req;
}

/* request.c */
int request_read_query(struct serving *s);             /* MALFORMED */
const char *request_find_ticket(struct serving *s);    /* NULL if there is none */
void request_end_reading(struct serving *s);           /* ends the read transactions of store and journal */

/* body.c: reads and checks the body as the route wants it. MALFORMED, TOO_LARGE, MEDIA_TYPE, INVALID. */
int body_read(struct serving *s, const struct route *route);

/* reply.c */
void reply_problem(struct serving *s, const char *allow);   /* from req.err, in place of any reply so far */
void reply_render(struct serving *s, struct fnr_buf *out);  /* as CGI: header lines, an empty line, the body */
void reply_clear(struct reply *reply);

#endif
