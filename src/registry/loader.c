/* Loading of template files and presets into the store. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "registry/internal.h"
#include "registry/preset.h"
#include "store/ops.h"

#define TEMPLATE_MOST (1u << 20)
#define DEPTH_MOST 4
#define LINES_MOST 20       /* of the log, about one file */

/* What was met on the way: a version and the file it came from; a broken file, or a folder that could not be read, from
 * which versions may be in force. */
struct seen {
	enum { SEEN_GOOD, SEEN_BROKEN, SEEN_CLOSED } what;
	char id[68];
	struct store_version version;
	char *source;
	size_t next;                 /* in its chain; 0 ends it */
};

#define CHAINS 4096

struct loader {
	struct store *store;
	registry_post *post;
	void *context;
	struct seen *seen;           /* the first is not used */
	size_t count, size;
	size_t chains[CHAINS];       /* of good ones by id and version, of broken ones by source */
	size_t closed;               /* chain of closed folders */
	int broken;
};

static int send(struct loader *loader, struct fnr_buf *operation)
{
	int code = loader->post(operation->data, operation->len, loader->context);

	fnr_buf_free(operation);
	return code;
}

/* ---- what was seen ---- */

static size_t *chain_of(struct loader *loader, const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	return &loader->chains[hash % CHAINS];
}

static void remember(struct loader *loader, int what, const char *id, struct store_version version, const char *source)
{
	size_t *chain = what == SEEN_CLOSED ? &loader->closed : chain_of(loader, what == SEEN_GOOD ? id : source);
	struct seen *seen;

	if (loader->count + 1 >= loader->size) {
		loader->size = loader->size ? loader->size * 2 : 64;
		loader->seen = fnr_realloc(loader->seen, loader->size * sizeof *loader->seen);
	}
	seen = &loader->seen[++loader->count];
	*seen = (struct seen){ .what = what, .version = version, .source = fnr_strdup(source), .next = *chain };
	snprintf(seen->id, sizeof seen->id, "%s", id);
	*chain = loader->count;
}

static void forget_all(struct loader *loader)
{
	for (size_t i = 1; i <= loader->count; i++)
		free(loader->seen[i].source);
	free(loader->seen);
}

static const struct seen *seen_good(struct loader *loader, const char *id, struct store_version version)
{
	for (size_t i = *chain_of(loader, id); i; i = loader->seen[i].next)
		if (loader->seen[i].what == SEEN_GOOD && strcmp(loader->seen[i].id, id) == 0 &&
		    memcmp(&loader->seen[i].version, &version, sizeof version) == 0)
			return &loader->seen[i];
	return NULL;
}

static bool seen_broken(struct loader *loader, const char *source)
{
	for (size_t i = *chain_of(loader, source); i; i = loader->seen[i].next)
		if (loader->seen[i].what == SEEN_BROKEN && strcmp(loader->seen[i].source, source) == 0)
			return true;
	for (size_t i = loader->closed; i; i = loader->seen[i].next) {
		size_t len = strlen(loader->seen[i].source);

		if (strncmp(loader->seen[i].source, source, len) == 0 && source[len] == '/')
			return true;
	}
	return false;
}

/* ---- reports ---- */

static void report_broken(struct loader *loader, const char *kind, const char *path, const struct fnr_error *err)
{
	size_t count = err->errors ? json_object_array_length(err->errors) : 0;

	loader->broken++;
	if (!count)
		fnr_err(NULL, "event=%s.broken file=%s problem: %s", kind, path, err->message);
	for (size_t i = 0; i < count && i < LINES_MOST; i++) {
		struct json_object *entry = json_object_array_get_idx(err->errors, i);
		const char *fix = fnr_json_get_text(entry, "fix", NULL);

		fnr_err(NULL, "event=%s.broken file=%s pointer=%s rule=%s problem: %s%s%s", kind, path, fnr_json_get_text(entry, "pointer", ""),
		        fnr_json_get_text(entry, "rule", ""), fnr_json_get_text(entry, "message", ""), fix ? "; fix: " : "", fix ? fix : "");
	}
	if (count > LINES_MOST)
		fnr_err(NULL, "event=%s.broken file=%s and %zu problems more", kind, path, count - LINES_MOST);
}

static bool is_json(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && strcmp(dot, ".json") == 0;
}

struct json_object *template_parse_file(const char *path, struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *value = NULL;

	if (fnr_file_read(path, TEMPLATE_MOST, &text, err) == FNR_OK) {
		if (is_json(path))
			value = fnr_json_parse(text.data ? text.data : "", text.len, err);
		else
			value = fnr_yaml_parse(text.data ? text.data : "", text.len, path, err);
	}
	fnr_buf_free(&text);
	if (!value && err->code == FNR_OK)
		fnr_fail(err, FNR_E_MALFORMED, "it holds nothing; a template begins with id: and version:");
	return value;
}

/* ---- one template ---- */

struct stored { const struct template_version *template_; const char *source; bool same; };

static bool stored_row(const char *id, struct store_version version, const uint8_t digest[32], const char *source, void *context)
{
	struct stored *stored = context;

	(void)id;
	if (memcmp(&version, &stored->template_->version, sizeof version) != 0)
		return true;
	stored->same = memcmp(digest, stored->template_->digest, 32) == 0 && strcmp(source, stored->source) == 0;
	return false;
}

static bool is_stored(struct loader *loader, const struct template_version *template_, const char *source)
{
	struct stored stored = { template_, source, false };
	struct store_txn *txn = store_read(loader->store, NULL);

	if (txn)
		store_templates(txn, template_->id, stored_row, &stored);
	store_read_end(txn);
	return stored.same;
}

/* The files first: who finds the template in the store finds them too. They are looked at even if it is stored already,
 * so that a blobs/ folder that was lost comes back. */
static int put_template(struct loader *loader, const struct template_version *template_, const char *folder, const char *source,
                        struct fnr_error *err)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	char version[40];
	int code = template_store_files(template_, folder, "scripts", err);

	if (code != FNR_OK || is_stored(loader, template_, source))
		return code;
	op_template_put(&operation, template_->id, template_->version, template_->digest, source, fnr_json_text(template_->definition, NULL));
	code = send(loader, &operation);
	if (code != FNR_OK)
		return fnr_fail(err, code, "it is sound but could not be stored");
	template_version_format(template_->version, version);
	fnr_info(NULL, "event=template.loaded template=%s version=%s source=%s", template_->id, version, source);
	return FNR_OK;
}

/* JSON is also what workflows and data beside a template are written in. */
static bool is_data(const char *path, struct json_object *value)
{
	return is_json(path) && value && !json_object_object_get_ex(value, "id", NULL) && !json_object_object_get_ex(value, "version", NULL);
}

static void load_file(struct loader *loader, const char *path, const char *folder, const char *source)
{
	struct template_version template_ = { .definition = NULL };
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value = template_parse_file(path, &err);
	const struct seen *other = NULL;

	if (is_data(path, value)) {
		json_object_put(value);
		return;
	}
	if (value)
		template_read(value, folder, "scripts", &template_, &err);
	if (template_.definition)
		other = seen_good(loader, template_.id, template_.version);
	if (other)
		fnr_error_add(&err, "/version", "unique", "give one of them another version", "%s has the same id and version", other->source);
	else if (template_.definition)
		put_template(loader, &template_, folder, source, &err);
	if (err.code != FNR_OK)
		report_broken(loader, "template", path, &err);
	remember(loader, err.code == FNR_OK ? SEEN_GOOD : SEEN_BROKEN, template_.id, template_.version, source);
	json_object_put(template_.definition);
	json_object_put(value);
	fnr_error_clear(&err);
}

/* ---- folders ---- */

static bool is_template_name(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".json") == 0);
}

/* What is in force from there stays, as nobody knows what the folder holds. */
static void folder_closed(struct loader *loader, const char *folder, const char *source, const char *why, const char *fix)
{
	struct store_version none = { 0, 0, 0 };

	loader->broken++;
	fnr_err(NULL, "event=template.folder_closed folder=%s the folder cannot be read: %s; fix: %s", folder, why, fix);
	remember(loader, SEEN_CLOSED, "", none, source);
}

static void load_folder(struct loader *loader, const char *folder, const char *source, int depth);

static void load_entry(struct loader *loader, const char *folder, const char *source, const char *name, int depth)
{
	char *path = fnr_asprintf("%s/%s", folder, name), *below = fnr_asprintf("%s/%s", source, name);
	struct stat info;

	if (name[0] != '.' && stat(path, &info) == 0) {
		if (S_ISDIR(info.st_mode) && strcmp(name, "__pycache__") != 0)
			load_folder(loader, path, below, depth + 1);
		else if (S_ISREG(info.st_mode) && is_template_name(name))
			load_file(loader, path, folder, below);
	}
	free(path);
	free(below);
}

static void load_folder(struct loader *loader, const char *folder, const char *source, int depth)
{
	struct dirent **entries;
	int count;

	if (depth > DEPTH_MOST) {
		fnr_warn(NULL, "the folder %s is not looked at: it lies more than %d folders deep", folder, DEPTH_MOST);
		return;
	}
	count = scandir(folder, &entries, NULL, alphasort);
	/* An operator may do without templates of his own; that none are shipped means that something is wrong. */
	if (count < 0 && (errno != ENOENT || strcmp(source, "shipped") == 0))
		folder_closed(loader, folder, source, strerror(errno), "make it readable for the owner of the data directory, or install again");
	for (int i = 0; i < count; i++) {
		load_entry(loader, folder, source, entries[i]->d_name, depth);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

/* ---- versions whose file is gone ---- */

struct gone { struct loader *loader; struct template_version *list; size_t count; };

static bool gone_row(const char *id, struct store_version version, const uint8_t digest[32], const char *source, void *context)
{
	struct gone *gone = context;

	(void)digest;
	if (strncmp(source, "shipped/", 8) != 0 && strncmp(source, "data/", 5) != 0)
		return true;
	if (seen_good(gone->loader, id, version) || seen_broken(gone->loader, source))
		return true;
	gone->list = fnr_realloc(gone->list, (gone->count + 1) * sizeof *gone->list);
	snprintf(gone->list[gone->count].id, sizeof gone->list[0].id, "%s", id);
	gone->list[gone->count++].version = version;
	return true;
}

static void remove_gone(struct loader *loader)
{
	struct gone gone = { loader, NULL, 0 };
	struct store_txn *txn = store_read(loader->store, NULL);

	if (txn)
		store_templates(txn, NULL, gone_row, &gone);
	store_read_end(txn);
	for (size_t i = 0; i < gone.count; i++) {
		struct fnr_buf operation = FNR_BUF_INIT;
		char version[40];

		template_version_format(gone.list[i].version, version);
		op_template_delete(&operation, gone.list[i].id, gone.list[i].version);
		if (send(loader, &operation) == FNR_OK)
			fnr_info(NULL, "event=template.removed template=%s version=%s", gone.list[i].id, version);
	}
	free(gone.list);
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

static int put_preset(struct loader *loader, struct json_object *source, struct fnr_error *err)
{
	const char *id = fnr_json_get_text(source, "id", "");
	struct json_object *record = preset_make(id, source, NULL), *builtin = NULL;
	struct fnr_buf stored = FNR_BUF_INIT, operation = FNR_BUF_INIT;
	struct store_txn *txn = store_read(loader->store, NULL);
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
		code = send(loader, &operation);
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

static bool tiers_stored(struct loader *loader, struct fnr_error *err)
{
	struct store_txn *txn = store_read(loader->store, err);
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
static void remove_presets(struct loader *loader, struct json_object *list)
{
	struct built_in built_in = { list, json_object_new_array() };
	struct store_txn *txn = store_read(loader->store, NULL);

	if (txn)
		store_presets_owned(txn, NULL, gone_preset_row, &built_in);
	store_read_end(txn);
	for (size_t i = 0; i < json_object_array_length(built_in.gone); i++) {
		struct fnr_buf operation = FNR_BUF_INIT;

		op_preset_delete(&operation, json_object_get_string(json_object_array_get_idx(built_in.gone, i)), NULL, OP_PRESET_ANY);
		send(loader, &operation);
	}
	json_object_put(built_in.gone);
}

/* The operator's own, laid over those that ship. A broken file of his changes nothing. */
static struct json_object *with_own_presets(struct loader *loader, struct json_object *list, const char *shipped)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *all = NULL;

	if (access(REGISTRY_PRESETS, F_OK) == 0 && strcmp(shipped, REGISTRY_PRESETS) != 0)
		all = read_presets(REGISTRY_PRESETS, list, &err);
	if (err.code != FNR_OK)
		report_broken(loader, "presets", REGISTRY_PRESETS, &err);
	fnr_error_clear(&err);
	if (!all)
		return list;
	json_object_put(list);
	return all;
}

/* Nothing of a broken file is taken; then the presets that are stored stay in force. */
static int load_presets(struct loader *loader, const char *path, struct fnr_error *err)
{
	struct fnr_error own = FNR_ERROR_INIT, missing = FNR_ERROR_INIT;
	struct json_object *list = read_presets(path, NULL, &own);
	int code = FNR_OK;

	if (list)
		list = with_own_presets(loader, list, path);
	for (size_t i = 0; list && own.code == FNR_OK && i < json_object_array_length(list); i++)
		put_preset(loader, json_object_array_get_idx(list, i), &own);
	if (own.code != FNR_OK)
		report_broken(loader, "presets", path, &own);
	else
		remove_presets(loader, list);
	if (!tiers_stored(loader, &missing))
		code = fnr_fail(err, own.code ? own.code : missing.code, "%s has not all four tiers: %.300s", path,
		                own.code ? own.message : missing.message);
	json_object_put(list);
	fnr_error_clear(&own);
	fnr_error_clear(&missing);
	return code;
}

int registry_load(struct store *store, const char *const *folders, size_t folder_count, const char *presets,
                  registry_post *post, void *context, struct fnr_error *err)
{
	struct loader *loader = fnr_alloc(sizeof *loader);
	struct fnr_buf operation = FNR_BUF_INIT;
	int code, broken;

	loader->store = store;
	loader->post = post;
	loader->context = context;
	template_files_sweep();
	code = load_presets(loader, presets, err);
	for (size_t i = 0; code == FNR_OK && i < folder_count; i++)
		load_folder(loader, folders[i], i == 0 ? "shipped" : "data", 1);
	if (code == FNR_OK) {
		remove_gone(loader);
		op_meta_add(&operation, STORE_META_TEMPLATES, 1);
		code = send(loader, &operation);
		if (code != FNR_OK)
			fnr_fail(err, code, "the templates could not be stored");
	}
	broken = loader->broken;
	forget_all(loader);
	free(loader);
	return code == FNR_OK ? broken : code;
}
