/* Inputs in short form: which forms are sound, which values fit, what they are as JSON Schema, how much is said. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/inputs.h"
#include "schema/pattern.h"
#include "schema/schema.h"

static struct json_object *parse(const char *text)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value = fnr_json_parse(text, strlen(text), &err);

	cr_assert_eq(err.code, FNR_OK, "%s: %s", text, err.message);
	return value;
}

/* "rule pointer" of the first problem, or "" */
static const char *first(const struct fnr_error *err, char out[256])
{
	struct json_object *entry = err->errors ? json_object_array_get_idx(err->errors, 0) : NULL;

	snprintf(out, 256, "%s%s%s", fnr_json_get_text(entry, "rule", ""), entry ? " " : "", fnr_json_get_text(entry, "pointer", ""));
	return out;
}

static size_t count(const struct fnr_error *err)
{
	return err->errors ? json_object_array_length(err->errors) : 0;
}

Test(inputs, forms)
{
	static const struct { const char *form, *problem; } cases[] = {
		{ "{\"type\":\"string\"}", "" },
		{ "{\"type\":\"string\",\"required\":true,\"label\":\"A\",\"description\":\"B\",\"group\":\"C\",\"unit\":\"D\"}", "" },
		{ "{\"type\":\"string\",\"min_length\":1,\"max_length\":3,\"pattern\":\"^a+$\",\"default\":\"aa\"}", "" },
		{ "{\"type\":\"string\",\"format\":\"color\",\"default\":\"#fff\"}", "" },
		{ "{\"type\":\"string\",\"enum\":[\"a\",\"b\"],\"default\":\"b\"}", "" },
		{ "{\"type\":\"integer\",\"min\":1,\"max\":3,\"enum\":[1,2,3],\"default\":2}", "" },
		{ "{\"type\":\"number\",\"exclusive_min\":0,\"exclusive_max\":1,\"default\":0.5}", "" },
		{ "{\"type\":\"number\",\"min\":1,\"max\":1}", "" },
		{ "{\"type\":\"file\",\"media\":[\"image/*\",\"audio/x-wav\"]}", "" },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"min\":0}},\"min_items\":1,\"default\":[[1]]}", "" },
		{ "{\"type\":\"any\",\"default\":{\"a\":1}}", "" },
		{ "{\"type\":\"string\",\"default\":null}", "" },
		{ "7", "type /a" },
		{ "null", "type /a" },
		{ "[]", "type /a" },
		{ "{}", "required /a/type" },
		{ "{\"type\":5}", "enum /a/type" },
		{ "{\"type\":\"text\"}", "enum /a/type" },
		{ "{\"type\":\"color\"}", "enum /a/type" },
		{ "{\"type\":\"string\",\"min\":1}", "unknown_member /a/min" },
		{ "{\"type\":\"string\",\"requird\":true}", "unknown_member /a/requird" },
		{ "{\"type\":\"string\",\"required\":\"yes\"}", "type /a/required" },
		{ "{\"type\":\"string\",\"min_length\":-1}", "type /a/min_length" },
		{ "{\"type\":\"string\",\"min_length\":1.5}", "type /a/min_length" },
		{ "{\"type\":\"string\",\"min_length\":3,\"max_length\":2}", "range /a/min_length" },
		{ "{\"type\":\"string\",\"pattern\":\"(\"}", "pattern /a/pattern" },
		{ "{\"type\":\"string\",\"pattern\":\"\\\\C\"}", "pattern /a/pattern" },
		{ "{\"type\":\"string\",\"pattern\":null}", "type /a/pattern" },
		{ "{\"type\":\"string\",\"format\":\"colour\"}", "enum /a/format" },
		{ "{\"type\":\"string\",\"enum\":[]}", "type /a/enum" },
		{ "{\"type\":\"string\",\"enum\":{}}", "type /a/enum" },
		{ "{\"type\":\"string\",\"enum\":[\"a\"],\"default\":\"b\"}", "enum /a/default" },
		{ "{\"type\":\"integer\",\"enum\":[1,\"x\"]}", "type /a/enum/1" },
		{ "{\"type\":\"integer\",\"max\":5,\"enum\":[1,9]}", "max /a/enum/1" },
		{ "{\"type\":\"integer\",\"min\":5,\"max\":2}", "range /a/min" },
		{ "{\"type\":\"integer\",\"min\":\"5\"}", "type /a/min" },
		{ "{\"type\":\"integer\",\"default\":1.5}", "type /a/default" },
		{ "{\"type\":\"integer\",\"max\":3,\"default\":4}", "max /a/default" },
		{ "{\"type\":\"file\",\"default\":\"upload:x\"}", "unknown_member /a/default" },
		{ "{\"type\":\"file\",\"media\":[\"png\"]}", "media /a/media/0" },
		{ "{\"type\":\"file\",\"media\":[\"image/*\",7]}", "media /a/media/1" },
		{ "{\"type\":\"file\",\"media\":\"image/*\"}", "type /a/media" },
		{ "{\"type\":\"array\",\"items\":5}", "type /a/items" },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"x\"}}", "enum /a/items/type" },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"required\":true}}", "unknown_member /a/items/required" },
		{ "{\"type\":\"array\",\"min_items\":2,\"default\":[1]}", "min_items /a/default" },
		{ "{\"type\":\"object\",\"properties\":{}}", "unknown_member /a/properties" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct json_object *form = parse(cases[i].form);
		struct fnr_error err = FNR_ERROR_INIT;
		char problem[256];

		cr_expect_eq(input_check_form(form, "/a", &err), !cases[i].problem[0], "%s", cases[i].form);
		cr_expect_str_eq(first(&err, problem), cases[i].problem, "%s: %s", cases[i].form, problem);
		fnr_error_clear(&err);
		json_object_put(form);
	}
}

/* The form's JSON Schema, for which a file is any text that begins like a reference and an integer may be larger. */
static bool schema_takes(struct json_object *form, struct json_object *value)
{
	struct json_object *inputs = json_object_new_object(), *values = json_object_new_object(), *definition;
	struct fnr_error err = FNR_ERROR_INIT;
	struct schema *schema;
	bool fits;

	fnr_json_set(inputs, "a", json_object_get(form));
	fnr_json_set(values, "a", json_object_get(value));
	definition = inputs_schema(inputs);
	schema = schema_compile(definition, NULL, &err);
	cr_assert(schema, "%s: %s", fnr_json_text(definition, NULL), err.message);
	fits = schema_fits(schema, values);
	schema_free(schema);
	json_object_put(definition);
	json_object_put(inputs);
	json_object_put(values);
	return fits;
}

Test(inputs, values)
{
	static const struct { const char *form, *value, *problem; } cases[] = {
		{ "{\"type\":\"string\"}", "\"\"", "" },
		{ "{\"type\":\"string\"}", "5", "type /a" },
		{ "{\"type\":\"string\"}", "[\"x\"]", "type /a" },
		{ "{\"type\":\"string\",\"min_length\":2}", "\"\xc3\xbc\"", "min_length /a" },
		{ "{\"type\":\"string\",\"max_length\":2}", "\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"", "" },
		{ "{\"type\":\"string\",\"max_length\":2}", "\"abc\"", "max_length /a" },
		{ "{\"type\":\"string\",\"pattern\":\"b\"}", "\"abc\"", "" },
		{ "{\"type\":\"string\",\"pattern\":\"^b\"}", "\"abc\"", "pattern /a" },
		{ "{\"type\":\"string\",\"pattern\":\"^a$\"}", "\"a\\n\"", "pattern /a" },
		{ "{\"type\":\"string\",\"pattern\":\"^\\\\d$\"}", "\"\xd9\xa3\"", "pattern /a" },
		{ "{\"type\":\"string\",\"pattern\":\"^\\\\u00fc.$\"}", "\"\xc3\xbc\xf0\x9f\x98\x80\"", "" },
		{ "{\"type\":\"string\",\"pattern\":\"^(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"", "pattern /a" },
		{ "{\"type\":\"string\",\"format\":\"color\"}", "\"#1a2B3c\"", "" },
		{ "{\"type\":\"string\",\"format\":\"color\"}", "\"#1a2B3cff\"", "" },
		{ "{\"type\":\"string\",\"format\":\"color\"}", "\"#12345\"", "format /a" },
		{ "{\"type\":\"string\",\"format\":\"color\"}", "\"red\"", "format /a" },
		{ "{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}", "\"c\"", "enum /a" },
		{ "{\"type\":\"integer\"}", "3.0", "" },
		{ "{\"type\":\"integer\"}", "3.5", "type /a" },
		{ "{\"type\":\"integer\"}", "1e300", "type /a" },
		{ "{\"type\":\"integer\"}", "\"3\"", "type /a" },
		{ "{\"type\":\"integer\"}", "true", "type /a" },
		{ "{\"type\":\"integer\",\"min\":8,\"max\":9}", "8", "" },
		{ "{\"type\":\"integer\",\"min\":8,\"max\":9}", "7", "min /a" },
		{ "{\"type\":\"integer\",\"min\":8,\"max\":9}", "10", "max /a" },
		{ "{\"type\":\"integer\",\"enum\":[1,2]}", "2.0", "" },
		{ "{\"type\":\"number\",\"exclusive_min\":0,\"exclusive_max\":1}", "0.5", "" },
		{ "{\"type\":\"number\",\"exclusive_min\":0,\"exclusive_max\":1}", "0", "exclusive_min /a" },
		{ "{\"type\":\"number\",\"exclusive_min\":0,\"exclusive_max\":1}", "1", "exclusive_max /a" },
		{ "{\"type\":\"boolean\"}", "1", "type /a" },
		{ "{\"type\":\"boolean\"}", "false", "" },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}", "[1,\"2\"]", "type /a/1" },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}", "[null]", "type /a/0" },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"max\":1}}}", "[[0],[1,2]]", "max /a/1/1" },
		{ "{\"type\":\"array\",\"min_items\":1,\"max_items\":2}", "[]", "min_items /a" },
		{ "{\"type\":\"array\",\"min_items\":1,\"max_items\":2}", "[1,null,3]", "max_items /a" },
		{ "{\"type\":\"array\"}", "{}", "type /a" },
		{ "{\"type\":\"object\"}", "{\"a\":[]}", "" },
		{ "{\"type\":\"object\"}", "[]", "type /a" },
		{ "{\"type\":\"any\"}", "[{}]", "" },
		{ "{\"type\":\"file\"}", "\"upload:01980000-0000-7000-8000-000000000000\"", "" },
		{ "{\"type\":\"file\"}", "\"take:demo/s010/3/image.png\"", "" },
		{ "{\"type\":\"file\"}", "\"take:demo/s010/003/image.png\"", "" },
		{ "{\"type\":\"file\"}", "\"upload:x\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"job:01980000-0000-7000-8000-000000000000/image\"", "" },
		{ "{\"type\":\"file\"}", "\"job:01980000-0000-7000-8000-000000000000\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"job:01980000-0000-7000-8000-000000000000/a/b\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"job:01980000-0000-7000-8000-000000000000x/image\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"data:image/png;base64,iVBORw0K\"", "" },
		{ "{\"type\":\"file\"}", "\"data:text/plain;charset=utf-8;base64,QQ==\"", "" },
		{ "{\"type\":\"file\"}", "\"data:image/svg+xml;base64,QQ==\"", "" },
		{ "{\"type\":\"file\"}", "\"data:image/png;base64,\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"data:image/png;base64,A\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"data:image/png;base64\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"data:image/png,QQ==\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"data:;base64,QQ==\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"data:/;base64,QQ==\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"data:a/b/c;base64,QQ==\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"data:base64,/\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"https://example.org/a.png?b=c#d\"", "" },
		{ "{\"type\":\"file\"}", "\"http://[2001:db8::1]:8080/a\"", "" },
		{ "{\"type\":\"file\"}", "\"https://example.org\"", "" },
		{ "{\"type\":\"file\"}", "\"https://example.org/a@b\"", "" },
		{ "{\"type\":\"file\"}", "\"https://a:b@example.org/\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"https://\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"https://?x\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"ftp://example.org/a\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"takes:p/s\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"upload:01980000-0000-7000-8000-000000000000x\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"image.png\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"/etc/passwd\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"file:///etc/passwd\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"take:../../1/x\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"take:demo/s010/0/x.png\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"take:demo/s010/-1/x.png\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"take:demo/s010/1/.x\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"take:demo/s010/1/a/b.png\"", "file /a" },
		{ "{\"type\":\"file\"}", "\"take:demo/s010/1\"", "file /a" },
		{ "{\"type\":\"file\"}", "{\"path\":\"/etc/passwd\"}", "type /a" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct json_object *form = parse(cases[i].form), *value = parse(cases[i].value);
		struct fnr_error err = FNR_ERROR_INIT;
		char problem[256];

		cr_assert(input_check_form(form, "", &err), "%s: %s", cases[i].form, err.message);
		input_check_value(form, value, "/a", &err);
		cr_expect_str_eq(first(&err, problem), cases[i].problem, "%s %s: %s", cases[i].form, cases[i].value, problem);
		cr_expect_eq(input_fits(form, value), !cases[i].problem[0]);
		if (!strstr(cases[i].form, "file") && strcmp(cases[i].value, "1e300") != 0)
			cr_expect_eq(schema_takes(form, value), !cases[i].problem[0], "%s %s", cases[i].form, cases[i].value);
		else if (!cases[i].problem[0])
			cr_expect(schema_takes(form, value), "%s %s", cases[i].form, cases[i].value);
		fnr_error_clear(&err);
		json_object_put(form);
		json_object_put(value);
	}
}

Test(inputs, all_values_of_an_object)
{
	static const struct { const char *inputs, *values, *problem; size_t problems; } cases[] = {
		{ "{\"t\":{\"type\":\"string\",\"required\":true}}", "{\"t\":\"x\"}", "", 0 },
		{ "{\"t\":{\"type\":\"string\",\"required\":true}}", "{}", "required /i/t", 1 },
		{ "{\"t\":{\"type\":\"string\",\"required\":true}}", "{\"t\":null}", "required /i/t", 1 },
		{ "{\"t\":{\"type\":\"string\"}}", "{\"t\":null}", "", 0 },
		{ "{\"text\":{\"type\":\"string\"}}", "{\"txet\":1,\"x\":null}", "unknown_input /i/txet", 2 },
		{ "{}", "{\"a/b~c\":1}", "unknown_input /i/a~1b~0c", 1 },
		{ "{}", "[]", "type /i", 1 },
		{ "{}", "\"x\"", "type /i", 1 },
		{ "[]", "{\"a\":1}", "unknown_input /i/a", 1 },
		{ "null", "{\"a\":1}", "unknown_input /i/a", 1 },
		{ "{\"t\":{\"type\":\"string\",\"required\":true}}", "null", "required /i/t", 1 },
		{ "{\"a\":{\"type\":\"integer\",\"min\":1},\"b\":{\"type\":\"string\",\"min_length\":2,\"pattern\":\"^x\"},\"c\":{\"type\":\"boolean\",\"required\":true}}",
		  "{\"a\":0,\"b\":\"y\",\"d\":1}", "min /i/a", 5 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct json_object *inputs = parse(cases[i].inputs), *values = parse(cases[i].values);
		struct fnr_error err = FNR_ERROR_INIT;
		char problem[256];

		inputs_check_values(inputs, values, "/i", &err);
		cr_expect_str_eq(first(&err, problem), cases[i].problem, "%s %s: %s", cases[i].inputs, cases[i].values, problem);
		cr_expect_eq(count(&err), cases[i].problems, "%s", cases[i].values);
		fnr_error_clear(&err);
		json_object_put(inputs);
		json_object_put(values);
	}
}

Test(inputs, remedies_are_named)
{
	static const struct { const char *inputs, *values, *fix; } cases[] = {
		{ "{\"text\":{\"type\":\"string\"}}", "{\"txet\":1}", "did you mean 'text'?" },
		{ "{\"text\":{\"type\":\"string\"}}", "{\"unlike\":1}", "remove it" },
		{ "{\"a\":{\"type\":\"string\",\"enum\":[\"warm\",\"cold\"]}}", "{\"a\":\"worm\"}", "use one of \"warm\", \"cold\"; did you mean 'warm'?" },
		{ "{\"a\":{\"type\":\"integer\",\"enum\":[1,2]}}", "{\"a\":3}", "use one of 1, 2" },
		{ "{\"a\":{\"type\":\"number\",\"max\":0.1}}", "{\"a\":0.2}", "use at most 0.1" },
		{ "{\"a\":{\"type\":\"string\",\"max_length\":1}}", "{\"a\":\"bb\"}", "give at most 1 character" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct json_object *inputs = parse(cases[i].inputs), *values = parse(cases[i].values);
		struct fnr_error err = FNR_ERROR_INIT;

		inputs_check_values(inputs, values, "", &err);
		cr_assert_eq(count(&err), 1);
		cr_expect_str_eq(fnr_json_get_text(json_object_array_get_idx(err.errors, 0), "fix", ""), cases[i].fix);
		fnr_error_clear(&err);
		json_object_put(inputs);
		json_object_put(values);
	}
}

/* A large request with a mistake in every item costs neither memory nor time. */
Test(inputs, reports_are_bounded, .timeout = 600)
{
	struct json_object *inputs = parse("{\"a\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"pattern\":\"^(a+)+$\"}}}");
	struct json_object *values = json_object_new_object(), *list = json_object_new_array();
	struct fnr_error err = FNR_ERROR_INIT;

	for (int i = 0; i < 300000; i++)
		json_object_array_add(list, json_object_new_string("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"));
	fnr_json_set(values, "a", list);
	for (int i = 0; i < 100000; i++) {
		char name[32];

		snprintf(name, sizeof name, "unknown_%d", i);
		fnr_json_set_int(values, name, i);
	}
	inputs_check_values(inputs, values, "", &err);
	cr_expect_eq(count(&err), INPUTS_ERRORS + 1);
	cr_expect_str_eq(fnr_json_get_text(json_object_array_get_idx(err.errors, INPUTS_ERRORS), "rule", ""), "more");
	fnr_error_clear(&err);
	json_object_put(inputs);
	json_object_put(values);
}

Test(inputs, long_foreign_text_is_cut_between_characters)
{
	struct json_object *inputs = parse("{\"a\":{\"type\":\"string\",\"enum\":[\"x\"]}}"), *values = json_object_new_object();
	struct fnr_error err = FNR_ERROR_INIT;
	char text[1001] = "";

	for (int i = 0; i < 500; i++)
		strcat(text, "\xc3\xbc");
	fnr_json_set_text(values, "a", text);
	fnr_json_set_text(values, text, text);
	inputs_check_values(inputs, values, "", &err);
	cr_assert_eq(count(&err), 2);
	for (size_t i = 0; i < 2; i++) {
		struct json_object *entry = json_object_array_get_idx(err.errors, i);

		cr_expect(!strchr(fnr_json_get_text(entry, "message", "?"), '?'), "%s", fnr_json_text(entry, NULL));
		cr_expect_lt(strlen(fnr_json_text(entry, NULL)), 1500);
	}
	fnr_error_clear(&err);
	json_object_put(inputs);
	json_object_put(values);
}

Test(inputs, as_json_schema)
{
	static const struct { const char *form, *schema; } cases[] = {
		{ "{\"type\":\"string\",\"min_length\":1,\"max_length\":5,\"pattern\":\"a\",\"label\":\"L\",\"description\":\"D\",\"default\":\"a\"}",
		  "{\"type\":\"string\",\"minLength\":1,\"maxLength\":5,\"pattern\":\"a\",\"title\":\"L\",\"description\":\"D\",\"default\":\"a\"}" },
		{ "{\"type\":\"integer\",\"min\":1,\"max\":5,\"enum\":[1,2]}", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":5,\"enum\":[1,2]}" },
		{ "{\"type\":\"number\",\"exclusive_min\":0,\"exclusive_max\":1,\"unit\":\"s\"}",
		  "{\"type\":\"number\",\"exclusiveMinimum\":0,\"exclusiveMaximum\":1,\"x-unit\":\"s\"}" },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"boolean\"},\"min_items\":1,\"max_items\":2}",
		  "{\"type\":\"array\",\"items\":{\"type\":\"boolean\"},\"minItems\":1,\"maxItems\":2}" },
		{ "{\"type\":\"any\"}", "{}" },
		{ "{\"type\":\"file\",\"media\":[\"image/*\"]}", "{\"type\":\"string\",\"format\":\"file\",\"pattern\":\"^(upload|take|job|data|https?):\",\"x-media\":[\"image/*\"]}" },
		{ "{\"type\":\"string\",\"format\":\"color\"}",
		  "{\"type\":\"string\",\"format\":\"color\",\"pattern\":\"^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$\"}" },
		{ "{\"type\":\"string\",\"format\":\"color\",\"pattern\":\"f\"}",
		  "{\"type\":\"string\",\"format\":\"color\",\"pattern\":\"f\",\"allOf\":[{\"pattern\":\"^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$\"}]}" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct json_object *inputs = json_object_new_object(), *schema, *expected = parse(cases[i].schema), *form = parse(cases[i].form);

		fnr_json_set_bool(form, "required", i == 0);
		fnr_json_set(inputs, "a", form);
		schema = inputs_schema(inputs);
		cr_expect(json_object_equal(fnr_json_get(fnr_json_get(schema, "properties"), "a"), expected), "%s: %s", cases[i].form,
		          fnr_json_text(schema, NULL));
		cr_expect_eq(json_object_array_length(fnr_json_get(schema, "required")), i == 0);
		cr_expect_str_eq(fnr_json_get_text(schema, "$schema", ""), "https://json-schema.org/draft/2020-12/schema");
		cr_expect_not(fnr_json_get_bool(schema, "additionalProperties", true));
		json_object_put(schema);
		json_object_put(expected);
		json_object_put(inputs);
	}
}

Test(inputs, patterns_are_kept_and_replaced)
{
	char pattern[PATTERN_LENGTH + 2], why[100];

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 500; i++) {
			char text[16];

			snprintf(pattern, sizeof pattern, "^x%d$", i);
			snprintf(text, sizeof text, "x%d", i);
			cr_expect_eq(pattern_match(pattern, text, strlen(text)), PATTERN_FITS);
			cr_expect_eq(pattern_match(pattern, "x", 1), PATTERN_DIFFERS);
		}
	memset(pattern, 'a', sizeof pattern - 1);
	pattern[sizeof pattern - 1] = 0;
	cr_expect_not(pattern_sound(pattern, why, sizeof why));
	cr_expect_eq(pattern_match(pattern, "a", 1), PATTERN_DIFFERS);
	cr_expect_eq(pattern_match("^(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", 35), PATTERN_TOO_HARD);
}

static struct json_object *two_more(struct json_object *input, const char *pointer, const struct file_reference *reference, void *context)
{
	size_t *count = context;

	++*count;
	return reference->kind == FILE_DATA ? json_object_new_string("upload:01980000-0000-7000-8000-000000000000") : NULL;
}

static bool two_takes(struct json_object *list, const char *pointer, const char *project, const char *shot, void *context)
{
	char text[200];

	if (strcmp(shot, "none") == 0)
		return false;
	for (int i = 1; i <= 2; i++) {
		snprintf(text, sizeof text, "take:%s/%s/%d/a.png", project, shot, i);
		json_object_array_add(list, json_object_new_string(text));
	}
	return true;
}

Test(inputs, references_are_replaced_where_they_stand)
{
	struct json_object *inputs = parse("{\"a\":{\"type\":\"file\"},\"l\":{\"type\":\"array\",\"items\":{\"type\":\"file\"}},\"t\":{\"type\":\"string\"}}");
	struct json_object *values = parse("{\"a\":\"data:a/b;base64,QQ==\",\"t\":\"data:a/b;base64,QQ==\","
	                                   "\"l\":[\"takes:p/s\",\"https://e/x\",\"data:a/b;base64,QQ==\",\"takes:p/none\",\"takes:p\"]}");
	size_t count = 0;

	cr_assert(inputs_have_files(inputs));
	inputs_expand_shots(inputs, values, "", two_takes, NULL);
	inputs_map_files(inputs, values, "", two_more, &count);
	cr_expect_eq(count, 5);
	cr_expect_str_eq(fnr_json_text(values, NULL), "{\"a\":\"upload:01980000-0000-7000-8000-000000000000\",\"t\":\"data:a/b;base64,QQ==\","
	                 "\"l\":[\"take:p/s/1/a.png\",\"take:p/s/2/a.png\",\"https://e/x\",\"upload:01980000-0000-7000-8000-000000000000\","
	                 "\"takes:p/none\",\"takes:p\"]}");
	json_object_put(inputs);
	json_object_put(values);
}
