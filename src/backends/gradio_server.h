/* The server of a Gradio app: what it says of itself, kept as long as it is the same; requests, with a login where the app wants
 * one; files up and down.
 */
#ifndef FNR_BACKENDS_GRADIO_SERVER_H
#define FNR_BACKENDS_GRADIO_SERVER_H

#include "backends/gradio_app.h"
#include "backends/http.h"

#define GRADIO_PATH 1024

struct gradio_server {
	const struct endpoint *endpoint;
	struct run *run;                  /* NULL: nothing is running */
	struct http *http;
	const struct gradio_app *app;     /* borrowed; until the next gradio_server_open of this process */
};

/* Asks the app what it is, or whether it still is what it was. RUN_DONE, or what the run comes to. */
enum run_result gradio_server_open(struct gradio_server *server, const struct endpoint *endpoint, struct run *run, struct run_error *error);

/* What does not hang from config: "/queue/join" below the app's prefix. Returns out. */
char *gradio_path(const struct gradio_server *server, const char *path, char out[GRADIO_PATH]);

/* As http_ask. Where the app wants a login, it is logged in once and asked again. */
enum http_result gradio_ask(struct gradio_server *server, const struct http_request *request, struct http_answer *answer);

/* As http_failed, with the server's own words. */
enum run_result gradio_failed(const struct http_answer *answer, struct run_error *error);

/* Sends the file {"path","media_type","name"}; *file_r gets its FileData, to put. */
enum run_result gradio_upload(struct gradio_server *server, struct json_object *file, struct json_object **file_r, struct run_error *error);

/* ---- files that the app made ---- */

/* Is it a file? As the app describes them: an object of their own kind. */
bool gradio_is_file(struct json_object *value);
/* Calls row for each in a value, wherever it stands, until it returns false. */
typedef bool gradio_file_row(struct json_object *file, void *context);
bool gradio_files(struct json_object *value, gradio_file_row *row, void *context);
const char *gradio_file_name(struct json_object *file);      /* "" if it has none */

/* Writes it as the new file `name` in the folder `dir`. */
enum run_result gradio_download(struct gradio_server *server, struct json_object *file, int dir, const char *name, struct run_error *error);
/* A small one into memory. False if it is not to be had. */
bool gradio_read(struct gradio_server *server, struct json_object *file, size_t limit, struct fnr_buf *out);

#endif
