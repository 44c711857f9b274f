/* /stats and /errors: how jobs ended and what went wrong, added up from the hours that the store keeps. */
#include <stdio.h>
#include <string.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/text.h"
#include "handlers/common.h"
#include "handlers/handlers.h"

#define DAY_MS 86400000

/* What a request asks for: hours, and rows of one template, quality, backend, class (0, -1 or NULL: any). */
struct question {
	int64_t since, until;
	uint32_t template_;
	bool impossible;                 /* it names a template that no job has */
	int quality, class_;
	const char *backend;
	size_t limit;
};

static int64_t time_query(struct request *req, const char *name, int64_t usual)
{
	const char *text = request_query(req, name);
	int64_t ms = usual;

	if (text && !fnr_time_parse(text, &ms))
		fnr_error_add(&req->err, fnr_arena_printf(req->arena, "/%s", name), "format", "write it like 2026-01-31T12:00:00Z", "'%s' is not a time", name);
	return ms;
}

static int word_query(struct request *req, const char *name, int (*parse)(const char *), const char *fix)
{
	const char *text = request_query(req, name);
	int value = text ? parse(text) : -1;

	if (text && value < 0)
		fnr_error_add(&req->err, fnr_arena_printf(req->arena, "/%s", name), "enum", fix, "'%s' cannot be '%.64s'", name, text);
	return value;
}

static int read_question(struct request *req, struct question *question)
{
	const char *template_ = request_query(req, "template");

	*question = (struct question){ .since = time_query(req, "since", fnr_now_ms() - DAY_MS), .until = time_query(req, "until", INT64_MAX) };
	question->quality = word_query(req, "quality", fnr_quality_parse, "use draft, standard, high or ultra");
	question->class_ = word_query(req, "class", fnr_class_parse, "use transient, resource, validation, permanent or unknown");
	question->backend = request_query(req, "backend");
	question->template_ = template_ ? store_name_find(req->txn, STORE_TEMPLATE, template_) : 0;
	question->impossible = template_ && !question->template_;
	request_limit(req, &question->limit);
	return req->err.code;
}

static bool asked_for(const struct question *question, uint32_t template_, const char *backend)
{
	return !question->impossible && (!question->template_ || question->template_ == template_) &&
	       (!question->backend || strcmp(question->backend, backend) == 0);
}

static void set_template(struct request *req, struct json_object *to, uint32_t number)
{
	char name[68];

	fnr_json_set_text(to, "template", store_name_text(req->txn, STORE_TEMPLATE, number, name) ? name : NULL);
}

/* ---- runs ---- */

enum { BY_TEMPLATE = 1, BY_QUALITY = 2, BY_BACKEND = 4, BY_HOUR = 8, BY_VARIANT = 16 };
static const struct { const char *name; unsigned bit; } ways[] = {
	{ "template", BY_TEMPLATE }, { "quality", BY_QUALITY }, { "backend", BY_BACKEND }, { "hour", BY_HOUR }, { "variant", BY_VARIANT },
};

struct run_key { int64_t hour; uint32_t template_, quality; char backend[68], variant[68]; };
struct run_group { struct run_key key; struct store_runs sum; UT_hash_handle hh; };
struct run_groups { struct request *req; const struct question *question; unsigned by; struct run_group *all; };

static unsigned read_by(struct request *req)
{
	const char *text = request_query(req, "by");
	unsigned by = text ? 0 : BY_TEMPLATE;
	char *words = fnr_arena_strdup(req->arena, text ? text : ""), *rest = words;

	for (char *word; text && (word = strsep(&rest, ",")) != NULL;) {
		unsigned bit = 0;

		for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
			if (strcmp(ways[i].name, word) == 0)
				bit = ways[i].bit;
		if (!bit)
			fnr_error_add(&req->err, "/by", "enum", "use template, variant, quality, backend and hour, with commas between them", "'by' cannot be '%.64s'", word);
		by |= bit;
	}
	return by;
}

static bool take_runs(int64_t hour, const struct store_runs *runs, void *context)
{
	struct run_groups *groups = context;
	struct run_group *group = NULL;
	struct run_key key;

	if (!asked_for(groups->question, runs->template_, runs->backend) ||
	    (groups->question->quality >= 0 && (unsigned)groups->question->quality != runs->quality))
		return true;
	memset(&key, 0, sizeof key);      /* compared as bytes */
	key.hour = groups->by & BY_HOUR ? hour : 0;
	key.template_ = groups->by & BY_TEMPLATE ? runs->template_ : 0;
	key.quality = groups->by & BY_QUALITY ? runs->quality : 0;
	if (groups->by & BY_BACKEND)
		fnr_text_copy(key.backend, sizeof key.backend, runs->backend);
	if (groups->by & BY_VARIANT)
		fnr_text_copy(key.variant, sizeof key.variant, runs->variant);
	HASH_FIND(hh, groups->all, &key, sizeof key, group);
	if (!group) {
		group = fnr_arena_alloc(groups->req->arena, sizeof *group);
		group->key = key;
		HASH_ADD(hh, groups->all, key, sizeof key, group);
	}
	group->sum.completed += runs->completed;
	group->sum.failed += runs->failed;
	group->sum.cancelled += runs->cancelled;
	group->sum.expired += runs->expired;
	group->sum.retried += runs->retried;
	group->sum.run_ms += runs->run_ms;
	group->sum.wait_ms += runs->wait_ms;
	return true;
}

static uint64_t ended(const struct store_runs *runs)
{
	return runs->completed + runs->failed + runs->cancelled + runs->expired;
}

static int by_hour_and_number(const struct run_group *a, const struct run_group *b)
{
	uint64_t left = ended(&a->sum), right = ended(&b->sum);

	if (a->key.hour != b->key.hour)
		return a->key.hour < b->key.hour ? -1 : 1;
	return left == right ? 0 : left > right ? -1 : 1;
}

static void set_mean(struct json_object *to, const char *name, uint64_t sum, uint64_t count)
{
	fnr_json_set(to, name, count ? json_object_new_int64((int64_t)(sum / count)) : NULL);
}

static struct json_object *make_runs(const struct run_groups *groups, const struct run_group *group)
{
	struct json_object *object = json_object_new_object();
	const struct store_runs *sum = &group->sum;

	if (groups->by & BY_HOUR)
		fnr_json_set_time(object, "hour", group->key.hour);
	if (groups->by & BY_TEMPLATE)
		set_template(groups->req, object, group->key.template_);
	if (groups->by & BY_VARIANT)
		fnr_json_set_text(object, "variant", group->key.variant[0] ? group->key.variant : NULL);
	if (groups->by & BY_QUALITY)
		fnr_json_set_text(object, "quality", fnr_quality_name((enum fnr_quality)group->key.quality));
	if (groups->by & BY_BACKEND)
		fnr_json_set_text(object, "backend", group->key.backend[0] ? group->key.backend : NULL);
	fnr_json_set_int(object, "completed", (int64_t)sum->completed);
	fnr_json_set_int(object, "failed", (int64_t)sum->failed);
	fnr_json_set_int(object, "cancelled", (int64_t)sum->cancelled);
	fnr_json_set_int(object, "expired", (int64_t)sum->expired);
	fnr_json_set_int(object, "retried", (int64_t)sum->retried);
	if (sum->completed + sum->failed)
		fnr_json_set_real(object, "error_rate", (double)sum->failed / (double)(sum->completed + sum->failed));
	else
		fnr_json_set(object, "error_rate", NULL);
	set_mean(object, "run_ms", sum->run_ms, sum->completed);
	set_mean(object, "wait_ms", sum->wait_ms, sum->completed + sum->failed);
	return object;
}

int statistics_runs(struct request *req)
{
	static const char *const names[] = { "by", "template", "quality", "backend", "since", "until", "limit", NULL };
	struct question question;
	struct run_groups groups = { .req = req, .question = &question };
	struct json_object *items;

	if (request_query_only(req, names) != FNR_OK)
		return req->err.code;
	groups.by = read_by(req);
	if (read_question(req, &question) != FNR_OK)
		return req->err.code;
	store_runs(req->txn, question.since, question.until, take_runs, &groups);
	HASH_SORT(groups.all, by_hour_and_number);
	items = json_object_new_array();
	for (struct run_group *group = groups.all; group && json_object_array_length(items) < question.limit; group = group->hh.next)
		json_object_array_add(items, make_runs(&groups, group));
	HASH_CLEAR(hh, groups.all);
	return common_reply_list(req, items, NULL);
}

/* ---- errors ---- */

struct error_key { uint32_t template_, class_; char backend[68], code[68]; };
struct error_group { struct error_key key; uint64_t count; struct fnr_id last_job; int64_t last_at; UT_hash_handle hh; };
struct error_groups { struct request *req; const struct question *question; struct error_group *all; };

static bool take_errors(const struct store_errors *errors, void *context)
{
	struct error_groups *groups = context;
	struct error_group *group = NULL;
	struct error_key key;

	if (!asked_for(groups->question, errors->template_, errors->backend) ||
	    (groups->question->class_ >= 0 && (unsigned)groups->question->class_ != errors->class_))
		return true;
	memset(&key, 0, sizeof key);
	key.template_ = errors->template_;
	key.class_ = errors->class_;
	fnr_text_copy(key.backend, sizeof key.backend, errors->backend);
	fnr_text_copy(key.code, sizeof key.code, errors->code);
	HASH_FIND(hh, groups->all, &key, sizeof key, group);
	if (!group) {
		group = fnr_arena_alloc(groups->req->arena, sizeof *group);
		group->key = key;
		HASH_ADD(hh, groups->all, key, sizeof key, group);
	}
	group->count += errors->count;
	if (errors->last_at >= group->last_at) {
		group->last_at = errors->last_at;
		group->last_job = errors->last_job;
	}
	return true;
}

static int by_count(const struct error_group *a, const struct error_group *b)
{
	return a->count == b->count ? 0 : a->count > b->count ? -1 : 1;
}

/* The last job is only for those who may see it. */
static struct json_object *make_errors(struct request *req, const struct error_group *group)
{
	struct json_object *object = json_object_new_object();
	struct job_head head;
	char id[FNR_ID_TEXT];
	bool seen = store_job_get(req->txn, &group->last_job, &head) == FNR_OK && access_project(&req->access, head.project);

	fnr_json_set_text(object, "class", fnr_class_name((enum fnr_class)group->key.class_));
	fnr_json_set_text(object, "code", group->key.code);
	set_template(req, object, group->key.template_);
	fnr_json_set_text(object, "backend", group->key.backend[0] ? group->key.backend : NULL);
	fnr_json_set_int(object, "count", (int64_t)group->count);
	fnr_json_set_time(object, "last_at", group->last_at);
	fnr_json_set_text(object, "last_job", seen ? fnr_id_format(&group->last_job, id) : NULL);
	return object;
}

int statistics_errors(struct request *req)
{
	static const char *const names[] = { "template", "class", "backend", "since", "until", "limit", NULL };
	struct question question;
	struct error_groups groups = { .req = req, .question = &question };
	struct json_object *items;

	if (request_query_only(req, names) != FNR_OK || read_question(req, &question) != FNR_OK)
		return req->err.code;
	store_errors(req->txn, question.since, question.until, take_errors, &groups);
	HASH_SORT(groups.all, by_count);
	items = json_object_new_array();
	for (struct error_group *group = groups.all; group && json_object_array_length(items) < question.limit; group = group->hh.next)
		json_object_array_add(items, make_errors(req, group));
	HASH_CLEAR(hh, groups.all);
	return common_reply_list(req, items, NULL);
}
