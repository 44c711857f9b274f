#include "base/yaml_problem.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The first row whose texts are in libyaml's problem and context ("": whatever it is). */
enum place { HERE, BEGIN, AROUND };   /* BEGIN: where the thing began is the place; AROUND: it is named as well */
static const struct words { const char *problem, *context; enum place place; const char *what, *fix; } table[] = {
	{ "mapping values are not allowed", "", HERE, "there is a ': ' where none can be", "put a text with ': ' in it in quotes, correct the indentation, or give the line above its colon" },
	{ "mapping keys are not allowed", "", HERE, "a '? ' cannot stand here", "put the text in quotes" },
	{ "block sequence entries are not allowed", "", HERE, "a '- ' cannot stand here", "begin the list in a line of its own" },
	{ "cannot start any token", "", HERE, "a value cannot begin with this character", "put the text in quotes; indent with spaces, not with tabs" },
	{ "could not find expected ':'", "", BEGIN, "behind this name comes no ':'", "write it like name: value, with a space behind the colon" },
	{ "tab character", "", HERE, "there is a tab where spaces have to be", "indent with spaces" },
	{ "unexpected end of stream", "quoted scalar", BEGIN, "the text in quotes that begins here does not end", "end it with the same quote" },
	{ "unexpected document indicator", "quoted scalar", BEGIN, "the text in quotes that begins here does not end", "end it with the same quote" },
	{ "escape character", "", HERE, "in double quotes \\ cannot stand before this", "write \\\\, or use single quotes" },
	{ "did not find expected key", "", AROUND, "this does not go on with what is above it",
	  "let all members begin in the same column, and put a text that begins with a quote, but goes on behind it, in other quotes" },
	{ "did not find expected '-' indicator", "", AROUND, "this does not go on with the list above it", "let all items begin with '- ' in the same column" },
	{ "did not find expected ',' or ']'", "", AROUND, "here ',' or ']' is missing", "end the list with ], and put a text that has one of , [ ] { } in quotes" },
	{ "did not find expected ',' or '}'", "", AROUND, "here ',' or '}' is missing", "end it with }, and put a text that has one of , [ ] { } in quotes" },
	{ "node content", "", HERE, "here a value is missing", "give it one; put a text in quotes" },
	{ "alphabetic or numeric character", "", HERE, "a text cannot begin with * or &, which name other parts", "put the text in quotes" },
	{ "hexdecimal number", "", HERE, "in double quotes \\x, \\u and \\U need a number behind them", "write \\\\, or use single quotes" },
	{ "escape code", "", HERE, "this escape is no character", "write the character itself" },
	{ "comment or line break", "block scalar", HERE, "behind a > or | that begins a text the line has to end", "put the text in quotes, or begin it in the next line" },
	{ "", "directive", HERE, "a % begins a line that is for YAML itself, and which this is not", "put the text in quotes, or take the line away" },
	{ "incompatible YAML", "", HERE, "this version of YAML is not taken", "take the line away" },
	{ "", "a tag", HERE, "a ! here begins a tag, which this is not", "put the text in quotes" },
	{ "undefined tag handle", "", HERE, "a ! here begins a tag, which this is not", "put the text in quotes" },
	{ "UTF-8", "", HERE, "this is not UTF-8", "save the text as UTF-8" },
	{ "invalid Unicode", "", HERE, "this is not UTF-8", "save the text as UTF-8" },
	{ "control characters", "", HERE, "this is a control character, which most editors do not show", "take it out" },
	{ "<document start>", "", HERE, "here the text should be at its end", "let all members begin in the same column" },
};

/* Where a byte stands, for what is found before libyaml counts lines. */
static yaml_mark_t mark_of(const char *text, size_t len, size_t offset)
{
	yaml_mark_t mark = { .index = offset };

	for (size_t i = 0; i < len && i < offset; i++) {
		if (text[i] == '\n') {
			mark.line++;
			mark.column = 0;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			mark.column++;
		}
	}
	return mark;
}

static const struct words *find(const yaml_parser_t *parser)
{
	for (size_t i = 0; parser->problem && i < sizeof table / sizeof table[0]; i++)
		if (strstr(parser->problem, table[i].problem) && strstr(parser->context ? parser->context : "", table[i].context))
			return &table[i];
	return NULL;
}

static bool is_end(const char *text, size_t len, yaml_mark_t mark)
{
	yaml_mark_t end = mark_of(text, len, len);

	return mark.line > end.line || (mark.line == end.line && mark.column >= end.column);
}

/* What is missing at the end of the text is missing from where the thing began. */
static void say_where(const yaml_parser_t *parser, const struct words *words, const char *text, size_t len, struct yaml_problem *out)
{
	bool begun = parser->context != NULL && parser->error != YAML_READER_ERROR;
	yaml_mark_t begin = parser->context_mark;

	if (begun && (words->place == BEGIN || is_end(text, len, out->mark)))
		out->mark = begin;
	else if (begun && words->place == AROUND)
		snprintf(out->fix + strlen(out->fix), sizeof out->fix - strlen(out->fix), "; it began in line %zu, column %zu", begin.line + 1, begin.column + 1);
}

void yaml_problem_explain(const yaml_parser_t *parser, const char *text, size_t len, struct yaml_problem *out)
{
	const struct words *words = find(parser);

	out->mark = parser->error == YAML_READER_ERROR ? mark_of(text, len, parser->problem_offset) : parser->problem_mark;
	snprintf(out->fix, sizeof out->fix, "%s", "look at what stands here and in the line above it");
	if (!words) {
		snprintf(out->what, sizeof out->what, "%s%s%s", parser->problem ? parser->problem : "no YAML", parser->context ? ", " : "",
		         parser->context ? parser->context : "");
		return;
	}
	snprintf(out->what, sizeof out->what, "%s", words->what);
	snprintf(out->fix, sizeof out->fix, "%s", words->fix);
	say_where(parser, words, text, len, out);
}
