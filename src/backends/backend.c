#include "config.h"

#include "backends/backend.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backends/kinds.h"
#include "base/log.h"
#include "base/text.h"

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

void backend_conf(struct fnr_conf *conf)
{
	static const struct fnr_conf defaults = {
#define X(member, type, key, def, least, most, unit, help) .member = def,
		FNR_CONF_KEYS(X)
#undef X
	};
	static struct fnr_conf last;
	static struct stat seen;
	struct fnr_error err = FNR_ERROR_INIT;
	struct stat now = { 0 };

	stat("config.yaml", &now);
	if (*last.log_level != '\0' && same_file(&now, &seen)) {
		*conf = last;
		return;
	}
	*conf = defaults;
	if (fnr_conf_load(conf, "config.yaml", &err) == FNR_OK) {
		last = *conf;
		seen = now;
	} else {
		fnr_warn(NULL, "config.yaml has mistakes, the defaults are used: %s", err.message);
	}
	fnr_error_clear(&err);
}

/* As fnr_text_clean, but line ends stay: what technicians read is often several lines. */
static void clean_lines(char *text)
{
	while (text != NULL) {
		char *end = strchr(text, '\n');
		if (end != NULL)
			*end = '\0';
		fnr_text_clean(text);
		if (end != NULL)
			*end++ = '\n';
		text = end;
	}
}

enum run_result run_fail(struct run_error *error, enum fnr_class class_, const char *code, const char *suggestion,
                         const char *action, const char *detail, const char *format, ...)
{
	char message[sizeof error->message * 2];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	fnr_text_clean(message);
	error->class_ = class_;
	fnr_text_copy(error->code, sizeof error->code, code);
	fnr_text_copy(error->message, sizeof error->message, message);
	fnr_text_copy(error->suggestion, sizeof error->suggestion, suggestion != NULL ? suggestion : "");
	fnr_text_copy(error->action, sizeof error->action, action != NULL ? action : "");
	fnr_text_clean(error->suggestion);
	fnr_text_copy(error->detail, sizeof error->detail, detail != NULL ? detail : "");
	clean_lines(error->detail);
	error->retry_after_s = 0;
	error->backend_down = error->ignores_cancel = error->elsewhere = false;
	return RUN_FAILED;
}
