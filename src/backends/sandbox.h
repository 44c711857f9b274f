/* Starts a program that is not trusted: clean environment, its own session, resource limits, no new privileges, and,
 * where the kernel has Landlock, write access to one folder only and read access to nothing that is ours to keep.
 *
 * All that can fail or allocate is prepared before the fork; between fork and exec only async-signal-safe calls are made.
 */
#ifndef FNR_BACKENDS_SANDBOX_H
#define FNR_BACKENDS_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct sandbox {
	const char *program;             /* absolute */
	char *const *argv, *const *envp; /* end with NULL */
	const char *data_dir;            /* absolute, without symlinks; what lies in it is closed but for these: */
	const char *work_dir;            /* absolute: working directory, the only place to write */
	const char *const *readable;     /* absolute paths in data_dir that may be read; ends with NULL */
	int in, out, err;                /* become standard input, output and error; stay open in the caller */
	uint64_t memory, file, open_files, cpu_s; /* limits; 0 = none. memory is that of the address space */
	bool gpu;                        /* may open the devices of graphics cards */
};

/* Starts it. Returns its process id, or -1 with *err: FNR_E_NOT_FOUND (there is no such program, or its interpreter is
 * missing), FNR_E_FORBIDDEN (it is not executable), FNR_E_IO. The caller waits for the child. It is the leader of its own session
 * and process group, and is killed when the calling thread ends. */
pid_t sandbox_start(const struct sandbox *sandbox, struct fnr_error *err);

/* The Landlock version of this kernel, 0 if it has none. */
int sandbox_landlock_version(void);

#endif
