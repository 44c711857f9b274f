#include "config.h"

#include "run_fake.h"

#include <stdio.h>
#include <unistd.h>

struct run_fake run_fake = { .stop_after = -1, .pipe = { -1, -1 } };

struct run *run_fake_start(void)
{
	static struct run run;
	run_fake = (struct run_fake){ .stop_after = -1 };
	if (pipe(run_fake.pipe) != 0)
		return NULL;
	return &run;
}

bool run_stop(struct run *run)
{
	return ++run_fake.stops > run_fake.stop_after && run_fake.stop_after >= 0;
}

int run_fd(struct run *run)
{
	return run_fake.pipe[0];
}

int run_wait_ms(struct run *run, int most_ms)
{
	return most_ms;
}

void run_progress(struct run *run, enum fnr_stage stage, double fraction, const char *message)
{
	run_fake.stage = stage;
	run_fake.fraction = fraction;
	snprintf(run_fake.message, sizeof run_fake.message, "%s", message != NULL ? message : "");
}

void run_log(struct run *run, const char *level, const char *text)
{
	snprintf(run_fake.log, sizeof run_fake.log, "%s: %s", level, text);
}

void run_preview(struct run *run, const char *media_type, const void *data, size_t len)
{
}

const char *run_path_within(const struct run *run, const char *path)
{
	return path;
}

bool run_output(struct run *run, const char *name, const char *path, struct run_error *error)
{
	return true;
}

bool run_output_own(struct run *run, const char *name, const char *path, struct run_error *error)
{
	return true;
}

void run_result(struct run *run, struct json_object *result)
{
}

void run_begun(struct run *run)
{
}

void run_took(struct run *run, const char *part, double ms)
{
}

void run_memory(struct run *run, uint64_t bytes)
{
}
