/* Reading the manifest of a backup: nothing in it is trusted. */
#include "cli/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

#define LINE_MOST (64u << 10)

static bool path_is_plain(const char *path)
{
	if (!*path || strlen(path) > 3000)
		return false;
	for (const char *at = path; *at;) {
		size_t len = strcspn(at, "/");

		if (len == 0 || (len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.'))
			return false;
		at += len;
		if (*at == '/' && !*++at)
			return false;
	}
	return true;
}

static int wrong(struct fnr_error *err, size_t line, const char *what)
{
	return fnr_fail(err, FNR_E_CORRUPT, "the manifest of the backup is damaged: line %zu %s", line, what);
}

static int read_file(struct json_object *line, size_t number, struct snapshot_file *file, struct fnr_error *err)
{
	int64_t bytes = fnr_json_get_int(line, "bytes", -1), mode = fnr_json_get_int(line, "mode", -1);

	file->path = fnr_json_get_text(line, "path", "");
	if (!path_is_plain(file->path) || bytes < 0 || mode < 0 || mode > 0777 ||
	    !fnr_unhex(fnr_json_get_text(line, "sha256", ""), file->sha256, sizeof file->sha256))
		return wrong(err, number, "names no file as it should");
	file->bytes = (uint64_t)bytes;
	file->mode = (mode_t)mode;
	return FNR_OK;
}

static int check_head(struct json_object *head, struct fnr_error *err)
{
	int64_t format = fnr_json_get_int(head, "format", 0);

	if (format == 0)
		return wrong(err, 1, "does not say what it is");
	if (format > SNAPSHOT_FORMAT)
		return fnr_fail(err, FNR_E_INVALID, "the backup was made by a newer program (format %lld); restore it with that one", (long long)format);
	return FNR_OK;
}

struct reading {
	snapshot_row *row;
	void *context;
	struct json_object *head;
	struct snapshot_sum sum;
	struct fnr_sha256 *sha;
	bool ended;
};

static int check_end(struct reading *reading, struct json_object *line, size_t number, struct fnr_error *err)
{
	uint8_t ours[FNR_SHA256_SIZE], theirs[FNR_SHA256_SIZE];

	fnr_sha256_end(reading->sha, ours);
	reading->sha = NULL;
	reading->ended = true;
	if (!fnr_unhex(fnr_json_get_text(line, "sha256", ""), theirs, sizeof theirs) || memcmp(ours, theirs, sizeof ours) != 0 ||
	    fnr_json_get_int(line, "files", -1) != (int64_t)reading->sum.files)
		return wrong(err, number, "does not fit those above it");
	return FNR_OK;
}

static int take_line(struct reading *reading, const char *text, size_t len, size_t number, struct fnr_error *err)
{
	struct json_object *line = fnr_json_parse_own(text, len, NULL);
	struct snapshot_file file;
	int code;

	if (!json_object_is_type(line, json_type_object) || reading->ended) {
		json_object_put(line);
		return wrong(err, number, reading->ended ? "comes behind the end" : "cannot be read");
	}
	if (number == 1) {
		reading->head = line;
		code = check_head(line, err);
	} else if (fnr_json_get_bool(line, "end", false)) {
		code = check_end(reading, line, number, err);
	} else {
		code = read_file(line, number, &file, err);
		reading->sum.files++;
		reading->sum.bytes += code == FNR_OK ? file.bytes : 0;
		if (code == FNR_OK && reading->row)
			code = reading->row(&file, reading->context, err);
	}
	if (reading->sha) {
		fnr_sha256_add(reading->sha, text, len);
		fnr_sha256_add(reading->sha, "\n", 1);
	}
	if (number != 1)
		json_object_put(line);
	return code;
}

int snapshot_manifest_read(int dir, snapshot_row *row, void *context, struct json_object **head_r, struct snapshot_sum *sum_r,
                           struct fnr_error *err)
{
	struct reading reading = { .row = row, .context = context };
	int fd = openat(dir, SNAPSHOT_MANIFEST, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), code = FNR_OK;
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
	char *line = fnr_alloc(LINE_MOST);
	size_t number = 0;

	*head_r = NULL;
	if (!file) {
		free(line);
		fnr_fd_close(&fd);
		return fnr_fail(err, FNR_E_NOT_FOUND, "it has no readable manifest; is it a backup made by 'fnr backup'?");
	}
	reading.sha = fnr_sha256_create();
	while (code == FNR_OK && fgets(line, LINE_MOST, file)) {
		size_t len = strlen(line);

		number++;
		code = len && line[len - 1] == '\n' ? take_line(&reading, line, len - 1, number, err) : wrong(err, number, "is cut off");
	}
	if (code == FNR_OK && !reading.ended)
		code = wrong(err, number + 1, "is missing: it was cut off");
	if (reading.sha) {
		uint8_t unused[FNR_SHA256_SIZE];

		fnr_sha256_end(reading.sha, unused);
	}
	fclose(file);
	free(line);
	*head_r = reading.head;
	*sum_r = reading.sum;
	return code;
}
