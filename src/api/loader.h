/* What has to be in the store before work can be taken: the first API key, templates, presets. A process of its own that posts
 * like a handler. When all is loaded it says so; then it watches the folders of templates and loads what changes, at once when
 * it is rung (FNR_BELL_LOADER) or gets SIGHUP, until SIGTERM. */
#ifndef FNR_API_LOADER_H
#define FNR_API_LOADER_H

#include "api/slots.h"

#define LOADER_KEY_FILE "admin.key"

/* Returns its exit status: 0 after SIGTERM. loaded: an eventfd that gets a 1 when everything was loaded, even if single files are
 * broken (they are logged, and the last good versions stay). */
int loader_run(struct slots *slots, size_t slot, int loaded);

/* The first key: made with its file on the first start, put into the store whenever it lacks the file's key. */
int loader_admin_key(struct store *store, struct slots *slots, size_t slot, struct fnr_error *err);

#endif
