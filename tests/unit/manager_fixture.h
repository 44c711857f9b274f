/* fnr-manager on a data directory of its own, with its spawner, workers and scripts; the test plays the committer. Every test
 * ends with finish(): the manager stops well, no process is left, the store is sound. */
#ifndef FNR_TESTS_MANAGER_FIXTURE_H
#define FNR_TESTS_MANAGER_FIXTURE_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/sock.h"
#include "store/journal.h"
#include "store/ops.h"

#define WAIT_MS 200000

static char data_dir[64];
static struct store *store;
static pid_t manager = -1;

/* ---- the data directory ---- */

static inline void write_config(const char *text)
{
	cr_assert_eq(fnr_file_write("config.yaml", text, strlen(text), 0600, NULL), FNR_OK);
}

static inline struct op_reply apply(const struct fnr_buf *operation)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn = store_write(store, &err);
	struct op_reply reply;
	bool ring;

	cr_assert_not_null(txn, "%s", err.message);
	ring = op_apply(txn, operation->data, operation->len, fnr_now_ms(), NULL, &reply);
	if (reply.code == FNR_OK)
		cr_assert_eq(store_commit(txn, &err), FNR_OK, "%s", err.message);
	else
		store_abort(txn);
	if (ring)
		fnr_bell_ring(FNR_BELL_MANAGER);
	return reply;
}

/* A template as the registry would store it. Its digest is that of its name. */
static inline const char *digest_of(const char *name)
{
	static char text[FNR_SHA256_TEXT];
	uint8_t digest[32];

	fnr_sha256_of(name, strlen(name), digest);
	return fnr_hex(digest, sizeof digest, text);
}

static inline void put_template(const char *name, const char *backend, const char *outputs)
{
	struct fnr_buf text = FNR_BUF_INIT, operation = FNR_BUF_INIT;
	struct json_object *definition;
	uint8_t digest[32];

	fnr_sha256_of(name, strlen(name), digest);
	fnr_buf_printf(&text, "{\"id\":\"%s\",\"version\":\"1.0.0\",\"name\":\"%s\",\"description\":\"\",\"category\":\"generic\","
	               "\"digest\":\"%s\",\"inputs\":{},\"input_schema\":{\"type\":\"object\"},\"outputs\":%s,"
	               "\"parameters\":{},\"presets\":{},\"resources\":{\"cpu\":1,\"memory_mb\":512,\"gpu\":0},\"queue\":\"cpu\","
	               "\"retry\":{\"max_attempts\":3,\"delay_s\":0.05,\"max_delay_s\":0.2},\"on_lost\":\"%s\","
	               "\"stages\":{\"preparation\":{\"weight\":0.1,\"message\":\"Getting ready\"},"
	               "\"execution\":{\"weight\":0.8,\"message\":\"Working on it\"},"
	               "\"finalization\":{\"weight\":0.1,\"message\":\"Filing it\"}},\"models\":[],\"examples\":[],\"files\":{},"
	               "\"backend\":%s}", name, name, digest_of(name), outputs, strcmp(name, "once") == 0 ? "fail" : "retry", backend);
	definition = fnr_json_parse(text.data, text.len, NULL);
	cr_assert_not_null(definition, "%s", text.data);
	op_templates_begin(&operation, 1);
	op_template_add(&operation, &(struct op_template){ .what = OP_TEMPLATE_PUT, .id = name, .version = { 1, 0, 0 }, .source = "test", .digest = digest,
	                                                   .definition = definition, .text = text.data });
	cr_assert_eq(apply(&operation).code, FNR_OK);
	json_object_put(definition);
	fnr_buf_free(&text);
	fnr_buf_free(&operation);
}

static inline void open_data_dir(void)
{
	struct fnr_error err = FNR_ERROR_INIT;

	snprintf(data_dir, sizeof data_dir, "/tmp/fnr-manager-XXXXXX");
	cr_assert_not_null(mkdtemp(data_dir));
	cr_assert_eq(chdir(data_dir), 0);
	for (const char *const *dir = (const char *const[]){ "run", "workspace", "uploads", "blobs", "blobs/payload", "blobs/templates", NULL }; *dir; dir++)
		cr_assert_eq(fnr_dir_make(*dir, 0755, NULL), FNR_OK);
	cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	write_config("workers: {min: 1, max: 4}\nlog: {level: warn}\nstop: {grace: 20}\n");
	cr_assert_eq(store_open(&store, true, &err), FNR_OK, "%s", err.message);
}

static inline void start_manager(void)
{
	pid_t parent = getpid();

	manager = fork();
	cr_assert_geq(manager, 0);
	if (manager == 0) {
		fnr_proc_tie(parent, SIGKILL);
		fnr_proc_reset_signals();
		execl(FNR_MANAGER_PROGRAM, "fnr-manager", "--data", data_dir, (char *)NULL);
		_exit(127);
	}
}

/* With a new journal events begin with the newest job: those of jobs before the first start were never missed. */
static inline void wait_started(void)
{
	int64_t until = fnr_mono_ms() + WAIT_MS;
	uint64_t generation;

	do {
		struct store_txn *txn = store_read(store, NULL);

		generation = store_meta_get(txn, STORE_META_JOURNAL);
		store_read_end(txn);
		poll(NULL, 0, 5);
		cr_assert_lt(fnr_mono_ms(), until, "the manager does not start");
	} while (generation == 0);
}

/* Ends it by a signal; its exit status, or minus the signal that ended it. */
static inline int end_manager(int signal_number)
{
	int status;

	cr_assert_eq(kill(manager, signal_number), 0);
	cr_assert_eq(waitpid(manager, &status, 0), manager);
	manager = -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline void audit(void)
{
	struct store_txn *txn = store_read(store, NULL);
	struct fnr_buf report = FNR_BUF_INIT, summary = FNR_BUF_INIT;
	size_t problems = store_check(txn, &report, &summary);

	store_read_end(txn);
	cr_assert_eq(problems, 0, "%s (%s)", report.data, summary.data);
	fnr_buf_free(&report);
	fnr_buf_free(&summary);
}

static inline void finish(void)
{
	int status = manager > 0 ? end_manager(SIGTERM) : 0;

	cr_assert_eq(status, 0, "the manager ended with %d", status);
	cr_assert_eq(fnr_proc_kill_strays(NULL, 0), 0, "processes were left");
	audit();
}

static inline void close_data_dir(void)
{
	fnr_proc_kill_strays(NULL, 0);
	store_close(store);
	cr_assert_eq(chdir("/"), 0);
	fnr_tree_remove(data_dir, NULL);
}

/* ---- jobs ---- */

struct wish { const char *template_, *metadata, *project, *models, *nodes; bool batch, stop_on_error; int64_t not_before, expires_at; uint8_t priority, flags; uint64_t class_; const struct fnr_id *parent; };

static inline struct fnr_id submit(size_t count, struct wish wish)
{
	struct op_submit begin = { .count = count, .is_batch = wish.batch, .stop_on_error = wish.stop_on_error };
	struct fnr_buf operation = FNR_BUF_INIT;
	char summary[512], payload[512], place[128] = "";
	struct op_parent parent = { .ref = "" };
	struct op_reply reply;

	if (wish.parent)
		parent.id = *wish.parent;
	if (wish.models)
		snprintf(place, sizeof place, ",\"models\":%s", wish.models);
	if (wish.nodes)
		snprintf(place, sizeof place, ",\"nodes\":%s", wish.nodes);
	if (wish.project)
		snprintf(place, sizeof place, ",\"project\":\"%s\",\"shot\":\"s010\"", wish.project);
	snprintf(summary, sizeof summary, "{\"template\":\"%s\",\"version\":\"1.0.0\",\"digest\":\"%s\",\"quality\":\"standard\","
	         "\"preset\":\"standard@1\",\"seed\":42,\"queue\":\"cpu\",\"node_id\":\"n7\"%s}", wish.template_, digest_of(wish.template_), place);
	snprintf(payload, sizeof payload, "{\"inputs\":{\"text\":\"hé\"},\"parameters\":{\"text\":\"hé\"},\"metadata\":%s}",
	         wish.metadata ? wish.metadata : "{}");
	op_submit_begin(&operation, &begin);
	for (size_t i = 0; i < count; i++)
		op_job_add(&operation, &(struct op_job){ .summary = summary, .payload = payload, .project = wish.project ? wish.project : "",
			.shot = wish.project ? "s010" : "", .template_ = wish.template_, .queue = "cpu", .key = "", .class_ = wish.class_ ? wish.class_ : 7,
			.not_before = wish.not_before, .expires_at = wish.expires_at, .max_attempts = 3, .quality = FNR_QUALITY_STANDARD,
			.priority = wish.priority ? wish.priority : 5, .flags = wish.flags,
			.parents = &parent, .parent_count = wish.parent != NULL });
	reply = apply(&operation);
	cr_assert_eq(reply.code, FNR_OK, "%s", reply.message);
	fnr_buf_free(&operation);
	return reply.id;
}

static inline void submit_each(size_t count, struct wish wish)
{
	for (size_t i = 0; i < count; i++)
		submit(1, wish);
}

static inline void command(const char *format, const struct fnr_id *id)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	char json[256], text[FNR_ID_TEXT];

	snprintf(json, sizeof json, format, fnr_id_format(id, text));
	op_command(&operation, json);
	cr_assert_eq(apply(&operation).code, FNR_OK);
	fnr_buf_free(&operation);
}

static inline struct store_counters counters(void)
{
	struct store_txn *txn = store_read(store, NULL);
	struct store_counters out;

	cr_assert_not_null(txn);
	store_counters_get(txn, &out);
	store_read_end(txn);
	return out;
}

static inline bool all_finished(void)
{
	struct store_counters now = counters();
	uint64_t left = 0;

	for (int state = 0; state < FNR_STATE_COUNT; state++)
		left += fnr_state_terminal(state) ? 0 : now.state[state];
	return left == 0;
}

static inline void wait_finished(void)
{
	int64_t until = fnr_mono_ms() + WAIT_MS;

	while (!all_finished()) {
		cr_assert_lt(fnr_mono_ms(), until, "jobs do not finish");
		poll(NULL, 0, 10);
	}
}

static inline struct job_head head_of(const struct fnr_id *id)
{
	struct store_txn *txn = store_read(store, NULL);
	struct job_head head;

	cr_assert_eq(store_job_get(txn, id, &head), FNR_OK);
	store_read_end(txn);
	return head;
}

static inline void wait_state(const struct fnr_id *id, enum fnr_state state)
{
	int64_t until = fnr_mono_ms() + WAIT_MS;

	while (head_of(id).state != state) {
		cr_assert_lt(fnr_mono_ms(), until, "it is %s, not %s", fnr_state_name(head_of(id).state), fnr_state_name(state));
		poll(NULL, 0, 5);
	}
}

/* Fails with the counters if not exactly this many jobs are in the state. */
static inline void assert_count(enum fnr_state state, uint64_t expected)
{
	struct store_counters now = counters();
	char text[512] = "";

	for (int i = 0; i < FNR_STATE_COUNT; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s %lu, ", fnr_state_name(i), (unsigned long)now.state[i]);
	cr_assert_eq(now.state[state], expected, "%s", text);
}

/* A member of the record of an attempt, as text; the caller frees it. */
static inline char *attempt_member(const struct fnr_id *id, uint16_t attempt, const char *object, const char *member)
{
	struct store_txn *txn = store_read(store, NULL);
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *record;
	char *out;

	cr_assert_eq(store_attempt_get(txn, id, attempt, &text), FNR_OK, "attempt %u", attempt);
	record = fnr_json_parse(text.data, text.len, NULL);
	cr_assert_not_null(record, "%s", text.data);
	out = strdup(fnr_json_get_text(object ? fnr_json_get(record, object) : record, member, ""));
	json_object_put(record);
	fnr_buf_free(&text);
	store_read_end(txn);
	return out;
}

#define assert_attempt(id, attempt, object, member, expected) \
	do { \
		char *found_ = attempt_member(id, attempt, object, member); \
		cr_assert_str_eq(found_, expected); \
		free(found_); \
	} while (0)

/* ---- events ---- */

static inline struct journal *open_journal(void)
{
	struct store_txn *txn = store_read(store, NULL);
	uint64_t generation = store_meta_get(txn, STORE_META_JOURNAL);
	struct fnr_error err = FNR_ERROR_INIT;
	struct journal *journal;

	store_read_end(txn);
	cr_assert_eq(journal_open_reader(&journal, generation, &err), FNR_OK, "%s", err.message);
	return journal;
}

struct told { struct json_object *events[64]; enum fnr_event types[64]; size_t count; uint64_t last; };

static inline bool told_row(const struct journal_event *event, void *context)
{
	struct told *told = context;
	struct fnr_error err = FNR_ERROR_INIT;

	cr_assert_lt(told->count, 64);
	cr_assert_gt(event->number, told->last);
	told->last = event->number;
	told->types[told->count] = event->type;
	told->events[told->count] = fnr_json_parse(event->data, event->data_len, &err);
	cr_assert_not_null(told->events[told->count], "%s: %.*s", err.message, (int)event->data_len, event->data);
	cr_assert_eq((uint64_t)fnr_json_get_int(told->events[told->count], "seq", 0), event->number);
	told->count++;
	return true;
}

/* The events of a job (or batch), when `last` has been told. */
static inline struct told events_of(const struct fnr_id *id, bool batch, enum fnr_event last)
{
	struct journal *journal = open_journal();
	int64_t until = fnr_mono_ms() + WAIT_MS;
	struct told told;

	for (;;) {
		struct journal_txn *txn = journal_read(journal, NULL);

		memset(&told, 0, sizeof told);
		(batch ? journal_events_of_batch : journal_events_of_job)(txn, id, 0, 64, told_row, &told);
		journal_end(txn);
		if (told.count && told.types[told.count - 1] == last)
			break;
		for (size_t i = 0; i < told.count; i++)
			json_object_put(told.events[i]);
		cr_assert_lt(fnr_mono_ms(), until, "%s was not told", fnr_event_name(last));
		poll(NULL, 0, 5);
	}
	journal_close(journal);
	return told;
}

static inline void free_told(struct told *told)
{
	for (size_t i = 0; i < told->count; i++)
		json_object_put(told->events[i]);
}

#endif
