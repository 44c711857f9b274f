/* fnr restore: a data directory from a backup.
 *
 * Every file is compared with the manifest before anything is written, and again as it is copied. The new directory is made
 * beside its place and renamed when it is whole. Numbers of events and takes are moved on, as more of them may have been
 * given out after the backup was made than it knows of; the journal begins anew, and what was running begins again when
 * the system starts.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/archive.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "cli/snapshot.h"
#include "store/store.h"

#define EVENTS_ON ((uint64_t)1 << 40)      /* more than any system gives out between two backups */

static struct { long takes; } options = { .takes = 100000 };

struct restore {
	char target[PATH_MAX], work[PATH_MAX], unpacked[PATH_MAX];
	int from, to;
	struct snapshot_sum sum;
	struct json_object *head;
};

/* ---- the place ---- */

static bool is_in_use(int dir)
{
	int fd = openat(dir, "run/serve.lock", O_RDONLY | O_CLOEXEC);
	bool used = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;

	fnr_fd_close(&fd);
	return used;
}

/* Absent or empty. */
static int check_place(const char *target, struct fnr_error *err)
{
	int fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	bool empty = true, used;
	DIR *dir;

	if (fd < 0)
		return errno == ENOENT ? FNR_OK : fnr_fail_errno(err, errno, "%s cannot be used", target);
	used = is_in_use(fd);
	dir = fdopendir(fd);
	while (dir && (entry = readdir(dir)))
		empty &= strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	if (dir)
		closedir(dir);
	if (used)
		return fnr_fail(err, FNR_E_CONFLICT, "a system runs in %s; restore into a new directory, then stop that system and start the new one", target);
	if (!empty)
		return fnr_fail(err, FNR_E_EXISTS, "%s is not empty; a backup is restored into a new directory: name one with --data", target);
	return FNR_OK;
}

static int find_place(struct restore *restore, const char *target, struct fnr_error *err)
{
	size_t len;

	snprintf(restore->target, sizeof restore->target, "%.3000s", target);
	for (len = strlen(restore->target); len > 1 && restore->target[len - 1] == '/'; len--)
		restore->target[len - 1] = 0;
	snprintf(restore->work, sizeof restore->work, "%.3500s.part-XXXXXX", restore->target);
	if (check_place(restore->target, err) != FNR_OK)
		return err->code;
	if (!mkdtemp(restore->work)) {
		restore->work[0] = 0;
		return fnr_fail_errno(err, errno, "%s cannot be made", restore->target);
	}
	restore->to = open(restore->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return restore->to >= 0 ? FNR_OK : fnr_fail_errno(err, errno, "%s cannot be used", restore->work);
}

/* ---- the backup ---- */

static int open_backup(struct restore *restore, const char *backup, struct fnr_error *err)
{
	struct stat info;
	int code;

	if (stat(backup, &info) != 0)
		return fnr_fail_errno(err, errno, "the backup %s cannot be read", backup);
	if (!S_ISDIR(info.st_mode)) {
		snprintf(restore->unpacked, sizeof restore->unpacked, "%.3500s.unpack-XXXXXX", restore->target);
		if (!mkdtemp(restore->unpacked)) {
			restore->unpacked[0] = 0;
			return fnr_fail_errno(err, errno, "%s cannot be made", restore->target);
		}
		code = archive_unpack(backup, restore->unpacked, err);
		if (code != FNR_OK)
			return code;
		backup = restore->unpacked;
	}
	restore->from = open(backup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return restore->from >= 0 ? FNR_OK : fnr_fail_errno(err, errno, "the backup %s cannot be read", backup);
}

static int verify_row(const struct snapshot_file *file, void *context, struct fnr_error *err)
{
	struct restore *restore = context;

	return snapshot_verify_file(restore->from, file, err);
}

static int copy_row(const struct snapshot_file *file, void *context, struct fnr_error *err)
{
	struct restore *restore = context;
	struct snapshot_file copied;
	int code = snapshot_copy_file(restore->from, restore->to, file->path, &copied, err);

	if (code == FNR_OK && memcmp(copied.sha256, file->sha256, sizeof copied.sha256) != 0)
		code = fnr_fail(err, FNR_E_CORRUPT, "%s changed while it was restored", file->path);
	if (code == FNR_OK && fchmodat(restore->to, file->path, file->mode, 0) != 0)
		code = fnr_fail_errno(err, errno, "%s cannot be given its rights", file->path);
	return code;
}

static int copy(struct restore *restore, struct fnr_error *err)
{
	struct json_object *again = NULL;
	int code = snapshot_manifest_read(restore->from, verify_row, restore, &restore->head, &restore->sum, err);

	if (code == FNR_OK && fnr_json_get_int(restore->head, "schema", 0) > STORE_SCHEMA)
		code = fnr_fail(err, FNR_E_INVALID, "the store in the backup has schema version %lld, this program knows versions up to %d; "
		                                    "restore it with the program that made it (%s), or a newer one",
		                (long long)fnr_json_get_int(restore->head, "schema", 0), STORE_SCHEMA, fnr_json_get_text(restore->head, "version", "unknown"));
	if (code == FNR_OK)
		code = snapshot_manifest_read(restore->from, copy_row, restore, &again, &restore->sum, err);
	json_object_put(again);
	return code;
}

/* ---- the store ---- */

static int move_on(struct restore *restore, struct fnr_error *err)
{
	struct store *store;
	struct store_txn *txn;
	int code;

	if (fchdir(restore->to) != 0)
		return fnr_fail_errno(err, errno, "%s cannot be entered", restore->work);
	if (access("store/data.mdb", F_OK) != 0)
		return fnr_fail(err, FNR_E_CORRUPT, "the backup has no store");
	code = store_open(&store, true, err);
	if (code != FNR_OK)
		return code;
	txn = store_write(store, err);
	code = txn ? store_move_on(txn, EVENTS_ON, (uint32_t)options.takes, err) : FNR_E_IO;
	if (code == FNR_OK)
		code = store_commit(txn, err);
	else
		store_abort(txn);
	store_close(store);
	return code;
}

static int settle(struct restore *restore, int here, struct fnr_error *err)
{
	if (!check_apart("."))
		return fnr_fail(err, FNR_E_CORRUPT, "what was restored is not sound; take another backup");
	if (syncfs(restore->to) != 0)
		return fnr_fail_errno(err, errno, "what was restored cannot be flushed");
	if (fchdir(here) != 0 || rename(restore->work, restore->target) != 0)
		return fnr_fail_errno(err, errno, "%s cannot be put in its place", restore->target);
	restore->work[0] = 0;
	return syncfs(restore->to) == 0 ? FNR_OK : fnr_fail_errno(err, errno, "what was restored cannot be flushed");
}

static void tell(const struct restore *restore)
{
	struct json_object *value;

	if (!shared.json) {
		printf("%s: restored as of %s: %llu files, %lld jobs; checked. Start it with: fnr serve --data %s\n", restore->target,
		       fnr_json_get_text(restore->head, "made_at", "an unknown time"), (unsigned long long)restore->sum.files,
		       (long long)fnr_json_get_int(restore->head, "jobs", 0), restore->target);
		printf("New takes have numbers above %ld. Keys that were deleted after the backup are valid again: fnr key list\n", options.takes);
		if (!fnr_json_get_bool(restore->head, "workspace", false))
			printf("The backup was made without --workspace: put the results back into %s/workspace yourself\n", restore->target);
		return;
	}
	value = json_object_new_object();
	fnr_json_set_text(value, "data", restore->target);
	fnr_json_set_text(value, "made_at", fnr_json_get_text(restore->head, "made_at", NULL));
	fnr_json_set_int(value, "files", (int64_t)restore->sum.files);
	fnr_json_set_int(value, "bytes", (int64_t)restore->sum.bytes);
	fnr_json_set_int(value, "jobs", fnr_json_get_int(restore->head, "jobs", 0));
	fnr_json_set_bool(value, "workspace", fnr_json_get_bool(restore->head, "workspace", false));
	printf("%s\n", fnr_json_text(value, NULL));
	json_object_put(value);
}

static int restore_to(struct restore *restore, const char *backup, const char *target, struct fnr_error *err)
{
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), code;

	if (here < 0)
		return fnr_fail_errno(err, errno, "the working directory cannot be used");
	code = find_place(restore, target, err);
	if (code == FNR_OK)
		code = open_backup(restore, backup, err);
	if (code == FNR_OK)
		code = copy(restore, err);
	if (code == FNR_OK)
		code = move_on(restore, err);
	if (code == FNR_OK)
		code = settle(restore, here, err);
	if (fchdir(here) == 0) {
		if (restore->work[0])
			fnr_tree_remove(restore->work, NULL);
		if (restore->unpacked[0])
			fnr_tree_remove(restore->unpacked, NULL);
	}
	close(here);
	return code;
}

static int run(int count, char **operands)
{
	static struct restore restore = { .from = -1, .to = -1 };
	struct fnr_error err = FNR_ERROR_INIT;
	int code;

	(void)count;
	umask(077);
	snapshot_catch_signals();
	code = restore_to(&restore, operands[0], data_dir(shared.client.data), &err);
	if (code == FNR_OK)
		tell(&restore);
	else
		fprintf(stderr, "fnr: nothing was restored: %s\n", err.message);
	json_object_put(restore.head);
	fnr_fd_close(&restore.from);
	fnr_fd_close(&restore.to);
	return code == FNR_OK ? EXIT_DONE : snapshot_interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
}

static const struct action actions[] = {
	{ "", "BACKUP", 1, 1, "from a folder or file that 'fnr backup' made, into a new directory (--data)", run },
	ACTIONS_END,
};

static const struct option_row rows[] = {
	NUMBER("--takes", 0, &options.takes, 1, 100000000, "N", "new takes have numbers so far above those of the backup (default 100000): at least "
	       "as many as any shot may have got since"),
	OPTIONS_END,
};

const struct command command_restore = { "restore", "Make a new data directory from a backup", 8, USES_DATA | USES_JSON, actions, rows };
