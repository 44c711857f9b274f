/* A template's text on its way to a version: parsed, laid over what it extends, read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/yaml.h"
#include "registry/scan.h"
#include "schema/effort.h"

#define PROBLEMS_MOST 100

/* ---- texts ---- */

struct json_object *template_parse(const char *text, size_t len, bool yaml, const char *name, struct fnr_error *err)
{
	struct fnr_error own = FNR_ERROR_INIT, *why = err ? err : &own;
	size_t mark = fnr_yaml_mark(text, len);
	struct json_object *value;

	value = yaml ? fnr_yaml_parse(text, len, name, why) : fnr_json_parse(text + mark, len - mark, why);
	if (!value && why->code == FNR_OK)
		fnr_fail(why, FNR_E_MALFORMED, "it holds nothing");
	fnr_error_clear(&own);
	return value;
}

/* A text that cannot be parsed has one problem, whose place is in its message. */
static void not_parsed(struct template_draft *draft, struct fnr_error *why)
{
	struct fnr_error own = FNR_ERROR_INIT;

	fnr_error_add(&own, "", "syntax", why->suggestion[0] ? why->suggestion : "begin it with id: and version:", "%s", why->message);
	fnr_error_move(&draft->err, &own);
	fnr_error_clear(why);
}

static void parse(struct template_draft *draft, struct template_source *source)
{
	struct fnr_error why = FNR_ERROR_INIT;

	source->value = template_parse(source->text, source->len, source->yaml, source->name, &why);
	if (why.code != FNR_OK)
		not_parsed(draft, &why);
}

static struct template_source *add_source(struct template_draft *draft, char *name, char *folder, bool yaml, char *text, size_t len)
{
	struct template_source *source = &draft->chain[draft->count++];

	*source = (struct template_source){ name, folder, yaml, text, len, NULL };
	parse(draft, source);
	return source;
}

/* ---- what it extends ---- */

static bool in_chain(const struct template_draft *draft, const struct template_source *source)
{
	const char *id = fnr_json_get_text(source->value, "id", ""), *version = fnr_json_get_text(source->value, "version", "");

	for (size_t i = 0; &draft->chain[i] < source; i++)
		if (strcmp(fnr_json_get_text(draft->chain[i].value, "id", ""), id) == 0 &&
		    strcmp(fnr_json_get_text(draft->chain[i].value, "version", ""), version) == 0)
			return true;
	return false;
}

static void name_cycle(struct template_draft *draft)
{
	struct fnr_buf way = FNR_BUF_INIT;

	for (size_t i = 0; i < draft->count; i++)
		fnr_buf_printf(&way, "%s%s@%s", i ? " extends " : "", fnr_json_get_text(draft->chain[i].value, "id", "?"),
		               fnr_json_get_text(draft->chain[i].value, "version", "?"));
	fnr_error_add(&draft->err, "/extends", "cycle", "extend a template that does not extend this one", "it extends itself: %.300s", way.data);
	fnr_buf_free(&way);
}

/* Fetches what the last one extends. False: there is nothing more, or it went wrong. */
static bool fetch_parent(struct template_draft *draft, const struct template_places *places)
{
	struct json_object *extends = fnr_json_get(draft->chain[draft->count - 1].value, "extends");
	struct fnr_error why = FNR_ERROR_INIT;
	struct template_text text = { .name = NULL };
	const char *reference;

	if (!extends)
		return false;
	reference = json_object_is_type(extends, json_type_string) ? json_object_get_string(extends) : NULL;
	if (!reference) {
		fnr_error_add(&draft->err, "/extends", "type", "write it like create_title_card@1", "'extends' must name a template");
	} else if (draft->count > REGISTRY_EXTENDS_MOST) {
		fnr_error_add(&draft->err, "/extends", "max_items", "extend a template that extends fewer others", "more than %d templates extend each other",
		              REGISTRY_EXTENDS_MOST);
	} else if (!places->parent || places->parent(reference, &text, places->context, &why) != FNR_OK) {
		fnr_error_add(&draft->err, "/extends", "unknown_template", why.suggestion[0] ? why.suggestion : "name a template that there is", "%s",
		              why.message[0] ? why.message : "other templates are not known here");
	} else {
		struct template_source *source = add_source(draft, (char *)(uintptr_t)text.name, (char *)(uintptr_t)text.folder, text.yaml,
		                                            (char *)(uintptr_t)text.text, text.len);

		if (!in_chain(draft, source)) {
			fnr_error_clear(&why);
			return draft->err.code == FNR_OK;
		}
		name_cycle(draft);
	}
	fnr_error_clear(&why);
	return false;
}

/* RFC 7396. */
static void lay_over(struct json_object *target, struct json_object *patch)
{
	json_object_object_foreach(patch, name, value) {
		struct json_object *old = fnr_json_get(target, name);

		if (!value) {
			json_object_object_del(target, name);
		} else if (json_object_is_type(value, json_type_object) && json_object_is_type(old, json_type_object)) {
			lay_over(old, value);
		} else if (json_object_is_type(value, json_type_object)) {
			struct json_object *fresh = json_object_new_object();

			lay_over(fresh, value);
			fnr_json_set(target, name, fresh);
		} else {
			fnr_json_set(target, name, fnr_json_copy(value));
		}
	}
}

static struct json_object *merged(const struct template_draft *draft)
{
	struct json_object *whole;

	if (draft->count == 1)
		return json_object_get(draft->chain[0].value);
	whole = json_object_new_object();
	for (size_t i = draft->count; i-- > 0;) {
		if (json_object_is_type(draft->chain[i].value, json_type_object))
			lay_over(whole, draft->chain[i].value);
		if (i > 0) {
			json_object_object_del(whole, "id");
			json_object_object_del(whole, "version");
			json_object_object_del(whole, "extends");
		}
	}
	return whole;
}

/* ---- where its files are ---- */

static bool below(const char *folder, const char *root)
{
	size_t len = root ? strlen(root) : 0;

	return root && folder && strncmp(folder, root, len) == 0 && (!folder[len] || folder[len] == '/');
}

/* The folders of those that wrote the backend, the last word first. One that was made by the API reaches no files of others but
 * shipped ones, and all of these. */
static void find_places(struct template_draft *draft, const struct template_places *places)
{
	bool by_api = false;
	size_t count = 0;

	for (size_t i = 0; i < draft->count && count + 2 < REGISTRY_PLACES; i++) {
		const struct template_source *source = &draft->chain[i];

		if (!fnr_json_get(source->value, "backend"))
			continue;
		if (source->folder && (!by_api || below(source->folder, places->shipped)))
			draft->folders.folders[count++] = source->folder;
		by_api |= !source->folder;
	}
	draft->folders.by_api = by_api;
	draft->folders.folders[count++] = places->scripts;
	if (by_api)
		draft->folders.folders[count] = places->shipped;
}

bool template_places_hash(const struct template_places *places, struct fnr_sha256 *sha)
{
	const uint64_t stamps[] = { places->scripts ? scan_scripts_stamp(places->scripts) : 1, places->rules ? custom_rules_stamp(places->rules) : 1 };

	fnr_sha256_add(sha, stamps, sizeof stamps);
	return stamps[0] != 0;
}

/* ---- the draft ---- */

static void drop_definition(struct template_draft *draft)
{
	json_object_put(draft->version.definition);
	draft->version.definition = NULL;
}

/* Nobody reads a thousand problems, and a client cannot make a large answer of a small mistake that is repeated. */
static void keep_first(struct fnr_error *err)
{
	size_t count = err->errors ? json_object_array_length(err->errors) : 0;

	if (count <= PROBLEMS_MOST)
		return;
	json_object_array_del_idx(err->errors, PROBLEMS_MOST, count - PROBLEMS_MOST);
	fnr_error_add(err, "", "more", "mend these first", "there are %zu problems more", count - PROBLEMS_MOST);
}

static void apply_rules(struct template_draft *draft, struct json_object *whole, const char *rules)
{
	custom_rules_apply(rules, whole, &draft->err, &draft->warnings);
	if (draft->err.code != FNR_OK)
		drop_definition(draft);
}

/* What a class that a Python file does not have costs is a job that fails. The file is not run here, so it is not refused. */
static void look_for_class(struct template_draft *draft)
{
	struct json_object *backend = fnr_json_get(draft->version.definition, "backend");
	const char *python = fnr_json_get_text(backend, "python", NULL), *class_ = fnr_json_get_text(backend, "class", "");
	char nearest[PYTHON_WORD], fix[PYTHON_WORD + 64] = "define it there, or import it";
	struct fnr_buf text = FNR_BUF_INIT;

	if (python && template_file_text(python, &draft->folders, &text) && !python_may_have(text.data ? text.data : "", text.len, class_, nearest)) {
		if (*nearest)
			snprintf(fix, sizeof fix, "write class: %s, if that is what is meant", nearest);
		fnr_error_add(&draft->warnings, "/backend/class", "class", fix, "'%s' has no class '%.64s', as far as can be seen without running it", python, class_);
	}
	fnr_buf_free(&text);
}

struct template_draft *template_draft_read(const struct template_text *text, const struct template_places *places)
{
	struct template_draft *draft = fnr_alloc(sizeof *draft);
	struct json_object *whole;
	struct effort effort;

	add_source(draft, fnr_strdup(text->name), text->folder ? fnr_strdup(text->folder) : NULL, text->yaml, fnr_memdup0(text->text, text->len), text->len);
	while (draft->err.code == FNR_OK && fetch_parent(draft, places))
		;
	if (draft->err.code != FNR_OK)
		return draft;
	find_places(draft, places);
	whole = merged(draft);
	effort_begin(&effort);
	template_read_in(whole, &draft->folders, &draft->version, &draft->err);
	if (draft->err.code == FNR_OK && places->rules)
		apply_rules(draft, whole, places->rules);
	look_for_class(draft);
	effort_end(&effort);
	keep_first(&draft->err);
	keep_first(&draft->warnings);
	json_object_put(whole);
	return draft;
}

void template_draft_free(struct template_draft *draft)
{
	if (!draft)
		return;
	for (size_t i = 0; i < draft->count; i++) {
		free(draft->chain[i].name);
		free(draft->chain[i].folder);
		free(draft->chain[i].text);
		json_object_put(draft->chain[i].value);
	}
	json_object_put(draft->version.definition);
	fnr_error_clear(&draft->err);
	fnr_error_clear(&draft->warnings);
	free(draft);
}

bool template_draft_sound(const struct template_draft *draft)
{
	return draft->err.code == FNR_OK;
}

const struct template_version *template_draft_version(const struct template_draft *draft)
{
	return &draft->version;
}

const struct fnr_error *template_draft_error(const struct template_draft *draft)
{
	return &draft->err;
}

struct json_object *template_draft_warnings(const struct template_draft *draft)
{
	return draft->warnings.errors;
}

size_t template_draft_parents(const struct template_draft *draft, const char *ids_r[REGISTRY_EXTENDS_MOST])
{
	for (size_t i = 1; i < draft->count; i++)
		ids_r[i - 1] = fnr_json_get_text(draft->chain[i].value, "id", "");
	return draft->count - 1;
}

void template_draft_refuse(struct template_draft *draft, const char *pointer, const char *rule, const char *fix, const char *message)
{
	fnr_error_add(&draft->err, pointer, rule, fix, "%s", message);
	drop_definition(draft);
}

int template_draft_keep_files(const struct template_draft *draft, struct fnr_error *err)
{
	return template_store_files_of(&draft->version, &draft->folders, err);
}

/* ---- parents from the store ---- */

char *template_source_folder(const char *source, const char *const *folders, size_t folder_count)
{
	static const char *const roots[] = { "shipped/", "data/" };
	const char *slash = strrchr(source, '/');

	for (size_t i = 0; i < 2 && i < folder_count; i++) {
		size_t len = strlen(roots[i]);

		if (strncmp(source, roots[i], len) == 0)
			return slash > source + len ? fnr_asprintf("%s/%.*s", folders[i], (int)(slash - source - (ptrdiff_t)len), source + len)
			                            : fnr_strdup(folders[i]);
	}
	return NULL;
}

static int read_stored(struct store_txn *txn, const char *reference, const struct template_stored *stored, struct template_text *text_r, struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT, source = FNR_BUF_INIT;
	const struct template_ *template_;
	struct store_version version;
	uint8_t digest[32];
	int code = template_find(txn, reference, &template_, err);

	if (code == FNR_OK) {
		template_version_parse(template_version(template_), &version);
		store_template_get(txn, template_id(template_), version, digest, &source);
		if (store_template_text_get(txn, template_id(template_), version, &text_r->yaml, &text) != FNR_OK)
			code = fnr_fail(err, FNR_E_NOT_FOUND, "the text of %s %s is not stored", template_id(template_), template_version(template_));
	}
	if (code == FNR_OK) {
		text_r->name = strcmp(source.data, STORE_SOURCE_API) == 0 ? fnr_asprintf("%s@%s", template_id(template_), template_version(template_))
		                                                         : fnr_strdup(source.data);
		text_r->folder = template_source_folder(source.data, stored->folders, stored->folder_count);
		text_r->len = text.len;
		text_r->text = fnr_buf_take(&text);
	}
	fnr_buf_free(&text);
	fnr_buf_free(&source);
	return code;
}

int template_parent_stored(const char *reference, struct template_text *text_r, void *context, struct fnr_error *err)
{
	const struct template_stored *stored = context;
	struct store_txn *txn = stored->txn ? stored->txn : store_read(stored->store, err);
	int code = txn ? read_stored(txn, reference, stored, text_r, err) : FNR_E_IO;

	if (!stored->txn)
		store_read_end(txn);
	return code;
}
