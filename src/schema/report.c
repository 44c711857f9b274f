/* Notes what does not fit while a schema is run; words come later, if anybody wants them (message.c). */
#include <stdlib.h>
#include <string.h>

#include "schema/run.h"

#define SPARE_MOST 1000       /* problems and steps of a report whose memory is kept */

static size_t depth_of(const struct run *run)
{
	return run->spot ? run->spot->depth : 0;
}

static __attribute__((noinline)) void more_steps(struct schema_report *report, size_t count)
{
	report->step_size = (report->step_count + count) * 2 + 32;
	report->steps = fnr_realloc(report->steps, report->step_size * sizeof *report->steps);
}

static inline void note_place(const struct run *run, struct schema_report *report, struct problem *problem)
{
	const struct spot *spot = run->spot;
	size_t depth = spot ? spot->depth : 0, end = report->step_count + depth;
	struct step *step;

	if (end > report->step_size)
		more_steps(report, depth);
	problem->depth = (uint32_t)depth;
	problem->way = (uint32_t)report->step_count;
	if (!spot)      /* at the top; there may be no steps at all yet */
		return;
	report->step_count = end;
	for (step = report->steps + end; spot; spot = spot->parent)
		*--step = (struct step){ spot->name, spot->index };
}

static __attribute__((noinline)) void more_problems(struct schema_report *report)
{
	report->size = report->size * 2 + 16;
	report->problems = fnr_realloc(report->problems, report->size * sizeof *report->problems);
}

/* A new one, whose particulars are still to be set; NULL if none is wanted. */
static inline struct problem *note(struct run *run, enum problem_kind kind, const struct node *node, const struct op *op, struct json_object *value)
{
	struct schema_report *report = run->report;
	struct problem *problem;

	if (!report || report_full(run))
		return NULL;
	if (report->count == report->size)
		more_problems(report);
	problem = &report->problems[report->count++];
	problem->kind = kind;
	problem->node = node;
	problem->op = op;
	problem->value = value;
	note_place(run, report, problem);
	return problem;
}

/* A name becomes a value, which is kept. */
static __attribute__((noinline)) struct json_object *name_value(struct run *run, const struct subject *subject)
{
	struct json_object *value;

	if (!run->report)
		return NULL;
	value = json_object_new_string_len(subject->text, (int)subject->len);
	FNR_MUST(value);
	if (!run->report->kept)
		run->report->kept = json_object_new_array();
	json_object_array_add(run->report->kept, value);
	return value;
}

static inline struct json_object *value_of(struct run *run, const struct subject *subject)
{
	return subject->value || subject->kind != KIND_STRING ? subject->value : name_value(run, subject);
}

bool report_rule(struct run *run, const struct node *node, const struct op *op, const struct subject *subject)
{
	note(run, PROBLEM_RULE, node, op, value_of(run, subject));
	return false;
}

bool report_kind(struct run *run, const struct node *node, const struct subject *subject)
{
	note(run, PROBLEM_KIND, node, NULL, value_of(run, subject));
	return false;
}

bool report_missing(struct run *run, const struct node *node, const char *name)
{
	struct problem *problem = note(run, PROBLEM_MISSING, node, NULL, NULL);

	if (problem)
		problem->name = name;
	return false;
}

bool report_dependent(struct run *run, const struct node *node, const char *name, const char *missing)
{
	struct problem *problem = note(run, PROBLEM_DEPENDENT, node, NULL, NULL);

	if (problem) {
		problem->name = missing;
		problem->other = name;
	}
	return false;
}

bool report_contains(struct run *run, const struct node *node, const struct op *op, uint64_t found)
{
	struct problem *problem = note(run, PROBLEM_CONTAINS, node, op, NULL);

	if (problem)
		problem->first = found;
	return false;
}

bool report_both(struct run *run, const struct node *node, size_t first, size_t second)
{
	struct problem *problem = note(run, PROBLEM_BOTH, node, NULL, NULL);

	if (problem) {
		problem->first = first;
		problem->second = second;
	}
	return false;
}

bool report_limit(struct run *run, const struct node *node)
{
	struct problem *problem;

	if (run->report)
		run->report->count -= report_full(run);   /* this is the one to be told */
	problem = note(run, PROBLEM_LIMIT, node, NULL, NULL);
	if (problem) {
		problem->other = run->stopped;
		run->said = true;
	}
	return false;
}

/* ---- alternatives ---- */

/* How far the value is from an alternative, by the problems from `from` on: another kind of value is farther than anything
 * else; a wrong fixed value, which often tells alternatives apart, is farther than the rest. */
static size_t distance(const struct run *run, size_t from)
{
	const struct schema_report *report = run->report;
	size_t far = report->count - from, here = depth_of(run);

	for (size_t i = from; i < report->count; i++) {
		const struct problem *problem = &report->problems[i];

		if (problem->kind == PROBLEM_KIND && problem->depth == here)
			far += 1000000;
		else if (problem->kind == PROBLEM_RULE && (problem->op->rule == RULE_ENUM || problem->op->rule == RULE_CONST))
			far += 1000;
	}
	return far;
}

/* Takes the problems and steps from `from` on to the place `to`; what stood between is forgotten. */
struct mark { size_t problem, step; };

static void move_back(struct schema_report *report, struct mark from, struct mark to)
{
	size_t count = report->count - from.problem, steps = report->step_count - from.step;

	memmove(report->problems + to.problem, report->problems + from.problem, count * sizeof *report->problems);
	if (steps)
		memmove(report->steps + to.step, report->steps + from.step, steps * sizeof *report->steps);
	for (size_t i = to.problem; i < to.problem + count; i++)
		report->problems[i].way -= (uint32_t)(from.step - to.step);
	report->count = to.problem + count;
	report->step_count = to.step + steps;
}

/* One line on all of them, then what is wrong with the nearest. */
bool report_none(struct run *run, const struct node *node, const struct op *op, const struct subject *subject)
{
	struct schema_report *report = run->report;
	size_t best = SIZE_MAX, base, summary;
	struct mark first;

	if (!report || run->stopped || report_full(run))
		return false;
	base = report->base;
	summary = report->count;
	note(run, PROBLEM_NONE, node, op, value_of(run, subject))->first = 0;
	first = (struct mark){ report->count, report->step_count };
	for (size_t i = 0; i < op->count && !run->stopped; i++) {
		struct mark start = { report->count, report->step_count };
		size_t far;

		report->base = report->count;
		run_eval(run, op->nodes[i], subject);
		far = distance(run, start.problem);
		if (far < best) {
			move_back(report, start, first);
			report->problems[summary].first = i;
			best = far;
		} else {
			report->count = start.problem;
			report->step_count = start.step;
		}
	}
	report->base = base;
	if (report_full(run))
		report->count = base + SCHEMA_ERRORS;
	return false;
}

/* ---- for callers ---- */

/* One that was freed, with its memory: most are small. */
static struct schema_report *spare;

struct schema_report *schema_report(const struct schema *schema, struct json_object *value)
{
	struct schema_report *report = spare ? spare : fnr_alloc(sizeof *report);

	spare = NULL;
	report->schema = schema;
	if (!run_schema(schema, value, report))
		return report;
	schema_report_free(report);
	return NULL;
}

size_t schema_report_count(const struct schema_report *report)
{
	return report->count;
}

void schema_report_tell(const struct schema_report *report, const char *pointer, struct fnr_error *err)
{
	for (size_t i = 0; err && i < report->count; i++)
		message_add(report, &report->problems[i], pointer, err);
	if (report->count >= SCHEMA_ERRORS)
		fnr_error_add(err, pointer, "more", "correct these first", "there may be more problems, which were not looked for");
}

void schema_report_free(struct schema_report *report)
{
	if (!report)
		return;
	json_object_put(report->kept);
	report->kept = NULL;
	report->count = report->step_count = 0;
	if (!spare && report->size <= SPARE_MOST && report->step_size <= SPARE_MOST) {
		spare = report;
		return;
	}
	free(report->problems);
	free(report->steps);
	free(report);
}

bool schema_check(const struct schema *schema, struct json_object *value, const char *pointer, struct fnr_error *err)
{
	struct schema_report *report;

	if (schema_fits(schema, value))
		return true;
	report = schema_report(schema, value);
	if (!report)
		return true;    /* this time there was time enough for its patterns */
	FNR_MUST(report->count);
	schema_report_tell(report, pointer, err);
	schema_report_free(report);
	return false;
}
