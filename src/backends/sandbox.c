#include "config.h"

#include "backends/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/seccomp.h"

#define PROCESSES_MAX 4096       /* of the user; the backend counts the script's own more tightly */
#define SIBLINGS_MAX 8192        /* entries of one folder on the way to the data directory */

/* ---- Landlock: the kernel's interface, as later headers than Debian's have it ---- */

#define LL_EXECUTE (1ull << 0)
#define LL_WRITE_FILE (1ull << 1)
#define LL_READ_FILE (1ull << 2)
#define LL_READ_DIR (1ull << 3)
#define LL_MAKE_CHAR (1ull << 6)
#define LL_MAKE_BLOCK (1ull << 11)
#define LL_VERSION_1 ((1ull << 13) - 1)
#define LL_REFER (1ull << 13)         /* version 2 */
#define LL_TRUNCATE (1ull << 14)      /* version 3 */
#define LL_SCOPE_ABSTRACT_SOCKET 1ull /* version 6 */
#define LL_SCOPE_SIGNAL 2ull

#define LL_READ (LL_EXECUTE | LL_READ_FILE | LL_READ_DIR)
#define LL_OF_FILES (LL_EXECUTE | LL_WRITE_FILE | LL_READ_FILE | LL_TRUNCATE)

struct ll_ruleset { uint64_t fs, net, scoped; };
struct ll_beneath { uint64_t access; int32_t fd; } __attribute__((packed));

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

int sandbox_landlock_version(void)
{
	static int version = -1;
	if (version < 0) {
		long answer = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
		version = answer > 0 ? (int)answer : 0;
	}
	return version;
}

struct rules {
	int fd;
	uint64_t handled;
};

/* Lets through what cannot be opened or is not there: less is allowed then, never more. */
static void rules_allow_at(const struct rules *rules, int dir, const char *path, uint64_t access)
{
	int fd = openat(dir, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && !S_ISLNK(st.st_mode)) {
		struct ll_beneath beneath = { .access = access & rules->handled, .fd = fd };
		if (!S_ISDIR(st.st_mode))
			beneath.access &= LL_OF_FILES;
		if (beneath.access != 0)
			syscall(SYS_landlock_add_rule, rules->fd, 1, &beneath, 0);
	}
	close(fd);
}

static void rules_allow(const struct rules *rules, const char *path, uint64_t access)
{
	rules_allow_at(rules, AT_FDCWD, path, access);
}

/* Rules only ever add: to keep one folder closed, all its siblings are opened, on each level down to it. */
static void rules_allow_siblings(const struct rules *rules, const char *folder, const char *except)
{
	DIR *dir = opendir(folder);
	if (dir == NULL)
		return;
	int count = 0;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL && count < SIBLINGS_MAX;) {
		const char *name = entry->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, except) == 0)
			continue;
		if (strcmp(folder, "/") == 0 && strcmp(name, "dev") == 0)
			continue;
		rules_allow_at(rules, dirfd(dir), name, LL_READ);
		count++;
	}
	closedir(dir);
}

static void rules_allow_outside(const struct rules *rules, const char *data_dir)
{
	char *path = fnr_strdup(data_dir);
	for (char *slash = path; slash != NULL;) {
		char *next = strchr(slash + 1, '/');
		if (next != NULL)
			*next = '\0';
		*slash = '\0';
		rules_allow_siblings(rules, slash == path ? "/" : path, slash + 1);
		*slash = '/';
		if (next != NULL)
			*next = '/';
		slash = next;
	}
	free(path);
}

static void rules_allow_devices(const struct rules *rules, bool gpu)
{
	static const char *const plain[] = { "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom" };
	rules_allow(rules, "/dev/null", LL_READ_FILE | LL_WRITE_FILE | LL_TRUNCATE);
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		rules_allow(rules, plain[i], LL_READ_FILE);
	DIR *dir = gpu ? opendir("/dev") : NULL;
	if (dir == NULL)
		return;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (strncmp(entry->d_name, "nvidia", 6) == 0 || strcmp(entry->d_name, "dri") == 0 || strcmp(entry->d_name, "kfd") == 0)
			rules_allow_at(rules, dirfd(dir), entry->d_name, LL_READ_FILE | LL_READ_DIR | LL_WRITE_FILE);
	closedir(dir);
}

/* A ruleset ready to be put on, or -1 where the kernel has no Landlock. */
static int rules_make(const struct sandbox *sandbox)
{
	static bool warned;
	int version = sandbox_landlock_version();
	struct rules rules = { .fd = -1, .handled = LL_VERSION_1 };
	rules.handled |= (version >= 2 ? LL_REFER : 0) | (version >= 3 ? LL_TRUNCATE : 0);
	struct ll_ruleset ruleset = { .fs = rules.handled, .scoped = version >= 6 ? LL_SCOPE_ABSTRACT_SOCKET | LL_SCOPE_SIGNAL : 0 };
	if (version > 0) /* an older kernel takes only as much of the struct as it knows */
		rules.fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, version >= 6 ? sizeof ruleset : sizeof ruleset.fs, 0);
	if (rules.fd < 0) {
		if (!warned)
			fnr_warn(NULL, "this kernel has no Landlock: scripts can read and write whatever this user can");
		warned = true;
		return -1;
	}
	fcntl(rules.fd, F_SETFD, FD_CLOEXEC);
	rules_allow_outside(&rules, sandbox->data_dir);
	rules_allow_devices(&rules, sandbox->gpu);
	for (const char *const *path = sandbox->readable; path != NULL && *path != NULL; path++)
		rules_allow(&rules, *path, LL_READ);
	/* Not even there: a device file made by root would be a way to every disk. */
	rules_allow(&rules, sandbox->work_dir, rules.handled & ~(LL_MAKE_CHAR | LL_MAKE_BLOCK));
	return rules.fd;
}

/* ---- what Landlock before version 3 (Linux 6.2) does not hold back: truncate(2) by name ---- */

#ifdef FNR_SECCOMP_ARCH
#define OTHER_ABI 0x40000000     /* the bit of x32 in a call's number */

static struct sock_filter truncate_filter[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FNR_SECCOMP_ARCH, 0, 3),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~OTHER_ABI),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_truncate, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static bool deny_truncate(void)
{
	static const struct sock_fprog program = {
		.len = sizeof truncate_filter / sizeof truncate_filter[0], .filter = truncate_filter
	};
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
#else
static bool deny_truncate(void)
{
	return true;
}
#endif

/* ---- the child ---- */

struct child {
	const struct sandbox *sandbox;
	pid_t parent;
	int work, rules, report;
	bool truncates;                  /* the kernel's Landlock would let truncate(2) through */
};

/* Says why it failed and ends. The parent reads errno from the pipe; a program that started has closed it. */
static void __attribute__((noreturn)) child_fail(int report)
{
	int saved = errno;
	ssize_t written = write(report, &saved, sizeof saved);
	_exit(written == sizeof saved ? 127 : 126);
}

static void limit(int resource, uint64_t value)
{
	struct rlimit old, new = { .rlim_cur = value, .rlim_max = value };
	if (getrlimit(resource, &old) != 0)
		return;
	if (old.rlim_max != RLIM_INFINITY && new.rlim_max > old.rlim_max)
		new.rlim_cur = new.rlim_max = old.rlim_max;
	setrlimit(resource, &new);
}

/* Where all runs as root, as in many containers: the program gets no capability of root's. */
static void drop_capabilities(void)
{
	for (unsigned long capability = 0; capability < 64; capability++)
		prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

/* Under memory pressure the kernel shall take the script, not the one that looks after it. */
static void prefer_to_be_killed(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t written = write(fd, "700", 3);
	(void)written;
	close(fd);
}

static void __attribute__((noreturn)) child_run(const struct child *child)
{
	const struct sandbox *sandbox = child->sandbox;
	int report = child->report, in = sandbox->in, out = sandbox->out, error = sandbox->err;

	fnr_proc_reset_signals();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != child->parent)
		_exit(126);
	setsid();
	umask(077);
	prefer_to_be_killed();
	if (fchdir(child->work) != 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(error, 2) < 0)
		child_fail(report);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NPROC, PROCESSES_MAX);
	if (sandbox->file > 0)
		limit(RLIMIT_FSIZE, sandbox->file);
	if (sandbox->open_files > 0)
		limit(RLIMIT_NOFILE, sandbox->open_files);
	if (sandbox->cpu_s > 0)
		limit(RLIMIT_CPU, sandbox->cpu_s);
	drop_capabilities();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		child_fail(report);
	if (child->rules >= 0 && child->truncates && !deny_truncate())
		child_fail(report);
	if (child->rules >= 0 && syscall(SYS_landlock_restrict_self, child->rules, 0) != 0)
		child_fail(report);
	/* Only the pipe for bad news stays, and exec closes it. */
	if (report != 3 && dup2(report, 3) < 0)
		child_fail(report);
	fcntl(3, F_SETFD, FD_CLOEXEC);
	if (syscall(SYS_close_range, 4u, ~0u, 0) != 0)
		for (int fd = 4; fd < 65536; fd++)
			close(fd);
	if (sandbox->memory > 0) /* last: a build with sanitizers has mapped more than any limit */
		limit(RLIMIT_AS, sandbox->memory);
	execve(sandbox->program, sandbox->argv, sandbox->envp);
	child_fail(3);
}

/* ---- the parent ---- */

static int start_failed(struct fnr_error *err, int saved, const char *program)
{
	if (saved == ENOENT || saved == ENOTDIR)
		return fnr_fail(err, FNR_E_NOT_FOUND, "%s, or the interpreter in its first line, does not exist", program);
	if (saved == EACCES || saved == EPERM)
		return fnr_fail(err, FNR_E_FORBIDDEN, "%s is not executable; chmod +x it", program);
	if (saved == ENOEXEC)
		return fnr_fail(err, FNR_E_FORBIDDEN, "%s is neither a program nor a script that begins with #!", program);
	return fnr_fail_errno(err, saved, "cannot start %s", program);
}

pid_t sandbox_start(const struct sandbox *sandbox, struct fnr_error *err)
{
	int report[2], trouble = 0;
	if (pipe2(report, O_CLOEXEC) != 0) {
		fnr_fail_errno(err, errno, "cannot make a pipe");
		return -1;
	}
	struct child child = { .sandbox = sandbox, .parent = getpid(), .report = report[1] };
	child.work = open(sandbox->work_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	child.rules = rules_make(sandbox);
	child.truncates = sandbox_landlock_version() < 3;
	pid_t pid = child.work >= 0 && !fnr_fault("script.start") ? fork() : -1;
	int saved = errno;
	if (pid == 0)
		child_run(&child);
	close(report[1]);
	fnr_fd_close(&child.work);
	fnr_fd_close(&child.rules);
	if (pid < 0) {
		fnr_fail_errno(err, saved, "cannot start a process");
	} else {
		ssize_t got;
		do
			got = read(report[0], &trouble, sizeof trouble);
		while (got < 0 && errno == EINTR);
		if (got == (ssize_t)sizeof trouble) {
			start_failed(err, trouble, sandbox->program);
			while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
				;
			pid = -1;
		}
	}
	close(report[0]);
	return pid;
}
