/* Templates of the API that extend others, or name scripts, are read again when these change. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "registry/loading.h"

#define API_SOURCE "api:"       /* what stands before "id@version" where a template of the API is broken */

struct api_one { char id[68]; struct store_version version; uint8_t digest[32]; };
struct api_list { struct api_one *items; size_t count; };

static bool api_row(const char *id, struct store_version version, const uint8_t digest[32], const char *source, void *context)
{
	struct api_list *list = context;
	struct api_one *one;

	if (strcmp(source, STORE_SOURCE_API) != 0)
		return true;
	list->items = fnr_realloc(list->items, (list->count + 1) * sizeof *list->items);
	one = &list->items[list->count++];
	*one = (struct api_one){ .version = version };
	snprintf(one->id, sizeof one->id, "%s", id);
	memcpy(one->digest, digest, 32);
	return true;
}

/* Its text, if it depends on others or on scripts; false if not. */
static bool api_depends(struct registry *registry, const struct api_one *one, bool *yaml_r, struct fnr_buf *text)
{
	struct store_txn *txn = store_read(registry->store, NULL);
	struct json_object *definition;
	bool depends = false;

	if (txn && store_template_text_get(txn, one->id, one->version, yaml_r, text) == FNR_OK) {
		depends = text->len && memmem(text->data, text->len, "extends", 7);
		if (!depends && store_definition_get(txn, one->digest, &definition, NULL) == FNR_OK) {
			depends = strcmp(fnr_json_get_text(fnr_json_get(definition, "backend"), "type", ""), "script") == 0;
			json_object_put(definition);
		}
	}
	store_read_end(txn);
	return depends;
}

/* Posted alone: if somebody changed it meanwhile, that one's change came with a look of its own. */
static void put_again(struct registry *registry, const struct api_one *one, const struct template_draft *draft)
{
	const struct template_version *version = template_draft_version(draft);
	struct op_template change = { .what = OP_TEMPLATE_PUT, .id = version->id, .version = version->version, .source = STORE_SOURCE_API,
	                              .digest = version->digest, .definition = version->definition, .text = draft->chain[0].text,
	                              .yaml = draft->chain[0].yaml, .expect = OP_EXPECT_TEXT };
	struct fnr_buf operation = FNR_BUF_INIT;

	if (memcmp(version->digest, one->digest, 32) == 0 || template_draft_keep_files(draft, NULL) != FNR_OK)
		return;
	fnr_sha256_of(draft->chain[0].text, draft->chain[0].len, change.expected);
	op_templates_begin(&operation, 1);
	op_template_add(&operation, &change);
	if (loading_send(registry, &operation) == FNR_OK)
		fnr_info(NULL, "event=template.loaded template=%s source=api because of what it extends or names", version->id);
}

static void look_at_api(struct registry *registry, const struct api_one *one, bool yaml, const struct fnr_buf *text)
{
	char version[40], name[120], source[140];
	struct template_draft *draft;

	template_version_format(one->version, version);
	snprintf(name, sizeof name, "%s@%s", one->id, version);
	snprintf(source, sizeof source, API_SOURCE "%s", name);
	draft = template_draft_read(&(struct template_text){ name, NULL, yaml, text->data, text->len }, &registry->places);
	if (template_draft_sound(draft)) {
		put_again(registry, one, draft);
	} else {
		loading_add_broken(registry, source, NULL, template_report(draft));
		sources_add(&registry->api_broken, source);
	}
	template_draft_free(draft);
}

void loading_api(struct registry *registry, bool all)
{
	bool due = all || registry->changes > 0 || registry->scan.scripts_stamp != registry->scripts_stamp;
	struct store_txn *txn = store_read(registry->store, NULL);
	struct fnr_buf text = FNR_BUF_INIT;
	struct api_list list = { 0 };
	bool yaml;

	registry->scripts_stamp = registry->scan.scripts_stamp;
	if (due && txn)
		store_templates(txn, NULL, api_row, &list);
	store_read_end(txn);
	if (due)
		sources_free(&registry->api_broken);
	else
		registry->broken += (int)registry->api_broken.count;
	for (size_t i = 0; i < list.count; i++)
		if (api_depends(registry, &list.items[i], &yaml, &text))
			look_at_api(registry, &list.items[i], yaml, &text);
	free(list.items);
	fnr_buf_free(&text);
}
