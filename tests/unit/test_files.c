/* Safe paths and takes. */
#include "config.h"

#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "files/fetch.h"
#include "files/path.h"
#include "files/take.h"
#include "files/tar.h"

#define JOB "01981234-5678-7abc-8def-0123456789ab"
#define OTHER "01981234-5678-7abc-8def-0123456789ac"
#define SHOT "workspace/demo/s010"
#define ATTEMPT SHOT "/.attempt-" JOB "-1"

static char folder[64];

static void set_up(void)
{
	strcpy(folder, "/tmp/fnr_test_files.XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
}

static void tear_down(void)
{
	cr_assert_eq(chdir("/"), 0);
	cr_assert_eq(fnr_tree_remove(folder, NULL), FNR_OK);
}

TestSuite(files, .init = set_up, .fini = tear_down, .timeout = 600);

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	cr_assert_geq(fd, 0, "%s", path);
	cr_assert(fnr_write_all(fd, text, strlen(text)));
	close(fd);
}

/* ---- paths ---- */

typedef int opener(int dirfd, const char *path, int flags, mode_t mode);

static void check_open(const char *name, opener *open_beneath)
{
	static const struct { const char *path; int error; } cases[] = {
		{ "file", 0 }, { "sub/file", 0 }, { "sub//file", 0 }, { "./sub/file", 0 }, { "..file", 0 }, { "sub/...", 0 },
		{ "", ENOENT }, { "absent", ENOENT }, { "absent/file", ENOENT }, { "sub/absent", ENOENT },
		{ "..", EXDEV }, { "../secret", EXDEV }, { "sub/../file", EXDEV }, { "sub/..", EXDEV }, { "sub/../../secret", EXDEV },
		{ "/etc/passwd", EXDEV }, { "/", EXDEV }, { "//etc/passwd", EXDEV },
		{ "link", ELOOP }, { "link_dir/file", ELOOP }, { "link_out/secret", ELOOP }, { "link_self", ELOOP }, { "file/x", ENOTDIR },
		{ "file/", ENOTDIR },
	};
	int dir = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		errno = 0;
		int fd = open_beneath(dir, cases[i].path, O_RDONLY, 0), saved = errno;
		if (cases[i].error == 0)
			cr_expect_geq(fd, 0, "%s \"%s\": %s", name, cases[i].path, strerror(saved));
		else
			cr_expect(fd < 0 && saved == cases[i].error, "%s \"%s\": %d %s", name, cases[i].path, fd, strerror(saved));
		if (fd >= 0)
			close(fd);
	}
	cr_expect_lt(open_beneath(dir, "link", O_PATH | O_NOFOLLOW, 0), 0, "%s: not even the symlink itself", name);
	cr_expect_lt(open_beneath(dir, "link_new", O_WRONLY | O_CREAT, 0600), 0, "%s: no file is made through a symlink", name);
	cr_expect_neq(access("made", F_OK), 0);
	int fd = open_beneath(dir, "sub/new", O_WRONLY | O_CREAT | O_EXCL, 0600);
	cr_expect_geq(fd, 0);
	cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	unlink("root/sub/new");
	close(dir);
}

Test(files, nothing_is_opened_outside_its_folder)
{
	put("secret", "secret");
	mkdir("root", 0755);
	mkdir("root/sub", 0755);
	put("root/file", "x");
	put("root/..file", "x");
	put("root/sub/file", "x");
	put("root/sub/...", "x");
	cr_assert_eq(symlink("file", "root/link"), 0);
	cr_assert_eq(symlink("sub", "root/link_dir"), 0);
	cr_assert_eq(symlink("..", "root/link_out"), 0);
	cr_assert_eq(symlink("link_self", "root/link_self"), 0);
	cr_assert_eq(symlink("../made", "root/link_new"), 0);
	check_open("openat2", path_open);
	check_open("walk", path_open_walk);
}

Test(files, names_of_files)
{
	static const char *const good[] = { "a", "image.png", "A-1_b.tar.gz", "0" };
	static const char *const bad[] = { "", ".", "..", ".hidden", "-x", "_x", "a/b", "a b", "a\n", "\xc3\xa9", "a\\b" };
	char longest[130];
	memset(longest, 'a', sizeof longest);
	longest[128] = '\0';
	cr_expect(path_file_name_valid(longest));
	longest[128] = 'a';
	longest[129] = '\0';
	cr_expect_not(path_file_name_valid(longest));
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		cr_expect(path_file_name_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_expect_not(path_file_name_valid(bad[i]), "%s", bad[i]);
}

Test(files, media_types)
{
	cr_expect_str_eq(path_media_type("a.PNG"), "image/png");
	cr_expect_str_eq(path_media_type("a.tar.gz"), "application/gzip");
	cr_expect_str_eq(path_media_type("png"), "application/octet-stream");
	cr_expect_str_eq(path_media_type("a."), "application/octet-stream");
	cr_expect(path_media_inline("image/png") && path_media_inline("video/mp4") && path_media_inline("audio/wav"));
	cr_expect_not(path_media_inline("image/svg+xml"));
	cr_expect_not(path_media_inline("text/html"));
	cr_expect_not(path_media_inline("application/pdf"));
	cr_expect(path_media_matches("image/png", "image/*") && path_media_matches("image/png", "image/png"));
	cr_expect(path_media_matches("image/PNG; charset=x", "image/png") && path_media_matches("a/b", "*/*"));
	cr_expect_not(path_media_matches("imagex/png", "image/*"));
	cr_expect_not(path_media_matches("image", "image/*"));
	cr_expect_not(path_media_matches("image/png", "image/pn"));
}

Test(files, copying_in_takes_plain_files_only)
{
	static const struct { const char *from; int code; } cases[] = {
		{ "plain", FNR_OK }, { "empty", FNR_OK }, { "absent", FNR_E_NOT_FOUND }, { "link", FNR_E_INVALID }, { "dir", FNR_E_INVALID },
		{ "fifo", FNR_E_INVALID }, { "hard", FNR_E_INVALID }, { "../plain", FNR_E_INVALID }, { "/etc/passwd", FNR_E_INVALID },
		{ "large", FNR_E_TOO_LARGE }, { "plain/x", FNR_E_INVALID },
	};
	mkdir("from", 0755);
	mkdir("to", 0755);
	put("from/plain", "hello");
	put("from/empty", "");
	put("from/other", "x");
	put("from/large", "0123456789abcdefg");
	cr_assert_eq(symlink("plain", "from/link"), 0);
	cr_assert_eq(link("from/other", "from/hard"), 0);
	cr_assert_eq(mkfifo("from/fifo", 0644), 0);
	mkdir("from/dir", 0755);
	int from = open("from", O_RDONLY | O_DIRECTORY), to = open("to", O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fnr_error err = FNR_ERROR_INIT;
		uint8_t sha256[32];
		uint64_t bytes;
		int code = path_copy_in(from, cases[i].from, to, "copy", 16, &bytes, sha256, &err);
		cr_expect_eq(code, cases[i].code, "%s: %d %s", cases[i].from, code, err.message);
		cr_expect_eq(faccessat(to, "copy", F_OK, 0) == 0, code == FNR_OK, "%s", cases[i].from);
		if (i == 0) {
			char hex[65];
			cr_expect_eq(bytes, 5);
			cr_expect_str_eq(fnr_hex(sha256, 32, hex), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
			cr_expect_eq(path_copy_in(from, "plain", to, "copy", 16, NULL, NULL, NULL), FNR_E_EXISTS);
			cr_expect_eq(faccessat(to, "copy", F_OK, 0), 0, "what was there stays");
		}
		unlinkat(to, "copy", 0);
		fnr_error_clear(&err);
	}
	close(from);
	close(to);
}

static bool stop_at_once(void *context)
{
	(*(int *)context)++;
	return true;
}

Test(files, a_copy_can_be_stopped)
{
	int asked = 0, fd, dir = open(".", O_RDONLY | O_DIRECTORY);
	put("large", "");
	cr_assert_eq(truncate("large", 64 << 20), 0);
	cr_expect_eq(path_copy_in_watched(dir, "large", dir, "copy", UINT64_MAX, stop_at_once, &asked, &fd, NULL, NULL, NULL), FNR_E_TIMEOUT);
	cr_expect_eq(asked, 1);
	cr_expect_neq(access("copy", F_OK), 0);
	close(dir);
}

Test(files, what_is_our_own_is_moved)
{
	struct fnr_error err = FNR_ERROR_INIT;
	uint8_t sha256[32];
	uint64_t bytes;
	char hex[65], text[8] = "";
	mkdir("to", 0755);
	put("made", "hello");
	put("to/there", "x");
	int fd = -1, from = open(".", O_RDONLY | O_DIRECTORY), to = open("to", O_RDONLY | O_DIRECTORY);
	cr_expect_eq(path_move_in_watched(from, "made", to, "there", 16, NULL, NULL, &fd, &bytes, sha256, &err), FNR_E_EXISTS);
	cr_expect_eq(path_move_in_watched(from, "made", to, "new", 4, NULL, NULL, &fd, &bytes, sha256, &err), FNR_E_TOO_LARGE);
	cr_expect_eq(access("made", F_OK), 0, "what cannot be taken stays");
	cr_assert_eq(path_move_in_watched(from, "made", to, "new", 16, NULL, NULL, &fd, &bytes, sha256, &err), FNR_OK, "%s", err.message);
	cr_expect_eq(pread(fd, text, sizeof text, 0), 5);
	cr_expect_str_eq(text, "hello");
	cr_expect_eq(bytes, 5);
	cr_expect_str_eq(fnr_hex(sha256, 32, hex), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
	cr_expect_neq(access("made", F_OK), 0);
	cr_expect_eq(access("to/new", F_OK), 0);
	cr_expect_eq(path_move_in_watched(from, "made", to, "again", 16, NULL, NULL, &fd, NULL, NULL, &err), FNR_E_NOT_FOUND);
	close(fd);
	cr_expect_eq(path_move_in_watched(to, "new", to, "new", 16, NULL, NULL, &fd, &bytes, sha256, NULL), FNR_OK, "it stays");
	cr_expect_eq(access("to/new", F_OK), 0);
	close(fd);
	close(from);
	close(to);
}

Test(files, sizes_of_pictures)
{
	static const struct { const char *name, *bytes; size_t len; int width, height; } cases[] = {
		{ "png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x07\x80\0\0\x04\x38\x08\x06\0\0\0", 29, 1920, 1080 },
		{ "gif", "GIF89a\x10\x00\x20\x00\x00\x00\x00", 13, 16, 32 },
		{ "jpeg", "\xff\xd8\xff\xe0\x00\x04zz\xff\xff\xc0\x00\x11\x08\x00\x10\x00\x30\x03\x01\x22", 21, 48, 16 },
		{ "webp lossy", "RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x40\x01\xf0\x00", 30, 320, 240 },
		{ "webp lossless", "RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f\x0f\xc0\x07\x00", 25, 16, 32 },
		{ "webp extended", "RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0\x7f\x07\x00\x37\x04\x00", 30, 1920, 1080 },
		{ "cut png", "\x89PNG\r\n\x1a\n", 8, 0, 0 }, { "text", "hello, hello, hello", 19, 0, 0 }, { "nothing", "", 0, 0, 0 },
		{ "jpeg without frame", "\xff\xd8\xff\xd9", 4, 0, 0 }, { "huge png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xff\xff\xff\0\0\0\1", 24, 0, 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int fd = open("picture", O_RDWR | O_CREAT | O_TRUNC, 0600), width = -1, height = -1;
		cr_assert(fnr_write_all(fd, cases[i].bytes, cases[i].len));
		bool known = path_picture_size(fd, &width, &height);
		cr_expect_eq(known, cases[i].width > 0, "%s", cases[i].name);
		cr_expect(!known || (width == cases[i].width && height == cases[i].height), "%s: %d x %d", cases[i].name, width, height);
		close(fd);
	}
}

/* ---- takes ---- */

Test(files, folders_of_a_job_have_their_names)
{
	struct fnr_id id;
	char path[TAKE_PATH];
	cr_assert(fnr_id_parse(JOB, &id));
	take_final_dir(path, "demo", "s010", 3, &id);
	cr_expect_str_eq(path, SHOT "/take_003");
	take_final_dir(path, "demo", "s010", 12345, &id);
	cr_expect_str_eq(path, SHOT "/take_12345");
	take_final_dir(path, "", "", 0, &id);
	cr_expect_str_eq(path, "workspace/.jobs/" JOB);
	take_attempt_dir(path, "demo", "s010", &id, 1);
	cr_expect_str_eq(path, ATTEMPT);
	cr_expect(take_attempt_valid(path));
	take_attempt_dir(path, "", "", &id, 2);
	cr_expect_str_eq(path, "workspace/.jobs/.attempt-" JOB "-2");
	cr_expect(take_attempt_valid(path));
	take_work_dir(path, &id, 2);
	cr_expect_str_eq(path, "workspace/.work/" JOB "-2");
	cr_expect(take_work_valid(path));
}

Test(files, only_folders_of_attempts_are_removed)
{
	static const char *const bad[] = {
		"", "workspace", "workspace/", "workspace/.work", "workspace/.work/", "workspace/.work/..", "workspace/.work/x",
		"/etc", "store", "workspace/demo", SHOT, SHOT "/take_001", SHOT "/.attempt-", SHOT "/.attempt-../..", SHOT "/.attempt-" JOB,
		SHOT "/.attempt-" JOB "-", SHOT "/.attempt-" JOB "-1/..", SHOT "/.attempt-" JOB "-1/", "workspace/../s/.attempt-" JOB "-1",
		"workspace/.x/s/.attempt-" JOB "-1", "workspace/.attempt-" JOB "-1", "./" ATTEMPT, "workspace//demo/s010/.attempt-" JOB "-1",
		"workspace/.work/" JOB "-1/x", "workspace/.work/" JOB "-x",
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_expect_eq(take_dir_remove(bad[i], NULL), FNR_E_INVALID, "\"%s\"", bad[i]);
	cr_expect_eq(take_dir_remove(ATTEMPT, NULL), FNR_OK, "absent is fine");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_expect_eq(take_discard(bad[i], NULL), strcmp(bad[i], SHOT "/take_001") == 0 ? FNR_OK : FNR_E_INVALID, "\"%s\"", bad[i]);
	cr_expect_eq(take_discard("workspace/.jobs/" JOB, NULL), FNR_OK);
	cr_expect_eq(take_discard(SHOT "/take_1/x", NULL), FNR_E_INVALID);
	cr_expect_eq(take_discard(SHOT "/take_", NULL), FNR_E_INVALID);
	cr_assert_eq(take_dir_make(ATTEMPT, NULL), FNR_OK);
	put(ATTEMPT "/old", "x");
	cr_assert_eq(take_dir_make(ATTEMPT, NULL), FNR_OK);
	cr_expect_neq(access(ATTEMPT "/old", F_OK), 0, "made new and empty");
	cr_expect_eq(take_dir_remove(ATTEMPT, NULL), FNR_OK);
	cr_expect_neq(access(ATTEMPT, F_OK), 0);
	/* A shot that is a symlink leads nowhere. */
	mkdir("elsewhere", 0755);
	mkdir("elsewhere/.attempt-" JOB "-1", 0755);
	rmdir(SHOT);
	cr_assert_eq(symlink("../../elsewhere", SHOT), 0);
	cr_expect_neq(take_dir_remove(ATTEMPT, NULL), FNR_OK);
	cr_expect_neq(take_dir_make(ATTEMPT, NULL), FNR_OK);
	cr_expect_eq(access("elsewhere/.attempt-" JOB "-1", F_OK), 0);
}

Test(files, a_folder_to_work_in_becomes_that_of_the_results)
{
	static const char work[] = "workspace/.work/" JOB "-1";
	cr_assert_eq(take_dir_make(work, NULL), FNR_OK);
	put("workspace/.work/" JOB "-1/image.png", "picture");
	cr_assert_eq(take_dir_make(ATTEMPT, NULL), FNR_OK);
	put(ATTEMPT "/old", "x");
	cr_expect_eq(take_adopt("workspace/.work", ATTEMPT, NULL), FNR_E_INVALID);
	cr_expect_eq(take_adopt(work, SHOT "/take_001", NULL), FNR_E_INVALID);
	cr_expect_eq(take_adopt(work, ATTEMPT, NULL), FNR_OK);
	cr_expect_eq(access(ATTEMPT "/image.png", F_OK), 0);
	cr_expect_neq(access(ATTEMPT "/old", F_OK), 0);
	cr_expect_neq(access(work, F_OK), 0);
	cr_expect_neq(take_adopt(work, ATTEMPT, NULL), FNR_OK, "it is gone");
}

static struct json_object *take_record(void)
{
	struct json_object *take = json_object_new_object();
	fnr_json_set_text(take, "job", JOB);
	return take;
}

static int finish(const char *final_dir, struct fnr_error *err)
{
	struct json_object *take = take_record();
	int code = take_finish(ATTEMPT, final_dir, JOB, 1, take, err);
	json_object_put(take);
	return code;
}

static void make_attempt(void)
{
	cr_assert_eq(take_dir_make(ATTEMPT, NULL), FNR_OK);
	put(ATTEMPT "/image.png", "picture");
}

static void check_take(const char *final_dir)
{
	struct stat st;
	char path[TAKE_PATH + 16];
	snprintf(path, sizeof path, "%s/image.png", final_dir);
	cr_expect(stat(path, &st) == 0 && st.st_size == 7, "%s", path);
	struct fnr_buf data = FNR_BUF_INIT;
	snprintf(path, sizeof path, "%s/take.json", final_dir);
	cr_expect_eq(fnr_file_read(path, 4096, &data, NULL), FNR_OK);
	struct json_object *take = data.data != NULL ? fnr_json_parse(data.data, data.len, NULL) : NULL;
	cr_expect_str_eq(fnr_json_get_text(take, "job", ""), JOB);
	json_object_put(take);
	fnr_buf_free(&data);
	cr_expect_neq(access(ATTEMPT, F_OK), 0);
}

Test(files, a_take_appears_whole_and_repeating_changes_nothing)
{
	make_attempt();
	cr_expect_eq(finish(SHOT "/take_001", NULL), FNR_OK);
	check_take(SHOT "/take_001");
	for (int i = 0; i < 2; i++)
		cr_expect_eq(finish(SHOT "/take_001", NULL), FNR_OK);
	check_take(SHOT "/take_001");
	cr_expect_eq(take_highest("demo", "s010"), 1);
}

Test(files, finishing_goes_on_from_every_step)
{
	/* killed before anything, after take.json, in the middle of take.json, after .job */
	static const char *const left[][2] = { { NULL, NULL }, { "take.json", "{}" }, { "take.json", "{\"job" }, { ".job", JOB " 1\n" } };
	for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
		char final_dir[TAKE_PATH], path[TAKE_PATH];
		snprintf(final_dir, sizeof final_dir, SHOT "/take_%03zu", i + 1);
		make_attempt();
		snprintf(path, sizeof path, ATTEMPT "/%s", left[i][0] != NULL ? left[i][0] : "");
		if (left[i][0] != NULL)
			put(path, left[i][1]);
		cr_expect_eq(finish(final_dir, NULL), FNR_OK, "step %zu", i);
		check_take(final_dir);
	}
	cr_expect_eq(take_highest("demo", "s010"), 4);
}

Test(files, a_take_never_replaces_another)
{
	struct fnr_error err = FNR_ERROR_INIT;
	make_attempt();
	mkdir(SHOT "/take_001", 0755);
	cr_expect_eq(finish(SHOT "/take_001", &err), FNR_E_EXISTS, "an empty folder");
	put(SHOT "/take_001/.job", OTHER " 1\n");
	cr_expect_eq(finish(SHOT "/take_001", &err), FNR_E_EXISTS, "another job's");
	put(SHOT "/take_001/.job", JOB " 2\n");
	cr_expect_eq(finish(SHOT "/take_001", &err), FNR_E_EXISTS, "another attempt's");
	put(SHOT "/take_002", "a file");
	cr_expect_eq(finish(SHOT "/take_002", &err), FNR_E_EXISTS, "a file");
	cr_expect_eq(finish(SHOT "/take_003", &err), FNR_OK);
	check_take(SHOT "/take_003");
	fnr_error_clear(&err);
}

Test(files, finishing_what_is_gone_says_so)
{
	cr_expect_eq(finish(SHOT "/take_001", NULL), FNR_E_NOT_FOUND, "not even the shot");
	make_attempt();
	cr_expect_eq(take_dir_remove(ATTEMPT, NULL), FNR_OK);
	cr_expect_eq(finish(SHOT "/take_001", NULL), FNR_E_NOT_FOUND);
	cr_expect_eq(access(SHOT "/take_001", F_OK), -1);
	make_attempt();
	cr_expect_eq(finish("workspace/demo/s020/take_001", NULL), FNR_E_INVALID, "another shot");
	cr_expect_eq(finish(SHOT "/../take_001", NULL), FNR_E_INVALID);
	cr_expect_eq(finish("/tmp/take_001", NULL), FNR_E_INVALID);
}

Test(files, jobs_without_project_have_a_folder_of_their_own)
{
	const char *attempt = "workspace/.jobs/.attempt-" JOB "-1";
	cr_assert_eq(take_dir_make(attempt, NULL), FNR_OK);
	cr_expect_eq(take_finish(attempt, "workspace/.jobs/" JOB, JOB, 1, NULL, NULL), FNR_OK);
	cr_expect_eq(access("workspace/.jobs/" JOB "/.job", F_OK), 0);
	cr_expect_neq(access("workspace/.jobs/" JOB "/take.json", F_OK), 0);
	cr_expect_eq(take_finish(attempt, "workspace/.jobs/" JOB, JOB, 1, NULL, NULL), FNR_OK);
}

/* An attempt of a job without project settles what it has made. */
static int settle(const char *job, int attempt, const char *text)
{
	static const char final[] = "workspace/.jobs/" JOB;
	char path[TAKE_PATH], file[TAKE_PATH + 8];
	struct fnr_id id;
	cr_assert(fnr_id_parse(JOB, &id));
	take_attempt_dir(path, NULL, NULL, &id, attempt);
	cr_assert_eq(take_dir_make(path, NULL), FNR_OK);
	snprintf(file, sizeof file, "%s/a.txt", path);
	put(file, text);
	int mark, dir = open(path, O_RDONLY | O_DIRECTORY), parent = open("workspace/.jobs", O_RDONLY | O_DIRECTORY);
	cr_assert_eq(take_mark(dir, job, attempt, &mark, NULL), FNR_OK);
	int code = take_settle(parent, path, final, job, attempt, NULL);
	close(mark);
	close(dir);
	close(parent);
	return code;
}

static void expect_text(const char *path, const char *text)
{
	struct fnr_buf found = FNR_BUF_INIT;
	cr_expect_eq(fnr_file_read(path, 100, &found, NULL), FNR_OK);
	cr_expect_str_eq(found.data, text);
	fnr_buf_free(&found);
}

Test(files, what_needs_no_number_settles_at_once)
{
	static const char other[] = "01981234-5678-7abc-8def-0123456789ac";
	cr_expect_eq(settle(JOB, 2, "second"), FNR_OK);
	expect_text("workspace/.jobs/" JOB "/a.txt", "second");
	cr_expect_eq(settle(JOB, 2, "again"), FNR_OK, "the same attempt, whose worker was killed");
	expect_text("workspace/.jobs/" JOB "/a.txt", "again");
	cr_expect_eq(settle(JOB, 1, "late"), FNR_E_EXISTS, "an attempt that was given up");
	expect_text("workspace/.jobs/" JOB "/a.txt", "again");
	cr_expect_eq(settle(JOB, 10, "tenth"), FNR_OK);
	expect_text("workspace/.jobs/" JOB "/a.txt", "tenth");
	cr_expect_eq(settle(other, 11, "other"), FNR_E_EXISTS, "another job's");
	cr_expect_eq(take_finish("workspace/.jobs/.attempt-" JOB "-10", "workspace/.jobs/" JOB, JOB, 10, NULL, NULL), FNR_OK, "filed already");
	cr_assert_eq(fnr_tree_remove("workspace/.jobs/" JOB, NULL), FNR_OK);
	cr_assert_eq(fnr_dir_make("workspace/.jobs/" JOB, 0755, NULL), FNR_OK);
	put("workspace/.jobs/" JOB "/b.txt", "unmarked");
	cr_expect_eq(settle(other, 12, "other"), FNR_E_EXISTS, "still not another job's");
	cr_expect_eq(settle(JOB, 12, "x"), FNR_OK, "a power cut took the mark");
	put("workspace/.jobs/" JOB "/.job", "");
	cr_expect_eq(settle(JOB, 12, "y"), FNR_OK, "… or what was in it");
	expect_text("workspace/.jobs/" JOB "/a.txt", "y");
	cr_expect_eq(take_settle(AT_FDCWD, ATTEMPT, SHOT "/take_001", JOB, 1, NULL), FNR_E_INVALID);
}

Test(files, the_highest_take_is_found_whatever_else_lies_there)
{
	static const char *const names[] = { "take_001", "take_9", "take_0010", "take_", "take_x", "take_11x", "xtake_99", "take_99999999999" };
	cr_expect_eq(take_highest("demo", "s010"), 0);
	cr_assert_eq(fnr_dir_make(SHOT, 0755, NULL), FNR_OK);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char path[TAKE_PATH];
		snprintf(path, sizeof path, SHOT "/%s", names[i]);
		mkdir(path, 0755);
	}
	cr_expect_eq(take_highest("demo", "s010"), 10);
}

Test(files, outputs_are_set_aside)
{
	char path[TAKE_PATH];
	struct fnr_id job;

	cr_assert(fnr_id_parse(JOB, &job));
	cr_expect_eq(take_set_aside(&job, path, NULL), FNR_E_NOT_FOUND);
	cr_assert_eq(fnr_dir_make("workspace/.jobs/" JOB, 0755, NULL), FNR_OK);
	put("workspace/.jobs/" JOB "/a.txt", "a");
	cr_expect_eq(take_set_aside(&job, path, NULL), FNR_OK);
	cr_expect(take_work_valid(path));
	cr_expect_neq(access("workspace/.jobs/" JOB, F_OK), 0);
	cr_expect_eq(access("workspace/.work/" JOB "-0/a.txt", F_OK), 0);
	cr_expect_eq(take_set_aside(&job, path, NULL), FNR_E_NOT_FOUND, "again, after a kill");
	cr_expect_eq(take_dir_remove(path, NULL), FNR_OK);
}

Test(files, addresses_of_the_public_internet)
{
	static const struct { const char *text; bool is_public; } cases[] = {
		{ "8.8.8.8", true }, { "1.1.1.1", true }, { "172.15.255.255", true }, { "172.32.0.0", true }, { "100.63.255.255", true },
		{ "0.0.0.0", false }, { "10.1.2.3", false }, { "100.64.0.1", false }, { "127.0.0.1", false }, { "127.255.255.254", false },
		{ "169.254.169.254", false }, { "172.16.0.1", false }, { "172.31.255.255", false }, { "192.0.0.8", false }, { "192.0.2.1", false },
		{ "192.168.0.1", false }, { "198.18.0.1", false }, { "198.51.100.1", false }, { "203.0.113.9", false }, { "224.0.0.1", false },
		{ "240.0.0.1", false }, { "255.255.255.255", false },
		{ "2606:4700::1", true }, { "2001:4860:4860::8888", true }, { "2a00:1450::1", true },
		{ "::", false }, { "::1", false }, { "::ffff:8.8.8.8", false }, { "::ffff:127.0.0.1", false }, { "fe80::1", false }, { "fc00::1", false },
		{ "fd12::1", false }, { "ff02::1", false }, { "64:ff9b::808:808", false }, { "2001::1", false }, { "2001:db8::1", false },
		{ "2002:7f00:1::", false }, { "fec0::1", false }, { "100::1", false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct sockaddr_in in4 = { .sin_family = AF_INET };
		struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
		bool is6 = strchr(cases[i].text, ':') != NULL;

		cr_assert_eq(inet_pton(is6 ? AF_INET6 : AF_INET, cases[i].text, is6 ? (void *)&in6.sin6_addr : (void *)&in4.sin_addr), 1);
		cr_expect_eq(fetch_address_public(is6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in4), cases[i].is_public, "%s", cases[i].text);
	}
	cr_expect_not(fetch_address_public(&(struct sockaddr){ .sa_family = AF_UNIX }));
}

/* ---- archives ---- */

/* What the program tar makes of it. */
static void expect_listed(const struct fnr_buf *archive, const char *wanted)
{
	char line[1024] = "";
	FILE *tar;

	cr_assert_eq(fnr_file_write("a.tar", archive->data, archive->len, 0600, NULL), FNR_OK);
	tar = popen("tar -tvf a.tar 2>&1 | tr -s ' ' | cut -d ' ' -f 3,6", "r");
	cr_assert_not_null(tar);
	cr_assert_gt(fread(line, 1, sizeof line - 1, tar), 0);
	pclose(tar);
	cr_expect_str_eq(line, wanted);
}

Test(files, archives)
{
	struct fnr_buf archive = FNR_BUF_INIT;

	tar_head(&archive, "p/s/take_001/a.txt", 3, 1700000000);
	cr_assert_eq(archive.len, 512);
	fnr_buf_puts(&archive, "abc");
	tar_fill(&archive, 3);
	cr_assert_eq(archive.len, 1024);
	tar_head(&archive, "empty", 0, 0);
	tar_fill(&archive, 0);
	cr_assert_eq(archive.len, 1536);
	tar_end(&archive);
	expect_listed(&archive, "3 p/s/take_001/a.txt\n0 empty\n");
	fnr_buf_free(&archive);
}

/* Names beyond the old format's, whose lengths bring their records' own lengths past 99; sizes of which only the head is looked at. */
Test(files, archives_of_long_names_and_large_files)
{
	for (size_t len = 80; len < 260; len += 3) {
		struct fnr_buf archive = FNR_BUF_INIT;
		char name[300], wanted[320];

		memset(name, 'n', len);
		name[len] = 0;
		tar_head(&archive, name, 0, 1);
		tar_end(&archive);
		snprintf(wanted, sizeof wanted, "0 %s\n", name);
		expect_listed(&archive, wanted);
		fnr_buf_free(&archive);
	}
	struct fnr_buf archive = FNR_BUF_INIT;
	tar_head(&archive, "large", 12345678901234, 1);
	cr_assert_not_null(memmem(archive.data, archive.len, "23 size=12345678901234\n", 23));
	fnr_buf_free(&archive);
}
