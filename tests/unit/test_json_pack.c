#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_pack.h"

/* Of everything that there is, at and beyond the limits of each short form; of a hundred members with longer and longer names and texts,
 * each so many-th. */
static struct json_object *everything(int step)
{
	static const char text[] =
		"{\"type\":\"string\",\"none\":null,\"yes\":true,\"no\":false,\"numbers\":[0,63,64,-1,-64,9007199254740991,-9007199254740991,0.1,1.50,-2e-9],"
		"\"empty\":[{},[],\"\"],\"nested\":[[[{\"a\":{\"b\":[{}]}}]]],\"two\":{\"a\":1,\"b\":2},\"umläut\":\"é\\u20ac\",\"min\":5,\"image/png\":\"image/png\"}";
	struct json_object *value = fnr_json_parse(text, strlen(text), NULL), *many = json_object_new_object();
	char name[400];

	for (int i = 0; i < 100; i += step) {
		snprintf(name, sizeof name, "member_%0*d", i * 2 + 1, i);
		fnr_json_set_text(many, name, name);
	}
	fnr_json_set(value, "many", many);
	return value;
}

static struct json_object *again(struct json_object *value)
{
	struct fnr_buf packed = FNR_BUF_INIT;
	struct json_object *read;

	fnr_json_pack(&packed, value);
	read = fnr_json_unpack(packed.data, packed.len, NULL);
	fnr_buf_free(&packed);
	return read;
}

Test(json_pack, round_trip)
{
	struct json_object *value = everything(1), *read = again(value);

	cr_expect_str_eq(fnr_json_text(read, NULL), fnr_json_text(value, NULL), "in the same order, and reals as they were written");
	cr_expect(json_object_equal(read, value));
	fnr_json_set_int(fnr_json_get(read, "two"), "c", 3);
	fnr_json_set_int(fnr_json_get(read, "two"), "d", 4);
	fnr_json_set_text(read, "type", "other");
	cr_expect_eq(json_object_object_length(fnr_json_get(read, "two")), 4, "it can be added to");
	json_object_put(read);
	read = again(value);
	cr_expect_str_eq(fnr_json_get_text(read, "type", ""), "string", "what one of them replaces the others keep");
	json_object_put(read);
	json_object_put(value);
	cr_expect_null(again(NULL));
}

Test(json_pack, is_small)
{
	static const char text[] = "{\"type\":\"integer\",\"min\":0,\"max\":100,\"default\":5,\"label\":\"Input 5\",\"description\":\"What it is for\",\"required\":true}";
	struct json_object *value = fnr_json_parse(text, strlen(text), NULL);
	struct fnr_buf packed = FNR_BUF_INIT;

	fnr_json_pack(&packed, value);
	cr_expect_lt(packed.len, strlen(text) / 2, "%zu bytes", packed.len);
	fnr_buf_free(&packed);
	json_object_put(value);
}

/* Records are ours, but disks are not. Ten members do: short and long names and texts are among them, and every byte is a try. */
Test(json_pack, nonsense_is_refused)
{
	struct json_object *value = everything(10);
	struct fnr_buf packed = FNR_BUF_INIT;
	char *own;

	fnr_json_pack(&packed, value);
	for (size_t len = 0; len < packed.len; len++) {
		own = malloc(len ? len : 1);                 /* so that a byte too many is noticed */
		memcpy(own, packed.data, len);
		cr_expect_null(fnr_json_unpack(own, len, NULL), "of %zu bytes", len);
		free(own);
	}
	fnr_buf_add(&packed, "x", 1);
	cr_expect_null(fnr_json_unpack(packed.data, packed.len, NULL), "something follows");
	packed.len--;
	for (size_t at = 0; at < packed.len; at++) {
		own = malloc(packed.len);
		for (int byte = 0; byte < 256; byte += 5) {
			memcpy(own, packed.data, packed.len);
			own[at] = (char)byte;
			json_object_put(fnr_json_unpack(own, packed.len, NULL));
		}
		free(own);
	}
	fnr_buf_reset(&packed);
	fnr_buf_add(&packed, "\1", 1);
	for (int i = 0; i < 1000; i++)
		fnr_buf_add(&packed, "\6\1", 2);
	fnr_buf_add(&packed, "\0", 1);
	cr_expect_null(fnr_json_unpack(packed.data, packed.len, NULL), "too deep");
	cr_expect_null(fnr_json_unpack("{\"a\":1}", 7, NULL));
	fnr_buf_free(&packed);
	json_object_put(value);
}
