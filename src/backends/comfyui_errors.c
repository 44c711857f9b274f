#include "config.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "backends/comfyui.h"
#include "base/buf.h"
#include "base/text.h"
#include "registry/workflow.h"

#define NAMED_CHOICES 8

/* What the server's reasons mean; the last row is for all others. */
static const struct reason {
	const char *type, *code;
	enum fnr_class class_;
	const char *suggestion, *action;
	bool elsewhere;                      /* other servers may have it */
} reasons[] = {
	{ "missing_node_type", "comfyui_node_missing", FNR_CLASS_PERMANENT, "Install the node on the server, or use a backend that has it.", NULL, true },
	{ "invalid_prompt", "comfyui_node_missing", FNR_CLASS_PERMANENT, "Install the node on the server, or use a backend that has it.", NULL, true },
	{ "value_not_in_list", "comfyui_value_not_in_list", FNR_CLASS_VALIDATION, "Choose something that the server has.", "change_inputs", true },
	{ "value_smaller_than_min", "comfyui_value_too_small", FNR_CLASS_VALIDATION, "Choose a larger value.", "change_inputs", false },
	{ "value_bigger_than_max", "comfyui_value_too_large", FNR_CLASS_VALIDATION, "Choose a smaller value.", "change_inputs", false },
	{ "custom_validation_failed", "comfyui_input_refused", FNR_CLASS_VALIDATION, "Give another file.", "change_inputs", false },
	{ "prompt_no_outputs", "comfyui_no_outputs", FNR_CLASS_VALIDATION, "Give the workflow a node that saves something.", "change_inputs", false },
	{ "", "comfyui_workflow_refused", FNR_CLASS_VALIDATION, "Try the workflow in ComfyUI, and export it again.", "change_inputs", false },
};

static const struct reason *reason_of(const char *type)
{
	const struct reason *row = reasons;
	while (row->type[0] != '\0' && strcmp(row->type, type) != 0)
		row++;
	return row;
}

/* "Painter" (KSampler, node 3) */
static void name_node(struct comfyui *comfyui, const char *node, const char *class_, char out[200])
{
	const char *title = workflow_title(comfyui->workflow, node);
	snprintf(out, 200, "\"%.80s\" (%.64s, node %.32s)", title[0] != '\0' ? title : class_, class_, node);
}

/* ---- what the server has ---- */

/* Asks for the class and names some of its choices. The server has the last word: this only explains it. */
static void suggest_choices(struct comfyui *comfyui, const char *class_, const char *input, char out[256])
{
	struct fnr_buf path = FNR_BUF_INIT, name = FNR_BUF_INIT, text = FNR_BUF_INIT;
	struct http_answer answer = HTTP_ANSWER_INIT;
	fnr_buf_printf(&path, "/object_info/%s", http_encode(&name, class_));
	struct http_request request = { .path = path.data, .timeout_ms = 5000 };
	struct json_object *choices = NULL;
	if (http_ask(comfyui->http, comfyui->run, &request, &answer) == HTTP_DONE)
		choices = comfyui_choices(fnr_json_get(answer.json, class_), input);
	size_t count = choices != NULL ? json_object_array_length(choices) : 0;
	for (size_t i = 0; i < count && i < NAMED_CHOICES; i++)
		fnr_buf_printf(&text, "%s%s", i > 0 ? ", " : "", json_object_get_string(json_object_array_get_idx(choices, i)));
	if (count > 0)
		snprintf(out, 256, "The server has: %.200s%s", text.data, count > NAMED_CHOICES ? ", …" : "");
	http_answer_clear(&answer);
	fnr_buf_free(&path);
	fnr_buf_free(&name);
	fnr_buf_free(&text);
}

/* ---- refused ---- */

/* Every reason of every node, for the detail. */
static void add_reasons(struct comfyui *comfyui, struct json_object *node_errors, struct fnr_buf *out)
{
	json_object_object_foreach(node_errors, node, about) {
		struct json_object *errors = fnr_json_get(about, "errors");
		char name[200];
		name_node(comfyui, node, fnr_json_get_text(about, "class_type", "?"), name);
		for (size_t i = 0; json_object_is_type(errors, json_type_array) && i < json_object_array_length(errors); i++) {
			struct json_object *error = json_object_array_get_idx(errors, i);
			fnr_buf_printf(out, "%s: %s: %s: %s\n", name, fnr_json_get_text(error, "type", "?"), fnr_json_get_text(error, "message", ""),
			               fnr_json_get_text(error, "details", ""));
		}
	}
}

static enum run_result tell_first(struct comfyui *comfyui, const char *node, struct json_object *about, struct json_object *first, const char *detail)
{
	const struct reason *reason = reason_of(fnr_json_get_text(first, "type", ""));
	const char *class_ = fnr_json_get_text(about, "class_type", "?");
	const char *input = fnr_json_get_text(fnr_json_get(first, "extra_info"), "input_name", "");
	struct json_object *received = fnr_json_get(fnr_json_get(first, "extra_info"), "received_value");
	char name[200], suggestion[256], value[120] = "";
	name_node(comfyui, node, class_, name);
	fnr_text_copy(suggestion, sizeof suggestion, reason->suggestion);
	if (strcmp(reason->type, "value_not_in_list") == 0)
		suggest_choices(comfyui, class_, input, suggestion);
	if (received != NULL && !json_object_is_type(received, json_type_array))
		snprintf(value, sizeof value, " = %.100s", fnr_json_text(received, NULL));
	run_fail(comfyui->error, reason->class_, reason->code, suggestion, reason->action, detail, "The server refuses %s: %.120s%s%.64s%s.", name,
	         fnr_json_get_text(first, "message", "it is not valid"), input[0] != '\0' ? ": " : "", input, value);
	comfyui->error->elsewhere = reason->elsewhere;
	return RUN_FAILED;
}

/* The node that an error of the whole workflow is about, with its title: by its id, or by what older servers say ("Node ID '#3'"). */
static const char *name_culprit(struct comfyui *comfyui, struct json_object *error, char out[200])
{
	const char *id = fnr_json_get_text(fnr_json_get(error, "extra_info"), "node_id", NULL), *details = fnr_json_get_text(error, "details", "");
	const char *mark = strstr(details, "'#"), *end = mark != NULL ? strrchr(mark + 2, '\'') : NULL;
	char found[128] = "";
	out[0] = '\0';
	if (end != NULL)
		snprintf(found, sizeof found, "%.*s", (int)(end - mark - 2), mark + 2);
	id = id != NULL ? id : found;
	if (workflow_inputs(comfyui->workflow, id) != NULL)
		name_node(comfyui, id, workflow_class(comfyui->workflow, id), out);
	return out[0] != '\0' ? out : "the workflow";
}

enum run_result comfyui_node_errors(struct comfyui *comfyui, struct json_object *node_errors, struct json_object *error)
{
	struct fnr_buf detail = FNR_BUF_INIT;
	enum run_result result = RUN_DONE;
	if (error != NULL)
		fnr_buf_printf(&detail, "%s: %s: %s\n", fnr_json_get_text(error, "type", "?"), fnr_json_get_text(error, "message", ""),
		               fnr_json_get_text(error, "details", ""));
	if (json_object_is_type(node_errors, json_type_object)) { /* some servers send a list when there are none */
		add_reasons(comfyui, node_errors, &detail);
		json_object_object_foreach(node_errors, node, about) {
			struct json_object *errors = fnr_json_get(about, "errors");
			if (result == RUN_DONE && json_object_is_type(errors, json_type_array) && json_object_array_length(errors) > 0)
				result = tell_first(comfyui, node, about, json_object_array_get_idx(errors, 0), detail.data);
		}
	}
	if (result == RUN_DONE) {
		const struct reason *reason = reason_of(fnr_json_get_text(error, "type", ""));
		char name[200];
		result = run_fail(comfyui->error, reason->class_, reason->code, reason->suggestion, reason->action, detail.data,
		                  "The server refuses %s: %.200s %.100s", name_culprit(comfyui, error, name), fnr_json_get_text(error, "message", "it is not valid."),
		                  fnr_json_get_text(error, "details", ""));
		comfyui->error->elsewhere = reason->elsewhere;
	}
	fnr_buf_free(&detail);
	return result;
}

enum run_result comfyui_refused(struct comfyui *comfyui, const struct http_answer *answer)
{
	struct json_object *error = fnr_json_get(answer->json, "error");
	if (!json_object_is_type(error, json_type_object))
		return http_failed(answer, comfyui->error);
	return comfyui_node_errors(comfyui, fnr_json_get(answer->json, "node_errors"), error);
}

/* ---- failed ---- */

bool comfyui_out_of_memory(struct json_object *failure)
{
	static const char *const words[] = { "out of memory", "OutOfMemory", "Allocation on device", "not enough memory" };
	const char *type = fnr_json_get_text(failure, "exception_type", ""), *message = fnr_json_get_text(failure, "exception_message", "");
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcasestr(type, words[i]) != NULL || strcasestr(message, words[i]) != NULL)
			return true;
	return false;
}

static void add_traceback(struct json_object *failure, struct fnr_buf *out)
{
	struct json_object *lines = fnr_json_get(failure, "traceback");
	fnr_buf_printf(out, "%s: %s\n", fnr_json_get_text(failure, "exception_type", "?"), fnr_json_get_text(failure, "exception_message", ""));
	for (size_t i = 0; json_object_is_type(lines, json_type_array) && i < json_object_array_length(lines); i++) {
		const char *line = json_object_get_string(json_object_array_get_idx(lines, i));
		fnr_buf_puts(out, line != NULL ? line : "");
	}
}

enum run_result comfyui_execution_failed(struct comfyui *comfyui, struct json_object *failure)
{
	const char *node = fnr_json_get_text(failure, "node_id", "?"), *class_ = fnr_json_get_text(failure, "node_type", "?");
	struct fnr_buf detail = FNR_BUF_INIT;
	char name[200];
	name_node(comfyui, node, class_, name);
	add_traceback(failure, &detail);
	run_log(comfyui->run, "error", detail.data);
	if (comfyui_out_of_memory(failure))
		run_fail(comfyui->error, FNR_CLASS_RESOURCE, "gpu_memory", "Choose a lower quality, or wait until other work on the card has ended.",
		         "reduce_quality", detail.data, "The graphics card has not enough memory for %s.", name);
	else
		run_fail(comfyui->error, FNR_CLASS_UNKNOWN, "comfyui_node_failed", "Try again; if it stays so, try the workflow in ComfyUI.", "retry",
		         detail.data, "The step %s failed.", name);
	fnr_buf_free(&detail);
	return RUN_FAILED;
}
