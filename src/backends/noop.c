/* The backend that does nothing: for measurements of all that lies around a backend, and as the shortest example of
 * one. A job's metadata may ask for more:
 *
 *   {"noop":{"duration_ms":500}}     takes that long, with progress every 100 ms
 *   {"noop":{"fail":"transient"}}    then fails with that class
 */
#include "config.h"

#include <poll.h>

#include "backends/kinds.h"
#include "base/clock.h"

#define STEP_MS 100
#define DURATION_MAX_MS (24 * 3600 * 1000)

/* False: it was told to stop. */
static bool wait_while_reporting(struct run *run, int64_t duration_ms)
{
	int64_t begin = fnr_mono_ms(), elapsed;
	while ((elapsed = fnr_mono_ms() - begin) < duration_ms) {
		run_progress(run, FNR_STAGE_EXECUTION, (double)elapsed / (double)duration_ms, NULL);
		if (run_stop(run))
			return false;
		struct pollfd poll_fd = { .fd = run_fd(run), .events = POLLIN };
		int64_t left = duration_ms - elapsed;
		poll(&poll_fd, 1, run_wait_ms(run, (int)(left < STEP_MS ? left : STEP_MS)));
	}
	return !run_stop(run);
}

static enum run_result noop_execute(struct run *run, struct run_error *error)
{
	struct json_object *wish = fnr_json_get(run->metadata, "noop");
	if (!json_object_is_type(wish, json_type_object))
		return RUN_DONE;

	int64_t duration_ms = fnr_json_get_int(wish, "duration_ms", 0);
	if (duration_ms > DURATION_MAX_MS)
		duration_ms = DURATION_MAX_MS;
	int64_t allowed_ms = run->timeout_ms > 0 && duration_ms > run->timeout_ms ? run->timeout_ms : duration_ms;
	if (duration_ms > 0 && !wait_while_reporting(run, allowed_ms))
		return RUN_CANCELLED;
	if (allowed_ms < duration_ms)
		return run_fail(error, FNR_CLASS_PERMANENT, "timeout", "Ask for less, or raise timeout_s.", NULL, NULL,
		                "It took longer than %lld seconds and was stopped.", (long long)run->timeout_ms / 1000);

	const char *fail = fnr_json_get_text(wish, "fail", NULL);
	int class_ = fail != NULL ? fnr_class_parse(fail) : FNR_CLASS_UNKNOWN;
	if (fail != NULL)
		return run_fail(error, class_ >= 0 ? (enum fnr_class)class_ : FNR_CLASS_UNKNOWN, "noop_failed",
		                "Leave out \"fail\" in the metadata.", NULL, NULL, "It failed, as it was asked to.");
	return RUN_DONE;
}

const struct backend_kind backend_noop = { .name = "noop", .no_files = true, .execute = noop_execute };
