/* What the handlers of presets share. */
#ifndef FNR_HANDLERS_PRESETS_H
#define FNR_HANDLERS_PRESETS_H

#include "api/request.h"
#include "registry/preset.h"

/* The preset of args[0], if the caller may see it; borrowed until the next one is looked for. */
int presets_find(struct request *req, const struct preset **preset_r);

/* Those that ship, from fastest to finest; a list to put. */
struct json_object *presets_built_in(struct request *req);

/* The preset that `base` of a source names; NULL with the problem at `pointer`. id: the preset that is derived, or NULL. */
const struct preset *presets_base(struct request *req, struct json_object *source, const char *id, const char *pointer);

/* The names of parameters that are not the same in all the items; a list to put. */
struct json_object *presets_differences(struct json_object *items);

#endif
