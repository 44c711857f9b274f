/* Finished jobs go by age (job.keep) and when the store has grown too large (job.max_bytes): the oldest first, in bounded
 * portions. Takes stay. What a job leaves on disk goes the way of every deleted job (house.c). */
#include "config.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "manager/manager.h"

#define ROWS_A_TICK 2000
#define DELETES_A_TICK 500
#define BYTES_EVERY_MS 10000

struct portion {
	struct fnr_id ids[DELETES_A_TICK], last;
	size_t count;
	int64_t before;           /* finished by then; INT64_MAX: whenever */
	bool young;               /* the walk came to jobs of which none can be old enough */
};

/* A job that is younger than the time it would be kept cannot have finished before that. */
static bool row(const struct job_head *head, void *context)
{
	struct portion *portion = context;

	portion->young = head->created_at > portion->before;
	if (portion->young)
		return false;
	portion->last = head->id;
	if (fnr_state_terminal(head->state) && head->finished_at <= portion->before)
		portion->ids[portion->count++] = head->id;
	return portion->count < DELETES_A_TICK;
}

static bool too_large(struct manager *manager)
{
	if (!manager->store_large && manager->turn.mono < manager->bytes_at)
		return false;
	manager->bytes_at = manager->turn.mono + BYTES_EVERY_MS;
	manager->store_large = store_bytes_used(manager->store) > (uint64_t)manager->conf.job_max_bytes;
	return manager->store_large;
}

static void find(struct manager *manager, struct portion *portion)
{
	struct store_txn *txn = store_read(manager->store, NULL);
	const struct fnr_id *after = fnr_id_is_none(&manager->retention_cursor) ? NULL : &manager->retention_cursor;
	size_t rows = txn ? store_jobs_after(txn, after, ROWS_A_TICK, row, portion) : 0;

	store_read_end(txn);
	if (portion->young || (rows < ROWS_A_TICK && portion->count < DELETES_A_TICK))
		manager->retention_cursor = FNR_ID_NONE;       /* from the first again, next time */
	else if (rows > 0)
		manager->retention_cursor = portion->last;
}

/* ---- what is told of it: of each project once ---- */

struct told { uint32_t project; size_t count; struct job_head one; };
struct telling { size_t count; struct told projects[DELETES_A_TICK]; };

static void note_deleted(struct telling *telling, const struct job_head *head)
{
	struct told *told = telling->projects;

	while (told < telling->projects + telling->count && told->project != head->project)
		told++;
	if (told == telling->projects + telling->count) {
		*told = (struct told){ .project = head->project, .one = *head };
		telling->count++;
	}
	told->count++;
}

static void tell(struct manager *manager, struct store_txn *txn, const struct telling *telling)
{
	struct fnr_error err = FNR_ERROR_INIT;

	for (size_t i = 0; i < telling->count; i++) {
		const struct told *told = &telling->projects[i];

		turn_check(manager, store_removal_tell(txn, told->project, told->count, told->count == 1 ? &told->one : NULL, &err), &err, "a removal cannot be noted");
	}
	manager->look |= telling->count > 0;
}

static void delete_found(struct manager *manager, const struct portion *portion)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn = store_write(manager->store, &err);
	struct telling *telling = fnr_alloc(sizeof *telling);
	size_t deleted = 0;

	if (!txn)
		manager_fail(manager, "the store cannot be written", &err);
	for (size_t i = 0; i < portion->count; i++) {
		struct store_removal removal = { .job = portion->ids[i] };
		struct job_head head;
		bool there = store_job_get(txn, &removal.job, &head) == FNR_OK;
		int code = store_job_delete(txn, &removal.job, removal.payload, &err);

		if (code == FNR_OK) {
			turn_check(manager, store_removal_add(txn, &removal, &err), &err, "a removal cannot be noted");
			deleted++;
			if (there)
				note_deleted(telling, &head);
		} else {                                       /* somebody deleted it meanwhile, or another job needs it */
			fnr_error_clear(&err);
		}
	}
	tell(manager, txn, telling);
	free(telling);
	turn_check(manager, store_commit(txn, &err), &err, "the store cannot be written");
	fnr_info(NULL, "event=jobs.expired count=%zu", deleted);
}

static void drop_dead(struct manager *manager)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn = store_read(manager->store, NULL);
	size_t most = (size_t)manager->conf.dead_max, count = txn ? store_dead_count(txn) : 0;

	store_read_end(txn);
	if (count <= most)
		return;
	txn = store_write(manager->store, &err);
	if (!txn)
		manager_fail(manager, "the store cannot be written", &err);
	count = store_dead_trim(txn, most, DELETES_A_TICK, &err);
	turn_check(manager, err.code, &err, "dead letters cannot be dropped");
	turn_check(manager, store_commit(txn, &err), &err, "the store cannot be written");
	fnr_info(NULL, "event=dead.dropped count=%zu", count);
}

bool retention_apply(struct manager *manager)
{
	struct portion *portion;
	bool trusted = clock_trusted(manager), large = too_large(manager), more;

	drop_dead(manager);
	if (!trusted && !large)
		return false;
	portion = calloc(1, sizeof *portion);
	if (!portion)
		return false;
	portion->before = large ? INT64_MAX : manager->turn.now - manager->conf.job_keep * 1000;
	find(manager, portion);
	if (portion->count)
		delete_found(manager, portion);
	more = portion->count == DELETES_A_TICK;
	free(portion);
	return more;
}
