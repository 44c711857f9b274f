/* /templates/{id}/versions/{version}, and templates that come by the API. */
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/sock.h"
#include "base/text.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "handlers/templates.h"

#define TEXT_MOST (1u << 20)

/* ---- drafts ---- */

void templates_places(struct request *req, struct template_stored *stored, struct template_places *places)
{
	const char **folders = fnr_arena_alloc(req->arena, 2 * sizeof *folders);

	folders[0] = fnr_arena_printf(req->arena, "%s/templates", fnr_share_dir());
	folders[1] = "templates";
	*stored = (struct template_stored){ .store = req->store, .txn = req->txn, .folders = folders, .folder_count = 2 };
	*places = (struct template_places){ folders[0], "scripts", REGISTRY_RULES, template_parent_stored, stored };
}

struct template_draft *templates_draft(struct request *req)
{
	struct template_stored stored;
	struct template_places places;
	struct template_text text = { "the body", NULL, request_is_yaml(req), req->body_text, req->body_len };

	if (req->body_len > TEXT_MOST) {
		fnr_fail(&req->err, FNR_E_TOO_LARGE, "the template has %zu bytes; the most are %u", req->body_len, TEXT_MOST);
		return NULL;
	}
	templates_places(req, &stored, &places);
	return template_draft_read(&text, &places);
}

/* ---- the text of a version ---- */

struct given { struct store_version version; bool yaml; struct fnr_buf text; uint8_t sha[32]; };

/* Strong, so JSON and YAML of one version have one each (RFC 9110, 8.8.3). */
static const char *etag_of(struct request *req, const struct given *given, bool yaml)
{
	char hex[FNR_SHA256_TEXT];

	fnr_hex(given->sha, 32, hex);
	return fnr_arena_printf(req->arena, "\"%.32s%s\"", hex, yaml ? "-yaml" : "");
}

static int unknown_version(struct request *req)
{
	const struct template_ *template_;
	int code = template_find(req->txn, fnr_arena_printf(req->arena, "%s@%s", req->args[0], req->args[1]), &template_, &req->err);

	return code != FNR_OK ? code : fnr_fail(&req->err, FNR_E_NOT_FOUND, "'%.40s' is not a whole version; write it like 1.2.0", req->args[1]);
}

/* What the path names. FNR_E_NOT_FOUND; the text, which is to be freed, may be that of a store that had none yet. */
static int read_given(struct request *req, struct given *given)
{
	struct fnr_buf source = FNR_BUF_INIT;
	struct json_object *definition;
	uint8_t digest[32];
	int code;

	*given = (struct given){ .text = FNR_BUF_INIT };
	if (template_version_parse(req->args[1], &given->version) != 3)
		return unknown_version(req);
	code = store_template_get(req->txn, req->args[0], given->version, digest, &source);
	fnr_buf_free(&source);
	if (code != FNR_OK)
		return unknown_version(req);
	if (store_template_text_get(req->txn, req->args[0], given->version, &given->yaml, &given->text) != FNR_OK &&
	    store_definition_get(req->txn, digest, &definition, NULL) == FNR_OK) {
		fnr_buf_puts(&given->text, fnr_json_text(definition, NULL));
		json_object_put(definition);
	}
	fnr_sha256_of(given->text.data ? given->text.data : "", given->text.len, given->sha);
	return FNR_OK;
}

/* ---- conditions ---- */

/* Either form says which version was seen. */
static bool is_matched(struct request *req, const struct given *given, const char *match)
{
	return templates_lists_tag(match, etag_of(req, given, false), false) || templates_lists_tag(match, etag_of(req, given, true), false);
}

/* If-Match of what there is; `change` is to hold in the transaction as well. */
static int check_match(struct request *req, const struct given *given, struct op_template *change)
{
	const char *match = request_header(req, "If-Match");

	if (!match)
		return fnr_fail(&req->err, FNR_E_PRECONDITION_REQUIRED, "send the ETag of the version that you mean as If-Match; GET it to have it");
	if (!is_matched(req, given, match))
		return fnr_fail(&req->err, FNR_E_PRECONDITION, "%s %s is not what If-Match names any more; read it again", req->args[0], req->args[1]);
	change->expect = OP_EXPECT_TEXT;
	memcpy(change->expected, given->sha, 32);
	return FNR_OK;
}

/* ---- reading ---- */

static bool wants_yaml(struct request *req)
{
	const char *accept = request_header(req, "Accept");

	return accept && (strstr(accept, "application/yaml") || strstr(accept, "application/x-yaml") || strstr(accept, "text/yaml"));
}

static struct json_object *parse_given(const struct given *given)
{
	return given->yaml ? common_parse_yaml(&given->text) : common_parse(&given->text);
}

int templates_version(struct request *req)
{
	const struct template_ *template_;
	struct given given;
	int code = read_given(req, &given);

	if (code == FNR_OK)
		code = template_find(req->txn, fnr_arena_printf(req->arena, "%s@%s", req->args[0], req->args[1]), &template_, &req->err);
	if (code == FNR_OK) {
		reply_header(req, "Vary", "Accept");
		templates_set_deprecation(req, template_);
		if (templates_not_modified(req, etag_of(req, &given, wants_yaml(req))))
			code = reply_empty(req, 304);
		else if (wants_yaml(req))
			code = reply_text(req, 200, "application/yaml", given.text.data, given.text.len);
		else
			code = reply_json(req, 200, parse_given(&given));
	}
	fnr_buf_free(&given.text);
	return code;
}

/* ---- writing ---- */

static void check_path(struct request *req, struct template_draft *draft)
{
	const struct template_version *version = template_draft_version(draft);

	if (!req->args[0] || !version->definition)
		return;
	if (strcmp(version->id, req->args[0]) != 0)
		template_draft_refuse(draft, "/id", "path", "use the id of the path", "it is not the id that the path names");
	else if (strcmp(fnr_json_get_text(version->definition, "version", ""), req->args[1]) != 0)
		template_draft_refuse(draft, "/version", "path", "use the version of the path", "it is not the version that the path names");
}

static int post_change(struct request *req, const struct op_template *change)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;
	int code;

	op_templates_begin(&operation, 1);
	op_template_add(&operation, change);
	code = request_post(req, &operation, &reply);
	fnr_buf_free(&operation);
	if (code == FNR_OK)
		fnr_bell_ring(FNR_BELL_LOADER);
	return code;
}

static int refused(struct request *req, const struct template_draft *draft)
{
	const struct fnr_error *err = template_draft_error(draft);

	req->err.errors = err->errors ? json_object_get(err->errors) : NULL;
	return fnr_fail(&req->err, FNR_E_INVALID, "the template is not valid: %.400s", err->message);
}

/* Puts what the draft is, and shows it. */
static int put_draft(struct request *req, const struct template_draft *draft, struct op_template *change, int status)
{
	const struct template_version *version = template_draft_version(draft);
	const struct template_ *template_;
	struct given given = { .version = version->version };
	struct json_object *shown;
	int code = template_draft_keep_files(draft, &req->err);

	change->what = OP_TEMPLATE_PUT;
	change->id = version->id;
	change->version = version->version;
	change->source = STORE_SOURCE_API;
	change->digest = version->digest;
	change->definition = version->definition;
	change->text = req->body_text;
	change->yaml = request_is_yaml(req);
	if (code == FNR_OK)
		code = post_change(req, change);
	if (code == FNR_OK)
		code = template_find_digest(req->txn, version->digest, &template_, &req->err);
	if (code != FNR_OK)
		return code;
	fnr_sha256_of(req->body_text, req->body_len, given.sha);
	shown = templates_shown(req, template_);
	if (template_draft_warnings(draft))
		fnr_json_set(shown, "warnings", json_object_get(template_draft_warnings(draft)));
	reply_header(req, "ETag", etag_of(req, &given, change->yaml));
	reply_header(req, "Location", fnr_arena_printf(req->arena, API "/templates/%s/versions/%s", version->id, template_version(template_)));
	return reply_json(req, status, shown);
}

int templates_create(struct request *req)
{
	struct op_template change = { .expect = OP_EXPECT_NONE };
	struct template_draft *draft = templates_draft(req);
	int code;

	if (!draft)
		return req->err.code;
	code = template_draft_sound(draft) ? put_draft(req, draft, &change, 201) : refused(req, draft);
	template_draft_free(draft);
	return code;
}

/* A version that there is needs If-Match, a new one If-None-Match: *. */
static int check_conditions(struct request *req, struct op_template *change, int *status_r)
{
	const char *none = request_header(req, "If-None-Match");
	struct given given;
	int code;

	*status_r = 201;
	change->expect = OP_EXPECT_NONE;
	if (none && strcmp(none, "*") == 0)
		return FNR_OK;
	code = read_given(req, &given);
	if (code == FNR_OK) {
		*status_r = 200;
		code = check_match(req, &given, change);
	} else if (code == FNR_E_NOT_FOUND && !request_header(req, "If-Match")) {
		code = fnr_fail(&req->err, FNR_E_PRECONDITION_REQUIRED, "there is no such version; send If-None-Match: * to make it");
	} else if (code == FNR_E_NOT_FOUND) {
		code = fnr_fail(&req->err, FNR_E_PRECONDITION, "there is no such version any more; send If-None-Match: * to make it");
	}
	fnr_buf_free(&given.text);
	return code;
}

int templates_put(struct request *req)
{
	struct op_template change = { .expect = OP_EXPECT_ANY };
	struct template_draft *draft;
	int status, code = check_conditions(req, &change, &status);

	if (code != FNR_OK)
		return code;
	req->err.suggestion[0] = 0;
	draft = templates_draft(req);
	if (!draft)
		return req->err.code;
	check_path(req, draft);
	code = template_draft_sound(draft) ? put_draft(req, draft, &change, status) : refused(req, draft);
	if (code == FNR_E_EXISTS)
		code = fnr_fail(&req->err, FNR_E_PRECONDITION, "there is such a version already; read it, and send its ETag as If-Match");
	template_draft_free(draft);
	return code;
}

int templates_delete(struct request *req)
{
	struct op_template change = { .what = OP_TEMPLATE_DELETE, .id = req->args[0], .source = STORE_SOURCE_API };
	struct given given;
	int code = read_given(req, &given);

	if (code == FNR_OK)
		code = check_match(req, &given, &change);
	change.version = given.version;
	fnr_buf_free(&given.text);
	if (code == FNR_OK)
		code = post_change(req, &change);
	return code == FNR_OK ? reply_empty(req, 204) : code;
}

/* ---- deprecation ---- */

/* Since when: what is said anew of a deprecated version changes that not. */
static int64_t deprecated_at(struct request *req, struct store_version version)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *before = NULL;
	int64_t at = fnr_now_ms();

	if (store_deprecation_get(req->txn, req->args[0], version, &text) == FNR_OK)
		before = common_parse(&text);
	fnr_time_parse(fnr_json_get_text(before, "at", ""), &at);
	json_object_put(before);
	fnr_buf_free(&text);
	return at;
}

static void check_sunset(struct request *req, int64_t at)
{
	struct json_object *sunset = fnr_json_get(req->body, "sunset");
	int64_t ms;

	if (sunset && !fnr_time_parse(fnr_json_get_text(req->body, "sunset", ""), &ms))
		fnr_error_add(&req->err, "/sunset", "time", "write it like 2027-01-31T00:00:00Z", "'sunset' is not a time");
	else if (sunset && ms < at)      /* so RFC 9745 wants it */
		fnr_error_add(&req->err, "/sunset", "range", "give a time that is to come", "'sunset' is earlier than the deprecation itself");
}

static void check_successor(struct request *req)
{
	struct json_object *successor = fnr_json_get(req->body, "successor");
	const char *reference = fnr_json_get_text(req->body, "successor", NULL);
	struct fnr_error why = FNR_ERROR_INIT;
	const struct template_ *template_;

	if (successor && !reference)
		fnr_error_add(&req->err, "/successor", "type", "name a template, like create_title_card@2", "'successor' must be text");
	else if (reference && template_find(req->txn, reference, &template_, &why) != FNR_OK)
		fnr_error_add(&req->err, "/successor", "unknown_template", why.suggestion[0] ? why.suggestion : "name a template that there is", "%s", why.message);
	else if (reference && strcmp(template_id(template_), req->args[0]) == 0 && strcmp(template_version(template_), req->args[1]) == 0)
		fnr_error_add(&req->err, "/successor", "cycle", "name another template, or another version of this one", "it would be its own successor");
	fnr_error_clear(&why);
}

static int check_deprecation(struct request *req, int64_t at)
{
	static const char *const members[] = { "deprecated", "sunset", "successor", NULL };

	common_members_only(req, "a deprecation", members);
	check_sunset(req, at);
	check_successor(req);
	if (fnr_json_get(req->body, "deprecated") && !json_object_is_type(fnr_json_get(req->body, "deprecated"), json_type_boolean))
		fnr_error_add(&req->err, "/deprecated", "type", "use true, or false to end it", "'deprecated' must be true or false");
	return req->err.code;
}

/* The texts of the body, in the form that is kept. */
static struct json_object *make_deprecation(struct request *req, int64_t at)
{
	struct json_object *deprecation = json_object_new_object();
	int64_t sunset = 0;

	fnr_json_set_time(deprecation, "at", at);
	fnr_time_parse(fnr_json_get_text(req->body, "sunset", ""), &sunset);
	fnr_json_set_time(deprecation, "sunset", sunset);
	fnr_json_set_text(deprecation, "successor", fnr_json_get_text(req->body, "successor", NULL));
	return deprecation;
}

int templates_deprecate(struct request *req)
{
	struct op_template change = { .what = OP_TEMPLATE_DEPRECATE, .id = req->args[0] };
	struct json_object *deprecation;
	const struct template_ *template_;
	struct given given;
	int64_t at = 0;
	int code = read_given(req, &given);

	fnr_buf_free(&given.text);
	if (code == FNR_OK) {
		at = deprecated_at(req, given.version);
		code = check_deprecation(req, at);
	}
	if (code != FNR_OK)
		return code;
	deprecation = make_deprecation(req, at);
	change.version = given.version;
	change.report = fnr_json_get_bool(req->body, "deprecated", true) ? fnr_json_text(deprecation, NULL) : NULL;
	code = post_change(req, &change);
	json_object_put(deprecation);
	if (code == FNR_OK)
		code = template_find(req->txn, fnr_arena_printf(req->arena, "%s@%s", req->args[0], req->args[1]), &template_, &req->err);
	if (code != FNR_OK)
		return code;
	templates_set_deprecation(req, template_);
	return reply_json(req, 200, templates_shown(req, template_));
}
