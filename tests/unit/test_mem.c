#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

Test(mem, copies)
{
	char *text = fnr_asprintf("%s-%d", "a", 5), *copy = fnr_memdup0("a\0b", 3);

	cr_assert_str_eq(text, "a-5");
	cr_assert(copy[3] == 0 && memcmp(copy, "a\0b", 3) == 0);
	free(text);
	free(copy);
	free(fnr_alloc(0));
}

static void use_arena(struct fnr_arena *arena)
{
	unsigned char *memory;
	size_t size, i;
	int round;

	for (round = 0; round < 3; round++) {
		for (size = 0; size < 20000; size = size * 2 + 1) {
			memory = fnr_arena_alloc(arena, size);
			cr_assert_eq((uintptr_t)memory % _Alignof(max_align_t), 0);
			for (i = 0; i < size; i++)
				cr_assert_eq(memory[i], 0);
			memset(memory, 0xff, size);
		}
		for (i = 0; i < 5000; i++)
			cr_assert_str_eq(fnr_arena_printf(arena, "number %zu", i) + 7, fnr_arena_printf(arena, "%zu", i));
		cr_assert_str_eq(fnr_arena_strdup(arena, "x"), "x");
		cr_assert_eq(memcmp(fnr_arena_memdup0(arena, "a\0b", 3), "a\0b", 4), 0);
		fnr_arena_reset(arena);
	}
	fnr_arena_free(arena);
}

Test(mem, arena)
{
	use_arena(fnr_arena_create());
	use_arena(fnr_arena_create_small());
	fnr_arena_free(NULL);
}

Test(buf, grows_and_ends_with_zero)
{
	struct fnr_buf buf = FNR_BUF_INIT;
	int i;

	for (i = 0; i < 1000; i++) {
		fnr_buf_printf(&buf, "%d,", i);
		cr_assert_eq(buf.data[buf.len], 0);
		cr_assert(buf.len < buf.size);
	}
	cr_assert_eq(buf.len, 3890);
	fnr_buf_drop(&buf, 3886);
	cr_assert_str_eq(buf.data, "999,");
	fnr_buf_drop(&buf, 0);
	fnr_buf_reset(&buf);
	cr_assert_str_eq(buf.data, "");
	fnr_buf_puts(&buf, "abc");
	fnr_buf_add(&buf, NULL, 0);
	cr_assert_str_eq(buf.data, "abc");
	fnr_buf_printf(&buf, "%0500d", 7);
	cr_assert_eq(buf.len, 503);
	fnr_buf_free(&buf);
	cr_assert_null(buf.data);
	fnr_buf_reset(&buf);
	fnr_buf_drop(&buf, 0);
}

Test(buf, room)
{
	struct fnr_buf buf = FNR_BUF_INIT;

	memcpy(fnr_buf_room(&buf, 100), "abc", 3);
	buf.len += 3;
	cr_assert_str_eq(buf.data, "abc");
	memset(fnr_buf_room(&buf, 5000), 'x', 5000);
	buf.len += 5000;
	cr_assert_eq(strlen(buf.data), 5003);
	fnr_buf_free(&buf);
}

Test(buf, take)
{
	struct fnr_buf buf = FNR_BUF_INIT;
	char *text = fnr_buf_take(&buf);

	cr_assert_str_eq(text, "");
	free(text);
	fnr_buf_puts(&buf, "abc");
	text = fnr_buf_take(&buf);
	cr_assert_str_eq(text, "abc");
	cr_assert_null(buf.data);
	free(text);
}
