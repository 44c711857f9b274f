/* Filing uploads: what the processes behind run/upload.sock do. nginx has written the body to a file and says where
 * (FNR_BODY_FILE); it is checked, hashed, flushed, moved to uploads/<id> and recorded before the answer goes out.
 * These processes are handlers like any other (serve.h), with a table of one route. */
#ifndef FNR_API_UPLOAD_H
#define FNR_API_UPLOAD_H

#include "api/request.h"

extern const struct route upload_routes[];

/* Removes what crashes left in uploads/ an hour ago or earlier: files that no record names, bodies that nginx did not
 * come to remove. Returns how many. */
size_t upload_sweep(struct store_txn *txn);

#endif
