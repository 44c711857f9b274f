/* A message of a stream, as it goes over the wire: made once, shared and counted by all queues it lies in.
 * One thread only. */
#ifndef FNR_EVENTS_MESSAGE_H
#define FNR_EVENTS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct message {
	uint32_t refs;
	bool progress;        /* may give way to a later one of the same job */
	bool counted;         /* its bytes count against the bound of a queue; snapshots and comments do not */
	struct fnr_id job;
	size_t len;
	char text[];
};

#define MESSAGE_NO_ID UINT64_MAX

/* "id:", "event:", one "data:" line for each line of data, and the empty line. MESSAGE_NO_ID: no id line (`gap`).
 * Never NULL; the caller holds it. */
struct message *message_make(uint64_t id, const char *name, const char *data, size_t len);
struct message *message_raw(const char *text);             /* as it is: comments, "retry:" */
struct message *message_hold(struct message *message);     /* one more holder; returns message */
void message_drop(struct message *message);                /* one holder less; the last one frees it; NULL is allowed */

#endif
