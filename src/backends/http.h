/* HTTP for the protocols of backends: a small client over libcurl. It blocks its caller, a worker, and while it does it
 * looks up at least every 500 ms whether the run shall stop. Connections to an endpoint are kept as long as the process.
 *
 * On every request: the headers of the endpoint's credentials, and their token as "Authorization: Bearer". Never: redirects,
 * proxies, cookies of another endpoint, Expect, Origin, Accept-Encoding. Certificates are looked at (trust.h). Nothing waits for
 * ever: a request ends after timeout_ms, and when nothing moved for stall_ms.
 *
 *   struct http *http = http_to(run->endpoint, 0);
 *   struct http_answer answer = HTTP_ANSWER_INIT;
 *   if (http_ask(http, run, &(struct http_request){ .path = "/queue" }, &answer) != HTTP_DONE)
 *           result = http_failed(&answer, error);
 *   … answer.json …
 *   http_answer_clear(&answer);
 *
 * What a server sends while we wait for it for long is a stream (http_stream_open): it moves whenever this client waits for
 * anything, so it may stay open while other requests are made.
 */
#ifndef FNR_BACKENDS_HTTP_H
#define FNR_BACKENDS_HTTP_H

#include "backends/backend.h"
#include "base/buf.h"

struct http;

/* The client of this endpoint, made on first use; changed URL or credentials make a new one. Borrowed for good: the last
 * few are kept. HTTP_BASIC: username and password are sent as HTTP's basic authentication. NULL: the system has no memory. */
enum { HTTP_BASIC = 1 };
struct http *http_to(const struct endpoint *endpoint, int flags);

/* While any call of this client waits, it also polls fd and calls ready when there is something to read, and at least
 * every 500 ms. ready must not use this client. NULL ends it. */
void http_beside(struct http *http, int fd, void (*ready)(void *context), void *context);

enum http_result {
	HTTP_DONE,                /* a status of 2xx, and all of the body */
	HTTP_STATUS,              /* another status; the body is kept as far as it goes */
	HTTP_UNREACHABLE,         /* no such host, or nobody takes the connection */
	HTTP_DISTRUSTED,          /* TLS does not come about: answer->distrust says why */
	HTTP_BROKEN,              /* the connection ended before the answer did */
	HTTP_TIMEOUT,
	HTTP_TOO_LARGE,           /* the answer has more bytes than limit */
	HTTP_FOREIGN,             /* the path is an address of another server: it is not asked */
	HTTP_FILE,                /* a file of ours cannot be read or written */
	HTTP_ENOUGH,              /* take said so */
	HTTP_STOPPED,             /* run_stop() */
};

enum http_distrust {
	HTTP_DISTRUST_OTHER,
	HTTP_DISTRUST_AUTHORITY,  /* who signed the certificate is not believed */
	HTTP_DISTRUST_NAME,       /* it is another server's */
	HTTP_DISTRUST_TIME,       /* not valid yet, or not any more */
	HTTP_DISTRUST_FILE,       /* the endpoint's ca_file cannot be used */
	HTTP_DISTRUST_NO_TLS,
};

/* A part of multipart/form-data: a text, or a file that is sent as it is read. */
struct http_part { const char *name, *text, *path, *file_name, *media_type; };

struct http_request {
	const char *method;               /* NULL: GET, or POST if there is a body */
	/* Appended to the endpoint's URL: "/view?filename=a%20b", whoever makes it encodes it (http_encode). Or a whole address
	 * of the same origin. */
	const char *path;
	struct json_object *json;         /* the body, as application/json; or: */
	const char *form;                 /* as application/x-www-form-urlencoded; or: */
	const struct http_part *parts;
	size_t part_count;
	const char *const *headers;       /* more of them, "Name: value"; ends with NULL; may be NULL */
	size_t limit;                     /* bytes of the answer; 0: 16 MiB */
	int64_t timeout_ms;               /* for all of it; 0: 30 s; less than 0: none */
	int64_t stall_ms;                 /* without a byte in either direction; 0: 60 s; less than 0: none */
	bool once;                        /* not to be repeated, as libcurl does on a kept connection that ends: a new one is made */
	bool kept;                        /* with once: one that was used just now will do; ends it, that is HTTP_BROKEN */
	bool regardless;                  /* goes on when the run shall stop: for what must be said at the end */
};

struct http_answer {
	enum http_result result;
	long status;                      /* 0 without one */
	char media_type[64];              /* in lower case, without parameters; "" if not told */
	struct fnr_buf body;
	struct json_object *json;         /* the body, if it is JSON; owned */
	uint64_t bytes;                   /* of the body or file */
	double retry_after_s;             /* 0 if not told */
	bool unanswered;                  /* HTTP_BROKEN as a kept connection ended without a byte: most likely before the request came */
	enum http_distrust distrust;
	char asked[160];                  /* "POST /prompt", without what follows a question mark */
	char detail[384];                 /* for technicians; "" when it went well */
};
#define HTTP_ANSWER_INIT { .result = HTTP_DONE }
void http_answer_clear(struct http_answer *answer);

/* Blocks until there is an answer. run may be NULL (nothing is running: probes). Fills answer, which must be empty. */
enum http_result http_ask(struct http *http, struct run *run, const struct http_request *request, struct http_answer *answer);

/* The same, but a body with status 2xx goes to the new file `name` in the folder `dir`, which must not have one of this
 * name; request->limit is for the file then. After anything but HTTP_DONE there is no file. */
enum http_result http_download(struct http *http, struct run *run, const struct http_request *request, int dir, const char *name,
                               struct http_answer *answer);

/* Gets each piece of a body with status 2xx; false ends the transfer with HTTP_ENOUGH. It must not use this client. */
typedef bool http_take(const char *data, size_t len, void *context);

/* Begins a request whose answer goes to take piece by piece, until http_stream_close. timeout_ms and stall_ms are unlimited
 * where the request says 0; limit is for one that is not 2xx. The request is not needed any longer; answer and context are.
 * take NULL: answer is filled as by http_ask, for what nobody waits for. */
struct http_stream;
struct http_stream *http_stream_open(struct http *http, const struct http_request *request, http_take *take, void *context,
                                     struct http_answer *answer);
bool http_stream_over(const struct http_stream *stream);     /* answer->result says how it ended; until then do not look at it */
void http_stream_close(struct http_stream *stream);          /* whether it is over or not; NULL is allowed */

/* Lets streams move until something has moved, at most timeout_ms. False: the run shall stop. */
bool http_wait(struct http *http, struct run *run, int timeout_ms);

/* Says in run_error what the answer means, once for all protocols: `return http_failed(…)`. HTTP_STOPPED gives RUN_CANCELLED.
 * A server that is not there, refuses the credentials or says 502, 503, 504 is backend_down. */
enum run_result http_failed(const struct http_answer *answer, struct run_error *error);

/* Percent-encodes one value of a path or query into out; returns out->data. */
const char *http_encode(struct fnr_buf *out, const char *text);

/* Appends what makes a connection to this endpoint another one than to any other: where to, as whom, believing whom. */
void http_key(const struct endpoint *endpoint, int flags, struct fnr_buf *out);

/* For what speaks on a connection of its own (websocket.c): the endpoint's headers for it as text, each line with its end. */
void http_add_headers(const struct endpoint *endpoint, int flags, struct fnr_buf *out);

#endif
