#include "config.h"

#include "backends/gradio_draft.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "schema/inputs.h"

#define INT_MOST 9007199254740991.0

struct draft {
	const struct gradio_endpoint *endpoint;
	struct json_object *inputs, *outputs, *bindings, *numbers, *notes;
};

static void note(struct draft *draft, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(struct draft *draft, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fnr_text_clean(text);
	json_object_array_add(draft->notes, json_object_new_string(text));
}

/* ---- names ---- */

/* "/style_image" as an id: lower case, and only what ids may have. */
static void id_from(const char *name, char out[65])
{
	size_t len = 0;
	for (; *name != '\0' && len < 64; name++)
		if (isalnum((unsigned char)*name) || (len > 0 && strchr("_.-", *name) != NULL))
			out[len++] = (char)tolower((unsigned char)*name);
		else if (len > 0 && out[len - 1] != '_')
			out[len++] = '_';
	out[len] = '\0';
	if (len == 0)
		snprintf(out, 65, "gradio_function");
}

/* "style_image" as people write it: "Style Image". */
static void title_from(const char *name, char out[65])
{
	bool begins = true;
	size_t len = 0;
	for (; *name != '\0' && len < 64; name++) {
		bool gap = *name == '_' || *name == '-' || *name == ' ';
		if (gap && len == 0)
			continue;
		out[len++] = gap ? ' ' : begins ? (char)toupper((unsigned char)*name) : *name;
		begins = gap;
	}
	out[len] = '\0';
}

/* The name that an input or output gets in the template: the app's own, without what names may not have, and only once. */
static void name_for(struct json_object *taken, const char *own, const char *otherwise, char out[65])
{
	char base[54];      /* leaves room for any number */
	own += strspn(own, "_.-");
	fnr_text_copy(base, sizeof base, fnr_name_valid(own) ? own : otherwise);
	snprintf(out, 65, "%s", base);
	for (int i = 2; json_object_object_get_ex(taken, out, NULL); i++)
		snprintf(out, 65, "%s_%d", base, i);
}

/* ---- inputs ---- */

static struct json_object *typed(const char *type)
{
	struct json_object *input = json_object_new_object();
	fnr_json_set_text(input, "type", type);
	return input;
}

static bool is_whole(double number)
{
	return isfinite(number) && number == floor(number) && fabs(number) <= INT_MOST;
}

/* A number as templates have it: whole ones without a point, within what JSON keeps. */
static struct json_object *plain_number(double number)
{
	if (number > INT_MOST)
		number = INT_MOST;
	if (number < -INT_MOST)
		number = -INT_MOST;
	return is_whole(number) ? json_object_new_int64((int64_t)number) : fnr_json_real(number);
}

static struct json_object *input_number(const struct gradio_value *value)
{
	double step = fnr_json_get_real(value->props, "step", 0), least = fnr_json_get_real(value->props, "minimum", NAN);
	double most = fnr_json_get_real(value->props, "maximum", NAN);
	bool slider = strcmp(value->type, "slider") == 0, precise = fnr_json_get(value->props, "precision") != NULL;
	bool whole = slider ? step > 0 && is_whole(step) && is_whole(least) : precise && fnr_json_get_int(value->props, "precision", 1) == 0;
	struct json_object *input = typed(whole ? "integer" : "number");
	if (isfinite(least))
		fnr_json_set(input, "min", plain_number(least));
	if (isfinite(most))
		fnr_json_set(input, "max", plain_number(most));
	return input;
}

static struct json_object *input_text(const struct gradio_value *value)
{
	struct json_object *input = typed("string");
	int64_t most = fnr_json_get_int(value->props, "max_length", 0);
	if (most > 0)
		fnr_json_set_int(input, "max_length", most);
	return input;
}

static struct json_object *input_truth(const struct gradio_value *value)
{
	(void)value;
	return typed("boolean");
}

/* What can be chosen, as it is sent: each choice is a pair of what people read and the value, or in old releases the value. */
static struct json_object *choices_of(const struct gradio_value *value)
{
	struct json_object *choices = fnr_json_get(value->props, "choices"), *list = json_object_new_array();
	for (size_t i = 0; json_object_is_type(choices, json_type_array) && i < json_object_array_length(choices); i++) {
		struct json_object *choice = json_object_array_get_idx(choices, i);
		bool pair = json_object_is_type(choice, json_type_array) && json_object_array_length(choice) == 2;
		json_object_array_add(list, fnr_json_copy(pair ? json_object_array_get_idx(choice, 1) : choice));
	}
	return list;
}

static const char *type_of_all(struct json_object *list)
{
	bool texts = true, whole = true, numbers = true;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *value = json_object_array_get_idx(list, i);
		texts = texts && json_object_is_type(value, json_type_string);
		whole = whole && json_object_is_type(value, json_type_int);
		numbers = numbers && (json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double));
	}
	return texts ? "string" : whole ? "integer" : numbers ? "number" : "any";
}

static struct json_object *input_choice(const struct gradio_value *value)
{
	struct json_object *choices = choices_of(value), *input = typed(type_of_all(choices));
	bool many = strcmp(value->type, "checkboxgroup") == 0 || fnr_json_get_bool(value->props, "multiselect", false);
	if (json_object_array_length(choices) > 0 && !fnr_json_get_bool(value->props, "allow_custom_value", false))
		fnr_json_set(input, "enum", choices);
	else
		json_object_put(choices);
	if (!many)
		return input;
	struct json_object *list = typed("array");
	fnr_json_set(list, "items", input);
	return list;
}

static struct json_object *media(const char *first)
{
	struct json_object *list = json_object_new_array();
	json_object_array_add(list, json_object_new_string(first));
	return list;
}

static struct json_object *input_file_of(const struct gradio_value *value)
{
	static const char *const kinds[][2] = { { "image", "image/*" }, { "imageeditor", "image/*" }, { "audio", "audio/*" }, { "video", "video/*" } };
	struct json_object *input = typed("file");
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(kinds[i][0], value->type) == 0)
			fnr_json_set(input, "media", media(kinds[i][1]));
	bool many = strcmp(value->type, "file") == 0 && strcmp(fnr_json_get_text(value->props, "file_count", "single"), "single") != 0;
	if (!many)
		return input;
	struct json_object *list = typed("array");
	fnr_json_set(list, "items", input);
	return list;
}

static struct json_object *input_gallery(const struct gradio_value *value)
{
	struct json_object *list = typed("array"), *item = typed("file");
	(void)value;
	fnr_json_set(item, "media", media("image/*"));
	fnr_json_set(list, "items", item);
	return list;
}

static struct json_object *input_any(const struct gradio_value *value)
{
	(void)value;
	return typed("any");
}

/* By the type of the component. */
static const struct { const char *type; struct json_object *(*make)(const struct gradio_value *value); } makers[] = {
	{ "textbox", input_text }, { "code", input_text }, { "markdown", input_text }, { "html", input_text }, { "colorpicker", input_text },
	{ "datetime", input_text }, { "number", input_number }, { "slider", input_number }, { "checkbox", input_truth },
	{ "radio", input_choice }, { "dropdown", input_choice }, { "checkboxgroup", input_choice }, { "image", input_file_of },
	{ "imageeditor", input_file_of }, { "audio", input_file_of }, { "video", input_file_of }, { "file", input_file_of },
	{ "uploadbutton", input_file_of }, { "model3d", input_file_of }, { "gallery", input_gallery },
};

static struct json_object *make_input(struct draft *draft, const struct gradio_value *value)
{
	for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++)
		if (strcmp(makers[i].type, value->type) == 0)
			return makers[i].make(value);
	note(draft, "%s is a component of the kind %s: its value is passed on as it is given, write down what it has to be.", value->name, value->type);
	return input_any(value);
}

static bool is_sound(struct json_object *input)
{
	struct fnr_error err = FNR_ERROR_INIT;
	bool sound = input_check_form(input, "", &err);
	fnr_error_clear(&err);
	return sound;
}

/* Some apps contradict themselves, with a default that is none of the choices: what does not fit is left out. */
static void mend(struct draft *draft, const struct gradio_value *value, struct json_object *input)
{
	static const char *const optional[] = { "default", "min", "max", "enum", "items", "max_length", "media" };
	for (size_t i = 0; i < sizeof optional / sizeof optional[0] && !is_sound(input); i++) {
		if (!json_object_object_get_ex(input, optional[i], NULL))
			continue;
		note(draft, "the app's own %s of %s does not fit and was left out.", optional[i], value->name);
		json_object_object_del(input, optional[i]);
	}
}

static bool is_file_input(struct json_object *input)
{
	const char *type = fnr_json_get_text(input, "type", "");
	if (strcmp(type, "array") == 0)
		type = fnr_json_get_text(fnr_json_get(input, "items"), "type", "");
	return strcmp(type, "file") == 0;
}

/* A real that stands for a whole number, as Python writes 3.0. */
static struct json_object *usual_of(const struct gradio_value *value)
{
	if (json_object_is_type(value->usual, json_type_double))
		return plain_number(json_object_get_double(value->usual));
	return fnr_json_copy(value->usual);
}

static void complete(struct draft *draft, const struct gradio_value *value, struct json_object *input)
{
	const char *info = fnr_json_get_text(value->props, "info", "");
	if (!value->has_usual)
		fnr_json_set_bool(input, "required", true);
	else if (value->usual != NULL && !is_file_input(input))
		fnr_json_set(input, "default", usual_of(value));
	if (value->label[0] != '\0')
		fnr_json_set_text(input, "label", value->label);
	if (info[0] != '\0')
		fnr_json_set_text(input, "description", info);
	mend(draft, value, input);
}

/* The job brings a seed of its own, so that a run can be repeated; and then the app may not choose another. */
static bool take_seed(struct draft *draft, const struct gradio_value *value)
{
	static const char *const random[] = { "randomize_seed", "random_seed", "randomise_seed", "use_random_seed" };
	if (strcmp(value->name, "seed") == 0 && (strcmp(value->type, "number") == 0 || strcmp(value->type, "slider") == 0)) {
		fnr_json_set_text(draft->bindings, "seed", "seed");
		return true;
	}
	for (size_t i = 0; i < sizeof random / sizeof random[0]; i++) {
		if (strcmp(value->name, random[i]) != 0 || strcmp(value->type, "checkbox") != 0)
			continue;
		struct json_object *never = json_object_new_object();
		fnr_json_set_bool(never, "value", false);
		fnr_json_set(draft->bindings, value->name, never);
		return true;
	}
	return false;
}

static void add_input(struct draft *draft, const struct gradio_value *value)
{
	char name[65];
	if (take_seed(draft, value))
		return;
	struct json_object *input = make_input(draft, value);
	complete(draft, value, input);
	name_for(draft->inputs, value->name, "input", name);
	fnr_json_set(draft->inputs, name, input);
	if (strcmp(name, value->name) == 0)
		return;
	struct json_object *binding = json_object_new_object();
	fnr_json_set_text(binding, is_file_input(input) ? "upload" : "from", name);
	fnr_json_set(draft->bindings, value->name, binding);
}

/* ---- outputs ---- */

static const char *output_type(const char *component)
{
	static const char *const rows[][2] = {
		{ "image", "image" }, { "gallery", "image" }, { "imageeditor", "image" }, { "plot", "image" }, { "imageslider", "image" },
		{ "annotatedimage", "image" }, { "audio", "audio" }, { "video", "video" }, { "file", "file" }, { "downloadbutton", "file" },
		{ "model3d", "file" }, { "textbox", "text" }, { "markdown", "text" }, { "html", "text" }, { "code", "text" }, { "number", "text" },
		{ "label", "json" }, { "json", "json" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strcmp(rows[i][0], component) == 0)
			return rows[i][1];
	return "json";
}

static void add_output(struct draft *draft, const struct gradio_value *value, int64_t at)
{
	char name[65];
	const char *type = output_type(value->type);
	struct json_object *output = typed(type);
	if (value->label[0] != '\0')
		fnr_json_set_text(output, "label", value->label);
	if (strcmp(value->type, "gallery") == 0 || strcmp(fnr_json_get_text(value->schema, "type", ""), "array") == 0)
		fnr_json_set_bool(output, "many", true);
	name_for(draft->outputs, strncmp(value->name, "param_", 6) != 0 ? value->name : type, type, name);
	fnr_json_set(draft->outputs, name, output);
	fnr_json_set_int(draft->numbers, name, at);
}

static const char *category_of(struct json_object *outputs)
{
	static const char *const categories[] = { "video", "image", "audio", "text" };
	for (size_t i = 0; i < sizeof categories / sizeof categories[0]; i++) {
		json_object_object_foreach(outputs, name, output) {
			(void)name;
			if (strcmp(fnr_json_get_text(output, "type", ""), categories[i]) == 0)
				return categories[i];
		}
	}
	return "generic";
}

/* ---- the whole ---- */

static void add_values(struct draft *draft)
{
	struct gradio_value value;
	int64_t at = 0;
	for (size_t i = 0; i < gradio_input_count(draft->endpoint); i++) {
		gradio_input_at(draft->endpoint, i, &value);
		if (!value.hidden)
			add_input(draft, &value);
	}
	for (size_t i = 0; i < gradio_output_count(draft->endpoint); i++) {
		gradio_output_at(draft->endpoint, i, &value);
		if (!value.hidden)
			add_output(draft, &value, at++);
	}
	if (at == 0)
		note(draft, "the function gives no value: it can only be run for what it does.");
}

static void describe(const struct gradio_endpoint *endpoint, struct json_object *definition)
{
	const char *text = fnr_json_get_text(endpoint->info, "description", ""), *app = fnr_json_get_text(endpoint->app->config, "title", "");
	char own[512];
	snprintf(own, sizeof own, "The function /%s of the Gradio app %.200s.", endpoint->name, app[0] != '\0' ? app : "at the backend");
	fnr_json_set_text(definition, "description", text[0] != '\0' ? text : own);
}

/* So that its jobs only go where there is this function. */
static struct json_object *make_models(const struct gradio_endpoint *endpoint)
{
	struct json_object *models = json_object_new_array(), *function = json_object_new_object();
	fnr_json_set_text(function, "category", "functions");
	fnr_json_set_text(function, "name", endpoint->name);
	json_object_array_add(models, function);
	return models;
}

static struct json_object *make_backend(struct draft *draft)
{
	struct json_object *backend = json_object_new_object();
	char name[sizeof draft->endpoint->name + 1];
	snprintf(name, sizeof name, "/%s", draft->endpoint->name);
	fnr_json_set_text(backend, "type", "gradio");
	fnr_json_set_text(backend, "api_name", name);
	if (json_object_object_length(draft->bindings) > 0)
		fnr_json_set(backend, "bindings", json_object_get(draft->bindings));
	if (json_object_object_length(draft->numbers) > 0)
		fnr_json_set(backend, "outputs", json_object_get(draft->numbers));
	return backend;
}

struct json_object *gradio_draft(const struct gradio_endpoint *endpoint, struct json_object *notes)
{
	struct draft draft = {
		.endpoint = endpoint, .inputs = json_object_new_object(), .outputs = json_object_new_object(),
		.bindings = json_object_new_object(), .numbers = json_object_new_object(), .notes = notes,
	};
	struct json_object *definition = json_object_new_object();
	char id[65], title[65];
	add_values(&draft);
	id_from(endpoint->name, id);
	title_from(endpoint->name, title);
	fnr_json_set_text(definition, "id", id);
	fnr_json_set_text(definition, "version", "1.0.0");
	fnr_json_set_text(definition, "name", title[0] != '\0' ? title : id);
	describe(endpoint, definition);
	fnr_json_set_text(definition, "category", category_of(draft.outputs));
	fnr_json_set(definition, "inputs", draft.inputs);
	fnr_json_set(definition, "outputs", draft.outputs);
	fnr_json_set_text(definition, "queue", "io");
	fnr_json_set_int(definition, "timeout_s", 3600);
	fnr_json_set_text(definition, "on_lost", "fail");
	fnr_json_set(definition, "models", make_models(endpoint));
	fnr_json_set(definition, "backend", make_backend(&draft));
	json_object_put(draft.bindings);
	json_object_put(draft.numbers);
	return definition;
}
