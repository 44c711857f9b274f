/* fnr template new: a template file that is sound, and a Python class beside it, to begin with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/template.h"

#define ANSWER 300

/* Asks on the terminal for what no option said; the answer, or the fallback. To free. */
static char *ask(const char *given, const char *question, const char *fallback)
{
	char line[ANSWER];

	if (given)
		return fnr_strdup(given);
	if (isatty(STDIN_FILENO)) {
		fprintf(stderr, "%s [%s]: ", question, fallback);
		if (fgets(line, sizeof line, stdin)) {
			line[strcspn(line, "\n")] = 0;
			fnr_text_clean(line);
			if (*line)
				return fnr_strdup(line);
		}
	}
	return fnr_strdup(fallback);
}

/* As JSON writes it, which YAML reads. */
static void quoted(struct fnr_buf *out, const char *text)
{
	struct json_object *value = json_object_new_string(text);

	fnr_buf_puts(out, fnr_json_text(value, NULL));
	json_object_put(value);
}

/* "name:type" -> its parts; the fallback without a type. False: the name cannot be one. */
static bool split(const char *text, char name[68], const char **type_r, const char *fallback)
{
	size_t len = strcspn(text, ":");

	*type_r = text[len] ? text + len + 1 : fallback;
	if (len >= 68)
		return false;
	memcpy(name, text, len);
	name[len] = 0;
	return fnr_name_valid(name);
}

static bool add_members(struct fnr_buf *out, const struct list *list, const char *fallback, const char *more)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *type;
		char name[68];

		if (!split(list->items[i], name, &type, fallback)) {
			fprintf(stderr, "fnr: '%s' is no name with a type; write it like text:%s\n", list->items[i], fallback);
			return false;
		}
		fnr_buf_printf(out, "  %s: {type: %s, label: ", name, type);
		quoted(out, name);
		fnr_buf_printf(out, "%s}\n", strcmp(type, "file") == 0 && *more ? "" : more);
	}
	return true;
}

/* "make_title" -> "MakeTitle" */
static char *class_name(const char *id)
{
	struct fnr_buf out = FNR_BUF_INIT;
	bool begin = true;

	for (; *id; id++) {
		if (strchr("._-", *id)) {
			begin = true;
			continue;
		}
		if (out.len == 0 && *id >= '0' && *id <= '9')
			fnr_buf_puts(&out, "F");
		fnr_buf_printf(&out, "%c", begin && *id >= 'a' && *id <= 'z' ? *id - 'a' + 'A' : *id);
		begin = false;
	}
	return fnr_buf_take(&out);
}

static void module_name(const char *id, char out[80])
{
	snprintf(out, 80, "%s.py", id);
}

static bool write_template(const char *file, const char *id, const char *name, const char *description, const char *category, const char *backend)
{
	static const char *words[] = { "text:string" }, *results[] = { "file:file" };
	const struct list usual_inputs = { words, 1 }, usual_outputs = { results, 1 };
	struct fnr_buf out = FNR_BUF_INIT;
	struct fnr_error err = FNR_ERROR_INIT;
	char *class_ = class_name(id), module[80];
	bool script = strcmp(backend, "script") == 0, good;

	module_name(id, module);
	fnr_buf_printf(&out, "id: %s\nversion: 1.0.0\nname: ", id);
	quoted(&out, name);
	fnr_buf_puts(&out, "\ndescription: ");
	quoted(&out, description);
	fnr_buf_printf(&out, "\ncategory: %s\ninputs:\n", category);
	good = add_members(&out, template_options.inputs.count ? &template_options.inputs : &usual_inputs, "string", "");
	if (script) {
		fnr_buf_puts(&out, "outputs:\n");
		good &= add_members(&out, template_options.outputs.count ? &template_options.outputs : &usual_outputs, "file", "");
	}
	fnr_buf_printf(&out, "resources: {cpu: 1, memory_mb: 512}\ntimeout_s: 120\nstages:\n  execution: {weight: 1, message: Working…}\n");
	if (script)
		fnr_buf_printf(&out, "backend: {type: script, python: %s, class: %s}\n", module, class_);
	else
		fnr_buf_printf(&out, "backend: {type: %s}\n", backend);
	if (good && fnr_file_write(file, out.data, out.len, 0644, &err) != FNR_OK) {
		fprintf(stderr, "fnr: %s\n", err.message);
		good = false;
	}
	fnr_buf_free(&out);
	free(class_);
	return good;
}

static bool write_module(const char *path, const char *id)
{
	static const char *usual[] = { "file:file" };
	const struct list *outputs = template_options.outputs.count ? &template_options.outputs : &(const struct list){ usual, 1 };
	struct fnr_buf out = FNR_BUF_INIT;
	struct fnr_error err = FNR_ERROR_INIT;
	char *class_ = class_name(id), name[68];
	const char *type;

	fnr_buf_printf(&out, "class %s:\n    def execute(self, parameters, quality, project_path, progress):\n        progress(0.5)\n        made = {}\n", class_);
	for (size_t i = 0; i < outputs->count; i++) {
		split(outputs->items[i], name, &type, "file");
		fnr_buf_printf(&out, "        made[\"%s\"] = project_path + \"/%s.txt\"\n        with open(made[\"%s\"], \"w\") as file:\n"
		               "            file.write(str(parameters))\n", name, name, name);
	}
	fnr_buf_puts(&out, "        return made\n\n    def get_parameter_schema(self):\n        return {\"type\": \"object\"}\n\n"
	             "    def get_backend_type(self):\n        return \"script\"\n");
	if (fnr_file_write(path, out.data, out.len, 0644, &err) != FNR_OK)
		fprintf(stderr, "fnr: %s\n", err.message);
	fnr_buf_free(&out);
	free(class_);
	return err.code == FNR_OK;
}

static int make(const char *id, const char *file, const char *name, const char *description, const char *category, const char *backend)
{
	const char *slash = strrchr(file, '/');
	char *module = fnr_asprintf("%.*s%s.py", slash ? (int)(slash - file) + 1 : 0, file, id);
	bool script = strcmp(backend, "script") == 0, good;
	int status = EXIT_FAILED;

	if (access(file, F_OK) == 0 || (script && access(module, F_OK) == 0)) {
		fprintf(stderr, "fnr: %s is there already\n", access(file, F_OK) == 0 ? file : module);
	} else {
		good = write_template(file, id, name, description, category, backend) && (!script || write_module(module, id));
		status = good ? template_validate(1, (char *[]){ (char *)(uintptr_t)file }) : EXIT_FAILED;
	}
	free(module);
	return status;
}

int template_new(int count, char **operands)
{
	char *id = ask(count ? operands[0] : NULL, "id, of lower-case letters, digits and _", "my_function");
	char *name = ask(template_options.name, "what people call it", id), *description = ask(template_options.description, "what it makes, in a sentence", name);
	char *category = ask(template_options.category, "category: image, video, audio, text or generic", "generic");
	char *backend = ask(template_options.backend, "backend: script or noop", "script");
	char *file = template_options.file ? fnr_strdup(template_options.file) : fnr_asprintf("%s.yaml", id);
	int status = EXIT_FAILED;

	if (!fnr_name_valid(id))
		fprintf(stderr, "fnr: '%s' cannot be the id of a template: use " FNR_NAME_RULE "\n", id);
	else if (strcmp(backend, "script") != 0 && strcmp(backend, "noop") != 0)
		fprintf(stderr, "fnr: a template for the backend '%s' is made of what that has: fnr template import-%s\n", backend, backend);
	else
		status = make(id, file, name, description, category, backend);
	free(id);
	free(name);
	free(description);
	free(category);
	free(backend);
	free(file);
	return status;
}
