#include "api/committer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "base/text.h"

#define LOOK_EVERY_MS 1000
#define COUNT_EVERY_MS 5000        /* counting walks the store's free list */
#define IDLE_MS 1000
#define DATA_KEEP (1u << 20)       /* a round's memory above this is given back */
#define FULL_RETRY_S 60
#define TROUBLE_RETRY_S 2
#define META_TAKE_OVERS "take_overs"

static void step(struct committer *committer, enum committer_step at)
{
	if (committer->step)
		committer->step(at);
}

/* ---- limits ---- */

static void refresh_conf(struct committer *committer)
{
	int level;

	if (!slots_conf_read(committer->slots, &committer->conf_generation, &committer->conf))
		return;
	level = fnr_log_level_parse(committer->conf.log_level);
	fnr_log_init("api", level < 0 ? FNR_LOG_INFO : (enum fnr_log_level)level);
}

static void look_at_limits(struct committer *committer)
{
	int64_t now = fnr_mono_ms();
	struct op_limits *limits = &committer->limits;
	const struct fnr_conf *conf = &committer->conf;
	bool was_full = limits->full;
	uint64_t free_bytes;

	refresh_conf(committer);
	committer->looked_at = now;
	if (!committer->counted_at || now - committer->counted_at >= COUNT_EVERY_MS) {
		committer->bytes_used = store_bytes_used(committer->store);
		committer->counted_at = now;
	}
	free_bytes = fnr_disk_free("store");
	limits->waiting_most = (uint64_t)conf->job_max_waiting;
	limits->project_most = (uint64_t)conf->job_max_waiting_project;
	limits->key_most = (uint64_t)conf->job_max_waiting_key;
	limits->full = true;
	if (store_room(committer->store) < STORE_RESERVE)
		snprintf(limits->reason, sizeof limits->reason, "the disk of the store is full; free some space there");
	else if (committer->bytes_used >= (uint64_t)conf->store_max_bytes)
		snprintf(limits->reason, sizeof limits->reason, "the store has reached store.max_bytes (%" PRId64 "); "
		         "delete finished jobs, or raise it", conf->store_max_bytes);
	else if (free_bytes < (uint64_t)conf->disk_min_free)
		snprintf(limits->reason, sizeof limits->reason, "less than disk.min_free (%" PRId64 " bytes) is free on the disk, or there is hardly room for a file",
		         conf->disk_min_free);
	else
		limits->full = false;
	if (limits->full != was_full)
		fnr_log(limits->full ? FNR_LOG_ERROR : FNR_LOG_INFO, NULL, "%s",
		        limits->full ? limits->reason : "there is room for new work again");
}

/* ---- a round ---- */

static int load(struct committer *committer, long slot, struct fnr_error *err)
{
	int code;

	if (!slots_deadly(committer->slots, (size_t)slot)) {
		slots_set_at_hand(committer->slots, slot);
		code = slots_load(committer->slots, (size_t)slot, &committer->data, err);
		slots_set_at_hand(committer->slots, -1);
		if (code != FNR_OK)
			fnr_err(NULL, "a posted operation cannot be read: %s", err->message);
		return code;
	}
	fnr_err(NULL, "event=request.deadly operation=%s: committers died of it again and again, so it was refused, and nothing of it is stored; please report it, with "
	        "what the log says of their ends", op_name(slots_kind(committer->slots, (size_t)slot)));
	return fnr_fail(err, FNR_E_INTERNAL, "the program that stores requests died of this one again and again, so it was refused; nothing was changed. Please report it");
}

static void add_to_round(struct committer *committer, long slot)
{
	struct op_round_entry *entry = &committer->entries[committer->count];
	struct fnr_error err = FNR_ERROR_INIT;

	committer->taken[committer->count] = slot;
	memset(entry, 0, sizeof *entry);
	memcpy(entry->request, slots_request(committer->slots, (size_t)slot), sizeof entry->request);
	committer->broken[committer->count] = load(committer, slot, &err);
	fnr_text_copy(entry->reply.message, sizeof entry->reply.message, err.message);
	fnr_error_clear(&err);
	committer->count++;
	committer->begin[committer->count] = committer->data.len;
}

static void take_posted(struct committer *committer, bool files)
{
	long slot = -1;

	while (committer->count < SLOTS_MOST && (slot = slots_take(committer->slots, (size_t)(slot + 1), files)) >= 0)
		add_to_round(committer, slot);
}

static void round_end(struct committer *committer)
{
	committer->count = 0;
	committer->ring = false;
	if (committer->data.size > DATA_KEEP)
		fnr_buf_free(&committer->data);
	else
		fnr_buf_reset(&committer->data);
}

static void answer_all(struct committer *committer)
{
	for (size_t i = 0; i < committer->count; i++) {
		slots_answer(committer->slots, (size_t)committer->taken[i], &committer->entries[i].reply);
		step(committer, COMMITTER_ANSWERED_ONE);
	}
	round_end(committer);
}

/* Nothing of the round was written. */
static void refuse_all(struct committer *committer, const struct fnr_error *err)
{
	bool full = err->code == FNR_E_FULL;

	fnr_err(NULL, "a round of %zu could not be written: %s", committer->count, err->message);
	for (size_t i = 0; i < committer->count; i++) {
		struct op_reply *reply = &committer->entries[i].reply;

		memset(reply, 0, sizeof *reply);
		reply->code = full ? FNR_E_FULL : FNR_E_UNAVAILABLE;
		reply->retry_after_s = full ? FULL_RETRY_S : TROUBLE_RETRY_S;
		snprintf(reply->message, sizeof reply->message, "nothing was stored: %.130s", err->message);
	}
	answer_all(committer);
}

/* One request in a child transaction, so that a bad one does not spoil the round. True if it was accepted. */
static bool apply_one(struct committer *committer, struct store_txn *txn, size_t i, int64_t now)
{
	struct op_reply *reply = &committer->entries[i].reply;
	const char *data = committer->data.data + committer->begin[i];
	size_t len = committer->begin[i + 1] - committer->begin[i];
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *child;
	bool ring;

	if (committer->broken[i] != FNR_OK) {
		reply->code = committer->broken[i];
		return false;
	}
	child = store_child(txn, &err);
	if (!child) {
		reply->code = err.code;
		fnr_text_copy(reply->message, sizeof reply->message, err.message);
		return false;
	}
	ring = op_apply(child, data, len, now, &committer->limits, reply);
	if (reply->code != FNR_OK) {
		store_abort(child);
		return false;
	}
	if (store_commit(child, &err) != FNR_OK) {
		memset(reply, 0, sizeof *reply);
		reply->code = err.code;
		fnr_text_copy(reply->message, sizeof reply->message, err.message);
		return false;
	}
	committer->ring |= ring;
	return true;
}

/* What is left is for the manager. */
static struct store_txn *begin_round(struct committer *committer, struct fnr_error *err)
{
	if (store_room(committer->store) >= STORE_RESERVE_ASKED)
		return store_write(committer->store, err);
	fnr_fail(err, FNR_E_FULL, "the disk of the store is full");
	return NULL;
}

/* FNR_OK: all that was accepted is on disk. */
static int write_round(struct committer *committer, struct store_txn *txn, struct fnr_error *err)
{
	int64_t now = fnr_now_ms();
	bool accepted = false;
	int code;

	for (size_t i = 0; i < committer->count; i++) {
		slots_set_at_hand(committer->slots, committer->taken[i]);
		step(committer, COMMITTER_APPLYING);
		accepted |= apply_one(committer, txn, i, now);
	}
	slots_set_at_hand(committer->slots, -1);
	step(committer, COMMITTER_APPLIED);
	if (!accepted) {                   /* refusals need no disk */
		store_abort(txn);
		return FNR_OK;
	}
	code = op_round_put(txn, committer->entries, committer->count, err);
	if (code != FNR_OK) {
		store_abort(txn);
		return code;
	}
	return store_commit(txn, err);
}

bool committer_round(struct committer *committer)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_txn *txn;
	int code;

	take_posted(committer, true);
	if (committer->count == 0)
		return true;
	step(committer, COMMITTER_TOOK);
	if (fnr_mono_ms() - committer->looked_at >= LOOK_EVERY_MS)
		look_at_limits(committer);
	txn = begin_round(committer, &err);
	if (txn) {
		take_posted(committer, false);       /* who came while the manager held the lock rides along */
		code = write_round(committer, txn, &err);
	} else {
		code = err.code != FNR_OK ? err.code : FNR_E_IO;
	}
	if (code != FNR_OK) {
		refuse_all(committer, &err);
		fnr_error_clear(&err);
		return code == FNR_E_FULL;           /* else the environment may be unusable from now on */
	}
	step(committer, COMMITTER_COMMITTED);
	if (committer->ring)
		fnr_bell_ring(FNR_BELL_MANAGER);
	answer_all(committer);
	return true;
}

/* ---- the process ---- */

/* Sorts what the predecessor had taken into what it had committed and what goes into the first round. */
static size_t look_up_taken(struct committer *committer, struct store_txn *txn)
{
	size_t found = 0;
	long slot = -1;

	while ((slot = slots_taken(committer->slots, (size_t)(slot + 1))) >= 0) {
		struct op_round_entry *entry = &committer->entries[found];

		if (op_round_find(txn, slots_request(committer->slots, (size_t)slot), &entry->reply))
			committer->taken[found++] = slot;
	}
	return found;
}

/* A predecessor that was killed in the middle of a commit may have written all of it, with nobody knowing: what readers
 * see is moved on behind the write, and only the next one who gets the write lock puts that right. So this looks from
 * within a write transaction, whatever a read one would show. Nor is it certain that the kill let the flush end: what is
 * found is confirmed only when a commit of our own has flushed everything before it. */
static int take_over(struct committer *committer, struct fnr_error *err)
{
	struct store_txn *txn;
	long slot = -1;
	int code;

	if (slots_taken(committer->slots, 0) < 0)
		return FNR_OK;
	txn = store_write(committer->store, err);
	if (!txn)
		return err && err->code != FNR_OK ? err->code : FNR_E_IO;
	committer->count = look_up_taken(committer, txn);
	code = store_meta_put(txn, META_TAKE_OVERS, store_meta_get(txn, META_TAKE_OVERS) + 1, err);
	if (code != FNR_OK) {
		store_abort(txn);
		return code;
	}
	code = store_commit(txn, err);
	if (code != FNR_OK)
		return code;
	fnr_info(NULL, "took over: %zu requests had been written already", committer->count);
	fnr_bell_ring(FNR_BELL_MANAGER);         /* its predecessor may not have come to it */
	answer_all(committer);
	while ((slot = slots_taken(committer->slots, (size_t)(slot + 1))) >= 0)
		add_to_round(committer, slot);
	return FNR_OK;
}

int committer_open(struct committer *committer, struct slots *slots, struct fnr_error *err)
{
	int code;

	memset(committer, 0, sizeof *committer);
	committer->slots = slots;
	refresh_conf(committer);
	code = store_open(&committer->store, true, err);
	if (code == FNR_OK)
		code = take_over(committer, err);
	if (code == FNR_OK)
		look_at_limits(committer);
	return code;
}

void committer_close(struct committer *committer)
{
	store_close(committer->store);
	fnr_buf_free(&committer->data);
	memset(committer, 0, sizeof *committer);
}

static void tend(struct committer *committer)
{
	slots_seen(committer->slots);
	if (slots_clear_readers_asked(committer->slots))
		store_clear_readers(committer->store);
	if (fnr_mono_ms() - committer->looked_at >= LOOK_EVERY_MS)
		look_at_limits(committer);
}

int committer_run(struct slots *slots)
{
	struct committer *committer = fnr_alloc(sizeof *committer);
	struct fnr_error err = FNR_ERROR_INIT;
	bool good = committer_open(committer, slots, &err) == FNR_OK;

	if (!good)
		fnr_err(NULL, "the committer cannot start: %s", err.message);
	while (good) {
		uint32_t bell = slots_bell(slots);
		bool stopping = slots_stopping(slots), worked;

		tend(committer);
		good = committer_round(committer);
		worked = slots_bell(slots) != bell;
		if (stopping && !worked)
			break;
		if (!worked)
			slots_sleep(slots, bell, IDLE_MS);
	}
	committer_close(committer);
	free(committer);
	fnr_error_clear(&err);
	return good ? 0 : 1;
}
