/* Schema versions, and numbers that are moved on after a restore. */
#include "base/json.h"
#include "store/internal.h"
#include "store_fixture.h"

TestSuite(upgrade, .init = fixture_setup, .fini = fixture_teardown);

static const struct op_job plain = FIXTURE_JOB;

static void reopen(bool writer)
{
	struct fnr_error err = FNR_ERROR_INIT;

	store_close(fixture_store);
	cr_assert_eq(store_open(&fixture_store, writer, &err), FNR_OK, "%s", err.message);
}

static void set_schema(uint64_t version)
{
	struct store_txn *txn = fixture_write();

	cr_assert_eq(store_meta_put(txn, "schema", version, NULL), FNR_OK);
	fixture_commit(txn);
}

static uint64_t meta(const char *name)
{
	struct store_txn *txn = fixture_read();
	uint64_t value = store_meta_get(txn, name);

	store_read_end(txn);
	return value;
}

/* A store from before versions were written: its jobs are all there afterwards. */
Test(upgrade, version_0)
{
	struct fnr_id id = fixture_submit(&plain);
	struct store_txn *txn = fixture_write();
	struct key key = meta_key("schema");

	cr_assert_eq(env_delete(&txn->t, DB_META, &key, NULL), FNR_OK);
	fixture_commit(txn);
	cr_assert_eq(meta("schema"), 0);
	reopen(true);
	cr_assert_eq(meta("schema"), STORE_SCHEMA);
	cr_assert_eq(fixture_head(&id).state, FNR_STATE_QUEUED);
	fixture_check();
}

/* Version 1 did not count what waits. */
Test(upgrade, version_1)
{
	const struct op_job later = { .summary = plain.summary, .payload = plain.payload, .project = "p", .shot = "s", .template_ = "t", .queue = "q",
	                              .key = "k", .not_before = INT64_MAX / 2, .priority = 5 };
	struct store_txn *txn;
	struct key wrong = waiting_key(STORE_QUEUE, 77), one = KEY_INIT;

	for (int i = 0; i < 3; i++)
		fixture_submit(&later);
	fixture_submit(&plain);
	txn = fixture_write();
	key_u64(&one, 1);
	cr_assert_eq(env_put(&txn->t, DB_WAITING, &wrong, one.data, one.len, NULL), FNR_OK);
	fixture_commit(txn);
	set_schema(1);
	reopen(true);
	txn = fixture_read();
	cr_assert_eq(store_waiting(txn, STORE_QUEUE, 77), 0);
	cr_assert_eq(store_waiting(txn, STORE_PROJECT, store_name_find(txn, STORE_PROJECT, "p")), 3);
	store_read_end(txn);
	fixture_check();
}

static bool see_card(const char *id, struct store_version version, const uint8_t digest[32], const struct store_card *card, void *context)
{
	char *text = context;

	(void)digest;
	snprintf(text + strlen(text), 200 - strlen(text), " %s@%u.%u.%u %s %s %s", id, version.major, version.minor, version.patch, card->category, card->backend, card->name);
	return true;
}

/* Version 2 had definitions as text, and nothing beside them to search in. */
Test(upgrade, version_2)
{
	static const char text[] = "{\"id\":\"t\",\"name\":\"Title\",\"category\":\"image\",\"backend\":{\"type\":\"noop\"},\"inputs\":{},\"input_schema\":{\"type\":\"object\"}}";
	static const char given[] = "{\"id\":\"u\",\"input_form\":\"schema\",\"input_schema\":{\"type\":\"object\"}}";
	const uint8_t one[32] = { 1 }, two[32] = { 2 }, lost[32] = { 3 };
	struct store_txn *txn = fixture_write();
	struct key key = KEY_INIT, by_one = hash_key(one), by_two = hash_key(two), by_lost = hash_key(lost);
	struct fnr_buf source = FNR_BUF_INIT;
	struct json_object *definition;
	uint8_t digest[32], value[36] = { 1 };
	char seen[200] = "";

	key_text(&key, "t");
	key_bytes(&key, "\0\0\0\0\1\0\0\0\2\0\0\0\3", 13);
	memcpy(value + 32, "api", 4);
	cr_assert_eq(env_put(&txn->t, DB_TEMPLATE, &key, value, sizeof value, NULL), FNR_OK);
	cr_assert_eq(env_put(&txn->t, DB_DEFINITION, &by_one, text, strlen(text), NULL), FNR_OK);
	cr_assert_eq(env_put(&txn->t, DB_DEFINITION, &by_two, given, strlen(given), NULL), FNR_OK);
	cr_assert_eq(env_put(&txn->t, DB_DEFINITION, &by_lost, "no json", 7, NULL), FNR_OK);
	fixture_commit(txn);
	set_schema(2);
	reopen(true);
	cr_assert_eq(meta("schema"), STORE_SCHEMA);
	txn = fixture_read();
	store_cards(txn, NULL, see_card, seen);
	cr_expect_str_eq(seen, " t@1.2.3 image noop Title");
	cr_assert_eq(store_template_get(txn, "t", (struct store_version){ 1, 2, 3 }, digest, &source), FNR_OK);
	cr_expect(strcmp(source.data, "api") == 0 && memcmp(digest, one, 32) == 0);
	cr_assert_eq(store_definition_get(txn, one, &definition, NULL), FNR_OK);
	cr_expect_str_eq(fnr_json_text(definition, NULL), "{\"id\":\"t\",\"name\":\"Title\",\"category\":\"image\",\"backend\":{\"type\":\"noop\"},\"inputs\":{}}",
	                 "the schema is made of the inputs");
	json_object_put(definition);
	cr_assert_eq(store_definition_get(txn, two, &definition, NULL), FNR_OK);
	cr_expect_str_eq(fnr_json_text(definition, NULL), given);
	json_object_put(definition);
	cr_expect_eq(store_definition_get(txn, lost, &definition, NULL), FNR_E_CORRUPT);
	store_read_end(txn);
	fnr_buf_free(&source);
	fixture_check();
}

static int delete_take(uint32_t take)
{
	struct store_txn *txn = fixture_write();
	struct take_place place = { store_name_find(txn, STORE_PROJECT, "film"), store_name_find(txn, STORE_SHOT, "s010"), take };
	int code = store_take_delete(txn, place, "workspace/film/s010/take", NULL);

	if (code == FNR_OK)
		fixture_commit(txn);
	else
		store_abort(txn);
	return code;
}

/* Version 2 did not note which takes a job needs: those of jobs that have not finished are found in their inputs. */
Test(upgrade, version_2_takes)
{
	static const char needs[] = "{\"inputs\":{\"a\":[\"take:film/s010/1/x.png\",\"take:film/s010/1/y.png\"],\"b\":{\"c\":\"take:film/s010/2/x.png\"},"
	                            "\"d\":\"take:film/s010/9/x.png\",\"e\":\"take:\",\"f\":\"take:film\"},\"parameters\":{}}";
	struct op_job job = plain;
	struct store_txn *txn = fixture_write();
	uint32_t project = store_name_make(txn, STORE_PROJECT, "film", NULL), shot = store_name_make(txn, STORE_SHOT, "s010", NULL);
	struct fnr_id id, ended;

	for (uint32_t take = 1; take <= 3; take++) {
		cr_assert_eq(store_shot_raise(txn, project, shot, take, NULL), FNR_OK);
		cr_assert_eq(store_take_put(txn, project, shot, take, "{}", NULL), FNR_OK);
	}
	fixture_commit(txn);
	job.payload = needs;
	ended = fixture_submit(&job);
	fixture_move(&ended, FNR_STATE_CANCELLED, 0);
	fixture_submit(&plain);
	id = fixture_submit(&job);
	set_schema(2);
	reopen(true);
	cr_assert_eq(meta("schema"), STORE_SCHEMA);
	fixture_check();
	cr_assert_eq(delete_take(1), FNR_E_CONFLICT);
	cr_assert_eq(delete_take(2), FNR_E_CONFLICT);
	cr_assert_eq(delete_take(3), FNR_OK, "nobody needs it");
	fixture_move(&id, FNR_STATE_CANCELLED, 0);
	cr_assert_eq(delete_take(1), FNR_OK);
	fixture_check();
}

/* Estimates were a mean and a deviation in microseconds, of tiers alone: the mean is read as one run, the next write is of now. */
Test(upgrade, estimates_of_means)
{
	static const uint8_t old[] = { 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0x13, 0x12, 0xd0, 0, 0, 0, 0, 0, 0, 0, 1 };
	const uint8_t digest[32] = { 5 };
	struct store_txn *txn = fixture_write();
	struct key key = KEY_INIT;
	struct store_estimate read;

	key_bytes(&key, digest, sizeof digest);
	key_u8(&key, FNR_QUALITY_HIGH);
	key_text(&key, "local");
	cr_assert_eq(env_put(&txn->t, DB_ESTIMATE, &key, old, sizeof old, NULL), FNR_OK);
	cr_assert_eq(store_estimate_get(txn, digest, "high", "local", &read), FNR_OK);
	cr_assert(read.count == 7 && read.kept == 1 && read.runs[0].ms == 1250);
	cr_assert_eq(store_estimate_put(txn, digest, "high", "local", &read, NULL), FNR_OK);
	cr_assert_eq(store_estimate_best(txn, digest, "high", &read), FNR_OK);
	cr_assert(read.count == 7 && read.runs[0].ms == 1250);
	cr_assert_eq(env_put(&txn->t, DB_ESTIMATE, &key, old, 5, NULL), FNR_OK);
	cr_assert_eq(store_estimate_get(txn, digest, "high", "local", &read), FNR_E_CORRUPT);
	fixture_commit(txn);
}

/* Steps of versions to come, over a store that lacks what they add. */
static int to_2(struct store_txn *txn, struct fnr_error *err)
{
	return store_meta_put(txn, "steps", store_meta_get(txn, "steps") * 10 + 2, err);
}

static int to_3(struct store_txn *txn, struct fnr_error *err)
{
	return store_meta_put(txn, "steps", store_meta_get(txn, "steps") * 10 + 3, err);
}

static int fails(struct store_txn *txn, struct fnr_error *err)
{
	to_3(txn, err);
	return fnr_fail(err, FNR_E_CORRUPT, "a record cannot be read");
}

static int settle(store_step *third, struct fnr_error *err)
{
	store_step *const steps[] = { store_steps[0], to_2, third };
	bool fresh;
	int code = store_settle_schema(fixture_store, steps, 3, &fresh, err);

	cr_assert_not(fresh);
	return code;
}

Test(upgrade, each_step_once_and_in_order)
{
	struct fnr_error err = FNR_ERROR_INIT;

	set_schema(1);
	cr_assert_eq(settle(to_3, &err), FNR_OK, "%s", err.message);
	cr_assert_eq(meta("schema"), 3);
	cr_assert_eq(meta("steps"), 23);
	cr_assert_eq(settle(to_3, &err), FNR_OK);
	cr_assert_eq(meta("steps"), 23, "nothing is done twice");
}

Test(upgrade, begins_at_the_version_of_the_store)
{
	struct fnr_error err = FNR_ERROR_INIT;

	set_schema(2);
	cr_assert_eq(settle(to_3, &err), FNR_OK);
	cr_assert_eq(meta("steps"), 3);
}

Test(upgrade, a_step_that_fails_changes_nothing)
{
	struct fnr_error err = FNR_ERROR_INIT;

	set_schema(1);
	cr_assert_eq(settle(fails, &err), FNR_E_CORRUPT);
	cr_assert_not_null(strstr(err.message, "a record"));
	cr_assert_eq(meta("schema"), 1);
	cr_assert_eq(meta("steps"), 0);
	cr_assert_eq(settle(to_3, &err), FNR_OK);
	cr_assert_eq(meta("steps"), 23);
}

Test(upgrade, readers_are_told_to_wait)
{
	store_step *const steps[STORE_SCHEMA + 1] = { NULL };
	struct fnr_error err = FNR_ERROR_INIT;
	bool fresh;

	reopen(false);
	cr_assert_eq(store_settle_schema(fixture_store, steps, STORE_SCHEMA + 1, &fresh, &err), FNR_E_UNAVAILABLE);
	cr_assert_not_null(strstr(err.message, "fnr serve"), "%s", err.message);
}

Test(upgrade, a_newer_store_is_refused)
{
	struct fnr_error err = FNR_ERROR_INIT;

	set_schema(4);
	cr_assert_eq(settle(to_3, &err), FNR_E_CORRUPT);
	cr_assert_not_null(strstr(err.message, "version 4"), "%s", err.message);
	cr_assert_not_null(strstr(err.message, "up to 3"), "%s", err.message);
}

/* Services are restarted one after the other: the old ones write no more once the first new one has been there. */
Test(upgrade, nobody_writes_what_a_newer_program_has_changed)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_id id = fixture_submit(&plain);

	set_schema(STORE_SCHEMA + 1);
	cr_assert_null(store_write(fixture_store, &err));
	cr_assert_eq(err.code, FNR_E_CORRUPT);
	cr_assert_not_null(strstr(err.message, "restart"), "%s", err.message);
	cr_assert_eq(fixture_head(&id).state, FNR_STATE_QUEUED, "what is there can be read");
}

/* ---- numbers ---- */

static void move_on(uint64_t events, uint32_t takes)
{
	struct store_txn *txn = fixture_write();
	struct fnr_error err = FNR_ERROR_INIT;

	cr_assert_eq(store_move_on(txn, events, takes, &err), FNR_OK, "%s", err.message);
	fixture_commit(txn);
}

static uint64_t next_event(void)
{
	struct store_txn *txn = fixture_write();
	uint64_t first = store_events_reserve(txn, 10, NULL);

	fixture_commit(txn);
	return first;
}

static uint32_t counter_of(uint32_t shot)
{
	struct store_txn *txn = fixture_read();
	uint32_t counter = store_shot_counter(txn, 1, shot);

	store_read_end(txn);
	return counter;
}

Test(upgrade, events_are_moved_on)
{
	uint64_t before = next_event();

	move_on(1000, 1);
	cr_assert_geq(next_event(), before + 1010);
}

Test(upgrade, events_do_not_run_out)
{
	for (int i = 0; i < 30; i++)
		move_on((uint64_t)1 << 52, 1);
	cr_assert_gt(next_event(), 0, "half of what is left is kept each time");
}

Test(upgrade, takes_are_moved_on_for_known_and_unknown_shots)
{
	struct store_txn *txn = fixture_write();

	cr_assert_eq(store_shot_raise(txn, 1, 1, 7, NULL), FNR_OK);
	cr_assert_eq(store_shot_raise(txn, 1, 2, 3, NULL), FNR_OK);
	fixture_commit(txn);
	move_on(1, 100);
	cr_assert_eq(counter_of(1), 107);
	cr_assert_eq(counter_of(2), 107);
	cr_assert_eq(counter_of(99), 107, "a shot that this store knows nothing of");
	move_on(1, 100);
	cr_assert_eq(counter_of(1), 207);
	fixture_check();
}

Test(upgrade, there_is_an_end_of_takes)
{
	struct store_txn *txn = fixture_write();
	struct fnr_error err = FNR_ERROR_INIT;

	cr_assert_eq(store_shot_raise(txn, 1, 1, 899999999, NULL), FNR_OK);
	cr_assert_eq(store_move_on(txn, 1, 100, &err), FNR_E_INVALID);
	store_abort(txn);
}
