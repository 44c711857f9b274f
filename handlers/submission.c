#include "handlers/submission.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "api/content.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/queues.h"
#include "base/text.h"
#include "handlers/brought.h"
#include "handlers/common.h"
#include "handlers/dedupe.h"
#include "handlers/servers.h"
#include "handlers/templates.h"
#include "registry/preset.h"

#define PAYLOAD_INLINE 1400      /* with summary and keys a record stays below 2 000 bytes */
#define EVENT_METADATA 512      /* metadata of at most so many bytes go with events too */
#define WAIT_MOST 300
#define INT53 9007199254740991LL
#define COUNT_MOST 1000          /* variations of one job */

/* What those variations of a job share that got the same variant of its template. */
struct shape {
	const char *variant;                                /* NULL: the template has none */
	struct json_object *parameters, *models;            /* models: that it loads, NULL if there are none */
	struct json_object *nodes;                          /* classes that it needs, NULL if there are none or they are not known */
	bool brought;                                       /* they are those of a workflow that came with it */
	struct json_object *payload;                        /* NULL until the first of them is added */
	struct fnr_id payload_file;                         /* NONE if it fits into a record */
	uint64_t class_;
	struct shape *next;
};

/* Everything that is known of one job while it is read. */
struct submission {
	struct request *req;
	struct submissions *list;
	const char *prefix;
	const struct submission_again *again;               /* NULL for a new job */
	struct json_object *source;
	const struct template_ *template_;
	const struct preset *quality;                       /* borrowed until the next one is looked for */
	struct json_object *metadata, *fallback;            /* borrowed from source; may be NULL */
	struct json_object *inputs;                         /* the same, and from resolve on owned */
	struct shape *shapes, *shape;                       /* all there are; that of the variation at hand */
	struct brought brought;
	const char *project, *shot, *queue, *node_id;
	int64_t seed, count, priority, timeout_s, not_before, expires_at, vram_mb;
	char preset[PRESET_LABEL];
	struct fnr_id uploads[SUBMISSION_UPLOADS];
	size_t upload_count;
	struct take_place *takes;                           /* in the request's arena */
	size_t take_count;
	struct op_parent *parents;                          /* in the request's arena */
	struct json_object **parent_outputs;                /* of their templates, owned; NULL where nothing is known */
	size_t parent_count;
	const char *ref, *on_parent_failure, *variant;      /* variant: that it asks for, or NULL */
	bool dedupe, linked;                                /* linked: names were given to a file of a payload */
	uint8_t hash[32];                                   /* of what it asks for */
};

static const char *const members[] = {
	"template", "inputs", "quality", "priority", "project", "shot", "queue", "seed", "not_before", "expires_at", "timeout_s",
	"depends_on", "on_parent_failure", "count", "fallback", "dedupe", "node_id", "metadata", "ref", "variant",
};
#define MEMBERS (sizeof members / sizeof members[0])

static const char *pointer(const struct submission *s, const char *name)
{
	return fnr_arena_printf(s->req->arena, "%s/%s", s->prefix, name);
}

#define problem(s, name, rule, fix, ...) fnr_error_add(&(s)->req->err, pointer(s, name), rule, fix, __VA_ARGS__)

static bool known_member(const char *name)
{
	for (size_t i = 0; i < MEMBERS; i++)
		if (strcmp(members[i], name) == 0)
			return true;
	return false;
}

static void check_members(struct submission *s)
{
	json_object_object_foreach(s->source, name, value) {
		const char *nearest;
		char place[256] = "";

		(void)value;
		if (known_member(name) && (strcmp(name, "ref") != 0 || s->prefix[0]))
			continue;
		fnr_text_copy(place, sizeof place, s->prefix);
		fnr_json_pointer_add(place, sizeof place, name);
		nearest = fnr_text_nearest(name, members, MEMBERS);
		fnr_error_add(&s->req->err, place, "unknown_member",
		              nearest ? fnr_arena_printf(s->req->arena, "did you mean '%s'?", nearest) : "remove it",
		              "a job has no member '%s'", name);
	}
}

/* The text of an optional member: NULL when missing or null; a problem when it is something else. */
static const char *text_member(struct submission *s, const char *name)
{
	struct json_object *value = fnr_json_get(s->source, name);

	if (!value)
		return NULL;
	if (json_object_is_type(value, json_type_string))
		return json_object_get_string(value);
	problem(s, name, "type", "give text in double quotes", "'%s' must be text", name);
	return NULL;
}

static int64_t int_member(struct submission *s, const char *name, int64_t fallback, int64_t least, int64_t most)
{
	struct json_object *value = fnr_json_get(s->source, name);
	int64_t number;

	if (!value)
		return fallback;
	number = json_object_get_int64(value);
	if (!json_object_is_type(value, json_type_int) || number < least || number > most) {
		problem(s, name, json_object_is_type(value, json_type_int) ? "range" : "type",
		        fnr_arena_printf(s->req->arena, "give a whole number from %lld to %lld", (long long)least, (long long)most),
		        "'%s' must be a whole number from %lld to %lld", name, (long long)least, (long long)most);
		return fallback;
	}
	return number;
}

static int64_t time_member(struct submission *s, const char *name)
{
	const char *text = text_member(s, name);
	int64_t ms = 0;

	if (text && !fnr_time_parse(text, &ms))
		problem(s, name, "format", "write it like 2026-01-31T18:00:00Z", "'%s' must be a time in RFC 3339 form", name);
	return ms;
}

static struct json_object *object_member(struct submission *s, const char *name)
{
	struct json_object *value = fnr_json_get(s->source, name);

	if (value && !json_object_is_type(value, json_type_object)) {
		problem(s, name, "type", "give an object: {…}", "'%s' must be an object", name);
		return NULL;
	}
	return value;
}

static const char *name_member(struct submission *s, const char *name)
{
	const char *text = text_member(s, name);

	if (text && !fnr_name_valid(text)) {
		problem(s, name, "name", "use " FNR_NAME_RULE, "'%s' is not a valid name", name);
		return NULL;
	}
	return text;
}

static const struct submission_kept *kept(const struct submission *s)
{
	return s->again ? s->again->kept : NULL;
}

/* The scheduler goes by the tier that it was of; everything else is as it was resolved then. */
static void keep_quality(struct submission *s)
{
	fnr_text_copy(s->preset, sizeof s->preset, fnr_json_get_text(kept(s)->summary, "preset", ""));
	preset_of_tier(s->req->txn, kept(s)->tier, &s->quality, &s->req->err);
}

static void quality_problem(struct submission *s, const char *text, const struct fnr_error *err)
{
	const char *fix = err->suggestion[0] ? err->suggestion : "use draft, standard, high or ultra, or a preset of your own";

	if (s->again && !fnr_json_get(s->req->body, "quality"))
		problem(s, "quality", "enum", "name another one, like \"quality\": \"standard\", or leave the inputs as they were",
		        "the preset '%.80s' that the job ran with is gone, and what other inputs make of it cannot be found out", text);
	else
		problem(s, "quality", "enum", fix, "there is no quality '%.80s': %s", text, err->message);
}

static void read_quality(struct submission *s)
{
	const char *text = text_member(s, "quality");
	const struct preset_viewer viewer = common_viewer(s->req);
	struct fnr_error err = FNR_ERROR_INIT;

	if (kept(s)) {
		keep_quality(s);
		return;
	}
	if (preset_find(s->req->txn, text ? text : "standard", &viewer, &s->quality, &err) != FNR_OK) {
		s->quality = NULL;
		quality_problem(s, text ? text : "standard", &err);
	}
	fnr_error_clear(&err);
	if (s->quality)
		preset_label(s->quality, s->preset);
}

static void read_place(struct submission *s)
{
	s->project = name_member(s, "project");
	s->shot = name_member(s, "shot");
	if (s->shot && !s->project && !fnr_json_get(s->source, "project"))
		problem(s, "shot", "project", "name the project as well", "a shot is part of a project");
	if (s->project && !s->shot)
		s->shot = "main";
	if (s->req->err.code == FNR_OK && !access_project_name(&s->req->access, s->project))
		fnr_fail(&s->req->err, FNR_E_FORBIDDEN, s->project ? "this key may not use the project '%s'" :
		         "this key is for certain projects: name one of them%s", s->project ? s->project : "");
}

static void read_queue(struct submission *s)
{
	s->queue = text_member(s, "queue");
	if (s->queue && !fnr_queue_find(s->queue))
		problem(s, "queue", "enum", fnr_arena_printf(s->req->arena, "use one of %s, or leave it out", fnr_queue_list()), "there is no queue '%.64s'", s->queue);
}

static void read_dedupe(struct submission *s)
{
	struct json_object *dedupe = fnr_json_get(s->source, "dedupe");

	s->dedupe = json_object_get_boolean(dedupe);
	if (dedupe && !json_object_is_type(dedupe, json_type_boolean))
		problem(s, "dedupe", "type", "give true or false", "'dedupe' must be true or false");
	else if (s->dedupe && (s->prefix[0] || s->count > 1))
		problem(s, "dedupe", "single", "send an Idempotency-Key with the batch instead", "only single jobs can be the only ones of their kind");
}

static void read_fallback(struct submission *s)
{
	s->fallback = object_member(s, "fallback");
	if (!s->fallback)
		return;
	json_object_object_foreach(s->fallback, name, value) {
		char place[256] = "";

		fnr_text_copy(place, sizeof place, pointer(s, "fallback"));
		fnr_json_pointer_add(place, sizeof place, name);
		if (strcmp(name, "quality") != 0 && strcmp(name, "cpu") != 0)
			fnr_error_add(&s->req->err, place, "unknown_member", "use quality and cpu", "fallback has no member '%s'", name);
		else if (!json_object_is_type(value, json_type_boolean))
			fnr_error_add(&s->req->err, place, "type", "give true or false", "fallback.%s must be true or false", name);
	}
}

/* ---- jobs that it depends on ---- */

/* What the job's template says that it makes, to put; NULL if nothing is known. */
static struct json_object *outputs_of(struct submission *s, const struct fnr_id *job)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *summary = NULL, *outputs = NULL;
	const struct template_ *template_;
	uint8_t digest[32];

	if (store_job_body(s->req->txn, job, &text, NULL, NULL) == FNR_OK)
		summary = common_parse(&text);
	if (fnr_unhex(fnr_json_get_text(summary, "digest", ""), digest, sizeof digest) && template_find_digest(s->req->txn, digest, &template_, NULL) == FNR_OK)
		outputs = json_object_get(fnr_json_get(template_definition(template_), "outputs"));
	json_object_put(summary);
	fnr_buf_free(&text);
	return outputs;
}

static void parent_problem(struct submission *s, size_t at, const char *rule, const char *fix, const char *message)
{
	fnr_error_add(&s->req->err, pointer(s, fnr_arena_printf(s->req->arena, "depends_on/%zu", at)), rule, fix, "%s", message);
}

static void add_parent(struct submission *s, const struct op_parent *parent, struct json_object *outputs)
{
	for (size_t i = 0; i < s->parent_count; i++) {
		if (s->parents[i].local != parent->local || fnr_id_compare(&s->parents[i].id, &parent->id) != 0)
			continue;
		json_object_put(outputs);
		return;
	}
	s->parents[s->parent_count] = *parent;
	s->parent_outputs[s->parent_count++] = outputs;
}

static void read_parent(struct submission *s, size_t at, const char *text)
{
	struct op_parent parent = { .ref = "" };
	struct json_object *outputs;
	char project[68] = "";
	struct job_head head;

	if (text[0] == '#') {
		parent.ref = text;
		parent.local = s->list->chain ? chain_find(s->list->chain, text + 1, &outputs) : 0;
		if (parent.local)
			add_parent(s, &parent, json_object_get(outputs));
		else if (!s->list->chain)
			parent_problem(s, at, "unknown_ref", "give the id of a job, or submit both as a batch", "only jobs of one batch can name each other by '#'");
	} else if (!fnr_id_parse(text, &parent.id) || store_job_get(s->req->txn, &parent.id, &head) != FNR_OK ||
	           (head.project && !store_name_text(s->req->txn, STORE_PROJECT, head.project, project)) ||
	           !access_project_name(&s->req->access, project[0] ? project : NULL)) {
		parent_problem(s, at, "unknown_job", "choose a job that there is: GET " API "/jobs", "there is no such job");
	} else if (fnr_state_terminal(head.state) && head.state != FNR_STATE_COMPLETED) {
		parent_problem(s, at, "job_state", "run that job again, and name the new one",
		               fnr_arena_printf(s->req->arena, "job %s will not be completed: it is %s", text, fnr_state_name(head.state)));
	} else {
		add_parent(s, &parent, outputs_of(s, &parent.id));
	}
}

static void read_parents(struct submission *s)
{
	struct json_object *list = fnr_json_get(s->source, "depends_on");
	size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	const char *failure = text_member(s, "on_parent_failure");

	if (failure && strcmp(failure, "fail") != 0 && strcmp(failure, "skip") != 0)
		problem(s, "on_parent_failure", "enum", "use fail or skip", "'on_parent_failure' cannot be '%.64s'", failure);
	s->on_parent_failure = failure ? failure : "fail";
	if (list && !json_object_is_type(list, json_type_array))
		problem(s, "depends_on", "type", "give a list: [\"ID\"], in a batch also [\"#ref\"]", "'depends_on' must be a list of jobs");
	if (count > STORE_PARENTS_MOST) {
		problem(s, "depends_on", "max_items", "depend on fewer jobs", "a job may depend on at most %d others", STORE_PARENTS_MOST);
		return;
	}
	s->parents = fnr_arena_alloc(s->req->arena, (count + 1) * sizeof *s->parents);
	s->parent_outputs = fnr_arena_alloc(s->req->arena, (count + 1) * sizeof *s->parent_outputs);
	for (size_t i = 0; i < count; i++) {
		struct json_object *value = json_object_array_get_idx(list, i);

		if (json_object_is_type(value, json_type_string))
			read_parent(s, i, json_object_get_string(value));
		else
			parent_problem(s, i, "type", "give the id of a job, or in a batch \"#ref\"", "this does not name a job");
	}
}

static bool is_later(const struct file_reference *reference, const char *pointer, char media_type_r[64], void *context, struct fnr_error *err)
{
	const struct submission *s = context;
	size_t i = 0;

	media_type_r[0] = 0;
	while (i < s->parent_count && (reference->local[0] ? strcmp(s->parents[i].ref, reference->local) != 0
	                                                    : s->parents[i].local || fnr_id_compare(&s->parents[i].id, &reference->job) != 0))
		i++;
	if (i == s->parent_count)
		return false;
	if (fnr_json_get(s->parent_outputs[i], reference->output))
		fnr_text_copy(media_type_r, 64, fnr_json_get_text(fnr_json_get(s->parent_outputs[i], reference->output), "media_type", ""));
	else if (s->parent_outputs[i])
		fnr_error_add(err, pointer, "unknown_output", "name one of the outputs of that job's template", "the job will have no output '%s'", reference->output);
	return true;
}

/* Variations differ in their seeds, which follow one another. */
static void read_variations(struct submission *s)
{
	s->count = int_member(s, "count", 1, 1, COUNT_MOST);
	s->seed = int_member(s, "seed", -1, 0, INT53);
	if (s->seed > INT53 - (s->count - 1))
		problem(s, "seed", "range", fnr_arena_printf(s->req->arena, "give a seed of at most %lld", INT53 - (s->count - 1)),
		        "the last of %lld variations would have a seed above %lld", (long long)s->count, INT53);
}

static void read_members(struct submission *s)
{
	check_members(s);
	read_quality(s);
	read_place(s);
	read_queue(s);
	read_parents(s);
	read_fallback(s);
	s->priority = int_member(s, "priority", 5, 1, 10);
	read_variations(s);
	read_dedupe(s);
	s->timeout_s = int_member(s, "timeout_s", 0, 1, 2592000);
	s->not_before = time_member(s, "not_before");
	s->expires_at = time_member(s, "expires_at");
	s->metadata = object_member(s, "metadata");
	s->inputs = object_member(s, "inputs");
	s->node_id = text_member(s, "node_id");
	s->ref = s->prefix[0] ? text_member(s, "ref") : NULL;
	if (s->ref && s->count > 1)
		problem(s, "count", "range", "leave out count or ref", "a job that others may depend on cannot have variations");
	if (s->node_id && strlen(s->node_id) > 128)
		problem(s, "node_id", "max_length", "use at most 128 bytes", "'node_id' is too long");
	if (!fnr_json_get(s->source, "inputs"))
		problem(s, "inputs", "required", "add \"inputs\": {…}; {} if there are none", "'inputs' is missing");
	if (s->expires_at && s->not_before && s->expires_at <= s->not_before)
		problem(s, "expires_at", "range", "give a time after not_before", "it would expire before it may start");
}

static void find_template(struct submission *s)
{
	struct fnr_error err = FNR_ERROR_INIT;
	const char *reference = text_member(s, "template");

	if (!reference) {
		if (!fnr_json_get(s->source, "template"))
			problem(s, "template", "required", "name a template; GET " API "/templates lists them", "'template' is missing");
		return;
	}
	if (template_find(s->req->txn, reference, &s->template_, &err) != FNR_OK) {
		problem(s, "template", "unknown_template", err.suggestion[0] ? err.suggestion : "GET " API "/templates lists them",
		        "%s", err.message);
		s->template_ = NULL;
	}
	fnr_error_clear(&err);
}

/* The definition that the first job ran with, whatever its template has become since. */
static bool find_definition(struct submission *s)
{
	struct fnr_error err = FNR_ERROR_INIT;
	uint8_t digest[32];

	if (!fnr_unhex(s->again->digest, digest, sizeof digest) ||
	    template_find_digest(s->req->txn, digest, &s->template_, &err) != FNR_OK) {
		s->template_ = NULL;
		fnr_fail(&s->req->err, FNR_E_CONFLICT, "the definition of template '%s' that the job ran with is not kept any more; "
		         "submit a new job, with a version that there is", fnr_json_get_text(s->source, "template", "?"));
	}
	fnr_error_clear(&err);
	return s->template_ != NULL;
}

static bool may_use(const char *project, void *context)
{
	const struct submission *s = context;

	return access_project_name(&s->req->access, project);
}

static void note_uploads(struct submission *s)
{
	s->upload_count = inputs_uploads(s->template_, s->inputs, s->uploads, SUBMISSION_UPLOADS);
	if (s->upload_count > SUBMISSION_UPLOADS) {
		problem(s, "inputs", "max_items", "use fewer files", "a job may name at most %d uploads", SUBMISSION_UPLOADS);
		s->upload_count = SUBMISSION_UPLOADS;
	}
}

static void note_takes(struct submission *s)
{
	struct take_place places[STORE_JOB_TAKES];

	s->take_count = inputs_takes(s->req->txn, s->template_, s->inputs, places, STORE_JOB_TAKES);
	if (s->take_count > STORE_JOB_TAKES) {
		problem(s, "inputs", "max_items", "use fewer takes", "a job may name at most %d takes", STORE_JOB_TAKES);
		s->take_count = 0;
	}
	s->takes = fnr_arena_alloc(s->req->arena, s->take_count * sizeof *s->takes);
	memcpy(s->takes, places, s->take_count * sizeof *s->takes);
}

/* The files that the inputs name: are they there, and what has to be made of them? */
static void check_files(struct submission *s)
{
	inputs_check_files(s->req->txn, s->template_, s->inputs, pointer(s, "inputs"), may_use, is_later, s, &s->req->err);
	if (s->req->err.code == FNR_OK)
		brought_take(&s->brought, s->template_, s->inputs, pointer(s, "inputs"));
	if (s->req->err.code == FNR_OK) {
		note_uploads(s);
		note_takes(s);
	}
}

/* What it needs at this quality. */
static int64_t vram_of(const struct submission *s)
{
	struct json_object *resources = preset_resources(template_definition(s->template_), s->quality);
	int64_t vram_mb = fnr_json_get_int(resources, "vram_mb", 0);

	json_object_put(resources);
	return vram_mb;
}

static void read_variant(struct submission *s)
{
	s->variant = text_member(s, "variant");
	if (s->variant && s->template_ && !variant_there(s->template_, s->variant))
		problem(s, "variant", "enum", "use one of the template's variants, or leave it out", "the template has no variant '%.64s'", s->variant);
}

/* ---- variants ---- */

static void shape_resolve(struct submission *s, struct shape *shape)
{
	shape->parameters = parameters_resolve(s->template_, s->quality, s->inputs, NULL);
	if (shape->variant)
		variant_lay_over(s->template_, shape->variant, s->inputs, shape->parameters);
	shape->models = template_models(s->template_, s->quality, shape->parameters);
	shape->nodes = template_nodes(s->template_, shape->parameters, &shape->brought);
	shape->class_ = scheduling_class(s->template_, s->quality, s->fallback, shape->models, shape->brought ? shape->nodes : NULL);
}

/* Inputs win over everything, and of these some name files in another way by now. */
static void shape_keep(struct submission *s, struct shape *shape)
{
	shape->parameters = fnr_json_copy(fnr_json_get(kept(s)->payload, "parameters"));
	json_object_object_foreach(s->inputs, name, value) {
		if (value && fnr_json_get(shape->parameters, name))
			fnr_json_set(shape->parameters, name, json_object_get(value));
	}
	shape->models = json_object_get(fnr_json_get(kept(s)->summary, "models"));
	shape->nodes = template_nodes(s->template_, shape->parameters, &shape->brought);
	shape->class_ = kept(s)->class_;
}

static struct shape *shape_make(struct submission *s, const char *variant)
{
	struct shape *shape = fnr_arena_alloc(s->req->arena, sizeof *shape);

	shape->variant = variant;
	if (kept(s))
		shape_keep(s, shape);
	else
		shape_resolve(s, shape);
	if (shape->models)
		servers_check_models(s->req, template_definition(s->template_), shape->models, s->prefix);
	if (shape->nodes)
		servers_check_nodes(s->req, template_definition(s->template_), shape->nodes, template_workflow(s->template_, shape->parameters), s->prefix);
	shape->next = s->shapes;
	return s->shapes = shape;
}

/* Each variation draws its own variant, by its seed, unless the job asks for one. */
static void take_shape(struct submission *s)
{
	const char *variant = s->variant ? s->variant : variant_pick(s->template_, s->seed);
	struct shape *shape = s->shapes;

	while (shape && variant && strcmp(shape->variant, variant) != 0)
		shape = shape->next;
	s->shape = shape ? shape : shape_make(s, variant);
}

static void shapes_free(struct submission *s)
{
	for (struct shape *shape = s->shapes; shape; shape = shape->next) {
		json_object_put(shape->parameters);
		json_object_put(shape->models);
		json_object_put(shape->nodes);
		json_object_put(shape->payload);
	}
}

static void resolve(struct submission *s)
{
	s->inputs = s->template_ ? inputs_expand(s->req->txn, s->template_, s->inputs, pointer(s, "inputs"), may_use, s, &s->req->err) : NULL;
	if (!s->template_)
		return;
	read_variant(s);
	if (s->inputs || !fnr_json_get(s->source, "inputs"))
		inputs_check(s->template_, s->inputs, pointer(s, "inputs"), &s->req->err);
	if (s->req->err.code != FNR_OK)
		return;
	check_files(s);
	if (s->req->err.code != FNR_OK)
		return;
	if (s->dedupe)
		dedupe_hash(s->req, &(struct dedupe){ template_digest(s->template_), s->variant ? fnr_arena_printf(s->req->arena, "%s/%s", s->preset, s->variant) : s->preset,
		                                      s->project, s->shot, s->seed, fnr_json_get(s->source, "inputs") }, s->hash);
	if (s->seed < 0) {
		uint32_t random;

		fnr_random(&random, sizeof random);
		s->seed = random;
	}
	s->vram_mb = kept(s) ? fnr_json_get_int(kept(s)->summary, "vram_mb", 0) : vram_of(s);
	take_shape(s);
}

/* ---- what is stored ---- */

/* How long the preset lets it run; 0: nobody asks it, as the job or its template allows no longer. */
static int64_t tier_timeout(struct submission *s)
{
	int64_t own = fnr_json_get_int(template_definition(s->template_), "timeout_s", 0);
	int64_t most = kept(s) ? fnr_json_get_int(kept(s)->summary, "timeout_s", 0) : fnr_json_get_int(fnr_json_get(s->quality->record, "pipeline"), "timeout_s", 0);

	return s->timeout_s || (own > 0 && own <= most) ? 0 : most;
}

static struct json_object *make_summary(struct submission *s)
{
	struct json_object *summary = json_object_new_object();

	fnr_json_set_text(summary, "template", template_id(s->template_));
	fnr_json_set_text(summary, "version", template_version(s->template_));
	fnr_json_set_text(summary, "digest", template_digest(s->template_));
	fnr_json_set_text(summary, "quality", kept(s) ? fnr_json_get_text(kept(s)->summary, "quality", NULL) : s->quality->id);
	fnr_json_set_text(summary, "preset", s->preset);
	if (tier_timeout(s))
		fnr_json_set_int(summary, "timeout_s", tier_timeout(s));
	if (s->shape->variant)
		fnr_json_set_text(summary, "variant", s->shape->variant);
	fnr_json_set_int(summary, "seed", s->seed);
	fnr_json_set_text(summary, "queue", s->queue);
	if (s->project) {
		fnr_json_set_text(summary, "project", s->project);
		fnr_json_set_text(summary, "shot", s->shot);
	}
	if (s->node_id)
		fnr_json_set_text(summary, "node_id", s->node_id);
	if (s->ref)
		fnr_json_set_text(summary, "ref", s->ref);
	if (s->metadata && json_object_object_length(s->metadata) && strlen(fnr_json_text(s->metadata, NULL)) <= EVENT_METADATA)
		fnr_json_set(summary, "metadata", json_object_get(s->metadata));
	if (s->shape->models)
		fnr_json_set(summary, "models", json_object_get(s->shape->models));
	if (s->shape->brought && s->shape->nodes)
		fnr_json_set(summary, "nodes", json_object_get(s->shape->nodes));
	if (s->vram_mb)
		fnr_json_set_int(summary, "vram_mb", s->vram_mb);
	if (s->fallback)
		fnr_json_set(summary, "fallback", json_object_get(s->fallback));
	if (s->req->access.key[0])
		fnr_json_set_text(summary, "key", s->req->access.key);
	if (s->upload_count) {
		struct json_object *list = json_object_new_array();
		char text[FNR_ID_TEXT];

		for (size_t i = 0; i < s->upload_count; i++)
			json_object_array_add(list, json_object_new_string(fnr_id_format(&s->uploads[i], text)));
		fnr_json_set(summary, "uploads", list);
	}
	return summary;
}

/* More memory than the template asks for, where the preset scales it up; 0: no more. A lower quality asks for less, but is not
 * held to it. */
static int64_t more_memory(struct submission *s)
{
	struct json_object *definition = template_definition(s->template_), *resources = preset_resources(definition, s->quality);
	int64_t own = fnr_json_get_int(fnr_json_get(definition, "resources"), "memory_mb", 0), scaled = fnr_json_get_int(resources, "memory_mb", 0);

	json_object_put(resources);
	return scaled > own ? scaled : 0;
}

/* What the preset says about running, where it says something to this function. To put; NULL if not. */
static struct json_object *pipeline_of(struct submission *s)
{
	struct json_object *definition = template_definition(s->template_), *pipeline = NULL;
	int64_t memory_mb = more_memory(s);

	if (kept(s))
		return json_object_get(fnr_json_get(kept(s)->payload, "pipeline"));
	if (fnr_json_get(definition, "optimizations") || fnr_json_get_int(fnr_json_get(definition, "resources"), "vram_mb", 0) > 0) {
		pipeline = preset_pipeline(definition, s->quality);
		json_object_object_del(pipeline, "concurrency");
		json_object_object_del(pipeline, "timeout_s");
	}
	if (memory_mb && !pipeline)
		pipeline = json_object_new_object();
	if (memory_mb)
		fnr_json_set_int(pipeline, "memory_mb", memory_mb);
	return pipeline;
}

static struct json_object *make_payload(struct submission *s)
{
	struct json_object *payload = json_object_new_object(), *pipeline = pipeline_of(s);

	fnr_json_set(payload, "inputs", s->inputs ? json_object_get(s->inputs) : json_object_new_object());
	fnr_json_set(payload, "parameters", json_object_get(s->shape->parameters));
	if (pipeline)
		fnr_json_set(payload, "pipeline", pipeline);
	fnr_json_set(payload, "metadata", s->metadata ? json_object_get(s->metadata) : json_object_new_object());
	return payload;
}

static void payload_file_new(struct submission *s, struct op_job *job, char path[64])
{
	job->payload_file = fnr_id_random();
	job->flags |= JOB_FLAG_PAYLOAD_FILE;
	store_payload_path(&job->payload_file, path);
	fnr_buf_add(&s->list->files, &job->payload_file, sizeof job->payload_file);
}

/* Puts a large payload into a file that is on disk before the job that names it. */
static int write_payload(struct submission *s, struct op_job *job)
{
	char path[64];
	size_t len;
	const char *text = fnr_json_text(s->shape->payload = make_payload(s), &len);

	if (len <= PAYLOAD_INLINE)
		return FNR_OK;
	payload_file_new(s, job, path);
	s->shape->payload_file = job->payload_file;
	return fnr_file_write(path, text, len, 0600, &s->req->err);
}

/* Variations of one variant have the same payload: it is written once and gets a name for each of them, as each goes in its
 * own time. */
static int link_payload(struct submission *s, struct op_job *job)
{
	char first[64], path[64];

	if (fnr_id_is_none(&s->shape->payload_file))
		return FNR_OK;
	store_payload_path(&s->shape->payload_file, first);
	payload_file_new(s, job, path);
	s->linked = true;
	return link(first, path) == 0 ? FNR_OK : fnr_fail_errno(&s->req->err, errno, "the inputs cannot be filed");
}

static int add_payload(struct submission *s, struct op_job *job)
{
	int code;

	job->flags &= (uint8_t)~JOB_FLAG_PAYLOAD_FILE;
	code = s->shape->payload ? link_payload(s, job) : write_payload(s, job);
	job->payload = job->flags & JOB_FLAG_PAYLOAD_FILE ? NULL : fnr_json_text(s->shape->payload, NULL);
	return code;
}

static int add_variation(struct submission *s, struct op_job *job)
{
	int code = add_payload(s, job);
	struct json_object *summary;

	if (code != FNR_OK)
		return code;
	summary = make_summary(s);
	job->class_ = s->shape->class_;
	job->summary = fnr_json_text(summary, NULL);
	op_job_add(&s->list->jobs, job);
	s->list->count++;
	json_object_put(summary);
	return FNR_OK;
}

static int add_variations(struct submission *s, struct op_job *job)
{
	int code;

	job->brought = s->brought.uploads ? s->brought.uploads + s->list->brought_count : NULL;
	job->brought_count = s->brought.count - s->list->brought_count;
	code = add_variation(s, job);
	job->brought_count = 0;
	for (int64_t i = 1; i < s->count && code == FNR_OK; i++) {
		s->seed++;
		take_shape(s);
		code = s->req->err.code;
		if (code == FNR_OK)
			code = add_variation(s, job);
	}
	return code == FNR_OK && s->linked ? fnr_dir_flush("blobs/payload", &s->req->err) : code;
}

static int add_jobs(struct submission *s)
{
	struct op_job job = { 0 };
	int code;

	if (!s->queue)
		s->queue = template_queue(s->template_);
	job.project = s->project ? s->project : "";
	job.shot = s->project ? s->shot : "";
	job.template_ = template_id(s->template_);
	job.queue = s->queue;
	job.key = s->req->access.key;
	if (s->again)
		job.retry_of = s->again->of;
	job.uploads = s->uploads;
	job.upload_count = s->upload_count;
	job.takes = s->takes;
	job.take_count = s->take_count;
	job.dedupe = s->dedupe ? s->hash : NULL;
	job.parents = s->parents;
	job.parent_count = s->parent_count;
	job.skip = strcmp(s->on_parent_failure, "skip") == 0;
	job.key_waiting_most = s->req->access.max_waiting;
	job.not_before = s->not_before;
	job.expires_at = s->expires_at;
	job.timeout_s = (uint32_t)s->timeout_s;
	job.max_attempts = (uint16_t)template_max_attempts(s->template_, (int)s->req->conf->job_max_attempts);
	job.quality = s->quality->tier;
	job.priority = (uint8_t)s->priority;
	if (s->upload_count)
		job.flags |= JOB_FLAG_UPLOADS;
	if (template_on_lost_fail(s->template_))
		job.flags |= JOB_FLAG_ON_LOST_FAIL;
	code = add_variations(s, &job);
	if (code == FNR_OK && s->list->chain)
		chain_added(s->list->chain, s->list->job, (uint32_t)s->list->count, fnr_json_get(template_definition(s->template_), "outputs"));
	return code;
}

/* The parameters repeat the inputs: they count once. */
static int check_size(struct submission *s)
{
	size_t inputs = 0, metadata = 0;

	if (s->inputs)
		fnr_json_text(s->inputs, &inputs);
	if (s->metadata)
		fnr_json_text(s->metadata, &metadata);
	if (inputs + metadata <= (size_t)s->req->conf->job_max_inputs)
		return FNR_OK;
	return fnr_fail(&s->req->err, FNR_E_TOO_LARGE, "the inputs and metadata of %s are %zu bytes; the limit is %lld (send large data as an upload)",
	                s->prefix[0] ? s->prefix + 1 : "the job", inputs + metadata, (long long)s->req->conf->job_max_inputs);
}

static int check_count(struct submission *s)
{
	if (s->list->count + (size_t)s->count <= (size_t)s->req->conf->batch_max_jobs)
		return FNR_OK;
	return fnr_fail(&s->req->err, FNR_E_TOO_LARGE, "these are more than %lld jobs, the limit of one batch (batch.max_jobs)",
	                (long long)s->req->conf->batch_max_jobs);
}

static int add_checked(struct submission *s)
{
	int code;

	if (!s->again)
		find_template(s);
	else if (!find_definition(s))
		return s->req->err.code;
	resolve(s);
	code = s->req->err.code;
	if (code == FNR_OK)
		code = add_jobs(s);
	if (code == FNR_OK && !s->list->told)
		s->list->told = templates_set_deprecation(s->req, s->template_);
	shapes_free(s);
	json_object_put(s->inputs);
	return code;
}

static int add(struct submission *s)
{
	struct request *req = s->req;
	int code;

	if (!json_object_is_type(s->source, json_type_object)) {
		fnr_error_add(&req->err, s->prefix, "type", "describe each job by an object: {…}", "a job must be an object");
		return req->err.code;
	}
	s->brought = (struct brought){ .req = req, .may = may_use, .later = is_later, .context = s, .files = &s->list->uploads,
	                               .uploads = s->list->brought, .count = s->list->brought_count };
	read_members(s);
	code = check_size(s);
	if (code == FNR_OK)
		code = check_count(s);
	if (code == FNR_OK)
		code = add_checked(s);
	if (s->list->alike) {
		s->list->brought = s->brought.uploads;
		s->list->brought_count = s->brought.count;
	}
	for (size_t i = 0; i < s->parent_count; i++)
		json_object_put(s->parent_outputs[i]);
	return code;
}

int submission_add(struct request *req, struct json_object *job, const char *prefix, struct submissions *list)
{
	struct submission s = { .req = req, .list = list, .prefix = prefix, .source = job };

	return add(&s);
}

int submission_add_again(struct request *req, struct json_object *job, const struct submission_again *again, struct submissions *list)
{
	struct submission s = { .req = req, .list = list, .prefix = "", .again = again, .source = job };

	return add(&s);
}

typedef void file_path(const struct fnr_id *id, char path[64]);

static void remove_files(const struct fnr_buf *files, size_t from, file_path *path_of)
{
	for (size_t at = from; at + sizeof(struct fnr_id) <= files->len; at += sizeof(struct fnr_id)) {
		struct fnr_id id;
		char path[64];

		memcpy(&id, files->data + at, sizeof id);
		path_of(&id, path);
		unlink(path);
	}
}

struct submissions_mark submissions_mark(const struct submissions *list)
{
	return (struct submissions_mark){ list->jobs.len, list->files.len, list->uploads.len, list->count };
}

void submissions_back(struct submissions *list, struct submissions_mark mark)
{
	remove_files(&list->files, mark.files, store_payload_path);
	remove_files(&list->uploads, mark.uploads, content_path);
	list->jobs.len = mark.jobs;
	list->files.len = mark.files;
	list->uploads.len = mark.uploads;
	list->count = mark.count;
}

void submissions_free(struct submissions *list)
{
	submissions_back(list, (struct submissions_mark){ 0 });
	fnr_buf_free(&list->files);
	fnr_buf_free(&list->uploads);
	fnr_buf_free(&list->jobs);
	chain_free(list->chain);
}

/* ---- idempotency, answer ---- */

int submission_idempotency(struct request *req, struct op_submit *submit, struct store_idempotency *entry_r, bool *known_r)
{
	const char *key = request_header(req, "Idempotency-Key");
	struct fnr_sha256 *sha;
	size_t len = key ? strlen(key) : 0;

	*known_r = false;
	if (!key)
		return FNR_OK;
	if (len == 0 || len > 255)
		return fnr_fail(&req->err, FNR_E_MALFORMED, "the Idempotency-Key has %zu characters; it must have 1 to 255", len);
	sha = fnr_sha256_create();
	fnr_sha256_add(sha, req->access.key, strlen(req->access.key) + 1);
	fnr_sha256_add(sha, req->method, strlen(req->method) + 1);
	fnr_sha256_add(sha, req->path, strlen(req->path) + 1);
	fnr_sha256_add(sha, key, len);
	fnr_sha256_end(sha, submit->idempotency);
	fnr_sha256_of(req->body_text, req->body_len, submit->body);
	submit->idempotent = true;
	if (store_idempotency_get(req->txn, submit->idempotency, entry_r) != FNR_OK)
		return FNR_OK;
	*known_r = true;
	if (memcmp(entry_r->body, submit->body, sizeof submit->body) != 0)
		return fnr_fail(&req->err, FNR_E_KEY_REUSED, "this Idempotency-Key was used before with another body; use a new key for a new request");
	return FNR_OK;
}

/* Prefer: wait=SECONDS (RFC 7240); 0 if it is not asked for. */
static int wait_seconds(struct request *req)
{
	const char *prefer = request_header(req, "Prefer");
	const char *at = prefer ? strcasestr(prefer, "wait=") : NULL;
	int seconds;

	if (!at || (at > prefer && !strchr(", ;", at[-1])))
		return 0;
	seconds = atoi(at + 5);
	if (seconds < 0)
		return 0;
	return seconds > WAIT_MOST ? WAIT_MOST : seconds;
}

int submission_reply(struct request *req, const struct fnr_id *id, bool is_batch, bool replayed)
{
	int seconds = is_batch ? 0 : wait_seconds(req);
	char text[FNR_ID_TEXT];

	if (seconds > 0)
		return reply_accel(req, fnr_arena_printf(req->arena, "/internal/wait/%s?seconds=%d&replayed=%d", fnr_id_format(id, text),
		                                         seconds, replayed));
	if (replayed)
		reply_header(req, "Idempotency-Replayed", "true");
	common_location(req, is_batch ? "batches" : "jobs", id);
	return is_batch ? common_reply_batch(req, 202, id) : common_reply_job(req, 202, id);
}

int submission_post(struct request *req, struct op_submit *submit, struct submissions *list, struct op_reply *reply_r)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	int code;

	submit->count = list->count;
	submit->is_batch |= list->count > 1;
	op_submit_begin(&operation, submit);
	fnr_buf_add(&operation, list->jobs.data, list->jobs.len);
	code = request_post(req, &operation, reply_r);
	fnr_buf_free(&operation);
	/* A committer that did not answer may still accept: then its files are needed. Any other refusal is final. */
	if ((code == FNR_OK && !reply_r->replayed) || code == FNR_E_UNAVAILABLE || code == FNR_E_TIMEOUT) {
		fnr_buf_reset(&list->files);
		fnr_buf_reset(&list->uploads);
	}
	return code;
}

int submission_finish(struct request *req, struct op_submit *submit, struct submissions *list)
{
	struct op_reply reply;
	int code = submission_post(req, submit, list, &reply);

	return code == FNR_OK ? submission_reply(req, &reply.id, reply.is_batch, reply.replayed) : code;
}
