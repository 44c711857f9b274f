#include "config.h"

#include "manager/functions.h"

#include <stdlib.h>
#include <string.h>

#include "backends/backend.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"

#define KEPT 64

struct functions {
	struct function *items[KEPT];
	size_t count;
	uint64_t uses;
};

struct functions *functions_create(void)
{
	return fnr_alloc(sizeof(struct functions));
}

void function_drop(struct function *function)
{
	if (!function || --function->holds > 0)
		return;
	free(function->definition);
	json_object_put(function->backends);
	json_object_put(function->labels);
	json_object_put(function->nodes);
	free(function);
}

void functions_free(struct functions *functions)
{
	if (!functions)
		return;
	for (size_t i = 0; i < functions->count; i++)
		function_drop(functions->items[i]);
	free(functions);
}

static int64_t ms_of(struct json_object *retry, const char *name, int64_t usual)
{
	return (int64_t)(fnr_json_get_real(retry, name, (double)usual / 1000.0) * 1000.0);
}

static void read_policy(struct retry_policy *policy, struct json_object *retry)
{
	policy->delay_ms = ms_of(retry, "delay_s", policy->delay_ms);
	policy->max_delay_ms = ms_of(retry, "max_delay_s", policy->max_delay_ms);
	policy->total_ms = ms_of(retry, "total_s", policy->total_ms);
	policy->max_attempts = (unsigned)fnr_json_get_int(retry, "max_attempts", policy->max_attempts);
}

/* What the template says for all classes, and over it what it says for one. */
static void read_retry(struct function *function, struct json_object *definition)
{
	struct json_object *retry = fnr_json_get(definition, "retry");

	for (int class_ = 0; class_ < FNR_CLASS_COUNT; class_++) {
		function->retry[class_] = retry_usual[class_];
		read_policy(&function->retry[class_], retry);
		function->retry[class_].max_attempts = 0;   /* the one for all is the job's, from its acceptance on */
		read_policy(&function->retry[class_], fnr_json_get(retry, fnr_class_name((enum fnr_class)class_)));
	}
}

static struct json_object *names_of(struct json_object *object, const char *name)
{
	struct json_object *list = fnr_json_get(object, name);

	return json_object_is_type(list, json_type_array) ? json_object_get(list) : NULL;
}

static void read_places(struct function *function, struct json_object *definition)
{
	struct json_object *backend = fnr_json_get(definition, "backend");

	function->backends = names_of(backend, "backends");
	function->labels = names_of(backend, "labels");
	function->nodes = names_of(definition, "nodes");
}

static struct function *compile(const struct template_ *template_, const uint8_t digest[32])
{
	struct json_object *definition = template_definition(template_);
	struct function *function = fnr_alloc(sizeof *function);
	const struct backend_kind *kind;

	memcpy(function->digest, digest, sizeof function->digest);
	function->holds = 1;
	function->definition = fnr_strdup(fnr_json_text(definition, NULL));
	fnr_text_copy(function->kind, sizeof function->kind, fnr_json_get_text(fnr_json_get(definition, "backend"), "type", ""));
	kind = backend_find(function->kind);
	function->no_files = kind && kind->no_files;
	function->needs_endpoint = kind && kind->needs_endpoint;
	function->attachable = kind && kind->attachable && kind->attach;
	function->begins_early = kind && kind->begins_early;
	read_places(function, definition);
	function->timeout_s = fnr_json_get_int(definition, "timeout_s", 0);
	function->limit.concurrency = (uint32_t)fnr_json_get_int(fnr_json_get(definition, "limits"), "concurrency", 0);
	function->limit.per_minute = (uint32_t)fnr_json_get_int(fnr_json_get(definition, "limits"), "per_minute", 0);
	read_retry(function, definition);
	for (int stage = 0; stage < FNR_STAGE_COUNT; stage++) {
		function->weight[stage] = template_stage_weight(template_, stage);
		fnr_text_copy(function->message[stage], sizeof function->message[stage], template_stage_message(template_, stage));
	}
	return function;
}

/* A place for one more: the one that was used longest ago leaves. */
static struct function **place(struct functions *functions)
{
	struct function **oldest = &functions->items[0];

	if (functions->count < KEPT)
		return &functions->items[functions->count++];
	for (size_t i = 1; i < functions->count; i++)
		if (functions->items[i]->used < (*oldest)->used)
			oldest = &functions->items[i];
	function_drop(*oldest);
	return oldest;
}

struct function *function_hold(struct functions *functions, struct store_txn *txn, const char *digest, struct fnr_error *err)
{
	const struct template_ *template_;
	struct function *function = NULL;
	uint8_t bytes[32];

	if (!digest || !fnr_unhex(digest, bytes, sizeof bytes)) {
		fnr_fail(err, FNR_E_CORRUPT, "the job names no template digest");
		return NULL;
	}
	for (size_t i = 0; i < functions->count && !function; i++)
		if (memcmp(functions->items[i]->digest, bytes, sizeof bytes) == 0)
			function = functions->items[i];
	if (!function) {
		if (template_find_digest(txn, bytes, &template_, err) != FNR_OK)
			return NULL;
		function = compile(template_, bytes);
		*place(functions) = function;
	}
	function->used = ++functions->uses;
	function->holds++;
	return function;
}
