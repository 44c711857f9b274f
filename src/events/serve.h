/* HTTP of fnr-events, by libmicrohttpd on run/events.sock: routes, headers, and the connection of each stream to the
 * hub. One thread: the daemon is driven by serve_run from the program's own loop, so nothing here needs a lock.
 *
 * A stream with nothing to send is suspended (a reader that returns 0 without that would be asked again at once) and
 * resumed by the hub's callback. A suspended connection notices neither time-outs nor a departed client: the hub's
 * comments resume it now and then. All must be resumed before the daemon is stopped. */
#ifndef FNR_EVENTS_SERVE_H
#define FNR_EVENTS_SERVE_H

#include "events/hub.h"

struct serve;

void serve_wake(struct stream *stream);           /* the callback for hub_open */

/* Listens. `connections` is the most that are open at once. The hub must outlive it. */
int serve_open(struct serve **serve_r, struct hub *hub, unsigned connections, struct fnr_error *err);
int serve_fd(const struct serve *serve);          /* readable: call serve_run */
int64_t serve_next(struct serve *serve);          /* ms until it must be called in any case; -1 = never */
void serve_run(struct serve *serve);
void serve_deaf(struct serve *serve);             /* takes no new connections from now on */
void serve_close(struct serve *serve);            /* after hub_end_all; closes what is left */

#endif
