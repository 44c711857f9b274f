/* Files of payloads, by the jobs that have them. */
#include <string.h>

#include "store/internal.h"

static int look_at_job(struct store_txn *txn, const struct walk *walk, store_payload_row *row, void *context)
{
	struct body_view view;
	struct job_head head;
	struct key key;
	MDB_val value;
	int code = job_head_read(&walk->value, &head);

	if (code != FNR_OK || !(head.flags & JOB_FLAG_PAYLOAD_FILE))
		return code;
	key = id_key(&head.id);
	code = env_get(&txn->t, DB_BODY, &key, &value);
	if (code == FNR_OK)
		code = body_parse(&value, &view);
	if (code == FNR_OK && !view.payload)
		row(&view.payload_file, context);
	return code;
}

int store_payloads(struct store_txn *txn, struct fnr_id *place, size_t limit, bool *all_r, store_payload_row *row, void *context, struct fnr_error *err)
{
	struct key key = id_key(place);
	struct walk walk;
	bool on = walk_from(&walk, &txn->t, DB_JOB, &key);
	int code = FNR_OK;

	if (on && walk.key.mv_size == sizeof *place && memcmp(walk.key.mv_data, place, sizeof *place) == 0)
		on = walk_next(&walk);
	for (; on && limit > 0 && code == FNR_OK; limit--) {
		*place = walk_id(&walk, 0);
		code = look_at_job(txn, &walk, row, context);
		if (code == FNR_OK)
			on = walk_next(&walk);
	}
	*all_r = !on;
	if (code == FNR_OK)
		code = walk.code;
	walk_end(&walk);
	return code == FNR_OK ? FNR_OK : fnr_fail(err, FNR_E_CORRUPT, "a job's record cannot be read; run fnr check");
}
