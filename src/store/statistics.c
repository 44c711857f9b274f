/* How jobs ended and what went wrong, added up by the hour.
 *
 *   key    hour u32 (since 1970), kind u8, template u32, quality or class u8, backend as text; of errors also 0, code as text, of a
 *          variant's runs 0, its name as text
 *   value  runs: version u8, completed, failed, cancelled, expired, retried, run_ms, wait_ms u64
 *          errors: version u8, count u64, id of the last job, time of the last u64
 */
#include <string.h>

#include "base/pack.h"
#include "base/text.h"
#include "store/internal.h"

#define STATISTICS_VERSION 1
#define HOUR_MS 3600000
enum kind { KIND_RUNS = 1, KIND_ERRORS = 2 };

static uint32_t hour_of(int64_t ms)
{
	return ms > 0 ? (uint32_t)(ms / HOUR_MS) : 0;
}

static struct key row_key(uint32_t hour, enum kind kind, uint32_t template_, uint8_t what, const char *backend)
{
	struct key key = KEY_INIT;

	key_u32(&key, hour);
	key_u8(&key, (uint8_t)kind);
	key_u32(&key, template_);
	key_u8(&key, what);
	key_text(&key, backend);
	return key;
}

/* ---- runs ---- */

static void fields_of(struct store_runs *runs, uint64_t *fields[7])
{
	uint64_t *const all[7] = { &runs->completed, &runs->failed, &runs->cancelled, &runs->expired, &runs->retried, &runs->run_ms, &runs->wait_ms };

	memcpy(fields, all, sizeof all);
}

static bool runs_read(const MDB_val *value, struct store_runs *runs)
{
	struct fnr_reader reader = FNR_READER(value->mv_data, value->mv_size);
	uint8_t version = fnr_get_u8(&reader);
	uint64_t *fields[7];

	fields_of(runs, fields);
	for (size_t i = 0; i < 7; i++)
		*fields[i] = fnr_get_u64(&reader);
	return !reader.failed && version == STATISTICS_VERSION;
}

int store_runs_add(struct store_txn *txn, int64_t time, const struct store_runs *add, struct fnr_error *err)
{
	struct key key = row_key(hour_of(time), KIND_RUNS, add->template_, (uint8_t)add->quality, add->backend);
	struct store_runs sum = { 0 }, more = *add;
	uint64_t *fields[7], *others[7];
	struct fnr_buf *out;
	MDB_val value;

	if (add->variant[0]) {
		key_u8(&key, 0);
		key_text(&key, add->variant);
	}
	if (env_get(&txn->t, DB_STATISTIC, &key, &value) == FNR_OK && !runs_read(&value, &sum))
		sum = (struct store_runs){ 0 };     /* of another version: counted anew */
	fields_of(&sum, fields);
	fields_of(&more, others);
	out = env_scratch(&txn->t);
	fnr_put_u8(out, STATISTICS_VERSION);
	for (size_t i = 0; i < 7; i++)
		fnr_put_u64(out, *fields[i] + *others[i]);
	return env_put(&txn->t, DB_STATISTIC, &key, out->data, out->len, err);
}

/* ---- errors ---- */

static bool errors_read(const MDB_val *value, struct store_errors *errors)
{
	struct fnr_reader reader = FNR_READER(value->mv_data, value->mv_size);
	uint8_t version = fnr_get_u8(&reader);

	errors->count = fnr_get_u64(&reader);
	errors->last_job = fnr_get_id(&reader);
	errors->last_at = (int64_t)fnr_get_u64(&reader);
	return !reader.failed && version == STATISTICS_VERSION;
}

int store_errors_add(struct store_txn *txn, const struct store_errors *add, struct fnr_error *err)
{
	struct key key = row_key(hour_of(add->last_at), KIND_ERRORS, add->template_, (uint8_t)add->class_, add->backend);
	struct store_errors sum = { 0 };
	struct fnr_buf *out;
	MDB_val value;

	key_u8(&key, 0);
	key_text(&key, add->code);
	if (env_get(&txn->t, DB_STATISTIC, &key, &value) == FNR_OK && !errors_read(&value, &sum))
		sum.count = 0;
	out = env_scratch(&txn->t);
	fnr_put_u8(out, STATISTICS_VERSION);
	fnr_put_u64(out, sum.count + add->count);
	fnr_put_id(out, &add->last_job);
	fnr_put_u64(out, (uint64_t)add->last_at);
	return env_put(&txn->t, DB_STATISTIC, &key, out->data, out->len, err);
}

/* ---- reading ---- */

/* The parts of a key behind its hour and kind; texts_r: backend, code. */
static bool key_parts(const MDB_val *data, uint32_t *template_r, uint8_t *what_r, char backend_r[68], char code_r[68])
{
	const char *bytes = data->mv_data, *end = bytes + data->mv_size, *middle;

	if (data->mv_size < 10)
		return false;
	*template_r = (uint32_t)key_read(bytes + 5, 4);
	*what_r = (uint8_t)bytes[9];
	bytes += 10;
	middle = memchr(bytes, 0, (size_t)(end - bytes));
	if (!middle)
		middle = end;
	if (middle - bytes >= 68 || end - middle > 68)
		return false;
	memcpy(backend_r, bytes, (size_t)(middle - bytes));
	backend_r[middle - bytes] = 0;
	code_r[0] = 0;
	if (middle < end)
		memcpy(code_r, middle + 1, (size_t)(end - middle - 1));
	if (middle < end)
		code_r[end - middle - 1] = 0;
	return true;
}

typedef bool take_row(struct walk *walk, int64_t hour, uint32_t template_, uint8_t what, const char *backend, const char *code, void *context);

static size_t rows(struct store_txn *txn, enum kind kind, int64_t since, int64_t until, take_row *take, void *context)
{
	struct key from = KEY_INIT;
	struct walk walk;
	size_t count = 0;

	key_u32(&from, hour_of(since));
	for (bool on = walk_from(&walk, &txn->t, DB_STATISTIC, &from); on; on = walk_next(&walk)) {
		uint32_t template_, hour = walk.key.mv_size >= 5 ? (uint32_t)key_read(walk.key.mv_data, 4) : 0;
		char backend[68], code[68];
		uint8_t what;

		if ((int64_t)hour * HOUR_MS >= until)
			break;
		if (((const uint8_t *)walk.key.mv_data)[4] != kind || !key_parts(&walk.key, &template_, &what, backend, code))
			continue;
		count++;
		if (!take(&walk, (int64_t)hour * HOUR_MS, template_, what, backend, code, context))
			break;
	}
	walk_end(&walk);
	return count;
}

struct reader { store_runs_row *runs; store_errors_row *errors; void *context; };

static bool take_runs(struct walk *walk, int64_t hour, uint32_t template_, uint8_t what, const char *backend, const char *code, void *context)
{
	const struct reader *reader = context;
	struct store_runs runs = { .template_ = template_, .quality = what };

	fnr_text_copy(runs.variant, sizeof runs.variant, code);
	fnr_text_copy(runs.backend, sizeof runs.backend, backend);
	return !runs_read(&walk->value, &runs) || reader->runs(hour, &runs, reader->context);
}

size_t store_runs(struct store_txn *txn, int64_t since, int64_t until, store_runs_row *row, void *context)
{
	struct reader reader = { .runs = row, .context = context };

	return rows(txn, KIND_RUNS, since, until, take_runs, &reader);
}

static bool take_errors(struct walk *walk, int64_t hour, uint32_t template_, uint8_t what, const char *backend, const char *code, void *context)
{
	const struct reader *reader = context;
	struct store_errors errors = { .template_ = template_, .class_ = what };

	(void)hour;
	fnr_text_copy(errors.backend, sizeof errors.backend, backend);
	fnr_text_copy(errors.code, sizeof errors.code, code);
	return !errors_read(&walk->value, &errors) || reader->errors(&errors, reader->context);
}

size_t store_errors(struct store_txn *txn, int64_t since, int64_t until, store_errors_row *row, void *context)
{
	struct reader reader = { .errors = row, .context = context };

	return rows(txn, KIND_ERRORS, since, until, take_errors, &reader);
}

size_t store_statistics_expire(struct store_txn *txn, int64_t before, size_t limit)
{
	size_t count = 0;

	while (count < limit) {
		struct key key = KEY_INIT;
		struct walk walk;
		bool old = walk_from(&walk, &txn->t, DB_STATISTIC, NULL) && walk.key.mv_size >= 5 && walk.key.mv_size <= sizeof key.data &&
		           (int64_t)key_read(walk.key.mv_data, 4) * HOUR_MS < before - HOUR_MS;

		if (old)
			key_bytes(&key, walk.key.mv_data, walk.key.mv_size);
		walk_end(&walk);
		if (!old || env_delete(&txn->t, DB_STATISTIC, &key, NULL) != FNR_OK)
			break;
		count++;
	}
	return count;
}
