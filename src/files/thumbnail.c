#include "files/thumbnail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/path.h"

#define BYTES_MOST (4u << 20)

bool thumbnail_possible(const char *media_type)
{
	return strncmp(media_type, "image/", 6) == 0 || strncmp(media_type, "video/", 6) == 0 || strncmp(media_type, "audio/", 6) == 0;
}

void thumbnail_path(char out[THUMBNAIL_PATH], const char *sha256)
{
	snprintf(out, THUMBNAIL_PATH, "thumbnails/%.2s/%.64s.webp", sha256, sha256);
}

static int make_folder(const char *path, struct fnr_error *err)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return FNR_OK;
	return fnr_fail_errno(err, errno, "cannot make the folder %s", path);
}

int thumbnail_put(int from_dir, const char *from, const char *sha256, struct fnr_error *err)
{
	char folder[THUMBNAIL_PATH], path[THUMBNAIL_PATH], part[THUMBNAIL_PATH + 8];
	uint64_t bytes;
	uint8_t hash[32];
	int code;

	snprintf(folder, sizeof folder, "thumbnails/%.2s", sha256);
	thumbnail_path(path, sha256);
	snprintf(part, sizeof part, "%s.part", path);
	code = make_folder("thumbnails", err);
	if (code == FNR_OK)
		code = make_folder(folder, err);
	if (code != FNR_OK)
		return code;
	unlink(part);     /* of a worker that was killed */
	code = path_copy_in(from_dir, from, AT_FDCWD, part, BYTES_MOST, &bytes, hash, err);
	if (code == FNR_OK && rename(part, path) != 0) {
		code = fnr_fail_errno(err, errno, "cannot rename %s", part);
		unlink(part);
	}
	return code;
}
