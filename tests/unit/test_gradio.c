/* The parts of the Gradio backend that need no server. */
#include <criterion/criterion.h>
#include <string.h>

#include "backends/gradio_partial.h"

static struct json_object *parse(const char *text)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value = fnr_json_parse_foreign(text, strlen(text), &err);

	cr_assert_eq(err.code, FNR_OK, "%s: %s", text, err.message);
	return value;
}

/* ---- partial results ---- */

Test(gradio, edits)
{
	static const struct { const char *before, *edits, *after; bool from_back; } cases[] = {
		{ "\"a\"", "[]", "\"a\"", false },
		{ "\"a\"", "[[\"replace\",[],{\"b\":1}]]", "{\"b\":1}", false },
		{ "\"ab\"", "[[\"append\",[],\"cd\"],[\"append\",[],\"e\"]]", "\"abcde\"", false },
		{ "null", "[[\"replace\",[],null]]", "null", false },
		{ "{\"a\":{\"b\":[1,2]}}", "[[\"replace\",[\"a\",\"b\",1],3]]", "{\"a\":{\"b\":[1,3]}}", false },
		{ "{\"a\":[\"x\"]}", "[[\"append\",[\"a\",0],\"y\"]]", "{\"a\":[\"xy\"]}", false },
		{ "{}", "[[\"add\",[\"k\"],[]],[\"add\",[\"k\",0],7]]", "{\"k\":[7]}", false },
		{ "[1,3]", "[[\"add\",[1],2],[\"add\",[3],4]]", "[1,2,3,4]", false },
		{ "{\"a\":1,\"b\":2}", "[[\"delete\",[\"a\"],null]]", "{\"b\":2}", false },
		{ "[1,2,3,4]", "[[\"delete\",[2],null],[\"delete\",[2],null]]", "[1,2]", false },
		{ "[1,2,3,4]", "[[\"delete\",[2],null],[\"delete\",[3],null]]", "[1,2]", true },
		{ "[[1,2,3],[4,5,6]]", "[[\"delete\",[0,1],null],[\"delete\",[0,2],null],[\"delete\",[1,2],null]]", "[[1],[4,5]]", true },
		{ "[1,2,3]", "[[\"delete\",[-1],null],[\"replace\",[-1],9]]", "[1,9]", false },
		{ "{\"a\":null}", "[[\"replace\",[\"a\"],1]]", "{\"a\":1}", false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct json_object *value = parse(cases[i].before), *edits = parse(cases[i].edits);

		cr_expect(gradio_edits_apply(&value, edits, cases[i].from_back), "%s", cases[i].edits);
		cr_expect_str_eq(fnr_json_text(value, NULL), cases[i].after, "%s: %s", cases[i].edits, fnr_json_text(value, NULL));
		json_object_put(value);
		json_object_put(edits);
	}
}

Test(gradio, edits_that_do_not_fit)
{
	static const char *const cases[][2] = {
		{ "null", "{}" },
		{ "null", "[1]" },
		{ "null", "[[]]" },
		{ "null", "[[\"replace\"]]" },
		{ "null", "[[\"replace\",\"x\",1]]" },
		{ "null", "[[\"explode\",[],1]]" },
		{ "null", "[[7,[],1]]" },
		{ "1", "[[\"append\",[],\"x\"]]" },
		{ "\"x\"", "[[\"append\",[],1]]" },
		{ "\"x\"", "[[\"add\",[],1]]" },
		{ "\"x\"", "[[\"delete\",[],null]]" },
		{ "\"x\"", "[[\"replace\",[0],null]]" },
		{ "{}", "[[\"replace\",[\"a\"],1]]" },
		{ "{}", "[[\"delete\",[\"a\"],1]]" },
		{ "{}", "[[\"replace\",[0],1]]" },
		{ "{}", "[[\"replace\",[\"a\",\"b\"],1]]" },
		{ "[1]", "[[\"replace\",[1],1]]" },
		{ "[1]", "[[\"delete\",[1],1]]" },
		{ "[1]", "[[\"delete\",[-2],1]]" },
		{ "[1]", "[[\"add\",[2],1]]" },
		{ "[1]", "[[\"add\",[99999999999],1]]" },
		{ "[1]", "[[\"add\",[\"0\"],1]]" },
		{ "[1]", "[[\"add\",[0.5],1]]" },
		{ "[1]", "[[\"add\",[null],1]]" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (int from_back = 0; from_back < 2; from_back++) {
			struct json_object *value = parse(cases[i][0]), *edits = parse(cases[i][1]);

			cr_expect_not(gradio_edits_apply(&value, edits, from_back), "%s on %s", cases[i][1], cases[i][0]);
			json_object_put(value);
			json_object_put(edits);
		}
}

static bool give(struct gradio_partial *partial, const char *data, bool diffs, const char *expected)
{
	struct json_object *value = parse(data);
	bool shown = gradio_partial_take(partial, value, diffs, false);

	if (expected)
		cr_expect_str_eq(fnr_json_text(partial->values, NULL), expected);
	json_object_put(value);
	return shown;
}

Test(gradio, answers_of_a_generator)
{
	struct gradio_partial diffs = { .values = NULL }, whole = { .values = NULL };

	cr_expect(give(&diffs, "[\"a\",1]", true, "[\"a\",1]"));
	cr_expect(give(&diffs, "[[[\"append\",[],\"b\"]],[]]", true, "[\"ab\",1]"));
	cr_expect(give(&diffs, "[[],[],[[\"replace\",[],\"new\"]]]", true, "[\"ab\",1,\"new\"]"));
	cr_expect_not(give(&diffs, "[[[\"append\",[5],\"b\"]],[],[]]", true, NULL));
	cr_expect_not(give(&diffs, "[[],[],[]]", true, NULL), "what is spoilt was shown again");
	cr_expect(give(&whole, "[\"a\"]", false, "[\"a\"]"));
	cr_expect(give(&whole, "[[[\"x\",[],\"b\"]]]", false, "[[[\"x\",[],\"b\"]]]"));
	cr_expect_not(give(&whole, "{}", false, NULL));
	gradio_partial_free(&diffs);
	gradio_partial_free(&whole);
}
