#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/comfyui.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#define ASK_MS 5000
#define LIST_KEEP_MS 60000          /* lists of models, and what classes let one choose, are asked for this seldom */
#define ENDPOINTS 16
#define FOLDERS_MOST 200            /* of models */
#define FILES_MOST 10000            /* of one folder */
#define NAME_MOST 512
#define LISTS_MS 15000              /* for all lists: what is not known then is left out */

/* ---- choices ---- */

static bool all_single(struct json_object *list)
{
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (!json_object_is_type(json_object_array_get_idx(list, i), json_type_string))
			return false;
	return true;
}

struct json_object *comfyui_choices(struct json_object *class_info, const char *input)
{
	static const char *const groups[] = { "required", "optional" };
	for (size_t i = 0; i < 2; i++) {
		struct json_object *spec = fnr_json_get(fnr_json_get(fnr_json_get(class_info, "input"), groups[i]), input);
		if (!json_object_is_type(spec, json_type_array) || json_object_array_length(spec) == 0)
			continue;
		struct json_object *type = json_object_array_get_idx(spec, 0), *list = type;
		if (json_object_is_type(type, json_type_string) && strcmp(json_object_get_string(type), "COMBO") == 0)
			list = fnr_json_get(json_object_array_get_idx(spec, 1), "options");
		return json_object_is_type(list, json_type_array) && all_single(list) ? list : NULL;
	}
	return NULL;
}

/* What templates let people choose from, as "Class.input". */
static const struct { const char *class_, *input; } chosen[] = {
	{ "KSampler", "sampler_name" }, { "KSampler", "scheduler" }, { "ImageScaleBy", "upscale_method" },
};

/* ---- asking ---- */

static struct json_object *ask(const struct endpoint *endpoint, const char *path, struct http_answer *answer)
{
	struct http *http = http_to(endpoint, COMFYUI_HTTP);
	struct http_request request = { .path = path, .timeout_ms = ASK_MS };
	return http != NULL && http_ask(http, NULL, &request, answer) == HTTP_DONE ? answer->json : NULL;
}

void comfyui_found_memory(struct json_object *stats, struct json_object *found)
{
	struct json_object *system = fnr_json_get(stats, "system"), *devices = fnr_json_get(stats, "devices"), *list = json_object_new_array();
	fnr_json_set_int(found, "ram_total", fnr_json_get_int(system, "ram_total", 0));
	fnr_json_set_int(found, "ram_free", fnr_json_get_int(system, "ram_free", 0));
	for (size_t i = 0; json_object_is_type(devices, json_type_array) && i < json_object_array_length(devices); i++) {
		struct json_object *device = json_object_array_get_idx(devices, i), *entry = json_object_new_object();
		fnr_json_set_text(entry, "name", fnr_json_get_text(device, "name", NULL));
		fnr_json_set_int(entry, "vram_total", fnr_json_get_int(device, "vram_total", 0));
		fnr_json_set_int(entry, "vram_free", fnr_json_get_int(device, "vram_free", 0));
		json_object_array_add(list, entry);
	}
	fnr_json_set(found, "devices", list);
}

static int64_t count_of(struct json_object *queue, const char *name)
{
	struct json_object *list = fnr_json_get(queue, name);
	return json_object_is_type(list, json_type_array) ? (int64_t)json_object_array_length(list) : 0;
}

/* ---- models and choices ---- */

/* What was found at an endpoint, and when: the lists are long and change seldom, with the version or when files are added. */
static struct { char *url, *version; int64_t at; struct json_object *models, *choices; } lists[ENDPOINTS];

/* What of a list are names, as a new one. A server may list anything. */
static struct json_object *names_of(struct json_object *list, size_t most)
{
	struct json_object *names = json_object_new_array();
	for (size_t i = 0; json_object_is_type(list, json_type_array) && i < json_object_array_length(list) && json_object_array_length(names) < most; i++) {
		struct json_object *name = json_object_array_get_idx(list, i);
		if (json_object_is_type(name, json_type_string) && json_object_get_string_len(name) <= NAME_MOST)
			json_object_array_add(names, json_object_get(name));
	}
	return names;
}

/* The server says that there is nothing; not: it does not say, or something that nobody understands. */
static bool is_empty(struct json_object *list)
{
	return json_object_is_type(list, json_type_array) && json_object_array_length(list) == 0;
}

static void find_files(const struct endpoint *endpoint, const char *folder, struct json_object *models)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	struct fnr_buf name = FNR_BUF_INIT, path = FNR_BUF_INIT;
	fnr_buf_printf(&path, "/models/%s", http_encode(&name, folder));
	struct json_object *list = ask(endpoint, path.data, &answer), *files = names_of(list, FILES_MOST);
	if (json_object_array_length(files) > 0 || is_empty(list))
		fnr_json_set(models, folder, json_object_get(files));
	json_object_put(files);
	http_answer_clear(&answer);
	fnr_buf_free(&name);
	fnr_buf_free(&path);
}

static struct json_object *find_models(const struct endpoint *endpoint, int64_t deadline)
{
	struct json_object *models = json_object_new_object();
	struct http_answer answer = HTTP_ANSWER_INIT;
	struct json_object *folders = names_of(ask(endpoint, "/models", &answer), FOLDERS_MOST);
	http_answer_clear(&answer);
	for (size_t i = 0; i < json_object_array_length(folders) && fnr_mono_ms() < deadline; i++)
		find_files(endpoint, json_object_get_string(json_object_array_get_idx(folders, i)), models);
	json_object_put(folders);
	return models;
}

static struct json_object *find_choices(const struct endpoint *endpoint, int64_t deadline)
{
	struct json_object *choices = json_object_new_object();
	for (size_t i = 0; i < sizeof chosen / sizeof chosen[0] && fnr_mono_ms() < deadline; i++) {
		struct http_answer answer = HTTP_ANSWER_INIT;
		char path[128], name[128];
		snprintf(path, sizeof path, "/object_info/%s", chosen[i].class_);
		snprintf(name, sizeof name, "%s.%s", chosen[i].class_, chosen[i].input);
		struct json_object *list = comfyui_choices(fnr_json_get(ask(endpoint, path, &answer), chosen[i].class_), chosen[i].input);
		if (list != NULL)
			fnr_json_set(choices, name, names_of(list, FILES_MOST));
		http_answer_clear(&answer);
	}
	return choices;
}

static size_t place_of(const char *url)
{
	size_t oldest = 0;
	for (size_t i = 0; i < ENDPOINTS; i++) {
		if (lists[i].url != NULL && strcmp(lists[i].url, url) == 0)
			return i;
		if (lists[i].at < lists[oldest].at)
			oldest = i;
	}
	return oldest;
}

static void found_lists(const struct endpoint *endpoint, struct json_object *found)
{
	const char *version = fnr_json_get_text(found, "version", "");
	size_t i = place_of(endpoint->url);
	int64_t now = fnr_mono_ms();
	if (lists[i].url == NULL || strcmp(lists[i].url, endpoint->url) != 0 || strcmp(lists[i].version, version) != 0 || now - lists[i].at > LIST_KEEP_MS) {
		free(lists[i].url);
		free(lists[i].version);
		json_object_put(lists[i].models);
		json_object_put(lists[i].choices);
		lists[i].url = fnr_strdup(endpoint->url);
		lists[i].version = fnr_strdup(version);
		lists[i].at = now;
		lists[i].models = find_models(endpoint, now + LISTS_MS);
		lists[i].choices = find_choices(endpoint, now + LISTS_MS);
	}
	fnr_json_set(found, "models", json_object_get(lists[i].models));
	fnr_json_set(found, "choices", json_object_get(lists[i].choices));
}

bool comfyui_probe(const struct endpoint *endpoint, struct json_object *found, struct run_error *error)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	struct json_object *stats = ask(endpoint, "/system_stats", &answer);
	bool good = fnr_json_get(stats, "system") != NULL;
	if (good) {
		fnr_json_set_text(found, "version", fnr_json_get_text(fnr_json_get(stats, "system"), "comfyui_version", NULL));
		comfyui_found_memory(stats, found);
	} else {
		http_failed(&answer, error);
	}
	http_answer_clear(&answer);
	if (!good)
		return false;
	struct json_object *queue = ask(endpoint, "/queue", &answer);
	if (queue != NULL) {
		struct json_object *counts = json_object_new_object();
		fnr_json_set_int(counts, "running", count_of(queue, "queue_running"));
		fnr_json_set_int(counts, "pending", count_of(queue, "queue_pending"));
		fnr_json_set(found, "queue", counts);
	}
	http_answer_clear(&answer);
	found_lists(endpoint, found);
	return true;
}
