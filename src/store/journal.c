/* What is in the journal. Layouts are at the top of journal.h; an event's value is packed:
 *
 *   u8 version 1, u8 type, id job, id batch, u32 project, u64 time, then the data up to the end
 */
#include "store/journal_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/pack.h"

#define EVENT_VERSION 1
#define NUMBER_SIZE 8
#define META_BREAK ".break"        /* number of the latest break */
#define META_PRUNED ".pruned"      /* up to here no progress events are left */
#define TRIM_LOOKS 20000           /* rows looked at in one go */

/* ---- transactions ---- */

struct journal_txn *journal_read(struct journal *journal, struct fnr_error *err)
{
	if (env_read(&journal->env, &journal->read.t, err) != FNR_OK)
		return NULL;
	journal->read.journal = journal;
	return &journal->read;
}

struct journal_txn *journal_write(struct journal *journal, struct fnr_error *err)
{
	struct journal_txn *txn = fnr_alloc(sizeof *txn);

	txn->journal = journal;
	if (env_write(&journal->env, NULL, &txn->t, err) == FNR_OK)
		return txn;
	free(txn);
	return NULL;
}

int journal_commit(struct journal_txn *txn, struct fnr_error *err)
{
	int code = env_commit(&txn->t, err);

	free(txn);
	return code;
}

void journal_end(struct journal_txn *txn)
{
	bool write = txn && txn->t.write;

	if (txn)
		env_end(&txn->t);
	if (write)
		free(txn);
}

/* ---- keys ---- */

static struct key id_number_key(const struct fnr_id *id, uint64_t number)
{
	struct key key = id_key(id);

	key_u64(&key, number);
	return key;
}

static struct key text_key(const char *text)
{
	struct key key = KEY_INIT;

	FNR_MUST(key_fits(text));
	key_text(&key, text);
	return key;
}

/* ---- numbers ---- */

static uint64_t meta_get(struct journal_txn *txn, const char *name)
{
	struct key key = text_key(name);
	MDB_val value;

	if (env_get(&txn->t, JOURNAL_META, &key, &value) != FNR_OK || value.mv_size != NUMBER_SIZE)
		return 0;
	return key_read(value.mv_data, NUMBER_SIZE);
}

static int meta_put(struct journal_txn *txn, const char *name, uint64_t number, struct fnr_error *err)
{
	struct key key = text_key(name), value = number_key(number);

	return env_put(&txn->t, JOURNAL_META, &key, value.data, value.len, err);
}

uint64_t journal_meta_get(struct journal_txn *txn, const char *name)
{
	return meta_get(txn, name);
}

int journal_meta_put(struct journal_txn *txn, const char *name, uint64_t value, struct fnr_error *err)
{
	FNR_MUST(name[0] != '.');
	return meta_put(txn, name, value, err);
}

/* The newest event is never removed, so its number is the highest written. */
uint64_t journal_last_number(struct journal_txn *txn)
{
	struct walk walk;
	uint64_t number = walk_before(&walk, &txn->t, JOURNAL_EVENT, NULL) ? walk_key(&walk, 0, NUMBER_SIZE) : 0;

	walk_end(&walk);
	return number;
}

uint64_t journal_first_number(struct journal_txn *txn)
{
	struct walk walk;
	uint64_t number = walk_from(&walk, &txn->t, JOURNAL_EVENT, NULL) ? walk_key(&walk, 0, NUMBER_SIZE) : 0;

	walk_end(&walk);
	return number;
}

uint64_t journal_last_break(struct journal_txn *txn)
{
	return meta_get(txn, META_BREAK);
}

/* ---- events ---- */

bool journal_event_parse(const MDB_val *key, const MDB_val *value, struct journal_event *event_r)
{
	struct fnr_reader reader = FNR_READER(value->mv_data, value->mv_size);
	uint8_t version = fnr_get_u8(&reader);

	memset(event_r, 0, sizeof *event_r);
	event_r->type = (enum fnr_event)fnr_get_u8(&reader);
	event_r->job = fnr_get_id(&reader);
	event_r->batch = fnr_get_id(&reader);
	event_r->project = fnr_get_u32(&reader);
	event_r->time = (int64_t)fnr_get_u64(&reader);
	if (reader.failed || version != EVENT_VERSION || key->mv_size != NUMBER_SIZE)
		return false;
	event_r->number = key_read(key->mv_data, NUMBER_SIZE);
	event_r->data = (const char *)reader.data + reader.at;
	event_r->data_len = reader.len - reader.at;
	return true;
}

static int add_indexes(struct journal_txn *txn, const struct journal_event *event, struct fnr_error *err)
{
	struct key job = id_number_key(&event->job, event->number), batch = id_number_key(&event->batch, event->number);
	int code = FNR_OK;

	if (!fnr_id_is_none(&event->job))
		code = env_put(&txn->t, JOURNAL_JOB_EVENT, &job, NULL, 0, err);
	if (code == FNR_OK && !fnr_id_is_none(&event->batch))
		code = env_put(&txn->t, JOURNAL_BATCH_EVENT, &batch, NULL, 0, err);
	if (code == FNR_OK && event->type == FNR_EVENT_BREAK)
		code = meta_put(txn, META_BREAK, event->number, err);
	return code;
}

int journal_event_add(struct journal_txn *txn, const struct journal_event *event, struct fnr_error *err)
{
	struct key key = number_key(event->number);
	struct fnr_buf *value = env_scratch(&txn->t);
	int code;

	FNR_MUST(event->number > 0);
	fnr_put_u8(value, EVENT_VERSION);
	fnr_put_u8(value, (uint8_t)event->type);
	fnr_put_id(value, &event->job);
	fnr_put_id(value, &event->batch);
	fnr_put_u32(value, event->project);
	fnr_put_u64(value, (uint64_t)event->time);
	fnr_buf_add(value, event->data, event->data_len);
	code = env_append(&txn->t, JOURNAL_EVENT, &key, value->data, value->len, err);
	return code == FNR_OK ? add_indexes(txn, event, err) : code;
}

size_t journal_events(struct journal_txn *txn, uint64_t after, size_t limit, journal_row *row, void *context)
{
	struct key key = number_key(after + 1);
	struct journal_event event;
	struct walk walk;
	size_t visited = 0;

	if (after == UINT64_MAX)
		return 0;
	for (bool on = walk_from(&walk, &txn->t, JOURNAL_EVENT, &key); on && visited < limit; on = walk_next(&walk)) {
		visited++;
		if (journal_event_parse(&walk.key, &walk.value, &event) && !row(&event, context))
			break;
	}
	walk_end(&walk);
	return visited;
}

/* Index rows whose event is gone do not count. */
static size_t events_of(struct journal_txn *txn, unsigned db, const struct fnr_id *id, uint64_t after, size_t limit,
                        journal_row *row, void *context)
{
	struct key prefix = id_key(id), from = id_number_key(id, after + 1);
	struct journal_event event;
	struct walk walk;
	size_t visited = 0;

	if (after == UINT64_MAX)
		return 0;
	for (bool on = walk_from(&walk, &txn->t, db, &from); on && walk_in(&walk, &prefix) && visited < limit;
	     on = walk_next(&walk)) {
		struct key key = number_key(walk_key(&walk, sizeof *id, NUMBER_SIZE));
		MDB_val k = { .mv_size = key.len, .mv_data = key.data }, value;

		if (env_get(&txn->t, JOURNAL_EVENT, &key, &value) != FNR_OK || !journal_event_parse(&k, &value, &event))
			continue;
		visited++;
		if (!row(&event, context))
			break;
	}
	walk_end(&walk);
	return visited;
}

size_t journal_events_of_job(struct journal_txn *txn, const struct fnr_id *job, uint64_t after, size_t limit,
                             journal_row *row, void *context)
{
	return events_of(txn, JOURNAL_JOB_EVENT, job, after, limit, row, context);
}

size_t journal_events_of_batch(struct journal_txn *txn, const struct fnr_id *batch, uint64_t after, size_t limit,
                               journal_row *row, void *context)
{
	return events_of(txn, JOURNAL_BATCH_EVENT, batch, after, limit, row, context);
}

/* ---- progress, log, preview, live tables ---- */

int journal_progress_put(struct journal_txn *txn, const struct fnr_id *job, const char *json, struct fnr_error *err)
{
	struct key key = id_key(job);

	return env_put_text(&txn->t, JOURNAL_PROGRESS, &key, json, err);
}

int journal_progress_get(struct journal_txn *txn, const struct fnr_id *job, struct fnr_buf *json_r)
{
	struct key key = id_key(job);

	return env_get_text(&txn->t, JOURNAL_PROGRESS, &key, json_r);
}

static uint64_t last_log(struct journal_txn *txn, const struct fnr_id *job)
{
	struct key prefix = id_key(job), end = id_number_key(job, UINT64_MAX);
	struct walk walk;
	uint64_t n = 0;

	if (walk_before(&walk, &txn->t, JOURNAL_LOG, &end) && walk_in(&walk, &prefix))
		n = walk_key(&walk, sizeof *job, NUMBER_SIZE);
	walk_end(&walk);
	return n;
}

int journal_log_add(struct journal_txn *txn, const struct fnr_id *job, int64_t time, const char *level,
                    const char *text, uint64_t *n_r, struct fnr_error *err)
{
	uint64_t n = last_log(txn, job) + 1;
	struct key key = id_number_key(job, n);
	struct json_object *line = json_object_new_object();
	int code;

	fnr_json_set_int(line, "n", (int64_t)n);
	fnr_json_set_time(line, "time", time);
	fnr_json_set_text(line, "level", level);
	fnr_json_set_text(line, "text", text);
	code = env_put_text(&txn->t, JOURNAL_LOG, &key, fnr_json_text(line, NULL), err);
	json_object_put(line);
	if (n_r)
		*n_r = n;
	return code;
}

size_t journal_log(struct journal_txn *txn, const struct fnr_id *job, uint64_t after, size_t limit,
                   journal_log_row *row, void *context)
{
	struct key prefix = id_key(job), from = id_number_key(job, after + 1);
	struct walk walk;
	size_t visited = 0;

	if (after == UINT64_MAX)
		return 0;
	for (bool on = walk_from(&walk, &txn->t, JOURNAL_LOG, &from); on && walk_in(&walk, &prefix) && visited < limit;
	     on = walk_next(&walk)) {
		visited++;
		if (!row(walk_key(&walk, sizeof *job, NUMBER_SIZE), walk.value.mv_data, walk.value.mv_size, context))
			break;
	}
	walk_end(&walk);
	return visited;
}

int journal_preview_put(struct journal_txn *txn, const struct fnr_id *job, const char *media_type, const void *data,
                        size_t len, struct fnr_error *err)
{
	struct key key = id_key(job);
	struct fnr_buf *value = env_scratch(&txn->t);

	fnr_put_text(value, media_type);
	fnr_buf_add(value, data, len);
	return env_put(&txn->t, JOURNAL_PREVIEW, &key, value->data, value->len, err);
}

int journal_preview_get(struct journal_txn *txn, const struct fnr_id *job, char media_type[64], struct fnr_buf *data_r)
{
	struct key key = id_key(job);
	struct fnr_reader reader;
	MDB_val value;
	int code = env_get(&txn->t, JOURNAL_PREVIEW, &key, &value);

	media_type[0] = 0;
	fnr_buf_reset(data_r);
	if (code != FNR_OK)
		return code;
	reader = (struct fnr_reader)FNR_READER(value.mv_data, value.mv_size);
	if (!fnr_get_text(&reader, media_type, 64))
		return FNR_E_CORRUPT;
	fnr_buf_add(data_r, reader.data + reader.at, reader.len - reader.at);
	return FNR_OK;
}

int journal_live_put(struct journal_txn *txn, const char *name, const char *json, struct fnr_error *err)
{
	struct key key = text_key(name);
	int code;

	if (json)
		return env_put_text(&txn->t, JOURNAL_LIVE, &key, json, err);
	code = env_delete(&txn->t, JOURNAL_LIVE, &key, err);
	return code == FNR_E_NOT_FOUND ? FNR_OK : code;
}

size_t journal_live(struct journal_txn *txn, const char *prefix, store_text_row *row, void *context)
{
	struct key key = KEY_INIT;
	char name[KEY_TEXT + 1];
	struct walk walk;
	size_t visited = 0;

	key_bytes(&key, prefix, strnlen(prefix, KEY_TEXT));
	for (bool on = walk_from(&walk, &txn->t, JOURNAL_LIVE, &key); on && walk_in(&walk, &key); on = walk_next(&walk)) {
		visited++;
		if (walk.key.mv_size > KEY_TEXT)
			continue;
		memcpy(name, walk.key.mv_data, walk.key.mv_size);
		name[walk.key.mv_size] = 0;
		if (!row(name, walk.value.mv_data, walk.value.mv_size, context))
			break;
	}
	walk_end(&walk);
	return visited;
}

/* ---- removing ---- */

/* Rows are gathered first: nothing is removed below an open cursor. */
struct doomed { uint64_t number; struct fnr_id job, batch; };

/* Returns how many were removed; less than count only when writing failed. */
static size_t remove_events(struct journal_txn *txn, const struct doomed *doomed, size_t count, struct fnr_error *err)
{
	for (size_t i = 0; i < count; i++) {
		struct key number = number_key(doomed[i].number);
		struct key job = id_number_key(&doomed[i].job, doomed[i].number);
		struct key batch = id_number_key(&doomed[i].batch, doomed[i].number);
		int code = env_delete(&txn->t, JOURNAL_EVENT, &number, err);

		if ((code == FNR_OK || code == FNR_E_NOT_FOUND) && !fnr_id_is_none(&doomed[i].job))
			code = env_delete(&txn->t, JOURNAL_JOB_EVENT, &job, err);
		if ((code == FNR_OK || code == FNR_E_NOT_FOUND) && !fnr_id_is_none(&doomed[i].batch))
			code = env_delete(&txn->t, JOURNAL_BATCH_EVENT, &batch, err);
		if (code != FNR_OK && code != FNR_E_NOT_FOUND)
			return i;
	}
	return count;
}

/* A row that cannot be read is doomed without its index rows; these are passed over when read. */
static struct doomed doom(const struct walk *walk, const struct journal_event *event)
{
	return (struct doomed){ .number = walk_key(walk, 0, NUMBER_SIZE), .job = event->job, .batch = event->batch };
}

static bool is_progress(const struct journal_event *event)
{
	return event->type == FNR_EVENT_JOB_PROGRESS || event->type == FNR_EVENT_JOB_PREVIEW;
}

/* The oldest events with a time before `before`, but never the newest event. */
static size_t trim_old(struct journal_txn *txn, int64_t before, size_t limit, struct fnr_error *err)
{
	uint64_t last = journal_last_number(txn);
	struct doomed *doomed = fnr_alloc((limit ? limit : 1) * sizeof *doomed);
	struct journal_event event;
	struct walk walk;
	size_t count = 0;

	for (bool on = walk_from(&walk, &txn->t, JOURNAL_EVENT, NULL); on && count < limit; on = walk_next(&walk)) {
		bool readable = journal_event_parse(&walk.key, &walk.value, &event);

		if (walk_key(&walk, 0, NUMBER_SIZE) >= last || (readable && event.time >= before))
			break;
		doomed[count++] = doom(&walk, &event);
	}
	walk_end(&walk);
	count = remove_events(txn, doomed, count, err);
	free(doomed);
	return count;
}

/* The oldest progress events. Where the search ended is kept, so that the next one does not begin from the start. */
static size_t trim_progress(struct journal_txn *txn, size_t limit, bool *end_r, struct fnr_error *err)
{
	uint64_t last = journal_last_number(txn), pruned = meta_get(txn, META_PRUNED), start = pruned;
	struct doomed *doomed = fnr_alloc((limit ? limit : 1) * sizeof *doomed);
	struct key from = number_key(pruned + 1);
	struct journal_event event;
	struct walk walk;
	size_t count = 0, looked = 0;
	bool on = walk_from(&walk, &txn->t, JOURNAL_EVENT, &from);

	for (; on && count < limit && looked < TRIM_LOOKS; on = walk_next(&walk), looked++) {
		uint64_t number = walk_key(&walk, 0, NUMBER_SIZE);

		if (number >= last)
			break;
		if (journal_event_parse(&walk.key, &walk.value, &event) && is_progress(&event))
			doomed[count++] = doom(&walk, &event);
		pruned = number;
	}
	*end_r = !on || walk_key(&walk, 0, NUMBER_SIZE) >= last;
	walk_end(&walk);
	count = remove_events(txn, doomed, count, err);
	if (pruned != start)
		meta_put(txn, META_PRUNED, pruned, err);
	free(doomed);
	return count;
}

/* The first rows of a database whose rows belong to jobs, oldest job first. */
static size_t trim_first(struct journal_txn *txn, unsigned db, size_t limit, struct fnr_error *err)
{
	size_t removed = 0;

	while (removed < limit) {
		struct key key = KEY_INIT;
		struct walk walk;

		if (walk_from(&walk, &txn->t, db, NULL) && walk.key.mv_size <= sizeof key.data)
			key_bytes(&key, walk.key.mv_data, walk.key.mv_size);
		walk_end(&walk);
		if (!key.len || env_delete(&txn->t, db, &key, err) != FNR_OK)
			break;
		removed++;
	}
	return removed;
}

/* Too large: progress events, then other events, then what is left of the oldest jobs. */
static size_t trim_large(struct journal_txn *txn, size_t limit, struct fnr_error *err)
{
	bool end;
	size_t removed = trim_progress(txn, limit, &end, err);

	if (end && removed < limit)
		removed += trim_old(txn, INT64_MAX, limit - removed, err);
	if (end && removed < limit)
		removed += trim_first(txn, JOURNAL_PREVIEW, limit - removed, err);
	if (end && removed < limit)
		removed += trim_first(txn, JOURNAL_LOG, limit - removed, err);
	return removed;
}

size_t journal_trim(struct journal_txn *txn, int64_t before, uint64_t max_bytes, size_t limit, struct fnr_error *err)
{
	size_t removed = trim_old(txn, before, limit, err);

	if (removed < limit && max_bytes && env_bytes_used(txn->t.env) > max_bytes)
		removed += trim_large(txn, limit - removed, err);
	return removed;
}

/* Some events of the job, the newest event of all excepted; how many were removed. */
#define FORGET_PORTION 256
static size_t forget_events(struct journal_txn *txn, const struct fnr_id *job, uint64_t last)
{
	struct doomed doomed[FORGET_PORTION];
	struct key prefix = id_key(job);
	struct walk walk;
	size_t count = 0;
	bool on = walk_from(&walk, &txn->t, JOURNAL_JOB_EVENT, &prefix);

	for (; on && walk_in(&walk, &prefix) && count < FORGET_PORTION; on = walk_next(&walk)) {
		uint64_t number = walk_key(&walk, sizeof *job, NUMBER_SIZE);
		struct key key = number_key(number);
		struct journal_event event = { .number = 0 };
		MDB_val value, k = { .mv_size = key.len, .mv_data = key.data };

		if (number == last)
			break;
		if (env_get(&txn->t, JOURNAL_EVENT, &key, &value) == FNR_OK)
			journal_event_parse(&k, &value, &event);
		doomed[count++] = (struct doomed){ .number = number, .job = *job, .batch = event.batch };
	}
	walk_end(&walk);
	return remove_events(txn, doomed, count, NULL);
}

static void forget_log(struct journal_txn *txn, const struct fnr_id *job)
{
	for (uint64_t n = last_log(txn, job); n > 0; n = last_log(txn, job)) {
		struct key key = id_number_key(job, n);

		if (env_delete(&txn->t, JOURNAL_LOG, &key, NULL) != FNR_OK)
			break;
	}
}

void journal_forget(struct journal_txn *txn, const struct fnr_id *job)
{
	uint64_t last = journal_last_number(txn);
	struct key key = id_key(job);

	while (forget_events(txn, job, last) == FORGET_PORTION)
		;
	forget_log(txn, job);
	env_delete(&txn->t, JOURNAL_PROGRESS, &key, NULL);
	env_delete(&txn->t, JOURNAL_PREVIEW, &key, NULL);
}
