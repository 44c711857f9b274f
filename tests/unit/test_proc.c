#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/proc.h"

static void nap(void)
{
	usleep(20000);
}

/* A child that makes a grandchild in a session of its own, tells its pid and then ends or waits. */
static pid_t start_detached(bool parent_stays, pid_t *grandchild_r)
{
	int pipes[2];
	pid_t child;

	cr_assert_eq(pipe(pipes), 0);
	child = fork();
	if (child == 0) {
		pid_t grandchild = fork();

		if (grandchild == 0) {
			setsid();
			for (;;)
				pause();
		}
		if (write(pipes[1], &grandchild, sizeof grandchild) < 0)
			_exit(1);
		if (parent_stays)
			for (;;)
				pause();
		_exit(0);
	}
	cr_assert_eq(read(pipes[0], grandchild_r, sizeof *grandchild_r), sizeof *grandchild_r);
	close(pipes[0]);
	close(pipes[1]);
	return child;
}

Test(proc, strays_are_killed)
{
	pid_t child, orphan;

	cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	child = start_detached(false, &orphan);
	waitpid(child, NULL, 0);
	nap();
	cr_assert_eq(kill(orphan, 0), 0);
	cr_assert_eq(fnr_proc_kill_strays(NULL, 0), 1);
	cr_assert(kill(orphan, 0) < 0 && errno == ESRCH);
	cr_assert_eq(fnr_proc_kill_strays(NULL, 0), 0);
}

Test(proc, kept_processes_keep_their_children)
{
	pid_t kept, below, child, orphan;

	cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	kept = start_detached(true, &below);
	child = start_detached(true, &orphan);
	cr_assert_eq(fnr_proc_kill_strays(&kept, 1), 2);
	cr_assert(kill(orphan, 0) < 0 && kill(child, 0) < 0);
	cr_assert(kill(kept, 0) == 0 && kill(below, 0) == 0);
	cr_assert_eq(fnr_proc_kill_strays(NULL, 0), 2);
}

/* A program with the mark in its environment; it has begun when the pipe is closed by its exec. */
static pid_t start_marked(const char *value)
{
	int pipes[2];
	pid_t child;
	char byte;

	cr_assert_eq(pipe2(pipes, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		setenv("FNR_TEST_MARK", value, 1);
		execlp("sleep", "sleep", "30", (char *)NULL);
		_exit(1);
	}
	close(pipes[1]);
	cr_assert_eq(read(pipes[0], &byte, 1), 0);
	close(pipes[0]);
	return child;
}

Test(proc, marked_processes_are_killed)
{
	char value[32];
	int status;
	pid_t child, other;

	snprintf(value, sizeof value, "%d", (int)getpid());
	child = start_marked(value);
	strcat(value, "0");
	other = start_marked(value);
	value[strlen(value) - 1] = 0;
	cr_assert_eq(fnr_proc_kill_marked("FNR_TEST_MARK", value), 1);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	cr_assert_eq(waitpid(other, &status, WNOHANG), 0);
	kill(other, SIGKILL);
}

Test(proc, tied_to_the_parent)
{
	int pipes[2];
	char byte;
	pid_t child;

	cr_assert_eq(pipe(pipes), 0);
	child = fork();
	if (child == 0) {
		pid_t parent = getpid();

		if (fork() == 0) {
			fnr_proc_tie(parent, 0);
			if (write(pipes[1], "x", 1) == 1)
				for (;;)
					pause();
		}
		if (read(pipes[0], &byte, 1) == 1)
			_exit(0);
		_exit(1);
	}
	close(pipes[1]);
	waitpid(child, NULL, 0);
	cr_assert_eq(read(pipes[0], &byte, 1), 0, "the grandchild lives on");
}

Test(proc, tied_to_a_parent_that_is_gone, .exit_code = 1)
{
	fnr_proc_tie(getppid() + 1, SIGTERM);
}

Test(proc, signals_arrive_on_a_descriptor)
{
	struct signalfd_siginfo info;
	int fd = fnr_proc_signalfd(), status;
	pid_t child;

	cr_assert(fd >= 0);
	cr_assert(read(fd, &info, sizeof info) < 0 && errno == EAGAIN);
	kill(getpid(), SIGTERM);
	cr_assert_eq(read(fd, &info, sizeof info), sizeof info);
	cr_assert_eq(info.ssi_signo, SIGTERM);
	raise(SIGPIPE);
	child = fork();
	if (child == 0) {
		fnr_proc_reset_signals();
		raise(SIGTERM);
		_exit(0);
	}
	waitpid(child, &status, 0);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* As an argument vector lies in memory: behind one another. */
Test(proc, title)
{
	static char room[] = "program\0--data\0/x";
	char *argv[] = { room, room + 8, room + 15, NULL };
	char name[16];

	fnr_proc_title_init(3, argv);
	fnr_proc_title("a title longer than the room");
	cr_assert_str_eq(room, "a title longer th");
	cr_assert_str_eq(argv[1], "--data");
	cr_assert_str_eq(argv[2], "/x");
	fnr_proc_title("short");
	cr_assert_eq(memcmp(room, "short\0\0\0\0\0\0\0\0\0\0\0\0", sizeof room), 0);
	cr_assert_eq(prctl(PR_GET_NAME, name), 0);
	cr_assert_str_eq(name, "short");
}
