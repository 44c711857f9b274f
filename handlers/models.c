/* GET /models: the model library, and what backends have; of a category that is asked for also what else they let one choose. */
#include <stdlib.h>
#include <string.h>

#include "files/models.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "handlers/servers.h"
#include "http/view.h"

struct listing { struct request *req; struct json_object *models; const char *category, *backend; };   /* models: by "category/name" */

static struct json_object *model_of(struct listing *listing, const char *category, const char *name)
{
	const char *key = fnr_arena_printf(listing->req->arena, "%s/%s", category, name);
	struct json_object *model = fnr_json_get(listing->models, key);

	if (model)
		return model;
	model = json_object_new_object();
	fnr_json_set_text(model, "category", category);
	fnr_json_set_text(model, "name", name);
	fnr_json_set(model, "library", NULL);
	fnr_json_set(model, "backends", json_object_new_array());
	fnr_json_set(listing->models, key, model);
	return model;
}

static bool wanted(const struct listing *listing, const char *category)
{
	return !listing->category || strcmp(listing->category, category) == 0;
}

static bool library_row(const char *category, struct json_object *manifest, void *context)
{
	struct listing *listing = context;

	if (wanted(listing, category))
		fnr_json_set(model_of(listing, category, fnr_json_get_text(manifest, "name", "")), "library", json_object_get(manifest));
	return true;
}

static void add_list(struct listing *listing, const char *id, const char *category, struct json_object *list)
{
	size_t count = wanted(listing, category) && json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *name = json_object_array_get_idx(list, i);

		if (json_object_is_type(name, json_type_string))
			json_object_array_add(fnr_json_get(model_of(listing, category, json_object_get_string(name)), "backends"), json_object_new_string(id));
	}
}

static bool server_row(const char *id, const struct store_backend *backend, void *context)
{
	struct listing *listing = context;
	struct json_object *models, *found;

	(void)backend;
	if (listing->backend && strcmp(listing->backend, id) != 0)
		return true;
	models = view_models(request_journal(listing->req), id);
	if (json_object_is_type(models, json_type_object)) {
		json_object_object_foreach(models, category, list)
			add_list(listing, id, category, list);
	}
	json_object_put(models);
	if (listing->category) {
		found = view_found(request_journal(listing->req), id);
		add_list(listing, id, listing->category, fnr_json_get(fnr_json_get(found, "choices"), listing->category));
		json_object_put(found);
	}
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Those behind the cursor, in order of category and name. */
static struct json_object *page(struct listing *listing, const char *after, size_t limit, const char **cursor_r)
{
	size_t all = (size_t)json_object_object_length(listing->models), count = 0, at = 0;
	const char **keys = fnr_arena_alloc(listing->req->arena, (all + 1) * sizeof *keys);
	struct json_object *items = json_object_new_array();

	json_object_object_foreach(listing->models, key, model) {
		(void)model;
		if (!after || strcmp(key, after) > 0)
			keys[count++] = key;
	}
	qsort(keys, count, sizeof *keys, by_name);
	for (; at < count && at < limit; at++)
		json_object_array_add(items, json_object_get(fnr_json_get(listing->models, keys[at])));
	*cursor_r = at < count ? fnr_arena_printf(listing->req->arena, "%s", keys[at - 1]) : NULL;
	return items;
}

int models_list(struct request *req)
{
	static const char *const names[] = { "category", "backend", "limit", "cursor", NULL };
	struct listing listing = { .req = req };
	struct json_object *items;
	const char *cursor;
	size_t limit;
	int code = request_query_only(req, names);

	if (code == FNR_OK)
		code = request_limit(req, &limit);
	if (code != FNR_OK)
		return code;
	listing.models = json_object_new_object();
	listing.category = request_query(req, "category");
	listing.backend = request_query(req, "backend");
	if (!listing.backend)
		models_walk(library_row, &listing);
	store_backends(req->txn, server_row, &listing);
	items = page(&listing, request_query(req, "cursor"), limit, &cursor);
	json_object_put(listing.models);
	return common_reply_list(req, items, cursor);
}
