#include "config.h"

#include "manager/progress.h"

#include <string.h>

#include "base/text.h"
#include "manager/render.h"

/* The pace says little before this much of a stage is done. */
#define ETA_FROM 0.05
#define MB 1048576.0

static double weight_of(const struct function *function, enum fnr_stage stage)
{
	if (function)
		return function->weight[stage];
	return stage == FNR_STAGE_QUEUE ? 0.0 : 1.0 / (FNR_STAGE_COUNT - 1);
}

static const char *last_words(enum fnr_state state)
{
	switch (state) {
	case FNR_STATE_COMPLETED: return "Done";
	case FNR_STATE_FAILED: return "Failed";
	case FNR_STATE_CANCELLED: return "Cancelled";
	case FNR_STATE_EXPIRED: return "Expired before it could start";
	case FNR_STATE_SCHEDULED: return "Waiting for its time";
	case FNR_STATE_QUEUED: return "Waiting in the queue";
	case FNR_STATE_RETRY_WAIT: return "Waiting before another try";
	case FNR_STATE_CANCELLING: return "Stopping";
	case FNR_STATE_FINISHING: return "Filing the result";
	case FNR_STATE_RUNNING: case FNR_STATE_COUNT: break;
	}
	return "Working";
}

void progress_of_head(struct progress *progress, const struct job_head *head)
{
	memset(progress, 0, sizeof *progress);
	progress->stage = fnr_state_waiting(head->state) ? FNR_STAGE_QUEUE : head->stage;
	progress->start[FNR_STAGE_QUEUE] = head->queued_at;
	if (progress->stage > FNR_STAGE_QUEUE)
		progress->end[FNR_STAGE_QUEUE] = progress->start[FNR_STAGE_PREPARATION] = head->started_at;
	progress->eta_s = progress->cores = -1;
	fnr_text_copy(progress->message, sizeof progress->message, last_words(head->state));
}

void progress_begin(struct progress *progress, const struct function *function, int64_t queued_at, int64_t started_at)
{
	memset(progress, 0, sizeof *progress);
	progress->stage = FNR_STAGE_PREPARATION;
	progress->fraction[FNR_STAGE_QUEUE] = 1.0;
	progress->start[FNR_STAGE_QUEUE] = queued_at;
	progress->end[FNR_STAGE_QUEUE] = progress->start[FNR_STAGE_PREPARATION] = started_at;
	progress->eta_s = progress->cores = -1;
	progress->measured_at = started_at;
	fnr_text_copy(progress->message, sizeof progress->message,
	              function ? function->message[FNR_STAGE_PREPARATION] : last_words(FNR_STATE_RUNNING));
}

static void enter_stage(struct progress *progress, enum fnr_stage stage, int64_t now)
{
	for (; progress->stage < stage; progress->stage++) {
		progress->fraction[progress->stage] = 1.0;
		progress->end[progress->stage] = now;
		progress->start[progress->stage + 1] = now;
	}
}

/* What the pace of the stage that runs says is left, in ms, or -1; what comes after it is taken to run at the same pace
 * for its weight. */
static double pace_left(const struct progress *progress, const struct function *function, int64_t now)
{
	double fraction = progress->fraction[FNR_STAGE_EXECUTION], weight = weight_of(function, FNR_STAGE_EXECUTION), whole, left;

	if (progress->stage != FNR_STAGE_EXECUTION || fraction <= ETA_FROM)
		return -1;
	whole = (double)(now - progress->start[FNR_STAGE_EXECUTION]) / fraction;
	left = whole * (1.0 - fraction);
	return weight > 0 ? left + whole * weight_of(function, FNR_STAGE_FINALIZATION) / weight : left;
}

static void estimate(struct progress *progress, const struct function *function, int64_t now)
{
	double elapsed = (double)(now - progress->start[FNR_STAGE_PREPARATION]), left;

	left = estimate_left(&progress->past, elapsed, pace_left(progress, function, now),
	                     0.2 + 0.75 * progress->fraction[FNR_STAGE_EXECUTION], &progress->confidence);
	if (left >= 0)
		progress->eta_s = left / 1000.0;
	else if (progress->stage != FNR_STAGE_FINALIZATION)
		progress->eta_s = -1;
}

void progress_expect(struct progress *progress, const struct estimate *past, int64_t now)
{
	progress->past = *past;
	estimate(progress, NULL, now);
}

void progress_report(struct progress *progress, const struct function *function, enum fnr_stage stage, double fraction,
                     const char *message, int64_t now)
{
	double percent = 0;

	if (stage < progress->stage || stage == FNR_STAGE_QUEUE)
		return;
	enter_stage(progress, stage, now);
	fraction = fraction < 0 || fraction != fraction ? 0 : fraction > 1 ? 1 : fraction;
	if (fraction > progress->fraction[stage])
		progress->fraction[stage] = fraction;
	for (int i = FNR_STAGE_PREPARATION; i < FNR_STAGE_COUNT; i++)
		percent += 100.0 * weight_of(function, i) * progress->fraction[i];
	if (percent > progress->percent)
		progress->percent = percent > 100.0 ? 100.0 : percent;
	if (!message)
		message = function ? function->message[stage] : last_words(FNR_STATE_RUNNING);
	fnr_text_copy(progress->message, sizeof progress->message, message);
	estimate(progress, function, now);
}

void progress_go_on(struct progress *progress, enum fnr_stage stage, double percent, int64_t now)
{
	enter_stage(progress, stage, now);
	progress->percent = percent > 0 && percent <= 100.0 ? percent : 0;
}

void progress_end(struct progress *progress, enum fnr_state state, int64_t now)
{
	if (state == FNR_STATE_COMPLETED) {
		enter_stage(progress, FNR_STAGE_FINALIZATION, now);
		progress->fraction[FNR_STAGE_FINALIZATION] = 1.0;
		progress->percent = 100.0;
	}
	progress->end[progress->stage] = now;
	progress->eta_s = progress->cores = -1;
	fnr_text_copy(progress->message, sizeof progress->message, last_words(state));
}

void progress_measure(struct progress *progress, const struct function *function, int64_t cpu_ms, uint64_t memory, int64_t now)
{
	if (now <= progress->measured_at)
		return;
	progress->cores = cpu_ms > progress->cpu_ms ? (double)(cpu_ms - progress->cpu_ms) / (double)(now - progress->measured_at) : 0;
	progress->memory_mb = (double)memory / MB;
	progress->cpu_ms = cpu_ms;
	progress->measured_at = now;
	estimate(progress, function, now);
}

static int64_t within(int64_t value, int64_t most)
{
	return value < 0 ? 0 : value > most ? most : value;
}

static void note_device(struct server_memory *server, struct json_object *found)
{
	struct server_device *device = &server->devices[server->device_count];

	device->vram_total = fnr_json_get_int(found, "vram_total", 0);
	device->vram_free = within(fnr_json_get_int(found, "vram_free", 0), device->vram_total);
	fnr_text_copy(device->name, sizeof device->name, fnr_json_get_text(found, "name", ""));
	fnr_text_clean(device->name);
	server->device_count += device->vram_total > 0;
}

void progress_serve(struct progress *progress, struct json_object *found)
{
	struct json_object *devices = fnr_json_get(found, "devices");
	size_t count = json_object_is_type(devices, json_type_array) ? json_object_array_length(devices) : 0;

	progress->server = (struct server_memory){ .known = found != NULL };
	progress->server.ram_total = within(fnr_json_get_int(found, "ram_total", 0), INT64_MAX);
	progress->server.ram_free = within(fnr_json_get_int(found, "ram_free", 0), progress->server.ram_total);
	for (size_t i = 0; i < count && progress->server.device_count < PROGRESS_DEVICES; i++)
		note_device(&progress->server, json_object_array_get_idx(devices, i));
}

static const char *stage_state(const struct progress *progress, enum fnr_stage stage, enum fnr_state state)
{
	if (state == FNR_STATE_COMPLETED || stage < progress->stage)
		return "completed";
	if (stage > progress->stage)
		return fnr_state_terminal(state) ? "skipped" : "pending";
	return fnr_state_terminal(state) ? fnr_state_name(state) : "running";
}

static void render_server(struct fnr_buf *out, const struct server_memory *server)
{
	fnr_buf_puts(out, ",\"server\":{\"devices\":[");
	for (int i = 0; i < server->device_count; i++) {
		fnr_buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
		render_text(out, server->devices[i].name);
		member_int(out, "vram_total", server->devices[i].vram_total);
		member_int(out, "vram_free", server->devices[i].vram_free);
		fnr_buf_puts(out, "}");
	}
	fnr_buf_puts(out, "]");
	member_int(out, "ram_total", server->ram_total);
	member_int(out, "ram_free", server->ram_free);
	fnr_buf_puts(out, "}");
}

static void render_resources(struct fnr_buf *out, const struct progress *progress)
{
	if (progress->cores < 0) {
		member_json(out, "resources", NULL);
		return;
	}
	fnr_buf_puts(out, ",\"resources\":{\"cpu\":");
	render_real(out, progress->cores);
	member_int(out, "memory_mb", (int64_t)progress->memory_mb);
	if (progress->server.known)
		render_server(out, &progress->server);
	else
		member_json(out, "server", NULL);
	fnr_buf_puts(out, "}");
}

void progress_render(struct fnr_buf *out, const struct progress *progress, enum fnr_state state)
{
	fnr_buf_puts(out, "{\"percent\":");
	render_real(out, progress->percent);
	member_text(out, "message", progress->message);
	member_text(out, "stage", fnr_stage_name(progress->stage));
	fnr_buf_puts(out, ",\"stages\":[");
	for (int stage = 0; stage < FNR_STAGE_COUNT; stage++) {
		fnr_buf_puts(out, stage ? ",{\"name\":" : "{\"name\":");
		render_text(out, fnr_stage_name(stage));
		member_text(out, "state", stage_state(progress, stage, state));
		member_real(out, "fraction", progress->fraction[stage]);
		member_time(out, "started_at", progress->start[stage]);
		member_time(out, "finished_at", progress->end[stage]);
		fnr_buf_puts(out, "}");
	}
	fnr_buf_puts(out, "],\"position\":null");
	render_resources(out, progress);
	if (progress->eta_s < 0) {
		fnr_buf_puts(out, ",\"eta_seconds\":null,\"eta_confidence\":null}");
		return;
	}
	member_real(out, "eta_seconds", progress->eta_s);
	member_real(out, "eta_confidence", progress->confidence);
	fnr_buf_puts(out, "}");
}
