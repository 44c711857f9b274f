/* Loading of template files and presets into the store: at the start, and whenever something changed. */
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
#include "registry/preset.h"
#include "registry/scan.h"
#include "store/ops.h"

#define TEMPLATE_MOST (1u << 20)
#define LINES_MOST 20           /* of the log, about one file */
#define CHAINS 4096
#define BATCH_BYTES (1u << 20)  /* of changes that become one operation */
#define BATCH_MOST 500
#define API_SOURCE "api:"       /* what stands before "id@version" where a template of the API is broken */

/* A file that extends others: it has to wait for these. */
struct pending { struct entry *entry; char parent[112]; };   /* parent: as it is written, "id" or "id@1" */

struct sources { char **items; size_t count; };

struct registry {
	struct store *store;
	registry_post *post;
	void *context;
	const char *presets;
	struct scan scan;
	struct template_stored stored;
	struct template_places places;
	struct entry *good[CHAINS];      /* by id and version */
	struct fnr_buf batch;            /* changes to be posted */
	size_t batch_count;
	int failed;                      /* code of what could not be posted */
	struct pending *pending;
	size_t pending_count, changes;   /* changes: entries read, or gone, at this look */
	uint64_t scripts_stamp;          /* at the last look */
	struct sources api_broken;       /* "api:id@version" */
	struct sources rules_broken;     /* files of rules */
	uint64_t rules_stamp;            /* of the rules that templates were read with; 0 before the first look */
	const char *presets_broken[2];   /* files of presets, at this look */
	int broken;
};

/* ---- posting ---- */

static int send(struct registry *registry, struct fnr_buf *operation)
{
	int code = registry->post(operation->data, operation->len, registry->context);

	fnr_buf_free(operation);
	return code;
}

static void flush(struct registry *registry)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	int code;

	if (!registry->batch_count)
		return;
	op_templates_begin(&operation, registry->batch_count);
	fnr_buf_add(&operation, registry->batch.data, registry->batch.len);
	fnr_buf_reset(&registry->batch);
	registry->batch_count = 0;
	code = send(registry, &operation);
	if (code != FNR_OK)
		registry->failed = code;
}

static void add_change(struct registry *registry, const struct op_template *change)
{
	op_template_add(&registry->batch, change);
	if (++registry->batch_count >= BATCH_MOST || registry->batch.len > BATCH_BYTES)
		flush(registry);
}

/* ---- lists of sources ---- */

static void sources_add(struct sources *sources, const char *source)
{
	sources->items = fnr_realloc(sources->items, (sources->count + 1) * sizeof *sources->items);
	sources->items[sources->count++] = fnr_strdup(source);
}

static bool sources_have(const struct sources *sources, const char *source)
{
	for (size_t i = 0; i < sources->count; i++)
		if (strcmp(sources->items[i], source) == 0)
			return true;
	return false;
}

static void sources_free(struct sources *sources)
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
	return &registry->good[hash % CHAINS];
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
static void add_broken(struct registry *registry, const char *source, const char *path, struct json_object *report)
{
	struct op_template change = { .what = OP_TEMPLATE_BROKEN, .source = source };
	struct stat info;

	registry->broken++;
	fnr_json_set_text(report, "source", source);
	fnr_json_set_time(report, "changed_at", path && stat(path, &info) == 0 ? (int64_t)info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000 : 0);
	change.report = fnr_json_text(report, NULL);
	if (!broken_already(registry, source, change.report)) {
		log_problems("template", path ? path : source, fnr_json_get(report, "errors"), fnr_json_get_text(report, "message", ""));
		add_change(registry, &change);
	}
	json_object_put(report);
}

static struct json_object *plain_report(const char *source, const char *message)
{
	struct json_object *report = json_object_new_object();

	fnr_json_set_bool(report, "valid", false);
	fnr_json_set_text(report, "file", source);
	fnr_json_set_text(report, "id", NULL);
	fnr_json_set_text(report, "version", NULL);
	fnr_json_set_text(report, "message", message);
	fnr_json_set(report, "errors", json_object_new_array());
	fnr_json_set(report, "warnings", json_object_new_array());
	return report;
}

static void presets_broken(struct registry *registry, const char *path, const struct fnr_error *err)
{
	struct json_object *report = plain_report(path, err->message);

	registry->presets_broken[registry->presets_broken[0] != NULL] = path;
	if (err->errors)
		fnr_json_set(report, "errors", json_object_get(err->errors));
	add_broken(registry, path, path, report);
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
		add_change(registry, &(struct op_template){
			.what = OP_TEMPLATE_PUT, .id = version->id, .version = version->version, .source = source, .digest = version->digest,
			.definition = fnr_json_text(version->definition, NULL), .text = text->text, .yaml = text->yaml });
		fnr_info(NULL, "event=template.loaded template=%s version=%s source=%s", version->id,
		         fnr_json_get_text(version->definition, "version", ""), source);
	}
	fnr_error_clear(&err);
}

/* JSON is also what workflows and data beside a template are written in. */
static bool is_data(const char *path, struct json_object *value)
{
	return scan_is_json(path) && value && !json_object_object_get_ex(value, "id", NULL) && !json_object_object_get_ex(value, "version", NULL);
}

static void note_identity(struct entry *entry, struct json_object *value)
{
	const char *id = fnr_json_get_text(value, "id", "");

	fnr_text_copy(entry->id, sizeof entry->id, fnr_name_valid(id) ? id : "");
	if (template_version_parse(fnr_json_get_text(value, "version", ""), &entry->version) != 3)
		entry->id[0] = 0;
}

/* What a broken draft names may come: it is read again whenever something changes. */
static void settle(struct registry *registry, struct entry *entry, struct template_draft *draft)
{
	scan_note_parents(entry, draft);
	if (template_draft_sound(draft)) {
		set_state(registry, entry, ENTRY_GOOD);
		scan_note_files(entry, fnr_json_get(template_draft_version(draft)->definition, "files"), &draft->folders);
		return;
	}
	set_state(registry, entry, ENTRY_BROKEN);
	add_broken(registry, entry->source, entry->path, template_report(draft));
}

static void load_now(struct registry *registry, struct entry *entry);

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
		load_now(registry, holder);
}

static void load_text(struct registry *registry, struct entry *entry, const struct fnr_buf *text)
{
	char *folder = fnr_asprintf("%.*s", (int)(strrchr(entry->path, '/') - entry->path), entry->path);
	struct template_text given = { entry->source, folder, !scan_is_json(entry->path), text->data ? text->data : "", text->len };
	struct template_draft *draft = template_draft_read(&given, &registry->places);

	note_identity(entry, draft->chain[0].value);
	if (is_data(entry->path, draft->chain[0].value)) {
		set_state(registry, entry, ENTRY_DATA);
	} else {
		load_holder(registry, template_draft_version(draft));
		check_unique(registry, draft);
		if (template_draft_sound(draft))
			put_template(registry, draft, entry->source);
		settle(registry, entry, draft);
	}
	template_draft_free(draft);
	free(folder);
}

/* False, and the entry is broken, if the file cannot be read. */
static bool read_text(struct registry *registry, struct entry *entry, struct fnr_buf *text)
{
	struct fnr_error err = FNR_ERROR_INIT;

	if (fnr_file_read(entry->path, TEMPLATE_MOST, text, &err) == FNR_OK && (!text->len || !memchr(text->data, 0, text->len)))
		return true;
	if (err.code == FNR_OK)
		fnr_fail(&err, FNR_E_MALFORMED, "the file holds a 0 byte; save it as plain text in UTF-8");
	set_state(registry, entry, ENTRY_BROKEN);
	add_broken(registry, entry->source, entry->path, plain_report(entry->source, err.message));
	fnr_error_clear(&err);
	return false;
}

/* ---- what is gone, what is mended ---- */

struct gone { struct registry *registry; struct op_template *list; size_t count; };

static bool is_pending(struct registry *registry, const char *id, struct store_version version)
{
	for (size_t i = 0; i < registry->pending_count; i++)
		if (strcmp(registry->pending[i].entry->id, id) == 0 && template_version_compare(registry->pending[i].entry->version, version) == 0)
			return true;
	return false;
}

static bool gone_row(const char *id, struct store_version version, const uint8_t digest[32], const char *source, void *context)
{
	struct gone *gone = context;
	struct registry *registry = gone->registry;
	const struct entry *entry = scan_find(&registry->scan, source);

	(void)digest;
	if (strncmp(source, "shipped/", 8) != 0 && strncmp(source, "data/", 5) != 0)
		return true;
	if (good_one(registry, id, version) || is_pending(registry, id, version) || scan_is_closed(&registry->scan, source) ||
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
		add_change(registry, change);
		free((char *)(uintptr_t)change->id);
		free((char *)(uintptr_t)change->source);
	}
	free(gone->list);
	flush(registry);
}

/* What waits for others is not gone yet. */
static void remove_gone(struct registry *registry)
{
	struct gone gone = { registry, NULL, 0 };
	struct store_txn *txn;

	flush(registry);
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

	flush(registry);
	txn = store_read(registry->store, NULL);
	if (txn)
		store_broken(txn, NULL, mended_row, &gone);
	store_read_end(txn);
	post_gone(registry, &gone);
}

/* ---- those that extend others ---- */

/* Remembers the entry if it extends another; true then. */
static bool put_off(struct registry *registry, struct entry *entry, const struct fnr_buf *text)
{
	struct json_object *value = NULL;
	const char *extends;

	if (!text->len || !memmem(text->data, text->len, "extends", 7))
		return false;
	value = scan_is_json(entry->path) ? fnr_json_parse(text->data, text->len, NULL) : fnr_yaml_parse(text->data, text->len, entry->source, NULL);
	extends = fnr_json_get_text(value, "extends", NULL);
	if (extends) {
		struct pending *pending;

		registry->pending = fnr_realloc(registry->pending, (registry->pending_count + 1) * sizeof *registry->pending);
		pending = &registry->pending[registry->pending_count++];
		*pending = (struct pending){ .entry = entry };
		snprintf(pending->parent, sizeof pending->parent, "%s", extends);
		note_identity(entry, value);
	}
	json_object_put(value);
	return extends != NULL;
}

static bool refers_to(const char *reference, const struct entry *entry)
{
	size_t len = strcspn(reference, "@");
	struct store_version version = { 0, 0, 0 };
	int parts = reference[len] ? template_version_parse(reference + len + 1, &version) : 0;

	return strlen(entry->id) == len && len > 0 && memcmp(entry->id, reference, len) == 0 && template_version_fits(entry->version, version, parts);
}

static struct pending *pending_of(struct registry *registry, const char *reference)
{
	for (size_t i = 0; i < registry->pending_count; i++)
		if (refers_to(reference, registry->pending[i].entry))
			return &registry->pending[i];
	return NULL;
}

/* Files that wait for each other: each that is part of the ring is broken, and names it. */
static bool in_ring(struct registry *registry, const struct pending *pending, struct fnr_buf *way)
{
	const struct pending *at = pending;

	fnr_buf_reset(way);
	for (size_t steps = 0; at && steps <= registry->pending_count; steps++) {
		fnr_buf_printf(way, "%s%s", steps ? " extends " : "", at->entry->source);
		if (steps > 0 && at == pending)
			return true;
		at = pending_of(registry, at->parent);
	}
	return false;
}

static void refuse_ring(struct registry *registry, struct entry *entry, const char *way)
{
	char message[512];
	struct fnr_buf text = FNR_BUF_INIT;
	struct template_places nowhere = { 0 };
	struct template_text given = { .name = entry->source, .yaml = !scan_is_json(entry->path) };
	struct template_draft *draft;

	entry->changed = false;
	if (!read_text(registry, entry, &text))
		return;
	given.text = text.data;
	given.len = text.len;
	draft = template_draft_read(&given, &nowhere);
	fnr_error_clear(&draft->err);
	snprintf(message, sizeof message, "it extends itself: %.400s", way);
	template_draft_refuse(draft, "/extends", "cycle", "extend a template that does not extend this one", message);
	settle(registry, entry, draft);
	template_draft_free(draft);
	fnr_buf_free(&text);
}

static void load_now(struct registry *registry, struct entry *entry)
{
	struct fnr_buf text = FNR_BUF_INIT;

	entry->changed = false;
	set_state(registry, entry, ENTRY_DATA);          /* while it is read it has nothing */
	if (read_text(registry, entry, &text))
		load_text(registry, entry, &text);
	fnr_buf_free(&text);
}

/* Loads those whose parents do not wait themselves; returns how many. */
static size_t load_ready(struct registry *registry, bool all)
{
	struct fnr_buf way = FNR_BUF_INIT;
	size_t count = 0;

	for (size_t i = 0; i < registry->pending_count; i++) {
		struct pending *pending = &registry->pending[i];
		struct entry *entry = pending->entry;

		if (!entry->changed || (!all && pending_of(registry, pending->parent)))
			continue;
		if (all && in_ring(registry, pending, &way))
			refuse_ring(registry, entry, way.data);
		else
			load_now(registry, entry);
		count++;
	}
	fnr_buf_free(&way);
	return count;
}

static void drop_loaded(struct registry *registry)
{
	size_t kept = 0;

	for (size_t i = 0; i < registry->pending_count; i++)
		if (registry->pending[i].entry->changed)
			registry->pending[kept++] = registry->pending[i];
	registry->pending_count = kept;
}

static void load_pending(struct registry *registry)
{
	if (registry->pending_count)
		remove_gone(registry);               /* what is gone is nobody's parent any more */
	while (registry->pending_count) {
		flush(registry);                     /* parents are found in the store */
		if (load_ready(registry, false) == 0)
			load_ready(registry, true);
		drop_loaded(registry);
	}
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
	if (!read_text(registry, entry, &text)) {
		entry->changed = false;
	} else if (!put_off(registry, entry, &text)) {
		entry->changed = false;
		load_text(registry, entry, &text);
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
	load_pending(registry);
}

/* ---- templates of the API that depend on others, or on scripts ---- */

struct api_one { char id[68]; struct store_version version; uint8_t digest[32]; };
struct api_list { struct api_one *items; size_t count; };

static bool api_row(const char *id, struct store_version version, const uint8_t digest[32], const char *source, void *context)
{
	struct api_list *list = context;
	struct api_one *one;

	if (strcmp(source, STORE_SOURCE_API) != 0)
		return true;
	list->items = fnr_realloc(list->items, (list->count + 1) * sizeof *list->items);
	one = &list->items[list->count++];
	*one = (struct api_one){ .version = version };
	snprintf(one->id, sizeof one->id, "%s", id);
	memcpy(one->digest, digest, 32);
	return true;
}

/* Its text, if it depends on others or on scripts; false if not. */
static bool api_depends(struct registry *registry, const struct api_one *one, bool *yaml_r, struct fnr_buf *text)
{
	struct store_txn *txn = store_read(registry->store, NULL);
	struct fnr_buf definition = FNR_BUF_INIT;
	bool depends = false;

	if (txn && store_template_text_get(txn, one->id, one->version, yaml_r, text) == FNR_OK) {
		depends = text->len && memmem(text->data, text->len, "extends", 7);
		if (!depends && store_definition_get(txn, one->digest, &definition) == FNR_OK)
			depends = strstr(definition.data, "\"type\":\"script\"") != NULL;
	}
	store_read_end(txn);
	fnr_buf_free(&definition);
	return depends;
}

/* Posted alone: if somebody changed it meanwhile, that one's change came with a look of its own. */
static void put_again(struct registry *registry, const struct api_one *one, const struct template_draft *draft)
{
	const struct template_version *version = template_draft_version(draft);
	struct op_template change = { .what = OP_TEMPLATE_PUT, .id = version->id, .version = version->version, .source = STORE_SOURCE_API,
	                              .digest = version->digest, .definition = fnr_json_text(version->definition, NULL), .text = draft->chain[0].text,
	                              .yaml = draft->chain[0].yaml, .expect = OP_EXPECT_TEXT };
	struct fnr_buf operation = FNR_BUF_INIT;

	if (memcmp(version->digest, one->digest, 32) == 0 || template_draft_keep_files(draft, NULL) != FNR_OK)
		return;
	fnr_sha256_of(draft->chain[0].text, draft->chain[0].len, change.expected);
	op_templates_begin(&operation, 1);
	op_template_add(&operation, &change);
	if (send(registry, &operation) == FNR_OK)
		fnr_info(NULL, "event=template.loaded template=%s source=api because of what it extends or names", version->id);
}

static void look_at_api(struct registry *registry, const struct api_one *one, bool yaml, const struct fnr_buf *text)
{
	char version[40], name[120], source[140];
	struct template_draft *draft;

	template_version_format(one->version, version);
	snprintf(name, sizeof name, "%s@%s", one->id, version);
	snprintf(source, sizeof source, API_SOURCE "%s", name);
	draft = template_draft_read(&(struct template_text){ name, NULL, yaml, text->data, text->len }, &registry->places);
	if (template_draft_sound(draft)) {
		put_again(registry, one, draft);
	} else {
		add_broken(registry, source, NULL, template_report(draft));
		sources_add(&registry->api_broken, source);
	}
	template_draft_free(draft);
}

static void load_api(struct registry *registry, bool all)
{
	bool due = all || registry->changes > 0 || registry->scan.scripts_stamp != registry->scripts_stamp;
	struct store_txn *txn = store_read(registry->store, NULL);
	struct fnr_buf text = FNR_BUF_INIT;
	struct api_list list = { 0 };
	bool yaml;

	registry->scripts_stamp = registry->scan.scripts_stamp;
	if (due && txn)
		store_templates(txn, NULL, api_row, &list);
	store_read_end(txn);
	if (due)
		sources_free(&registry->api_broken);
	else
		registry->broken += (int)registry->api_broken.count;
	for (size_t i = 0; i < list.count; i++)
		if (api_depends(registry, &list.items[i], &yaml, &text))
			look_at_api(registry, &list.items[i], yaml, &text);
	free(list.items);
	fnr_buf_free(&text);
}

static void report_closed(struct registry *registry)
{
	for (size_t i = 0; i < registry->scan.closed_count; i++) {
		const struct scan_closed *closed = &registry->scan.closed[i];
		char message[400];

		snprintf(message, sizeof message, "the folder cannot be read: %s; make it readable for the owner of the data directory, or install again", closed->why);
		add_broken(registry, closed->source, NULL, plain_report(closed->source, message));
	}
}

/* ---- files that are parsed alone ---- */

struct json_object *template_parse_file(const char *path, struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *value = NULL;

	if (fnr_file_read(path, TEMPLATE_MOST, &text, err) == FNR_OK) {
		if (scan_is_json(path))
			value = fnr_json_parse(text.data ? text.data : "", text.len, err);
		else
			value = fnr_yaml_parse(text.data ? text.data : "", text.len, path, err);
	}
	fnr_buf_free(&text);
	if (!value && err->code == FNR_OK)
		fnr_fail(err, FNR_E_MALFORMED, "it holds nothing; a template begins with id: and version:");
	return value;
}

/* ---- presets ---- */

/* The record with the number of its version: that of the stored one while it says the same. */
static bool is_known(struct json_object *record, struct fnr_buf *stored, uint32_t last, int64_t least)
{
	struct json_object *known = stored->len ? fnr_json_parse_own(stored->data, stored->len, NULL) : NULL;
	int64_t version = fnr_json_get_int(known, "version", 0);

	json_object_put(known);
	fnr_json_set_int(record, "version", version);
	if (last > 0 && version == last && strcmp(fnr_json_text(record, NULL), stored->data) == 0)
		return true;
	fnr_json_set_int(record, "version", last + 1 > least ? last + 1 : least);
	return false;
}

static int put_preset(struct registry *registry, struct json_object *source, struct fnr_error *err)
{
	const char *id = fnr_json_get_text(source, "id", "");
	struct json_object *record = preset_make(id, source, NULL), *builtin = NULL;
	struct fnr_buf stored = FNR_BUF_INIT, operation = FNR_BUF_INIT;
	struct store_txn *txn = store_read(registry->store, NULL);
	int code = FNR_OK;
	bool known;

	fnr_json_set(record, "owner", NULL);
	if (txn && store_preset_get(txn, id, &stored) == FNR_OK)
		builtin = fnr_json_parse_own(stored.data, stored.len, NULL);
	known = is_known(record, &stored, txn ? store_preset_last(txn, id) : 0, fnr_json_get_int(source, "version", 1));
	store_read_end(txn);
	if (builtin && !fnr_json_get_bool(builtin, "builtin", true)) {
		code = fnr_fail(err, FNR_E_EXISTS, "somebody made a preset '%s' already; give it another id", id);
	} else if (!known) {
		op_preset_put(&operation, &(struct store_preset){ id, NULL, fnr_json_text(record, NULL), (uint32_t)fnr_json_get_int(record, "version", 1) },
		              OP_PRESET_ANY);
		code = send(registry, &operation);
		if (code != FNR_OK)
			fnr_fail(err, code, "the preset '%s' could not be stored", id);
	}
	json_object_put(builtin);
	json_object_put(record);
	fnr_buf_free(&stored);
	return code;
}

static struct json_object *find_preset(struct json_object *list, const char *id, size_t *at_r)
{
	for (*at_r = 0; *at_r < json_object_array_length(list); ++*at_r)
		if (strcmp(fnr_json_get_text(json_object_array_get_idx(list, *at_r), "id", ""), id) == 0)
			return json_object_array_get_idx(list, *at_r);
	return NULL;
}

/* The presets of a file, all of them sound, laid over those of `list`; to put. NULL with *err set. */
static struct json_object *read_presets(const char *path, struct json_object *list, struct fnr_error *err)
{
	struct json_object *file = template_parse_file(path, err), *presets, *all = list ? fnr_json_copy(list) : json_object_new_array(), *known, *preset;
	char at[REGISTRY_PATH];
	size_t place;

	presets = err->code == FNR_OK ? rules_want(file, "", "presets", json_type_array, "write a list of presets", err) : NULL;
	if (!presets && err->code == FNR_OK)
		fnr_error_add(err, "/presets", "required", "begin the file with presets:", "there is no list of presets");
	for (size_t i = 0; presets && i < json_object_array_length(presets); i++) {
		snprintf(at, sizeof at, "/presets/%zu", i);
		preset = json_object_array_get_idx(presets, i);
		known = find_preset(all, fnr_json_get_text(preset, "id", ""), &place);
		preset_check(preset, at, known ? PRESET_CHANGES : PRESET_IN_FILE, err);
		if (err->code != FNR_OK)
			continue;
		if (known)
			json_object_array_put_idx(all, place, preset_laid_over(known, preset));
		else
			json_object_array_add(all, json_object_get(preset));
	}
	json_object_put(file);
	if (err->code == FNR_OK)
		return all;
	json_object_put(all);
	return NULL;
}

static bool tiers_stored(struct registry *registry, struct fnr_error *err)
{
	struct store_txn *txn = store_read(registry->store, err);
	const struct preset *preset;
	bool all = txn != NULL;

	for (int quality = 0; all && quality < FNR_QUALITY_COUNT; quality++)
		all = preset_of_tier(txn, (enum fnr_quality)quality, &preset, err) == FNR_OK;
	store_read_end(txn);
	return all;
}

struct built_in { struct json_object *list, *gone; };

static bool gone_preset_row(const char *id, void *context)
{
	struct built_in *built_in = context;
	size_t place;

	if (!find_preset(built_in->list, id, &place))
		json_object_array_add(built_in->gone, json_object_new_string(id));
	return true;
}

/* Those that came from a file and are in none any more. */
static void remove_presets(struct registry *registry, struct json_object *list)
{
	struct built_in built_in = { list, json_object_new_array() };
	struct store_txn *txn = store_read(registry->store, NULL);

	if (txn)
		store_presets_owned(txn, NULL, gone_preset_row, &built_in);
	store_read_end(txn);
	for (size_t i = 0; i < json_object_array_length(built_in.gone); i++) {
		struct fnr_buf operation = FNR_BUF_INIT;

		op_preset_delete(&operation, json_object_get_string(json_object_array_get_idx(built_in.gone, i)), NULL, OP_PRESET_ANY);
		send(registry, &operation);
	}
	json_object_put(built_in.gone);
}

/* The operator's own, laid over those that ship. A broken file of his changes nothing. */
static struct json_object *with_own_presets(struct registry *registry, struct json_object *list, const char *shipped)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *all = NULL;

	if (access(REGISTRY_PRESETS, F_OK) == 0 && strcmp(shipped, REGISTRY_PRESETS) != 0)
		all = read_presets(REGISTRY_PRESETS, list, &err);
	if (err.code != FNR_OK)
		presets_broken(registry, REGISTRY_PRESETS, &err);
	fnr_error_clear(&err);
	if (!all)
		return list;
	json_object_put(list);
	return all;
}

/* Nothing of a broken file is taken; then the presets that are stored stay in force. */
static int load_presets(struct registry *registry, const char *path, struct fnr_error *err)
{
	struct fnr_error own = FNR_ERROR_INIT, missing = FNR_ERROR_INIT;
	struct json_object *list = read_presets(path, NULL, &own);
	int code = FNR_OK;

	if (list)
		list = with_own_presets(registry, list, path);
	for (size_t i = 0; list && own.code == FNR_OK && i < json_object_array_length(list); i++)
		put_preset(registry, json_object_array_get_idx(list, i), &own);
	if (own.code != FNR_OK)
		presets_broken(registry, path, &own);
	else
		remove_presets(registry, list);
	if (!tiers_stored(registry, &missing))
		code = fnr_fail(err, own.code ? own.code : missing.code, "%s has not all four tiers: %.300s", path,
		                own.code ? own.message : missing.message);
	json_object_put(list);
	fnr_error_clear(&own);
	fnr_error_clear(&missing);
	return code;
}

/* ---- rules of the operator ---- */

static void rule_broken(const char *path, const struct fnr_error *err, void *context)
{
	struct registry *registry = context;
	struct json_object *report = plain_report(path, err->message);

	if (err->errors)
		fnr_json_set(report, "errors", json_object_get(err->errors));
	sources_add(&registry->rules_broken, path);
	add_broken(registry, path, path, report);
}

/* True if every template has to be read again. */
static bool rules_changed(struct registry *registry)
{
	uint64_t stamp = custom_rules_stamp(SCAN_RULES);
	bool first = !registry->rules_stamp;

	if (stamp == registry->rules_stamp) {
		registry->broken += (int)registry->rules_broken.count;
		return false;
	}
	registry->rules_stamp = stamp;
	sources_free(&registry->rules_broken);
	custom_rules_read(SCAN_RULES, rule_broken, registry);
	return !first;
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
	return send(registry, &operation);
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
	code = load_presets(registry, registry->presets, err);
	if (code != FNR_OK)
		return code;
	scan_look(&registry->scan);
	report_closed(registry);
	if (rules_changed(registry))
		read_all_again(registry);
	load_changed(registry, all);
	remove_gone(registry);
	load_api(registry, all);
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
