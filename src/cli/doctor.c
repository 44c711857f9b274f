#include "config.h"

#include "cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "cli/ask.h"
#include "cli/cli.h"

#define PATIENCE_MS 10000
#define OUTPUT_MOST 65536u

static struct { long problems, warnings; } found;

static const char *const verdicts[] = { "ok", "warn", "fail" };

static void print_json(const char *name, enum verdict verdict, const char *text, const char *why, const char *mend)
{
	struct json_object *value = json_object_new_object();

	fnr_json_set_text(value, "check", name);
	fnr_json_set_text(value, "verdict", verdicts[verdict]);
	fnr_json_set_text(value, "found", text);
	fnr_json_set_text(value, "why", verdict == VERDICT_OK ? NULL : why);
	fnr_json_set_text(value, "mend", verdict == VERDICT_OK ? NULL : mend);
	printf("%s\n", fnr_json_text(value, NULL));
	json_object_put(value);
}

static void print(const char *name, enum verdict verdict, const char *text, const char *why, const char *mend)
{
	printf("%s%-4s%s  %-18s %s\n", ask_state_color(verdicts[verdict]), verdicts[verdict], ask_no_color(), name, text);
	if (verdict == VERDICT_OK)
		return;
	printf("      %s\n", why);
	printf("      mend: %s\n", mend);
}

void finding(const char *name, enum verdict verdict, const char *why, const char *mend, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fnr_text_clean(text);
	found.problems += verdict == VERDICT_FAIL;
	found.warnings += verdict == VERDICT_WARN;
	if (shared.json)
		print_json(name, verdict, text, why, mend);
	else
		print(name, verdict, text, why, mend);
}

/* ---- programs ---- */

static pid_t start(char *const argv[], int out[2])
{
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) != 0)
		return -1;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int none = open("/dev/null", O_RDONLY);

		fnr_proc_reset_signals();
		dup2(none, STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	fnr_fd_close(&out[1]);
	return pid;
}

bool doctor_run(char *const argv[], struct fnr_buf *out)
{
	int pipes[2] = { -1, -1 }, status = -1;
	int64_t until = fnr_mono_ms() + PATIENCE_MS;
	pid_t pid = start(argv, pipes);
	ssize_t got = 1;

	while (pid > 0 && got > 0 && out->len < OUTPUT_MOST) {
		struct pollfd poll_ = { .fd = pipes[0], .events = POLLIN };
		int64_t left = until - fnr_mono_ms();

		if (left <= 0 || poll(&poll_, 1, (int)left) <= 0)
			break;
		got = read(pipes[0], fnr_buf_room(out, 4096), 4096);
		out->len += got > 0 ? (size_t)got : 0;
	}
	*fnr_buf_room(out, 1) = 0;
	fnr_fd_close(&pipes[0]);
	if (pid <= 0)
		return false;
	if (got != 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- the command ---- */

static int run(int count, char **operands)
{
	const char *given = data_dir(shared.client.data);
	char absolute[PATH_MAX];
	const char *data = realpath(given, absolute) ? absolute : given;

	(void)count, (void)operands;
	doctor_build();
	doctor_kernel();
	doctor_limits();
	doctor_programs();
	doctor_fonts();
	doctor_data(data);
	doctor_backends(data, doctor_running(data));
	if (!shared.json && !found.problems && !found.warnings)
		printf("\nall is well\n");
	else if (!shared.json)
		printf("\n%ld problem%s, %ld warning%s\n", found.problems, found.problems == 1 ? "" : "s", found.warnings, found.warnings == 1 ? "" : "s");
	return found.problems ? EXIT_FAILED : EXIT_DONE;
}

static const struct action actions[] = { { "", "", 0, 0, "look at the machine, the installation, the data directory and the running system", run },
	                                 ACTIONS_END };

const struct command command_doctor = { "doctor", "Find out what is wrong or missing, and how to mend it", 8, USES_SERVER | USES_JSON, actions, NULL };
