/* /projects: the results that were filed, as takes of shots. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "files/path.h"
#include "files/tar.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "http/view.h"

struct project_page { struct request *req; struct json_object *items; size_t limit; char last[68]; bool more; };

static bool shot_row(uint32_t shot, uint32_t counter, uint32_t active, void *context)
{
	struct project_page *page = context;
	struct json_object *item;
	char name[68];

	if (!store_name_text(page->req->txn, STORE_SHOT, shot, name))
		return true;
	item = json_object_new_object();
	fnr_json_set_text(item, "name", name);
	fnr_json_set_int(item, "last_take", counter);
	fnr_json_set(item, "active_take", active ? json_object_new_int64(active) : NULL);
	json_object_array_add(page->items, item);
	return true;
}

#define SHOTS_SHOWN 1000

static void add_decided(struct json_object *item, const struct store_project *project)
{
	fnr_json_set_real(item, "weight", project->weight);
	common_set_limit(item, project->limit);
	common_set_count(item, "max_waiting", (int64_t)project->max_waiting);
}

static bool project_row(uint32_t number, const char *name, void *context)
{
	struct project_page *page = context;
	struct project_page shots = { .req = page->req };
	struct store_project decided = store_project_get(page->req->txn, number);
	struct json_object *item;

	if (!access_project(&page->req->access, number))
		return true;
	if (json_object_array_length(page->items) == page->limit) {
		page->more = true;
		return false;
	}
	item = json_object_new_object();
	shots.items = json_object_new_array();
	store_shots(page->req->txn, number, SHOTS_SHOWN, shot_row, &shots);
	fnr_json_set_text(item, "name", name);
	add_decided(item, &decided);
	fnr_json_set(item, "shots", shots.items);
	json_object_array_add(page->items, item);
	snprintf(page->last, sizeof page->last, "%s", name);
	return true;
}

int projects_list(struct request *req)
{
	static const char *const names[] = { "limit", "cursor", NULL };
	struct project_page page = { .req = req };
	int code = request_query_only(req, names);

	if (code == FNR_OK)
		code = request_limit(req, &page.limit);
	if (code != FNR_OK)
		return code;
	page.items = json_object_new_array();
	store_names(req->txn, STORE_PROJECT, request_query(req, "cursor"), 5000, project_row, &page);
	return common_reply_list(req, page.items, page.more ? page.last : NULL);
}

static double read_weight(struct request *req)
{
	struct json_object *value = fnr_json_get(req->body, "weight");
	double weight = value ? json_object_get_double(value) : 1.0;

	if ((value && !json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double)) ||
	    !(weight >= STORE_WEIGHT_LEAST && weight <= STORE_WEIGHT_MOST))
		fnr_error_add(&req->err, "/weight", "range", "give a number from 0.01 to 1000; 1 is usual", "the weight is not from 0.01 to 1000");
	return weight;
}

/* PUT: its turns beside others, its limits. What is left out is as for a project that nobody decided about; it may be
 * decided about before its first job. */
int projects_change(struct request *req)
{
	static const char *const names[] = { "weight", "concurrency", "per_minute", "max_waiting", NULL };
	struct store_project project = { .weight = read_weight(req), .limit = common_limit(req) };
	struct json_object *object;
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;
	int code;

	common_members_only(req, "a project", names);
	if (!fnr_name_valid(req->args[0]))
		fnr_error_add(&req->err, "", "name", "use " FNR_NAME_RULE, "'%.64s' is not a valid name of a project", req->args[0]);
	project.max_waiting = (uint64_t)common_count(req, "max_waiting", 1000000000);
	if (req->err.code != FNR_OK)
		return req->err.code;
	if (!access_project_name(&req->access, req->args[0]))
		return fnr_fail(&req->err, FNR_E_FORBIDDEN, "this key may not use the project '%s'", req->args[0]);
	op_project(&operation, req->args[0], &project);
	code = request_post(req, &operation, &reply);
	fnr_buf_free(&operation);
	if (code != FNR_OK)
		return code;
	object = json_object_new_object();
	fnr_json_set_text(object, "name", req->args[0]);
	add_decided(object, &project);
	return reply_json(req, 200, object);
}

/* ---- takes of a shot ---- */

struct place { uint32_t project, shot, take; };

static int find_shot(struct request *req, struct place *place)
{
	place->project = store_name_find(req->txn, STORE_PROJECT, req->args[0]);
	if (!place->project || !access_project(&req->access, place->project))
		return fnr_fail(&req->err, FNR_E_NOT_FOUND, "there is no project '%s'", req->args[0]);
	place->shot = store_name_find(req->txn, STORE_SHOT, req->args[1]);
	if (!place->shot)
		return fnr_fail(&req->err, FNR_E_NOT_FOUND, "there is no shot '%s' in project '%s'", req->args[1], req->args[0]);
	return FNR_OK;
}

static int find_take(struct request *req, struct place *place, struct json_object **take_r)
{
	struct fnr_buf text = FNR_BUF_INIT;
	const char *number = req->args[2];
	int code = find_shot(req, place);

	if (code != FNR_OK)
		return code;
	*take_r = NULL;
	if (strlen(number) <= 9 && strspn(number, "0123456789") == strlen(number)) {
		place->take = (uint32_t)atoi(number);
		if (store_take_get(req->txn, place->project, place->shot, place->take, &text) == FNR_OK)
			*take_r = common_parse(&text);
		fnr_buf_free(&text);
	}
	if (!*take_r)
		return fnr_fail(&req->err, FNR_E_NOT_FOUND, "there is no take %s of %s/%s", number, req->args[0], req->args[1]);
	return FNR_OK;
}

static void complete(struct request *req, const struct place *place, struct json_object *take)
{
	struct json_object *files = fnr_json_get(take, "files");
	bool active = store_shot_active(req->txn, place->project, place->shot) == place->take;

	fnr_json_set_bool(take, "active", active);
	for (size_t i = 0; files && i < json_object_array_length(files); i++) {
		struct json_object *file = json_object_array_get_idx(files, i);

		const char *url = fnr_arena_printf(req->arena, API "/projects/%s/shots/%s/takes/%u/files/%s", req->args[0], req->args[1],
		                                   place->take, fnr_json_get_text(file, "file", ""));

		fnr_json_set_text(file, "url", url);
		view_file_found(req->txn, file, url);
	}
}

struct take_page { struct request *req; struct place place; struct json_object *items; };

static bool take_row(uint32_t number, const char *json, size_t len, void *context)
{
	struct take_page *page = context;
	struct json_object *take = fnr_json_parse_own(json, len, NULL);

	page->place.take = number;
	if (!take)
		return true;
	json_object_object_del(take, "inputs");
	json_object_object_del(take, "parameters");
	json_object_object_del(take, "metadata");
	complete(page->req, &page->place, take);
	json_object_array_add(page->items, take);
	return true;
}

int takes_list(struct request *req)
{
	static const char *const names[] = { "limit", "cursor", NULL };
	struct take_page page = { .req = req };
	const char *cursor = request_query(req, "cursor");
	size_t limit, visited;
	int code = request_query_only(req, names);

	if (code == FNR_OK)
		code = request_limit(req, &limit);
	if (code == FNR_OK)
		code = find_shot(req, &page.place);
	if (code != FNR_OK)
		return code;
	page.items = json_object_new_array();
	visited = store_takes(req->txn, page.place.project, page.place.shot, cursor ? (uint32_t)strtoul(cursor, NULL, 10) : 0, limit,
	                      take_row, &page);
	return common_reply_list(req, page.items, visited == limit ? fnr_arena_printf(req->arena, "%u", page.place.take) : NULL);
}

int takes_show(struct request *req)
{
	struct json_object *take;
	struct place place;
	int code = find_take(req, &place, &take);

	if (code != FNR_OK)
		return code;
	complete(req, &place, take);
	return reply_json(req, 200, take);
}

static struct json_object *find_file(struct json_object *take, const char *name)
{
	struct json_object *files = fnr_json_get(take, "files");

	for (size_t i = 0; files && i < json_object_array_length(files); i++)
		if (strcmp(fnr_json_get_text(json_object_array_get_idx(files, i), "file", ""), name) == 0)
			return json_object_array_get_idx(files, i);
	return NULL;
}

static int no_file(struct request *req, const struct place *place)
{
	return fnr_fail(&req->err, FNR_E_NOT_FOUND, "take %u of %s/%s has no file '%s'", place->take, req->args[0], req->args[1], req->args[3]);
}

int takes_thumbnail(struct request *req)
{
	struct json_object *take, *file;
	struct place place;
	int code = find_take(req, &place, &take);

	if (code != FNR_OK)
		return code;
	file = find_file(take, req->args[3]);
	code = file ? common_reply_thumbnail(req, file) : no_file(req, &place);
	json_object_put(take);
	return code;
}

int takes_file(struct request *req)
{
	const char *name = req->args[3], *media_type = NULL;
	struct json_object *take, *file;
	struct place place;
	int code = find_take(req, &place, &take);

	if (code != FNR_OK)
		return code;
	file = find_file(take, name);
	if (file)
		media_type = fnr_arena_strdup(req->arena, fnr_json_get_text(file, "media_type", "application/octet-stream"));
	json_object_put(take);
	if (strcmp(name, "take.json") == 0)
		media_type = "application/json";
	if (!media_type || !path_file_name_valid(name))
		return no_file(req, &place);
	return common_reply_file(req, fnr_arena_printf(req->arena, "%s/%s/take_%03u/%s", req->args[0], req->args[1], place.take, name),
	                         media_type, name);
}

/* ---- choosing, deleting ---- */

static int post(struct request *req, struct fnr_buf *operation)
{
	struct op_reply reply;
	int code = request_post(req, operation, &reply);

	fnr_buf_free(operation);
	return code;
}

/* PUT: {"take":3}, or null for the newest, whichever that is. */
int takes_choose(struct request *req)
{
	static const char *const names[] = { "take", NULL };
	struct json_object *object, *value = fnr_json_get(req->body, "take");
	int64_t take = value ? json_object_get_int64(value) : 0;
	struct fnr_buf operation = FNR_BUF_INIT;
	struct place place;
	int code = find_shot(req, &place);

	if (code != FNR_OK)
		return code;
	common_members_only(req, "an active take", names);
	if (!json_object_object_get_ex(req->body, "take", NULL) || (value && (!json_object_is_type(value, json_type_int) || take < 1 || take > UINT32_MAX)))
		fnr_error_add(&req->err, "/take", "range", "give the number of a take, or null for the newest", "'take' is not the number of a take");
	if (req->err.code != FNR_OK)
		return req->err.code;
	op_take_choose(&operation, req->args[0], req->args[1], (uint32_t)take);
	code = post(req, &operation);
	if (code != FNR_OK)
		return code;
	object = json_object_new_object();
	common_set_count(object, "take", store_shot_active(req->txn, place.project, place.shot));
	return reply_json(req, 200, object);
}

int takes_delete(struct request *req)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct json_object *take;
	struct place place;
	int code = find_take(req, &place, &take);

	if (code != FNR_OK)
		return code;
	json_object_put(take);
	op_take_delete(&operation, req->args[0], req->args[1], place.take);
	code = post(req, &operation);
	return code == FNR_OK ? reply_empty(req, 204) : code;
}

/* ---- export ---- */

static bool size_of(const char *path, uint64_t *size_r)
{
	struct stat info;
	int fd = path_open(AT_FDCWD, path, O_RDONLY, 0);
	bool good = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);

	*size_r = good ? (uint64_t)info.st_size : 0;
	if (fd >= 0)
		close(fd);
	return good;
}

/* The file's bytes are put in by nginx (ssi), so that no handler moves them. */
static int add_file(struct request *req, struct fnr_buf *out, const struct place *place, const char *name, int64_t modified)
{
	const char *folder = fnr_arena_printf(req->arena, "%s/%s/take_%03u", req->args[0], req->args[1], place->take);
	uint64_t bytes;

	if (!path_file_name_valid(name) || !size_of(fnr_arena_printf(req->arena, "workspace/%s/%s", folder, name), &bytes))
		return fnr_fail(&req->err, FNR_E_NOT_FOUND, "the file '%.128s' of the take is gone", name);
	tar_head(out, fnr_arena_printf(req->arena, "%s/%s", folder, name), bytes, modified / 1000);
	if (bytes)
		fnr_buf_printf(out, "<!--# include virtual=\"/internal/files/workspace/%s/%s\" -->", folder, name);
	tar_fill(out, bytes);
	return FNR_OK;
}

static int make_archive(struct request *req, const struct place *place, struct json_object *take, struct fnr_buf *out)
{
	struct json_object *files = fnr_json_get(take, "files");
	int64_t modified = 0;
	int code;

	fnr_time_parse(fnr_json_get_text(take, "created_at", ""), &modified);
	code = add_file(req, out, place, "take.json", modified);
	for (size_t i = 0; code == FNR_OK && files && i < json_object_array_length(files); i++)
		code = add_file(req, out, place, fnr_json_get_text(json_object_array_get_idx(files, i), "file", ""), modified);
	tar_end(out);
	return code;
}

int takes_export(struct request *req)
{
	struct fnr_buf archive = FNR_BUF_INIT;
	struct json_object *take;
	struct place place;
	int code = find_take(req, &place, &take);

	if (code != FNR_OK)
		return code;
	code = make_archive(req, &place, take, &archive);
	json_object_put(take);
	if (code == FNR_OK) {
		reply_header(req, "Content-Disposition", fnr_arena_printf(req->arena, "attachment; filename=\"%s-%s-take_%03u.tar\"", req->args[0],
		                                                          req->args[1], place.take));
		code = reply_text(req, 200, "application/x-tar", archive.data, archive.len);
	}
	fnr_buf_free(&archive);
	return code;
}
