/* The run handle without a worker behind it, for tests of what backends consist of: it keeps what it is told. */
#ifndef FNR_TESTS_RUN_FAKE_H
#define FNR_TESTS_RUN_FAKE_H

#include "backends/backend.h"

struct run_fake {
	int stop_after;              /* calls of run_stop that go well; less than 0: all of them */
	int stops;                   /* calls of run_stop */
	enum fnr_stage stage;        /* of the last progress */
	double fraction;
	char message[256], log[256]; /* of the last progress, "" for the template's; "level: text" of the last line */
	int pipe[2];                 /* what run_fd gives: nothing is ever read from it */
};
extern struct run_fake run_fake;

struct run *run_fake_start(void);

#endif
