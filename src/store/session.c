/* Browser sessions and one-time links, and the secret of the installation.
 *
 *   session  key  SHA-256 of its secret (32)   value  u8 version (1), u8 1 if it is a link, hash of the API key (32),
 *                                                     u64 created_at, u64 expires_at
 *   meta     key  ".secret"                    value  32 bytes
 */
#include <string.h>

#include "base/pack.h"
#include "store/internal.h"

#define HASH_SIZE 32
#define VERSION 1

static int session_read(const MDB_val *value, struct store_session *session_r)
{
	struct fnr_reader in = FNR_READER(value->mv_data, value->mv_size);
	uint8_t version = fnr_get_u8(&in);
	const void *key;
	size_t len;

	memset(session_r, 0, sizeof *session_r);
	session_r->link = fnr_get_u8(&in);
	key = fnr_get_bytes(&in, &len);
	session_r->created_at = (int64_t)fnr_get_u64(&in);
	session_r->expires_at = (int64_t)fnr_get_u64(&in);
	if (in.failed || version != VERSION || len != HASH_SIZE)
		return FNR_E_CORRUPT;
	memcpy(session_r->key, key, HASH_SIZE);
	return FNR_OK;
}

int store_session_get(struct store_txn *txn, const uint8_t hash[32], struct store_session *session_r)
{
	struct key key = hash_key(hash);
	MDB_val value;
	int code = env_get(&txn->t, DB_SESSION, &key, &value);

	return code == FNR_OK ? session_read(&value, session_r) : code;
}

int store_session_delete(struct store_txn *txn, const uint8_t hash[32])
{
	struct key key = hash_key(hash);

	return env_delete(&txn->t, DB_SESSION, &key, NULL);
}

/* ---- those that have to go ---- */

typedef bool session_test(const uint8_t hash[32], const struct store_session *session, void *context);

/* Deletes those for which `test` is true; records that cannot be read are of no use and go too. */
static void sweep(struct store_txn *txn, session_test *test, void *context)
{
	struct fnr_buf gone = FNR_BUF_INIT;
	struct store_session session;
	struct walk walk;

	for (bool on = walk_from(&walk, &txn->t, DB_SESSION, NULL); on; on = walk_next(&walk))
		if (walk.key.mv_size == HASH_SIZE
		    && (session_read(&walk.value, &session) != FNR_OK || test(walk.key.mv_data, &session, context)))
			fnr_buf_add(&gone, walk.key.mv_data, HASH_SIZE);
	walk_end(&walk);
	for (size_t at = 0; at < gone.len; at += HASH_SIZE)
		store_session_delete(txn, (const uint8_t *)gone.data + at);
	fnr_buf_free(&gone);
}

static bool is_of_key(const uint8_t hash[32], const struct store_session *session, void *context)
{
	(void)hash;
	return memcmp(session->key, context, HASH_SIZE) == 0;
}

void session_delete_of_key(struct store_txn *txn, const uint8_t key[32])
{
	sweep(txn, is_of_key, (void *)(uintptr_t)key);
}

/* Those like the new one: of the same key, sessions or links. */
struct peers {
	const struct store_session *like;
	int64_t now, oldest_at;
	size_t count;
	uint8_t oldest[HASH_SIZE];
};

static bool has_expired(const uint8_t hash[32], const struct store_session *session, void *context)
{
	struct peers *peers = context;

	if (session->expires_at <= peers->now)
		return true;
	if (session->link != peers->like->link || memcmp(session->key, peers->like->key, HASH_SIZE) != 0)
		return false;
	if (peers->count++ == 0 || session->created_at < peers->oldest_at) {
		peers->oldest_at = session->created_at;
		memcpy(peers->oldest, hash, HASH_SIZE);
	}
	return false;
}

int session_put(struct store_txn *txn, const uint8_t hash[32], const struct store_session *session, int64_t now, struct fnr_error *err)
{
	struct key key = hash_key(hash), of = hash_key(session->key);
	struct peers peers = { .like = session, .now = now };
	struct fnr_buf *value;

	if (!env_has(&txn->t, DB_KEY, &of))
		return fnr_fail(err, FNR_E_UNAUTHORIZED, "this API key is not known here, or was revoked");
	sweep(txn, has_expired, &peers);
	if (peers.count >= STORE_SESSIONS_MOST)
		store_session_delete(txn, peers.oldest);
	value = env_scratch(&txn->t);
	fnr_put_u8(value, VERSION);
	fnr_put_u8(value, session->link);
	fnr_put_bytes(value, session->key, HASH_SIZE);
	fnr_put_u64(value, (uint64_t)session->created_at);
	fnr_put_u64(value, (uint64_t)session->expires_at);
	return env_put(&txn->t, DB_SESSION, &key, value->data, value->len, err);
}

/* ---- the secret ---- */

int store_secret_get(struct store_txn *txn, uint8_t secret_r[32])
{
	struct key key = meta_key(META_SECRET);
	MDB_val value;
	int code = env_get(&txn->t, DB_META, &key, &value);

	if (code == FNR_OK && value.mv_size != HASH_SIZE)
		code = FNR_E_CORRUPT;
	if (code == FNR_OK)
		memcpy(secret_r, value.mv_data, HASH_SIZE);
	return code;
}

int store_secret_make(struct store_txn *txn, const uint8_t secret[32], struct fnr_error *err)
{
	struct key key = meta_key(META_SECRET);

	return env_has(&txn->t, DB_META, &key) ? FNR_OK : env_put(&txn->t, DB_META, &key, secret, HASH_SIZE, err);
}
