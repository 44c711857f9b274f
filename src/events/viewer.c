#include "events/viewer.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	return (hash ^ 0x100) * 0x100000001b3u;
}

static bool equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

struct viewer *viewer_find(struct viewer_list *viewers, const struct access_headers *headers, const struct access *access)
{
	uint64_t hash = hash_text(hash_text(0xcbf29ce484222325u, headers->authorization), headers->host);
	struct viewer *viewer;

	TAILQ_FOREACH(viewer, viewers, entry)
		if (viewer->hash == hash && equal(viewer->authorization, headers->authorization) && equal(viewer->host, headers->host))
			break;
	if (!viewer) {
		viewer = fnr_alloc(sizeof *viewer);
		TAILQ_INIT(&viewer->streams);
		viewer->hash = hash;
		viewer->authorization = headers->authorization ? fnr_strdup(headers->authorization) : NULL;
		viewer->host = headers->host ? fnr_strdup(headers->host) : NULL;
		TAILQ_INSERT_HEAD(viewers, viewer, entry);
	}
	viewer->access = *access;
	return viewer;
}

bool viewer_check(struct viewer *viewer, struct store_txn *txn, const struct fnr_conf *conf)
{
	struct access_headers headers = { .method = "GET", .host = viewer->host, .authorization = viewer->authorization };
	struct access access;

	if (access_check(txn, conf, &headers, FNR_SCOPE_READ, &access, NULL) != FNR_OK)
		return false;
	viewer->access = access;
	return true;
}

void viewer_free(struct viewer_list *viewers, struct viewer *viewer)
{
	TAILQ_REMOVE(viewers, viewer, entry);
	if (viewer->authorization)
		explicit_bzero(viewer->authorization, strlen(viewer->authorization));
	free(viewer->authorization);
	free(viewer->host);
	free(viewer);
}
