/* The life of a job as one table: state and trigger give the next state, or say that the trigger does not apply.
 *
 *   accept -> scheduled | queued
 *   scheduled  -due-> queued      -cancel-> cancelled   -expire-> expired   -fail-> failed (a job that it depends on did)
 *   queued     -dispatch-> running -cancel-> cancelled  -expire-> expired   -fail-> failed
 *   running    -manifest-> finishing   -done-> completed (no files to file)   -cancel-> cancelling
 *              -retry-> retry_wait   -lost-> retry_wait   -give_back-> queued   -fail-> failed
 *   finishing  -done-> completed   -fail-> failed (the disk refuses)           (cancel does not apply: 409)
 *   cancelling -stopped-> cancelled (the attempt ended, however)   -lost-> cancelled
 *   retry_wait -due-> queued      -cancel-> cancelled   -expire-> expired
 *   completed, failed, cancelled, expired: final
 */
#ifndef FNR_QUEUE_STATE_H
#define FNR_QUEUE_STATE_H

#include "base/vocab.h"

#define FNR_TRIGGERS(X) \
	X(DUE, "due") X(DISPATCH, "dispatch") X(MANIFEST, "manifest") X(DONE, "done") X(FAIL, "fail") X(RETRY, "retry") \
	X(LOST, "lost") X(GIVE_BACK, "give_back") X(CANCEL, "cancel") X(STOPPED, "stopped") X(EXPIRE, "expire")
enum trigger {
#define X(name, text) TRIGGER_##name,
	FNR_TRIGGERS(X)
#undef X
	TRIGGER_COUNT
};

#define STATE_NONE (-1)   /* the trigger does not apply in that state: ignore the report, or refuse the request */

int state_next(enum fnr_state state, enum trigger trigger);   /* an enum fnr_state or STATE_NONE */
const char *trigger_name(enum trigger trigger);

#endif
