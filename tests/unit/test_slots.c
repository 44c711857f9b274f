/* Slots and committer: whatever is killed when, what was posted is applied exactly once, and nobody waits for ever. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api/committer.h"
#include "api/loader.h"
#include "api/upload.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "http/access.h"

#define PATIENCE_MS 60000
#define DEATHS 5

static struct fnr_conf conf;
static char folder[] = "/tmp/fnr-slots-XXXXXX";

static void enter(void)
{
	struct fnr_error err = FNR_ERROR_INIT;

	cr_assert(mkdtemp(folder) && chdir(folder) == 0 && mkdir("uploads", 0700) == 0 && mkdir("run", 0700) == 0);
	cr_assert_eq(fnr_conf_load(&conf, "config.yaml", &err), FNR_OK, "%s", err.message);
	strcpy(conf.log_level, "error");
	conf.disk_min_free = 0;
}

static void leave(void)
{
	cr_assert(chdir("/") == 0);
	fnr_tree_remove(folder, NULL);
}

TestSuite(slots, .init = enter, .fini = leave, .timeout = 600);

static void pause_us(long us)
{
	struct timespec time = { .tv_nsec = us * 1000 };

	nanosleep(&time, NULL);
}

/* A child that does not outlive the test, however that ends. */
static pid_t fork_tied(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0)
		fnr_proc_tie(parent, SIGKILL);
	return pid;
}

static pid_t start_committer(struct slots *slots)
{
	pid_t pid = fork_tied();

	if (pid == 0)
		_exit(committer_run(slots));
	return pid;
}

static void stop_committer(struct slots *slots, pid_t pid)
{
	int status;

	slots_stop(slots, true);
	cr_assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
	slots_stop(slots, false);
}

static int add_one(struct slots *slots, size_t slot, const char *name, struct fnr_error *err)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;
	int code;

	op_meta_add(&operation, name, 1);
	code = slots_post(slots, slot, operation.data, operation.len, &reply, err);
	fnr_buf_free(&operation);
	return code == FNR_OK ? reply.code : code;
}

static pid_t start_poster(struct slots *slots, size_t slot, int count)
{
	pid_t pid = fork_tied();

	if (pid == 0) {
		for (int i = 0; i < count; i++)
			if (add_one(slots, slot, "sum", NULL) != FNR_OK)
				_exit(1);
		_exit(0);
	}
	return pid;
}

/* Until so many were posted since the beginning. */
static void wait_posted(struct slots *slots, uint32_t count)
{
	while (slots_bell(slots) < count)
		pause_us(1000);
}

static void wait_good(pid_t pid)
{
	int status;

	cr_assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0, "a poster ended with %x", status);
}

static uint64_t stored(const char *name)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store *store;
	struct store_txn *txn;
	uint64_t value;

	cr_assert_eq(store_open(&store, false, &err), FNR_OK, "%s", err.message);
	txn = store_read(store, &err);
	value = store_meta_get(txn, name);
	store_read_end(txn);
	store_close(store);
	return value;
}

Test(slots, many_posters_one_committer)
{
	struct slots *slots = slots_create(&conf, PATIENCE_MS);
	pid_t committer, posters[16];

	slots_use(slots, 16);
	committer = start_committer(slots);
	for (size_t i = 0; i < 16; i++)
		posters[i] = start_poster(slots, i, 50);
	for (size_t i = 0; i < 16; i++)
		wait_good(posters[i]);
	cr_assert_leq(slots_committer_age_ms(slots), PATIENCE_MS, "it was seen");
	stop_committer(slots, committer);
	cr_assert_eq(stored("sum"), 16 * 50);
	slots_free(slots);
}

/* Keeps the store open meanwhile, as handlers do: then a commit that was cut off is not yet what readers see. */
static pid_t start_bystander(void)
{
	pid_t pid = fork_tied();

	if (pid == 0) {
		struct store *store;

		if (store_open(&store, false, NULL) == FNR_OK)
			pause();
		_exit(1);
	}
	return pid;
}

#define SPAN_US 5000
#define SPAN_MOST_US 900000
#define LOOK_ROUNDS 16

/* How far it came; 0 while there is no store. */
static uint64_t sum_so_far(void)
{
	struct store *store;
	struct store_txn *txn;
	uint64_t sum = 0;

	if (store_open(&store, false, NULL) != FNR_OK)
		return 0;
	txn = store_read(store, NULL);
	if (txn)
		sum = store_meta_get(txn, "sum");
	store_read_end(txn);
	store_close(store);
	return sum;
}

/* The committer is killed at odd moments, again and again; it is replaced as the master does it. Where a machine is so slow that
 * none comes to its first commit, the moments get later, until one does. */
Test(slots, committers_killed_at_random, .timeout = 300)
{
	struct slots *slots = slots_create(&conf, PATIENCE_MS);
	pid_t bystander = start_bystander(), committer, posters[8];
	uint64_t before = 0, now;
	long span = SPAN_US;
	size_t left = 8;
	int status;

	slots_use(slots, 8);
	committer = start_committer(slots);
	for (size_t i = 0; i < 8; i++)
		posters[i] = start_poster(slots, i, 200);
	for (int round = 0; left > 0; round++) {
		int64_t began = fnr_mono_ms();

		while (slots_committer_age_ms(slots) >= fnr_mono_ms() - began)     /* until it is at work */
			pause_us(200);
		pause_us(round * 7919L % span);
		kill(committer, SIGKILL);
		cr_assert_eq(waitpid(committer, &status, 0), committer);
		slots_blame(slots, false);
		committer = start_committer(slots);
		for (size_t i = 0; i < 8; i++)
			if (posters[i] && waitpid(posters[i], &status, WNOHANG) == posters[i]) {
				cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
				posters[i] = 0;
				left--;
			}
		if (round % LOOK_ROUNDS)
			continue;
		now = sum_so_far();
		if (now > before)
			span = SPAN_US;
		else
			span = 2 * span < SPAN_MOST_US ? 2 * span : SPAN_MOST_US;
		before = now;
	}
	stop_committer(slots, committer);
	cr_assert_eq(stored("sum"), 8 * 200);
	kill(bystander, SIGKILL);
	waitpid(bystander, NULL, 0);
	slots_free(slots);
}

/* ---- killed at each step ---- */

static struct { atomic_int step, times; } *deadly;    /* shared with the committers */

static void die_at_step(enum committer_step step)
{
	if ((int)step == deadly->step && atomic_fetch_sub(&deadly->times, 1) > 0)
		raise(SIGKILL);
}

static struct committer *mortal;

static pid_t start_mortal(struct slots *slots, void (*step)(enum committer_step step))
{
	pid_t pid = fork_tied();

	if (pid == 0) {
		struct committer *committer = fnr_alloc(sizeof *committer);

		if (committer_open(committer, slots, NULL) != FNR_OK)
			_exit(2);
		committer->step = step;
		mortal = committer;
		while (!slots_stopping(slots)) {
			uint32_t bell = slots_bell(slots);

			committer_round(committer);
			slots_sleep(slots, bell, 20);
		}
		_exit(0);
	}
	return pid;
}

static void check_step(enum committer_step step)
{
	struct slots *slots = slots_create(&conf, PATIENCE_MS);
	pid_t committer, posters[4];
	int status;

	deadly = mmap(NULL, sizeof *deadly, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	deadly->step = (int)step;
	deadly->times = DEATHS;
	slots_use(slots, 4);
	for (size_t i = 0; i < 4; i++)
		posters[i] = start_poster(slots, i, 10);
	for (int deaths = 0; deaths < DEATHS; deaths++) {
		committer = start_mortal(slots, die_at_step);
		cr_assert(waitpid(committer, &status, 0) == committer && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%x", status);
		slots_blame(slots, false);
	}
	committer = start_mortal(slots, die_at_step);
	for (size_t i = 0; i < 4; i++)
		wait_good(posters[i]);
	slots_stop(slots, true);
	cr_assert(waitpid(committer, &status, 0) == committer && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	cr_assert_eq(stored("sum"), 4 * 10, "step %d", step);
	slots_free(slots);
}

Test(slots, killed_after_taking) { check_step(COMMITTER_TOOK); }
Test(slots, killed_before_the_commit) { check_step(COMMITTER_APPLIED); }
Test(slots, killed_after_the_commit) { check_step(COMMITTER_COMMITTED); }
Test(slots, killed_between_answers) { check_step(COMMITTER_ANSWERED_ONE); }
Test(slots, killed_while_applying) { check_step(COMMITTER_APPLYING); }

/* ---- a request that no committer survives ---- */

static pid_t post_raw(struct slots *slots, size_t slot, const char *data, size_t len, int expected)
{
	pid_t pid = fork_tied();

	if (pid == 0) {
		struct op_reply reply;
		int code = slots_post(slots, slot, data, len, &reply, NULL);

		_exit(code == FNR_OK && reply.code == expected ? 0 : 1);
	}
	return pid;
}

static void die_of_poison(enum committer_step step)
{
	long slot = slots_at_hand(mortal->slots);

	for (size_t i = 0; step == COMMITTER_APPLYING && i < mortal->count; i++)
		if (mortal->taken[i] == slot && memmem(mortal->data.data + mortal->begin[i], mortal->begin[i + 1] - mortal->begin[i], "poison", 6))
			raise(deadly->step);
}

/* It stands in the middle of others: before it, behind it, and posted meanwhile. */
static void check_poison(int signal_number, int deaths)
{
	struct slots *slots = slots_create(&conf, PATIENCE_MS);
	struct fnr_buf poison = FNR_BUF_INIT;
	pid_t committer, posters[5];
	int status;

	deadly = mmap(NULL, sizeof *deadly, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	deadly->step = signal_number;
	slots_use(slots, 5);
	op_meta_add(&poison, "poison", 1);
	for (size_t i = 0; i < 5; i++)
		posters[i] = i == 2 ? post_raw(slots, i, poison.data, poison.len, FNR_E_INTERNAL) : start_poster(slots, i, 10);
	wait_posted(slots, 5);
	for (; deaths > 0; deaths--) {
		cr_assert(!slots_deadly(slots, 2));
		committer = start_mortal(slots, die_of_poison);
		cr_assert(waitpid(committer, &status, 0) == committer && WIFSIGNALED(status) && WTERMSIG(status) == signal_number, "%x", status);
		slots_blame(slots, signal_number != SIGKILL);
	}
	cr_assert(slots_deadly(slots, 2));
	committer = start_mortal(slots, die_of_poison);
	for (size_t i = 0; i < 5; i++)
		wait_good(posters[i]);
	wait_good(start_poster(slots, 2, 10));
	cr_assert(!slots_deadly(slots, 2), "the request was blamed, not its place");
	slots_stop(slots, true);
	cr_assert(waitpid(committer, &status, 0) == committer && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	cr_assert_eq(stored("sum"), 5 * 10);
	cr_assert_eq(stored("poison"), 0);
	fnr_buf_free(&poison);
	slots_free(slots);
}

Test(slots, a_deadly_request_is_refused_and_the_others_get_on) { check_poison(SIGTERM, 3); }
Test(slots, a_request_that_is_killed_for_is_refused_in_the_end) { check_poison(SIGKILL, 100); }

/* ---- posters ---- */

Test(slots, a_killed_poster_leaves_a_usable_slot)
{
	struct slots *slots = slots_create(&conf, PATIENCE_MS);
	pid_t poster, committer;

	slots_use(slots, 2);
	poster = start_poster(slots, 1, 1);          /* nobody answers yet */
	wait_posted(slots, 1);
	kill(poster, SIGKILL);
	waitpid(poster, NULL, 0);
	committer = start_committer(slots);
	cr_assert(slots_settle(slots, 1));
	cr_assert_eq(add_one(slots, 1, "sum", NULL), FNR_OK);
	stop_committer(slots, committer);
	cr_assert_eq(stored("sum"), 2);
	slots_free(slots);
}

Test(slots, without_a_committer_it_is_withdrawn)
{
	struct slots *slots = slots_create(&conf, 100);
	struct fnr_error err = FNR_ERROR_INIT;
	pid_t committer;

	slots_use(slots, 1);
	cr_assert_eq(slots_committer_age_ms(slots), INT64_MAX);
	cr_assert_eq(add_one(slots, 0, "sum", &err), FNR_E_UNAVAILABLE);
	cr_assert(strstr(err.message, "nothing was changed"), "%s", err.message);
	committer = start_committer(slots);
	pause_us(100000);
	stop_committer(slots, committer);
	cr_assert_eq(stored("sum"), 0);
	slots_free(slots);
}

Test(slots, taken_and_not_answered_is_not_known)
{
	struct slots *slots = slots_create(&conf, 3000);
	struct op_reply reply = { .code = FNR_OK };
	struct fnr_error err = FNR_ERROR_INIT;
	pid_t poster;
	int status;

	slots_use(slots, 1);
	poster = fork_tied();
	if (poster == 0) {
		int first = add_one(slots, 0, "sum", NULL), second = add_one(slots, 0, "sum", NULL);

		_exit(first == FNR_E_TIMEOUT && second == FNR_E_UNAVAILABLE ? 0 : 1);
	}
	while (slots_take(slots, 0, true) < 0)
		pause_us(1000);
	cr_assert(waitpid(poster, &status, 0) == poster && status == 0, "%x", status);
	cr_assert(!slots_settle(slots, 0));          /* still taken: the slot cannot be used */
	slots_answer(slots, 0, &reply);
	cr_assert(slots_settle(slots, 0));
	cr_assert_eq(add_one(slots, 0, "sum", &err), FNR_E_UNAVAILABLE);   /* posted and withdrawn again */
	slots_free(slots);
}

static bool has_operation_files(void)
{
	return system("ls uploads/.op-* >/dev/null 2>&1") == 0;
}

static char *large_preset(struct fnr_buf *operation)
{
	size_t len = 300000;
	char *json = fnr_alloc(len + 3);

	memset(json, 'x', len);
	json[0] = json[len - 1] = '"';
	op_preset_put(operation, &(struct store_preset){ .id = "large", .json = json, .version = 1 }, OP_PRESET_ANY);
	return json;
}

Test(slots, large_operations_go_by_file)
{
	struct slots *slots = slots_create(&conf, 8000);
	struct fnr_buf operation = FNR_BUF_INIT, found = FNR_BUF_INIT;
	char *json = large_preset(&operation);
	struct op_reply reply;
	struct store *store;
	struct store_txn *txn;
	pid_t committer;

	slots_use(slots, 1);
	cr_assert_gt(operation.len, SLOTS_INLINE);
	cr_assert_eq(slots_post(slots, 0, operation.data, operation.len, &reply, NULL), FNR_E_UNAVAILABLE);
	cr_assert(!has_operation_files(), "a withdrawn operation leaves no file");
	committer = start_committer(slots);
	cr_assert_eq(slots_post(slots, 0, operation.data, operation.len, &reply, NULL), FNR_OK);
	cr_assert_eq(reply.code, FNR_OK, "%s", reply.message);
	cr_assert(!has_operation_files());
	stop_committer(slots, committer);
	store_open(&store, false, NULL);
	txn = store_read(store, NULL);
	cr_assert_eq(store_preset_get(txn, "large", &found), FNR_OK);
	cr_assert_str_eq(found.data, json);
	store_read_end(txn);
	store_close(store);
	fnr_buf_free(&operation);
	fnr_buf_free(&found);
	free(json);
	slots_free(slots);
}

Test(slots, files_of_an_earlier_start_are_removed)
{
	close(open("uploads/.op-00", O_CREAT | O_WRONLY, 0600));
	close(open("uploads/other", O_CREAT | O_WRONLY, 0600));
	slots_remove_files();
	cr_assert(access("uploads/.op-00", F_OK) < 0 && access("uploads/other", F_OK) == 0);
}

/* ---- rounds ---- */

Test(slots, a_bad_request_does_not_spoil_the_round)
{
	struct slots *slots = slots_create(&conf, PATIENCE_MS);
	struct committer *committer = fnr_alloc(sizeof *committer);
	struct fnr_error err = FNR_ERROR_INIT;
	pid_t posters[3];

	slots_use(slots, 3);
	posters[0] = start_poster(slots, 0, 1);
	posters[1] = post_raw(slots, 1, "\xff garbage", 9, FNR_E_MALFORMED);
	posters[2] = start_poster(slots, 2, 1);
	wait_posted(slots, 3);
	cr_assert_eq(committer_open(committer, slots, &err), FNR_OK, "%s", err.message);
	cr_assert(committer_round(committer));
	committer_close(committer);
	free(committer);
	for (size_t i = 0; i < 3; i++)
		wait_good(posters[i]);
	cr_assert_eq(stored("sum"), 2);
	slots_free(slots);
}

Test(slots, a_full_store_takes_no_new_work_but_goes_on)
{
	struct slots *slots;
	struct store_upload upload = { .id = fnr_id_random(), .bytes = 1, .media_type = "a/b" };
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;
	pid_t committer;

	conf.store_max_bytes = 1;
	slots = slots_create(&conf, PATIENCE_MS);
	slots_use(slots, 1);
	committer = start_committer(slots);
	op_upload(&operation, &upload, false);
	cr_assert_eq(slots_post(slots, 0, operation.data, operation.len, &reply, NULL), FNR_OK);
	cr_assert_eq(reply.code, FNR_E_FULL);
	cr_assert_gt(reply.retry_after_s, 0);
	cr_assert(strstr(reply.message, "store.max_bytes"), "%s", reply.message);
	cr_assert_eq(add_one(slots, 0, "sum", NULL), FNR_OK);
	stop_committer(slots, committer);
	fnr_buf_free(&operation);
	slots_free(slots);
}

Test(slots, a_new_configuration_reaches_everybody)
{
	struct slots *slots = slots_create(&conf, PATIENCE_MS);
	struct fnr_conf mine;
	uint32_t generation = 0;

	cr_assert(slots_conf_read(slots, &generation, &mine) && !slots_conf_read(slots, &generation, &mine));
	conf.job_max_attempts = 17;
	slots_conf_publish(slots, &conf);
	cr_assert(slots_conf_read(slots, &generation, &mine));
	cr_assert_eq(mine.job_max_attempts, 17);
	slots_free(slots);
}

/* ---- the first key ---- */

struct admin { char file[100]; bool in_force; size_t keys; };

static bool count_row(const char *id, const char *json, size_t len, void *context)
{
	(void)id, (void)json, (void)len;
	++*(size_t *)context;
	return true;
}

static struct admin look_at_admin(struct store *store)
{
	struct admin admin = { .in_force = false };
	struct fnr_buf file = FNR_BUF_INIT, json = FNR_BUF_INIT;
	struct store_txn *txn = store_read(store, NULL);
	uint8_t hash[32];

	cr_assert_eq(fnr_file_read(LOADER_KEY_FILE, 1000, &file, NULL), FNR_OK);
	snprintf(admin.file, sizeof admin.file, "%.*s", (int)strcspn(file.data, "\n"), file.data);
	access_key_hash(admin.file, hash);
	admin.in_force = store_key_get(txn, hash, &json) == FNR_OK;
	store_keys(txn, count_row, &admin.keys);
	store_read_end(txn);
	fnr_buf_free(&file);
	fnr_buf_free(&json);
	return admin;
}

Test(slots, the_first_key)
{
	struct slots *slots = slots_create(&conf, PATIENCE_MS);
	struct fnr_error err = FNR_ERROR_INIT;
	struct store *store;
	struct admin first, second;
	struct stat st;
	pid_t committer;

	slots_use(slots, 1);
	committer = start_committer(slots);
	cr_assert_eq(store_open(&store, false, &err), FNR_OK, "%s", err.message);
	for (int i = 0; i < 2; i++)                  /* the second time there is nothing to do */
		cr_assert_eq(loader_admin_key(store, slots, 0, &err), FNR_OK, "%s", err.message);
	first = look_at_admin(store);
	cr_assert(first.in_force && first.keys == 1 && stat(LOADER_KEY_FILE, &st) == 0 && (st.st_mode & 0777) == 0600);
	cr_assert(unlink(LOADER_KEY_FILE) == 0);     /* lost: a new one takes its place */
	cr_assert_eq(loader_admin_key(store, slots, 0, &err), FNR_OK, "%s", err.message);
	second = look_at_admin(store);
	cr_assert(second.in_force && second.keys == 1 && strcmp(first.file, second.file) != 0);
	cr_assert_eq(fnr_file_write(LOADER_KEY_FILE, "\n", 1, 0600, &err), FNR_OK);
	cr_assert_eq(loader_admin_key(store, slots, 0, &err), FNR_E_CORRUPT);
	store_close(store);
	stop_committer(slots, committer);
	slots_free(slots);
}

/* ---- what crashes leave in uploads/ ---- */

static void make_old(const char *path)
{
	struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	cr_assert(fd >= 0 && futimens(fd, times) == 0);
	close(fd);
}

Test(slots, stale_uploads_are_swept)
{
	struct store_upload upload = { .id = fnr_id_random(), .bytes = 1, .media_type = "a/b" };
	struct fnr_id orphan = fnr_id_random(), young = fnr_id_random();
	char known_path[64], orphan_path[64], young_path[64], id[FNR_ID_TEXT];
	struct store *store;
	struct store_txn *txn;

	snprintf(known_path, sizeof known_path, "uploads/%s", fnr_id_format(&upload.id, id));
	snprintf(orphan_path, sizeof orphan_path, "uploads/%s", fnr_id_format(&orphan, id));
	snprintf(young_path, sizeof young_path, "uploads/%s", fnr_id_format(&young, id));
	cr_assert_eq(store_open(&store, true, NULL), FNR_OK);
	txn = store_write(store, NULL);
	cr_assert_eq(store_upload_put(txn, &upload, NULL), FNR_OK);
	cr_assert_eq(store_commit(txn, NULL), FNR_OK);
	make_old(known_path);
	make_old(orphan_path);
	make_old("uploads/not-ours");
	cr_assert(mkdir("uploads/incoming", 0700) == 0);
	make_old("uploads/incoming/0000000001");
	close(open(young_path, O_CREAT | O_WRONLY, 0600));
	txn = store_read(store, NULL);
	cr_assert_eq(upload_sweep(txn), 2);
	store_read_end(txn);
	cr_assert(access(known_path, F_OK) == 0 && access(young_path, F_OK) == 0 && access("uploads/not-ours", F_OK) == 0);
	cr_assert(access(orphan_path, F_OK) < 0 && access("uploads/incoming/0000000001", F_OK) < 0);
	store_close(store);
}
