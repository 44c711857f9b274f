/* POST /route: where a job would go, and what it would wait for, without submitting it. */
#include <stdio.h>
#include <string.h>

#include "base/queues.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "http/view.h"

static const char *text_member(struct request *req, const char *name)
{
	struct json_object *value = fnr_json_get(req->body, name);

	if (value && !json_object_is_type(value, json_type_string))
		fnr_error_add(&req->err, fnr_arena_printf(req->arena, "/%s", name), "type", "give text in double quotes", "'%s' must be text", name);
	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

static const struct template_ *find_template(struct request *req)
{
	const char *reference = text_member(req, "template");
	const struct template_ *template_ = NULL;
	struct fnr_error err = FNR_ERROR_INIT;

	if (!fnr_json_get(req->body, "template"))
		fnr_error_add(&req->err, "/template", "required", "name a template; GET " API "/templates lists them", "'template' is missing");
	else if (reference && template_find(req->txn, reference, &template_, &err) != FNR_OK)
		fnr_error_add(&req->err, "/template", "unknown_template", err.suggestion[0] ? err.suggestion : "GET " API "/templates lists them",
		              "%s", err.message);
	fnr_error_clear(&err);
	return template_;
}

static const struct preset *find_quality(struct request *req)
{
	const char *text = text_member(req, "quality");
	const struct preset_viewer viewer = common_viewer(req);
	const struct preset *quality = NULL;
	struct fnr_error err = FNR_ERROR_INIT;

	if (preset_find(req->txn, text ? text : "standard", &viewer, &quality, &err) != FNR_OK)
		fnr_error_add(&req->err, "/quality", "enum", err.suggestion[0] ? err.suggestion : "use draft, standard, high or ultra", "%s", err.message);
	fnr_error_clear(&err);
	return quality;
}

static const char *queue_of(struct request *req, struct json_object *definition)
{
	const char *queue = text_member(req, "queue");

	if (queue && !fnr_queue_find(queue))
		fnr_error_add(&req->err, "/queue", "enum", fnr_arena_printf(req->arena, "use one of %s, or leave it out", fnr_queue_list()),
		              "there is no queue '%.64s'", queue);
	return queue ? queue : fnr_json_get_text(definition, "queue", "cpu");
}

/* NULL: it would be started at once. Workers that are free are not counted beyond what the manager said last. */
static const char *held_up(struct request *req, uint32_t queue, uint32_t project, uint32_t template_, uint64_t waiting)
{
	struct json_object *live = view_backend(request_journal(req), "local");
	bool full = fnr_json_get_int(live, "running", 0) >= fnr_json_get_int(live, "concurrency", 1);
	const char *reason = view_held_up(req->txn, request_journal(req), queue, project, template_);

	json_object_put(live);
	return strcmp(reason, "position") == 0 && waiting == 0 && !full ? NULL : reason;
}

int route_preview(struct request *req)
{
	static const char *const members[] = { "template", "quality", "project", "queue", "priority", NULL };
	const struct template_ *template_;
	struct json_object *definition, *object;
	const char *queue, *project;
	const struct preset *quality;
	int64_t priority = common_count(req, "priority", 10);
	uint32_t number;
	uint64_t waiting;

	common_members_only(req, "a route", members);
	template_ = find_template(req);
	definition = template_ ? template_definition(template_) : NULL;
	queue = queue_of(req, definition);
	project = text_member(req, "project");
	quality = find_quality(req);
	if (req->err.code == FNR_OK && !access_project_name(&req->access, project))
		return fnr_fail(&req->err, FNR_E_FORBIDDEN, project ? "this key may not use the project '%.64s'" : "this key is for certain projects: name one of them%s",
		                project ? project : "");
	if (req->err.code != FNR_OK)
		return req->err.code;
	number = store_name_find(req->txn, STORE_QUEUE, queue);
	waiting = number ? store_waiting(req->txn, STORE_QUEUE, number) : 0;
	object = json_object_new_object();
	fnr_json_set_text(object, "template", fnr_json_get_text(definition, "id", NULL));
	fnr_json_set_text(object, "version", fnr_json_get_text(definition, "version", NULL));
	fnr_json_set_text(object, "quality", quality->id);
	fnr_json_set_text(object, "queue", queue);
	fnr_json_set_int(object, "priority", priority ? priority : 5);
	fnr_json_set_text(object, "backend", "local");
	fnr_json_set_text(object, "placement", "first free worker");
	fnr_json_set_int(object, "waiting", (int64_t)waiting);
	fnr_json_set_text(object, "waiting_for", held_up(req, number, project ? store_name_find(req->txn, STORE_PROJECT, project) : 0,
	                                                 store_name_find(req->txn, STORE_TEMPLATE, fnr_json_get_text(definition, "id", "")), waiting));
	return reply_json(req, 200, object);
}
