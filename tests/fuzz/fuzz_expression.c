/* Computed values: an expression over a few parameters. */
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "fuzz/fuzz.h"
#include "registry/expression.h"

static bool names(const char *name, enum expression_type *type_r, void *context)
{
	static const struct { const char *name; enum expression_type type; } known[] = {
		{ "n", EXPRESSION_NUMBER }, { "width", EXPRESSION_NUMBER }, { "t", EXPRESSION_TRUTH }, { "s", EXPRESSION_TEXT },
	};

	(void)context;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (strcmp(known[i].name, name) != 0)
			continue;
		*type_r = known[i].type;
		return true;
	}
	return false;
}

static void evaluate(const struct expression *expression, const char *text)
{
	static const enum json_type types[][2] = {
		[EXPRESSION_NUMBER] = { json_type_int, json_type_double }, [EXPRESSION_TRUTH] = { json_type_boolean, json_type_boolean },
		[EXPRESSION_TEXT] = { json_type_string, json_type_string },
	};
	struct json_object *values = fnr_json_parse(text, strlen(text), NULL), *value = expression_evaluate(expression, values);
	enum json_type type = json_object_get_type(value);

	FNR_MUST(type == types[expression_type(expression)][0] || type == types[expression_type(expression)][1]);
	json_object_put(value);
	json_object_put(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = fnr_memdup0(data, len), error[256];
	struct expression *expression = expression_parse(text, names, NULL, error);

	if (expression) {
		evaluate(expression, "{}");
		evaluate(expression, "{\"n\":-7.5,\"width\":9007199254740991,\"t\":true,\"s\":\"x\"}");
		evaluate(expression, "{\"n\":\"x\",\"width\":0,\"t\":5,\"s\":1e300}");
	}
	expression_free(expression);
	free(text);
	return 0;
}
