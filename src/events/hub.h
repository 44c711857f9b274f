/* The hub: follows the journal and gives each event to the streams that listen to it.
 *
 * It knows streams, not sockets: src/events/serve.c owns the connections, reads what lies in a stream's backlog, and is
 * woken by a callback when there is more. Everything runs in one thread, in turns of bounded length: a turn reads a
 * portion of the journal, gives out its events, and does a portion of the work that streams wait for (snapshots,
 * catching up), so that neither a storm of reconnects nor a break holds up the events of the others for long.
 *
 * How a stream is built: read the journal's last number N, then the store, then send events after N. As the manager
 * commits to the store before it writes the journal, what the snapshot does not show has a number above N.
 */
#ifndef FNR_EVENTS_HUB_H
#define FNR_EVENTS_HUB_H

#include "base/conf.h"
#include "events/filter.h"
#include "events/stream.h"

typedef void hub_wake(struct stream *stream);    /* there is something to read, or the stream has ended */

struct hub;
int hub_open(struct hub **hub_r, const struct fnr_conf *conf, hub_wake *wake, struct fnr_error *err);
void hub_close(struct hub *hub);                 /* after the last stream was closed; NULL is allowed */
void hub_configure(struct hub *hub, const struct fnr_conf *conf);    /* kept by pointer, as at hub_open */

struct hub_ask {
	enum stream_kind kind;
	struct fnr_id id;                        /* of the job or batch */
	struct filter *filter;                   /* STREAM_WIDE: handed over, also when the request is refused */
	struct access_headers headers;
	bool resumes;
	uint64_t last;                           /* with resumes: number of the last event seen; UINT64_MAX if unreadable */
};

/* Opens a stream. FNR_OK with *stream_r NULL: the client has seen the last event already (204). Otherwise the code of
 * access_check, FNR_E_NOT_FOUND for what does not exist or may not be seen, FNR_E_UNAVAILABLE. */
int hub_stream_open(struct hub *hub, const struct hub_ask *ask, struct stream **stream_r, struct fnr_error *err);

/* Holds a request until the job has finished or the deadline (fnr_mono_ms) has passed; then it is woken with `done`
 * set or not. NULL: there is nothing to wait for, *done_r says whether the job has finished (or does not exist). */
struct stream *hub_wait_open(struct hub *hub, const struct fnr_id *job, int64_t deadline, bool *done_r);

/* Moves up to size bytes of what the stream has to send. 0: nothing now (`stream->phase` tells whether ever again). */
size_t hub_stream_read(struct hub *hub, struct stream *stream, char *out, size_t size);
void hub_stream_close(struct hub *hub, struct stream *stream);

void hub_ring(struct hub *hub);                  /* the bell has rung: look at the journal in the next turn */
void hub_turn(struct hub *hub, int64_t now);     /* now: fnr_mono_ms */
int64_t hub_next(const struct hub *hub, int64_t now);    /* ms until the next turn has something to do; at most 1000 */
size_t hub_count(const struct hub *hub);         /* open streams and held requests */
void hub_end_all(struct hub *hub);               /* the program ends: every stream ends, nothing is opened any more */

#endif
