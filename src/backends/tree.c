#include "config.h"

#include "backends/tree.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/mem.h"

#define TREE_MAX 16384      /* processes that are looked at; a fork bomb is stopped long before */

struct pids {
	pid_t *list;
	size_t count, size;
};

static void pids_add(struct pids *pids, pid_t pid)
{
	if (pids->count == TREE_MAX)
		return;
	if (pids->count == pids->size) {
		pids->size = pids->size == 0 ? 32 : pids->size * 2;
		pids->list = fnr_realloc(pids->list, pids->size * sizeof *pids->list);
	}
	pids->list[pids->count++] = pid;
}

static ssize_t read_proc(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t len = read(fd, out, size - 1);
	close(fd);
	out[len > 0 ? len : 0] = '\0';
	return len;
}

struct stat_line {
	pid_t parent;
	uint64_t ticks, pages;
};

/* /proc/<pid>/stat; the name in brackets may hold anything, so fields are counted from the last bracket */
static bool read_stat(pid_t pid, struct stat_line *out)
{
	char path[64], line[1024];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (read_proc(path, line, sizeof line) <= 0)
		return false;
	const char *at = strrchr(line, ')');
	char state;
	int parent;
	unsigned long long user, system;
	long long child_user, child_system, pages;
	if (at == NULL ||
	    sscanf(at + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld %*d %*d %*d %*d %*u %*u %lld",
	           &state, &parent, &user, &system, &child_user, &child_system, &pages) != 7)
		return false;
	out->parent = parent;
	out->ticks = user + system + (uint64_t)(child_user > 0 ? child_user : 0) + (uint64_t)(child_system > 0 ? child_system : 0);
	out->pages = pages > 0 ? (uint64_t)pages : 0;
	return true;
}

/* Children of one process by the kernel's own list, which there is one of per thread. False: this kernel has none. */
static bool add_children(pid_t pid, struct pids *out)
{
	char path[64], text[8192];
	bool known = false;
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	DIR *tasks = opendir(path);
	if (tasks == NULL)
		return access("/proc/thread-self/children", F_OK) == 0; /* it ended meanwhile */
	for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
		char file[320];
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(file, sizeof file, "/proc/%d/task/%s/children", (int)pid, entry->d_name);
		if (read_proc(file, text, sizeof text) < 0) {
			known = known || access("/proc/thread-self/children", F_OK) == 0;
			continue;
		}
		known = true;
		char *end;
		for (char *at = text; *at != '\0'; at = end) {
			long child = strtol(at, &end, 10);
			if (end == at)
				break;
			if (*end == ' ' && child > 0) /* a number that the buffer cut has no space behind it */
				pids_add(out, (pid_t)child);
			end += *end == ' ';
		}
	}
	closedir(tasks);
	return known;
}

/* The slow way: every process of the machine, until no further descendant is found. */
static void add_by_scan(pid_t root, struct pids *out)
{
	size_t before;
	do {
		before = out->count;
		DIR *proc = opendir("/proc");
		if (proc == NULL)
			return;
		for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
			struct stat_line line;
			pid_t pid = (pid_t)atoi(entry->d_name);
			if (pid <= 0 || pid == root || !read_stat(pid, &line))
				continue;
			bool inside = line.parent == root, listed = false;
			for (size_t i = 0; i < out->count; i++) {
				inside = inside || out->list[i] == line.parent;
				listed = listed || out->list[i] == pid;
			}
			if (inside && !listed)
				pids_add(out, pid);
		}
		closedir(proc);
	} while (out->count > before);
}

static struct pids descendants(pid_t root)
{
	struct pids pids = { 0 };
	if (!add_children(root, &pids)) {
		add_by_scan(root, &pids);
		return pids;
	}
	for (size_t i = 0; i < pids.count; i++)
		add_children(pids.list[i], &pids);
	return pids;
}

void tree_descendants(pid_t root, struct tree_usage *usage_r)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), tick = (uint64_t)sysconf(_SC_CLK_TCK);
	struct pids pids = descendants(root);
	*usage_r = (struct tree_usage){ 0 };
	for (size_t i = 0; i < pids.count; i++) {
		struct stat_line line;
		if (!read_stat(pids.list[i], &line))
			continue;
		usage_r->processes++;
		usage_r->rss += line.pages * page;
		usage_r->cpu_ms += (int64_t)(line.ticks * 1000 / tick);
	}
	free(pids.list);
}

static uint64_t memory_exact(pid_t pid)
{
	char path[64], text[2048];
	unsigned long long kilobytes;
	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
	const char *line = read_proc(path, text, sizeof text) > 0 ? strstr(text, "\nPss:") : NULL;
	if (line != NULL && sscanf(line, " Pss: %llu", &kilobytes) == 1)
		return kilobytes * 1024;
	struct stat_line stat_line;
	return read_stat(pid, &stat_line) ? stat_line.pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

uint64_t tree_memory_exact(pid_t root)
{
	uint64_t sum = 0;
	struct pids pids = descendants(root);
	for (size_t i = 0; i < pids.count; i++)
		sum += memory_exact(pids.list[i]);
	free(pids.list);
	return sum;
}

static int64_t usage_ms(const struct rusage *usage)
{
	return (int64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000 +
	       (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1000;
}

int64_t tree_cpu_ms(const struct tree_usage *living)
{
	struct rusage self, ended;
	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &ended);
	return usage_ms(&self) + usage_ms(&ended) + (living != NULL ? living->cpu_ms : 0);
}
