/* Running a compiled schema over a value, and noting what does not fit. What the parts of that share; only for this folder.
 *
 * Values are read through json-c's functions, each of which is a call, and lie apart in memory: both cost more than the checks.
 * So a value is asked once for what it is (its subject), an object is gone through once for all the schemas that apply to it
 * (its frame), and a report is not written while only an answer is wanted (run->report is NULL then).
 */
#ifndef FNR_SCHEMA_RUN_H
#define FNR_SCHEMA_RUN_H

#include "schema/program.h"

#define BYTES_A_STEP 64

/* Where in the value we are: a chain on the stack, kept only when problems are to be reported. */
struct spot { const struct spot *parent; const char *name; size_t index, depth; };

struct scope { const struct resource *resource; const struct scope *parent; };

/* An object seen through a shape. Only the places of names that are present mean anything. No object with more members than
 * there are bits has one. */
struct frame {
	const struct shape *shape;
	uint64_t present;                        /* names that it has */
	size_t count, strangers;                 /* members; those whose names are not in the shape */
	uint8_t ids[SHAPE_NAMES];                /* of each member; NO_ID: its name is not in the shape */
	uint8_t places[SHAPE_NAMES];             /* of each name among the members */
	struct json_object *values[SHAPE_NAMES]; /* of each name */
	struct text text;                        /* of the member that was asked for last */
	uint8_t text_id;
};
#define NO_ID UINT8_MAX

/* What is checked: a value, or the name of a member, which is a text without a value of its own. A number that may be whole
 * without being an int has both kinds of number. */
struct subject {
	struct json_object *value;
	const char *text;            /* of a string */
	size_t len;
	int64_t integer;             /* of an int */
	struct lh_table *object;
	struct frame *frame;         /* or NULL */
	unsigned kind;
};

/* Which members or items of one value were evaluated, for unevaluated*: by their places; and, where the value is seen through a
 * frame, by names. */
#define MARKS_SMALL 4
struct marks { uint64_t *bits, small[MARKS_SMALL], names; size_t words; };

struct run {
	const struct schema *schema;
	struct schema_report *report; /* NULL: only whether it fits, and the first misfit ends it */
	const struct spot *spot;
	const struct scope *scope;
	int64_t steps;               /* left */
	int depth;
	const char *stopped;         /* why it could not go on */
	bool said;                   /* that is reported */
	struct pattern_clock clock;
};

/* A misfit, as little as words can be made of later: numbers and texts mean what `kind` says. */
enum problem_kind { PROBLEM_RULE, PROBLEM_KIND, PROBLEM_MISSING, PROBLEM_DEPENDENT, PROBLEM_CONTAINS, PROBLEM_BOTH, PROBLEM_NONE, PROBLEM_LIMIT };
struct problem {
	const struct node *node;
	const struct op *op;
	struct json_object *value;
	uint32_t way, depth;         /* its place: so many steps from this one of the report on */
	enum problem_kind kind;
	const char *name, *other;
	uint64_t first, second;
};
struct step { const char *name; size_t index; };

struct schema_report {
	const struct schema *schema;
	struct problem *problems;
	struct step *steps;
	size_t count, size, step_count, step_size;
	size_t base;                 /* the first of those that count towards SCHEMA_ERRORS now */
	struct json_object *kept;    /* values that were made for the run, and that problems point at */
};

/* ---- subjects ---- */

static inline unsigned subject_kind(struct json_object *value)
{
	return kinds_of_type(json_object_get_type(value));
}

static inline struct subject subject_of(struct json_object *value, unsigned kind)
{
	struct subject subject = { .value = value, .kind = kind };

	if (kind == KIND_STRING) {
		subject.text = json_object_get_string(value);
		subject.len = (size_t)json_object_get_string_len(value);
	} else if (kind == KIND_INTEGER) {
		subject.integer = json_object_get_int64(value);
	} else if (kind == KIND_OBJECT) {
		subject.object = json_object_get_object(value);
	}
	return subject;
}

static inline bool node_takes(const struct node *node, struct json_object *value, unsigned kind)
{
	return (node->kinds & kind) == kind || ((node->kinds & kind) && number_whole(value));
}

/* ---- going on ---- */

/* The steps are at an end: says so, once. Always false. */
bool run_give_up(struct run *run, const struct node *node, const char *why);

/* No more than so many steps; false: it is stopped. */
static inline bool spend(struct run *run, const struct node *node, size_t count)
{
	run->steps -= (int64_t)count;
	return run->steps > 0 || run_give_up(run, node, "it takes too many steps");
}

static inline bool report_full(const struct run *run)
{
	return run->report->count - run->report->base >= SCHEMA_ERRORS;
}

/* May more problems be looked for? */
static inline bool goes_on(const struct run *run)
{
	return run->report && !run->stopped && !report_full(run);
}

/* ---- parts ---- */

/* report.c: notes a misfit, if a report is wanted. All return false, so that who found it can end with that. */
bool report_rule(struct run *run, const struct node *node, const struct op *op, const struct subject *subject);
bool report_kind(struct run *run, const struct node *node, const struct subject *subject);
bool report_missing(struct run *run, const struct node *node, const char *name);
bool report_dependent(struct run *run, const struct node *node, const char *name, const char *missing);
bool report_contains(struct run *run, const struct node *node, const struct op *op, uint64_t found);
bool report_both(struct run *run, const struct node *node, size_t first, size_t second);
bool report_none(struct run *run, const struct node *node, const struct op *op, const struct subject *subject);
bool report_limit(struct run *run, const struct node *node);

/* message.c: puts a problem into words, as an entry of err->errors. */
void message_add(const struct schema_report *report, const struct problem *problem, const char *pointer, struct fnr_error *err);
void message_place(const struct schema_report *report, const struct problem *problem, const char *pointer, char out[POINTER_MOST]);

/* leaf.c: the operations that look at a value alone, not at others within it. leaf_ops applies one, and maybe some behind it,
 * and tells how many fit (0: it does not); leaf_misfit reports that, and tells whether to go on; leaf_run does all of a node that has no
 * other operations. An operation must apply to the kind of the value. */
uint32_t leaf_ops(struct run *run, const struct op *op, const struct subject *subject);
bool leaf_misfit(struct run *run, const struct op *op, const struct subject *subject);
bool leaf_run(struct run *run, const struct node *node, const struct subject *subject);
bool leaf_matches(struct run *run, const struct node *node, struct pattern *pattern, const char *text, size_t len);

/* validate.c: does the value fit the whole schema; and one of its schemas, for the alternatives in a report? */
bool run_schema(const struct schema *schema, struct json_object *value, struct schema_report *report);
bool run_eval(struct run *run, const struct node *node, const struct subject *subject);

#endif
