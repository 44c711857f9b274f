/* Giving events to streams: new ones as they come, old ones to those that catch up, snapshots to those that begin. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "events/hub_internal.h"

#define PORTION_EVENTS 1000          /* of the journal, each turn */
#define PORTION_BEHIND 512           /* of the journal, for a stream that catches up */
#define HUNGRY 256                   /* a stream that catches up gets more when fewer messages wait */
#define HUNGRY_BYTES (1u << 20)
#define WORK_MS 5                    /* of each turn, for snapshots and catching up */
#define SLOW_TURNS 4                 /* a reader that took nothing for so many turns is slow */

/* ---- streams ---- */

void hub_start_work(struct hub *hub, struct stream *stream)
{
	if (stream->working)
		return;
	TAILQ_INSERT_TAIL(&hub->work, stream, in_work);
	stream->working = true;
}

void hub_stop_work(struct hub *hub, struct stream *stream)
{
	if (!stream->working)
		return;
	TAILQ_REMOVE(&hub->work, stream, in_work);
	stream->working = false;
}

void hub_end_stream(struct hub *hub, struct stream *stream)
{
	stream->phase = PHASE_ENDED;
	hub_stop_work(hub, stream);
	hub->wake(stream);
}

void hub_drop_stream(struct hub *hub, struct stream *stream, const char *why)
{
	fnr_debug(NULL, "a stream is ended: %s", why);
	backlog_cut(&stream->backlog);
	hub_end_stream(hub, stream);
}

static bool add(struct hub *hub, struct stream *stream, struct message *message)
{
	if (stream->backlog.count == 0)
		stream->moved = hub->turn;
	if (!backlog_add(&stream->backlog, message))
		return false;
	hub->wake(stream);
	return true;
}

static void drop_slow(struct hub *hub, struct stream *stream)
{
	hub_drop_stream(hub, stream, "its reader is too slow; it can resume by the number of its last event");
}

bool hub_send(struct hub *hub, struct stream *stream, struct message *message)
{
	if (add(hub, stream, message))
		return true;
	drop_slow(hub, stream);
	return false;
}

void hub_break(struct hub *hub, uint64_t number)
{
	struct stream *stream;

	TAILQ_FOREACH(stream, &hub->all, of_hub) {
		if ((stream->phase != PHASE_LIVE && stream->phase != PHASE_BEHIND) || stream->after >= number)
			continue;
		stream->phase = PHASE_BROKEN;
		hub_start_work(hub, stream);
	}
}

/* ---- giving out ---- */

static bool ends_job(enum fnr_event type)
{
	return type == FNR_EVENT_JOB_COMPLETED || type == FNR_EVENT_JOB_FAILED || type == FNR_EVENT_JOB_CANCELLED || type == FNR_EVENT_JOB_EXPIRED;
}

struct delivery {
	struct hub *hub;
	const struct look *look;
	struct filter_look event;
	struct message *message;         /* made for the first stream that wants it */
};

static struct message *delivery_message(struct delivery *delivery)
{
	const struct journal_event *event = delivery->event.event;

	if (!delivery->message) {
		delivery->message = message_make(event->number, fnr_event_name(event->type), event->data, event->data_len);
		delivery->message->job = event->job;
		delivery->message->progress = event->type == FNR_EVENT_JOB_PROGRESS;
		delivery->message->counted = true;
	}
	return message_hold(delivery->message);
}

/* A project that had no number when the stream was opened has one as soon as an event names it. */
static void name_project(struct filter *filter, const struct delivery *delivery)
{
	char name[68];
	uint32_t number = delivery->event.event->project;

	if (filter->project[0] && !filter->project_number && number
	    && store_name_text(delivery->look->store, STORE_PROJECT, number, name) && strcmp(name, filter->project) == 0)
		filter->project_number = number;
}

/* The same for the projects of a key. */
static bool may_see(struct access *access, struct delivery *delivery)
{
	char name[68];
	uint32_t number = delivery->event.event->project;

	if (filter_may_see(access, &delivery->event))
		return true;
	for (size_t i = 0; number && i < access->project_count; i++)
		if (!access->project_numbers[i] && store_name_text(delivery->look->store, STORE_PROJECT, number, name)
		    && strcmp(name, access->projects[i]) == 0) {
			access->project_numbers[i] = number;
			return true;
		}
	return false;
}

static bool wants(struct stream *stream, struct delivery *delivery)
{
	if (stream->kind != STREAM_WIDE)
		return true;
	if (!may_see(&stream->viewer->access, delivery))
		return false;
	name_project(stream->filter, delivery);
	return filter_lets(stream->filter, &delivery->event);
}

static bool ends(const struct stream *stream, struct delivery *delivery)
{
	enum fnr_event type = delivery->event.event->type;

	if (stream->kind == STREAM_BATCH)
		return type == FNR_EVENT_BATCH_PROGRESS && filter_batch_ended(&delivery->event);
	return stream->kind != STREAM_WIDE && ends_job(type);
}

/* There is no room for an event. A burst is more than any reader can take at once: one that goes on reading gets the
 * rest from the journal, at its own pace. */
static void no_room(struct hub *hub, struct stream *stream, uint64_t after)
{
	if (hub->turn - stream->moved >= SLOW_TURNS) {
		drop_slow(hub, stream);
		return;
	}
	stream->after = after;
	stream->phase = PHASE_BEHIND;
}

/* Gives one event to one stream. False: it takes no more now, or has ended. */
static bool give(struct stream *stream, struct delivery *delivery)
{
	struct hub *hub = delivery->hub;
	uint64_t before = stream->after;

	stream->after = delivery->event.event->number;
	if (stream->kind == STREAM_WAIT) {
		if (!ends(stream, delivery))
			return true;
		stream->done = true;
		hub_end_stream(hub, stream);
		return false;
	}
	if (wants(stream, delivery) && !add(hub, stream, delivery_message(delivery))) {
		no_room(hub, stream, before);
		return false;
	}
	if (!ends(stream, delivery))
		return true;
	hub_end_stream(hub, stream);
	return false;
}

static void give_topic(struct delivery *delivery, struct topic topic)
{
	struct topic_link *link = topics_first(&delivery->hub->topics, topic);

	for (; link; link = link->next) {
		struct stream *stream = (struct stream *)link;

		if (stream->phase == PHASE_LIVE && stream->after < delivery->event.event->number)
			give(stream, delivery);
	}
}

static void delivery_end(struct delivery *delivery)
{
	message_drop(delivery->message);
	delivery->message = NULL;
	filter_look_end(&delivery->event);
}

static bool feed_row(const struct journal_event *event, void *context)
{
	struct delivery *delivery = context;
	struct hub *hub = delivery->hub;

	delivery->event.event = event;
	hub->fed = event->number;
	if (event->type == FNR_EVENT_BREAK) {
		hub_break(hub, event->number);
		return true;
	}
	if (!fnr_id_is_none(&event->job))
		give_topic(delivery, topic_job(&event->job));
	if (!fnr_id_is_none(&event->batch))
		give_topic(delivery, topic_batch(&event->batch));
	if (event->project)
		give_topic(delivery, topic_project(event->project));
	give_topic(delivery, topic_all());
	delivery_end(delivery);
	return true;
}

void hub_feed(struct hub *hub, const struct look *look)
{
	struct delivery delivery = { .hub = hub, .look = look };

	hub->more = false;
	if (!look->journal)
		return;
	if (hub->count == 0)
		hub->fed = look->last;
	else
		hub->more = journal_events(look->journal, hub->fed, PORTION_EVENTS, feed_row, &delivery) >= PORTION_EVENTS;
}

/* ---- building and catching up ---- */

static void send_snapshot(struct hub *hub, struct stream *stream, const struct look *look, bool gap)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct message *snapshot = NULL;
	struct subject subject;

	if (subject_load(&subject, look, stream->kind, &stream->id, &err) == FNR_OK)
		snapshot = snapshot_make(look, stream, &subject, &err);
	if (!snapshot) {
		hub_drop_stream(hub, stream, err.message);
		fnr_error_clear(&err);
		return;
	}
	stream->after = look->last;
	stream->phase = PHASE_LIVE;
	if (gap && !hub_send(hub, stream, gap_make())) {
		message_drop(snapshot);
		return;
	}
	if (hub_send(hub, stream, snapshot) && subject.terminal)
		hub_end_stream(hub, stream);
}

/* After a break a held request may have missed the end of its job. */
static void look_again(struct hub *hub, struct stream *stream, const struct look *look)
{
	struct subject subject;

	stream->after = look->last;
	stream->phase = PHASE_LIVE;
	if (subject_load(&subject, look, STREAM_WAIT, &stream->id, NULL) == FNR_OK && !subject.terminal)
		return;
	stream->done = true;
	hub_end_stream(hub, stream);
}

bool hub_hungry(const struct stream *stream)
{
	return stream->backlog.count < HUNGRY && stream->backlog.bytes < HUNGRY_BYTES;
}

struct catching { struct delivery delivery; struct stream *stream; bool stopped; };

static bool catch_row(const struct journal_event *event, void *context)
{
	struct catching *catching = context;

	if (event->type == FNR_EVENT_BREAK)
		return true;
	catching->delivery.event.event = event;
	catching->stopped = !give(catching->stream, &catching->delivery) || catching->stream->backlog.bytes >= HUNGRY_BYTES;
	delivery_end(&catching->delivery);
	return !catching->stopped;
}

static void catch_up(struct hub *hub, struct stream *stream, const struct look *look)
{
	struct catching catching = { .delivery = { .hub = hub, .look = look }, .stream = stream };
	size_t rows;

	if (stream->kind == STREAM_JOB)
		rows = journal_events_of_job(look->journal, &stream->id, stream->after, PORTION_BEHIND, catch_row, &catching);
	else if (stream->kind == STREAM_BATCH)
		rows = journal_events_of_batch(look->journal, &stream->id, stream->after, PORTION_BEHIND, catch_row, &catching);
	else if (stream->filter->has_batch)
		rows = journal_events_of_batch(look->journal, &stream->filter->batch, stream->after, PORTION_BEHIND, catch_row, &catching);
	else
		rows = journal_events(look->journal, stream->after, PORTION_BEHIND, catch_row, &catching);
	if (catching.stopped || rows >= PORTION_BEHIND)
		return;
	stream->after = look->last;
	stream->phase = PHASE_LIVE;
}

/* Does a portion of what a stream waits for. */
static void advance(struct hub *hub, struct stream *stream, const struct look *look)
{
	if (stream->kind == STREAM_WAIT) {
		look_again(hub, stream, look);
		return;
	}
	if ((stream->phase == PHASE_RESUMED || stream->phase == PHASE_BEHIND))
		stream->phase = look_misses(look, stream->after) ? PHASE_BROKEN : PHASE_BEHIND;
	if (stream->phase == PHASE_BEHIND)
		catch_up(hub, stream, look);
	else if (stream->phase != PHASE_ENDED)
		send_snapshot(hub, stream, look, stream->phase == PHASE_BROKEN);
}

void hub_advance(struct hub *hub, struct stream *stream, const struct look *look)
{
	hub_stop_work(hub, stream);
	advance(hub, stream, look);
	/* One that is full comes back when its reader has taken something (hub_stream_read). */
	if (stream->phase == PHASE_BEHIND && hub_hungry(stream))
		hub_start_work(hub, stream);
}

void hub_work(struct hub *hub, const struct look *look)
{
	int64_t until = fnr_mono_ms() + WORK_MS;
	struct stream *stream;

	while ((stream = TAILQ_FIRST(&hub->work))) {
		hub_advance(hub, stream, look);
		if (fnr_mono_ms() >= until)
			return;
	}
}
