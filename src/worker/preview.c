#include "config.h"

#include "worker/preview.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/seccomp.h"
#include "files/path.h"
#include "files/shrink.h"

#define READ_SIZE 65536
#define RESULT_MOST (8u << 20)
#define CPU_S 2

/* ---- the process that decodes ---- */

#ifdef FNR_SECCOMP_ARCH
#define CALL(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define DENY BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

/* Memory, the result, the end. */
static struct sock_filter calls[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FNR_SECCOMP_ARCH, 1, 0), DENY,
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	CALL(write), CALL(mmap), CALL(munmap), CALL(mremap), CALL(brk), CALL(madvise), CALL(mprotect), CALL(futex), CALL(rt_sigprocmask), CALL(rt_sigreturn),
	CALL(sigaltstack), CALL(exit), CALL(exit_group), DENY,
};

static bool leave_everything(void)
{
	static const struct sock_fprog program = { .len = sizeof calls / sizeof calls[0], .filter = calls };
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
#else
static bool leave_everything(void)
{
	return true;
}
#endif

static void __attribute__((noreturn)) become_decoder(pid_t parent, int out, const struct fnr_buf *picture, int side)
{
	struct rlimit cpu = { CPU_S, CPU_S }, none = { 0, 0 };
	struct fnr_buf small = FNR_BUF_INIT;
	fnr_proc_tie(parent, SIGKILL);
	fnr_proc_reset_signals();
	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_CORE, &none);
	if (dup2(out, 3) < 0)
		_exit(1);
	close_range(4, ~0U, 0);
	if (!leave_everything() || !shrink(picture->data, picture->len, side, &small))
		_exit(1);
	_exit(fnr_write_all(3, small.data, small.len) ? 0 : 1);
}

/* ---- the worker ---- */

/* All that comes until the other side ends it, or its time is over. */
static void read_all(int fd, struct fnr_buf *out)
{
	int64_t until = fnr_mono_ms() + PREVIEW_MS, left;
	ssize_t got = 1;
	while (got > 0 && out->len < RESULT_MOST && (left = until - fnr_mono_ms()) > 0) {
		struct pollfd said = { .fd = fd, .events = POLLIN };
		if (poll(&said, 1, (int)left) <= 0)
			continue;
		got = read(fd, fnr_buf_room(out, READ_SIZE), READ_SIZE);
		out->len += got > 0 ? (size_t)got : 0;
	}
}

static bool shrink_apart(const struct fnr_buf *picture, int side, struct fnr_buf *small)
{
	int ends[2], status = -1;
	pid_t parent = getpid();
	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	pid_t pid = fork();
	if (pid == 0)
		become_decoder(parent, ends[1], picture, side);
	close(ends[1]);
	if (pid > 0)
		read_all(ends[0], small);
	close(ends[0]);
	if (pid < 0)
		return false;
	kill(pid, SIGKILL);          /* nothing if it has ended; it is not reaped yet, so the number is still its own */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 && small->len > 0;
}

bool preview_fit(struct fnr_buf *picture, char media_type[64], int side)
{
	struct fnr_buf small = FNR_BUF_INIT;
	int width, height;
	if (strncmp(media_type, "image/", 6) != 0)
		return true;
	bool known = path_picture_size_of(picture->data, picture->len, &width, &height);
	if (known && width <= side && height <= side)
		return true;
	bool made = known && shrink_apart(picture, side, &small);
	if (made) {
		fnr_buf_reset(picture);
		fnr_buf_add(picture, small.data, small.len);
		snprintf(media_type, 64, SHRINK_MEDIA_TYPE);
	}
	fnr_buf_free(&small);
	return made || picture->len <= PREVIEW_PLAIN;
}
