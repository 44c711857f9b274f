/* The HTTP API as the command line uses it, over libcurl. */
#ifndef FNR_CLI_CLIENT_H
#define FNR_CLI_CLIENT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/json.h"

struct client_options { const char *url, *key, *data; };   /* as given; NULL = find it */
struct client;

/* Finds the server and the key: the option, the environment (FNR_URL, FNR_KEY), the data directory (run/url,
 * admin.key), else http://127.0.0.1:8080 without a key. Never NULL. */
struct client *client_open(const struct client_options *options);
void client_close(struct client *client);
const char *client_data(const struct client *client);     /* the data directory, absolute; "" if there is none here */
const char *client_url(const struct client *client);      /* without a slash at the end */

/* True once SIGINT or SIGTERM has come; every call below then ends soon. Handlers are set by client_open. */
bool client_interrupted(void);
void client_set_interrupted(bool now);                    /* false: for what must be said after an interruption */

struct answer { long status; struct json_object *json; }; /* status 0: no answer came. json owned, may be NULL */

/* body NULL: none. headers: a list of lines that ends with NULL, or NULL. Tries once. */
struct answer client_request(struct client *client, const char *method, const char *path, struct json_object *body, const char *const *headers);
/* The same with a body of another media type (NULL: none); text_r (NULL: nothing) gets what came, as it came. */
struct answer client_send(struct client *client, const char *method, const char *path, const char *media_type, const char *data, size_t len,
                          const char *const *headers, struct fnr_buf *text_r);
/* The same, again and again with growing pauses while no answer comes, at most about a minute: only for what may be repeated. */
struct answer client_persist(struct client *client, const char *method, const char *path, struct json_object *body, const char *const *headers);
struct answer client_upload(struct client *client, const char *file, void (*progress)(double fraction, void *context), void *context);
/* Status 200 when the whole file was written to `file` (not flushed); else the answer says why not. */
struct answer client_download(struct client *client, const char *path, FILE *file);
void answer_free(struct answer *answer);

/* Percent-encodes one segment of a path; the caller frees it. */
char *client_escape(const char *text);

/* Says on standard error, for people, why it did not work: message, each error with its place and remedy, suggestion. */
void client_complain(const struct client *client, const struct answer *answer);

/* One stream of events, from behind last_id ("" = from the beginning). Calls event for each until it returns false or the
 * stream ends. Returns the HTTP status (0: no answer). On a status other than 200 *answer_r holds the problem. */
typedef bool client_event(const char *id, const char *name, struct json_object *data, void *context);
long client_stream(struct client *client, const char *path, const char *last_id, client_event *event, void *context, struct answer *answer_r);

#endif
