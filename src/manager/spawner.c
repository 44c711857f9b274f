#include "config.h"

#include "manager/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/sock.h"
#include "base/text.h"
#include "worker/wire.h"

#define WORKER_FD 3

struct child { pid_t pid; char name[32]; };

struct spawner {
	int channel, signals;
	pid_t pid;
	struct child *children;
	size_t count, size;
};

/* ---- the manager's side ---- */

bool spawner_order(int channel, enum spawn_order_kind kind, const char *name, int fd)
{
	struct spawn_order order = { .kind = (uint8_t)kind };

	fnr_text_copy(order.name, sizeof order.name, name);
	return fnr_fd_send(channel, fd, &order, sizeof order);
}

int spawner_news(int channel, struct spawn_news *news_r)
{
	ssize_t got;

	do
		got = recv(channel, news_r, sizeof *news_r, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got == (ssize_t)sizeof *news_r)
		return 1;
	return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : -1;
}

/* ---- the spawner's side ---- */

/* News are never dropped: the manager reads them in every turn, so waiting for room is short. */
static void tell(struct spawner *spawner, enum spawn_news_kind kind, const char *name, pid_t pid, int status)
{
	struct spawn_news news = { .kind = (uint8_t)kind, .pid = pid, .status = status };

	fnr_text_copy(news.name, sizeof news.name, name);
	while (send(spawner->channel, &news, sizeof news, MSG_NOSIGNAL) < 0) {
		if (errno != EINTR)
			_exit(0); /* the manager is gone */
	}
}

/* The new process: only its own end of the socket pair, plain signals, tied to the spawner. */
static void become_worker(struct spawner *spawner, int fd, const char *name)
{
	static char own_name[32];
	char title[48];

	fnr_proc_tie(spawner->pid, SIGKILL);
	fnr_proc_reset_signals();
	fnr_text_copy(own_name, sizeof own_name, name);
	if (fd != WORKER_FD && dup2(fd, WORKER_FD) < 0)
		_exit(1);
	close_range(WORKER_FD + 1, ~0U, 0);
	snprintf(title, sizeof title, "fnr-worker %s", own_name);
	fnr_proc_title(title);
	worker_main(WORKER_FD, own_name);
}

static void start_worker(struct spawner *spawner, const char *name, int fd)
{
	pid_t pid = fork();

	if (pid == 0)
		become_worker(spawner, fd, name);
	if (pid < 0) {
		tell(spawner, SPAWN_FAILED, name, 0, errno);
		return;
	}
	if (spawner->count == spawner->size) {
		spawner->size = spawner->size ? spawner->size * 2 : 32;
		spawner->children = fnr_realloc(spawner->children, spawner->size * sizeof *spawner->children);
	}
	spawner->children[spawner->count].pid = pid;
	fnr_text_copy(spawner->children[spawner->count].name, sizeof spawner->children[0].name, name);
	spawner->count++;
	tell(spawner, SPAWN_STARTED, name, pid, 0);
}

static void take_order(struct spawner *spawner)
{
	struct spawn_order order;
	int fd;
	ssize_t got = fnr_fd_recv(spawner->channel, &fd, &order, sizeof order);

	if (got == 0)
		_exit(0); /* tied workers follow */
	if (got != (ssize_t)sizeof order) {
		fnr_fd_close(&fd);
		return;
	}
	order.name[sizeof order.name - 1] = 0;
	if (order.kind == SPAWN_START && fd >= 0)
		start_worker(spawner, order.name, fd);
	for (size_t i = 0; order.kind == SPAWN_KILL && i < spawner->count; i++)
		if (strcmp(spawner->children[i].name, order.name) == 0)
			kill(spawner->children[i].pid, SIGKILL); /* not reaped yet, so the number is still its own */
	fnr_fd_close(&fd);
}

/* Ends what dead workers had started; living workers and theirs are left alone. */
static void kill_strays(struct spawner *spawner)
{
	pid_t *keep = fnr_alloc((spawner->count + 1) * sizeof *keep);
	int killed;

	for (size_t i = 0; i < spawner->count; i++)
		keep[i] = spawner->children[i].pid;
	killed = fnr_proc_kill_strays(keep, spawner->count);
	if (killed > 0)
		fnr_warn(NULL, "%d processes that a worker left were ended", killed);
	free(keep);
}

static void reap(struct spawner *spawner)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < spawner->count; i++) {
			struct child child = spawner->children[i];

			if (child.pid != pid)
				continue;
			spawner->children[i] = spawner->children[--spawner->count];
			kill_strays(spawner);
			tell(spawner, SPAWN_DIED, child.name, pid, status);
			break;
		}
	}
}

/* Signals of a terminal or service manager go to everybody; the spawner ends when the manager does. */
static void spawner_signals(struct spawner *spawner)
{
	sigset_t set;

	fnr_proc_reset_signals();
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	spawner->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	FNR_MUST(spawner->signals >= 0);
}

static void spawner_run(int channel, pid_t manager) __attribute__((noreturn));
static void spawner_run(int channel, pid_t manager)
{
	struct spawner spawner = { .channel = channel, .pid = getpid() };
	struct signalfd_siginfo info;

	fnr_proc_tie(manager, SIGKILL);
	spawner_signals(&spawner);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	fnr_proc_title("fnr-spawner");
	for (;;) {
		struct pollfd fds[2] = { { .fd = channel, .events = POLLIN }, { .fd = spawner.signals, .events = POLLIN } };

		if (poll(fds, 2, -1) < 0)
			continue;
		while (fds[1].revents && read(spawner.signals, &info, sizeof info) > 0)
			;
		reap(&spawner);
		if (fds[0].revents)
			take_order(&spawner);
	}
}

int spawner_start(pid_t *pid_r)
{
	int ends[2];
	pid_t manager = getpid();

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		fnr_die("the spawner cannot be started: %s", strerror(errno));
	*pid_r = fork();
	if (*pid_r < 0)
		fnr_die("the spawner cannot be started: %s", strerror(errno));
	if (*pid_r == 0) {
		close(ends[0]);
		spawner_run(ends[1], manager);
	}
	close(ends[1]);
	fnr_fd_nonblock(ends[0]);
	return ends[0];
}
