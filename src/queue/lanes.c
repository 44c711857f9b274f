#include "config.h"

#include "queue/lanes.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "base/heap.h"
#include "base/mem.h"

#define PRIORITIES 11               /* effective ones: 0 to 10 */
#define LEVELS (2 * PRIORITIES)     /* those of the queue that goes first lie above all others */
#define LANE_GATES 4                /* of its queue, project, template and tier */
#define SHARES_LEAST 256

struct gate {
	struct { uint32_t gate, number; } id;
	unsigned reasons, users;        /* users: lanes that go through it */
	struct lane *parked;
	UT_hash_handle hh;
};

/* The lanes of one project at one level, and the turns (virtual time) that it has had there. */
struct group {
	struct share *share;
	int level;
	struct heap lanes;              /* oldest head first */
	double used;
	enum { GROUP_OUT, GROUP_ELIGIBLE, GROUP_AHEAD } where;
	size_t place;
};

struct share {
	uint32_t project;
	unsigned lanes;
	double weight;
	struct group *groups[LEVELS];   /* NULL: nothing was there yet */
	UT_hash_handle hh;
};

struct lane {
	struct lane_key id;             /* without anything in its holes */
	struct lane_head head;
	int64_t since, rises_at;        /* rises_at: when its level changes; INT64_MAX: never */
	struct share *share;
	struct gate *gates[LANE_GATES];
	struct gate *parked_at;         /* NULL: it is in its group and among the ages */
	struct group *group;
	struct lane *prev, *next;       /* parked at the same gate */
	size_t place, age_place;
	UT_hash_handle hh;
};

struct level {
	struct heap eligible;           /* groups that had no more than others: oldest head first */
	struct heap ahead;              /* the others: whose turn comes next */
	double clock;                   /* virtual time of the turn that was given last */
};

struct lanes {
	struct lane *by_key;
	struct share *shares;
	struct gate *gates;
	struct level levels[LEVELS];
	struct heap ages;               /* lanes by rises_at */
	int64_t now;                    /* of the last look */
	uint16_t first_queue;
	size_t sweep_at;                /* so many shares: those that say nothing are forgotten */
};

/* ---- order ---- */

static bool older_lane(const void *a, const void *b)
{
	return ((const struct lane *)a)->head.seq < ((const struct lane *)b)->head.seq;
}

static bool rises_before(const void *a, const void *b)
{
	return ((const struct lane *)a)->rises_at < ((const struct lane *)b)->rises_at;
}

static bool older_group(const void *a, const void *b)
{
	return older_lane(heap_first(&((const struct group *)a)->lanes), heap_first(&((const struct group *)b)->lanes));
}

static bool behind_less(const void *a, const void *b)
{
	const struct group *one = a, *other = b;

	return one->used != other->used ? one->used < other->used : older_group(a, b);
}

/* ---- groups: projects at a level ---- */

static void group_out(struct lanes *lanes, struct group *group)
{
	struct level *level = &lanes->levels[group->level];

	if (group->where == GROUP_ELIGIBLE)
		heap_remove(&level->eligible, group);
	else if (group->where == GROUP_AHEAD)
		heap_remove(&level->ahead, group);
	group->where = GROUP_OUT;
}

static void group_in(struct lanes *lanes, struct group *group)
{
	struct level *level = &lanes->levels[group->level];

	if (group->lanes.count == 0)
		return;
	group->where = group->used <= level->clock ? GROUP_ELIGIBLE : GROUP_AHEAD;
	heap_add(group->where == GROUP_ELIGIBLE ? &level->eligible : &level->ahead, group);
}

static struct group *group_of(struct share *share, int level)
{
	struct group *group = share->groups[level];

	if (group)
		return group;
	group = share->groups[level] = fnr_alloc(sizeof *group);
	group->share = share;
	group->level = level;
	heap_init(&group->lanes, offsetof(struct lane, place), older_lane);
	return group;
}

/* The group whose turn it is: of those that had least, the one with the oldest head. A group that was away does not save
 * up turns: what it had less than the clock does not count. */
static struct group *turn_of(struct level *level)
{
	struct group *group = heap_first(&level->ahead);

	if (!level->eligible.count && group)
		level->clock = group->used;
	while (group && group->used <= level->clock) {
		heap_remove(&level->ahead, group);
		group->where = GROUP_ELIGIBLE;
		heap_add(&level->eligible, group);
		group = heap_first(&level->ahead);
	}
	return heap_first(&level->eligible);
}

/* ---- shares ---- */

static void share_free(struct lanes *lanes, struct share *share)
{
	for (int level = 0; level < LEVELS; level++) {
		if (!share->groups[level])
			continue;
		heap_free(&share->groups[level]->lanes);
		free(share->groups[level]);
	}
	HASH_DEL(lanes->shares, share);
	free(share);
}

/* A project without lanes that had no more than others would begin at the clock anyway. */
static bool says_nothing(const struct lanes *lanes, const struct share *share)
{
	bool ahead = share->lanes > 0 || share->weight != 1.0;

	for (int level = 0; level < LEVELS && !ahead; level++)
		ahead = share->groups[level] && share->groups[level]->used > lanes->levels[level].clock;
	return !ahead;
}

static void sweep_shares(struct lanes *lanes)
{
	struct share *share, *next;

	HASH_ITER(hh, lanes->shares, share, next)
		if (says_nothing(lanes, share))
			share_free(lanes, share);
	lanes->sweep_at = 2 * HASH_COUNT(lanes->shares) + SHARES_LEAST;
}

static struct share *share_of(struct lanes *lanes, uint32_t project)
{
	struct share *share;

	HASH_FIND(hh, lanes->shares, &project, sizeof project, share);
	if (share)
		return share;
	if (HASH_COUNT(lanes->shares) >= lanes->sweep_at)
		sweep_shares(lanes);
	share = fnr_alloc(sizeof *share);
	share->project = project;
	share->weight = 1.0;
	HASH_ADD(hh, lanes->shares, project, sizeof share->project, share);
	return share;
}

void lanes_weigh(struct lanes *lanes, uint32_t project, double weight)
{
	share_of(lanes, project)->weight = weight;
}

/* ---- gates ---- */

static struct gate *gate_of(struct lanes *lanes, enum lanes_gate kind, uint32_t number)
{
	struct gate *gate, wanted = { .id = { kind, number } };

	HASH_FIND(hh, lanes->gates, &wanted.id, sizeof wanted.id, gate);
	if (gate)
		return gate;
	gate = fnr_alloc(sizeof *gate);
	gate->id = wanted.id;
	HASH_ADD(hh, lanes->gates, id, sizeof gate->id, gate);
	return gate;
}

static void gate_leave(struct lanes *lanes, struct gate *gate)
{
	if (gate->users || gate->reasons || gate->parked)
		return;
	HASH_DEL(lanes->gates, gate);
	free(gate);
}

static struct gate *closed_gate(const struct lane *lane)
{
	for (int i = 0; i < LANE_GATES; i++)
		if (lane->gates[i]->reasons)
			return lane->gates[i];
	return NULL;
}

/* ---- lanes among the others, or beside them ---- */

static int level_of(const struct lanes *lanes, const struct lane *lane)
{
	int64_t waited = lanes->now > lane->since ? lanes->now - lane->since : 0;
	int64_t priority = lane->head.key.priority + waited / LANES_AGE_MS;
	bool first = lanes->first_queue && lane->head.key.queue == lanes->first_queue;

	return (int)(priority < PRIORITIES ? priority : PRIORITIES - 1) + (first ? PRIORITIES : 0);
}

static int64_t rises_at(const struct lanes *lanes, const struct lane *lane)
{
	int64_t waited = lanes->now > lane->since ? lanes->now - lane->since : 0;

	return lane->head.key.priority + waited / LANES_AGE_MS < PRIORITIES - 1 ? lane->since + (waited / LANES_AGE_MS + 1) * LANES_AGE_MS : INT64_MAX;
}

static void join(struct lanes *lanes, struct lane *lane)
{
	lane->group = group_of(lane->share, level_of(lanes, lane));
	lane->rises_at = rises_at(lanes, lane);
	group_out(lanes, lane->group);
	heap_add(&lane->group->lanes, lane);
	group_in(lanes, lane->group);
	heap_add(&lanes->ages, lane);
}

static void leave(struct lanes *lanes, struct lane *lane)
{
	group_out(lanes, lane->group);
	heap_remove(&lane->group->lanes, lane);
	group_in(lanes, lane->group);
	heap_remove(&lanes->ages, lane);
}

static void park(struct lanes *lanes, struct lane *lane, struct gate *gate)
{
	leave(lanes, lane);
	lane->parked_at = gate;
	DL_APPEND(gate->parked, lane);
}

static void unpark(struct lane *lane)
{
	DL_DELETE(lane->parked_at->parked, lane);
	lane->parked_at = NULL;
}

void lanes_close(struct lanes *lanes, enum lanes_gate kind, uint32_t number, enum lanes_reason reason)
{
	gate_of(lanes, kind, number)->reasons |= reason;
}

void lanes_open(struct lanes *lanes, enum lanes_gate kind, uint32_t number, enum lanes_reason reason)
{
	struct gate *gate = gate_of(lanes, kind, number);

	gate->reasons &= ~(unsigned)reason;
	while (!gate->reasons && gate->parked) {
		struct lane *lane = gate->parked;

		unpark(lane);
		join(lanes, lane);
	}
	gate_leave(lanes, gate);
}

/* ---- the lanes ---- */

struct lanes *lanes_create(void)
{
	struct lanes *lanes = fnr_alloc(sizeof *lanes);

	for (int level = 0; level < LEVELS; level++) {
		heap_init(&lanes->levels[level].eligible, offsetof(struct group, place), older_group);
		heap_init(&lanes->levels[level].ahead, offsetof(struct group, place), behind_less);
	}
	heap_init(&lanes->ages, offsetof(struct lane, age_place), rises_before);
	lanes->sweep_at = SHARES_LEAST;
	return lanes;
}

static void forget(struct lanes *lanes, struct lane *lane)
{
	struct gate *parked_at = lane->parked_at;

	if (parked_at)
		unpark(lane);
	else
		leave(lanes, lane);
	for (int i = 0; i < LANE_GATES; i++) {
		lane->gates[i]->users--;
		gate_leave(lanes, lane->gates[i]);
	}
	if (parked_at && parked_at->id.gate == GATE_OTHER)
		gate_leave(lanes, parked_at);
	lane->share->lanes--;
	HASH_DEL(lanes->by_key, lane);
	free(lane);
}

void lanes_clear(struct lanes *lanes)
{
	struct lane *lane, *next;

	HASH_ITER(hh, lanes->by_key, lane, next)
		forget(lanes, lane);
}

void lanes_free(struct lanes *lanes)
{
	struct share *share, *next_share;
	struct gate *gate, *next_gate;

	if (!lanes)
		return;
	lanes_clear(lanes);
	HASH_ITER(hh, lanes->shares, share, next_share)
		share_free(lanes, share);
	HASH_ITER(hh, lanes->gates, gate, next_gate) {
		HASH_DEL(lanes->gates, gate);
		free(gate);
	}
	for (int level = 0; level < LEVELS; level++) {
		heap_free(&lanes->levels[level].eligible);
		heap_free(&lanes->levels[level].ahead);
	}
	heap_free(&lanes->ages);
	free(lanes);
}

void lanes_first_queue(struct lanes *lanes, uint16_t queue)
{
	lanes->first_queue = queue;
}

size_t lanes_count(const struct lanes *lanes)
{
	return HASH_COUNT(lanes->by_key);
}

/* A key as it is hashed: its holes are part of that. */
static void key_fill(struct lane_key *out, const struct lane_key *key)
{
	memset(out, 0, sizeof *out);
	out->queue = key->queue;
	out->priority = key->priority;
	out->project = key->project;
	out->class_ = key->class_;
}

static struct lane *find(const struct lanes *lanes, const struct lane_key *key)
{
	struct lane_key id;
	struct lane *lane;

	key_fill(&id, key);
	HASH_FIND(hh, lanes->by_key, &id, sizeof id, lane);
	return lane;
}

static void set_head(struct lanes *lanes, struct lane *lane, const struct lane_head *head, int64_t since)
{
	if (!lane->parked_at)
		leave(lanes, lane);
	lane->head = *head;
	lane->since = since;
	if (!lane->parked_at)
		join(lanes, lane);
}

void lanes_put(struct lanes *lanes, const struct lane_head *job, uint32_t template_, unsigned tier, int64_t since)
{
	const uint32_t numbers[LANE_GATES] = { [GATE_QUEUE] = job->key.queue, [GATE_PROJECT] = job->key.project, [GATE_TEMPLATE] = template_,
	                                       [GATE_TIER] = tier };
	struct lane *lane = find(lanes, &job->key);

	if (lane) {
		if (job->seq < lane->head.seq)
			set_head(lanes, lane, job, since);
		return;
	}
	lane = fnr_alloc(sizeof *lane);
	key_fill(&lane->id, &job->key);
	lane->head = *job;
	lane->since = since;
	lane->share = share_of(lanes, job->key.project);
	lane->share->lanes++;
	for (int i = 0; i < LANE_GATES; i++) {
		lane->gates[i] = gate_of(lanes, (enum lanes_gate)i, numbers[i]);
		lane->gates[i]->users++;
	}
	HASH_ADD(hh, lanes->by_key, id, sizeof lane->id, lane);
	join(lanes, lane);
}

void lanes_advance(struct lanes *lanes, const struct lane_head *head, int64_t since)
{
	struct lane *lane = find(lanes, &head->key);

	FNR_MUST(lane != NULL);
	set_head(lanes, lane, head, since);
}

void lanes_drop(struct lanes *lanes, const struct lane_key *key)
{
	struct lane *lane = find(lanes, key);

	if (lane)
		forget(lanes, lane);
}

void lanes_park(struct lanes *lanes, const struct lane_key *key, uint32_t number)
{
	struct lane *lane = find(lanes, key);
	struct gate *gate = gate_of(lanes, GATE_OTHER, number);

	if (lane && !lane->parked_at && gate->reasons)
		park(lanes, lane, gate);
	gate_leave(lanes, gate);
}

/* ---- whose turn it is ---- */

static void let_rise(struct lanes *lanes)
{
	struct lane *lane;

	while ((lane = heap_first(&lanes->ages)) && lane->rises_at <= lanes->now) {
		leave(lanes, lane);
		join(lanes, lane);
	}
}

bool lanes_next(struct lanes *lanes, int64_t now, struct lane_head *head_r)
{
	lanes->now = now > lanes->now ? now : lanes->now;
	let_rise(lanes);
	for (int level = LEVELS - 1; level >= 0; level--) {
		struct group *group;

		while ((group = turn_of(&lanes->levels[level]))) {
			struct lane *lane = heap_first(&group->lanes);
			struct gate *gate = closed_gate(lane);

			if (!gate) {
				*head_r = lane->head;
				return true;
			}
			park(lanes, lane, gate);
		}
	}
	return false;
}

int lanes_level(const struct lanes *lanes, const struct lane_key *key)
{
	const struct lane *lane = find(lanes, key);

	return lane && !lane->parked_at ? lane->group->level : -1;
}

void lanes_took(struct lanes *lanes, const struct lane_key *key, int64_t now)
{
	struct lane *lane = find(lanes, key);
	struct level *level;
	struct group *group;

	(void)now;
	FNR_MUST(lane != NULL && !lane->parked_at);
	group = lane->group;
	level = &lanes->levels[group->level];
	group_out(lanes, group);
	if (group->used > level->clock)
		level->clock = group->used;
	group->used = level->clock + 1.0 / group->share->weight;
	group_in(lanes, group);
}
