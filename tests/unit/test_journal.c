#include <fcntl.h>
#include <sys/stat.h>

#include "store/journal.h"
#include "store_fixture.h"

static struct journal *journal;
static uint64_t generation;

static void open_again(void)
{
	struct fnr_error err = FNR_ERROR_INIT;

	cr_assert_eq(journal_open_writer(&journal, generation, &generation, &err), FNR_OK, "%s", err.message);
	cr_assert_eq(journal_generation(journal), generation);
}

static void setup(void)
{
	fixture_folder();
	open_again();
}

static void teardown(void)
{
	journal_close(journal);
	cr_assert_eq(chdir("/"), 0);
	fnr_tree_remove(fixture_path, NULL);
}

TestSuite(journal, .init = setup, .fini = teardown, .timeout = 600);

static struct journal_txn *write_begin(void)
{
	struct journal_txn *txn = journal_write(journal, NULL);

	cr_assert_not_null(txn);
	return txn;
}

static void write_end(struct journal_txn *txn)
{
	cr_assert_eq(journal_commit(txn, NULL), FNR_OK);
}

static struct fnr_id id_of(uint8_t n)
{
	struct fnr_id id = FNR_ID_NONE;

	id.bytes[0] = 1;
	id.bytes[15] = n;
	return id;
}

static void add(struct journal_txn *txn, uint64_t number, enum fnr_event type, uint8_t job, uint8_t batch)
{
	struct journal_event event = { .number = number, .type = type, .project = 3, .time = NOW + (int64_t)number,
	                              .data = "{\"a\":1}", .data_len = 7 };

	event.job = job ? id_of(job) : FNR_ID_NONE;
	event.batch = batch ? id_of(batch) : FNR_ID_NONE;
	cr_assert_eq(journal_event_add(txn, &event, NULL), FNR_OK);
}

static bool join(const struct journal_event *event, void *context)
{
	char *text = context;

	cr_assert_eq(event->time, NOW + (int64_t)event->number);
	cr_assert_eq(event->project, 3);
	cr_assert_eq(event->data_len, 7);
	cr_assert_eq(memcmp(event->data, "{\"a\":1}", 7), 0);
	snprintf(text + strlen(text), 200 - strlen(text), " %llu", (unsigned long long)event->number);
	return true;
}

static void expect_all(struct journal_txn *txn, uint64_t after, size_t limit, const char *expected)
{
	char text[200] = "";

	journal_events(txn, after, limit, join, text);
	cr_assert_str_eq(text, expected);
}

/* ---- generations ---- */

Test(journal, stays_in_use)
{
	struct journal_txn *txn = write_begin();
	struct stat stat_;

	cr_assert_eq(generation, 1);
	add(txn, 1, FNR_EVENT_BREAK, 0, 0);
	cr_assert_eq(journal_live_put(txn, "worker/w1", "{}", NULL), FNR_OK);
	write_end(txn);
	journal_close(journal);
	open_again();
	cr_assert_eq(generation, 1);
	txn = journal_read(journal, NULL);
	cr_assert_eq(journal_last_number(txn), 1);
	cr_assert_eq(journal_live(txn, "worker/", NULL, NULL), 0, "live tables are cleared");
	journal_end(txn);
	cr_assert_eq(stat("journal/1", &stat_), 0);
	cr_assert_eq(stat_.st_mode & 0777, 0700);
}

Test(journal, of_another_boot_is_not_opened)
{
	struct journal *reader;
	struct journal_txn *txn = write_begin();

	add(txn, 1, FNR_EVENT_BREAK, 0, 0);
	write_end(txn);
	journal_close(journal);
	cr_assert_eq(fnr_file_write("journal/1/boot_id", "00000000-0000-0000-0000-000000000000\n", 37, 0600, NULL), FNR_OK);
	cr_assert_eq(journal_open_reader(&reader, 1, NULL), FNR_E_NOT_FOUND, "a reader may not either");
	open_again();
	cr_assert_eq(generation, 2);
	cr_assert_eq(access("journal/1", F_OK), -1);
	txn = journal_read(journal, NULL);
	cr_assert_eq(journal_last_number(txn), 0);
	journal_end(txn);
}

Test(journal, without_boot_id_is_not_opened)
{
	journal_close(journal);
	cr_assert_eq(unlink("journal/1/boot_id"), 0);
	open_again();
	cr_assert_eq(generation, 2);
}

Test(journal, generation_that_is_gone)
{
	journal_close(journal);
	generation = 40;
	open_again();
	cr_assert_eq(generation, 41);
	cr_assert_eq(access("journal/1", F_OK), -1);
}

/* The store may not have learned of the newest one. */
Test(journal, numbers_of_generations_only_rise)
{
	journal_close(journal);
	cr_assert_eq(mkdir("journal/7", 0700), 0);
	generation = 0;
	open_again();
	cr_assert_eq(generation, 8);
	cr_assert_eq(access("journal/7", F_OK), -1);
}

static void fill(int count)
{
	struct journal_txn *txn = write_begin();
	struct fnr_id id = id_of(1);
	char picture[6000] = { 1 };

	for (int i = 1; i <= count; i++)
		add(txn, (uint64_t)i, FNR_EVENT_JOB_LOG, 1, 2);
	cr_assert_eq(journal_preview_put(txn, &id, "image/png", picture, sizeof picture, NULL), FNR_OK);
	write_end(txn);
	journal_close(journal);
}

static off_t size_of(const char *path)
{
	struct stat stat_;

	cr_assert_eq(stat(path, &stat_), 0);
	return stat_.st_size;
}

Test(journal, damaged_file)
{
	char garbage[4096];
	off_t size;
	int fd;

	fill(3000);
	size = size_of("journal/1/data.mdb");
	memset(garbage, 0xa5, sizeof garbage);
	fd = open("journal/1/data.mdb", O_WRONLY);
	for (off_t at = 2 * 4096; at < size; at += 2 * 4096)
		cr_assert_eq(pwrite(fd, garbage, sizeof garbage, at), (ssize_t)sizeof garbage);
	close(fd);
	open_again();
	cr_assert_eq(generation, 2);
}

/* Whatever page is damaged, and however: the manager gets a journal that it can read and write. */
static void damage_page(const struct fnr_buf *whole, size_t at, int how)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_buf file = FNR_BUF_INIT;
	struct journal_txn *txn;
	unsigned seed = (unsigned)at;

	fnr_buf_add(&file, whole->data, whole->len);
	if (how < 256)
		memset(file.data + at, how, 4096);
	for (int i = 0; how == 256 && i < 20; i++)
		file.data[at + (size_t)rand_r(&seed) % 4096] = (char)rand_r(&seed);
	cr_assert_eq(fnr_file_write("kept/data.mdb", file.data, file.len, 0600, NULL), FNR_OK);
	fnr_buf_free(&file);
	cr_assert_eq(fnr_tree_remove("journal", NULL), FNR_OK);
	cr_assert_eq(mkdir("journal", 0700), 0);
	cr_assert_eq(rename("kept", "journal/1"), 0);
	cr_assert_eq(journal_open_writer(&journal, 1, &generation, &err), FNR_OK, "%s", err.message);
	txn = write_begin();
	for (int i = 0; i < 300; i++)
		add(txn, 1000 + (uint64_t)i, FNR_EVENT_JOB_LOG, 1, 2);
	write_end(txn);
	journal_close(journal);
}

Test(journal, damaged_in_any_page)
{
	static const int ways[] = { 0, 0xa5, 0xff, 256 };
	struct fnr_buf whole = FNR_BUF_INIT, boot_id = FNR_BUF_INIT;
	struct journal_txn *txn = write_begin();

	for (int i = 1; i <= 300; i++)
		add(txn, (uint64_t)i, FNR_EVENT_JOB_LOG, 1, 2);
	write_end(txn);
	txn = write_begin();
	journal_trim(txn, NOW + 200, 0, 1000, NULL);      /* so that there are free pages */
	write_end(txn);
	journal_close(journal);
	cr_assert_eq(fnr_file_read("journal/1/data.mdb", 1 << 24, &whole, NULL), FNR_OK);
	cr_assert_eq(fnr_file_read("journal/1/boot_id", 100, &boot_id, NULL), FNR_OK);
	for (size_t at = 0; at < whole.len; at += 4096)
		for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
			cr_assert_eq(mkdir("kept", 0700), 0);
			cr_assert_eq(fnr_file_write("kept/boot_id", boot_id.data, boot_id.len, 0600, NULL), FNR_OK);
			damage_page(&whole, at, ways[i]);
		}
	fnr_buf_free(&whole);
	fnr_buf_free(&boot_id);
	open_again();
}

Test(journal, truncated_file)
{
	fill(3000);
	cr_assert_eq(truncate("journal/1/data.mdb", size_of("journal/1/data.mdb") / 2), 0);
	open_again();
	cr_assert_eq(generation, 2);
}

Test(journal, empty_file)
{
	fill(10);
	cr_assert_eq(truncate("journal/1/data.mdb", 0), 0);
	open_again();
	journal_end(journal_read(journal, NULL));
}

Test(journal, not_an_environment)
{
	journal_close(journal);
	cr_assert_eq(truncate("journal/1/data.mdb", 10), 0);
	open_again();
	cr_assert_eq(generation, 2);
}

Test(journal, reader_follows)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct journal *reader;
	struct journal_txn *txn = write_begin();

	add(txn, 1, FNR_EVENT_JOB_LOG, 1, 0);
	write_end(txn);
	journal_close(journal);       /* a process opens an environment once */
	cr_assert_eq(journal_open_reader(&reader, 0, &err), FNR_E_NOT_FOUND);
	cr_assert_eq(journal_open_reader(&reader, 9, &err), FNR_E_NOT_FOUND);
	cr_assert_eq(journal_open_reader(&reader, generation, &err), FNR_OK, "%s", err.message);
	cr_assert_eq(journal_generation(reader), generation);
	txn = journal_read(reader, &err);
	expect_all(txn, 0, 9, " 1");
	journal_end(txn);
	cr_assert_null(journal_write(reader, NULL));
	journal_close(reader);
	open_again();
}

/* ---- events ---- */

Test(journal, resume)
{
	struct journal_txn *txn = write_begin();
	struct fnr_id one = id_of(1), two = id_of(2), batch = id_of(9);
	char text[200] = "";

	cr_assert_eq(journal_first_number(txn), 0);
	cr_assert_eq(journal_last_number(txn), 0);
	add(txn, 10, FNR_EVENT_BREAK, 0, 0);
	add(txn, 11, FNR_EVENT_JOB_QUEUED, 1, 9);
	add(txn, 12, FNR_EVENT_JOB_QUEUED, 2, 0);
	add(txn, 15, FNR_EVENT_JOB_STARTED, 1, 9);
	add(txn, 16, FNR_EVENT_BATCH_PROGRESS, 0, 9);
	add(txn, 20, FNR_EVENT_BREAK, 0, 0);
	add(txn, 21, FNR_EVENT_JOB_COMPLETED, 1, 9);
	write_end(txn);
	txn = journal_read(journal, NULL);
	cr_assert_eq(journal_first_number(txn), 10);
	cr_assert_eq(journal_last_number(txn), 21);
	cr_assert_eq(journal_last_break(txn), 20);
	expect_all(txn, 0, 99, " 10 11 12 15 16 20 21");
	expect_all(txn, 12, 99, " 15 16 20 21");
	expect_all(txn, 13, 2, " 15 16");
	expect_all(txn, 21, 99, "");
	expect_all(txn, UINT64_MAX, 99, "");
	cr_assert_eq(journal_events_of_job(txn, &one, 11, 9, join, text), 2);
	cr_assert_str_eq(text, " 15 21");
	text[0] = 0;
	cr_assert_eq(journal_events_of_job(txn, &two, 0, 9, join, text), 1);
	cr_assert_str_eq(text, " 12");
	text[0] = 0;
	cr_assert_eq(journal_events_of_batch(txn, &batch, 0, 3, join, text), 3);
	cr_assert_str_eq(text, " 11 15 16");
	cr_assert_eq(journal_events_of_batch(txn, &two, 0, 3, join, text), 0);
	journal_end(txn);
}

Test(journal, aborted_write_leaves_nothing)
{
	struct journal_txn *txn = write_begin();

	add(txn, 1, FNR_EVENT_BREAK, 0, 0);
	journal_end(txn);
	txn = journal_read(journal, NULL);
	cr_assert_eq(journal_last_number(txn), 0);
	journal_end(txn);
}

/* ---- progress, log, preview, live ---- */

static bool join_log(uint64_t n, const char *json, size_t len, void *context)
{
	char *text = context;

	snprintf(text + strlen(text), 300 - strlen(text), "%llu%.*s", (unsigned long long)n, (int)len, json);
	return true;
}

static bool join_live(const char *name, const char *json, size_t len, void *context)
{
	char *text = context;

	snprintf(text + strlen(text), 300 - strlen(text), " %s=%.*s", name, (int)len, json);
	return true;
}

Test(journal, what_jobs_leave)
{
	struct journal_txn *txn = write_begin();
	struct fnr_buf out = FNR_BUF_INIT;
	struct fnr_id one = id_of(1), two = id_of(2);
	char text[300] = "", media_type[64];
	uint64_t n;

	cr_assert_eq(journal_progress_put(txn, &one, "{\"percent\":1}", NULL), FNR_OK);
	cr_assert_eq(journal_progress_put(txn, &one, "{\"percent\":2}", NULL), FNR_OK);
	cr_assert_eq(journal_progress_get(txn, &one, &out), FNR_OK);
	cr_assert_str_eq(out.data, "{\"percent\":2}");
	cr_assert_eq(journal_progress_get(txn, &two, &out), FNR_E_NOT_FOUND);
	cr_assert_eq(journal_log_add(txn, &one, 1000, "info", "a \"b\"", &n, NULL), FNR_OK);
	cr_assert_eq(n, 1);
	cr_assert_eq(journal_log_add(txn, &two, 1000, "info", "x", &n, NULL), FNR_OK);
	cr_assert_eq(n, 1);
	cr_assert_eq(journal_log_add(txn, &one, 1000, "warn", "c", &n, NULL), FNR_OK);
	cr_assert_eq(n, 2);
	cr_assert_eq(journal_log(txn, &one, 0, 9, join_log, text), 2);
	cr_assert_str_eq(text,
	                 "1{\"n\":1,\"time\":\"1970-01-01T00:00:01.000Z\",\"level\":\"info\",\"text\":\"a \\\"b\\\"\"}"
	                       "2{\"n\":2,\"time\":\"1970-01-01T00:00:01.000Z\",\"level\":\"warn\",\"text\":\"c\"}");
	cr_assert_eq(journal_log(txn, &one, 2, 9, join_log, text), 0);
	cr_assert_eq(journal_preview_get(txn, &one, media_type, &out), FNR_E_NOT_FOUND);
	cr_assert_eq(journal_preview_put(txn, &one, "image/jpeg", "\0\1\2", 3, NULL), FNR_OK);
	cr_assert_eq(journal_preview_get(txn, &one, media_type, &out), FNR_OK);
	cr_assert_str_eq(media_type, "image/jpeg");
	cr_assert(out.len == 3 && memcmp(out.data, "\0\1\2", 3) == 0);
	text[0] = 0;
	cr_assert_eq(journal_live_put(txn, "worker/w1", "{}", NULL), FNR_OK);
	cr_assert_eq(journal_live_put(txn, "worker/w2", "{\"a\":1}", NULL), FNR_OK);
	cr_assert_eq(journal_live_put(txn, "queue/cpu", "{}", NULL), FNR_OK);
	cr_assert_eq(journal_live_put(txn, "worker/w1", NULL, NULL), FNR_OK);
	cr_assert_eq(journal_live_put(txn, "worker/w1", NULL, NULL), FNR_OK);
	cr_assert_eq(journal_live(txn, "worker/", join_live, text), 1);
	cr_assert_eq(journal_live(txn, "", join_live, text), 2);
	cr_assert_str_eq(text, " worker/w2={\"a\":1} queue/cpu={} worker/w2={\"a\":1}");
	cr_assert_eq(journal_meta_get(txn, "last job"), 0);
	cr_assert_eq(journal_meta_put(txn, "last job", 9, NULL), FNR_OK);
	cr_assert_eq(journal_meta_get(txn, "last job"), 9);
	write_end(txn);
	fnr_buf_free(&out);
}

/* ---- removing ---- */

Test(journal, trim_by_age)
{
	struct journal_txn *txn = write_begin();
	struct fnr_id one = id_of(1);
	char text[200] = "";

	for (uint64_t i = 1; i <= 10; i++)
		add(txn, i, FNR_EVENT_JOB_LOG, 1, 2);
	cr_assert_eq(journal_trim(txn, NOW, 0, 100, NULL), 0);
	cr_assert_eq(journal_trim(txn, NOW + 6, 0, 3, NULL), 3);
	expect_all(txn, 0, 99, " 4 5 6 7 8 9 10");
	cr_assert_eq(journal_trim(txn, NOW + 6, 0, 100, NULL), 2);
	expect_all(txn, 0, 99, " 6 7 8 9 10");
	cr_assert_eq(journal_events_of_job(txn, &one, 0, 99, join, text), 5);
	cr_assert_eq(journal_first_number(txn), 6);
	cr_assert_eq(journal_trim(txn, NOW + 1000, 0, 100, NULL), 4);
	expect_all(txn, 0, 99, " 10");
	cr_assert_eq(journal_trim(txn, NOW + 1000, 0, 100, NULL), 0, "the newest stays: it tells where the numbers are");
	cr_assert_eq(journal_last_number(txn), 10);
	write_end(txn);
}

Test(journal, trim_by_size_takes_progress_first)
{
	struct journal_txn *txn = write_begin();
	struct fnr_buf out = FNR_BUF_INIT;
	struct fnr_id one = id_of(1);

	for (uint64_t i = 1; i <= 12; i++)
		add(txn, i, i % 3 ? FNR_EVENT_JOB_PROGRESS : FNR_EVENT_JOB_LOG, 1, 0);
	cr_assert_eq(journal_progress_put(txn, &one, "{}", NULL), FNR_OK);
	cr_assert_eq(journal_trim(txn, 0, UINT64_MAX, 100, NULL), 0, "there is room");
	cr_assert_eq(journal_trim(txn, 0, 1, 5, NULL), 5);
	expect_all(txn, 0, 99, " 3 6 8 9 10 11 12");
	write_end(txn);
	txn = write_begin();
	cr_assert_eq(journal_trim(txn, 0, 1, 3, NULL), 3);
	expect_all(txn, 0, 99, " 3 6 9 12");
	cr_assert_eq(journal_trim(txn, 0, 1, 2, NULL), 2, "then the oldest of the others");
	expect_all(txn, 0, 99, " 9 12");
	add(txn, 13, FNR_EVENT_JOB_PROGRESS, 1, 0);
	add(txn, 14, FNR_EVENT_JOB_LOG, 1, 0);
	cr_assert_eq(journal_trim(txn, 0, 1, 1, NULL), 1, "later progress is found as well");
	expect_all(txn, 0, 99, " 9 12 14");
	cr_assert_eq(journal_trim(txn, 0, 1, 100, NULL), 2);
	expect_all(txn, 0, 99, " 14");
	cr_assert_eq(journal_progress_get(txn, &one, &out), FNR_OK, "the last progress stays");
	write_end(txn);
	fnr_buf_free(&out);
}

Test(journal, trimming_makes_room)
{
	struct journal_txn *txn = write_begin();
	uint64_t number = 0;

	for (int i = 0; i < 20000; i++)
		add(txn, ++number, FNR_EVENT_JOB_PROGRESS, 1, 2);
	write_end(txn);
	for (int round = 0; round < 40; round++) {
		txn = write_begin();
		for (int i = 0; i < 1000; i++)
			add(txn, ++number, FNR_EVENT_JOB_PROGRESS, (uint8_t)(1 + i % 50), 2);
		journal_trim(txn, 0, 4 << 20, 2000, NULL);
		write_end(txn);
	}
	cr_assert_lt(size_of("journal/1/data.mdb"), 12 << 20);
}

Test(journal, forget)
{
	struct journal_txn *txn = write_begin();
	struct fnr_buf out = FNR_BUF_INIT;
	struct fnr_id one = id_of(1), two = id_of(2), batch = id_of(9);
	char text[200] = "", media_type[64];
	uint64_t n;

	for (uint64_t i = 1; i <= 600; i++)
		add(txn, i, FNR_EVENT_JOB_PROGRESS, 1, 9);
	add(txn, 601, FNR_EVENT_JOB_QUEUED, 2, 9);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(journal_log_add(txn, &one, 1000, "info", "a", &n, NULL), FNR_OK);
	cr_assert_eq(journal_progress_put(txn, &one, "{}", NULL), FNR_OK);
	cr_assert_eq(journal_progress_put(txn, &two, "{}", NULL), FNR_OK);
	cr_assert_eq(journal_preview_put(txn, &one, "image/png", "x", 1, NULL), FNR_OK);
	journal_forget(txn, &one);
	expect_all(txn, 0, 99, " 601");
	cr_assert_eq(journal_events_of_job(txn, &one, 0, 9, join, text), 0);
	cr_assert_eq(journal_events_of_batch(txn, &batch, 0, 9, join, text), 1);
	cr_assert_eq(journal_log(txn, &one, 0, 9, join_log, text), 0);
	cr_assert_eq(journal_progress_get(txn, &one, &out), FNR_E_NOT_FOUND);
	cr_assert_eq(journal_preview_get(txn, &one, media_type, &out), FNR_E_NOT_FOUND);
	cr_assert_eq(journal_progress_get(txn, &two, &out), FNR_OK);
	journal_forget(txn, &two);
	expect_all(txn, 0, 99, " 601");
	write_end(txn);
	fnr_buf_free(&out);
}
