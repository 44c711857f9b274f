/* fnr-events as a program: the test plays the manager (it writes the store and the journal and rings the bell) and the
 * clients (on the unix socket). Each test has its own data directory. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/sock.h"
#include "http/access.h"
#include "store/journal.h"
#include "store/ops.h"

#define WAIT_MS 60000

/* ---- the manager's side ---- */

static struct {
	char dir[64];
	pid_t pid;
	struct store *store;
	struct journal *journal;
	uint64_t number;             /* of the next event */
	char key[96], limited[96];   /* a key for everything, and one for the project "demo" */
	char limited_id[16];
} site;

static void must(int code, struct fnr_error *err)
{
	cr_assert_eq(code, FNR_OK, "%s", err->message);
}

static struct store_txn *begin(void)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn = store_write(site.store, &err);

	cr_assert_not_null(txn, "%s", err.message);
	return txn;
}

static void commit(struct store_txn *txn)
{
	struct fnr_error err = FNR_ERROR_INIT;

	must(store_commit(txn, &err), &err);
}

static void make_key(struct store_txn *txn, char text[96], char id[16], const char *projects)
{
	struct fnr_error err = FNR_ERROR_INIT;
	uint8_t hash[32];
	char *json;

	access_key_make(text, id, hash);
	json = fnr_asprintf("{\"id\":\"%s\",\"name\":\"test\",\"scopes\":[\"read\"],\"projects\":%s,\"revoked\":false}", id, projects);
	must(store_key_put(txn, hash, json, &err), &err);
	free(json);
}

/* A start of the manager: the journal is opened and a break is written. */
static void start_manager(void)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct journal_event broken = { .type = FNR_EVENT_BREAK, .time = fnr_now_ms(), .data = "{}", .data_len = 2 };
	struct store_txn *txn = begin();
	struct journal_txn *write;
	uint64_t generation;

	must(journal_open_writer(&site.journal, store_meta_get(txn, STORE_META_JOURNAL), &generation, &err), &err);
	must(store_meta_put(txn, STORE_META_JOURNAL, generation, &err), &err);
	site.number = store_events_reserve(txn, 1000000, &err);
	commit(txn);
	write = journal_write(site.journal, &err);
	broken.number = site.number++;
	must(journal_event_add(write, &broken, &err), &err);
	must(journal_commit(write, &err), &err);
	fnr_bell_ring(FNR_BELL_EVENTS);
}

static void start_program(void)
{
	struct stat st;

	strcpy(site.dir, "/tmp/fnr-events-XXXXXX");
	cr_assert_not_null(mkdtemp(site.dir));
	cr_assert_eq(chdir(site.dir), 0);
	mkdir("run", 0700);
	site.pid = fork();
	if (site.pid == 0) {
		execl(FNR_EVENTS_PROGRAM, "fnr-events", "--data", site.dir, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 6000 && stat(FNR_SOCK_EVENTS, &st) < 0; i++)
		usleep(10000);
	cr_assert_eq(stat(FNR_SOCK_EVENTS, &st), 0, "fnr-events does not listen");
}

static void start_bare(void)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn;
	char id[16];

	start_program();
	must(store_open(&site.store, true, &err), &err);
	txn = begin();
	make_key(txn, site.key, id, "null");
	make_key(txn, site.limited, site.limited_id, "[\"demo\"]");
	commit(txn);
}

static void start(void)
{
	start_bare();
	start_manager();
}

static void stop(void)
{
	struct fnr_error err = FNR_ERROR_INIT;
	int64_t before = fnr_mono_ms();
	int status = -1;

	kill(site.pid, SIGTERM);
	waitpid(site.pid, &status, 0);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "fnr-events ended with %x", status);
	cr_expect_lt(fnr_mono_ms() - before, WAIT_MS, "stopping took too long");
	journal_close(site.journal);
	store_close(site.store);
	cr_assert_eq(chdir("/"), 0);
	fnr_tree_remove(site.dir, &err);
}

static void submit(size_t count, const char *project, struct fnr_id *id_r)
{
	struct op_submit ask = { .is_batch = count > 1, .count = count };
	struct op_job job = { .summary = "{\"template\":\"noop\",\"version\":\"1.0.0\",\"node_id\":\"n7\"}", .payload = "{\"inputs\":{}}", .project = project,
		.shot = "", .template_ = "noop", .queue = "cpu", .key = "", .max_attempts = 4, .quality = FNR_QUALITY_STANDARD, .priority = 5 };
	struct op_limits limits = { 0 };
	struct fnr_buf bytes = FNR_BUF_INIT;
	struct store_txn *txn = begin();
	struct op_reply reply = { 0 };

	op_submit_begin(&bytes, &ask);
	for (size_t i = 0; i < count; i++)
		op_job_add(&bytes, &job);
	op_apply(txn, bytes.data, bytes.len, fnr_now_ms(), &limits, &reply);
	cr_assert_eq(reply.code, FNR_OK, "%s", reply.message);
	commit(txn);
	fnr_buf_free(&bytes);
	*id_r = reply.id;
}

static struct fnr_id submit_job(const char *project)
{
	struct fnr_id id;

	submit(1, project, &id);
	return id;
}

struct event { enum fnr_event type; struct fnr_id job, batch; uint32_t project; const char *more; };

/* Adds events in one transaction, as the manager does; returns the number of the last. */
static uint64_t emit(const struct event *events, size_t count)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct journal_txn *txn = journal_write(site.journal, &err);

	cr_assert_not_null(txn, "%s", err.message);
	for (size_t i = 0; i < count; i++) {
		struct journal_event event = { .number = site.number++, .type = events[i].type, .job = events[i].job, .batch = events[i].batch,
			.project = events[i].project, .time = fnr_now_ms() };
		char *data = fnr_asprintf("{\"seq\":%" PRIu64 "%s}", event.number, events[i].more ? events[i].more : "");

		event.data = data;
		event.data_len = strlen(data);
		must(journal_event_add(txn, &event, &err), &err);
		free(data);
	}
	must(journal_commit(txn, &err), &err);
	fnr_bell_ring(FNR_BELL_EVENTS);
	return site.number - 1;
}

static uint64_t emit_one(enum fnr_event type, const struct fnr_id *job, const char *more)
{
	struct event event = { .type = type, .job = *job, .more = more };

	return emit(&event, 1);
}

static void set_state(const struct fnr_id *id, enum fnr_state state)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn = begin();
	struct job_head head;

	cr_assert_eq(store_job_get(txn, id, &head), FNR_OK);
	head.state = (uint8_t)state;
	head.event = site.number;
	if (fnr_state_terminal(state))
		head.finished_at = fnr_now_ms();
	must(store_job_put(txn, &head, &err), &err);
	commit(txn);
}

/* The store first, then the journal. */
static uint64_t finish(const struct fnr_id *id)
{
	set_state(id, FNR_STATE_CANCELLED);
	return emit_one(FNR_EVENT_JOB_CANCELLED, id, NULL);
}

static uint32_t project_number(const char *name)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn = begin();
	uint32_t number = store_name_make(txn, STORE_PROJECT, name, &err);

	commit(txn);
	return number;
}

/* ---- the client's side ---- */

struct client { int fd; struct fnr_buf raw, body; bool chunked, eof, whole; };

static struct client ask(const char *method, const char *path, const char *headers, ...) __attribute__((format(printf, 3, 4)));
static struct client ask(const char *method, const char *path, const char *headers, ...)
{
	struct client client = { .fd = socket(AF_UNIX, SOCK_STREAM, 0) };
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = FNR_SOCK_EVENTS };
	struct fnr_buf request = FNR_BUF_INIT;
	va_list args;

	cr_assert_eq(connect(client.fd, (struct sockaddr *)&address, sizeof address), 0);
	fnr_buf_printf(&request, "%s %s HTTP/1.1\r\n", method, path);
	va_start(args, headers);
	fnr_buf_vprintf(&request, headers, args);
	va_end(args);
	fnr_buf_puts(&request, "\r\n");
	cr_assert(fnr_write_all(client.fd, request.data, request.len));
	fnr_buf_free(&request);
	return client;
}

#define USUAL "Host: localhost:8080\r\nAuthorization: Bearer %s\r\n"
#define RESUME USUAL "Last-Event-ID: %" PRIu64 "\r\n"

static struct client open_path(const char *path)
{
	return ask("GET", path, USUAL, site.key);
}

static void path_of(char out[128], const char *kind, const struct fnr_id *id)
{
	char text[FNR_ID_TEXT];

	snprintf(out, 128, "/api/v1/%s/%s/events", kind, fnr_id_format(id, text));
}

static struct client open_job(const struct fnr_id *id)
{
	char path[128];

	path_of(path, "jobs", id);
	return open_path(path);
}

static struct client resume_job(const struct fnr_id *id, uint64_t last)
{
	char path[128];

	path_of(path, "jobs", id);
	return ask("GET", path, RESUME, site.key, last);
}

/* Takes the body so far out of what was received. */
static void unchunk(struct client *client)
{
	char *at = client->raw.data ? strstr(client->raw.data, "\r\n\r\n") : NULL, *end = client->raw.data + client->raw.len;

	fnr_buf_reset(&client->body);
	fnr_buf_puts(&client->body, "");
	if (!at)
		return;
	client->chunked = strcasestr(client->raw.data, "Transfer-Encoding: chunked") != NULL;
	at += 4;
	if (!client->chunked) {
		fnr_buf_add(&client->body, at, (size_t)(end - at));
		return;
	}
	while (at < end && memchr(at, '\n', (size_t)(end - at))) {
		size_t len = strtoul(at, &at, 16), here;

		at += 2;
		client->whole = len == 0;
		here = (size_t)(end - at) < len ? (size_t)(end - at) : len;
		fnr_buf_add(&client->body, at, here);
		at += here + 2;
	}
}

static bool receive(struct client *client, int ms)
{
	struct pollfd poll_fd = { client->fd, POLLIN, 0 };
	ssize_t got;

	if (client->eof || poll(&poll_fd, 1, ms) <= 0)
		return false;
	got = read(client->fd, fnr_buf_room(&client->raw, 65536), 65536);
	if (got <= 0)
		client->eof = true;
	else
		client->raw.len += (size_t)got;
	if (client->raw.data)
		client->raw.data[client->raw.len] = '\0';
	unchunk(client);
	return got > 0;
}

static bool heard_within(struct client *client, const char *text, int ms)
{
	int64_t until = fnr_mono_ms() + ms;

	while (!client->raw.data || (!strstr(client->raw.data, text) && !strstr(client->body.data, text)))
		if (fnr_mono_ms() >= until || (!receive(client, 50) && client->eof))
			return false;
	return true;
}

static bool heard(struct client *client, const char *text)
{
	return heard_within(client, text, WAIT_MS);
}

static bool heard_id(struct client *client, uint64_t number)
{
	char text[40];

	snprintf(text, sizeof text, "id: %" PRIu64 "\n", number);
	return heard(client, text);
}

static bool ended_within(struct client *client, int ms)
{
	int64_t until = fnr_mono_ms() + ms;

	while (!client->eof && !client->whole && fnr_mono_ms() < until)
		receive(client, 50);
	return client->eof || client->whole;
}

static bool ended(struct client *client)
{
	return ended_within(client, WAIT_MS);
}

static size_t times(const struct client *client, const char *text)
{
	size_t count = 0;

	for (const char *at = client->body.data; at && (at = strstr(at, text)); at += strlen(text))
		count++;
	return count;
}

static void leave(struct client *client)
{
	close(client->fd);
	fnr_buf_free(&client->raw);
	fnr_buf_free(&client->body);
}

#define JOB_TEST(name) Test(events, name, .init = start, .fini = stop, .timeout = 600)

/* ---- one job ---- */

JOB_TEST(new_stream_has_a_snapshot_then_events_then_ends)
{
	struct fnr_id job = submit_job("demo"), other = submit_job("demo");
	uint64_t before = emit_one(FNR_EVENT_JOB_QUEUED, &job, NULL), last;
	struct client client = open_job(&job);

	cr_assert(heard(&client, "HTTP/1.1 200 "));
	cr_assert(heard(&client, "Content-Type: text/event-stream\r\n"));
	cr_assert(heard(&client, "Cache-Control: no-store, no-transform\r\n"));
	cr_assert(heard(&client, "X-Accel-Buffering: no\r\n"));
	cr_assert(heard(&client, "X-Content-Type-Options: nosniff\r\n"));
	cr_assert(heard(&client, "event: snapshot\ndata: {"));
	cr_assert(heard_id(&client, before), "the snapshot has the number of the last event");
	cr_assert_eq(times(&client, "retry: 1000\n\n"), 1);
	cr_assert(strncmp(client.body.data, "retry: 1000\n\n", 13) == 0);
	set_state(&job, FNR_STATE_RUNNING);
	emit_one(FNR_EVENT_JOB_STARTED, &job, NULL);
	emit_one(FNR_EVENT_JOB_STARTED, &other, ",\"other\":true");
	for (int i = 0; i < 50; i++)
		emit_one(FNR_EVENT_JOB_PROGRESS, &job, ",\"progress\":{}");
	last = finish(&job);
	cr_assert(heard_id(&client, last));
	cr_assert(ended(&client));
	cr_assert_eq(times(&client, "event: job.started\n"), 1);
	cr_assert_eq(times(&client, "event: job.progress\n"), 50, "a reader that keeps up misses nothing");
	cr_assert_eq(times(&client, "event: job.cancelled\n"), 1);
	cr_assert_eq(times(&client, "other"), 0);
	leave(&client);
}

JOB_TEST(resumed_stream_goes_on_with_the_next_event)
{
	struct fnr_id job = submit_job("demo");
	uint64_t first = emit_one(FNR_EVENT_JOB_QUEUED, &job, NULL), second = emit_one(FNR_EVENT_JOB_STARTED, &job, NULL), third;
	struct client client = resume_job(&job, first);

	cr_assert(heard_id(&client, second));
	third = emit_one(FNR_EVENT_JOB_LOG, &job, NULL);
	cr_assert(heard_id(&client, third));
	cr_assert_eq(times(&client, "snapshot"), 0);
	cr_assert_eq(times(&client, "gap"), 0);
	cr_assert_eq(times(&client, "job.queued"), 0);
	cr_assert_eq(times(&client, "job.started"), 1);
	leave(&client);
}

JOB_TEST(query_resumes_too_but_the_header_wins)
{
	struct fnr_id job = submit_job("demo");
	uint64_t first = emit_one(FNR_EVENT_JOB_QUEUED, &job, NULL), second = emit_one(FNR_EVENT_JOB_STARTED, &job, NULL), third;
	char path[128], full[200];
	struct client by_query, by_both;

	third = emit_one(FNR_EVENT_JOB_LOG, &job, NULL);
	path_of(path, "jobs", &job);
	snprintf(full, sizeof full, "%s?last_event_id=%" PRIu64, path, first);
	by_query = open_path(full);
	by_both = ask("GET", full, RESUME, site.key, second);
	cr_assert(heard_id(&by_query, third));
	cr_assert_eq(times(&by_query, "job.started"), 1);
	cr_assert(heard_id(&by_both, third));
	cr_assert_eq(times(&by_both, "job.started"), 0);
	leave(&by_query);
	leave(&by_both);
}

JOB_TEST(long_resume_gives_all_in_order)
{
	enum { COUNT = 5000 };
	struct event *events = fnr_alloc(COUNT * sizeof *events);
	struct fnr_id job = submit_job("demo");
	uint64_t first = emit_one(FNR_EVENT_JOB_QUEUED, &job, NULL), last;
	struct client client, wide;

	for (int i = 0; i < COUNT; i++)
		events[i] = (struct event){ .type = FNR_EVENT_JOB_LOG, .job = job };
	last = emit(events, COUNT);
	client = resume_job(&job, first);
	wide = ask("GET", "/api/v1/events", RESUME, site.key, first);
	cr_assert(heard_id(&client, last));
	cr_assert(heard_id(&wide, last));
	cr_assert_eq(times(&client, "event: job.log\n"), COUNT);
	cr_assert_eq(times(&wide, "event: job.log\n"), COUNT);
	last = finish(&job);
	cr_assert(heard_id(&client, last));
	cr_assert(heard_id(&wide, last), "after catching up it is live");
	cr_assert(ended(&client));
	leave(&client);
	leave(&wide);
	free(events);
}

JOB_TEST(finished_job_has_a_snapshot_and_204_once_that_was_seen)
{
	struct fnr_id job = submit_job("demo");
	uint64_t last = finish(&job), later = emit_one(FNR_EVENT_ALERT_RAISED, &FNR_ID_NONE, NULL);
	struct client first = open_job(&job), seen = resume_job(&job, last), too_large = resume_job(&job, later + 1000),
	              before = resume_job(&job, last - 1), after = resume_job(&job, later);

	cr_assert(heard(&first, "event: snapshot\n"));
	cr_assert(heard(&first, "\"state\":\"cancelled\""));
	cr_assert(ended(&first));
	cr_assert(heard(&seen, "HTTP/1.1 204 "));
	cr_assert(heard(&after, "HTTP/1.1 204 "));
	cr_assert(heard(&too_large, "event: snapshot\n"), "a number that was never given out proves nothing");
	cr_assert_eq(times(&too_large, "event: gap\n"), 1);
	cr_assert(ended(&too_large));
	cr_assert(heard(&before, "event: job.cancelled\n"));
	cr_assert(ended(&before));
	cr_assert_eq(times(&before, "snapshot"), 0);
	leave(&first);
	leave(&seen);
	leave(&too_large);
	leave(&before);
	leave(&after);
}

/* The store is ahead of the journal for a moment at every change. */
JOB_TEST(end_that_is_not_in_the_journal_yet_is_not_told_twice)
{
	struct fnr_id job = submit_job("demo");
	uint64_t first = emit_one(FNR_EVENT_JOB_QUEUED, &job, NULL), last;
	struct client resumed, fresh;

	set_state(&job, FNR_STATE_CANCELLED);
	resumed = resume_job(&job, first);
	fresh = open_job(&job);
	cr_assert(heard_id(&fresh, site.number), "its snapshot has the number of the event to come");
	cr_assert(ended(&fresh));
	cr_assert(heard(&resumed, "retry:"));
	last = emit_one(FNR_EVENT_JOB_CANCELLED, &job, NULL);
	cr_assert(heard_id(&resumed, last));
	cr_assert(ended(&resumed));
	leave(&fresh);
	leave(&resumed);
}

/* ---- gaps ---- */

JOB_TEST(missing_events_are_a_gap_and_a_snapshot)
{
	struct fnr_id job = submit_job("demo");
	uint64_t old = emit_one(FNR_EVENT_JOB_QUEUED, &job, NULL), now;
	struct client future = resume_job(&job, old + 1), words, before_break;
	char path[128];

	cr_assert(heard(&future, "event: gap\ndata: {\"time\":"));
	cr_assert(heard_id(&future, old));
	path_of(path, "jobs", &job);
	words = ask("GET", path, USUAL "Last-Event-ID: abc\r\n", site.key);
	cr_assert(heard(&words, "event: gap\n"));
	journal_close(site.journal);
	start_manager();
	now = emit_one(FNR_EVENT_JOB_STARTED, &job, NULL);
	before_break = resume_job(&job, old);
	cr_assert(heard(&before_break, "event: gap\n"));
	cr_assert(heard(&before_break, "event: snapshot\n"));
	cr_assert(heard_id(&before_break, now));
	cr_assert_eq(times(&before_break, "job.started"), 0, "what the snapshot shows is not told again");
	leave(&future);
	leave(&words);
	leave(&before_break);
}

JOB_TEST(break_gives_every_open_stream_a_gap_and_a_snapshot)
{
	enum { COUNT = 300 };
	struct client clients[COUNT];
	struct fnr_id job = submit_job("demo");
	uint64_t last;

	for (int i = 0; i < COUNT; i++)
		clients[i] = i % 2 ? open_job(&job) : open_path("/api/v1/events");
	for (int i = 0; i < COUNT; i++)
		cr_assert(heard(&clients[i], "event: snapshot\n"));
	journal_close(site.journal);
	start_manager();
	for (int i = 0; i < COUNT; i++)
		cr_assert(heard(&clients[i], "event: gap\n"));
	last = emit_one(FNR_EVENT_JOB_STARTED, &job, NULL);
	for (int i = 0; i < COUNT; i++) {
		cr_assert(heard_id(&clients[i], last));
		cr_assert_eq(times(&clients[i], "event: gap\n"), 1);
		cr_assert_eq(times(&clients[i], "event: snapshot\n"), 2);
		leave(&clients[i]);
	}
}

JOB_TEST(lost_journal_costs_a_gap_only)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_id job = submit_job("demo");
	uint64_t last = emit_one(FNR_EVENT_JOB_QUEUED, &job, NULL);
	struct client client = open_job(&job);

	cr_assert(heard_id(&client, last));
	journal_close(site.journal);
	must(fnr_tree_remove("journal", &err), &err);
	start_manager();
	cr_assert(heard(&client, "event: gap\n"));
	last = emit_one(FNR_EVENT_JOB_STARTED, &job, NULL);
	cr_assert(heard_id(&client, last));
	leave(&client);
}

Test(events, works_before_there_is_a_journal, .init = start_bare, .fini = stop, .timeout = 600)
{
	struct fnr_id job = submit_job("demo");
	struct client client = open_job(&job);
	uint64_t last;

	cr_assert(heard(&client, "id: 0\nevent: snapshot\n"));
	start_manager();
	last = emit_one(FNR_EVENT_JOB_QUEUED, &job, NULL);
	cr_assert(heard_id(&client, last));
	leave(&client);
}

/* ---- batches, and everything ---- */

JOB_TEST(batch_stream_has_its_jobs_and_ends_with_it)
{
	struct store_txn *txn;
	struct fnr_id id, none = FNR_ID_NONE;
	struct batch batch;
	struct event events[2] = { 0 };
	struct client client, filtered, seen;
	char path[128], text[FNR_ID_TEXT];
	uint64_t last;

	submit(2, "demo", &id);
	txn = store_read(site.store, NULL);
	cr_assert_eq(store_batch_get(txn, &id, &batch), FNR_OK);
	store_read_end(txn);
	path_of(path, "batches", &id);
	client = open_path(path);
	cr_assert(heard(&client, "event: snapshot\n"));
	cr_assert(heard(&client, "\"total\":2"));
	snprintf(path, sizeof path, "/api/v1/events?batch=%s&types=batch.progress", fnr_id_format(&id, text));
	filtered = open_path(path);
	cr_assert(heard(&filtered, "event: snapshot\n"));
	cr_assert(heard(&filtered, "\"queued\":2"));
	for (int i = 0; i < 2; i++) {
		struct fnr_id job = i ? batch.last : batch.first;

		set_state(&job, FNR_STATE_CANCELLED);
		events[0] = (struct event){ .type = FNR_EVENT_JOB_CANCELLED, .job = job, .batch = id };
		events[1] = (struct event){ .type = FNR_EVENT_BATCH_PROGRESS, .job = none, .batch = id,
			.more = i ? ",\"state\":\"cancelled\"" : ",\"state\":\"running\"" };
		txn = begin();
		cr_assert_eq(store_batch_get(txn, &id, &batch), FNR_OK);
		batch.event = site.number + 1;
		must(store_batch_put(txn, &batch, NULL), &(struct fnr_error)FNR_ERROR_INIT);
		commit(txn);
		last = emit(events, 2);
	}
	cr_assert(heard_id(&client, last));
	cr_assert(ended(&client));
	cr_assert_eq(times(&client, "event: job.cancelled\n"), 2);
	cr_assert_eq(times(&client, "event: batch.progress\n"), 2);
	cr_assert(heard_id(&filtered, last));
	cr_assert_eq(times(&filtered, "job.cancelled"), 0);
	path_of(path, "batches", &id);
	seen = ask("GET", path, RESUME, site.key, last);
	cr_assert(heard(&seen, "HTTP/1.1 204 "));
	leave(&client);
	leave(&filtered);
	leave(&seen);
}

JOB_TEST(wide_streams_show_what_the_key_may_see)
{
	struct fnr_id demo = submit_job("demo"), other = submit_job("other");
	struct event events[] = {
		{ .type = FNR_EVENT_JOB_QUEUED, .job = demo, .project = project_number("demo"), .more = ",\"node_id\":\"n7\",\"which\":\"demo\"" },
		{ .type = FNR_EVENT_JOB_QUEUED, .job = other, .project = project_number("other"), .more = ",\"node_id\":\"n8\",\"which\":\"other\"" },
		{ .type = FNR_EVENT_WORKER_CHANGED, .more = ",\"which\":\"worker\"" },
		{ .type = FNR_EVENT_JOB_LOG, .job = demo, .project = project_number("demo"), .more = ",\"which\":\"end\"" },
	};
	struct client all = open_path("/api/v1/events"), limited = ask("GET", "/api/v1/events", USUAL, site.limited),
	              project = open_path("/api/v1/events?project=other"), node = open_path("/api/v1/events?node_id=n7&types=job.queued%2Cjob.log"),
	              forbidden = ask("GET", "/api/v1/events?project=other", USUAL, site.limited);
	uint64_t last;

	cr_assert(heard(&all, "\"counts\":{"));
	cr_assert(heard(&all, "\"queued\":2"));
	cr_assert(heard(&limited, "\"counts\":{}"));
	cr_assert(heard(&project, "\"counts\":{}"));
	cr_assert(heard(&node, "\"counts\":{}"));
	cr_assert(heard(&forbidden, "HTTP/1.1 404 "));
	last = emit(events, 4);
	cr_assert(heard_id(&all, last));
	cr_assert_eq(times(&all, "\"which\":"), 4);
	cr_assert(heard_id(&limited, last));
	cr_assert_eq(times(&limited, "\"which\":"), 2);
	cr_assert_eq(times(&limited, "other"), 0);
	cr_assert(heard_id(&project, last - 2));
	cr_assert_eq(times(&project, "\"which\":"), 1);
	cr_assert(heard_id(&node, last - 3));
	cr_assert_eq(times(&node, "\"which\":"), 1);
	leave(&all);
	leave(&limited);
	leave(&project);
	leave(&node);
	leave(&forbidden);
}

JOB_TEST(project_may_get_its_first_job_later)
{
	struct client client = open_path("/api/v1/events?project=new");
	struct event event = { .type = FNR_EVENT_JOB_QUEUED };
	uint64_t last;

	cr_assert(heard(&client, "event: snapshot\n"));
	event.job = submit_job("new");
	event.project = project_number("new");
	last = emit(&event, 1);
	cr_assert(heard_id(&client, last));
	leave(&client);
}

/* ---- who may ---- */

JOB_TEST(refusals_are_problems)
{
	struct fnr_id job = submit_job("other"), unknown = fnr_id_random();
	char path[128], nowhere[128];
	struct client clients[11];
	static const char *const says[] = { "404 ", "404 ", "404 ", "401 ", "401 ", "403 ", "403 ", "405 ", "422 ", "422 ", "404 " };
	int n = 0;

	path_of(path, "jobs", &job);
	path_of(nowhere, "jobs", &unknown);
	clients[n++] = ask("GET", nowhere, USUAL, site.key);
	clients[n++] = ask("GET", path, USUAL, site.limited);
	clients[n++] = ask("GET", "/api/v1/jobs/17/events", USUAL, site.key);
	clients[n++] = ask("GET", path, "Host: localhost\r\n");
	clients[n++] = ask("GET", path, USUAL, "fnr_wrong");
	clients[n++] = ask("GET", path, "Host: evil.example\r\nAuthorization: Bearer %s\r\n", site.key);
	clients[n++] = ask("GET", path, USUAL "Origin: http://evil.example\r\n", site.key);
	clients[n++] = ask("POST", path, USUAL "Content-Length: 2\r\n\r\n{}", site.key);
	clients[n++] = ask("GET", "/api/v1/events?types=job.complete", USUAL, site.key);
	clients[n++] = ask("GET", "/api/v1/events?limit=5", USUAL, site.key);
	clients[n++] = ask("GET", "/internal/view/x", USUAL, site.key);
	for (int i = 0; i < n; i++) {
		cr_assert(heard(&clients[i], "\r\n\r\n"));
		cr_assert(strncmp(clients[i].raw.data + 9, says[i], 4) == 0, "%d: %s", i, clients[i].raw.data);
		cr_assert_not_null(strstr(clients[i].raw.data, "Content-Type: application/problem+json\r\n"), "%d", i);
		cr_assert(heard(&clients[i], "\"status\":"), "%d", i);
	}
	for (int i = 0; i < n; i++)
		leave(&clients[i]);
}

JOB_TEST(streams_of_a_revoked_key_end)
{
	struct fnr_id job = submit_job("demo");
	struct client kept = open_job(&job), wide, dropped;
	struct store_txn *txn;
	char path[128];

	path_of(path, "jobs", &job);
	dropped = ask("GET", path, USUAL, site.limited);
	wide = ask("GET", "/api/v1/events", USUAL, site.limited);
	cr_assert(heard(&kept, "event: snapshot\n"));
	cr_assert(heard(&dropped, "event: snapshot\n"));
	cr_assert(heard(&wide, "event: snapshot\n"));
	txn = begin();
	cr_assert_eq(store_key_delete(txn, site.limited_id), FNR_OK);
	commit(txn);
	cr_assert(ended(&dropped));
	cr_assert(ended(&wide));
	cr_assert_not(ended_within(&kept, 100));
	leave(&kept);
	leave(&dropped);
	leave(&wide);
}

/* ---- slow readers, departed ones, heartbeats ---- */

static void emit_lines(const struct fnr_id *job, enum fnr_event type, int count, size_t len)
{
	char *more = fnr_alloc(len + 16);
	struct event events[100];

	strcpy(more, ",\"text\":\"");
	memset(more + 9, 'x', len);
	strcpy(more + 9 + len, "\"");
	for (int i = 0; i < 100; i++)
		events[i] = (struct event){ .type = type, .job = *job, .more = more };
	for (int sent = 0; sent < count; sent += 100)
		emit(events, 100);
	free(more);
}

static uint64_t last_id(const struct client *client)
{
	const char *at = client->body.data, *last = NULL;

	for (; (at = strstr(at, "id: ")); at += 4)
		if (strstr(at, "\n\n"))
			last = at;
	return last ? strtoull(last + 4, NULL, 10) : 0;
}

JOB_TEST(slow_reader_is_ended_and_resumes_without_loss)
{
	struct fnr_id job = submit_job("demo");
	struct client slow = open_job(&job), quick = open_job(&job), resumed;
	uint64_t last, seen;
	size_t got;

	cr_assert(heard(&slow, "event: snapshot\n"));
	cr_assert(heard(&quick, "event: snapshot\n"));
	for (int i = 0; i < 40; i++) {
		emit_lines(&job, FNR_EVENT_JOB_LOG, 100, 1000);
		cr_assert(heard_id(&quick, site.number - 1), "a slow reader must not hold up others");
	}
	cr_assert(ended(&slow));
	got = times(&slow, "event: job.log\n");
	seen = last_id(&slow);
	cr_assert_lt(got, 4000);
	resumed = resume_job(&job, seen);
	last = finish(&job);
	cr_assert(heard_id(&resumed, last));
	cr_assert(ended(&resumed));
	cr_assert_eq(got + times(&resumed, "event: job.log\n"), 4000, "%zu and %zu", got, times(&resumed, "event: job.log\n"));
	leave(&slow);
	leave(&quick);
	leave(&resumed);
}

JOB_TEST(progress_for_a_slow_reader_is_coalesced)
{
	struct fnr_id job = submit_job("demo");
	struct client slow = open_job(&job), quick = open_job(&job);
	uint64_t last;

	cr_assert(heard(&slow, "event: snapshot\n"));
	cr_assert(heard(&quick, "event: snapshot\n"));
	for (int i = 0; i < 100; i++) {
		emit_lines(&job, FNR_EVENT_JOB_PROGRESS, 100, 1000);
		cr_assert(heard_id(&quick, site.number - 1), "it was given to both");
	}
	last = finish(&job);
	cr_assert(heard_id(&quick, last));
	cr_assert(heard_id(&slow, last), "the stream goes on to the end");
	cr_assert(heard_id(&slow, last - 1), "with the last progress");
	cr_assert_lt(times(&slow, "event: job.progress\n"), 9000);
	leave(&slow);
	leave(&quick);
}

static int open_descriptors(void)
{
	char path[64];
	int count = 0;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)site.pid);
	dir = opendir(path);
	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

JOB_TEST(quiet_streams_get_comments_and_departed_clients_are_noticed)
{
	enum { COUNT = 40 };
	struct fnr_id job = submit_job("demo");
	struct client stays = open_job(&job), clients[COUNT];
	int before;

	cr_assert(heard(&stays, "event: snapshot\n"));
	before = open_descriptors();
	for (int i = 0; i < COUNT; i++) {
		clients[i] = open_job(&job);
		cr_assert(heard(&clients[i], "event: snapshot\n"));
	}
	cr_assert_eq(open_descriptors(), before + COUNT);
	for (int i = 0; i < COUNT; i++)
		leave(&clients[i]);
	cr_assert(heard_within(&stays, ": keep-alive\n\n", 29000), "every 15 s; on a busy machine one may come late, but none is left out");
	for (int i = 0; i < 600 && open_descriptors() > before; i++)
		usleep(100000);
	cr_assert_eq(open_descriptors(), before);
	leave(&stays);
}

/* ---- held requests ---- */

static struct client hold(const struct fnr_id *job, const char *rest)
{
	char path[160], text[FNR_ID_TEXT];

	snprintf(path, sizeof path, "/internal/wait/%s?%s", fnr_id_format(job, text), rest);
	return ask("GET", path, "Host: localhost\r\n");
}

JOB_TEST(held_request_is_answered_when_the_job_has_finished)
{
	struct fnr_id job = submit_job("demo"), unknown = fnr_id_random();
	struct client held = hold(&job, "seconds=20&replayed=1&x=a%20b"), late, never = hold(&unknown, "seconds=20");
	char text[FNR_ID_TEXT], expected[160];

	cr_assert(heard(&never, "?wait=done&"), "the view tells that there is no such job");
	cr_assert_not(heard_within(&held, "HTTP", 300));
	emit_one(FNR_EVENT_JOB_STARTED, &job, NULL);
	cr_assert_not(heard_within(&held, "HTTP", 200));
	finish(&job);
	snprintf(expected, sizeof expected, "X-Accel-Redirect: /internal/view/%s?wait=done&seconds=20&replayed=1&x=a%%20b\r\n", fnr_id_format(&job, text));
	cr_assert(heard(&held, expected), "%s", held.raw.data ? held.raw.data : "");
	late = hold(&job, "seconds=20");
	cr_assert(heard(&late, "?wait=done&"));
	leave(&held);
	leave(&late);
	leave(&never);
}

JOB_TEST(held_request_gives_up_in_time)
{
	struct fnr_id job = submit_job("demo");
	int64_t before = fnr_mono_ms();
	struct client at_once = hold(&job, "seconds=0"), held = hold(&job, "seconds=1");

	cr_assert(heard(&at_once, "?wait=timeout&"));
	cr_assert(heard(&held, "?wait=timeout&"));
	cr_assert_geq(fnr_mono_ms() - before, 1000);
	leave(&at_once);
	leave(&held);
}

JOB_TEST(held_request_survives_a_break_that_hid_the_end)
{
	struct fnr_id job = submit_job("demo");
	struct client held = hold(&job, "seconds=20");

	cr_assert_not(heard_within(&held, "HTTP", 300));
	set_state(&job, FNR_STATE_CANCELLED);
	journal_close(site.journal);
	start_manager();
	cr_assert(heard(&held, "?wait=done&"));
	leave(&held);
}

/* ---- stopping ---- */

JOB_TEST(stopping_ends_streams_and_answers_held_requests)
{
	struct fnr_id job = submit_job("demo");
	struct client stream = open_job(&job), wide = open_path("/api/v1/events"), held = hold(&job, "seconds=20");

	cr_assert(heard(&stream, "event: snapshot\n"));
	cr_assert(heard(&wide, "event: snapshot\n"));
	cr_assert_not(heard_within(&held, "HTTP", 100));
	kill(site.pid, SIGTERM);
	cr_assert(ended(&stream));
	cr_assert(stream.whole, "the answer is complete");
	cr_assert(ended(&wide));
	cr_assert(heard(&held, "?wait=timeout&"));
	leave(&stream);
	leave(&wide);
	leave(&held);
}

JOB_TEST(is_alive)
{
	struct client client = ask("GET", "/healthz", "Host: localhost\r\n");

	cr_assert(heard(&client, "HTTP/1.1 200 "));
	cr_assert(heard(&client, "{\"status\":\"ok\"}"));
	leave(&client);
}
