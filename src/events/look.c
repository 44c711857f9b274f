#include "events/look.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "http/view.h"

int look_begin(struct look *look, struct store *store, struct journal *journal, struct fnr_error *err)
{
	memset(look, 0, sizeof *look);
	if (journal) {
		look->journal = journal_read(journal, err);
		if (!look->journal)
			return FNR_E_UNAVAILABLE;
		look->last = journal_last_number(look->journal);
		look->first = journal_first_number(look->journal);
		look->broken = journal_last_break(look->journal);
	}
	look->store = store_read(store, err);
	if (look->store)
		return FNR_OK;
	look_end(look);
	return FNR_E_UNAVAILABLE;
}

void look_end(struct look *look)
{
	store_read_end(look->store);
	journal_end(look->journal);
	memset(look, 0, sizeof *look);
}

bool look_misses(const struct look *look, uint64_t number)
{
	if (!look->journal || number > look->last || number < look->broken)
		return true;
	return look->first && number + 1 < look->first;
}

static int load_job(struct subject *subject, const struct look *look, const struct fnr_id *id)
{
	int code = store_job_get(look->store, id, &subject->job);

	subject->project = subject->job.project;
	subject->terminal = code == FNR_OK && fnr_state_terminal(subject->job.state);
	subject->event = subject->job.event;
	return code;
}

static int load_batch(struct subject *subject, const struct look *look, const struct fnr_id *id)
{
	int code = store_batch_get(look->store, id, &subject->batch);

	subject->project = subject->batch.project;
	subject->event = subject->batch.event;
	subject->terminal = code == FNR_OK;
	for (int state = 0; state < FNR_STATE_COUNT; state++)
		if (subject->batch.state[state] && !fnr_state_terminal(state))
			subject->terminal = false;
	return code;
}

int subject_load(struct subject *subject, const struct look *look, enum stream_kind kind, const struct fnr_id *id,
                 struct fnr_error *err)
{
	char text[FNR_ID_TEXT];
	int code = FNR_OK;

	memset(subject, 0, sizeof *subject);
	if (kind == STREAM_JOB || kind == STREAM_WAIT)
		code = load_job(subject, look, id);
	else if (kind == STREAM_BATCH)
		code = load_batch(subject, look, id);
	if (code == FNR_OK)
		return FNR_OK;
	if (code == FNR_E_NOT_FOUND)
		return fnr_fail(err, code, "there is no %s %s", kind == STREAM_BATCH ? "batch" : "job", fnr_id_format(id, text));
	return fnr_fail(err, code, "the record of %s cannot be read; run 'fnr check'", fnr_id_format(id, text));
}

static struct json_object *counts_make(const uint64_t *counts)
{
	struct json_object *object = json_object_new_object();

	for (int state = 0; state < FNR_STATE_COUNT; state++)
		fnr_json_set_int(object, fnr_state_name(state), (int64_t)counts[state]);
	return object;
}

/* Counts are kept for the whole system and for each batch; for a project or a node they would have to be counted, and
 * what a key limited to projects may not see it shall not count either: then there are none. */
static struct json_object *wide_counts(const struct look *look, const struct stream *stream)
{
	const struct filter *filter = stream->filter;
	struct store_counters counters;
	struct batch batch;

	if (filter->has_batch) {
		if (store_batch_get(look->store, &filter->batch, &batch) != FNR_OK || !access_project(&stream->viewer->access, batch.project))
			return json_object_new_object();
		for (int state = 0; state < FNR_STATE_COUNT; state++)
			counters.state[state] = batch.state[state];
		return counts_make(counters.state);
	}
	if (!stream->viewer->access.all_projects || filter->project[0] || filter->has_node)
		return json_object_new_object();
	store_counters_get(look->store, &counters);
	return counts_make(counters.state);
}

static struct json_object *snapshot_object(const struct look *look, const struct stream *stream, const struct subject *subject,
                                           struct fnr_error *err)
{
	struct json_object *object;
	char id[FNR_ID_TEXT];

	if (stream->kind == STREAM_WIDE) {
		object = json_object_new_object();
		fnr_json_set(object, "counts", wide_counts(look, stream));
		return object;
	}
	if (stream->kind == STREAM_BATCH)
		object = view_batch(look->store, look->journal, &subject->batch);
	else
		object = view_job(look->store, look->journal, &subject->job, false, err);
	if (object)
		fnr_json_set_text(object, stream->kind == STREAM_BATCH ? "batch" : "job", fnr_id_format(&stream->id, id));
	return object;
}

struct message *snapshot_make(const struct look *look, const struct stream *stream, const struct subject *subject,
                              struct fnr_error *err)
{
	uint64_t number = subject->terminal && subject->event > look->last ? subject->event : look->last;
	struct json_object *object = snapshot_object(look, stream, subject, err);
	struct message *message;
	const char *text;
	size_t len;

	if (!object)
		return NULL;
	fnr_json_set_int(object, "seq", (int64_t)number);
	fnr_json_set_time(object, "time", fnr_now_ms());
	text = fnr_json_text(object, &len);
	message = message_make(number, "snapshot", text, len);
	json_object_put(object);
	return message;
}

struct message *gap_make(void)
{
	char time[FNR_TIME_SIZE], text[FNR_TIME_SIZE + 16];
	int len = snprintf(text, sizeof text, "{\"time\":\"%s\"}", fnr_time_format(fnr_now_ms(), time));

	return message_make(MESSAGE_NO_ID, "gap", text, (size_t)len);
}
