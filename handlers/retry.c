/* /jobs/{id}/retry: a finished job again, as a new job. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/queues.h"
#include "base/text.h"
#include "handlers/common.h"
#include "handlers/handlers.h"
#include "handlers/retry.h"
#include "handlers/submission.h"
#include "schema/inputs.h"

static const char *const members[] = { "inputs", "quality", "queue", "seed", NULL };

/* The first job's inputs with those given over them; null takes one away. */
static struct json_object *changed_inputs(struct json_object *inputs, struct json_object *given)
{
	struct json_object *changed;

	if (given && !json_object_is_type(given, json_type_object))
		return json_object_get(given);      /* refused where inputs are checked */
	changed = inputs ? fnr_json_copy(inputs) : json_object_new_object();
	if (!given)
		return changed;
	json_object_object_foreach(given, name, value) {
		if (value)
			fnr_json_set(changed, name, json_object_get(value));
		else
			json_object_object_del(changed, name);
	}
	return changed;
}

struct parents { struct store_parents of; struct json_object *depends; };

/* What a batch called "#name" has an id by now. */
static struct json_object *with_id(struct json_object *input, const char *pointer, const struct file_reference *reference, void *context)
{
	const struct parents *parents = context;
	char id[FNR_ID_TEXT], text[FNR_ID_TEXT + 80];

	(void)input, (void)pointer;
	for (size_t i = 0; reference->kind == FILE_JOB && reference->local[0] && i < parents->of.count; i++) {
		if (strcmp(parents->of.items[i].ref, reference->local) != 0)
			continue;
		snprintf(text, sizeof text, "job:%s/%s", fnr_id_format(&parents->of.items[i].id, id), reference->output);
		return json_object_new_string(text);
	}
	return NULL;
}

/* It depends on the same jobs, as far as they are not completed: the outputs of those are there. */
static void describe_parents(struct request *req, const struct job_head *head, const char *digest, struct json_object *job)
{
	struct parents parents = { .depends = json_object_new_array() };
	const struct template_ *template_;
	struct job_head parent;
	char id[FNR_ID_TEXT];
	uint8_t bytes[32];

	if (!(head->flags & JOB_FLAG_PARENTS) || store_parents_get(req->txn, &head->id, &parents.of) != FNR_OK) {
		json_object_put(parents.depends);
		return;
	}
	for (size_t i = 0; i < parents.of.count; i++)
		if (store_job_get(req->txn, &parents.of.items[i].id, &parent) != FNR_OK || parent.state != FNR_STATE_COMPLETED)
			json_object_array_add(parents.depends, json_object_new_string(fnr_id_format(&parents.of.items[i].id, id)));
	fnr_json_set(job, "depends_on", parents.depends);
	fnr_json_set_text(job, "on_parent_failure", parents.of.skip ? "skip" : "fail");
	if (fnr_unhex(digest, bytes, sizeof bytes) && template_find_digest(req->txn, bytes, &template_, NULL) == FNR_OK)
		inputs_map_files(fnr_json_get(template_definition(template_), "inputs"), fnr_json_get(job, "inputs"), "", with_id, &parents);
	store_parents_free(&parents.of);
}

static bool changes_inputs(const struct request *req)
{
	struct json_object *inputs = fnr_json_get(req->body, "inputs");

	return inputs && !(json_object_is_type(inputs, json_type_object) && json_object_object_length(inputs) == 0);
}

static bool may_use_preset(struct request *req, const char *reference)
{
	const struct preset_viewer viewer = common_viewer(req);
	const struct preset *preset;

	return preset_find(req->txn, reference, &viewer, &preset, NULL) == FNR_OK;
}

/* The very preset that the first one ran with, as long as that version is kept: so it is the same work again. Where it is gone,
 * what was made of it still is there; *kept_r. Only changed inputs need a preset: then it is the newest version. */
static const char *same_quality(struct request *req, struct json_object *summary, struct json_object *payload, bool *kept_r)
{
	const char *label = fnr_json_get_text(summary, "preset", ""), *id = fnr_json_get_text(summary, "quality", "");

	*kept_r = false;
	if (may_use_preset(req, label))
		return label;
	*kept_r = !changes_inputs(req) && json_object_is_type(fnr_json_get(payload, "parameters"), json_type_object);
	return !*kept_r && may_use_preset(req, id) ? id : label;
}

/* One that is not configured any more is as if the job had named none. */
static struct json_object *same_queue(struct json_object *summary)
{
	const char *queue = fnr_json_get_text(summary, "queue", NULL);

	return queue && fnr_queue_find(queue) ? json_object_new_string(queue) : NULL;
}

/* The new job as a client would describe it. Times that were asked of the first one have passed. */
static struct json_object *describe(struct request *req, const struct job_head *head, struct json_object *summary, struct json_object *payload, bool *kept_r)
{
	static const char *const same[] = { "project", "shot", "node_id", "fallback", "seed", "variant" };
	struct json_object *job = json_object_new_object(), *given;

	fnr_json_set_text(job, "template", fnr_arena_printf(req->arena, "%s@%s", fnr_json_get_text(summary, "template", "?"),
	                                                    fnr_json_get_text(summary, "version", "?")));
	for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
		if (fnr_json_get(summary, same[i]))
			fnr_json_set(job, same[i], json_object_get(fnr_json_get(summary, same[i])));
	fnr_json_set(job, "inputs", changed_inputs(fnr_json_get(payload, "inputs"), fnr_json_get(req->body, "inputs")));
	fnr_json_set(job, "metadata", json_object_get(fnr_json_get(payload, "metadata")));
	fnr_json_set_int(job, "priority", head->priority);
	if (head->timeout_s)
		fnr_json_set_int(job, "timeout_s", head->timeout_s);
	describe_parents(req, head, fnr_json_get_text(summary, "digest", ""), job);
	*kept_r = false;
	if ((given = fnr_json_get(req->body, "quality")))
		fnr_json_set(job, "quality", json_object_get(given));
	else
		fnr_json_set_text(job, "quality", same_quality(req, summary, payload, kept_r));
	given = fnr_json_get(req->body, "queue");
	fnr_json_set(job, "queue", given ? json_object_get(given) : same_queue(summary));
	if (json_object_object_get_ex(req->body, "seed", &given))
		fnr_json_set(job, "seed", json_object_get(given));
	return job;
}

int retry_add(struct request *req, const struct job_head *head, struct submissions *list)
{
	struct fnr_buf summary_text = FNR_BUF_INIT, payload_text = FNR_BUF_INIT;
	struct json_object *summary, *payload, *job;
	struct submission_kept kept;
	bool keeps;
	int code = store_job_body(req->txn, &head->id, &summary_text, &payload_text, &req->err);

	if (code == FNR_OK) {
		summary = common_parse(&summary_text);
		payload = common_parse(&payload_text);
		job = describe(req, head, summary, payload, &keeps);
		kept = (struct submission_kept){ summary, payload, head->class_, (enum fnr_quality)head->quality };
		code = submission_add_again(req, job, &(struct submission_again){ fnr_json_get_text(summary, "digest", ""), head->id, keeps ? &kept : NULL }, list);
		json_object_put(job);
		json_object_put(payload);
		json_object_put(summary);
	}
	fnr_buf_free(&summary_text);
	fnr_buf_free(&payload_text);
	return code;
}

int job_retry(struct request *req)
{
	struct op_submit submit = { 0 };
	struct submissions list = SUBMISSIONS_INIT;
	struct store_idempotency known;
	struct job_head head;
	bool is_known;
	int code = common_job(req, 0, &head);

	if (code == FNR_OK)
		code = submission_idempotency(req, &submit, &known, &is_known);
	if (code != FNR_OK)
		return code;
	if (is_known)
		return submission_reply(req, &known.id, known.is_batch, true);
	if (!fnr_state_terminal(head.state))
		return fnr_fail(&req->err, FNR_E_CONFLICT, "job %s cannot be run again yet: it is %s", req->args[0], fnr_state_name(head.state));
	common_members_only(req, "a retry", members);
	code = retry_add(req, &head, &list);
	if (code == FNR_OK)
		code = submission_finish(req, &submit, &list);
	submissions_free(&list);
	return code;
}
