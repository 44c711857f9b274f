/* The run handle without a worker behind it, for tests of what backends consist of: it keeps what it is told. */
#ifndef FNR_TESTS_RUN_FAKE_H
#define FNR_TESTS_RUN_FAKE_H

#include "backends/backend.h"

struct run_fake {
	int stop_after;              /* calls of run_stop that go well; less than 0: all of them */
	int stops;                   /* calls of run_stop */
	int pipe[2];                 /* what run_fd gives: nothing is ever read from it */
};
extern struct run_fake run_fake;

struct run *run_fake_start(void);

#endif
