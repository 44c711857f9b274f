#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

static char folder[64];
static struct fnr_error err;

static void set_up(void)
{
	strcpy(folder, "/tmp/fnr-fs-XXXXXX");
	cr_assert(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
}

static void tear_down(void)
{
	cr_assert_eq(chdir("/"), 0);
	cr_assert_eq(fnr_tree_remove(folder, &err), FNR_OK, "%s", err.message);
}

TestSuite(fs, .init = set_up, .fini = tear_down);

static bool there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

Test(fs, write_and_read)
{
	struct fnr_buf buf = FNR_BUF_INIT;
	struct stat st;

	umask(077);
	cr_assert_eq(fnr_file_write("a", "one", 3, 0644, &err), FNR_OK);
	cr_assert_eq(fnr_file_write("a", "four", 4, 0640, &err), FNR_OK);
	cr_assert(stat("a", &st) == 0 && (st.st_mode & 07777) == 0640);
	fnr_buf_puts(&buf, "x");
	cr_assert_eq(fnr_file_read("a", 4, &buf, &err), FNR_OK);
	cr_assert_str_eq(buf.data, "xfour");
	cr_assert_eq(fnr_file_read("a", 3, &buf, &err), FNR_E_TOO_LARGE);
	cr_assert_str_eq(buf.data, "xfour");
	cr_assert_eq(fnr_file_read("none", 3, &buf, &err), FNR_E_NOT_FOUND);
	cr_assert_eq(fnr_file_read("a/b", 3, &buf, &err), FNR_E_NOT_FOUND);
	cr_assert_eq(fnr_file_read(".", 3, &buf, &err), FNR_E_IO);
	cr_assert_eq(fnr_file_write("empty", NULL, 0, 0600, &err), FNR_OK);
	fnr_buf_reset(&buf);
	cr_assert_eq(fnr_file_read("empty", 0, &buf, &err), FNR_OK);
	cr_assert_str_eq(buf.data, "");
	fnr_buf_free(&buf);
}

Test(fs, a_failed_write_leaves_nothing)
{
	cr_assert_eq(mkdir("d", 0700), 0);
	cr_assert_eq(mkdir("d/target", 0700), 0);
	cr_assert_eq(fnr_file_write("d/target", "x", 1, 0600, &err), FNR_E_IO);
	cr_assert(strstr(err.message, "d/target"));
	cr_assert_eq(rmdir("d/target"), 0);
	cr_assert_eq(rmdir("d"), 0, "a temporary file is left");
	cr_assert_eq(fnr_file_write("none/x", "x", 1, 0600, &err), FNR_E_IO);
}

Test(fs, folders)
{
	struct stat st;

	cr_assert_eq(fnr_dir_make("a/b//c/", 0700, &err), FNR_OK, "%s", err.message);
	cr_assert_eq(fnr_dir_make("a/b/c", 0700, &err), FNR_OK);
	cr_assert(stat("a/b/c", &st) == 0 && S_ISDIR(st.st_mode));
	cr_assert_eq(fnr_dir_make(folder, 0700, &err), FNR_OK);
	cr_assert_eq(fnr_dir_flush("a/b", &err), FNR_OK);
	cr_assert_eq(fnr_dir_flush("none", &err), FNR_E_IO);
	cr_assert_eq(fnr_file_write("file", "", 0, 0600, &err), FNR_OK);
	cr_assert_eq(fnr_dir_make("file", 0700, &err), FNR_E_IO);
	cr_assert_eq(fnr_dir_make("file/x", 0700, &err), FNR_E_IO);
}

Test(fs, many_are_flushed_at_once)
{
	int fds[FNR_FLUSH_MOST], ends[2];
	for (size_t i = 0; i < FNR_FLUSH_MOST; i++) {
		char name[16];
		snprintf(name, sizeof name, "file-%zu", i);
		fds[i] = open(name, O_WRONLY | O_CREAT, 0644);
		cr_assert(fnr_write_all(fds[i], "x", 1));
	}
	cr_assert(fnr_flush_all(fds, 0));
	cr_assert(fnr_flush_all(fds, 1));
	cr_assert(fnr_flush_all(fds, FNR_FLUSH_MOST));
	cr_assert_eq(pipe(ends), 0);
	for (size_t i = 0; i < FNR_FLUSH_MOST; i += FNR_FLUSH_MOST - 1) {      /* the first fails, then the last */
		int file = fds[i];
		fds[i] = ends[1];                                               /* a pipe cannot be flushed */
		errno = 0;
		cr_assert_not(fnr_flush_all(fds, FNR_FLUSH_MOST));
		cr_assert_eq(errno, EINVAL);
		fds[i] = file;
	}
	for (size_t i = 0; i < FNR_FLUSH_MOST; i++)
		close(fds[i]);
}

Test(fs, remove_follows_no_symlink)
{
	cr_assert_eq(fnr_dir_make("keep/inner", 0700, &err), FNR_OK);
	cr_assert_eq(fnr_dir_make("tree/a/b/c", 0700, &err), FNR_OK);
	cr_assert_eq(symlink("../keep", "tree/link"), 0);
	cr_assert_eq(symlink("../../../keep", "tree/a/b/link"), 0);
	cr_assert_eq(symlink("keep", "top"), 0);
	cr_assert_eq(fnr_tree_remove("tree", &err), FNR_OK, "%s", err.message);
	cr_assert_eq(fnr_tree_remove("top", &err), FNR_OK);
	cr_assert_eq(fnr_tree_remove("none", &err), FNR_OK);
	cr_assert(!there("tree") && !there("top") && there("keep/inner"));
	cr_assert_eq(fnr_file_write("file", "", 0, 0600, &err), FNR_OK);
	cr_assert_eq(fnr_tree_remove("file", &err), FNR_OK);
	cr_assert_not(there("file"));
}

Test(fs, remove_takes_locked_folders)
{
	cr_assert_eq(fnr_dir_make("tree/a/b", 0700, &err), FNR_OK);
	cr_assert_eq(fnr_file_write("tree/a/b/file", "x", 1, 0, &err), FNR_OK);
	cr_assert(chmod("tree/a/b", 0) == 0 && chmod("tree/a", 0) == 0 && chmod("tree", 0) == 0);
	cr_assert_eq(fnr_tree_remove("tree", &err), FNR_OK, "%s", err.message);
	cr_assert_not(there("tree"));
}

Test(fs, remove_takes_deep_and_wide_trees)
{
	char name[32];
	int i;

	cr_assert_eq(fnr_dir_make("tree/.fnr-gone-0/x", 0700, &err), FNR_OK);
	cr_assert_eq(chdir("tree"), 0);
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "w%d/x/y", i);
		cr_assert_eq(fnr_dir_make(name, 0700, NULL), FNR_OK);
	}
	for (i = 0; i < 3000; i++) {
		cr_assert_eq(mkdir("deep", 0700), 0);
		cr_assert_eq(chdir("deep"), 0);
	}
	cr_assert_eq(chdir(folder), 0);
	cr_assert_eq(fnr_tree_remove("tree", &err), FNR_OK, "%s", err.message);
	cr_assert_not(there("tree"));
}

Test(fs, descriptors)
{
	int fds[2], closed = -1;

	cr_assert_eq(pipe(fds), 0);
	fnr_fd_nonblock(fds[0]);
	cr_assert(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	cr_assert(fnr_write_all(fds[1], "abc", 3));
	fnr_fd_close(&fds[0]);
	cr_assert_eq(fds[0], -1);
	fnr_fd_close(&closed);
	fnr_fd_close(&fds[1]);
	cr_assert_not(fnr_write_all(-1, "a", 1));
}
