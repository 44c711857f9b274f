/* Reports about templates: each problem with its place in the text, for programs, terminals and browsers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/marks.h"
#include "base/mem.h"
#include "base/text.h"
#include "registry/internal.h"

#define EXCERPT 200
#define TEXT_MOST (1u << 20)

/* ---- places ---- */

struct place { const struct template_source *source; size_t line, column; };

/* "name:12:5: what" and "JSON, line 12, column 5: what"; returns what. */
static const char *place_in_message(const struct template_source *source, const char *message, struct place *place)
{
	size_t len = strlen(source->name);
	int end = 0;

	if (strncmp(message, source->name, len) == 0 && sscanf(message + len, ":%zu:%zu: %n", &place->line, &place->column, &end) == 2 && end > 0)
		return message + len + end;
	if (sscanf(message, "JSON, line %zu, column %zu: %n", &place->line, &place->column, &end) == 2 && end > 0)
		return message + end;
	return message;
}

/* In the text that has the whole pointer, from the template itself upwards; else in that which has the most of it. */
static struct place find_place(const struct template_draft *draft, struct fnr_marks *const *marks, const char *pointer)
{
	struct place best = { &draft->chain[0], 1, 1 };
	size_t longest = 0;

	for (size_t i = 0; i < draft->count; i++) {
		size_t line, column, found = marks[i] ? fnr_marks_find(marks[i], pointer, &line, &column) : 0;

		if (marks[i] && (found > longest || (i == 0 && found == 0))) {
			best = (struct place){ &draft->chain[i], line, column };
			longest = found;
		}
	}
	return best;
}

static void add_place(struct json_object *entry, const struct place *place)
{
	char excerpt[EXCERPT];
	size_t column = fnr_marks_excerpt(place->source->text, place->source->len, place->line, place->column, excerpt, sizeof excerpt);

	fnr_json_set_text(entry, "file", place->source->name);
	fnr_json_set_int(entry, "line", (int64_t)place->line);
	fnr_json_set_int(entry, "column", (int64_t)place->column);
	fnr_json_set_text(entry, "excerpt", excerpt);
	fnr_json_set_int(entry, "excerpt_column", (int64_t)column);
}

/* A text that cannot be parsed, or names a parent that is not to be had, is the last that was fetched. */
static bool is_of_last(const char *rule, const char *pointer)
{
	static const char *const rules[] = { "type", "max_items", "unknown_template" };

	return strcmp(rule, "syntax") == 0 || (strcmp(pointer, "/extends") == 0 && rules_among(rule, rules, sizeof rules / sizeof rules[0]));
}

/* What is inherited is mended where it stands, or here, as not everybody may change that file. */
static void add_way_out(struct json_object *entry, const struct template_draft *draft)
{
	char *fix = fnr_asprintf("%s; it is inherited: mend it there, or say it anew in %s", fnr_json_get_text(entry, "fix", "correct it"), draft->chain[0].name);

	fnr_json_set_text(entry, "fix", fix);
	free(fix);
}

static struct json_object *with_place(const struct template_draft *draft, struct fnr_marks *const *marks, struct json_object *problem)
{
	struct json_object *entry = fnr_json_copy(problem);
	const char *rule = fnr_json_get_text(problem, "rule", ""), *pointer = fnr_json_get_text(problem, "pointer", "");
	size_t last = draft->count - 1;
	struct place place;

	if (!is_of_last(rule, pointer)) {
		place = find_place(draft, marks, pointer);
		if (place.source != &draft->chain[0])
			add_way_out(entry, draft);
	} else {
		place = (struct place){ &draft->chain[last], 1, 1 };
		if (marks[last])
			fnr_marks_find(marks[last], pointer, &place.line, &place.column);
	}
	if (strcmp(rule, "syntax") == 0)
		fnr_json_set_text(entry, "message", place_in_message(place.source, fnr_json_get_text(problem, "message", ""), &place));
	add_place(entry, &place);
	return entry;
}

/* ---- what is sound, but could be better ---- */

static void warn(struct fnr_error *warnings, struct json_object *definition, const char *member, const char *fix, const char *message)
{
	struct json_object *value = fnr_json_get(definition, member);
	char pointer[64] = "";

	fnr_json_pointer_add(pointer, sizeof pointer, member);
	if ((json_object_is_type(value, json_type_string) && !*json_object_get_string(value)) ||
	    (json_object_is_type(value, json_type_array) && json_object_array_length(value) == 0))
		fnr_error_add(warnings, pointer, "recommended", fix, "%s", message);
}

static void find_warnings(struct json_object *definition, struct fnr_error *warnings)
{
	char pointer[REGISTRY_PATH];

	warn(warnings, definition, "description", "say in a sentence what it makes", "there is no description: nobody finds it by a search");
	warn(warnings, definition, "examples", "add one that shows what it is for", "there are no examples");
	json_object_object_foreach(fnr_json_get(definition, "inputs"), name, input) {
		rules_below(pointer, "/inputs", name);
		if (!fnr_json_get(input, "description") && !fnr_json_get(input, "label"))
			fnr_error_add(warnings, pointer, "recommended", "add label and description", "the input '%.64s' has no label", name);
	}
}

/* ---- as JSON ---- */

static struct json_object *with_places(const struct template_draft *draft, struct fnr_marks *const *marks, struct json_object *problems)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; problems && i < json_object_array_length(problems); i++)
		json_object_array_add(list, with_place(draft, marks, json_object_array_get_idx(problems, i)));
	return list;
}

struct json_object *template_report(const struct template_draft *draft)
{
	struct json_object *report = json_object_new_object(), *given = draft->chain[0].value;
	struct fnr_marks *marks[REGISTRY_EXTENDS_MOST + 1] = { NULL };
	struct fnr_error warnings = FNR_ERROR_INIT;

	if (draft->warnings.errors)
		warnings.errors = fnr_json_copy(draft->warnings.errors);
	if (draft->version.definition)
		find_warnings(draft->version.definition, &warnings);
	for (size_t i = 0; i < draft->count && (draft->err.errors || warnings.errors); i++)
		marks[i] = fnr_marks_read(draft->chain[i].text, draft->chain[i].len);
	fnr_json_set_bool(report, "valid", draft->err.code == FNR_OK);
	fnr_json_set_text(report, "file", draft->chain[0].name);
	fnr_json_set_text(report, "id", fnr_json_get_text(given, "id", NULL));
	fnr_json_set_text(report, "version", fnr_json_get_text(given, "version", NULL));
	fnr_json_set_text(report, "message", draft->err.code == FNR_OK ? NULL : draft->err.message);
	fnr_json_set(report, "errors", with_places(draft, marks, draft->err.errors));
	fnr_json_set(report, "warnings", with_places(draft, marks, warnings.errors));
	for (size_t i = 0; i < draft->count; i++)
		fnr_marks_free(marks[i]);
	fnr_error_clear(&warnings);
	return report;
}

struct json_object *template_report_unreadable(const char *file, const char *message)
{
	struct json_object *report = json_object_new_object(), *errors = json_object_new_array(), *entry = json_object_new_object();

	fnr_json_set_text(entry, "pointer", "");
	fnr_json_set_text(entry, "rule", "readable");
	fnr_json_set_text(entry, "message", message);
	fnr_json_set_text(entry, "fix", NULL);
	add_place(entry, &(struct place){ &(struct template_source){ .name = (char *)(uintptr_t)file, .text = (char *)(uintptr_t)"" }, 1, 1 });
	json_object_array_add(errors, entry);
	fnr_json_set_bool(report, "valid", false);
	fnr_json_set_text(report, "file", file);
	fnr_json_set_text(report, "id", NULL);
	fnr_json_set_text(report, "version", NULL);
	fnr_json_set_text(report, "message", message);
	fnr_json_set(report, "errors", errors);
	fnr_json_set(report, "warnings", json_object_new_array());
	return report;
}

static struct json_object *problems_of(const struct fnr_error *err)
{
	struct fnr_error own = FNR_ERROR_INIT;

	if (err->errors)
		return json_object_get(err->errors);
	fnr_error_add(&own, "", "syntax", err->suggestion[0] ? err->suggestion : NULL, "%s", err->message);
	return own.errors;
}

struct json_object *template_report_file(const char *file, const struct fnr_error *err)
{
	struct json_object *report = template_report_unreadable(file, err->message), *problems;
	struct template_draft draft = { .count = 1 };
	struct fnr_buf text = FNR_BUF_INIT;
	struct fnr_marks *marks;

	if (fnr_file_read(file, TEXT_MOST, &text, NULL) == FNR_OK && text.len) {
		draft.chain[0] = (struct template_source){ .name = (char *)(uintptr_t)file, .text = text.data, .len = text.len };
		marks = fnr_marks_read(text.data, text.len);
		problems = problems_of(err);
		fnr_json_set(report, "errors", with_places(&draft, &marks, problems));
		json_object_put(problems);
		fnr_marks_free(marks);
	}
	fnr_buf_free(&text);
	return report;
}

/* ---- as text ---- */

static void entry_text(struct json_object *entry, const char *kind, struct fnr_buf *out)
{
	const char *pointer = fnr_json_get_text(entry, "pointer", ""), *fix = fnr_json_get_text(entry, "fix", NULL);
	const char *excerpt = fnr_json_get_text(entry, "excerpt", "");
	int64_t line = fnr_json_get_int(entry, "line", 1), column = fnr_json_get_int(entry, "column", 1), mark = fnr_json_get_int(entry, "excerpt_column", column);

	fnr_buf_printf(out, "%s:%lld:%lld: %s: %s [%s%s%s]\n", fnr_json_get_text(entry, "file", ""), (long long)line, (long long)column, kind,
	               fnr_json_get_text(entry, "message", ""), fnr_json_get_text(entry, "rule", ""), *pointer ? " " : "", pointer);
	if (*excerpt)
		fnr_buf_printf(out, "%6lld | %s\n", (long long)line, excerpt);
	if (*excerpt && mark <= (int64_t)fnr_utf8_length(excerpt) + 1)
		fnr_buf_printf(out, "       | %*s^\n", (int)mark - 1, "");
	if (fix)
		fnr_buf_printf(out, "         %s\n", fix);
}

static void entries_text(struct json_object *entries, const char *kind, struct fnr_buf *out)
{
	for (size_t i = 0; entries && i < json_object_array_length(entries); i++)
		entry_text(json_object_array_get_idx(entries, i), kind, out);
}

void template_report_text(struct json_object *report, struct fnr_buf *out)
{
	entries_text(fnr_json_get(report, "errors"), "error", out);
	entries_text(fnr_json_get(report, "warnings"), "warning", out);
	if (fnr_json_get_bool(report, "valid", false))
		fnr_buf_printf(out, "%s: %s %s is valid\n", fnr_json_get_text(report, "file", ""), fnr_json_get_text(report, "id", ""),
		               fnr_json_get_text(report, "version", ""));
}
