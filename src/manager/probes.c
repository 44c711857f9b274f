/* Asking servers what they are and have: by workers, spaced, a few at a time, and never for somebody who waits for the
 * answer. One that is silent is asked again soon, until its breaker opens; then when that may close again. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "manager/manager.h"
#include "manager/render.h"

#define AT_A_TIME 4
#define AGAIN_MS 2000
#define SPREAD 5              /* a fifth of the interval, so that not all are asked at once */

void probes_now(struct manager *manager, struct backend *backend)
{
	backend->probe_due = manager->turn.mono;
}

/* When what runs there has ended. */
static bool hook_due(const struct backend *backend)
{
	return (backend->suspect || backend->restart_wanted) && backend->hook == HOOK_DUE && !backend->running;
}

static bool due(const struct manager *manager, const struct backend *backend)
{
	if (backend->gone || backend->prober)
		return false;
	return hook_due(backend) || (backend->asked && backend->breaker.state != BREAKER_OPEN && backend->probe_due <= manager->turn.mono);
}

static unsigned asking(const struct manager *manager)
{
	unsigned count = 0;

	for (const struct backend *backend = manager->servers; backend; backend = backend->next)
		count += backend->prober != NULL;
	return count;
}

bool probes_due(const struct manager *manager)
{
	if (manager->stopping || asking(manager) >= AT_A_TIME)
		return false;
	for (const struct backend *backend = manager->servers; backend; backend = backend->next)
		if (due(manager, backend))
			return true;
	return false;
}

int64_t probes_next(const struct manager *manager)
{
	int64_t next = INT64_MAX;

	if (asking(manager) >= AT_A_TIME)
		return next;
	for (const struct backend *backend = manager->servers; backend; backend = backend->next)
		if (backend->asked && !backend->prober && backend->breaker.state != BREAKER_OPEN && backend->probe_due > manager->turn.mono && backend->probe_due < next)
			next = backend->probe_due;
	return next;
}

static void ask(struct manager *manager, struct backend *backend, struct worker *worker)
{
	struct fnr_buf text = FNR_BUF_INIT;
	bool restart = hook_due(backend);

	fnr_buf_puts(&text, restart ? "{\"type\":\"restart\"" : "{\"type\":\"probe\"");
	member_text(&text, "backend", backend->id);
	if (restart) {
		member_text(&text, "url", backend->url);
		backend->hook = HOOK_RUNS;
	} else {
		member_text(&text, "kind", backend->kind);
		member_json(&text, "endpoint", backend->endpoint);
		if (nodes_ask(manager, backend))
			member_json(&text, "nodes", "true");
	}
	fnr_buf_puts(&text, "}");
	worker_tell_text(worker, text.data, text.len);
	fnr_buf_free(&text);
	worker_state_set(&manager->pool, worker, WORKER_BUSY, manager->turn.now, manager->turn.mono);
	backend->prober = worker;
}

/* The one that was to be asked first. */
static struct backend *first_due(const struct manager *manager)
{
	struct backend *first = NULL;

	for (struct backend *backend = manager->servers; backend; backend = backend->next)
		if (due(manager, backend) && (!first || backend->probe_due < first->probe_due))
			first = backend;
	return first;
}

void probes_give(struct manager *manager)
{
	struct backend *backend;
	struct worker *worker;

	while (probes_due(manager) && (backend = first_due(manager)) && (worker = pool_idle_for(&manager->pool, backend->id)))
		ask(manager, backend, worker);
	pool_flush(&manager->pool);
}

static int64_t interval(const struct manager *manager)
{
	int64_t ms = manager->conf.backends_probe * 1000;
	uint32_t bits;

	fnr_random(&bits, sizeof bits);
	return ms - bits % (uint32_t)(ms / SPREAD + 1);
}

/* A suspect server, by its answer: it was restarted before it was asked, or it does nothing any more. */
static bool is_cured(const struct backend *backend)
{
	struct json_object *queue = fnr_json_get(backend->found, "queue");

	if (backend->running || backend->hook < HOOK_FAILED)
		return false;
	return backend->hook == HOOK_DONE || (fnr_json_get_int(queue, "running", 0) == 0 && fnr_json_get_int(queue, "pending", 0) == 0);
}

static void answered(struct manager *manager, struct backend *backend, struct json_object *found)
{
	bool news = !backend->known;

	nodes_answered(manager, backend, found);
	json_object_put(backend->found);
	backend->found = json_object_get(found);
	backend->found_news = backend->known = true;
	backend->probe_due = manager->turn.mono + (nodes_due(manager, backend) ? 0 : backend->suspect ? AGAIN_MS : interval(manager));
	if (!backend->breaker.failures)
		backend->reason[0] = 0;
	if (backend->silent)
		backends_worked(manager, backend);
	if (backend->suspect && is_cured(backend))
		backends_trust(manager, backend);
	else if (news)
		backends_tell(manager, backend);
	else
		places_freed(manager, backend);
}

/* While jobs run there they say whether it works: a busy server may be slow to answer. */
static void silent(struct manager *manager, struct backend *backend, const char *reason)
{
	backend->probe_due = manager->turn.mono + (backend->running ? interval(manager) : AGAIN_MS);
	if (backend->running)
		return;
	backends_failed(manager, backend, reason);
	backend->silent = true;
}

/* What cannot be mended by a restart: what it was told of itself is wrong. */
static const char *const wrong[] = { "backend_certificate", "backend_ca_file", "backend_no_tls", "backend_credentials", "backend_moved", "internal" };

/* One that is left alone, as it does not answer. */
static void want_restart(struct backend *backend, const char *code)
{
	if (backend->breaker.state != BREAKER_OPEN || backend->restart_tried || backend->suspect || backend->drained)
		return;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		if (strcmp(wrong[i], code) == 0)
			return;
	backend->restart_wanted = backend->restart_tried = true;
	backend->hook = HOOK_DUE;
}

/* What is wrong, and what to do about it. */
static void failed(struct manager *manager, struct backend *backend, struct json_object *error)
{
	const char *what = fnr_json_get_text(error, "message", "It does not answer."), *mend = fnr_json_get_text(error, "suggestion", "");
	char reason[sizeof backend->reason];

	fnr_text_copy(reason, sizeof reason, what);
	if (*mend && strlen(what) + strlen(mend) + 1 < sizeof reason)
		strcat(strcat(reason, " "), mend);
	silent(manager, backend, reason);
	want_restart(backend, fnr_json_get_text(error, "code", ""));
}

static struct backend *asked_by(const struct manager *manager, const struct worker *worker)
{
	for (struct backend *backend = manager->servers; backend; backend = backend->next)
		if (backend->prober == worker)
			return backend;
	return NULL;
}

void probes_report(struct manager *manager, struct worker *worker, struct json_object *message)
{
	struct backend *backend = asked_by(manager, worker);
	struct json_object *found = fnr_json_get(message, "found");

	if (!backend)
		return;
	backend->prober = NULL;
	if (backend->gone) {
		manager->servers_revision = 0;      /* looked at again, it leaves */
		return;
	}
	backend->probe_ms = fnr_json_get_int(message, "ms", 0);
	backend->probed_at = manager->turn.now;
	if (json_object_is_type(found, json_type_object))
		answered(manager, backend, found);
	else
		failed(manager, backend, fnr_json_get(message, "error"));
}

static void hook_over(struct manager *manager, struct backend *backend, bool restarted)
{
	backend->prober = NULL;
	if (backend->gone) {
		manager->servers_revision = 0;
		return;
	}
	if (backend->hook == HOOK_RUNS)
		backend->hook = restarted ? HOOK_DONE : HOOK_FAILED;
	if (backend->suspect)
		backends_suspect_keep(manager, backend);
	if (backend->restart_wanted && restarted)
		backends_reset(manager, backend->id);
	backend->restart_wanted = false;
	if (restarted) {
		json_object_put(backend->loaded);
		backend->loaded = NULL;
	}
	probes_now(manager, backend);
}

void probes_restarted(struct manager *manager, struct worker *worker, struct json_object *message)
{
	struct backend *backend = asked_by(manager, worker);

	if (backend)
		hook_over(manager, backend, fnr_json_get_bool(message, "restarted", false));
}

void probes_worker_lost(struct manager *manager, const struct worker *worker)
{
	struct backend *backend = asked_by(manager, worker);

	if (!backend)
		return;
	if (backend->hook == HOOK_RUNS) {
		hook_over(manager, backend, false);
		return;
	}
	backend->prober = NULL;
	if (backend->gone)
		manager->servers_revision = 0;
	else
		silent(manager, backend, "The worker that asked it ended.");
}
