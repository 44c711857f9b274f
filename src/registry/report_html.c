/* Reports about templates as a page, which stands alone: no script, no file beside it. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "registry/internal.h"

#define NAMED_MOST 20     /* of the templates, at the top of the page */

static const char head[] =
	"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<title>Validation of templates</title>\n<style>\n"
	":root { color-scheme: light dark; --page: #fff; --text: #1b1b1f; --quiet: #55555e; --line: #d9d9e0; --code: #f4f4f7;\n"
	"  --error: #b3261e; --warning: #7a5200; --valid: #1b6e20; --mark: #ffd9d6; --mark-warning: #ffe6b8; }\n"
	"@media (prefers-color-scheme: dark) { :root { --page: #16161a; --text: #e8e8ee; --quiet: #a9a9b6; --line: #3a3a44; --code: #22222a;\n"
	"  --error: #ff9b92; --warning: #f5bf5c; --valid: #7bd17f; --mark: #6d2a26; --mark-warning: #5a430f; } }\n"
	"* { box-sizing: border-box; }\n"
	"body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 62rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); }\n"
	"h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }\n"
	"h2 { font-size: 1.15rem; margin: 0; overflow-wrap: anywhere; }\n"
	"a { color: inherit; }\n"
	".sum { margin: 0 0 1.5rem; color: var(--quiet); }\n"
	".valid { color: var(--valid); } .error { color: var(--error); } .warning { color: var(--warning); }\n"
	"nav ul { columns: 18rem; padding-left: 1.2rem; margin: 0 0 1.5rem; } nav li { overflow-wrap: anywhere; break-inside: avoid; }\n"
	"section { border: 1px solid var(--line); border-radius: .5rem; margin: 0 0 1.25rem; padding: 1rem; }\n"
	"section > p { margin: 0; color: var(--quiet); overflow-wrap: anywhere; }\n"
	"ol { list-style: none; padding: 0; margin: 0; }\n"
	"li.problem { border-top: 1px solid var(--line); margin-top: .9rem; padding-top: .9rem; }\n"
	".problem p { margin: 0 0 .25rem; overflow-wrap: anywhere; }\n"
	".kind { font-weight: 600; } .message { font-weight: 600; } .place, .rule { color: var(--quiet); font-size: .875rem; }\n"
	"code, pre { font: .875rem/1.6 ui-monospace, monospace; } code { overflow-wrap: anywhere; }\n"
	"pre { margin: .4rem 0; padding: .4rem .75rem; overflow-x: auto; background: var(--code); border-radius: .3rem; }\n"
	"pre bdi { unicode-bidi: isolate; direction: ltr; }\n"
	"pre .number { color: var(--quiet); user-select: none; }\n"
	"mark { color: inherit; background: var(--mark); border-radius: .15rem; } .problem.warning mark { background: var(--mark-warning); }\n"
	"li.problem.error, li.problem.warning { color: inherit; }\n"
	"@media print { section { break-inside: avoid; } }\n"
	"</style>\n</head>\n<body>\n<main>\n<h1>Validation of templates</h1>\n";

static void put(struct fnr_buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		switch (text[i]) {
		case '<': fnr_buf_puts(out, "&lt;"); break;
		case '>': fnr_buf_puts(out, "&gt;"); break;
		case '&': fnr_buf_puts(out, "&amp;"); break;
		case '"': fnr_buf_puts(out, "&quot;"); break;
		default: fnr_buf_add(out, &text[i], 1);
		}
	}
}

static void puts_(struct fnr_buf *out, const char *text)
{
	put(out, text, strlen(text));
}

static void element(struct fnr_buf *out, const char *name, const char *class_, const char *text)
{
	if (!*text)
		return;
	fnr_buf_printf(out, "<%s class=\"%s\">", name, class_);
	puts_(out, text);
	fnr_buf_printf(out, "</%s>", name);
}

/* ---- one problem ---- */

/* How much of the excerpt is meant: a word, a text in quotes, or one character. */
static size_t marked(const char *text)
{
	static const char ends[] = " \t:,[]{}\"'";
	size_t len = *text == '"' || *text == '\'' ? strcspn(text + 1, (char[]){ *text, 0 }) + 2 : strcspn(text, ends);
	size_t step = fnr_utf8_step(text, strlen(text));

	return len < step ? step : len > strlen(text) ? strlen(text) : len;
}

static void excerpt(struct json_object *entry, struct fnr_buf *out)
{
	const char *text = fnr_json_get_text(entry, "excerpt", ""), *at = text;
	int64_t column = fnr_json_get_int(entry, "excerpt_column", 1);
	size_t len;

	if (!*text)
		return;
	for (int64_t i = 1; i < column && *at; i++)
		at += fnr_utf8_step(at, strlen(at));
	len = strcmp(fnr_json_get_text(entry, "rule", ""), "required") == 0 ? 0 : marked(at);      /* what is missing is not there */
	fnr_buf_printf(out, "<pre tabindex=\"0\"><span class=\"number\">%lld </span><bdi>", (long long)fnr_json_get_int(entry, "line", 1));
	put(out, text, (size_t)(at - text));
	if (len) {
		fnr_buf_puts(out, "<mark>");
		put(out, at, len);
		fnr_buf_puts(out, "</mark>");
	}
	put(out, at + len, strlen(at + len));
	fnr_buf_puts(out, "</bdi></pre>\n");
}

static void problem(struct json_object *entry, const char *kind, struct fnr_buf *out)
{
	const char *pointer = fnr_json_get_text(entry, "pointer", "");
	char place[64];

	snprintf(place, sizeof place, ":%lld:%lld", (long long)fnr_json_get_int(entry, "line", 1), (long long)fnr_json_get_int(entry, "column", 1));
	fnr_buf_printf(out, "<li class=\"problem %s\">\n<p><span class=\"kind %s\">%s:</span> ", kind, kind, strcmp(kind, "error") == 0 ? "Error" : "Warning");
	element(out, "span", "message", fnr_json_get_text(entry, "message", ""));
	fnr_buf_puts(out, "</p>\n<p class=\"place\"><bdi>");
	puts_(out, fnr_json_get_text(entry, "file", ""));
	fnr_buf_printf(out, "</bdi>%s</p>\n", fnr_json_get(entry, "file") ? place : "");
	excerpt(entry, out);
	element(out, "p", "fix", fnr_json_get_text(entry, "fix", ""));
	fnr_buf_puts(out, "<p class=\"rule\">Rule <code>");
	puts_(out, fnr_json_get_text(entry, "rule", ""));
	fnr_buf_puts(out, "</code>");
	if (*pointer) {
		fnr_buf_puts(out, " at ");
		element(out, "code", "pointer", pointer);
	}
	fnr_buf_puts(out, "</p>\n</li>\n");
}

/* ---- one template ---- */

static size_t count_of(struct json_object *report, const char *name)
{
	struct json_object *list = fnr_json_get(report, name);

	return list ? json_object_array_length(list) : 0;
}

static void amount(struct fnr_buf *out, size_t count, const char *one)
{
	fnr_buf_printf(out, "%zu %s%s", count, one, count == 1 ? "" : "s");
}

static void verdict(struct json_object *report, struct fnr_buf *out)
{
	bool valid = fnr_json_get_bool(report, "valid", false);
	size_t errors = count_of(report, "errors"), warnings = count_of(report, "warnings");

	fnr_buf_printf(out, "<strong class=\"%s\">%s</strong>", valid ? "valid" : "error", valid ? "valid" : "not valid");
	if (errors) {
		fnr_buf_puts(out, ", ");
		amount(out, errors, "error");
	}
	if (warnings) {
		fnr_buf_puts(out, ", ");
		amount(out, warnings, "warning");
	}
}

static void problems(struct json_object *report, const char *name, const char *kind, struct fnr_buf *out)
{
	for (size_t i = 0; i < count_of(report, name); i++)
		problem(json_object_array_get_idx(fnr_json_get(report, name), i), kind, out);
}

static void section(struct json_object *report, size_t number, struct fnr_buf *out)
{
	const char *id = fnr_json_get_text(report, "id", ""), *version = fnr_json_get_text(report, "version", "");

	fnr_buf_printf(out, "<section aria-labelledby=\"t%zu\">\n<h2 id=\"t%zu\" dir=\"auto\">", number, number);
	puts_(out, fnr_json_get_text(report, "file", ""));
	fnr_buf_puts(out, "</h2>\n<p>");
	if (*id || *version) {
		element(out, "bdi", "id", id);
		fnr_buf_puts(out, *id && *version ? " " : "");
		element(out, "bdi", "version", version);
		fnr_buf_puts(out, ": ");
	}
	verdict(report, out);
	fnr_buf_puts(out, "</p>\n");
	if (count_of(report, "errors") + count_of(report, "warnings")) {
		fnr_buf_puts(out, "<ol>\n");
		problems(report, "errors", "error", out);
		problems(report, "warnings", "warning", out);
		fnr_buf_puts(out, "</ol>\n");
	}
	fnr_buf_puts(out, "</section>\n");
}

/* ---- the whole ---- */

static void sum(struct json_object *const *reports, size_t count, struct fnr_buf *out)
{
	size_t valid = 0, errors = 0, warnings = 0;

	for (size_t i = 0; i < count; i++) {
		valid += fnr_json_get_bool(reports[i], "valid", false);
		errors += count_of(reports[i], "errors");
		warnings += count_of(reports[i], "warnings");
	}
	fnr_buf_puts(out, "<p class=\"sum\">");
	amount(out, count, "template");
	fnr_buf_printf(out, ", %zu valid; ", valid);
	amount(out, errors, "error");
	fnr_buf_puts(out, ", ");
	amount(out, warnings, "warning");
	fnr_buf_puts(out, "</p>\n");
}

/* Of many, the way to those that are not valid. */
static void contents(struct json_object *const *reports, size_t count, struct fnr_buf *out)
{
	size_t named = 0;

	for (size_t i = 0; count > 1 && i < count; i++) {
		if (fnr_json_get_bool(reports[i], "valid", false))
			continue;
		if (named++ == 0)
			fnr_buf_puts(out, "<nav aria-label=\"Not valid\">\n<ul>\n");
		if (named > NAMED_MOST)
			continue;
		fnr_buf_printf(out, "<li><a href=\"#t%zu\" dir=\"auto\">", i);
		puts_(out, fnr_json_get_text(reports[i], "file", ""));
		fnr_buf_puts(out, "</a></li>\n");
	}
	if (named > NAMED_MOST)
		fnr_buf_printf(out, "<li>and %zu more</li>\n", named - NAMED_MOST);
	if (named)
		fnr_buf_puts(out, "</ul>\n</nav>\n");
}

void template_report_html(struct json_object *const *reports, size_t count, struct fnr_buf *out)
{
	fnr_buf_add(out, head, sizeof head - 1);
	sum(reports, count, out);
	contents(reports, count, out);
	for (size_t i = 0; i < count; i++)
		section(reports[i], i, out);
	fnr_buf_puts(out, "</main>\n</body>\n</html>\n");
}
