/* A model of the store in memory, so small that it is right, and random steps that are made in both. */
#ifndef FNR_TESTS_STORE_MODEL_H
#define FNR_TESTS_STORE_MODEL_H

#include "queue/state.h"
#include "store_fixture.h"

#define MODEL_JOBS 4000
#define MODEL_NAMES 3

struct model_job {
	struct fnr_id id, parent;
	enum fnr_state state;
	int priority, project, queue;
	uint64_t order;              /* place in line: rises with each entry */
	int64_t due_at;
	bool waits, deleted;
};
struct model {
	struct model_job jobs[MODEL_JOBS];
	size_t count;
	uint64_t orders, accepted, removed, random;
};

static const char *const model_queues[MODEL_NAMES] = { "cpu", "gpu", "io" };
static const char *const model_projects[MODEL_NAMES] = { "", "film", "advert" };   /* the first: none */

/* splitmix64: the same steps for the same seed, anywhere */
static inline uint64_t model_random(struct model *model, uint64_t below)
{
	uint64_t x = model->random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (x ^ (x >> 31)) % below;
}

static inline struct model_job *model_find(struct model *model, const struct fnr_id *id)
{
	for (size_t i = 0; i < model->count; i++)
		if (fnr_id_compare(&model->jobs[i].id, id) == 0)
			return &model->jobs[i];
	return NULL;
}

static inline struct model_job *model_any(struct model *model)
{
	return model->count ? &model->jobs[model_random(model, model->count)] : NULL;
}

/* ---- steps; each makes the same change in both, or sees that both refuse it ---- */

static inline void model_accept(struct model *model, struct store_txn *txn)
{
	struct model_job *parent = model_random(model, 3) == 0 ? model_any(model) : NULL;
	struct model_job job = { .priority = 1 + (int)model_random(model, 10), .project = (int)model_random(model, MODEL_NAMES),
	                         .queue = (int)model_random(model, MODEL_NAMES), .state = FNR_STATE_QUEUED };
	static char payload[9001];
	struct op_parent depends = { .ref = "" };
	struct op_job op = FIXTURE_JOB;
	struct op_reply reply;
	size_t len = 2 + model_random(model, model_random(model, 10) ? 300 : 9000 - 2);

	memset(payload, ' ', len);
	memcpy(payload, "{}", 2);
	payload[len] = 0;
	op.payload = payload;
	op.priority = (uint8_t)job.priority;
	op.project = model_projects[job.project];
	op.shot = *op.project ? "s1" : "";
	op.queue = model_queues[job.queue];
	if (model_random(model, 5) == 0)
		job.due_at = op.not_before = NOW + 1 + (int64_t)model_random(model, 1000);
	if (parent) {
		depends.id = job.parent = parent->id;
		op.parents = &depends;
		op.parent_count = 1;
	}
	reply = fixture_submit_to(txn, &op);
	if (parent && (parent->deleted || (fnr_state_terminal(parent->state) && parent->state != FNR_STATE_COMPLETED))) {
		cr_assert_eq(reply.code, FNR_E_INVALID, "%d %s", reply.code, reply.message);
		return;
	}
	cr_assert_eq(reply.code, FNR_OK, "%s", reply.message);
	job.waits = parent && parent->state != FNR_STATE_COMPLETED;
	if (job.waits || job.due_at)
		job.state = FNR_STATE_SCHEDULED;
	if (job.waits)
		job.due_at = 0;
	job.id = reply.id;
	job.order = ++model->orders;
	model->accepted++;
	model->jobs[model->count++] = job;
}

static inline void model_move(struct model *model, struct store_txn *txn)
{
	struct model_job *job = model_any(model), *parent;
	enum trigger trigger = (enum trigger)model_random(model, TRIGGER_COUNT);
	int next = job && !job->deleted ? state_next(job->state, trigger) : STATE_NONE;
	struct fnr_error err = FNR_ERROR_INIT;
	struct job_head head;

	if (next == STATE_NONE)
		return;
	parent = job->waits && trigger == TRIGGER_DUE ? model_find(model, &job->parent) : NULL;
	if (parent && parent->state != FNR_STATE_COMPLETED)
		return;
	cr_assert_eq(store_job_get(txn, &job->id, &head), FNR_OK);
	if (next == FNR_STATE_RUNNING)
		head.attempt++;
	if (head.attempt > 0 && fnr_state_running(job->state) && !fnr_state_running((enum fnr_state)next))
		cr_assert_eq(store_attempt_put(txn, &job->id, head.attempt, "{}", &err), FNR_OK, "%s", err.message);
	if (next == FNR_STATE_QUEUED && job->waits)
		head.flags &= (uint8_t)~JOB_FLAG_WAITS;
	head.state = (uint8_t)next;
	head.due_at = next == FNR_STATE_RETRY_WAIT ? NOW + 1 + (int64_t)model_random(model, 1000) : 0;
	head.finished_at = fnr_state_terminal((enum fnr_state)next) ? NOW : 0;
	cr_assert_eq(store_job_put(txn, &head, &err), FNR_OK, "%s", err.message);
	job->waits = job->waits && next != FNR_STATE_QUEUED;
	job->due_at = head.due_at;
	if (next == FNR_STATE_QUEUED)
		job->order = ++model->orders;
	job->state = (enum fnr_state)next;
}

static inline void model_change_priority(struct model *model, struct store_txn *txn)
{
	struct model_job *job = model_any(model);
	struct fnr_error err = FNR_ERROR_INIT;
	struct job_head head;

	if (!job || job->deleted || !fnr_state_waiting(job->state))
		return;
	cr_assert_eq(store_job_get(txn, &job->id, &head), FNR_OK);
	head.priority = (uint8_t)(job->priority = 1 + (int)model_random(model, 10));
	cr_assert_eq(store_job_put(txn, &head, &err), FNR_OK, "%s", err.message);
}

static inline bool model_needed(const struct model *model, const struct fnr_id *id)
{
	for (size_t i = 0; i < model->count; i++)
		if (!model->jobs[i].deleted && !fnr_state_terminal(model->jobs[i].state) && fnr_id_compare(&model->jobs[i].parent, id) == 0)
			return true;
	return false;
}

static inline void model_delete(struct model *model, struct store_txn *txn)
{
	struct model_job *job = model_any(model);
	char path[64];
	int code;

	if (!job)
		return;
	code = store_job_delete(txn, &job->id, path, NULL);
	if (job->deleted) {
		cr_assert_eq(code, FNR_E_NOT_FOUND);
	} else if (!fnr_state_terminal(job->state) || model_needed(model, &job->id)) {
		cr_assert_eq(code, FNR_E_CONFLICT);
	} else {
		cr_assert_eq(code, FNR_OK);
		job->deleted = true;
		model->removed++;
	}
}

/* One transaction of a few steps. Some are given up: then neither has changed. */
static inline bool model_step(struct model *model)
{
	static struct model before;
	struct store_txn *txn = fixture_write();
	bool given_up = model_random(model, 8) == 0;
	size_t steps = 1 + model_random(model, 12);

	before = *model;
	for (size_t i = 0; i < steps; i++) {
		uint64_t what = model_random(model, 16);

		if (what < 5 && model->count < MODEL_JOBS)
			model_accept(model, txn);
		else if (what < 13)
			model_move(model, txn);
		else if (what < 14)
			model_change_priority(model, txn);
		else
			model_delete(model, txn);
	}
	if (!given_up) {
		fixture_commit(txn);
		return true;
	}
	store_abort(txn);
	before.random = model->random;
	*model = before;
	return false;
}

/* ---- do both say the same? ---- */

static inline void model_compare_lane(const struct model *model, struct store_txn *txn, const struct lane_head *first, int queue, int priority, int project)
{
	struct lane_head head = *first;
	uint64_t last = 0;

	for (int code = FNR_OK; code == FNR_OK; code = store_lane_first(txn, &first->key, head.seq + 1, &head)) {
		const struct model_job *job = NULL;

		for (size_t i = 0; i < model->count; i++)      /* the next in line that waits there */
			if (!model->jobs[i].deleted && model->jobs[i].state == FNR_STATE_QUEUED && model->jobs[i].queue == queue && model->jobs[i].priority == priority &&
			    model->jobs[i].project == project && model->jobs[i].order > last && (!job || model->jobs[i].order < job->order))
				job = &model->jobs[i];
		cr_assert(job && fnr_id_compare(&job->id, &head.job) == 0, "the line is in another order");
		last = job->order;
	}
	for (size_t i = 0; i < model->count; i++)
		cr_assert_not(!model->jobs[i].deleted && model->jobs[i].state == FNR_STATE_QUEUED && model->jobs[i].queue == queue &&
		              model->jobs[i].priority == priority && model->jobs[i].project == project && model->jobs[i].order > last, "the line is too short");
}

static inline int model_name(struct store_txn *txn, enum store_name kind, uint32_t number, const char *const *names)
{
	char name[68] = "";

	if (number)
		store_name_text(txn, kind, number, name);
	for (int i = 0; i < MODEL_NAMES; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

static inline void model_compare(const struct model *model)
{
	struct store_txn *txn = fixture_read();
	uint64_t state[FNR_STATE_COUNT] = { 0 }, of_queue[MODEL_NAMES] = { 0 }, of_project[MODEL_NAMES] = { 0 }, queued = 0, lines = 0;
	const struct lane_key *after = NULL;
	struct store_counters counters;
	struct lane_head lane;
	struct lane_key key;

	for (size_t i = 0; i < model->count; i++) {
		const struct model_job *job = &model->jobs[i];
		struct job_head head;
		int code = store_job_get(txn, &job->id, &head);

		cr_assert_eq(code, job->deleted ? FNR_E_NOT_FOUND : FNR_OK);
		if (job->deleted)
			continue;
		cr_assert_eq(head.state, job->state);
		cr_assert_eq(head.priority, job->priority);
		cr_assert_eq((head.flags & JOB_FLAG_WAITS) != 0, job->waits);
		if (job->state == FNR_STATE_RETRY_WAIT)
			cr_assert_eq(head.due_at, job->due_at);
		state[job->state]++;
		of_queue[job->queue] += fnr_state_waiting(job->state);
		of_project[job->project] += fnr_state_waiting(job->state);
	}
	store_counters_get(txn, &counters);
	cr_assert_eq(counters.accepted, model->accepted);
	cr_assert_eq(counters.removed, model->removed);
	for (int i = 0; i < FNR_STATE_COUNT; i++)
		cr_assert_eq(counters.state[i], state[i], "%s", fnr_state_name((enum fnr_state)i));
	for (int i = 0; i < MODEL_NAMES; i++) {
		cr_assert_eq(store_waiting(txn, STORE_QUEUE, store_name_find(txn, STORE_QUEUE, model_queues[i])), of_queue[i]);
		if (i > 0)
			cr_assert_eq(store_waiting(txn, STORE_PROJECT, store_name_find(txn, STORE_PROJECT, model_projects[i])), of_project[i]);
	}
	for (; store_lane_next(txn, after, &lane) == FNR_OK; after = &key) {
		key = lane.key;
		lines++;
		model_compare_lane(model, txn, &lane, model_name(txn, STORE_QUEUE, key.queue, model_queues), key.priority,
		                   model_name(txn, STORE_PROJECT, key.project, model_projects));
	}
	for (size_t i = 0; i < model->count; i++)
		queued += !model->jobs[i].deleted && model->jobs[i].state == FNR_STATE_QUEUED;
	cr_assert(queued == 0 || lines > 0);
	fixture_audit(txn, 0);
	store_read_end(txn);
}

#endif
