/* /keys: API keys. The key itself is shown once, when it is made; only its hash is stored. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "handlers/common.h"
#include "handlers/handlers.h"

#define KEY_PER_MINUTE_MOST 1000000
#define KEY_WAITING_MOST 1000000000

/* ---- whose they are ---- */

/* A key of certain projects has to do with those keys only that are for no others. */
static bool is_within(const struct access *access, struct json_object *projects)
{
	if (access->all_projects)
		return true;
	if (!json_object_is_type(projects, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(projects); i++)
		if (!access_project_name(access, json_object_get_string(json_object_array_get_idx(projects, i))))
			return false;
	return true;
}

struct found { const struct access *access; struct json_object *items; };

static bool key_row(const char *id, const char *json, size_t len, void *context)
{
	struct json_object *key = fnr_json_parse(json, len, NULL);
	struct found *found = context;

	(void)id;
	if (key && is_within(found->access, fnr_json_get(key, "projects")))
		json_object_array_add(found->items, key);
	else
		json_object_put(key);
	return true;
}

static struct json_object *keys_within(struct request *req)
{
	struct found found = { &req->access, json_object_new_array() };

	store_keys(req->txn, key_row, &found);
	return found.items;
}

static bool may_revoke(struct request *req, const char *id)
{
	struct json_object *keys;
	bool may = false;

	if (req->access.all_projects)
		return true;
	keys = keys_within(req);
	for (size_t i = 0; !may && i < json_object_array_length(keys); i++)
		may = strcmp(fnr_json_get_text(json_object_array_get_idx(keys, i), "id", ""), id) == 0;
	json_object_put(keys);
	return may;
}

int keys_list(struct request *req)
{
	return common_reply_list(req, keys_within(req), NULL);
}

/* ---- a new one ---- */

static void check_list(struct request *req, const char *name, bool (*valid)(const char *), const char *fix)
{
	struct json_object *list = fnr_json_get(req->body, name);

	if (!list)
		return;
	if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) == 0 || json_object_array_length(list) > 32) {
		fnr_error_add(&req->err, fnr_arena_printf(req->arena, "/%s", name), "type", fix, "'%s' must be a list of 1 to 32 texts", name);
		return;
	}
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);

		if (!json_object_is_type(item, json_type_string) || !valid(json_object_get_string(item)))
			fnr_error_add(&req->err, fnr_arena_printf(req->arena, "/%s/%zu", name, i), "enum", fix, "this is not valid in '%s'", name);
	}
}

static bool scope_valid(const char *text)
{
	return strcmp(text, "read") == 0 || strcmp(text, "submit") == 0 || strcmp(text, "admin") == 0;
}

static void check_key(struct request *req)
{
	static const char *const members[] = { "name", "scopes", "projects", "per_minute", "max_waiting", NULL };
	const char *name = fnr_json_get_text(req->body, "name", NULL);

	common_members_only(req, "a key", members);
	if (!name || !*name || strlen(name) > 128)
		fnr_error_add(&req->err, "/name", "required", "say what the key is for, in at most 128 bytes", "'name' must be text");
	if (!fnr_json_get(req->body, "scopes"))
		fnr_error_add(&req->err, "/scopes", "required", "give a list of read, submit, admin", "'scopes' is missing");
	check_list(req, "scopes", scope_valid, "use read, submit and admin");
	common_count(req, "per_minute", KEY_PER_MINUTE_MOST);
	common_count(req, "max_waiting", KEY_WAITING_MOST);
	check_list(req, "projects", fnr_name_valid, "use names of projects: " FNR_NAME_RULE);
	if (req->err.code == FNR_OK && !is_within(&req->access, fnr_json_get(req->body, "projects")))
		fnr_error_add(&req->err, "/projects", "projects", "name projects that your own key is for", "a key that is for certain projects makes no key for others");
}

int keys_create(struct request *req)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct json_object *key;
	struct op_reply reply;
	char text[96], id[16];
	uint8_t hash[32];
	int code;

	check_key(req);
	if (req->err.code != FNR_OK)
		return req->err.code;
	access_key_make(text, id, hash);
	key = json_object_new_object();
	fnr_json_set_text(key, "id", id);
	fnr_json_set_text(key, "name", fnr_json_get_text(req->body, "name", ""));
	fnr_json_set(key, "scopes", json_object_get(fnr_json_get(req->body, "scopes")));
	fnr_json_set(key, "projects", json_object_get(fnr_json_get(req->body, "projects")));
	common_set_count(key, "per_minute", fnr_json_get_int(req->body, "per_minute", 0));
	common_set_count(key, "max_waiting", fnr_json_get_int(req->body, "max_waiting", 0));
	fnr_json_set_time(key, "created_at", fnr_now_ms());
	fnr_json_set_bool(key, "revoked", false);
	op_key_put(&operation, hash, fnr_json_text(key, NULL));
	code = request_post(req, &operation, &reply);
	fnr_buf_free(&operation);
	if (code != FNR_OK) {
		json_object_put(key);
		return code;
	}
	fnr_json_set_text(key, "key", text);
	reply_header(req, "Location", fnr_arena_printf(req->arena, API "/keys/%s", id));
	return reply_json(req, 201, key);
}

int keys_delete(struct request *req)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;
	int code = FNR_E_NOT_FOUND;

	if (strcmp(req->args[0], "admin") == 0)
		return fnr_fail(&req->err, FNR_E_CONFLICT, "the key 'admin' belongs to the data directory; remove admin.key and restart to renew it");
	if (may_revoke(req, req->args[0])) {
		op_key_delete(&operation, req->args[0]);
		code = request_post(req, &operation, &reply);
		fnr_buf_free(&operation);
	}
	if (code == FNR_E_NOT_FOUND)
		return fnr_fail(&req->err, FNR_E_NOT_FOUND, "there is no key '%s'", req->args[0]);
	return code == FNR_OK ? reply_empty(req, 204) : code;
}
