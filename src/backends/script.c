/* The script backend: runs a program that is given one JSON object on standard input and tells its progress, outputs
 * and errors as one JSON object a line on standard output (doc/script-functions.md). The program is not trusted: it runs
 * in a sandbox (sandbox.h), everything that it started is found and ended with it, and whatever it does becomes either
 * a result or an error that says what went wrong.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/kinds.h"
#include "backends/sandbox.h"
#include "backends/script.h"
#include "backends/tree.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"

#define TURN_MS 100
#define SAMPLE_MS 250
#define GRACE_MS 500              /* between SIGTERM and SIGKILL */
#define STRAYS_MS 2000            /* for what was killed to be gone */
#define READ_SIZE 65536
#define PROCESSES_MAX 512
#define OPEN_FILES_MAX 1024
#define GIBIBYTE (1ull << 30)

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

struct script {
	struct run *run;
	struct run_error *error;
	struct fnr_conf conf;
	struct script_lines lines;
	pid_t pid;
	int pidfd, out, err;          /* pidfd -1: this kernel has none, so turns are short */
	bool exited;
	int status;
	uint64_t memory;              /* limit of the whole tree */
	int64_t deadline, next_sample;
};

/* ---- starting ---- */

/* Standard input as a sealed file in memory: nothing to feed while the script runs, whatever it reads or does not. */
static int input_make(struct json_object *request)
{
	size_t len;
	const char *text = fnr_json_text(request, &len);
	int fd = memfd_create("request", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	if (!fnr_write_all(fd, text, len) || !fnr_write_all(fd, "\n", 1) || lseek(fd, 0, SEEK_SET) != 0) {
		close(fd);
		return -1;
	}
	fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	return fd;
}

static enum run_result start_failed(struct script *script, const struct fnr_error *err)
{
	if (err->code == FNR_E_NOT_FOUND || err->code == FNR_E_FORBIDDEN)
		return run_fail(script->error, FNR_CLASS_PERMANENT, "script_missing", "Mend the template's program.", NULL, err->message,
		                "The program of this function cannot be started.");
	run_fail(script->error, FNR_CLASS_TRANSIENT, "script_start", NULL, "retry", err->message,
	         "The function could not be started at the moment.");
	script->error->backend_down = true;
	return RUN_FAILED;
}

static uint64_t memory_limit(struct script *script)
{
	int64_t megabytes = fnr_json_get_int(fnr_json_get(script->run->definition, "resources"), "memory_mb", 0);
	int64_t more = fnr_json_get_int(script->run->pipeline, "memory_mb", 0);
	if (more > megabytes)
		megabytes = more;
	return megabytes > 0 ? (uint64_t)megabytes << 20 : (uint64_t)script->conf.script_memory;
}

/* Starts the program with pipes for what it says. */
static bool start(struct script *script, struct script_command *command, int in, struct fnr_error *err)
{
	int out[2] = { -1, -1 }, error[2] = { -1, -1 };
	struct run *run = script->run;
	if (pipe2(out, O_CLOEXEC) != 0 || pipe2(error, O_CLOEXEC) != 0) {
		fnr_fail_errno(err, errno, "cannot make a pipe");
		fnr_fd_close(&out[0]);
		fnr_fd_close(&out[1]);
		return false;
	}
	bool gpu = fnr_json_get_int(fnr_json_get(run->definition, "resources"), "gpu", 0) > 0;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	script->memory = memory_limit(script);
	struct sandbox sandbox = {
		.program = command->program, .argv = command->argv, .envp = command->envp,
		.data_dir = run->data_dir, .work_dir = run->work_dir, .readable = (const char *const *)command->readable,
		.in = in, .out = out[1], .err = error[1], .gpu = gpu,
		/* Address space is more than memory: libraries and the stacks of threads take it without using it, and
		 * drivers of graphics cards map all there is. The memory in use is watched while the script runs. */
		.memory = gpu ? 0 : script->memory + (script->memory > GIBIBYTE ? script->memory : GIBIBYTE),
		.file = (uint64_t)script->conf.script_file, .open_files = OPEN_FILES_MAX,
		.cpu_s = (uint64_t)(run->timeout_ms / 1000 + 1) * (uint64_t)(cpus > 0 ? cpus : 1) + 10,
	};
	script->pid = sandbox_start(&sandbox, err);
	close(out[1]);
	close(error[1]);
	script->out = out[0];
	script->err = error[0];
	fnr_fd_nonblock(script->out);
	fnr_fd_nonblock(script->err);
	script->pidfd = script->pid > 0 ? (int)syscall(SYS_pidfd_open, script->pid, 0) : -1;
	return script->pid > 0;
}

/* ---- while it runs ---- */

/* Takes what is there, at most one read a turn, so that no flood keeps us from the rest. Closes at the end.
 * False when there was nothing. */
static bool read_some(struct script *script, int *fd, void (*take)(struct script_lines *, const char *, size_t))
{
	char data[READ_SIZE];
	if (*fd < 0)
		return false;
	ssize_t got = read(*fd, data, sizeof data);
	if (got > 0)
		take(&script->lines, data, (size_t)got);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR))
		fnr_fd_close(fd);
	return got > 0;
}

static bool read_both(struct script *script)
{
	bool out = read_some(script, &script->out, script_lines_out);
	bool err = read_some(script, &script->err, script_lines_err);
	return out || err;
}

/* Reaps all that ended: the script itself, and what it left to us. Returns false when there is no child any more. */
static bool reap(struct script *script)
{
	for (;;) {
		int status;
		struct rusage usage;
		pid_t pid = wait4(-1, &status, WNOHANG, &usage);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid <= 0)
			return pid == 0;
		run_memory(script->run, (uint64_t)usage.ru_maxrss * 1024);
		if (pid == script->pid) {
			script->exited = true;
			script->status = status;
		}
	}
}

static void wait_turn(struct script *script, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = script->out, .events = POLLIN }, { .fd = script->err, .events = POLLIN },
		{ .fd = script->pidfd, .events = POLLIN }, { .fd = run_fd(script->run), .events = POLLIN },
	};
	poll(fds, 4, run_wait_ms(script->run, script->pidfd < 0 && timeout_ms > 10 ? 10 : timeout_ms));
}

/* True while the script keeps its limits; else *error is set. */
static bool within_limits(struct script *script, int64_t now)
{
	if (now >= script->deadline) {
		run_fail(script->error, FNR_CLASS_PERMANENT, "timeout", "Choose a lower quality, or raise timeout_s.", "reduce_quality", NULL,
		         "It took longer than %lld seconds and was stopped.", (long long)(script->run->timeout_ms + 999) / 1000);
		return false;
	}
	if (now < script->next_sample)
		return true;
	struct tree_usage usage;
	tree_descendants(getpid(), &usage);
	script->next_sample = fnr_mono_ms() + SAMPLE_MS;
	run_memory(script->run, usage.rss);
	if (usage.processes > PROCESSES_MAX) {
		run_fail(script->error, FNR_CLASS_PERMANENT, "too_many_processes", "Let the function start fewer processes.", NULL, NULL,
		         "It started more than %d processes and was stopped.", PROCESSES_MAX);
		return false;
	}
	if (usage.rss > script->memory && tree_memory_exact(getpid()) > script->memory) {
		run_fail(script->error, FNR_CLASS_RESOURCE, "out_of_memory", "Choose a lower quality, or raise resources.memory_mb.",
		         "reduce_quality", NULL, "It needed more than %llu MiB of memory and was stopped.",
		         (unsigned long long)(script->memory >> 20));
		return false;
	}
	return true;
}

/* Asks the script to end and gives it a moment; what is left is killed by end_strays. */
static void ask_to_end(struct script *script)
{
	int64_t deadline = fnr_mono_ms() + GRACE_MS, left;
	script->lines.failed = true; /* what it says from now on counts for nothing */
	kill(-script->pid, SIGTERM);
	while (reap(script) && !script->exited && (left = deadline - fnr_mono_ms()) > 0) {
		read_both(script);
		wait_turn(script, left < 20 ? (int)left : 20);
		run_stop(script->run);
	}
}

/* Kills whatever descends from us. A script that left nothing costs nothing: then there is no child. */
static void end_strays(struct script *script)
{
	int64_t deadline = fnr_mono_ms() + STRAYS_MS;
	int killed = 0;
	bool orderly = script->exited;
	while (reap(script) && fnr_mono_ms() < deadline) {
		int more = fnr_proc_kill_strays(NULL, 0);
		killed += more > 0 ? more : 0;
		run_stop(script->run);
		if (more <= 0)
			usleep(1000);
	}
	if (orderly && killed > 0) {
		char text[96];
		snprintf(text, sizeof text, "the function ended, but left %d process%s running; they were ended", killed, killed == 1 ? "" : "es");
		run_log(script->run, "warn", text);
	}
}

/* Runs to the end of the script. RUN_DONE means only: it ended by itself. */
static enum run_result run_on(struct script *script)
{
	int64_t now = fnr_mono_ms();
	script->deadline = script->run->timeout_ms > 0 ? now + script->run->timeout_ms : INT64_MAX;
	script->next_sample = now + TURN_MS;
	for (;;) {
		bool more = read_both(script);
		if (script->lines.failed)
			return RUN_FAILED;
		if (run_stop(script->run)) {
			ask_to_end(script);
			return RUN_CANCELLED;
		}
		reap(script);
		if (script->exited)
			return RUN_DONE;
		if (!within_limits(script, fnr_mono_ms())) {
			ask_to_end(script);
			return RUN_FAILED;
		}
		if (!more)
			wait_turn(script, TURN_MS);
	}
}

/* ---- what it came to ---- */

static enum run_result signalled(struct script *script, int signal_number, const char *tail)
{
	switch (signal_number) {
	case SIGXFSZ:
		return run_fail(script->error, FNR_CLASS_PERMANENT, "file_too_large", "Raise script.file, or choose a lower quality.",
		                "reduce_quality", tail, "It wrote a file larger than %lld bytes and was stopped.",
		                (long long)script->conf.script_file);
	case SIGXCPU:
		return run_fail(script->error, FNR_CLASS_PERMANENT, "timeout", "Choose a lower quality, or raise timeout_s.",
		                "reduce_quality", tail, "It used more computing time than allowed and was stopped.");
	case SIGKILL:
		return run_fail(script->error, FNR_CLASS_RESOURCE, "script_killed", "Try again later, or choose a lower quality.",
		                "reduce_quality", tail, "The system stopped it, most likely for want of memory.");
	default:
		return run_fail(script->error, FNR_CLASS_UNKNOWN, "script_crashed", "Try again; if it stays so, tell the author of the function.",
		                "retry", tail, "The function crashed (signal %d, %s).", signal_number, strsignal(signal_number));
	}
}

static enum run_result verdict(struct script *script)
{
	struct script_lines *lines = &script->lines;
	const char *tail = lines->tail.len > 0 ? lines->tail.data : NULL;
	if (lines->failed)
		return RUN_FAILED;
	if (lines->refused) {
		*script->error = lines->refusal;
		if (script->error->detail[0] == '\0' && tail != NULL)
			snprintf(script->error->detail, sizeof script->error->detail, "%s", tail);
		return RUN_FAILED;
	}
	if (WIFSIGNALED(script->status))
		return signalled(script, WTERMSIG(script->status), tail);
	if (WEXITSTATUS(script->status) != 0)
		return run_fail(script->error, FNR_CLASS_UNKNOWN, "script_failed", "Try again; if it stays so, tell the author of the function.",
		                "retry", tail, "The function ended with exit status %d.", WEXITSTATUS(script->status));
	return RUN_DONE;
}

static enum run_result run_started(struct script *script)
{
	enum run_result result = run_on(script);
	end_strays(script);
	while (read_both(script)) /* nobody writes any more: this is what the pipes still hold */
		if (script->lines.failed && script->out >= 0)
			fnr_fd_close(&script->out);
	script_lines_end(&script->lines, result == RUN_DONE && WIFEXITED(script->status));
	return result == RUN_DONE ? verdict(script) : result;
}

static enum run_result script_execute(struct run *run, struct run_error *error)
{
	struct script script = { .run = run, .error = error, .pidfd = -1, .out = -1, .err = -1 };
	struct script_command command;
	struct fnr_error err = FNR_ERROR_INIT;
	enum run_result result = RUN_FAILED;

	run_progress(run, FNR_STAGE_PREPARATION, 0, NULL);
	backend_conf(&script.conf);
	script.lines = (struct script_lines){ .run = run, .error = error, .most = (uint64_t)script.conf.script_output };

	struct json_object *request = NULL;
	int in = -1;
	char tmp[SCRIPT_PATH];
	snprintf(tmp, sizeof tmp, "%s/.tmp", run->work_dir);
	if (script_command_make(run, &command, error) && (request = script_request_make(run, &command, error)) != NULL) {
		if ((in = input_make(request)) < 0 || mkdir(tmp, 0700) != 0)
			fnr_fail_errno(&err, errno, "cannot prepare the script's input");
		if (err.code == FNR_OK && start(&script, &command, in, &err))
			result = run_started(&script);
		else
			result = start_failed(&script, &err);
	}
	fnr_fd_close(&in);
	fnr_fd_close(&script.out);
	fnr_fd_close(&script.err);
	fnr_fd_close(&script.pidfd);
	json_object_put(request);
	script_command_free(&command);
	script_lines_free(&script.lines);
	fnr_error_clear(&err);
	return result;
}

static bool script_probe(struct run_error *error)
{
	char bridge[SCRIPT_PATH];
	if (!script_program_path("fnr_bridge.py", bridge)) {
		run_fail(error, FNR_CLASS_PERMANENT, "bridge_missing", "Install Function Runner again.", NULL, bridge,
		         "A part of Function Runner that runs Python functions is not installed.");
		return false;
	}
	if (access(FNR_PYTHON3, X_OK) != 0) {
		run_fail(error, FNR_CLASS_PERMANENT, "python_missing", "Install Python 3.", NULL, FNR_PYTHON3,
		         "The Python interpreter is not there.");
		return false;
	}
	return true;
}

const struct backend_kind backend_script = { .name = "script", .execute = script_execute, .probe = script_probe };
