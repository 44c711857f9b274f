#include "events/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define HEAD_MOST 96

static struct message *message_room(size_t room)
{
	struct message *message = fnr_alloc(sizeof *message + room);

	message->refs = 1;
	return message;
}

/* A raw line end inside the data would end the field, so each line becomes a field of its own (the client joins them). */
static size_t add_data(char *out, const char *data, size_t len)
{
	char *at = out;

	memcpy(at, "data: ", 6);
	at += 6;
	for (size_t i = 0; i < len; i++) {
		if (data[i] != '\n' && data[i] != '\r') {
			*at++ = data[i];
			continue;
		}
		memcpy(at, "\ndata: ", 7);
		at += 7;
	}
	return (size_t)(at - out);
}

static size_t count_lines(const char *data, size_t len)
{
	size_t lines = 1;

	for (size_t i = 0; i < len; i++)
		lines += data[i] == '\n' || data[i] == '\r';
	return lines;
}

struct message *message_make(uint64_t id, const char *name, const char *data, size_t len)
{
	struct message *message = message_room(HEAD_MOST + len + 7 * count_lines(data, len) + 2);
	char *at = message->text;

	if (id != MESSAGE_NO_ID)
		at += sprintf(at, "id: %" PRIu64 "\n", id);
	at += snprintf(at, HEAD_MOST - 32, "event: %s\n", name);
	at += add_data(at, data, len);
	memcpy(at, "\n\n", 2);
	message->len = (size_t)(at + 2 - message->text);
	return message;
}

struct message *message_raw(const char *text)
{
	size_t len = strlen(text);
	struct message *message = message_room(len);

	memcpy(message->text, text, len);
	message->len = len;
	return message;
}

struct message *message_hold(struct message *message)
{
	message->refs++;
	return message;
}

void message_drop(struct message *message)
{
	if (message && --message->refs == 0)
		free(message);
}
