/* Contents of uploads are stored once: an upload whose bytes are there already is a link to the same file. */
#ifndef FNR_API_CONTENT_H
#define FNR_API_CONTENT_H

#include "store/store.h"

/* Makes `path` (in uploads/, there or not yet) another name of the file of an upload that holds these bytes, durably.
 * False if there is none, or it cannot be linked to: nothing has changed then. */
bool content_join(struct store_txn *txn, const uint8_t sha256[32], uint64_t bytes, const char *path);

/* Makes `to` in uploads/ another name of the file `from`, which becomes new: what is old and in no record is swept. 0, or -1
 * with errno. */
int content_link(const char *from, const char *to);

void content_path(const struct fnr_id *upload, char path[64]);   /* uploads/<id> */

#endif
