#include "api/upload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/content.h"
#include "api/multipart.h"
#include "api/route.h"
#include "api/serving.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"
#include "files/media.h"

#define FOLDER "uploads"
#define INCOMING "uploads/incoming"
#define CHUNK (1u << 20)
#define STALE_S 3600

/* One upload on its way. `path` exists once the bytes are there. */
struct filing {
	struct request *req;
	struct store_upload upload;
	char path[64];                 /* uploads/<id> */
	char body_file[64];            /* nginx's */
	int body;                      /* it, open for reading */
	int out;                       /* uploads/<id>, while it is written */
	struct fnr_sha256 *sha;
};

/* ---- bytes ---- */

static int put(const void *data, size_t len, void *context, struct fnr_error *err)
{
	struct filing *filing = context;

	filing->upload.bytes += len;
	fnr_sha256_add(filing->sha, data, len);
	if (filing->out >= 0 && !fnr_write_all(filing->out, data, len))
		return fnr_fail_errno(err, errno, "the upload cannot be written");
	return FNR_OK;
}

static int pass_whole(struct filing *filing)
{
	char *chunk = fnr_alloc(CHUNK);
	int code = FNR_OK;
	ssize_t n;

	while (code == FNR_OK && (n = read(filing->body, chunk, CHUNK)) != 0) {
		if (n > 0)
			code = put(chunk, (size_t)n, filing, &filing->req->err);
		else if (errno != EINTR)
			code = fnr_fail_errno(&filing->req->err, errno, "the uploaded body cannot be read");
	}
	free(chunk);
	return code;
}

static int open_out(struct filing *filing)
{
	filing->out = open(filing->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (filing->out < 0)
		return fnr_fail_errno(&filing->req->err, errno, "the upload cannot be filed");
	return FNR_OK;
}

static int flush(struct filing *filing, int fd)
{
	if (fsync(fd) < 0)
		return fnr_fail_errno(&filing->req->err, errno, "the upload cannot be flushed to the disk");
	return fnr_dir_flush(FOLDER, &filing->req->err);
}

/* The body is the file: nginx's own becomes ours. It must not stay where it was beside (a second name), as files with
 * two names are refused as inputs; nginx does not mind that its temporary file is gone. */
static int take_whole(struct filing *filing)
{
	int code = pass_whole(filing);

	if (code != FNR_OK)
		return code;
	if (renameat2(AT_FDCWD, filing->body_file, AT_FDCWD, filing->path, RENAME_NOREPLACE) == 0)
		return flush(filing, filing->body);
	code = open_out(filing);                /* another file system: it is copied */
	if (code == FNR_OK && lseek(filing->body, 0, SEEK_SET) != 0)
		code = fnr_fail_errno(&filing->req->err, errno, "the uploaded body cannot be read");
	fnr_sha256_end(filing->sha, filing->upload.sha256);
	filing->sha = fnr_sha256_create();
	filing->upload.bytes = 0;
	if (code == FNR_OK)
		code = pass_whole(filing);
	return code == FNR_OK ? flush(filing, filing->out) : code;
}

static int take_part(struct filing *filing, const char *content_type, struct multipart_part *part)
{
	int code = open_out(filing);

	if (code == FNR_OK)
		code = multipart_first_file(filing->body, content_type, part, put, filing, &filing->req->err);
	return code == FNR_OK ? flush(filing, filing->out) : code;
}

/* ---- what it is called, what it is ---- */

/* X-Filename may be percent-encoded, as headers are not for other letters; Content-Disposition's filename is the other way. */
static void header_name(struct request *req, char name[256])
{
	const char *given = request_header(req, "X-Filename"), *disposition = request_header(req, "Content-Disposition"), *decoded;
	char encoded[512];

	name[0] = 0;
	if (given) {
		decoded = route_decode(req->arena, given, strlen(given), false);
		fnr_text_copy(name, 256, decoded ? decoded : given);
	} else if (disposition && multipart_parameter(disposition, "filename*", encoded, sizeof encoded)
	           && strncasecmp(encoded, "utf-8''", 7) == 0) {
		decoded = route_decode(req->arena, encoded + 7, strlen(encoded + 7), false);
		fnr_text_copy(name, 256, decoded ? decoded : "");
	} else if (disposition) {
		multipart_parameter(disposition, "filename", name, 256);
	}
}

static void describe(struct filing *filing, const char *name, const char *declared)
{
	char head[MEDIA_HEAD];
	int fd = open(filing->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd >= 0 ? pread(fd, head, sizeof head, 0) : 0;

	media_clean_name(name, filing->upload.name);
	media_type_of(head, n > 0 ? (size_t)n : 0, declared, filing->upload.name, filing->upload.media_type);
	fnr_fd_close(&fd);
}

static int take(struct filing *filing)
{
	struct request *req = filing->req;
	const char *type = request_header(req, "Content-Type");
	struct multipart_part part;
	char name[256];
	int code;

	if (multipart_is(type)) {
		code = take_part(filing, type, &part);
		snprintf(name, sizeof name, "%s", code == FNR_OK ? part.name : "");
		type = part.media_type;
	} else {
		code = take_whole(filing);
		header_name(req, name);
	}
	fnr_sha256_end(filing->sha, filing->upload.sha256);
	filing->sha = NULL;
	if (code == FNR_OK && filing->upload.bytes == 0)
		code = fnr_fail(&req->err, FNR_E_INVALID, "the file is empty");
	if (code == FNR_OK)
		describe(filing, name, type);
	return code;
}

/* ---- the request ---- */

static int open_body(struct filing *filing)
{
	struct request *req = filing->req;
	const char *file, *name;
	struct stat st;

	file = request_param(req, "FNR_BODY_FILE");
	if (!file || !*file)
		return fnr_fail(&req->err, FNR_E_MALFORMED, "the body is empty; send the file as the body, or as multipart/form-data");
	/* Only what nginx has put there, whoever speaks to us: the file is moved away. */
	name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	if (!*name || strlen(name) > 20 || name[strspn(name, "0123456789")])
		return fnr_fail(&req->err, FNR_E_IO, "the uploaded body is not in " INCOMING);
	snprintf(filing->body_file, sizeof filing->body_file, INCOMING "/%s", name);
	filing->body = open(filing->body_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (filing->body < 0 || fstat(filing->body, &st) < 0)
		return fnr_fail_errno(&req->err, errno, "the uploaded body cannot be opened");
	if (!S_ISREG(st.st_mode))
		return fnr_fail(&req->err, FNR_E_IO, "the uploaded body is not a file");
	if (st.st_size > req->conf->upload_max)
		return fnr_fail(&req->err, FNR_E_TOO_LARGE, "the upload has %lld bytes; the limit is %" PRId64, (long long)st.st_size,
		                req->conf->upload_max);
	return FNR_OK;
}

static int record(struct filing *filing)
{
	struct fnr_buf operation = FNR_BUF_INIT;
	struct op_reply reply;
	int code;

	filing->upload.created_at = fnr_now_ms();
	filing->upload.key = filing->req->access.key_number;
	op_upload(&operation, &filing->upload, false);
	code = request_post(filing->req, &operation, &reply);
	if (code == FNR_E_EXISTS) {
		/* Should the other one be gone by now, this is a file of its own after all. */
		content_join(filing->req->txn, filing->upload.sha256, filing->upload.bytes, filing->path);
		fnr_error_clear(&filing->req->err);
		fnr_buf_reset(&operation);
		op_upload(&operation, &filing->upload, true);
		code = request_post(filing->req, &operation, &reply);
	}
	fnr_buf_free(&operation);
	return code;
}

static int answer(struct filing *filing)
{
	struct json_object *object = json_object_new_object();
	char id[FNR_ID_TEXT], sha256[FNR_SHA256_TEXT];

	fnr_id_format(&filing->upload.id, id);
	fnr_json_set_text(object, "id", id);
	fnr_json_set_int(object, "bytes", (int64_t)filing->upload.bytes);
	fnr_json_set_text(object, "sha256", fnr_hex(filing->upload.sha256, sizeof filing->upload.sha256, sha256));
	fnr_json_set_text(object, "media_type", filing->upload.media_type);
	fnr_json_set_text(object, "name", filing->upload.name);
	reply_header(filing->req, "Location", fnr_arena_printf(filing->req->arena, "/api/v1/uploads/%s", id));
	return reply_json(filing->req, 201, object);
}

static int upload_take(struct request *req)
{
	struct filing filing = { .req = req, .body = -1, .out = -1, .upload.id = fnr_id_random() };
	char id[FNR_ID_TEXT];
	int code;

	/* Hashing and flushing take their time; a read transaction must not last so long. */
	request_end_reading(serving_of(req));
	snprintf(filing.path, sizeof filing.path, FOLDER "/%s", fnr_id_format(&filing.upload.id, id));
	filing.sha = fnr_sha256_create();
	code = open_body(&filing);
	if (code == FNR_OK)
		code = take(&filing);
	if (filing.sha)
		fnr_sha256_end(filing.sha, filing.upload.sha256);
	fnr_fd_close(&filing.body);
	fnr_fd_close(&filing.out);
	if (code == FNR_OK)
		code = record(&filing);
	/* When the committer did not answer in time it may still come to record it: then the file is needed. */
	if (code != FNR_OK && code != FNR_E_TIMEOUT)
		unlink(filing.path);
	return code == FNR_OK ? answer(&filing) : code;
}

const struct route upload_routes[] = {
	{ "POST", "/api/v1/uploads", FNR_SCOPE_SUBMIT, ROUTE_UNCOUNTED, upload_take }     /* it was counted when it was checked */,
	{ 0 },
};

/* ---- after a crash ---- */

static bool is_stale(int folder, const char *name, struct store_txn *txn)
{
	struct store_upload upload;
	struct fnr_id id;
	struct stat st;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) || st.st_mtime > time(NULL) - STALE_S)
		return false;
	return !txn || (fnr_id_parse(name, &id) && store_upload_get(txn, &id, &upload) == FNR_E_NOT_FOUND);
}

/* txn NULL: whatever is old enough. */
static size_t sweep(const char *path, struct store_txn *txn)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	size_t count = 0;

	while (folder && (entry = readdir(folder)))
		if (is_stale(dirfd(folder), entry->d_name, txn))
			count += unlinkat(dirfd(folder), entry->d_name, 0) == 0;
	if (folder)
		closedir(folder);
	return count;
}

size_t upload_sweep(struct store_txn *txn)
{
	return sweep(FOLDER, txn) + sweep(INCOMING, NULL);
}
