/* The compiler of schemas: any JSON as a schema, run over itself and some values. What compiles is what the metaschema takes. */
#include "base/err.h"
#include "fuzz/fuzz.h"
#include "schema/schema.h"

static const char *const values[] = { "null", "-1.5e3", "\"aab\xc3\xbc\"", "[1,[2],{\"a\":1}]", "{\"a\":{\"b\":[]},\"foo\":\"bar\"}" };

static void run(const struct schema *schema, struct json_object *value)
{
	struct fnr_error err = FNR_ERROR_INIT;
	bool good = schema_check(schema, value, "", &err);

	FNR_MUST(good == !err.errors && good == schema_fits(schema, value));
	fnr_error_clear(&err);
}

/* Of the draft's own dialect, and without other addresses that might be the metaschema's. */
static bool is_plain(struct json_object *definition)
{
	return !fnr_json_get(definition, "$schema") && !fnr_json_get(definition, "$id");
}

static bool metaschema_takes(struct json_object *definition)
{
	static struct schema *metaschema;
	struct json_object *reference;

	if (!metaschema) {
		reference = json_object_new_object();
		fnr_json_set_text(reference, "$ref", "https://json-schema.org/draft/2020-12/schema");
		metaschema = schema_compile(reference, NULL, NULL);
		json_object_put(reference);
		FNR_MUST(metaschema);
	}
	return schema_fits(metaschema, definition);
}

/* A metaschema that takes everything, so that nothing is checked before the compiler sees it. */
static const struct schema_remote *anything(void)
{
	static const char text[] = "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\"}";
	static struct schema_remote remote = { "x:any", NULL };

	if (!remote.value)
		remote.value = fnr_json_parse(text, strlen(text), NULL);
	return &remote;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct schema_options options = { .formats = len & 1, .remotes = anything(), .remote_count = 1 };
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *definition = fnr_json_parse_exact((const char *)data, len, &err), *value;
	struct schema *schema;

	if (err.code != FNR_OK)
		return 0;
	schema = schema_compile(definition, &options, &err);
	FNR_MUST(!schema == (err.code != FNR_OK));
	if (schema && is_plain(definition))
		FNR_MUST(metaschema_takes(definition));
	for (size_t i = 0; schema && i < sizeof values / sizeof values[0]; i++) {
		value = fnr_json_parse(values[i], strlen(values[i]), NULL);
		run(schema, value);
		json_object_put(value);
	}
	if (schema)
		run(schema, definition);
	schema_free(schema);
	fnr_error_clear(&err);
	json_object_put(definition);
	return 0;
}
