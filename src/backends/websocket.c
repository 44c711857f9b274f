#include "config.h"

#include "backends/websocket.h"

#include <ctype.h>
#include <curl/curl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wslay/wslay.h>

#include "backends/trust.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/text.h"

#define OPEN_MS 10000
#define CLOSE_MS 2000
#define BODY_MS 2000
#define TURN_MS 250
#define PING_MS 20000
#define PONG_MS 10000
#define HEAD_MOST (64u << 10)
#define READ_SIZE (64u << 10)
#define TURN_BYTES (8u << 20)       /* read in one turn, so that a flood leaves time for everything else */
#define QUEUED_MOST 100             /* answers to pings that wait to be sent; then nothing is read until some are */
#define FRAGMENTS_MOST 65536        /* of one message */
#define MAGIC "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

struct websocket {
	CURLM *multi;
	CURL *curl;                     /* owns the connection; stays in multi as long as it lives */
	int fd;
	wslay_event_context_ptr frames;
	websocket_message *message;
	void *context;
	struct fnr_buf early;           /* bytes behind the head of the answer: frames */
	size_t read;                    /* in this turn */
	size_t fragments;               /* of the message that comes */
	int64_t blocked_since;          /* 0: the other side takes what we send */
	bool more, over, leaving;
	int64_t ping_ms, pong_ms, heard_at, pinged_at;    /* pinged_at 0: no ping is out */
	char reason[160];
};

/* ---- bytes ---- */

static void lost(struct websocket *socket, const char *reason)
{
	if (!socket->over)
		fnr_text_copy(socket->reason, sizeof socket->reason, reason);
	socket->over = true;
}

/* Bytes that came; 0: none at the moment; -1: there will be none. */
static ssize_t receive(struct websocket *socket, void *out, size_t most)
{
	size_t got = 0;
	CURLcode code = curl_easy_recv(socket->curl, out, most, &got);
	if (code == CURLE_AGAIN)
		return 0;
	if (code != CURLE_OK || got == 0) {
		lost(socket, code == CURLE_OK ? "the server ended the connection" : curl_easy_strerror(code));
		return -1;
	}
	socket->heard_at = fnr_mono_ms();
	socket->pinged_at = 0;
	return (ssize_t)got;
}

static ssize_t recv_callback(wslay_event_context_ptr frames, uint8_t *out, size_t most, int flags, void *context)
{
	struct websocket *socket = context;
	ssize_t got;
	if (socket->early.len > 0) {
		got = (ssize_t)(socket->early.len < most ? socket->early.len : most);
		memcpy(out, socket->early.data, (size_t)got);
		fnr_buf_drop(&socket->early, (size_t)got);
		return got;
	}
	socket->more = socket->read >= TURN_BYTES || wslay_event_get_queued_msg_count(frames) > QUEUED_MOST;
	got = socket->over ? -1 : socket->more ? 0 : receive(socket, out, most);
	if (got > 0) {
		socket->read += (size_t)got;
		return got;
	}
	wslay_event_set_error(frames, got == 0 ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static ssize_t send_callback(wslay_event_context_ptr frames, const uint8_t *data, size_t len, int flags, void *context)
{
	struct websocket *socket = context;
	size_t sent = 0;
	CURLcode code = curl_easy_send(socket->curl, data, len, &sent);
	if (code == CURLE_OK && sent > 0)
		return (ssize_t)sent;
	if (code != CURLE_AGAIN && code != CURLE_OK)
		lost(socket, curl_easy_strerror(code));
	wslay_event_set_error(frames, socket->over ? WSLAY_ERR_CALLBACK_FAILURE : WSLAY_ERR_WOULDBLOCK);
	return -1;
}

static int mask_callback(wslay_event_context_ptr frames, uint8_t *out, size_t len, void *context)
{
	fnr_random(out, len);
	return 0;
}

/* Each fragment costs more memory than it has bytes. */
static void fragment_callback(wslay_event_context_ptr frames, const struct wslay_event_on_frame_recv_start_arg *frame, void *context)
{
	struct websocket *socket = context;
	if (frame->opcode > WSLAY_BINARY_FRAME) /* it may come between fragments */
		return;
	socket->fragments = frame->opcode == WSLAY_CONTINUATION_FRAME ? socket->fragments + 1 : 1;
	if (socket->fragments > FRAGMENTS_MOST)
		lost(socket, "a message has too many parts");
}

static void message_callback(wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *message, void *context)
{
	struct websocket *socket = context;
	if (message->opcode == WSLAY_TEXT_FRAME || message->opcode == WSLAY_BINARY_FRAME)
		socket->message(message->opcode == WSLAY_TEXT_FRAME, (const char *)message->msg, message->msg_length, socket->context);
}

/* ---- the opening ---- */

static enum http_result stop_or_late(struct run *run, int64_t deadline)
{
	if (run != NULL && run_stop(run))
		return HTTP_STOPPED;
	return fnr_mono_ms() >= deadline ? HTTP_TIMEOUT : HTTP_DONE;
}

static enum http_result connect_to(struct websocket *socket, struct run *run, const struct endpoint *endpoint, char text[CURL_ERROR_SIZE],
                                   struct http_answer *answer)
{
	int64_t deadline = fnr_mono_ms() + OPEN_MS;
	enum http_result result = HTTP_DONE;
	CURL *curl = socket->curl;
	CURLMsg *message;
	int running = 1, left;
	curl_easy_setopt(curl, CURLOPT_URL, endpoint->url);
	trust_set(curl, endpoint->ca_file);
	curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
	curl_multi_add_handle(socket->multi, curl);
	while (result == HTTP_DONE) {
		curl_multi_perform(socket->multi, &running);
		if (running == 0)
			break;
		struct curl_waitfd fd = { .fd = run != NULL ? run_fd(run) : -1, .events = CURL_WAIT_POLLIN };
		curl_multi_poll(socket->multi, &fd, run != NULL, TURN_MS, NULL);
		result = stop_or_late(run, deadline);
	}
	if (result != HTTP_DONE)
		return result == HTTP_TIMEOUT ? HTTP_UNREACHABLE : result;
	message = curl_multi_info_read(socket->multi, &left);
	curl_socket_t fd = CURL_SOCKET_BAD;
	if (message != NULL && trust_broken(curl, message->data.result, answer))
		return HTTP_DISTRUSTED;
	if (message == NULL || message->data.result != CURLE_OK || curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK ||
	    fd == CURL_SOCKET_BAD)
		return HTTP_UNREACHABLE;
	socket->fd = fd;
	return HTTP_DONE;
}

static void wait_for(struct websocket *socket, struct run *run, short events, int timeout_ms)
{
	struct pollfd fds[] = { { .fd = socket->fd, .events = events }, { .fd = run != NULL ? run_fd(run) : -1, .events = POLLIN } };
	poll(fds, 2, timeout_ms);
}

static bool url_part(CURLU *url, CURLUPart part, unsigned flags, struct fnr_buf *out, const char *before)
{
	char *text = NULL;
	if (curl_url_get(url, part, &text, flags) != CURLUE_OK)
		return false;
	fnr_buf_printf(out, "%s%s", before, text);
	curl_free(text);
	return true;
}

/* "GET /base/ws HTTP/1.1", Host with the port where it is not the usual one, and the rest. */
static bool request_make(const struct websocket_wish *wish, const char *key, struct fnr_buf *out)
{
	CURLU *url = curl_url();
	bool good = curl_url_set(url, CURLUPART_URL, wish->endpoint->url, 0) == CURLUE_OK;
	fnr_buf_puts(out, "GET ");
	good = good && url_part(url, CURLUPART_PATH, 0, out, "");
	if (good && out->data[out->len - 1] == '/')
		out->data[--out->len] = '\0';
	fnr_buf_printf(out, "%s HTTP/1.1\r\n", wish->path);
	good = good && url_part(url, CURLUPART_HOST, 0, out, "Host: ");
	if (good)
		url_part(url, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT, out, ":");
	fnr_buf_printf(out, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
	               "User-Agent: FunctionRunner/" PACKAGE_VERSION "\r\n", key);
	http_add_headers(wish->endpoint, wish->flags, out);
	fnr_buf_puts(out, "\r\n");
	curl_url_cleanup(url);
	return good;
}

static enum http_result request_send(struct websocket *socket, struct run *run, const struct fnr_buf *request, int64_t deadline)
{
	enum http_result result = HTTP_DONE;
	for (size_t at = 0; at < request->len && result == HTTP_DONE;) {
		size_t sent = 0;
		CURLcode code = curl_easy_send(socket->curl, request->data + at, request->len - at, &sent);
		at += sent;
		if (code == CURLE_AGAIN) {
			wait_for(socket, run, POLLOUT, TURN_MS);
			result = stop_or_late(run, deadline);
		} else if (code != CURLE_OK) {
			return HTTP_BROKEN;
		}
	}
	return result;
}

/* Reads on until `enough` says so. */
static enum http_result read_until(struct websocket *socket, struct run *run, struct fnr_buf *in, size_t most, int64_t deadline,
                                   bool (*enough)(const struct fnr_buf *in, void *context), void *context)
{
	while (!enough(in, context)) {
		if (in->len >= most)
			return HTTP_TOO_LARGE;
		ssize_t got = receive(socket, fnr_buf_room(in, READ_SIZE), READ_SIZE);
		if (got < 0)
			return HTTP_BROKEN;
		in->len += (size_t)got;
		in->data[in->len] = '\0';
		if (got > 0)
			continue;
		wait_for(socket, run, POLLIN, TURN_MS);
		enum http_result result = stop_or_late(run, deadline);
		if (result != HTTP_DONE)
			return result;
	}
	return HTTP_DONE;
}

static bool head_whole(const struct fnr_buf *in, void *context)
{
	const char *end = in->len > 0 ? strstr(in->data, "\r\n\r\n") : NULL;
	*(size_t *)context = end != NULL ? (size_t)(end - in->data) + 4 : 0;
	return end != NULL;
}

static bool body_whole(const struct fnr_buf *in, void *context)
{
	return in->len >= *(size_t *)context;
}

/* The value of a header, trimmed; false if it is not there. The same one again is joined with a comma. */
static bool header_get(const char *head, const char *name, char out[256])
{
	size_t len = strlen(name), at = 0;
	bool found = false;
	out[0] = '\0';
	for (const char *line = strstr(head, "\r\n"); line != NULL && line[2] != '\r' && line[2] != '\0'; line = strstr(line + 2, "\r\n")) {
		const char *value = line + 2 + len;
		if (strncasecmp(line + 2, name, len) != 0 || *value != ':')
			continue;
		value += 1 + strspn(value + 1, " \t");
		size_t size = strcspn(value, "\r");
		while (size > 0 && isspace((unsigned char)value[size - 1]))
			size--;
		at += (size_t)snprintf(out + at, 256 - at, "%s%.*s", found ? "," : "", (int)size, value);
		found = true;
		if (at >= 256)
			return true;
	}
	return found;
}

static bool has_token(const char *list, const char *token)
{
	size_t len = strlen(token);
	for (list += strspn(list, ", \t"); *list != '\0'; list += strspn(list, ", \t")) {
		size_t size = strcspn(list, ", \t");
		if (size == len && strncasecmp(list, token, len) == 0)
			return true;
		list += size;
	}
	return false;
}

static void accept_of(const char *key, char out[32])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	char *text = fnr_asprintf("%s" MAGIC, key);
	FNR_MUST(EVP_Digest(text, strlen(text), digest, &len, EVP_sha1(), NULL) == 1 && len == 20);
	EVP_EncodeBlock((unsigned char *)out, digest, (int)len);
	free(text);
}

/* What a server may answer that speaks WebSocket with us; NULL: all is well. */
static const char *check_head(const char *head, const char *key)
{
	char value[256], wanted[32];
	accept_of(key, wanted);
	if (!header_get(head, "Upgrade", value) || strcasecmp(value, "websocket") != 0)
		return "no Upgrade to websocket";
	if (!header_get(head, "Connection", value) || !has_token(value, "upgrade"))
		return "no Connection: Upgrade";
	if (!header_get(head, "Sec-WebSocket-Accept", value) || strcmp(value, wanted) != 0)
		return "a wrong Sec-WebSocket-Accept";
	if (header_get(head, "Sec-WebSocket-Extensions", value) || header_get(head, "Sec-WebSocket-Protocol", value))
		return "an extension or protocol that was not asked for";
	return NULL;
}

/* Another answer than 101: what it says is kept. */
static enum http_result refused(struct websocket *socket, struct run *run, struct fnr_buf *in, size_t head, struct http_answer *answer)
{
	char value[256];
	size_t most = HEAD_MOST, wanted;
	if (header_get(in->data, "Content-Length", value) && strtoull(value, NULL, 10) < most)
		most = (size_t)strtoull(value, NULL, 10);
	if (header_get(in->data, "Content-Type", value))
		fnr_text_copy(answer->media_type, sizeof answer->media_type, value);
	answer->media_type[strcspn(answer->media_type, "; \t")] = '\0';
	wanted = head + most;
	read_until(socket, run, in, wanted, fnr_mono_ms() + BODY_MS, body_whole, &wanted);
	fnr_buf_add(&answer->body, in->data + head, in->len - head);
	snprintf(answer->detail, sizeof answer->detail, "%s: status %ld instead of 101: %.120s", answer->asked, answer->status,
	         answer->body.len > 0 ? answer->body.data : "");
	return HTTP_STATUS;
}

static enum http_result handshake(struct websocket *socket, struct run *run, const struct websocket_wish *wish, struct http_answer *answer)
{
	struct fnr_buf request = FNR_BUF_INIT, in = FNR_BUF_INIT;
	int64_t deadline = fnr_mono_ms() + OPEN_MS;
	unsigned char nonce[16];
	char key[32];
	size_t head = 0;
	fnr_random(nonce, sizeof nonce);
	EVP_EncodeBlock((unsigned char *)key, nonce, sizeof nonce);
	enum http_result result = request_make(wish, key, &request) ? request_send(socket, run, &request, deadline) : HTTP_UNREACHABLE;
	if (result == HTTP_DONE)
		result = read_until(socket, run, &in, HEAD_MOST, deadline, head_whole, &head);
	if (result == HTTP_TOO_LARGE) {
		snprintf(answer->detail, sizeof answer->detail, "%s: the head of the answer has no end", answer->asked);
		result = HTTP_BROKEN;
	}
	if (result == HTTP_DONE && sscanf(in.data, "HTTP/1.%*1d %3ld", &answer->status) != 1)
		result = HTTP_BROKEN;
	if (result == HTTP_DONE && answer->status != 101)
		result = refused(socket, run, &in, head, answer);
	if (result == HTTP_DONE) {
		in.data[head - 2] = '\0';
		const char *wrong = check_head(in.data, key);
		if (wrong != NULL)
			snprintf(answer->detail, sizeof answer->detail, "%s: the server answers with %s", answer->asked, wrong);
		result = wrong != NULL ? HTTP_BROKEN : HTTP_DONE;
		fnr_buf_add(&socket->early, in.data + head, in.len - head);
	}
	fnr_buf_free(&request);
	fnr_buf_free(&in);
	return result;
}

static void socket_free(struct websocket *socket)
{
	if (socket->frames != NULL)
		wslay_event_context_free(socket->frames);
	if (socket->curl != NULL)
		curl_multi_remove_handle(socket->multi, socket->curl);
	curl_easy_cleanup(socket->curl);
	curl_multi_cleanup(socket->multi);
	fnr_buf_free(&socket->early);
	free(socket);
}

static void frames_make(struct websocket *socket, const struct websocket_wish *wish)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = recv_callback, .send_callback = send_callback, .genmask_callback = mask_callback,
		.on_frame_recv_start_callback = fragment_callback, .on_msg_recv_callback = message_callback,
	};
	FNR_MUST(wslay_event_context_client_init(&socket->frames, &callbacks, socket) == 0);
	wslay_event_config_set_max_recv_msg_length(socket->frames, wish->limit > 0 ? wish->limit : WEBSOCKET_MOST);
}

struct websocket *websocket_open(struct run *run, const struct websocket_wish *wish, struct http_answer *answer)
{
	struct websocket *socket = fnr_alloc(sizeof *socket);
	char text[CURL_ERROR_SIZE] = "";
	snprintf(answer->asked, sizeof answer->asked, "GET %.*s", (int)strcspn(wish->path, "?"), wish->path);
	socket->message = wish->message;
	socket->context = wish->context;
	socket->ping_ms = wish->ping_ms > 0 ? wish->ping_ms : PING_MS;
	socket->pong_ms = wish->pong_ms > 0 ? wish->pong_ms : PONG_MS;
	socket->heard_at = fnr_mono_ms();
	http_to(wish->endpoint, wish->flags);    /* libcurl is ready after that */
	socket->multi = curl_multi_init();
	socket->curl = curl_easy_init();
	FNR_MUST(socket->multi != NULL && socket->curl != NULL);
	answer->result = connect_to(socket, run, wish->endpoint, text, answer);
	if (answer->result == HTTP_DONE)
		answer->result = handshake(socket, run, wish, answer);
	if (answer->result == HTTP_DONE) {
		frames_make(socket, wish);
		return socket;
	}
	if (answer->detail[0] == '\0')
		snprintf(answer->detail, sizeof answer->detail, "%s: %.140s", answer->asked,
		         text[0] != '\0' ? text : socket->reason[0] != '\0' ? socket->reason : "no WebSocket came about in time");
	socket_free(socket);
	return NULL;
}

/* ---- the life of it ---- */

int websocket_fd(const struct websocket *socket)
{
	return socket->fd;
}

bool websocket_busy(const struct websocket *socket)
{
	return !socket->over && (socket->more || socket->early.len > 0);
}

const char *websocket_reason(const struct websocket *socket)
{
	return socket->reason;
}

static void ping_if_silent(struct websocket *socket)
{
	struct wslay_event_msg ping = { .opcode = WSLAY_PING };
	int64_t now = fnr_mono_ms();
	if (socket->pinged_at > 0) {
		if (now - socket->pinged_at > socket->pong_ms)
			lost(socket, "the server does not answer a ping");
	} else if (now - socket->heard_at > socket->ping_ms) {
		wslay_event_queue_msg(socket->frames, &ping);
		socket->pinged_at = now;
	}
}

static void receive_frames(struct websocket *socket)
{
	int code = wslay_event_recv(socket->frames);
	if (code != 0)
		lost(socket, code == WSLAY_ERR_NOMEM ? "no memory for a message" : "what came is no WebSocket");
	else if (wslay_event_get_close_received(socket->frames))
		lost(socket, "the server closed the connection");
	else if (!wslay_event_get_read_enabled(socket->frames))
		lost(socket, wslay_event_get_close_sent(socket->frames) || wslay_event_want_write(socket->frames) ?
		             "a message is larger than allowed, or broken" : "reading ended");
}

static void send_frames(struct websocket *socket)
{
	if (wslay_event_want_write(socket->frames) && wslay_event_send(socket->frames) != 0)
		lost(socket, "the connection broke");
	if (!wslay_event_want_write(socket->frames))
		socket->blocked_since = 0;
	else if (socket->blocked_since == 0)
		socket->blocked_since = fnr_mono_ms();
	else if (fnr_mono_ms() - socket->blocked_since > socket->pong_ms)
		lost(socket, "the server does not read");
	socket->more = socket->more && socket->blocked_since == 0;
}

bool websocket_turn(struct websocket *socket)
{
	socket->read = 0;
	socket->more = false;
	if (!socket->over)
		receive_frames(socket);
	if (!socket->over)
		ping_if_silent(socket);
	send_frames(socket);
	return !socket->over;
}

bool websocket_send(struct websocket *socket, const char *text)
{
	struct wslay_event_msg message = { .opcode = WSLAY_TEXT_FRAME, .msg = (const uint8_t *)text, .msg_length = strlen(text) };
	return !socket->over && wslay_event_queue_msg(socket->frames, &message) == 0 && wslay_event_send(socket->frames) == 0;
}

void websocket_hear(struct websocket *socket, websocket_message *message, void *context)
{
	socket->message = message;
	socket->context = context;
}

void websocket_goodbye(struct websocket *socket)
{
	if (socket->over || socket->leaving)
		return;
	socket->leaving = true;
	wslay_event_queue_close(socket->frames, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
	if (wslay_event_send(socket->frames) != 0)
		lost(socket, "the connection broke");
}

void websocket_close(struct websocket *socket)
{
	if (socket == NULL)
		return;
	int64_t deadline = fnr_mono_ms() + CLOSE_MS, left;
	websocket_goodbye(socket);
	while (!socket->over && (left = deadline - fnr_mono_ms()) > 0) {
		if (websocket_turn(socket) && !socket->more)
			wait_for(socket, NULL, wslay_event_want_write(socket->frames) ? POLLIN | POLLOUT : POLLIN, left < TURN_MS ? (int)left : TURN_MS);
	}
	socket_free(socket);
}

void websocket_drop(struct websocket *socket)
{
	websocket_goodbye(socket);
	socket_free(socket);
}
