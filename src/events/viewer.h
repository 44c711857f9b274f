/* Viewers: the keys and sessions with which streams are open, each once, however many streams it has. It is looked at again every
 * few seconds; streams of one that is gone, or that may no longer read what they show, are ended by the hub. */
#ifndef FNR_EVENTS_VIEWER_H
#define FNR_EVENTS_VIEWER_H

#include <sys/queue.h>

#include "http/access.h"

struct stream;
TAILQ_HEAD(stream_list, stream);

struct viewer {
	TAILQ_ENTRY(viewer) entry;
	struct stream_list streams;      /* by stream->of_viewer */
	struct access access;
	char *host;                      /* as it was sent */
};
TAILQ_HEAD(viewer_list, viewer);

/* The viewer of a request that access_check has let in; made if there is none. Refreshes its access. */
struct viewer *viewer_find(struct viewer_list *viewers, const struct access_headers *headers, const struct access *access);

/* Reads the key again. False if it may not read any more (or the Host is no longer ours). */
bool viewer_check(struct viewer *viewer, struct store_txn *txn, const struct fnr_conf *conf);

/* Frees a viewer without streams. */
void viewer_free(struct viewer_list *viewers, struct viewer *viewer);

#endif
