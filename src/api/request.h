/* One HTTP request, as a handler sees it. The skeleton (src/api/serve.c) owns the FastCGI loop, the arena, the read
 * transaction, access checks, parsing of the body, and the rendering of errors; a handler reads typed input, calls one
 * or two functions of the domain, and writes a reply. Handlers never call FCGX themselves and never wait for anything
 * but the committer.
 */
#ifndef FNR_API_REQUEST_H
#define FNR_API_REQUEST_H

#include "base/conf.h"
#include "base/json.h"
#include "base/mem.h"
#include "http/access.h"
#include "store/journal.h"
#include "store/ops.h"

#define REQUEST_ARGS 6

struct request {
	struct fnr_arena *arena;             /* freed when the request ends */
	const struct fnr_conf *conf;
	struct store *store;
	struct store_txn *txn;               /* a read transaction, open while the handler runs */
	struct access access;
	char id[40];                         /* request id, for logs and problems (X-Request-Id of the answer) */
	const char *method;
	const char *path;                    /* without the query, as it was sent */
	const char *args[REQUEST_ARGS];      /* what stood for {…} in the route's pattern, in order, percent-decoded */
	struct json_object *body;            /* parsed, for routes with ROUTE_BODY; never NULL there: an object */
	const char *body_text;               /* the bytes of the body, for routes with ROUTE_BODY */
	size_t body_len;
	struct fnr_error err;                /* what a handler that returns a code has filled */
	struct reply *reply;                 /* private */
	void *fcgi;                          /* private */
};

/* A handler returns FNR_OK after one reply_* call, or a code with req->err filled: then the skeleton sends the problem. */
typedef int handler(struct request *req);

enum route_flag {
	ROUTE_BODY = 1,          /* a JSON object is required as the body: application/json, at most conf api.max_body */
	ROUTE_INTERNAL = 2,      /* only by nginx's own internal redirects and subrequests */
	ROUTE_NO_STORE = 4,      /* touches nothing: no store, no key */
	ROUTE_YAML = 8,          /* with ROUTE_BODY: application/yaml is taken as well */
	ROUTE_BODY_OPTIONAL = 16,/* with ROUTE_BODY: an empty body is an empty object */
	ROUTE_TICKET = 32,       /* GET and HEAD are open to ?ticket= */
	ROUTE_UNCOUNTED = 64     /* no request of its own to the quota of a key */
};

struct route { const char *method, *pattern; unsigned scope, flags; handler *call; };
extern const struct route routes[];      /* src/api/routes.c; ends with method NULL; one table for the whole API */

const char *request_header(struct request *req, const char *name);   /* "Idempotency-Key"; NULL if missing */
const char *request_param(struct request *req, const char *name);    /* a FastCGI parameter as it is; NULL if missing */
const char *request_query(struct request *req, const char *name);    /* decoded; NULL if missing; first one wins */
/* Query names that are not in the list (ends with NULL) are refused: FNR_E_INVALID in req->err, naming the nearest. */
int request_query_only(struct request *req, const char *const *names);
bool request_is_yaml(struct request *req);                           /* by its Content-Type */
/* limit (1..500, default 50) of a list. */
int request_limit(struct request *req, size_t *limit_r);
/* The id in args[index]; FNR_E_NOT_FOUND if it is not one (it cannot exist). what: "job". */
int request_id_arg(struct request *req, size_t index, const char *what, struct fnr_id *id_r);

/* The journal for reading, as the store names it now; NULL if there is none yet. Open until the request ends. */
struct journal_txn *request_journal(struct request *req);

/* Answers that were worked out before, by any handler, and the key of all that they depend on (api/memo.h). */
bool request_recall(struct request *req, const uint8_t key[32], struct fnr_buf *out);
void request_remember(struct request *req, const uint8_t key[32], const void *data, size_t len);

/* Posts an operation and waits until it is on disk or refused. Ends req->txn and begins a new one, so that the handler
 * sees what was written. Returns reply_r->code, with req->err filled from it. FNR_E_UNAVAILABLE when the committer
 * does not answer in time. */
int request_post(struct request *req, const struct fnr_buf *operation, struct op_reply *reply_r);

/* Replies. Header values with control characters are refused (FNR_BUG). object is put by the call. */
int reply_json(struct request *req, int status, struct json_object *object);
int reply_text(struct request *req, int status, const char *media_type, const char *text, size_t len); /* copies */
int reply_empty(struct request *req, int status);
void reply_header(struct request *req, const char *name, const char *value);   /* before reply_*; both copied */
/* Hands over to nginx: an internal redirect to a location of nginx.conf ("/internal/…"), with the headers set so far. */
int reply_accel(struct request *req, const char *uri);

#endif
