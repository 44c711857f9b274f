/* Loading of presets files, and of the rules of the operator. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "registry/loading.h"
#include "registry/preset.h"

static void presets_broken(struct registry *registry, const char *path, const struct fnr_error *err)
{
	registry->presets_broken[registry->presets_broken[0] != NULL] = path;
	loading_add_broken(registry, path, path, template_report_file(path, err));
}

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
		code = loading_send(registry, &operation);
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

int registry_check_presets(const char *shipped, const char *own, size_t *count_r, struct fnr_error *err)
{
	struct json_object *list = read_presets(shipped, NULL, err), *all = list ? read_presets(own, list, err) : NULL;

	*count_r = all ? json_object_array_length(all) : 0;
	json_object_put(all);
	json_object_put(list);
	return err->code;
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
		loading_send(registry, &operation);
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
int loading_presets(struct registry *registry, const char *path, struct fnr_error *err)
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

	sources_add(&registry->rules_broken, path);
	loading_add_broken(registry, path, path, template_report_file(path, err));
}

/* True if every template has to be read again. */
bool loading_rules_changed(struct registry *registry)
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
