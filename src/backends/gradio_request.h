/* What a Gradio function is given, from the parameters of a job: by the names of its inputs, files uploaded. */
#ifndef FNR_BACKENDS_GRADIO_REQUEST_H
#define FNR_BACKENDS_GRADIO_REQUEST_H

#include "backends/gradio_server.h"

/* RUN_DONE: *data_r is the request's "data", to put. */
enum run_result gradio_request(struct gradio_server *server, const struct gradio_endpoint *endpoint, struct json_object **data_r, struct run_error *error);

#endif
