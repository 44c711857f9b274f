/* Takes whose files are inputs of jobs that have not finished: they cannot be deleted.
 *
 *   take_use   project u32, shot u32, take u32, job id -> (nothing)
 *   job_takes  job id -> of each: project u32, shot u32, take u32
 */
#include "store/internal.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/text.h"

struct key take_use_key(const struct take_place *place, const struct fnr_id *job)
{
	struct key key = take_key(place->project, place->shot, place->take);

	key_id(&key, job);
	return key;
}

struct take_place take_place_read(const uint8_t *data)
{
	return (struct take_place){ (uint32_t)key_read(data, 4), (uint32_t)key_read(data + 4, 4), (uint32_t)key_read(data + 8, 4) };
}

void take_place_put(struct fnr_buf *out, const struct take_place *place)
{
	struct key key = take_key(place->project, place->shot, place->take);

	fnr_buf_add(out, key.data, key.len);
}

int take_uses_put(struct store_txn *txn, const struct fnr_id *job, const uint8_t *places, size_t count, struct fnr_error *err)
{
	struct key key = id_key(job);
	int code = env_put(&txn->t, DB_JOB_TAKES, &key, places, count * TAKE_PLACE_SIZE, err);

	for (size_t i = 0; i < count && code == FNR_OK; i++) {
		struct take_place place = take_place_read(places + i * TAKE_PLACE_SIZE);
		struct key take = take_key(place.project, place.shot, place.take);

		if (!env_has(&txn->t, DB_TAKE, &take))
			return fnr_fail(err, FNR_E_INVALID, "take %u, whose file is an input, was deleted meanwhile", place.take);
		key = take_use_key(&place, job);
		code = env_put(&txn->t, DB_TAKE_USE, &key, NULL, 0, err);
	}
	return code;
}

/* The job has finished. */
int take_uses_release(struct store_txn *txn, const struct fnr_id *job, struct fnr_error *err)
{
	struct key list = id_key(job), key;
	struct fnr_buf places = FNR_BUF_INIT;
	MDB_val value;
	int code = env_get(&txn->t, DB_JOB_TAKES, &list, &value);

	if (code == FNR_OK)
		fnr_buf_add(&places, value.mv_data, value.mv_size);
	for (size_t at = 0; at + TAKE_PLACE_SIZE <= places.len && code == FNR_OK; at += TAKE_PLACE_SIZE) {
		struct take_place place = take_place_read((const uint8_t *)places.data + at);

		key = take_use_key(&place, job);
		code = env_delete(&txn->t, DB_TAKE_USE, &key, err);
		if (code == FNR_E_NOT_FOUND)
			code = FNR_OK;
	}
	if (code == FNR_OK)
		code = env_delete(&txn->t, DB_JOB_TAKES, &list, err);
	fnr_buf_free(&places);
	return code == FNR_E_NOT_FOUND ? FNR_OK : code;
}

bool take_used(struct store_txn *txn, const struct take_place *place, struct fnr_id *job_r)
{
	struct key prefix = take_key(place->project, place->shot, place->take);
	struct walk walk;
	bool used = walk_from(&walk, &txn->t, DB_TAKE_USE, &prefix) && walk_in(&walk, &prefix);

	if (used)
		*job_r = walk_id(&walk, TAKE_PLACE_SIZE);
	walk_end(&walk);
	return used;
}

/* ---- upgrade ---- */

struct finding { struct store_txn *txn; struct fnr_buf places; };

/* "project/shot/n/file" */
static bool read_reference(struct store_txn *txn, const char *text, struct take_place *place_r)
{
	const char *shot = strchr(text, '/'), *number = shot ? strchr(shot + 1, '/') : NULL;
	char name[68], *end;
	struct key key;

	if (!number || shot - text >= (ptrdiff_t)sizeof name || number - shot > (ptrdiff_t)sizeof name)
		return false;
	memcpy(name, text, (size_t)(shot - text));
	name[shot - text] = 0;
	place_r->project = store_name_find(txn, STORE_PROJECT, name);
	memcpy(name, shot + 1, (size_t)(number - shot - 1));
	name[number - shot - 1] = 0;
	place_r->shot = store_name_find(txn, STORE_SHOT, name);
	place_r->take = (uint32_t)strtoul(number + 1, &end, 10);
	key = take_key(place_r->project, place_r->shot, place_r->take);
	return *end == '/' && env_has(&txn->t, DB_TAKE, &key);
}

static void find(struct finding *finding, const char *text)
{
	struct take_place place;
	struct key key;

	if (strncmp(text, "take:", 5) != 0 || !read_reference(finding->txn, text + 5, &place))
		return;
	key = take_key(place.project, place.shot, place.take);
	for (size_t at = 0; at < finding->places.len; at += TAKE_PLACE_SIZE)
		if (memcmp(finding->places.data + at, key.data, TAKE_PLACE_SIZE) == 0)
			return;
	if (finding->places.len < STORE_JOB_TAKES * TAKE_PLACE_SIZE)
		fnr_buf_add(&finding->places, key.data, key.len);
}

/* Every text that reads like one: what a template makes of it is not known here, and a take too many is only kept a while. */
static void find_all(struct finding *finding, struct json_object *value)
{
	if (json_object_is_type(value, json_type_string))
		find(finding, json_object_get_string(value));
	if (json_object_is_type(value, json_type_array))
		for (size_t i = 0; i < json_object_array_length(value); i++)
			find_all(finding, json_object_array_get_idx(value, i));
	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach(value, name, member) {
			(void)name;
			find_all(finding, member);
		}
	}
}

static int note_takes(struct store_txn *txn, struct job_head *head, struct fnr_error *err)
{
	struct finding finding = { .txn = txn };
	struct fnr_buf payload = FNR_BUF_INIT;
	struct json_object *object = NULL;
	struct key key = id_key(&head->id);
	int code = FNR_OK;

	if (store_job_body(txn, &head->id, NULL, &payload, NULL) == FNR_OK && memmem(payload.data, payload.len, "\"take:", 6))
		object = fnr_json_parse_own(payload.data, payload.len, NULL);
	find_all(&finding, fnr_json_get(object, "inputs"));
	if (finding.places.len) {
		head->flags |= JOB_FLAG_TAKES;
		code = take_uses_put(txn, &head->id, (const uint8_t *)finding.places.data, finding.places.len / TAKE_PLACE_SIZE, err);
		if (code == FNR_OK)
			code = env_put(&txn->t, DB_JOB, &key, head, sizeof *head, err);
	}
	json_object_put(object);
	fnr_buf_free(&payload);
	fnr_buf_free(&finding.places);
	return code;
}

/* Nothing is written while the walk is open. */
static bool next_unfinished(struct store_txn *txn, const struct fnr_id *after, struct job_head *head_r)
{
	struct key from = after ? id_key(after) : (struct key)KEY_INIT;
	struct walk walk;
	bool found = false;

	key_u8(&from, 0);              /* behind that one */
	for (bool on = walk_from(&walk, &txn->t, DB_JOB, after ? &from : NULL); on && !found; on = found || walk_next(&walk))
		found = job_head_read(&walk.value, head_r) == FNR_OK && !fnr_state_terminal(head_r->state) && !(head_r->flags & JOB_FLAG_TAKES);
	walk_end(&walk);
	return found;
}

int take_uses_from_2(struct store_txn *txn, struct fnr_error *err)
{
	struct fnr_id after;
	struct job_head head;
	int code = FNR_OK;

	for (bool on = next_unfinished(txn, NULL, &head); on && code == FNR_OK; on = next_unfinished(txn, &after, &head)) {
		after = head.id;
		code = note_takes(txn, &head, err);
	}
	return code;
}
