#include "handlers/servers.h"

#include <stdio.h>
#include <string.h>

#include "backends/names.h"
#include "base/hash.h"
#include "base/text.h"
#include "files/models.h"
#include "handlers/common.h"
#include "http/view.h"
#include "registry/nodes.h"
#include "registry/registry.h"
#include "registry/workflow.h"

#define LOCAL "local"

struct json_object *servers_record(const struct store_backend *backend)
{
	return fnr_json_parse_own(backend->json, backend->len, NULL);
}

static bool is_same(struct json_object *live, struct json_object *record, const char *member)
{
	return strcmp(fnr_json_get_text(live, member, ""), fnr_json_get_text(record, member, "")) == 0;
}

struct json_object *servers_live(struct request *req, const char *id, struct json_object *record)
{
	struct json_object *live = view_backend(request_journal(req), id);

	if (is_same(live, record, "created_at") && is_same(live, record, "url"))
		return live;
	json_object_put(live);
	return NULL;
}

bool servers_told(struct request *req, const char *id, struct json_object *record)
{
	struct json_object *live = servers_live(req, id, record);
	bool told = live != NULL;

	json_object_put(live);
	return told;
}

/* What servers list may be anything. */
static bool contains(struct json_object *list, const char *text)
{
	for (size_t i = 0; json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++) {
		const char *item = json_object_get_string(json_object_array_get_idx(list, i));

		if (item && strcmp(item, text) == 0)
			return true;
	}
	return false;
}

static bool is_allowed(struct json_object *wanted, const char *id, struct json_object *record)
{
	struct json_object *backends = fnr_json_get(wanted, "backends"), *labels = fnr_json_get(wanted, "labels");

	if (strcmp(fnr_json_get_text(record, "type", ""), fnr_json_get_text(wanted, "type", "")) != 0 || (backends && !contains(backends, id)))
		return false;
	for (size_t i = 0; labels && i < json_object_array_length(labels); i++)
		if (!contains(fnr_json_get(record, "labels"), json_object_get_string(json_object_array_get_idx(labels, i))))
			return false;
	return true;
}

/* "category/name" among what a server says that it has. A category that it does not list it may have; what it lists as
 * empty is so. */
static bool may_have(struct json_object *there, const char *model)
{
	const char *slash = strchr(model, '/');
	char category[68];
	struct json_object *list;

	snprintf(category, sizeof category, "%.*s", slash ? (int)(slash - model) : 0, model);
	list = fnr_json_get(there, category);
	return !slash || !json_object_is_type(list, json_type_array) || contains(list, slash + 1);
}

static bool may_have_all(struct json_object *there, struct json_object *models)
{
	for (size_t i = 0; models && i < json_object_array_length(models); i++)
		if (!may_have(there, json_object_get_string(json_object_array_get_idx(models, i))))
			return false;
	return true;
}

/* ---- where it may run ---- */

struct search { struct request *req; struct json_object *wanted, *models; struct servers_fit *fit; int64_t most_free; };

static void note(struct search *search, const char *id, struct json_object *record)
{
	struct json_object *live = servers_live(search->req, id, record);
	int64_t left = fnr_json_get_int(live, "concurrency", 0) - fnr_json_get_int(live, "running", 0);
	bool usable = fnr_json_get_bool(live, "usable", false);

	json_object_put(live);
	search->fit->allowed++;
	search->fit->usable += usable;
	search->fit->free += usable && left > 0;
	if (!usable || (search->fit->best[0] && left <= search->most_free))
		return;
	search->most_free = left;
	fnr_text_copy(search->fit->best, sizeof search->fit->best, id);
}

static bool find_row(const char *id, const struct store_backend *backend, void *context)
{
	struct search *search = context;
	struct json_object *record = servers_record(backend), *there = NULL;

	if (record && is_allowed(search->wanted, id, record)) {
		there = search->models && servers_told(search->req, id, record) ? view_models(request_journal(search->req), id) : NULL;
		if (may_have_all(there, search->models))
			note(search, id, record);
	}
	json_object_put(there);
	json_object_put(record);
	return true;
}

void servers_find(struct request *req, struct json_object *definition, struct json_object *models, struct servers_fit *fit_r)
{
	struct search search = { .req = req, .wanted = fnr_json_get(definition, "backend"), .models = models, .fit = fit_r };

	*fit_r = (struct servers_fit){ .local = !backend_of_servers(fnr_json_get_text(search.wanted, "type", "")) };
	if (!fit_r->local) {
		store_backends(req->txn, find_row, &search);
		return;
	}
	note(&search, LOCAL, NULL);
	fnr_text_copy(fit_r->best, sizeof fit_r->best, LOCAL);
}

struct hashing { struct request *req; struct fnr_sha256 *sha; };

static bool hash_row(const char *id, const struct store_backend *backend, void *context)
{
	const struct hashing *hashing = context;
	struct json_object *record = servers_record(backend), *live = servers_live(hashing->req, id, record);
	const char *usable = fnr_json_get_bool(live, "usable", false) ? "usable" : "";

	json_object_put(record);
	fnr_sha256_add(hashing->sha, id, strlen(id) + 1);
	fnr_sha256_add(hashing->sha, usable, strlen(usable) + 1);
	json_object_put(live);
	return true;
}

void servers_hash(struct request *req, struct fnr_sha256 *sha)
{
	struct hashing hashing = { req, sha };
	uint64_t revision = store_backends_revision(req->txn);

	fnr_sha256_add(sha, &revision, sizeof revision);
	store_backends(req->txn, hash_row, &hashing);
}

/* ---- missing models ---- */

struct missing { struct request *req; struct json_object *wanted; const char *model; bool there; size_t allowed; };

static bool missing_row(const char *id, const struct store_backend *backend, void *context)
{
	struct missing *missing = context;
	struct json_object *record = servers_record(backend), *there;

	if (record && is_allowed(missing->wanted, id, record)) {
		there = servers_told(missing->req, id, record) ? view_models(request_journal(missing->req), id) : NULL;
		missing->allowed++;
		missing->there = missing->there || may_have(there, missing->model);
		json_object_put(there);
	}
	json_object_put(record);
	return !missing->there;
}

/* The input that named it, or the template. */
static const char *place_of(struct request *req, struct json_object *definition, const char *model, const char *prefix)
{
	struct json_object *models = fnr_json_get(definition, "models");
	const char *slash = strchr(model, '/');

	for (size_t i = 0; i < json_object_array_length(models); i++) {
		struct json_object *item = json_object_array_get_idx(models, i);
		const char *parameter = fnr_json_get_text(item, "parameter", NULL), *category = fnr_json_get_text(item, "category", "");

		if (parameter && fnr_json_get(fnr_json_get(definition, "inputs"), parameter) && strncmp(category, model, (size_t)(slash - model)) == 0)
			return fnr_arena_printf(req->arena, "%s/inputs/%s", prefix, parameter);
	}
	return fnr_arena_printf(req->arena, "%s/template", prefix);
}

static void check_model(struct request *req, struct json_object *definition, const char *model, const char *prefix)
{
	struct missing missing = { .req = req, .wanted = fnr_json_get(definition, "backend"), .model = model };
	bool local = !backend_of_servers(fnr_json_get_text(missing.wanted, "type", ""));

	if (local)
		missing.there = models_has(model);
	else
		store_backends(req->txn, missing_row, &missing);
	if (missing.there || (!local && !missing.allowed))
		return;
	fnr_error_add(&req->err, place_of(req, definition, model, prefix), "missing_model",
	              local ? "put it into the workspace's Library/Models, with its model.json; GET " API "/models lists what there is"
	                    : "put it where a backend that may run this finds it; GET " API "/models lists what there is",
	              local ? "the model '%.128s' is not in the library" : "no backend has the model '%.128s'", model);
}

void servers_check_models(struct request *req, struct json_object *definition, struct json_object *models, const char *prefix)
{
	for (size_t i = 0; i < json_object_array_length(models); i++)
		check_model(req, definition, json_object_get_string(json_object_array_get_idx(models, i)), prefix);
}

/* ---- missing nodes ---- */

/* there: for each class, whether one of the servers may have it. */
struct lacking { struct request *req; struct json_object *wanted, *nodes; bool *there; size_t count, left, allowed; bool known; };

static void look_in_set(const char *text, size_t len, void *context)
{
	struct lacking *lacking = context;

	lacking->known = true;
	for (size_t i = 0; i < lacking->count; i++) {
		if (lacking->there[i] || !nodes_has(text, len, json_object_get_string(json_object_array_get_idx(lacking->nodes, i))))
			continue;
		lacking->there[i] = true;
		lacking->left--;
	}
}

static bool lacking_row(const char *id, const struct store_backend *backend, void *context)
{
	struct lacking *lacking = context;
	struct json_object *record = servers_record(backend);

	if (record && is_allowed(lacking->wanted, id, record)) {
		lacking->allowed++;
		lacking->known = false;
		if (servers_told(lacking->req, id, record))
			view_nodes(request_journal(lacking->req), id, look_in_set, lacking);
		lacking->left = lacking->known ? lacking->left : 0;
	}
	json_object_put(record);
	return lacking->left > 0;
}

/* Which node it is, where the workflow came with the job or stands in its template. */
static void tell_missing(struct request *req, struct json_object *definition, struct json_object *workflow, const char *class_, const char *prefix)
{
	static const char fix[] = "install the custom nodes that have it on a server, start that anew, then: fnr backend probe ID; or use other nodes";
	const char *input = template_comfyui_brought(fnr_json_get(definition, "backend")), *node = workflow_with_class(workflow, class_);
	char place[1024];

	snprintf(place, sizeof place, "%s/template", prefix);
	if (input && node) {
		snprintf(place, sizeof place, "%s/inputs/%s", prefix, input);
		fnr_json_pointer_add(place, sizeof place, node);
		fnr_json_pointer_add(place, sizeof place, "class_type");
	}
	if (node)
		fnr_error_add(&req->err, place, "missing_node", fix, "no backend has the node class '%.128s' of the node \"%.64s\" (%.64s)", class_,
		              workflow_title(workflow, node), node);
	else
		fnr_error_add(&req->err, place, "missing_node", fix, "no backend has the node class '%.128s', which the workflow of the template needs", class_);
}

/* However many are missing, the answer stays an answer. */
static bool full(const struct request *req)
{
	return req->err.errors && json_object_array_length(req->err.errors) > INPUTS_ERRORS;
}

void servers_check_nodes(struct request *req, struct json_object *definition, struct json_object *nodes, struct json_object *workflow, const char *prefix)
{
	struct lacking lacking = { .req = req, .wanted = fnr_json_get(definition, "backend"), .nodes = nodes, .count = json_object_array_length(nodes) };

	lacking.left = lacking.count;
	lacking.there = fnr_arena_alloc(req->arena, lacking.count + 1);
	store_backends(req->txn, lacking_row, &lacking);
	for (size_t i = 0; i < lacking.count && lacking.allowed > 0 && lacking.left > 0 && !full(req); i++)
		if (!lacking.there[i])
			tell_missing(req, definition, workflow, json_object_get_string(json_object_array_get_idx(nodes, i)), prefix);
}
