/* What is made of the installation's secret: the name of its cookie, and tickets.
 *
 * A ticket lets GET and HEAD of one path through without key or cookie, for <img>, <video>, EventSource and downloads. It
 * is EXPIRY.KEY_ID.MAC, the MAC being over expiry, the key's hash and the path: nothing is stored for it, and it goes
 * with the key. */
#ifndef FNR_HTTP_TICKET_H
#define FNR_HTTP_TICKET_H

#include "store/store.h"

#define TICKET_SIZE 192
#define TICKET_KEEP_MS (10 * 60 * 1000)

/* path: without query, decoded. key and id are of an API key. False before the secret was made. */
bool ticket_make(struct store_txn *txn, const char *id, const uint8_t key[32], const char *path, int64_t expires_at, char out[TICKET_SIZE]);

/* FNR_OK with the hash of its key, or FNR_E_UNAUTHORIZED. */
int ticket_check(struct store_txn *txn, const char *ticket, const char *path, int64_t now, uint8_t key_r[32], struct fnr_error *err);

/* "fnr_session_1a2b3c4d": cookies are shared by all ports and sub-paths of a host, so each installation has its own.
 * False before the secret was made. */
#define COOKIE_NAME_SIZE 32
bool ticket_cookie_name(struct store_txn *txn, char out[COOKIE_NAME_SIZE]);

#endif
