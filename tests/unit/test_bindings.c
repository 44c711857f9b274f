/* Parameter translation: expressions, bindings, and their targets in a ComfyUI workflow. */
#include "config.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/bindings.h"
#include "registry/expression.h"
#include "registry/workflow.h"

static struct json_object *json(const char *text)
{
	struct fnr_error err = FNR_ERROR_INIT;
	char *copy = strdup(text);
	for (char *at = copy; *at != '\0'; at++)
		*at = *at == '\'' ? '"' : *at;
	struct json_object *value = fnr_json_parse(copy, strlen(copy), &err);
	cr_assert_eq(err.code, FNR_OK, "%s: %s", text, err.message);
	free(copy);
	return value;
}

/* ---- expressions ---- */

static bool names(const char *name, enum expression_type *type_r, void *context)
{
	*type_r = name[0] == 't' ? EXPRESSION_TEXT : name[0] == 'b' ? EXPRESSION_TRUTH : EXPRESSION_NUMBER;
	return strlen(name) <= 2;
}

static char *compute(const char *text)
{
	static char out[256];
	struct json_object *values = json("{'a':3,'x':640,'y':0.5,'bt':true,'bf':false,'t':'fast','n':null,'m':'text'}");
	struct expression *expression = expression_parse(text, names, NULL, out);
	if (expression == NULL) {
		json_object_put(values);
		return out;
	}
	struct json_object *value = expression_evaluate(expression, values);
	snprintf(out, sizeof out, "%s", fnr_json_text(value, NULL));
	json_object_put(value);
	json_object_put(values);
	expression_free(expression);
	return out;
}

Test(expression, values)
{
	static const char *const rows[][2] = {
		{ "1 + 2 * 3", "7" }, { "(1 + 2) * 3", "9" }, { "10 - 2 - 3", "5" }, { "12 / 4 / 3", "1" }, { "-a + 1", "-2" }, { "--a", "3" },
		{ "1.5e2", "150" }, { ".5 + y", "at character 1" }, { "0.1 + 0.2", "0.30000000000000004" }, { "a", "3" }, { "n", "0" }, { "m", "0" }, { "z", "0" },
		{ "min(a, 1, 2)", "1" }, { "max(a, 1, x)", "640" }, { "clamp(x, 1, 100)", "100" }, { "clamp(x, 1000, 100)", "1000" }, { "abs(-a)", "3" },
		{ "round(2.5)", "3" }, { "floor(-2.5)", "-3" }, { "ceil(2.1)", "3" }, { "round_to(x * 1.1, 64)", "704" }, { "floor_to(100, 64)", "64" },
		{ "ceil_to(100, 64)", "128" }, { "round_to(x, 0)", "640" }, { "a / 0", "0" }, { "1e308 * 10", "1.7976931348623157e+308" },
		{ "a < x and not bf", "true" }, { "a > x or bf", "false" }, { "a == 3", "true" }, { "t == 'fast'", "true" }, { "t != \"fast\"", "false" },
		{ "bt == true", "true" }, { "if(t == 'fast', 4, 20)", "4" }, { "if(bf, 'a', t)", "\"fast\"" }, { "given(a)", "true" }, { "given(n)", "false" },
		{ "'x y'", "\"x y\"" }, { "true", "true" }, { "a <= 3 and a >= 3", "true" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *got = compute(rows[i][0]);
		if (strncmp(rows[i][1], "at", 2) == 0)
			cr_assert_eq(strncmp(got, rows[i][1], strlen(rows[i][1])), 0, "%s: %s", rows[i][0], got);
		else
			cr_assert_str_eq(got, rows[i][1], "%s: %s", rows[i][0], got);
	}
}

Test(expression, mistakes_have_a_place_and_words)
{
	static const char *const rows[][2] = {
		{ "", "at character 1: there should be a value" }, { "1 +", "at character 4" }, { "(1", "there should be a ')'" }, { "1 2", "at character 3: this does not" },
		{ "foo + 1", "'foo' is no parameter" }, { "sin(a)", "no function 'sin'" }, { "min(a)", "takes 2 values, not 1" }, { "abs(1, 2)", "takes 1 values" },
		{ "a + t", "a number before this, not a text" }, { "a == t", "a number" }, { "not a", "true or false before this" }, { "if(a, 1, 2)", "true or false" },
		{ "if(bt, 1, t)", "a number" }, { "t < t", "a number before this" }, { "'open", "does not end" }, { "1..2", "no number" }, { "a < a < a", "does not belong" },
		{ "bt and a", "true or false" }, { "1e999", "no number" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *got = compute(rows[i][0]);
		cr_assert_eq(strncmp(got, "at character ", 13), 0, "%s: %s", rows[i][0], got);
		cr_assert_not_null(strstr(got, rows[i][1]), "%s: %s", rows[i][0], got);
	}
}

Test(expression, is_bounded)
{
	char text[EXPRESSION_MOST + 10] = "", error[256];
	memset(text, '(', EXPRESSION_MOST);
	cr_assert_null(expression_parse(text, names, NULL, error));
	cr_assert_not_null(strstr(error, "too deep"), "%s", error);
	memset(text, '-', EXPRESSION_MOST);
	cr_assert_null(expression_parse(text, names, NULL, error));
	cr_assert_not_null(strstr(error, "too deep"), "%s", error);
	for (size_t i = 0; i < EXPRESSION_MOST; i += 2)
		memcpy(text + i, i == 0 ? "a " : "+a", 2);
	cr_assert_null(expression_parse(text, names, NULL, error));
	cr_assert_not_null(strstr(error, "too long"), "%s", error);
	memset(text, ' ', EXPRESSION_MOST + 1);
	cr_assert_null(expression_parse(text, names, NULL, error));
	cr_assert_not_null(strstr(error, "more than"), "%s", error);
}

/* ---- bindings ---- */

static struct json_object *inputs, *parameters;
static struct binding_scope scope;

static void scope_make(void)
{
	inputs = json("{'prompt':{'type':'string'},'sampler':{'type':'string','enum':['fast','good']},'hq':{'type':'boolean'},'scale':{'type':'number'},"
	              "'picture':{'type':'file'},'pictures':{'type':'array','items':{'type':'file'}},'more':{'type':'object'}}");
	parameters = json("{'width':640,'steps':20}");
	scope = (struct binding_scope){ .inputs = inputs, .parameters = parameters };
}

TestSuite(bindings, .init = scope_make);

/* "" or "<pointer> <rule>: <message>" of the first problem. */
static const char *problem_of(const char *text)
{
	static char out[400];
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *binding = json(text), *first;
	enum binding_gives gives;
	bool good = binding_check(binding, &scope, "/b", &gives, &err);
	cr_assert_eq(good, err.code == FNR_OK, "%s", text);
	out[0] = '\0';
	if (!good) {
		first = json_object_array_get_idx(err.errors, 0);
		snprintf(out, sizeof out, "%s %s: %s; %s", fnr_json_get_text(first, "pointer", ""), fnr_json_get_text(first, "rule", ""),
		         fnr_json_get_text(first, "message", ""), fnr_json_get_text(first, "fix", ""));
	}
	json_object_put(binding);
	fnr_error_clear(&err);
	return out;
}

Test(bindings, sound_ones)
{
	static const char *const rows[] = {
		"'prompt'", "'seed'", "'quality'", "{'from':'width'}", "{'from':'sampler','lookup':{'fast':4,'good':20}}",
		"{'from':'prompt','lookup':{'a':1},'default':2}", "{'from':'hq','lookup':{'true':1,'false':0}}",
		"{'from':'quality','lookup':{'draft':1,'standard':2,'high':3,'ultra':4}}", "{'upload':'picture'}", "{'upload':'pictures','index':1}",
		"{'compute':'round_to(width * scale, 8)'}", "{'value':['4',0],'when':'hq'}", "{'value':null}",
		"{'from':'scale','when':'given(scale)','else':{'value':1}}", "{'compute':'steps','when':'seed > 5','else':{'value':1,'when':'hq'}}",
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		cr_assert_str_eq(problem_of(rows[i]), "", "%s: %s", rows[i], problem_of(rows[i]));
}

Test(bindings, unsound_ones)
{
	static const char *const rows[][2] = {
		{ "5", "/b type" }, { "'promt'", "/b unknown_parameter: there is no input or parameter 'promt'; did you mean 'prompt'?" },
		{ "'picture'", "/b upload" }, { "{'from':'picture'}", "/b/from upload" }, { "{}", "/b required" }, { "{'from':'prompt','value':1}", "/b required" },
		{ "{'from':'prompt','lookup':{'a':1}}", "/b/lookup total: the table cannot have" },
		{ "{'from':'sampler','lookup':{'fast':1}}", "/b/lookup total: the table has nothing for 'good'" },
		{ "{'from':'hq','lookup':{'true':1}}", "for 'false'" }, { "{'from':'quality','lookup':{'draft':1}}", "/b/lookup total" },
		{ "{'from':'prompt','lookup':{},'default':1}", "/b/lookup type" }, { "{'from':'more','lookup':{'a':1},'default':1}", "/b/lookup type" },
		{ "{'value':1,'lookup':{'a':1}}", "/b required" }, { "{'upload':'prompt'}", "/b/upload type" }, { "{'upload':'picture','index':0}", "/b/index type" },
		{ "{'upload':'pictures','index':-1}", "/b/index type" }, { "{'compute':'width +'}", "/b/compute expression" }, { "{'compute':5}", "/b/compute type" },
		{ "{'compute':'more'}", "'more' is no parameter" }, { "{'value':1,'when':'width'}", "/b/when expression: a condition" },
		{ "{'value':1,'else':{'value':2}}", "/b/else required" }, { "{'value':1,'whem':'hq'}", "did you mean 'when'" },
		{ "{'value':1,'when':'hq','else':{'value':1,'when':'hq','else':{'value':1,'when':'hq','else':{'value':1,'when':'hq','else':{'value':1}}}}}", "depth" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		cr_assert_not_null(strstr(problem_of(rows[i][0]), rows[i][1]), "%s: %s", rows[i][0], problem_of(rows[i][0]));
}

static struct json_object *upload(const char *name, struct json_object *reference, void *context)
{
	char text[128];
	if (strcmp(json_object_get_string(reference), "gone") == 0)
		return NULL;
	snprintf(text, sizeof text, "fnr/%s", json_object_get_string(reference));
	return json_object_new_string(text);
}

static const char *value_of(const char *text)
{
	static char out[256];
	struct json_object *given = json("{'prompt':'a cat','sampler':'good','hq':false,'width':640,'steps':20,'picture':'upload:1','pictures':['u1','u2'],"
	                                 "'more':{'a':1}}");
	struct json_object *values = bindings_values(given, 7, "high"), *binding = json(text), *value;
	enum binding_result result = binding_value(binding, &scope, values, upload, NULL, &value);
	snprintf(out, sizeof out, "%s", result == BINDING_SET ? fnr_json_text(value, NULL) : result == BINDING_LEFT ? "left" : "failed");
	json_object_put(value);
	json_object_put(values);
	json_object_put(binding);
	json_object_put(given);
	return out;
}

Test(bindings, values)
{
	static const char *const rows[][2] = {
		{ "'prompt'", "\"a cat\"" }, { "'seed'", "7" }, { "{'from':'quality'}", "\"high\"" }, { "'scale'", "left" },
		{ "{'from':'sampler','lookup':{'fast':4,'good':20}}", "20" }, { "{'from':'width','lookup':{'640':'x'},'default':'y'}", "\"x\"" },
		{ "{'from':'hq','lookup':{'true':1,'false':0}}", "0" }, { "{'from':'prompt','lookup':{'a':1},'default':2}", "2" },
		{ "{'upload':'picture'}", "\"fnr/upload:1\"" }, { "{'upload':'pictures'}", "[\"fnr/u1\",\"fnr/u2\"]" }, { "{'upload':'pictures','index':1}", "\"fnr/u2\"" },
		{ "{'upload':'pictures','index':5}", "left" }, { "{'compute':'round_to(width * 1.5, 64)'}", "960" }, { "{'value':['4',0]}", "[\"4\",0]" },
		{ "{'value':null}", "null" }, { "{'value':1,'when':'hq'}", "left" }, { "{'value':1,'when':'hq','else':'steps'}", "20" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		cr_assert_str_eq(value_of(rows[i][0]), rows[i][1], "%s: %s", rows[i][0], value_of(rows[i][0]));
}

/* ---- workflows ---- */

static struct json_object *workflow(void)
{
	return json("{'3':{'class_type':'KSampler','inputs':{'seed':5,'cfg':7.5,'model':['4',0],'sampler_name':'euler','on':true,'list':{'__value__':[1]}},"
	            "'_meta':{'title':'Painter'}},'4':{'class_type':'Loader','inputs':{'na/me':'x'}}}");
}

Test(workflow, shape)
{
	static const char *const rows[][2] = {
		{ "{}", "workflow" }, { "[]", "workflow" }, { "{'nodes':[],'links':[]}", "workflow_format" }, { "{'1':5}", "workflow" }, { "{'1':{'inputs':{}}}", "workflow" },
		{ "{'1':{'class_type':'A'}}", "workflow" }, { "{'1':{'class_type':'A','inputs':{'x':['2',0]}}}", "link" },
		{ "{'1':{'class_type':'A','inputs':{'x':['1',-1]}}}", "link" }, { "{'1':{'class_type':'A','inputs':{'x':[1,2,3]}}}", "link" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;
		struct json_object *value = json(rows[i][0]);
		cr_assert_not(workflow_check(value, "/w", &err), "%s", rows[i][0]);
		cr_assert_str_eq(fnr_json_get_text(json_object_array_get_idx(err.errors, 0), "rule", ""), rows[i][1], "%s", rows[i][0]);
		json_object_put(value);
		fnr_error_clear(&err);
	}
	struct json_object *value = workflow();
	cr_assert(workflow_check(value, "", NULL));
	cr_assert_str_eq(workflow_title(value, "3"), "Painter");
	cr_assert_str_eq(workflow_title(value, "4"), "Loader");
	cr_assert_str_eq(workflow_title(value, "5"), "");
	json_object_put(value);
}

Test(workflow, classes)
{
	struct json_object *value = workflow(), *list = workflow_classes(value), *large = json_object_new_object();
	char name[64];

	cr_assert_str_eq(fnr_json_text(list, NULL), "[\"KSampler\",\"Loader\"]");
	cr_assert_str_eq(workflow_with_class(value, "Loader"), "4");
	cr_assert_null(workflow_with_class(value, "Load"));
	json_object_put(list);
	json_object_put(value);
	for (int i = 0; i < WORKFLOW_CLASSES / 10; i++) {
		struct json_object *node = json_object_new_object();

		snprintf(name, sizeof name, "%d", i);
		fnr_json_set_text(node, "class_type", "Same");
		fnr_json_set(large, name, node);
	}
	list = workflow_classes(large);
	cr_assert_str_eq(fnr_json_text(list, NULL), "[\"Same\"]");
	json_object_put(list);
	json_object_object_foreach(large, id, node) {
		snprintf(name, sizeof name, "Class%s", id);
		fnr_json_set_text(node, "class_type", name);
	}
	cr_assert_null(workflow_classes(large), "too many to keep them");
	cr_assert_null(workflow_classes(NULL));
	json_object_put(large);
}

Test(workflow, targets, .init = scope_make)
{
	static const char *const rows[][3] = {
		{ "/3/inputs/seed", "'seed'", "" }, { "/3/inputs/sampler_name", "'prompt'", "" }, { "/3/inputs/model", "{'value':['3',0],'when':'hq'}", "" },
		{ "/3/inputs/on", "'hq'", "" }, { "/4/inputs/na~1me", "{'upload':'picture'}", "" }, { "/3/inputs/list", "'prompt'", "" }, { "/3/inputs/cfg", "'scale'", "" },
		{ "/3/inputs/sed", "'seed'", "did you mean 'seed'" }, { "/5/inputs/x", "'seed'", "no node '5'" }, { "3.seed", "'seed'", "JSON Pointer" },
		{ "/3/class_type", "'prompt'", "JSON Pointer" }, { "/3/inputs/seed/x", "'seed'", "JSON Pointer" }, { "/3/inputs/seed", "'prompt'", "a text does not fit where the workflow has 5" },
		{ "/3/inputs/sampler_name", "'width'", "a number does not fit" }, { "/3/inputs/on", "'width'", "does not fit" }, { "/3/inputs/seed", "{'upload':'picture'}", "a file does not fit" },
		{ "/4/inputs/na~1me", "{'upload':'pictures'}", "index" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;
		struct json_object *value = workflow(), *bindings = json_object_new_object();
		fnr_json_set(bindings, rows[i][0], json(rows[i][1]));
		workflow_check_bindings(value, bindings, &scope, "/backend/bindings", &err);
		cr_assert_eq(err.code == FNR_OK, rows[i][2][0] == '\0', "%s", rows[i][0]);
		if (err.code != FNR_OK) {
			struct json_object *first = json_object_array_get_idx(err.errors, 0);
			char all[512];
			snprintf(all, sizeof all, "%s; %s", fnr_json_get_text(first, "message", ""), fnr_json_get_text(first, "fix", ""));
			cr_assert_not_null(strstr(all, rows[i][2]), "%s: %s", rows[i][0], all);
			cr_assert_eq(strncmp(fnr_json_get_text(first, "pointer", ""), "/backend/bindings/", 18), 0);
		}
		json_object_put(value);
		json_object_put(bindings);
		fnr_error_clear(&err);
	}
}

Test(workflow, set)
{
	struct json_object *value = workflow();
	workflow_set(value, "/3/inputs/seed", fnr_json_real(6.6));
	workflow_set(value, "/3/inputs/cfg", fnr_json_real(6.5));
	workflow_set(value, "/4/inputs/na~1me", json_object_new_string("y"));
	workflow_set(value, "/9/inputs/x", json_object_new_string("y"));
	cr_assert_eq(fnr_json_get_int(workflow_inputs(value, "3"), "seed", 0), 7);
	cr_assert_float_eq(fnr_json_get_real(workflow_inputs(value, "3"), "cfg", 0), 6.5, 1e-9);
	cr_assert_str_eq(fnr_json_get_text(workflow_inputs(value, "4"), "na/me", ""), "y");
	json_object_put(value);
}
