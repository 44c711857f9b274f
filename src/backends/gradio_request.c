#include "config.h"

#include "backends/gradio_request.h"

#include <math.h>
#include <string.h>

#include "backends/input_file.h"
#include "registry/bindings.h"

struct request {
	struct gradio_server *server;
	const struct gradio_endpoint *endpoint;
	const struct gradio_value *input;  /* the one that is being filled */
	struct json_object *bindings;      /* of the template, or NULL */
	struct binding_scope scope;
	struct json_object *known;         /* what bindings see */
	struct json_object *values;        /* by the names of the function's inputs */
	enum run_result result;            /* of an upload */
	struct run_error *error;
};

/* A reference to a file becomes the file as this input takes it; any other value stays. *made_r is to put. */
static enum run_result bring_file(struct request *request, const struct gradio_value *input, struct json_object *value, struct json_object **made_r)
{
	struct json_object *file = NULL, *sent = NULL;
	enum run_result result = RUN_DONE;
	switch (input_file(request->server->run, value, &file, request->error)) {
	case INPUT_FILE_GONE:
		return RUN_FAILED;
	case INPUT_FILE_NONE:
		*made_r = fnr_json_copy(value);
		return RUN_DONE;
	case INPUT_FILE_FOUND:
		run_progress(request->server->run, FNR_STAGE_PREPARATION, 0, "Sending the input files");
		result = gradio_upload(request->server, file, &sent, request->error);
		if (result == RUN_DONE)
			*made_r = gradio_file_as(input, sent);
		json_object_put(file);
	}
	return result;
}

static bool takes_a_list(const struct gradio_value *input)
{
	return strcmp(input->type, "gallery") == 0 || (strcmp(input->type, "file") == 0 && strcmp(fnr_json_get_text(input->props, "file_count", "single"), "single") != 0);
}

static enum run_result bring_files(struct request *request, const struct gradio_value *input, struct json_object *value, struct json_object **made_r)
{
	enum run_result result = RUN_DONE;
	bool list = json_object_is_type(value, json_type_array);
	if (!list && !takes_a_list(input))
		return bring_file(request, input, value, made_r);
	*made_r = value != NULL ? json_object_new_array() : NULL;
	for (size_t i = 0; value != NULL && i < (list ? json_object_array_length(value) : 1) && result == RUN_DONE; i++) {
		struct json_object *made = NULL;
		result = bring_file(request, input, list ? json_object_array_get_idx(value, i) : value, &made);
		json_object_array_add(*made_r, made);
	}
	return result;
}

static bool holds_files(struct json_object *spec)
{
	const char *type = fnr_json_get_text(spec, "type", "");
	if (strcmp(type, "array") == 0)
		type = fnr_json_get_text(fnr_json_get(spec, "items"), "type", "");
	return strcmp(type, "file") == 0;
}

/* The job's seed, within what the input takes. */
static struct json_object *seed_for(const struct run *run, const struct gradio_value *input)
{
	double least = fnr_json_get_real(input->props, "minimum", 0), most = fnr_json_get_real(input->props, "maximum", 2147483647);
	double room = most - least + 1;
	if (!(room >= 1) || room > 9007199254740991.0)
		return json_object_new_int64(run->seed);
	return json_object_new_int64((int64_t)(least + fmod((double)run->seed, floor(room))));
}

/* One file for a binding. */
static struct json_object *upload(const char *name, struct json_object *reference, void *context)
{
	struct request *request = context;
	struct json_object *made = NULL;
	(void)name;
	request->result = bring_file(request, request->input, reference, &made);
	return made;
}

static enum run_result take_binding(struct request *request, struct json_object *binding)
{
	const char *direct = binding_direct(binding);
	struct run *run = request->server->run;
	struct json_object *value = NULL;
	bool seed = direct != NULL && strcmp(direct, "seed") == 0 && !json_object_object_get_ex(run->parameters, "seed", NULL);
	enum binding_result result = binding_value(binding, &request->scope, request->known, upload, request, &value);
	if (result == BINDING_FAILED)
		return request->result != RUN_DONE ? request->result : RUN_FAILED;
	if (result == BINDING_SET && seed) {
		json_object_put(value);
		value = seed_for(run, request->input);
	}
	fnr_json_set(request->values, request->input->name, value);
	return RUN_DONE;
}

/* An input of the function without a binding gets the template's input or parameter of its name. */
static enum run_result take_namesake(struct request *request)
{
	struct run *run = request->server->run;
	const struct gradio_value *input = request->input;
	struct json_object *spec = fnr_json_get(request->scope.inputs, input->name), *made = NULL;
	struct json_object *value = fnr_json_get(run->parameters, input->name);
	enum run_result result = RUN_DONE;
	if (spec == NULL && !json_object_object_get_ex(run->parameters, input->name, NULL))
		return RUN_DONE;
	if (holds_files(spec))
		result = bring_files(request, input, value, &made);
	else
		made = fnr_json_copy(value);
	fnr_json_set(request->values, input->name, made);
	return result;
}

static enum run_result take_values(struct request *request)
{
	enum run_result result = RUN_DONE;
	for (size_t i = 0; i < gradio_input_count(request->endpoint) && result == RUN_DONE; i++) {
		struct gradio_value input;
		gradio_input_at(request->endpoint, i, &input);
		request->input = &input;
		struct json_object *binding = fnr_json_get(request->bindings, input.name);
		if (!input.hidden)
			result = binding != NULL ? take_binding(request, binding) : take_namesake(request);
	}
	return result;
}

enum run_result gradio_request(struct gradio_server *server, const struct gradio_endpoint *endpoint, struct json_object **data_r, struct run_error *error)
{
	struct run *run = server->run;
	struct request request = {
		.server = server, .endpoint = endpoint, .bindings = fnr_json_get(fnr_json_get(run->definition, "backend"), "bindings"),
		.scope = { .inputs = fnr_json_get(run->definition, "inputs"), .parameters = fnr_json_get(run->definition, "parameters") },
		.known = bindings_values(run->parameters, run->seed, fnr_quality_name(run->quality)), .values = json_object_new_object(),
		.result = RUN_DONE, .error = error,
	};
	if (request.bindings != NULL) { /* a target that the function does not have is found below */
		json_object_object_foreach(request.bindings, target, binding) {
			(void)binding;
			fnr_json_set(request.values, target, NULL);
		}
	}
	enum run_result result = take_values(&request);
	if (result == RUN_DONE && (*data_r = gradio_data_make(endpoint, request.values, error)) == NULL)
		result = RUN_FAILED;
	json_object_put(request.known);
	json_object_put(request.values);
	return result;
}
