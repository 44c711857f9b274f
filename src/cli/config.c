/* fnr config: all there is to configure. */
#include <stdio.h>
#include <stdlib.h>

#include "base/conf.h"
#include "base/json.h"
#include "cli/cli.h"

static void print_key(const char *key, const char *type, struct json_object *usual, int64_t least, int64_t most, const char *unit, const char *help)
{
	struct json_object *value = json_object_new_object();

	fnr_json_set_text(value, "key", key);
	fnr_json_set_text(value, "type", type);
	fnr_json_set(value, "default", usual);
	if (least != most) {
		fnr_json_set_int(value, "least", least);
		fnr_json_set_int(value, "most", most);
	}
	fnr_json_set_text(value, "unit", *unit ? unit : NULL);
	fnr_json_set_text(value, "help", help);
	printf("%s\n", fnr_json_text(value, NULL));
	json_object_put(value);
}

static void print_json(void)
{
#define DEFAULT_INT(value) json_object_new_int64(value)
#define DEFAULT_BOOL(value) json_object_new_boolean(value)
#define DEFAULT_TEXT(value) json_object_new_string(value)
#define TYPE_INT "integer"
#define TYPE_BOOL "boolean"
#define TYPE_TEXT "string"
#define X(member, type, key, def, least, most, unit, help) print_key(key, TYPE_##type, DEFAULT_##type(def), least, most, unit, help);
	FNR_CONF_KEYS(X)
#undef X
}

static int run(int count, char **operands)
{
	char *sample;

	(void)count, (void)operands;
	if (shared.json) {
		print_json();
		return EXIT_DONE;
	}
	sample = fnr_conf_sample();
	fputs(sample, stdout);
	free(sample);
	return EXIT_DONE;
}

static const struct action actions[] = { { "", "", 0, 0, "every setting with its default, as a config.yaml", run }, ACTIONS_END };

const struct command command_config = { "config", "Print every setting with its default", 8, USES_JSON, actions, NULL };
