/* What the server says of itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/yaml.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "registry/registry.h"

#define DOCUMENT_MOST (4u << 20)
#define INPUTS_SHOWN 1000       /* templates whose inputs are in the document; those of more are at /templates/{id}/schema */

/* The document is written in YAML; it is turned into JSON once in the life of a handler process. */
static struct json_object *read_document(struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *document = NULL;
	char path[4096];

	snprintf(path, sizeof path, "%s/openapi.yaml", fnr_share_dir());
	if (fnr_file_read(path, DOCUMENT_MOST, &text, err) == FNR_OK)
		document = fnr_yaml_parse(text.data, text.len, path, err);
	fnr_buf_free(&text);
	return document;
}

/* ---- references within a schema, which stands in the document at another place ---- */

static bool is_one_of(const char *name, const char *const *names)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names != NULL;
}

/* named: the members are names of what people chose, not keywords. */
static void move_references(struct json_object *schema, const char *place, bool named)
{
	static const char *const values[] = { "const", "enum", "default", "examples", NULL };
	static const char *const maps[] = { "properties", "patternProperties", "$defs", "definitions", "dependentSchemas", NULL };

	for (size_t i = 0; json_object_is_type(schema, json_type_array) && i < json_object_array_length(schema); i++)
		move_references(json_object_array_get_idx(schema, i), place, false);
	if (!json_object_is_type(schema, json_type_object) || (!named && fnr_json_get_text(schema, "$id", NULL)))
		return;                                       /* with an $id of its own it is a document in the document */
	json_object_object_foreach(schema, name, value) {
		const char *reference = !named && strcmp(name, "$ref") == 0 ? fnr_json_get_text(schema, name, NULL) : NULL;
		char *moved;

		if (reference && reference[0] == '#' && (!reference[1] || reference[1] == '/')) {
			moved = fnr_asprintf("%s%s", place, reference + 1);
			fnr_json_set_text(schema, name, moved);
			free(moved);
		} else if (named || !is_one_of(name, values)) {
			move_references(value, place, !named && is_one_of(name, maps));
		}
	}
}

/* Each template's own schema of inputs, as it is but for where its references lead, under the name "inputs.<id>". */
struct inputs { struct request *req; struct json_object *schemas; size_t count; char last[68]; };

static bool add_inputs(const char *id, struct store_version version, const uint8_t digest[32], const char *source, void *context)
{
	struct inputs *inputs = context;
	const struct template_ *template_;
	struct json_object *schema;

	(void)version, (void)digest, (void)source;
	if (strcmp(id, inputs->last) == 0)
		return true;
	fnr_text_copy(inputs->last, sizeof inputs->last, id);
	if (template_find(inputs->req->txn, id, &template_, NULL) == FNR_OK) {
		schema = fnr_json_copy(template_input_schema(template_));
		move_references(schema, fnr_arena_printf(inputs->req->arena, "#/components/schemas/inputs.%s", id), false);
		fnr_json_set(inputs->schemas, fnr_arena_printf(inputs->req->arena, "inputs.%s", id), schema);
	}
	return ++inputs->count < INPUTS_SHOWN;
}

/* The document with them: what is above them is copied, the rest shared. */
static struct json_object *with_inputs(struct request *req, struct json_object *document)
{
	struct json_object *whole = json_object_new_object(), *components = json_object_new_object(), *schemas = json_object_new_object();
	struct inputs inputs = { .req = req, .schemas = schemas };

	json_object_object_foreach(document, name, value)
		fnr_json_set(whole, name, json_object_get(value));
	json_object_object_foreach(fnr_json_get(document, "components"), part, members)
		fnr_json_set(components, part, json_object_get(members));
	json_object_object_foreach(fnr_json_get(components, "schemas"), schema, definition)
		fnr_json_set(schemas, schema, json_object_get(definition));
	store_templates(req->txn, NULL, add_inputs, &inputs);
	fnr_json_set(components, "schemas", schemas);
	fnr_json_set(whole, "components", components);
	return whole;
}

int about_openapi(struct request *req)
{
	static struct json_object *document;

	if (!document)
		document = read_document(&req->err);
	return document ? reply_json(req, 200, with_inputs(req, document)) : req->err.code;
}

/* nginx sends streams to fnr-events; whoever comes here came past it, or asks for what cannot be an id. */
int about_streams(struct request *req)
{
	struct fnr_id id;

	if (req->args[0] && request_id_arg(req, 0, "job or batch", &id) != FNR_OK)
		return req->err.code;
	return fnr_fail(&req->err, FNR_E_UNAVAILABLE, "event streams are served by fnr-events: the web server in front is not set up for them "
	                "(see nginx.conf of this installation)");
}
