#include "base/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"

#define STRAYS_MS 2000
#define PROC_FILE_MAX (4 << 20)

struct pids {
	pid_t *pid;
	size_t count, size;
};

static void pids_add(struct pids *pids, pid_t pid)
{
	if (pids->count == pids->size) {
		pids->size = pids->size ? pids->size * 2 : 32;
		pids->pid = fnr_realloc(pids->pid, pids->size * sizeof *pids->pid);
	}
	pids->pid[pids->count++] = pid;
}

static bool among(const pid_t *pids, size_t count, pid_t pid)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

void fnr_proc_tie(pid_t parent, int signal_number)
{
	FNR_MUST(prctl(PR_SET_PDEATHSIG, signal_number ? signal_number : SIGKILL) == 0);
	if (getppid() != parent)
		_exit(1);
}

void fnr_proc_reset_signals(void)
{
	struct sigaction plain = { .sa_handler = SIG_DFL };
	sigset_t none;
	int number;

	for (number = 1; number < NSIG; number++)
		sigaction(number, &plain, NULL); /* refused for SIGKILL, SIGSTOP and the C library's own */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static char *title_room;
static size_t title_size;
static char **title_arguments; /* the copies, kept in sight of the leak checker */

void fnr_proc_title_init(int argc, char **argv)
{
	char *end;
	int i;

	if (argc < 1 || !argv[0])
		return;
	/* The arguments lie behind one another. */
	end = argv[0] + strlen(argv[0]) + 1;
	for (i = 1; i < argc && argv[i] == end; i++)
		end += strlen(argv[i]) + 1;
	/* The title will overwrite them, so the program gets copies. */
	title_room = argv[0];
	title_size = (size_t)(end - title_room);
	program_invocation_name = fnr_strdup(program_invocation_name);
	program_invocation_short_name = strrchr(program_invocation_name, '/');
	program_invocation_short_name = program_invocation_short_name ? program_invocation_short_name + 1 :
	                                                                program_invocation_name;
	title_arguments = fnr_alloc((size_t)argc * sizeof *title_arguments);
	for (i = 0; i < argc; i++)
		argv[i] = title_arguments[i] = fnr_strdup(argv[i]);
}

void fnr_proc_title(const char *title)
{
	size_t len = strlen(title);

	prctl(PR_SET_NAME, title);
	if (!title_size)
		return;
	if (len >= title_size)
		len = title_size - 1;
	memset(title_room, 0, title_size);
	memcpy(title_room, title, len);
}

int fnr_proc_signalfd(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	FNR_MUST(sigaction(SIGPIPE, &ignore, NULL) == 0 && sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		fnr_die("signalfd: %s", strerror(errno));
	return fd;
}

static pid_t pid_of(const char *name)
{
	char *end;
	long pid;

	if (!isdigit((unsigned char)name[0]))
		return 0;
	pid = strtol(name, &end, 10);
	return *end || pid > INT32_MAX ? 0 : (pid_t)pid;
}

/* State letter and parent of a process; false if it is gone. */
static bool stat_of(pid_t pid, char *state_r, pid_t *parent_r)
{
	struct fnr_buf text = FNR_BUF_INIT;
	const char *behind;
	char path[64];
	bool good;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	good = fnr_file_read(path, PROC_FILE_MAX, &text, NULL) == FNR_OK;
	behind = good ? strrchr(text.data, ')') : NULL; /* the name before it may contain anything */
	good = behind && sscanf(behind + 1, " %c %d", state_r, parent_r) == 2;
	fnr_buf_free(&text);
	return good;
}

static bool is_living(pid_t pid)
{
	pid_t parent;
	char state;

	return stat_of(pid, &state, &parent) && state != 'Z' && state != 'X';
}

/* Adds the children of pid by the kernel's own list; false if it keeps none. */
static bool children_listed(pid_t pid, struct pids *out)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct dirent *entry;
	char path[128], *at, *next;
	DIR *dir;
	long child;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (!pid_of(entry->d_name))
			continue;
		snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid_of(entry->d_name));
		fnr_buf_reset(&text);
		if (fnr_file_read(path, PROC_FILE_MAX, &text, NULL) != FNR_OK)
			continue;
		for (at = text.data; (child = strtol(at, &next, 10)) > 0; at = next)
			pids_add(out, (pid_t)child);
	}
	if (dir)
		closedir(dir);
	fnr_buf_free(&text);
	return access("/proc/thread-self/children", R_OK) == 0;
}

static void children_scanned(pid_t pid, struct pids *out)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	pid_t child, parent;
	char state;

	while (dir && (entry = readdir(dir))) {
		child = pid_of(entry->d_name);
		if (child && stat_of(child, &state, &parent) && parent == pid)
			pids_add(out, child);
	}
	if (dir)
		closedir(dir);
}

/* All living descendants of this process, without keep[] and what is below it. */
static struct pids strays(const pid_t *keep, size_t count)
{
	struct pids found = { 0 }, children = { 0 };
	pid_t parent = getpid();
	size_t next = 0, i;

	for (;;) {
		children.count = 0;
		if (!children_listed(parent, &children))
			children_scanned(parent, &children);
		for (i = 0; i < children.count; i++)
			if (!among(keep, count, children.pid[i]) && !among(found.pid, found.count, children.pid[i]) &&
			    is_living(children.pid[i]))
				pids_add(&found, children.pid[i]);
		if (next == found.count)
			break;
		parent = found.pid[next++];
	}
	free(children.pid);
	return found;
}

static void pause_ms(long ms)
{
	struct timespec time = { .tv_nsec = ms * 1000000 };

	nanosleep(&time, NULL);
}

int fnr_proc_kill_strays(const pid_t *keep, size_t count)
{
	int64_t end = fnr_mono_ms() + STRAYS_MS;
	struct pids killed = { 0 }, found;
	size_t i;
	int total;

	for (;;) {
		found = strays(keep, count);
		for (i = 0; i < found.count; i++)
			if (kill(found.pid[i], SIGKILL) == 0 && !among(killed.pid, killed.count, found.pid[i]))
				pids_add(&killed, found.pid[i]);
		free(found.pid);
		for (i = 0; i < killed.count; i++)
			waitpid(killed.pid[i], NULL, WNOHANG); /* refused for those that are another's children */
		if (!found.count || fnr_mono_ms() >= end)
			break;
		pause_ms(2);
	}
	total = (int)killed.count;
	free(killed.pid);
	return total;
}

static bool is_marked(pid_t pid, const char *mark, size_t len)
{
	struct fnr_buf text = FNR_BUF_INIT;
	char path[64];
	struct stat st;
	bool found = false;
	size_t at = 0;

	snprintf(path, sizeof path, "/proc/%d", (int)pid);
	if (stat(path, &st) < 0 || st.st_uid != geteuid())
		return false;
	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	if (fnr_file_read(path, PROC_FILE_MAX, &text, NULL) == FNR_OK)
		for (; !found && at < text.len; at += strlen(text.data + at) + 1)
			found = strlen(text.data + at) == len && memcmp(text.data + at, mark, len) == 0;
	fnr_buf_free(&text);
	return found;
}

/* One look at all processes; adds those killed now to killed, returns how many these are. */
static size_t kill_marked_once(const char *mark, struct pids *killed)
{
	size_t before = killed->count, len = strlen(mark);
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	pid_t pid;

	while (dir && (entry = readdir(dir))) {
		pid = pid_of(entry->d_name);
		if (!pid || pid == getpid() || among(killed->pid, killed->count, pid) || !is_marked(pid, mark, len))
			continue;
		if (kill(pid, SIGKILL) == 0)
			pids_add(killed, pid);
	}
	if (dir)
		closedir(dir);
	return killed->count - before;
}

int fnr_proc_kill_marked(const char *name, const char *value)
{
	char *mark = fnr_asprintf("%s=%s", name, value);
	int64_t end = fnr_mono_ms() + STRAYS_MS;
	struct pids killed = { 0 };
	int total;

	/* Again until a look finds no new one: they may have forked meanwhile. */
	while (kill_marked_once(mark, &killed) && fnr_mono_ms() < end)
		;
	total = (int)killed.count;
	free(killed.pid);
	free(mark);
	return total;
}
