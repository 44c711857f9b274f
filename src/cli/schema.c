/* fnr schema: checks JSON against a JSON Schema, draft 2020-12; needs no server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "schema/schema.h"

#define FILE_MOST (256u << 20)

static struct { bool formats; struct list remotes; } options;

static bool read_file(const char *path, struct json_object **value_r, struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;

	*value_r = NULL;
	if (fnr_file_read(strcmp(path, "-") == 0 ? "/dev/stdin" : path, FILE_MOST, &text, err) == FNR_OK)
		*value_r = fnr_json_parse_exact(text.data, text.len, err);
	fnr_buf_free(&text);
	return err->code == FNR_OK;
}

static void print_problems(const char *file, const struct fnr_error *err)
{
	size_t count = err->errors ? json_object_array_length(err->errors) : 0;

	if (!count)
		fprintf(stderr, "fnr: %s: %s\n", file, err->message);
	for (size_t i = 0; i < count; i++) {
		struct json_object *entry = json_object_array_get_idx(err->errors, i);
		const char *fix = fnr_json_get_text(entry, "fix", NULL), *rule = fnr_json_get_text(entry, "schema", NULL);

		fprintf(stderr, "fnr: %s: %s: %s\n", file, fnr_json_get_text(entry, "pointer", ""), fnr_json_get_text(entry, "message", ""));
		if (fix)
			fprintf(stderr, "     %s\n", fix);
		if (rule)
			fprintf(stderr, "     %s\n", rule);
	}
}

/* `valid` is null of a bad schema: nothing can be said of the instance. */
static void print_report(const char *schema, const char *instance, bool known, const struct fnr_error *err)
{
	struct json_object *value = json_object_new_object();

	fnr_json_set_text(value, "schema", schema);
	fnr_json_set_text(value, "instance", instance);
	fnr_json_set(value, "valid", known ? json_object_new_boolean(err->code == FNR_OK) : NULL);
	fnr_json_set_text(value, "message", err->code == FNR_OK ? NULL : err->message);
	fnr_json_set(value, "errors", err->errors ? json_object_get(err->errors) : json_object_new_array());
	printf("%s\n", fnr_json_text(value, NULL));
	json_object_put(value);
}

static int bad_schema(const char *file, struct fnr_error *err)
{
	if (shared.json)
		print_report(file, NULL, false, err);
	else
		print_problems(file, err);
	fnr_error_clear(err);
	return EXIT_USAGE;
}

static bool check(const struct schema *schema, const char *schema_file, const char *file)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value;
	bool valid = read_file(file, &value, &err) && schema_check(schema, value, "", &err);

	if (shared.json)
		print_report(schema_file, file, true, &err);
	else if (valid)
		printf("%s is valid\n", file);
	else
		print_problems(file, &err);
	json_object_put(value);
	fnr_error_clear(&err);
	return valid;
}

/* "URI=FILE" into remote, whose members are to be freed. Both may contain '='; the file is one that exists. */
static bool read_remote(const char *text, struct schema_remote *remote, struct fnr_error *err)
{
	const char *equals = strchr(text, '=');

	while (equals && access(equals + 1, F_OK) != 0 && strchr(equals + 1, '='))
		equals = strchr(equals + 1, '=');
	if (!equals || equals == text || !equals[1]) {
		fnr_fail(err, FNR_E_INVALID, "--remote must be like https://example.com/a.json=FILE, not '%s'", text);
		return false;
	}
	remote->uri = fnr_memdup0(text, (size_t)(equals - text));
	return read_file(equals + 1, &remote->value, err);
}

static int check_all(const char *schema_file, struct json_object *definition, const struct schema_options *how, int count, char **files)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct schema *schema = schema_compile(definition, how, &err);
	int status = EXIT_DONE;

	if (!schema)
		return bad_schema(schema_file, &err);
	if (!count && shared.json)
		print_report(schema_file, NULL, true, &err);
	else if (!count)
		printf("%s is a sound schema\n", schema_file);
	for (int i = 0; i < count; i++)
		if (!check(schema, schema_file, files[i]))
			status = EXIT_FAILED;
	schema_free(schema);
	return status;
}

static int schema(int count, char **operands)
{
	struct schema_remote *remotes = fnr_alloc(options.remotes.count * sizeof *remotes);
	struct schema_options how = { .formats = options.formats, .remotes = remotes, .remote_count = options.remotes.count };
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *definition = NULL;
	const char *file = operands[0];
	int status;

	for (size_t i = 0; i < options.remotes.count && err.code == FNR_OK; i++)
		if (!read_remote(options.remotes.items[i], &remotes[i], &err))
			file = options.remotes.items[i];
	if (err.code == FNR_OK)
		read_file(file, &definition, &err);
	status = err.code == FNR_OK ? check_all(file, definition, &how, count - 1, operands + 1) : bad_schema(file, &err);
	for (size_t i = 0; i < options.remotes.count; i++) {
		free((char *)remotes[i].uri);
		json_object_put(remotes[i].value);
	}
	free(remotes);
	json_object_put(definition);
	return status;
}

static const struct action actions[] = {
	{ "", "SCHEMA [INSTANCE...]", 1, -1, "", schema },
	ACTIONS_END,
};

static const struct option_row rows[] = {
	LIST("--remote", 'r', &options.remotes, "URI=FILE", "a schema that may be referred to by this address; may be given several times"),
	FLAG("--formats", 0, &options.formats, "check formats too (date-time, email, …), which are only remarks otherwise"),
	OPTIONS_END,
};

const struct command command_schema = { "schema", "Check JSON against a JSON Schema", 1, USES_JSON, actions, rows };
