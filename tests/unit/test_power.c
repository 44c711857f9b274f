/* A power cut at any moment. All writes to the store's file, and all flushes, are recorded while random transactions run
 * (store_model.h). Then the file is put together as a disk may have it after a cut at each of these moments: what was
 * flushed is there; of what was written since, nothing, everything, or any part, as disks write in any order. It must
 * open, be sound, and hold exactly what one of two commits left: the last that was confirmed, or the one that was being
 * made. FNR_POWER_COMMITS makes it longer.
 *
 * The calls of liblmdb are caught here by their names: this program's come before those of libc. The meta page goes
 * through a descriptor opened with O_DSYNC: such a write is flushed by itself. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/hash.h"
#include "store_model.h"

TestSuite(power, .init = fixture_setup, .fini = fixture_teardown, .timeout = 600);

#define EVENTS 20000
#define COMMITS 2000

struct happening { enum { WRITE, FLUSH, CONFIRMED } kind; off_t offset; size_t len; char *data; };
static struct happening happenings[EVENTS];
static size_t happening_count;
static bool recording;

static struct happening *happen(int kind)
{
	cr_assert_lt(happening_count, EVENTS);
	happenings[happening_count].kind = kind;
	return &happenings[happening_count++];
}

static bool is_store(int fd)
{
	struct stat of_fd, of_store;

	return recording && fstat(fd, &of_fd) == 0 && stat("store/data.mdb", &of_store) == 0 && of_fd.st_ino == of_store.st_ino && of_fd.st_dev == of_store.st_dev;
}

static void wrote(int fd, const void *data, size_t len, off_t offset)
{
	struct happening *happening = happen(WRITE);

	happening->offset = offset;
	happening->len = len;
	happening->data = malloc(len);
	memcpy(happening->data, data, len);
	if (fcntl(fd, F_GETFL) & O_DSYNC)
		happen(FLUSH);
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
	REAL(pwrite);
	ssize_t done = real(fd, data, len, offset);

	if (done > 0 && is_store(fd))
		wrote(fd, data, (size_t)done, offset);
	return done;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	REAL(pwritev);
	ssize_t done = real(fd, parts, count, offset);
	size_t left = done > 0 ? (size_t)done : 0;

	for (int i = 0; left && i < count && is_store(fd); i++) {
		size_t len = parts[i].iov_len < left ? parts[i].iov_len : left;

		wrote(fd, parts[i].iov_base, len, offset);
		offset += (off_t)len;
		left -= len;
	}
	return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	REAL(writev);
	off_t offset = is_store(fd) ? lseek(fd, 0, SEEK_CUR) : 0;
	ssize_t done = real(fd, parts, count);
	size_t left = done > 0 ? (size_t)done : 0;

	for (int i = 0; left && i < count && is_store(fd); i++) {
		size_t len = parts[i].iov_len < left ? parts[i].iov_len : left;

		wrote(fd, parts[i].iov_base, len, offset);
		offset += (off_t)len;
		left -= len;
	}
	return done;
}

ssize_t write(int fd, const void *data, size_t len)
{
	REAL(write);
	off_t offset = is_store(fd) ? lseek(fd, 0, SEEK_CUR) : 0;
	ssize_t done = real(fd, data, len);

	if (done > 0 && is_store(fd))
		wrote(fd, data, (size_t)done, offset);
	return done;
}

int fdatasync(int fd)
{
	REAL(fdatasync);
	int result = real(fd);

	if (result == 0 && is_store(fd))
		happen(FLUSH);
	return result;
}

int fsync(int fd)
{
	REAL(fsync);
	int result = real(fd);

	if (result == 0 && is_store(fd))
		happen(FLUSH);
	return result;
}

/* ---- what the store holds, in one number ---- */

struct content { struct fnr_sha256 *sha; struct store_txn *txn; };

static bool add_job(const struct job_head *head, void *context)
{
	struct content *content = context;
	struct fnr_buf summary = FNR_BUF_INIT, payload = FNR_BUF_INIT;

	fnr_sha256_add(content->sha, head, sizeof *head);
	cr_assert_eq(store_job_body(content->txn, &head->id, &summary, &payload, NULL), FNR_OK);
	fnr_sha256_add(content->sha, summary.data, summary.len);
	fnr_sha256_add(content->sha, payload.data, payload.len);
	fnr_buf_free(&summary);
	fnr_buf_free(&payload);
	return true;
}

static void content_of(struct store_txn *txn, uint8_t digest_r[32])
{
	struct content content = { fnr_sha256_create(), txn };
	struct store_counters counters;

	store_counters_get(txn, &counters);
	fnr_sha256_add(content.sha, &counters, sizeof counters);
	store_jobs_after(txn, NULL, SIZE_MAX, add_job, &content);
	fnr_sha256_end(content.sha, digest_r);
}

/* ---- the disk after the cut ---- */

static uint8_t digests[COMMITS][32];     /* after each commit; 0: before the first */
static char *disk, *begin;               /* what is surely on it; what it held when the recording began */
static size_t disk_len, disk_size, begin_len;

static void apply(const struct happening *happening, size_t len)
{
	size_t end = (size_t)happening->offset + len;

	cr_assert_leq(end, disk_size);
	memcpy(disk + happening->offset, happening->data, len);
	if (end > disk_len)
		disk_len = end;
}

static void open_and_look(size_t confirmed, size_t event)
{
	struct fnr_error err = FNR_ERROR_INIT;
	uint8_t digest[32];
	struct store_txn *txn;
	uint64_t commit;
	int fd = open("store/data.mdb", O_RDWR | O_CREAT | O_TRUNC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert(fnr_write_all(fd, disk, disk_len));
	close(fd);
	unlink("store/lock.mdb");
	cr_assert_eq(store_open(&fixture_store, true, &err), FNR_OK, "cut at %zu: %s", event, err.message);
	txn = fixture_read();
	fixture_audit(txn, 0);
	commit = store_meta_get(txn, "commit");
	cr_assert(commit == confirmed || commit == confirmed + 1, "cut at %zu: %zu commits were confirmed, %llu are there", event, confirmed,
	          (unsigned long long)commit);
	content_of(txn, digest);
	cr_assert_arr_eq(digest, digests[commit], 32, "cut at %zu: commit %llu is not whole", event, (unsigned long long)commit);
	store_read_end(txn);
	store_close(fixture_store);
	fixture_store = NULL;
}

/* Of the writes [from, to), which were not flushed, those that `chosen` says reached the disk, in a random order of their own. */
static void cut(struct model *chance, size_t from, size_t to, int how, size_t confirmed)
{
	static char *sure;
	size_t sure_len = disk_len;

	if (!sure)
		sure = malloc(disk_size);
	memcpy(sure, disk, disk_len);
	for (size_t i = from; i < to; i++) {
		size_t len = happenings[i].len;

		if (happenings[i].kind != WRITE || how == 0 || (how > 1 && model_random(chance, 2)))
			continue;
		if (how > 2 && len > 4096)          /* a long write may be cut itself, between two pages */
			len = 4096 * (1 + model_random(chance, len / 4096));
		apply(&happenings[i], len);
	}
	open_and_look(confirmed, to);
	memset(disk, 0, disk_len > sure_len ? disk_len : sure_len);
	memcpy(disk, sure, sure_len);
	disk_len = sure_len;
}

static void record(struct model *model, size_t commits)
{
	struct fnr_buf file = FNR_BUF_INIT;
	struct store_txn *txn = fixture_read();

	content_of(txn, digests[0]);
	store_read_end(txn);
	cr_assert_eq(fnr_file_read("store/data.mdb", SIZE_MAX / 2, &file, NULL), FNR_OK);
	begin = file.data;
	begin_len = file.len;
	recording = true;
	for (size_t commit = 1; commit <= commits; commit++) {
		txn = fixture_write();
		for (size_t i = model_random(model, 10) + 1; i > 0; i--) {
			uint64_t what = model_random(model, 8);

			if (what < 4)
				model_accept(model, txn);
			else if (what < 7)
				model_move(model, txn);
			else
				model_delete(model, txn);
		}
		cr_assert_eq(store_meta_put(txn, "commit", commit, NULL), FNR_OK);
		content_of(txn, digests[commit]);
		fixture_commit(txn);
		happen(CONFIRMED);
	}
	recording = false;
	store_close(fixture_store);
	fixture_store = NULL;
}

Test(power, cut_at_every_moment)
{
	static struct model model = { .random = 1 }, chance = { .random = 2 };
	const char *text = getenv("FNR_POWER_COMMITS");
	size_t commits = text ? strtoul(text, NULL, 10) : 300, confirmed = 0, flushed = 0, cuts = 0;

	cr_assert_lt(commits, COMMITS);
	record(&model, commits);
	cr_assert_gt(happening_count, commits * 4, "only %zu happenings were seen: the calls of liblmdb are not caught", happening_count);
	disk_size = begin_len + (16u << 20);
	disk = calloc(1, disk_size);
	memcpy(disk, begin, begin_len);
	disk_len = begin_len;
	for (size_t i = 0; i <= happening_count; i++) {
		bool flush = i == happening_count || happenings[i].kind == FLUSH;

		if (flush)       /* just before it: everything since the last one is in doubt */
			for (int how = 0; how < 5; how++, cuts++)
				cut(&chance, flushed, i, how, confirmed);
		if (i == happening_count)
			break;
		if (happenings[i].kind == CONFIRMED)
			confirmed++;
		for (; flush && flushed <= i; flushed++)
			if (happenings[flushed].kind == WRITE)
				apply(&happenings[flushed], happenings[flushed].len);
	}
	cr_assert_eq(confirmed, commits);
	cr_log_info("%zu cuts", cuts);
	fixture_open();
	free(disk);
	free(begin);
}
