/* What the parts of this folder share. */
#ifndef FNR_REGISTRY_INTERNAL_H
#define FNR_REGISTRY_INTERNAL_H

#include "base/buf.h"
#include "registry/registry.h"

#define REGISTRY_PATH 1024
#define REGISTRY_FILE_MOST (16u << 20)   /* bytes of one file of a template */
#define REGISTRY_FILES_MOST 256          /* files of one template */

/* Where the files of a template are looked for, in this order; any may be NULL. */
#define REGISTRY_PLACES 6
struct template_folders { const char *folders[REGISTRY_PLACES]; bool by_api; };     /* by_api: who wrote the backend has no folder */
#define TEMPLATE_FOLDERS(beside, scripts) { { (beside), (scripts) }, false }

/* ---- template.c: for kinds of backends that work on servers which operators add ---- */

/* Checks backend.backends (ids) and backend.labels: the servers where its jobs may run. Both may be missing. */
#define TEMPLATE_PLACE_MEMBERS "backends", "labels"
void template_place_check(struct json_object *backend, struct fnr_error *err);

/* ---- comfyui.c ---- */

/* Checks the backend of a template that runs on ComfyUI, and adds its file to `files`. *nodes_r: the classes of its workflow's nodes, to put;
 * NULL if they are not known. */
void template_comfyui_check(struct json_object *source, const struct template_folders *folders, struct json_object *files, struct json_object **nodes_r,
                            struct fnr_error *err);

/* ---- gradio.c ---- */

/* Checks the backend of a template that calls a function of a Gradio app. */
void template_gradio_check(struct json_object *source, struct fnr_error *err);

/* ---- template.c: template_read and template_store_files (files.c) with more than two places for files ---- */

int template_read_in(struct json_object *source, const struct template_folders *folders, struct template_version *out, struct fnr_error *err);
int template_store_files_of(const struct template_version *template_, const struct template_folders *folders, struct fnr_error *err);

/* ---- identity.c ---- */

/* id, version, name, category, description, author, icon. out gets id and version, if they are sound. */
void identity_check(struct json_object *source, struct template_version *out, struct fnr_error *err);

/* ---- draft.c ---- */

struct template_source {
	char *name, *folder;         /* folder NULL: made by the API */
	bool yaml;
	char *text;
	size_t len;
	struct json_object *value;   /* NULL if it cannot be parsed */
};

/* The first is the template itself, each other one what the one before extends. */
struct template_draft {
	struct template_source chain[REGISTRY_EXTENDS_MOST + 1];
	size_t count;
	struct template_folders folders;
	struct template_version version;
	struct fnr_error err, warnings;
};

/* ---- shape.c ---- */

/* Against share/template.schema.json: whatever the checks in words let through. */
void template_shape_check(struct json_object *source, struct fnr_error *err);

/* ---- input_schema.c: a template's inputs as a whole JSON Schema ---- */

struct schema;
/* Is it sound, and of an object? inputs gets, of each property, what the short form can say of it. */
bool input_schema_check(struct json_object *schema, struct json_object *inputs, struct fnr_error *err);
/* What the inputs are checked with each by itself, where only some are given; NULL if the schema leaves that open. */
struct schema *input_schema_for_some(struct json_object *schema, struct json_object *inputs);
/* The same without what no example can bring: files. To put. */
struct json_object *input_schema_for_examples(struct json_object *schema, struct json_object *inputs);
void input_schema_check_values(const struct schema *schema, struct json_object *values, const char *pointer, struct fnr_error *err);
/* lookup.c: of a template that has one; NULL if its inputs are in short form. */
const struct schema *template_input_program(const struct template_ *template_);

/* ---- custom.c: rules of the operator, in files of a folder ---- */

/*   rule: house_names                  # its name in reports
 *   description: …
 *   when: {properties: {category: {const: image}}}       # JSON Schema of the templates that are meant; else all
 *   then: {required: [description]}                      # JSON Schema that these have to fit
 *   message: …, fix: …                 # in place of the schema's own words
 *   severity: warning                  # else error
 */
uint64_t custom_rules_stamp(const char *folder);     /* another one when a file came, changed or went */
typedef void custom_rule_broken(const char *path, const struct fnr_error *err, void *context);
void custom_rules_read(const char *folder, custom_rule_broken *broken, void *context);
/* Sound ones only, read again if they changed. source: the template, with what it extends. */
void custom_rules_apply(const char *folder, struct json_object *source, struct fnr_error *errors, struct fnr_error *warnings);

/* ---- files.c ---- */

/* Adds name and SHA-256 of the backend's files to `files`; problems go to err. The backend has been checked. */
void template_files_add(struct json_object *backend, const struct template_folders *folders, struct json_object *files, struct fnr_error *err);

/* The same for one file, whose bytes go to `text` too. False, with the problem added, if it is not to be had. */
bool template_file_add(const char *name, const char *pointer, const struct template_folders *folders, struct json_object *files,
                       struct fnr_buf *text, struct fnr_error *err);

/* The bytes of a file that is there, which may be gone by now: then false. */
bool template_file_text(const char *name, const struct template_folders *folders, struct fnr_buf *text);

/* Removes what loaders that were killed left in blobs/templates/. */
void template_files_sweep(void);

/* ---- python.c ---- */

#define PYTHON_WORD 64       /* of a longer word this much counts */

/* Is the class in this Python file, or may it come to be there when that is run? If not, nearest_r is the one of the file that may be
 * meant, or empty. */
bool python_may_have(const char *text, size_t len, const char *name, char nearest_r[PYTHON_WORD]);

/* ---- checks that both kinds of files need (rules.c) ---- */

const char *rules_below(char out[REGISTRY_PATH], const char *pointer, const char *name);
bool rules_among(const char *text, const char *const *list, size_t count);

/* Every member that the list does not have is named, with the nearest of the list. */
void rules_only(struct json_object *object, const char *pointer, const char *const *list, size_t count, struct fnr_error *err);

/* A member of this JSON type, or NULL if it is missing (fine, also as null) or of another one (reported with the fix). */
struct json_object *rules_want(struct json_object *object, const char *pointer, const char *name, enum json_type type,
                               const char *fix, struct fnr_error *err);

/* A text of at least one and at most `most` characters, of the list if there is one. */
enum rules_need { RULES_OPTIONAL, RULES_REQUIRED };
void rules_text(struct json_object *object, const char *pointer, const char *name, enum rules_need need, size_t most,
                const char *const *list, size_t count, const char *fix, struct fnr_error *err);

/* Only members of the rules, each a number in its bounds. */
struct rules_number { const char *name; double least, most; bool whole; };
void rules_numbers(struct json_object *object, const char *pointer, const struct rules_number *rules, size_t count, struct fnr_error *err);
void rules_number(struct json_object *object, const char *pointer, const struct rules_number *rule, struct fnr_error *err);

extern const char *const registry_categories[];
extern const char *const registry_tiers[];
#define REGISTRY_CATEGORIES 5
#define REGISTRY_TIERS 4

#endif
