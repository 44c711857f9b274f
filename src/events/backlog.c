#include "events/backlog.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define RING_LEAST 4
#define RING_KEPT 32     /* a ring larger than this is given back when it is empty */
#define SEEN_SIZE (2 * BACKLOG_MOST)

static struct message **place(struct backlog *backlog, uint32_t index)
{
	return &backlog->ring[(backlog->first + index) & (backlog->size - 1)];
}

static void grow(struct backlog *backlog)
{
	uint32_t size = backlog->size ? 2 * backlog->size : RING_LEAST;
	struct message **ring = fnr_alloc(size * sizeof *ring);

	for (uint32_t i = 0; i < backlog->count; i++)
		ring[i] = *place(backlog, i);
	free(backlog->ring);
	backlog->ring = ring;
	backlog->first = 0;
	backlog->size = size;
}

static void forget(struct backlog *backlog, struct message *message)
{
	if (message->counted)
		backlog->bytes -= message->len;
	message_drop(message);
}

/* Has a progress message of this job been met? Remembers it. `seen` is a hash table of numbers (index + 1) of the ring. */
static bool met(struct backlog *backlog, uint16_t *seen, uint32_t index, const struct message *message)
{
	uint32_t hash;

	memcpy(&hash, message->job.bytes + 12, sizeof hash);
	for (uint32_t slot = hash * 2654435761u % SEEN_SIZE;; slot = (slot + 1) % SEEN_SIZE) {
		if (!seen[slot]) {
			seen[slot] = (uint16_t)(index + 1);
			return false;
		}
		if (fnr_id_compare(&(*place(backlog, seen[slot] - 1u))->job, &message->job) == 0)
			return true;
	}
}

/* Walks from the newest to the oldest and moves what stays to the end. A message that is partly sent stays. */
static void coalesce(struct backlog *backlog)
{
	uint16_t seen[SEEN_SIZE] = { 0 };
	uint32_t to = backlog->count;

	for (uint32_t i = backlog->count; i-- > 0;) {
		struct message *message = *place(backlog, i);
		bool begun = i == 0 && backlog->sent > 0;

		if (message->progress && !begun && met(backlog, seen, to - 1, message)) {
			forget(backlog, message);
			continue;
		}
		*place(backlog, --to) = message;
	}
	backlog->first = (backlog->first + to) & (backlog->size - 1);
	backlog->count -= to;
}

static bool full(const struct backlog *backlog, uint32_t messages)
{
	return backlog->count >= messages || backlog->bytes > BACKLOG_BYTES;
}

bool backlog_add(struct backlog *backlog, struct message *message)
{
	if (full(backlog, BACKLOG_MOST)) {
		coalesce(backlog);
		/* Some room must come of it, or every further message would cost another walk. */
		if (full(backlog, BACKLOG_MOST - BACKLOG_MOST / 8)) {
			message_drop(message);
			return false;
		}
	}
	if (backlog->count == backlog->size)
		grow(backlog);
	*place(backlog, backlog->count++) = message;
	if (message->counted)
		backlog->bytes += message->len;
	return true;
}

static void drop_first(struct backlog *backlog)
{
	struct message *message = *place(backlog, 0);

	backlog->first = (backlog->first + 1) & (backlog->size - 1);
	backlog->count--;
	backlog->sent = 0;
	forget(backlog, message);
	if (backlog->count == 0 && backlog->size > RING_KEPT)
		backlog_free(backlog);
}

size_t backlog_read(struct backlog *backlog, char *out, size_t size)
{
	size_t moved = 0;

	while (backlog->count && moved < size) {
		struct message *message = *place(backlog, 0);
		size_t part = message->len - backlog->sent;

		if (part > size - moved)
			part = size - moved;
		memcpy(out + moved, message->text + backlog->sent, part);
		moved += part;
		backlog->sent += part;
		if (backlog->sent == message->len)
			drop_first(backlog);
	}
	return moved;
}

void backlog_cut(struct backlog *backlog)
{
	uint32_t keep = backlog->sent > 0;

	while (backlog->count > keep)
		forget(backlog, *place(backlog, --backlog->count));
}

void backlog_free(struct backlog *backlog)
{
	for (uint32_t i = 0; i < backlog->count; i++)
		message_drop(*place(backlog, i));
	free(backlog->ring);
	memset(backlog, 0, sizeof *backlog);
}
