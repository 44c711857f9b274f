#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"

static int pipes[2];
static char line[8192];

static void set_up(void)
{
	cr_assert_eq(pipe2(pipes, O_NONBLOCK), 0);
	dup2(pipes[1], STDERR_FILENO);
	fnr_log_init("manager", FNR_LOG_INFO);
}

TestSuite(log, .init = set_up);

/* What was logged since the last look, without the time. */
static const char *logged(void)
{
	ssize_t n = read(pipes[0], line, sizeof line - 1);

	line[n > 0 ? n : 0] = 0;
	return n > 25 ? line + 25 : "";
}

Test(log, pairs_stay_pairs)
{
	fnr_info("job=1", "attempt=%d event=%s", 1, "job.started");
	cr_assert_str_eq(logged(), "info manager job=1 attempt=1 event=job.started\n");
	fnr_warn(NULL, "event=%s", "x\ny=\xff");
	cr_assert_str_eq(logged(), "warn manager event=x\\ny=\\xff\n");
}

Test(log, sentences_are_quoted)
{
	fnr_err("job=1", "cannot open \"%s\": %s", "a\\b\n", "\x1b[0m\xc3\xa9\xc2\x9b");
	cr_assert_str_eq(logged(), "error manager job=1 msg=\"cannot open \\\"a\\\\b\\n\\\": \\x1b[0m\xc3\xa9\\x9b\"\n");
	fnr_err(NULL, "%s", "state=fake");
	cr_assert_str_eq(logged(), "error manager msg=\"state=fake\"\n");
}

Test(log, levels)
{
	fnr_debug(NULL, "x");
	cr_assert_str_eq(logged(), "");
	cr_assert_eq(fnr_log_level_parse("warn"), FNR_LOG_WARN);
	cr_assert_eq(fnr_log_level_parse("loud"), -1);
}

Test(log, lines_are_cut)
{
	char text[6001];
	size_t i;

	for (i = 0; i < 6000; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	text[6000] = 0;
	fnr_info(text, "%s", text);
	logged();
	cr_assert(strlen(line) <= 4096 && strlen(line) > 4000);
	cr_assert(fnr_utf8_valid(line, strlen(line)));
	cr_assert_str_eq(line + strlen(line) - 2, "\"\n");
	cr_assert_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
