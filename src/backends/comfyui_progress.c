#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/comfyui.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "registry/workflow.h"

/* What people read while a node of such a class runs, and how long it takes compared with others, until it is known better.
 * The first row whose word is in the name of the class counts. */
static const struct { const char *part, *words; double weight; } classes[] = {
	{ "Checkpoint", "Loading the model…", 20 }, { "UNETLoader", "Loading the model…", 20 }, { "DiffusionModel", "Loading the model…", 20 },
	{ "LoraLoader", "Loading a style…", 4 }, { "ControlNetLoader", "Loading the guide…", 8 }, { "UpscaleModelLoader", "Loading the model…", 4 },
	{ "CLIPLoader", "Loading the model…", 8 }, { "VAELoader", "Loading the model…", 4 }, { "CLIPTextEncode", "Reading your words…", 2 },
	{ "KSampler", "Creating…", 100 }, { "SamplerCustom", "Creating…", 100 }, { "EmptyLatent", "Preparing the canvas…", 1 },
	{ "VAEDecode", "Developing the picture…", 12 }, { "VAEEncode", "Looking at your picture…", 8 }, { "img2vid", "Looking at your picture…", 8 },
	{ "LoadImage", "Opening your picture…", 1 }, { "LoadAudio", "Opening your sound…", 1 }, { "LoadVideo", "Opening your film…", 2 },
	{ "Upscale", "Enlarging the picture…", 30 }, { "ImageScale", "Resizing the picture…", 2 }, { "ControlNet", "Following the guide…", 4 },
	{ "Save", "Saving the result…", 3 }, { "Preview", "Saving the result…", 2 }, { "CreateVideo", "Making the film…", 8 },
};

static const char *class_words(const char *class_)
{
	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
		if (strstr(class_, classes[i].part) != NULL)
			return classes[i].words;
	return NULL;
}

/* In tenths of a second, roughly: as earlier runs had it. */
static double weight_of(struct comfyui *comfyui, const char *class_)
{
	double ms = fnr_json_get_real(comfyui->run->took, class_, -1);
	if (ms >= 0)
		return ms / 100 + 0.1;
	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
		if (strstr(class_, classes[i].part) != NULL)
			return classes[i].weight;
	return 3;
}

static int by_id(const void *a, const void *b)
{
	const struct comfyui_node *left = a, *right = b;
	return strcmp(left->id, right->id);
}

struct comfyui_node *comfyui_node(struct comfyui *comfyui, const char *id)
{
	struct comfyui_node wanted = { .id = id };
	return bsearch(&wanted, comfyui->nodes, comfyui->node_count, sizeof wanted, by_id);
}

/* What a node needs is run before it; each node is counted once, so this ends. */
static void count_upstream(struct comfyui *comfyui, struct comfyui_node *node)
{
	if (node == NULL || node->counts)
		return;
	node->counts = true;
	struct json_object *inputs = workflow_inputs(comfyui->workflow, node->id);
	json_object_object_foreach(inputs, name, value) {
		(void)name;
		if (workflow_is_link(value))
			count_upstream(comfyui, comfyui_node(comfyui, json_object_get_string(json_object_array_get_idx(value, 0))));
	}
}

/* Nodes that end something by their name; which ones really do, only the server knows. */
static bool seems_an_end(const char *class_)
{
	return strstr(class_, "Save") != NULL || strstr(class_, "Preview") != NULL || strstr(class_, "Combine") != NULL;
}

void comfyui_nodes_make(struct comfyui *comfyui)
{
	bool any = false;
	comfyui->nodes = fnr_alloc(sizeof *comfyui->nodes * ((size_t)json_object_object_length(comfyui->workflow) + 1));
	json_object_object_foreach(comfyui->workflow, id, node) {
		struct comfyui_node *made = &comfyui->nodes[comfyui->node_count++];
		made->id = id;
		made->class_ = fnr_json_get_text(node, "class_type", "");
		made->weight = weight_of(comfyui, made->class_);
	}
	qsort(comfyui->nodes, comfyui->node_count, sizeof *comfyui->nodes, by_id);
	for (size_t i = 0; i < comfyui->node_count; i++) {
		if (!seems_an_end(comfyui->nodes[i].class_))
			continue;
		count_upstream(comfyui, &comfyui->nodes[i]);
		any = true;
	}
	for (size_t i = 0; !any && i < comfyui->node_count; i++)
		comfyui->nodes[i].counts = true;
}

void comfyui_node_done(struct comfyui *comfyui, const char *id, bool cached)
{
	struct comfyui_node *node = comfyui_node(comfyui, id);
	if (node == NULL)
		return;
	if (node->began > 0 && !cached)
		node->took_ms = fnr_mono_ms() - node->began + 1;
	node->began = 0;
	node->counts = true;
	node->fraction = 1;
}

void comfyui_node_begins(struct comfyui *comfyui, const char *id)
{
	struct comfyui_node *node = comfyui_node(comfyui, id);
	if (node == NULL || node == comfyui->current)
		return;
	if (comfyui->current != NULL)
		comfyui_node_done(comfyui, comfyui->current->id, false);
	comfyui->current = node;
	node->counts = true;
	node->began = fnr_mono_ms();
}

void comfyui_node_is_at(struct comfyui *comfyui, const char *id, double value, double most)
{
	struct comfyui_node *node = comfyui_node(comfyui, id);
	if (node == NULL || !(most > 0) || !(value >= 0))
		return;
	node->counts = true;
	double fraction = value < most ? value / most : 1;
	if (fraction > node->fraction)
		node->fraction = fraction;
}

/* The template's words for the node, or for its class, or ours. */
static const char *words_of(struct comfyui *comfyui)
{
	struct json_object *words = fnr_json_get(comfyui->backend, "words");
	const struct comfyui_node *node = comfyui->current;
	if (node == NULL)
		return NULL;
	const char *own = fnr_json_get_text(words, node->id, fnr_json_get_text(words, node->class_, NULL));
	return own != NULL ? own : class_words(node->class_);
}

void comfyui_progress(struct comfyui *comfyui)
{
	double all = 0, done = 0;
	for (size_t i = 0; i < comfyui->node_count; i++) {
		const struct comfyui_node *node = &comfyui->nodes[i];
		all += node->counts ? node->weight : 0;
		done += node->counts ? node->weight * node->fraction : 0;
	}
	if (all > 0 && done / all > comfyui->fraction)
		comfyui->fraction = done / all;
	run_progress(comfyui->run, FNR_STAGE_EXECUTION, comfyui->fraction, words_of(comfyui));
}

/* Once for each class, at its first node: what its nodes took on average. */
static void tell_class(struct comfyui *comfyui, size_t first)
{
	const char *class_ = comfyui->nodes[first].class_;
	double sum = 0, count = 0;
	for (size_t i = 0; i < comfyui->node_count; i++) {
		const struct comfyui_node *node = &comfyui->nodes[i];
		if (node->took_ms == 0 || strcmp(node->class_, class_) != 0)
			continue;
		if (i < first)
			return;
		sum += (double)node->took_ms;
		count++;
	}
	if (count > 0)
		run_took(comfyui->run, class_, sum / count);
}

void comfyui_tell_took(struct comfyui *comfyui)
{
	for (size_t i = 0; i < comfyui->node_count; i++)
		tell_class(comfyui, i);
}
