#include "config.h"

#include <stdlib.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backends/script.h"
#include "base/text.h"
#include "files/path.h"
#include "registry/errors.h"

#define LOG_LINE 4000
#define PREVIEW_MAX (4u << 20)
#define QUOTE 200

/* ---- one line of standard output ---- */

static void protocol_broken(struct script_lines *lines, const char *line, size_t len, const char *what)
{
	char quote[QUOTE + 1], detail[QUOTE + 160];
	snprintf(quote, sizeof quote, "%.*s", (int)(len < QUOTE ? len : QUOTE), line);
	fnr_text_clean(quote);
	snprintf(detail, sizeof detail, "%s; the line begins: %s", what, quote);
	run_fail(lines->error, FNR_CLASS_PERMANENT, "script_protocol",
	         "The function must print one JSON object a line on standard output, and everything else on standard error.",
	         NULL, detail, "The function printed something that cannot be understood.");
	lines->failed = true;
}

static const char *line_progress(struct script_lines *lines, struct json_object *value, struct json_object *object)
{
	if (!json_object_is_type(value, json_type_double) && !json_object_is_type(value, json_type_int))
		return "\"progress\" must be a number from 0 to 1";
	int stage = fnr_stage_parse(fnr_json_get_text(object, "stage", "execution"));
	if (stage < 0 || stage == FNR_STAGE_QUEUE)
		return "\"stage\" must be preparation, execution or finalization";
	run_progress(lines->run, (enum fnr_stage)stage, json_object_get_double(value), fnr_json_get_text(object, "message", NULL));
	return NULL;
}

static const char *line_log(struct script_lines *lines, struct json_object *value, struct json_object *object)
{
	if (!json_object_is_type(value, json_type_string))
		return "\"log\" must be text";
	run_log(lines->run, fnr_json_get_text(object, "level", "info"), json_object_get_string(value));
	return NULL;
}

/* A preview that cannot be read is no reason to fail: the picture may be in the making. */
static const char *line_preview(struct script_lines *lines, struct json_object *value, struct json_object *object)
{
	if (!json_object_is_type(value, json_type_string))
		return "\"preview\" must be the name of a file";
	const char *name = run_path_within(lines->run, json_object_get_string(value)), *media_type = path_media_type(name);
	struct fnr_error err = FNR_ERROR_INIT;
	uint64_t size = 0;
	int dir = open(lines->run->work_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = path_open_file(dir, name, &size, &err);
	if (fd >= 0 && size > 0 && size <= PREVIEW_MAX && strncmp(media_type, "image/", 6) == 0 && path_media_inline(media_type)) {
		char *data = malloc(size);
		ssize_t got = data != NULL ? read(fd, data, size) : -1;
		if (got > 0)
			run_preview(lines->run, media_type, data, (size_t)got);
		free(data);
	} else {
		run_log(lines->run, "warn", fd < 0 ? err.message : "a preview was left out: it must be a picture of at most 4 MiB");
	}
	if (fd >= 0)
		close(fd);
	close(dir);
	fnr_error_clear(&err);
	return NULL;
}

static const char *line_output(struct script_lines *lines, struct json_object *value, struct json_object *object)
{
	const char *path = fnr_json_get_text(object, "path", NULL);
	if (!json_object_is_type(value, json_type_string) || path == NULL)
		return "\"output\" must be the name of an output, with the file in \"path\"";
	if (!run_output(lines->run, json_object_get_string(value), path, lines->error))
		lines->failed = true;
	return NULL;
}

static const char *line_result(struct script_lines *lines, struct json_object *value, struct json_object *object)
{
	if (!json_object_is_type(value, json_type_object))
		return "\"result\" must be an object";
	run_result(lines->run, value);
	return NULL;
}

static bool code_valid(const char *code)
{
	size_t len = strlen(code);
	return len > 0 && len < 64 && strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static const char *line_error(struct script_lines *lines, struct json_object *value, struct json_object *object)
{
	if (!json_object_is_type(value, json_type_object))
		return "\"error\" must be an object";
	int class_ = fnr_class_parse(fnr_json_get_text(value, "class", "permanent"));
	const char *code = fnr_json_get_text(value, "code", "script_error"), *message = fnr_json_get_text(value, "message", "");
	const char *action = fnr_json_get_text(value, "action", "");
	double after = fnr_json_get_real(value, "retry_after_s", 0);
	if (class_ < 0)
		return "\"class\" of an error must be transient, resource, validation, permanent or unknown";
	if (lines->refused) /* what it said first is the cause */
		return NULL;
	if (after < 0 || after > ERROR_RETRY_AFTER_MOST)
		return "\"retry_after_s\" of an error must be a number of seconds, of at most one day";
	lines->refused = true;
	run_fail(&lines->refusal, (enum fnr_class)class_, code_valid(code) ? code : "script_error",
	         fnr_json_get_text(value, "suggestion", NULL), code_valid(action) ? action : NULL,
	         fnr_json_get_text(value, "detail", NULL), "%s", message[0] != '\0' ? message : "The function failed.");
	lines->refusal.retry_after_s = after;
	return NULL;
}

/* Returns what is wrong with the line, or NULL. */
typedef const char *line_handler(struct script_lines *lines, struct json_object *value, struct json_object *object);

static const struct { const char *member; line_handler *handle; } handlers[] = {
	{ "progress", line_progress }, { "log", line_log }, { "preview", line_preview },
	{ "output", line_output }, { "result", line_result }, { "error", line_error },
};

static void line_read(struct script_lines *lines, const char *line, size_t len)
{
	if (strspn(line, " \t\r") == len)
		return;
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *object = fnr_json_parse(line, len, &err);
	const char *wrong = "the line is not a JSON object";
	if (err.code != FNR_OK) {
		wrong = err.message;
	} else if (json_object_is_type(object, json_type_object)) {
		wrong = "the object has none of progress, log, preview, output, result and error";
		for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
			struct json_object *value;
			if (!json_object_object_get_ex(object, handlers[i].member, &value))
				continue;
			wrong = handlers[i].handle(lines, value, object);
			break;
		}
	}
	if (wrong != NULL)
		protocol_broken(lines, line, len, wrong);
	json_object_put(object);
	fnr_error_clear(&err);
}

void script_lines_out(struct script_lines *lines, const char *data, size_t len)
{
	lines->printed += len;
	if (lines->failed)
		return;
	fnr_buf_add(&lines->out, data, len);
	size_t at = 0;
	char *end;
	while (!lines->failed && (end = memchr(lines->out.data + at, '\n', lines->out.len - at)) != NULL) {
		*end = '\0';
		line_read(lines, lines->out.data + at, (size_t)(end - lines->out.data) - at);
		at = (size_t)(end - lines->out.data) + 1;
	}
	fnr_buf_drop(&lines->out, at);
	if (lines->failed)
		return;
	if (lines->out.len > SCRIPT_LINE_MAX)
		protocol_broken(lines, lines->out.data, lines->out.len, "a line is longer than 1 MiB");
	else if (lines->printed > lines->most)
		protocol_broken(lines, lines->out.len > 0 ? lines->out.data : "", lines->out.len,
		                "more was printed on standard output than script.output allows");
}

/* ---- standard error ---- */

static void err_line(struct script_lines *lines, const char *line, size_t len)
{
	char text[LOG_LINE + 1];
	memcpy(text, line, len);
	text[len] = '\0';
	if (strlen(text) != len) /* bytes of 0 would end the line for the reader */
		for (size_t i = 0; i < len; i++)
			text[i] = text[i] == '\0' ? '?' : text[i];
	if (len > 0)
		run_log(lines->run, "info", text);
	fnr_buf_add(&lines->tail, text, len);
	fnr_buf_add(&lines->tail, "\n", 1);
	if (lines->tail.len > SCRIPT_TAIL)
		fnr_buf_drop(&lines->tail, lines->tail.len - SCRIPT_TAIL);
}

void script_lines_err(struct script_lines *lines, const char *data, size_t len)
{
	fnr_buf_add(&lines->err, data, len);
	size_t at = 0;
	while (lines->err.len > at) {
		const char *begin = lines->err.data + at;
		size_t left = lines->err.len - at;
		const char *end = memchr(begin, '\n', left);
		size_t line_len = end != NULL ? (size_t)(end - begin) : left;
		if (end == NULL && left < LOG_LINE)
			break;
		bool cut = line_len > LOG_LINE;
		line_len = cut ? LOG_LINE : line_len;
		err_line(lines, begin, line_len);
		at += line_len + (end != NULL && !cut);
	}
	fnr_buf_drop(&lines->err, at);
}

void script_lines_end(struct script_lines *lines, bool whole)
{
	if (lines->err.len > 0)
		err_line(lines, lines->err.data, lines->err.len);
	if (whole && lines->out.len > 0 && !lines->failed)
		line_read(lines, lines->out.data, lines->out.len);
	fnr_buf_reset(&lines->err);
	fnr_buf_reset(&lines->out);
}

void script_lines_free(struct script_lines *lines)
{
	fnr_buf_free(&lines->out);
	fnr_buf_free(&lines->err);
	fnr_buf_free(&lines->tail);
}
