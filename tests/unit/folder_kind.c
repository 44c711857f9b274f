/* A kind of backend for tests: its servers are folders. What such a server "runs" are files in its folder jobs/, so jobs go on
 * when nobody watches them, and are forgotten when the files are removed.
 *
 *   down          it does not answer, and nothing can be done there
 *   early         jobs do not begin
 *   hold          jobs do not end, but for those whose file is not empty
 *   deaf          what runs goes on when it is cancelled
 *   hung          … and nothing is said of it
 *   found.json    what it says of itself
 *   nodes         names of its node classes, one a line; without it nobody knows which it has
 *   model         the model that it has loaded
 *   log           one line an event: nodes (they were asked for), early, start, load, join, cancel, end
 *
 * A job's metadata: {"model":"a","ms":20,"fail_on":"id of a server"}
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/kinds.h"
#include "base/clock.h"
#include "base/fs.h"
#include "registry/nodes.h"

static const char *place(const struct endpoint *endpoint, const char *name)
{
	static char path[512];

	snprintf(path, sizeof path, "%s/%s", endpoint->url, name);
	return path;
}

static bool has(const struct endpoint *endpoint, const char *name)
{
	return access(place(endpoint, name), F_OK) == 0;
}

static void note(const struct endpoint *endpoint, const char *what, const char *more)
{
	char line[128];
	int fd = open(place(endpoint, "log"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	snprintf(line, sizeof line, "%s %.80s\n", what, more);
	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		_exit(9);
	close(fd);
}

static enum run_result is_down(struct run_error *error)
{
	run_fail(error, FNR_CLASS_TRANSIENT, "down", NULL, NULL, NULL, "The server does not answer.");
	error->backend_down = true;
	return RUN_FAILED;
}

static enum run_result is_deaf(struct run_error *error)
{
	run_fail(error, FNR_CLASS_TRANSIENT, "deaf", NULL, NULL, NULL, "The server goes on.");
	error->backend_down = error->ignores_cancel = true;
	return RUN_FAILED;
}

static bool folder_probe(const struct endpoint *endpoint, struct json_object *found, struct run_error *error)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *said;

	if (has(endpoint, "down")) {
		is_down(error);
		return false;
	}
	if (fnr_file_read(place(endpoint, "found.json"), 65536, &text, NULL) == FNR_OK && (said = fnr_json_parse(text.data, text.len, NULL))) {
		json_object_object_foreach(said, name, value)
			fnr_json_set(found, name, json_object_get(value));
		json_object_put(said);
	}
	fnr_buf_free(&text);
	return true;
}

static void folder_probe_nodes(const struct endpoint *endpoint, struct json_object *found)
{
	struct nodes nodes = NODES_INIT;
	struct fnr_buf text = FNR_BUF_INIT;
	char *set;

	note(endpoint, "nodes", "");
	if (fnr_file_read(place(endpoint, "nodes"), 65536, &text, NULL) == FNR_OK) {
		for (char *line = strtok(text.data, "\n"); line; line = strtok(NULL, "\n"))
			nodes_add(&nodes, line, strlen(line));
		set = nodes_text(&nodes);
		fnr_json_set_text(found, "nodes", set);
		free(set);
	}
	fnr_buf_free(&text);
}

static void load(const struct endpoint *endpoint, const char *model)
{
	struct fnr_buf text = FNR_BUF_INIT;
	bool same = fnr_file_read(place(endpoint, "model"), 256, &text, NULL) == FNR_OK && strcmp(text.data, model) == 0;

	fnr_buf_free(&text);
	if (same)
		return;
	note(endpoint, "load", model);
	fnr_file_write(place(endpoint, "model"), model, strlen(model), 0600, NULL);
}

static bool is_let_go(const struct endpoint *endpoint, const char *job)
{
	struct stat status;

	return stat(place(endpoint, job), &status) == 0 && status.st_size > 0;
}

/* Until it has ended, was forgotten, or nobody wants it any more. */
static enum run_result watch(struct run *run, const char *job, int64_t until, struct run_error *error)
{
	while (has(run->endpoint, job)) {
		struct pollfd poll_fd = { .fd = run_fd(run), .events = POLLIN };

		if (run_stop(run) && !has(run->endpoint, "hung")) {
			if (has(run->endpoint, "deaf"))
				return is_deaf(error);
			unlink(place(run->endpoint, job));
			note(run->endpoint, "cancel", run->job);
			return RUN_CANCELLED;
		}
		run_progress(run, FNR_STAGE_EXECUTION, 0.5, "Half of it");
		if (fnr_mono_ms() >= until && (!has(run->endpoint, "hold") || is_let_go(run->endpoint, job))) {
			unlink(place(run->endpoint, job));
			note(run->endpoint, "end", run->job);
			return RUN_DONE;
		}
		poll(&poll_fd, 1, 5);
	}
	run_fail(error, FNR_CLASS_UNKNOWN, "forgotten", NULL, NULL, NULL, "The server does not know it any more.");
	return RUN_LOST;
}

static void name_job(const struct run *run, char job[64])
{
	snprintf(job, 64, "jobs/%.40s-%d", run->job, run->attempt);
}

static bool may_begin(struct run *run)
{
	if (has(run->endpoint, "early"))
		note(run->endpoint, "early", run->job);
	while (has(run->endpoint, "early")) {
		struct pollfd poll_fd = { .fd = run_fd(run), .events = POLLIN };

		if (run_stop(run))
			return false;
		poll(&poll_fd, 1, 5);
	}
	return true;
}

static enum run_result folder_execute(struct run *run, struct run_error *error)
{
	const char *model = fnr_json_get_text(run->metadata, "model", NULL);
	char job[64];

	if (has(run->endpoint, "down"))
		return is_down(error);
	if (strcmp(fnr_json_get_text(run->metadata, "fail_on", ""), run->endpoint->id) == 0)
		return run_fail(error, FNR_CLASS_TRANSIENT, "bad_luck", NULL, NULL, NULL, "It failed there.");
	if (!may_begin(run))
		return RUN_CANCELLED;
	run_begun(run);
	name_job(run, job);
	note(run->endpoint, "start", run->job);
	if (model)
		load(run->endpoint, model);
	if (fnr_file_write(place(run->endpoint, job), "", 0, 0600, NULL) != FNR_OK)
		return run_fail(error, FNR_CLASS_PERMANENT, "io", NULL, NULL, NULL, "It cannot be noted.");
	return watch(run, job, fnr_mono_ms() + fnr_json_get_int(run->metadata, "ms", 0), error);
}

static enum run_result folder_attach(struct run *run, struct run_error *error)
{
	char job[64];

	name_job(run, job);
	note(run->endpoint, "join", run->job);
	return watch(run, job, fnr_mono_ms(), error);
}

static const struct backend_kind backend_folder = {
	.name = "folder", .needs_endpoint = true, .attachable = true, .tells_begin = true, .execute = folder_execute, .attach = folder_attach,
	.probe_endpoint = folder_probe, .probe_nodes = folder_probe_nodes,
};

static const struct backend_kind *const kinds[] = { &backend_noop, &backend_script, &backend_folder, NULL };

const struct backend_kind *const *backend_kinds(void)
{
	return kinds;
}

const struct backend_kind *backend_find(const char *name)
{
	for (const struct backend_kind *const *kind = kinds; *kind; kind++)
		if (strcmp((*kind)->name, name) == 0)
			return *kind;
	return NULL;
}
