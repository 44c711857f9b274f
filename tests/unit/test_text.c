#include <criterion/criterion.h>
#include <string.h>

#include "base/text.h"

Test(text, utf8)
{
	static const char *const good[] = {
		"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
	};
	static const char *const bad[] = {
		"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80",
		"\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff", "a\xe2\x28\xa1",
	};
	size_t i;

	for (i = 0; i < sizeof good / sizeof good[0]; i++)
		cr_expect(fnr_utf8_valid(good[i], strlen(good[i])), "good %zu", i);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_expect_not(fnr_utf8_valid(bad[i], strlen(bad[i])), "bad %zu", i);
	cr_assert(fnr_utf8_valid("a\0b", 3));
	cr_assert_eq(fnr_utf8_length("a\xc3\xa9\xf0\x9f\x98\x80"), 3);
	cr_assert_eq(fnr_utf8_step("\xc3\xa9", 1), 0);
	cr_assert_eq(fnr_utf8_step("\xc3\xa9", 2), 2);
	cr_assert_eq(fnr_utf8_step("", 0), 0);
}

static void cleaned(const char *text, const char *expected)
{
	char copy[64];

	strcpy(copy, text);
	fnr_text_clean(copy);
	cr_expect_str_eq(copy, expected);
}

Test(text, clean)
{
	cleaned("", "");
	cleaned("a\tb\r\nc", "a b  c");
	cleaned("\x1b[31m\x7f\x01", "?[31m??");
	cleaned("\xc3\xa9\xff\xe2\x82x", "\xc3\xa9???x");
	cleaned("a\xc2\x85z", "a?z");
	cleaned("\xc2", "?");
}

Test(text, copy)
{
	char out[6];

	fnr_text_copy(out, sizeof out, "abc");
	cr_assert_str_eq(out, "abc");
	fnr_text_copy(out, sizeof out, "abcde");
	cr_assert_str_eq(out, "abcde");
	fnr_text_copy(out, sizeof out, "abcdef");
	cr_assert_str_eq(out, "abcde");
	fnr_text_copy(out, sizeof out, "abcd\xc3\xa9");
	cr_assert_str_eq(out, "abcd");
	fnr_text_copy(out, sizeof out, "abc\xc3\xa9z");
	cr_assert_str_eq(out, "abc\xc3\xa9");
	fnr_text_copy(out, sizeof out, "ab\xf0\x9f\x98\x80");
	cr_assert_str_eq(out, "ab");
	fnr_text_copy(out, 1, "abc");
	cr_assert_str_eq(out, "");
	fnr_text_copy(out, 2, "\xc3\xa9");
	cr_assert_str_eq(out, "");
}

Test(text, names)
{
	static const char *const good[] = {
		"a", "Z9", "0", "film-2", "take_001", "v1.2", "a..b",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	static const char *const bad[] = {
		"", ".", "..", ".a", "-a", "_a", "a/b", "a b", "a\n", "\xc3\xa9", "a\xc3\xa9", "a:b",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	size_t i;

	for (i = 0; i < sizeof good / sizeof good[0]; i++)
		cr_expect(fnr_name_valid(good[i]), "%s", good[i]);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_expect_not(fnr_name_valid(bad[i]), "%s", bad[i]);
	cr_assert_not(fnr_name_valid(NULL));
}

Test(text, is_found_in_any_script)
{
	cr_assert(fnr_text_has("Über die Straße", "über"));
	cr_assert(fnr_text_has("Über die Straße", "STRAße"));
	cr_assert(fnr_text_has("по-Русски", "РУССКИ"));
	cr_assert(fnr_text_has("ΑΒΓ", "βγ"));
	cr_assert(fnr_text_has("標題卡", "題"));
	cr_assert(fnr_text_has("Title Card", "CARD"));
	cr_assert(fnr_text_has("x", ""));
	cr_assert_not(fnr_text_has("", "ü"));
	cr_assert_not(fnr_text_has("Über", "übers"));
	cr_assert_not(fnr_text_has("Uber", "über"));
}

Test(text, nearest)
{
	static const char *const words[] = { "workers.max", "workers.min", "prompt", "seed", "steps" };
	size_t count = sizeof words / sizeof words[0];
	char longest[300];

	cr_assert_str_eq(fnr_text_nearest("promt", words, count), "prompt");
	cr_assert_str_eq(fnr_text_nearest("prompt", words, count), "prompt");
	cr_assert_str_eq(fnr_text_nearest("step", words, count), "steps");
	cr_assert_str_eq(fnr_text_nearest("wrokers.max", words, count), "workers.max");
	cr_assert_str_eq(fnr_text_nearest("workers.mix", words, count), "workers.max");
	cr_assert_str_eq(fnr_text_nearest("PROMPT", words, count), "prompt");
	cr_assert_null(fnr_text_nearest("workers", words, count));
	cr_assert_null(fnr_text_nearest("date", (const char *const[]){ "file", "array" }, 2), "three of four letters are another word");
	cr_assert_str_eq(fnr_text_nearest("jbo", (const char *const[]){ "key", "job" }, 2), "job");
	cr_assert_str_eq(fnr_text_nearest("str", (const char *const[]){ "integer", "string" }, 2), "string");
	cr_assert_null(fnr_text_nearest("wo", words, count));
	cr_assert_null(fnr_text_nearest("prxxxxt", words, count));
	cr_assert_null(fnr_text_nearest("xyz", words, count));
	cr_assert_null(fnr_text_nearest("", words, count));
	cr_assert_null(fnr_text_nearest("seed", NULL, 0));
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = 0;
	cr_assert_null(fnr_text_nearest(longest, words, count));
}

Test(text, real)
{
	cr_assert_float_eq(fnr_text_real("1.5"), 1.5, 0);
}
