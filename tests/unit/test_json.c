#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

static struct json_object *parse(const char *text, struct fnr_error *err)
{
	return fnr_json_parse(text, strlen(text), err);
}

static void refused(const char *text, size_t len, const char *message)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value = fnr_json_parse(text, len, &err);

	cr_expect_null(value, "%s was taken", text);
	cr_expect_eq(err.code, FNR_E_MALFORMED, "%s: code %d", text, err.code);
	cr_expect(strstr(err.message, message), "%s: \"%s\" is not in \"%s\"", text, message, err.message);
	cr_expect(strstr(err.message, "line "), "%s: no line in \"%s\"", text, err.message);
	json_object_put(value);
	fnr_error_clear(&err);
}

static void survives(const char *text, const char *expected)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value = parse(text, &err);

	cr_expect_eq(err.code, FNR_OK, "%s: %s", text, err.message);
	cr_expect_str_eq(fnr_json_text(value, NULL), expected);
	json_object_put(value);
}

Test(json, takes_what_is_json)
{
	static const char *const cases[][2] = {
		{ "{}", "{}" },
		{ " [ ] ", "[]" },
		{ "\t\r\n true\n", "true" },
		{ "false", "false" },
		{ "\"\"", "\"\"" },
		{ "0", "0" },
		{ "-0", "0" },
		{ "-1", "-1" },
		{ "9007199254740991", "9007199254740991" },
		{ "-9007199254740991", "-9007199254740991" },
		{ "1.50", "1.50" },
		{ "1e2", "1e2" },
		{ "-1.5E+2", "-1.5E+2" },
		{ "1e-999", "1e-999" },
		{ "9007199254740993.0", "9007199254740993.0" },
		{ "[1,[2,{\"a\":[null]}]]", "[1,[2,{\"a\":[null]}]]" },
		{ "{\"a\":1,\"b\":{\"a\":2},\"A\":3}", "{\"a\":1,\"b\":{\"a\":2},\"A\":3}" },
		{ "{\"\":1}", "{\"\":1}" },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
		{ "\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"", "\"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"" },
		{ "\"\\ud7ff\\ue000\"", "\"\xed\x9f\xbf\xee\x80\x80\"" },
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
		survives(cases[i][0], cases[i][1]);
}

Test(json, refuses_what_is_not)
{
	static const char *const cases[][2] = {
		{ "", "ends" },
		{ "  ", "ends" },
		{ "0123", "may not begin with 0" },
		{ "-01", "may not begin with 0" },
		{ "00", "may not begin with 0" },
		{ "+1", "no JSON" },
		{ ".5", "no JSON" },
		{ "1.", "digit is missing" },
		{ "1.e5", "digit is missing" },
		{ "1e", "digit is missing" },
		{ "1e+", "digit is missing" },
		{ "1e+-2", "digit is missing" },
		{ "-", "digit is missing" },
		{ "0x10", "follows" },
		{ "1e999", "too large" },
		{ "-1e999", "too large" },
		{ "9007199254740992", "2^53-1" },
		{ "-9007199254740992", "2^53-1" },
		{ "100000000000000000000", "2^53-1" },
		{ "99999999999999999999999999999999999999999", "2^53-1" },
		{ "NaN", "no JSON" },
		{ "Infinity", "no JSON" },
		{ "-Infinity", "digit is missing" },
		{ "nul", "no JSON" },
		{ "nulll", "follows" },
		{ "True", "no JSON" },
		{ "'a'", "no JSON" },
		{ "{'a':1}", "double quotes" },
		{ "{a:1}", "double quotes" },
		{ "{1:1}", "double quotes" },
		{ "{\"a\":1,}", "double quotes" },
		{ "{,}", "double quotes" },
		{ "{\"a\"}", "':'" },
		{ "{\"a\":}", "no JSON" },
		{ "{\"a\":1 \"b\":2}", "','" },
		{ "{\"a\":1", "'}'" },
		{ "{", "double quotes" },
		{ "[", "ends" },
		{ "[1,]", "no JSON" },
		{ "[,1]", "no JSON" },
		{ "[1 2]", "','" },
		{ "[1", "']'" },
		{ "]", "no JSON" },
		{ "[1}", "','" },
		{ "1 2", "follows" },
		{ "{} x", "follows" },
		{ "{}}", "follows" },
		{ "[]//x", "follows" },
		{ "/*x*/1", "no JSON" },
		{ "\xef\xbb\xbf{}", "byte order mark" },
		{ "\xc2\xa0{}", "no JSON" },
		{ "\"abc", "no end" },
		{ "\"abc\\", "unknown escape" },
		{ "\"\\", "unknown escape" },
		{ "\"\\x41\"", "unknown escape" },
		{ "\"\\'\"", "unknown escape" },
		{ "\"a\nb\"", "U+000A" },
		{ "\"a\tb\"", "U+0009" },
		{ "\"\\u12\"", "four hexadecimal" },
		{ "\"\\u12g4\"", "four hexadecimal" },
		{ "\"\\u", "four hexadecimal" },
		{ "\"\\u0000\"", "U+0000" },
		{ "\"a\\u0000b\"", "U+0000" },
		{ "{\"\\u0000\":1}", "U+0000" },
		{ "{\"a\\u0000\":1}", "U+0000" },
		{ "\"\\ud800\"", "surrogate" },
		{ "\"\\udc00\"", "surrogate" },
		{ "\"\\ude00\\ud83d\"", "surrogate" },
		{ "\"\\ud83d\\ud83d\"", "surrogate" },
		{ "\"\\ud83dx\"", "surrogate" },
		{ "\"\\ud83d\\n\"", "surrogate" },
		{ "\"\\ud83d\\u", "four hexadecimal" },
		{ "\"\xed\xa0\x80\"", "UTF-8" },
		{ "\"\xc0\x80\"", "UTF-8" },
		{ "\"\xff\"", "UTF-8" },
		{ "\"\xe2\x82\"", "UTF-8" },
		{ "\"\xf4\x90\x80\x80\"", "UTF-8" },
		{ "{\"\xff\":1}", "UTF-8" },
		{ "{\"a\":1,\"a\":2}", "\"a\" is there twice" },
		{ "{\"a\":1,\"\\u0061\":2}", "\"a\" is there twice" },
		{ "{\"a\":null,\"b\":1,\"a\":null}", "\"a\" is there twice" },
		{ "[{\"x\":{\"y\":1,\"y\":1}}]", "\"y\" is there twice" },
		{ "{\"\":1,\"\":2}", "\"\" is there twice" },
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
		refused(cases[i][0], strlen(cases[i][0]), cases[i][1]);
}

Test(json, refuses_zero_bytes)
{
	refused("1\0", 2, "follows");
	refused("\0", 1, "no JSON");
	refused("\"a\0b\"", 5, "U+0000");
	refused("{\"a\0b\":1}", 9, "U+0000");
	refused("\"\\\0\"", 4, "unknown escape");
}

Test(json, reads_only_len_bytes)
{
	struct fnr_error err = FNR_ERROR_INIT;
	char exact[3] = { '1', '2', '3' };
	struct json_object *value = fnr_json_parse(exact, 2, &err);

	cr_assert_eq(json_object_get_int(value), 12);
	json_object_put(value);
	refused("\"ab\"", 3, "no end");
	refused("true", 3, "no JSON");
	refused(NULL, 0, "ends");
}

/* A nest of arrays, or of objects and arrays in turn, around a scalar. */
static char *nest(int depth, bool objects)
{
	struct fnr_buf text = FNR_BUF_INIT;
	int i;

	for (i = 0; i < depth; i++)
		fnr_buf_puts(&text, objects && i % 2 ? "{\"a\":" : "[");
	fnr_buf_puts(&text, "1");
	for (i = depth - 1; i >= 0; i--)
		fnr_buf_puts(&text, objects && i % 2 ? "}" : "]");
	return fnr_buf_take(&text);
}

Test(json, depth_is_64_at_most)
{
	char *text;

	text = nest(64, false);
	survives(text, text);
	free(text);
	text = nest(64, true);
	survives(text, text);
	free(text);
	text = nest(65, false);
	refused(text, strlen(text), "deeper than 64");
	free(text);
	text = nest(65, true);
	refused(text, strlen(text), "deeper than 64");
	free(text);
	text = nest(1000000, false);
	refused(text, strlen(text), "deeper than 64");
	free(text);
}

Test(json, what_we_wrote_ourselves_may_be_deeper)
{
	char *text = nest(128, true), *deeper = nest(129, true);
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value = fnr_json_parse_own(text, strlen(text), &err);

	cr_assert_not_null(value, "%s", err.message);
	json_object_put(value);
	cr_assert_null(fnr_json_parse_own(deeper, strlen(deeper), &err));
	cr_assert_eq(err.code, FNR_E_MALFORMED);
	fnr_error_clear(&err);
	free(text);
	free(deeper);
}

Test(json, depth_counts_nesting_not_siblings)
{
	struct fnr_buf text = FNR_BUF_INIT;
	int i;

	fnr_buf_puts(&text, "[[]");
	for (i = 0; i < 200; i++)
		fnr_buf_puts(&text, ",[{}]");
	fnr_buf_puts(&text, "]");
	survives(text.data, text.data);
	fnr_buf_free(&text);
}

Test(json, memory_for_values_is_limited)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value;

	fnr_buf_puts(&text, "[{}");
	while (text.len < 4u << 20)
		fnr_buf_puts(&text, ",{}");
	fnr_buf_puts(&text, "]");
	cr_assert_null(fnr_json_parse(text.data, text.len, &err));
	cr_assert_not_null(strstr(err.message, "1024 MiB"), "%s", err.message);
	fnr_error_clear(&err);
	cr_assert_null(fnr_json_parse_foreign(text.data, text.len, &err));
	cr_assert_not_null(strstr(err.message, "256 MiB"), "%s", err.message);
	fnr_error_clear(&err);
	value = fnr_json_parse_own(text.data, text.len, &err);
	cr_assert_not_null(value, "what was taken once must be read again");
	json_object_put(value);
	memset(text.data, ' ', text.len);
	fnr_buf_puts(&text, "[{}]");
	value = fnr_json_parse(text.data, text.len, &err);
	cr_assert_not_null(value, "%s", err.message);
	json_object_put(value);
	fnr_buf_free(&text);
}

Test(json, many_members_stay_in_order)
{
	struct fnr_buf text = FNR_BUF_INIT;
	int i;

	fnr_buf_puts(&text, "{\"m0\":0");
	for (i = 1; i < 5000; i++)
		fnr_buf_printf(&text, ",\"m%d\":%d", i, i);
	fnr_buf_puts(&text, "}");
	survives(text.data, text.data);
	text.data[--text.len] = 0;
	fnr_buf_puts(&text, ",\"m2500\":1}");
	refused(text.data, text.len, "\"m2500\" is there twice");
	fnr_buf_free(&text);
}

Test(json, messages_name_line_and_column)
{
	refused("{\n  \"\xc3\xa9\": [1,\n   tru]}", 21, "line 3, column 4");
	refused("{\"\xc3\xa9\": x}", 10, "line 1, column 7");
	refused("", 0, "line 1, column 1");
}

Test(json, null_is_no_failure)
{
	struct fnr_error err = { .code = FNR_E_IO };

	cr_assert_null(parse("null", &err));
	cr_assert_eq(err.code, FNR_OK);
	cr_assert_null(parse("nope", NULL));
}

Test(json, numbers_keep_their_value)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value = parse("[9007199254740991,-0,1.5,1e2,4.9e-324,1.7976931348623157e308]", &err);

	cr_assert_eq(json_object_get_int64(json_object_array_get_idx(value, 0)), INT64_C(9007199254740991));
	cr_assert(json_object_is_type(json_object_array_get_idx(value, 1), json_type_int));
	cr_assert(json_object_is_type(json_object_array_get_idx(value, 3), json_type_double));
	cr_assert_float_eq(json_object_get_double(json_object_array_get_idx(value, 2)), 1.5, 0);
	cr_assert_float_eq(json_object_get_double(json_object_array_get_idx(value, 5)), DBL_MAX, 0);
	json_object_put(value);
}

Test(json, setters_and_getters)
{
	struct json_object *object = json_object_new_object(), *copy;
	size_t len;

	fnr_json_set_text(object, "text", "a/b");
	fnr_json_set_text(object, "none", NULL);
	fnr_json_set_int(object, "int", INT64_C(-9007199254740991));
	fnr_json_set_bool(object, "bool", true);
	fnr_json_set_real(object, "real", 0.1);
	fnr_json_set_real(object, "whole", 3);
	fnr_json_set_real(object, "big", 1e300);
	fnr_json_set_real(object, "nan", NAN);
	fnr_json_set_time(object, "at", 1795435200123);
	fnr_json_set_time(object, "never", 0);
	cr_assert_str_eq(fnr_json_text(object, &len),
	                 "{\"text\":\"a/b\",\"none\":null,\"int\":-9007199254740991,\"bool\":true,\"real\":0.1,"
	                 "\"whole\":3.0,\"big\":1e+300,\"nan\":null,\"at\":\"2026-11-23T12:00:00.123Z\",\"never\":null}");
	cr_assert_eq(len, strlen(fnr_json_text(object, NULL)));
	cr_assert_str_eq(fnr_json_get_text(object, "text", "x"), "a/b");
	cr_assert_str_eq(fnr_json_get_text(object, "int", "x"), "x");
	cr_assert_null(fnr_json_get_text(object, "none", NULL));
	cr_assert_eq(fnr_json_get_int(object, "int", 7), INT64_C(-9007199254740991));
	cr_assert_eq(fnr_json_get_int(object, "text", 7), 7);
	cr_assert_eq(fnr_json_get_int(object, "real", 7), 7);
	cr_assert_eq(fnr_json_get_int(object, "whole", 7), 3);
	cr_assert_eq(fnr_json_get_int(object, "big", 7), 7);
	cr_assert(fnr_json_get_bool(object, "bool", false));
	cr_assert(fnr_json_get_bool(object, "missing", true));
	cr_assert_float_eq(fnr_json_get_real(object, "real", 7), 0.1, 0);
	cr_assert_float_eq(fnr_json_get_real(object, "bool", 7), 7, 0);
	cr_assert_null(fnr_json_get(NULL, "a"));
	copy = fnr_json_copy(object);
	fnr_json_set_int(object, "int", 1);
	cr_assert_eq(fnr_json_get_int(copy, "int", 0), INT64_C(-9007199254740991));
	cr_assert(strstr(fnr_json_text(copy, NULL), "\"real\":0.1,"));
	cr_assert_null(fnr_json_copy(NULL));
	cr_assert_str_eq(fnr_json_text(NULL, &len), "null");
	cr_assert_eq(len, 4);
	json_object_put(copy);
	json_object_put(object);
}

Test(json, pointer)
{
	char pointer[16] = "";

	fnr_json_pointer_add(pointer, sizeof pointer, "a/b~c");
	cr_assert_str_eq(pointer, "/a~1b~0c");
	fnr_json_pointer_add(pointer, sizeof pointer, "");
	cr_assert_str_eq(pointer, "/a~1b~0c/");
	fnr_json_pointer_add(pointer, sizeof pointer, "1234/\xc3\xa9");
	cr_assert_str_eq(pointer, "/a~1b~0c//1234");
	fnr_json_pointer_add(pointer, sizeof pointer, "x");
	cr_assert_str_eq(pointer, "/a~1b~0c//1234/");
	fnr_json_pointer_add(pointer, sizeof pointer, "x");
	cr_assert_str_eq(pointer, "/a~1b~0c//1234/");
}

Test(json, what_other_programs_write_is_mended)
{
	static const char *const cases[][2] = {
		{ "[NaN,Infinity,-Infinity,1e999]", "[null,null,null,null]" },
		{ "{\"app_id\":12345678901234567890}", "{\"app_id\":12345678901234567890}" },
		{ "-9007199254740993", "-9007199254740993" },
		{ "9007199254740991", "9007199254740991" },
		{ "\"a\\u0000b\"", "\"a\xef\xbf\xbd" "b\"" },
		{ "\"\\ud83d\"", "\"\xef\xbf\xbd\"" },
		{ "\"\\ud83dx\"", "\"\xef\xbf\xbdx\"" },
		{ "\"\\ud83d\\u0041\"", "\"\xef\xbf\xbd" "A\"" },
		{ "\"\\ude00\\ud83d\\ude00\"", "\"\xef\xbf\xbd\xf0\x9f\x98\x80\"" },
		{ "{\"a\":1,\"a\":[2]}", "{\"a\":[2]}" },
	};
	static const char *const wrong[] = { "Nan", "-NaN", "Inf", "-", "[1,]", "{'a':1}", "\"\\ud83d\\u00g0\"", "1 2", "", "\"\xff\"" };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;
		struct json_object *value = fnr_json_parse_foreign(cases[i][0], strlen(cases[i][0]), &err);

		cr_expect_eq(err.code, FNR_OK, "%s: %s", cases[i][0], err.message);
		cr_expect_str_eq(fnr_json_text(value, NULL), cases[i][1]);
		json_object_put(value);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;

		cr_expect_null(fnr_json_parse_foreign(wrong[i], strlen(wrong[i]), &err));
		cr_expect_eq(err.code, FNR_E_MALFORMED, "%s was taken", wrong[i]);
	}
}

Test(json, exact)
{
	static const char text[] = "[9007199254740993,-123456789012345678901234567890,1e999,\"a\\u0000b\"]";
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value = fnr_json_parse_exact(text, strlen(text), &err), *item;

	cr_assert(value, "%s", err.message);
	item = json_object_array_get_idx(value, 1);
	cr_expect(json_object_is_type(item, json_type_double));
	cr_expect_str_eq(json_object_get_userdata(item), "-123456789012345678901234567890");
	cr_expect_str_eq(json_object_get_userdata(json_object_array_get_idx(value, 0)), "9007199254740993");
	cr_expect_str_eq(json_object_get_userdata(json_object_array_get_idx(value, 2)), "1e999");
	cr_expect_eq(json_object_get_string_len(json_object_array_get_idx(value, 3)), 3);
	json_object_put(value);
	cr_expect_not(fnr_json_parse_exact("{\"a\\u0000\":1}", 12, &err));
	cr_expect_eq(err.code, FNR_E_MALFORMED);
}
