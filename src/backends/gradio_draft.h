/* A template for a function of a Gradio app, from what the app says of it.
 */
#ifndef FNR_BACKENDS_GRADIO_DRAFT_H
#define FNR_BACKENDS_GRADIO_DRAFT_H

#include "backends/gradio_app.h"

/* A definition that template_read takes, to put. notes: an array that gets a text for each thing that was left open. */
struct json_object *gradio_draft(const struct gradio_endpoint *endpoint, struct json_object *notes);

#endif
