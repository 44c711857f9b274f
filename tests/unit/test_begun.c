/* What workers note of attempts that have begun, and what the next manager makes of it. */
#include "config.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "worker/begun.h"

#define JOB_A "01985c3e-0000-7000-8000-00000000000a"
#define JOB_B "01985c3e-0000-7000-8000-00000000000b"

static char folder[64];
static const struct fnr_id certain = FNR_ID_NONE;

static void enter(void)
{
	snprintf(folder, sizeof folder, "/tmp/fnr-begun-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
	begun_reset(&certain);
}

static void leave(void)
{
	cr_assert_eq(chdir("/"), 0);
	fnr_tree_remove(folder, NULL);
}

TestSuite(begun, .init = enter, .fini = leave, .timeout = 600);

/* As far as the next manager knows. */
static bool has(const char *job, int attempt)
{
	struct begun *begun = begun_read();
	bool found = begun_has(begun, job, attempt);

	begun_free(begun);
	return found;
}

/* A worker that begins these attempts and ends. */
static void begin(const char *worker, const char *job, int attempts)
{
	int fd = begun_open(worker);

	for (int attempt = 1; attempt <= attempts; attempt++)
		begun_note(fd, job, attempt, "server-1");
	fnr_fd_close(&fd);
}

Test(begun, the_last_attempt_of_each_worker_is_known)
{
	begin("w1", JOB_A, 65535);
	begin("w2", JOB_B, 1);
	begin("w3", JOB_B, 0);
	cr_assert(has(JOB_A, 65535) && has(JOB_B, 1));
	cr_assert(!has(JOB_A, 1) && !has(JOB_A, 65534) && !has(JOB_B, 65535) && !has(JOB_B, 2));
	begun_forget("w2");
	cr_assert(has(JOB_A, 65535) && !has(JOB_B, 1));
	begun_reset(&certain);
	cr_assert(!has(JOB_A, 65535));
}

Test(begun, a_note_tells_who_and_where)
{
	char longest[68];
	size_t count;

	memset(longest, 'b', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	int fd = begun_open("w1");
	begun_note(fd, JOB_A, 65535, longest);
	fnr_fd_close(&fd);
	begin("w2", JOB_B, 0);
	struct begun *begun = begun_read();
	const struct begun_note *notes = begun_notes(begun, &count);
	cr_assert_eq(count, 1);
	cr_assert_str_eq(notes[0].worker, "w1");
	cr_assert_str_eq(notes[0].job, JOB_A);
	cr_assert_str_eq(notes[0].backend, longest);
	cr_assert_eq(notes[0].attempt, 65535);
	cr_assert(begun_complete(begun));
	begun_free(begun);
	cr_assert_eq(system("rm run/begun/boot"), 0);
	begun = begun_read();
	begun_notes(begun, &count);
	cr_assert(count == 1 && !begun_complete(begun), "what is noted has begun, whatever else has");
	begun_free(begun);
}

Test(begun, what_a_dead_worker_noted)
{
	begin("w1", JOB_A, 3);
	begin("w2", JOB_B, 0);
	cr_assert(begun_noted("w1", JOB_A, 3));
	cr_assert(!begun_noted("w1", JOB_A, 2) && !begun_noted("w1", JOB_B, 3) && !begun_noted("w2", JOB_B, 1));
	cr_assert(begun_noted("w3", JOB_A, 3), "it could not note anything");
	begun_note(-1, JOB_A, 1, "server-1");
	cr_assert(begun_noted("w2", JOB_B, 1), "somebody could not");
}

Test(begun, a_doubt_stays)
{
	struct fnr_id job, found;

	cr_assert(fnr_id_parse(JOB_B, &job));
	for (int life = 0; life < 3; life++) {
		begun_reset(life ? &found : &job);
		struct begun *begun = begun_read();
		found = begun_doubt(begun);
		cr_assert(begun_complete(begun) && fnr_id_compare(&found, &job) == 0);
		begun_free(begun);
	}
	begun_reset(&certain);
	struct begun *begun = begun_read();
	found = begun_doubt(begun);
	cr_assert(begun_complete(begun) && fnr_id_is_none(&found));
	begun_free(begun);
}

Test(begun, without_proof_everything_has_begun)
{
	const char *const spoil[] = { "rm run/begun/boot", "echo 0b6f6a6e-1111-4222-8333-444444444444 > run/begun/boot", "> run/begun/boot", "rm -r run/begun" };

	for (size_t i = 0; i < sizeof spoil / sizeof spoil[0]; i++) {
		begun_reset(&certain);
		cr_assert(!has(JOB_A, 1));
		cr_assert_eq(system(spoil[i]), 0);
		cr_assert(has(JOB_A, 1), "after %s", spoil[i]);
	}
}

Test(begun, who_cannot_note_says_so)
{
	begun_note(-1, JOB_A, 1, "server-1");
	cr_assert(has(JOB_A, 1) && has(JOB_B, 7), "which attempt it was is not known");
	begun_reset(&certain);
	int full = open("/dev/full", O_WRONLY);
	begun_note(full, JOB_A, 1, "server-1");
	close(full);
	cr_assert(has(JOB_A, 1) && has(JOB_B, 7));
}

Test(begun, a_note_that_is_none_proves_nothing)
{
	cr_assert_eq(system("printf torn > run/begun/w1"), 0);
	cr_assert(has(JOB_A, 1));
}

/* It notes only when it is about to end: what was read before would have been wrong. */
Test(begun, who_still_lives_is_waited_for)
{
	int ready[2];
	char byte;

	cr_assert_eq(pipe(ready), 0);
	pid_t worker = fork();
	if (worker == 0) {
		int fd = begun_open("w1");
		if (write(ready[1], "", 1) < 0)
			_exit(1);
		poll(NULL, 0, 400);
		begun_note(fd, JOB_A, 1, "server-1");
		_exit(0);
	}
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	cr_assert_eq(begun_open("w1"), -1, "it is another's");
	cr_assert(has(JOB_A, 1) && !has(JOB_B, 1));
	cr_assert_eq(waitpid(worker, NULL, 0), worker);
}

Test(begun, who_does_not_end_proves_nothing)
{
	int fd = begun_open("w1");

	cr_assert(has(JOB_A, 1));
	fnr_fd_close(&fd);
	cr_assert(!has(JOB_A, 1));
}
