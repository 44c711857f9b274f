/* The parts of the Gradio backend that need no server. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "backends/gradio_app.h"
#include "base/buf.h"
#include "backends/gradio_draft.h"
#include "backends/gradio_job.h"
#include "backends/gradio_partial.h"
#include "registry/registry.h"
#include "run_fake.h"

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

Test(gradio, answers_that_have_no_end)
{
	struct gradio_partial many = { .values = NULL }, lengthy = { .values = NULL }, large = { .values = NULL };
	struct fnr_buf text = FNR_BUF_INIT;

	cr_expect(give(&many, "[[]]", true, "[[]]"));
	fnr_buf_puts(&text, "[[[\"add\",[0],1]");
	for (int i = 0; i < 2000; i++)
		fnr_buf_puts(&text, ",[\"add\",[0],1]");
	fnr_buf_puts(&text, "]]");
	cr_expect_not(give(&many, text.data, true, NULL));
	cr_expect_null(many.values, "what will not be shown is kept");

	fnr_buf_reset(&text);
	fnr_buf_puts(&text, "[[[\"append\",[],\"");
	while (text.len < 1000000)
		fnr_buf_puts(&text, "0123456789");
	fnr_buf_puts(&text, "\"]]]");
	cr_expect(give(&lengthy, "[\"\"]", true, NULL));
	for (int i = 0; i < 4; i++)
		cr_expect(give(&lengthy, text.data, true, NULL), "%d", i);
	cr_expect_not(give(&lengthy, text.data, true, NULL));

	cr_expect(give(&large, "[{}]", true, NULL));
	large.told = GRADIO_PARTIAL_MOST + 1;
	cr_expect_not(give(&large, "[[[\"add\",[\"a\"],1]]]", true, NULL));
	gradio_partial_free(&many);
	gradio_partial_free(&lengthy);
	gradio_partial_free(&large);
	fnr_buf_free(&text);
}

/* ---- what an app says of itself ---- */

#define COMPONENT(id, type, props) "{\"id\":" #id ",\"type\":\"" type "\",\"props\":" props "}"
#define COMPONENTS "\"components\":[" COMPONENT(1, "textbox", "{\"label\":\"What to say?\"}") "," COMPONENT(2, "state", "{}") "," \
	COMPONENT(3, "slider", "{\"label\":\"How often\",\"minimum\":0,\"maximum\":18446744073709551615,\"step\":1,\"value\":2}") "," \
	COMPONENT(4, "radio", "{\"label\":\"How often\",\"choices\":[[\"One\",1],[\"Two\",2.5]],\"value\":9}") "," \
	COMPONENT(5, "image", "{\"label\":\"\"}") "," COMPONENT(6, "gallery", "{\"label\":\"Made\"}") "]"
#define DEPENDENCY(more) "\"inputs\":[1,2,3,4,5],\"outputs\":[2,6,5]," more
#define CONFIG(version, protocol, dependencies) \
	"{\"version\":\"" version "\",\"protocol\":\"" protocol "\",\"app_id\":12345678901234567890,\"title\":\"T\"," COMPONENTS ",\"dependencies\":[" dependencies "]}"
#define SAY "{" DEPENDENCY("\"id\":40,\"api_name\":\"say\"") "}"

static bool reads(struct gradio_app *app, const char *config, struct run_error *error)
{
	*error = (struct run_error){ .code = "" };
	return gradio_app_read(app, parse(config), error);
}

Test(gradio, apps_and_what_is_none)
{
	static const struct { const char *config; bool app; enum gradio_protocol protocol; const char *code; } cases[] = {
		{ CONFIG("4.0.0", "sse", SAY), true, GRADIO_SSE, "" },
		{ CONFIG("4.9.0", "sse_v1", SAY), true, GRADIO_SSE_1, "" },
		{ CONFIG("4.20.1", "sse_v2.1", SAY), true, GRADIO_SSE_2, "" },
		{ CONFIG("6.1.0", "sse_v3", SAY), true, GRADIO_SSE_2, "" },
		{ CONFIG("7.0.0-beta.1", "sse_v9", SAY), true, GRADIO_SSE_2, "" },
		{ CONFIG("3.50.0", "ws", SAY), false, 0, "backend_too_old" },
		{ "{\"version\":\"3.1\",\"components\":[],\"dependencies\":[]}", false, 0, "backend_too_old" },
		{ "{\"version\":\"4.1\",\"protocol\":\"sse\"}", false, 0, "backend_no_gradio" },
		{ "{}", false, 0, "backend_no_gradio" },
		{ "[]", false, 0, "backend_no_gradio" },
		{ "null", false, 0, "backend_no_gradio" },
		{ "{\"version\":\"5.0\",\"protocol\":\"sse_v3\",\"api_prefix\":\"x\",\"components\":[],\"dependencies\":[]}", false, 0, "backend_no_gradio" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct gradio_app app;
		struct run_error error;

		cr_expect_eq(reads(&app, cases[i].config, &error), cases[i].app, "%s: %s", cases[i].config, error.message);
		cr_expect_str_eq(error.code, cases[i].code, "%s", cases[i].config);
		cr_expect_eq(error.backend_down, !cases[i].app);
		if (cases[i].app) {
			cr_expect_eq(app.protocol, cases[i].protocol, "%s", cases[i].config);
			cr_expect_str_eq(app.id, "12345678901234567890", "digits are lost: %s", app.id);
		}
		gradio_app_free(&app);
	}
}

Test(gradio, releases)
{
	struct gradio_app app = { .release = { 5, 29, 1 } };

	cr_expect(gradio_app_since(&app, 5, 29, 1) && gradio_app_since(&app, 5, 28, 9) && gradio_app_since(&app, 4, 44, 1));
	cr_expect_not(gradio_app_since(&app, 5, 29, 2) || gradio_app_since(&app, 5, 30, 0) || gradio_app_since(&app, 6, 0, 0));
}

Test(gradio, functions_that_can_be_called)
{
	struct gradio_app app;
	struct run_error error;
	struct gradio_endpoint endpoint;

	cr_assert(reads(&app, CONFIG("6.1.0", "sse_v3", SAY ",{" DEPENDENCY("\"api_name\":\"/late\",\"queue\":false") "}"
	          ",{" DEPENDENCY("\"api_name\":\"secret\",\"api_visibility\":\"private\"") "},{" DEPENDENCY("\"api_name\":\"hidden\",\"api_visibility\":\"undocumented\"") "}"
	          ",{" DEPENDENCY("\"api_name\":false") "},{" DEPENDENCY("\"api_name\":null") "},{" DEPENDENCY("\"api_name\":\"stop\",\"types\":{\"cancel\":true}") "}"
	          ",{" DEPENDENCY("\"api_name\":\"page\",\"backend_fn\":false") "},{" DEPENDENCY("\"id\":41,\"api_name\":\"say\"") "}"), &error));
	cr_expect(gradio_endpoint_find(&app, "/say", &endpoint, &error) && endpoint.fn_index == 40 && endpoint.queued);
	cr_expect(gradio_endpoint_find(&app, "late", &endpoint, &error) && endpoint.fn_index == 1 && !endpoint.queued);
	cr_expect(gradio_endpoint_find(&app, "hidden", &endpoint, &error));
	static const char *const none[] = { "secret", "stop", "page", "false", "", "/", "/nothing" };
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
		cr_expect_not(gradio_endpoint_find(&app, none[i], &endpoint, &error), "%s", none[i]);
	cr_expect(strstr(error.message, "/say, /late") && !strstr(error.message, "hidden") && !strstr(error.message, "secret"), "%s", error.message);
	gradio_app_free(&app);
}

static struct json_object *data_of(const struct gradio_endpoint *endpoint, const char *values, struct run_error *error)
{
	struct json_object *object = parse(values), *data = gradio_data_make(endpoint, object, error);

	json_object_put(object);
	return data;
}

Test(gradio, values_for_a_function)
{
	struct gradio_app app;
	struct run_error error;
	struct gradio_endpoint endpoint;
	struct json_object *data;

	cr_assert(reads(&app, CONFIG("6.1.0", "sse_v3", SAY), &error));
	gradio_app_info(&app, parse("{\"named_endpoints\":{\"/say\":{\"parameters\":["
		"{\"parameter_name\":\"text\",\"parameter_has_default\":false},{\"parameter_name\":\"times\",\"parameter_has_default\":true,\"parameter_default\":2},"
		"{\"parameter_name\":\"_how\",\"parameter_has_default\":true,\"parameter_default\":null},{\"parameter_name\":\"picture\",\"parameter_has_default\":false}],\"returns\":[]}}}"));
	cr_assert(gradio_endpoint_find(&app, "say", &endpoint, &error));
	data = data_of(&endpoint, "{\"text\":\"hi\",\"picture\":null}", &error);
	cr_expect_str_eq(fnr_json_text(data, NULL), "[\"hi\",null,2,null,null]");
	json_object_put(data);
	cr_expect_null(data_of(&endpoint, "{\"text\":\"hi\"}", &error));
	cr_expect_str_eq(error.code, "endpoint_input_missing");
	cr_expect_null(data_of(&endpoint, "{\"text\":\"hi\",\"picture\":null,\"volume\":11}", &error));
	cr_expect_str_eq(error.code, "endpoint_input_unknown");

	/* /info that does not fit the config, or is none: labels name inputs, what a page shows is the default */
	gradio_app_info(&app, parse("{\"named_endpoints\":{\"/say\":{\"parameters\":[{\"parameter_name\":\"text\"}]}}}"));
	cr_assert(gradio_endpoint_find(&app, "say", &endpoint, &error));
	data = data_of(&endpoint, "{\"what_to_say\":\"hi\",\"how_often_4\":2.5,\"param_4\":{\"path\":\"p\"}}", &error);
	cr_expect_str_eq(fnr_json_text(data, NULL), "[\"hi\",null,2,2.5,{\"path\":\"p\"}]", "%s", error.message);
	json_object_put(data);
	gradio_app_free(&app);
}

/* Some apps are one page of thousands of components, and functions with hundreds of values. */
Test(gradio, large_apps, .timeout = 600)
{
	enum { COMPONENTS_MANY = 5000, INPUTS = 400 };
	struct fnr_buf text = FNR_BUF_INIT;
	struct gradio_app app;
	struct run_error error;
	struct gradio_endpoint endpoint;
	struct json_object *values = json_object_new_object(), *data;

	fnr_buf_puts(&text, "{\"version\":\"5.1.0\",\"protocol\":\"sse_v3\",\"components\":[");
	for (int i = 0; i < COMPONENTS_MANY; i++)
		fnr_buf_printf(&text, "%s{\"id\":%d,\"type\":\"number\",\"props\":{\"label\":\"V %d\",\"value\":1}}", i > 0 ? "," : "", i, i);
	fnr_buf_puts(&text, "],\"dependencies\":[{\"api_name\":\"all\",\"outputs\":[],\"inputs\":[");
	for (int i = 0; i < INPUTS; i++)
		fnr_buf_printf(&text, "%s%d", i > 0 ? "," : "", COMPONENTS_MANY - 1 - i);
	fnr_buf_puts(&text, "]}]}");
	cr_assert(reads(&app, text.data, &error), "%s", error.message);
	cr_assert(gradio_endpoint_find(&app, "all", &endpoint, &error));
	for (int i = 0; i < INPUTS; i += 4) {
		char name[32];

		snprintf(name, sizeof name, "v_%d", COMPONENTS_MANY - 1 - i);
		fnr_json_set_int(values, name, 2);
	}
	data = gradio_data_make(&endpoint, values, &error);
	cr_assert_not_null(data, "%s", error.message);
	cr_expect_eq(json_object_array_length(data), INPUTS);
	cr_expect_eq(json_object_get_int(json_object_array_get_idx(data, 4)), 2);
	cr_expect_eq(json_object_get_int(json_object_array_get_idx(data, 5)), 1);
	json_object_put(data);
	json_object_put(values);
	gradio_app_free(&app);
	fnr_buf_free(&text);
}

Test(gradio, a_draft_is_a_template)
{
	struct gradio_app app;
	struct run_error error;
	struct gradio_endpoint endpoint;
	struct template_version template_;
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *notes = json_object_new_array(), *draft, *inputs;

	cr_assert(reads(&app, CONFIG("6.1.0", "sse_v3", "{" DEPENDENCY("\"id\":0,\"api_name\":\"Say It!\"") "}"), &error));
	/* "value_5" is no label: Gradio makes it up where there is none */
	gradio_app_info(&app, parse("{\"named_endpoints\":{\"/Say It!\":{\"returns\":[{\"label\":\"value_6x\"},{\"label\":\"value_5\"}]}}}"));
	cr_assert(gradio_endpoint_find(&app, "Say It!", &endpoint, &error));
	draft = gradio_draft(&endpoint, notes);
	cr_expect_eq(template_read(draft, NULL, NULL, &template_, &err), FNR_OK, "%s %s", err.message, fnr_json_text(err.errors, NULL));
	cr_expect_str_eq(fnr_json_get_text(draft, "id", ""), "say_it_");
	inputs = fnr_json_get(draft, "inputs");
	cr_expect_str_eq(fnr_json_text(fnr_json_get(inputs, "how_often"), NULL),
	                 "{\"type\":\"integer\",\"min\":0,\"max\":9007199254740991,\"default\":2,\"label\":\"How often\"}");
	cr_expect_str_eq(fnr_json_text(fnr_json_get(inputs, "how_often_4"), NULL), "{\"type\":\"number\",\"enum\":[1,2.5],\"label\":\"How often\"}");
	cr_expect_eq(json_object_array_length(notes), 1, "a default that is no choice is told: %s", fnr_json_text(notes, NULL));
	cr_expect_str_eq(fnr_json_text(fnr_json_get(draft, "outputs"), NULL), "{\"made\":{\"type\":\"image\",\"label\":\"value_6x\",\"many\":true},\"image\":{\"type\":\"image\"}}");
	json_object_put(template_.definition);
	json_object_put(draft);
	json_object_put(notes);
	gradio_app_free(&app);
	fnr_error_clear(&err);
}

Test(gradio, files_as_components_want_them)
{
	static const struct { const char *type, *schema, *sent; } cases[] = {
		{ "image", "null", "{\"path\":\"p\"}" },
		{ "gallery", "null", "{\"image\":{\"path\":\"p\"},\"caption\":null}" },
		{ "video", "{\"properties\":{\"video\":{}}}", "{\"video\":{\"path\":\"p\"},\"subtitles\":null}" },
		{ "video", "{\"properties\":{\"path\":{}}}", "{\"path\":\"p\"}" },
		{ "imageeditor", "null", "{\"background\":{\"path\":\"p\"},\"composite\":{\"path\":\"p\"},\"layers\":[]}" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct gradio_value input = { .type = cases[i].type, .schema = parse(cases[i].schema) };
		struct json_object *sent = gradio_file_as(&input, parse("{\"path\":\"p\"}"));

		cr_expect_str_eq(fnr_json_text(sent, NULL), cases[i].sent);
		json_object_put(sent);
		json_object_put(input.schema);
	}
}

/* ---- a job ---- */

static void tell(struct gradio_job *job, const char *message)
{
	struct json_object *value = parse(message);

	gradio_job_message(job, value);
	json_object_put(value);
}

Test(gradio, progress_in_words)
{
	static const struct { const char *message; double fraction; const char *text; } cases[] = {
		{ "{\"msg\":\"estimation\",\"rank\":0,\"rank_eta\":null}", 1, "Waiting for the app: next in its queue" },
		{ "{\"msg\":\"estimation\",\"rank\":1,\"rank_eta\":12.4}", 1, "Waiting for the app: 1 other first (about 12 s)" },
		{ "{\"msg\":\"estimation\",\"rank\":3}", 1, "Waiting for the app: 3 others first" },
		{ "{\"msg\":\"estimation\"}", 1, "Waiting for the app" },
		{ "{\"msg\":\"process_starts\"}", 0, "" },
		{ "{\"msg\":\"progress\",\"progress_data\":[{\"index\":1,\"length\":4,\"unit\":\"steps\",\"desc\":\"Baking\"}]}", 0.25, "Baking (1 of 4 steps)" },
		{ "{\"msg\":\"progress\",\"progress_data\":[{\"progress\":0.75,\"desc\":\"Resting\"}]}", 0.75, "Resting" },
		{ "{\"msg\":\"progress\",\"progress_data\":[{\"index\":1,\"length\":2,\"desc\":\"Trays\"},{\"index\":5,\"length\":10,\"unit\":\"buns\"}]}", 0.75, "5 of 10 buns" },
		{ "{\"msg\":\"progress\",\"progress_data\":[{\"index\":null,\"length\":null,\"desc\":null}]}", 0.75, "" },
		{ "{\"msg\":\"progress\",\"progress_data\":[]}", 0.75, "" },
		{ "{\"msg\":\"estimation\",\"rank\":9}", 0.75, "" },
	};
	struct gradio_app app = { .release = { 6, 0, 0 }, .protocol = GRADIO_SSE_2 };
	struct gradio_job job = { .run = run_fake_start(), .app = &app };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		tell(&job, cases[i].message);
		cr_expect_float_eq(run_fake.fraction, cases[i].fraction, 1e-9, "%s: %f", cases[i].message, run_fake.fraction);
		cr_expect_str_eq(run_fake.message, cases[i].text, "%s: %s", cases[i].message, run_fake.message);
	}
	tell(&job, "{\"msg\":\"log\",\"log\":\"Hot.\",\"level\":\"warning\",\"title\":\"Oven\"}");
	cr_expect_str_eq(run_fake.log, "warn: Oven: Hot.");
	tell(&job, "{\"msg\":\"log\",\"log\":\"Warm.\",\"level\":\"info\",\"title\":\"Info\"}");
	cr_expect_str_eq(run_fake.log, "info: Warm.");
	cr_expect_eq(job.end, GRADIO_GOES_ON);
	gradio_job_free(&job);
}

Test(gradio, a_job_ends_once)
{
	static const struct { const char *message; enum gradio_end end; const char *text; int major; } cases[] = {
		{ "{\"msg\":\"process_completed\",\"success\":true,\"output\":{\"data\":[1]}}", GRADIO_COMPLETED, "", 6 },
		{ "{\"msg\":\"process_completed\",\"success\":true,\"output\":{\"data\":null,\"duration\":1}}", GRADIO_COMPLETED, "", 6 },
		{ "{\"msg\":\"process_completed\",\"success\":true,\"output\":{}}", GRADIO_CANCELLED, "", 6 },
		{ "{\"msg\":\"process_completed\",\"success\":false,\"output\":{\"error\":\"'quoted'\"}}", GRADIO_FAILED, "'quoted'", 6 },
		{ "{\"msg\":\"process_completed\",\"success\":false,\"output\":{\"error\":\"'quoted'\"}}", GRADIO_FAILED, "quoted", 4 },
		{ "{\"msg\":\"process_completed\",\"success\":false,\"output\":{\"error\":\"'\"}}", GRADIO_FAILED, "'", 4 },
		{ "{\"msg\":\"process_completed\",\"success\":false,\"output\":null}", GRADIO_FAILED, "", 6 },
		{ "{\"msg\":\"unexpected_error\",\"message\":\"gone\"}", GRADIO_LOST, "gone", 6 },
		{ "{\"msg\":\"queue_full\"}", GRADIO_FULL, "", 4 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct gradio_app app = { .release = { cases[i].major, 0, 0 }, .protocol = GRADIO_SSE_2 };
		struct gradio_job job = { .run = run_fake_start(), .app = &app, .event_id = "mine" };

		tell(&job, "{\"msg\":\"process_completed\",\"event_id\":\"other\",\"success\":true,\"output\":{\"data\":[0]}}");
		cr_expect_eq(job.end, GRADIO_GOES_ON, "another job's end was taken");
		tell(&job, cases[i].message);
		cr_expect_eq(job.end, cases[i].end, "%s", cases[i].message);
		cr_expect_str_eq(job.text, cases[i].text, "%s: %s", cases[i].message, job.text);
		tell(&job, "{\"msg\":\"process_completed\",\"event_id\":\"mine\",\"success\":false,\"output\":{\"error\":\"later\"}}");
		cr_expect_eq(job.end, cases[i].end, "%s: a second end was taken", cases[i].message);
		gradio_job_free(&job);
	}
}

Test(gradio, what_a_server_says_when_it_refuses)
{
	static const char *const cases[][3] = {
		{ "{\"detail\":\"too short\"}", NULL, "too short" },
		{ "{\"detail\":[{\"loc\":[\"body\",\"data\"],\"msg\":\"field required\"},{\"msg\":\"no\"}]}", NULL, "field required at [\"body\",\"data\"]; no" },
		{ "{\"detail\":[{\"is_valid\":true,\"message\":\"\"},{\"is_valid\":false,\"message\":\"No salt.\"}]}", NULL, "No salt." },
		{ "{\"detail\":[\"plain\",7]}", NULL, "plain; 7" },
		{ "{\"detail\":{\"error\":\"Not authenticated\",\"auth_message\":\"Ask the cook.\"}}", NULL, "Not authenticated; Ask the cook." },
		{ "{\"detail\":{\"x\":1}}", NULL, "{\"x\":1}" },
		{ "{\"error\":\"No butter.\"}", NULL, "No butter." },
		{ "{\"error\":null}", NULL, "" },
		{ "[]", NULL, "" },
		{ "null", "Internal\nServer Error", "Internal Server Error" },
		{ "null", NULL, "" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct json_object *json = parse(cases[i][0]);
		char text[200];

		gradio_detail(json, cases[i][1], text, sizeof text);
		cr_expect_str_eq(text, cases[i][2], "%s: %s", cases[i][0], text);
		json_object_put(json);
	}
}
