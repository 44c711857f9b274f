/* The places where jobs run, and whether they work: this machine, and servers as operators added them. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "backends/backend.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/view.h"
#include "manager/manager.h"
#include "manager/render.h"
#include "queue/choice.h"

static bool is_server(const struct backend *backend)
{
	return backend->kind[0] != 0;
}

/* ---- all of them ---- */

void backends_open(struct manager *manager)
{
	struct backend *local = &manager->local;

	fnr_text_copy(local->id, sizeof local->id, BACKEND_LOCAL);
	local->score = 1.0;
	local->known = true;
}

static void forget(struct backend *backend)
{
	free(backend->url);
	free(backend->endpoint);
	json_object_put(backend->labels);
	json_object_put(backend->loaded);
	json_object_put(backend->found);
	free(backend->nodes.set);
	free(backend);
}

void backends_free(struct manager *manager)
{
	json_object_put(manager->local.found);
	while (manager->servers) {
		struct backend *backend = manager->servers;

		manager->servers = backend->next;
		forget(backend);
	}
}

struct backend *backends_find(struct manager *manager, const char *id)
{
	if (strcmp(id, BACKEND_LOCAL) == 0)
		return &manager->local;
	for (struct backend *backend = manager->servers; backend; backend = backend->next)
		if (!backend->gone && strcmp(backend->id, id) == 0)
			return backend;
	return NULL;
}

unsigned backends_concurrency(const struct manager *manager, const struct backend *backend)
{
	int64_t most = manager->conf.workers_max, least = manager->conf.workers_min;

	return is_server(backend) ? backend->concurrency : (unsigned)(most > least ? most : least);
}

bool backends_usable(const struct backend *backend)
{
	return backend->known && !backend->drained && !backend->suspect && !backend->gone && breaker_allows(&backend->breaker);
}

static size_t slots(const struct manager *manager, const struct backend *backend)
{
	unsigned all = backends_concurrency(manager, backend);

	return backends_usable(backend) && all > backend->running ? all - backend->running : 0;
}

size_t backends_slots(const struct manager *manager)
{
	size_t servers = 0;

	for (const struct backend *backend = manager->servers; backend; backend = backend->next)
		servers += slots(manager, backend);
	if (servers && !places_for_servers(manager))
		servers = 1;       /* one worker is enough to find out whether jobs wait for servers at all */
	return slots(manager, &manager->local) + servers;
}

#define WORKERS_ASKING 4      /* that only ask servers how they are */

size_t backends_workers(const struct manager *manager)
{
	size_t count = manager->servers ? WORKERS_ASKING : 0;

	for (const struct backend *backend = manager->servers; backend; backend = backend->next)
		count += backend->drained ? backend->running : backend->concurrency;
	return count;
}

/* ---- what is told ---- */

/* Wall clock; 0 = it is not open. */
static int64_t open_until(const struct manager *manager, const struct backend *backend)
{
	int64_t until = backend->breaker.open_until;

	return until ? manager->turn.now + (until > manager->turn.mono ? until - manager->turn.mono : 0) : 0;
}

static const char *state_of(const struct backend *backend)
{
	if (backend->drained)
		return backend->running ? "draining" : "drained";
	if (backend->suspect)
		return "suspect";
	if (!backend->known)
		return *backend->reason ? "down" : "unknown";
	if (backend->breaker.state != BREAKER_CLOSED)
		return "down";
	return "ready";
}

static const char *reason_of(const struct backend *backend)
{
	return backend->suspect ? "It went on with a job that it was told to stop." : backend->reason;
}

static void note_state(struct manager *manager, struct backend *backend, const char *state)
{
	if (backend->state_told && strcmp(backend->state_told, state) == 0)
		return;
	backend->state_told = state;
	backend->state_since = manager->turn.now;
}

void backends_tell(struct manager *manager, struct backend *backend)
{
	const struct breaker *breaker = &backend->breaker;
	struct fnr_buf *out = event_begin_named(manager, FNR_EVENT_BACKEND_CHANGED, "backend", backend->id);
	const char *state = backend->gone ? "removed" : state_of(backend), *reason = reason_of(backend);

	note_state(manager, backend, state);
	places_freed(manager, backend);
	fnr_log(breaker->state == BREAKER_OPEN || backend->suspect ? FNR_LOG_WARN : FNR_LOG_INFO, NULL, "event=backend.changed backend=%s breaker=%s state=%s%s%s", backend->id,
	        breaker_state_name(breaker->state), state, *reason ? ": " : "", reason);
	if (!out)
		return;
	member_text(out, "state", state);
	member_text(out, "breaker", breaker_state_name(breaker->state));
	member_time(out, "open_until", open_until(manager, backend));
	member_text(out, "reason", *reason ? reason : NULL);
	event_end(manager);
}

static void live_probe(const struct manager *manager, const struct backend *backend, struct fnr_buf *text)
{
	int64_t next = backend->probe_due > manager->turn.mono ? backend->probe_due - manager->turn.mono : 0;

	member_time(text, "checked_at", backend->probed_at);
	member_time(text, "next_check_at", backend->asked ? manager->turn.now + next : 0);
	if (backend->probed_at)
		member_int(text, "check_ms", backend->probe_ms);
	else
		member_json(text, "check_ms", NULL);
}

void backends_live(const struct manager *manager, const struct backend *backend, struct fnr_buf *text)
{
	fnr_buf_puts(text, "{\"state\":");
	render_text(text, state_of(backend));
	member_text(text, "created_at", backend->created_at);
	member_text(text, "url", backend->url);
	member_time(text, "since", backend->state_since);
	member_text(text, "breaker", breaker_state_name(backend->breaker.state));
	member_int(text, "failures", backend->breaker.failures);
	member_time(text, "open_until", open_until(manager, backend));
	member_text(text, "reason", *reason_of(backend) ? reason_of(backend) : NULL);
	member_int(text, "running", backend->running);
	member_int(text, "concurrency", backends_concurrency(manager, backend));
	member_real(text, "score", backend->score);
	fnr_buf_puts(text, backends_usable(backend) ? ",\"usable\":true" : ",\"usable\":false");
	member_json(text, "loaded", backend->loaded ? fnr_json_text(backend->loaded, NULL) : "[]");
	live_probe(manager, backend, text);
	fnr_buf_puts(text, "}");
}

/* ---- records ---- */

/* What an earlier life of ours found out. A hook that ran when that ended was ended with it. */
static void suspect_recall(struct manager *manager, struct backend *backend)
{
	struct store_suspect suspect;

	backend->suspect = store_suspect_get(manager->turn.txn, backend->id, &suspect) == FNR_OK;
	if (!backend->suspect)
		return;
	backend->state_told = "suspect";
	backend->state_since = suspect.since;
	backend->hook = suspect.hook == HOOK_FAILED || suspect.hook == HOOK_DONE ? (enum backend_hook)suspect.hook : HOOK_DUE;
}

/* Every address has its own past. */
static void begin_anew(struct manager *manager, struct backend *backend)
{
	breaker_reset(&backend->breaker);
	backend->reason[0] = 0;
	backend->score = 1.0;
	backend->known = !backend->asked;
	backend->restart_tried = false;
	suspect_recall(manager, backend);
	json_object_put(backend->loaded);
	json_object_put(backend->found);
	backend->loaded = backend->found = NULL;
	nodes_forget(backend);
	backend->found_news = true;
	backend->probed_at = 0;
	probes_now(manager, backend);
}

static char *endpoint_text(struct manager *manager, const struct backend *backend, struct json_object *record)
{
	struct json_object *options = fnr_json_get(record, "options");
	const char *ca_file = fnr_json_get_text(record, "ca_file", NULL);
	struct fnr_buf text = FNR_BUF_INIT, secret = FNR_BUF_INIT;
	char *out;

	store_backend_secret(manager->turn.txn, backend->id, &secret);
	fnr_buf_puts(&text, "{\"id\":");
	render_text(&text, backend->id);
	member_text(&text, "url", backend->url);
	if (ca_file)
		member_text(&text, "ca_file", ca_file);
	member_json(&text, "credentials", secret.len ? secret.data : "{}");
	member_json(&text, "options", options ? fnr_json_text(options, NULL) : "{}");
	fnr_buf_puts(&text, "}");
	out = fnr_strdup(text.data);
	fnr_buf_free(&text);
	fnr_buf_free(&secret);
	return out;
}

/* What may mend it was changed: it has another chance. */
static void ask_anew(struct manager *manager, struct backend *backend)
{
	breaker_reset(&backend->breaker);
	backend->reason[0] = 0;
	probes_now(manager, backend);
}

/* False if they are as they were. */
static bool set_endpoint(struct manager *manager, struct backend *backend, struct json_object *record)
{
	char *before = backend->endpoint;
	bool another;

	backend->endpoint = endpoint_text(manager, backend, record);
	another = !before || strcmp(before, backend->endpoint) != 0;
	free(before);
	return another;
}

static void fill(struct manager *manager, struct backend *backend, struct json_object *record)
{
	const char *url = fnr_json_get_text(record, "url", "");
	const struct backend_kind *kind;
	bool another = !backend->url || strcmp(backend->url, url) != 0;

	fnr_text_copy(backend->kind, sizeof backend->kind, fnr_json_get_text(record, "type", "?"));
	kind = backend_find(backend->kind);
	backend->asked = kind && kind->probe_endpoint;
	backend->concurrency = (unsigned)fnr_json_get_int(record, "concurrency", 1);
	backend->drained = fnr_json_get_bool(record, "drained", false);
	fnr_text_copy(backend->created_at, sizeof backend->created_at, fnr_json_get_text(record, "created_at", ""));
	json_object_put(backend->labels);
	backend->labels = json_object_get(fnr_json_get(record, "labels"));
	free(backend->url);
	backend->url = fnr_strdup(url);
	if (set_endpoint(manager, backend, record) && !another)
		ask_anew(manager, backend);
	else if (another)
		begin_anew(manager, backend);
	else
		probes_now(manager, backend);
}

struct seen { struct manager *manager; struct backend **at; };

static struct backend *add(struct seen *seen, const char *id)
{
	struct backend *backend = fnr_alloc(sizeof *backend);

	fnr_text_copy(backend->id, sizeof backend->id, id);
	backend->next = *seen->at;
	*seen->at = backend;
	return backend;
}

/* What has no record any more is gone; it stays while an attempt holds a slot of it. */
static void pass_over(struct seen *seen)
{
	struct backend *backend = *seen->at;

	if (!backend->gone) {
		backend->gone = true;
		backends_tell(seen->manager, backend);
	}
	if (backend->running || backend->prober) {
		seen->at = &backend->next;
		return;
	}
	*seen->at = backend->next;
	forget(backend);
}

static bool record_row(const char *id, const struct store_backend *stored, void *context)
{
	struct seen *seen = context;
	struct json_object *record;
	struct backend *backend;

	while (*seen->at && strcmp((*seen->at)->id, id) < 0)
		pass_over(seen);
	backend = *seen->at && strcmp((*seen->at)->id, id) == 0 ? *seen->at : add(seen, id);
	seen->at = &backend->next;
	if (backend->revision == stored->revision)
		return true;
	record = fnr_json_parse_own(stored->json, stored->len, NULL);
	backend->revision = stored->revision;
	backend->gone = false;
	fill(seen->manager, backend, record);
	json_object_put(record);
	backends_tell(seen->manager, backend);
	return true;
}

void backends_read(struct manager *manager)
{
	struct seen seen = { manager, &manager->servers };
	uint64_t revision = store_backends_revision(manager->turn.txn);

	if (revision == manager->servers_revision)
		return;
	manager->servers_revision = revision;
	store_backends(manager->turn.txn, record_row, &seen);
	while (*seen.at)
		pass_over(&seen);
	places_all_freed(manager);
}

/* ---- attempts ---- */

void backends_started(struct manager *manager, struct task *task, struct backend *backend)
{
	struct json_object *models = fnr_json_get(task->summary, "models");

	task->place = backend;
	backend->running++;
	backend->used_at = manager->turn.mono;
	breaker_started(&backend->breaker);
	if (!models)
		return;
	json_object_put(backend->loaded);
	backend->loaded = json_object_get(models);
}

void backends_failed(struct manager *manager, struct backend *backend, const char *reason)
{
	fnr_text_copy(backend->reason, sizeof backend->reason, reason);
	backend->score = choice_score(backend->score, false);
	backend->silent = false;
	nodes_changed(backend);                /* when it is back */
	if (!breaker_failed(&backend->breaker, manager->turn.mono))
		return;
	json_object_put(backend->loaded);      /* it may have been started anew when it is back */
	backend->loaded = NULL;
	backends_tell(manager, backend);
}

void backends_worked(struct manager *manager, struct backend *backend)
{
	if (backend->breaker.state != BREAKER_OPEN)
		backend->reason[0] = 0;
	backend->score = choice_score(backend->score, true);
	backend->silent = backend->restart_tried = false;
	if (breaker_succeeded(&backend->breaker))
		backends_tell(manager, backend);
}

/* The server is there, but did something wrong: its health gets worse, and others go first. */
static bool is_its_fault(struct json_object *error)
{
	static const char *const codes[] = { "backend_error", "backend_protocol", "backend_timeout", "backend_connection_lost" };
	const char *code = fnr_json_get_text(error, "code", "");

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (strcmp(code, codes[i]) == 0)
			return true;
	return false;
}

void backends_ended(struct manager *manager, struct task *task, enum backend_proof proof, struct json_object *error)
{
	struct backend *backend = task->place;
	double score = backend ? backend->score : 0;

	if (!backend)
		return;
	task->place = NULL;
	backend->running--;
	if (proof == BACKEND_DOWN)
		backends_failed(manager, backend, fnr_json_get_text(error, "message", ""));
	else if (proof == BACKEND_WORKS)
		backends_worked(manager, backend);
	else
		breaker_unproved(&backend->breaker);
	if (proof == BACKEND_WORKS && is_its_fault(error))
		backend->score = choice_score(score, false);
	if (proof == BACKEND_DOWN && backend->breaker.state != BREAKER_OPEN)
		probes_now(manager, backend);
	if (backend->gone)
		manager->servers_revision = 0;      /* looked at again, it leaves */
	places_freed(manager, backend);
}

void backends_reset(struct manager *manager, const char *id)
{
	struct backend *backend = backends_find(manager, id);

	if (!backend)
		return;
	backend->reason[0] = 0;
	probes_now(manager, backend);
	if (breaker_reset(&backend->breaker))
		backends_tell(manager, backend);
}

/* ---- servers that ignore a cancel ---- */

void backends_suspect_keep(struct manager *manager, const struct backend *backend)
{
	struct store_suspect suspect = { backend->state_since, (uint8_t)backend->hook };
	struct fnr_error err = FNR_ERROR_INIT;
	struct store_backend stored;
	int code;

	turn_write(manager);
	if (store_backend_get(manager->turn.txn, backend->id, &stored) != FNR_OK || stored.revision != backend->revision)
		return;         /* it is gone, or another one by now: looked at again, it is what the store says */
	code = backend->suspect ? store_suspect_put(manager->turn.txn, backend->id, &suspect, &err) : store_suspect_delete(manager->turn.txn, backend->id, &err);
	turn_check(manager, code, &err, "a suspect backend cannot be written");
}

void backends_suspect(struct manager *manager, struct backend *backend)
{
	if (!is_server(backend) || backend->suspect)
		return;
	backend->suspect = true;
	backend->hook = HOOK_DUE;
	backends_tell(manager, backend);
	backends_suspect_keep(manager, backend);
}

void backends_trust(struct manager *manager, struct backend *backend)
{
	if (!backend->suspect)
		return;
	backend->suspect = false;
	probes_now(manager, backend);
	backends_tell(manager, backend);
	backends_suspect_keep(manager, backend);
}

/* ---- time ---- */

static int64_t next_of(const struct backend *backend)
{
	return backend->breaker.open_until ? backend->breaker.open_until : INT64_MAX;
}

int64_t backends_next(const struct manager *manager)
{
	int64_t next = next_of(&manager->local);

	for (const struct backend *backend = manager->servers; backend; backend = backend->next)
		next = next_of(backend) < next ? next_of(backend) : next;
	return next;
}

static void tick(struct manager *manager, struct backend *backend)
{
	if (!breaker_tick(&backend->breaker, manager->turn.mono))
		return;
	if (backend->asked) {
		backend->known = false;            /* it answers first, then a job may try it */
		probes_now(manager, backend);
	}
	backends_tell(manager, backend);
}

void backends_tick(struct manager *manager)
{
	tick(manager, &manager->local);
	for (struct backend *backend = manager->servers; backend; backend = backend->next)
		tick(manager, backend);
}
