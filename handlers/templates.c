/* /templates: the functions there are. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "handlers/servers.h"
#include "handlers/templates.h"
#include "registry/preset.h"
#include "registry/registry.h"
#include "schema/inputs.h"

/* ---- how a template is shown ---- */

static struct json_object *deprecation_of(struct request *req, struct json_object *definition)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *deprecation = NULL;
	struct store_version version;

	template_version_parse(fnr_json_get_text(definition, "version", ""), &version);
	if (store_deprecation_get(req->txn, fnr_json_get_text(definition, "id", ""), version, &text) == FNR_OK)
		deprecation = common_parse(&text);
	fnr_buf_free(&text);
	return deprecation;
}

/* The definition becomes what is shown of it. */
static struct json_object *show(struct request *req, struct json_object *definition)
{
	struct servers_fit fit;

	servers_find(req, definition, NULL, &fit);
	json_object_object_del(definition, "input_schema");
	json_object_object_del(definition, "files");
	json_object_object_del(definition, "nodes");
	fnr_json_set(definition, "deprecated", deprecation_of(req, definition));
	fnr_json_set_bool(definition, "available", fit.local || fit.usable);
	return definition;
}

struct json_object *templates_shown(struct request *req, const struct template_ *template_)
{
	return show(req, fnr_json_copy(template_definition(template_)));
}

static void set_successor(struct request *req, const char *reference)
{
	const char *at = strchr(reference, '@');
	struct store_version version;

	if (at && template_version_parse(at + 1, &version) == 3)
		reference = fnr_arena_printf(req->arena, "%.*s/versions/%s", (int)(at - reference), reference, at + 1);
	reply_header(req, "Link", fnr_arena_printf(req->arena, "<" API "/templates/%s>; rel=\"successor-version\"", reference));
}

static void set_sunset(struct request *req, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char date[64];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	reply_header(req, "Sunset", date);
}

bool templates_set_deprecation(struct request *req, const struct template_ *template_)
{
	struct json_object *deprecation = deprecation_of(req, template_definition(template_));
	const char *successor = fnr_json_get_text(deprecation, "successor", NULL);
	int64_t ms;

	if (!deprecation)
		return false;
	if (fnr_time_parse(fnr_json_get_text(deprecation, "at", ""), &ms))
		reply_header(req, "Deprecation", fnr_arena_printf(req->arena, "@%lld", (long long)(ms / 1000)));
	if (fnr_time_parse(fnr_json_get_text(deprecation, "sunset", ""), &ms))
		set_sunset(req, ms);
	if (successor)
		set_successor(req, successor);
	json_object_put(deprecation);
	return true;
}

/* ---- entity tags ---- */

bool templates_lists_tag(const char *list, const char *tag, bool loosely)
{
	for (list += strspn(list, ", \t"); *list; list += strspn(list, ", \t")) {
		size_t len = strcspn(list, ", \t"), weak = loosely && strncmp(list, "W/", 2) == 0 ? 2 : 0;

		if ((len == 1 && *list == '*') || (len - weak == strlen(tag) && strncmp(list + weak, tag, len - weak) == 0))
			return true;
		list += len;
	}
	return false;
}

bool templates_not_modified(struct request *req, const char *etag)
{
	const char *none = request_header(req, "If-None-Match");

	reply_header(req, "ETag", etag);
	return none && templates_lists_tag(none, etag, true);
}

static const char *tag_of(struct request *req, struct json_object *value)
{
	char hex[FNR_SHA256_TEXT];
	uint8_t sha[32];
	size_t len;
	const char *text = fnr_json_text(value, &len);

	fnr_sha256_of(text, len, sha);
	return fnr_arena_printf(req->arena, "\"%.32s\"", fnr_hex(sha, 32, hex));
}

/* value is put. */
static int reply_tagged(struct request *req, struct json_object *value)
{
	if (!templates_not_modified(req, tag_of(req, value)))
		return reply_json(req, 200, value);
	json_object_put(value);
	return reply_empty(req, 304);
}

/* ---- for a canvas ---- */

static void copy_members(struct json_object *to, struct json_object *from, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fnr_json_get(from, names[i]))
			fnr_json_set(to, names[i], fnr_json_copy(fnr_json_get(from, names[i])));
}

static struct json_object *port(const char *name, struct json_object *from, bool input)
{
	static const char *const members[] = {
		"type", "label", "description", "group", "unit", "order", "default", "enum", "min", "max", "min_length", "max_length", "media", "media_type", "items",
	};
	struct json_object *made = json_object_new_object();

	fnr_json_set_text(made, "name", name);
	copy_members(made, from, members, sizeof members / sizeof members[0]);
	if (!fnr_json_get(made, "label"))
		fnr_json_set_text(made, "label", name);
	if (input) {
		fnr_json_set_bool(made, "required", fnr_json_get_bool(from, "required", false));
		fnr_json_set_text(made, "control", input_control(from));
	}
	return made;
}

static int by_order(const void *a, const void *b)
{
	struct json_object *const *left = a, *const *right = b;
	double one = fnr_json_get_real(*left, "order", 0), other = fnr_json_get_real(*right, "order", 0);

	return one < other ? -1 : one > other;
}

/* In order of their `order`, which is 0 if they have none; a sort that keeps what is equal as it was. */
static struct json_object *ports(struct json_object *from, bool input)
{
	struct json_object *list = json_object_new_array();

	json_object_object_foreach(from, name, value) {
		struct json_object *one = port(name, value, input);
		size_t at = json_object_array_length(list);

		json_object_array_add(list, json_object_get(one));
		for (; at > 0; at--) {
			struct json_object *before = json_object_array_get_idx(list, at - 1);

			if (by_order(&before, &one) <= 0)
				break;
			json_object_array_put_idx(list, at, json_object_get(before));
			json_object_array_put_idx(list, at - 1, json_object_get(one));
		}
		json_object_put(one);
	}
	return list;
}

/* The definition is put. */
static struct json_object *node(struct request *req, struct json_object *definition)
{
	static const char *const members[] = { "id", "version", "name", "description", "category", "icon", "tags", "capabilities", "queue" };
	struct json_object *made = json_object_new_object(), *both = json_object_new_object();

	copy_members(made, definition, members, sizeof members / sizeof members[0]);
	fnr_json_set(both, "inputs", ports(fnr_json_get(definition, "inputs"), true));
	fnr_json_set(both, "outputs", ports(fnr_json_get(definition, "outputs"), false));
	fnr_json_set(made, "ports", both);
	fnr_json_set(made, "deprecated", deprecation_of(req, definition));
	json_object_put(definition);
	return made;
}

/* ---- list: the newest version of each ---- */

#define EXAMINED_MOST 20000     /* templates that one request looks at; then its page is short */

#define WORDS_MOST 16           /* of a search; more are left out */

struct filter { char **words; const char *category, *backend, *capability; };

/* Templates are gone through by their cards; definitions are read of those that fit. newest: of the id at hand, one that is not
 * deprecated before others; its card lies in the store. */
struct listing {
	struct request *req;
	struct filter filter;
	bool as_node, more;
	size_t limit, examined;
	struct json_object *items;
	char id[68];
	struct { uint8_t digest[32]; struct store_card card; bool deprecated; } newest;
};

static bool list_has(const char *list, const char *word, bool part)
{
	for (; *list; list += strlen(list) + 1)
		if (part ? fnr_text_has(list, word) : strcmp(list, word) == 0)
			return true;
	return false;
}

static bool has_word(const char *id, const struct store_card *card, const char *word)
{
	return fnr_text_has(id, word) || fnr_text_has(card->name, word) || fnr_text_has(card->description, word) || list_has(card->tags, word, true) ||
	       list_has(card->capabilities, word, true);
}

/* The words of a search, ended by NULL. */
static char **split_words(struct request *req, const char *q)
{
	char *text = q ? fnr_arena_strdup(req->arena, q) : NULL, *rest, **words = fnr_arena_alloc(req->arena, (WORDS_MOST + 1) * sizeof *words);
	size_t count = 0;

	for (char *word = text ? strtok_r(text, " \t", &rest) : NULL; word && count < WORDS_MOST; word = strtok_r(NULL, " \t", &rest))
		words[count++] = word;
	words[count] = NULL;
	return words;
}

static bool fits(const struct filter *filter, const char *id, const struct store_card *card)
{
	for (char *const *word = filter->words; *word; word++)
		if (!has_word(id, card, *word))
			return false;
	if (filter->category && strcmp(card->category, filter->category) != 0)
		return false;
	if (filter->capability && !list_has(card->capabilities, filter->capability, false))
		return false;
	return !filter->backend || strcmp(card->backend, filter->backend) == 0;
}

/* All versions of the id at hand have been seen. */
static void list_one(struct listing *listing)
{
	struct json_object *definition;

	if (!listing->id[0])
		return;
	listing->examined++;
	if (fits(&listing->filter, listing->id, &listing->newest.card) &&
	    store_definition_get(listing->req->txn, listing->newest.digest, &definition, NULL) == FNR_OK)
		json_object_array_add(listing->items, (listing->as_node ? node : show)(listing->req, definition));
}

static bool card_row(const char *id, struct store_version version, const uint8_t digest[32], const struct store_card *card, void *context)
{
	struct listing *listing = context;
	bool deprecated = store_deprecation_get(listing->req->txn, id, version, NULL) == FNR_OK, other = strcmp(listing->id, id) != 0;

	if (other) {
		list_one(listing);
		listing->more = json_object_array_length(listing->items) == listing->limit || listing->examined == EXAMINED_MOST;
		if (listing->more)
			return false;
		fnr_text_copy(listing->id, sizeof listing->id, id);
	}
	if (other || !deprecated || listing->newest.deprecated) {
		memcpy(listing->newest.digest, digest, 32);
		listing->newest.card = *card;
		listing->newest.deprecated = deprecated;
	}
	return true;
}

static int check_word(struct request *req, const char *name, const char *const *words, size_t count, const char *what)
{
	const char *word = request_query(req, name);

	for (size_t i = 0; word && i < count; i++)
		if (strcmp(words[i], word) == 0)
			return FNR_OK;
	return word ? fnr_fail(&req->err, FNR_E_INVALID, "there is no %s '%.64s'; use %s", name, word, what) : FNR_OK;
}

static const char *const list_queries[] = { "q", "category", "backend", "capability", "view", "state", "limit", "cursor", NULL };

static int check_query(struct request *req, size_t *limit_r)
{
	static const char *const categories[] = { "image", "video", "audio", "text", "generic" }, *const views[] = { "node" },
	                  *const backends[] = { "script", "comfyui", "gradio", "noop" }, *const states[] = { "broken" };
	int code = request_query_only(req, list_queries);

	if (code == FNR_OK)
		code = request_limit(req, limit_r);
	if (code == FNR_OK)
		code = check_word(req, "category", categories, 5, "image, video, audio, text or generic");
	if (code == FNR_OK)
		code = check_word(req, "backend", backends, sizeof backends / sizeof backends[0], "script, comfyui, gradio or noop");
	if (code == FNR_OK)
		code = check_word(req, "view", views, 1, "node, or leave it out");
	return code == FNR_OK ? check_word(req, "state", states, 1, "broken, or leave it out") : code;
}

/* Over all that a list depends on, so that it need not be made for one who has it. Counts of a store that was brought back from a
 * backup may come again, but in another life of the journal. */
static const char *tag_of_list(struct request *req)
{
	const uint64_t counts[] = { store_meta_get(req->txn, STORE_META_TEMPLATE_CHANGES), store_meta_get(req->txn, STORE_META_JOURNAL) };
	struct fnr_sha256 *sha = fnr_sha256_create();
	char hex[FNR_SHA256_TEXT];
	uint8_t sum[32];

	fnr_sha256_add(sha, PACKAGE_VERSION, sizeof PACKAGE_VERSION);
	fnr_sha256_add(sha, counts, sizeof counts);
	servers_hash(req, sha);
	for (const char *const *name = list_queries; *name; name++) {
		const char *value = request_query(req, *name);

		fnr_sha256_add(sha, *name, strlen(*name) + 1);
		fnr_sha256_add(sha, value ? value : "", value ? strlen(value) + 1 : 0);
	}
	fnr_sha256_end(sha, sum);
	return fnr_arena_printf(req->arena, "\"%.32s\"", fnr_hex(sum, 32, hex));
}

int templates_list(struct request *req)
{
	struct listing listing = {
		.req = req, .as_node = request_query(req, "view") != NULL,
		.filter = { split_words(req, request_query(req, "q")), request_query(req, "category"), request_query(req, "backend"), request_query(req, "capability") },
	};
	int code = check_query(req, &listing.limit);

	if (code != FNR_OK)
		return code;
	if (templates_not_modified(req, tag_of_list(req)))
		return reply_empty(req, 304);
	if (request_query(req, "state"))
		return templates_broken(req, listing.limit);
	listing.items = json_object_new_array();
	store_cards(req->txn, request_query(req, "cursor"), card_row, &listing);
	if (!listing.more)
		list_one(&listing);
	return common_reply_list(req, listing.items, listing.more ? listing.id : NULL);
}

/* ---- what is broken ---- */

struct broken { struct request *req; struct json_object *items; size_t limit; const char *last; bool more; };

static bool in_force(struct request *req, struct json_object *report)
{
	struct store_version version;
	struct fnr_buf source = FNR_BUF_INIT;
	uint8_t digest[32];
	bool is = template_version_parse(fnr_json_get_text(report, "version", ""), &version) == 3 &&
	          store_template_get(req->txn, fnr_json_get_text(report, "id", ""), version, digest, &source) == FNR_OK;

	fnr_buf_free(&source);
	return is;
}

static bool broken_row(const char *source, const char *json, size_t len, void *context)
{
	struct broken *broken = context;
	struct json_object *item;

	if (json_object_array_length(broken->items) == broken->limit) {
		broken->more = true;
		return false;
	}
	item = fnr_json_parse_own(json, len, NULL);
	broken->last = fnr_arena_strdup(broken->req->arena, source);
	if (!json_object_is_type(item, json_type_object)) {
		json_object_put(item);
		return true;
	}
	fnr_json_set_text(item, "state", "broken");
	fnr_json_set_bool(item, "in_force", in_force(broken->req, item));
	json_object_array_add(broken->items, item);
	return true;
}

int templates_broken(struct request *req, size_t limit)
{
	struct broken broken = { .req = req, .items = json_object_new_array(), .limit = limit };

	store_broken(req->txn, request_query(req, "cursor"), broken_row, &broken);
	return common_reply_list(req, broken.items, broken.more ? broken.last : NULL);
}

/* ---- one ---- */

static int find(struct request *req, const struct template_ **template_r)
{
	return template_find(req->txn, req->args[0], template_r, &req->err);
}

int templates_show(struct request *req)
{
	const struct template_ *template_;
	int code = find(req, &template_);

	if (code != FNR_OK)
		return code;
	templates_set_deprecation(req, template_);
	return reply_tagged(req, templates_shown(req, template_));
}

struct versions { struct request *req; struct json_object *items; };

static bool version_row(const char *id, struct store_version version, const uint8_t digest[32], const char *source, void *context)
{
	const struct versions *versions = context;
	struct json_object *item = json_object_new_object(), *deprecation = NULL;
	struct fnr_buf json = FNR_BUF_INIT;
	char text[40], hex[FNR_SHA256_TEXT];

	template_version_format(version, text);
	if (store_deprecation_get(versions->req->txn, id, version, &json) == FNR_OK)
		deprecation = common_parse(&json);
	fnr_json_set_text(item, "id", id);
	fnr_json_set_text(item, "version", text);
	fnr_json_set_text(item, "digest", fnr_hex(digest, 32, hex));
	fnr_json_set_text(item, "source", source);
	fnr_json_set(item, "deprecated", deprecation);
	json_object_array_add(versions->items, item);
	fnr_buf_free(&json);
	return true;
}

int templates_versions(struct request *req)
{
	const struct template_ *template_;
	struct versions versions = { req, NULL };
	int code = find(req, &template_);

	if (code != FNR_OK)
		return code;
	versions.items = json_object_new_array();
	store_templates(req->txn, template_id(template_), version_row, &versions);
	return common_reply_list(req, versions.items, NULL);
}

int templates_schema(struct request *req)
{
	const struct template_ *template_;
	int code = find(req, &template_);

	if (code != FNR_OK)
		return code;
	templates_set_deprecation(req, template_);
	return reply_tagged(req, fnr_json_copy(template_input_schema(template_)));
}

int templates_resources(struct request *req)
{
	static const char *const names[] = { "quality", NULL };
	struct preset_viewer viewer = { req->access.key, req->access.scopes & FNR_SCOPE_ADMIN };
	const char *quality = request_query(req, "quality");
	const struct template_ *template_;
	const struct preset *preset;
	struct json_object *answer;
	int code = find(req, &template_);

	if (code == FNR_OK)
		code = request_query_only(req, names);
	if (code == FNR_OK && preset_find(req->txn, quality ? quality : "standard", &viewer, &preset, &req->err) != FNR_OK) {
		fnr_error_add(&req->err, "", "enum", "use draft, standard, high or ultra, or a preset of your own", "there is no quality '%.80s'", quality ? quality : "standard");
		code = fnr_fail(&req->err, FNR_E_INVALID, "there is no quality '%.80s'; use draft, standard, high or ultra, or a preset of your own", quality ? quality : "standard");
	}
	if (code != FNR_OK)
		return code;
	answer = json_object_new_object();
	fnr_json_set_text(answer, "template", template_id(template_));
	fnr_json_set_text(answer, "version", template_version(template_));
	fnr_json_set_text(answer, "quality", preset->id);
	fnr_json_set_text(answer, "tier", fnr_quality_name(preset->tier));
	fnr_json_set_text(answer, "queue", template_queue(template_));
	fnr_json_set(answer, "resources", preset_resources(template_definition(template_), preset));
	templates_set_deprecation(req, template_);
	return reply_json(req, 200, answer);
}

static bool may_use(const char *project, void *context)
{
	const struct request *req = context;

	return access_project_name(&req->access, project);
}

int templates_validate_inputs(struct request *req)
{
	struct json_object *inputs = fnr_json_get(req->body, "inputs"), *answer;
	const struct template_ *template_;
	struct fnr_error problems = FNR_ERROR_INIT;
	int code = find(req, &template_);

	if (code != FNR_OK)
		return code;
	if (inputs && !json_object_is_type(inputs, json_type_object)) {
		fnr_error_add(&req->err, "/inputs", "type", "give an object: {…}", "'inputs' must be an object");
		return req->err.code;
	}
	inputs = inputs_expand(req->txn, template_, inputs, "/inputs", may_use, req, &problems);
	if (inputs_check(template_, inputs, "/inputs", &problems) == FNR_OK)
		inputs_check_files(req->txn, template_, inputs, "/inputs", may_use, NULL, req, &problems);
	json_object_put(inputs);
	templates_set_deprecation(req, template_);
	answer = json_object_new_object();
	fnr_json_set_bool(answer, "valid", problems.code == FNR_OK);
	fnr_json_set(answer, "errors", problems.errors ? json_object_get(problems.errors) : json_object_new_array());
	fnr_error_clear(&problems);
	return reply_json(req, 200, answer);
}
