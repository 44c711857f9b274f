#include <stdlib.h>
#include <string.h>

#include "schema/program.h"
#include "schema/uri.h"

#define DEPTH_MOST 256        /* of schemas within schemas */

/* ---- which keywords hold schemas, and in what form ---- */

enum holds { HOLDS_ONE, HOLDS_LIST, HOLDS_MAP };
static const struct holder { const char *keyword; enum holds holds; } holders[] = {
	{ "$defs", HOLDS_MAP }, { "additionalProperties", HOLDS_ONE }, { "allOf", HOLDS_LIST }, { "anyOf", HOLDS_LIST },
	{ "contains", HOLDS_ONE }, { "contentSchema", HOLDS_ONE }, { "dependentSchemas", HOLDS_MAP }, { "else", HOLDS_ONE },
	{ "if", HOLDS_ONE }, { "items", HOLDS_ONE }, { "not", HOLDS_ONE }, { "oneOf", HOLDS_LIST }, { "patternProperties", HOLDS_MAP },
	{ "prefixItems", HOLDS_LIST }, { "properties", HOLDS_MAP }, { "propertyNames", HOLDS_ONE }, { "then", HOLDS_ONE },
	{ "unevaluatedItems", HOLDS_ONE }, { "unevaluatedProperties", HOLDS_ONE },
};

static int by_keyword(const void *key, const void *row)
{
	return strcmp(key, ((const struct holder *)row)->keyword);
}

static const struct holder *holder_of(const char *keyword)
{
	return bsearch(keyword, holders, sizeof holders / sizeof holders[0], sizeof holders[0], by_keyword);
}

static bool is_schema(struct json_object *value)
{
	return json_object_is_type(value, json_type_object) || json_object_is_type(value, json_type_boolean);
}

/* ---- finding them ---- */

static void walk(struct compiler *c, struct node *node, int depth);

struct node *resource_node(const struct compiler *c, struct json_object *value)
{
	return map_get(&c->schema->nodes, &value, sizeof value);
}

static struct node *make_node(struct compiler *c, struct node *parent, const char *keyword, struct json_object *value)
{
	struct node *node = fnr_arena_alloc(c->schema->arena, sizeof *node);

	*node = (struct node){ .source = value, .parent = parent, .keyword = keyword, .index = -1, .resource = parent ? parent->resource : NULL };
	map_put(&c->schema->nodes, &node->source, sizeof node->source, node);
	c->schema->node_count++;
	return node;
}

static void walk_child(struct compiler *c, struct node *parent, const char *keyword, const char *name, int64_t index, struct json_object *value,
                       int depth)
{
	struct node *node;

	if (!is_schema(value) || resource_node(c, value) || c->schema->node_count >= NODES_MOST)
		return;
	node = make_node(c, parent, keyword, value);
	node->name = name;
	node->index = index;
	walk(c, node, depth + 1);
}

static void walk_children(struct compiler *c, struct node *node, const struct holder *holder, struct json_object *value, int depth)
{
	if (holder->holds == HOLDS_ONE) {
		walk_child(c, node, holder->keyword, NULL, -1, value, depth);
	} else if (holder->holds == HOLDS_LIST && json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++)
			walk_child(c, node, holder->keyword, NULL, (int64_t)i, json_object_array_get_idx(value, i), depth);
	} else if (holder->holds == HOLDS_MAP && json_object_is_type(value, json_type_object)) {
		json_object_object_foreach(value, name, child)
			walk_child(c, node, holder->keyword, name, -1, child, depth);
	}
}

/* An address means one schema. What the main document says goes before others. */
static void name_place(struct compiler *c, struct node *node, const char *keyword, const char *address)
{
	struct node *other = map_get(&c->schema->places, address, strlen(address));

	if (!other)
		map_put(&c->schema->places, address, strlen(address), node);
	else if (other != node && node->resource->document->main)
		compiler_fault(c, node, keyword, "give each its own", "%.200s is another schema's already", address);
}

static struct resource *new_resource(struct compiler *c, struct node *root, struct document *document, const char *uri)
{
	struct resource *resource = fnr_arena_alloc(c->schema->arena, sizeof *resource);

	*resource = (struct resource){ .uri = uri, .document = document, .root = root };
	root->resource = resource;
	return resource;
}

static void walk_id(struct compiler *c, struct node *node)
{
	const char *id = fnr_json_get_text(node->source, "$id", NULL);
	char *uri;

	if (!id)
		return;
	uri = uri_resolve(c->schema->arena, node->resource->uri, id);
	uri[strcspn(uri, "#")] = 0;
	new_resource(c, node, node->resource->document, uri);
	name_place(c, node, "$id", uri);
}

static void walk_anchor(struct compiler *c, struct node *node, const char *keyword, bool dynamic)
{
	const char *name = fnr_json_get_text(node->source, keyword, NULL);
	struct anchor *anchor;

	if (!name)
		return;
	name_place(c, node, keyword, fnr_arena_printf(c->schema->arena, "%s#%s", node->resource->uri, name));
	if (!dynamic)
		return;
	anchor = fnr_arena_alloc(c->schema->arena, sizeof *anchor);
	*anchor = (struct anchor){ name, node, node->resource->dynamic };
	node->resource->dynamic = anchor;
	if (node->resource->entered)
		compiler_want(c, node);
}

static void walk(struct compiler *c, struct node *node, int depth)
{
	if (depth > DEPTH_MOST) {
		compiler_fault(c, node, "limit", "move parts of it into $defs", "schemas are nested deeper than %d", DEPTH_MOST);
		return;
	}
	if (json_object_is_type(node->source, json_type_object)) {
		walk_id(c, node);
		walk_anchor(c, node, "$anchor", false);
		walk_anchor(c, node, "$dynamicAnchor", true);
		json_object_object_foreach(node->source, keyword, value) {
			const struct holder *holder = holder_of(keyword);

			if (holder)
				walk_children(c, node, holder, value, depth);
		}
	}
	if (node->resource->document->main)
		compiler_want(c, node);
}

struct document *resource_add_document(struct compiler *c, const char *uri, struct json_object *value)
{
	struct document *document = fnr_arena_alloc(c->schema->arena, sizeof *document);
	char *address = fnr_arena_strdup(c->schema->arena, uri);

	address[strcspn(address, "#")] = 0;
	*document = (struct document){ .uri = address, .value = value, .main = !c->schema->documents };
	document->next = c->schema->documents ? c->schema->documents->next : NULL;
	if (document->main)
		c->schema->documents = document;
	else
		c->schema->documents->next = document;
	if (resource_node(c, value))   /* the same under another address */
		document->root = resource_node(c, value);
	else
		document->root = make_node(c, NULL, NULL, value);
	if (!document->root->resource) {
		new_resource(c, document->root, document, address);
		name_place(c, document->root, "$id", address);
		walk(c, document->root, 0);
	} else {
		name_place(c, document->root, "$id", address);
	}
	return document;
}

/* ---- references ---- */

struct node *resource_find(struct compiler *c, const char *uri)
{
	struct node *node = map_get(&c->schema->places, uri, strlen(uri));
	struct json_object *value;

	if (node || !c->schema->documents)
		return node;
	value = metaschema_find(uri);
	if (!value)
		return NULL;
	resource_add_document(c, uri, value)->checked = true;
	return map_get(&c->schema->places, uri, strlen(uri));
}

static struct json_object *member_at(struct json_object *value, char *token)
{
	struct json_object *member = NULL;
	char *out = token, *end;
	unsigned long index;

	if (json_object_is_type(value, json_type_array)) {
		index = strtoul(token, &end, 10);
		if (!*token || *end || *token == '-' || *token == '+' || *token == ' ' || (token[0] == '0' && token[1]))
			return NULL;
		return index < json_object_array_length(value) ? json_object_array_get_idx(value, index) : NULL;
	}
	for (const char *at = token; *at; at++)
		*out++ = *at != '~' ? *at : *++at == '1' ? '/' : '~';
	*out = 0;
	if (json_object_is_type(value, json_type_object))
		json_object_object_get_ex(value, token, &member);
	return member;
}

static bool escapes_sound(const char *pointer)
{
	for (; (pointer = strchr(pointer, '~')); pointer++)
		if (pointer[1] != '0' && pointer[1] != '1')
			return false;
	return true;
}

/* Behind a JSON Pointer may stand a schema that no keyword holds; it is found only so. */
static struct node *node_at(struct compiler *c, struct node *root, const char *pointer)
{
	struct json_object *value = root->source;
	struct node *nearest = root, *node;
	const char *rest = pointer + 1;

	if (!escapes_sound(pointer))
		return NULL;
	while (*pointer) {
		size_t len = strcspn(pointer + 1, "/");

		value = member_at(value, fnr_arena_memdup0(c->schema->arena, pointer + 1, len));
		pointer += len + 1;
		node = value ? resource_node(c, value) : NULL;
		if (node) {
			nearest = node;
			rest = *pointer ? pointer + 1 : pointer;
		}
	}
	if (!value || !is_schema(value) || !*rest)
		return value && !*rest ? nearest : NULL;
	node = make_node(c, nearest, rest, value);
	walk(c, node, 0);
	return node;
}

struct node *resource_anchor(const struct resource *resource, const char *name)
{
	for (struct anchor *anchor = resource->dynamic; anchor; anchor = anchor->next)
		if (strcmp(anchor->name, name) == 0)
			return anchor->node;
	return NULL;
}

static struct node *node_of(struct compiler *c, struct node *root, char *fragment, const char **anchor_r)
{
	const char *address;

	if (!*fragment)
		return root;
	if (*fragment == '/')
		return node_at(c, root, fragment);
	*anchor_r = fragment;
	address = fnr_arena_printf(c->schema->arena, "%s#%s", root->resource->uri, fragment);
	return map_get(&c->schema->places, address, strlen(address));
}

struct node *resource_resolve(struct compiler *c, struct node *from, const char *keyword, const char *reference, const char **anchor_r)
{
	char *uri = uri_resolve(c->schema->arena, from->resource->uri, reference), *fragment = uri + strcspn(uri, "#");
	struct node *root, *node;

	if (*fragment)
		*fragment++ = 0;
	fragment = uri_decode(c->schema->arena, fragment);
	*anchor_r = NULL;
	root = resource_find(c, uri);
	if (!root) {
		compiler_fault(c, from, keyword, "correct the address, or make that schema known under it", "there is no schema %.200s", uri);
		return NULL;
	}
	if (!root->resource->document->checked && !dialect_check(c, root->resource->document))
		return NULL;
	node = fragment ? node_of(c, root, fragment, anchor_r) : NULL;
	if (!node)
		compiler_fault(c, from, keyword, "correct the part behind '#'", "'%.200s' names no schema", reference);
	return node;
}
