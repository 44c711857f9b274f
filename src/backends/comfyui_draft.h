/* A template for a ComfyUI workflow in API format, from what its nodes are. */
#ifndef FNR_BACKENDS_COMFYUI_DRAFT_H
#define FNR_BACKENDS_COMFYUI_DRAFT_H

#include "base/json.h"

/* A definition that template_read takes, to put; the workflow (a sound one) lies in it. name: of the file, without its ending.
 * notes: an array that gets a text for each thing that was left open. */
struct json_object *comfyui_draft(struct json_object *workflow, const char *name, struct json_object *notes);

#endif
