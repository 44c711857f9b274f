/* One look at journal and store, in this order, and what it shows of a stream's subject. Private to the hub. */
#ifndef FNR_EVENTS_LOOK_H
#define FNR_EVENTS_LOOK_H

#include "events/stream.h"
#include "store/journal.h"

struct look {
	struct journal_txn *journal;     /* NULL while there is no journal */
	struct store_txn *store;
	uint64_t last, first, broken;    /* numbers: written last, kept first, of the latest break; 0 if there is none */
};

int look_begin(struct look *look, struct store *store, struct journal *journal, struct fnr_error *err);
void look_end(struct look *look);

/* Are there events after this number that cannot be given any more, or were state changes missed by a break? */
bool look_misses(const struct look *look, uint64_t number);

/* What a stream is about, as the store has it. */
struct subject {
	bool terminal;                   /* nothing will happen any more */
	uint64_t event;                  /* terminal: number of its last event */
	uint32_t project;
	struct job_head job;
	struct batch batch;
};
int subject_load(struct subject *subject, const struct look *look, enum stream_kind kind, const struct fnr_id *id,
                 struct fnr_error *err);         /* FNR_OK, FNR_E_NOT_FOUND, FNR_E_CORRUPT */

/* The snapshot message of a stream, and `gap`. For the look's number N; of a finished subject at least the number of
 * its last event, so that a client that comes back with it has seen everything. NULL with *err set. */
struct message *snapshot_make(const struct look *look, const struct stream *stream, const struct subject *subject,
                              struct fnr_error *err);
struct message *gap_make(void);

#endif
