/* How long past runs took.
 *
 *   key    digest of the template (32), quality u8, backend as text
 *   value  version u8, count u32, mean and deviation u64 (microseconds)
 */
#include "store/internal.h"

#include "base/pack.h"

#define ESTIMATE_VERSION 1
#define MICROSECONDS_MOST 9007199254740991.0

static struct key estimate_key(const uint8_t digest[32], enum fnr_quality quality, const char *backend)
{
	struct key key = KEY_INIT;

	key_bytes(&key, digest, 32);
	key_u8(&key, (uint8_t)quality);
	key_text(&key, backend);
	return key;
}

int store_estimate_get(struct store_txn *txn, const uint8_t digest[32], enum fnr_quality quality, const char *backend,
                       struct store_estimate *estimate_r)
{
	struct key key = estimate_key(digest, quality, backend);
	struct fnr_reader reader;
	uint8_t version;
	MDB_val value;
	int code = env_get(&txn->t, DB_ESTIMATE, &key, &value);

	*estimate_r = (struct store_estimate){ 0 };
	if (code != FNR_OK)
		return code;
	reader = (struct fnr_reader)FNR_READER(value.mv_data, value.mv_size);
	version = fnr_get_u8(&reader);
	estimate_r->count = fnr_get_u32(&reader);
	estimate_r->mean_ms = (double)fnr_get_u64(&reader) / 1000.0;
	estimate_r->deviation_ms = (double)fnr_get_u64(&reader) / 1000.0;
	return reader.failed || version != ESTIMATE_VERSION ? FNR_E_CORRUPT : FNR_OK;
}

static uint64_t microseconds(double ms)
{
	double value = ms * 1000.0;

	return value > 0 ? (uint64_t)(value < MICROSECONDS_MOST ? value : MICROSECONDS_MOST) : 0;
}

int store_estimate_put(struct store_txn *txn, const uint8_t digest[32], enum fnr_quality quality, const char *backend,
                       const struct store_estimate *estimate, struct fnr_error *err)
{
	struct key key = estimate_key(digest, quality, backend);
	struct fnr_buf *value = env_scratch(&txn->t);

	fnr_put_u8(value, ESTIMATE_VERSION);
	fnr_put_u32(value, estimate->count);
	fnr_put_u64(value, microseconds(estimate->mean_ms));
	fnr_put_u64(value, microseconds(estimate->deviation_ms));
	return env_put(&txn->t, DB_ESTIMATE, &key, value->data, value->len, err);
}
