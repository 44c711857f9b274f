/* Which node classes a server has: the names of what /object_info tells, megabytes of which nothing else is wanted, so that they are looked
 * through as they come and nothing is kept of them; and the names for which /node_replacements says that the server takes another class,
 * which newer servers do when a prompt comes. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "backends/comfyui.h"
#include "base/clock.h"
#include "base/text.h"
#include "registry/nodes.h"

#define TIME_MS 20000               /* for all of it */
#define BYTES_MOST (128u << 20)
#define NAME_MOST 1024
#define WAIT_MS 500

/* The names of the members of an object, as its text comes piece by piece. */
struct scan {
	struct nodes *nodes;
	struct fnr_buf name;            /* as it stands in the text */
	size_t bytes;
	int depth;
	bool text, escaped;             /* within a text, behind its backslash */
	bool named;                     /* the member at hand has its name already */
	bool begun, over, broken;
};

/* Names with escapes are read as all JSON is. */
static void take_name(struct scan *scan)
{
	struct json_object *text = NULL;
	if (scan->name.len > 0 && memchr(scan->name.data, '\\', scan->name.len) != NULL) {
		struct fnr_buf quoted = FNR_BUF_INIT;
		fnr_buf_printf(&quoted, "\"%s\"", scan->name.data);
		text = fnr_json_parse_foreign(quoted.data, quoted.len, NULL);
		fnr_buf_free(&quoted);
		scan->broken |= text == NULL;
	}
	if (text != NULL)
		nodes_add(scan->nodes, json_object_get_string(text), (size_t)json_object_get_string_len(text));
	else if (!scan->broken)
		nodes_add(scan->nodes, scan->name.len > 0 ? scan->name.data : "", scan->name.len);
	scan->broken |= scan->nodes->count > NODES_MOST;
	json_object_put(text);
}

static void scan_text(struct scan *scan, char c)
{
	bool name = scan->depth == 1 && !scan->named;
	if (c == '"' && !scan->escaped) {
		scan->text = false;
		if (name)
			take_name(scan);
		return;
	}
	scan->escaped = c == '\\' && !scan->escaped;
	if (name)
		fnr_buf_add(&scan->name, &c, 1);
	scan->broken |= scan->name.len > NAME_MOST;
}

static void scan_mark(struct scan *scan, char c)
{
	if (!scan->begun && c != '{' && strchr(" \t\r\n", c) == NULL)
		scan->broken = true;
	switch (c) {
	case '"':
		scan->text = true;
		fnr_buf_reset(&scan->name);
		break;
	case '{':
	case '[':
		scan->begun = true;
		scan->depth++;
		break;
	case '}':
	case ']':
		scan->over = --scan->depth == 0;
		break;
	case ':':
		scan->named |= scan->depth == 1;
		break;
	case ',':
		scan->named &= scan->depth != 1;
		break;
	default:
		break;
	}
}

static bool take(const char *data, size_t len, void *context)
{
	struct scan *scan = context;
	scan->bytes += len;
	for (size_t i = 0; i < len && !scan->broken && !scan->over; i++) {
		if (scan->text)
			scan_text(scan, data[i]);
		else
			scan_mark(scan, data[i]);
	}
	return !scan->broken && scan->bytes <= BYTES_MOST;
}

/* A server that has no such route, or no object there, has none of these. */
static bool is_certain(const struct http_answer *answer, const struct scan *scan)
{
	if (answer->result == HTTP_STATUS)
		return answer->status == 404 || answer->status == 405;
	return answer->result == HTTP_DONE ? scan->over : answer->result == HTTP_ENOUGH && !scan->begun;
}

/* False: nobody knows. */
static bool find(const struct endpoint *endpoint, const char *path, int64_t deadline, struct nodes *nodes)
{
	struct http *http = http_to(endpoint, COMFYUI_HTTP);
	struct http_request request = { .path = path, .timeout_ms = deadline - fnr_mono_ms() };
	struct http_answer answer = HTTP_ANSWER_INIT;
	struct scan scan = { .nodes = nodes, .name = FNR_BUF_INIT };
	if (http == NULL || request.timeout_ms <= 0)
		return false;
	struct http_stream *stream = http_stream_open(http, &request, take, &scan, &answer);
	while (!http_stream_over(stream) && fnr_mono_ms() < deadline + WAIT_MS)
		http_wait(http, NULL, WAIT_MS);
	bool good = http_stream_over(stream) && is_certain(&answer, &scan);
	http_stream_close(stream);
	http_answer_clear(&answer);
	fnr_buf_free(&scan.name);
	return good;
}

void comfyui_probe_nodes(const struct endpoint *endpoint, struct json_object *found)
{
	struct nodes nodes = NODES_INIT;
	int64_t deadline = fnr_mono_ms() + TIME_MS;
	bool known = find(endpoint, "/object_info", deadline, &nodes) && nodes.count > 0 && find(endpoint, "/node_replacements", deadline, &nodes);
	char *text = known ? nodes_text(&nodes) : NULL;
	if (text != NULL)
		fnr_json_set_text(found, "nodes", text);
	free(text);
	nodes_free(&nodes);
}
