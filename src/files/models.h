/* The model library: workspace/Library/Models/<category>/<model>/model.json, one manifest a model.
 *
 *   {"name":"sd15.safetensors","file":"sd15.safetensors","description":"…","bytes":n,"sha256":"…","vram_mb":4000, …}
 *
 * All members are optional: the name is that of the folder where none is given, and other members are kept as they are. A
 * model whose manifest names a file that is not beside it is not there.
 */
#ifndef FNR_FILES_MODELS_H
#define FNR_FILES_MODELS_H

#include <stdbool.h>

#include "base/json.h"

#define MODELS_LIBRARY "workspace/Library/Models"
#define MODELS_MOST 10000

/* Each model that is there, until row returns false; manifest has "name", and is borrowed. The working directory is that of
 * the data. What is no manifest is passed over. */
typedef bool models_row(const char *category, struct json_object *manifest, void *context);
void models_walk(models_row *row, void *context);

bool models_has(const char *model);       /* "category/name" */

#endif
