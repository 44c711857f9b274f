/* A thumbnail is made like the work of a script function: by a program that ships, in the same sandbox. */
#include "config.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/backend.h"
#include "backends/script.h"
#include "backends/tree.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "files/path.h"
#include "files/take.h"
#include "files/thumbnail.h"
#include "worker/wire.h"
#include "worker/worker.h"

#define TIMEOUT_MS 60000
#define MEMORY_MB 1536
#define INPUT "upload:result"

/* What would be a template if people could ask for it. */
static struct json_object *definition_make(const char *program)
{
	struct json_object *definition = json_object_new_object(), *backend = json_object_new_object(), *command = json_object_new_array();
	struct json_object *resources = json_object_new_object(), *inputs = json_object_new_object(), *outputs = json_object_new_object();
	struct json_object *file = json_object_new_object();

	json_object_array_add(command, json_object_new_string(FNR_PYTHON3));
	json_object_array_add(command, json_object_new_string("-I"));
	json_object_array_add(command, json_object_new_string("-B"));
	json_object_array_add(command, json_object_new_string(program));
	fnr_json_set(backend, "command", command);
	fnr_json_set(definition, "backend", backend);
	fnr_json_set_int(resources, "memory_mb", MEMORY_MB);
	fnr_json_set(definition, "resources", resources);
	fnr_json_set_text(file, "type", "file");
	fnr_json_set(inputs, "file", file);
	fnr_json_set(definition, "inputs", inputs);
	fnr_json_set(outputs, "thumbnail", json_object_new_object());
	fnr_json_set(definition, "outputs", outputs);
	return definition;
}

static struct json_object *inputs_make(void)
{
	struct json_object *inputs = json_object_new_object();

	fnr_json_set_text(inputs, "file", INPUT);
	return inputs;
}

static struct json_object *uploads_make(const char *data_dir, struct json_object *message)
{
	struct json_object *uploads = json_object_new_array(), *upload = json_object_new_object();
	char path[PATH_MAX + 512];

	snprintf(path, sizeof path, "%s/%s", data_dir, fnr_json_get_text(message, "path", ""));
	fnr_json_set_text(upload, "id", strchr(INPUT, ':') + 1);
	fnr_json_set_text(upload, "path", path);
	fnr_json_set_text(upload, "media_type", fnr_json_get_text(message, "media_type", NULL));
	json_object_array_add(uploads, upload);
	return uploads;
}

/* What was found out about the result, to put; NULL with a reason. */
static struct json_object *look(struct attempt *attempt, const char *sha256, struct run_error *error)
{
	struct json_object *found, *output = NULL;
	struct fnr_error err = FNR_ERROR_INIT;
	bool made = false;

	if (backend_find("script")->execute(&attempt->run, error) != RUN_DONE)
		return NULL;
	if (json_object_array_length(attempt->outputs) > 0)
		output = json_object_array_get_idx(attempt->outputs, 0);
	if (output)
		made = thumbnail_put(attempt->work_fd, fnr_json_get_text(output, "path", ""), sha256, &err) == FNR_OK;
	if (output && !made) {
		run_fail(error, FNR_CLASS_TRANSIENT, "io", NULL, NULL, NULL, "%s", err.message);
		fnr_error_clear(&err);
		return NULL;
	}
	found = attempt->result ? json_object_get(attempt->result) : json_object_new_object();
	fnr_json_set_bool(found, "made", made);
	return found;
}

/* In a folder like that of an attempt; the manager clears it away if this process is killed. */
static struct json_object *look_in_folder(struct attempt *attempt, const char *sha256, struct run_error *error)
{
	struct json_object *found = NULL;
	struct fnr_error err = FNR_ERROR_INIT;

	if (!take_work_valid(attempt->work))
		run_fail(error, FNR_CLASS_PERMANENT, "internal", NULL, NULL, NULL, "there is no folder to work in");
	else if (take_dir_make(attempt->work, &err) != FNR_OK || (attempt->work_fd = path_open(AT_FDCWD, attempt->work, O_RDONLY | O_DIRECTORY, 0)) < 0)
		run_fail(error, FNR_CLASS_TRANSIENT, "io", NULL, NULL, NULL, "there is no room to work in: %s", err.message);
	else
		found = look(attempt, sha256, error);
	fnr_fd_close(&attempt->work_fd);
	fnr_error_clear(&err);
	if (take_work_valid(attempt->work))
		take_dir_remove(attempt->work, NULL);
	return found;
}

void task_thumbnail(struct worker *worker, struct json_object *message)
{
	const char *sha256 = fnr_json_get_text(message, "sha256", "");
	struct json_object *answer = json_object_new_object(), *found = NULL;
	struct run_error error = { 0 };
	char program[SCRIPT_PATH];
	struct attempt attempt = {
		.worker = worker, .message = message, .outputs = json_object_new_array(),
		.work = fnr_json_get_text(message, "work", ""), .work_fd = -1, .quiet = true, .cpu_before = tree_cpu_ms(NULL), .heartbeat_due = INT64_MAX,
		.run = {
			.job = sha256, .attempt = 1, .data_dir = worker->data_dir, .timeout_ms = TIMEOUT_MS, .definition_dir = "",
			.uploads = uploads_make(worker->data_dir, message), .inputs = inputs_make(), .parameters = inputs_make(),
		},
	};

	snprintf(attempt.work_dir, sizeof attempt.work_dir, "%s/%s", worker->data_dir, attempt.work);
	attempt.run.work_dir = attempt.work_dir;
	attempt.run.worker = &attempt;
	if (script_program_path("fnr_thumbnail.py", program)) {
		attempt.run.definition = definition_make(program);
		found = look_in_folder(&attempt, sha256, &error);
	} else {
		run_fail(&error, FNR_CLASS_PERMANENT, "program_missing", NULL, NULL, NULL, "%s is not installed", program);
	}
	fnr_json_set_text(answer, "type", "thumbnail");
	fnr_json_set_text(answer, "sha256", sha256);
	fnr_json_set(answer, "found", found);
	fnr_json_set_text(answer, "message", error.detail[0] ? error.detail : error.message);
	worker_send(worker, answer);
	json_object_put(attempt.outputs);
	json_object_put(attempt.result);
	json_object_put(attempt.run.definition);
	json_object_put(attempt.run.uploads);
	json_object_put(attempt.run.inputs);
	json_object_put(attempt.run.parameters);
	fnr_buf_free(&attempt.preview);
}
