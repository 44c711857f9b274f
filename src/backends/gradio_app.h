/* What a Gradio app says of itself: its endpoints, what they take and give. Read from its /config, and from its /info where
 * that is to be had. Knows Gradio 4.0 and up; no I/O here.
 */
#ifndef FNR_BACKENDS_GRADIO_APP_H
#define FNR_BACKENDS_GRADIO_APP_H

#include "backends/backend.h"

enum gradio_protocol { GRADIO_SSE, GRADIO_SSE_1, GRADIO_SSE_2 };   /* a stream a job; one a session; with edits */

struct gradio_app {
	struct json_object *config, *info;      /* owned; info may be NULL */
	struct json_object *components;         /* of config, by their ids as text; owned */
	char version[32], prefix[64], id[32];   /* prefix: "" or "/gradio_api", before most paths; id: another one after each start */
	int release[3];
	enum gradio_protocol protocol;
	int64_t max_file_size;                  /* of an upload; 0: any */
};

/* One function of the app that can be called by name. Borrowed from the app. */
struct gradio_endpoint {
	const struct gradio_app *app;
	struct json_object *dependency, *info;  /* info may be NULL */
	char name[128];                         /* without a slash */
	int64_t fn_index;
	bool queued, generator;
};

/* One value that an endpoint takes or gives. Texts are borrowed from the app. */
struct gradio_value {
	char name[65];                          /* the parameter's, or made from its label; of what is given: from the label */
	const char *label, *type;               /* type of the component: "textbox", "image", … */
	struct json_object *props;              /* of the component */
	struct json_object *schema;             /* JSON Schema from /info, or NULL */
	struct json_object *usual;              /* default */
	bool has_usual;
	bool hidden;                            /* the app's own state: clients leave it alone */
};

/* Takes the config over, whatever comes. False with *error: this is no Gradio app, or one that is too old. */
bool gradio_app_read(struct gradio_app *app, struct json_object *config, struct run_error *error);
void gradio_app_info(struct gradio_app *app, struct json_object *info);     /* takes it over; NULL is allowed */
void gradio_app_free(struct gradio_app *app);
bool gradio_app_since(const struct gradio_app *app, int major, int minor, int patch);

/* api_name with or without its slash. False with *error, which lists what there is. */
bool gradio_endpoint_find(const struct gradio_app *app, const char *api_name, struct gradio_endpoint *endpoint, struct run_error *error);
/* The next endpoint that can be called; *at is where the search is, 0 at its beginning. False: there is none any more. */
bool gradio_endpoint_next(const struct gradio_app *app, size_t *at, struct gradio_endpoint *endpoint);
/* Endpoint number `at` of those that are shown to people; false behind the last. */
bool gradio_endpoint_at(const struct gradio_app *app, size_t at, struct gradio_endpoint *endpoint);

size_t gradio_input_count(const struct gradio_endpoint *endpoint);           /* hidden ones too */
void gradio_input_at(const struct gradio_endpoint *endpoint, size_t at, struct gradio_value *value);
size_t gradio_output_count(const struct gradio_endpoint *endpoint);
void gradio_output_at(const struct gradio_endpoint *endpoint, size_t at, struct gradio_value *value);

/* What a request carries as "data": `values` by the names of inputs, else their defaults, else null; null for what is hidden.
 * To put. NULL with *error: a value has no input of its name, or an input that has no default has no value. */
struct json_object *gradio_data_make(const struct gradio_endpoint *endpoint, struct json_object *values, struct run_error *error);

/* A file as it is sent where the input wants one: alone, as an item of a gallery, as a film or a layered picture. `file` is
 * the FileData; taken over. */
struct json_object *gradio_file_as(const struct gradio_value *input, struct json_object *file);

#endif
