#include "api/slots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/id.h"

#define BLAME_MOST 100
#define BLAME_CRASH 34
#define BLAME_KILL 1

#define FILE_PREFIX ".op-"
#define FILE_FOLDER "uploads"

enum state { FREE, POSTED, TAKEN, DONE };

/* Each begins a cache line of its own: its owner and the committer are the only ones that touch it. */
struct slot {
	_Alignas(64) atomic_uint state;
	uint32_t len;
	uint8_t in_file, kind;
	uint8_t blame;                 /* for deaths of committers */
	uint8_t request[SLOTS_REQUEST];
	struct op_reply reply;
};

struct slots {
	int64_t patience_ms;
	atomic_uint used;
	_Alignas(64) atomic_uint bell;           /* counts what the committer should look at */
	atomic_uint asleep;                      /* the committer sleeps, or is about to */
	atomic_bool stop, clear_readers, loaded;
	_Atomic int64_t committer_at;            /* CLOCK_BOOTTIME ms */
	_Alignas(64) atomic_long at_hand;        /* one more than the slot's number; 0: none */
	_Alignas(64) atomic_uint conf_generation; /* odd while it is being written */
	struct fnr_conf conf;
	struct meter meter;
	struct slot slot[SLOTS_MOST];
	/* Pages behind here exist once they were written: an idle system has none. */
	struct memo memo;
	_Alignas(4096) char data[SLOTS_MOST][SLOTS_INLINE];
};

/* ---- futex ---- */

static void futex_wait(atomic_uint *word, uint32_t value, int64_t ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000 };

	if (ms > 0)
		syscall(SYS_futex, word, FUTEX_WAIT, value, &time, NULL, 0);
}

static void futex_wake(atomic_uint *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* The counter and `asleep` are sequentially consistent: either we see that it sleeps, or the kernel sees our count. */
static void ring(struct slots *slots)
{
	atomic_fetch_add(&slots->bell, 1);
	if (atomic_load(&slots->asleep))
		futex_wake(&slots->bell);
}

/* ---- making ---- */

struct slots *slots_create(const struct fnr_conf *conf, int64_t patience_ms)
{
	struct slots *slots = mmap(NULL, sizeof *slots, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (slots == MAP_FAILED)
		fnr_die("no shared memory: %s", strerror(errno));
	slots->patience_ms = patience_ms;
	slots_conf_publish(slots, conf);
	return slots;
}

void slots_free(struct slots *slots)
{
	if (slots)
		munmap(slots, sizeof *slots);
}

void slots_use(struct slots *slots, size_t count)
{
	FNR_MUST(count <= SLOTS_MOST);
	atomic_store(&slots->used, (unsigned)count);
}

/* ---- configuration ---- */

void slots_conf_publish(struct slots *slots, const struct fnr_conf *conf)
{
	atomic_fetch_add(&slots->conf_generation, 1);
	atomic_thread_fence(memory_order_seq_cst);
	slots->conf = *conf;
	atomic_thread_fence(memory_order_seq_cst);
	atomic_fetch_add(&slots->conf_generation, 1);
}

bool slots_conf_read(struct slots *slots, uint32_t *generation, struct fnr_conf *conf)
{
	unsigned now = atomic_load_explicit(&slots->conf_generation, memory_order_acquire);
	struct fnr_conf copy;

	if (now == *generation || (now & 1))       /* being written: the old one will do once more */
		return false;
	copy = slots->conf;
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load(&slots->conf_generation) != now)
		return false;
	*conf = copy;
	*generation = now;
	return true;
}

/* ---- files of large operations ---- */

static void file_path(const uint8_t request[SLOTS_REQUEST], char path[64])
{
	char digits[2 * SLOTS_REQUEST + 1];

	snprintf(path, 64, FILE_FOLDER "/" FILE_PREFIX "%s", fnr_hex(request, SLOTS_REQUEST, digits));
}

/* Not flushed: it is of use only as long as this start of the machine lasts. */
static int file_write(const uint8_t request[SLOTS_REQUEST], const void *data, size_t len, struct fnr_error *err)
{
	char path[64];
	int fd, code = FNR_OK;

	file_path(request, path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fnr_fail_errno(err, errno, "a large request cannot be put down in %s", path);
	if (!fnr_write_all(fd, data, len)) {
		code = fnr_fail_errno(err, errno, "a large request cannot be put down in %s", path);
		unlink(path);
	}
	fnr_fd_close(&fd);
	return code;
}

static void file_remove(struct slot *slot)
{
	char path[64];

	if (!slot->in_file)
		return;
	file_path(slot->request, path);
	unlink(path);
	slot->in_file = 0;
}

void slots_remove_files(void)
{
	DIR *folder = opendir(FILE_FOLDER);
	struct dirent *entry;

	while (folder && (entry = readdir(folder)))
		if (strncmp(entry->d_name, FILE_PREFIX, strlen(FILE_PREFIX)) == 0)
			unlinkat(dirfd(folder), entry->d_name, 0);
	if (folder)
		closedir(folder);
}

/* ---- posters ---- */

/* Sleeps until the slot is in another state than `state` and than `other`, or until `end`. Returns the state it is in. */
static unsigned wait_change(struct slot *slot, unsigned state, unsigned other, int64_t end)
{
	unsigned now;

	for (;;) {
		int64_t left = end - fnr_mono_ms();

		now = atomic_load_explicit(&slot->state, memory_order_acquire);
		if ((now != state && now != other) || left <= 0)
			return now;
		futex_wait(&slot->state, now, left);
	}
}

static void set_free(struct slot *slot)
{
	file_remove(slot);
	atomic_store_explicit(&slot->state, FREE, memory_order_relaxed);
}

bool slots_settle(struct slots *slots, size_t index)
{
	struct slot *slot = &slots->slot[index];
	unsigned state = wait_change(slot, POSTED, TAKEN, fnr_mono_ms() + slots->patience_ms);

	if (state != DONE && state != FREE)
		return false;
	set_free(slot);
	return true;
}

static int fill(struct slots *slots, size_t index, const void *data, size_t len, struct fnr_error *err)
{
	struct slot *slot = &slots->slot[index];

	fnr_random(slot->request, sizeof slot->request);
	slot->len = (uint32_t)len;
	slot->kind = len ? *(const uint8_t *)data : 0;
	slot->blame = 0;
	slot->in_file = len > SLOTS_INLINE;      /* before the file is made: whoever gets the slot after us removes it */
	if (slot->in_file)
		return file_write(slot->request, data, len, err);
	memcpy(slots->data[index], data, len);
	return FNR_OK;
}

/* Posted, then not taken in time: withdrawn, unless it is taken at this very moment. True if it was withdrawn. */
static bool withdraw(struct slot *slot)
{
	unsigned posted = POSTED;

	if (!atomic_compare_exchange_strong(&slot->state, &posted, FREE))
		return false;
	file_remove(slot);
	return true;
}

static int await(struct slots *slots, struct slot *slot, struct op_reply *reply_r, struct fnr_error *err)
{
	unsigned state = wait_change(slot, POSTED, TAKEN, fnr_mono_ms() + slots->patience_ms);

	if (state == POSTED && withdraw(slot)) {
		if (err)
			err->retry_after_s = 1;
		return fnr_fail(err, FNR_E_UNAVAILABLE, "nothing can be stored at the moment: the committer does not answer; "
		                "nothing was changed");
	}
	if (state != DONE)
		state = wait_change(slot, POSTED, TAKEN, fnr_mono_ms() + slots->patience_ms);
	if (state != DONE)
		return fnr_fail(err, FNR_E_TIMEOUT, "the store did not answer in time; it is not known whether this was carried out: "
		                "send it again with the same Idempotency-Key, or look whether it is there");
	*reply_r = slot->reply;
	reply_r->message[sizeof reply_r->message - 1] = 0;
	set_free(slot);
	return FNR_OK;
}

int slots_post(struct slots *slots, size_t index, const void *data, size_t len, struct op_reply *reply_r, struct fnr_error *err)
{
	struct slot *slot = &slots->slot[index];
	int code;

	FNR_MUST(index < SLOTS_MOST);
	memset(reply_r, 0, sizeof *reply_r);
	if (len > SLOTS_OPERATION_MOST)
		return fnr_fail(err, FNR_E_TOO_LARGE, "the request is %zu bytes in its stored form; the limit is %u", len, SLOTS_OPERATION_MOST);
	if (!slots_settle(slots, index))
		return fnr_fail(err, FNR_E_UNAVAILABLE, "nothing can be stored at the moment: the store is still busy with an earlier "
		                "request; nothing was changed");
	code = fill(slots, index, data, len, err);
	if (code != FNR_OK)
		return code;
	atomic_store_explicit(&slot->state, POSTED, memory_order_release);
	ring(slots);
	return await(slots, slot, reply_r, err);
}

int64_t slots_committer_age_ms(struct slots *slots)
{
	int64_t at = atomic_load(&slots->committer_at);

	return at ? fnr_mono_ms() - at : INT64_MAX;
}

struct memo *slots_memo(struct slots *slots)
{
	return &slots->memo;
}

struct meter *slots_meter(struct slots *slots)
{
	return &slots->meter;
}

bool slots_loaded(struct slots *slots)
{
	return atomic_load(&slots->loaded);
}

/* ---- the master ---- */

void slots_set_loaded(struct slots *slots)
{
	atomic_store(&slots->loaded, true);
}

void slots_stop(struct slots *slots, bool stop)
{
	atomic_store(&slots->stop, stop);
	ring(slots);
}

void slots_ask_clear_readers(struct slots *slots)
{
	atomic_store(&slots->clear_readers, true);
	ring(slots);
}

/* Nobody but the next committer, which is not there yet, would touch the slot. */
void slots_blame(struct slots *slots, bool crashed)
{
	long slot = slots_at_hand(slots);

	slots_set_at_hand(slots, -1);
	if (slot >= 0 && slot < SLOTS_MOST && slots->slot[slot].blame < BLAME_MOST)
		slots->slot[slot].blame += crashed ? BLAME_CRASH : BLAME_KILL;
}

/* ---- the committer ---- */

uint32_t slots_bell(struct slots *slots)
{
	return atomic_load(&slots->bell);
}

void slots_sleep(struct slots *slots, uint32_t bell, int64_t ms)
{
	atomic_store(&slots->asleep, 1);
	futex_wait(&slots->bell, bell, ms);
	atomic_store(&slots->asleep, 0);
}

void slots_seen(struct slots *slots)
{
	atomic_store(&slots->committer_at, fnr_mono_ms());
}

bool slots_stopping(struct slots *slots)
{
	return atomic_load(&slots->stop);
}

bool slots_clear_readers_asked(struct slots *slots)
{
	return atomic_load_explicit(&slots->clear_readers, memory_order_relaxed) && atomic_exchange(&slots->clear_readers, false);
}

long slots_take(struct slots *slots, size_t from, bool files)
{
	unsigned used = atomic_load_explicit(&slots->used, memory_order_relaxed);

	for (size_t i = from; i < used; i++) {
		struct slot *slot = &slots->slot[i];
		unsigned posted = POSTED;

		if (atomic_load_explicit(&slot->state, memory_order_acquire) != POSTED || (slot->in_file && !files))
			continue;
		if (atomic_compare_exchange_strong(&slot->state, &posted, TAKEN))
			return (long)i;
	}
	return -1;
}

long slots_taken(struct slots *slots, size_t from)
{
	for (size_t i = from; i < SLOTS_MOST; i++)
		if (atomic_load_explicit(&slots->slot[i].state, memory_order_acquire) == TAKEN)
			return (long)i;
	return -1;
}

const uint8_t *slots_request(struct slots *slots, size_t slot)
{
	return slots->slot[slot].request;
}

int slots_load(struct slots *slots, size_t index, struct fnr_buf *out, struct fnr_error *err)
{
	struct slot *slot = &slots->slot[index];
	uint32_t len = slot->len;
	char path[64];

	if (slot->in_file) {
		file_path(slot->request, path);
		return fnr_file_read(path, SLOTS_OPERATION_MOST, out, err);
	}
	if (len > SLOTS_INLINE)
		return fnr_fail(err, FNR_E_INTERNAL, "a posted operation has an impossible length");
	fnr_buf_add(out, slots->data[index], len);
	return FNR_OK;
}

uint8_t slots_kind(struct slots *slots, size_t index)
{
	return slots->slot[index].kind;
}

void slots_set_at_hand(struct slots *slots, long slot)
{
	atomic_store(&slots->at_hand, slot + 1);
}

long slots_at_hand(struct slots *slots)
{
	return atomic_load(&slots->at_hand) - 1;
}

bool slots_deadly(struct slots *slots, size_t index)
{
	return slots->slot[index].blame >= BLAME_MOST;
}

void slots_answer(struct slots *slots, size_t index, const struct op_reply *reply)
{
	struct slot *slot = &slots->slot[index];

	slot->reply = *reply;
	atomic_store_explicit(&slot->state, DONE, memory_order_release);
	futex_wake(&slot->state);
}
