#include "config.h"

#include "registry/bindings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "registry/expression.h"
#include "registry/internal.h"

#define DEPTH 4             /* of else in else */
#define LOOKUP_MOST 1000

static const char *const gives_names[] = {
	"a text", "a number", "true or false", "a list", "an object", "a file", "a list of files", "a value",
};

const char *binding_gives_name(enum binding_gives gives)
{
	return gives_names[gives];
}

const char *binding_direct(struct json_object *binding)
{
	if (json_object_is_type(binding, json_type_string))
		return json_object_get_string(binding);
	return json_object_is_type(binding, json_type_object) && fnr_json_get(binding, "lookup") == NULL ? fnr_json_get_text(binding, "from", NULL) : NULL;
}

/* ---- names ---- */

static enum binding_gives gives_of_input(struct json_object *input)
{
	static const struct { const char *type; enum binding_gives gives; } types[] = {
		{ "string", BINDING_TEXT }, { "integer", BINDING_NUMBER }, { "number", BINDING_NUMBER }, { "boolean", BINDING_TRUTH },
		{ "array", BINDING_LIST }, { "object", BINDING_OBJECT }, { "file", BINDING_FILE },
	};
	const char *type = fnr_json_get_text(input, "type", "");
	if (strcmp(type, "array") == 0 && strcmp(fnr_json_get_text(fnr_json_get(input, "items"), "type", ""), "file") == 0)
		return BINDING_FILES;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcmp(types[i].type, type) == 0)
			return types[i].gives;
	return BINDING_ANY;
}

enum binding_gives binding_gives_of(struct json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_string: return BINDING_TEXT;
	case json_type_int:
	case json_type_double: return BINDING_NUMBER;
	case json_type_boolean: return BINDING_TRUTH;
	case json_type_array: return BINDING_LIST;
	case json_type_object: return BINDING_OBJECT;
	default: return BINDING_ANY;
	}
}

/* What a name stands for; false: nothing. */
static bool name_gives(const struct binding_scope *scope, const char *name, enum binding_gives *gives_r)
{
	struct json_object *input = fnr_json_get(scope->inputs, name), *value;
	*gives_r = BINDING_ANY;
	if (input != NULL)
		*gives_r = gives_of_input(input);
	else if (json_object_is_type(scope->parameters, json_type_object) && json_object_object_get_ex(scope->parameters, name, &value))
		*gives_r = binding_gives_of(value);
	else if (strcmp(name, "seed") == 0 && !scope->no_seed)
		*gives_r = BINDING_NUMBER;
	else if (strcmp(name, "quality") == 0)
		*gives_r = BINDING_TEXT;
	else
		return false;
	return true;
}

static bool expression_name(const char *name, enum expression_type *type_r, void *context)
{
	enum binding_gives gives;
	if (!name_gives(context, name, &gives) || gives > BINDING_TRUTH)
		return false;
	*type_r = gives == BINDING_TEXT ? EXPRESSION_TEXT : gives == BINDING_NUMBER ? EXPRESSION_NUMBER : EXPRESSION_TRUTH;
	return true;
}

static struct expression *expression_of(struct json_object *binding, const char *member, const struct binding_scope *scope, char error_r[256])
{
	return expression_parse(fnr_json_get_text(binding, member, ""), expression_name, (void *)scope, error_r);
}

/* The nearest of the names that there are, for "did you mean". */
static const char *nearest_name(const struct binding_scope *scope, const char *name)
{
	const char *names[2 * INPUTS_MOST + 2] = { "seed", "quality" };
	size_t count = 2;
	struct json_object *const both[] = { scope->inputs, scope->parameters };
	for (size_t i = 0; i < 2; i++) {
		if (!json_object_is_type(both[i], json_type_object))
			continue;
		json_object_object_foreach(both[i], known, value) {
			(void)value;
			if (count < sizeof names / sizeof names[0])
				names[count++] = known;
		}
	}
	return fnr_text_nearest(name, names, count);
}

/* ---- checks ---- */

struct checking {
	const struct binding_scope *scope;
	struct fnr_error *err;
	int depth;
	bool bad;
};

static void problem(struct checking *checking, const char *pointer, const char *rule, const char *fix, const char *text)
{
	checking->bad = true;
	fnr_error_add(checking->err, pointer, rule, fix, "%s", text);
}

static enum binding_gives check_name(struct checking *checking, const char *name, const char *pointer)
{
	enum binding_gives gives;
	char text[160], fix[160];
	const char *nearest;
	if (name_gives(checking->scope, name, &gives))
		return gives;
	nearest = nearest_name(checking->scope, name);
	snprintf(text, sizeof text, "there is no input or parameter '%.64s'", name);
	snprintf(fix, sizeof fix, nearest != NULL ? "did you mean '%s'?" : "name an input or a parameter of this template%.0s", nearest != NULL ? nearest : "");
	problem(checking, pointer, "unknown_parameter", fix, text);
	return BINDING_ANY;
}

static bool has_entry(struct json_object *lookup, struct json_object *value)
{
	const char *key = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : fnr_json_text(value, NULL);
	return json_object_object_get_ex(lookup, key, NULL);
}

/* A table without default must have an entry for everything that its input may be. */
static bool lookup_total(struct checking *checking, const char *name, enum binding_gives gives, struct json_object *lookup, char missing_r[80])
{
	struct json_object *choices = fnr_json_get(fnr_json_get(checking->scope->inputs, name), "enum");
	static const char *const truths[] = { "true", "false" };
	missing_r[0] = '\0';
	for (size_t i = 0; choices != NULL && i < json_object_array_length(choices); i++)
		if (!has_entry(lookup, json_object_array_get_idx(choices, i)))
			fnr_text_copy(missing_r, 80, json_object_get_string(json_object_array_get_idx(choices, i)));
	for (size_t i = 0; gives == BINDING_TRUTH && i < 2; i++)
		if (!json_object_object_get_ex(lookup, truths[i], NULL))
			fnr_text_copy(missing_r, 80, truths[i]);
	for (size_t i = 0; strcmp(name, "quality") == 0 && i < REGISTRY_TIERS; i++)
		if (!json_object_object_get_ex(lookup, registry_tiers[i], NULL))
			fnr_text_copy(missing_r, 80, registry_tiers[i]);
	return missing_r[0] == '\0' && (choices != NULL || gives == BINDING_TRUTH || strcmp(name, "quality") == 0);
}

static enum binding_gives join(enum binding_gives one, enum binding_gives other)
{
	return one == other ? one : BINDING_ANY;
}

/* What all entries have in common is what it gives. */
static enum binding_gives check_lookup(struct checking *checking, struct json_object *binding, enum binding_gives gives, const char *pointer)
{
	struct json_object *lookup = fnr_json_get(binding, "lookup"), *usual = NULL;
	const char *name = fnr_json_get_text(binding, "from", "");
	bool has_usual = json_object_object_get_ex(binding, "default", &usual), first = !has_usual;
	enum binding_gives found = has_usual ? binding_gives_of(usual) : BINDING_ANY;
	char at[REGISTRY_PATH], missing[80], text[192];
	rules_below(at, pointer, "lookup");
	if (!json_object_is_type(lookup, json_type_object) || json_object_object_length(lookup) == 0 || json_object_object_length(lookup) > LOOKUP_MOST) {
		problem(checking, at, "type", "write it like {fast: 4, good: 20}", "'lookup' must be a table of 1 to 1000 values");
		return BINDING_ANY;
	}
	if (gives > BINDING_TRUTH && gives != BINDING_ANY)
		problem(checking, at, "type", "look up a text, a number, or true or false", "only single values can be looked up");
	if (!has_usual && !lookup_total(checking, name, gives, lookup, missing)) {
		snprintf(text, sizeof text, missing[0] != '\0' ? "the table has nothing for '%s'" : "the table cannot have everything that '%.64s' may be",
		         missing[0] != '\0' ? missing : name);
		problem(checking, at, "total", "add it, or give a default", text);
	}
	json_object_object_foreach(lookup, key, value) {
		(void)key;
		found = first ? binding_gives_of(value) : join(found, binding_gives_of(value));
		first = false;
	}
	return found;
}

static void check_expression(struct checking *checking, struct json_object *binding, const char *member, const char *pointer,
                             bool truth, enum binding_gives *gives_r)
{
	static const enum binding_gives gives[] = { BINDING_NUMBER, BINDING_TRUTH, BINDING_TEXT };
	char at[REGISTRY_PATH], error[256] = "";
	rules_below(at, pointer, member);
	if (fnr_json_get_text(binding, member, NULL) == NULL) {
		problem(checking, at, "type", "write it in quotes, like \"width * 2\"", "an expression must be text");
		return;
	}
	struct expression *expression = expression_of(binding, member, checking->scope, error);
	if (expression == NULL)
		problem(checking, at, "expression", "see \"Computed values\" in doc/backends.md", error);
	else if (truth && expression_type(expression) != EXPRESSION_TRUTH)
		problem(checking, at, "expression", "compare something, like \"strength > 0\"", "a condition must be true or false");
	else
		*gives_r = gives[expression_type(expression)];
	expression_free(expression);
}

void condition_check(struct json_object *object, const struct binding_scope *scope, const char *pointer, struct fnr_error *err)
{
	struct checking checking = { .scope = scope, .err = err };
	enum binding_gives gives;
	if (fnr_json_get(object, "when") != NULL)
		check_expression(&checking, object, "when", pointer, true, &gives);
}

static enum binding_gives check_upload(struct checking *checking, struct json_object *binding, const char *pointer)
{
	const char *name = fnr_json_get_text(binding, "upload", NULL);
	struct json_object *index = fnr_json_get(binding, "index");
	char at[REGISTRY_PATH];
	enum binding_gives gives = name != NULL ? check_name(checking, name, rules_below(at, pointer, "upload")) : BINDING_ANY;
	if (checking->bad)
		return BINDING_FILE;
	if (name == NULL || (gives != BINDING_FILE && gives != BINDING_FILES))
		problem(checking, rules_below(at, pointer, "upload"), "type", "name an input of type file", "only the file of an input can be uploaded");
	if (index == NULL)
		return gives;
	if (gives != BINDING_FILES || !json_object_is_type(index, json_type_int) || json_object_get_int64(index) < 0 || json_object_get_int64(index) > 999)
		problem(checking, rules_below(at, pointer, "index"), "type", "count from 0; only a list of files has an index", "'index' does not fit");
	return BINDING_FILE;
}

static enum binding_gives check_from(struct checking *checking, struct json_object *binding, const char *pointer)
{
	const char *name = fnr_json_get_text(binding, "from", NULL);
	char at[REGISTRY_PATH];
	rules_below(at, pointer, "from");
	if (name == NULL) {
		problem(checking, at, "type", "name an input or parameter", "'from' must be text");
		return BINDING_ANY;
	}
	enum binding_gives gives = check_name(checking, name, at);
	if (gives == BINDING_FILE || gives == BINDING_FILES)
		problem(checking, at, "upload", "write {upload: name}", "a file has to be uploaded");
	return !checking->bad && fnr_json_get(binding, "lookup") != NULL ? check_lookup(checking, binding, gives, pointer) : gives;
}

static enum binding_gives check(struct checking *checking, struct json_object *binding, const char *pointer);

/* Exactly one of these says where the value comes from. */
static enum binding_gives check_source(struct checking *checking, struct json_object *binding, const char *pointer)
{
	struct json_object *value;
	enum binding_gives gives = BINDING_ANY;
	int sources = (fnr_json_get(binding, "from") != NULL) + (fnr_json_get(binding, "upload") != NULL) +
	              (fnr_json_get(binding, "compute") != NULL) + json_object_object_get_ex(binding, "value", &value);
	if (sources != 1) {
		problem(checking, pointer, "required", "give one of from, upload, compute and value", "a binding has exactly one source");
		return BINDING_ANY;
	}
	if (fnr_json_get(binding, "from") != NULL)
		return check_from(checking, binding, pointer);
	if (fnr_json_get(binding, "upload") != NULL)
		return check_upload(checking, binding, pointer);
	if (fnr_json_get(binding, "compute") != NULL)
		check_expression(checking, binding, "compute", pointer, false, &gives);
	else
		gives = binding_gives_of(value);
	return gives;
}

static enum binding_gives check_object(struct checking *checking, struct json_object *binding, const char *pointer)
{
	static const char *const members[] = { "from", "lookup", "default", "upload", "index", "compute", "value", "when", "else" };
	struct fnr_error own = FNR_ERROR_INIT;
	struct json_object *otherwise = fnr_json_get(binding, "else");
	char at[REGISTRY_PATH];
	rules_only(binding, pointer, members, sizeof members / sizeof members[0], &own);
	if (fnr_json_get(binding, "from") == NULL && (fnr_json_get(binding, "lookup") != NULL || fnr_json_get(binding, "default") != NULL))
		fnr_error_add(&own, pointer, "required", "add from", "'lookup' and 'default' go with 'from'");
	if (otherwise != NULL && fnr_json_get(binding, "when") == NULL)
		fnr_error_add(&own, rules_below(at, pointer, "else"), "required", "add when", "'else' goes with 'when'");
	checking->bad = checking->bad || own.code != FNR_OK;
	fnr_error_move(checking->err, &own);
	enum binding_gives gives = check_source(checking, binding, pointer), truth;
	if (fnr_json_get(binding, "when") != NULL)
		check_expression(checking, binding, "when", pointer, true, &truth);
	if (otherwise != NULL)
		gives = join(gives, check(checking, otherwise, rules_below(at, pointer, "else")));
	return gives;
}

static enum binding_gives check(struct checking *checking, struct json_object *binding, const char *pointer)
{
	enum binding_gives gives = BINDING_ANY;
	if (json_object_is_type(binding, json_type_string)) {
		gives = check_name(checking, json_object_get_string(binding), pointer);
		if (gives == BINDING_FILE || gives == BINDING_FILES)
			problem(checking, pointer, "upload", "write {upload: name}", "a file has to be uploaded");
	} else if (!json_object_is_type(binding, json_type_object)) {
		problem(checking, pointer, "type", "name an input or parameter, or write it like {from: name}", "a binding is a name or an object");
	} else if (++checking->depth > DEPTH) {
		problem(checking, pointer, "depth", "use a lookup, or if() in an expression", "'else' is nested too deep");
	} else {
		gives = check_object(checking, binding, pointer);
	}
	return gives;
}

bool binding_check(struct json_object *binding, const struct binding_scope *scope, const char *pointer, enum binding_gives *gives_r,
                   struct fnr_error *err)
{
	struct checking checking = { .scope = scope, .err = err };
	*gives_r = check(&checking, binding, pointer);
	return !checking.bad;
}

void bindings_check(struct json_object *bindings, const struct binding_scope *scope, const char *pointer, bindings_target *target,
                    void *context, struct fnr_error *err)
{
	char at[REGISTRY_PATH];
	if (bindings == NULL)
		return;
	if (!json_object_is_type(bindings, json_type_object) || json_object_object_length(bindings) > BINDINGS_MOST) {
		fnr_error_add(err, pointer, "type", "write it like {target: name}", "'bindings' must be an object of at most %d", BINDINGS_MOST);
		return;
	}
	json_object_object_foreach(bindings, name, binding) {
		enum binding_gives gives;
		rules_below(at, pointer, name);
		if (binding_check(binding, scope, at, &gives, err) && target != NULL)
			target(name, binding, gives, at, context, err);
	}
}

/* ---- values ---- */

struct json_object *bindings_values(struct json_object *parameters, int64_t seed, const char *quality)
{
	struct json_object *values = json_object_new_object();
	fnr_json_set_int(values, "seed", seed);
	fnr_json_set_text(values, "quality", quality);
	if (!json_object_is_type(parameters, json_type_object))
		return values;
	json_object_object_foreach(parameters, name, value) {
		fnr_json_set(values, name, json_object_get(value));
	}
	return values;
}

static enum binding_result give(struct json_object *value, struct json_object **value_r)
{
	*value_r = value;
	return value != NULL ? BINDING_SET : BINDING_LEFT;
}

static struct json_object *looked_up(struct json_object *binding, struct json_object *value)
{
	struct json_object *found = NULL, *lookup = fnr_json_get(binding, "lookup");
	const char *key = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : fnr_json_text(value, NULL);
	if (value == NULL || !json_object_object_get_ex(lookup, key, &found))
		found = fnr_json_get(binding, "default");
	return json_object_get(found);
}

bool condition_holds(struct json_object *binding, const struct binding_scope *scope, struct json_object *values)
{
	char error[256];
	if (fnr_json_get(binding, "when") == NULL)
		return true;
	struct expression *when = expression_of(binding, "when", scope, error);
	bool holds = when != NULL && expression_true(when, values);
	expression_free(when);
	return holds;
}

static struct json_object *computed(struct json_object *binding, const struct binding_scope *scope, struct json_object *values)
{
	char error[256];
	struct expression *expression = expression_of(binding, "compute", scope, error);
	struct json_object *value = expression != NULL ? expression_evaluate(expression, values) : NULL;
	expression_free(expression);
	return value;
}

/* Empty places of a list are left out. */
static enum binding_result uploaded_list(const char *name, struct json_object *list, binding_upload *upload, void *context, struct json_object **value_r)
{
	struct json_object *files = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *reference = json_object_array_get_idx(list, i), *file = reference != NULL ? upload(name, reference, context) : NULL;
		if (file != NULL)
			json_object_array_add(files, file);
		if (reference == NULL || file != NULL)
			continue;
		json_object_put(files);
		return BINDING_FAILED;
	}
	return give(files, value_r);
}

static enum binding_result uploaded(struct json_object *binding, struct json_object *values, binding_upload *upload, void *context,
                                    struct json_object **value_r)
{
	const char *name = fnr_json_get_text(binding, "upload", "");
	struct json_object *value = fnr_json_get(values, name), *index = fnr_json_get(binding, "index");
	if (json_object_is_type(value, json_type_array) && index == NULL)
		return uploaded_list(name, value, upload, context, value_r);
	if (json_object_is_type(value, json_type_array))
		value = json_object_array_get_idx(value, (size_t)json_object_get_int64(index));
	if (!json_object_is_type(value, json_type_string) || json_object_get_string_len(value) == 0)
		return BINDING_LEFT;
	*value_r = upload(name, value, context);
	return *value_r != NULL ? BINDING_SET : BINDING_FAILED;
}

enum binding_result binding_value(struct json_object *binding, const struct binding_scope *scope, struct json_object *values,
                                  binding_upload *upload, void *context, struct json_object **value_r)
{
	*value_r = NULL;
	while (json_object_is_type(binding, json_type_object) && !condition_holds(binding, scope, values))
		binding = fnr_json_get(binding, "else");
	if (binding == NULL)
		return BINDING_LEFT;
	if (binding_direct(binding) != NULL)
		return give(json_object_get(fnr_json_get(values, binding_direct(binding))), value_r);
	if (fnr_json_get(binding, "from") != NULL)
		return give(looked_up(binding, fnr_json_get(values, fnr_json_get_text(binding, "from", ""))), value_r);
	if (fnr_json_get(binding, "upload") != NULL)
		return uploaded(binding, values, upload, context, value_r);
	if (fnr_json_get(binding, "compute") != NULL)
		return give(computed(binding, scope, values), value_r);
	*value_r = json_object_get(fnr_json_get(binding, "value"));
	return BINDING_SET;
}
