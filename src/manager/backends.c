/* The places where jobs run, and whether they work. There is one so far: this machine. */
#include "config.h"

#include "base/log.h"
#include "base/text.h"
#include "http/view.h"
#include "manager/manager.h"
#include "manager/render.h"

#define LOCAL 1     /* its number at GATE_OTHER */

static void set_gate(struct manager *manager)
{
	(breaker_allows(&manager->local.breaker) ? lanes_open : lanes_close)(manager->lanes, GATE_OTHER, LOCAL, REASON_BACKEND);
}

/* Wall clock; 0 = it is not open. */
static int64_t open_until(const struct manager *manager)
{
	int64_t until = manager->local.breaker.open_until;

	return until ? manager->turn.now + (until > manager->turn.mono ? until - manager->turn.mono : 0) : 0;
}

static void tell_changed(struct manager *manager)
{
	const struct breaker *breaker = &manager->local.breaker;
	struct fnr_buf *out = event_begin_named(manager, FNR_EVENT_BACKEND_CHANGED, "backend", BACKEND_LOCAL);

	set_gate(manager);
	fnr_log(breaker->state == BREAKER_OPEN ? FNR_LOG_WARN : FNR_LOG_INFO, NULL, "event=backend.changed backend=%s breaker=%s%s%s", BACKEND_LOCAL,
	        breaker_state_name(breaker->state), *manager->local.reason ? ": " : "", manager->local.reason);
	if (!out)
		return;
	member_text(out, "breaker", breaker_state_name(breaker->state));
	member_time(out, "open_until", open_until(manager));
	member_text(out, "reason", *manager->local.reason ? manager->local.reason : NULL);
	event_end(manager);
}

bool backends_ready(struct manager *manager, const struct lane_key *key)
{
	if (breaker_allows(&manager->local.breaker))
		return true;
	lanes_close(manager->lanes, GATE_OTHER, LOCAL, REASON_BACKEND);
	lanes_park(manager->lanes, key, LOCAL);
	return false;
}

void backends_started(struct manager *manager)
{
	breaker_started(&manager->local.breaker);
	set_gate(manager);
}

void backends_ended(struct manager *manager, enum backend_proof proof, struct json_object *error)
{
	struct backend *local = &manager->local;
	bool changed = false;

	if (proof == BACKEND_DOWN) {
		fnr_text_copy(local->reason, sizeof local->reason, fnr_json_get_text(error, "message", ""));
		changed = breaker_failed(&local->breaker, manager->turn.mono);
	} else if (proof == BACKEND_WORKS) {
		if (local->breaker.state != BREAKER_OPEN)
			local->reason[0] = 0;
		changed = breaker_succeeded(&local->breaker);
	} else {
		breaker_unproved(&local->breaker);
	}
	if (changed)
		tell_changed(manager);
	else if (local->breaker.state != BREAKER_CLOSED)
		set_gate(manager);
}

void backends_reset(struct manager *manager)
{
	manager->local.reason[0] = 0;
	if (breaker_reset(&manager->local.breaker))
		tell_changed(manager);
}

int64_t backends_next(const struct manager *manager)
{
	return manager->local.breaker.open_until ? manager->local.breaker.open_until : INT64_MAX;
}

void backends_tick(struct manager *manager)
{
	if (breaker_tick(&manager->local.breaker, manager->turn.mono))
		tell_changed(manager);
}

void backends_live(const struct manager *manager, struct fnr_buf *text)
{
	const struct backend *local = &manager->local;

	fnr_buf_puts(text, "{\"breaker\":");
	render_text(text, breaker_state_name(local->breaker.state));
	member_int(text, "failures", local->breaker.failures);
	member_time(text, "open_until", open_until(manager));
	member_text(text, "reason", *local->reason ? local->reason : NULL);
	member_int(text, "running", (int64_t)manager->task_count);
	member_int(text, "concurrency", manager->conf.workers_max);
	fnr_buf_puts(text, "}");
}
