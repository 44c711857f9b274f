/* The shape of a template as share/template.schema.json has it, which editors use as well. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "registry/internal.h"
#include "schema/schema.h"

#define SCHEMA_MOST (1u << 20)

struct json_object *template_schema(struct fnr_error *err)
{
	static struct json_object *schema;
	struct fnr_buf text = FNR_BUF_INIT;
	char path[REGISTRY_PATH];

	if (!schema) {
		snprintf(path, sizeof path, "%s/template.schema.json", fnr_share_dir());
		if (fnr_file_read(path, SCHEMA_MOST, &text, err) == FNR_OK)
			schema = fnr_json_parse(text.data ? text.data : "", text.len, err);
		fnr_buf_free(&text);
	}
	return schema;
}

static const struct schema *compiled(void)
{
	static struct schema *schema;
	static bool tried;
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *definition;

	if (tried)
		return schema;
	tried = true;
	definition = template_schema(&err);
	if (definition)
		schema = schema_compile(definition, NULL, &err);
	if (!schema)
		fnr_warn(NULL, "templates are checked without their schema, which cannot be used: %s", err.message);
	fnr_error_clear(&err);
	return schema;
}

/* null counts as not given. */
static struct json_object *without_nulls(struct json_object *value)
{
	struct json_object *copy;

	if (!json_object_is_type(value, json_type_object))
		return fnr_json_copy(value);
	copy = json_object_new_object();
	json_object_object_foreach(value, name, member) {
		if (member)
			fnr_json_set(copy, name, without_nulls(member));
	}
	return copy;
}

void template_shape_check(struct json_object *source, struct fnr_error *err)
{
	const struct schema *schema = compiled();
	struct fnr_error found = FNR_ERROR_INIT;
	struct json_object *whole;

	if (!schema)
		return;
	whole = without_nulls(source);
	json_object_object_del(whole, "extends");      /* it has been laid over that */
	schema_check(schema, whole, "", &found);
	for (size_t i = 0; found.errors && i < json_object_array_length(found.errors); i++) {
		struct json_object *entry = json_object_array_get_idx(found.errors, i);

		fnr_error_add(err, fnr_json_get_text(entry, "pointer", ""), "schema", fnr_json_get_text(entry, "fix", NULL), "%s", fnr_json_get_text(entry, "message", ""));
	}
	json_object_put(whole);
	fnr_error_clear(&found);
}
