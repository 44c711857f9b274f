/* The committer: the one process of fnr-api that writes the store. It takes all that is posted (slots.h), applies it in
 * one write transaction, each request in a child of its own, commits once, and answers all: one disk flush for many.
 *
 * Whenever it is killed, its successor goes on where it was: what had been taken is answered from the record of the
 * last round if it was committed, and applied otherwise. Nothing is lost, nothing is done twice. A request of which
 * committers die again and again is refused, so that the others get on.
 */
#ifndef FNR_API_COMMITTER_H
#define FNR_API_COMMITTER_H

#include <stdbool.h>

#include "api/slots.h"

/* Where a test may kill it. */
enum committer_step { COMMITTER_TOOK, COMMITTER_APPLYING, COMMITTER_APPLIED, COMMITTER_COMMITTED, COMMITTER_ANSWERED_ONE };

struct committer {
	struct slots *slots;
	struct store *store;
	struct fnr_conf conf;
	uint32_t conf_generation;
	struct op_limits limits;
	uint64_t bytes_used;
	int64_t looked_at, counted_at;            /* CLOCK_BOOTTIME ms: at free space, at the store's size */
	long taken[SLOTS_MOST];                   /* the round: slots, what they hold, what they are answered */
	size_t begin[SLOTS_MOST + 1];             /* where in `data` each operation begins */
	struct op_round_entry entries[SLOTS_MOST];
	int broken[SLOTS_MOST];                   /* code of an operation that is not to be applied, as it could not be loaded */
	size_t count;
	struct fnr_buf data;
	bool ring;                                /* the manager should look */
	void (*step)(enum committer_step step);   /* NULL but in tests */
};

/* Opens the store and takes over from a predecessor. */
int committer_open(struct committer *committer, struct slots *slots, struct fnr_error *err);
/* One round, if anything is posted. False: the store cannot be written; a fresh process should try. */
bool committer_round(struct committer *committer);
void committer_close(struct committer *committer);

/* The process: rounds until slots_stop() and nothing is posted. Returns its exit status. */
int committer_run(struct slots *slots);

#endif
