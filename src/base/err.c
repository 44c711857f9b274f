#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"

static const struct {
	int code, status;
	const char *type, *title;
} codes[] = {
#define X(name, number, status, type, title) { number, status, type, title },
	FNR_CODES(X)
#undef X
};

/* Composes in a buffer of its own, so that an argument may be err->message itself. */
static void compose(char *out, size_t size, const char *format, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof text, format, args);
	fnr_text_copy(out, size, text);
	fnr_text_clean(out);
	fnr_text_clean_directions(out);
}

int fnr_fail(struct fnr_error *err, int code, const char *format, ...)
{
	va_list args;

	if (!err)
		return code;
	err->code = code;
	va_start(args, format);
	compose(err->message, sizeof err->message, format, args);
	va_end(args);
	return code;
}

/* What passes by itself is no fault of ours or of the disk. */
static int code_of(int saved)
{
	switch (saved) {
	case ENOSPC: case EDQUOT: return FNR_E_FULL;
	case EMFILE: case ENFILE: case ENOMEM: case EAGAIN: return FNR_E_UNAVAILABLE;
	default: return FNR_E_IO;
	}
}

int fnr_fail_errno(struct fnr_error *err, int saved, const char *format, ...)
{
	int code = code_of(saved);
	char what[sizeof err->message];
	char why[128];
	va_list args;

	if (!err)
		return code;
	va_start(args, format);
	compose(what, sizeof what, format, args);
	va_end(args);
	return fnr_fail(err, code, "%s: %s", what, strerror_r(saved, why, sizeof why));
}

static void set(struct json_object *entry, const char *name, const char *text)
{
	FNR_MUST(json_object_object_add(entry, name, text ? json_object_new_string(text) : NULL) == 0);
}

void fnr_error_add(struct fnr_error *err, const char *pointer, const char *rule, const char *fix,
                   const char *format, ...)
{
	struct json_object *entry;
	char message[sizeof err->message];
	va_list args;

	if (!err)
		return;
	va_start(args, format);
	compose(message, sizeof message, format, args);
	va_end(args);
	if (!err->errors)
		err->errors = json_object_new_array();
	entry = json_object_new_object();
	FNR_MUST(err->errors && entry);
	set(entry, "pointer", pointer);
	set(entry, "rule", rule);
	set(entry, "message", message);
	set(entry, "fix", fix);
	FNR_MUST(json_object_array_add(err->errors, entry) == 0);
	if (err->code == FNR_OK)
		fnr_fail(err, FNR_E_INVALID, "%s%s%s", pointer, pointer[0] ? ": " : "", message);
}

void fnr_error_clear(struct fnr_error *err)
{
	if (!err)
		return;
	json_object_put(err->errors);
	*err = (struct fnr_error)FNR_ERROR_INIT;
}

int fnr_error_move(struct fnr_error *to, struct fnr_error *from)
{
	int code = from->code;

	if (to && from->errors && !to->errors)
		to->errors = json_object_new_array();
	for (size_t i = 0; to && from->errors && i < json_object_array_length(from->errors); i++)
		FNR_MUST(json_object_array_add(to->errors, json_object_get(json_object_array_get_idx(from->errors, i))) == 0);
	if (code != FNR_OK && to && (to->code == FNR_OK || !from->errors))
		fnr_fail(to, code, "%s", from->message);
	fnr_error_clear(from);
	return code;
}

static size_t find(int code)
{
	size_t i;

	for (i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (codes[i].code == code)
			return i;
	return sizeof codes / sizeof codes[0] - 1; /* internal, the last row */
}

int fnr_code_status(int code)
{
	return codes[find(code)].status;
}

const char *fnr_code_type(int code)
{
	return codes[find(code)].type;
}

const char *fnr_code_title(int code)
{
	return codes[find(code)].title;
}

void fnr_die(const char *format, ...)
{
	char message[1024];
	va_list args;

	va_start(args, format);
	compose(message, sizeof message, format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "%s: %s\n", program_invocation_short_name, message);
	exit(1);
}

void fnr_bug(const char *file, int line, const char *what)
{
	fnr_err(NULL, "broken invariant at %s:%d: %s", file, line, what);
	abort();
}
