#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/input_file.h"
#include "backends/script.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define SEARCH_PATH "/usr/local/bin:/usr/bin:/bin"

/* ---- the command ---- */

static bool is_file(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool script_program_path(const char *name, char out[SCRIPT_PATH])
{
	snprintf(out, SCRIPT_PATH, "%s/bridge/%s", fnr_share_dir(), name);
	return is_file(out);
}

static void add_readable(struct script_command *command, const char *path)
{
	command->readable = fnr_realloc(command->readable, (command->readable_count + 2) * sizeof *command->readable);
	command->readable[command->readable_count++] = fnr_strdup(path);
	command->readable[command->readable_count] = NULL;
}

static void add_environment(struct script_command *command, char *text)
{
	size_t count = 0;
	while (command->envp[count] != NULL)
		count++;
	FNR_MUST(count + 1 < sizeof command->envp / sizeof command->envp[0]);
	command->envp[count] = text;
}

/* A file of the template, as it was when the job was accepted; else an empty text. */
static void template_file(const struct run *run, const char *name, char out[SCRIPT_PATH])
{
	out[0] = '\0';
	if (name[0] == '/' || name[0] == '\0' || strstr(name, "..") != NULL)
		return;
	snprintf(out, SCRIPT_PATH, "%s/%s", run->definition_dir, name);
	if (!is_file(out))
		out[0] = '\0';
}

static bool search_program(const char *name, char out[SCRIPT_PATH])
{
	char folders[] = SEARCH_PATH, *rest = folders;
	for (char *folder; (folder = strsep(&rest, ":")) != NULL;) {
		snprintf(out, SCRIPT_PATH, "%s/%s", folder, name);
		if (access(out, X_OK) == 0 && is_file(out))
			return true;
	}
	return false;
}

static bool missing(struct run_error *error, const char *name, const char *detail)
{
	run_fail(error, FNR_CLASS_PERMANENT, "script_missing", "Put the file beside its template and load the template again.",
	         NULL, detail, "The program of this function, \"%s\", is not there.", name);
	return false;
}

/* backend: {python: file.py, class: Name} runs a class by the bridge that ships */
static bool python_command(struct run *run, struct json_object *backend, struct script_command *command, struct run_error *error)
{
	char bridge[SCRIPT_PATH], file[SCRIPT_PATH];
	const char *name = fnr_json_get_text(backend, "python", ""), *class_ = fnr_json_get_text(backend, "class", "");
	if (!script_program_path("fnr_bridge.py", bridge)) {
		run_fail(error, FNR_CLASS_PERMANENT, "bridge_missing", "Install Function Runner again.", NULL, bridge,
		         "A part of Function Runner that runs Python functions is not installed.");
		return false;
	}
	template_file(run, name, file);
	if (file[0] == '\0')
		return missing(error, name, run->definition_dir);
	snprintf(command->program, sizeof command->program, "%s", FNR_PYTHON3);
	char *argv[] = { fnr_strdup(FNR_PYTHON3), fnr_strdup("-I"), fnr_strdup("-B"), fnr_strdup(bridge), fnr_strdup(file),
	                 fnr_strdup(class_) };
	memcpy(command->argv, argv, sizeof argv);
	*strrchr(bridge, '/') = '\0';
	add_readable(command, bridge);
	return true;
}

/* backend: {command: [program, argument…]}; names of the template's files become their paths */
static bool plain_command(struct run *run, struct json_object *words, struct script_command *command, struct run_error *error)
{
	size_t count = json_object_is_type(words, json_type_array) ? json_object_array_length(words) : 0;
	if (count == 0 || count > SCRIPT_ARGS) {
		run_fail(error, FNR_CLASS_PERMANENT, "template_invalid", "Give backend.command a program and at most 31 arguments.",
		         NULL, NULL, "The template does not say which program to run.");
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		char path[SCRIPT_PATH];
		const char *word = json_object_get_string(json_object_array_get_idx(words, i));
		template_file(run, word != NULL ? word : "", path);
		command->argv[i] = fnr_strdup(path[0] != '\0' ? path : word != NULL ? word : "");
	}
	const char *program = command->argv[0];
	if (program[0] == '/')
		fnr_text_copy(command->program, sizeof command->program, program);
	else if (strchr(program, '/') != NULL || !search_program(program, command->program))
		return missing(error, program, "searched: the template's files, " SEARCH_PATH);
	return true;
}

static void make_environment(struct run *run, struct script_command *command)
{
	add_environment(command, fnr_strdup("PATH=" SEARCH_PATH));
	add_environment(command, fnr_strdup("LANG=C.UTF-8"));
	add_environment(command, fnr_asprintf("HOME=%s", run->work_dir));
	add_environment(command, fnr_asprintf("TMPDIR=%s/.tmp", run->work_dir));
	add_environment(command, fnr_asprintf("FNR_JOB=%s", run->job));
	add_environment(command, fnr_asprintf("FNR_ATTEMPT=%d", run->attempt));
	add_environment(command, fnr_asprintf("FNR_DATA=%s", run->data_dir));   /* by this a manager finds what outlived its worker */
}

/* What the operator gives to all functions. Of uploads and takes a script sees those that its own job names, and nothing
 * of what other jobs work on. */
static void make_readable(struct run *run, struct script_command *command)
{
	static const char *const folders[] = { "blobs/templates", "scripts", "templates" };
	char path[SCRIPT_PATH];
	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", run->data_dir, folders[i]);
		add_readable(command, path);
	}
	snprintf(path, sizeof path, "%s/workspace/Library", run->data_dir);
	add_readable(command, path);
}

bool script_command_make(struct run *run, struct script_command *command, struct run_error *error)
{
	struct json_object *backend = fnr_json_get(run->definition, "backend"), *words = fnr_json_get(backend, "command");
	*command = (struct script_command){ 0 };
	make_environment(run, command);
	make_readable(run, command);
	return words != NULL ? plain_command(run, words, command, error) : python_command(run, backend, command, error);
}

void script_command_free(struct script_command *command)
{
	for (char **word = command->argv; *word != NULL; word++)
		free(*word);
	for (char **word = command->envp; *word != NULL; word++)
		free(*word);
	for (size_t i = 0; i < command->readable_count; i++)
		free(command->readable[i]);
	free(command->readable);
}

/* ---- standard input ---- */

struct references {
	struct run *run;
	struct script_command *command;
	struct run_error *error;
	bool failed;
};

/* What a value of type file stands for, or NULL if it is no reference (null, an empty text, or a mistake found below). */
static struct json_object *referred_file(struct references *references, struct json_object *value)
{
	struct json_object *file = NULL;
	if (input_file(references->run, value, &file, references->error) == INPUT_FILE_GONE)
		references->failed = true;
	return file;
}

/* Replaces the references of one input in `values`; what they stand for is added to `uploads` (may be NULL). */
static void replace_input(struct references *references, struct json_object *values, const char *name, bool list,
                          struct json_object *uploads)
{
	struct json_object *value = fnr_json_get(values, name), *files = NULL;
	if (value == NULL || (list && !json_object_is_type(value, json_type_array)))
		return;
	if (list)
		files = json_object_new_array();
	for (size_t i = 0; i < (list ? json_object_array_length(value) : 1); i++) {
		struct json_object *file = referred_file(references, list ? json_object_array_get_idx(value, i) : value);
		if (file == NULL)
			continue;
		const char *path = fnr_json_get_text(file, "path", "");
		add_readable(references->command, path);
		if (list)
			json_object_array_put_idx(value, i, json_object_new_string(path));
		else
			fnr_json_set_text(values, name, path);
		if (list)
			json_object_array_add(files, file);
		else
			files = file;
	}
	if (files != NULL && uploads != NULL)
		fnr_json_set(uploads, name, files);
	else
		json_object_put(files);
}

static struct json_object *copy_object(struct json_object *value)
{
	return value != NULL ? fnr_json_copy(value) : json_object_new_object();
}

struct json_object *script_request_make(struct run *run, struct script_command *command, struct run_error *error)
{
	struct references references = { .run = run, .command = command, .error = error };
	struct json_object *inputs = copy_object(run->inputs), *parameters = copy_object(run->parameters);
	struct json_object *uploads = json_object_new_object(), *specs = fnr_json_get(run->definition, "inputs");
	if (json_object_is_type(specs, json_type_object)) {
		json_object_object_foreach(specs, name, spec) {
			bool list = strcmp(fnr_json_get_text(spec, "type", ""), "array") == 0;
			const char *type = fnr_json_get_text(list ? fnr_json_get(spec, "items") : spec, "type", "");
			if (strcmp(type, "file") != 0)
				continue;
			replace_input(&references, inputs, name, list, NULL);
			replace_input(&references, parameters, name, list, uploads);
		}
	}
	struct json_object *request = json_object_new_object();
	fnr_json_set_text(request, "job", run->job);
	fnr_json_set_int(request, "attempt", run->attempt);
	fnr_json_set_text(request, "template", fnr_json_get_text(run->definition, "id", NULL));
	fnr_json_set_text(request, "version", fnr_json_get_text(run->definition, "version", NULL));
	fnr_json_set(request, "inputs", inputs);
	fnr_json_set(request, "parameters", parameters);
	fnr_json_set_text(request, "quality", fnr_quality_name(run->quality));
	fnr_json_set_text(request, "preset", run->preset);
	fnr_json_set(request, "pipeline", copy_object(run->pipeline));
	fnr_json_set_int(request, "seed", run->seed);
	fnr_json_set(request, "metadata", copy_object(run->metadata));
	fnr_json_set(request, "uploads", uploads);
	fnr_json_set_text(request, "output_dir", run->work_dir);
	fnr_json_set_text(request, "project_path", run->work_dir);
	fnr_json_set_real(request, "timeout_s", (double)run->timeout_ms / 1000.0);
	if (references.failed) {
		json_object_put(request);
		return NULL;
	}
	return request;
}
