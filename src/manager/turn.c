#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "base/text.h"
#include "manager/manager.h"
#include "manager/render.h"

#define NUMBERS_BLOCK 1000000
#define TEXT_KEPT (256u << 10)              /* of the turn's text; what a burst needed is given back */
#define NUMBERS_LEAST (NUMBERS_BLOCK / 4)   /* fewer at hand: the next transaction reserves more */

void turn_check(struct manager *manager, int code, const struct fnr_error *err, const char *what)
{
	if (code != FNR_OK)
		manager_fail(manager, what, err);
}

/* ---- numbers ---- */

static void numbers_reserve(struct manager *manager)
{
	struct fnr_error err = FNR_ERROR_INIT;
	uint64_t first;

	if (manager->number_end - manager->number >= NUMBERS_LEAST)
		return;
	first = store_events_reserve(manager->turn.txn, NUMBERS_BLOCK, &err);
	if (!first)
		manager_fail(manager, "no event numbers can be reserved", &err);
	if (first != manager->number_end) /* not behind the last block: what is left of that is never used */
		manager->number = first;
	manager->number_end = first + NUMBERS_BLOCK;
	manager->numbers_wanted = false;
}

uint64_t event_number(struct manager *manager)
{
	if (manager->number == manager->number_end && manager->turn.txn)
		numbers_reserve(manager);
	if (manager->number == manager->number_end) {
		manager->numbers_wanted = true;
		return 0;
	}
	return manager->number++;
}

/* ---- notes ---- */

static struct note *note_add(struct manager *manager, enum note_kind kind)
{
	struct turn *turn = &manager->turn;
	struct note *note;

	if (turn->note_count == turn->note_size) {
		turn->note_size = turn->note_size ? turn->note_size * 2 : 64;
		turn->notes = fnr_realloc(turn->notes, turn->note_size * sizeof *turn->notes);
	}
	note = &turn->notes[turn->note_count++];
	*note = (struct note){ .kind = kind, .begin = turn->text.len, .end = turn->text.len };
	return note;
}

struct fnr_buf *event_begin(struct manager *manager, enum fnr_event type, const struct job_head *head,
                            struct json_object *summary, uint64_t *number_r)
{
	struct json_object *metadata = fnr_json_get(summary, "metadata");
	struct fnr_buf *out = &manager->turn.text;
	uint64_t number = event_number(manager);
	struct note *note;

	if (!number)
		return NULL;
	note = note_add(manager, NOTE_EVENT);
	note->type = type;
	note->number = number;
	note->job = head->id;
	note->batch = head->batch;
	note->project = head->project;
	fnr_buf_puts(out, "{\"seq\":");
	render_int(out, (int64_t)number);
	member_time(out, "time", manager->turn.now);
	member_id(out, "job", &head->id);
	member_id(out, "batch", &head->batch);
	member_text(out, "project", fnr_json_get_text(summary, "project", NULL));
	member_text(out, "node_id", fnr_json_get_text(summary, "node_id", NULL));
	if (metadata && type != FNR_EVENT_JOB_PROGRESS && type != FNR_EVENT_JOB_LOG && type != FNR_EVENT_JOB_PREVIEW)
		member_json(out, "metadata", fnr_json_text(metadata, NULL));
	member_text(out, "state", fnr_state_name(head->state));
	member_int(out, "attempt", head->attempt);
	if (number_r)
		*number_r = number;
	return out;
}

struct fnr_buf *event_begin_batch(struct manager *manager, const struct batch *batch, uint64_t *number_r)
{
	struct fnr_buf *out = &manager->turn.text;
	uint64_t number = event_number(manager);
	struct note *note;

	if (!number)
		return NULL;
	note = note_add(manager, NOTE_EVENT);
	note->type = FNR_EVENT_BATCH_PROGRESS;
	note->number = number;
	note->batch = batch->id;
	note->project = batch->project;
	fnr_buf_puts(out, "{\"seq\":");
	render_int(out, (int64_t)number);
	member_time(out, "time", manager->turn.now);
	member_id(out, "batch", &batch->id);
	*number_r = number;
	return out;
}

struct fnr_buf *event_begin_named(struct manager *manager, enum fnr_event type, const char *member, const char *name)
{
	struct fnr_buf *out = &manager->turn.text;
	uint64_t number = event_number(manager);
	struct note *note;

	if (!number)
		return NULL;
	note = note_add(manager, NOTE_EVENT);
	note->type = type;
	note->number = number;
	fnr_buf_puts(out, "{\"seq\":");
	render_int(out, (int64_t)number);
	member_time(out, "time", manager->turn.now);
	member_text(out, member, name);
	return out;
}

void event_of_project(struct manager *manager, uint32_t project)
{
	manager->turn.notes[manager->turn.note_count - 1].project = project;
}

void event_of_batch(struct manager *manager, const struct fnr_id *batch)
{
	manager->turn.notes[manager->turn.note_count - 1].batch = *batch;
}

void event_end(struct manager *manager)
{
	struct turn *turn = &manager->turn;

	fnr_buf_puts(&turn->text, "}");
	turn->notes[turn->note_count - 1].end = turn->text.len;
}

void event_end_log(struct manager *manager, const char *level, const char *text)
{
	struct turn *turn = &manager->turn;
	struct note *note = &turn->notes[turn->note_count - 1];

	note->kind = NOTE_LOG;
	note->end = turn->text.len;
	note->text = fnr_strdup(text);
	fnr_text_copy(note->level, sizeof note->level, level);
}

void note_break(struct manager *manager)
{
	uint64_t number = event_number(manager);
	struct note *note;

	if (!number)
		return;
	note = note_add(manager, NOTE_EVENT);
	note->type = FNR_EVENT_BREAK;
	note->number = number;
	fnr_buf_puts(&manager->turn.text, "{\"seq\":");
	render_int(&manager->turn.text, (int64_t)number);
	member_time(&manager->turn.text, "time", manager->turn.now);
	event_end(manager);
}

void note_preview(struct manager *manager, const struct fnr_id *job, const char *media_type, void *data, size_t len)
{
	struct note *note = note_add(manager, NOTE_PREVIEW);

	note->job = *job;
	note->media_type = fnr_strdup(media_type);
	note->data = data;
	note->data_len = len;
}

/* Attempt and state are the journal's own: by them a reader knows whether the progress still counts (http/view.c). */
void note_progress(struct manager *manager, const struct task *task, enum fnr_state state)
{
	struct fnr_buf *out = &manager->turn.text;
	struct note *note = note_add(manager, NOTE_PROGRESS);
	size_t brace;

	note->job = task->job;
	fnr_buf_puts(out, "{\"attempt\":");
	render_int(out, task->attempt);
	member_text(out, "state", fnr_state_name(state));
	brace = out->len;
	progress_render(out, &task->progress, state);
	out->data[brace] = ',';
	fnr_buf_add(out, "", 1);
	manager->turn.notes[manager->turn.note_count - 1].end = out->len - 1;
}

/* ---- the journal ---- */

/* A log event gets its line's number only now. */
static int put_log(struct journal_txn *txn, struct turn *turn, const struct note *note, struct fnr_error *err)
{
	struct fnr_buf data = FNR_BUF_INIT;
	struct journal_event event = { .number = note->number, .type = note->type, .job = note->job, .batch = note->batch,
	                               .project = note->project, .time = turn->now };
	uint64_t n = 0;
	int code = journal_log_add(txn, &note->job, turn->now, note->level, note->text, &n, err);

	if (code != FNR_OK)
		return code;
	fnr_buf_add(&data, turn->text.data + note->begin, note->end - note->begin);
	fnr_buf_puts(&data, ",\"log\":{\"n\":");
	render_int(&data, (int64_t)n);
	member_time(&data, "time", turn->now);
	member_text(&data, "level", note->level);
	member_text(&data, "text", note->text);
	fnr_buf_puts(&data, "}}");
	event.data = data.data;
	event.data_len = data.len;
	code = journal_event_add(txn, &event, err);
	fnr_buf_free(&data);
	return code;
}

static int put_event(struct journal_txn *txn, struct turn *turn, const struct note *note, struct fnr_error *err)
{
	struct journal_event event = { .number = note->number, .type = note->type, .job = note->job, .batch = note->batch,
	                               .project = note->project, .time = turn->now, .data = turn->text.data + note->begin,
	                               .data_len = note->end - note->begin };

	return journal_event_add(txn, &event, err);
}

static int put_note(struct journal_txn *txn, struct turn *turn, const struct note *note, struct fnr_error *err)
{
	switch (note->kind) {
	case NOTE_EVENT: return put_event(txn, turn, note, err);
	case NOTE_LOG: return put_log(txn, turn, note, err);
	case NOTE_PREVIEW: return journal_preview_put(txn, &note->job, note->media_type, note->data, note->data_len, err);
	case NOTE_PROGRESS: return journal_progress_put(txn, &note->job, turn->text.data + note->begin, err);
	}
	return FNR_OK;
}

static int put_seen(struct journal_txn *txn, const struct fnr_id *seen, struct fnr_error *err)
{
	uint64_t half[2] = { 0, 0 };
	int code;

	for (int i = 0; i < 16; i++)
		half[i / 8] = half[i / 8] << 8 | seen->bytes[i];
	code = journal_meta_put(txn, "seen_high", half[0], err);
	return code == FNR_OK ? journal_meta_put(txn, "seen_low", half[1], err) : code;
}

/* The journal may be lost without harm, so a failure is told and survived: streams begin anew at a break. */
static void journal_failed(struct manager *manager, struct journal_txn *txn, struct fnr_error *err)
{
	if (!manager->journal_gap)
		fnr_err(NULL, "events cannot be written to the journal: %s", err->message);
	manager->journal_gap = true;
	journal_end(txn);
	fnr_error_clear(err);
}

static void write_journal(struct manager *manager)
{
	struct turn *turn = &manager->turn;
	struct fnr_error err = FNR_ERROR_INIT;
	struct journal_txn *txn;
	bool gap = manager->journal_gap;

	if (!turn->note_count && !gap)      /* a gap is closed as soon as that is possible: somebody may wait for what fell into it */
		return;
	if (gap)
		note_break(manager);
	txn = journal_write(manager->journal, &err);
	if (!txn || put_seen(txn, &manager->seen, &err) != FNR_OK) {
		journal_failed(manager, txn, &err);
		return;
	}
	for (size_t i = 0; i < turn->note_count; i++) {
		if (put_note(txn, turn, &turn->notes[i], &err) == FNR_OK)
			continue;
		journal_failed(manager, txn, &err);
		return;
	}
	if (journal_commit(txn, &err) != FNR_OK) {
		journal_failed(manager, NULL, &err);
		return;
	}
	manager->journal_gap = false;
	fnr_bell_ring(FNR_BELL_EVENTS);
}

/* ---- the turn ---- */

void turn_begin(struct manager *manager)
{
	struct turn *turn = &manager->turn;

	turn->now = fnr_now_ms();
	turn->mono = fnr_mono_ms();
	turn->txn = NULL;
	turn->moves = 0;
	clock_look(manager);
}

void turn_write(struct manager *manager)
{
	struct fnr_error err = FNR_ERROR_INIT;

	if (manager->turn.txn)
		return;
	manager->turn.txn = store_write(manager->store, &err);
	if (!manager->turn.txn)
		manager_fail(manager, "the store cannot be written", &err);
	/* Waiting for the committer takes its time; what happens from now on happens now. */
	manager->turn.now = fnr_now_ms();
	manager->turn.mono = fnr_mono_ms();
}

bool turn_room(struct manager *manager)
{
	bool room = store_room(manager->store) >= STORE_RESERVE_LEAST;

	if (room == manager->no_room)
		fnr_log(room ? FNR_LOG_INFO : FNR_LOG_ERROR, NULL, "event=%s", room ? "store.room: there is room on the disk again; everything goes on" :
		        "store.full: the disk of the store is full; nothing is started or finished until there is room");
	manager->no_room = !room;
	return room;
}

void turn_log(struct manager *manager, bool debug, const char *id, const char *format, ...)
{
	struct fnr_buf *line = &manager->turn.line;
	va_list args;

	if (debug && !manager->verbose)
		return;
	fnr_buf_add(line, debug ? "d" : "i", 1);
	fnr_buf_printf(line, "job=%s", id);
	fnr_buf_add(line, "", 1);
	va_start(args, format);
	fnr_buf_vprintf(line, format, args);
	va_end(args);
	fnr_buf_add(line, "", 1);
}

static void write_log(struct turn *turn)
{
	for (size_t at = 0; at < turn->line.len;) {
		const char *id = turn->line.data + at + 1, *text = id + strlen(id) + 1;

		/* The format names a first pair, so that the line's own pairs are not quoted as one sentence. */
		fnr_log(turn->line.data[at] == 'd' ? FNR_LOG_DEBUG : FNR_LOG_INFO, id, "event=%s", text);
		at += strlen(id) + strlen(text) + 3;
	}
}

/* What has ended is on disk now: what workers noted of it is needed no more. */
static void forget_ended(struct manager *manager)
{
	struct turn *turn = &manager->turn;

	for (size_t i = 0; i < manager->pool.count; i++)
		manager->pool.workers[i]->note_needed = false;
	for (size_t at = 0; at < turn->ended.len; at += strlen(turn->ended.data + at) + 1)
		begun_forget(turn->ended.data + at);
	fnr_buf_reset(&turn->ended);
}

static void forget(struct turn *turn)
{
	for (size_t i = 0; i < turn->note_count; i++) {
		free(turn->notes[i].media_type);
		free(turn->notes[i].text);
		free(turn->notes[i].data);
	}
	turn->note_count = 0;
	if (turn->text.size > TEXT_KEPT)
		fnr_buf_free(&turn->text);
	fnr_buf_reset(&turn->text);
	fnr_buf_reset(&turn->line);
}

void turn_end(struct manager *manager)
{
	struct turn *turn = &manager->turn;
	struct fnr_error err = FNR_ERROR_INIT;

	if (turn->txn) {
		struct store_counters counters;

		numbers_reserve(manager);
		statistics_store(manager);
		store_counters_get(turn->txn, &counters);
		manager->queued = counters.state[FNR_STATE_QUEUED];
		manager->next_due = store_next_due(turn->txn);
		turn_check(manager, store_commit(turn->txn, &err), &err, "the store cannot be written");
		turn->txn = NULL;
	}
	finish_tell(manager);
	pool_flush(&manager->pool);
	write_journal(manager);
	write_log(turn);
	forget_ended(manager);
	forget(turn);
}
