/* The run handle: what a backend says becomes messages to the manager, cleaned and squeezed. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/tree.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "files/path.h"
#include "worker/begun.h"
#include "worker/preview.h"
#include "worker/wire.h"
#include "worker/worker.h"

#define PROGRESS_MS 100
#define PROGRESS_AHEAD 2              /* so many more may go out at once after a pause; on the average the interval holds */
#define PROGRESS_GATHER_MS 4          /* what follows so soon is told with it: servers say several things at once, and short jobs are over */
#define HEARTBEAT_MS 1000
#define PREVIEW_MAX (8u << 20)
#define LOG_LINES 2000
#define LOG_BYTES (1u << 20)
#define READ_SIZE 65536

static struct attempt *attempt_of(struct run *run)
{
	return run->worker;
}

void worker_leave(void)
{
	fnr_proc_kill_strays(NULL, 0);
	_exit(0);
}

void attempt_say(struct attempt *attempt, const char *type, struct json_object *message)
{
	if (attempt->quiet) {
		json_object_put(message);
		return;
	}
	fnr_json_set_text(message, "type", type);
	fnr_json_set_text(message, "job", attempt->run.job);
	fnr_json_set_int(message, "attempt", attempt->run.attempt);
	worker_say(attempt->worker, message);
}

/* ---- reports ---- */

static int64_t progress_due(const struct attempt *attempt)
{
	int64_t due = attempt->progress_next - PROGRESS_AHEAD * PROGRESS_MS;
	return due > attempt->progress_since + PROGRESS_GATHER_MS ? due : attempt->progress_since + PROGRESS_GATHER_MS;
}

static void say_progress(struct attempt *attempt, int64_t now)
{
	struct json_object *message = json_object_new_object();
	fnr_json_set_text(message, "stage", fnr_stage_name(attempt->stage));
	fnr_json_set_real(message, "fraction", attempt->fraction);
	fnr_json_set_text(message, "message", attempt->text[0] != '\0' ? attempt->text : NULL);
	attempt->progress_waits = false;
	attempt->progress_next = (attempt->progress_next > now ? attempt->progress_next : now) + PROGRESS_MS;
	attempt_say(attempt, "progress", message);
}

/* The latest of those that came meanwhile. */
static void say_preview(struct attempt *attempt, int64_t now)
{
	attempt->preview_sent = now;
	if (!preview_fit(&attempt->preview, attempt->preview_type, (int)attempt->worker->conf.preview_size)) {
		fnr_buf_reset(&attempt->preview);
		return;
	}
	unsigned char *data = fnr_alloc(attempt->preview.len / 3 * 4 + 8);
	EVP_EncodeBlock(data, (const unsigned char *)attempt->preview.data, (int)attempt->preview.len);
	struct json_object *message = json_object_new_object();
	fnr_json_set_text(message, "media_type", attempt->preview_type);
	fnr_json_set_text(message, "data", (const char *)data);
	free(data);
	fnr_buf_reset(&attempt->preview);
	attempt_say(attempt, "preview", message);
}

static void say_log(struct attempt *attempt, const char *level, const char *text)
{
	struct json_object *message = json_object_new_object();
	fnr_json_set_text(message, "level", level);
	fnr_json_set_text(message, "text", text);
	attempt_say(attempt, "log", message);
}

static void say_due(struct attempt *attempt, int64_t now, bool all)
{
	if (attempt->progress_waits && (all || now >= progress_due(attempt)))
		say_progress(attempt, now);
	if (attempt->preview.len > 0 && (all || now - attempt->preview_sent >= attempt->worker->conf.preview_interval))
		say_preview(attempt, now);
}

void attempt_say_rest(struct attempt *attempt)
{
	say_due(attempt, fnr_mono_ms(), true);
	if (attempt->dropped_lines > 0) {
		char text[128];
		snprintf(text, sizeof text, "%llu more lines (%llu bytes) were left out: the log of an attempt is limited",
		         (unsigned long long)attempt->dropped_lines, (unsigned long long)attempt->dropped_bytes);
		attempt->dropped_lines = 0;
		say_log(attempt, "warn", text);
	}
}

static void said(struct attempt *attempt)
{
	if (attempt->said_at > 0)
		attempt->said_at = fnr_mono_ms();
}

void run_progress(struct run *run, enum fnr_stage stage, double fraction, const char *message)
{
	struct attempt *attempt = attempt_of(run);
	char text[sizeof attempt->text] = "";
	said(attempt);
	fraction = fraction >= 1.0 ? 1.0 : fraction > 0.0 ? fraction : 0.0; /* not a number becomes 0 */
	if (message != NULL)
		fnr_text_copy(text, sizeof text, message);
	fnr_text_clean(text);
	if (stage == attempt->stage && fraction == attempt->fraction && strcmp(text, attempt->text) == 0)
		return; /* what says nothing new would only make the next one wait */
	if (!attempt->progress_waits)
		attempt->progress_since = fnr_mono_ms();
	attempt->progress_waits = true; /* it goes out with a run_stop that comes late enough: of what came at once the last is told */
	attempt->stage = stage;
	attempt->fraction = fraction;
	memcpy(attempt->text, text, sizeof text);
}

void run_log(struct run *run, const char *level, const char *text)
{
	static const char *const levels[] = { "debug", "info", "warn", "error" };
	struct attempt *attempt = attempt_of(run);
	size_t len = strlen(text), i = 0;
	said(attempt);
	if (attempt->log_lines >= LOG_LINES || attempt->log_bytes + len > LOG_BYTES) {
		attempt->dropped_lines++;
		attempt->dropped_bytes += len;
		return;
	}
	attempt->log_lines++;
	attempt->log_bytes += len;
	while (i < 4 && strcmp(levels[i], level) != 0)
		i++;
	char clean[4096];
	fnr_text_copy(clean, sizeof clean, text);
	fnr_text_clean(clean);
	say_log(attempt, i < 4 ? levels[i] : "info", clean);
}

void run_preview(struct run *run, const char *media_type, const void *data, size_t len)
{
	struct attempt *attempt = attempt_of(run);
	if (len == 0 || len > PREVIEW_MAX || !path_media_inline(media_type))
		return;
	said(attempt);
	fnr_buf_reset(&attempt->preview);
	fnr_buf_add(&attempt->preview, data, len);
	fnr_text_copy(attempt->preview_type, sizeof attempt->preview_type, media_type);
	say_due(attempt, fnr_mono_ms(), false);
}

void run_result(struct run *run, struct json_object *result)
{
	struct attempt *attempt = attempt_of(run);
	json_object_put(attempt->result);
	attempt->result = fnr_json_copy(result);
}

void run_begun(struct run *run)
{
	struct attempt *attempt = attempt_of(run);
	if (attempt->early || strcmp(fnr_json_get_text(run->definition, "on_lost", ""), "fail") == 0)
		begun_note(attempt->worker->begun, run->job, run->attempt, fnr_json_get_text(attempt->message, "backend", ""));
	attempt_say(attempt, "begun", json_object_new_object());
}

bool run_folder(struct run *run, struct run_error *error)
{
	struct attempt *attempt = attempt_of(run);
	if (!attempt_folder(attempt, error))
		return false;
	attempt_collect_begin(attempt);
	return true;
}

void run_memory(struct run *run, uint64_t bytes)
{
	struct attempt *attempt = attempt_of(run);
	if (bytes > attempt->memory_most)
		attempt->memory_most = bytes;
}

void run_server_memory(struct run *run, struct json_object *found)
{
	struct json_object *message = json_object_new_object();
	fnr_json_set(message, "found", found != NULL ? fnr_json_copy(found) : NULL);
	attempt_say(attempt_of(run), "server_memory", message);
}

void run_took(struct run *run, const char *part, double ms)
{
	struct attempt *attempt = attempt_of(run);
	if (attempt->took == NULL)
		attempt->took = json_object_new_object();
	fnr_json_set_real(attempt->took, part, ms);
}

/* ---- outputs ---- */

const char *run_path_within(const struct run *run, const char *path)
{
	size_t len = strlen(run->work_dir);
	if (strncmp(path, run->work_dir, len) == 0 && path[len] == '/')
		path += len + strspn(path + len, "/");
	while (path[0] == '.' && path[1] == '/')
		path += 1 + strspn(path + 1, "/");
	return path;
}

static bool file_taken(const struct attempt *attempt, const char *file)
{
	for (size_t i = 0; i < json_object_array_length(attempt->outputs); i++)
		if (strcasecmp(fnr_json_get_text(json_object_array_get_idx(attempt->outputs, i), "file", ""), file) == 0)
			return true;
	return strcasecmp(file, "take.json") == 0;
}

/* The file keeps its name if it can be one of a take; else it is called like the output. */
static void choose_file(const struct attempt *attempt, const char *name, const char *path, char file[160])
{
	const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path, *dot = strrchr(base, '.');
	snprintf(file, 160, "%s", base);
	if (path_file_name_valid(base) && !file_taken(attempt, base))
		return;
	snprintf(file, 160, "%.64s%.16s", name, dot != NULL ? dot : "");
	if (!path_file_name_valid(file))
		snprintf(file, 160, "%.64s", name);
	for (int i = 2; file_taken(attempt, file); i++)
		snprintf(file, 160, "%.64s_%d%.16s", name, i, dot != NULL && path_file_name_valid(dot + 1) ? dot : "");
}

/* Of an output that may be many the further ones are called name_2, name_3, … */
static bool output_declared(struct json_object *declared, const char *name)
{
	const char *end = strrchr(name, '_');
	char first[68];
	if (fnr_json_get(declared, name) != NULL)
		return true;
	if (end == NULL || end[1] == '0' || end[1 + strspn(end + 1, "0123456789")] != '\0' || atoi(end + 1) < 2)
		return false;
	snprintf(first, sizeof first, "%.*s", (int)(end - name), name);
	return fnr_json_get_bool(fnr_json_get(declared, first), "many", false);
}

static bool output_known(struct attempt *attempt, const char *name, struct run_error *error)
{
	struct json_object *declared = fnr_json_get(attempt->run.definition, "outputs");
	bool again = false;
	for (size_t i = 0; i < json_object_array_length(attempt->outputs); i++)
		again = again || strcmp(fnr_json_get_text(json_object_array_get_idx(attempt->outputs, i), "name", ""), name) == 0;
	if (fnr_name_valid(name) && output_declared(declared, name) && !again)
		return true;
	run_fail(error, FNR_CLASS_PERMANENT, again ? "output_twice" : "output_unknown",
	         "Let the function give each output of its template once.", NULL, NULL,
	         again ? "The function gave the output \"%.64s\" twice." : "The function gave an output \"%.64s\" that its template does not have.",
	         name);
	return false;
}

static bool output_add(struct run *run, const char *name, const char *path, bool own, struct run_error *error)
{
	struct attempt *attempt = attempt_of(run);
	struct fnr_error err = FNR_ERROR_INIT;
	char file[160];
	if (!output_known(attempt, name, error))
		return false;
	path = run_path_within(run, path);
	int fd = path_open_file(attempt->work_fd, path, NULL, &err);
	if (fd < 0) {
		bool absent = err.code == FNR_E_NOT_FOUND;
		run_fail(error, FNR_CLASS_PERMANENT, absent ? "output_missing" : "output_not_a_file",
		         "Let the function write each output as a plain file into the folder that it is given.", NULL, err.message,
		         absent ? "The function did not deliver \"%s\"." : "What the function delivered as \"%s\" is not a plain file of its own folder.",
		         name);
		fnr_error_clear(&err);
		return false;
	}
	close(fd);
	choose_file(attempt, name, path, file);
	struct json_object *output = json_object_new_object();
	fnr_json_set_text(output, "name", name);
	fnr_json_set_text(output, "path", path);
	fnr_json_set_text(output, "file", file);
	fnr_json_set_bool(output, "own", own);
	json_object_array_add(attempt->outputs, output);
	return true;
}

bool run_output(struct run *run, const char *name, const char *path, struct run_error *error)
{
	return output_add(run, name, path, false, error);
}

bool run_output_own(struct run *run, const char *name, const char *path, struct run_error *error)
{
	return output_add(run, name, path, true, error);
}

/* ---- the manager's messages while an attempt runs ---- */

static void say_heartbeat(struct attempt *attempt, int64_t now)
{
	struct tree_usage usage;
	long long pages = 0;
	tree_descendants(getpid(), &usage);
	run_memory(&attempt->run, usage.rss);
	FILE *file = fopen("/proc/self/statm", "re");
	if (file != NULL) {
		if (fscanf(file, "%*d %lld", &pages) != 1)
			pages = 0;
		fclose(file);
	}
	struct json_object *message = json_object_new_object();
	fnr_json_set_int(message, "cpu_ms", tree_cpu_ms(&usage) - attempt->cpu_before);
	fnr_json_set_int(message, "rss", (int64_t)usage.rss + pages * sysconf(_SC_PAGESIZE));
	attempt->heartbeat_due = now + HEARTBEAT_MS;
	attempt_say(attempt, "heartbeat", message);
}

static bool is_ours(const struct attempt *attempt, struct json_object *message)
{
	return strcmp(fnr_json_get_text(message, "job", ""), attempt->run.job) == 0 &&
	       fnr_json_get_int(message, "attempt", 0) == attempt->run.attempt;
}

static void message_handle(struct attempt *attempt, struct json_object *message)
{
	const char *type = fnr_json_get_text(message, "type", "");
	bool cancel = strcmp(type, "cancel") == 0;
	if (strcmp(type, "stop") == 0)
		attempt->worker->stopping = true;
	else if (!cancel)
		json_object_array_add(attempt->worker->later, json_object_get(message));
	else if (is_ours(attempt, message))
		attempt->cancelled = true;
}

static void messages_read(struct attempt *attempt)
{
	struct worker *worker = attempt->worker;
	for (;;) {
		struct json_object *message;
		int taken;
		while ((taken = wire_take(&worker->in, &message)) > 0) {
			message_handle(attempt, message);
			json_object_put(message);
		}
		ssize_t got = taken < 0 ? 0 : recv(worker->fd, fnr_buf_room(&worker->in, READ_SIZE), READ_SIZE, MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (got <= 0)
			worker_leave();
		worker->in.len += (size_t)got;
	}
}

bool run_stop(struct run *run)
{
	struct attempt *attempt = attempt_of(run);
	int64_t now = fnr_mono_ms();
	messages_read(attempt);
	say_due(attempt, now, false);
	if (now >= attempt->heartbeat_due)
		say_heartbeat(attempt, now);
	worker_flush(attempt->worker);
	if (attempt->silence_ms > 0 && attempt->said_at > 0 && now - attempt->said_at > attempt->silence_ms)
		attempt->stuck = true;
	return attempt->cancelled || attempt->stuck;
}

int run_fd(struct run *run)
{
	return attempt_of(run)->worker->fd;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int run_wait_ms(struct run *run, int most_ms)
{
	const struct attempt *attempt = attempt_of(run);
	int64_t now = fnr_mono_ms(), due = sooner(now + most_ms, attempt->heartbeat_due);
	if (attempt->progress_waits)
		due = sooner(due, progress_due(attempt));
	if (attempt->preview.len > 0)
		due = sooner(due, attempt->preview_sent + attempt->worker->conf.preview_interval);
	return due > now ? (int)(due - now) : 0;
}
