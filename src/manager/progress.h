/* How far a job is, as people see it: stages with weights, one overall percent that never goes back within an attempt,
 * a message, and how long it will take. Logic without I/O. */
#ifndef FNR_MANAGER_PROGRESS_H
#define FNR_MANAGER_PROGRESS_H

#include "base/buf.h"
#include "manager/functions.h"
#include "queue/estimate.h"

#define PROGRESS_DEVICES 16

/* Of the server that it runs on, as that says; bytes. */
struct server_device { char name[96]; int64_t vram_total, vram_free; };
struct server_memory { bool known; int device_count; struct server_device devices[PROGRESS_DEVICES]; int64_t ram_total, ram_free; };

struct progress {
	enum fnr_stage stage;
	double fraction[FNR_STAGE_COUNT];
	int64_t start[FNR_STAGE_COUNT], end[FNR_STAGE_COUNT];   /* wall clock, 0 = not (yet) */
	double percent;
	char message[256];
	double eta_s, confidence;                               /* eta_s < 0: unknown */
	struct estimate past;                             /* of runs like this one */
	double cores, memory_mb;                                /* in use now; cores < 0: not known */
	int64_t cpu_ms, measured_at;                            /* as of the last measurement */
	struct server_memory server;
};

/* Of a job that no attempt is known of: what its head tells. */
void progress_of_head(struct progress *progress, const struct job_head *head);

/* An attempt begins. function may be NULL (it cannot be read any more): then every stage weighs the same. */
void progress_begin(struct progress *progress, const struct function *function, int64_t queued_at, int64_t started_at);

/* How long runs like this one took: from here on that counts for the ETA as well. */
void progress_expect(struct progress *progress, const struct estimate *past, int64_t now);

/* What it uses: computing time since the attempt began, and memory now. Time has passed: the ETA is told anew. */
void progress_measure(struct progress *progress, const struct function *function, int64_t cpu_ms, uint64_t memory, int64_t now);

/* How full the memory of its server is, as run_server_memory told it; NULL: not known any more. */
void progress_serve(struct progress *progress, struct json_object *found);

/* The worker says how far it is. Earlier stages are then completed; a report of a stage that is over changes nothing.
 * message NULL: the template's. */
void progress_report(struct progress *progress, const struct function *function, enum fnr_stage stage, double fraction,
                     const char *message, int64_t now);

/* The attempt was so far when it was last heard of, in an earlier life of ours. */
void progress_go_on(struct progress *progress, enum fnr_stage stage, double percent, int64_t now);

/* The attempt is over, in this state: with its last words. */
void progress_end(struct progress *progress, enum fnr_state state, int64_t now);

/* The progress object of api.md for a job in this state. */
void progress_render(struct fnr_buf *out, const struct progress *progress, enum fnr_state state);

#endif
