/* What fnr doctor looks at of the servers that jobs run on: as the running system knows them, or, where none runs, as they
 * answer to doctor itself. */
#include "config.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/backend.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/doctor.h"
#include "store/store.h"

#define ASK_MS 30000          /* after so long no more servers are asked */
#define ANSWERS_MOST (8u << 20)
#define MISSING_SHOWN 5
#define PAGE "500"

/* ---- models ---- */

static bool has_text(struct json_object *list, const char *text)
{
	for (size_t i = 0; i < ask_count(list); i++)
		if (strcmp(json_object_get_string(json_object_array_get_idx(list, i)), text) == 0)
			return true;
	return false;
}

/* Page by page; an array to put. */
static struct json_object *fetch_list(const char *path)
{
	struct json_object *all = json_object_new_array();
	struct fnr_buf next = FNR_BUF_INIT;
	bool more = true;

	fnr_buf_puts(&next, path);
	while (more) {
		struct answer answer = client_request(ask_client(), "GET", next.data, NULL, NULL);
		struct json_object *items = fnr_json_get(answer.json, "items");
		const char *cursor = fnr_json_get_text(answer.json, "next_cursor", NULL);

		for (size_t i = 0; answer.status == 200 && i < ask_count(items); i++)
			json_object_array_add(all, json_object_get(json_object_array_get_idx(items, i)));
		more = answer.status == 200 && cursor;
		fnr_buf_reset(&next);
		fnr_buf_puts(&next, path);
		if (more)
			ask_filter(&next, "cursor", cursor);
		answer_free(&answer);
	}
	fnr_buf_free(&next);
	return all;
}

/* {CATEGORY: []} where a server says that it has none, to put. */
static struct json_object *empty_of(struct json_object *backend)
{
	struct json_object *models = json_object_new_object(), *counts = fnr_json_get(fnr_json_get(backend, "found"), "models");

	if (json_object_is_type(counts, json_type_object)) {
		json_object_object_foreach(counts, category, count)
			if (json_object_get_int(count) == 0)
				fnr_json_set(models, category, json_object_new_array());
	}
	return models;
}

/* {CATEGORY: [NAME…]} of a server, to put. */
static struct json_object *models_of(struct json_object *backend)
{
	struct json_object *models = empty_of(backend), *items;
	struct fnr_buf path = FNR_BUF_INIT;

	fnr_buf_puts(&path, "/api/v1/models?limit=" PAGE);
	ask_filter(&path, "backend", fnr_json_get_text(backend, "id", ""));
	items = fetch_list(path.data);
	for (size_t i = 0; i < ask_count(items); i++) {
		struct json_object *item = json_object_array_get_idx(items, i);
		const char *category = fnr_json_get_text(item, "category", "");

		if (!ask_count(fnr_json_get(item, "backends")))
			continue;
		if (!fnr_json_get(models, category))
			fnr_json_set(models, category, json_object_new_array());
		json_object_array_add(fnr_json_get(models, category), json_object_get(fnr_json_get(item, "name")));
	}
	json_object_put(items);
	fnr_buf_free(&path);
	return models;
}

static bool is_for(struct json_object *template_, struct json_object *backend)
{
	struct json_object *wanted = fnr_json_get(template_, "backend"), *backends = fnr_json_get(wanted, "backends"), *labels = fnr_json_get(wanted, "labels");

	if (strcmp(fnr_json_get_text(wanted, "type", ""), fnr_json_get_text(backend, "type", "?")) != 0 ||
	    (backends && !has_text(backends, fnr_json_get_text(backend, "id", ""))))
		return false;
	for (size_t i = 0; i < ask_count(labels); i++)
		if (!has_text(fnr_json_get(backend, "labels"), json_object_get_string(json_object_array_get_idx(labels, i))))
			return false;
	return true;
}

/* Of a model that a parameter names, the one that it names where nobody says otherwise; "" if there is none. */
static const char *model_name(struct json_object *template_, struct json_object *model)
{
	const char *parameter = fnr_json_get_text(model, "parameter", NULL);

	if (!parameter)
		return fnr_json_get_text(model, "name", "");
	return fnr_json_get_text(fnr_json_get(fnr_json_get(template_, "inputs"), parameter), "default",
	                         fnr_json_get_text(fnr_json_get(template_, "parameters"), parameter, ""));
}

struct missing { char text[512]; size_t count; };

static void add_missing(struct missing *missing, struct json_object *template_, struct json_object *models)
{
	struct json_object *needed = fnr_json_get(template_, "models");

	for (size_t i = 0; i < ask_count(needed); i++) {
		struct json_object *model = json_object_array_get_idx(needed, i);
		const char *category = fnr_json_get_text(model, "category", ""), *name = model_name(template_, model);
		size_t len = strlen(missing->text);

		if (!*name || strcmp(category, "functions") == 0) /* of apps each has its own */
			continue;
		if (!fnr_json_get(models, category) || has_text(fnr_json_get(models, category), name))
			continue;
		if (missing->count++ < MISSING_SHOWN)
			snprintf(missing->text + len, sizeof missing->text - len, "%s%s/%s (%s)", len ? ", " : "", category, name, fnr_json_get_text(template_, "id", ""));
	}
}

/* What a server lacks of what its templates need. */
static void look_for_models(struct json_object *backend, struct json_object *templates)
{
	const char *id = fnr_json_get_text(backend, "id", "");
	struct json_object *models = models_of(backend);
	struct missing missing = { .count = 0 };
	char name[80], mend[256];

	for (size_t i = 0; i < ask_count(templates); i++)
		if (is_for(json_object_array_get_idx(templates, i), backend))
			add_missing(&missing, json_object_array_get_idx(templates, i), models);
	json_object_put(models);
	if (!missing.count)
		return;
	snprintf(name, sizeof name, "models of %s", id);
	snprintf(mend, sizeof mend, "put them where that server looks for models, then: fnr backend probe %s", id);
	finding(name, VERDICT_WARN, "jobs that need them go to other servers, or are refused", mend, "%zu missing: %s%s", missing.count, missing.text,
	        missing.count > MISSING_SHOWN ? ", …" : "");
}

/* ---- as the running system knows them ---- */

/* mend: the server's name comes behind it */
static const struct { const char *state; enum verdict verdict; const char *words, *why, *mend; } states[] = {
	{ "ready", VERDICT_OK, "ready", NULL, NULL },
	{ "draining", VERDICT_OK, "drained by its operator; jobs still run there", NULL, NULL },
	{ "drained", VERDICT_OK, "drained by its operator", NULL, NULL },
	{ "suspect", VERDICT_FAIL, "goes on with what it was told to stop", "it gets no jobs until it is trusted again", "start that server anew, then: fnr backend resume " },
	{ "down", VERDICT_FAIL, "down", "jobs that only it can do wait", "start that server, or mend its address (fnr backend set NAME --url URL), then: fnr backend reset " },
	{ "unknown", VERDICT_WARN, "not asked yet", "it gets jobs when it has answered", "fnr backend probe " },
};

static void describe(struct json_object *backend, const char *words, struct fnr_buf *text)
{
	struct json_object *breaker = fnr_json_get(backend, "breaker");
	const char *since = fnr_json_get_text(backend, "since", NULL), *version = fnr_json_get_text(fnr_json_get(backend, "found"), "version", NULL);
	const char *reason = fnr_json_get_text(breaker, "reason", NULL), *until = fnr_json_get_text(breaker, "open_until", NULL);

	fnr_buf_printf(text, "%s at %s", words, fnr_json_get_text(backend, "url", ""));
	if (since)
		fnr_buf_printf(text, " since %s", since);
	if (version)
		fnr_buf_printf(text, ", version %s", version);
	fnr_buf_printf(text, ", breaker %s", fnr_json_get_text(breaker, "state", "closed"));
	if (until)
		fnr_buf_printf(text, " until %s", until);
	if (reason)
		fnr_buf_printf(text, ": %s", reason);
}

static void tell(struct json_object *backend)
{
	const char *id = fnr_json_get_text(backend, "id", ""), *state = fnr_json_get_text(backend, "state", "unknown");
	struct fnr_buf text = FNR_BUF_INIT;
	char name[80], mend[320];
	size_t i = 0;

	while (i + 1 < sizeof states / sizeof states[0] && strcmp(states[i].state, state) != 0)
		i++;
	snprintf(name, sizeof name, "backend %s", id);
	snprintf(mend, sizeof mend, "%s%s", states[i].mend ? states[i].mend : "", id);
	describe(backend, states[i].words, &text);
	finding(name, states[i].verdict, states[i].why, mend, "%s", text.data);
	fnr_buf_free(&text);
}

static void tell_running(void)
{
	struct json_object *backends = fetch_list("/api/v1/backends"), *templates = NULL;

	for (size_t i = 0; i < ask_count(backends); i++) {
		struct json_object *backend = json_object_array_get_idx(backends, i);

		if (!fnr_json_get(backend, "url"))        /* this machine */
			continue;
		tell(backend);
		if (!templates)
			templates = fetch_list("/api/v1/templates?limit=" PAGE);
		if (fnr_json_get(backend, "found"))
			look_for_models(backend, templates);
	}
	json_object_put(backends);
	json_object_put(templates);
}

/* ---- as they answer to us ---- */

struct records { struct store_txn *txn; struct json_object *list; };

static bool record_row(const char *id, const struct store_backend *backend, void *context)
{
	struct records *records = context;
	struct json_object *record = fnr_json_parse_own(backend->json, backend->len, NULL);
	struct fnr_buf secret = FNR_BUF_INIT;

	if (!record)
		return true;
	fnr_json_set_text(record, "id", id);
	if (store_backend_secret(records->txn, id, &secret) == FNR_OK)
		fnr_json_set(record, "credentials", fnr_json_parse_own(secret.data, secret.len, NULL));
	json_object_array_add(records->list, record);
	fnr_buf_free(&secret);
	return true;
}

static void ask(struct json_object *record, struct fnr_buf *out)
{
	const struct backend_kind *kind = backend_find(fnr_json_get_text(record, "type", ""));
	struct json_object *none = json_object_new_object(), *found = json_object_new_object(), *answer = json_object_new_object();
	struct json_object *credentials = fnr_json_get(record, "credentials"), *options = fnr_json_get(record, "options");
	struct run_error error = { .code = "" };
	struct endpoint endpoint = {
		.id = fnr_json_get_text(record, "id", ""), .url = fnr_json_get_text(record, "url", ""), .ca_file = fnr_json_get_text(record, "ca_file", NULL),
		.credentials = credentials ? credentials : none, .options = options ? options : none,
	};
	bool good = kind && (!kind->probe_endpoint || kind->probe_endpoint(&endpoint, found, &error));

	fnr_json_set_text(answer, "id", endpoint.id);
	fnr_json_set_text(answer, "url", endpoint.url);
	fnr_json_set_bool(answer, "drained", fnr_json_get_bool(record, "drained", false));
	fnr_json_set_text(answer, "version", fnr_json_get_text(found, "version", NULL));
	if (!good) {
		fnr_json_set_text(answer, "problem", error.message[0] ? error.message : "It cannot be asked.");
		fnr_json_set_text(answer, "mend", error.suggestion[0] ? error.suggestion : NULL);
	}
	fnr_buf_printf(out, "%s\n", fnr_json_text(answer, NULL));
	json_object_put(answer);
	json_object_put(found);
	json_object_put(none);
}

/* In a process of its own, which may die of a damaged file: a line of JSON for each server. */
static void __attribute__((noreturn)) ask_all(const char *data, int out)
{
	struct records records = { .list = json_object_new_array() };
	struct fnr_buf answers = FNR_BUF_INIT;
	int64_t until = fnr_mono_ms() + ASK_MS;
	struct store *store;

	if (chdir(data) != 0 || store_open(&store, false, NULL) != FNR_OK || !(records.txn = store_read(store, NULL)))
		_exit(1);
	store_backends(records.txn, record_row, &records);
	store_read_end(records.txn);
	store_close(store);
	for (size_t i = 0; i < ask_count(records.list) && fnr_mono_ms() < until; i++)
		ask(json_object_array_get_idx(records.list, i), &answers);
	_exit(fnr_write_all(out, answers.data ? answers.data : "", answers.len) ? 0 : 1);
}

static void tell_asked(struct json_object *answer)
{
	const char *problem = fnr_json_get_text(answer, "problem", NULL), *version = fnr_json_get_text(answer, "version", NULL);
	const char *url = fnr_json_get_text(answer, "url", "");
	char name[80];

	snprintf(name, sizeof name, "backend %s", fnr_json_get_text(answer, "id", ""));
	if (problem)
		finding(name, VERDICT_WARN, "jobs that only it can do will wait when the system runs", fnr_json_get_text(answer, "mend", "look at that server"),
		        "does not answer as it should at %s: %s", url, problem);
	else
		finding(name, VERDICT_OK, NULL, NULL, "answers at %s%s%s%s", url, version ? ", version " : "", version ? version : "",
		        fnr_json_get_bool(answer, "drained", false) ? "; drained by its operator" : "");
}

static void tell_lines(struct fnr_buf *text)
{
	char *line = text->data, *end;

	for (; line && *line && (end = strchr(line, '\n')); line = end + 1) {
		struct json_object *answer = fnr_json_parse_own(line, (size_t)(end - line), NULL);

		if (answer)
			tell_asked(answer);
		json_object_put(answer);
	}
}

static void tell_stopped(const char *data)
{
	struct fnr_buf text = FNR_BUF_INIT;
	char path[PATH_MAX];
	ssize_t got = 1;
	int ends[2];
	pid_t pid;

	snprintf(path, sizeof path, "%.4000s/store/data.mdb", data);
	if (access(path, R_OK) != 0 || pipe2(ends, O_CLOEXEC) != 0)
		return;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		ask_all(data, ends[1]);
	fnr_fd_close(&ends[1]);
	while (pid > 0 && got > 0 && text.len < ANSWERS_MOST) {
		got = read(ends[0], fnr_buf_room(&text, 4096), 4096);
		text.len += got > 0 ? (size_t)got : 0;
	}
	fnr_fd_close(&ends[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	*fnr_buf_room(&text, 1) = 0;
	tell_lines(&text);
	fnr_buf_free(&text);
}

void doctor_backends(const char *data, bool running)
{
	if (running)
		tell_running();
	else
		tell_stopped(data);
}
