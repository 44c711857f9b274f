/* fnr-manager --data DIR: see manager.h. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/proc.h"
#include "manager/manager.h"
#include "manager/spawner.h"

#define LOCK_FILE "run/manager.lock"
#define ROOM_MS 200
#define LOCK_WAIT_MS 5000        /* a manager that was killed just now may still be on its way out */
#define SCRIPT_MARK "FNR_DATA"   /* in the environment of every script that we start */

void manager_fail(struct manager *manager, const char *what, const struct fnr_error *err)
{
	fnr_err(NULL, "event=manager.failed: %s%s%s; ending, to start again from what is stored", what, err && err->message[0] ? ": " : "",
	        err ? err->message : "");
	fnr_proc_kill_strays(NULL, 0);
	exit(1);
}

static const char *data_dir_of(int argc, char **argv)
{
	static const struct option options[] = { { "data", required_argument, NULL, 'd' }, { 0 } };
	const char *data = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "d:", options, NULL)) != -1)
		if (option == 'd')
			data = optarg;
	if (!data || optind != argc)
		fnr_die("usage: fnr-manager --data DIR");
	return data;
}

static void enter_data_dir(const char *data, char absolute[PATH_MAX])
{
	struct fnr_error err = FNR_ERROR_INIT;

	if (chdir(data) < 0)
		fnr_die("the data directory %s cannot be entered: %s", data, strerror(errno));
	if (!getcwd(absolute, PATH_MAX))
		fnr_die("the data directory %s has no path: %s", data, strerror(errno));
	if (fnr_dir_make("run", 0700, &err) != FNR_OK || fnr_dir_make("workspace", 0755, &err) != FNR_OK)
		fnr_die("%s", err.message);
}

/* One manager for a data directory. Taken after the spawner was forked, which must not hold it. */
static void lock_data_dir(void)
{
	int fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int64_t until = fnr_mono_ms() + LOCK_WAIT_MS;
	char pid[16];

	if (fd < 0)
		fnr_die(LOCK_FILE " cannot be opened: %s", strerror(errno));
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (fnr_mono_ms() >= until)
			fnr_die("another fnr-manager works on this data directory (its process id is in " LOCK_FILE ")");
		poll(NULL, 0, 10);
	}
	snprintf(pid, sizeof pid, "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || !fnr_write_all(fd, pid, strlen(pid)))
		fnr_warn(NULL, LOCK_FILE " cannot be written: %s; it is locked all the same", strerror(errno));
}

/* Scripts that outlived their workers. Were we started with the mark in our own environment, it would name our parents
 * and neighbours as well. */
static void end_stray_scripts(const char *absolute)
{
	int killed;

	if (getenv(SCRIPT_MARK)) {
		fnr_warn(NULL, "the environment has " SCRIPT_MARK ": scripts of an earlier start are not looked for; start without it");
		return;
	}
	killed = fnr_proc_kill_marked(SCRIPT_MARK, absolute);
	if (killed > 0)
		fnr_warn(NULL, "event=manager.strays count=%d: scripts of an earlier start were ended", killed);
}

static struct fnr_id seen_of(struct manager *manager)
{
	struct journal_txn *txn = journal_read(manager->journal, NULL);
	struct fnr_id seen = FNR_ID_NONE;
	uint64_t half[2] = { 0, 0 };

	if (txn) {
		half[0] = journal_meta_get(txn, "seen_high");
		half[1] = journal_meta_get(txn, "seen_low");
	}
	journal_end(txn);
	for (int i = 0; i < 16; i++)
		seen.bytes[i] = (uint8_t)(half[i / 8] >> (56 - 8 * (i % 8)));
	return seen;
}

static void wait_for_room(struct manager *manager)
{
	while (!turn_room(manager)) {
		struct pollfd signals = { .fd = manager->signals, .events = POLLIN };

		if (poll(&signals, 1, ROOM_MS) > 0)
			fnr_die("told to end while there was no room on the disk");
		fnr_notify_alive(fnr_mono_ms());
	}
}

/* Store and journal. With a new journal, taking up jobs begins at the newest: nobody can have missed their events. */
static void open_stores(struct manager *manager)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn;
	uint64_t named, used;

	if (store_open(&manager->store, true, &err) != FNR_OK)
		fnr_die("%s", err.message);
	wait_for_room(manager);
	txn = store_read(manager->store, &err);
	if (!txn)
		fnr_die("%s", err.message);
	named = store_meta_get(txn, STORE_META_JOURNAL);
	store_read_end(txn);
	if (journal_open_writer(&manager->journal, named, &used, &err) != FNR_OK)
		fnr_die("%s", err.message);
	turn_write(manager);
	manager->seen = used == named ? seen_of(manager) : FNR_ID_NONE;
	if (fnr_id_is_none(&manager->seen))
		manager->seen = store_last_job(manager->turn.txn);
	if (used != named)
		turn_check(manager, store_meta_put(manager->turn.txn, STORE_META_JOURNAL, used, &err), &err, "the store cannot be written");
}

/* The first turn: from here on everything is as in any other. */
static void begin(struct manager *manager)
{
	manager->begun = begun_read();
	turn_begin(manager);
	manager->began_at = manager->turn.now;
	manager->began_mono = manager->turn.mono;
	open_stores(manager);
	note_break(manager);
	discards_read(manager);
	backends_read(manager);
	recover_jobs(manager);
	workers_read(manager);
	dispatch_lanes(manager);
	recover_begun(manager);
	thumbnails_read(manager);
	recover_folders(manager);
	turn_end(manager);
	begun_free(manager->begun);
	manager->begun = NULL;
	begun_reset(&manager->doubt);
	manager->look = true;
	fnr_info(NULL, "event=manager.started lanes=%zu filing=%zu", lanes_count(manager->lanes), manager->task_count);
}

int main(int argc, char **argv)
{
	static struct manager manager;
	struct fnr_error err = FNR_ERROR_INIT;
	char absolute[PATH_MAX];
	pid_t spawner;
	int channel, status;

	fnr_proc_title_init(argc, argv);
	fnr_log_init("manager", FNR_LOG_INFO);
	fnr_notify_init();
	enter_data_dir(data_dir_of(argc, argv), absolute);
	manager.conf_path = "config.yaml";
	if (fnr_conf_load(&manager.conf, manager.conf_path, &err) != FNR_OK)
		fnr_die("%s", err.message);
	loop_log_level(&manager);
	manager.signals = fnr_proc_signalfd();
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	channel = spawner_start(&spawner);
	lock_data_dir();
	loop_open(&manager, channel, spawner);
	end_stray_scripts(absolute);
	manager.lanes = lanes_create();
	manager.limits = limits_create(manager.lanes);
	backends_open(&manager);
	manager.functions = functions_create();
	begin(&manager);
	fnr_notify_ready();
	status = loop_run(&manager);
	journal_close(manager.journal);
	store_close(manager.store);
	limits_free(manager.limits);
	places_free(&manager);
	backends_free(&manager);
	graphics_free(&manager);
	payloads_end(&manager);
	lanes_free(manager.lanes);
	functions_free(manager.functions);
	return status;
}
