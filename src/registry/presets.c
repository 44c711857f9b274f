/* Quality presets: checked when they are loaded, parsed once while they stay the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "registry/internal.h"

static const char *const members[] = {
	"id", "name", "description", "base", "level", "builtin", "version", "owner", "parameters", "factors", "scaling",
};

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

void preset_check(struct json_object *preset, const char *pointer, struct fnr_error *err)
{
	static const struct rules_number level = { "level", 1, 100, true }, version = { "version", 1, 1000000000, true };
	static const struct rules_number factors[] = { { "time", 0, 1000, false }, { "resources", 0, 1000, false }, { "cost", 0, 1000, false } };
	static const struct rules_number scaling[] = { { "cpu", 0, 100, false }, { "memory", 0, 100, false }, { "vram", 0, 100, false } };
	struct json_object *part;
	char at[REGISTRY_PATH];

	if (!json_object_is_type(preset, json_type_object)) {
		fnr_error_add(err, pointer, "type", "write it like {id: draft, base: draft, …}", "a preset must be an object");
		return;
	}
	rules_only(preset, pointer, members, sizeof members / sizeof members[0], err);
	if (!fnr_name_valid(fnr_json_get_text(preset, "id", "")))
		fnr_error_add(err, rules_below(at, pointer, "id"), "name", "use " FNR_NAME_RULE, "the preset has no valid id");
	rules_text(preset, pointer, "name", RULES_REQUIRED, 200, NULL, 0, "say what people call it", err);
	rules_text(preset, pointer, "description", RULES_OPTIONAL, 10000, NULL, 0, "write text", err);
	rules_text(preset, pointer, "base", RULES_REQUIRED, 64, registry_tiers, REGISTRY_TIERS, "use draft, standard, high or ultra", err);
	rules_text(preset, pointer, "owner", RULES_OPTIONAL, 200, NULL, 0, "write text, or null", err);
	rules_want(preset, pointer, "builtin", json_type_boolean, "use true or false", err);
	rules_number(preset, pointer, &level, err);
	rules_number(preset, pointer, &version, err);
	check_parameters(preset, pointer, err);
	if ((part = rules_want(preset, pointer, "factors", json_type_object, "write it like {time: 0.3}", err)))
		rules_numbers(part, rules_below(at, pointer, "factors"), factors, 3, err);
	if ((part = rules_want(preset, pointer, "scaling", json_type_object, "write it like {cpu: 0.5}", err)))
		rules_numbers(part, rules_below(at, pointer, "scaling"), scaling, 3, err);
}

/* ---- use ---- */

struct json_object *preset_of_tier(struct store_txn *txn, enum fnr_quality quality, struct fnr_error *err)
{
	static struct { struct fnr_buf text; struct json_object *preset; } kept[FNR_QUALITY_COUNT];
	static struct fnr_buf text;
	struct json_object *preset;

	if (store_preset_get(txn, fnr_quality_name(quality), &text) != FNR_OK) {
		fnr_fail(err, FNR_E_UNAVAILABLE, "the preset '%s' is not loaded; see the log of fnr-api for why", fnr_quality_name(quality));
		return NULL;
	}
	if (kept[quality].preset && kept[quality].text.len == text.len && memcmp(kept[quality].text.data, text.data, text.len) == 0)
		return kept[quality].preset;
	preset = fnr_json_parse_own(text.data, text.len, NULL);
	if (!json_object_is_type(preset, json_type_object)) {
		json_object_put(preset);
		fnr_fail(err, FNR_E_CORRUPT, "the preset '%s' cannot be read; run fnr check", fnr_quality_name(quality));
		return NULL;
	}
	json_object_put(kept[quality].preset);
	kept[quality].preset = preset;
	fnr_buf_reset(&kept[quality].text);
	fnr_buf_add(&kept[quality].text, text.data, text.len);
	return preset;
}
