/* The servers that kinds of backends work on, as messages name them; and asking one what it is and has. */
#include "config.h"

#include <stdio.h>

#include "base/clock.h"
#include "worker/worker.h"

bool endpoint_read(struct json_object *message, struct endpoint *endpoint_r)
{
	struct json_object *endpoint = fnr_json_get(message, "endpoint");
	if (!json_object_is_type(endpoint, json_type_object))
		return false;
	endpoint_r->id = fnr_json_get_text(endpoint, "id", "");
	endpoint_r->url = fnr_json_get_text(endpoint, "url", "");
	endpoint_r->ca_file = fnr_json_get_text(endpoint, "ca_file", NULL);
	endpoint_r->credentials = fnr_json_get(endpoint, "credentials");
	endpoint_r->options = fnr_json_get(endpoint, "options");
	return endpoint_r->id[0] != '\0' && endpoint_r->url[0] != '\0' && json_object_is_type(endpoint_r->credentials, json_type_object) &&
	       json_object_is_type(endpoint_r->options, json_type_object);
}

static bool probe(struct json_object *message, struct json_object *found, struct run_error *error)
{
	const struct backend_kind *kind = backend_find(fnr_json_get_text(message, "kind", ""));
	struct endpoint endpoint;
	if (kind == NULL || !endpoint_read(message, &endpoint)) {
		run_fail(error, FNR_CLASS_PERMANENT, "internal", "Tell those who run this server.", NULL, "the message names no kind or no endpoint",
		         "Function Runner made a mistake in asking a backend.");
		return false;
	}
	return kind->probe_endpoint == NULL || kind->probe_endpoint(&endpoint, found, error);
}

/* It has answered. How long it takes for this says nothing of how it is. */
static void probe_nodes(struct json_object *message, struct json_object *found)
{
	const struct backend_kind *kind = backend_find(fnr_json_get_text(message, "kind", ""));
	struct endpoint endpoint;
	if (fnr_json_get_bool(message, "nodes", false) && kind->probe_nodes != NULL && endpoint_read(message, &endpoint))
		kind->probe_nodes(&endpoint, found);
}

void task_probe(struct worker *worker, struct json_object *message)
{
	struct json_object *answer = json_object_new_object(), *found = json_object_new_object();
	struct run_error error = { 0 };
	int64_t begin = fnr_mono_ms();
	bool good = probe(message, found, &error);
	int64_t ms = fnr_mono_ms() - begin;
	if (good)
		probe_nodes(message, found);
	fnr_json_set_text(answer, "type", "probed");
	fnr_json_set_text(answer, "backend", fnr_json_get_text(message, "backend", ""));
	fnr_json_set(answer, "found", good ? json_object_get(found) : NULL);
	fnr_json_set(answer, "error", good ? NULL : worker_error(&error));
	fnr_json_set_int(answer, "ms", ms);
	json_object_put(found);
	worker_send(worker, answer);
}
