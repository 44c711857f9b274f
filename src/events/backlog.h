/* What waits to be sent on one stream: bounded, in order. A reader that falls behind loses outdated progress first
 * (of each job the last one stays). When that makes no room, one that goes on reading gets the rest from the journal;
 * one that takes nothing is given up: its connection ends and it resumes by the number of its last event. One thread
 * only. Start with BACKLOG_INIT (all zero). */
#ifndef FNR_EVENTS_BACKLOG_H
#define FNR_EVENTS_BACKLOG_H

#include "events/message.h"

#define BACKLOG_MOST 1024               /* messages */
#define BACKLOG_BYTES (4u << 20)        /* of counted messages */

struct backlog {
	struct message **ring;
	uint32_t first, count, size;    /* size is 0 or a power of two */
	size_t sent;                    /* bytes of the first message that went out already */
	size_t bytes;                   /* of counted messages */
};
#define BACKLOG_INIT { 0 }

/* Takes the caller's hold on message, whatever it returns. False: there is no room even after outdated progress was
 * dropped. */
bool backlog_add(struct backlog *backlog, struct message *message);

/* Moves up to size bytes to out; 0 when nothing waits. */
size_t backlog_read(struct backlog *backlog, char *out, size_t size);

/* Drops all but a message that is partly sent already, so that what the client has ends whole. */
void backlog_cut(struct backlog *backlog);
void backlog_free(struct backlog *backlog);

#endif
