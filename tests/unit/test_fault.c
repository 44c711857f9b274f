/* The parser of run/faults, which only a build with --enable-faults has: compiled here whatever this build is. */
#ifndef FNR_FAULTS
#define FNR_FAULTS
#endif
#include "base/fault.c"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

static void set_up(void)
{
	char folder[] = "/tmp/fnr-fault-XXXXXX";

	cr_assert(mkdtemp(folder) && chdir(folder) == 0 && mkdir("run", 0700) == 0);
}

static void tear_down(void)
{
	char folder[64];

	cr_assert(getcwd(folder, sizeof folder));
	fnr_tree_remove(folder, NULL);
}

TestSuite(fault, .init = set_up, .fini = tear_down);

static void faults(const char *text)
{
	cr_assert_eq(fnr_file_write("run/faults", text, strlen(text), 0600, NULL), FNR_OK);
}

Test(fault, none_without_the_file)
{
	cr_assert_eq(fnr_fault("commit"), 0);
}

Test(fault, the_point_that_is_named_fails_as_named)
{
	faults("nonsense\ncommit ENOSPC\nfile.flush EIO 0\nscript.start EWHAT 1\n");
	errno = 0;
	cr_assert_eq(fnr_fault("commit"), ENOSPC);
	cr_assert_eq(errno, ENOSPC);
	cr_assert_eq(fnr_fault("commi"), 0);
	cr_assert_eq(fnr_fault("script.start"), EIO);
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(fnr_fault("file.flush"), 0);
	cr_assert_eq(unlink("run/faults"), 0);
	cr_assert_eq(fnr_fault("commit"), 0);
}

Test(fault, a_share_of_the_times)
{
	int failed = 0;

	faults("commit EIO 0.25\n");
	for (int i = 0; i < 4000; i++)
		failed += fnr_fault("commit") != 0;
	cr_assert(failed > 800 && failed < 1200, "%d of 4000", failed);     /* seven deviations */
}
