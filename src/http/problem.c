#include "http/problem.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#define PROBLEM_ROOT "https://function-runner.invalid/problems/"

/* A path may be any bytes; the document is UTF-8. */
static void set_instance(struct json_object *problem, const char *path)
{
	char *clean = fnr_strdup(path);

	fnr_text_clean(clean);
	fnr_json_set_text(problem, "instance", clean);
	free(clean);
}

struct json_object *problem_make(const struct fnr_error *err, const char *path, const char *request_id)
{
	struct json_object *problem = json_object_new_object();
	char type[128];

	snprintf(type, sizeof type, PROBLEM_ROOT "%s", fnr_code_type(err->code));
	fnr_json_set_text(problem, "type", type);
	fnr_json_set_text(problem, "title", fnr_code_title(err->code));
	fnr_json_set_int(problem, "status", fnr_code_status(err->code));
	fnr_json_set_text(problem, "detail", err->message);
	if (path)
		set_instance(problem, path);
	fnr_json_set_text(problem, "code", fnr_code_type(err->code));
	if (request_id)
		fnr_json_set_text(problem, "request_id", request_id);
	fnr_json_set_text(problem, "message", err->message);
	fnr_json_set_text(problem, "suggestion", err->suggestion[0] ? err->suggestion : NULL);
	fnr_json_set_text(problem, "action", err->action[0] ? err->action : NULL);
	fnr_json_set(problem, "errors", err->errors ? json_object_get(err->errors) : json_object_new_array());
	return problem;
}
