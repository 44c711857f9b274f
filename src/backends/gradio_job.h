/* One job of a Gradio app as its messages tell of it: reports go to the run at once; how it ended, and with what, is kept. No
 * I/O here: gradio.c reads the stream and does what a message asks for.
 */
#ifndef FNR_BACKENDS_GRADIO_JOB_H
#define FNR_BACKENDS_GRADIO_JOB_H

#include "backends/backend.h"
#include "backends/gradio_app.h"
#include "backends/gradio_partial.h"

enum gradio_end {
	GRADIO_GOES_ON,
	GRADIO_COMPLETED,
	GRADIO_FAILED,            /* the app's function did */
	GRADIO_CANCELLED,
	GRADIO_FULL,              /* the queue takes no more; the job was not begun */
	GRADIO_LOST,              /* the server gave up all jobs of the stream */
};

struct gradio_job {
	struct run *run;
	const struct gradio_app *app;
	char event_id[64];                /* "" while it is not known: then every message is this job's */
	enum gradio_end end;
	struct json_object *data;         /* of a completed job, owned; NULL: the function gave nothing */
	char text[512], title[128];       /* of a failed or lost one; "" if not told */
	bool waits, started;              /* the app told of its queue; the function has been called */
	bool send_data;                   /* the server waits for the inputs (the first protocol) */
	bool closing;                     /* the stream has no more to say */
	bool no_session;                  /* lost, as the server does not know the session */
	bool changed;                     /* partial has news */
	struct gradio_partial partial;
	double fraction;
};

/* One message of a stream. What is unknown, of another job, or behind the end counts for nothing. */
void gradio_job_message(struct gradio_job *job, struct json_object *message);
/* One event of the simple interface, /call. */
void gradio_job_event(struct gradio_job *job, const char *name, struct json_object *value);
/* The body {"error": …} of a direct call that failed. */
void gradio_job_refused(struct gradio_job *job, struct json_object *body);
void gradio_job_free(struct gradio_job *job);

/* The value itself, where a function gave an update of its component. NULL also where that changes no value. */
struct json_object *gradio_plain(struct json_object *value);

/* Says why the function failed. For use as `return gradio_job_failed(…)`: gives RUN_FAILED. */
enum run_result gradio_job_failed(const struct gradio_job *job, struct run_error *error);

/* What the body of a refusal says, as text: "detail" or "error" in any of their forms, else the beginning of the body. */
void gradio_detail(struct json_object *json, const char *body, char *out, size_t size);

#endif
