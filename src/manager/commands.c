/* What clients asked for: records that the committer stored. Each is applied and deleted in one transaction. Those that
 * reach many jobs are worked off in portions: what is left is stored again with the place to go on from. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "manager/manager.h"
#include "manager/render.h"

#define ROWS_A_TURN 5000
#define PROJECTS_MOST 32                         /* of a key */

/* The jobs that a portion of a mass command is for, collected first: the store is not changed while it is walked. */
struct mass {
	struct fnr_id ids[MASS_A_TURN], last;    /* last: looked at last */
	size_t count, limit;
	bool ended;                              /* the walk came to what it is not for any more */
	bool waiting_only;
	const struct batch *batch;               /* of this one; NULL = any, or none */
	int state;                               /* -1 = any */
	bool of_key;
	uint32_t key, project, template_, queue; /* project, template, queue: 0 = any */
	bool of_projects;
	uint32_t projects[PROJECTS_MOST];
	size_t project_count;
};

static bool in_projects(const struct mass *mass, uint32_t project)
{
	for (size_t i = 0; project && i < mass->project_count; i++)
		if (mass->projects[i] == project)
			return true;
	return false;
}

static bool for_this(const struct mass *mass, const struct job_head *head)
{
	if (mass->waiting_only ? !fnr_state_waiting(head->state) : !move_allowed(head, TRIGGER_CANCEL))
		return false;
	return (!mass->batch || fnr_id_compare(&head->batch, &mass->batch->id) == 0) && (mass->state < 0 || head->state == mass->state) &&
	       (!mass->of_key || head->key == mass->key) && (!mass->project || head->project == mass->project) &&
	       (!mass->template_ || head->template_ == mass->template_) && (!mass->queue || head->queue == mass->queue) && (!mass->of_projects || in_projects(mass, head->project));
}

static bool mass_row(const struct job_head *head, void *context)
{
	struct mass *mass = context;

	if (mass->batch && (fnr_id_compare(&head->id, &mass->batch->last) > 0 || fnr_id_compare(&head->id, &mass->batch->first) < 0)) {
		mass->ended = true;
		return false;
	}
	mass->last = head->id;
	if (for_this(mass, head))
		mass->ids[mass->count++] = head->id;
	return mass->count < mass->limit;
}

static void cancel_all_found(struct manager *manager, const struct mass *mass, struct json_object *error)
{
	for (size_t i = 0; i < mass->count; i++) {
		struct job_head head;

		if (store_job_get(manager->turn.txn, &mass->ids[i], &head) == FNR_OK)
			move_cancel(manager, &head, error);
	}
	manager->turn.moves += mass->count;
}

/* Stores the rest of a command again, with the place to go on from. */
static void go_on(struct manager *manager, struct json_object *command, const struct fnr_id *place)
{
	struct fnr_error err = FNR_ERROR_INIT;
	char text[FNR_ID_TEXT];

	fnr_json_set_text(command, "place", fnr_id_format(place, text));
	turn_check(manager, store_command_add(manager->turn.txn, fnr_json_text(command, NULL), &err), &err, "a command cannot be written");
	manager->more = true;
}

/* The largest id below: walks begin behind it. And the smallest above, for walks the other way. */
static struct fnr_id id_before(struct fnr_id id)
{
	for (int i = 15; i >= 0 && id.bytes[i]-- == 0; i--)
		;
	return id;
}

static struct fnr_id id_behind(struct fnr_id id)
{
	for (int i = 15; i >= 0 && ++id.bytes[i] == 0; i--)
		;
	return id;
}

static void run_cancel(struct manager *manager, struct json_object *command)
{
	struct job_head head;
	struct fnr_id id;

	if (!fnr_id_parse(fnr_json_get_text(command, "job", ""), &id) || store_job_get(manager->turn.txn, &id, &head) != FNR_OK)
		return;
	move_cancel(manager, &head, NULL);
	manager->turn.moves++;
}

static void run_priority(struct manager *manager, struct json_object *command)
{
	struct job_head head;
	struct fnr_id id;

	if (fnr_id_parse(fnr_json_get_text(command, "job", ""), &id) && store_job_get(manager->turn.txn, &id, &head) == FNR_OK)
		move_priority(manager, &head, (uint8_t)fnr_json_get_int(command, "priority", head.priority));
	manager->turn.moves++;
}

static void run_queue(struct manager *manager, struct json_object *command)
{
	queues_read(manager);
	queues_tell(manager, fnr_json_get_text(command, "queue", ""));
}

static void run_reset_breaker(struct manager *manager, struct json_object *command)
{
	backends_reset(manager, fnr_json_get_text(command, "backend", BACKEND_LOCAL));
}

/* An operator says that all is well. */
static void run_trust(struct manager *manager, struct json_object *command)
{
	struct backend *backend = backends_find(manager, fnr_json_get_text(command, "backend", ""));

	if (backend)
		backends_trust(manager, backend);
}

static void run_probe(struct manager *manager, struct json_object *command)
{
	struct backend *backend = backends_find(manager, fnr_json_get_text(command, "backend", ""));

	if (!backend)
		return;
	nodes_changed(backend);
	probes_now(manager, backend);
}

static void run_parent(struct manager *manager, struct json_object *command)
{
	struct fnr_id id, place;

	if (!fnr_id_parse(fnr_json_get_text(command, "job", ""), &id))
		return;
	if (!fnr_id_parse(fnr_json_get_text(command, "place", ""), &place))
		place = FNR_ID_NONE;
	if (!parents_work_off(manager, &id, &place, MASS_A_TURN - manager->turn.moves))
		go_on(manager, command, &place);
}

static void run_discard(struct manager *manager, struct json_object *command)
{
	discard_add(manager, fnr_json_get_text(command, "path", ""));
}

static void run_projects(struct manager *manager, struct json_object *command)
{
	(void)command;
	queues_read_projects(manager);
}

/* It was made, changed or deleted: those who show presets look again. */
static void run_preset(struct manager *manager, struct json_object *command)
{
	const char *id = fnr_json_get_text(command, "preset", "");
	struct fnr_buf json = FNR_BUF_INIT, *out = event_begin_named(manager, FNR_EVENT_PRESET_CHANGED, "preset", id);
	uint32_t version = store_preset_get(manager->turn.txn, id, &json) == FNR_OK ? store_preset_last(manager->turn.txn, id) : 0;

	fnr_buf_free(&json);
	if (fnr_quality_parse(id) >= 0)
		queues_read_tiers(manager);
	if (!out)
		return;
	if (version)
		member_int(out, "version", version);
	else
		member_json(out, "version", NULL);
	member_text(out, "owner", fnr_json_get_text(command, "owner", NULL));
	member_json(out, "shared", fnr_json_get_bool(command, "shared", true) ? "true" : "false");
	event_end(manager);
}

/* One was chosen or deleted. `active` is the one that counts now; null: there is none. */
static void run_take(struct manager *manager, struct json_object *command)
{
	const char *project = fnr_json_get_text(command, "project", ""), *shot = fnr_json_get_text(command, "shot", "");
	uint32_t project_number = store_name_find(manager->turn.txn, STORE_PROJECT, project);
	uint32_t active = store_shot_active(manager->turn.txn, project_number, store_name_find(manager->turn.txn, STORE_SHOT, shot));
	int type = fnr_event_parse(fnr_json_get_text(command, "event", ""));
	struct fnr_buf *out = type > 0 ? event_begin_named(manager, (enum fnr_event)type, "shot", shot) : NULL;

	if (!out)
		return;
	event_of_project(manager, project_number);
	member_text(out, "project", project);
	if (fnr_json_get_int(command, "take", 0))
		member_int(out, "take", fnr_json_get_int(command, "take", 0));
	else
		member_json(out, "take", NULL);
	if (active)
		member_int(out, "active", active);
	else
		member_json(out, "active", NULL);
	event_end(manager);
}

/* By a client, or because they have had their time: then many are told at once. Not an event of the job, as these go with it. */
static void run_job_deleted(struct manager *manager, struct json_object *command)
{
	const char *project = fnr_json_get_text(command, "project", NULL), *job = fnr_json_get_text(command, "job", NULL);
	struct fnr_buf *out = event_begin_named(manager, FNR_EVENT_JOB_DELETED, "project", project);
	struct fnr_id batch;

	if (!out)
		return;
	event_of_project(manager, project ? store_name_find(manager->turn.txn, STORE_PROJECT, project) : 0);
	if (job)
		member_text(out, "job", job);
	if (fnr_id_parse(fnr_json_get_text(command, "batch", ""), &batch)) {
		event_of_batch(manager, &batch);
		member_id(out, "batch", &batch);
	}
	member_int(out, "count", fnr_json_get_int(command, "count", 1));
	event_end(manager);
}

static void run_key(struct manager *manager, struct json_object *command)
{
	int type = fnr_event_parse(fnr_json_get_text(command, "event", ""));

	if (type > 0 && event_begin_named(manager, (enum fnr_event)type, "key", fnr_json_get_text(command, "key", "")))
		event_end(manager);
}

static void over_batch(struct manager *manager, struct json_object *command, bool waiting_only, struct json_object *error)
{
	struct mass mass = { .limit = MASS_A_TURN - manager->turn.moves, .waiting_only = waiting_only, .state = -1 };
	struct batch batch;
	struct fnr_id id, place;
	size_t rows;

	if (!fnr_id_parse(fnr_json_get_text(command, "batch", ""), &id) || store_batch_get(manager->turn.txn, &id, &batch) != FNR_OK)
		return;
	if (!fnr_id_parse(fnr_json_get_text(command, "place", ""), &place))
		place = id_before(batch.first);
	mass.batch = &batch;
	rows = store_jobs_after(manager->turn.txn, &place, ROWS_A_TURN, mass_row, &mass);
	cancel_all_found(manager, &mass, error);
	if (!mass.ended && (rows == ROWS_A_TURN || mass.count == mass.limit))
		go_on(manager, command, &mass.last);
}

static void run_cancel_batch(struct manager *manager, struct json_object *command)
{
	over_batch(manager, command, false, NULL);
}

static void run_stop_batch(struct manager *manager, struct json_object *command)
{
	struct json_object *error = error_make(FNR_CLASS_PERMANENT, "batch_stopped", "Look at the job that failed.", NULL,
	                                       "Another job of its batch failed, and the batch was to stop then.");

	over_batch(manager, command, true, error);
	json_object_put(error);
}

/* False: the command names something that no job has. */
static bool name_number(struct manager *manager, struct json_object *command, const char *member, enum store_name kind,
                        uint32_t *number_r)
{
	const char *name = fnr_json_get_text(command, member, NULL);

	*number_r = name ? store_name_find(manager->turn.txn, kind, name) : 0;
	return !name || *number_r;
}

static void read_projects(struct manager *manager, struct json_object *command, struct mass *mass)
{
	struct json_object *list = fnr_json_get(command, "projects");

	mass->of_projects = json_object_is_type(list, json_type_array);
	for (size_t i = 0; mass->of_projects && i < json_object_array_length(list) && mass->project_count < PROJECTS_MOST; i++)
		mass->projects[mass->project_count++] =
			store_name_find(manager->turn.txn, STORE_PROJECT, json_object_get_string(json_object_array_get_idx(list, i)));
}

/* False: no job can be meant. A key that is named by an empty text is none. */
static bool read_mass(struct manager *manager, struct json_object *command, struct mass *mass, struct batch *batch)
{
	const char *key = fnr_json_get_text(command, "key", NULL), *state = fnr_json_get_text(command, "state", NULL);
	const char *batch_text = fnr_json_get_text(command, "batch", NULL);
	struct fnr_id id;

	mass->of_key = key != NULL;
	mass->waiting_only = fnr_json_get_bool(command, "waiting", false);
	mass->state = state ? fnr_state_parse(state) : -1;
	read_projects(manager, command, mass);
	if (key && *key && !(mass->key = store_name_find(manager->turn.txn, STORE_KEY, key)))
		return false;
	if (!batch_text)
		return true;
	mass->batch = batch;
	return fnr_id_parse(batch_text, &id) && store_batch_get(manager->turn.txn, &id, batch) == FNR_OK;
}

/* From the newest job that is meant to the oldest. */
static void run_cancel_all(struct manager *manager, struct json_object *command)
{
	struct mass mass = { .limit = MASS_A_TURN - manager->turn.moves };
	struct batch batch;
	struct fnr_id place, until;
	size_t rows;

	if (!name_number(manager, command, "project", STORE_PROJECT, &mass.project) ||
	    !name_number(manager, command, "template", STORE_TEMPLATE, &mass.template_) ||
	    !name_number(manager, command, "queue", STORE_QUEUE, &mass.queue) || !read_mass(manager, command, &mass, &batch))
		return;
	if (!fnr_id_parse(fnr_json_get_text(command, "place", ""), &place)) {
		if (!fnr_id_parse(fnr_json_get_text(command, "until", ""), &until))
			return;
		if (mass.batch && fnr_id_compare(&batch.last, &until) < 0)
			until = batch.last;
		place = id_behind(until);
	}
	rows = store_jobs_newest(manager->turn.txn, &place, ROWS_A_TURN, mass_row, &mass);
	cancel_all_found(manager, &mass, NULL);
	if (!mass.ended && (rows == ROWS_A_TURN || mass.count == mass.limit))
		go_on(manager, command, &mass.last);
}

/* What the committer changed among templates, told to whoever listens. */
static void run_templates(struct manager *manager, struct json_object *command)
{
	static const char *const members[] = { "version", "source", "change", "message" };
	struct json_object *changes = fnr_json_get(command, "changes");

	for (size_t i = 0; json_object_is_type(changes, json_type_array) && i < json_object_array_length(changes); i++) {
		struct json_object *change = json_object_array_get_idx(changes, i);
		struct fnr_buf *out = event_begin_named(manager, FNR_EVENT_TEMPLATE_CHANGED, "template", fnr_json_get_text(change, "template", NULL));

		for (size_t j = 0; out && j < sizeof members / sizeof members[0]; j++)
			member_text(out, members[j], fnr_json_get_text(change, members[j], NULL));
		if (out)
			event_end(manager);
	}
}

static const struct { const char *name; void (*run)(struct manager *manager, struct json_object *command); } commands[] = {
	{ "cancel", run_cancel },
	{ "cancel_batch", run_cancel_batch },
	{ "cancel_all", run_cancel_all },
	{ "stop_batch", run_stop_batch },
	{ "parent", run_parent },
	{ "priority", run_priority },
	{ "queue", run_queue },
	{ "reset_breaker", run_reset_breaker },
	{ "probe", run_probe },
	{ "trust", run_trust },
	{ "projects", run_projects },
	{ "discard", run_discard },
	{ "preset", run_preset },
	{ "take", run_take },
	{ "key", run_key },
	{ "job_deleted", run_job_deleted },
	{ "scale", workers_scale },
	{ "worker", workers_command },
	{ "templates", run_templates },
};

static void run(struct manager *manager, const struct fnr_buf *text)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct json_object *command = fnr_json_parse(text->data, text->len, &err);
	const char *name = fnr_json_get_text(command, "command", "");

	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		commands[i].run(manager, command);
		json_object_put(command);
		return;
	}
	fnr_err(NULL, "event=command.unknown: \"%s\" is no command of this version and was dropped", name);
	json_object_put(command);
	fnr_error_clear(&err);
}

void commands_apply(struct manager *manager)
{
	struct fnr_buf text = FNR_BUF_INIT;
	uint64_t seq = 0;

	while (manager->turn.moves < MASS_A_TURN && store_command_next(manager->turn.txn, seq, &seq, &text) == FNR_OK) {
		store_command_delete(manager->turn.txn, seq);
		run(manager, &text);
		fnr_buf_reset(&text);
	}
	if (manager->turn.moves >= MASS_A_TURN)
		manager->more = true;
	fnr_buf_free(&text);
}
