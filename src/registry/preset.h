/* Quality presets: what they hold, how they are found, and what they make of a template. A quality that a job asks for is a
 * preset; the four that ship are the tiers draft, standard, high and ultra, and every other has one of them at its base.
 *
 * A preset, in presets files and by API:
 *
 *   id: studio_review                # name rule of base/text.h
 *   name: Studio review
 *   description: …
 *   base: high                       # in a file one of the tiers; by API any preset
 *   level: 3                         # order from fastest to finest, 1 to 100
 *   parameters:                      # laid over what the base says; null: what it says counts no more
 *     image: {width: 1600, height: 900}      # for generic (all), a category, or a template
 *   factors: {time: 2.5, resources: 1.5, cost: 2.5}             # in relation to standard
 *   scaling: {cpu: 1, memory: 1.5, vram: 1.3, resolution: null} # of the resources a template asks for; of its width and height
 *   pipeline: {vram_mb: 12288, optimizations: [tiling], concurrency: 2, timeout_s: 3600}   # each may be null; concurrency
 *                                    # counts for tiers: so many jobs of one, and of what is derived from it, run at a time
 *   use_cases: [presentation]        # preview, iteration, review, presentation, delivery, social, print
 *
 * The stored record has all of them filled in, and tier, builtin, owner (id of an API key; null), shared, version, created_at,
 * updated_at. One that was derived also has `inherited`: {"from": "high@1", "tier": "high@1", "tier_parameters": {…},
 * "parameters": {…}}, what its tier and the presets between them said when it was stored. So a version says the same for ever,
 * whatever becomes of its base.
 */
#ifndef FNR_REGISTRY_PRESET_H
#define FNR_REGISTRY_PRESET_H

#include "registry/registry.h"

enum preset_layer { PRESET_OF_TIER, PRESET_INHERITED, PRESET_OWN, PRESET_LAYERS };

struct preset {
	char id[68], owner[68];              /* owner "" = none */
	uint32_t version;
	enum fnr_quality tier;
	bool builtin, shared;
	struct json_object *record;
	struct json_object *layers[PRESET_LAYERS];    /* parameters; NULL where there are none */
};

#define PRESET_LABEL 80
void preset_label(const struct preset *preset, char out[PRESET_LABEL]);      /* "draft@1" */

/* Who asks: a preset that is neither built in nor shared is seen by its owner, and by those who see all. */
struct preset_viewer { const char *key; bool all; };
bool preset_visible(const struct preset *preset, const struct preset_viewer *viewer);

/* reference: an id, an old name of a tier, or "id@version". Borrowed until the next call. FNR_E_NOT_FOUND lists the tiers and
 * names the nearest. viewer NULL: sees all. */
int preset_find(struct store_txn *txn, const char *reference, const struct preset_viewer *viewer, const struct preset **preset_r,
                struct fnr_error *err);
int preset_of_tier(struct store_txn *txn, enum fnr_quality tier, const struct preset **preset_r, struct fnr_error *err);
/* Of a record (not held); false if it is none. */
bool preset_read(struct json_object *record, struct preset *preset_r);

/* ---- making (presets.c) ---- */

/* Checks a preset as people write it; pointers are below `pointer`. id, name and base are required in a file, name and base by
 * API, nothing of changes. */
enum preset_source { PRESET_IN_FILE, PRESET_BY_API, PRESET_CHANGES };
void preset_check(struct json_object *source, const char *pointer, enum preset_source from, struct fnr_error *err);

/* The record of `source`, sound, derived from base (NULL: built in); without owner, version and times. To put. */
struct json_object *preset_make(const char *id, struct json_object *source, const struct preset *base);
/* `over` laid over `under`, both as in a presets file. To put. */
struct json_object *preset_laid_over(struct json_object *under, struct json_object *over);

/* As a presets file has it, whole on its own: derived from its tier, with all that lies between. To put. */
struct json_object *preset_portable(const struct preset *preset);

/* ---- use (parameters.c) ---- */

/* Merges, each over the one before:
 *
 *   default   the template's parameters, and the defaults of its inputs
 *   preset    what the tier says: its parts "generic", the template's category, the template's id
 *   template  the template's own part of `presets` for the tier
 *   preset    the same parts of the presets between the tier and this one, then of this one
 *   input     the inputs given (null counts as not given)
 *
 * A preset is made without knowing the template, so it brings nothing in: of its parts only such parameters count as the
 * template has in `inputs` or `parameters`. To an input it gives what the input allows (a number beyond min or max becomes
 * that bound, anything else that does not fit is left out); to a parameter only a value of the same JSON type as its default.
 *
 * Width and height that a tier gives are a size, not a shape: where the template has defaults for both, these keep their
 * relation and get the tier's number of pixels. scaling.resolution of the preset multiplies the template's own instead. Either
 * way, and whenever a preset names them, they become multiples of resolution.multiple_of of the template.
 *
 * The same arguments give the same result, always. origins (may be NULL) gets for each parameter where it is from: one of the
 * words above. An object to put. */
struct json_object *parameters_resolve(const struct template_ *template_, const struct preset *preset, struct json_object *inputs,
                                       struct json_object *origins);

/* What a job asks for at this quality: {"cpu","memory_mb","gpu","vram_mb","disk_mb"}, the template's resources by the preset's
 * scaling; memory and VRAM in whole MB, upwards. To put. preset NULL: as the template has it. */
struct json_object *preset_resources(struct json_object *definition, const struct preset *preset);

/* What the preset says about running: pipeline of the record; of its optimizations those that the template knows. To put. */
struct json_object *preset_pipeline(struct json_object *definition, const struct preset *preset);

/* {"compatible": …, "reasons": [{"code","message","parameter","blocking"}]}; see parameters.c for the codes. To put. */
struct json_object *preset_compatibility(const struct template_ *template_, const struct preset *preset);

/* The models that a job with this preset and these resolved parameters loads, as texts "category/name", each once: an array to
 * put. NULL if there are none. */
struct json_object *template_models(const struct template_ *template_, const struct preset *preset, struct json_object *parameters);

/* Digest of all that the scheduler looks at: template id and version, preset, fallback, models (or NULL), and node classes, where they are not
 * those of the template (or NULL). */
uint64_t scheduling_class(const struct template_ *template_, const struct preset *preset, struct json_object *fallback, struct json_object *models,
                          struct json_object *nodes);

#endif
