/* Templates: what is refused and why, the digest, finding by reference, the merge of parameters. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/yaml.h"
#include "registry/registry.h"
#include "store/ops.h"

static char folder[] = "/tmp/fnr-test-registry-XXXXXX";
static struct store *store;

static void setup(void)
{
	struct fnr_error err = FNR_ERROR_INIT;

	cr_assert(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
	cr_assert_eq(fnr_dir_make("blobs/templates", 0700, &err), FNR_OK);
	cr_assert_eq(fnr_dir_make("shipped", 0700, &err), FNR_OK);
	cr_assert_eq(fnr_dir_make("templates", 0700, &err), FNR_OK);
	cr_assert_eq(store_open(&store, true, &err), FNR_OK, "%s", err.message);
}

static void teardown(void)
{
	store_close(store);
	cr_assert_eq(chdir("/"), 0);
	fnr_tree_remove(folder, NULL);
}

TestSuite(registry, .init = setup, .fini = teardown);

static const char good[] =
	"id: card\nversion: 1.2.0\nname: Card\ncategory: image\n"
	"inputs:\n  text: {type: string, required: true, max_length: 5}\n  size: {type: integer, min: 1, max: 9, default: 4}\n"
	"  tone: {type: string, enum: [warm, cold], default: warm}\n  picture: {type: file}\n"
	"parameters: {width: 100, height: 50, own: 1}\npresets:\n  draft: {height: 10, size: 2}\n"
	"outputs: {image: {type: image}}\nbackend: {type: noop}\n";

static const char presets[] =
	"presets:\n"
	"  - {id: draft, version: 3, parameters: {generic: {width: 1, stranger: 7}, image: {width: 2, height: 3}}}\n"
	"  - {id: high, version: 1, parameters: {image: {width: 200}}}\n";

static int read_text(const char *text, struct template_version *out, struct fnr_error *err)
{
	struct json_object *source = fnr_yaml_parse(text, strlen(text), "t.yaml", err);
	int code;

	cr_assert(source, "%s", err->message);
	code = template_read(source, NULL, NULL, out, err);
	json_object_put(source);
	return code;
}

static void write_file(const char *path, const char *text)
{
	cr_assert_eq(fnr_file_write(path, text, strlen(text), 0600, NULL), FNR_OK);
}

static int post(const void *data, size_t len, void *context)
{
	struct op_limits limits = { 0 };
	struct store_txn *txn = store_write(store, NULL);
	struct op_reply reply;

	op_apply(txn, data, len, 1, &limits, &reply);
	++*(int *)context;
	cr_assert_eq(store_commit(txn, NULL), FNR_OK);
	return reply.code;
}

static int load(int *posts)
{
	const char *const folders[] = { "shipped", "templates" };
	struct fnr_error err = FNR_ERROR_INIT;
	int code;

	*posts = 0;
	write_file("presets.yaml", presets);
	code = registry_load(store, folders, 2, "presets.yaml", post, posts, &err);
	cr_assert_geq(code, 0, "%s", err.message);
	return code;
}

Test(registry, refusals_name_the_place)
{
	static const struct { const char *more, *pointer; } cases[] = {
		{ "colour: red\n", "/colour" },
		{ "timeout_s: 0\n", "/timeout_s" },
		{ "queue: fast\n", "/queue" },
		{ "on_lost: panic\n", "/on_lost" },
		{ "resources: {cpu: -1}\n", "/resources/cpu" },
		{ "stages: {dance: {weight: 1}}\n", "/stages/dance" },
		{ "examples: [{inputs: {text: toolong}}]\n", "/examples/0/inputs/text" },
		{ "examples: [{inputs: {}}]\n", "/examples/0/inputs/text" },
		{ "retry: {max: 3}\n", "/retry/max" },
		{ "tags: red\n", "/tags" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;
		struct template_version out;
		char text[2048];

		snprintf(text, sizeof text, "%s%s", good, cases[i].more);
		cr_expect_eq(read_text(text, &out, &err), FNR_E_INVALID, "%s", cases[i].more);
		cr_assert(err.errors, "%s", cases[i].more);
		cr_expect_str_eq(fnr_json_get_text(json_object_array_get_idx(err.errors, 0), "pointer", ""), cases[i].pointer);
		fnr_error_clear(&err);
	}
}

Test(registry, inputs_in_short_form_are_checked)
{
	static const char *const bad[] = {
		"{type: text}", "{}", "{type: string, min: 1}", "{type: integer, min: 5, max: 2}", "{type: integer, default: a}",
		"{type: string, enum: [a], default: b}", "{type: string, pattern: '('}", "{type: string, format: colour}",
		"{type: array, items: {type: strange}}", "{type: integer, enum: [1, x]}", "{type: string, requird: true}", "7",
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;
		struct template_version out;
		char text[512];

		snprintf(text, sizeof text, "id: x\nversion: 1.0.0\nname: X\ncategory: text\nbackend: {type: noop}\ninputs:\n  a: %s\n", bad[i]);
		cr_expect_eq(read_text(text, &out, &err), FNR_E_INVALID, "%s", bad[i]);
		fnr_error_clear(&err);
	}
}

Test(registry, backends_name_files_beside_them_only)
{
	static const char *const bad[] = {
		"{type: script}", "{type: script, python: gone.py, class: A}", "{type: script, command: [/bin/sh]}",
		"{type: script, command: ['../x']}", "{type: script, command: []}", "{type: magic}", "{type: script, python: f.py}",
		"{type: script, python: f.py, class: A, command: [f.py]}", "noop",
	};

	write_file("f.py", "x");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;
		struct template_version out;
		struct json_object *source;
		char text[512];

		snprintf(text, sizeof text, "id: x\nversion: 1.0.0\nname: X\ncategory: text\nbackend: %s\n", bad[i]);
		source = fnr_yaml_parse(text, strlen(text), "t", &err);
		cr_expect_eq(template_read(source, ".", NULL, &out, &err), FNR_E_INVALID, "%s", bad[i]);
		json_object_put(source);
		fnr_error_clear(&err);
	}
}

Test(registry, digest_is_of_content_not_of_order)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct template_version a, b, c;

	cr_assert_eq(read_text("id: x\nversion: 1.0.0\nname: X\ncategory: text\nbackend: {type: noop}\n", &a, &err), FNR_OK);
	cr_assert_eq(read_text("backend: {type: noop}\nname: X\nversion: 1.0.0\nid: x\ncategory: text\n", &b, &err), FNR_OK);
	cr_assert_eq(read_text("id: x\nversion: 1.0.0\nname: Y\ncategory: text\nbackend: {type: noop}\n", &c, &err), FNR_OK);
	cr_expect_arr_eq(a.digest, b.digest, 32);
	cr_expect_neq(memcmp(a.digest, c.digest, 32), 0);
	json_object_put(a.definition);
	json_object_put(b.definition);
	json_object_put(c.definition);
}

Test(registry, loading_finding_and_removal)
{
	struct fnr_error err = FNR_ERROR_INIT;
	const struct template_ *found;
	struct store_txn *txn;
	int posts;

	write_file("shipped/card.yaml", good);
	write_file("templates/broken.yaml", "id: broken\nversion: one\n");
	cr_expect_eq(load(&posts), 1, "one file is broken");
	cr_expect_eq(posts, 4, "two presets, one template, the end; %d", posts);
	cr_expect_eq(load(&posts), 1);
	cr_expect_eq(posts, 1, "nothing changed: only the end; %d", posts);

	txn = store_read(store, NULL);
	cr_expect_eq(template_find(txn, "card", &found, &err), FNR_OK);
	cr_expect_eq(template_find(txn, "card@1", &found, &err), FNR_OK);
	cr_expect_eq(template_find(txn, "card@1.2.0", &found, &err), FNR_OK);
	cr_expect_str_eq(template_version(found), "1.2.0");
	cr_expect_eq(template_find(txn, "card@2", &found, &err), FNR_E_NOT_FOUND);
	cr_expect(strstr(err.message, "1.2.0"), "it names the versions there are: %s", err.message);
	cr_expect_eq(template_find(txn, "crad", &found, &err), FNR_E_NOT_FOUND);
	cr_expect(strstr(err.suggestion, "card"), "%s", err.suggestion);
	cr_expect_eq(template_find(txn, "../x@1", &found, &err), FNR_E_NOT_FOUND);
	store_read_end(txn);

	write_file("shipped/card.yaml", "id: card\nversion: 1.2.0\nnonsense: 1\n");
	cr_expect_eq(load(&posts), 2);
	txn = store_read(store, NULL);
	cr_expect_eq(template_find(txn, "card", &found, &err), FNR_OK, "a broken file leaves the last good version in force");
	store_read_end(txn);

	cr_assert_eq(unlink("shipped/card.yaml"), 0);
	cr_expect_eq(load(&posts), 1);
	txn = store_read(store, NULL);
	cr_expect_eq(template_find(txn, "card", &found, &err), FNR_E_NOT_FOUND, "its file is gone");
	store_read_end(txn);
}

static int64_t resolved(const char *quality, const char *inputs, const char *name)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *given = fnr_json_parse(inputs, strlen(inputs), &err), *parameters;
	struct store_txn *txn = store_read(store, NULL);
	const struct template_ *found;
	char preset[80];
	int64_t value;

	cr_assert_eq(template_find(txn, "card", &found, &err), FNR_OK, "%s", err.message);
	parameters = parameters_resolve(txn, found, (enum fnr_quality)fnr_quality_parse(quality), given, preset, &err);
	cr_assert(parameters, "%s", err.message);
	value = fnr_json_get_int(parameters, name, -1);
	json_object_put(parameters);
	json_object_put(given);
	store_read_end(txn);
	return value;
}

Test(registry, parameters_merge_in_order)
{
	int posts;

	write_file("shipped/card.yaml", good);
	load(&posts);
	cr_expect_eq(resolved("high", "{}", "own"), 1, "the template's default");
	cr_expect_eq(resolved("high", "{}", "size"), 4, "the input's default");
	cr_expect_eq(resolved("high", "{}", "width"), 200, "the preset of the category");
	cr_expect_eq(resolved("draft", "{}", "width"), 2, "the category over the generic part");
	cr_expect_eq(resolved("draft", "{}", "height"), 10, "the template's own part over the category's");
	cr_expect_eq(resolved("draft", "{}", "size"), 2, "the template's own part over an input's default");
	cr_expect_eq(resolved("draft", "{\"size\":9}", "size"), 9, "the input over everything");
	cr_expect_eq(resolved("draft", "{\"size\":null}", "size"), 2, "null counts as not given");
	cr_expect_eq(resolved("draft", "{}", "stranger"), -1, "what the template does not know is not brought in");
	cr_expect_eq(resolved("low", "{}", "width"), 2, "the old name");
}

Test(registry, all_input_errors_at_once)
{
	static const char text[] = "{\"text\":\"too long\",\"size\":10,\"tone\":\"worm\",\"picture\":\"x.png\",\"txt\":1}";
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *inputs = fnr_json_parse(text, strlen(text), &err);
	const struct template_ *found;
	struct store_txn *txn;
	int posts;

	write_file("shipped/card.yaml", good);
	load(&posts);
	txn = store_read(store, NULL);
	cr_assert_eq(template_find(txn, "card", &found, &err), FNR_OK);
	cr_expect_eq(inputs_check(found, inputs, "/inputs", &err), FNR_E_INVALID);
	cr_expect_eq(json_object_array_length(err.errors), 5);
	cr_expect(strstr(fnr_json_text(err.errors, NULL), "did you mean 'warm'?"));
	cr_expect(strstr(fnr_json_text(err.errors, NULL), "did you mean 'text'?"));
	store_read_end(txn);
	json_object_put(inputs);
	fnr_error_clear(&err);
}
