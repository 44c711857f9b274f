/* The words of the system: states, stages, tiers, event names, error classes, scopes. The store, the API, the logs,
 * the pages and the clients use exactly these; a test holds them together. Each list is written once, here.
 */
#ifndef FNR_BASE_VOCAB_H
#define FNR_BASE_VOCAB_H

#include <stdbool.h>
#include <stddef.h>

/* Numbers are stored: never change or reuse one. */
#define FNR_STATES(X) \
	X(SCHEDULED, 0, "scheduled") \
	X(QUEUED, 1, "queued") \
	X(RUNNING, 2, "running") \
	X(FINISHING, 3, "finishing") \
	X(CANCELLING, 4, "cancelling") \
	X(RETRY_WAIT, 5, "retry_wait") \
	X(COMPLETED, 6, "completed") \
	X(FAILED, 7, "failed") \
	X(CANCELLED, 8, "cancelled") \
	X(EXPIRED, 9, "expired")
enum fnr_state {
#define X(name, number, text) FNR_STATE_##name = number,
	FNR_STATES(X)
#undef X
	FNR_STATE_COUNT
};

#define FNR_STAGES(X) \
	X(QUEUE, 0, "queue") \
	X(PREPARATION, 1, "preparation") \
	X(EXECUTION, 2, "execution") \
	X(FINALIZATION, 3, "finalization")
enum fnr_stage {
#define X(name, number, text) FNR_STAGE_##name = number,
	FNR_STAGES(X)
#undef X
	FNR_STAGE_COUNT
};

#define FNR_QUALITIES(X) \
	X(DRAFT, 0, "draft") \
	X(STANDARD, 1, "standard") \
	X(HIGH, 2, "high") \
	X(ULTRA, 3, "ultra")
enum fnr_quality {
#define X(name, number, text) FNR_QUALITY_##name = number,
	FNR_QUALITIES(X)
#undef X
	FNR_QUALITY_COUNT
};

#define FNR_CLASSES(X) \
	X(UNKNOWN, 0, "unknown") \
	X(TRANSIENT, 1, "transient") \
	X(RESOURCE, 2, "resource") \
	X(VALIDATION, 3, "validation") \
	X(PERMANENT, 4, "permanent")
enum fnr_class {
#define X(name, number, text) FNR_CLASS_##name = number,
	FNR_CLASSES(X)
#undef X
	FNR_CLASS_COUNT
};

#define FNR_EVENTS(X) \
	X(BREAK, 0, "break") /* internal: a start of the manager; never sent */ \
	X(JOB_QUEUED, 1, "job.queued") \
	X(JOB_STARTED, 2, "job.started") \
	X(JOB_PROGRESS, 3, "job.progress") \
	X(JOB_PREVIEW, 4, "job.preview") \
	X(JOB_LOG, 5, "job.log") \
	X(JOB_RETRYING, 6, "job.retrying") \
	X(JOB_COMPLETED, 7, "job.completed") \
	X(JOB_FAILED, 8, "job.failed") \
	X(JOB_CANCELLED, 9, "job.cancelled") \
	X(JOB_EXPIRED, 10, "job.expired") \
	X(BATCH_PROGRESS, 11, "batch.progress") \
	X(TEMPLATE_CHANGED, 12, "template.changed") \
	X(PRESET_CHANGED, 13, "preset.changed") \
	X(BACKEND_CHANGED, 14, "backend.changed") \
	X(WORKER_CHANGED, 15, "worker.changed") \
	X(QUEUE_CHANGED, 16, "queue.changed") \
	X(ALERT_RAISED, 17, "alert.raised") \
	X(TAKE_CHOSEN, 18, "take.chosen") \
	X(TAKE_DELETED, 19, "take.deleted") \
	X(KEY_CREATED, 20, "key.created") /* these two: for those who may administer */ \
	X(KEY_REVOKED, 21, "key.revoked") \
	X(JOB_DELETED, 22, "job.deleted")
enum fnr_event {
#define X(name, number, text) FNR_EVENT_##name = number,
	FNR_EVENTS(X)
#undef X
	FNR_EVENT_COUNT
};

/* Scopes are bits: admin contains submit contains read. */
enum fnr_scope { FNR_SCOPE_NONE = 0, FNR_SCOPE_READ = 1, FNR_SCOPE_SUBMIT = 2, FNR_SCOPE_ADMIN = 4 };

const char *fnr_state_name(enum fnr_state state);
const char *fnr_stage_name(enum fnr_stage stage);
const char *fnr_quality_name(enum fnr_quality quality);
const char *fnr_class_name(enum fnr_class class_);
const char *fnr_event_name(enum fnr_event event);

/* Each returns the number, or -1 for an unknown word. Quality also takes the old names "low" and "premium". */
int fnr_state_parse(const char *text);
int fnr_stage_parse(const char *text);
int fnr_quality_parse(const char *text);
int fnr_class_parse(const char *text);
int fnr_event_parse(const char *text);

bool fnr_state_waiting(enum fnr_state state);   /* scheduled, queued, retry_wait */
bool fnr_state_running(enum fnr_state state);   /* running, finishing, cancelling */
bool fnr_state_terminal(enum fnr_state state);  /* completed, failed, cancelled, expired */

#endif
