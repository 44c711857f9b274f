/* /presets: the quality levels, those that ship and those that people make. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/yaml.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "handlers/presets.h"

#define ROWS_A_PAGE 2000     /* looked at for one page; a page may be short and have a cursor */
#define RECORD_MOST 65536    /* bytes of one preset, with what it inherits */
#define IMPORT_TRIES 5
#define IMPORT_MOST 100
#define NAMES_TRIED 100

/* ---- list ---- */

struct rows { struct request *req; struct preset_viewer viewer; struct json_object *items; size_t limit, seen; char last[68]; bool full; };

static bool built_in_row(const char *id, void *context)
{
	struct rows *rows = context;
	const struct preset *preset;

	if (preset_find(rows->req->txn, id, NULL, &preset, NULL) == FNR_OK)
		json_object_array_add(rows->items, fnr_json_copy(preset->record));
	return true;
}

static int by_level(const void *a, const void *b)
{
	struct json_object *const *left = a, *const *right = b;

	return (int)(fnr_json_get_int(*left, "level", 0) - fnr_json_get_int(*right, "level", 0));
}

struct json_object *presets_built_in(struct request *req)
{
	struct rows rows = { .req = req, .items = json_object_new_array() };

	store_presets_owned(req->txn, NULL, built_in_row, &rows);
	json_object_array_sort(rows.items, by_level);
	return rows.items;
}

static bool made_row(const char *id, const char *json, size_t len, void *context)
{
	struct rows *rows = context;
	struct json_object *record;
	struct preset preset;

	rows->full = json_object_array_length(rows->items) == rows->limit || rows->seen++ == ROWS_A_PAGE;
	if (rows->full)
		return false;
	record = fnr_json_parse_own(json, len, NULL);
	if (preset_read(record, &preset) && !preset.builtin && preset_visible(&preset, &rows->viewer))
		json_object_array_add(rows->items, json_object_get(record));
	json_object_put(record);
	fnr_text_copy(rows->last, sizeof rows->last, id);
	return true;
}

/* First those that ship, from fastest to finest, then the others by id. A cursor is "." and the id of the last of these that
 * was looked at, or the number of the former that were shown. */
static const char *add_page(struct request *req, struct rows *rows, const char *cursor)
{
	const char *after = cursor && *cursor == '.' ? cursor + 1 : NULL;
	size_t from = cursor && !after ? strtoul(cursor, NULL, 10) : 0;
	struct json_object *builtin = presets_built_in(req);
	size_t count = after ? 0 : json_object_array_length(builtin);

	for (; from < count && json_object_array_length(rows->items) < rows->limit; from++)
		json_object_array_add(rows->items, json_object_get(json_object_array_get_idx(builtin, from)));
	json_object_put(builtin);
	if (from >= count)
		store_presets(req->txn, after, made_row, rows);
	if (from < count || (rows->full && !rows->last[0]))
		return fnr_arena_printf(req->arena, "%zu", from);
	return rows->full ? fnr_arena_printf(req->arena, ".%s", rows->last) : NULL;
}

int presets_list(struct request *req)
{
	static const char *const names[] = { "limit", "cursor", NULL };
	struct rows rows = { .req = req, .viewer = common_viewer(req) };
	const char *next;
	int code = request_query_only(req, names);

	if (code == FNR_OK)
		code = request_limit(req, &rows.limit);
	if (code != FNR_OK)
		return code;
	rows.items = json_object_new_array();
	next = add_page(req, &rows, request_query(req, "cursor"));
	return common_reply_list(req, rows.items, next);
}

/* ---- one ---- */

static const char *etag_of(struct request *req, uint32_t version)
{
	return fnr_arena_printf(req->arena, "\"%u\"", version);
}

int presets_find(struct request *req, const struct preset **preset_r)
{
	const struct preset_viewer viewer = common_viewer(req);

	return preset_find(req->txn, req->args[0], &viewer, preset_r, &req->err);
}

static int reply_preset(struct request *req, int status, const char *id)
{
	const struct preset *preset;
	int code = preset_find(req->txn, id, NULL, &preset, &req->err);

	if (code != FNR_OK)
		return code;
	reply_header(req, "ETag", etag_of(req, preset->version));
	if (status == 201)
		reply_header(req, "Location", fnr_arena_printf(req->arena, API "/presets/%s", id));
	return reply_json(req, status, fnr_json_copy(preset->record));
}

int presets_show(struct request *req)
{
	const struct preset *preset;
	int code = presets_find(req, &preset);

	if (code != FNR_OK)
		return code;
	reply_header(req, "ETag", etag_of(req, preset->version));
	return reply_json(req, 200, fnr_json_copy(preset->record));
}

static bool version_row(uint32_t version, const char *json, size_t len, void *context)
{
	struct json_object *record = fnr_json_parse_own(json, len, NULL);

	(void)version;
	if (record)
		json_object_array_add(context, record);
	return true;
}

int presets_versions(struct request *req)
{
	const struct preset *preset;
	struct json_object *items;
	int code = presets_find(req, &preset);

	if (code != FNR_OK)
		return code;
	items = json_object_new_array();
	store_preset_versions(req->txn, preset->id, version_row, items);
	return common_reply_list(req, items, NULL);
}

/* ---- making ---- */

/* "Studio Review" -> "studio_review" */
static void id_of_name(const char *name, char id[68])
{
	size_t len = 0;

	for (; *name && len < 56; name++) {
		char c = *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name;

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			id[len++] = c;
		else if (len && id[len - 1] != '_')
			id[len++] = '_';
	}
	while (len && id[len - 1] == '_')
		len--;
	id[len] = 0;
	if (!len)
		strcpy(id, "preset");
}

static bool is_reserved(const char *id)
{
	return fnr_quality_parse(id) >= 0 || strcmp(id, "compare") == 0 || strcmp(id, "import") == 0 || strcmp(id, "recommend") == 0;
}

static bool is_taken(struct request *req, const char *id)
{
	struct fnr_buf json = FNR_BUF_INIT;
	bool taken = is_reserved(id) || store_preset_get(req->txn, id, &json) == FNR_OK;

	fnr_buf_free(&json);
	return taken;
}

/* Is it one of those that come with it? ids may be NULL. */
static bool is_listed(struct json_object *ids, const char *id)
{
	for (size_t i = 0; ids && i < json_object_array_length(ids); i++)
		if (strcmp(json_object_get_string(json_object_array_get_idx(ids, i)), id) == 0)
			return true;
	return false;
}

static void free_id(struct request *req, const char *name, struct json_object *ids, char id[68])
{
	char stem[68];

	id_of_name(name, stem);
	fnr_text_copy(id, 68, stem);
	for (int i = 2; i < NAMES_TRIED && (is_taken(req, id) || is_listed(ids, id)); i++)
		snprintf(id, 68, "%.50s_%d", stem, i);
}

const struct preset *presets_base(struct request *req, struct json_object *source, const char *id, const char *pointer)
{
	const struct preset_viewer viewer = common_viewer(req);
	const char *name = fnr_json_get_text(source, "base", NULL);
	const struct preset *base = NULL;
	struct fnr_error err = FNR_ERROR_INIT;

	if (!name)
		return NULL;      /* told already */
	if (id && strcmp(name, id) == 0)
		fnr_error_add(&req->err, pointer, "base", "name another preset", "a preset cannot be derived from itself");
	else if (preset_find(req->txn, name, &viewer, &base, &err) != FNR_OK)
		fnr_error_add(&req->err, pointer, "unknown_preset", err.suggestion[0] ? err.suggestion : "GET " API "/presets lists them", "%s", err.message);
	fnr_error_clear(&err);
	return req->err.code == FNR_OK ? base : NULL;
}

/* The record to be stored: as one that exists now has it, or a new one. To put; NULL with the problem. */
static struct json_object *make_record(struct request *req, struct json_object *source, const char *id, const struct preset *now, uint32_t version,
                                       const char *pointer)
{
	const char *owner = now ? now->owner : req->access.key, *created = now ? fnr_json_get_text(now->record, "created_at", NULL) : NULL;
	const struct preset *base;
	struct json_object *record;
	char time[FNR_TIME_SIZE];
	size_t len;

	owner = *owner ? fnr_arena_strdup(req->arena, owner) : NULL;
	created = fnr_arena_strdup(req->arena, created ? created : fnr_time_format(fnr_now_ms(), time));
	base = presets_base(req, source, id, fnr_arena_printf(req->arena, "%s/base", pointer));
	if (!base)
		return NULL;
	record = preset_make(id, source, base);
	fnr_json_set_text(record, "owner", owner);
	fnr_json_set_int(record, "version", version);
	fnr_json_set_text(record, "created_at", created);
	fnr_json_set_text(record, "updated_at", fnr_time_format(fnr_now_ms(), time));
	fnr_json_text(record, &len);
	if (len <= RECORD_MOST)
		return record;
	fnr_fail(&req->err, FNR_E_TOO_LARGE, "the preset has %zu bytes, with what it inherits; the limit is %d", len, RECORD_MOST);
	json_object_put(record);
	return NULL;
}

static int post(struct request *req, struct fnr_buf *operation)
{
	struct op_reply reply;
	int code = request_post(req, operation, &reply);

	fnr_buf_free(operation);
	return code;
}

/* Checks a preset that somebody gives, and names it, unlike those of ids (may be NULL). */
static bool check_new(struct request *req, struct json_object *source, const char *pointer, struct json_object *ids, char id[68])
{
	const char *given = fnr_json_get_text(source, "id", NULL);

	preset_check(source, pointer, PRESET_BY_API, &req->err);
	if (req->err.code != FNR_OK)
		return false;
	if (given)
		fnr_text_copy(id, 68, given);
	else
		free_id(req, fnr_json_get_text(source, "name", ""), ids, id);
	if (is_reserved(id))
		fnr_fail(&req->err, FNR_E_EXISTS, "'%s' is the name of a tier or of an operation; give the preset another id", id);
	return req->err.code == FNR_OK;
}

int presets_create(struct request *req)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct json_object *record;
	uint32_t version;
	char id[68];
	int code;

	if (!check_new(req, req->body, "", NULL, id))
		return req->err.code;
	version = store_preset_last(req->txn, id) + 1;
	record = make_record(req, req->body, id, NULL, version, "");
	if (!record)
		return req->err.code;
	op_preset_put(&operation, &(struct store_preset){ id, req->access.key, fnr_json_text(record, NULL), version }, 0);
	json_object_put(record);
	code = post(req, &operation);
	return code == FNR_OK ? reply_preset(req, 201, id) : code;
}

/* A preset of somebody's, in the state that the caller knows. */
static int find_own(struct request *req, const struct preset **preset_r)
{
	int code = presets_find(req, preset_r);

	if (code == FNR_OK && strchr(req->args[0], '@'))
		return fnr_fail(&req->err, FNR_E_CONFLICT, "a version of a preset does not change any more; name the preset without one");
	if (code == FNR_OK && (*preset_r)->builtin)
		return fnr_fail(&req->err, FNR_E_CONFLICT, "the preset '%s' is built in; derive one of your own from it: POST " API "/presets", (*preset_r)->id);
	return code == FNR_OK ? common_if_match(req, etag_of(req, (*preset_r)->version)) : code;
}

int presets_replace(struct request *req)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	const struct preset *preset;
	struct json_object *record;
	uint32_t version;
	char id[68], owner[68];
	int code = find_own(req, &preset);

	if (code != FNR_OK)
		return code;
	preset_check(req->body, "", PRESET_BY_API, &req->err);
	if (fnr_json_get(req->body, "id") && strcmp(fnr_json_get_text(req->body, "id", ""), preset->id) != 0)
		fnr_error_add(&req->err, "/id", "const", "leave it out", "the id of a preset does not change");
	if (req->err.code != FNR_OK)
		return req->err.code;
	fnr_text_copy(id, sizeof id, preset->id);
	fnr_text_copy(owner, sizeof owner, preset->owner);
	version = preset->version;
	record = make_record(req, req->body, id, preset, version + 1, "");
	if (!record)
		return req->err.code;
	op_preset_put(&operation, &(struct store_preset){ id, owner, fnr_json_text(record, NULL), version + 1 }, version);
	json_object_put(record);
	code = post(req, &operation);
	return code == FNR_OK ? reply_preset(req, 200, id) : code;
}

int presets_delete(struct request *req)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	const struct preset *preset;
	int code = find_own(req, &preset);

	if (code != FNR_OK)
		return code;
	op_preset_delete(&operation, preset->id, preset->owner, preset->version);
	code = post(req, &operation);
	return code == FNR_OK ? reply_empty(req, 204) : code;
}

/* ---- export, import ---- */

static bool wants_yaml(struct request *req)
{
	const char *format = request_query(req, "format"), *accept = request_header(req, "Accept");

	if (format)
		return strcmp(format, "yaml") == 0;
	return accept && strstr(accept, "application/yaml");
}

int presets_export(struct request *req)
{
	static const char *const names[] = { "format", NULL };
	const char *format = request_query(req, "format");
	struct fnr_buf text = FNR_BUF_INIT;
	const struct preset *preset;
	struct json_object *file, *list;
	bool yaml = wants_yaml(req);
	int code = request_query_only(req, names);

	if (code == FNR_OK && format && strcmp(format, "yaml") != 0 && strcmp(format, "json") != 0)
		code = fnr_fail(&req->err, FNR_E_INVALID, "'format' must be json or yaml");
	if (code == FNR_OK)
		code = presets_find(req, &preset);
	if (code != FNR_OK)
		return code;
	file = json_object_new_object();
	list = json_object_new_array();
	json_object_array_add(list, preset_portable(preset));
	fnr_json_set(file, "presets", list);
	reply_header(req, "Content-Disposition", fnr_arena_printf(req->arena, "attachment; filename=\"%s.%s\"", preset->id, yaml ? "yaml" : "json"));
	if (!yaml)
		return reply_json(req, 200, file);
	fnr_yaml_text(file, &text);
	json_object_put(file);
	code = reply_text(req, 200, "application/yaml", text.data, text.len);
	fnr_buf_free(&text);
	return code;
}

/* What is done with one whose id is taken. */
enum conflict { CONFLICT_FAIL, CONFLICT_RENAME, CONFLICT_REPLACE, CONFLICTS };

static int read_conflict(struct request *req)
{
	static const char *const words[CONFLICTS] = { "fail", "rename", "replace" };
	const char *text = request_query(req, "conflict");

	for (int i = 0; text && i < CONFLICTS; i++)
		if (strcmp(words[i], text) == 0)
			return i;
	if (text)
		fnr_fail(&req->err, FNR_E_INVALID, "'conflict' must be fail, rename or replace");
	return CONFLICT_FAIL;
}

static void import_one(struct request *req, struct json_object *source, const char *pointer, int conflict, struct fnr_buf *operation,
                       struct json_object *ids)
{
	const struct preset *now = NULL;
	struct json_object *record;
	uint32_t version, expected;
	char id[68], owner[68];

	if (!check_new(req, source, pointer, ids, id))
		return;
	if (conflict == CONFLICT_RENAME && (is_taken(req, id) || is_listed(ids, id)))
		free_id(req, id, ids, id);
	else if (is_listed(ids, id))
		fnr_error_add(&req->err, fnr_arena_printf(req->arena, "%s/id", pointer), "unique", "give it another id, or import with conflict=rename",
		              "two presets of the file have the id '%s'", id);
	else if (is_taken(req, id) && conflict == CONFLICT_REPLACE && preset_find(req->txn, id, NULL, &now, &req->err) != FNR_OK)
		return;
	if (now && now->builtin) {
		fnr_fail(&req->err, FNR_E_CONFLICT, "the preset '%s' is built in, and cannot be replaced", id);
		return;
	}
	expected = now ? now->version : 0;
	version = store_preset_last(req->txn, id) + 1;
	fnr_text_copy(owner, sizeof owner, now ? now->owner : req->access.key);
	record = make_record(req, source, id, now, version, pointer);
	if (!record)
		return;
	(operation->len ? op_preset_add : op_preset_put)(operation, &(struct store_preset){ id, owner, fnr_json_text(record, NULL), version }, expected);
	json_object_array_add(ids, json_object_new_string(id));
	json_object_put(record);
}

static int reply_imported(struct request *req, struct json_object *ids)
{
	struct json_object *items = json_object_new_array();
	const struct preset *preset;

	for (size_t i = 0; i < json_object_array_length(ids); i++)
		if (preset_find(req->txn, json_object_get_string(json_object_array_get_idx(ids, i)), NULL, &preset, NULL) == FNR_OK)
			json_object_array_add(items, fnr_json_copy(preset->record));
	return common_reply_list(req, items, NULL);
}

/* All of the list as one operation; ids_r: what they are called. */
static int import_list(struct request *req, struct json_object *list, int conflict, struct json_object *ids)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	size_t count = json_object_array_length(list);

	for (size_t i = 0; i < count && (req->err.code == FNR_OK || req->err.code == FNR_E_INVALID); i++)
		import_one(req, json_object_array_get_idx(list, i), fnr_arena_printf(req->arena, "/presets/%zu", i), conflict, &operation, ids);
	if (req->err.code == FNR_OK)
		return post(req, &operation);
	fnr_buf_free(&operation);
	return req->err.code;
}

/* Somebody else took a name meanwhile: there are others. */
static bool rename_again(struct request *req, int code, int conflict, int tries, struct json_object *ids)
{
	if (conflict != CONFLICT_RENAME || tries >= IMPORT_TRIES || (code != FNR_E_EXISTS && code != FNR_E_PRECONDITION))
		return false;
	fnr_error_clear(&req->err);
	json_object_array_del_idx(ids, 0, json_object_array_length(ids));
	return true;
}

/* A file as export gives it, or as presets.yaml is: all of it or nothing. */
int presets_import(struct request *req)
{
	static const char *const names[] = { "conflict", NULL };
	static const char *const members[] = { "presets", NULL };
	struct json_object *list = fnr_json_get(req->body, "presets"), *ids;
	size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	int code = request_query_only(req, names), conflict = read_conflict(req), tries = 0;

	common_members_only(req, "a file of presets", members);
	if (count == 0 || count > IMPORT_MOST)
		fnr_error_add(&req->err, "/presets", "required", "send a file as GET " API "/presets/{id}/export gives it", "'presets' must be a list of 1 to %d presets", IMPORT_MOST);
	if (code != FNR_OK || req->err.code != FNR_OK)
		return req->err.code;
	ids = json_object_new_array();
	do
		code = import_list(req, list, conflict, ids);
	while (rename_again(req, code, conflict, ++tries, ids));
	if (code == FNR_OK)
		code = reply_imported(req, ids);
	json_object_put(ids);
	return code;
}
