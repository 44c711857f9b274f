/* Figures of a tree of processes, as the kernel counts them: what a script and all that it started use. */
#ifndef FNR_BACKENDS_TREE_H
#define FNR_BACKENDS_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct tree_usage {
	uint64_t rss;         /* bytes; pages that processes share are counted in each */
	int64_t cpu_ms;       /* of the living, with their own children that ended and were waited for */
	unsigned processes;
};

/* Adds up all descendants of root, without root itself. Those that detached are among them if root is a subreaper. */
void tree_descendants(pid_t root, struct tree_usage *usage_r);

/* The same memory with shared pages counted once (PSS): exact and slower; where the kernel does not tell, RSS. */
uint64_t tree_memory_exact(pid_t root);

/* CPU time of this process, of its children that ended, and of its living descendants. */
int64_t tree_cpu_ms(const struct tree_usage *descendants);

#endif
