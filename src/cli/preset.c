/* fnr preset: the quality levels, those that ship and those of one's own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/yaml.h"
#include "cli/ask.h"
#include "cli/cli.h"

#define FILE_MOST (1u << 20)

static struct {
	struct list set, inputs;
	const char *base, *id, *name, *description, *file, *output, *conflict, *use_case, *presets, *seconds, *cost, *vram;
	bool shared, unshared, yaml;
} options;

/* ---- showing ---- */

static void print_row(struct json_object *preset)
{
	const char *base = fnr_json_get_bool(preset, "builtin", false) ? NULL : fnr_json_get_text(preset, "base", NULL);

	printf("%-20s level %-3lld %s%s%s%s\n", fnr_json_get_text(preset, "id", ""), (long long)fnr_json_get_int(preset, "level", 0),
	       base ? "from " : "", base ? base : "", base ? "  " : "", fnr_json_get_text(preset, "description", fnr_json_get_text(preset, "name", "")));
}

static void print_preset(struct json_object *preset)
{
	json_object_object_foreach(preset, name, value)
		if (value && strcmp(name, "inherited") != 0)
			ask_line(preset, name, name);
}

static void print_estimate(struct json_object *estimate)
{
	printf("about %.3g s (%.3g to %.3g), cost %.3g, confidence %.2g", fnr_json_get_real(estimate, "seconds", 0), fnr_json_get_real(estimate, "seconds_low", 0),
	       fnr_json_get_real(estimate, "seconds_high", 0), fnr_json_get_real(estimate, "cost", 0), fnr_json_get_real(estimate, "confidence", 0));
}

static void print_messages(struct json_object *reasons)
{
	for (size_t i = 0; i < ask_count(reasons); i++)
		printf("  %s\n", fnr_json_get_text(json_object_array_get_idx(reasons, i), "message", ""));
}

static void print_resolved(struct json_object *use)
{
	struct json_object *origins = fnr_json_get(use, "origins");

	json_object_object_foreach(fnr_json_get(use, "parameters"), name, value)
		printf("%-20s %-9s %s\n", name, fnr_json_get_text(origins, name, ""), fnr_json_text(value, NULL));
	printf("resources            %s\ntakes                ", fnr_json_text(fnr_json_get(use, "resources"), NULL));
	print_estimate(fnr_json_get(use, "estimate"));
	printf("\n");
	print_messages(fnr_json_get(fnr_json_get(use, "compatibility"), "reasons"));
}

static void print_compared(struct json_object *comparison)
{
	struct json_object *items = fnr_json_get(comparison, "items"), *differs = fnr_json_get(comparison, "differs");

	for (size_t i = 0; i < ask_count(items); i++) {
		struct json_object *item = json_object_array_get_idx(items, i);

		printf("%-20s ", fnr_json_get_text(item, "id", ""));
		print_estimate(fnr_json_get(item, "estimate"));
		for (size_t k = 0; k < ask_count(differs); k++) {
			const char *name = json_object_get_string(json_object_array_get_idx(differs, k));

			printf("%s%s %s", k ? ", " : "\n                     ", name, fnr_json_text(fnr_json_get(fnr_json_get(item, "parameters"), name), NULL));
		}
		printf("\n");
	}
}

static void print_recommended(struct json_object *answer)
{
	struct json_object *others = fnr_json_get(answer, "alternatives");

	printf("%s%s: ", fnr_json_get_text(answer, "preset", ""), fnr_json_get_bool(answer, "fits", true) ? "" : " (nothing fits; this comes nearest)");
	print_estimate(fnr_json_get(answer, "estimate"));
	printf("\n");
	print_messages(fnr_json_get(answer, "reasons"));
	for (size_t i = 0; i < ask_count(others); i++) {
		printf("%s %s\n", i ? "  " : "or", fnr_json_get_text(json_object_array_get_idx(others, i), "preset", ""));
		print_messages(fnr_json_get(json_object_array_get_idx(others, i), "reasons"));
	}
}

static int list(int count, char **operands)
{
	(void)count, (void)operands;
	return ask_list(ASK_PATH("presets", NULL), 0, NULL, print_row, "no presets");
}

static int show(int count, char **operands)
{
	(void)count;
	return ask_show(ASK_PATH("presets/{}", operands[0]), print_preset);
}

/* ---- making ---- */

/* What the text means: JSON where it is some, else text. */
static struct json_object *value_of(const char *text)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value = fnr_json_parse(text, strlen(text), &err);
	bool is_json = err.code == FNR_OK;

	fnr_error_clear(&err);
	return is_json ? value : json_object_new_string(text);
}

/* "image.width=1600" into {"image": {"width": 1600}}. False after saying what is wrong. */
static bool set_parameter(struct json_object *parameters, const char *given)
{
	const char *equals = strchr(given, '='), *dot = equals ? memchr(given, '.', (size_t)(equals - given)) : NULL;
	struct json_object *part;
	char *name, *parameter;

	if (!dot || dot == given || dot + 1 == equals) {
		usage_error(&command_preset, "'%s' is not PART.NAME=VALUE; a part is generic, a category or a template", given);
		return false;
	}
	name = fnr_memdup0(given, (size_t)(dot - given));
	parameter = fnr_memdup0(dot + 1, (size_t)(equals - dot - 1));
	part = fnr_json_get(parameters, name);
	if (!part)
		json_object_object_add(parameters, name, part = json_object_new_object());
	json_object_object_add(part, parameter, value_of(equals + 1));
	free(name);
	free(parameter);
	return true;
}

/* What the options say, over `preset`. */
static bool apply(struct json_object *preset)
{
	struct json_object *parameters = fnr_json_get(preset, "parameters");
	bool good = true;

	if (options.base)
		fnr_json_set_text(preset, "base", options.base);
	if (options.name)
		fnr_json_set_text(preset, "name", options.name);
	if (options.description)
		fnr_json_set_text(preset, "description", options.description);
	if (options.shared || options.unshared)
		fnr_json_set_bool(preset, "shared", options.shared);
	if (options.set.count && !parameters)
		fnr_json_set(preset, "parameters", parameters = json_object_new_object());
	for (size_t i = 0; i < options.set.count && good; i++)
		good = set_parameter(parameters, options.set.items[i]);
	return good;
}

/* The presets of a file, JSON or YAML, to put; NULL after saying what is wrong. */
static struct json_object *read_file(const char *path)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *value = NULL;

	if (fnr_file_read(path, FILE_MOST, &text, &err) == FNR_OK)
		value = fnr_yaml_parse(text.data ? text.data : "", text.len, path, &err);
	if (!json_object_is_type(value, json_type_object)) {
		fprintf(stderr, "fnr: %s\n", err.code == FNR_OK ? "the file holds no preset" : err.message);
		json_object_put(value);
		value = NULL;
	}
	fnr_buf_free(&text);
	fnr_error_clear(&err);
	return value;
}

static int make(const char *name, const char *base)
{
	struct json_object *preset = options.file ? read_file(options.file) : json_object_new_object();

	if (!preset)
		return EXIT_FAILED;
	fnr_json_set_text(preset, "name", name);
	if (base)
		fnr_json_set_text(preset, "base", base);
	if (options.id)
		fnr_json_set_text(preset, "id", options.id);
	if (!apply(preset)) {
		json_object_put(preset);
		return EXIT_USAGE;
	}
	if (!fnr_json_get(preset, "base"))
		fnr_json_set_text(preset, "base", "standard");
	return ask_do("POST", ASK_PATH("presets", NULL), preset, print_row);
}

static int create(int count, char **operands)
{
	(void)count;
	return make(operands[0], NULL);
}

static int derive(int count, char **operands)
{
	(void)count;
	return make(operands[1], operands[0]);
}

/* In the state that was seen: somebody else's change in between is not lost. */
static int replace(const char *id, struct json_object *preset)
{
	char *path = ASK_PATH("presets/{}", id), match[64];
	const char *const headers[] = { match, NULL };
	struct answer answer;

	snprintf(match, sizeof match, "If-Match: \"%lld\"", (long long)fnr_json_get_int(preset, "version", 0));
	answer = client_request(ask_client(), "PUT", path, preset, headers);
	free(path);
	json_object_put(preset);
	if (answer.status != 200)
		return ask_failed(&answer);
	if (shared.json)
		printf("%s\n", fnr_json_text(answer.json, NULL));
	else
		print_row(answer.json);
	answer_free(&answer);
	return EXIT_DONE;
}

static int edit(int count, char **operands)
{
	char *path = ASK_PATH("presets/{}", operands[0]);
	struct json_object *preset, *file;
	struct answer answer;

	(void)count;
	answer = client_request(ask_client(), "GET", path, NULL, NULL);
	free(path);
	if (answer.status != 200)
		return ask_failed(&answer);
	preset = json_object_get(answer.json);
	answer_free(&answer);
	file = options.file ? read_file(options.file) : NULL;
	if (file) {
		json_object_object_foreach(file, name, value)
			json_object_object_add(preset, name, json_object_get(value));
		json_object_put(file);
	}
	if ((options.file && !file) || !apply(preset)) {
		json_object_put(preset);
		return options.file && !file ? EXIT_FAILED : EXIT_USAGE;
	}
	return replace(operands[0], preset);
}

static int delete(int count, char **operands)
{
	static const char *const any[] = { "If-Match: *", NULL };
	int status = EXIT_DONE;

	for (int i = 0; i < count && status == EXIT_DONE; i++) {
		char *path = ASK_PATH("presets/{}", operands[i]);
		struct answer answer = client_request(ask_client(), "DELETE", path, NULL, any);

		free(path);
		if (answer.status != 204)
			status = ask_failed(&answer);
		else
			answer_free(&answer);
	}
	return status;
}

/* ---- files ---- */

static int export_preset(int count, char **operands)
{
	char *path = ASK_PATH("presets/{}/export", operands[0]);
	struct fnr_buf full = FNR_BUF_INIT, text = FNR_BUF_INIT;
	struct fnr_error err = FNR_ERROR_INIT;
	struct answer answer;
	int status = EXIT_DONE;

	(void)count;
	fnr_buf_puts(&full, path);
	ask_filter(&full, "format", options.yaml ? "yaml" : "json");
	answer = client_send(ask_client(), "GET", full.data, NULL, NULL, 0, NULL, &text);
	free(path);
	fnr_buf_free(&full);
	if (answer.status != 200) {
		status = ask_failed(&answer);
	} else if (!options.output) {
		printf("%s%s", text.data, options.yaml ? "" : "\n");
	} else if (fnr_file_write(options.output, text.data, text.len, 0644, &err) != FNR_OK) {
		fprintf(stderr, "fnr: %s\n", err.message);
		status = EXIT_FAILED;
	}
	if (answer.status == 200)
		answer_free(&answer);
	fnr_buf_free(&text);
	fnr_error_clear(&err);
	return status;
}

static void print_imported(struct json_object *answer)
{
	struct json_object *items = fnr_json_get(answer, "items");

	for (size_t i = 0; i < ask_count(items); i++)
		print_row(json_object_array_get_idx(items, i));
}

static int import_presets(int count, char **operands)
{
	struct json_object *file = read_file(operands[0]);
	struct fnr_buf full = FNR_BUF_INIT;
	char *path;

	(void)count;
	if (!file)
		return EXIT_FAILED;
	path = ASK_PATH("presets/import", NULL);
	fnr_buf_puts(&full, path);
	ask_filter(&full, "conflict", options.conflict);
	free(path);
	return ask_do("POST", fnr_buf_take(&full), file, print_imported);
}

/* ---- use ---- */

static int resolve(int count, char **operands)
{
	struct json_object *body = json_object_new_object(), *inputs = json_object_new_object();

	(void)count;
	for (size_t i = 0; i < options.inputs.count; i++) {
		const char *given = options.inputs.items[i], *equals = strchr(given, '=');
		char *name;

		if (!equals || equals == given) {
			json_object_put(body);
			json_object_put(inputs);
			return usage_error(&command_preset, "'%s' is not NAME=VALUE", given);
		}
		name = fnr_memdup0(given, (size_t)(equals - given));
		json_object_object_add(inputs, name, value_of(equals + 1));
		free(name);
	}
	fnr_json_set_text(body, "template", operands[1]);
	fnr_json_set(body, "inputs", inputs);
	return ask_do("POST", ASK_PATH("presets/{}/resolve", operands[0]), body, print_resolved);
}

static int compare(int count, char **operands)
{
	struct fnr_buf full = FNR_BUF_INIT;
	char *path = ASK_PATH("presets/compare", NULL);

	(void)count;
	fnr_buf_puts(&full, path);
	ask_filter(&full, "template", operands[0]);
	ask_filter(&full, "presets", options.presets);
	free(path);
	return ask_show(fnr_buf_take(&full), print_compared);
}

static int recommend(int count, char **operands)
{
	struct json_object *body = json_object_new_object(), *hardware;

	(void)count;
	fnr_json_set_text(body, "template", operands[0]);
	if (options.use_case)
		fnr_json_set_text(body, "use_case", options.use_case);
	if (options.seconds)
		fnr_json_set(body, "max_seconds", value_of(options.seconds));
	if (options.cost)
		fnr_json_set(body, "max_cost", value_of(options.cost));
	if (options.vram) {
		fnr_json_set(body, "hardware", hardware = json_object_new_object());
		fnr_json_set(hardware, "vram_mb", value_of(options.vram));
	}
	return ask_do("POST", ASK_PATH("presets/recommend", NULL), body, print_recommended);
}

static const struct action actions[] = {
	{ "list", "", 0, 0, "all of them: first those that ship, the quickest first", list },
	{ "show", "PRESET", 1, 1, "what a preset sets; PRESET@VERSION shows one of its versions", show },
	{ "create", "NAME", 1, 1, "make one, derived from --base (standard where nothing is said)", create },
	{ "derive", "PRESET NAME", 2, 2, "make one, derived from PRESET", derive },
	{ "edit", "PRESET", 1, 1, "change one, by --set, --file and the like", edit },
	{ "delete", "PRESET...", 1, 100, "delete presets; jobs that ran with them keep their parameters", delete },
	{ "export", "PRESET", 1, 1, "one as a file that can be imported elsewhere", export_preset },
	{ "import", "FILE", 1, 1, "the presets of a file (JSON or YAML), all of them or none", import_presets },
	{ "resolve", "PRESET TEMPLATE", 2, 2, "which parameters a job would get, where each is from, and what it would take", resolve },
	{ "compare", "TEMPLATE", 1, 1, "what presets make of a template, side by side", compare },
	{ "recommend", "TEMPLATE", 1, 1, "which preset is right, and why", recommend },
	ACTIONS_END,
};

static const struct option_row rows[] = {
	TEXT("--base", 0, &options.base, "PRESET", "create, edit: what it is derived from"),
	LIST("--set", 's', &options.set, "PART.NAME=VALUE", "create, derive, edit: a parameter; PART is generic, a category or a template; null takes away what the base says"),
	TEXT("--name", 0, &options.name, "NAME", "edit: what people call it"),
	TEXT("--id", 0, &options.id, "ID", "create, derive: its id, which is made of the name otherwise"),
	TEXT("--description", 0, &options.description, "TEXT", "create, derive, edit: what it is for"),
	FLAG("--shared", 0, &options.shared, "create, derive, edit: others see and use it"),
	FLAG("--unshared", 0, &options.unshared, "edit: others see it no more"),
	TEXT("--file", 'f', &options.file, "FILE", "create, derive, edit: members of the preset, JSON or YAML"),
	TEXT("--output", 'o', &options.output, "FILE", "export: write it there"),
	FLAG("--yaml", 0, &options.yaml, "export: as YAML"),
	WORD("--conflict", 0, &options.conflict, "WHAT", "fail rename replace", "import: what is done with one whose id is taken (default fail)"),
	LIST("--input", 'i', &options.inputs, "NAME=VALUE", "resolve: an input"),
	TEXT("--presets", 0, &options.presets, "IDS", "compare: which, with commas between them (default the tiers)"),
	WORD("--use", 0, &options.use_case, "USE", "preview iteration review presentation delivery social print", "recommend: what it is for"),
	TEXT("--max-seconds", 0, &options.seconds, "N", "recommend: it may take so long"),
	TEXT("--max-cost", 0, &options.cost, "N", "recommend: it may cost so much"),
	TEXT("--vram", 0, &options.vram, "MB", "recommend: there is so much VRAM"),
	OPTIONS_END,
};

const struct command command_preset = { "preset", "Look at the quality presets, and make your own", 1, USES_SERVER | USES_JSON, actions, rows };
