#include "config.h"

#include "backends/gradio_app.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

#define NAMES_TOLD 16
#define VALUES_MOST 1000           /* that a function takes or gives */

/* ---- the app ---- */

static bool is_no_app(struct run_error *error, const char *detail)
{
	run_fail(error, FNR_CLASS_PERMANENT, "backend_no_gradio", "Give the backend the address at which the app's page is, with its path.", NULL,
	         detail, "There is no Gradio app at the backend's address.");
	error->backend_down = true;
	return false;
}

static bool is_too_old(struct run_error *error, const char *version, const char *protocol)
{
	char detail[128];
	snprintf(detail, sizeof detail, "version %.32s, protocol %.16s", version, protocol != NULL ? protocol : "not named");
	run_fail(error, FNR_CLASS_PERMANENT, "backend_too_old", "Bring the app to Gradio 4 or later.", NULL, detail,
	         "The app is made with Gradio %.32s, which speaks another protocol.", version);
	error->backend_down = true;
	return false;
}

static bool protocol_read(struct gradio_app *app)
{
	static const struct { const char *name; enum gradio_protocol protocol; } rows[] = {
		{ "sse", GRADIO_SSE }, { "sse_v1", GRADIO_SSE_1 }, { "sse_v2", GRADIO_SSE_2 }, { "sse_v2.1", GRADIO_SSE_2 },
	};
	const char *name = fnr_json_get_text(app->config, "protocol", "");
	if (strncmp(name, "sse", 3) != 0)
		return false;
	app->protocol = GRADIO_SSE_2; /* the last one known, sse_v3, or a later one */
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strcmp(name, rows[i].name) == 0)
			app->protocol = rows[i].protocol;
	return true;
}

/* What is kept for as long as the app runs is only what is looked at: pages' layouts, styles, schemas and examples are most of it. */
static void forget(struct json_object *object, const char *const *names)
{
	for (; *names != NULL && json_object_is_type(object, json_type_object); names++)
		json_object_object_del(object, *names);
}

static void slim_config(struct json_object *config)
{
	static const char *const of_app[] = { "layout", "css", "js", "head", "theme", "stylesheets", "body_css", "pages", "page", "i18n_translations", NULL };
	static const char *const of_component[] = { "api_info", "api_info_as_input", "api_info_as_output", "example_inputs", "example_payload", NULL };
	struct json_object *components = fnr_json_get(config, "components");
	forget(config, of_app);
	for (size_t i = 0; i < json_object_array_length(components); i++)
		forget(json_object_array_get_idx(components, i), of_component);
}

static void slim_info(struct json_object *info)
{
	static const char *const of_info[] = { "unnamed_endpoints", NULL }, *const of_endpoint[] = { "code_snippets", NULL };
	struct json_object *endpoints = fnr_json_get(info, "named_endpoints");
	forget(info, of_info);
	if (!json_object_is_type(endpoints, json_type_object))
		return;
	json_object_object_foreach(endpoints, name, endpoint) {
		(void)name;
		forget(endpoint, of_endpoint);
	}
}

/* A large app has thousands of them, and a function hundreds of values. Of two with one id the first counts. */
static struct json_object *components_by_id(struct json_object *config)
{
	struct json_object *list = fnr_json_get(config, "components"), *by_id = json_object_new_object();
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *component = json_object_array_get_idx(list, i);
		const char *id = fnr_json_text(fnr_json_get(component, "id"), NULL);
		if (!json_object_object_get_ex(by_id, id, NULL))
			fnr_json_set(by_id, id, json_object_get(component));
	}
	return by_id;
}

bool gradio_app_read(struct gradio_app *app, struct json_object *config, struct run_error *error)
{
	*app = (struct gradio_app){ .config = config };
	const char *version = fnr_json_get_text(config, "version", NULL);
	if (version == NULL || !json_object_is_type(fnr_json_get(config, "dependencies"), json_type_array) ||
	    !json_object_is_type(fnr_json_get(config, "components"), json_type_array))
		return is_no_app(error, "what /config answers is not the configuration of an app");
	slim_config(config);
	app->components = components_by_id(config);
	fnr_text_copy(app->version, sizeof app->version, version);
	sscanf(app->version, "%d.%d.%d", &app->release[0], &app->release[1], &app->release[2]);
	if (!protocol_read(app))
		return is_too_old(error, app->version, fnr_json_get_text(config, "protocol", NULL));
	fnr_text_copy(app->prefix, sizeof app->prefix, fnr_json_get_text(config, "api_prefix", ""));
	size_t len = strlen(app->prefix);
	while (len > 0 && app->prefix[len - 1] == '/')
		app->prefix[--len] = '\0';
	if (len > 0 && app->prefix[0] != '/')
		return is_no_app(error, "its api_prefix is no path");
	fnr_text_copy(app->id, sizeof app->id, fnr_json_text(fnr_json_get(config, "app_id"), NULL)); /* a number of 64 bits: compared as text */
	app->max_file_size = fnr_json_get_int(config, "max_file_size", 0);
	return true;
}

void gradio_app_info(struct gradio_app *app, struct json_object *info)
{
	json_object_put(app->info);
	app->info = info;
	slim_info(info);
}

void gradio_app_free(struct gradio_app *app)
{
	json_object_put(app->config);
	json_object_put(app->info);
	json_object_put(app->components);
	*app = (struct gradio_app){ .config = NULL };
}

bool gradio_app_since(const struct gradio_app *app, int major, int minor, int patch)
{
	const int wanted[3] = { major, minor, patch };
	for (int i = 0; i < 3; i++)
		if (app->release[i] != wanted[i])
			return app->release[i] > wanted[i];
	return true;
}

/* ---- endpoints ---- */

/* Can it be called by name? */
static bool endpoint_read(const struct gradio_app *app, size_t at, struct gradio_endpoint *endpoint)
{
	struct json_object *dependency = json_object_array_get_idx(fnr_json_get(app->config, "dependencies"), at);
	const char *name = fnr_json_get_text(dependency, "api_name", NULL);
	if (name == NULL || name[0] == '\0' || strcmp(fnr_json_get_text(dependency, "api_visibility", ""), "private") == 0 ||
	    fnr_json_get_bool(fnr_json_get(dependency, "types"), "cancel", false) || !fnr_json_get_bool(dependency, "backend_fn", true))
		return false;
	*endpoint = (struct gradio_endpoint){ .app = app, .dependency = dependency };
	fnr_text_copy(endpoint->name, sizeof endpoint->name, name[0] == '/' ? name + 1 : name);
	endpoint->fn_index = fnr_json_get_int(dependency, "id", (int64_t)at);
	endpoint->queued = fnr_json_get_bool(dependency, "queue", fnr_json_get_bool(app->config, "enable_queue", true));
	endpoint->generator = fnr_json_get_bool(fnr_json_get(dependency, "types"), "generator", false);
	char key[sizeof endpoint->name + 1];
	snprintf(key, sizeof key, "/%s", endpoint->name);
	endpoint->info = fnr_json_get(fnr_json_get(app->info, "named_endpoints"), key);
	return true;
}

static size_t dependency_count(const struct gradio_app *app)
{
	return json_object_array_length(fnr_json_get(app->config, "dependencies"));
}

static bool is_shown(const struct gradio_endpoint *endpoint)
{
	return strcmp(fnr_json_get_text(endpoint->dependency, "api_visibility", "public"), "public") == 0 &&
	       fnr_json_get_bool(endpoint->dependency, "show_api", true);
}

bool gradio_endpoint_next(const struct gradio_app *app, size_t *at, struct gradio_endpoint *endpoint)
{
	while (*at < dependency_count(app))
		if (endpoint_read(app, (*at)++, endpoint))
			return true;
	return false;
}

bool gradio_endpoint_at(const struct gradio_app *app, size_t at, struct gradio_endpoint *endpoint)
{
	for (size_t i = 0; i < dependency_count(app); i++)
		if (endpoint_read(app, i, endpoint) && is_shown(endpoint) && at-- == 0)
			return true;
	return false;
}

static bool endpoint_unknown(const struct gradio_app *app, const char *name, struct run_error *error)
{
	struct fnr_buf names = FNR_BUF_INIT;
	struct gradio_endpoint endpoint;
	size_t count = 0;
	fnr_buf_puts(&names, "");
	while (count < NAMES_TOLD && gradio_endpoint_at(app, count, &endpoint))
		fnr_buf_printf(&names, "%s/%s", count++ > 0 ? ", " : "", endpoint.name);
	if (gradio_endpoint_at(app, count, &endpoint))
		fnr_buf_puts(&names, ", …");
	run_fail(error, FNR_CLASS_PERMANENT, "endpoint_unknown", "Name one of the app's functions; in a template that is backend.api_name.", NULL,
	         NULL, "The app has no function /%.100s. It has: %.350s", name, names.len > 0 ? names.data : "none with a name");
	error->elsewhere = true;
	fnr_buf_free(&names);
	return false;
}

bool gradio_endpoint_find(const struct gradio_app *app, const char *api_name, struct gradio_endpoint *endpoint, struct run_error *error)
{
	const char *name = api_name[0] == '/' ? api_name + 1 : api_name;
	for (size_t i = 0; i < dependency_count(app); i++)
		if (endpoint_read(app, i, endpoint) && strcmp(endpoint->name, name) == 0)
			return true;
	return endpoint_unknown(app, name, error);
}

/* ---- what they take and give ---- */

static struct json_object *component_find(const struct gradio_app *app, struct json_object *id)
{
	return fnr_json_get(app->components, fnr_json_text(id, NULL));
}

static struct json_object *list_of(const struct gradio_endpoint *endpoint, const char *name)
{
	struct json_object *list = fnr_json_get(endpoint->dependency, name);
	return json_object_is_type(list, json_type_array) ? list : NULL;
}

static size_t count_of(const struct gradio_endpoint *endpoint, const char *name)
{
	struct json_object *list = list_of(endpoint, name);
	size_t count = list != NULL ? json_object_array_length(list) : 0;
	return count < VALUES_MOST ? count : VALUES_MOST;
}

static bool is_hidden(struct json_object *component)
{
	return strcmp(fnr_json_get_text(component, "type", ""), "state") == 0 || fnr_json_get_bool(component, "skip_api", false);
}

/* /info has no entries for what is hidden. NULL where it says nothing, or of another number of values than config. */
static struct json_object *entry_of(const struct gradio_endpoint *endpoint, const char *list, const char *entries, size_t at)
{
	struct json_object *known = fnr_json_get(endpoint->info, entries), *ids = list_of(endpoint, list);
	size_t before = 0, all = 0;
	for (size_t i = 0; i < count_of(endpoint, list); i++)
		if (!is_hidden(component_find(endpoint->app, json_object_array_get_idx(ids, i)))) {
			before += i < at;
			all++;
		}
	if (!json_object_is_type(known, json_type_array) || json_object_array_length(known) != all)
		return NULL;
	return json_object_array_get_idx(known, before);
}

/* A label as the name of an input: "How often?" is how_often. */
static void name_from(const char *label, size_t at, char out[65])
{
	size_t len = 0;
	for (; *label != '\0' && len < 48; label++) {
		if (isalnum((unsigned char)*label))
			out[len++] = (char)tolower((unsigned char)*label);
		else if (len > 0 && out[len - 1] != '_')
			out[len++] = '_';
	}
	while (len > 0 && out[len - 1] == '_')
		len--;
	out[len] = '\0';
	if (!fnr_name_valid(out))
		snprintf(out, 65, "param_%zu", at);
}

static bool name_taken(const struct gradio_endpoint *endpoint, const char *list, size_t at, const char *name)
{
	struct json_object *ids = list_of(endpoint, list);
	for (size_t i = 0; i < at; i++) {
		struct json_object *component = component_find(endpoint->app, json_object_array_get_idx(ids, i));
		char other[65];
		name_from(fnr_json_get_text(fnr_json_get(component, "props"), "label", ""), i, other);
		if (!is_hidden(component) && strcmp(other, name) == 0)
			return true;
	}
	return false;
}

/* What people read at a component. Gradio itself makes up "value_27" and "parameter_3" for those that have nothing. */
static const char *label_of(struct json_object *entry, struct json_object *props)
{
	const char *label = fnr_json_get_text(entry, "label", NULL);
	size_t made_up = label == NULL ? 0 : strncmp(label, "value_", 6) == 0 ? 6 : strncmp(label, "parameter_", 10) == 0 ? 10 : 0;
	bool usable = label != NULL && (made_up == 0 || label[made_up] == '\0' || label[made_up + strspn(label + made_up, "0123456789")] != '\0');
	return usable ? label : fnr_json_get_text(props, "label", "");
}

static void value_at(const struct gradio_endpoint *endpoint, const char *list, const char *entries, size_t at, struct gradio_value *value)
{
	struct json_object *component = component_find(endpoint->app, json_object_array_get_idx(list_of(endpoint, list), at));
	struct json_object *entry = is_hidden(component) ? NULL : entry_of(endpoint, list, entries, at);
	*value = (struct gradio_value){
		.type = fnr_json_get_text(component, "type", ""), .props = fnr_json_get(component, "props"), .hidden = is_hidden(component),
		.schema = fnr_json_get(entry, "type"),
	};
	value->label = label_of(entry, value->props);
	const char *name = fnr_json_get_text(entry, "parameter_name", NULL);
	if (name != NULL) {
		fnr_text_copy(value->name, sizeof value->name, name);
	} else {
		name_from(fnr_json_get_text(value->props, "label", ""), at, value->name);
		if (name_taken(endpoint, list, at, value->name))
			snprintf(value->name + strlen(value->name), sizeof value->name - strlen(value->name), "_%zu", at + 1);
	}
	/* Before 4.23 /info named no defaults; what a fresh page shows is one. */
	value->has_usual = fnr_json_get_bool(entry, "parameter_has_default", false);
	value->usual = fnr_json_get(entry, "parameter_default");
	if (fnr_json_get(entry, "parameter_has_default") == NULL) {
		value->usual = fnr_json_get(value->props, "value");
		value->has_usual = value->usual != NULL;
	}
}

size_t gradio_input_count(const struct gradio_endpoint *endpoint)
{
	return count_of(endpoint, "inputs");
}

size_t gradio_output_count(const struct gradio_endpoint *endpoint)
{
	return count_of(endpoint, "outputs");
}

void gradio_input_at(const struct gradio_endpoint *endpoint, size_t at, struct gradio_value *value)
{
	value_at(endpoint, "inputs", "parameters", at, value);
}

void gradio_output_at(const struct gradio_endpoint *endpoint, size_t at, struct gradio_value *value)
{
	value_at(endpoint, "outputs", "returns", at, value);
}

/* ---- a request ---- */

static bool input_missing(const struct gradio_endpoint *endpoint, const char *name, struct run_error *error)
{
	run_fail(error, FNR_CLASS_PERMANENT, "endpoint_input_missing",
	         "Give the template an input or parameter of this name, or a binding for it.", NULL, NULL,
	         "The app's function /%s needs a value for \"%s\", and the template has none.", endpoint->name, name);
	error->elsewhere = true; /* another app may have a function of the same name */
	return false;
}

/* An object with a member for each; to put. */
static struct json_object *input_names(const struct gradio_endpoint *endpoint)
{
	struct json_object *names = json_object_new_object();
	for (size_t i = 0; i < gradio_input_count(endpoint); i++) {
		struct gradio_value input;
		gradio_input_at(endpoint, i, &input);
		if (!input.hidden)
			fnr_json_set(names, input.name, NULL);
	}
	return names;
}

static bool inputs_known(const struct gradio_endpoint *endpoint, struct json_object *values, struct run_error *error)
{
	struct json_object *names = input_names(endpoint);
	const char *unknown = NULL;
	json_object_object_foreach(values, name, given) {
		(void)given;
		if (!json_object_object_get_ex(names, name, NULL))
			unknown = unknown != NULL ? unknown : name;
	}
	json_object_put(names);
	if (unknown == NULL)
		return true;
	run_fail(error, FNR_CLASS_PERMANENT, "endpoint_input_unknown", "Import the template from the app again, or correct its bindings.", NULL,
	         NULL, "The app's function /%s takes no \"%.64s\".", endpoint->name, unknown);
	error->elsewhere = true;
	return false;
}

struct json_object *gradio_data_make(const struct gradio_endpoint *endpoint, struct json_object *values, struct run_error *error)
{
	struct json_object *data = json_object_new_array();
	bool good = inputs_known(endpoint, values, error);
	for (size_t i = 0; i < gradio_input_count(endpoint) && good; i++) {
		struct gradio_value input;
		gradio_input_at(endpoint, i, &input);
		struct json_object *value = input.hidden ? NULL : fnr_json_get(values, input.name);
		if (value == NULL && !input.hidden) {
			value = input.usual;
			if (!input.has_usual && !json_object_object_get_ex(values, input.name, NULL))
				good = input_missing(endpoint, input.name, error);
		}
		json_object_array_add(data, fnr_json_copy(value));
	}
	if (good)
		return data;
	json_object_put(data);
	return NULL;
}

static struct json_object *object_with(const char *name, struct json_object *value, const char *other, struct json_object *more)
{
	struct json_object *object = json_object_new_object();
	fnr_json_set(object, name, value);
	fnr_json_set(object, other, more);
	return object;
}

struct json_object *gradio_file_as(const struct gradio_value *input, struct json_object *file)
{
	if (strcmp(input->type, "gallery") == 0)
		return object_with("image", file, "caption", NULL);
	if (strcmp(input->type, "imageeditor") == 0) {
		struct json_object *layers = object_with("background", file, "composite", json_object_get(file));
		fnr_json_set(layers, "layers", json_object_new_array());
		return layers;
	}
	/* A film came with its subtitles until they became a property of their own: the schema says which. */
	if (strcmp(input->type, "video") == 0 && fnr_json_get(fnr_json_get(input->schema, "properties"), "path") == NULL)
		return object_with("video", file, "subtitles", NULL);
	return file;
}
