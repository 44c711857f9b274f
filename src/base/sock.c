#include "base/sock.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"

static bool address(const char *path, struct sockaddr_un *out)
{
	size_t len = strlen(path);

	memset(out, 0, sizeof *out);
	out->sun_family = AF_UNIX;
	if (!len || len >= sizeof out->sun_path)
		return false;
	memcpy(out->sun_path, path, len);
	return true;
}

/* Whether a process answers at path. */
static bool is_alive(const struct sockaddr_un *name, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive = fd >= 0 && (connect(fd, (const struct sockaddr *)name, sizeof *name) == 0 || errno == EAGAIN);

	fnr_fd_close(&fd);
	return alive;
}

/* Removes a socket that nobody listens on; refuses whatever else is there. */
static int clear_stale(const struct sockaddr_un *name, int type, struct fnr_error *err)
{
	struct stat st;

	if (lstat(name->sun_path, &st) < 0)
		return FNR_OK;
	if (!S_ISSOCK(st.st_mode))
		return fnr_fail(err, FNR_E_EXISTS, "%s is in the way: it is not a socket", name->sun_path);
	if (is_alive(name, type))
		return fnr_fail(err, FNR_E_EXISTS, "another process listens on %s", name->sun_path);
	if (unlink(name->sun_path) < 0 && errno != ENOENT)
		return fnr_fail_errno(err, errno, "the old socket %s cannot be removed", name->sun_path);
	return FNR_OK;
}

/* A bound socket, or a negative code. */
static int open_bound(const char *path, int type, int flags, mode_t mode, struct fnr_error *err)
{
	struct sockaddr_un name;
	int fd, code;

	if (!address(path, &name))
		return fnr_fail(err, FNR_E_IO, "the socket name %s is longer than 107 bytes", path);
	code = clear_stale(&name, type, err);
	if (code != FNR_OK)
		return code;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | flags, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&name, sizeof name) < 0 || chmod(path, mode) < 0) {
		code = fnr_fail_errno(err, errno, "the socket %s cannot be opened", path);
		fnr_fd_close(&fd);
		return code;
	}
	return fd;
}

int fnr_bell_open(const char *path, struct fnr_error *err)
{
	return open_bound(path, SOCK_DGRAM, SOCK_NONBLOCK, 0600, err);
}

void fnr_bell_clear(int fd)
{
	char byte;
	ssize_t n;

	do
		n = recv(fd, &byte, sizeof byte, MSG_DONTWAIT);
	while (n >= 0 || errno == EINTR);
}

void fnr_bell_ring(const char *path)
{
	static atomic_int sender = -1;
	static atomic_int owner; /* a child may have closed its parent's descriptors, and the number may be another's */
	struct sockaddr_un name;
	int saved = errno, fd, none = -1;

	if (!address(path, &name))
		return;
	if (owner != (int)getpid()) {
		sender = -1;
		owner = (int)getpid();
	}
	if (sender < 0) {
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (!atomic_compare_exchange_strong(&sender, &none, fd))
			fnr_fd_close(&fd);
	}
	while (sendto(sender, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&name, sizeof name) < 0 &&
	       errno == EINTR)
		;
	errno = saved;
}

int fnr_unix_listen(const char *path, int backlog, mode_t mode, struct fnr_error *err)
{
	int fd = open_bound(path, SOCK_STREAM, 0, mode, err), code;

	if (fd >= 0 && listen(fd, backlog) < 0) {
		code = fnr_fail_errno(err, errno, "the socket %s cannot listen", path);
		fnr_fd_close(&fd);
		return code;
	}
	return fd;
}

bool fnr_fd_send(int channel, int fd, const void *data, size_t len)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof (int))];
	} control;
	struct iovec part = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	FNR_MUST(len > 0);
	if (fd >= 0) {
		memset(&control, 0, sizeof control);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
		message.msg_control = &control;
		message.msg_controllen = sizeof control.room;
	}
	do
		n = sendmsg(channel, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	return (size_t)n == len || fnr_write_all(channel, (const char *)data + n, len - (size_t)n);
}

/* Keeps the first descriptor of a message, closes others. */
static int take_fd(struct msghdr *message)
{
	struct cmsghdr *head;
	int fd, kept = -1;
	size_t i, count;

	for (head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		count = (head->cmsg_len - CMSG_LEN(0)) / sizeof fd;
		for (i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(head) + i * sizeof fd, sizeof fd);
			if (kept < 0)
				kept = fd;
			else
				close(fd);
		}
	}
	return kept;
}

ssize_t fnr_fd_recv(int channel, int *fd_r, void *data, size_t size)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(4 * sizeof (int))];
	} control;
	struct iovec part = { .iov_base = data, .iov_len = size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
	                          .msg_controllen = sizeof control };
	ssize_t n;

	*fd_r = -1;
	do
		n = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		*fd_r = take_fd(&message);
	return n;
}
