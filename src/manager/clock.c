/* The wall clock may be set while we run. How long things take is counted by CLOCK_BOOTTIME, but what is stored has wall times: these are
 * not trusted where they would cost somebody something, and what was to happen after a while happens after that while. */
#include "config.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "manager/manager.h"

#define PARTED_MS 3600000
#define BACK_MS 2000         /* set back by less than this it makes nobody wait for long */
#define SHIFT_MOST 20000     /* jobs in one transaction; others wait longer */

/* Said once, until they agree again. */
bool clock_trusted(struct manager *manager)
{
	bool agree = fnr_clocks_agree(manager->turn.now - manager->began_at, manager->turn.mono - manager->began_mono, PARTED_MS);

	if (!agree && !manager->clock_distrusted)
		fnr_warn(NULL, "event=clock.parted: the clock was set by more than an hour since the manager started; nothing expires until it "
		               "agrees again, or the manager is started anew");
	manager->clock_distrusted = !agree;
	return agree;
}

void clock_look(struct manager *manager)
{
	int64_t offset = manager->turn.now - manager->turn.mono, back = manager->clock_offset - offset;

	if (manager->clock_offset && back >= BACK_MS) {
		manager->clock_back += back;
		manager->work = true;
	}
	manager->clock_offset = offset;
}

struct waiting { struct fnr_id *ids; size_t count; int64_t now; };

static bool keep(const struct fnr_id *id, enum store_due kind, int64_t time, void *context)
{
	struct waiting *waiting = context;

	if (kind == STORE_DUE_QUEUE && time > waiting->now)
		waiting->ids[waiting->count++] = *id;
	return waiting->count < SHIFT_MOST;
}

/* What waits for another try was to wait for some seconds, and not until a time of day. */
static void shift(struct manager *manager, const struct fnr_id *id)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct job_head head;

	if (store_job_get(manager->turn.txn, id, &head) != FNR_OK || head.state != FNR_STATE_RETRY_WAIT)
		return;
	head.due_at = head.due_at - manager->clock_back > manager->turn.now ? head.due_at - manager->clock_back : manager->turn.now;
	turn_check(manager, store_job_put(manager->turn.txn, &head, &err), &err, "a job cannot be written");
}

void clock_apply(struct manager *manager)
{
	struct waiting waiting = { .now = manager->turn.now };

	if (!manager->clock_back)
		return;
	waiting.ids = fnr_alloc(SHIFT_MOST * sizeof *waiting.ids);
	store_jobs_due(manager->turn.txn, INT64_MAX, SIZE_MAX, keep, &waiting);
	for (size_t i = 0; i < waiting.count; i++)
		shift(manager, &waiting.ids[i]);
	free(waiting.ids);
	fnr_warn(NULL, "event=clock.back ms=%lld: the clock was set back", (long long)manager->clock_back);
	manager->clock_back = 0;
}
