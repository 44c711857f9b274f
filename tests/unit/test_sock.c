#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/sock.h"

static char folder[64];
static struct fnr_error err;

static void set_up(void)
{
	strcpy(folder, "/tmp/fnr-sock-XXXXXX");
	cr_assert(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
}

static void tear_down(void)
{
	cr_assert_eq(chdir("/"), 0);
	cr_assert_eq(fnr_tree_remove(folder, NULL), FNR_OK);
}

TestSuite(sock, .init = set_up, .fini = tear_down);

static bool readable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

Test(sock, bells)
{
	int bell = fnr_bell_open("bell", &err), i;

	cr_assert(bell >= 0, "%s", err.message);
	cr_assert_not(readable(bell));
	fnr_bell_ring("bell");
	cr_assert(readable(bell));
	for (i = 0; i < 5000; i++) /* more than the socket takes: never waits */
		fnr_bell_ring("bell");
	fnr_bell_clear(bell);
	cr_assert_not(readable(bell));
	fnr_bell_ring("nobody");
	close(bell);
	fnr_bell_ring("bell");
	bell = fnr_bell_open("bell", &err);
	cr_assert(bell >= 0, "%s", err.message);
	fnr_bell_ring("bell");
	cr_assert(readable(bell));
	close(bell);
}

Test(sock, a_child_rings_though_it_closed_everything)
{
	int bell = fnr_bell_open("bell", &err), status;
	pid_t child;

	fnr_bell_ring("bell");
	fnr_bell_clear(bell);
	child = fork();
	if (child == 0) {
		int fd, pair[2];

		for (fd = 3; fd < 100; fd++)
			close(fd);
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
			_exit(1);
		fnr_bell_ring("bell");
		_exit(0);
	}
	waitpid(child, &status, 0);
	cr_assert(status == 0 && readable(bell));
	close(bell);
}

Test(sock, listen)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "l" };
	int fd = fnr_unix_listen("l", 8, 0660, &err), client, server;
	struct stat st;

	cr_assert(fd >= 0, "%s", err.message);
	cr_assert(stat("l", &st) == 0 && (st.st_mode & 07777) == 0660);
	cr_assert_eq(fnr_unix_listen("l", 8, 0660, &err), FNR_E_EXISTS);
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(connect(client, (struct sockaddr *)&name, sizeof name), 0);
	server = accept(fd, NULL, NULL);
	cr_assert(server >= 0);
	close(server);
	close(client);
	close(fd);
	fd = fnr_unix_listen("l", 8, 0660, &err);
	cr_assert(fd >= 0, "a stale socket is in the way: %s", err.message);
	close(fd);
}

Test(sock, bad_names)
{
	char name[200];

	memset(name, 'a', sizeof name - 1);
	name[sizeof name - 1] = 0;
	cr_assert_eq(fnr_unix_listen(name, 8, 0660, &err), FNR_E_IO);
	cr_assert_eq(fnr_bell_open("none/bell", &err), FNR_E_IO);
	cr_assert_eq(fnr_file_write("file", "x", 1, 0600, NULL), FNR_OK);
	cr_assert_eq(fnr_bell_open("file", &err), FNR_E_EXISTS);
	fnr_bell_ring(name);
}

Test(sock, descriptors_travel)
{
	int pair[2], pipes[2], got;
	char data[8];

	cr_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pipe(pipes) == 0);
	cr_assert(fnr_fd_send(pair[0], pipes[1], "abc", 3));
	cr_assert_eq(fnr_fd_recv(pair[1], &got, data, sizeof data), 3);
	cr_assert(got >= 0 && memcmp(data, "abc", 3) == 0);
	cr_assert_eq(write(got, "x", 1), 1);
	cr_assert_eq(read(pipes[0], data, 1), 1);
	cr_assert(fnr_fd_send(pair[0], -1, "d", 1));
	cr_assert_eq(fnr_fd_recv(pair[1], &got, data, sizeof data), 1);
	cr_assert_eq(got, -1);
	close(pair[0]);
	cr_assert_eq(fnr_fd_recv(pair[1], &got, data, sizeof data), 0);
	cr_assert_not(fnr_fd_send(pair[1], -1, "d", 1));
}
