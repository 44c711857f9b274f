#include "config.h"

#include "files/take.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/text.h"
#include "files/path.h"

#define MARK_SIZE 80

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

/* ---- names ---- */

void take_final_dir(char out[TAKE_PATH], const char *project, const char *shot, uint32_t take, const struct fnr_id *job)
{
	char id[FNR_ID_TEXT];
	if (project == NULL || project[0] == '\0')
		snprintf(out, TAKE_PATH, "workspace/.jobs/%s", fnr_id_format(job, id));
	else
		snprintf(out, TAKE_PATH, "workspace/%s/%s/take_%03u", project, shot, take);
}

void take_attempt_dir(char out[TAKE_PATH], const char *project, const char *shot, const struct fnr_id *job, int attempt)
{
	char id[FNR_ID_TEXT];
	fnr_id_format(job, id);
	if (project == NULL || project[0] == '\0')
		snprintf(out, TAKE_PATH, "workspace/.jobs/.attempt-%s-%d", id, attempt);
	else
		snprintf(out, TAKE_PATH, "workspace/%s/%s/.attempt-%s-%d", project, shot, id, attempt);
}

void take_work_dir(char out[TAKE_PATH], const struct fnr_id *job, int attempt)
{
	char id[FNR_ID_TEXT];
	snprintf(out, TAKE_PATH, "workspace/.work/%s-%d", fnr_id_format(job, id), attempt);
}

/* "<job id>-<attempt>" and nothing behind it */
static bool is_job_attempt(const char *text)
{
	char id_text[FNR_ID_TEXT];
	struct fnr_id id;
	if (strlen(text) < FNR_ID_TEXT + 1)
		return false;
	memcpy(id_text, text, FNR_ID_TEXT - 1);
	id_text[FNR_ID_TEXT - 1] = '\0';
	const char *number = text + FNR_ID_TEXT;
	return fnr_id_parse(id_text, &id) && text[FNR_ID_TEXT - 1] == '-' && strlen(number) <= 10 &&
	       strspn(number, "0123456789") == strlen(number);
}

/* Cuts "a/b/c" into at most `most` parts in place; 0 if there are more, or an empty one. */
static size_t split(char *path, char **parts, size_t most)
{
	size_t count = 0;
	for (char *at = path; at != NULL;) {
		char *slash = strchr(at, '/');
		if (slash != NULL)
			*slash++ = '\0';
		if (count == most || at[0] == '\0')
			return 0;
		parts[count++] = at;
		at = slash;
	}
	return count;
}

bool take_work_valid(const char *path)
{
	static const char before[] = "workspace/.work/";
	return strncmp(path, before, sizeof before - 1) == 0 && is_job_attempt(path + sizeof before - 1);
}

bool take_attempt_valid(const char *path)
{
	char copy[TAKE_PATH], *parts[4];
	if (strlen(path) >= sizeof copy)
		return false;
	strcpy(copy, path);
	size_t count = split(copy, parts, 4);
	if (count < 3 || strcmp(parts[0], "workspace") != 0)
		return false;
	static const char before[] = ".attempt-";
	const char *last = parts[count - 1];
	if (strncmp(last, before, sizeof before - 1) != 0 || !is_job_attempt(last + sizeof before - 1))
		return false;
	return count == 3 ? strcmp(parts[1], ".jobs") == 0 : fnr_name_valid(parts[1]) && fnr_name_valid(parts[2]);
}

/* "workspace/.jobs/<id>" or "workspace/<project>/<shot>/take_<digits>" */
static bool final_valid(const char *path)
{
	char copy[TAKE_PATH], *parts[4];
	struct fnr_id id;
	if (strlen(path) >= sizeof copy)
		return false;
	strcpy(copy, path);
	size_t count = split(copy, parts, 4);
	if (count < 3 || strcmp(parts[0], "workspace") != 0)
		return false;
	if (count == 3)
		return strcmp(parts[1], ".jobs") == 0 && fnr_id_parse(parts[2], &id);
	const char *digits = parts[3] + 5;
	return fnr_name_valid(parts[1]) && fnr_name_valid(parts[2]) && strncmp(parts[3], "take_", 5) == 0 &&
	       digits[0] != '\0' && strspn(digits, "0123456789") == strlen(digits);
}

/* ---- folders ---- */

/* The folder in which path's last name lies, without following a symlink; *name_r is that name. -1 with errno. */
static int open_parent(const char *path, const char **name_r)
{
	char parent[TAKE_PATH];
	const char *slash = strrchr(path, '/');
	*name_r = slash + 1;
	snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
	return path_open(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY, 0);
}

/* Makes the folder `path` if it is not there and flushes its entry, so that what is put into it cannot lose its way. */
static int make_flushed(const char *path, struct fnr_error *err)
{
	const char *name = path;
	int parent = strchr(path, '/') != NULL ? open_parent(path, &name) : open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return fnr_fail_errno(err, errno, "cannot open the folder of %s", path);
	int code = FNR_OK;
	if (mkdirat(parent, name, 0755) == 0) {
		if (fsync(parent) != 0)
			code = fnr_fail_errno(err, errno, "cannot flush the folder of %s", path);
	} else if (errno != EEXIST) {
		code = fnr_fail_errno(err, errno, "cannot make the folder %s", path);
	}
	close(parent);
	return code;
}

/* Removes what is at path, and makes what it shall lie in. */
static int place_make(const char *path, struct fnr_error *err)
{
	FNR_MUST(strlen(path) < TAKE_PATH);
	int code = take_dir_remove(path, err);
	for (const char *slash = strchr(path, '/'); code == FNR_OK && slash != NULL; slash = strchr(slash + 1, '/')) {
		char part[TAKE_PATH];
		snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
		code = make_flushed(part, err);
	}
	return code;
}

int take_dir_make(const char *path, struct fnr_error *err)
{
	int code = place_make(path, err);
	if (code != FNR_OK)
		return code;
	const char *name;
	int parent = open_parent(path, &name);
	if (parent < 0)
		return fnr_fail_errno(err, errno, "cannot open the folder of %s", path);
	if (mkdirat(parent, name, 0755) != 0)
		code = fnr_fail_errno(err, errno, "cannot make the folder %s", path);
	close(parent);
	return code;
}

int take_adopt(const char *work, const char *attempt_dir, struct fnr_error *err)
{
	const char *from, *to;
	int code = take_work_valid(work) ? place_make(attempt_dir, err) : fnr_fail(err, FNR_E_INVALID, "\"%s\" is not a folder to work in", work);
	if (code != FNR_OK)
		return code;
	int from_parent = open_parent(work, &from), to_parent = open_parent(attempt_dir, &to);
	if (from_parent < 0 || to_parent < 0 || renameat(from_parent, from, to_parent, to) != 0)
		code = fnr_fail_errno(err, errno, "cannot rename %s to %s", work, attempt_dir);
	fnr_fd_close(&from_parent);
	fnr_fd_close(&to_parent);
	return code;
}

/* Gives the owner all rights to a folder and those in it. */
static void unlock(int parent, const char *name)
{
	fchmodat(parent, name, 0700, 0);
	int fd = path_open(parent, name, O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlock(fd, entry->d_name);
	closedir(dir);
}

static int remove_folder(const char *path, struct fnr_error *err)
{
	const char *name;
	int parent = open_parent(path, &name);
	if (parent < 0)
		return errno == ENOENT ? FNR_OK : fnr_fail_errno(err, errno, "cannot open the folder of %s", path);
	int code = fnr_tree_remove(path, err);
	if (code != FNR_OK) { /* a script may have taken the rights off its own folders */
		unlock(parent, name);
		code = fnr_tree_remove(path, err);
	}
	close(parent);
	return code;
}

int take_dir_remove(const char *path, struct fnr_error *err)
{
	if (!take_work_valid(path) && !take_attempt_valid(path))
		return fnr_fail(err, FNR_E_INVALID, "\"%s\" is not the folder of an attempt", path);
	return remove_folder(path, err);
}

int take_discard(const char *path, struct fnr_error *err)
{
	return final_valid(path) ? remove_folder(path, err) : take_dir_remove(path, err);
}

int take_set_aside(const struct fnr_id *job, char path_r[TAKE_PATH], struct fnr_error *err)
{
	char from[TAKE_PATH];
	struct stat st;

	take_final_dir(from, "", "", 0, job);
	take_work_dir(path_r, job, 0);
	if (lstat(from, &st) != 0)
		return errno == ENOENT ? FNR_E_NOT_FOUND : fnr_fail_errno(err, errno, "cannot look at %s", from);
	int code = take_dir_make(path_r, err);
	if (code != FNR_OK)
		return code;
	if (rename(from, path_r) != 0)
		return fnr_fail_errno(err, errno, "cannot rename %s to %s", from, path_r);
	code = fnr_dir_flush("workspace/.work", err);
	return code == FNR_OK ? fnr_dir_flush("workspace/.jobs", err) : code;
}

uint32_t take_highest(const char *project, const char *shot)
{
	char path[TAKE_PATH];
	uint32_t highest = 0;
	snprintf(path, sizeof path, "workspace/%s/%s", project, shot);
	int fd = path_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		const char *digits = entry->d_name + 5;
		if (strncmp(entry->d_name, "take_", 5) != 0 || digits[0] == '\0' || strlen(digits) > 9 ||
		    strspn(digits, "0123456789") != strlen(digits))
			continue;
		uint32_t number = (uint32_t)strtoul(digits, NULL, 10);
		highest = number > highest ? number : highest;
	}
	closedir(dir);
	return highest;
}

/* ---- finishing ---- */

static int rename_failed(struct fnr_error *err, int saved, const char *from, const char *final_dir)
{
	if (saved == EEXIST || saved == ENOTEMPTY)
		return fnr_fail(err, FNR_E_EXISTS, "%s exists and belongs to another job", final_dir);
	return fnr_fail_errno(err, saved, "cannot rename %s to %s", from, final_dir);
}

struct finish {
	int parent;                       /* the folder of both */
	const char *from, *to;            /* names in it */
	const char *final_dir, *job;
	int attempt;
	struct json_object *take;
};

enum mark { MARK_NONE, MARK_OURS, MARK_OTHER };

/* What the folder's mark says; "" if it has none. */
static void mark_text(int parent, const char *name, char out[MARK_SIZE])
{
	char path[TAKE_PATH];
	snprintf(path, sizeof path, "%s/" TAKE_MARK, name);
	int fd = path_open(parent, path, O_RDONLY | O_NONBLOCK, 0);
	ssize_t got = fd >= 0 ? read(fd, out, MARK_SIZE - 1) : 0;
	out[got > 0 ? got : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

/* Whose folder is it? MARK_NONE: there is none. */
static enum mark mark_read(int parent, const char *name, const char *job, int attempt)
{
	char ours[MARK_SIZE], text[MARK_SIZE];
	struct stat st;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return MARK_NONE;
	snprintf(ours, sizeof ours, "%s %d\n", job, attempt);
	mark_text(parent, name, text);
	return strcmp(text, ours) == 0 ? MARK_OURS : MARK_OTHER;
}

/* Is the folder of this job's outputs of this attempt or one before it? A mark that says nothing is of one that a power cut ended
 * between the name and the flush: the folder has the job's id, so it is of no other job. */
static bool mark_is_past(int parent, const char *name, const char *job, int attempt)
{
	char text[MARK_SIZE];
	size_t len = strlen(job);
	mark_text(parent, name, text);
	if (text[0] == '\0')
		return strcmp(name, job) == 0;
	return strncmp(text, job, len) == 0 && text[len] == ' ' && atoi(text + len) > 0 && atoi(text + len) <= attempt;
}

/* Writes one small file; one that is there from an interrupted try is written anew. It is open in *fd_r, to be flushed. */
static int put_file(int dir, const char *name, const char *data, size_t len, int *fd_r, struct fnr_error *err)
{
	if (unlinkat(dir, name, 0) != 0 && errno != ENOENT)
		return fnr_fail_errno(err, errno, "cannot replace %s", name);
	int fd = path_open(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (fd < 0)
		return fnr_fail_errno(err, errno, "cannot create %s", name);
	if (!fnr_write_all(fd, data, len)) {
		int code = fnr_fail_errno(err, errno, "cannot write %s", name);
		close(fd);
		return code;
	}
	*fd_r = fd;
	return FNR_OK;
}

int take_mark(int dir, const char *job, int attempt, int *fd_r, struct fnr_error *err)
{
	char mark[MARK_SIZE];
	int len = snprintf(mark, sizeof mark, "%s %d\n", job, attempt);
	return put_file(dir, TAKE_MARK, mark, (size_t)len, fd_r, err);
}

/* What is still missing in the folder: take.json, and the mark where whoever made the folder did not. */
static int put_records(const struct finish *finish, int dir, struct fnr_error *err)
{
	int fds[3], code = FNR_OK;
	size_t count = 0;
	if (finish->take != NULL) {
		const char *text = json_object_to_json_string_ext(finish->take, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
		code = put_file(dir, "take.json", text, strlen(text), &fds[count], err);
		count += code == FNR_OK;
	}
	if (code == FNR_OK && mark_read(finish->parent, finish->from, finish->job, finish->attempt) != MARK_OURS) {
		code = take_mark(dir, finish->job, finish->attempt, &fds[count], err);
		count += code == FNR_OK;
	}
	if (code == FNR_OK && count > 0) {
		fds[count] = dir;
		if (fnr_fault("file.flush") || !fnr_flush_all(fds, count + 1))
			code = fnr_fail_errno(err, errno, "cannot flush the folder of the attempt");
	}
	while (count > 0)
		close(fds[--count]);
	return code;
}

/* A file system that cannot rename without replacing still never replaces a folder that holds something, as ours do. */
static int rename_new(int parent, const char *from, const char *to)
{
	if (syscall(SYS_renameat2, parent, from, parent, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	return renameat(parent, from, parent, to);
}

static int finish_run(const struct finish *finish, struct fnr_error *err)
{
	enum mark mark = mark_read(finish->parent, finish->to, finish->job, finish->attempt);
	if (mark == MARK_OTHER)
		return fnr_fail(err, FNR_E_EXISTS, "%s exists and belongs to another job", finish->final_dir);
	if (mark == MARK_OURS) /* done before; only the flush may have been missed */
		return fsync(finish->parent) == 0 ? FNR_OK : fnr_fail_errno(err, errno, "cannot flush the folder of %s", finish->final_dir);
	int dir = path_open(finish->parent, finish->from, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0 && errno == ENOENT)
		return fnr_fail(err, FNR_E_NOT_FOUND, "the files of job %s attempt %d are gone", finish->job, finish->attempt);
	if (dir < 0)
		return fnr_fail_errno(err, errno, "cannot open %s", finish->from);
	int code = put_records(finish, dir, err);
	close(dir);
	if (code != FNR_OK)
		return code;
	if (rename_new(finish->parent, finish->from, finish->to) != 0)
		return rename_failed(err, errno, finish->from, finish->final_dir);
	if (fnr_fault("file.flush") || fsync(finish->parent) != 0)
		return fnr_fail_errno(err, errno, "cannot flush the folder of %s", finish->final_dir);
	return FNR_OK;
}

static bool settled_valid(const char *attempt_dir, const char *final_dir)
{
	static const char jobs[] = "workspace/.jobs/";
	return take_attempt_valid(attempt_dir) && final_valid(final_dir) && strncmp(attempt_dir, jobs, sizeof jobs - 1) == 0 &&
	       strncmp(final_dir, jobs, sizeof jobs - 1) == 0;
}

int take_settle(int parent, const char *attempt_dir, const char *final_dir, const char *job, int attempt, struct fnr_error *err)
{
	if (!settled_valid(attempt_dir, final_dir))
		return fnr_fail(err, FNR_E_INVALID, "\"%s\" cannot become \"%s\"", attempt_dir, final_dir);
	const char *from = strrchr(attempt_dir, '/') + 1, *to = strrchr(final_dir, '/') + 1;
	if (rename_new(parent, from, to) == 0)
		return FNR_OK;
	int saved = errno;
	if ((saved != EEXIST && saved != ENOTEMPTY) || !mark_is_past(parent, to, job, attempt))
		return rename_failed(err, saved, from, final_dir);
	int code = remove_folder(final_dir, err);
	if (code == FNR_OK && rename_new(parent, from, to) != 0)
		code = rename_failed(err, errno, from, final_dir);
	return code;
}

int take_finish(const char *attempt_dir, const char *final_dir, const char *job, int attempt, struct json_object *take,
                struct fnr_error *err)
{
	if (!take_attempt_valid(attempt_dir) || !final_valid(final_dir) ||
	    strrchr(attempt_dir, '/') - attempt_dir != strrchr(final_dir, '/') - final_dir ||
	    strncmp(attempt_dir, final_dir, (size_t)(strrchr(final_dir, '/') - final_dir)) != 0)
		return fnr_fail(err, FNR_E_INVALID, "\"%s\" cannot become \"%s\": both must lie in the folder of one shot",
		                attempt_dir, final_dir);
	struct finish finish = { .final_dir = final_dir, .job = job, .attempt = attempt, .take = take };
	finish.parent = open_parent(attempt_dir, &finish.from);
	if (finish.parent < 0 && errno == ENOENT)
		return fnr_fail(err, FNR_E_NOT_FOUND, "the files of job %s attempt %d are gone", job, attempt);
	if (finish.parent < 0)
		return fnr_fail_errno(err, errno, "cannot open the folder of %s", attempt_dir);
	finish.to = strrchr(final_dir, '/') + 1;
	int code = finish_run(&finish, err);
	close(finish.parent);
	return code;
}
