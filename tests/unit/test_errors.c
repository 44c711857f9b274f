#include <criterion/criterion.h>
#include <string.h>

#include "base/yaml.h"
#include "registry/errors.h"

static struct json_object *rules_of(const char *text)
{
	struct json_object *file = fnr_yaml_parse(text, strlen(text), "rules", NULL), *rules = json_object_get(fnr_json_get(file, "errors"));

	json_object_put(file);
	return rules;
}

static struct json_object *error_of(const char *class_, const char *code, const char *message, const char *detail)
{
	struct json_object *error = json_object_new_object();

	fnr_json_set_text(error, "class", class_);
	fnr_json_set_text(error, "code", code);
	fnr_json_set_text(error, "message", message);
	fnr_json_set_text(error, "detail", detail);
	return error;
}

static const char *class_by(struct json_object *rules, struct json_object *error)
{
	static char class_[32];

	error_rules_apply(rules, "script", error);
	strcpy(class_, fnr_json_get_text(error, "class", ""));
	json_object_put(error);
	return class_;
}

Test(errors, every_condition_must_fit)
{
	struct json_object *rules = rules_of("errors:\n  - when: {backend: script, class: unknown, code: a, text: b+}\n    then: {class: transient}\n");
	struct json_object *other = error_of("unknown", "a", "b", NULL);

	cr_assert_str_eq(class_by(rules, error_of("unknown", "a", "xbbx", NULL)), "transient");
	cr_assert_str_eq(class_by(rules, error_of("unknown", "a", "x", "first\nbb")), "transient");
	cr_assert_str_eq(class_by(rules, error_of("unknown", "a", "x", NULL)), "unknown");
	cr_assert_str_eq(class_by(rules, error_of("unknown", "ab", "b", NULL)), "unknown");
	cr_assert_str_eq(class_by(rules, error_of("resource", "a", "b", NULL)), "resource");
	cr_assert_not(error_rules_apply(rules, "comfyui", other), "another kind of backend");
	cr_assert_not(error_rules_apply(NULL, "script", other));
	json_object_put(other);
	json_object_put(rules);
}

Test(errors, the_first_that_fits_decides)
{
	struct json_object *rules = rules_of("errors:\n  - when: {code: a}\n    then: {code: b, message: New, retry_after_s: 2.5, backend_down: true}\n"
	                                     "  - when: {class: unknown}\n    then: {class: permanent}\n");
	struct json_object *error = error_of("unknown", "a", "Old", NULL);

	cr_assert(error_rules_apply(rules, "script", error));
	cr_assert_str_eq(fnr_json_get_text(error, "class", ""), "unknown");
	cr_assert_str_eq(fnr_json_get_text(error, "code", ""), "b");
	cr_assert_str_eq(fnr_json_get_text(error, "message", ""), "New");
	cr_assert_float_eq(fnr_json_get_real(error, "retry_after_s", 0), 2.5, 1e-9);
	cr_assert(json_object_get_boolean(fnr_json_get(error, "backend_down")));
	json_object_put(error);
	json_object_put(rules);
}

/* What real programs print when they fail, and what it means. */
Test(errors, the_shipped_rules)
{
	static const struct { const char *text, *class_, *code; } cases[] = {
		{ "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB", "resource", "gpu_memory" },
		{ "torch.OutOfMemoryError: HIP out of memory.", "resource", "gpu_memory" },
		{ "terminate called after throwing an instance of 'std::bad_alloc'", "resource", "out_of_memory" },
		{ "[out#0/mp4 @ 0x55] Error writing trailer: No space left on device", "resource", "disk_full" },
		{ "urllib.error.HTTPError: HTTP Error 429: Too Many Requests", "transient", "rate_limited" },
		{ "urllib.error.URLError: <urlopen error [Errno 111] Connection refused>", "transient", "service_unreachable" },
		{ "requests.exceptions.HTTPError: 503 Server Error: 503 Service Unavailable", "transient", "service_unreachable" },
		{ "[mov,mp4,m4a @ 0x5] moov atom not found", "validation", "media_unreadable" },
		{ "PIL.UnidentifiedImageError: cannot identify image file 'a.png'", "validation", "media_unreadable" },
		{ "ValueError: width must be positive", "unknown", "script_failed" },
	};
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *rules = error_rules_read(FNR_SOURCE "/share/errors.yaml", &err);

	cr_assert_not_null(rules, "%s", err.message);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct json_object *error = error_of("unknown", "script_failed", "The function ended with exit status 1.", cases[i].text);

		error_rules_apply(rules, "script", error);
		cr_expect_str_eq(fnr_json_get_text(error, "class", ""), cases[i].class_, "%s", cases[i].text);
		cr_expect_str_eq(fnr_json_get_text(error, "code", ""), cases[i].code, "%s", cases[i].text);
		json_object_put(error);
	}
	cr_expect_str_eq(class_by(rules, error_of("unknown", "script_failed", "The function ended with exit status 75.", NULL)), "transient");
	cr_expect_str_eq(class_by(rules, error_of("unknown", "script_failed", "The function ended with exit status 175.", NULL)), "unknown");
	cr_expect_str_eq(class_by(rules, error_of("permanent", "asked", "It said no.", "CUDA out of memory")), "permanent", "what it says of itself stays");
	json_object_put(rules);
}
