#include "handlers/common.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/queues.h"
#include "base/text.h"
#include "base/yaml.h"
#include "files/path.h"
#include "files/thumbnail.h"
#include "http/view.h"

#define AGAIN_S 2      /* until a thumbnail may be made */

int common_job(struct request *req, size_t index, struct job_head *head_r)
{
	struct fnr_id id;
	int code = request_id_arg(req, index, "job", &id);

	if (code != FNR_OK)
		return code;
	code = store_job_get(req->txn, &id, head_r);
	if (code == FNR_OK && !access_project(&req->access, head_r->project))
		code = FNR_E_NOT_FOUND;
	if (code == FNR_E_NOT_FOUND)
		return fnr_fail(&req->err, code, "there is no job %s", req->args[index]);
	return code == FNR_OK ? code : fnr_fail(&req->err, code, "the record of job %s cannot be read; run fnr check", req->args[index]);
}

int common_batch(struct request *req, size_t index, struct batch *batch_r)
{
	struct fnr_id id;
	int code = request_id_arg(req, index, "batch", &id);

	if (code != FNR_OK)
		return code;
	code = store_batch_get(req->txn, &id, batch_r);
	if (code != FNR_OK || !access_project(&req->access, batch_r->project))
		return fnr_fail(&req->err, FNR_E_NOT_FOUND, "there is no batch %s", req->args[index]);
	return FNR_OK;
}

struct preset_viewer common_viewer(struct request *req)
{
	return (struct preset_viewer){ .key = req->access.key, .all = req->access.scopes & FNR_SCOPE_ADMIN };
}

const char *common_queue(struct request *req)
{
	const char *name = fnr_queue_find(req->args[0]);
	uint32_t number = name ? 0 : store_name_find(req->txn, STORE_QUEUE, req->args[0]);

	if (name || (number && store_waiting(req->txn, STORE_QUEUE, number)))
		return req->args[0];
	fnr_fail(&req->err, FNR_E_NOT_FOUND, "there is no queue '%.64s'; there are %s", req->args[0], fnr_queue_list());
	return NULL;
}

int common_reply_job(struct request *req, int status, const struct fnr_id *id)
{
	struct job_head head;
	struct json_object *job;
	int code = store_job_get(req->txn, id, &head);

	if (code != FNR_OK)
		return fnr_fail(&req->err, code, "the job is gone");
	job = view_job(req->txn, request_journal(req), &head, false, &req->err);
	return job ? reply_json(req, status, job) : req->err.code;
}

int common_reply_batch(struct request *req, int status, const struct fnr_id *id)
{
	struct batch batch;
	int code = store_batch_get(req->txn, id, &batch);

	if (code != FNR_OK)
		return fnr_fail(&req->err, code, "the batch is gone");
	return reply_json(req, status, view_batch(req->txn, request_journal(req), &batch));
}

struct fnr_id common_id_behind(struct fnr_id id)
{
	for (int i = 15; i >= 0 && ++id.bytes[i] == 0; i--)
		;
	return id;
}

int common_if_match(struct request *req, const char *etag)
{
	const char *at = request_header(req, "If-Match");

	if (!at)
		return fnr_fail(&req->err, FNR_E_PRECONDITION_REQUIRED, "say in If-Match which state you change: the ETag of the last answer about it, %s now", etag);
	while (*at) {
		size_t len;

		at += strspn(at, ", \t");
		len = strcspn(at, ", \t");
		if ((len == 1 && *at == '*') || (len == strlen(etag) && strncmp(at, etag, len) == 0))
			return FNR_OK;
		at += len;
	}
	return fnr_fail(&req->err, FNR_E_PRECONDITION, "it was changed in the meantime: its ETag is %s now; fetch it again", etag);
}

int common_reply_list(struct request *req, struct json_object *items, const char *cursor)
{
	struct json_object *list = json_object_new_object();

	fnr_json_set(list, "items", items);
	fnr_json_set_text(list, "next_cursor", cursor);
	return reply_json(req, 200, list);
}

void common_location(struct request *req, const char *kind, const struct fnr_id *id)
{
	char text[FNR_ID_TEXT];

	reply_header(req, "Location", fnr_arena_printf(req->arena, API "/%s/%s", kind, fnr_id_format(id, text)));
}

int common_reply_file(struct request *req, const char *path, const char *media_type, const char *file_name)
{
	const char *place = path_media_inline(media_type) ? "inline" : "attachment";

	reply_header(req, "Content-Type", media_type);
	reply_header(req, "Content-Disposition", fnr_arena_printf(req->arena, "%s; filename=\"%s\"", place, file_name));
	return reply_accel(req, fnr_arena_printf(req->arena, "/internal/files/workspace/%s", path));
}

int common_reply_thumbnail(struct request *req, struct json_object *file)
{
	const char *sha256 = fnr_json_get_text(file, "sha256", ""), *media_type = fnr_json_get_text(file, "media_type", "");
	const char *what = fnr_json_get_text(file, "name", "");
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *found;
	char path[THUMBNAIL_PATH];
	uint8_t hash[32];
	bool made;

	if (!thumbnail_possible(media_type) || !fnr_unhex(sha256, hash, sizeof hash))
		return fnr_fail(&req->err, FNR_E_NOT_FOUND, "there is no thumbnail of '%s', which is %s", what, media_type);
	if (store_thumbnail_get(req->txn, hash, &text) != FNR_OK) {
		req->err.retry_after_s = AGAIN_S;
		return fnr_fail(&req->err, FNR_E_NOT_FOUND, "the thumbnail of '%s' is not made yet; try again in some seconds", what);
	}
	found = common_parse(&text);
	made = fnr_json_get_bool(found, "made", false);
	json_object_put(found);
	fnr_buf_free(&text);
	if (!made)
		return fnr_fail(&req->err, FNR_E_NOT_FOUND, "no thumbnail of '%s' could be made", what);
	thumbnail_path(path, sha256);
	reply_header(req, "Content-Type", THUMBNAIL_MEDIA_TYPE);
	reply_header(req, "Cache-Control", "private, max-age=86400");
	return reply_accel(req, fnr_arena_printf(req->arena, "/internal/files/%s", path));
}

static void unknown_member(struct request *req, const char *what, const char *member, const char *const *members, size_t count)
{
	const char *nearest = fnr_text_nearest(member, members, count);
	char place[256] = "";

	fnr_json_pointer_add(place, sizeof place, member);
	fnr_error_add(&req->err, place, "unknown_member", nearest ? fnr_arena_printf(req->arena, "did you mean '%s'?", nearest) : "remove it",
	              "%s has no member '%s'", what, member);
}

void common_members_only(struct request *req, const char *what, const char *const *members)
{
	size_t count = 0, at;

	while (members[count])
		count++;
	json_object_object_foreach(req->body, member, value) {
		(void)value;
		for (at = 0; at < count && strcmp(members[at], member) != 0; at++)
			;
		if (at == count)
			unknown_member(req, what, member, members, count);
	}
}

int64_t common_count(struct request *req, const char *name, int64_t most)
{
	struct json_object *value = fnr_json_get(req->body, name);
	int64_t count = value ? json_object_get_int64(value) : 0;

	if (!value || (json_object_is_type(value, json_type_int) && count >= 1 && count <= most))
		return count;
	fnr_error_add(&req->err, fnr_arena_printf(req->arena, "/%s", name), "range",
	              fnr_arena_printf(req->arena, "give a whole number from 1 to %lld, or null for no limit", (long long)most),
	              "'%s' is not a whole number from 1 to %lld", name, (long long)most);
	return 0;
}

struct store_limit common_limit(struct request *req)
{
	struct store_limit limit = { .concurrency = (uint32_t)common_count(req, "concurrency", STORE_LIMIT_MOST) };

	limit.per_minute = (uint32_t)common_count(req, "per_minute", STORE_LIMIT_MOST);
	return limit;
}

void common_set_count(struct json_object *to, const char *name, int64_t count)
{
	fnr_json_set(to, name, count ? json_object_new_int64(count) : NULL);
}

void common_set_limit(struct json_object *to, struct store_limit limit)
{
	common_set_count(to, "concurrency", limit.concurrency);
	common_set_count(to, "per_minute", limit.per_minute);
}

struct json_object *common_parse(const struct fnr_buf *text)
{
	return text->len ? fnr_json_parse_own(text->data, text->len, NULL) : NULL;
}

struct json_object *common_parse_yaml(const struct fnr_buf *text)
{
	return fnr_yaml_parse(text->data ? text->data : "", text->len, "the text", NULL);
}
