/* fnr-manager as a whole; see manager_fixture.h. */
#include "config.h"

#include "manager_fixture.h"

/* A script that takes a moment, tells progress, and leaves a file; outputs of a noop are none. */
#define SCRIPT_BACKEND "{\"type\":\"script\",\"command\":[\"sh\",\"-c\"," \
	"\"echo '{\\\"progress\\\":0.5,\\\"message\\\":\\\"half\\\"}'; sleep 0.05; echo $FNR_JOB > out.txt;" \
	" echo '{\\\"output\\\":\\\"text\\\",\\\"path\\\":\\\"out.txt\\\"}'\"]}"

static void set_up(void)
{
	open_data_dir();
	put_template("noop", "{\"type\":\"noop\"}", "{}");
	put_template("script", SCRIPT_BACKEND, "{\"text\":{\"type\":\"text\"}}");
}

TestSuite(manager, .init = set_up, .fini = close_data_dir, .timeout = 600);

Test(manager, noop_jobs_complete)
{
	struct fnr_id id;
	struct told told;

	start_manager();
	wait_started();
	submit_each(200, (struct wish){ .template_ = "noop" });
	id = submit(1, (struct wish){ .template_ = "noop", .project = "demo" });
	wait_finished();
	assert_count(FNR_STATE_COMPLETED, 201);
	told = events_of(&id, false, FNR_EVENT_JOB_COMPLETED);
	cr_assert_eq(told.count, 3);
	cr_assert_eq(told.types[0], FNR_EVENT_JOB_QUEUED);
	cr_assert_eq(told.types[1], FNR_EVENT_JOB_STARTED);
	cr_assert_str_eq(fnr_json_get_text(told.events[0], "project", ""), "demo");
	cr_assert_str_eq(fnr_json_get_text(told.events[0], "node_id", ""), "n7");
	cr_assert_str_eq(fnr_json_get_text(told.events[1], "state", ""), "running");
	cr_assert_eq(fnr_json_get_real(fnr_json_get(told.events[2], "progress"), "percent", 0), 100.0);
	cr_assert_eq(head_of(&id).event, told.last, "the head names the last event of state");
	free_told(&told);
	assert_attempt(&id, 1, NULL, "state", "completed");
	finish();
}

Test(manager, scripts_make_takes)
{
	struct store_txn *txn;
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *take;
	struct fnr_id id;
	struct told told;
	bool filing = false;

	cr_assert_eq(fnr_dir_make("workspace/demo/s010/take_004", 0755, NULL), FNR_OK);   /* somebody was here before */
	start_manager();
	submit_each(5, (struct wish){ .template_ = "script", .project = "demo" });
	id = submit(1, (struct wish){ .template_ = "script" });
	wait_finished();
	assert_count(FNR_STATE_COMPLETED, 6);
	txn = store_read(store, NULL);
	for (uint32_t n = 5; n <= 9; n++) {
		char path[96];

		cr_assert_eq(store_take_get(txn, store_name_find(txn, STORE_PROJECT, "demo"), store_name_find(txn, STORE_SHOT, "s010"), n, &text), FNR_OK,
		             "take %u", n);
		take = fnr_json_parse(text.data, text.len, NULL);
		cr_assert_eq(fnr_json_get_int(take, "take", 0), n);
		cr_assert_str_eq(fnr_json_get_text(fnr_json_get(take, "inputs"), "text", ""), "hé");
		cr_assert_eq(json_object_array_length(fnr_json_get(take, "files")), 1);
		json_object_put(take);
		snprintf(path, sizeof path, "workspace/demo/s010/take_%03u/take.json", n);
		cr_assert_eq(access(path, R_OK), 0, "%s", path);
	}
	store_read_end(txn);
	fnr_buf_free(&text);
	told = events_of(&id, false, FNR_EVENT_JOB_COMPLETED);
	for (size_t i = 0; i < told.count; i++)
		filing |= strcmp(fnr_json_get_text(told.events[i], "state", ""), "finishing") == 0;
	cr_assert(filing);
	cr_assert_eq(json_object_array_length(fnr_json_get(told.events[told.count - 1], "outputs")), 1);
	cr_assert_null(fnr_json_get(told.events[told.count - 1], "take"));
	free_told(&told);
	finish();
}

/* As if the manager had been killed when the result of its first attempt was there and the worker had not cleared away yet. */
static void put_finishing(const struct fnr_id *id, const char *manifest)
{
	struct job_active active = { .attempt = 1, .worker = "w1", .backend = "local", .manifest = (char *)manifest, .started_at = fnr_now_ms() };
	struct store_txn *txn = store_write(store, NULL);
	struct job_head head;

	cr_assert_eq(store_job_get(txn, id, &head), FNR_OK);
	head.attempt = 1;
	head.state = FNR_STATE_RUNNING;
	cr_assert_eq(store_job_put(txn, &head, NULL), FNR_OK);
	head.state = FNR_STATE_FINISHING;
	cr_assert_eq(store_job_put(txn, &head, NULL), FNR_OK);
	cr_assert_eq(store_active_put(txn, id, &active, NULL), FNR_OK);
	cr_assert_eq(store_commit(txn, NULL), FNR_OK);
}

Test(manager, what_a_kill_left_beside_a_result_goes)
{
	struct fnr_id id = submit(1, (struct wish){ .template_ = "script" });
	char text[FNR_ID_TEXT], path[128], work[128];
	int64_t until = fnr_mono_ms() + WAIT_MS;

	put_finishing(&id, "{\"outputs\":[{\"name\":\"text\",\"file\":\"text.txt\"}],\"cpu_ms\":1,\"rss_max\":1,\"finished_at\":1}");
	snprintf(path, sizeof path, "workspace/.jobs/.attempt-%s-1", fnr_id_format(&id, text));
	snprintf(work, sizeof work, "workspace/.work/%s-1", text);
	cr_assert_eq(fnr_dir_make(path, 0755, NULL), FNR_OK);
	cr_assert_eq(fnr_dir_make(work, 0755, NULL), FNR_OK);
	start_manager();
	wait_finished();
	assert_count(FNR_STATE_COMPLETED, 1);
	while (access(work, F_OK) == 0) {
		cr_assert_lt(fnr_mono_ms(), until, "%s stays", work);
		poll(NULL, 0, 10);
	}
	finish();
}

/* ---- files that no job has ---- */

static void plant(const char *name, bool old)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = (time_t)(fnr_now_ms() / 1000) - 2 * 3600 } };
	char path[128];
	int fd;

	snprintf(path, sizeof path, "blobs/payload/%s", name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cr_assert(fd >= 0 && (!old || futimens(fd, times) == 0));
	close(fd);
}

static void plant_payload(const struct fnr_id *id, bool old)
{
	char text[FNR_ID_TEXT];

	plant(fnr_id_format(id, text), old);
}

static bool payload_is_there(const struct fnr_id *id)
{
	char path[64];

	store_payload_path(id, path);
	return access(path, F_OK) == 0;
}

/* A job that waits for ever, with its payload in a file; what the store said of it. */
static int32_t submit_with_file(const struct fnr_id *file)
{
	struct op_submit begin = { .count = 1 };
	struct fnr_buf operation = FNR_BUF_INIT;
	int32_t code;

	op_submit_begin(&operation, &begin);
	op_job_add(&operation, &(struct op_job){ .summary = "{\"template\":\"noop\"}", .payload_file = *file, .project = "", .shot = "", .template_ = "noop", .queue = "cpu",
		.key = "", .class_ = 7, .not_before = INT64_MAX / 2, .max_attempts = 3, .quality = FNR_QUALITY_STANDARD, .priority = 5 });
	code = apply(&operation).code;
	fnr_buf_free(&operation);
	return code;
}

#define ORPHANS 100       /* more than go at a time */
#define WANTED 50

/* A handler is killed after it wrote the file, before the job is accepted; or before it had written all of it. */
Test(manager, files_that_no_job_has_go)
{
	struct fnr_id orphans[ORPHANS], wanted[WANTED], young = fnr_id_random();
	int64_t until = fnr_mono_ms() + WAIT_MS;

	for (size_t i = 0; i < ORPHANS; i++) {
		orphans[i] = fnr_id_random();
		plant_payload(&orphans[i], true);
		if (i >= WANTED)
			continue;
		wanted[i] = fnr_id_random();
		plant_payload(&wanted[i], true);
		submit_each(50, (struct wish){ .template_ = "noop", .not_before = INT64_MAX / 2 });
		cr_assert_eq(submit_with_file(&wanted[i]), FNR_OK);
	}
	plant_payload(&young, false);
	plant(".fnr-a1B2c3", true);
	plant(".fnr-d4E5f6", false);
	plant("notes.txt", true);
	start_manager();
	for (size_t i = 0; i < ORPHANS; i++)
		while (payload_is_there(&orphans[i])) {
			cr_assert_lt(fnr_mono_ms(), until, "%zu stays", i);
			poll(NULL, 0, 10);
		}
	cr_assert(access("blobs/payload/.fnr-a1B2c3", F_OK) < 0);
	for (size_t i = 0; i < WANTED; i++)
		cr_assert(payload_is_there(&wanted[i]), "%zu", i);
	cr_assert(payload_is_there(&young) && access("blobs/payload/.fnr-d4E5f6", F_OK) == 0 && access("blobs/payload/notes.txt", F_OK) == 0);
	cr_assert_eq(submit_with_file(&orphans[0]), FNR_E_UNAVAILABLE, "who was stopped for so long is refused");
	cr_assert_eq(submit_with_file(&young), FNR_OK);
	finish();
}

Test(manager, cancel)
{
	struct fnr_id runs, waits, batch;
	struct store_txn *txn;
	struct batch record;

	write_config("workers: {min: 1, max: 1}\nlog: {level: warn}\n");
	start_manager();
	runs = submit(1, (struct wish){ .template_ = "noop", .metadata = "{\"noop\":{\"duration_ms\":60000}}" });
	waits = submit(1, (struct wish){ .template_ = "noop" });
	batch = submit(50, (struct wish){ .template_ = "noop", .batch = true });
	wait_state(&runs, FNR_STATE_RUNNING);
	command("{\"command\":\"cancel\",\"job\":\"%s\"}", &waits);
	command("{\"command\":\"cancel_batch\",\"batch\":\"%s\"}", &batch);
	wait_state(&waits, FNR_STATE_CANCELLED);
	command("{\"command\":\"nonsense\",\"job\":\"%s\"}", &waits);
	command("{\"command\":\"cancel\",\"job\":\"%s\"}", &waits);
	command("{\"command\":\"cancel\",\"job\":\"%s\"}", &runs);
	wait_finished();
	assert_count(FNR_STATE_CANCELLED, 52);
	assert_attempt(&runs, 1, NULL, "state", "cancelled");
	txn = store_read(store, NULL);
	cr_assert_eq(store_batch_get(txn, &batch, &record), FNR_OK);
	cr_assert_gt(record.event, 0, "its end was told");
	store_read_end(txn);
	finish();
}

Test(manager, cancel_all_by_name)
{
	struct fnr_id last;
	struct store_txn *txn;

	write_config("workers: {min: 1, max: 1}\nlog: {level: warn}\n");
	submit(1200, (struct wish){ .template_ = "noop", .batch = true, .project = "one" });
	submit(3, (struct wish){ .template_ = "noop", .batch = true, .project = "two", .not_before = fnr_now_ms() + 2000 });
	txn = store_read(store, NULL);
	last = store_last_job(txn);
	store_read_end(txn);
	submit(2, (struct wish){ .template_ = "noop", .batch = true, .project = "one" });
	command("{\"command\":\"cancel_all\",\"project\":\"one\",\"until\":\"%s\"}", &last);
	command("{\"command\":\"cancel_all\",\"project\":\"nobody\",\"until\":\"%s\"}", &last);
	command("{\"command\":\"cancel_all\",\"projects\":[\"nobody\"],\"until\":\"%s\"}", &last);
	command("{\"command\":\"cancel_all\",\"state\":\"running\",\"until\":\"%s\"}", &last);
	start_manager();
	wait_finished();
	assert_count(FNR_STATE_CANCELLED, 1200);
	assert_count(FNR_STATE_COMPLETED, 5);
	finish();
}

Test(manager, retries_by_class)
{
	struct fnr_id transient, permanent;
	struct told told;

	start_manager();
	wait_started();
	transient = submit(1, (struct wish){ .template_ = "noop", .metadata = "{\"noop\":{\"fail\":\"transient\"}}" });
	permanent = submit(1, (struct wish){ .template_ = "noop", .metadata = "{\"noop\":{\"fail\":\"permanent\"}}" });
	wait_finished();
	cr_assert_eq(head_of(&transient).attempt, 3);
	cr_assert_eq(head_of(&permanent).attempt, 1);
	cr_assert_eq(head_of(&transient).state, FNR_STATE_FAILED);
	assert_attempt(&transient, 2, "error", "class", "transient");
	told = events_of(&transient, false, FNR_EVENT_JOB_FAILED);
	cr_assert_eq(told.types[2], FNR_EVENT_JOB_RETRYING);
	cr_assert_str_eq(fnr_json_get_text(told.events[2], "state", ""), "retry_wait");
	cr_assert_str_eq(fnr_json_get_text(fnr_json_get(told.events[told.count - 1], "error"), "code", ""), "noop_failed");
	free_told(&told);
	finish();
}

Test(manager, batch_stops_on_error)
{
	struct fnr_id batch;
	struct store_txn *txn;
	struct batch record;

	write_config("workers: {min: 1, max: 1}\nlog: {level: warn}\n");
	batch = submit(30, (struct wish){ .template_ = "noop", .batch = true, .stop_on_error = true,
	                                  .metadata = "{\"noop\":{\"fail\":\"permanent\",\"duration_ms\":20}}" });
	start_manager();
	wait_finished();
	txn = store_read(store, NULL);
	cr_assert_eq(store_batch_get(txn, &batch, &record), FNR_OK);
	store_read_end(txn);
	cr_assert_eq(record.state[FNR_STATE_FAILED], 1);
	cr_assert_eq(record.state[FNR_STATE_CANCELLED], 29);
	assert_attempt(&record.last, 0, "error", "code", "batch_stopped");
	finish();
}

Test(manager, batch_progress_is_told)
{
	struct fnr_id batch = submit(10, (struct wish){ .template_ = "noop", .batch = true, .project = "demo" });
	struct told told;

	start_manager();
	wait_finished();
	told = events_of(&batch, true, FNR_EVENT_BATCH_PROGRESS);
	cr_assert_str_eq(fnr_json_get_text(told.events[told.count - 1], "state", ""), "completed");
	cr_assert_eq(fnr_json_get_int(fnr_json_get(told.events[told.count - 1], "counts"), "completed", 0), 10);
	free_told(&told);
	finish();
}

Test(manager, scheduled_and_expired)
{
	int64_t begin = fnr_now_ms();
	struct fnr_id later = submit(1, (struct wish){ .template_ = "noop", .not_before = begin + 400 });
	struct fnr_id expires = submit(1, (struct wish){ .template_ = "noop", .not_before = begin + 60000, .expires_at = begin + 300 });

	start_manager();
	wait_finished();
	cr_assert_geq(fnr_now_ms(), begin + 400);
	cr_assert_eq(head_of(&later).state, FNR_STATE_COMPLETED);
	cr_assert_eq(head_of(&expires).state, FNR_STATE_EXPIRED);
	assert_attempt(&expires, 0, "error", "code", "expired");
	finish();
}

Test(manager, unknown_template_fails_the_job)
{
	struct fnr_id id = submit(1, (struct wish){ .template_ = "gone" });

	start_manager();
	wait_finished();
	cr_assert_eq(head_of(&id).state, FNR_STATE_FAILED);
	assert_attempt(&id, 0, "error", "code", "record_lost");
	finish();
}

static void wait_taken_up(const struct fnr_id *id)
{
	int64_t until = fnr_mono_ms() + WAIT_MS;

	while (!head_of(id).event) {
		cr_assert_lt(fnr_mono_ms(), until, "it is not taken up");
		poll(NULL, 0, 5);
	}
}

/* More jobs come than are taken up in one turn, and one of those that are left over is gone before its turn comes: who stands
 * behind it in its lane must not be forgotten. */
Test(manager, who_stands_behind_one_that_vanished_is_not_forgotten, .timeout = 600)
{
	int64_t now;
	int status;
	struct store_txn *txn;
	struct fnr_id first, last, parent;

	write_config("workers: {min: 1, max: 1}\nlog: {level: warn}\n");
	start_manager();
	wait_started();
	parent = submit(1, (struct wish){ .template_ = "noop", .metadata = "{\"noop\":{\"duration_ms\":2000}}", .class_ = 5 });
	wait_state(&parent, FNR_STATE_RUNNING);
	now = fnr_now_ms();
	first = submit(1, (struct wish){ .template_ = "noop", .class_ = 7 });
	last = submit(1, (struct wish){ .template_ = "noop", .class_ = 7, .not_before = now + 2000 });
	submit(1999, (struct wish){ .template_ = "noop", .class_ = 50, .batch = true, .not_before = now + 2001, .priority = 1 });   /* with `last`, all of two turns */
	wait_taken_up(&last);
	txn = store_write(store, NULL);      /* so that it is not stopped while it has the lock */
	cr_assert_eq(kill(manager, SIGSTOP), 0);
	cr_assert_eq(waitpid(manager, &status, WUNTRACED), manager);
	store_abort(txn);
	submit(4000, (struct wish){ .template_ = "noop", .class_ = 51, .batch = true, .not_before = now + 3600000 });
	submit(1, (struct wish){ .template_ = "noop", .class_ = 7, .expires_at = now + 2002 });
	while (fnr_now_ms() < now + 2500)
		poll(NULL, 0, 20);
	cr_assert_eq(kill(manager, SIGCONT), 0);
	wait_state(&first, FNR_STATE_COMPLETED);
	wait_state(&last, FNR_STATE_COMPLETED);
	assert_count(FNR_STATE_EXPIRED, 1);
	finish();
}

Test(manager, higher_priority_is_next)
{
	struct fnr_id low, high;

	write_config("workers: {min: 1, max: 1}\nlog: {level: warn}\n");
	for (int i = 0; i < 20; i++)
		low = submit(1, (struct wish){ .template_ = "noop", .metadata = "{\"noop\":{\"duration_ms\":10}}" });
	high = submit(1, (struct wish){ .template_ = "noop", .priority = 9 });
	start_manager();
	wait_finished();
	cr_assert_leq(head_of(&high).started_at, head_of(&low).started_at);
	cr_assert_lt(head_of(&high).event, head_of(&low).event);
	finish();
}

/* ---- stopping ---- */

Test(manager, graceful_stop_waits_for_what_runs)
{
	struct fnr_id id;

	start_manager();
	id = submit(1, (struct wish){ .template_ = "noop", .metadata = "{\"noop\":{\"duration_ms\":600}}" });
	wait_state(&id, FNR_STATE_RUNNING);
	cr_assert_eq(end_manager(SIGTERM), 0);
	cr_assert_eq(head_of(&id).state, FNR_STATE_COMPLETED);
	finish();
}

Test(manager, what_does_not_finish_is_given_back)
{
	struct fnr_id id;

	write_config("workers: {min: 1, max: 2}\nlog: {level: warn}\nstop: {grace: 0}\n");
	start_manager();
	id = submit(1, (struct wish){ .template_ = "noop", .metadata = "{\"noop\":{\"duration_ms\":6000}}" });
	wait_state(&id, FNR_STATE_RUNNING);
	cr_assert_eq(end_manager(SIGTERM), 0);
	cr_assert_eq(head_of(&id).state, FNR_STATE_QUEUED, "it was not waited for");
	audit();
	start_manager();
	wait_finished();
	cr_assert_eq(head_of(&id).state, FNR_STATE_COMPLETED);
	cr_assert_eq(head_of(&id).attempt, 2);
	cr_assert_eq(head_of(&id).lost, 0, "nothing crashed");
	finish();
}

Test(manager, graceful_stops_are_no_losses, .timeout = 600)
{
	struct fnr_id id;
	enum { STOPS = 4 };

	write_config("workers: {min: 1, max: 2}\nlog: {level: warn}\nstop: {grace: 0}\njob: {max_lost: 1}\n");
	start_manager();
	id = submit(1, (struct wish){ .template_ = "noop", .metadata = "{\"noop\":{\"fail\":\"transient\",\"duration_ms\":4000}}" });
	for (int i = 0; i < STOPS; i++) {
		wait_state(&id, FNR_STATE_RUNNING);
		cr_assert_eq(end_manager(SIGTERM), 0);
		assert_attempt(&id, (uint16_t)(i + 1), "error", "code", "stopped");
		start_manager();
	}
	wait_finished();
	cr_assert_eq(head_of(&id).state, FNR_STATE_FAILED);
	cr_assert_eq(head_of(&id).lost, 0);
	cr_assert_eq(head_of(&id).attempt, STOPS + 3, "it had all of its own attempts as well");
	finish();
}

/* A stop that is cut short: the manager was told, and is gone before the grace is over. */
Test(manager, a_stop_that_is_cut_short_is_no_loss)
{
	struct fnr_id id;
	int64_t until = fnr_mono_ms() + WAIT_MS;
	bool noted = false;

	start_manager();
	id = submit(1, (struct wish){ .template_ = "noop", .metadata = "{\"noop\":{\"duration_ms\":6000}}" });
	wait_state(&id, FNR_STATE_RUNNING);
	cr_assert_eq(kill(manager, SIGTERM), 0);
	while (!noted) {
		struct store_txn *txn = store_read(store, NULL);

		noted = store_meta_get(txn, STORE_META_STOPPED) == 1;
		store_read_end(txn);
		cr_assert_lt(fnr_mono_ms(), until);
		poll(NULL, 0, 5);
	}
	end_manager(SIGKILL);
	start_manager();
	wait_finished();
	cr_assert_eq(head_of(&id).state, FNR_STATE_COMPLETED);
	cr_assert_eq(head_of(&id).attempt, 2);
	cr_assert_eq(head_of(&id).lost, 0);
	finish();
}

/* ---- crashes ---- */

/* The children of a process, by the kernel's list. */
static size_t children_of(pid_t pid, pid_t *out, size_t size)
{
	char path[64];
	FILE *file;
	size_t count = 0;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
	file = fopen(path, "r");
	while (file && count < size && fscanf(file, "%d", &out[count]) == 1)
		count++;
	if (file)
		fclose(file);
	return count;
}

static pid_t spawner_of(pid_t pid)
{
	pid_t children[4];
	size_t count = children_of(pid, children, 4);

	for (size_t i = 0; i < count; i++) {
		struct fnr_buf name = FNR_BUF_INIT;
		char path[64];
		bool found;

		snprintf(path, sizeof path, "/proc/%d/comm", (int)children[i]);
		found = fnr_file_read(path, 64, &name, NULL) == FNR_OK && strcmp(name.data, "fnr-spawner\n") == 0;
		fnr_buf_free(&name);
		if (found)
			return children[i];
	}
	return 0;
}

static pid_t some_worker(void)
{
	pid_t spawner = spawner_of(manager), workers[16];
	size_t count = spawner ? children_of(spawner, workers, 16) : 0;

	return count ? workers[(size_t)rand() % count] : 0;
}

Test(manager, a_killed_worker_costs_one_attempt)
{
	struct fnr_id id;

	write_config("workers: {min: 1, max: 1}\nlog: {level: error}\n");
	start_manager();
	id = submit(1, (struct wish){ .template_ = "noop", .metadata = "{\"noop\":{\"duration_ms\":4000}}" });
	wait_state(&id, FNR_STATE_RUNNING);
	cr_assert_eq(kill(some_worker(), SIGKILL), 0);
	wait_finished();
	cr_assert_eq(head_of(&id).state, FNR_STATE_COMPLETED);
	cr_assert_eq(head_of(&id).lost, 1);
	assert_attempt(&id, 1, "error", "code", "lost");
	finish();
}

Test(manager, a_hung_worker_is_replaced)
{
	struct fnr_id id;

	write_config("workers: {min: 1, max: 1}\nlog: {level: error}\n");
	start_manager();
	id = submit(1, (struct wish){ .template_ = "noop", .metadata = "{\"noop\":{\"duration_ms\":4000}}" });
	wait_state(&id, FNR_STATE_RUNNING);
	cr_assert_eq(kill(some_worker(), SIGSTOP), 0);
	wait_finished();
	cr_assert_eq(head_of(&id).state, FNR_STATE_COMPLETED);
	cr_assert_eq(head_of(&id).lost, 1);
	finish();
}

Test(manager, a_dead_spawner_ends_the_manager)
{
	int status;

	write_config("workers: {min: 2, max: 2}\nlog: {level: error}\n");
	start_manager();
	submit(1, (struct wish){ .template_ = "noop" });
	wait_finished();
	cr_assert_eq(kill(spawner_of(manager), SIGKILL), 0);
	cr_assert_eq(waitpid(manager, &status, 0), manager);
	manager = -1;
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	finish();
}

/* Somebody dies, again and again, in whatever they are doing; every job still finishes, and once. */
Test(manager, survives_kills_at_random_moments)
{
	int64_t until = fnr_mono_ms() + 8000;
	struct store_txn *txn;
	struct json_object *jobs = json_object_new_object();
	struct fnr_buf text = FNR_BUF_INIT;
	uint32_t project, shot, takes = 0;
	int kills = 0;

	write_config("workers: {min: 4, max: 4}\nlog: {level: error}\njob: {max_lost: 1000}\n");
	srand(7);
	start_manager();
	while (fnr_mono_ms() < until) {
		int who = rand() % 8, status;
		pid_t victim = 0;

		submit_each(5, (struct wish){ .template_ = "noop", .metadata = "{\"noop\":{\"duration_ms\":20}}" });
		submit_each(3, (struct wish){ .template_ = "script", .project = "demo" });
		poll(NULL, 0, 20 + rand() % 200);
		victim = who == 0 ? manager : who == 1 ? spawner_of(manager) : some_worker();
		if (victim <= 0 || kill(victim, SIGKILL) != 0)
			continue;
		kills++;
		if (who > 1)
			continue;
		cr_assert_eq(waitpid(manager, &status, 0), manager);
		start_manager();
	}
	submit_each(8, (struct wish){ .template_ = "noop" });    /* for which the last manager must have come up */
	wait_finished();
	cr_assert_eq(counters().state[FNR_STATE_COMPLETED], counters().accepted, "after %d kills", kills);
	txn = store_read(store, NULL);
	project = store_name_find(txn, STORE_PROJECT, "demo");
	shot = store_name_find(txn, STORE_SHOT, "s010");
	for (uint32_t n = 1; n <= store_shot_counter(txn, project, shot); n++) {
		char path[96];
		struct json_object *take;

		snprintf(path, sizeof path, "workspace/demo/s010/take_%03u/out.txt", n);
		if (store_take_get(txn, project, shot, n, &text) != FNR_OK) {
			cr_expect_neq(access(path, F_OK), 0, "take %u is on disk and not in the store", n);
			continue;
		}
		takes++;
		cr_expect_eq(access(path, R_OK), 0, "%s", path);
		take = fnr_json_parse(text.data, text.len, NULL);
		cr_expect_null(fnr_json_get(jobs, fnr_json_get_text(take, "job", "")), "a job has two takes");
		fnr_json_set_bool(jobs, fnr_json_get_text(take, "job", ""), true);
		json_object_put(take);
	}
	store_read_end(txn);
	cr_assert_eq(takes * 8, (counters().accepted - 8) * 3, "each script job has one take");
	json_object_put(jobs);
	fnr_buf_free(&text);
	finish();
}
