#include "events/serve.h"

#include <ctype.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "http/problem.h"

#define BACKLOG 4096
#define MEMORY_LIMIT 4096             /* of a connection: its request's headers; nginx sends the few that count */
#define TIMEOUT_S 60                  /* a reader that takes nothing for so long is gone */
#define BLOCK 1024
#define WAIT_MOST_S 300
#define EVENT_MOST 9007199254740991u  /* 2^53-1 */

struct serve {
	struct MHD_Daemon *daemon;
	struct hub *hub;
};

static char first_call;               /* marks a request of which only the headers are here yet */

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static const char *query(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

/* ---- answers ---- */

static enum MHD_Result send_and_forget(struct MHD_Connection *connection, int status, struct MHD_Response *response)
{
	const char *id = header(connection, "X-Request-Id");
	enum MHD_Result result;

	if (id && *id)
		MHD_add_response_header(response, "X-Request-Id", id);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	result = MHD_queue_response(connection, (unsigned)status, response);
	MHD_destroy_response(response);
	return result;
}

static struct MHD_Response *text_response(const char *media_type, const char *text, size_t len)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);

	MHD_add_response_header(response, "Content-Type", media_type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	return response;
}

static enum MHD_Result answer_problem(struct MHD_Connection *connection, const char *path, struct fnr_error *err)
{
	struct json_object *problem = problem_make(err, path, header(connection, "X-Request-Id"));
	int status = fnr_code_status(err->code);
	size_t len;
	const char *text = fnr_json_text(problem, &len);
	struct MHD_Response *response = text_response("application/problem+json", text, len);
	char seconds[16];

	if (status == 401)
		MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
	if (status == 405)
		MHD_add_response_header(response, "Allow", "GET");
	if (status == 503 || err->retry_after_s > 0) {
		snprintf(seconds, sizeof seconds, "%d", err->retry_after_s > 0 ? err->retry_after_s : 1);
		MHD_add_response_header(response, "Retry-After", seconds);
	}
	json_object_put(problem);
	fnr_error_clear(err);
	return send_and_forget(connection, status, response);
}

static enum MHD_Result answer_empty(struct MHD_Connection *connection, int status)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(0, (void *)(uintptr_t)"", MHD_RESPMEM_PERSISTENT);

	return send_and_forget(connection, status, response);
}

/* ---- streams ---- */

/* MHD calls this when the connection can take more; `context` is the stream. */
static ssize_t read_stream(void *context, uint64_t position, char *out, size_t size)
{
	struct stream *stream = context;
	struct serve *serve = stream->owner;
	size_t moved = hub_stream_read(serve->hub, stream, out, size);

	if (moved > 0)
		return (ssize_t)moved;
	if (stream->phase == PHASE_ENDED)
		return MHD_CONTENT_READER_END_OF_STREAM;
	stream->asleep = true;
	MHD_suspend_connection(stream->connection);
	return 0;
}

void serve_wake(struct stream *stream)
{
	if (!stream->asleep)
		return;
	stream->asleep = false;
	MHD_resume_connection(stream->connection);
}

static enum MHD_Result answer_stream(struct MHD_Connection *connection, struct stream *stream)
{
	struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, stream, NULL);

	MHD_add_response_header(response, "Content-Type", "text/event-stream");
	MHD_add_response_header(response, "Cache-Control", "no-store, no-transform");
	MHD_add_response_header(response, "X-Accel-Buffering", "no");
	return send_and_forget(connection, MHD_HTTP_OK, response);
}

/* "123"; what is no number we could have given becomes one that was never given. */
static uint64_t parse_last(const char *text)
{
	uint64_t number = 0;

	if (!*text)
		return UINT64_MAX;
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text) || number > EVENT_MOST)
			return UINT64_MAX;
		number = number * 10 + (unsigned)(*text - '0');
	}
	return number <= EVENT_MOST ? number : UINT64_MAX;
}

struct query_walk { struct hub_ask *ask; struct fnr_error *err; const char *last; };

static enum MHD_Result query_row(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct query_walk *walk = context;

	if (strcmp(name, "ticket") == 0)
		return MHD_YES;
	if (strcmp(name, "last_event_id") == 0) {
		walk->last = value;
		return MHD_YES;
	}
	if (walk->ask->kind == STREAM_WIDE)
		return filter_set(walk->ask->filter, name, value ? value : "", walk->err) == FNR_OK ? MHD_YES : MHD_NO;
	fnr_error_add(walk->err, "", "unknown", "leave it out", "the query parameter '%s' is not known here", name);
	fnr_fail(walk->err, FNR_E_INVALID, "the query parameter '%s' is not known here; only last_event_id is", name);
	return MHD_NO;
}

/* The header wins: an EventSource repeats the query of its address for ever, and tells in the header where it is. */
static int read_ask(struct MHD_Connection *connection, const char *path, struct hub_ask *ask, struct fnr_error *err)
{
	struct query_walk walk = { ask, err, NULL };
	const char *last = header(connection, "Last-Event-ID");

	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, query_row, &walk);
	if (err->code != FNR_OK)
		return err->code;
	if (!last || !*last)
		last = walk.last;
	ask->resumes = last && *last;
	ask->last = ask->resumes ? parse_last(last) : 0;
	ask->headers = (struct access_headers){
		.method = "GET",
		.host = header(connection, "Host"),
		.origin = header(connection, "Origin"),
		.fetch_site = header(connection, "Sec-Fetch-Site"),
		.authorization = header(connection, "Authorization"),
		.cookie = header(connection, "Cookie"),
		.marker = header(connection, "X-Function-Runner"),
		.path = path,
		.ticket = query(connection, "ticket"),
	};
	return FNR_OK;
}

static enum MHD_Result open_stream(struct serve *serve, struct MHD_Connection *connection, const char *path, struct hub_ask *ask,
                                   void **context)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct stream *stream = NULL;

	if (ask->kind == STREAM_WIDE)
		ask->filter = filter_make();
	if (read_ask(connection, path, ask, &err) != FNR_OK) {
		free(ask->filter);
		return answer_problem(connection, path, &err);
	}
	if (hub_stream_open(serve->hub, ask, &stream, &err) != FNR_OK)
		return answer_problem(connection, path, &err);
	if (!stream)
		return answer_empty(connection, MHD_HTTP_NO_CONTENT);
	stream->owner = serve;
	stream->connection = connection;
	*context = stream;
	return answer_stream(connection, stream);
}

/* ---- held requests ---- */

static void add_encoded(struct fnr_buf *out, const char *text)
{
	for (; *text; text++) {
		if (isalnum((unsigned char)*text) || strchr("-._~", *text))
			fnr_buf_add(out, text, 1);
		else
			fnr_buf_printf(out, "%%%02X", (unsigned char)*text);
	}
}

static enum MHD_Result pass_on_row(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct fnr_buf *out = context;

	if (strcmp(name, "wait") == 0)
		return MHD_YES;
	fnr_buf_puts(out, "&");
	add_encoded(out, name);
	fnr_buf_puts(out, "=");
	add_encoded(out, value ? value : "");
	return MHD_YES;
}

/* nginx then asks fnr-api how the job looks now. */
static enum MHD_Result answer_view(struct MHD_Connection *connection, const struct fnr_id *job, bool done)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(0, (void *)(uintptr_t)"", MHD_RESPMEM_PERSISTENT);
	struct fnr_buf uri = FNR_BUF_INIT;
	char id[FNR_ID_TEXT];

	fnr_buf_printf(&uri, "/internal/view/%s?wait=%s", fnr_id_format(job, id), done ? "done" : "timeout");
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, pass_on_row, &uri);
	MHD_add_response_header(response, "X-Accel-Redirect", uri.data);
	fnr_buf_free(&uri);
	return send_and_forget(connection, MHD_HTTP_OK, response);
}

static enum MHD_Result open_wait(struct serve *serve, struct MHD_Connection *connection, const struct fnr_id *job, void **context)
{
	const char *text = query(connection, "seconds");
	long seconds = text ? strtol(text, NULL, 10) : 0;
	struct stream *stream;
	bool done;

	if (seconds < 0)
		seconds = 0;
	if (seconds > WAIT_MOST_S)
		seconds = WAIT_MOST_S;
	stream = hub_wait_open(serve->hub, job, fnr_mono_ms() + 1000 * seconds, &done);
	if (!stream)
		return answer_view(connection, job, done);
	stream->owner = serve;
	stream->connection = connection;
	stream->asleep = true;
	*context = stream;
	MHD_suspend_connection(connection);
	return MHD_YES;
}

/* ---- routes ---- */

/* "/api/v1/jobs/" + id + "/events": the part between prefix and suffix, if it is an id. */
static bool match_id(const char *path, const char *prefix, const char *suffix, struct fnr_id *id)
{
	size_t before = strlen(prefix), after = strlen(suffix), len = strlen(path);
	char text[FNR_ID_TEXT];

	if (len != before + FNR_ID_TEXT - 1 + after || strncmp(path, prefix, before) != 0 || strcmp(path + len - after, suffix) != 0)
		return false;
	snprintf(text, sizeof text, "%.*s", FNR_ID_TEXT - 1, path + before);
	return fnr_id_parse(text, id);
}

static enum MHD_Result route(struct serve *serve, struct MHD_Connection *connection, const char *path, const char *method, void **context)
{
	struct hub_ask ask = { .kind = STREAM_WIDE };
	struct fnr_error err = FNR_ERROR_INIT;

	*context = NULL;
	if (strcmp(method, "GET") != 0) {
		fnr_fail(&err, FNR_E_METHOD, "event streams are read with GET, not with %s", method);
		return answer_problem(connection, path, &err);
	}
	if (strcmp(path, "/healthz") == 0)
		return send_and_forget(connection, 200, text_response("application/json", "{\"status\":\"ok\"}", 15));
	if (strcmp(path, "/api/v1/events") == 0)
		return open_stream(serve, connection, path, &ask, context);
	ask.kind = STREAM_JOB;
	if (match_id(path, "/api/v1/jobs/", "/events", &ask.id))
		return open_stream(serve, connection, path, &ask, context);
	ask.kind = STREAM_BATCH;
	if (match_id(path, "/api/v1/batches/", "/events", &ask.id))
		return open_stream(serve, connection, path, &ask, context);
	if (match_id(path, "/internal/wait/", "", &ask.id))
		return open_wait(serve, connection, &ask.id, context);
	fnr_fail(&err, FNR_E_NOT_FOUND, "there is no event stream at this address");
	return answer_problem(connection, path, &err);
}

/* Called with the headers, then for each piece of a body, then once more; and again for a held request that was woken. */
static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *data, size_t *data_size, void **request)
{
	struct stream *stream = *request;

	if (!*request) {
		*request = &first_call;
		return MHD_YES;
	}
	if (*data_size) {
		*data_size = 0;
		return MHD_YES;
	}
	if (*request == &first_call)
		return route(context, connection, path, method, request);
	return answer_view(connection, &stream->id, stream->done);
}

static void completed(void *context, struct MHD_Connection *connection, void **request, enum MHD_RequestTerminationCode how)
{
	struct serve *serve = context;

	if (*request && *request != &first_call)
		hub_stream_close(serve->hub, *request);
	*request = NULL;
}

/* ---- the daemon ---- */

static void log_daemon(void *context, const char *format, va_list args)
{
	char line[512];

	/* Mostly clients that left while something was sent: nothing to act upon. */
	vsnprintf(line, sizeof line, format, args);
	line[strcspn(line, "\n")] = '\0';
	fnr_debug(NULL, "http: %s", line);
}

int serve_open(struct serve **serve_r, struct hub *hub, unsigned connections, struct fnr_error *err)
{
	struct serve *serve = fnr_alloc(sizeof *serve);
	int fd = fnr_unix_listen(FNR_SOCK_EVENTS, BACKLOG, 0600, err);

	if (fd < 0) {
		free(serve);
		return fd;
	}
	serve->hub = hub;
	fnr_fd_nonblock(fd);
	serve->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, handle, serve,
	                                 MHD_OPTION_EXTERNAL_LOGGER, log_daemon, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
	                                 MHD_OPTION_NOTIFY_COMPLETED, completed, serve,
	                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_LIMIT,
	                                 MHD_OPTION_CONNECTION_LIMIT, connections,
	                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_END);
	if (!serve->daemon) {
		close(fd);
		free(serve);
		return fnr_fail(err, FNR_E_INTERNAL, "the HTTP server of %s cannot be started", FNR_SOCK_EVENTS);
	}
	*serve_r = serve;
	return FNR_OK;
}

int serve_fd(const struct serve *serve)
{
	return MHD_get_daemon_info(serve->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int64_t serve_next(struct serve *serve)
{
	MHD_UNSIGNED_LONG_LONG ms;

	return MHD_get_timeout(serve->daemon, &ms) == MHD_YES ? (int64_t)ms : -1;
}

void serve_run(struct serve *serve)
{
	MHD_run(serve->daemon);
}

void serve_deaf(struct serve *serve)
{
	MHD_socket fd = MHD_quiesce_daemon(serve->daemon);

	if (fd != MHD_INVALID_SOCKET)
		close(fd);
}

void serve_close(struct serve *serve)
{
	if (!serve)
		return;
	MHD_stop_daemon(serve->daemon);
	free(serve);
}
