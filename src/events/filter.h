/* The filters of GET /api/v1/events: project, batch, node_id, types. */
#ifndef FNR_EVENTS_FILTER_H
#define FNR_EVENTS_FILTER_H

#include "base/json.h"
#include "events/stream.h"
#include "http/access.h"
#include "store/journal.h"

struct filter *filter_make(void);     /* lets everything through; free() it */

/* Takes one member of the query. FNR_OK, or FNR_E_INVALID with one entry in err->errors. */
int filter_set(struct filter *filter, const char *name, const char *value, struct fnr_error *err);

/* A look at one event, shared by all that ask about it: its data is parsed at most once, and only when needed. */
struct filter_look {
	const struct journal_event *event;
	struct json_object *data;         /* NULL until parsed */
	bool parsed;
};
bool filter_may_see(const struct access *access, struct filter_look *look);    /* by its project's number, and by what it is about */
bool filter_lets(const struct filter *filter, struct filter_look *look);
bool filter_batch_ended(struct filter_look *look);      /* batch.progress: its state is not "running" */
void filter_look_end(struct filter_look *look);

#endif
