#include <criterion/criterion.h>
#include <string.h>

#include "base/pack.h"

static struct fnr_buf packed(void)
{
	struct fnr_buf buf = FNR_BUF_INIT;
	struct fnr_id id = { { 1, 2, 3 } };

	fnr_put_u8(&buf, 0xab);
	fnr_put_u16(&buf, 0x0102);
	fnr_put_u32(&buf, 0xdeadbeef);
	fnr_put_u64(&buf, UINT64_C(0x0123456789abcdef));
	fnr_put_id(&buf, &id);
	fnr_put_bytes(&buf, "a\0b", 3);
	fnr_put_text(&buf, "text");
	fnr_put_text(&buf, NULL);
	return buf;
}

static void unpack(struct fnr_reader *reader, bool check)
{
	const char *data;
	struct fnr_id id;
	char text[8];
	size_t len;
	uint64_t all;

	all = fnr_get_u8(reader) == 0xab && fnr_get_u16(reader) == 0x0102 && fnr_get_u32(reader) == 0xdeadbeef &&
	      fnr_get_u64(reader) == UINT64_C(0x0123456789abcdef);
	id = fnr_get_id(reader);
	data = fnr_get_bytes(reader, &len);
	cr_assert_not_null(data);
	cr_assert(!check || (all && id.bytes[2] == 3 && len == 3 && memcmp(data, "a\0b", 3) == 0));
	cr_assert(fnr_get_text(reader, text, sizeof text) || !check);
	cr_assert(!check || strcmp(text, "text") == 0);
	cr_assert(fnr_get_text(reader, text, sizeof text) || !check);
	cr_assert(!check || text[0] == 0);
}

Test(pack, round_trip)
{
	struct fnr_buf buf = packed();
	struct fnr_reader reader = FNR_READER(buf.data, buf.len);

	unpack(&reader, true);
	cr_assert_not(reader.failed);
	cr_assert_eq(reader.at, buf.len);
	fnr_buf_free(&buf);
}

Test(pack, is_big_endian)
{
	struct fnr_buf buf = FNR_BUF_INIT;

	fnr_put_u32(&buf, 0x01020304);
	fnr_put_text(&buf, "x");
	cr_assert_eq(buf.len, 9);
	cr_assert_eq(memcmp(buf.data, "\1\2\3\4\0\0\0\1x", 9), 0);
	fnr_buf_free(&buf);
}

Test(pack, every_truncation_fails)
{
	struct fnr_buf buf = packed(), part = FNR_BUF_INIT;
	size_t len;

	for (len = 0; len < buf.len; len++) {
		fnr_buf_free(&part); /* memory of its own, so that a read past the end is seen */
		fnr_buf_add(&part, buf.data, len);
		struct fnr_reader reader = FNR_READER(part.data, len);
		unpack(&reader, false);
		cr_assert(reader.failed, "%zu of %zu bytes", len, buf.len);
	}
	fnr_buf_free(&part);
	fnr_buf_free(&buf);
}

Test(pack, failed_stays_failed)
{
	struct fnr_reader reader = FNR_READER("\1\2\3", 3), none = FNR_READER(NULL, 0);
	size_t len = 7;

	cr_assert_eq(fnr_get_u32(&reader), 0);
	cr_assert(reader.failed);
	cr_assert_eq(fnr_get_u8(&reader), 0);
	fnr_get_bytes(&reader, &len);
	cr_assert_eq(len, 0);
	cr_assert_eq(fnr_get_u8(&none), 0);
	cr_assert(none.failed);
}

Test(pack, lengths_that_lie)
{
	struct fnr_reader reader = FNR_READER("\xff\xff\xff\xff" "abc", 7);
	size_t len;

	fnr_get_bytes(&reader, &len);
	cr_assert(reader.failed && len == 0);
}

Test(pack, text_that_does_not_fit)
{
	struct fnr_reader large = FNR_READER("\0\0\0\4abcd", 8), zero = FNR_READER("\0\0\0\3a\0b", 7),
	                  exact = FNR_READER("\0\0\0\3abc", 7);
	char out[4] = "xyz";

	cr_assert_not(fnr_get_text(&large, out, sizeof out));
	cr_assert(large.failed);
	cr_assert_str_eq(out, "");
	cr_assert_not(fnr_get_text(&zero, out, sizeof out));
	cr_assert(fnr_get_text(&exact, out, sizeof out));
	cr_assert_str_eq(out, "abc");
}
