/* How full the memory of the server is while it runs our prompt: asked beside all else, seldom, and never waited for. */
#include "config.h"

#include <string.h>

#include "backends/comfyui.h"
#include "base/clock.h"

#define FIRST_MS 1500               /* what runs for less is not worth a question */
#define EVERY_MS 5000
#define ANSWER_MS 5000
#define PAUSE_MS 30000              /* for a server that does not answer, or not in time */
#define ANSWER_MOST (256u << 10)

void comfyui_memory_end(struct comfyui *comfyui)
{
	http_stream_close(comfyui->memory.stream);
	comfyui->memory.stream = NULL;
	http_answer_clear(&comfyui->memory.answer);
}

static void begin(struct comfyui *comfyui)
{
	struct http_request request = { .path = "/system_stats", .limit = ANSWER_MOST, .timeout_ms = ANSWER_MS };
	comfyui->memory.stream = http_stream_open(comfyui->http, &request, NULL, NULL, &comfyui->memory.answer);
}

/* A processor that stands in for a card has no memory but the machine's, which is told anyway. */
static void leave_processors_out(struct json_object *devices)
{
	for (size_t i = json_object_is_type(devices, json_type_array) ? json_object_array_length(devices) : 0; i-- > 0;)
		if (strcmp(fnr_json_get_text(json_object_array_get_idx(devices, i), "type", ""), "cpu") == 0)
			json_object_array_del_idx(devices, i, 1);
}

/* What is not known any more is not told any more. */
static void finish(struct comfyui *comfyui)
{
	struct json_object *stats = comfyui->memory.answer.json, *found = json_object_new_object();
	leave_processors_out(fnr_json_get(stats, "devices"));
	comfyui_found_memory(stats, found);
	bool good = comfyui->memory.answer.result == HTTP_DONE &&
	            (fnr_json_get_int(found, "ram_total", 0) > 0 || json_object_array_length(fnr_json_get(found, "devices")) > 0);
	if (good || comfyui->memory.told)
		run_server_memory(comfyui->run, good ? found : NULL);
	comfyui->memory.told = good;
	comfyui->memory.due = fnr_mono_ms() + (good ? EVERY_MS : PAUSE_MS);
	json_object_put(found);
	comfyui_memory_end(comfyui);
}

void comfyui_memory(struct comfyui *comfyui)
{
	int64_t now = fnr_mono_ms();
	if (comfyui->memory.stream != NULL && http_stream_over(comfyui->memory.stream))
		finish(comfyui);
	if (comfyui->memory.stream != NULL || comfyui->over || comfyui->end != COMFYUI_GOING || !(comfyui->heard || comfyui->runs))
		return;
	if (comfyui->memory.due == 0)
		comfyui->memory.due = now + FIRST_MS;
	else if (now >= comfyui->memory.due)
		begin(comfyui);
}
