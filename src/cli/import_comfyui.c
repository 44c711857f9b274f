/* fnr template import-comfyui: prints a template for a workflow in API format. */
#include "cli/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/comfyui_draft.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "cli/cli.h"
#include "registry/registry.h"
#include "registry/workflow.h"

#define WORKFLOW_MOST (16u << 20)

static int failed(const char *file, const struct fnr_error *err)
{
	struct json_object *first = err->errors ? json_object_array_get_idx(err->errors, 0) : NULL;

	fprintf(stderr, "fnr: %s: %s%s%s\n", file, fnr_json_get_text(first, "pointer", ""), fnr_json_get_text(first, "pointer", "")[0] ? ": " : "",
	        fnr_json_get_text(first, "message", err->message));
	if (fnr_json_get_text(first, "fix", NULL))
		fprintf(stderr, "     %s\n", fnr_json_get_text(first, "fix", ""));
	return EXIT_FAILED;
}

static struct json_object *read_workflow(const char *file, struct fnr_error *err)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *workflow = NULL;

	if (fnr_file_read(file, WORKFLOW_MOST, &text, err) == FNR_OK)
		workflow = fnr_json_parse_foreign(text.data, text.len, err);
	fnr_buf_free(&text);
	if (err->code == FNR_OK && workflow_check(workflow, "", err))
		return workflow;
	json_object_put(workflow);
	return NULL;
}

static void print(const char *file, struct json_object *draft, struct json_object *notes)
{
	struct fnr_buf text = FNR_BUF_INIT;

	fnr_yaml_text(draft, &text);
	printf("# From %s. The server that runs it has to be a backend of the type comfyui.\n", file);
	for (size_t i = 0; i < json_object_array_length(notes); i++)
		printf("# To decide: %s\n", json_object_get_string(json_object_array_get_idx(notes, i)));
	printf("%s", text.data);
	fnr_buf_free(&text);
}

/* "My workflow" of "/x/My workflow_api.json" */
static char *name_of(const char *file)
{
	const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file, *dot = strrchr(base, '.');
	char *name = fnr_memdup0(base, dot && dot > base ? (size_t)(dot - base) : strlen(base));
	size_t len = strlen(name);

	if (len > 4 && (strcmp(name + len - 4, "_api") == 0 || strcmp(name + len - 4, "-api") == 0))
		name[len - 4] = 0;
	return name;
}

int import_comfyui(int count, char **operands)
{
	struct template_version template_ = { .definition = NULL };
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *workflow = read_workflow(operands[0], &err), *notes = json_object_new_array(), *draft = NULL;
	char *name = name_of(operands[0]);

	(void)count;
	if (workflow) {
		draft = comfyui_draft(workflow, name, notes);
		/* checked as the server will check it: nothing that is printed is refused */
		template_read(draft, NULL, NULL, &template_, &err);
	}
	if (err.code == FNR_OK)
		print(operands[0], draft, notes);
	else
		failed(operands[0], &err);
	int status = err.code == FNR_OK ? EXIT_DONE : EXIT_FAILED;
	json_object_put(template_.definition);
	json_object_put(draft);
	json_object_put(workflow);
	json_object_put(notes);
	fnr_error_clear(&err);
	free(name);
	return status;
}
