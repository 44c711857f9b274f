/* fnr-manager: decides which job runs where, when to try again, how many workers there are. It alone changes a job after
 * its acceptance, and it alone writes the journal.
 *
 * Its life is turns (loop.c). A turn takes everything that is ready: reports of workers, deaths, commands, jobs that
 * are due, new jobs. It decides, writes all of it in one store transaction, commits, and only then tells workers, writes
 * the journal and rings the bell of fnr-events (in this order: the workers work meanwhile, which is a seventh more jobs
 * a second). A turn in which nothing durable changes (progress, logs) leaves the store alone. Nobody is told of anything
 * before it is on disk, so being killed between any two lines costs at most a repetition; how a life begins again is in
 * recover.c. One thing is told before: an attempt on a server where it can be found again (worker/wire.h, "early"). The commit
 * is then no part of how long a job takes, and what a kill kept from being written down is taken over by the next life.
 *
 *   loop.c       what is ready; the turn; when the next one is
 *   reports.c    what workers say            commands.c   what clients asked for
 *   dispatch.c   new, due and next jobs      finish.c     filing results as takes, in three steps
 *   moves.c      every change of a job's state: record, indexes, attempt record, event
 *   turn.c       the turn's transaction, its events, its writing of the journal
 *   queues.c     paused queues, weights   retention.c  finished jobs that have had their time
 *   thumbnails.c thumbnails of results, when nothing else is to be done
 *   discards.c   folders of attempts that came to nothing
 *   parents.c    jobs that depend on others   backends.c   where jobs run, and whether it works there
 *   workers.c    how many workers operators want, and which shall go
 *   places.c     which of these a job goes to   probes.c     asking servers how they are
 *   attach.c     attempts that go on while nobody of us watches them        machine.c    what this machine has
 *   graphics.c   … and its graphics cards
 *   statistics.c figures of queues, runs and errors
 *   payloads.c   files of requests that came to no end
 *   batches.c    progress of batches         house.c      each second: live table, trimming, expiry, files of deleted jobs
 *   recover.c    the start                   stop.c       the end
 *   clock.c      a wall clock that is set
 *
 * What cannot be written to the store ends the program: the supervisor starts it again, and the start is the one way of
 * recovery that is always tested.
 */
#ifndef FNR_MANAGER_MANAGER_H
#define FNR_MANAGER_MANAGER_H

#include <dirent.h>

#include "base/conf.h"
#include "base/err.h"
#include "manager/functions.h"
#include "manager/pool.h"
#include "manager/progress.h"
#include "queue/breaker.h"
#include "queue/figures.h"
#include "queue/limits.h"
#include "queue/state.h"
#include "store/journal.h"
#include "worker/begun.h"

#define MASS_A_TURN 1000         /* jobs that commands or due times may change in one turn */
#define NEW_A_TURN 2000          /* new jobs that are taken up in one turn */
#define PROGRESS_EVERY_MS 100    /* of one job, on the average */
#define PROGRESS_AHEAD 2         /* so many more may be told at once after a pause */
#define MEASURES_EVERY_MS 1000   /* of one job, where no progress tells what it uses */
#define STAGE_MS 100             /* until a stage that was entered is written to the job, unless its record is written sooner */
#define BATCH_EVERY_MS 250       /* of one batch */
#define CANCEL_MS 10000          /* a worker that does not end a cancelled attempt by then is killed */
#define OVERTIME_MS 10000        /* beyond the attempt's own time-out, which the worker enforces */
#define HANG_MS 4500             /* without a sign of life while an attempt runs */
#define FILING_HANG_MS 120000    /* the same while it flushes or removes files, which sends no heartbeat */
#define OWN_STALL_MS 2000        /* if we were away ourselves for so long, silence says nothing about workers */

/* Why an attempt's worker was killed by us, if it was. */
enum killed_for { KILLED_NOT, KILLED_TIMEOUT, KILLED_HANG, KILLED_CANCEL };

/* An attempt that runs, or whose result is being filed. It exists while the job is running, finishing or cancelling. */
struct task {
	struct task *next;
	struct fnr_id job;
	char id[FNR_ID_TEXT];
	uint16_t attempt;
	struct job_head head;               /* as it was stored last; for events that change nothing */
	struct json_object *summary;        /* owned; see store_job_body */
	struct function *function;          /* held; NULL if it could not be read after a restart */
	struct worker *worker;              /* NULL: its filing waits for one */
	struct backend *place;              /* where it holds a slot; NULL when its work there is over */
	char worker_name[32], backend[68], placement[64];
	int64_t started_at;                 /* wall clock */
	int64_t deadline, cancel_by;        /* CLOCK_BOOTTIME; 0 = none */
	enum killed_for killed_for;
	struct progress progress;
	bool attach_due;                    /* it goes on over there, and a worker is to join it */
	unsigned joins;                     /* how often that was wanted */
	bool begun;                         /* its function was started, for all we know */
	bool elsewhere;                     /* it failed because its backend lacks something that another one may have */
	bool excused;                       /* we were stopped in good order since it was heard of last: should it be lost, that was no crash */
	bool reported;                      /* progress was told by the worker at least once */
	bool untold;                        /* … and not yet by us */
	bool measured;                      /* what it uses was measured, and not told yet */
	int64_t told_at, tell_next;         /* CLOCK_BOOTTIME; next: when it is told if all come evenly */
	int64_t cpu_ms;
	uint64_t rss_max;

	struct json_object *manifest;       /* finishing: as in the active record; owned */
	uint32_t highest;                   /* highest take folder on disk, looked up before the transaction */
	char *take;                         /* take.json as text; owned; NULL until it is made or if there is none */
	bool finish_due;                    /* step 2 is to be given to a worker */
	int64_t finish_after;               /* CLOCK_BOOTTIME: not before */
	unsigned finish_tries;
};

struct report { struct worker *worker; struct json_object *message; };

/* Something for the journal: an event whose data lies in the turn's text, or what goes with one. */
enum note_kind { NOTE_EVENT, NOTE_LOG, NOTE_PREVIEW, NOTE_PROGRESS };
struct note {
	enum note_kind kind;
	enum fnr_event type;
	uint64_t number;
	struct fnr_id job, batch;
	uint32_t project;
	size_t begin, end;                  /* of the data in the turn's text; logs and previews have no end of object yet */
	char *media_type, *text, level[8];  /* previews; logs; owned */
	void *data;                         /* previews; owned */
	size_t data_len;
};

struct turn {
	struct store_txn *txn;              /* write transaction; NULL in a turn that changes nothing durable */
	int64_t now, mono;
	struct fnr_buf text;                /* data of all notes, one behind the other */
	struct note *notes;
	size_t note_count, note_size;
	size_t moves;                       /* jobs changed by commands and due times: at most MASS_A_TURN */
	struct fnr_buf line;                /* what is logged after the commit: level, id, 0, text, 0; and so on */
	struct fnr_buf ended;               /* names of dead workers, each with its 0: what they noted goes after the commit */
};

/* Batches whose jobs changed and whose progress was not told yet, or was told just now. */
struct batch_watch { struct fnr_id id; int64_t told_at; bool changed; };

/* Where jobs run: this machine, or a server that an operator added. Breaker and score say whether it works there. */
#define BACKEND_LOCAL "local"
/* Which node classes a server has (nodes.c). */
#define BACKEND_NODES_SEEN 64
struct backend_nodes_seen { uint32_t need; bool suffice; };
struct backend_nodes {
	char *set;                          /* registry/nodes.h; owned; NULL: not known */
	size_t len;
	bool asked;                         /* it is asked for them now, and nothing has changed since */
	int64_t told_at, due;               /* CLOCK_BOOTTIME; due: when it is asked for them again */
	bool news;                          /* they are to be written to the live table */
	struct backend_nodes_seen seen[BACKEND_NODES_SEEN];     /* for which needs (places.c) they suffice, by number */
};

enum backend_hook { HOOK_DUE, HOOK_RUNS, HOOK_FAILED, HOOK_DONE };    /* FAILED: or there is none; the store keeps these numbers */
struct backend {
	struct backend *next;
	char id[68];
	char kind[68];                      /* of the templates whose jobs it does; this machine: "", for all kinds that need no server */
	struct breaker breaker;
	char reason[512];                   /* what it said last when it could do nothing */
	double score;                       /* health, 0 to 1 (queue/choice.h) */
	unsigned running, concurrency;      /* attempts there; so many at a time */
	int64_t used_at;                    /* CLOCK_BOOTTIME: a job was started there last */

	uint64_t revision;                  /* of its record */
	char created_at[40];                /* of its record, as text: with the url what tells it from one before it with the same id */
	char *url, *endpoint;               /* endpoint: JSON text as it goes to workers, with credentials; owned */
	struct json_object *labels;         /* owned */
	struct json_object *loaded;         /* models of the job that it began last, owned; NULL: none, or nobody knows */
	const char *state_told;             /* a word of the API, as it was told last; NULL: not yet */
	int64_t state_since;                /* wall clock; 0: not told yet */
	bool drained;                       /* gets no more jobs */
	bool suspect;                       /* it went on with what it was told to stop, and gets no more jobs until it is trusted again */
	bool restart_wanted, restart_tried; /* it does not answer: its hook may help, once until it works again */
	enum backend_hook hook;             /* of a suspect server, or one that does not answer: is it restarted? */
	bool gone;                          /* its record is, and it leaves with its last attempt */

	bool asked;                         /* it can be: its kind has a probe */
	bool known;                         /* it answered once since it was added, changed or we started */
	bool silent;                        /* its last failure was that it did not answer */
	bool found_news;                    /* found is to be written to the live table */
	struct worker *prober;              /* asks it now, or runs its hook */
	int64_t probe_due;                  /* CLOCK_BOOTTIME */
	int64_t probed_at, probe_ms;        /* wall clock of the last answer, and how long it took; 0: none yet */
	struct json_object *found;          /* what it said; owned */
	struct backend_nodes nodes;
};

/* Asking for the graphics cards of this machine. */
struct graphics {
	struct json_object *devices;        /* as the last answer had them, owned; NULL: there are none */
	bool asks;                          /* a child is at it: */
	pid_t asker;
	int fd;                             /* what it says */
	struct fnr_buf answer;
	int64_t due, until;                 /* CLOCK_BOOTTIME: when it is asked again, and when the child has had its time */
};

/* A way through the files of payloads. */
struct payload_file { struct fnr_id id; bool wanted; };
struct payload_sweep {
	DIR *folder;                        /* NULL: it rests */
	struct payload_file *files;         /* old ones, owned; in order while it walks */
	size_t count, next, removed;        /* next: those before it are dealt with */
	struct fnr_id place;                /* jobs up to this one were looked at */
	bool listed, walks, seen;           /* all names were read; jobs are looked at; all of them were */
	int64_t due;                        /* CLOCK_BOOTTIME: when the next one begins */
};

enum backend_proof { BACKEND_WORKS, BACKEND_DOWN, BACKEND_UNPROVED };

#define STATISTICS_RUNS 64
struct statistics {
	struct figures **queues;            /* by number; NULL: nothing happened in it yet; owned */
	size_t queue_count;
	struct store_runs runs[STATISTICS_RUNS];    /* of this turn, not stored yet */
	size_t count;
};

/* How many workers operators want, one more than the number; 0: as configured. The configuration that is in force has both. */
struct scale { uint64_t least, most; int64_t configured_least, configured_most; };

struct manager {
	struct fnr_conf conf;
	const char *conf_path;
	bool verbose;                       /* debug lines are wanted */
	struct store *store;
	struct journal *journal;
	struct lanes *lanes;
	struct limits *limits;
	struct functions *functions;
	struct pool pool;
	struct scale scale;
	struct backend local, *servers;     /* servers: in order of their ids */
	uint64_t servers_revision;          /* of the store when they were read */
	struct need *needs;                 /* of classes of jobs (places.c) */
	uint32_t need_number;               /* the last one given */
	unsigned passed;                    /* lanes that stand aside for others in this turn, as their model is loaded elsewhere */
	int passed_level;
	bool settling;                      /* nobody lets others go first any more */
	size_t held;                        /* needs whose lanes stand aside */
	struct statistics statistics;
	struct graphics graphics;
	struct task *tasks;
	size_t task_count;
	struct begun *begun;                /* at the start: attempts that an earlier life has begun */
	struct fnr_id doubt;                /* jobs up to this one may have begun without a note of it (worker/begun.h) */
	struct turn turn;

	struct report *reports;             /* of this turn, in order of arrival */
	size_t report_count, report_size;

	uint64_t number, number_end;        /* event numbers at hand: [number, number_end) */
	bool numbers_wanted;                /* they ran out in a turn without transaction */
	bool journal_gap;                   /* events could not be written: a break comes first */
	struct fnr_id seen;                 /* newest job that was taken up */
	struct lane_key *left;              /* lanes whose next job was not taken up yet: looked at again when all are */
	size_t left_count, left_size;
	bool look;                          /* the bell rang, or it is time to look by ourselves */
	bool more;                          /* commands, due or new jobs are left over from the turn before */
	bool work;                          /* this turn has something for the store */
	int64_t next_due;                   /* wall clock; 0 = none */
	int64_t stages_due;                 /* CLOCK_BOOTTIME: stages that jobs have entered are written then; 0 = none */
	uint64_t queued;                    /* waiting in lanes, as the store counted last */

	struct batch_watch *batches;
	size_t batch_count, batch_size;
	char **discards;                    /* folders of attempts that a worker shall remove; owned */
	size_t discard_count, discard_size;
	size_t discard_told;                /* the first so many were given to this worker; NULL: to none */
	struct worker *discard_worker;

	int64_t queues_due;                 /* wall clock; when the next paused queue goes on by itself; 0 = none */
	int64_t began_at, began_mono;       /* wall clock and CLOCK_BOOTTIME of the start */
	bool clock_distrusted, store_large;
	uint64_t reader_txn;                /* what the oldest reader of the store reads … */
	int64_t reader_since;               /* … since when, for all we know; INT64_MAX: that was told */
	int64_t clock_offset, clock_back;   /* wall clock less CLOCK_BOOTTIME; how far it was set back since that was made up for */
	bool no_room;                       /* the disk is so full that not even what happens can be written down */
	bool disk_low;                      /* … so full that nothing is started (machine.c), as it was seen last */
	int64_t disk_at;                    /* CLOCK_BOOTTIME: when it is looked at next */
	int64_t bytes_at;                   /* CLOCK_BOOTTIME: when the store's size is looked at next */
	struct payload_sweep payload_sweep;
	struct fnr_id retention_cursor;     /* jobs up to this one were looked at */
	bool thumbnails;                    /* some may be wanted */
	struct worker *thumbnail_worker;    /* makes one; NULL: none is being made */
	uint8_t thumbnail[32];              /* of this content */
	char thumbnail_work[96];            /* in this folder */
	bool thumbnail_ended;               /* the worker was killed by us, as a job needs its place */

	int epoll, bell, signals;
	int64_t tick_at, readers_at;        /* CLOCK_BOOTTIME: next housekeeping */
	int64_t turned_at;                  /* CLOCK_BOOTTIME: last turn */
	struct fnr_id upload_cursor;
	uint8_t idempotency_cursor[32], estimate_cursor[32];
	bool child_died;
	bool stopping;
	int64_t stop_by;                    /* CLOCK_BOOTTIME: what still runs then is given back */
};

/* Ends the program after a failure that only a new start can mend: workers and what they run are ended, exit status 1. */
void manager_fail(struct manager *manager, const char *what, const struct fnr_error *err) __attribute__((noreturn));

/* ---- loop.c ---- */
void loop_open(struct manager *manager, int channel, pid_t spawner);
int loop_run(struct manager *manager);               /* until it has stopped; the exit status */
void loop_log_level(struct manager *manager);        /* as the configuration has it */

/* ---- turn.c: inside a turn ---- */
void turn_begin(struct manager *manager);            /* without a transaction */
void turn_write(struct manager *manager);            /* begins the transaction, if there is none yet */
bool turn_room(struct manager *manager);             /* is there room on the disk for what a turn writes? */
void turn_end(struct manager *manager);              /* commit, journal, bell, messages to workers, log */
void turn_check(struct manager *manager, int code, const struct fnr_error *err, const char *what);   /* not FNR_OK: the end */

uint64_t event_number(struct manager *manager);      /* 0: they ran out, only in a turn without transaction */

/* An event of a job as it is in *head: gives it a number and begins its data. The caller adds members (render.h) to the
 * returned buffer and ends it with event_end or event_end_log. NULL when the numbers ran out. A change of state takes the
 * number into head->event. */
struct fnr_buf *event_begin(struct manager *manager, enum fnr_event type, const struct job_head *head,
                            struct json_object *summary, uint64_t *number_r);
void event_end(struct manager *manager);
void event_end_log(struct manager *manager, const char *level, const char *text);     /* the journal gives the line its n */
/* The same for a batch: its data has seq, time and batch. */
struct fnr_buf *event_begin_batch(struct manager *manager, const struct batch *batch, uint64_t *number_r);
/* … of something else: seq, time and its name. */
struct fnr_buf *event_begin_named(struct manager *manager, enum fnr_event type, const char *member, const char *name);
void event_of_project(struct manager *manager, uint32_t project);                     /* the one that was begun: for those who may see that project */
void event_of_batch(struct manager *manager, const struct fnr_id *batch);              /* … for those who follow that batch, too */
/* What the journal keeps beside events. */
void note_break(struct manager *manager);
void note_preview(struct manager *manager, const struct fnr_id *job, const char *media_type, void *data, size_t len); /* owns data */
void note_progress(struct manager *manager, const struct task *task, enum fnr_state state);   /* the last progress object */
/* A line for the log about a job, written after the commit: "event.name pair=value…". Ends of jobs are told at info,
 * steps on the way at debug. */
void turn_log(struct manager *manager, bool debug, const char *id, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ---- moves.c: changes of state; each needs the turn's transaction ---- */

struct json_object *job_summary(struct manager *manager, const struct fnr_id *job);   /* to put; an empty object if unreadable */
bool move_allowed(const struct job_head *head, enum trigger trigger);

/* Each asks the table first and does nothing where its trigger does not apply (false). error is an error object of the API
 * (borrowed) or NULL. Those that end an attempt free its task. */
bool move_appeared(struct manager *manager, struct job_head *head);     /* a new job: its first event, its lane */
bool move_due(struct manager *manager, struct job_head *head);
void move_ready(struct manager *manager, struct job_head *head);        /* all jobs that it depends on are completed */
bool move_expire(struct manager *manager, struct job_head *head);
bool move_priority(struct manager *manager, struct job_head *head, uint8_t priority);   /* of a job that waits */
bool move_cancel(struct manager *manager, struct job_head *head, struct json_object *error);
bool move_dispatch(struct manager *manager, struct job_head *head, struct json_object *summary, struct task *task);
bool move_refuse(struct manager *manager, struct job_head *head, struct json_object *summary, struct json_object *error);
bool move_manifest(struct manager *manager, struct job_head *head, struct task *task);
bool move_stage(struct manager *manager, struct job_head *head, struct task *task);   /* only the record; no event */
bool move_done(struct manager *manager, struct job_head *head, struct task *task);
bool move_failed(struct manager *manager, struct job_head *head, struct task *task, struct json_object *error); /* or retry */
bool move_fail(struct manager *manager, struct job_head *head, struct task *task, struct json_object *error);   /* for good */
bool move_lost(struct manager *manager, struct job_head *head, struct task *task, struct json_object *error);
bool move_stopped(struct manager *manager, struct job_head *head, struct task *task);
bool move_give_back(struct manager *manager, struct job_head *head, struct task *task);

/* An error object of the API, to put. suggestion and action may be NULL. */
struct json_object *error_make(enum fnr_class class_, const char *code, const char *suggestion, const char *action,
                               const char *format, ...) __attribute__((format(printf, 5, 6)));

/* ---- discards.c ---- */
void task_discard(struct manager *manager, const struct task *task);  /* its folders are to be removed; needs the transaction */
void task_discard_filed(struct manager *manager, const struct task *task);   /* … and what its worker may have filed */
void discard_add(struct manager *manager, const char *path);
void discards_tell(struct manager *manager);                          /* gives some to an idle worker */
/* It has removed them; needs the transaction. left: what could not be removed, an array; tried again at the next start. */
void discards_done(struct manager *manager, const struct worker *worker, struct json_object *left);
void discards_worker_lost(struct manager *manager, const struct worker *worker);
void discards_read(struct manager *manager);                          /* at the start: what is left over */

/* ---- parents.c ---- */
void parents_ended(struct manager *manager, const struct job_head *head);   /* a job has ended; others may depend on it */
/* Of those behind *place, which is moved on, the first `limit`; true when these were all. */
bool parents_work_off(struct manager *manager, const struct fnr_id *parent, struct fnr_id *place, size_t limit);
/* Adds the outputs of the jobs that it depends on to a list of files for its worker. */
void parents_add_outputs(struct manager *manager, struct fnr_buf *text, const struct job_head *head, bool *first);

/* ---- tasks.c ---- */
struct task *task_add(struct manager *manager, const struct job_head *head, struct json_object *summary);  /* holds summary */
void task_free(struct manager *manager, struct task *task);     /* its worker, if any, is without task then */
struct task *task_find(struct manager *manager, const struct fnr_id *job);
/* Event and record of its progress; the event's number, 0 if they ran out. */
uint64_t task_tell_progress(struct manager *manager, struct task *task, const struct job_head *head);

/* ---- reports.c ---- */
void report_take(struct manager *manager, struct worker *worker);    /* whole frames of worker->in */
void reports_apply(struct manager *manager);
void deaths_apply(struct manager *manager);
void overdue_apply(struct manager *manager);         /* kills what hangs, overstays or ignores a cancel */
int64_t overdue_next(const struct manager *manager); /* CLOCK_BOOTTIME when a worker's silence becomes too long; INT64_MAX */
int64_t task_told_next(const struct task *task);     /* CLOCK_BOOTTIME when its progress is to be told; INT64_MAX: there is none */

/* ---- commands.c, dispatch.c, batches.c ---- */
void commands_apply(struct manager *manager);
void dispatch_look(struct manager *manager);         /* is there anything in the store for a turn? sets work */
void dispatch_take_new(struct manager *manager);
void dispatch_take_due(struct manager *manager);
void dispatch_jobs(struct manager *manager);         /* gives work to idle workers */
void dispatch_lanes(struct manager *manager);        /* finds the lanes of the store, at the start */
bool dispatch_ready(const struct manager *manager);         /* may any waiting job run? */
bool dispatch_possible(struct manager *manager);
int64_t dispatch_timeout(const struct manager *manager, const struct task *task, const struct job_head *head);   /* ms, longest attempt */
/* The "run" message; attach: the attempt runs there already. False if its record cannot be read. */
bool dispatch_tell_run(struct manager *manager, const struct task *task, const struct job_head *head, const struct backend *backend,
                       int64_t timeout_ms, bool attach);
size_t dispatch_workers(const struct manager *manager);     /* most that there may be: ours, and those for servers */
void dispatch_grow(struct manager *manager);         /* as many workers as there is work for, within bounds */
void batch_changed(struct manager *manager, const struct fnr_id *batch);
void batches_apply(struct manager *manager);
int64_t batches_next(const struct manager *manager); /* CLOCK_BOOTTIME of the next due progress; INT64_MAX if none */

/* ---- finish.c ---- */
void finish_look(struct manager *manager);           /* before the transaction: highest folders for this turn's manifests */
void finish_number(struct manager *manager, struct job_head *head, struct task *task);   /* in it: gives the take number */
void finish_assign(struct manager *manager);         /* waiting filings to idle workers */
void finish_tell(struct manager *manager);           /* after the commit: makes take.json, tells the workers */
void finish_finished(struct manager *manager, struct task *task);
void finish_failed(struct manager *manager, struct task *task, const char *reason, const char *message);
void finish_worker_lost(struct manager *manager, struct task *task);
int64_t finish_next(const struct manager *manager);  /* CLOCK_BOOTTIME of the next filing that waits; INT64_MAX if none */

/* ---- retention.c ---- */
bool retention_apply(struct manager *manager);       /* after the turn; true: there may be more to delete at once */

/* ---- payloads.c ---- */
bool payloads_sweep(struct manager *manager);        /* a portion, after the turn; true: there is more to remove at once */
void payloads_end(struct manager *manager);

/* ---- queues.c: in the turn's transaction ---- */
void queues_read(struct manager *manager);                           /* which are paused */
void queues_read_tiers(struct manager *manager);                     /* how many jobs of each may run */
void queues_read_projects(struct manager *manager);
void queues_recall(struct manager *manager);         /* starts before this life of ours count */                   /* of projects */
void queues_resume_due(struct manager *manager);
void queues_tell(struct manager *manager, const char *name);         /* the event, as it is stored now */

/* ---- backends.c ---- */
void backends_open(struct manager *manager);         /* this machine, before the first turn */
void backends_free(struct manager *manager);
void backends_read(struct manager *manager);         /* in a transaction: the servers as the store has them, if that changed */
struct backend *backends_find(struct manager *manager, const char *id);   /* NULL if there is none */
bool backends_usable(const struct backend *backend); /* may it get jobs? its slots are not looked at */
unsigned backends_concurrency(const struct manager *manager, const struct backend *backend);    /* of this machine: its workers */
size_t backends_slots(const struct manager *manager);/* free ones that jobs may wait for */
size_t backends_workers(const struct manager *manager);                   /* as many as jobs on servers may need, beside our own */
void backends_started(struct manager *manager, struct task *task, struct backend *backend);
/* The work of an attempt there is over; error may be NULL. Nothing if that was said before. */
void backends_ended(struct manager *manager, struct task *task, enum backend_proof proof, struct json_object *error);
void backends_failed(struct manager *manager, struct backend *backend, const char *reason);    /* counts for its breaker */
void backends_worked(struct manager *manager, struct backend *backend);
void backends_tell(struct manager *manager, struct backend *backend);                          /* backend.changed, and its jobs look again */
void backends_reset(struct manager *manager, const char *id);
void backends_suspect(struct manager *manager, struct backend *backend);                       /* it ignored a cancel */
void backends_suspect_keep(struct manager *manager, const struct backend *backend);                /* as it is now, over a restart of ours */
void backends_trust(struct manager *manager, struct backend *backend);                         /* not suspect any more */
void backends_tick(struct manager *manager);
int64_t backends_next(const struct manager *manager);     /* CLOCK_BOOTTIME when backends_tick has something to do; INT64_MAX */
void backends_live(const struct manager *manager, const struct backend *backend, struct fnr_buf *text);

/* ---- places.c: in a transaction ---- */
struct place { struct backend *backend; char why[64]; };
/* Where the head of this lane is to be started. False: nowhere at the moment, and its lane stands aside. */
bool places_find(struct manager *manager, const struct lane_key *key, const struct job_head *head, struct place *place_r);
/* Nobody else can be started: those that others went before have their turn now. False if there are none. */
bool places_settle(struct manager *manager);
void places_freed(struct manager *manager, const struct backend *backend);   /* it may be able to do more than before */
void places_all_freed(struct manager *manager);
bool places_for_servers(const struct manager *manager);      /* are there jobs for servers, for all we know? */
void places_free(struct manager *manager);
/* After how long, in ms, another backend that may run the job of the task, and has not failed it, is to be tried; -1: there is none. */
int64_t places_elsewhere(struct manager *manager, const struct task *task);
/* Classes of jobs that wait as no backend can do them, with a word of the API. */
typedef void places_row(uint64_t class_, const char *reason, void *context);
void places_held(const struct manager *manager, places_row *row, void *context);

/* ---- attach.c ---- */
bool attach_possible(struct manager *manager, const struct task *task, const struct job_head *head);
void attach_begin(struct manager *manager, struct task *task, const struct job_head *head);   /* it is possible; waits for a worker then */
void attach_recall(struct manager *manager, struct task *task);      /* how far it was in an earlier life */
size_t attach_waiting(const struct manager *manager);                /* for workers */
void attach_assign(struct manager *manager);                         /* to idle workers; begins the transaction if need be */
void attach_leave(struct manager *manager);                          /* when stopping: those that go on without us */
bool attach_keeps(const struct manager *manager, const char *work);  /* is this the folder of an attempt that goes on? */

/* ---- graphics.c ---- */
void graphics_look(struct manager *manager);         /* each second: its answer, or is it time to ask? */
void graphics_free(struct manager *manager);

/* ---- clock.c ---- */
bool clock_trusted(struct manager *manager);         /* else what wall times say of how long ago something was must cost nobody anything */
void clock_look(struct manager *manager);            /* when a turn begins */
void clock_apply(struct manager *manager);           /* in its transaction: was the clock set back? */

/* ---- machine.c ---- */
void machine_look(struct manager *manager);          /* what this machine has, when it is time to look */
bool machine_disk_low(struct manager *manager);      /* jobs that were started now would only fail for want of room on the disk */

/* ---- probes.c ---- */
void probes_now(struct manager *manager, struct backend *backend);           /* as soon as a worker is free */
bool probes_due(const struct manager *manager);
void probes_give(struct manager *manager);           /* to idle workers, after the commit */
int64_t probes_next(const struct manager *manager);  /* CLOCK_BOOTTIME; INT64_MAX if there is nothing to ask */
void probes_report(struct manager *manager, struct worker *worker, struct json_object *message);
void probes_restarted(struct manager *manager, struct worker *worker, struct json_object *message);   /* the hook has ended */
void probes_worker_lost(struct manager *manager, const struct worker *worker);

/* ---- nodes.c ---- */
void nodes_changed(struct backend *backend);         /* they may have: it is asked for them with the next probe */
void nodes_forget(struct backend *backend);          /* … and until then nobody knows them: it may be another server */
void nodes_doubt(const struct manager *manager, struct backend *backend);       /* a job was refused for something that it lacks */
bool nodes_due(const struct manager *manager, const struct backend *backend);   /* it is to be asked for them, too */
bool nodes_ask(const struct manager *manager, struct backend *backend);         /* it is asked now; true: for them, too */
/* found is not backend->found yet; "nodes" becomes how many it has, or goes if nobody knows. */
void nodes_answered(const struct manager *manager, struct backend *backend, struct json_object *found);
/* False: it certainly lacks one of these. need: the number of who needs them, 0 for one who is not known; names may be NULL. */
bool nodes_suffice(struct backend *backend, uint32_t need, struct json_object *names);

/* ---- workers.c ---- */
void workers_configured(struct manager *manager);                                 /* the configuration was read */
void workers_read(struct manager *manager);                                       /* in the first turn's transaction */
void workers_scale(struct manager *manager, struct json_object *command);
void workers_command(struct manager *manager, struct json_object *command);
const char *workers_state(const struct worker *worker);                           /* a word of the API */
void workers_tell(struct manager *manager, const struct worker *worker, const char *state);
void workers_free(struct manager *manager, struct worker *worker);                /* it has become idle */
void workers_ended(struct manager *manager, const struct worker *worker);

/* ---- statistics.c: in the turn's transaction; backend: of the attempt, "" if there was none ---- */
void statistics_started(struct manager *manager, const struct job_head *head);
void statistics_ended(struct manager *manager, const struct job_head *head, const char *backend, const char *variant);      /* a job */
void statistics_failed(struct manager *manager, const struct job_head *head, const char *backend, const char *variant, struct json_object *error, bool again);   /* an attempt */
void statistics_store(struct manager *manager);
bool statistics_live(const struct manager *manager, uint32_t queue, struct fnr_buf *text);   /* false: nothing ever happened there */

/* ---- thumbnails.c ---- */
void thumbnails_want(struct manager *manager, const struct task *task);   /* in the transaction that completes its job */
void thumbnails_read(struct manager *manager);                           /* at the start, in a transaction: are some wanted? */
bool thumbnails_wait(const struct manager *manager);                     /* for a worker, and no job does */
void thumbnails_give(struct manager *manager);                           /* one to an idle worker, after the commit */
void thumbnails_report(struct manager *manager, struct worker *worker, struct json_object *message);
void thumbnails_worker_lost(struct manager *manager, const struct worker *worker);
void thumbnails_make_way(struct manager *manager);                       /* a job waits, and there can be no more workers */

/* ---- house.c, recover.c, stop.c ---- */
void house_tick(struct manager *manager);            /* each second */
void recover_jobs(struct manager *manager);          /* in the first turn's transaction */
void recover_begun(struct manager *manager);         /* after it, and after dispatch_lanes: attempts that began before they were written down */
void recover_folders(struct manager *manager);       /* the same: what attempts of an earlier life left in workspace/.work */
void stop_begin(struct manager *manager, const char *why);
void stop_apply(struct manager *manager);            /* in a turn: gives back what has had its time */
bool stop_reached(const struct manager *manager);    /* nothing runs any more */
void stop_end(struct manager *manager);              /* workers and spawner end */

#endif
