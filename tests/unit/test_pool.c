/* Servers as the manager uses them: which of them a job goes to, what becomes of jobs when one is down, drained or removed, and
 * that what runs there goes on without us. Servers are folders (folder_kind.c). */
#include "config.h"

#include "manager_fixture.h"

#define FOLDER "{\"type\":\"folder\"}"

static void set_up(void)
{
	open_data_dir();
	write_config("workers: {min: 1, max: 2}\nlog: {level: warn}\nstop: {grace: 20}\nbackends: {probe: 1, patience: 3600}\n");
	put_template("job", FOLDER, "{}");
	put_template("once", FOLDER, "{}");
	put_template("noop", "{\"type\":\"noop\"}", "{}");
}

TestSuite(pool, .init = set_up, .fini = close_data_dir, .timeout = 600);

/* ---- servers ---- */

static const char *path_of(const char *server, const char *name)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/servers/%s/%s", data_dir, server, name);
	return path;
}

static void put(const char *server, const char *name, const char *text)
{
	cr_assert_eq(fnr_file_write(path_of(server, name), text, strlen(text), 0600, NULL), FNR_OK, "%s", path_of(server, name));
}

static void take(const char *server, const char *name)
{
	cr_assert_eq(unlink(path_of(server, name)), 0, "%s", path_of(server, name));
}

static uint64_t revision_of(const char *id)
{
	struct store_txn *txn = store_read(store, NULL);
	struct store_backend backend = { 0 };

	store_backend_get(txn, id, &backend);
	store_read_end(txn);
	return backend.revision;
}

static void put_record(const char *id, int concurrency, const char *labels)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	char json[512];

	snprintf(json, sizeof json, "{\"type\":\"folder\",\"url\":\"%s/servers/%s\",\"concurrency\":%d,\"labels\":[%s],\"options\":{},\"drained\":false}",
	         data_dir, id, concurrency, labels);
	op_backend_put(&operation, id, revision_of(id), json, OP_SECRET_KEEP, NULL);
	cr_assert_eq(apply(&operation).code, FNR_OK);
	fnr_buf_free(&operation);
}

static void make_folders(const char *id)
{
	cr_assert_eq(fnr_dir_make("servers", 0700, NULL), FNR_OK);
	cr_assert_eq(fnr_dir_make(path_of(id, ""), 0700, NULL), FNR_OK);
	cr_assert_eq(fnr_dir_make(path_of(id, "jobs"), 0700, NULL), FNR_OK);
}

static void add_server(const char *id, int concurrency, const char *labels)
{
	make_folders(id);
	put_record(id, concurrency, labels);
}

static void drain(const char *id, bool drained)
{
	struct fnr_buf operation = FNR_BUF_INIT;

	op_backend_drain(&operation, id, drained);
	cr_assert_eq(apply(&operation).code, FNR_OK);
	fnr_buf_free(&operation);
}

static int32_t remove_server(const char *id)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	int32_t code;

	op_backend_delete(&operation, id, revision_of(id));
	code = apply(&operation).code;
	fnr_buf_free(&operation);
	return code;
}

/* How many lines of its log begin so. */
static size_t logged(const char *server, const char *what)
{
	struct fnr_buf text = FNR_BUF_INIT;
	size_t count = 0, len = strlen(what);

	fnr_file_read(path_of(server, "log"), 1u << 20, &text, NULL);
	for (const char *line = text.len ? text.data : NULL; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		count += strncmp(line, what, len) == 0 && line[len] == ' ';
	fnr_buf_free(&text);
	return count;
}

static size_t running_on(const char *server)
{
	DIR *dir = opendir(path_of(server, "jobs"));
	struct dirent *entry;
	size_t count = 0;

	while (dir && (entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return count;
}

static void wait_running(const char *server, size_t count)
{
	int64_t until = fnr_mono_ms() + WAIT_MS;

	while (running_on(server) != count) {
		cr_assert_lt(fnr_mono_ms(), until, "%zu run on %s, not %zu", running_on(server), server, count);
		poll(NULL, 0, 5);
	}
}

static void wait_logged(const char *server, const char *what, size_t count)
{
	int64_t until = fnr_mono_ms() + WAIT_MS;

	while (logged(server, what) < count) {
		cr_assert_lt(fnr_mono_ms(), until, "%s was not told by %s", what, server);
		poll(NULL, 0, 5);
	}
}

/* ---- the live table ---- */

struct live { const char *name; struct fnr_buf text; };

static bool live_row(const char *id, const char *json, size_t len, void *context)
{
	struct live *live = context;

	if (strcmp(id, live->name) != 0)
		return true;
	fnr_buf_add(&live->text, json, len);
	return false;
}

static struct json_object *live_of(const char *name)
{
	struct journal *journal = open_journal();
	struct journal_txn *txn = journal_read(journal, NULL);
	struct live live = { .name = name, .text = FNR_BUF_INIT };
	struct json_object *object = NULL;

	journal_live(txn, name, live_row, &live);
	journal_end(txn);
	journal_close(journal);
	if (live.text.len)
		object = fnr_json_parse(live.text.data, live.text.len, NULL);
	fnr_buf_free(&live.text);
	return object;
}

static void wait_live(const char *server, const char *member, const char *expected)
{
	int64_t until = fnr_mono_ms() + WAIT_MS;
	char name[80];
	bool there = false;

	snprintf(name, sizeof name, "backend/%s", server);
	while (!there) {
		struct json_object *live = live_of(name);

		there = strcmp(fnr_json_get_text(live, member, ""), expected) == 0;
		cr_assert_lt(fnr_mono_ms(), until, "%s of %s is not %s: %s", member, server, expected, live ? fnr_json_text(live, NULL) : "nothing");
		json_object_put(live);
		poll(NULL, 0, 10);
	}
}

static void wait_held(uint64_t class_)
{
	int64_t until = fnr_mono_ms() + WAIT_MS;
	char name[80];
	bool there = false;

	snprintf(name, sizeof name, "held/%016llx", (unsigned long long)class_);
	while (!there) {
		struct json_object *live = live_of(name);

		there = strcmp(fnr_json_get_text(live, "reason", ""), "no_backend") == 0;
		cr_assert_lt(fnr_mono_ms(), until, "jobs of class %llu are not held", (unsigned long long)class_);
		json_object_put(live);
		poll(NULL, 0, 10);
	}
}

/* ---- jobs ---- */

static struct fnr_id submit_model(const char *model)
{
	char metadata[128], models[80];

	snprintf(metadata, sizeof metadata, "{\"model\":\"%s\"}", model);
	snprintf(models, sizeof models, "[\"checkpoints/%s\"]", model);
	return submit(1, (struct wish){ .template_ = "job", .metadata = metadata, .models = models, .class_ = 1000 + (uint64_t)model[0] });
}

static void backend_of(const struct fnr_id *id, char backend[68], char placement[64])
{
	struct store_txn *txn = store_read(store, NULL);
	struct job_active active;

	cr_assert_eq(store_active_get(txn, id, &active), FNR_OK);
	snprintf(backend, 68, "%s", active.backend);
	snprintf(placement, 64, "%s", active.placement);
	free(active.manifest);
	store_read_end(txn);
}

static void assert_runs_on(const struct fnr_id *id, const char *server, const char *why)
{
	char backend[68], placement[64];

	wait_state(id, FNR_STATE_RUNNING);
	backend_of(id, backend, placement);
	cr_assert_str_eq(backend, server);
	if (why)
		cr_assert_str_eq(placement, why);
}

static void wait_completed(const struct fnr_id *id)
{
	wait_state(id, FNR_STATE_COMPLETED);
}

/* It ends although its server is held. */
static void let_end(const struct fnr_id *id, const char *server)
{
	char job[64], text[FNR_ID_TEXT];

	snprintf(job, sizeof job, "jobs/%s-1", fnr_id_format(id, text));
	wait_running(server, 1);
	put(server, job, "end");
	wait_completed(id);
}

static void begin(void)
{
	start_manager();
	wait_started();
}

/* ---- where jobs go ---- */

Test(pool, every_server_is_busy_while_work_waits)
{
	char id[16];

	begin();
	for (int i = 0; i < 6; i++) {
		snprintf(id, sizeof id, "s%d", i);
		add_server(id, i % 2 + 1, "");
		put(id, "hold", "");
	}
	submit_each(30, (struct wish){ .template_ = "job" });
	for (int i = 0; i < 6; i++) {
		snprintf(id, sizeof id, "s%d", i);
		wait_running(id, (size_t)(i % 2 + 1));
	}
	assert_count(FNR_STATE_RUNNING, 9);
	assert_count(FNR_STATE_QUEUED, 21);
	submit_each(20, (struct wish){ .template_ = "noop", .class_ = 8 });    /* what this machine does is not held up */
	for (int i = 0; i < 6; i++) {
		snprintf(id, sizeof id, "s%d", i);
		cr_assert_eq(running_on(id), (size_t)(i % 2 + 1), "no more than its concurrency");
		take(id, "hold");
	}
	wait_finished();
	assert_count(FNR_STATE_COMPLETED, 50);
	finish();
}

Test(pool, a_loaded_model_is_preferred_and_lets_others_go_first)
{
	struct fnr_id first, second, older, younger;
	char home[68], other[68], why[64];

	begin();
	add_server("s1", 1, "");
	add_server("s2", 1, "");
	put("s1", "hold", "");
	put("s2", "hold", "");
	wait_live("s1", "state", "ready");
	wait_live("s2", "state", "ready");
	first = submit_model("a");
	wait_state(&first, FNR_STATE_RUNNING);
	second = submit_model("b");
	wait_state(&second, FNR_STATE_RUNNING);
	older = submit_model("b");
	younger = submit_model("a");
	backend_of(&first, home, why);
	backend_of(&second, other, why);
	cr_assert_str_neq(home, other);
	let_end(&first, home);
	assert_runs_on(&younger, home, "warm model");
	cr_assert_eq(head_of(&older).state, FNR_STATE_QUEUED, "it waits for the server that has its model");
	let_end(&second, other);
	assert_runs_on(&older, other, "warm model");
	take(home, "hold");
	take(other, "hold");
	wait_finished();
	cr_assert_eq(logged("s1", "load") + logged("s2", "load"), 2, "each model was loaded once");
	finish();
}

Test(pool, no_server_is_idle_for_the_sake_of_a_warm_one)
{
	struct fnr_id first, next;

	begin();
	add_server("s1", 1, "");
	add_server("s2", 1, "");
	put("s1", "hold", "");
	put("s2", "hold", "");
	wait_live("s1", "state", "ready");
	wait_live("s2", "state", "ready");
	first = submit_model("a");
	wait_state(&first, FNR_STATE_RUNNING);
	next = submit_model("a");
	wait_state(&next, FNR_STATE_RUNNING);
	wait_running("s1", 1);
	wait_running("s2", 1);
	take("s1", "hold");
	take("s2", "hold");
	wait_finished();
	finish();
}

Test(pool, others_go_first_only_for_so_long)
{
	struct fnr_id first, second, older, younger;
	char home[68], other[68], why[64];

	write_config("workers: {min: 1, max: 2}\nlog: {level: warn}\nbackends: {patience: 0}\n");
	begin();
	add_server("s1", 1, "");
	add_server("s2", 1, "");
	put("s1", "hold", "");
	put("s2", "hold", "");
	wait_live("s1", "state", "ready");
	wait_live("s2", "state", "ready");
	first = submit_model("a");
	wait_state(&first, FNR_STATE_RUNNING);
	second = submit_model("b");
	wait_state(&second, FNR_STATE_RUNNING);
	older = submit_model("b");
	younger = submit_model("a");
	backend_of(&first, home, why);
	backend_of(&second, other, why);
	let_end(&first, home);
	assert_runs_on(&older, home, NULL);
	cr_assert_eq(head_of(&younger).state, FNR_STATE_QUEUED);
	take(home, "hold");
	take(other, "hold");
	wait_finished();
	finish();
}

Test(pool, labels_and_lists_decide)
{
	struct fnr_id labelled, listed, large;

	put_template("labelled", "{\"type\":\"folder\",\"labels\":[\"big\"]}", "{}");
	put_template("listed", "{\"type\":\"folder\",\"backends\":[\"s3\"]}", "{}");
	begin();
	add_server("s1", 4, "\"small\"");
	wait_live("s1", "state", "ready");
	put("s1", "hold", "");
	labelled = submit(1, (struct wish){ .template_ = "labelled", .class_ = 21 });
	listed = submit(1, (struct wish){ .template_ = "listed", .class_ = 22 });
	large = submit(1, (struct wish){ .template_ = "job", .models = "[\"checkpoints/x\"]", .class_ = 23 });
	assert_runs_on(&large, "s1", "the only backend");
	wait_held(21);
	wait_held(22);
	cr_assert_eq(head_of(&labelled).state, FNR_STATE_QUEUED);
	cr_assert_eq(head_of(&listed).state, FNR_STATE_QUEUED);
	add_server("s2", 1, "\"big\",\"other\"");
	wait_completed(&labelled);
	add_server("s3", 1, "");
	wait_completed(&listed);
	cr_assert_eq(logged("s2", "start"), 1);
	cr_assert_eq(logged("s3", "start"), 1);
	take("s1", "hold");
	wait_finished();
	finish();
}

Test(pool, a_damaged_job_does_not_mislead_those_like_it)
{
	struct fnr_id damaged, id;

	begin();
	add_server("s1", 1, "");
	damaged = submit(1, (struct wish){ .template_ = "gone", .class_ = 77 });
	wait_state(&damaged, FNR_STATE_FAILED);
	assert_attempt(&damaged, 0, "error", "code", "record_lost");
	id = submit(1, (struct wish){ .template_ = "job", .class_ = 77 });
	wait_completed(&id);
	assert_attempt(&id, 1, NULL, "backend", "s1");
	finish();
}

Test(pool, a_server_that_lacks_the_model_is_passed_over)
{
	struct fnr_id id;

	make_folders("s1");
	put("s1", "found.json", "{\"models\":{\"checkpoints\":[\"b\"]}}");
	begin();
	add_server("s1", 1, "");
	wait_live("s1", "state", "ready");
	id = submit_model("a");
	submit_model("b");
	wait_logged("s1", "end", 1);
	cr_assert_eq(head_of(&id).state, FNR_STATE_QUEUED);
	make_folders("s2");
	put("s2", "found.json", "{\"models\":{\"checkpoints\":[\"a\",\"b\"]},\"version\":\"1\"}");
	add_server("s2", 1, "");
	wait_completed(&id);
	cr_assert_eq(logged("s2", "start"), 1);
	finish();
}

/* How many node classes the server has, as the live table tells; -1: nobody knows. */
static void wait_nodes(const char *server, int64_t count)
{
	int64_t until = fnr_mono_ms() + WAIT_MS;
	char name[80];
	bool there = false;

	snprintf(name, sizeof name, "found/%s", server);
	while (!there) {
		struct json_object *found = live_of(name);

		there = found && fnr_json_get_int(found, "nodes", -1) == count;
		cr_assert_lt(fnr_mono_ms(), until, "%s has not %lld node classes: %s", server, (long long)count, found ? fnr_json_text(found, NULL) : "nothing");
		json_object_put(found);
		poll(NULL, 0, 10);
	}
}

Test(pool, a_server_that_lacks_a_node_is_passed_over)
{
	struct fnr_id brought, own, fits;

	put_template("needy", FOLDER ",\"nodes\":[\"Common\",\"Rare\"]", "{}");
	make_folders("s1");
	put("s1", "nodes", "Common\nOther\n");
	begin();
	add_server("s1", 4, "");
	wait_nodes("s1", 2);
	brought = submit(1, (struct wish){ .template_ = "job", .nodes = "[\"Rare\"]", .class_ = 31 });
	own = submit(1, (struct wish){ .template_ = "needy", .class_ = 32 });
	fits = submit(1, (struct wish){ .template_ = "job", .nodes = "[\"Common\",\"Other\"]", .class_ = 33 });
	wait_completed(&fits);
	wait_held(31);
	wait_held(32);
	cr_assert_eq(logged("s1", "start"), 1);
	make_folders("s2");
	put("s2", "nodes", "Rare\nCommon\n");
	add_server("s2", 4, "");
	wait_completed(&brought);
	wait_completed(&own);
	assert_attempt(&brought, 1, NULL, "backend", "s2");
	assert_attempt(&own, 1, NULL, "backend", "s2");
	cr_assert_eq(logged("s1", "start"), 1);
	finish();
}

Test(pool, node_classes_that_nobody_knows_hinder_no_job)
{
	struct fnr_id id;

	begin();
	add_server("s1", 1, "");
	wait_logged("s1", "nodes", 1);
	wait_nodes("s1", -1);
	id = submit(1, (struct wish){ .template_ = "job", .nodes = "[\"Rare\"]" });
	wait_completed(&id);
	finish();
}

Test(pool, node_classes_are_asked_for_when_they_may_have_changed)
{
	struct fnr_id id;

	make_folders("s1");
	put("s1", "nodes", "Common\n");
	put("s1", "found.json", "{\"version\":\"1\"}");
	begin();
	add_server("s1", 1, "");
	wait_nodes("s1", 1);
	id = submit(1, (struct wish){ .template_ = "job", .nodes = "[\"Rare\"]", .class_ = 31 });
	wait_held(31);
	cr_assert_eq(logged("s1", "nodes"), 1);
	put("s1", "nodes", "Common\nRare\n");
	put("s1", "found.json", "{\"version\":\"2\"}");
	wait_completed(&id);
	wait_nodes("s1", 2);
	cr_assert_eq(logged("s1", "nodes"), 2, "another version");
	put("s1", "nodes", "Common\nRare\nMore\n");
	command("{\"command\":\"probe\",\"backend\":\"s1\"}", &id);
	wait_nodes("s1", 3);
	cr_assert_eq(logged("s1", "nodes"), 3, "somebody wants it asked");
	put("s1", "down", "");
	wait_live("s1", "state", "down");
	wait_nodes("s1", 3);
	put("s1", "nodes", "Less\nMore\n");
	take("s1", "down");
	wait_nodes("s1", 2);
	finish();
}

static void run_there(const char *template_, char worker[32])
{
	struct fnr_id id = submit(1, (struct wish){ .template_ = template_, .class_ = (uint64_t)template_[0] });
	char *found;

	wait_completed(&id);
	found = attempt_member(&id, 1, NULL, "worker");
	snprintf(worker, 32, "%s", found);
	free(found);
}

Test(pool, a_worker_stays_with_its_server)
{
	struct fnr_id one, other;
	char first[32], second[32], again[32];

	write_config("workers: {min: 1, max: 2}\nlog: {level: warn}\nbackends: {probe: 86400}\n");
	put_template("a", "{\"type\":\"folder\",\"backends\":[\"s1\"]}", "{}");
	put_template("b", "{\"type\":\"folder\",\"backends\":[\"s2\"]}", "{}");
	begin();
	add_server("s1", 1, "");
	add_server("s2", 1, "");
	wait_live("s1", "state", "ready");
	wait_live("s2", "state", "ready");
	put("s1", "hold", "");
	put("s2", "hold", "");
	one = submit(1, (struct wish){ .template_ = "a", .class_ = 'a' });
	other = submit(1, (struct wish){ .template_ = "b", .class_ = 'b' });
	wait_running("s1", 1);
	wait_running("s2", 1);
	take("s1", "hold");
	take("s2", "hold");
	wait_completed(&one);
	wait_completed(&other);
	run_there("a", first);
	run_there("b", second);
	cr_assert_str_neq(first, second);
	for (int i = 0; i < 5; i++) {
		run_there("b", again);
		cr_assert_str_eq(again, second);
		run_there("a", again);
		cr_assert_str_eq(again, first);
	}
	finish();
}

static size_t workers_seen(void)
{
	size_t count = 0;

	for (int i = 1; i < 100; i++) {
		struct json_object *live;
		char name[32];

		snprintf(name, sizeof name, "worker/w%d", i);
		live = live_of(name);
		count += live != NULL;
		json_object_put(live);
	}
	return count;
}

Test(pool, servers_bring_no_workers_that_nobody_needs)
{
	begin();
	add_server("s1", 20, "");
	add_server("s2", 20, "");
	wait_live("s1", "state", "ready");
	wait_live("s2", "state", "ready");
	submit_each(30, (struct wish){ .template_ = "noop", .class_ = 8, .metadata = "{\"noop\":{\"duration_ms\":100}}" });
	wait_finished();
	wait_live("local", "state", "ready");
	cr_assert_leq(workers_seen(), 8, "two for this machine, some that ask, one that looks");
	submit_each(60, (struct wish){ .template_ = "job", .metadata = "{\"ms\":20}" });
	wait_finished();
	assert_count(FNR_STATE_COMPLETED, 90);
	finish();
}

/* ---- servers that fail ---- */

Test(pool, after_a_failure_another_server_is_tried)
{
	struct fnr_id id;

	begin();
	add_server("s1", 1, "");
	add_server("s2", 1, "");
	wait_live("s1", "state", "ready");
	wait_live("s2", "state", "ready");
	id = submit(1, (struct wish){ .template_ = "job", .metadata = "{\"fail_on\":\"s1\"}" });
	wait_completed(&id);
	if (head_of(&id).attempt == 1) {     /* the other one was chosen first */
		assert_attempt(&id, 1, NULL, "backend", "s2");
		id = submit(1, (struct wish){ .template_ = "job", .metadata = "{\"fail_on\":\"s1\"}" });
		wait_completed(&id);
	}
	cr_assert_eq(head_of(&id).attempt, 2);
	assert_attempt(&id, 1, NULL, "backend", "s1");
	assert_attempt(&id, 2, NULL, "backend", "s2");
	assert_attempt(&id, 2, NULL, "placement", "another backend after a failure");
	finish();
}

Test(pool, a_silent_server_gets_nothing_until_it_answers)
{
	struct fnr_id id;

	make_folders("s1");
	put("s1", "down", "");
	begin();
	add_server("s1", 2, "");
	wait_live("s1", "state", "down");
	id = submit(1, (struct wish){ .template_ = "job" });
	wait_live("s1", "breaker", "open");
	cr_assert_eq(head_of(&id).attempt, 0, "no attempt is wasted on it");
	take("s1", "down");
	wait_completed(&id);
	wait_live("s1", "state", "ready");
	wait_live("s1", "breaker", "closed");
	cr_assert_eq(head_of(&id).attempt, 1);
	finish();
}

Test(pool, what_a_server_cannot_do_the_others_do)
{
	begin();
	add_server("s1", 2, "");
	add_server("s2", 2, "");
	wait_live("s1", "state", "ready");
	wait_live("s2", "state", "ready");
	put("s1", "down", "");
	submit_each(20, (struct wish){ .template_ = "job", .metadata = "{\"ms\":10}" });
	wait_finished();
	assert_count(FNR_STATE_COMPLETED, 20);
	cr_assert_eq(logged("s2", "end"), 20);
	finish();
}

/* ---- servers that are changed ---- */

Test(pool, a_drained_server_gets_no_more_and_can_be_removed)
{
	struct fnr_id id, next;

	begin();
	add_server("s1", 2, "");
	put("s1", "hold", "");
	id = submit(1, (struct wish){ .template_ = "job" });
	wait_running("s1", 1);
	cr_assert_eq(remove_server("s1"), FNR_E_CONFLICT);
	drain("s1", true);
	wait_live("s1", "state", "draining");
	next = submit(1, (struct wish){ .template_ = "job" });
	take("s1", "hold");
	wait_completed(&id);
	wait_live("s1", "state", "drained");
	cr_assert_eq(head_of(&next).state, FNR_STATE_QUEUED);
	drain("s1", false);
	wait_completed(&next);
	cr_assert_eq(remove_server("s1"), FNR_OK);
	next = submit(1, (struct wish){ .template_ = "job" });
	add_server("s2", 1, "");
	wait_completed(&next);
	cr_assert_eq(logged("s1", "start"), 2);
	finish();
}

Test(pool, more_slots_are_used_at_once)
{
	begin();
	add_server("s1", 1, "");
	put("s1", "hold", "");
	submit_each(5, (struct wish){ .template_ = "job" });
	wait_running("s1", 1);
	put_record("s1", 4, "");
	wait_running("s1", 4);
	take("s1", "hold");
	wait_finished();
	assert_count(FNR_STATE_COMPLETED, 5);
	finish();
}

/* ---- what goes on without us ---- */

static void assert_one_attempt(const struct fnr_id *id)
{
	wait_completed(id);
	cr_assert_eq(head_of(id).attempt, 1, "it is the same attempt");
	cr_assert_eq(head_of(id).lost, 0);
	cr_assert_eq(logged("s1", "start"), 1, "it was started once");
	cr_assert_eq(logged("s1", "end"), 1);
}

static struct fnr_id run_held(void)
{
	struct fnr_id id;

	begin();
	add_server("s1", 1, "");
	put("s1", "hold", "");
	id = submit(1, (struct wish){ .template_ = "job" });
	wait_running("s1", 1);
	return id;
}

static pid_t worker_with_job(void)
{
	pid_t found = 0;

	for (int i = 1; i < 20 && !found; i++) {
		struct json_object *live;
		char name[32];

		snprintf(name, sizeof name, "worker/w%d", i);
		live = live_of(name);
		if (*fnr_json_get_text(live, "job", ""))
			found = (pid_t)fnr_json_get_int(live, "pid", 0);
		json_object_put(live);
	}
	return found;
}

static pid_t wait_worker(void)
{
	int64_t until = fnr_mono_ms() + WAIT_MS;
	pid_t worker;

	while (!(worker = worker_with_job())) {
		cr_assert_lt(fnr_mono_ms(), until);
		poll(NULL, 0, 20);
	}
	return worker;
}

/* Its manager is dead; we get what that leaves behind. */
static void wait_worker_gone(pid_t worker)
{
	int64_t until = fnr_mono_ms() + WAIT_MS;

	while (kill(worker, 0) == 0) {
		waitpid(worker, NULL, WNOHANG);
		cr_assert_lt(fnr_mono_ms(), until);
		poll(NULL, 0, 5);
	}
}

Test(pool, a_killed_worker_is_followed_by_another)
{
	struct fnr_id id = run_held();

	cr_assert_eq(kill(wait_worker(), SIGKILL), 0);
	wait_logged("s1", "join", 1);
	take("s1", "hold");
	assert_one_attempt(&id);
	finish();
}

Test(pool, a_killed_manager_finds_its_jobs_again)
{
	struct fnr_id id = run_held();

	end_manager(SIGKILL);
	start_manager();
	wait_logged("s1", "join", 1);
	cr_assert_eq(head_of(&id).state, FNR_STATE_RUNNING);
	take("s1", "hold");
	assert_one_attempt(&id);
	finish();
}

Test(pool, what_has_ended_meanwhile_is_found)
{
	struct fnr_id id = run_held();
	pid_t worker = wait_worker();

	end_manager(SIGKILL);
	wait_worker_gone(worker);     /* or it might see the end yet */
	take("s1", "hold");
	start_manager();
	assert_one_attempt(&id);
	finish();
}

Test(pool, a_graceful_stop_leaves_them)
{
	struct fnr_id id = run_held();

	cr_assert_eq(end_manager(SIGTERM), 0);
	cr_assert_eq(head_of(&id).state, FNR_STATE_RUNNING, "it goes on");
	cr_assert_eq(running_on("s1"), 1);
	audit();
	start_manager();
	take("s1", "hold");
	assert_one_attempt(&id);
	finish();
}

Test(pool, what_a_server_has_forgotten_is_done_again)
{
	struct fnr_id id = run_held();
	char job[64], text[FNR_ID_TEXT];

	end_manager(SIGKILL);
	snprintf(job, sizeof job, "jobs/%s-1", fnr_id_format(&id, text));
	take("s1", job);
	take("s1", "hold");
	start_manager();
	wait_completed(&id);
	cr_assert_eq(head_of(&id).attempt, 2);
	cr_assert_eq(head_of(&id).lost, 1, "it does not count against the job");
	assert_attempt(&id, 1, "error", "code", "forgotten");
	finish();
}

/* The whole machine was restarted in good order: its server has forgotten the job, but nothing crashed. */
Test(pool, what_was_forgotten_in_a_graceful_stop_is_no_loss)
{
	struct fnr_id id = run_held();
	char job[64], text[FNR_ID_TEXT];

	cr_assert_eq(end_manager(SIGTERM), 0);
	snprintf(job, sizeof job, "jobs/%s-1", fnr_id_format(&id, text));
	take("s1", job);
	start_manager();
	wait_running("s1", 1);
	cr_assert_eq(head_of(&id).lost, 0);
	end_manager(SIGKILL);
	snprintf(job, sizeof job, "jobs/%s-2", text);
	take("s1", job);
	take("s1", "hold");
	start_manager();
	wait_completed(&id);
	cr_assert_eq(head_of(&id).attempt, 3);
	cr_assert_eq(head_of(&id).lost, 1, "this was a crash");
	finish();
}

/* What never reached its server can be repeated, whatever its template says. */
Test(pool, a_worker_that_dies_before_its_server_knows)
{
	int64_t until = fnr_mono_ms() + WAIT_MS;
	struct fnr_id id;
	pid_t worker;

	begin();
	add_server("s1", 1, "");
	put("s1", "early", "");
	id = submit(1, (struct wish){ .template_ = "once", .flags = JOB_FLAG_ON_LOST_FAIL });
	wait_logged("s1", "early", 1);
	while (!(worker = worker_with_job())) {
		cr_assert_lt(fnr_mono_ms(), until);
		poll(NULL, 0, 20);
	}
	cr_assert_eq(kill(worker, SIGKILL), 0);
	wait_logged("s1", "early", 2);     /* by the next one */
	take("s1", "early");
	wait_completed(&id);
	cr_assert_eq(head_of(&id).attempt, 2);
	cr_assert_eq(logged("s1", "start"), 1);
	cr_assert_eq(logged("s1", "join"), 0, "there was nothing to join");
	finish();
}

Test(pool, what_a_server_forgot_is_not_repeated_if_it_must_not_be)
{
	struct fnr_id id;
	char job[64], text[FNR_ID_TEXT];

	begin();
	add_server("s1", 1, "");
	put("s1", "hold", "");
	id = submit(1, (struct wish){ .template_ = "once", .flags = JOB_FLAG_ON_LOST_FAIL });
	wait_running("s1", 1);
	end_manager(SIGKILL);
	snprintf(job, sizeof job, "jobs/%s-1", fnr_id_format(&id, text));
	take("s1", job);
	start_manager();
	wait_state(&id, FNR_STATE_FAILED);
	cr_assert_eq(head_of(&id).attempt, 1);
	finish();
}

Test(pool, a_cancel_reaches_what_was_left)
{
	struct fnr_id id = run_held();

	end_manager(SIGKILL);
	command("{\"command\":\"cancel\",\"job\":\"%s\"}", &id);
	start_manager();
	wait_state(&id, FNR_STATE_CANCELLED);
	wait_logged("s1", "cancel", 1);
	cr_assert_eq(running_on("s1"), 0);
	finish();
}

/* ---- servers that ignore a cancel ---- */

#define BUSY "{\"queue\":{\"running\":1,\"pending\":0}}"

/* It shows in its queue what goes on there. */
static struct fnr_id run_deaf(int concurrency)
{
	struct fnr_id id;

	begin();
	add_server("s1", concurrency, "");
	put("s1", "hold", "");
	put("s1", "deaf", "");
	put("s1", "found.json", BUSY);
	id = submit(1, (struct wish){ .template_ = "job" });
	wait_running("s1", 1);
	return id;
}

static void cancel_deaf(const struct fnr_id *id)
{
	command("{\"command\":\"cancel\",\"job\":\"%s\"}", id);
	wait_state(id, FNR_STATE_CANCELLED);
	wait_live("s1", "state", "suspect");
}

static void wait_probed(const char *server)
{
	char name[80], before[64];
	struct json_object *live;

	snprintf(name, sizeof name, "backend/%s", server);
	live = live_of(name);
	snprintf(before, sizeof before, "%s", fnr_json_get_text(live, "checked_at", ""));
	json_object_put(live);
	for (int64_t until = fnr_mono_ms() + WAIT_MS;; poll(NULL, 0, 20)) {
		bool asked;

		live = live_of(name);
		asked = strcmp(fnr_json_get_text(live, "checked_at", before), before) != 0;
		json_object_put(live);
		if (asked)
			return;
		cr_assert_lt(fnr_mono_ms(), until, "%s is not asked", server);
	}
}

static void put_hook(const char *text)
{
	cr_assert_eq(fnr_dir_make("hooks", 0700, NULL), FNR_OK);
	cr_assert_eq(fnr_file_write("hooks/restart-backend", text, strlen(text), 0700, NULL), FNR_OK);
}

/* It may be on its way yet; more often than expected it may not run. */
static void assert_hook_ran(const char *expected)
{
	int64_t until = fnr_mono_ms() + WAIT_MS;
	struct fnr_buf text = FNR_BUF_INIT;

	for (;; poll(NULL, 0, 20)) {
		fnr_buf_reset(&text);
		fnr_file_read("hooks/ran", 4096, &text, NULL);
		if (text.len >= strlen(expected))
			break;
		cr_assert_lt(fnr_mono_ms(), until, "it has not run");
	}
	cr_assert_str_eq(text.data, expected);
	fnr_buf_free(&text);
}

Test(pool, a_server_that_ignores_a_cancel_gets_no_more_jobs)
{
	struct fnr_id id = run_deaf(2), other = submit(1, (struct wish){ .template_ = "job" }), third;
	char job[64], text[FNR_ID_TEXT];

	wait_running("s1", 2);
	cancel_deaf(&id);
	third = submit(1, (struct wish){ .template_ = "job", .class_ = 7 });
	wait_held(7);
	cr_assert_eq(head_of(&other).state, FNR_STATE_RUNNING, "what runs there goes on");
	snprintf(job, sizeof job, "jobs/%s-1", fnr_id_format(&other, text));
	put("s1", job, "end");
	wait_completed(&other);
	wait_probed("s1");
	wait_probed("s1");
	wait_live("s1", "state", "suspect");
	cr_assert_eq(head_of(&third).attempt, 0);
	drain("s1", false);
	wait_live("s1", "state", "ready");
	take("s1", "hold");
	wait_completed(&third);
	finish();
}

Test(pool, a_server_that_hangs_when_a_job_is_cancelled_is_suspect)
{
	struct fnr_id id = run_deaf(1);

	put("s1", "hung", "");
	cancel_deaf(&id);
	cr_assert_eq(running_on("s1"), 1);
	finish();
}

Test(pool, a_server_without_a_hook_is_trusted_when_nothing_runs_there)
{
	struct fnr_id id = run_deaf(1), other;

	cancel_deaf(&id);
	wait_probed("s1");
	put("s1", "found.json", "{\"queue\":{\"running\":0,\"pending\":0}}");
	wait_live("s1", "state", "ready");
	take("s1", "hold");
	other = submit(1, (struct wish){ .template_ = "job" });
	wait_completed(&other);
	finish();
}

Test(pool, the_restart_hook_is_run_once)
{
	struct fnr_id id, other;
	char expected[512];

	snprintf(expected, sizeof expected, "1 s1 %s/servers/s1 none\n", data_dir);
	put_hook("#!/bin/sh\necho \"$# $1 $FNR_BACKEND_URL ${HOME-none}\" >>hooks/ran\nrm \"$FNR_BACKEND_URL\"/deaf \"$FNR_BACKEND_URL\"/jobs/*\necho restarted\n");
	id = run_deaf(1);
	command("{\"command\":\"cancel\",\"job\":\"%s\"}", &id);
	wait_state(&id, FNR_STATE_CANCELLED);
	wait_running("s1", 0);
	wait_live("s1", "state", "ready");
	assert_hook_ran(expected);
	take("s1", "hold");
	other = submit(1, (struct wish){ .template_ = "job" });
	wait_completed(&other);
	wait_probed("s1");
	assert_hook_ran(expected);
	finish();
}

Test(pool, a_hook_that_fails_does_not_count)
{
	struct fnr_id id;

	put_hook("#!/bin/sh\necho ran >>hooks/ran\nexit 3\n");
	id = run_deaf(1);
	cancel_deaf(&id);
	wait_probed("s1");
	wait_probed("s1");
	wait_live("s1", "state", "suspect");
	put("s1", "found.json", "{}");
	wait_live("s1", "state", "ready");
	assert_hook_ran("ran\n");
	finish();
}

/* 43.2: once; what it says of itself decides whether that helped. */
Test(pool, a_server_that_does_not_answer_is_restarted_by_its_hook)
{
	struct fnr_id id;

	make_folders("s1");
	put("s1", "down", "");
	put_hook("#!/bin/sh\necho \"$1\" >>hooks/ran\nrm \"$FNR_BACKEND_URL/down\"\n");
	begin();
	add_server("s1", 1, "");
	id = submit(1, (struct wish){ .template_ = "job" });
	wait_completed(&id);
	wait_live("s1", "state", "ready");
	assert_hook_ran("s1\n");
	cr_assert_eq(head_of(&id).attempt, 1);
	finish();
}

Test(pool, a_restart_that_does_not_help_is_not_repeated)
{
	make_folders("s1");
	put("s1", "down", "");
	put_hook("#!/bin/sh\necho ran >>hooks/ran\n");
	begin();
	add_server("s1", 1, "");
	for (int i = 0; i < 8; i++)        /* its breaker opens, the hook runs, and it opens again */
		wait_probed("s1");
	wait_live("s1", "breaker", "open");
	assert_hook_ran("ran\n");
	finish();
}

static void since_of(const char *server, char out[64])
{
	char name[80];
	struct json_object *live;

	snprintf(name, sizeof name, "backend/%s", server);
	live = live_of(name);
	snprintf(out, 64, "%s", fnr_json_get_text(live, "since", "?"));
	json_object_put(live);
}

/* Also what became of its hook. */
Test(pool, a_suspect_server_stays_one_when_the_manager_is_killed)
{
	char before[64], after[64];
	struct fnr_id id, other;

	put_hook("#!/bin/sh\necho ran >>hooks/ran\nexit 3\n");
	id = run_deaf(1);
	cancel_deaf(&id);
	wait_probed("s1");
	since_of("s1", before);
	end_manager(SIGKILL);
	start_manager();
	other = submit(1, (struct wish){ .template_ = "job", .class_ = 7 });
	wait_held(7);
	wait_probed("s1");
	wait_live("s1", "state", "suspect");
	since_of("s1", after);
	cr_assert_str_eq(after, before);
	assert_hook_ran("ran\n");
	cr_assert_eq(head_of(&other).attempt, 0);
	put("s1", "found.json", "{}");
	take("s1", "hold");
	wait_completed(&other);
	wait_live("s1", "state", "ready");
	end_manager(SIGKILL);
	start_manager();
	wait_probed("s1");
	wait_live("s1", "state", "ready");
	finish();
}

Test(pool, many_kills_lose_nothing_and_do_nothing_twice)
{
	begin();
	add_server("s1", 3, "");
	add_server("s2", 3, "");
	submit_each(120, (struct wish){ .template_ = "job", .metadata = "{\"ms\":40}" });
	for (int i = 0; i < 6; i++) {
		wait_logged("s1", "end", (size_t)(4 * (i + 1)));
		end_manager(SIGKILL);
		start_manager();
	}
	wait_finished();
	assert_count(FNR_STATE_COMPLETED, 120);
	finish();
}
