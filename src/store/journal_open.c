/* Which journal is in use, and whether it can be trusted.
 *
 * journal/<generation>/ has the environment and, written before it, the file `boot_id`. An environment that is never
 * flushed is whole as long as the kernel that holds its pages runs; after that nobody may open it. A process that opens
 * a broken one can be ended by it, so the manager lets a child walk through it first.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/journal_internal.h"

#define JOURNAL_PATH "journal"
#define JOURNAL_MAP ((size_t)64 << 30)
#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_SIZE 128
#define PROBE_MS 2000

static const char *const database_names[] = {
#define X(name, text) text,
	JOURNAL_DATABASES(X)
#undef X
};

static char *folder_of(uint64_t generation, char path[64])
{
	snprintf(path, 64, JOURNAL_PATH "/%llu", (unsigned long long)generation);
	return path;
}

static int open_env(struct env *env, uint64_t generation, unsigned flags, struct fnr_error *err)
{
	char path[64];
	const struct env_spec spec = { .path = folder_of(generation, path), .what = "the journal", .map = JOURNAL_MAP,
	                              .flags = flags,
	                               .names = database_names, .count = JOURNAL_COUNT };

	return env_open(env, &spec, err);
}

/* ---- of this boot? ---- */

static bool read_line(const char *path, char out[BOOT_ID_SIZE])
{
	struct fnr_buf text = FNR_BUF_INIT;
	bool good = fnr_file_read(path, BOOT_ID_SIZE - 1, &text, NULL) == FNR_OK && text.len > 0;

	memset(out, 0, BOOT_ID_SIZE);
	if (good)
		memcpy(out, text.data, strcspn(text.data, "\n"));
	fnr_buf_free(&text);
	return good && out[0];
}

static bool is_of_this_boot(uint64_t generation)
{
	char path[80], folder[64], stored[BOOT_ID_SIZE], now[BOOT_ID_SIZE];

	snprintf(path, sizeof path, "%s/boot_id", folder_of(generation, folder));
	return read_line(path, stored) && read_line(BOOT_ID_FILE, now) && strcmp(stored, now) == 0;
}

/* ---- can it be read? (in the child) ---- */

/* Touches every page that the value lies on. */
static unsigned touch(const MDB_val *value)
{
	const volatile uint8_t *bytes = value->mv_data;
	unsigned sum = 0;

	for (size_t i = 0; i < value->mv_size; i += 512)
		sum += bytes[i];
	return value->mv_size ? sum + bytes[value->mv_size - 1] : sum;
}

static bool walk_database(struct env_txn *txn, unsigned db)
{
	uint8_t last[512] = { 0 };
	struct journal_event event;
	struct walk walk;
	size_t last_len = 0, rows = 0;
	bool good = true;

	for (bool on = walk_from(&walk, txn, db, NULL); on && good; on = walk_next(&walk)) {
		size_t len = walk.key.mv_size, common = len < last_len ? len : last_len;
		int order = memcmp(last, walk.key.mv_data, common);

		good = len > 0 && len <= sizeof last && (order < 0 || (order == 0 && last_len < len));
		if (!good)
			break;
		memcpy(last, walk.key.mv_data, len);
		last_len = len;
		touch(&walk.value);
		good = db != JOURNAL_EVENT || journal_event_parse(&walk.key, &walk.value, &event);
		rows++;
	}
	good = good && walk.code == FNR_OK && rows == env_entries(txn, db);
	walk_end(&walk);
	return good;
}

/* The list of free pages: the next write would take pages from it without asking. A record is a number of pages and
 * that many page numbers. */
static bool walk_free(struct env_txn *txn)
{
	MDB_envinfo info;
	MDB_cursor *cursor;
	MDB_val key, value;
	bool good = true;

	mdb_env_info(txn->env->mdb, &info);
	if (mdb_cursor_open(txn->mdb, 0, &cursor) != MDB_SUCCESS)
		return false;
	while (good && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS) {
		size_t count, page;

		good = value.mv_size >= sizeof count && value.mv_size % sizeof count == 0;
		if (!good)
			break;
		memcpy(&count, value.mv_data, sizeof count);
		good = count < value.mv_size / sizeof count;
		for (size_t i = 1; i <= count && good; i++) {
			memcpy(&page, (const char *)value.mv_data + i * sizeof page, sizeof page);
			good = page > 1 && page <= info.me_last_pgno;
		}
	}
	mdb_cursor_close(cursor);
	return good;
}

static bool walk_all(uint64_t generation)
{
	struct env env;
	struct env_txn txn;
	bool good;

	if (open_env(&env, generation, MDB_RDONLY, NULL) != FNR_OK)
		return false;
	good = env_read(&env, &txn, NULL) == FNR_OK && walk_free(&txn);
	for (unsigned db = 0; db < JOURNAL_COUNT && good; db++)
		good = walk_database(&txn, db);
	return good;
}

/* A broken environment may end this child by any signal; that is what it is for, and nothing to report. */
static void probe_child(uint64_t generation) __attribute__((noreturn));
static void probe_child(uint64_t generation)
{
	static const int ends[] = { SIGBUS, SIGSEGV, SIGABRT, SIGILL, SIGFPE, SIGALRM, SIGTERM };
	const struct rlimit no_core = { 0, 0 };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		signal(ends[i], SIG_DFL);
	setrlimit(RLIMIT_CORE, &no_core);
	if (null >= 0)
		dup2(null, STDERR_FILENO);
	alarm(PROBE_MS / 1000 + 1);
	_exit(walk_all(generation) ? 0 : 1);
}

/* ---- can it be read? (in the parent) ---- */

enum probe { PROBE_GOOD, PROBE_BAD, PROBE_SLOW };

static enum probe await_probe(pid_t child)
{
	int64_t end = fnr_mono_ms() + PROBE_MS;
	struct timespec pause = { .tv_nsec = 1000000 };
	int status;

	for (;;) {
		pid_t pid = waitpid(child, &status, WNOHANG);

		if (pid == child)
			return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? PROBE_GOOD : PROBE_BAD;
		if (pid < 0 && errno != EINTR)
			return PROBE_BAD;
		if (fnr_mono_ms() >= end)
			break;
		nanosleep(&pause, NULL);
	}
	kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return PROBE_SLOW;
}

static char *unproved_file(uint64_t generation, char path[80])
{
	char folder[64];

	snprintf(path, 80, "%s/unproved", folder_of(generation, folder));
	return path;
}

/* A large one cannot be walked through in the time of a start. It is used all the same, with a mark beside it; if whoever
 * used it then did not end well, it is not trusted a second time. */
static bool trust_unproved(uint64_t generation)
{
	char path[80];

	if (access(unproved_file(generation, path), F_OK) == 0)
		return false;
	fnr_info(NULL, "event=journal.unproved generation=%llu too large to be walked through in %d ms", (unsigned long long)generation,
	         PROBE_MS);
	return fnr_file_write(path, "", 0, 0600, NULL) == FNR_OK;
}

static bool can_be_read(uint64_t generation)
{
	pid_t child = fork();

	if (child == 0)
		probe_child(generation);
	switch (child > 0 ? await_probe(child) : PROBE_SLOW) {
	case PROBE_GOOD: return true;
	case PROBE_SLOW: return trust_unproved(generation);
	case PROBE_BAD: break;
	}
	return false;
}

/* ---- generations ---- */

/* The number of a folder of the journal; 0 for other names. */
static uint64_t folder_number(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return digits && digits <= 18 && !name[digits] && name[0] != '0' ? strtoull(name, NULL, 10) : 0;
}

static uint64_t highest_generation(void)
{
	DIR *folder = opendir(JOURNAL_PATH);
	struct dirent *entry;
	uint64_t highest = 0;

	while (folder && (entry = readdir(folder)))
		if (folder_number(entry->d_name) > highest)
			highest = folder_number(entry->d_name);
	if (folder)
		closedir(folder);
	return highest;
}

/* What cannot be removed is tried again at the next start. */
static void remove_others(uint64_t keep)
{
	DIR *folder = opendir(JOURNAL_PATH);
	struct dirent *entry;
	char path[64];

	while (folder && (entry = readdir(folder))) {
		uint64_t number = folder_number(entry->d_name);

		if (number && number != keep)
			fnr_tree_remove(folder_of(number, path), NULL);
	}
	if (folder)
		closedir(folder);
}

static int make_generation(uint64_t generation, struct fnr_error *err)
{
	char folder[64], path[80], boot_id[BOOT_ID_SIZE];
	int code = fnr_dir_make(folder_of(generation, folder), 0700, err);

	if (code != FNR_OK)
		return code;
	if (!read_line(BOOT_ID_FILE, boot_id))
		return fnr_fail(err, FNR_E_IO, "%s cannot be read; the journal needs it to know its kernel", BOOT_ID_FILE);
	snprintf(path, sizeof path, "%s/boot_id", folder);
	return fnr_file_write(path, boot_id, strlen(boot_id), 0600, err);
}

/* ---- opening ---- */

/* Live tables tell of a manager that is gone. */
static int clear_live(struct journal *journal, struct fnr_error *err)
{
	struct env_txn txn;
	int rc, code = env_write(&journal->env, NULL, &txn, err);

	if (code != FNR_OK)
		return code;
	rc = mdb_drop(txn.mdb, journal->env.dbi[JOURNAL_LIVE], 0);
	if (rc == MDB_SUCCESS)
		return env_commit(&txn, err);
	env_end(&txn);
	return env_fail(&journal->env, err, rc, "the live tables cannot be cleared");
}

static int open_generation(struct journal **journal_r, uint64_t generation, struct fnr_error *err)
{
	struct journal *journal = fnr_alloc(sizeof *journal);
	int code = open_env(&journal->env, generation, MDB_NOSYNC | MDB_NOMETASYNC, err);

	journal->generation = generation;
	journal->writer = true;
	if (code == FNR_OK && (code = clear_live(journal, err)) != FNR_OK)
		env_close(&journal->env);
	if (code != FNR_OK) {
		free(journal);
		return code;
	}
	*journal_r = journal;
	return FNR_OK;
}

/* Why the journal cannot be used, or NULL. */
static const char *why_not(uint64_t generation)
{
	if (!generation)
		return "there was none";
	if (!is_of_this_boot(generation))
		return "it was deleted, or written before this machine was started";
	return can_be_read(generation) ? NULL : "it is damaged";
}

int journal_open_writer(struct journal **journal_r, uint64_t generation, uint64_t *generation_r, struct fnr_error *err)
{
	uint64_t highest;
	const char *why;
	int code = fnr_dir_make(JOURNAL_PATH, 0700, err);

	*journal_r = NULL;
	if (code != FNR_OK)
		return code;
	why = why_not(generation);
	if (!why && open_generation(journal_r, generation, NULL) == FNR_OK) {
		*generation_r = generation;
		remove_others(generation);
		return FNR_OK;
	}
	highest = highest_generation();
	*generation_r = (highest > generation ? highest : generation) + 1;
	code = make_generation(*generation_r, err);
	if (code == FNR_OK)
		code = open_generation(journal_r, *generation_r, err);
	if (code != FNR_OK)
		return code;
	if (generation)
		fnr_warn(NULL, "event=journal.lost generation=%llu %s; old progress and logs are gone, jobs and results are not",
		         (unsigned long long)generation, why ? why : "it cannot be opened");
	remove_others(*generation_r);
	return FNR_OK;
}

int journal_open_reader(struct journal **journal_r, uint64_t generation, struct fnr_error *err)
{
	struct journal *journal;
	int code;

	*journal_r = NULL;
	if (generation == 0 || !is_of_this_boot(generation))
		return fnr_fail(err, FNR_E_NOT_FOUND, "there is no journal yet; the manager makes one when it starts");
	journal = fnr_alloc(sizeof *journal);
	journal->generation = generation;
	code = open_env(&journal->env, generation, MDB_RDONLY, err);
	if (code != FNR_OK) {
		free(journal);
		return code;
	}
	*journal_r = journal;
	return FNR_OK;
}

uint64_t journal_generation(const struct journal *journal)
{
	return journal->generation;
}

void journal_close(struct journal *journal)
{
	char path[80];

	if (!journal)
		return;
	env_close(&journal->env);
	if (journal->writer)
		unlink(unproved_file(journal->generation, path));
	free(journal);
}
