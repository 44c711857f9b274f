/* The HTTP client of the backends' protocols (src/backends/http.c), against a real server in this process. */
#include "config.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/http.h"
#include "base/clock.h"
#include "base/fs.h"
#include "run_fake.h"

static struct MHD_Daemon *server;
static char url[64];
static struct endpoint endpoint;
static struct fnr_buf seen, body;       /* headers and body of the last request */
static unsigned connections, quits;

/* ---- the server ---- */

static enum MHD_Result keep_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	fnr_buf_printf(&seen, "%s: %s\n", name, value);
	return MHD_YES;
}

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, const char *type, const char *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
	MHD_add_response_header(response, "Content-Type", type);
	if (status == 302)
		MHD_add_response_header(response, "Location", "/json");
	if (status == 503)
		MHD_add_response_header(response, "Retry-After", "7");
	enum MHD_Result result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static ssize_t never(void *context, uint64_t at, char *out, size_t most)
{
	usleep(20000);
	return 0;
}

static ssize_t pieces(void *context, uint64_t at, char *out, size_t most)
{
	usleep(5000);
	return at >= 30 ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t)snprintf(out, most, "data: %02llu\n\n", (unsigned long long)at / 10);
}

static enum MHD_Result reply_slowly(struct MHD_Connection *connection, MHD_ContentReaderCallback reader, uint64_t size)
{
	struct MHD_Response *response = MHD_create_response_from_callback(size, 4096, reader, NULL, NULL);
	enum MHD_Result result = MHD_queue_response(connection, 200, response);
	MHD_destroy_response(response);
	return result;
}

static const struct { const char *path; unsigned status; const char *type, *text; } pages[] = {
	{ "/json", 200, "application/json; charset=utf-8", "{\"a\": [1, NaN, 18446744073709551615], \"b\": \"x\", \"b\": \"y\"}" },
	{ "/unlabelled", 200, "text/plain", " [true]" },
	{ "/text", 200, "text/plain", "plain" },
	{ "/empty", 200, "text/plain", "" },
	{ "/moved", 302, "text/html", "elsewhere" },
	{ "/forbidden", 403, "text/plain", "" },
	{ "/refused", 400, "application/json", "{\"error\": {\"type\": \"no_prompt\"}}" },
	{ "/large", 413, "text/plain", "413: Request Entity Too Large" },
	{ "/proxy", 502, "text/html", "<html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>" },
	{ "/busy", 503, "text/plain", "later" },
	{ "/broken", 500, "text/plain", "500 Internal Server Error\n\nServer got itself in trouble" },
};

static enum MHD_Result answer_alone(void *context, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
                                    const char *data, size_t *size, void **state)
{
	static int known;
	if (*state == NULL) {
		*state = &known;
		fnr_buf_reset(&seen);
		fnr_buf_reset(&body);
		fnr_buf_puts(&body, "");
		fnr_buf_printf(&seen, "%s %s\n", method, path);
		MHD_get_connection_values(connection, MHD_HEADER_KIND, keep_header, NULL);
		return MHD_YES;
	}
	if (*size > 0) {
		fnr_buf_add(&body, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (strncmp(path, "/base", 5) == 0)
		path += 5;
	if (strcmp(path, "/quit") == 0) {
		quits++;
		return MHD_NO;                  /* ends the connection */
	}
	if (strcmp(path, "/never") == 0)
		return reply_slowly(connection, never, MHD_SIZE_UNKNOWN);
	if (strcmp(path, "/pieces") == 0)
		return reply_slowly(connection, pieces, MHD_SIZE_UNKNOWN);
	if (strcmp(path, "/cut") == 0)
		return reply_slowly(connection, pieces, 1000);
	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
		if (strcmp(path, pages[i].path) == 0)
			return reply(connection, pages[i].status, pages[i].type, pages[i].text);
	return reply(connection, 404, "application/json", "{}");
}

/* Each connection has a thread, and what was seen is of all of them. */
static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
                              const char *data, size_t *size, void **state)
{
	static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&one_at_a_time);
	enum MHD_Result result = answer_alone(context, connection, path, method, version, data, size, state);
	pthread_mutex_unlock(&one_at_a_time);
	return result;
}

static void connected(void *context, struct MHD_Connection *connection, void **state, enum MHD_ConnectionNotificationCode code)
{
	connections += code == MHD_CONNECTION_NOTIFY_STARTED;
}

/* ---- a server that answers one request with bytes as they are ---- */

static int raw_listener;
static pthread_t raw_thread;

static void *answer_raw(void *bytes)
{
	char asked[4096] = "";
	size_t len = 0;
	int peer = accept(raw_listener, NULL, NULL);
	while (len < sizeof asked - 1 && strstr(asked, "\r\n\r\n") == NULL) {
		ssize_t got = read(peer, asked + len, sizeof asked - 1 - len);
		if (got <= 0)
			break;
		asked[len += (size_t)got] = '\0';
	}
	fnr_write_all(peer, bytes, strlen(bytes));
	close(peer);
	return NULL;
}

static void start_raw(const char *bytes)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	raw_listener = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(raw_listener, (struct sockaddr *)&address, len), 0);
	cr_assert_eq(listen(raw_listener, 1), 0);
	cr_assert_eq(getsockname(raw_listener, (struct sockaddr *)&address, &len), 0);
	snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(address.sin_port));
	cr_assert_eq(pthread_create(&raw_thread, NULL, answer_raw, (void *)bytes), 0);
}

static void end_raw(void)
{
	pthread_join(raw_thread, NULL);
	close(raw_listener);
}

static void set_up(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	server = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, answer, NULL, MHD_OPTION_SOCK_ADDR,
	                          (struct sockaddr *)&address, MHD_OPTION_NOTIFY_CONNECTION, connected, NULL, MHD_OPTION_END);
	cr_assert_not_null(server);
	snprintf(url, sizeof url, "http://127.0.0.1:%u", MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT)->port);
	endpoint = (struct endpoint){ .id = "a", .url = url };
}

static void tear_down(void)
{
	MHD_stop_daemon(server);
}

TestSuite(http_client, .init = set_up, .fini = tear_down, .timeout = 600);

static enum http_result ask(const char *path, struct http_answer *got)
{
	struct http_request request = { .path = path };
	return http_ask(http_to(&endpoint, 0), NULL, &request, got);
}

/* ---- answers ---- */

Test(http_client, json_as_python_writes_it)
{
	struct http_answer got = HTTP_ANSWER_INIT;
	cr_assert_eq(ask("/json", &got), HTTP_DONE, "%s", got.detail);
	cr_assert_eq(got.status, 200);
	cr_assert_str_eq(got.media_type, "application/json");
	cr_assert_str_eq(fnr_json_text(fnr_json_get(got.json, "a"), NULL), "[1,null,18446744073709551615]");
	cr_assert_str_eq(fnr_json_get_text(got.json, "b", ""), "y");
	cr_assert_str_eq(got.detail, "");
	http_answer_clear(&got);
	cr_assert_eq(ask("/unlabelled", &got), HTTP_DONE);
	cr_assert(json_object_is_type(got.json, json_type_array));
	http_answer_clear(&got);
	cr_assert_eq(ask("/text", &got), HTTP_DONE);
	cr_assert_null(got.json);
	cr_assert_str_eq(got.body.data, "plain");
	http_answer_clear(&got);
	cr_assert_eq(ask("/empty", &got), HTTP_DONE);
	cr_assert_eq(got.body.len, 0);
	http_answer_clear(&got);
}

Test(http_client, every_status_becomes_an_error_of_ours)
{
	static const struct { const char *path; enum fnr_class class_; const char *code; bool down; const char *detail; } rows[] = {
		{ "/moved", FNR_CLASS_PERMANENT, "backend_moved", true, "status 302" },
		{ "/forbidden", FNR_CLASS_TRANSIENT, "backend_credentials", true, "status 403" },
		{ "/nothing", FNR_CLASS_PERMANENT, "backend_unknown_request", false, "GET /nothing: status 404" },
		{ "/refused?key=secret", FNR_CLASS_PERMANENT, "backend_refused", false, "no_prompt" },
		{ "/large", FNR_CLASS_VALIDATION, "backend_input_too_large", false, "413: Request Entity" },
		{ "/proxy", FNR_CLASS_TRANSIENT, "backend_unavailable", true, "502 Bad Gateway" },
		{ "/busy", FNR_CLASS_TRANSIENT, "backend_unavailable", true, "later" },
		{ "/broken", FNR_CLASS_UNKNOWN, "backend_error", false, "Server got itself in trouble" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct http_answer got = HTTP_ANSWER_INIT;
		struct run_error error = { 0 };
		cr_assert_eq(ask(rows[i].path, &got), HTTP_STATUS, "%s", rows[i].path);
		cr_assert_eq(http_failed(&got, &error), RUN_FAILED);
		cr_assert_eq(error.class_, rows[i].class_, "%s", rows[i].path);
		cr_assert_str_eq(error.code, rows[i].code);
		cr_assert_eq(error.backend_down, rows[i].down, "%s", rows[i].path);
		cr_assert_not_null(strstr(error.detail, rows[i].detail), "%s", error.detail);
		cr_assert_null(strstr(error.detail, "secret"));
		cr_assert_null(strchr(error.detail, '<'), "%s", error.detail);
		cr_assert_float_eq(error.retry_after_s, strcmp(rows[i].path, "/busy") == 0 ? 7 : 0, 0.1);
		http_answer_clear(&got);
	}
}

Test(http_client, nobody_there_is_backend_down)
{
	struct http_answer got = HTTP_ANSWER_INIT;
	struct run_error error = { 0 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);       /* taken, but nobody listens */
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(address.sin_port));
	cr_assert_eq(ask("/json", &got), HTTP_UNREACHABLE);
	cr_assert_eq(http_failed(&got, &error), RUN_FAILED);
	cr_assert_str_eq(error.code, "backend_unreachable");
	cr_assert(error.backend_down);
	cr_assert_eq(error.class_, FNR_CLASS_TRANSIENT);
	http_answer_clear(&got);
	close(fd);
}

Test(http_client, times_and_sizes_are_limited)
{
	struct http_answer got = HTTP_ANSWER_INIT;
	struct http *http = http_to(&endpoint, 0);
	struct http_request request = { .path = "/never", .timeout_ms = 300 };
	cr_assert_eq(http_ask(http, NULL, &request, &got), HTTP_TIMEOUT, "%s", got.detail);
	http_answer_clear(&got);
	request = (struct http_request){ .path = "/never", .timeout_ms = -1, .stall_ms = 300 };
	cr_assert_eq(http_ask(http, NULL, &request, &got), HTTP_TIMEOUT, "%s", got.detail);
	cr_assert_not_null(strstr(got.detail, "nothing moved"), "%s", got.detail);
	http_answer_clear(&got);
	request = (struct http_request){ .path = "/json", .limit = 10 };
	cr_assert_eq(http_ask(http, NULL, &request, &got), HTTP_TOO_LARGE);
	http_answer_clear(&got);
	request = (struct http_request){ .path = "/cut" };
	cr_assert_eq(http_ask(http, NULL, &request, &got), HTTP_BROKEN, "%s", got.detail);
	http_answer_clear(&got);
}

/* What was asked for may have been done, however odd the answer is: only who could not be asked is unreachable. */
Test(http_client, what_was_asked_is_not_unreachable)
{
	struct http_answer got = HTTP_ANSWER_INIT;
	struct http_request request = { .path = "/never", .timeout_ms = 300 };
	cr_assert_eq(ask("/json", &got), HTTP_DONE);
	http_answer_clear(&got);
	cr_assert_eq(http_ask(http_to(&endpoint, 0), NULL, &request, &got), HTTP_TIMEOUT, "on a connection that was kept: %s", got.detail);
	http_answer_clear(&got);
	static const char *const answers[] = {
		"\x01garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}", 
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: odd\r\n\r\n{}", "HTTP/7.5 200 OK\r\n\r\n", "",
	};
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		start_raw(answers[i]);
		cr_assert_eq(ask("/x", &got), HTTP_BROKEN, "%s: %d %s", answers[i], (int)got.result, got.detail);
		cr_assert_neq(got.detail[0], '\0');
		http_answer_clear(&got);
		end_raw();
	}
}

Test(http_client, a_run_that_stops_stops_the_request)
{
	struct http_answer got = HTTP_ANSWER_INIT;
	struct run_error error = { 0 };
	struct run *run = run_fake_start();
	struct http_request request = { .path = "/never" };
	run_fake.stop_after = 2;
	cr_assert_eq(http_ask(http_to(&endpoint, 0), run, &request, &got), HTTP_STOPPED);
	cr_assert_eq(http_failed(&got, &error), RUN_CANCELLED);
	http_answer_clear(&got);
	request = (struct http_request){ .path = "/json", .regardless = true };
	cr_assert_eq(http_ask(http_to(&endpoint, 0), run, &request, &got), HTTP_DONE);
	http_answer_clear(&got);
}

Test(http_client, a_run_is_looked_at_often)
{
	struct http_answer got = HTTP_ANSWER_INIT;
	struct run *run = run_fake_start();
	struct http_request request = { .path = "/never", .timeout_ms = 6000 };
	cr_assert_eq(http_ask(http_to(&endpoint, 0), run, &request, &got), HTTP_TIMEOUT);
	cr_assert_geq(run_fake.stops, 4);
	http_answer_clear(&got);
}

/* ---- requests ---- */

Test(http_client, credentials_go_along_and_nothing_else_does)
{
	struct http_answer got = HTTP_ANSWER_INIT;
	static const char text[] =
		"{\"token\":\"t0k\",\"username\":\"u\",\"password\":\"p\",\"headers\":{\"X-Key\":\"k\",\"X-Bad\":\"a\\r\\nEvil: 1\",\"Bad Name\":\"x\"}}";
	struct json_object *credentials = fnr_json_parse(text, sizeof text - 1, NULL);
	cr_assert_not_null(credentials);
	setenv("http_proxy", "http://127.0.0.1:1/", 1);
	endpoint.credentials = credentials;
	cr_assert_eq(ask("/json", &got), HTTP_DONE, "%s", got.detail);
	cr_assert_not_null(strstr(seen.data, "Authorization: Bearer t0k\n"), "%s", seen.data);
	cr_assert_not_null(strstr(seen.data, "X-Key: k\n"));
	cr_assert_null(strstr(seen.data, "Evil"));
	cr_assert_null(strstr(seen.data, "Bad"));
	cr_assert_null(strstr(seen.data, "Origin"));
	cr_assert_null(strstr(seen.data, "Accept-Encoding"));
	http_answer_clear(&got);

	json_object_object_del(credentials, "token");
	struct http_request request = { .path = "/json" };
	cr_assert_eq(http_ask(http_to(&endpoint, HTTP_BASIC), NULL, &request, &got), HTTP_DONE);
	cr_assert_not_null(strstr(seen.data, "Authorization: Basic dTpw\n"), "%s", seen.data);
	http_answer_clear(&got);
	struct fnr_buf lines = FNR_BUF_INIT;
	http_add_headers(&endpoint, HTTP_BASIC, &lines);
	cr_assert_str_eq(lines.data, "X-Key: k\r\nAuthorization: Basic dTpw\r\n");
	fnr_buf_free(&lines);
	json_object_put(credentials);
}

Test(http_client, bodies)
{
	struct http_answer got = HTTP_ANSWER_INIT;
	struct http *http = http_to(&endpoint, 0);
	struct json_object *json = fnr_json_parse("{\"prompt\":{}}", 13, NULL);
	struct http_request request = { .path = "/text", .json = json };
	cr_assert_eq(http_ask(http, NULL, &request, &got), HTTP_DONE);
	cr_assert_not_null(strstr(seen.data, "POST /text\n"));
	cr_assert_not_null(strstr(seen.data, "Content-Type: application/json\n"));
	cr_assert_null(strstr(seen.data, "Expect"));
	cr_assert_str_eq(body.data, "{\"prompt\":{}}");
	http_answer_clear(&got);
	json_object_put(json);

	char path[] = "/tmp/http-client-XXXXXX";
	int fd = mkstemp(path);
	cr_assert(fnr_write_all(fd, "picture", 7));
	close(fd);
	struct http_part parts[] = {
		{ .name = "image", .path = path, .file_name = "a b.png", .media_type = "image/png" }, { .name = "overwrite", .text = "true" },
	};
	request = (struct http_request){ .path = "/text", .parts = parts, .part_count = 2 };
	cr_assert_eq(http_ask(http, NULL, &request, &got), HTTP_DONE);
	cr_assert_not_null(strstr(body.data, "name=\"image\"; filename=\"a b.png\"\r\nContent-Type: image/png\r\n\r\npicture\r\n"), "%s", body.data);
	cr_assert_not_null(strstr(body.data, "name=\"overwrite\"\r\n\r\ntrue\r\n"));
	http_answer_clear(&got);
	unlink(path);
	cr_assert_eq(http_ask(http, NULL, &request, &got), HTTP_FILE);
	http_answer_clear(&got);

	request = (struct http_request){ .path = "/text", .method = "DELETE" };
	cr_assert_eq(http_ask(http, NULL, &request, &got), HTTP_DONE);
	cr_assert_eq(strncmp(seen.data, "DELETE ", 7), 0);
	http_answer_clear(&got);
}

Test(http_client, addresses)
{
	struct http_answer got = HTTP_ANSWER_INIT;
	struct run_error error = { 0 };
	char base[96], whole[96];
	snprintf(base, sizeof base, "%s/base/", url);
	snprintf(whole, sizeof whole, "%s/text", url);
	endpoint.url = base;
	cr_assert_eq(ask("/text", &got), HTTP_DONE);
	cr_assert_not_null(strstr(seen.data, "GET /base/text\n"), "%s", seen.data);
	http_answer_clear(&got);
	cr_assert_eq(ask(whole, &got), HTTP_DONE);
	http_answer_clear(&got);
	cr_assert_eq(ask("http://127.0.0.1:1/text", &got), HTTP_FOREIGN);
	cr_assert_eq(http_failed(&got, &error), RUN_FAILED);
	cr_assert_str_eq(error.code, "backend_foreign_address");
	http_answer_clear(&got);
	cr_assert_eq(ask("file:///etc/passwd", &got), HTTP_FOREIGN);
	http_answer_clear(&got);
	struct fnr_buf out = FNR_BUF_INIT;
	cr_assert_str_eq(http_encode(&out, "a b/c&d=ü"), "a%20b%2Fc%26d%3D%C3%BC");
	fnr_buf_free(&out);
}

Test(http_client, connections_are_used_again)
{
	for (int i = 0; i < 5; i++) {
		struct http_answer got = HTTP_ANSWER_INIT;
		cr_assert_eq(ask("/json", &got), HTTP_DONE);
		http_answer_clear(&got);
	}
	cr_assert_eq(connections, 1);
}

Test(http_client, what_is_sent_once_is_not_repeated_on_a_connection_that_ends)
{
	static const struct { bool once, kept; unsigned connections, quits; } rows[] = {
		{ false, false, 0, 2 },         /* libcurl takes the kept one, which ends, and tries a new one */
		{ true, false, 1, 1 },
		{ true, true, 0, 1 },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct http_answer got = HTTP_ANSWER_INIT;
		struct http_request request = { .path = "/text", .form = "a=b", .once = rows[i].once, .kept = rows[i].kept };
		cr_assert_eq(ask("/json", &got), HTTP_DONE);
		http_answer_clear(&got);
		connections = quits = 0;
		cr_assert_eq(http_ask(http_to(&endpoint, 0), NULL, &request, &got), HTTP_DONE);
		cr_assert_eq(connections, rows[i].connections, "%zu: %u", i, connections);
		http_answer_clear(&got);
		request.path = "/quit";
		cr_assert_eq(http_ask(http_to(&endpoint, 0), NULL, &request, &got), HTTP_BROKEN, "%zu: %s", i, got.detail);
		cr_assert_eq(quits, rows[i].quits, "%zu: %u", i, quits);
		cr_assert_eq(got.unanswered, rows[i].kept);
		cr_assert_neq(got.detail[0], '\0');
		http_answer_clear(&got);
	}
}

Test(http_client, downloads)
{
	struct http_answer got = HTTP_ANSWER_INIT;
	struct http *http = http_to(&endpoint, 0);
	char folder[] = "/tmp/http-client-XXXXXX";
	cr_assert_not_null(mkdtemp(folder));
	int dir = open(folder, O_RDONLY | O_DIRECTORY);
	struct http_request request = { .path = "/text" };
	cr_assert_eq(http_download(http, NULL, &request, dir, "a", &got), HTTP_DONE, "%s", got.detail);
	cr_assert_eq(got.bytes, 5);
	cr_assert_eq(faccessat(dir, "a", R_OK, 0), 0);
	http_answer_clear(&got);
	cr_assert_eq(http_download(http, NULL, &request, dir, "a", &got), HTTP_FILE);
	http_answer_clear(&got);
	cr_assert_eq(http_download(http, NULL, &request, dir, "../b", &got), HTTP_FILE);
	http_answer_clear(&got);
	static const struct { const char *path; size_t limit; enum http_result result; } bad[] = {
		{ "/nothing", 0, HTTP_STATUS }, { "/text", 3, HTTP_TOO_LARGE }, { "/cut", 0, HTTP_BROKEN },
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		request = (struct http_request){ .path = bad[i].path, .limit = bad[i].limit };
		cr_assert_eq(http_download(http, NULL, &request, dir, "c", &got), bad[i].result, "%s", bad[i].path);
		cr_assert_neq(faccessat(dir, "c", F_OK, 0), 0);
		http_answer_clear(&got);
	}
	close(dir);
	cr_assert_eq(fnr_tree_remove(folder, NULL), FNR_OK);
}

/* ---- streams ---- */

static bool keep(const char *data, size_t len, void *context)
{
	fnr_buf_add(context, data, len);
	return true;
}

static bool enough(const char *data, size_t len, void *context)
{
	return false;
}

Test(http_client, a_stream_moves_while_others_are_asked)
{
	struct http *http = http_to(&endpoint, 0);
	struct http_answer over = HTTP_ANSWER_INIT, got = HTTP_ANSWER_INIT;
	struct fnr_buf data = FNR_BUF_INIT;
	struct http_stream *stream = http_stream_open(http, &(struct http_request){ .path = "/pieces" }, keep, &data, &over);
	struct http_stream *other = http_stream_open(http, &(struct http_request){ .path = "/never" }, keep, NULL, &got);
	while (!http_stream_over(stream)) {
		struct http_answer between = HTTP_ANSWER_INIT;
		cr_assert_eq(ask("/json", &between), HTTP_DONE);
		http_answer_clear(&between);
		cr_assert(http_wait(http, NULL, 10));
	}
	cr_assert_eq(over.result, HTTP_DONE, "%s", over.detail);
	cr_assert_str_eq(data.data, "data: 00\n\ndata: 01\n\ndata: 02\n\n");
	cr_assert_not(http_stream_over(other));
	http_stream_close(stream);
	http_stream_close(other);
	http_answer_clear(&over);

	stream = http_stream_open(http, &(struct http_request){ .path = "/pieces" }, enough, NULL, &over);
	while (!http_stream_over(stream))
		http_wait(http, NULL, 100);
	cr_assert_eq(over.result, HTTP_ENOUGH);
	http_stream_close(stream);
	http_answer_clear(&over);
	fnr_buf_free(&data);
}

static void drain(void *context)
{
	char byte;
	while (read(*(int *)context, &byte, 1) > 0)
		*(int *)context = -1;
}

Test(http_client, something_beside_is_read_meanwhile)
{
	struct http *http = http_to(&endpoint, 0);
	struct http_answer got = HTTP_ANSWER_INIT;
	int ends[2], fd;
	cr_assert_eq(pipe(ends), 0);
	fd = ends[0];
	fcntl(fd, F_SETFL, O_NONBLOCK);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	http_beside(http, ends[0], drain, &fd);
	cr_assert_eq(http_ask(http, NULL, &(struct http_request){ .path = "/never", .timeout_ms = 300 }, &got), HTTP_TIMEOUT);
	http_beside(http, -1, NULL, NULL);
	cr_assert_eq(fd, -1);
	http_answer_clear(&got);
}
