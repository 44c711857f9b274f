#include "api/content.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

void content_path(const struct fnr_id *upload, char path[64])
{
	char id[FNR_ID_TEXT];

	snprintf(path, 64, "uploads/%s", fnr_id_format(upload, id));
}

int content_link(const char *from, const char *to)
{
	utimensat(AT_FDCWD, from, NULL, AT_SYMLINK_NOFOLLOW);
	return link(from, to);
}

bool content_join(struct store_txn *txn, const uint8_t sha256[32], uint64_t bytes, const char *path)
{
	struct fnr_id other, on_the_way = fnr_id_random();
	char from[64], way[64];
	bool joined;

	if (store_content_find(txn, sha256, bytes, &other) != FNR_OK)
		return false;
	content_path(&other, from);
	content_path(&on_the_way, way);     /* an id that no record has: swept if we are killed */
	if (content_link(from, way) < 0)
		return false;
	joined = rename(way, path) == 0;
	unlink(way);                        /* still there if both were the same file already */
	return joined && fnr_dir_flush("uploads", NULL) == FNR_OK;
}
