/* Shots and takes.
 *
 *   shot   key  project u32, shot u32            value  highest take number given u32, chosen take u32 (0 = none)
 *   take   key  project u32, shot u32, take u32  value  JSON text, as in take.json
 *
 * The active take is the chosen one, else the newest there is.
 */
#include <string.h>

#include "base/json.h"
#include "store/internal.h"

struct key shot_key(uint32_t project, uint32_t shot)
{
	struct key key = KEY_INIT;

	key_u32(&key, project);
	key_u32(&key, shot);
	return key;
}

struct key take_key(uint32_t project, uint32_t shot, uint32_t take)
{
	struct key key = shot_key(project, shot);

	key_u32(&key, take);
	return key;
}

bool shot_read(const MDB_val *value, uint32_t *counter_r, uint32_t *active_r)
{
	*counter_r = *active_r = 0;
	if (value->mv_size != 8)
		return false;
	*counter_r = (uint32_t)key_read(value->mv_data, 4);
	*active_r = (uint32_t)key_read((const uint8_t *)value->mv_data + 4, 4);
	return true;
}

static int shot_find(struct store_txn *txn, uint32_t project, uint32_t shot, uint32_t *counter_r, uint32_t *active_r)
{
	struct key key = shot_key(project, shot);
	MDB_val value;
	int code = env_get(&txn->t, DB_SHOT, &key, &value);

	*counter_r = *active_r = 0;
	if (code != FNR_OK)
		return code;
	return shot_read(&value, counter_r, active_r) ? FNR_OK : FNR_E_CORRUPT;
}

static uint32_t newest_take(struct store_txn *txn, uint32_t project, uint32_t shot)
{
	struct key prefix = shot_key(project, shot), end = take_key(project, shot, UINT32_MAX);
	struct walk walk;
	uint32_t take = 0;

	if (walk_before(&walk, &txn->t, DB_TAKE, &end) && walk_in(&walk, &prefix))
		take = (uint32_t)walk_key(&walk, 8, 4);
	walk_end(&walk);
	return take;
}

static uint32_t active_take(struct store_txn *txn, uint32_t project, uint32_t shot, uint32_t chosen)
{
	struct key key = take_key(project, shot, chosen);

	return chosen && env_has(&txn->t, DB_TAKE, &key) ? chosen : newest_take(txn, project, shot);
}

uint32_t store_shot_counter(struct store_txn *txn, uint32_t project, uint32_t shot)
{
	uint32_t counter, chosen, restored = (uint32_t)store_meta_get(txn, STORE_META_TAKES);

	shot_find(txn, project, shot, &counter, &chosen);
	return counter > restored ? counter : restored;
}

uint32_t store_shot_active(struct store_txn *txn, uint32_t project, uint32_t shot)
{
	uint32_t counter, chosen;

	shot_find(txn, project, shot, &counter, &chosen);
	return active_take(txn, project, shot, chosen);
}

int store_shot_raise(struct store_txn *txn, uint32_t project, uint32_t shot, uint32_t counter, struct fnr_error *err)
{
	struct key key = shot_key(project, shot), value = KEY_INIT;
	uint32_t stored, chosen;
	int code = shot_find(txn, project, shot, &stored, &chosen);

	if (code != FNR_OK && code != FNR_E_NOT_FOUND)
		return fnr_fail(err, code, "the record of a shot cannot be read; run 'fnr check'");
	if (code == FNR_OK && counter <= stored)
		return FNR_OK;
	key_u32(&value, counter);
	key_u32(&value, chosen);
	return env_put(&txn->t, DB_SHOT, &key, value.data, value.len, err);
}

/* A take's number is given before, with store_shot_raise; should it not have been, it is raised here. */
int store_take_put(struct store_txn *txn, uint32_t project, uint32_t shot, uint32_t take, const char *json,
                   struct fnr_error *err)
{
	struct key key = take_key(project, shot, take);
	int code = store_shot_raise(txn, project, shot, take, err);

	return code == FNR_OK ? env_put_text(&txn->t, DB_TAKE, &key, json, err) : code;
}

int store_take_get(struct store_txn *txn, uint32_t project, uint32_t shot, uint32_t take, struct fnr_buf *json_r)
{
	struct key key = take_key(project, shot, take);

	return env_get_text(&txn->t, DB_TAKE, &key, json_r);
}

int store_shot_choose(struct store_txn *txn, uint32_t project, uint32_t shot, uint32_t take, struct fnr_error *err)
{
	struct key key = take_key(project, shot, take), value = KEY_INIT;
	uint32_t counter, chosen;
	int code = shot_find(txn, project, shot, &counter, &chosen);

	if (code == FNR_OK && take && !env_has(&txn->t, DB_TAKE, &key))
		code = FNR_E_NOT_FOUND;
	if (code != FNR_OK)
		return fnr_fail(err, code, code == FNR_E_NOT_FOUND ? "there is no such take" : "the record of a shot cannot be read; run 'fnr check'");
	key = shot_key(project, shot);
	key_u32(&value, counter);
	key_u32(&value, take);
	return env_put(&txn->t, DB_SHOT, &key, value.data, value.len, err);
}

/* The job that made it, if that is still there; false if it is not. */
static bool maker_of(struct store_txn *txn, const struct take_place *place, struct job_head *head_r)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct json_object *take = NULL;
	struct fnr_id id;
	bool found;

	if (store_take_get(txn, place->project, place->shot, place->take, &text) == FNR_OK)
		take = fnr_json_parse_own(text.data, text.len, NULL);
	found = fnr_id_parse(fnr_json_get_text(take, "job", ""), &id) && store_job_get(txn, &id, head_r) == FNR_OK &&
	        head_r->project == place->project && head_r->shot == place->shot && head_r->take == place->take;
	json_object_put(take);
	fnr_buf_free(&text);
	return found;
}

int store_take_delete(struct store_txn *txn, struct take_place place, const char *path, struct fnr_error *err)
{
	struct key key = take_key(place.project, place.shot, place.take);
	char text[FNR_ID_TEXT];
	struct job_head head;
	struct fnr_id user;
	bool made = maker_of(txn, &place, &head);
	int code;

	if (take_used(txn, &place, &user))
		return fnr_fail(err, FNR_E_CONFLICT, "the take cannot be deleted yet: a file of it is an input of job %s", fnr_id_format(&user, text));
	if (made && store_children(txn, &head.id, NULL, &user, 1))
		return fnr_fail(err, FNR_E_CONFLICT, "the take cannot be deleted yet: job %s depends on the one that made it", fnr_id_format(&user, text));
	code = env_delete(&txn->t, DB_TAKE, &key, err);
	if (code == FNR_E_NOT_FOUND)
		return fnr_fail(err, code, "there is no such take");
	if (code == FNR_OK && made) {
		head.flags |= JOB_FLAG_TAKE_DELETED;
		code = store_job_put(txn, &head, err);
	}
	return code == FNR_OK ? store_discard_add(txn, path, err) : code;
}

size_t store_takes(struct store_txn *txn, uint32_t project, uint32_t shot, uint32_t after, size_t limit,
                   store_take_row *row, void *context)
{
	struct key prefix = shot_key(project, shot), key = take_key(project, shot, after);
	struct walk walk;
	size_t visited = 0;
	bool on = walk_from(&walk, &txn->t, DB_TAKE, &key);

	if (on && walk_in(&walk, &key))
		on = walk_next(&walk);
	for (; on && walk_in(&walk, &prefix) && visited < limit; on = walk_next(&walk)) {
		visited++;
		if (!row((uint32_t)walk_key(&walk, 8, 4), walk.value.mv_data, walk.value.mv_size, context))
			break;
	}
	walk_end(&walk);
	return visited;
}

size_t store_shots(struct store_txn *txn, uint32_t project, size_t limit, store_shot_row *row, void *context)
{
	struct key prefix = KEY_INIT;
	struct walk walk;
	size_t visited = 0;
	uint32_t shot, counter, chosen;

	key_u32(&prefix, project);
	for (bool on = walk_from(&walk, &txn->t, DB_SHOT, &prefix); on && walk_in(&walk, &prefix) && visited < limit;
	     on = walk_next(&walk)) {
		visited++;
		if (!shot_read(&walk.value, &counter, &chosen))
			continue;
		shot = (uint32_t)walk_key(&walk, 4, 4);
		if (!row(shot, counter, active_take(txn, project, shot, chosen), context))
			break;
	}
	walk_end(&walk);
	return visited;
}
