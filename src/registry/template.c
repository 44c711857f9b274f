/* Reading of one template: checked completely, every default filled in, and named by its digest. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"
#include "registry/registry.h"
#include "schema/inputs.h"

#define FILE_MOST (16u << 20)
#define PATH_SIZE 1024

static const char *const categories[] = { "image", "video", "audio", "text", "generic" };
static const char *const output_types[] = { "image", "video", "audio", "text", "json", "file" };
static const char *const tiers[] = { "draft", "standard", "high", "ultra" };
static const char *const stage_names[] = { "preparation", "execution", "finalization" };
static const char *const members[] = {
	"id", "version", "name", "description", "category", "author", "icon", "tags", "inputs", "outputs", "parameters", "presets",
	"resources", "queue", "timeout_s", "retry", "on_lost", "stages", "models", "examples", "backend",
};
static const char *const resource_names[] = { "cpu", "memory_mb", "gpu", "vram_mb", "disk_mb", "compute_capability" };
static const char *const retry_names[] = { "max_attempts", "delay_s", "max_delay_s" };
static const char *const queue_names[] = { "cpu", "gpu", "io", "priority" };
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static bool among(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; text && i < count; i++)
		if (strcmp(list[i], text) == 0)
			return true;
	return false;
}

static const char *place(char out[PATH_SIZE], const char *parent, const char *name)
{
	snprintf(out, PATH_SIZE, "%s", parent);
	fnr_json_pointer_add(out, PATH_SIZE, name);
	return out;
}

/* Only members of the list; each other one is named with its nearest. */
static void only(struct json_object *object, const char *pointer, const char *const *list, size_t count, struct fnr_error *err)
{
	char at[PATH_SIZE];

	json_object_object_foreach(object, name, value) {
		(void)value;
		if (!among(name, list, count))
			fnr_error_add(err, place(at, pointer, name), "unknown_member", fnr_text_nearest(name, list, count), "there is no member '%.64s' here", name);
	}
}

static void need_text(struct json_object *source, const char *name, const char *const *list, size_t count, const char *fix, struct fnr_error *err)
{
	const char *text = fnr_json_get_text(source, name, NULL);
	char at[PATH_SIZE];

	place(at, "", name);
	if (!text || !*text)
		fnr_error_add(err, at, "required", fix, "'%s' must be text", name);
	else if (list && !among(text, list, count))
		fnr_error_add(err, at, "enum", fix, "'%s' cannot be '%.64s'", name, text);
}

/* An optional member of a JSON type; NULL if it is missing or wrong. */
static struct json_object *want(struct json_object *source, const char *name, enum json_type type, const char *fix, struct fnr_error *err)
{
	struct json_object *value = fnr_json_get(source, name);
	char at[PATH_SIZE];

	if (!value || json_object_is_type(value, type))
		return value;
	fnr_error_add(err, place(at, "", name), "type", fix, "'%s' has a value of the wrong type", name);
	return NULL;
}

/* ---- parts ---- */

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

static void check_identity(struct json_object *source, struct template_version *out, struct fnr_error *err)
{
	const char *id = fnr_json_get_text(source, "id", ""), *version = fnr_json_get_text(source, "version", "");

	if (!fnr_name_valid(id))
		fnr_error_add(err, "/id", "name", "use " FNR_NAME_RULE, "'id' is not a valid name");
	else
		snprintf(out->id, sizeof out->id, "%s", id);
	if (template_version_parse(version, &out->version) != 3)
		fnr_error_add(err, "/version", "version", "write it like 1.0.0, in quotes if it has only two parts", "'version' must be major.minor.patch");
	need_text(source, "name", NULL, 0, "say what people call it", err);
	need_text(source, "category", categories, COUNT(categories), "use image, video, audio, text or generic", err);
}

static void check_inputs(struct json_object *inputs, struct fnr_error *err)
{
	char at[PATH_SIZE];

	json_object_object_foreach(inputs, name, input) {
		place(at, "/inputs", name);
		if (!fnr_name_valid(name))
			fnr_error_add(err, at, "name", "use " FNR_NAME_RULE, "'%.64s' is not a valid name of an input", name);
		input_check_form(input, at, err);
	}
}

static void check_outputs(struct json_object *outputs, struct fnr_error *err)
{
	static const char *const names[] = { "type", "media_type", "description", "label" };
	char at[PATH_SIZE];

	json_object_object_foreach(outputs, name, output) {
		place(at, "/outputs", name);
		if (!fnr_name_valid(name))
			fnr_error_add(err, at, "name", "use " FNR_NAME_RULE, "'%.64s' is not a valid name of an output", name);
		if (!json_object_is_type(output, json_type_object)) {
			fnr_error_add(err, at, "type", "write it like {type: image}", "an output must be an object");
			continue;
		}
		only(output, at, names, COUNT(names), err);
		if (!among(fnr_json_get_text(output, "type", NULL), output_types, COUNT(output_types)))
			fnr_error_add(err, at, "enum", "use image, video, audio, text, json or file", "an output needs a type");
	}
}

/* What the template's own presets and parameters may name. */
static bool declared(struct json_object *source, const char *name)
{
	return json_object_object_get_ex(fnr_json_get(source, "inputs"), name, NULL) ||
	       json_object_object_get_ex(fnr_json_get(source, "parameters"), name, NULL);
}

static void check_presets(struct json_object *source, struct json_object *presets, struct fnr_error *err)
{
	only(presets, "/presets", tiers, COUNT(tiers), err);
	json_object_object_foreach(presets, tier, values) {
		char at[PATH_SIZE], inner[PATH_SIZE];

		place(at, "/presets", tier);
		if (!json_object_is_type(values, json_type_object)) {
			fnr_error_add(err, at, "type", "write it like {height: 720}", "a preset must be an object");
			continue;
		}
		json_object_object_foreach(values, name, value) {
			struct json_object *input = fnr_json_get(fnr_json_get(source, "inputs"), name);

			place(inner, at, name);
			if (!declared(source, name))
				fnr_error_add(err, inner, "unknown_parameter", "declare it in inputs or parameters", "there is no parameter '%.64s'", name);
			else if (json_object_is_type(input, json_type_object))
				input_check_value(input, value, inner, err);
		}
	}
}

static void check_numbers(struct json_object *object, const char *pointer, const char *const *names, size_t count, struct fnr_error *err)
{
	char at[PATH_SIZE];

	only(object, pointer, names, count, err);
	json_object_object_foreach(object, name, value) {
		bool number = json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);

		if (among(name, names, count) && (!number || json_object_get_double(value) < 0))
			fnr_error_add(err, place(at, pointer, name), "type", "give a number that is not negative", "'%s' must be a number", name);
	}
}

static void check_stages(struct json_object *stages, struct fnr_error *err)
{
	static const char *const names[] = { "weight", "message" };
	char at[PATH_SIZE];

	only(stages, "/stages", stage_names, COUNT(stage_names), err);
	json_object_object_foreach(stages, name, stage) {
		place(at, "/stages", name);
		if (!json_object_is_type(stage, json_type_object)) {
			fnr_error_add(err, at, "type", "write it like {weight: 0.8, message: Working…}", "a stage must be an object");
			continue;
		}
		only(stage, at, names, COUNT(names), err);
		if (fnr_json_get_real(stage, "weight", 0) < 0 || fnr_json_get_real(stage, "weight", 0) > 1000)
			fnr_error_add(err, at, "range", "use a share like 0.8", "a weight must be from 0 to 1000");
	}
}

static void check_examples(struct json_object *source, struct json_object *examples, struct fnr_error *err)
{
	static const char *const names[] = { "name", "description", "inputs", "quality" };
	char index[24], at[PATH_SIZE], inputs[PATH_SIZE];

	for (size_t i = 0; i < json_object_array_length(examples); i++) {
		struct json_object *example = json_object_array_get_idx(examples, i);

		snprintf(index, sizeof index, "%zu", i);
		place(at, "/examples", index);
		if (!json_object_is_type(example, json_type_object)) {
			fnr_error_add(err, at, "type", NULL, "an example must be an object");
			continue;
		}
		only(example, at, names, COUNT(names), err);
		inputs_check_values(fnr_json_get(source, "inputs"), fnr_json_get(example, "inputs"), place(inputs, at, "inputs"), err);
		if (fnr_json_get(example, "quality") && fnr_quality_parse(fnr_json_get_text(example, "quality", "")) < 0)
			fnr_error_add(err, at, "enum", "use draft, standard, high or ultra", "the example has an unknown quality");
	}
}

/* ---- files ---- */

static bool file_name_safe(const char *name)
{
	return name && *name && name[0] != '/' && !strstr(name, "..") && strlen(name) < 200;
}

/* Where a file of the template is: beside it, or in the second folder. */
static bool find_file(char path[PATH_SIZE], const char *name, const char *folder, const char *scripts)
{
	const char *const folders[] = { folder, scripts };

	for (size_t i = 0; i < 2; i++) {
		struct stat info;

		if (!folders[i])
			continue;
		snprintf(path, PATH_SIZE, "%s/%s", folders[i], name);
		if (stat(path, &info) == 0 && S_ISREG(info.st_mode))
			return true;
	}
	return false;
}

static void add_file(struct json_object *files, const char *name, const char *pointer, const char *folder, const char *scripts,
                     struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	char path[PATH_SIZE], hex[FNR_SHA256_TEXT];
	struct fnr_error read = FNR_ERROR_INIT;
	uint8_t sha[32];

	if (!file_name_safe(name)) {
		fnr_error_add(err, pointer, "file", "name a file beside the template", "'%.64s' is not the name of a file of the template", name ? name : "");
		return;
	}
	if (!find_file(path, name, folder, scripts)) {
		fnr_error_add(err, pointer, "file", "put it beside the template, or in scripts/", "there is no file '%.64s'", name);
		return;
	}
	if (fnr_file_read(path, FILE_MOST, &text, &read) != FNR_OK) {
		fnr_error_add(err, pointer, "file", NULL, "%s", read.message);
	} else {
		fnr_sha256_of(text.data, text.len, sha);
		fnr_json_set_text(files, name, fnr_hex(sha, 32, hex));
	}
	fnr_error_clear(&read);
	fnr_buf_free(&text);
}

static void check_command(struct json_object *command, struct json_object *files, const char *folder, const char *scripts, struct fnr_error *err)
{
	if (!json_object_is_type(command, json_type_array) || json_object_array_length(command) == 0) {
		fnr_error_add(err, "/backend/command", "type", "write it like [program, argument]", "'command' must be a list of texts");
		return;
	}
	for (size_t i = 0; i < json_object_array_length(command); i++)
		if (!json_object_is_type(json_object_array_get_idx(command, i), json_type_string)) {
			fnr_error_add(err, "/backend/command", "type", "put each argument in quotes", "'command' must be a list of texts");
			return;
		}
	add_file(files, json_object_get_string(json_object_array_get_idx(command, 0)), "/backend/command/0", folder, scripts, err);
}

static void check_backend(struct json_object *source, struct json_object *files, const char *folder, const char *scripts, struct fnr_error *err)
{
	static const char *const names[] = { "type", "python", "class", "command" };
	struct json_object *backend = fnr_json_get(source, "backend");
	const char *type = fnr_json_get_text(backend, "type", NULL);
	bool python, command;

	if (!json_object_is_type(backend, json_type_object) || !type) {
		fnr_error_add(err, "/backend", "required", "write it like {type: script, python: file.py, class: Name}", "'backend' must be an object with a type");
		return;
	}
	only(backend, "/backend", names, COUNT(names), err);
	if (strcmp(type, "noop") == 0)
		return;
	if (strcmp(type, "script") != 0) {
		fnr_error_add(err, "/backend/type", "enum", "use script or noop", "there is no backend type '%.64s'", type);
		return;
	}
	python = fnr_json_get(backend, "python") != NULL;
	command = fnr_json_get(backend, "command") != NULL;
	if (python == command) {
		fnr_error_add(err, "/backend", "required", "name either python and class, or command", "a script backend runs a Python class or a command");
		return;
	}
	if (command) {
		check_command(fnr_json_get(backend, "command"), files, folder, scripts, err);
		return;
	}
	add_file(files, fnr_json_get_text(backend, "python", NULL), "/backend/python", folder, scripts, err);
	if (!*fnr_json_get_text(backend, "class", ""))
		fnr_error_add(err, "/backend/class", "required", "name the class in the file", "'class' is missing");
}

/* ---- the whole ---- */

static void check(struct json_object *source, struct template_version *out, struct json_object *files, const char *folder,
                  const char *scripts, struct fnr_error *err)
{
	struct json_object *part;

	only(source, "", members, COUNT(members), err);
	check_identity(source, out, err);
	if ((part = want(source, "inputs", json_type_object, "write {} if there are none", err)))
		check_inputs(part, err);
	if ((part = want(source, "outputs", json_type_object, "write {} if there are none", err)))
		check_outputs(part, err);
	want(source, "parameters", json_type_object, "write it like {height: 1080}", err);
	if (err->code == FNR_OK && (part = want(source, "presets", json_type_object, "write it like {draft: {height: 360}}", err)))
		check_presets(source, part, err);
	if ((part = want(source, "resources", json_type_object, "write it like {cpu: 1, memory_mb: 512}", err)))
		check_numbers(part, "/resources", resource_names, COUNT(resource_names), err);
	if ((part = want(source, "retry", json_type_object, "write it like {max_attempts: 4}", err)))
		check_numbers(part, "/retry", retry_names, COUNT(retry_names), err);
	if ((part = want(source, "stages", json_type_object, "write it like {execution: {message: Working…}}", err)))
		check_stages(part, err);
	if (err->code == FNR_OK && (part = want(source, "examples", json_type_array, "write a list", err)))
		check_examples(source, part, err);
	want(source, "tags", json_type_array, "write a list of texts", err);
	want(source, "models", json_type_array, "write a list", err);
	if (fnr_json_get(source, "queue"))
		need_text(source, "queue", queue_names, COUNT(queue_names), "use cpu, gpu, io or priority", err);
	if (fnr_json_get(source, "on_lost"))
		need_text(source, "on_lost", (const char *const[]){ "retry", "fail" }, 2, "use retry or fail", err);
	if (fnr_json_get(source, "timeout_s") && fnr_json_get_int(source, "timeout_s", 0) < 1)
		fnr_error_add(err, "/timeout_s", "range", "give seconds, at least 1", "'timeout_s' must be a whole number of seconds");
	check_backend(source, files, folder, scripts, err);
}

static void fill(struct json_object *definition, const char *name, struct json_object *value)
{
	if (fnr_json_get(definition, name))
		json_object_put(value);
	else
		fnr_json_set(definition, name, value);
}

static int by_name(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;

	return strcmp(*left, *right);
}

/* The same value always gives the same bytes: members in order of their names. */
static void add_canonical(struct fnr_buf *out, struct json_object *value)
{
	if (json_object_is_type(value, json_type_array)) {
		fnr_buf_puts(out, "[");
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			add_canonical(out, json_object_array_get_idx(value, i));
			fnr_buf_puts(out, ",");
		}
		fnr_buf_puts(out, "]");
	} else if (json_object_is_type(value, json_type_object)) {
		size_t count = (size_t)json_object_object_length(value), at = 0;
		const char **names = fnr_alloc((count + 1) * sizeof *names);

		json_object_object_foreach(value, name, member) {
			(void)member;
			names[at++] = name;
		}
		qsort(names, count, sizeof *names, by_name);
		fnr_buf_puts(out, "{");
		for (size_t i = 0; i < count; i++) {
			struct json_object *text = json_object_new_string(names[i]);

			fnr_buf_printf(out, "%s:", fnr_json_text(text, NULL));
			json_object_put(text);
			add_canonical(out, fnr_json_get(value, names[i]));
			fnr_buf_puts(out, ",");
		}
		fnr_buf_puts(out, "}");
		free(names);
	} else {
		fnr_buf_puts(out, fnr_json_text(value, NULL));
	}
}

static void normalise(struct json_object *definition, struct json_object *files)
{
	struct json_object *resources;

	fill(definition, "description", json_object_new_string(""));
	fill(definition, "inputs", json_object_new_object());
	fill(definition, "outputs", json_object_new_object());
	fill(definition, "parameters", json_object_new_object());
	fill(definition, "presets", json_object_new_object());
	fill(definition, "resources", json_object_new_object());
	resources = fnr_json_get(definition, "resources");
	fill(resources, "cpu", json_object_new_int64(1));
	fill(resources, "gpu", json_object_new_int64(0));
	fill(definition, "queue", json_object_new_string(fnr_json_get_real(resources, "gpu", 0) > 0 ? "gpu" : "cpu"));
	fill(definition, "on_lost", json_object_new_string("retry"));
	fill(definition, "tags", json_object_new_array());
	fill(definition, "models", json_object_new_array());
	fill(definition, "examples", json_object_new_array());
	fnr_json_set(definition, "files", json_object_get(files));
}

int template_read(struct json_object *source, const char *folder, const char *scripts, struct template_version *out, struct fnr_error *err)
{
	struct json_object *files;
	struct fnr_buf canonical = FNR_BUF_INIT;
	char hex[FNR_SHA256_TEXT];

	memset(out, 0, sizeof *out);
	if (!json_object_is_type(source, json_type_object)) {
		fnr_error_add(err, "", "type", NULL, "a template must be an object");
		return err->code;
	}
	files = json_object_new_object();
	check(source, out, files, folder, scripts, err);
	if (err->code != FNR_OK) {
		json_object_put(files);
		return err->code;
	}
	out->definition = fnr_json_copy(source);
	normalise(out->definition, files);
	json_object_put(files);
	add_canonical(&canonical, out->definition);
	fnr_sha256_of(canonical.data, canonical.len, out->digest);
	fnr_buf_free(&canonical);
	fnr_json_set_text(out->definition, "digest", fnr_hex(out->digest, 32, hex));
	fnr_json_set(out->definition, "input_schema", inputs_schema(fnr_json_get(out->definition, "inputs")));
	return FNR_OK;
}

/* ---- files, kept ---- */

static int keep_file(const char *target, const char *name, const char *folder, const char *scripts, struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	char from[PATH_SIZE], to[PATH_SIZE], parent[PATH_SIZE];
	struct stat info;
	int code;

	if (!find_file(from, name, folder, scripts) || stat(from, &info) != 0)
		return fnr_fail(err, FNR_E_NOT_FOUND, "the file %s of the template is gone", name);
	snprintf(to, sizeof to, "%s/%s", target, name);
	snprintf(parent, sizeof parent, "%s", to);
	*strrchr(parent, '/') = 0;
	code = fnr_dir_make(parent, 0700, err);
	if (code == FNR_OK)
		code = fnr_file_read(from, FILE_MOST, &text, err);
	if (code == FNR_OK)
		code = fnr_file_write(to, text.data ? text.data : "", text.len, (info.st_mode & 0111) ? 0700 : 0600, err);
	fnr_buf_free(&text);
	return code;
}

int template_store_files(const struct template_version *template_, const char *folder, const char *scripts, struct fnr_error *err)
{
	char final[256], temporary[300], hex[FNR_SHA256_TEXT];
	struct stat info;
	int code;

	snprintf(final, sizeof final, "blobs/templates/%s", fnr_hex(template_->digest, 32, hex));
	if (stat(final, &info) == 0)
		return FNR_OK;
	snprintf(temporary, sizeof temporary, "blobs/templates/.tmp-%d-%.16s", (int)getpid(), hex);
	fnr_tree_remove(temporary, NULL);
	code = fnr_dir_make(temporary, 0700, err);
	json_object_object_foreach(fnr_json_get(template_->definition, "files"), name, sha) {
		(void)sha;
		if (code == FNR_OK)
			code = keep_file(temporary, name, folder, scripts, err);
	}
	if (code == FNR_OK)
		code = fnr_dir_flush(temporary, err);
	if (code == FNR_OK && rename(temporary, final) != 0 && errno != EEXIST && errno != ENOTEMPTY)
		code = fnr_fail_errno(err, errno, "cannot put %s in its place", final);
	if (code == FNR_OK)
		code = fnr_dir_flush("blobs/templates", err);
	fnr_tree_remove(temporary, NULL);
	return code;
}
