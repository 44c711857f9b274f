/* Files in blobs/payload that no job has. A handler writes the file before it posts the job: one that was killed in between, or while it
 * wrote, leaves it behind. Once an hour the folder is gone through, all of it in portions: files that have been there for long are
 * noted, those that jobs have are crossed out, the others go.
 *
 * That is safe however slow a handler is, or how the clock jumps. The last look at the jobs, and the removal, happen while nobody else
 * can write: a job that is accepted before is seen, and one that comes later is refused (store/ops.c), as its file is gone. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "manager/manager.h"

#define FOLDER "blobs/payload"
#define STALE_MS 3600000
#define EVERY_MS 3600000
#define NAMES_A_TICK 1000
#define FILES_MOST 8192          /* noted at a time: each needs one way through the jobs */
#define JOBS_A_TICK 2000
#define REMOVALS_A_TICK 16       /* the store waits for them */

static void pass_end(struct manager *manager)
{
	struct payload_sweep *sweep = &manager->payload_sweep;

	if (sweep->folder)
		closedir(sweep->folder);
	free(sweep->files);
	if (sweep->removed)
		fnr_info(NULL, "event=payloads.swept files=%zu: what requests that came to no end had put down", sweep->removed);
	*sweep = (struct payload_sweep){ .due = manager->turn.mono + EVERY_MS };
}

void payloads_end(struct manager *manager)
{
	pass_end(manager);
}

/* ---- old files ---- */

static bool is_old(struct manager *manager, const char *name)
{
	struct stat info;

	return fstatat(dirfd(manager->payload_sweep.folder), name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode) &&
	       (int64_t)info.st_mtim.tv_sec * 1000 < manager->turn.now - STALE_MS;
}

/* No job ever has a file that was not written to its end. */
static void note(struct manager *manager, const char *name)
{
	struct payload_sweep *sweep = &manager->payload_sweep;
	bool unfinished = strncmp(name, FNR_FILE_UNFINISHED, strlen(FNR_FILE_UNFINISHED)) == 0;
	struct fnr_id id;

	if ((!unfinished && !fnr_id_parse(name, &id)) || !is_old(manager, name))
		return;
	if (unfinished)
		sweep->removed += unlinkat(dirfd(sweep->folder), name, 0) == 0;
	else
		sweep->files[sweep->count++] = (struct payload_file){ .id = id };
}

static int by_id(const void *a, const void *b)
{
	return fnr_id_compare(&((const struct payload_file *)a)->id, &((const struct payload_file *)b)->id);
}

static void look_for_files(struct manager *manager)
{
	struct payload_sweep *sweep = &manager->payload_sweep;
	struct dirent *entry = NULL;

	for (int i = 0; i < NAMES_A_TICK && sweep->count < FILES_MOST; i++) {
		entry = readdir(sweep->folder);
		if (!entry)
			break;
		note(manager, entry->d_name);
	}
	sweep->listed = !entry;
	if (!sweep->count && sweep->listed) {
		pass_end(manager);
	} else if (sweep->count == FILES_MOST || sweep->listed) {
		qsort(sweep->files, sweep->count, sizeof *sweep->files, by_id);
		sweep->place = FNR_ID_NONE;
		sweep->walks = true;
	}
}

/* ---- whether a job has them ---- */

static void cross_out(const struct fnr_id *id, void *context)
{
	struct payload_sweep *sweep = context;
	struct payload_file *file = bsearch(&(struct payload_file){ .id = *id }, sweep->files, sweep->count, sizeof *sweep->files, by_id);

	if (file)
		file->wanted = true;
}

/* False when nobody can tell: then everything stays. */
static bool look_at_jobs(struct manager *manager, struct store_txn *txn, size_t limit)
{
	struct payload_sweep *sweep = &manager->payload_sweep;
	struct fnr_error err = FNR_ERROR_INIT;
	bool good = txn && store_payloads(txn, &sweep->place, limit, &sweep->seen, cross_out, sweep, &err) == FNR_OK;

	if (!good) {
		fnr_warn(NULL, "event=payloads.kept: files that no job may need are kept: %s", txn ? err.message : "the store cannot be read");
		pass_end(manager);
	}
	fnr_error_clear(&err);
	return good;
}

static bool look_at_some(struct manager *manager)
{
	struct store_txn *txn = store_read(manager->store, NULL);
	bool good = look_at_jobs(manager, txn, JOBS_A_TICK);

	store_read_end(txn);
	return good;
}

/* ---- those that none has ---- */

static void remove_some(struct manager *manager)
{
	struct payload_sweep *sweep = &manager->payload_sweep;

	for (int left = REMOVALS_A_TICK; sweep->next < sweep->count && left > 0; sweep->next++) {
		const struct payload_file *file = &sweep->files[sweep->next];
		char path[64];

		if (file->wanted)
			continue;
		store_payload_path(&file->id, path);
		sweep->removed += unlink(path) == 0;
		left--;
	}
}

/* True while there is more to remove. */
static bool remove_unwanted(struct manager *manager)
{
	struct payload_sweep *sweep = &manager->payload_sweep;
	struct store_txn *txn = store_write(manager->store, NULL);
	bool good = look_at_jobs(manager, txn, SIZE_MAX), more;

	if (good)
		remove_some(manager);
	if (txn)
		store_abort(txn);
	more = good && sweep->next < sweep->count;
	if (good && !more) {
		sweep->count = sweep->next = 0;
		sweep->walks = sweep->seen = false;
		if (sweep->listed)
			pass_end(manager);
	}
	return more;
}

static bool begin(struct manager *manager)
{
	struct payload_sweep *sweep = &manager->payload_sweep;

	if (sweep->folder)
		return true;
	sweep->folder = opendir(FOLDER);
	if (!sweep->folder) {
		sweep->due = manager->turn.mono + EVERY_MS;
		return false;
	}
	sweep->files = fnr_alloc(FILES_MOST * sizeof *sweep->files);
	return true;
}

bool payloads_sweep(struct manager *manager)
{
	struct payload_sweep *sweep = &manager->payload_sweep;

	if (manager->turn.mono < sweep->due || !begin(manager))
		return false;
	if (!sweep->walks)
		look_for_files(manager);
	else if (sweep->seen || (look_at_some(manager) && sweep->seen))
		return remove_unwanted(manager);
	return false;
}
