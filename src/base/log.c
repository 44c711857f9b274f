#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define LINE_SIZE 4096

static const char *const levels[] = { "debug", "info", "warn", "error" };
static const char *log_process = "fnr";
static enum fnr_log_level log_least = FNR_LOG_INFO;

void fnr_log_init(const char *process, enum fnr_log_level least)
{
	log_process = process;
	log_least = least;
}

int fnr_log_level_parse(const char *text)
{
	size_t i;

	for (i = 0; i < sizeof levels / sizeof levels[0]; i++)
		if (strcmp(levels[i], text) == 0)
			return (int)i;
	return -1;
}

/* Whether our own format begins with "name=": then the message is pairs, not a sentence. */
static bool is_pairs(const char *format)
{
	size_t len = strspn(format, "abcdefghijklmnopqrstuvwxyz0123456789_.");

	return len && format[len] == '=';
}

/* One character of text in the form it has in a line; returns how many bytes of text it was. */
static size_t escape(const char *text, size_t len, bool quoted, char out[8])
{
	size_t step = fnr_utf8_step(text, len);
	unsigned char c = (unsigned char)text[0];
	bool c1 = step == 2 && c == 0xc2 && (unsigned char)text[1] < 0xa0;

	if (c == '\n' || c == '\t' || c == '\r') {
		snprintf(out, 8, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
		return 1;
	}
	if (!step || c < 0x20 || c == 0x7f || c1) {
		snprintf(out, 8, "\\x%02x", c1 ? (unsigned char)text[1] : c);
		return step ? step : 1;
	}
	if (quoted && (c == '"' || c == '\\')) {
		snprintf(out, 8, "\\%c", c);
		return 1;
	}
	memcpy(out, text, step);
	out[step] = 0;
	return step;
}

/* Adds text at *at, leaving `spare` bytes of the line free; cuts at a character. */
static void add(char *line, size_t *at, size_t spare, const char *text, bool quoted)
{
	size_t len = strlen(text), done = 0, size;
	char piece[8];

	while (done < len) {
		done += escape(text + done, len - done, quoted, piece);
		size = strlen(piece);
		if (*at + size + spare > LINE_SIZE)
			return;
		memcpy(line + *at, piece, size);
		*at += size;
	}
}

void fnr_log(enum fnr_log_level level, const char *id, const char *format, ...)
{
	char line[LINE_SIZE], message[LINE_SIZE], when[FNR_TIME_SIZE];
	bool pairs = is_pairs(format);
	int saved = errno;
	va_list args;
	size_t at;

	if (level < log_least)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	at = (size_t)snprintf(line, sizeof line, "%s %s %.64s ", fnr_time_format(fnr_now_ms(), when), levels[level],
	                      log_process);
	if (id) {
		add(line, &at, 512, id, false);
		line[at++] = ' ';
	}
	if (!pairs) {
		memcpy(line + at, "msg=\"", 5);
		at += 5;
	}
	add(line, &at, 2, message, !pairs);
	if (!pairs)
		line[at++] = '"';
	line[at++] = '\n';
	while (write(STDERR_FILENO, line, at) < 0 && errno == EINTR)
		;
	errno = saved;
}
