#include "api/master.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api/committer.h"
#include "api/loader.h"
#include "api/serve.h"
#include "api/slots.h"
#include "api/upload.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/sock.h"

#define BACKLOG 4096               /* with 64, bursts of connections were refused by the hundred */
#define LISTEN_WAIT_MS 2000        /* for the handlers of a killed predecessor to be gone */
#define SHORT_LIFE_MS 1000         /* who lives less is throttled */
#define DELAY_LEAST_MS 100
#define DELAY_MOST_MS 5000
#define REPEAT_MS 100              /* between SIGTERMs: libfcgi may miss one */
#define HANDLERS_STOP_MS 15000
#define COMMITTER_STOP_MS 10000

enum role { ROLE_COMMITTER, ROLE_LOADER, ROLE_HANDLER, ROLE_UPLOAD };
static const char *const role_names[] = { "committer", "loader", "handler", "upload" };

/* One place for a child; its number is its slot. The first two are the committer's and the loader's. */
struct child {
	enum role role;
	pid_t pid;                     /* 0 while there is none */
	bool wanted;                   /* is started (again) */
	int64_t started_at, start_at;  /* CLOCK_BOOTTIME ms */
	int delay;                     /* ms of throttling, 0 after a life of some length */
};
#define COMMITTER 0
#define LOADER 1
#define FIRST_HANDLER 2

struct master {
	struct fnr_conf conf;
	const struct route *table;
	struct slots *slots;
	struct child children[SLOTS_MOST];
	int api, upload, signals;      /* descriptors */
	int loaded;                    /* eventfd: the loader says that all is loaded */
	int stopping;                  /* how often it was asked */
	int64_t stop_by, repeat_at;
};

/* ---- children ---- */

static bool stopping_workers(const struct master *master)
{
	for (size_t i = LOADER; i < SLOTS_MOST; i++)
		if (master->children[i].pid)
			return true;
	return false;
}

static int run_server(struct master *master, size_t slot, const struct route *table, int listener)
{
	struct server server;
	int status;

	serve_open(&server, table, master->slots, slot);
	slots_settle(master->slots, slot);
	status = serve_loop(&server, listener);
	serve_close(&server);
	return status;
}

static int run_child(struct master *master, size_t slot, enum role role)
{
	switch (role) {
	case ROLE_COMMITTER: return committer_run(master->slots);
	case ROLE_LOADER: return loader_run(master->slots, slot, master->loaded);
	case ROLE_HANDLER: return run_server(master, slot, master->table, master->api);
	case ROLE_UPLOAD: return run_server(master, slot, upload_routes, master->upload);
	}
	return 1;
}

static void child_main(struct master *master, size_t slot, pid_t parent) __attribute__((noreturn));
static void child_main(struct master *master, size_t slot, pid_t parent)
{
	enum role role = master->children[slot].role;
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	char title[32];

	fnr_proc_tie(parent, SIGKILL);
	fnr_proc_reset_signals();
	sigaction(SIGINT, &ignore, NULL);      /* of a terminal: the master tells us what to do */
	sigaction(SIGHUP, &ignore, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	if (role == ROLE_COMMITTER)
		sigaction(SIGTERM, &ignore, NULL); /* it ends when all are answered, see slots_stop() */
	fnr_fd_close(&master->signals);
	if (role != ROLE_HANDLER)
		fnr_fd_close(&master->api);
	if (role != ROLE_UPLOAD)
		fnr_fd_close(&master->upload);
	snprintf(title, sizeof title, "fnr-api: %s", role_names[role]);
	fnr_proc_title(title);
	exit(run_child(master, slot, role));
}

static void start_child(struct master *master, size_t slot, int64_t now)
{
	struct child *child = &master->children[slot];
	pid_t parent = getpid(), pid = fork();

	if (pid == 0)
		child_main(master, slot, parent);
	child->started_at = now;
	if (pid < 0) {
		fnr_err(NULL, "a %s cannot be started: %s", role_names[child->role], strerror(errno));
		child->start_at = now + DELAY_MOST_MS;
		return;
	}
	child->pid = pid;
}

/* Starts what is due; returns when the next one is, INT64_MAX if none. */
static int64_t start_due(struct master *master, int64_t now)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < SLOTS_MOST; i++) {
		struct child *child = &master->children[i];

		if (!child->wanted || child->pid)
			continue;
		if (child->start_at <= now)
			start_child(master, i, now);
		if (!child->pid && child->start_at < next)
			next = child->start_at;
	}
	return next;
}

static void throttle(struct child *child, int64_t now)
{
	if (now - child->started_at >= SHORT_LIFE_MS)
		child->delay = 0;
	else if (child->delay == 0)
		child->delay = DELAY_LEAST_MS;
	else
		child->delay = child->delay * 2 > DELAY_MOST_MS ? DELAY_MOST_MS : child->delay * 2;
	child->start_at = now + child->delay;
}

static void set_loaded(struct master *master)
{
	slots_set_loaded(master->slots);
	fnr_notify_ready();
}

static void bury(struct master *master, struct child *child, int status)
{
	const char *role = role_names[child->role];
	pid_t pid = child->pid;
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	child->pid = 0;
	throttle(child, fnr_mono_ms());
	if (child->role == ROLE_COMMITTER)
		slots_blame(master->slots, !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL);
	if (WIFSIGNALED(status) && !(child->role == ROLE_LOADER && master->stopping))
		fnr_err(NULL, "a %s was killed by signal %d (pid %d); next one in %d ms", role, WTERMSIG(status), (int)pid, child->delay);
	else if (!good && WIFEXITED(status))
		fnr_err(NULL, "a %s ended with status %d (pid %d); next one in %d ms", role, WEXITSTATUS(status), (int)pid, child->delay);
	if (child->role == ROLE_LOADER)
		set_loaded(master);            /* as far as that goes */
	if (!good)
		slots_ask_clear_readers(master->slots);
}

static void reap(struct master *master)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < SLOTS_MOST; i++)
			if (master->children[i].pid == pid)
				bury(master, &master->children[i], status);
}

static void signal_child(struct child *child, int number)
{
	if (child->pid)
		kill(child->pid, number);
}

/* ---- how many ---- */

/* Wants exactly `count` of the role: takes free places for more, asks the last ones to leave for less. */
static void want(struct master *master, enum role role, size_t count)
{
	size_t have = 0;

	for (size_t i = FIRST_HANDLER; i < SLOTS_MOST; i++) {
		struct child *child = &master->children[i];

		if (child->wanted && child->role == role && ++have > count) {
			child->wanted = false;
			signal_child(child, SIGTERM);
		}
	}
	for (size_t i = FIRST_HANDLER; i < SLOTS_MOST && have < count; i++)
		if (!master->children[i].wanted && !master->children[i].pid) {
			master->children[i] = (struct child){ .role = role, .wanted = true };
			have++;
		}
}

static void use_conf(struct master *master)
{
	int level = fnr_log_level_parse(master->conf.log_level);
	size_t used = 0;

	fnr_log_init("api", level < 0 ? FNR_LOG_INFO : (enum fnr_log_level)level);
	want(master, ROLE_HANDLER, (size_t)master->conf.api_handlers);
	want(master, ROLE_UPLOAD, (size_t)master->conf.api_upload_handlers);
	for (size_t i = 0; i < SLOTS_MOST; i++)
		if (master->children[i].wanted || master->children[i].pid)
			used = i + 1;
	slots_use(master->slots, used);
}

/* ---- signals ---- */

static void reload(struct master *master)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct child *loader = &master->children[LOADER];

	if (fnr_conf_load(&master->conf, "config.yaml", &err) == FNR_OK) {
		slots_conf_publish(master->slots, &master->conf);
		use_conf(master);
		fnr_info(NULL, "the configuration was read again");
	} else {
		fnr_err(NULL, "the configuration stays as it was: %s", err.message);
	}
	fnr_error_clear(&err);
	if (loader->pid)
		kill(loader->pid, SIGHUP);
	else
		loader->start_at = 0;
}

static void begin_stop(struct master *master)
{
	int64_t now = fnr_mono_ms();

	if (master->stopping++ > 0) {
		master->stop_by = now;     /* the second time: hurry */
		return;
	}
	fnr_info(NULL, "stopping");
	master->stop_by = now + HANDLERS_STOP_MS;
	fnr_fd_close(&master->api);
	fnr_fd_close(&master->upload);
	for (size_t i = LOADER; i < SLOTS_MOST; i++)
		master->children[i].wanted = false;
}

static void take_signals(struct master *master)
{
	struct signalfd_siginfo info;

	while (read(master->signals, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			begin_stop(master);
		else if (info.ssi_signo == SIGHUP && !master->stopping)
			reload(master);
	}
	reap(master);
}

/* ---- stopping ---- */

/* One look at what is left: SIGTERM again and again, SIGKILL at the deadline. The committer is asked when it is alone. */
static void go_on_stopping(struct master *master, int64_t now)
{
	struct child *committer = &master->children[COMMITTER];
	bool late = now >= master->stop_by;

	master->repeat_at = now + REPEAT_MS;
	if (stopping_workers(master)) {
		for (size_t i = LOADER; i < SLOTS_MOST; i++)
			signal_child(&master->children[i], late ? SIGKILL : SIGTERM);
		return;
	}
	if (committer->wanted) {
		committer->wanted = false;
		master->stop_by = now + COMMITTER_STOP_MS;
		slots_stop(master->slots, true);
	} else if (late) {
		fnr_err(NULL, "the committer did not end in time");
		signal_child(committer, SIGKILL);
	}
}

static bool all_gone(const struct master *master)
{
	return !stopping_workers(master) && !master->children[COMMITTER].pid && !master->children[COMMITTER].wanted;
}

/* ---- start and loop ---- */

static void wait_for_something(struct master *master, int64_t now, int64_t next)
{
	struct pollfd fds[] = { { .fd = master->signals, .events = POLLIN }, { .fd = master->loaded, .events = POLLIN } };
	eventfd_t count;

	if (master->stopping && master->repeat_at < next)
		next = master->repeat_at;
	poll(fds, 2, next == INT64_MAX ? -1 : next <= now ? 0 : (int)(next - now));
	if (eventfd_read(master->loaded, &count) == 0)
		set_loaded(master);
	take_signals(master);
}

static void run(struct master *master)
{
	while (!master->stopping || !all_gone(master)) {
		int64_t now = fnr_mono_ms(), next;

		if (master->stopping && now >= master->repeat_at)
			go_on_stopping(master, now);
		next = start_due(master, now);
		wait_for_something(master, now, next);
	}
}

static void make_folders(void)
{
	static const char *const folders[] = { "run", "store", "uploads", "blobs/payload", "blobs/templates", "workspace",
		"templates", "scripts", "rules" };
	struct fnr_error err = FNR_ERROR_INIT;

	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
		if (fnr_dir_make(folders[i], 0700, &err) != FNR_OK)
			fnr_die("%s", err.message);
}

/* The children of a master that was killed end at once, but not at the same moment. */
static int listen_on(const char *path)
{
	int64_t end = fnr_mono_ms() + LISTEN_WAIT_MS;
	struct timespec pause = { .tv_nsec = 10 * 1000000 };
	struct fnr_error err = FNR_ERROR_INIT;
	int fd;

	while ((fd = fnr_unix_listen(path, BACKLOG, 0600, &err)) == FNR_E_EXISTS && fnr_mono_ms() < end)
		nanosleep(&pause, NULL);
	if (fd < 0)
		fnr_die("%s", err.message);
	return fd;
}

int master_run(const struct fnr_conf *conf, const struct route *table)
{
	struct master *master = fnr_alloc(sizeof *master);

	master->conf = *conf;
	master->table = table;
	make_folders();
	master->api = listen_on(FNR_SOCK_API);
	master->upload = listen_on(FNR_SOCK_UPLOAD);
	slots_remove_files();
	master->slots = slots_create(conf, SLOTS_PATIENCE_MS);
	master->signals = fnr_proc_signalfd();
	master->loaded = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	master->children[COMMITTER] = (struct child){ .role = ROLE_COMMITTER, .wanted = true };
	master->children[LOADER] = (struct child){ .role = ROLE_LOADER, .wanted = true };
	use_conf(master);
	fnr_hash_prepare();
	run(master);
	fnr_info(NULL, "stopped");
	unlink(FNR_SOCK_API);
	unlink(FNR_SOCK_UPLOAD);
	slots_free(master->slots);
	free(master);
	return 0;
}
