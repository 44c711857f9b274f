/* The parts of the ComfyUI backend (comfyui.c): one prompt on one server, from its workflow to its files.
 *
 * Ids are derived from job and attempt, so that whoever comes after us finds the prompt again; an older server that gives an
 * id of its own is found by the client id, which it keeps with the prompt. The WebSocket tells what happens; what has
 * happened is decided by what the server says when it is asked (comfyui_state.c), as messages can be missed and misread.
 */
#ifndef FNR_BACKENDS_COMFYUI_H
#define FNR_BACKENDS_COMFYUI_H

#include "backends/backend.h"
#include "backends/http.h"
#include "backends/websocket.h"
#include "base/conf.h"
#include "base/id.h"

#define COMFYUI_HTTP HTTP_BASIC

struct comfyui_node {
	const char *id, *class_;          /* borrowed from the workflow */
	double weight, fraction;
	int64_t began;                    /* 0: it has not begun, or has ended */
	int64_t took_ms;                  /* 0: it did not run before our eyes */
	bool counts;                      /* it is expected to be run */
};

enum comfyui_end { COMFYUI_GOING, COMFYUI_SUCCEEDED, COMFYUI_FAILED, COMFYUI_INTERRUPTED };

struct comfyui {
	struct run *run;
	struct run_error *error;
	struct http *http;
	struct fnr_conf conf;
	struct json_object *backend;      /* of the template's definition; borrowed */
	struct json_object *workflow;
	char prompt[FNR_ID_TEXT], client[FNR_ID_TEXT];
	bool joined;                      /* it ran before we saw it */
	bool shared;                      /* other prompts had this client id before: it does not tell which is ours */
	bool known;                       /* the server has told that it is our prompt's id */
	bool our_id;                      /* … and it is the one that we gave */
	enum { COMFYUI_JOBS_MAYBE, COMFYUI_JOBS, COMFYUI_NO_JOBS } jobs;      /* has the server the newer routes? */
	int64_t deadline;                 /* CLOCK_MONOTONIC */

	struct websocket *socket;         /* NULL: lost */
	bool greeted;                     /* its first status came */
	bool leaving;                     /* nothing more is wanted of it */
	bool heard;                       /* something was told of our prompt */
	int64_t heard_at;                 /* that was then; before, when we began */
	bool runs;                        /* the server said so when it was asked */

	struct comfyui_node *nodes;       /* by id */
	size_t node_count;
	struct comfyui_node *current;     /* that is being run, or NULL */
	double fraction;                  /* of all; never goes back */
	char words[256];

	enum comfyui_end end;             /* by the messages; only a hint */
	int64_t end_at;
	bool over;                        /* executing null came for our prompt */
	struct json_object *failure;      /* the data of execution_error; owned */
	struct json_object *executed;     /* node -> output, as the messages told; owned */
	size_t executed_size;             /* bytes of the messages that are in it */
	struct json_object *early;        /* texts of messages of other prompts that came before ours was known; owned */
	size_t early_size;                /* bytes in it */
	struct json_object *received;     /* array of {"node","file"}: pictures that came over the socket, in work_dir; owned */
	uint64_t received_size;           /* bytes of all of them */

	struct {                          /* comfyui_memory.c */
		struct http_stream *stream;   /* the question that is on its way, or NULL */
		struct http_answer answer;
		int64_t due;                  /* when the next one is asked; 0: the prompt does not run yet */
		bool told;                    /* the last one was answered */
	} memory;
};

/* ---- comfyui_request.c: what is sent ---- */

void comfyui_ids(struct comfyui *comfyui);
/* From now on the prompt has this id, which the server gave. False: it is none that can stand in an address. */
bool comfyui_id_adopt(struct comfyui *comfyui, const char *id);
/* The template's workflow, unfilled. False with *error set. */
bool comfyui_workflow_load(struct comfyui *comfyui);
/* Uploads files and fills in the bindings. */
enum run_result comfyui_workflow_fill(struct comfyui *comfyui);
/* Gives the workflow to the server; comfyui->prompt becomes the id that the server uses. RUN_DONE: it has it. */
enum run_result comfyui_submit(struct comfyui *comfyui);

/* ---- comfyui_events.c: what the socket tells ---- */

void comfyui_message(bool text, const char *data, size_t len, void *context);    /* context: a struct comfyui */
/* What came before the prompt had the id by which the server calls it. */
void comfyui_hear_early(struct comfyui *comfyui);

/* ---- comfyui_socket.c: the socket itself ----
 *
 * It is opened for a prompt and kept for the next ones on that server, for some seconds, as making one costs more than all else
 * of a short job. A server tells a socket of the prompts that were given with its client id; so those that share a socket have
 * the id that was made for the first of them, and whoever joins a prompt asks the server which it is (comfyui_recall_client). A
 * server that gives prompts ids of its own finds them by the client id alone: with such a one no socket is kept. */

/* The socket, and its first status; comfyui->client is the id that it has. */
bool comfyui_connect(struct comfyui *comfyui, struct http_answer *answer);
void comfyui_disconnect(struct comfyui *comfyui);
void comfyui_hang_up(struct comfyui *comfyui);            /* the same when the prompt has ended: it may be kept */
void comfyui_listen(struct comfyui *comfyui);             /* takes what has come; a lost socket is NULL afterwards */
void comfyui_goodbye(struct comfyui *comfyui);            /* the prompt has ended: nobody waits for the socket's end */
void comfyui_idle(int fd);                                /* as backends/backend.h has it */
void comfyui_release(const struct endpoint *next);

/* ---- comfyui_progress.c: how far it is, in words ---- */

void comfyui_nodes_make(struct comfyui *comfyui);
struct comfyui_node *comfyui_node(struct comfyui *comfyui, const char *id);  /* NULL if there is none */
void comfyui_node_begins(struct comfyui *comfyui, const char *id);
void comfyui_node_is_at(struct comfyui *comfyui, const char *id, double value, double most);
void comfyui_node_done(struct comfyui *comfyui, const char *id, bool cached);
void comfyui_progress(struct comfyui *comfyui);           /* reports it */
void comfyui_tell_took(struct comfyui *comfyui);          /* how long nodes of each class took, for the weights of later runs */

/* ---- comfyui_state.c: what the server says when it is asked ---- */

enum comfyui_state { COMFYUI_UNKNOWN, COMFYUI_PENDING, COMFYUI_RUNNING, COMFYUI_ENDED, COMFYUI_UNASKED };
struct comfyui_report {
	enum comfyui_state state;         /* UNASKED: it cannot be told at the moment, answer says why */
	size_t before;                    /* PENDING: prompts that run sooner */
	struct json_object *entry;        /* ENDED: of the history; owned */
};
/* By the jobs route where there is one; else first the queue, then the history: nothing that ends between the two is missed.
 * regardless: also when the run shall stop. */
void comfyui_ask(struct comfyui *comfyui, bool regardless, struct comfyui_report *report, struct http_answer *answer);
void comfyui_recall_client(struct comfyui *comfyui);      /* the client id that our prompt was given with, if it is waiting or running */
enum comfyui_end comfyui_end_of(struct json_object *entry, struct json_object **failure_r);   /* failure: borrowed */

/* ---- comfyui_memory.c: what it has in use meanwhile ---- */

void comfyui_memory(struct comfyui *comfyui);             /* in each turn while the prompt is watched: asks when it is time, tells what came; never waits */
void comfyui_memory_end(struct comfyui *comfyui);

/* ---- comfyui_cancel.c ---- */

/* Takes the prompt out of the queue or interrupts it, and sees to it that this has happened. False: nobody listens. */
bool comfyui_cancel(struct comfyui *comfyui);

/* ---- comfyui_outputs.c ---- */

/* Fetches what the template's outputs name. outputs: of the history's entry. */
enum run_result comfyui_collect(struct comfyui *comfyui, struct json_object *outputs);

/* ---- comfyui_errors.c: in our words; each gives RUN_FAILED ---- */

enum run_result comfyui_refused(struct comfyui *comfyui, const struct http_answer *answer);
enum run_result comfyui_node_errors(struct comfyui *comfyui, struct json_object *node_errors, struct json_object *error);
enum run_result comfyui_execution_failed(struct comfyui *comfyui, struct json_object *failure);
bool comfyui_out_of_memory(struct json_object *failure);

/* ---- comfyui_probe.c ---- */

bool comfyui_probe(const struct endpoint *endpoint, struct json_object *found, struct run_error *error);
/* Adds to found what /system_stats says of memory: devices, ram_total, ram_free. */
void comfyui_found_memory(struct json_object *stats, struct json_object *found);
void comfyui_probe_nodes(const struct endpoint *endpoint, struct json_object *found);       /* comfyui_nodes.c */
/* The choices of an input of a class as object_info tells them, in its older and newer shape: an array, borrowed, or NULL. */
struct json_object *comfyui_choices(struct json_object *class_info, const char *input);

#endif
