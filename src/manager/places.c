/* Which backend a job goes to. What jobs of one class need (queue/lanes.h) is found once, from the first of them; a lane
 * whose jobs can be started nowhere stands aside at the gate of its need until some backend can do more than before.
 *
 * A job whose models are loaded on a backend that is busy lets others go first for a while, if that is shorter than
 * loading them elsewhere: only lanes of its own level, and only while these keep all backends busy. When nobody else can
 * be started, it is: no backend is left idle for the sake of a warm one.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "backends/backend.h"
#include "base/mem.h"
#include "base/text.h"
#include "manager/manager.h"
#include "queue/choice.h"

#define GATE_LOCAL 1           /* numbers at GATE_OTHER: of all that need no server */
#define GATE_WARM 2            /* … of lanes that let others go first */
#define GATE_FIRST 16          /* … of needs, from here on */
#define NEEDS_MOST 4096
#define FAILURES_MOST 16       /* attempts that are looked back at */
#define ELSEWHERE_MS 1000      /* after so long, and twice as long each time, it is looked whether another backend is free by now … */
#define ELSEWHERE_DOUBLED 5    /* … so often doubled */
#define MIB 1048576.0

struct need {
	uint64_t class_;
	uint32_t number;                    /* at GATE_OTHER */
	char kind[68];                      /* "": none that needs a server */
	struct json_object *backends, *labels, *models, *nodes;     /* owned; NULL: any, none; nodes: classes */
	int64_t vram_mb;
	const char *held;                   /* why none of its jobs is started; NULL: they may be. REASON_BUSY is no word of the API */
	int64_t passed_at;                  /* CLOCK_BOOTTIME since when others go first; 0: they do not */
	UT_hash_handle hh;
};

static const char held_busy[] = "position", held_none[] = "no_backend", held_small[] = "resources";

/* ---- needs ---- */

static void forget(struct manager *manager, struct need *need)
{
	HASH_DEL(manager->needs, need);
	json_object_put(need->backends);
	json_object_put(need->labels);
	json_object_put(need->models);
	json_object_put(need->nodes);
	free(need);
}

void places_free(struct manager *manager)
{
	struct need *need, *next;

	HASH_ITER(hh, manager->needs, need, next)
		forget(manager, need);
}

/* Those that no lane stands aside for can be found again. */
static void sweep(struct manager *manager)
{
	struct need *need, *next;

	if (HASH_COUNT(manager->needs) < NEEDS_MOST)
		return;
	HASH_ITER(hh, manager->needs, need, next)
		if (!need->held)
			forget(manager, need);
}

/* Of the workflow that the job brought, else of its template's. Borrowed. */
static struct json_object *nodes_of(const struct function *function, struct json_object *summary)
{
	struct json_object *brought = fnr_json_get(summary, "nodes");

	return brought ? brought : function->nodes;
}

static void fill(struct manager *manager, struct need *need, const struct function *function, struct json_object *summary)
{
	need->number = GATE_LOCAL;
	if (function->needs_endpoint) {
		need->number = ++manager->need_number + GATE_FIRST;
		fnr_text_copy(need->kind, sizeof need->kind, function->kind);
		need->backends = json_object_get(function->backends);
		need->labels = json_object_get(function->labels);
		need->vram_mb = fnr_json_get_int(summary, "vram_mb", 0);
		need->models = json_object_get(fnr_json_get(summary, "models"));
		need->nodes = json_object_get(nodes_of(function, summary));
	}
}

static struct need *add(struct manager *manager, uint64_t class_, const struct function *function, struct json_object *summary)
{
	struct need *need = fnr_alloc(sizeof *need);

	sweep(manager);
	need->class_ = class_;
	fill(manager, need, function, summary);
	HASH_ADD(hh, manager->needs, class_, sizeof need->class_, need);
	return need;
}

/* NULL: the record of this job is damaged, which says nothing about others of its class. */
static struct need *need_of(struct manager *manager, uint64_t class_, const struct job_head *head)
{
	struct json_object *summary;
	struct function *function;
	struct need *need;

	HASH_FIND(hh, manager->needs, &class_, sizeof class_, need);
	if (need)
		return need;
	summary = job_summary(manager, &head->id);
	function = function_hold(manager->functions, manager->turn.txn, fnr_json_get_text(summary, "digest", NULL), NULL);
	if (function)
		need = add(manager, class_, function, summary);
	function_drop(function);
	json_object_put(summary);
	return need;
}

/* ---- what a backend can do ---- */

/* What servers list may be anything. */
static bool contains(struct json_object *list, const char *text)
{
	for (size_t i = 0; list && text && i < json_object_array_length(list); i++) {
		const char *item = json_object_get_string(json_object_array_get_idx(list, i));

		if (item && strcmp(item, text) == 0)
			return true;
	}
	return false;
}

static bool contains_all(struct json_object *list, struct json_object *wanted)
{
	for (size_t i = 0; wanted && i < json_object_array_length(wanted); i++)
		if (!contains(list, json_object_get_string(json_object_array_get_idx(wanted, i))))
			return false;
	return true;
}

/* May its jobs run there at all? */
static bool is_allowed(const struct need *need, const struct backend *backend)
{
	return strcmp(need->kind, backend->kind) == 0 && !backend->gone && (!need->backends || contains(need->backends, backend->id)) &&
	       contains_all(backend->labels, need->labels);
}

/* What is not known is no reason against it. Other jobs may use memory at the moment: what there is in all counts. */
static bool has_memory(const struct need *need, const struct backend *backend)
{
	struct json_object *devices = fnr_json_get(backend->found, "devices");
	size_t count = json_object_is_type(devices, json_type_array) ? json_object_array_length(devices) : 0;
	double most = 0;

	for (size_t i = 0; i < count; i++) {
		double total = fnr_json_get_real(json_object_array_get_idx(devices, i), "vram_total", 0);

		most = total > most ? total : most;
	}
	return !need->vram_mb || most <= 0 || most >= (double)need->vram_mb * MIB;
}

/* Models are "category/name". A backend that does not list a category may have anything of it; one that lists nothing has nothing. */
static bool has_models(const struct need *need, const struct backend *backend)
{
	struct json_object *there = fnr_json_get(backend->found, "models");

	for (size_t i = 0; need->models && there && i < json_object_array_length(need->models); i++) {
		const char *model = json_object_get_string(json_object_array_get_idx(need->models, i)), *slash = strchr(model, '/');
		struct json_object *list;
		char category[68];

		if (!slash)
			continue;
		snprintf(category, sizeof category, "%.*s", (int)(slash - model), model);
		list = fnr_json_get(there, category);
		if (json_object_is_type(list, json_type_array) && !contains(list, slash + 1))
			return false;
	}
	return true;
}

static bool is_warm(const struct need *need, const struct backend *backend)
{
	return need->models && backend->loaded && contains_all(backend->loaded, need->models);
}

/* ---- choosing ---- */

/* The backends whose fault the failures of a job may have been: of its last attempts. */
struct failures { char backends[FAILURES_MOST][68]; size_t count; };

static void failures_of(struct manager *manager, const struct fnr_id *job, uint16_t attempts, struct failures *failures_r)
{
	struct fnr_buf text = FNR_BUF_INIT;

	failures_r->count = 0;
	for (uint16_t attempt = attempts; attempt > 0 && failures_r->count < FAILURES_MOST; attempt--) {
		struct json_object *record;

		if (store_attempt_get(manager->turn.txn, job, attempt, &text) != FNR_OK)
			continue;
		record = fnr_json_parse_own(text.data, text.len, NULL);
		if (strcmp(fnr_json_get_text(record, "state", ""), "failed") == 0)
			fnr_text_copy(failures_r->backends[failures_r->count++], 68, fnr_json_get_text(record, "backend", ""));
		json_object_put(record);
	}
	fnr_buf_free(&text);
}

static bool has_failed(const struct failures *failures, const char *backend)
{
	for (size_t i = 0; i < failures->count; i++)
		if (strcmp(failures->backends[i], backend) == 0)
			return true;
	return false;
}

/* What there is for a job, looked at once. */
struct choice {
	struct backend *backends[STORE_BACKENDS_MOST + 1];
	struct candidate candidates[STORE_BACKENDS_MOST + 1];
	size_t count;              /* that could start it now */
	size_t small, usable;      /* that have too little memory; that get jobs, if not now */
	bool warm_busy;            /* one that has its models loaded is busy … */
	int64_t warm_ms;           /* … for so long; -1: nobody knows */
};

/* How long the attempt there that ends first still takes. */
static int64_t busy_ms(const struct manager *manager, const struct backend *backend)
{
	int64_t least = -1;

	for (const struct task *task = manager->tasks; task; task = task->next) {
		int64_t left = task->progress.eta_s >= 0 ? (int64_t)(task->progress.eta_s * 1000) : -1;

		if (task->place == backend && left >= 0 && (least < 0 || left < least))
			least = left;
	}
	return least;
}

static void add_warm(struct choice *choice, int64_t ms)
{
	choice->warm_ms = !choice->warm_busy || ms < choice->warm_ms ? ms : choice->warm_ms;
	choice->warm_busy = true;
}

static void weigh(struct manager *manager, const struct need *need, struct backend *backend, const struct failures *failures, struct choice *choice)
{
	unsigned slots = backends_concurrency(manager, backend);
	bool warm = is_warm(need, backend);

	if (!is_allowed(need, backend))
		return;
	if (!has_models(need, backend) || !nodes_suffice(backend, need->number, need->nodes))
		return;
	if (!has_memory(need, backend)) {
		choice->small++;
		return;
	}
	if (!backends_usable(backend))
		return;
	choice->usable++;
	if (backend->running >= slots) {
		if (warm)
			add_warm(choice, busy_ms(manager, backend));
		return;
	}
	choice->backends[choice->count] = backend;
	choice->candidates[choice->count++] = (struct candidate){
		.failed = has_failed(failures, backend->id), .warm = warm, .empty = !backend->loaded, .running = backend->running,
		.concurrency = slots, .score = backend->score, .used_at = backend->used_at };
}

/* Its lane stands aside, and what holds it up is told. */
static void hold(struct manager *manager, struct need *need, const struct lane_key *key, const struct choice *choice)
{
	manager->held += !need->held;
	if (choice->usable)
		need->held = held_busy;
	else
		need->held = choice->small ? held_small : held_none;
	lanes_close(manager->lanes, GATE_OTHER, need->number, REASON_BACKEND);
	lanes_park(manager->lanes, key, need->number);
}

/* True: the lane lets others go first. */
static bool lets_pass(struct manager *manager, struct need *need, const struct lane_key *key, const struct choice *choice)
{
	int level = lanes_level(manager->lanes, key);
	int64_t passed = need->passed_at ? manager->turn.mono - need->passed_at : 0;

	if (!choice->warm_busy || manager->settling || (manager->passed && level != manager->passed_level) ||
	    !choice_waits(passed, choice->warm_ms, manager->conf.backends_patience * 1000))
		return false;
	if (!need->passed_at)
		need->passed_at = manager->turn.mono;
	lanes_close(manager->lanes, GATE_OTHER, GATE_WARM, REASON_MODEL);
	lanes_park(manager->lanes, key, GATE_WARM);
	manager->passed++;
	manager->passed_level = level;
	return true;
}

static void say_why(const struct need *need, const struct choice *choice, size_t best, const struct failures *failures, char why[64])
{
	if (!need->kind[0])
		fnr_text_copy(why, 64, "first free worker");
	else if (failures->count && !choice->candidates[best].failed)
		fnr_text_copy(why, 64, "another backend after a failure");
	else if (choice->candidates[best].warm)
		fnr_text_copy(why, 64, "warm model");
	else if (choice->usable == 1)
		fnr_text_copy(why, 64, "the only backend");
	else
		snprintf(why, 64, "least loaded of %zu", choice->usable);
}

bool places_find(struct manager *manager, const struct lane_key *key, const struct job_head *head, struct place *place_r)
{
	static struct choice choice;
	struct need *need = need_of(manager, key->class_, head);
	struct failures failures = { .count = 0 };
	size_t best;

	if (!need) {
		*place_r = (struct place){ .backend = &manager->local };      /* where it is found out that it cannot be run, and said */
		return true;
	}
	choice.count = choice.small = choice.usable = 0;
	choice.warm_busy = false;
	if (need->kind[0])
		failures_of(manager, &head->id, head->attempt, &failures);
	for (struct backend *backend = need->kind[0] ? manager->servers : &manager->local; backend; backend = backend->next)
		weigh(manager, need, backend, &failures, &choice);
	if (!choice.count) {
		hold(manager, need, key, &choice);
		return false;
	}
	best = choice_best(choice.candidates, choice.count);
	if (!choice.candidates[best].warm && lets_pass(manager, need, key, &choice))
		return false;
	need->passed_at = 0;
	place_r->backend = choice.backends[best];
	say_why(need, &choice, best, &failures, place_r->why);
	return true;
}

int64_t places_elsewhere(struct manager *manager, const struct task *task)
{
	struct need need = { .number = 0 };
	struct failures failures;
	int64_t delay = -1, later = ELSEWHERE_MS << (task->attempt < ELSEWHERE_DOUBLED ? task->attempt : ELSEWHERE_DOUBLED);

	if (!task->function || !task->function->needs_endpoint)
		return -1;
	fnr_text_copy(need.kind, sizeof need.kind, task->function->kind);
	need.backends = task->function->backends;
	need.labels = task->function->labels;
	need.models = fnr_json_get(task->summary, "models");
	need.nodes = nodes_of(task->function, task->summary);
	need.vram_mb = fnr_json_get_int(task->summary, "vram_mb", 0);
	failures_of(manager, &task->job, (uint16_t)(task->attempt - 1), &failures);
	for (struct backend *backend = manager->servers; backend && delay != 0; backend = backend->next) {
		if (!is_allowed(&need, backend) || !has_models(&need, backend) || !nodes_suffice(backend, need.number, need.nodes) ||
		    !has_memory(&need, backend) || !backends_usable(backend) || strcmp(backend->id, task->backend) == 0 || has_failed(&failures, backend->id))
			continue;
		delay = backend->running < backends_concurrency(manager, backend) ? 0 : later;
	}
	return delay;
}

bool places_settle(struct manager *manager)
{
	manager->settling = manager->passed > 0;
	manager->passed = 0;
	lanes_open(manager->lanes, GATE_OTHER, GATE_WARM, REASON_MODEL);
	return manager->settling;
}

/* ---- looking again ---- */

static void let_go(struct manager *manager, struct need *need)
{
	need->held = NULL;
	manager->held--;
	lanes_open(manager->lanes, GATE_OTHER, need->number, REASON_BACKEND);
}

void places_freed(struct manager *manager, const struct backend *backend)
{
	struct need *need, *next;

	if (!manager->held)
		return;
	HASH_ITER(hh, manager->needs, need, next)
		if (need->held && is_allowed(need, backend))
			let_go(manager, need);
}

void places_all_freed(struct manager *manager)
{
	struct need *need, *next;

	HASH_ITER(hh, manager->needs, need, next)
		if (need->held)
			let_go(manager, need);
}

bool places_for_servers(const struct manager *manager)
{
	struct need *need, *next;

	HASH_ITER(hh, manager->needs, need, next)
		if (need->kind[0] && !need->held)
			return true;
	return false;
}

void places_held(const struct manager *manager, places_row *row, void *context)
{
	struct need *need, *next;

	HASH_ITER(hh, manager->needs, need, next)
		if (need->held && need->held != held_busy)
			row(need->class_, need->held, context);
}
