/* What a Gradio function gave, as outputs of the job: files are got from the app, texts and values become files. Which of its
 * values an output is, backend.outputs of the template says: {name: 1} or {name: {value: 1, item: 0}}, the number of the value
 * and of the file within it (a gallery has several); outputs that it does not name follow the order of the values. One that may be
 * many gets all files from there on.
 */
#ifndef FNR_BACKENDS_GRADIO_RESULT_H
#define FNR_BACKENDS_GRADIO_RESULT_H

#include "backends/gradio_server.h"

/* data: of the completed job; NULL: it gave nothing. Calls run_output and run_result. */
enum run_result gradio_result(struct gradio_server *server, const struct gradio_endpoint *endpoint, struct json_object *data, struct run_error *error);

/* Shows the first picture among the values that a generator has made so far. */
void gradio_preview(struct gradio_server *server, struct json_object *values);

#endif
