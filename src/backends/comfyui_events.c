#include "config.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backends/comfyui.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "files/path.h"

#define RECEIVED_MOST 1000
#define LOG_TEXT 1000
#define EARLY_MOST (1u << 20)
#define EXECUTED_MOST (4u << 20)    /* of outputs that are kept in case that the server forgets them */

/* ---- text frames ---- */

static bool is_ours(struct comfyui *comfyui, struct json_object *data)
{
	return strcmp(fnr_json_get_text(data, "prompt_id", ""), comfyui->prompt) == 0;
}

/* Ids of nodes that come into being while it runs stand for the one of the workflow that is shown. */
static const char *node_of(struct comfyui *comfyui, struct json_object *data)
{
	const char *node = fnr_json_get_text(data, "node", NULL), *shown = fnr_json_get_text(data, "display_node", NULL);
	return node != NULL && comfyui_node(comfyui, node) == NULL && shown != NULL ? shown : node;
}

static void end(struct comfyui *comfyui, enum comfyui_end end, struct json_object *data)
{
	comfyui->end = end;
	comfyui->end_at = fnr_mono_ms();
	if (end == COMFYUI_FAILED) {
		json_object_put(comfyui->failure);
		comfyui->failure = json_object_get(data);
	}
}

static void on_status(struct comfyui *comfyui, struct json_object *data)
{
	comfyui->greeted = true;
}

static void on_cached(struct comfyui *comfyui, struct json_object *data)
{
	struct json_object *nodes = fnr_json_get(data, "nodes");
	for (size_t i = 0; json_object_is_type(nodes, json_type_array) && i < json_object_array_length(nodes); i++) {
		const char *id = json_object_get_string(json_object_array_get_idx(nodes, i));
		if (id != NULL)
			comfyui_node_done(comfyui, id, true);
	}
}

static void on_executing(struct comfyui *comfyui, struct json_object *data)
{
	struct json_object *node = NULL;
	const char *id = node_of(comfyui, data);
	if (json_object_object_get_ex(data, "node", &node) && node == NULL) {
		comfyui->over = true;
		comfyui->end_at = fnr_mono_ms();
	}
	if (id != NULL)
		comfyui_node_begins(comfyui, id);
}

static void on_progress(struct comfyui *comfyui, struct json_object *data)
{
	const char *id = node_of(comfyui, data);
	if (id == NULL && comfyui->current != NULL)
		id = comfyui->current->id;
	if (id != NULL)
		comfyui_node_is_at(comfyui, id, fnr_json_get_real(data, "value", -1), fnr_json_get_real(data, "max", 0));
}

static void on_progress_state(struct comfyui *comfyui, struct json_object *data)
{
	struct json_object *nodes = fnr_json_get(data, "nodes");
	if (!json_object_is_type(nodes, json_type_object))
		return;
	json_object_object_foreach(nodes, id, state) {
		const char *word = fnr_json_get_text(state, "state", "");
		if (strcmp(word, "finished") == 0)
			comfyui_node_done(comfyui, id, false);
		else if (strcmp(word, "running") == 0)
			comfyui_node_is_at(comfyui, id, fnr_json_get_real(state, "value", -1), fnr_json_get_real(state, "max", 0));
	}
}

static void on_executed(struct comfyui *comfyui, struct json_object *data)
{
	const char *id = node_of(comfyui, data);
	struct json_object *output = fnr_json_get(data, "output");
	if (id != NULL && output != NULL && comfyui->executed_size < EXECUTED_MOST)
		fnr_json_set(comfyui->executed, id, json_object_get(output));
}

static void on_success(struct comfyui *comfyui, struct json_object *data)
{
	end(comfyui, COMFYUI_SUCCEEDED, data);
}

/* One that only blocks a part of the workflow ends nothing: it has no time. */
static void on_error(struct comfyui *comfyui, struct json_object *data)
{
	if (strcmp(fnr_json_get_text(data, "exception_type", ""), "ExecutionBlocked") == 0 && fnr_json_get(data, "timestamp") == NULL)
		run_log(comfyui->run, "warn", fnr_json_get_text(data, "exception_message", "a part of the workflow is blocked"));
	else
		end(comfyui, COMFYUI_FAILED, data);
}

static void on_interrupted(struct comfyui *comfyui, struct json_object *data)
{
	end(comfyui, COMFYUI_INTERRUPTED, data);
}

static const struct {
	const char *type;
	bool ours;                  /* only if it has our prompt_id */
	void (*take)(struct comfyui *comfyui, struct json_object *data);
} events[] = {
	{ "status", false, on_status }, { "execution_cached", true, on_cached }, { "executing", true, on_executing },
	{ "progress", true, on_progress }, { "progress_state", true, on_progress_state }, { "executed", true, on_executed },
	{ "execution_success", true, on_success }, { "execution_error", true, on_error }, { "execution_interrupted", true, on_interrupted },
};

/* A server that gives prompts ids of its own may tell of one before it has answered with its id. */
static void keep_early(struct comfyui *comfyui, const char *text, size_t len)
{
	if (comfyui->early_size + len > EARLY_MOST)
		return;
	comfyui->early_size += len;
	json_object_array_add(comfyui->early, json_object_new_string_len(text, (int)len));
}

static void take_text(struct comfyui *comfyui, const char *text, size_t len)
{
	struct json_object *message = fnr_json_parse_foreign(text, len, NULL), *data = fnr_json_get(message, "data");
	const char *type = fnr_json_get_text(message, "type", "");
	bool object = json_object_is_type(data, json_type_object), ours = object && is_ours(comfyui, data);
	comfyui->executed_size += ours && strcmp(type, "executed") == 0 ? len : 0;
	for (size_t i = 0; object && i < sizeof events / sizeof events[0]; i++)
		if (strcmp(events[i].type, type) == 0 && (ours || !events[i].ours))
			events[i].take(comfyui, data);
	if (object && !ours && !comfyui->known && fnr_json_get(data, "prompt_id") != NULL)
		keep_early(comfyui, text, len);
	if (ours) {
		comfyui->heard = true;
		comfyui->heard_at = fnr_mono_ms();
		if (!comfyui->over)
			comfyui_progress(comfyui);
	}
	json_object_put(message);
}

void comfyui_hear_early(struct comfyui *comfyui)
{
	for (size_t i = 0; i < json_object_array_length(comfyui->early); i++) {
		struct json_object *text = json_object_array_get_idx(comfyui->early, i);
		take_text(comfyui, json_object_get_string(text), (size_t)json_object_get_string_len(text));
	}
	json_object_put(comfyui->early);
	comfyui->early = json_object_new_array();
}

/* ---- binary frames ---- */

static uint32_t number_at(const char *data)
{
	uint32_t number;
	memcpy(&number, data, sizeof number);
	return ntohl(number);
}

/* A result that is sent as a picture, not as a file: kept in the work folder. */
static void keep_picture(struct comfyui *comfyui, const struct comfyui_node *node, const char *media_type, const char *data, size_t len)
{
	size_t count = json_object_array_length(comfyui->received);
	char name[64];
	comfyui->received_size += len;
	if (count >= RECEIVED_MOST || comfyui->received_size > (uint64_t)comfyui->conf.script_file)
		return;
	snprintf(name, sizeof name, ".received-%zu.%s", count, strcmp(media_type, "image/jpeg") == 0 ? "jpg" : "png");
	int dir = -1, fd = -1;
	if (run_folder(comfyui->run, comfyui->error))
		dir = open(comfyui->run->work_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		fd = path_open(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (fd >= 0 && fnr_write_all(fd, data, len)) {
		struct json_object *picture = json_object_new_object();
		fnr_json_set_text(picture, "node", node->id);
		fnr_json_set_text(picture, "file", name);
		json_object_array_add(comfyui->received, picture);
	}
	fnr_fd_close(&fd);
	fnr_fd_close(&dir);
}

static void take_picture(struct comfyui *comfyui, const struct comfyui_node *node, const char *media_type, const char *data, size_t len)
{
	if (node != NULL && strcmp(node->class_, "SaveImageWebsocket") == 0)
		keep_picture(comfyui, node, media_type, data, len);
	else if (fnr_json_get_bool(comfyui->backend, "previews", true))
		run_preview(comfyui->run, media_type, data, len);
}

/* Type 1: a format, then the picture; of which node and prompt is not said. */
static void take_preview(struct comfyui *comfyui, const char *data, size_t len)
{
	if (comfyui->current != NULL)
		take_picture(comfyui, comfyui->current, number_at(data) == 1 ? "image/jpeg" : "image/png", data + 4, len - 4);
}

/* Type 3: the length of a node's id, the id, words. */
static void take_words(struct comfyui *comfyui, const char *data, size_t len)
{
	uint32_t size = number_at(data);
	char text[LOG_TEXT], id[128];
	if (size > len - 4 || size >= sizeof id)
		return;
	snprintf(id, sizeof id, "%.*s", (int)size, data + 4);
	if (comfyui->current == NULL || strcmp(comfyui->current->id, id) != 0)
		return;
	snprintf(text, sizeof text, "%.*s", (int)(len - 4 - size < sizeof text ? len - 4 - size : sizeof text - 1), data + 4 + size);
	run_log(comfyui->run, "info", text);
}

/* Type 4: the length of a JSON object, the object, the picture. */
static void take_preview_with_about(struct comfyui *comfyui, const char *data, size_t len)
{
	uint32_t size = number_at(data);
	if (size > len - 4)
		return;
	struct json_object *about = fnr_json_parse_foreign(data + 4, size, NULL);
	const char *type = fnr_json_get_text(about, "image_type", "image/jpeg");
	const struct comfyui_node *node = comfyui_node(comfyui, fnr_json_get_text(about, "node_id", ""));
	if (node == NULL)
		node = comfyui_node(comfyui, fnr_json_get_text(about, "display_node_id", ""));
	if (json_object_is_type(about, json_type_object) && is_ours(comfyui, about) && path_media_inline(type))
		take_picture(comfyui, node, type, data + 4 + size, len - 4 - size);
	json_object_put(about);
}

static void take_binary(struct comfyui *comfyui, const char *data, size_t len)
{
	static void (*const types[])(struct comfyui *comfyui, const char *data, size_t len) = {
		[1] = take_preview, [3] = take_words, [4] = take_preview_with_about,
	};
	uint32_t type = len >= 8 ? number_at(data) : 0;
	if (type < sizeof types / sizeof types[0] && types[type] != NULL)
		types[type](comfyui, data + 4, len - 4);
}

void comfyui_message(bool text, const char *data, size_t len, void *context)
{
	(text ? take_text : take_binary)(context, data, len);
}
