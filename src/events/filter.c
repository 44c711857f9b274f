#include "events/filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define TYPES_ALL UINT32_MAX

struct filter *filter_make(void)
{
	struct filter *filter = fnr_alloc(sizeof *filter);

	filter->types = TYPES_ALL;
	return filter;
}

static const char *nearest_event(const char *word)
{
	const char *names[FNR_EVENT_COUNT];

	for (int i = 0; i < FNR_EVENT_COUNT; i++)
		names[i] = fnr_event_name(i);
	return fnr_text_nearest(word, names + 1, FNR_EVENT_COUNT - 1);
}

/* `gap` and `snapshot` are always sent, so naming them is allowed and changes nothing. */
static int add_type(struct filter *filter, const char *word, struct fnr_error *err)
{
	int type = fnr_event_parse(word);
	const char *near;

	if (strcmp(word, "snapshot") == 0 || strcmp(word, "gap") == 0)
		return FNR_OK;
	if (type > FNR_EVENT_BREAK) {
		filter->types |= 1u << type;
		return FNR_OK;
	}
	near = nearest_event(word);
	fnr_error_add(err, "/types", "enum", near, "'%s' is not the name of an event%s%s%s", word, near ? "; did you mean '" : "",
	              near ? near : "", near ? "'?" : "");
	return fnr_fail(err, FNR_E_INVALID, "types: '%s' is not the name of an event", word);
}

static int set_types(struct filter *filter, const char *value, struct fnr_error *err)
{
	char *text = fnr_strdup(value), *rest = text, *word;
	int code = FNR_OK;

	filter->types = 0;
	while (code == FNR_OK && (word = strsep(&rest, ",")))
		if (*word)
			code = add_type(filter, word, err);
	free(text);
	return code;
}

static int refuse(struct fnr_error *err, const char *pointer, const char *rule, const char *fix)
{
	fnr_error_add(err, pointer, rule, fix, "%s must be %s", pointer + 1, fix);
	return fnr_fail(err, FNR_E_INVALID, "%s must be %s", pointer + 1, fix);
}

static int set_unknown(const char *name, struct fnr_error *err)
{
	static const char *const known[] = { "project", "batch", "node_id", "types", "last_event_id" };
	const char *near = fnr_text_nearest(name, known, sizeof known / sizeof known[0]);

	fnr_error_add(err, "", "unknown", near, "the query parameter '%s' is not known here", name);
	return fnr_fail(err, FNR_E_INVALID, "the query parameter '%s' is not known here%s%s%s", name,
	                near ? "; did you mean '" : " (project, batch, node_id, types and last_event_id are)",
	                near ? near : "", near ? "'?" : "");
}

int filter_set(struct filter *filter, const char *name, const char *value, struct fnr_error *err)
{
	if (strcmp(name, "types") == 0)
		return set_types(filter, value, err);
	if (strcmp(name, "project") == 0) {
		if (!fnr_name_valid(value))
			return refuse(err, "/project", "name", FNR_NAME_RULE);
		fnr_text_copy(filter->project, sizeof filter->project, value);
		return FNR_OK;
	}
	if (strcmp(name, "batch") == 0) {
		filter->has_batch = true;
		return fnr_id_parse(value, &filter->batch) ? FNR_OK : refuse(err, "/batch", "format", "the id of a batch");
	}
	if (strcmp(name, "node_id") == 0) {
		if (strlen(value) >= sizeof filter->node_id)
			return refuse(err, "/node_id", "max_length", "at most 131 bytes long");
		filter->has_node = true;
		fnr_text_copy(filter->node_id, sizeof filter->node_id, value);
		return FNR_OK;
	}
	return set_unknown(name, err);
}

static struct json_object *look_data(struct filter_look *look)
{
	if (!look->parsed)
		look->data = fnr_json_parse_own(look->event->data, look->event->data_len, NULL);
	look->parsed = true;
	return look->data;
}

/* What belongs to no project: most of it is for those who see all projects, some for others. */
bool filter_may_see(const struct access *access, struct filter_look *look)
{
	struct json_object *data;

	switch (look->event->type) {
	case FNR_EVENT_KEY_CREATED:
	case FNR_EVENT_KEY_REVOKED:
		return access->scopes & FNR_SCOPE_ADMIN;
	case FNR_EVENT_PRESET_CHANGED:
		data = look_data(look);
		return access->scopes & FNR_SCOPE_ADMIN || fnr_json_get_bool(data, "shared", false) ||
		       (access->key[0] && strcmp(fnr_json_get_text(data, "owner", ""), access->key) == 0);
	default:
		return access_project(access, look->event->project);
	}
}

bool filter_lets(const struct filter *filter, struct filter_look *look)
{
	const struct journal_event *event = look->event;

	if (!(filter->types & 1u << event->type))
		return false;
	if (filter->project[0] && (!event->project || event->project != filter->project_number))
		return false;
	if (filter->has_batch && fnr_id_compare(&filter->batch, &event->batch) != 0)
		return false;
	return !filter->has_node || strcmp(fnr_json_get_text(look_data(look), "node_id", ""), filter->node_id) == 0;
}

bool filter_batch_ended(struct filter_look *look)
{
	const char *state = fnr_json_get_text(look_data(look), "state", "running");

	return strcmp(state, "running") != 0;
}

void filter_look_end(struct filter_look *look)
{
	json_object_put(look->data);
	look->data = NULL;
	look->parsed = false;
}
