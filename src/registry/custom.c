/* Rules of the operator for templates: small files, read again when they change. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "registry/internal.h"
#include "schema/schema.h"

#define RULES_MOST 200

struct rule {
	struct json_object *source;     /* as it is in the file; "file" says where */
	struct schema *when, *then;     /* when: NULL for all templates */
};

static struct { char folder[REGISTRY_PATH]; uint64_t stamp; struct rule *items; size_t count; } kept;

/* ---- one rule ---- */

static struct schema *compile_part(struct json_object *rule, const char *name, struct fnr_error *err)
{
	struct json_object *part = fnr_json_get(rule, name);
	struct fnr_error own = FNR_ERROR_INIT;
	struct schema *schema = part ? schema_compile(part, NULL, &own) : NULL;
	char at[REGISTRY_PATH];

	if (part && !schema)
		fnr_error_add(err, rules_below(at, "", name), "input_schema", "write a JSON Schema", "'%s' is not a sound JSON Schema: %.300s", name, own.message);
	fnr_error_clear(&own);
	return schema;
}

static void check_rule(struct json_object *source, struct rule *rule, struct fnr_error *err)
{
	static const char *const members[] = { "rule", "description", "when", "then", "message", "fix", "severity", "file" }, *const severities[] = { "error", "warning" };

	if (!json_object_is_type(source, json_type_object)) {
		fnr_error_add(err, "", "type", "begin it with rule: and then:", "a rule must be an object");
		return;
	}
	rules_only(source, "", members, sizeof members / sizeof members[0], err);
	if (!fnr_name_valid(fnr_json_get_text(source, "rule", "")))
		fnr_error_add(err, "/rule", "name", "use " FNR_NAME_RULE, "the rule has no valid name");
	rules_text(source, "", "description", RULES_OPTIONAL, 10000, NULL, 0, "write text", err);
	rules_text(source, "", "message", RULES_OPTIONAL, 400, NULL, 0, "write text", err);
	rules_text(source, "", "fix", RULES_OPTIONAL, 400, NULL, 0, "write text", err);
	rules_text(source, "", "severity", RULES_OPTIONAL, 10, severities, 2, "use error or warning", err);
	if (!fnr_json_get(source, "then"))
		fnr_error_add(err, "/then", "required", "give the JSON Schema that a template has to fit", "'then' is missing");
	rule->when = compile_part(source, "when", err);
	rule->then = compile_part(source, "then", err);
}

static void rule_free(struct rule *rule)
{
	schema_free(rule->when);
	schema_free(rule->then);
	json_object_put(rule->source);
}

/* ---- all of them ---- */

static bool is_rule_file(const char *name)
{
	const char *dot = strrchr(name, '.');

	return name[0] != '.' && dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".json") == 0);
}

uint64_t custom_rules_stamp(const char *folder)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, NULL, alphasort);
	uint64_t stamp = 1469598103934665603u;

	for (int i = 0; i < count; i++) {
		char *path = fnr_asprintf("%s/%s", folder, entries[i]->d_name);
		struct stat info;

		if (is_rule_file(entries[i]->d_name) && stat(path, &info) == 0) {
			const uint64_t parts[] = { (uint64_t)info.st_ino, (uint64_t)info.st_size, (uint64_t)info.st_mtim.tv_sec, (uint64_t)info.st_mtim.tv_nsec,
				                   (uint64_t)info.st_ctim.tv_sec, (uint64_t)info.st_ctim.tv_nsec };

			for (size_t j = 0; j < sizeof parts / sizeof parts[0]; j++)
				stamp = (stamp ^ parts[j]) * 1099511628211u;
		}
		free(path);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return stamp;
}

static void read_rule(const char *path, custom_rule_broken *broken, void *context)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct rule rule = { .source = template_parse_file(path, &err) };

	if (rule.source)
		check_rule(rule.source, &rule, &err);
	if (err.code == FNR_OK && kept.count == RULES_MOST)
		fnr_fail(&err, FNR_E_INVALID, "there are more than %d rules; put some of them into one, with allOf", RULES_MOST);
	if (err.code == FNR_OK) {
		fnr_json_set_text(rule.source, "file", path);
		kept.items = fnr_realloc(kept.items, (kept.count + 1) * sizeof *kept.items);
		kept.items[kept.count++] = rule;
	} else {
		if (broken)
			broken(path, &err, context);
		rule_free(&rule);
	}
	fnr_error_clear(&err);
}

static void read_all(const char *folder, custom_rule_broken *broken, void *context)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, NULL, alphasort);

	while (kept.count)
		rule_free(&kept.items[--kept.count]);
	for (int i = 0; i < count; i++) {
		char *path = fnr_asprintf("%s/%s", folder, entries[i]->d_name);

		if (is_rule_file(entries[i]->d_name))
			read_rule(path, broken, context);
		free(path);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

static void refresh(const char *folder)
{
	uint64_t stamp = custom_rules_stamp(folder);

	if (strcmp(kept.folder, folder) == 0 && kept.stamp == stamp)
		return;
	read_all(folder, NULL, NULL);
	fnr_text_copy(kept.folder, sizeof kept.folder, folder);
	kept.stamp = stamp;
}

void custom_rules_read(const char *folder, custom_rule_broken *broken, void *context)
{
	kept.stamp = custom_rules_stamp(folder);
	fnr_text_copy(kept.folder, sizeof kept.folder, folder);
	read_all(folder, broken, context);
}

/* The problems of the schema under the rule's own name, in its own words if it has some. */
static void add_problems(const struct rule *rule, struct json_object *found, struct fnr_error *to)
{
	const char *name = fnr_json_get_text(rule->source, "rule", ""), *message = fnr_json_get_text(rule->source, "message", NULL);
	const char *fix = fnr_json_get_text(rule->source, "fix", NULL);

	for (size_t i = 0; found && i < json_object_array_length(found); i++) {
		struct json_object *entry = json_object_array_get_idx(found, i);

		fnr_error_add(to, fnr_json_get_text(entry, "pointer", ""), name, fix ? fix : fnr_json_get_text(entry, "fix", NULL), "%s",
		              message ? message : fnr_json_get_text(entry, "message", ""));
	}
}

void custom_rules_apply(const char *folder, struct json_object *source, struct fnr_error *errors, struct fnr_error *warnings)
{
	refresh(folder);
	for (size_t i = 0; i < kept.count; i++) {
		const struct rule *rule = &kept.items[i];
		struct fnr_error found = FNR_ERROR_INIT;
		bool warning = strcmp(fnr_json_get_text(rule->source, "severity", "error"), "warning") == 0;

		if ((!rule->when || schema_fits(rule->when, source)) && !schema_check(rule->then, source, "", &found))
			add_problems(rule, found.errors, warning ? warnings : errors);
		fnr_error_clear(&found);
	}
}

struct json_object *template_custom_rules(const char *folder)
{
	struct json_object *list = json_object_new_array();

	refresh(folder);
	for (size_t i = 0; i < kept.count; i++)
		json_object_array_add(list, fnr_json_copy(kept.items[i].source));
	return list;
}
