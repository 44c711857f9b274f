/* What a Gradio job has made so far. The first answer of a generator holds its values; later ones, in protocols of version 2
 * and up, only the edits since: [action, path, value] each, applied to a value in order.
 */
#ifndef FNR_BACKENDS_GRADIO_PARTIAL_H
#define FNR_BACKENDS_GRADIO_PARTIAL_H

#include <stdbool.h>

#include "base/json.h"

struct gradio_partial {
	struct json_object *values;    /* array, owned; NULL before the first answer */
	size_t told;                   /* bytes of messages since the values were whole; the reader of the stream counts them */
	bool spoilt;                   /* an edit did not fit, or they are too many: what is here is not what the app has */
};
#define GRADIO_PARTIAL_MOST (256u << 20)

/* Takes the `data` of one answer, an array. diffs: the protocol sends edits. from_back: the app is older than 5.29.1, whose
 * edits remove several items of a list by the indices they had before any was removed. False: there is nothing to show until
 * the job is done. Values that came are shared with `data`, which may not be changed any more. */
bool gradio_partial_take(struct gradio_partial *partial, struct json_object *data, bool diffs, bool from_back);
void gradio_partial_free(struct gradio_partial *partial);

/* The edits of one value; *value is replaced or changed in place. False: one did not fit, those before it were applied. */
bool gradio_edits_apply(struct json_object **value, struct json_object *edits, bool from_back);

#endif
