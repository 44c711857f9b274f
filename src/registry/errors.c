#include "registry/errors.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/vocab.h"
#include "registry/internal.h"
#include "schema/pattern.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const char *const texts[] = { "class", "code", "message", "suggestion", "action" };

/* ---- checking ---- */

static bool code_valid(const char *code)
{
	return *code && strlen(code) < 64 && strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(code);
}

/* class, code and action have words of their own; empty ones are refused by rules_text already */
static void check_words(struct json_object *part, const char *pointer, struct fnr_error *err)
{
	const char *class_ = fnr_json_get_text(part, "class", ""), *code = fnr_json_get_text(part, "code", "");
	const char *action = fnr_json_get_text(part, "action", "");
	char at[REGISTRY_PATH];

	rules_text(part, pointer, "class", RULES_OPTIONAL, 64, NULL, 0, "write text", err);
	if (*class_ && fnr_class_parse(class_) < 0)
		fnr_error_add(err, rules_below(at, pointer, "class"), "enum", "use transient, resource, validation, permanent or unknown",
		              "there is no class '%.64s'", class_);
	rules_text(part, pointer, "code", RULES_OPTIONAL, 63, NULL, 0, "write text", err);
	if (*code && !code_valid(code))
		fnr_error_add(err, rules_below(at, pointer, "code"), "name", "use small letters, digits and _", "'%.64s' is not a code", code);
	if (*action && !code_valid(action))
		fnr_error_add(err, rules_below(at, pointer, "action"), "name", "use small letters, digits and _", "'%.64s' is not an action", action);
}

static void check_when(struct json_object *when, const char *pointer, struct fnr_error *err)
{
	static const char *const names[] = { "backend", "class", "code", "text" };
	const char *text = fnr_json_get_text(when, "text", NULL);
	char at[REGISTRY_PATH], why[256];

	rules_only(when, pointer, names, COUNT(names), err);
	rules_text(when, pointer, "backend", RULES_OPTIONAL, 64, NULL, 0, "name a kind of backend, like script", err);
	rules_text(when, pointer, "text", RULES_OPTIONAL, PATTERN_LENGTH, NULL, 0, "write a regular expression, in quotes", err);
	check_words(when, pointer, err);
	if (text && !pattern_sound(text, why, sizeof why))
		fnr_error_add(err, rules_below(at, pointer, "text"), "pattern", "correct the regular expression", "'text' cannot be used: %s", why);
	if (!fnr_json_get(when, "class") && !fnr_json_get(when, "code") && !text)
		fnr_error_add(err, pointer, "required", "name a class, a code or a text", "the rule would fit every error");
}

static void check_then(struct json_object *then, const char *pointer, struct fnr_error *err)
{
	static const char *const names[] = { "class", "code", "message", "suggestion", "action", "retry_after_s", "backend_down" };
	static const struct rules_number after = { "retry_after_s", 0, ERROR_RETRY_AFTER_MOST, false };

	rules_only(then, pointer, names, COUNT(names), err);
	check_words(then, pointer, err);
	rules_text(then, pointer, "message", RULES_OPTIONAL, 500, NULL, 0, "write what people read", err);
	rules_text(then, pointer, "suggestion", RULES_OPTIONAL, 250, NULL, 0, "write what people can do", err);
	rules_text(then, pointer, "action", RULES_OPTIONAL, 31, NULL, 0, "write text", err);
	rules_number(then, pointer, &after, err);
	rules_want(then, pointer, "backend_down", json_type_boolean, "use true or false", err);
}

static void check_rule(struct json_object *rule, const char *pointer, struct fnr_error *err)
{
	static const char *const names[] = { "when", "then" };
	char at[REGISTRY_PATH];

	if (!json_object_is_type(rule, json_type_object)) {
		fnr_error_add(err, pointer, "type", "write it like {when: {…}, then: {…}}", "a rule must be an object");
		return;
	}
	rules_only(rule, pointer, names, COUNT(names), err);
	for (size_t i = 0; i < COUNT(names); i++) {
		struct json_object *part = fnr_json_get(rule, names[i]);

		rules_below(at, pointer, names[i]);
		if (!json_object_is_type(part, json_type_object))
			fnr_error_add(err, at, part ? "type" : "required", "write it like {class: transient}", "'%s' must be an object", names[i]);
		else
			(i ? check_then : check_when)(part, at, err);
	}
}

void error_rules_check(struct json_object *rules, const char *pointer, struct fnr_error *err)
{
	char index[24], at[REGISTRY_PATH];

	if (!json_object_is_type(rules, json_type_array)) {
		fnr_error_add(err, pointer, "type", "write a list", "the rules must be a list");
		return;
	}
	if (json_object_array_length(rules) > ERROR_RULES_MOST)
		fnr_error_add(err, pointer, "max_items", "leave some out", "there are more than %d rules", ERROR_RULES_MOST);
	for (size_t i = 0; i < json_object_array_length(rules) && i < ERROR_RULES_MOST; i++) {
		snprintf(index, sizeof index, "%zu", i);
		check_rule(json_object_array_get_idx(rules, i), rules_below(at, pointer, index), err);
	}
}

struct json_object *error_rules_read(const char *path, struct fnr_error *err)
{
	static const char *const names[] = { "errors" };
	struct fnr_error own = FNR_ERROR_INIT;
	struct json_object *file, *rules = NULL;

	if (access(path, F_OK) != 0) {
		fnr_fail(err, FNR_E_NOT_FOUND, "there is no %s", path);
		return NULL;
	}
	file = template_parse_file(path, &own);
	if (file && json_object_is_type(file, json_type_object)) {
		rules_only(file, "", names, COUNT(names), &own);
		error_rules_check(fnr_json_get(file, "errors"), "/errors", &own);
	} else if (own.code == FNR_OK) {
		fnr_error_add(&own, "", "type", "begin the file with errors:", "there is no list of rules");
	}
	if (own.code == FNR_OK)
		rules = json_object_get(fnr_json_get(file, "errors"));
	json_object_put(file);
	fnr_error_move(err, &own);
	return rules;
}

/* ---- use ---- */

static bool same(struct json_object *when, const char *name, const char *value)
{
	const char *wanted = fnr_json_get_text(when, name, NULL);

	return !wanted || strcmp(wanted, value) == 0;
}

static bool found(const char *pattern, struct json_object *error, const char *name)
{
	const char *text = fnr_json_get_text(error, name, "");

	return pattern_match(pattern, text, strlen(text)) == PATTERN_FITS;
}

static bool fits(struct json_object *when, const char *backend, struct json_object *error)
{
	const char *text = fnr_json_get_text(when, "text", NULL);

	return same(when, "backend", backend) && same(when, "class", fnr_json_get_text(error, "class", "")) &&
	       same(when, "code", fnr_json_get_text(error, "code", "")) && (!text || found(text, error, "message") || found(text, error, "detail"));
}

bool error_rules_apply(struct json_object *rules, const char *backend, struct json_object *error)
{
	size_t count = json_object_is_type(rules, json_type_array) ? json_object_array_length(rules) : 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *rule = json_object_array_get_idx(rules, i), *then = fnr_json_get(rule, "then");

		if (!fits(fnr_json_get(rule, "when"), backend, error))
			continue;
		for (size_t j = 0; j < COUNT(texts); j++)
			if (fnr_json_get(then, texts[j]))
				fnr_json_set(error, texts[j], json_object_get(fnr_json_get(then, texts[j])));
		if (fnr_json_get(then, "retry_after_s"))
			fnr_json_set(error, "retry_after_s", json_object_get(fnr_json_get(then, "retry_after_s")));
		if (fnr_json_get(then, "backend_down"))
			fnr_json_set(error, "backend_down", json_object_get(fnr_json_get(then, "backend_down")));
		return true;
	}
	return false;
}
