/* What the processes of fnr-api share: one slot for each process that posts, the committer's bell, the configuration, counts of
 * requests, answers that were worked out.
 *
 * A process posts one operation at a time (store/ops.h) into its own slot and sleeps until the committer has answered:
 *
 *   FREE -> POSTED   the owner, last of all it writes                     (release)
 *   POSTED -> TAKEN  the committer: part of a round that is being written
 *   POSTED -> FREE   the owner, who waited too long: certainly not done
 *   TAKEN -> DONE    the committer, after the commit, behind the reply    (release)
 *   DONE -> FREE     the owner, with the reply
 *
 * So nothing is lost with a process: a committer that takes over finds what its predecessor had taken still TAKEN and
 * asks the store whether it was written (op_round_find); a poster that takes over a slot waits for its end first.
 * An operation that ends the committer would end each successor too. So the committer says at which slot it is, and the master blames
 * that when it dies: three crashes are enough for it to be refused. A kill from outside says little, so it takes a hundred of them.
 * An operation larger than a slot lies in the file uploads/.op-<request id in hex>, which the owner removes.
 *
 * Made by the master before it forks; it goes with the last process. Nothing in it outlives a start.
 */
#ifndef FNR_API_SLOTS_H
#define FNR_API_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/memo.h"
#include "api/meter.h"
#include "base/buf.h"
#include "base/conf.h"
#include "base/err.h"
#include "store/ops.h"

#define SLOTS_MOST 352             /* 256 handlers, 64 of the upload pool, the loader, some that are being replaced */
#define SLOTS_INLINE 65536         /* bytes of an operation that fit into a slot */
#define SLOTS_OPERATION_MOST (256u << 20)
#define SLOTS_REQUEST 16
#define SLOTS_PATIENCE_MS 10000    /* how long a poster waits to be taken, and once more to be answered */

struct slots;

struct slots *slots_create(const struct fnr_conf *conf, int64_t patience_ms);
void slots_free(struct slots *slots);                       /* unmaps it from this process; NULL is allowed */
void slots_use(struct slots *slots, size_t count);          /* slots 0 to count-1 are looked at from now on */

/* ---- posters ---- */

/* Posts and waits. FNR_OK: *reply_r is what the committer said, which may be a refusal. FNR_E_UNAVAILABLE: it was
 * certainly not carried out. FNR_E_TIMEOUT: nobody knows. FNR_E_TOO_LARGE, FNR_E_IO, FNR_E_FULL: it was not posted. */
int slots_post(struct slots *slots, size_t slot, const void *data, size_t len, struct op_reply *reply_r, struct fnr_error *err);

/* Waits until what was posted in the slot, by this process or one before it, has come to its end. False: it has not. */
bool slots_settle(struct slots *slots, size_t slot);

/* How long ago the committer was last seen at work; INT64_MAX before the first time. */
int64_t slots_committer_age_ms(struct slots *slots);

/* Has a loader run to its end since this master started? Before that a new key or template may not be in force yet. */
bool slots_loaded(struct slots *slots);

struct meter *slots_meter(struct slots *slots);    /* of all processes, like the next */
struct memo *slots_memo(struct slots *slots);

/* Copies the configuration if it is another than *generation (0 = none yet). True if it was copied. */
bool slots_conf_read(struct slots *slots, uint32_t *generation, struct fnr_conf *conf);

/* ---- the master ---- */

void slots_conf_publish(struct slots *slots, const struct fnr_conf *conf);
void slots_set_loaded(struct slots *slots);
void slots_stop(struct slots *slots, bool stop);            /* the committer ends when all is answered */
void slots_ask_clear_readers(struct slots *slots);          /* a process died: its reader slots in the store are stale */
void slots_blame(struct slots *slots, bool crashed);        /* a committer died: by itself, or killed */
void slots_remove_files(void);                              /* operations in files that an earlier start left behind */

/* ---- the committer ---- */

uint32_t slots_bell(struct slots *slots);                   /* to be read before looking at the slots */
void slots_sleep(struct slots *slots, uint32_t bell, int64_t ms);  /* until the bell is another, or for so long */
void slots_seen(struct slots *slots);                       /* says that the committer is alive */
bool slots_stopping(struct slots *slots);
bool slots_clear_readers_asked(struct slots *slots);        /* takes the wish */

/* The next slot from `from` on that is posted, now taken; -1 if there is none. Without `files` those whose operation
 * lies in a file are passed over. */
long slots_take(struct slots *slots, size_t from, bool files);
long slots_taken(struct slots *slots, size_t from);         /* the next that is taken already: a predecessor's */
const uint8_t *slots_request(struct slots *slots, size_t slot);   /* SLOTS_REQUEST bytes */
int slots_load(struct slots *slots, size_t slot, struct fnr_buf *out, struct fnr_error *err);   /* appends the operation */
uint8_t slots_kind(struct slots *slots, size_t slot);             /* an enum op_kind; whether or not it can be loaded */
void slots_set_at_hand(struct slots *slots, long slot);           /* what is loaded or applied now; -1: none */
long slots_at_hand(struct slots *slots);
bool slots_deadly(struct slots *slots, size_t slot);              /* what is posted there has had all the blame that it may get */
void slots_answer(struct slots *slots, size_t slot, const struct op_reply *reply);

#endif
