/* The registry: function templates and quality presets, as data. Reads template files (YAML or JSON), checks and
 * normalises them, finds the template a caller names, checks a caller's inputs, and merges template defaults, preset
 * and inputs into the parameters of a job.
 *
 * A template file:
 *
 *   id: create_title_card            # name rule of base/text.h, lower case
 *   version: 1.0.0                   # major.minor.patch
 *   name: Create Title Card
 *   description: …
 *   category: image                  # image, video, audio, text, generic
 *   author: …                        # optional, as are icon, tags and capabilities (lists of texts)
 *   inputs:                          # short form; order is the order on the page
 *     text: {type: string, required: true, min_length: 1, max_length: 200, label: Text, description: …}
 *     size: {type: integer, min: 8, max: 200, default: 40}
 *     aspect: {type: string, enum: ["16:9", "1:1"], default: "16:9"}
 *     color: {type: string, format: color, default: "#ffffff"}      # "#rgb", "#rrggbb" or "#rrggbbaa"
 *     picture: {type: file, media: ["image/…"]}                     # "upload:<id>", "take:<p>/<s>/<n>/<file>", …
 *   input_schema: {type: object, properties: {…}}   # instead of inputs: JSON Schema, draft 2020-12. x-control, x-group,
 *           # x-order, x-unit and x-media (which makes it a file) of a property are what they are in short form
 *   outputs:
 *     image: {type: image, media_type: image/png, description: …}   # type: image, video, audio, text, json, file
 *     # optional: true: it may be missing; many: true: there may be more, which are called image_2, image_3, …
 *   parameters: {width: 1920, height: 1080}       # template defaults beside those of the inputs
 *   presets:                         # per tier, merged over the built-in preset of the category
 *     draft: {width: 960, height: 540}
 *   resolution: {multiple_of: 8}     # optional: width and height that a preset gives become multiples of it
 *   optimizations: [tiling, fp8]     # optional: those of a preset's pipeline that the function knows
 *   resources: {cpu: 1, memory_mb: 512, gpu: 0, vram_mb: 0, disk_mb: 50,
 *               tiers: {draft: {memory_mb: 256}}}   # optional: in place of these, scaled by the preset
 *   variants:                        # optional, for A/B runs: each job gets one by its seed, or the one that it names
 *     plain: {weight: 1}
 *     bold: {weight: 3, description: …, parameters: {own: 2}}      # over the presets, below the inputs that are given
 *   queue: cpu                       # optional; else gpu if resources.gpu > 0, else cpu
 *   timeout_s: 120
 *   silence_s: 60                    # optional: one that says nothing (progress, log, preview) for so long is stuck
 *   retry: {max_attempts: 4, delay_s: 1, max_delay_s: 60, total_s: 86400,
 *           resource: {max_attempts: 2}}          # for all errors; and for transient, resource, unknown ones
 *   errors: [{when: {…}, then: {…}}]              # optional: what errors are; errors.h
 *   on_lost: retry                   # or fail
 *   stages:                          # weights of the overall percent and what people read
 *     preparation: {weight: 0.1, message: Setting the stage…}
 *     execution: {weight: 0.8, message: Drawing your title…}
 *     finalization: {weight: 0.1, message: Filing the picture…}
 *   models: [{category: checkpoints, name: sd15.safetensors}, {category: loras, parameter: style}]   # files that it loads;
 *           # parameter: the input or parameter that has the file's name. For kinds of backends that load any. when: "refine": only if
 *           # this expression is true (expression.h), over inputs, parameters and quality
 *   examples: [{name: …, inputs: {…}, quality: draft}]
 *   backend: {type: script, python: title_card.py, class: TitleCard}   # or command: [program, arg…]; or {type: noop}, or comfyui.c
 *
 * Input types: string, integer, number, boolean, file, array (with items: a short form), object, any; all that a short
 * form may have is in schema/inputs.h. A name is either an input or a parameter, not both.
 *
 * The files of a script backend lie beside the template, or else in DATA/scripts/: the Python file, with every other
 * *.py beside it (it can import them); the program of a command, and each argument that is the name of a file there; and
 * what backend.files lists (fonts, data). They are plain files of at most 16 MiB, named by relative paths without "..",
 * reached over no symlink. They are part of the template's digest.
 *
 * A template may extend another: "extends: create_title_card@1". What it has itself is laid over what that one has as a JSON
 * Merge Patch (RFC 7396): objects member by member, anything else in place of it, null takes it away. id and version are
 * always its own. The files of the backend are looked for where the template that wrote it lies. The other one may extend
 * a third, up to REGISTRY_EXTENDS_MOST of them. When it changes, what extends it is read again.
 *
 * The normalised template ("definition") is JSON with the same members, every default filled in, plus "digest" (64
 * hex digits) and "files" ({"title_card.py": sha256 hex}); "nodes" has the classes of the nodes of its own workflow, if it has one; where
 * "input_schema" was given, "input_form": "schema" says so, and "inputs" has what the short form can say. The digest is over
 * content: the order of members does not count, but for that of inputs and outputs, which people see. The folder
 * blobs/templates/<digest>/ holds its files, so that later edits never reach a job that was accepted with it.
 */
#ifndef FNR_REGISTRY_REGISTRY_H
#define FNR_REGISTRY_REGISTRY_H

#include "base/json.h"
#include "schema/inputs.h"
#include "store/store.h"

/* ---- reading templates (template.c) ---- */

struct template_version { char id[68]; struct store_version version; uint8_t digest[32]; struct json_object *definition; };

/* Checks and normalises one parsed template. folder: where the files it names are looked for (may be NULL: it may name
 * none); scripts: the second place ("scripts", or NULL). Every problem is in err->errors with its JSON Pointer.
 * On success the caller puts out->definition; otherwise it is NULL. Writes nothing. */
int template_read(struct json_object *source, const char *folder, const char *scripts, struct template_version *out,
                  struct fnr_error *err);

/* A template file, JSON by its name or else YAML, of at most 1 MiB: a value to put, or NULL with *err set. */
struct json_object *template_parse_file(const char *path, struct fnr_error *err);
/* A template's or rule's text: a value to put, or NULL with *err (which may be NULL) set. name: what messages call it. A byte
 * order mark, which some editors write, is skipped. */
struct json_object *template_parse(const char *text, size_t len, bool yaml, const char *name, struct fnr_error *err);

/* Copies the files of a template into blobs/templates/<digest>/ (durably; existing is fine). FNR_E_CONFLICT if one has
 * changed since template_read: what lies there is always what the digest says. */
int template_store_files(const struct template_version *template_, const char *folder, const char *scripts, struct fnr_error *err);

/* "1", "1.2", "1.2.0" -> how many parts were given (0 = text not valid). */
int template_version_parse(const char *text, struct store_version *version);
void template_version_format(struct store_version version, char out[40]);
bool template_version_fits(struct store_version version, struct store_version wanted, int parts);   /* the first `parts` are the same */
int template_version_compare(struct store_version a, struct store_version b);                       /* < 0, 0, > 0 */

/* The name of the input that brings the workflow of a template of ComfyUI (comfyui.c), or NULL: it has its own. Borrowed. */
const char *template_comfyui_brought(struct json_object *backend);

struct template_;
/* The node classes (nodes.h) that a job with these resolved parameters needs, in order: an array to put; NULL if there are none, or they are
 * not known. *brought_r: they are those of a workflow that an input brings, else all jobs of the template have the same. */
struct json_object *template_nodes(const struct template_ *template_, struct json_object *parameters, bool *brought_r);
/* The workflow of such a job, where it is in no file: borrowed, or NULL. */
struct json_object *template_workflow(const struct template_ *template_, struct json_object *parameters);

/* ---- drafts (draft.c): a template's text, with those it extends, read; and reports about it (report.c) ---- */

#define REGISTRY_EXTENDS_MOST 8

struct template_text {
	const char *name;       /* what reports call it: "data/x/x.yaml", "the body" */
	const char *folder;     /* where it lies, for the files that it names; NULL: made by the API, which names scripts and shipped files only */
	bool yaml;
	const char *text;
	size_t len;
};

/* Finds the text that a reference ("id", "id@1") names, in *text_r owned by the caller: name, folder and text are for free().
 * FNR_E_NOT_FOUND with the nearest. */
typedef int template_parent(const char *reference, struct template_text *text_r, void *context, struct fnr_error *err);

struct template_places {
	const char *shipped, *scripts, *rules;   /* folders; may be NULL */
	template_parent *parent;
	void *context;
};

struct template_draft;
struct fnr_sha256;

/* Never NULL. Writes nothing. */
struct template_draft *template_draft_read(const struct template_text *text, const struct template_places *places);
void template_draft_free(struct template_draft *draft);
bool template_draft_sound(const struct template_draft *draft);
const struct template_version *template_draft_version(const struct template_draft *draft);   /* definition NULL unless it is sound */
const struct fnr_error *template_draft_error(const struct template_draft *draft);
/* What may be wrong although it is sound: a list, borrowed, or NULL. */
struct json_object *template_draft_warnings(const struct template_draft *draft);
/* The ids of those it extends, as far as they were found. */
size_t template_draft_parents(const struct template_draft *draft, const char *ids_r[REGISTRY_EXTENDS_MOST]);
/* One problem more that was found elsewhere: then it is not sound. */
void template_draft_refuse(struct template_draft *draft, const char *pointer, const char *rule, const char *fix, const char *message);
int template_draft_keep_files(const struct template_draft *draft, struct fnr_error *err);    /* as template_store_files */

/* Parents from the store: those in force. context: a struct template_stored. */
struct template_stored { struct store *store; struct store_txn *txn; const char *const *folders; size_t folder_count; };   /* txn NULL: begins its own */
template_parent template_parent_stored;
/* Parents among files: those named, else of the first of the folders that has one. context: a struct template_files. */
struct template_files { const char *const *files; size_t file_count; const char *const *folders; size_t folder_count; };
template_parent template_parent_files;
/* The folder of a file's source ("data/x/x.yaml" -> "templates/x"), to free; NULL if it is of no file. */
char *template_source_folder(const char *source, const char *const *folders, size_t folder_count);

/* share/template.schema.json, parsed; borrowed. NULL with *err set. */
struct json_object *template_schema(struct fnr_error *err);
/* The sound rules of a folder (DATA/rules): a list to put. */
#define REGISTRY_RULES "rules"
struct json_object *template_custom_rules(const char *folder);

/* Adds to the hash what a report depends on beside the text and what the store has: rules and scripts, as far as their times tell.
 * False: something changed just now, and the next change may not show. */
bool template_places_hash(const struct template_places *places, struct fnr_sha256 *sha);

/* {"valid","file","id","version","message","errors":[{"pointer","rule","message","fix","file","line","column","excerpt","excerpt_column"}],
 * "warnings":[…]}; to put. Problems stand where the text has what they are about, in whichever of the files. */
struct json_object *template_report(const struct template_draft *draft);
/* The same of a file or folder that cannot be read, with one error of the rule "readable". */
struct json_object *template_report_unreadable(const char *file, const char *message);
/* The same of a file of rules or presets, with the problems that were found in it. */
struct json_object *template_report_file(const char *file, const struct fnr_error *err);
/* Of one or several reports: for a terminal; a page. */
void template_report_text(struct json_object *report, struct fnr_buf *out);
void template_report_html(struct json_object *const *reports, size_t count, struct fnr_buf *out);

/* ---- finding (lookup.c) ---- */

struct template_;   /* a compiled definition, kept in a small per-process cache by digest; borrowed until the next lookup */

/* reference: "id", "id@1", "id@1.2", "id@1.2.0"; the newest version that matches and is not deprecated, or if all are, the
 * newest. FNR_E_NOT_FOUND names the nearest template, or the versions there are. */
int template_find_reference(struct store_txn *txn, const char *reference, uint8_t digest_r[32], struct fnr_error *err);
int template_find(struct store_txn *txn, const char *reference, const struct template_ **template_r, struct fnr_error *err);
int template_find_digest(struct store_txn *txn, const uint8_t digest[32], const struct template_ **template_r, struct fnr_error *err);

const char *template_id(const struct template_ *template_);
const char *template_version(const struct template_ *template_);          /* "1.0.0" */
const char *template_digest(const struct template_ *template_);           /* hex */
struct json_object *template_definition(const struct template_ *template_);   /* borrowed */
struct json_object *template_input_schema(const struct template_ *template_); /* borrowed; JSON Schema 2020-12 */
const char *template_queue(const struct template_ *template_);
int template_max_attempts(const struct template_ *template_, int fallback);
bool template_on_lost_fail(const struct template_ *template_);
/* What people read while the stage runs; never NULL. */
const char *template_stage_message(const struct template_ *template_, enum fnr_stage stage);
/* Share of the overall percent, 0..1; those of preparation, execution and finalization sum to 1, queue has 0. */
double template_stage_weight(const struct template_ *template_, enum fnr_stage stage);

/* ---- variants (variant.c) ---- */

/* The one that a job with this seed gets, by their weights; NULL if the template has none. Borrowed from its definition. */
const char *variant_pick(const struct template_ *template_, int64_t seed);
bool variant_there(const struct template_ *template_, const char *name);
/* Lays what it says over resolved parameters, but for what the inputs give. */
void variant_lay_over(const struct template_ *template_, const char *name, struct json_object *inputs, struct json_object *parameters);

/* ---- inputs (resolve.c); what becomes of them is in preset.h ---- */

/* Checks inputs (NULL = empty object) against the template; all errors at once in err->errors, pointers relative to
 * prefix ("" or "/inputs"). Unknown inputs are errors that name the nearest known one. When err holds more than
 * INPUTS_ERRORS (schema/inputs.h) problems nothing is added any more, but the code is still returned. */
int inputs_check(const struct template_ *template_, struct json_object *inputs, const char *prefix, struct fnr_error *err);

/* The ids of uploads that inputs of type file name ("upload:<id>"), each once; at most `limit` are stored; returns how
 * many there are (above the limit, one that was not stored may be counted again). */
size_t inputs_uploads(const struct template_ *template_, struct json_object *inputs, struct fnr_id *ids, size_t limit);

/* The same for takes. */
size_t inputs_takes(struct store_txn *txn, const struct template_ *template_, struct json_object *inputs, struct take_place *places, size_t limit);

/* May the caller see this project (NULL: what is of none)? As a pointer, NULL: everything. */
typedef bool inputs_may(const char *project, void *context);

/* Copies the inputs, with "takes:<project>/<shot>" in lists of files replaced by the first image, else the first video, of
 * every take of that shot, in order. inputs that have no files are given back as they are. To put; NULL if NULL. */
struct json_object *inputs_expand(struct store_txn *txn, const struct template_ *template_, struct json_object *inputs,
                                  const char *prefix, inputs_may *may, void *context, struct fnr_error *err);

/* Where an output of a job lies. project is empty for a job without one: then it is workspace/.jobs/<id>/<file>. */
struct job_output { char project[68], shot[68]; uint32_t take; char file[132], media_type[64]; uint64_t bytes; uint8_t sha256[32]; };
/* The output that "job:<id>/<output>" names. False, with the problem added at `pointer`, if it is not to be had. */
bool inputs_job_output(struct store_txn *txn, const struct file_reference *reference, const char *pointer, inputs_may *may,
                       void *context, struct job_output *output_r, struct fnr_error *err);
/* Is this type one that the input takes? Else the problem is added. */
bool inputs_check_media(struct json_object *input, const char *media_type, const char *pointer, struct fnr_error *err);

/* Does it name an output of a job that this one depends on, which will be there when this one is run? Its media type, ""
 * if that is not known; true with a problem added where that job will not make such an output. */
typedef bool inputs_later(const struct file_reference *reference, const char *pointer, char media_type_r[64], void *context, struct fnr_error *err);

/* The files behind inputs that inputs_check found sound: each upload, take and output must be there, and of a media type
 * that the input takes; an address is not looked at. A take or job that the caller may not see is as one that there is not.
 * later: NULL if it depends on no others. context is for both. */
int inputs_check_files(struct store_txn *txn, const struct template_ *template_, struct json_object *inputs, const char *prefix,
                       inputs_may *may, inputs_later *later, void *context, struct fnr_error *err);

/* ---- loading (loader.c), in a process of its own of fnr-api ---- */

/* Takes every template file (*.yaml, *.yml, *.json; of at most 1 MiB, at most 4 folders deep, hidden ones left out; symlinks are
 * followed) of the folders and the presets file, and hands what is new or changed, as encoded operations (store/ops.h), to
 * `post` (0 = accepted); at last, the first time, it counts STORE_META_TEMPLATES up. A .json file that is no object with an id or
 * a version is taken for data and passed over.
 *
 * The source of a version is the path of its file below its folder, with "shipped/" (the first folder) or "data/" in
 * front. Versions whose file is gone, or now holds another, are removed; those of the API are left alone, but for what
 * they extend or name. A broken file is logged and stored (store_broken) with all its problems: its last good version stays
 * in force, as does everything below a folder that cannot be read. Of two files with the same id and version the one in
 * force, else the first, has it; the other counts as broken, as does one that the API has: each names the other.
 *
 * A look after the first reads only what changed: files by their times, what they name, what they extend. With watches it is
 * to be looked again, when things have settled, after registry_watch_fd became readable (registry_watch_clear), and every
 * now and then in any case. */
#define REGISTRY_PRESETS "presets.yaml"   /* of the data directory: laid over those of the presets file, which need not all be there */
typedef int registry_post(const void *data, size_t len, void *context);
struct registry;
struct registry *registry_open(struct store *store, const char *const *folders, size_t folder_count, const char *presets, bool watch,
                               registry_post *post, void *context);   /* all borrowed */
void registry_close(struct registry *registry);                    /* NULL is allowed */
int registry_watch_fd(const struct registry *registry);             /* -1: nothing is watched */
bool registry_watch_clear(struct registry *registry);               /* was there anything? */
bool registry_watches_all(const struct registry *registry);         /* else it has to be looked more often */

/* Returns the number of broken files (the presets file is one), or a negative code if nothing could be done, or if a tier
 * would be without a preset. all: also what extends others that did not change, as far as files tell. */
int registry_look(struct registry *registry, bool all, struct fnr_error *err);

/* Is the operator's file of presets sound, laid over those that ship? *count_r: presets there are with it. FNR_OK, or a code with
 * all that is wrong in err->errors. */
int registry_check_presets(const char *shipped, const char *own, size_t *count_r, struct fnr_error *err);

/* One look, without watches. */
int registry_load(struct store *store, const char *const *folders, size_t folder_count, const char *presets,
                  registry_post *post, void *context, struct fnr_error *err);

#endif
