/* fnr preset: the quality levels. */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/cli.h"

static void print_row(struct json_object *preset)
{
	printf("%-10s level %lld  %s\n", fnr_json_get_text(preset, "id", ""), (long long)fnr_json_get_int(preset, "level", 0),
	       fnr_json_get_text(preset, "description", fnr_json_get_text(preset, "name", "")));
}

static void print_preset(struct json_object *preset)
{
	json_object_object_foreach(preset, name, value)
		if (value)
			ask_line(preset, name, name);
}

static int list(int count, char **operands)
{
	(void)count, (void)operands;
	return ask_list(ASK_PATH("presets", NULL), -1, NULL, print_row, "no presets");
}

static int show(int count, char **operands)
{
	(void)count;
	return ask_show(ASK_PATH("presets/{}", operands[0]), print_preset);
}

static const struct action actions[] = {
	{ "list", "", 0, 0, "all of them, the quickest first", list },
	{ "show", "PRESET", 1, 1, "what a preset sets", show },
	ACTIONS_END,
};

const struct command command_preset = { "preset", "Look at the quality presets", 1, USES_SERVER | USES_JSON, actions, NULL };
