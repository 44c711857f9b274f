/* Files that deleted jobs left, until they are gone.
 *
 *   key    job id
 *   value  text: path of the payload's file; empty if there is none
 */
#include <string.h>

#include "base/json.h"
#include "store/internal.h"

int store_removal_add(struct store_txn *txn, const struct store_removal *removal, struct fnr_error *err)
{
	struct key key = id_key(&removal->job);

	return env_put(&txn->t, DB_REMOVAL, &key, removal->payload, strlen(removal->payload), err);
}

size_t store_removals(struct store_txn *txn, struct store_removal *removals_r, size_t limit)
{
	struct walk walk;
	size_t count = 0;

	for (bool on = walk_from(&walk, &txn->t, DB_REMOVAL, NULL); on && count < limit; on = walk_next(&walk)) {
		struct store_removal *removal = &removals_r[count++];
		size_t len = walk.value.mv_size;

		removal->job = walk_id(&walk, 0);
		if (len >= sizeof removal->payload)
			len = 0;
		if (len)
			memcpy(removal->payload, walk.value.mv_data, len);
		removal->payload[len] = 0;
	}
	walk_end(&walk);
	return count;
}

int store_removal_done(struct store_txn *txn, const struct fnr_id *job, struct fnr_error *err)
{
	struct key key = id_key(job);
	int code = env_delete(&txn->t, DB_REMOVAL, &key, err);

	return code == FNR_E_NOT_FOUND ? FNR_OK : code;
}

int store_removal_tell(struct store_txn *txn, uint32_t project, size_t count, const struct job_head *one, struct fnr_error *err)
{
	struct json_object *command = json_object_new_object();
	char name[68], text[FNR_ID_TEXT];
	int code;

	fnr_json_set_text(command, "command", "job_deleted");
	fnr_json_set_int(command, "count", (int64_t)count);
	if (project && store_name_text(txn, STORE_PROJECT, project, name))
		fnr_json_set_text(command, "project", name);
	if (one)
		fnr_json_set_text(command, "job", fnr_id_format(&one->id, text));
	if (one && !fnr_id_is_none(&one->batch))
		fnr_json_set_text(command, "batch", fnr_id_format(&one->batch, text));
	code = store_command_add(txn, fnr_json_text(command, NULL), err);
	json_object_put(command);
	return code;
}
