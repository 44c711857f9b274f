#include "base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/queues.h"
#include "base/text.h"
#include "base/yaml.h"

#define FILE_MAX (1 << 20)
#define TEXT_SIZE sizeof ((struct fnr_conf *)0)->log_level

enum type { INT, BOOL, TEXT };

struct key {
	const char *name;
	enum type type;
	size_t offset;        /* in struct fnr_conf */
	int64_t number;       /* the default of INT and BOOL */
	const char *text;     /* the default of TEXT */
	int64_t least, most;
	const char *unit, *help;
};

#define DEFAULT_INT(def) .number = (def)
#define DEFAULT_BOOL(def) .number = (def)
#define DEFAULT_TEXT(def) .text = (def)

static const struct key keys[] = {
#define X(member, type_, key, def, least_, most_, unit_, help_) \
	{ .name = key, .type = type_, .offset = offsetof(struct fnr_conf, member), DEFAULT_##type_(def), \
	  .least = (least_), .most = (most_), .unit = unit_, .help = help_ },
	FNR_CONF_KEYS(X)
#undef X
};

#define KEY_COUNT (sizeof keys / sizeof keys[0])

/* One reading: the configuration that is being made, and where each value comes from, for messages. */
struct reading {
	struct fnr_conf conf;
	const char *path;
	struct fnr_error *err;
	bool set[KEY_COUNT]; /* by the file */
	int problems;
};

static void refuse(struct reading *reading, const char *pointer, const char *rule, const char *fix,
                   const char *message)
{
	fnr_error_add(reading->err, pointer, rule, fix, "%s", message);
	reading->problems++;
}

/* Refuses with a message that is freed here. */
static void refuse_made(struct reading *reading, const char *pointer, const char *rule, const char *fix, char *message)
{
	refuse(reading, pointer, rule, fix, message);
	free(message);
}

static void put_int(struct reading *reading, const struct key *key, const char *source, int64_t value)
{
	if (value < key->least || value > key->most) {
		refuse_made(reading, key->name, "range", NULL,
		            fnr_asprintf("%s: %" PRId64 " is not within %" PRId64 " to %" PRId64 "%s%s", source, value,
		                         key->least, key->most, key->unit[0] ? " " : "", key->unit));
		return;
	}
	memcpy((char *)&reading->conf + key->offset, &value, sizeof value);
}

static void put_bool(struct reading *reading, const struct key *key, bool value)
{
	memcpy((char *)&reading->conf + key->offset, &value, sizeof value);
}

static bool is_plain(const char *text)
{
	const char *c;

	for (c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return false;
	return fnr_utf8_valid(text, strlen(text));
}

static void put_text(struct reading *reading, const struct key *key, const char *source, const char *value)
{
	if (strlen(value) >= TEXT_SIZE)
		refuse_made(reading, key->name, "max_length", NULL,
		            fnr_asprintf("%s: the text is longer than %zu bytes", source, TEXT_SIZE - 1));
	else if (!is_plain(value))
		refuse_made(reading, key->name, "characters", NULL,
		            fnr_asprintf("%s: the text has control characters or is not valid UTF-8", source));
	else
		fnr_text_copy((char *)&reading->conf + key->offset, TEXT_SIZE, value);
}

static void refuse_type(struct reading *reading, const struct key *key, const char *source)
{
	static const char *const wanted[] = { "a whole number", "true or false", "a text" };

	refuse_made(reading, key->name, "type", NULL, fnr_asprintf("%s: this must be %s", source, wanted[key->type]));
}

static void set_defaults(struct reading *reading)
{
	size_t i;

	for (i = 0; i < KEY_COUNT; i++) {
		if (keys[i].type == INT)
			put_int(reading, &keys[i], "default", keys[i].number);
		else if (keys[i].type == BOOL)
			put_bool(reading, &keys[i], keys[i].number != 0);
		else
			put_text(reading, &keys[i], "default", keys[i].text);
	}
}

static const struct key *key_find(const char *name)
{
	size_t i;

	for (i = 0; i < KEY_COUNT; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static void refuse_unknown(struct reading *reading, const char *name)
{
	const char *names[KEY_COUNT], *nearest;
	char *fix = NULL;
	size_t i;

	for (i = 0; i < KEY_COUNT; i++)
		names[i] = keys[i].name;
	nearest = fnr_text_nearest(name, names, KEY_COUNT);
	if (nearest)
		fix = fnr_asprintf("Did you mean %s?", nearest);
	refuse_made(reading, name, "unknown", fix,
	            fnr_asprintf("%s: there is no key %s%s%s", reading->path, name, fix ? ". " : "", fix ? fix : ""));
	free(fix);
}

static void file_value(struct reading *reading, const struct key *key, struct json_object *value)
{
	bool *set = &reading->set[key - keys];

	if (*set) {
		refuse_made(reading, key->name, "duplicate", NULL,
		            fnr_asprintf("%s: this key is there twice, nested and dotted", reading->path));
		return;
	}
	*set = true;
	if (key->type == INT && json_object_is_type(value, json_type_int))
		put_int(reading, key, reading->path, json_object_get_int64(value));
	else if (key->type == BOOL && json_object_is_type(value, json_type_boolean))
		put_bool(reading, key, json_object_get_boolean(value));
	else if (key->type == TEXT && json_object_is_type(value, json_type_string))
		put_text(reading, key, reading->path, json_object_get_string(value));
	else
		refuse_type(reading, key, reading->path);
}

/* Whether keys begin with "name.": an empty section, all of whose keys are commented out, is fine. */
static bool is_section(const char *name)
{
	size_t len = strlen(name), i;

	for (i = 0; i < KEY_COUNT; i++)
		if (strncmp(keys[i].name, name, len) == 0 && keys[i].name[len] == '.')
			return true;
	return false;
}

/* Nesting is bounded by the parser. */
static void file_section(struct reading *reading, const char *prefix, struct json_object *section)
{
	const struct key *key;
	char *name;

	json_object_object_foreach(section, member, value) {
		name = fnr_asprintf("%s%s%s", prefix, prefix[0] ? "." : "", member);
		key = key_find(name);
		if (key)
			file_value(reading, key, value);
		else if (json_object_is_type(value, json_type_object))
			file_section(reading, name, value);
		else if (value || !is_section(name))
			refuse_unknown(reading, name);
		free(name);
	}
}

/* Whether a text has only comments and blank lines. */
static bool is_blank(const char *text)
{
	for (;;) {
		text += strspn(text, " \t\r\n");
		if (*text != '#')
			return !*text;
		text += strcspn(text, "\n");
	}
}

static void read_file(struct reading *reading)
{
	struct fnr_error why = FNR_ERROR_INIT;
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *all = NULL;
	int code = fnr_file_read(reading->path, FILE_MAX, &text, &why);

	if (code == FNR_OK && !(strlen(text.data) == text.len && is_blank(text.data)))
		all = fnr_yaml_parse(text.data, text.len, reading->path, &why);
	if (why.code != FNR_OK && why.code != FNR_E_NOT_FOUND)
		refuse(reading, "", "readable", NULL, why.message);
	else if (all && !json_object_is_type(all, json_type_object))
		refuse_made(reading, "", "type", NULL, fnr_asprintf("%s: keys and values are expected", reading->path));
	else if (all)
		file_section(reading, "", all);
	json_object_put(all);
	fnr_buf_free(&text);
	fnr_error_clear(&why);
}

/* FNR_WORKERS_MAX for workers.max; the caller frees it. */
static char *variable_of(const struct key *key)
{
	char *name = fnr_asprintf("FNR_%s", key->name), *c;

	for (c = name; *c; c++)
		*c = *c == '.' ? '_' : (char)toupper((unsigned char)*c);
	return name;
}

static void environment_int(struct reading *reading, const struct key *key, const char *source, const char *text)
{
	const char *digits = text + (*text == '-');
	int64_t value;

	errno = 0;
	value = strtoll(text, NULL, 10);
	if (!*digits || digits[strspn(digits, "0123456789")] || errno)
		refuse_type(reading, key, source);
	else
		put_int(reading, key, source, value);
}

static void environment_bool(struct reading *reading, const struct key *key, const char *source, const char *text)
{
	bool yes = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;

	if (yes || strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
		put_bool(reading, key, yes);
	else
		refuse_type(reading, key, source);
}

static void read_environment(struct reading *reading)
{
	const char *text;
	char *name;
	size_t i;

	for (i = 0; i < KEY_COUNT; i++) {
		name = variable_of(&keys[i]);
		text = getenv(name);
		if (text && keys[i].type == INT)
			environment_int(reading, &keys[i], name, text);
		else if (text && keys[i].type == BOOL)
			environment_bool(reading, &keys[i], name, text);
		else if (text)
			put_text(reading, &keys[i], name, text);
		free(name);
	}
}

/* What one key's bounds cannot say. */
static void check_whole(struct reading *reading)
{
	const struct fnr_conf *conf = &reading->conf;
	const char *wrong;

	if (fnr_log_level_parse(conf->log_level) < 0)
		refuse_made(reading, "log.level", "enum", "Use debug, info, warn or error.",
		            fnr_asprintf("\"%s\" is no level", conf->log_level));
	if (conf->workers_min > conf->workers_max)
		refuse_made(reading, "workers.min", "range", "Lower workers.min or raise workers.max.",
		            fnr_asprintf("%" PRId64 " is more than workers.max, which is %" PRId64, conf->workers_min,
		                         conf->workers_max));
	if (!fnr_queues_sound(conf->queue_names, &wrong))
		refuse_made(reading, "queue.names", "name", "Give names of letters, digits, '.', '_' and '-' once each.",
		            fnr_asprintf("\"%.*s\" cannot be one more queue: it is no name, or there already, or one of more than %d",
		                         (int)strcspn(wrong, " "), wrong, FNR_QUEUES_MOST));
}

int fnr_conf_load(struct fnr_conf *conf, const char *path, struct fnr_error *err)
{
	struct reading reading = { .path = path };
	struct fnr_error found = FNR_ERROR_INIT;

	reading.err = &found;
	set_defaults(&reading);
	read_file(&reading);
	read_environment(&reading);
	check_whole(&reading);
	if (!reading.problems) {
		*conf = reading.conf;
		fnr_queues_set(conf->queue_names);
		return FNR_OK;
	}
	if (err) {
		fnr_error_clear(err);
		*err = found;
		if (reading.problems > 1)
			fnr_fail(err, found.code, "the configuration has %d problems; the first: %s", reading.problems,
			         found.message);
	} else {
		fnr_error_clear(&found);
	}
	return FNR_E_INVALID;
}

static void sample_value(struct fnr_buf *out, const struct key *key)
{
	if (key->type == INT)
		fnr_buf_printf(out, "%" PRId64, key->number);
	else if (key->type == BOOL)
		fnr_buf_puts(out, key->number ? "true" : "false");
	else
		fnr_buf_printf(out, "\"%s\"", key->text);
}

char *fnr_conf_sample(void)
{
	struct fnr_buf out = FNR_BUF_INIT;
	const struct key *key;
	size_t section = 0;
	const char *dot;

	fnr_buf_puts(&out, "# Function Runner's configuration: every key with its default.\n"
	                   "# An environment variable comes first: FNR_WORKERS_MAX for workers.max.\n");
	for (key = keys; key < keys + KEY_COUNT; key++) {
		dot = strchr(key->name, '.');
		if (key == keys || strncmp(key[-1].name, key->name, section + 1) != 0) {
			section = (size_t)(dot - key->name);
			fnr_buf_printf(&out, "\n%.*s:\n", (int)section, key->name);
		}
		fnr_buf_printf(&out, "  # %s", key->help);
		if (key->type == INT)
			fnr_buf_printf(&out, " (%s, %" PRId64 " to %" PRId64 ")", key->unit, key->least, key->most);
		fnr_buf_printf(&out, "\n  %s: ", dot + 1);
		sample_value(&out, key);
		fnr_buf_puts(&out, "\n");
	}
	return fnr_buf_take(&out);
}
