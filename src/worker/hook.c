/* The operator's hook for a server that went on with what it was told to stop: DATA/hooks/restart-backend, run with the name of
 * the backend in a process group of its own, which ends with it. What it says goes to the log. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/text.h"
#include "worker/worker.h"

#define HOOK_MS 90000        /* less than the manager waits for a worker's answer */
#define TURN_MS 100
#define LINES_MOST 200       /* that are logged */

struct hook {
	const char *backend;
	char path[4352], url[2304];
	pid_t pid;
	int fd;                  /* what it says; -1 after its end */
	char line[512];
	size_t len, lines;
};

static void end_line(struct hook *hook)
{
	hook->line[hook->len] = '\0';
	fnr_text_clean(hook->line);
	if (hook->len > 0 && hook->lines++ < LINES_MOST)
		fnr_info(NULL, "event=backend.restart_hook backend=%s: %s", hook->backend, hook->line);
	hook->len = 0;
}

/* Reads what is there. */
static void listen_to(struct hook *hook)
{
	char bytes[4096];
	ssize_t got = read(hook->fd, bytes, sizeof bytes);
	for (ssize_t i = 0; i < got; i++) {
		if (bytes[i] == '\n' || hook->len == sizeof hook->line - 1)
			end_line(hook);
		if (bytes[i] != '\n')
			hook->line[hook->len++] = bytes[i];
	}
	if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	close(hook->fd);
	hook->fd = -1;
}

static void become_hook(struct hook *hook, pid_t parent, int out) __attribute__((noreturn));
static void become_hook(struct hook *hook, pid_t parent, int out)
{
	static const char failed[] = "it cannot be executed: is it executable, and is its interpreter there?\n";
	char *argv[] = { hook->path, (char *)hook->backend, NULL };
	char *envp[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", hook->url, NULL };
	int in = open("/dev/null", O_RDONLY);
	setpgid(0, 0);
	fnr_proc_tie(parent, SIGKILL);
	fnr_proc_reset_signals();
	if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(127);
	close_range(3, ~0U, 0);
	execve(hook->path, argv, envp);
	if (write(2, failed, sizeof failed - 1) < 0)
		_exit(126);
	_exit(127);
}

static bool start(struct hook *hook)
{
	int ends[2];
	pid_t parent = getpid();
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return false;
	fcntl(ends[1], F_SETFL, 0);
	hook->pid = fork();
	if (hook->pid == 0)
		become_hook(hook, parent, ends[1]);
	close(ends[1]);
	if (hook->pid < 0) {
		close(ends[0]);
		return false;
	}
	setpgid(hook->pid, hook->pid);
	hook->fd = ends[0];
	return true;
}

static bool has_ended(const struct hook *hook)
{
	siginfo_t info = { 0 };
	return waitid(P_PID, (id_t)hook->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == hook->pid;
}

/* Until it has ended, or its time is over. Returns its status as of waitpid(2). */
static int follow(struct hook *hook)
{
	int64_t until = fnr_mono_ms() + HOOK_MS;
	int status = -1;
	while (!has_ended(hook) && fnr_mono_ms() < until) {
		struct pollfd said = { .fd = hook->fd, .events = POLLIN };
		if (poll(&said, 1, TURN_MS) > 0)
			listen_to(hook);
	}
	kill(-hook->pid, SIGKILL);   /* not reaped yet, so the number is still its own */
	while (waitpid(hook->pid, &status, 0) < 0 && errno == EINTR)
		;
	for (int more = 0; hook->fd >= 0 && more < 64; more++) {
		struct pollfd said = { .fd = hook->fd, .events = POLLIN };
		if (poll(&said, 1, 0) <= 0)
			break;
		listen_to(hook);
	}
	if (hook->fd >= 0)
		close(hook->fd);
	end_line(hook);
	return status;
}

/* True: it was there, and says that it did its work. */
static bool run_hook(struct hook *hook)
{
	int status;
	if (access(hook->path, F_OK) < 0)
		return false;
	fnr_warn(NULL, "event=backend.restart_hook backend=%s begin", hook->backend);
	if (!start(hook)) {
		fnr_err(NULL, "event=backend.restart_hook backend=%s: it cannot be started: %s", hook->backend, strerror(errno));
		return false;
	}
	status = follow(hook);
	if (WIFEXITED(status))
		fnr_log(WEXITSTATUS(status) == 0 ? FNR_LOG_WARN : FNR_LOG_ERROR, NULL, "event=backend.restart_hook backend=%s exit=%d", hook->backend,
		        WEXITSTATUS(status));
	else
		fnr_err(NULL, "event=backend.restart_hook backend=%s: it was ended by a signal, or after %d s", hook->backend, HOOK_MS / 1000);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void task_restart(struct worker *worker, struct json_object *message)
{
	struct json_object *answer = json_object_new_object();
	struct hook hook = { .backend = fnr_json_get_text(message, "backend", ""), .fd = -1 };
	snprintf(hook.path, sizeof hook.path, "%s/hooks/restart-backend", worker->data_dir);
	worker_release(NULL);     /* it goes down now */
	snprintf(hook.url, sizeof hook.url, "FNR_BACKEND_URL=%s", fnr_json_get_text(message, "url", ""));
	fnr_json_set_text(answer, "type", "restarted");
	fnr_json_set_text(answer, "backend", hook.backend);
	fnr_json_set_bool(answer, "restarted", run_hook(&hook));
	worker_send(worker, answer);
}
