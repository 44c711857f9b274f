/* fnr template diff: two templates, or a template and the text that may become it, member by member. As diff(1) it ends with 0 if they
 * are the same, 1 if not, 2 if that cannot be told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/ask.h"
#include "cli/template.h"
#include "registry/registry.h"

#define POINTER 1024

static size_t differences;

static void line(char sign, const char *pointer, struct json_object *value)
{
	differences++;
	printf("%c %s: %s\n", sign, *pointer ? pointer : "/", fnr_json_text(value, NULL));
}

static void compare(const char *pointer, struct json_object *old, struct json_object *new);

static void compare_member(const char *pointer, const char *name, struct json_object *old, struct json_object *new)
{
	char below[POINTER];
	struct json_object *a = NULL, *b = NULL;
	bool in_old = json_object_object_get_ex(old, name, &a), in_new = json_object_object_get_ex(new, name, &b);

	snprintf(below, sizeof below, "%s", pointer);
	fnr_json_pointer_add(below, sizeof below, name);
	if (in_old && in_new)
		compare(below, a, b);
	else
		line(in_old ? '-' : '+', below, in_old ? a : b);
}

static void compare(const char *pointer, struct json_object *old, struct json_object *new)
{
	if (json_object_is_type(old, json_type_object) && json_object_is_type(new, json_type_object)) {
		json_object_object_foreach(old, name, value) {
			(void)value;
			compare_member(pointer, name, old, new);
		}
		json_object_object_foreach(new, other, more) {
			(void)more;
			if (!json_object_object_get_ex(old, other, NULL))
				compare_member(pointer, other, old, new);
		}
	} else if (!json_object_equal(old, new)) {
		line('-', pointer, old);
		line('+', pointer, new);
	}
}

/* The definition as it was given: of a file, or of a reference. */
static struct json_object *fetch(const char *what, int *status_r)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value = NULL;
	char *id, *version, *path;
	struct answer answer;

	if (template_is_file(what)) {
		value = template_parse_file(what, &err);
		if (!value)
			fprintf(stderr, "fnr: %s: %s\n", what, err.message);
		*status_r = value ? EXIT_DONE : EXIT_FAILED;
		fnr_error_clear(&err);
		return value;
	}
	version = template_resolve(what, &id, status_r);
	if (!version)
		return NULL;
	path = ASK_PATH("templates/{}/versions/{}", id, version);
	answer = client_request(ask_client(), "GET", path, NULL, NULL);
	free(path);
	free(id);
	free(version);
	if (answer.status == 200)
		value = json_object_get(answer.json);
	if (value)
		answer_free(&answer);
	else
		*status_r = ask_failed(&answer);
	return value;
}

int template_diff(int count, char **operands)
{
	int status;
	struct json_object *new = fetch(operands[count - 1], &status), *old = NULL;

	if (new)
		old = fetch(count == 2 ? operands[0] : fnr_json_get_text(new, "id", ""), &status);
	if (old) {
		compare("", old, new);
		status = differences ? EXIT_FAILED : EXIT_DONE;
	} else if (status == EXIT_FAILED) {
		status = EXIT_USAGE;
	}
	json_object_put(old);
	json_object_put(new);
	return status;
}
