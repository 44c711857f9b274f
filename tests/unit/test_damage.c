/* A damaged record costs those whose it is, and nobody else: with any sub-database full of rubbish the manager starts, runs the
 * jobs that come, and ends well. And `fnr check` finds every such record. */
#include "config.h"

#include "base/mem.h"
#include "manager_fixture.h"
#include "store/internal.h"

#define HELD "{\"type\":\"script\",\"command\":[\"sleep\",\"600\"]}"
#define RECORDS 4096
#define WRITES "{\"type\":\"script\",\"command\":[\"sh\",\"-c\",\"echo x > x.txt; echo '{\\\"output\\\":\\\"text\\\",\\\"path\\\":\\\"x.txt\\\"}'\"]}"

static void set_up(void)
{
	open_data_dir();
	write_config("workers: {min: 2, max: 4}\nlog: {level: error}\nstop: {grace: 0}\n");
	put_template("noop", "{\"type\":\"noop\"}", "{}");
	put_template("held", HELD, "{}");
	put_template("writes", WRITES, "{\"text\":{\"type\":\"text\"}}");
}

TestSuite(damage, .init = set_up, .fini = close_data_dir, .timeout = 300);

static struct fnr_id child;          /* of a job that is cancelled when the damage is done */

/* Jobs in every state, with what belongs to them. */
static void live_a_little(void)
{
	int64_t now = fnr_now_ms();
	struct fnr_id held, took;

	start_manager();
	wait_started();
	took = submit(1, (struct wish){ .template_ = "writes", .project = "film", .class_ = 21 });
	submit(3, (struct wish){ .template_ = "noop", .batch = true, .class_ = 22 });
	submit(1, (struct wish){ .template_ = "noop", .metadata = "{\"noop\":{\"fail\":\"permanent\"}}", .class_ = 23 });
	wait_finished();
	cr_assert_eq(head_of(&took).state, FNR_STATE_COMPLETED);
	held = submit(1, (struct wish){ .template_ = "held", .class_ = 24, .project = "film" });
	wait_state(&held, FNR_STATE_RUNNING);
	submit(2, (struct wish){ .template_ = "held", .batch = true, .class_ = 24 });
	submit(1, (struct wish){ .template_ = "noop", .not_before = now + 2000, .expires_at = now + 600000, .class_ = 25 });
	submit(1, (struct wish){ .template_ = "noop", .not_before = now + 600000, .expires_at = now + 2500, .class_ = 26 });
	submit(1, (struct wish){ .template_ = "noop", .not_before = now + 2000, .class_ = 27, .parent = &took });
	child = submit(1, (struct wish){ .template_ = "noop", .class_ = 30, .parent = &held });
	end_manager(SIGKILL);
	submit(1, (struct wish){ .template_ = "noop", .class_ = 28 });
	submit(2, (struct wish){ .template_ = "noop", .batch = true, .stop_on_error = true, .metadata = "{\"noop\":{\"fail\":\"permanent\"}}", .class_ = 29 });
	command("{\"command\":\"cancel\",\"job\":\"%s\"}", &held);
}

/* Without the counters, the last round and the number of the schema nothing is possible, and nothing is tried. */
static bool is_vital(const struct key *key)
{
	return key->data[0] == '.' || (key->len == strlen(META_SCHEMA) && memcmp(key->data, META_SCHEMA, key->len) == 0);
}

static void ruin(unsigned db)
{
	static struct key keys[RECORDS];
	struct store_txn *txn = store_write(store, NULL);
	size_t count = 0;
	struct walk walk;

	for (bool on = walk_from(&walk, &txn->t, db, NULL); on && count < RECORDS; on = walk_next(&walk)) {
		keys[count] = (struct key)KEY_INIT;
		key_bytes(&keys[count++], walk.key.mv_data, walk.key.mv_size);
	}
	walk_end(&walk);
	for (size_t i = 0; i < count; i++)
		if (db != DB_META || !is_vital(&keys[i]))
			cr_assert_eq(env_put(&txn->t, db, &keys[i], "\x01?!", 3, NULL), FNR_OK);
	cr_assert_eq(store_commit(txn, NULL), FNR_OK);
}

static const char *const names[] = {
#define X(name, text) text,
	STORE_DATABASES(X)
#undef X
};

static void assert_child_lost(void)
{
	cr_assert_eq(head_of(&child).state, FNR_STATE_FAILED, "it does not wait for ever");
	assert_attempt(&child, 0, "error", "code", "record_lost");
}

static void check(unsigned db)
{
	int64_t until = fnr_mono_ms() + WAIT_MS;
	struct fnr_id id;
	int status;

	live_a_little();
	ruin(db);
	start_manager();
	put_template("later", "{\"type\":\"noop\"}", "{}");
	id = submit(1, (struct wish){ .template_ = "later", .class_ = 99 });
	while (head_of(&id).state != FNR_STATE_COMPLETED) {
		cr_assert_eq(waitpid(manager, &status, WNOHANG), 0, "with \"%s\" damaged the manager ends with %x", names[db], status);
		cr_assert_lt(fnr_mono_ms(), until, "with \"%s\" damaged nothing is done", names[db]);
		poll(NULL, 0, 10);
	}
	poll(NULL, 0, 3000);     /* what was due meanwhile has been looked at */
	cr_assert_eq(waitpid(manager, &status, WNOHANG), 0, "with \"%s\" damaged the manager ends with %x", names[db], status);
	if (db == DB_PARENT)
		assert_child_lost();
	cr_assert_eq(end_manager(SIGTERM), 0);
}

/* Jobs whose records are damaged are due before others, more of them than are looked at in a turn: the others are not held up. */
Test(damage, what_cannot_be_done_holds_up_nobody)
{
	int64_t now = fnr_now_ms();
	struct fnr_id id;

	submit(2500, (struct wish){ .template_ = "noop", .class_ = 40, .batch = true, .not_before = now + 1 });
	ruin(DB_JOB);
	id = submit(1, (struct wish){ .template_ = "noop", .class_ = 41, .not_before = now + 500 });
	start_manager();
	wait_state(&id, FNR_STATE_COMPLETED);
	id = submit(1, (struct wish){ .template_ = "noop", .class_ = 41, .not_before = fnr_now_ms() + 300 });
	wait_state(&id, FNR_STATE_COMPLETED);
	cr_assert_eq(end_manager(SIGTERM), 0);
}

/* ---- what fnr check finds ---- */

enum damage { GARBLED, CUT, GONE };

static size_t problems_after(struct store_txn *txn, unsigned db, const struct key *key, enum damage damage)
{
	struct store_txn *child_txn = store_child(txn, NULL);
	MDB_val value;
	size_t found;

	cr_assert_eq(env_get(&child_txn->t, db, key, &value), FNR_OK);
	if (damage == GONE) {
		cr_assert_eq(env_delete(&child_txn->t, db, key, NULL), FNR_OK);
	} else {
		char *half = fnr_alloc(value.mv_size + 1);

		memcpy(half, value.mv_data, value.mv_size);
		cr_assert_eq(damage == CUT ? env_put(&child_txn->t, db, key, half, value.mv_size / 2, NULL) : env_put(&child_txn->t, db, key, "\x01?!", 3, NULL), FNR_OK);
		free(half);
	}
	found = store_check(child_txn, NULL, NULL);
	store_abort(child_txn);
	return found;
}

/* Records that somebody may delete any time, and nothing of the store is wrong then. */
static bool may_go(unsigned db)
{
	static const enum store_db may[] = {
		DB_META, DB_COMMAND, DB_IDEMPOTENCY, DB_TEMPLATE, DB_PRESET, DB_KEY, DB_SESSION, DB_ESTIMATE, DB_REMOVAL, DB_CONTENT, DB_QUEUE, DB_DEAD,
		DB_PROJECT, DB_THUMBNAIL, DB_THUMBNAIL_DUE, DB_DEDUPE, DB_STATISTIC, DB_DISCARD, DB_BACKEND, DB_SECRET, DB_PRESET_VERSION, DB_PRESET_OWNER,
		DB_TEMPLATE_TEXT, DB_DEPRECATION, DB_BROKEN, DB_TOOK, DB_SUSPECT, DB_UPLOAD, DB_DEFINITION, DB_SHOT,
	};

	for (size_t i = 0; i < sizeof may / sizeof may[0]; i++)
		if (may[i] == db)
			return true;
	return false;
}

static void damage_each(struct store_txn *txn, unsigned db)
{
	struct walk walk;
	size_t count = 0;

	for (bool on = walk_from(&walk, &txn->t, db, NULL); on && count < 40; count++) {
		struct key key = KEY_INIT;
		size_t len = walk.value.mv_size;

		key_bytes(&key, walk.key.mv_data, walk.key.mv_size);
		walk_end(&walk);
		cr_expect_gt(problems_after(txn, db, &key, GARBLED), 0, "a garbled record of \"%s\" is not found", names[db]);
		if (len > 1)
			cr_expect_gt(problems_after(txn, db, &key, CUT), 0, "a record of \"%s\" that was cut is not found", names[db]);
		if (!may_go(db))
			cr_expect_gt(problems_after(txn, db, &key, GONE), 0, "a missing record of \"%s\" is not found", names[db]);
		on = walk_from(&walk, &txn->t, db, &key) && walk_next(&walk);
	}
	walk_end(&walk);
}

Test(damage, fnr_check_finds_each)
{
	struct fnr_buf report = FNR_BUF_INIT;
	struct store_txn *txn;

	live_a_little();
	txn = store_write(store, NULL);
	cr_assert_eq(store_check(txn, &report, NULL), 0, "%s", report.data);
	for (unsigned db = 0; db < DB_COUNT; db++)
		damage_each(txn, db);
	store_abort(txn);
	fnr_buf_free(&report);
}

#define DAMAGED(name, text) Test(damage, name) { check(DB_##name); }
STORE_DATABASES(DAMAGED)
