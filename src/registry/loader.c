/* Loading of template files and presets into the store. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "registry/registry.h"
#include "store/ops.h"

#define TEMPLATE_MOST (1u << 20)
#define DEPTH_MOST 4
#define PATH_SIZE 1024

/* One version that a file gave, or that a broken file would have given. */
struct seen { char id[68]; struct store_version version; char source[PATH_SIZE]; bool good; };

struct loader {
	struct store *store;
	registry_post *post;
	void *context;
	struct seen *seen;
	size_t count, size;
	int broken;
};

static int send(struct loader *loader, struct fnr_buf *operation)
{
	int code = loader->post(operation->data, operation->len, loader->context);

	fnr_buf_free(operation);
	return code;
}

static void remember(struct loader *loader, const struct template_version *template_, const char *source, bool good)
{
	struct seen *seen;

	if (loader->count == loader->size) {
		loader->size = loader->size ? loader->size * 2 : 64;
		loader->seen = fnr_realloc(loader->seen, loader->size * sizeof *loader->seen);
	}
	seen = &loader->seen[loader->count++];
	memset(seen, 0, sizeof *seen);
	seen->good = good;
	snprintf(seen->source, sizeof seen->source, "%s", source);
	if (template_) {
		snprintf(seen->id, sizeof seen->id, "%s", template_->id);
		seen->version = template_->version;
	}
}

static void report_broken(struct loader *loader, const char *path, const struct fnr_error *err)
{
	loader->broken++;
	if (!err->errors)
		fnr_err(NULL, "template %s is broken: %s", path, err->message);
	for (size_t i = 0; err->errors && i < json_object_array_length(err->errors); i++) {
		struct json_object *entry = json_object_array_get_idx(err->errors, i);
		const char *fix = fnr_json_get_text(entry, "fix", NULL);

		fnr_err(NULL, "template %s is broken at %s: %s%s%s", path, fnr_json_get_text(entry, "pointer", ""),
		        fnr_json_get_text(entry, "message", ""), fix ? ": " : "", fix ? fix : "");
	}
}

static struct json_object *parse_file(const char *path, struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *value = NULL;
	const char *dot = strrchr(path, '.');

	if (fnr_file_read(path, TEMPLATE_MOST, &text, err) == FNR_OK) {
		if (dot && strcmp(dot, ".json") == 0)
			value = fnr_json_parse(text.data, text.len, err);
		else
			value = fnr_yaml_parse(text.data, text.len, path, err);
	}
	fnr_buf_free(&text);
	if (!value && err->code == FNR_OK)
		fnr_fail(err, FNR_E_MALFORMED, "%s is empty", path);
	return value;
}

struct stored { struct store_version version; uint8_t digest[32]; bool found, same; };

static bool stored_row(const char *id, struct store_version version, const uint8_t digest[32], const char *source, void *context)
{
	struct stored *stored = context;

	(void)id, (void)source;
	if (memcmp(&version, &stored->version, sizeof version) != 0)
		return true;
	stored->found = true;
	stored->same = memcmp(digest, stored->digest, 32) == 0;
	return false;
}

static bool is_stored(struct loader *loader, const struct template_version *template_)
{
	struct stored stored = { .version = template_->version };
	struct store_txn *txn = store_read(loader->store, NULL);

	memcpy(stored.digest, template_->digest, 32);
	if (txn)
		store_templates(txn, template_->id, stored_row, &stored);
	store_read_end(txn);
	return stored.found && stored.same;
}

static const struct seen *seen_before(const struct loader *loader, const struct template_version *template_)
{
	for (size_t i = 0; i < loader->count; i++)
		if (loader->seen[i].good && strcmp(loader->seen[i].id, template_->id) == 0 &&
		    memcmp(&loader->seen[i].version, &template_->version, sizeof template_->version) == 0)
			return &loader->seen[i];
	return NULL;
}

static int put_template(struct loader *loader, const struct template_version *template_, const char *folder, const char *source,
                        struct fnr_error *err)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	int code;

	if (is_stored(loader, template_))
		return FNR_OK;
	code = template_store_files(template_, folder, "scripts", err);
	if (code != FNR_OK)
		return code;
	op_template_put(&operation, template_->id, template_->version, template_->digest, source, fnr_json_text(template_->definition, NULL));
	code = send(loader, &operation);
	if (code != FNR_OK)
		return fnr_fail(err, code, "it could not be stored");
	fnr_info(NULL, "event=template.loaded template=%s source=%s", template_->id, source);
	return FNR_OK;
}

static void load_file(struct loader *loader, const char *path, const char *folder, const char *source)
{
	struct template_version template_ = { .definition = NULL };
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value = parse_file(path, &err);
	const struct seen *other;

	if (value)
		template_read(value, folder, "scripts", &template_, &err);
	other = template_.definition ? seen_before(loader, &template_) : NULL;
	if (other)
		fnr_fail(&err, FNR_E_EXISTS, "%s has the same id and version", other->source);
	else if (template_.definition)
		put_template(loader, &template_, folder, source, &err);
	if (err.code != FNR_OK)
		report_broken(loader, path, &err);
	remember(loader, template_.definition ? &template_ : NULL, source, err.code == FNR_OK);
	json_object_put(template_.definition);
	json_object_put(value);
	fnr_error_clear(&err);
}

static bool is_template_name(const char *name)
{
	const char *dot = strrchr(name, '.');

	return name[0] != '.' && dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".json") == 0);
}

static void load_folder(struct loader *loader, const char *folder, const char *source, int depth)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		char path[PATH_SIZE], name[PATH_SIZE];
		struct stat info;

		snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
		snprintf(name, sizeof name, "%s/%s", source, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && stat(path, &info) == 0) {
			if (S_ISDIR(info.st_mode) && depth < DEPTH_MOST)
				load_folder(loader, path, name, depth + 1);
			else if (S_ISREG(info.st_mode) && is_template_name(entries[i]->d_name))
				load_file(loader, path, folder, name);
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

/* ---- versions whose file is gone ---- */

struct gone { struct loader *loader; struct seen *list; size_t count; };

static bool source_seen(const struct loader *loader, const char *id, struct store_version version, const char *source)
{
	for (size_t i = 0; i < loader->count; i++) {
		const struct seen *seen = &loader->seen[i];

		if (seen->good ? strcmp(seen->id, id) == 0 && memcmp(&seen->version, &version, sizeof version) == 0
		               : strcmp(seen->source, source) == 0)
			return true;      /* a broken file leaves the last good version in force */
	}
	return false;
}

static bool gone_row(const char *id, struct store_version version, const uint8_t digest[32], const char *source, void *context)
{
	struct gone *gone = context;

	(void)digest;
	if (strncmp(source, "shipped/", 8) != 0 && strncmp(source, "data/", 5) != 0)
		return true;
	if (source_seen(gone->loader, id, version, source))
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

		op_template_delete(&operation, gone.list[i].id, gone.list[i].version);
		if (send(loader, &operation) == FNR_OK)
			fnr_info(NULL, "event=template.removed template=%s", gone.list[i].id);
	}
	free(gone.list);
}

/* ---- presets ---- */

static void put_preset(struct loader *loader, struct json_object *preset)
{
	const char *id = fnr_json_get_text(preset, "id", ""), *text = fnr_json_text(preset, NULL);
	struct fnr_buf stored = FNR_BUF_INIT, operation = FNR_BUF_INIT;
	struct store_txn *txn = store_read(loader->store, NULL);
	bool same = txn && store_preset_get(txn, id, &stored) == FNR_OK && strcmp(stored.data, text) == 0;

	store_read_end(txn);
	fnr_buf_free(&stored);
	if (same)
		return;
	op_preset_put(&operation, id, text);
	send(loader, &operation);
}

static int load_presets(struct loader *loader, const char *path, struct fnr_error *err)
{
	struct json_object *file = parse_file(path, err), *list = fnr_json_get(file, "presets");

	if (!json_object_is_type(list, json_type_array)) {
		json_object_put(file);
		return fnr_fail(err, err->code ? err->code : FNR_E_MALFORMED, "the presets cannot be read: %s", err->code ? err->message : path);
	}
	for (size_t i = 0; i < json_object_array_length(list); i++)
		put_preset(loader, json_object_array_get_idx(list, i));
	json_object_put(file);
	return FNR_OK;
}

int registry_load(struct store *store, const char *const *folders, size_t folder_count, const char *presets,
                  registry_post *post, void *context, struct fnr_error *err)
{
	struct loader loader = { .store = store, .post = post, .context = context };
	struct fnr_buf operation = FNR_BUF_INIT;
	int code = load_presets(&loader, presets, err);

	if (code != FNR_OK)
		return code;
	for (size_t i = 0; i < folder_count; i++)
		load_folder(&loader, folders[i], i == 0 ? "shipped" : "data", 1);
	remove_gone(&loader);
	free(loader.seen);
	op_meta_add(&operation, STORE_META_TEMPLATES, 1);
	code = send(&loader, &operation);
	return code == FNR_OK ? loader.broken : fnr_fail(err, code, "the templates could not be stored");
}
