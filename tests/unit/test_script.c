/* The worker with the script backend: a real worker process, real scripts (tests/fixtures/scripts), and every way in which a
 * script can go wrong. After each test no process may be left and no folder of an attempt. */
#include "config.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/backend.h"
#include "backends/names.h"
#include "backends/sandbox.h"
#include "backends/tree.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "files/take.h"
#include "worker/wire.h"

#define JOB "01981234-5678-7abc-8def-0123456789ab"
#define UPLOAD "01981234-5678-7abc-8def-000000000001"
#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SHOT "workspace/demo/s010"
#define ATTEMPT SHOT "/.attempt-" JOB "-1"
#define WORK "workspace/.work/" JOB "-1"

static char data_dir[64];
static int manager = -1;            /* our end */
static pid_t worker = -1;
static struct fnr_buf in = FNR_BUF_INIT;
static struct json_object *seen;    /* every message but the last of a run */

static void write_file(const char *path, const char *text, mode_t mode)
{
	cr_assert_eq(fnr_file_write(path, text, strlen(text), mode, NULL), FNR_OK, "%s", path);
}

static void copy_fixture(const char *name)
{
	char from[512], to[256];
	struct fnr_buf data = FNR_BUF_INIT;
	snprintf(from, sizeof from, "%s/scripts/%s", FNR_FIXTURES, name);
	snprintf(to, sizeof to, "blobs/templates/" DIGEST "/%s", name);
	cr_assert_eq(fnr_file_read(from, 1 << 20, &data, NULL), FNR_OK, "%s", from);
	write_file(to, data.data, 0644);
	fnr_buf_free(&data);
}

static void start_worker(void)
{
	int pair[2];
	struct json_object *message;
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	worker = fork();
	if (worker == 0) {
		close(pair[0]);
		worker_main(pair[1], "w1");
	}
	close(pair[1]);
	manager = pair[0];
	cr_assert(wire_receive(manager, &in, &message));
	cr_assert_str_eq(fnr_json_get_text(message, "type", ""), "hello");
	cr_assert_eq(fnr_json_get_int(message, "pid", 0), worker);
	json_object_put(message);
}

static void set_up(void)
{
	static const char *const folders[] = { "store", "run", "blobs/payload", ("blobs/templates/" DIGEST), "uploads", "workspace" };
	strcpy(data_dir, "/tmp/fnr_test_script.XXXXXX");
	cr_assert_not_null(mkdtemp(data_dir));
	cr_assert_eq(chdir(data_dir), 0);
	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
		cr_assert_eq(fnr_dir_make(folders[i], 0755, NULL), FNR_OK);
	write_file("store/secret", "secret", 0600);
	write_file("admin.key", "key", 0600);
	setenv("FNR_SHARE", FNR_SOURCE_SHARE, 1);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* what outlives the worker comes to us and is noticed */
	seen = json_object_new_array();
	start_worker();
}

static size_t entries(const char *path)
{
	size_t count = 0;
	DIR *dir = opendir(path);
	if (dir == NULL)
		return 0;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return count;
}

static unsigned processes(pid_t root)
{
	struct tree_usage usage;
	tree_descendants(root, &usage);
	return usage.processes;
}

static void stop_worker(void)
{
	int status;
	if (worker < 0)
		return;
	fnr_fd_close(&manager);
	cr_expect_eq(waitpid(worker, &status, 0), worker);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the worker ended with status %x", (unsigned)status);
	worker = -1;
	fnr_buf_reset(&in);
}

static void tear_down(void)
{
	stop_worker();
	cr_expect_eq(processes(getpid()), 0, "something is still running");
	fnr_proc_kill_strays(NULL, 0);
	cr_expect_eq(entries("workspace/.work"), 0);
	json_object_put(seen);
	fnr_buf_free(&in);
	cr_assert_eq(chdir("/"), 0);
	cr_assert_eq(fnr_tree_remove(data_dir, NULL), FNR_OK);
}

TestSuite(script, .init = set_up, .fini = tear_down, .timeout = 600);

/* ---- talking to it ---- */

static struct json_object *json(const char *text)
{
	struct json_object *value = fnr_json_parse(text, strlen(text), NULL);
	cr_assert_not_null(value, "%s", text);
	return value;
}

/* A run message for a fixture, with an output "text". */
static struct json_object *run_message(const char *script, int64_t timeout_ms)
{
	char path[512];
	struct json_object *message = json("{\"type\":\"run\",\"job\":\"" JOB "\",\"attempt\":1,\"backend\":\"local\",\"kind\":\"script\","
		"\"quality\":\"high\",\"seed\":42,\"project\":\"demo\",\"shot\":\"s010\",\"work\":\"" WORK "\",\"attempt_dir\":\"" ATTEMPT "\","
		"\"payload\":{\"inputs\":{\"text\":\"hi\"},\"parameters\":{\"text\":\"hi\",\"size\":40},\"metadata\":{\"a\":1}},\"uploads\":[],"
		"\"definition\":{\"id\":\"test\",\"version\":\"1.0.0\",\"digest\":\"" DIGEST "\",\"inputs\":{},"
		"\"outputs\":{\"text\":{\"type\":\"text\"}},\"resources\":{},\"backend\":{\"type\":\"script\"}}}");
	struct json_object *command = json_object_new_array();
	snprintf(path, sizeof path, "%s/scripts/%s", FNR_FIXTURES, script);
	json_object_array_add(command, json_object_new_string(path));
	fnr_json_set(fnr_json_get(fnr_json_get(message, "definition"), "backend"), "command", command);
	fnr_json_set_int(message, "timeout_ms", timeout_ms);
	return message;
}

static void say(struct json_object *message)
{
	struct fnr_buf out = FNR_BUF_INIT;
	wire_add(&out, message);
	cr_assert(fnr_write_all(manager, out.data, out.len));
	fnr_buf_free(&out);
	json_object_put(message);
}

static bool is_last(const char *type)
{
	static const char *const last[] = { "manifest", "failed", "cancelled", "finished", "finish_failed", "discarded" };
	for (size_t i = 0; i < sizeof last / sizeof last[0]; i++)
		if (strcmp(last[i], type) == 0)
			return true;
	return false;
}

/* Reads to the end of the task; the messages before the last are in `seen`. */
static struct json_object *answer(void)
{
	struct json_object *message;
	json_object_put(seen);
	seen = json_object_new_array();
	for (;;) {
		cr_assert(wire_receive(manager, &in, &message), "the worker is gone");
		if (is_last(fnr_json_get_text(message, "type", "")))
			return message;
		json_object_array_add(seen, message);
	}
}

static struct json_object *seen_last(const char *type, size_t *count_r)
{
	struct json_object *found = NULL;
	size_t count = 0;
	for (size_t i = 0; i < json_object_array_length(seen); i++) {
		struct json_object *message = json_object_array_get_idx(seen, i);
		if (strcmp(fnr_json_get_text(message, "type", ""), type) != 0)
			continue;
		found = message;
		count++;
	}
	if (count_r != NULL)
		*count_r = count;
	return found;
}

static void wait_for_progress(void)
{
	struct json_object *message;
	const char *stage = "";
	do {
		cr_assert(wire_receive(manager, &in, &message));
		stage = strcmp(fnr_json_get_text(message, "stage", ""), "execution") == 0 ? "execution" : "";
		json_object_put(message);
	} while (stage[0] == '\0');
}

static struct json_object *run_it(const char *script)
{
	say(run_message(script, 300000));
	return answer();
}

static const char *output_member(struct json_object *manifest, const char *member)
{
	struct json_object *outputs = fnr_json_get(manifest, "outputs");
	cr_assert_eq(json_object_array_length(outputs), 1);
	return fnr_json_get_text(json_object_array_get_idx(outputs, 0), member, "");
}

#define expect_type(message, expected) \
	cr_assert_str_eq(fnr_json_get_text((message), "type", ""), (expected), "%s", fnr_json_text((message), NULL))

/* ---- what works ---- */

Test(script, a_script_runs_and_its_take_is_filed)
{
	struct json_object *manifest = run_it("good"), *message;
	expect_type(manifest, "manifest");
	cr_expect_str_eq(output_member(manifest, "name"), "text");
	cr_expect_str_eq(output_member(manifest, "file"), "out.txt");
	cr_expect_str_eq(output_member(manifest, "media_type"), "text/plain");
	cr_expect_str_eq(output_member(manifest, "sha256"), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
	cr_expect_eq(fnr_json_get_int(json_object_array_get_idx(fnr_json_get(manifest, "outputs"), 0), "bytes", 0), 5);
	cr_expect_eq(fnr_json_get_int(fnr_json_get(manifest, "result"), "words", 0), 1);
	cr_expect_gt(fnr_json_get_int(manifest, "rss_max", 0), 1 << 20);
	json_object_put(manifest);
	cr_expect_str_eq(fnr_json_get_text(seen_last("progress", NULL), "stage", ""), "finalization");
	cr_expect_str_eq(fnr_json_get_text(seen_last("log", NULL), "text", ""), "to standard error");
	cr_expect_eq(access(ATTEMPT "/out.txt", F_OK), 0);

	for (int i = 0; i < 2; i++) {
		say(json("{\"type\":\"finish\",\"job\":\"" JOB "\",\"attempt\":1,\"attempt_dir\":\"" ATTEMPT "\",\"final_dir\":\"" SHOT
		         "/take_001\",\"take\":{\"job\":\"" JOB "\"}}"));
		message = answer();
		expect_type(message, "finished");
		json_object_put(message);
	}
	cr_expect_eq(access(SHOT "/take_001/out.txt", F_OK), 0);
	cr_expect_neq(access(ATTEMPT, F_OK), 0);
	cr_expect_eq(entries("workspace/.work"), 0);
}

Test(script, the_request_holds_everything_and_files_are_paths)
{
	char path[256];
	write_file("uploads/" UPLOAD, "picture", 0644);
	fnr_dir_make("workspace/other/s1/take_002", 0755, NULL);
	write_file("workspace/other/s1/take_002/image.png", "png", 0644);
	struct json_object *message = run_message("echo_request", 300000), *definition = fnr_json_get(message, "definition");
	fnr_json_set(definition, "inputs", json("{\"picture\":{\"type\":\"file\"},\"list\":{\"type\":\"array\",\"items\":{\"type\":\"file\"}},"
	                                        "\"text\":{\"type\":\"string\"},\"absent\":{\"type\":\"file\"}}"));
	fnr_json_set(message, "uploads", json("[{\"id\":\"" UPLOAD "\",\"media_type\":\"image/png\",\"name\":\"cat.png\"}]"));
	fnr_json_set(message, "payload", json("{\"inputs\":{\"picture\":\"upload:" UPLOAD "\"},\"parameters\":{\"picture\":\"upload:" UPLOAD "\","
		"\"list\":[\"take:other/s1/2/image.png\",\"upload:" UPLOAD "\"],\"text\":\"upload:" UPLOAD "\"},\"metadata\":null}"));
	say(message);
	struct json_object *manifest = answer(), *request = fnr_json_get(manifest, "result");
	expect_type(manifest, "manifest");
	struct json_object *parameters = fnr_json_get(request, "parameters"), *uploads = fnr_json_get(request, "uploads");
	snprintf(path, sizeof path, "%s/uploads/" UPLOAD, data_dir);
	cr_expect_str_eq(fnr_json_get_text(parameters, "picture", ""), path);
	cr_expect_str_eq(fnr_json_get_text(fnr_json_get(request, "inputs"), "picture", ""), path);
	cr_expect_str_eq(fnr_json_get_text(fnr_json_get(uploads, "picture"), "name", ""), "cat.png");
	cr_expect_eq(json_object_array_length(fnr_json_get(uploads, "list")), 2);
	cr_expect_str_eq(fnr_json_get_text(parameters, "text", ""), "upload:" UPLOAD, "references count in files only");
	snprintf(path, sizeof path, "%s/workspace/other/s1/take_002/image.png", data_dir);
	cr_expect_str_eq(json_object_get_string(json_object_array_get_idx(fnr_json_get(parameters, "list"), 0)), path);
	snprintf(path, sizeof path, "%s/" WORK, data_dir);
	cr_expect_str_eq(fnr_json_get_text(request, "output_dir", ""), path);
	cr_expect_str_eq(fnr_json_get_text(request, "project_path", ""), path);
	cr_expect_str_eq(fnr_json_get_text(request, "quality", ""), "high");
	cr_expect_eq(fnr_json_get_int(request, "seed", 0), 42);
	cr_expect_float_eq(fnr_json_get_real(request, "timeout_s", 0), 300.0, 1e-9);
	cr_expect_str_eq(fnr_json_get_text(request, "template", ""), "test");
	json_object_put(manifest);

	struct fnr_buf data = FNR_BUF_INIT;
	cr_assert_eq(fnr_file_read(ATTEMPT "/out.txt", 65536, &data, NULL), FNR_OK);
	char expected[512];
	snprintf(expected, sizeof expected, "FNR_ATTEMPT=1\nFNR_DATA=%s\nFNR_JOB=" JOB "\nHOME=%s\nLANG=C.UTF-8\n", data_dir, path);
	cr_expect_eq(strncmp(data.data, expected, strlen(expected)), 0, "%s", data.data);
	fnr_buf_free(&data);
}

Test(script, a_reference_to_a_file_that_is_gone_is_a_clear_error)
{
	static const char *const values[] = {
		("upload:" UPLOAD), "take:demo/s1/1/x.png", "take:demo/s1/1/../x", "take:../s1/1/x", "take:demo", "take:demo/s1/x/a.png"
	};
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		struct json_object *message = run_message("good", 300000);
		fnr_json_set(fnr_json_get(message, "definition"), "inputs", json("{\"picture\":{\"type\":\"file\"}}"));
		fnr_json_set_text(fnr_json_get(fnr_json_get(message, "payload"), "parameters"), "picture", values[i]);
		say(message);
		message = answer();
		expect_type(message, "failed");
		cr_expect_str_eq(fnr_json_get_text(fnr_json_get(message, "error"), "class", ""), "validation");
		cr_expect_str_eq(fnr_json_get_text(fnr_json_get(message, "error"), "code", ""), "input_missing", "%s", values[i]);
		json_object_put(message);
	}
}

static struct json_object *run_class(const char *ending)
{
	struct json_object *message = run_message("good", 300000), *definition = fnr_json_get(message, "definition");
	fnr_json_set(definition, "backend", json("{\"type\":\"script\",\"python\":\"title.py\",\"class\":\"Title\"}"));
	fnr_json_set_text(fnr_json_get(fnr_json_get(message, "payload"), "parameters"), "ending", ending);
	say(message);
	return answer();
}

Test(script, a_python_class_runs_by_the_bridge)
{
	copy_fixture("title.py");
	copy_fixture("helper.py");
	struct json_object *message = run_class("good");
	expect_type(message, "manifest");
	cr_expect_eq(fnr_json_get_int(fnr_json_get(message, "result"), "letters", 0), 2);
	json_object_put(message);
	struct fnr_buf data = FNR_BUF_INIT;
	cr_expect_eq(fnr_file_read(ATTEMPT "/out.txt", 100, &data, NULL), FNR_OK);
	cr_expect_str_eq(data.data, "HIhigh");
	fnr_buf_free(&data);
	cr_expect_str_eq(fnr_json_get_text(seen_last("log", NULL), "text", ""), "this must not break the protocol");

	static const struct { const char *ending, *class_, *code, *message; } cases[] = {
		{ "error", "validation", "no_text", "There is no text." },
		{ "exception", "unknown", "function_error", "The function failed: division by zero" },
		{ "memory", "resource", "out_of_memory", "There is not enough memory for this." },
		{ "return", "permanent", "function_invalid", "execute must return a dict of output name to path, not int" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		message = run_class(cases[i].ending);
		expect_type(message, "failed");
		struct json_object *error = fnr_json_get(message, "error");
		cr_expect_str_eq(fnr_json_get_text(error, "class", ""), cases[i].class_);
		cr_expect_str_eq(fnr_json_get_text(error, "code", ""), cases[i].code);
		cr_expect_str_eq(fnr_json_get_text(error, "message", ""), cases[i].message);
		cr_expect_not_null(strstr(fnr_json_get_text(error, "detail", ""), "Traceback"), "%s", cases[i].ending);
		json_object_put(message);
	}
}

/* ---- what goes wrong ---- */

static void expect_failure(const char *script, int64_t timeout_ms, int64_t memory_mb, const char *class_, const char *code,
                           const char *part)
{
	struct json_object *message = run_message(script, timeout_ms);
	if (memory_mb > 0)
		fnr_json_set_int(fnr_json_get(fnr_json_get(message, "definition"), "resources"), "memory_mb", memory_mb);
	say(message);
	message = answer();
	cr_expect_str_eq(fnr_json_get_text(message, "type", ""), "failed", "%s: %s", script, fnr_json_text(message, NULL));
	struct json_object *error = fnr_json_get(message, "error");
	cr_expect_str_eq(fnr_json_get_text(error, "class", ""), class_, "%s: %s", script, fnr_json_text(error, NULL));
	cr_expect_str_eq(fnr_json_get_text(error, "code", ""), code, "%s: %s", script, fnr_json_text(error, NULL));
	cr_expect_not_null(strstr(fnr_json_text(error, NULL), part), "%s: %s", script, fnr_json_text(error, NULL));
	cr_expect_gt(strlen(fnr_json_get_text(error, "suggestion", "")), 5, "%s", script);
	json_object_put(message);
	cr_expect_eq(processes(worker), 0, "%s left something running", script);
	cr_expect_eq(entries("workspace/.work"), 0, "%s left its folder", script);
	cr_expect_neq(access(ATTEMPT, F_OK), 0, "%s left files", script);
}

Test(script, whatever_it_does_becomes_a_clear_error)
{
	static const struct { const char *script, *class_, *code, *part; } cases[] = {
		{ "exit_3", "unknown", "script_failed", "exit status 3" },
		{ "exit_3", "unknown", "script_failed", "first trouble\\nlast trouble" },
		{ "says_error", "resource", "too_big", "\"message\":\"The picture is too big.\"" },
		{ "garbage", "permanent", "script_protocol", "Loading weights... ?[31m?" },
		{ "wrong_member", "permanent", "script_protocol", "must be a number" },
		{ "long_line", "permanent", "script_protocol", "longer than 1 MiB" },
		{ "prints_100_mb", "permanent", "script_protocol", "script.output" },
		{ "output_symlink", "permanent", "output_not_a_file", "symbolic link" },
		{ "output_symlinked_folder", "permanent", "output_not_a_file", "symbolic link" },
		{ "output_hard_link", "permanent", "output_not_a_file", "hard link" },
		{ "output_folder", "permanent", "output_not_a_file", "folder" },
		{ "output_fifo", "permanent", "output_not_a_file", "pipe" },
		{ "output_outside", "permanent", "output_not_a_file", "leads out" },
		{ "output_absolute", "permanent", "output_not_a_file", "leads out" },
		{ "output_absent", "permanent", "output_missing", "out.txt" },
		{ "output_not_given", "permanent", "output_missing", "text" },
		{ "output_unknown", "permanent", "output_unknown", "picture" },
		{ "output_removed", "permanent", "output_missing", "out.txt" },
		{ "output_swapped", "permanent", "output_not_a_file", "symbolic link" },
		{ "crashes", "unknown", "script_crashed", "signal 11" },
		{ "writes_too_much", "unknown", "script_failed", "File too large" },
		{ "closes_everything", "unknown", "script_failed", "exit status 7" },
		{ "fork_bomb", "permanent", "too_many_processes", "512" },
		{ "there_is_no_such", "permanent", "script_missing", "does not exist" },
		{ "title.py", "permanent", "script_missing", "not executable" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		expect_failure(cases[i].script, 300000, 0, cases[i].class_, cases[i].code, cases[i].part);
}

Test(script, memory_is_limited)
{
	expect_failure("eats_memory", 300000, 100, "resource", "out_of_memory", "100 MiB");
	expect_failure("children_eat_memory", 300000, 200, "resource", "out_of_memory", "200 MiB");
	expect_failure("eats_memory_at_once", 300000, 100, "unknown", "script_failed", "MemoryError");
}

Test(script, time_is_limited)
{
	expect_failure("never_ends", 700, 0, "permanent", "timeout", "1 seconds");
	expect_failure("ignores_term", 700, 0, "permanent", "timeout", "reduce_quality");
}

Test(script, what_it_detached_is_ended_with_it)
{
	struct json_object *message = run_it("detaches");
	expect_type(message, "manifest");
	json_object_put(message);
	cr_expect_eq(processes(worker), 0);
	cr_expect_not_null(strstr(fnr_json_get_text(seen_last("log", NULL), "text", ""), "left 3 processes running"), "%s",
	                   fnr_json_text(seen, NULL));
}

Test(script, a_flood_on_standard_error_is_cut)
{
	size_t count;
	struct json_object *message = run_it("talks_to_stderr");
	expect_type(message, "manifest");
	json_object_put(message);
	cr_expect_not_null(strstr(fnr_json_get_text(seen_last("log", &count), "text", ""), "48000 more lines"), "%s",
	                   fnr_json_text(seen_last("log", NULL), NULL));
	cr_expect_eq(count, 2001);
}

Test(script, what_has_no_project_is_filed_by_its_worker)
{
	static const char final[] = "workspace/.jobs/" JOB;
	struct json_object *message = run_message("good", 300000);
	json_object_object_del(message, "project");
	json_object_object_del(message, "shot");
	fnr_json_set_text(message, "attempt_dir", "workspace/.jobs/.attempt-" JOB "-1");
	fnr_json_set_text(message, "final_dir", final);
	say(message);
	message = answer();
	expect_type(message, "manifest");
	cr_expect(fnr_json_get_bool(message, "filed", false));
	json_object_put(message);
	cr_expect_eq(access("workspace/.jobs/" JOB "/out.txt", F_OK), 0);
	cr_expect_eq(access("workspace/.jobs/" JOB "/.job", F_OK), 0);
	cr_expect_neq(access("workspace/.jobs/.attempt-" JOB "-1", F_OK), 0);
}

Test(script, folders_without_rights_are_removed)
{
	struct json_object *message = run_it("leaves_locked_folders");
	expect_type(message, "manifest");
	json_object_put(message);
}

Test(script, progress_and_previews_are_squeezed)
{
	size_t progress, previews;
	struct json_object *message = run_it("previews");
	expect_type(message, "manifest");
	json_object_put(message);
	struct json_object *preview = seen_last("preview", &previews);
	cr_expect_str_eq(fnr_json_get_text(preview, "media_type", ""), "image/png");
	cr_expect_eq(strncmp(fnr_json_get_text(preview, "data", ""), "iVBORw0KGgo", 11), 0);
	seen_last("progress", &progress);
	cr_expect(progress >= 3 && progress <= 14, "%zu progress messages for 50", progress);
	cr_expect(previews >= 2 && previews <= 8, "%zu previews for 50", previews);
}

Test(script, nothing_outside_its_folder_is_in_reach)
{
	if (sandbox_landlock_version() < 6)
		cr_skip_test("this kernel has no Landlock of version 6");
	struct json_object *message = run_it("escapes");
	expect_type(message, "manifest");
	struct json_object *result = fnr_json_get(message, "result");
	cr_expect_eq(json_object_array_length(fnr_json_get(result, "done")), 0, "%s", fnr_json_text(result, NULL));
	cr_expect_leq(json_object_array_length(fnr_json_get(result, "descriptors")), 4, "%s", fnr_json_text(result, NULL));
	json_object_put(message);
	struct stat st;
	cr_expect(stat("store/secret", &st) == 0 && st.st_size == 6);
}

/* ---- orders while it runs ---- */

Test(script, a_cancelled_script_is_ended)
{
	static const char *const scripts[] = { "never_ends", "ignores_term" };
	for (size_t i = 0; i < 2; i++) {
		say(run_message(scripts[i], 500000));
		wait_for_progress();
		say(json("{\"type\":\"cancel\",\"job\":\"" JOB "\",\"attempt\":2}"));
		say(json("{\"type\":\"cancel\",\"job\":\"" JOB "\",\"attempt\":1}"));
		struct json_object *message = answer();
		expect_type(message, "cancelled");
		json_object_put(message);
		cr_expect_eq(processes(worker), 0);
	}
}

Test(script, heartbeats_come_while_it_runs)
{
	int64_t begin = fnr_mono_ms();
	say(run_message("never_ends", 5600));
	struct json_object *message = answer(), *heartbeat;
	expect_type(message, "failed");
	json_object_put(message);
	size_t count;
	heartbeat = seen_last("heartbeat", &count);
	cr_expect(count >= 2 && (int64_t)count <= (fnr_mono_ms() - begin) / 1000, "%zu", count);
	cr_expect_gt(fnr_json_get_int(heartbeat, "rss", 0), 1 << 20);
}

Test(script, without_its_manager_the_worker_leaves_and_takes_the_script_along)
{
	say(run_message("detaches", 500000));
	stop_worker();
	start_worker();
	say(run_message("ignores_term", 500000));
	wait_for_progress();
	stop_worker();
	cr_expect_eq(processes(getpid()), 0);
	fnr_tree_remove("workspace/.work", NULL);
}

Test(script, a_killed_worker_takes_the_script_along)
{
	say(run_message("ignores_term", 500000));
	wait_for_progress();
	kill(worker, SIGKILL);
	waitpid(worker, NULL, 0);
	worker = -1;
	fnr_fd_close(&manager);
	for (int i = 0; i < 6000 && processes(getpid()) > 0; i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		usleep(10000);
	}
	cr_expect_eq(processes(getpid()), 0);
	fnr_tree_remove("workspace/.work", NULL);
}

Test(script, stop_waits_for_the_task_that_runs)
{
	int status;
	say(run_message("output_removed", 500000));
	say(json("{\"type\":\"stop\"}"));
	struct json_object *message = answer();
	expect_type(message, "failed");
	json_object_put(message);
	cr_expect_eq(waitpid(worker, &status, 0), worker);
	cr_expect_eq(status, 0);
	worker = -1;
	fnr_fd_close(&manager);
}

Test(script, signals_of_a_terminal_do_not_disturb)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	for (size_t i = 0; i < 3; i++)
		kill(worker, signals[i]);
	struct json_object *message = run_it("good");
	expect_type(message, "manifest");
	json_object_put(message);
}

/* ---- the other tasks, and the backend that does nothing ---- */

Test(script, discard_removes_what_is_of_attempts_and_takes_and_nothing_else)
{
	fnr_dir_make(ATTEMPT, 0755, NULL);
	fnr_dir_make(WORK, 0755, NULL);
	fnr_dir_make(SHOT "/take_001", 0755, NULL);
	fnr_dir_make(SHOT "/take_002", 0755, NULL);
	fnr_dir_make(SHOT "/mine", 0755, NULL);
	say(json("{\"type\":\"discard\",\"paths\":[\"" ATTEMPT "\",\"" WORK "\",\"" SHOT "/take_001\",\"" SHOT "/mine\",\"" SHOT "\",\"store\",\"../x\",null,7]}"));
	struct json_object *message = answer();
	expect_type(message, "discarded");
	cr_expect_str_eq(fnr_json_text(fnr_json_get(message, "left"), NULL), "[\"" SHOT "/mine\",\"" SHOT "\",\"store\",\"../x\",\"\",\"7\"]");
	json_object_put(message);
	cr_expect_neq(access(ATTEMPT, F_OK), 0);
	cr_expect_neq(access(WORK, F_OK), 0);
	cr_expect_neq(access(SHOT "/take_001", F_OK), 0);      /* a take that was deleted */
	cr_expect_eq(access(SHOT "/take_002", F_OK), 0);
	cr_expect_eq(access(SHOT "/mine", F_OK), 0);
	cr_expect_eq(access("store/secret", F_OK), 0);
}

Test(script, finish_says_why_it_cannot)
{
	static const char finish[] = "{\"type\":\"finish\",\"job\":\"" JOB "\",\"attempt\":1,\"attempt_dir\":\"" ATTEMPT
	                             "\",\"final_dir\":\"" SHOT "/take_001\",\"take\":null}";
	say(json(finish));
	struct json_object *message = answer();
	expect_type(message, "finish_failed");
	cr_expect_str_eq(fnr_json_get_text(message, "reason", ""), "missing");
	json_object_put(message);
	fnr_dir_make(ATTEMPT, 0755, NULL);
	fnr_dir_make(SHOT "/take_001/x", 0755, NULL);
	say(json(finish));
	message = answer();
	cr_expect_str_eq(fnr_json_get_text(message, "reason", ""), "exists");
	json_object_put(message);
}

static struct json_object *noop_message(const char *metadata)
{
	struct json_object *message = run_message("good", 300000);
	fnr_json_set(message, "definition", json("{\"id\":\"noop\",\"version\":\"1.0.0\",\"outputs\":{},\"backend\":{\"type\":\"noop\"}}"));
	fnr_json_set_text(message, "kind", "noop");
	fnr_json_set(fnr_json_get(message, "payload"), "metadata", json(metadata));
	return message;
}

Test(script, noop_does_nothing_to_the_disk)
{
	say(noop_message("{}"));
	struct json_object *message = answer();
	expect_type(message, "manifest");
	cr_expect_eq(json_object_array_length(fnr_json_get(message, "outputs")), 0);
	cr_expect_eq(json_object_array_length(seen), 0, "one message in, one out");
	json_object_put(message);
	cr_expect_eq(entries("workspace"), 0);
}

Test(script, noop_takes_time_or_fails_when_asked)
{
	size_t count;
	say(noop_message("{\"noop\":{\"duration_ms\":350}}"));
	struct json_object *message = answer();
	expect_type(message, "manifest");
	json_object_put(message);
	seen_last("progress", &count);
	cr_expect(count >= 3 && count <= 4, "%zu", count);
	say(noop_message("{\"noop\":{\"fail\":\"transient\"}}"));
	message = answer();
	expect_type(message, "failed");
	cr_expect_str_eq(fnr_json_get_text(fnr_json_get(message, "error"), "class", ""), "transient");
	json_object_put(message);
	say(noop_message("{\"noop\":{\"duration_ms\":60000}}"));
	wait_for_progress();
	say(json("{\"type\":\"cancel\",\"job\":\"" JOB "\",\"attempt\":1}"));
	message = answer();
	expect_type(message, "cancelled");
	json_object_put(message);
}

Test(script, a_message_that_makes_no_sense_fails_the_job_only)
{
	static const struct { const char *member, *value; } cases[] = {
		{ "kind", "\"nothing\"" }, { "work", "\"/etc\"" }, { "work", "\"workspace\"" }, { "attempt_dir", "\"store\"" },
		{ "definition", "null" }, { "quality", "\"best\"" }, { "payload_file", "\"../../etc/passwd\"" },
		{ "payload_file", "\"blobs/payload/" JOB "\"" }, { "uploads", "[{\"id\":\"../x\"}]" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct json_object *message = run_message("good", 300000);
		char wrapped[256];
		snprintf(wrapped, sizeof wrapped, "{\"v\":%s}", cases[i].value);
		struct json_object *holder = json(wrapped);
		fnr_json_set(message, cases[i].member, json_object_get(fnr_json_get(holder, "v")));
		json_object_put(holder);
		say(message);
		message = answer();
		expect_type(message, "failed");
		cr_expect_str_eq(fnr_json_get_text(fnr_json_get(message, "error"), "class", ""), "permanent", "%s", cases[i].member);
		json_object_put(message);
	}
	struct json_object *message = run_it("good");
	expect_type(message, "manifest");
	json_object_put(message);
}

/* ---- all kinds ---- */

Test(kinds, those_that_work_on_servers_are_named_so)
{
	size_t count = 0;

	for (const struct backend_kind *const *kind = backend_kinds(); *kind != NULL; kind++) {
		cr_expect_eq((*kind)->needs_endpoint, backend_of_servers((*kind)->name), "%s", (*kind)->name);
		cr_expect(!(*kind)->attachable || (*kind)->attach != NULL, "%s", (*kind)->name);
		count += (*kind)->needs_endpoint;
	}
	for (const char *const *name = backend_servers; *name != NULL; name++)
		cr_expect_not_null(backend_find(*name), "%s", *name);
	cr_assert_gt(count, 0);
}
