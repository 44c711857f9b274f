/* Jobs that depend on others: what becomes of them when one of those has ended, and what they get of their outputs. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "files/take.h"
#include "manager/manager.h"
#include "manager/render.h"

void parents_ended(struct manager *manager, const struct job_head *head)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_id child;
	char id[FNR_ID_TEXT], command[128];

	if (!store_children(manager->turn.txn, &head->id, NULL, &child, 1))
		return;
	snprintf(command, sizeof command, "{\"command\":\"parent\",\"job\":\"%s\"}", fnr_id_format(&head->id, id));
	turn_check(manager, store_command_add(manager->turn.txn, command, &err), &err, "a command cannot be written");
	manager->more = true;
}

static bool all_completed(struct manager *manager, const struct job_head *child)
{
	struct store_parents parents;
	struct job_head head;
	bool all = true;

	if (store_parents_get(manager->turn.txn, &child->id, &parents) != FNR_OK)
		return false;
	for (size_t i = 0; i < parents.count && all; i++)
		all = store_job_get(manager->turn.txn, &parents.items[i].id, &head) == FNR_OK && head.state == FNR_STATE_COMPLETED;
	store_parents_free(&parents);
	return all;
}

static void give_up(struct manager *manager, const struct job_head *parent, struct job_head *child)
{
	struct json_object *summary = job_summary(manager, &child->id), *error;
	struct store_parents parents;
	char id[FNR_ID_TEXT];
	bool skip = store_parents_get(manager->turn.txn, &child->id, &parents) == FNR_OK && parents.skip;

	store_parents_free(&parents);
	error = error_make(FNR_CLASS_PERMANENT, "parent_failed", "Look at that job; run it again, and then this one.", NULL,
	                   "It depends on job %s, which %s.", fnr_id_format(&parent->id, id),
	                   parent->state == FNR_STATE_FAILED ? "failed" : parent->state == FNR_STATE_CANCELLED ? "was cancelled" : "expired");
	if (skip)
		move_cancel(manager, child, error);
	else
		move_refuse(manager, child, summary, error);
	json_object_put(error);
	json_object_put(summary);
}

/* What it depends on cannot be read any more, so it would wait for ever. */
static bool is_lost(struct manager *manager, struct job_head *child)
{
	struct json_object *summary, *error;
	struct store_parents parents;
	bool lost = store_parents_get(manager->turn.txn, &child->id, &parents) != FNR_OK;

	store_parents_free(&parents);
	if (!lost)
		return false;
	summary = job_summary(manager, &child->id);
	error = error_make(FNR_CLASS_PERMANENT, "record_lost", "Submit it again.", "retry", "What it depends on cannot be read any more.");
	move_refuse(manager, child, summary, error);
	json_object_put(error);
	json_object_put(summary);
	return true;
}

/* True when there are no more than these. */
bool parents_work_off(struct manager *manager, const struct fnr_id *parent, struct fnr_id *place, size_t limit)
{
	static struct fnr_id children[MASS_A_TURN];
	struct job_head head, child;
	size_t count = store_children(manager->turn.txn, parent, fnr_id_is_none(place) ? NULL : place, children, limit);

	if (store_job_get(manager->turn.txn, parent, &head) != FNR_OK)
		return true;
	for (size_t i = 0; i < count; i++) {
		*place = children[i];
		if (store_job_get(manager->turn.txn, &children[i], &child) != FNR_OK || !(child.flags & JOB_FLAG_WAITS))
			continue;
		if (is_lost(manager, &child))
			continue;
		if (head.state != FNR_STATE_COMPLETED)
			give_up(manager, &head, &child);
		else if (all_completed(manager, &child))
			move_ready(manager, &child);
	}
	manager->turn.moves += count;
	return count < limit;
}

/* ---- outputs as inputs ---- */

static void add_file(struct fnr_buf *text, const char *reference, const char *path, struct json_object *output, bool *first)
{
	fnr_buf_puts(text, *first ? "{\"reference\":" : ",{\"reference\":");
	*first = false;
	render_text(text, reference);
	member_text(text, "path", path);
	member_text(text, "media_type", fnr_json_get_text(output, "media_type", NULL));
	member_text(text, "name", fnr_json_get_text(output, "file", NULL));
	fnr_buf_puts(text, "}");
}

/* Under both names that an input may have for it: by the job's id, and by what the batch called it. */
static void add_output(struct fnr_buf *text, const struct store_parent *parent, const char *folder, struct json_object *output, bool *first)
{
	const char *name = fnr_json_get_text(output, "name", ""), *file = fnr_json_get_text(output, "file", "");
	char reference[256], path[TAKE_PATH + 140], id[FNR_ID_TEXT];

	snprintf(path, sizeof path, "%s/%s", folder, file);
	snprintf(reference, sizeof reference, "job:%s/%s", fnr_id_format(&parent->id, id), name);
	add_file(text, reference, path, output, first);
	if (!parent->ref[0])
		return;
	snprintf(reference, sizeof reference, "job:%s/%s", parent->ref, name);
	add_file(text, reference, path, output, first);
}

static void add_outputs(struct manager *manager, struct fnr_buf *text, const struct store_parent *parent, bool *first)
{
	struct store_txn *txn = manager->turn.txn;
	char project[68] = "", shot[68] = "", folder[TAKE_PATH];
	struct fnr_buf json = FNR_BUF_INIT;
	struct json_object *attempt = NULL, *outputs;
	struct job_head head;

	if (store_job_get(txn, &parent->id, &head) == FNR_OK && store_attempt_get(txn, &head.id, head.attempt, &json) == FNR_OK)
		attempt = fnr_json_parse_own(json.data, json.len, NULL);
	outputs = fnr_json_get(attempt, "outputs");
	if (head.project)
		store_name_text(txn, STORE_PROJECT, head.project, project);
	if (head.shot)
		store_name_text(txn, STORE_SHOT, head.shot, shot);
	take_final_dir(folder, project, shot, head.take, &head.id);
	for (size_t i = 0; json_object_is_type(outputs, json_type_array) && i < json_object_array_length(outputs); i++)
		add_output(text, parent, folder, json_object_array_get_idx(outputs, i), first);
	json_object_put(attempt);
	fnr_buf_free(&json);
}

void parents_add_outputs(struct manager *manager, struct fnr_buf *text, const struct job_head *head, bool *first)
{
	struct store_parents parents;

	if (!(head->flags & JOB_FLAG_PARENTS) || store_parents_get(manager->turn.txn, &head->id, &parents) != FNR_OK)
		return;
	for (size_t i = 0; i < parents.count; i++)
		add_outputs(manager, text, &parents.items[i], first);
	store_parents_free(&parents);
}
