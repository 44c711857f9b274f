#include "cli/client_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define LINE_MOST (64u << 20)

/* ---- streams (the text/event-stream of the HTML standard) ---- */

struct stream {
	struct client *client;
	client_event *event;
	void *context;
	struct fnr_buf in, data, body;
	char id[64], name[64];
	bool stop;
};

static void dispatch(struct stream *stream)
{
	struct json_object *data = stream->data.len ? fnr_json_parse(stream->data.data, stream->data.len, NULL) : NULL;

	if (data && !stream->stop)
		stream->stop = !stream->event(stream->id, stream->name, data, stream->context);
	json_object_put(data);
	fnr_buf_reset(&stream->data);
	stream->name[0] = 0;
}

static void take_line(struct stream *stream, char *line)
{
	char *value = strchr(line, ':');

	if (!*line) {
		dispatch(stream);
		return;
	}
	if (value)
		*value++ = 0;
	else
		value = line + strlen(line);
	if (*value == ' ')
		value++;
	if (strcmp(line, "id") == 0)
		fnr_text_copy(stream->id, sizeof stream->id, value);
	else if (strcmp(line, "event") == 0)
		fnr_text_copy(stream->name, sizeof stream->name, value);
	else if (strcmp(line, "data") == 0)
		fnr_buf_puts(&stream->data, value);
}

static size_t take_bytes(char *data, size_t size, size_t count, void *context)
{
	struct stream *stream = context;
	char *end;
	long status = 0;

	curl_easy_getinfo(stream->client->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		return client_collect(data, size, count, &stream->body);
	fnr_buf_add(&stream->in, data, size * count);
	while (stream->in.len && (end = memchr(stream->in.data, '\n', stream->in.len)) && !stream->stop) {
		size_t len = (size_t)(end - stream->in.data);

		*end = 0;
		if (len && stream->in.data[len - 1] == '\r')
			stream->in.data[len - 1] = 0;
		take_line(stream, stream->in.data);
		fnr_buf_drop(&stream->in, len + 1);
	}
	return stream->in.len > LINE_MOST ? 0 : size * count;
}

long client_stream(struct client *client, const char *path, const char *last_id, client_event *event, void *context, struct answer *answer_r)
{
	struct stream stream = { .client = client, .event = event, .context = context };
	char *resume = *last_id ? fnr_asprintf("Last-Event-ID: %.40s", last_id) : NULL;
	const char *const headers[] = { "Accept: text/event-stream", resume, NULL };
	struct curl_slist *list = client_headers(client, headers, NULL);
	long status = 0;

	client_prepare(client, path, list);
	curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &stream);
	/* Comments come every 15 s: silence for a minute is a lost connection. */
	curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_TIME, 60L);
	client_perform(client, &stream.stop);
	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
	*answer_r = (struct answer){ status, stream.body.len ? fnr_json_parse(stream.body.data, stream.body.len, NULL) : NULL };
	curl_slist_free_all(list);
	free(resume);
	fnr_buf_free(&stream.in);
	fnr_buf_free(&stream.data);
	fnr_buf_free(&stream.body);
	return status;
}
