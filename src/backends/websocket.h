/* A WebSocket client (RFC 6455) for workers: libcurl connects (names, TLS), wslay frames. Blocking only in open and close. Whoever owns it calls websocket_turn whenever its descriptor is readable, and at least every 500 ms:
 * a client that does not read holds up the server.
 *
 * It asks for no extension and no subprotocol, sends no Origin, answers pings, and pings itself when nothing came for a while.
 */
#ifndef FNR_BACKENDS_WEBSOCKET_H
#define FNR_BACKENDS_WEBSOCKET_H

#include "backends/http.h"

#define WEBSOCKET_MOST (64u << 20)

/* A whole message. The data is borrowed and, if it is text, valid UTF-8. */
typedef void websocket_message(bool text, const char *data, size_t len, void *context);

struct websocket_wish {
	const struct endpoint *endpoint;
	int flags;                        /* as of http_to */
	const char *path;                 /* "/ws?clientId=…", after the endpoint's URL */
	websocket_message *message;
	void *context;
	size_t limit;                     /* bytes of one message; 0: WEBSOCKET_MOST */
	int64_t ping_ms, pong_ms;         /* a ping after so much silence, and the time to answer it; 0: 20 s, 10 s */
};

struct websocket;

/* NULL if it does not come about within 10 s: answer says why, with status and body if the server gave another answer than
 * 101. run may be NULL. wish is not needed any longer. */
struct websocket *websocket_open(struct run *run, const struct websocket_wish *wish, struct http_answer *answer);

int websocket_fd(const struct websocket *socket);
bool websocket_busy(const struct websocket *socket);   /* there is more to read than the last turn did: come back soon */

/* Hands out what came, sends what is due. False: the connection is lost or ended; websocket_reason says why. */
bool websocket_turn(struct websocket *socket);
const char *websocket_reason(const struct websocket *socket);

bool websocket_send(struct websocket *socket, const char *text);

/* Messages go there from now on. */
void websocket_hear(struct websocket *socket, websocket_message *message, void *context);

/* Says goodbye with 1000, without waiting: the turns that follow take what still comes, and the other side's goodbye ends it. */
void websocket_goodbye(struct websocket *socket);

/* Says goodbye, unless that was done, and waits at most 2 s for the other side's; a lost one is just freed. Messages that come meanwhile
 * are handed out. NULL is allowed. */
void websocket_close(struct websocket *socket);
void websocket_drop(struct websocket *socket);      /* the same without waiting */

#endif
