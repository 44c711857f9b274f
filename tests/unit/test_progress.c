/* Progress as people see it, and the text it is rendered to. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "manager/progress.h"
#include "manager/render.h"

#define T0 INT64_C(1700000000000)

static const struct function function = { .weight = { 0, 0.1, 0.8, 0.1 },
                                          .message = { "Waiting", "Setting the stage", "Drawing", "Filing" } };

static struct json_object *rendered(const struct progress *progress, enum fnr_state state)
{
	struct fnr_buf text = FNR_BUF_INIT;
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *value;

	progress_render(&text, progress, state);
	value = fnr_json_parse(text.data, text.len, &err);
	cr_assert_not_null(value, "%s: %s", err.message, text.data);
	fnr_buf_free(&text);
	return value;
}

static const char *stage_state(struct json_object *progress, int stage)
{
	return fnr_json_get_text(json_object_array_get_idx(fnr_json_get(progress, "stages"), (size_t)stage), "state", "");
}

Test(progress, weights_make_the_percent)
{
	struct progress progress;

	progress_begin(&progress, &function, T0, T0 + 100);
	cr_assert_str_eq(progress.message, "Setting the stage");
	progress_report(&progress, &function, FNR_STAGE_PREPARATION, 0.5, NULL, T0 + 200);
	cr_assert_float_eq(progress.percent, 5.0, 0.001);
	progress_report(&progress, &function, FNR_STAGE_EXECUTION, 0.25, "by hand", T0 + 300);
	cr_assert_float_eq(progress.percent, 30.0, 0.001);
	cr_assert_str_eq(progress.message, "by hand");
	cr_assert_eq(progress.end[FNR_STAGE_PREPARATION], T0 + 300);
	progress_report(&progress, &function, FNR_STAGE_FINALIZATION, 0.0, NULL, T0 + 400);
	cr_assert_float_eq(progress.percent, 90.0, 0.001);
	cr_assert_str_eq(progress.message, "Filing");
}

Test(progress, never_goes_back)
{
	static const double fractions[] = { 0.5, 0.2, -1.0, 0.6, 7.0, 0.0 };
	struct progress progress;
	double last = 0;

	progress_begin(&progress, &function, T0, T0);
	for (size_t i = 0; i < sizeof fractions / sizeof fractions[0]; i++) {
		progress_report(&progress, &function, FNR_STAGE_EXECUTION, fractions[i], NULL, T0 + 1000);
		cr_assert_geq(progress.percent, last);
		cr_assert_leq(progress.percent, 100.0);
		last = progress.percent;
	}
	progress_report(&progress, &function, FNR_STAGE_PREPARATION, 1.0, "late", T0 + 2000);
	cr_assert_eq(progress.stage, FNR_STAGE_EXECUTION);
	cr_assert_str_neq(progress.message, "late");
}

Test(progress, eta_from_the_pace)
{
	struct progress progress;

	progress_begin(&progress, &function, T0, T0);
	progress_report(&progress, &function, FNR_STAGE_EXECUTION, 0.0, NULL, T0);
	cr_assert_lt(progress.eta_s, 0);
	progress_report(&progress, &function, FNR_STAGE_EXECUTION, 0.04, NULL, T0 + 400);
	cr_assert_lt(progress.eta_s, 0, "too early to say");
	progress_report(&progress, &function, FNR_STAGE_EXECUTION, 0.5, NULL, T0 + 4000);
	cr_assert_float_eq(progress.eta_s, 5.0, 0.001, "4 s of execution and 1 s of the rest");
	cr_assert(progress.confidence > 0.5 && progress.confidence < 0.8);
}

Test(progress, knows_from_past_runs_before_the_first_report)
{
	const struct estimate past = { .count = 8, .ms = 10000, .spread_ms = 100 };
	struct progress progress;

	progress_begin(&progress, &function, T0, T0);
	progress_expect(&progress, &past, T0);
	cr_assert_float_eq(progress.eta_s, 10.0, 0.001);
	progress_report(&progress, &function, FNR_STAGE_PREPARATION, 0.5, NULL, T0 + 4000);
	cr_assert_float_eq(progress.eta_s, 6.0, 0.001);
	progress_report(&progress, &function, FNR_STAGE_FINALIZATION, 0.0, NULL, T0 + 9500);
	cr_assert_float_eq(progress.eta_s, 0.5, 0.001);
	cr_assert_gt(progress.confidence, 0.8);
}

Test(progress, tells_what_is_used)
{
	const struct estimate past = { .count = 8, .ms = 10000, .spread_ms = 100 };
	struct fnr_buf out = FNR_BUF_INIT;
	struct progress progress;
	struct json_object *value, *resources;

	progress_begin(&progress, &function, T0, T0);
	progress_expect(&progress, &past, T0);
	progress_measure(&progress, &function, 1500, 50 << 20, T0 + 1000);
	progress_measure(&progress, &function, 2500, 70 << 20, T0 + 3000);
	cr_assert_float_eq(progress.eta_s, 7.0, 0.001, "time has passed");
	progress_measure(&progress, &function, 9999, 90 << 20, T0 + 3000);
	progress_render(&out, &progress, FNR_STATE_RUNNING);
	value = fnr_json_parse(out.data, out.len, NULL);
	resources = fnr_json_get(value, "resources");
	cr_assert_float_eq(fnr_json_get_real(resources, "cpu", 0), 0.5, 0.001, "since the measurement before");
	cr_assert_eq(fnr_json_get_int(resources, "memory_mb", 0), 70);
	json_object_put(value);
	progress_end(&progress, FNR_STATE_COMPLETED, T0 + 4000);
	fnr_buf_reset(&out);
	progress_render(&out, &progress, FNR_STATE_COMPLETED);
	value = fnr_json_parse(out.data, out.len, NULL);
	cr_assert_null(fnr_json_get(value, "resources"));
	json_object_put(value);
	fnr_buf_free(&out);
}

Test(progress, tells_how_full_its_server_is)
{
	static const char said[] = "{\"devices\":[{\"name\":\"card \\u0007one\",\"vram_total\":8000,\"vram_free\":3000},{\"name\":\"none\",\"vram_total\":0},7,"
		"{\"name\":\"two\",\"vram_total\":9000,\"vram_free\":9999}],\"ram_total\":64000,\"ram_free\":48000}";
	struct json_object *found = fnr_json_parse(said, strlen(said), NULL), *value, *server, *devices;
	struct progress progress;

	progress_begin(&progress, &function, T0, T0);
	progress_serve(&progress, found);
	progress_measure(&progress, &function, 10, 20 << 20, T0 + 1000);
	value = rendered(&progress, FNR_STATE_RUNNING);
	server = fnr_json_get(fnr_json_get(value, "resources"), "server");
	devices = fnr_json_get(server, "devices");
	cr_assert_eq(json_object_array_length(devices), 2, "what has no memory is no card");
	cr_assert_str_eq(fnr_json_get_text(json_object_array_get_idx(devices, 0), "name", ""), "card ?one");
	cr_assert_eq(fnr_json_get_int(json_object_array_get_idx(devices, 0), "vram_total", 0), 8000);
	cr_assert_eq(fnr_json_get_int(json_object_array_get_idx(devices, 0), "vram_free", 0), 3000);
	cr_assert_str_eq(fnr_json_get_text(json_object_array_get_idx(devices, 1), "name", ""), "two");
	cr_assert_eq(fnr_json_get_int(json_object_array_get_idx(devices, 1), "vram_free", 0), 9000, "no more than there is");
	cr_assert_eq(fnr_json_get_int(server, "ram_total", 0), 64000);
	cr_assert_eq(fnr_json_get_int(server, "ram_free", 0), 48000);
	json_object_put(value);
	json_object_put(found);

	progress_serve(&progress, NULL);
	value = rendered(&progress, FNR_STATE_RUNNING);
	cr_assert_eq(fnr_json_get_int(fnr_json_get(value, "resources"), "memory_mb", 0), 20);
	cr_assert_null(fnr_json_get(fnr_json_get(value, "resources"), "server"), "it says so no more");
	json_object_put(value);
}

Test(progress, has_room_for_so_many_cards)
{
	struct json_object *found = json_object_new_object(), *devices = json_object_new_array(), *value;
	struct progress progress;

	for (int i = 0; i < 40; i++) {
		struct json_object *device = json_object_new_object();
		char name[256];

		snprintf(name, sizeof name, "%0200d", i);
		fnr_json_set_text(device, "name", name);
		fnr_json_set_int(device, "vram_total", 1 + i);
		json_object_array_add(devices, device);
	}
	fnr_json_set(found, "devices", devices);
	progress_begin(&progress, &function, T0, T0);
	progress_serve(&progress, found);
	progress_measure(&progress, &function, 10, 0, T0 + 1000);
	value = rendered(&progress, FNR_STATE_RUNNING);
	devices = fnr_json_get(fnr_json_get(fnr_json_get(value, "resources"), "server"), "devices");
	cr_assert_eq(json_object_array_length(devices), PROGRESS_DEVICES);
	cr_assert_eq(fnr_json_get_int(json_object_array_get_idx(devices, 15), "vram_total", 0), 16);
	json_object_put(value);
	json_object_put(found);
}

Test(progress, ends)
{
	struct progress progress;
	struct json_object *value;

	progress_begin(&progress, NULL, T0, T0 + 10);
	progress_end(&progress, FNR_STATE_COMPLETED, T0 + 20);
	value = rendered(&progress, FNR_STATE_COMPLETED);
	cr_assert_eq(fnr_json_get_real(value, "percent", 0), 100.0);
	cr_assert_str_eq(fnr_json_get_text(value, "stage", ""), "finalization");
	cr_assert_str_eq(stage_state(value, FNR_STAGE_EXECUTION), "completed");
	cr_assert_null(fnr_json_get(value, "eta_seconds"));
	json_object_put(value);

	progress_begin(&progress, &function, T0, T0 + 10);
	progress_report(&progress, &function, FNR_STAGE_EXECUTION, 0.5, NULL, T0 + 20);
	progress_end(&progress, FNR_STATE_FAILED, T0 + 30);
	value = rendered(&progress, FNR_STATE_FAILED);
	cr_assert_str_eq(stage_state(value, FNR_STAGE_PREPARATION), "completed");
	cr_assert_str_eq(stage_state(value, FNR_STAGE_EXECUTION), "failed");
	cr_assert_str_eq(stage_state(value, FNR_STAGE_FINALIZATION), "skipped");
	json_object_put(value);
}

Test(progress, of_a_waiting_job)
{
	struct job_head head = { .state = FNR_STATE_CANCELLED, .stage = FNR_STAGE_QUEUE, .queued_at = T0 };
	struct progress progress;
	struct json_object *value;

	progress_of_head(&progress, &head);
	progress_end(&progress, FNR_STATE_CANCELLED, T0 + 5);
	value = rendered(&progress, FNR_STATE_CANCELLED);
	cr_assert_str_eq(stage_state(value, FNR_STAGE_QUEUE), "cancelled");
	cr_assert_str_eq(stage_state(value, FNR_STAGE_EXECUTION), "skipped");
	cr_assert_str_eq(fnr_json_get_text(value, "message", ""), "Cancelled");
	json_object_put(value);
}

static void assert_rendered(void (*render)(struct fnr_buf *, double), double value, const char *expected)
{
	struct fnr_buf out = FNR_BUF_INIT;

	render(&out, value);
	cr_assert_str_eq(out.data, expected);
	fnr_buf_free(&out);
}

Test(render, numbers_and_texts)
{
	struct fnr_buf out = FNR_BUF_INIT;

	assert_rendered(render_real, 0.0, "0.0");
	assert_rendered(render_real, 41.5, "41.5");
	assert_rendered(render_real, -0.125, "-0.125");
	assert_rendered(render_real, 99.9999, "100.0");
	assert_rendered(render_real, 1e300, "null");
	render_int(&out, INT64_MIN);
	fnr_buf_puts(&out, " ");
	render_int(&out, 0);
	fnr_buf_puts(&out, " ");
	render_text(&out, "a\"b\\c\n\x01 é");
	fnr_buf_puts(&out, " ");
	render_text(&out, NULL);
	member_time(&out, "at", 0);
	cr_assert_str_eq(out.data, "-9223372036854775808 0 \"a\\\"b\\\\c\\u000a\\u0001 é\" null,\"at\":null");
	fnr_buf_free(&out);
}
