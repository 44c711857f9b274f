/* Python files, as far as they can be understood without being run: is a class there? Its words are gone through, without
 * comments and texts. What is made at run time cannot be seen: the name anywhere, or anything that makes names, is enough. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "registry/internal.h"

#define CLASSES_MOST 64      /* that a name may have been meant to be */

struct python { const char *at, *end; };

/* Behind a text that begins here. One of a single line that has no end ends with its line. */
static void skip_text(struct python *python)
{
	char quote = *python->at;
	bool whole = python->end - python->at >= 3 && python->at[1] == quote && python->at[2] == quote;

	for (python->at += whole ? 3 : 1; python->at < python->end; python->at++) {
		if (*python->at == '\\' && python->at + 1 < python->end) {
			python->at++;
		} else if (!whole && (*python->at == quote || *python->at == '\n')) {
			python->at++;
			return;
		} else if (whole && python->end - python->at >= 3 && python->at[0] == quote && python->at[1] == quote && python->at[2] == quote) {
			python->at += 3;
			return;
		}
	}
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The next word, number or sign; false at the end. */
static bool next(struct python *python, char word[PYTHON_WORD])
{
	size_t len = 0;

	while (python->at < python->end) {
		if (*python->at == '#')
			while (python->at < python->end && *python->at != '\n')
				python->at++;
		else if (*python->at == '"' || *python->at == '\'')
			skip_text(python);
		else if (*python->at == '\\' || *python->at == ' ' || (*python->at >= '\t' && *python->at <= '\r'))
			python->at++;
		else
			break;
	}
	if (python->at == python->end)
		return false;
	word[len++] = *python->at++;
	for (; is_letter(*word) && python->at < python->end && is_letter(*python->at); python->at++)
		if (len + 1 < PYTHON_WORD)
			word[len++] = *python->at;
	word[len] = 0;
	return true;
}

/* Names may be made that do not stand in the text. Beyond ASCII, one name can be written in several ways. */
static bool is_magic(const char *word, const char *before)
{
	static const char *const words[] = { "globals", "locals", "vars", "exec", "eval", "setattr", "modules", "f_globals", "__globals__", "__dict__", "__getattr__" };

	return (unsigned char)*word >= 0x80 || (*word == '*' && strcmp(before, "import") == 0) || rules_among(word, words, sizeof words / sizeof words[0]);
}

bool python_may_have(const char *text, size_t len, const char *name, char nearest_r[PYTHON_WORD])
{
	struct python python = { text, text + len };
	char word[PYTHON_WORD], before[PYTHON_WORD] = "", classes[CLASSES_MOST][PYTHON_WORD];
	const char *names[CLASSES_MOST], *nearest;
	size_t count = 0;

	while (next(&python, word)) {
		if (strncmp(word, name, PYTHON_WORD - 1) == 0 || is_magic(word, before))
			return true;
		if (strcmp(before, "class") == 0 && count < CLASSES_MOST) {
			names[count] = classes[count];
			fnr_text_copy(classes[count++], PYTHON_WORD, word);
		}
		fnr_text_copy(before, sizeof before, word);
	}
	nearest = fnr_text_nearest(name, names, count);
	snprintf(nearest_r, PYTHON_WORD, "%s", nearest ? nearest : count == 1 ? names[0] : "");
	return false;
}
