#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "backends/comfyui.h"
#include "base/fs.h"
#include "base/text.h"
#include "files/media.h"
#include "files/path.h"

#define STALL_MS 120000
#define RESULTS_MOST 10000
#define TEXT_MOST 16384             /* bytes of words that are told with the job's result, */
#define TEXTS_MOST 100              /* and how many of them */

/* ---- what there is ---- */

/* All results, whatever node and kind: an array of {"node","kind","filename","subfolder","type","animated"}, of
 * {"node","kind":"text","text"}, or, if it came over the socket, {"node","kind","local"}. A taken one has "taken". */
static void add_result(struct json_object *results, const char *node, const char *kind, struct json_object *item, bool animated)
{
	struct json_object *result = json_object_new_object();
	const char *file = fnr_json_get_text(item, "filename", NULL), *type = fnr_json_get_text(item, "type", "output");
	bool text = json_object_is_type(item, json_type_string) && strcmp(kind, "text") == 0;
	bool folder = strcmp(type, "output") == 0 || strcmp(type, "temp") == 0 || strcmp(type, "input") == 0;
	if ((!text && (file == NULL || file[0] == '\0' || !folder)) || json_object_array_length(results) >= RESULTS_MOST) {
		json_object_put(result); /* a flag, a null, a path of the server's own: no file */
		return;
	}
	fnr_json_set_text(result, "node", node);
	fnr_json_set_text(result, "kind", kind);
	if (text) {
		fnr_json_set(result, "text", json_object_get(item));
	} else {
		fnr_json_set_text(result, "filename", file);
		fnr_json_set_text(result, "subfolder", fnr_json_get_text(item, "subfolder", ""));
		fnr_json_set_text(result, "type", type);
		fnr_json_set_bool(result, "animated", animated);
	}
	json_object_array_add(results, result);
}

static void add_node(struct json_object *results, const char *node, struct json_object *output)
{
	struct json_object *flags = fnr_json_get(output, "animated");
	bool animated = json_object_is_type(flags, json_type_array) && json_object_array_length(flags) > 0 &&
	                json_object_get_boolean(json_object_array_get_idx(flags, 0));
	if (!json_object_is_type(output, json_type_object))
		return;
	json_object_object_foreach(output, kind, items) {
		for (size_t i = 0; json_object_is_type(items, json_type_array) && i < json_object_array_length(items); i++)
			add_result(results, node, kind, json_object_array_get_idx(items, i), animated);
	}
}

static void add_received(struct json_object *results, struct json_object *received)
{
	for (size_t i = 0; i < json_object_array_length(received); i++) {
		struct json_object *picture = json_object_array_get_idx(received, i), *result = json_object_new_object();
		fnr_json_set_text(result, "node", fnr_json_get_text(picture, "node", ""));
		fnr_json_set_text(result, "kind", "images");
		fnr_json_set_text(result, "filename", fnr_json_get_text(picture, "file", ""));
		fnr_json_set_text(result, "local", fnr_json_get_text(picture, "file", ""));
		json_object_array_add(results, result);
	}
}

static struct json_object *results_make(struct comfyui *comfyui, struct json_object *outputs)
{
	struct json_object *results = json_object_new_array();
	if (json_object_is_type(outputs, json_type_object)) {
		json_object_object_foreach(outputs, node, output) {
			add_node(results, node, output);
		}
	}
	add_received(results, comfyui->received);
	return results;
}

/* ---- which of them is which output ---- */

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static bool fits_type(struct json_object *result, const char *type)
{
	bool text = strcmp(fnr_json_get_text(result, "kind", ""), "text") == 0, animated = fnr_json_get_bool(result, "animated", false);
	const char *media = path_media_type(fnr_json_get_text(result, "filename", ""));
	if (strcmp(type, "file") == 0)
		return !text;
	if (strcmp(type, "text") == 0)
		return text || starts_with(media, "text/");
	if (strcmp(type, "json") == 0)
		return strcmp(media, "application/json") == 0;
	if (strcmp(type, "video") == 0)
		return starts_with(media, "video/") || (animated && starts_with(media, "image/"));
	return !text && starts_with(media, strcmp(type, "audio") == 0 ? "audio/" : "image/");
}

/* spec: NULL, a node, or an object; temporary files count only where their node is named, or there is nothing else. */
static bool is_meant(struct json_object *result, struct json_object *spec, const char *type, bool temporary)
{
	const char *node = json_object_is_type(spec, json_type_string) ? json_object_get_string(spec) : fnr_json_get_text(spec, "node", NULL);
	const char *kind = json_object_is_type(spec, json_type_object) ? fnr_json_get_text(spec, "kind", NULL) : NULL;
	if (fnr_json_get(result, "taken") != NULL)
		return false;
	if (kind != NULL && strcmp(kind, fnr_json_get_text(result, "kind", "")) != 0)
		return false;
	if (node != NULL)
		return strcmp(node, fnr_json_get_text(result, "node", "")) == 0 && (kind != NULL || fits_type(result, type) || strcmp(type, "file") == 0);
	if (strcmp(type, "image") == 0 && fnr_json_get_bool(result, "animated", false)) /* a film, where nobody says otherwise */
		return false;
	return fits_type(result, type) && (temporary || strcmp(fnr_json_get_text(result, "type", ""), "temp") != 0);
}

/* ---- fetching ---- */

struct collecting {
	struct comfyui *comfyui;
	struct json_object *results;
	int dir;
	size_t fetched;
};

static enum run_result gone(struct comfyui *comfyui, struct json_object *result, const char *detail)
{
	/* a server that took it from its cache would do so again: the cache is dropped */
	struct json_object *body = json_object_new_object();
	struct http_answer answer = HTTP_ANSWER_INIT;
	fnr_json_set_bool(body, "free_memory", true);
	struct http_request request = { .path = "/free", .json = body, .timeout_ms = 5000, .regardless = true };
	http_ask(comfyui->http, comfyui->run, &request, &answer);
	http_answer_clear(&answer);
	json_object_put(body);
	return run_fail(comfyui->error, FNR_CLASS_TRANSIENT, "output_missing", "It is tried again.", "retry", detail,
	                "The server does not have the result \"%.100s\" any more.", fnr_json_get_text(result, "filename", ""));
}

/* Is what came what its name says? Not if it is a page (of a proxy that wants somebody to log in), or a picture of no kind. */
static bool is_broken(struct collecting *collecting, const struct http_answer *answer, const char *name)
{
	const char *wanted = path_media_type(name);
	char head[MEDIA_HEAD], found[64];
	bool picture = strcmp(wanted, "image/png") == 0 || strcmp(wanted, "image/jpeg") == 0 || strcmp(wanted, "image/webp") == 0 || strcmp(wanted, "image/gif") == 0;
	if (strcmp(answer->media_type, "text/html") == 0 && strcmp(wanted, "text/html") != 0)
		return true;
	if (!picture)
		return false;
	int fd = path_open(collecting->dir, name, O_RDONLY, 0);
	ssize_t len = fd >= 0 ? read(fd, head, sizeof head) : -1;
	fnr_fd_close(&fd);
	media_type_of(head, len > 0 ? (size_t)len : 0, NULL, "", found);
	return !starts_with(found, "image/");
}

static enum run_result download(struct collecting *collecting, struct json_object *result, const char *name)
{
	struct comfyui *comfyui = collecting->comfyui;
	struct fnr_buf path = FNR_BUF_INIT, value = FNR_BUF_INIT;
	struct http_answer answer = HTTP_ANSWER_INIT;
	enum run_result done = RUN_DONE;
	fnr_buf_printf(&path, "/view?filename=%s", http_encode(&value, fnr_json_get_text(result, "filename", "")));
	fnr_buf_printf(&path, "&subfolder=%s", http_encode(&value, fnr_json_get_text(result, "subfolder", "")));
	fnr_buf_printf(&path, "&type=%s", http_encode(&value, fnr_json_get_text(result, "type", "output")));
	struct http_request request = {
		.path = path.data, .limit = (size_t)comfyui->conf.script_file, .timeout_ms = -1, .stall_ms = STALL_MS,
	};
	if (http_download(comfyui->http, comfyui->run, &request, collecting->dir, name, &answer) != HTTP_DONE)
		done = answer.status == 404 ? gone(comfyui, result, answer.detail) : http_failed(&answer, comfyui->error);
	else if (answer.bytes == 0)
		done = run_fail(comfyui->error, FNR_CLASS_UNKNOWN, "output_empty", "Try again.", "retry", answer.asked, "The server delivered an empty file.");
	else if (is_broken(collecting, &answer, name))
		done = run_fail(comfyui->error, FNR_CLASS_TRANSIENT, "output_broken", "Look at what stands between here and the server, then try again.", "retry",
		                answer.asked, "What the server delivered as \"%.100s\" is something else.", fnr_json_get_text(result, "filename", ""));
	http_answer_clear(&answer);
	fnr_buf_free(&path);
	fnr_buf_free(&value);
	return done;
}

static enum run_result write_text(struct collecting *collecting, struct json_object *result, const char *name)
{
	struct json_object *text = fnr_json_get(result, "text");
	int fd = path_open(collecting->dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
	bool good = fd >= 0 && fnr_write_all(fd, json_object_get_string(text), (size_t)json_object_get_string_len(text));
	fnr_fd_close(&fd);
	return good ? RUN_DONE : run_fail(collecting->comfyui->error, FNR_CLASS_RESOURCE, "disk_full", "Look at the disk, then try again.",
	                                  "free_disk_space", name, "The result cannot be written.");
}

/* "image.png", "image_2.png", …: the server's names are only looked at for what kind of file it is. */
static void name_file(struct json_object *result, const char *output, char out[160])
{
	const char *dot = strrchr(fnr_json_get_text(result, "filename", ""), '.');
	bool text = fnr_json_get(result, "text") != NULL;
	snprintf(out, 160, "%.80s%.16s", output, text ? ".txt" : dot != NULL ? dot : "");
	if (!path_file_name_valid(out))
		snprintf(out, 160, "%.80s", output);
}

static enum run_result fetch(struct collecting *collecting, struct json_object *result, const char *output)
{
	struct comfyui *comfyui = collecting->comfyui;
	const char *local = fnr_json_get_text(result, "local", NULL);
	char name[160];
	enum run_result done = RUN_DONE;
	name_file(result, output, name);
	fnr_json_set_bool(result, "taken", true);
	if (local != NULL) {
		if (renameat(collecting->dir, local, collecting->dir, name) != 0)
			return run_fail(comfyui->error, FNR_CLASS_UNKNOWN, "output_missing", NULL, "retry", local, "A result is gone.");
	} else if (fnr_json_get(result, "text") != NULL) {
		done = write_text(collecting, result, name);
	} else {
		done = download(collecting, result, name);
	}
	collecting->fetched++;
	run_progress(comfyui->run, FNR_STAGE_FINALIZATION, (double)collecting->fetched / (double)(json_object_array_length(collecting->results) + 1), NULL);
	if (done == RUN_DONE && !run_output_own(comfyui->run, output, name, comfyui->error))
		done = RUN_FAILED;
	return done;
}

/* The results that are this output: one, or with `many` all; the number that was taken in *taken. */
static enum run_result fetch_meant(struct collecting *collecting, const char *output, struct json_object *declared, bool temporary, size_t *taken)
{
	struct json_object *spec = fnr_json_get(fnr_json_get(collecting->comfyui->backend, "outputs"), output);
	const char *type = fnr_json_get_text(declared, "type", "file");
	bool many = fnr_json_get_bool(declared, "many", false);
	int64_t skip = json_object_is_type(spec, json_type_object) ? fnr_json_get_int(spec, "index", 0) : 0;
	enum run_result done = RUN_DONE;
	for (size_t i = 0; i < json_object_array_length(collecting->results) && done == RUN_DONE && (many || *taken == 0); i++) {
		struct json_object *result = json_object_array_get_idx(collecting->results, i);
		char name[80];
		if (!is_meant(result, spec, type, temporary) || skip-- > 0)
			continue;
		snprintf(name, sizeof name, *taken == 0 ? "%.64s" : "%.56s_%zu", output, *taken + 1);
		++*taken;
		done = fetch(collecting, result, name);
	}
	return done;
}

static enum run_result fetch_output(struct collecting *collecting, const char *output, struct json_object *declared)
{
	size_t taken = 0;
	enum run_result done = fetch_meant(collecting, output, declared, false, &taken);
	if (done == RUN_DONE && collecting->fetched == 0)
		done = fetch_meant(collecting, output, declared, true, &taken);
	if (done != RUN_DONE || taken > 0 || fnr_json_get_bool(declared, "optional", false))
		return done;
	/* What was only sent over a socket is lost where nobody listened: made again, it is there. */
	return run_fail(collecting->comfyui->error, collecting->comfyui->joined ? FNR_CLASS_TRANSIENT : FNR_CLASS_PERMANENT, "output_missing", "Look at the outputs of the template's backend.", NULL,
	                fnr_json_text(collecting->results, NULL), "The workflow did not make \"%.64s\".", output);
}

/* Words that are no output of the template are told with the job's result. */
static void tell_texts(struct collecting *collecting)
{
	struct json_object *texts = json_object_new_array(), *told = json_object_new_object();
	for (size_t i = 0; i < json_object_array_length(collecting->results); i++) {
		struct json_object *result = json_object_array_get_idx(collecting->results, i);
		struct json_object *text = fnr_json_get(result, "text");
		if (text != NULL && fnr_json_get(result, "taken") == NULL && json_object_get_string_len(text) <= TEXT_MOST && json_object_array_length(texts) < TEXTS_MOST)
			json_object_array_add(texts, json_object_get(text));
	}
	bool any = json_object_array_length(texts) > 0;
	fnr_json_set(told, "texts", texts);
	if (any)
		run_result(collecting->comfyui->run, told);
	json_object_put(told);
}

enum run_result comfyui_collect(struct comfyui *comfyui, struct json_object *outputs)
{
	struct json_object *declared = fnr_json_get(comfyui->run->definition, "outputs");
	struct collecting collecting = { .comfyui = comfyui, .results = results_make(comfyui, outputs) };
	enum run_result done = RUN_DONE;
	collecting.dir = open(comfyui->run->work_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	run_progress(comfyui->run, FNR_STAGE_FINALIZATION, 0, NULL);
	if (json_object_is_type(declared, json_type_object)) {
		json_object_object_foreach(declared, name, output) {
			if (done == RUN_DONE)
				done = fetch_output(&collecting, name, output);
		}
	}
	if (done == RUN_DONE)
		tell_texts(&collecting);
	fnr_fd_close(&collecting.dir);
	json_object_put(collecting.results);
	return done;
}
