#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/marks.h"
#include "base/yaml.h"

static void gives(const char *yaml, const char *json)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value = fnr_yaml_parse(yaml, strlen(yaml), "t.yaml", &err);

	cr_expect_eq(err.code, FNR_OK, "%s: %s", yaml, err.message);
	cr_expect_str_eq(fnr_json_text(value, NULL), json);
	json_object_put(value);
}

static void refused(const char *yaml, size_t len, const char *message)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value = fnr_yaml_parse(yaml, len, "t.yaml", &err);

	cr_expect_null(value, "%s was taken", yaml);
	cr_expect_eq(err.code, FNR_E_MALFORMED, "%s: code %d", yaml, err.code);
	cr_expect(strstr(err.message, message), "%s: \"%s\" is not in \"%s\"", yaml, message, err.message);
	json_object_put(value);
}

Test(yaml, scalars_of_the_core_schema)
{
	static const char *const cases[][2] = {
		{ "[true, True, TRUE, false, False]", "[true,true,true,false,false]" },
		{ "[yes, no, on, off, y, n, tRue]", "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\",\"tRue\"]" },
		{ "[null, Null, NULL, ~, nUll]", "[null,null,null,null,\"nUll\"]" },
		{ "a:\nb:", "{\"a\":null,\"b\":null}" },
		{ "[0, -1, +7, 0x1F, 0o17, 010, 0b1, 1_000]", "[0,-1,7,31,15,10,\"0b1\",\"1_000\"]" },
		{ "[1.5, -.5, 5., 1e3, 1.5E-3, 0.1]", "[1.5,-0.5,5.0,1000.0,0.0015,0.1]" },
		{ "[1.2.3, 1e, ., -, +., 12:30, 2026-11-23]",
		  "[\"1.2.3\",\"1e\",\".\",\"-\",\"+.\",\"12:30\",\"2026-11-23\"]" },
		{ "['1', \"true\", 'null', '', \"\"]", "[\"1\",\"true\",\"null\",\"\",\"\"]" },
		{ "a: |\n  1\n  2\nb: >\n  3\n  4\n", "{\"a\":\"1\\n2\\n\",\"b\":\"3 4\\n\"}" },
		{ "[!!str 12, !!int \"12\", !!float 1, !!bool 'true', !!null '', ! 12]",
		  "[\"12\",12,1.0,true,null,\"12\"]" },
		{ "!!map {a: !!seq [1]}", "{\"a\":[1]}" },
		{ "[9007199254740991, -9007199254740991]", "[9007199254740991,-9007199254740991]" },
		{ "\"\\u00e9 \\U0001F600\"", "\"\xc3\xa9 \xf0\x9f\x98\x80\"" },
		{ "word", "\"word\"" },
		{ "--- # only one\na: 1\n...\n", "{\"a\":1}" },
		{ "%YAML 1.1\n---\na: 1", "{\"a\":1}" },
		{ "1: a\ntrue: b\n~: c", "{\"1\":\"a\",\"true\":\"b\",\"~\":\"c\"}" },
		{ "\"<<\": 1", "{\"<<\":1}" },
		{ "\xef\xbb\xbf" "a: 1\nb: 2", "{\"a\":1,\"b\":2}" },
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
		gives(cases[i][0], cases[i][1]);
}

Test(yaml, anchors)
{
	gives("a: &x {b: [1]}\nc: *x\nd: *x", "{\"a\":{\"b\":[1]},\"c\":{\"b\":[1]},\"d\":{\"b\":[1]}}");
	gives("[&x 1, *x, &x 2, *x, &n ~, *n]", "[1,1,2,2,null,null]");
	refused("a: *x", 5, "t.yaml:1:4: no anchor &x");
	refused("&x [*x]", 7, "within what it names");
	refused("a: &x {b: {c: *x}}", 18, "within what it names");
}

/* Few bytes that would become gigabytes. */
Test(yaml, aliases_make_no_more_text_than_can_be_kept)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct fnr_error err = FNR_ERROR_INIT;

	fnr_buf_printf(&text, "- &x \"%0100000d\"\n", 0);
	for (int i = 0; i < 1000; i++)
		fnr_buf_puts(&text, "- *x\n");
	cr_expect_null(fnr_yaml_parse(text.data, text.len, "t.yaml", &err));
	cr_expect(strstr(err.message, "t.yaml:168:3: aliases make more than 16 MiB"), "%s", err.message);
	cr_expect(strstr(err.suggestion, "aliases"), "%s", err.suggestion);
	fnr_buf_free(&text);
	fnr_buf_printf(&text, "- &x {? a%0100000d : 1}\n", 0);
	for (int i = 0; i < 1000; i++)
		fnr_buf_puts(&text, "- *x\n");
	refused(text.data, text.len, "aliases make more than");
	fnr_buf_free(&text);
}

Test(yaml, an_alias_is_a_copy)
{
	struct json_object *value = fnr_yaml_parse("[&x {a: 1}, *x]", 15, "t.yaml", NULL);

	fnr_json_set_int(json_object_array_get_idx(value, 0), "a", 2);
	cr_assert_str_eq(fnr_json_text(value, NULL), "[{\"a\":2},{\"a\":1}]");
	json_object_put(value);
}

Test(yaml, refuses)
{
	static const char *const cases[][2] = {
		{ "", "empty" },
		{ "# nothing\n\n", "empty" },
		{ "---\n", "empty" },
		{ "~", "empty" },
		{ "a: 1\n---\nb: 2", "t.yaml:2:1: a second document" },
		{ "a: 1\nb: 2\na: 3", "t.yaml:3:1: \"a\" is there twice" },
		{ "{x: {a: 1, \"a\": 2}}", "twice" },
		{ "a: {<<: {b: 1}}", "merging" },
		{ "? [1]\n: 2", "a name must be" },
		{ "a: &x b\n*x : 2", "a name cannot be an alias" },
		{ "&x a: 1", "a name cannot have an anchor" },
		{ "a: !foo 1", "tag !foo" },
		{ "a: !!binary aGk=", "tag" },
		{ "a: !!set {b}", "tag" },
		{ "a: !!seq {b: 1}", "tag" },
		{ "a: !!python/object:os.system [x]", "tag" },
		{ "a: !!int x", "no !!int" },
		{ "a: !!bool 1", "no !!bool" },
		{ "a: !!int 1.5", "no !!int" },
		{ "a: .inf", "no number" },
		{ "a: -.INF", "no number" },
		{ "a: .nan", "no number" },
		{ "a: 1e999", "too large" },
		{ "a: 9007199254740992", "2^53-1" },
		{ "a: -99999999999999999999999", "2^53-1" },
		{ "a: \"\\0\"", "U+0000" },
		{ "\"a\\0\": 1", "U+0000" },
		{ "a: [1, 2", "t.yaml:" },
		{ "a: b: c", "t.yaml:1:5: " },
		{ "\ta: 1", "t.yaml:1:1: " },
		{ "a: \"\\ud800\"", "t.yaml:1:" },
		{ "a: \xff", "t.yaml:1:" },
		{ "a: \xc0\x80", "t.yaml:1:" },
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
		refused(cases[i][0], strlen(cases[i][0]), cases[i][1]);
	refused("a\0b", 3, "t.yaml:1:");
}

/* Where it is, what is wrong, and what to do, for whoever wrote it. */
Test(yaml, says_what_to_do)
{
	static const char *const cases[][3] = {
		{ "a: b: c", "t.yaml:1:5: there is a ': '", "in quotes" },
		{ "a: 1\nb: \"x\nc: 2\n", "t.yaml:2:4: the text in quotes that begins here does not end", "the same quote" },
		{ "a:\n  b: 1\n\tc: 2\n", "t.yaml:3:1: ", "spaces" },
		{ "a:\n  b: 1\n   c: 2\n", "t.yaml:3:5: there is a ': '", "indentation" },
		{ "a:\n  b: {}\n   c: {}\n", "t.yaml:3:4: this does not go on", "line 2, column 3" },
		{ "a: [1, 2\nb: 3\n", "t.yaml:2:2: here ',' or ']' is missing", "line 1, column 4" },
		{ "a: {b: 1\n", "t.yaml:1:4: here ',' or '}' is missing", "end it with }" },
		{ "a: @b", "t.yaml:1:4: a value cannot begin", "in quotes" },
		{ "a: *", "t.yaml:1:4: ", "in quotes" },
		{ "a: \"\\d\"", "t.yaml:1:5: in double quotes", "single quotes" },
		{ "a\nb: 1\n", "t.yaml:2:2: there is a ': '", "line above" },
		{ "a: 1\nb\n", "t.yaml:2:1: behind this name comes no ':'", "name: value" },
		{ "a: 1\na: 2", "t.yaml:2:1: ", "remove one" },
		{ "a: 1\n---\n", "t.yaml:2:1: a second document", "file of its own" },
		{ "a: x\nb: y\xff\n", "t.yaml:2:5: this is not UTF-8", "UTF-8" },
		{ "a: x\nb: \x01\n", "t.yaml:2:4: this is a control character", "take it out" },
		{ "a: .inf", "t.yaml:1:4: .inf is no number", "in quotes" },
		{ "a: 9007199254740992", "t.yaml:1:4: an integer beyond", "in quotes" },
		{ "a: 1e999", "t.yaml:1:4: a number too large", "in quotes" },
		{ "a: \"\\0\"", "t.yaml:1:4: U+0000", "take it out" },
		{ "a: !foo 1", "t.yaml:1:4: the tag !foo", "take the tag away" },
		{ "a: !!set {b}", "t.yaml:1:4: the tag ", "take the tag away" },
		{ "a: !!bool 1", "t.yaml:1:4: this is no !!bool", "take the tag away" },
		{ "a: !b!c d", "t.yaml:1:4: a ! here", "in quotes" },
		{ "a: !<b", "t.yaml:1:", "in quotes" },
		{ "&x [*x]", "t.yaml:1:5: the alias", "write out" },
		{ "a: {{ b }}", "t.yaml:1:5: a name must be", "in quotes" },
		{ "a: &x b\n*x : 2", "t.yaml:2:1: a name cannot be an alias", "write the name out" },
		{ "&x a: 1", "t.yaml:1:1: a name cannot have an anchor", "to the value" },
		{ "a: {<<: {b: 1}}", "t.yaml:1:5: merging", "write the members out" },
		{ "a: \"C:\\Users\"", "t.yaml:1:9: in double quotes", "single quotes" },
		{ "a: \"\\ud800\"", "t.yaml:1:7: this escape", "the character itself" },
		{ "a: > b", "t.yaml:1:6: behind a > or |", "in quotes" },
		{ "%a\n", "t.yaml:1:3: a % begins", "take the line away" },
		{ "%YAML 2.0\n---\na: 1\n", "t.yaml:1:1: this version", "take the line away" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;

		cr_expect_null(fnr_yaml_parse(cases[i][0], strlen(cases[i][0]), "t.yaml", &err), "%s", cases[i][0]);
		cr_expect(strncmp(err.message, cases[i][1], strlen(cases[i][1])) == 0, "%s: %s", cases[i][0], err.message);
		cr_expect(strstr(err.suggestion, cases[i][2]), "%s: %s", cases[i][0], err.suggestion);
	}
}

/* ---- places ---- */

static void excerpt_is(const char *text, size_t line, size_t column, const char *expected, size_t at)
{
	char out[40];
	size_t found = fnr_marks_excerpt(text, strlen(text), line, column, out, sizeof out);

	cr_expect_str_eq(out, expected, "%s", out);
	cr_expect_eq(found, at, "%s: %zu", text, found);
}

Test(yaml, excerpts)
{
	static const char digits[] = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

	excerpt_is("a: 1\r\nb: 2 \r\n", 2, 4, "b: 2", 4);
	excerpt_is("\xef\xbb\xbf" "a: 1", 1, 1, "a: 1", 1);
	excerpt_is("a: 1", 2, 1, "", 1);
	excerpt_is("", 1, 1, "", 1);
	excerpt_is("a:\t\x01\xff", 1, 1, "a: ??", 1);
	excerpt_is("a: \xe2\x80\xae" "b \xe2\x81\xa7", 1, 1, "a: \xef\xbf\xbd" "b \xef\xbf\xbd", 1);
	excerpt_is("012345678901234567890123456789012345678", 1, 39, "012345678901234567890123456789012345678", 39);
	excerpt_is("0123456789012345678901234567890123456789", 1, 3, "012345678901234567890123456789012345…", 3);
	excerpt_is(digits, 1, 51, "…678901234567890123456789012345678…", 6);
	excerpt_is(digits, 1, 100, "…56789", 6);
}

Test(yaml, places)
{
	const char *text = "\xef\xbb\xbf" "a: 1\nb:\n  c: [1, {d/e: 2}]\n";
	struct fnr_marks *marks = fnr_marks_read(text, strlen(text));
	size_t line, column;

	cr_assert(marks);
	cr_expect_eq(fnr_marks_find(marks, "/a", &line, &column), 2);
	cr_expect(line == 1 && column == 1, "%zu:%zu", line, column);
	cr_expect_eq(fnr_marks_find(marks, "/b/c/1/d~1e", &line, &column), strlen("/b/c/1/d~1e"));
	cr_expect(line == 3 && column == 11, "%zu:%zu", line, column);
	cr_expect_eq(fnr_marks_find(marks, "/b/x/y", &line, &column), 2);
	cr_expect(line == 2 && column == 1, "%zu:%zu", line, column);
	fnr_marks_free(marks);
}

/* With what YAML does not know: surrogate pairs. A column is a character. */
Test(yaml, places_in_json)
{
	const char *text = "\xef\xbb\xbf" "{\"\\ud83d\\ude00~\": 1,\t\"\xc3\xbc\": \"\\\"}\\ud83d\\ude00\", \"a\\/b\":\n[ -1.5e+3 ,{ \"c\\u00fc\":null}, [] , {}]\r\n}\n";
	static const struct { const char *pointer; size_t line, column; } cases[] = {
		{ "", 1, 1 }, { "/\xf0\x9f\x98\x80~0", 1, 2 }, { "/\xc3\xbc", 1, 22 }, { "/a~1b", 1, 46 }, { "/a~1b/0", 2, 3 }, { "/a~1b/1", 2, 12 },
		{ "/a~1b/1/c\xc3\xbc", 2, 14 }, { "/a~1b/2", 2, 31 }, { "/a~1b/3", 2, 36 },
	};
	struct fnr_marks *marks = fnr_marks_read(text, strlen(text));

	cr_assert(marks);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t line, column;

		cr_expect_eq(fnr_marks_find(marks, cases[i].pointer, &line, &column), strlen(cases[i].pointer), "%s", cases[i].pointer);
		cr_expect(line == cases[i].line && column == cases[i].column, "%s %zu:%zu", cases[i].pointer, line, column);
	}
	fnr_marks_free(marks);
}

/* What only begins like JSON is read as YAML. */
Test(yaml, places_in_flow_style)
{
	const char *text = "{a: [1, two],\n b: 'c'}";
	struct fnr_marks *marks = fnr_marks_read(text, strlen(text));
	size_t line, column;

	cr_assert(marks);
	cr_expect_eq(fnr_marks_find(marks, "/b", &line, &column), 2);
	cr_expect(line == 2 && column == 2, "%zu:%zu", line, column);
	fnr_marks_free(marks);
}

static char *nest(int depth, const char *middle)
{
	struct fnr_buf text = FNR_BUF_INIT;
	int i;

	for (i = 0; i < depth; i++)
		fnr_buf_puts(&text, "[");
	fnr_buf_puts(&text, middle);
	for (i = 0; i < depth; i++)
		fnr_buf_puts(&text, "]");
	return fnr_buf_take(&text);
}

Test(yaml, depth_is_64_at_most)
{
	char *text, *expected;

	text = nest(64, "1");
	gives(text, text);
	free(text);
	text = nest(65, "1");
	refused(text, strlen(text), "deeper than 64");
	free(text);
	text = nest(100000, "1");
	refused(text, strlen(text), "t.yaml:1:");
	free(text);
	text = nest(62, "&x [[1]],*x");
	expected = nest(62, "[[1]],[[1]]");
	gives(text, expected);
	free(text);
	free(expected);
	text = nest(63, "&x [1], [*x]");
	refused(text, strlen(text), "deeper than 64");
	free(text);
}

Test(yaml, a_billion_laughs)
{
	struct fnr_buf text = FNR_BUF_INIT;
	int i;

	fnr_buf_puts(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (i = 1; i < 12; i++)
		fnr_buf_printf(&text, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1,
		               i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	refused(text.data, text.len, "more than 100000 values");
	fnr_buf_reset(&text);
	for (i = 0; i < 1001; i++)
		fnr_buf_printf(&text, "- &a%d 1\n", i);
	refused(text.data, text.len, "more than 1000 anchors");
	fnr_buf_free(&text);
}

Test(yaml, what_is_written_is_read_as_it_was)
{
	static const char *const values[] = {
		"true", "1.5", "\"text\"", "\"\"", "[]", "{}", "[[],{},null]", "[[[1,[2]],[\"a b\"]]]",
		"{\"id\":\"shout\",\"version\":\"1.0.0\",\"inputs\":{\"text\":{\"type\":\"string\",\"required\":true,\"enum\":[\"a\",\"b, c\"]}},\"n\":-7}",
		"[\"true\",\"No\",\"null\",\"y\",\"~\",\"1\",\"1.0\",\"-\",\"- a\",\"a: b\",\"a #b\",\"# a\",\" a\",\"a \",\"it's\",\"'a'\",\"{a}\",\"[a]\",\"a,b\",\"*a\",\"&a\",\"!a\",\"|\",\">\",\"%a\",\"@a\",\"?\",\"=\",\"<<\",\".inf\"]",
		"[\"a\\nb\",\"\\ta\\r\\n\",\"\\u0001\\u007f\\u0085\\u2028\\u2029\\ufeff\",\"\\\"\\\\\\/\",\"gr\xc3\xbc\xc3\x9f \xe2\x80\xa6 \xf0\x9f\x98\x80\"]",
		"{\"\":0,\"a: b\":1,\"true\":2,\"1\":3,\"\xc3\xa4\":[{\"x\":{\"y\":[1,2]}},[{\"z\":1}]]}",
	};

	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;
		struct json_object *value = fnr_json_parse(values[i], strlen(values[i]), &err), *again;
		struct fnr_buf text = FNR_BUF_INIT;

		cr_assert_eq(err.code, FNR_OK, "%s: %s", values[i], err.message);
		fnr_yaml_text(value, &text);
		again = fnr_yaml_parse(text.data, text.len, "test", &err);
		cr_expect_eq(err.code, FNR_OK, "%s: %s", text.data, err.message);
		cr_expect(json_object_equal(value, again), "%s\n%s\n%s", values[i], text.data, fnr_json_text(again, NULL));
		json_object_put(value);
		json_object_put(again);
		fnr_buf_free(&text);
		fnr_error_clear(&err);
	}
}

Test(yaml, what_is_written_can_be_read_by_people)
{
	static const char source[] = "{\"id\":\"shout\",\"inputs\":{\"text\":{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}},\"steps\":[{\"deep\":{\"x\":{\"z\":1}}},2]}";
	struct json_object *value = fnr_json_parse(source, strlen(source), NULL);
	struct fnr_buf text = FNR_BUF_INIT;

	fnr_yaml_text(value, &text);
	cr_expect_str_eq(text.data, "id: shout\ninputs:\n  text: {type: string, enum: [a, b]}\nsteps:\n  -\n    deep:\n      x: {z: 1}\n  - 2\n");
	json_object_put(value);
	fnr_buf_free(&text);
}
