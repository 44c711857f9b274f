#include "events/viewer.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Who it is, whatever showed it: a key of the same right, sent or by ticket, is the same viewer. */
static bool same(const struct access *a, const struct access *b)
{
	return a->session == b->session && memcmp(a->key_hash, b->key_hash, sizeof a->key_hash) == 0
	       && memcmp(a->session_hash, b->session_hash, sizeof a->session_hash) == 0;
}

struct viewer *viewer_find(struct viewer_list *viewers, const struct access_headers *headers, const struct access *access)
{
	const char *host = headers->host ? headers->host : "";
	struct viewer *viewer;

	TAILQ_FOREACH(viewer, viewers, entry)
		if (same(&viewer->access, access) && strcmp(viewer->host, host) == 0)
			break;
	if (!viewer) {
		viewer = fnr_alloc(sizeof *viewer);
		TAILQ_INIT(&viewer->streams);
		viewer->host = fnr_strdup(host);
		TAILQ_INSERT_HEAD(viewers, viewer, entry);
	}
	viewer->access = *access;
	return viewer;
}

bool viewer_check(struct viewer *viewer, struct store_txn *txn, const struct fnr_conf *conf)
{
	struct access_headers headers = { .method = "GET", .host = viewer->host };
	struct access access;

	if (access_renew(txn, conf, &headers, FNR_SCOPE_READ, &viewer->access, &access, NULL) != FNR_OK)
		return false;
	viewer->access = access;
	return true;
}

void viewer_free(struct viewer_list *viewers, struct viewer *viewer)
{
	TAILQ_REMOVE(viewers, viewer, entry);
	free(viewer->host);
	free(viewer);
}
