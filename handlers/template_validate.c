/* POST /templates/validate: what is wrong with one template, or with several that may extend each other; and what is checked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "handlers/templates.h"
#include "schema/effort.h"

#define TEMPLATES_MOST 1000

/* A batch: parents are looked for in it first. */
struct together { struct json_object *list; const struct template_places *places; };

static bool is_meant(struct json_object *value, const char *reference, struct store_version *version_r)
{
	size_t len = strcspn(reference, "@");
	const char *id = fnr_json_get_text(value, "id", "");
	struct store_version wanted;
	int parts = reference[len] ? template_version_parse(reference + len + 1, &wanted) : 0;

	return strlen(id) == len && memcmp(id, reference, len) == 0 && template_version_parse(fnr_json_get_text(value, "version", ""), version_r) == 3 &&
	       (!reference[len] || (parts > 0 && template_version_fits(*version_r, wanted, parts)));
}

/* The newest of those that are meant, or one past the last. */
static size_t place_of_parent(struct json_object *list, const char *reference)
{
	size_t count = list ? json_object_array_length(list) : 0, found = count;
	struct store_version version, best;

	for (size_t i = 0; i < count; i++) {
		if (!is_meant(json_object_array_get_idx(list, i), reference, &version) || (found < count && template_version_compare(version, best) <= 0))
			continue;
		found = i;
		best = version;
	}
	return found;
}

static int find_parent(const char *reference, struct template_text *text_r, void *context, struct fnr_error *err)
{
	const struct together *together = context;
	size_t at = place_of_parent(together->list, reference);

	if (!together->list || at == json_object_array_length(together->list))
		return together->places->parent(reference, text_r, together->places->context, err);
	*text_r = (struct template_text){ .name = fnr_asprintf("templates/%zu", at), .text = fnr_strdup(fnr_json_text(json_object_array_get_idx(together->list, at), NULL)) };
	text_r->len = strlen(text_r->text);
	return FNR_OK;
}

/* ---- one ---- */

/* That a version of that name is there is no fault of the text: it may be the next state of it. */
static void warn_of_version(struct request *req, const struct template_draft *draft, struct json_object *report)
{
	const struct template_version *version = template_draft_version(draft);
	struct fnr_buf source = FNR_BUF_INIT;
	struct json_object *warning;
	uint8_t digest[32];

	if (version->definition && store_template_get(req->txn, version->id, version->version, digest, &source) == FNR_OK &&
	    memcmp(digest, version->digest, 32) != 0) {
		warning = json_object_new_object();
		fnr_json_set_text(warning, "pointer", "/version");
		fnr_json_set_text(warning, "rule", "unique");
		fnr_json_set_text(warning, "message", fnr_arena_printf(req->arena, "there is another version of this number: %s",
		                                                       strcmp(source.data, STORE_SOURCE_API) == 0 ? "it was made by the API" : source.data));
		fnr_json_set_text(warning, "fix", "raise the version, or change that one");
		json_object_array_add(fnr_json_get(report, "warnings"), warning);
	}
	fnr_buf_free(&source);
}

/* What is asked: list is NULL for one template alone. world: a digest of all that reports depend on beside their texts. */
struct question { struct request *req; struct json_object *list; uint8_t world[FNR_SHA256_SIZE]; bool steady; };

static struct json_object *make_report(const struct question *question, const struct template_text *text)
{
	struct request *req = question->req;
	struct template_stored stored;
	struct template_places places, own;
	struct together together = { question->list, &places };
	struct template_draft *draft;
	struct json_object *report;

	templates_places(req, &stored, &places);
	own = (struct template_places){ places.shipped, places.scripts, places.rules, find_parent, &together };
	draft = template_draft_read(text, &own);
	report = template_report(draft);
	warn_of_version(req, draft, report);
	template_draft_free(draft);
	fnr_debug(NULL, "event=template.validated request=%s bytes=%zu", req->id, text->len);
	return report;
}

/* ---- the same again ---- */

static struct question ask(struct request *req, struct json_object *list)
{
	struct question question = { .req = req, .list = list };
	uint64_t changes = store_meta_get(req->txn, STORE_META_TEMPLATE_CHANGES);
	struct fnr_sha256 *sha = fnr_sha256_create();
	struct template_stored stored;
	struct template_places places;

	templates_places(req, &stored, &places);
	question.steady = template_places_hash(&places, sha);
	fnr_sha256_add(sha, &changes, sizeof changes);
	fnr_sha256_end(sha, question.world);
	return question;
}

static void key_of(const struct question *question, const struct template_text *text, uint8_t key[FNR_SHA256_SIZE])
{
	struct fnr_sha256 *sha = fnr_sha256_create();

	fnr_sha256_add(sha, question->world, sizeof question->world);
	fnr_sha256_add(sha, text->yaml ? "report/yaml/" : "report/json/", 12);
	fnr_sha256_add(sha, text->name, strlen(text->name) + 1);
	fnr_sha256_add(sha, text->text, text->len);
	if (question->list && memmem(text->text, text->len, "extends", 7))       /* maybe another one of the list */
		fnr_sha256_add(sha, question->req->body_text, question->req->body_len);
	fnr_sha256_end(sha, key);
}

static struct json_object *report_of(const struct question *question, const struct template_text *text)
{
	struct fnr_buf known = FNR_BUF_INIT;
	uint8_t key[FNR_SHA256_SIZE];
	struct json_object *report;
	const char *json;
	size_t len;

	if (!question->steady)
		return make_report(question, text);
	key_of(question, text, key);
	report = request_recall(question->req, key, &known) ? fnr_json_parse_own(known.data, known.len, NULL) : NULL;
	fnr_buf_free(&known);
	if (report)
		return report;
	report = make_report(question, text);
	json = fnr_json_text(report, &len);
	if (!effort_spent())       /* what the others of the list took is no fault of this one */
		request_remember(question->req, key, json, len);
	return report;
}

/* ---- several ---- */

static bool same_version(struct json_object *a, struct json_object *b)
{
	return *fnr_json_get_text(a, "id", "") && strcmp(fnr_json_get_text(a, "id", ""), fnr_json_get_text(b, "id", "")) == 0 &&
	       strcmp(fnr_json_get_text(a, "version", ""), fnr_json_get_text(b, "version", "")) == 0;
}

static void check_twice(struct request *req, struct json_object *list, size_t at, struct json_object *report)
{
	struct json_object *entry;

	for (size_t i = 0; i < at; i++) {
		if (!same_version(json_object_array_get_idx(list, i), json_object_array_get_idx(list, at)))
			continue;
		entry = json_object_new_object();
		fnr_json_set_text(entry, "pointer", "/version");
		fnr_json_set_text(entry, "rule", "unique");
		fnr_json_set_text(entry, "message", fnr_arena_printf(req->arena, "templates/%zu has the same id and version", i));
		fnr_json_set_text(entry, "fix", "give one of them another version");
		json_object_array_add(fnr_json_get(report, "errors"), entry);
		fnr_json_set_bool(report, "valid", false);
		return;
	}
}

static void add_all(struct json_object *to, struct json_object *from, size_t index)
{
	for (size_t i = 0; i < json_object_array_length(from); i++) {
		struct json_object *entry = fnr_json_copy(json_object_array_get_idx(from, i));
		char *pointer = fnr_asprintf("/templates/%zu%s", index, fnr_json_get_text(entry, "pointer", ""));

		fnr_json_set_text(entry, "pointer", pointer);
		json_object_array_add(to, entry);
		free(pointer);
	}
}

static struct json_object *report_all(const struct question *question)
{
	struct json_object *list = question->list;
	struct request *req = question->req;
	struct json_object *all = json_object_new_object(), *reports = json_object_new_array(), *errors = json_object_new_array(),
	                   *warnings = json_object_new_array();
	bool valid = true;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		const char *text = fnr_json_text(json_object_array_get_idx(list, i), NULL);
		struct json_object *report = report_of(question, &(struct template_text){ fnr_arena_printf(req->arena, "templates/%zu", i), NULL, false, text, strlen(text) });

		check_twice(req, list, i, report);
		valid &= fnr_json_get_bool(report, "valid", false);
		add_all(errors, fnr_json_get(report, "errors"), i);
		add_all(warnings, fnr_json_get(report, "warnings"), i);
		json_object_array_add(reports, report);
	}
	fnr_json_set_bool(all, "valid", valid);
	fnr_json_set(all, "errors", errors);
	fnr_json_set(all, "warnings", warnings);
	fnr_json_set(all, "reports", reports);
	return all;
}

/* ---- the answer ---- */

static bool wants_page(struct request *req)
{
	const char *accept = request_header(req, "Accept");

	return accept && strstr(accept, "text/html");
}

static int reply_page(struct request *req, struct json_object *report)
{
	struct json_object *list = fnr_json_get(report, "reports"), **reports = &report;
	size_t count = list ? json_object_array_length(list) : 1;
	struct fnr_buf page = FNR_BUF_INIT;

	if (list) {
		reports = fnr_arena_alloc(req->arena, (count + 1) * sizeof(struct json_object *));
		for (size_t i = 0; i < count; i++)
			reports[i] = json_object_array_get_idx(list, i);
	}
	template_report_html(reports, count, &page);
	reply_header(req, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox");
	reply_text(req, 200, "text/html; charset=utf-8", page.data, page.len);
	fnr_buf_free(&page);
	json_object_put(report);
	return FNR_OK;
}

int templates_validate(struct request *req)
{
	struct json_object *list = fnr_json_get(req->body, "templates"), *report;
	struct question question;

	if (list && (!json_object_is_type(list, json_type_array) || json_object_array_length(list) > TEMPLATES_MOST)) {
		fnr_error_add(&req->err, "/templates", "type", "send one template, or {\"templates\": […]}", "'templates' must be a list of at most %d", TEMPLATES_MOST);
		return req->err.code;
	}
	question = ask(req, list);
	if (list)
		report = report_all(&question);
	else
		report = report_of(&question, &(struct template_text){ "the body", NULL, request_is_yaml(req), req->body_text, req->body_len });
	return wants_page(req) ? reply_page(req, report) : reply_json(req, 200, report);
}

/* ---- what is checked ---- */

int templates_template_schema(struct request *req)
{
	struct json_object *schema = template_schema(&req->err);

	if (!schema)
		return fnr_fail(&req->err, FNR_E_UNAVAILABLE, "the installation has no template.schema.json that can be read; install it again");
	return reply_json(req, 200, json_object_get(schema));
}

/* Those of the program, from a file of the installation, then those of the operator. */
int templates_rules(struct request *req)
{
	char path[4096];
	struct json_object *file, *items, *custom = template_custom_rules(REGISTRY_RULES);

	snprintf(path, sizeof path, "%s/template-rules.yaml", fnr_share_dir());
	file = template_parse_file(path, &req->err);
	if (!file) {
		json_object_put(custom);
		return fnr_fail(&req->err, FNR_E_UNAVAILABLE, "the installation has no template-rules.yaml that can be read; install it again");
	}
	items = json_object_get(fnr_json_get(file, "rules"));
	for (size_t i = 0; i < json_object_array_length(custom); i++) {
		struct json_object *rule = json_object_get(json_object_array_get_idx(custom, i));

		fnr_json_set_text(rule, "stage", "custom");
		json_object_array_add(items, rule);
	}
	json_object_put(custom);
	json_object_put(file);
	return common_reply_list(req, items, NULL);
}
