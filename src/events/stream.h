/* One open request of fnr-events: a stream of one job, of one batch, or of everything its key may see; or a request
 * that is held until a job has finished (`Prefer: wait`). A stream never owns a job: closing it changes nothing. */
#ifndef FNR_EVENTS_STREAM_H
#define FNR_EVENTS_STREAM_H

#include "events/backlog.h"
#include "events/topics.h"
#include "events/viewer.h"

enum stream_kind { STREAM_JOB, STREAM_BATCH, STREAM_WIDE, STREAM_WAIT };

/* Where it stands. Only a live one is given new events; each of the others has work waiting in the hub. */
enum stream_phase {
	PHASE_NEW,        /* to get a snapshot */
	PHASE_BROKEN,     /* to get a gap and a snapshot */
	PHASE_RESUMED,    /* came back with the number of its last event: is anything after it missing? */
	PHASE_BEHIND,     /* to be sent what the journal has after that number */
	PHASE_LIVE,
	PHASE_ENDED       /* nothing follows what lies in the backlog */
};

/* What a wide stream leaves out. Made by filter.h. */
struct filter {
	uint32_t types;                  /* bits of enum fnr_event */
	bool has_batch, has_node;
	struct fnr_id batch;
	char project[68];                /* "" = every project */
	uint32_t project_number;         /* 0 while the project has no number yet */
	char node_id[132];
};

struct stream {
	struct topic_link link;          /* first: the topics hand out links */
	TAILQ_ENTRY(stream) of_hub, of_viewer, in_beat, in_work;
	struct backlog backlog;
	struct viewer *viewer;           /* NULL for STREAM_WAIT */
	struct filter *filter;           /* STREAM_WIDE only, owned */
	struct fnr_id id;                /* of the job or batch */
	uint64_t after;                  /* number of the last event it needs no more */
	int64_t deadline;                /* STREAM_WAIT: when to give up (fnr_mono_ms) */
	uint32_t project;                /* of the job or batch */
	uint32_t moved;                  /* turn of the hub in which its reader last took something, or had nothing to take */
	uint8_t kind, phase, beat;
	bool asleep;                     /* its connection is suspended */
	bool working;                    /* is on the hub's list of work */
	bool done;                       /* STREAM_WAIT: the job has finished */
	void *owner, *connection;        /* struct serve and struct MHD_Connection, for src/events/serve.c */
};

#endif
