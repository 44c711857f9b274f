/* Files that extend others wait until these are loaded; those that wait for each other are broken. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/yaml.h"
#include "registry/loading.h"

bool loading_is_pending(struct registry *registry, const char *id, struct store_version version)
{
	for (size_t i = 0; i < registry->pending_count; i++)
		if (strcmp(registry->pending[i].entry->id, id) == 0 && template_version_compare(registry->pending[i].entry->version, version) == 0)
			return true;
	return false;
}

/* Remembers the entry if it extends another; true then. */
bool loading_put_off(struct registry *registry, struct entry *entry, const struct fnr_buf *text)
{
	struct json_object *value = NULL;
	const char *extends;

	if (!text->len || !memmem(text->data, text->len, "extends", 7))
		return false;
	value = template_parse(text->data, text->len, !scan_is_json(entry->path), entry->source, NULL);
	extends = fnr_json_get_text(value, "extends", NULL);
	if (extends) {
		struct pending *pending;

		registry->pending = fnr_realloc(registry->pending, (registry->pending_count + 1) * sizeof *registry->pending);
		pending = &registry->pending[registry->pending_count++];
		*pending = (struct pending){ .entry = entry };
		snprintf(pending->parent, sizeof pending->parent, "%s", extends);
		loading_note_identity(entry, value);
	}
	json_object_put(value);
	return extends != NULL;
}

static bool refers_to(const char *reference, const struct entry *entry)
{
	size_t len = strcspn(reference, "@");
	struct store_version version = { 0, 0, 0 };
	int parts = reference[len] ? template_version_parse(reference + len + 1, &version) : 0;

	return strlen(entry->id) == len && len > 0 && memcmp(entry->id, reference, len) == 0 && template_version_fits(entry->version, version, parts);
}

static struct pending *pending_of(struct registry *registry, const char *reference)
{
	for (size_t i = 0; i < registry->pending_count; i++)
		if (refers_to(reference, registry->pending[i].entry))
			return &registry->pending[i];
	return NULL;
}

/* Files that wait for each other: each that is part of the ring is broken, and names it. */
static bool in_ring(struct registry *registry, const struct pending *pending, struct fnr_buf *way)
{
	const struct pending *at = pending;

	fnr_buf_reset(way);
	for (size_t steps = 0; at && steps <= registry->pending_count; steps++) {
		fnr_buf_printf(way, "%s%s", steps ? " extends " : "", at->entry->source);
		if (steps > 0 && at == pending)
			return true;
		at = pending_of(registry, at->parent);
	}
	return false;
}

static void refuse_ring(struct registry *registry, struct entry *entry, const char *way)
{
	char message[512];
	struct fnr_buf text = FNR_BUF_INIT;
	struct template_places nowhere = { 0 };
	struct template_text given = { .name = entry->source, .yaml = !scan_is_json(entry->path) };
	struct template_draft *draft;

	entry->changed = false;
	if (!loading_read_text(registry, entry, &text))
		return;
	given.text = text.data;
	given.len = text.len;
	draft = template_draft_read(&given, &nowhere);
	fnr_error_clear(&draft->err);
	snprintf(message, sizeof message, "it extends itself: %.400s", way);
	template_draft_refuse(draft, "/extends", "cycle", "extend a template that does not extend this one", message);
	loading_settle(registry, entry, draft);
	template_draft_free(draft);
	fnr_buf_free(&text);
}

/* Loads those whose parents do not wait themselves; returns how many. */
static size_t load_ready(struct registry *registry, bool all)
{
	struct fnr_buf way = FNR_BUF_INIT;
	size_t count = 0;

	for (size_t i = 0; i < registry->pending_count; i++) {
		struct pending *pending = &registry->pending[i];
		struct entry *entry = pending->entry;

		if (!entry->changed || (!all && pending_of(registry, pending->parent)))
			continue;
		if (all && in_ring(registry, pending, &way))
			refuse_ring(registry, entry, way.data);
		else
			loading_now(registry, entry);
		count++;
	}
	fnr_buf_free(&way);
	return count;
}

static void drop_loaded(struct registry *registry)
{
	size_t kept = 0;

	for (size_t i = 0; i < registry->pending_count; i++)
		if (registry->pending[i].entry->changed)
			registry->pending[kept++] = registry->pending[i];
	registry->pending_count = kept;
}

void loading_pending(struct registry *registry)
{
	if (registry->pending_count)
		loading_remove_gone(registry);               /* what is gone is nobody's parent any more */
	while (registry->pending_count) {
		loading_flush(registry);                     /* parents are found in the store */
		if (load_ready(registry, false) == 0)
			load_ready(registry, true);
		drop_loaded(registry);
	}
}
