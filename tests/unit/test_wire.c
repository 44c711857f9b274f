/* Frames between manager and workers. */
#include "config.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fs.h"
#include "worker/wire.h"

static struct json_object *message_of(int number)
{
	struct json_object *message = json_object_new_object();
	fnr_json_set_text(message, "type", "progress");
	fnr_json_set_int(message, "number", number);
	return message;
}

Test(wire, frames_come_out_as_they_went_in_byte_by_byte)
{
	struct fnr_buf out = FNR_BUF_INIT, in = FNR_BUF_INIT;
	for (int i = 0; i < 3; i++) {
		struct json_object *message = message_of(i);
		wire_add(&out, message);
		json_object_put(message);
	}
	int found = 0;
	for (size_t i = 0; i < out.len; i++) {
		struct json_object *message;
		fnr_buf_add(&in, out.data + i, 1);
		int taken = wire_take(&in, &message);
		cr_assert_geq(taken, 0);
		if (taken == 0)
			continue;
		cr_assert_eq(fnr_json_get_int(message, "number", -1), found++);
		json_object_put(message);
	}
	cr_assert_eq(found, 3);
	cr_assert_eq(in.len, 0);
	fnr_buf_free(&out);
	fnr_buf_free(&in);
}

Test(wire, several_frames_in_one_read)
{
	struct fnr_buf buf = FNR_BUF_INIT;
	struct json_object *message = message_of(7);
	wire_add(&buf, message);
	wire_add(&buf, message);
	json_object_put(message);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(wire_take(&buf, &message), 1);
		json_object_put(message);
	}
	cr_assert_eq(wire_take(&buf, &message), 0);
	fnr_buf_free(&buf);
}

Test(wire, what_is_no_frame_is_refused)
{
	static const struct { const char *name, *bytes; size_t len; } cases[] = {
		{ "too long", "\x0c\x00\x00\x01", 4 }, { "all ones", "\xff\xff\xff\xff", 4 },
		{ "empty", "\0\0\0\0", 4 }, { "not JSON", "\0\0\0\x02{]", 6 }, { "an array", "\0\0\0\x02[]", 6 },
		{ "null", "\0\0\0\x04null", 8 }, { "a number", "\0\0\0\x01" "1", 5 }, { "HTTP", "GET / HTTP/1.1\r\n", 16 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fnr_buf buf = FNR_BUF_INIT;
		struct json_object *message = NULL;
		fnr_buf_add(&buf, cases[i].bytes, cases[i].len);
		cr_expect_eq(wire_take(&buf, &message), -1, "%s", cases[i].name);
		fnr_buf_free(&buf);
	}
}

Test(wire, a_large_message_is_received_and_the_end_is_noticed, .timeout = 600)
{
	int pair[2];
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	size_t size = 8u << 20;
	pid_t pid = fork();
	if (pid == 0) {
		char *text = malloc(size + 1);
		memset(text, 'x', size);
		text[size] = '\0';
		struct json_object *message = json_object_new_object();
		fnr_json_set_text(message, "text", text);
		struct fnr_buf out = FNR_BUF_INIT;
		wire_add(&out, message);
		_exit(fnr_write_all(pair[1], out.data, out.len) ? 0 : 1);
	}
	close(pair[1]);
	struct fnr_buf in = FNR_BUF_INIT;
	struct json_object *message;
	cr_assert(wire_receive(pair[0], &in, &message));
	cr_assert_eq(strlen(fnr_json_get_text(message, "text", "")), size);
	json_object_put(message);
	cr_assert_not(wire_receive(pair[0], &in, &message));
	fnr_buf_free(&in);
	close(pair[0]);
}
