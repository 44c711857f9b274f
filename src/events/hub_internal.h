/* What the two halves of the hub share: hub.c opens, closes and takes turns; give.c gives events to streams. */
#ifndef FNR_EVENTS_HUB_INTERNAL_H
#define FNR_EVENTS_HUB_INTERNAL_H

#include "events/hub.h"
#include "events/look.h"

#define BEATS 15                     /* one part of the streams each second: a comment every 15 s */

struct hub {
	const struct fnr_conf *conf;
	hub_wake *wake;
	struct store *store;
	struct journal *journal;         /* NULL while there is none */
	uint64_t complained;             /* generation that could not be opened, so that it is said once */
	uint64_t fed;                    /* number of the last event that was given out */
	struct topics topics;
	struct viewer_list viewers;
	struct stream_list all, work, waits, beats[BEATS];
	struct message *comment, *retry;
	size_t count;
	int64_t turned, polled, beat_at, keys_at, deadline;   /* fnr_mono_ms; deadline 0 = none */
	unsigned beat, next_beat;
	uint32_t turn;                   /* how many there were */
	bool rung, more, ending;
};

/* ---- give.c ---- */

void hub_start_work(struct hub *hub, struct stream *stream);      /* lists it, if it is not listed */
void hub_stop_work(struct hub *hub, struct stream *stream);
void hub_end_stream(struct hub *hub, struct stream *stream);      /* what waits is still sent */
void hub_drop_stream(struct hub *hub, struct stream *stream, const char *why);    /* only what is partly sent is finished */

/* Takes the caller's hold on message. False: the reader was too slow, the stream has ended. */
bool hub_send(struct hub *hub, struct stream *stream, struct message *message);

/* Every stream that does not know an event of this number yet gets a gap and a snapshot. */
void hub_break(struct hub *hub, uint64_t number);

void hub_feed(struct hub *hub, const struct look *look);          /* gives out a portion of what is new in the journal */
void hub_work(struct hub *hub, const struct look *look);          /* a portion of what streams wait for */
void hub_advance(struct hub *hub, struct stream *stream, const struct look *look);   /* the same, of this stream */
bool hub_hungry(const struct stream *stream);                     /* one that catches up has room for more */

#endif
