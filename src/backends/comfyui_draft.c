#include "config.h"

#include "backends/comfyui_draft.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "registry/workflow.h"

#define DEPTH 64            /* of links that are followed */
#define FOLLOWED_MOST 100000
#define INT_MOST 9007199254740991.0
#define REST_NAMED 12       /* values that stay as they are, named in a note */
#define TEXT_MOST 20000

struct draft {
	struct json_object *workflow;       /* a copy */
	struct json_object *inputs, *parameters, *presets[4], *models, *outputs, *bindings, *output_nodes, *notes;
	const char *node, *input;           /* where the value stands that is being looked at: a node may get it by a link */
	size_t rest, followed;
	bool video, audio;
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

static bool has(const char *text, const char *part)
{
	return strcasestr(text, part) != NULL;
}

/* ---- names ---- */

/* "prompt", or "prompt_2" where there is one. */
static void free_name(struct draft *draft, const char *base, char out[68])
{
	snprintf(out, 68, "%.60s", base);
	for (int i = 2; fnr_json_get(draft->inputs, out) != NULL || fnr_json_get(draft->parameters, out) != NULL; i++)
		snprintf(out, 68, "%.56s_%d", base, i);
}

/* The JSON Pointer to an input of a node. */
static const char *pointer_to(const char *node, const char *input, char out[400])
{
	out[0] = '\0';
	fnr_json_pointer_add(out, 400, node);
	fnr_json_pointer_add(out, 400, "inputs");
	fnr_json_pointer_add(out, 400, input);
	return out;
}

static void bind(struct draft *draft, struct json_object *binding)
{
	char pointer[400];
	fnr_json_set(draft->bindings, pointer_to(draft->node, draft->input, pointer), binding);
}

/* "Negative prompt" for "negative_prompt". Of which node it is says the description: many have the same title. */
static void describe(struct draft *draft, struct json_object *made, const char *name)
{
	char label[68], text[256];
	snprintf(label, sizeof label, "%s", name);
	for (char *at = label; *at != '\0'; at++)
		*at = *at == '_' ? ' ' : *at;
	label[0] = (char)toupper((unsigned char)label[0]);
	snprintf(text, sizeof text, "Of \"%.120s\", node %.64s.", workflow_title(draft->workflow, draft->node), draft->node);
	fnr_text_clean(text);
	fnr_json_set_text(made, "label", label);
	fnr_json_set_text(made, "description", text);
}

/* An input of the template for an input of a node. What the node has now is its default. */
static struct json_object *add_input(struct draft *draft, const char *base, const char *type, struct json_object *usual)
{
	struct json_object *made = json_object_new_object();
	char name[68];
	free_name(draft, base, name);
	fnr_json_set_text(made, "type", type);
	describe(draft, made, name);
	if (usual != NULL)
		fnr_json_set(made, "default", fnr_json_copy(usual));
	fnr_json_set(draft->inputs, name, made);
	bind(draft, json_object_new_string(name));
	return made;
}

static void add_parameter(struct draft *draft, const char *base, struct json_object *value, char name[68])
{
	free_name(draft, base, name);
	fnr_json_set(draft->parameters, name, fnr_json_copy(value));
	bind(draft, json_object_new_string(name));
}

/* ---- prompts ---- */

/* Is `node` upstream of what `input` of some sampler is linked to? */
static bool feeds(struct draft *draft, struct json_object *link, const char *node, int depth)
{
	if (!workflow_is_link(link) || depth > DEPTH || ++draft->followed > FOLLOWED_MOST)
		return false;
	const char *from = json_object_get_string(json_object_array_get_idx(link, 0));
	struct json_object *inputs = workflow_inputs(draft->workflow, from);
	if (strcmp(from, node) == 0)
		return true;
	if (inputs == NULL || has(workflow_class(draft->workflow, from), "Sampler"))
		return false;
	json_object_object_foreach(inputs, name, value) {
		(void)name;
		if (feeds(draft, value, node, depth + 1))
			return true;
	}
	return false;
}

static bool feeds_any(struct draft *draft, const char *input, const char *node)
{
	draft->followed = 0;
	json_object_object_foreach(draft->workflow, id, about) {
		(void)about;
		if (feeds(draft, fnr_json_get(workflow_inputs(draft->workflow, id), input), node, 0))
			return true;
	}
	return false;
}

/* The same words in another place: models with several readers of a prompt mostly get the same for all. */
static bool join_prompt(struct draft *draft, const char *base, struct json_object *value)
{
	if (json_object_get_string_len(value) == 0)
		return false;
	json_object_object_foreach(draft->inputs, name, made) {
		if (strncmp(name, base, strlen(base)) == 0 && json_object_equal(fnr_json_get(made, "default"), value)) {
			bind(draft, json_object_new_string(name));
			return true;
		}
	}
	return false;
}

/* Inputs that hold words: of all classes with this in their names ("": of any); member NULL: whatever has to do with text. What
 * they are for their names say, or the place. */
enum side { BY_PLACE, SHOW, AVOID };
static const struct { const char *class_, *member; enum side side; } words[] = {
	{ "TextEncode", "clip_l", BY_PLACE }, { "TextEncode", "clip_g", BY_PLACE }, { "TextEncode", "t5xxl", BY_PLACE }, { "TextEncode", "llama", BY_PLACE },
	{ "TextEncode", "bert", BY_PLACE }, { "TextEncode", "mt5xl", BY_PLACE }, { "TextEncode", "tags", BY_PLACE }, { "TextEncode", "lyrics", BY_PLACE },
	{ "", "prompt", BY_PLACE },
	{ "", "positive", SHOW }, { "", "positive_prompt", SHOW }, { "", "text_positive", SHOW },
	{ "", "negative", AVOID }, { "", "negative_prompt", AVOID }, { "", "text_negative", AVOID }, { "TextEncode", NULL, BY_PLACE },
};

static bool is_word(size_t i, const char *class_, const char *input)
{
	return has(class_, words[i].class_) && (words[i].member != NULL ? strcmp(words[i].member, input) == 0 : has(input, "text"));
}

/* What the sampler that a node feeds takes its words for. */
static enum side side_of(struct draft *draft, const char *node)
{
	const char *title = workflow_title(draft->workflow, node);
	bool show = feeds_any(draft, "positive", node), avoid = feeds_any(draft, "negative", node);
	if (!show && !avoid)
		show = feeds_any(draft, "conditioning", node); /* of a guider without the other side */
	if (show == avoid)
		note(draft, "whether node %s (\"%s\") says what to show or what to avoid: it is called by its title", node, title);
	return show != avoid ? (avoid ? AVOID : SHOW) : has(title, "negative") ? AVOID : SHOW;
}

static bool take_prompt(struct draft *draft, const char *node, const char *input, struct json_object *value)
{
	size_t count = sizeof words / sizeof words[0], i = 0;
	while (i < count && !is_word(i, workflow_class(draft->workflow, node), input))
		i++;
	if (i == count || !json_object_is_type(value, json_type_string) || json_object_get_string_len(value) > TEXT_MOST)
		return false;
	enum side side = words[i].side != BY_PLACE ? words[i].side : side_of(draft, node);
	const char *base = strcmp(input, "lyrics") == 0 ? "lyrics" : side == AVOID ? "negative_prompt" : "prompt";
	if (!join_prompt(draft, base, value))
		fnr_json_set_int(add_input(draft, base, "string", value), "max_length", TEXT_MOST);
	return true;
}

/* ---- numbers ---- */

static bool take_seed(struct draft *draft, const char *node, const char *input, struct json_object *value)
{
	bool number = json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);
	if (!number || (strcmp(input, "seed") != 0 && strcmp(input, "noise_seed") != 0))
		return false;
	bind(draft, json_object_new_string("seed"));
	fnr_json_set_int(workflow_inputs(draft->workflow, draft->node), draft->input, 0); /* theirs may be larger than templates may have */
	return true;
}

/* Members of nodes that people may want to choose. class_: a part of the node's class, or "". */
static const struct row { const char *class_, *member, *name, *type; double least, most; } rows[] = {
	{ "", "empty_latent_width", "width", "integer", 16, 16384 }, { "", "empty_latent_height", "height", "integer", 16, 16384 },
	{ "Latent", "width", "width", "integer", 16, 16384 }, { "Latent", "height", "height", "integer", 16, 16384 },
	{ "Latent", "batch_size", "variations", "integer", 1, 64 }, { "Latent", "length", "length", "integer", 1, 4096 },
	{ "Latent", "seconds", "seconds", "number", 0.1, 3600 }, { "Combine", "frame_rate", "fps", "number", 0.01, 1000 },
	{ "img2vid", "width", "width", "integer", 16, 16384 }, { "img2vid", "height", "height", "integer", 16, 16384 },
	{ "img2vid", "video_frames", "frames", "integer", 1, 4096 }, { "", "cfg", "guidance", "number", 0, 100 },
	{ "FluxGuidance", "guidance", "guidance", "number", 0, 100 }, { "TextEncode", "guidance", "guidance", "number", 0, 100 }, { "", "denoise", "strength", "number", 0, 1 },
	{ "ImageScaleBy", "scale_by", "scale", "number", 0.01, 8 }, { "", "fps", "fps", "number", 0.01, 1000 },
};

static bool take_number(struct draft *draft, const char *node, const char *input, struct json_object *value)
{
	double now = json_object_get_double(value);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *row = &rows[i];
		bool whole = strcmp(row->type, "integer") == 0, fits = json_object_is_type(value, json_type_int) ||
		             (!whole && json_object_is_type(value, json_type_double));
		if (!fits || strcmp(row->member, input) != 0 || !has(workflow_class(draft->workflow, node), row->class_) || now < row->least || now > row->most)
			continue;
		if (strcmp(row->member, "denoise") == 0 && now >= 1) /* all of it is made: nothing to choose */
			return true;
		struct json_object *made = add_input(draft, row->name, row->type, value);
		fnr_json_set(made, "min", whole ? json_object_new_int64((int64_t)row->least) : fnr_json_real(row->least));
		fnr_json_set(made, "max", whole ? json_object_new_int64((int64_t)row->most) : fnr_json_real(row->most));
		return true;
	}
	return false;
}

/* How carefully it is done is what the tiers are about. */
static bool take_steps(struct draft *draft, const char *node, const char *input, struct json_object *value)
{
	static const double factors[] = { 0.5, 1, 1.5, 2 };
	char name[68];
	if (strcmp(input, "steps") != 0 || !json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 1)
		return false;
	add_parameter(draft, "steps", value, name);
	for (size_t i = 0; i < 4; i++) {
		int64_t steps = (int64_t)((double)json_object_get_int64(value) * factors[i]);
		fnr_json_set_int(draft->presets[i], name, steps > 0 ? steps : 1);
	}
	return true;
}

/* Where one sampler takes over from another: the same part of the way, however many steps it has. */
static bool take_step(struct draft *draft, const char *node, const char *input, struct json_object *value)
{
	int64_t all = fnr_json_get_int(workflow_inputs(draft->workflow, node), "steps", 0), step = json_object_get_int64(value);
	char pointer[400], text[160];
	const char *steps = fnr_json_get_text(draft->bindings, pointer_to(node, "steps", pointer), NULL);
	if ((strcmp(input, "start_at_step") != 0 && strcmp(input, "end_at_step") != 0) || !json_object_is_type(value, json_type_int) ||
	    steps == NULL || step <= 0 || step >= all)
		return false;
	struct json_object *binding = json_object_new_object();
	snprintf(text, sizeof text, "round(%.68s * %lld / %lld)", steps, (long long)step, (long long)all);
	fnr_json_set_text(binding, "compute", text);
	bind(draft, binding);
	return true;
}

/* ---- models, ways, files ---- */

static const struct { const char *class_, *member, *name, *category; } models[] = {
	{ "", "ckpt_name", "checkpoint", "checkpoints" }, { "", "unet_name", "diffusion_model", "diffusion_models" }, { "", "lora_name", "lora", "loras" },
	{ "", "vae_name", "vae", "vae" }, { "", "control_net_name", "control_net", "controlnet" }, { "", "clip_name", "text_encoder", "text_encoders" },
	{ "", "clip_name1", "text_encoder", "text_encoders" }, { "", "clip_name2", "text_encoder", "text_encoders" },
	{ "UpscaleModel", "model_name", "upscale_model", "upscale_models" },
};

static bool take_model(struct draft *draft, const char *node, const char *input, struct json_object *value)
{
	for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
		char name[68];
		if (strcmp(models[i].member, input) != 0 || !has(workflow_class(draft->workflow, node), models[i].class_) ||
		    !json_object_is_type(value, json_type_string))
			continue;
		add_parameter(draft, models[i].name, value, name);
		if (strcmp(models[i].category, "text_encoders") == 0)
			return true; /* older servers have them in another folder */
		struct json_object *model = json_object_new_object();
		fnr_json_set_text(model, "category", models[i].category);
		fnr_json_set_text(model, "parameter", name);
		json_object_array_add(draft->models, model);
		return true;
	}
	return false;
}

static bool take_way(struct draft *draft, const char *node, const char *input, struct json_object *value)
{
	char name[68];
	if ((strcmp(input, "sampler_name") != 0 && strcmp(input, "scheduler") != 0) || !json_object_is_type(value, json_type_string))
		return false;
	add_parameter(draft, strcmp(input, "scheduler") == 0 ? "scheduler" : "sampler", value, name);
	return true;
}

static const struct { const char *class_, *member, *media; } files[] = {
	{ "LoadImage", "image", "image/*" }, { "LoadAudio", "audio", "audio/*" }, { "LoadVideo", "file", "video/*" }, { "LoadVideo", "video", "video/*" },
};

static bool take_file(struct draft *draft, const char *node, const char *input, struct json_object *value)
{
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		if (strcmp(files[i].member, input) != 0 || !has(workflow_class(draft->workflow, node), files[i].class_) ||
		    !json_object_is_type(value, json_type_string))
			continue;
		char name[68], base[16];
		struct json_object *made = json_object_new_object(), *media = json_object_new_array(), *upload = json_object_new_object();
		snprintf(base, sizeof base, "%.*s", (int)strcspn(files[i].media, "/"), files[i].media);
		free_name(draft, base, name);
		json_object_array_add(media, json_object_new_string(files[i].media));
		fnr_json_set_text(made, "type", "file");
		fnr_json_set(made, "media", media);
		fnr_json_set_bool(made, "required", true);
		describe(draft, made, name);
		fnr_json_set(draft->inputs, name, made);
		fnr_json_set_text(upload, "upload", name);
		bind(draft, upload);
		return true;
	}
	return false;
}

/* ---- outputs ---- */

static const char *output_type(const char *class_)
{
	if (!has(class_, "Save") && !has(class_, "Combine") && !has(class_, "Preview"))
		return NULL;
	if (has(class_, "Audio"))
		return "audio";
	if (has(class_, "Video") || has(class_, "WEBM") || has(class_, "Animated") || has(class_, "VHS_"))
		return "video";
	if (has(class_, "Image"))
		return "image";
	if (has(class_, "PreviewAny") || has(class_, "Text"))
		return "text";
	return has(class_, "Save") ? "file" : NULL;
}

static bool any_saves(struct draft *draft)
{
	json_object_object_foreach(draft->workflow, id, about) {
		(void)about;
		const char *class_ = workflow_class(draft->workflow, id);
		if (output_type(class_) != NULL && !has(class_, "Preview"))
			return true;
	}
	return false;
}

static void take_outputs(struct draft *draft)
{
	bool saves = any_saves(draft);
	json_object_object_foreach(draft->workflow, id, about) {
		(void)about;
		const char *class_ = workflow_class(draft->workflow, id), *type = output_type(class_);
		if (type == NULL || (saves && has(class_, "Preview")))
			continue;
		struct json_object *output = json_object_new_object();
		char name[68];
		snprintf(name, sizeof name, "%s", type);
		for (int i = 2; fnr_json_get(draft->outputs, name) != NULL; i++)
			snprintf(name, sizeof name, "%s_of_%.40s", type, id);
		fnr_json_set_text(output, "type", type);
		fnr_json_set_text(output, "label", workflow_title(draft->workflow, id));
		if (strcmp(type, "image") == 0)
			fnr_json_set_bool(output, "many", true);
		fnr_json_set(draft->outputs, name, output);
		fnr_json_set_text(draft->output_nodes, name, id);
		draft->video = draft->video || strcmp(type, "video") == 0;
		draft->audio = draft->audio || strcmp(type, "audio") == 0;
	}
	if (json_object_object_length(draft->outputs) == 0)
		note(draft, "which node makes the result: none of them looks like one that saves something; name it in outputs");
}

/* ---- the whole ---- */

/* What is the value of an input of a node for? */
static bool take(struct draft *draft, const char *node, const char *input, struct json_object *value)
{
	static bool (*const takers[])(struct draft *, const char *, const char *, struct json_object *) = {
		take_seed, take_prompt, take_steps, take_step, take_model, take_way, take_file, take_number,
	};
	for (size_t i = 0; i < sizeof takers / sizeof takers[0]; i++)
		if (takers[i](draft, node, input, value))
			return true;
	return false;
}

static bool is_bound(struct draft *draft)
{
	char pointer[400];
	return fnr_json_get(draft->bindings, pointer_to(draft->node, draft->input, pointer)) != NULL;
}

/* The one value of a node that does nothing but give it ("PrimitiveInt"): widgets that were made inputs are linked to such. */
static struct json_object *only_value(struct draft *draft, const char *node, const char **input_r)
{
	static const char *const members[] = { "value", "string", "text", "int", "float", "number", "seed", "prompt", "positive", "negative" };
	struct json_object *inputs = workflow_inputs(draft->workflow, node), *found = NULL;
	if (inputs == NULL)
		return NULL;
	json_object_object_foreach(inputs, name, value) {
		(void)name;
		if (workflow_is_link(value))
			return NULL;
	}
	for (size_t i = 0; i < sizeof members / sizeof members[0] && found == NULL; i++)
		found = fnr_json_get(inputs, *input_r = members[i]);
	return found;
}

/* A node whose input comes by a link from such a node: what it is for is told by where it goes. */
static void take_linked(struct draft *draft, const char *node, const char *input, struct json_object *link)
{
	draft->node = json_object_get_string(json_object_array_get_idx(link, 0));
	struct json_object *value = only_value(draft, draft->node, &draft->input);
	if (value != NULL && !is_bound(draft))
		take(draft, node, input, value);
}

static void take_value(struct draft *draft, const char *node, const char *input, struct json_object *value)
{
	draft->node = node;
	draft->input = input;
	if (is_bound(draft) || take(draft, node, input, value))
		return;
	if (json_object_is_type(value, json_type_double) && fabs(json_object_get_double(value)) > INT_MOST) { /* as a text the server takes it too */
		fnr_json_set_text(workflow_inputs(draft->workflow, node), input, fnr_json_text(value, NULL));
		return;
	}
	if (draft->rest++ < REST_NAMED)
		note(draft, "%s of node %s (\"%s\") stays %.80s", input, node, workflow_title(draft->workflow, node), fnr_json_text(value, NULL));
}

static void take_all(struct draft *draft, bool links, void (*take_one)(struct draft *, const char *, const char *, struct json_object *))
{
	json_object_object_foreach(draft->workflow, id, about) {
		(void)about;
		json_object_object_foreach(workflow_inputs(draft->workflow, id), input, value) {
			if (workflow_is_link(value) == links)
				take_one(draft, id, input, value);
		}
	}
}

static void take_nodes(struct draft *draft)
{
	take_all(draft, true, take_linked);
	take_all(draft, false, take_value);
	if (draft->rest > REST_NAMED)
		note(draft, "%zu more values stay as they are in the workflow", draft->rest - REST_NAMED);
}

static void id_of(const char *name, char out[65])
{
	size_t len = 0;
	for (; *name != '\0' && len < 64; name++) {
		bool plain = isalnum((unsigned char)*name) != 0;
		if (plain || (len > 0 && out[len - 1] != '_'))
			out[len++] = plain ? (char)tolower((unsigned char)*name) : '_';
	}
	while (len > 0 && out[len - 1] == '_')
		len--;
	out[len] = '\0';
	if (len == 0)
		snprintf(out, 65, "comfyui_function");
}

static struct json_object *assemble(struct draft *draft, const char *name)
{
	static const char *const tiers[] = { "draft", "standard", "high", "ultra" };
	struct json_object *made = json_object_new_object(), *backend = json_object_new_object(), *presets = json_object_new_object();
	struct json_object *resources = json_object_new_object();
	char id[65];
	id_of(name, id);
	fnr_json_set_text(made, "id", id);
	fnr_json_set_text(made, "version", "1.0.0");
	fnr_json_set_text(made, "name", name);
	fnr_json_set_text(made, "category", draft->video ? "video" : draft->audio ? "audio" : "image");
	fnr_json_set(made, "inputs", draft->inputs);
	fnr_json_set(made, "outputs", draft->outputs);
	fnr_json_set(made, "parameters", draft->parameters);
	for (size_t i = 0; i < 4; i++)
		fnr_json_set(presets, tiers[i], draft->presets[i]);
	fnr_json_set(made, "presets", presets);
	fnr_json_set_int(resources, "gpu", 1);
	fnr_json_set(made, "resources", resources);
	fnr_json_set_int(made, "timeout_s", 3600);
	fnr_json_set(made, "models", draft->models);
	fnr_json_set_text(backend, "type", "comfyui");
	fnr_json_set(backend, "bindings", draft->bindings);
	fnr_json_set(backend, "outputs", draft->output_nodes);
	fnr_json_set(backend, "workflow", draft->workflow);
	fnr_json_set(made, "backend", backend);
	return made;
}

struct json_object *comfyui_draft(struct json_object *workflow, const char *name, struct json_object *notes)
{
	struct draft draft = {
		.workflow = fnr_json_copy(workflow), .inputs = json_object_new_object(), .parameters = json_object_new_object(), .models = json_object_new_array(),
		.outputs = json_object_new_object(), .bindings = json_object_new_object(), .output_nodes = json_object_new_object(), .notes = notes,
	};
	for (size_t i = 0; i < 4; i++)
		draft.presets[i] = json_object_new_object();
	take_nodes(&draft);
	take_outputs(&draft);
	if (json_object_object_length(draft.inputs) == 0)
		note(&draft, "what people may choose: no input was found; add them, with bindings");
	return assemble(&draft, name);
}
