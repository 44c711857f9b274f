/* The official JSON-Schema-Test-Suite, draft 2020-12: every required test, none left out, and most optional ones. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "schema/schema.h"

#define SUITE "/usr/share/perl5/auto/share/dist/Test-JSON-Schema-Acceptance"
#define ADDRESS "http://localhost:1234"
#define REMOTES_MOST 100
#define TESTS_LEAST 1100      /* of the suite as Debian has it; fewer means that it was not found whole */
#define OPTIONAL_LEAST 450

static struct schema_remote remotes[REMOTES_MOST];
static size_t remote_count;
static size_t tests, wrong;

static struct json_object *read_json(const char *path)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *value;

	cr_assert_eq(fnr_file_read(path, 16 << 20, &text, &err), FNR_OK, "%s", err.message);
	value = fnr_json_parse_exact(text.data, text.len, &err);
	cr_assert_eq(err.code, FNR_OK, "%s: %s", path, err.message);
	fnr_buf_free(&text);
	return value;
}

/* Calls `file` for every JSON file below the folder; inner is its path there. */
static void each_file(const char *folder, const char *inner, bool deep, void (*file)(const char *path, const char *inner))
{
	struct dirent **list;
	int count = scandir(folder, &list, NULL, alphasort);

	cr_assert_geq(count, 0, "%s is missing: install libtest-json-schema-acceptance-perl", folder);
	for (int i = 0; i < count; i++) {
		char *path = fnr_asprintf("%s/%s", folder, list[i]->d_name), *below = fnr_asprintf("%s/%s", inner, list[i]->d_name);

		if (list[i]->d_name[0] != '.' && strstr(list[i]->d_name, ".json"))
			file(path, below);
		else if (list[i]->d_name[0] != '.' && deep)
			each_file(path, below, deep, file);
		free(path);
		free(below);
		free(list[i]);
	}
	free(list);
}

static void add_remote(const char *path, const char *inner)
{
	cr_assert_lt(remote_count, (size_t)REMOTES_MOST);
	remotes[remote_count++] = (struct schema_remote){ fnr_asprintf(ADDRESS "%s", inner), read_json(path) };
}

static void run_case(const struct schema *schema, struct json_object *test, const char *file, const char *group)
{
	struct json_object *data = fnr_json_get(test, "data");
	bool valid = fnr_json_get_bool(test, "valid", false), fits = schema_fits(schema, data);
	struct fnr_error err = FNR_ERROR_INIT;
	bool checked = schema_check(schema, data, "", &err);

	tests++;
	wrong += fits != valid || checked != valid;
	cr_expect_eq(fits, valid, "%s: %s: %s", file, group, fnr_json_get_text(test, "description", ""));
	cr_expect_eq(checked, valid, "%s: %s: %s", file, group, fnr_json_get_text(test, "description", ""));
	cr_expect_eq(err.errors != NULL, !checked, "%s: %s", file, group);
	fnr_error_clear(&err);
}

static bool formats;

static void run_file(const char *path, const char *inner)
{
	struct json_object *groups = read_json(path);

	for (size_t i = 0; i < json_object_array_length(groups); i++) {
		struct json_object *group = json_object_array_get_idx(groups, i), *list = fnr_json_get(group, "tests");
		const char *description = fnr_json_get_text(group, "description", "");
		struct schema_options options = { .formats = formats, .remotes = remotes, .remote_count = remote_count };
		struct fnr_error err = FNR_ERROR_INIT;
		struct schema *schema = schema_compile(fnr_json_get(group, "schema"), &options, &err);

		cr_expect(schema, "%s: %s: %s", inner, description, err.message);
		for (size_t j = 0; schema && j < json_object_array_length(list); j++)
			run_case(schema, json_object_array_get_idx(list, j), inner, description);
		schema_free(schema);
		fnr_error_clear(&err);
	}
	json_object_put(groups);
}

/* Optional tests, but those of other drafts. */
static void run_optional(const char *path, const char *inner)
{
	if (strstr(inner, "/cross-draft.json") || strstr(inner, "/dependencies-compatibility.json"))
		return;
	formats = strstr(inner, "/format/") || strstr(inner, "/ecmascript-regex.json");
	run_file(path, inner);
}

static void free_remotes(void)
{
	while (remote_count--) {
		free((char *)remotes[remote_count].uri);
		json_object_put(remotes[remote_count].value);
	}
}

static void run_suite(const char *folder, bool deep, void (*file)(const char *path, const char *inner), size_t least)
{
	each_file(SUITE "/remotes", "", true, add_remote);
	each_file(folder, "", deep, file);
	cr_expect_eq(wrong, 0);
	cr_expect_geq(tests, least);
	printf("%zu tests of the suite, %zu wrong\n", tests, wrong);
	free_remotes();
}

Test(schema_suite, required, .timeout = 300)
{
	run_suite(SUITE "/tests/draft2020-12", false, run_file, TESTS_LEAST);
}

Test(schema_suite, optional, .timeout = 300)
{
	run_suite(SUITE "/tests/draft2020-12/optional", true, run_optional, OPTIONAL_LEAST);
}
