/* What has to be in the store before work can be taken: the first API key, templates, presets. A process of its own, run
 * at the start and on SIGHUP; it posts like a handler and ends. */
#ifndef FNR_API_LOADER_H
#define FNR_API_LOADER_H

#include "api/slots.h"

#define LOADER_KEY_FILE "admin.key"

/* Returns its exit status: 0 also when single files are broken (they are logged, and the last good versions stay). */
int loader_run(struct slots *slots, size_t slot);

/* The first key: made with its file on the first start, put into the store whenever it lacks the file's key. */
int loader_admin_key(struct store *store, struct slots *slots, size_t slot, struct fnr_error *err);

#endif
