#include "config.h"

#include "queue/lanes.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SHARES_KEPT 256

/* What a project has had, at each effective priority, in turns (virtual time). */
struct share {
	uint32_t project;
	unsigned lanes;                 /* that point here */
	double weight;
	double used[LANES_LEVELS];
};

struct lane {
	struct lane_head head;
	int64_t since;
	enum lane_reason reason;
	struct share *share;
};

/* Both arrays are sorted by key: they are searched for each job, and changed far less often. */
struct lanes {
	struct lane *items;
	size_t count, size;
	struct share **shares;
	size_t share_count, share_size;
	double clock[LANES_LEVELS];     /* virtual time of the turn that was given last */
	uint16_t first_queue;
	uint16_t paused[LANES_PAUSED];
	size_t paused_count;
};

struct lanes *lanes_create(void)
{
	return fnr_alloc(sizeof(struct lanes));
}

void lanes_free(struct lanes *lanes)
{
	if (!lanes)
		return;
	for (size_t i = 0; i < lanes->share_count; i++)
		free(lanes->shares[i]);
	free(lanes->shares);
	free(lanes->items);
	free(lanes);
}

void lanes_clear(struct lanes *lanes)
{
	for (size_t i = 0; i < lanes->count; i++)
		lanes->items[i].share->lanes--;
	lanes->count = 0;
}

void lanes_first_queue(struct lanes *lanes, uint16_t queue)
{
	lanes->first_queue = queue;
}

static size_t place_of_paused(const struct lanes *lanes, uint16_t queue)
{
	size_t place = 0;

	while (place < lanes->paused_count && lanes->paused[place] != queue)
		place++;
	return place;
}

void lanes_pause(struct lanes *lanes, uint16_t queue, bool paused)
{
	size_t place = place_of_paused(lanes, queue);

	if (paused && place == lanes->paused_count && place < LANES_PAUSED)
		lanes->paused[lanes->paused_count++] = queue;
	else if (!paused && place < lanes->paused_count)
		lanes->paused[place] = lanes->paused[--lanes->paused_count];
}

static bool runs(const struct lanes *lanes, const struct lane *lane)
{
	return lane->reason == LANE_RUNS &&
	       (lanes->paused_count == 0 || place_of_paused(lanes, lane->head.key.queue) == lanes->paused_count);
}

bool lanes_ready(const struct lanes *lanes)
{
	for (size_t i = 0; i < lanes->count; i++)
		if (runs(lanes, &lanes->items[i]))
			return true;
	return false;
}

size_t lanes_count(const struct lanes *lanes)
{
	return lanes->count;
}

/* ---- the arrays ---- */

static int compare_keys(const struct lane_key *a, const struct lane_key *b)
{
	if (a->queue != b->queue)
		return a->queue < b->queue ? -1 : 1;
	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	if (a->project != b->project)
		return a->project < b->project ? -1 : 1;
	if (a->class_ != b->class_)
		return a->class_ < b->class_ ? -1 : 1;
	return 0;
}

/* Where the key is, or would be. */
static size_t place_of(const struct lanes *lanes, const struct lane_key *key)
{
	size_t low = 0, high = lanes->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_keys(&lanes->items[middle].head.key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct lane *find(const struct lanes *lanes, const struct lane_key *key)
{
	size_t place = place_of(lanes, key);

	if (place == lanes->count || compare_keys(&lanes->items[place].head.key, key) != 0)
		return NULL;
	return &lanes->items[place];
}

/* Projects without lanes that had no more than others are forgotten: they would begin at the clock anyway. */
static void forget_shares(struct lanes *lanes)
{
	size_t kept = 0;

	for (size_t i = 0; i < lanes->share_count; i++) {
		struct share *share = lanes->shares[i];
		bool ahead = share->lanes > 0 || share->weight != 1.0;

		for (int level = 0; level < LANES_LEVELS; level++)
			ahead |= share->used[level] > lanes->clock[level];
		if (ahead)
			lanes->shares[kept++] = share;
		else
			free(share);
	}
	lanes->share_count = kept;
}

static struct share *share_of(struct lanes *lanes, uint32_t project)
{
	size_t low = 0, high;
	struct share *share;

	if (lanes->share_count == lanes->share_size && lanes->share_count >= SHARES_KEPT)
		forget_shares(lanes);
	high = lanes->share_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (lanes->shares[middle]->project < project)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < lanes->share_count && lanes->shares[low]->project == project)
		return lanes->shares[low];
	if (lanes->share_count == lanes->share_size) {
		lanes->share_size = lanes->share_size ? lanes->share_size * 2 : 16;
		lanes->shares = fnr_realloc(lanes->shares, lanes->share_size * sizeof *lanes->shares);
	}
	memmove(&lanes->shares[low + 1], &lanes->shares[low], (lanes->share_count - low) * sizeof *lanes->shares);
	share = fnr_alloc(sizeof *share);
	share->project = project;
	share->weight = 1.0;
	lanes->shares[low] = share;
	lanes->share_count++;
	return share;
}

void lanes_weigh(struct lanes *lanes, uint32_t project, double weight)
{
	share_of(lanes, project)->weight = weight;
}

/* ---- lanes ---- */

void lanes_put(struct lanes *lanes, const struct lane_head *job, int64_t since)
{
	struct lane *lane = find(lanes, &job->key);
	size_t place;

	if (lane) {
		if (job->seq < lane->head.seq) {
			lane->head = *job;
			lane->since = since;
		}
		return;
	}
	if (lanes->count == lanes->size) {
		lanes->size = lanes->size ? lanes->size * 2 : 64;
		lanes->items = fnr_realloc(lanes->items, lanes->size * sizeof *lanes->items);
	}
	place = place_of(lanes, &job->key);
	memmove(&lanes->items[place + 1], &lanes->items[place], (lanes->count - place) * sizeof *lanes->items);
	lanes->count++;
	lanes->items[place] = (struct lane){ .head = *job, .since = since, .share = share_of(lanes, job->key.project) };
	lanes->items[place].share->lanes++;
}

void lanes_advance(struct lanes *lanes, const struct lane_head *head, int64_t since)
{
	struct lane *lane = find(lanes, &head->key);

	FNR_MUST(lane != NULL);
	lane->head = *head;
	lane->since = since;
}

void lanes_drop(struct lanes *lanes, const struct lane_key *key)
{
	struct lane *lane = find(lanes, key);
	size_t place;

	if (!lane)
		return;
	lane->share->lanes--;
	place = (size_t)(lane - lanes->items);
	memmove(lane, lane + 1, (lanes->count - place - 1) * sizeof *lane);
	lanes->count--;
}

void lanes_park(struct lanes *lanes, const struct lane_key *key, enum lane_reason reason)
{
	struct lane *lane = find(lanes, key);

	if (lane)
		lane->reason = reason;
}

void lanes_wake(struct lanes *lanes, enum lane_reason reason)
{
	for (size_t i = 0; i < lanes->count; i++)
		if (lanes->items[i].reason == reason)
			lanes->items[i].reason = LANE_RUNS;
}

/* ---- order ---- */

static int level_of(const struct lane *lane, int64_t now)
{
	int64_t waited = now > lane->since ? now - lane->since : 0;
	int64_t level = lane->head.key.priority + waited / LANES_AGE_MS;

	return level < LANES_LEVELS ? (int)level : LANES_LEVELS - 1;
}

/* When this project's next turn starts; one that was away does not save up turns. */
static double start_of(const struct lanes *lanes, const struct share *share, int level)
{
	return share->used[level] > lanes->clock[level] ? share->used[level] : lanes->clock[level];
}

struct rank { bool first; int level; double start; uint64_t seq; };

static bool before(const struct rank *a, const struct rank *b)
{
	if (a->first != b->first)
		return a->first;
	if (a->level != b->level)
		return a->level > b->level;
	if (a->start != b->start)
		return a->start < b->start;
	return a->seq < b->seq;
}

bool lanes_next(const struct lanes *lanes, int64_t now, struct lane_head *head_r)
{
	const struct lane *best = NULL;
	struct rank best_rank = { 0 };

	for (size_t i = 0; i < lanes->count; i++) {
		const struct lane *lane = &lanes->items[i];
		struct rank rank = { .level = level_of(lane, now), .seq = lane->head.seq };

		if (!runs(lanes, lane))
			continue;
		rank.first = lanes->first_queue != 0 && lane->head.key.queue == lanes->first_queue;
		rank.start = start_of(lanes, lane->share, rank.level);
		if (best && !before(&rank, &best_rank))
			continue;
		best = lane;
		best_rank = rank;
	}
	if (best)
		*head_r = best->head;
	return best != NULL;
}

void lanes_took(struct lanes *lanes, const struct lane_key *key, int64_t now)
{
	struct lane *lane = find(lanes, key);
	int level;
	double start;

	FNR_MUST(lane != NULL);
	level = level_of(lane, now);
	start = start_of(lanes, lane->share, level);
	lanes->clock[level] = start;
	lane->share->used[level] = start + 1.0 / lane->share->weight;
}
