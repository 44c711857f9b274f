/* The worker process: takes tasks from the manager, one at a time, and reports. See wire.h for what is said. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "backends/kinds.h"
#include "backends/tree.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "files/path.h"
#include "files/take.h"
#include "registry/errors.h"
#include "worker/begun.h"
#include "worker/wire.h"
#include "worker/worker.h"

#define PAYLOAD_MAX (256u << 20)
#define HEARTBEAT_FIRST_MS 1000
#define OUT_MOST (64u << 10)          /* what is said goes out when it is as much, at the latest */

void worker_say(struct worker *worker, struct json_object *message)
{
	wire_add(&worker->out, message);
	json_object_put(message);
	if (worker->out.len >= OUT_MOST)
		worker_flush(worker);
}

void worker_flush(struct worker *worker)
{
	if (worker->out.len > 0 && !fnr_write_all(worker->fd, worker->out.data, worker->out.len))
		worker_leave();
	if (worker->out.size > OUT_MOST)
		fnr_buf_free(&worker->out);
	fnr_buf_reset(&worker->out);
}

void worker_send(struct worker *worker, struct json_object *message)
{
	worker_say(worker, message);
	worker_flush(worker);
}

/* ---- what kinds of backends keep between jobs ---- */

static void idle(int fd)
{
	for (const struct backend_kind *const *kind = backend_kinds(); *kind != NULL; kind++)
		if ((*kind)->idle != NULL)
			(*kind)->idle(fd);
}

void worker_release(const struct endpoint *next)
{
	for (const struct backend_kind *const *kind = backend_kinds(); *kind != NULL; kind++)
		if ((*kind)->release != NULL)
			(*kind)->release(next);
}

/* ---- run ---- */

static bool message_wrong(struct run_error *error, const char *what)
{
	run_fail(error, FNR_CLASS_PERMANENT, "internal", "Tell those who run this server.", NULL, what,
	         "Function Runner made a mistake in starting this job.");
	return false;
}

/* Inputs, parameters and metadata, from the message or from the file that it names. */
static bool payload_read(struct attempt *attempt, struct run_error *error)
{
	static const char folder[] = "blobs/payload/";
	struct json_object *payload = fnr_json_get(attempt->message, "payload");
	const char *file = fnr_json_get_text(attempt->message, "payload_file", NULL);
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_buf data = FNR_BUF_INIT;
	struct fnr_id id;
	if (file != NULL) {
		if (strncmp(file, folder, sizeof folder - 1) != 0 || !fnr_id_parse(file + sizeof folder - 1, &id))
			return message_wrong(error, "payload_file is not one");
		if (fnr_file_read(file, PAYLOAD_MAX, &data, &err) == FNR_OK)
			payload = attempt->payload = fnr_json_parse_own(data.data, data.len, &err);
		fnr_buf_free(&data);
		if (err.code == FNR_E_IO || err.code == FNR_E_UNAVAILABLE)      /* the file is there, for all we know */
			run_fail(error, FNR_CLASS_TRANSIENT, "io", "Look at the disk, then try again.", "retry", err.message,
			         "The inputs of this job could not be read at the moment.");
		else if (err.code != FNR_OK)
			run_fail(error, FNR_CLASS_PERMANENT, "payload_lost", "Submit the job again.", NULL, err.message,
			         "The inputs of this job cannot be read any more.");
		bool bad = err.code != FNR_OK;
		fnr_error_clear(&err);
		if (bad)
			return false;
	}
	attempt->run.inputs = fnr_json_get(payload, "inputs");
	attempt->run.parameters = fnr_json_get(payload, "parameters");
	attempt->run.metadata = fnr_json_get(payload, "metadata");
	attempt->run.pipeline = fnr_json_get(payload, "pipeline");
	return true;
}

/* Adds to each upload where its file is; outputs of other jobs come with their path in the data directory. */
static bool uploads_read(struct attempt *attempt, struct run_error *error)
{
	struct json_object *uploads = fnr_json_get(attempt->message, "uploads");
	size_t count = json_object_is_type(uploads, json_type_array) ? json_object_array_length(uploads) : 0;
	for (size_t i = 0; i < count; i++) {
		struct json_object *upload = json_object_array_get_idx(uploads, i);
		char path[PATH_MAX + 64], text[FNR_ID_TEXT];
		struct fnr_id id;
		if (fnr_json_get(upload, "reference") != NULL)
			snprintf(path, sizeof path, "%s/%s", attempt->worker->data_dir, fnr_json_get_text(upload, "path", ""));
		else if (fnr_id_parse(fnr_json_get_text(upload, "id", ""), &id))
			snprintf(path, sizeof path, "%s/uploads/%s", attempt->worker->data_dir, fnr_id_format(&id, text));
		else
			return message_wrong(error, "an upload has no id");
		fnr_json_set_text(upload, "path", path);
	}
	attempt->run.uploads = count > 0 ? uploads : NULL;
	return true;
}

static bool message_read(struct attempt *attempt, const struct backend_kind *kind, struct run_error *error)
{
	struct run *run = &attempt->run;
	struct json_object *message = attempt->message;
	int quality = fnr_quality_parse(fnr_json_get_text(message, "quality", "standard"));
	if (kind == NULL)
		return message_wrong(error, "there is no such kind of backend");
	if (!json_object_is_type(run->definition, json_type_object) || quality < 0)
		return message_wrong(error, "definition or quality is missing");
	if (!take_work_valid(attempt->work) || !take_attempt_valid(attempt->attempt_dir))
		return message_wrong(error, "work or attempt_dir is not a folder of an attempt");
	if (kind->needs_endpoint && !endpoint_read(message, &attempt->endpoint))
		return message_wrong(error, "there is no endpoint");
	run->endpoint = kind->needs_endpoint ? &attempt->endpoint : NULL;
	run->quality = (enum fnr_quality)quality;
	run->preset = fnr_json_get_text(message, "preset", NULL);
	run->seed = fnr_json_get_int(message, "seed", 0);
	run->took = fnr_json_get(message, "took");
	attempt->early = fnr_json_get_bool(message, "early", false);
	run->look = fnr_json_get_bool(message, "look", false);
	attempt->silence_ms = fnr_json_get_int(run->definition, "silence_s", 0) * 1000;
	run->timeout_ms = fnr_json_get_int(message, "timeout_ms", attempt->worker->conf.job_timeout * 1000);
	return payload_read(attempt, error) && uploads_read(attempt, error);
}

static void folders_name(struct attempt *attempt)
{
	struct run *run = &attempt->run;
	snprintf(attempt->work_dir, sizeof attempt->work_dir, "%s/%s", run->data_dir, attempt->work);
	snprintf(attempt->definition_dir, sizeof attempt->definition_dir, "%s/blobs/templates/%s", run->data_dir,
	         fnr_json_get_text(run->definition, "digest", "none"));
	run->work_dir = attempt->work_dir;
	run->definition_dir = attempt->definition_dir;
}

bool attempt_folder(struct attempt *attempt, struct run_error *error)
{
	struct fnr_error err = FNR_ERROR_INIT;
	if (attempt->work_fd >= 0)
		return true;
	int code = take_dir_make(attempt->work, &err);
	if (code == FNR_OK && (attempt->work_fd = path_open(AT_FDCWD, attempt->work, O_RDONLY | O_DIRECTORY, 0)) < 0)
		code = fnr_fail_errno(&err, errno, "cannot open %s", attempt->work);
	if (code != FNR_OK)
		run_fail(error, code == FNR_E_FULL ? FNR_CLASS_RESOURCE : FNR_CLASS_TRANSIENT, code == FNR_E_FULL ? "disk_full" : "io",
		         "Look at the disk, then try again.", "retry", err.message, "There is no room to work in.");
	error->backend_down = code != FNR_OK;
	fnr_error_clear(&err);
	return code == FNR_OK;
}

static void folder_remove(const char *path, const char *job)
{
	struct fnr_error err = FNR_ERROR_INIT;
	char id[64];
	snprintf(id, sizeof id, "job=%s", job);
	if (take_discard(path, &err) != FNR_OK)
		fnr_warn(id, "what an attempt left cannot be removed: %s", err.message);
	fnr_error_clear(&err);
}

static void folders_remove(struct attempt *attempt, bool outputs_too)
{
	if (attempt->work_fd < 0)
		return;
	fnr_fd_close(&attempt->work_fd);
	folder_remove(attempt->work, attempt->run.job);
	if (outputs_too)
		folder_remove(attempt->filed ? attempt->final_dir : attempt->attempt_dir, attempt->run.job);
}

static void say_manifest(struct attempt *attempt, struct json_object *outputs)
{
	struct json_object *message = json_object_new_object();
	struct rusage self;
	getrusage(RUSAGE_SELF, &self);
	run_memory(&attempt->run, (uint64_t)self.ru_maxrss * 1024);
	fnr_json_set(message, "outputs", outputs);
	fnr_json_set(message, "result", json_object_get(attempt->result));
	if (attempt->took != NULL)
		fnr_json_set(message, "took", json_object_get(attempt->took));
	fnr_json_set_int(message, "cpu_ms", tree_cpu_ms(NULL) - attempt->cpu_before);
	fnr_json_set_int(message, "rss_max", (int64_t)attempt->memory_most);
	if (attempt->filed)
		fnr_json_set_bool(message, "filed", true);
	attempt_say(attempt, "manifest", message);
}

/* The template's rules, this data directory's, those that ship: the first that fits says what the error is. */
static void error_classify(struct attempt *attempt, struct json_object *error)
{
	const char *kind = fnr_json_get_text(attempt->message, "kind", "");
	char shipped[PATH_MAX];
	snprintf(shipped, sizeof shipped, "%s/errors.yaml", fnr_share_dir());
	const char *const files[] = { "errors.yaml", shipped };
	bool known = error_rules_apply(fnr_json_get(attempt->run.definition, "errors"), kind, error);
	for (size_t i = 0; !known && i < sizeof files / sizeof files[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;
		struct json_object *rules = error_rules_read(files[i], &err);
		if (rules == NULL && err.code != FNR_E_NOT_FOUND)
			fnr_warn(NULL, "the rules for errors in %s are not used: %s", files[i], err.message);
		known = error_rules_apply(rules, kind, error);
		json_object_put(rules);
		fnr_error_clear(&err);
	}
}

struct json_object *worker_error(const struct run_error *error)
{
	struct json_object *object = json_object_new_object();
	fnr_json_set_text(object, "class", fnr_class_name(error->class_));
	fnr_json_set_text(object, "code", error->code);
	fnr_json_set_text(object, "message", error->message);
	fnr_json_set_text(object, "suggestion", error->suggestion[0] != '\0' ? error->suggestion : NULL);
	fnr_json_set_text(object, "action", error->action[0] != '\0' ? error->action : NULL);
	fnr_json_set_text(object, "detail", error->detail[0] != '\0' ? error->detail : NULL);
	if (error->retry_after_s > 0)
		fnr_json_set_real(object, "retry_after_s", error->retry_after_s);
	if (error->backend_down)
		fnr_json_set_bool(object, "backend_down", true);
	if (error->ignores_cancel)
		fnr_json_set_bool(object, "ignores_cancel", true);
	if (error->elsewhere)
		fnr_json_set_bool(object, "elsewhere", true);
	return object;
}

static void say_failed(struct attempt *attempt, const struct run_error *error, bool lost)
{
	struct json_object *message = json_object_new_object(), *object = worker_error(error);
	error_classify(attempt, object);
	fnr_json_set(message, "error", object);
	attempt_say(attempt, lost ? "lost" : "failed", message);
}

static bool begin(struct attempt *attempt, const struct backend_kind *kind, struct run_error *error)
{
	folders_name(attempt);
	if (!kind->begins_early && !attempt_folder(attempt, error))
		return false;
	if (!kind->tells_begin)
		run_begun(&attempt->run);
	return true;
}

/* From the message to the last report. The folders are gone before a failure is told, so that a next attempt finds
 * clean ground; a manifest is told first, as somebody waits for it. */
static void attempt_run(struct attempt *attempt)
{
	struct run_error error = { 0 };
	struct json_object *outputs = NULL;
	const struct backend_kind *kind = backend_find(fnr_json_get_text(attempt->message, "kind", ""));
	enum run_result result = RUN_FAILED;
	if (message_read(attempt, kind, &error) && (kind->no_files || (begin(attempt, kind, &error) && attempt_fetch(attempt, &error)))) {
		attempt->said_at = fnr_mono_ms();
		worker_release(attempt->run.endpoint);
		bool attach = kind->attach != NULL && fnr_json_get_bool(attempt->message, "attach", false);
		result = (attach ? kind->attach : kind->execute)(&attempt->run, &error);
		attempt->said_at = 0;
	}
	if (result == RUN_DONE && !attempt->cancelled && (outputs = attempt_collect(attempt, &error)) == NULL)
		result = RUN_FAILED;
	if (attempt->cancelled) {
		json_object_put(outputs);
		outputs = NULL;
	}
	attempt_say_rest(attempt);
	if (outputs != NULL) {
		say_manifest(attempt, outputs);
		worker_flush(attempt->worker);
		folders_remove(attempt, false);
		return;
	}
	folders_remove(attempt, true);
	if (attempt->stuck && result == RUN_CANCELLED && !attempt->cancelled)
		result = run_fail(&error, FNR_CLASS_UNKNOWN, "stuck", "Try again; if it stays so, tell the author of the function.", "retry", NULL,
		                  "It said nothing for %lld seconds and was stopped.", (long long)(attempt->silence_ms / 1000));
	bool ignored = result == RUN_FAILED && error.backend_down; /* the backend would not stop: that is told, and proves something */
	if ((attempt->cancelled && !ignored) || result == RUN_CANCELLED)
		attempt_say(attempt, "cancelled", json_object_new_object());
	else
		say_failed(attempt, &error, result == RUN_LOST);
}

static void task_run(struct worker *worker, struct json_object *message)
{
	struct attempt attempt = {
		.worker = worker, .message = message, .outputs = json_object_new_array(), .work_fd = -1, .attempt_fd = -1, .mark_fd = -1,
		.attempt_dir = fnr_json_get_text(message, "attempt_dir", ""), .work = fnr_json_get_text(message, "work", ""),
		.final_dir = fnr_json_get_text(message, "final_dir", NULL), .cpu_before = tree_cpu_ms(NULL), .heartbeat_due = fnr_mono_ms() + HEARTBEAT_FIRST_MS, .stage = FNR_STAGE_PREPARATION,
		.run = {
			.job = fnr_json_get_text(message, "job", ""), .attempt = (int)fnr_json_get_int(message, "attempt", 0),
			.definition = fnr_json_get(message, "definition"), .data_dir = worker->data_dir,
			.work_dir = "", .definition_dir = "",
		},
	};
	attempt.run.worker = &attempt;
	attempt_run(&attempt);
	worker_flush(worker);
	attempt_collect_end(&attempt);
	json_object_put(attempt.outputs);
	json_object_put(attempt.payload);
	json_object_put(attempt.result);
	json_object_put(attempt.took);
	fnr_buf_free(&attempt.preview);
}

/* ---- finish, discard ---- */

static void task_finish(struct worker *worker, struct json_object *message)
{
	const char *job = fnr_json_get_text(message, "job", "");
	int64_t attempt = fnr_json_get_int(message, "attempt", 0);
	struct fnr_error err = FNR_ERROR_INIT;
	int code = take_finish(fnr_json_get_text(message, "attempt_dir", ""), fnr_json_get_text(message, "final_dir", ""), job,
	                       (int)attempt, fnr_json_get(message, "take"), &err);
	struct json_object *answer = json_object_new_object();
	fnr_json_set_text(answer, "type", code == FNR_OK ? "finished" : "finish_failed");
	fnr_json_set_text(answer, "job", job);
	fnr_json_set_int(answer, "attempt", attempt);
	if (code != FNR_OK) {
		fnr_json_set_text(answer, "reason", code == FNR_E_EXISTS ? "exists" : code == FNR_E_NOT_FOUND ? "missing" : code == FNR_E_FULL ? "full" : "io");
		fnr_json_set_text(answer, "message", err.message);
	}
	fnr_error_clear(&err);
	worker_send(worker, answer);
}

static void task_discard(struct worker *worker, struct json_object *message)
{
	struct json_object *paths = fnr_json_get(message, "paths");
	size_t count = json_object_is_type(paths, json_type_array) ? json_object_array_length(paths) : 0;
	struct json_object *answer = json_object_new_object(), *left = json_object_new_array();
	for (size_t i = 0; i < count; i++) {
		struct fnr_error err = FNR_ERROR_INIT;
		const char *path = json_object_get_string(json_object_array_get_idx(paths, i));
		if (take_discard(path != NULL ? path : "", &err) != FNR_OK) {
			fnr_warn(NULL, "cannot discard: %s", err.message);
			json_object_array_add(left, json_object_new_string(path != NULL ? path : ""));
		}
		fnr_error_clear(&err);
	}
	fnr_json_set_text(answer, "type", "discarded");
	fnr_json_set(answer, "left", left);
	worker_send(worker, answer);
}

static void task_stop(struct worker *worker, struct json_object *message)
{
	worker->stopping = true;
}

/* ---- the life of the process ---- */

static const struct { const char *type; void (*run)(struct worker *worker, struct json_object *message); } tasks[] = {
	{ "run", task_run }, { "finish", task_finish }, { "thumbnail", task_thumbnail }, { "discard", task_discard },
	{ "probe", task_probe }, { "restart", task_restart }, { "stop", task_stop },
};

static struct json_object *next_message(struct worker *worker)
{
	struct json_object *message;
	if (json_object_array_length(worker->later) > 0) {
		message = json_object_get(json_object_array_get_idx(worker->later, 0));
		json_object_array_del_idx(worker->later, 0, 1);
		return message;
	}
	if (worker->in.len == 0)
		idle(worker->fd);
	return wire_receive(worker->fd, &worker->in, &message) ? message : NULL;
}

/* The manager ends us by the socket. Signals that a terminal or a service manager sends to everybody are not for us:
 * a job that runs shall come to its end. */
static void prepare(struct worker *worker)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	fnr_proc_reset_signals();
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* what a script detaches comes to us */
	for (int fd; (fd = open("/dev/null", O_RDWR)) >= 0;) /* 0 to 2 must be taken before pipes are made */
		if (fd > 2) {
			close(fd);
			break;
		}
	fcntl(worker->fd, F_SETFD, FD_CLOEXEC);
	fcntl(worker->fd, F_SETFL, fcntl(worker->fd, F_GETFL) & ~O_NONBLOCK);
	backend_conf(&worker->conf);
	worker->begun = begun_open(worker->name);
	int level = fnr_log_level_parse(worker->conf.log_level);
	fnr_log_init("worker", level >= 0 ? (enum fnr_log_level)level : FNR_LOG_INFO);
	if (getcwd(worker->data_dir, sizeof worker->data_dir) == NULL) {
		fnr_err(NULL, "the data directory is gone: %s", strerror(errno));
		_exit(1);
	}
}

void worker_main(int fd, const char *name)
{
	static struct worker worker;
	worker.fd = fd;
	worker.name = name;
	worker.later = json_object_new_array();
	prepare(&worker);
	struct json_object *hello = json_object_new_object(), *message;
	fnr_json_set_text(hello, "type", "hello");
	fnr_json_set_int(hello, "pid", getpid());
	worker_send(&worker, hello);
	while (!worker.stopping && (message = next_message(&worker)) != NULL) {
		const char *type = fnr_json_get_text(message, "type", "");
		for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++)
			if (strcmp(tasks[i].type, type) == 0)
				tasks[i].run(&worker, message);
		json_object_put(message);
	}
	worker_release(NULL);
	worker_leave();
}
