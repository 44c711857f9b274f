/* Dialects: which vocabularies a schema is written in, and whether it is what its metaschema demands. */
#include <string.h>

#include "schema/program.h"

#define METASCHEMAS_MOST 4    /* of metaschemas, one above the other */
#define VOCABULARY "https://json-schema.org/draft/2020-12/vocab/"

static const struct { const char *name; unsigned flag; } vocabularies[] = {
	{ "core", V_CORE }, { "applicator", V_APPLICATOR }, { "unevaluated", V_UNEVALUATED }, { "validation", V_VALIDATION },
	{ "meta-data", V_META_DATA }, { "format-annotation", V_FORMAT }, { "format-assertion", V_FORMAT_ASSERTION }, { "content", V_CONTENT },
};

static unsigned vocabulary_flag(const char *uri)
{
	if (strncmp(uri, VOCABULARY, strlen(VOCABULARY)) == 0)
		for (size_t i = 0; i < sizeof vocabularies / sizeof vocabularies[0]; i++)
			if (strcmp(uri + strlen(VOCABULARY), vocabularies[i].name) == 0)
				return vocabularies[i].flag;
	return 0;
}

/* The address that $schema names, or NULL for the draft's own. In the arena. */
static char *metaschema_of(struct compiler *c, const struct node *root)
{
	const char *uri = fnr_json_get_text(root->source, "$schema", METASCHEMA);
	char *address = fnr_arena_strdup(c->schema->arena, uri);
	size_t len = strlen(address);

	if (len && address[len - 1] == '#')
		address[len - 1] = 0;
	return strcmp(address, METASCHEMA) == 0 ? NULL : address;
}

static unsigned read_vocabularies(struct compiler *c, const struct node *node, struct json_object *list)
{
	unsigned found = V_CORE;

	json_object_object_foreach(list, uri, needed) {
		unsigned flag = vocabulary_flag(uri);

		found |= flag;
		if (!flag && json_object_get_boolean(needed))
			compiler_fault(c, node, "$schema", "use a metaschema that does without it", "the vocabulary %.200s is not known", uri);
	}
	return found;
}

unsigned dialect_vocabularies(struct compiler *c, struct resource *resource)
{
	const struct node *root = resource->root;
	struct json_object *list;
	struct node *meta;
	char *address;

	if (resource->vocabularies)
		return resource->vocabularies;
	if (!fnr_json_get(root->source, "$schema") && root->parent)
		return resource->vocabularies = dialect_vocabularies(c, root->parent->resource);
	address = metaschema_of(c, root);
	meta = address ? resource_find(c, address) : NULL;
	list = meta ? fnr_json_get(meta->source, "$vocabulary") : NULL;
	if (address && !meta)
		compiler_fault(c, root, "$schema", "use " METASCHEMA ", or make the metaschema known under its address",
		               "the metaschema %.200s is not known", address);
	resource->vocabularies = json_object_is_type(list, json_type_object) ? read_vocabularies(c, root, list) : V_STANDARD;
	return resource->vocabularies;
}

/* ---- checking ---- */

/* The draft's own metaschema, compiled once a process and kept. */
static const struct schema *standard(void)
{
	static struct schema *schema;
	struct fnr_error err = FNR_ERROR_INIT;

	if (!schema)
		schema = compiler_run(metaschema_find(METASCHEMA), NULL, METASCHEMAS_MOST, &err);
	FNR_MUST(schema);
	return schema;
}

/* Faults of another document are told in one line, where it is referred to. */
static bool report(struct compiler *c, struct document *document, bool fits, struct fnr_error *found)
{
	if (document->main)
		fnr_error_move(c->err, found);
	else if (!fits)
		compiler_fault(c, document->root, "$schema", "correct that schema", "%.200s is not a sound schema: %.200s", document->uri, found->message);
	fnr_error_clear(found);
	return fits;
}

bool dialect_check(struct compiler *c, struct document *document)
{
	struct fnr_error found = FNR_ERROR_INIT;
	const char *address = metaschema_of(c, document->root);
	struct node *meta = address ? resource_find(c, address) : NULL;
	struct schema *custom;
	bool fits;

	document->checked = true;
	if (c->metaschemas >= METASCHEMAS_MOST || (address && !meta))
		return true;
	if (!address)
		return report(c, document, schema_check(standard(), document->value, "", &found), &found);
	custom = compiler_run(meta->source, c->options, c->metaschemas + 1, &found);
	fits = custom && schema_check(custom, document->value, "", &found);
	schema_free(custom);
	return report(c, document, fits, &found);
}
