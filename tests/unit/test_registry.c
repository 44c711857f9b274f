/* Templates: what is refused and why, the digest, finding by reference, the merge of parameters. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "registry/preset.h"
#include "schema/effort.h"
#include "schema/schema.h"
#include "store/ops.h"

static char folder[] = "/tmp/fnr-test-registry-XXXXXX";
static struct store *store;

static void setup(void)
{
	struct fnr_error err = FNR_ERROR_INIT;

	cr_assert(mkdtemp(folder));
	cr_assert_eq(setenv("FNR_SHARE", FNR_SOURCE "/share", 1), 0);
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
	"  - {id: draft, name: Draft, base: draft, version: 3,\n"
	"     parameters: {generic: {width: 1, stranger: 7}, image: {width: 4, height: 2}}}\n"
	"  - {id: standard, name: Standard, base: standard, version: 1, parameters: {}}\n"
	"  - {id: high, name: High, base: high, version: 1, parameters: {image: {width: 200, own: text, tone: hot}, card: {height: 77}}}\n"
	"  - {id: ultra, name: Ultra, base: ultra, version: 1, parameters: {image: {size: 4000, width: 4000}}}\n";

static int read_text(const char *text, struct template_version *out, struct fnr_error *err)
{
	struct json_object *source = fnr_yaml_parse(text, strlen(text), "t.yaml", err);
	int code;

	cr_assert(source, "%s", err->message);
	code = template_read(source, NULL, NULL, out, err);
	json_object_put(source);
	return code;
}

/* ---- what a template may cost ---- */

/* Checks each of which is bounded, a hundred times in one template: all of them share what one template may cost. */
static void costs_no_more(const char *text)
{
	const struct template_places nowhere = { NULL, NULL, NULL, NULL, NULL };
	struct template_draft *draft;
	struct effort effort;

	effort_begin(&effort);
	draft = template_draft_read(&(struct template_text){ "t.yaml", NULL, true, text, strlen(text) }, &nowhere);
	cr_expect_not(template_draft_sound(draft));
	cr_expect(strstr(fnr_json_text(template_draft_error(draft)->errors, NULL), "\"limit\""), "%s", template_draft_error(draft)->message);
	cr_expect(effort_spent());
	cr_expect_gt(effort.steps, -SCHEMA_STEPS, "%lld", (long long)effort.steps);
	effort_end(&effort);
	template_draft_free(draft);
}

Test(registry, examples_cost_no_more_than_a_template_may)
{
	struct fnr_buf text = FNR_BUF_INIT;

	fnr_buf_puts(&text, "id: a\nversion: 1.0.0\nname: A\ncategory: text\nbackend: {type: noop}\ninput_schema:\n  type: object\n"
	             "  properties: {a: {$ref: '#/$defs/d0'}}\n  $defs:\n    d40: {type: integer}\n");
	for (int i = 0; i < 40; i++)
		fnr_buf_printf(&text, "    d%d: {anyOf: [{$ref: '#/$defs/d%d'}, {$ref: '#/$defs/d%d'}]}\n", i, i + 1, i + 1);
	fnr_buf_puts(&text, "examples:\n");
	for (int i = 0; i < 100; i++)
		fnr_buf_puts(&text, "  - {inputs: {a: x}}\n");
	costs_no_more(text.data);
	fnr_buf_free(&text);
}

Test(registry, values_in_short_form_cost_no_more_than_a_template_may)
{
	struct fnr_buf text = FNR_BUF_INIT;

	fnr_buf_puts(&text, "id: a\nversion: 1.0.0\nname: A\ncategory: text\nbackend: {type: noop}\ninputs:\n  a: {type: array, items: {type: string, enum: [a");
	for (int i = 0; i < 20000; i++)
		fnr_buf_printf(&text, ", a%d", i);
	fnr_buf_puts(&text, "]}, default: [a");
	for (int i = 0; i < 20000; i++)
		fnr_buf_puts(&text, ", a19999");
	fnr_buf_puts(&text, "]}\n");
	costs_no_more(text.data);
	fnr_buf_free(&text);
	fnr_buf_puts(&text, "id: a\nversion: 1.0.0\nname: A\ncategory: text\nbackend: {type: noop}\ninputs:\n"
	             "  a: {type: array, items: {type: string, pattern: '^((a|aa)+!|a+)$'}, default: [a");
	for (int i = 0; i < 40000; i++)
		fnr_buf_puts(&text, ", aaaaaaaaaaaaaaaaaaaaaa");
	fnr_buf_puts(&text, "]}\n");
	costs_no_more(text.data);
	fnr_buf_free(&text);
}

/* ---- inputs as a whole JSON Schema ---- */

/* Each of the pointers is wrong, and nothing else. */
static void wrong_are(const char *more, const char *const *pointers, size_t count)
{
	static const char begin[] = "id: a\nversion: 1.0.0\nname: A\ncategory: text\nbackend: {type: noop}\n";
	struct fnr_error err = FNR_ERROR_INIT;
	struct template_version out;
	char text[2048];

	snprintf(text, sizeof text, "%s%s", begin, more);
	cr_expect_eq(read_text(text, &out, &err), FNR_E_INVALID, "%s", more);
	cr_assert(err.errors, "%s", more);
	cr_assert_eq(json_object_array_length(err.errors), count, "%s", fnr_json_text(err.errors, NULL));
	for (size_t i = 0; i < count; i++)
		cr_expect_str_eq(fnr_json_get_text(json_object_array_get_idx(err.errors, i), "pointer", ""), pointers[i]);
	fnr_error_clear(&err);
}

Test(registry, presets_and_variants_fit_the_schema_of_the_inputs)
{
	static const char text[] = "input_schema:\n  type: object\n  required: [a]\n  dependentRequired: {b: [a]}\n"
		"  properties: {a: {$ref: '#/$defs/d'}, b: {type: [string, 'null']}, c: {type: integer, multipleOf: 5}}\n  $defs: {d: {type: integer}}\n";
	static const char *const pointers[] = { "/presets/draft/a", "/presets/draft/c", "/variants/x/parameters/b" };
	struct fnr_error err = FNR_ERROR_INIT;
	struct template_version out;
	char more[1024];

	snprintf(more, sizeof more, "%spresets: {draft: {a: x, c: 7}, high: {b: alone, c: 10}}\nvariants: {x: {parameters: {b: 5}}}\n", text);
	wrong_are(more, pointers, 3);
	snprintf(more, sizeof more, "id: a\nversion: 1.0.0\nname: A\ncategory: text\nbackend: {type: noop}\n%spresets: {draft: {b: alone}, high: {a: 5, c: 10}}\n", text);
	cr_assert_eq(read_text(more, &out, &err), FNR_OK, "what other inputs there must be is nothing to a preset: %s", err.message);
	json_object_put(out.definition);
}

Test(registry, nothing_follows_from_a_schema_that_is_not_sound)
{
	static const char *const pointers[] = { "/input_schema/required" };

	wrong_are("input_schema: {type: object, properties: {a: {type: integer}}, required: a}\nexamples: [{inputs: {a: 1}}]\n"
	          "presets: {draft: {a: 1}}\nvariants: {x: {parameters: {a: 1}}}\n", pointers, 1);
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

Test(registry, examples_bring_no_files)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct template_version version;

	cr_assert_eq(read_text("id: cut\nversion: 1.0.0\nname: Cut\ncategory: video\ninputs:\n  film: {type: file, required: true}\n"
	                       "  stills: {type: array, items: {type: file}, required: true}\n  n: {type: integer, required: true}\n"
	                       "outputs: {film: {type: video}}\nexamples: [{inputs: {n: 1}}]\nbackend: {type: noop}\n", &version, &err), FNR_OK, "%s", err.message);
	cr_assert(fnr_json_get_bool(fnr_json_get(fnr_json_get(version.definition, "inputs"), "film"), "required", false), "a job has to");
	json_object_put(version.definition);
	cr_assert_neq(read_text("id: cut\nversion: 1.0.0\nname: Cut\ncategory: video\ninputs:\n  film: {type: file, required: true}\n"
	                        "  n: {type: integer, required: true}\noutputs: {film: {type: video}}\nexamples: [{inputs: {}}]\n"
	                        "backend: {type: noop}\n", &version, &err), FNR_OK);
	cr_assert_eq(json_object_array_length(err.errors), 1, "only what is no file is missing");
	fnr_error_clear(&err);
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
		{ "tags: [red, 1]\n", "/tags/1" },
		{ "description: [a]\n", "/description" },
		{ "timeout_s: soon\n", "/timeout_s" },
		{ "timeout_s: 1.5\n", "/timeout_s" },
		{ "timeout_s: 99999999\n", "/timeout_s" },
		{ "resources: {gpu: 0.5}\n", "/resources/gpu" },
		{ "resources: {cpu: one}\n", "/resources/cpu" },
		{ "retry: {max_attempts: 0}\n", "/retry/max_attempts" },
		{ "retry: {delay_s: 9, max_delay_s: 3}\n", "/retry/delay_s" },
		{ "retry: {resource: {max_attempts: 0}}\n", "/retry/resource/max_attempts" },
		{ "retry: {permanent: {max_attempts: 2}}\n", "/retry/permanent" },
		{ "retry: {unknown: {resource: {}}}\n", "/retry/unknown/resource" },
		{ "silence_s: 0\n", "/silence_s" },
		{ "errors: {}\n", "/errors" },
		{ "errors: [5]\n", "/errors/0" },
		{ "errors: [{when: {class: unknown}}]\n", "/errors/0/then" },
		{ "errors: [{when: {backend: script}, then: {class: transient}}]\n", "/errors/0/when" },
		{ "errors: [{when: {text: '('}, then: {class: transient}}]\n", "/errors/0/when/text" },
		{ "errors: [{when: {class: bad}, then: {class: worse}}]\n", "/errors/0/when/class" },
		{ "errors: [{when: {code: a}, then: {class: worse}}]\n", "/errors/0/then/class" },
		{ "errors: [{when: {code: a}, then: {code: 'A b'}}]\n", "/errors/0/then/code" },
		{ "errors: [{when: {code: a}, then: {retry_after_s: 100000}}]\n", "/errors/0/then/retry_after_s" },
		{ "stages: {execution: {weight: heavy}}\n", "/stages/execution/weight" },
		{ "stages: {execution: {message: 5}}\n", "/stages/execution/message" },
		{ "stages: {execution: 1}\n", "/stages/execution" },
		{ "examples: [{inputs: []}]\n", "/examples/0/inputs" },
		{ "examples: [7]\n", "/examples/0" },
		{ "examples: [{inputs: {text: a}, quality: best}]\n", "/examples/0/quality" },
		{ "examples: [{inputs: {text: a}, qualty: draft}]\n", "/examples/0/qualty" },
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

Test(registry, models_are_named_or_come_from_an_input)
{
	static const char text[] = "id: x\nversion: 1.0.0\nname: X\ncategory: text\nbackend: {type: noop}\ninputs: {style: {type: string}}\n"
		"models: [{category: checkpoints, name: a/b.safetensors}, {category: loras, parameter: style}]\n";
	struct fnr_error err = FNR_ERROR_INIT;
	struct template_version out;

	cr_assert_eq(read_text(text, &out, &err), FNR_OK, "%s", err.message);
	json_object_put(out.definition);
	fnr_error_clear(&err);
}

/* Those of a workflow that an input brings are found with it. */
Test(registry, a_workflow_tells_its_node_classes)
{
	static const char head[] = "id: x\nversion: 1.0.0\nname: X\ncategory: image\ninputs: {flow: {type: object}}\noutputs: {image: {type: image}}\n";
	static const struct { const char *backend, *nodes; } cases[] = {
		{ "{type: comfyui, workflow: {'1': {class_type: Save, inputs: {x: ['2', 0]}}, '2': {class_type: Load, inputs: {}}, '3': {class_type: Load, inputs: {}}}}",
		  "[\"Load\",\"Save\"]" },
		{ "{type: comfyui, workflow: {from: flow}}", NULL },
		{ "{type: noop}", NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;
		struct template_version out;
		struct json_object *nodes;
		char text[1024];

		snprintf(text, sizeof text, "%sbackend: %s\n", head, cases[i].backend);
		cr_assert_eq(read_text(text, &out, &err), FNR_OK, "%s: %s", text, err.message);
		nodes = fnr_json_get(out.definition, "nodes");
		cr_expect_eq(nodes != NULL, cases[i].nodes != NULL, "%s", cases[i].backend);
		if (nodes)
			cr_expect_str_eq(fnr_json_text(nodes, NULL), cases[i].nodes);
		json_object_put(out.definition);
		fnr_error_clear(&err);
	}
}

/* What the checks in words refuse, the schema that editors use refuses as well: they say the same. */
Test(registry, the_schema_says_the_same)
{
	static const char *const wrong[] = {
		"colour: red", "timeout_s: 0", "on_lost: panic", "resources: {cpu: -1}", "resources: {gpu: 0.5}", "stages: {dance: {weight: 1}}", "tags: red", "tags: [1]",
		"description: [a]", "timeout_s: soon", "retry: {max: 3}", "retry: {max_attempts: 0}", "retry: {unknown: {resource: {}}}", "errors: {}",
		"stages: {execution: {message: 5}}", "examples: [7]", "examples: [{qualty: draft}]", "presets: {draf: {}}", "presets: {draft: 5}",
		"outputs: {image: {type: picture}}", "outputs: {image: {}}", "outputs: {'a/b': {type: image}}", "inputs: {a: {type: text}}", "inputs: {a: {}}",
		"inputs: {a: {type: string, min: 1}}", "inputs: {a: {type: integer, max_length: 1}}", "inputs: {a: {type: string, requird: true}}",
		"inputs: {a: {type: file, default: x}}", "inputs: {a: {type: string, format: colour}}", "inputs: {a: {type: string, control: wheel}}",
		"category: picture", "id: Upper", "version: '1'", "name: ''", "backend: {}", "backend: {type: magic}", "backend: {type: noop, python: f.py}",
		"backend: {type: script}", "backend: {type: script, python: f.txt, class: A}", "backend: {type: script, command: []}",
	};
	struct schema *schema;
	struct fnr_error err = FNR_ERROR_INIT;
	struct template_version out;

	schema = schema_compile(template_schema(&err), NULL, &err);
	cr_assert(schema, "%s", err.message);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		static const char base[] = "{\"id\":\"x\",\"version\":\"1.0.0\",\"name\":\"X\",\"category\":\"text\",\"backend\":{\"type\":\"noop\"}}";
		struct json_object *source = fnr_json_parse(base, sizeof base - 1, NULL), *more = fnr_yaml_parse(wrong[i], strlen(wrong[i]), "t", &err);

		cr_assert(schema_fits(schema, source));
		cr_assert(more, "%s", wrong[i]);
		json_object_object_foreach(more, name, value)
			json_object_object_add(source, name, json_object_get(value));
		cr_expect_not(schema_fits(schema, source), "the schema takes %s", wrong[i]);
		cr_expect_eq(template_read(source, NULL, NULL, &out, NULL), FNR_E_INVALID, "the validator takes %s", wrong[i]);
		json_object_put(more);
		json_object_put(source);
	}
	schema_free(schema);
}

/* Members that the common template has already. */
Test(registry, refusals_of_the_main_members)
{
	static const struct { const char *id, *more, *pointer; } cases[] = {
		{ "x", "presets: {draf: {}}", "/presets/draf" },
		{ "x", "presets: {draft: 5}", "/presets/draft" },
		{ "x", "presets: {draft: {heigth: 5}}", "/presets/draft/heigth" },
		{ "x", "presets: {draft: {height: tall}}", "/presets/draft/height" },
		{ "x", "presets: {draft: {size: 99}}", "/presets/draft/size" },
		{ "x", "parameters2: {}", "/parameters2" },
		{ "x", "outputs: {image: {type: picture}}", "/outputs/image/type" },
		{ "x", "outputs: {image: {}}", "/outputs/image/type" },
		{ "x", "outputs: {image: image}", "/outputs/image" },
		{ "x", "outputs: {'a/b': {type: image}}", "/outputs/a~1b" },
		{ "x", "models: {}", "/models" },
		{ "x", "models: [sd15]", "/models/0" },
		{ "x", "models: [{category: checkpoints}]", "/models/0" },
		{ "x", "models: [{name: a}]", "/models/0/category" },
		{ "x", "models: [{category: a, name: b, parameter: size}]", "/models/0" },
		{ "x", "models: [{category: a, name: b}, {category: a, parameter: none}]", "/models/1" },
		{ "x", "models: [{category: a, name: b, file: c}]", "/models/0/file" },
		{ "x", "models: [{category: a, name: b, when: true}]", "/models/0/when" },
		{ "x", "models: [{category: a, name: b, when: 'none'}]", "/models/0/when" },
		{ "x", "models: [{category: a, name: b, when: '5'}]", "/models/0/when" },
		{ "x", "models: [{category: a, name: b, when: 'seed > 5'}]", "/models/0/when" },
		{ "X", "", "/id" }, { "'../x'", "", "/id" }, { "7", "", "/id" }, { "''", "", "/id" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;
		struct template_version out;
		char text[1024];

		snprintf(text, sizeof text, "id: %s\nversion: 1.0.0\nname: X\ncategory: text\nbackend: {type: noop}\n"
		         "inputs: {size: {type: integer, max: 9}}\nparameters: {height: 1}\n%s\n", cases[i].id, cases[i].more);
		cr_expect_eq(read_text(text, &out, &err), FNR_E_INVALID, "%s %s", cases[i].id, cases[i].more);
		cr_assert(err.errors, "%s", cases[i].more);
		cr_expect_str_eq(fnr_json_get_text(json_object_array_get_idx(err.errors, 0), "pointer", ""), cases[i].pointer);
		cr_expect_eq(json_object_array_length(err.errors), 1, "%s", fnr_json_text(err.errors, NULL));
		cr_expect_null(out.definition);
		fnr_error_clear(&err);
	}
}

Test(registry, everything_wrong_is_said_at_once)
{
	static const char text[] =
		"id: A b\nversion: 1\nname: ''\ncategory: picture\ncolour: x\ninputs: {a: {type: text}, b: {type: integer, min: 3, max: 1}}\n"
		"outputs: {o: {type: x}}\nparameters: {a: 1}\npresets: {draft: {zz: 1}}\nresources: {cpu: -1}\nqueue: q\n"
		"examples: [{inputs: {c: 1}}]\nbackend: {type: script, python: gone.py}\n";
	static const char *const pointers[] = {
		"/id", "/version", "/name", "/category", "/colour", "/inputs/a/type", "/inputs/b/min", "/outputs/o/type", "/parameters/a",
		"/presets/draft/zz", "/resources/cpu", "/queue", "/examples/0/inputs/c", "/backend/class",
	};
	struct fnr_error err = FNR_ERROR_INIT;
	struct template_version out;

	cr_expect_eq(read_text(text, &out, &err), FNR_E_INVALID);
	cr_expect_eq(json_object_array_length(err.errors), sizeof pointers / sizeof pointers[0], "%s", fnr_json_text(err.errors, NULL));
	for (size_t i = 0; i < sizeof pointers / sizeof pointers[0]; i++) {
		char member[64];

		snprintf(member, sizeof member, "\"pointer\":\"%s\"", pointers[i]);
		cr_expect(strstr(fnr_json_text(err.errors, NULL), member), "%s in %s", member, fnr_json_text(err.errors, NULL));
	}
	fnr_error_clear(&err);
	cr_expect_eq(read_text(text, &out, NULL), FNR_E_INVALID, "a NULL error is allowed");
}

/* Members that other checks rely on, missing or of another type. */
Test(registry, odd_shapes_are_refused_not_fatal)
{
	static const char *const texts[] = {
		"examples: [{inputs: {a: 1}}]", "inputs: []\nexamples: [{inputs: {a: 1}}]", "inputs: {a: 5}\npresets: {draft: {a: 1}}",
		"inputs: {a: {type: string, enum: {}}}\npresets: {draft: {a: x}}\nexamples: [{inputs: {a: x}}]", "presets: []", "parameters: 5\npresets: {draft: {a: 1}}",
		"stages: []", "resources: 1", "retry: x", "inputs: {a: {type: array, items: 5}}\npresets: {draft: {a: [1]}}", "examples: {}",
		"inputs: {a: {type: array, items: [string]}}", "inputs: {a: null}", "outputs: {a: null}", "presets: {draft: null}",
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;
		struct template_version out;
		char text[1024];

		snprintf(text, sizeof text, "id: x\nversion: 1.0.0\nname: X\ncategory: text\nbackend: {type: noop}\n%s\n", texts[i]);
		cr_expect_eq(read_text(text, &out, &err), FNR_E_INVALID, "%s", texts[i]);
		cr_expect_null(out.definition);
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
		"{type: script, python: f.py, class: A, command: [f.py]}", "noop", "{type: noop, python: f.py}",
		"{type: script, python: f.py, class: 9}", "{type: script, python: f.py, class: 'a b'}", "{type: script, python: f.txt, class: A}",
		"{type: script, command: [link]}", "{type: script, command: [folder]}", "{type: script, command: [fifo]}", "{type: script, command: [out/f.py]}",
		"{type: script, command: [f.py, 5]}", "{type: script, command: [./f.py]}", "{type: script, command: [f.py], class: A}",
		"{type: script, command: [f.py], files: [gone]}", "{type: script, command: [f.py], files: f.py}", "{type: script, command: ['a b']}",
	};

	write_file("f.py", "x");
	write_file("f.txt", "x");
	cr_assert_eq(symlink("f.py", "link"), 0);
	cr_assert_eq(symlink(".", "out"), 0);
	cr_assert_eq(mkdir("folder", 0700), 0);
	cr_assert_eq(mkfifo("fifo", 0600), 0);
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

/* ---- the class of a Python file ---- */

/* The warnings about class TitleCard of f.py, as JSON, or NULL; to free. */
static char *class_warning(const char *python)
{
	static const char text[] = "id: x\nversion: 1.0.0\nname: X\ncategory: text\nbackend: {type: script, python: f.py, class: TitleCard}\n";
	const struct template_places nowhere = { NULL, NULL, NULL, NULL, NULL };
	struct template_draft *draft;
	struct json_object *warnings;
	char *found = NULL;

	write_file("f.py", python);
	draft = template_draft_read(&(struct template_text){ "t.yaml", ".", true, text, sizeof text - 1 }, &nowhere);
	cr_expect(template_draft_sound(draft), "%s", template_draft_error(draft)->message);
	warnings = template_draft_warnings(draft);
	if (warnings)
		found = fnr_strdup(fnr_json_text(warnings, NULL));
	template_draft_free(draft);
	return found;
}

Test(registry, a_class_that_a_file_cannot_have_is_noticed)
{
	static const char *const bad[] = {
		"", "class Titlecard:\n    pass\n", "# class TitleCard:\n", "'class TitleCard: pass'\n", "\"\"\"\nclass TitleCard:\n    pass\n\"\"\"\n",
		"x = '''it's\nTitleCard'''", "x = 'it\\'s TitleCard'", "class TitleCards: pass", "class MyTitleCard: pass", "from titles import Card\n",
		"x = 2 * 3\nimport os\n", "x = r'\\d' # TitleCard", "x = \"", "x = '\\", "x = '''\\",
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char *warning = class_warning(bad[i]);

		cr_expect(warning && strstr(warning, "/backend/class") && strstr(warning, "has no class"), "%s: %s", bad[i], warning ? warning : "nothing");
		free(warning);
	}
}

Test(registry, the_class_that_may_be_meant_is_named)
{
	static const struct { const char *python, *named; } cases[] = {
		{ "class Titlecard(Base):\n    pass\n", "class: Titlecard" }, { "class One: pass\nclass TitelCard: pass\n", "class: TitelCard" },
		{ "class Other: pass\n", "class: Other" }, { "class One: pass\nclass Two: pass\n", "define it there" }, { "", "define it there" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *warning = class_warning(cases[i].python);

		cr_expect(warning && strstr(warning, cases[i].named), "%s: %s", cases[i].python, warning ? warning : "nothing");
		free(warning);
	}
}

/* However a class comes to its name. */
Test(registry, a_class_that_may_be_there_is_not_doubted)
{
	static const char *const texts[] = {
		"class TitleCard:\n    pass\n", "class TitleCard(Base, metaclass=Meta): pass", "if True:\n    class TitleCard: pass\n", "@register\nclass \\\n  TitleCard: pass",
		"from titles import TitleCard\n", "from titles import (\n    Other,\n    TitleCard,  # this one\n)\n", "from titles import Card as TitleCard", "import TitleCard",
		"from titles import *\n", "TitleCard = make('x')\n", "TitleCard: type = make('x')\n", "Other, TitleCard = make()\n", "for TitleCard in make(): pass",
		"globals()['Title' + 'Card'] = make()\n", "def __getattr__(name):\n    return make(name)\n", "setattr(sys.modules[__name__], 'Title' 'Card', make())",
		"exec(open(__file__ + '.txt').read())\n", "sys.modules[__name__].__dict__.update(make())\n", "x = \"#\"; TitleCard = make()\n", "x = f\"{y['a']}\"\nTitleCard = 1\n",
		"x = f\"{y[\"a\"]}\"\nTitleCard = make()\n", "x = \"no end\nTitleCard = make()\n", "\"\"\"it's\"\"\"\nTitleCard = 1\n", "\xef\xbc\xb4itleCard = make()\n",
		"\xef\xbb\xbf" "class TitleCard: pass\n", "x = rb'''\n\\'''\n'''\nclass TitleCard: pass\n", "x = ''\nclass TitleCard: pass\n",
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		char *warning = class_warning(texts[i]);

		cr_expect_null(warning, "%s: %s", texts[i], warning);
		free(warning);
	}
}

static void read_script(const char *backend, struct template_version *out)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *source;
	char text[512];

	snprintf(text, sizeof text, "id: x\nversion: 1.0.0\nname: X\ncategory: text\nbackend: %s\n", backend);
	source = fnr_yaml_parse(text, strlen(text), "t", &err);
	cr_assert_eq(template_read(source, "beside", "scripts", out, &err), FNR_OK, "%s", err.message);
	json_object_put(source);
}

Test(registry, files_belong_to_the_digest_and_are_kept)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct template_version a, b;
	char path[200], hex[70];
	struct stat info;

	cr_assert_eq(fnr_dir_make("beside/lib", 0700, NULL), FNR_OK);
	cr_assert_eq(fnr_dir_make("scripts", 0700, NULL), FNR_OK);
	write_file("beside/f.py", "import g");
	write_file("beside/g.py", "1");
	write_file("beside/lib/font.ttf", "F");
	write_file("scripts/tool", "#!/bin/sh\n");
	read_script("{type: script, python: f.py, class: A, files: [lib/font.ttf]}", &a);
	cr_expect_eq(json_object_object_length(fnr_json_get(a.definition, "files")), 3, "the file, the module beside it, the font");
	write_file("beside/g.py", "2");
	read_script("{type: script, python: f.py, class: A, files: [lib/font.ttf]}", &b);
	cr_expect_neq(memcmp(a.digest, b.digest, 32), 0, "a module is part of it");
	cr_expect_eq(template_store_files(&a, "beside", "scripts", &err), FNR_E_CONFLICT, "g.py is not any more what a says");
	fnr_error_clear(&err);
	cr_assert_eq(template_store_files(&b, "beside", "scripts", &err), FNR_OK, "%s", err.message);
	cr_assert_eq(template_store_files(&b, "beside", "scripts", &err), FNR_OK, "again is fine");
	snprintf(path, sizeof path, "blobs/templates/%s/lib/font.ttf", fnr_hex(b.digest, 32, hex));
	cr_expect_eq(stat(path, &info), 0);
	snprintf(path, sizeof path, "blobs/templates/%s", fnr_hex(a.digest, 32, hex));
	cr_expect_neq(stat(path, &info), 0, "nothing half-made stays");
	json_object_put(a.definition);
	json_object_put(b.definition);

	read_script("{type: script, command: [tool, g.py, --fast]}", &a);
	cr_expect_eq(json_object_object_length(fnr_json_get(a.definition, "files")), 2, "the program, the argument that is a file");
	cr_assert_eq(template_store_files(&a, "beside", "scripts", &err), FNR_OK, "%s", err.message);
	snprintf(path, sizeof path, "blobs/templates/%s/tool", fnr_hex(a.digest, 32, hex));
	cr_assert_eq(stat(path, &info), 0);
	cr_expect_eq(info.st_mode & 0777, 0700, "the program can be run");
	json_object_put(a.definition);
}

Test(registry, order_of_inputs_counts)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct template_version a, b;
	static const char head[] = "id: x\nversion: 1.0.0\nname: X\ncategory: text\nbackend: {type: noop}\n";
	char text[512];

	snprintf(text, sizeof text, "%sinputs: {a: {type: string}, b: {type: string}}\n", head);
	cr_assert_eq(read_text(text, &a, &err), FNR_OK);
	snprintf(text, sizeof text, "%sinputs: {b: {type: string}, a: {type: string}}\n", head);
	cr_assert_eq(read_text(text, &b, &err), FNR_OK);
	cr_expect_neq(memcmp(a.digest, b.digest, 32), 0, "it is the order on the page");
	json_object_put(a.definition);
	json_object_put(b.definition);
}

Test(registry, versions)
{
	static const struct { const char *text; int parts; } cases[] = {
		{ "1", 1 }, { "1.2", 2 }, { "1.2.3", 3 }, { "0.0.0", 3 }, { "10.20.30", 3 }, { "", 0 }, { "v1", 0 }, { "1.", 0 }, { "1..2", 0 },
		{ "1.2.3.4", 0 }, { "01.0.0", 0 }, { "1.0.0-a", 0 }, { "-1", 0 }, { "99999999999", 0 }, { " 1", 0 },
	};
	struct store_version version;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_expect_eq(template_version_parse(cases[i].text, &version), cases[i].parts, "'%s'", cases[i].text);
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
	cr_expect_eq(posts, 6, "four presets, one template, the end; %d", posts);
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
	cr_expect_eq(store_meta_get(txn, STORE_META_TEMPLATES), 2);
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

/* ---- a thousand reloads, with readers all the while ---- */

#define RELOADS 1000
#define READERS 2

static void write_whole(int n)
{
	char *text = fnr_asprintf("id: whole\nversion: 1.0.0\nname: n%d\ndescription: n%d\ncategory: text\ntags: [n%d]\n"
	                          "inputs: {a%d: {type: string, default: n%d}}\nbackend: {type: noop}\n", n, n, n, n, n);

	write_file("templates/whole.yaml", text);
	free(text);
}

static bool whole_card(const char *id, struct store_version version, const uint8_t digest[32], const struct store_card *card, void *context)
{
	const struct template_ *found = context;
	char hex[FNR_SHA256_TEXT];

	(void)version;
	if (strcmp(id, "whole") != 0)
		return true;
	if (strcmp(fnr_hex(digest, 32, hex), template_digest(found)) != 0 || strcmp(card->name, card->description) != 0 || strcmp(card->name, card->tags) != 0 ||
	    strcmp(card->name, fnr_json_get_text(template_definition(found), "name", "")) != 0)
		_exit(3);
	return false;
}

/* The number of the version that is in force, each part of which has to be of the same. */
static int look_at_whole(struct store *own)
{
	struct store_txn *txn = store_read(own, NULL);
	const struct template_ *found;
	struct json_object *definition;
	struct fnr_buf text = FNR_BUF_INIT;
	char input[32], line[40];
	const char *name;
	bool yaml;

	if (!txn || template_find(txn, "whole@1", &found, NULL) != FNR_OK)
		_exit(1);
	definition = template_definition(found);
	name = fnr_json_get_text(definition, "name", "n-1");
	snprintf(input, sizeof input, "a%s", name + 1);
	snprintf(line, sizeof line, "name: %s\n", name);
	if (strcmp(fnr_json_get_text(definition, "description", ""), name) != 0 ||
	    strcmp(fnr_json_get_text(fnr_json_get(fnr_json_get(definition, "inputs"), input), "default", ""), name) != 0 ||
	    !fnr_json_get(fnr_json_get(template_input_schema(found), "properties"), input) ||
	    strcmp(fnr_json_get_text(definition, "digest", ""), template_digest(found)) != 0 ||
	    store_template_text_get(txn, "whole", (struct store_version){ 1, 0, 0 }, &yaml, &text) != FNR_OK || !strstr(text.data, line))
		_exit(2);
	store_cards(txn, NULL, whole_card, (void *)(uintptr_t)found);
	store_read_end(txn);
	fnr_buf_free(&text);
	return atoi(name + 1);
}

static void read_on(int started)
{
	struct store *own;
	int last = 0, now;

	if (store_open(&own, false, NULL) != FNR_OK)
		_exit(4);
	now = look_at_whole(own);
	if (write(started, "", 1) != 1)
		_exit(5);
	for (bool stop = false; !stop; last = now) {
		stop = access("stop", F_OK) == 0;
		now = look_at_whole(own);
		if (now < last)
			_exit(6);
	}
	_exit(last == RELOADS ? 0 : 7);
}

/* No process may have the store of another open: readers are forked while it is closed. */
static void fork_readers(int started)
{
	store_close(store);
	for (int i = 0; i < READERS; i++)
		if (fork() == 0)
			read_on(started);
	cr_assert_eq(store_open(&store, true, NULL), FNR_OK);
}

Test(registry, readers_see_whole_versions_in_a_thousand_reloads, .timeout = 600)
{
	const char *const folders[] = { "shipped", "templates" };
	struct fnr_error err = FNR_ERROR_INIT;
	struct registry *registry;
	int posts, status, started[2];
	char byte;

	fnr_log_init("test", FNR_LOG_ERROR);
	write_whole(0);
	load(&posts);
	cr_assert_eq(pipe(started), 0);
	fork_readers(started[1]);
	for (int i = 0; i < READERS; i++)
		cr_assert_eq(read(started[0], &byte, 1), 1);
	registry = registry_open(store, folders, 2, "presets.yaml", false, post, &posts);
	posts = 0;
	for (int n = 1; n <= RELOADS; n++) {
		write_whole(n);
		cr_assert_eq(registry_look(registry, false, &err), 0, "%s", err.message);
	}
	cr_expect_geq(posts, RELOADS, "each was put in force");
	write_file("stop", "");
	for (int i = 0; i < READERS; i++) {
		cr_assert(wait(&status) > 0);
		cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d", status);
	}
	registry_close(registry);
}

static bool there(const char *reference)
{
	struct store_txn *txn = store_read(store, NULL);
	const struct template_ *found;
	bool result = template_find(txn, reference, &found, NULL) == FNR_OK;

	store_read_end(txn);
	return result;
}

#define MINIMAL(id, version) "id: " id "\nversion: " version "\nname: X\ncategory: text\nbackend: {type: noop}\n"

Test(registry, which_files_are_templates)
{
	int posts;

	cr_assert_eq(fnr_dir_make("templates/a/b/c/d", 0700, NULL), FNR_OK);
	write_file("templates/flat.yml", MINIMAL("flat", "1.0.0"));
	write_file("templates/flat.json", "{\"id\":\"json\",\"version\":\"1.0.0\",\"name\":\"X\",\"category\":\"text\",\"backend\":{\"type\":\"noop\"}}");
	write_file("templates/a/b/c/deep.yaml", MINIMAL("deep", "1.0.0"));
	write_file("templates/a/b/c/d/deeper.yaml", MINIMAL("deeper", "1.0.0"));
	write_file("templates/.hidden.yaml", MINIMAL("hidden", "1.0.0"));
	write_file("templates/notes.txt", "x");
	write_file("templates/a/workflow.json", "{\"3\":{\"class_type\":\"KSampler\"}}");
	write_file("templates/a/list.json", "[1]");
	cr_expect_eq(load(&posts), 0, "a workflow and data are no templates");
	cr_expect(there("flat") && there("json") && there("deep"));
	cr_expect(!there("deeper") && !there("hidden"));
	write_file("templates/no_id.yaml", "name: x\n");
	write_file("templates/empty.yaml", "");
	write_file("templates/list.yaml", "[1, 2]");
	write_file("templates/not.json", "{");
	write_file("templates/half.json", "{\"id\":\"half\"}");
	write_file("templates/same.yaml", MINIMAL("flat", "1.0.0"));
	cr_expect_eq(load(&posts), 6);
	cr_expect(there("flat") && there("json") && there("deep"));
}

Test(registry, what_a_file_has_stays_until_it_is_known_to_be_gone)
{
	int posts;

	cr_assert_eq(fnr_dir_make("templates/sub", 0700, NULL), FNR_OK);
	write_file("templates/sub/a.yaml", MINIMAL("one", "1.0.0"));
	write_file("templates/b.yaml", MINIMAL("two", "1.0.0"));
	cr_expect_eq(load(&posts), 0);

	cr_assert_eq(rename("templates/b.yaml", "templates/c.yaml"), 0);
	cr_expect_eq(load(&posts), 0);
	cr_expect_eq(posts, 2, "its new place is stored, and the end; %d", posts);
	write_file("templates/c.yaml", "id: two\nbroken\n");
	cr_expect_eq(load(&posts), 1);
	cr_expect(there("two@1.0.0"), "broken in its new place: the last good one stays");
	write_file("templates/c.yaml", MINIMAL("two", "1.1.0"));
	cr_expect_eq(load(&posts), 0);
	cr_expect(there("two@1.1") && !there("two@1.0"), "the file now holds another version");

	if (geteuid() != 0) {
		cr_assert_eq(chmod("templates/sub", 0), 0);
		cr_expect_eq(load(&posts), 1);
		cr_expect(there("one"), "nobody can say whether it is gone");
		cr_assert_eq(chmod("templates/sub", 0700), 0);
	}
	cr_assert_eq(rename("shipped", "elsewhere"), 0);
	cr_expect_eq(load(&posts), 1, "the shipped ones cannot be gone");
	cr_assert_eq(rename("elsewhere", "shipped"), 0);
	fnr_tree_remove("templates", NULL);
	cr_expect_eq(load(&posts), 0, "an operator may have none");
	cr_expect(!there("one") && !there("two"));
}

Test(registry, broken_presets_leave_the_good_ones)
{
	const char *const folders[] = { "shipped", "templates" };
	struct fnr_error err = FNR_ERROR_INIT;
	int posts = 0;

	write_file("bad.yaml", "presets: [{id: draft, base: fast, parameters: {image: 5}}]\n");
	write_file("shipped/x.yaml", MINIMAL("x", "1.0.0"));
	cr_expect_lt(registry_load(store, folders, 2, "bad.yaml", post, &posts, &err), 0, "a tier would be without preset");
	cr_expect(strstr(err.message, "bad.yaml"), "%s", err.message);
	cr_expect_lt(registry_load(store, folders, 2, "none.yaml", post, &posts, &err), 0);
	cr_expect_eq(posts, 0);
	cr_expect_eq(load(&posts), 0);
	posts = 0;
	cr_expect_eq(registry_load(store, folders, 2, "bad.yaml", post, &posts, &err), 1, "those that are stored stay in force");
	cr_expect(there("x"));
}

Test(registry, the_shipped_files_are_sound)
{
	const char *const folders[] = { FNR_SOURCE "/templates", "templates" };
	static const char *const qualities[] = { "draft", "standard", "high", "ultra" };
	static const char *const categories[] = { "image", "video", "audio", "text", "generic" };
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn;
	int posts = 0;

	cr_expect_eq(registry_load(store, folders, 2, FNR_SOURCE "/share/presets.yaml", post, &posts, &err), 0, "%s", err.message);
	cr_expect(there("noop") && there("create_title_card@1"));
	txn = store_read(store, NULL);
	for (size_t i = 0; i < 4; i++) {
		struct fnr_buf text = FNR_BUF_INIT;
		struct json_object *preset;

		cr_assert_eq(store_preset_get(txn, qualities[i], &text), FNR_OK);
		preset = fnr_json_parse(text.data, text.len, &err);
		cr_expect(fnr_json_get_bool(preset, "builtin", false));
		cr_expect_eq(fnr_json_get_int(preset, "level", 0), (int64_t)i + 1);
		for (size_t j = 0; j < 5; j++)
			cr_expect(fnr_json_get(fnr_json_get(preset, "parameters"), categories[j]), "%s %s", qualities[i], categories[j]);
		json_object_put(preset);
		fnr_buf_free(&text);
	}
	store_read_end(txn);
}

static int64_t resolved(const char *quality, const char *inputs, const char *name)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *given = fnr_json_parse(inputs, strlen(inputs), &err), *parameters;
	struct store_txn *txn = store_read(store, NULL);
	const struct template_ *found;
	const struct preset *preset;
	int64_t value;

	cr_assert_eq(template_find(txn, "card", &found, &err), FNR_OK, "%s", err.message);
	cr_assert_eq(preset_find(txn, quality, NULL, &preset, &err), FNR_OK, "%s", err.message);
	parameters = parameters_resolve(found, preset, given, NULL);
	value = fnr_json_get_int(parameters, name, -1);
	json_object_put(parameters);
	json_object_put(given);
	store_read_end(txn);
	return value;
}

/* As JSON text, or "none". */
static void models_at(const char *quality, char out[128])
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *none = json_object_new_object(), *parameters, *models;
	struct store_txn *txn = store_read(store, NULL);
	const struct template_ *found;
	const struct preset *preset;

	cr_assert_eq(template_find(txn, "enlarge", &found, &err), FNR_OK, "%s", err.message);
	cr_assert_eq(preset_find(txn, quality, NULL, &preset, &err), FNR_OK, "%s", err.message);
	parameters = parameters_resolve(found, preset, none, NULL);
	models = template_models(found, preset, parameters);
	snprintf(out, 128, "%s", models ? fnr_json_text(models, NULL) : "none");
	json_object_put(models);
	json_object_put(parameters);
	json_object_put(none);
	store_read_end(txn);
}

Test(registry, models_are_needed_on_a_condition)
{
	char models[128];
	int posts;

	write_file("shipped/enlarge.yaml", "id: enlarge\nversion: 1.0.0\nname: Enlarge\ncategory: image\nbackend: {type: noop}\nparameters: {use: true}\n"
		"presets: {draft: {use: false}, standard: {use: false}}\n"
		"models: [{category: up, name: a, when: use}, {category: up, name: b, when: \"quality == 'draft'\"}]\n");
	load(&posts);
	models_at("draft", models);
	cr_expect_str_eq(models, "[\"up/b\"]");
	models_at("standard", models);
	cr_expect_str_eq(models, "none");
	models_at("high", models);
	cr_expect_str_eq(models, "[\"up/a\"]");
}

Test(registry, parameters_merge_in_order)
{
	int posts;

	write_file("shipped/card.yaml", good);
	load(&posts);
	cr_expect_eq(resolved("high", "{}", "own"), 1, "the template's default");
	cr_expect_eq(resolved("high", "{}", "size"), 4, "the input's default");
	cr_expect_eq(resolved("high", "{}", "width"), 200, "the preset of the category");
	cr_expect_eq(resolved("draft", "{}", "width"), 4, "the category over the generic part");
	cr_expect_eq(resolved("draft", "{}", "height"), 10, "the template's own part over the category's");
	cr_expect_eq(resolved("draft", "{}", "size"), 2, "the template's own part over an input's default");
	cr_expect_eq(resolved("draft", "{\"size\":9}", "size"), 9, "the input over everything");
	cr_expect_eq(resolved("draft", "{\"size\":null}", "size"), 2, "null counts as not given");
	cr_expect_eq(resolved("draft", "{}", "stranger"), -1, "what the template does not know is not brought in");
	cr_expect_eq(resolved("low", "{}", "width"), 4, "the old name");
	cr_expect_eq(resolved("high", "{}", "height"), 77, "the preset's part for this template");
	cr_expect_eq(resolved("high", "{}", "own"), 1, "a preset's value of another type is not taken");
	cr_expect_eq(resolved("ultra", "{}", "size"), 9, "a preset's number beyond what the input takes");
	cr_expect_eq(resolved("ultra", "{\"size\":3}", "size"), 3);
	cr_expect_eq(resolved("standard", "{}", "width"), 100);
}

static struct json_object *derived(struct store_txn *txn, const char *base, const char *json)
{
	struct json_object *source = fnr_json_parse(json, strlen(json), NULL), *record;
	const struct preset *preset;

	cr_assert_eq(preset_find(txn, base, NULL, &preset, NULL), FNR_OK);
	record = preset_make("mine", source, preset);
	fnr_json_set_int(record, "version", 1);
	json_object_put(source);
	return record;
}

Test(registry, every_value_has_an_origin)
{
	static const char given[] = "{\"text\":\"x\",\"tone\":null}";
	struct json_object *inputs = fnr_json_parse(given, strlen(given), NULL), *origins = json_object_new_object(), *record, *parameters;
	struct preset preset;
	const struct template_ *found;
	struct store_txn *txn;
	int posts;

	write_file("shipped/card.yaml", good);
	load(&posts);
	txn = store_read(store, NULL);
	cr_assert_eq(template_find(txn, "card", &found, NULL), FNR_OK);
	record = derived(txn, "draft", "{\"name\":\"Mine\",\"parameters\":{\"card\":{\"own\":5},\"image\":{\"tone\":\"cold\"}}}");
	cr_assert(preset_read(record, &preset));
	parameters = parameters_resolve(found, &preset, inputs, origins);
	cr_expect_str_eq(fnr_json_text(parameters, NULL), "{\"width\":4,\"height\":10,\"own\":5,\"size\":2,\"tone\":\"cold\",\"text\":\"x\"}");
	cr_expect_str_eq(fnr_json_text(origins, NULL), "{\"width\":\"preset\",\"height\":\"template\",\"own\":\"preset\",\"size\":\"template\","
	                 "\"tone\":\"preset\",\"text\":\"input\"}");
	for (int i = 0; i < 3; i++) {
		struct json_object *again = parameters_resolve(found, &preset, inputs, NULL);

		cr_expect(json_object_equal(parameters, again), "the same arguments, the same result");
		json_object_put(again);
	}
	json_object_put(parameters);
	json_object_put(origins);
	json_object_put(inputs);
	json_object_put(record);
	store_read_end(txn);
}

Test(registry, compatibility_has_reasons)
{
	static const struct { const char *preset, *code, *parameter; bool compatible; } cases[] = {
		{ "{\"parameters\":{\"card\":{\"nose\":1}}}", "unknown_parameter", "nose", false },
		{ "{\"parameters\":{\"card\":{\"tone\":\"hot\"}}}", "value_refused", "tone", false },
		{ "{\"parameters\":{\"image\":{\"tone\":\"hot\"}}}", "value_refused", "tone", true },
		{ "{\"parameters\":{\"image\":{\"size\":99}}}", "value_adapted", "size", true },
		{ "{\"parameters\":{\"image\":{\"size\":9}}}", NULL, NULL, true },
		{ "{\"parameters\":{\"video\":{\"size\":\"?\"}}}", NULL, NULL, true },
	};
	const struct template_ *found;
	struct store_txn *txn;
	int posts;

	write_file("shipped/card.yaml", good);
	load(&posts);
	txn = store_read(store, NULL);
	cr_assert_eq(template_find(txn, "card", &found, NULL), FNR_OK);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct json_object *record = derived(txn, "standard", cases[i].preset), *answer, *reason;
		struct preset preset;

		cr_assert(preset_read(record, &preset));
		answer = preset_compatibility(found, &preset);
		reason = json_object_array_get_idx(fnr_json_get(answer, "reasons"), 0);
		cr_expect_eq(fnr_json_get_bool(answer, "compatible", !cases[i].compatible), cases[i].compatible, "%s", cases[i].preset);
		if (cases[i].code) {
			cr_expect_str_eq(fnr_json_get_text(reason, "code", ""), cases[i].code, "%s", cases[i].preset);
			cr_expect_str_eq(fnr_json_get_text(reason, "parameter", ""), cases[i].parameter);
		} else {
			cr_expect(!reason || strcmp(fnr_json_get_text(reason, "code", ""), "no_effect") == 0, "%s", fnr_json_text(answer, NULL));
		}
		json_object_put(answer);
		json_object_put(record);
	}
	store_read_end(txn);
}

Test(registry, resources_grow_with_the_quality)
{
	static const char definition[] = "{\"resources\":{\"cpu\":2,\"memory_mb\":1001,\"gpu\":1,\"vram_mb\":8000,\"disk_mb\":5}}";
	static const char record[] = "{\"base\":\"draft\",\"scaling\":{\"cpu\":0.5,\"memory\":0.6,\"vram\":0.7}}";
	struct json_object *source = fnr_json_parse(record, strlen(record), NULL), *template_ = fnr_json_parse(definition, strlen(definition), NULL), *resources;
	struct preset preset;

	cr_assert(preset_read(source, &preset));
	resources = preset_resources(template_, &preset);
	cr_expect_eq(fnr_json_get_real(resources, "cpu", 0), 1);
	cr_expect_eq(fnr_json_get_int(resources, "memory_mb", 0), 601);
	cr_expect_eq(fnr_json_get_int(resources, "vram_mb", 0), 5600);
	cr_expect_eq(fnr_json_get_int(resources, "gpu", 0), 1);
	cr_expect_eq(fnr_json_get_int(resources, "disk_mb", 0), 5);
	json_object_put(resources);
	resources = preset_resources(template_, NULL);
	cr_expect(json_object_equal(resources, fnr_json_get(template_, "resources")));
	json_object_put(resources);
	json_object_put(template_);
	json_object_put(source);
}

Test(registry, all_input_errors_at_once)
{
	static const char text[] = "{\"text\":\"too long\",\"size\":10,\"tone\":\"worm\",\"picture\":\"x.png\",\"txt\":1}";
	struct fnr_error more = FNR_ERROR_INIT;
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
	for (int i = 0; i < 1000; i++)
		cr_expect_eq(inputs_check(found, inputs, "", &more), FNR_E_INVALID);
	cr_expect_leq(json_object_array_length(more.errors), 110, "a batch of a thousand wrong jobs is not told everything");
	store_read_end(txn);
	json_object_put(inputs);
	fnr_error_clear(&err);
	fnr_error_clear(&more);
}

/* ---- files ---- */

static void put_upload(struct fnr_id *id, const char *media_type)
{
	struct store_upload upload = { .bytes = 5, .created_at = 1 };
	struct store_txn *txn = store_write(store, NULL);

	upload.id = *id = fnr_id_random();
	snprintf(upload.media_type, sizeof upload.media_type, "%s", media_type);
	cr_assert_eq(store_upload_put(txn, &upload, NULL), FNR_OK);
	cr_assert_eq(store_commit(txn, NULL), FNR_OK);
}

static void put_take(void)
{
	struct store_txn *txn = store_write(store, NULL);
	uint32_t project = store_name_make(txn, STORE_PROJECT, "demo", NULL), shot = store_name_make(txn, STORE_SHOT, "s1", NULL);

	cr_assert_eq(store_take_put(txn, project, shot, 2, "{}", NULL), FNR_OK);
	cr_assert_eq(store_commit(txn, NULL), FNR_OK);
}

static bool may_not(const char *project, void *context)
{
	return strcmp(project, context) != 0;
}

Test(registry, files_must_be_there_and_fit)
{
	static const char template_[] =
		"id: f\nversion: 1.0.0\nname: F\ncategory: image\nbackend: {type: noop}\n"
		"inputs: {p: {type: file, media: [image/*, audio/wav]}, list: {type: array, items: {type: file}}, any: {type: any}}\n";
	struct fnr_id picture, film, ids[4];
	char picture_text[FNR_ID_TEXT], film_text[FNR_ID_TEXT], text[512];
	const struct template_ *found;
	struct store_txn *txn;
	int posts;

	write_file("shipped/f.yaml", template_);
	load(&posts);
	put_upload(&picture, "image/png");
	put_upload(&film, "video/mp4");
	put_take();
	fnr_id_format(&picture, picture_text);
	fnr_id_format(&film, film_text);
	const struct { const char *format, *id, *rule, *pointer; bool may; } cases[] = {
		{ "{\"p\":\"upload:%s\"}", picture_text, NULL, NULL, true },
		{ "{\"p\":\"upload:%s\"}", film_text, "media", "/i/p", true },
		{ "{\"list\":[\"upload:%s\",\"upload:01980000-0000-7000-8000-000000000000\"]}", film_text, "unknown_upload", "/i/list/1", true },
		{ "{\"any\":\"upload:%s\"}", film_text, NULL, NULL, true },
		{ "{\"p\":\"take:demo/s1/2/%s.png\"}", "a", NULL, NULL, true },
		{ "{\"p\":\"take:demo/s1/2/%s.mp4\"}", "a", "media", "/i/p", true },
		{ "{\"p\":\"take:demo/s1/3/%s.png\"}", "a", "unknown_take", "/i/p", true },
		{ "{\"p\":\"take:nope/s1/2/%s.png\"}", "a", "unknown_take", "/i/p", true },
		{ "{\"p\":\"take:demo/s1/2/%s.png\"}", "a", "unknown_take", "/i/p", false },
	};
	txn = store_read(store, NULL);
	cr_assert_eq(template_find(txn, "f", &found, NULL), FNR_OK);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;
		struct json_object *inputs;

		snprintf(text, sizeof text, cases[i].format, cases[i].id);
		inputs = fnr_json_parse(text, strlen(text), &err);
		cr_expect_eq(inputs_check(found, inputs, "/i", &err), FNR_OK, "%s", text);
		inputs_check_files(txn, found, inputs, "/i", cases[i].may ? NULL : may_not, NULL, (char[]){ "demo" }, &err);
		if (cases[i].rule) {
			struct json_object *entry = err.errors ? json_object_array_get_idx(err.errors, 0) : NULL;

			cr_expect_str_eq(fnr_json_get_text(entry, "rule", ""), cases[i].rule, "%s", text);
			cr_expect_str_eq(fnr_json_get_text(entry, "pointer", ""), cases[i].pointer);
		} else {
			cr_expect_eq(err.code, FNR_OK, "%s: %s", text, err.message);
		}
		json_object_put(inputs);
		fnr_error_clear(&err);
	}
	snprintf(text, sizeof text, "{\"p\":\"upload:%s\",\"list\":[\"upload:%s\",\"upload:%s\"],\"any\":\"upload:%s\"}", picture_text, film_text, picture_text, film_text);
	struct json_object *inputs = fnr_json_parse(text, strlen(text), NULL);
	cr_expect_eq(inputs_uploads(found, inputs, ids, 4), 2, "each once, and only where files are expected");
	cr_expect_eq(inputs_uploads(found, inputs, ids, 1), 2, "how many there are, whatever the room");
	cr_expect_eq(inputs_uploads(found, NULL, ids, 4), 0);
	json_object_put(inputs);
	store_read_end(txn);
}
