#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/comfyui.h"
#include "backends/input_file.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/text.h"
#include "files/media.h"
#include "registry/bindings.h"
#include "registry/registry.h"
#include "registry/workflow.h"

#define WORKFLOW_MOST (16u << 20)
#define FOLDER "function-runner"    /* of uploads, among the server's inputs */
#define CHUNK (1u << 20)
#define UPLOAD_STALL_MS 120000

/* ---- ids ---- */

/* The same always, in the form of a UUID (version 8 is for one's own making). */
static void id_make(const struct run *run, const char *what, char out[FNR_ID_TEXT])
{
	struct fnr_id id;
	char text[160];
	uint8_t digest[FNR_SHA256_SIZE];
	snprintf(text, sizeof text, "%s:%s:%d", what, run->job, run->attempt);
	fnr_sha256_of(text, strlen(text), digest);
	memcpy(id.bytes, digest, sizeof id.bytes);
	id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x80);
	id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
	fnr_id_format(&id, out);
}

void comfyui_ids(struct comfyui *comfyui)
{
	id_make(comfyui->run, "prompt", comfyui->prompt);
	id_make(comfyui->run, "client", comfyui->client);
}

bool comfyui_id_adopt(struct comfyui *comfyui, const char *id)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	if (id[0] == '\0' || strlen(id) >= sizeof comfyui->prompt || id[strspn(id, letters)] != '\0')
		return false;
	fnr_text_copy(comfyui->prompt, sizeof comfyui->prompt, id);
	return true;
}

/* ---- the workflow ---- */

static struct json_object *workflow_of_file(struct comfyui *comfyui, const char *name, struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *workflow = NULL;
	char path[5000];
	snprintf(path, sizeof path, "%s/%s", comfyui->run->definition_dir, name);
	if (fnr_file_read(path, WORKFLOW_MOST, &text, err) == FNR_OK)
		workflow = fnr_json_parse_foreign(text.data, text.len, err);
	fnr_buf_free(&text);
	return workflow;
}

/* What an input brought was not looked at before. */
static bool workflow_sound(struct comfyui *comfyui)
{
	struct fnr_error err = FNR_ERROR_INIT;
	if (workflow_check(comfyui->workflow, "", &err))
		return true;
	struct json_object *first = json_object_array_get_idx(err.errors, 0);
	run_fail(comfyui->error, FNR_CLASS_VALIDATION, "workflow_invalid", fnr_json_get_text(first, "fix", NULL), "change_inputs",
	         fnr_json_text(err.errors, NULL), "The workflow cannot be run: %s (at %s).", fnr_json_get_text(first, "message", ""),
	         fnr_json_get_text(first, "pointer", "")[0] != '\0' ? fnr_json_get_text(first, "pointer", "") : "its beginning");
	fnr_error_clear(&err);
	return false;
}

bool comfyui_workflow_load(struct comfyui *comfyui)
{
	struct json_object *workflow = fnr_json_get(comfyui->backend, "workflow");
	const char *brought = template_comfyui_brought(comfyui->backend), *name = fnr_json_get_text(comfyui->backend, "workflow", NULL);
	struct fnr_error err = FNR_ERROR_INIT;
	if (brought != NULL)
		comfyui->workflow = fnr_json_copy(fnr_json_get(comfyui->run->parameters, brought));
	else if (name != NULL)
		comfyui->workflow = workflow_of_file(comfyui, name, &err);
	else
		comfyui->workflow = fnr_json_copy(workflow);
	if (comfyui->workflow == NULL && brought == NULL)
		run_fail(comfyui->error, FNR_CLASS_PERMANENT, "workflow_missing", "Register the template again.", NULL, err.message,
		         "The workflow of this function cannot be read.");
	fnr_error_clear(&err);
	return (comfyui->workflow != NULL || brought != NULL) && workflow_sound(comfyui);
}

/* ---- uploads ---- */

/* The digest of a file's content, as text; false if it cannot be read, or the run shall stop. */
static bool digest_of(struct comfyui *comfyui, const char *path, char hex[FNR_SHA256_TEXT])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct fnr_buf data = FNR_BUF_INIT;
	struct fnr_sha256 *sha = fnr_sha256_create();
	uint8_t digest[FNR_SHA256_SIZE];
	ssize_t got = -1;
	bool stopped = false;
	while (fd >= 0 && !stopped && (got = read(fd, fnr_buf_room(&data, CHUNK), CHUNK)) > 0) {
		fnr_sha256_add(sha, data.data, (size_t)got);
		stopped = run_stop(comfyui->run);
	}
	fnr_sha256_end(sha, digest);
	fnr_hex(digest, sizeof digest, hex);
	fnr_buf_free(&data);
	fnr_fd_close(&fd);
	return got == 0 && !stopped;
}

/* "<digest>.png": the same content is the same file over there, however often it is used. */
static void name_of(const char *hex, const char *name, const char *media_type, char out[96])
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	const char *dot = strrchr(name, '.');
	bool plain = dot != NULL && dot[1] != '\0' && strlen(dot) <= 10 && strspn(dot + 1, letters) == strlen(dot + 1);
	snprintf(out, 96, "%.32s%s", hex, plain ? dot : media_suffix(media_type)); /* nodes look at it */
}

/* The value of a node's input for a file that the server has: "folder/name", and in which of its roots if not among inputs. */
static struct json_object *value_of(struct json_object *answer)
{
	const char *name = fnr_json_get_text(answer, "name", NULL), *folder = fnr_json_get_text(answer, "subfolder", "");
	const char *type = fnr_json_get_text(answer, "type", "input");
	struct fnr_buf text = FNR_BUF_INIT;
	if (name == NULL || name[0] == '\0')
		return NULL;
	fnr_buf_printf(&text, "%s%s%s", folder, folder[0] != '\0' ? "/" : "", name);
	if (strcmp(type, "input") != 0)
		fnr_buf_printf(&text, " [%s]", type);
	struct json_object *value = json_object_new_string(text.data);
	fnr_buf_free(&text);
	return value;
}

struct filling {
	struct comfyui *comfyui;
	enum run_result result;          /* of what failed */
};

static struct json_object *send_file(struct filling *filling, const char *path, const char *name, const char *media_type)
{
	struct comfyui *comfyui = filling->comfyui;
	const struct http_part parts[] = {
		{ .name = "image", .path = path, .file_name = name, .media_type = media_type },
		{ .name = "type", .text = "input" }, { .name = "subfolder", .text = FOLDER },
	};
	struct http_request request = {
		.path = "/upload/image", .parts = parts, .part_count = 3, .timeout_ms = -1, .stall_ms = UPLOAD_STALL_MS,
	};
	struct http_answer answer = HTTP_ANSWER_INIT;
	struct json_object *value = NULL;
	if (http_ask(comfyui->http, comfyui->run, &request, &answer) == HTTP_DONE)
		value = value_of(answer.json);
	if (value == NULL)
		filling->result = http_failed(&answer, comfyui->error);
	http_answer_clear(&answer);
	return value;
}

static struct json_object *upload(const char *name, struct json_object *reference, void *context)
{
	struct filling *filling = context;
	struct comfyui *comfyui = filling->comfyui;
	struct json_object *file = NULL, *value = NULL;
	char hex[FNR_SHA256_TEXT], remote[96];
	filling->result = RUN_FAILED;
	enum input_file_result found = input_file(comfyui->run, reference, &file, comfyui->error);
	if (found == INPUT_FILE_NONE)
		run_fail(comfyui->error, FNR_CLASS_VALIDATION, "file_missing", "Upload the file again.", "change_inputs", NULL,
		         "What the input \"%.64s\" names is not a file.", name);
	if (found != INPUT_FILE_FOUND)
		return NULL;
	const char *path = fnr_json_get_text(file, "path", "");
	run_progress(comfyui->run, FNR_STAGE_PREPARATION, 0.3, "Sending your file…");
	if (digest_of(comfyui, path, hex)) {
		name_of(hex, fnr_json_get_text(file, "name", ""), fnr_json_get_text(file, "media_type", ""), remote);
		value = send_file(filling, path, remote, fnr_json_get_text(file, "media_type", NULL));
	} else {
		filling->result = run_stop(comfyui->run) ? RUN_CANCELLED :
			run_fail(comfyui->error, FNR_CLASS_VALIDATION, "file_missing", "Upload the file again.", "change_inputs", path,
			         "The file of the input \"%.64s\" cannot be read.", name);
	}
	json_object_put(file);
	return value;
}

enum run_result comfyui_workflow_fill(struct comfyui *comfyui)
{
	struct run *run = comfyui->run;
	struct json_object *bindings = fnr_json_get(comfyui->backend, "bindings");
	struct json_object *values = bindings_values(run->parameters, run->seed, fnr_quality_name(run->quality));
	struct binding_scope scope = { .inputs = fnr_json_get(run->definition, "inputs"), .parameters = fnr_json_get(run->definition, "parameters") };
	struct filling filling = { .comfyui = comfyui };
	enum binding_result result = BINDING_SET;
	if (json_object_is_type(bindings, json_type_object)) {
		json_object_object_foreach(bindings, target, binding) {
			struct json_object *value = NULL;
			if (result != BINDING_FAILED)
				result = binding_value(binding, &scope, values, upload, &filling, &value);
			if (result == BINDING_SET)
				workflow_set(comfyui->workflow, target, value);
		}
	}
	json_object_put(values);
	return result == BINDING_FAILED ? filling.result : RUN_DONE;
}

/* ---- submission ---- */

static struct json_object *request_make(struct comfyui *comfyui)
{
	struct json_object *request = json_object_new_object(), *extra = json_object_new_object();
	bool previews = fnr_json_get_bool(comfyui->backend, "previews", true);
	fnr_json_set(request, "prompt", json_object_get(comfyui->workflow));
	fnr_json_set_text(request, "client_id", comfyui->client);
	fnr_json_set_text(request, "prompt_id", comfyui->prompt);
	if (previews)
		fnr_json_set_text(extra, "preview_method", "auto");
	fnr_json_set(request, "extra_data", extra);
	return request;
}

/* The connection broke, or what came is no answer: did the server get it? again_r: it did not, as the connection had ended. */
static enum run_result submitted_after_all(struct comfyui *comfyui, const struct http_answer *broken, bool *again_r)
{
	struct comfyui_report report = { 0 };
	struct http_answer answer = HTTP_ANSWER_INIT;
	comfyui_ask(comfyui, false, &report, &answer);
	bool there = report.state == COMFYUI_PENDING || report.state == COMFYUI_RUNNING || report.state == COMFYUI_ENDED;
	*again_r = broken->unanswered && report.state == COMFYUI_UNKNOWN;
	json_object_put(report.entry);
	http_answer_clear(&answer);
	return there ? RUN_DONE : http_failed(broken, comfyui->error);
}

/* Nodes that the server leaves out: an error, unless the template says otherwise. */
static enum run_result accepted(struct comfyui *comfyui, struct json_object *answer)
{
	struct json_object *node_errors = fnr_json_get(answer, "node_errors");
	bool some = json_object_is_type(node_errors, json_type_object) && json_object_object_length(node_errors) > 0;
	comfyui->known = true;
	comfyui_hear_early(comfyui);
	if (!some)
		return RUN_DONE;
	comfyui_node_errors(comfyui, node_errors, NULL);
	if (strcmp(fnr_json_get_text(comfyui->backend, "node_errors", "fail"), "warn") == 0) {
		run_log(comfyui->run, "warn", comfyui->error->message);
		run_log(comfyui->run, "warn", comfyui->error->detail);
		return RUN_DONE;
	}
	comfyui_cancel(comfyui);
	return RUN_FAILED;
}

/* again_r: it is to be sent once more, on a new connection. */
static enum run_result submit(struct comfyui *comfyui, struct json_object *body, bool kept, bool *again_r)
{
	struct http_request request = { .path = "/prompt", .json = body, .once = true, .kept = kept, .timeout_ms = 60000 };
	struct http_answer answer = HTTP_ANSWER_INIT;
	enum run_result result;
	switch (http_ask(comfyui->http, comfyui->run, &request, &answer)) {
	case HTTP_DONE:
		comfyui->our_id = strcmp(fnr_json_get_text(answer.json, "prompt_id", ""), comfyui->prompt) == 0;
		if (comfyui_id_adopt(comfyui, fnr_json_get_text(answer.json, "prompt_id", "")))
			result = accepted(comfyui, answer.json);
		else
			result = submitted_after_all(comfyui, &answer, again_r);
		break;
	case HTTP_STATUS:
		result = answer.status == 400 ? comfyui_refused(comfyui, &answer) : http_failed(&answer, comfyui->error);
		break;
	case HTTP_BROKEN:
	case HTTP_TIMEOUT:
		result = submitted_after_all(comfyui, &answer, again_r);
		break;
	case HTTP_STOPPED:          /* it may have got there */
		comfyui_cancel(comfyui);
		result = RUN_CANCELLED;
		break;
	default:
		result = http_failed(&answer, comfyui->error);
	}
	http_answer_clear(&answer);
	return result;
}

enum run_result comfyui_submit(struct comfyui *comfyui)
{
	struct json_object *body = request_make(comfyui);
	bool again = false;
	enum run_result result = submit(comfyui, body, true, &again);
	if (again)
		result = submit(comfyui, body, false, &again);
	json_object_put(body);
	return result;
}
