/* The WebSocket client (src/backends/websocket.c), against servers that are written out byte for byte. */
#include "config.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/websocket.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "run_fake.h"

static int listener, peer = -1;             /* peer: the server's end */
static pthread_t thread;
static char url[80];
static struct endpoint endpoint = { .id = "a", .url = url };
static char request[4096];
static struct fnr_buf texts, binaries;      /* what the client handed out; each with a newline behind it */
static size_t largest;

/* ---- the server ---- */

static void say(const void *data, size_t len)
{
	fnr_write_all(peer, data, len);
}

static void say_text(const char *text)
{
	say(text, strlen(text));
}

static void accept_text(char out[32])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char key[64] = "", joined[128];
	const char *at = strstr(request, "Sec-WebSocket-Key: ");
	if (at != NULL)
		sscanf(at, "Sec-WebSocket-Key: %63s", key);
	snprintf(joined, sizeof joined, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
	EVP_Digest(joined, strlen(joined), digest, NULL, EVP_sha1(), NULL);
	EVP_EncodeBlock((unsigned char *)out, digest, 20);
}

/* Takes a connection and its request, answers 101 with `more` header lines. */
static void welcome(const char *more)
{
	char accepted[32], head[512];
	size_t len = 0;
	peer = accept(listener, NULL, NULL);
	while (len < sizeof request - 1 && strstr(request, "\r\n\r\n") == NULL) {
		ssize_t got = read(peer, request + len, sizeof request - 1 - len);
		if (got <= 0)
			return;
		request[len += (size_t)got] = '\0';
	}
	if (more == NULL)
		return;
	accept_text(accepted);
	snprintf(head, sizeof head, "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
	         "Sec-WebSocket-Accept: %s\r\n%s\r\n", accepted, more);
	say_text(head);
}

static void frame(unsigned first, const void *data, size_t len)
{
	unsigned char head[10] = { (unsigned char)first };
	size_t size = 2;
	if (len < 126) {
		head[1] = (unsigned char)len;
	} else {
		head[1] = 127;
		for (int i = 0; i < 8; i++)
			head[2 + i] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
		size = 10;
	}
	say(head, size);
	say(data, len);
}

/* A frame of the client's, unmasked; opcode, or -1 at the end, or -2 if it is not masked. */
static int heard(char out[256])
{
	unsigned char head[6];
	for (size_t at = 0; at < sizeof head;) {
		ssize_t got = read(peer, head + at, sizeof head - at);
		if (got <= 0)
			return -1;
		at += (size_t)got;
	}
	size_t len = head[1] & 0x7f;
	if ((head[1] & 0x80) == 0)
		return -2;
	for (size_t at = 0; at < len;) {
		ssize_t got = read(peer, out + at, len - at);
		if (got <= 0)
			return -1;
		at += (size_t)got;
	}
	for (size_t i = 0; i < len; i++)
		out[i] = (char)(out[i] ^ head[2 + i % 4]);
	out[len] = '\0';
	return head[0] & 0x0f;
}

static int codes[8];
static size_t code_count;
static char said[256];

/* Listens until the client closes, and answers that. */
static void listen_to_the_end(void)
{
	char data[256];
	int code;
	while ((code = heard(data)) >= 0 && code_count < 8) {
		codes[code_count++] = code;
		memcpy(said, data, sizeof said);
		if (code == 8) {
			frame(0x88, data, 2);
			break;
		}
	}
	if (code == -2)
		codes[code_count++] = -2;
	close(peer);
}

static void *serve(void *script)
{
	((void (*)(void))script)();
	return NULL;
}

static void start(void (*script)(void))
{
	union { void (*function)(void); void *pointer; } both = { script };
	cr_assert_eq(pthread_create(&thread, NULL, serve, both.pointer), 0);
}

static void set_up(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	signal(SIGPIPE, SIG_IGN);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&address, len), 0);
	cr_assert_eq(listen(listener, 4), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	snprintf(url, sizeof url, "http://127.0.0.1:%u/base", ntohs(address.sin_port));
}

TestSuite(websocket, .init = set_up, .timeout = 600);

/* ---- the client ---- */

static void take(bool text, const char *data, size_t len, void *context)
{
	if (len > largest)
		largest = len;
	if (len < 1000) {
		fnr_buf_add(text ? &texts : &binaries, data, len);
		fnr_buf_puts(text ? &texts : &binaries, "\n");
	}
}

static struct websocket *open_with(struct websocket_wish wish, struct http_answer *answer)
{
	wish.endpoint = &endpoint;
	wish.path = "/ws?clientId=me";
	wish.message = take;
	return websocket_open(NULL, &wish, answer);
}

static struct websocket *open_socket(struct http_answer *answer)
{
	return open_with((struct websocket_wish){ 0 }, answer);
}

/* Turns until it is over, or until `texts` is this. */
static bool turn_until(struct websocket *socket, const char *wanted)
{
	for (;;) {
		struct pollfd fd = { .fd = websocket_fd(socket), .events = POLLIN };
		bool alive = websocket_turn(socket);
		if (wanted != NULL && texts.len > 0 && strcmp(texts.data, wanted) == 0)
			return true;
		if (!alive)
			return false;
		if (!websocket_busy(socket))
			poll(&fd, 1, 100);
	}
}

/* ---- opening ---- */

static void early_frames(void)
{
	char accepted[32], all[512];
	welcome(NULL);
	accept_text(accepted);
	int len = snprintf(all, sizeof all, "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n%c%cstatus",
	                   accepted, 0x81, 6);
	say(all, (size_t)len);
	listen_to_the_end();
}

Test(websocket, opens_reads_what_follows_the_head_and_says_goodbye)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	endpoint.credentials = fnr_json_parse("{\"token\":\"t0k\"}", 15, NULL);
	start(early_frames);
	struct websocket *socket = open_socket(&answer);
	cr_assert_not_null(socket, "%s", answer.detail);
	cr_assert(websocket_busy(socket));
	cr_assert(turn_until(socket, "status\n"));
	cr_assert(websocket_send(socket, "{\"type\":\"feature_flags\"}"));
	websocket_close(socket);
	pthread_join(thread, NULL);
	cr_assert_eq(strncmp(request, "GET /base/ws?clientId=me HTTP/1.1\r\n", 35), 0, "%s", request);
	cr_assert_not_null(strstr(request, "\r\nHost: 127.0.0.1:"));
	cr_assert_not_null(strstr(request, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"));
	cr_assert_not_null(strstr(request, "\r\nAuthorization: Bearer t0k\r\n"));
	cr_assert_null(strstr(request, "Origin"));
	cr_assert_null(strstr(request, "Extensions"));
	cr_assert_eq(code_count, 2);
	cr_assert_eq(codes[0], 1);
	cr_assert_eq(codes[1], 8);
	cr_assert_eq((unsigned char)said[0] << 8 | (unsigned char)said[1], 1000);
	http_answer_clear(&answer);
}

static const char *canned;

static void say_canned(void)
{
	welcome(NULL);
	say_text(canned);
	close(peer);
}

Test(websocket, another_answer_than_101_is_an_error_of_http)
{
	static const struct { const char *text; long status; const char *detail; } rows[] = {
		{ "HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nno access", 403, "no access" },
		{ "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>nginx</html>", 502, "nginx" },
		{ "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 200, "200 instead of 101" },
		{ "HTTP/1.1 404 Not Found\r\n\r\n", 404, "404" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct http_answer answer = HTTP_ANSWER_INIT;
		canned = rows[i].text;
		memset(request, 0, sizeof request);
		start(say_canned);
		cr_assert_null(open_socket(&answer));
		pthread_join(thread, NULL);
		cr_assert_eq(answer.result, HTTP_STATUS, "%s: %s", rows[i].text, answer.detail);
		cr_assert_eq(answer.status, rows[i].status);
		cr_assert_not_null(strstr(answer.detail, rows[i].detail), "%s", answer.detail);
		http_answer_clear(&answer);
	}
}

static void wrong_accept(void)
{
	welcome(NULL);
	say_text("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
	listen_to_the_end();
}

static void extension(void)
{
	welcome("Sec-WebSocket-Extensions: permessage-deflate\r\n");
	listen_to_the_end();
}

static void protocol(void)
{
	welcome("Sec-WebSocket-Protocol: chat\r\n");
	listen_to_the_end();
}

static void no_upgrade(void)
{
	char accepted[32], head[256];
	welcome(NULL);
	accept_text(accepted);
	snprintf(head, sizeof head, "HTTP/1.1 101 x\r\nConnection: close\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n", accepted);
	say_text(head);
	listen_to_the_end();
}

static void endless_head(void)
{
	welcome(NULL);
	say_text("HTTP/1.1 101 x\r\n");
	char line[1024];
	memset(line, 'a', sizeof line);
	for (int i = 0; i < 100; i++)
		if (send(peer, line, sizeof line, MSG_NOSIGNAL) < 0)
			break;
	close(peer);
}

Test(websocket, what_is_not_agreed_on_is_refused)
{
	static const struct { void (*script)(void); enum http_result result; const char *detail; } rows[] = {
		{ wrong_accept, HTTP_BROKEN, "Sec-WebSocket-Accept" }, { extension, HTTP_BROKEN, "extension" }, { protocol, HTTP_BROKEN, "protocol" },
		{ no_upgrade, HTTP_BROKEN, "Connection" }, { endless_head, HTTP_BROKEN, "no end" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct http_answer answer = HTTP_ANSWER_INIT;
		memset(request, 0, sizeof request);
		start(rows[i].script);
		cr_assert_null(open_socket(&answer));
		pthread_join(thread, NULL);
		cr_assert_eq(answer.result, rows[i].result, "%zu: %s", i, answer.detail);
		cr_assert_not_null(strstr(answer.detail, rows[i].detail), "%s", answer.detail);
		http_answer_clear(&answer);
	}
}

static void says_nothing(void)
{
	welcome(NULL);
	char byte;
	while (read(peer, &byte, 1) > 0)
		;
	close(peer);
}

Test(websocket, a_run_that_stops_stops_the_opening)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	struct websocket_wish wish = { .endpoint = &endpoint, .path = "/ws", .message = take };
	struct run *run = run_fake_start();
	run_fake.stop_after = 2;
	start(says_nothing);
	cr_assert_null(websocket_open(run, &wish, &answer));
	cr_assert_eq(answer.result, HTTP_STOPPED);
	pthread_join(thread, NULL);
	http_answer_clear(&answer);
}

Test(websocket, nobody_there)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	close(listener);
	cr_assert_null(open_socket(&answer));
	cr_assert_eq(answer.result, HTTP_UNREACHABLE);
	http_answer_clear(&answer);
}

/* ---- messages ---- */

static void fragments_and_pings(void)
{
	welcome("");
	frame(0x01, "he", 2);
	frame(0x89, "ping", 4);
	frame(0x80, "llo", 3);
	frame(0x82, "\0\0\0\1bin", 7);
	listen_to_the_end();
}

Test(websocket, joins_fragments_and_answers_pings)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	start(fragments_and_pings);
	struct websocket *socket = open_socket(&answer);
	cr_assert_not_null(socket, "%s", answer.detail);
	cr_assert(turn_until(socket, "hello\n"));
	while (binaries.len < 8)
		cr_assert(websocket_turn(socket));
	websocket_close(socket);
	pthread_join(thread, NULL);
	cr_assert_eq(codes[0], 10);
	cr_assert_eq(codes[1], 8);
	http_answer_clear(&answer);
}

static void never_answers_a_ping(void)
{
	char data[256];
	welcome("");
	while (heard(data) >= 0)
		codes[code_count++ & 7] = 9;
	close(peer);
}

static void answers_pings(void)
{
	char data[256];
	int code, pings = 0;
	welcome("");
	while ((code = heard(data)) >= 0 && code != 8) {
		codes[code_count++ & 7] = code;
		frame(0x8a, data, strlen(data));
		if (++pings == 3)
			frame(0x81, "alive", 5);
	}
	close(peer);
}

Test(websocket, pings_when_idle_and_notices_a_dead_peer)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	start(answers_pings);
	struct websocket *socket = open_with((struct websocket_wish){ .ping_ms = 50, .pong_ms = 60000 }, &answer);
	cr_assert_not_null(socket, "%s", answer.detail);
	cr_assert(turn_until(socket, "alive\n"));
	cr_assert_eq(codes[0], 9);
	websocket_close(socket);
	pthread_join(thread, NULL);

	memset(request, 0, sizeof request);
	start(never_answers_a_ping);
	socket = open_with((struct websocket_wish){ .ping_ms = 50, .pong_ms = 200 }, &answer);
	cr_assert_not_null(socket, "%s", answer.detail);
	cr_assert_not(turn_until(socket, NULL));
	cr_assert_not_null(strstr(websocket_reason(socket), "ping"), "%s", websocket_reason(socket));
	websocket_close(socket);
	pthread_join(thread, NULL);
	http_answer_clear(&answer);
}

#define LARGE (64u << 20)

static void large_messages(void)
{
	char *data = fnr_alloc(LARGE + 1);
	welcome("");
	memset(data, 'a', LARGE + 1);
	frame(0x81, data, LARGE);
	frame(0x81, "between", 7);
	frame(0x81, data, LARGE + 1);
	listen_to_the_end();
	free(data);
}

Test(websocket, takes_64_mebibytes_and_fails_cleanly_beyond)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	start(large_messages);
	struct websocket *socket = open_socket(&answer);
	cr_assert_not_null(socket, "%s", answer.detail);
	cr_assert(turn_until(socket, "between\n"));
	cr_assert_eq(largest, LARGE);
	cr_assert_not(turn_until(socket, NULL));
	cr_assert_not_null(strstr(websocket_reason(socket), "larger than allowed"), "%s", websocket_reason(socket));
	websocket_close(socket);
	shutdown(peer, SHUT_RDWR);
	pthread_join(thread, NULL);
	http_answer_clear(&answer);
}

static size_t canned_len;

static void broken_frames(void)
{
	welcome("");
	say(canned, canned_len);
	listen_to_the_end();
}

Test(websocket, what_is_no_frame_ends_it)
{
	/* RSV1; masked; no UTF-8; no opcode */
	static const struct { const char *bytes; size_t len; } rows[] = {
		{ "\xc1\x02hi", 4 }, { "\x81\x82\0\0\0\0hi", 8 }, { "\x81\x02\xff\xfe", 4 }, { "\x83\x02hi", 4 },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct http_answer answer = HTTP_ANSWER_INIT;
		canned = rows[i].bytes;
		canned_len = rows[i].len;
		memset(request, 0, sizeof request);
		start(broken_frames);
		struct websocket *socket = open_socket(&answer);
		cr_assert_not_null(socket, "%s", answer.detail);
		cr_assert_not(turn_until(socket, NULL));
		websocket_close(socket);
		pthread_join(thread, NULL);
		http_answer_clear(&answer);
	}
	cr_assert_eq(texts.len, 0);
}

/* Pings without end, and the answers to them are not read. */
static void never_reads(void)
{
	char pings[4096];
	welcome("");
	for (size_t i = 0; i < sizeof pings; i += 2)
		memcpy(pings + i, "\x89", 2);
	while (send(peer, pings, sizeof pings, MSG_NOSIGNAL) > 0)
		;
	close(peer);
}

static void a_byte_at_a_time(void)
{
	char frames[3 * 1024];
	welcome("");
	frame(0x01, "a", 1);
	for (size_t i = 0; i < sizeof frames; i += 3)
		memcpy(frames + i, "\x00\x01" "a", 3);
	while (send(peer, frames, sizeof frames, MSG_NOSIGNAL) > 0)
		;
	close(peer);
}

static size_t memory_now(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	cr_assert_eq(fscanf(file, "%*d %ld", &pages), 1);
	fclose(file);
	return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

Test(websocket, floods_end_and_cost_little_memory)
{
	static const struct { void (*script)(void); const char *reason; } rows[] = {
		{ never_reads, "does not read" }, { a_byte_at_a_time, "too many parts" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct http_answer answer = HTTP_ANSWER_INIT;
		size_t before = memory_now();
		memset(request, 0, sizeof request);
		start(rows[i].script);
		struct websocket *socket = open_with((struct websocket_wish){ .pong_ms = 500 }, &answer);
		cr_assert_not_null(socket, "%s", answer.detail);
		cr_assert_not(turn_until(socket, NULL));
		cr_assert_not_null(strstr(websocket_reason(socket), rows[i].reason), "%s", websocket_reason(socket));
		cr_assert_lt(memory_now(), before + (512u << 20));
		websocket_close(socket);
		pthread_join(thread, NULL);
		http_answer_clear(&answer);
	}
}

static void goes_away(void)
{
	welcome("");
	frame(0x81, "last", 4);
	close(peer);
}

static void closes(void)
{
	welcome("");
	frame(0x88, "\x03\xe9", 2);
	listen_to_the_end();
}

Test(websocket, the_end_is_noticed)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	start(goes_away);
	struct websocket *socket = open_socket(&answer);
	cr_assert_not_null(socket, "%s", answer.detail);
	cr_assert_not(turn_until(socket, NULL));
	cr_assert_str_eq(texts.data, "last\n");
	cr_assert_not_null(strstr(websocket_reason(socket), "ended"), "%s", websocket_reason(socket));
	cr_assert_not(websocket_send(socket, "x"));
	websocket_close(socket);
	pthread_join(thread, NULL);
	memset(request, 0, sizeof request);
	start(closes);
	socket = open_socket(&answer);
	cr_assert_not_null(socket, "%s", answer.detail);
	cr_assert_not(turn_until(socket, NULL));
	cr_assert_not_null(strstr(websocket_reason(socket), "closed"), "%s", websocket_reason(socket));
	websocket_close(socket);
	pthread_join(thread, NULL);
	cr_assert_eq(codes[code_count - 1], 8);
	http_answer_clear(&answer);
}
