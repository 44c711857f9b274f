/* Asking servers what they are and have: by workers, spaced, a few at a time, and never for somebody who waits for the
 * answer. One that is silent is asked again soon, until its breaker opens; then when that may close again. */
#include "config.h"

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

static bool due(const struct manager *manager, const struct backend *backend)
{
	return backend->asked && !backend->gone && !backend->prober && backend->breaker.state != BREAKER_OPEN && backend->probe_due <= manager->turn.mono;
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

	fnr_buf_puts(&text, "{\"type\":\"probe\"");
	member_text(&text, "backend", backend->id);
	member_text(&text, "kind", backend->kind);
	member_json(&text, "endpoint", backend->endpoint);
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

static void answered(struct manager *manager, struct backend *backend, struct json_object *found)
{
	bool news = !backend->known;

	json_object_put(backend->found);
	backend->found = json_object_get(found);
	backend->found_news = backend->known = true;
	backend->probe_due = manager->turn.mono + interval(manager);
	if (!backend->breaker.failures)
		backend->reason[0] = 0;
	if (backend->silent)
		backends_worked(manager, backend);
	if (news)
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
		silent(manager, backend, fnr_json_get_text(fnr_json_get(message, "error"), "message", "It does not answer."));
}

void probes_worker_lost(struct manager *manager, const struct worker *worker)
{
	struct backend *backend = asked_by(manager, worker);

	if (!backend)
		return;
	backend->prober = NULL;
	if (backend->gone)
		manager->servers_revision = 0;
	else
		silent(manager, backend, "The worker that asked it ended.");
}
