/* Loading of template files into the store: at the start, and whenever something changed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/yaml.h"
#include "registry/loading.h"

#define TEMPLATE_MOST (1u << 20)
#define LINES_MOST 20           /* of the log, about one file */
#define BATCH_BYTES (1u << 20)  /* of changes that become one operation */
#define BATCH_MOST 250

/* ---- posting ---- */

int loading_send(struct registry *registry, struct fnr_buf *operation)
{
	int code = registry->post(operation->data, operation->len, registry->context);

	fnr_buf_free(operation);
	return code;
}

void loading_flush(struct registry *registry)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	int code;

	if (!registry->batch_count)
		return;
	op_templates_begin(&operation, registry->batch_count);
	fnr_buf_add(&operation, registry->batch.data, registry->batch.len);
	fnr_buf_reset(&registry->batch);
	registry->batch_count = 0;
	code = loading_send(registry, &operation);
	if (code != FNR_OK)
		registry->failed = code;
}

void loading_add(struct registry *registry, const struct op_template *change)
{
	op_template_add(&registry->batch, change);
	if (++registry->batch_count >= BATCH_MOST || registry->batch.len > BATCH_BYTES)
		loading_flush(registry);
}

/* ---- lists of sources ---- */

void sources_add(struct sources *sources, const char *source)
{
	sources->items = fnr_realloc(sources->items, (sources->count + 1) * sizeof *sources->items);
	sources->items[sources->count++] = fnr_strdup(source);
}

bool sources_have(const struct sources *sources, const char *source)
{
	for (size_t i = 0; i < sources->count; i++)
		if (strcmp(sources->items[i], source) == 0)
			return true;
	return false;
}

void sources_free(struct sources *sources)
{
	for (size_t i = 0; i < sources->count; i++)
		free(sources->items[i]);
	free(sources->items);
	*sources = (struct sources){ 0 };
}

/* ---- who is good ---- */

static struct entry **good_chain(struct registry *registry, const char *id)
{
	uint32_t hash = 2166136261u;

	for (; *id; id++)
		hash = (hash ^ (unsigned char)*id) * 16777619u;
	return &registry->good[hash % LOADING_CHAINS];
}

static struct entry *good_one(struct registry *registry, const char *id, struct store_version version)
{
	struct entry *entry = *good_chain(registry, id);

	while (entry && (strcmp(entry->id, id) != 0 || memcmp(&entry->version, &version, sizeof version) != 0))
		entry = entry->next_id;
	return entry;
}

static void set_state(struct registry *registry, struct entry *entry, enum entry_state state)
{
	struct entry **at = good_chain(registry, entry->id);

	if (entry->state == ENTRY_GOOD && state != ENTRY_GOOD) {
		while (*at != entry)
			at = &(*at)->next_id;
		*at = entry->next_id;
	} else if (entry->state != ENTRY_GOOD && state == ENTRY_GOOD) {
		entry->next_id = *at;
		*at = entry;
	}
	entry->state = state;
}

/* ---- reports ---- */

static void log_problems(const char *kind, const char *path, struct json_object *errors, const char *message)
{
	size_t count = errors ? json_object_array_length(errors) : 0;

	if (!count)
		fnr_err(NULL, "event=%s.broken file=%s problem: %s", kind, path, message);
	for (size_t i = 0; i < count && i < LINES_MOST; i++) {
		struct json_object *entry = json_object_array_get_idx(errors, i);
		const char *fix = fnr_json_get_text(entry, "fix", NULL);

		fnr_err(NULL, "event=%s.broken file=%s line=%lld pointer=%s rule=%s problem: %s%s%s", kind, path, (long long)fnr_json_get_int(entry, "line", 0),
		        fnr_json_get_text(entry, "pointer", ""), fnr_json_get_text(entry, "rule", ""), fnr_json_get_text(entry, "message", ""),
		        fix ? "; fix: " : "", fix ? fix : "");
	}
	if (count > LINES_MOST)
		fnr_err(NULL, "event=%s.broken file=%s and %zu problems more", kind, path, count - LINES_MOST);
}

static bool broken_already(struct registry *registry, const char *source, const char *report)
{
	struct store_txn *txn = store_read(registry->store, NULL);
	struct fnr_buf stored = FNR_BUF_INIT;
	bool same = txn && store_broken_get(txn, source, &stored) == FNR_OK && strcmp(stored.data, report) == 0;

	store_read_end(txn);
	fnr_buf_free(&stored);
	return same;
}

/* report is put. */
void loading_add_broken(struct registry *registry, const char *source, const char *path, struct json_object *report)
{
	struct op_template change = { .what = OP_TEMPLATE_BROKEN, .source = source };
	struct stat info;

	registry->broken++;
	fnr_json_set_text(report, "source", source);
	fnr_json_set_time(report, "changed_at", path && stat(path, &info) == 0 ? (int64_t)info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000 : 0);
	change.report = fnr_json_text(report, NULL);
	if (!broken_already(registry, source, change.report)) {
		log_problems("template", path ? path : source, fnr_json_get(report, "errors"), fnr_json_get_text(report, "message", ""));
		loading_add(registry, &change);
	}
	json_object_put(report);
}

static void report_closed(struct registry *registry)
{
	for (size_t i = 0; i < registry->scan.closed_count; i++) {
		const struct scan_closed *closed = &registry->scan.closed[i];

		loading_add_broken(registry, closed->source, NULL, template_report_unreadable(closed->source, closed->why));
	}
}

/* ---- one template ---- */

static bool is_stored(struct registry *registry, const struct template_version *template_, const char *source, const char *text)
{
	struct fnr_buf stored = FNR_BUF_INIT;
	struct store_txn *txn = store_read(registry->store, NULL);
	uint8_t digest[32];
	bool yaml, same;

	same = txn && store_template_get(txn, template_->id, template_->version, digest, &stored) == FNR_OK && strcmp(stored.data, source) == 0 &&
	       memcmp(digest, template_->digest, 32) == 0 && store_template_text_get(txn, template_->id, template_->version, &yaml, &stored) == FNR_OK &&
	       strcmp(stored.data, text) == 0;
	store_read_end(txn);
	fnr_buf_free(&stored);
	return same;
}

static bool made_by_api(struct registry *registry, const struct template_version *template_)
{
	struct fnr_buf source = FNR_BUF_INIT;
	struct store_txn *txn = store_read(registry->store, NULL);
	uint8_t digest[32];
	bool is = txn && store_template_get(txn, template_->id, template_->version, digest, &source) == FNR_OK && strcmp(source.data, STORE_SOURCE_API) == 0;

	store_read_end(txn);
	fnr_buf_free(&source);
	return is;
}

static void check_unique(struct registry *registry, struct template_draft *draft)
{
	const struct template_version *version = template_draft_version(draft);
	const struct entry *other = version->definition ? good_one(registry, version->id, version->version) : NULL;
	char message[512];

	if (other)
		snprintf(message, sizeof message, "%.300s has the same id and version", other->source);
	else if (version->definition && made_by_api(registry, version))
		snprintf(message, sizeof message, "a template of the API has the same id and version: /api/v1/templates/%s/versions/%s", version->id,
		         fnr_json_get_text(version->definition, "version", ""));
	else
		return;
	template_draft_refuse(draft, "/version", "unique", "give one of them another version", message);
}

static void log_warnings(const char *source, struct json_object *warnings)
{
	for (size_t i = 0; warnings && i < json_object_array_length(warnings) && i < LINES_MOST; i++) {
		struct json_object *warning = json_object_array_get_idx(warnings, i);

		fnr_warn(NULL, "event=template.doubtful source=%s pointer=%s rule=%s problem: %s; fix: %s", source, fnr_json_get_text(warning, "pointer", ""),
		         fnr_json_get_text(warning, "rule", ""), fnr_json_get_text(warning, "message", ""), fnr_json_get_text(warning, "fix", ""));
	}
}

/* The files first: who finds the template in the store finds them too. They are looked at even if it is stored already,
 * so that a blobs/ folder that was lost comes back. */
static void put_template(struct registry *registry, struct template_draft *draft, const char *source)
{
	const struct template_version *version = template_draft_version(draft);
	const struct template_source *text = &draft->chain[0];
	struct fnr_error err = FNR_ERROR_INIT;

	if (template_draft_keep_files(draft, &err) != FNR_OK) {
		template_draft_refuse(draft, "/backend", "file", "put the file in place and keep it as it is", err.message);
	} else if (!is_stored(registry, version, source, text->text)) {
		loading_add(registry, &(struct op_template){
			.what = OP_TEMPLATE_PUT, .id = version->id, .version = version->version, .source = source, .digest = version->digest,
			.definition = version->definition, .text = text->text, .yaml = text->yaml });
		fnr_info(NULL, "event=template.loaded template=%s version=%s source=%s", version->id,
		         fnr_json_get_text(version->definition, "version", ""), source);
		log_warnings(source, template_draft_warnings(draft));
	}
	fnr_error_clear(&err);
}

/* JSON is also what workflows and data beside a template are written in. */
static bool is_data(const char *path, struct json_object *value)
{
	return scan_is_json(path) && value && !json_object_object_get_ex(value, "id", NULL) && !json_object_object_get_ex(value, "version", NULL);
}

void loading_note_identity(struct entry *entry, struct json_object *value)
{
	const char *id = fnr_json_get_text(value, "id", "");

	fnr_text_copy(entry->id, sizeof entry->id, fnr_name_valid(id) ? id : "");
	if (template_version_parse(fnr_json_get_text(value, "version", ""), &entry->version) != 3)
		entry->id[0] = 0;
}

/* What a broken draft names may come: it is read again whenever something changes. */
void loading_settle(struct registry *registry, struct entry *entry, struct template_draft *draft)
{
	scan_note_parents(entry, draft);
	if (template_draft_sound(draft)) {
		set_state(registry, entry, ENTRY_GOOD);
		scan_note_files(entry, fnr_json_get(template_draft_version(draft)->definition, "files"), &draft->folders);
		return;
	}
	set_state(registry, entry, ENTRY_BROKEN);
	loading_add_broken(registry, entry->source, entry->path, template_report(draft));
}

/* Of two files with the same id and version, that which is in force has it, whichever is read first. */
static void load_holder(struct registry *registry, const struct template_version *version)
{
	struct store_txn *txn = version->definition ? store_read(registry->store, NULL) : NULL;
	struct fnr_buf source = FNR_BUF_INIT;
	struct entry *holder = NULL;
	uint8_t digest[32];

	if (txn && store_template_get(txn, version->id, version->version, digest, &source) == FNR_OK)
		holder = scan_find(&registry->scan, source.data);
	store_read_end(txn);
	fnr_buf_free(&source);
	if (holder && holder->state == ENTRY_NEW && holder->changed && !holder->hidden)
		loading_now(registry, holder);
}

static void loading_text(struct registry *registry, struct entry *entry, const struct fnr_buf *text)
{
	char *folder = fnr_asprintf("%.*s", (int)(strrchr(entry->path, '/') - entry->path), entry->path);
	struct template_text given = { entry->source, folder, !scan_is_json(entry->path), text->data ? text->data : "", text->len };
	struct template_draft *draft = template_draft_read(&given, &registry->places);

	loading_note_identity(entry, draft->chain[0].value);
	if (is_data(entry->path, draft->chain[0].value)) {
		set_state(registry, entry, ENTRY_DATA);
	} else {
		load_holder(registry, template_draft_version(draft));
		check_unique(registry, draft);
		if (template_draft_sound(draft))
			put_template(registry, draft, entry->source);
		loading_settle(registry, entry, draft);
	}
	template_draft_free(draft);
	free(folder);
}

/* False, and the entry is broken, if the file cannot be read. */
bool loading_read_text(struct registry *registry, struct entry *entry, struct fnr_buf *text)
{
	struct fnr_error err = FNR_ERROR_INIT;

	if (fnr_file_read(entry->path, TEMPLATE_MOST, text, &err) == FNR_OK && (!text->len || !memchr(text->data, 0, text->len)))
		return true;
	if (err.code == FNR_OK)
		fnr_fail(&err, FNR_E_MALFORMED, "the file holds a 0 byte; save it as plain text in UTF-8");
	set_state(registry, entry, ENTRY_BROKEN);
	loading_add_broken(registry, entry->source, entry->path, template_report_unreadable(entry->source, err.message));
	fnr_error_clear(&err);
	return false;
}

void loading_now(struct registry *registry, struct entry *entry)
{
	struct fnr_buf text = FNR_BUF_INIT;

	entry->changed = false;
	set_state(registry, entry, ENTRY_DATA);          /* while it is read it has nothing */
	if (loading_read_text(registry, entry, &text))
		loading_text(registry, entry, &text);
	fnr_buf_free(&text);
}

/* ---- what is gone, what is mended ---- */

struct gone { struct registry *registry; struct op_template *list; size_t count; };

static bool gone_row(const char *id, struct store_version version, const uint8_t digest[32], const char *source, void *context)
{
	struct gone *gone = context;
	struct registry *registry = gone->registry;
	const struct entry *entry = scan_find(&registry->scan, source);

	(void)digest;
	if (strncmp(source, "shipped/", 8) != 0 && strncmp(source, "data/", 5) != 0)
		return true;
	if (good_one(registry, id, version) || loading_is_pending(registry, id, version) || scan_is_closed(&registry->scan, source) ||
	    (entry && (entry->state == ENTRY_BROKEN || entry->hidden || entry->changed)))
		return true;
	gone->list = fnr_realloc(gone->list, (gone->count + 1) * sizeof *gone->list);
	gone->list[gone->count++] = (struct op_template){ .what = OP_TEMPLATE_DELETE, .id = fnr_strdup(id), .version = version, .source = fnr_strdup(source) };
	return true;
}

static bool still_broken(struct registry *registry, const char *source)
{
	const struct entry *entry = scan_find(&registry->scan, source);

	if (entry ? entry->state == ENTRY_BROKEN || entry->hidden : scan_is_closed(&registry->scan, source))
		return true;
	for (size_t i = 0; i < registry->scan.closed_count; i++)
		if (strcmp(registry->scan.closed[i].source, source) == 0)
			return true;
	if (sources_have(&registry->api_broken, source) || sources_have(&registry->rules_broken, source))
		return true;
	for (size_t i = 0; i < 2; i++)
		if (registry->presets_broken[i] && strcmp(registry->presets_broken[i], source) == 0)
			return true;
	return false;
}

static bool mended_row(const char *source, const char *json, size_t len, void *context)
{
	struct gone *gone = context;

	(void)json, (void)len;
	if (still_broken(gone->registry, source))
		return true;
	gone->list = fnr_realloc(gone->list, (gone->count + 1) * sizeof *gone->list);
	gone->list[gone->count++] = (struct op_template){ .what = OP_TEMPLATE_MENDED, .source = fnr_strdup(source) };
	return true;
}

static void post_gone(struct registry *registry, struct gone *gone)
{
	for (size_t i = 0; i < gone->count; i++) {
		struct op_template *change = &gone->list[i];
		char version[40];

		template_version_format(change->version, version);
		if (change->what == OP_TEMPLATE_DELETE)
			fnr_info(NULL, "event=template.removed template=%s version=%s source=%s", change->id, version, change->source);
		else
			fnr_info(NULL, "event=template.mended source=%s", change->source);
		loading_add(registry, change);
		free((char *)(uintptr_t)change->id);
		free((char *)(uintptr_t)change->source);
	}
	free(gone->list);
	loading_flush(registry);
}

/* What waits for others is not gone yet. */
void loading_remove_gone(struct registry *registry)
{
	struct gone gone = { registry, NULL, 0 };
	struct store_txn *txn;

	loading_flush(registry);
	txn = store_read(registry->store, NULL);
	if (txn)
		store_templates(txn, NULL, gone_row, &gone);
	store_read_end(txn);
	post_gone(registry, &gone);
}

static void end_mended(struct registry *registry)
{
	struct gone gone = { registry, NULL, 0 };
	struct store_txn *txn;

	loading_flush(registry);
	txn = store_read(registry->store, NULL);
	if (txn)
		store_broken(txn, NULL, mended_row, &gone);
	store_read_end(txn);
	post_gone(registry, &gone);
}

/* ---- what has to be read ---- */

static int by_text(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;

	return strcmp(*left, *right);
}

/* Ids of which something came, changed or went. */
struct ids { char **items; size_t count; };

static void ids_add(struct ids *ids, const char *id)
{
	if (!*id)
		return;
	ids->items = fnr_realloc(ids->items, (ids->count + 1) * sizeof *ids->items);
	ids->items[ids->count++] = fnr_strdup(id);
}

static void ids_free(struct ids *ids)
{
	for (size_t i = 0; i < ids->count; i++)
		free(ids->items[i]);
	free(ids->items);
}

static bool extends_one_of(const struct entry *entry, const struct ids *ids)
{
	for (const char *parent = entry->parents; parent && *parent; parent += strlen(parent) + 1)
		if (ids->count && bsearch(&parent, ids->items, ids->count, sizeof *ids->items, by_text))
			return true;
	return false;
}

static void load_or_put_off(struct registry *registry, struct entry *entry)
{
	struct fnr_buf text = FNR_BUF_INIT;

	set_state(registry, entry, entry->state == ENTRY_NEW ? ENTRY_NEW : ENTRY_DATA);
	if (!loading_read_text(registry, entry, &text)) {
		entry->changed = false;
	} else if (!loading_put_off(registry, entry, &text)) {
		entry->changed = false;
		loading_text(registry, entry, &text);
	}
	fnr_buf_free(&text);
}

static void load_changed(struct registry *registry, bool all)
{
	struct scan *scan = &registry->scan;
	struct ids ids = { 0 };

	for (struct entry *entry = scan->gone; entry; entry = entry->next) {
		ids_add(&ids, entry->id);
		set_state(registry, entry, ENTRY_DATA);
		registry->changes++;
	}
	for (size_t i = 0; i < scan->count; i++) {
		struct entry *entry = scan->entries[i];

		entry->changed |= entry->state == ENTRY_BROKEN;
		if (!entry->changed)
			continue;
		ids_add(&ids, entry->id);
		load_or_put_off(registry, entry);
		ids_add(&ids, entry->id);
		registry->changes++;
	}
	if (ids.count)
		qsort(ids.items, ids.count, sizeof *ids.items, by_text);
	for (size_t i = 0; i < scan->count; i++) {
		struct entry *entry = scan->entries[i];

		if (entry->changed || !entry->parents || (!all && !extends_one_of(entry, &ids)))
			continue;
		entry->changed = true;
		load_or_put_off(registry, entry);
	}
	ids_free(&ids);
	loading_pending(registry);
}

/* ---- files that are parsed alone ---- */

struct json_object *template_parse_file(const char *path, struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *value = NULL;

	if (fnr_file_read(path, TEMPLATE_MOST, &text, err) == FNR_OK)
		value = template_parse(text.data ? text.data : "", text.len, !scan_is_json(path), path, err);
	fnr_buf_free(&text);
	return value;
}

/* ---- the registry ---- */

struct registry *registry_open(struct store *store, const char *const *folders, size_t folder_count, const char *presets, bool watch,
                               registry_post *post, void *context)
{
	struct registry *registry = fnr_alloc(sizeof *registry);

	registry->store = store;
	registry->post = post;
	registry->context = context;
	registry->presets = presets;
	registry->stored = (struct template_stored){ .store = store, .folders = folders, .folder_count = folder_count };
	registry->places = (struct template_places){ folders[0], SCAN_SCRIPTS, SCAN_RULES, template_parent_stored, &registry->stored };
	scan_open(&registry->scan, folders, folder_count, watch);
	template_files_sweep();
	return registry;
}

void registry_close(struct registry *registry)
{
	if (!registry)
		return;
	scan_close(&registry->scan);
	sources_free(&registry->api_broken);
	sources_free(&registry->rules_broken);
	free(registry->pending);
	fnr_buf_free(&registry->batch);
	free(registry);
}

int registry_watch_fd(const struct registry *registry)
{
	return registry->scan.watches;
}

bool registry_watches_all(const struct registry *registry)
{
	return !registry->scan.watches_lost;
}

bool registry_watch_clear(struct registry *registry)
{
	char events[4096] __attribute__((aligned(8)));
	bool any = false;

	while (registry->scan.watches >= 0 && read(registry->scan.watches, events, sizeof events) > 0)
		any = true;
	return any;
}

static int end_first_look(struct registry *registry)
{
	struct fnr_buf operation = FNR_BUF_INIT;

	op_meta_add(&operation, STORE_META_TEMPLATES, 1);
	return loading_send(registry, &operation);
}

static void read_all_again(struct registry *registry)
{
	for (size_t i = 0; i < registry->scan.count; i++)
		registry->scan.entries[i]->changed = true;
	registry->changes++;
}

int registry_look(struct registry *registry, bool all, struct fnr_error *err)
{
	int code;

	registry->broken = registry->failed = 0;
	registry->presets_broken[0] = registry->presets_broken[1] = NULL;
	registry->changes = 0;
	code = loading_presets(registry, registry->presets, err);
	if (code != FNR_OK)
		return code;
	scan_look(&registry->scan);
	report_closed(registry);
	if (loading_rules_changed(registry))
		read_all_again(registry);
	load_changed(registry, all);
	loading_remove_gone(registry);
	loading_api(registry, all);
	end_mended(registry);
	scan_forget_gone(&registry->scan);
	if (registry->failed == FNR_OK && registry->scan.number == 1)
		registry->failed = end_first_look(registry);
	if (registry->failed != FNR_OK)
		return fnr_fail(err, registry->failed, "the templates could not be stored");
	return registry->broken;
}

int registry_load(struct store *store, const char *const *folders, size_t folder_count, const char *presets,
                  registry_post *post, void *context, struct fnr_error *err)
{
	struct registry *registry = registry_open(store, folders, folder_count, presets, false, post, context);
	int code = registry_look(registry, true, err);

	registry_close(registry);
	return code;
}
