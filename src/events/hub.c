/* Opening, closing, and the turns of the hub. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "events/hub_internal.h"

#define OPEN_MS 10                   /* a turn that took longer leaves the snapshots of new streams to the next ones */
#define POLL_MS 1000                 /* where the bell was lost */
#define KEYS_MS 5000
#define WAIT_GRAIN_MS 50             /* deadlines are rounded up to this, so that few scans find many */

/* ---- opening and closing ---- */

static struct stream *stream_make(struct hub *hub, enum stream_kind kind, const struct fnr_id *id, struct topic topic)
{
	struct stream *stream = fnr_alloc(sizeof *stream);

	stream->kind = (uint8_t)kind;
	stream->id = *id;
	topics_join(&hub->topics, topic, &stream->link);
	TAILQ_INSERT_TAIL(&hub->all, stream, of_hub);
	hub->count++;
	return stream;
}

static struct topic topic_of(const struct hub_ask *ask)
{
	if (ask->kind == STREAM_JOB)
		return topic_job(&ask->id);
	if (ask->kind == STREAM_BATCH)
		return topic_batch(&ask->id);
	if (ask->filter->has_batch)
		return topic_batch(&ask->filter->batch);
	return ask->filter->project_number ? topic_project(ask->filter->project_number) : topic_all();
}

/* What may not be seen does not exist. */
static int check_filter(struct filter *filter, const struct look *look, const struct access *access, struct fnr_error *err)
{
	struct batch batch;

	if (filter->project[0]) {
		if (!access_project_name(access, filter->project))
			return fnr_fail(err, FNR_E_NOT_FOUND, "there is no project '%s' that this key may see", filter->project);
		filter->project_number = store_name_find(look->store, STORE_PROJECT, filter->project);
	}
	if (filter->has_batch && (store_batch_get(look->store, &filter->batch, &batch) != FNR_OK || !access_project(access, batch.project)))
		return fnr_fail(err, FNR_E_NOT_FOUND, "there is no such batch");
	return FNR_OK;
}

static int check_ask(struct hub *hub, const struct hub_ask *ask, const struct look *look, struct access *access,
                     struct subject *subject, struct fnr_error *err)
{
	char text[FNR_ID_TEXT];
	int code = access_check(look->store, hub->conf, &ask->headers, FNR_SCOPE_READ, access, err);

	if (code == FNR_OK)
		code = subject_load(subject, look, ask->kind, &ask->id, err);
	if (code != FNR_OK)
		return code;
	if (ask->kind == STREAM_WIDE)
		return check_filter(ask->filter, look, access, err);
	if (!access_project(access, subject->project))
		return fnr_fail(err, FNR_E_NOT_FOUND, "there is no %s %s", ask->kind == STREAM_BATCH ? "batch" : "job", fnr_id_format(&ask->id, text));
	return FNR_OK;
}

/* It has finished, and the client has its last event. A number that was never given out proves nothing. */
static bool seen_all(const struct hub_ask *ask, const struct look *look, const struct subject *subject)
{
	return ask->resumes && subject->terminal && ask->last >= subject->event
	       && (ask->last <= look->last || ask->last == subject->event);
}

static struct stream *open_checked(struct hub *hub, const struct hub_ask *ask, const struct look *look, const struct access *access,
                                   const struct subject *subject)
{
	struct stream *stream = stream_make(hub, ask->kind, &ask->id, topic_of(ask));

	stream->filter = ask->filter;
	stream->project = subject->project;
	stream->viewer = viewer_find(&hub->viewers, &ask->headers, access);
	TAILQ_INSERT_TAIL(&stream->viewer->streams, stream, of_viewer);
	stream->beat = hub->next_beat++ % BEATS;
	TAILQ_INSERT_TAIL(&hub->beats[stream->beat], stream, in_beat);
	stream->phase = ask->resumes ? PHASE_RESUMED : PHASE_NEW;
	stream->after = ask->resumes ? ask->last : 0;
	hub_send(hub, stream, message_hold(hub->retry));
	if (fnr_mono_ms() - hub->turned < OPEN_MS)
		hub_advance(hub, stream, look);
	else
		hub_start_work(hub, stream);
	return stream;
}

int hub_stream_open(struct hub *hub, const struct hub_ask *ask, struct stream **stream_r, struct fnr_error *err)
{
	struct access access;
	struct subject subject;
	struct look look;
	int code;

	*stream_r = NULL;
	if (hub->ending)
		code = fnr_fail(err, FNR_E_UNAVAILABLE, "the event service is stopping; try again");
	else if (!hub->journal && hub->complained) /* the manager is about to make another; numbers must not fall back to 0 */
		code = fnr_fail(err, FNR_E_UNAVAILABLE, "the journal is being made anew; try again");
	else
		code = look_begin(&look, hub->store, hub->journal, err);
	if (code != FNR_OK) {
		free(ask->filter);
		return code;
	}
	code = check_ask(hub, ask, &look, &access, &subject, err);
	if (code != FNR_OK || seen_all(ask, &look, &subject))
		free(ask->filter);
	else
		*stream_r = open_checked(hub, ask, &look, &access, &subject);
	look_end(&look);
	return code;
}

struct stream *hub_wait_open(struct hub *hub, const struct fnr_id *job, int64_t deadline, bool *done_r)
{
	struct subject subject;
	struct stream *stream;
	struct look look;
	bool waits;

	*done_r = false;
	if (hub->ending || look_begin(&look, hub->store, hub->journal, NULL) != FNR_OK)
		return NULL;
	waits = subject_load(&subject, &look, STREAM_WAIT, job, NULL) == FNR_OK && !subject.terminal;
	*done_r = !waits;
	look_end(&look);
	if (!waits || deadline <= fnr_mono_ms())
		return NULL;
	stream = stream_make(hub, STREAM_WAIT, job, topic_job(job));
	stream->after = look.last;
	stream->phase = PHASE_LIVE;
	stream->deadline = (deadline + WAIT_GRAIN_MS - 1) / WAIT_GRAIN_MS * WAIT_GRAIN_MS;
	if (!hub->deadline || stream->deadline < hub->deadline)
		hub->deadline = stream->deadline;
	TAILQ_INSERT_TAIL(&hub->waits, stream, in_beat);
	return stream;
}

size_t hub_stream_read(struct hub *hub, struct stream *stream, char *out, size_t size)
{
	size_t moved = backlog_read(&stream->backlog, out, size);

	if (moved > 0)
		stream->moved = hub->turn;
	if (stream->phase == PHASE_BEHIND && hub_hungry(stream))
		hub_start_work(hub, stream);
	return moved;
}

void hub_stream_close(struct hub *hub, struct stream *stream)
{
	struct viewer *viewer = stream->viewer;

	hub_stop_work(hub, stream);
	topics_leave(&hub->topics, &stream->link);
	TAILQ_REMOVE(&hub->all, stream, of_hub);
	if (stream->kind == STREAM_WAIT)
		TAILQ_REMOVE(&hub->waits, stream, in_beat);
	else
		TAILQ_REMOVE(&hub->beats[stream->beat], stream, in_beat);
	if (viewer) {
		TAILQ_REMOVE(&viewer->streams, stream, of_viewer);
		if (TAILQ_EMPTY(&viewer->streams))
			viewer_free(&hub->viewers, viewer);
	}
	hub->count--;
	backlog_free(&stream->backlog);
	free(stream->filter);
	free(stream);
}

/* ---- turns ---- */

/* The store names the journal in use. A new one has other events: every stream gets a gap and a snapshot. */
static void follow_journal(struct hub *hub)
{
	struct store_txn *txn = store_read(hub->store, NULL);
	struct fnr_error err = FNR_ERROR_INIT;
	struct journal_txn *look;
	uint64_t generation;

	if (!txn)
		return;
	generation = store_meta_get(txn, STORE_META_JOURNAL);
	store_read_end(txn);
	if (hub->journal ? generation == journal_generation(hub->journal) : generation == 0)
		return;
	journal_close(hub->journal);
	hub->journal = NULL;
	if (journal_open_reader(&hub->journal, generation, &err) != FNR_OK) {
		if (hub->complained != generation)
			fnr_warn(NULL, "journal %llu cannot be opened: %s", (unsigned long long)generation, err.message);
		hub->complained = generation;
		fnr_error_clear(&err);
		return;
	}
	look = journal_read(hub->journal, NULL);
	hub->fed = look ? journal_last_number(look) : 0;
	journal_end(look);
	hub_break(hub, UINT64_MAX);
	fnr_info(NULL, "following journal %llu", (unsigned long long)generation);
}

/* Waking a stream makes the HTTP library walk all that sleep. With thousands of them the bell is answered a little
 * later, so that one walk serves many events. */
static int64_t pace(const struct hub *hub)
{
	size_t ms = hub->count / 2000;

	return ms < 10 ? (int64_t)ms : 10;
}

static bool feed_due(const struct hub *hub, int64_t now)
{
	if (hub->more || now - hub->polled >= POLL_MS)
		return true;
	return hub->rung && now - hub->polled >= pace(hub);
}

static void turn_journal(struct hub *hub, int64_t now)
{
	bool due = feed_due(hub, now);
	struct look look;

	if (due) {
		hub->rung = false;
		hub->polled = now;
		follow_journal(hub);
	}
	if ((!due && TAILQ_EMPTY(&hub->work)) || look_begin(&look, hub->store, hub->journal, NULL) != FNR_OK)
		return;
	if (due)
		hub_feed(hub, &look);
	hub_work(hub, &look);
	look_end(&look);
}

static void turn_beat(struct hub *hub, int64_t now)
{
	struct stream *stream;

	if (now < hub->beat_at)
		return;
	hub->beat_at = now - hub->beat_at > 1000 ? now + 1000 : hub->beat_at + 1000;
	hub->beat = (hub->beat + 1) % BEATS;
	TAILQ_FOREACH(stream, &hub->beats[hub->beat], in_beat)
		if (stream->backlog.count == 0 && stream->phase != PHASE_ENDED)
			hub_send(hub, stream, message_hold(hub->comment));
}

static void check_viewer(struct hub *hub, struct viewer *viewer, struct store_txn *txn)
{
	bool valid = viewer_check(viewer, txn, hub->conf);
	struct stream *stream;

	TAILQ_FOREACH(stream, &viewer->streams, of_viewer)
		if (stream->phase != PHASE_ENDED && (!valid || (stream->kind != STREAM_WIDE && !access_project(&viewer->access, stream->project))))
			hub_drop_stream(hub, stream, "its key may not read it any more");
}

static void turn_keys(struct hub *hub, int64_t now)
{
	struct store_txn *txn;
	struct viewer *viewer;

	if (now < hub->keys_at)
		return;
	hub->keys_at = now + KEYS_MS;
	txn = TAILQ_EMPTY(&hub->viewers) ? NULL : store_read(hub->store, NULL);
	if (!txn)
		return;
	TAILQ_FOREACH(viewer, &hub->viewers, entry)
		check_viewer(hub, viewer, txn);
	store_read_end(txn);
}

static void turn_waits(struct hub *hub, int64_t now)
{
	struct stream *stream;

	if (!hub->deadline || now < hub->deadline)
		return;
	hub->deadline = 0;
	TAILQ_FOREACH(stream, &hub->waits, in_beat) {
		if (stream->phase == PHASE_ENDED)
			continue;
		if (stream->deadline <= now)
			hub_end_stream(hub, stream);
		else if (!hub->deadline || stream->deadline < hub->deadline)
			hub->deadline = stream->deadline;
	}
}

void hub_ring(struct hub *hub)
{
	hub->rung = true;
}

void hub_turn(struct hub *hub, int64_t now)
{
	hub->turn++;
	hub->turned = now;
	turn_journal(hub, now);
	turn_beat(hub, now);
	turn_keys(hub, now);
	turn_waits(hub, now);
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t hub_next(const struct hub *hub, int64_t now)
{
	int64_t at = hub->polled + (hub->rung ? pace(hub) : POLL_MS);

	if (hub->more || !TAILQ_EMPTY(&hub->work))
		return 0;
	at = sooner(at, sooner(hub->beat_at, hub->keys_at));
	if (hub->deadline)
		at = sooner(at, hub->deadline);
	return at <= now ? 0 : sooner(at - now, POLL_MS);
}

size_t hub_count(const struct hub *hub)
{
	return hub->count;
}

void hub_end_all(struct hub *hub)
{
	struct stream *stream;

	hub->ending = true;
	TAILQ_FOREACH(stream, &hub->all, of_hub)
		if (stream->phase != PHASE_ENDED)
			hub_end_stream(hub, stream);
}

void hub_configure(struct hub *hub, const struct fnr_conf *conf)
{
	hub->conf = conf;
	hub->keys_at = 0;
}

int hub_open(struct hub **hub_r, const struct fnr_conf *conf, hub_wake *wake, struct fnr_error *err)
{
	struct hub *hub = fnr_alloc(sizeof *hub);
	int code = store_open(&hub->store, false, err);

	if (code != FNR_OK) {
		free(hub);
		return code;
	}
	hub->conf = conf;
	hub->wake = wake;
	hub->comment = message_raw(": keep-alive\n\n");
	hub->retry = message_raw("retry: 1000\n\n");
	TAILQ_INIT(&hub->viewers);
	TAILQ_INIT(&hub->all);
	TAILQ_INIT(&hub->work);
	TAILQ_INIT(&hub->waits);
	for (unsigned i = 0; i < BEATS; i++)
		TAILQ_INIT(&hub->beats[i]);
	hub->beat_at = fnr_mono_ms() + 1000;
	hub->turned = fnr_mono_ms();
	follow_journal(hub);
	*hub_r = hub;
	return FNR_OK;
}

void hub_close(struct hub *hub)
{
	if (!hub)
		return;
	topics_free(&hub->topics);
	message_drop(hub->comment);
	message_drop(hub->retry);
	journal_close(hub->journal);
	store_close(hub->store);
	free(hub);
}
