/* Who a template is: id, version, and what people read of it; and versions in general. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "registry/internal.h"

/* ---- version ---- */

int template_version_parse(const char *text, struct store_version *version)
{
	uint32_t *const parts[] = { &version->major, &version->minor, &version->patch };
	int count = 0;

	memset(version, 0, sizeof *version);
	while (count < 3) {
		char *end;
		unsigned long number;

		if (*text < '0' || *text > '9' || (text[0] == '0' && text[1] >= '0' && text[1] <= '9'))
			return 0;
		number = strtoul(text, &end, 10);
		if (number > 1000000000 || end - text > 10)
			return 0;
		*parts[count++] = (uint32_t)number;
		if (!*end)
			return count;
		if (*end != '.')
			return 0;
		text = end + 1;
	}
	return 0;
}

void template_version_format(struct store_version version, char out[40])
{
	snprintf(out, 40, "%u.%u.%u", version.major, version.minor, version.patch);
}

bool template_version_fits(struct store_version version, struct store_version wanted, int parts)
{
	return (parts < 1 || version.major == wanted.major) && (parts < 2 || version.minor == wanted.minor) && (parts < 3 || version.patch == wanted.patch);
}

int template_version_compare(struct store_version a, struct store_version b)
{
	if (a.major != b.major)
		return a.major < b.major ? -1 : 1;
	if (a.minor != b.minor)
		return a.minor < b.minor ? -1 : 1;
	return a.patch < b.patch ? -1 : a.patch > b.patch;
}

/* ---- who it is ---- */

/* "Shout Loud!" -> "shout_loud" */
static void make_id(const char *text, char out[65])
{
	size_t len = 0;

	for (; *text && len < 64; text++) {
		bool word = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') || (*text >= '0' && *text <= '9');

		if (word)
			out[len++] = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;
		else if (len && (strchr(".-_", *text) || out[len - 1] != '_'))
			out[len++] = strchr(".-", *text) ? *text : '_';
	}
	while (len && strchr("._-", out[len - 1]))
		len--;
	out[len] = 0;
}

static void check_id(struct json_object *source, struct template_version *out, struct fnr_error *err)
{
	struct json_object *id = fnr_json_get(source, "id");
	const char *text = fnr_json_get_text(source, "id", "");
	char found[FNR_JSON_FOUND], meant[65], fix[192];

	make_id(text, meant);
	snprintf(fix, sizeof fix, *meant ? "write it like %s: %s, in lower case" : "%.0suse %s, in lower case", meant, FNR_NAME_RULE);
	if (!id)
		fnr_error_add(err, "/id", "required", "give it " FNR_NAME_RULE ", in lower case", "'id' is missing");
	else if (!fnr_name_valid(text) || strpbrk(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
		fnr_error_add(err, "/id", "name", fix, "'id' cannot be %s", fnr_json_found(id, found));
	else
		snprintf(out->id, sizeof out->id, "%s", text);
}

/* "1", "1.2", "v1.2.0", "1.2.0-rc.1": what is meant, if that can be told. */
static bool meant_version(const char *text, char out[40])
{
	struct store_version version;
	char bare[40];

	text += *text == 'v' || *text == 'V';
	fnr_text_copy(bare, sizeof bare, text);
	bare[strcspn(bare, "-+ ")] = 0;
	if (!template_version_parse(bare, &version))
		return false;
	template_version_format(version, out);
	return true;
}

static void check_version(struct json_object *source, struct template_version *out, struct fnr_error *err)
{
	struct json_object *version = fnr_json_get(source, "version");
	char found[FNR_JSON_FOUND], fix[96] = "write it like 1.0.0", meant[40];
	const char *text = json_object_get_string(version);      /* 1.0 is a number in YAML */

	if (template_version_parse(fnr_json_get_text(source, "version", ""), &out->version) == 3)
		return;
	if (!version)
		fnr_error_add(err, "/version", "required", fix, "'version' is missing");
	else if (text && strpbrk(text, "-+"))
		fnr_error_add(err, "/version", "version", "write three numbers, like 1.0.0; give what is tried out an id of its own",
		              "'version' cannot be %s: there are no pre-releases", fnr_json_found(version, found));
	else {
		if (text && meant_version(text, meant))
			snprintf(fix, sizeof fix, "write %s", meant);
		fnr_error_add(err, "/version", "version", fix, "'version' cannot be %s: it is major.minor.patch, three numbers", fnr_json_found(version, found));
	}
}

void identity_check(struct json_object *source, struct template_version *out, struct fnr_error *err)
{
	check_id(source, out, err);
	check_version(source, out, err);
	rules_text(source, "", "name", RULES_REQUIRED, 200, NULL, 0, "say what people call it", err);
	rules_text(source, "", "category", RULES_REQUIRED, 64, registry_categories, REGISTRY_CATEGORIES,
	           "use image, video, audio, text or generic", err);
	rules_text(source, "", "description", RULES_OPTIONAL, 10000, NULL, 0, "write text, in quotes if need be", err);
	rules_text(source, "", "author", RULES_OPTIONAL, 200, NULL, 0, "write text, in quotes if need be", err);
	rules_text(source, "", "icon", RULES_OPTIONAL, 200, NULL, 0, "write text, in quotes if need be", err);
}
