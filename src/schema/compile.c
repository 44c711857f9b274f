/* Compiles a schema: finds all that belongs to it, then makes the operations of what is needed. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "schema/program.h"

#define BASE "schema:///"     /* what relative addresses are relative to, when a schema has none of its own */

/* ---- faults ---- */

const char *node_pointer(const struct schema *schema, const struct node *node, char out[POINTER_MOST])
{
	const struct node *way[300];
	size_t count = 0;
	char index[24];

	for (; node->parent && count < sizeof way / sizeof way[0]; node = node->parent)
		way[count++] = node;
	out[0] = 0;
	if (!node->resource->document->main)
		fnr_text_copy(out, POINTER_MOST / 2, node->resource->document->uri);
	strcat(out, "#");
	while (count--) {
		fnr_json_pointer_add(out, POINTER_MOST, way[count]->keyword);
		if (way[count]->name)
			fnr_json_pointer_add(out, POINTER_MOST, way[count]->name);
		snprintf(index, sizeof index, "%lld", (long long)way[count]->index);
		if (way[count]->index >= 0)
			fnr_json_pointer_add(out, POINTER_MOST, index);
	}
	return out;
}

static bool full(const struct compiler *c)
{
	return c->err->errors && json_object_array_length(c->err->errors) >= SCHEMA_ERRORS;
}

void compiler_fault(struct compiler *c, const struct node *node, const char *rule, const char *fix, const char *format, ...)
{
	char pointer[POINTER_MOST], message[512];
	const char *place;
	va_list args;

	if (full(c))
		return;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	node_pointer(c->schema, node, pointer);
	if (fnr_json_get(node->source, rule))
		fnr_json_pointer_add(pointer, sizeof pointer, rule);
	place = pointer[0] == '#' ? pointer + 1 : pointer;
	fnr_error_add(c->err, place, rule, fix, "%s", message);
}

/* ---- nodes ---- */

void compiler_want(struct compiler *c, struct node *node)
{
	if (node->wanted)
		return;
	node->wanted = true;
	if (c->work_count == c->work_size) {
		c->work_size = c->work_size ? c->work_size * 2 : 64;
		c->work = fnr_realloc(c->work, c->work_size * sizeof *c->work);
	}
	c->work[c->work_count++] = node;
}

/* The first schema of a resource: from now on dynamic references may lead to its anchors. */
static void enter(struct compiler *c, struct resource *resource)
{
	if (resource->entered)
		return;
	resource->entered = true;
	for (struct anchor *anchor = resource->dynamic; anchor; anchor = anchor->next)
		compiler_want(c, anchor->node);
}

static void compile_node(struct compiler *c, struct node *node)
{
	unsigned vocabularies = dialect_vocabularies(c, node->resource);

	enter(c, node->resource);
	node->kinds = KIND_ANY;
	if (json_object_is_type(node->source, json_type_object)) {
		keywords_compile(c, node, vocabularies);
		return;
	}
	node->kinds = json_object_get_boolean(node->source) ? KIND_ANY : 0;
	node->ops = fnr_arena_alloc(c->schema->arena, sizeof *node->ops);
}

static void compile_all(struct compiler *c)
{
	struct document *main = c->schema->documents;

	if (c->schema->node_count >= NODES_MOST)
		compiler_fault(c, main->root, "limit", "make it smaller", "there are more than %d schemas in it", NODES_MOST);
	if (c->err->code == FNR_OK)
		dialect_check(c, main);
	if (c->err->code != FNR_OK)
		return;
	compiler_want(c, main->root);
	for (size_t i = 0; i < c->work_count && !full(c); i++)
		compile_node(c, c->work[i]);
	if (c->err->code != FNR_OK || !loop_check(c))
		return;
	link_all(c);
	shape_all(c);
}

struct schema *compiler_run(struct json_object *definition, const struct schema_options *options, int metaschemas, struct fnr_error *err)
{
	struct fnr_error own = FNR_ERROR_INIT;
	struct compiler c = { .options = options, .err = &own, .metaschemas = metaschemas };
	struct schema *schema = fnr_alloc(sizeof *schema);

	*schema = (struct schema){ .arena = fnr_arena_create_small(), .source = json_object_get(definition),
	                           .constants = json_object_new_array(), .nodes = MAP_INIT, .places = MAP_INIT };
	c.schema = schema;
	schema->root = resource_add_document(&c, BASE, definition)->root;
	for (size_t i = 0; options && i < options->remote_count; i++)
		if (!resource_find(&c, options->remotes[i].uri) && options->remotes[i].value)
			resource_add_document(&c, options->remotes[i].uri, options->remotes[i].value);
	compile_all(&c);
	free(c.work);
	free(c.ops);
	map_free(&schema->nodes);
	map_free(&schema->places);
	if (fnr_error_move(err, &own) == FNR_OK)
		return schema;
	schema_free(schema);
	return NULL;
}

struct schema *schema_compile(struct json_object *definition, const struct schema_options *options, struct fnr_error *err)
{
	if (json_object_is_type(definition, json_type_object) || json_object_is_type(definition, json_type_boolean))
		return compiler_run(definition, options, 0, err);
	fnr_error_add(err, "", "type", "write it like {\"type\": \"string\"}", "a schema must be an object, true or false");
	return NULL;
}

void schema_free(struct schema *schema)
{
	if (!schema)
		return;
	for (size_t i = 0; i < schema->pattern_count; i++)
		pattern_free(schema->patterns[i]);
	free(schema->patterns);
	json_object_put(schema->constants);
	json_object_put(schema->source);
	fnr_arena_free(schema->arena);
	free(schema);
}
