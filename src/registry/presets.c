/* Quality presets: checked and completed when they are made, parsed once while they stay the same. */
#include "registry/preset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "registry/internal.h"

#define KEPT 64
#define NAMES_MOST 512

static const char *const members[] = {
	"id", "name", "description", "base", "level", "parameters", "factors", "scaling", "pipeline", "use_cases", "shared",
	/* what only answers have: taken back as it was given, without effect */
	"tier", "builtin", "owner", "version", "inherited", "created_at", "updated_at",
};
static const char *const use_cases[] = { "preview", "iteration", "review", "presentation", "delivery", "social", "print" };
#define USE_CASES (sizeof use_cases / sizeof use_cases[0])

/* ---- checking ---- */

/* {"<category, generic or template>": {parameter: value}} */
static void check_parameters(struct json_object *preset, const char *pointer, struct fnr_error *err)
{
	struct json_object *parts = rules_want(preset, pointer, "parameters", json_type_object, "write it like {image: {width: 1280}}", err);
	char parent[REGISTRY_PATH], at[REGISTRY_PATH];

	if (!parts)
		return;
	rules_below(parent, pointer, "parameters");
	json_object_object_foreach(parts, name, values) {
		rules_below(at, parent, name);
		if (!fnr_name_valid(name))
			fnr_error_add(err, at, "name", "name a category or a template", "'%.64s' is neither a category nor a template", name);
		if (!json_object_is_type(values, json_type_object))
			fnr_error_add(err, at, "type", "write it like {width: 1280}", "'%.64s' must be an object", name);
	}
}

static void check_pipeline(struct json_object *preset, const char *pointer, struct fnr_error *err)
{
	static const struct rules_number numbers[] = {
		{ "vram_mb", 1, 10000000, true }, { "concurrency", 1, 1000000, true }, { "timeout_s", 1, 2592000, true },
	};
	struct json_object *pipeline = rules_want(preset, pointer, "pipeline", json_type_object, "write it like {timeout_s: 600}", err), *list;
	static const char *const names[] = { "vram_mb", "concurrency", "timeout_s", "optimizations" };
	char below[REGISTRY_PATH], at[REGISTRY_PATH];

	if (!pipeline)
		return;
	rules_below(below, pointer, "pipeline");
	rules_only(pipeline, below, names, 4, err);
	for (size_t i = 0; i < 3; i++)
		rules_number(pipeline, below, &numbers[i], err);
	list = rules_want(pipeline, below, "optimizations", json_type_array, "write a list of names", err);
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		if (i >= 32 || !fnr_name_valid(json_object_get_string(json_object_array_get_idx(list, i))))
			fnr_error_add(err, rules_below(at, below, "optimizations"), "name", "give at most 32 names: " FNR_NAME_RULE,
			              "entry %zu of 'optimizations' is not the name of one", i + 1);
}

static void check_use_cases(struct json_object *preset, const char *pointer, struct fnr_error *err)
{
	struct json_object *list = rules_want(preset, pointer, "use_cases", json_type_array, "write a list of words", err);
	char at[REGISTRY_PATH];

	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		if (i >= USE_CASES || !rules_among(json_object_get_string(json_object_array_get_idx(list, i)), use_cases, USE_CASES))
			fnr_error_add(err, rules_below(at, pointer, "use_cases"), "enum", "use preview, iteration, review, presentation, delivery, social and print",
			              "entry %zu of 'use_cases' is none of them", i + 1);
}

static void check_numbers(struct json_object *preset, const char *pointer, struct fnr_error *err)
{
	static const struct rules_number level = { "level", 1, 100, true };
	static const struct rules_number factors[] = { { "time", 0, 1000, false }, { "resources", 0, 1000, false }, { "cost", 0, 1000, false } };
	static const struct rules_number scaling[] = {
		{ "cpu", 0, 100, false }, { "memory", 0, 100, false }, { "vram", 0, 100, false }, { "resolution", 0.01, 100, false },
	};
	struct json_object *part;
	char at[REGISTRY_PATH];

	rules_number(preset, pointer, &level, err);
	if ((part = rules_want(preset, pointer, "factors", json_type_object, "write it like {time: 0.3}", err)))
		rules_numbers(part, rules_below(at, pointer, "factors"), factors, 3, err);
	if ((part = rules_want(preset, pointer, "scaling", json_type_object, "write it like {cpu: 0.5}", err)))
		rules_numbers(part, rules_below(at, pointer, "scaling"), scaling, 4, err);
}

static void check_version(struct json_object *preset, const char *pointer, struct fnr_error *err)
{
	static const struct rules_number version = { "version", 1, 1000000000, true };

	rules_number(preset, pointer, &version, err);
}

void preset_check(struct json_object *preset, const char *pointer, enum preset_source from, struct fnr_error *err)
{
	enum rules_need need = from == PRESET_CHANGES ? RULES_OPTIONAL : RULES_REQUIRED;
	const char *id = fnr_json_get_text(preset, "id", NULL);
	char at[REGISTRY_PATH];

	if (!json_object_is_type(preset, json_type_object)) {
		fnr_error_add(err, pointer, "type", "write it like {id: draft, base: draft, …}", "a preset must be an object");
		return;
	}
	rules_only(preset, pointer, members, sizeof members / sizeof members[0], err);
	if (from == PRESET_IN_FILE ? !fnr_name_valid(id ? id : "") : fnr_json_get(preset, "id") && !fnr_name_valid(id ? id : ""))
		fnr_error_add(err, rules_below(at, pointer, "id"), "name", "use " FNR_NAME_RULE, "the preset has no valid id");
	rules_text(preset, pointer, "name", need, 200, NULL, 0, "say what people call it", err);
	rules_text(preset, pointer, "description", RULES_OPTIONAL, 10000, NULL, 0, "write text", err);
	if (from == PRESET_IN_FILE)
		rules_text(preset, pointer, "base", need, 64, registry_tiers, REGISTRY_TIERS, "use draft, standard, high or ultra", err);
	else
		rules_text(preset, pointer, "base", need, 80, NULL, 0, "name the preset that it begins from: GET /api/v1/presets lists them", err);
	rules_want(preset, pointer, "shared", json_type_boolean, "use true or false", err);
	if (from == PRESET_IN_FILE)
		check_version(preset, pointer, err);
	check_numbers(preset, pointer, err);
	check_parameters(preset, pointer, err);
	check_pipeline(preset, pointer, err);
	check_use_cases(preset, pointer, err);
}

/* ---- making ---- */

/* Members of `over` laid over those of `under`; either may be NULL. null takes one away. To put. */
static struct json_object *laid_over(struct json_object *under, struct json_object *over)
{
	struct json_object *all = json_object_is_type(under, json_type_object) ? fnr_json_copy(under) : json_object_new_object();

	if (!json_object_is_type(over, json_type_object))
		return all;
	json_object_object_foreach(over, name, value) {
		if (value)
			fnr_json_set(all, name, fnr_json_copy(value));
		else
			json_object_object_del(all, name);
	}
	return all;
}

/* The same for parts of parameters, one level deeper; there null stays: it goes on taking away what a tier says. */
static struct json_object *parts_laid_over(struct json_object *under, struct json_object *over)
{
	struct json_object *all = under ? fnr_json_copy(under) : json_object_new_object();

	if (!over)
		return all;
	json_object_object_foreach(over, part, values) {
		struct json_object *below = fnr_json_get(all, part);

		if (!below) {
			fnr_json_set(all, part, fnr_json_copy(values));
			continue;
		}
		json_object_object_foreach(values, name, value)
			json_object_object_add(below, name, fnr_json_copy(value));
	}
	return all;
}

struct json_object *preset_laid_over(struct json_object *under, struct json_object *over)
{
	static const char *const objects[] = { "factors", "scaling", "pipeline" };
	struct json_object *all = laid_over(under, over);

	fnr_json_set(all, "parameters", parts_laid_over(fnr_json_get(under, "parameters"), fnr_json_get(over, "parameters")));
	for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++)
		fnr_json_set(all, objects[i], laid_over(fnr_json_get(under, objects[i]), fnr_json_get(over, objects[i])));
	return all;
}

static struct json_object *inherit(const struct preset *base)
{
	struct json_object *inherited = json_object_new_object();
	const char *tier = fnr_json_get_text(fnr_json_get(base->record, "inherited"), "tier", NULL);
	char label[PRESET_LABEL];

	preset_label(base, label);
	fnr_json_set_text(inherited, "from", label);
	fnr_json_set_text(inherited, "tier", tier ? tier : label);
	fnr_json_set(inherited, "tier_parameters", fnr_json_copy(base->layers[PRESET_OF_TIER]));
	fnr_json_set(inherited, "parameters", parts_laid_over(base->layers[PRESET_INHERITED], base->layers[PRESET_OWN]));
	return inherited;
}

static void set_member(struct json_object *record, const char *name, struct json_object *source, struct json_object *base)
{
	struct json_object *value = fnr_json_get(source, name);

	fnr_json_set(record, name, fnr_json_copy(value ? value : fnr_json_get(base, name)));
}

struct json_object *preset_make(const char *id, struct json_object *source, const struct preset *base)
{
	struct json_object *record = json_object_new_object(), *usual = base ? base->record : NULL, *parameters = fnr_json_get(source, "parameters");

	fnr_json_set_text(record, "id", id);
	set_member(record, "name", source, NULL);
	set_member(record, "description", source, NULL);
	fnr_json_set_text(record, "base", base ? base->id : fnr_json_get_text(source, "base", NULL));
	fnr_json_set_text(record, "tier", base ? fnr_quality_name(base->tier) : fnr_json_get_text(source, "base", NULL));
	set_member(record, "level", source, usual);
	fnr_json_set_bool(record, "builtin", base == NULL);
	fnr_json_set_bool(record, "shared", !base || fnr_json_get_bool(source, "shared", false));
	fnr_json_set(record, "parameters", parameters ? fnr_json_copy(parameters) : json_object_new_object());
	fnr_json_set(record, "factors", laid_over(fnr_json_get(usual, "factors"), fnr_json_get(source, "factors")));
	fnr_json_set(record, "scaling", laid_over(fnr_json_get(usual, "scaling"), fnr_json_get(source, "scaling")));
	fnr_json_set(record, "pipeline", laid_over(fnr_json_get(usual, "pipeline"), fnr_json_get(source, "pipeline")));
	set_member(record, "use_cases", source, usual);
	if (!fnr_json_get(record, "use_cases"))
		fnr_json_set(record, "use_cases", json_object_new_array());
	if (base)
		fnr_json_set(record, "inherited", inherit(base));
	return record;
}

struct json_object *preset_portable(const struct preset *preset)
{
	static const char *const kept[] = { "id", "name", "description", "level", "factors", "scaling", "pipeline", "use_cases" };
	struct json_object *file = json_object_new_object();

	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
		if (fnr_json_get(preset->record, kept[i]))
			fnr_json_set(file, kept[i], fnr_json_copy(fnr_json_get(preset->record, kept[i])));
	fnr_json_set_text(file, "base", fnr_quality_name(preset->tier));
	fnr_json_set(file, "parameters", preset->builtin ? fnr_json_copy(preset->layers[PRESET_OF_TIER])
	                                                  : parts_laid_over(preset->layers[PRESET_INHERITED], preset->layers[PRESET_OWN]));
	return file;
}

/* ---- finding ---- */

bool preset_read(struct json_object *record, struct preset *preset_r)
{
	struct json_object *inherited = fnr_json_get(record, "inherited");
	int tier = fnr_quality_parse(fnr_json_get_text(record, "tier", fnr_json_get_text(record, "base", "")));

	memset(preset_r, 0, sizeof *preset_r);
	if (!json_object_is_type(record, json_type_object) || tier < 0)
		return false;
	fnr_text_copy(preset_r->id, sizeof preset_r->id, fnr_json_get_text(record, "id", ""));
	fnr_text_copy(preset_r->owner, sizeof preset_r->owner, fnr_json_get_text(record, "owner", ""));
	preset_r->version = (uint32_t)fnr_json_get_int(record, "version", 1);
	preset_r->tier = (enum fnr_quality)tier;
	preset_r->builtin = fnr_json_get_bool(record, "builtin", false);
	preset_r->shared = preset_r->builtin || fnr_json_get_bool(record, "shared", false);
	preset_r->record = record;
	preset_r->layers[PRESET_OF_TIER] = inherited ? fnr_json_get(inherited, "tier_parameters") : fnr_json_get(record, "parameters");
	preset_r->layers[PRESET_INHERITED] = fnr_json_get(inherited, "parameters");
	preset_r->layers[PRESET_OWN] = inherited ? fnr_json_get(record, "parameters") : NULL;
	return true;
}

void preset_label(const struct preset *preset, char out[PRESET_LABEL])
{
	snprintf(out, PRESET_LABEL, "%s@%u", preset->id, preset->version);
}

bool preset_visible(const struct preset *preset, const struct preset_viewer *viewer)
{
	return !viewer || viewer->all || preset->shared || strcmp(preset->owner, viewer->key) == 0;
}

/* What was found last, by reference; an entry counts while the store has the same text. */
static struct kept { char reference[PRESET_LABEL]; struct fnr_buf text; struct preset preset; uint64_t used; } kept[KEPT];
static uint64_t uses;

static struct kept *place_of(const char *reference)
{
	struct kept *place = &kept[0];

	for (size_t i = 0; i < KEPT; i++) {
		if (strcmp(kept[i].reference, reference) == 0)
			return &kept[i];
		if (kept[i].used < place->used)
			place = &kept[i];
	}
	return place;
}

static const struct preset *compiled(const char *reference, const struct fnr_buf *text)
{
	struct kept *place = place_of(reference);
	struct json_object *record;
	struct preset preset;

	place->used = ++uses;
	if (strcmp(place->reference, reference) == 0 && place->text.len == text->len && memcmp(place->text.data, text->data, text->len) == 0)
		return &place->preset;
	record = fnr_json_parse_own(text->data, text->len, NULL);
	if (!preset_read(record, &preset)) {
		json_object_put(record);
		return NULL;
	}
	json_object_put(place->preset.record);
	place->preset = preset;
	fnr_text_copy(place->reference, sizeof place->reference, reference);
	fnr_buf_reset(&place->text);
	fnr_buf_add(&place->text, text->data, text->len);
	return &place->preset;
}

struct nearest { char ids[NAMES_MOST][68]; const char *names[NAMES_MOST]; size_t count; };

static bool name_row(const char *id, void *context)
{
	struct nearest *nearest = context;

	fnr_text_copy(nearest->ids[nearest->count], sizeof nearest->ids[0], id);
	nearest->names[nearest->count] = nearest->ids[nearest->count];
	return ++nearest->count < NAMES_MOST;
}

static int unknown(struct store_txn *txn, const char *reference, const struct preset_viewer *viewer, struct fnr_error *err)
{
	struct nearest *nearest;
	const char *name;

	if (!err)
		return FNR_E_NOT_FOUND;
	nearest = fnr_alloc(sizeof *nearest);
	store_presets_owned(txn, NULL, name_row, nearest);
	if (viewer && nearest->count < NAMES_MOST)
		store_presets_owned(txn, viewer->key, name_row, nearest);
	name = fnr_text_nearest(reference, nearest->names, nearest->count);
	fnr_fail(err, FNR_E_NOT_FOUND, "there is no preset '%.80s'; there are draft, standard, high and ultra%s", reference,
	         nearest->count > REGISTRY_TIERS ? ", and those of your own" : "");
	if (name)
		snprintf(err->suggestion, sizeof err->suggestion, "did you mean '%s'?", name);
	free(nearest);
	return FNR_E_NOT_FOUND;
}

/* "mine@3": the id, and the version or 0. False if it is no reference. */
static bool split(const char *reference, char id[68], uint32_t *version_r)
{
	const char *at = strchr(reference, '@');
	size_t len = at ? (size_t)(at - reference) : strlen(reference);
	int tier;

	*version_r = 0;
	if (len >= 68)
		return false;
	memcpy(id, reference, len);
	id[len] = 0;
	tier = fnr_quality_parse(id);
	if (tier >= 0)
		strcpy(id, fnr_quality_name((enum fnr_quality)tier));
	if (!at)
		return fnr_name_valid(id);
	if (at[1] < '1' || at[1] > '9' || strlen(at + 1) > 9 || strspn(at + 1, "0123456789") != strlen(at + 1))
		return false;
	*version_r = (uint32_t)strtoul(at + 1, NULL, 10);
	return fnr_name_valid(id);
}

int preset_find(struct store_txn *txn, const char *reference, const struct preset_viewer *viewer, const struct preset **preset_r,
                struct fnr_error *err)
{
	static struct fnr_buf text;
	const struct preset *preset = NULL;
	char id[68], label[PRESET_LABEL];
	uint32_t version;

	if (!split(reference, id, &version) || store_preset_get(txn, id, &text) != FNR_OK)
		return unknown(txn, reference, viewer, err);
	preset = compiled(id, &text);
	if (!preset)
		return fnr_fail(err, FNR_E_CORRUPT, "the preset '%s' cannot be read; run fnr check", id);
	if (!preset_visible(preset, viewer))
		return unknown(txn, reference, viewer, err);
	if (version && version != preset->version) {
		snprintf(label, sizeof label, "%s@%u", id, version);
		if (store_preset_get_version(txn, id, version, &text) != FNR_OK || !(preset = compiled(label, &text)))
			return fnr_fail(err, FNR_E_NOT_FOUND, "there is no version %u of the preset '%s' any more", version, id);
	}
	*preset_r = preset;
	return FNR_OK;
}

int preset_of_tier(struct store_txn *txn, enum fnr_quality tier, const struct preset **preset_r, struct fnr_error *err)
{
	int code = preset_find(txn, fnr_quality_name(tier), NULL, preset_r, err);

	return code == FNR_E_NOT_FOUND ? fnr_fail(err, FNR_E_UNAVAILABLE, "the preset '%s' is not loaded; see the log of fnr-api for why",
	                                          fnr_quality_name(tier)) : code;
}
