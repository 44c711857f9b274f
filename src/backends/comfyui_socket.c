#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/comfyui.h"
#include "base/clock.h"
#include "base/text.h"

#define STATUS_MS 10000
#define TURN_MS 250
#define KEEP_MS 10000               /* how long a socket is kept that no job uses */
#define LEAVE_MS 2000               /* for the server's goodbye */

/* ---- the socket that is kept ---- */

static struct {
	struct websocket *socket;       /* NULL: none */
	char *server;                   /* with whom (http_key) */
	char client[FNR_ID_TEXT];       /* the id by which the server knows it */
	bool leaving;                   /* we have said goodbye */
	int64_t until;                  /* CLOCK_MONOTONIC */
} kept;

static char *server_of(const struct endpoint *endpoint)
{
	struct fnr_buf key = FNR_BUF_INIT;
	http_key(endpoint, COMFYUI_HTTP, &key);
	return fnr_buf_take(&key);
}

/* What comes while no prompt of ours is there is for others. */
static void pass_over(bool text, const char *data, size_t len, void *context)
{
}

static struct websocket *take_out(void)
{
	struct websocket *socket = kept.socket;
	free(kept.server);
	kept.server = NULL;
	kept.socket = NULL;
	return socket;
}

static void drop(void)
{
	struct websocket *socket = take_out();
	if (socket != NULL)
		websocket_drop(socket);
}

void comfyui_release(const struct endpoint *next)
{
	char *server = next != NULL ? server_of(next) : NULL;
	if (kept.socket != NULL && (server == NULL || strcmp(server, kept.server) != 0))
		drop();
	free(server);
}

/* One turn of what is kept. */
static void tend(void)
{
	if (!websocket_turn(kept.socket) || (kept.leaving && fnr_mono_ms() >= kept.until)) {
		drop();
	} else if (!kept.leaving && fnr_mono_ms() >= kept.until) {
		kept.leaving = true;
		kept.until = fnr_mono_ms() + LEAVE_MS;
		websocket_goodbye(kept.socket);
	}
}

void comfyui_idle(int fd)
{
	while (kept.socket != NULL) {
		int64_t left = kept.until - fnr_mono_ms();
		struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = websocket_fd(kept.socket), .events = POLLIN } };
		poll(fds, 2, websocket_busy(kept.socket) || left <= 0 ? 0 : left < TURN_MS ? (int)left : TURN_MS);
		if (fds[0].revents != 0)
			return;
		tend();
	}
}

/* Is there one on this server? It is as if it had just been opened for this prompt. */
static bool take_kept(struct comfyui *comfyui)
{
	comfyui_release(comfyui->run->endpoint);
	if (kept.socket == NULL)
		return false;
	websocket_hear(kept.socket, comfyui_message, comfyui);
	if (comfyui->joined || kept.leaving || !websocket_turn(kept.socket)) {
		drop();
		return false;
	}
	memcpy(comfyui->client, kept.client, sizeof comfyui->client);
	comfyui->shared = true;
	comfyui->socket = take_out();
	return true;
}

/* Only one that works: the server has told of our prompt, to its end, and knows prompts by our ids. */
static bool worth_keeping(const struct comfyui *comfyui)
{
	return comfyui->socket != NULL && comfyui->our_id && comfyui->heard && comfyui->over && !comfyui->joined && !comfyui->leaving;
}

static void keep(struct comfyui *comfyui)
{
	drop();
	kept.socket = comfyui->socket;
	kept.server = server_of(comfyui->run->endpoint);
	memcpy(kept.client, comfyui->client, sizeof kept.client);
	kept.leaving = false;
	kept.until = fnr_mono_ms() + KEEP_MS;
	websocket_hear(kept.socket, pass_over, NULL);
}

/* ---- a prompt's ---- */

void comfyui_listen(struct comfyui *comfyui)
{
	if (comfyui->socket == NULL || websocket_turn(comfyui->socket))
		return;
	if (!comfyui->leaving)
		run_log(comfyui->run, "debug", websocket_reason(comfyui->socket));
	comfyui_disconnect(comfyui);
}

void comfyui_goodbye(struct comfyui *comfyui)
{
	if (worth_keeping(comfyui))
		return;
	comfyui->leaving = true;
	if (comfyui->socket != NULL)
		websocket_goodbye(comfyui->socket);
}

static void listen_beside(void *context)
{
	comfyui_listen(context);
}

/* Waits for the first status, which shows that the server has registered us. */
static bool greeted(struct comfyui *comfyui, struct http_answer *answer)
{
	int64_t deadline = fnr_mono_ms() + STATUS_MS;
	while (comfyui->socket != NULL && !comfyui->greeted && fnr_mono_ms() < deadline) {
		comfyui_listen(comfyui);
		if (comfyui->socket == NULL || comfyui->greeted || websocket_busy(comfyui->socket))
			continue;
		struct pollfd fds[] = { { .fd = websocket_fd(comfyui->socket), .events = POLLIN }, { .fd = run_fd(comfyui->run), .events = POLLIN } };
		poll(fds, 2, TURN_MS);
		if (run_stop(comfyui->run)) {
			answer->result = HTTP_STOPPED;
			return false;
		}
	}
	if (comfyui->socket != NULL && comfyui->greeted)
		return true;
	answer->result = comfyui->socket != NULL ? HTTP_TIMEOUT : HTTP_BROKEN;
	snprintf(answer->detail, sizeof answer->detail, "GET /ws: no status came");
	return false;
}

static bool open_new(struct comfyui *comfyui, struct http_answer *answer)
{
	char path[80];
	snprintf(path, sizeof path, "/ws?clientId=%s", comfyui->client);
	struct websocket_wish wish = {
		.endpoint = comfyui->run->endpoint, .flags = COMFYUI_HTTP, .path = path, .message = comfyui_message, .context = comfyui,
	};
	comfyui->greeted = false;
	comfyui->socket = websocket_open(comfyui->run, &wish, answer);
	if (comfyui->socket == NULL)
		return false;
	if (websocket_send(comfyui->socket, "{\"type\":\"feature_flags\",\"data\":{\"supports_preview_metadata\":true}}") &&
	    greeted(comfyui, answer))
		return true;
	comfyui_disconnect(comfyui);
	return false;
}

bool comfyui_connect(struct comfyui *comfyui, struct http_answer *answer)
{
	if (!take_kept(comfyui) && !open_new(comfyui, answer))
		return false;
	http_beside(comfyui->http, websocket_fd(comfyui->socket), listen_beside, comfyui);
	return true;
}

void comfyui_disconnect(struct comfyui *comfyui)
{
	struct websocket *socket = comfyui->socket;
	comfyui->socket = NULL;
	http_beside(comfyui->http, -1, NULL, NULL);
	websocket_close(socket);
}

void comfyui_hang_up(struct comfyui *comfyui)
{
	if (!worth_keeping(comfyui)) {
		comfyui_disconnect(comfyui);
		return;
	}
	keep(comfyui);
	comfyui->socket = NULL;
	http_beside(comfyui->http, -1, NULL, NULL);
}
