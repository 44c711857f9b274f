/* The master of fnr-api: opens the sockets, makes the shared memory, forks committer, handlers, the upload pool and the
 * loader, and replaces those that end. It parses no request and opens no store.
 *
 *   SIGTERM, SIGINT   stop: handlers finish what they serve, the committer comes last; a second one hurries
 *   SIGHUP            the configuration is read again (a bad one is reported and changes nothing), the loader runs
 *
 * Loss of the master ends its children. Called in the data directory; returns the exit status.
 */
#ifndef FNR_API_MASTER_H
#define FNR_API_MASTER_H

#include "base/conf.h"

struct route;

int master_run(const struct fnr_conf *conf, const struct route *table);

#endif
