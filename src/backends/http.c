#include "config.h"

#include "backends/http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "backends/trust.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "files/path.h"

#define CLIENTS 8
#define TURN_MS 250
#define CONNECT_MS 10000L
#define KEPT_S 5L                    /* so long ago was a connection used that a request with `kept` may take */
#define TIMEOUT_MS 30000
#define STALL_MS 60000
#define ANSWER_MOST (16u << 20)
#define ERROR_MOST (64u << 10)      /* of a body that explains a failure */

struct http {
	CURLM *multi;
	CURLSH *shared;                 /* cookies, TLS sessions */
	char *url, *ca_file, *key;      /* ca_file: or NULL; key: all that makes it another client */
	struct fnr_buf headers;         /* lines, each with its end */
	char *basic;                    /* "user:password", or NULL */
	int beside;                     /* -1: nothing */
	void (*ready)(void *context);
	void *context;
	uint64_t pieces;                /* that came */
	int64_t used;
};

/* One request on its way. */
struct http_stream {
	struct http *http;
	CURL *curl;
	struct curl_slist *headers;
	curl_mime *mime;
	char *body;
	struct http_answer *answer;
	http_take *take;
	void *context;
	int fd;                         /* of the file that is downloaded, or -1 */
	uint64_t limit;
	int64_t stall_ms, moved_at;     /* stall_ms 0: unlimited */
	curl_off_t moved;
	bool over, too_large, disk, enough, stalled;
	bool sent, again;               /* of a request that is sent once: libcurl began to send it; it would have done so again */
	char text[CURL_ERROR_SIZE];
};

/* ---- clients ---- */

static struct http *clients[CLIENTS];

static void add_header(struct fnr_buf *out, const char *name, const char *value)
{
	size_t i;
	for (i = 0; value[i] != '\0' && (unsigned char)value[i] >= ' ' && value[i] != 0x7f; i++)
		;
	if (value[i] == '\0' && name[0] != '\0' && name[strcspn(name, ": \r\n\t")] == '\0') /* nothing else gets into a header */
		fnr_buf_printf(out, "%s: %s\r\n", name, value);
}

static char *basic_of(const struct endpoint *endpoint, int flags)
{
	const char *user = fnr_json_get_text(endpoint->credentials, "username", NULL);
	if ((flags & HTTP_BASIC) == 0 || user == NULL)
		return NULL;
	return fnr_asprintf("%s:%s", user, fnr_json_get_text(endpoint->credentials, "password", ""));
}

static void add_credentials(const struct endpoint *endpoint, struct fnr_buf *out)
{
	struct json_object *headers = fnr_json_get(endpoint->credentials, "headers");
	const char *token = fnr_json_get_text(endpoint->credentials, "token", NULL);
	if (token != NULL) {
		char *value = fnr_asprintf("Bearer %s", token);
		add_header(out, "Authorization", value);
		free(value);
	}
	if (!json_object_is_type(headers, json_type_object))
		return;
	json_object_object_foreach(headers, name, value) {
		if (json_object_is_type(value, json_type_string))
			add_header(out, name, json_object_get_string(value));
	}
}

void http_add_headers(const struct endpoint *endpoint, int flags, struct fnr_buf *out)
{
	char *basic = basic_of(endpoint, flags);
	add_credentials(endpoint, out);
	if (basic != NULL) {
		size_t len = strlen(basic);
		char *coded = fnr_alloc(len / 3 * 4 + 8);
		EVP_EncodeBlock((unsigned char *)coded, (const unsigned char *)basic, (int)len);
		fnr_buf_printf(out, "Authorization: Basic %s\r\n", coded);
		free(coded);
	}
	free(basic);
}

static void client_free(struct http *http)
{
	curl_multi_cleanup(http->multi);
	curl_share_cleanup(http->shared);
	fnr_buf_free(&http->headers);
	free(http->url);
	free(http->ca_file);
	free(http->key);
	free(http->basic);
	free(http);
}

/* New connections take up TLS sessions of older ones. */
static void shared_make(struct http *http)
{
	http->shared = curl_share_init();
	if (http->shared == NULL)
		return;
	curl_share_setopt(http->shared, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
	curl_share_setopt(http->shared, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
}

static struct http *client_make(const struct endpoint *endpoint, int flags, const char *key)
{
	static bool ready;
	struct http *http = fnr_alloc(sizeof *http);
	if (!ready)
		ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
	http->multi = curl_multi_init();
	shared_make(http);
	http->url = fnr_strdup(endpoint->url);
	http->ca_file = endpoint->ca_file != NULL ? fnr_strdup(endpoint->ca_file) : NULL;
	http->key = fnr_strdup(key);
	http->basic = basic_of(endpoint, flags);
	http->beside = -1;
	add_credentials(endpoint, &http->headers);
	if (http->multi != NULL && http->shared != NULL)
		return http;
	client_free(http);
	return NULL;
}

void http_key(const struct endpoint *endpoint, int flags, struct fnr_buf *out)
{
	char version[48];
	trust_version(endpoint->ca_file, version);
	fnr_buf_printf(out, "%d %s %s %s %s", flags, endpoint->url, fnr_json_text(endpoint->credentials, NULL),
	               endpoint->ca_file != NULL ? endpoint->ca_file : "", version);
}

struct http *http_to(const struct endpoint *endpoint, int flags)
{
	struct fnr_buf key = FNR_BUF_INIT;
	struct http **place = &clients[0];
	http_key(endpoint, flags, &key);
	for (size_t i = 0; i < CLIENTS; i++) {
		if (clients[i] != NULL && strcmp(clients[i]->key, key.data) == 0) {
			place = &clients[i];
			break;
		}
		if (clients[i] == NULL || (*place != NULL && clients[i]->used < (*place)->used))
			place = &clients[i];
	}
	if (*place != NULL && strcmp((*place)->key, key.data) != 0) {
		client_free(*place);
		*place = NULL;
	}
	if (*place == NULL)
		*place = client_make(endpoint, flags, key.data);
	fnr_buf_free(&key);
	if (*place != NULL)
		(*place)->used = fnr_mono_ns();
	return *place;
}

void http_beside(struct http *http, int fd, void (*ready)(void *context), void *context)
{
	http->beside = ready != NULL ? fd : -1;
	http->ready = ready;
	http->context = context;
}

/* ---- what comes ---- */

static size_t took(char *data, size_t size, size_t count, void *context)
{
	struct http_stream *stream = context;
	struct http_answer *answer = stream->answer;
	size_t len = size * count;
	long status = 0;

	curl_easy_getinfo(stream->curl, CURLINFO_RESPONSE_CODE, &status);
	bool good = status >= 200 && status < 300;
	stream->http->pieces++;
	if (good && stream->take != NULL) {
		answer->bytes += len;
		stream->enough = !stream->take(data, len, stream->context);
		return stream->enough ? 0 : len;
	}
	if (!good) { /* an explanation: of a long one the beginning */
		size_t room = answer->body.len < ERROR_MOST ? ERROR_MOST - answer->body.len : 0;
		fnr_buf_add(&answer->body, data, len < room ? len : room);
		return len;
	}
	answer->bytes += len;
	stream->too_large = answer->bytes > stream->limit;
	if (stream->too_large)
		return 0;
	if (stream->fd < 0)
		fnr_buf_add(&answer->body, data, len);
	else
		stream->disk = !fnr_write_all(stream->fd, data, len);
	return stream->disk ? 0 : len;
}

/* Keeps the clock of what does not move. */
static int moves(void *context, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
	struct http_stream *stream = context;
	int64_t now = fnr_mono_ms();
	if (down + up != stream->moved) {
		stream->moved = down + up;
		stream->moved_at = now;
	}
	stream->stalled = stream->stall_ms > 0 && now - stream->moved_at > stream->stall_ms;
	return stream->stalled ? 1 : 0;
}

/* Did it come so far that something was sent? Whatever went wrong then, the server may have done what it was asked for. */
static bool was_asked(const struct http_stream *stream)
{
	curl_off_t ready = 0;
	curl_easy_getinfo(stream->curl, CURLINFO_PRETRANSFER_TIME_T, &ready);
	return ready > 0;
}

/* libcurl is about to send the request. */
static int sends(void *context, char *to, char *from, int to_port, int from_port)
{
	struct http_stream *stream = context;
	stream->again = stream->sent;
	stream->sent = true;
	return stream->again ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* libcurl's codes as ours; the one converter. */
static enum http_result result_of(const struct http_stream *stream, CURLcode code)
{
	if (stream->enough)
		return HTTP_ENOUGH;
	if (stream->too_large)
		return HTTP_TOO_LARGE;
	if (stream->disk)
		return HTTP_FILE;
	if (stream->stalled)
		return HTTP_TIMEOUT;
	if (trust_broken(stream->curl, code, stream->answer))
		return HTTP_DISTRUSTED;
	if (stream->again)
		return HTTP_BROKEN;
	switch (code) {
	case CURLE_OK:
		return stream->answer->status >= 200 && stream->answer->status < 300 ? HTTP_DONE : HTTP_STATUS;
	case CURLE_FILESIZE_EXCEEDED:
		return HTTP_TOO_LARGE;
	case CURLE_READ_ERROR:
		return HTTP_FILE;
	case CURLE_OPERATION_TIMEDOUT:
		return was_asked(stream) ? HTTP_TIMEOUT : HTTP_UNREACHABLE;
	default:
		return was_asked(stream) ? HTTP_BROKEN : HTTP_UNREACHABLE;
	}
}

/* The type without parameters, in lower case. */
static void media_type_take(struct http_answer *answer, const char *type)
{
	fnr_text_copy(answer->media_type, sizeof answer->media_type, type);
	answer->media_type[strcspn(answer->media_type, "; \t")] = '\0';
	for (char *at = answer->media_type; *at != '\0'; at++)
		*at = (char)tolower((unsigned char)*at);
}

/* The beginning of what a server says, for the detail; of a page, its text. */
static void excerpt(const struct fnr_buf *body, char *out, size_t size)
{
	size_t at = 0;
	bool tag = false;
	for (size_t i = 0; i < body->len && at + 1 < size; i++) {
		char c = body->data[i] != '\0' && !isspace((unsigned char)body->data[i]) ? body->data[i] : ' ';
		tag = tag || (c == '<' && body->data[0] == '<');
		if (!tag && !(c == ' ' && (at == 0 || out[at - 1] == ' ')))
			out[at++] = c;
		tag = tag && c != '>';
	}
	out[at] = '\0';
	fnr_text_clean(out);
}

static void say(struct http_stream *stream, CURLcode code)
{
	struct http_answer *answer = stream->answer;
	char text[160] = "";
	if (answer->result == HTTP_DONE || answer->result == HTTP_ENOUGH)
		return;
	excerpt(&answer->body, text, sizeof text);
	if (answer->result == HTTP_STATUS)
		snprintf(answer->detail, sizeof answer->detail, "%s: status %ld%s%s", answer->asked, answer->status, text[0] != '\0' ? ": " : "", text);
	else if (stream->stalled)
		snprintf(answer->detail, sizeof answer->detail, "%s: nothing moved for %lld ms", answer->asked, (long long)stream->stall_ms);
	else if (stream->again)
		snprintf(answer->detail, sizeof answer->detail, "%s: the server ended the connection", answer->asked);
	else
		snprintf(answer->detail, sizeof answer->detail, "%s: %.140s", answer->asked,
		         stream->text[0] != '\0' ? stream->text : curl_easy_strerror(code));
}

static bool may_be_json(const struct http_answer *answer)
{
	size_t start = 0;
	while (start < answer->body.len && isspace((unsigned char)answer->body.data[start]))
		start++;
	return start < answer->body.len && answer->body.data[start] != '<' &&
	       (strstr(answer->media_type, "json") != NULL || strchr("{[", answer->body.data[start]) != NULL);
}

static void ended(struct http_stream *stream, CURLcode code)
{
	struct http_answer *answer = stream->answer;
	curl_off_t after = 0;
	char *type = NULL;

	stream->over = true;
	curl_easy_getinfo(stream->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	if (curl_easy_getinfo(stream->curl, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type != NULL)
		media_type_take(answer, type);
	if (curl_easy_getinfo(stream->curl, CURLINFO_RETRY_AFTER, &after) == CURLE_OK)
		answer->retry_after_s = (double)after;
	answer->result = result_of(stream, code);
	answer->unanswered = stream->again;
	say(stream, code);
	if (may_be_json(answer))
		answer->json = fnr_json_parse_foreign(answer->body.data, answer->body.len, NULL);
}

/* ---- what goes ---- */

static bool part_of_url(CURLU *url, CURLUPart part, char out[256])
{
	char *text = NULL;
	if (curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK)
		return false;
	snprintf(out, 256, "%s", text);
	curl_free(text);
	return true;
}

static bool same_origin(const char *one, const char *other)
{
	static const CURLUPart parts[] = { CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT };
	CURLU *a = curl_url(), *b = curl_url();
	bool same = curl_url_set(a, CURLUPART_URL, one, 0) == CURLUE_OK && curl_url_set(b, CURLUPART_URL, other, 0) == CURLUE_OK;
	for (size_t i = 0; same && i < sizeof parts / sizeof parts[0]; i++) {
		char x[256], y[256];
		same = part_of_url(a, parts[i], x) && part_of_url(b, parts[i], y) && strcasecmp(x, y) == 0;
	}
	curl_url_cleanup(a);
	curl_url_cleanup(b);
	return same;
}

/* To free; NULL: it is another server's. */
static char *address_of(const struct http *http, const char *path)
{
	size_t len = strlen(http->url);
	if (path[0] != '/')
		return same_origin(http->url, path) ? fnr_strdup(path) : NULL;
	while (len > 0 && http->url[len - 1] == '/')
		len--;
	return fnr_asprintf("%.*s%s", (int)len, http->url, path);
}

static void headers_make(struct http_stream *stream, const struct http_request *request)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	const char *line = stream->http->headers.data;
	while (line != NULL && *line != '\0') {
		const char *end = strstr(line, "\r\n");
		char *one = fnr_memdup0(line, (size_t)(end - line));
		list = curl_slist_append(list, one);
		free(one);
		line = end + 2;
	}
	if (request->json != NULL)
		list = curl_slist_append(list, "Content-Type: application/json");
	for (const char *const *more = request->headers; more != NULL && *more != NULL; more++)
		list = curl_slist_append(list, *more);
	stream->headers = list;
	curl_easy_setopt(stream->curl, CURLOPT_HTTPHEADER, list);
}

static bool parts_make(struct http_stream *stream, const struct http_request *request)
{
	stream->mime = curl_mime_init(stream->curl);
	for (size_t i = 0; i < request->part_count; i++) {
		const struct http_part *part = &request->parts[i];
		curl_mimepart *made = curl_mime_addpart(stream->mime);
		curl_mime_name(made, part->name);
		if (part->text != NULL)
			curl_mime_data(made, part->text, CURL_ZERO_TERMINATED);
		else if (curl_mime_filedata(made, part->path) != CURLE_OK)
			return false;
		if (part->file_name != NULL)
			curl_mime_filename(made, part->file_name);
		if (part->media_type != NULL)
			curl_mime_type(made, part->media_type);
	}
	curl_easy_setopt(stream->curl, CURLOPT_MIMEPOST, stream->mime);
	return true;
}

static bool body_make(struct http_stream *stream, const struct http_request *request)
{
	size_t len = 0;
	if (request->part_count > 0)
		return parts_make(stream, request);
	if (request->json != NULL)
		stream->body = fnr_strdup(fnr_json_text(request->json, &len));
	else if (request->form != NULL)
		len = strlen(stream->body = fnr_strdup(request->form));
	if (stream->body != NULL || (request->method != NULL && strcmp(request->method, "POST") == 0)) {
		curl_easy_setopt(stream->curl, CURLOPT_POSTFIELDS, stream->body != NULL ? stream->body : "");
		curl_easy_setopt(stream->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	}
	return true;
}

static void options_set(struct http_stream *stream, const struct http_request *request, const char *address)
{
	CURL *curl = stream->curl;
	struct http *http = stream->http;
	curl_easy_setopt(curl, CURLOPT_URL, address);
	curl_easy_setopt(curl, CURLOPT_PRIVATE, stream);
	curl_easy_setopt(curl, CURLOPT_SHARE, http->shared);
	curl_easy_setopt(curl, CURLOPT_COOKIEFILE, "");
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(curl, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "FunctionRunner/" PACKAGE_VERSION);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, moves);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, stream);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, took);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, stream);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, stream->text);
	trust_set(curl, http->ca_file);
	if (http->basic != NULL) {
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(curl, CURLOPT_USERPWD, http->basic);
	}
	if (request->method != NULL)
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	if (request->once && request->kept) {
		curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, KEPT_S);
		curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, sends);
		curl_easy_setopt(curl, CURLOPT_PREREQDATA, stream);
	} else if (request->once) {
		curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
	}
}

static int64_t limit_of(int64_t wanted, int64_t usual)
{
	return wanted == 0 ? usual : wanted > 0 ? wanted : 0;
}

static void tell_asked(struct http_answer *answer, const struct http_request *request)
{
	bool body = request->json != NULL || request->form != NULL || request->part_count > 0;
	size_t len = strcspn(request->path, "?#");
	snprintf(answer->asked, sizeof answer->asked, "%s %.*s", request->method != NULL ? request->method : body ? "POST" : "GET",
	         (int)(len < 120 ? len : 120), request->path);
}

/* Ends it before it begins. */
static void refuse(struct http_stream *stream, enum http_result result, const char *detail)
{
	stream->over = true;
	stream->answer->result = result;
	snprintf(stream->answer->detail, sizeof stream->answer->detail, "%s: %s", stream->answer->asked, detail);
}

/* Usual times are for a request that somebody waits for; a stream has none. */
static struct http_stream *begin(struct http *http, const struct http_request *request, bool waited_for, struct http_answer *answer)
{
	struct http_stream *stream = fnr_alloc(sizeof *stream);
	char *address = address_of(http, request->path);
	stream->http = http;
	stream->answer = answer;
	stream->fd = -1;
	stream->limit = request->limit > 0 ? request->limit : ANSWER_MOST;
	stream->stall_ms = limit_of(request->stall_ms, waited_for ? STALL_MS : 0);
	stream->moved_at = fnr_mono_ms();
	tell_asked(answer, request);
	if (address == NULL) {
		refuse(stream, HTTP_FOREIGN, "an address of another server");
		return stream;
	}
	stream->curl = curl_easy_init();
	FNR_MUST(stream->curl != NULL);
	options_set(stream, request, address);
	curl_easy_setopt(stream->curl, CURLOPT_TIMEOUT_MS, (long)limit_of(request->timeout_ms, waited_for ? TIMEOUT_MS : 0));
	headers_make(stream, request);
	free(address);
	if (!body_make(stream, request))
		refuse(stream, HTTP_FILE, "a file that is to be sent cannot be read");
	else if (curl_multi_add_handle(http->multi, stream->curl) != CURLM_OK)
		refuse(stream, HTTP_UNREACHABLE, "the transfer cannot be begun");
	return stream;
}

void http_stream_close(struct http_stream *stream)
{
	if (stream == NULL)
		return;
	if (stream->curl != NULL) {
		curl_multi_remove_handle(stream->http->multi, stream->curl);
		curl_easy_cleanup(stream->curl);
	}
	curl_mime_free(stream->mime);
	curl_slist_free_all(stream->headers);
	free(stream->body);
	free(stream);
}

/* ---- waiting ---- */

static bool settle(struct http *http)
{
	CURLMsg *message;
	int left;
	bool any = false;
	while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
		struct http_stream *stream = NULL;
		CURLcode code = message->data.result;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &stream);
		curl_multi_remove_handle(http->multi, message->easy_handle);
		ended(stream, code);
		any = true;
	}
	return any;
}

/* One turn: everything moves; waits, at most timeout_ms, unless something came or ended. False: the run shall stop. */
static bool turn(struct http *http, struct run *run, int timeout_ms)
{
	struct curl_waitfd fds[2];
	unsigned count = 0;
	uint64_t before = http->pieces;
	int running;
	curl_multi_perform(http->multi, &running);
	if (settle(http) || http->pieces != before)
		timeout_ms = 0;
	if (run != NULL)
		fds[count++] = (struct curl_waitfd){ .fd = run_fd(run), .events = CURL_WAIT_POLLIN };
	if (http->beside >= 0)
		fds[count++] = (struct curl_waitfd){ .fd = http->beside, .events = CURL_WAIT_POLLIN };
	if (timeout_ms > TURN_MS)
		timeout_ms = TURN_MS;
	if (run != NULL)
		timeout_ms = run_wait_ms(run, timeout_ms);
	if (timeout_ms > 0) {
		curl_multi_poll(http->multi, fds, count, timeout_ms, NULL);
		curl_multi_perform(http->multi, &running);
		settle(http);
	}
	if (http->beside >= 0)
		http->ready(http->context);
	return run == NULL || !run_stop(run);
}

bool http_wait(struct http *http, struct run *run, int timeout_ms)
{
	return turn(http, run, timeout_ms);
}

/* Waits for the end. A transfer that is stopped is as if it had not been answered. */
static enum http_result finish(struct http_stream *stream, struct run *run, bool regardless)
{
	while (!stream->over) {
		if (!turn(stream->http, run, TURN_MS) && !regardless && !stream->over) {
			refuse(stream, HTTP_STOPPED, "stopped");
			break;
		}
	}
	enum http_result result = stream->answer->result;
	http_stream_close(stream);
	return result;
}

/* ---- requests ---- */

enum http_result http_ask(struct http *http, struct run *run, const struct http_request *request, struct http_answer *answer)
{
	return finish(begin(http, request, true, answer), run, request->regardless);
}

enum http_result http_download(struct http *http, struct run *run, const struct http_request *request, int dir, const char *name,
                               struct http_answer *answer)
{
	int fd = path_open(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (fd < 0) {
		tell_asked(answer, request);
		snprintf(answer->detail, sizeof answer->detail, "cannot make the file %.64s: %.64s", name, strerror(errno));
		return answer->result = HTTP_FILE;
	}
	struct http_stream *stream = begin(http, request, true, answer);
	stream->fd = fd;
	enum http_result result = finish(stream, run, request->regardless);
	close(fd);
	if (result != HTTP_DONE)
		unlinkat(dir, name, 0);
	return result;
}

struct http_stream *http_stream_open(struct http *http, const struct http_request *request, http_take *take, void *context,
                                     struct http_answer *answer)
{
	struct http_stream *stream = begin(http, request, false, answer);
	stream->take = take;
	stream->context = context;
	return stream;
}

bool http_stream_over(const struct http_stream *stream)
{
	return stream->over;
}

void http_answer_clear(struct http_answer *answer)
{
	json_object_put(answer->json);
	fnr_buf_free(&answer->body);
	*answer = (struct http_answer)HTTP_ANSWER_INIT;
}

const char *http_encode(struct fnr_buf *out, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	fnr_buf_reset(out);
	fnr_buf_puts(out, "");
	for (; *text != '\0'; text++) {
		if (strchr(plain, *text) != NULL)
			fnr_buf_add(out, text, 1);
		else
			fnr_buf_printf(out, "%%%02X", (unsigned char)*text);
	}
	return out->data;
}

/* ---- what it means ---- */

/* Rows are looked through from the top; most 0: that status alone. */
static const struct meaning {
	long least, most;
	enum fnr_class class_;
	bool down;
	const char *code, *suggestion, *action, *message;
} meanings[] = {
	{ 300, 399, FNR_CLASS_PERMANENT, true, "backend_moved", "Give the backend the address that its server is really at.", NULL,
	  "The backend's server sends us to another address." },
	{ 401, 0, FNR_CLASS_TRANSIENT, true, "backend_credentials", "Give the backend credentials that its server takes.", NULL,
	  "The backend's server wants other credentials." },
	{ 403, 0, FNR_CLASS_TRANSIENT, true, "backend_credentials", "Give the backend credentials that its server takes.", NULL,
	  "The backend's server does not let us in." },
	{ 404, 405, FNR_CLASS_PERMANENT, false, "backend_unknown_request", "Look whether the backend's address and type are right.", NULL,
	  "The backend's server does not know what it was asked for." },
	{ 408, 0, FNR_CLASS_TRANSIENT, false, "backend_timeout", "It is tried again.", "retry", "The backend's server took too long." },
	{ 413, 0, FNR_CLASS_VALIDATION, false, "backend_input_too_large", "Use a smaller file, or raise the limit of the backend's server.", NULL,
	  "A file is larger than the backend's server takes." },
	{ 429, 0, FNR_CLASS_TRANSIENT, false, "backend_busy", "It is tried again after a while.", "retry", "The backend's server is asked too often." },
	{ 502, 504, FNR_CLASS_TRANSIENT, true, "backend_unavailable", "It is tried again.", "retry", "The backend's server is not available at the moment." },
	{ 400, 499, FNR_CLASS_PERMANENT, false, "backend_refused", NULL, NULL, "The backend's server did not accept the request." },
	{ 0, 999, FNR_CLASS_UNKNOWN, false, "backend_error", "Try again; if it stays so, look at the backend's log.", "retry",
	  "The backend's server made a mistake." },
};

static enum run_result status_failed(const struct http_answer *answer, struct run_error *error)
{
	const struct meaning *row = meanings;
	while (!(answer->status == row->least || (answer->status > row->least && answer->status <= row->most)))
		row++;
	run_fail(error, row->class_, row->code, row->suggestion, row->action, answer->detail, "%s", row->message);
	error->retry_after_s = answer->retry_after_s;
	error->backend_down = row->down;
	return RUN_FAILED;
}

enum run_result http_failed(const struct http_answer *answer, struct run_error *error)
{
	static const char again[] = "It is tried again.";
	switch (answer->result) {
	case HTTP_STOPPED:
		return RUN_CANCELLED;
	case HTTP_STATUS:
		return status_failed(answer, error);
	case HTTP_UNREACHABLE:
		run_fail(error, FNR_CLASS_TRANSIENT, "backend_unreachable", "Look whether the backend's server runs and its address is right.",
		         "retry", answer->detail, "The backend's server cannot be reached.");
		error->backend_down = true;
		return RUN_FAILED;
	case HTTP_DISTRUSTED:
		return trust_failed(answer, error);
	case HTTP_BROKEN:
		return run_fail(error, FNR_CLASS_TRANSIENT, "backend_connection_lost", again, "retry", answer->detail,
		                "The connection to the backend's server broke.");
	case HTTP_TIMEOUT:
		return run_fail(error, FNR_CLASS_TRANSIENT, "backend_timeout", again, "retry", answer->detail,
		                "The backend's server did not answer in time.");
	case HTTP_TOO_LARGE:
		return run_fail(error, FNR_CLASS_RESOURCE, "backend_answer_too_large", "Choose a lower quality, or raise script.file.", "reduce_quality",
		                answer->detail, "What the backend's server sent is larger than allowed.");
	case HTTP_FILE:
		return run_fail(error, FNR_CLASS_RESOURCE, "disk_full", "Look at the disk, then try again.", "free_disk_space", answer->detail,
		                "A file of this job cannot be read or written.");
	case HTTP_FOREIGN:
		return run_fail(error, FNR_CLASS_PERMANENT, "backend_foreign_address", NULL, NULL, answer->detail,
		                "The backend's server named a file of another server.");
	default:
		return run_fail(error, FNR_CLASS_UNKNOWN, "backend_protocol", "Look whether the backend's address and type are right.", NULL,
		                answer->asked, "The backend's server answered something unexpected.");
	}
}
