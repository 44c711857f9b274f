/* POST /route: where a job would go, and what it would wait for, without submitting it. */
#include <stdio.h>
#include <string.h>

#include "base/queues.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "handlers/servers.h"
#include "handlers/templates.h"
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
	else if (template_)
		templates_set_deprecation(req, template_);
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

/* Where it would run, and what it waits for: null when it would be started at once. What is free is what the manager said last. */
static void set_place(struct request *req, struct json_object *object, struct json_object *definition, const struct view_waiter *waiter, uint64_t waiting)
{
	struct servers_fit fit;
	const char *reason = view_held_up(req->txn, request_journal(req), waiter);

	servers_find(req, definition, NULL, &fit);
	fnr_json_set_text(object, "backend", fit.best[0] ? fit.best : NULL);
	fnr_json_set_text(object, "placement", fit.local ? "first free worker" : fit.usable == 1 ? "the only backend" :
	                  fit.usable ? fnr_arena_printf(req->arena, "least loaded of %zu", fit.usable) : NULL);
	fnr_json_set_int(object, "waiting", (int64_t)waiting);
	if (!fit.usable && strcmp(reason, "paused") != 0)
		reason = "no_backend";
	fnr_json_set_text(object, "waiting_for", strcmp(reason, "position") == 0 && !waiting && fit.free ? NULL : reason);
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
	set_place(req, object, definition, &(struct view_waiter){ number, project ? store_name_find(req->txn, STORE_PROJECT, project) : 0,
	          store_name_find(req->txn, STORE_TEMPLATE, fnr_json_get_text(definition, "id", "")), quality->tier, 0 }, waiting);
	return reply_json(req, 200, object);
}
