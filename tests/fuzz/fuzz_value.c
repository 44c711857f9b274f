/* The validator: a list of a schema and values for it. Whether a value fits does not depend on who asks, or on how often. */
#include "base/err.h"
#include "fuzz/fuzz.h"
#include "schema/schema.h"

static void run(const struct schema *schema, struct json_object *value)
{
	struct schema_report *report = schema_report(schema, value);
	struct fnr_error err = FNR_ERROR_INIT;
	bool fits = schema_fits(schema, value);

	FNR_MUST(fits == !report);
	if (report) {
		FNR_MUST(schema_report_count(report) > 0 && schema_report_count(report) <= SCHEMA_ERRORS);
		schema_report_tell(report, "/x", &err);
		FNR_MUST(json_object_array_length(err.errors) >= schema_report_count(report));
	}
	schema_report_free(report);
	fnr_error_clear(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct schema_options options = { .formats = true };
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *list = fnr_json_parse_exact((const char *)data, len, &err);
	struct schema *schema = NULL;

	if (json_object_is_type(list, json_type_array) && json_object_array_length(list) > 1)
		schema = schema_compile(json_object_array_get_idx(list, 0), &options, &err);
	for (size_t i = 1; schema && i < json_object_array_length(list); i++)
		run(schema, json_object_array_get_idx(list, i));
	schema_free(schema);
	fnr_error_clear(&err);
	json_object_put(list);
	return 0;
}
