/* What past runs took.
 *
 *   key    digest of the template (32), then of a tier its number u8, else 255, the preset's id, 0; then the backend as text
 *   value  version u8 2, count u32, kept u8, and as many runs, the newest first: ms u32, cpu_ms u32, memory_mb u32
 *
 *   took: the same key -> JSON text
 *
 * Version 1 had count u32, mean and deviation u64 (microseconds): its mean is read as one run.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/pack.h"
#include "store/internal.h"

#define ESTIMATE_VERSION 2
#define ESTIMATE_OF_MEANS 1
#define NO_TIER 255
#define DIGEST_SIZE 32

static struct key estimate_prefix(const uint8_t digest[32], const char *preset)
{
	int tier = fnr_quality_parse(preset);
	struct key key = KEY_INIT;

	key_bytes(&key, digest, 32);
	key_u8(&key, tier >= 0 ? (uint8_t)tier : NO_TIER);
	if (tier < 0) {
		key_text(&key, preset);
		key_u8(&key, 0);
	}
	return key;
}

static struct key estimate_key(const uint8_t digest[32], const char *preset, const char *backend)
{
	struct key key = estimate_prefix(digest, preset);

	key_text(&key, backend);
	return key;
}

static void read_runs(struct fnr_reader *reader, struct store_estimate *estimate)
{
	uint8_t kept = fnr_get_u8(reader);

	for (uint32_t i = 0; i < kept && i < STORE_RUNS_KEPT; i++) {
		struct store_run *run = &estimate->runs[estimate->kept++];

		run->ms = fnr_get_u32(reader);
		run->cpu_ms = fnr_get_u32(reader);
		run->memory_mb = fnr_get_u32(reader);
	}
}

static int estimate_read(const MDB_val *value, struct store_estimate *estimate_r)
{
	struct fnr_reader reader = FNR_READER(value->mv_data, value->mv_size);
	uint8_t version = fnr_get_u8(&reader);

	*estimate_r = (struct store_estimate){ .count = fnr_get_u32(&reader) };
	if (version == ESTIMATE_VERSION)
		read_runs(&reader, estimate_r);
	else if (version == ESTIMATE_OF_MEANS)
		estimate_r->runs[estimate_r->kept++].ms = (uint32_t)(fnr_get_u64(&reader) / 1000);
	return reader.failed || estimate_r->kept == 0 ? FNR_E_CORRUPT : FNR_OK;
}

int store_estimate_get(struct store_txn *txn, const uint8_t digest[32], const char *preset, const char *backend,
                       struct store_estimate *estimate_r)
{
	struct key key = estimate_key(digest, preset, backend);
	MDB_val value;
	int code = env_get(&txn->t, DB_ESTIMATE, &key, &value);

	*estimate_r = (struct store_estimate){ 0 };
	return code == FNR_OK ? estimate_read(&value, estimate_r) : code;
}

int store_estimate_best(struct store_txn *txn, const uint8_t digest[32], const char *preset, struct store_estimate *estimate_r)
{
	struct key prefix = estimate_prefix(digest, preset);
	struct store_estimate found;
	struct walk walk;

	*estimate_r = (struct store_estimate){ 0 };
	for (bool on = walk_from(&walk, &txn->t, DB_ESTIMATE, &prefix); on && walk_in(&walk, &prefix); on = walk_next(&walk))
		if (estimate_read(&walk.value, &found) == FNR_OK && found.count > estimate_r->count)
			*estimate_r = found;
	walk_end(&walk);
	return estimate_r->count ? FNR_OK : FNR_E_NOT_FOUND;
}

int store_estimate_put(struct store_txn *txn, const uint8_t digest[32], const char *preset, const char *backend,
                       const struct store_estimate *estimate, struct fnr_error *err)
{
	struct key key = estimate_key(digest, preset, backend);
	struct fnr_buf *value = env_scratch(&txn->t);

	fnr_put_u8(value, ESTIMATE_VERSION);
	fnr_put_u32(value, estimate->count);
	fnr_put_u8(value, (uint8_t)estimate->kept);
	for (uint32_t i = 0; i < estimate->kept; i++) {
		fnr_put_u32(value, estimate->runs[i].ms);
		fnr_put_u32(value, estimate->runs[i].cpu_ms);
		fnr_put_u32(value, estimate->runs[i].memory_mb);
	}
	return env_put(&txn->t, DB_ESTIMATE, &key, value->data, value->len, err);
}

int store_took_get(struct store_txn *txn, const uint8_t digest[32], const char *preset, const char *backend, struct fnr_buf *json_r)
{
	struct key key = estimate_key(digest, preset, backend);

	return env_get_text(&txn->t, DB_TOOK, &key, json_r);
}

int store_took_put(struct store_txn *txn, const uint8_t digest[32], const char *preset, const char *backend, const char *json, struct fnr_error *err)
{
	struct key key = estimate_key(digest, preset, backend);

	return env_put_text(&txn->t, DB_TOOK, &key, json, err);
}

/* ---- of what is gone ---- */

/* Does a version of a template have it? Definitions, which stay, say of which one it was. */
static bool is_in_force(struct store_txn *txn, const uint8_t digest[32])
{
	struct fnr_buf source = FNR_BUF_INIT;
	struct store_version version;
	struct json_object *definition;
	uint8_t now[DIGEST_SIZE];
	bool same;

	if (store_definition_get(txn, digest, &definition, NULL) != FNR_OK)
		return false;
	same = sscanf(fnr_json_get_text(definition, "version", ""), "%" SCNu32 ".%" SCNu32 ".%" SCNu32, &version.major, &version.minor, &version.patch) == 3 &&
	       store_template_get(txn, fnr_json_get_text(definition, "id", ""), version, now, &source) == FNR_OK && memcmp(now, digest, DIGEST_SIZE) == 0;
	json_object_put(definition);
	fnr_buf_free(&source);
	return same;
}

/* The first digest at *cursor or behind it. */
static bool find_digest(struct store_txn *txn, uint8_t cursor[32])
{
	struct key key = hash_key(cursor);
	struct walk walk;
	bool found = walk_from(&walk, &txn->t, DB_ESTIMATE, &key) && walk.key.mv_size >= DIGEST_SIZE;

	if (found)
		memcpy(cursor, walk.key.mv_data, DIGEST_SIZE);
	walk_end(&walk);
	return found;
}

/* The one behind it; zero behind the last. */
static void pass_digest(uint8_t digest[32])
{
	for (size_t i = DIGEST_SIZE; i-- && ++digest[i] == 0;)
		;
}

/* At most `limit` of its records, and what belongs to each. */
static size_t forget_digest(struct store_txn *txn, const uint8_t digest[32], size_t limit)
{
	struct key prefix = hash_key(digest), *keys = fnr_alloc(limit * sizeof *keys);
	struct walk walk;
	size_t count = 0;

	for (bool on = walk_from(&walk, &txn->t, DB_ESTIMATE, &prefix); on && count < limit && walk_in(&walk, &prefix); on = walk_next(&walk)) {
		keys[count] = (struct key)KEY_INIT;
		key_bytes(&keys[count++], walk.key.mv_data, walk.key.mv_size);
	}
	walk_end(&walk);
	for (size_t i = 0; i < count; i++) {
		env_delete(&txn->t, DB_ESTIMATE, &keys[i], NULL);
		env_delete(&txn->t, DB_TOOK, &keys[i], NULL);
	}
	free(keys);
	return count;
}

size_t store_estimates_expire(struct store_txn *txn, uint8_t cursor[32], size_t limit)
{
	size_t removed = 0;

	for (size_t looked = 0; looked < limit && removed < limit; looked++) {
		if (!find_digest(txn, cursor)) {
			memset(cursor, 0, DIGEST_SIZE);
			break;
		}
		if (!is_in_force(txn, cursor))
			removed += forget_digest(txn, cursor, limit - removed);
		if (removed < limit)
			pass_digest(cursor);
	}
	return removed;
}
