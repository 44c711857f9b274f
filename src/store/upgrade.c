/* The schema version of a store: one table of steps, each from its version to the next.
 *
 * A step gets a write transaction and may change whatever it likes; all steps that are needed and the new number are
 * one commit, so a store is of the old version or of the new one, whatever happens in between. A step is never changed
 * once a version with it was released.
 */
#include "store/internal.h"

#include "base/log.h"

/* Version 0 has no number: a new store, or one whose number was not written yet. The rest is as in version 1. */
static int from_0(struct store_txn *txn, struct fnr_error *err)
{
	(void)txn, (void)err;
	return FNR_OK;
}

/* Version 2 counts the jobs that wait, by queue, project and key. */
static int from_1(struct store_txn *txn, struct fnr_error *err)
{
	struct job_head head;
	struct walk walk;
	int code = mdb_drop(txn->t.mdb, txn->t.env->dbi[DB_WAITING], 0) == MDB_SUCCESS ? FNR_OK : fnr_fail(err, FNR_E_IO, "the counts cannot be emptied");

	for (bool on = walk_from(&walk, &txn->t, DB_JOB, NULL); on && code == FNR_OK; on = walk_next(&walk))
		if (job_head_read(&walk.value, &head) == FNR_OK)
			code = waiting_move(txn, NULL, &head, err);
	walk_end(&walk);
	return code;
}

/* Version 3 has templates with cards, packed definitions, and knows of every job that has not finished which takes it needs. */
static int from_2(struct store_txn *txn, struct fnr_error *err)
{
	int code = templates_from_2(txn, err);

	return code == FNR_OK ? take_uses_from_2(txn, err) : code;
}

store_step *const store_steps[] = { from_0, from_1, from_2 };
_Static_assert(sizeof store_steps / sizeof store_steps[0] == STORE_SCHEMA, "each version but the last needs its step");

static int refuse_newer(uint64_t schema, uint64_t newest, struct fnr_error *err)
{
	return fnr_fail(err, FNR_E_CORRUPT,
	                "the store in store/ has schema version %llu, this program knows versions up to %llu; "
	                "use the program that wrote it, or a newer one",
	                (unsigned long long)schema, (unsigned long long)newest);
}

static int run_steps(struct store_txn *txn, store_step *const *steps, uint64_t newest, struct fnr_error *err)
{
	uint64_t schema = store_meta_get(txn, META_SCHEMA);      /* another process may have been first */
	int code = FNR_OK;

	if (schema > newest)
		return refuse_newer(schema, newest, err);
	for (; schema < newest && code == FNR_OK; schema++)
		code = steps[schema](txn, err);
	return code == FNR_OK ? store_meta_put(txn, META_SCHEMA, newest, err) : code;
}

static int upgrade(struct store *store, store_step *const *steps, uint64_t newest, struct fnr_error *err)
{
	struct store_txn txn = { .store = store };
	int code = env_write(&store->env, NULL, &txn.t, err);

	if (code != FNR_OK)
		return code;
	code = run_steps(&txn, steps, newest, err);
	if (code == FNR_OK)
		return env_commit(&txn.t, err);
	env_end(&txn.t);
	return code;
}

int store_settle_schema(struct store *store, store_step *const *steps, uint64_t newest, bool *fresh_r, struct fnr_error *err)
{
	struct store_txn *txn = store_read(store, err);
	uint64_t schema;
	int code;

	*fresh_r = false;
	if (!txn)
		return FNR_E_IO;
	schema = store_meta_get(txn, META_SCHEMA);
	store_read_end(txn);
	if (schema == newest)
		return FNR_OK;
	if (schema > newest)
		return refuse_newer(schema, newest, err);
	if (schema && !store->writer)
		return fnr_fail(err, FNR_E_UNAVAILABLE, "the store in store/ has schema version %llu and is upgraded to %llu when 'fnr serve' starts; start it first",
		                (unsigned long long)schema, (unsigned long long)newest);
	code = upgrade(store, steps, newest, err);
	*fresh_r = code == FNR_OK && !schema;
	if (code == FNR_OK && schema)
		fnr_info(NULL, "event=store.upgraded from=%llu to=%llu", (unsigned long long)schema, (unsigned long long)newest);
	return code;
}
