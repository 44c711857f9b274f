/* fnr backup: a copy of a data directory that is whole, taken while the system runs.
 *
 * The store is copied in one read transaction; everything else that it names is copied after it. A file that has gone in
 * between belonged to a job that was deleted since, so the store is copied anew. All of it is made beside its place,
 * checked as 'fnr check' does, listed in a manifest, flushed and renamed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/archive.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "cli/snapshot.h"
#include "config.h"
#include "store/store.h"

#define TRIES 5

static struct { bool workspace; } options;

struct backup {
	char data[PATH_MAX], target[PATH_MAX];     /* absolute */
	char work[PATH_MAX];                       /* beside the target: what is being made */
	int from, to;                              /* folders: data, work */
	struct snapshot_sum sum;
	uint64_t jobs;
};

/* ---- what the store names ---- */

struct named { char *path; bool hashed; uint8_t sha256[FNR_SHA256_SIZE]; };
struct names { struct named *items; size_t count, size; struct store_txn *txn; };

static void name(struct names *names, char *path, const uint8_t *sha256)
{
	if (names->count == names->size) {
		names->size = names->size * 2 + 64;
		names->items = fnr_realloc(names->items, names->size * sizeof *names->items);
	}
	names->items[names->count] = (struct named){ .path = path, .hashed = sha256 != NULL };
	if (sha256)
		memcpy(names->items[names->count].sha256, sha256, FNR_SHA256_SIZE);
	names->count++;
}

static void forget(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i].path);
	free(names->items);
	*names = (struct names){ .txn = NULL };
}

static bool job_row(const struct job_head *head, void *context)
{
	struct names *names = context;
	char path[64];

	if ((head->flags & JOB_FLAG_PAYLOAD_FILE) && store_job_payload_path(names->txn, &head->id, path) == FNR_OK && *path)
		name(names, fnr_strdup(path), NULL);
	return true;
}

static bool upload_row(const struct store_upload *upload, void *context)
{
	char id[FNR_ID_TEXT];

	name(context, fnr_asprintf("uploads/%s", fnr_id_format(&upload->id, id)), upload->sha256);
	return true;
}

static bool definition_row(const uint8_t digest[32], struct json_object *definition, void *context)
{
	struct json_object *files = fnr_json_get(definition, "files");
	char hex[FNR_SHA256_TEXT];
	uint8_t sha256[FNR_SHA256_SIZE];

	if (json_object_is_type(files, json_type_object)) {
		json_object_object_foreach(files, file, hash) {
			bool hashed = fnr_unhex(json_object_get_string(hash) ? json_object_get_string(hash) : "", sha256, sizeof sha256);

			name(context, fnr_asprintf("blobs/templates/%s/%s", fnr_hex(digest, 32, hex), file), hashed ? sha256 : NULL);
		}
	}
	return true;
}

/* Of the store below the working directory. */
static int read_names(struct backup *backup, struct names *names, struct fnr_error *err)
{
	struct store_counters counters;
	struct store *store;
	int code = store_open(&store, false, err);

	if (code != FNR_OK)
		return code;
	names->txn = store_read(store, err);
	if (names->txn) {
		store_jobs_after(names->txn, NULL, SIZE_MAX, job_row, names);
		store_uploads(names->txn, upload_row, names);
		store_definitions(names->txn, definition_row, names);
		store_counters_get(names->txn, &counters);
		backup->jobs = counters.accepted - counters.removed;
	}
	code = names->txn ? FNR_OK : FNR_E_IO;
	store_read_end(names->txn);
	store_close(store);
	return code;
}

/* ---- copying ---- */

static int enter(int dir, const char *what, struct fnr_error *err)
{
	return fchdir(dir) == 0 ? FNR_OK : fnr_fail_errno(err, errno, "the folder %s cannot be entered", what);
}

static int copy_store(struct backup *backup, struct fnr_error *err)
{
	char *path = fnr_asprintf("%s/store", backup->work);
	struct store *store = NULL;
	int code = fnr_tree_remove(path, err);

	if (code == FNR_OK)
		code = enter(backup->from, backup->data, err);
	if (code == FNR_OK)
		code = store_open(&store, false, err);
	if (code == FNR_OK)
		code = store_copy(store, path, err);
	store_close(store);
	free(path);
	return code;
}

static int copy_named(struct backup *backup, const struct names *names, struct fnr_error *err)
{
	struct snapshot_file file;
	int code = FNR_OK;

	for (size_t i = 0; i < names->count && code == FNR_OK; i++) {
		const struct named *named = &names->items[i];

		code = snapshot_copy_file(backup->from, backup->to, named->path, &file, err);
		if (code == FNR_OK && named->hashed && memcmp(file.sha256, named->sha256, sizeof file.sha256) != 0)
			code = fnr_fail(err, FNR_E_CORRUPT, "%s is not what the store says of it: it was changed, or the disk fails", named->path);
	}
	return code;
}

/* What an earlier try copied and this one does not need is taken away with its folder. */
static int copy_state(struct backup *backup, struct fnr_error *err)
{
	static const char *const places[] = { "blobs", "uploads" };
	struct names names = { .txn = NULL };
	int code = copy_store(backup, err);

	for (size_t i = 0; i < 2 && code == FNR_OK; i++) {
		char *path = fnr_asprintf("%s/%s", backup->work, places[i]);

		code = fnr_tree_remove(path, err);
		free(path);
	}
	if (code == FNR_OK)
		code = enter(backup->to, backup->work, err);
	if (code == FNR_OK)
		code = read_names(backup, &names, err);
	if (code == FNR_OK)
		code = copy_named(backup, &names, err);
	forget(&names);
	return code;
}

static bool is_in_the_making(const char *path, const char *name_)
{
	size_t len = strlen(path);

	return strcmp(path, "workspace/.work") == 0 || strncmp(name_, ".attempt-", 9) == 0 ||
	       (strncmp(path, "thumbnails/", 11) == 0 && strcmp(path + len - 5, ".part") == 0);
}

static int copy_rest(struct backup *backup, struct fnr_error *err)
{
	static const char *const files[] = { "config.yaml", "admin.key", "errors.yaml", "presets.yaml" };
	static const char *const trees[] = { "templates", "scripts", "rules", "thumbnails", "workspace" };
	struct snapshot_file file;
	int code = FNR_OK;

	for (size_t i = 0; i < sizeof files / sizeof files[0] && code == FNR_OK; i++) {
		code = snapshot_copy_file(backup->from, backup->to, files[i], &file, err);
		if (code == FNR_E_NOT_FOUND) {
			fnr_error_clear(err);
			code = FNR_OK;
		}
	}
	for (size_t i = 0; i < (options.workspace ? 5u : 4u) && code == FNR_OK; i++)
		code = snapshot_copy_tree(backup->from, backup->to, trees[i], is_in_the_making, err);
	return code;
}

static int verify(struct backup *backup, struct fnr_error *err)
{
	if (!check_apart(backup->work))
		return fnr_fail(err, FNR_E_CORRUPT, "the copy was checked and is not sound; run: fnr check --data %s", backup->data);
	if (unlinkat(backup->to, "store/lock.mdb", 0) != 0 && errno != ENOENT)
		return fnr_fail_errno(err, errno, "the copy cannot be tidied");
	return FNR_OK;
}

static int make(struct backup *backup, struct fnr_error *err)
{
	struct json_object *head;
	int code;

	for (int i = 0; i < TRIES; i++) {
		fnr_error_clear(err);
		code = copy_state(backup, err);
		if (code != FNR_E_NOT_FOUND)
			break;
	}
	if (code == FNR_E_NOT_FOUND)
		return fnr_fail(err, FNR_E_CORRUPT, "the store names a file that is gone; run: fnr check --data %s", backup->data);
	if (code == FNR_OK)
		code = copy_rest(backup, err);
	if (code == FNR_OK)
		code = verify(backup, err);
	if (code != FNR_OK)
		return code;
	head = json_object_new_object();
	fnr_json_set_time(head, "made_at", fnr_now_ms());
	fnr_json_set_text(head, "version", PACKAGE_VERSION);
	fnr_json_set_int(head, "schema", STORE_SCHEMA);
	fnr_json_set_bool(head, "workspace", options.workspace);
	fnr_json_set_int(head, "jobs", (int64_t)backup->jobs);
	return snapshot_manifest_write(backup->to, head, &backup->sum, err);
}

/* ---- its place ---- */

static int find_places(struct backup *backup, const char *data, const char *target, struct fnr_error *err)
{
	char *copy = fnr_strdup(target), *slash, folder[PATH_MAX];
	size_t len;

	while (strlen(copy) > 1 && copy[strlen(copy) - 1] == '/')
		copy[strlen(copy) - 1] = 0;
	slash = strrchr(copy, '/');
	if (!realpath(data, backup->data) || access(data, R_OK | X_OK) != 0) {
		free(copy);
		return fnr_fail(err, FNR_E_NOT_FOUND, "%s is no data directory that can be read; name one with --data DIR", data);
	}
	if (slash)
		*slash = 0;
	if (!realpath(!slash ? "." : slash == copy ? "/" : copy, folder)) {
		fnr_fail_errno(err, errno, "the folder %s of the backup cannot be used", slash ? copy : ".");
		free(copy);
		return err->code;
	}
	snprintf(backup->target, sizeof backup->target, "%.2000s/%.1000s", strcmp(folder, "/") == 0 ? "" : folder, slash ? slash + 1 : copy);
	snprintf(backup->work, sizeof backup->work, "%.3500s.part-XXXXXX", backup->target);
	free(copy);
	len = strlen(backup->data);
	if (strncmp(folder, backup->data, len) == 0 && (folder[len] == '/' || !folder[len]))
		return fnr_fail(err, FNR_E_INVALID, "a backup within the data directory would be lost with it; name a place outside %s", backup->data);
	if (access(backup->target, F_OK) == 0)
		return fnr_fail(err, FNR_E_EXISTS, "%s is there already; name another place for this backup", backup->target);
	return FNR_OK;
}

static int open_places(struct backup *backup, struct fnr_error *err)
{
	backup->from = open(backup->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (backup->from < 0 || faccessat(backup->from, "store/data.mdb", F_OK, 0) != 0)
		return fnr_fail(err, FNR_E_NOT_FOUND, "%s is no data directory: it has no store; name one with --data DIR", backup->data);
	if (!mkdtemp(backup->work))
		return fnr_fail_errno(err, errno, "%s cannot be made", backup->target);
	backup->to = open(backup->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return backup->to >= 0 ? FNR_OK : fnr_fail_errno(err, errno, "%s cannot be used", backup->work);
}

/* Flushes every folder that was made, so that the whole tree lasts. */
static int settle(struct backup *backup, struct fnr_error *err)
{
	char *folder = fnr_strdup(backup->target), *packed = NULL;
	int code = FNR_OK;

	*strrchr(folder, '/') = 0;
	if (syncfs(backup->to) != 0)
		code = fnr_fail_errno(err, errno, "the backup cannot be flushed");
	if (code == FNR_OK && archive_is_name(backup->target)) {
		packed = fnr_asprintf("%s%s", backup->work, strstr(strrchr(backup->target, '/'), ".t"));
		code = archive_pack(backup->work, packed, err);
	}
	if (code == FNR_OK && rename(packed ? packed : backup->work, backup->target) != 0)
		code = fnr_fail_errno(err, errno, "%s cannot be put in its place", backup->target);
	if (code == FNR_OK)
		code = fnr_dir_flush(*folder ? folder : "/", err);
	if (packed && code != FNR_OK)
		unlink(packed);
	free(packed);
	free(folder);
	return code;
}

static void tell(const struct backup *backup)
{
	struct json_object *value;

	if (!shared.json) {
		printf("%s: %llu files, %.1f MB, %llu jobs; checked. Restore it with: fnr restore %s --data NEWDIR\n", backup->target,
		       (unsigned long long)backup->sum.files, (double)backup->sum.bytes / 1e6, (unsigned long long)backup->jobs, backup->target);
		return;
	}
	value = json_object_new_object();
	fnr_json_set_text(value, "backup", backup->target);
	fnr_json_set_int(value, "files", (int64_t)backup->sum.files);
	fnr_json_set_int(value, "bytes", (int64_t)backup->sum.bytes);
	fnr_json_set_int(value, "jobs", (int64_t)backup->jobs);
	fnr_json_set_bool(value, "workspace", options.workspace);
	printf("%s\n", fnr_json_text(value, NULL));
	json_object_put(value);
}

static int run(int count, char **operands)
{
	static struct backup backup = { .from = -1, .to = -1 };
	struct fnr_error err = FNR_ERROR_INIT;
	int code;

	(void)count;
	umask(077);
	snapshot_catch_signals();
	code = find_places(&backup, data_dir(shared.client.data), operands[0], &err);
	if (code == FNR_OK)
		code = open_places(&backup, &err);
	if (code == FNR_OK)
		code = make(&backup, &err);
	if (code == FNR_OK)
		code = settle(&backup, &err);
	if (backup.to >= 0)
		fnr_tree_remove(backup.work, NULL);
	if (code == FNR_OK)
		tell(&backup);
	else
		fprintf(stderr, "fnr: no backup was made: %s\n", err.message);
	fnr_fd_close(&backup.from);
	fnr_fd_close(&backup.to);
	return code == FNR_OK ? EXIT_DONE : snapshot_interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
}

static const struct action actions[] = {
	{ "", "TARGET", 1, 1, "into a new folder, or a file whose name ends in .tar, .tar.gz, .tar.xz or .tar.zst", run },
	ACTIONS_END,
};

static const struct option_row rows[] = {
	FLAG("--workspace", 0, &options.workspace, "with the results, workspace/, which may be large"),
	OPTIONS_END,
};

const struct command command_backup = { "backup", "Copy a data directory while the system runs, and check the copy", 8, USES_DATA | USES_JSON, actions, rows };
