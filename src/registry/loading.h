/* What the parts of the loader share: one look at the files, and what becomes of it. Internal to the registry.
 *
 *   loader.c        the look: what has to be read, one template, what is gone
 *   load_parents.c  files that extend others wait for these
 *   load_api.c      templates of the API that depend on others, or on scripts
 *   load_presets.c  presets, and rules of the operator
 */
#ifndef FNR_REGISTRY_LOADING_H
#define FNR_REGISTRY_LOADING_H

#include "registry/scan.h"
#include "store/ops.h"

#define LOADING_CHAINS 4096

/* A file that extends others: it has to wait for these. */
struct pending { struct entry *entry; char parent[112]; };   /* parent: as it is written, "id" or "id@1" */

struct sources { char **items; size_t count; };

struct registry {
	struct store *store;
	registry_post *post;
	void *context;
	const char *presets;
	struct scan scan;
	struct template_stored stored;
	struct template_places places;
	struct entry *good[LOADING_CHAINS];      /* by id and version */
	struct fnr_buf batch;            /* changes to be posted */
	size_t batch_count;
	int failed;                      /* code of what could not be posted */
	struct pending *pending;
	size_t pending_count, changes;   /* changes: entries read, or gone, at this look */
	uint64_t scripts_stamp;          /* at the last look */
	struct sources api_broken;       /* "api:id@version" */
	struct sources rules_broken;     /* files of rules */
	uint64_t rules_stamp;            /* of the rules that templates were read with; 0 before the first look */
	const char *presets_broken[2];   /* files of presets, at this look */
	int broken;
};

/* ---- posting ---- */

int loading_send(struct registry *registry, struct fnr_buf *operation);        /* frees it */
void loading_add(struct registry *registry, const struct op_template *change); /* to be posted with others */
void loading_flush(struct registry *registry);
/* report is put; path may be NULL. Says nothing that was said already. */
void loading_add_broken(struct registry *registry, const char *source, const char *path, struct json_object *report);

void sources_add(struct sources *sources, const char *source);
bool sources_have(const struct sources *sources, const char *source);
void sources_free(struct sources *sources);

/* ---- one template (loader.c) ---- */

bool loading_read_text(struct registry *registry, struct entry *entry, struct fnr_buf *text);   /* false, and the entry is broken, if it cannot be read */
void loading_note_identity(struct entry *entry, struct json_object *value);
void loading_settle(struct registry *registry, struct entry *entry, struct template_draft *draft);
void loading_now(struct registry *registry, struct entry *entry);
void loading_remove_gone(struct registry *registry);

/* ---- load_parents.c ---- */

bool loading_put_off(struct registry *registry, struct entry *entry, const struct fnr_buf *text);
bool loading_is_pending(struct registry *registry, const char *id, struct store_version version);
void loading_pending(struct registry *registry);

/* ---- load_api.c, load_presets.c ---- */

void loading_api(struct registry *registry, bool all);
int loading_presets(struct registry *registry, const char *path, struct fnr_error *err);
bool loading_rules_changed(struct registry *registry);   /* every template has to be read again */

#endif
