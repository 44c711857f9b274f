/* /templates: the functions there are. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "base/text.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "registry/registry.h"

/* ---- list: the newest version of each ---- */

struct newest { struct request *req; char (*ids)[68]; size_t count, size; };

static bool collect_id(const char *id, struct store_version version, const uint8_t digest[32], const char *source, void *context)
{
	struct newest *newest = context;

	(void)version, (void)digest, (void)source;
	if (newest->count && strcmp(newest->ids[newest->count - 1], id) == 0)
		return true;
	if (newest->count == newest->size) {
		char (*more)[68] = fnr_arena_alloc(newest->req->arena, (newest->size * 2 + 64) * sizeof *more);

		if (newest->count)
			memcpy(more, newest->ids, newest->count * sizeof *more);
		newest->ids = more;
		newest->size = newest->size * 2 + 64;
	}
	snprintf(newest->ids[newest->count++], sizeof newest->ids[0], "%s", id);
	return true;
}

static bool text_contains(struct json_object *definition, const char *name, const char *word)
{
	const char *text = fnr_json_get_text(definition, name, "");

	return strcasestr(text, word) != NULL;
}

static bool template_matches(struct request *req, struct json_object *definition)
{
	const char *q = request_query(req, "q"), *category = request_query(req, "category"), *backend = request_query(req, "backend");

	if (q && !text_contains(definition, "id", q) && !text_contains(definition, "name", q) && !text_contains(definition, "description", q))
		return false;
	if (category && strcmp(fnr_json_get_text(definition, "category", ""), category) != 0)
		return false;
	return !backend || strcmp(fnr_json_get_text(fnr_json_get(definition, "backend"), "type", ""), backend) == 0;
}

/* How a template is shown: its definition without what is only for running it. */
static struct json_object *show(struct json_object *definition)
{
	struct json_object *shown = fnr_json_copy(definition);

	json_object_object_del(shown, "input_schema");
	json_object_object_del(shown, "files");
	return shown;
}

static int check_category(struct request *req)
{
	static const char *const categories[] = { "image", "video", "audio", "text", "generic" };
	const char *category = request_query(req, "category");

	for (size_t i = 0; category && i < sizeof categories / sizeof categories[0]; i++)
		if (strcmp(categories[i], category) == 0)
			return FNR_OK;
	if (!category)
		return FNR_OK;
	return fnr_fail(&req->err, FNR_E_INVALID, "there is no category '%.64s'; use image, video, audio, text or generic", category);
}

int templates_list(struct request *req)
{
	static const char *const names[] = { "q", "category", "backend", "limit", "cursor", NULL };
	struct newest newest = { .req = req };
	const char *cursor = request_query(req, "cursor"), *last = NULL;
	struct json_object *items;
	size_t limit, i = 0;
	int code = request_query_only(req, names);

	if (code == FNR_OK)
		code = request_limit(req, &limit);
	if (code == FNR_OK)
		code = check_category(req);
	if (code != FNR_OK)
		return code;
	store_templates(req->txn, NULL, collect_id, &newest);
	while (cursor && i < newest.count && strcmp(newest.ids[i], cursor) <= 0)
		i++;
	items = json_object_new_array();
	for (; i < newest.count && json_object_array_length(items) < limit; i++) {
		const struct template_ *template_;

		last = newest.ids[i];
		if (template_find(req->txn, newest.ids[i], &template_, NULL) == FNR_OK && template_matches(req, template_definition(template_)))
			json_object_array_add(items, show(template_definition(template_)));
	}
	return common_reply_list(req, items, i < newest.count ? last : NULL);
}

/* ---- one ---- */

static int find(struct request *req, const struct template_ **template_r)
{
	return template_find(req->txn, req->args[0], template_r, &req->err);
}

static void set_etag(struct request *req, const struct template_ *template_)
{
	reply_header(req, "ETag", fnr_arena_printf(req->arena, "\"%.32s\"", template_digest(template_)));
}

int templates_show(struct request *req)
{
	const struct template_ *template_;
	int code = find(req, &template_);

	if (code != FNR_OK)
		return code;
	set_etag(req, template_);
	return reply_json(req, 200, show(template_definition(template_)));
}

static bool version_row(const char *id, struct store_version version, const uint8_t digest[32], const char *source, void *context)
{
	struct json_object *item = json_object_new_object();
	char text[40], hex[FNR_SHA256_TEXT];

	template_version_format(version, text);
	fnr_json_set_text(item, "id", id);
	fnr_json_set_text(item, "version", text);
	fnr_json_set_text(item, "digest", fnr_hex(digest, 32, hex));
	fnr_json_set_text(item, "source", source);
	json_object_array_add(context, item);
	return true;
}

int templates_versions(struct request *req)
{
	const struct template_ *template_;
	struct json_object *items;
	int code = find(req, &template_);

	if (code != FNR_OK)
		return code;
	items = json_object_new_array();
	store_templates(req->txn, template_id(template_), version_row, items);
	return common_reply_list(req, items, NULL);
}

int templates_version(struct request *req)
{
	const struct template_ *template_;
	int code = template_find(req->txn, fnr_arena_printf(req->arena, "%s@%s", req->args[0], req->args[1]), &template_, &req->err);

	if (code != FNR_OK)
		return code;
	set_etag(req, template_);
	return reply_json(req, 200, show(template_definition(template_)));
}

int templates_schema(struct request *req)
{
	const struct template_ *template_;
	int code = find(req, &template_);

	if (code != FNR_OK)
		return code;
	set_etag(req, template_);
	return reply_json(req, 200, fnr_json_copy(template_input_schema(template_)));
}

static bool may_use(const char *project, void *context)
{
	const struct request *req = context;

	return access_project_name(&req->access, project);
}

int templates_validate_inputs(struct request *req)
{
	struct json_object *inputs = fnr_json_get(req->body, "inputs"), *answer;
	const struct template_ *template_;
	struct fnr_error problems = FNR_ERROR_INIT;
	int code = find(req, &template_);

	if (code != FNR_OK)
		return code;
	if (inputs && !json_object_is_type(inputs, json_type_object)) {
		fnr_error_add(&req->err, "/inputs", "type", "give an object: {…}", "'inputs' must be an object");
		return req->err.code;
	}
	inputs = inputs_expand(req->txn, template_, inputs, "/inputs", may_use, req, &problems);
	if (inputs_check(template_, inputs, "/inputs", &problems) == FNR_OK)
		inputs_check_files(req->txn, template_, inputs, "/inputs", may_use, NULL, req, &problems);
	json_object_put(inputs);
	answer = json_object_new_object();
	fnr_json_set_bool(answer, "valid", problems.code == FNR_OK);
	fnr_json_set(answer, "errors", problems.errors ? json_object_get(problems.errors) : json_object_new_array());
	fnr_error_clear(&problems);
	return reply_json(req, 200, answer);
}
