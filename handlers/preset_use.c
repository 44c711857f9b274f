/* What presets make of a template: resolved before anything is submitted, compared, recommended. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "handlers/common.h"
#include "handlers/forecast.h"
#include "handlers/handlers.h"
#include "handlers/presets.h"
#include "handlers/templates.h"

#define COMPARED_MOST 16
#define OWN_MOST 200          /* presets of the caller's that are looked at for a recommendation */
#define ALTERNATIVES 4

static const struct template_ *find_template(struct request *req, const char *reference, const char *pointer)
{
	const struct template_ *template_ = NULL;
	struct fnr_error err = FNR_ERROR_INIT;

	if (!reference)
		fnr_error_add(&req->err, pointer, "required", "name a template; GET " API "/templates lists them", "'template' is missing");
	else if (template_find(req->txn, reference, &template_, &err) != FNR_OK)
		fnr_error_add(&req->err, pointer, "unknown_template", err.suggestion[0] ? err.suggestion : "GET " API "/templates lists them", "%s", err.message);
	else if (template_)
		templates_set_deprecation(req, template_);
	fnr_error_clear(&err);
	return template_;
}

static const struct template_ *template_of_body(struct request *req)
{
	struct json_object *value = fnr_json_get(req->body, "template");

	if (!value || json_object_is_type(value, json_type_string))
		return find_template(req, fnr_json_get_text(req->body, "template", NULL), "/template");
	fnr_error_add(&req->err, "/template", "type", "give text in double quotes", "'template' must be text");
	return NULL;
}

/* Inputs that may not be complete yet: what is missing is no problem here. */
static struct json_object *inputs_of_body(struct request *req, const struct template_ *template_)
{
	struct json_object *inputs = fnr_json_get(req->body, "inputs");
	struct fnr_error err = FNR_ERROR_INIT;

	if (inputs && !json_object_is_type(inputs, json_type_object)) {
		fnr_error_add(&req->err, "/inputs", "type", "give an object: {…}", "'inputs' must be an object");
		return NULL;
	}
	inputs_check(template_, inputs, "/inputs", &err);
	for (size_t i = 0; err.errors && i < json_object_array_length(err.errors); i++) {
		struct json_object *entry = json_object_array_get_idx(err.errors, i);

		if (strcmp(fnr_json_get_text(entry, "rule", ""), "required") != 0)
			fnr_error_add(&req->err, fnr_json_get_text(entry, "pointer", ""), fnr_json_get_text(entry, "rule", ""), fnr_json_get_text(entry, "fix", NULL),
			              "%s", fnr_json_get_text(entry, "message", ""));
	}
	fnr_error_clear(&err);
	return inputs;
}

/* ---- resolve ---- */

/* The preset as it would be with the changes, which replace its members; record_r is to put. */
static bool with_changes(struct request *req, const struct preset *preset, struct json_object *changes, struct json_object **record_r, struct preset *changed_r)
{
	static const char *const kept[] = { "name", "base", "level", "parameters", "factors", "scaling", "pipeline", "use_cases" };
	struct json_object *source;
	char id[68];

	preset_check(changes, "/changes", PRESET_CHANGES, &req->err);
	if (req->err.code != FNR_OK)
		return false;
	fnr_text_copy(id, sizeof id, preset->id);
	source = json_object_new_object();
	for (size_t i = 0; !preset->builtin && i < sizeof kept / sizeof kept[0]; i++)
		fnr_json_set(source, kept[i], json_object_get(fnr_json_get(preset->record, kept[i])));
	json_object_object_foreach(changes, name, value)
		fnr_json_set(source, name, json_object_get(value));
	if (!fnr_json_get(source, "base"))
		fnr_json_set_text(source, "base", id);
	if (!preset->builtin || strcmp(fnr_json_get_text(source, "base", ""), id) != 0)
		preset = presets_base(req, source, preset->builtin ? NULL : id, "/changes/base");
	*record_r = preset ? preset_make(id, source, preset) : NULL;
	json_object_put(source);
	return *record_r && preset_read(*record_r, changed_r);
}

static void show_use(struct request *req, struct json_object *object, const struct template_ *template_, const struct preset *preset, struct json_object *inputs)
{
	struct json_object *definition = template_definition(template_), *origins = json_object_new_object();

	fnr_json_set(object, "parameters", parameters_resolve(template_, preset, inputs, origins));
	fnr_json_set(object, "origins", origins);
	fnr_json_set(object, "resources", preset_resources(definition, preset));
	fnr_json_set(object, "pipeline", preset_pipeline(definition, preset));
	fnr_json_set(object, "compatibility", preset_compatibility(template_, preset));
	fnr_json_set(object, "estimate", forecast_show(req, template_, preset));
}

int presets_resolve(struct request *req)
{
	static const char *const members[] = { "template", "inputs", "changes", NULL };
	struct json_object *changes = fnr_json_get(req->body, "changes"), *inputs, *record = NULL, *object;
	const struct template_ *template_;
	const struct preset *preset;
	struct preset changed;
	char label[PRESET_LABEL];
	int code = presets_find(req, &preset);

	if (code != FNR_OK)
		return code;
	preset_label(preset, label);
	common_members_only(req, "a resolution", members);
	template_ = template_of_body(req);
	inputs = template_ ? inputs_of_body(req, template_) : NULL;
	if (changes && with_changes(req, preset, changes, &record, &changed))
		preset = &changed;
	if (req->err.code == FNR_OK) {
		object = json_object_new_object();
		fnr_json_set_text(object, "preset", label);
		fnr_json_set_text(object, "tier", fnr_quality_name(preset->tier));
		fnr_json_set_text(object, "template", template_id(template_));
		fnr_json_set_text(object, "version", template_version(template_));
		show_use(req, object, template_, preset, inputs);
		code = reply_json(req, 200, object);
	}
	json_object_put(record);
	return req->err.code == FNR_OK ? code : req->err.code;
}

/* ---- compare ---- */

/* The presets that are named, with commas between them; else those that ship. A list of ids to put. */
static struct json_object *compared(struct request *req)
{
	const char *list = request_query(req, "presets");
	struct json_object *ids = json_object_new_array(), *builtin;
	char *text = list ? fnr_arena_strdup(req->arena, list) : NULL;

	if (!list) {
		builtin = presets_built_in(req);
		for (size_t i = 0; i < json_object_array_length(builtin); i++)
			json_object_array_add(ids, json_object_get(fnr_json_get(json_object_array_get_idx(builtin, i), "id")));
		json_object_put(builtin);
	}
	for (char *id; (id = strsep(&text, ","));)
		json_object_array_add(ids, json_object_new_string(id));
	if (json_object_array_length(ids) > COMPARED_MOST)
		fnr_fail(&req->err, FNR_E_INVALID, "at most %d presets can be compared", COMPARED_MOST);
	return ids;
}

static struct json_object *show_compared(struct request *req, const struct template_ *template_, const char *id)
{
	static const char *const shown[] = { "id", "name", "tier", "level", "version", "factors" };
	const struct preset_viewer viewer = common_viewer(req);
	struct json_object *object, *record;
	const struct preset *preset;
	struct preset held;

	if (preset_find(req->txn, id, &viewer, &preset, &req->err) != FNR_OK)
		return NULL;
	held = *preset;
	record = json_object_get(preset->record);
	object = json_object_new_object();
	for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
		fnr_json_set(object, shown[i], json_object_get(fnr_json_get(record, shown[i])));
	show_use(req, object, template_, &held, NULL);
	json_object_put(record);
	return object;
}

struct json_object *presets_differences(struct json_object *items)
{
	struct json_object *names = json_object_new_array(), *first = fnr_json_get(json_object_array_get_idx(items, 0), "parameters");

	if (!first)
		return names;
	json_object_object_foreach(first, name, value) {
		bool same = true;

		for (size_t i = 1; same && i < json_object_array_length(items); i++)
			same = json_object_equal(value, fnr_json_get(fnr_json_get(json_object_array_get_idx(items, i), "parameters"), name));
		if (!same)
			json_object_array_add(names, json_object_new_string(name));
	}
	return names;
}

int presets_compare(struct request *req)
{
	static const char *const names[] = { "template", "presets", NULL };
	struct json_object *ids, *items, *object;
	const struct template_ *template_;
	int code = request_query_only(req, names);

	if (code != FNR_OK)
		return code;
	template_ = find_template(req, request_query(req, "template"), "");
	if (!template_)
		return req->err.code;
	ids = compared(req);
	items = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(ids) && req->err.code == FNR_OK; i++) {
		struct json_object *item = show_compared(req, template_, json_object_get_string(json_object_array_get_idx(ids, i)));

		if (item)
			json_object_array_add(items, item);
	}
	json_object_put(ids);
	if (req->err.code != FNR_OK) {
		json_object_put(items);
		return req->err.code;
	}
	object = json_object_new_object();
	fnr_json_set_text(object, "template", template_id(template_));
	fnr_json_set_text(object, "version", template_version(template_));
	fnr_json_set(object, "differs", presets_differences(items));
	fnr_json_set(object, "items", items);
	return reply_json(req, 200, object);
}

/* ---- recommend ---- */

static const char *const use_cases[] = { "preview", "iteration", "review", "presentation", "delivery", "social", "print" };
static const char *const hurried[] = { "preview", "iteration" };      /* the fastest that will do; else the finest */
static const char *const hardware_names[] = { "cpu", "memory_mb", "gpu", "vram_mb" };
#define HARDWARE (sizeof hardware_names / sizeof hardware_names[0])

struct wish { const char *use_case; double max_seconds, max_cost, hardware[HARDWARE]; bool any, hurry; };     /* < 0: nothing was said */

static bool among(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; text && i < count; i++)
		if (strcmp(list[i], text) == 0)
			return true;
	return false;
}

static double number_member(struct request *req, struct json_object *object, const char *pointer, const char *name)
{
	struct json_object *value = fnr_json_get(object, name);
	double number = json_object_get_double(value);

	if (!value)
		return -1;
	if ((json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double)) && number >= 0)
		return number;
	fnr_error_add(&req->err, fnr_arena_printf(req->arena, "%s/%s", pointer, name), "range", "give a number of at least 0, or leave it out",
	              "'%s' must be a number of at least 0", name);
	return -1;
}

static void read_wish(struct request *req, struct wish *wish)
{
	static const char *const members[] = { "template", "use_case", "max_seconds", "max_cost", "hardware", NULL };
	struct json_object *hardware = fnr_json_get(req->body, "hardware"), *use_case = fnr_json_get(req->body, "use_case");

	common_members_only(req, "a question for a preset", members);
	wish->use_case = fnr_json_get_text(req->body, "use_case", NULL);
	if (use_case && !among(wish->use_case, use_cases, sizeof use_cases / sizeof use_cases[0]))
		fnr_error_add(&req->err, "/use_case", "enum", "use preview, iteration, review, presentation, delivery, social or print", "there is no such use case");
	wish->hurry = among(wish->use_case, hurried, 2);
	wish->max_seconds = number_member(req, req->body, "", "max_seconds");
	wish->max_cost = number_member(req, req->body, "", "max_cost");
	if (hardware && !json_object_is_type(hardware, json_type_object))
		fnr_error_add(&req->err, "/hardware", "type", "write it like {\"vram_mb\": 8192}", "'hardware' must be an object");
	for (size_t i = 0; i < HARDWARE; i++)
		wish->hardware[i] = number_member(req, hardware, "/hardware", hardware_names[i]);
	if (json_object_is_type(hardware, json_type_object)) {
		json_object_object_foreach(hardware, name, value) {
			(void)value;
			if (!among(name, hardware_names, HARDWARE))
				fnr_error_add(&req->err, fnr_arena_printf(req->arena, "/hardware/%s", name), "unknown_member", "use cpu, memory_mb, gpu and vram_mb",
				              "'hardware' has no member '%.64s'", name);
		}
	}
	wish->any = wish->use_case || wish->max_seconds >= 0 || wish->max_cost >= 0 || hardware;
}

struct candidate { struct json_object *object; bool fits, meant, usual; double level, seconds; };

static void say(struct json_object *reasons, const char *code, bool good, const char *message)
{
	struct json_object *reason = json_object_new_object();

	fnr_json_set_text(reason, "code", code);
	fnr_json_set_bool(reason, "fits", good);
	fnr_json_set_text(reason, "message", message);
	json_object_array_add(reasons, reason);
}

static bool within(struct json_object *reasons, const char *code, double value, double most, const char *what, const char *unit)
{
	char message[200];
	bool good = value <= most;

	snprintf(message, sizeof message, "%s about %.3g %s; %.3g %s %s", what, value, unit, most, unit, good ? "are allowed" : "are not enough");
	say(reasons, code, good, message);
	return good;
}

static bool judge_hardware(const struct wish *wish, struct json_object *resources, struct json_object *reasons)
{
	char message[200];
	bool all = true;

	for (size_t i = 0; i < HARDWARE; i++) {
		double needed = fnr_json_get_real(resources, hardware_names[i], 0);
		bool good = needed <= wish->hardware[i];

		if (wish->hardware[i] < 0)
			continue;
		snprintf(message, sizeof message, "asks for %.6g of %s; there are %.6g", needed, hardware_names[i], wish->hardware[i]);
		say(reasons, "hardware", good, message);
		all &= good;
	}
	return all;
}

static bool judge_use(const struct wish *wish, struct json_object *record, struct json_object *reasons)
{
	struct json_object *list = fnr_json_get(record, "use_cases");
	char message[200];
	bool meant = false;

	for (size_t i = 0; wish->use_case && i < json_object_array_length(list); i++)
		meant |= strcmp(json_object_get_string(json_object_array_get_idx(list, i)), wish->use_case) == 0;
	if (wish->use_case) {
		snprintf(message, sizeof message, meant ? "made for %s" : "not made for %s", wish->use_case);
		say(reasons, "use_case", meant, message);
	}
	return meant;
}

static void judge(struct request *req, const struct template_ *template_, const struct wish *wish, const struct preset *preset, struct candidate *candidate)
{
	struct json_object *record = json_object_get(preset->record), *reasons = json_object_new_array(), *compatibility, *estimate, *resources;
	const struct preset held = *preset;

	candidate->object = json_object_new_object();
	compatibility = preset_compatibility(template_, &held);
	resources = preset_resources(template_definition(template_), &held);
	estimate = forecast_show(req, template_, &held);
	candidate->seconds = fnr_json_get_real(estimate, "seconds", 0);
	candidate->level = fnr_json_get_real(record, "level", 0);
	candidate->meant = judge_use(wish, record, reasons);
	candidate->fits = fnr_json_get_bool(compatibility, "compatible", true);
	if (!candidate->fits)
		say(reasons, "incompatible", false, "does not go together with this template");
	if (wish->max_seconds >= 0)
		candidate->fits &= within(reasons, "time", candidate->seconds, wish->max_seconds, "takes", "seconds");
	if (wish->max_cost >= 0)
		candidate->fits &= within(reasons, "cost", fnr_json_get_real(estimate, "cost", 0), wish->max_cost, "costs", "units");
	candidate->fits &= judge_hardware(wish, resources, reasons);
	candidate->usual = strcmp(held.id, fnr_quality_name(FNR_QUALITY_STANDARD)) == 0;
	if (!wish->any)
		say(reasons, "usual", candidate->usual, candidate->usual ? "good for everyday work" : "for when standard is not right");
	fnr_json_set_text(candidate->object, "preset", held.id);
	fnr_json_set(candidate->object, "name", json_object_get(fnr_json_get(record, "name")));
	fnr_json_set_bool(candidate->object, "fits", candidate->fits);
	fnr_json_set(candidate->object, "reasons", reasons);
	fnr_json_set(candidate->object, "estimate", estimate);
	fnr_json_set(candidate->object, "resources", resources);
	fnr_json_set(candidate->object, "compatibility", compatibility);
	json_object_put(record);
}

struct candidates { struct request *req; const struct template_ *template_; struct wish wish; struct candidate *list; size_t count, size; };

static bool candidate_row(const char *id, void *context)
{
	struct candidates *all = context;
	const struct preset *preset;

	if (all->count < all->size && preset_find(all->req->txn, id, NULL, &preset, NULL) == FNR_OK)
		judge(all->req, all->template_, &all->wish, preset, &all->list[all->count++]);
	return all->count < all->size;
}

/* Is the one better than the other? What fits, what it is meant for, then the finest, or for those in a hurry the fastest. */
static bool better(const struct wish *wish, const struct candidate *a, const struct candidate *b)
{
	if (a->fits != b->fits)
		return a->fits;
	if (!a->fits)
		return a->seconds < b->seconds;
	if (a->meant != b->meant)
		return a->meant;
	if (!wish->any && a->usual != b->usual)
		return a->usual;
	return wish->hurry ? a->level < b->level : a->level > b->level;
}

static void sort(struct candidates *all)
{
	for (size_t i = 1; i < all->count; i++)
		for (size_t k = i; k > 0 && better(&all->wish, &all->list[k], &all->list[k - 1]); k--) {
			struct candidate held = all->list[k];

			all->list[k] = all->list[k - 1];
			all->list[k - 1] = held;
		}
}

int presets_recommend(struct request *req)
{
	struct candidates all = { .req = req, .size = OWN_MOST };
	struct json_object *alternatives, *object;

	read_wish(req, &all.wish);
	all.template_ = template_of_body(req);
	if (req->err.code != FNR_OK)
		return req->err.code;
	all.list = fnr_arena_alloc(req->arena, all.size * sizeof *all.list);
	store_presets_owned(req->txn, NULL, candidate_row, &all);
	store_presets_owned(req->txn, req->access.key, candidate_row, &all);
	if (!all.count)
		return fnr_fail(&req->err, FNR_E_UNAVAILABLE, "the presets are not loaded yet; try again in a moment");
	sort(&all);
	object = all.list[0].object;
	alternatives = json_object_new_array();
	for (size_t i = 1; i < all.count; i++) {
		if (i <= ALTERNATIVES)
			json_object_array_add(alternatives, all.list[i].object);
		else
			json_object_put(all.list[i].object);
	}
	fnr_json_set(object, "alternatives", alternatives);
	return reply_json(req, 200, object);
}
