#include "config.h"

#include "worker/wire.h"

#include <errno.h>
#include <unistd.h>

#include "base/fs.h"

#define LENGTH_SIZE 4
#define READ_SIZE 65536

void wire_add(struct fnr_buf *out, struct json_object *message)
{
	size_t len;
	const char *text = fnr_json_text(message, &len);
	FNR_MUST(len <= WIRE_MAX);
	char length[LENGTH_SIZE] = { (char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len };
	fnr_buf_add(out, length, sizeof length);
	fnr_buf_add(out, text, len);
}

int wire_take(struct fnr_buf *in, struct json_object **message_r)
{
	if (in->len < LENGTH_SIZE)
		return 0;
	const unsigned char *at = (const unsigned char *)in->data;
	size_t len = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
	if (len > WIRE_MAX)
		return -1;
	if (in->len - LENGTH_SIZE < len)
		return 0;
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *message = fnr_json_parse_own(in->data + LENGTH_SIZE, len, &err);
	fnr_error_clear(&err);
	if (!json_object_is_type(message, json_type_object)) {
		json_object_put(message);
		return -1;
	}
	fnr_buf_drop(in, LENGTH_SIZE + len);
	*message_r = message;
	return 1;
}

bool wire_receive(int fd, struct fnr_buf *in, struct json_object **message_r)
{
	for (;;) {
		int taken = wire_take(in, message_r);
		if (taken != 0)
			return taken > 0;
		ssize_t got = read(fd, fnr_buf_room(in, READ_SIZE), READ_SIZE);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		in->len += (size_t)got;
	}
}
