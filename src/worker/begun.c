#include "config.h"

#include "worker/begun.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define FOLDER "run/begun"
#define BOOT FOLDER "/boot"
#define DOUBT FOLDER "/doubt"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_MOST 63
#define NOTE_SIZE 128          /* of every note, so that one replaces the one before in one go */
#define WAIT_MS 10000          /* for workers of the life before, which the kernel has been told to end */

struct begun {
	bool complete;
	struct begun_note *notes;
	size_t count, size;
	struct fnr_id doubt;
};

static void path_of(const char *worker, char path[96])
{
	snprintf(path, 96, FOLDER "/%.64s", worker);
}

/* ---- a worker's side ---- */

int begun_open(const char *worker)
{
	char path[96];

	path_of(worker, path);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0)
		fnr_fd_close(&fd);
	return fd;
}

void begun_note(int fd, const char *job, int attempt, const char *backend)
{
	char text[NOTE_SIZE], note[NOTE_SIZE + 1];

	snprintf(text, sizeof text, "%s %d %s", job, attempt, backend);
	snprintf(note, sizeof note, "%-*s\n", NOTE_SIZE - 1, text);
	if (fd >= 0 && pwrite(fd, note, NOTE_SIZE, 0) == NOTE_SIZE)
		return;
	if (unlink(BOOT) != 0 && errno != ENOENT)
		fnr_err(NULL, "event=worker.begun_unknown: neither can it be noted that an attempt has begun nor that this is not known: %s", strerror(errno));
}

/* ---- the manager's side ---- */

static bool is_of_this_boot(void)
{
	struct fnr_buf now = FNR_BUF_INIT, noted = FNR_BUF_INIT;
	bool same = fnr_file_read(BOOT_ID, BOOT_ID_MOST, &now, NULL) == FNR_OK && now.len > 0 && fnr_file_read(BOOT, BOOT_ID_MOST, &noted, NULL) == FNR_OK &&
	            now.len == noted.len && memcmp(now.data, noted.data, now.len) == 0;

	fnr_buf_free(&now);
	fnr_buf_free(&noted);
	return same;
}

static bool wait_for_lock(int fd, int64_t until)
{
	while (flock(fd, LOCK_SH | LOCK_NB) != 0) {
		if (fnr_mono_ms() >= until)
			return false;
		poll(NULL, 0, 5);
	}
	return true;
}

static bool parse(const char *worker, const char *text, struct begun_note *note_r)
{
	fnr_text_copy(note_r->worker, sizeof note_r->worker, worker);
	return sscanf(text, "%36s %d %67s", note_r->job, &note_r->attempt, note_r->backend) == 3;
}

static void keep(struct begun *begun, const char *worker, const char *text)
{
	struct begun_note note;

	if (!parse(worker, text, &note))
		return;
	if (begun->count == begun->size) {
		begun->size = begun->size ? 2 * begun->size : 64;
		begun->notes = fnr_realloc(begun->notes, begun->size * sizeof *begun->notes);
	}
	begun->notes[begun->count++] = note;
}

/* False: it may not be the last word of its worker. A file of a worker that never began anything is empty. */
static bool read_note(struct begun *begun, const char *worker, int64_t until)
{
	char path[96], text[NOTE_SIZE + 1];

	path_of(worker, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd >= 0 && wait_for_lock(fd, until) ? pread(fd, text, NOTE_SIZE, 0) : -1;
	fnr_fd_close(&fd);
	if (len > 0) {
		text[len] = 0;
		keep(begun, worker, text);
	}
	return len == 0 || len == NOTE_SIZE;
}

static bool is_note(const char *name)
{
	return name[0] != '.' && strcmp(name, "boot") != 0 && strcmp(name, "doubt") != 0;
}

static struct fnr_id doubt_read(void)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct fnr_id doubt = FNR_ID_NONE;

	if (fnr_file_read(DOUBT, FNR_ID_TEXT, &text, NULL) == FNR_OK) {
		fnr_buf_puts(&text, "");
		fnr_id_parse(text.data, &doubt);
	}
	fnr_buf_free(&text);
	return doubt;
}

struct begun *begun_read(void)
{
	struct begun *begun = fnr_alloc(sizeof *begun);
	int64_t until = fnr_mono_ms() + WAIT_MS;
	DIR *dir = opendir(FOLDER);
	struct dirent *entry;
	bool good = dir != NULL;

	while (dir && (entry = readdir(dir)))
		if (is_note(entry->d_name) && !read_note(begun, entry->d_name, until))
			good = false;
	if (dir)
		closedir(dir);
	begun->complete = good && is_of_this_boot();       /* looked at last: the workers are gone */
	begun->doubt = doubt_read();
	return begun;
}

bool begun_complete(const struct begun *begun)
{
	return begun->complete;
}

struct fnr_id begun_doubt(const struct begun *begun)
{
	return begun->doubt;
}

const struct begun_note *begun_notes(const struct begun *begun, size_t *count_r)
{
	*count_r = begun->count;
	return begun->notes;
}

bool begun_has(const struct begun *begun, const char *job, int attempt)
{
	for (size_t i = 0; i < begun->count; i++)
		if (begun->notes[i].attempt == attempt && strcmp(begun->notes[i].job, job) == 0)
			return true;
	return !begun->complete;
}

void begun_free(struct begun *begun)
{
	free(begun->notes);
	free(begun);
}

bool begun_noted(const char *worker, const char *job, int attempt)
{
	struct begun begun = { 0 };

	bool known = read_note(&begun, worker, 0) && is_of_this_boot();
	bool noted = begun.count == 1 && begun.notes[0].attempt == attempt && strcmp(begun.notes[0].job, job) == 0;
	free(begun.notes);
	return noted || !known;
}

static bool write_file(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool good = fd >= 0 && fnr_write_all(fd, text, len);

	fnr_fd_close(&fd);
	return good;
}

static bool doubt_write(const struct fnr_id *doubt)
{
	char text[FNR_ID_TEXT];

	fnr_id_format(doubt, text);
	return fnr_id_is_none(doubt) || write_file(DOUBT, text, strlen(text));
}

/* The doubt comes first: without it, what this says would be wrong. */
static void boot_write(const struct fnr_id *doubt)
{
	struct fnr_buf now = FNR_BUF_INIT;

	if (!doubt_write(doubt) || fnr_file_read(BOOT_ID, BOOT_ID_MOST, &now, NULL) != FNR_OK || !write_file(BOOT, now.data, now.len))
		fnr_warn(NULL, "event=manager.begun_unknown: after a crash every attempt is taken for begun, as " BOOT " cannot be written: %s", strerror(errno));
	fnr_buf_free(&now);
}

void begun_reset(const struct fnr_id *doubt)
{
	fnr_tree_remove(FOLDER, NULL);
	fnr_dir_make(FOLDER, 0700, NULL);
	boot_write(doubt);
}

void begun_forget(const char *worker)
{
	char path[96];

	path_of(worker, path);
	unlink(path);
}
