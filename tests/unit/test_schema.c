/* The validator beyond the official suite: what it says, references between documents, formats, exact numbers, and what
 * nobody can make it do. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "schema/number.h"
#include "schema/pattern.h"
#include "schema/schema.h"

static struct json_object *parse(const char *text)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value = fnr_json_parse_exact(text, strlen(text), &err);

	cr_assert_eq(err.code, FNR_OK, "%s: %s", text, err.message);
	return value;
}

static struct schema *compile(const char *text, const struct schema_options *options)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *definition = parse(text);
	struct schema *schema = schema_compile(definition, options, &err);

	cr_assert(schema, "%s: %s", text, err.message);
	json_object_put(definition);
	return schema;
}

/* Every entry as "rule pointer", separated by "; " */
static const char *told(const struct fnr_error *err)
{
	static char out[16384];
	size_t count = err->errors ? json_object_array_length(err->errors) : 0;

	out[0] = 0;
	for (size_t i = 0; i < count; i++) {
		struct json_object *entry = json_object_array_get_idx(err->errors, i);

		snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s %s", i ? "; " : "", fnr_json_get_text(entry, "rule", ""),
		         fnr_json_get_text(entry, "pointer", ""));
	}
	return out;
}

static const char *check_value(const struct schema *schema, struct json_object *value)
{
	struct fnr_error err = FNR_ERROR_INIT;
	bool good = schema_check(schema, value, "", &err);
	const char *text = told(&err);

	cr_expect_eq(good, !*text, "%s", text);
	cr_expect_eq(schema_fits(schema, value), good);
	fnr_error_clear(&err);
	return text;
}

static const char *check(const char *schema_text, const char *value_text, const struct schema_options *options)
{
	struct schema *schema = compile(schema_text, options);
	struct json_object *value = parse(value_text);
	const char *text = check_value(schema, value);

	json_object_put(value);
	schema_free(schema);
	return text;
}

Test(schema, all_problems_are_told_with_their_place)
{
	static const struct { const char *schema, *value, *told; } cases[] = {
		{ "{\"type\":\"string\"}", "5", "type " },
		{ "{\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":3},\"b\":{\"maxLength\":1}},\"required\":[\"c\"]}", "{\"b\":\"xx\",\"a\":1}",
		  "maxLength /b; minimum /a; required /c" },
		{ "{\"properties\":{\"name\":true},\"additionalProperties\":false}", "{\"nane\":1,\"x/y~z\":2}",
		  "additionalProperties /nane; additionalProperties /x~1y~0z" },
		{ "{\"items\":{\"type\":\"string\"},\"minItems\":4,\"uniqueItems\":true}", "[1,\"a\",1.0]", "minItems ; uniqueItems ; type /0; type /2" },
		{ "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"minimum\":1},\"b\":false}}]}", "{\"a\":0,\"b\":1}",
		  "anyOf ; minimum /a; properties /b" },
		{ "{\"oneOf\":[{\"properties\":{\"k\":{\"const\":\"a\"},\"x\":{\"type\":\"string\"}}},{\"properties\":{\"k\":{\"const\":\"b\"},\"x\":{\"type\":\"integer\"},"
		  "\"y\":{\"minimum\":1}}}]}", "{\"k\":\"b\",\"x\":1.5,\"y\":0}", "oneOf ; type /x; minimum /y" },
		{ "{\"oneOf\":[true,{\"minimum\":1}]}", "1", "oneOf " },
		{ "{\"unevaluatedProperties\":false,\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":1,\"b\":2}", "type /a; unevaluatedProperties /b" },
		{ "{\"unevaluatedItems\":false,\"prefixItems\":[{\"type\":\"string\"}]}", "[1,2]", "type /0; unevaluatedItems /1" },
		{ "{\"contains\":{\"const\":1},\"maxContains\":1}", "[1,1]", "maxContains " },
		{ "{\"dependentRequired\":{\"a\":[\"b\",\"c\"]}}", "{\"a\":1,\"b\":1}", "dependentRequired /c" },
		{ "{\"propertyNames\":{\"pattern\":\"^a\"}}", "{\"b\":1}", "pattern /b" },
		{ "{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]},\"else\":{\"required\":[\"c\"]}}", "{}", "required /c" },
		{ "{\"not\":{\"type\":\"null\"}}", "null", "not " },
		{ "false", "1", "false " },
		{ "{\"enum\":[]}", "1", "enum " },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_expect_str_eq(check(cases[i].schema, cases[i].value, NULL), cases[i].told, "%s: %s", cases[i].schema, check(cases[i].schema, cases[i].value, NULL));
}

Test(schema, names_of_any_length)
{
	struct schema *schema = compile("{\"propertyNames\":{\"enum\":[\"a\",\"b\",\"a name that is as long as this one is\",\"another name, which is longer than that one\"]}}", NULL);
	struct json_object *value = parse("{\"a\":1,\"a name that is as long as this one is\":2,\"b\":3,\"another name, which is longer than that one\":4}");

	for (int i = 0; i < 3; i++)
		cr_expect_str_eq(check_value(schema, value), "");
	fnr_json_set_int(value, "c", 5);
	cr_expect_str_eq(check_value(schema, value), "enum /c");
	json_object_put(value);
	schema_free(schema);
}

Test(schema, entries_say_what_was_found_and_the_remedy)
{
	static const struct { const char *schema, *value, *message, *fix, *place; } cases[] = {
		{ "{\"properties\":{\"a\":{\"type\":[\"string\",\"null\"]}}}", "{\"a\":5}", "5 was given, which is not text or null", "give text or null",
		  "#/properties/a/type" },
		{ "{\"minimum\":3}", "2", "2 is too small", "use at least 3", "#/minimum" },
		{ "{\"multipleOf\":0.1}", "0.25", "0.25 is not a multiple of 0.1", "use a multiple of 0.1", "#/multipleOf" },
		{ "{\"enum\":[\"red\",\"green\"]}", "\"gren\"", "'gren' is not one of the values", "use one of 'red', 'green'; did you mean 'green'?", "#/enum" },
		{ "{\"enum\":[{\"a\":1},[2]]}", "{}", "an object is not one of the values", "use one of {\"a\":1}, [2]", "#/enum" },
		{ "{\"minLength\":2}", "\"\xc3\xbc\"", "1 character: too few", "give at least 2 characters", "#/minLength" },
		{ "{\"$defs\":{\"a\":{\"pattern\":\"^b\"}},\"$ref\":\"#/$defs/a\"}", "\"a\"", "'a' does not match the pattern ^b", "give text that matches it",
		  "#/$defs/a/pattern" },
		{ "{\"properties\":{\"width\":{}},\"additionalProperties\":false}", "{\"widht\":1}", "there must be no 'widht' here", "did you mean 'width'?",
		  "#/additionalProperties" },
		{ "{\"const\":[1]}", "{}", "an object is not the value that is needed", "use a list", "#/const" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;
		struct schema *schema = compile(cases[i].schema, NULL);
		struct json_object *value = parse(cases[i].value), *entry;

		cr_expect_not(schema_check(schema, value, "/inputs", &err));
		entry = json_object_array_get_idx(err.errors, 0);
		cr_expect_str_eq(fnr_json_get_text(entry, "message", ""), cases[i].message);
		cr_expect_str_eq(fnr_json_get_text(entry, "fix", ""), cases[i].fix);
		cr_expect_str_eq(fnr_json_get_text(entry, "schema", ""), cases[i].place);
		cr_expect_eq(strncmp(fnr_json_get_text(entry, "pointer", ""), "/inputs", 7), 0);
		fnr_error_clear(&err);
		json_object_put(value);
		schema_free(schema);
	}
}

Test(schema, bad_schemas_are_refused)
{
	static const struct { const char *schema, *told; } cases[] = {
		{ "7", "type " },
		{ "{\"type\":\"strng\"}", "anyOf /type; enum /type" },
		{ "{\"minLength\":-1}", "minimum /minLength" },
		{ "{\"required\":[\"a\",\"a\"]}", "uniqueItems /required" },
		{ "{\"properties\":{\"a\":5}}", "type /properties/a" },
		{ "{\"allOf\":[]}", "minItems /allOf" },
		{ "{\"multipleOf\":0}", "exclusiveMinimum /multipleOf" },
		{ "{\"multipleOf\":1.0000000000000000001}", "multipleOf /multipleOf" },
		{ "{\"pattern\":\"(\"}", "pattern /pattern" },
		{ "{\"patternProperties\":{\"[\":true}}", "patternProperties /patternProperties" },
		{ "{\"$ref\":\"#/$defs/a\"}", "$ref /$ref" },
		{ "{\"$ref\":\"#a\"}", "$ref /$ref" },
		{ "{\"$ref\":\"#/~2\"}", "$ref /$ref" },
		{ "{\"$ref\":\"#%zz\"}", "$ref /$ref" },
		{ "{\"$ref\":\"https://example.com/a\"}", "$ref /$ref" },
		{ "{\"$ref\":\"#/const\",\"const\":5}", "$ref /$ref" },
		{ "{\"$ref\":\"#\"}", "loop " },
		{ "{\"$defs\":{\"a\":{\"allOf\":[{\"$ref\":\"#/$defs/b\"}]},\"b\":{\"if\":true,\"else\":{\"$ref\":\"#/$defs/a\"}}}}", "loop /$defs/a" },
		{ "{\"dependentSchemas\":{\"a\":{\"not\":{\"$ref\":\"#\"}}}}", "loop /dependentSchemas/a" },
		{ "{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}", "$schema /$schema" },
		{ "{\"$defs\":{\"a\":{\"$id\":\"urn:x:1\"},\"b\":{\"$id\":\"urn:x:1\"}}}", "$id /$defs/b/$id" },
		{ "{\"$defs\":{\"a\":{\"$anchor\":\"x\"},\"b\":{\"$anchor\":\"x\"}}}", "$anchor /$defs/b/$anchor" },
		{ "{\"properties\":{\"a\":{\"pattern\":\"(\"},\"b\":{\"$ref\":\"#/x\"}}}", "pattern /properties/a/pattern; $ref /properties/b/$ref" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;
		struct json_object *definition = parse(cases[i].schema);

		cr_expect_null(schema_compile(definition, NULL, &err), "%s", cases[i].schema);
		cr_expect_eq(err.code, FNR_E_INVALID);
		cr_expect_str_eq(told(&err), cases[i].told, "%s: %s", cases[i].schema, told(&err));
		fnr_error_clear(&err);
		json_object_put(definition);
	}
}

Test(schema, other_documents)
{
	static const char inner[] = "{\"$defs\":{\"n\":{\"type\":\"integer\"}},\"$ref\":\"#/$defs/n\"}", bad[] = "{\"type\":7}", own[] =
		"{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$id\":\"https://e.com/meta\",\"$vocabulary\":{"
		"\"https://json-schema.org/draft/2020-12/vocab/core\":true,\"https://json-schema.org/draft/2020-12/vocab/applicator\":true,"
		"\"https://json-schema.org/draft/2020-12/vocab/format-assertion\":true},\"properties\":{\"title\":{\"type\":\"string\"}},\"required\":[\"title\"]}";
	struct schema_remote remotes[] = { { "https://e.com/i", parse(inner) }, { "https://e.com/bad", parse(bad) }, { "https://e.com/meta", parse(own) },
		{ "https://e.com/any", parse("{}") } };
	struct schema_options options = { .remotes = remotes, .remote_count = 4 };
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *definition;

	cr_expect_str_eq(check("{\"items\":{\"$ref\":\"https://e.com/i\"}}", "[1,\"2\"]", &options), "type /1");
	cr_expect_str_eq(check("{\"$schema\":\"https://e.com/meta\",\"title\":\"x\",\"minimum\":5,\"format\":\"date\"}", "1", &options), "");
	cr_expect_str_eq(check("{\"$schema\":\"https://e.com/meta\",\"title\":\"x\",\"format\":\"date\"}", "\"x\"", &options), "format ");
	definition = parse("{\"$schema\":\"https://e.com/meta\"}");
	cr_expect_null(schema_compile(definition, &options, &err));
	cr_expect_str_eq(told(&err), "required /title");
	fnr_error_clear(&err);
	json_object_put(definition);
	/* a metaschema that takes everything leaves it to the compiler */
	cr_expect_str_eq(check("{\"$schema\":\"https://e.com/any\",\"anyOf\":[],\"required\":[\"a\",null]}", "{}", &options), "required /a; anyOf ");
	definition = parse("{\"$schema\":\"https://e.com/any\",\"type\":[null],\"minItems\":\"1\",\"properties\":[],\"items\":5,\"$ref\":7,\"pattern\":{}}");
	cr_expect_null(schema_compile(definition, &options, &err));
	cr_expect_str_eq(told(&err), "type /type; minItems /minItems; pattern /pattern; properties /properties; items /items; $ref /$ref");
	fnr_error_clear(&err);
	json_object_put(definition);
	definition = parse("{\"$ref\":\"https://e.com/bad\"}");
	cr_expect_null(schema_compile(definition, &options, &err));
	cr_expect_neq(err.errors, NULL);
	fnr_error_clear(&err);
	json_object_put(definition);
	for (size_t i = 0; i < 4; i++)
		json_object_put(remotes[i].value);
}

Test(schema, numbers_are_exact)
{
	static const struct { const char *schema, *value; bool good; } cases[] = {
		{ "{\"multipleOf\":0.1}", "0.3", true },
		{ "{\"multipleOf\":0.01}", "1e20", true },
		{ "{\"multipleOf\":0.01}", "4.35", true },
		{ "{\"multipleOf\":0.01}", "4.351", false },
		{ "{\"multipleOf\":3}", "1e300", false },
		{ "{\"multipleOf\":8}", "1e300", true },
		{ "{\"multipleOf\":1e-300}", "1e300", true },
		{ "{\"multipleOf\":7e-3}", "-0.49", true },
		{ "{\"multipleOf\":2.5e2}", "750.0", true },
		{ "{\"multipleOf\":0.123456789}", "1e308", false },
		{ "{\"multipleOf\":9007199254740993}", "18014398509481986", true },
		{ "{\"multipleOf\":9007199254740993}", "18014398509481984", false },
		{ "{\"multipleOf\":3}", "0", true },
		{ "{\"multipleOf\":3}", "-0.0", true },
		{ "{\"maximum\":0.1}", "0.10000000000000000001", false },
		{ "{\"exclusiveMaximum\":0.1}", "0.1000", false },
		{ "{\"minimum\":9007199254740993}", "9007199254740992", false },
		{ "{\"minimum\":9007199254740993}", "9007199254740993.0", true },
		{ "{\"minimum\":1e400}", "1e399", false },
		{ "{\"minimum\":1e400}", "10e399", true },
		{ "{\"maximum\":-1e400}", "-1e401", true },
		{ "{\"minimum\":1e-400}", "0", false },
		{ "{\"const\":9007199254740993}", "9007199254740992", false },
		{ "{\"const\":1}", "1.00", true },
		{ "{\"const\":100}", "1e2", true },
		{ "{\"const\":0}", "-0.0", true },
		{ "{\"type\":\"integer\"}", "1.0", true },
		{ "{\"type\":\"integer\"}", "1e400", true },
		{ "{\"type\":\"integer\"}", "12345678901234567890123", true },
		{ "{\"type\":\"integer\"}", "0.99999999999999999999999", false },
		{ "{\"type\":\"integer\"}", "9007199254740993.5", false },
		{ "{\"uniqueItems\":true}", "[1,1.0]", false },
		{ "{\"uniqueItems\":true}", "[9007199254740993,9007199254740992.0]", true },
		{ "{\"uniqueItems\":true}", "[{\"a\":1,\"b\":[2]},{\"b\":[2.0],\"a\":1}]", false },
		{ "{\"uniqueItems\":true}", "[[1],[true],1,true,\"1\",null,{}]", true },
		{ "{\"enum\":[1,2,3,4,5,6,7,8,{\"a\":9.0}]}", "{\"a\":9}", true },
		{ "{\"enum\":[1,2,3,4,5,6,7,8,9]}", "9.5", false },
		{ "{\"minLength\":2e0,\"maxLength\":2.0}", "\"ab\"", true },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_expect_eq(!*check(cases[i].schema, cases[i].value, NULL), cases[i].good, "%s %s", cases[i].schema, cases[i].value);
}

Test(schema, reals_without_text_count_as_their_shortest)
{
	struct schema *schema = compile("{\"multipleOf\":0.1}", NULL);
	struct json_object *value = json_object_new_double(0.1 * 3), *other = json_object_new_double(0.3);

	cr_expect_not(schema_fits(schema, value));   /* 0.30000000000000004 */
	cr_expect(schema_fits(schema, other));
	json_object_put(value);
	json_object_put(other);
	schema_free(schema);
}

/* ---- schemas for the same value ---- */

#define KINDS "{\"properties\":{\"kind\":{\"enum\":[\"a\",\"longer than b\"]}},\"required\":[\"kind\"],\"allOf\":[" \
	"{\"if\":{\"properties\":{\"kind\":{\"const\":\"a\"}}},\"then\":{\"properties\":{\"x\":{\"type\":\"integer\"}},\"required\":[\"x\"]}}," \
	"{\"if\":{\"properties\":{\"kind\":{\"const\":\"longer than b\"}}},\"then\":{\"properties\":{\"y\":{\"maxLength\":2}}},\"else\":{\"required\":[\"z\"]}}]," \
	"\"unevaluatedProperties\":{\"type\":\"null\"}}"

Test(schema, members_are_shared_by_the_schemas_of_an_object)
{
	static const struct { const char *schema, *value; bool good; } cases[] = {
		{ KINDS, "{\"kind\":\"a\",\"x\":1,\"z\":null}", true },
		{ KINDS, "{\"z\":null,\"x\":1,\"kind\":\"a\"}", true },
		{ KINDS, "{\"kind\":\"a\",\"x\":1}", false },
		{ KINDS, "{\"kind\":\"a\",\"z\":null}", false },
		{ KINDS, "{\"kind\":\"a\",\"x\":\"1\",\"z\":null}", false },
		{ KINDS, "{\"kind\":\"a\",\"x\":1,\"z\":null,\"y\":\"t\"}", false },
		{ KINDS, "{\"kind\":\"longer than b\",\"y\":\"t\"}", true },
		{ KINDS, "{\"kind\":\"longer than c\",\"y\":\"t\",\"z\":null}", false },
		{ KINDS, "{\"kind\":\"longer than b\",\"y\":\"too\"}", false },
		{ KINDS, "{\"kind\":\"longer than b\",\"x\":1}", false },
		{ KINDS, "{\"kind\":\"longer than b\",\"x\":null}", true },
		{ KINDS, "{\"kind\":1}", false },
		{ KINDS, "{\"x\":1}", false },
		{ KINDS, "[]", true },
		/* a name that is only required is still another member */
		{ "{\"allOf\":[{\"properties\":{\"a\":true}}],\"required\":[\"b\"],\"additionalProperties\":false}", "{\"b\":1}", false },
		{ "{\"oneOf\":[{\"properties\":{\"a\":true},\"required\":[\"b\"],\"additionalProperties\":false},{\"required\":[\"b\"]}]}", "{\"b\":1}", true },
		/* what tells alternatives apart need not be there, nor be text */
		{ "{\"oneOf\":[{\"properties\":{\"k\":{\"const\":\"a\"}}},{\"properties\":{\"k\":{\"const\":\"b\"}}}]}", "{}", false },
		{ "{\"oneOf\":[{\"properties\":{\"k\":{\"enum\":[\"a\",1]}}},{\"properties\":{\"k\":{\"const\":\"b\"}}}]}", "{\"k\":1.0}", true },
		{ "{\"oneOf\":[{\"properties\":{\"k\":{\"const\":\"a\",\"type\":\"null\"}}},{\"properties\":{\"k\":{\"const\":\"a\"}}}]}", "{\"k\":\"a\"}", true },
		/* taken over from others, with their own bounds */
		{ "{\"type\":\"integer\",\"minimum\":1,\"allOf\":[{\"maximum\":5},{\"minimum\":3.5,\"multipleOf\":2}]}", "4", true },
		{ "{\"type\":\"integer\",\"minimum\":1,\"allOf\":[{\"maximum\":5},{\"minimum\":3.5,\"multipleOf\":2}]}", "3", false },
		{ "{\"type\":\"integer\",\"minimum\":1,\"allOf\":[{\"maximum\":5},{\"minimum\":3.5,\"multipleOf\":2}]}", "6", false },
		{ "{\"type\":\"integer\",\"minimum\":1,\"allOf\":[{\"maximum\":5},{\"minimum\":3.5,\"multipleOf\":2}]}", "5", false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_expect_eq(!*check(cases[i].schema, cases[i].value, NULL), cases[i].good, "%s %s", cases[i].schema, cases[i].value);
}

/* Objects in a list are mostly alike, and looked at as if they were: others are no worse for it. */
#define ROWS "{\"items\":{\"type\":\"object\",\"properties\":{\"t\":{\"type\":\"number\",\"minimum\":0}," \
	"\"value\":{\"type\":[\"integer\",\"null\"]},\"ease\":{\"enum\":[\"\",\"linear\",\"ease in and out\",\"ease in and off\"]}," \
	"\"name_of_it\":{\"type\":\"string\",\"minLength\":2}},\"required\":[\"t\",\"also\"],\"additionalProperties\":{\"type\":\"boolean\"}}}"

Test(schema, rows_of_a_list)
{
	static const struct { const char *value, *told; } cases[] = {
		{ "[]", "" },
		{ "[{\"t\":0.5,\"value\":1,\"ease\":\"linear\",\"name_of_it\":\"ab\",\"also\":true},{\"t\":1,\"value\":null,\"ease\":\"\",\"also\":false}]", "" },
		{ "[{\"also\":true,\"ease\":\"ease in and off\",\"t\":7,\"value\":3.0},{\"t\":0,\"also\":true},{\"also\":true,\"t\":0.0}]", "" },
		{ "[{\"t\":1,\"also\":true,\"other\":false,\"name_of_it\":\"\\u00e4\\u00f6\"}]", "" },
		{ "[{\"t\":1,\"also\":true},{\"t\":-1,\"also\":true},{\"t\":1}]", "minimum /1/t; required /2/also" },
		{ "[{\"t\":-0.5,\"also\":1},{\"t\":\"1\",\"also\":true}]", "minimum /0/t; type /0/also; type /1/t" },
		{ "[{\"t\":1,\"also\":true,\"value\":1.5},{\"t\":1,\"also\":true,\"ease\":\"ease in and ofg\"}]", "type /0/value; enum /1/ease" },
		{ "[{\"t\":1,\"also\":true,\"name_of_it\":\"a\"},{\"t\":1,\"also\":true,\"name_of_it\":\"\\u00e4\"},{\"t\":1,\"also\":true,\"name_of_it\":\"\"}]",
		  "minLength /0/name_of_it; minLength /1/name_of_it; minLength /2/name_of_it" },
		{ "[{\"t\":1,\"also\":true,\"name_of_i\":1},{\"t\":1,\"also\":true,\"name_of_its\":1},{\"t\":1,\"also\":true,\"\":1}]",
		  "type /0/name_of_i; type /1/name_of_its; type /2/" },
		{ "[null,[],{\"t\":1,\"also\":true},\"t\",{}]", "type /0; type /1; type /3; required /4/t; required /4/also" },
		{ "[{\"t\":1,\"also\":true,\"a\":true,\"b\":true,\"c\":true,\"d\":true,\"e\":true,\"f\":true,\"g\":true,\"h\":true,\"i\":true,\"j\":0}]",
		  "type /0/j" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_expect_str_eq(check(ROWS, cases[i].value, NULL), cases[i].told, "%s: %s", cases[i].value, check(ROWS, cases[i].value, NULL));
}

/* What a schema says of texts means nothing to one that takes none, and the other way round. */
Test(schema, rules_for_kinds_that_are_not_taken)
{
	static const struct { const char *schema, *value; bool good; } cases[] = {
		{ "{\"items\":{\"type\":\"integer\",\"enum\":[\"a\",1]}}", "[1]", true },
		{ "{\"items\":{\"type\":\"integer\",\"enum\":[\"a\",1]}}", "[\"a\"]", false },
		{ "{\"items\":{\"type\":\"integer\",\"minLength\":1}}", "[1]", true },
		{ "{\"items\":{\"type\":\"integer\",\"minLength\":1}}", "[\"a\"]", false },
		{ "{\"items\":{\"type\":\"string\",\"minimum\":1}}", "[\"a\",\"\"]", true },
		{ "{\"items\":{\"type\":\"string\",\"minimum\":1}}", "[2]", false },
		{ "{\"items\":{\"minimum\":1}}", "[\"a\",null,{},1,1.5]", true },
		{ "{\"items\":{\"minimum\":1}}", "[\"a\",null,{},0.5]", false },
		{ "{\"items\":{\"maxLength\":1}}", "[\"a\",12,null,\"\"]", true },
		{ "{\"items\":{\"type\":[\"integer\",\"string\"],\"minimum\":1}}", "[\"a\",1,2.0]", true },
		{ "{\"items\":{\"type\":[\"integer\",\"string\"],\"minimum\":1}}", "[1.5]", false },
		{ "{\"items\":{\"type\":\"array\",\"properties\":{\"a\":false}}}", "[[]]", true },
		{ "{\"items\":{\"type\":\"array\",\"properties\":{\"a\":true}}}", "[{\"a\":1}]", false },
		{ "{\"items\":{\"minimum\":1,\"multipleOf\":3}}", "[3,6,\"a\",9.0]", true },
		{ "{\"items\":{\"minimum\":1,\"multipleOf\":3}}", "[4]", false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_expect_eq(!*check(cases[i].schema, cases[i].value, NULL), cases[i].good, "%s %s", cases[i].schema, cases[i].value);
}

static struct json_object *object_with(const char *name, struct json_object *value)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add_ex(object, name, value, JSON_C_OBJECT_ADD_CONSTANT_KEY);
	return object;
}

/* Names are compared eight bytes at a time where they lie so, which those of another maker need not do. */
Test(schema, names_wherever_they_lie)
{
	for (size_t len = 0; len < 20; len++) {
		char name[40] = "", found[48], text[300];
		struct schema *schema;

		memset(name, 'n', len);
		snprintf(text, sizeof text, "{\"items\":{\"allOf\":[{\"required\":[\"%s\"]}],\"properties\":{\"%s\":{\"const\":\"%s\"}},\"additionalProperties\":false}}",
		         name, name, name);
		schema = compile(text, NULL);
		for (size_t offset = 0; offset < 8; offset++) {
			char *at = found + offset;
			struct json_object *list = json_object_new_array();

			strcpy(at, name);
			json_object_array_add(list, object_with(at, json_object_new_string(name)));
			cr_expect_str_eq(check_value(schema, list), "", "%zu at %zu", len, offset);
			strcat(at, "n");
			cr_expect_neq(*check_value(schema, list), 0, "one more than %zu at %zu", len, offset);
			for (size_t other = 0; other < len; other++) {
				strcpy(at, name);
				at[other] = 'm';
				cr_expect_neq(*check_value(schema, list), 0, "%zu of %zu at %zu", other, len, offset);
				at[other] = 0;
				cr_expect_neq(*check_value(schema, list), 0, "the first %zu of %zu at %zu", other, len, offset);
			}
			json_object_put(list);
		}
		schema_free(schema);
	}
}

/* More members, and more names, than a set of 64 bits has room for: the answer is the same. */
Test(schema, members_that_are_too_many_to_be_shared)
{
	for (int count = 62; count <= 66; count++) {
		struct fnr_buf schema = FNR_BUF_INIT, value = FNR_BUF_INIT;

		fnr_buf_puts(&schema, "{\"allOf\":[{\"properties\":{\"last\":true},\"required\":[\"last\"]}],\"unevaluatedProperties\":false,\"properties\":{\"first\":true");
		fnr_buf_puts(&value, "{\"last\":1");
		for (int i = 0; i < count; i++) {
			fnr_buf_printf(&schema, ",\"name%d\":{\"type\":\"integer\"}", i);
			fnr_buf_printf(&value, ",\"name%d\":%d", i, i);
		}
		fnr_buf_puts(&schema, "}}");
		fnr_buf_puts(&value, "}");
		cr_expect_str_eq(check(schema.data, value.data, NULL), "", "%d", count);
		value.len--;
		fnr_buf_puts(&value, ",\"more\":1}");
		cr_expect_str_eq(check(schema.data, value.data, NULL), "unevaluatedProperties /more", "%d", count);
		fnr_buf_free(&schema);
		fnr_buf_free(&value);
	}
}

/* ---- formats ---- */

Test(schema, host_names)
{
	static const struct { const char *text; bool idn, ascii; } cases[] = {
		{ "localhost", true, true }, { "a.b-c.example", true, true }, { "1.2.3.4", true, true }, { "ab--cd", true, true },
		{ "a_b", false, false }, { "-a", false, false }, { "a-", false, false }, { "", false, false }, { "a.", false, false }, { ".a", false, false },
		{ "a..b", false, false }, { "xn--bcher-kva.example", true, true }, { "XN--BCHER-KVA", true, true }, { "xn--", false, false },
		{ "xn--a", false, false }, { "xn--fass", false, false }, { "fa\xc3\x9f.de", true, false }, { "b\xc3\xbc" "cher.example", true, false },
		{ "B\xc3\xbc" "cher", false, false }, { "-\xc3\xbc", false, false }, { "\xc3\xbc-", false, false },
		{ "u\xcc\x88", false, false } /* not in normal form */, { "\xe5\xae\x9f\xe3\x80\x82\xe4\xbe\x8b", true, false },
		{ "a\xef\xbc\x8e" "b", true, false }, { "a\xef\xbd\xa1" "b", true, false }, { "\xe3\x80\x82", false, false },
	};
	struct schema_options options = { .formats = true };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char value[64];

		snprintf(value, sizeof value, "\"%s\"", cases[i].text);
		cr_expect_eq(!*check("{\"format\":\"idn-hostname\"}", value, &options), cases[i].idn, "%s", cases[i].text);
		cr_expect_eq(!*check("{\"format\":\"hostname\"}", value, &options), cases[i].ascii, "%s", cases[i].text);
	}
}

/* ---- what nobody can make it do ---- */

static const char *nested(const char *open, const char *inner, const char *close, int times)
{
	static struct fnr_buf text = FNR_BUF_INIT;

	fnr_buf_reset(&text);
	for (int i = 0; i < times; i++)
		fnr_buf_puts(&text, open);
	fnr_buf_puts(&text, inner);
	for (int i = 0; i < times; i++)
		fnr_buf_puts(&text, close);
	return text.data;
}

Test(schema, dynamic_loops_end, .timeout = 600)
{
	cr_expect_str_eq(check("{\"$dynamicAnchor\":\"a\",\"allOf\":[{\"$dynamicRef\":\"#a\"}]}", "1", NULL), "limit ");
	cr_expect_str_eq(check("{\"$dynamicAnchor\":\"a\",\"anyOf\":[{\"$dynamicRef\":\"#a\"},{\"$dynamicRef\":\"#a\"}]}", "[]", NULL), "limit ");
	cr_expect_str_eq(check("{\"$dynamicAnchor\":\"a\",\"not\":{\"$dynamicRef\":\"#a\"}}", "{}", NULL), "limit ");
}

/* 2^40 ways through it */
Test(schema, many_ways_end, .timeout = 600)
{
	struct fnr_buf text = FNR_BUF_INIT;

	fnr_buf_puts(&text, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
	for (int i = 0; i < 40; i++)
		fnr_buf_printf(&text, "\"d%d\":{\"allOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":\"#/$defs/d%d\"}]},", i, i + 1, i + 1);
	fnr_buf_puts(&text, "\"d40\":{\"minItems\":1,\"contains\":true}}}");
	cr_expect_str_eq(check(text.data, "[1]", NULL), "limit ");
	fnr_buf_free(&text);
}

Test(schema, alternatives_within_alternatives_end, .timeout = 600)
{
	struct fnr_buf text = FNR_BUF_INIT;

	for (int i = 0; i < 12; i++)
		fnr_buf_puts(&text, "{\"anyOf\":[{\"items\":{\"type\":\"null\"}},");
	fnr_buf_puts(&text, "false");
	for (int i = 0; i < 12; i++)
		fnr_buf_puts(&text, ",{\"items\":{\"const\":1}}]}");
	cr_expect_neq(*check(text.data, "[5,5,5,5,5,5,5,5,5,5]", NULL), 0);
	fnr_buf_free(&text);
}

Test(schema, deep_values_and_schemas)
{
	struct json_object *value, *deep = NULL;
	struct schema *schema = compile("{\"items\":{\"$ref\":\"#\"}}", NULL);
	struct fnr_error err = FNR_ERROR_INIT;

	value = parse(nested("[", "1", "]", FNR_JSON_DEPTH_OWN));
	cr_expect_str_eq(check_value(schema, value), "");
	json_object_put(value);
	for (int i = 0; i < 5000; i++) {     /* deeper than any parser gives it */
		struct json_object *outer = json_object_new_array();

		json_object_array_add(outer, deep);
		deep = outer;
	}
	cr_expect_eq(strncmp(check_value(schema, deep), "limit ", 6), 0);
	json_object_put(deep);
	schema_free(schema);
	value = parse(nested("{\"not\":", "true", "}", FNR_JSON_DEPTH_OWN));
	schema = schema_compile(value, NULL, &err);
	cr_expect(schema, "%s", err.message);
	cr_expect(schema_fits(schema, NULL));
	schema_free(schema);
	json_object_put(value);
}

Test(schema, no_more_problems_than_anybody_reads)
{
	struct schema *schema = compile("{\"items\":{\"type\":\"string\",\"enum\":[]}}", NULL);
	struct json_object *value = json_object_new_array();
	struct fnr_error err = FNR_ERROR_INIT;

	for (int i = 0; i < 100000; i++)
		json_object_array_add(value, json_object_new_int(i));
	cr_expect_not(schema_check(schema, value, "", &err));
	cr_expect_eq(json_object_array_length(err.errors), (size_t)SCHEMA_ERRORS + 1);
	cr_expect_str_eq(fnr_json_get_text(json_object_array_get_idx(err.errors, SCHEMA_ERRORS), "rule", ""), "more");
	fnr_error_clear(&err);
	json_object_put(value);
	schema_free(schema);
}

static struct json_object *long_text(size_t len, char c)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *value;

	memset(fnr_buf_room(&text, len), c, len);
	value = json_object_new_string_len(text.data, (int)len);
	fnr_buf_free(&text);
	return value;
}

/* Each would run for hours or for ever; it is refused after about a second of work. */
Test(schema, catastrophic_patterns_end, .timeout = 300)
{
	static const char *const patterns[] = { "^(a+)+\\\\d$", "a*a*a*a*b", "(a|aa)+$b", "^(?=(a*)*b)", "(.*)*x", "a*b" };

	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
		struct fnr_buf text = FNR_BUF_INIT;
		struct schema *schema;
		struct json_object *value;

		fnr_buf_printf(&text, "{\"pattern\":\"%s\"}", patterns[i]);
		schema = compile(text.data, NULL);
		for (size_t len = 30; len <= 10000000; len *= 60) {
			value = long_text(len, 'a');
			cr_expect_neq(*check_value(schema, value), 0, "%s, %zu", patterns[i], len);
			json_object_put(value);
		}
		schema_free(schema);
		fnr_buf_free(&text);
	}
}

Test(schema, many_texts_for_a_hard_pattern_end, .timeout = 300)
{
	struct schema *schema = compile("{\"items\":{\"pattern\":\"a*a*b\"}}", NULL);
	struct json_object *value = json_object_new_array(), *text = long_text(200, 'a');

	for (int i = 0; i < 100000; i++)
		json_object_array_add(value, json_object_get(text));
	cr_expect_not(schema_fits(schema, value));
	json_object_put(value);
	json_object_put(text);
	schema_free(schema);
}

Test(schema, many_plain_patterns_of_a_long_text_end, .timeout = 300)
{
	struct fnr_buf schema = FNR_BUF_INIT, value = FNR_BUF_INIT;

	fnr_buf_puts(&schema, "{\"allOf\":[true");
	for (int i = 0; i < 1000; i++)
		fnr_buf_puts(&schema, ",{\"pattern\":\"^[a-z]*$\"}");
	fnr_buf_puts(&schema, "]}");
	fnr_buf_puts(&value, "\"");
	for (int i = 0; i < 200000; i++)
		fnr_buf_puts(&value, "abcdefghij");
	fnr_buf_puts(&value, "\"");
	cr_expect_str_eq(check(schema.data, value.data, NULL), "limit ");
	fnr_buf_free(&schema);
	fnr_buf_free(&value);
}

Test(schema, long_texts, .timeout = 600)
{
	struct schema *schema = compile("{\"type\":\"string\",\"minLength\":10000000,\"maxLength\":10000000,\"pattern\":\"x\",\"not\":{\"const\":\"\"}}", NULL);
	struct json_object *value = long_text(10000000, 'x');

	cr_expect_str_eq(check_value(schema, value), "");
	json_object_put(value);
	value = long_text(10000000, 'y');
	cr_expect_str_eq(check_value(schema, value), "pattern ");   /* a simple one is looked for through all of it */
	json_object_put(value);
	schema_free(schema);
}

Test(schema, wide_values_that_are_alike, .timeout = 600)
{
	struct schema *schema = compile("{\"uniqueItems\":true,\"items\":{\"enum\":[[1],[2],[3],[4],[5],[6],[7],[8],[9],[0]]}}", NULL);
	struct json_object *value = json_object_new_array();

	for (int i = 0; i < 200000; i++) {
		struct json_object *item = json_object_new_array();

		json_object_array_add(item, json_object_new_int(i));
		json_object_array_add(value, item);
	}
	cr_expect_not(schema_fits(schema, value));
	json_object_put(value);
	schema_free(schema);
}

static bool pattern_takes(const char *pattern, const char *text)
{
	char why[192];
	struct pattern_clock clock = { 0, 0 };
	struct pattern *compiled = pattern_create(pattern, strlen(pattern), why, sizeof why);
	enum pattern_result result;

	cr_assert(compiled, "%s: %s", pattern, why);
	result = pattern_run(compiled, text, strlen(text), &clock);
	pattern_free(compiled);
	return result == PATTERN_FITS;
}

Test(schema, patterns_mean_what_they_mean_in_a_browser)
{
	static const struct { const char *pattern, *text; bool fits; } cases[] = {
		{ "^.$", "\n", false }, { "^.$", "\xe2\x80\xa8", false }, { "^[^]$", "\n", true }, { "[]", "a", false }, { "", "", true }, { "^\\s$", "\xc2\xa0", true },
		{ "^[\\S]$", "\xe3\x80\x80", false }, { "^[^\\S]$", " ", true }, { "^\\u{1f600}$", "\xf0\x9f\x98\x80", true },
		{ "^\\ud83d\\ude00$", "\xf0\x9f\x98\x80", true }, { "^\\x41\\cJ\\0?$", "A\n", true }, { "^(a)\\1$", "aa", true }, { "^(?<x>a)\\k<x>$", "aa", true },
		{ "^\\p{Lu}\\p{Script=Greek}\\P{gc=Letter}$", "A\xce\xb1" "1", true }, { "^[[:alpha:]]+$", "a]", true }, { "^a{2,3}?$", "aaa", true },
		{ "^{a}$", "{a}", true }, { "^]$", "]", true }, { "^[\\b]$", "\b", true }, { "(?<=a)b", "ab", true }, { "(?<!a)b", "ab", false }, { "\\/\\-\\@", "/-@", true },
		{ "a$", "a\n", false }, { "^(?:a|b)+$", "abba", true }, { "(?!a)b", "b", true }, { "^(?i:ab)c$", "aBc", true }, { "^(?i:ab)c$", "aBC", false },
	};
	static const char *const refused[] = {
		"a++", "a**", "*", "(?>a)", "(?i)a", "(?#x)", "(?P<n>a)", "(?R)", "(*UTF)", "\\a", "\\A", "\\z", "\\Qx\\E", "\\K", "\\h", "\\R", "\\x{41}", "\\u12", "\\ud800",
		"\\u{110000}", "\\p{Nothing}", "\\pL", "\\1", "\\01", "[\\1]", "[", "(", ")", "\\", "[b-a]", "\\k<x>", "\\c1", "a{2,1}", "(?<1>a)", "\\C", "^*", "(|*)",
	};
	char why[192];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_expect_eq(pattern_takes(cases[i].pattern, cases[i].text), cases[i].fits, "%s %s", cases[i].pattern, cases[i].text);
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		cr_expect_not(pattern_sound(refused[i], why, sizeof why), "%s was taken", refused[i]);
}

/* What a parser would not give: the caller's mistake must not become a crash. */
Test(schema, invalid_utf8)
{
	struct schema *schema = compile("{\"anyOf\":[{\"pattern\":\"^.\\u00fc\",\"maxLength\":2},{\"enum\":[\"x\"]}]}", NULL);
	struct json_object *value = json_object_new_string("\xff\xfe\xfc");

	cr_expect_neq(*check_value(schema, value), 0);
	json_object_put(value);
	schema_free(schema);
}

/* A bound is read for each value that is about as large; so are numbers in an enum. */
Test(schema, long_numbers, .timeout = 600)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *definition, *values = json_object_new_array();
	struct schema *schema;

	fnr_buf_puts(&text, "{\"minimum\":1.");
	memset(fnr_buf_room(&text, 100000), '0', 100000);
	text.len += 100000;
	fnr_buf_puts(&text, "1}");
	definition = parse(text.data);
	cr_expect_null(schema_compile(definition, NULL, &err));
	cr_expect_str_eq(told(&err), "minimum /minimum");
	fnr_error_clear(&err);
	fnr_json_set(definition, "const", json_object_get(fnr_json_get(definition, "minimum")));
	json_object_object_del(definition, "minimum");
	fnr_buf_reset(&text);
	fnr_buf_printf(&text, "{\"items\":%s}", fnr_json_text(definition, NULL));
	schema = compile(text.data, NULL);
	for (int i = 0; i < 100000; i++)
		json_object_array_add(values, json_object_get(fnr_json_get(definition, "const")));
	cr_expect_eq(strncmp(check_value(schema, values), "limit /", 7), 0);
	schema_free(schema);
	json_object_put(values);
	json_object_put(definition);
	fnr_buf_free(&text);
}

Test(schema, many_schemas_and_names)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct schema *schema;
	struct json_object *value;

	fnr_buf_puts(&text, "{\"properties\":{");
	for (int i = 0; i < 20000; i++)
		fnr_buf_printf(&text, "%s\"p%d\":{\"$id\":\"a%d\",\"type\":\"integer\"}", i ? "," : "", i, i);
	fnr_buf_puts(&text, "},\"additionalProperties\":false}");
	schema = compile(text.data, NULL);
	value = parse("{\"p19999\":1,\"p7\":\"x\",\"q\":1}");
	cr_expect_str_eq(check_value(schema, value), "type /p7; additionalProperties /q");
	json_object_put(value);
	schema_free(schema);
	fnr_buf_free(&text);
}
