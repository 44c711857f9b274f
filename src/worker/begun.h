/* Which attempts have begun, for a manager whose worker has died, and for one that comes after a manager that was killed: an
 * attempt that must not be made twice (on_lost: fail) may be made again as long as it has not begun, and one that began
 * before it was on disk (worker/wire.h, "early") goes on where it is.
 *
 * A worker notes it in a file of its own, run/begun/<worker>, before anybody else may notice the attempt. That waits for
 * nobody and flushes nothing: a note outlives any process, but not a power cut. So the file run/begun/boot says during which
 * boot of the kernel the notes are complete. Without it, or after another boot, every attempt is taken for begun; a worker
 * that cannot note removes it. A worker has its file locked for as long as it lives: who reads the notes waits for the
 * workers of the life before to be gone. */
#ifndef FNR_WORKER_BEGUN_H
#define FNR_WORKER_BEGUN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/id.h"

struct begun_note { char worker[32], job[FNR_ID_TEXT], backend[68]; int attempt; };

/* ---- a worker's side ---- */

int begun_open(const char *worker);                    /* its file; -1: nothing can be noted */
void begun_note(int fd, const char *job, int attempt, const char *backend);    /* the one before has come to its end, and that is stored */

/* ---- the manager's side ---- */

struct begun;
struct begun *begun_read(void);                        /* what the life before noted */
bool begun_complete(const struct begun *begun);        /* nothing else has begun … */
struct fnr_id begun_doubt(const struct begun *begun);  /* … since this job; what came before may have, by lives before that one */
bool begun_has(const struct begun *begun, const char *job, int attempt);       /* it is noted, or nobody knows */
const struct begun_note *begun_notes(const struct begun *begun, size_t *count_r);
void begun_free(struct begun *begun);
bool begun_noted(const char *worker, const char *job, int attempt);            /* by a worker that is dead, of this life; or nobody knows */
/* A new life; before its first worker. Nothing of the one before is left open but jobs up to doubt, which may have begun. */
void begun_reset(const struct fnr_id *doubt);
void begun_forget(const char *worker);                 /* it is dead, and what came of its attempts is stored */

#endif
