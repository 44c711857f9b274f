#include "cli/follow.h"

#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vocab.h"
#include "cli/ask.h"
#include "cli/cli.h"

#define BAR_CELLS 24
#define LINE_STEP 10.0             /* percent between two plain lines of the same message */
#define PATIENCE_MS 300000         /* how long a server may be away */
#define PAUSE_MS 1000

struct follow {
	struct client *client;
	bool json, terminal, color, drawn, ended;
	char last_id[64], message[256];
	double percent;
	int64_t heard_at;
	void (*show)(struct json_object *);    /* of a batch: prints how far it is, in a line */
};

/* ---- drawing ---- */

static int terminal_width(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20 ? size.ws_col : 80;
}

/* "1 min 5 s" */
static void format_seconds(char *out, size_t size, double seconds)
{
	long whole = (long)(seconds + 0.5);

	if (whole >= 3600)
		snprintf(out, size, "%ld h %ld min", whole / 3600, whole / 60 % 60);
	else if (whole >= 60)
		snprintf(out, size, "%ld min %ld s", whole / 60, whole % 60);
	else
		snprintf(out, size, "%ld s", whole);
}

/* Cuts to so many cells of a terminal, where a character has none, one or two. Names and messages are UTF-8 whatever the
 * user's locale is. */
static void cut(char *text, size_t cells)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), old = utf8 ? uselocale(utf8) : (locale_t)0;
	mbstate_t state = { 0 };
	size_t used = 0, len = 1;

	for (char *at = text; *at; at += len) {
		wchar_t letter;
		int wide;

		len = mbrtowc(&letter, at, MB_LEN_MAX, &state);
		wide = len < (size_t)-2 ? wcwidth(letter) : 1;
		if (len >= (size_t)-2)
			len = 1;
		used += wide > 0 ? (size_t)wide : 0;
		if (used > cells) {
			*at = 0;
			break;
		}
	}
	if (utf8) {
		uselocale(old);
		freelocale(utf8);
	}
}

/* "  VRAM 6.1 of 25.8 GB" of the card of its server that is fullest; "" if none is known. */
static void format_card(char *out, size_t size, struct json_object *progress)
{
	struct json_object *devices = fnr_json_get(fnr_json_get(fnr_json_get(progress, "resources"), "server"), "devices");
	double fullest = -1;

	*out = 0;
	for (size_t i = 0; i < ask_count(devices); i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);
		double all = fnr_json_get_real(device, "vram_total", 0), used = all - fnr_json_get_real(device, "vram_free", 0);

		if (all <= 0 || used / all <= fullest)
			continue;
		fullest = used / all;
		snprintf(out, size, "  VRAM %.1f of %.1f GB", used / 1e9, all / 1e9);
	}
}

static void draw_bar(struct follow *follow, struct json_object *progress)
{
	int width = terminal_width(), cells = width < 60 ? 10 : BAR_CELLS, full = (int)(follow->percent / 100 * cells + 0.5);
	size_t room = (size_t)(width - cells - 9), taken;
	char text[512], left[64], rest[160] = "", card[64];
	double eta = fnr_json_get_real(progress, "eta_seconds", -1);

	if (eta >= 0) {
		format_seconds(left, sizeof left, eta);
		snprintf(rest, sizeof rest, "  %s left", left);
	}
	format_card(card, sizeof card, progress);
	strcat(rest, card);
	taken = strlen(rest);
	snprintf(text, sizeof text - sizeof rest, "%s", follow->message);
	cut(text, room > taken ? room - taken : 0);
	cut(strcat(text, rest), room);
	printf("\r\x1b[K%s", follow->color ? "\x1b[36m" : "");
	for (int i = 0; i < cells; i++)
		fputs(i < full ? "█" : "░", stdout);
	printf("%s %3.0f%%  %s", follow->color ? "\x1b[0m" : "", follow->percent, text);
	fflush(stdout);
	follow->drawn = true;
}

static void clear_bar(struct follow *follow)
{
	if (follow->drawn)
		printf("\r\x1b[K");
	follow->drawn = false;
	fflush(stdout);
}

static void show_progress(struct follow *follow, struct json_object *progress)
{
	const char *message = fnr_json_get_text(progress, "message", "");
	double percent = fnr_json_get_real(progress, "percent", 0);
	bool changed = strcmp(message, follow->message) != 0 || percent >= follow->percent + LINE_STEP;

	if (follow->json)
		return;
	if (!follow->terminal && !changed)
		return;
	fnr_text_copy(follow->message, sizeof follow->message, message);
	fnr_text_clean(follow->message);
	follow->percent = percent;
	if (follow->terminal) {
		draw_bar(follow, progress);
	} else {
		printf("%3.0f%%  %s\n", percent, follow->message);
		fflush(stdout);
	}
}

/* ---- events ---- */

static bool on_event(const char *id, const char *name, struct json_object *data, void *context)
{
	struct follow *follow = context;
	int state = fnr_state_parse(fnr_json_get_text(data, "state", ""));

	if (*id)
		fnr_text_copy(follow->last_id, sizeof follow->last_id, id);
	follow->heard_at = fnr_mono_ms();
	if (follow->json) {
		fnr_json_set_text(data, "event", name);
		printf("%s\n", fnr_json_text(data, NULL));
		fflush(stdout);
	}
	if (strcmp(name, "job.retrying") == 0 && !follow->json) {
		clear_bar(follow);
		printf("It did not work: %s Trying again.\n", fnr_json_get_text(fnr_json_get(data, "error"), "message", ""));
	}
	if (fnr_json_get(data, "progress"))
		show_progress(follow, fnr_json_get(data, "progress"));
	follow->ended = state >= 0 && fnr_state_terminal((enum fnr_state)state);
	return !follow->ended;
}

/* ---- the end ---- */

/* Where an output lies: the file itself when the server's data directory is here, and its address. */
static void show_output(struct client *client, struct json_object *output)
{
	const char *path = fnr_json_get_text(output, "path", "");
	char file[PATH_MAX];

	snprintf(file, sizeof file, "%s/workspace/%s", client_data(client), path);
	if (*client_data(client) && access(file, R_OK) == 0)
		printf("  %s\n", file);
	else
		printf("  %s\n", path);
	printf("  %s%s\n", client_url(client), fnr_json_get_text(output, "url", ""));
}

static void show_completed(struct client *client, struct json_object *job)
{
	struct json_object *outputs = fnr_json_get(job, "outputs");
	int64_t started = 0, finished = 0;

	if (fnr_time_parse(fnr_json_get_text(job, "started_at", ""), &started) && fnr_time_parse(fnr_json_get_text(job, "finished_at", ""), &finished))
		printf("Done in %.1f s", (double)(finished - started) / 1000);
	else
		printf("Done");
	if (fnr_json_get(job, "take"))
		printf(": take %lld of %s/%s", (long long)fnr_json_get_int(job, "take", 0), fnr_json_get_text(job, "project", ""),
		       fnr_json_get_text(job, "shot", ""));
	printf("\n");
	for (size_t i = 0; json_object_is_type(outputs, json_type_array) && i < json_object_array_length(outputs); i++)
		show_output(client, json_object_array_get_idx(outputs, i));
}

static void show_error(struct json_object *job)
{
	struct json_object *error = fnr_json_get(job, "error");
	const char *state = fnr_json_get_text(job, "state", "failed"), *id = fnr_json_get_text(job, "id", "");
	const char *suggestion = fnr_json_get_text(error, "suggestion", NULL);

	fprintf(stderr, "fnr: job %s %s%s%s\n", id, strcmp(state, "failed") == 0 ? "failed" : state, error ? ": " : "",
	        fnr_json_get_text(error, "message", ""));
	if (suggestion)
		fprintf(stderr, "     %s\n", suggestion);
	if (strcmp(state, "failed") == 0)
		fprintf(stderr, "     more: fnr job log %s\n", id);
}

int follow_result(struct client *client, struct json_object *job, bool json)
{
	bool completed = strcmp(fnr_json_get_text(job, "state", ""), "completed") == 0;

	if (json)
		printf("%s\n", fnr_json_text(job, NULL));
	else if (completed)
		show_completed(client, job);
	if (!completed && !json)
		show_error(job);
	fflush(stdout);
	return completed ? EXIT_DONE : EXIT_FAILED;
}

static int show_end(struct follow *follow, const char *path)
{
	struct answer answer = client_persist(follow->client, "GET", path, NULL, NULL);
	int status = EXIT_FAILED;

	if (client_interrupted())
		status = EXIT_INTERRUPTED;
	else if (answer.status == 200)
		status = follow_result(follow->client, answer.json, follow->json);
	else
		client_complain(follow->client, &answer);
	answer_free(&answer);
	return status;
}

/* A bar can be drawn there. */
static bool is_terminal(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

/* What the job itself answers says more than its stream ("there is no job …"). */
static int show_refusal(struct client *client, const char *path, const struct answer *of_stream)
{
	struct answer answer = client_request(client, "GET", path, NULL, NULL);

	if (client_interrupted()) {
		answer_free(&answer);
		return EXIT_INTERRUPTED;
	}
	client_complain(client, answer.status == 200 ? of_stream : &answer);
	answer_free(&answer);
	return EXIT_FAILED;
}

/* The server may be started again while we follow; then we go on from the last event. */
static bool worth_waiting(struct follow *follow, long status)
{
	return (status == 0 || status == 200 || status >= 500) && fnr_mono_ms() - follow->heard_at < PATIENCE_MS;
}

/* Follows the stream of path until it has said how it ends: -1, or an exit status when it cannot be followed. */
static int follow_stream(struct follow *follow, const char *path, client_event *event)
{
	char *events = fnr_asprintf("%s/events", path);
	int result = -1;
	bool over = false;

	while (result < 0 && !over) {
		struct answer answer;
		long status = client_stream(follow->client, events, follow->last_id, event, follow, &answer);

		if (client_interrupted()) {
			result = EXIT_INTERRUPTED;
		} else if (follow->ended || status == 204) {
			over = true;
		} else if (!worth_waiting(follow, status)) {
			clear_bar(follow);
			result = show_refusal(follow->client, path, &answer);
		} else {
			usleep(PAUSE_MS * 1000);
		}
		answer_free(&answer);
	}
	clear_bar(follow);
	free(events);
	return result;
}

int follow_job(struct client *client, const char *id, bool json)
{
	struct follow follow = { .client = client, .json = json, .terminal = !json && is_terminal(), .heard_at = fnr_mono_ms() };
	char *path = ASK_PATH("jobs/{}", id);
	int result;

	follow.color = follow.terminal && ask_colored();
	result = follow_stream(&follow, path, on_event);
	if (result < 0)
		result = show_end(&follow, path);
	free(path);
	return result;
}

/* ---- batches ---- */

/* Of the batch itself; its jobs tell of themselves in the same stream. */
static bool on_batch_event(const char *id, const char *name, struct json_object *data, void *context)
{
	struct follow *follow = context;
	struct json_object *counts = fnr_json_get(data, "counts");
	const char *state = fnr_json_get_text(data, "state", "");
	double percent = fnr_json_get_real(data, "percent", follow->percent);

	if (*id)
		fnr_text_copy(follow->last_id, sizeof follow->last_id, id);
	follow->heard_at = fnr_mono_ms();
	if (follow->json) {
		fnr_json_set_text(data, "event", name);
		printf("%s\n", fnr_json_text(data, NULL));
		fflush(stdout);
	}
	if (!counts)
		return true;
	if (!follow->json && (follow->terminal || percent >= follow->percent + LINE_STEP || percent >= 100)) {
		follow->percent = percent;
		if (follow->terminal)
			printf("\r\x1b[K");
		follow->show(data);
		if (follow->terminal)
			printf("\x1b[A");
		fflush(stdout);
	}
	follow->ended = *state && strcmp(state, "running") != 0;
	return !follow->ended;
}

int follow_batch(struct client *client, const char *id, bool json, void (*show)(struct json_object *))
{
	struct follow follow = { .client = client, .json = json, .terminal = !json && is_terminal(), .heard_at = fnr_mono_ms(), .show = show };
	char *path = ASK_PATH("batches/{}", id);
	int result = follow_stream(&follow, path, on_batch_event);
	struct answer answer = { 0, NULL };

	if (result < 0) {
		answer = client_persist(client, "GET", path, NULL, NULL);
		result = answer.status == 200 ? EXIT_DONE : ask_failed(&answer);
	}
	if (result == EXIT_DONE) {
		if (json)
			printf("%s\n", fnr_json_text(answer.json, NULL));
		else
			show(answer.json);
		if (strcmp(fnr_json_get_text(answer.json, "state", ""), "completed") != 0)
			result = EXIT_FAILED;
	}
	if (result == EXIT_FAILED && !json)
		fprintf(stderr, "fnr: not all jobs of batch %s were completed; see fnr job list --batch %s\n", id, id);
	answer_free(&answer);
	free(path);
	return result;
}

void follow_upload(double fraction, void *file)
{
	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, fraction < 1 ? "\r\x1b[KUploading %s: %.0f%%" : "\r\x1b[K", (const char *)file, fraction * 100);
	fflush(stderr);
}
