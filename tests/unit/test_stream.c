/* The parts of fnr-events that do no I/O: messages, the backlog of a stream, the index of listeners, filters. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "events/backlog.h"
#include "events/filter.h"
#include "events/message.h"
#include "events/topics.h"

static struct fnr_id id_of(unsigned number)
{
	struct fnr_id id = { { 1 } };

	memcpy(id.bytes + 12, &number, sizeof number);
	return id;
}

static struct message *event_of(unsigned job, uint64_t number, bool progress)
{
	struct message *message = message_make(number, progress ? "job.progress" : "job.log", "{}", 2);

	message->job = id_of(job);
	message->progress = progress;
	message->counted = true;
	return message;
}

/* Reads everything in pieces of the given size; the caller frees it. */
static char *drain(struct backlog *backlog, size_t piece)
{
	struct fnr_buf text = FNR_BUF_INIT;
	char part[4096];
	size_t len;

	while ((len = backlog_read(backlog, part, piece)) > 0)
		fnr_buf_add(&text, part, len);
	return fnr_buf_take(&text);
}

static size_t count_of(const char *text, const char *part)
{
	size_t count = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		count++;
	return count;
}

Test(message, has_id_name_and_data)
{
	struct message *message = message_make(42, "job.started", "{\"seq\":42}", 10);

	cr_assert_eq(message->len, strlen("id: 42\nevent: job.started\ndata: {\"seq\":42}\n\n"));
	cr_assert(memcmp(message->text, "id: 42\nevent: job.started\ndata: {\"seq\":42}\n\n", message->len) == 0);
	message_drop(message);
}

Test(message, zero_is_an_id_and_a_gap_has_none)
{
	struct message *zero = message_make(0, "snapshot", "{}", 2), *none = message_make(MESSAGE_NO_ID, "gap", "{}", 2);

	cr_assert(memcmp(zero->text, "id: 0\nevent: snapshot\n", 22) == 0);
	cr_assert(memcmp(none->text, "event: gap\ndata: {}\n\n", none->len) == 0);
	message_drop(zero);
	message_drop(none);
}

Test(message, line_ends_in_data_cannot_forge_fields)
{
	struct message *message = message_make(1, "job.log", "a\nid: 9\r\n", 9);

	cr_assert(memcmp(message->text, "id: 1\nevent: job.log\ndata: a\ndata: id: 9\ndata: \ndata: \n\n", message->len) == 0);
	message_drop(message);
}

Test(message, is_shared_until_the_last_holder_drops_it)
{
	struct message *message = message_raw(": x\n\n");
	struct backlog a = BACKLOG_INIT, b = BACKLOG_INIT;
	char *text;

	cr_assert(backlog_add(&a, message_hold(message)));
	cr_assert(backlog_add(&b, message_hold(message)));
	cr_assert_eq(message->refs, 3);
	message_drop(message);
	backlog_free(&a);
	text = drain(&b, 2);
	cr_assert_str_eq(text, ": x\n\n");
	free(text);
	backlog_free(&b);
}

Test(backlog, keeps_order_in_pieces_of_any_size)
{
	for (size_t piece = 1; piece < 70; piece += 7) {
		struct backlog backlog = BACKLOG_INIT;
		char *text, *at;

		for (unsigned i = 1; i <= 100; i++)
			cr_assert(backlog_add(&backlog, event_of(i, i, i % 2)));
		text = drain(&backlog, piece);
		at = text;
		for (unsigned i = 1; i <= 100; i++) {
			char line[32];

			snprintf(line, sizeof line, "id: %u\n", i);
			cr_assert(strncmp(at, line, strlen(line)) == 0, "message %u is missing", i);
			at = strstr(at, "\n\n") + 2;
		}
		cr_assert_eq(*at, '\0');
		cr_assert_eq(backlog.bytes, 0);
		cr_assert_null(backlog.ring, "a large ring is given back when it is empty");
		free(text);
	}
}

Test(backlog, reader_that_keeps_up_gets_every_progress)
{
	struct backlog backlog = BACKLOG_INIT;
	char *text;

	for (unsigned i = 1; i <= BACKLOG_MOST; i++)
		cr_assert(backlog_add(&backlog, event_of(1, i, true)));
	text = drain(&backlog, 4096);
	cr_assert_eq(count_of(text, "job.progress"), BACKLOG_MOST);
	free(text);
}

Test(backlog, full_one_keeps_the_last_progress_of_each_job)
{
	struct backlog backlog = BACKLOG_INIT;
	char *text;

	cr_assert(backlog_add(&backlog, event_of(9, 1, false)));
	for (unsigned i = 2; i <= 5 * BACKLOG_MOST; i++)
		cr_assert(backlog_add(&backlog, event_of(i % 3, i, true)), "message %u does not fit", i);
	cr_assert_leq(backlog.count, BACKLOG_MOST);
	text = drain(&backlog, 4096);
	cr_assert(strncmp(text, "id: 1\n", 6) == 0, "what is no progress stays");
	for (unsigned i = 5 * BACKLOG_MOST - 2; i <= 5 * BACKLOG_MOST; i++) {
		char line[32];

		snprintf(line, sizeof line, "id: %u\n", i);
		cr_assert_not_null(strstr(text, line), "the last progress of job %u is gone", i % 3);
	}
	free(text);
}

Test(backlog, a_message_that_is_partly_sent_is_finished)
{
	struct backlog backlog = BACKLOG_INIT;
	char part[4], *text;

	for (unsigned i = 1; i <= BACKLOG_MOST; i++)
		cr_assert(backlog_add(&backlog, event_of(1, i, true)));
	cr_assert_eq(backlog_read(&backlog, part, sizeof part), sizeof part);
	cr_assert(backlog_add(&backlog, event_of(1, BACKLOG_MOST + 1, true)));
	cr_assert_eq(backlog.count, 3, "the first, the last of the walk, and the new one, not %u", backlog.count);
	text = drain(&backlog, 4096);
	cr_assert(strncmp(text, "1\nevent: job.progress\n", 22) == 0);
	free(text);
}

Test(backlog, one_that_cannot_be_thinned_out_is_given_up)
{
	struct backlog backlog = BACKLOG_INIT;
	char part[2], *text;
	unsigned i = 0;

	while (backlog_add(&backlog, event_of(1, ++i, false)))
		cr_assert_leq(i, BACKLOG_MOST);
	cr_assert_eq(i, BACKLOG_MOST + 1);
	backlog_read(&backlog, part, sizeof part);
	backlog_cut(&backlog);
	text = drain(&backlog, 4096);
	cr_assert_str_eq(text, ": 1\nevent: job.log\ndata: {}\n\n", "only the one that was begun is left");
	free(text);
	cr_assert(backlog_add(&backlog, event_of(1, 1, false)));
	backlog_cut(&backlog);
	cr_assert_eq(backlog.count, 0);
	backlog_free(&backlog);
}

Test(backlog, bytes_are_bounded_but_a_large_snapshot_passes)
{
	size_t len = 1 << 20;
	char *large = fnr_alloc(12 * len);
	struct backlog backlog = BACKLOG_INIT;
	int fits = 0;

	memset(large, 'x', 12 * len);
	cr_assert(backlog_add(&backlog, message_make(1, "snapshot", large, 12 * len)));
	cr_assert(backlog_add(&backlog, event_of(1, 2, false)));
	for (;; fits++) {
		struct message *message = message_make(3, "job.log", large, len);

		message->counted = true;
		if (!backlog_add(&backlog, message))
			break;
	}
	cr_assert_eq(fits, 4);
	backlog_free(&backlog);
	free(large);
}

struct listener { struct topic_link link; unsigned number; };

Test(topics, an_event_finds_its_listeners_only)
{
	enum { JOBS = 5000 };
	struct topics topics = TOPICS_INIT;
	struct listener *listeners = fnr_alloc(2 * JOBS * sizeof *listeners);
	struct topic_link *link;

	for (unsigned i = 0; i < 2 * JOBS; i++) {
		struct fnr_id id = id_of(i % JOBS);

		listeners[i].number = i;
		topics_join(&topics, topic_job(&id), &listeners[i].link);
	}
	for (unsigned i = 0; i < JOBS; i++) {
		struct fnr_id id = id_of(i);
		unsigned seen = 0;

		for (link = topics_first(&topics, topic_job(&id)); link; link = link->next, seen++)
			cr_assert_eq(((struct listener *)link)->number % JOBS, i);
		cr_assert_eq(seen, 2);
		cr_assert_null(topics_first(&topics, topic_batch(&id)), "a batch of the same id is another topic");
	}
	for (unsigned i = 0; i < 2 * JOBS; i++)
		topics_leave(&topics, &listeners[i].link);
	cr_assert_eq(topics.count, 0);
	topics_free(&topics);
	free(listeners);
}

Test(topics, leaving_from_anywhere_keeps_the_others)
{
	struct topics topics = TOPICS_INIT;
	struct topic_link links[3] = { { 0 } };

	for (int i = 0; i < 3; i++)
		topics_join(&topics, topic_project(7), &links[i]);
	topics_leave(&topics, &links[1]);
	topics_leave(&topics, &links[1]);
	cr_assert_eq(topics_first(&topics, topic_project(7)), &links[2]);
	cr_assert_eq(links[2].next, &links[0]);
	cr_assert_null(links[0].next);
	topics_join(&topics, topic_all(), &links[1]);
	cr_assert_eq(topics_first(&topics, topic_all()), &links[1]);
	cr_assert_null(topics_first(&topics, topic_project(8)));
	for (int i = 0; i < 3; i++)
		topics_leave(&topics, &links[i]);
	topics_free(&topics);
}

static bool lets(const struct filter *filter, enum fnr_event type, uint32_t project, const char *data)
{
	struct journal_event event = { .number = 1, .type = type, .project = project, .data = data, .data_len = strlen(data) };
	struct filter_look look = { .event = &event };
	bool result = filter_lets(filter, &look);

	filter_look_end(&look);
	return result;
}

Test(filter, lets_through_what_is_asked_for)
{
	struct filter *filter = filter_make();

	cr_assert(lets(filter, FNR_EVENT_ALERT_RAISED, 0, "{}"));
	cr_assert_eq(filter_set(filter, "types", "job.completed,job.failed,snapshot", NULL), FNR_OK);
	cr_assert(lets(filter, FNR_EVENT_JOB_FAILED, 0, "{}"));
	cr_assert_not(lets(filter, FNR_EVENT_JOB_QUEUED, 0, "{}"));
	cr_assert_eq(filter_set(filter, "node_id", "n7", NULL), FNR_OK);
	cr_assert(lets(filter, FNR_EVENT_JOB_FAILED, 0, "{\"node_id\":\"n7\"}"));
	cr_assert_not(lets(filter, FNR_EVENT_JOB_FAILED, 0, "{\"node_id\":\"n70\"}"));
	cr_assert_not(lets(filter, FNR_EVENT_JOB_FAILED, 0, "{\"node_id\":null}"));
	cr_assert_eq(filter_set(filter, "project", "demo", NULL), FNR_OK);
	cr_assert_not(lets(filter, FNR_EVENT_JOB_FAILED, 3, "{\"node_id\":\"n7\"}"), "a project without a number has no events yet");
	filter->project_number = 3;
	cr_assert(lets(filter, FNR_EVENT_JOB_FAILED, 3, "{\"node_id\":\"n7\"}"));
	cr_assert_not(lets(filter, FNR_EVENT_JOB_FAILED, 4, "{\"node_id\":\"n7\"}"));
	free(filter);
}

Test(filter, refuses_what_it_does_not_know_and_names_the_nearest)
{
	static const struct { const char *name, *value, *says; } cases[] = {
		{ "types", "job.complete", "job.complete" }, { "types", "break", "break" }, { "batch", "7", "batch" },
		{ "project", "../x", "project" }, { "projekt", "demo", "project" }, { "limit", "5", "limit" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct filter *filter = filter_make();
		struct fnr_error err = FNR_ERROR_INIT;

		cr_assert_eq(filter_set(filter, cases[i].name, cases[i].value, &err), FNR_E_INVALID, "%s=%s", cases[i].name, cases[i].value);
		cr_assert_not_null(strstr(err.message, cases[i].says), "%s", err.message);
		cr_assert_not_null(err.errors);
		cr_assert_eq(json_object_array_length(err.errors), 1);
		fnr_error_clear(&err);
		free(filter);
	}
}

Test(filter, knows_the_end_of_a_batch)
{
	struct journal_event event = { .type = FNR_EVENT_BATCH_PROGRESS, .data = "{\"state\":\"failed\"}", .data_len = 18 };
	struct filter_look look = { .event = &event };

	cr_assert(filter_batch_ended(&look));
	filter_look_end(&look);
	event.data = "{\"state\":\"running\"}";
	event.data_len = 19;
	cr_assert_not(filter_batch_ended(&look));
	filter_look_end(&look);
}
