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
#define MEMBERS_MOST 64

/* ---- questions ---- */

/* Why an answer cannot be taken; NULL: it can. */
typedef const char *refusal(const char *answer);

static const char *wrong_id(const char *answer)
{
	return fnr_name_valid(answer) && !strpbrk(answer, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") ? NULL : "use " FNR_NAME_RULE ", in lower case";
}

static bool is_one_of(const char *answer, const char *const *words)
{
	while (*words && strcmp(*words, answer) != 0)
		words++;
	return *words != NULL;
}

static const char *wrong_category(const char *answer)
{
	return is_one_of(answer, (const char *const[]){ "image", "video", "audio", "text", "generic", NULL }) ? NULL : "use image, video, audio, text or generic";
}

static const char *wrong_backend(const char *answer)
{
	if (is_one_of(answer, (const char *const[]){ "comfyui", "gradio", NULL }))
		return "a template for it is made of what it has: fnr template import-comfyui, fnr template import-gradio";
	return is_one_of(answer, (const char *const[]){ "script", "noop", NULL }) ? NULL : "use script or noop";
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

/* Of a line that is typed: options are checked with the whole template, which then names their place. */
static const char *wrong_members(const char *answer, const char *fallback, const char *const *types, const char *fix)
{
	char *words = fnr_strdup(answer), *rest, name[68];
	const char *type, *wrong = NULL;

	for (char *word = strtok_r(words, " ,", &rest); word && !wrong; word = strtok_r(NULL, " ,", &rest))
		if (!split(word, name, &type, fallback) || !is_one_of(type, types))
			wrong = fix;
	free(words);
	return wrong;
}

static const char *wrong_inputs(const char *answer)
{
	static const char *const types[] = { "string", "integer", "number", "boolean", "file", "array", "object", "any", NULL };

	return wrong_members(answer, "string", types, "write name:type, with a type of string, integer, number, boolean, file, array, object or any");
}

static const char *wrong_outputs(const char *answer)
{
	static const char *const types[] = { "image", "video", "audio", "text", "json", "file", NULL };

	return wrong_members(answer, "file", types, "write name:type, with a type of image, video, audio, text, json or file");
}

static const char *wrong_file(const char *answer)
{
	const char *dot = strrchr(answer, '.');

	return dot && is_one_of(dot, (const char *const[]){ ".yaml", ".yml", NULL }) ? NULL : "a template that is to be found ends with .yaml or .yml";
}

/* One line of the terminal, without its end; false if there is none any more. */
static bool read_line(const char *question, const char *fallback, char line[ANSWER])
{
	fprintf(stderr, "%s [%s]: ", question, fallback);
	if (!fgets(line, ANSWER, stdin))
		return false;
	line[strcspn(line, "\n")] = 0;
	fnr_text_clean(line);
	if (!*line)
		fnr_text_copy(line, ANSWER, fallback);
	return true;
}

/* What an option said, else what the terminal says, until it can be taken; the fallback where nobody can be asked. To free; NULL after
 * it was said why not. */
static char *ask(const char *given, const char *question, const char *fallback, refusal *wrong)
{
	char line[ANSWER];

	if (!given && isatty(STDIN_FILENO)) {
		while (read_line(question, fallback, line)) {
			if (!wrong || !wrong(line))
				return fnr_strdup(line);
			fprintf(stderr, "'%s': %s\n", line, wrong(line));
		}
		fprintf(stderr, "\nfnr: nothing was written\n");
		return NULL;
	}
	given = given ? given : fallback;
	if (!wrong || !wrong(given))
		return fnr_strdup(given);
	fprintf(stderr, "fnr: '%s': %s\n", given, wrong(given));
	return NULL;
}

/* Words of a line, for options that may be given several times. They live as long as the process. False after it was said why not. */
static bool ask_members(struct list *list, const char *question, const char *fallback, refusal *wrong)
{
	static const char *usual[2][MEMBERS_MOST];
	static size_t used;
	const char **items = usual[used++ % 2];
	char *line, *rest;

	if (list->count)
		return true;
	if (!(line = ask(NULL, question, fallback, wrong)))
		return false;
	list->items = items;
	for (char *word = strtok_r(line, " ,", &rest); word && list->count < MEMBERS_MOST; word = strtok_r(NULL, " ,", &rest))
		items[list->count++] = word;
	if (!list->count)
		free(line);
	return true;
}

/* ---- what is written ---- */

/* As JSON writes it, which YAML reads. */
static void quoted(struct fnr_buf *out, const char *text)
{
	struct json_object *value = json_object_new_string(text);

	fnr_buf_puts(out, fnr_json_text(value, NULL));
	json_object_put(value);
}

static bool add_members(struct fnr_buf *out, const struct list *list, const char *fallback)
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
		fnr_buf_puts(out, "}\n");
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

/* Values that show what the inputs are for; files are nobody's to give. */
static void add_example(struct fnr_buf *out, const struct list *inputs)
{
	static const char *const values[][2] = {
		{ "string", "Hello" }, { "integer", "1" }, { "number", "1.5" }, { "boolean", "true" }, { "array", "[]" }, { "object", "{}" },
	};
	const char *between = "";

	fnr_buf_puts(out, "examples:\n  - {name: An example, inputs: {");
	for (size_t i = 0; i < inputs->count; i++) {
		const char *type;
		char name[68];

		split(inputs->items[i], name, &type, "string");
		for (size_t k = 0; k < sizeof values / sizeof values[0]; k++)
			if (strcmp(values[k][0], type) == 0) {
				fnr_buf_printf(out, "%s%s: %s", between, name, values[k][1]);
				between = ", ";
			}
	}
	fnr_buf_puts(out, "}}\n");
}

struct plan { char *id, *name, *description, *category, *backend, *file, *module; bool script; };

static bool compose_template(const struct plan *plan, struct fnr_buf *out)
{
	char *class_ = class_name(plan->id);
	bool good;

	fnr_buf_printf(out, "id: %s\nversion: 1.0.0\nname: ", plan->id);
	quoted(out, plan->name);
	fnr_buf_puts(out, "\ndescription: ");
	quoted(out, plan->description);
	fnr_buf_printf(out, "\ncategory: %s\ninputs:\n", plan->category);
	good = add_members(out, &template_options.inputs, "string");
	if (plan->script) {
		fnr_buf_puts(out, "outputs:\n");
		good = add_members(out, &template_options.outputs, "file") && good;
	}
	fnr_buf_puts(out, "resources: {cpu: 1, memory_mb: 512}\ntimeout_s: 120\nstages:\n  execution: {weight: 1, message: Working…}\n");
	if (good)
		add_example(out, &template_options.inputs);
	if (plan->script)
		fnr_buf_printf(out, "backend: {type: script, python: %s.py, class: %s}\n", plan->id, class_);
	else
		fnr_buf_printf(out, "backend: {type: %s}\n", plan->backend);
	free(class_);
	return good;
}

static void compose_module(const struct plan *plan, struct fnr_buf *out)
{
	const struct list *outputs = &template_options.outputs;
	char *class_ = class_name(plan->id), name[68];
	const char *type;

	fnr_buf_printf(out, "class %s:\n    def execute(self, parameters, quality, project_path, progress):\n        progress(0.5)\n        made = {}\n", class_);
	for (size_t i = 0; i < outputs->count; i++) {
		split(outputs->items[i], name, &type, "file");
		fnr_buf_printf(out, "        made[\"%s\"] = project_path + \"/%s.txt\"\n        with open(made[\"%s\"], \"w\") as file:\n"
		               "            file.write(str(parameters))\n", name, name, name);
	}
	fnr_buf_puts(out, "        return made\n\n    def get_parameter_schema(self):\n        return {\"type\": \"object\"}\n\n"
	             "    def get_backend_type(self):\n        return \"script\"\n");
	free(class_);
}

/* ---- writing ---- */

static bool write_file(const char *path, const struct fnr_buf *text)
{
	char *slash = strrchr(path, '/'), *folder = slash && slash > path ? fnr_memdup0(path, (size_t)(slash - path)) : NULL;
	struct fnr_error err = FNR_ERROR_INIT;
	bool good = (!folder || fnr_dir_make(folder, 0755, &err) == FNR_OK) && fnr_file_write(path, text->data, text->len, 0644, &err) == FNR_OK;

	if (!good)
		fprintf(stderr, "fnr: %s\n", err.message);
	free(folder);
	return good;
}

/* The class first: the template is valid only with it, and is put in its place only if it is valid. */
static int make(const struct plan *plan)
{
	struct fnr_buf template_ = FNR_BUF_INIT, module = FNR_BUF_INIT;
	bool good = compose_template(plan, &template_), written = false;

	if (good && plan->script) {
		compose_module(plan, &module);
		good = written = write_file(plan->module, &module);
	}
	if (good && !(good = template_check_text(plan->file, &template_)))
		fprintf(stderr, "fnr: nothing was written\n");
	good = good && write_file(plan->file, &template_);
	if (!good && written)
		unlink(plan->module);
	fnr_buf_free(&template_);
	fnr_buf_free(&module);
	return good ? template_validate(1, (char *[]){ plan->file }) : EXIT_FAILED;
}

static int make_unless_there(struct plan *plan)
{
	const char *slash = strrchr(plan->file, '/'), *there = NULL;
	int status = EXIT_FAILED;

	plan->script = strcmp(plan->backend, "script") == 0;
	plan->module = fnr_asprintf("%.*s%s.py", slash ? (int)(slash - plan->file) + 1 : 0, plan->file, plan->id);
	if (access(plan->file, F_OK) == 0)
		there = plan->file;
	else if (plan->script && access(plan->module, F_OK) == 0)
		there = plan->module;
	if (there)
		fprintf(stderr, "fnr: %s is there already; name another one with --file\n", there);
	else
		status = make(plan);
	free(plan->module);
	return status;
}

/* False after it was said what cannot be. */
static bool ask_all(struct plan *plan, const char *id)
{
	if (!(plan->id = ask(id, "id, of lower-case letters, digits and _", "my_function", wrong_id)) ||
	    !(plan->name = ask(template_options.name, "what people call it", plan->id, NULL)) ||
	    !(plan->description = ask(template_options.description, "what it makes, in a sentence", plan->name, NULL)) ||
	    !(plan->category = ask(template_options.category, "category: image, video, audio, text or generic", "generic", wrong_category)) ||
	    !(plan->backend = ask(template_options.backend, "backend: script or noop", "script", wrong_backend)) ||
	    !ask_members(&template_options.inputs, "inputs, like text:string count:integer picture:file", "text:string", wrong_inputs))
		return false;
	if (strcmp(plan->backend, "script") == 0 && !ask_members(&template_options.outputs, "outputs, like image:image note:text", "file:file", wrong_outputs))
		return false;
	plan->file = template_options.file ? ask(template_options.file, "", "", wrong_file) : fnr_asprintf("%s.yaml", plan->id);
	return plan->file != NULL;
}

int template_new(int count, char **operands)
{
	struct plan plan = { .id = NULL };
	int status = ask_all(&plan, count ? operands[0] : NULL) ? make_unless_there(&plan) : EXIT_FAILED;

	free(plan.id);
	free(plan.name);
	free(plan.description);
	free(plan.category);
	free(plan.backend);
	free(plan.file);
	return status;
}
