/* Preloaded by the benchmark: makes every flush of a file take FNR_FLUSH_MS (2 where not set) longer, as a slower disk would.
 * LMDB's last write of a commit goes through a descriptor with O_DSYNC, which is a flush as well. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void wait_for_disk(void)
{
	const char *text = getenv("FNR_FLUSH_MS");
	long ms = text ? atol(text) : 2;
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int fdatasync(int fd)
{
	REAL(fdatasync);
	wait_for_disk();
	return real(fd);
}

int fsync(int fd)
{
	REAL(fsync);
	wait_for_disk();
	return real(fd);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
	REAL(pwrite);
	if (fcntl(fd, F_GETFL) & O_DSYNC)
		wait_for_disk();
	return real(fd, data, len, offset);
}
