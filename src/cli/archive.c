#include "cli/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/proc.h"

static const struct { const char *ending, *option; } kinds[] = {
	{ ".tar", NULL }, { ".tar.gz", "--gzip" }, { ".tgz", "--gzip" }, { ".tar.xz", "--xz" }, { ".tar.zst", "--zstd" },
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static size_t kind_of(const char *path)
{
	size_t len = strlen(path), i;

	for (i = 0; i < KINDS; i++) {
		size_t ending = strlen(kinds[i].ending);

		if (len > ending && strcmp(path + len - ending, kinds[i].ending) == 0)
			break;
	}
	return i;
}

bool archive_is_name(const char *path)
{
	return kind_of(path) < KINDS;
}

/* tar leaves the program that packs to its own PATH. Signals of the terminal reach it as they reach us. */
static int run_tar(char *const argv[], const char *file, struct fnr_error *err)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		fnr_proc_reset_signals();
		execvp("tar", argv);
		_exit(127);
	}
	if (pid < 0)
		return fnr_fail_errno(err, errno, "tar cannot be started");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return fnr_fail(err, FNR_E_IO, "the program tar is missing: apt install tar, or name a folder");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return fnr_fail(err, FNR_E_IO, "tar could not do it with %s; what it said is above", file);
	return FNR_OK;
}

int archive_pack(const char *folder, const char *file, struct fnr_error *err)
{
	const char *option = kinds[kind_of(file)].option;
	char *argv[] = { "tar", "--create", "--file", (char *)file, "--directory", (char *)folder, "--sort=name", "--owner=0", "--group=0", ".",
	                 (char *)option, NULL };
	int fd, code = run_tar(argv, file, err);

	if (code != FNR_OK)
		return code;
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		code = fnr_fail_errno(err, errno, "%s cannot be written", file);
	fnr_fd_close(&fd);
	return code;
}

int archive_unpack(const char *file, const char *folder, struct fnr_error *err)
{
	char *argv[] = { "tar", "--extract", "--file", (char *)file, "--directory", (char *)folder, "--no-same-owner", NULL };

	return run_tar(argv, file, err);
}
